//! zsh-autosuggestions, the real one, with what the daemon knows: also what was typed on another machine or in another
//! shell, and without a process per key.

use caro_tests::{eventually, have, processes_started, skip};

use crate::{
    hook::neighbours::other,
    session::{Kind, Session},
};

const RIGHT: &str = "\x1b[C";

/// A zsh with the plugin, which asks the daemon alone, in its own process.
fn session(test: &str) -> Option<Session> {
    if !have("zsh") {
        skip(test, "zsh");
        return None;
    }
    let plugin = other("zsh-autosuggestions.zsh", test)?;
    let before =
        format!("source '{}'\nZSH_AUTOSUGGEST_STRATEGY=(caro)\nunset ZSH_AUTOSUGGEST_USE_ASYNC", plugin.display());
    Some(Session::with(Kind::Zsh, &before, ""))
}

/// A command that this shell's own history does not have.
fn from_elsewhere(session: &Session, command: &str) {
    session.device.type_lines("elsewhere", &[command]);
    let home = &session.device.home;
    eventually("it is recorded", || home.commands().iter().any(|text| text == command).then_some(()));
}

#[test]
fn sg001_what_is_suggested_comes_from_the_daemon_and_is_taken_with_a_key() {
    let Some(mut session) = session("sg001") else { return };
    from_elsewhere(&session, "echo 'from 漢 elsewhere'");
    session.terminal.keys("echo 'fr");
    session.terminal.wait_for("echo 'from 漢 elsewhere'");
    session.terminal.keys(RIGHT);
    session.run(&[""]);
    assert_eq!(session.commands(), ["echo 'from 漢 elsewhere'", "echo 'from 漢 elsewhere'"]);
}

#[test]
fn sg002_no_key_starts_a_process() {
    if !have("strace") {
        return skip("sg002", "strace");
    }
    let Some(mut session) = session("sg002") else { return };
    from_elsewhere(&session, "echo this was typed before");
    // Whatever a shell does once, it has done.
    session.terminal.keys("echo th");
    session.terminal.wait_for("echo this was typed before");
    let (pid, folder) = (session.terminal.pid(), session.device.home.path());
    let started = processes_started(pid, &folder, || {
        for key in ["i", "s", " ", "w", "a", "s"] {
            session.terminal.keys(key);
        }
        session.terminal.keys(" X");
        session.terminal.wait_until("nothing is suggested", |screen| screen.trim_end().ends_with("echo this was X"));
    });
    assert!(started.is_empty(), "{started:#?}");
}

#[test]
fn sg003_without_the_daemon_or_with_one_that_is_stopped_the_keys_go_on() {
    let Some(mut session) = session("sg003") else { return };
    session.run(&["echo long ago"]);
    let pid = rustix::process::Pid::from_raw(session.device.pid()).expect("a daemon");
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("ours");
    session.terminal.line("echo while it; echo is stopped");
    session.terminal.wait_for("while it\nis stopped");
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).expect("ours");
    session.device.home.caro_ok(&["daemon", "stop"]);
    session.terminal.line("echo without; echo it");
    session.terminal.wait_for("without\nit");
    let screen = session.terminal.screen();
    assert!(!screen.contains("zsocket") && !screen.contains("caro"), "{screen}");
}
