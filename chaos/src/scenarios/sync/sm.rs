//! Sessions that break at every place.

use crate::{
    machine::PowerCut as DeviceCut,
    oracle,
    relay::PowerCut as RelayCut,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    scenarios::transport::conn::{between_two_acknowledgements, nobody_is_left_behind},
    world::World,
};

/// Messages of one exchange at most: hello, welcome, pull, pages, what confirms them, pushes, acknowledgements.
const MESSAGES: u64 = 16;

/// S-SM-01.
pub const S_SM_01: Scenario = Scenario {
    id: "S-SM-01",
    title: "Disconnect during push",
    injection: "Cut at every frame boundary and mid-frame",
    outcome: "Push resumes; the relay holds each cell once, same cursor returned for a repeat",
    bodies: &[
        Body { tier: Tier::Pipe, broken_by: &[Sabotage::SkipRetry, Sabotage::DropOutboxOnError], run: cut_pushes },
        crate::programs::links::cut::S_SM_01,
    ],
};

fn cut_pushes(run: &mut Run) {
    let mut world = run.world(2);
    world.seal_sessions();
    world.every_link(|link| link.both(|way| way.delay_ms = 5));
    for message in 0..run.sized(MESSAGES as usize, 9) as u64 {
        // Twice: between two messages, when nothing is on its way, and inside of one.
        for late_ms in [0, 12] {
            for n in 0..3 {
                world.record(0, &format!("canary {message} {late_ms} {n}"));
                world.pass(21 + late_ms);
            }
            world.cut_after(0, message);
            world.record(0, &format!("canary {message} {late_ms} cut"));
            world.settle();
        }
    }
    world.cut_never(0);
    world.record(0, "canary whole");
    world.settle();
    assert!(
        world.traffic[0].broken >= run.sized(MESSAGES as usize, 9) as u64,
        "it was cut {} times",
        world.traffic[0].broken
    );
    oracle::check(&world);
}

/// S-SM-02.
pub const S_SM_02: Scenario = Scenario {
    id: "S-SM-02",
    title: "Disconnect during pull",
    injection: "Cut mid-response at every op boundary",
    outcome: "Partial discarded; durable cursor = last committed op; re-pull has no gap and no duplicate",
    bodies: &[
        Body {
            tier: Tier::Pipe,
            broken_by: &[Sabotage::AdvanceCursorBeforeApply, Sabotage::SkipRetry],
            run: cut_pulls,
        },
        crate::programs::links::cut::S_SM_02,
    ],
};

fn cut_pulls(run: &mut Run) {
    let mut world = run.world(2);
    world.seal_sessions();
    world.every_link(|link| link.both(|way| way.delay_ms = 5));
    for message in 0..run.sized(MESSAGES as usize, 10) as u64 {
        // More than a page, so that there are boundaries between pages and inside of them.
        world.unplug(1);
        let count = if message % 4 == 0 { 80 } else { 5 };
        for n in 0..count {
            world.record(0, &format!("canary {message} {n}"));
            world.pass(25);
        }
        world.cut_after(1, message);
        let broken = world.traffic[1].broken;
        world.heal(1);
        // A pull of few messages goes on with what is typed while it lasts.
        for n in 0.. {
            world.pass(200);
            if world.traffic[1].broken > broken {
                break;
            }
            assert!(n < 200, "its pull was not cut at message {message}");
            world.record(0, &format!("canary live {message} {n}"));
        }
        cursor_is_what_was_applied(&world, 1);
        let cuts = world.machines[1].cuts;
        match message % 3 {
            0 => world.crash_device(1),
            1 => world.machines[1].cut_power(DeviceCut::BeforeCommit),
            _ => world.machines[1].cut_power(DeviceCut::BeforeSend),
        }
        world.record(0, &format!("canary later {message}"));
        if message % 3 > 0 {
            world.pass_until("the power goes", 60_000, |world| world.machines[1].cuts > cuts);
            cursor_is_what_was_applied(&world, 1);
        }
        world.pass(2_000);
        cursor_is_what_was_applied(&world, 1);
    }
    world.cut_never(1);
    world.settle();
    let pulled = world.traffic[1].entries;
    oracle::check(&world);
    // Settled is settled: another session brings nothing again.
    world.cut(1);
    world.settle();
    assert_eq!(world.traffic[1].entries, pulled);
}

/// Of everything before the cursor on its disk, a device has every op.
fn cursor_is_what_was_applied(world: &World, at: usize) {
    let Some(account) = world.machines[at].device.account() else { return };
    let number = world.remote(at, 0).expect("it has the relay");
    let cursor = account.remote(number).expect("it has the relay").record.cursor as usize;
    for entry in world.entries(0).into_iter().take(cursor) {
        let caro_schema::relay::Entry::Cell(cell) = entry else { continue };
        let Some((author, seq)) = oracle::author_and_number(account, &cell) else { continue };
        assert!(account.vector().seq(&author) >= seq, "the cursor of device {at} has passed an op that it lacks");
    }
}

/// S-SM-03.
pub const S_SM_03: Scenario = Scenario {
    id: "S-SM-03",
    title: "Rapid connect/disconnect cycling",
    injection: "10 cycles in 5 s with pending ops. Also: cut during heads/VV reconciliation",
    outcome: "No loss; pending ops retried, none dropped; cursor consistent; reconciliation restarts cleanly",
    bodies: &[
        Body {
            tier: Tier::Sim,
            broken_by: &[Sabotage::SkipRetry, Sabotage::DropOutboxOnError, Sabotage::LeakSession],
            run: cycling,
        },
        crate::programs::connections::S_SM_03,
    ],
};

fn cycling(run: &mut Run) {
    let mut world = run.world(3);
    world.every_link(|link| link.both(|way| way.delay_ms = 20));
    for cycle in 0..10 {
        for at in 0..3 {
            world.record(at, &format!("canary {cycle} {at}"));
        }
        let later_ms = world.seed.below(200);
        world.pass(later_ms);
        world.unplug(0);
        world.pass(100);
        world.heal(0);
        world.pass(400 - later_ms);
        cursor_is_what_was_applied(&world, 0);
    }
    // Who is cut off so often comes back less and less often. So once more, and each time it is there again first.
    let begun = world.traffic.clone();
    for cycle in 0..10 {
        world.pass_until("both are back", 60_000, |world| world.is_connected(0) && world.is_connected(1));
        for at in 0..3 {
            world.record(at, &format!("canary there {cycle} {at}"));
        }
        let later_ms = world.seed.below(200);
        world.pass(later_ms);
        world.unplug(0);
        world.heal(0);
        // The pull that every session begins with is cut at another message each time.
        world.cut_after(1, cycle % 6);
        world.cut(1);
        let broken = world.traffic[1].broken;
        world.pass_until("its pull is cut", 60_000, |world| world.traffic[1].broken > broken);
        cursor_is_what_was_applied(&world, 0);
        cursor_is_what_was_applied(&world, 1);
    }
    world.cut_never(1);
    world.settle();
    let sessions = |at: usize| world.traffic[at].sessions - begun[at].sessions;
    assert!(sessions(0) >= 10 && sessions(1) >= 20, "{} and {} sessions", sessions(0), sessions(1));
    nobody_is_left_behind(&mut world);
    oracle::check(&world);
}

/// S-SM-04.
pub const S_SM_04: Scenario = Scenario {
    id: "S-SM-04",
    title: "Recovery after crash",
    injection: "SIGKILL at each failpoint and at random; restart. Also: 100 rapid push/pull/push alternations",
    outcome: "Resumes from persisted state; no stuck state (every reachable state can return to idle)",
    bodies: &[
        Body {
            tier: Tier::Sim,
            broken_by: &[Sabotage::AckBeforeCommit, Sabotage::NoFsync, Sabotage::LeakSession],
            run: crashes,
        },
        crate::programs::kills::S_SM_04,
        crate::programs::power::S_SM_04,
    ],
};

/// Lets a few things happen, so that what comes next finds the world in any state.
fn some_turns(world: &mut World) {
    for _ in 0..world.seed.below(12) {
        if !world.turn() {
            return;
        }
    }
}

fn crashes(run: &mut Run) {
    let mut world = run.world(3);
    for round in 0..24 {
        for at in 0..3 {
            world.record(at, &format!("canary {round} {at}"));
        }
        let at = world.seed.below(3) as usize;
        match round % 8 {
            0 => world.machines[at].cut_power(DeviceCut::BeforeCommit),
            1 => world.machines[at].cut_power(DeviceCut::BeforeSend),
            2 => world.relays[0].cut_power(RelayCut::BeforeCommit),
            3 => world.relays[0].cut_power(RelayCut::BeforeAck),
            4 => between_two_acknowledgements(&mut world, round),
            5 => {
                some_turns(&mut world);
                world.crash_device(at);
            }
            6 => {
                some_turns(&mut world);
                world.crash_relay(0);
            }
            _ => {
                world.cut(at);
                world.crash_relay(0);
            }
        }
        world.record(at, &format!("canary {round} again"));
        // Every one of these states comes to rest.
        world.settle();
    }
    for cut in [RelayCut::BeforeCommit, RelayCut::BeforeAck, RelayCut::MidAck] {
        assert_eq!(world.relays[0].cuts(cut), 3, "{cut:?}: the power went each time");
    }
    for n in 0..run.sized(100, 20) {
        world.record(n % 3, &format!("canary to and fro {n}"));
        world.pass(21);
    }
    world.crash_relay(0);
    world.settle();
    nobody_is_left_behind(&mut world);
    oracle::check(&world);
}
