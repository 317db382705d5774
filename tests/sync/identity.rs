//! A new phrase, and everything moves: real programs, killed at whatever moment. Afterwards a device is in the old account
//! as it was, or in the new one with everything, and never in between.

use std::{
    io::Write,
    process::{Output, Stdio},
    time::{Duration, Instant},
};

use caro_tests::{Device, Relay, Terminal, eventually, eventually_within, program};
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

/// The daemon is killed so long after it was told to move. What takes the time are the derivations and the relay's answers.
fn killed_after(ms: u64) {
    let relay = Relay::new();
    let (desk, old) = with_history(&relay);
    let mut child = desk
        .home
        .command(program("caro"))
        .args(MOVE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("caro starts");
    let pid = desk.pid();
    child.stdin.take().expect("piped").write_all(old.as_bytes()).expect("read");
    let at = Instant::now() + Duration::from_millis(ms);
    while Instant::now() < at && child.try_wait().expect("ours").is_none() {
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_raw(pid).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is ours");
    let output = child.wait_with_output().expect("caro ends");
    let printed = String::from_utf8_lossy(&output.stdout).contains("phrase");
    desk.home.caro_ok(&["daemon", "start"]);
    eventually_within(Duration::from_secs(30), "it is in step with one account", || {
        let status = status(&desk);
        let remote = &status["remotes"][0];
        let in_step = remote["state"] == "connected" && remote["pending_up"] == 0 && remote["pending_down"] == 0;
        (in_step && warnings(&desk).is_empty()).then_some(())
    });
    desk.expect_commands(&LINES);
    let phrase = if has_no_account(&relay, &old) {
        assert!(printed, "it moved before anybody had the phrase");
        new_phrase(&output)
    } else {
        old
    };
    let third = Device::new();
    third.restore(&relay, "third", &phrase);
    third.expect_commands(&LINES);
    desk.type_lines("two", &["echo goes on"]);
    third.expect_commands(&["echo one", "echo two", "echo three", "echo goes on"]);
}

macro_rules! killed {
    ($($name:ident: $ms:literal,)+) => {
        $(
            #[test]
            fn $name() {
                killed_after($ms);
            }
        )+
    };
}

// In the old account as it was, or in the new one with everything.
killed! {
    killed_at_once_nothing_is_half: 0,
    killed_while_the_old_phrase_is_stretched_nothing_is_half: 150,
    killed_when_the_new_phrase_was_shown_nothing_is_half: 400,
    killed_while_the_new_account_is_made_nothing_is_half: 700,
    killed_while_it_moves_nothing_is_half: 1000,
    killed_after_it_has_moved_nothing_is_half: 1400,
}
