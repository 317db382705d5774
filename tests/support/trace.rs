//! Which processes a program starts while a test works with it, told by the system-call trace.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::wait::eventually;

/// The lines of the trace that started a process: a fork or an exec, in the program itself or in what it had started.
/// Threads are none: fish has some of its own.
///
/// # Panics
/// When there is no `strace`, which the caller looks for before.
pub fn processes_started(pid: u32, folder: &Path, work: impl FnOnce()) -> Vec<String> {
    let trace = folder.join("trace");
    let mut tracer = Command::new("strace")
        .args(["-f", "-q", "-e", "trace=fork,vfork,clone,clone3,execve", "-o"])
        .arg(&trace)
        .args(["-p", &pid.to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace starts");
    let status = format!("/proc/{pid}/status");
    eventually("strace is attached", || {
        let status = fs::read_to_string(&status).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("TracerPid:")).expect("there");
        (line != "TracerPid:\t0").then_some(())
    });
    work();
    let pid = rustix::process::Pid::from_child(&tracer);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("ours");
    tracer.wait().expect("ours");
    let traced = fs::read_to_string(&trace).expect("written");
    traced
        .lines()
        .filter(|line| ["fork(", "clone(", "clone3(", "execve("].iter().any(|call| line.contains(call)))
        .filter(|line| !line.contains("CLONE_THREAD"))
        .map(str::to_owned)
        .collect()
}
