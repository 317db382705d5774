//! What an idle daemon costs.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use caro_schema::{
    body::history::Record,
    id::RecordId,
    ipc::{Reply, Request, history::Import},
};

use crate::support::{Home, eventually};

/// Memory of its own of an idle daemon with 10,000 commands. The program's file, of which about 10 MB are resident when
/// it is built for release, makes up the rest of the 20 MB that it may have (`design.md` §5).
const OWN_KIB_MAX: u64 = 9 * 1024;

/// Memory that is no file's (proc(5), `RssAnon`).
fn own_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn record(number: u32) -> Record {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    let command = match number % 4 {
        0 => "git status".to_owned(),
        1 => format!("cargo test --package caro-{} -- {number}", number % 7),
        2 => format!("ssh host{} journalctl -u service{} --since '{number} minutes ago'", number % 20, number % 13),
        _ => format!("cd /home/ada/projects/project{}/src", number % 100),
    };
    Record {
        id: RecordId(id),
        command: command.into_bytes().into(),
        directory: format!("/home/ada/projects/project{}", number % 100).into_bytes().into(),
        host: "desk".to_owned(),
        user: "ada".to_owned(),
        shell: "zsh 5.9".to_owned(),
        session: format!("session{}", number / 50),
        start_us: 1_760_000_000_000_000 + i64::from(number) * 1_000_000,
        duration_us: Some(1000),
        exit: Some(0),
        assistant: None,
    }
}

#[test]
fn an_idle_daemon_with_ten_thousand_commands_is_small() {
    if !cfg!(target_os = "linux") {
        return crate::support::skip("an_idle_daemon_with_ten_thousand_commands_is_small", "/proc");
    }
    let home = Home::new();
    let daemon = home.start();
    let import = Import::from((0..10_000).map(record).collect::<Vec<_>>());
    assert!(matches!(daemon.client().ask(Request::Import(import)), Ok(Reply::Imported(done)) if done.added == 10_000));
    daemon.signal(rustix::process::Signal::TERM);
    daemon.wait();
    let daemon = home.start();
    let mut client = daemon.client();
    client.flush();
    let pid = client.status().pid;
    eventually("it is small", || (own_kib(pid) < OWN_KIB_MAX).then_some(()));
    let status = client.status();
    assert_eq!((status.records, status.complete), (10_000, true));
}

/// Wake-ups of an idle daemon in this time. A daemon that polls has hundreds.
const WAKE_UPS_MAX: u64 = 12;

/// How long the daemon is watched.
const WATCHED: Duration = Duration::from_secs(3);

#[test]
fn an_idle_daemon_sleeps() {
    if !cfg!(target_os = "linux") {
        return crate::support::skip("an_idle_daemon_sleeps", "/proc");
    }
    let home = Home::new();
    let daemon = home.start();
    home.shell("one").header().run("ls");
    let mut client = daemon.client();
    client.flush();
    // What followed from the command may not be over yet; a daemon that polls never comes to rest.
    eventually("it rests", || (wake_ups_in(WATCHED, daemon.pid()) <= WAKE_UPS_MAX).then_some(()));
    // And it hears at once when there is something.
    home.shell("one").run("make");
    eventually("it woke", || (client.status().records == 2).then_some(()));
}

/// Not a wait for anything: the time is the measure.
fn wake_ups_in(time: Duration, pid: u32) -> u64 {
    let before = wake_ups(pid);
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        thread::sleep(left);
    }
    // A thread that ended took its count with it.
    wake_ups(pid).saturating_sub(before)
}

/// How often the threads of a process gave up the processor of their own accord.
fn wake_ups(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("listed");
    let of_task = |task: fs::DirEntry| {
        // A thread may end meanwhile.
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.map_or(0, |count| count.trim().parse().expect("a number"))
    };
    tasks.map(|task| of_task(task.expect("a task"))).sum()
}
