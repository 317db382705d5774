//! Links that are slow one way, narrow, or narrow for one of two; and a relay far away beside one that is near.

use std::time::{Duration, Instant};

use caro_tests::{eventually, eventually_within};
use serde_bytes::ByteBuf;
use serde_json::json;

use super::{
    super::{
        client::{Client, Member},
        kills::pending_up,
        proxied::{DESKTOP, Doors, LAPTOP, Proxied},
        relay::RelayProgram,
        remotes::Two,
        shell::Shell,
    },
    apart::{BROKEN_BY, dense, expect_everywhere, expect_same, expect_waiting, leave_out, patience, type_on_each},
};
use crate::{
    proxy::toxic::Stream,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    seed::Seed,
};

/// T-LAT-03.
pub const T_LAT_03: Scenario = Scenario {
    id: "T-LAT-03",
    title: "Asymmetric latency",
    injection: "10 ms up, 500 ms down",
    outcome: "Both directions complete; VV equal",
    bodies: &[Body { tier: Tier::Proxy, broken_by: BROKEN_BY, run: asymmetric }],
};

fn asymmetric(run: &mut Run) {
    let mut proxied = Proxied::running(run);
    for (door, _) in proxied.devices() {
        proxied.doors.shut(door);
    }
    let all = type_on_each(&proxied.stage.devices(), run.sized(100, 10), "far");
    expect_waiting(&proxied.stage.devices());
    leave_out(run, &proxied.stage.laptop);
    proxied.doors.heal();
    for (door, _) in proxied.devices() {
        proxied.doors.put(door, Stream::Upstream, "latency", &json!({ "latency": 10 }));
        let down_ms = run.sized(500, 100);
        proxied.doors.put(door, Stream::Downstream, "latency", &json!({ "latency": down_ms }));
    }
    // Both come back within the longest pause of a device that was away for seconds, and what waits takes few trips.
    expect_everywhere(&proxied.stage.devices(), all.len(), patience(run, 30));
    expect_same(&proxied.stage.devices());
    proxied.expect_all(&all);
}

/// T-BW-01.
pub const T_BW_01: Scenario = Scenario {
    id: "T-BW-01",
    title: "56 kbit/s edge link",
    injection: "7 KB/s both ways",
    outcome: "Handshake and 50 small ops complete; a 1 MiB batch completes or stops with a retryable timeout and resumes \
              with monotone progress",
    bodies: &[Body { tier: Tier::Proxy, broken_by: BROKEN_BY, run: edge_link }],
};

/// Thousands of bytes a second that a line of 56 kbit/s carries.
const EDGE_RATE: u64 = 7;

fn edge_link(run: &mut Run) {
    let mut proxied = Proxied::running(run);
    proxied.doors.shut(LAPTOP);
    let mut all = type_on_each(&[&proxied.stage.laptop], run.sized(50, 10), "small");
    expect_waiting(&[&proxied.stage.laptop]);
    leave_out(run, &proxied.stage.laptop);
    proxied.doors.heal();
    proxied.doors.put_both(LAPTOP, "bandwidth", &json!({ "rate": EDGE_RATE }));
    expect_everywhere(&proxied.stage.devices(), all.len(), patience(run, 60));
    // A batch that takes minutes in one of fifty runs, and a part of that in the others.
    let batch = run.sized_once(1 << 20, 128 << 10, 12 << 10);
    let mut seed = Seed::new(run.seed);
    let lines: Vec<String> = (0..batch.div_ceil(12 << 10)).map(|_| dense(&mut seed, 12 << 10)).collect();
    let before = proxied.doors.bytes(LAPTOP).0;
    for line in &lines {
        proxied.stage.laptop.type_lines("large", &[line]);
    }
    let crossing = Duration::from_millis(batch as u64 / EDGE_RATE);
    // Something goes wrong half way; what is through stays through.
    eventually_within(crossing + Duration::from_secs(60), "half of it is up", || {
        (proxied.doors.bytes(LAPTOP).0 - before > batch as u64 / 2).then_some(())
    });
    let through = proxied.stage.desktop.home.count();
    proxied.doors.shut(LAPTOP);
    proxied.doors.heal();
    proxied.doors.put_both(LAPTOP, "bandwidth", &json!({ "rate": EDGE_RATE }));
    all.extend(lines);
    let mut least = through;
    eventually_within(2 * crossing + Duration::from_secs(60), "the other has all of it", || {
        let now = proxied.stage.desktop.home.count();
        assert!(now >= least, "{now} commands after there were {least}");
        least = now;
        (now == all.len() as u64 && pending_up(&proxied.stage.laptop) == 0).then_some(())
    });
    let sent = proxied.doors.bytes(LAPTOP).0 - before;
    // Cells are of seven sizes, the next of which is at most twice as large, and half was on its way when it was cut.
    assert!(sent <= 3 * batch as u64 + (64 << 10), "{sent} bytes for a batch of {batch}");
    proxied.expect_all(&all);
}

/// T-BW-02.
pub const T_BW_02: Scenario = Scenario {
    id: "T-BW-02",
    title: "Bandwidth drop mid-transfer",
    injection: "1 MB/s, then 10 KB/s at 50 %",
    outcome: "Completes or resumes; no partial cell accepted",
    bodies: &[Body { tier: Tier::Proxy, broken_by: BROKEN_BY, run: narrows }],
};

fn narrows(run: &mut Run) {
    let mut proxied = Proxied::running(run);
    proxied.doors.shut(LAPTOP);
    let size = run.sized(256 << 10, 24 << 10);
    let mut seed = Seed::new(run.seed);
    let lines: Vec<String> = (0..size.div_ceil(8 << 10)).map(|_| dense(&mut seed, 8 << 10)).collect();
    for line in &lines {
        proxied.stage.laptop.type_lines("large", &[line]);
    }
    eventually("all of it is taken in", || (proxied.stage.laptop.home.count() as usize == lines.len()).then_some(()));
    leave_out(run, &proxied.stage.laptop);
    proxied.doors.heal();
    proxied.doors.put(LAPTOP, Stream::Upstream, "bandwidth", &json!({ "rate": 1000 }));
    let before = proxied.doors.bytes(LAPTOP).0;
    eventually_within(patience(run, 30), "half of it is up", || {
        (proxied.doors.bytes(LAPTOP).0 - before > size as u64 / 2).then_some(())
    });
    proxied.doors.change(LAPTOP, Stream::Upstream, "bandwidth", &json!({ "rate": 10 }));
    expect_everywhere(&proxied.stage.devices(), lines.len(), patience(run, 120));
    proxied.expect_all(&lines);
}

/// T-BW-03.
pub const T_BW_03: Scenario = Scenario {
    id: "T-BW-03",
    title: "Fast client A, slow client B",
    injection: "A unlimited, B 8 KB/s",
    outcome: "Both converge; A's ack p99 <= 2x its solo value; relay queue for B bounded",
    bodies: &[Body {
        tier: Tier::Proxy,
        broken_by: &[Sabotage::SkipRetry, Sabotage::UnboundedQueue],
        run: one_is_slow,
    }],
};

/// What a switch of tasks may add to an acknowledgement on a busy machine with two processors.
const TICK: Duration = Duration::from_millis(25);

/// Kilobytes by which the relay may grow while a slow device is behind.
const GROWTH_KIB_MAX: u64 = 8 << 10;

fn one_is_slow(run: &mut Run) {
    let relay = RelayProgram::with_limits("messages_per_second = 100000");
    let doors = Doors::one(&relay, run);
    let mut member = Member::new(run.seed, 2);
    let mut fast = member.found(relay.place());
    let rounds = run.sized(200, 60);
    let push = |fast: &mut Client, member: &mut Member, cells: usize, bytes: usize| -> Duration {
        let cells: Vec<ByteBuf> = (0..cells).map(|_| member.cell(bytes)).collect();
        let begun = Instant::now();
        fast.push(&cells).expect("acknowledged");
        begun.elapsed()
    };
    let p99 = |fast: &mut Client, member: &mut Member| -> Duration {
        let mut times: Vec<Duration> = (0..rounds).map(|_| push(fast, member, 1, 1024)).collect();
        times.sort();
        times[times.len() * 99 / 100]
    };
    // Alone, with as many bytes as later, so that what the store keeps in memory is there before.
    let alone = p99(&mut fast, &mut member);
    let bulk = run.sized(64, 16);
    for _ in 0..bulk {
        let cells: Vec<ByteBuf> = (0..4).map(|_| member.cell(32 << 10)).collect();
        fast.push(&cells).expect("acknowledged");
    }
    let mut slow = member.enter(doors.only(), 1).expect("it is let in");
    doors.put(LAPTOP, Stream::Downstream, "bandwidth", &json!({ "rate": 8 }));
    slow.pull(0, caro_schema::id::Hash([0; 32])).expect("sent");
    let before_kib = relay.peak_kib();
    let beside = p99(&mut fast, &mut member);
    assert!(beside <= 2 * alone + TICK, "an acknowledgement takes {beside:?} beside a slow device, {alone:?} alone");
    for _ in 0..bulk {
        let cells: Vec<ByteBuf> = (0..4).map(|_| member.cell(32 << 10)).collect();
        fast.push(&cells).expect("acknowledged");
    }
    let grown = relay.peak_kib() - before_kib;
    assert!(grown <= GROWTH_KIB_MAX, "the relay grew by {grown} KiB for one slow device");
    // What it was sent and has not read is little: the rest waits in the log.
    let sent = if run.lacks(Sabotage::UnboundedQueue) { bulk as u64 * (128 << 10) } else { doors.bytes(LAPTOP).1 };
    assert!(sent <= 1 << 20, "{sent} bytes wait for a device that reads 8 KB in a second");
    // Its link breaks, and it comes back over a better one.
    drop(slow);
    doors.shut(LAPTOP);
    doors.heal();
    let expected = 2 * rounds + 8 * bulk;
    let come = if run.lacks(Sabotage::SkipRetry) {
        0
    } else {
        let mut again = member.enter(doors.only(), 1).expect("it is let in");
        again.pull_all().expect("everything comes").len()
    };
    assert_eq!(come, expected, "the slow one has not everything");
    assert_eq!(fast.pull_all().expect("everything comes").len(), expected);
}

/// MR-5.
pub const MR_5: Scenario = Scenario {
    id: "MR-5",
    title: "Slow primary",
    injection: "5 s latency on the primary",
    outcome: "Secondary completes fast; primary completes eventually; hook unaffected",
    bodies: &[Body { tier: Tier::Proxy, broken_by: &[Sabotage::DropOutboxOnError], run: far_primary }],
};

fn far_primary(run: &mut Run) {
    let Proxied { stage, doors } = Proxied::running(run);
    let two = Two::with(stage);
    let mut shell = Shell::start(run, &two.stage.laptop.home);
    let far = Duration::from_millis(run.sized(5_000, 2_000) as u64);
    for door in [LAPTOP, DESKTOP] {
        let latency = json!({ "latency": far.as_millis() as u64 });
        doors.put(door, Stream::Downstream, "latency", &latency);
    }
    // Each prompt comes back, and each command is recorded, whoever is far.
    let mut lines: Vec<String> = (0..4).map(|n| shell.echo(&format!("laptop {n}"))).collect();
    let begun = Instant::now();
    lines.push(shell.echo("laptop 4"));
    eventually("all of it is recorded", || (two.stage.laptop.home.count() as usize == lines.len()).then_some(()));
    if run.lacks(Sabotage::DropOutboxOnError) {
        expect_waiting(&[&two.stage.laptop]);
        leave_out(run, &two.stage.laptop);
    }
    eventually_within(patience(run, 20), "the desktop has them", || {
        (two.stage.desktop.home.count() as usize == lines.len()).then_some(())
    });
    assert!(begun.elapsed() < far, "the near relay took {:?}", begun.elapsed());
    // The far one has everything some answers later.
    eventually_within(patience(run, 60), "nothing waits", || {
        two.stage.devices().into_iter().all(|device| pending_up(device) == 0).then_some(())
    });
    doors.heal();
    two.expect_all(&lines);
}
