//! The screen on a real terminal, with the real daemon.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    support::{CARO, Home},
    terminal::Terminal,
};

const SIZE: (u16, u16) = (100, 24);

fn history() -> Home {
    Home::with_history(&["git status", "cargo build", "cargo test", "echo 你好", "ls -l"])
}

/// Runs the screen as a key binding does: the line on standard input, the result on a descriptor, drawing on the
/// terminal. Prints a mark, the status and the result when it is done.
fn as_binding(home: &Home, line: &str, options: &str, size: (u16, u16)) -> Terminal {
    let script = format!(
        "printf 'prompt> '; printf %s '{line}' | '{CARO}' screen --result-fd 3 {options} 3>result >/dev/null; \
         printf 'ended with %s' $?"
    );
    Terminal::run(home, &["/bin/sh", "-c", &script], size)
}

fn result(home: &Home) -> String {
    fs::read_to_string(home.path().join("result")).expect("a result")
}

#[test]
fn what_is_chosen_comes_back_and_the_terminal_is_as_it_was() {
    let home = history();
    let mut terminal = as_binding(&home, "cargo", "", SIZE);
    terminal.wait_for("▌");
    terminal.wait("only what matches", |screen| screen.contains("2 of 5"));
    terminal.press("\x1b[A");
    terminal.wait("the second is chosen", |screen| {
        screen.lines().any(|line| line.contains('▌') && line.contains("cargo build"))
    });
    terminal.press("\r");
    let screen = terminal.wait_for("ended with 0");
    assert_eq!(screen, "prompt> ended with 0");
    assert_eq!(terminal.end(), 0);
    assert_eq!(result(&home), "put\ncargo build");
}

#[test]
fn leaving_gives_nothing() {
    for key in ["\x1b", "\x03", "\x07"] {
        let home = history();
        let mut terminal = as_binding(&home, "git st", "", SIZE);
        terminal.wait_for("git status");
        terminal.press(key);
        assert_eq!(terminal.wait_for("ended with"), "prompt> ended with 0", "{key:?}");
        assert_eq!(terminal.end(), 0);
        assert_eq!(result(&home), "");
    }
}

#[test]
fn typing_narrows_and_control_keys_edit() {
    let home = history();
    let terminal = as_binding(&home, "", "", SIZE);
    terminal.wait_for("5 of 5");
    terminal.press("cargo t");
    terminal.wait("the test is chosen", |screen| screen.contains("> cargo t") && screen.contains("1 of 5"));
    terminal.press("\x17\x17");
    terminal.wait_for("5 of 5");
    terminal.press("你");
    terminal.wait_for("1 of 5");
    terminal.press("\x15");
    terminal.wait_for("5 of 5");
    terminal.press("\x12");
    terminal.wait_for("this host");
}

#[test]
fn an_inline_screen_keeps_what_is_above_and_takes_itself_away() {
    let home = history();
    let script = format!(
        "printf 'work\\nabove\\nprompt> '; '{CARO}' screen --inline=8 --result-fd 3 3>result </dev/null; \
         printf 'ended'"
    );
    let terminal = Terminal::run(&home, &["/bin/sh", "-c", &script], SIZE);
    let screen = terminal.wait_for("5 of 5");
    assert!(screen.starts_with("work\nabove\nprompt> \n"), "{screen}");
    assert!(screen.lines().count() <= 3 + 8, "{screen}");
    terminal.press("\t");
    assert_eq!(terminal.wait_for("ended"), "work\nabove\nprompt> ended");
    assert_eq!(result(&home), "put\nls -l");
}

#[test]
fn an_inline_screen_at_the_bottom_scrolls_only_as_far_as_it_must() {
    let home = history();
    let script = format!(
        "for i in 1 2 3 4 5 6 7 8 9; do echo line $i; done; printf 'prompt> '; \
         '{CARO}' screen --inline=6 --result-fd 3 3>result </dev/null; printf ended"
    );
    let terminal = Terminal::run(&home, &["/bin/sh", "-c", &script], (80, 10));
    let screen = terminal.wait_for("5 of 5");
    assert!(screen.starts_with("line 7\nline 8\nline 9\nprompt> \n"), "{screen}");
    terminal.press("\x1b");
    assert_eq!(terminal.wait_for("ended"), "line 7\nline 8\nline 9\nprompt> ended");
}

#[test]
fn a_terminal_may_change_its_size_and_be_tiny() {
    let home = history();
    for options in ["", "--inline=8"] {
        let mut terminal = as_binding(&home, "", options, SIZE);
        terminal.wait_for("5 of 5");
        for (columns, rows) in [(20, 4), (1, 1), (3, 2), (200, 60)] {
            terminal.resize(columns, rows);
        }
        terminal.wait("it is drawn for the new size", |screen| {
            screen.lines().any(|line| line.contains("5 of 5") && line.contains("Esc leave"))
        });
        terminal.press("\x1b");
        terminal.wait_for("ended with 0");
        assert_eq!(terminal.end(), 0);
    }
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let home = history();
        let script = "stty -a >before; \"$0\" screen --result-fd 3 3>result </dev/null; code=$?; stty -a >after; \
                      printf 'ended with %s' $code";
        let terminal = Terminal::run(&home, &["/bin/sh", "-c", script, CARO], SIZE);
        terminal.wait_for("5 of 5");
        let pid = screen_pid(&home);
        kill_process(pid, signal).expect("sent");
        let expected = format!("ended with {}", 128 + signal.as_raw());
        let screen = terminal.wait_for("ended with");
        assert!(screen.ends_with(&expected), "{screen}");
        let read = |name: &str| fs::read_to_string(home.path().join(name)).expect("written");
        assert_eq!(read("before"), read("after"), "{signal:?}");
        let bytes = terminal.bytes();
        assert!(bytes.windows(8).any(|window| window == b"\x1b[?1049l"), "{signal:?}");
    }
}

/// The process of the screen in this home.
fn screen_pid(home: &Home) -> Pid {
    let marker = format!("HOME={}", home.path().join("home").display());
    let is_screen = |pid: &i32| {
        let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let has = |bytes: &[u8], text: &[u8]| bytes.split(|byte| *byte == 0).any(|part| part == text);
        let arguments = read("cmdline");
        arguments.starts_with(CARO.as_bytes()) && has(&arguments, b"screen") && has(&read("environ"), marker.as_bytes())
    };
    let processes = fs::read_dir("/proc").expect("a list of processes").flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.into_iter().find(is_screen).and_then(Pid::from_raw).expect("the screen runs")
}

#[test]
fn deleting_asks_and_then_deletes_everywhere() {
    let home = Home::with_history(&["ls", "secret", "ls", "secret"]);
    let terminal = as_binding(&home, "secret", "", SIZE);
    terminal.wait_for("1 of 4");
    terminal.press("\x04");
    terminal.wait_for("y = all 2 runs");
    terminal.press("y");
    terminal.wait_for("deleted 2 on every device");
    terminal.press("\x1b");
    terminal.wait_for("ended with 0");
    assert_eq!(home.ok(&["history", "list", "-c"]), "ls\nls\n");
}

#[test]
fn without_a_daemon_the_screen_says_what_to_do() {
    let home = Home::with_daemon("/nowhere/caro-daemon");
    let terminal = as_binding(&home, "x", "", SIZE);
    terminal.wait_for("/nowhere/caro-daemon cannot be started");
    terminal.wait_for("install caro again");
    terminal.press("y\x1b");
    terminal.wait_for("ended with 0");
    assert_eq!(result(&home), "");
}

#[test]
fn a_screen_of_ones_own_prints_what_was_chosen() {
    let home = history();
    let mut terminal = Terminal::run(&home, &[CARO, "history", "--query", "status"], SIZE);
    terminal.wait_for("1 of 5");
    terminal.press("\r");
    terminal.wait("printed", |screen| screen == "git status");
    assert_eq!(terminal.end(), 0);
    let mut terminal = Terminal::run(&home, &[CARO, "history"], SIZE);
    terminal.wait_for("5 of 5");
    terminal.press("\x1b");
    assert_eq!(terminal.end(), 130);
}

#[test]
fn configured_to_run_it_runs_only_what_was_seen_whole() {
    let home = Home::with_history(&["alpha", "two\nlines"]);
    let config = home.places().config;
    fs::create_dir_all(config.parent().expect("a folder")).expect("made");
    fs::write(&config, "[screen]\nenter = \"run\"\n").expect("written");
    for (line, expected) in [("alpha", "run\nalpha"), ("two", "put\ntwo\nlines")] {
        let terminal = as_binding(&home, line, "", SIZE);
        terminal.wait_for("1 of 2");
        terminal.press("\r");
        terminal.wait_for("ended with 0");
        assert_eq!(result(&home), expected);
    }
}

#[test]
fn the_up_key_begins_with_the_newest_and_down_goes_back() {
    let home = history();
    let terminal = as_binding(&home, "", "--up", SIZE);
    terminal
        .wait("the newest is chosen", |screen| screen.lines().any(|line| line.contains('▌') && line.contains("ls -l")));
    terminal.press("\x1b[B");
    terminal.wait_for("ended with 0");
    assert_eq!(result(&home), "");
}

#[test]
fn no_colour_is_used_where_none_is_wanted() {
    let home = Home::with_history(&["false"]);
    let words = [CARO, "history"];
    let coloured = |terminal: &Terminal| {
        let text = String::from_utf8_lossy(&terminal.bytes()).into_owned();
        ["\x1b[31m", "\x1b[32m", "\x1b[38;5;"].iter().any(|colour| text.contains(colour))
    };
    let plain = Terminal::run_with(&home, &words, SIZE, &[("NO_COLOR", "1")]);
    plain.wait_for("1 of 1");
    assert!(!coloured(&plain));
    let colourful = Terminal::run(&home, &words, SIZE);
    colourful.wait_for("1 of 1");
    assert!(coloured(&colourful));
}

#[test]
fn a_descriptor_that_is_not_open_is_refused_before_anything_is_drawn() {
    let home = Home::with_daemon("/nowhere");
    let ran = home.run(&["screen", "--result-fd", "77"]);
    assert_eq!((ran.code(), ran.stdout().as_str()), (2, ""));
    assert!(ran.stderr().contains("descriptor 77 is not open"), "{}", ran.stderr());
}
