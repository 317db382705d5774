//! Scenarios E-PQ as far as two ends without a network can show them. Peers that hold to the protocol in everything but
//! one step are in `vectors`: no honest code can play them.

use ml_kem::{DecapsulationKey, KeyExport, MlKem768, Seed};
use x25519_dalek::{SharedSecret, StaticSecret};
use zeroize::ZeroizeOnDrop;

use super::{Seeded, answer, for_each, start, whole};
use crate::{
    entropy::{Entropy, NoEntropy},
    handshake::{FIRST_BYTES, HandshakeError, Initiator, PROTOCOL_NAME, SECOND_BYTES, THIRD_BYTES},
};

const KEM_PUBLIC: std::ops::Range<usize> = 32..1216;
/// In message 2, without the seal around it.
pub(super) const CIPHERTEXT: std::ops::Range<usize> = 32..1120;
const COEFFICIENTS: usize = 768;

/// Message 1 of handshake 1 with another KEM key.
fn first_with(public: &[u8]) -> Vec<u8> {
    let (_, first) = start(1);
    [&first[..KEM_PUBLIC.start], public].concat()
}

/// A KEM key with one coefficient set to a value of up to twelve bits.
fn key_with(key: &[u8], coefficient: usize, value: u16) -> Vec<u8> {
    let mut key = key.to_vec();
    let three = &mut key[coefficient / 2 * 3..][..3];
    if coefficient.is_multiple_of(2) {
        three[0] = value as u8;
        three[1] = three[1] & 0xf0 | (value >> 8) as u8;
    } else {
        three[1] = three[1] & 0x0f | (value << 4) as u8;
        three[2] = (value >> 4) as u8;
    }
    key
}

#[test]
fn e_pq_01_every_altered_bit_of_the_ciphertext_names_the_post_quantum_stage() {
    let [_, second, _] = whole(1, 2).messages;
    for_each(CIPHERTEXT.len() * 8, |bit| {
        let mut altered = second.clone();
        altered[CIPHERTEXT.start + bit / 8] ^= 1 << (bit % 8);
        let error = start(1).0.read(&altered).err().unwrap_or_else(|| panic!("bit {bit} passed"));
        assert_eq!(error, HandshakeError::PostQuantum, "bit {bit}");
        assert_eq!(error.to_string(), "the post-quantum stage failed");
    });
}

#[test]
fn e_pq_02_a_ciphertext_of_another_length_is_refused_by_the_size() {
    let [_, second, _] = whole(1, 2).messages;
    let rest = &second[CIPHERTEXT.end..];
    let shorter = [&second[..CIPHERTEXT.end - 1], rest].concat();
    let longer = [&second[..CIPHERTEXT.end], &[0], rest].concat();
    for altered in [shorter, longer] {
        let error = HandshakeError::Size { found: altered.len(), expected: SECOND_BYTES };
        assert_eq!(start(1).0.read(&altered).err(), Some(error));
    }
}

#[test]
fn e_pq_02_a_handshake_fits_a_slow_link() {
    let bytes = whole(1, 2).messages.concat().len();
    assert_eq!(bytes, FIRST_BYTES + SECOND_BYTES + THIRD_BYTES);
    assert!(bytes <= 2600, "{bytes}");
}

#[test]
fn e_pq_03_there_is_nothing_to_negotiate() {
    assert_eq!(PROTOCOL_NAME, "Noise_XXhfs_25519+MLKEM768_XChaChaPoly_BLAKE2b");
    // What XX without the KEM would send: 32, 96 and 64 bytes. The third is as long as ours and means nothing here.
    let [first, second, _] = whole(1, 2).messages;
    let error = HandshakeError::Size { found: 32, expected: FIRST_BYTES };
    assert_eq!(answer(2, &first[..32]).err(), Some(error));
    let error = HandshakeError::Size { found: 96, expected: SECOND_BYTES };
    assert_eq!(start(1).0.read(&second[..96]).err(), Some(error));
}

#[test]
fn e_pq_03_a_valid_kem_does_not_make_up_for_a_failed_curve() {
    let [first, second, _] = whole(1, 2).messages;
    let mut altered = second;
    altered[..32].fill(0);
    assert_eq!(start(1).0.read(&altered).err(), Some(HandshakeError::LowOrder));
    let mut altered = first;
    altered[..32].fill(0);
    assert_eq!(answer(2, &altered).err(), Some(HandshakeError::LowOrder));
}

#[test]
fn e_pq_03_a_valid_curve_does_not_make_up_for_a_kem_key_of_somebody_else() {
    let mut seed = Seed::default();
    seed.copy_from_slice(&[7; 64]);
    let other = DecapsulationKey::<MlKem768>::from_seed(seed).encapsulation_key().to_bytes();
    let (_, second) = answer(2, &first_with(&other)).unwrap();
    assert_eq!(start(1).0.read(&second).err(), Some(HandshakeError::PostQuantum));
}

#[test]
fn e_pq_04_a_kem_key_of_another_length_is_refused_by_the_size() {
    for len in [0, 1, 1183, 1185, 65_535] {
        let error = HandshakeError::Size { found: 32 + len, expected: FIRST_BYTES };
        assert_eq!(answer(2, &first_with(&vec![1; len])).err(), Some(error));
    }
}

#[test]
fn e_pq_04_the_keys_depend_on_the_kem_alone_and_on_the_curve_alone() {
    /// Changes one of the two draws: the ephemeral curve key comes first, the KEM's bytes second.
    struct Changed {
        inner: Seeded,
        drawn: u8,
        change: u8,
    }
    impl Entropy for Changed {
        fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
            self.inner.fill(bytes)?;
            self.drawn += 1;
            if self.drawn == self.change {
                bytes[0] ^= 0x40;
            }
            Ok(())
        }
    }
    let with = |change: u8| {
        let mut entropy = Changed { inner: Seeded(1), drawn: 0, change };
        let (initiator, first) = Initiator::start(&super::device(), None, &mut entropy).unwrap();
        let (_, second) = answer(2, &first).unwrap();
        initiator.read(&second).unwrap().1.transport.seal(b"same message").unwrap()
    };
    assert!(with(0) == with(0));
    assert!(with(0) != with(1), "the curve key made no difference");
    assert!(with(0) != with(2), "the KEM made no difference");
}

#[test]
fn e_pq_05_trap_46_every_coefficient_of_a_kem_key_is_below_the_modulus() {
    let (_, first) = start(1);
    let with = |coefficient, value| {
        let key = key_with(&first[KEM_PUBLIC], coefficient, value);
        answer(2, &[&first[..KEM_PUBLIC.start], &key].concat()).err()
    };
    for_each(COEFFICIENTS, |coefficient| {
        assert_eq!(with(coefficient, 3329), Some(HandshakeError::PostQuantum), "coefficient {coefficient}");
        assert_eq!(with(coefficient, 4095), Some(HandshakeError::PostQuantum), "coefficient {coefficient}");
    });
    // The greatest that there is passes, so it is the value that was refused above.
    assert_eq!(with(511, 3328), None);
}

#[test]
fn e_pq_05_trap_46_a_kem_key_of_one_repeated_byte_is_refused() {
    // Zeroes are in range, but what is encapsulated to them is readable to everybody.
    for byte in [0xff, 0x00] {
        let refused = answer(2, &first_with(&[byte; 1184]));
        assert_eq!(refused.err(), Some(HandshakeError::PostQuantum), "{byte:02x}");
    }
    let mut zeroes_with_a_seed = start(1).1[KEM_PUBLIC].to_vec();
    zeroes_with_a_seed[..1152].fill(0);
    assert_eq!(answer(2, &first_with(&zeroes_with_a_seed)).err(), Some(HandshakeError::PostQuantum));
}

#[test]
fn xc_001_every_private_key_of_a_handshake_wipes_itself() {
    fn wiped<T: ZeroizeOnDrop>() {}
    wiped::<DecapsulationKey<MlKem768>>();
    wiped::<StaticSecret>();
    wiped::<SharedSecret>();
    wiped::<ed25519_dalek::SigningKey>();
    wiped::<zeroize::Zeroizing<[u8; 32]>>();
}
