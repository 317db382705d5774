//! The strictest settings, other people's names for builtins, and what a command may expect to find: its neighbours'
//! status, `$_`, descriptors.

use std::fs;

use super::bare::{Bare, Run, Setup};
use crate::session::{Kind, for_each_shell, require};

/// Each of these is set after the hook, and before it where it can be.
const BASH_STRICT: &[&str] = &[
    "set -euo pipefail",
    "set -euET -o pipefail -o noclobber; shopt -s extdebug failglob inherit_errexit",
    "shopt -s nullglob dotglob extglob nocasematch; IFS=xyz0123456789",
    "set -o posix",
    "set -f; set -b; set -k",
    "shopt -s lastpipe expand_aliases xpg_echo; shopt -u cmdhist checkwinsize",
    "alias printf=false local=false builtin=false history=false read=false trap=false return=false shopt=false",
    "printf() { false; }; history() { false; }; trap() { false; }; read() { false; }; bind() { false; }",
    "IFS=; unset HISTTIMEFORMAT; LC_ALL=C; LC_NUMERIC=de_DE.UTF-8",
];

const ZSH_STRICT: &[&str] = &[
    "setopt nounset pipefail noclobber warncreateglobal",
    "setopt warnnestedvar warncreateglobal histreduceblanks; zshaddhistory() { return 0 }",
    "setopt ksharrays shwordsplit globsubst nomultios noequals; IFS=xyz0123456789",
    "setopt extendedglob nullglob rcquotes forcefloat octalzeroes cbases ksharrays posixbuiltins",
    "setopt noglob noaliases ignorebraces shortloops",
    "emulate sh",
    "emulate ksh",
    "setopt errreturn",
    "alias print=false local=false emulate=false typeset=false setopt=false umask=true",
    "print() { false }; zle() { false }; bindkey() { false }; zmodload() { false }",
];

const FISH_STRICT: &[&str] = &[
    "function printf; false; end; function string; command false; end; function read; false; end",
    "function umask; echo no; end",
    "set -g fish_trace ''; set -gx LC_ALL C",
];

const LINES: [&str; 4] = ["true one", "false || true", "true two | true", "true three"];

/// Whether the times are of this hour, in microseconds. fish gives none but the duration.
fn is_timed(run: &Run) -> bool {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_micros();
    let of_now = |text: &str| text.parse::<u128>().is_ok_and(|at| (now - 3_600_000_000..=now).contains(&at));
    let end = run.end.as_ref().expect("it ended");
    end.milliseconds.is_some() || (of_now(&run.at) && of_now(&end.at))
}

fn recorded_under(kind: Kind, settings: &str) {
    let setups = [Setup::new(kind).after(settings), Setup::new(kind).before(settings)];
    for (at, setup) in setups.into_iter().enumerate() {
        let mut shell = setup.start();
        shell.run(&LINES);
        let screen = shell.terminal.screen();
        let place = if at == 0 { "after" } else { "before" };
        assert_eq!(shell.commands(), LINES, "{settings} {place} the hook\n{screen}");
        assert!(shell.runs().iter().all(is_timed), "{settings} {place} the hook: {:?}", shell.runs());
        for word in ["__caro", "caro:", "command not found", "parameter", "rror"] {
            assert!(!screen.contains(word), "{settings} {place} the hook says {word:?}:\n{screen}");
        }
    }
}

#[test]
fn rh040_bash_in_every_strict_mode() {
    require("bash", |kind| BASH_STRICT.iter().for_each(|settings| recorded_under(kind, settings)), Kind::Bash);
}

#[test]
fn rh041_zsh_in_every_strict_mode() {
    require("zsh", |kind| ZSH_STRICT.iter().for_each(|settings| recorded_under(kind, settings)), Kind::Zsh);
}

#[test]
fn rh042_fish_with_builtins_taken_over() {
    require("fish", |kind| FISH_STRICT.iter().for_each(|settings| recorded_under(kind, settings)), Kind::Fish);
}

for_each_shell! {
    rh043_a_status_is_there_for_the_prompt_and_the_next_line_and_ends_no_strict_shell(kind) {
        let after = match kind {
            Kind::Bash => "set -eu -o pipefail",
            Kind::Zsh => "setopt nounset pipefail",
            _ => "",
        };
        let mut shell = Bare::with(kind, "", after);
        // A failing list that set -e lets pass: the status is 1 at the prompt, and the shell must live.
        let lists = if kind == Kind::Fish { "false; or false" } else { "false && true" };
        shell.run(&[lists, "true still here"]);
        assert_eq!(shell.exits(), [(lists.to_owned(), Some(1)), ("true still here".to_owned(), Some(0))]);
    }

    rh044_statuses_and_the_last_argument_are_as_the_command_left_them(kind) {
        let (status, statuses) = match kind {
            Kind::Bash => ("$?", "${PIPESTATUS[@]}"),
            Kind::Zsh => ("$?", "$pipestatus"),
            _ => ("$status", "$pipestatus"),
        };
        let mut shell = Bare::start(kind);
        shell.run(&["sh -c 'exit 7'", &format!("echo \"last {status}\" >one")]);
        shell.run(&["true | false | sh -c 'exit 3'", &format!("echo \"each {statuses}\" >two")]);
        let read = |name: &str| fs::read_to_string(shell.home.path().join(name)).expect("written");
        // The marks came between: what is asked for is what stands right before.
        assert_eq!((read("one").as_str(), read("two").as_str()), ("last 7\n", "each 0 1 3\n"));
        if kind != Kind::Fish {
            shell.run(&["true some last-argument", "echo \"$_\" >three"]);
            let third = fs::read_to_string(shell.home.path().join("three")).expect("written");
            assert_eq!(third, "last-argument\n");
        }
    }

    rh045_a_child_inherits_no_descriptor_of_the_hook(kind) {
        let mut shell = Bare::start(kind);
        shell.run(&["ls -l /proc/self/fd >open 2>&1"]);
        let open = fs::read_to_string(shell.home.path().join("open")).expect("written");
        assert!(open.contains(" 0 -> "), "{open}");
        assert!(!open.contains("spool"), "{open}");
    }

    rh046_the_files_stay_closed_under_an_open_umask_and_are_written_under_a_closed_one(kind) {
        for mask in ["000", "777"] {
            let mut shell = Bare::with(kind, &format!("umask {mask}"), "");
            shell.run(&["true one"]);
            assert_eq!(shell.commands(), ["true one"]);
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(shell.file()).expect("there").permissions());
            assert_eq!(mode & 0o777, 0o600, "{mask}");
            shell.run(&["umask >mask; chmod 600 mask"]);
            let after = fs::read_to_string(shell.home.path().join("mask"));
            if mask == "000" {
                assert!(after.expect("written").trim().trim_start_matches('0').is_empty());
            }
        }
    }

    rh047_evaluated_three_times_it_is_there_once(kind) {
        let again = if kind == Kind::Fish { "cat ~/hook | source" } else { "eval \"$(cat ~/hook)\"" };
        let mut shell = Bare::with(kind, again, again);
        shell.run(&["true once", again, "true twice"]);
        assert_eq!(shell.commands(), ["true once", again, "true twice"]);
        assert_eq!(shell.shells().len(), 1);
    }

    rh048_a_users_own_prompt_code_is_kept(kind) {
        let (before, shown): (&str, &[&str]) = match kind {
            Kind::Bash => (
                "PS0='(ps0 of mine)\\n'; PROMPT_COMMAND='shown=\"status $?\"'; PS1='$shown ready> '",
                &["(ps0 of mine)", "status 7 ready>"],
            ),
            Kind::Zsh => (
                "preexec() { print '(preexec of mine)' }; precmd() { PS1=\"status $? ready> \" }",
                &["(preexec of mine)", "status 7 ready>"],
            ),
            _ => (
                "function mine --on-event fish_preexec; echo '(preexec of mine)'; end
                 function fish_prompt; echo -n \"status $status ready> \"; end",
                &["(preexec of mine)", "status 7 ready>"],
            ),
        };
        for at_end in [false, true] {
            let (first, last) = if at_end { ("", before) } else { (before, "") };
            let mut shell = Bare::with(kind, first, last);
            shell.terminal.line("sh -c 'exit 7'");
            for text in shown {
                shell.terminal.wait_for(text);
            }
            shell.mark();
            assert_eq!(shell.exits(), [("sh -c 'exit 7'".to_owned(), Some(7))]);
        }
    }
}

#[test]
fn rh049_a_shell_that_cannot_record_says_so_once_and_works() {
    let rows = [
        (Kind::Bash, "readonly PROMPT_COMMAND=true", "read-only"),
        (Kind::Bash, "readonly HISTTIMEFORMAT='%F '", "read-only"),
        (Kind::Bash, "enable -n history", "no history"),
        (Kind::Bash, "shopt -u promptvars", "promptvars"),
        (Kind::Zsh, "zmodload zsh/zle; module_path=()", "zsh/datetime"),
    ];
    for (kind, before, reason) in rows {
        if !caro_tests::have(kind.name()) {
            caro_tests::skip("rh049", kind.name());
            continue;
        }
        let mut shell = Setup::new(kind).before(before).start();
        shell.terminal.line("echo it; echo works");
        shell.terminal.wait_for("it\nworks");
        shell.ready();
        shell.terminal.line("echo still");
        shell.terminal.wait_for("\nstill");
        let screen = shell.terminal.screen();
        let said: Vec<&str> = screen.lines().filter(|line| line.starts_with("caro: ")).collect();
        assert_eq!(said.len(), 1, "{before}:\n{screen}");
        assert!(said[0].contains(reason) && said[0].ends_with("not recorded here"), "{before}: {said:?}");
        assert!(!screen.contains("__caro"), "{before}:\n{screen}");
        assert_eq!(shell.commands(), [""; 0], "{before}");
    }
}
