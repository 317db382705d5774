//! Who is in the account, who was taken off, and what that means at each end: real programs, a real relay, and everything
//! that may come in between.

use std::process::Output;

use caro_tests::{Device, Relay, Terminal, eventually, program};
use serde_json::Value;

use crate::said::{said, status, warnings};

/// Two devices in sync, and their phrase.
fn pair(relay: &Relay) -> (Device, Device, String) {
    let (desk, laptop) = (Device::new(), Device::new());
    let phrase = desk.init(relay, "desk");
    laptop.restore(relay, "laptop", &phrase);
    desk.type_lines("one", &["echo from the desk"]);
    laptop.type_lines("two", &["echo from the laptop"]);
    for device in [&desk, &laptop] {
        device.expect_commands(&["echo from the desk", "echo from the laptop"]);
    }
    eventually("both know both", || (devices(&desk).len() == 2 && devices(&laptop).len() == 2).then_some(()));
    eventually("the desk has seen the list with both", || (list_version(&desk) == 2).then_some(()));
    (desk, laptop, phrase)
}

/// The version of the relay's list that a device has seen last. It is shown at the beginning of a session.
fn list_version(device: &Device) -> u64 {
    let printed = device.home.caro_ok(&["sync", "inspect", "--offline", "--json"]);
    let mut lines = printed.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let relay = lines.find(|line| line["kind"] == "relay").expect("a relay");
    relay["list_version"].as_u64().expect("a version")
}

fn devices(device: &Device) -> Vec<Value> {
    let printed = device.home.caro_ok(&["sync", "devices", "--json"]);
    printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn revoke(device: &Device, other: &str, why: &str, phrase: &str) -> Output {
    device.home.caro_with_input(&["sync", "revoke", other, why, "--yes", "--phrase-stdin"], phrase)
}

fn revoke_ok(device: &Device, other: &str, why: &str, phrase: &str) -> String {
    let output = revoke(device, other, why, phrase);
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

fn wait_until_off(device: &Device) {
    eventually("it knows that it was taken off", || {
        (status(device)["remotes"][0]["reason"] == "revoked").then_some(())
    });
}

#[test]
fn ds005_devices_are_listed_with_how_they_stand_and_renamed_from_anywhere() {
    let relay = Relay::new();
    let (desk, laptop, _) = pair(&relay);
    let listed = devices(&desk);
    assert_eq!((&listed[0]["name"], &listed[0]["this"]), (&"desk".into(), &true.into()));
    assert_eq!(
        (&listed[1]["name"], &listed[1]["added_by"], &listed[1]["revoked"]),
        (&"laptop".into(), &Value::Null, &Value::Null)
    );
    let shown = desk.home.caro_ok(&["sync", "devices"]);
    assert!(shown.contains("(this device)") && shown.contains("with the phrase"), "{shown}");
    let id = listed[1]["id"].as_str().expect("an id");
    desk.home.caro_ok(&["sync", "devices", "rename", &id[..4], "kitchen"]);
    eventually("the laptop is called so itself", || (status(&laptop)["device_name"] == "kitchen").then_some(()));
    laptop.home.caro_ok(&["sync", "rename", "desk"]);
    eventually("two are called desk", || devices(&desk).iter().all(|device| device["name"] == "desk").then_some(()));
    let failed = desk.home.caro(&["sync", "devices", "rename", "desk", "cellar"]);
    assert!(said(&failed).contains("\"desk\" can be 2 devices: "), "{}", said(&failed));
    let failed = desk.home.caro(&["sync", "devices", "rename", "attic", "cellar"]);
    assert!(said(&failed).contains("the account has no such device"), "{}", said(&failed));
}

#[test]
fn a_device_that_is_taken_off_is_out_at_once_keeps_its_history_and_comes_in_again_as_a_new_one() {
    let relay = Relay::new();
    let (desk, laptop, phrase) = pair(&relay);
    let told = revoke_ok(&desk, "laptop", "--lost", &phrase);
    assert!(
        told.contains("What it has had until now it has") && told.contains("\"laptop\" is off the account"),
        "{told}"
    );
    assert!(warnings(&desk).is_empty(), "{:?}", warnings(&desk));
    wait_until_off(&laptop);
    let shown = laptop.home.caro_ok(&["sync", "status"]);
    assert!(shown.contains("this device was taken off the account"), "{shown}");
    desk.type_lines("three", &["echo after"]);
    laptop.type_lines("four", &["echo alone"]);
    desk.sync();
    laptop.expect_commands(&["echo from the desk", "echo from the laptop", "echo alone"]);
    desk.expect_commands(&["echo from the desk", "echo from the laptop", "echo after"]);
    let failed = revoke(&laptop, "desk", "--lost", &phrase);
    assert!(said(&failed).contains("this device is not of the account any more"), "{}", said(&failed));
    let off = &devices(&desk)[1];
    assert_eq!((&off["revoked"]["why"], &off["revoked"]["by"]["name"]), (&"lost".into(), &"desk".into()));
    // Its person has the phrase and wants it back.
    laptop.restore(&relay, "laptop again", &phrase);
    for device in [&desk, &laptop] {
        device.expect_commands(&["echo from the desk", "echo from the laptop", "echo after", "echo alone"]);
    }
}

#[test]
fn what_cannot_be_taken_off_is_said_before_anybody_types_a_phrase() {
    let relay = Relay::new();
    let (desk, laptop, phrase) = pair(&relay);
    let refuses = |device: &Device, other: &str, phrase: &str, words: &str| {
        let failed = revoke(device, other, "--retired", phrase);
        assert!(!failed.status.success() && said(&failed).contains(words), "{}", said(&failed));
    };
    refuses(&desk, "desk", "", "that is the device you are at");
    refuses(&desk, "attic", "", "the account has no such device");
    refuses(&desk, "laptop", "no phrase at all", "the phrase has");
    let other = Device::new().init(&Relay::new(), "elsewhere");
    refuses(&desk, "laptop", &other, "another account");
    assert_eq!(devices(&desk)[1]["revoked"], Value::Null, "nothing was changed");
    let why = desk.home.caro(&["sync", "revoke", "laptop", "--yes", "--phrase-stdin"]);
    assert!(said(&why).contains("--compromised"), "{}", said(&why));
    revoke_ok(&desk, "laptop", "--retired", &phrase);
    refuses(&desk, "laptop", "", "that device was taken off before");
    refuses(&desk, "desk", "", "the account's only device");
    drop(laptop);
}

#[test]
fn a_relay_that_is_down_is_told_later_also_after_the_daemon_was_killed() {
    let mut relay = Relay::new();
    let (desk, laptop, phrase) = pair(&relay);
    relay.kill();
    let told = revoke_ok(&desk, "laptop", "--compromised", &phrase);
    assert!(told.contains("still lists a device that was taken off; it is told as soon as"), "{told}");
    assert!(warnings(&desk).contains(&"unfinished".to_owned()));
    desk.kill();
    desk.home.caro_ok(&["daemon", "start"]);
    assert!(warnings(&desk).contains(&"unfinished".to_owned()), "a restart does not forget it");
    relay.start_again();
    desk.home.caro_ok(&["sync", "on"]);
    eventually("it is finished", || warnings(&desk).is_empty().then_some(()));
    laptop.home.caro_ok(&["sync", "on"]);
    wait_until_off(&laptop);
}

#[test]
fn at_a_terminal_it_is_asked_once_more_and_the_phrase_is_not_shown() {
    let relay = Relay::new();
    let (desk, laptop, phrase) = pair(&relay);
    let caro = program("caro");
    let caro = caro.to_str().expect("a path");
    let start = || Terminal::start(caro, &["sync", "revoke", "laptop", "--lost"], &desk.home.env(), &desk.home.path());
    let mut first = start();
    first.wait_for("Take \"laptop\" off?");
    first.line("n");
    first.wait_for_end();
    assert_eq!(devices(&desk)[1]["revoked"], Value::Null);
    let mut second = start();
    second.wait_for("Take \"laptop\" off?");
    second.line("y");
    second.wait_for("Recovery phrase:");
    second.line(&phrase);
    second.wait_for("\"laptop\" is off the account");
    second.wait_for_end();
    let word = phrase.split(' ').next().expect("a word");
    assert!(!second.screen().split_whitespace().any(|shown| shown == word), "{}", second.screen());
    wait_until_off(&laptop);
}

#[test]
fn a_new_key_and_resealing_leave_everything_readable_and_old_and_new_devices_in_step() {
    let relay = Relay::new();
    let (desk, laptop, phrase) = pair(&relay);
    let rotated = desk.home.caro_with_input(&["sync", "rotate", "--reseal", "--phrase-stdin"], &phrase);
    assert!(rotated.status.success(), "{}", said(&rotated));
    eventually("all is sealed anew", || warnings(&desk).is_empty().then_some(()));
    laptop.type_lines("three", &["echo under the new key"]);
    let third = Device::new();
    third.restore(&relay, "third", &phrase);
    for device in [&desk, &laptop, &third] {
        device.expect_commands(&["echo from the desk", "echo from the laptop", "echo under the new key"]);
    }
}

#[test]
fn who_came_and_who_went_is_said_until_it_was_looked_at_also_after_a_restart() {
    let relay = Relay::new();
    let (desk, _laptop, phrase) = pair(&relay);
    let third = Device::new();
    third.restore(&relay, "third", &phrase);
    eventually("it knows the others", || (devices(&third).len() == 3).then_some(()));
    revoke_ok(&third, "laptop", "--retired", &phrase);
    eventually("both are said", || {
        let said = warnings(&desk);
        (said.contains(&"device_joined".to_owned()) && said.contains(&"device_revoked".to_owned())).then_some(())
    });
    desk.kill();
    desk.home.caro_ok(&["daemon", "start"]);
    let shown = desk.home.caro_ok(&["sync", "status"]);
    assert!(shown.contains("\"third\" joined the account") && shown.contains("\"laptop\" was taken off"), "{shown}");
    desk.home.caro_ok(&["sync", "devices"]);
    assert!(warnings(&desk).is_empty());
    desk.kill();
    desk.home.caro_ok(&["daemon", "start"]);
    assert!(warnings(&desk).is_empty());
}

/// How many devices a relay lets into its only account.
fn listed_at(relay: &Relay) -> u64 {
    let account: Value = serde_json::from_str(&relay.owner(&["account", "list", "--json"])).expect("one account");
    let handle = account["handle"].as_str().expect("a handle");
    let shown: Value = serde_json::from_str(&relay.owner(&["account", "show", handle, "--json"])).expect("JSON");
    shown["devices"].as_u64().expect("a count")
}

#[test]
fn trap_14_a_relay_from_a_backup_is_told_who_was_taken_off_since_by_the_first_device_that_comes() {
    let mut relay = Relay::new();
    let (desk, laptop, phrase) = pair(&relay);
    let folder = tempfile::tempdir().expect("a folder");
    let backup = folder.path().join("backup");
    relay.back_up(&backup);
    revoke_ok(&desk, "laptop", "--lost", &phrase);
    eventually("the relay is told", || (listed_at(&relay) == 1).then_some(()));
    wait_until_off(&laptop);
    desk.kill();
    relay.stop();
    relay.restore(&backup);
    assert_eq!(listed_at(&relay), 2, "it is as it was on that day");
    relay.start_again();
    desk.home.caro_ok(&["daemon", "start"]);
    eventually("the desk has told it", || (listed_at(&relay) == 1).then_some(()));
    assert!(!warnings(&desk).contains(&"unfinished".to_owned()), "{:?}", warnings(&desk));
    laptop.home.caro_ok(&["sync", "on"]);
    wait_until_off(&laptop);
    desk.sync();
    desk.expect_commands(&["echo from the desk", "echo from the laptop"]);
}
