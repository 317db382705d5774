//! What a relay keeps: for each account a device list and an append-only log of sealed cells, each with a cursor and a
//! link of the hash chain. Knows nothing of connections; nothing above it may assume that one process owns it.
//!
//! Invariants of every implementation (`tests/log.rs` runs one suite over all): a commit is all or nothing and durable
//! when it returns; cursor and cell are one transaction; cursors have no gaps and are never given twice; a cell pushed
//! again gets the cursor that it has; what is purged keeps its place. [`memory`] is for the simulator, [`sqlite`] for
//! the program; [`crate::store`] runs requests on one.

pub(crate) mod calendar;
pub mod keep;
pub mod memory;
pub mod postgres;
pub mod sqlite;

use caro_link::proof;
use caro_schema::{
    id::{CellId, Generation, Handle, Hash},
    relay::{Accepted, Entry, list::SignedList},
};
use serde_bytes::ByteBuf;

use crate::quota::Quota;

/// One change to the log, already checked for everything that can be checked without it.
#[derive(Clone)]
pub enum Change {
    /// A new account.
    Create {
        /// Its public key.
        account: Hash,
        /// Its first list, verified.
        list: SignedList,
        /// How many accounts there may be.
        accounts_max: u64,
        /// The hash of the invitation that this uses up, where one is asked for.
        invitation: Option<Hash>,
    },
    /// The next device list.
    SetList {
        /// Whose.
        handle: Handle,
        /// The list, verified.
        list: SignedList,
    },
    /// Cells to keep, in this order.
    Append {
        /// Whose.
        handle: Handle,
        /// Each with its id.
        cells: Vec<(CellId, ByteBuf)>,
        /// What the account may hold, unless it was given a room of its own.
        quota: Quota,
    },
    /// Cells to forget.
    Purge {
        /// Whose.
        handle: Handle,
        /// Which.
        cells: Vec<CellId>,
    },
    /// A device to add behind the list.
    Admit {
        /// Whose list.
        handle: Handle,
        /// Who adds it.
        by: Hash,
        /// Which.
        key: Hash,
    },
    /// A device has everything up to a cursor: in the mailbox mode, what every listed device has is forgotten.
    Delivered {
        /// Whose log.
        handle: Handle,
        /// Which device.
        device: Hash,
        /// The cursor.
        cursor: u64,
    },
    /// An account to forget.
    Close {
        /// Whose.
        handle: Handle,
    },
}

impl Change {
    /// The account that it is about.
    pub(crate) fn handle(&self) -> Handle {
        match self {
            Self::Create { account, .. } => proof::handle_of(account),
            Self::SetList { handle, .. }
            | Self::Append { handle, .. }
            | Self::Purge { handle, .. }
            | Self::Admit { handle, .. }
            | Self::Delivered { handle, .. }
            | Self::Close { handle } => *handle,
        }
    }
}

/// What became of a change.
pub enum Changed {
    /// The account is there.
    Created(Account),
    /// The account was there before.
    Exists,
    /// There are as many accounts as there may be.
    NoRoom,
    /// The invitation is not one, has run out, or was used as often as it may be.
    NotInvited,
    /// The list is the account's.
    ListSet {
        /// Its version.
        version: u64,
        /// Who is on it.
        devices: Vec<Hash>,
    },
    /// The list is not the next one.
    ListOutOfStep,
    /// Cells are stored.
    Appended(Appended),
    /// The device is on the list, or behind it.
    Admitted {
        /// Which.
        key: Hash,
        /// Everybody who may connect.
        devices: Vec<Hash>,
    },
    /// The device cannot be added by another one.
    NotAdmitted,
    /// So many cells were there and are forgotten.
    Purged(u64),
    /// It is noted how far the device has come, and some cells that every device has are forgotten.
    Noted(Noted),
    /// The account is forgotten.
    Closed,
    /// There is no such account.
    NoAccount,
}

/// What was forgotten because every device has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// So many cells.
    pub forgotten: u64,
    /// Whether every device has more that is there, which [`Log::settle`] forgets bit by bit.
    pub more: bool,
}

/// Bytes of cells that one transaction forgets. About as much is written ahead, and as much again of the index: more would
/// keep everybody who pushes waiting for it.
const FORGOTTEN_BYTES: u64 = 4 << 20;

/// Entries, for cells that are small or gone.
const FORGOTTEN_ENTRIES: usize = 4_096;

/// Cells that are stored.
pub struct Appended {
    /// Each pushed cell that has a cursor now, in the order of the push.
    pub accepted: Vec<Accepted>,
    /// The account's last cursor before.
    pub before: u64,
    /// The cells that are new, with consecutive cursors from `before + 1`.
    pub fresh: Vec<(CellId, ByteBuf)>,
    /// The chain's head after them.
    pub head: Hash,
    /// Whether the rest of the push did not fit.
    pub over_quota: bool,
}

/// An account as it stands.
#[derive(Clone)]
pub struct Account {
    /// Its public key.
    pub public: Hash,
    /// Its device list.
    pub list: SignedList,
    /// The last cursor, zero for none.
    pub cursor: u64,
    /// The chain's head there.
    pub head: Hash,
    /// Bytes that it holds.
    pub used_bytes: u64,
    /// Bytes that it may hold, where it was given a room of its own.
    pub quota_bytes: Option<u64>,
    /// The last cursor up to which the mailbox mode has forgotten every cell.
    pub dropped: u64,
}

/// A stretch of an account's log: consecutive entries.
pub struct Stretch {
    /// One per cursor.
    pub entries: Vec<Entry>,
    /// The chain's head after the last one.
    pub head: Hash,
    /// The account's last cursor.
    pub end: u64,
}

/// How much a stretch may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes of cells. The first cell is given even when it alone is larger.
    pub bytes: usize,
    /// Entries.
    pub entries: usize,
}

/// Why a log could not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// No room, or no right to write. Nothing was changed; it may work later.
    #[error("the disk is full or cannot be written to")]
    Unavailable,
    /// The disk failed. What it then holds is not known, so the handle must not be used again: open the log anew.
    #[error("the disk failed")]
    Broken,
    /// What is stored does not fit together.
    #[error("the database is damaged")]
    Damaged,
}

/// The reading half. Several may be used at once, beside the writing one.
pub trait LogReader: Send {
    /// An account.
    ///
    /// # Errors
    /// When the log cannot answer.
    fn account(&mut self, handle: &Handle) -> Result<Option<Account>, LogError>;

    /// Whether this device was on the account's list once and is not any more.
    ///
    /// # Errors
    /// When the log cannot answer.
    fn was_removed(&mut self, handle: &Handle, device: &Hash) -> Result<bool, LogError>;

    /// The entries after a cursor; none when there is no such account or its log ends before the cursor.
    ///
    /// # Errors
    /// When the log cannot answer.
    fn stretch(&mut self, handle: &Handle, after: u64, room: Room) -> Result<Option<Stretch>, LogError>;

    /// A number for a session that comes in: above zero and above all that were given before, at whichever relay on this log.
    /// Zero from a log that one relay has to itself, where a session's own number says as much.
    ///
    /// # Errors
    /// When the log cannot answer.
    fn turn(&mut self) -> Result<u64, LogError>;
}

/// The writing half.
pub trait Log: LogReader {
    /// Which life of the log this is.
    fn generation(&self) -> Generation;

    /// Carries out changes, in order, in one transaction. Either all answers hold durably or nothing happened.
    ///
    /// # Errors
    /// When the transaction failed. After [`LogError::Broken`] this handle must be dropped.
    fn commit(&mut self, changes: Vec<Change>) -> Result<Vec<Changed>, LogError>;

    /// Forgets some more of what is to be forgotten and was too much for one transaction: of closed accounts, and of what every
    /// device has in the mailbox mode. And makes sure that what was purged is in no file any more, as far as a program can.
    /// Called when there is time.
    ///
    /// # Errors
    /// When it could not be done now.
    fn settle(&mut self) -> Result<(), LogError>;

    /// In the mailbox mode: forgets cells that came before a day, some accounts at a time. Gives how many, and whether
    /// there may be more.
    ///
    /// # Errors
    /// As [`Self::commit`].
    fn expire(&mut self, before_day: u32) -> Result<(u64, bool), LogError>;
}
