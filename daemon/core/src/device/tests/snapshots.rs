//! Said again in full cells: joining costs what the history weighs, and nobody misses anything.

use caro_schema::id::RecordId;

use super::world::World;
use crate::step::Space;

/// Commands one after the other, each an op of its own.
fn type_slowly(world: &mut World, at: usize, count: u64, word: &str) -> Vec<RecordId> {
    let mut ids = Vec::new();
    for n in 0..count {
        world.now_ms += 1_000;
        ids.push(world.record(at, &format!("{word} {n}")));
        world.settle();
    }
    ids
}

/// Cells that the relay still holds.
fn held(world: &World) -> usize {
    world.relay.cells.len() - world.relay.gone.len()
}

#[test]
fn so_snapshot_many_small_cells_become_a_few_and_everyone_keeps_everything() {
    let mut world = World::joined(2);
    type_slowly(&mut world, 0, 40, "first");
    type_slowly(&mut world, 1, 40, "second");
    world.assert_converged();
    assert_eq!(world.machines[1].commands().len(), 80);
    assert!(held(&world) < 40, "{} cells of {} are left", held(&world), world.relay.cells.len());
    // On the devices too.
    for machine in &world.machines {
        assert!(machine.disk.count(Space::Op) < 40, "{} ops", machine.disk.count(Space::Op));
    }
}

#[test]
fn so_snapshot_a_device_that_joins_afterwards_has_the_same() {
    let mut world = World::joined(2);
    type_slowly(&mut world, 0, 50, "one");
    type_slowly(&mut world, 1, 30, "two");
    let mut late = World::new(1).machines.remove(0);
    late.online = true;
    world.machines.push(late);
    world.join(2);
    world.settle();
    world.assert_converged();
    assert_eq!(world.machines[2].commands().len(), 80);
    let vectors: Vec<_> =
        world.machines.iter().map(|machine| machine.device.account().unwrap().vector().clone()).collect();
    assert!(vectors.windows(2).all(|pair| pair[0] == pair[1]));
    // And goes on like the others.
    type_slowly(&mut world, 2, 20, "three");
    world.assert_converged();
    assert_eq!(world.machines[0].commands().len(), 100);
}

#[test]
fn trap_19_a_device_that_was_away_while_everything_was_said_again_misses_nothing_and_brings_nothing_back() {
    let mut world = World::joined(3);
    let early = type_slowly(&mut world, 0, 5, "early");
    world.machines[2].online = false;
    type_slowly(&mut world, 2, 20, "away");
    world.delete(1, early[0]);
    type_slowly(&mut world, 0, 40, "meanwhile");
    world.delete(1, early[1]);
    type_slowly(&mut world, 1, 40, "also");
    world.now_ms += 400 * 86_400_000;
    world.machines[2].online = true;
    world.settle();
    world.assert_converged();
    assert_eq!(world.machines[0].commands().len(), 5 + 20 + 40 + 40 - 2);
}

#[test]
fn so_snapshot_what_was_deleted_is_in_no_part() {
    let mut world = World::joined(2);
    let ids = type_slowly(&mut world, 0, 6, "keep");
    world.delete(0, ids[3]);
    world.settle();
    type_slowly(&mut world, 0, 30, "more");
    let mut late = World::new(1).machines.remove(0);
    late.online = true;
    world.machines.push(late);
    world.join(2);
    world.settle();
    world.assert_converged();
    assert!(!world.machines[2].commands().contains(&"keep 3".to_owned()));
    assert!(world.machines[2].history.is_deleted(&ids[3]));
}

#[test]
fn trap_08_a_relay_with_a_new_life_gets_back_snapshots_too() {
    let mut world = World::joined(2);
    type_slowly(&mut world, 0, 40, "lost and found");
    world.relay.lose_everything();
    for at in 0..2 {
        world.machines[at].crash();
    }
    world.settle();
    let mut late = World::new(1).machines.remove(0);
    late.online = true;
    world.machines.push(late);
    world.join(2);
    world.settle();
    world.assert_converged();
    assert_eq!(world.machines[2].commands().len(), 40);
}

#[test]
fn trap_13_a_crash_after_any_turn_while_it_is_said_again_loses_and_doubles_nothing() {
    for crash_at in (0..60).step_by(4) {
        let mut world = World::joined(2);
        for n in 0..9 {
            world.now_ms += 1_000;
            world.record(0, &format!("command {n}"));
            world.now_ms += 100;
            world.machines[0].online = n != 4;
            for _ in 0..6 {
                world.turn();
            }
        }
        world.machines[0].online = true;
        for _ in 0..crash_at {
            world.turn();
        }
        for at in 0..2 {
            world.machines[at].crash();
        }
        world.settle();
        world.assert_converged();
        assert_eq!(world.machines[1].commands().len(), 9, "crash at {crash_at}");
        let found = world.machines[1].device.verify(&world.machines[1].disk).unwrap();
        assert_eq!(found.wrong, [], "crash at {crash_at}");
    }
}

#[test]
fn fr_verify_finds_whatever_is_not_as_it_was_written() {
    let mut world = World::joined(2);
    type_slowly(&mut world, 0, 20, "a");
    type_slowly(&mut world, 1, 5, "b");
    let sound = world.machines[0].device.verify(&world.machines[0].disk).unwrap();
    assert_eq!(sound.wrong, []);
    assert!(sound.ops > 0 && sound.parts > 0);
    let rows: Vec<(Space, Vec<u8>)> = world.machines[0]
        .disk
        .rows
        .keys()
        .filter(|(space, _)| matches!(space, Space::Op | Space::Part))
        .cloned()
        .collect();
    for key in rows {
        let mut gone = world.machines[0].disk.clone();
        gone.rows.remove(&key);
        assert!(world.machines[0].device.verify(&gone).unwrap().wrong_total > 0, "a missing row");
        let mut bent = world.machines[0].disk.clone();
        let bytes = bent.rows.get_mut(&key).unwrap();
        let at = bytes.len() - 40;
        bytes[at] ^= 1;
        assert!(world.machines[0].device.verify(&bent).unwrap().wrong_total > 0, "a flipped bit");
    }
}

#[test]
fn c_coll_01_a_list_counts_when_its_last_part_is_here_and_not_before() {
    let mut world = World::joined(2);
    world.machines[1].online = false;
    type_slowly(&mut world, 0, 12, "x");
    // The cells that the first machine purged come first, the list before its parts.
    let parts: Vec<usize> =
        (0..world.relay.cells.len()).filter(|at| world.relay.cells[*at].len() > 1024 && *at > 3).collect();
    let held = held(&world);
    assert!(held < world.relay.cells.len());
    for (n, at) in parts.iter().enumerate() {
        let part = world.relay.cells.remove(at - n);
        world.relay.cells.push(part);
    }
    world.machines[1].online = true;
    world.settle();
    world.assert_converged();
    assert_eq!(world.machines[1].commands().len(), 12);
    assert_eq!(world.machines[1].device.verify(&world.machines[1].disk).unwrap().wrong, []);
}

#[test]
fn ds001_what_was_deleted_before_a_device_joined_is_deleted_everywhere() {
    let mut world = World::new(2);
    world.join(0);
    let id = world.record(0, "imported on both");
    world.settle();
    world.record(1, "imported on both");
    world.delete(1, id);
    world.join(1);
    world.settle();
    world.assert_converged();
    assert_eq!(world.machines[0].commands().len(), 0);
}
