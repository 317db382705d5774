//! The root: the phrase, stretched once, from which everything of the account that must survive the loss of all
//! devices is derived.
//!
//! It is never at rest. No device state can hold it (`state.rs` has no field for it), so a stolen laptop is not a
//! stolen phrase, and revoking it means something. The schedule is that of `docs/security.md`.

use std::fmt;

use caro_schema::id::{Dataset, RelayKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

pub use super::stretch::OutOfMemory;
use super::{
    account_key::AccountKey,
    derive::{extract, labelled},
    epoch_key::EpochKey,
    key_log_key::KeyLogKey,
    phrase::Phrase,
    relay_account_key::RelayAccountKey,
    secret::Secret,
    stretch::{SALT_BYTES, stretch},
};

/// The root of one account.
pub struct RootKey {
    key: Secret,
}

impl RootKey {
    /// Stretches a phrase. Takes about 64 MiB and a quarter of a second.
    ///
    /// # Errors
    /// When the memory is not there. A root from less memory would be another account's.
    pub fn derive(phrase: &Phrase) -> Result<Self, OutOfMemory> {
        let entropy = phrase.entropy();
        let mut input = Zeroizing::new(Vec::with_capacity(PHRASE_DOMAIN.len() + 1 + entropy.len()));
        input.extend_from_slice(PHRASE_DOMAIN);
        input.push(entropy.len() as u8);
        input.extend_from_slice(&entropy);
        let stretched = stretch(&input, &salt())?;
        Ok(Self { key: extract(b"caro/v1/root", stretched.bytes()) })
    }

    /// The key that signs the key log.
    pub fn account_signer(&self) -> AccountKey {
        AccountKey::from_seed(&labelled(&self.key, "account-sign", &[]))
    }

    /// The account's name among its own devices.
    pub fn dataset(&self) -> Dataset {
        self.account_signer().dataset()
    }

    /// The account's key at one relay.
    pub fn relay_account(&self, relay: &RelayKey) -> RelayAccountKey {
        RelayAccountKey::from_seed(&labelled(&self.key, "relay-account", relay.as_bytes()))
    }

    /// What [`Self::relay_account`] is made from, for a device that is to close the account at a relay when the root is gone.
    pub fn relay_account_seed(&self, relay: &RelayKey) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(*labelled::<32>(&self.key, "relay-account", relay.as_bytes()).bytes())
    }

    /// The key of one epoch. All of them follow from the root, so no stored blob can be lost or withheld.
    pub fn epoch_key(&self, number: u32) -> EpochKey {
        EpochKey::new(number, labelled(&self.key, "epoch", &number.to_be_bytes()))
    }

    /// The key of the key log.
    pub fn key_log_key(&self) -> KeyLogKey {
        KeyLogKey::new(labelled(&self.key, "keylog", &[]))
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> &[u8; 32] {
        self.key.bytes()
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key: _ } = self;
        f.debug_struct("RootKey").finish_non_exhaustive()
    }
}

const PHRASE_DOMAIN: &[u8] = b"caro/v1/phrase";

/// Public and the same for everyone: a random salt could not be known at a restore. A salt keeps one computation from
/// serving against many people, which 128 random bits of phrase do already. A passphrase, which a person chose, has a
/// random one (`at_rest/passphrase.rs`).
fn salt() -> [u8; SALT_BYTES] {
    let mut salt = [0; SALT_BYTES];
    salt.copy_from_slice(&Sha256::digest(b"caro/v1/argon2id")[..SALT_BYTES]);
    salt
}
