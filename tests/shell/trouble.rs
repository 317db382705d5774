//! Whatever is broken around it, the prompt does not notice, and what can be recorded is.

use std::{fs, os::unix::fs::PermissionsExt};

use caro_tests::{Home, eventually, have, program, skip};

use crate::session::{Kind, Session, for_each_shell};

for_each_shell! {
    rl001_with_the_daemon_gone_or_stopped_nothing_is_missing_afterwards(kind) {
        let mut session = Session::start(kind);
        session.run(&["echo with it"]);
        session.device.home.caro_ok(&["daemon", "stop"]);
        session.terminal.line("echo without it");
        session.terminal.wait_for("\nwithout it");
        session.device.home.caro_ok(&["daemon", "start"]);
        session.run(&["echo with it again"]);
        let pid = rustix::process::Pid::from_raw(session.device.pid()).expect("a daemon");
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("ours");
        session.terminal.line("echo while it sleeps");
        session.terminal.wait_for("\nwhile it sleeps");
        rustix::process::kill_process(pid, rustix::process::Signal::CONT).expect("ours");
        session.mark();
        assert_eq!(
            session.commands(),
            ["echo with it", "echo without it", "echo with it again", "echo while it sleeps"]
        );
    }

    rl002_a_spool_folder_that_cannot_be_written_is_silent_and_heals(kind) {
        let mut session = Session::start(kind);
        session.run(&["echo before"]);
        if rustix::process::geteuid().is_root() {
            // No permission stops root: the folder is replaced by a file instead.
            fs::remove_dir_all(session.device.home.spool()).expect("removed");
            fs::write(session.device.home.spool(), "").expect("written");
        } else {
            fs::set_permissions(session.device.home.spool(), fs::Permissions::from_mode(0o500)).expect("closed");
        }
        session.terminal.line("echo lost");
        session.terminal.line("echo lost too");
        session.terminal.wait_for("\nlost too");
        let screen = session.terminal.screen();
        assert!(!screen.contains("caro") && !screen.contains("rror"), "{screen}");
        if rustix::process::geteuid().is_root() {
            fs::remove_file(session.device.home.spool()).expect("removed");
            fs::create_dir(session.device.home.spool()).expect("made");
        }
        fs::set_permissions(session.device.home.spool(), fs::Permissions::from_mode(0o700)).expect("opened");
        session.run(&["echo after"]);
        assert_eq!(session.commands().last().map(String::as_str), Some("echo after"));
    }

    rl003_a_file_that_was_removed_comes_back(kind) {
        let mut session = Session::start(kind);
        session.run(&["echo before"]);
        for path in session.spool_files() {
            fs::remove_file(path).expect("removed");
        }
        session.run(&["echo after"]);
        assert_eq!(session.commands(), ["echo before", "echo after"]);
    }

    rl004_history_text_cannot_reach_the_terminal_as_a_command(kind) {
        let mut session = Session::start(kind);
        let text = match kind {
            Kind::Fish => r"printf '' \e\]0\;owned\a",
            _ => r"printf '' $'\e]0;owned\a'",
        };
        session.run(&[text]);
        session.device.type_lines("hostile", &["echo \u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}reversed"]);
        let home = &session.device.home;
        eventually("it is there", || home.commands().iter().any(|text| text.contains("reversed")).then_some(()));
        let shown = home.caro_ok(&["history", "list"]);
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}') && !shown.contains('\u{202e}'), "{shown:?}");
        assert!(shown.contains("reversed"));
    }
}

#[test]
fn rl005_in_a_home_of_another_user_no_daemon_is_started() {
    if !have("strace") || !rustix::process::geteuid().is_root() {
        return skip("rl005", "strace and root, who alone can give a home away");
    }
    let home = Home::new();
    let programs = home.path().join("programs");
    fs::create_dir(&programs).expect("made");
    fs::copy(program("caro"), programs.join("caro")).expect("copied");
    // In the place of the one that is started, because that would not end.
    fs::copy("/bin/true", programs.join("caro-daemon")).expect("copied");
    let others = home.path().join("others");
    fs::create_dir(&others).expect("made");
    let started = || {
        let trace = home.path().join("trace");
        let mut command = home.command("strace");
        command.args(["-f", "-qq", "-e", "trace=execve", "-o"]).arg(&trace).arg(programs.join("caro"));
        let output = command.args(["init", "bash"]).env("HOME", &others).output();
        let output = output.expect("strace starts");
        assert!(String::from_utf8_lossy(&output.stdout).contains("__caro"), "the hook is printed");
        fs::read_to_string(&trace).expect("a trace").contains("caro-daemon")
    };
    assert!(started(), "in a home of one's own there is one");
    std::os::unix::fs::chown(&others, Some(65_534), None).expect("given away");
    assert!(!started());
}
