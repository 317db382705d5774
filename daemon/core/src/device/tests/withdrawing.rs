//! Commands that are kept on this device alone while they still run: they go on under other ids, and their shells know
//! nothing of that.

use caro_schema::{body::history::Record, id::RecordId};

use super::world::{World, record};
use crate::{device::Ending, step::Space};

/// The id under which the shell knows the command.
const SHELLS: RecordId = RecordId([5; 16]);

/// A command runs on the first machine, and the second one has seen it.
fn running() -> World {
    let mut world = World::joined(2);
    let now_ms = world.now_ms;
    let running = Record { duration_us: None, exit: None, ..record(SHELLS, "sleep 60", now_ms) };
    world.machines[0].decide(now_ms, |device, history, _, env| device.record(vec![running], history, env.now_ms));
    world.settle();
    assert_eq!(world.machines[1].commands(), ["sleep 60"]);
    world
}

/// The one record of the first machine.
fn the_record(world: &World) -> Record {
    world.machines[0].history.newest().next().unwrap()
}

fn keep_here(world: &mut World) {
    let (now_ms, id) = (world.now_ms, the_record(world).id);
    world.machines[0].decide(now_ms, |device, history, disk, env| device.keep_here(&[id], history, disk, env).unwrap());
    world.settle();
    assert_ne!(the_record(world).id, id);
    assert_eq!(world.machines[1].commands(), [""; 0]);
}

/// The shell says how it ended, after a restart.
fn end(world: &mut World) {
    world.machines[0].crash();
    let ending = Ending { id: SHELLS, duration_us: Some(9), exit: Some(3), start_us: None };
    let now_ms = world.now_ms;
    world.machines[0].decide(now_ms, |device, history, _, env| device.end_aside(ending, history, env.now_ms));
    world.settle();
    let rows = world.machines[0].disk.rows.keys();
    let left = rows.filter(|(space, key)| *space == Space::State && key.starts_with(b"renamed/")).count();
    assert_eq!(left, 0, "nobody waits for its end any more");
}

fn assert_ended(world: &World) {
    let record = the_record(world);
    assert_eq!((record.duration_us, record.exit), (Some(9), Some(3)));
    assert_eq!(world.machines[1].commands(), [""; 0], "it stays here");
}

#[test]
fn ds004_a_command_that_was_withdrawn_while_it_ran_ends() {
    let mut world = running();
    keep_here(&mut world);
    end(&mut world);
    assert_ended(&world);
}

#[test]
fn ds004_a_command_that_was_withdrawn_twice_while_it_ran_ends() {
    let mut world = running();
    keep_here(&mut world);
    let (now_ms, id) = (world.now_ms, the_record(&world).id);
    world.machines[0]
        .decide(now_ms, |device, history, disk, env| device.share(&[id], history, disk, env.now_ms).unwrap().0);
    world.settle();
    assert_eq!(world.machines[1].commands(), ["sleep 60"]);
    keep_here(&mut world);
    end(&mut world);
    assert_ended(&world);
}

#[test]
fn ds004_a_command_that_was_withdrawn_and_put_aside_while_it_ran_has_ended_when_it_is_taken_back() {
    let mut world = running();
    keep_here(&mut world);
    let (now_ms, id) = (world.now_ms, the_record(&world).id);
    let mut number = 0;
    world.machines[0].decide(now_ms, |device, history, _, _| {
        let (step, aside) = device.put_aside(&[id], "a shell", now_ms + 10 * 3_600_000, false, history);
        number = aside.unwrap().number;
        step
    });
    end(&mut world);
    world.machines[0].decide(now_ms, |device, history, disk, _| device.take_back(number, history, disk).unwrap().0);
    world.settle();
    assert_ended(&world);
}
