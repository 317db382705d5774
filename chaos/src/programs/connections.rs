//! Connections that come and go, that stand half open, and handshakes that nobody finishes.

use std::{
    net::{TcpListener, TcpStream},
    panic::resume_unwind,
    thread,
    time::{Duration, Instant},
};

use caro_schema::relay::{Entry, ToDevice, ToRelay};
use caro_tests::{eventually, eventually_within};
use rustix::process::Signal;

use super::{
    client::{Client, Member, expect_held},
    relay::RelayProgram,
    stage::Stage,
};
use crate::{
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    seed::Seed,
};

/// How soon what belonged to a connection must be free again.
pub(super) const FREE_WITHIN: Duration = Duration::from_secs(3);

/// Descriptors of a relay that has come to rest: the same number for a while.
pub(super) fn at_rest(relay: &RelayProgram) -> usize {
    let (mut known, mut same) = (0, 0);
    eventually("the relay comes to rest", || {
        let now = relay.descriptors();
        same = if now == known { same + 1 } else { 0 };
        known = now;
        (same >= 8).then_some(known)
    })
}

/// T-CONN-04.
pub const T_CONN_04: Scenario = Scenario {
    id: "T-CONN-04",
    title: "Rapid reconnect, 10 in 5 s",
    injection: "Script: connect, push 1, disconnect",
    outcome: "No connection, descriptor or task leak; state intact; rate limiter does not lock the device out",
    bodies: &[
        Body { tier: Tier::Proc, broken_by: &[Sabotage::LeakSession], run: reconnect_rapidly },
        super::links::silent::T_CONN_04,
    ],
};

fn reconnect_rapidly(run: &mut Run) {
    let relay = RelayProgram::new();
    let mut member = Member::new(run.seed, 1);
    let mut acknowledged = Vec::new();
    let mut push_one = |client: &mut Client, member: &mut Member| {
        let cell = member.cell(1024);
        let accepted = client.push(std::slice::from_ref(&cell)).expect("acknowledged");
        acknowledged.push((cell, accepted[0].cursor));
        acknowledged.len()
    };
    // Once before, so that what a relay opens at its first request is open.
    let mut first = member.found(relay.place());
    push_one(&mut first, &mut member);
    first.pull_all().expect("everything comes");
    drop(first);
    let before = at_rest(&relay);
    let threads = relay.threads();
    let begun = Instant::now();
    let mut kept = Vec::new();
    for _ in 0..10 {
        let mut client = member.enter(relay.place(), 0).expect("it is let in");
        push_one(&mut client, &mut member);
        if run.lacks(Sabotage::LeakSession) {
            kept.push(client);
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "ten times in {:?}", begun.elapsed());
    eventually_within(FREE_WITHIN, "nothing is left of them", || {
        (relay.descriptors() <= before && relay.threads() <= threads).then_some(())
    });
    assert_eq!(expect_held(&member, relay.place(), &acknowledged), 11);
}

/// T-CONN-05.
pub const T_CONN_05: Scenario = Scenario {
    id: "T-CONN-05",
    title: "Half-open connection",
    injection: "One-way DROP, or SIGSTOP of the relay, or `slow_close`",
    outcome: "Relay ends the stale session within 2 keepalive periods; client notices on next use; clean reconnect; late \
              frames of the old session rejected",
    bodies: &[
        Body { tier: Tier::Proc, broken_by: &[Sabotage::NoKeepalive], run: half_open },
        super::links::silent::T_CONN_05,
        super::links::strange::T_CONN_05,
    ],
};

/// Silence after which the relays of these runs end a session, in milliseconds. Longer than those who are not silent may
/// be kept waiting by a busy machine.
pub(super) const IDLE_MS: u64 = 2_000;

/// Asks the relay until it says that nobody else is there, which it may know two periods after the other fell silent.
///
/// # Panics
/// When it says so too late, or too early to have waited for a sign of life.
pub(super) fn expect_alone(client: &mut Client, silent_since: Instant) {
    eventually_within(Duration::from_millis(IDLE_MS * 2 + 1500), "the other one is told that it is alone", || {
        client.send(&ToRelay::Ping { token: 1 }).expect("it is in");
        client.hear().expect("it is in");
        (client.others == Some(0)).then_some(())
    });
    assert!(silent_since.elapsed() >= Duration::from_millis(IDLE_MS / 2), "not before its time");
}

/// Does what is mostly silence beside the rest of a scenario, in one of four runs.
fn beside(run: &Run, silence: impl FnOnce() + Send, rest: impl FnOnce()) {
    thread::scope(|scope| {
        let silent = (run.seed % 4 == 1 && run.sabotage.is_none()).then(|| scope.spawn(silence));
        rest();
        if let Some(Err(cause)) = silent.map(thread::ScopedJoinHandle::join) {
            resume_unwind(cause);
        }
    });
}

fn half_open(run: &mut Run) {
    beside(run, || relay_stands_still(run), || device_stands_still(run));
}

/// A device has gone to sleep, and takes no leave.
fn device_stands_still(run: &Run) {
    let idle_ms = if run.lacks(Sabotage::NoKeepalive) { 600_000 } else { IDLE_MS };
    let relay = RelayProgram::with_limits(&format!("idle_ms = {idle_ms}"));
    let mut member = Member::new(run.seed, 2);
    let mut stale = member.found(relay.place());
    let kept = member.cell(1024);
    let cursor = stale.push(std::slice::from_ref(&kept)).expect("acknowledged")[0].cursor;
    let mut other = member.enter(relay.place(), 1).expect("it is let in");
    // The other one asks for signs of life as a device does; the stale one has gone to sleep and takes no leave.
    let begun = Instant::now();
    expect_alone(&mut other, begun);
    // What comes late on the old connection is not taken.
    let late = member.cell(1024);
    let _ = stale.send(&ToRelay::Push { cells: vec![late.clone()] });
    assert!(stale.has_ended_within(Duration::from_secs(2)));
    let mut back = member.enter(relay.place(), 0).expect("it comes back");
    let entries = back.pull_all().expect("everything comes");
    assert!(!entries.contains(&Entry::Cell(late)), "a late frame of an old session was taken");
    expect_held(&member, relay.place(), &[(kept, cursor)]);
}

/// The relay is stopped, and says nothing: a device notices, goes on, and comes back by itself.
fn relay_stands_still(run: &Run) {
    let mut stage = Stage::running();
    stage.laptop.sync();
    stage.relay.signal(Signal::STOP);
    let line = format!("echo laptop {}", run.seed);
    stage.laptop.type_lines("one", &[&line]);
    stage.laptop.expect_commands(&[&line]);
    eventually_within(Duration::from_secs(25), "the device says that the relay is away", || {
        let status = stage.laptop.home.caro_ok(&["sync", "status", "--json"]);
        (!status.to_lowercase().contains("\"connected\"")).then_some(())
    });
    stage.relay.signal(Signal::CONT);
    stage.expect_all(&[line]);
}

/// E-HS-06 with real programs.
pub const E_HS_06: Body = Body { tier: Tier::Proc, broken_by: &[Sabotage::NoHandshakeDeadline], run: nobody_finishes };

/// How long opening may take at the relays of these runs, in milliseconds. Enough for those who do finish on a busy machine.
const OPENING_MS: u64 = 2_000;

fn nobody_finishes(run: &mut Run) {
    beside(run, responder_never_replies, || initiators_never_finish(run));
}

fn initiators_never_finish(run: &Run) {
    let limits = if run.lacks(Sabotage::NoHandshakeDeadline) {
        // Each stage on the way has one, too.
        ["opening_ms", "tls_ms", "upgrade_ms", "handshake_ms", "hello_ms"]
            .map(|name| format!("{name} = 600000"))
            .join("\n")
    } else {
        format!("opening_ms = {OPENING_MS}")
    };
    let relay = RelayProgram::with_limits(&limits);
    let member = Member::new(run.seed, 1);
    let mut first = member.found(relay.place());
    first.pull_all().expect("everything comes");
    drop(first);
    let before = at_rest(&relay);
    // Silent from the start, after the upgrade, after message 1, after message 3.
    let tcp = TcpStream::connect(relay.place()).expect("it listens");
    let socket = super::client::socket(relay.place()).expect("it listens");
    let halfway = Client::half_open(relay.place(), &member).expect("it answers message 1");
    let mut silent = Client::connect(relay.place(), &member, 0).expect("a session");
    assert!(relay.descriptors() >= before + 4);
    assert!(silent.has_ended_within(Duration::from_millis(OPENING_MS) + FREE_WITHIN), "a silent one may stay");
    eventually_within(FREE_WITHIN, "nothing is left of them", || (relay.descriptors() <= before).then_some(()));
    drop((tcp, socket, halfway, silent));
    two_at_once(&relay, &member, before);
}

/// Two handshakes of one device at the same time: exactly one session remains, and nothing is left of the other.
fn two_at_once(relay: &RelayProgram, member: &Member, before: usize) {
    let sessions: Vec<Client> = thread::scope(|scope| {
        let enter = || member.enter(relay.place(), 0);
        let running = [scope.spawn(enter), scope.spawn(enter)];
        running.into_iter().filter_map(|thread| thread.join().expect("ran")).collect()
    });
    let mut remaining = Vec::new();
    for mut session in sessions {
        let answers = session.send(&ToRelay::Ping { token: 1 }).is_some()
            && matches!(session.hear(), Some(ToDevice::Pong { token: 1 }));
        if answers {
            assert!(session.others.is_none_or(|others| others == 0), "a device counted twice");
            remaining.push(session);
        }
    }
    assert_eq!(remaining.len(), 1, "sessions of one device");
    eventually_within(FREE_WITHIN, "nothing is left of the other one", || {
        (relay.descriptors() <= before + 1).then_some(())
    });
}

/// A device that talks to something which takes its connection and says nothing gives up in time, and leaves nothing.
fn responder_never_replies() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = listener.local_addr().expect("a place");
    let home = caro_tests::Home::new();
    home.caro_ok(&["daemon", "start"]);
    let pid = home.daemon_pid().expect("it runs");
    let sockets = || {
        let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
        let links = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
    };
    let before = sockets();
    let begun = Instant::now();
    let output = home.caro(&["sync", "init", "--relay", &format!("ws://{place}/"), "--name", "x", "--yes"]);
    assert!(!output.status.success());
    assert!(begun.elapsed() < Duration::from_secs(20), "given up after {:?}", begun.elapsed());
    drop(listener);
    eventually_within(FREE_WITHIN, "its socket is closed", || (sockets() <= before).then_some(()));
    drop(caro_tests::Device { home });
}

/// S-SM-03 with real programs. No twin without its outbox: who hears of what comes later misses what was dropped and says so,
/// and it is brought again.
pub const S_SM_03: Body = Body { tier: Tier::Proc, broken_by: &[Sabotage::SkipRetry], run: cycle_rapidly };

fn cycle_rapidly(run: &mut Run) {
    let mut stage = Stage::running();
    let mut seed = Seed::new(run.seed);
    let mut typed = Vec::new();
    for n in 0..10 {
        let line = format!("echo laptop {n}");
        stage.laptop.type_lines(&format!("shell-{n}"), &[&line]);
        typed.push(line);
        stage.laptop.home.caro_ok(&["sync", "off"]);
        if seed.percent(50) {
            let line = format!("echo desktop {n}");
            stage.desktop.type_lines(&format!("shell-{n}"), &[&line]);
            typed.push(line);
        }
        stage.laptop.home.caro_ok(&["sync", "on"]);
        // In the middle of finding out what each has.
        if seed.percent(30) {
            stage.relay.kill();
            stage.relay.start();
        }
    }
    let last = "echo laptop last".to_owned();
    stage.laptop.home.caro_ok(&["sync", "off"]);
    stage.laptop.type_lines("last", &[&last]);
    eventually("it waits to be sent", || (super::kills::pending_up(&stage.laptop) > 0).then_some(()));
    typed.push(last);
    if run.lacks(Sabotage::SkipRetry) {
        return stage.expect_all_by_themselves(&typed);
    }
    stage.laptop.home.caro_ok(&["sync", "on"]);
    stage.expect_all(&typed);
}
