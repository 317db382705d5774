//! What other systems do to programs: sleep, a relay that comes and goes under devices of several kinds, and files that
//! somebody else holds. On Linux these are stand-ins.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use caro_tests::{Device, eventually};
use rusqlite::Connection;
use rustix::process::{Pid, Signal};

use super::{
    client::{Member, expect_held},
    shell::Shell,
    stage::{Stage, expect_history, expect_whole},
    strace::{self, Beside, Point},
};
use crate::{
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    seed::Seed,
};

/// X-PLAT-02 with real programs.
pub const X_PLAT_02: Body = Body { tier: Tier::Proc, broken_by: &[Sabotage::NoReconnect], run: sleep_and_wake };

fn signal(pid: i32, signal: Signal) {
    rustix::process::kill_process(Pid::from_raw(pid).expect("a pid"), signal).expect("it is ours");
}

/// Processor time that a process has used, in clock ticks of a hundredth of a second.
fn ticks(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("there").split_whitespace().collect();
    fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum()
}

fn sleep_and_wake(run: &mut Run) {
    let mut stage = Stage::running();
    super::stage::settle(&stage.devices());
    let pid = stage.laptop.pid();
    signal(pid, Signal::STOP);
    // The world goes on: its session dies, others write, and so do its own shells, which never wait for it.
    stage.relay.kill();
    stage.relay.start();
    stage.laptop.type_lines("one", &["echo asleep"]);
    stage.desktop.type_lines("two", &["echo meanwhile"]);
    stage.desktop.expect_commands(&["echo meanwhile"]);
    stage.desktop.sync();
    let before = ticks(pid);
    signal(pid, Signal::CONT);
    let all = ["echo asleep", "echo meanwhile"].map(str::to_owned);
    if run.lacks(Sabotage::NoReconnect) {
        stage.laptop.home.caro_ok(&["sync", "off"]);
        return stage.expect_all_by_themselves(&all);
    }
    stage.expect_all(&all);
    assert_eq!(stage.laptop.pid(), pid, "it is the same process");
    let used = ticks(pid) - before;
    assert!(used < 300, "{used} hundredths of a second of work after waking");
}

/// X-PLAT-03 with real programs.
pub const X_PLAT_03: Body = Body { tier: Tier::Proc, broken_by: &[Sabotage::NoReconnect], run: relay_restarts };

fn relay_restarts(run: &mut Run) {
    let mut stage = Stage::running();
    let mut seed = Seed::new(run.seed);
    let mut third = Member::new(run.seed, 1);
    let mut client = third.found(stage.relay.place());
    let mut acknowledged = Vec::new();
    let mut typed = Vec::new();
    for round in 0..3 {
        if round == 2 && run.lacks(Sabotage::NoReconnect) {
            stage.desktop.home.caro_ok(&["sync", "off"]);
        }
        // Names with what each kind of system writes: the other separator, other letters, a text of two lines.
        let lines = [
            format!("dir C:\\Users\\N{round}\\ü"),
            format!("echo 'a\nb {round}'"),
            format!("echo e\u{301} 漢 {round}"),
        ];
        for (n, line) in lines.iter().enumerate() {
            stage.devices()[seed.below(2) as usize].type_lines(&format!("s-{round}-{n}"), &[line]);
        }
        typed.extend(lines);
        let cell = third.cell(1024);
        let cursor = client.push(std::slice::from_ref(&cell)).expect("acknowledged")[0].cursor;
        acknowledged.push((cell, cursor));
        stage.relay.kill();
        stage.relay.start();
        client = third.enter(stage.relay.place(), 0).expect("it comes back");
    }
    expect_held(&third, stage.relay.place(), &acknowledged);
    if run.lacks(Sabotage::NoReconnect) {
        return stage.expect_all_by_themselves(&typed);
    }
    stage.expect_all(&typed);
}

/// X-PLAT-04.
pub const X_PLAT_04: Scenario = Scenario {
    id: "X-PLAT-04",
    title: "File locking",
    injection: "Second process holds the store locked for 5 s; open and rename fail with EBUSY/EACCES",
    outcome: "Client retries or queues; no corruption, no panic, hook still fast",
    bodies: &[
        Body { tier: Tier::Proc, broken_by: &[Sabotage::BusyIsFatal], run: held_by_another },
        Body { tier: Tier::Disk, broken_by: &[Sabotage::BusyIsFatal], run: calls_refused },
    ],
};

/// Another program has the database.
struct Holder {
    connection: Connection,
}

impl Holder {
    fn of(device: &Device) -> Self {
        let connection = Connection::open(device.home.data().join("caro.db")).expect("it opens");
        connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").expect("it holds it");
        Self { connection }
    }

    fn let_go(self) {
        self.connection.execute_batch("ROLLBACK").expect("it lets go");
    }
}

fn held_by_another(run: &mut Run) {
    let device = Device::new();
    let mut shell = Shell::start(run, &device.home);
    let mut all = vec![shell.echo("before")];
    device.expect_commands(&["echo before"]);
    device.home.caro_ok(&["daemon", "stop"]);
    // For a moment: the start waits for it.
    let holder = Holder::of(&device);
    thread::scope(|scope| {
        let started = scope.spawn(|| device.home.caro(&["daemon", "start"]));
        let begun = Instant::now();
        // The prompt is back while the database is another's.
        all.push(shell.echo("held"));
        // Long enough that the daemon has met the lock.
        eventually("it waits", || (begun.elapsed() > Duration::from_millis(600)).then_some(()));
        holder.let_go();
        let output = started.join().expect("ran");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
    expect_history(&device, &all);
    device.home.caro_ok(&["daemon", "stop"]);
    // For good: it is said who has it, and what shells write waits.
    let holder = Holder::of(&device);
    let output = device.home.caro(&["daemon", "start"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("another program"), "{said}");
    all.push(shell.echo("waits"));
    if run.lacks(Sabotage::BusyIsFatal) {
        // What waits ends with the program that was to take it.
        fs::remove_dir_all(device.home.spool()).expect("removed");
    }
    holder.let_go();
    expect_history(&device, &all);
    expect_whole(&device);
}

/// The file system refuses what is done to the shells' files, as it does where somebody has them open.
fn calls_refused(run: &mut Run) {
    strace::require(run);
    let device = Device::new();
    let mut seed = Seed::new(run.seed);
    let error = ["EBUSY", "EACCES"][seed.below(2) as usize];
    let calls = "rename,renameat,renameat2,unlink,unlinkat,ftruncate";
    let pid = u32::try_from(device.pid()).expect("a pid");
    let beside = Beside::point(&Point::fails(calls, "1+", error), pid, None);
    let lines: Vec<String> = (0..20).map(|n| format!("echo {n} {}", "x".repeat(20_000))).collect();
    for (n, line) in lines.iter().enumerate() {
        device.type_lines(&format!("shell-{}", n % 3), &[line]);
    }
    if run.lacks(Sabotage::BusyIsFatal) {
        // What cannot be shortened counts as lost.
        device.kill();
        fs::remove_dir_all(device.home.data()).expect("removed");
        fs::remove_dir_all(device.home.spool()).expect("removed");
    }
    expect_history(&device, &lines);
    beside.end();
    assert!(device.home.daemon_pid() == i32::try_from(pid).ok(), "it is the same process");
    // Taken in again from files that could not be shortened: still once.
    device.home.caro_ok(&["daemon", "restart"]);
    expect_history(&device, &lines);
    expect_whole(&device);
}
