//! Relays that die, flap and come back empty, while another is there.

use std::collections::BTreeMap;

use caro_schema::{id::DeviceId, ipc::sync::RemoteState, relay::Entry};

use crate::{
    oracle,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    world::World,
};

/// Two relays whose logs differ: one was away while the other was written to.
fn with_two_histories(run: &Run, devices: usize) -> World {
    let mut world = run.world_at(devices, 2);
    world.stop_relay(1);
    for n in 0..15 {
        world.record(n % devices, &format!("canary for the first {n}"));
        world.pass(25);
    }
    world.start_relay(1);
    world.settle();
    world.stop_relay(0);
    for n in 0..4 {
        world.record(n % devices, &format!("canary for the second {n}"));
        world.pass(25);
    }
    world.start_relay(0);
    // The others of the account bring what its author has not.
    world.pass(60_000);
    world.settle();
    world
}

fn cursor(world: &World, at: usize, relay: usize) -> u64 {
    let account = world.machines[at].device.account().expect("a member");
    let number = world.remote(at, relay).expect("it has the relay");
    account.remote(number).expect("it has the relay").record.cursor
}

fn everybody_has(world: &World, count: usize) -> bool {
    world.machines.iter().all(|machine| machine.history.len() == count)
}

/// Every op that the devices know is at a relay.
fn assert_relay_is_full(world: &World, relay: usize) {
    let account = world.machines[0].device.account().expect("a member");
    let mut there: BTreeMap<DeviceId, u64> = BTreeMap::new();
    for entry in world.entries(relay) {
        let Entry::Cell(cell) = entry else { continue };
        if let Some((author, seq)) = oracle::author_and_number(account, &cell) {
            let known = there.entry(author).or_default();
            *known = seq.max(*known);
        }
    }
    for (author, tip) in account.vector().iter() {
        assert!(there.get(author) == Some(&tip.seq), "relay {relay} lacks ops of an author");
    }
}

/// MR-1.
pub const MR_1: Scenario = Scenario {
    id: "MR-1",
    title: "Primary killed during active push",
    injection: "2 relays, SIGKILL primary after hello",
    outcome: "Fails over within the timeout; push completes on the secondary; the secondary's own cursor is used",
    bodies: &[
        Body {
            tier: Tier::Sim,
            broken_by: &[Sabotage::SharedCursorAcrossRelays, Sabotage::DropOutboxOnError],
            run: primary_dies,
        },
        crate::programs::remotes::MR_1,
    ],
};

fn primary_dies(run: &mut Run) {
    let mut world = with_two_histories(run, 2);
    world.every_link(|link| link.both(|way| way.delay_ms = 20));
    let before = world.machines[0].history.len();
    world.unplug(0);
    for n in 0..20 {
        world.record(0, &format!("canary pushed {n}"));
        world.pass(25);
    }
    world.heal(0);
    world.pass_until("it says hello", 60_000, |world| world.is_connected_to(0, 0));
    let steps_ms = world.seed.below(80);
    world.pass(steps_ms);
    world.stop_relay(0);
    world.pass_until("the push completes on the secondary", 30_000, move |world| everybody_has(world, before + 20));
    let own = cursor(&world, 0, 1);
    assert!(own > 0 && own == cursor(&world, 1, 1), "each relay has a cursor of its own");
    assert_eq!(own as usize, world.entries(1).len());
    world.start_relay(0);
    world.pass(60_000);
    world.settle();
    assert_relay_is_full(&world, 0);
    assert_relay_is_full(&world, 1);
    oracle::check(&world);
}

/// MR-2.
pub const MR_2: Scenario = Scenario {
    id: "MR-2",
    title: "Secondary killed during fan-out",
    injection: "SIGKILL secondary",
    outcome: "Primary's ack reported as success; warning recorded; secondary filled in later from the outbox",
    bodies: &[
        Body { tier: Tier::Sim, broken_by: &[Sabotage::SkipRetry, Sabotage::DropOutboxOnError], run: secondary_dies },
        crate::programs::remotes::MR_2,
    ],
};

fn secondary_dies(run: &mut Run) {
    let mut world = with_two_histories(run, 3);
    world.every_link(|link| link.both(|way| way.delay_ms = 20));
    let before = world.machines[0].history.len();
    for n in 0..10 {
        world.record(0, &format!("canary fan-out {n}"));
        world.pass(25);
        if n == 4 {
            world.stop_relay(1);
        }
    }
    world.pass_until("the primary has everything", 10_000, move |world| everybody_has(world, before + 10));
    // The device knows that one of its relays is not there, and what waits for it.
    let status = world.machines[0].device.account().expect("a member").status(|_| None);
    let states: Vec<bool> =
        status.remotes.iter().map(|remote| matches!(remote.state, RemoteState::Connected)).collect();
    assert_eq!(states, [true, false]);
    assert!(status.remotes[0].pending_up == 0 && status.remotes[1].pending_up >= 5, "what waits is counted");
    world.pass(600_000);
    world.start_relay(1);
    world.pass(60_000);
    world.settle();
    assert_relay_is_full(&world, 1);
    oracle::check(&world);
}

/// MR-4.
pub const MR_4: Scenario = Scenario {
    id: "MR-4",
    title: "Relay flapping",
    injection: "Down/up/down; one restart with an empty database",
    outcome: "Per-relay cursor resumes; no duplicate, no miss; empty relay is refilled",
    bodies: &[
        Body { tier: Tier::Sim, broken_by: &[Sabotage::SharedCursorAcrossRelays, Sabotage::SkipRetry], run: flapping },
        crate::programs::remotes::MR_4,
    ],
};

fn flapping(run: &mut Run) {
    let mut world = with_two_histories(run, 3);
    let pulled: Vec<u64> = world.traffic.iter().map(|traffic| traffic.entries).collect();
    let held = world.entries(0).len() + world.entries(1).len();
    for round in 0..6 {
        let relay = world.seed.below(2) as usize;
        world.stop_relay(relay);
        for at in 0..3 {
            world.record(at, &format!("canary {round} {at}"));
        }
        let down_ms = world.seed.below(20_000);
        world.pass(down_ms);
        world.start_relay(relay);
        let up_ms = world.seed.below(3_000);
        world.pass(up_ms);
    }
    world.pass(60_000);
    world.settle();
    oracle::check(&world);
    // Resumed each time: nobody pulled more than what was new at both.
    let new = (world.entries(0).len() + world.entries(1).len() - held) as u64;
    for (at, before) in pulled.iter().enumerate() {
        let took = world.traffic[at].entries - before;
        assert!(took <= new, "device {at} pulled {took} entries, and {new} were new");
    }
    // A relay that lost everything: its devices are told that the account is not there, and go on with the other.
    world.empty_relay(1);
    world.pass(60_000);
    for at in 0..3 {
        assert!(world.is_stopped_at(at, 1) && !world.is_stopped_at(at, 0), "device {at} was not told");
        world.record(at, &format!("canary with one relay {at}"));
    }
    world.settle();
    world.make_account_again(1);
    world.pass(60_000);
    world.settle();
    assert_relay_is_full(&world, 1);
    oracle::check(&world);
}
