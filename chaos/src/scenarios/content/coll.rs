//! Snapshots that arrive in part, damaged, or while their members are being purged.

use std::{cell::Cell, rc::Rc};

use caro_core::step::Space;
use caro_link::entropy::Entropy;
use caro_schema::{
    body::history::Record,
    id::Generation,
    relay::{Entry, ToDevice},
};

use crate::{
    oracle,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    world::World,
};

/// Commands that make a snapshot of several parts: each of them is a few kilobytes that do not compress.
const COMMANDS: usize = 140;

/// Those of them that are said again in the snapshot.
const SAID_AGAIN: usize = COMMANDS - 20;

/// Bytes of a part's cell at least. The list, and each command by itself, fit a smaller one.
const PART_BYTES: usize = 16 * 1024;

/// A device that is away while another writes much, says it again in a snapshot, and purges what it was typed in.
fn behind_a_snapshot(run: &Run) -> World {
    let mut world = run.world(2);
    world.unplug(1);
    compact_after(&mut world, SAID_AGAIN);
    write_much(&mut world);
    world.pass_until("small cells are purged", 600_000, |world| gone(world) >= SAID_AGAIN);
    world.settle();
    assert!(parts(&world, 0) >= 5, "{} parts", parts(&world, 0));
    world
}

fn compact_after(world: &mut World, ops: usize) {
    world.start_again_with(0, |rules| rules.compact_after = ops as u64);
}

fn write_much(world: &mut World) {
    for n in 0..COMMANDS {
        let mut noise = vec![0; 3_000];
        world.seed.fill(&mut noise).expect("a seed never ends");
        noise.iter_mut().for_each(|byte| *byte = b' ' + *byte % 95);
        world.record_as(0, &format!("canary {n}"), |record: &mut Record| record.command = noise.into());
        world.pass(25);
    }
}

/// Entries of the log whose cells are purged.
fn gone(world: &World) -> usize {
    world.entries(0).iter().filter(|entry| matches!(entry, Entry::Gone(_))).count()
}

/// Parts of snapshots that a device has.
fn parts(world: &World, at: usize) -> usize {
    world.machines[at].disk.count(Space::Part)
}

/// Puts the list of the snapshot before the first of its parts, changed, and gives the log another life.
fn list_first(world: &mut World, change: impl FnOnce(&mut Vec<u8>)) {
    world.shuffle_log(0, |cells| {
        let is_part = |cell: &Vec<u8>| cell.len() >= PART_BYTES;
        let first = cells.iter().position(is_part).expect("a part");
        let last = cells.iter().rposition(is_part).expect("a part");
        let mut list = cells.remove(last + 1);
        change(&mut list);
        cells.insert(first, list);
    });
    let renewed = world.relays[0].backup().renewed(Generation([95; 16]));
    world.restore_relay(0, renewed);
}

fn cursor_of(world: &World, at: usize) -> u64 {
    let number = world.remote(at, 0).expect("it has the relay");
    world.machines[at].device.account().and_then(|account| account.remote(number)).expect("a member").record.cursor
}

/// How far a device counts another's ops as read.
fn read_of(world: &World, at: usize, of: usize) -> u64 {
    let author = world.machines[of].device.account().expect("a member").device_id();
    world.machines[at].device.account().expect("a member").vector().seq(&author)
}

/// C-COLL-01.
pub const C_COLL_01: Scenario = Scenario {
    id: "C-COLL-01",
    title: "Partial collection",
    injection: "3 of 5 arrive, 2 fail. Also: connection cut after 3 of 10",
    outcome: "Never shown as complete; resumes at the first missing member",
    bodies: &[
        Body { tier: Tier::Pipe, broken_by: &[Sabotage::TrustManifest, Sabotage::SkipRetry], run: partial },
        crate::programs::cells::C_COLL_01,
    ],
};

fn partial(run: &mut Run) {
    let mut world = behind_a_snapshot(run);
    world.seal_sessions();
    let (known, all) = (read_of(&world, 1, 0), parts(&world, 0));
    list_first(&mut world, |_| {});
    let (before, broken) = (world.traffic[1].entries, world.traffic[1].broken);
    // Of six sessions two break before their first page, and four behind it.
    let empty = [world.seed.below(3), 3 + world.seed.below(3)];
    world.link(1).both(|way| way.bytes_per_second = Some(200_000));
    world.heal(1);
    for cut in 0..6 {
        let had = world.traffic[1].entries;
        if empty.contains(&cut) {
            world.cut_after(1, 3);
        } else {
            // The next page is on its way by then.
            world.pass_until("a page has come", 60_000, |world| world.traffic[1].entries > had);
            world.cut(1);
        }
        world.pass_until("it is cut", 60_000, |world| world.traffic[1].broken == broken + cut + 1);
        assert_eq!(read_of(&world, 1, 0), known, "shown as complete with {} of {all} parts", parts(&world, 1));
        assert_eq!(cursor_of(&world, 1), world.traffic[1].entries - before, "it goes on where it was cut");
        if run.lacks(Sabotage::TrustManifest) && cut == 3 {
            world.trust_lists(1);
        }
    }
    let some = parts(&world, 1);
    assert!(0 < some && some < all, "{some} of {all} parts have arrived");
    assert!(world.machines[1].disk.count(Space::Quarantine) > 0, "the list waits for the others");
    world.pass_until("it is complete", 60_000, |world| {
        let is_complete = read_of(world, 1, 0) != known;
        assert!(!is_complete || parts(world, 1) == all, "complete with {} of {all} parts", parts(world, 1));
        is_complete
    });
    world.settle();
    // Nothing that was there was asked for again.
    assert_eq!(cursor_of(&world, 1), world.traffic[1].entries - before, "it was pulled once");
    oracle::check(&world);
}

/// Where in a cell everything is under its seal.
const SEALED_AT: usize = 128;

/// C-COLL-02.
pub const C_COLL_02: Scenario = Scenario {
    id: "C-COLL-02",
    title: "Corrupt collection manifest",
    injection: "Flip bits in the manifest. Also: member purged during an active pull",
    outcome: "Detected before any member is served. Purge: clean \"gone\" answer explained by a tombstone, no crash",
    bodies: &[
        Body { tier: Tier::Pipe, broken_by: &[Sabotage::TrustManifest], run: corrupt },
        crate::programs::cells::C_COLL_02,
    ],
};

fn corrupt(run: &mut Run) {
    flipped_on_its_way(run);
    flipped_where_it_lies(run);
    purged_while_it_is_read(run);
}

/// Somebody in between flips a bit: the chain of heads does not fit.
fn flipped_on_its_way(run: &Run) {
    let mut world = behind_a_snapshot(run);
    let known = read_of(&world, 1, 0);
    let mut seed = world.seed.fork(3);
    // The list is the first small cell behind the parts.
    world.meddler = Some(Box::new(move |at, _, mut message| {
        if let (1, ToDevice::Page(page)) = (at, &mut message)
            && let Some(Entry::Cell(cell)) =
                page.entries.iter_mut().rfind(|entry| matches!(entry, Entry::Cell(cell) if cell.len() < PART_BYTES))
        {
            let bit = seed.below(cell.len() as u64 * 8) as usize;
            cell[bit / 8] ^= 1 << (bit % 8);
        }
        vec![message]
    }));
    world.heal(1);
    world.pass_until("a flipped list is refused", 60_000, |world| world.is_stopped(1));
    assert_eq!(read_of(&world, 1, 0), known, "a list that was flipped counts");
    world.meddler = None;
    world.resume(1);
    world.settle();
    oracle::check(&world);
}

/// The relay has a list with a flipped bit, and a chain of heads that fits it: only the list itself gives that away.
fn flipped_where_it_lies(run: &Run) {
    let mut world = behind_a_snapshot(run);
    let (known, all) = (read_of(&world, 1, 0), parts(&world, 0));
    // Who made it would bring it again at once.
    world.unplug(0);
    let mut seed = world.seed.fork(4);
    let trusts = run.lacks(Sabotage::TrustManifest);
    list_first(&mut world, |list| {
        let at = SEALED_AT + seed.below((list.len() - SEALED_AT) as u64) as usize;
        list[at] ^= if trusts { 0 } else { 1 << seed.below(8) };
    });
    world.heal(1);
    let held = world.held().len() as u64;
    world.pass_until("all of the log is read", 60_000, |world| cursor_of(world, 1) == held);
    assert_eq!(read_of(&world, 1, 0), known, "a list that was flipped counts");
    let refused = world.machines[1].device.account().expect("a member").status(|_| None).refused;
    assert_eq!((refused, parts(&world, 1)), (1, all), "the list is refused, and its parts wait for one");
    // Who made it notices that the relay lacks it.
    world.heal(0);
    world.pass_until("the list has come", 60_000, |world| read_of(world, 1, 0) != known);
    world.settle();
    oracle::assert_no_data_loss(&world);
    oracle::assert_no_corruption(&world);
    oracle::assert_version_vectors_converged(&world);
    oracle::assert_state_converged(&world);
}

/// Purged while somebody is in the middle of reading, over a line on which that takes a while.
fn purged_while_it_is_read(run: &Run) {
    let mut world = run.world(2);
    world.unplug(1);
    write_much(&mut world);
    world.settle();
    assert_eq!(gone(&world), 0, "nothing is purged before");
    let told = Rc::new(Cell::new(0));
    let count = Rc::clone(&told);
    world.meddler = Some(Box::new(move |at, _, message| {
        if let (1, ToDevice::Page(page)) = (at, &message) {
            let gone = page.entries.iter().filter(|entry| matches!(entry, Entry::Gone(_))).count();
            count.set(count.get() + gone);
        }
        vec![message]
    }));
    let before = world.traffic[1].entries;
    world.link(1).both(|way| way.bytes_per_second = Some(40_000));
    world.heal(1);
    world.pass_until("it has begun to read", 60_000, |world| world.traffic[1].entries > before);
    compact_after(&mut world, SAID_AGAIN);
    world.pass_until("small cells are purged", 10_000, |world| gone(world) >= SAID_AGAIN);
    let read = (world.traffic[1].entries - before) as usize;
    assert!(read < COMMANDS / 2, "{read} entries were read when the purge was done");
    assert!(told.get() == 0 && parts(&world, 1) == 0, "it has read commands alone");
    world.settle();
    assert!(told.get() >= COMMANDS / 4, "it was told that {} are gone", told.get());
    oracle::check(&world);
}
