//! Links that lose what they are given.

use crate::{
    net::{Loss, Way},
    oracle,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    world::World,
};

const BROKEN_BY: &[Sabotage] = &[Sabotage::SkipRetry, Sabotage::DropOutboxOnError];

/// T-LOSS-03.
pub const T_LOSS_03: Scenario = Scenario {
    id: "T-LOSS-03",
    title: "Burst loss 10 %, correlation 25 %",
    injection: "Correlated (two-state) loss, bursts up to 2 s",
    outcome: "No corruption; traffic flows again <= 10 s after a burst",
    bodies: &[Body { tier: Tier::Sim, broken_by: BROKEN_BY, run: bursts }, crate::programs::links::far::T_LOSS_03],
};

fn bursts(run: &mut Run) {
    let mut world = run.world(3);
    world.seal_sessions();
    world.every_link(|link| link.both(|way| *way = Way { delay_ms: 30, loss: Loss::Bursts(10), ..Way::default() }));
    for n in 0..60 {
        let at = world.seed.below(3) as usize;
        world.record(at, &format!("canary {n}"));
        if n % 15 == 14 {
            // A router that restarts in the middle of it.
            world.pass(30);
            world.cut(at);
        }
        let all = n + 1;
        let there = move |world: &World| world.machines.iter().all(|machine| machine.history.len() == all);
        // Two seconds of burst, then ten; and the other way may be in a burst of its own.
        world.pass_until("traffic flows again after a burst", 2 * 12_000, there);
    }
    world.heal_all();
    world.settle();
    oracle::check(&world);
}

/// T-LOSS-04.
pub const T_LOSS_04: Scenario = Scenario {
    id: "T-LOSS-04",
    title: "Partition (100 % loss) for 30 s",
    injection: "`timeout` toxic / link down on both clients; ops recorded meanwhile",
    outcome: "Offline shown <= 20 s; reconnect <= 30 s after heal; resumes from last durable cursor; no duplicate data",
    bodies: &[
        Body { tier: Tier::Sim, broken_by: BROKEN_BY, run: partition },
        crate::programs::links::silent::T_LOSS_04,
        crate::programs::links::far::T_LOSS_04,
    ],
};

fn partition(run: &mut Run) {
    for days in [0, 400] {
        let mut world = run.world(2);
        for n in 0..10 {
            world.record(n % 2, &format!("canary before {n}"));
        }
        let kept = world.record(1, "canary to be deleted");
        world.settle();
        let before: Vec<u64> = world.traffic.iter().map(|traffic| traffic.entries).collect();
        let held_before = world.held().len() as u64;
        // What is on its way at that moment must survive it.
        world.every_link(|link| link.both(|way| way.delay_ms = 40));
        for at in 0..2 {
            world.record(at, &format!("canary at the cut {at}"));
        }
        world.pass(30);
        for at in 0..2 {
            world.silence(at);
        }
        world.pass_until("both know that they are offline", 20_000, |world| (0..2).all(|at| !world.is_connected(at)));
        for n in 0..60 {
            world.record(n % 2, &format!("canary alone {n}"));
            world.pass(200);
        }
        assert!(world.delete(0, kept));
        alone_for(&mut world, days);
        for at in 0..2 {
            world.heal(at);
        }
        world.pass_until("both are connected", 30_000, |world| (0..2).all(|at| world.is_connected(at)));
        world.settle();
        // Resumed, not begun again: nobody pulled what it had.
        let new = world.held().len() as u64 - held_before;
        for (at, before) in before.iter().enumerate() {
            let pulled = world.traffic[at].entries - before;
            assert!(pulled <= new, "device {at} pulled {pulled} entries, and {new} were new");
        }
        assert!(world.machines.iter().all(|machine| machine.history.is_deleted(&kept)), "a deletion was lost");
        world.heal_all();
        world.settle();
        oracle::check(&world);
    }
}

/// Computers that are switched on for five minutes every ten days, and have no network then.
fn alone_for(world: &mut World, days: u64) {
    for day in (0..days).step_by(10) {
        for at in 0..2 {
            world.sleep(at);
        }
        world.pass(10 * 86_400_000 - 300_000);
        for at in 0..2 {
            world.wake(at);
            world.record(at, &format!("canary on day {day} {at}"));
        }
        world.pass(300_000);
    }
}
