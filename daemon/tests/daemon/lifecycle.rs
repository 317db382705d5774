//! Away from the terminal, asked to end, replaced by a newer program.

use std::{
    fs,
    io::{Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Command, Stdio},
};

use caro_schema::ipc::{Reply, Request};
use rustix::process::{Pid, Signal};

use crate::support::{DAEMON, Home, eventually, identity, skip};

fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).expect("a pid")).expect("not zero")
}

fn is_gone(number: u32) -> bool {
    // A daemon that was detached is collected by whoever adopts it; until then it is a shadow.
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    let shadow = stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'));
    shadow || rustix::process::test_kill_process(pid(number)).is_err()
}

#[test]
fn a_detached_daemon_has_left_the_terminal_and_everything_it_was_given() {
    let home = Home::new();
    // A pipe that a command substitution would wait for, on a descriptor that nobody speaks of.
    let mut command = home.command("sh");
    command.args(["-c", "\"$0\" --detach 9>&1; echo started", DAEMON]).stdout(Stdio::piped());
    let mut shell = command.spawn().expect("it starts");
    let mut said = String::new();
    shell.stdout.take().expect("its output").read_to_string(&mut said).expect("the pipe is let go of");
    assert!(shell.wait().expect("it ends").success());
    assert_eq!(said, "started\n");
    let mut client = home.client();
    let daemon = client.status().pid;
    let session = rustix::process::getsid(Some(pid(daemon))).expect("a session");
    assert_eq!(session, pid(daemon), "a session of its own");
    if rustix::process::geteuid().is_root() && Path::new("/proc/self/fd").exists() {
        let link = |name: &str| fs::read_link(format!("/proc/{daemon}/{name}")).expect("there");
        assert_eq!(link("cwd"), Path::new("/"));
        for descriptor in ["fd/0", "fd/1", "fd/2"] {
            assert_eq!(link(descriptor), Path::new("/dev/null"));
        }
    } else {
        skip("a_detached_daemon_has_left_the_terminal (descriptors)", "root and /proc");
    }
    assert!(matches!(client.ask(Request::Stop), Ok(Reply::Done)));
    eventually("it ends", || is_gone(daemon).then_some(()));
}

#[test]
fn a_detached_daemon_survives_the_end_of_its_terminal() {
    let home = Home::new();
    // What a terminal does to everything that runs in it when it is closed.
    let mut shell = home.command("sh");
    shell.args(["-c", "\"$0\" --detach && kill -HUP 0", DAEMON]).process_group(0);
    let status = shell.status().expect("it runs");
    assert_eq!(status.signal(), Some(Signal::HUP.as_raw()), "the shell is gone");
    let mut client = home.client();
    home.shell("one").header();
    home.shell("one").run("still here");
    client.flush();
    assert_eq!(client.commands(), ["still here"]);
    assert!(matches!(client.ask(Request::Stop), Ok(Reply::Done)));
}

#[test]
fn a_detached_daemon_that_cannot_start_says_why() {
    let home = Home::new();
    fs::create_dir_all(home.places().data).expect("made");
    fs::create_dir(home.places().lock()).expect("in the way");
    let output = home.command(DAEMON).arg("--detach").output().expect("it runs");
    assert_eq!(output.status.code(), Some(73));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("caro-daemon: ") && said.contains("caro.lock"), "{said}");
}

#[test]
fn detaching_where_one_runs_already_is_fine() {
    let home = Home::new();
    let daemon = home.start();
    let output = home.command(DAEMON).arg("--detach").output().expect("it runs");
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    assert_eq!(home.client().status().pid, daemon.pid());
}

#[test]
fn stop_finishes_and_takes_the_socket_away() {
    for how in [None, Some(Signal::TERM), Some(Signal::INT)] {
        let home = Home::new();
        let daemon = home.start();
        home.shell("one").header();
        home.shell("one").run("last words");
        match how {
            None => assert!(matches!(daemon.client().ask(Request::Stop), Ok(Reply::Done))),
            Some(signal) => daemon.signal(signal),
        }
        assert_eq!(daemon.wait().code(), Some(0));
        assert!(!home.places().socket.exists());
        assert!(!home.places().socket_note().exists());
        let daemon = home.start();
        let mut client = daemon.client();
        client.flush();
        assert_eq!(client.commands(), ["last words"]);
    }
}

#[test]
fn a_replaced_program_takes_over_in_place() {
    let home = Home::new();
    let program = home.path().join("caro-daemon");
    install(&program);
    let daemon = home.start_with(home.command(&program));
    home.shell("one").header();
    home.shell("one").run("before");
    daemon.client().flush();
    let before = identity(&home.places().socket).expect("there");
    install(&program);
    // It looks when it is told to; the second look finds the file settled.
    eventually("the new program listens", || {
        caro_daemon::spool::watch::wake(&home.places().spool).expect("woken");
        identity(&home.places().socket).filter(|now| *now != before)
    });
    let mut client = daemon.client();
    assert_eq!(client.status().pid, daemon.pid(), "the same process");
    home.shell("one").run("after");
    client.flush();
    assert_eq!(client.commands(), ["before", "after"]);
}

/// Puts a copy of the program in place in one step, as an installer does. Another process writes it, so that no
/// thread of this one starts a child while the file is open for writing.
fn install(program: &Path) {
    let beside = program.with_extension("new");
    for (command, from, to) in [("cp", Path::new(DAEMON), &*beside), ("mv", &*beside, program)] {
        let done = Command::new(command).args([from, to]).status().expect("it runs");
        assert!(done.success());
    }
}

/// Runs the program with this on its input.
fn told(home: &Home, program: &Path, arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let mut command = home.command(program);
    command.args(arguments).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    // It may end before it reads.
    let _ = child.stdin.take().expect("its input").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn de005_a_key_behind_a_passphrase_opens_for_who_knows_it_and_stays_open_over_an_upgrade() {
    let home = Home::new();
    let program = home.path().join("caro-daemon");
    install(&program);
    let daemon = home.start_with(home.command(&program));
    let (code, said) = told(&home, &program, &["--passphrase"], "correct horse\n");
    assert_eq!(code, Some(1), "not while one runs");
    assert!(said.contains("a daemon runs"), "{said}");
    home.shell("one").header();
    home.shell("one").run("before");
    daemon.client().flush();
    daemon.signal(Signal::TERM);
    daemon.wait();
    let (code, said) = told(&home, &program, &["--passphrase"], "correct horse\n");
    assert_eq!(code, Some(0), "{said}");
    for (arguments, input, reason) in [
        (&["--detach"][..], "", "locked by a passphrase\nhint: unlock it"),
        (&["--detach", "--unlock"], "wrong horse\n", "wrong passphrase\nhint: "),
        (&["--unlock"], "wrong horse\n", "wrong passphrase\nhint: "),
    ] {
        let (code, said) = told(&home, &program, arguments, input);
        assert_eq!(code, Some(77), "{said}");
        assert!(said.contains(reason), "{said}");
    }
    let (code, said) = told(&home, &program, &["--detach", "--unlock"], "correct horse\n");
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let mut client = home.client();
    let (daemon, before) = (client.status().pid, identity(&home.places().socket).expect("there"));
    install(&program);
    eventually("the new program listens", || {
        caro_daemon::spool::watch::wake(&home.places().spool).expect("woken");
        identity(&home.places().socket).filter(|now| *now != before)
    });
    let mut client = home.client();
    assert_eq!(client.status().pid, daemon, "the same process");
    home.shell("one").run("after");
    client.flush();
    assert_eq!(client.commands(), ["before", "after"]);
    for path in [format!("/proc/{daemon}/cmdline"), format!("/proc/{daemon}/environ")] {
        if let Ok(seen) = fs::read(&path) {
            assert!(!String::from_utf8_lossy(&seen).contains("horse"), "{path}");
        }
    }
    assert!(matches!(client.ask(Request::Stop), Ok(Reply::Done)));
    eventually("it ends", || is_gone(daemon).then_some(()));
    assert!(!home.log().contains("horse"));
    // And it can be taken away again.
    let (code, said) = told(&home, &program, &["--passphrase"], "correct horse\n\n");
    assert_eq!(code, Some(0), "{said}");
    home.start().client().status();
}

#[test]
fn trap_27_a_passphrase_that_is_typed_is_not_shown() {
    let home = Home::new();
    let mut script = home.command("script");
    script.args(["-qec", &format!("{DAEMON} --passphrase"), "/dev/null"]);
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut terminal) = script.spawn() else {
        return skip("trap_27_a_passphrase_that_is_typed_is_not_shown", "script, for a terminal");
    };
    let mut keys = terminal.stdin.take().expect("its keys");
    let mut screen = terminal.stdout.take().expect("its screen");
    let mut shown = String::new();
    for question in ["new passphrase (empty for none): ", "the same again: "] {
        while !shown.ends_with(question) {
            let mut byte = [0];
            screen.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error} after {shown:?}"));
            shown.push(char::from(byte[0]));
        }
        keys.write_all(b"correct horse\n").expect("typed");
    }
    screen.read_to_string(&mut shown).expect("read");
    assert!(terminal.wait().expect("it ends").success(), "{shown}");
    assert!(shown.contains("the key is locked"), "{shown}");
    assert!(!shown.contains("horse"), "{shown}");
}
