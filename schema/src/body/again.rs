//! A change that another op said, said once more because that op was emptied: something else in it was deleted, and an
//! op is emptied whole. Records and deletions need no such wrapping; they merge without author and time.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::snapshot::Origin;

/// A change with whose it is and when it was made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// Whose, and when.
    #[serde(rename = "o")]
    pub origin: Origin,
    /// What sort of change: one of [`super::kind`], and never one that says whose others are.
    #[serde(rename = "k")]
    pub kind: u16,
    /// The change as it was.
    #[serde(rename = "c")]
    pub change: ByteBuf,
}

// Written by hand: the change is a person's own. A new field must be named here.
impl std::fmt::Debug for Again {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { origin: _, kind, change } = self;
        f.debug_struct("Again").field("kind", kind).field("bytes", &change.len()).finish_non_exhaustive()
    }
}
