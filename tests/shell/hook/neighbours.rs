//! Other people's prompts, traps and frameworks, before and after the hook. The short imitations here do to
//! PROMPT_COMMAND, PS0 and DEBUG what the real ones do; the real ones are run from the folder `CARO_TEST_OTHERS`, where
//! there is one (`bash-preexec.sh`, `starship.bash`, `starship.zsh`, `starship.fish`, `zsh-autosuggestions.zsh`,
//! `vscode.bash`), because they are not ours to copy.

use std::{env, ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::PathBuf};

use caro_tests::skip;

use super::bare::{Bare, Setup};
use crate::session::{Kind, require};

/// What is typed, and how it ends, with whatever stands in the start file.
fn check(kind: Kind, before: &str, after: &str) {
    check_setup(kind, Setup::new(kind).before(before).after(after), &format!("{before:?} {after:?}"));
}

fn check_setup(kind: Kind, setup: Setup, what: &str) {
    let mut shell = setup.start_unready();
    shell.terminal.wait_for("ready>");
    let lines: &[(&str, i32)] = match kind {
        Kind::Fish => {
            &[("true one", 0), ("sh -c 'exit 3'", 3), ("true two | true", 0), ("false", 1), ("true three", 0)]
        }
        _ => &[
            ("true one", 0),
            ("sh -c 'exit 3'", 3),
            ("(true sub)", 0),
            ("true two | true", 0),
            ("false", 1),
            ("for n in 1 2; do true $n; done", 0),
            ("true three", 0),
        ],
    };
    shell.run(&lines.iter().map(|(line, _)| *line).collect::<Vec<_>>());
    shell.run(&[""]);
    let expected: Vec<(String, Option<i32>)> =
        lines.iter().map(|(line, exit)| ((*line).to_owned(), Some(*exit))).collect();
    assert_eq!(shell.exits(), expected, "{what}\n{}", shell.terminal.screen());
    for word in ["__caro", "command not found", "syntax error"] {
        assert!(!shell.terminal.screen().contains(word), "{what}\n{}", shell.terminal.screen());
    }
}

fn check_all(kind: Kind, rows: &[(&str, &str)]) {
    for (before, after) in rows {
        check(kind, before, after);
    }
}

/// Keeps what was there, runs it from its own function, and shows the status that it saw first.
const STARSHIP_LIKE: &str = r#"
prompt_like() {
  seen=$?
  give() { return "$1"; }
  if [[ -n ${kept-} ]]; then give "$seen"; eval "$kept"; fi
  PS1="[$seen] ready> "
}
kept=${PROMPT_COMMAND-}
"#;

/// Takes over DEBUG, running the trap that was there from its own, and PROMPT_COMMAND, running all of it in a loop.
const EDITOR_LIKE: &str = r#"
eval "words=($(trap -p DEBUG))"
editor_trap=${words[2]-}
editor_busy=1
editor_debug() { if [[ $editor_busy == 0 ]]; then editor_busy=1; eval "$editor_trap"; fi; }
trap 'editor_debug "$_"' DEBUG
editor_kept=("${PROMPT_COMMAND[@]}")
editor_give() { return "$1"; }
editor_prompt() {
  local seen=$? one
  editor_give "$seen"
  for one in "${editor_kept[@]}"; do eval "$one"; done
  editor_busy=0
}
PROMPT_COMMAND=editor_prompt
"#;

#[test]
fn rh080_bash_prompt_command_in_all_its_shapes() {
    fn rows(kind: Kind) {
        check_all(
            kind,
            &[
                ("PROMPT_COMMAND='true a'", ""),
                ("PROMPT_COMMAND='true a;'", ""),
                ("PROMPT_COMMAND='true a; '", ""),
                ("PROMPT_COMMAND=$'true a\\ntrue b\\n'", ""),
                ("PROMPT_COMMAND=('true a' 'true b;')", ""),
                ("declare -a PROMPT_COMMAND=()", ""),
                ("", "PROMPT_COMMAND+=('true a')"),
                ("", "PROMPT_COMMAND='true a'"),
                ("", "PROMPT_COMMAND=\"true a;$PROMPT_COMMAND\""),
                ("", "unset PROMPT_COMMAND"),
                ("export PROMPT_COMMAND='true a'", ""),
                ("", "PS0='(mine)'; PROMPT_COMMAND='true a'"),
                ("PROMPT_COMMAND='history -a; history -c; history -r'; HISTFILE=~/.bash_history", ""),
                ("HISTCONTROL=ignoreboth:erasedups HISTTIMEFORMAT='%F %T '; shopt -s histappend", ""),
            ],
        );
    }
    require("bash", rows, Kind::Bash);
}

#[test]
fn rh081_bash_debug_traps_of_others() {
    fn rows(kind: Kind) {
        check_all(
            kind,
            &[
                ("trap ': theirs' DEBUG", ""),
                ("", "trap ': theirs' DEBUG"),
                ("", "trap - DEBUG"),
                ("set -T; trap ': theirs' DEBUG", ""),
                ("trap 'true err' ERR; trap 'true exit' EXIT; trap 'true child' CHLD", ""),
            ],
        );
    }
    require("bash", rows, Kind::Bash);
}

#[test]
fn rh082_bash_prompts_and_editors_that_take_over() {
    fn rows(kind: Kind) {
        let as_string = format!("{STARSHIP_LIKE}\nPROMPT_COMMAND=prompt_like");
        let as_array = format!("{STARSHIP_LIKE}\nPROMPT_COMMAND=(prompt_like)");
        let added =
            format!("{STARSHIP_LIKE}\nkept=; PROMPT_COMMAND=\"${{PROMPT_COMMAND:+$PROMPT_COMMAND;}}prompt_like\"");
        for prompt in [&as_string, &as_array, &added, &EDITOR_LIKE.to_owned()] {
            check(kind, prompt, "");
            check(kind, "", prompt);
        }
        check(kind, &as_string, EDITOR_LIKE);
        check(kind, EDITOR_LIKE, &as_string);
        check(kind, "", &format!("{as_string}\n{EDITOR_LIKE}"));
    }
    require("bash", rows, Kind::Bash);
}

#[test]
fn rh083_a_prompt_sees_the_status_although_the_hook_is_in_front() {
    fn run(kind: Kind) {
        for place in [true, false] {
            let prompt = format!("{STARSHIP_LIKE}\nPROMPT_COMMAND=prompt_like");
            let (before, after) = if place { (prompt.as_str(), "") } else { ("", prompt.as_str()) };
            let mut shell = Setup::new(kind).before(before).after(after).start_unready();
            shell.terminal.wait_for("[0] ready>");
            shell.terminal.line("sh -c 'exit 42'");
            shell.terminal.wait_for("[42] ready>");
            shell.terminal.line("true");
            shell.terminal.wait_until("0 again", |screen| screen.trim_end().ends_with("[0] ready>"));
        }
    }
    require("bash", run, Kind::Bash);
}

#[test]
fn rh084_zsh_hooks_of_others() {
    fn rows(kind: Kind) {
        check_all(
            kind,
            &[
                ("precmd() { true a }; preexec() { true b }", ""),
                ("", "precmd() { true a }; preexec() { true b }"),
                ("autoload -Uz add-zsh-hook; f() { false }; add-zsh-hook precmd f; add-zsh-hook preexec f", ""),
                (
                    "",
                    "f() { return 7 }; precmd_functions=(f $precmd_functions); preexec_functions=(f $preexec_functions)",
                ),
                ("setopt share_history inc_append_history extended_history; HISTFILE=~/.zsh_history SAVEHIST=100", ""),
                ("setopt promptsubst transientrprompt", ""),
                ("autoload -Uz compinit vcs_info; compinit -u; precmd() { vcs_info }", ""),
                ("bindkey -v", ""),
            ],
        );
    }
    require("zsh", rows, Kind::Zsh);
}

#[test]
fn rh085_fish_events_of_others() {
    fn rows(kind: Kind) {
        check_all(
            kind,
            &[
                ("function a --on-event fish_preexec; false; end; function b --on-event fish_postexec; false; end", ""),
                ("", "function a --on-event fish_prompt; false; end; function b --on-event fish_postexec; false; end"),
                ("fish_vi_key_bindings", ""),
            ],
        );
    }
    require("fish", rows, Kind::Fish);
}

/// A file of the folder with the real ones, or of Debian's package where there is one.
pub(crate) fn other(name: &str, test: &str) -> Option<PathBuf> {
    let given = env::var_os("CARO_TEST_OTHERS").map(|folder| PathBuf::from(folder).join(name));
    let packaged = PathBuf::from("/usr/share").join(name.trim_end_matches(".zsh")).join(name);
    let path = given.into_iter().chain([packaged]).find(|path| path.is_file());
    if path.is_none() {
        skip(test, &format!("{name} in the folder CARO_TEST_OTHERS"));
    }
    path
}

/// Runs with one of the real ones before and after the hook.
fn check_real(kind: Kind, name: &str, test: &str, more: &str) {
    let Some(path) = other(name, test) else { return };
    // What `starship init` prints calls a program; this one is as good for a hook.
    let text = fs::read_to_string(path).expect("text").replace("::STARSHIP::", "starship");
    let program = "#!/bin/sh\ncase $1 in time) echo 1;; prompt) printf 'ready> ';; esac\n";
    for is_before in [true, false] {
        let setup = Setup::new(kind).file(name, &text, 0o644).file("bin/starship", program, 0o755);
        let load = format!("PATH=~/bin:$PATH\n. ~/{name}\n{more}");
        let load = if kind == Kind::Fish { format!("set -p PATH ~/bin\nsource ~/{name}\n{more}") } else { load };
        let setup = if is_before { setup.before(&load) } else { setup.after(&load) };
        check_setup(kind, setup, &format!("{name} before the hook: {is_before}"));
    }
}

#[test]
fn rh086_bash_preexec() {
    require(
        "bash",
        |kind| check_real(kind, "bash-preexec.sh", "rh086", "preexec() { true; }; precmd() { true; }"),
        Kind::Bash,
    );
}

#[test]
fn rh087_starship_in_bash() {
    require("bash", |kind| check_real(kind, "starship.bash", "rh087", ""), Kind::Bash);
}

#[test]
fn rh088_starship_in_zsh() {
    require("zsh", |kind| check_real(kind, "starship.zsh", "rh088", ""), Kind::Zsh);
}

#[test]
fn rh089_starship_in_fish() {
    require("fish", |kind| check_real(kind, "starship.fish", "rh089", ""), Kind::Fish);
}

#[test]
fn rh090_zsh_autosuggestions() {
    require("zsh", |kind| check_real(kind, "zsh-autosuggestions.zsh", "rh090", ""), Kind::Zsh);
}

#[test]
fn rh091_an_editors_integration_in_bash() {
    require("bash", |kind| check_real(kind, "vscode.bash", "rh091", ""), Kind::Bash);
}

#[test]
fn rh092_with_bash_preexec_lines_are_hidden_by_histignore() {
    // It takes `ignorespace` out of HISTCONTROL, so bash itself keeps such lines: docs/shell-hooks.md says what to do.
    fn run(kind: Kind) {
        let Some(path) = other("bash-preexec.sh", "rh092") else { return };
        let text = fs::read_to_string(path).expect("text");
        for is_before in [true, false] {
            let load = "HISTCONTROL=ignoreboth HISTIGNORE=' *'\n. ~/bash-preexec.sh";
            let setup = Setup::new(kind).file("bash-preexec.sh", &text, 0o644);
            let mut shell = if is_before { setup.before(load) } else { setup.after(load) }.start();
            shell.run(&["true one", " true canary", "true two"]);
            assert_eq!(shell.commands(), ["true one", "true two"], "before: {is_before}");
            assert!(!shell.spool_holds("canary"), "before: {is_before}");
        }
    }
    require("bash", run, Kind::Bash);
}

#[test]
fn rh093_a_loop_at_the_prompt_is_one_record() {
    fn run(kind: Kind) {
        let mut shell = Bare::start(kind);
        let line = "for ((n = 0; n < 2000; n++)); do true $n; done";
        shell.run(&[line]);
        assert_eq!(shell.commands(), [line]);
    }
    require("bash", run, Kind::Bash);
}

/// A trap that keeps what the last one was given, set before the hook.
const KEEPING: &str = "keep() { kept=$1; }; trap 'keep \"$_\"' DEBUG";

#[test]
fn rh094_with_somebody_elses_trap_a_directory_is_the_one_before_the_command() {
    fn run(kind: Kind) {
        for version in [500, 501] {
            let mut shell = Setup::new(kind).of_bash(version).before(KEEPING).start();
            shell.run(&["mkdir d", "cd d", "cd .."]);
            let home = shell.home.path();
            let directories: Vec<PathBuf> =
                shell.runs().iter().map(|run| PathBuf::from(OsStr::from_bytes(&run.directory))).collect();
            assert_eq!(directories, [home.clone(), home.clone(), home.join("d")], "{version}");
        }
    }
    require("bash", run, Kind::Bash);
}

#[test]
fn rh095_with_somebody_elses_trap_repeats_are_recorded() {
    fn run(kind: Kind) {
        for control in ["ignoredups", "ignoreboth", "ignoreboth:erasedups", "erasedups"] {
            let mut shell = Bare::with(kind, &format!("{KEEPING}; HISTCONTROL={control}"), "");
            let lines = ["true $RANDOM", "true $RANDOM", "true $RANDOM", "true again"];
            shell.run(&lines);
            assert_eq!(shell.commands(), lines, "{control}");
        }
    }
    require("bash", run, Kind::Bash);
}

#[test]
fn rh096_a_trap_on_errors_fires_once_and_the_status_stays() {
    fn run(kind: Kind) {
        let trap = "trap 'echo \"failed $?\" >>~/failed' ERR; PS1='[$?] ready> '";
        // bash 3 takes what is added behind it for a command.
        let rows = [(trap, ""), (trap, "set -E"), ("", trap), (trap, "PROMPT_COMMAND=\"$PROMPT_COMMAND; true a\"")];
        for (version, rows) in [(302, &rows[..3]), (500, &rows), (501, &rows)] {
            for (before, after) in rows {
                let what = format!("{version} {before:?} {after:?}");
                let mut shell = Setup::new(kind).of_bash(version).before(before).after(after).start();
                shell.terminal.line("sh -c 'exit 7'");
                shell.terminal.wait_for("[7] ready>");
                shell.run(&["echo \"status $?\" >status", "true"]);
                let read = |name: &str| fs::read_to_string(shell.home.path().join(name)).expect("written");
                assert_eq!((read("status").as_str(), read("failed").as_str()), ("status 7\n", "failed 7\n"), "{what}");
            }
        }
    }
    require("bash", run, Kind::Bash);
}
