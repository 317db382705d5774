//! The key of one epoch: everything recorded is sealed under the newest. A revocation starts the next epoch, whose key
//! the revoked device never gets.
//!
//! Derived from the root (`root_key.rs`) or unwrapped by a device (`wrap.rs`); kept in `key_ring.rs`.

use std::fmt;

use super::{cell_key::CellKey, secret::Secret};

/// Seals the cells of one epoch.
#[derive(PartialEq, Eq)]
pub struct EpochKey {
    number: u32,
    cell: CellKey,
}

impl EpochKey {
    pub(super) fn new(number: u32, key: Secret) -> Self {
        Self { number, cell: CellKey::new(key) }
    }

    /// Which epoch, from zero.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// What seals and opens cells of this epoch.
    pub fn cell(&self) -> &CellKey {
        &self.cell
    }

    #[cfg(test)]
    pub(crate) fn secret_for_tests(&self) -> &[u8; 32] {
        self.secret().bytes()
    }

    pub(super) fn secret(&self) -> &Secret {
        self.cell.secret()
    }
}

impl AsRef<CellKey> for EpochKey {
    fn as_ref(&self) -> &CellKey {
        &self.cell
    }
}

impl fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, cell: _ } = self;
        f.debug_struct("EpochKey").field("number", number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xc001_an_epoch_key_prints_its_number_only() {
        assert_eq!(format!("{:?}", EpochKey::new(3, Secret::copied(&[7; 32]))), "EpochKey { number: 3, .. }");
    }
}
