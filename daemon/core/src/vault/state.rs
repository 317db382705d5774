//! What a joined device keeps of its keys, and the bytes in which it keeps them.
//!
//! ```text
//! state = version u8 · dataset 32 · account key 32 · device seeds 96 · key log key 32
//!       · number of epochs u32 · (number u32 · key 32) each, by number
//! ```
//! Neither the phrase nor the root nor the account's signing key has a place here: what a thief finds opens old
//! history, and nothing after a revocation. The bytes go to the store, which seals them. The live keys are `joined.rs`.

use std::fmt;

use caro_schema::id::Dataset;
use zeroize::Zeroizing;

use super::{
    account_key::dataset_of,
    device_keys::{DEVICE_SEED_BYTES, DeviceKeys},
    epoch_key::EpochKey,
    key_log_key::KeyLogKey,
    key_ring::KeyRing,
    secret::Secret,
};

/// The first layout.
const VERSION: u8 = 1;

/// Bytes before the epochs.
const HEAD_BYTES: usize = 1 + 32 + 32 + DEVICE_SEED_BYTES + 32 + 4;

/// Bytes of one epoch.
const EPOCH_BYTES: usize = 4 + 32;

/// The keys of a joined device, as they are kept. Converted on purpose, in both directions.
#[derive(PartialEq, Eq)]
pub struct VaultState {
    account_public: [u8; 32],
    device: Secret<DEVICE_SEED_BYTES>,
    key_log: Secret,
    newest: StoredEpoch,
    /// By number.
    earlier: Vec<StoredEpoch>,
}

#[derive(PartialEq, Eq)]
struct StoredEpoch {
    number: u32,
    key: Secret,
}

/// Why kept bytes are not a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// A newer version wrote them.
    #[error("vault layout {0} is not known here")]
    Version(u8),
    /// Cut, continued, without an epoch, or with epochs out of order.
    #[error("malformed vault")]
    Form,
    /// The account's name does not follow from its key.
    #[error("the vault's account does not fit its key")]
    Account,
}

impl VaultState {
    /// What is to be kept of these keys.
    pub fn from_live(account_public: &[u8; 32], device: &DeviceKeys, keys: &KeyRing) -> Self {
        let stored =
            |epoch: &EpochKey| StoredEpoch { number: epoch.number(), key: Secret::copied(epoch.secret().bytes()) };
        let newest = keys.current();
        Self {
            account_public: *account_public,
            device: Secret::copied(device.seeds().bytes()),
            key_log: Secret::copied(keys.key_log().secret().bytes()),
            newest: stored(newest),
            earlier: keys.epochs().filter(|epoch| epoch.number() != newest.number()).map(stored).collect(),
        }
    }

    /// The keys, ready for use.
    pub fn into_live(self) -> (DeviceKeys, KeyRing) {
        let Self { account_public: _, device, key_log, newest, earlier } = self;
        let mut keys = KeyRing::new(KeyLogKey::new(key_log), EpochKey::new(newest.number, newest.key));
        for epoch in earlier {
            // Their numbers differ, as the layout says, so none can conflict.
            let inserted = keys.insert(EpochKey::new(epoch.number, epoch.key));
            debug_assert!(inserted.is_ok());
        }
        (DeviceKeys::from_seeds(device), keys)
    }

    /// The account's public key, by which entries of the key log are checked.
    pub fn account_public(&self) -> &[u8; 32] {
        &self.account_public
    }

    /// The account's name among its own devices.
    pub fn dataset(&self) -> Dataset {
        dataset_of(&self.account_public)
    }

    /// The bytes described at the head of this file. Wiped on drop.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let count = self.earlier.len() + 1;
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEAD_BYTES + count * EPOCH_BYTES));
        bytes.push(VERSION);
        bytes.extend_from_slice(self.dataset().as_bytes());
        bytes.extend_from_slice(&self.account_public);
        bytes.extend_from_slice(self.device.bytes());
        bytes.extend_from_slice(self.key_log.bytes());
        bytes.extend_from_slice(&(count as u32).to_be_bytes());
        for epoch in self.earlier.iter().chain([&self.newest]) {
            bytes.extend_from_slice(&epoch.number.to_be_bytes());
            bytes.extend_from_slice(epoch.key.bytes());
        }
        bytes
    }

    /// From the bytes that [`Self::encode`] gives, and no others.
    ///
    /// # Errors
    /// When the layout is not known, or the bytes are not a state that this version wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let mut rest = bytes;
        match take::<1>(&mut rest)? {
            [VERSION] => {}
            [other] => return Err(StateError::Version(*other)),
        }
        let dataset = Dataset(*take(&mut rest)?);
        let account_public = *take(&mut rest)?;
        if dataset != dataset_of(&account_public) {
            return Err(StateError::Account);
        }
        let device = Secret::copied(take(&mut rest)?);
        let key_log = Secret::copied(take(&mut rest)?);
        let (newest, earlier) = epochs(&mut rest)?;
        Ok(Self { account_public, device, key_log, newest, earlier })
    }
}

/// The epochs that fill the rest: at least one, as many as the count says, ascending.
fn epochs(rest: &mut &[u8]) -> Result<(StoredEpoch, Vec<StoredEpoch>), StateError> {
    let count = u32::from_be_bytes(*take(rest)?) as usize;
    // Before anything is reserved for them.
    if count.checked_mul(EPOCH_BYTES) != Some(rest.len()) {
        return Err(StateError::Form);
    }
    let mut epochs = Vec::with_capacity(count);
    for _ in 0..count {
        let number = u32::from_be_bytes(*take(rest)?);
        epochs.push(StoredEpoch { number, key: Secret::copied(take(rest)?) });
    }
    if !epochs.windows(2).all(|pair| pair[0].number < pair[1].number) {
        return Err(StateError::Form);
    }
    let newest = epochs.pop().ok_or(StateError::Form)?;
    Ok((newest, epochs))
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], StateError> {
    let (head, tail) = rest.split_first_chunk().ok_or(StateError::Form)?;
    *rest = tail;
    Ok(head)
}

impl fmt::Debug for VaultState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account_public: _, device: _, key_log: _, newest, earlier } = self;
        f.debug_struct("VaultState")
            .field("current", &newest.number)
            .field("epochs", &(earlier.len() + 1))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(numbers: &[u32]) -> (DeviceKeys, KeyRing) {
        let epoch = |number: u32| EpochKey::new(number, Secret::copied(&[number as u8 + 1; 32]));
        let mut keys = KeyRing::new(KeyLogKey::new(Secret::copied(&[0xfe; 32])), epoch(numbers[0]));
        for number in &numbers[1..] {
            keys.insert(epoch(*number)).unwrap();
        }
        (DeviceKeys::generate(&std::array::from_fn(|index| index as u8)), keys)
    }

    fn state(numbers: &[u32]) -> VaultState {
        let (device, keys) = live(numbers);
        VaultState::from_live(&[3; 32], &device, &keys)
    }

    #[test]
    fn keys_come_back_as_they_were() {
        for numbers in [&[0][..], &[0, 1, 2], &[7, 3]] {
            let state = VaultState::decode(&state(numbers).encode()).unwrap();
            assert_eq!(state.account_public(), &[3; 32]);
            assert_eq!(state.dataset(), dataset_of(&[3; 32]));
            let (device, keys) = state.into_live();
            let (device_before, keys_before) = live(numbers);
            assert_eq!(keys, keys_before);
            assert_eq!(device.device_id(), device_before.device_id());
            assert_eq!(device.seeds(), device_before.seeds());
        }
    }

    #[test]
    fn a_state_cut_or_continued_is_refused() {
        let bytes = state(&[0, 1]).encode();
        for len in 0..bytes.len() {
            assert_eq!(VaultState::decode(&bytes[..len]).err(), Some(StateError::Form), "cut at {len}");
        }
        assert_eq!(VaultState::decode(&[&bytes[..], &[0]].concat()).err(), Some(StateError::Form));
    }

    #[test]
    fn a_newer_layout_is_named() {
        let mut bytes = state(&[0]).encode();
        bytes[0] = 2;
        assert_eq!(VaultState::decode(&bytes).err(), Some(StateError::Version(2)));
    }

    #[test]
    fn an_account_that_does_not_fit_its_key_is_refused() {
        for at in [1, 33] {
            let mut bytes = state(&[0]).encode();
            bytes[at] ^= 1;
            assert_eq!(VaultState::decode(&bytes).err(), Some(StateError::Account), "byte {at}");
        }
    }

    #[test]
    fn epochs_must_be_ascending_counted_and_at_least_one() {
        let good = state(&[0, 1]).encode();
        let mut same = good.clone();
        same[HEAD_BYTES + EPOCH_BYTES + 3] = 0;
        assert_eq!(VaultState::decode(&same).err(), Some(StateError::Form));
        let mut none = good[..HEAD_BYTES].to_vec();
        none[HEAD_BYTES - 1] = 0;
        assert_eq!(VaultState::decode(&none).err(), Some(StateError::Form));
        let mut many = good.clone();
        many[HEAD_BYTES - 4..HEAD_BYTES].copy_from_slice(&[0xff; 4]);
        assert_eq!(VaultState::decode(&many).err(), Some(StateError::Form));
    }

    #[test]
    fn xc001_a_state_prints_numbers_only() {
        assert_eq!(format!("{:?}", state(&[0, 5])), "VaultState { current: 5, epochs: 2, .. }");
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_never_read_two_ways(bytes: Vec<u8>) {
            if let Ok(state) = VaultState::decode(&bytes) {
                let encoded = state.encode();
                proptest::prop_assert_eq!(encoded.as_slice(), bytes.as_slice());
            }
        }
    }
}
