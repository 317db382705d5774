//! The account's key at one relay: it opens the account there and signs the list of devices that may connect.
//!
//! Another relay gets another key, so that two relays cannot find out that they serve the same person.

use std::{fmt, ops::Deref};

use caro_link::identity::Signer;
use caro_schema::id::Handle;

use super::secret::Secret;

/// Signs for the account at one relay (Ed25519).
pub struct RelayAccountKey {
    signer: Signer,
}

impl RelayAccountKey {
    pub(super) fn from_seed(seed: &Secret) -> Self {
        Self { signer: Signer::from_seed(seed.bytes()) }
    }

    /// The account's name at this relay: the first 16 bytes of `BLAKE3(key)`.
    pub fn handle(&self) -> Handle {
        let mut handle = [0; Handle::LEN];
        handle.copy_from_slice(&blake3::hash(&self.public()).as_bytes()[..Handle::LEN]);
        Handle(handle)
    }
}

// What is signed, and under which domain, is the business of `caro_link::proof`, which takes a signer.
impl Deref for RelayAccountKey {
    type Target = Signer;

    fn deref(&self) -> &Signer {
        &self.signer
    }
}

impl fmt::Debug for RelayAccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { signer: _ } = self;
        f.debug_struct("RelayAccountKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xc001_a_relay_account_key_prints_nothing_of_itself() {
        let key = RelayAccountKey::from_seed(&Secret::copied(&[7; 32]));
        assert_eq!(format!("{key:?}"), "RelayAccountKey { .. }");
    }
}
