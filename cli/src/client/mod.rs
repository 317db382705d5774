//! Speaks to the daemon over its socket: one request and its answer, or several under way at once.
//!
//! Knows frames and messages, and nothing of what they mean. Bytes of a message are wiped when they are done with,
//! because some carry a phrase. How a daemon is found is in [`connect`], how one is started in [`start`].

mod connect;
mod start;

use std::{io, os::unix::net::UnixStream, time::Duration};

use caro_schema::{
    codec,
    frame::{self, FrameError},
    ipc::{Answer, Call, Fault, Reply, Request},
    limits::IPC_MESSAGE_BYTES_MAX,
};
use zeroize::Zeroizing;

pub(crate) use self::{
    connect::{BUILD, Connected, NotThere, Peer, knock, places},
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
        let id = self.send(request)?;
        loop {
            let answer = self.receive(patience)?;
            // An answer to something asked earlier, whose asker gave up.
            if answer.id == id {
                return Ok(answer.reply?);
            }
        }
    }

    /// Sends a request and gives its number, without waiting.
    pub(crate) fn send(&mut self, request: Request) -> Outcome<u64> {
        let id = self.next_id;
        self.next_id += 1;
        write(&mut self.stream, &Call { id, request })?;
        Ok(id)
    }

    /// The next answer, of whichever request.
    pub(crate) fn receive(&mut self, patience: Duration) -> Outcome<Answer> {
        self.stream.set_read_timeout(Some(patience)).map_err(|error| broken(error.into()))?;
        read(&mut self.stream)
    }
}

/// Writes a message and wipes its bytes.
fn write<T: serde::Serialize>(stream: &mut UnixStream, message: &T) -> Outcome {
    let bytes = Zeroizing::new(codec::encode(message));
    let prefix = frame::prefix(bytes.len(), IPC_MESSAGE_BYTES_MAX).map_err(broken)?;
    io::Write::write_all(stream, &prefix).map_err(|error| broken(error.into()))?;
    io::Write::write_all(stream, &bytes).map_err(|error| broken(error.into()))
}

/// Reads a message and wipes its bytes.
fn read<T: serde::de::DeserializeOwned>(stream: &mut UnixStream) -> Outcome<T> {
    let bytes = Zeroizing::new(frame::read(stream, IPC_MESSAGE_BYTES_MAX).map_err(broken)?);
    codec::decode(&bytes).map_err(|_| {
        Failure::new(exit::PROTOCOL, "the daemon's answer cannot be understood").hint("restart it: caro daemon restart")
    })
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
