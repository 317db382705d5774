//! Each load program, small: it runs to its end, says what it measured, and keeps to this machine. The sizes that say
//! something about a relay are in `docs/load.md`.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use caro_tests::eventually;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_load"));
    command.env("CARO_TEST_PROGRAMS", caro_tests::programs::folder());
    command.args(arguments);
    command
}

fn load(arguments: &[&str]) -> Output {
    command(arguments).output().expect("it starts")
}

/// The figures that it printed, by name.
fn figures(arguments: &[&str]) -> Vec<(String, Value)> {
    let output = load(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    let lines = String::from_utf8(output.stdout).expect("text");
    let figure = |line: &str| {
        let figure: Value = serde_json::from_str(line).expect("JSON");
        (figure["what"].as_str().expect("a name").trim().to_owned(), figure)
    };
    lines.lines().filter(|line| line.starts_with('{')).map(figure).collect()
}

fn count(figures: &[(String, Value)], what: &str, field: &str) -> f64 {
    let (_, figure) = figures.iter().find(|(name, _)| name == what).unwrap_or_else(|| panic!("{what} in {figures:?}"));
    figure[field].as_f64().expect("a number")
}

#[test]
fn every_cell_reaches_every_idle_session() {
    let figures = figures(&["idle", "--sessions", "40", "--devices", "4", "--rounds", "1"]);
    assert_eq!(count(&figures, "sessions", "value"), 40.0);
    assert_eq!(count(&figures, "from push to a device", "count"), 30.0);
    assert!(count(&figures, "for each session", "value") > 0.0);
}

#[test]
fn what_is_pushed_is_acknowledged_and_on_the_disk() {
    let figures = figures(&["push", "--clients", "4", "--seconds", "1"]);
    let cells = count(&figures, "durable cells", "value");
    assert!(cells > 4.0 * 8.0);
    assert_eq!(count(&figures, "from push to acknowledgement", "count"), cells);
    assert!(count(&figures, "a million cells on the disk", "value") > 1024.0);
}

#[test]
fn each_other_device_receives_each_cell() {
    let figures = figures(&["fan-out", "--accounts", "2", "--devices", "5", "--rate", "20", "--seconds", "1"]);
    assert_eq!(count(&figures, "from push to a device", "count"), (2 * 4 * 20) as f64);
}

#[test]
fn what_an_account_and_a_cell_cost_is_told() {
    let figures = figures(&["accounts", "--accounts", "300", "--devices", "3", "--cells", "2000"]);
    let account = count(&figures, "an account on the disk", "value");
    assert!(account > 0.0 && account < 1024.0, "{account}");
    let cells = count(&figures, "a million cells on the disk", "value");
    assert!(cells > 1024.0 && cells < 2048.0, "{cells}");
    // What nobody uses costs no memory, but for what the database keeps at hand.
    assert!(count(&figures, "relay resident with all of it stored", "value") < 64.0);
}

#[test]
fn a_whole_account_is_restored_to_each_device() {
    let figures = figures(&["restore", "--cells", "3000", "--devices", "2"]);
    assert!(count(&figures, "cells served a second", "value") > 0.0);
}

#[test]
fn openings_are_counted_from_tcp_to_the_welcome() {
    let figures = figures(&["handshakes", "--clients", "2", "--seconds", "1"]);
    assert!(count(&figures, "from TCP to the welcome", "count") > 2.0);
}

#[test]
fn half_open_connections_are_held_or_refused_and_sessions_go_on() {
    let figures = figures(&["half-open", "--connections", "20", "--sessions", "3", "--seconds", "1"]);
    assert_eq!(count(&figures, "connections half open", "value"), 20.0);
    let limited =
        ["half-open", "--connections", "20", "--sessions", "3", "--seconds", "1", "--limits", "opening_max = 5"];
    let held = count(&self::figures(&limited), "connections half open", "value");
    assert!((1.0..=5.0).contains(&held), "{held} of 5");
}

#[test]
fn after_a_crash_everybody_is_back() {
    let figures = figures(&["storm", "--sessions", "30"]);
    assert_eq!(count(&figures, "sessions", "value"), 30.0);
    assert_eq!(count(&figures, "one is back after", "count"), 30.0);
}

#[test]
fn load_is_put_on_this_machine_only() {
    for (address, why) in [
        ("ws://192.0.2.1:80/#x", "only on a relay on this machine"),
        ("ws://relay.example:80/#x", "must be a number and a port"),
        ("wss://127.0.0.1:80/#x", "without TLS"),
    ] {
        let output = load(&["--relay", address, "push", "--seconds", "1"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(why), "{address}: {said}");
    }
}

#[test]
fn what_has_no_end_is_refused() {
    for arguments in [
        ["push", "--seconds", "3601"],
        ["idle", "--sessions", "20001"],
        ["push", "--bytes", "1000"],
        ["handshakes", "--clients", "0"],
    ] {
        let output = load(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

/// The programs that a process has started, by any of its threads.
fn children(of: u32) -> Vec<String> {
    let Ok(threads) = fs::read_dir(format!("/proc/{of}/task")) else { return Vec::new() };
    let listed = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children")).unwrap_or_default();
    let all: String = threads.flatten().map(|thread| listed(thread) + " ").collect();
    all.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_run_that_is_cut_short_leaves_no_relay() {
    for (by_signal, seconds) in [(false, "1"), (true, "3600")] {
        let mut run = command(&["push", "--clients", "1", "--seconds", seconds]);
        let mut run = run.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let relay = eventually("its relay runs", || children(run.id()).pop());
        if by_signal {
            let pid = Pid::from_raw(run.id() as i32).expect("a process");
            kill_process(pid, Signal::TERM).expect("it runs");
        } else {
            drop(run.stdout.take());
        }
        let ended = run.wait().expect("it ends");
        assert!(!by_signal || !ended.success(), "it was told to end, and says that it has measured");
        eventually("the relay has ended", || (!fs::exists(format!("/proc/{relay}")).expect("a path")).then_some(()));
    }
}
