//! What an account may hold, and what counts. Used by every implementation of the log inside the transaction that
//! stores a cell, so that no number of connections at once gets past it.

use crate::limits::ENTRY_BYTES;

/// What an account may hold. Zero is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of cells and of their entries.
    pub bytes: u64,
    /// Entries, purged ones too.
    pub cells: u64,
}

impl Quota {
    /// With the bytes that an account was given of its own, where it was.
    pub fn with_bytes(self, own: Option<u64>) -> Self {
        Self { bytes: own.unwrap_or(self.bytes), ..self }
    }

    /// Whether an account that holds `used` bytes and has come to `cursor` may add an entry of `cost`.
    pub fn allows(self, used: u64, cursor: u64, cost: u64) -> bool {
        within(self.bytes, used, cost) && within(self.cells, cursor, 1)
    }
}

/// What one entry with a cell of so many bytes counts.
pub fn cost(cell_bytes: usize) -> u64 {
    cell_bytes as u64 + ENTRY_BYTES
}

fn within(limit: u64, used: u64, more: u64) -> bool {
    limit == 0 || used.saturating_add(more) <= limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_byte_and_the_last_cell_count() {
        let quota = Quota { bytes: 100, cells: 7 };
        assert!(quota.allows(60, 6, 40));
        assert!(!quota.allows(60, 6, 41));
        assert!(!quota.allows(60, 7, 40));
        assert!(Quota::default().allows(u64::MAX, u64::MAX, u64::MAX));
        assert!(!quota.allows(u64::MAX, 0, 1));
        assert!(quota.with_bytes(Some(101)).allows(60, 6, 41));
        assert!(quota.with_bytes(Some(0)).allows(u64::MAX, 6, 41));
        assert!(!quota.with_bytes(None).allows(60, 6, 41));
    }
}
