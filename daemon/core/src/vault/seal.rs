//! Seals an op into a cell, the only form in which it leaves the device.
//!
//! The layout is that of `caro_schema::cell`. A cell is sealed once: what is sent again after a lost answer is the same
//! bytes. Opening is in `open.rs`.

use caro_schema::{
    cell::{CELL_HEAD_BYTES, CELL_LENGTH_BYTES, CELL_OVERHEAD_BYTES, CELL_TAG_BYTES, CellClass, bucket},
    id::{Dataset, KeyId},
    limits::CELL_BYTES_MAX,
    version,
};

use super::{aead, cell_key::CellKey};

/// The op does not fit the largest cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("op is {size} bytes, the limit is {}", SEALED_BYTES_MAX)]
pub struct TooLarge {
    /// Its size.
    pub size: usize,
}

/// Bytes that the largest cell carries.
pub const SEALED_BYTES_MAX: usize = CELL_BYTES_MAX - CELL_OVERHEAD_BYTES;

/// Seals `plain` under the key of an epoch or of the key log, for one account and class. `op_id` and `random` make the nonce; `random` must be fresh.
///
/// # Errors
/// When `plain` is longer than [`SEALED_BYTES_MAX`].
pub fn seal(
    key: &impl AsRef<CellKey>,
    dataset: &Dataset,
    class: CellClass,
    plain: &[u8],
    op_id: &[u8; 32],
    random: &[u8; 32],
) -> Result<Vec<u8>, TooLarge> {
    let too_large = TooLarge { size: plain.len() };
    let size = bucket(plain.len()).ok_or(too_large)?;
    let length = u32::try_from(plain.len()).map_err(|_| too_large)?;
    let key = key.as_ref();
    let nonce = key.hedged_nonce(op_id, random);
    let split = key.split(&nonce);

    let mut cell = Vec::with_capacity(size);
    cell.extend_from_slice(&[version::BYTES, version::SUITE]);
    cell.extend_from_slice(key.id().as_bytes());
    cell.extend_from_slice(&nonce);
    cell.extend_from_slice(&split.commit);
    cell.extend_from_slice(&length.to_be_bytes());
    cell.extend_from_slice(plain);
    cell.resize(size - CELL_TAG_BYTES, 0);
    let bound = associated_data(key.id(), dataset, class);
    let tag = aead::encrypt(&split.key, &nonce, &bound, &mut cell[CELL_HEAD_BYTES..]);
    cell.extend_from_slice(&tag);
    Ok(cell)
}

/// What a cell is bound to: `"caro/v1/cell" || version || suite || key id || dataset || class`. The author and the
/// op's place are inside, under a signature: a relay must not see them.
pub(super) fn associated_data(key_id: KeyId, dataset: &Dataset, class: CellClass) -> Vec<u8> {
    let mut bound = Vec::with_capacity(CELL_DOMAIN.len() + 2 + KeyId::LEN + Dataset::LEN + 1);
    bound.extend_from_slice(CELL_DOMAIN);
    bound.extend_from_slice(&[version::BYTES, version::SUITE]);
    bound.extend_from_slice(key_id.as_bytes());
    bound.extend_from_slice(dataset.as_bytes());
    bound.push(class as u8);
    bound
}

const CELL_DOMAIN: &[u8] = b"caro/v1/cell";

// The head that is written here and the one that the schema reads are the same.
const _: () = assert!(CELL_HEAD_BYTES == 2 + KeyId::LEN + 24 + 32 && CELL_LENGTH_BYTES == 4);
