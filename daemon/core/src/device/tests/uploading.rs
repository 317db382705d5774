//! Uploading what was here before joining, an import, and what a window had kept here: a restart in the middle leaves
//! none of it out, however much it is.

use std::ops::Range;

use caro_schema::{body::history::Record, id::RecordId};

use super::world::{World, record};
use crate::step::Space;

/// Commands from before, number 0 the newest.
fn old(world: &World, numbers: Range<u64>) -> Vec<Record> {
    let before_ms = world.now_ms - 1_000_000;
    let of = |n: u64| record(RecordId(u128::from(n).to_be_bytes()), &format!("old command {n}"), before_ms - n);
    numbers.map(of).collect()
}

fn import(world: &mut World, at: usize, records: &[Record]) {
    let now_ms = world.now_ms;
    world.machines[at].decide(now_ms, |device, history, _, _| device.import(records.to_vec(), history).0);
}

fn outside_window(world: &World, at: usize) -> u64 {
    world.machines[at].device.account().unwrap().status(|_| None).outside_window
}

/// The rows that say what is to be uploaded.
fn rows(world: &World, at: usize) -> usize {
    let keys = world.machines[at].disk.rows.keys();
    keys.filter(|(space, key)| *space == Space::State && key.starts_with(b"backfill")).count()
}

#[test]
fn trap_13_an_import_that_restarts_interrupt_is_uploaded_whole_whatever_the_window_counts() {
    let mut world = World::joined(2);
    let all = old(&world, 0..25_000);
    for batch in all.chunks(5_000) {
        import(&mut world, 0, batch);
    }
    for _ in 0..3 {
        world.turn();
        assert!(rows(&world, 0) > 1, "it is under way");
        world.machines[0].crash();
    }
    world.settle();
    world.assert_converged();
    assert_eq!(world.machines[1].history.len(), 25_000);
    assert_eq!((outside_window(&world, 0), rows(&world, 0)), (0, 0));
    assert!(world.relay.cells.len() < 60, "{} cells: nothing was sent twice", world.relay.cells.len());
}

#[test]
fn trap_13_what_is_shared_from_beyond_the_window_is_uploaded_though_a_restart_interrupts_it() {
    let mut world = World::new(2);
    let all = old(&world, 0..22_000);
    import(&mut world, 0, &all);
    world.join(0);
    world.join(1);
    world.settle();
    assert_eq!((world.machines[1].history.len(), outside_window(&world, 0)), (10_000, 12_000));
    let ids: Vec<RecordId> = all.iter().map(|record| record.id).collect();
    let (now_ms, mut shared) = (world.now_ms, 0);
    world.machines[0].decide(now_ms, |device, history, disk, _| {
        let (step, count) = device.share(&ids, history, disk, now_ms).unwrap();
        shared = count;
        step
    });
    assert_eq!(shared, 12_000);
    world.turn();
    assert!(rows(&world, 0) > 0, "it is under way");
    world.machines[0].crash();
    world.settle();
    world.assert_converged();
    assert_eq!(world.machines[1].history.len(), 22_000);
    assert_eq!((outside_window(&world, 0), rows(&world, 0)), (0, 0));
}

#[test]
fn trap_13_what_an_earlier_version_has_begun_to_upload_is_uploaded() {
    let mut world = World::new(2);
    let all = old(&world, 0..12_000);
    import(&mut world, 0, &all);
    world.join(0);
    world.turn();
    // It kept that it was at it, and not at what.
    let disk = &mut world.machines[0].disk;
    disk.rows.retain(|(space, key), _| *space != Space::State || !key.starts_with(b"backfill/"));
    assert!(disk.rows.insert((Space::State, b"backfill".to_vec()), Vec::new()).is_some());
    world.machines[0].crash();
    world.join(1);
    world.settle();
    assert_eq!(world.machines[1].history.len(), 10_000, "the newest of the window");
    assert_eq!(rows(&world, 0), 0);
}

#[test]
fn trap_13_what_is_imported_while_everything_moves_to_a_new_phrase_goes_along_through_restarts() {
    let mut world = World::joined(1);
    let all = old(&world, 0..15_000);
    import(&mut world, 0, &all[..9_000]);
    let root = crate::vault::RootKey::derive(&crate::vault::Phrase::from_entropy(&[11; 32])).unwrap();
    world.move_to_new_phrase(0, &root);
    assert_eq!(rows(&world, 0), 1, "all that there is needs no list");
    import(&mut world, 0, &all[9_000..]);
    for _ in 0..2 {
        world.turn();
        world.machines[0].crash();
    }
    world.settle();
    world.machines.push(World::new(9).machines.pop().unwrap());
    world.join(1);
    world.settle();
    assert_eq!(world.machines[1].history.len(), 15_000);
    assert_eq!(rows(&world, 0), 0);
}

#[test]
fn what_was_to_be_uploaded_is_forgotten_with_the_account() {
    let mut world = World::joined(1);
    let all = old(&world, 0..100);
    import(&mut world, 0, &all);
    assert_eq!(rows(&world, 0), 2);
    let now_ms = world.now_ms;
    world.machines[0].decide(now_ms, |device, _, disk, _| device.leave(disk).unwrap());
    assert_eq!(rows(&world, 0), 0);
}
