//! A user's home of its own, and the daemon in it.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::{
    Relay,
    programs::{folder, program},
    wait::eventually,
};

/// A home: folders and an environment, and nothing of the machine's own.
pub struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    /// An empty one.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("caro").tempdir().expect("a folder");
        for path in ["home", "run"] {
            let path = folder.path().join(path);
            fs::create_dir(&path).expect("made");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("closed");
        }
        // Or fish reads all manual pages in the background at its first start.
        fs::create_dir_all(folder.path().join("home/.local/share/fish/generated_completions")).expect("made");
        Self { folder }
    }

    /// What `$HOME` is.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Where the shells' records go.
    pub fn spool(&self) -> PathBuf {
        self.path().join(".local/state/caro/spool")
    }

    /// Where the database is.
    pub fn data(&self) -> PathBuf {
        self.path().join(".local/share/caro")
    }

    /// A file in this home, with its folders.
    pub fn write(&self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("inside")).expect("made");
        fs::write(&path, text).expect("written");
        path
    }

    /// The environment of whoever lives here.
    pub fn env(&self) -> Vec<(OsString, OsString)> {
        let system = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([folder().to_owned()].into_iter().chain(std::env::split_paths(&system)));
        vec![
            ("HOME".into(), self.path().into()),
            ("XDG_RUNTIME_DIR".into(), self.folder.path().join("run").into()),
            ("TMPDIR".into(), self.folder.path().into()),
            ("PATH".into(), path.expect("folders without a colon")),
            ("USER".into(), user().into()),
            ("LANG".into(), "C.UTF-8".into()),
            ("TERM".into(), "xterm-256color".into()),
            // No secure store of the machine's own: these homes come and go.
            ("DBUS_SESSION_BUS_ADDRESS".into(), "disabled:".into()),
        ]
    }

    /// A program, ready to start here.
    pub fn command(&self, name: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(name);
        command.env_clear().envs(self.env()).current_dir(self.path()).stdin(Stdio::null());
        command
    }

    /// `caro` with these arguments.
    pub fn caro(&self, arguments: &[&str]) -> Output {
        self.command(program("caro")).args(arguments).output().expect("caro starts")
    }

    /// `caro` with these arguments and this on its standard input.
    pub fn caro_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(program("caro"));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("caro starts");
        child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("read");
        child.wait_with_output().expect("caro ends")
    }

    /// What `caro` prints, when it succeeds.
    ///
    /// # Panics
    /// With what it said, when it fails.
    pub fn caro_ok(&self, arguments: &[&str]) -> String {
        text(self.caro(arguments), arguments)
    }

    /// The history, oldest first, as `caro history list --json` prints it.
    pub fn history(&self) -> Vec<Value> {
        let output = self.caro(&["history", "list", "--json"]);
        if output.status.code() == Some(1) && output.stdout.is_empty() {
            return Vec::new();
        }
        let text = text(output, &["history", "list"]);
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// The texts of the commands, oldest first.
    pub fn commands(&self) -> Vec<String> {
        self.history().iter().map(|row| row["command"].as_str().expect("a text").to_owned()).collect()
    }

    /// How many commands the daemon knows, zero when none runs.
    pub fn count(&self) -> u64 {
        let output = self.caro(&["daemon", "status", "--json"]);
        let status: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        status.and_then(|status| status["records"].as_u64()).unwrap_or(0)
    }

    /// The process id of the daemon, when one runs.
    pub fn daemon_pid(&self) -> Option<i32> {
        let output = self.caro(&["daemon", "status", "--json"]);
        let status: Value = serde_json::from_slice(&output.stdout).ok()?;
        status["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok())
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

/// Who runs the tests. Some shells ask the system and not the environment.
pub fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id starts");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// What a program printed, when it succeeded.
fn text(output: Output, arguments: &[&str]) -> String {
    assert!(
        output.status.success(),
        "caro {} failed: {:?}\n{}{}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    String::from_utf8(output.stdout).expect("text")
}

/// A home with a daemon that ends with it.
pub struct Device {
    /// The home.
    pub home: Home,
}

impl Device {
    /// A new home with a running daemon.
    pub fn new() -> Self {
        Self::in_home(Home::new())
    }

    /// A daemon in this home.
    pub fn in_home(home: Home) -> Self {
        home.caro_ok(&["daemon", "start"]);
        Self { home }
    }

    /// A new account at this relay. Gives the phrase.
    pub fn init(&self, relay: &Relay, name: &str) -> String {
        self.init_at(relay.address(), name)
    }

    /// A new account at a relay with this address. Gives the phrase.
    pub fn init_at(&self, address: &str, name: &str) -> String {
        let printed = self.home.caro_ok(&["sync", "init", "--relay", address, "--name", name, "--yes", "--json"]);
        let json: Value = printed.lines().find_map(|line| serde_json::from_str(line).ok()).expect("JSON");
        match &json["phrase"] {
            Value::Array(words) => {
                words.iter().map(|word| word.as_str().expect("a word")).collect::<Vec<_>>().join(" ")
            }
            phrase => phrase.as_str().expect("a phrase").to_owned(),
        }
    }

    /// Joins the account of a phrase.
    pub fn restore(&self, relay: &Relay, name: &str, phrase: &str) {
        self.restore_at(relay.address(), name, phrase);
    }

    /// Joins the account of a phrase at a relay with this address.
    pub fn restore_at(&self, address: &str, name: &str, phrase: &str) {
        let arguments = ["sync", "restore", "--relay", address, "--name", name, "--phrase-stdin"];
        text(self.home.caro_with_input(&arguments, phrase), &arguments);
    }

    /// Waits until everything that is known here is on the relay, and the other way round.
    pub fn sync(&self) {
        self.home.caro_ok(&["sync", "now"]);
    }

    /// The process id of the daemon.
    pub fn pid(&self) -> i32 {
        self.home.daemon_pid().expect("a daemon runs")
    }

    /// Ends the daemon as a power cut would, and waits until it is gone.
    pub fn kill(&self) {
        let Some(pid) = self.home.daemon_pid().and_then(rustix::process::Pid::from_raw) else { return };
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is ours");
        eventually("the daemon is gone", || has_ended(pid.as_raw_nonzero().get()).then_some(()));
    }

    /// Writes records as a shell's hook does: one session with these commands, each of which has ended.
    pub fn type_lines(&self, session: &str, lines: &[&str]) {
        let runs: Vec<String> = lines.iter().map(|line| run_of(line)).collect();
        self.write_spool(session, &runs);
    }

    /// Writes the beginning of a command that runs on.
    pub fn begin_line(&self, session: &str, line: &str) {
        self.write_spool(session, &[start_of(line, now_us())]);
    }

    /// Writes that the command ended which was begun last in this session, with a status.
    pub fn end_line(&self, session: &str, exit: i32) {
        self.write_spool(session, &[end_of(now_us(), exit)]);
    }

    fn write_spool(&self, session: &str, records: &[String]) {
        fs::create_dir_all(self.home.spool()).expect("made");
        let path = self.home.spool().join(format!("{session}.{}", std::process::id()));
        let mut file = fs::File::options().append(true).create(true).open(path).expect("opens");
        let header = format!("\0H1\0s{session}\0p{}\0kbash 5.2\0hhost\0uada\0\0", std::process::id());
        if file.metadata().expect("its own").len() == 0 {
            file.write_all(header.as_bytes()).expect("written");
        }
        for record in records {
            file.write_all(record.as_bytes()).expect("written");
        }
    }

    /// Waits until the history here is these commands, in any order.
    pub fn expect_commands(&self, expected: &[&str]) {
        let mut expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
        expected.sort();
        eventually(&format!("the history is {expected:?}"), || {
            let mut commands = self.home.commands();
            commands.sort();
            (commands == expected).then_some(())
        });
    }
}

impl Default for Device {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let stopped = self.home.caro(&["daemon", "stop"]);
        if !stopped.status.success() {
            self.kill();
        }
    }
}

/// Whether a process has ended. One that nobody has fetched yet holds nothing any more: its files and locks are free,
/// and the process that should fetch it may take seconds.
pub fn has_ended(pid: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    // The name in brackets may hold anything; the state follows the last bracket. While another thread of it is there,
    // its files are open.
    let first_has = stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']));
    first_has && fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count) <= 1
}

/// A start and an end of one command, now.
fn run_of(line: &str) -> String {
    let now = now_us();
    start_of(line, now) + &end_of(now + 1000, 0)
}

fn now_us() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_micros()
}

fn start_of(line: &str, at_us: u128) -> String {
    format!("\0S{at_us}\0d/tmp\0c{line}\0\0")
}

fn end_of(at_us: u128, exit: i32) -> String {
    format!("\0E{at_us}\0x{exit}\0p{exit}\0\0")
}
