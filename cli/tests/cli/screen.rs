//! The screen on a real terminal, with the real daemon.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    shells::{is_here, start},
    support::{CARO, Home, eventually},
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
    terminal.wait_for("5 commands");
    terminal.press("cargo t");
    terminal.wait("the test is chosen", |screen| screen.contains("> cargo t") && screen.contains("1 of 5"));
    terminal.press("\x17\x17");
    terminal.wait_for("5 commands");
    terminal.press("你");
    terminal.wait_for("1 of 5");
    terminal.press("\x15");
    terminal.wait_for("5 commands");
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
    let screen = terminal.wait_for("5 commands");
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
    let screen = terminal.wait_for("5 commands");
    assert!(screen.starts_with("line 7\nline 8\nline 9\nprompt> \n"), "{screen}");
    terminal.press("\x1b");
    assert_eq!(terminal.wait_for("ended"), "line 7\nline 8\nline 9\nprompt> ended");
}

#[test]
fn a_terminal_may_change_its_size_and_be_tiny() {
    let home = history();
    for options in ["", "--inline=8"] {
        let mut terminal = as_binding(&home, "", options, SIZE);
        terminal.wait_for("5 commands");
        for (columns, rows) in [(20, 4), (1, 1), (3, 2), (200, 60)] {
            terminal.resize(columns, rows);
        }
        terminal.wait("it is drawn for the new size", |screen| {
            screen.lines().any(|line| line.contains("5 commands") && line.contains("Esc leave"))
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
        terminal.wait_for("5 commands");
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
fn what_is_deleted_is_gone_everywhere_when_the_screen_closes() {
    let home = Home::with_history(&["ls", "secret", "ls", "secret"]);
    let terminal = as_binding(&home, "secret", "", SIZE);
    terminal.wait_for("1 of 4");
    terminal.press("\x04");
    terminal.wait_for("deleted on every device, all 2 runs");
    terminal.wait_for("Ctrl-Z takes it back");
    assert_eq!(home.ok(&["history", "list", "-c"]).matches("secret").count(), 2, "it can still be taken back");
    terminal.press("\x1b");
    terminal.wait_for("ended with 0");
    assert_eq!(home.ok(&["history", "list", "-c"]), "ls\nls\n");
}

#[test]
fn on_a_narrowed_screen_it_is_said_that_all_runs_go() {
    let home = Home::with_history(&["make", "ls"]);
    home.record("here", &["make"]);
    eventually("it is recorded", || (home.ok(&["history", "list", "-c"]).matches("make").count() == 2).then_some(()));
    let terminal = as_binding(&home, "dir:/tmp make", "", SIZE);
    terminal.wait_for("1 of 3");
    terminal.press("\x04");
    terminal.wait_for("deleted on every device: all its runs, everywhere  Ctrl-Z takes it back");
    terminal.press("\x1b");
    terminal.wait_for("ended with 0");
    assert_eq!(home.ok(&["history", "list", "-c"]), "ls\n");
}

#[test]
fn what_is_taken_back_is_not_deleted() {
    let home = Home::with_history(&["ls", "secret"]);
    let terminal = as_binding(&home, "secret", "", SIZE);
    terminal.wait_for("1 of 2");
    terminal.press("\x04");
    terminal.wait_for("nothing matches");
    terminal.press("\x1a");
    terminal.wait_for("taken back");
    terminal.press("\x1b");
    terminal.wait_for("ended with 0");
    assert_eq!(home.ok(&["history", "list", "-c"]), "ls\nsecret\n");
}

#[test]
fn a_deletion_is_carried_out_by_itself_when_its_time_is_over() {
    let home = Home::with_history(&["ls", "secret"]);
    let terminal = as_binding(&home, "secret", "", SIZE);
    terminal.wait_for("1 of 2");
    terminal.press("\x1bd");
    terminal.wait_for("this run deleted");
    eventually("it is gone", || (home.ok(&["history", "list", "-c"]) == "ls\n").then_some(()));
    terminal.wait_for("done: 1 run deleted on every device");
    terminal.press("\x1b");
    terminal.wait_for("ended with 0");
}

#[test]
fn a_screen_that_is_killed_deletes_nothing() {
    let home = Home::with_history(&["ls", "secret"]);
    let terminal = as_binding(&home, "secret", "", SIZE);
    terminal.wait_for("1 of 2");
    terminal.press("\x04");
    terminal.wait_for("deleted on every device");
    kill_process(screen_pid(&home), Signal::KILL).expect("sent");
    terminal.wait_for("ended with");
    assert_eq!(home.ok(&["history", "list", "-c"]), "ls\nsecret\n");
}

/// A shell that runs the screen and then reads up to this key.
fn then_reads(home: &Home, before: &str, end: &str) -> Terminal {
    let script = format!(
        "{before} '{CARO}' screen --result-fd 3 3>result </dev/null; printf 'ended '; \
         IFS= read -r -d {end} rest; printf 'rest=[%s]' \"$rest\""
    );
    Terminal::run(home, &["bash", "-c", &script], SIZE)
}

#[test]
fn what_is_typed_after_enter_in_the_same_instant_is_the_shells() {
    let home = history();
    let terminal = then_reads(&home, "", r"$'\r'");
    terminal.wait_for("5 commands");
    terminal.press("cargo b\rand more\r");
    let screen = terminal.wait_for("rest=");
    assert!(screen.ends_with("rest=[and more]"), "{screen}");
    assert_eq!(result(&home), "put\ncargo build");
}

#[test]
fn after_escape_too_what_is_typed_is_the_shells() {
    let home = history();
    let terminal = then_reads(&home, "", r"$'\n'");
    terminal.wait_for("5 commands");
    terminal.press("\x1b");
    terminal.wait_for("ended ");
    terminal.press("and more\r");
    let screen = terminal.wait_for("rest=");
    assert!(screen.ends_with("rest=[and more]"), "{screen}");
}

#[test]
fn what_is_typed_before_the_screen_is_there_is_not_lost() {
    let home = history();
    let terminal = then_reads(&home, "read -r go;", r"$'\n'");
    terminal.press("go\rgit st\rtail\r");
    let screen = terminal.wait_for("rest=");
    assert!(screen.ends_with("rest=[tail]"), "{screen}");
    assert_eq!(result(&home), "put\ngit status");
}

#[test]
fn below_the_prompt_what_was_typed_before_is_typed_behind_the_command() {
    // The terminal is asked where its cursor is, and answers behind what was typed: that cannot go back.
    let home = history();
    configure(&home, "[screen]\nstyle = \"inline\"\n");
    let terminal = then_reads(&home, "read -r go;", r"$'\n'");
    terminal.press("go\rgit st\r -s");
    terminal.wait_for("ended ");
    assert_eq!(result(&home), "put\ngit status -s");
}

#[test]
fn in_real_shells_what_is_typed_after_enter_reaches_the_prompt() {
    for shell in ["bash", "zsh", "fish"] {
        if !is_here(shell, "in_real_shells_what_is_typed_after_enter_reaches_the_prompt") {
            continue;
        }
        let home = Home::with_history(&["echo first", "ls"]);
        let terminal = start(&home, shell, "");
        terminal.press("\x12");
        terminal.wait_for("Esc leave");
        terminal.press("echo fi\r second\r");
        terminal.wait("it ran as it was typed", |screen| screen.lines().any(|line| line.trim() == "first second"));
    }
}

fn configure(home: &Home, text: &str) {
    let config = home.places().config;
    fs::create_dir_all(config.parent().expect("a folder")).expect("made");
    fs::write(&config, text).expect("written");
}

#[test]
fn the_screen_opens_as_it_is_configured() {
    let home = history();
    configure(
        &home,
        "[screen]\nstyle = \"inline\"\nrows = \"50%\"\ndirection = \"down\"\nkeys_mode = \"vim\"\n\
         columns = [\"command\", \"runs\"]\n[screen.keys]\nf5 = \"leave\"\n",
    );
    let mut terminal = as_binding(&home, "", "", SIZE);
    let screen = terminal.wait_for("5 commands");
    let rows: Vec<&str> = screen.lines().collect();
    assert_eq!((rows[1].trim_end(), rows[2].trim_start_matches('▌').trim(), rows.len()), (">", "ls -l", 1 + 12));
    terminal.press("\x1b");
    terminal.wait("vim's normal mode", |screen| screen.lines().nth(1).is_some_and(|line| line.starts_with(':')));
    terminal.press("jj");
    terminal.wait("two further down", |screen| {
        screen.lines().any(|line| line.starts_with('▌') && line.contains("cargo test"))
    });
    terminal.press("\x1b[15~");
    terminal.wait_for("ended with 0");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn details_and_the_session_around_a_run_come_from_the_daemon() {
    let home = Home::with_history(&["one", "make test", "two", "make test", "three"]);
    let terminal = as_binding(&home, "make", "", SIZE);
    terminal.wait_for("1 of 5");
    terminal.press("\x0f");
    terminal.wait_for("2 runs");
    terminal.press("\x0f\x1bc");
    terminal.wait("everything around it", |screen| {
        ["one", "two", "three"].iter().all(|command| screen.contains(command))
            && screen.lines().any(|line| line.contains('▌') && line.contains("make test"))
    });
    terminal.press("\x1b[A\r");
    terminal.wait_for("ended with 0");
    assert_eq!(result(&home), "put\ntwo");
}

#[test]
fn the_mouse_chooses_and_takes_and_a_terminal_is_asked_only_where_it_is_wanted() {
    let home = history();
    let terminal = as_binding(&home, "", "", SIZE);
    terminal.wait_for("5 commands");
    // The list ends two rows and the preview's eight above the bottom.
    let row = 24 - 2 - 8 - 2;
    let click = format!("\x1b[<0;5;{row}M\x1b[<0;5;{row}m");
    terminal.press(&click.repeat(2));
    terminal.wait_for("ended with 0");
    assert_eq!(result(&home), "put\ncargo test");
    let mouse = b"\x1b[?1000h";
    assert!(terminal.bytes().windows(mouse.len()).any(|window| window == mouse));
    configure(&home, "[screen]\nmouse = false\n");
    let terminal = as_binding(&home, "", "", SIZE);
    terminal.wait_for("5 commands");
    assert!(!terminal.bytes().windows(mouse.len()).any(|window| window == mouse));
    terminal.press("\x1b");
    terminal.wait_for("ended with 0");
}

#[test]
fn a_command_is_copied_through_the_terminal() {
    let home = history();
    let terminal = as_binding(&home, "status", "", SIZE);
    terminal.wait_for("1 of 5");
    terminal.press("\x19");
    terminal.wait_for("copied");
    terminal.press("\x1b");
    terminal.wait_for("ended with 0");
    let copied = b"\x1b]52;c;Z2l0IHN0YXR1cw==\x07";
    assert!(terminal.bytes().windows(copied.len()).any(|window| window == copied));
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
    terminal.wait_for("5 commands");
    terminal.press("\x1b");
    assert_eq!(terminal.end(), 130);
}

#[test]
fn s19_configured_to_run_it_asks_before_what_could_do_harm() {
    let home = Home::with_history(&["alpha", "two\nlines", "rm -rf x"]);
    configure(&home, "[screen]\nenter = \"run\"\n");
    for (line, keys, expected) in [
        ("alpha", ["\r", ""], "run\nalpha"),
        ("two", ["\r", "\r"], "put\ntwo\nlines"),
        ("two", ["\r", "y"], "run\ntwo\nlines"),
        ("rm", ["\r", "\t"], "put\nrm -rf x"),
        ("rm", ["\r", "y"], "run\nrm -rf x"),
    ] {
        let terminal = as_binding(&home, line, "", SIZE);
        terminal.wait_for("1 of 3");
        terminal.press(keys[0]);
        if !keys[1].is_empty() {
            terminal.wait_for("run it?");
            terminal.press(keys[1]);
        }
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
    plain.wait_for("1 command");
    assert!(!coloured(&plain));
    let colourful = Terminal::run(&home, &words, SIZE);
    colourful.wait_for("1 command");
    assert!(coloured(&colourful));
}

#[test]
fn a_descriptor_that_is_not_open_is_refused_before_anything_is_drawn() {
    let home = Home::with_daemon("/nowhere");
    let ran = home.run(&["screen", "--result-fd", "77"]);
    assert_eq!((ran.code(), ran.stdout().as_str()), (2, ""));
    assert!(ran.stderr().contains("descriptor 77 is not open"), "{}", ran.stderr());
}
