//! The network and the processes at its ends.

use crate::{
    machine::PowerCut as DeviceCut,
    oracle,
    relay::PowerCut as RelayCut,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
};

/// T-LOSS-04. Both devices lose the relay for thirty seconds and record meanwhile: each op reaches the other exactly
/// once, resuming from the last durable cursor.
pub const T_LOSS_04: Scenario = Scenario {
    id: "T-LOSS-04",
    title: "partition for thirty seconds",
    injection: "",
    outcome: "",
    bodies: &[Body {
        tier: Tier::Sim,
        broken_by: &[Sabotage::SkipRetry, Sabotage::DropOutboxOnError],
        run: |run: &mut Run| {
            let mut world = run.world(2);
            for n in 0..10 {
                world.record(n % 2, &format!("canary before {n}"));
            }
            world.settle();
            let received = world.traffic.iter().map(|it| it.entries).collect::<Vec<u64>>();
            // What is queued at the moment of the cut must survive it: one more on each side, with no time to be sent.
            for at in 0..2 {
                world.record(at, &format!("canary at the cut {at}"));
                world.link(at).both(|way| way.delay_ms = 40);
            }
            world.pass(30);
            for at in 0..world.machines.len() {
                world.unplug(at);
            }
            let until = world.now_ms + 30_000;
            let mut n = 0;
            while world.now_ms < until {
                world.record(n % 2, &format!("canary alone {n}"));
                world.pass(500);
                n += 1;
            }
            assert!(!world.is_connected(0) && !world.is_connected(1));
            let apart: Vec<usize> = world.machines.iter().map(|machine| machine.history.len()).collect();
            assert!(apart.iter().all(|have| *have < 12 + n), "each side has its own only: {apart:?} of {n}");
            world.heal_all();
            world.settle();
            oracle::check(&world);
            // Resumed, not begun again: nobody pulled what it had.
            let held = world.held().len() as u64;
            for (at, before) in received.iter().enumerate() {
                let pulled = world.traffic[at].entries - before;
                assert!(pulled <= held, "device {at} pulled {pulled} of {held}");
            }
        },
    }],
};

/// T-CONN-01. The relay loses power at each point of a push: the device notices and tries again, each op arrives once,
/// every acknowledged cell is there afterwards.
pub const T_CONN_01: Scenario = Scenario {
    id: "T-CONN-01",
    title: "relay crash in the middle of a push",
    injection: "",
    outcome: "",
    bodies: &[Body {
        tier: Tier::Sim,
        broken_by: &[Sabotage::AckBeforeCommit, Sabotage::SkipRetry],
        run: |run: &mut Run| {
            let mut world = run.world(2);
            let points = [RelayCut::BeforeCommit, RelayCut::BeforeAck, RelayCut::MidAck];
            for (round, cut) in points.iter().cycle().take(9).enumerate() {
                // Some that are safely through, so that there is something to lose.
                for n in 0..3 {
                    world.record(n % 2, &format!("canary settled {round} {n}"));
                    world.settle();
                }
                world.relays[0].cut_power(*cut);
                for n in 0..5 {
                    world.record(n % 2, &format!("canary {round} {n}"));
                    world.pass(world_pause(run.seed, n as u64));
                }
                world.settle();
            }
            world.crash_relay(0);
            world.settle();
            oracle::check(&world);
        },
    }],
};

/// T-CONN-02. A device loses power at each step of a push: the relay drops what was half done, the other device is not
/// affected, the first one resumes from its outbox.
pub const T_CONN_02: Scenario = Scenario {
    id: "T-CONN-02",
    title: "device crash in the middle of a push",
    injection: "",
    outcome: "",
    bodies: &[Body {
        tier: Tier::Sim,
        broken_by: &[Sabotage::NoFsync, Sabotage::DropOutboxOnError],
        run: |run: &mut Run| {
            let mut world = run.world(3);
            for round in 0..12_u64 {
                let at = (round % 2) as usize;
                let cut = if round % 4 < 2 { DeviceCut::BeforeCommit } else { DeviceCut::BeforeSend };
                world.record(at, &format!("canary {round} a"));
                world.pass(world.seed.clone().below(40));
                world.record(2, &format!("canary {round} from the third"));
                // In turns: while the command is taken in, and while the op is made of it and queued.
                if round % 3 == 0 {
                    world.machines[at].cut_power(cut);
                    world.record(at, &format!("canary {round} b"));
                } else {
                    world.record(at, &format!("canary {round} b"));
                    world.machines[at].cut_power(cut);
                }
                world.pass(120);
                world.record(at, &format!("canary {round} c"));
                world.settle();
            }
            assert!(world.machines[0].crashes + world.machines[1].crashes >= 8, "the power was cut");
            assert!(world.machines[2].crashes == 0);
            oracle::check(&world);
        },
    }],
};

/// A pause that differs from seed to seed and from one to the next.
fn world_pause(seed: u64, n: u64) -> u64 {
    (seed.wrapping_mul(31).wrapping_add(n * 17)) % 45
}
