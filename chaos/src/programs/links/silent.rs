//! Links over which nothing comes any more: for a while, on both sides, or one way only.

use std::time::{Duration, Instant};

use caro_schema::relay::{Entry, ToRelay};
use caro_tests::{eventually, eventually_within};
use serde_json::json;

use super::{
    super::{
        client::{Client, Member, expect_held},
        connections::{FREE_WITHIN, IDLE_MS, at_rest, expect_alone},
        proxied::{Doors, LAPTOP, Proxied, is_connected},
        relay::RelayProgram,
    },
    apart::{BROKEN_BY, dense, expect_same, leave_out, patience, type_on_each, until},
};
use crate::{
    proxy::toxic::Stream,
    sabotage::Sabotage,
    scenario::{Body, Run, Tier},
    seed::Seed,
};

/// T-LOSS-04 with real programs.
pub const T_LOSS_04: Body = Body { tier: Tier::Proxy, broken_by: BROKEN_BY, run: partition };

/// Within which a device must say that it is offline.
pub(super) const NOTICED_WITHIN: Duration = Duration::from_secs(20);

fn partition(run: &mut Run) {
    let mut proxied = Proxied::running(run);
    let mut seed = Seed::new(run.seed);
    let mut all: Vec<String> = (0..40).map(|_| dense(&mut seed, 3 << 10)).collect();
    for line in &all {
        proxied.stage.laptop.type_lines("before", &[line]);
    }
    let both_have = |proxied: &Proxied, count: usize| {
        proxied.stage.devices().into_iter().all(|device| device.home.count() as usize == count)
    };
    eventually("both have what was before", || both_have(&proxied, 40).then_some(()));
    let before: Vec<(u64, u64)> = proxied.devices().map(|(door, _)| proxied.doors.bytes(door)).to_vec();
    let begun = Instant::now();
    proxied.doors.put_all("timeout", &json!({ "timeout": 0 }));
    all.extend(type_on_each(&proxied.stage.devices(), 10, "alone"));
    eventually_within(NOTICED_WITHIN, "both say that they are offline", || {
        (!proxied.stage.devices().into_iter().any(is_connected)).then_some(())
    });
    leave_out(run, &proxied.stage.laptop);
    until(begun, Duration::from_secs(run.sized(30, 20) as u64));
    proxied.doors.heal();
    proxied.expect_back(run, Duration::from_secs(30));
    eventually_within(patience(run, 20), "both have everything", || both_have(&proxied, all.len()).then_some(()));
    // Resumed, not begun again: of what was there before, nothing came a second time.
    for ((door, _), (_, before)) in proxied.devices().into_iter().zip(before) {
        let pulled = proxied.doors.bytes(door).1 - before;
        assert!(pulled < 80 << 10, "{pulled} bytes came for 20 small commands");
    }
    expect_same(&proxied.stage.devices());
    proxied.expect_all(&all);
}

impl Proxied {
    /// # Panics
    /// When not both are connected in time.
    fn expect_back(&self, run: &Run, within: Duration) {
        self.expect_connected(patience(run, within.as_secs()));
    }
}

/// T-CONN-03 with real programs.
pub const T_CONN_03: Body = Body { tier: Tier::Proxy, broken_by: BROKEN_BY, run: unreachable };

/// There is no LAN mode yet; everything else of the row.
fn unreachable(run: &mut Run) {
    let mut proxied = Proxied::running(run);
    proxied.doors.put_all("timeout", &json!({ "timeout": 0 }));
    let mut all = type_on_each(&proxied.stage.devices(), 5, "unnoticed");
    eventually_within(NOTICED_WITHIN, "both notice", || {
        (!proxied.stage.devices().into_iter().any(is_connected)).then_some(())
    });
    // Both go on by themselves: what is typed is there.
    all.extend(type_on_each(&proxied.stage.devices(), 10, "alone"));
    for device in proxied.stage.devices() {
        eventually("its own history goes on", || (device.home.count() == 15).then_some(()));
    }
    leave_out(run, &proxied.stage.laptop);
    proxied.doors.heal();
    proxied.expect_back(run, Duration::from_secs(30));
    super::apart::expect_everywhere(&proxied.stage.devices(), all.len(), patience(run, 30));
    expect_same(&proxied.stage.devices());
    proxied.expect_all(&all);
}

/// T-CONN-04 through a door that resets.
pub const T_CONN_04: Body = Body { tier: Tier::Proxy, broken_by: &[Sabotage::LeakSession], run: reset_rapidly };

fn reset_rapidly(run: &mut Run) {
    let relay = RelayProgram::new();
    let doors = Doors::one(&relay, run);
    let mut member = Member::new(run.seed, 1);
    let mut acknowledged = Vec::new();
    let mut push_one = |client: &mut Client, member: &mut Member| {
        let cell = member.cell(1024);
        let accepted = client.push(std::slice::from_ref(&cell)).expect("acknowledged");
        acknowledged.push((cell, accepted[0].cursor));
    };
    let mut first = member.found(doors.only());
    push_one(&mut first, &mut member);
    first.pull_all().expect("everything comes");
    drop(first);
    let (before, threads) = (at_rest(&relay), relay.threads());
    let (begun, mut kept) = (Instant::now(), Vec::new());
    for _ in 0..10 {
        let mut client = member.enter(doors.only(), 0).expect("it is let in");
        push_one(&mut client, &mut member);
        if run.lacks(Sabotage::LeakSession) {
            kept.push(client);
            continue;
        }
        // Neither side says goodbye.
        doors.put(LAPTOP, Stream::Upstream, "reset_peer", &json!({ "timeout": 0 }));
        assert!(client.has_ended_within(Duration::from_secs(2)), "the reset is felt");
        doors.heal();
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "ten times in {:?}", begun.elapsed());
    eventually_within(FREE_WITHIN, "nothing is left of them", || {
        (relay.descriptors() <= before && relay.threads() <= threads).then_some(())
    });
    assert_eq!(expect_held(&member, doors.only(), &acknowledged), 11);
}

/// T-CONN-05 through a door that keeps goodbyes to itself.
pub const T_CONN_05: Body = Body { tier: Tier::Proxy, broken_by: &[Sabotage::NoKeepalive], run: no_goodbye };

fn no_goodbye(run: &mut Run) {
    let idle_ms = if run.lacks(Sabotage::NoKeepalive) { 600_000 } else { IDLE_MS };
    let relay = RelayProgram::with_limits(&format!("idle_ms = {idle_ms}"));
    let doors = Doors::one(&relay, run);
    let mut member = Member::new(run.seed, 2);
    let mut stale = member.found(doors.only());
    let kept = member.cell(1024);
    let cursor = stale.push(std::slice::from_ref(&kept)).expect("acknowledged")[0].cursor;
    let mut other = member.enter(relay.place(), 1).expect("it is let in");
    // Something of it is on its way, and its end comes later still.
    doors.put(LAPTOP, Stream::Upstream, "latency", &json!({ "latency": 600_000 }));
    doors.put(LAPTOP, Stream::Upstream, "slow_close", &json!({ "delay": 600_000 }));
    let late = member.cell(1024);
    stale.send(&ToRelay::Push { cells: vec![late.clone()] }).expect("sent");
    stale.fall_silent();
    let begun = Instant::now();
    expect_alone(&mut other, begun);
    // What was on its way arrives now, in a session that is no more.
    doors.heal();
    assert!(stale.has_ended_within(FREE_WITHIN), "the old session is still there");
    let mut back = member.enter(doors.only(), 0).expect("it comes back");
    assert!(!back.pull_all().expect("everything comes").contains(&Entry::Cell(late)), "a late frame was taken");
    assert_eq!(expect_held(&member, relay.place(), &[(kept, cursor)]), 1);
}
