//! Sides that come together again.

use caro_core::step::Space;
use caro_schema::{
    id::Generation,
    ipc::sync::{StopReason, Warning},
};

use crate::{
    net::Loss,
    oracle,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    world::World,
};

/// S-CONV-01.
pub const S_CONV_01: Scenario = Scenario {
    id: "S-CONV-01",
    title: "Partition then reconciliation",
    injection: "Both push while partitioned, then heal",
    outcome: "VV byte-identical; no full re-scan",
    bodies: &[
        Body { tier: Tier::Sim, broken_by: &[Sabotage::SkipRetry, Sabotage::DropOutboxOnError], run: reconciliation },
        crate::programs::links::far::S_CONV_01,
    ],
};

fn reconciliation(run: &mut Run) {
    let mut world = run.world(4);
    let mut ids = Vec::new();
    for n in 0..12 {
        ids.push(world.record(n % 4, &format!("canary shared {n}")));
    }
    world.settle();
    for round in 0..3 {
        // Something is on its way when the connection goes.
        world.every_link(|link| link.both(|way| way.delay_ms = 40));
        for at in 0..4 {
            world.record(at, &format!("canary cut {round} {at}"));
        }
        world.pass(30);
        let before: Vec<u64> = world.traffic.iter().map(|traffic| traffic.entries).collect();
        let held_before = world.held().len() as u64;
        for at in 0..4 {
            world.unplug(at);
        }
        for n in 0..20 {
            let at = world.seed.below(4) as usize;
            world.record(at, &format!("canary apart {round} {n}"));
            if world.seed.percent(15) {
                let victim = world.seed.below(ids.len() as u64) as usize;
                assert!(world.delete(at, ids[victim]));
            }
            world.pass(700);
        }
        world.heal_all();
        world.settle();
        oracle::check(&world);
        let new = world.held().len() as u64 - held_before;
        for (at, before) in before.iter().enumerate() {
            let pulled = world.traffic[at].entries - before;
            assert!(pulled <= new + 4, "device {at} pulled {pulled} entries, and {new} were new");
        }
    }
}

/// S-CONV-02.
pub const S_CONV_02: Scenario = Scenario {
    id: "S-CONV-02",
    title: "Stale cursor recovery",
    injection: "Client cursor old, zero, ahead of the relay; relay restored from an older backup. Also: relay restart",
    outcome: "Catches up or re-offers what the relay lost; regression reported; VV as before the restart",
    bodies: &[
        Body { tier: Tier::Sim, broken_by: &[Sabotage::AcceptRollback, Sabotage::SkipRetry], run: stale_cursors },
        crate::programs::together::S_CONV_02,
    ],
};

fn stale_cursors(run: &mut Run) {
    let mut world = run.world(3);
    for n in 0..30 {
        world.record(n % 3, &format!("canary {n}"));
        world.pass(25);
    }
    world.settle();
    let backup = world.relays[0].backup();
    for n in 0..30 {
        world.record(n % 3, &format!("canary after the backup {n}"));
        world.pass(25);
    }
    world.settle();
    let end = world.held().len() as u64;
    for cursor in [0, 1, end / 2, end - 1, end] {
        world.move_cursor(1, cursor);
        world.settle();
        oracle::check(&world);
    }
    // A restart is nothing special.
    world.crash_relay(0);
    world.settle();
    oracle::check(&world);
    let vectors = |world: &World| world.machines[0].device.account().map(|account| account.vector().clone());
    let before = vectors(&world);

    // An older database, and its owner has not said so: everybody refuses to follow, and says why.
    world.restore_relay(0, backup.backup());
    world.settle();
    for at in 0..3 {
        assert_eq!(world.stop_reason(at), Some(StopReason::RolledBack), "device {at}");
        world.record(at, &format!("canary meanwhile {at}"));
    }
    world.pass(1_000);
    // Now its owner does, and the people at the devices say go on.
    world.restore_relay(0, backup.renewed(Generation([77; 16])));
    for at in 0..3 {
        world.resume(at);
    }
    world.settle();
    oracle::check(&world);
    let after = vectors(&world);
    assert!(before.is_some() && after != before, "what was written meanwhile is there too");

    // A cursor ahead of all that the relay has: the same, seen from the other side.
    let renewed = world.relays[0].backup();
    let end = world.held().len() as u64;
    world.move_cursor(2, end + 5);
    world.settle();
    assert_eq!(world.stop_reason(2), Some(StopReason::RolledBack));
    world.restore_relay(0, renewed.renewed(Generation([78; 16])));
    world.resume(2);
    world.settle();
    oracle::check(&world);
}

/// S-CONV-04.
pub const S_CONV_04: Scenario = Scenario {
    id: "S-CONV-04",
    title: "Selective pull after a cursor",
    injection: "Pull after c for c at 0, 1, page-1, page, page+1, k*page, last. Also: clean sync of 100 ops",
    outcome: "No gap, nothing extra; the convergence helper itself passes on equal and fails on unequal states",
    bodies: &[
        Body { tier: Tier::Pipe, broken_by: &[Sabotage::PageOffByOne], run: selective_pulls },
        Body { tier: Tier::Sim, broken_by: &[Sabotage::CursorFromOwnAck, Sabotage::PageOffByOne], run: clean_sync },
    ],
};

/// Entries in a relay's first page: the smallest cells in the smallest page.
pub(crate) const PAGE: u64 = (caro_relay::limits::PAGE_BYTES_MIN / caro_schema::limits::CELL_BYTES_MIN) as u64;

fn selective_pulls(run: &mut Run) {
    let mut world = run.world(2);
    world.seal_sessions();
    world.unplug(1);
    let mut n = 0;
    while (world.held().len() as u64) < 3 * PAGE + 7 {
        world.record(0, &format!("canary {n}"));
        world.pass(25);
        n += 1;
    }
    world.heal(1);
    world.settle();
    let last = world.held().len() as u64;
    for cursor in [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 3 * PAGE, last - 1, last] {
        let before = world.traffic[1].entries;
        world.move_cursor(1, cursor);
        world.settle();
        assert_eq!(world.traffic[1].entries - before, last - cursor, "after {cursor} of {last}");
        oracle::check(&world);
    }
}

fn clean_sync(run: &mut Run) {
    let mut world = run.world(2);
    world.unplug(1);
    for n in 0..50 {
        for at in 0..2 {
            world.record(at, &format!("canary {at} {n}"));
        }
        world.pass(25);
    }
    assert!(!oracle::states_are_equal(&world.machines[0], &world.machines[1]));
    let (before, held) = (world.traffic[1].entries, world.held().len() as u64);
    world.heal(1);
    world.settle();
    assert!(oracle::states_are_equal(&world.machines[0], &world.machines[1]));
    oracle::check(&world);
    let missing = world.held().len() as u64 - held + 50;
    let pulled = world.traffic[1].entries - before;
    assert!(pulled <= missing, "pulled {pulled}, and {missing} were missing");
}

/// S-CONV-03.
pub const S_CONV_03: Scenario = Scenario {
    id: "S-CONV-03",
    title: "Version vector divergence",
    injection: "Remove applied rows, drop a parent op, fork a device by copying its data directory. Also: A 200 ms, B 20 % \
                loss, 5 min active",
    outcome: "Missing ancestors fetched parent-first; fork detected and the copy re-enrolled; VV identical; all ops on both",
    bodies: &[
        Body {
            tier: Tier::Sim,
            broken_by: &[Sabotage::AdvanceCursorBeforeApply, Sabotage::SkipUndecryptable, Sabotage::IgnoreFork],
            run: diverged,
        },
        crate::programs::links::far::S_CONV_03,
    ],
};

fn diverged(run: &mut Run) {
    removed_rows(run);
    dropped_parent(run);
    forked(run);
    active_over_bad_links(run);
}

/// Rows that were applied and are gone are found by looking; the others have them, and nothing that depends on them stops.
fn removed_rows(run: &Run) {
    let mut world = run.world(2);
    for n in 0..20 {
        world.record(n % 2, &format!("canary {n}"));
        world.pass(25);
    }
    world.settle();
    let author = world.machines[0].device.account().expect("a member").device_id();
    let rows: Vec<Vec<u8>> = world.machines[1]
        .disk
        .space(Space::Op)
        .map(|(key, _)| key.clone())
        .filter(|key| key.starts_with(&author.0))
        .collect();
    for key in rows.iter().take(3) {
        assert!(world.machines[1].disk.lose(Space::Op, key).is_some());
    }
    world.crash_device(1);
    let verified = world.machines[1].device.verify(&world.machines[1].disk).expect("a disk that can be read");
    assert!(verified.wrong_total >= 3, "{verified:?}");
    for n in 0..5 {
        world.record(n % 2, &format!("canary after the damage {n}"));
        world.pass(25);
    }
    world.settle();
    oracle::check(&world);
}

/// An op that others follow comes last: what follows it waits, and is applied after it.
fn dropped_parent(run: &Run) {
    let mut world = run.world(3);
    world.unplug(2);
    // More than a page, so that it waits across pages.
    for n in 0..PAGE as usize + 20 {
        world.record(n % 2, &format!("canary {n}"));
        world.pass(30);
    }
    world.settle();
    world.shuffle_log(0, |cells| {
        let parent = cells.remove(cells.len() - PAGE as usize - 18);
        cells.push(parent);
    });
    let reordered = world.relays[0].backup().renewed(Generation([94; 16]));
    world.restore_relay(0, reordered);
    if run.lacks(Sabotage::SkipUndecryptable) {
        world.machines[2].throw_away_what_waits();
    }
    if run.lacks(Sabotage::AdvanceCursorBeforeApply) {
        world.machines[2].cut_power(crate::machine::PowerCut::BeforeCommit);
    }
    world.heal(2);
    world.settle();
    oracle::assert_no_data_loss(&world);
    oracle::assert_no_corruption(&world);
    oracle::assert_version_vectors_converged(&world);
    oracle::assert_state_converged(&world);
}

/// A copied home: nothing that either of the two wrote is lost, everybody is told, and the copy becomes a device of its own.
fn forked(run: &Run) {
    let mut world = run.world(2);
    for n in 0..6 {
        world.record(n % 2, &format!("canary {n}"));
        world.pass(25);
    }
    world.settle();
    let copy = world.copy_home(0);
    world.unplug(0);
    world.unplug(copy);
    for n in 0..4 {
        world.record(0, &format!("canary of the first {n}"));
        world.record(copy, &format!("canary of the copy {n}"));
        world.pass(25);
    }
    if run.lacks(Sabotage::IgnoreFork) {
        // Who does not look keeps the one that came first.
        world.machines[copy].disk.drop_queues();
        world.crash_device(copy);
    }
    world.heal(0);
    world.heal(copy);
    // They have one place at the relay and take turns there.
    world.pass(300_000);
    let warnings = |at: usize| world.machines[at].device.account().expect("a member").status(|_| None).warnings;
    assert!(
        warnings(0).contains(&Warning::Cloned) || warnings(copy).contains(&Warning::Cloned),
        "the copy was not told"
    );
    assert!(warnings(1).iter().any(|warning| matches!(warning, Warning::OtherCloned { .. })), "the other was not told");
    world.rejoin(copy);
    world.pass(120_000);
    world.settle();
    let own = |at: usize| world.machines[at].device.account().expect("a member").device_id();
    assert!(own(copy) != own(0));
    oracle::assert_no_data_loss(&world);
    oracle::assert_no_corruption(&world);
    oracle::assert_version_vectors_converged(&world);
    oracle::assert_state_converged(&world);
}

fn active_over_bad_links(run: &Run) {
    let mut world = run.world(2);
    world.link(0).both(|way| way.delay_ms = 200);
    world.link(1).both(|way| way.loss = Loss::Random(20));
    let seconds = run.sized(300, 40);
    for second in 0..seconds {
        // Now and then the power goes while one of them only listens: in the middle of a pull.
        let listens = second % 7 == 3;
        if listens {
            world.machines[1].cut_power(crate::machine::PowerCut::BeforeCommit);
        }
        for at in 0..if listens { 1 } else { 2 } {
            world.record(at, &format!("canary active {second} {at}"));
        }
        world.pass(1_000);
    }
    world.settle();
    oracle::check(&world);
}
