//! Two devices that meet, whole and with somebody in between.

use caro_link::{
    entropy::{Entropy, NoEntropy},
    proof,
};
use caro_schema::{
    codec,
    id::{Hash, RelayKey},
    limits::MAIL_BYTES_MAX,
    pairing::Letter,
};

use super::*;
use crate::{
    device::{Device, Env, Intent, Joined, Joining, Rules},
    history::History,
    step::{KeyAndValue, RemoteNumber, RowError, Rows, Space},
    vault::{Phrase, RootKey},
};

struct Drawing(u64);

impl Entropy for Drawing {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
        Ok(())
    }
}

const RELAY: RelayKey = RelayKey([9; 32]);

fn founder() -> Device {
    let root = RootKey::derive(&Phrase::from_entropy(&[7; 32])).unwrap();
    let mut env = Env { now_ms: 1_000, entropy: &mut Drawing(1) };
    let names = ("desk".to_owned(), "linux".to_owned());
    let joining = Joining::new(Intent::Attach, root, RELAY, "wss://r:1/".to_owned(), names, &mut env).unwrap();
    adopt(joining.finish())
}

fn adopt(joined: Joined) -> Device {
    struct Nothing;
    impl Rows for Nothing {
        fn row(&self, _: Space, _: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
            Ok(None)
        }
        fn rows(&self, _: Space) -> Result<Vec<KeyAndValue>, RowError> {
            Ok(Vec::new())
        }
        fn queue(&self, _: RemoteNumber, _: u64, _: usize) -> Result<Vec<(u64, Vec<u8>)>, RowError> {
            Ok(Vec::new())
        }
    }
    let mut device = Device::load(&Nothing, Rules::default()).unwrap();
    let mut env = Env { now_ms: 2_000, entropy: &mut Drawing(2) };
    drop(device.adopt(joined, &History::default(), &mut env).unwrap());
    device
}

fn inviter(device: &Device, code: &str) -> Inviter {
    let account = device.account().unwrap();
    Inviter::new(Code::parse(code).unwrap(), RELAY, account.name().to_owned(), account.relay_cards(RELAY))
}

fn newcomer(code: &str, seed: u64) -> (Waiting, Vec<u8>) {
    let names = ("laptop".to_owned(), "linux".to_owned());
    Newcomer::begin(&Code::parse(code).unwrap(), RELAY, names, &mut Drawing(seed)).unwrap()
}

const CODE: &str = "7-abandon-zoo";

#[test]
fn si004_a_newcomer_with_the_code_becomes_a_device_of_the_account() {
    let desk = founder();
    let inviter = inviter(&desk, CODE);
    let (waiting, hello) = newcomer("7 aban zoo", 3);
    let (answered, answer) = inviter.answer(&hello, &mut Drawing(4)).unwrap();
    let (proved, proof_letter) = waiting.prove(&answer).unwrap();
    let (mut meeting, reveal) = answered.check(&proof_letter, &inviter).unwrap();
    let compared = proved.compare(&reveal).unwrap();
    assert_eq!(compared.words(), meeting.words());
    assert_eq!((compared.name(), meeting.name()), ("desk", "laptop"));
    let (agreed, letter) = compared.agree();
    let keys = meeting.wish(&letter).unwrap();
    let account = desk.account().unwrap();
    let mut env = Env { now_ms: 5_000, entropy: &mut Drawing(5) };
    let handed = account.hand_over(meeting.certificate().clone(), &[RELAY], &mut env).unwrap().handed;
    let (joined, others) = agreed.land(&meeting.hand_over(&handed)).unwrap();
    assert!(others.is_empty());
    assert_eq!(joined.account(), account.vault().account());
    let laptop = adopt(joined);
    let laptop = laptop.account().unwrap();
    assert!(laptop.dataset() == account.dataset() && laptop.vault().keys() == account.vault().keys());
    assert_ne!(laptop.device_id(), account.device_id());
    let own = laptop.vault().device().relay_static(&RELAY).public();
    assert_eq!(keys, [proof::device_key_hash(&own)]);
    assert_eq!(laptop.devices().len(), 1);
    assert_eq!(Meeting::has_landed(&codec::encode(&Letter::Landed)), Ok(()));
}

#[test]
fn a_wrong_code_ends_at_the_proof_and_another_try_may_follow() {
    let desk = founder();
    let inviter = inviter(&desk, CODE);
    for wrong in ["7-zoo-abandon", "8-abandon-zoo"] {
        let (waiting, hello) = newcomer(wrong, 3);
        let (answered, answer) = inviter.answer(&hello, &mut Drawing(4)).unwrap();
        let (_, letter) = waiting.prove(&answer).unwrap();
        assert_eq!(answered.check(&letter, &inviter).err(), Some(PairError::WrongCode), "{wrong}");
    }
    let (waiting, hello) = newcomer(CODE, 3);
    let (answered, answer) = inviter.answer(&hello, &mut Drawing(6)).unwrap();
    let (_, letter) = waiting.prove(&answer).unwrap();
    assert!(answered.check(&letter, &inviter).is_ok());
}

#[test]
fn whoever_knows_the_code_and_stands_in_between_shows_two_screens_different_words() {
    let desk = founder();
    let inviter = inviter(&desk, CODE);
    // In between: an inviter towards the newcomer, a newcomer towards the inviter.
    let between = Inviter::new(Code::parse(CODE).unwrap(), RELAY, "desk".to_owned(), inviter.relays_of());
    let (waiting, hello) = newcomer(CODE, 3);
    let (answered_between, answer) = between.answer(&hello, &mut Drawing(10)).unwrap();
    let (proved, letter) = waiting.prove(&answer).unwrap();
    let (_, reveal) = answered_between.check(&letter, &between).unwrap();
    let seen_by_newcomer = proved.compare(&reveal).unwrap().words().clone();
    let (waiting, hello) = newcomer(CODE, 11);
    let (answered, answer) = inviter.answer(&hello, &mut Drawing(12)).unwrap();
    let (_, letter) = waiting.prove(&answer).unwrap();
    let (meeting, _) = answered.check(&letter, &inviter).unwrap();
    assert_ne!(*meeting.words(), seen_by_newcomer);
}

#[test]
fn a_number_for_the_words_that_was_chosen_late_is_noticed() {
    let desk = founder();
    let inviter = inviter(&desk, CODE);
    let (waiting, hello) = newcomer(CODE, 3);
    let (answered, answer) = inviter.answer(&hello, &mut Drawing(4)).unwrap();
    let (proved, letter) = waiting.prove(&answer).unwrap();
    let (_, reveal) = answered.with_number_for_tests(Hash([1; 32])).check(&letter, &inviter).unwrap();
    assert_eq!(proved.compare(&reveal).err(), Some(PairError::WrongCode));
}

#[test]
fn letters_out_of_turn_of_another_version_and_too_large_are_refused() {
    let desk = founder();
    let inviter = inviter(&desk, CODE);
    let answer = |letter: &Letter| inviter.answer(&codec::encode(letter), &mut Drawing(4)).err();
    assert_eq!(answer(&Letter::Landed), Some(PairError::OutOfTurn));
    assert_eq!(answer(&Letter::Declined), Some(PairError::Declined));
    let version = Letter::Hello { version: 2, pake: Vec::new().into() };
    assert_eq!(answer(&version), Some(PairError::Version));
    let huge = Letter::Hello { version: 1, pake: vec![0; MAIL_BYTES_MAX].into() };
    assert_eq!(answer(&huge), Some(PairError::OutOfTurn));
    let none = inviter.answer(b"", &mut Drawing(4)).err();
    assert_eq!(none, Some(PairError::OutOfTurn));
}

#[test]
fn every_altered_byte_of_a_sealed_letter_is_noticed() {
    let desk = founder();
    let inviter = inviter(&desk, CODE);
    let run = |flip: Option<usize>| {
        let (waiting, hello) = newcomer(CODE, 3);
        let (answered, answer) = inviter.answer(&hello, &mut Drawing(4)).unwrap();
        let (proved, letter) = waiting.prove(&answer).unwrap();
        let (_, mut reveal) = answered.check(&letter, &inviter).unwrap();
        let length = reveal.len();
        if let Some(at) = flip {
            reveal[at] ^= 1;
        }
        (proved.compare(&reveal).is_ok(), length)
    };
    let (good, length) = run(None);
    assert!(good);
    for at in (0..length).step_by(7) {
        assert!(!run(Some(at)).0, "byte {at}");
    }
}
