//! The secret that the platform's key store holds for a device. It does nothing itself; keys for use follow from it.

use std::fmt;

use super::store_key::StoreKey;
use crate::vault::{derive::extract, secret::Secret};

/// The device's master key.
#[derive(PartialEq, Eq)]
pub struct DeviceMasterKey {
    key: Secret,
}

impl DeviceMasterKey {
    /// From the key store, or from fresh randomness on a device that has no data yet.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self { key: Secret::copied(bytes) }
    }

    /// The secret itself, for the key store and for nothing else.
    pub fn expose_secret(&self) -> &[u8; 32] {
        self.key.bytes()
    }

    /// The key that seals the database.
    pub fn store_key(&self) -> StoreKey {
        StoreKey::new(&extract(b"caro/v1/local-store", self.key.bytes()))
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.key
    }
}

impl fmt::Debug for DeviceMasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key: _ } = self;
        f.debug_struct("DeviceMasterKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xc001_a_master_key_prints_nothing_of_itself() {
        assert_eq!(format!("{:?}", DeviceMasterKey::from_bytes(&[7; 32])), "DeviceMasterKey { .. }");
    }
}
