//! A device's end of a connection that costs little: ten thousand of them live in one process.
//!
//! It checks that no cursor is missing and leaves signatures and the chain of heads to the scenarios: here they would cost
//! more than what is measured.

use std::{net::SocketAddr, time::Duration};

use caro_link::{entropy::OsEntropy, handshake::Initiator, transport::Transport};
use caro_schema::{
    codec,
    relay::{Entry, ErrorCode, PATH, SUBPROTOCOL, ToDevice, ToRelay},
    version,
};
use chaos_tests::{programs::client::Member, seed::Seed};
use futures_util::{SinkExt, StreamExt};
use serde_bytes::ByteBuf;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue, protocol::WebSocketConfig},
};

/// How long anything may take: beyond this it is not slow but lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that a socket reads at once. Sessions that are idle should not cost this process more than the relay.
const READ_BYTES: usize = 4 * 1024;

/// Why something was not to be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// The connection is gone.
    #[error("the relay ended a connection")]
    Gone,
    /// No answer.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Late,
    /// The relay said no.
    #[error("the relay refused: {0:?}")]
    Refused(ErrorCode),
    /// Something that must not be.
    #[error("{0}")]
    Wrong(&'static str),
    /// In so many words.
    #[error("{0}")]
    Told(String),
}

/// A session that is in.
pub(crate) struct Session {
    socket: WebSocketStream<TcpStream>,
    transport: Transport,
    cursor: u64,
}

impl Session {
    /// Makes an account; the session is its first device's.
    pub(crate) async fn found(place: SocketAddr, member: &Member) -> Result<Self, Lost> {
        Self::open(place, member, 0, member.create()).await
    }

    /// A device of an account that is there.
    pub(crate) async fn enter(place: SocketAddr, member: &Member, device: usize) -> Result<Self, Lost> {
        Self::open(place, member, device, member.hello()).await
    }

    async fn open(place: SocketAddr, member: &Member, device: usize, first: ToRelay) -> Result<Self, Lost> {
        let opening = async {
            let mut socket = socket(place).await?;
            let (initiator, message) =
                Initiator::start(&member.static_key(device), None, &mut OsEntropy).map_err(|_| Lost::Gone)?;
            socket.send(Message::binary(message)).await.map_err(|_| Lost::Gone)?;
            let second = record(&mut socket).await?;
            let (third, session) =
                initiator.read(&second).map_err(|_| Lost::Wrong("a handshake that does not hold"))?;
            socket.send(Message::binary(third)).await.map_err(|_| Lost::Gone)?;
            let mut session = Self { socket, transport: session.transport, cursor: 0 };
            session.send(&first).await?;
            match session.hear().await? {
                ToDevice::Welcome { .. } => Ok(session),
                _ => Err(Lost::Wrong("an answer that is no welcome")),
            }
        };
        timeout(PATIENCE, opening).await.map_err(|_| Lost::Late)?
    }

    /// Says something.
    pub(crate) async fn send(&mut self, message: &ToRelay) -> Result<(), Lost> {
        for record in self.transport.seal(&codec::encode(message)).map_err(|_| Lost::Wrong("a message too large"))? {
            self.socket.send(Message::binary(record)).await.map_err(|_| Lost::Gone)?;
        }
        Ok(())
    }

    /// The next message, whenever it comes. May be given up at any time and asked again.
    pub(crate) async fn hear(&mut self) -> Result<ToDevice, Lost> {
        loop {
            let record = record(&mut self.socket).await?;
            let opened = self.transport.open(&record).map_err(|_| Lost::Wrong("a record of another session"))?;
            let Some(message) = opened else { continue };
            match codec::decode(&message).map_err(|_| Lost::Wrong("a message that is none"))? {
                ToDevice::Presence { .. } => {}
                ToDevice::Error { code, .. } => return Err(Lost::Refused(code)),
                message => return Ok(message),
            }
        }
    }

    /// The next message, in time.
    pub(crate) async fn answer(&mut self) -> Result<ToDevice, Lost> {
        timeout(PATIENCE, self.hear()).await.map_err(|_| Lost::Late)?
    }

    /// Begins to pull everything, and goes on.
    pub(crate) async fn pull(&mut self) -> Result<(), Lost> {
        self.cursor = 0;
        self.send(&ToRelay::Pull { after: 0 }).await
    }

    /// What a page brought: it is checked to follow the one before, and confirmed.
    pub(crate) async fn take(&mut self, page: caro_schema::relay::Page) -> Result<Vec<Entry>, Lost> {
        if page.after != self.cursor {
            return Err(Lost::Wrong("a page that does not continue where the last one ended"));
        }
        self.cursor += page.entries.len() as u64;
        if page.position.cursor != self.cursor {
            return Err(Lost::Wrong("a page with another number of entries than it says"));
        }
        if !page.entries.is_empty() {
            self.send(&ToRelay::Delivered { cursor: self.cursor }).await?;
        }
        Ok(page.entries)
    }

    /// Pulls until everything that is there has come. Gives the number of entries.
    pub(crate) async fn pull_all(&mut self) -> Result<u64, Lost> {
        self.pull().await?;
        loop {
            match self.answer().await? {
                ToDevice::Page(page) => {
                    let more = page.more;
                    self.take(page).await?;
                    if !more {
                        return Ok(self.cursor);
                    }
                }
                _ => return Err(Lost::Wrong("no page after a pull")),
            }
        }
    }

    /// Pushes, and waits until it is acknowledged.
    pub(crate) async fn push(&mut self, cells: Vec<ByteBuf>) -> Result<(), Lost> {
        self.send(&ToRelay::Push { cells }).await?;
        loop {
            match self.answer().await? {
                ToDevice::Ack { .. } => return Ok(()),
                ToDevice::Page(page) => drop(self.take(page).await?),
                _ => return Err(Lost::Wrong("no acknowledgement after a push")),
            }
        }
    }

    /// How long a sign of life takes.
    pub(crate) async fn ping(&mut self) -> Result<Duration, Lost> {
        let begun = Instant::now();
        self.send(&ToRelay::Ping { token: 1 }).await?;
        loop {
            match self.answer().await? {
                ToDevice::Pong { .. } => return Ok(begun.elapsed()),
                ToDevice::Page(page) => drop(self.take(page).await?),
                _ => return Err(Lost::Wrong("no sign of life")),
            }
        }
    }
}

/// A connection of which only the first message of the handshake was said.
pub(crate) async fn half_open(place: SocketAddr, member: &Member) -> Result<WebSocketStream<TcpStream>, Lost> {
    let opening = async {
        let mut socket = socket(place).await?;
        let (_, first) = Initiator::start(&member.static_key(0), None, &mut OsEntropy).map_err(|_| Lost::Gone)?;
        socket.send(Message::binary(first)).await.map_err(|_| Lost::Gone)?;
        record(&mut socket).await?;
        Ok(socket)
    };
    timeout(PATIENCE, opening).await.map_err(|_| Lost::Late)?
}

async fn socket(place: SocketAddr) -> Result<WebSocketStream<TcpStream>, Lost> {
    let tcp = TcpStream::connect(place).await.map_err(|error| Lost::Told(format!("no connection: {error}")))?;
    tcp.set_nodelay(true).map_err(|_| Lost::Gone)?;
    let mut request = format!("ws://{place}{PATH}").into_client_request().map_err(|_| Lost::Gone)?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    let config = WebSocketConfig::default().read_buffer_size(READ_BYTES);
    let (socket, _) = client_async_with_config(request, tcp, Some(config)).await.map_err(|_| Lost::Gone)?;
    Ok(socket)
}

async fn record(socket: &mut WebSocketStream<TcpStream>) -> Result<Vec<u8>, Lost> {
    while let Some(message) = socket.next().await {
        match message.map_err(|_| Lost::Gone)? {
            Message::Binary(bytes) => return Ok(bytes.into()),
            Message::Close(_) => break,
            _ => {}
        }
    }
    Err(Lost::Gone)
}

/// The clock of a run: cells carry the time at which they were pushed.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

/// Where a cell carries it, behind the version and the suite.
const STAMP: std::ops::Range<usize> = 2..10;

impl Clock {
    /// From now on.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Bytes that look like a cell to whoever has no key, never the same twice, with the time in them.
    pub(crate) fn cell(self, bytes: usize, seed: &mut Seed) -> ByteBuf {
        let mut cell = vec![0; bytes];
        let key = seed.draw().to_be_bytes();
        blake3::Hasher::new_derive_key("caro load cells").update(&key).finalize_xof().fill(&mut cell);
        cell[0] = version::BYTES;
        cell[1] = version::SUITE;
        let now = u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX);
        cell[STAMP].copy_from_slice(&now.to_be_bytes());
        ByteBuf::from(cell)
    }

    /// How long ago a cell was made.
    pub(crate) fn age(self, cell: &[u8]) -> Option<Duration> {
        let stamp = u64::from_be_bytes(cell.get(STAMP)?.try_into().ok()?);
        Some(self.0.elapsed().saturating_sub(Duration::from_nanos(stamp)))
    }
}
