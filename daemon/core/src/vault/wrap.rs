//! An epoch key on its way to one device, inside an entry of the key log.
//!
//! Anybody could make a wrap, since the device's key is public: it counts only under the account's signature over the
//! entry. A wrap opens for its device, account and epoch and nowhere else. The key encapsulation is in `kem_key.rs`.

use caro_schema::{
    id::{Dataset, DeviceId},
    keylog::{Certificate, Wrap},
};
use serde_bytes::ByteBuf;

pub use super::kem_key::ENCAPSULATION_BYTES;
use super::{
    aead,
    derive::{expand, extract},
    device_keys::DeviceKeys,
    epoch_key::EpochKey,
    kem_key::encapsulate,
    secret::Secret,
};

/// Why an epoch key cannot be wrapped or unwrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// The device's public key, or what was encapsulated to it, is not one that an honest device makes.
    #[error("the device's key is not valid")]
    Key,
    /// The wrap is for another device.
    #[error("wrapped for another device")]
    OtherDevice,
    /// The wrap was altered, or is for another key, account or epoch.
    #[error("the wrapped key does not open")]
    Tag,
}

/// Wraps an epoch key to the device of a certificate. `random` must be fresh for each wrap.
///
/// # Errors
/// When the certificate's public key is not valid.
pub fn wrap(
    to: &Certificate,
    epoch: &EpochKey,
    dataset: &Dataset,
    random: &[u8; ENCAPSULATION_BYTES],
) -> Result<Wrap, WrapError> {
    let (encapsulated, shared) = encapsulate(&to.kem_public, random).map_err(|_| WrapError::Key)?;
    let bound = associated_data(dataset, &to.device, epoch.number());
    let (key, nonce) = key_and_nonce(&shared, &bound);
    let mut sealed = Vec::new();
    aead::append(&mut sealed, &key, &nonce, &bound, epoch.secret().bytes());
    Ok(Wrap { device: to.device, encapsulated: ByteBuf::from(encapsulated), sealed: ByteBuf::from(sealed) })
}

/// Opens a wrap of the key of epoch `number` that was made for this device.
///
/// # Errors
/// When it was made for another device, account or epoch, or was altered.
pub fn unwrap(device: &DeviceKeys, wrap: &Wrap, number: u32, dataset: &Dataset) -> Result<EpochKey, WrapError> {
    if wrap.device != device.device_id() {
        return Err(WrapError::OtherDevice);
    }
    let shared = device.kem().decapsulate(&wrap.encapsulated).map_err(|_| WrapError::Key)?;
    let bound = associated_data(dataset, &wrap.device, number);
    let (key, nonce) = key_and_nonce(&shared, &bound);
    let opened = aead::open(&key, &nonce, &bound, &wrap.sealed).map_err(|_| WrapError::Tag)?;
    let epoch: &[u8; 32] = opened.as_slice().try_into().map_err(|_| WrapError::Tag)?;
    Ok(EpochKey::new(number, Secret::copied(epoch)))
}

/// The encapsulated secret serves once. Taking the bound data into the derivation keeps it so even where randomness
/// repeats: another epoch's key is then sealed under another key.
fn key_and_nonce(shared: &Secret, bound: &[u8]) -> (Secret, [u8; 24]) {
    let both: Secret<56> = expand(&extract(b"caro/v1/wrap", shared.bytes()), &[bound]);
    let (key, rest) = both.bytes().split_at(32);
    let mut nonce = [0; 24];
    nonce.copy_from_slice(rest);
    (Secret::filled(|bytes| bytes.copy_from_slice(key)), nonce)
}

/// `"caro/v1/wrap" || dataset || device || epoch`.
fn associated_data(dataset: &Dataset, device: &DeviceId, epoch: u32) -> Vec<u8> {
    [&b"caro/v1/wrap"[..], dataset.as_bytes(), device.as_bytes(), &epoch.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATASET: Dataset = Dataset([5; 32]);

    fn device(seed: u8) -> DeviceKeys {
        DeviceKeys::generate(&std::array::from_fn(|index| seed.wrapping_add(index as u8)))
    }

    fn epoch(number: u32) -> EpochKey {
        EpochKey::new(number, Secret::copied(&[number as u8; 32]))
    }

    fn wrapped() -> (DeviceKeys, Wrap) {
        let device = device(1);
        let wrap = wrap(&device.certificate(None), &epoch(4), &DATASET, &[9; ENCAPSULATION_BYTES]).unwrap();
        (device, wrap)
    }

    #[test]
    fn a_wrapped_key_opens_on_its_device() {
        let (device, wrap) = wrapped();
        assert_eq!((wrap.encapsulated.len(), wrap.sealed.len()), (1120, 48));
        assert_eq!(unwrap(&device, &wrap, 4, &DATASET), Ok(epoch(4)));
    }

    #[test]
    fn a_wrap_opens_for_no_other_device_account_or_epoch() {
        let (device_a, mut wrap) = wrapped();
        assert_eq!(unwrap(&device(2), &wrap, 4, &DATASET), Err(WrapError::OtherDevice));
        assert_eq!(unwrap(&device_a, &wrap, 5, &DATASET), Err(WrapError::Tag));
        assert_eq!(unwrap(&device_a, &wrap, 4, &Dataset([6; 32])), Err(WrapError::Tag));
        wrap.device = device(2).device_id();
        assert_eq!(unwrap(&device_a, &wrap, 4, &DATASET), Err(WrapError::OtherDevice));
        assert_eq!(unwrap(&device(2), &wrap, 4, &DATASET), Err(WrapError::Tag));
    }

    #[test]
    fn every_altered_byte_of_a_wrap_is_noticed() {
        let (device, good) = wrapped();
        for at in 0..good.sealed.len() {
            let mut bad = good.clone();
            bad.sealed[at] ^= 1;
            assert_eq!(unwrap(&device, &bad, 4, &DATASET), Err(WrapError::Tag), "sealed byte {at}");
        }
        // Every byte of the ML-KEM half would take long; the construction is the same for all of them.
        for at in (0..good.encapsulated.len()).step_by(37) {
            let mut bad = good.clone();
            bad.encapsulated[at] ^= 1;
            assert_eq!(unwrap(&device, &bad, 4, &DATASET), Err(WrapError::Tag), "encapsulated byte {at}");
        }
        let mut short = good.clone();
        short.encapsulated.pop();
        assert_eq!(unwrap(&device, &short, 4, &DATASET), Err(WrapError::Key));
        let mut empty = good;
        empty.sealed.clear();
        assert_eq!(unwrap(&device, &empty, 4, &DATASET), Err(WrapError::Tag));
    }

    #[test]
    fn repeated_randomness_never_seals_two_keys_alike() {
        let certificate = device(1).certificate(None);
        let random = [9; ENCAPSULATION_BYTES];
        let one = wrap(&certificate, &epoch(4), &DATASET, &random).unwrap();
        let two = wrap(&certificate, &epoch(5), &DATASET, &random).unwrap();
        assert!(one.encapsulated == two.encapsulated);
        // One key stream over both would show the difference of the two keys, which is 1 in every byte here.
        let differences: Vec<u8> = one.sealed.iter().zip(two.sealed.iter()).take(32).map(|(a, b)| a ^ b).collect();
        assert_ne!(differences, [4 ^ 5; 32]);
    }

    #[test]
    fn trap_46_a_certificate_with_a_bad_key_gets_no_wrap() {
        let mut certificate = device(1).certificate(None);
        certificate.kem_public = ByteBuf::from(vec![0xff; 1216]);
        let refused = wrap(&certificate, &epoch(4), &DATASET, &[9; ENCAPSULATION_BYTES]);
        assert_eq!(refused.map(|_| ()), Err(WrapError::Key));
    }
}
