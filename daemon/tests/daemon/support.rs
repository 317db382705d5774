//! A home for a daemon, a daemon in it, a client of that daemon, and something that writes as a shell's hook does.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use caro_schema::{
    body::history::Record,
    codec, frame,
    ipc::{
        Answer, Call, Fault, Hello, Reply, Request,
        history::{Order, Query, Window},
        status::DaemonStatus,
    },
    limits::IPC_MESSAGE_BYTES_MAX,
    paths::Places,
    version,
};

pub(crate) const DAEMON: &str = env!("CARGO_BIN_EXE_caro-daemon");

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

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

/// Says that a test could not run here, and why, where the runner counts it.
pub(crate) fn skip(name: &str, needs: &str) {
    let Some(path) = std::env::var_os("CARO_TEST_SKIPS") else { return };
    let mut file = File::options().append(true).create(true).open(path).expect("the list of skipped tests opens");
    writeln!(file, "{name}: needs {needs}").expect("a line is added");
}

/// A home of its own.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    home: PathBuf,
    runtime: Option<PathBuf>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("caro").tempdir().expect("a folder");
        let home = folder.path().join("home");
        let runtime = folder.path().join("run");
        for path in [&home, &runtime] {
            fs::create_dir(path).expect("made");
        }
        Self { folder, home, runtime: Some(runtime) }
    }

    /// A home in this place inside, and no runtime folder.
    pub(crate) fn at(inside: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("caro").tempdir().expect("a folder");
        let home = folder.path().join(inside);
        fs::create_dir_all(&home).expect("made");
        Self { folder, home, runtime: None }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The environment, and nothing of the test's own.
    pub(crate) fn env(&self) -> Vec<(&'static str, OsString)> {
        let mut env = vec![
            ("HOME", self.home.clone().into_os_string()),
            ("PATH", std::env::var_os("PATH").unwrap_or_default()),
            ("TMPDIR", self.path().as_os_str().to_owned()),
            ("USER", OsString::from("ada")),
            // No secure store of the machine's own: these homes come and go.
            ("DBUS_SESSION_BUS_ADDRESS", OsString::from("disabled:")),
        ];
        env.extend(self.runtime.clone().map(|runtime| ("XDG_RUNTIME_DIR", runtime.into_os_string())));
        env
    }

    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.env()).stdin(Stdio::null());
        command
    }

    pub(crate) fn places(&self) -> Places {
        let env = self.env();
        let var = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
        Places::from_env(var, rustix::process::getuid().as_raw()).expect("a home")
    }

    pub(crate) fn configure(&self, text: &str) {
        let config = self.places().config;
        fs::create_dir_all(config.parent().expect("a folder")).expect("made");
        fs::write(config, text).expect("written");
    }

    /// Starts a daemon and waits until it answers.
    pub(crate) fn start(&self) -> Daemon {
        self.start_with(self.command(DAEMON))
    }

    pub(crate) fn start_with(&self, mut command: Command) -> Daemon {
        let child = command.spawn().expect("it starts");
        let mut daemon = Daemon { child, places: self.places() };
        eventually("the daemon answers", || {
            assert!(daemon.child.try_wait().expect("asked").is_none(), "the daemon ended: {}", self.log());
            Client::connect(&daemon.places).ok()
        });
        daemon
    }

    /// Runs a daemon that is expected to end by itself. Gives its exit status and what it said.
    pub(crate) fn run(&self) -> (ExitStatus, String) {
        let output = self.command(DAEMON).output().expect("it runs");
        (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.places().log()).unwrap_or_default()
    }

    pub(crate) fn client(&self) -> Client {
        eventually("a client connects", || Client::connect(&self.places()).ok())
    }

    pub(crate) fn shell(&self, session: &str) -> Hook {
        Hook::new(&self.places().spool, session, std::process::id())
    }
}

/// Tells one socket from another in the same place: its number alone may be given again at once.
pub(crate) fn identity(path: &Path) -> Option<(u64, i64, i64)> {
    let meta = fs::symlink_metadata(path).ok()?;
    Some((meta.ino(), meta.ctime(), meta.ctime_nsec()))
}

/// A running daemon. Killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    places: Places,
}

impl Daemon {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("the signal is sent");
    }

    /// As by a power cut, as far as the process is concerned.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("it is gone");
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        eventually("the daemon ends", || self.child.try_wait().expect("asked"))
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("asked").is_none()
    }

    pub(crate) fn client(&self) -> Client {
        eventually("a client connects", || Client::connect(&self.places).ok())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A client, as `caro` is one.
pub(crate) struct Client {
    stream: UnixStream,
    next: u64,
}

impl Client {
    pub(crate) fn connect(places: &Places) -> io::Result<Self> {
        let stream = UnixStream::connect(&places.socket).or_else(|error| {
            let note = fs::read_to_string(places.socket_note()).map_err(|_| error)?;
            UnixStream::connect(note)
        })?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut client = Self { stream, next: 0 };
        let hello = Hello { protocol: version::IPC, build: "test".to_owned() };
        client.send(&codec::encode(&hello))?;
        let theirs: Hello = codec::decode(&client.receive()?).map_err(io::Error::other)?;
        assert_eq!(theirs.protocol, version::IPC);
        Ok(client)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        frame::write(&mut self.stream, bytes, IPC_MESSAGE_BYTES_MAX).map_err(io::Error::other)
    }

    fn receive(&mut self) -> io::Result<Vec<u8>> {
        frame::read(&mut self.stream, IPC_MESSAGE_BYTES_MAX).map_err(io::Error::other)
    }

    pub(crate) fn try_ask(&mut self, request: Request) -> io::Result<Result<Reply, Fault>> {
        self.next += 1;
        self.send(&codec::encode(&Call { id: self.next, request }))?;
        let answer: Answer = codec::decode(&self.receive()?).map_err(io::Error::other)?;
        assert_eq!(answer.id, self.next);
        Ok(answer.reply)
    }

    pub(crate) fn ask(&mut self, request: Request) -> Result<Reply, Fault> {
        self.try_ask(request).expect("an answer")
    }

    pub(crate) fn flush(&mut self) {
        assert!(matches!(self.ask(Request::Flush), Ok(Reply::Done)));
    }

    pub(crate) fn status(&mut self) -> DaemonStatus {
        match self.ask(Request::DaemonStatus) {
            Ok(Reply::Daemon(status)) => status,
            other => panic!("{other:?}"),
        }
    }

    /// All records, the oldest first.
    pub(crate) fn all(&mut self) -> Vec<Record> {
        self.search(Query { order: Order::Oldest, ..Query::default() })
    }

    pub(crate) fn search(&mut self, query: Query) -> Vec<Record> {
        let mut records: Vec<Record> = Vec::new();
        loop {
            let window = Window { offset: records.len() as u64, limit: 5000 };
            let hits = match self.ask(Request::Search { query: Box::new(query.clone()), window }) {
                Ok(Reply::Hits(hits)) => hits,
                other => panic!("{other:?}"),
            };
            records.extend(hits.rows.into_iter().map(|hit| hit.record));
            if records.len() as u64 >= hits.total {
                return records;
            }
        }
    }

    /// All commands as text, the oldest first.
    pub(crate) fn commands(&mut self) -> Vec<String> {
        self.all().iter().map(text).collect()
    }
}

pub(crate) fn text(record: &Record) -> String {
    String::from_utf8_lossy(&record.command).into_owned()
}

/// Writes as a shell's hook does: one append per record.
pub(crate) struct Hook {
    pub(crate) path: PathBuf,
    session: String,
    pid: u32,
    clock_us: i64,
}

impl Hook {
    pub(crate) fn new(spool: &Path, session: &str, pid: u32) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let clock_us = i64::try_from(now.as_micros()).expect("before the year 294441");
        Self { path: spool.join(format!("{session}.{pid}")), session: session.to_owned(), pid, clock_us }
    }

    pub(crate) fn append(&self, data: &[u8]) -> io::Result<()> {
        File::options().append(true).create(true).open(&self.path)?.write_all(data)
    }

    /// The clock is set, by so much.
    pub(crate) fn set_clock(&mut self, by_us: i64) {
        self.clock_us += by_us;
    }

    pub(crate) fn header(&mut self) -> &mut Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let text = format!("\0H1\0s{}\0p{}\0kzsh 5.9\0l1\0ytty\0h{host}\0uada\0\0", self.session, self.pid);
        self.append(text.as_bytes()).expect("appended");
        self
    }

    pub(crate) fn start(&mut self, command: &str) -> &mut Self {
        let bytes = self.start_bytes(command.as_bytes());
        self.append(&bytes).expect("appended");
        self
    }

    pub(crate) fn start_bytes(&mut self, command: &[u8]) -> Vec<u8> {
        self.clock_us += 1000;
        [format!("\0S{}\0d/tmp\0c", self.clock_us).as_bytes(), command, b"\0\0"].concat()
    }

    pub(crate) fn end_bytes(&mut self, exit: i32) -> Vec<u8> {
        self.clock_us += 1000;
        format!("\0E{}\0x{exit}\0p{exit}\0\0", self.clock_us).into_bytes()
    }

    pub(crate) fn end(&mut self, exit: i32) -> &mut Self {
        let bytes = self.end_bytes(exit);
        self.append(&bytes).expect("appended");
        self
    }

    pub(crate) fn run(&mut self, command: &str) -> &mut Self {
        self.start(command).end(0)
    }
}

/// The permission bits of everything in a folder, deep, with its path.
pub(crate) fn modes(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("listed") {
            let path = entry.expect("an entry").path();
            let meta = fs::symlink_metadata(&path).expect("there");
            if meta.is_dir() {
                folders.push(path.clone());
            }
            found.push((path, meta.mode() & 0o777));
        }
    }
    found
}
