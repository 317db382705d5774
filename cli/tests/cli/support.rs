//! A home for a test, the program in it, and a daemon that ends with the test.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use caro_schema::paths::Places;

/// The program.
pub(crate) const CARO: &str = env!("CARGO_BIN_EXE_caro");

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the condition gives something.
pub(crate) fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The daemon's program, beside ours. Built here when only this crate was.
pub(crate) fn daemon() -> &'static Path {
    static DAEMON: OnceLock<PathBuf> = OnceLock::new();
    DAEMON.get_or_init(|| {
        let path = Path::new(CARO).with_file_name("caro-daemon");
        if !path.is_file() {
            let built = Command::new(env!("CARGO"))
                .args(["build", "--quiet", "--locked", "--package", "caro-daemon"])
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .status();
            assert!(built.expect("cargo runs").success());
        }
        assert!(path.is_file(), "{}", path.display());
        path
    })
}

/// Says that a test could not run here, and why, where the runner counts it.
pub(crate) fn skip(name: &str, needs: &str) {
    let Some(path) = std::env::var_os("CARO_TEST_SKIPS") else { return };
    let mut file = fs::File::options().append(true).create(true).open(path).expect("the list of skipped tests opens");
    writeln!(file, "{name}: needs {needs}").expect("a line is added");
}

/// A home of its own. Its daemon, if one was started, ends with it.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    daemon: OsString,
}

impl Home {
    /// With the real daemon to be started when needed.
    pub(crate) fn new() -> Self {
        Self::with_daemon(daemon())
    }

    /// With this program as the daemon.
    pub(crate) fn with_daemon(program: impl AsRef<OsStr>) -> Self {
        let folder = tempfile::Builder::new().prefix("caro").tempdir().expect("a folder");
        for name in ["home", "run"] {
            fs::create_dir(folder.path().join(name)).expect("made");
        }
        Self { folder, daemon: program.as_ref().to_owned() }
    }

    /// Has another program be the daemon: one that lies in this home.
    pub(crate) fn set_daemon(&mut self, program: impl AsRef<OsStr>) {
        self.daemon = program.as_ref().to_owned();
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn env(&self) -> Vec<(&'static str, OsString)> {
        let within = |name: &str| self.path().join(name).into_os_string();
        vec![
            ("HOME", within("home")),
            ("XDG_RUNTIME_DIR", within("run")),
            ("TMPDIR", self.path().as_os_str().to_owned()),
            ("PATH", std::env::var_os("PATH").unwrap_or_default()),
            ("USER", "ada".into()),
            ("TZ", "UTC".into()),
            ("TERM", "xterm-256color".into()),
            ("CARO_DAEMON", self.daemon.clone()),
            // No secure store of the machine's own: these homes come and go.
            ("DBUS_SESSION_BUS_ADDRESS", "disabled:".into()),
        ]
    }

    pub(crate) fn places(&self) -> Places {
        let env = self.env();
        let var = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
        Places::from_env(var, rustix::process::getuid().as_raw()).expect("a home")
    }

    /// The program with these arguments, and nothing of the test's own environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(CARO);
        command.args(arguments).env_clear().envs(self.env()).current_dir(self.path()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran(self.command(arguments).output().expect("it runs"))
    }

    /// Runs it to its end, and expects that it does what it should.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code(), 0, "{arguments:?}: {}", ran.stderr());
        ran.stdout()
    }

    /// Writes a file in the home's folder.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path().join(name);
        fs::write(&path, bytes).expect("written");
        path.to_str().expect("text").to_owned()
    }

    /// Takes commands in, as bash would have kept them: one second apart, from 1,700,000,000.
    pub(crate) fn with_history(commands: &[&str]) -> Self {
        let home = Self::new();
        let lines: String = commands
            .iter()
            .enumerate()
            .map(|(index, command)| format!("#{}\n{command}\n", 1_700_000_000 + index))
            .collect();
        let file = home.write("history", lines.as_bytes());
        home.ok(&["import", "bash", &file]);
        home
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.daemon == daemon().as_os_str() {
            let stopped = self.run(&["daemon", "stop"]);
            if !thread::panicking() {
                assert_eq!(stopped.code(), 0, "{}", stopped.stderr());
            }
        }
    }
}

/// The same command away from any terminal that the tests may have been started on.
pub(crate) fn without_terminal(command: Command) -> Command {
    let mut alone = Command::new("setsid");
    alone.arg("--wait").arg(command.get_program()).args(command.get_args()).env_clear().stdin(Stdio::null());
    alone.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        alone.current_dir(folder);
    }
    alone
}

/// What a run of the program left.
pub(crate) struct Ran(pub(crate) Output);

impl Ran {
    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().expect("it ended by itself")
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).expect("text")
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).expect("text")
    }
}
