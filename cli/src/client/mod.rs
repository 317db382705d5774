//! Speaks to the daemon over its socket: one request and its answer, or several under way at once.
//!
//! Knows frames and messages, and nothing of what they mean. Bytes of a message are wiped when they are done with,
//! because some carry a phrase. How a daemon is found is in [`connect`], how one is started in [`start`].

mod connect;
mod start;

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use caro_schema::{
    codec,
    frame::{self, FrameError},
    ipc::{Answer, Call, Fault, Reply, Request},
    limits::IPC_MESSAGE_BYTES_MAX,
};
use zeroize::{Zeroize, Zeroizing};

pub(crate) use self::{
    connect::{BUILD, Connected, NotThere, Peer, is_absent, knock, places},
    start::{find_daemon, start_in_background, stop},
};
use crate::{
    error::{Failure, Outcome, system},
    exit,
};

/// How long an answer may take. Searching a million records takes milliseconds; a daemon that is stopped or hangs
/// must not hold a terminal for ever.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// A connection to the daemon.
pub(crate) struct Client {
    stream: UnixStream,
    next_id: u64,
    build: String,
}

impl Client {
    /// Connects, starting a daemon when there is none.
    pub(crate) fn open() -> Outcome<Self> {
        start::connect_or_start(&places()?)
    }

    /// Connects only if a daemon runs.
    pub(crate) fn open_running() -> Outcome<Option<Self>> {
        match knock(&places()?) {
            Ok(Connected { stream, peer: Peer::Same { build } }) => Ok(Some(Self::new(stream, build))),
            Ok(Connected { peer: Peer::Other { ours, theirs }, .. }) => Err(Fault::Protocol { ours, theirs }.into()),
            Err(NotThere::Nobody) => Ok(None),
            Err(not_there) => Err(not_there.into()),
        }
    }

    fn new(stream: UnixStream, build: String) -> Self {
        Self { stream, next_id: 1, build }
    }

    /// What the daemon calls its version.
    pub(crate) fn build(&self) -> &str {
        &self.build
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(&mut self, request: Request) -> Outcome<Reply> {
        self.ask_within(request, ANSWER_WITHIN)
    }

    /// Asks, and waits for the answer so long.
    pub(crate) fn ask_within(&mut self, request: Request, patience: Duration) -> Outcome<Reply> {
        Ok(self.try_ask(request, patience)??)
    }

    /// As [`Self::ask_within`], for who does something else about a refusal than end.
    pub(crate) fn try_ask(&mut self, request: Request, patience: Duration) -> Outcome<Result<Reply, Fault>> {
        let id = self.send(request)?;
        loop {
            let answer = self.receive(patience)?;
            // An answer to something asked earlier, whose asker gave up.
            if answer.id == id {
                return Ok(answer.reply);
            }
        }
    }

    /// Sends a request and gives its number, without waiting.
    pub(crate) fn send(&mut self, request: Request) -> Outcome<u64> {
        let id = self.next_id;
        self.next_id += 1;
        let call = Call { id, request };
        let written = write(&mut self.stream, &call);
        wipe(call.request);
        written.map(|()| id)
    }

    /// The next answer, of whichever request.
    pub(crate) fn receive(&mut self, patience: Duration) -> Outcome<Answer> {
        self.stream.set_read_timeout(Some(patience)).map_err(|error| broken(error.into()))?;
        read(&mut self.stream)
    }
}

/// Bytes for which there is room from the start. A message with a phrase in it is smaller, so that no copy of it is
/// left behind by growing.
const ROOM_BYTES: usize = 16 * 1024;

/// Writes a message and wipes its bytes.
fn write<T: serde::Serialize>(stream: &mut UnixStream, message: &T) -> Outcome {
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM_BYTES));
    bytes.extend_from_slice(&[0; PREFIX_BYTES]);
    rmp_serde::encode::write_named(&mut *bytes, message)
        .map_err(|_| Failure::new(exit::INTERNAL, "a message to the daemon cannot be written"))?;
    let prefix = frame::prefix(bytes.len() - PREFIX_BYTES, IPC_MESSAGE_BYTES_MAX).map_err(broken)?;
    bytes[..PREFIX_BYTES].copy_from_slice(&prefix);
    stream.write_all(&bytes).map_err(|error| broken(error.into()))
}

/// Reads a message and wipes its bytes.
fn read<T: serde::de::DeserializeOwned>(stream: &mut UnixStream) -> Outcome<T> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM_BYTES));
    read_frame(stream, &mut bytes).map_err(broken)?;
    codec::decode(&bytes).map_err(|_| {
        Failure::new(exit::PROTOCOL, "the daemon's answer cannot be understood").hint("restart it: caro daemon restart")
    })
}

/// As `frame::read`, into bytes that will be wiped.
fn read_frame(stream: &mut UnixStream, bytes: &mut Vec<u8>) -> Result<(), FrameError> {
    let mut prefix = [0; PREFIX_BYTES];
    match stream.read_exact(&mut prefix) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(FrameError::Closed),
        read => read?,
    }
    let size = frame::announced(prefix, IPC_MESSAGE_BYTES_MAX)?;
    // Grows with what arrives: an announced length costs nothing by itself.
    if stream.take(size as u64).read_to_end(bytes)? < size {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(())
}

/// Bytes in front of a message that tell its length.
const PREFIX_BYTES: usize = 4;

/// Wipes what a request said that nobody else may know.
fn wipe(request: Request) {
    match request {
        Request::SyncRestore(request) => request.phrase.into_inner().zeroize(),
        Request::PairJoin(request) => request.code.into_inner().zeroize(),
        Request::SyncInit(request) => drop(request.token.map(|token| token.into_inner().zeroize())),
        Request::SyncInvitation(token) => token.into_inner().zeroize(),
        Request::SyncRemoteAdd(request) => {
            request.phrase.into_inner().zeroize();
            if let Some(token) = request.token {
                token.into_inner().zeroize();
            }
        }
        _ => {}
    }
}

/// A connection that stopped working.
fn broken(error: FrameError) -> Failure {
    let gone = Failure::new(exit::UNAVAILABLE, "the daemon ended before it answered");
    match error {
        FrameError::Closed => gone.hint("try again; it is started when needed"),
        FrameError::TooLarge { .. } => {
            Failure::new(exit::INTERNAL, "a message to the daemon would be too large").hint("ask for less at once")
        }
        FrameError::Io(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Failure::new(exit::UNAVAILABLE, "the daemon does not answer").hint("restart it: caro daemon restart")
            }
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                gone.hint("try again; it is started when needed")
            }
            _ => Failure::new(exit::IO, format!("the connection to the daemon broke: {}", system(&error)))
                .hint("try again; it is started when needed"),
        },
    }
}
