//! The session between a device and a relay: each of the three messages that open it, and its records.

use caro_link::{
    handshake::{Initiator, Responder, Session},
    identity::StaticKey,
};
use caro_schema::{id::RelayKey, limits::RELAY_MESSAGE_BYTES_MAX};

use super::{
    Target,
    input::{Input, raw_or_edited, seeds_around},
};
use crate::seed::Seed;

pub(super) const TARGETS: &[Target] = &[
    Target {
        name: "handshake_1",
        what: "the first message of a session, at the relay: one of another size is refused, any other gives an answer that \
               only the holder of its keys can read",
        run: first,
        seeds: || seeds_around(&begin().1),
    },
    Target {
        name: "handshake_2",
        what: "the second, at the device: taken when it is the genuine one to the last bit, and never otherwise",
        run: second,
        seeds: || seeds_around(&answer().1),
    },
    Target {
        name: "handshake_3",
        what: "the third, at the relay: the same",
        run: third,
        seeds: || seeds_around(&finish().1),
    },
    Target {
        name: "record",
        what: "records of an open session, in any order, altered, cut or repeated: only what the other end sealed comes out, \
               each message at most once",
        run: records,
        seeds: record_seeds,
    },
];

fn keys() -> (StaticKey, StaticKey) {
    (StaticKey::from_bytes(&[1; 32]), StaticKey::from_bytes(&[2; 32]))
}

fn begin() -> (Initiator, Vec<u8>) {
    let (device, relay) = keys();
    Initiator::start(&device, Some(RelayKey(relay.public())), &mut Seed::new(1)).expect("a seed has no end")
}

fn answer() -> (Initiator, Vec<u8>, Responder) {
    let (initiator, first) = begin();
    let (responder, second) = Responder::answer(&keys().1, &first, &mut Seed::new(2)).expect("genuine");
    (initiator, second, responder)
}

fn finish() -> (Session, Vec<u8>, Responder) {
    let (initiator, second, responder) = answer();
    let (third, session) = initiator.read(&second).expect("genuine");
    (session, third, responder)
}

fn first(data: &[u8]) {
    let (initiator, genuine) = begin();
    let message = raw_or_edited(data, &genuine);
    let Ok((_, second)) = Responder::answer(&keys().1, &message, &mut Seed::new(2)) else {
        assert!(message != genuine, "the genuine message was refused");
        return;
    };
    assert!(message.len() == genuine.len(), "a message of another size was taken");
    // Whoever changed the message on its way has broken the session for its sender.
    assert_eq!(initiator.read(&second).is_ok(), message == genuine);
}

fn second(data: &[u8]) {
    let (initiator, genuine, _) = answer();
    let message = raw_or_edited(data, &genuine);
    assert_eq!(initiator.read(&message).is_ok(), message == genuine);
}

fn third(data: &[u8]) {
    let (_, genuine, responder) = finish();
    let message = raw_or_edited(data, &genuine);
    assert_eq!(responder.finish(&message).is_ok(), message == genuine);
}

/// Messages of one session, small ones and one of several records.
fn messages() -> Vec<Vec<u8>> {
    vec![b"one".to_vec(), Vec::new(), vec![7; 140_000], b"four".to_vec()]
}

fn records(data: &[u8]) {
    let (mut device, third, responder) = finish();
    let mut relay = responder.finish(&third).expect("genuine");
    let messages = messages();
    let sealed: Vec<Vec<u8>> =
        messages.iter().flat_map(|message| device.transport.seal(message).expect("small")).collect();
    let mut input = Input::new(data);
    let mut opened: Vec<Vec<u8>> = Vec::new();
    while !input.is_empty() {
        let genuine = &sealed[input.below(sealed.len())];
        let record = if input.byte() == 1 { input.bytes().to_vec() } else { input.edited(genuine) };
        let result = relay.transport.open(&record);
        assert!(result.is_err() || sealed.contains(&record), "a record was opened that nobody sealed");
        opened.extend(result.ok().flatten());
    }
    for message in &opened {
        assert!(message.len() <= RELAY_MESSAGE_BYTES_MAX);
        assert!(messages.contains(message), "a message came out that nobody sent");
    }
    let count = opened.len();
    opened.sort();
    opened.dedup();
    assert!(opened.len() == count, "a message came out twice");
}

fn record_seeds() -> Vec<Vec<u8>> {
    // Which record, not raw, no edits.
    let in_order: Vec<u8> = (0..6).flat_map(|at| [at, 0, 0]).collect();
    let backwards: Vec<u8> = (0..6).rev().flat_map(|at| [at, 0, 0]).collect();
    let twice = [&in_order[..], &in_order[..]].concat();
    let altered = vec![0, 0, 1, 0, 0, 0, 9, 1];
    let garbage = vec![0, 1, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    vec![in_order, backwards, twice, altered, garbage]
}
