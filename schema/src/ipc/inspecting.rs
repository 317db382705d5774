//! What a relay knows of this account: what it shows of itself when it is asked, beside what this device remembers of it.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Fault;
use crate::{
    id::{CellId, Generation, Handle, Hash, RelayKey},
    relay::{Position, list::SignedList},
};

/// Look at what one relay holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspect {
    /// Its address, as the status has it.
    pub address: String,
    /// Whether to ask it. Otherwise only what this device remembers is told.
    pub ask: bool,
    /// Entries after this cursor.
    pub after: u64,
    /// The chain's head there, zeroes at the beginning.
    pub head: Hash,
    /// Whole cells, and not only their first bytes.
    pub whole: bool,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspected {
    /// What this device remembers.
    pub known: Known,
    /// What the relay showed just now.
    pub shown: Option<Shown>,
    /// Why it shows nothing, where it was asked.
    pub failure: Option<Fault>,
}

/// What this device remembers of a relay: what it gave it, and what it was shown before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The relay's session key.
    pub relay_key: RelayKey,
    /// The account's public key there.
    pub account: Hash,
    /// Its name there: the hash of that key.
    pub handle: Handle,
    /// The relay's signing key, once it was seen.
    pub signer: Option<Hash>,
    /// Which life of its database was seen last.
    pub generation: Option<Generation>,
    /// The last cursor that this device took, and confirmed.
    pub cursor: u64,
    /// The chain's head there.
    pub head: Hash,
    /// The greatest cursor that the relay gave to a cell of this device.
    pub acknowledged: u64,
    /// Cells that it has not acknowledged.
    pub queued: u64,
    /// Whether it still has cells that it is to forget.
    pub purging: bool,
    /// The device list that it showed last.
    pub list: Option<SignedList>,
    /// Hash of this device's key there.
    pub own: Hash,
    /// Whose keys the hashes are. Only devices know that.
    pub names: Vec<KeyName>,
    /// Other devices that were connected, as it said last.
    pub others_online: u32,
}

/// Whose key at a relay a hash stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyName {
    /// The hash.
    pub key: Hash,
    /// What the device is called.
    pub name: String,
    /// Whether it was taken off the account.
    pub off: bool,
}

/// What a relay showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Where the account's log stands, as it signed.
    pub position: Position,
    /// Its signing key.
    pub signer: Hash,
    /// The account's device list.
    pub list: SignedList,
    /// Bytes that the account may hold, zero for no limit.
    pub quota_bytes: u64,
    /// Bytes that it holds, by the relay's count.
    pub used_bytes: u64,
    /// It says that it has forgotten cells by itself: it runs in the mailbox mode.
    pub forgets: bool,
    /// The address and port on this machine from which it was asked. What the relay sees is this one, or that of whatever
    /// stands in between.
    pub from: String,
    /// The next entries of the log.
    pub entries: Vec<LogEntry>,
    /// Whether there are more than these.
    pub more: bool,
    /// What does not fit together, or not with what this device remembers.
    pub differences: Vec<Difference>,
}

/// One place in the log of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Its place.
    pub cursor: u64,
    /// The cell's id.
    pub cell: CellId,
    /// The chain's head at this place.
    pub head: Hash,
    /// The cell's size, zero where it is gone.
    pub size: u32,
    /// Its bytes, or the first ones: as many as come before the ciphertext.
    pub bytes: ByteBuf,
    /// What it holds. Only devices can tell.
    pub holds: Holds,
}

/// What a cell is to whoever has the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Holds {
    /// An op with changes.
    Op,
    /// An entry of the account's key log.
    KeyLog,
    /// A part of a snapshot.
    Snapshot,
    /// What a device says that it has seen.
    Attest,
    /// Nothing any more.
    Gone,
    /// No key of this device opens it.
    Unknown,
}

/// Something that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Difference {
    /// The relay's database began a new life since this device was there last.
    OtherLife,
    /// The log is shorter than what this device was shown, or was told to be safe.
    Shorter {
        /// Where it ends now.
        shown: u64,
        /// Where it ended.
        known: u64,
    },
    /// The log has another past than this device was shown.
    OtherPast {
        /// Seen at this cursor.
        cursor: u64,
    },
    /// The pages do not follow from each other, or are not signed.
    Broken {
        /// After this cursor.
        cursor: u64,
    },
    /// The relay signs with another key than before.
    OtherSigner,
    /// The list is not signed by the account.
    ListUnsigned,
    /// The list is older than the one that was shown before.
    ListOlder,
    /// This device is not on it.
    NotListed,
}
