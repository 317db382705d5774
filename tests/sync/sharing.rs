//! Settings, items and counts on two devices: changed on either, offline, with clocks that are wrong by years; counted
//! once; and all of it carried to another identity by an export.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use caro_tests::{Device, Home, Relay, eventually, program};
use serde_json::Value;

use crate::{
    secrets::{expect_in_no_form, home_key, pairs},
    two_devices::pair,
};

/// Ten years.
const AHEAD_S: i64 = 315_360_000;

/// A daemon whose clock is wrong by so much.
fn device_at(seconds: i64) -> Device {
    let home = Home::new();
    start_at(&home, seconds);
    Device { home }
}

fn start_at(home: &Home, seconds: i64) {
    let mut command = home.command(program("caro"));
    let started = command.env("CARO_TEST_CLOCK_AHEAD_S", seconds.to_string()).args(["daemon", "start"]).output();
    assert!(started.expect("caro starts").status.success());
}

/// What is kept: sort, name and value.
fn kept(device: &Device) -> BTreeSet<(String, String, String)> {
    let mut all = BTreeSet::new();
    for sort in ["kv", "alias", "env", "script"] {
        let output = device.home.caro(&[sort, "list", "--json"]);
        for line in String::from_utf8(output.stdout).expect("text").lines() {
            let row: Value = serde_json::from_str(line).expect("JSON");
            let text = |name: &str| row[name].as_str().expect("a text").to_owned();
            all.insert((sort.to_owned(), text("name"), text("value")));
        }
    }
    all
}

fn setting(device: &Device, name: &str) -> String {
    device.home.caro_ok(&["config", "get", name]).trim_end_matches('\n').to_owned()
}

fn set_script(device: &Device, name: &str, text: &str) {
    let editor = device.home.write(format!("edit-{name}.sh"), format!("printf '%s' '{text}' > \"$1\"\n"));
    let mut command = device.home.command(program("caro"));
    command.env("EDITOR", format!("sh {}", editor.display())).args(["script", "edit", name]);
    let edited = command.output().expect("caro starts");
    assert!(edited.status.success(), "{}", String::from_utf8_lossy(&edited.stderr));
}

/// Both have the same, and it is this value.
fn agree(devices: [&Device; 2], sort: &str, name: &str, expected: Option<&str>) {
    let of = |device: &Device| {
        let found = kept(device).into_iter().find(|(of, known, _)| of == sort && known == name);
        found.map(|(_, _, value)| value)
    };
    eventually(&format!("{sort} {name} is {expected:?} on both"), || {
        devices.iter().all(|device| of(device).as_deref() == expected).then_some(())
    });
}

#[test]
fn ds002_two_devices_edit_the_same_offline_three_ways_with_clocks_wrong_by_years() {
    let relay = Relay::new();
    let (fast, slow) = (device_at(AHEAD_S), device_at(-AHEAD_S / 2));
    let phrase = fast.init(&relay, "fast");
    slow.restore(&relay, "slow", &phrase);
    let both = [&fast, &slow];
    fast.home.caro_ok(&["alias", "set", "gone", "begun"]);
    fast.home.caro_ok(&["alias", "set", "kept", "begun"]);
    fast.home.caro_with_input(&["script", "new", "s", "--stdin"], "begun");
    agree(both, "alias", "kept", Some("begun"));
    agree(both, "script", "s", Some("begun"));
    for device in both {
        device.home.caro_ok(&["sync", "off"]);
    }
    // One edits what the other edits, one deletes what the other edits, and each edits what the other does not.
    for (device, word) in [(&fast, "fast"), (&slow, "slow")] {
        device.home.caro_ok(&["alias", "set", "ll", &format!("ls {word}")]);
        device.home.caro_ok(&["config", "set", "screen.rows", if word == "fast" { "20" } else { "30" }]);
        set_script(device, "s", word);
        device.home.caro_ok(&["kv", "set", word, word]);
    }
    fast.home.caro_ok(&["alias", "set", "gone", "edited"]);
    slow.home.caro_ok(&["alias", "delete", "gone"]);
    slow.home.caro_ok(&["alias", "set", "kept", "edited"]);
    fast.home.caro_ok(&["alias", "delete", "kept"]);
    for device in both {
        device.home.caro_ok(&["sync", "on"]);
    }
    for device in both {
        device.sync();
    }
    // Neither knew of the other's, so that the clocks decide: the fast one's are later.
    agree(both, "alias", "ll", Some("ls fast"));
    agree(both, "script", "s", Some("fast"));
    agree(both, "alias", "gone", Some("edited"));
    agree(both, "alias", "kept", None);
    agree(both, "kv", "slow", Some("slow"));
    agree(both, "kv", "fast", Some("fast"));
    eventually("one setting on both", || {
        both.iter().all(|device| setting(device, "screen.rows") == "20").then_some(())
    });
    assert_eq!(kept(&fast), kept(&slow));
    // An edit by who has seen it holds, fifteen years earlier by its clock; and so does the next one.
    slow.home.caro_ok(&["alias", "set", "ll", "ls last"]);
    set_script(&slow, "s", "last");
    slow.home.caro_ok(&["config", "set", "screen.rows", "40"]);
    agree(both, "alias", "ll", Some("ls last"));
    agree(both, "script", "s", Some("last"));
    eventually("the later setting", || (setting(&fast, "screen.rows") == "40").then_some(()));
    slow.home.caro_ok(&["alias", "delete", "ll"]);
    agree(both, "alias", "ll", None);
    fast.home.caro_ok(&["alias", "set", "ll", "ls again"]);
    agree(both, "alias", "ll", Some("ls again"));
    // A clock that is put right does not take it back.
    slow.kill();
    start_at(&slow.home, 0);
    slow.home.caro_ok(&["alias", "set", "ll", "ls right"]);
    agree(both, "alias", "ll", Some("ls right"));
}

#[test]
fn ds002_a_setting_holds_on_every_machine_but_where_its_file_says_otherwise() {
    let relay = Relay::new();
    let (laptop, desktop) = pair(&relay);
    let config = "# mine\n[screen]\n# why\nenter = \"put\" # here\n";
    desktop.home.write(".config/caro/config.toml", config);
    laptop.home.caro_ok(&["config", "set", "screen.enter", "run"]);
    laptop.home.caro_ok(&["config", "set", "record.ignore_commands", "^never "]);
    laptop.home.caro_ok(&["config", "set", "log", "debug"]);
    eventually("the rule has come", || (setting(&desktop, "record.ignore_commands") == "^never ").then_some(()));
    assert_eq!((setting(&laptop, "screen.enter"), setting(&desktop, "screen.enter")), ("run".into(), "put".into()));
    assert_eq!(setting(&desktop, "log"), "info", "what is for one machine stays there");
    // It is in force, and not only listed.
    desktop.type_lines("one", &["never this", "echo this"]);
    desktop.expect_commands(&["echo this"]);
    let file = || fs::read_to_string(desktop.home.path().join(".config/caro/config.toml")).expect("a file");
    assert_eq!(file(), config, "what arrives changes no file");
    // A person who sets it here means everywhere, and loses nothing that was written.
    desktop.home.caro_ok(&["config", "set", "screen.enter", "put"]);
    assert_eq!(file(), config.replace("enter =", "#enter ="));
    eventually("the laptop goes by it", || (setting(&laptop, "screen.enter") == "put").then_some(()));
    desktop.home.caro_ok(&["config", "set", "--here", "screen.enter", "run"]);
    laptop.sync();
    assert_eq!((setting(&laptop, "screen.enter"), setting(&desktop, "screen.enter")), ("put".into(), "run".into()));
    // The same after a restart, before anything has come.
    laptop.kill();
    relay_is_away(relay);
    laptop.home.caro_ok(&["daemon", "start"]);
    assert_eq!(setting(&laptop, "record.ignore_commands"), "^never ");
    laptop.type_lines("two", &["never that", "echo that"]);
    laptop.expect_commands(&["echo this", "echo that"]);
}

fn relay_is_away(mut relay: Relay) {
    relay.kill();
}

/// How often commands were counted, by all devices together.
fn runs(device: &Device) -> u64 {
    let shown = device.home.caro_ok(&["stats", "--all-devices", "--json"]);
    let figures: Value = serde_json::from_str(&shown).expect("JSON");
    let hours: u64 =
        figures["hours"].as_array().expect("hours").iter().map(|hour| hour.as_u64().expect("a number")).sum();
    let runs = figures["runs"].as_u64().expect("a number");
    assert_eq!(hours, runs, "each has an hour");
    runs
}

#[test]
fn ds003_each_use_is_counted_once_on_all_devices_whatever_is_killed() {
    let relay = Relay::new();
    let laptop = Device::new();
    laptop.type_lines("before", &["git status", "ls"]);
    laptop.expect_commands(&["git status", "ls"]);
    let phrase = laptop.init(&relay, "laptop");
    let desktop = Device::new();
    desktop.restore(&relay, "desktop", &phrase);
    desktop.type_lines("one", &["cargo build"]);
    laptop.type_lines("two", &["cargo test", "cat notes"]);
    for device in [&laptop, &desktop] {
        device.expect_commands(&["cargo build", "cargo test", "cat notes", "git status", "ls"]);
        device.kill();
        device.home.caro_ok(&["daemon", "start"]);
    }
    laptop.home.caro_ok(&["history", "delete", "--yes", "--match", "cat notes"]);
    for device in [&laptop, &desktop, &laptop] {
        device.sync();
    }
    for device in [&laptop, &desktop] {
        eventually("five uses", || (runs(device) == 5).then_some(()));
    }
    let shown = desktop.home.caro_ok(&["stats", "--all-devices"]);
    assert!(shown.starts_with("5 commands on 2 machines") && shown.contains("  versions"), "{shown}");
    desktop.home.caro_ok(&["config", "set", "stats.count", "false"]);
    eventually("counting is off on both", || (setting(&laptop, "stats.count") == "false").then_some(()));
    laptop.type_lines("three", &["echo uncounted"]);
    eventually("it is there", || desktop.home.commands().contains(&"echo uncounted".to_owned()).then_some(()));
    laptop.sync();
    desktop.sync();
    assert_eq!((runs(&laptop), runs(&desktop)), (5, 5));
}

/// The files of an export, but for those that say when and on which devices it was made.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = ["config.toml", "counts.jsonl", "history.jsonl", "items.jsonl", "settings.jsonl", "README.md"];
    names.map(|name| (name.to_owned(), fs::read(folder.join(name)).unwrap_or_default())).into()
}

fn import(home: &Home, folder: &Path) -> Value {
    let shown = home.caro_ok(&["import", "--all", folder.to_str().expect("text"), "--json"]);
    serde_json::from_str(shown.lines().next().expect("a line")).expect("JSON")
}

#[test]
fn pc005_an_export_of_everything_gives_the_same_state_on_a_new_identity() {
    let relay = Relay::new();
    let (laptop, desktop) = pair(&relay);
    let phrase_of_another = Device::new();
    laptop.home.write(".config/caro/config.toml", "# mine\nlog = \"warn\"\n");
    laptop.type_lines("one", &["echo 'it''s' \u{1b}[31mred", "git push"]);
    laptop.home.caro_ok(&["alias", "set", "ll", "ls -l 'a b'"]);
    laptop.home.caro_ok(&["env", "set", "EDITOR", "vim\t-u 'x'"]);
    laptop.home.caro_with_input(&["kv", "set", "lines"], "one\ntwo\n");
    laptop.home.caro_with_input(&["script", "new", "s", "--stdin"], "#!/bin/sh\necho \u{fffd}\n");
    laptop.home.caro_ok(&["config", "set", "record.secrets", "mask"]);
    desktop.type_lines("two", &["cargo build"]);
    laptop.expect_commands(&["echo 'it''s' \u{1b}[31mred", "git push", "cargo build"]);
    desktop.sync();
    laptop.sync();
    eventually("all uses are known", || (runs(&laptop) == 3).then_some(()));
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    laptop.home.caro_ok(&["export", "--all", first.to_str().expect("text")]);
    let refused = laptop.home.caro(&["export", "--all", first.to_str().expect("text")]);
    assert_eq!(refused.status.code(), Some(73), "it replaces nothing");
    // On a new identity, twice.
    let other = phrase_of_another;
    other.init(&relay, "other");
    let taken = import(&other.home, &first);
    assert_eq!(
        (&taken["settings"]["new"], &taken["items"]["new"], &taken["config"]),
        (&1.into(), &4.into(), &"taken".into())
    );
    let again = import(&other.home, &first);
    let figures = (&again["settings"]["new"], &again["items"]["new"], &again["counts"]["new"], &again["config"]);
    assert_eq!(figures, (&0.into(), &0.into(), &0.into(), &"same".into()));
    other.home.caro_ok(&["export", "--all", second.to_str().expect("text")]);
    for ((name, before), (_, after)) in files(&first).into_iter().zip(files(&second)) {
        assert!(before == after, "{name}: {}\n{}", String::from_utf8_lossy(&before), String::from_utf8_lossy(&after));
        assert!(!before.is_empty(), "{name}");
    }
    assert_eq!(kept(&laptop), kept(&other));
    assert_eq!(runs(&other), 3);
    // What is there otherwise stays, unless it is asked for.
    other.home.caro_ok(&["alias", "set", "ll", "mine"]);
    assert_eq!(import(&other.home, &first)["items"]["kept"], 1);
    assert_eq!(other.home.caro_ok(&["alias", "get", "ll"]), "mine\n");
    other.home.caro_ok(&["import", "--all", first.to_str().expect("text"), "--replace"]);
    assert_eq!(other.home.caro_ok(&["alias", "get", "ll"]), "ls -l 'a b'\n");
}

/// Changes a file of an export as its writer would have written it: with its hashes.
fn rewrite(all: &Path, name: &str, from: &str, to: &str) {
    let hash = |name: &str| {
        let output = Command::new("sha256sum").arg(all.join(name)).output().expect("sha256sum runs");
        String::from_utf8(output.stdout).expect("text").split(' ').next().expect("a hash").to_owned()
    };
    let replace = |name: &str, from: &str, to: &str| {
        let text = fs::read_to_string(all.join(name)).expect("read");
        assert!(text.contains(from), "{name}: {text}");
        fs::write(all.join(name), text.replace(from, to)).expect("written");
    };
    let (before, manifest) = (hash(name), hash("manifest.json"));
    replace(name, from, to);
    for holder in ["manifest.json", "SHA256SUMS"] {
        replace(holder, &before, &hash(name));
    }
    replace("SHA256SUMS", &manifest, &hash("manifest.json"));
}

#[test]
fn pc005_an_item_that_cannot_be_kept_is_left_out_and_named_and_all_else_is_taken() {
    let laptop = Device::new();
    laptop.type_lines("one", &["echo one"]);
    laptop.expect_commands(&["echo one"]);
    laptop.home.caro_ok(&["alias", "set", "ll", "ls -l"]);
    laptop.home.caro_ok(&["alias", "set", "zz", "ls -z"]);
    let folder = tempfile::tempdir().expect("a folder");
    let all = folder.path().join("all");
    laptop.home.caro_ok(&["export", "--all", all.to_str().expect("text")]);
    // A version that knew less of shells may have let it be.
    rewrite(&all, "items.jsonl", "\"ll\"", "\"l l\"");
    let other = Device::new();
    let taken = import(&other.home, &all);
    assert_eq!((&taken["items"]["new"], &taken["items"]["unfit"][0]["name"]), (&1.into(), &"l l".into()), "{taken}");
    assert_eq!(other.home.caro_ok(&["alias", "get", "zz"]), "ls -z\n");
    other.expect_commands(&["echo one"]);
    let output = other.home.caro(&["import", "--all", all.to_str().expect("text")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("alias l l: left out: "), "{said}");
}

#[test]
fn pc005_a_limit_in_an_export_deletes_nothing_and_is_named() {
    let relay = Relay::new();
    let laptop = Device::new();
    laptop.home.write(".config/caro/config.toml", "# mine\nlog = \"warn\"\n[history]\nkeep_count = 100\n");
    laptop.type_lines("one", &["echo mine"]);
    laptop.expect_commands(&["echo mine"]);
    laptop.init(&relay, "laptop");
    laptop.home.caro_ok(&["config", "set", "history.keep_days", "30"]);
    let folder = tempfile::tempdir().expect("a folder");
    let all = folder.path().join("all");
    laptop.home.caro_ok(&["export", "--all", all.to_str().expect("text")]);
    let other = Device::new();
    let lines: Vec<String> = (0..120).map(|number| format!("echo {number}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    other.type_lines("two", &lines);
    eventually("all are there", || (other.home.count() == 120).then_some(()));
    let taken = import(&other.home, &all);
    assert_eq!(taken["left_out"], serde_json::json!(["history.keep_count", "history.keep_days"]), "{taken}");
    assert_eq!(other.home.count(), 121);
    let config = fs::read_to_string(other.home.path().join(".config/caro/config.toml")).expect("taken");
    assert!(config.starts_with("# mine\nlog = \"warn\"\n") && !config.contains("keep_count"), "{config}");
    for name in ["history.keep_count", "history.keep_days"] {
        assert_eq!(other.home.caro_ok(&["config", "get", name]), "unlimited\n", "{name}");
    }
    assert_eq!(import(&other.home, &all)["config"], "same");
}

#[test]
fn pc005_a_damaged_export_is_refused_with_nothing_taken_and_holds_no_key() {
    let relay = Relay::new();
    let laptop = Device::new();
    laptop.type_lines("one", &["echo one", "echo two"]);
    laptop.home.caro_ok(&["alias", "set", "ll", "ls -l"]);
    let phrase = laptop.init(&relay, "laptop");
    let folder = tempfile::tempdir().expect("a folder");
    let all = folder.path().join("all");
    laptop.home.caro_ok(&["export", "--all", all.to_str().expect("text")]);
    let (key, pairs) = (home_key(&laptop), pairs(&phrase));
    for entry in fs::read_dir(&all).expect("listed") {
        let path = entry.expect("an entry").path();
        let (bytes, place) = (fs::read(&path).expect("read"), path.display().to_string());
        expect_in_no_form(&bytes, &key, &place);
        for pair in &pairs {
            expect_in_no_form(&bytes, pair.as_bytes(), &place);
        }
    }
    let fresh = Device::new();
    let history = all.join("history.jsonl");
    let whole = fs::read(&history).expect("read");
    fs::write(&history, &whole[..whole.len() / 2]).expect("cut off");
    let refused = fresh.home.caro(&["import", "--all", all.to_str().expect("text")]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(65), "{said}");
    assert!(said.contains("history.jsonl: its SHA-256 is another") && said.contains("nothing was taken in"), "{said}");
    assert_eq!((fresh.home.count(), kept(&fresh).len()), (0, 0));
    fs::write(&history, &whole).expect("as it was");
    import(&fresh.home, &all);
    assert_eq!((fresh.home.commands().len(), kept(&fresh).len()), (2, 1));
}
