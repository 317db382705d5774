//! Devices that speak at the same time.

use std::collections::BTreeSet;

use caro_schema::relay::Entry;

use crate::{
    oracle,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    world::World,
};

/// Makes so many ops on a device that is offline.
fn write_apart(world: &mut World, at: usize, count: usize) {
    for n in 0..count {
        world.record(at, &format!("canary {at} {n}"));
        // Longer than commands are collected for, so that each is an op of its own.
        world.pass(25);
    }
}

/// S-CONC-01.
pub const S_CONC_01: Scenario = Scenario {
    id: "S-CONC-01",
    title: "Simultaneous push from two clients",
    injection: "Barrier start, 500 ops each",
    outcome: "All ops on both; none duplicated; each author's order kept; cursors unique and contiguous",
    bodies: &[
        Body {
            tier: Tier::Sim,
            broken_by: &[Sabotage::CursorOutsideTx, Sabotage::CursorFromOwnAck, Sabotage::PageOffByOne],
            run: at_once,
        },
        crate::programs::together::S_CONC_01,
    ],
};

fn at_once(run: &mut Run) {
    let mut world = run.world(2);
    let count = run.sized_once(500, 200, 70);
    world.every_link(|link| {
        link.both(|way| way.jitter_ms = 10);
        link.breaks_per_thousand = 3;
    });
    let before = world.held().len();
    for at in 0..2 {
        world.unplug(at);
        write_apart(&mut world, at, count);
    }
    // The barrier.
    for at in 0..2 {
        world.heal(at);
    }
    // And while they push, more on both sides.
    for n in 0..20 {
        for at in 0..2 {
            world.record(at, &format!("canary {at} later {n}"));
        }
        let pause_ms = world.seed.below(40);
        world.pass(pause_ms);
    }
    world.every_link(|link| link.breaks_per_thousand = 0);
    world.settle();
    oracle::check(&world);
    let made = world.held().len() - before;
    assert!(made >= 2 * count, "{made} ops of {} and more", 2 * count);
    let cursors: BTreeSet<u64> = world.relays[0].cursors().collect();
    assert!(cursors.len() >= made, "a cursor was given twice");
    assert!(cursors.last().is_some_and(|last| *last == world.held().len() as u64), "cursors have gaps");
}

/// S-CONC-02.
pub const S_CONC_02: Scenario = Scenario {
    id: "S-CONC-02",
    title: "Push during pull",
    injection: "A pushes 100 while B pulls 5,000; failpoint between cursor assignment and commit",
    outcome: "B has A's ops by its next cycle at the latest; no cursor ever skipped",
    bodies: &[
        Body {
            tier: Tier::Sim,
            broken_by: &[Sabotage::CursorOutsideTx, Sabotage::PageOffByOne],
            run: push_during_pull,
        },
        crate::programs::together::S_CONC_02,
    ],
};

fn push_during_pull(run: &mut Run) {
    let mut world = run.world(3);
    let count = run.sized_once(5_000, 800, 120);
    world.unplug(1);
    write_apart(&mut world, 2, count);
    world.every_link(|link| link.both(|way| way.delay_ms = 15));
    world.heal(1);
    world.pass_until("it has begun to pull", 60_000, |world| world.traffic[1].entries > 50);
    for n in 0..run.sized(100, 30) {
        world.record(0, &format!("canary meanwhile {n}"));
        let pause_ms = 21 + world.seed.below(10);
        world.pass(pause_ms);
        if n % 10 == 9 {
            // The failpoint: the relay takes it back before anybody hears of it.
            world.relays[0].cut_power(crate::relay::PowerCut::BeforeCommit);
        }
    }
    world.settle();
    oracle::check(&world);
}

/// S-CONC-03.
pub const S_CONC_03: Scenario = Scenario {
    id: "S-CONC-03",
    title: "Rapid sequential pushes",
    injection: "100 pushes in 1 s. Also: 5 clients active at once",
    outcome: "Order preserved; all converge; no client left behind",
    bodies: &[
        Body { tier: Tier::Sim, broken_by: &[Sabotage::SkipRetry, Sabotage::DropOutboxOnError], run: rapid },
        crate::programs::together::S_CONC_03,
    ],
};

fn rapid(run: &mut Run) {
    let mut world = run.world(5);
    world.every_link(|link| link.both(|way| way.delay_ms = 20));
    for n in 0..run.sized(100, 60) {
        world.record(0, &format!("canary {n}"));
        world.pass(10);
        if n == 50 {
            world.cut(0);
        }
    }
    world.settle();
    for n in 0..run.sized(60, 12) {
        for at in 0..5 {
            world.record(at, &format!("canary at once {at} {n}"));
            let pause_ms = world.seed.below(12);
            world.pass(pause_ms);
        }
    }
    for at in 0..5 {
        world.cut(at);
    }
    world.settle();
    oracle::check(&world);
}

/// S-CONC-04.
pub const S_CONC_04: Scenario = Scenario {
    id: "S-CONC-04",
    title: "Three-client fan-out",
    injection: "A pushes, B and C pull at once. Also: B offline for 1,000 versions",
    outcome: "All equal; B catches up fully; bytes transferred <= 1.1x the missing data",
    bodies: &[
        Body { tier: Tier::Sim, broken_by: &[Sabotage::SkipRetry, Sabotage::DropOutboxOnError], run: fan_out },
        crate::programs::together::S_CONC_04,
    ],
};

fn fan_out(run: &mut Run) {
    let mut world = run.world(3);
    world.every_link(|link| link.both(|way| way.delay_ms = 10));
    for n in 0..50 {
        world.record(0, &format!("canary fan {n}"));
        world.pass(25);
        if n == 20 {
            // What is on its way from the author is lost once.
            world.record(0, "canary lost on its way");
            world.pass(25);
            world.cut(0);
        }
    }
    world.settle();
    let versions = run.sized_once(1_000, 300, 80);
    world.unplug(1);
    let held = world.entries(0).len();
    for n in 0..versions {
        world.record(if n % 2 == 0 { 0 } else { 2 }, &format!("canary while away {n}"));
        world.pass(25);
    }
    let missing = bytes_from(&world, held);
    let before = world.traffic[1].down_bytes;
    world.heal(1);
    world.settle();
    let took = world.traffic[1].down_bytes - before;
    assert!(took * 10 <= missing * 11, "{took} bytes for {missing} that were missing");
    oracle::check(&world);
}

/// Bytes of the cells after the first so many entries.
fn bytes_from(world: &World, after: usize) -> u64 {
    let cells = world.entries(0).into_iter().skip(after);
    cells.map(|entry| if let Entry::Cell(cell) = entry { cell.len() as u64 } else { 0 }).sum()
}
