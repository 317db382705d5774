//! The key of the key log. It never changes and every device has it, a revoked one too: the log holds public keys only,
//! and a new device must be able to read all of it.

use std::fmt;

use super::{cell_key::CellKey, secret::Secret};

/// Seals the cells of the key log.
#[derive(PartialEq, Eq)]
pub struct KeyLogKey {
    cell: CellKey,
}

impl KeyLogKey {
    pub(super) fn new(key: Secret) -> Self {
        Self { cell: CellKey::new(key) }
    }

    /// What seals and opens cells of the key log.
    pub fn cell(&self) -> &CellKey {
        &self.cell
    }

    pub(super) fn secret(&self) -> &Secret {
        self.cell.secret()
    }
}

impl AsRef<CellKey> for KeyLogKey {
    fn as_ref(&self) -> &CellKey {
        &self.cell
    }
}

impl fmt::Debug for KeyLogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cell: _ } = self;
        f.debug_struct("KeyLogKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xc001_the_key_of_the_key_log_prints_nothing_of_itself() {
        assert_eq!(format!("{:?}", KeyLogKey::new(Secret::copied(&[7; 32]))), "KeyLogKey { .. }");
    }
}
