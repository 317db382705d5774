//! Moving to a new phrase: everything goes along, whatever moment a crash comes at, and what is left behind opens nothing.

use caro_link::proof;
use caro_schema::{
    body::shared::Set,
    id::Hash,
    relay::{ErrorCode, Position, ToDevice, ToRelay, list::SignedList},
};

use super::world::{RELAY_KEY, World};
use crate::{
    device::{Emptied, Emptying, OldAccount},
    vault::{Phrase, RootKey},
};

fn old_root() -> RootKey {
    RootKey::derive(&Phrase::from_entropy(&[11; 32])).unwrap()
}

fn setting(key: &str, value: &str) -> Set {
    Set { category: "settings".into(), key: key.into(), value: Some(value.as_bytes().to_vec().into()) }
}

/// A relay's answers to whoever comes to empty an account.
fn welcome() -> ToDevice {
    let signature = caro_schema::id::Signature([0; 64]);
    let position =
        Position { generation: caro_schema::id::Generation([1; 16]), cursor: 0, head: Hash([0; 32]), signature };
    let list = SignedList { list: Vec::new().into(), signature, added: Vec::new() };
    ToDevice::Welcome { position, signer: Hash([0; 32]), list, quota_bytes: 0, used_bytes: 0 }
}

fn left(world: &World, at: usize) -> Vec<OldAccount> {
    world.machines[at].device.left().cloned().collect()
}

#[test]
fn fr_si005_everything_goes_along_to_the_new_account_and_the_old_one_is_emptied_after_it() {
    let mut world = World::joined(2);
    for n in 0..20 {
        world.record(n % 2, &format!("command {n}"));
        world.settle();
    }
    let deleted = world.record(0, "deleted before");
    world.settle();
    world.delete(0, deleted);
    let now_ms = world.now_ms;
    world.machines[0].decide(now_ms, |device, _, _, env| device.set(setting("a", "b"), env).unwrap().expect("shared"));
    world.settle();
    let old = world.machines[0].device.account().unwrap().dataset();
    world.move_to_new_phrase(0, &old_root());
    let new = world.machines[0].device.account().unwrap().dataset();
    assert_ne!(old, new);
    assert_eq!(left(&world, 0).len(), 1);
    // Not before everything is there, and also in the next daemon.
    let now_ms = world.now_ms;
    assert!(world.machines[0].device.next_left(now_ms).is_none());
    world.machines[0].crash();
    assert_eq!(left(&world, 0).len(), 1);
    world.machines[1].online = false;
    world.settle();
    let now_ms = world.now_ms;
    let (number, _) = world.machines[0].device.next_left(now_ms).expect("everything was sent");
    assert!(world.machines[0].device.next_left(now_ms).is_none(), "one at a time");
    world.machines[0].decide(now_ms, |device, _, _, _| device.note_emptied(number));
    world.machines[0].crash();
    assert!(left(&world, 0).is_empty());
    // Somebody who has the new phrase and nothing else.
    world.machines.push(World::new(9).machines.pop().unwrap());
    world.join(2);
    world.settle();
    assert_eq!(world.machines[2].history.len(), 20);
    assert!(!world.machines[2].commands().contains(&"deleted before".to_owned()));
    let value =
        |at: usize| world.machines[at].device.account().unwrap().shared().get("settings", "a").map(<[u8]>::to_vec);
    assert_eq!(value(2), value(0));
    assert_eq!(value(0).as_deref(), Some(&b"b"[..]));
}

#[test]
fn a_crash_after_any_turn_of_the_move_loses_nothing() {
    for turns in 0..12 {
        let mut world = World::joined(1);
        for n in 0..30 {
            world.record(0, &format!("command {n}"));
        }
        world.settle();
        world.move_to_new_phrase(0, &old_root());
        for _ in 0..turns {
            world.turn();
        }
        world.machines[0].crash();
        world.settle();
        assert_eq!(left(&world, 0).len(), 1);
        world.machines.push(World::new(9).machines.pop().unwrap());
        world.join(1);
        world.settle();
        assert_eq!(world.machines[1].history.len(), 30, "after {turns} turns");
    }
}

#[test]
fn whoever_empties_an_old_account_first_tells_the_others_and_proves_the_key_in_that_session() {
    let mut world = World::joined(1);
    world.record(0, "before");
    world.settle();
    let listed = proof::device_key_hash(
        &world.machines[0].device.account().unwrap().vault().device().relay_static(&RELAY_KEY).public(),
    );
    world.move_to_new_phrase(0, &old_root());
    let old = left(&world, 0).remove(0);
    assert_eq!(proof::device_key_hash(&old.session_key().public()), listed, "it comes as the device that was listed");
    assert_eq!(old.relay_key(), RELAY_KEY);
    let account = Hash(old_root().relay_account(&RELAY_KEY).public());
    let handshake = Hash([3; 32]);
    let mut emptying = Emptying::new(old.clone(), false);
    assert!(
        matches!(emptying.connected(&handshake), ToRelay::Hello { handle } if handle == proof::handle_of(&account))
    );
    let Ok(Emptied::Send(ToRelay::Push { cells })) = emptying.handle(welcome()) else { panic!("tells") };
    assert_eq!(cells.len(), 1);
    let ack = ToDevice::Ack { cells: Vec::new() };
    let Ok(Emptied::Send(ToRelay::Close { account: closed, proof })) = emptying.handle(ack) else { panic!("closes") };
    assert_eq!(closed, account);
    proof::verify_close(&account, &handshake, &proof).unwrap();
    assert!(matches!(emptying.handle(ToDevice::Closed), Ok(Emptied::Done)));
    // With the key alone, where the device is not listed any more.
    let gone = ToDevice::Error { code: ErrorCode::NotKnown, retry_ms: None };
    assert!(emptying.handle(gone.clone()).is_err());
    let mut by_key = Emptying::new(old, true);
    let ToRelay::Attach { account: attached, proof } = by_key.connected(&handshake) else { panic!("attaches") };
    assert_eq!(attached, account);
    proof::verify_attach(&account, &handshake, &proof).unwrap();
    assert!(matches!(by_key.handle(welcome()), Ok(Emptied::Send(ToRelay::Close { .. }))));
    assert!(matches!(by_key.handle(gone), Ok(Emptied::Done)));
}

#[test]
fn what_is_kept_of_an_old_account_opens_none_of_its_cells() {
    let mut world = World::joined(1);
    world.record(0, "canary before the move");
    world.settle();
    let secrets: Vec<[u8; 32]> = {
        let vault = world.machines[0].device.account().unwrap().vault();
        let keys = vault.keys().epochs().map(|epoch| *epoch.secret_for_tests()).collect::<Vec<_>>();
        assert!(!keys.is_empty());
        keys
    };
    world.move_to_new_phrase(0, &old_root());
    world.settle();
    for ((_, _), value) in &world.machines[0].disk.rows {
        for secret in &secrets {
            assert!(!value.windows(32).any(|window| window == secret), "a key of the old account is still there");
        }
    }
}
