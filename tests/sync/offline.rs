//! Without the other side: it goes on, says so, and catches up.

use caro_tests::{Device, Relay, eventually};
use serde_json::Value;

use crate::{said::status, two_devices::pair};

#[test]
fn t_loss_04_what_was_recorded_while_the_relay_was_away_arrives_once() {
    let mut relay = Relay::new();
    let (laptop, desktop) = pair(&relay);
    laptop.type_lines("one", &["echo together"]);
    desktop.expect_commands(&["echo together"]);
    relay.stop();
    laptop.type_lines("one-b", &["echo alone 1", "echo alone 2"]);
    desktop.type_lines("two", &["echo alone 3"]);
    laptop.expect_commands(&["echo together", "echo alone 1", "echo alone 2"]);
    eventually("the laptop says that the relay is away", || {
        (status(&laptop)["remotes"][0]["state"] == "waiting").then_some(())
    });
    relay.start_again();
    for device in [&laptop, &desktop] {
        device.home.caro_ok(&["sync", "now"]);
        device.expect_commands(&["echo together", "echo alone 1", "echo alone 2", "echo alone 3"]);
    }
}

#[test]
fn or001_after_sync_off_nothing_is_sent_and_after_sync_on_nothing_is_missing() {
    let relay = Relay::new();
    let (laptop, desktop) = pair(&relay);
    laptop.home.caro_ok(&["sync", "off"]);
    laptop.type_lines("one", &["echo in the dark"]);
    laptop.expect_commands(&["echo in the dark"]);
    desktop.type_lines("two", &["echo in the light"]);
    desktop.expect_commands(&["echo in the light"]);
    laptop.kill();
    laptop.home.caro_ok(&["daemon", "start"]);
    assert_eq!(laptop.home.commands(), ["echo in the dark"], "a restart does not switch it on");
    laptop.home.caro_ok(&["sync", "on"]);
    for device in [&laptop, &desktop] {
        device.expect_commands(&["echo in the dark", "echo in the light"]);
    }
}

#[test]
fn trap_08_a_relay_whose_database_was_turned_back_is_noticed() {
    let mut relay = Relay::new();
    let (laptop, desktop) = pair(&relay);
    laptop.type_lines("one", &["echo first"]);
    desktop.expect_commands(&["echo first"]);
    laptop.sync();
    relay.stop();
    let old = tempfile::tempdir().expect("a folder");
    copy(&relay.data(), old.path());
    relay.start_again();
    laptop.type_lines("one-b", &["echo second"]);
    desktop.expect_commands(&["echo first", "echo second"]);
    laptop.sync();
    relay.stop();
    std::fs::remove_dir_all(relay.data()).expect("removed");
    copy(old.path(), &relay.data());
    relay.start_again();
    let restored = |device: &Device| {
        eventually("it is said", || (status(device)["remotes"][0]["reason"] == "rolled_back").then_some(()));
    };
    restored(&laptop);
    restored(&desktop);
    assert_eq!(laptop.home.commands().len(), 2, "nothing is lost here");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        if entry.path().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
        }
    }
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).expect("closed");
}

/// What doctor finds of the relays of a device: how bad it is, what, and what to do.
fn sync_findings(device: &Device) -> Vec<(String, String, String)> {
    let said = device.home.caro_ok(&["doctor", "--json"]);
    let findings = said.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let text = |finding: &Value, field: &str| finding[field].as_str().expect("text").to_owned();
    let of_sync = findings.filter(|finding| finding["check"] == "sync");
    of_sync.map(|finding| (text(&finding, "level"), text(&finding, "found"), text(&finding, "advice"))).collect()
}

#[test]
fn r004_doctor_says_of_each_relay_how_it_is_and_what_to_do() {
    let mut relay = Relay::new();
    let device = Device::new();
    let only = |device: &Device| {
        let [finding] = <[_; 1]>::try_from(sync_findings(device)).expect("one finding");
        finding
    };
    let (level, found, advice) = only(&device);
    assert_eq!((level.as_str(), advice.as_str()), ("good", ""));
    assert!(found.contains("in no account"), "{found}");
    device.init(&relay, "laptop");
    device.sync();
    let (level, found, _) = only(&device);
    assert!(level == "good" && found.starts_with("connected to "), "{found}");
    relay.stop();
    eventually("it is seen to be gone", || (status(&device)["remotes"][0]["state"] == "waiting").then_some(()));
    device.type_lines("one", &["echo alone"]);
    eventually("it waits to be sent", || only(&device).1.ends_with("; 1 to send").then_some(()));
    let (level, found, advice) = only(&device);
    assert!(level == "notice" && found.starts_with("not connected to "), "{found}");
    assert!(advice.contains("nothing is lost"), "{advice}");
    device.home.caro_ok(&["sync", "off"]);
    let (level, found, advice) = only(&device);
    assert_eq!((level.as_str(), found.as_str()), ("notice", "the network is off"));
    assert!(advice.contains("caro sync on"), "{advice}");
}
