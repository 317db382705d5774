//! Scenarios E-HS as far as two ends without a network can show them, and the traps of a handshake.

use caro_schema::id::RelayKey;
use proptest::prelude::*;

use super::{
    Dry, Seeded, Whole, answer, device, for_each, low_order_points, post_quantum::CIPHERTEXT, relay, session, start,
    whole,
};
use crate::{
    entropy::NoEntropy,
    handshake::{FIRST_BYTES, HandshakeError, Initiator, Responder, SECOND_BYTES, Session, THIRD_BYTES},
    identity::StaticKey,
};

/// Bytes of message 2 and 3 that the post-quantum stage answers for: all but the last seal.
const SECOND_PQ_BYTES: usize = SECOND_BYTES - 16;
const THIRD_PQ_BYTES: usize = THIRD_BYTES - 16;

fn flipped(message: &[u8], bit: usize) -> Vec<u8> {
    let mut message = message.to_vec();
    message[bit / 8] ^= 1 << (bit % 8);
    message
}

/// The first record that one end seals: depends on every secret of the session.
fn sealed_by(session: &mut Session) -> Vec<u8> {
    session.transport.seal(b"same message").unwrap().remove(0)
}

#[test]
fn both_ends_know_each_other_and_understand_each_other() {
    let Whole { messages, at_device: mut one, at_relay: mut two } = whole(1, 2);
    assert_eq!(messages.map(|message| message.len()), [1216, 1200, 64]);
    assert_eq!([FIRST_BYTES, SECOND_BYTES, THIRD_BYTES], [1216, 1200, 64]);
    assert_eq!(one.peer_static, relay().public());
    assert_eq!(two.peer_static, device().public());
    assert_eq!(one.handshake_hash, two.handshake_hash);
    let record = sealed_by(&mut one);
    assert_eq!(two.transport.open(&record), Ok(Some(b"same message".to_vec())));
    let record = sealed_by(&mut two);
    assert_eq!(one.transport.open(&record), Ok(Some(b"same message".to_vec())));
}

#[test]
fn a_session_depends_on_both_ends_and_is_new_each_time() {
    let of = |device_seed, relay_seed| {
        let mut session = whole(device_seed, relay_seed).at_device;
        (session.handshake_hash, sealed_by(&mut session))
    };
    let (hash, record) = of(1, 2);
    assert_eq!(of(1, 2), (hash, record.clone()));
    for (other_hash, other_record) in [of(1, 3), of(3, 2)] {
        assert_ne!(hash, other_hash);
        assert_ne!(record, other_record);
    }
}

#[test]
fn e_hs_01_every_altered_bit_of_the_first_message_ends_the_handshake() {
    let (_, first) = start(1);
    for_each(FIRST_BYTES * 8, |bit| {
        let (initiator, _) = start(1);
        let error = match answer(2, &flipped(&first, bit)) {
            Err(error) => error,
            Ok((_, second)) => initiator.read(&second).err().unwrap_or_else(|| panic!("bit {bit} passed")),
        };
        assert_eq!(error, HandshakeError::PostQuantum, "bit {bit}");
    });
}

#[test]
fn e_hs_01_every_altered_bit_of_the_second_message_ends_the_handshake() {
    let [_, second, _] = whole(1, 2).messages;
    // Those of the ciphertext are in `post_quantum`.
    let bits: Vec<usize> = (0..SECOND_BYTES * 8).filter(|bit| !CIPHERTEXT.contains(&(bit / 8))).collect();
    for_each(bits.len(), |at| {
        let bit = bits[at];
        let (initiator, _) = start(1);
        let expected = if bit < SECOND_PQ_BYTES * 8 { HandshakeError::PostQuantum } else { HandshakeError::Forged };
        assert_eq!(initiator.read(&flipped(&second, bit)).err(), Some(expected), "bit {bit}");
    });
}

#[test]
fn e_hs_01_every_altered_bit_of_the_third_message_ends_the_handshake() {
    let [first, _, third] = whole(1, 2).messages;
    for_each(THIRD_BYTES * 8, |bit| {
        let (responder, _) = answer(2, &first).unwrap();
        let expected = if bit < THIRD_PQ_BYTES * 8 { HandshakeError::PostQuantum } else { HandshakeError::Forged };
        assert_eq!(responder.finish(&flipped(&third, bit)).err(), Some(expected), "bit {bit}");
    });
}

#[test]
fn e_hs_01_after_a_failed_handshake_the_next_one_succeeds_with_fresh_keys() {
    let (initiator, first) = start(1);
    let (_, second) = answer(2, &first).unwrap();
    assert!(initiator.read(&flipped(&second, 300)).is_err());
    let again = whole(3, 4);
    assert_ne!(again.messages[0][..32], first[..32]);
    assert_ne!(again.messages[1][..32], second[..32]);
    assert_eq!(again.at_device.handshake_hash, again.at_relay.handshake_hash);
}

#[test]
fn e_hs_02_every_cut_of_every_message_is_refused_by_its_size() {
    let [first, second, third] = whole(1, 2).messages;
    for found in 0..FIRST_BYTES {
        let error = HandshakeError::Size { found, expected: FIRST_BYTES };
        assert_eq!(answer(2, &first[..found]).err(), Some(error));
    }
    for_each(SECOND_BYTES, |found| {
        let error = HandshakeError::Size { found, expected: SECOND_BYTES };
        assert_eq!(start(1).0.read(&second[..found]).err(), Some(error));
    });
    for_each(THIRD_BYTES, |found| {
        let error = HandshakeError::Size { found, expected: THIRD_BYTES };
        assert_eq!(answer(2, &first).unwrap().0.finish(&third[..found]).err(), Some(error));
    });
}

#[test]
fn e_hs_03_a_message_in_the_place_of_another_is_refused() {
    let messages = whole(1, 2).messages;
    let [first, second, third] = &messages;
    for other in [second, third] {
        let error = HandshakeError::Size { found: other.len(), expected: FIRST_BYTES };
        assert_eq!(answer(2, other).err(), Some(error));
    }
    for other in [first, third] {
        let error = HandshakeError::Size { found: other.len(), expected: SECOND_BYTES };
        assert_eq!(start(1).0.read(other).err(), Some(error));
    }
    for other in [first, second] {
        let error = HandshakeError::Size { found: other.len(), expected: THIRD_BYTES };
        assert_eq!(answer(2, first).unwrap().0.finish(other).err(), Some(error));
    }
}

#[test]
fn e_hs_03_messages_of_two_handshakes_do_not_mix() {
    let [first, second, third] = whole(1, 2).messages;
    let [other_first, other_second, other_third] = whole(3, 4).messages;
    // Another's second message to us, and the one that was made for us by the relay of another handshake.
    let (_, second_of_other_relay) = answer(4, &first).unwrap();
    assert_eq!(start(1).0.read(&other_second).err(), Some(HandshakeError::PostQuantum));
    assert_eq!(start(3).0.read(&second).err(), Some(HandshakeError::PostQuantum));
    let (third_for_other_relay, _) = start(1).0.read(&second_of_other_relay).unwrap();
    for wrong in [&other_third, &third_for_other_relay] {
        let (responder, _) = answer(2, &first).unwrap();
        assert_eq!(responder.finish(wrong).err(), Some(HandshakeError::PostQuantum));
    }
    let (responder, _) = answer(4, &other_first).unwrap();
    assert_eq!(responder.finish(&third).err(), Some(HandshakeError::PostQuantum));
}

#[test]
fn e_hs_04_messages_of_an_earlier_handshake_give_no_session() {
    let [first, second, third] = whole(1, 2).messages;
    // The relay has other ephemeral keys by now, so an old third message proves nothing about who sends it again.
    let (responder, fresh_second) = answer(9, &first).unwrap();
    assert_ne!(fresh_second, second);
    assert_eq!(responder.finish(&third).err(), Some(HandshakeError::PostQuantum));
    // And so has the device.
    assert_eq!(start(9).0.read(&second).err(), Some(HandshakeError::PostQuantum));
}

#[test]
fn e_hs_04_a_message_sent_back_to_its_sender_gives_no_session() {
    let (initiator, first) = start(1);
    let error = HandshakeError::Size { found: FIRST_BYTES, expected: SECOND_BYTES };
    assert_eq!(initiator.read(&first).err(), Some(error));
    assert_eq!(start(1).0.read(&first[..SECOND_BYTES]).err(), Some(HandshakeError::PostQuantum));
    // Two devices that are made to talk to each other.
    let (_, second) = Responder::answer(&device(), &first, &mut Seeded(2)).unwrap();
    let pinned = Some(RelayKey(relay().public()));
    let (initiator, _) = Initiator::start(&device(), pinned, &mut Seeded(1)).unwrap();
    let found = RelayKey(device().public());
    assert_eq!(initiator.read(&second).err(), Some(HandshakeError::RelayKey { found }));
}

#[test]
fn e_hs_05_a_message_that_is_too_large_is_refused_before_anything_is_done_with_it() {
    for found in [FIRST_BYTES + 1, 4096, 65_535, 65_536, 1 << 24] {
        let message = vec![0; found];
        // Without randomness nothing can be computed, and still it is the size that is refused.
        let answered = Responder::answer(&relay(), &message, &mut Dry);
        assert_eq!(answered.err(), Some(HandshakeError::Size { found, expected: FIRST_BYTES }));
        let error = HandshakeError::Size { found, expected: SECOND_BYTES };
        assert_eq!(start(1).0.read(&message).err(), Some(error));
        let (_, first) = start(1);
        let error = HandshakeError::Size { found, expected: THIRD_BYTES };
        assert_eq!(answer(2, &first).unwrap().0.finish(&message).err(), Some(error));
    }
}

#[test]
fn e_hs_06_two_handshakes_of_one_device_at_once_do_not_touch_each_other() {
    let (left, left_first) = start(1);
    let (right, right_first) = start(3);
    let (right_responder, right_second) = answer(4, &right_first).unwrap();
    let (left_responder, left_second) = answer(2, &left_first).unwrap();
    let (left_third, left) = left.read(&left_second).unwrap();
    // One is given up in the middle; the other one ends as it would have alone.
    drop((right_responder, right_second, right));
    let at_relay = left_responder.finish(&left_third).unwrap();
    let alone = whole(1, 2);
    assert_eq!(left.handshake_hash, at_relay.handshake_hash);
    assert_eq!(left.handshake_hash, alone.at_device.handshake_hash);
}

#[test]
fn a_relay_with_another_key_never_gets_the_third_message() {
    let known = RelayKey(relay().public());
    let (initiator, first) = Initiator::start(&device(), Some(known), &mut Seeded(1)).unwrap();
    let impostor = StaticKey::from_bytes(&[9; 32]);
    let (_, second) = Responder::answer(&impostor, &first, &mut Seeded(2)).unwrap();
    let found = RelayKey(impostor.public());
    assert_eq!(initiator.read(&second).err(), Some(HandshakeError::RelayKey { found }));
    let (initiator, first) = Initiator::start(&device(), Some(known), &mut Seeded(1)).unwrap();
    let (_, second) = answer(2, &first).unwrap();
    assert_eq!(initiator.read(&second).unwrap().1.peer_static, known.0);
}

#[test]
fn a_relay_that_is_not_known_yet_is_told_by_the_key_that_it_proved() {
    let (initiator, first) = start(1);
    let newcomer = StaticKey::from_bytes(&[9; 32]);
    let (_, second) = Responder::answer(&newcomer, &first, &mut Seeded(2)).unwrap();
    assert_eq!(initiator.read(&second).unwrap().1.peer_static, newcomer.public());
}

#[test]
fn the_key_is_not_part_of_what_is_agreed_beforehand() {
    // Trust on first use: with and without a pin the messages are the same, and an onlooker cannot tell which it was.
    let pinned = Some(RelayKey(relay().public()));
    let (initiator, first) = Initiator::start(&device(), pinned, &mut Seeded(1)).unwrap();
    let (_, second) = answer(2, &first).unwrap();
    let (third, _) = initiator.read(&second).unwrap();
    assert!([first, second, third] == whole(1, 2).messages);
}

#[test]
fn trap_45_no_point_of_low_order_is_accepted_as_an_ephemeral_key() {
    let [first, second, _] = whole(1, 2).messages;
    for point in low_order_points() {
        let mut altered = first.clone();
        altered[..32].copy_from_slice(&point);
        assert_eq!(answer(2, &altered).err(), Some(HandshakeError::LowOrder), "{point:02x?}");
        let mut altered = second.clone();
        altered[..32].copy_from_slice(&point);
        assert_eq!(start(1).0.read(&altered).err(), Some(HandshakeError::LowOrder), "{point:02x?}");
    }
}

#[test]
fn trap_47_a_step_takes_the_one_before_it_and_cannot_be_repeated() {
    /// Has a `clones` of its own only if the type can be cloned; then the call below is ambiguous and does not compile.
    trait NoClone<Marker> {
        fn clones() {}
    }
    impl<T: ?Sized> NoClone<()> for T {}
    struct Clones;
    impl<T: Clone> NoClone<Clones> for T {}
    <Initiator as NoClone<_>>::clones();
    <Responder as NoClone<_>>::clones();
    <Session as NoClone<_>>::clones();
    // By value: after an error there is nothing left to try again with.
    type Step<From, To> = fn(From, &[u8]) -> Result<To, HandshakeError>;
    let _: Step<Initiator, (Vec<u8>, Session)> = Initiator::read;
    let _: Step<Responder, Session> = Responder::finish;
}

#[test]
fn without_randomness_there_is_no_handshake() {
    let error = HandshakeError::Entropy(NoEntropy);
    assert_eq!(Initiator::start(&device(), None, &mut Dry).err(), Some(error));
    let (_, first) = start(1);
    assert_eq!(Responder::answer(&relay(), &first, &mut Dry).err(), Some(error));
}

#[test]
fn trap_40_no_part_of_a_handshake_prints_itself() {
    let (session, _) = session();
    assert_eq!(format!("{session:?}"), "Session { .. }");
    assert_eq!(format!("{:?}", session.transport), "Transport { .. }");
    let (initiator, first) = start(1);
    assert_eq!(format!("{initiator:?}"), "Initiator { .. }");
    let (responder, _) = answer(2, &first).unwrap();
    assert_eq!(format!("{responder:?}"), "Responder { .. }");
    let found = RelayKey(relay().public());
    let error = HandshakeError::RelayKey { found };
    assert_eq!(format!("{error} {error:?}"), "the relay has another key RelayKey { found: RelayKey([REDACTED]) }");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn bytes_of_the_right_size_from_anywhere_give_no_session_and_no_panic(
        first in prop::collection::vec(any::<u8>(), FIRST_BYTES),
        second in prop::collection::vec(any::<u8>(), SECOND_BYTES),
        third in prop::collection::vec(any::<u8>(), THIRD_BYTES),
    ) {
        // Of 768 coefficients from anywhere, some are out of range.
        prop_assert_eq!(answer(2, &first).err(), Some(HandshakeError::PostQuantum));
        let (initiator, first) = start(1);
        prop_assert_eq!(initiator.read(&second).err(), Some(HandshakeError::PostQuantum));
        let (responder, _) = answer(2, &first).unwrap();
        prop_assert_eq!(responder.finish(&third).err(), Some(HandshakeError::PostQuantum));
    }
}
