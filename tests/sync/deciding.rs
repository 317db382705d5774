//! What a person may decide about their data: deleting with a way back, keeping here, emptying relays, starting over.

use std::fs;

use caro_tests::{Device, Relay, eventually};
use serde_json::Value;

use super::{said::status, two_devices::pair};

#[test]
fn ds001_a_deletion_can_be_taken_back_and_until_then_other_devices_keep_it() {
    let relay = Relay::new();
    let (laptop, desktop) = pair(&relay);
    laptop.type_lines("one", &["echo keep", "echo regretted"]);
    desktop.expect_commands(&["echo keep", "echo regretted"]);
    laptop.home.caro_ok(&["history", "delete", "--yes", "--match", "regretted"]);
    assert_eq!(laptop.home.commands(), ["echo keep"], "gone at once");
    // A daemon that was killed meanwhile knows it still.
    laptop.kill();
    laptop.home.caro_ok(&["daemon", "start"]);
    assert_eq!(laptop.home.commands(), ["echo keep"]);
    laptop.sync();
    assert_eq!(desktop.home.count(), 2);
    assert_eq!(laptop.home.caro_ok(&["history", "undelete"]), "1 command taken back\n");
    laptop.expect_commands(&["echo keep", "echo regretted"]);
    assert_eq!(laptop.home.caro(&["history", "undelete"]).status.code(), Some(1), "once");
    // When the time is over it is for ever, everywhere.
    laptop.home.caro_ok(&["config", "set", "history.undo_seconds", "1"]);
    laptop.home.caro_ok(&["history", "delete", "--yes", "--match", "regretted"]);
    desktop.expect_commands(&["echo keep"]);
    assert_eq!(laptop.home.caro(&["history", "undelete"]).status.code(), Some(1));
}

#[test]
fn ds001_a_command_that_ended_while_it_was_deleted_has_ended_when_it_is_taken_back() {
    let device = Device::new();
    device.begin_line("one", "make all");
    device.expect_commands(&["make all"]);
    device.home.caro_ok(&["history", "delete", "--yes", "--match", "make"]);
    device.end_line("one", 3);
    device.type_lines("one", &["echo later"]);
    device.expect_commands(&["echo later"]);
    device.kill();
    device.home.caro_ok(&["daemon", "start"]);
    assert_eq!(device.home.caro_ok(&["history", "undelete"]), "1 command taken back\n");
    let there = device.home.history();
    let make = there.iter().find(|row| row["command"] == "make all").expect("it is there");
    assert_eq!(make["exit"], 3, "{make}");
    assert!(make["duration_us"].is_u64(), "{make}");
}

#[test]
fn ds001_taking_a_deletion_back_leaves_those_before_it_as_they_are() {
    let device = Device::new();
    device.home.write(".bash_history", "echo gone\n".repeat(5));
    device.type_lines("one", &["echo gone"]);
    device.expect_commands(&["echo gone"]);
    device.home.caro_ok(&["history", "delete", "--yes", "--now", "--match", "gone"]);
    device.type_lines("two", &["echo gone"]);
    device.expect_commands(&["echo gone"]);
    device.home.caro_ok(&["history", "delete", "--yes", "--match", "gone"]);
    assert_eq!(device.home.caro_ok(&["history", "undelete"]), "1 command taken back\n");
    device.home.caro_ok(&["import", "bash"]);
    assert_eq!(device.home.commands(), ["echo gone"], "no line comes in again that was deleted for ever");
}

#[test]
fn ds001_deleted_here_only_it_stays_elsewhere_and_does_not_come_back() {
    let relay = Relay::new();
    let (laptop, desktop) = pair(&relay);
    laptop.type_lines("one", &["echo everywhere", "echo not here"]);
    desktop.expect_commands(&["echo everywhere", "echo not here"]);
    desktop.home.caro_ok(&["history", "delete", "--yes", "--here", "--now", "--match", "not here"]);
    for _ in 0..2 {
        desktop.expect_commands(&["echo everywhere"]);
        laptop.sync();
        desktop.sync();
        desktop.kill();
        desktop.home.caro_ok(&["daemon", "start"]);
    }
    // Nor out of the shell's own file.
    desktop.home.write(".bash_history", "echo not here\n");
    desktop.home.caro_ok(&["import", "bash"]);
    desktop.expect_commands(&["echo everywhere"]);
    laptop.expect_commands(&["echo everywhere", "echo not here"]);
}

#[test]
fn pc003_an_emptied_relay_holds_nothing_and_every_device_is_told_and_keeps_its_history() {
    let relay = Relay::new();
    let laptop = Device::new();
    let phrase = laptop.init(&relay, "laptop");
    let desktop = Device::new();
    desktop.restore(&relay, "desktop", &phrase);
    laptop.type_lines("one", &["echo stays"]);
    desktop.expect_commands(&["echo stays"]);
    let refused = laptop.home.caro_with_input(&["sync", "delete-remote", "--yes", "--phrase-stdin"], "abandon ability");
    assert!(!refused.status.success(), "nothing without the phrase");
    let output = laptop.home.caro_with_input(&["sync", "delete-remote", "--yes", "--phrase-stdin"], &phrase);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for device in [&laptop, &desktop] {
        let is_told = || device.home.caro(&["sync", "status"]).stdout;
        eventually("the device is told", || String::from_utf8_lossy(&is_told()).contains("gone").then_some(()));
        assert_eq!(device.home.commands(), ["echo stays"]);
    }
    let late = Device::new();
    let arguments = ["sync", "restore", "--relay", relay.address(), "--name", "late", "--phrase-stdin"];
    assert!(!late.home.caro_with_input(&arguments, &phrase).status.success(), "there is no account any more");
}

#[test]
fn pc003_after_a_reset_nothing_is_left_and_an_export_has_it_all() {
    let device = Device::new();
    device.type_lines("one", &["echo canary-of-a-reset"]);
    device.expect_commands(&["echo canary-of-a-reset"]);
    device.home.caro_ok(&["config", "set", "screen.mouse", "false"]);
    assert!(!device.home.caro(&["reset"]).status.success(), "nobody was there to ask");
    assert_eq!(device.home.commands(), ["echo canary-of-a-reset"]);
    device.home.caro_ok(&["kv", "set", "colour", "canary-of-an-item"]);
    let kept = device.home.path().join("kept");
    device.home.caro_ok(&["reset", "--yes", "--export", kept.to_str().expect("a path")]);
    let again = Device::new();
    again.home.caro_ok(&["import", "--all", kept.to_str().expect("a path")]);
    again.expect_commands(&["echo canary-of-a-reset"]);
    assert_eq!(again.home.caro_ok(&["kv", "get", "colour"]).trim(), "canary-of-an-item");
    fs::remove_dir_all(&kept).expect("removed");
    let mut left = Vec::new();
    let mut folders = vec![device.home.path()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { left.push(path) }
        }
    }
    let config = left.iter().filter(|path| path.ends_with("config.toml")).count();
    assert_eq!((left.len(), config), (1, 1), "only the configuration: {left:?}");
    device.home.caro_ok(&["reset", "--yes", "--config"]);
    assert!(!left[0].exists());
    assert_eq!(device.home.caro_ok(&["history", "list", "-c"]), "", "caro begins anew");
}

/// A device with three commands of 2020 and one of now.
fn with_an_old_history() -> Device {
    let device = Device::new();
    device.home.write(".bash_history", "#1577836800\necho old 1\n#1577836801\necho old 2\n#1577836802\necho old 3\n");
    device.home.caro_ok(&["import", "bash"]);
    device.type_lines("one", &["echo new"]);
    device.expect_commands(&ALL);
    device
}

const ALL: [&str; 4] = ["echo new", "echo old 1", "echo old 2", "echo old 3"];

fn unlimited(device: &Device) {
    for name in ["sync.window_days", "sync.window_commands"] {
        device.home.caro_ok(&["config", "set", name, "unlimited"]);
    }
}

/// How many commands go, and what stays for which reason.
fn preview(device: &Device) -> (u64, Vec<(String, u64)>) {
    let found: Value = serde_json::from_str(&device.home.caro_ok(&["sync", "preview", "--json"])).expect("JSON");
    let count = |group: &Value| group["count"].as_u64().expect("a count");
    let stay = found["stay"].as_array().expect("groups");
    let stay = stay.iter().map(|group| (group["why"].as_str().expect("a reason").to_owned(), count(group)));
    (count(&found["go"]), stay.collect())
}

#[test]
fn so002_with_an_unlimited_window_all_history_from_before_goes_along_at_once() {
    let relay = Relay::new();
    let laptop = with_an_old_history();
    unlimited(&laptop);
    let phrase = laptop.init(&relay, "laptop");
    assert_eq!(preview(&laptop), (4, vec![]));
    let desktop = Device::new();
    desktop.restore(&relay, "desktop", &phrase);
    desktop.expect_commands(&ALL);
}

#[test]
fn so002_what_stayed_outside_of_the_window_is_said_and_goes_when_a_person_wants_it() {
    let relay = Relay::new();
    let laptop = with_an_old_history();
    let phrase = laptop.init(&relay, "laptop");
    let desktop = Device::new();
    desktop.restore(&relay, "desktop", &phrase);
    desktop.expect_commands(&["echo new"]);
    assert_eq!(preview(&laptop), (1, vec![("window_days".to_owned(), 3)]));
    unlimited(&laptop);
    assert_eq!(preview(&laptop), (1, vec![("unsent".to_owned(), 3)]), "a wider window alone sends nothing");
    laptop.home.caro_ok(&["sync", "share", "--since", "2019-01-01", "--yes"]);
    desktop.expect_commands(&ALL);
    assert_eq!(preview(&laptop), (4, vec![]));
    assert_eq!(status(&laptop)["outside_window"], 0);
    let again = laptop.home.caro(&["sync", "share", "--since", "2019-01-01", "--yes"]);
    assert_eq!(again.status.code(), Some(1), "there is nothing left to send");
}

#[test]
fn so002_what_an_earlier_rule_kept_here_is_counted_apart_and_shared() {
    let relay = Relay::new();
    let (laptop, desktop) = pair(&relay);
    laptop.home.caro_ok(&["config", "set", "sync.exclude_commands", "^echo mine"]);
    laptop.type_lines("one", &["echo mine", "echo ours"]);
    laptop.expect_commands(&["echo mine", "echo ours"]);
    desktop.expect_commands(&["echo ours"]);
    assert_eq!(preview(&laptop), (1, vec![("exclude_commands".to_owned(), 1)]));
    let refused = laptop.home.caro(&["sync", "share", "--yes", "echo mine"]);
    assert_eq!(refused.status.code(), Some(1), "the rule holds");
    laptop.home.caro_ok(&["config", "unset", "sync.exclude_commands"]);
    assert_eq!(preview(&laptop), (1, vec![("unsent".to_owned(), 1)]));
    laptop.home.caro_ok(&["sync", "share", "--yes", "echo mine"]);
    desktop.expect_commands(&["echo mine", "echo ours"]);
    assert_eq!(preview(&laptop), (2, vec![]));
}
