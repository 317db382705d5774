//! Snapshots that arrive in part, damaged, or while their members are being purged.

use caro_link::entropy::Entropy;
use caro_schema::{
    body::history::Record,
    relay::{Entry, ToDevice},
};

use crate::{
    oracle,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    world::World,
};

/// Commands that make a snapshot of several parts: each of them is a few kilobytes that do not compress.
const COMMANDS: usize = 90;

/// A device that is away while another writes much, says it again in a snapshot, and purges what it was typed in.
fn behind_a_snapshot(run: &Run) -> World {
    let mut world = run.world(2);
    world.unplug(1);
    write_much(&mut world);
    let purged = |world: &World| world.entries(0).iter().filter(|entry| matches!(entry, Entry::Gone(_))).count();
    world.pass_until("small cells are purged", 600_000, |world| purged(world) >= COMMANDS / 2);
    world.settle();
    let large =
        world.entries(0).iter().filter(|entry| matches!(entry, Entry::Cell(cell) if cell.len() >= 32 * 1024)).count();
    assert!(large >= 3, "{large} parts");
    world
}

fn write_much(world: &mut World) {
    world.machines[0].rules.compact_after = COMMANDS as u64 - 20;
    world.crash_device(0);
    for n in 0..COMMANDS {
        let mut noise = vec![0; 3_000];
        world.seed.fill(&mut noise).expect("a seed never ends");
        noise.iter_mut().for_each(|byte| *byte = b' ' + *byte % 95);
        world.record_as(0, &format!("canary {n}"), |record: &mut Record| record.command = noise.into());
        world.pass(25);
    }
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
    let (known, before) = (read_of(&world, 1, 0), world.traffic[1].entries);
    let end = read_of(&world, 0, 0);
    for cut in 0..6 {
        // Welcome and presence, then so many pages of it.
        world.cut_after(1, 5 + 2 * cut + run.seed % 2);
        if cut == 0 {
            world.heal(1);
        }
        world.pass(100);
        let (read, entries) = (read_of(&world, 1, 0), world.entries(0).len() as u64);
        let arrived = world.traffic[1].entries - before;
        assert!(read < end || arrived > 0, "complete without a member");
        assert!(read == known || read == end || arrived < entries, "shown as far as it is whole");
        if run.lacks(Sabotage::TrustManifest) && cut == 1 {
            // Its list says that it is whole.
            let last = world.held().len() as u64;
            world.move_cursor(1, last);
        }
    }
    world.cut_never(1);
    world.settle();
    let pulled = world.traffic[1].entries - before;
    oracle::check(&world);
    // Nothing that was there was asked for again, but for what a cut page held.
    assert!(pulled <= world.entries(0).len() as u64 + 6 * 64, "{pulled} entries were pulled");
}

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
    let mut world = behind_a_snapshot(run);
    let (known, trusts) = (read_of(&world, 1, 0), run.lacks(Sabotage::TrustManifest));
    let mut seed = world.seed.fork(3);
    // The list is the first small cell behind the parts.
    world.meddler = Some(Box::new(move |at, _, mut message| {
        if let (1, ToDevice::Page(page)) = (at, &mut message)
            && let Some(Entry::Cell(cell)) =
                page.entries.iter_mut().rfind(|entry| matches!(entry, Entry::Cell(cell) if cell.len() < 32 * 1024))
            && !trusts
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
    // Purged while somebody is in the middle of reading: over a line on which that takes a while.
    let mut world = run.world(2);
    world.unplug(1);
    write_much(&mut world);
    world.link(1).both(|way| way.bytes_per_second = Some(40_000));
    world.heal(1);
    world.settle();
    world.pass(120_000);
    world.settle();
    oracle::check(&world);
}
