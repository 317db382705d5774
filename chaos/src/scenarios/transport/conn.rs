//! Processes that end, and relays that cannot be reached.

use crate::{
    machine::PowerCut as DeviceCut,
    oracle,
    relay::PowerCut as RelayCut,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    world::World,
};

/// T-CONN-01.
pub const T_CONN_01: Scenario = Scenario {
    id: "T-CONN-01",
    title: "Relay crash mid-push",
    injection: "SIGKILL at six points: before write, mid-write, before commit, after commit before ack, mid-ack, during notify",
    outcome: "Client detects, retries; each op arrives exactly once; every acknowledged cell present after restart; \
              `integrity_check` ok",
    bodies: &[
        Body {
            tier: Tier::Sim,
            broken_by: &[Sabotage::AckBeforeCommit, Sabotage::SkipRetry, Sabotage::LeakSession],
            run: relay_crash,
        },
        crate::programs::kills::T_CONN_01,
        crate::programs::power::T_CONN_01,
    ],
};

fn relay_crash(run: &mut Run) {
    let mut world = run.world(2);
    let points = [RelayCut::BeforeCommit, RelayCut::BeforeAck, RelayCut::MidAck];
    for (round, cut) in points.iter().cycle().take(9).enumerate() {
        // Some that are safely through, so that there is something to lose.
        for n in 0..3 {
            world.record(n % 2, &format!("canary settled {round} {n}"));
            world.settle();
        }
        let cuts = world.relays[0].cuts(*cut);
        if *cut == RelayCut::MidAck {
            between_two_acknowledgements(&mut world, round);
        } else {
            world.relays[0].cut_power(*cut);
        }
        for n in 0..5 {
            world.record(n % 2, &format!("canary {round} {n}"));
            let pause_ms = world.seed.below(45);
            world.pass(pause_ms);
        }
        world.settle();
        assert_eq!(world.relays[0].cuts(*cut), cuts + 1, "{cut:?}: the power went once");
    }
    world.crash_relay(0);
    world.settle();
    // And a device that leaves in the middle of its push.
    world.record(0, "canary cut");
    world.pass(21);
    world.cut(0);
    world.settle();
    nobody_is_left_behind(&mut world);
    oracle::check(&world);
}

/// All push in one transaction. Half of them hear that it is kept; the relay is gone before the others do.
pub(in crate::scenarios) fn between_two_acknowledgements(world: &mut World, round: usize) {
    let (heard, cuts) = (world.traffic.clone(), world.relays[0].cuts(RelayCut::MidAck));
    world.relays[0].cut_power(RelayCut::MidAck);
    let all = world.machines.len();
    for at in 0..all {
        world.record(at, &format!("canary at once {round} {at}"));
    }
    world.pass_until("the power goes between two", 1_000, |world| world.relays[0].cuts(RelayCut::MidAck) > cuts);
    // What was on its way arrives; nobody is back so soon.
    world.pass(2);
    let told = (0..all).filter(|at| world.traffic[*at].acks > heard[*at].acks).count();
    assert_eq!(told, all / 2, "half of them heard an acknowledgement");
    assert!((0..all).all(|at| !world.is_connected(at)), "the relay is gone");
}

/// A device that has gone leaves no session behind.
pub(in crate::scenarios) fn nobody_is_left_behind(world: &mut World) {
    for at in 0..world.machines.len() {
        world.unplug(at);
        oracle::assert_no_leaks(world);
        world.heal(at);
        world.settle();
    }
}

/// T-CONN-02.
pub const T_CONN_02: Scenario = Scenario {
    id: "T-CONN-02",
    title: "Client crash mid-push",
    injection: "SIGKILL the daemon at each outbox step",
    outcome: "Relay drops the partial state within the idle limit; client B unaffected; A resumes from the outbox on restart",
    bodies: &[
        Body {
            tier: Tier::Sim,
            broken_by: &[Sabotage::NoFsync, Sabotage::DropOutboxOnError, Sabotage::LeakSession],
            run: device_crash,
        },
        crate::programs::kills::T_CONN_02,
    ],
};

fn device_crash(run: &mut Run) {
    let mut world = run.world(3);
    for round in 0..12_u64 {
        let at = (round % 2) as usize;
        let cut = if round % 4 < 2 { DeviceCut::BeforeCommit } else { DeviceCut::BeforeSend };
        world.record(at, &format!("canary {round} a"));
        let pause_ms = world.seed.below(40);
        world.pass(pause_ms);
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
    assert!(world.machines[2].crashes == 0 && world.traffic[2].broken == 0, "the third device is not affected");
    nobody_is_left_behind(&mut world);
    oracle::check(&world);
}

/// T-CONN-03.
pub const T_CONN_03: Scenario = Scenario {
    id: "T-CONN-03",
    title: "Relay unreachable, both clients up",
    injection: "`timeout` toxic on both paths; both record",
    outcome: "Both detect; both keep working locally; no split-brain; converge on heal; with LAN mode on they converge \
              without the relay",
    bodies: &[
        Body {
            tier: Tier::Sim,
            broken_by: &[Sabotage::SkipRetry, Sabotage::DropOutboxOnError, Sabotage::NoKeepalive],
            run: unreachable,
        },
        crate::programs::links::silent::T_CONN_03,
    ],
};

/// There is no LAN mode yet; everything else of the row.
fn unreachable(run: &mut Run) {
    let mut world = run.world(2);
    let both = world.record(0, "canary deleted on both sides");
    let one = world.record(1, "canary deleted on one side");
    world.settle();
    world.every_link(|link| link.both(|way| way.delay_ms = 50));
    for at in 0..2 {
        world.record(at, &format!("canary on its way {at}"));
    }
    world.pass(40);
    for at in 0..2 {
        world.silence(at);
    }
    world.pass_until("both notice", 20_000, |world| (0..2).all(|at| !world.is_connected(at)));
    let mine = |world: &World, at: usize| world.machines[at].history.len();
    let before = [mine(&world, 0), mine(&world, 1)];
    for n in 0..20 {
        world.record(n % 2, &format!("canary alone {n}"));
        let pause_ms = world.seed.below(3_000);
        world.pass(pause_ms);
    }
    assert_eq!([mine(&world, 0), mine(&world, 1)], before.map(|had| had + 10), "both keep working");
    // Both sides change their minds about the same records.
    assert!(world.delete(0, both) && world.delete(1, both) && world.delete(1, one));
    world.pass(5_000);
    for at in 0..2 {
        world.heal(at);
    }
    world.pass_until("both are back", 30_000, |world| (0..2).all(|at| world.is_connected(at)));
    world.settle();
    assert!(world.machines.iter().all(|machine| machine.history.is_deleted(&both) && machine.history.is_deleted(&one)));
    oracle::check(&world);
}
