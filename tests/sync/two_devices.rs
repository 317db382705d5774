//! The main job.

use std::fs;

use caro_tests::{Device, Relay, eventually};

/// Two devices in one account.
pub(crate) fn pair(relay: &Relay) -> (Device, Device) {
    let (laptop, desktop) = (Device::new(), Device::new());
    let phrase = laptop.init(relay, "laptop");
    desktop.restore(relay, "desktop", &phrase);
    (laptop, desktop)
}

#[test]
fn so001_what_is_recorded_here_is_found_there_both_ways() {
    let relay = Relay::new();
    let (laptop, desktop) = pair(&relay);
    laptop.type_lines("one", &["cargo build", "cargo test"]);
    desktop.type_lines("two", &["git status"]);
    for device in [&laptop, &desktop] {
        device.expect_commands(&["cargo build", "cargo test", "git status"]);
    }
    let found = desktop.home.caro_ok(&["search", "cargo", "--commands"]);
    assert_eq!(found.lines().count(), 2, "{found}");
}

#[test]
fn so002_history_from_before_the_account_comes_along() {
    let relay = Relay::new();
    let laptop = Device::new();
    laptop.type_lines("one", &["echo before"]);
    laptop.expect_commands(&["echo before"]);
    let phrase = laptop.init(&relay, "laptop");
    let desktop = Device::new();
    desktop.type_lines("two", &["echo here too"]);
    desktop.restore(&relay, "desktop", &phrase);
    for device in [&laptop, &desktop] {
        device.expect_commands(&["echo before", "echo here too"]);
    }
}

#[test]
fn ds001_a_deletion_reaches_the_other_device_and_stays() {
    let relay = Relay::new();
    let (laptop, desktop) = pair(&relay);
    laptop.type_lines("one", &["echo keep", "grep canary-deleted notes"]);
    desktop.expect_commands(&["echo keep", "grep canary-deleted notes"]);
    desktop.home.caro_ok(&["history", "delete", "--yes", "--now", "--match", "canary-deleted"]);
    for device in [&laptop, &desktop] {
        device.expect_commands(&["echo keep"]);
        device.kill();
        device.home.caro_ok(&["daemon", "start"]);
        device.expect_commands(&["echo keep"]);
    }
}

#[test]
fn fr_de002_every_device_is_named_and_a_new_one_is_announced() {
    let relay = Relay::new();
    let (laptop, desktop) = pair(&relay);
    let is_announced = || laptop.home.caro_ok(&["sync", "status"]).contains("\"desktop\" joined");
    eventually("the laptop announces it", || is_announced().then_some(()));
    let devices = laptop.home.caro_ok(&["sync", "devices"]);
    assert!(devices.contains("laptop") && devices.contains("desktop"), "{devices}");
    // Whoever has looked at the list knows.
    assert!(!is_announced());
    assert!(!desktop.home.caro_ok(&["sync", "status"]).contains("joined the account"));
}

#[test]
fn pr010_nothing_that_was_typed_is_at_the_relay_or_in_clear_in_a_database() {
    let relay = Relay::new();
    let (laptop, desktop) = pair(&relay);
    laptop.type_lines("canary-session", &["echo canary-command"]);
    desktop.expect_commands(&["echo canary-command"]);
    let folders = [relay.data(), laptop.home.data(), desktop.home.data()];
    let words = ["canary", "laptop", "desktop"];
    let mut files = 0;
    for folder in &folders {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if !path.is_file() {
                continue;
            }
            let bytes = fs::read(&path).expect("readable");
            files += 1;
            for word in words {
                let held = bytes.windows(word.len()).any(|window| window == word.as_bytes());
                assert!(!held, "{word:?} is in {}", path.display());
            }
        }
    }
    // The probe itself works: the devices do have it, and files were looked at.
    assert!(files >= 5, "{files} files");
    assert_eq!(laptop.home.commands(), ["echo canary-command"]);
}
