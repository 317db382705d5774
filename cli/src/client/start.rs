//! Starts a daemon when none answers, and makes room for a newer one.
//!
//! `caro-daemon --detach` leaves the terminal, and returns when it listens or says why it does not. Of many started at
//! once exactly one stays; that is the daemon's own care.

use std::{
    env, fs,
    io::{self, Read},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use caro_schema::{
    ipc::{Fault, Request},
    paths::Places,
};

use super::{Client, Connected, NotThere, Peer, knock};
use crate::{
    error::{Failure, Outcome, system},
    exit,
};

/// How long a daemon may take until it listens. It opens its database and asks the key store; a key store may ask the
/// person to unlock it.
const START_WITHIN: Duration = Duration::from_secs(30);

/// How long a daemon may take to finish and end.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// How long to wait for a daemon that another program started, before starting one again.
const COME_UP_WITHIN: Duration = Duration::from_secs(3);

/// The pause between looks at something that is about to happen.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Bytes of what a daemon that does not start may have to say.
const SAID_BYTES_MAX: u64 = 4096;

/// The daemon's program.
const DAEMON: &str = "caro-daemon";

/// The environment's word for it, for tests and for programs that are not installed.
const DAEMON_VARIABLE: &str = "CARO_DAEMON";

/// Connects, starting a daemon when there is none and replacing an older one.
pub(super) fn connect_or_start(places: &Places) -> Outcome<Client> {
    match knock(places) {
        Ok(Connected { stream, peer: Peer::Same { build } }) => return Ok(Client::new(stream, build)),
        Ok(Connected { stream, peer: Peer::Other { ours, theirs } }) => {
            make_room(stream, ours, theirs, places)?;
        }
        Err(NotThere::Nobody) => {}
        Err(other) => return Err(other.into()),
    }
    let deadline = Instant::now() + START_WITHIN;
    loop {
        start_and_wait()?;
        match come_up(places) {
            Ok(Connected { stream, peer: Peer::Same { build } }) => return Ok(Client::new(stream, build)),
            Ok(Connected { peer: Peer::Other { ours, theirs }, .. }) => {
                return Err(Fault::Protocol { ours, theirs }.into());
            }
            // Whoever held the lock has gone without ever listening; this time ours may say why.
            Err(NotThere::Nobody) if Instant::now() < deadline => {}
            Err(not_there) => return Err(not_there.into()),
        }
    }
}

/// Waits for the socket. A start that succeeds may only mean that another daemon holds the lock, and that one may not
/// listen yet.
fn come_up(places: &Places) -> Result<Connected, NotThere> {
    let deadline = Instant::now() + COME_UP_WITHIN;
    loop {
        match knock(places) {
            Err(NotThere::Nobody) if Instant::now() < deadline => thread::sleep(LOOK_AGAIN),
            reached => return reached,
        }
    }
}

/// Asks a daemon of an older version to end. A newer one stays: the database may already be in its form, which ours
/// would refuse.
fn make_room(stream: UnixStream, ours: u32, theirs: u32, places: &Places) -> Outcome {
    if theirs > ours {
        return Err(Failure::new(exit::PROTOCOL, "the running daemon is newer than this program")
            .hint("run the caro that was installed last; see: type -a caro"));
    }
    end(stream, places)
}

/// Stops the daemon that runs, of whatever version, and waits until it is gone. False when none ran.
pub(crate) fn stop() -> Outcome<bool> {
    let places = super::places()?;
    match knock(&places) {
        Ok(Connected { stream, .. }) => end(stream, &places).map(|()| true),
        Err(NotThere::Nobody) => Ok(false),
        Err(NotThere::Silent) => Err(stuck(&places)),
        Err(other) => Err(other.into()),
    }
}

fn end(stream: UnixStream, places: &Places) -> Outcome {
    Client::new(stream, String::new()).ask_within(Request::Stop, STOP_WITHIN).map_err(|_| stuck(places))?;
    let deadline = Instant::now() + STOP_WITHIN;
    while !matches!(knock(places), Err(NotThere::Nobody)) {
        if Instant::now() > deadline {
            return Err(stuck(places));
        }
        thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

/// A daemon that does not end when asked. What it has not taken in is still in the spool, so ending it harms nothing.
fn stuck(places: &Places) -> Failure {
    let pid = fs::read_to_string(places.lock()).unwrap_or_default();
    let failure = Failure::new(exit::UNAVAILABLE, "the daemon does not answer");
    match pid.trim().parse::<u32>() {
        Ok(pid) => failure.hint(format!("end it with: kill -KILL {pid}; nothing that was recorded is lost")),
        Err(_) => failure.hint("end the process named caro-daemon; nothing that was recorded is lost"),
    }
}

/// Starts a daemon and does not wait for it. For the start of a shell, which must not wait.
pub(crate) fn start_in_background() {
    // Without one the shell still records; `caro doctor` says why there is none.
    if let Ok(program) = find_daemon() {
        drop(detached(&program).stderr(Stdio::null()).spawn());
    }
}

fn detached(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("--detach").stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Starts a daemon and waits until it listens, or has found that another one is there.
fn start_and_wait() -> Outcome {
    let program = find_daemon()?;
    let mut child = detached(&program).stderr(Stdio::piped()).spawn().map_err(|error| {
        Failure::new(exit::UNAVAILABLE, format!("{} cannot be started: {}", program.display(), system(&error)))
            .hint("install caro again")
    })?;
    let status = wait(&mut child, Instant::now() + START_WITHIN)?;
    if status.success() {
        return Ok(());
    }
    let (said, hint) = said(&mut child);
    Err(not_started(status, &said, &hint))
}

fn wait(child: &mut Child, deadline: Instant) -> Outcome<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() < deadline => thread::sleep(LOOK_AGAIN),
            Ok(None) => {
                // It is left alone: it may be waiting for a person to unlock the key store.
                return Err(Failure::new(exit::UNAVAILABLE, "the daemon does not come up")
                    .hint("it may be waiting for your key store to be unlocked; caro doctor looks for the reason"));
            }
            Err(error) => return Err(Failure::new(exit::IO, format!("the daemon: {}", system(&error)))),
        }
    }
}

/// What happened, and what to do about it, as far as it says so.
fn said(child: &mut Child) -> (String, String) {
    let mut said = Vec::new();
    if let Some(output) = child.stderr.take() {
        // Half a reason is better than none.
        let _ = output.take(SAID_BYTES_MAX).read_to_end(&mut said);
    }
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let hint = said.lines().find_map(|line| line.strip_prefix("hint: ")).unwrap_or_default();
    let harmless = |text: &str| crate::output::visible::line(text.as_bytes());
    (harmless(line.trim_start_matches("caro-daemon: ")), harmless(hint))
}

/// The daemon's exit codes, as its `exit.rs` has them.
fn not_started(status: ExitStatus, said: &str, its_hint: &str) -> Failure {
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::UNAVAILABLE);
    let because = if said.is_empty() { format!("it ended with {status}") } else { said.to_owned() };
    let failure = |code, hint: &str| Failure::new(code, format!("the daemon cannot start: {because}")).hint(hint);
    match code {
        exit::DATA => failure(
            code,
            "the file was left as it is; keep a copy of it, then install the newest caro, or move it away and join \
             again: caro sync restore",
        ),
        exit::CANNOT_CREATE => failure(code, "check that your home folder can be written to and has room"),
        exit::REFUSED if its_hint.is_empty() => failure(code, "caro doctor looks for the reason"),
        exit::REFUSED => failure(code, its_hint),
        _ => failure(exit::UNAVAILABLE, "caro doctor looks for the reason"),
    }
}

/// The daemon's program: the one named by the environment, the one beside this program, or one on the path.
pub(crate) fn find_daemon() -> Outcome<PathBuf> {
    if let Some(named) = env::var_os(DAEMON_VARIABLE).map(PathBuf::from).filter(|path| path.is_absolute()) {
        return Ok(named);
    }
    let beside = env::current_exe().and_then(fs::canonicalize).ok().and_then(|own| Some(own.parent()?.join(DAEMON)));
    let on_path = env::var_os("PATH");
    let folders = on_path.iter().flat_map(env::split_paths).filter(|folder| folder.is_absolute());
    beside.into_iter().chain(folders.map(|folder| folder.join(DAEMON))).find(|path| is_program(path)).ok_or_else(|| {
        Failure::new(exit::UNAVAILABLE, format!("{DAEMON} is neither beside this program nor on the path"))
            .hint("install caro again; both programs belong together")
    })
}

fn is_program(path: &Path) -> bool {
    let meta: io::Result<fs::Metadata> = fs::metadata(path);
    meta.is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
