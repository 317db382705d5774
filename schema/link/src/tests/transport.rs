//! Records: whatever is dropped, repeated, exchanged or altered, a message arrives whole and once, or not at all.

use caro_schema::limits::{NOISE_RECORD_BYTES_MAX, RELAY_MESSAGE_BYTES_MAX, REPLAY_WINDOW, SESSION_RECORDS_MAX};
use proptest::prelude::*;

use super::session;
use crate::transport::{RECORD_BYTES_MAX, Transport, TransportError};

fn pair() -> (Transport, Transport) {
    let (one, two) = session();
    (one.transport, two.transport)
}

fn one_record(transport: &mut Transport, message: &[u8]) -> Vec<u8> {
    let mut records = transport.seal(message).unwrap();
    assert_eq!(records.len(), 1);
    records.remove(0)
}

#[test]
fn messages_of_every_size_around_a_record_arrive_whole() {
    let (mut one, mut two) = pair();
    let piece = NOISE_RECORD_BYTES_MAX - 17;
    for len in [0, 1, 2, piece - 1, piece, piece + 1, 2 * piece, 2 * piece + 1, RELAY_MESSAGE_BYTES_MAX] {
        let message: Vec<u8> = (0..len).map(|at| at as u8).collect();
        let records = one.seal(&message).unwrap();
        assert_eq!(records.len(), len.div_ceil(piece).max(1));
        assert!(records.iter().all(|record| record.len() <= RECORD_BYTES_MAX));
        let (last, before) = records.split_last().unwrap();
        for record in before {
            assert_eq!(two.open(record), Ok(None));
        }
        assert_eq!(two.open(last), Ok(Some(message)));
    }
    assert_eq!(one.seal(&vec![0; RELAY_MESSAGE_BYTES_MAX + 1]), Err(TransportError::TooLarge));
}

#[test]
fn every_altered_bit_and_every_cut_is_refused_and_changes_nothing() {
    let (mut one, mut two) = pair();
    let record = one_record(&mut one, b"a short message");
    for bit in 0..record.len() * 8 {
        let mut altered = record.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(two.open(&altered), Err(TransportError::Forged | TransportError::Spent)), "bit {bit}");
    }
    for len in 0..record.len() {
        assert!(
            matches!(two.open(&record[..len]), Err(TransportError::Forged | TransportError::Malformed)),
            "cut at {len}"
        );
    }
    assert_eq!(two.open(&[record.clone(), vec![0]].concat()), Err(TransportError::Forged));
    assert_eq!(two.open(&record), Ok(Some(b"a short message".to_vec())));
}

#[test]
fn trap_48_a_record_opens_once() {
    let (mut one, mut two) = pair();
    let record = one_record(&mut one, b"once");
    assert!(two.open(&record).is_ok());
    assert_eq!(two.open(&record), Err(TransportError::Replayed));
}

#[test]
fn a_record_does_not_open_where_it_was_made_or_in_another_session() {
    let (mut one, mut two) = pair();
    let record = one_record(&mut one, b"mine");
    assert_eq!(one.open(&record), Err(TransportError::Forged));
    let (_, other) = super::shake((5, 6), &mut |_, _| {}).unwrap();
    let mut other = other.transport;
    assert_eq!(other.open(&record), Err(TransportError::Forged));
    assert!(two.open(&record).is_ok());
}

#[test]
fn the_window_takes_what_is_late_and_refuses_what_is_too_late() {
    let (mut one, mut two) = pair();
    let records: Vec<Vec<u8>> = (0..REPLAY_WINDOW + 2).map(|at| one_record(&mut one, &at.to_be_bytes())).collect();
    let open = |two: &mut Transport, at: u64| two.open(&records[at as usize]);
    assert!(open(&mut two, REPLAY_WINDOW).is_ok());
    // Exactly at the edge, and one beyond it.
    assert!(open(&mut two, 1).is_ok());
    assert_eq!(open(&mut two, 0), Err(TransportError::Replayed));
    assert!(open(&mut two, REPLAY_WINDOW + 1).is_ok());
    assert_eq!(open(&mut two, 1), Err(TransportError::Replayed));
    assert!(open(&mut two, 2).is_ok());
    assert_eq!(open(&mut two, 2), Err(TransportError::Replayed));
}

#[test]
fn a_missing_piece_ends_the_message_and_not_the_session() {
    let (mut one, mut two) = pair();
    let records = one.seal(&vec![7; 200_000]).unwrap();
    assert_eq!(two.open(&records[0]), Ok(None));
    assert_eq!(two.open(&records[2]), Err(TransportError::Gap));
    let next = one_record(&mut one, b"next");
    assert_eq!(two.open(&next), Ok(Some(b"next".to_vec())));
}

#[test]
fn a_counter_beyond_the_session_is_refused_before_anything_is_computed() {
    let (mut one, mut two) = pair();
    let mut record = one_record(&mut one, b"x");
    record[..8].copy_from_slice(&SESSION_RECORDS_MAX.to_be_bytes());
    assert_eq!(two.open(&record), Err(TransportError::Spent));
    record[..8].copy_from_slice(&u64::MAX.to_be_bytes());
    assert_eq!(two.open(&record), Err(TransportError::Spent));
}

#[test]
fn a_session_says_that_it_is_spent_before_it_is_and_seals_nothing_afterwards() {
    let (mut one, _) = pair();
    assert!(!one.is_spent());
    let mut sealed = 0_u64;
    while !one.is_spent() {
        sealed += one.seal(b"").unwrap().len() as u64;
    }
    assert!(sealed < SESSION_RECORDS_MAX, "{sealed}");
    while sealed < SESSION_RECORDS_MAX {
        sealed += one.seal(b"").unwrap().len() as u64;
    }
    assert_eq!(one.seal(b""), Err(TransportError::Spent));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_order_with_any_repetition_gives_each_message_at_most_once(order in prop::collection::vec(0..60_usize, 0..300)) {
        let (mut one, mut two) = pair();
        let records: Vec<Vec<u8>> = (0..60_u8).map(|at| one_record(&mut one, &[at])).collect();
        let mut seen = std::collections::BTreeSet::new();
        for at in order {
            match two.open(&records[at]) {
                Ok(message) => {
                    prop_assert_eq!(message, Some(vec![at as u8]));
                    prop_assert!(seen.insert(at));
                }
                Err(error) => {
                    prop_assert_eq!(error, TransportError::Replayed);
                    prop_assert!(seen.contains(&at));
                }
            }
        }
    }

    #[test]
    fn bytes_from_anywhere_never_open_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (_, mut two) = pair();
        prop_assert!(two.open(&bytes).is_err());
    }
}
