//! What seals and opens cells: a key, its public id, and a key for its nonces. An epoch has one and so has the key log.
//!
//! Each cell is sealed under a key of its own, which comes with a commitment: XChaCha20-Poly1305 alone lets one
//! ciphertext open under two keys. Sealing is in `seal.rs`, opening in `open.rs`.

use std::fmt;

use caro_schema::id::KeyId;

use super::{
    derive::{expand, extract},
    secret::Secret,
};

/// Seals cells under one key.
pub struct CellKey {
    id: KeyId,
    key: Secret,
    nonce_key: Secret,
}

/// The key of a single cell and what binds the cell to it.
pub(super) struct SplitKey {
    pub(super) key: Secret,
    pub(super) commit: [u8; 32],
}

impl CellKey {
    pub(super) fn new(key: Secret) -> Self {
        Self { id: KeyId(*expand(&key, &[b"kid"]).bytes()), nonce_key: expand(&key, &[b"nonce"]), key }
    }

    /// What names the key in every cell. It says nothing about the key.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The key and the commitment of the cell with this nonce.
    pub(super) fn split(&self, nonce: &[u8; 24]) -> SplitKey {
        let cell = extract(nonce, self.key.bytes());
        let both: Secret<64> = expand(&cell, &[b"caro/v1/seal"]);
        let (key, commit) = both.bytes().split_at(32);
        let mut split = SplitKey { key: Secret::filled(|bytes| bytes.copy_from_slice(key)), commit: [0; 32] };
        split.commit.copy_from_slice(commit);
        split
    }

    /// A nonce that is unique even where randomness repeats, as on a cloned machine: another op, another nonce.
    pub(super) fn hedged_nonce(&self, op_id: &[u8; 32], random: &[u8; 32]) -> [u8; 24] {
        let mut nonce = [0; 24];
        let hash = blake3::Hasher::new_keyed(self.nonce_key.bytes()).update(random).update(op_id).finalize();
        nonce.copy_from_slice(&hash.as_bytes()[..24]);
        nonce
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.key
    }

    #[cfg(test)]
    pub(super) fn nonce_key(&self) -> &[u8; 32] {
        self.nonce_key.bytes()
    }
}

impl AsRef<Self> for CellKey {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl PartialEq for CellKey {
    fn eq(&self, other: &Self) -> bool {
        // The other two fields follow from the key.
        self.key == other.key
    }
}

impl Eq for CellKey {}

impl fmt::Debug for CellKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id: _, key: _, nonce_key: _ } = self;
        f.debug_struct("CellKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xc001_a_cell_key_prints_nothing_of_itself() {
        assert_eq!(format!("{:?}", CellKey::new(Secret::copied(&[7; 32]))), "CellKey { .. }");
    }

    #[test]
    fn trap_15_repeated_randomness_gives_another_nonce_for_another_op() {
        let key = CellKey::new(Secret::copied(&[7; 32]));
        assert_ne!(key.hedged_nonce(&[1; 32], &[9; 32]), key.hedged_nonce(&[2; 32], &[9; 32]));
        assert_ne!(key.hedged_nonce(&[1; 32], &[9; 32]), key.hedged_nonce(&[1; 32], &[8; 32]));
        let other = CellKey::new(Secret::copied(&[6; 32]));
        assert_ne!(key.hedged_nonce(&[1; 32], &[9; 32]), other.hedged_nonce(&[1; 32], &[9; 32]));
    }
}
