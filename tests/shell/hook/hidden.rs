//! What a shell's own settings keep out of its history never touches the disk, and nothing else is kept out.

use std::{fs, process::Command};

use super::bare::{Bare, Setup};
use crate::session::{Kind, require};

/// Types lines of which some are hidden, and looks for what is recorded and for what was ever written.
fn check(kind: Kind, before: &str, lines: &[&str], expected: &[&str]) {
    let mut shell = Bare::with(kind, before, "");
    shell.run(lines);
    assert_eq!(shell.commands(), expected, "{before:?}");
    assert!(!shell.spool_holds("canary"), "{before:?}");
}

/// For each row: what is in the start file, what is typed, what is recorded.
fn check_all(kind: Kind, rows: &'static [(&'static str, &'static [&'static str], &'static [&'static str])]) {
    for (before, lines, expected) in rows {
        check(kind, before, lines, expected);
    }
}

#[test]
fn rh020_bash_histcontrol_and_histignore() {
    fn rows(kind: Kind) {
        check_all(
            kind,
            &[
                ("", &[" echo seen"], &[" echo seen"]),
                ("HISTCONTROL=ignorespace", &[" echo canary", "echo a", " : canary"], &["echo a"]),
                ("HISTCONTROL=ignoreboth", &["echo a", " : canary", "echo a"], &["echo a", "echo a"]),
                (
                    "HISTCONTROL=ignoredups",
                    &["echo a", "echo a", "echo b", "echo b"],
                    &["echo a", "echo a", "echo b", "echo b"],
                ),
                ("HISTCONTROL=ignorespace:erasedups", &["echo a", "echo b", "echo a"], &["echo a", "echo b", "echo a"]),
                ("HISTIGNORE='*canary*:ls'", &["echo canary", "echo a", "ls", "echo b"], &["echo a", "echo b"]),
                (
                    "HISTIGNORE='*canary*' HISTCONTROL=ignoreboth",
                    &["echo a", "echo canary", "echo a"],
                    &["echo a", "echo a"],
                ),
                (
                    "HISTSIZE=3",
                    &["echo a", "echo b", "echo c", "echo d", "echo e"],
                    &["echo a", "echo b", "echo c", "echo d", "echo e"],
                ),
            ],
        );
    }
    require("bash", rows, Kind::Bash);
}

#[test]
fn rh021_bash_history_cleared_switched_off_and_on() {
    fn rows(kind: Kind) {
        check_all(
            kind,
            &[
                (
                    "",
                    &["history -c", "echo after", "echo after that"],
                    &["history -c", "echo after", "echo after that"],
                ),
                ("", &["echo a", "history -c", "echo b"], &["echo a", "history -c", "echo b"]),
                ("", &["echo a", "history -d -1", "echo b"], &["echo a", "history -d -1", "echo b"]),
                ("", &["set +o history", "echo canary", "set -o history", "echo b"], &["set +o history", "echo b"]),
            ],
        );
    }
    require("bash", rows, Kind::Bash);
}

#[test]
fn rh027_bash_that_reads_its_history_anew_at_each_prompt() {
    fn rows(kind: Kind) {
        let lines = ["echo a", "echo b", " : canary", "echo b", "echo c", "echo a"];
        let (spaced, seen) = (["echo a", "echo b", "echo b", "echo c", "echo a"], &lines[..]);
        // Where it is full, an entry more is an old one less, and after the reading they are counted from 1.
        let full =
            "PROMPT_COMMAND=\"${PROMPT_COMMAND:+$PROMPT_COMMAND;}history -n; history -w; history -c; history -r\"";
        let sizes = "HISTSIZE=5 HISTFILESIZE=5";
        // What another shell has run comes in between.
        let others = "PROMPT_COMMAND='echo \"true other $RANDOM\" >>~/.bash_history; history -n'";
        for (before, after, control, expected) in [
            (full, "", "", seen),
            (full, "", "ignoredups", seen),
            (full, "", "erasedups", seen),
            (full, "", "ignorespace", &spaced),
            (full, "", "ignoreboth", &spaced),
            ("", full, "", seen),
            ("", full, "ignoreboth", &spaced),
            (others, "HISTSIZE=500 HISTFILESIZE=500", "ignoreboth", &spaced),
        ] {
            for version in [500, 501] {
                let what = format!("{version} {before:?} {after:?} {control}");
                let before = format!("{sizes}; {before}\nHISTCONTROL={control}");
                let file = "true one\ntrue two\ntrue three\ntrue four\ntrue five\n";
                let setup = Setup::new(kind).of_bash(version).before(&before).after(after);
                let mut shell = setup.file(".bash_history", file, 0o600).start();
                shell.run(&lines);
                assert_eq!(shell.commands(), expected, "{what}\n{}", shell.terminal.screen());
                assert_eq!(shell.spool_holds("canary"), expected.len() == lines.len(), "{what}");
            }
        }
    }
    require("bash", rows, Kind::Bash);
}

#[test]
fn rh022_zsh_options_and_patterns() {
    fn rows(kind: Kind) {
        check_all(
            kind,
            &[
                ("", &[" echo seen"], &[" echo seen"]),
                ("setopt hist_ignore_space", &[" echo canary", "echo a"], &["echo a"]),
                ("setopt hist_ignore_space; alias hide=' echo'", &["hide canary", "echo a"], &["echo a"]),
                ("setopt hist_ignore_dups", &["echo a", "echo a"], &["echo a", "echo a"]),
                ("setopt hist_ignore_all_dups", &["echo a", "echo b", "echo a"], &["echo a", "echo b", "echo a"]),
                ("setopt hist_no_store", &["history 1", "fc -l 1", "builtin fc -il", "r echo", "echo a"], &["echo a"]),
                ("setopt hist_no_functions", &["f() { echo canary }", "echo a"], &["echo a"]),
                ("HISTORY_IGNORE='(*canary*|ls)'", &["echo canary", "ls", "echo a"], &["echo a"]),
                ("setopt extended_glob; HISTORY_IGNORE='(#i)*CANARY*'", &["echo canary", "echo a"], &["echo a"]),
                // A pattern that is none: nothing is hidden, nothing is said, and the command runs.
                ("HISTORY_IGNORE='(ls|cd'", &["echo a", "ls"], &["echo a", "ls"]),
                ("zshaddhistory() { return 0 }", &["echo a", "echo a", "echo b"], &["echo a", "echo a", "echo b"]),
            ],
        );
    }
    require("zsh", rows, Kind::Zsh);
}

#[test]
fn rh023_a_line_that_a_zsh_filter_refuses_is_taken_back() {
    fn run(kind: Kind) {
        let filter = "zshaddhistory() { [[ $1 != *canary* ]] }";
        for options in ["", "setopt hist_ignore_dups"] {
            let mut shell = Bare::with(kind, &format!("{filter}; {options}"), "");
            shell.run(&["echo a", "echo canary", "echo canary", " echo canary", "echo b"]);
            assert_eq!(shell.commands(), ["echo a", "echo b"], "{options}");
        }
    }
    require("zsh", run, Kind::Zsh);
}

#[test]
fn rh028_a_line_that_a_zsh_filter_refuses_is_taken_back_when_the_shell_ends() {
    fn run(kind: Kind) {
        let end = |shell: &mut Bare, what: &str| match what {
            "Ctrl-D" => shell.terminal.keys("\x04"),
            "exit" => shell.terminal.line("exit 0 canary"),
            _ => {
                let hung_up = Command::new("kill").args(["-HUP", &shell.terminal.pid().to_string()]).status();
                assert!(hung_up.expect("kill starts").success());
            }
        };
        let filter = "zshaddhistory() { [[ $1 != *canary* ]] }";
        for options in ["", "setopt share_history hist_ignore_all_dups; SAVEHIST=100 HISTFILE=~/saved"] {
            for what in ["Ctrl-D", "exit", "a terminal that is closed"] {
                for (last, expected) in [("echo canary", &["echo a"][..]), ("echo b", &["echo a", "echo b"])] {
                    let mut shell = Bare::with(kind, &format!("{filter}; {options}"), "exit() { builtin exit $1 }");
                    shell.run_alone("echo a");
                    shell.terminal.line(last);
                    shell.ended(last);
                    shell.ready();
                    end(&mut shell, what);
                    shell.terminal.wait_for_end();
                    assert_eq!(shell.commands(), expected, "{options:?} {last} {what}");
                    let saved = fs::read_to_string(shell.home.path().join("saved")).unwrap_or_default();
                    assert!(saved.lines().all(|line| !line.ends_with(';') && !line.is_empty()), "{saved}");
                }
            }
        }
    }
    require("zsh", run, Kind::Zsh);
}

#[test]
fn rh029_a_blank_in_front_is_told_although_zsh_takes_it_away() {
    fn run(kind: Kind) {
        let lines = [" echo  a", "\x16\techo b", "echo  c  d", "for n in 1", "do true; done", " true e"];
        let kept = [" echo a", "\techo b", "echo c d", "for n in 1\ndo true; done", " true e"];
        for after in ["setopt hist_reduce_blanks", "setopt hist_reduce_blanks ksharrays nounset; IFS=xyz"] {
            let mut shell = Bare::with(kind, "", after);
            shell.run(&lines);
            assert_eq!(shell.commands(), kept, "{after}");
            // An option that is set later is seen at the next prompt; others' filters stay.
            let mut shell = Bare::with(kind, "mine() { [[ $1 != *canary* ]] }; zshaddhistory_functions=(mine)", "");
            shell.run(&[after, " echo a", "echo canary", " echo b"]);
            assert_eq!(shell.commands(), [after, " echo a", " echo b"]);
            // With zsh's own option such a line is never written.
            check(kind, &format!("setopt hist_ignore_space; {after}"), &[" echo canary", "echo a"], &["echo a"]);
        }
    }
    require("zsh", run, Kind::Zsh);
}

#[test]
fn rh024_fish_leading_space_private_mode_and_no_history() {
    fn rows(kind: Kind) {
        check_all(
            kind,
            &[
                ("", &[" echo canary", "echo a"], &["echo a"]),
                (
                    "",
                    &["set -g fish_private_mode 1", "echo canary", "set -e fish_private_mode", "echo a"],
                    &["set -g fish_private_mode 1", "echo a"],
                ),
                (
                    "",
                    &["set -g fish_history ''", "echo canary", "set -e fish_history", "echo a"],
                    &["set -g fish_history ''", "echo a"],
                ),
                ("set -g fish_history work", &["echo a"], &["echo a"]),
            ],
        );
    }
    require("fish", rows, Kind::Fish);
}

#[test]
fn rh025_the_users_own_filter_in_fish_4() {
    fn run(kind: Kind) {
        // Before fish 4 nobody calls it; the hook asks it wherever somebody has written one.
        let filter = "function fish_should_add_to_history; not string match -q '*canary*' -- $argv; end";
        check(kind, filter, &["echo canary", " echo spaced", "echo a"], &[" echo spaced", "echo a"]);
    }
    require("fish", run, Kind::Fish);
}

#[test]
fn rh026_only_what_is_typed_is_recorded() {
    fn run(kind: Kind) {
        let before = match kind {
            Kind::Bash => "f() { echo canary; }; PROMPT_COMMAND='true canary'; complete -W 'echo canary' f",
            Kind::Zsh => "f() { echo canary }; precmd() { true canary }; preexec() { true canary }",
            _ => "function f; echo canary; end; function g --on-event fish_prompt; true canary; end",
        };
        let mut shell = Setup::new(kind).before(before).file("script", "echo canary\n", 0o755).start();
        let inner = if kind == Kind::Fish { "begin; f; end" } else { "(f; f)" };
        shell.terminal.keys("f \t\x15");
        shell.run(&["f", inner, "sh ./script", &format!("{} ./script", kind.name())]);
        let script = format!("{} ./script", kind.name());
        assert_eq!(shell.commands(), ["f", inner, "sh ./script", &script]);
        assert!(!shell.spool_holds("canary"));
    }
    for kind in [Kind::Bash, Kind::Zsh, Kind::Fish] {
        require(kind.name(), run, kind);
    }
}
