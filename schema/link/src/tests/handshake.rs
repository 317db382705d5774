//! The three messages: sizes, keys, and every way of getting them wrong.

use caro_schema::id::RelayKey;
use ml_kem::{DecapsulationKey, KeyExport, MlKem768, Seed};

use super::{Dry, Seeded, device, relay, session, shake};
use crate::{
    entropy::NoEntropy,
    handshake::{FIRST_BYTES, HandshakeError, Initiator, Responder, SECOND_BYTES, Session, THIRD_BYTES},
    identity::StaticKey,
};

/// The first record that one end seals: depends on every secret of the session.
fn sealed_by(session: &mut Session) -> Vec<u8> {
    session.transport.seal(b"same message").unwrap().remove(0)
}

#[test]
fn e_hs_01_both_ends_know_each_other_and_understand_each_other() {
    let mut sizes = Vec::new();
    let (mut one, mut two) = shake((1, 2), &mut |_, message| sizes.push(message.len())).unwrap();
    assert_eq!(sizes, [FIRST_BYTES, SECOND_BYTES, THIRD_BYTES]);
    assert_eq!(sizes, [1216, 1200, 64]);
    assert_eq!(one.peer_static, relay().public());
    assert_eq!(two.peer_static, device().public());
    assert_eq!(one.handshake_hash, two.handshake_hash);
    let record = sealed_by(&mut one);
    assert_eq!(two.transport.open(&record), Ok(Some(b"same message".to_vec())));
    let record = sealed_by(&mut two);
    assert_eq!(one.transport.open(&record), Ok(Some(b"same message".to_vec())));
}

#[test]
fn e_hs_02_every_altered_bit_of_every_message_ends_the_handshake() {
    for (message, bytes) in [(1, FIRST_BYTES), (2, SECOND_BYTES), (3, THIRD_BYTES)] {
        for bit in 0..bytes * 8 {
            let outcome = shake((1, 2), &mut |which, sent| {
                if which == message {
                    sent[bit / 8] ^= 1 << (bit % 8);
                }
            });
            let Ok((one, two)) = outcome else { continue };
            // The top bit of an X25519 key is ignored by RFC 7748; the transcripts differ all the same.
            panic!("bit {bit} of message {message} passed: {}", one.handshake_hash == two.handshake_hash);
        }
    }
}

#[test]
fn e_hs_03_every_truncated_or_lengthened_message_is_refused_by_its_size() {
    for (message, expected) in [(1, FIRST_BYTES), (2, SECOND_BYTES), (3, THIRD_BYTES)] {
        for found in (0..expected).chain([expected + 1, 65_535, 70_000]) {
            let outcome = shake((1, 2), &mut |which, sent| {
                if which == message {
                    sent.resize(found, 0);
                }
            });
            assert_eq!(outcome.err(), Some(HandshakeError::Size { found, expected }));
        }
    }
}

#[test]
fn e_hs_04_a_relay_with_another_key_never_gets_the_third_message() {
    let known = RelayKey(relay().public());
    let (initiator, first) = Initiator::start(&device(), Some(known), &mut Seeded(1)).unwrap();
    let impostor = StaticKey::from_bytes(&[9; 32]);
    let (_, second) = Responder::answer(&impostor, &first, &mut Seeded(2)).unwrap();
    assert_eq!(initiator.read(&second).err(), Some(HandshakeError::RelayKey));
    let (initiator, first) = Initiator::start(&device(), Some(known), &mut Seeded(1)).unwrap();
    let (_, second) = Responder::answer(&relay(), &first, &mut Seeded(2)).unwrap();
    assert!(initiator.read(&second).is_ok());
}

#[test]
fn e_hs_05_messages_of_another_handshake_do_not_fit() {
    let mut recorded = Vec::new();
    shake((1, 2), &mut |_, message| recorded.push(message.clone())).unwrap();
    for (message, reason) in [(2, HandshakeError::PostQuantum), (3, HandshakeError::PostQuantum)] {
        let outcome = shake((3, 4), &mut |which, sent| {
            if which == message {
                sent.clone_from(&recorded[message - 1]);
            }
        });
        let error = outcome.err().unwrap();
        assert!([reason, HandshakeError::Forged].contains(&error), "{error:?}");
    }
}

#[test]
fn e_hs_06_a_session_depends_on_both_ends_and_is_new_each_time() {
    let of = |seeds| {
        let (mut one, _) = shake(seeds, &mut |_, _| {}).unwrap();
        (one.handshake_hash, sealed_by(&mut one))
    };
    assert!(of((1, 2)) == of((1, 2)));
    assert!(of((1, 2)).1 != of((1, 3)).1 && of((1, 2)).0 != of((1, 3)).0);
    assert!(of((1, 2)).1 != of((3, 2)).1 && of((1, 2)).0 != of((3, 2)).0);
}

#[test]
fn trap_45_no_point_of_low_order_is_accepted_from_either_side() {
    // The points of order 1, 2, 4 and 8 in both of their forms (Bernstein, "Curve25519", and RFC 7748 section 6.1).
    let points = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for point in points {
        let point = hex::decode(point).unwrap();
        for message in [1, 2] {
            let outcome = shake((1, 2), &mut |which, sent| {
                if which == message {
                    sent[..32].copy_from_slice(&point);
                }
            });
            assert_eq!(outcome.err(), Some(HandshakeError::LowOrder), "{point:02x?} in message {message}");
        }
    }
}

#[test]
fn trap_46_a_kem_key_with_a_coefficient_out_of_range_is_refused() {
    // Two coefficients of 12 bits in three bytes; 3,329 is the modulus.
    let too_large = [0x01, 0x0d, 0x00];
    for at in [0, 3, 1149] {
        let outcome = shake((1, 2), &mut |which, sent| {
            if which == 1 {
                sent[32 + at..32 + at + 3].copy_from_slice(&too_large);
            }
        });
        assert_eq!(outcome.err(), Some(HandshakeError::PostQuantum), "at {at}");
    }
}

#[test]
fn e_pq_01_a_classical_peer_gets_no_session() {
    // What XX without the KEM would send: 32, 96 and 64 bytes.
    let short = shake((1, 2), &mut |which, sent| {
        if which == 1 {
            sent.truncate(32);
        }
    });
    assert_eq!(short.err(), Some(HandshakeError::Size { found: 32, expected: FIRST_BYTES }));
    let short = shake((1, 2), &mut |which, sent| {
        if which == 2 {
            sent.truncate(96);
        }
    });
    assert_eq!(short.err(), Some(HandshakeError::Size { found: 96, expected: SECOND_BYTES }));
}

#[test]
fn e_pq_02_a_well_formed_kem_key_of_somebody_else_fails_in_the_post_quantum_stage() {
    let mut seed = Seed::default();
    seed.copy_from_slice(&[7; 64]);
    let other = DecapsulationKey::<MlKem768>::from_seed(seed).encapsulation_key().to_bytes();
    let outcome = shake((1, 2), &mut |which, sent| {
        if which == 1 {
            sent[32..].copy_from_slice(&other);
        }
    });
    // Both the transcript and the secret differ now; the first seal to notice stands around the ciphertext.
    let error = outcome.err().unwrap();
    assert_eq!(error, HandshakeError::Forged);
}

#[test]
fn e_pq_03_the_keys_depend_on_the_kem_alone_and_on_the_curve_alone() {
    use crate::entropy::Entropy;
    /// Changes one of the two draws: the ephemeral curve key comes first, the KEM's bytes second.
    struct Changed(Seeded, u8, u8);
    impl Entropy for Changed {
        fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
            self.0.fill(bytes)?;
            self.1 += 1;
            if self.1 == self.2 {
                bytes[0] ^= 0x40;
            }
            Ok(())
        }
    }
    let with = |change: u8| {
        let (initiator, first) = Initiator::start(&device(), None, &mut Seeded(1)).unwrap();
        let (_, second) = Responder::answer(&relay(), &first, &mut Changed(Seeded(2), 0, change)).unwrap();
        let (_, mut session) = initiator.read(&second).unwrap();
        sealed_by(&mut session)
    };
    assert!(with(0) == with(0));
    assert!(with(0) != with(1), "the curve key made no difference");
    assert!(with(0) != with(2), "the KEM made no difference");
}

#[test]
fn without_randomness_there_is_no_handshake() {
    let error = HandshakeError::Entropy(NoEntropy);
    assert_eq!(Initiator::start(&device(), None, &mut Dry).err(), Some(error));
    let (_, first) = Initiator::start(&device(), None, &mut Seeded(1)).unwrap();
    assert_eq!(Responder::answer(&relay(), &first, &mut Dry).err(), Some(error));
}

#[test]
fn trap_40_no_half_of_a_session_prints_itself() {
    let (session, _) = session();
    assert_eq!(format!("{session:?}"), "Session { .. }");
    assert_eq!(format!("{:?}", session.transport), "Transport { .. }");
    let (initiator, first) = Initiator::start(&device(), None, &mut Seeded(1)).unwrap();
    assert_eq!(format!("{initiator:?}"), "Initiator { .. }");
    let (responder, _) = Responder::answer(&relay(), &first, &mut Seeded(2)).unwrap();
    assert_eq!(format!("{responder:?}"), "Responder { .. }");
}
