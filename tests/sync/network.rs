//! No network before `sync init` and none after `sync off`: by the system calls of the daemon.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use caro_tests::{Device, Relay, eventually, have, skip};

/// A trace of what a process asks of the network.
struct Trace {
    tracer: Child,
    file: std::path::PathBuf,
}

impl Trace {
    fn of(pid: i32, folder: &Path) -> Self {
        let file = folder.join(format!("trace.{pid}"));
        let mut command = Command::new("strace");
        command.args(["-f", "-q", "-e", "trace=socket,connect,sendto,bind", "-o"]).arg(&file);
        let tracer = command.args(["-p", &pid.to_string()]).stderr(Stdio::null()).spawn().expect("strace starts");
        let status = format!("/proc/{pid}/status");
        eventually("strace is attached", || {
            let status = fs::read_to_string(&status).expect("it runs");
            let line = status.lines().find(|line| line.starts_with("TracerPid:")).expect("there");
            (line != "TracerPid:\t0").then_some(())
        });
        Self { tracer, file }
    }

    /// Calls that could reach beyond this machine's own sockets of the file system.
    fn end(mut self) -> Vec<String> {
        let pid = rustix::process::Pid::from_child(&self.tracer);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("ours");
        self.tracer.wait().expect("ours");
        let text = fs::read_to_string(&self.file).expect("written");
        text.lines().filter(|line| line.contains("AF_INET") || line.contains("AF_NETLINK")).map(str::to_owned).collect()
    }
}

#[test]
fn pr011_there_is_no_network_before_init_and_none_after_off() {
    if !have("strace") {
        return skip("pr011", "strace");
    }
    let relay = Relay::new();
    let device = Device::new();
    let folder = device.home.path();
    let before = Trace::of(device.pid(), &folder);
    device.type_lines("one", &["echo one", "echo two"]);
    device.expect_commands(&["echo one", "echo two"]);
    device.home.caro_ok(&["doctor"]);
    device.home.caro_ok(&["sync", "status"]);
    assert_eq!(before.end(), [""; 0]);

    let during = Trace::of(device.pid(), &folder);
    let phrase = device.init(&relay, "laptop");
    device.sync();
    assert!(!during.end().is_empty(), "the trace sees what there is to see");

    device.home.caro_ok(&["sync", "off"]);
    let after = Trace::of(device.pid(), &folder);
    device.type_lines("two", &["echo three"]);
    device.expect_commands(&["echo one", "echo two", "echo three"]);
    device.home.caro_ok(&["sync", "status"]);
    let another = Relay::new();
    for asked in [&["sync", "rotate"][..], &["sync", "remote", "add", another.address()]] {
        let output = device.home.caro_with_input(&[asked, &["--phrase-stdin"]].concat(), &phrase);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("syncing is off, and this needs the network"), "{asked:?}: {said}");
    }
    assert_eq!(after.end(), [""; 0]);
}
