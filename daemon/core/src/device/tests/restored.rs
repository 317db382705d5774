//! A relay that was restored from a backup has forgotten who was taken off since, and is told by whoever comes.

use caro_link::proof;
use caro_schema::{
    id::{Generation, Hash},
    ipc::sync::Warning,
    relay::list::{DeviceList, SignedList},
};

use super::world::{Machine, RELAY_KEY, World};

/// What a backup of the relay has.
struct Backup {
    list: SignedList,
    cells: usize,
}

impl Backup {
    fn of(world: &World) -> Self {
        Self { list: world.relay.list.clone().unwrap(), cells: world.relay.cells.len() }
    }

    /// Nobody is connected, and the backup takes the place of what was there.
    fn restored(self, world: &mut World, generation: u8) {
        for at in 0..world.machines.len() {
            world.machines[at].online = false;
        }
        world.settle();
        world.relay.list = Some(self.list);
        world.relay.cells.truncate(self.cells);
        world.relay.generation = Generation([generation; 16]);
        world.relay.is_restored = true;
    }
}

fn online(world: &mut World, at: usize) {
    world.machines[at].online = true;
    world.settle();
}

fn listed(world: &World) -> Vec<bool> {
    let list = DeviceList::decode(&world.relay.list.as_ref().unwrap().list).unwrap();
    let key = |at: usize| -> Hash {
        let vault = world.machines[at].device.account().unwrap().vault();
        proof::device_key_hash(&vault.device().relay_static(&RELAY_KEY).public())
    };
    (0..world.machines.len()).map(|at| list.keys.contains(&key(at))).collect()
}

/// Whether a relay's list waits for something, or for the phrase.
fn is_unfinished(world: &World, at: usize) -> bool {
    let warnings = world.machines[at].device.account().unwrap().status(|_| None).warnings;
    warnings.iter().any(|warning| matches!(warning, Warning::Unfinished { .. }))
}

/// Four machines, of which the last two were taken off after the backup, in two decisions; one of those who stay saw it.
fn two_taken_off_since() -> (World, Backup) {
    let mut world = World::joined(4);
    world.record(0, "before");
    world.settle();
    let backup = Backup::of(&world);
    for out in [2, 3] {
        world.machines[out].online = false;
        world.decide_with_phrase(0, &[out], false);
        world.settle();
    }
    // A relay shows its list at the beginning of a session.
    world.machines[1].online = false;
    world.settle();
    online(&mut world, 1);
    world.record(1, "after");
    world.settle();
    assert_eq!(listed(&world), [true, true, false, false]);
    (world, backup)
}

#[test]
fn trap_14_whoever_comes_first_to_a_restored_relay_takes_off_again_who_was_taken_off() {
    for first in [0, 1] {
        let (mut world, backup) = two_taken_off_since();
        backup.restored(&mut world, 7);
        assert_eq!(listed(&world), [true; 4], "it is as it was on that day");
        online(&mut world, first);
        assert_eq!(listed(&world), [true, true, false, false], "with {first}");
        for at in 0..4 {
            online(&mut world, at);
        }
        for at in [0, 1] {
            assert_eq!(world.machines[at].commands(), ["after", "before"]);
            assert!(!is_unfinished(&world, at), "{at}");
        }
        assert_eq!(listed(&world), [true, true, false, false]);
    }
}

#[test]
fn trap_14_a_decision_that_a_restored_relay_was_not_told_yet_is_told_and_needs_no_phrase() {
    let (mut world, backup) = two_taken_off_since();
    world.machines[0].online = false;
    world.settle();
    world.decide_with_phrase(0, &[1], false);
    backup.restored(&mut world, 7);
    online(&mut world, 0);
    assert_eq!(listed(&world), [true, false, false, false]);
    assert!(!is_unfinished(&world, 0));
}

fn version(world: &World) -> u64 {
    DeviceList::decode(&world.relay.list.as_ref().unwrap().list).unwrap().version
}

/// One more machine comes in with the phrase alone.
fn comes_in(world: &mut World, seed: u64) -> usize {
    world.machines.push(Machine::new(seed));
    let at = world.machines.len() - 1;
    world.join(at);
    world.settle();
    at
}

#[test]
fn trap_14_a_removal_that_a_restored_relay_lost_to_another_list_is_told_until_the_phrase_finishes_it() {
    for first in [0, 1] {
        let mut world = World::joined(3);
        world.record(0, "before");
        world.settle();
        let backup = Backup::of(&world);
        world.machines[2].online = false;
        world.decide_with_phrase(0, &[2], false);
        world.settle();
        // A relay shows its list at the beginning of a session.
        world.machines[1].online = false;
        world.settle();
        online(&mut world, 1);
        let known = version(&world);
        assert_eq!(listed(&world), [true, true, false]);
        backup.restored(&mut world, 7);
        comes_in(&mut world, 99);
        assert_eq!((version(&world), listed(&world)), (known, vec![true; 4]), "two lists of one number");
        let second = 1 - first;
        online(&mut world, first);
        assert!(is_unfinished(&world, first), "with {first}");
        world.machines[first].crash();
        world.settle();
        online(&mut world, second);
        for at in [first, second] {
            assert!(is_unfinished(&world, at), "{at}, with {first} first");
        }
        world.decide_with_phrase(first, &[], false);
        world.settle();
        assert_eq!(listed(&world), [true, true, false, true]);
        for at in [first, second] {
            world.machines[at].online = false;
            world.settle();
            online(&mut world, at);
            assert!(!is_unfinished(&world, at), "{at}, with {first} first");
            world.machines[at].crash();
            assert!(!is_unfinished(&world, at), "{at}, with {first} first, after a restart");
        }
    }
}

#[test]
fn trap_14_where_nobody_was_taken_off_another_list_of_the_same_number_asks_for_nothing() {
    let mut world = World::joined(2);
    let backup = Backup::of(&world);
    comes_in(&mut world, 98);
    for at in [0, 1] {
        world.machines[at].online = false;
        world.settle();
        online(&mut world, at);
    }
    let known = version(&world);
    backup.restored(&mut world, 7);
    comes_in(&mut world, 99);
    assert_eq!((version(&world), listed(&world)), (known, vec![true, true, false, true]));
    for at in [0, 1] {
        online(&mut world, at);
        assert!(!is_unfinished(&world, at), "{at}");
    }
}

#[test]
fn trap_14_a_relay_that_shows_an_older_list_and_takes_none_is_asked_once_in_a_session() {
    let (mut world, backup) = two_taken_off_since();
    backup.restored(&mut world, 7);
    // It does not take what it should.
    world.relay.is_restored = false;
    let shown = listed(&world);
    for at in [0, 1] {
        online(&mut world, at);
        assert_eq!(listed(&world), shown);
        assert_eq!(world.machines[at].commands(), ["after", "before"]);
        assert!(!is_unfinished(&world, at));
    }
}
