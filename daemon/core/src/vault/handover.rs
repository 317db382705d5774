//! The keys of an account on their way to a device that joins by a code: the key log's, and every epoch's, since it must
//! read what was written before it came.
//!
//! They are sealed to the newcomer's own key (X-Wing) inside what the meeting's key seals, so that breaking the curve of
//! the one is not enough. Nothing of the account's own signing keys is among them: who joins by a code can let others in,
//! and take nobody off.

use caro_schema::{
    id::{Dataset, DeviceId, Hash},
    keylog::Certificate,
};
use zeroize::Zeroizing;

use super::{
    account_key::dataset_of,
    aead,
    derive::{expand, extract},
    device_keys::DeviceKeys,
    epoch_key::EpochKey,
    joined::Vault,
    kem_key::{ENCAPSULATION_BYTES, encapsulate},
    key_log_key::KeyLogKey,
    key_ring::KeyRing,
    secret::Secret,
    wrap::WrapError,
};

/// Keys that only their receiver opens.
pub struct SealedKeys {
    /// What they are sealed under.
    pub encapsulated: Vec<u8>,
    /// The keys.
    pub sealed: Vec<u8>,
}

/// The first layout: version u8 · key log key 32 · (number u32 · key 32) for each epoch, by number.
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 32;
const EPOCH_BYTES: usize = 4 + 32;

/// Seals this device's account keys to a newcomer. `random` must be fresh.
///
/// # Errors
/// When the newcomer's public key is not valid.
pub fn seal_keys(vault: &Vault, to: &Certificate, random: &[u8; ENCAPSULATION_BYTES]) -> Result<SealedKeys, WrapError> {
    let (encapsulated, shared) = encapsulate(&to.kem_public, random).map_err(|_| WrapError::Key)?;
    let bound = associated_data(&vault.dataset(), &to.device);
    let (key, nonce) = key_and_nonce(&shared, &bound);
    let epochs = vault.keys().epochs();
    let mut plain = Zeroizing::new(Vec::with_capacity(HEAD_BYTES + EPOCH_BYTES * epochs.count()));
    plain.push(VERSION);
    plain.extend_from_slice(vault.keys().key_log().secret().bytes());
    for epoch in vault.keys().epochs() {
        plain.extend_from_slice(&epoch.number().to_be_bytes());
        plain.extend_from_slice(epoch.secret().bytes());
    }
    let mut sealed = Vec::new();
    aead::append(&mut sealed, &key, &nonce, &bound, &plain);
    Ok(SealedKeys { encapsulated, sealed })
}

/// Opens what was sealed to this device, which becomes one of the account's.
///
/// # Errors
/// When it was sealed to another device or for another account, or was altered.
pub fn open_keys(device: DeviceKeys, account: &Hash, keys: &SealedKeys) -> Result<Vault, WrapError> {
    let shared = device.kem().decapsulate(&keys.encapsulated).map_err(|_| WrapError::Key)?;
    let bound = associated_data(&dataset_of(account.as_bytes()), &device.device_id());
    let (key, nonce) = key_and_nonce(&shared, &bound);
    let plain = aead::open(&key, &nonce, &bound, &keys.sealed).map_err(|_| WrapError::Tag)?;
    let ring = ring_of(&plain).ok_or(WrapError::Tag)?;
    Ok(Vault::from_parts(*account.as_bytes(), device, ring))
}

fn ring_of(plain: &[u8]) -> Option<KeyRing> {
    let (version, rest) = plain.split_first()?;
    let (key_log, epochs) = rest.split_first_chunk::<32>()?;
    let (epochs, left) = epochs.as_chunks::<EPOCH_BYTES>();
    if *version != VERSION || !left.is_empty() {
        return None;
    }
    let mut epochs = epochs.iter().map(|bytes| {
        let (number, key) = bytes.split_first_chunk::<4>()?;
        Some(EpochKey::new(u32::from_be_bytes(*number), Secret::copied(key.first_chunk()?)))
    });
    let mut ring = KeyRing::new(KeyLogKey::new(Secret::copied(key_log)), epochs.next()??);
    epochs.try_for_each(|epoch| ring.insert(epoch?).ok())?;
    Some(ring)
}

fn key_and_nonce(shared: &Secret, bound: &[u8]) -> (Secret, [u8; 24]) {
    let both: Secret<56> = expand(&extract(b"caro/v1/handover", shared.bytes()), &[bound]);
    let (key, rest) = both.bytes().split_at(32);
    let mut nonce = [0; 24];
    nonce.copy_from_slice(rest);
    (Secret::filled(|bytes| bytes.copy_from_slice(key)), nonce)
}

/// `"caro/v1/handover" || dataset || device`.
fn associated_data(dataset: &Dataset, device: &DeviceId) -> Vec<u8> {
    [&b"caro/v1/handover"[..], dataset.as_bytes(), device.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(seed: u8) -> DeviceKeys {
        DeviceKeys::generate(&[seed; 96])
    }

    fn vault(epochs: &[u32]) -> Vault {
        let epoch = |number: u32| EpochKey::new(number, Secret::copied(&[number as u8; 32]));
        let mut ring = KeyRing::new(KeyLogKey::new(Secret::copied(&[0xfe; 32])), epoch(epochs[0]));
        epochs[1..].iter().for_each(|number| ring.insert(epoch(*number)).unwrap());
        Vault::from_parts([4; 32], device(1), ring)
    }

    #[test]
    fn si004_a_newcomer_gets_the_keys_of_every_epoch() {
        for epochs in [&[0][..], &[0, 1, 2], &(0..400).collect::<Vec<_>>()] {
            let inviter = vault(epochs);
            let sealed = seal_keys(&inviter, &device(2).certificate(None), &[5; ENCAPSULATION_BYTES]).unwrap();
            let got = open_keys(device(2), &inviter.account(), &sealed).unwrap();
            assert!(got.keys() == inviter.keys() && got.account() == inviter.account());
            assert_eq!((got.dataset(), got.device_id()), (inviter.dataset(), device(2).device_id()));
        }
    }

    #[test]
    fn they_open_for_nobody_else_and_not_when_altered() {
        let inviter = vault(&[0, 1]);
        let sealed = || seal_keys(&inviter, &device(2).certificate(None), &[5; ENCAPSULATION_BYTES]).unwrap();
        assert_eq!(open_keys(device(3), &inviter.account(), &sealed()).err(), Some(WrapError::Tag));
        assert_eq!(open_keys(device(2), &Hash([5; 32]), &sealed()).err(), Some(WrapError::Tag));
        for at in 0..sealed().sealed.len() {
            let mut bad = sealed();
            bad.sealed[at] ^= 1;
            assert_eq!(open_keys(device(2), &inviter.account(), &bad).err(), Some(WrapError::Tag), "byte {at}");
        }
    }

    #[test]
    fn keys_of_another_form_are_none() {
        assert!(ring_of(&[]).is_none() && ring_of(&[VERSION; HEAD_BYTES]).is_none());
        assert!(ring_of(&[VERSION; HEAD_BYTES + EPOCH_BYTES]).is_some());
        assert!(ring_of(&[VERSION + 1; HEAD_BYTES + EPOCH_BYTES]).is_none());
        assert!(ring_of(&[VERSION; HEAD_BYTES + EPOCH_BYTES + 1]).is_none());
    }
}
