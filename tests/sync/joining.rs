//! Coming into an account, and everything that can be wrong with that. Whatever fails, nothing changes here.

use std::{io::Write, process::Stdio};

use caro_tests::{Device, Relay, eventually, have, program, skip};

use crate::secrets::{expect_in_no_form, expect_untold, pairs};

fn refusal(device: &Device, relay: &str, phrase: &str) -> String {
    let arguments = ["sync", "restore", "--relay", relay, "--phrase-stdin"];
    let output = device.home.caro_with_input(&arguments, phrase);
    assert!(!output.status.success());
    let status = device.home.caro_ok(&["sync", "status", "--json"]);
    assert!(status.contains("\"joined\":false"), "{status}");
    String::from_utf8(output.stderr).expect("text")
}

const OTHER: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

#[test]
fn fr_si004_a_word_that_is_not_in_the_list_is_named_with_the_nearest_and_repeated_nowhere() {
    let relay = Relay::new();
    let device = Device::new();
    let said = refusal(&device, relay.address(), &OTHER.replace("about", "aboutt"));
    assert!(said.contains("12") && said.contains("about"), "{said}");
    assert!(!said.contains("aboutt"), "{said}");
    let log = device.home.path().join(".local/state/caro/log/caro-daemon.log");
    let log = std::fs::read_to_string(log).expect("a log");
    assert!(!log.contains("about") && !log.contains("abandon"), "{log}");
}

#[test]
fn fr_si004_a_wrong_checksum_and_a_wrong_length_are_told_apart() {
    let relay = Relay::new();
    let device = Device::new();
    let checksum = refusal(&device, relay.address(), &OTHER.replace("about", "abandon"));
    let length = refusal(&device, relay.address(), "abandon about");
    assert!(checksum.contains("every word is in the list") && length.contains("2 words"), "{checksum}{length}");
    assert_ne!(checksum, length);
}

#[test]
fn trap_22_a_valid_phrase_without_an_account_makes_none() {
    let relay = Relay::new();
    let device = Device::new();
    let first = refusal(&device, relay.address(), OTHER);
    assert!(first.contains("no account"), "{first}");
    // The first try made none either.
    assert_eq!(refusal(&device, relay.address(), OTHER), first);
}

#[test]
fn an_unreachable_relay_and_a_bad_address_are_said_and_recording_goes_on() {
    let device = Device::new();
    let nobody = "wss://127.0.0.1:1/#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let said = refusal(&device, nobody, OTHER);
    assert!(said.contains("127.0.0.1:1"), "{said}");
    let said = refusal(&device, "http://example.org", OTHER);
    assert!(said.contains("wss://"), "{said}");
    device.type_lines("one", &["echo still here"]);
    device.expect_commands(&["echo still here"]);
}

#[test]
fn trap_23_a_relay_with_another_key_than_in_the_address_is_a_hard_stop() {
    let (relay, other) = (Relay::new(), Relay::new());
    let device = Device::new();
    let key = other.address().split('#').nth(1).expect("a key");
    let place = relay.address().split('#').next().expect("a place");
    let said = refusal(&device, &format!("{place}#{key}"), OTHER);
    assert!(said.contains("another key"), "{said}");
}

#[test]
fn a_device_in_an_account_is_told_so_and_stays_in_it() {
    let relay = Relay::new();
    let device = Device::new();
    device.init(&relay, "laptop");
    let listed = || {
        let printed = device.home.caro_ok(&["sync", "devices", "--json"]);
        let ids = printed.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        ids.map(|json| (json["device"].clone(), json["added_ms"].clone())).collect::<Vec<_>>()
    };
    let before = listed();
    for arguments in [["sync", "init", "--yes", "--relay"], ["sync", "restore", "--phrase-stdin", "--relay"]] {
        let arguments = [&arguments[..], &[relay.address()]].concat();
        let output = device.home.caro_with_input(&arguments, OTHER);
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("already"), "{output:?}");
    }
    assert_eq!(listed(), before);
}

#[test]
fn trap_40_the_phrase_is_in_no_file_and_no_process_list() {
    let relay = Relay::new();
    let device = Device::new();
    let phrase = device.init(&relay, "laptop");
    let words: Vec<&str> = phrase.split(' ').collect();
    let three = words[..3].join(" ");
    let mut folders = vec![device.home.path(), relay.data()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                let bytes = std::fs::read(&path).expect("readable");
                assert!(!bytes.windows(three.len()).any(|window| window == three.as_bytes()), "{}", path.display());
            }
        }
    }
    expect_untold(device.pid(), &pairs(&phrase));
}

#[test]
fn trap_40_nothing_is_started_with_the_phrase_when_a_device_comes_in() {
    if !have("strace") {
        return skip("trap 40", "strace");
    }
    let relay = Relay::new();
    let phrase = Device::new().init(&relay, "desk");
    let laptop = Device::new();
    // So that the daemon is started on the way, too.
    laptop.home.caro_ok(&["daemon", "stop"]);
    let trace = laptop.home.path().join("trace");
    let mut command = laptop.home.command("strace");
    command.args(["-f", "-v", "-s", "4096", "-e", "trace=execve", "-o"]).arg(&trace).arg(program("caro"));
    command.args(["sync", "restore", "--relay", relay.address(), "--name", "laptop", "--phrase-stdin"]);
    let mut tracer = command.stdin(Stdio::piped()).spawn().expect("strace starts");
    tracer.stdin.take().expect("piped").write_all(phrase.as_bytes()).expect("read");
    // Nothing else may start the daemon meanwhile, not even who asks how far it is.
    eventually("caro has ended", || {
        let traced = std::fs::read_to_string(&trace).ok()?;
        let pid = traced.split_whitespace().next()?;
        // The column of the process ids is padded.
        let ended = [pid, "+++", "exited", "with", "0", "+++"];
        traced.lines().any(|line| line.split_whitespace().eq(ended)).then_some(())
    });
    // Who traces stays as long as the daemon.
    laptop.home.caro_ok(&["daemon", "stop"]);
    assert!(tracer.wait().expect("ours").success());
    let traced = std::fs::read_to_string(&trace).expect("written");
    let started = traced.lines().filter(|line| line.contains("execve(")).collect::<Vec<_>>();
    let of = |name: &str| started.iter().filter(|line| line.contains(name)).count();
    assert!(of("--phrase-stdin") > 0 && of("caro-daemon") > 0 && of("XDG_RUNTIME_DIR=") > 0, "{traced}");
    for pair in pairs(&phrase) {
        // One argument, or one each.
        for said in [pair.clone(), pair.replace(' ', "\", \"")] {
            expect_in_no_form(traced.as_bytes(), said.as_bytes(), "what is started");
        }
    }
}

#[test]
fn fr_si004_a_newcomer_with_the_phrase_comes_in_at_a_relay_that_has_forgotten_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("relay.toml");
    std::fs::write(&config, "mode = \"mailbox\"\n").expect("written");
    let relay = Relay::with(&["--config", config.to_str().expect("text")]);
    let desk = Device::new();
    let phrase = desk.init(&relay, "desk");
    // Its only device has everything, so the relay keeps nothing.
    desk.sync();
    let laptop = Device::new();
    laptop.restore(&relay, "laptop", &phrase);
    assert!(laptop.home.caro_ok(&["sync", "status"]).contains("this device is \"laptop\""));
}
