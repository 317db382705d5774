//! The hook and its keys in real shells: what is typed is found, and what is chosen stands on the prompt for editing.

use std::{fs, process::Command};

use crate::{
    support::{CARO, Home, PATIENCE, eventually, skip},
    terminal::Terminal,
};

const SIZE: (u16, u16) = (100, 24);

const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

pub(crate) fn is_here(shell: &str, test: &str) -> bool {
    let is_here = Command::new(shell).arg("--version").output().is_ok();
    if !is_here {
        skip(test, shell);
    }
    is_here
}

/// An interactive shell with the hook and nothing else.
pub(crate) fn start(home: &Home, shell: &str, options: &str) -> Terminal {
    let folder = home.path().join("home");
    let hook = format!("eval \"$('{CARO}' init {shell} {options})\"\n");
    let words: Vec<String> = match shell {
        "bash" => {
            fs::write(folder.join(".bashrc"), format!("PS1='ready> '\n{hook}")).expect("written");
            vec!["bash".into(), "-i".into()]
        }
        "zsh" => {
            fs::write(folder.join(".zshrc"), format!("PS1='ready> '\nunsetopt zle_bracketed_paste\n{hook}"))
                .expect("written");
            vec!["zsh".into(), "-d".into(), "-i".into()]
        }
        _ => {
            let config = folder.join(".config/fish");
            fs::create_dir_all(&config).expect("made");
            let greeting = "set -g fish_greeting\nfunction fish_prompt; printf 'ready> '; end\n";
            let hook = format!("'{CARO}' init fish {options} | source\n");
            fs::write(config.join("config.fish"), format!("{greeting}{hook}")).expect("written");
            vec!["fish".into(), "-i".into()]
        }
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let terminal = Terminal::run(home, &words, SIZE);
    terminal.wait_for("ready> ");
    terminal
}

fn last_line(screen: &str) -> &str {
    screen.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim_end()
}

fn type_and_find(home: &Home, terminal: &Terminal, command: &str, shown: &str) {
    terminal.press(&format!("{command}\r"));
    terminal
        .wait("it has run", |screen| screen.lines().any(|line| line.trim() == shown) && last_line(screen) == "ready>");
    eventually("it is recorded", || home.ok(&["history", "list", "-c"]).contains(command).then_some(()));
}

#[test]
fn ctrl_r_finds_what_was_typed_and_puts_it_on_the_prompt() {
    for shell in SHELLS {
        if !is_here(shell, "ctrl_r_finds_what_was_typed_and_puts_it_on_the_prompt") {
            continue;
        }
        let home = Home::new();
        home.ok(&["daemon", "start"]);
        let terminal = start(&home, shell, "");
        type_and_find(&home, &terminal, r"printf '%s-%s\n' one 'a  b'", "one-a  b");
        terminal.press("\x12");
        terminal.wait_for("Esc leave");
        terminal.press("one a b");
        terminal.wait("it is found", |screen| screen.lines().any(|line| line.contains("▌") && line.contains("a  b")));
        terminal.press("\r");
        terminal.wait("it stands on the prompt", |screen| last_line(screen) == r"ready> printf '%s-%s\n' one 'a  b'");
        // It was not run, and can be edited.
        terminal.press("X\r");
        terminal.wait("it runs as edited", |screen| screen.lines().any(|line| line.trim() == "one-a  bX"));
        assert_eq!(terminal.screen().lines().filter(|line| line.trim() == "one-a  b").count(), 1, "{shell}");
    }
}

#[test]
fn up_brings_the_newest_and_escape_leaves_the_line_as_it_was() {
    for shell in SHELLS {
        if !is_here(shell, "up_brings_the_newest_and_escape_leaves_the_line_as_it_was") {
            continue;
        }
        let home = Home::new();
        home.ok(&["daemon", "start"]);
        let terminal = start(&home, shell, "");
        type_and_find(&home, &terminal, r"printf '%s-%s\n' two 2", "two-2");
        terminal.press("\x1b[A");
        terminal.wait("the newest is chosen", |screen| {
            screen.lines().any(|line| line.contains("▌") && line.contains("printf"))
        });
        terminal.press("\r");
        terminal.wait("it stands on the prompt", |screen| last_line(screen) == r"ready> printf '%s-%s\n' two 2");
        terminal.press("\x15half a line");
        terminal.wait_for("ready> half a line");
        terminal.press("\x12");
        terminal.wait_for("> half a line");
        terminal.wait_for("Esc leave");
        terminal.press("\x07");
        terminal.wait("the line is as it was", |screen| last_line(screen) == "ready> half a line");
    }
}

#[test]
fn an_inline_screen_takes_itself_away_and_leaves_the_prompt_where_it_was() {
    for shell in SHELLS {
        if !is_here(shell, "an_inline_screen_takes_itself_away_and_leaves_the_prompt_where_it_was") {
            continue;
        }
        let home = Home::new();
        let config = home.places().config;
        fs::create_dir_all(config.parent().expect("a folder")).expect("made");
        fs::write(&config, "[screen]\nstyle = \"inline\"\nrows = 8\n").expect("written");
        home.ok(&["daemon", "start"]);
        let terminal = start(&home, shell, "");
        type_and_find(&home, &terminal, r"printf '%s-%s\n' four 4", "four-4");
        terminal.press("half a line");
        let before = terminal.wait("typed", |screen| last_line(screen) == "ready> half a line");
        let at = terminal.cursor();
        terminal.press("\x12");
        let with = terminal.wait_for("Esc leave");
        assert!(with.contains("four-4\n"), "{shell}: what was there stays in sight:\n{with}");
        terminal.press("\x07");
        // What is typed before the shell has its line again is the terminal's.
        terminal.wait("as before", |screen| screen.trim_end() == before.trim_end() && terminal.cursor() == at);
        terminal.press("\x15\x12");
        terminal.wait_for("Esc leave");
        terminal.press("four");
        terminal.wait("found", |screen| screen.lines().any(|line| line.contains("▌") && line.contains("four 4")));
        terminal.press("\r");
        terminal.wait("on the prompt", |screen| last_line(screen) == r"ready> printf '%s-%s\n' four 4");
    }
}

#[test]
fn keys_that_are_not_wanted_are_left_alone() {
    for shell in SHELLS {
        if !is_here(shell, "keys_that_are_not_wanted_are_left_alone") {
            continue;
        }
        let home = Home::new();
        home.ok(&["daemon", "start"]);
        let terminal = start(&home, shell, "--no-up");
        type_and_find(&home, &terminal, r"printf '%s-%s\n' three 3", "three-3");
        terminal.press("\x1b[A");
        terminal.wait("the shell's own history", |screen| last_line(screen) == r"ready> printf '%s-%s\n' three 3");
    }
}

#[test]
fn p001_a_new_shell_does_not_wait_for_a_daemon_that_is_stopped() {
    use rustix::process::{Pid, Signal, kill_process};
    let home = Home::new();
    home.ok(&["daemon", "start"]);
    let status: serde_json::Value = serde_json::from_str(&home.ok(&["daemon", "status", "--json"])).expect("JSON");
    let pid = status["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    let pid = pid.expect("a process");
    kill_process(pid, Signal::STOP).expect("stopped");
    let begin = std::time::Instant::now();
    for _ in 0..3 {
        assert!(home.ok(&["init", "bash"]).contains("__caro_bin="));
    }
    let took = begin.elapsed();
    // One that asks says after a while that nobody answers.
    let asked = home.run(&["daemon", "status"]);
    let stuck = home.run(&["daemon", "stop"]);
    kill_process(pid, Signal::CONT).expect("goes on");
    assert!(took < PATIENCE / 20, "{took:?}");
    assert_eq!(asked.code(), 69);
    assert!(asked.stderr().contains("the daemon does not answer"), "{}", asked.stderr());
    assert!(stuck.stderr().contains(&format!("kill -KILL {}", pid.as_raw_nonzero())), "{}", stuck.stderr());
}

#[test]
fn init_starts_a_daemon_and_prints_a_hook_even_where_there_can_be_none() {
    let home = Home::new();
    assert!(home.ok(&["init", "zsh"]).contains("__caro_bind_up='1'"));
    eventually("a daemon runs", || (home.run(&["daemon", "status"]).code() == 0).then_some(()));
    let none = Home::with_daemon("/nowhere");
    assert!(none.ok(&["init", "fish"]).starts_with("set -g __caro_bin '"));
    fs::remove_dir_all(none.path().join("home")).expect("removed");
    fs::write(none.path().join("home"), b"").expect("in the way");
    assert!(none.ok(&["init", "bash"]).starts_with("__caro_bin='"));
}

#[test]
fn the_hook_names_the_program_as_it_was_called() {
    let home = Home::with_daemon("/nowhere");
    let bin = home.path().join("bin");
    fs::create_dir(&bin).expect("made");
    std::os::unix::fs::symlink(CARO, bin.join("caro")).expect("a link");
    let expected = format!("__caro_bin='{}'\n", bin.join("caro").display());
    let run = |program: &str| {
        let mut command = Command::new("/bin/sh");
        command.env_clear().envs(home.env()).env("PATH", &bin).current_dir(home.path());
        let output = command.args(["-c", &format!("{program} init bash")]).output().expect("it runs");
        String::from_utf8(output.stdout).expect("text")
    };
    assert!(run("caro").starts_with(&expected));
    assert!(run("bin/caro").starts_with(&expected));
}
