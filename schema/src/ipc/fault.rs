//! Why the daemon did not do what was asked. `caro` makes the words.

use serde::{Deserialize, Serialize};

/// A reason, with what a person needs to act on it. No fault carries a phrase's words, a key or text from history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Fault {
    /// The other program speaks another version of the protocol.
    #[error("protocol {theirs}, this side speaks {ours}")]
    Protocol {
        /// What we speak.
        ours: u32,
        /// What they speak.
        theirs: u32,
    },
    /// A message that means nothing here.
    #[error("message not understood")]
    Malformed,
    /// A regular expression, with the position and the reason that its parser gives.
    #[error("the pattern is not valid: {reason}")]
    BadPattern {
        /// In the words of the parser.
        reason: String,
    },
    /// There is no such record: it was deleted, or never here.
    #[error("no such record")]
    NoRecord,
    /// Something came or went since the person was asked about it. Nothing was deleted.
    #[error("{count} are selected by now, which is not what was agreed to")]
    Changed {
        /// How many it would be now.
        count: u64,
    },
    /// A word of the phrase is not in the list.
    #[error("word {position} is not in the word list")]
    PhraseWord {
        /// From 1.
        position: u32,
        /// The nearest word of the list.
        nearest: String,
    },
    /// The phrase has a wrong number of words.
    #[error("the phrase has {words} words")]
    PhraseLength {
        /// How many there were.
        words: u32,
    },
    /// All words are in the list, but they are not a phrase.
    #[error("the phrase's checksum is wrong")]
    PhraseChecksum,
    /// The relay has no account for this phrase.
    #[error("no account for this phrase")]
    NoAccount,
    /// This phrase's account is there already; `restore` joins it.
    #[error("the account exists already")]
    AccountExists,
    /// This device is in an account already.
    #[error("already in an account")]
    AlreadySynced,
    /// This device is in no account.
    #[error("not in an account")]
    NotSynced,
    /// The phrase is that of another account than this device's.
    #[error("the phrase is that of another account")]
    OtherAccount,
    /// This relay is in use already.
    #[error("this relay is in use already")]
    RemoteKnown,
    /// No relay with this address is in use.
    #[error("no relay with this address is in use")]
    NoSuchRemote,
    /// No device of the account is meant.
    #[error("no such device")]
    NoSuchDevice,
    /// The device that is meant is this one.
    #[error("this is the device itself")]
    ThisDevice,
    /// The device was taken off before.
    #[error("the device was taken off before")]
    AlreadyRevoked,
    /// This device was taken off itself, or lacks the account's newest key.
    #[error("this device is not of the account any more")]
    NotMember,
    /// Not everything is at every relay, or not everything that is there is here.
    #[error("not in step with every relay")]
    NotInStep,
    /// There is nothing to confirm.
    #[error("no phrase is waiting to be confirmed")]
    NothingBegun,
    /// What was typed is not a code.
    #[error("not a number and two words")]
    CodeForm,
    /// A word of the code is not in the list.
    #[error("word {position} of the code is not in the word list")]
    CodeWord {
        /// The first or the second.
        position: u32,
        /// The nearest word of the list.
        nearest: String,
    },
    /// The other device waits with another code.
    #[error("the code is not right")]
    WrongCode {
        /// How many more may try with it.
        tries_left: u8,
    },
    /// The relay has no such code: it never was, or was used, cancelled or too old.
    #[error("the relay knows no such code")]
    NoSuchCode,
    /// The code was not used in time.
    #[error("the code was not used in time")]
    CodeExpired,
    /// Too many tried with wrong codes.
    #[error("too many wrong codes")]
    NoTriesLeft,
    /// Somebody else is there with this code already.
    #[error("somebody else is using this code")]
    CodeTaken,
    /// As many codes wait at the relay as it takes.
    #[error("too many codes wait at the relay")]
    TooManyCodes,
    /// The other device ended it.
    #[error("the other device ended it")]
    PairDeclined,
    /// The words were not the same.
    #[error("the words were not the same")]
    WordsDiffer,
    /// The other device, or the relay between, went away in the middle.
    #[error("the other device is gone")]
    PairLost {
        /// Whether this side had already handed the account's keys over, or was about to be handed them.
        handed_over: bool,
    },
    /// The other device is of a version that this one cannot speak to.
    #[error("the other device is of another version")]
    PairVersion,
    /// A joining by code is under way.
    #[error("a joining by code is under way")]
    PairUnderWay,
    /// No joining by code is under way.
    #[error("no joining by code is under way")]
    NoPairing,
    /// Syncing is off, and this needs the network.
    #[error("syncing is off")]
    NetworkOff,
    /// The relay would not list the new device.
    #[error("the relay did not list the new device")]
    NotListed,
    /// The relay's address cannot be understood.
    #[error("not a relay address: {reason}")]
    BadAddress {
        /// What is wrong with it.
        reason: String,
    },
    /// The relay cannot be reached.
    #[error("the relay at {host} cannot be reached: {reason}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// What the connection said.
        reason: String,
    },
    /// The relay has another key than the one that was pinned. Somebody may be in between.
    #[error("the relay at {host} has another key")]
    RelayKeyChanged {
        /// Host and port.
        host: String,
    },
    /// The relay said no.
    #[error("the relay refused: {code}")]
    Refused {
        /// [`crate::relay::ErrorCode`] in words.
        code: String,
    },
    /// Not done within the time asked for; it goes on.
    #[error("not finished in time")]
    TimedOut,
    /// There is an item with this name already.
    #[error("there is an item of this name")]
    ItemKnown {
        /// Its sort, as [`crate::items::Sort::category`].
        category: String,
        /// Its name.
        key: String,
    },
    /// An item cannot be kept so.
    #[error("{category} {key}: {reason}")]
    ItemUnfit {
        /// Its sort, as [`crate::items::Sort::category`].
        category: String,
        /// Its name.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There would be too many items, or too many bytes of them.
    #[error("no room for more items: {reason}")]
    ItemsFull {
        /// Which limit, with its value.
        reason: String,
    },
    /// Writing failed. Nothing was lost; it is tried again.
    #[error("storage: {reason}")]
    Storage {
        /// What the system said.
        reason: String,
    },
    /// The key that opens the database cannot be had.
    #[error("key: {reason}")]
    Key {
        /// What the key store said.
        reason: String,
    },
    /// There is not enough memory for the key derivation. It is never done with less.
    #[error("not enough memory for the key derivation")]
    Memory,
    /// The daemon is still reading its database.
    #[error("still loading")]
    Loading,
    /// The daemon is going down.
    #[error("shutting down")]
    ShuttingDown,
    /// Something that should not happen did.
    #[error("internal: {what}")]
    Internal {
        /// Where.
        what: String,
    },
}
