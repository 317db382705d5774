//! What was deleted and may still be taken back: nothing that carries it is emptied before it is deleted for good, and
//! what is taken back is as if it had never been away.

use caro_schema::{body::history::Record, id::RecordId, ipc::history::Import};

use super::{
    erasing::{found, import, late},
    world::{World, record},
};
use crate::step::Space;

/// Longer ago than what is sent of a history by itself.
const LONG_MS: u64 = 100 * 86_400_000;

/// Deletes on one machine, for longer than the world looks ahead. Gives the number to take it back by.
fn put_aside(world: &mut World, at: usize, ids: &[RecordId]) -> u64 {
    let (now_ms, mut number) = (world.now_ms, 0);
    world.machines[at].decide(now_ms, |device, history, _, _| {
        let (step, aside) = device.put_aside(ids, "a shell", now_ms + 10 * 3_600_000, false, history);
        number = aside.unwrap().number;
        step
    });
    number
}

/// How many commands are there again.
fn take_back(world: &mut World, at: usize, number: u64) -> u64 {
    let (now_ms, mut count) = (world.now_ms, 0);
    world.machines[at].decide(now_ms, |device, history, disk, _| {
        let (step, back) = device.take_back(number, history, disk).unwrap();
        count = back;
        step
    });
    count
}

#[test]
fn ds001_what_is_taken_back_is_still_at_the_relay_when_another_deletion_emptied_what_it_lay_in() {
    let mut world = World::joined(2);
    let ids = import(&mut world, 0, "imported", 3);
    world.settle();
    world.now_ms += LONG_MS;
    world.settle();
    let number = put_aside(&mut world, 0, &ids[..1]);
    world.delete(0, ids[1]);
    world.settle();
    assert_eq!(found(&world, "imported 1;"), [""; 0]);
    assert_eq!(take_back(&mut world, 0, number), 1);
    world.settle();
    let at = late(&mut world);
    world.assert_converged();
    assert_eq!(world.machines[at].commands(), ["imported 0;", "imported 2;"]);
}

#[test]
fn ds001_what_is_taken_back_is_still_at_the_relay_when_its_ops_were_packed_meanwhile() {
    let mut world = World::joined(2);
    world.set_compaction(u64::MAX);
    let mut ids = Vec::new();
    for n in 0..12 {
        world.now_ms += 1_000;
        ids.push(world.record(0, &format!("typed {n}")));
        world.settle();
    }
    world.now_ms += LONG_MS;
    world.settle();
    let number = put_aside(&mut world, 0, &ids[3..5]);
    // Also begins anew from the disk.
    world.set_compaction(8);
    world.settle();
    assert!(world.machines[0].disk.count(Space::Part) > 0, "nothing was packed");
    assert_eq!(take_back(&mut world, 0, number), 2);
    world.settle();
    let at = late(&mut world);
    world.assert_converged();
    assert_eq!(world.machines[at].history.len(), 12);
}

#[test]
fn trap_20_what_was_aside_is_nowhere_once_it_cannot_be_taken_back() {
    let mut world = World::joined(2);
    let ids = import(&mut world, 0, "canary", 3);
    world.settle();
    put_aside(&mut world, 0, &ids[..1]);
    world.delete(0, ids[1]);
    world.settle();
    assert_eq!(world.machines[1].commands(), ["canary 0;", "canary 2;"], "nobody else was told of the first one");
    world.machines[0].crash();
    world.now_ms += LONG_MS;
    world.settle();
    assert_eq!(found(&world, "canary 0;"), [""; 0]);
    let at = late(&mut world);
    world.assert_converged();
    assert_eq!(world.machines[at].commands(), ["canary 2;"]);
}

#[test]
fn trap_20_what_is_aside_is_nowhere_when_another_device_deletes_it_and_the_rest_comes_back() {
    let mut world = World::joined(2);
    // Each in an op of its own: nothing is said again that would have this device look.
    let ids = ["canary", "kept"].map(|command| {
        let id = world.record(0, command);
        world.settle();
        id
    });
    let number = put_aside(&mut world, 0, &ids);
    world.delete(1, ids[0]);
    world.settle();
    assert_eq!(found(&world, "canary"), [""; 0]);
    assert_eq!(take_back(&mut world, 0, number), 1);
    world.settle();
    let at = late(&mut world);
    world.assert_converged();
    assert_eq!(world.machines[at].commands(), ["kept"]);
}

#[test]
fn ds001_what_another_device_deleted_meanwhile_stays_out_of_imports_when_the_rest_is_taken_back() {
    let mut world = World::joined(2);
    let second_ms = world.now_ms / 1_000 * 1_000;
    let run = |number: u8, text: &str, after_ms: u64| record(RecordId([number; 16]), text, second_ms + after_ms);
    let runs = vec![run(1, "ls", 100), run(2, "ls", 700), run(3, "pwd", 0)];
    let ids: Vec<RecordId> = runs.iter().map(|run| run.id).collect();
    let now_ms = world.now_ms;
    world.machines[0].decide(now_ms, |device, history, _, env| device.record(runs, history, env.now_ms));
    world.settle();
    let number = put_aside(&mut world, 0, &ids);
    world.delete(1, ids[0]);
    world.settle();
    assert_eq!(take_back(&mut world, 0, number), 2);
    // What the shell's own file says of the three, with times and without.
    let line = |number: u8, text: &str| Record { session: String::new(), ..run(number, text, 0) };
    let untimed = [(21, 1), (22, 0), (23, 0)].map(|(number, after)| (RecordId([number; 16]), after)).to_vec();
    let imports = [
        Import::from(vec![line(11, "ls"), line(12, "ls"), line(13, "pwd")]),
        Import { records: vec![line(21, "ls"), line(22, "ls"), line(23, "pwd")], untimed, own: false },
    ];
    for import in imports {
        let mut outcome = Default::default();
        world.machines[0].decide(now_ms, |device, history, _, _| {
            let (step, put) = device.import(import, history);
            outcome = put;
            step
        });
        assert_eq!((outcome.added, outcome.known, outcome.deleted), (0, 2, 1));
    }
}

#[test]
fn ds001_a_command_of_another_device_that_ended_while_it_was_aside_has_ended_when_it_is_taken_back() {
    let mut world = World::joined(2);
    let now_ms = world.now_ms;
    let ended = record(RecordId([5; 16]), "sleep 60", now_ms);
    let running = Record { duration_us: None, exit: None, ..ended.clone() };
    world.machines[1].decide(now_ms, |device, history, _, env| device.record(vec![running], history, env.now_ms));
    world.settle();
    let number = put_aside(&mut world, 0, &[ended.id]);
    let now_ms = world.now_ms;
    world.machines[1].decide(now_ms, |device, history, _, env| device.record(vec![ended], history, env.now_ms));
    world.settle();
    assert_eq!(take_back(&mut world, 0, number), 1);
    world.settle();
    world.assert_converged();
    assert_eq!(world.machines[0].history.newest().next().unwrap().exit, Some(0));
}
