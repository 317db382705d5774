//! One-way links, and a stranger who opens connections and finishes none. The sessions here are the test's own, made at
//! nodes of a lab; only root may go there as it is.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use caro_schema::relay::{Entry, ToDevice, ToRelay};
use caro_tests::eventually_within;

use super::super::{
    client::{Client, Member},
    connections::IDLE_MS,
    netted::{DESKTOP, LAPTOP, PLACE, RELAY, STRANGER, lab, under},
    relay::RelayProgram,
};
use crate::{
    netlab::{Lab, link::Way},
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
};

/// A relay in a lab.
fn relay_in(lab: &Lab, limits: &str) -> RelayProgram {
    let mut relay = RelayProgram::prepared_at(PLACE, limits);
    relay.start_under(&under(lab, RELAY)).expect("the relay starts");
    relay
}

/// Does something at a node, or ends the run as skipped.
fn at<T: Send>(run: &Run, lab: &Lab, node: &str, act: impl FnOnce() -> T + Send) -> T {
    lab.within(node, act).unwrap_or_else(|| run.skip("root, to enter a network as it is"))
}

/// T-CONN-05 with a link that is dead one way.
pub const T_CONN_05: Body = Body { tier: Tier::Net, broken_by: &[Sabotage::NoKeepalive], run: one_way };

fn one_way(run: &mut Run) {
    let idle_ms = if run.lacks(Sabotage::NoKeepalive) { 600_000 } else { IDLE_MS };
    let mut lab = lab(run);
    let relay = relay_in(&lab, &format!("idle_ms = {idle_ms}"));
    let mut member = Member::new(run.seed, 2);
    let mut stale = at(run, &lab, LAPTOP, || member.found(PLACE));
    let kept = member.cell(1024);
    stale.push(std::slice::from_ref(&kept)).expect("acknowledged");
    let mut other = at(run, &lab, DESKTOP, || member.enter(PLACE, 1)).expect("it is let in");
    // What the device says is lost; what the relay says arrives.
    lab.set(LAPTOP, &Way::lossy(100.0), &Way::default());
    let late = member.cell(1024);
    stale.send(&ToRelay::Push { cells: vec![late.clone()] }).expect("the system takes it");
    eventually_within(Duration::from_millis(IDLE_MS * 2 + 1500), "the other one is told that it is alone", || {
        other.send(&ToRelay::Ping { token: 1 }).expect("it is in");
        other.hear().expect("it is in");
        (other.others == Some(0)).then_some(())
    });
    // The link is whole again: what was on its way comes late, and is not taken.
    lab.set_both(LAPTOP, &Way::default());
    assert!(stale.has_ended_within(Duration::from_secs(10)), "the old session is still there");
    let mut back = at(run, &lab, LAPTOP, || member.enter(PLACE, 0)).expect("it comes back");
    let log = back.pull_all().expect("everything comes");
    assert!(log == [Entry::Cell(kept)], "the log has {} entries", log.len());
    assert!(!log.contains(&Entry::Cell(late)));
    drop(relay);
}

/// A-RES-01.
pub const A_RES_01: Scenario = Scenario {
    id: "A-RES-01",
    title: "Connection flood",
    injection: "1,000 simultaneous handshakes left incomplete",
    outcome: "Limits or back-pressure; existing sessions' p99 <= 2x; per-IP limit trips; log has only IP and reason",
    bodies: &[Body { tier: Tier::Net, broken_by: &[Sabotage::NoLimits], run: flood }],
};

/// What a switch of tasks may add to an answer on a busy machine with two processors.
const TICK: Duration = Duration::from_millis(10);

fn flood(run: &mut Run) {
    let lab = lab(run);
    let limits = if run.lacks(Sabotage::NoLimits) {
        "connections_per_address_max = 100000\nconnections_per_address_per_minute = 100000\nopening_max = 100000\n\
         opening_per_address_max = 100000"
    } else {
        ""
    };
    let relay = relay_in(&lab, limits);
    let member = Member::new(run.seed, 1);
    let mut inside = at(run, &lab, LAPTOP, || member.found(PLACE));
    let rounds = run.sized(500, 150);
    let before = p99(&mut inside, rounds);
    let count = run.sized(1_000, 400);
    let crowd: Vec<TcpStream> = at(run, &lab, STRANGER, || {
        // A crowd that does not get in as a whole is what the relay's limits are for; how many must is looked at below.
        (0..count).flat_map(|_| TcpStream::connect_timeout(&PLACE, Duration::from_secs(5))).collect()
    });
    assert!(crowd.len() > count / 4, "only {} connected", crowd.len());
    let during = p99(&mut inside, rounds);
    assert!(during <= 2 * before + TICK, "an answer takes {during:?} beside the flood, {before:?} before");
    // One address has its share and no more.
    let held = crowd.iter().filter(|tcp| is_open(tcp)).count();
    assert!(held <= 256, "{held} connections of one address");
    // Others are let in meanwhile.
    let mut again = at(run, &lab, DESKTOP, || member.enter(PLACE, 0)).expect("it is let in");
    assert!(again.pull_all().is_some());
    let said = relay.said();
    assert!(said.contains("10.77.0.4"), "nothing says who it was: {said}");
    let of_it: Vec<&str> = said.lines().filter(|line| line.contains("10.77.0.4")).collect();
    assert!(of_it.len() <= 20, "{} lines for one flood", of_it.len());
    let secret = hex(&member.handle().0);
    assert!(!said.contains(&secret[..16]), "the log names an account");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the relay has not ended a connection that said nothing.
fn is_open(tcp: &TcpStream) -> bool {
    tcp.set_nonblocking(true).expect("set");
    matches!(tcp.peek(&mut [0; 1]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

/// The slowest but one of a hundred answers.
fn p99(client: &mut Client, rounds: usize) -> Duration {
    let mut times: Vec<Duration> = (0..rounds as u64)
        .map(|token| {
            let begun = Instant::now();
            client.send(&ToRelay::Ping { token }).expect("it is in");
            assert!(matches!(client.hear(), Some(ToDevice::Pong { .. })));
            begun.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() * 99 / 100]
}
