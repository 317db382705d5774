//! A new phrase, and everything moves: real programs, killed at whatever moment. Afterwards a device is in the old account
//! as it was, or in the new one with everything, and never in between.

use std::{
    fs,
    io::Write,
    process::{Child, Output, Stdio},
};

use caro_tests::{Device, Relay, Terminal, eventually, program};
use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::said::{said, status, warnings};

const LINES: [&str; 3] = ["echo one", "echo two", "echo three"];

fn new_phrase(output: &Output) -> String {
    let printed = String::from_utf8_lossy(&output.stdout);
    let json: Value = printed.lines().find_map(|line| serde_json::from_str(line).ok()).expect("JSON");
    let words = json["phrase"].as_array().expect("words").iter().map(|word| word.as_str().expect("a word"));
    words.collect::<Vec<_>>().join(" ")
}

const MOVE: [&str; 5] = ["sync", "rotate-identity", "--yes", "--json", "--phrase-stdin"];

fn rotate(device: &Device, phrase: &str) -> String {
    let output = device.home.caro_with_input(&MOVE, phrase);
    assert!(output.status.success(), "{}", said(&output));
    new_phrase(&output)
}

fn has_no_account(relay: &Relay, phrase: &str) -> bool {
    let nobody = Device::new();
    let arguments = ["sync", "restore", "--relay", relay.address(), "--name", "nobody", "--phrase-stdin"];
    let output = nobody.home.caro_with_input(&arguments, phrase);
    said(&output).contains("no account for this phrase")
}

fn with_history(relay: &Relay) -> (Device, String) {
    let desk = Device::new();
    let phrase = desk.init(relay, "desk");
    desk.type_lines("one", &LINES);
    desk.expect_commands(&LINES);
    desk.sync();
    (desk, phrase)
}

#[test]
fn fr_si005_everything_moves_the_old_account_is_emptied_and_the_others_come_with_the_new_phrase() {
    let relay = Relay::new();
    let (desk, old) = with_history(&relay);
    let laptop = Device::new();
    laptop.restore(&relay, "laptop", &old);
    laptop.expect_commands(&LINES);
    let new = rotate(&desk, &old);
    assert_ne!(old, new);
    eventually("the old account is empty", || (!warnings(&desk).contains(&"not_emptied".to_owned())).then_some(()));
    eventually("the laptop is told", || warnings(&laptop).contains(&"moved".to_owned()).then_some(()));
    let shown = laptop.home.caro_ok(&["sync", "status"]);
    assert!(shown.contains("\"desk\" says that the account was moved to a new phrase"), "{shown}");
    assert!(has_no_account(&relay, &old), "the old phrase still opens something");
    laptop.type_lines("two", &["echo typed in between"]);
    laptop.expect_commands(&["echo one", "echo two", "echo three", "echo typed in between"]);
    laptop.restore(&relay, "laptop", &new);
    for device in [&desk, &laptop] {
        device.expect_commands(&["echo one", "echo two", "echo three", "echo typed in between"]);
    }
    assert!(!warnings(&laptop).contains(&"moved".to_owned()));
}

#[test]
fn with_a_wrong_phrase_or_a_relay_that_is_gone_nothing_is_changed() {
    let (relay, mut second) = (Relay::new(), Relay::new());
    let (desk, old) = with_history(&relay);
    let added = desk.home.caro_with_input(&["sync", "remote", "add", second.address(), "--phrase-stdin"], &old);
    assert!(added.status.success(), "{}", said(&added));
    desk.sync();
    let account = status(&desk)["account"].clone();
    let other = Device::new().init(&relay, "elsewhere");
    let refused = desk.home.caro_with_input(&MOVE, &other);
    assert!(said(&refused).contains("another account"), "{}", said(&refused));
    second.kill();
    eventually("it is seen to be gone", || (status(&desk)["remotes"][1]["state"] == "waiting").then_some(()));
    let refused = desk.home.caro_with_input(&MOVE, &old);
    assert!(said(&refused).contains("nothing was changed"), "{}", said(&refused));
    assert_eq!(status(&desk)["account"], account);
    second.start_again();
    desk.home.caro_ok(&["sync", "on"]);
    desk.sync();
    let new = rotate(&desk, &old);
    eventually("both old accounts are empty", || warnings(&desk).is_empty().then_some(()));
    for relay in [&relay, &second] {
        assert!(has_no_account(relay, &old));
        let third = Device::new();
        third.restore(relay, "third", &new);
        third.expect_commands(&LINES);
    }
}

#[test]
fn at_a_terminal_the_new_phrase_is_shown_and_asked_back_and_giving_up_changes_nothing() {
    let relay = Relay::new();
    let (desk, old) = with_history(&relay);
    let account = status(&desk)["account"].clone();
    let caro = program("caro");
    let caro = caro.to_str().expect("a path");
    let mut terminal = Terminal::start(caro, &["sync", "rotate-identity"], &desk.home.env(), &desk.home.path());
    terminal.wait_for("Move to a new phrase?");
    terminal.line("y");
    terminal.wait_for("Recovery phrase:");
    terminal.line(&old);
    terminal.wait_for("Your recovery phrase. It is shown once.");
    terminal.keys("\r");
    terminal.wait_for("Word ");
    terminal.keys("\x03");
    terminal.wait_for("nothing was changed; that phrase is worth nothing");
    terminal.wait_for_end();
    assert_eq!(status(&desk)["account"], account);
    desk.sync();
}

/// A move at a terminal, up to the present phrase: nothing is done before somebody has answered for the new one.
fn asked_for_the_phrase(device: &Device) -> Terminal {
    let caro = program("caro");
    let caro = caro.to_str().expect("a path");
    let mut terminal = Terminal::start(caro, &["sync", "rotate-identity"], &device.home.env(), &device.home.path());
    terminal.wait_for("Move to a new phrase?");
    terminal.line("y");
    terminal.wait_for("Recovery phrase:");
    terminal
}

/// A move that asks nothing, on its way.
fn moving(device: &Device, old: &str) -> Child {
    let mut command = device.home.command(program("caro"));
    command.args(MOVE).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("caro starts");
    child.stdin.take().expect("piped").write_all(old.as_bytes()).expect("read");
    child
}

/// The most memory that a process has had, in KiB.
fn most_memory(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("there");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn accounts_at(relay: &Relay) -> i64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = Connection::open_with_flags(relay.data().join("relay.db"), flags).expect("a database");
    database.query_row("SELECT count(*) FROM account", [], |row| row.get(0)).expect("read")
}

fn signal(relay: &Relay, signal: Signal) {
    let pid = i32::try_from(relay.pid()).ok().and_then(Pid::from_raw).expect("a process");
    kill_process(pid, signal).expect("it is ours");
}

/// After its daemon was killed: in step with one account, which opens with this phrase and has everything.
fn expect_all_of_it(relay: &Relay, desk: &Device, phrase: &str) {
    desk.home.caro_ok(&["daemon", "start"]);
    eventually("it is in step with one account", || {
        let status = status(desk);
        let mut remotes = status["remotes"].as_array().expect("a list").iter();
        let in_step = remotes
            .all(|remote| remote["state"] == "connected" && remote["pending_up"] == 0 && remote["pending_down"] == 0);
        (in_step && warnings(desk).is_empty()).then_some(())
    });
    desk.expect_commands(&LINES);
    let third = Device::new();
    third.restore(relay, "third", phrase);
    third.expect_commands(&LINES);
    desk.type_lines("two", &["echo goes on"]);
    third.expect_commands(&["echo one", "echo two", "echo three", "echo goes on"]);
}

#[test]
fn fr_si005_killed_at_once_it_is_in_the_old_account() {
    let relay = Relay::new();
    let (desk, old) = with_history(&relay);
    let account = status(&desk)["account"].clone();
    let mut asked = asked_for_the_phrase(&desk);
    asked.line(&old);
    desk.kill();
    drop(asked);
    expect_all_of_it(&relay, &desk, &old);
    assert_eq!((&status(&desk)["account"], accounts_at(&relay)), (&account, 1));
}

#[test]
fn fr_si005_killed_while_the_old_phrase_is_stretched_it_is_in_the_old_account() {
    let relay = Relay::new();
    let (desk, old) = with_history(&relay);
    // One that has not stretched anything yet: that takes 64 MiB.
    desk.kill();
    desk.home.caro_ok(&["daemon", "start"]);
    let account = status(&desk)["account"].clone();
    let mut asked = asked_for_the_phrase(&desk);
    let (pid, before) = (desk.pid(), most_memory(desk.pid()));
    asked.line(&old);
    eventually("it is stretched", || (most_memory(pid) > before + 16 * 1024).then_some(()));
    desk.kill();
    drop(asked);
    expect_all_of_it(&relay, &desk, &old);
    assert_eq!((&status(&desk)["account"], accounts_at(&relay)), (&account, 1));
}

#[test]
fn fr_si005_killed_when_the_new_phrase_is_shown_it_is_in_the_old_account() {
    let relay = Relay::new();
    let (desk, old) = with_history(&relay);
    let account = status(&desk)["account"].clone();
    let mut asked = asked_for_the_phrase(&desk);
    asked.line(&old);
    asked.wait_for("Your recovery phrase. It is shown once.");
    desk.kill();
    drop(asked);
    expect_all_of_it(&relay, &desk, &old);
    assert_eq!((&status(&desk)["account"], accounts_at(&relay)), (&account, 1));
}

#[test]
fn fr_si005_killed_when_one_of_two_relays_has_the_new_account_it_is_in_the_old_one() {
    let (relay, second) = (Relay::new(), Relay::new());
    let (desk, old) = with_history(&relay);
    let added = desk.home.caro_with_input(&["sync", "remote", "add", second.address(), "--phrase-stdin"], &old);
    assert!(added.status.success(), "{}", said(&added));
    desk.sync();
    let account = status(&desk)["account"].clone();
    // The second does not answer, so it goes no further.
    signal(&second, Signal::STOP);
    let child = moving(&desk, &old);
    eventually("the first has it", || (accounts_at(&relay) == 2).then_some(()));
    desk.kill();
    let output = child.wait_with_output().expect("caro ends");
    assert_ne!(new_phrase(&output), old, "nothing is made before somebody has the phrase");
    signal(&second, Signal::CONT);
    expect_all_of_it(&relay, &desk, &old);
    assert_eq!((&status(&desk)["account"], accounts_at(&second)), (&account, 1));
}

#[test]
fn fr_si005_killed_when_it_has_turned_to_the_new_account_it_is_in_that_one() {
    let relay = Relay::new();
    let (desk, old) = with_history(&relay);
    let account = status(&desk)["account"].clone();
    let child = moving(&desk, &old);
    eventually("it has turned", || (status(&desk)["account"] != account).then_some(()));
    desk.kill();
    let new = new_phrase(&child.wait_with_output().expect("caro ends"));
    expect_all_of_it(&relay, &desk, &new);
    assert_ne!(status(&desk)["account"], account);
    assert!(has_no_account(&relay, &old), "the old phrase still opens something");
}

#[test]
fn fr_si005_killed_when_the_old_account_is_empty_it_is_in_the_new_one() {
    let relay = Relay::new();
    let (desk, old) = with_history(&relay);
    let account = status(&desk)["account"].clone();
    let child = moving(&desk, &old);
    eventually("everything has moved", || {
        (status(&desk)["account"] != account && warnings(&desk).is_empty()).then_some(())
    });
    assert!(has_no_account(&relay, &old), "the old phrase still opens something");
    desk.kill();
    let new = new_phrase(&child.wait_with_output().expect("caro ends"));
    expect_all_of_it(&relay, &desk, &new);
    assert_ne!(status(&desk)["account"], account);
}
