//! What the hook starts: nothing, in whatever branch and with whatever settings, and also when it cannot write.

use std::fs;

use caro_tests::{have, processes_started, skip};

use super::bare::{Bare, Setup};
use crate::session::{Kind, for_each_shell, require};

fn starts_nothing(mut shell: Bare, what: &str) {
    if !have("strace") {
        return skip(&format!("process count: {what}"), "strace");
    }
    // Whatever a shell does once, it has done.
    shell.run(&["true warm", "false", "true again"]);
    let (pid, folder) = (shell.terminal.pid(), shell.home.path());
    let started = processes_started(pid, &folder, || shell.run(&["true; false; : builtins alone"; 20]));
    assert!(started.is_empty(), "{what}: {started:#?}");
    assert_eq!(shell.commands().iter().filter(|text| text.contains("builtins alone")).count(), 20, "{what}");
}

for_each_shell! {
    rh140_no_process_whatever_the_settings(kind) {
        let settings: &[&str] = match kind {
            Kind::Bash => &[
                "",
                "HISTCONTROL=erasedups HISTTIMEFORMAT='%F %T '",
                "PROMPT_COMMAND=('true a' 'true b')",
                "trap ': theirs' DEBUG",
                "HISTIGNORE='a*:b*'; set -T",
            ],
            Kind::Zsh => &["", "setopt hist_ignore_space hist_no_store; HISTORY_IGNORE='x*'; zshaddhistory() { return 0 }"],
            _ => &["", "function fish_should_add_to_history; return 0; end"],
        };
        for before in settings {
            starts_nothing(Bare::with(kind, before, ""), before);
        }
    }

    rh141_no_process_when_nothing_can_be_written(kind) {
        if !have("strace") {
            return skip("rh141", "strace");
        }
        let mut shell = Bare::start(kind);
        shell.run(&["true warm"]);
        fs::remove_dir_all(shell.home.spool()).expect("removed");
        let (pid, folder) = (shell.terminal.pid(), shell.home.path());
        let started = processes_started(pid, &folder, || {
            for number in 0..5 {
                shell.terminal.line(&format!("echo number {number}"));
                shell.terminal.wait_for(&format!("\nnumber {number}"));
            }
        });
        assert!(started.is_empty(), "{started:#?}");
    }
}

#[test]
fn rh142_no_process_in_the_branches_for_older_bash() {
    fn run(kind: Kind) {
        for version in [302, 404, 500] {
            starts_nothing(Setup::new(kind).of_bash(version).start(), &version.to_string());
        }
    }
    require("bash", run, Kind::Bash);
}

for_each_shell! {
    rh143_the_count_counts(kind) {
        if !have("strace") {
            return skip("rh143", "strace");
        }
        let mut shell = Bare::start(kind);
        shell.run(&["true warm"]);
        let (pid, folder) = (shell.terminal.pid(), shell.home.path());
        let started = processes_started(pid, &folder, || shell.run(&["sh -c :"]));
        assert!(started.iter().any(|line| line.contains("execve(")), "{started:#?}");
    }
}
