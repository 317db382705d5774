//! A device's key-encapsulation key: epoch keys are wrapped to its public half. X-Wing (X25519 with ML-KEM-768,
//! draft-connolly-cfrg-xwing-kem), so that a wrap recorded today stays closed to a quantum computer later.
//!
//! Public keys and ciphertexts come from others and are checked: ML-KEM coefficients for their range (trap 46), X25519
//! points for low order (trap 45). A wrong ciphertext does not fail here: ML-KEM gives a secret that fits nothing, and
//! `wrap.rs` finds out.

use std::fmt;

use caro_schema::keylog::KEM_PUBLIC_BYTES;
use x_wing::{
    CIPHERTEXT_SIZE, Ciphertext, DecapsulationKeyRejectNonContrib, Decapsulator, ENCAPSULATION_RANDOMNESS_SIZE,
    EncapsulationKey, KeyExport, TryDecapsulate,
};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroize;

use super::secret::Secret;

/// Bytes of randomness for one encapsulation.
pub const ENCAPSULATION_BYTES: usize = ENCAPSULATION_RANDOMNESS_SIZE;

/// Opens what was encapsulated to this device.
pub(super) struct KemKey {
    key: DecapsulationKeyRejectNonContrib,
}

/// The public key or the ciphertext is not one that an honest party makes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadKem;

impl KemKey {
    pub(super) fn from_seed(seed: &Secret) -> Self {
        Self { key: DecapsulationKeyRejectNonContrib::from(*seed.bytes()) }
    }

    pub(super) fn public(&self) -> Vec<u8> {
        self.key.encapsulation_key().to_bytes().to_vec()
    }

    pub(super) fn decapsulate(&self, encapsulated: &[u8]) -> Result<Secret, BadKem> {
        let ciphertext = Ciphertext::try_from(encapsulated).map_err(|_| BadKem)?;
        let shared = self.key.try_decapsulate(&ciphertext).map_err(|_| BadKem)?;
        Ok(taken(shared.into()))
    }
}

impl fmt::Debug for KemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key: _ } = self;
        f.debug_struct("KemKey").finish_non_exhaustive()
    }
}

/// A ciphertext for the holder of `public`, and the secret that only they can get from it.
pub(super) fn encapsulate(public: &[u8], random: &[u8; ENCAPSULATION_BYTES]) -> Result<(Vec<u8>, Secret), BadKem> {
    let key = EncapsulationKey::try_from(public).map_err(|_| BadKem)?;
    refuse_low_order(public, random)?;
    let (ciphertext, shared) = key.encapsulate_deterministic(random.into());
    Ok((ciphertext.to_vec(), taken(shared.into())))
}

/// X-Wing leaves it open whether to notice a point of low order, with which half of the secret would be known to
/// everyone. The point is the last 32 bytes, the scalar the second half of the randomness.
fn refuse_low_order(public: &[u8], random: &[u8; ENCAPSULATION_BYTES]) -> Result<(), BadKem> {
    let point = public.last_chunk::<32>().ok_or(BadKem)?;
    let scalar = random.last_chunk::<32>().ok_or(BadKem)?;
    let shared = StaticSecret::from(*scalar).diffie_hellman(&PublicKey::from(*point));
    if shared.was_contributory() { Ok(()) } else { Err(BadKem) }
}

fn taken(mut shared: [u8; 32]) -> Secret {
    let secret = Secret::copied(&shared);
    shared.zeroize();
    secret
}

// The sizes that the schema promises are those of the construction.
const _: () = assert!(KEM_PUBLIC_BYTES == x_wing::ENCAPSULATION_KEY_SIZE && CIPHERTEXT_SIZE == 1120);

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: [u8; ENCAPSULATION_BYTES] = [3; ENCAPSULATION_BYTES];

    fn key() -> KemKey {
        KemKey::from_seed(&Secret::copied(&[7; 32]))
    }

    #[test]
    fn both_ends_get_the_same_secret() {
        let (encapsulated, secret) = encapsulate(&key().public(), &RANDOM).unwrap();
        assert_eq!(encapsulated.len(), CIPHERTEXT_SIZE);
        assert_eq!(key().decapsulate(&encapsulated), Ok(secret));
    }

    #[test]
    fn a_wrong_ciphertext_gives_another_secret() {
        let (mut encapsulated, secret) = encapsulate(&key().public(), &RANDOM).unwrap();
        for at in [0, 700, 1087, 1088, 1119] {
            encapsulated[at] ^= 1;
            assert_ne!(key().decapsulate(&encapsulated).unwrap(), secret, "byte {at}");
            encapsulated[at] ^= 1;
        }
        assert_eq!(key().decapsulate(&encapsulated[1..]), Err(BadKem));
    }

    /// Every point of low order that X25519 meets (RFC 7748, section 7, and its non-canonical forms).
    fn low_order() -> Vec<[u8; 32]> {
        let mut points = Vec::new();
        for text in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ] {
            let mut point = [0; 32];
            hex::decode_to_slice(text, &mut point).unwrap();
            points.push(point);
            // The highest bit is ignored by X25519, so each has a twin.
            point[31] |= 0x80;
            points.push(point);
        }
        points
    }

    #[test]
    fn trap_45_points_of_low_order_are_refused_on_both_sides() {
        let (mut encapsulated, _) = encapsulate(&key().public(), &RANDOM).unwrap();
        let mut public = key().public();
        for point in low_order() {
            public[KEM_PUBLIC_BYTES - 32..].copy_from_slice(&point);
            assert_eq!(encapsulate(&public, &RANDOM).map(|_| ()), Err(BadKem), "{point:?}");
            encapsulated[CIPHERTEXT_SIZE - 32..].copy_from_slice(&point);
            assert_eq!(key().decapsulate(&encapsulated), Err(BadKem), "{point:?}");
        }
    }

    #[test]
    fn trap_46_a_public_key_out_of_range_is_refused() {
        let public = key().public();
        assert_eq!(encapsulate(&[0xff; KEM_PUBLIC_BYTES], &RANDOM).map(|_| ()), Err(BadKem));
        let mut modulus = public.clone();
        // The first coefficient has twelve bits: 3329, the modulus itself.
        modulus[0] = 0x01;
        modulus[1] = (modulus[1] & 0xf0) | 0x0d;
        assert_eq!(encapsulate(&modulus, &RANDOM).map(|_| ()), Err(BadKem));
        modulus[0] = 0x00;
        assert!(encapsulate(&modulus, &RANDOM).is_ok());
        assert_eq!(encapsulate(&public[1..], &RANDOM).map(|_| ()), Err(BadKem));
        assert_eq!(encapsulate(&[], &RANDOM).map(|_| ()), Err(BadKem));
    }

    #[test]
    fn xc001_a_kem_key_prints_nothing_of_itself() {
        assert_eq!(format!("{:?}", key()), "KemKey { .. }");
    }
}
