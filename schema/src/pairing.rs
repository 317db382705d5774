//! What a newcomer and the device that lets it in write to each other through a relay's mailbox, in this order. The relay
//! carries it and can read neither a name nor a key: from the third letter on, what matters is sealed between the two.
//!
//! How the keys come about and what each letter proves is in `docs/protocol.md`; the two ends are in `caro-core`.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    id::{Hash, RelayKey},
    keylog::{Certificate, SignedEntry},
};

/// The version of everything here, in the first letter. Another one is refused: there is nothing to negotiate.
pub const VERSION: u8 = 1;

/// Relays that a newcomer is told of. A person has two or three; more would not fit into what a stranger may send.
pub const RELAYS_MAX: usize = 16;

/// One letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Letter {
    /// From the newcomer.
    Hello {
        /// [`VERSION`].
        version: u8,
        /// Its half of SPAKE2.
        pake: ByteBuf,
    },
    /// From the inviter.
    Answer {
        /// Its half of SPAKE2.
        pake: ByteBuf,
        /// SHA-256 of the number that it adds to the check words, so that it cannot choose it later.
        commit: Hash,
    },
    /// From the newcomer: it knows the code.
    Proof {
        /// The proof.
        confirm: Hash,
        /// A sealed [`NewcomerCard`].
        sealed: ByteBuf,
    },
    /// From the inviter: it knows the code too.
    Reveal {
        /// The proof.
        confirm: Hash,
        /// A sealed [`InviterCard`].
        sealed: ByteBuf,
    },
    /// From the newcomer: its person has compared the words.
    Agreed {
        /// A sealed [`Wish`].
        sealed: ByteBuf,
    },
    /// From the inviter: its person has compared them too, and this is what makes the newcomer a device of the account.
    HandOver {
        /// A sealed [`Handed`].
        sealed: ByteBuf,
    },
    /// From the newcomer: it is a device of the account.
    Landed,
    /// From either: no more.
    Declined,
}

/// Who a newcomer is.
#[derive(Clone, Serialize, Deserialize)]
pub struct NewcomerCard {
    /// What it is to be called.
    pub name: String,
    /// Its public keys, with nobody named as having let it in.
    pub certificate: Certificate,
    /// Its number for the check words.
    pub number: Hash,
}

/// Who lets it in.
#[derive(Clone, Serialize, Deserialize)]
pub struct InviterCard {
    /// What this device is called.
    pub name: String,
    /// Its number for the check words, which it was bound to before it saw the other's.
    pub number: Hash,
    /// The relays of the account, the one with the mailbox first.
    pub relays: Vec<RelayCard>,
}

/// One relay.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayCard {
    /// Its address without the key.
    pub address: String,
    /// Its key.
    pub relay_key: RelayKey,
}

/// What the newcomer needs to be listed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Wish {
    /// SHA-256 of its static key at each relay, in the order of [`InviterCard::relays`].
    pub keys: Vec<Hash>,
}

/// What makes a newcomer a device of the account. The keys in it are sealed once more, to the newcomer's own key, so that
/// a recorded joining stays closed to whoever breaks the curve of SPAKE2 later.
#[derive(Clone, Serialize, Deserialize)]
pub struct Handed {
    /// The account's public key.
    pub account: Hash,
    /// The newcomer's entry in the key log, signed by the device that lets it in.
    pub admission: SignedEntry,
    /// What the keys are sealed under (X-Wing, 1,120 bytes).
    pub encapsulated: ByteBuf,
    /// The keys of the key log and of every epoch.
    pub keys: ByteBuf,
    /// The account at each relay that has listed the newcomer.
    pub relays: Vec<Listed>,
}

/// The account at one relay.
#[derive(Clone, Serialize, Deserialize)]
pub struct Listed {
    /// Which relay.
    pub relay_key: RelayKey,
    /// The account's public key there.
    pub account: Hash,
    /// The relay's signing key, where it is known.
    pub signer: Option<Hash>,
}
