//! One account from its phrase to a device's disk: what a device keeps, what a wrong phrase finds, what a new epoch does.

use caro_schema::{cell::CellClass, id::RelayKey};

use crate::vault::{
    DeviceKeys, Phrase, RootKey, Vault,
    joined::EpochError,
    key_ring::EpochConflict,
    open::{OpenError, open_any},
    seal::seal,
    wrap::{ENCAPSULATION_BYTES, WrapError, wrap},
};

fn phrase(seed: u8) -> Phrase {
    Phrase::from_entropy(&[seed; 32])
}

fn device(seed: u8) -> DeviceKeys {
    DeviceKeys::generate(&std::array::from_fn(|index| seed.wrapping_add(index as u8)))
}

#[test]
fn fr_si003_the_phrase_alone_gives_the_same_account_again() {
    let (one, two) = (RootKey::derive(&phrase(1)).unwrap(), RootKey::derive(&phrase(1)).unwrap());
    assert_eq!(one.dataset(), two.dataset());
    let cell = seal(&one.epoch_key(3), &one.dataset(), CellClass::Op, b"ls", &[2; 32], &[3; 32]).unwrap();
    let mut vault = Vault::new(&two, device(1));
    vault.add_epochs_to(&two, 3).unwrap();
    let (class, plain) = open_any(vault.keys(), &vault.dataset(), &cell).unwrap();
    assert_eq!((class, plain.as_slice()), (CellClass::Op, &b"ls"[..]));
}

#[test]
fn trap_22_a_valid_but_wrong_phrase_finds_nothing_and_opens_nothing() {
    let (right, wrong) = (RootKey::derive(&phrase(1)).unwrap(), RootKey::derive(&phrase(2)).unwrap());
    let relay = RelayKey([7; 32]);
    assert_ne!(right.dataset(), wrong.dataset());
    assert_ne!(right.relay_account(&relay).handle(), wrong.relay_account(&relay).handle());
    let cell = seal(&right.epoch_key(0), &right.dataset(), CellClass::Op, b"ls", &[2; 32], &[3; 32]).unwrap();
    let mut vault = Vault::new(&wrong, device(1));
    assert_eq!(open_any(vault.keys(), &vault.dataset(), &cell).map(|_| ()), Err(OpenError::OtherKey));
    let before = vault.encode();
    assert_eq!(vault.add_epochs_to(&right, 2), Err(EpochConflict { number: 0 }));
    assert_eq!(vault.encode(), before);
}

#[test]
fn two_relays_know_the_account_by_names_that_cannot_be_matched() {
    let root = RootKey::derive(&phrase(1)).unwrap();
    let (one, two) = (root.relay_account(&RelayKey([1; 32])), root.relay_account(&RelayKey([2; 32])));
    assert_ne!(one.public(), two.public());
    assert_ne!(one.handle(), two.handle());
    assert_ne!(one.public(), root.account_signer().public());
    assert_eq!(one.handle(), root.relay_account(&RelayKey([1; 32])).handle());
}

#[test]
fn the_root_is_never_at_rest() {
    let phrase = phrase(1);
    let root = RootKey::derive(&phrase).unwrap();
    let mut vault = Vault::new(&root, device(1));
    vault.add_epochs_to(&root, 3).unwrap();
    let kept = vault.encode();
    let holds = |secret: &[u8]| kept.windows(secret.len()).any(|window| window == secret);
    // The probe finds what is there.
    assert!(holds(root.epoch_key(3).secret().bytes()));
    assert!(!holds(&phrase.entropy()));
    assert!(!holds(root.bytes()));
    // A key that the root would give later is not there either, so nothing kept leads to it.
    assert!(!holds(root.epoch_key(4).secret().bytes()));
    for word in phrase.words().iter() {
        assert!(!holds(word.as_bytes()), "a word of the phrase");
    }
}

#[test]
fn fr_de003_a_new_epoch_reaches_the_devices_it_is_wrapped_for_and_no_other() {
    let root = RootKey::derive(&phrase(1)).unwrap();
    let (mut laptop, mut thief) = (Vault::new(&root, device(1)), Vault::new(&root, device(2)));
    let random = [9; ENCAPSULATION_BYTES];
    let wrapped = wrap(&laptop.device().certificate(None), &root.epoch_key(1), &root.dataset(), &random).unwrap();
    assert_eq!(thief.add_epoch(1, &wrapped), Err(EpochError::Wrap(WrapError::OtherDevice)));
    assert_eq!(laptop.add_epoch(2, &wrapped), Err(EpochError::Wrap(WrapError::Tag)));
    laptop.add_epoch(1, &wrapped).unwrap();
    laptop.add_epoch(1, &wrapped).unwrap();

    assert_eq!(laptop.keys().current(), &root.epoch_key(1));
    let cell = seal(laptop.keys().current(), &root.dataset(), CellClass::Op, b"ls", &[2; 32], &[3; 32]).unwrap();
    assert_eq!(open_any(thief.keys(), &thief.dataset(), &cell).map(|_| ()), Err(OpenError::OtherKey));
    // What was sealed before stays readable (FR-DE004), also after a restart.
    let old = seal(thief.keys().current(), &root.dataset(), CellClass::Op, b"old", &[2; 32], &[3; 32]).unwrap();
    let restarted = Vault::decode(&laptop.encode()).unwrap();
    for (cell, expected) in [(cell, &b"ls"[..]), (old, b"old")] {
        assert_eq!(open_any(restarted.keys(), &restarted.dataset(), &cell).unwrap().1.as_slice(), expected);
    }
    assert_eq!((restarted.device_id(), restarted.account()), (laptop.device_id(), laptop.account()));
}

#[test]
fn a_wrap_cannot_replace_an_epoch_that_is_known() {
    let root = RootKey::derive(&phrase(1)).unwrap();
    let other = RootKey::derive(&phrase(2)).unwrap();
    let mut vault = Vault::new(&root, device(1));
    let certificate = vault.device().certificate(None);
    let forged = wrap(&certificate, &other.epoch_key(0), &root.dataset(), &[9; ENCAPSULATION_BYTES]).unwrap();
    assert_eq!(vault.add_epoch(0, &forged), Err(EpochError::Conflict(EpochConflict { number: 0 })));
    assert_eq!(vault.keys().current(), &root.epoch_key(0));
}

#[test]
fn xc001_neither_the_root_nor_a_vault_prints_a_secret() {
    let root = RootKey::derive(&phrase(1)).unwrap();
    assert_eq!(format!("{root:?}"), "RootKey { .. }");
    let vault = Vault::new(&root, device(1));
    assert_eq!(format!("{vault:?}"), "Vault { keys: KeyRing { current: 0, epochs: 1, .. }, .. }");
}
