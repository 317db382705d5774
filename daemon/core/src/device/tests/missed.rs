//! What a relay lost, or forgot as relays do that keep things for a while, comes again from the other devices.

use caro_link::proof;
use caro_schema::{
    id::{Hash, RelayKey},
    ipc::sync::{RemoteState, StopReason, Warning},
};

use super::{
    erasing::{cell_says, late},
    world::{Machine, World},
};
use crate::{device::join::fresh_remote, sync::State};

/// A world in which two machines have written in turn, a minute apart.
fn written_by_two() -> World {
    let mut world = World::joined(2);
    for n in 0..5 {
        world.record(n % 2, &format!("command {n}"));
        world.settle();
        world.now_ms += 60_000;
    }
    world
}

#[test]
fn c_stor_03_what_rotted_at_the_relay_is_brought_again_by_itself_and_a_newcomer_is_complete() {
    let mut world = written_by_two();
    // A relay finds out when it reads what it kept, and sends it as gone: in the middle, and at the end of a chain.
    let held: Vec<_> = world.relay.cells.iter().map(|cell| proof::cell_id(cell)).collect();
    let last = held.len();
    world.relay.gone.extend([held[last - 1], held[last - 4], held[last - 5]]);
    let at = late(&mut world);
    world.now_ms += 30_000;
    world.settle();
    assert_eq!(world.machines[at].commands().len(), 5);
    world.assert_converged();
    let warnings = world.machines[at].device.account().unwrap().status(|_| None).warnings;
    assert!(!warnings.iter().any(|warning| matches!(warning, Warning::Withheld { .. })));
}

#[test]
fn c_stor_03_whichever_cell_rots_a_newcomer_is_complete() {
    // What lets a device in and what holds a key is as much needed as what was typed.
    for rots in 0.. {
        let mut world = World::joined(2);
        for n in 0..4 {
            world.record(n % 2, &format!("command {n}"));
            world.settle();
            world.now_ms += 60_000;
        }
        let Some(cell) = world.relay.cells.get(rots) else {
            assert!(rots >= 7, "there were entries and ops among them");
            return;
        };
        world.relay.gone.insert(proof::cell_id(cell));
        let at = late(&mut world);
        assert_eq!(world.machines[at].commands().len(), 4, "without cell {rots}");
        world.assert_converged();
    }
}

#[test]
fn c_stor_03_what_waits_to_be_sent_is_not_taken_for_lost() {
    let mut world = World::joined(2);
    for n in 0..4 {
        world.record(n % 2, &format!("command {n}"));
        world.settle();
        world.now_ms += 60_000;
    }
    world.machines[0].online = false;
    for n in 0..3 {
        world.record(0, &format!("apart {n};"));
        world.now_ms += 60_000;
    }
    // Something is gone, so the newcomer says all that it has found.
    let early = proof::cell_id(&world.relay.cells[2]);
    world.relay.gone.insert(early);
    late(&mut world);
    world.now_ms += 30_000;
    world.settle();
    world.machines[0].online = true;
    world.settle();
    world.now_ms += 60_000;
    world.settle();
    for n in 0..3 {
        let text = format!("apart {n};");
        let cells = world.relay.cells.iter().filter(|cell| cell_says(&world.machines[1], cell, &text));
        assert_eq!(cells.count(), 1, "{text}");
    }
    world.assert_converged();
}

#[test]
fn c_stor_03_what_came_behind_the_place_where_another_says_what_it_misses_is_not_brought_again() {
    let mut world = World::joined(3);
    let (author, other, away) = (0, 1, 2);
    for at in [author, other] {
        world.machines[at].online = false;
        world.record(at, &format!("apart {at};"));
    }
    world.settle();
    for command in ["lost;", "after"] {
        world.now_ms += 60_000;
        world.record(away, command);
        world.settle();
    }
    let lost = world.relay.cells.iter().find(|cell| cell_says(&world.machines[away], cell, "lost;"));
    world.relay.gone.insert(proof::cell_id(lost.unwrap()));
    world.machines[away].online = false;
    // A newcomer finds it missing, and says so at a place behind which there is nothing; what it says stays with it.
    world.now_ms += 60_000;
    let newcomer = world.machines.len();
    world.machines.push(Machine::new(99));
    world.join(newcomer);
    let misses = |world: &World| world.machines[newcomer].device.account().unwrap().missing;
    world.turn_until(|world| misses(world).is_some());
    world.machines[newcomer].online = false;
    let read = world.relay.cells.len();
    world.turn_until(|world| misses(world).is_some_and(|missing| missing.is_said()));
    assert_eq!(world.relay.cells.len(), read, "it waits at the newcomer");
    // Meanwhile the two send what they had, long before in time and behind that place.
    for at in [author, other] {
        world.machines[at].online = true;
    }
    world.turn_until(|world| [author, other].iter().all(|at| world.machines[*at].commands().len() == 2));
    for at in [newcomer, away] {
        world.machines[at].online = true;
    }
    world.settle();
    for text in ["apart 0;", "apart 1;"] {
        let cells = world.relay.cells.iter().filter(|cell| cell_says(&world.machines[author], cell, text));
        assert_eq!(cells.count(), 1, "{text}");
    }
    assert_eq!(world.machines[newcomer].commands().len(), 4);
    world.assert_converged();
}

/// The relay forgets everything that it has.
fn forget_all(world: &mut World) {
    world.relay.gone.extend(world.relay.cells.iter().map(|cell| proof::cell_id(cell)));
    world.relay.forgotten = world.relay.cells.len() as u64;
}

fn is_told_of_missed(world: &World, at: usize) -> bool {
    let status = world.machines[at].device.account().unwrap().status(|_| None);
    status.warnings.iter().any(|warning| matches!(warning, Warning::Missed { .. }))
}

#[test]
fn mailbox_a_device_that_was_away_for_longer_is_told_and_gets_it_from_the_others() {
    let mut world = World::joined(2);
    world.machines[1].online = false;
    for n in 0..300 {
        world.record(0, &format!("missed {n};"));
        world.now_ms += 60_000;
        world.settle();
    }
    forget_all(&mut world);
    assert!(!is_told_of_missed(&world, 1));
    world.machines[1].online = true;
    world.settle();
    assert!(is_told_of_missed(&world, 1) && !is_told_of_missed(&world, 0));
    assert_eq!(world.machines[1].commands().len(), 300);
    world.assert_converged();
    // Once it is there nobody goes on about it.
    let cells = world.relay.cells.len();
    world.now_ms += 7_200_000;
    world.settle();
    assert_eq!(world.relay.cells.len(), cells);
}

#[test]
fn mailbox_a_device_that_is_new_gets_all_from_the_others() {
    let mut world = World::joined(2);
    for n in 0..200 {
        world.record(n % 2, &format!("late {n};"));
        world.now_ms += 60_000;
        world.settle();
    }
    forget_all(&mut world);
    let at = late(&mut world);
    assert_eq!(world.machines[at].commands().len(), 200);
    world.assert_converged();
}

#[test]
fn mailbox_two_that_are_new_at_once_do_not_go_on_asking_each_other() {
    let mut world = World::joined(2);
    for n in 0..6 {
        world.record(n % 2, &format!("typed {n}"));
        world.now_ms += 60_000;
        world.settle();
    }
    forget_all(&mut world);
    for seed in [97, 98] {
        world.machines.push(Machine::new(seed));
        let at = world.machines.len() - 1;
        world.join(at);
    }
    world.settle();
    world.assert_converged();
    let cells = world.relay.cells.len();
    world.now_ms += 3_600_000;
    world.settle();
    assert_eq!(world.relay.cells.len(), cells, "they have said all that there was to say");
}

#[test]
fn mailbox_a_device_that_joins_when_a_change_of_keys_is_forgotten_is_told_to_and_can_join_again() {
    let mut world = World::joined(2);
    world.record(0, "under the first key");
    world.settle();
    world.decide_with_phrase(0, &[], false);
    world.now_ms += 60_000;
    world.record(1, "under the second key");
    world.settle();
    world.now_ms += 60_000;
    forget_all(&mut world);
    // The phrase alone does not say how often keys changed.
    let at = late(&mut world);
    let status = world.machines[at].device.account().unwrap().status(|_| None);
    assert_eq!(status.remotes[0].state, RemoteState::Stopped { reason: StopReason::KeysMissing });
    // By now the others have brought that.
    world.machines.pop();
    world.machines.push(Machine::new(98));
    world.join(at);
    world.settle();
    world.now_ms += 60_000;
    world.settle();
    assert_eq!(world.machines[at].commands().len(), 2);
    world.assert_converged();
}

/// A world whose relay has lost some of what two machines wrote, and one more machine that has not read anything yet
/// and has another relay beside this one, to which it cannot come.
fn newcomer_with_another_relay(stopped: Option<StopReason>) -> (World, usize) {
    let mut world = written_by_two();
    let held: Vec<_> = world.relay.cells.iter().map(|cell| proof::cell_id(cell)).collect();
    world.relay.gone.extend([held[held.len() - 4], held[held.len() - 5]]);
    world.machines.push(Machine::new(99));
    let at = world.machines.len() - 1;
    world.join(at);
    let now_ms = world.now_ms;
    let other = fresh_remote("wss://other:1/".to_owned(), RelayKey([43; 32]), Hash([9; 32]), None);
    world.machines[at].decide(now_ms, |device, _, _, _| device.add_remote(other));
    if let Some(reason) = stopped {
        world.machines[at].decide(now_ms, |device, _, _, _| device.stop_remote(2, reason));
    }
    (world, at)
}

fn is_missing(world: &World, at: usize) -> bool {
    world.machines[at].device.account().unwrap().missing.is_some()
}

#[test]
fn c_stor_03_what_a_relay_lost_is_brought_again_though_another_one_is_stopped() {
    for reason in [StopReason::RolledBack, StopReason::Revoked, StopReason::KeyChanged] {
        let (mut world, at) = newcomer_with_another_relay(Some(reason));
        world.turn_until(|world| is_missing(world, at));
        let since_ms = world.now_ms;
        world.turn_until(|world| world.machines[at].commands().len() == 5);
        assert!(world.now_ms - since_ms < 30_000, "it is not waited for");
        world.settle();
        assert_eq!(world.machines[at].device.account().unwrap().status(|_| None).waiting, 0);
    }
}

#[test]
fn c_stor_03_what_a_relay_lost_is_brought_again_though_another_one_is_down_and_that_one_is_waited_for_first() {
    let (mut world, at) = newcomer_with_another_relay(None);
    assert!(world.machines[at].device.account().unwrap().remotes().any(|remote| remote.state() == State::Down));
    world.turn_until(|world| is_missing(world, at));
    let since_ms = world.now_ms;
    world.turn_until(|world| world.machines[at].commands().len() == 5);
    assert!(world.now_ms - since_ms >= 60_000, "it may be there, and come back");
    world.settle();
    assert_eq!(world.machines[at].device.account().unwrap().status(|_| None).waiting, 0);
}

#[test]
fn c_stor_03_a_part_of_a_snapshot_that_rotted_is_brought_again() {
    let mut world = World::joined(2);
    for n in 0..30 {
        world.now_ms += 1_000;
        world.record(0, &format!("command {n}"));
        world.settle();
    }
    let kept = |world: &World| -> Vec<(usize, caro_schema::id::CellId)> {
        let ids = world.relay.cells.iter().map(|cell| (cell.len(), proof::cell_id(cell)));
        ids.filter(|(_, id)| !world.relay.gone.contains(id)).collect()
    };
    let largest = kept(&world).into_iter().max().unwrap().1;
    world.relay.gone.insert(largest);
    let at = late(&mut world);
    world.now_ms += 60_000;
    world.settle();
    assert_eq!(world.machines[at].commands().len(), 30);
    world.assert_converged();
}
