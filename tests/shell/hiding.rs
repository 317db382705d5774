//! What a shell's own settings hide is never written, not even for a moment.

use std::{fs, time::Duration};

use caro_tests::eventually_within;

use crate::session::{Kind, Session, for_each_shell};

/// Whether any file of the shells has this text.
fn spool_holds(session: &Session, text: &str) -> bool {
    session.spool_files().iter().any(|path| {
        let bytes = fs::read(path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

for_each_shell! {
    pr001_a_leading_space_hides_where_the_shell_says_so(kind) {
        let before = match kind {
            Kind::Bash => "HISTCONTROL=ignoreboth",
            Kind::Zsh => "setopt hist_ignore_space; HISTSIZE=1000; SAVEHIST=1000",
            _ => "",
        };
        let mut session = Session::with(kind, before, "");
        // While the daemon is away, so that what was written is still there to be looked at.
        session.run(&["echo seen"]);
        session.device.home.caro_ok(&["daemon", "stop"]);
        session.terminal.line(" echo canary-hidden");
        session.terminal.line("echo seen as well");
        session.terminal.wait_for("\nseen as well");
        assert!(!spool_holds(&session, "canary-hidden"));
        session.device.home.caro_ok(&["daemon", "start"]);
        session.mark();
        assert_eq!(session.commands(), ["echo seen", "echo seen as well"]);
    }

    ds001_a_deleted_command_is_in_no_file_of_a_shell_that_still_runs(kind) {
        let mut session = Session::start(kind);
        session.run(&["echo canary-deleted"]);
        session.device.home.caro_ok(&["history", "delete", "--yes", "--now", "--match", "canary-deleted"]);
        // Well before a file that rests is moved out of the way.
        eventually_within(Duration::from_secs(5), "it is wiped", || {
            (!spool_holds(&session, "canary-deleted")).then_some(())
        });
        session.run(&["echo after"]);
        assert_eq!(session.commands(), ["echo after"]);
    }

    pr002_a_repeat_is_no_hidden_line(kind) {
        let before = if kind == Kind::Bash { "HISTCONTROL=ignoreboth" } else { "" };
        let mut session = Session::with(kind, before, "");
        session.run(&["echo again", "echo again", "echo again"]);
        assert_eq!(session.commands(), ["echo again", "echo again", "echo again"]);
    }

    pr003_the_shells_own_filter_is_obeyed(kind) {
        let before = match kind {
            Kind::Bash => "HISTIGNORE='secret *'",
            Kind::Zsh => "HISTORY_IGNORE='secret *'; HISTSIZE=1000",
            _ => "function fish_should_add_to_history; not string match -q 'secret *' -- $argv; end",
        };
        if kind == Kind::Fish && !fish_asks_the_user() {
            return caro_tests::skip("pr003 in fish", "fish 4, which asks fish_should_add_to_history");
        }
        let mut session = Session::with(kind, &format!("{before}\n"), "");
        session.run(&["echo open"]);
        session.terminal.line("secret canary");
        session.run(&["echo open again"]);
        assert_eq!(session.commands(), ["echo open", "echo open again"]);
    }
}

/// Whether this fish has `fish_should_add_to_history` at all: since 4.0.
fn fish_asks_the_user() -> bool {
    let version = std::process::Command::new("fish").arg("--version").output().expect("fish starts");
    let text = String::from_utf8_lossy(&version.stdout).into_owned();
    let major = text.split_whitespace().last().and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    major.is_some_and(|major| major >= 4)
}

#[test]
fn pr004_a_zsh_filter_that_refuses_a_line_takes_it_back() {
    if !caro_tests::have("zsh") {
        return caro_tests::skip("pr004", "zsh");
    }
    let filter = "HISTSIZE=1000; zshaddhistory() { [[ $1 != *canary* ]] }";
    let mut session = Session::with(Kind::Zsh, filter, "");
    session.run(&["echo open", "echo canary", "echo open again"]);
    assert_eq!(session.commands(), ["echo open", "echo open again"]);
}

#[test]
fn pr007_a_blank_in_front_is_not_recorded_where_zsh_takes_it_away() {
    if !caro_tests::have("zsh") {
        return caro_tests::skip("pr007", "zsh");
    }
    let mut session = Session::with(Kind::Zsh, "setopt hist_reduce_blanks", "");
    session.run(&["echo open", " echo canary", "echo open again"]);
    assert_eq!(session.commands(), ["echo open", "echo open again"]);
}

#[test]
fn pr005_fish_in_private_mode_records_nothing() {
    if !caro_tests::have("fish") {
        return caro_tests::skip("pr005", "fish");
    }
    let mut session = Session::start(Kind::Fish);
    session.run(&["echo open"]);
    session.terminal.line("set -g fish_private_mode 1; echo now private");
    session.terminal.wait_for("\nnow private");
    session.terminal.line("echo canary-private");
    session.terminal.line("set -e fish_private_mode; echo open again");
    session.run(&["echo open at last"]);
    assert!(!session.commands().iter().any(|text| text.contains("canary")));
    assert!(session.commands().contains(&"echo open at last".to_owned()));
}

#[test]
fn pr006_bash_with_history_off_records_nothing() {
    let mut session = Session::start(Kind::Bash);
    session.run(&["echo open"]);
    session.terminal.line("set +o history");
    session.terminal.line("echo canary-off");
    session.run(&["set -o history", "echo open again"]);
    assert!(!session.commands().iter().any(|text| text.contains("canary")));
    assert!(session.commands().contains(&"echo open again".to_owned()));
}
