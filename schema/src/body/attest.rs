//! What a device has seen, said to the others: so that a relay which shows one device less than another, or something
//! else, is found out by whoever hears of both.

use serde::{Deserialize, Serialize};

use crate::{
    codec::{DecodeError, within},
    id::RelayKey,
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

/// Relays of one account.
const RELAYS_MAX: usize = 16;

impl Attest {
    /// Checks what must hold for every one.
    ///
    /// # Errors
    /// When a list is too long or out of order.
    pub fn check(&self) -> Result<(), DecodeError> {
        within("authors", self.vector.len(), DEVICES_MAX * 4)?;
        within("relays", self.relays.len(), RELAYS_MAX)?;
        let ascending = self.vector.windows(2).all(|pair| pair[0].author < pair[1].author);
        if ascending { Ok(()) } else { Err(DecodeError::Malformed) }
    }
}
