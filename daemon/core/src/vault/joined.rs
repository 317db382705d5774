//! The keys of a device that belongs to an account: its own, the epochs' and the key log's.
//!
//! It is made while the root is at hand and outlives it: nothing in it can admit a device in the account's name or
//! revoke one. How it is kept is in `state.rs`.

use std::fmt;

use caro_link::identity::Signer;
use caro_schema::{
    id::{Dataset, DeviceId, Hash},
    keylog::Wrap,
};
use zeroize::Zeroizing;

use super::{
    account_key::dataset_of,
    device_keys::DeviceKeys,
    epoch_key::EpochKey,
    key_ring::{EpochConflict, KeyRing},
    root_key::RootKey,
    state::{StateError, VaultState},
    wrap::{WrapError, unwrap},
};

/// The keys of a joined device.
pub struct Vault {
    account_public: [u8; 32],
    dataset: Dataset,
    device: DeviceKeys,
    keys: KeyRing,
}

/// Why a new epoch's key was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EpochError {
    /// The wrap does not open here.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// The epoch has another key.
    #[error(transparent)]
    Conflict(#[from] EpochConflict),
}

impl Vault {
    /// Takes from the root what this device may keep: the key log's key and the first epoch's.
    pub fn new(root: &RootKey, device: DeviceKeys) -> Self {
        Self::up_to(root, device, 0)
    }

    /// As [`Self::new`], with the keys of every epoch up to this one.
    pub fn up_to(root: &RootKey, device: DeviceKeys, newest: u32) -> Self {
        let account_public = root.account_signer().public();
        let mut keys = KeyRing::new(root.key_log_key(), root.epoch_key(newest));
        for number in 0..newest {
            // Each number once, so that none can have another key.
            let inserted = keys.insert(root.epoch_key(number));
            debug_assert!(inserted.is_ok());
        }
        Self { account_public, dataset: dataset_of(&account_public), device, keys }
    }

    /// From keys that another device of the account handed over.
    pub(super) fn from_parts(account_public: [u8; 32], device: DeviceKeys, keys: KeyRing) -> Self {
        Self { account_public, dataset: dataset_of(&account_public), device, keys }
    }

    /// Takes every epoch up to `number` from the root, for an account that has had revocations.
    ///
    /// # Errors
    /// When the root is another account's: an epoch that is here has another key there.
    pub fn add_epochs_to(&mut self, root: &RootKey, number: u32) -> Result<(), EpochConflict> {
        (0..=number).try_for_each(|epoch| self.keys.insert(root.epoch_key(epoch)))
    }

    /// Takes an epoch's key that was wrapped for this device. That the account signed the wrap is checked by the caller.
    ///
    /// # Errors
    /// When the wrap does not open here, or the epoch has another key.
    pub fn add_epoch(&mut self, number: u32, wrap: &Wrap) -> Result<(), EpochError> {
        let epoch: EpochKey = unwrap(&self.device, wrap, number, &self.dataset)?;
        Ok(self.keys.insert(epoch)?)
    }

    /// The account's public key, by which the key log is checked.
    pub fn account(&self) -> Hash {
        Hash(self.account_public)
    }

    /// The account's name among its own devices.
    pub fn dataset(&self) -> Dataset {
        self.dataset
    }

    /// This device's name in the account.
    pub fn device_id(&self) -> DeviceId {
        self.device.device_id()
    }

    /// Signs this device's ops.
    pub fn signer(&self) -> &Signer {
        self.device.signer()
    }

    /// This device's own keys.
    pub fn device(&self) -> &DeviceKeys {
        &self.device
    }

    /// The keys of the account's cells.
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// The bytes to keep, for the store to seal. Wiped on drop.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        VaultState::from_live(&self.account_public, &self.device, &self.keys).encode()
    }

    /// From the bytes that [`Self::encode`] gave.
    ///
    /// # Errors
    /// When they are not a state that this version knows.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let state = VaultState::decode(bytes)?;
        let (account_public, dataset) = (*state.account_public(), state.dataset());
        let (device, keys) = state.into_live();
        Ok(Self { account_public, dataset, device, keys })
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account_public: _, dataset: _, device: _, keys } = self;
        f.debug_struct("Vault").field("keys", keys).finish_non_exhaustive()
    }
}
