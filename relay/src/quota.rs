//! What an account may hold, and what counts. Used by every implementation of the log inside the transaction that
//! stores a cell, so that no number of connections at once gets past it.

use crate::limits::ENTRY_BYTES;

/// What one entry with a cell of so many bytes counts.
pub fn cost(cell_bytes: usize) -> u64 {
    cell_bytes as u64 + ENTRY_BYTES
}

/// Whether an account that holds `used` bytes may add `cost`. A quota of zero is none.
pub fn allows(quota_bytes: u64, used: u64, cost: u64) -> bool {
    quota_bytes == 0 || used.saturating_add(cost) <= quota_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_byte_counts() {
        assert!(allows(100, 60, 40));
        assert!(!allows(100, 60, 41));
        assert!(allows(0, u64::MAX, u64::MAX));
        assert!(!allows(100, u64::MAX, 1));
    }
}
