//! What takes too long for every change: run once each by `--long`, with small numbers in the tests.

use crate::{
    oracle,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    world::World,
};

/// LONG-1.
pub const LONG_1: Scenario = Scenario {
    id: "LONG-1",
    title: "Thirty days offline",
    injection: "Five devices without a network for 30 days, 50,000 ops each way",
    outcome: "All equal; bytes transferred at most 1.1 times what was missing",
    bodies: &[Body {
        tier: Tier::Sim,
        broken_by: &[Sabotage::SkipRetry, Sabotage::DropOutboxOnError],
        run: thirty_days,
    }],
};

fn thirty_days(run: &mut Run) {
    const DAYS: usize = 30;
    let mut world = run.world(5);
    let each_way = run.sized(50_000, 120);
    // Something is on its way when the networks go.
    world.every_link(|link| link.both(|way| way.delay_ms = 40));
    for at in 0..5 {
        world.record(at, &format!("canary before {at}"));
    }
    world.pass(30);
    for at in 0..5 {
        world.unplug(at);
    }
    let of_others = each_way / 4;
    let mut written = [0; 5];
    for day in 1..=DAYS {
        for at in 0..5 {
            world.wake(at);
        }
        // One of them writes as much as the other four together: as much goes up from it as comes down to it.
        let due = |at: usize| if at == 0 { each_way * day / DAYS } else { of_others * day / DAYS };
        while (0..5).any(|at| written[at] < due(at)) {
            for (at, written) in written.iter_mut().enumerate().filter(|(at, written)| **written < due(*at)) {
                *written += 1;
                world.record(at, &format!("canary {at} {written}"));
            }
            world.pass(25);
        }
        world.pass(1_000);
        for at in 0..5 {
            world.sleep(at);
        }
        world.pass(86_400_000 - each_way as u64 / DAYS as u64 * 25 - 1_000);
    }
    for at in 0..5 {
        world.wake(at);
    }
    world.pass(1_000);
    let waiting: Vec<u64> = world.machines.iter().map(bytes_waiting).collect();
    let before = world.traffic.clone();
    world.heal_all();
    world.settle();
    assert!(world.machines.iter().all(|machine| machine.history.len() == 5 + each_way + 4 * of_others));
    for at in 0..5 {
        let missing: u64 = (0..5).filter(|other| *other != at).map(|other| waiting[other]).sum();
        let down = world.traffic[at].down_bytes - before[at].down_bytes;
        assert!(down * 10 <= missing * 11, "{down} bytes came to device {at}, and {missing} were missing");
        let up = world.traffic[at].up_bytes - before[at].up_bytes;
        assert!(up * 10 <= waiting[at] * 11 + down, "{up} bytes went up from device {at}, and {} waited", waiting[at]);
    }
    oracle::check(&world);
}

fn bytes_waiting(machine: &crate::machine::Machine) -> u64 {
    machine.disk.queues().iter().map(|(_, _, cell)| cell.len() as u64).sum()
}

/// LONG-2.
pub const LONG_2: Scenario = Scenario {
    id: "LONG-2",
    title: "A burst of ten thousand",
    injection: "10,000 single commands pushed in one burst",
    outcome: "All on the other device, in order, within 5 s",
    bodies: &[Body { tier: Tier::Sim, broken_by: &[Sabotage::SkipRetry, Sabotage::DropOutboxOnError], run: burst }],
};

fn burst(run: &mut Run) {
    let mut world = run.world(2);
    let count = run.sized(10_000, 200);
    world.every_link(|link| link.both(|way| way.delay_ms = 40));
    world.record(0, "canary on its way");
    world.pass(30);
    world.unplug(0);
    for n in 0..count {
        world.record(0, &format!("canary {n:05}"));
        world.pass(25);
    }
    world.every_link(|link| link.both(|way| way.delay_ms = 5));
    world.heal(0);
    world.pass_until("a session", 60_000, |world| world.is_connected(0));
    let all = move |world: &World| world.machines[1].history.len() == count + 1;
    world.pass_until("all on the other device", 5_000, all);
    let texts: Vec<Vec<u8>> = world.machines[1].history.newest().map(|record| record.command.into_vec()).collect();
    let expected = (0..count).rev().map(|n| format!("canary {n:05}").into_bytes());
    assert!(texts.into_iter().take(count).eq(expected), "in order");
    world.settle();
    oracle::check(&world);
}
