//! Links that are slow.

use crate::{
    net::Way,
    oracle,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    world::World,
};

const BROKEN_BY: &[Sabotage] = &[Sabotage::SkipRetry, Sabotage::DropOutboxOnError];

/// Two devices whose connections break with something on its way, and who write a hundred commands each before they come
/// back over other links.
fn apart_then_back_over(run: &Run, way: Way) -> World {
    let mut world = run.world(2);
    world.seal_sessions();
    world.every_link(|link| link.both(|each| each.delay_ms = 40));
    for at in 0..2 {
        world.record(at, &format!("canary on its way {at}"));
    }
    world.pass(30);
    for at in 0..2 {
        world.unplug(at);
    }
    world.every_link(|link| link.both(|each| *each = way));
    for n in 0..100 {
        for at in 0..2 {
            world.record(at, &format!("canary {at} {n}"));
        }
        // Longer than commands are collected for, so that each is an op of its own.
        world.pass(25);
    }
    for at in 0..2 {
        world.heal(at);
    }
    world
}

/// Nothing broke after both were back.
fn assert_no_reconnect(world: &World) {
    for (at, traffic) in world.traffic.iter().enumerate() {
        assert!(traffic.broken == 1, "device {at} lost its connection {} times", traffic.broken);
    }
}

fn everything_is_on_both(world: &World) -> bool {
    world.machines.iter().all(|machine| machine.history.len() == 202 && machine.disk.queued() == 0)
}

/// T-LAT-01.
pub const T_LAT_01: Scenario = Scenario {
    id: "T-LAT-01",
    title: "Fixed 200 ms latency",
    injection: "200 ms each way on both client links; 100 ops each way",
    outcome: "Sync completes; hashes match; handshake <= 5 round trips, 100 ops <= 12 round trips + 2 s; no reconnect",
    bodies: &[
        Body { tier: Tier::Sim, broken_by: BROKEN_BY, run: fixed_latency },
        crate::programs::links::far::T_LAT_01,
    ],
};

fn fixed_latency(run: &mut Run) {
    let mut world = apart_then_back_over(run, Way { delay_ms: 200, ..Way::default() });
    let round_trip_ms = world.link(0).round_trip_ms();
    world.pass_until("both are connected", 60_000, |world| (0..2).all(|at| world.is_connected(at)));
    for traffic in &world.traffic {
        assert!(traffic.opening_ms <= 5 * round_trip_ms, "a handshake took {} ms", traffic.opening_ms);
    }
    world.pass_until("100 ops each way", 12 * round_trip_ms + 2_000, everything_is_on_both);
    world.settle();
    assert_no_reconnect(&world);
    oracle::check(&world);
}

/// T-LAT-02.
pub const T_LAT_02: Scenario = Scenario {
    id: "T-LAT-02",
    title: "High jitter 200 +/- 150 ms",
    injection: "Normal-distributed jitter, packets overtake one another",
    outcome: "Sync completes; no reordering corruption; each author's order kept",
    bodies: &[Body { tier: Tier::Sim, broken_by: BROKEN_BY, run: high_jitter }, crate::programs::links::far::T_LAT_02],
};

fn high_jitter(run: &mut Run) {
    let mut world = apart_then_back_over(run, Way { delay_ms: 200, jitter_ms: 150, ..Way::default() });
    for n in 0..20 {
        world.record(n % 2, &format!("canary live {n}"));
        let pause_ms = world.seed.below(400);
        world.pass(pause_ms);
    }
    world.settle();
    assert_no_reconnect(&world);
    oracle::check(&world);
}

/// T-LAT-04.
pub const T_LAT_04: Scenario = Scenario {
    id: "T-LAT-04",
    title: "Satellite 600 +/- 50 ms",
    injection: "Delay on both links",
    outcome: "Handshake completes; cells transfer; timeouts scale with measured RTT: zero spurious reconnects",
    bodies: &[Body { tier: Tier::Sim, broken_by: BROKEN_BY, run: satellite }, crate::programs::links::far::T_LAT_04],
};

fn satellite(run: &mut Run) {
    let mut world = apart_then_back_over(run, Way { delay_ms: 600, jitter_ms: 50, ..Way::default() });
    world.pass_until("everything is on both", 120_000, everything_is_on_both);
    // Long enough for every question whether the other side is there to be asked many times.
    world.pass(1_200_000);
    world.record(0, "canary after a silence");
    world.settle();
    assert_no_reconnect(&world);
    oracle::check(&world);
}
