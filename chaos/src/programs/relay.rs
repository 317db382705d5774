//! The real relay: in a folder of its own, started as often as a scenario needs, under whatever it needs.
//!
//! It speaks without TLS, so that a scenario can be one of its devices ([`super::client`]). Its port stays the same from
//! start to start, because devices keep the address.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use caro_relay::log::sqlite::verify::{Report, verify};
use caro_tests::{eventually, programs::program};
use rustix::process::{Pid, Signal};

use super::strace::Under;

/// A relay, running or not. Ends when it is dropped.
pub struct RelayProgram {
    folder: tempfile::TempDir,
    place: SocketAddr,
    child: Option<Child>,
    address: String,
}

/// Limits of a relay whose test comes from one address far more often than people do.
pub(super) const MANY_TRIES: &str = "connections_per_address_per_minute = 100000";

/// Ports that the system gives to nobody by itself: a relay that is away for a moment finds its own free again.
const PORTS: std::ops::Range<u16> = 10_000..30_000;

/// A free port that this process has not given to another relay.
pub(super) fn free_port() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let width = u32::from(PORTS.end - PORTS.start);
    loop {
        // Processes that run at the same time begin at different places.
        let step = std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + u16::try_from(step % width).unwrap_or_default();
        let place = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(place).is_ok() {
            return place;
        }
    }
}

impl RelayProgram {
    /// One that has not been started, with these lines in the `[limits]` of its configuration.
    pub fn prepared(limits: &str) -> Self {
        Self::prepared_at(free_port(), limits)
    }

    /// As [`Self::prepared`], to listen at a place of somebody's choice.
    pub fn prepared_at(place: SocketAddr, limits: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("caro-relay").tempdir().expect("a folder");
        fs::write(folder.path().join("relay.toml"), format!("[limits]\n{limits}\n")).expect("written");
        Self { folder, place, child: None, address: String::new() }
    }

    /// A running one.
    pub fn new() -> Self {
        Self::with_limits("")
    }

    /// A running one with other limits.
    pub fn with_limits(limits: &str) -> Self {
        let mut relay = Self::prepared(limits);
        relay.start();
        relay
    }

    /// One with the folder of another, at the place where that was. Not started.
    pub fn of(data: &Folder, place: SocketAddr) -> Self {
        let mut relay = Self::prepared("");
        relay.place = place;
        data.write(&relay.data());
        relay
    }

    /// Where it listens.
    pub fn place(&self) -> SocketAddr {
        self.place
    }

    /// The address to give to a device, once it has been started.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its folder with database and keys.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Its database.
    pub fn database(&self) -> PathBuf {
        caro_relay::folder::database(&self.data())
    }

    /// Room beside its folder.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Everything that it has said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(self.beside("err")).unwrap_or_default()
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(&mut self) {
        if let Err(status) = self.start_under(&Under::nothing()) {
            panic!("the relay ended: {status}\n{}", self.said());
        }
    }

    /// Starts it under something.
    ///
    /// # Errors
    /// How it ended, when it did before it listened.
    pub fn start_under(&mut self, under: &Under) -> Result<(), ExitStatus> {
        let out = self.beside("out");
        let file = fs::File::create(&out).expect("made");
        let errors = fs::File::options().append(true).create(true).open(self.beside("err")).expect("made");
        let (first, words) = under.command(&program("caro-relay"));
        let mut command = Command::new(first);
        command.env_clear().env("HOME", self.folder.path()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.args(words).args(["serve", "--plain", "--listen", &self.place.to_string(), "--config"]);
        command.arg(self.beside("relay.toml")).arg("--data").arg(self.data());
        let mut child = command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn().expect("it starts");
        let outcome = eventually("the relay prints its line", || {
            if let Some(status) = child.try_wait().expect("ours") {
                return Some(Err(status));
            }
            let printed = fs::read_to_string(&out).expect("text");
            let line = printed.lines().find(|line| line.contains("caro sync init --relay "))?;
            line.split_whitespace().last().map(|address| Ok(address.to_owned()))
        });
        self.child = Some(child);
        self.address = outcome?;
        Ok(())
    }

    /// Its process.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Whether its process is there.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Waits until it has ended by itself, or by what was done to it, and says how.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it was started");
        eventually("the relay ends", || child.try_wait().expect("ours"))
    }

    /// Waits until it was killed at a point.
    ///
    /// # Panics
    /// When it ends in another way.
    pub fn expect_killed(&mut self) {
        let status = self.wait_for_end();
        assert!(is_killed(status), "the relay was to be killed and ended: {status}\n{}", self.said());
    }

    /// Asks it to end, unless it has ended already, and says how it did.
    pub fn end(&mut self) -> ExitStatus {
        if self.is_running() {
            self.signal(Signal::TERM);
        }
        self.wait_for_end()
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take()
            && child.kill().is_ok()
        {
            drop(child.wait());
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(self.child.as_ref().expect("it runs"));
        rustix::process::kill_process(pid, signal).expect("it is ours");
    }

    /// Asks it to end.
    ///
    /// # Panics
    /// When it does not end well.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.child.take().expect("it runs").wait().expect("it was ours");
        assert!(status.success(), "the relay did not end well: {status}\n{}", self.said());
    }

    /// Begins a new life of its database, as its owner does after bringing back a backup.
    ///
    /// # Panics
    /// When it does not.
    pub fn renew(&self) {
        let output = Command::new(program("caro-relay")).args(["renew", "--data"]).arg(self.data()).output();
        let output = output.expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Sets other limits, from the next start on.
    pub fn set_limits(&self, limits: &str) {
        fs::write(self.beside("relay.toml"), format!("[limits]\n{limits}\n")).expect("written");
    }

    /// What its own check finds in the database.
    ///
    /// # Panics
    /// When the database cannot be read at all.
    pub fn verify(&self) -> Report {
        verify(&self.database()).expect("it can be read")
    }

    /// # Panics
    /// When its database does not hold together.
    pub fn expect_sound(&self) {
        let report = self.verify();
        assert!(report.is_sound(), "{:?}", report.faults);
    }

    /// Open descriptors, for telling what is left behind.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }

    /// Its sockets: those of connections, and a few that it always has. Files of the store come and go as they are needed.
    pub fn sockets(&self) -> usize {
        let Ok(entries) = fs::read_dir(format!("/proc/{}/fd", self.pid())) else { return 0 };
        let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
    }

    /// Its threads, for the same.
    pub fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.pid())).map_or(0, Iterator::count)
    }

    /// Resident memory in KiB, the highest so far.
    pub fn peak_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("there");
        line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
    }
}

/// Whether a program ended by a signal that it cannot do anything about: a point at which it was to be killed was reached.
pub fn is_killed(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::KILL.as_raw())
}

impl Default for RelayProgram {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for RelayProgram {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The files below a folder, kept in memory: by their path in it, with their modes. A folder has no bytes.
pub struct Folder(Vec<(PathBuf, u32, Option<Vec<u8>>)>);

impl Folder {
    /// As it is now.
    ///
    /// # Panics
    /// When something in it cannot be read.
    pub fn read(folder: &Path) -> Self {
        let mut kept = Vec::new();
        let mut todo = vec![PathBuf::new()];
        while let Some(inside) = todo.pop() {
            for entry in fs::read_dir(folder.join(&inside)).expect("a folder") {
                let entry = entry.expect("an entry");
                let (kind, path) = (entry.file_type().expect("a kind"), inside.join(entry.file_name()));
                let mode = entry.metadata().expect("its mode").permissions().mode();
                if kind.is_dir() {
                    kept.push((path.clone(), mode, None));
                    todo.push(path);
                } else if kind.is_file() {
                    kept.push((path, mode, Some(fs::read(entry.path()).expect("read"))));
                }
            }
        }
        Self(kept)
    }

    /// Writes it into a folder.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).expect("made");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).expect("closed");
        // A folder comes before what is in it.
        for (path, mode, bytes) in &self.0 {
            let path = folder.join(path);
            match bytes {
                Some(bytes) => fs::write(&path, bytes).expect("written"),
                None => fs::create_dir_all(&path).expect("made"),
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).expect("closed");
        }
    }
}

/// Copies a folder with everything in it, closed to others as its owner wants it.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).expect("closed");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let kind = entry.file_type().expect("a kind");
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy_folder(&entry.path(), &target);
        } else if kind.is_file() {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}
