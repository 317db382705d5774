//! Programs that are killed at a write, a flush, a rename or a message, and started again: what was acknowledged is
//! there, nothing is there twice, and every row is whole.

use std::{fs, iter::successors, sync::Mutex};

use caro_schema::relay::{Entry, ToDevice, ToRelay};
use caro_tests::{Device, eventually};
use serde_bytes::ByteBuf;

use super::{
    client::{Member, expect_held},
    database,
    relay::{RelayProgram, is_killed},
    stage::{Held, Stage, keep, put_back},
    strace::{self, Beside, CHANGES, Point, SENDS, Under, points, thread_named},
};
use crate::{
    sabotage::Sabotage,
    scenario::{Body, Run, Tier},
    seed::Seed,
};

/// A day's work of two people, of whom one loses the daemon at some moment. Gives what both must have at the end.
///
/// Each step is done as people do it: what a shell has written is recorded, and a command of ours that fails because the
/// daemon died is given again.
fn work(stage: &Stage, before_end: impl FnOnce()) -> Vec<String> {
    let [laptop, desktop] = stage.devices();
    laptop.type_lines("one", &["echo laptop 1", "echo remove me"]);
    eventually("the laptop has them", || (laptop.home.count() >= 2).then_some(()).or_else(|| revive(laptop)));
    desktop.type_lines("two", &["echo desktop 1"]);
    again(laptop, &["sync", "now", "--wait", "20"]);
    again(laptop, &["history", "delete", "--yes", "--now", "--match", "remove me"]);
    laptop.type_lines("three", &["echo laptop 2"]);
    again(desktop, &["sync", "now", "--wait", "20"]);
    again(laptop, &["sync", "now", "--wait", "20"]);
    before_end();
    again(laptop, &["daemon", "stop"]);
    ["echo laptop 1", "echo desktop 1", "echo laptop 2"].map(str::to_owned).to_vec()
}

/// A daemon that was killed is started again by whoever needs it next.
fn revive(device: &Device) -> Option<()> {
    if device.home.daemon_pid().is_none() {
        device.home.caro_ok(&["daemon", "start"]);
    }
    None
}

/// Gives a command until it succeeds: the first time it may meet the daemon at its end.
fn again(device: &Device, arguments: &[&str]) {
    eventually(&arguments.join(" "), || {
        let output = device.home.caro(arguments);
        // Deleting what an earlier try has deleted finds nothing, which is as good.
        (output.status.success() || (arguments[0] == "history" && output.status.code() == Some(1))).then_some(())
    });
}

/// Every point of the day at which the daemon can be struck, counted once.
pub fn points_of_daemon() -> Vec<(String, u64)> {
    static POINTS: Mutex<Vec<(String, u64)>> = Mutex::new(Vec::new());
    let mut known = POINTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if known.is_empty() {
        let mut stage = Stage::new();
        let notes = stage.relay.beside("notes");
        stage.desktop.home.caro_ok(&["daemon", "start"]);
        let held = Held::start(&stage.laptop.home, &Under::count(CHANGES, &notes)).expect("it starts");
        let commands = work(&stage, || {});
        drop(held);
        stage.expect_all(&commands);
        *known = points(&notes);
    }
    known.clone()
}

/// The daemon dies at one point of its day. Whether it came to that point: no two days have quite as many calls.
///
/// # Panics
/// When something is lost, doubled or damaged.
pub fn kill_daemon_at(call: &str, n: u64) -> bool {
    let mut stage = Stage::new();
    let notes = stage.relay.beside("notes");
    stage.desktop.home.caro_ok(&["daemon", "start"]);
    let held = Held::start(&stage.laptop.home, &Under::point(&Point::killed_at(call, n), &notes));
    let commands = work(&stage, || {});
    let status = held.map_or_else(|ended| ended, Held::wait_for_end);
    assert!(is_killed(status) || status.success(), "{call} {n}: the daemon ended: {status}");
    stage.expect_all(&commands);
    is_killed(status)
}

/// Strikes at a point, or at one some way before it when the run does not come that far.
///
/// # Panics
/// When a strike does, or not even the first call of this kind is met.
pub fn strike(call: &str, n: u64, kill_at: impl Fn(&str, u64) -> bool) {
    let mut tries = successors(Some(n), |n| (*n > 1).then(|| n - n.div_ceil(8)));
    assert!(tries.any(|n| kill_at(call, n)), "it never comes to {call}");
}

/// S-SM-04 with real programs: killed at a write, a flush or a rename, and at any other moment.
pub const S_SM_04: Body = Body {
    tier: Tier::Proc,
    broken_by: &[Sabotage::NoFsync],
    run: |run: &mut Run| {
        strace::require(run);
        if run.lacks(Sabotage::NoFsync) {
            return lose_the_day();
        }
        let points = points_of_daemon();
        let (call, n) = &points[Seed::new(run.seed).below(points.len() as u64) as usize];
        strike(call, *n, kill_daemon_at);
        alternate();
    },
};

/// A disk that had none of what it said to be safe: the database is as it was in the morning.
fn lose_the_day() {
    let mut stage = Stage::new();
    let morning = keep(&stage.laptop.home.data());
    stage.desktop.home.caro_ok(&["daemon", "start"]);
    stage.laptop.home.caro_ok(&["daemon", "start"]);
    stage.relay.kill();
    stage.laptop.type_lines("one", &["echo laptop 1"]);
    stage.laptop.expect_commands(&["echo laptop 1"]);
    // The shell is gone, so its file goes as soon as all of it is taken in.
    fs::remove_dir_all(stage.laptop.home.spool()).expect("removed");
    stage.laptop.kill();
    put_back(&morning, &stage.laptop.home.data());
    stage.expect_all(&["echo laptop 1".to_owned()]);
}

/// The row's second half: a hundred times push, pull, push in turns, and the relay is at rest afterwards.
fn alternate() {
    let mut relay = RelayProgram::new();
    let mut member = Member::new(4, 1);
    let mut client = member.found(relay.place());
    let mut pushed: Vec<ByteBuf> = Vec::new();
    for _ in 0..100 {
        let cell = member.cell(1024);
        client.push(std::slice::from_ref(&cell)).expect("acknowledged");
        pushed.push(cell);
        let mut other = if pushed.len().is_multiple_of(10) { member.enter(relay.place(), 0) } else { None };
        if let Some(other) = &mut other {
            let entries = other.pull_all().expect("everything comes");
            assert!(entries.into_iter().eq(pushed.iter().cloned().map(Entry::Cell)));
            client = member.enter(relay.place(), 0).expect("it is let in");
        }
    }
    drop(client);
    relay.stop();
    relay.expect_sound();
}

/// Where the relay dies in the middle of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Its first write of the transaction is not made.
    BeforeWrite,
    /// Some of the transaction's writes are made.
    MidWrite,
    /// All are made, none is flushed.
    BeforeCommit,
    /// Flushed, and nobody has been told.
    BeforeAck,
    /// One of those who are to be told has been.
    MidAck,
    /// The acknowledgement is out, and the other devices are being told.
    DuringNotify,
}

/// All of them.
pub const MOMENTS: [Moment; 6] = [
    Moment::BeforeWrite,
    Moment::MidWrite,
    Moment::BeforeCommit,
    Moment::BeforeAck,
    Moment::MidAck,
    Moment::DuringNotify,
];

impl Moment {
    fn arm(self, relay: &RelayProgram) -> Beside {
        let writer = Some(thread_named(relay.pid(), "write"));
        let (calls, n, thread) = match self {
            Self::BeforeWrite => ("pwrite64", 1, writer),
            Self::MidWrite => ("pwrite64", 4, writer),
            Self::BeforeCommit => ("fsync,fdatasync", 1, writer),
            Self::BeforeAck => (SENDS, 1, None),
            Self::MidAck => (SENDS, 2, None),
            Self::DuringNotify => (SENDS, 3, None),
        };
        Beside::point(&Point::killed_at(calls, n), relay.pid(), thread)
    }
}

/// Two devices type while the relay dies at a moment of their pushes, and a third account's acknowledged cells are there.
///
/// # Panics
/// When something is lost, doubled or damaged.
pub fn kill_relay_at(moment: Moment, seed: u64, lies: bool) {
    let mut stage = Stage::running();
    let mut member = Member::new(seed, 2);
    let mut client = member.found(stage.relay.place());
    let mut acknowledged = Vec::new();
    push_one(&mut member, &mut client, &mut acknowledged);
    let beside = moment.arm(&stage.relay);
    stage.laptop.type_lines("one", &["echo laptop 1", "echo laptop 2"]);
    stage.desktop.type_lines("two", &["echo desktop 1"]);
    // More of the same until it dies: with several who push, each moment comes.
    eventually("the relay dies", || {
        let went_on = push_one(&mut member, &mut client, &mut acknowledged).is_some();
        (!went_on && !stage.relay.is_running()).then_some(())
    });
    drop(beside);
    stage.relay.expect_killed();
    for device in stage.devices() {
        eventually("the device notices", || {
            let status = device.home.caro_ok(&["sync", "status", "--json"]);
            (!status.to_lowercase().contains("\"connected\"")).then_some(())
        });
    }
    if lies {
        // What was acknowledged last was never written.
        database::take_back_last_commit(&stage.relay.database());
    }
    stage.relay.start();
    assert!(expect_held(&member, stage.relay.place(), &acknowledged) >= acknowledged.len());
    // What got no answer is pushed again, and has the cursor that it may have got before.
    let mut client = member.enter(stage.relay.place(), 0).expect("it is let in");
    push_one(&mut member, &mut client, &mut acknowledged).expect("it goes on");
    drop(client);
    expect_held(&member, stage.relay.place(), &acknowledged);
    stage.expect_all(&["echo laptop 1", "echo laptop 2", "echo desktop 1"].map(str::to_owned));
}

/// Pushes a cell and notes what was acknowledged.
fn push_one(
    member: &mut Member,
    client: &mut super::client::Client,
    acknowledged: &mut Vec<(ByteBuf, u64)>,
) -> Option<()> {
    let cell = member.cell(1024);
    let accepted = client.push(std::slice::from_ref(&cell))?;
    acknowledged.push((cell, accepted.first()?.cursor));
    Some(())
}

/// T-CONN-01 with real programs.
pub const T_CONN_01: Body = Body {
    tier: Tier::Proc,
    broken_by: &[Sabotage::AckBeforeCommit],
    run: |run: &mut Run| {
        strace::require(run);
        let moment = MOMENTS[run.seed as usize % MOMENTS.len()];
        kill_relay_at(moment, run.seed, run.lacks(Sabotage::AckBeforeCommit));
    },
};

/// Every point at which the relay's own start can be struck, from nothing and after a crash, counted once; and the
/// writing thread's while cells come in.
pub fn points_of_relay() -> Vec<(String, u64)> {
    static POINTS: Mutex<Vec<(String, u64)>> = Mutex::new(Vec::new());
    let mut known = POINTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if known.is_empty() {
        let mut relay = RelayProgram::prepared("");
        let notes = relay.beside("notes");
        relay.start_under(&Under::count(CHANGES, &notes)).expect("it starts");
        let mut member = Member::new(1, 1);
        let mut client = member.found(relay.place());
        push_and_purge(&mut member, &mut client, &mut Vec::new()).expect("it goes on");
        relay.stop();
        *known = points(&notes);
    }
    known.clone()
}

/// What a device does in its life at a relay. None when the relay went away in the middle.
fn push_and_purge(
    member: &mut Member,
    client: &mut super::client::Client,
    acknowledged: &mut Vec<(ByteBuf, u64)>,
) -> Option<()> {
    for _ in 0..6 {
        push_one(member, client, acknowledged)?;
    }
    let cells: Vec<ByteBuf> = (0..5).map(|_| member.cell(2048)).collect();
    let accepted = client.push(&cells)?;
    acknowledged.extend(cells.into_iter().zip(accepted).map(|(cell, accepted)| (cell, accepted.cursor)));
    let unwanted = client.push(&[member.cell(1024)])?[0].cell;
    client.send(&ToRelay::Purge { cells: vec![unwanted] })?;
    let answer = client.hear()?;
    assert!(matches!(answer, ToDevice::Purged { count: 1 }), "{answer:?}");
    Some(())
}

/// The relay dies at one point of its first start, or of its work. Whether it came to that point.
///
/// # Panics
/// When something that it acknowledged is lost, or its database is not whole.
pub fn kill_relay_at_call(call: &str, n: u64, seed: u64) -> bool {
    let mut relay = RelayProgram::prepared("");
    let notes = relay.beside("notes");
    let mut member = Member::new(seed, 1);
    let mut acknowledged = Vec::new();
    let mut was_made = false;
    let status = match relay.start_under(&Under::point(&Point::killed_at(call, n), &notes)) {
        Err(status) => status,
        Ok(()) => {
            // The call is counted in each thread: the start has its own, and so has the thread that writes.
            let client = try_found(&member, &relay);
            was_made = client.is_some();
            let day = client.and_then(|mut client| push_and_purge(&mut member, &mut client, &mut acknowledged));
            // Its day may end here by the point alone; the point may also come at its end.
            if day.is_some() { relay.end() } else { relay.wait_for_end() }
        }
    };
    assert!(is_killed(status) || status.success(), "{call} {n}: the relay ended: {status}\n{}", relay.said());
    relay.start();
    if was_made {
        expect_held(&member, relay.place(), &acknowledged);
    } else if try_found(&member, &relay).is_none() {
        // It was made, and the answer did not come.
        member.enter(relay.place(), 0).expect("the account is there");
    }
    relay.stop();
    relay.expect_sound();
    is_killed(status)
}

fn try_found(member: &Member, relay: &RelayProgram) -> Option<super::client::Client> {
    let mut client = super::client::Client::connect(relay.place(), member, 0)?;
    client.send(&member.create())?;
    match client.hear()? {
        ToDevice::Welcome { signer, .. } => client.admit(member, signer),
        _ => return None,
    }
    Some(client)
}

/// Steps of what waits to be sent.
const OUTBOX_STEPS: [(&str, u64); 8] = [
    ("pwrite64", 1),
    ("pwrite64", 3),
    ("fsync,fdatasync", 1),
    ("fsync,fdatasync", 2),
    (SENDS, 1),
    (SENDS, 2),
    ("fsync,fdatasync", 3),
    ("pwrite64", 9),
];

/// T-CONN-02 with real programs.
pub const T_CONN_02: Body = Body {
    tier: Tier::Proc,
    broken_by: &[Sabotage::DropOutboxOnError],
    run: |run: &mut Run| {
        strace::require(run);
        let forgets = run.lacks(Sabotage::DropOutboxOnError);
        let mut stage = Stage::running();
        let pid = u32::try_from(stage.laptop.pid()).expect("a pid");
        // Under sabotage it dies with something in its outbox: the relay is away.
        let (calls, n) = if forgets { (SENDS, 1) } else { OUTBOX_STEPS[run.seed as usize % OUTBOX_STEPS.len()] };
        if forgets {
            stage.relay.kill();
            stage.laptop.type_lines("one", &["echo laptop 1", "echo laptop 2"]);
            eventually("it waits to be sent", || (pending_up(&stage.laptop) > 0).then_some(()));
            stage.laptop.kill();
            database::forget_outbox(&stage.laptop.home.data());
            stage.relay.start();
        } else {
            let beside = Beside::point(&Point::killed_at(calls, n), pid, None);
            stage.laptop.type_lines("one", &["echo laptop 1", "echo laptop 2"]);
            let mut more = 0;
            while more < 40 && stage.laptop.home.daemon_pid().is_some() {
                more += 1;
                let line = format!("echo desktop {more}");
                stage.desktop.type_lines("two", &[&line]);
                eventually("the other one has it", || stage.desktop.home.commands().contains(&line).then_some(()));
            }
            assert!(stage.laptop.home.daemon_pid().is_none(), "it does not make the call at which it was to die");
            drop(beside);
            // The other device is not concerned: it goes on.
            stage.desktop.sync();
            let expected: Vec<String> = (1..=more).map(|n| format!("echo desktop {n}")).collect();
            let have = stage.desktop.home.commands();
            assert!(expected.iter().all(|command| have.contains(command)), "{have:?}");
            eventually("the relay lets go of the dead session", || {
                stage.desktop.home.caro_ok(&["sync", "status"]).contains("no other device connected").then_some(())
            });
            let mut all = expected;
            all.extend(["echo laptop 1", "echo laptop 2"].map(str::to_owned));
            return stage.expect_all(&all);
        }
        stage.expect_all(&["echo laptop 1", "echo laptop 2"].map(str::to_owned));
    },
};

/// Cells that a device has not been told are safe.
pub fn pending_up(device: &Device) -> u64 {
    let status: serde_json::Value =
        serde_json::from_str(device.home.caro_ok(&["sync", "status", "--json"]).trim()).expect("JSON");
    status["remotes"].as_array().into_iter().flatten().filter_map(|remote| remote["pending_up"].as_u64()).sum()
}
