//! Records: whatever is dropped, repeated, exchanged or altered, a message arrives whole and once, or not at all.

use std::collections::BTreeSet;

use caro_schema::limits::{NOISE_RECORD_BYTES_MAX, RELAY_MESSAGE_BYTES_MAX, REPLAY_WINDOW, SESSION_RECORDS_MAX};
use proptest::prelude::*;

use super::{session, whole};
use crate::transport::{RECORD_BYTES_MAX, Transport, TransportError};

/// Bytes of a message that one record carries: all but the seal and the place.
const PIECE: usize = NOISE_RECORD_BYTES_MAX - 17;

const FIRST: u8 = 1;
const BETWEEN: u8 = 2;
const LAST: u8 = 3;

fn pair() -> (Transport, Transport) {
    let (one, two) = session();
    (one.transport, two.transport)
}

fn one_record(transport: &mut Transport, message: &[u8]) -> Vec<u8> {
    let mut records = transport.seal(message).unwrap();
    assert_eq!(records.len(), 1);
    records.remove(0)
}

fn record_at(transport: &mut Transport, counter: u64) -> Vec<u8> {
    transport.skip_to(counter);
    one_record(transport, &counter.to_be_bytes())
}

#[test]
fn messages_of_every_size_around_a_record_arrive_whole() {
    let (mut one, mut two) = pair();
    for len in [0, 1, 2, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1, RELAY_MESSAGE_BYTES_MAX] {
        let message: Vec<u8> = (0..len).map(|at| at as u8).collect();
        let records = one.seal(&message).unwrap();
        assert_eq!(records.len(), len.div_ceil(PIECE).max(1));
        assert!(records.iter().all(|record| record.len() <= RECORD_BYTES_MAX));
        let (last, before) = records.split_last().unwrap();
        for record in before {
            assert_eq!(two.open(record), Ok(None));
        }
        assert_eq!(two.open(last), Ok(Some(message)));
        assert_eq!(two.waiting_bytes(), 0);
    }
    assert_eq!(one.seal(&vec![0; RELAY_MESSAGE_BYTES_MAX + 1]), Err(TransportError::TooLarge));
}

/// Where a bit stands when the bytes are written down with their highest bit first.
fn byte_order(bit: usize) -> usize {
    bit / 8 * 8 + 7 - bit % 8
}

#[test]
fn every_altered_bit_and_every_cut_is_refused_and_changes_nothing() {
    let (mut one, mut two) = pair();
    let record = one_record(&mut one, b"a short message");
    for bit in 0..record.len() * 8 {
        let mut altered = record.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        // The counter comes first, big-endian. All but its last 20 bits are zero within a session.
        let beyond = byte_order(bit) < 64 - 20;
        let expected = if beyond { TransportError::Spent } else { TransportError::Forged };
        assert_eq!(two.open(&altered), Err(expected), "bit {bit}");
    }
    for len in 0..record.len() {
        let expected = if len < 8 + 17 { TransportError::Malformed } else { TransportError::Forged };
        assert_eq!(two.open(&record[..len]), Err(expected), "cut at {len}");
    }
    assert_eq!(two.open(&[record.clone(), vec![0]].concat()), Err(TransportError::Forged));
    assert_eq!(two.open(&record), Ok(Some(b"a short message".to_vec())));
}

#[test]
fn a_record_opens_once() {
    let (mut one, mut two) = pair();
    let record = one_record(&mut one, b"once");
    assert_eq!(two.open(&record), Ok(Some(b"once".to_vec())));
    assert_eq!(two.open(&record), Err(TransportError::Replayed));
}

#[test]
fn a_record_does_not_open_where_it_was_made_or_in_another_session() {
    let (mut one, mut two) = pair();
    let record = one_record(&mut one, b"mine");
    assert_eq!(one.open(&record), Err(TransportError::Forged));
    let mut other = whole(5, 6).at_relay.transport;
    assert_eq!(other.open(&record), Err(TransportError::Forged));
    assert_eq!(two.open(&record), Ok(Some(b"mine".to_vec())));
}

#[test]
fn the_window_takes_what_is_late_and_refuses_what_is_too_late() {
    let (mut one, mut two) = pair();
    let records: Vec<Vec<u8>> = (0..REPLAY_WINDOW + 2).map(|at| one_record(&mut one, &at.to_be_bytes())).collect();
    let mut open = |at: u64| two.open(&records[at as usize]).map(|message| message.unwrap());
    assert_eq!(open(REPLAY_WINDOW), Ok(REPLAY_WINDOW.to_be_bytes().to_vec()));
    // Exactly at the edge, and one beyond it.
    assert_eq!(open(1), Ok(1_u64.to_be_bytes().to_vec()));
    assert_eq!(open(0), Err(TransportError::Replayed));
    assert_eq!(open(REPLAY_WINDOW + 1), Ok((REPLAY_WINDOW + 1).to_be_bytes().to_vec()));
    assert_eq!(open(1), Err(TransportError::Replayed));
    assert_eq!(open(2), Ok(2_u64.to_be_bytes().to_vec()));
    assert_eq!(open(2), Err(TransportError::Replayed));
}

#[test]
fn a_forged_record_from_the_future_does_not_move_the_window() {
    let (mut one, mut two) = pair();
    let record = one_record(&mut one, b"first");
    let mut forged = record.clone();
    forged[..8].copy_from_slice(&(SESSION_RECORDS_MAX - 1).to_be_bytes());
    assert_eq!(two.open(&forged), Err(TransportError::Forged));
    assert!(!two.is_spent());
    assert_eq!(two.open(&record), Ok(Some(b"first".to_vec())));
}

#[test]
fn a_message_of_which_any_piece_is_lost_does_not_arrive_at_all() {
    for lost in 0..4 {
        let (mut one, mut two) = pair();
        let records = one.seal(&vec![7; 3 * PIECE + 1]).unwrap();
        assert_eq!(records.len(), 4);
        for (at, record) in records.iter().enumerate().filter(|(at, _)| *at != lost) {
            let expected = if at > lost { Err(TransportError::Gap) } else { Ok(None) };
            assert_eq!(two.open(record), expected, "piece {at} without piece {lost}");
        }
        // The session goes on, and nothing of it is in what comes next.
        let next: Vec<u8> = (0..2 * PIECE).map(|at| at as u8).collect();
        let records = one.seal(&next).unwrap();
        assert_eq!(two.open(&records[0]), Ok(None));
        assert_eq!(two.open(&records[1]), Ok(Some(next)));
    }
}

#[test]
fn pieces_of_two_messages_are_never_put_together() {
    let (mut one, mut two) = pair();
    let left = one.seal(&vec![1; PIECE + 1]).unwrap();
    let right = one.seal(&vec![2; PIECE + 1]).unwrap();
    assert_eq!(two.open(&left[0]), Ok(None));
    assert_eq!(two.open(&right[1]), Err(TransportError::Gap));
    assert_eq!(two.open(&left[1]), Err(TransportError::Gap));
    assert_eq!(two.open(&right[0]), Ok(None));
    assert_eq!(two.open(&right[1]), Err(TransportError::Replayed));
}

#[test]
fn a_late_message_of_one_record_does_not_disturb_a_longer_one() {
    let (mut one, mut two) = pair();
    let late = one_record(&mut one, b"late");
    let long = vec![3; 2 * PIECE];
    let records = one.seal(&long).unwrap();
    assert_eq!(two.open(&records[0]), Ok(None));
    assert_eq!(two.open(&late), Ok(Some(b"late".to_vec())));
    assert_eq!(two.open(&records[1]), Ok(Some(long)));
}

#[test]
fn on_a_line_that_keeps_the_order_no_message_comes_between_the_pieces_of_another() {
    for long in [false, true] {
        let (mut one, two) = pair();
        let mut two = two.in_order();
        let begun = one.seal(&vec![1; 2 * PIECE]).unwrap();
        let next = one.seal(&vec![2; if long { 2 * PIECE } else { 1 }]).unwrap();
        assert_eq!(two.open(&begun[0]), Ok(None));
        assert!(two.held_bytes() >= PIECE);
        assert_eq!(two.open(&next[0]), Err(TransportError::Interrupted));
        assert_eq!(two.held_bytes(), 0);
        // One after the other is as it should be, also after one that was given up.
        let records = one.seal(&vec![1; 2 * PIECE]).unwrap();
        assert_eq!(two.open(&records[0]), Ok(None));
        two.give_up_held();
        assert_eq!(two.held_bytes(), 0);
        let records = one.seal(&vec![3; 2 * PIECE]).unwrap();
        assert_eq!(two.open(&records[0]), Ok(None));
        assert_eq!(two.open(&records[1]), Ok(Some(vec![3; 2 * PIECE])));
        let record = one_record(&mut one, b"next");
        assert_eq!(two.open(&record), Ok(Some(b"next".to_vec())));
    }
}

#[test]
fn a_peer_that_never_ends_its_message_costs_no_more_than_the_largest_one() {
    let (mut one, mut two) = pair();
    let piece = vec![0; PIECE];
    let record = one.seal_as(FIRST, &piece);
    assert_eq!(two.open(&record), Ok(None));
    let fitting = RELAY_MESSAGE_BYTES_MAX / PIECE;
    for _ in 1..fitting {
        let record = one.seal_as(BETWEEN, &piece);
        assert_eq!(two.open(&record), Ok(None));
        assert!(two.waiting_bytes() <= RELAY_MESSAGE_BYTES_MAX);
    }
    let room = RELAY_MESSAGE_BYTES_MAX - fitting * PIECE;
    let record = one.seal_as(BETWEEN, &piece[..room]);
    assert_eq!(two.open(&record), Ok(None));
    assert_eq!(two.waiting_bytes(), RELAY_MESSAGE_BYTES_MAX);
    let record = one.seal_as(BETWEEN, b"x");
    assert_eq!(two.open(&record), Err(TransportError::TooLarge));
    assert_eq!(two.waiting_bytes(), 0);
    // And what would have been its end is not a message either.
    let record = one.seal_as(LAST, b"x");
    assert_eq!(two.open(&record), Err(TransportError::Gap));
}

#[test]
fn beginning_again_and_again_keeps_only_the_last_beginning() {
    let (mut one, mut two) = pair();
    for _ in 0..100 {
        let record = one.seal_as(FIRST, &[0; 1000]);
        assert_eq!(two.open(&record), Ok(None));
        assert_eq!(two.waiting_bytes(), 1000);
    }
}

#[test]
fn a_piece_for_no_known_place_is_refused() {
    let (mut one, mut two) = pair();
    for place in 4..=u8::MAX {
        let record = one.seal_as(place, b"x");
        assert_eq!(two.open(&record), Err(TransportError::Malformed));
    }
    let record = one_record(&mut one, b"next");
    assert_eq!(two.open(&record), Ok(Some(b"next".to_vec())));
}

#[test]
fn a_record_above_the_limit_is_refused_by_its_size() {
    let (_, mut two) = pair();
    assert_eq!(two.open(&vec![0; RECORD_BYTES_MAX + 1]), Err(TransportError::Malformed));
    assert_eq!(two.open(&vec![0; RECORD_BYTES_MAX]), Err(TransportError::Forged));
}

#[test]
fn a_counter_beyond_the_session_is_refused_before_anything_is_computed() {
    let (mut one, mut two) = pair();
    let mut record = one_record(&mut one, b"x");
    for counter in [SESSION_RECORDS_MAX, u64::MAX - 1, u64::MAX] {
        record[..8].copy_from_slice(&counter.to_be_bytes());
        assert_eq!(two.open(&record), Err(TransportError::Spent));
    }
}

#[test]
fn a_session_says_that_it_is_spent_before_it_is() {
    let (mut one, mut two) = pair();
    one.skip_to(SESSION_RECORDS_MAX - 4098);
    for spent in [false, true, true] {
        let record = one_record(&mut one, b"");
        assert_eq!(two.open(&record), Ok(Some(Vec::new())));
        // Both ends know, though only one of them is talking.
        assert_eq!((one.is_spent(), two.is_spent()), (spent, spent));
    }
    // What is being said can still be finished.
    let message = vec![1; RELAY_MESSAGE_BYTES_MAX];
    let records = one.seal(&message).unwrap();
    let opened: Vec<_> = records.iter().filter_map(|record| two.open(record).unwrap()).collect();
    assert_eq!(opened, [message]);
}

#[test]
fn a_spent_session_seals_nothing_and_half_of_nothing() {
    let (mut one, mut two) = pair();
    one.skip_to(SESSION_RECORDS_MAX - 1);
    assert_eq!(one.seal(&vec![0; PIECE + 1]), Err(TransportError::Spent));
    let record = one_record(&mut one, b"the very last");
    assert_eq!(two.open(&record), Ok(Some(b"the very last".to_vec())));
    assert_eq!(one.seal(b""), Err(TransportError::Spent));
    assert_eq!(one.seal(b""), Err(TransportError::Spent));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_order_with_any_repetition_gives_each_message_at_most_once(
        order in prop::collection::vec(0..60_usize, 0..300),
    ) {
        let (mut one, mut two) = pair();
        let records: Vec<Vec<u8>> = (0..60_u8).map(|at| one_record(&mut one, &[at])).collect();
        let mut seen = BTreeSet::new();
        for at in order {
            let expected = if seen.insert(at) { Ok(Some(vec![at as u8])) } else { Err(TransportError::Replayed) };
            prop_assert_eq!(two.open(&records[at]), expected);
        }
    }

    #[test]
    fn the_window_is_what_a_list_of_all_that_was_opened_would_say(
        jumps in prop::collection::vec((0..5_000_u64, any::<bool>()), 1..60),
    ) {
        let (mut one, mut two) = pair();
        let (mut opened, mut end, mut at) = (BTreeSet::new(), 0_u64, 0_u64);
        for (distance, forward) in jumps {
            at = if forward { at + distance } else { at.saturating_sub(distance) };
            let too_old = end > REPLAY_WINDOW && at < end - REPLAY_WINDOW;
            let record = record_at(&mut one, at);
            let expected = if too_old || !opened.insert(at) {
                Err(TransportError::Replayed)
            } else {
                Ok(Some(at.to_be_bytes().to_vec()))
            };
            prop_assert_eq!(two.open(&record), expected, "counter {} with the end at {}", at, end);
            end = end.max(at + 1);
        }
    }

    #[test]
    fn bytes_from_anywhere_never_open_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (_, mut two) = pair();
        prop_assert!(two.open(&bytes).is_err());
    }
}
