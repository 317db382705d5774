//! Real programs over links that are far, narrow, lossy or dead, in networks of their own.

use std::{
    thread,
    time::{Duration, Instant},
};

use caro_link::handshake::{FIRST_BYTES, SECOND_BYTES, THIRD_BYTES};
use caro_tests::{Device, eventually, eventually_within};

use super::{
    super::{
        database::cell_sizes,
        kills::pending_up,
        netted::{DESKTOP, LAPTOP, Netted, start_daemon},
        proxied::is_connected,
    },
    apart::{
        BETWEEN, BROKEN_BY, dense, expect_everywhere, expect_in_order, expect_same, expect_waiting, leave_out_with,
        lines_of_sizes, patience, type_on_each, until,
    },
    silent::NOTICED_WITHIN,
};
use crate::{
    netlab::link::Way,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    seed::Seed,
};

/// Two devices that were switched off the network, each with so many ops, and are about to come back over such a link.
fn apart(run: &Run, netted: &mut Netted, ops: usize, way: &Way) -> Vec<String> {
    for device in netted.stage.devices() {
        device.home.caro_ok(&["sync", "off"]);
    }
    let all = type_on_each(&netted.stage.devices(), ops, "apart");
    expect_waiting(&netted.stage.devices());
    leave_out(run, netted);
    netted.set_both(way);
    all
}

fn leave_out(run: &Run, netted: &Netted) {
    let laptop = &netted.stage.laptop;
    leave_out_with(run, laptop, || start_daemon(&netted.lab, LAPTOP, &laptop.home));
}

/// Comes back. Gives how long it took until both were connected.
fn come_back(run: &Run, netted: &Netted, within: Duration) -> Duration {
    let begun = Instant::now();
    for (node, device) in netted.devices() {
        if !(run.lacks(Sabotage::SkipRetry) && node == LAPTOP) {
            device.home.caro_ok(&["sync", "on"]);
        }
    }
    netted.expect_connected(within.min(patience(run, within.as_secs())));
    begun.elapsed()
}

/// Each look starts a program or two, which would be what a busy machine does.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Everything arrives, and nobody loses the connection meanwhile.
fn arrives_without_reconnect(run: &Run, netted: &Netted, count: usize, within: Duration) {
    let deadline = Instant::now() + patience(run, within.as_secs().max(1));
    loop {
        let devices = netted.stage.devices();
        assert!(devices.into_iter().all(is_connected), "a connection was lost on a link that only is slow");
        if devices.iter().all(|device| device.home.count() as usize == count && pending_up(device) == 0) {
            return;
        }
        assert!(Instant::now() < deadline, "not in {within:?}");
        thread::sleep(BETWEEN_LOOKS);
    }
}

/// Where there is time enough: what an outbox drops is found out meanwhile, and brought again.
const GIVEN_UP: &[Sabotage] = &[Sabotage::SkipRetry];

/// T-LAT-01 with real programs.
pub const T_LAT_01: Body = Body { tier: Tier::Net, broken_by: BROKEN_BY, run: fixed_latency };

/// What asking a program how it is may take on a busy machine.
const ASKING: Duration = Duration::from_millis(500);

fn fixed_latency(run: &mut Run) {
    let mut netted = Netted::running(run);
    let each_way = run.sized(200, 40) as u32;
    let round_trip = Duration::from_millis(2) * each_way;
    let all = apart(run, &mut netted, run.sized(100, 20), &Way::late(u64::from(each_way)));
    let took = come_back(run, &netted, Duration::from_secs(20));
    assert!(took <= 5 * round_trip + ASKING, "a handshake took {took:?}");
    let within = 12 * round_trip + Duration::from_secs(2) + ASKING;
    arrives_without_reconnect(run, &netted, all.len(), within);
    expect_same(&netted.stage.devices());
    netted.expect_all(&all);
}

/// T-LAT-02 with real programs.
pub const T_LAT_02: Body = Body { tier: Tier::Net, broken_by: BROKEN_BY, run: high_jitter };

fn high_jitter(run: &mut Run) {
    let mut netted = Netted::running(run);
    let way = Way { delay_ms: 200, jitter_ms: 150, ..Way::default() };
    let mut all = apart(run, &mut netted, run.sized(60, 10), &way);
    come_back(run, &netted, Duration::from_secs(30));
    all.extend(type_on_each(&netted.stage.devices(), run.sized(60, 10), "live"));
    expect_everywhere(&netted.stage.devices(), all.len(), patience(run, 60));
    // A history is shown by time, whatever came first; at the relay each author's cells are in the order in which they came.
    let mut seed = Seed::new(run.seed);
    let count = run.sized(10, 4);
    let sizes = [[4 << 10, 32 << 10], [8 << 10, 16 << 10]];
    let written = sizes.map(|sizes| lines_of_sizes(&mut seed, sizes, count));
    for n in 0..count {
        for (device, written) in netted.stage.devices().into_iter().zip(&written) {
            let before = device.home.count();
            device.type_lines("sizes", &[&written[n].1]);
            // By itself in an op, which has a cell of its own.
            eventually("it is recorded", || (device.home.count() > before).then_some(()));
            all.push(written[n].1.clone());
        }
        until(Instant::now(), BETWEEN);
    }
    expect_everywhere(&netted.stage.devices(), all.len(), patience(run, 60));
    expect_same(&netted.stage.devices());
    netted.expect_all(&all);
    let cells = cell_sizes(&netted.stage.relay.database());
    for written in &written {
        expect_in_order(&cells, written);
    }
}

/// T-LAT-04 with real programs.
pub const T_LAT_04: Body = Body { tier: Tier::Net, broken_by: BROKEN_BY, run: satellite };

fn satellite(run: &mut Run) {
    let mut netted = Netted::running(run);
    let way = Way { delay_ms: 600, jitter_ms: 50, ..Way::default() };
    let mut all = apart(run, &mut netted, run.sized(50, 5), &way);
    come_back(run, &netted, Duration::from_secs(20));
    arrives_without_reconnect(run, &netted, all.len(), Duration::from_secs(40));
    // Longer than it takes a device to ask whether the relay is there, and to give it up.
    let begun = Instant::now();
    let quiet = Duration::from_secs(run.sized(25, 1) as u64);
    while begun.elapsed() < quiet {
        assert!(netted.stage.devices().into_iter().all(is_connected), "given up on a link that only is slow");
        thread::sleep(BETWEEN_LOOKS);
    }
    all.extend(type_on_each(&netted.stage.devices(), 1, "after a silence"));
    arrives_without_reconnect(run, &netted, all.len(), Duration::from_secs(20));
    netted.expect_all(&all);
}

/// T-LOSS-01.
pub const T_LOSS_01: Scenario = Scenario {
    id: "T-LOSS-01",
    title: "5 % random loss",
    injection: "Random loss both ways, 500 ops",
    outcome: "Sync completes by retries; zero duplicates applied; no error shown to the user",
    bodies: &[Body { tier: Tier::Net, broken_by: BROKEN_BY, run: some_loss }],
};

fn some_loss(run: &mut Run) {
    let mut netted = Netted::running(run);
    let ops = run.sized(250, 20);
    let mut all = apart(run, &mut netted, ops / 2, &Way { delay_ms: 20, ..Way::lossy(5.0) });
    come_back(run, &netted, Duration::from_secs(30));
    all.extend(type_on_each(&netted.stage.devices(), ops - ops / 2, "live"));
    expect_everywhere(&netted.stage.devices(), all.len(), patience(run, 90));
    for device in netted.stage.devices() {
        expect_no_complaint(device);
    }
    assert!(netted.lab.counts(LAPTOP).0.lost > 0, "nothing was lost");
    expect_same(&netted.stage.devices());
    netted.expect_all(&all);
}

/// # Panics
/// When a device tells its user that something is wrong.
fn expect_no_complaint(device: &Device) {
    let status = device.home.caro_ok(&["sync", "status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(status.trim()).expect("JSON");
    // That a device joined is news, and was said when it did.
    let complaints =
        status["warnings"].as_array().into_iter().flatten().filter(|one| one["warning"] != "device_joined");
    assert_eq!(complaints.count(), 0, "{status}");
    assert_eq!(status["refused"], 0, "{status}");
}

/// T-LOSS-02.
pub const T_LOSS_02: Scenario = Scenario {
    id: "T-LOSS-02",
    title: "20 % random loss",
    injection: "Random loss both ways",
    outcome: "Completes within the deadline or returns a retryable error; no corruption; converges once loss is gone",
    bodies: &[Body { tier: Tier::Net, broken_by: BROKEN_BY, run: much_loss }],
};

fn much_loss(run: &mut Run) {
    let mut netted = Netted::running(run);
    let all = apart(run, &mut netted, run.sized(50, 10), &Way { delay_ms: 10, ..Way::lossy(20.0) });
    for (node, device) in netted.devices() {
        if !(run.lacks(Sabotage::SkipRetry) && node == LAPTOP) {
            device.home.caro_ok(&["sync", "on"]);
        }
    }
    let wait = run.sized(30, 2).to_string();
    let output = netted.stage.laptop.home.caro(&["sync", "now", "--wait", &wait]);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("hint: "), "an error that does not say what to do: {said}");
    }
    netted.set_both(&Way::default());
    expect_everywhere(&netted.stage.devices(), all.len(), patience(run, 60));
    expect_same(&netted.stage.devices());
    netted.expect_all(&all);
}

/// T-LOSS-03 with real programs.
pub const T_LOSS_03: Body = Body { tier: Tier::Net, broken_by: GIVEN_UP, run: bursts };

fn bursts(run: &mut Run) {
    let mut netted = Netted::running(run);
    let way = Way { delay_ms: 30, burst_ms: 2_000, correlation: 25.0, ..Way::lossy(10.0) };
    let mut all = apart(run, &mut netted, 3, &way);
    come_back(run, &netted, Duration::from_secs(30));
    for n in 0..run.sized(20, 2) {
        let device = netted.stage.devices()[n % 2];
        let line = format!("echo burst {n}");
        device.type_lines("bursts", &[&line]);
        all.push(line);
        // Two seconds of a burst, then ten; and the other way may be in one of its own.
        expect_everywhere(&netted.stage.devices(), all.len(), patience(run, 24));
    }
    expect_same(&netted.stage.devices());
    netted.expect_all(&all);
}

/// T-LOSS-04 in networks of their own.
pub const T_LOSS_04: Body = Body { tier: Tier::Net, broken_by: BROKEN_BY, run: link_down };

fn link_down(run: &mut Run) {
    let mut netted = Netted::running(run);
    partition(run, &mut netted, Duration::from_secs(run.sized(30, 20) as u64));
}

/// Both links are dead for a while, both devices write, and it heals.
fn partition(run: &Run, netted: &mut Netted, lasts: Duration) {
    let mut seed = Seed::new(run.seed);
    let mut all: Vec<String> = (0..40).map(|_| dense(&mut seed, 3 << 10)).collect();
    for line in &all {
        netted.stage.laptop.type_lines("before", &[line]);
    }
    expect_everywhere(&netted.stage.devices(), all.len(), Duration::from_secs(20));
    let begun = Instant::now();
    netted.set_both(&Way::lossy(100.0));
    all.extend(type_on_each(&netted.stage.devices(), 10, "alone"));
    eventually_within(NOTICED_WITHIN, "both say that they are offline", || {
        (!netted.stage.devices().into_iter().any(is_connected)).then_some(())
    });
    for device in netted.stage.devices() {
        eventually("its own history goes on", || (device.home.count() == 50).then_some(()));
    }
    leave_out(run, netted);
    until(begun, lasts);
    let before = [LAPTOP, DESKTOP].map(|node| netted.lab.counts(node).1.bytes);
    netted.set_both(&Way::default());
    netted.expect_connected(patience(run, 30));
    expect_everywhere(&netted.stage.devices(), all.len(), patience(run, 20));
    // Resumed, not begun again: of what was there before, nothing came a second time.
    for (node, before) in [LAPTOP, DESKTOP].into_iter().zip(before) {
        let pulled = netted.lab.counts(node).1.bytes - before;
        assert!(pulled < 80 << 10, "{pulled} bytes came for 20 small commands");
    }
    expect_same(&netted.stage.devices());
    netted.expect_all(&all);
}

/// S-CONV-01 in networks of their own.
pub const S_CONV_01: Body = Body { tier: Tier::Net, broken_by: BROKEN_BY, run: both_push_apart };

fn both_push_apart(run: &mut Run) {
    let mut netted = Netted::running(run);
    partition(run, &mut netted, Duration::ZERO);
}

/// S-CONV-03 in networks of their own.
pub const S_CONV_03: Body = Body { tier: Tier::Net, broken_by: GIVEN_UP, run: unlike_links };

fn unlike_links(run: &mut Run) {
    let mut netted = Netted::running(run);
    let mut all = apart(run, &mut netted, 5, &Way::default());
    netted.lab.set_both(LAPTOP, &Way::late(run.sized(200, 50) as u64));
    netted.lab.set_both(DESKTOP, &Way::lossy(20.0));
    come_back(run, &netted, Duration::from_secs(40));
    // Five minutes in one of fifty runs.
    let active = Duration::from_secs(run.sized_once(300, 15, 1) as u64);
    let begun = Instant::now();
    let mut n = 0;
    while begun.elapsed() < active {
        all.extend(type_on_each(&netted.stage.devices(), 1, &format!("active-{n}")));
        n += 1;
        until(begun, Duration::from_millis(250) * n);
    }
    expect_everywhere(&netted.stage.devices(), all.len(), patience(run, 90));
    expect_same(&netted.stage.devices());
    netted.expect_all(&all);
}

/// S-BLOB-01 over a real link.
pub const S_BLOB_01: Body = Body { tier: Tier::Net, broken_by: BROKEN_BY, run: large_set };

fn large_set(run: &mut Run) {
    let mut netted = Netted::running(run);
    netted.stage.laptop.home.caro_ok(&["sync", "off"]);
    // 8 MiB in one of fifty runs.
    let size = run.sized_once(8 << 20, 1 << 20, 64 << 10);
    let mut seed = Seed::new(run.seed);
    let each = 28 << 10;
    let all: Vec<String> = (0..size.div_ceil(each)).map(|_| dense(&mut seed, each)).collect();
    for line in &all {
        netted.stage.laptop.type_lines("large", &[line]);
    }
    eventually("all of it is taken in", || (netted.stage.laptop.home.count() as usize == all.len()).then_some(()));
    leave_out(run, &netted);
    netted.set_both(&Way { delay_ms: run.sized(200, 20) as u64, ..Way::lossy(5.0) });
    if !run.lacks(Sabotage::SkipRetry) {
        netted.stage.laptop.home.caro_ok(&["sync", "on"]);
    }
    expect_everywhere(&netted.stage.devices(), all.len(), patience(run, 400));
    expect_same(&netted.stage.devices());
    netted.expect_all(&all);
}

/// E-PQ-02 over a narrow link.
pub const E_PQ_02: Body = Body { tier: Tier::Net, broken_by: &[Sabotage::SkipRetry], run: narrow_handshake };

fn narrow_handshake(run: &mut Run) {
    const { assert!(FIRST_BYTES + SECOND_BYTES + THIRD_BYTES <= 2600) };
    let mut netted = Netted::running(run);
    let way = Way { rate: 7_000, delay_ms: run.sized(150, 30) as u64, ..Way::default() };
    let all = apart(run, &mut netted, run.sized(20, 3), &way);
    // The relay and the device give a handshake ten seconds each.
    let took = come_back(run, &netted, Duration::from_secs(10));
    assert!(took < Duration::from_secs(10), "{took:?}");
    arrives_without_reconnect(run, &netted, all.len(), Duration::from_secs(60));
    netted.expect_all(&all);
}

/// X-PLAT-01 in networks of their own.
pub const X_PLAT_01: Body =
    Body { tier: Tier::Net, broken_by: &[Sabotage::NativePathBytes, Sabotage::NoReconnect], run: two_systems };

fn two_systems(run: &mut Run) {
    let mut netted = Netted::running(run);
    for device in netted.stage.devices() {
        device.home.caro_ok(&["sync", "off"]);
    }
    // Names with what each kind of system writes: the other separator, other ends of lines, other letters.
    let mut all = Vec::new();
    for n in 0..run.sized(10, 3) {
        let linux = format!("grep -r 'a\\n' /home/ü/{n} | less\n# {n}");
        let windows = format!("Get-ChildItem -Path 'C:\\Users\\N{n}' |\r\n  Select-String \"e\u{301} 漢\"");
        netted.stage.laptop.type_lines("linux", &[&linux]);
        let taken = if run.lacks(Sabotage::NativePathBytes) { windows.replace('\\', "/") } else { windows.clone() };
        netted.stage.desktop.type_lines("windows", &[&taken]);
        all.extend([linux, windows]);
    }
    expect_waiting(&netted.stage.devices());
    netted.set_both(&Way { delay_ms: run.sized(500, 50) as u64, ..Way::lossy(20.0) });
    // A session, and another with other keys.
    for round in 0..2 {
        for (node, device) in netted.devices() {
            if !(run.lacks(Sabotage::NoReconnect) && node == LAPTOP) {
                device.home.caro_ok(&["sync", "on"]);
            }
        }
        if round == 0 {
            netted.expect_connected(patience(run, 120));
            for device in netted.stage.devices() {
                device.home.caro_ok(&["sync", "off"]);
            }
        }
    }
    expect_everywhere(&netted.stage.devices(), all.len(), patience(run, 180));
    expect_same(&netted.stage.devices());
    netted.expect_all(&all);
}
