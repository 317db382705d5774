//! Opens cells. Every altered bit, and every move of a cell to another account, class or epoch, ends here.
//!
//! The checks come in the order of their price: form, key id, commitment, tag, padding. Nothing is decrypted before
//! its tag fits, and what a cell held is wiped when the caller drops it. Whose op it is, is checked in `oplog`.

use caro_schema::{
    cell::{CELL_LENGTH_BYTES, CELL_TAG_BYTES, CellClass, CellView},
    id::Dataset,
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    aead,
    cell_key::{CellKey, SplitKey},
    key_ring::KeyRing,
    seal::associated_data,
};

/// Why a cell does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not a cell of a version, suite and size known here.
    #[error("not a cell")]
    Form,
    /// Sealed under a key that is not here. It may come: the cell is kept until then.
    #[error("sealed under another key")]
    OtherKey,
    /// The key has this id but did not seal the cell.
    #[error("the key commitment does not fit")]
    Commitment,
    /// The cell was altered, or belongs to another account or class.
    #[error("the authentication tag does not fit")]
    Tag,
    /// Whoever sealed it did not follow the format.
    #[error("malformed padding")]
    Padding,
}

/// Opens a cell that must be of one key, account and class, and gives what was sealed.
///
/// # Errors
/// When anything about the cell is not as expected.
pub fn open(
    key: &impl AsRef<CellKey>,
    dataset: &Dataset,
    class: CellClass,
    cell: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let key = key.as_ref();
    let view = CellView::parse(cell).map_err(|_| OpenError::Form)?;
    if view.key_id != key.id() {
        return Err(OpenError::OtherKey);
    }
    let mut sealed = Sealed::new(key, &view)?;
    sealed.decrypt(&view, dataset, class)?;
    sealed.content()
}

/// Opens a cell with whichever of the account's keys sealed it, and says of which class it is.
///
/// # Errors
/// As [`open`]; [`OpenError::OtherKey`] when no key of the ring sealed it.
pub fn open_any(keys: &KeyRing, dataset: &Dataset, cell: &[u8]) -> Result<(CellClass, Zeroizing<Vec<u8>>), OpenError> {
    let view = CellView::parse(cell).map_err(|_| OpenError::Form)?;
    let (key, classes) = keys.find(view.key_id).ok_or(OpenError::OtherKey)?;
    let mut sealed = Sealed::new(key, &view)?;
    // The class is not written on the cell, or a relay could tell ops from snapshots. A wrong guess costs one pass of
    // the authenticator and leaves the buffer as it was.
    let opens = |class: &&CellClass| sealed.decrypt(&view, dataset, **class).is_ok();
    let class = classes.iter().find(opens).ok_or(OpenError::Tag)?;
    Ok((*class, sealed.content()?))
}

/// A cell whose commitment fits, on its way to being plaintext.
struct Sealed<'a> {
    split: SplitKey,
    buffer: Zeroizing<Vec<u8>>,
    tag: &'a [u8; CELL_TAG_BYTES],
}

impl<'a> Sealed<'a> {
    fn new(key: &CellKey, view: &CellView<'a>) -> Result<Self, OpenError> {
        let split = key.split(view.nonce);
        if !bool::from(split.commit.ct_eq(view.commit)) {
            return Err(OpenError::Commitment);
        }
        let (ciphertext, tag) = view.sealed.split_last_chunk().ok_or(OpenError::Form)?;
        Ok(Self { split, buffer: Zeroizing::new(ciphertext.to_vec()), tag })
    }

    fn decrypt(&mut self, view: &CellView<'_>, dataset: &Dataset, class: CellClass) -> Result<(), OpenError> {
        let bound = associated_data(view.key_id, dataset, class);
        aead::decrypt(&self.split.key, view.nonce, &bound, &mut self.buffer, self.tag).map_err(|_| OpenError::Tag)
    }

    /// What is between the length and the padding, which must be zeroes: no room for a second meaning.
    fn content(self) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let mut buffer = self.buffer;
        let (length, rest) = buffer.split_first_chunk::<CELL_LENGTH_BYTES>().ok_or(OpenError::Padding)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| OpenError::Padding)?;
        let (_, padding) = rest.split_at_checked(length).ok_or(OpenError::Padding)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(OpenError::Padding);
        }
        buffer.copy_within(CELL_LENGTH_BYTES..CELL_LENGTH_BYTES + length, 0);
        buffer.truncate(length);
        Ok(buffer)
    }
}
