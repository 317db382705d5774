//! Taking devices off and changing the key, over a relay that keeps to the rules and over one that helps a thief. A thief
//! has everything that was on a device at one moment, and goes on from there.

use caro_link::proof;
use caro_schema::{
    cell::{CellClass, CellView},
    id::{DeviceId, Hash},
    ipc::sync::{Device as Line, RemoteState, StopReason, Warning},
    relay::list::DeviceList,
};

use super::world::{RELAY_KEY, World};
use crate::{
    device::{Account, revoke::sabotage::WRAPS_FOR_ALL},
    vault::{Vault, open::open_any},
};

fn account(world: &World, at: usize) -> &Account {
    world.machines[at].device.account().unwrap()
}

fn warnings(world: &World, at: usize) -> Vec<Warning> {
    account(world, at).status(|_| None).warnings
}

fn id(world: &World, at: usize) -> DeviceId {
    account(world, at).device_id()
}

fn line(world: &World, at: usize, of: DeviceId) -> Line {
    account(world, at).devices().into_iter().find(|line| line.device == of).unwrap()
}

fn listed_key(world: &World, at: usize) -> Hash {
    proof::device_key_hash(&account(world, at).vault().device().relay_static(&RELAY_KEY).public())
}

fn is_listed(world: &World, at: usize) -> bool {
    let list = DeviceList::decode(&world.relay.list.as_ref().unwrap().list).unwrap();
    list.keys.contains(&listed_key(world, at))
}

/// Whether keys open a cell that carries anything but the key log.
fn opens(vault: &Vault, cell: &[u8]) -> bool {
    open_any(vault.keys(), &vault.dataset(), cell).is_ok_and(|(class, _)| class != CellClass::KeyLog)
}

/// A copy of a machine's home, kept until it is needed.
fn copied(world: &mut World, of: usize) -> usize {
    world.copy_home(of);
    let at = world.machines.len() - 1;
    world.machines[at].online = false;
    at
}

#[test]
fn trap_14_a_thief_with_a_whole_copy_is_refused_and_opens_nothing_that_is_written_later() {
    let mut world = World::joined(3);
    world.record(2, "known to the thief");
    world.settle();
    let thief = copied(&mut world, 2);
    let before = world.relay.cells.len();
    world.decide_with_phrase(0, &[2], false);
    world.settle();
    for at in [0, 1] {
        world.record(at, &format!("after the theft {at}"));
    }
    world.settle();
    world.machines[thief].online = true;
    world.settle();
    let state = account(&world, thief).status(|_| None).remotes[0].state.clone();
    assert_eq!(state, RemoteState::Stopped { reason: StopReason::Revoked });
    assert_eq!(world.machines[thief].commands(), ["known to the thief"], "what it had it has");
    for at in [0, 1] {
        assert_eq!(world.machines[at].commands(), ["after the theft 0", "after the theft 1", "known to the thief"]);
    }
    let stolen = account(&world, thief).vault();
    let opened = world.relay.cells[before..].iter().filter(|cell| opens(stolen, cell)).count();
    assert_eq!(opened, 0, "the thief's keys open what was written after it was taken off");
    let own = account(&world, 1).vault();
    assert!(world.relay.cells[before..].iter().any(|cell| opens(own, cell)), "and the others' keys open it");
}

#[test]
fn trap_14_over_a_relay_that_helps_it_a_thief_says_nothing_to_anybody_and_learns_nothing() {
    let mut world = World::joined(3);
    world.record(2, "known to the thief");
    world.settle();
    let (thief, silent) = (copied(&mut world, 2), copied(&mut world, 2));
    world.relay.helps_thieves = true;
    world.decide_with_phrase(0, &[2], false);
    world.settle();
    let before = world.relay.cells.len();
    // One copy goes on as if nothing had happened, the other one never hears of it.
    world.record(thief, "the thief's own words");
    world.record(2, "the stolen machine's words");
    for at in [thief, silent, 2] {
        world.machines[at].online = true;
    }
    world.record(0, "secret afterwards");
    world.settle();
    for at in [0, 1] {
        assert_eq!(world.machines[at].commands(), ["known to the thief", "secret afterwards"]);
    }
    for at in [thief, silent, 2] {
        assert!(!world.machines[at].commands().contains(&"secret afterwards".to_owned()));
        assert!(warnings(&world, at).iter().any(|warning| matches!(warning, Warning::Revoked { .. })));
        let stolen = account(&world, at).vault();
        let written = world.relay.cells[before..].iter().filter(|cell| opens(account(&world, 0).vault(), cell));
        assert_eq!(written.filter(|cell| opens(stolen, cell)).count(), 0);
    }
}

/// How many cells that the others wrote later a thief opens, over a relay that shows it everything.
fn opened_by_a_thief_afterwards() -> usize {
    let mut world = World::joined(3);
    let thief = copied(&mut world, 2);
    world.relay.helps_thieves = true;
    world.decide_with_phrase(0, &[2], false);
    world.settle();
    let before = world.relay.cells.len();
    world.machines[thief].online = true;
    world.record(1, "secret afterwards");
    world.settle();
    world.relay.cells[before..].iter().filter(|cell| opens(account(&world, thief).vault(), cell)).count()
}

#[test]
fn trap_56_with_a_key_wrapped_for_the_thief_it_would_be_seen_to_read() {
    assert_eq!(opened_by_a_thief_afterwards(), 0);
    WRAPS_FOR_ALL.set(true);
    let opened = opened_by_a_thief_afterwards();
    WRAPS_FOR_ALL.set(false);
    assert!(opened > 0, "the check does not see a thief that reads");
}

#[test]
fn a_thiefs_backdated_op_with_a_number_before_the_cut_is_refused() {
    let mut world = World::joined(3);
    let thief = copied(&mut world, 2);
    for n in 0..3 {
        world.record(2, &format!("true {n}"));
        world.settle();
    }
    world.decide_with_phrase(0, &[2], false);
    world.settle();
    // The copy is older: it gives its ops numbers that are taken, and a relay brings them to the others all the same.
    world.record(thief, "forged");
    world.now_ms += 1_000;
    let now_ms = world.now_ms;
    world.machines[thief].decide(now_ms, |device, history, disk, env| device.handle_timer(history, disk, env).unwrap());
    let forged: Vec<Vec<u8>> = world.machines[thief].disk.queues.values().cloned().collect();
    assert!(!forged.is_empty());
    world.relay.cells.extend(forged);
    world.settle();
    for at in [0, 1] {
        assert_eq!(world.machines[at].commands(), ["true 0", "true 1", "true 2"]);
        assert!(account(&world, at).status(|_| None).refused > 0);
    }
}

#[test]
fn everybody_is_told_who_was_taken_off_why_and_where_and_is_told_after_a_restart_too() {
    let mut world = World::joined(3);
    let off = id(&world, 2);
    world.decide_with_phrase(0, &[2], false);
    world.settle();
    world.machines[1].crash();
    assert!(warnings(&world, 1).contains(&Warning::DeviceRevoked { name: "machine 2".to_owned() }));
    for at in [0, 1] {
        let revoked = line(&world, at, off).revoked.expect("it was taken off");
        assert_eq!(revoked.why, Some(caro_schema::body::device::Reason::Lost));
        assert_eq!(revoked.by.map(|by| by.name).as_deref(), Some("machine 0"));
    }
    assert!(is_listed(&world, 0) && is_listed(&world, 1) && !is_listed(&world, 2));
    assert!(matches!(warnings(&world, 2)[..], [Warning::Revoked { .. }]), "{:?}", warnings(&world, 2));
    let now_ms = world.now_ms;
    world.machines[2].decide(now_ms, |device, _, _, _| device.set_enabled(true));
    let state = account(&world, 2).status(|_| None).remotes[0].state.clone();
    assert_eq!(state, RemoteState::Stopped { reason: StopReason::Revoked }, "nobody switches that on again");
    // What it records from then on is its own.
    world.record(2, "alone");
    world.settle();
    assert!(world.machines[2].commands().contains(&"alone".to_owned()));
    let now_ms = world.now_ms;
    world.machines[1].decide(now_ms, |device, _, _, _| device.note_joined_seen());
    world.machines[1].crash();
    assert_eq!(warnings(&world, 1), []);
}

#[test]
fn a_revocation_decided_offline_is_finished_when_the_relay_is_there_also_after_a_restart() {
    let mut world = World::joined(3);
    world.machines[0].online = false;
    world.settle();
    world.decide_with_phrase(0, &[2], false);
    assert!(warnings(&world, 0).contains(&Warning::Unfinished { address: "wss://relay:1/".into(), by_itself: true }));
    world.machines[0].crash();
    world.settle();
    assert!(is_listed(&world, 2));
    assert!(warnings(&world, 0).contains(&Warning::Unfinished { address: "wss://relay:1/".into(), by_itself: true }));
    world.machines[0].online = true;
    world.settle();
    assert!(!is_listed(&world, 2) && is_listed(&world, 0) && is_listed(&world, 1));
    assert!(!warnings(&world, 0).iter().any(|warning| matches!(warning, Warning::Unfinished { .. })));
    world.record(1, "under the new key");
    world.settle();
    assert_eq!(world.machines[0].commands(), ["under the new key"]);
}

#[test]
fn a_list_that_changed_meanwhile_is_not_overwritten_and_the_phrase_finishes_it() {
    let mut world = World::joined(3);
    world.machines[0].online = false;
    world.settle();
    world.decide_with_phrase(0, &[2], false);
    world.machines.push(World::new(9).machines.pop().unwrap());
    world.join(3);
    world.settle();
    world.machines[0].online = true;
    world.settle();
    assert!(is_listed(&world, 2) && is_listed(&world, 3));
    assert!(warnings(&world, 0).contains(&Warning::Unfinished { address: "wss://relay:1/".into(), by_itself: false }));
    // The one that came in between was given no new key: it was not known where it was made.
    let state = account(&world, 3).status(|_| None).remotes[0].state.clone();
    assert_eq!(state, RemoteState::Stopped { reason: StopReason::KeysMissing });
    world.decide_with_phrase(0, &[], false);
    world.settle();
    assert!(!is_listed(&world, 2) && is_listed(&world, 3));
    assert!(!warnings(&world, 0).iter().any(|warning| matches!(warning, Warning::Unfinished { .. })));
}

#[test]
fn two_devices_that_take_each_other_off_are_both_off_everywhere_and_the_others_are_told_to_change_the_key() {
    let mut world = World::joined(4);
    let (one, two) = (id(&world, 0), id(&world, 1));
    for at in [0, 1] {
        world.machines[at].online = false;
    }
    world.settle();
    world.decide_with_phrase(0, &[1], false);
    world.decide_with_phrase(1, &[0], false);
    // Each reached a relay of its own first, and somebody brings both to this one.
    for at in [0, 1] {
        let said: Vec<Vec<u8>> = world.machines[at].disk.queues.values().cloned().collect();
        world.relay.cells.extend(said);
    }
    world.settle();
    for at in [0, 1] {
        world.machines[at].online = true;
    }
    world.settle();
    for at in [2, 3] {
        for off in [one, two] {
            assert!(line(&world, at, off).revoked.is_some(), "machine {at}");
        }
        assert!(warnings(&world, at).contains(&Warning::KeyExposed), "{:?}", warnings(&world, at));
    }
    assert_eq!(line(&world, 2, one).revoked.map(|it| it.at_ms), line(&world, 3, one).revoked.map(|it| it.at_ms));
    let before = world.relay.cells.len();
    world.decide_with_phrase(2, &[], false);
    world.settle();
    for at in [2, 3] {
        assert!(!warnings(&world, at).contains(&Warning::KeyExposed));
        world.record(at, &format!("afterwards {at}"));
    }
    world.settle();
    assert_eq!(world.machines[2].commands(), ["afterwards 2", "afterwards 3"]);
    for off in [0, 1] {
        let vault = account(&world, off).vault();
        assert_eq!(world.relay.cells[before..].iter().filter(|cell| opens(vault, cell)).count(), 0);
    }
}

#[test]
fn of_two_devices_that_take_each_other_off_at_one_relay_the_first_to_come_stays() {
    let mut world = World::joined(3);
    let (one, two) = (id(&world, 0), id(&world, 1));
    for at in [0, 1] {
        world.machines[at].online = false;
    }
    world.settle();
    world.decide_with_phrase(0, &[1], false);
    world.decide_with_phrase(1, &[0], false);
    world.machines[1].online = true;
    world.settle();
    world.machines[0].online = true;
    world.settle();
    for at in [1, 2] {
        assert!(line(&world, at, one).revoked.is_some() && line(&world, at, two).revoked.is_none(), "machine {at}");
    }
    assert!(account(&world, 0).is_out() && !account(&world, 1).is_out());
    world.record(2, "goes on");
    world.settle();
    assert_eq!(world.machines[1].commands(), ["goes on"]);
}

#[test]
fn ops_after_the_cut_count_nowhere_also_where_they_came_first_and_what_followed_them_is_not_held_up() {
    let mut world = World::joined(3);
    world.record(2, "before");
    world.settle();
    world.machines[0].online = false;
    world.settle();
    world.record(2, "after the cut");
    world.settle();
    world.record(1, "follows it");
    world.settle();
    assert_eq!(world.machines[1].commands(), ["after the cut", "before", "follows it"]);
    world.decide_with_phrase(0, &[2], false);
    world.machines[0].online = true;
    world.settle();
    for at in [0, 1] {
        assert_eq!(world.machines[at].commands(), ["before", "follows it"], "machine {at}");
        assert_eq!(account(&world, at).status(|_| None).waiting, 0);
    }
    let vectors: Vec<_> = [0, 1].iter().map(|at| account(&world, *at).vector().clone()).collect();
    assert!(vectors[0] == vectors[1]);
    world.machines[1].crash();
    assert_eq!(world.machines[1].commands(), ["before", "follows it"]);
    world.record(1, "goes on");
    world.settle();
    assert_eq!(world.machines[0].commands(), ["before", "follows it", "goes on"]);
}

#[test]
fn fr_si004_who_joins_after_revocations_reads_all_epochs_from_the_phrase_alone() {
    let mut world = World::joined(4);
    for (n, off) in [(0, 3), (1, 2)] {
        world.record(1, &format!("epoch {n}"));
        world.settle();
        world.decide_with_phrase(0, &[off], false);
        world.settle();
    }
    world.record(1, "epoch 2");
    world.settle();
    world.machines.push(World::new(9).machines.pop().unwrap());
    world.join(4);
    for at in [0, 1] {
        world.machines[at].online = false;
    }
    world.settle();
    assert_eq!(world.machines[4].commands(), ["epoch 0", "epoch 1", "epoch 2"]);
    world.record(4, "from the newcomer");
    world.settle();
    world.machines[0].online = true;
    world.settle();
    assert!(world.machines[0].commands().contains(&"from the newcomer".to_owned()));
    // And one that was taken off comes in again with the phrase, as a new device.
    let now_ms = world.now_ms;
    world.machines[3].decide(now_ms, |device, _, disk, _| device.leave(disk).unwrap());
    world.join(3);
    world.settle();
    assert_eq!(world.machines[3].commands().len(), 4);
}

#[test]
fn what_waited_to_be_sent_is_sealed_under_the_new_key_when_a_revocation_is_heard_of() {
    let mut world = World::joined(3);
    let thief = copied(&mut world, 2);
    world.machines[1].online = false;
    world.settle();
    for n in 0..5 {
        world.record(1, &format!("typed offline {n}"));
        world.settle();
    }
    let before = world.relay.cells.len();
    world.decide_with_phrase(0, &[2], false);
    world.settle();
    world.machines[1].online = true;
    world.settle();
    assert_eq!(world.machines[0].commands().len(), 5);
    let stolen = account(&world, thief).vault();
    assert_eq!(world.relay.cells[before..].iter().filter(|cell| opens(stolen, cell)).count(), 0);
    world.machines[0].online = true;
    assert!(world.machines[1].disk.queues.is_empty());
}

#[test]
fn rotating_with_resealing_leaves_nothing_at_the_relay_under_an_earlier_key_and_loses_nothing() {
    let mut world = World::joined(2);
    for n in 0..40 {
        world.record(n % 2, &format!("command {n}"));
        world.settle();
    }
    let old = account(&world, 0).vault().keys().current().cell().id();
    world.decide_with_phrase(0, &[], true);
    world.turn();
    world.machines[0].crash();
    world.settle();
    assert!(!warnings(&world, 0).iter().any(|warning| matches!(warning, Warning::Resealing { .. })));
    let live = world.relay.cells.iter().filter(|cell| !world.relay.gone.contains(&proof::cell_id(cell)));
    let under_old = live.filter(|cell| CellView::parse(cell).unwrap().key_id == old).count();
    assert_eq!(under_old, 0, "cells are left under the old key");
    world.machines.push(World::new(9).machines.pop().unwrap());
    world.join(2);
    for at in [0, 1] {
        world.machines[at].online = false;
    }
    world.settle();
    assert_eq!(world.machines[2].history.len(), 40);
}

#[test]
fn a_device_is_called_what_was_said_last_here_or_elsewhere() {
    let mut world = World::joined(3);
    let two = id(&world, 2);
    let rename = |world: &mut World, name: &str| {
        world.now_ms += 1_000;
        let now_ms = world.now_ms;
        world.machines[0].decide(now_ms, |device, _, _, env| device.rename_other(two, name.to_owned(), env).unwrap());
        world.settle();
    };
    rename(&mut world, "kitchen");
    for at in 0..3 {
        assert_eq!(line(&world, at, two).name, "kitchen");
    }
    assert_eq!(account(&world, 2).status(|_| None).device_name, "kitchen");
    world.now_ms += 1_000;
    let now_ms = world.now_ms;
    world.machines[2].decide(now_ms, |device, _, _, env| device.rename("its own".to_owned(), env).unwrap());
    world.settle();
    for at in 0..3 {
        assert_eq!(line(&world, at, two).name, "its own");
    }
    rename(&mut world, "cellar");
    world.machines[1].crash();
    assert_eq!(line(&world, 1, two).name, "cellar");
}

#[test]
fn how_far_a_device_is_behind_is_what_it_has_not_said_that_it_has() {
    let mut world = World::joined(2);
    let one = id(&world, 1);
    world.record(1, "says what it has");
    world.settle();
    world.machines[1].online = false;
    world.settle();
    for n in 0..3 {
        world.record(0, &format!("unseen {n}"));
        world.settle();
    }
    assert_eq!(line(&world, 0, one).behind, Some(3));
    world.machines[1].online = true;
    world.settle();
    world.record(1, "has seen them");
    world.settle();
    assert_eq!(line(&world, 0, one).behind, Some(0));
}
