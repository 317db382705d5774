//! A relay of its own, on a port of this machine that the system chose.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{programs::program, wait::eventually};

/// A running relay. Ends when it is dropped.
pub struct Relay {
    folder: tempfile::TempDir,
    child: Child,
    address: String,
    listen: String,
    arguments: Vec<String>,
}

impl Relay {
    /// One with no configuration.
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// One with further arguments to `serve`.
    pub fn with(arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("caro-relay").tempdir().expect("a folder");
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let (child, address) = start(&folder, "127.0.0.1:0", &arguments);
        let place = address.split("://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
        let listen = place.to_owned();
        Self { folder, child, address, listen, arguments }
    }

    /// The address to give to `caro sync init --relay`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its folder with database, keys and certificate.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The file with everything that it has logged, over all its starts.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("err")
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it was ours");
    }

    /// Asks it to end, and waits for that.
    pub fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is ours");
        assert!(self.child.wait().expect("it was ours").success(), "the relay did not end well");
    }

    /// Copies its keys and database into a new folder, while it runs.
    pub fn back_up(&self, to: &Path) {
        self.owner(&["backup", to.to_str().expect("a path")]);
    }

    /// Puts a backup in the place of what it has. It must not be running.
    pub fn restore(&self, from: &Path) {
        fs::remove_dir_all(self.data()).expect("its folder");
        self.owner(&["restore", from.to_str().expect("a path")]);
    }

    /// What its owner does about its folder. Gives what is printed.
    pub fn owner(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(program("caro-relay"));
        let output = command.args(arguments).arg("--data").arg(self.data()).output().expect("the relay runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// Starts it again, on the same port.
    pub fn start_again(&mut self) {
        let (child, address) = start(&self.folder, &self.listen, &self.arguments);
        assert_eq!(address, self.address, "the same relay has the same address");
        self.child = child;
    }
}

impl Default for Relay {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // One that was killed is gone already.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

fn start(folder: &tempfile::TempDir, listen: &str, arguments: &[String]) -> (Child, String) {
    let out = folder.path().join("out");
    let file = fs::File::create(&out).expect("made");
    let errors = fs::File::options().append(true).create(true).open(folder.path().join("err")).expect("made");
    let mut command = Command::new(program("caro-relay"));
    command.env_clear().env("HOME", folder.path()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.args(["serve", "--listen", listen, "--data"]).arg(folder.path().join("data")).args(arguments);
    command.stdin(Stdio::null()).stdout(file).stderr(errors);
    let mut child = command.spawn().expect("the relay starts");
    let address = eventually("the relay prints its line", || {
        if let Some(status) = child.try_wait().expect("ours") {
            panic!("the relay ended: {status}\n{}", fs::read_to_string(folder.path().join("err")).unwrap_or_default());
        }
        let printed = fs::read_to_string(&out).expect("text");
        let line = printed.lines().find(|line| line.contains("caro sync init --relay "))?;
        line.split_whitespace().last().map(str::to_owned)
    });
    (child, address)
}
