//! Trap 26: the handshake and its records agree with another implementation, byte for byte, and peers that hold to the
//! protocol in everything but one step get no session. `tests/vectors/link.py` computes both, and says with whose
//! cryptography.

use caro_schema::{id::RelayKey, relay::SUBPROTOCOL, version};
use serde_json::Value;
use snow::{
    params::CipherChoice,
    resolvers::{CryptoResolver, DefaultResolver},
};

use crate::{
    entropy::{Entropy, NoEntropy},
    handshake::{HandshakeError, Initiator, Responder, Session},
    identity::StaticKey,
    transport::Transport,
};

macro_rules! vectors {
    ($file:literal) => {
        serde_json::from_str::<serde_json::Value>(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../vectors/link/",
            $file
        )))
        .unwrap()
    };
}
pub(super) use vectors;

pub(super) fn bytes(value: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(value, field)).unwrap()
}

pub(super) fn array<const N: usize>(value: &Value, field: &str) -> [u8; N] {
    bytes(value, field).try_into().unwrap()
}

pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no field {field}"))
}

pub(super) fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_else(|| panic!("no field {field}"))
}

pub(super) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    let list = value[field].as_array().unwrap_or_else(|| panic!("no field {field}"));
    assert!(!list.is_empty());
    list
}

/// What one end draws, in its order: the ephemeral key of the curve, then the KEM's bytes.
struct Given(Vec<Vec<u8>>);

impl Given {
    fn of(keys: &Value) -> Self {
        Self(vec![bytes(keys, "kem"), bytes(keys, "ephemeral")])
    }
}

impl Entropy for Given {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        bytes.copy_from_slice(&self.0.pop().ok_or(NoEntropy)?);
        Ok(())
    }
}

fn static_key(keys: &Value) -> StaticKey {
    StaticKey::from_bytes(&array(keys, "static"))
}

fn start(keys: &Value) -> (Initiator, Vec<u8>) {
    Initiator::start(&static_key(keys), None, &mut Given::of(keys)).unwrap()
}

fn answer(keys: &Value, first: &[u8]) -> (Responder, Vec<u8>) {
    Responder::answer(&static_key(keys), first, &mut Given::of(keys)).unwrap()
}

/// Checks the three messages of a case and gives both sessions: the device's and the relay's.
fn sessions(case: &Value) -> (Session, Session) {
    let (initiator, first) = start(&case["device"]);
    assert_eq!(first, bytes(case, "first"));
    let (responder, second) = answer(&case["relay"], &first);
    assert_eq!(second, bytes(case, "second"));
    let (third, at_device) = initiator.read(&second).unwrap();
    assert_eq!(third, bytes(case, "third"));
    let at_relay = responder.finish(&third).unwrap();
    (at_device, at_relay)
}

#[test]
fn trap_26_the_three_messages_are_the_same() {
    for case in vectors!("handshakes.json").as_array().unwrap() {
        let prologue = [b"caro/v1/session\0", &[version::RELAY, version::SUITE][..], SUBPROTOCOL.as_bytes()].concat();
        assert_eq!(prologue, bytes(case, "prologue"));
        let (at_device, at_relay) = sessions(case);
        assert_eq!(at_device.peer_static, array(case, "relay_public"));
        assert_eq!(at_relay.peer_static, array(case, "device_public"));
        let hash = bytes(case, "handshake_hash");
        assert_eq!(hash.len(), 64);
        assert_eq!(at_device.handshake_hash.as_bytes(), &hash[..32]);
        assert_eq!(at_relay.handshake_hash.as_bytes(), &hash[..32]);
    }
}

#[test]
fn trap_26_records_are_the_same() {
    for case in vectors!("handshakes.json").as_array().unwrap() {
        let (device, relay) = sessions(case);
        let (mut device, mut relay) = (device.transport, relay.transport);
        for sent in list(case, "sent") {
            let (sender, receiver) = match text(sent, "from") {
                "device" => (&mut device, &mut relay),
                "relay" => (&mut relay, &mut device),
                other => panic!("{other}"),
            };
            check_message(sent, sender, receiver);
        }
    }
}

fn check_message(sent: &Value, sender: &mut Transport, receiver: &mut Transport) {
    let mut message = vec![0; number(sent, "length") as usize];
    let mut hasher = blake3::Hasher::new();
    hasher.update(text(sent, "message_blake3_of").as_bytes());
    hasher.finalize_xof().fill(&mut message);
    let records = sender.seal(&message).unwrap();
    let found: Vec<String> = match sent.get("records") {
        Some(_) => records.iter().map(hex::encode).collect(),
        None => records.iter().map(|record| blake3::hash(record).to_hex().to_string()).collect(),
    };
    let expected = sent.get("records").unwrap_or(&sent["records_blake3"]);
    assert_eq!(serde_json::json!(found), *expected);
    let opened: Vec<_> = records.iter().filter_map(|record| receiver.open(record).unwrap()).collect();
    assert_eq!(opened, [message]);
}

/// The record's ciphertext, if this key opens it.
fn opened_with(key: &[u8; 32], record: &[u8]) -> Option<Vec<u8>> {
    let mut cipher = DefaultResolver.resolve_cipher(&CipherChoice::XChaChaPoly).unwrap();
    cipher.set(key);
    let (counter, sealed) = record.split_first_chunk().unwrap();
    let mut plain = vec![0; sealed.len()];
    let len = cipher.decrypt(u64::from_be_bytes(*counter), &[], sealed, &mut plain).ok()?;
    plain.truncate(len);
    Some(plain)
}

#[test]
fn e_pq_04_neither_half_alone_gives_the_keys() {
    for case in vectors!("handshakes.json").as_array().unwrap() {
        let (mut device, mut relay) = sessions(case);
        let to_relay = device.transport.seal(b"one way").unwrap().remove(0);
        let to_device = relay.transport.seal(b"and back").unwrap().remove(0);
        assert_eq!(opened_with(&array(case, "to_relay"), &to_relay).unwrap(), b"\0one way");
        assert_eq!(opened_with(&array(case, "to_device"), &to_device).unwrap(), b"\0and back");
        for broken in list(case, "not_these") {
            for key in [array(broken, "to_relay"), array(broken, "to_device")] {
                assert_eq!(opened_with(&key, &to_relay), None, "{}", text(broken, "known"));
                assert_eq!(opened_with(&key, &to_device), None, "{}", text(broken, "known"));
            }
        }
    }
}

fn expected(case: &Value) -> Option<HandshakeError> {
    match text(case, "expected") {
        "session" => None,
        "post-quantum" => Some(HandshakeError::PostQuantum),
        "forged" => Some(HandshakeError::Forged),
        "low-order" => Some(HandshakeError::LowOrder),
        other => panic!("{other}"),
    }
}

/// Relays with another prologue or name (E-HS, A-PROTO), without one of the secrets (E-PQ-01, E-PQ-03), with a static key
/// of low order (trap 45), or with a key that is not theirs.
#[test]
fn e_pq_03_trap_45_no_relay_that_leaves_the_protocol_gets_a_session() {
    let relays = &vectors!("hostile.json")["relays"];
    for case in list(relays, "cases") {
        let (initiator, first) = start(&relays["device"]);
        assert_eq!(first, bytes(relays, "first"));
        let outcome = initiator.read(&bytes(case, "second"));
        assert_eq!(outcome.err(), expected(case), "{}", text(case, "title"));
    }
}

#[test]
fn e_pq_03_trap_45_no_device_that_leaves_the_protocol_gets_a_session() {
    let devices = &vectors!("hostile.json")["devices"];
    for case in list(devices, "cases") {
        let (responder, second) = answer(&devices["relay"], &bytes(devices, "first"));
        assert_eq!(second, bytes(devices, "second"));
        let outcome = responder.finish(&bytes(case, "third"));
        assert_eq!(outcome.err(), expected(case), "{}", text(case, "title"));
    }
}

#[test]
fn a_relay_that_names_the_pinned_key_without_having_it_gets_no_session() {
    let relays = &vectors!("hostile.json")["relays"];
    let case = list(relays, "cases").iter().find(|case| text(case, "title") == "the key of another relay").unwrap();
    // The key that it names, as the honest owner of that key would have it.
    let named = RelayKey(array(&vectors!("handshakes.json")[1], "relay_public"));
    let keys = &relays["device"];
    let (initiator, _) = Initiator::start(&static_key(keys), Some(named), &mut Given::of(keys)).unwrap();
    assert_eq!(initiator.read(&bytes(case, "second")).err(), Some(HandshakeError::Forged));
}
