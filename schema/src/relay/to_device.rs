//! Messages from a relay to a device.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::list::SignedList;
use crate::id::{CellId, Generation, Hash, Signature};

/// A message from a relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToDevice {
    /// The session is open.
    Welcome {
        /// Where the account's log stands.
        position: Position,
        /// The relay's signing key (Ed25519), pinned by the device together with the session key.
        signer: Hash,
        /// The current device list.
        list: SignedList,
        /// Bytes that the account may hold, zero for no limit.
        quota_bytes: u64,
        /// Bytes that it holds.
        used_bytes: u64,
    },
    /// A new device list was accepted.
    ListAccepted {
        /// Its version.
        version: u64,
    },
    /// Cells are durable.
    Ack {
        /// Each pushed cell with its cursor, the same one for a cell that was there already.
        cells: Vec<Accepted>,
    },
    /// The next entries of the log, as answer to a pull or as they come.
    Page(Page),
    /// Cells were forgotten, as asked.
    Purged {
        /// How many of them had been there.
        count: u64,
    },
    /// How many other devices of the account are connected.
    Presence {
        /// The number.
        others: u32,
    },
    /// The account is closed and everything in it forgotten.
    Closed,
    /// I am here.
    Pong {
        /// From the ping.
        token: u64,
    },
    /// A device was added behind the list.
    Admitted {
        /// Which, as it was asked.
        key: Hash,
    },
    /// The mailbox is open.
    Invited {
        /// For how long, in milliseconds.
        open_ms: u64,
        /// How many newcomers may try.
        tries: u8,
    },
    /// To both sides of a mailbox: the other one is there.
    Claimed {
        /// How many more newcomers may try after this one.
        tries_left: u8,
    },
    /// To the device that opened a mailbox: the newcomer is gone. Another one may come.
    Left,
    /// To the device that opened a mailbox: somebody else came for it while a newcomer is there.
    Contested,
    /// From the other side of the mailbox.
    Mail {
        /// As it was sent.
        letter: ByteBuf,
    },
    /// Something was refused.
    Error {
        /// Why.
        code: ErrorCode,
        /// When to try again, in milliseconds, where that makes sense.
        retry_ms: Option<u64>,
    },
}

/// A cell that the relay has durably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Which.
    pub cell: CellId,
    /// Its place in the account's log, from 1, without gaps.
    pub cursor: u64,
}

/// A run of entries without gaps: `after < cursor <= after + entries.len()`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The cursor before the first entry.
    pub after: u64,
    /// The entries, one per cursor.
    pub entries: Vec<Entry>,
    /// Where the log stands after the last entry.
    pub position: Position,
    /// Whether there is more to send at once.
    pub more: bool,
}

/// One place in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// A cell.
    Cell(ByteBuf),
    /// A cell that this same session pushed, by its id.
    Own(CellId),
    /// A cell that was purged. Its id still counts in the chain.
    Gone(CellId),
}

/// A place in an account's log, signed by the relay, so that two devices that were shown different logs can prove it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Which life of the relay's database.
    pub generation: Generation,
    /// The last cursor.
    pub cursor: u64,
    /// The chain of ids up to it: `head(c) = BLAKE3(head(c-1) || c || cell id)`, zeroes for none.
    pub head: Hash,
    /// The relay's signature over [`super::POSITION_DOMAIN`], handle, generation, cursor and head.
    pub signature: Signature,
}

/// Why a relay refuses. What a device does about each is in `caro-core`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ErrorCode {
    /// No such account here, or this device is not in its list. The two are not told apart for a stranger.
    NotKnown,
    /// The account exists already.
    Exists,
    /// The signature does not hold.
    BadProof,
    /// The device list is not the next one.
    ListOutOfStep,
    /// This device was taken off the list.
    Removed,
    /// Not a cell, or not a message of this state.
    Malformed,
    /// A message, batch or cell above its limit.
    TooLarge,
    /// The account's space is used up.
    QuotaExceeded,
    /// Too many messages; slow down.
    RateLimited,
    /// Too many connections.
    TooManyConnections,
    /// New accounts need an invitation, or are not taken.
    RegistrationRefused,
    /// The relay cannot store at the moment. Try again.
    StorageUnavailable,
    /// The pull starts after the end of the log: this database is older than what the device has seen.
    CursorAhead,
    /// The relay is going down. Try again.
    ShuttingDown,
    /// Nothing was heard for too long.
    Idle,
    /// The session is old; make a new handshake.
    SessionExpired,
    /// There is no mailbox of this number: it never was, or is no more.
    NoMailbox,
    /// The mailbox of this number is in use by somebody else.
    MailboxTaken,
    /// As many mailboxes as there may be, of this address or in all.
    TooManyMailboxes,
    /// The mailbox was open for as long as it may.
    MailboxExpired,
    /// As many newcomers came as may try.
    NoTriesLeft,
    /// The other side says that the code was not right.
    WrongCode,
    /// The device that opened the mailbox is gone.
    MailboxClosed,
    /// The list has as many devices as it may, or the device was taken off it: only the account's key can add it.
    NotAdmitted,
    /// This relay forgets what every device has, and what is old. Some of what the pull asks for is gone that way, and has to
    /// come from another device.
    Missed,
}
