//! What a device has seen, said to the others: so that a relay which shows one device less than another, or something
//! else, is found out by whoever hears of both.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    codec::{DecodeError, within},
    id::{OpId, RelayKey},
    limits::DEVICES_MAX,
    op::Parent,
    relay::Position,
};

/// What a device has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attest {
    /// Of each author, its last op here, ascending by author.
    #[serde(rename = "v")]
    pub vector: Vec<Parent>,
    /// Of each relay, where its log stood, with the relay's own signature.
    #[serde(rename = "r")]
    pub relays: Vec<Seen>,
    /// Whether it has read all that its relays have: what the vector does not have is not there.
    #[serde(rename = "c", default, skip_serializing_if = "std::ops::Not::not")]
    pub all_read: bool,
    /// The ids of parts of snapshots that are named and not there, one after the other, at most [`MISSING_MAX`].
    #[serde(rename = "m", default, skip_serializing_if = "none")]
    pub missing: ByteBuf,
}

/// Where a relay's log stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Which relay, by its session key.
    #[serde(rename = "k")]
    pub relay: RelayKey,
    /// What it signed.
    #[serde(rename = "p")]
    pub position: Position,
}

/// Parts that are named as missing. When there are more, they are named when these are there.
pub const MISSING_MAX: usize = 64;

/// Relays of one account.
const RELAYS_MAX: usize = 16;

fn none(bytes: &ByteBuf) -> bool {
    bytes.is_empty()
}

impl Attest {
    /// Checks what must hold for every one.
    ///
    /// # Errors
    /// When a list is too long or out of order.
    pub fn check(&self) -> Result<(), DecodeError> {
        within("authors", self.vector.len(), DEVICES_MAX * 4)?;
        within("relays", self.relays.len(), RELAYS_MAX)?;
        within("missing parts", self.missing.len() / OpId::LEN, MISSING_MAX)?;
        let ascending = self.vector.windows(2).all(|pair| pair[0].author < pair[1].author);
        if ascending { Ok(()) } else { Err(DecodeError::Malformed) }
    }

    /// The parts that are named as missing.
    pub fn missing_parts(&self) -> impl Iterator<Item = OpId> {
        self.missing.chunks_exact(OpId::LEN).filter_map(OpId::from_slice)
    }
}
