//! What is on the disk instead of a row: sealed, and bound to its place, so that rows cannot be read, altered or
//! swapped without being found out. The construction is the core's (`vault::at_rest`).

use caro_core::{
    step::{BlockNumber, RemoteNumber, Space},
    vault::at_rest::{ROW_KEY_BYTES, StoreKey},
};
use caro_link::entropy::{Entropy, OsEntropy};
use zeroize::Zeroizing;

use super::StoreError;

/// Seals rows and opens them.
pub(super) struct Sealer {
    key: StoreKey,
}

/// Where a sealed value belongs. No two places have the same bytes: the first one tells the kind, and each kind has
/// one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Block(BlockNumber),
    Queue(RemoteNumber, u64),
    Row(u8, [u8; ROW_KEY_BYTES]),
}

impl Place {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Block(n) => [b"b", &n.to_be_bytes()[..]].concat(),
            Self::Queue(remote, n) => [b"q", &remote.to_be_bytes()[..], &n.to_be_bytes()].concat(),
            Self::Row(space, key) => [b"r", &[*space][..], key].concat(),
        }
    }
}

impl Sealer {
    pub(super) fn new(key: StoreKey) -> Self {
        Self { key }
    }

    /// Recognises the key: kept in the file, to refuse another one before anything is touched.
    pub(super) fn fingerprint(&self) -> [u8; 16] {
        self.key.fingerprint()
    }

    /// Where the row with this key is: on the disk its key is hidden.
    pub(super) fn place(&self, space: Space, key: &[u8]) -> (u8, [u8; ROW_KEY_BYTES]) {
        let space = space as u8;
        (space, self.key.row_key(space, key))
    }

    pub(super) fn seal(&self, place: Place, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut random = [0; 24];
        OsEntropy.fill(&mut random)?;
        Ok(self.key.seal_row(&place.bytes(), plain, &random))
    }

    pub(super) fn open(&self, place: Place, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        Ok(self.key.open_row(&place.bytes(), sealed)?)
    }

    /// A row with its true key: `key length u32 · key · value`.
    pub(super) fn seal_row(&self, place: Place, key: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let length = u32::try_from(key.len()).map_err(|_| StoreError::TooLarge)?;
        // A value may be a key of the account.
        let plain = Zeroizing::new([&length.to_be_bytes(), key, value].concat());
        self.seal(place, &plain)
    }

    /// The true key and the value of a row.
    pub(super) fn open_row(&self, place: Place, sealed: &[u8]) -> Result<(Vec<u8>, Vec<u8>), StoreError> {
        let plain = Zeroizing::new(self.open(place, sealed)?);
        let (key, value) = split(&plain).ok_or_else(|| StoreError::Damaged("a row without a key".to_owned()))?;
        Ok((key.to_vec(), value.to_vec()))
    }
}

fn split(plain: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = plain.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}
