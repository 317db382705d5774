//! What the core asks the daemon to do. One function in the daemon carries a step out: one transaction with all the
//! writes, then the sends, then the notices. A step that is dropped is a decision that never happened.

use caro_schema::{body::history::Record, relay::ToRelay};

/// The number of a block of history in the store. Later blocks have greater numbers.
pub type BlockNumber = u64;

/// Which remote, by the number it was given when it was added.
pub type RemoteNumber = u32;

/// Everything that follows from one input.
#[derive(Default)]
#[must_use = "a step that is not carried out loses what it decided"]
pub struct Step {
    /// To be made durable in one transaction, before anything is sent.
    pub writes: Vec<Write>,
    /// To be sent once the writes are durable. A send to a remote that is not connected is dropped: the outbox keeps it.
    pub sends: Vec<(RemoteNumber, ToRelay)>,
    /// What readers should hear of.
    pub notices: Vec<Notice>,
}

impl Step {
    /// Both steps, one after the other, as one.
    pub fn extend(&mut self, later: Self) {
        self.writes.extend(later.writes);
        self.sends.extend(later.sends);
        self.notices.extend(later.notices);
    }
}

/// One change of the store.
#[derive(Clone, PartialEq, Eq)]
pub enum Write {
    /// A block of history: its records from now on, or none to drop it.
    Block(BlockNumber, Option<Vec<Record>>),
    /// A cell that waits for a remote's acknowledgement, or none when it has come.
    Queue(RemoteNumber, u64, Option<Vec<u8>>),
    /// A row by key, or none to drop it. The store hides keys and values.
    Row(Space, Vec<u8>, Option<Vec<u8>>),
}

/// What a row is about. The numbers are in the database and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Space {
    /// Few and small: clock, vault, members, remotes. Read whole at start.
    State = 1,
    /// Ids of deleted records, kept for ever. Read whole at start.
    Tombstone = 2,
    /// Ops by author and sequence number, the exact bytes.
    Op = 3,
    /// Cells that cannot be opened or applied yet.
    Quarantine = 4,
    /// How much of each spool file has been taken. Read whole at start.
    Spool = 5,
    /// Parts of snapshots by id, the exact bytes.
    Part = 6,
    /// Ops of branches that their author left, by author, number and id.
    Fork = 7,
    /// Settings, items and counts. Read whole at start.
    Shared = 8,
    /// What was deleted and may still be taken back, for a moment.
    Trash = 9,
    /// Ids of records that were deleted on this device alone. Read whole at start.
    Hidden = 10,
    /// Ids of records that this device keeps to itself. Read whole at start.
    Kept = 11,
}

/// What readers should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// History changed.
    History,
    /// How syncing is has changed.
    Sync,
    /// A setting, an item or a count has changed.
    Shared,
}

/// A row: its key and its value, as written.
pub type KeyAndValue = (Vec<u8>, Vec<u8>);

/// Reads rows that are not kept in memory. Given to the core by whoever holds the store.
pub trait Rows {
    /// The value of a row, as written.
    ///
    /// # Errors
    /// When the store cannot be read or the row fails its check.
    fn row(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, RowError>;

    /// All rows of a space, as key and value.
    ///
    /// # Errors
    /// When the store cannot be read. A row that fails its check is left out and counted by the store.
    fn rows(&self, space: Space) -> Result<Vec<KeyAndValue>, RowError>;

    /// The next cells of a remote's queue after a number, ascending, until `bytes_max` is reached; at least one if
    /// there is one.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn queue(&self, remote: RemoteNumber, after: u64, bytes_max: usize) -> Result<Vec<(u64, Vec<u8>)>, RowError>;
}

/// A row could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store could not be read")]
pub struct RowError;
