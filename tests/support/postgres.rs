//! A PostgreSQL server of the test's own, from the system's package: in a temporary folder, as a user that is not root (it
//! refuses to be), on a socket or port of its own, and gone with the test, even when that is killed.
//!
//! Making an empty cluster takes seconds, so it is made once for each version of the server and copied.

use std::{
    fs::{self, File},
    io::ErrorKind,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::{eventually, skip};

/// The user in the database.
pub const USER: &str = "caro";

/// The database.
pub const DATABASE: &str = "caro";

/// Settings with which a small server starts fast and still keeps what it says it keeps.
const SETTINGS: &str = "
shared_buffers = 16MB
max_connections = 60
max_wal_size = 128MB
min_wal_size = 32MB
dynamic_shared_memory_type = mmap
logging_collector = off
log_min_messages = warning
";

/// A server that runs, or not.
pub struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
    over_tcp: bool,
    child: Option<Child>,
}

impl Postgres {
    /// A running server that listens on a socket only; none where the system has no package, which is noted.
    pub fn start(test: &str) -> Option<Self> {
        Self::start_with(test, "", false)
    }

    /// With more lines in its configuration, and on a port of its own where that is asked for.
    pub fn start_with(test: &str, settings: &str, over_tcp: bool) -> Option<Self> {
        let mut server = Self::prepared(test, over_tcp)?;
        server.set(settings);
        server.resume();
        Some(server)
    }

    fn prepared(test: &str, over_tcp: bool) -> Option<Self> {
        let Some(programs) = programs() else {
            skip(test, "the package postgresql");
            return None;
        };
        let Some(user) = user() else {
            skip(test, "a user postgres or nobody, because the server does not run as root");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("caro-pg").tempdir().expect("a folder");
        let server = Self { folder, programs, user, port: free_port(), over_tcp, child: None };
        server.own(server.folder.path());
        server.copy_template();
        Some(server)
    }

    /// How a relay is told where it is.
    pub fn address(&self) -> String {
        match self.over_tcp {
            true => format!("postgres://{USER}@localhost:{}/{DATABASE}", self.port),
            false => {
                let socket = self.folder.path().to_str().expect("text").replace('/', "%2F");
                format!("postgres://{USER}@{socket}:{}/{DATABASE}", self.port)
            }
        }
    }

    /// The folder, which only the server's user may write to.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it keeps everything.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Adds lines to its configuration, for its next start.
    pub fn set(&self, settings: &str) {
        let path = self.data().join("postgresql.auto.conf");
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, format!("{before}\n{settings}\n")).expect("written");
        self.own(&path);
    }

    /// Writes a file that only the server's user may read.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
        self.own(&path);
        path
    }

    /// Starts it, or starts it again.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn resume(&mut self) {
        let log = File::options().append(true).create(true).open(self.folder.path().join("log")).expect("made");
        // What a killed server leaves behind is in the way of the next one for a moment.
        eventually("the server comes up", || {
            if self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None))) {
                let mut command = self.command("postgres");
                command
                    .arg("-D")
                    .arg(self.data())
                    .arg("-k")
                    .arg(self.folder.path())
                    .args(["-p", &self.port.to_string()]);
                let addresses = if self.over_tcp { "localhost" } else { "" };
                command.args(["-c", &format!("listen_addresses={addresses}")]);
                let log = log.try_clone().expect("a second handle");
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
                self.child = Some(command.spawn().expect("it starts"));
            }
            self.answers().then_some(())
        });
    }

    /// Whether it answers.
    pub fn answers(&self) -> bool {
        let mut command = Command::new(self.programs.join("pg_isready"));
        command.arg("-q").arg("-h").arg(self.folder.path()).args(["-p", &self.port.to_string(), "-d", DATABASE]);
        command.status().is_ok_and(|status| status.success())
    }

    /// Runs statements as the owner of everything. Gives what they print, without headings.
    ///
    /// # Panics
    /// When they fail.
    pub fn sql(&self, statements: &str) -> String {
        let output = self.psql(statements);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// The same, whatever becomes of it.
    pub fn psql(&self, statements: &str) -> Output {
        let mut command = Command::new(self.programs.join("psql"));
        command.env_clear().env("PGCONNECT_TIMEOUT", "5").arg("-h").arg(self.folder.path());
        command.args([
            "-p",
            &self.port.to_string(),
            "-U",
            USER,
            "-d",
            DATABASE,
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
        ]);
        command.arg(statements).stdin(Stdio::null()).output().expect("psql starts")
    }

    /// One of the server's programs, as its user.
    pub fn command(&self, program: &str) -> Command {
        command(&self.programs.join(program), self.user)
    }

    /// Ends it as an administrator does who does not wait for anybody.
    pub fn stop(&mut self) {
        self.end(Signal::INT);
    }

    /// Ends it as a crash would: the server recovers when it is started again.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Stops the processor for it, or lets it go on. Gives how many processes that were.
    pub fn signal(&self, signal: Signal) -> usize {
        let Some(child) = &self.child else { return 0 };
        let mut all = children(child.id());
        all.push(child.id());
        all.iter().filter(|id| send(**id, signal)).count()
    }

    fn end(&mut self, signal: Signal) {
        if let Some(mut child) = self.child.take() {
            let workers = children(child.id());
            send(child.id(), signal);
            child.wait().expect("ours");
            // Of a killed server the others notice by themselves; until then they answer.
            eventually("its processes are gone", || {
                workers.iter().all(|id| !Path::new("/proc").join(id.to_string()).exists()).then_some(())
            });
        }
    }

    /// A server that follows this one, and may take its place.
    ///
    /// # Panics
    /// When it is not made.
    pub fn standby(&self) -> Self {
        let folder = tempfile::Builder::new().prefix("caro-pg").tempdir().expect("a folder");
        let (programs, user, over_tcp) = (self.programs.clone(), self.user, self.over_tcp);
        let mut standby = Self { folder, programs, user, port: free_port(), over_tcp, child: None };
        standby.own(standby.folder.path());
        let mut backup = self.command("pg_basebackup");
        backup.arg("-h").arg(self.folder.path()).args(["-p", &self.port.to_string(), "-U", USER, "-R", "-X", "stream"]);
        backup.args(["-c", "fast", "--no-sync", "-D"]).arg(standby.data());
        let output = backup.output().expect("pg_basebackup starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        standby.resume();
        standby
    }

    /// Makes a standby a server of its own.
    ///
    /// # Panics
    /// When it does not become one.
    pub fn promote(&self) {
        eventually("it is promoted", || {
            let output = self.psql("SELECT pg_promote(true, 30)");
            (output.stdout.starts_with(b"t")).then_some(())
        });
    }

    /// Gives a file or folder to the server's user.
    ///
    /// # Panics
    /// When that is refused.
    pub fn own(&self, path: &Path) {
        if let Some((user, group)) = self.user {
            chown(path, Some(user), Some(group)).expect("root may");
        }
    }

    fn copy_template(&self) {
        let template = template(&self.programs, self.user);
        let status = Command::new("cp").arg("-a").arg(template).arg(self.data()).status().expect("cp starts");
        assert!(status.success(), "the empty cluster was not copied");
        let path = self.data().join("postgresql.auto.conf");
        fs::write(&path, SETTINGS).expect("written");
        self.own(&path);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Nothing of it is needed any more. A server that was halted must be let go on to end.
            send(child.id(), Signal::QUIT);
            send(child.id(), Signal::CONT);
            drop(child.wait());
        }
    }
}

fn send(id: u32, signal: Signal) -> bool {
    Pid::from_raw(id.cast_signed()).is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// The processes that a process has started.
fn children(of: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

/// The folder of the newest server that is installed, or the one in `CARO_TEST_POSTGRES`.
fn programs() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("CARO_TEST_POSTGRES") {
        return Some(PathBuf::from(given));
    }
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            path.join("bin/initdb").exists().then(|| (version, path.join("bin")))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, path)| path)
}

/// Who the server runs as: whoever runs the test, or somebody without rights in the place of root. None when there is
/// nobody.
#[allow(clippy::option_option, reason = "nobody needed and nobody there are two answers")]
fn user() -> Option<Option<(u32, u32)>> {
    if !geteuid().is_root() {
        return Some(None);
    }
    let users = fs::read_to_string("/etc/passwd").ok()?;
    ["postgres", "nobody"].iter().find_map(|wanted| {
        let line = users.lines().find(|line| line.split(':').next() == Some(wanted))?;
        let mut fields = line.split(':').skip(2);
        Some(Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?)))
    })
}

/// A program that ends with the test, as that user.
fn command(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new("setpriv");
    command.env_clear().env("PATH", "/usr/bin:/bin").args(["--pdeathsig", "KILL"]);
    if let Some((user, group)) = user {
        command.args(["--reuid", &user.to_string(), "--regid", &group.to_string(), "--clear-groups"]);
    }
    command.arg("--").arg(program).current_dir("/");
    command
}

/// An empty cluster to copy, made once.
fn template(programs: &Path, user: Option<(u32, u32)>) -> PathBuf {
    let who = user.map_or(geteuid().as_raw(), |(user, _)| user);
    let version =
        programs.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or("own").to_owned();
    let cache = std::env::temp_dir().join(format!("caro-pg-empty-{version}-{who}-2"));
    let lock = File::options().create(true).truncate(false).write(true).open(cache.with_extension("lock"));
    let lock = lock.expect("a file to lock");
    lock.lock().expect("locked");
    let made = cache.join("data");
    if !cache.join("made").exists() {
        match fs::remove_dir_all(&cache) {
            Err(error) if error.kind() != ErrorKind::NotFound => panic!("{}: {error}", cache.display()),
            _ => {}
        }
        fs::create_dir(&cache).expect("made");
        if let Some((user, group)) = user {
            chown(&cache, Some(user), Some(group)).expect("root may");
        }
        let mut initdb = command(&programs.join("initdb"), user);
        initdb.arg("-D").arg(&made).args(["-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--data-checksums"]);
        let output = initdb.arg("--no-sync").output().expect("initdb starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut single = command(&programs.join("postgres"), user);
        single.arg("--single").arg("-D").arg(&made).arg("postgres").stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = single.stderr(Stdio::null()).spawn().expect("it starts");
        let statement = format!("CREATE DATABASE {DATABASE}\n");
        std::io::Write::write_all(child.stdin.as_mut().expect("piped"), statement.as_bytes()).expect("written");
        drop(child.stdin.take());
        assert!(child.wait().expect("ours").success(), "the database was not made");
        File::create(cache.join("made")).expect("made");
    }
    made
}

/// A port that nobody uses now. On a socket it is only a part of a name.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr()).expect("a free port").port()
}
