//! No process per command: counted by the system-call trace of a shell at work.

use std::{fs, process::Command};

use caro_tests::{eventually, have, skip};

use crate::session::{Session, for_each_shell};

for_each_shell! {
    pf001_twenty_commands_start_no_process(kind) {
        if !have("strace") {
            return skip("pf001", "strace");
        }
        let mut session = Session::start(kind);
        // Whatever a shell does once, it has done.
        session.run(&["true warm", "false", "true again"]);
        let trace = session.device.home.path().join("trace");
        let mut tracer = Command::new("strace")
            .args(["-f", "-q", "-e", "trace=fork,vfork,clone,clone3,execve", "-o"])
            .arg(&trace)
            .args(["-p", &session.terminal.pid().to_string()])
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("strace starts");
        let attached = format!("/proc/{}/status", session.terminal.pid());
        eventually("strace is attached", || {
            let status = fs::read_to_string(&attached).expect("it runs");
            let line = status.lines().find(|line| line.starts_with("TracerPid:")).expect("there");
            (line != "TracerPid:\t0").then_some(())
        });
        session.run(&["true; false; : builtins alone"; 20]);
        let pid = rustix::process::Pid::from_child(&tracer);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("ours");
        tracer.wait().expect("ours");
        let traced = fs::read_to_string(&trace).expect("written");
        // A thread is no process: fish has some of its own.
        let made: Vec<&str> = traced
            .lines()
            .filter(|line| ["fork(", "clone(", "clone3(", "execve("].iter().any(|call| line.contains(call)))
            .filter(|line| !line.contains("CLONE_THREAD"))
            .collect();
        assert!(made.is_empty(), "{made:#?}");
        assert_eq!(session.commands().iter().filter(|text| text.contains("builtins alone")).count(), 20);
    }
}
