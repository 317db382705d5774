//! The account's signing key, which says who belongs to the account. It lives as long as the root does: no device
//! keeps it, so a stolen one can neither admit in the account's name nor revoke.
//!
//! Its public half names the account to its own devices. Entries of the key log are signed in `caro_link::proof`.

use std::{fmt, ops::Deref};

use caro_link::identity::Signer;
use caro_schema::id::Dataset;
use sha2::{Digest, Sha256};

use super::secret::Secret;

/// Signs the key log (Ed25519).
pub struct AccountKey {
    signer: Signer,
}

impl AccountKey {
    pub(super) fn from_seed(seed: &Secret) -> Self {
        Self { signer: Signer::from_seed(seed.bytes()) }
    }

    /// The account's name among its own devices.
    pub fn dataset(&self) -> Dataset {
        dataset_of(&self.public())
    }
}

// What is signed, and under which domain, is the business of `caro_link::proof`, which takes a signer.
impl Deref for AccountKey {
    type Target = Signer;

    fn deref(&self) -> &Signer {
        &self.signer
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { signer: _ } = self;
        f.debug_struct("AccountKey").finish_non_exhaustive()
    }
}

/// The dataset of the account with this public key: `SHA-256("caro/v1/dataset" || key)`.
pub fn dataset_of(account_public: &[u8; 32]) -> Dataset {
    Dataset(Sha256::new().chain_update(b"caro/v1/dataset").chain_update(account_public).finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xc001_an_account_key_prints_nothing_of_itself() {
        let key = AccountKey::from_seed(&Secret::copied(&[7; 32]));
        assert_eq!(format!("{key:?}"), "AccountKey { .. }");
    }
}
