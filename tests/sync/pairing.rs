//! Coming into an account with a short code: two people at two terminals, real programs, and everything that can come in
//! between. Whatever fails, neither side is changed.

use std::path::PathBuf;

use caro_tests::{Device, Relay, Terminal, eventually, program};

use crate::secrets::expect_untold;

/// A program of this home on a terminal.
fn on_terminal(device: &Device, arguments: &[&str]) -> Terminal {
    let caro = program("caro");
    let caro = caro.to_str().expect("a path");
    Terminal::start(caro, arguments, &device.home.env(), &device.home.path())
}

/// `caro sync pair`, once it shows a code.
fn show_code(device: &Device) -> (Terminal, String) {
    let terminal = on_terminal(device, &["sync", "pair"]);
    terminal.wait_for("Ctrl-C takes it away");
    let code = code_on(&terminal.screen());
    (terminal, code)
}

fn code_on(screen: &str) -> String {
    let is_code = |line: &&str| {
        let parts: Vec<&str> = line.split('-').collect();
        let is_word = |word: &&str| word.len() >= 3 && word.bytes().all(|letter| letter.is_ascii_lowercase());
        parts.len() == 3 && parts[0].parse::<u16>().is_ok() && parts[1..].iter().all(is_word)
    };
    screen.lines().map(str::trim).find(is_code).unwrap_or_else(|| panic!("no code on:\n{screen}")).to_owned()
}

/// The three words under "must show the same words".
fn words_on(terminal: &Terminal) -> String {
    terminal.wait_for("y or n");
    let screen = terminal.screen();
    let after = screen.split("must show the same words:").nth(1).expect("words");
    after.lines().map(str::trim).find(|line| line.split(' ').count() == 3).expect("three words").to_owned()
}

/// `caro sync join`, once it asks for the code.
fn ask_code(device: &Device, relay: &Relay, name: &str) -> Terminal {
    let terminal = on_terminal(device, &["sync", "join", "--relay", relay.address(), "--name", name]);
    terminal.wait_for("Code from the other machine:");
    terminal
}

/// The right words of another code.
fn wrong(code: &str) -> String {
    let number = code.split('-').next().expect("a number");
    let words = if code.ends_with("abandon-zoo") { "zoo-abandon" } else { "abandon-zoo" };
    format!("{number}-{words}")
}

fn is_joined(device: &Device) -> bool {
    device.home.caro_ok(&["sync", "status", "--json"]).contains("\"joined\":true")
}

fn devices(device: &Device) -> usize {
    device.home.caro_ok(&["sync", "devices", "--json"]).lines().count()
}

#[test]
fn si004_a_code_and_three_words_let_a_device_in_and_it_is_in_sync_both_ways() {
    let relay = Relay::new();
    let (desk, laptop) = (Device::new(), Device::new());
    desk.init(&relay, "desk");
    desk.type_lines("one", &["echo written before"]);
    desk.sync();
    let (mut showing, code) = show_code(&desk);
    let mut asking = ask_code(&laptop, &relay, "laptop");
    asking.line(&code);
    assert_eq!(words_on(&showing), words_on(&asking));
    assert!(showing.screen().contains("\"laptop\" knows the code"), "{}", showing.screen());
    showing.keys("y");
    showing.wait_for("Waiting for the same answer");
    assert!(!is_joined(&laptop), "one person alone lets nobody in");
    asking.keys("y");
    asking.wait_for("this device has joined; \"desk\" let it in");
    showing.wait_for("\"laptop\" is in the account");
    asking.wait_for_end();
    showing.wait_for_end();
    laptop.type_lines("two", &["echo written there"]);
    for device in [&desk, &laptop] {
        device.expect_commands(&["echo written before", "echo written there"]);
        eventually("both know both", || (devices(device) == 2).then_some(()));
        let listed = device.home.caro_ok(&["sync", "devices"]);
        assert!(listed.contains("desk") && listed.contains("laptop"), "{listed}");
    }
}

#[test]
fn si004_who_was_let_in_lets_the_next_one_in_and_the_phrase_still_works() {
    let relay = Relay::new();
    let (desk, laptop, third, fourth) = (Device::new(), Device::new(), Device::new(), Device::new());
    let phrase = desk.init(&relay, "desk");
    let_in(&desk, &laptop, &relay, "laptop");
    let_in(&laptop, &third, &relay, "third");
    fourth.restore(&relay, "fourth", &phrase);
    third.type_lines("one", &["echo from the third"]);
    for device in [&desk, &laptop, &third, &fourth] {
        device.expect_commands(&["echo from the third"]);
        eventually("all know all", || (devices(device) == 4).then_some(()));
    }
    // What the phrase's list took over from those that were let in holds: they connect anew.
    third.home.caro_ok(&["sync", "off"]);
    third.home.caro_ok(&["sync", "on"]);
    third.sync();
}

fn let_in(inside: &Device, newcomer: &Device, relay: &Relay, name: &str) {
    let (mut showing, code) = show_code(inside);
    let mut asking = ask_code(newcomer, relay, name);
    asking.line(&code);
    assert_eq!(words_on(&showing), words_on(&asking));
    asking.keys("y");
    showing.keys("y");
    asking.wait_for("this device has joined");
    showing.wait_for("is in the account");
    asking.wait_for_end();
    showing.wait_for_end();
}

#[test]
fn a_wrong_code_is_said_on_both_sides_and_the_right_one_still_works() {
    let relay = Relay::new();
    let (desk, laptop) = (Device::new(), Device::new());
    desk.init(&relay, "desk");
    let (mut showing, code) = show_code(&desk);
    let mut asking = ask_code(&laptop, &relay, "laptop");
    // A word that is none costs no try.
    asking.line(&format!("{}-zzzzz-zoo", code.split('-').next().expect("a number")));
    asking.wait_for("the first word of the code is not in the word list");
    asking.line(&wrong(&code));
    asking.wait_for("2 more tries are left");
    showing.wait_for("Somebody typed a wrong code; 2 tries are left");
    asking.line(&code);
    assert_eq!(words_on(&showing), words_on(&asking));
    asking.keys("y");
    showing.keys("y");
    asking.wait_for("this device has joined");
    showing.wait_for("is in the account");
}

#[test]
fn three_wrong_codes_use_it_up() {
    let relay = Relay::new();
    let (desk, laptop) = (Device::new(), Device::new());
    desk.init(&relay, "desk");
    let (mut showing, code) = show_code(&desk);
    let mut asking = ask_code(&laptop, &relay, "laptop");
    for said in ["2 more tries are left", "1 more try is left", "it takes no more tries"] {
        asking.line(&wrong(&code));
        asking.wait_for(said);
    }
    asking.wait_for_end();
    showing.wait_for("tried three times in vain");
    showing.wait_for_end();
    let mut late = ask_code(&laptop, &relay, "laptop");
    late.line(&code);
    late.wait_for("the relay knows no such code");
    assert!(!is_joined(&laptop));
    assert_eq!(devices(&desk), 1);
}

#[test]
fn words_that_differ_end_it_on_both_sides_and_nothing_is_changed() {
    let relay = Relay::new();
    let (desk, laptop) = (Device::new(), Device::new());
    desk.init(&relay, "desk");
    for newcomer_says_no in [true, false] {
        let (mut showing, code) = show_code(&desk);
        let mut asking = ask_code(&laptop, &relay, "laptop");
        asking.line(&code);
        words_on(&showing);
        words_on(&asking);
        let (no, other) = if newcomer_says_no { (&mut asking, &mut showing) } else { (&mut showing, &mut asking) };
        other.keys("y");
        other.wait_for("Waiting for the same answer");
        no.keys("n");
        no.wait_for("the words were not the same; nothing was handed over");
        other.wait_for("the other device ended it");
        asking.wait_for_end();
        showing.wait_for_end();
        assert!(!is_joined(&laptop));
        assert_eq!(devices(&desk), 1);
    }
}

#[test]
fn a_code_is_gone_with_ctrl_c_and_the_other_side_hears_it() {
    let relay = Relay::new();
    let (desk, laptop) = (Device::new(), Device::new());
    desk.init(&relay, "desk");
    let (mut showing, code) = show_code(&desk);
    showing.keys("\x03");
    showing.wait_for("ended; the code is worth nothing any more");
    showing.wait_for_end();
    let mut asking = ask_code(&laptop, &relay, "laptop");
    // The daemon takes it away at the relay a moment after it said so.
    eventually("the relay knows it no more", || {
        asking.line(&code);
        let screen = wait_for_either(&asking, "knows no such code", "y or n");
        asking.keys("\x03");
        asking.wait_for_end();
        if screen.contains("knows no such code") {
            return Some(());
        }
        asking = ask_code(&laptop, &relay, "laptop");
        None
    });
    // And in the middle: from both ends.
    for newcomer_leaves in [true, false] {
        let (mut showing, code) = show_code(&desk);
        let mut asking = ask_code(&laptop, &relay, "laptop");
        asking.line(&code);
        words_on(&showing);
        words_on(&asking);
        let (leaves, stays) = if newcomer_leaves { (&mut asking, &mut showing) } else { (&mut showing, &mut asking) };
        leaves.keys("\x03");
        leaves.wait_for("ended; the code is worth nothing any more");
        stays.wait_for("the other device ended it");
        asking.wait_for_end();
        showing.wait_for_end();
    }
    assert!(!is_joined(&laptop));
    assert_eq!(devices(&desk), 1);
}

fn wait_for_either(terminal: &Terminal, one: &str, other: &str) -> String {
    terminal.wait_until(one, |screen| screen.contains(one) || screen.contains(other));
    terminal.screen()
}

#[test]
fn a_second_one_with_the_code_is_sent_away_and_both_sides_are_told() {
    let relay = Relay::new();
    let (desk, laptop, thief) = (Device::new(), Device::new(), Device::new());
    desk.init(&relay, "desk");
    let (mut showing, code) = show_code(&desk);
    let mut asking = ask_code(&laptop, &relay, "laptop");
    asking.line(&code);
    words_on(&showing);
    let mut second = ask_code(&thief, &relay, "thief");
    second.line(&code);
    second.wait_for("somebody else is using this code at this moment");
    second.wait_for_end();
    showing.wait_for("Somebody else came with this code's number and was sent away");
    words_on(&asking);
    asking.keys("y");
    showing.keys("y");
    asking.wait_for("this device has joined");
    showing.wait_for("\"laptop\" is in the account");
    assert!(!is_joined(&thief));
}

#[test]
fn a_code_that_was_not_used_in_time_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("relay.toml");
    std::fs::write(&config, "[limits]\nmailbox_ms = 1500\n").expect("written");
    let relay = Relay::with(&["--config", config.to_str().expect("a path")]);
    let desk = Device::new();
    desk.init(&relay, "desk");
    let mut showing = on_terminal(&desk, &["sync", "pair"]);
    showing.wait_for("the code was not used in time");
    showing.wait_for_end();
}

#[test]
fn a_relay_that_goes_away_in_the_middle_is_said_on_both_sides() {
    let mut relay = Relay::new();
    let (desk, laptop) = (Device::new(), Device::new());
    desk.init(&relay, "desk");
    let (mut showing, code) = show_code(&desk);
    let mut asking = ask_code(&laptop, &relay, "laptop");
    asking.line(&code);
    words_on(&showing);
    words_on(&asking);
    relay.kill();
    for terminal in [&mut showing, &mut asking] {
        terminal.wait_for("the connection to the other device was lost; nothing was changed");
        terminal.wait_for_end();
    }
    assert!(!is_joined(&laptop));
}

#[test]
fn who_is_in_no_account_or_has_no_terminal_or_is_in_already_is_told_what_to_do() {
    let relay = Relay::new();
    let (desk, laptop) = (Device::new(), Device::new());
    desk.init(&relay, "desk");
    // The words come on the screen a moment after the program has ended.
    let says = |device: &Device, words: &str| on_terminal(device, &["sync", "pair"]).wait_for(words);
    says(&laptop, "this device is in no account");
    let (_showing, _) = show_code(&desk);
    says(&desk, "a joining by code is under way already");
    let mut asking = ask_code(&desk, &relay, "desk");
    asking.line("7-abandon-zoo");
    asking.wait_for("in an account already");
    for arguments in [&["sync", "pair"][..], &["sync", "join", "--relay", relay.address()]] {
        let output = desk.home.caro(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("no terminal") && said.contains("--phrase-stdin"), "{said}");
    }
}

#[test]
fn trap_40_neither_code_nor_words_are_in_any_file_or_process_list() {
    let relay = Relay::new();
    let (desk, laptop) = (Device::new(), Device::new());
    desk.init(&relay, "desk");
    let (mut showing, code) = show_code(&desk);
    let mut asking = ask_code(&laptop, &relay, "laptop");
    asking.line(&code);
    let check = words_on(&asking);
    words_on(&showing);
    let secrets = [code.split_once('-').expect("words").1.to_owned(), check.clone(), check.replace(' ', "-")];
    for pid in [desk.pid(), laptop.pid(), pid_of(&showing), pid_of(&asking)] {
        expect_untold(pid, &secrets);
    }
    asking.keys("y");
    showing.keys("y");
    asking.wait_for("this device has joined");
    showing.wait_for("is in the account");
    let mut folders: Vec<PathBuf> = vec![desk.home.path(), laptop.home.path(), relay.data()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                expect_none(&std::fs::read(&path).expect("readable"), &secrets, &path.display().to_string());
                files += 1;
            }
        }
    }
    assert!(files > 5, "the files were found");
}

fn pid_of(terminal: &Terminal) -> i32 {
    i32::try_from(terminal.pid()).expect("a process")
}

fn expect_none(bytes: &[u8], secrets: &[String], place: &str) {
    for secret in secrets {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "a code or its words are in {place}");
    }
}
