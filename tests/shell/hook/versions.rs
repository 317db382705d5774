//! The branches for older versions of bash, run by the bash that is here, and by real ones where there are any: the
//! variables `CARO_TEST_BASH_4_4` and `CARO_TEST_BASH_3_2` name them.

use std::env;

use caro_tests::skip;

use super::bare::{Bare, Run, Setup};
use crate::session::{Kind, require};

/// What every version does.
fn check(mut shell: Bare, name: &str) {
    let lines =
        ["true one", "sh -c 'exit 3'", "(true sub)", "true a | true b", "for n in 1 2; do true $n; done", "true end"];
    shell.run(&lines);
    assert_eq!(shell.commands(), lines, "{name}\n{}", shell.terminal.screen());
    let exits: Vec<Option<i32>> = shell.exits().into_iter().map(|(_, exit)| exit).collect();
    assert_eq!(exits, [0, 3, 0, 0, 0, 0].map(Some), "{name}");
    let is_timed = |run: &Run| run.at.len() == 16 && run.end.as_ref().is_some_and(|end| end.at.len() == 16);
    assert!(shell.runs().iter().all(is_timed), "{name}: {:?}", shell.runs());
    shell.terminal.line("sleep 300");
    shell.wait_for_run("sleep 300", |run| run.end.is_none());
    shell.terminal.wait_for_job();
    shell.terminal.keys("\x03");
    shell.ended("sleep 300");
    shell.ready();
    assert!(!shell.terminal.screen().contains("__caro"), "{name}\n{}", shell.terminal.screen());
}

#[test]
fn rh100_the_branches_of_bash_in_the_bash_that_is_here() {
    fn run(kind: Kind) {
        for version in [302, 404, 500, 501] {
            for before in ["", "PROMPT_COMMAND='true a;'", "HISTCONTROL=ignoreboth"] {
                let shell = Setup::new(kind).of_bash(version).before(before).start();
                check(shell, &format!("{version} {before}"));
            }
        }
    }
    require("bash", run, Kind::Bash);
}

#[test]
fn rh101_hidden_lines_and_repeats_in_the_branch_of_bash_4_4() {
    fn run(kind: Kind) {
        let mut shell = Setup::new(kind).of_bash(404).before("HISTCONTROL=ignoreboth").start();
        shell.run(&["true a", "true b", " true canary", "true b", "true b"]);
        assert_eq!(shell.commands(), ["true a", "true b", "true b", "true b"]);
        assert!(!shell.spool_holds("canary"));
    }
    require("bash", run, Kind::Bash);
}

#[test]
fn rh102_what_bash_3_hides_is_never_written() {
    fn run(kind: Kind) {
        let mut shell = Setup::new(kind).of_bash(302).before("HISTCONTROL=ignoreboth").start();
        shell.run(&["true a", " true canary", "true b"]);
        assert!(!shell.spool_holds("canary"));
        // There the daemon tells a hidden line by the entry's number and time: the record of the line before is marked.
        assert!(shell.runs().iter().all(|run| run.flags.starts_with('n')), "{:?}", shell.runs());
    }
    require("bash", run, Kind::Bash);
}

/// A real one, where the environment names it.
fn real(variable: &str, test: &str) {
    let Some(program) = env::var(variable).ok().filter(|path| !path.is_empty()) else {
        return skip(test, &format!("a bash named by {variable}"));
    };
    let shell = Setup::new(Kind::Bash).program_of_shell(&program).start();
    check(shell, &program);
}

#[test]
fn rh103_bash_4_4() {
    real("CARO_TEST_BASH_4_4", "rh103");
}

#[test]
fn rh104_bash_3_2() {
    real("CARO_TEST_BASH_3_2", "rh104");
}
