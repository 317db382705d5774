//! History that other machines wrote must never be obeyed by this one's terminal.

use crate::{
    support::{CARO, Home},
    terminal::Terminal,
};

/// What terminals obey, hide or turn around, and what ends a bracketed paste.
const HOSTILE: &[&str] = &[
    "clear \x1b[2J\x1b[H",
    "title \x1b]0;owned\x07",
    "clipboard \x1b]52;c;cm0gLXJmIH4=\x07",
    "device \x1bP+q544e\x1b\\",
    "paste \x1b[201~rm -rf ~",
    "c1 \u{9b}31m\u{9d}0;t\u{9c}",
    "bidi \u{202e}fdp.exe\u{2066}x\u{2069}",
    "zero \u{200b}\u{200d}\u{feff}\u{2060}",
    "tags \u{e0041}\u{e0042}",
    "back \x08\x08\x08\x7f",
    "return \rhidden",
    "bell \x07",
    "shift \x0e\x0f",
    "separator \u{2028}\u{2029}",
    "invalid",
];

/// Hostile history, one of its commands no text at all.
fn home() -> Home {
    let home = Home::new();
    let mut file: Vec<u8> = HOSTILE.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect();
    file.extend_from_slice(b"bytes \xff\xfe\xc3(\xe2\x80\n");
    let path = home.write("hostile", &file);
    home.ok(&["import", "bash", &path]);
    home
}

fn is_obeyed(letter: char) -> bool {
    let hidden = ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{206f}', '\u{e0000}'..='\u{e0fff}'];
    letter.is_control() || letter == '\u{feff}' || hidden.iter().any(|range| range.contains(&letter))
}

#[test]
fn trap_43_no_printed_form_holds_anything_that_is_obeyed() {
    let home = home();
    for arguments in [
        &["history", "list"][..],
        &["history", "list", "-c"],
        &["history", "list", "--json"],
        &["history", "list", "--format", "{command} {host}"],
        &["search", "e", "--mode", "substring"],
        &["history", "last"],
    ] {
        let printed = home.ok(arguments);
        assert!(!printed.is_empty(), "{arguments:?}");
        let obeyed: Vec<char> = printed.chars().filter(|letter| *letter != '\n' && is_obeyed(*letter)).collect();
        assert!(obeyed.is_empty(), "{arguments:?}: {obeyed:?}");
    }
}

#[test]
fn trap_43_exact_bytes_are_for_programs_only() {
    let home = home();
    let raw = home.run(&["history", "list", "--raw", "-0"]).0.stdout;
    let commands: Vec<&[u8]> = raw.split(|byte| *byte == 0).collect();
    assert_eq!(commands[0], HOSTILE[0].as_bytes());
    assert_eq!(commands[HOSTILE.len()], b"bytes \xff\xfe\xc3(\xe2\x80");
    let mut terminal = Terminal::run(&home, &[CARO, "history", "list", "--raw"], (80, 24));
    assert_eq!(terminal.end(), 2);
    terminal.wait_for("--raw is not for a terminal");
}

#[test]
fn trap_43_json_loses_nothing() {
    let home = home();
    let printed = home.ok(&["history", "list", "--json"]);
    let rows: Vec<serde_json::Value> =
        printed.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    for (row, command) in rows.iter().zip(HOSTILE) {
        assert_eq!(row["command"], *command);
    }
    assert_eq!(rows[HOSTILE.len()]["command_hex"], "6279746573 fffec328e280".replace(' ', "20"));
}

#[test]
fn trap_43_the_screen_obeys_nothing() {
    let home = home();
    let terminal = Terminal::run(&home, &[CARO, "history"], (120, 40));
    terminal.wait_for("16 commands");
    for _ in 0..16 {
        terminal.press("\x1b[A");
    }
    terminal.wait("the oldest is chosen", |screen| {
        screen.lines().any(|line| line.contains('▌') && line.contains("clear ^[[2J^[[H"))
    });
    let bytes = terminal.bytes();
    for forbidden in [&b"\x1b[2J\x1b[H"[..], b"\x1b]0;", b"\x1b]52", b"\x1bP", b"\x1b[201~", b"\x07", b"\x0e", b"\xff"]
    {
        let found = bytes.windows(forbidden.len()).any(|window| window == forbidden);
        // The screen clears itself at its beginning, and in no other way.
        assert!(!found, "{}", forbidden.escape_ascii());
    }
    let text = String::from_utf8(bytes).expect("everything written is text");
    let allowed = ['\x1b', '\r', '\n'];
    let obeyed: Vec<char> = text.chars().filter(|letter| !allowed.contains(letter) && is_obeyed(*letter)).collect();
    assert!(obeyed.is_empty(), "{obeyed:?}");
}
