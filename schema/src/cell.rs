//! The sealed cell: all that a relay ever holds of an op. This file lists everything that a relay can learn from one:
//! which key sealed it, and which of seven sizes it has.
//!
//! ```text
//! cell = version u8 · suite u8 · key id 8 · nonce 24 · key commitment 32 · ciphertext · tag 16
//! ```
//! The plaintext is a length (u32) and an encoded op, then zeroes up to the bucket's size.

use crate::{
    codec::DecodeError,
    id::KeyId,
    limits::{CELL_BYTES_MAX, CELL_BYTES_MIN},
    version,
};

/// Bytes before the ciphertext.
pub const CELL_HEAD_BYTES: usize = 1 + 1 + 8 + 24 + 32;
/// Bytes of the authentication tag (RFC 8439, section 2.8).
pub const CELL_TAG_BYTES: usize = 16;
/// Bytes of the plaintext's length field.
pub const CELL_LENGTH_BYTES: usize = 4;
/// Bytes that a cell adds to what it carries.
pub const CELL_OVERHEAD_BYTES: usize = CELL_HEAD_BYTES + CELL_TAG_BYTES + CELL_LENGTH_BYTES;

/// What a cell holds, bound to it as associated data and visible to nobody without the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CellClass {
    /// An op with changes.
    Op = 1,
    /// An entry of the account's key log.
    KeyLog = 2,
    /// A snapshot op.
    Snapshot = 3,
    /// An attest op.
    Attest = 4,
}

/// The size of the smallest cell that carries `plain` bytes, or none when it would be above the largest.
pub fn bucket(plain: usize) -> Option<usize> {
    let needed = plain.checked_add(CELL_OVERHEAD_BYTES)?;
    let size = needed.max(CELL_BYTES_MIN).next_power_of_two();
    (size <= CELL_BYTES_MAX).then_some(size)
}

/// Whether a cell may have this many bytes.
pub const fn is_bucket(size: usize) -> bool {
    size >= CELL_BYTES_MIN && size <= CELL_BYTES_MAX && size.is_power_of_two()
}

/// The parts of a cell, borrowed from its bytes.
#[derive(Clone, Copy)]
pub struct CellView<'a> {
    /// Which key sealed it.
    pub key_id: KeyId,
    /// The nonce.
    pub nonce: &'a [u8; 24],
    /// Commits the cell to one key.
    pub commit: &'a [u8; 32],
    /// Ciphertext and tag.
    pub sealed: &'a [u8],
}

impl<'a> CellView<'a> {
    /// Splits a cell. This checks the form only, which is all that a relay can check.
    ///
    /// # Errors
    /// When the size is not a bucket's, or the version or suite is not known.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if !is_bucket(bytes.len()) {
            return Err(DecodeError::Malformed);
        }
        if bytes[0] != version::BYTES {
            return Err(DecodeError::Version(bytes[0]));
        }
        if bytes[1] != version::SUITE {
            return Err(DecodeError::Version(bytes[1]));
        }
        let (head, sealed) = bytes.split_at(CELL_HEAD_BYTES);
        let part = |from: usize, to: usize| &head[from..to];
        Ok(Self {
            key_id: KeyId::from_slice(part(2, 10)).ok_or(DecodeError::Malformed)?,
            nonce: part(10, 34).try_into().map_err(|_| DecodeError::Malformed)?,
            commit: part(34, 66).try_into().map_err(|_| DecodeError::Malformed)?,
            sealed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn st004_every_size_is_one_of_seven() {
        assert_eq!(CELL_OVERHEAD_BYTES, 86);
        let mut sizes = std::collections::BTreeSet::new();
        for plain in 0..=CELL_BYTES_MAX - CELL_OVERHEAD_BYTES {
            let size = bucket(plain).unwrap();
            assert!(is_bucket(size) && size >= plain + CELL_OVERHEAD_BYTES);
            sizes.insert(size);
        }
        assert_eq!(sizes.len(), 7);
        assert_eq!(bucket(CELL_BYTES_MAX - CELL_OVERHEAD_BYTES + 1), None);
        assert_eq!(bucket(usize::MAX), None);
    }

    #[test]
    fn e_pq_04_a_cell_of_another_size_version_or_suite_is_refused() {
        let mut cell = vec![0u8; 1024];
        cell[0] = version::BYTES;
        cell[1] = version::SUITE;
        assert!(CellView::parse(&cell).is_ok());
        assert!(CellView::parse(&cell[..1023]).is_err());
        cell[1] = 2;
        assert!(matches!(CellView::parse(&cell), Err(DecodeError::Version(2))));
    }
}
