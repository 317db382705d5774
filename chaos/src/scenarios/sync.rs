//! Sessions that break at every place, and devices that write at the same time.

use crate::{
    machine::PowerCut,
    oracle,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
};

/// S-SM-01. The connection is cut at every message of a push: it resumes, the relay holds each cell once.
pub const S_SM_01: Scenario = Scenario {
    id: "S-SM-01",
    title: "disconnect during push",
    injection: "",
    outcome: "",
    bodies: &[Body {
        tier: Tier::Sim,
        broken_by: &[Sabotage::SkipRetry, Sabotage::DropOutboxOnError],
        run: |run: &mut Run| {
            let mut world = run.world(2);
            world.link(0).both(|way| way.delay_ms = 5);
            for n in 0..60 {
                world.record(0, &format!("canary {n}"));
                // Every phase of a push passes under the cut as this runs through: nothing sent, on its way, answered.
                for _ in 0..(n + run.seed as usize) % 23 {
                    world.turn();
                }
                world.cut(0);
            }
            world.settle();
            oracle::check(&world);
        },
    }],
};

/// S-SM-02. The connection or the power is cut at every message of a pull: what was not committed is pulled again, with no
/// gap and nothing twice.
pub const S_SM_02: Scenario = Scenario {
    id: "S-SM-02",
    title: "disconnect during pull",
    injection: "",
    outcome: "",
    bodies: &[Body {
        tier: Tier::Sim,
        broken_by: &[Sabotage::AdvanceCursorBeforeApply, Sabotage::SkipRetry],
        run: |run: &mut Run| {
            let mut world = run.world(2);
            world.unplug(1);
            world.pass(1_000);
            for n in 0..80 {
                world.record(0, &format!("canary {n}"));
                world.pass(60);
            }
            world.heal(1);
            world.link(1).both(|way| way.delay_ms = 3);
            for n in 0..40 {
                for _ in 0..(n + run.seed as usize) % 11 {
                    world.turn();
                }
                match n % 4 {
                    0 => world.cut(1),
                    1 => world.crash_device(1),
                    2 => world.machines[1].cut_power(PowerCut::BeforeCommit),
                    _ => world.machines[1].cut_power(PowerCut::BeforeSend),
                }
                world.record(0, &format!("canary later {n}"));
                world.pass(500);
            }
            world.settle();
            oracle::check(&world);
        },
    }],
};

/// S-CONC-01. Two devices push five hundred ops each at the same time: all of them are on both, none twice, each
/// author's in order, cursors unique and without gaps.
pub const S_CONC_01: Scenario = Scenario {
    id: "S-CONC-01",
    title: "simultaneous push from two devices",
    injection: "",
    outcome: "",
    bodies: &[Body {
        tier: Tier::Sim,
        broken_by: &[Sabotage::DropOutboxOnError, Sabotage::SkipRetry],
        run: |run: &mut Run| {
            let mut world = run.world(2);
            world.every_link(|link| {
                link.both(|way| way.jitter_ms = 30);
                link.breaks_per_thousand = 3;
            });
            let before = world.held().len();
            for n in 0..500 {
                for at in 0..2 {
                    world.record(at, &format!("canary {at} {n}"));
                }
                // Longer than commands are collected for, so that each is an op of its own.
                world.pass(25);
            }
            // The last link that breaks is the last thing that goes wrong.
            world.cut(0);
            world.cut(1);
            world.heal_all();
            world.settle();
            oracle::check(&world);

            let made = world.held().len() - before;
            assert!(made >= 700, "{made} ops, so they did push at the same time");
        },
    }],
};

/// S-CONV-01. Both sides write while they are apart, delete too, then come together: byte-identical version vectors, and
/// nobody pulls what it has.
pub const S_CONV_01: Scenario = Scenario {
    id: "S-CONV-01",
    title: "partition, then reconciliation",
    injection: "",
    outcome: "",
    bodies: &[Body {
        tier: Tier::Sim,
        broken_by: &[Sabotage::SkipRetry, Sabotage::DropOutboxOnError],
        run: |run: &mut Run| {
            let mut world = run.world(4);
            let mut ids = Vec::new();
            for n in 0..12 {
                ids.push(world.record(n % 4, &format!("canary shared {n}")));
            }
            world.settle();
            for round in 0..3 {
                // Something is on its way when the connection goes.
                for at in 0..4 {
                    world.record(at, &format!("canary cut {round} {at}"));
                    world.link(at).both(|way| way.delay_ms = 40);
                }
                world.pass(30);
                let before: Vec<u64> = world.traffic.iter().map(|it| it.entries).collect::<Vec<u64>>();
                let held_before = world.held().len() as u64;
                for at in 0..world.machines.len() {
                    world.unplug(at);
                }
                for n in 0..20 {
                    let at = world.seed.below(4) as usize;
                    world.record(at, &format!("canary apart {round} {n}"));
                    if world.seed.percent(15) {
                        let victim = world.seed.below(ids.len() as u64) as usize;
                        world.delete(at, ids[victim]);
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
        },
    }],
};
