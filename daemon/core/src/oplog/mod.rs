//! The op log of one device: what it has of every author, in which order ops may be applied, and how it makes its own.
//!
//! Knows headers, never payloads. Keeps the invariant that an author's ops are applied in order, each after its
//! parents, and each at most once. Bytes are kept by the store, under the author and number.

mod bloom;
pub mod fork;
mod log;
mod stored;
mod vector;
mod waiting;

pub use bloom::Bloom;
pub use log::{OpLog, Placement, Run};
pub use stored::Stored;
pub use vector::{Tip, Vector};
pub use waiting::{Held, Need, Waiting};

use caro_schema::id::DeviceId;

/// The key of an op's row: author, then number, so that it can be found from either.
pub fn row_key(author: &DeviceId, seq: u64) -> Vec<u8> {
    [&author.0[..], &seq.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests;
