//! Finds the daemon's socket and shakes hands. Starts nothing: that is `start.rs`.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt, net::UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

use caro_schema::{codec, frame::FrameError, ipc::Hello, paths::Places, version};
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt},
};
use zeroize::Zeroizing;

use super::{read_frame, write};
use crate::{
    error::{Failure, Outcome, system},
    exit,
};

/// How long the daemon's first words may take. It answers them without looking at anything else.
const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// What this program calls itself.
pub(crate) const BUILD: &str = match option_env!("CARO_BUILD") {
    Some(build) => build,
    None => env!("CARGO_PKG_VERSION"),
};

/// Where everything is, from this process's environment.
pub(crate) fn places() -> Outcome<Places> {
    Places::from_env(|name| std::env::var_os(name), rustix::process::getuid().as_raw())
        .map_err(|error| Failure::new(exit::STATE, error.to_string()).hint("set HOME to your home folder"))
}

/// A daemon that answered.
pub(crate) struct Connected {
    /// The connection, after the first frames.
    pub(crate) stream: UnixStream,
    /// Who it is.
    pub(crate) peer: Peer,
}

/// Who answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Speaks our protocol.
    Same {
        /// Its version.
        build: String,
    },
    /// Speaks another one.
    Other {
        /// What we speak.
        ours: u32,
        /// What it speaks.
        theirs: u32,
    },
}

/// Why nobody was reached.
#[derive(Debug)]
pub(crate) enum NotThere {
    /// No daemon runs.
    Nobody,
    /// One runs, and does not answer.
    Silent,
    /// What is there belongs to another user.
    Foreign(PathBuf),
    /// The system said no.
    Refused(PathBuf, io::Error),
}

impl From<NotThere> for Failure {
    fn from(not_there: NotThere) -> Self {
        match not_there {
            NotThere::Nobody => Self::new(exit::UNAVAILABLE, "no daemon runs").hint("start it: caro daemon start"),
            NotThere::Silent => {
                Self::new(exit::UNAVAILABLE, "the daemon does not answer").hint("restart it: caro daemon restart")
            }
            NotThere::Foreign(path) => {
                Self::new(exit::REFUSED, format!("{} belongs to another user; nothing was sent", path.display()))
                    .hint("remove it, or set XDG_RUNTIME_DIR to a folder of your own")
            }
            NotThere::Refused(path, error) => {
                Self::new(exit::UNAVAILABLE, format!("{}: {}", path.display(), system(&error)))
                    .hint("caro doctor looks for the reason")
            }
        }
    }
}

/// Connects to the daemon that runs, where it should be or where its note says that it is.
pub(crate) fn knock(places: &Places) -> Result<Connected, NotThere> {
    match reach(&places.socket) {
        Err(NotThere::Nobody) => match noted(places) {
            Some(path) if path != places.socket => reach(&path),
            _ => Err(NotThere::Nobody),
        },
        reached => reached,
    }
}

/// The path that a running daemon wrote down, for clients with another `XDG_RUNTIME_DIR` than its own.
fn noted(places: &Places) -> Option<PathBuf> {
    let bytes = fs::read(places.socket_note()).ok()?;
    let path = PathBuf::from(OsStr::from_bytes(bytes.trim_ascii_end()));
    path.is_absolute().then_some(path)
}

fn reach(path: &Path) -> Result<Connected, NotThere> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NotThere::Nobody),
        Err(error) => return Err(NotThere::Refused(path.to_owned(), error)),
    };
    // In a shared folder such as /tmp somebody else may have put a socket there first.
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(NotThere::Foreign(path.to_owned()));
    }
    match connect(path, SocketFlags::empty()) {
        Ok(stream) => shake_hands(stream),
        Err(Errno::NOENT | Errno::CONNREFUSED) => Err(NotThere::Nobody),
        // So many wait already that there is no room: it takes nobody in.
        Err(Errno::AGAIN) => Err(NotThere::Silent),
        Err(error) => Err(NotThere::Refused(path.to_owned(), error.into())),
    }
}

/// Connects, within [`HELLO_WITHIN`]: a daemon that is stopped must not stop whoever asks.
fn connect(path: &Path, flags: SocketFlags) -> Result<UnixStream, Errno> {
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags | CLOSE_ON_EXEC, None)?;
    #[cfg(not(target_os = "linux"))]
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(HELLO_WITHIN))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

#[cfg(target_os = "linux")]
const CLOSE_ON_EXEC: SocketFlags = SocketFlags::CLOEXEC;
#[cfg(not(target_os = "linux"))]
const CLOSE_ON_EXEC: SocketFlags = SocketFlags::empty();

/// Whether surely no daemon runs. Waits for nothing and asks nobody: for the start of a shell.
pub(crate) fn is_absent(places: &Places) -> bool {
    let nobody = |path: &Path| match connect(path, NONBLOCK) {
        Err(Errno::NOENT | Errno::CONNREFUSED) => true,
        Ok(_) | Err(_) => false,
    };
    nobody(&places.socket) && noted(places).is_none_or(|path| nobody(&path))
}

#[cfg(target_os = "linux")]
const NONBLOCK: SocketFlags = SocketFlags::NONBLOCK;
// Elsewhere connecting to a local socket does not wait.
#[cfg(not(target_os = "linux"))]
const NONBLOCK: SocketFlags = SocketFlags::empty();

fn shake_hands(mut stream: UnixStream) -> Result<Connected, NotThere> {
    let ours = Hello { protocol: version::IPC, build: BUILD.to_owned() };
    let timeouts = stream.set_read_timeout(Some(HELLO_WITHIN)).and(stream.set_write_timeout(Some(HELLO_WITHIN)));
    if timeouts.is_err() {
        return Err(NotThere::Silent);
    }
    // One that closes instead of answering is at its end, or was killed: the next one is started as if it were gone.
    write(&mut stream, &ours).map_err(|_| NotThere::Nobody)?;
    let mut answer = Zeroizing::new(Vec::new());
    read_frame(&mut stream, &mut answer)
        .map_err(|error| if is_end(&error) { NotThere::Nobody } else { NotThere::Silent })?;
    let theirs: Hello = codec::decode(&answer).map_err(|_| NotThere::Silent)?;
    let peer = if theirs.protocol == version::IPC {
        Peer::Same { build: theirs.build }
    } else {
        Peer::Other { ours: version::IPC, theirs: theirs.protocol }
    };
    // An import's batches may have to wait until earlier ones are written.
    if stream.set_write_timeout(Some(super::ANSWER_WITHIN)).is_err() {
        return Err(NotThere::Silent);
    }
    Ok(Connected { stream, peer })
}

/// Whether the other side has closed the connection.
fn is_end(error: &FrameError) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    match error {
        FrameError::Closed => true,
        FrameError::Io(error) => matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe),
        FrameError::TooLarge { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixListener, thread};

    use caro_schema::{frame, limits::IPC_MESSAGE_BYTES_MAX};

    use super::*;

    fn places_in(folder: &Path) -> Places {
        Places::from_env(|name| (name == "HOME").then(|| folder.as_os_str().to_owned()), 1).expect("a home")
    }

    fn answer_once(listener: UnixListener, protocol: u32) -> thread::JoinHandle<()> {
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            frame::read(&mut stream, IPC_MESSAGE_BYTES_MAX).expect("its first frame");
            let hello = codec::encode(&Hello { protocol, build: "b".into() });
            frame::write(&mut stream, &hello, IPC_MESSAGE_BYTES_MAX).expect("ours");
        })
    }

    #[test]
    fn nobody_is_nobody_whether_the_socket_is_missing_or_dead() {
        let folder = tempfile::tempdir().expect("a folder");
        let places = places_in(folder.path());
        assert!(matches!(knock(&places), Err(NotThere::Nobody)));
        fs::create_dir_all(&places.runtime).expect("made");
        drop(UnixListener::bind(&places.socket).expect("bound"));
        assert!(matches!(knock(&places), Err(NotThere::Nobody)));
    }

    #[test]
    fn a_daemon_elsewhere_is_found_by_its_note() {
        let folder = tempfile::tempdir().expect("a folder");
        let places = places_in(folder.path());
        let elsewhere = folder.path().join("s");
        fs::create_dir_all(&places.data).expect("made");
        fs::write(places.socket_note(), elsewhere.as_os_str().as_bytes()).expect("noted");
        let server = answer_once(UnixListener::bind(&elsewhere).expect("bound"), version::IPC);
        let connected = knock(&places).map_err(|_| "nobody").expect("found");
        assert_eq!(connected.peer, Peer::Same { build: "b".into() });
        server.join().expect("ended");
    }

    #[test]
    fn r002_one_that_closes_instead_of_answering_is_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let places = places_in(folder.path());
        fs::create_dir_all(&places.runtime).expect("made");
        let listener = UnixListener::bind(&places.socket).expect("bound");
        let dying = thread::spawn(move || drop(listener.accept().expect("a client")));
        assert!(matches!(knock(&places), Err(NotThere::Nobody)));
        dying.join().expect("ended");
    }

    #[test]
    fn another_version_is_told_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        let places = places_in(folder.path());
        fs::create_dir_all(&places.runtime).expect("made");
        let server = answer_once(UnixListener::bind(&places.socket).expect("bound"), version::IPC + 1);
        let connected = knock(&places).map_err(|_| "nobody").expect("found");
        assert_eq!(connected.peer, Peer::Other { ours: version::IPC, theirs: version::IPC + 1 });
        server.join().expect("ended");
    }

    #[test]
    fn a_socket_of_another_user_is_not_spoken_to() {
        if !rustix::process::geteuid().is_root() {
            return crate::testing::skip("a_socket_of_another_user_is_not_spoken_to", "root, to give a file away");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let places = places_in(folder.path());
        fs::create_dir_all(&places.runtime).expect("made");
        let _listener = UnixListener::bind(&places.socket).expect("bound");
        std::os::unix::fs::lchown(&places.socket, Some(65534), None).expect("given away");
        assert!(matches!(knock(&places), Err(NotThere::Foreign(_))));
    }
}
