//! The keys of one device: random, never derived from anything, never on another device.
//!
//! One signs its ops and is its name, one receives epoch keys, and from the last comes a key for each relay, so that two
//! relays cannot match the devices of one person. They are kept through `state.rs`, sealed at rest.

use std::fmt;

use caro_link::identity::{Signer, StaticKey};
use caro_schema::{
    id::{DeviceId, RelayKey},
    keylog::Certificate,
};
use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

use super::{
    derive::{extract, labelled},
    kem_key::KemKey,
    secret::Secret,
};

/// Bytes of randomness that a device is made from.
pub const DEVICE_SEED_BYTES: usize = 96;

/// The keys of this device.
pub struct DeviceKeys {
    seeds: Secret<DEVICE_SEED_BYTES>,
    signer: Signer,
    kem: KemKey,
    root: Secret,
}

impl DeviceKeys {
    /// A new device, from fresh randomness.
    pub fn generate(random: &[u8; DEVICE_SEED_BYTES]) -> Self {
        Self::from_seeds(Secret::copied(random))
    }

    pub(super) fn from_seeds(seeds: Secret<DEVICE_SEED_BYTES>) -> Self {
        let part = |index: usize| -> Secret {
            Secret::filled(|bytes| bytes.copy_from_slice(&seeds.bytes()[32 * index..][..32]))
        };
        let signer = Signer::from_seed(part(0).bytes());
        Self { signer, kem: KemKey::from_seed(&part(1)), root: part(2), seeds }
    }

    /// The device's name: the public half of the key that signs its ops.
    pub fn device_id(&self) -> DeviceId {
        DeviceId(self.signer.public())
    }

    /// Signs ops, and whatever else the device says in its own name.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The public half of the key that epoch keys are wrapped to: 1,216 bytes.
    pub fn kem_public(&self) -> Vec<u8> {
        self.kem.public()
    }

    /// What the account signs to let the device in.
    pub fn certificate(&self, admitted_by: Option<DeviceId>) -> Certificate {
        Certificate { device: self.device_id(), kem_public: ByteBuf::from(self.kem_public()), admitted_by }
    }

    /// The device's key at one relay (X25519, the static key of its sessions there).
    pub fn relay_static(&self, relay: &RelayKey) -> StaticKey {
        StaticKey::from_bytes(&self.relay_static_bytes(relay))
    }

    /// What that key is made from, for the one session in which an account that was left is emptied.
    pub fn relay_static_bytes(&self, relay: &RelayKey) -> Zeroizing<[u8; 32]> {
        let root = extract(b"caro/v1/device", self.root.bytes());
        let key: Secret = labelled(&root, "relay-static", relay.as_bytes());
        Zeroizing::new(*key.bytes())
    }

    pub(super) fn kem(&self) -> &KemKey {
        &self.kem
    }

    pub(super) fn seeds(&self) -> &Secret<DEVICE_SEED_BYTES> {
        &self.seeds
    }
}

impl fmt::Debug for DeviceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seeds: _, signer: _, kem: _, root: _ } = self;
        f.debug_struct("DeviceKeys").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(seed: u8) -> DeviceKeys {
        DeviceKeys::generate(&std::array::from_fn(|index| seed.wrapping_add(index as u8)))
    }

    #[test]
    fn two_relays_cannot_match_the_keys_of_one_device() {
        let device = device(1);
        let at = |relay: u8| device.relay_static(&RelayKey([relay; 32])).public();
        assert_eq!(at(1), at(1));
        assert_ne!(at(1), at(2));
        assert_ne!(at(1), self::device(2).relay_static(&RelayKey([1; 32])).public());
        assert_ne!(at(1).as_slice(), device.device_id().as_bytes());
    }

    #[test]
    fn each_third_of_the_randomness_makes_its_own_key() {
        let random = [1; DEVICE_SEED_BYTES];
        let base = DeviceKeys::generate(&random);
        let relay = RelayKey([1; 32]);
        for third in 0..3 {
            let mut changed = random;
            changed[third * 32] ^= 1;
            let other = DeviceKeys::generate(&changed);
            assert_eq!(other.device_id() != base.device_id(), third == 0);
            assert_eq!(other.kem_public() != base.kem_public(), third == 1);
            assert_eq!(other.relay_static(&relay).public() != base.relay_static(&relay).public(), third == 2);
        }
    }

    #[test]
    fn a_certificate_holds_public_keys_only() {
        let device = device(1);
        let certificate = device.certificate(Some(DeviceId([9; 32])));
        assert_eq!(certificate.device, device.device_id());
        assert_eq!(certificate.kem_public.as_slice(), device.kem_public());
        assert_eq!(certificate.admitted_by, Some(DeviceId([9; 32])));
    }

    #[test]
    fn xc001_device_keys_print_nothing_of_themselves() {
        assert_eq!(format!("{:?}", device(1)), "DeviceKeys { .. }");
    }
}
