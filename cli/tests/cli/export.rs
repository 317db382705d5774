//! History out of one daemon and into another, unchanged.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use crate::{
    corpus,
    support::{CARO, Home, skip},
    terminal::Terminal,
};

/// A home with all the hostile strings, each with everything that a record can have.
fn hostile_home() -> Home {
    let home = Home::new();
    let lines: Vec<String> = corpus::strings()
        .iter()
        .enumerate()
        .map(|(number, hostile)| {
            serde_json::json!({
                "id": format!("{number:032x}"), "command_hex": hex::encode(&hostile.bytes),
                "directory_hex": hex::encode(&hostile.bytes[..hostile.bytes.len().min(200)]),
                "host": String::from_utf8_lossy(&hostile.bytes[..hostile.bytes.len().min(30)]),
                "user": "ada", "shell": "zsh 5.9", "session": format!("s{}", number % 7),
                "start_us": 1_700_000_000_000_000_i64 + number as i64 / 3, "duration_us": number, "exit": number as i64 - 5,
                "assistant": (number % 11 == 0).then(|| serde_json::json!({"prompt": hostile.name, "tags": ["a", "b"]})),
            })
            .to_string()
        })
        .collect();
    let file = home.write("hostile.jsonl", lines.join("\n").as_bytes());
    let done: serde_json::Value = serde_json::from_str(&home.ok(&["import", "caro", &file, "--json"])).expect("JSON");
    assert_eq!(done["added"], 300, "{done}");
    home
}

/// Everything in a history, exactly.
fn everything(home: &Home) -> String {
    home.ok(&["history", "list", "--json"])
}

#[test]
fn trap_43_hostile_history_goes_out_and_comes_in_unchanged_by_every_format_of_our_own() {
    let home = hostile_home();
    let before = everything(&home);
    for format in ["jsonl", "csv", "sqlite"] {
        let path = home.path().join(format!("out.{format}"));
        let path = path.to_str().expect("text");
        home.ok(&["export", format, "--output", path]);
        let other = Home::new();
        let import = || -> serde_json::Value {
            serde_json::from_str(&other.ok(&["import", "caro", path, "--json"])).expect("JSON")
        };
        let first = import();
        assert_eq!((&first["added"], &first["odd"]), (&300.into(), &0.into()), "{format}");
        assert!(everything(&other) == before, "{format}: something has changed");
        let again = import();
        assert_eq!((&again["added"], &again["known"]), (&0.into(), &300.into()), "{format}");
    }
}

#[test]
fn trap_43_hostile_history_goes_out_and_comes_in_by_the_shells_own_formats() {
    let home = hostile_home();
    let texts = |home: &Home| -> Vec<Vec<u8>> {
        let raw = home.run(&["history", "list", "--raw", "-0"]).0.stdout;
        // A command may hold a NUL byte itself: compared are the pieces between them.
        let mut pieces: Vec<Vec<u8>> = raw.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
        pieces.sort();
        pieces
    };
    let all = texts(&home);
    for format in ["bash", "zsh", "fish", "nu", "xonsh", "powershell"] {
        let path = home.path().join(format!("out.{format}"));
        let path = path.to_str().expect("text");
        let ran = home.run(&["export", format, "-o", path]);
        assert_eq!(ran.code(), 0, "{}", ran.stderr());
        let written: u64 = ran.stderr().split(' ').next().and_then(|count| count.parse().ok()).expect("a number");
        assert_eq!(ran.stderr().contains("left out"), written < 300, "{}", ran.stderr());
        let other = Home::new();
        let done: serde_json::Value =
            serde_json::from_str(&other.ok(&["import", format, path, "--json"])).expect("JSON");
        assert_eq!((&done["added"], &done["odd"]), (&written.into(), &0.into()), "{format}");
        let there = texts(&other);
        assert!(there.iter().all(|text| all.contains(text)), "{format}: a command has changed");
        assert!(format != "zsh" || there == all, "zsh can hold everything");
    }
}

#[test]
fn trap_43_an_export_to_a_terminal_is_harmless_or_refused() {
    let home = hostile_home();
    for format in ["bash", "zsh", "fish", "nu", "powershell"] {
        let mut terminal = Terminal::run(&home, &[CARO, "export", format], (80, 24));
        assert_eq!(terminal.end(), 2, "{format}");
        terminal.wait_for("this format is not for a terminal");
    }
    for format in ["jsonl", "csv", "xonsh"] {
        let printed = home.ok(&["export", format, "--until", "2030-01-01"]);
        let is_obeyed = |letter: char| letter.is_control() && !"\r\n".contains(letter);
        let hidden = ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{206f}'];
        let obeyed: Vec<char> = printed
            .chars()
            .filter(|letter| is_obeyed(*letter) || hidden.iter().any(|range| range.contains(letter)))
            .collect();
        assert!(printed.len() > 10_000 && obeyed.is_empty(), "{format}: {obeyed:?}");
    }
}

#[test]
fn an_export_is_nobody_elses_and_replaces_nothing_unasked() {
    let home = Home::with_history(&["ls", "cd"]);
    let path = home.path().join("out");
    let name = path.to_str().expect("text");
    home.ok(&["export", "bash", "--output", name]);
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    let expected = "#1700000000\nls\n#1700000001\ncd\n";
    assert_eq!(fs::read_to_string(&path).expect("there"), expected);
    for format in ["zsh", "sqlite"] {
        let refused = home.run(&["export", format, "--output", name]);
        assert_eq!(refused.code(), 73);
        assert!(refused.stderr().contains("--force"), "{}", refused.stderr());
    }
    assert_eq!(fs::read_to_string(&path).expect("there"), expected);
    home.ok(&["export", "zsh", "--output", name, "--force"]);
    assert_eq!(fs::read_to_string(&path).expect("there"), ": 1700000000:0;ls\n: 1700000001:0;cd\n");
    assert_eq!(home.run(&["export", "sqlite"]).code(), 2);
}

#[test]
fn an_export_holds_what_is_asked_for() {
    let home = Home::with_history(&["ls", "cd", "ls", "make"]);
    assert_eq!(home.ok(&["export", "nu"]), "ls\ncd\nls\nmake\n");
    assert_eq!(home.ok(&["export", "nu", "--unique"]), "cd\nls\nmake\n");
    assert_eq!(home.ok(&["export", "nu", "--since", "2023-11-14T22:13:22Z"]), "ls\nmake\n");
    assert_eq!(home.ok(&["export", "nu", "--host", "nobody"]), "");
    assert_eq!(home.ok(&["export", "xonsh", "--host", "nobody"]).matches("cmds").count(), 1);
    assert!(home.ok(&["export", "csv", "--host", "nobody"]).starts_with("id,start,"));
}

/// Imports so many commands, begun at these times, exports them again, and looks that each is there once and in order.
fn goes_out_in_order(count: u32, start_us: impl Fn(u32) -> i64) {
    let home = Home::new();
    let line = |number: u32| {
        let start_us = start_us(number);
        format!("{{\"id\":\"{number:032x}\",\"command\":\"echo {number}\",\"start_us\":{start_us}}}\n")
    };
    let file = home.write("many.jsonl", (0..count).map(line).collect::<String>().as_bytes());
    home.ok(&["import", "caro", &file]);
    let mut expected: Vec<(i64, u32)> = (0..count).map(|number| (start_us(number), number)).collect();
    expected.sort_unstable();
    let expected: String = expected.iter().map(|(_, number)| format!("echo {number}\n")).collect();
    for arguments in [&["export", "nu"][..], &["export", "nu", "--unique"]] {
        assert!(home.ok(arguments) == expected, "{arguments:?}");
    }
}

#[test]
fn thousands_of_commands_of_one_moment_are_exported_once_each() {
    goes_out_in_order(25_000, |number| 1_700_000_000_000_000 + i64::from(number / 12_000));
}

#[test]
fn commands_of_any_time_are_exported_once_each() {
    // Two far away from all others, one of them in the future, and bursts with years between them.
    goes_out_in_order(12_000, |number| match number {
        0 => -1_000_000_000_000_000,
        1 => 7_000_000_000_000_000,
        number => i64::from(number % 5) * 100_000_000_000_000 + i64::from(number * 7919 % 10_007),
    });
}

/// What a shell prints that runs this in the home's folder; none where it is not installed.
fn printed(home: &Home, shell: &str, arguments: &[&str]) -> Option<Vec<u8>> {
    let mut command = Command::new(shell);
    command.args(arguments).env_clear().envs(home.env()).env("LC_ALL", "C.UTF-8").current_dir(home.path());
    match command.stdin(Stdio::null()).output() {
        Ok(output) => Some(output.stdout),
        Err(_) => {
            skip("the_shells_themselves_read_what_was_exported", shell);
            None
        }
    }
}

#[test]
fn the_shells_themselves_read_what_was_exported() {
    let home = hostile_home();
    let path = |name: &str| home.path().join(name);
    for shell in ["bash", "zsh", "fish"] {
        home.ok(&["export", shell, "--output", path(shell).to_str().expect("text")]);
    }
    let script = "setopt extended_history; fc -p $PWD/again 10000 10000; fc -R zsh; fc -W";
    if printed(&home, "zsh", &["-f", "-i", "-c", script]).is_some() {
        let (wrote, read) = (fs::read(path("zsh")).expect("there"), fs::read(path("again")).expect("written"));
        assert!(wrote == read, "zsh reads something else than was exported");
    }
    let script = "HISTSIZE=10000 HISTFILESIZE=100000 HISTTIMEFORMAT=x; shopt -s cmdhist lithist; set -o history
        history -c; history -r bash; history -w /dev/stdout";
    if let Some(read) = printed(&home, "bash", &["--norc", "-c", script]) {
        // bash itself drops empty lines and carriage returns at the ends of lines when it reads its file.
        let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
            let lines =
                bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec());
            lines.filter(|line| !line.is_empty()).collect()
        };
        assert!(lines(&fs::read(path("bash")).expect("there")) == lines(&read), "bash reads something else");
    }
    let folder = path("home/.local/share/fish");
    fs::create_dir_all(&folder).expect("made");
    let exported = fs::read(path("fish")).expect("there");
    fs::write(folder.join("fish_history"), &exported).expect("written");
    if let Some(read) = printed(&home, "fish", &["-c", "builtin history --null"]) {
        let read: Vec<&[u8]> = read.split(|byte| *byte == 0).collect();
        let all: Vec<Vec<u8>> = corpus::strings().into_iter().map(|hostile| hostile.bytes).collect();
        // fish itself takes away a second `- cmd: ` at the beginning.
        let own = |text: &[u8]| text.is_empty() || text.starts_with(b"echo no");
        let odd: Vec<_> = read.iter().filter(|text| !own(text) && !all.iter().any(|known| known == *text)).collect();
        assert!(odd.is_empty(), "fish reads something else: {}", odd[0].escape_ascii());
        assert_eq!(read.len() - 1, 294);
    }
}
