//! Hides the rows of the local database: what their keys are and what they say, and where one would fit.
//!
//! ```text
//! row = version u8 · nonce 24 · ciphertext · tag 16
//! ```
//! A row opens only in the place that it was sealed for, so rows cannot be swapped on the disk.

use std::fmt;

use crate::vault::{aead, derive::expand, secret::Secret};

/// Bytes of a hidden row key.
pub const ROW_KEY_BYTES: usize = 16;

/// The first layout.
const VERSION: u8 = 1;

/// Seals and opens rows.
pub struct StoreKey {
    row_key: Secret,
    row_seal: Secret,
    row_nonce: Secret,
    fingerprint: [u8; 16],
}

/// Why a row cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AtRestError {
    /// Too short for a row.
    #[error("not a sealed row")]
    Form,
    /// A newer version wrote it.
    #[error("row layout {0} is not known here")]
    Version(u8),
    /// The row was altered, belongs to another place, or was sealed under another key.
    #[error("the row does not open here")]
    Tag,
}

impl StoreKey {
    pub(super) fn new(root: &Secret) -> Self {
        Self {
            row_key: expand(root, &[b"row-key"]),
            row_seal: expand(root, &[b"row-seal"]),
            row_nonce: expand(root, &[b"row-nonce"]),
            fingerprint: *expand(root, &[b"fingerprint"]).bytes(),
        }
    }

    /// Recognises the key without telling anything about it: kept beside the data, to refuse another key before a row
    /// is touched.
    pub fn fingerprint(&self) -> [u8; 16] {
        self.fingerprint
    }

    /// The name under which the row with this key is kept in a space. Without the store key it says nothing, not even
    /// of a key that can be guessed.
    pub fn row_key(&self, space: u8, key: &[u8]) -> [u8; ROW_KEY_BYTES] {
        let hash = blake3::Hasher::new_keyed(self.row_key.bytes()).update(&[space]).update(key).finalize();
        let mut hidden = [0; ROW_KEY_BYTES];
        hidden.copy_from_slice(&hash.as_bytes()[..ROW_KEY_BYTES]);
        hidden
    }

    /// Seals a row for one place. `random` must be fresh.
    pub fn seal_row(&self, place: &[u8], plain: &[u8], random: &[u8; 24]) -> Vec<u8> {
        let nonce = self.nonce(place, plain, random);
        let mut row = Vec::with_capacity(1 + nonce.len() + plain.len() + aead::TAG_BYTES);
        row.push(VERSION);
        row.extend_from_slice(&nonce);
        aead::append(&mut row, &self.row_seal, &nonce, &bound(place), plain);
        row
    }

    /// Opens a row in the place that it was sealed for.
    ///
    /// # Errors
    /// When the row is cut, altered, of a newer layout, of another place, or sealed under another key.
    pub fn open_row(&self, place: &[u8], row: &[u8]) -> Result<Vec<u8>, AtRestError> {
        let (version, rest) = row.split_first().ok_or(AtRestError::Form)?;
        if *version != VERSION {
            return Err(AtRestError::Version(*version));
        }
        let (nonce, sealed) = rest.split_first_chunk().ok_or(AtRestError::Form)?;
        if sealed.len() < aead::TAG_BYTES {
            return Err(AtRestError::Form);
        }
        let mut plain = aead::open(&self.row_seal, nonce, &bound(place), sealed).map_err(|_| AtRestError::Tag)?;
        Ok(std::mem::take(&mut *plain))
    }

    /// As for cells, randomness alone is not trusted: on a machine restored from a snapshot it may repeat. A nonce is
    /// then used twice only for the same text in the same place.
    fn nonce(&self, place: &[u8], plain: &[u8], random: &[u8; 24]) -> [u8; 24] {
        let mut hasher = blake3::Hasher::new_keyed(self.row_nonce.bytes());
        hasher.update(random).update(&(place.len() as u64).to_be_bytes()).update(place).update(plain);
        let mut nonce = [0; 24];
        nonce.copy_from_slice(&hasher.finalize().as_bytes()[..24]);
        nonce
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row_key: _, row_seal: _, row_nonce: _, fingerprint: _ } = self;
        f.debug_struct("StoreKey").finish_non_exhaustive()
    }
}

/// `"caro/v1/row" || version || place`.
fn bound(place: &[u8]) -> Vec<u8> {
    [b"caro/v1/row", &[VERSION][..], place].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::at_rest::DeviceMasterKey;

    fn key(seed: u8) -> StoreKey {
        DeviceMasterKey::from_bytes(&[seed; 32]).store_key()
    }

    #[test]
    fn a_row_opens_where_it_was_sealed() {
        for plain in [&b""[..], b"a row", &[7; 100_000]] {
            let row = key(1).seal_row(b"place", plain, &[2; 24]);
            assert_eq!(row.len(), plain.len() + 41);
            assert_eq!(key(1).open_row(b"place", &row).as_deref(), Ok(plain));
        }
    }

    #[test]
    fn rows_cannot_be_swapped_altered_or_read_with_another_key() {
        let row = key(1).seal_row(b"place", b"a row", &[2; 24]);
        assert_eq!(key(1).open_row(b"place2", &row), Err(AtRestError::Tag));
        assert_eq!(key(1).open_row(b"", &row), Err(AtRestError::Tag));
        assert_eq!(key(2).open_row(b"place", &row), Err(AtRestError::Tag));
        for bit in 8..row.len() * 8 {
            let mut bad = row.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key(1).open_row(b"place", &bad), Err(AtRestError::Tag), "bit {bit}");
        }
    }

    #[test]
    fn a_row_cut_or_of_another_layout_is_refused() {
        let mut row = key(1).seal_row(b"place", b"", &[2; 24]);
        for len in 0..row.len() {
            assert_eq!(key(1).open_row(b"place", &row[..len]), Err(AtRestError::Form), "cut at {len}");
        }
        row[0] = 2;
        assert_eq!(key(1).open_row(b"place", &row), Err(AtRestError::Version(2)));
    }

    #[test]
    fn trap_15_repeated_randomness_repeats_no_nonce_for_another_row() {
        let nonce =
            |place: &[u8], plain: &[u8], random: u8| key(1).seal_row(place, plain, &[random; 24])[1..25].to_vec();
        let one = nonce(b"place", b"a row", 2);
        assert_eq!(one, nonce(b"place", b"a row", 2));
        for other in [
            nonce(b"place", b"b row", 2),
            nonce(b"plac", b"ea row", 2),
            nonce(b"other", b"a row", 2),
            nonce(b"place", b"a row", 3),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn row_keys_tell_nothing_and_differ_by_space_and_key() {
        let hidden = key(1).row_key(1, b"key");
        assert_eq!(hidden, key(1).row_key(1, b"key"));
        assert_ne!(hidden, key(1).row_key(2, b"key"));
        assert_ne!(hidden, key(1).row_key(1, b"key2"));
        assert_ne!(hidden, key(2).row_key(1, b"key"));
    }

    #[test]
    fn trap_29_another_key_is_recognised_before_a_row_is_touched() {
        assert_eq!(key(1).fingerprint(), key(1).fingerprint());
        assert_ne!(key(1).fingerprint(), key(2).fingerprint());
    }

    #[test]
    fn trap_28_a_row_shows_nothing_of_what_it_holds() {
        let canary = b"canary-5f1e";
        let row = key(1).seal_row(b"place", canary, &[2; 24]);
        assert!(!row.windows(4).any(|window| canary.windows(4).any(|part| part == window)));
    }

    #[test]
    fn xc001_a_store_key_prints_nothing_of_itself() {
        assert_eq!(format!("{:?}", key(1)), "StoreKey { .. }");
    }
}
