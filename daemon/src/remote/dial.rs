//! From an address to an open session: TCP (through a proxy where one is named), TLS, WebSocket, and the three messages of the hybrid handshake, all under one
//! deadline.

use std::{io, sync::Arc, time::Duration};

use caro_core::vault::DeviceKeys;
use caro_link::{
    entropy::OsEntropy,
    handshake::{HandshakeError, Initiator},
    identity::StaticKey,
    transport::Transport,
};
use caro_schema::{
    codec,
    id::{Hash, RelayKey},
    ipc::Fault,
    limits::{NOISE_RECORD_BYTES_MAX, RELAY_MESSAGE_BYTES_MAX},
    relay::{PATH, SUBPROTOCOL, ToDevice, ToRelay},
};
use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::WebSocketConfig,
    },
};

use super::{
    Address, proxy,
    tls::{Trust, client_config},
};

/// How long everything up to the open session may take: as long as a relay gives it. A satellite link needs five round
/// trips of 1.3 seconds; waiting longer than the other side would hold a connection that has no end.
const OPEN_SECONDS: u64 = 10;

/// Bytes that a record adds around its ciphertext: the counter in front.
const RECORD_BYTES_MAX: usize = NOISE_RECORD_BYTES_MAX + 8;

/// Any stream that a session can run on.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Why no session could be opened.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The way there: name, network, TLS or WebSocket.
    #[error("{0}")]
    Unreachable(String),
    /// Not done in time.
    #[error("no answer in time")]
    Slow,
    /// The relay has another key than the one that is known.
    #[error("another key than before")]
    RelayKey,
    /// The handshake inside failed.
    #[error("the handshake failed")]
    Handshake(HandshakeError),
    /// What came is not of the protocol.
    #[error("an answer that is not of the protocol")]
    Garbage,
}

impl DialError {
    /// What a person is told.
    pub fn into_fault(self, address: &Address) -> Fault {
        let host = address.authority();
        match self {
            Self::RelayKey => Fault::RelayKeyChanged { host },
            other => Fault::Unreachable { host, reason: other.to_string() },
        }
    }
}

/// How to reach one relay as one device.
pub struct Dialer {
    /// Where.
    pub address: Address,
    /// Which relay it must be; none accepts the first that answers, to pin it.
    pub relay_key: Option<RelayKey>,
    /// Who we are there.
    pub static_key: Arc<StaticKey>,
}

/// An open session: messages in, messages out.
pub struct Session {
    socket: WebSocketStream<Box<dyn Stream>>,
    transport: Transport,
    /// The handshake's hash, for proofs that only count in this session.
    pub handshake: Hash,
    /// The relay's key.
    pub relay_key: RelayKey,
    /// The address and port on this machine, as whoever was dialled sees them where nothing stands in between.
    pub from: String,
}

/// Learns the key of a relay that is not known yet. Connects with a key that is thrown away, and says nothing.
///
/// # Errors
/// As [`Dialer::open`].
pub async fn probe(address: &Address) -> Result<RelayKey, DialError> {
    let mut random = zeroize::Zeroizing::new([0; 96]);
    getrandom::fill(&mut *random).map_err(|error| DialError::Unreachable(error.to_string()))?;
    let nobody = RelayKey([0; 32]);
    let static_key = Arc::new(DeviceKeys::generate(&random).relay_static(&nobody));
    let dialer = Dialer { address: address.clone(), relay_key: address.key, static_key };
    Ok(dialer.open().await?.relay_key)
}

/// How long the other end may take nothing of what is sent. A proxy on this machine with a slow line behind it makes room for
/// 64 KiB at a time, which at 1 KB/s is once in a minute.
#[cfg(target_os = "linux")]
const STALLED_AFTER: Duration = Duration::from_secs(120);

/// Has the system end a connection whose other end takes nothing any more (RFC 5482). While a large message waits for a network
/// that is gone, nobody listens for an answer that fails to come, and by itself TCP tries on for a quarter of an hour.
#[cfg(target_os = "linux")]
fn give_up_when_nothing_arrives(tcp: &TcpStream) -> io::Result<()> {
    let ms = u32::try_from(STALLED_AFTER.as_millis()).unwrap_or(u32::MAX);
    Ok(rustix::net::sockopt::set_tcp_user_timeout(tcp, ms)?)
}

#[cfg(not(target_os = "linux"))]
fn give_up_when_nothing_arrives(_: &TcpStream) -> io::Result<()> {
    Ok(())
}

impl Dialer {
    /// Opens a session.
    ///
    /// # Errors
    /// Why not, within the deadline.
    pub async fn open(&self) -> Result<Session, DialError> {
        let deadline = Instant::now() + Duration::from_secs(OPEN_SECONDS);
        timeout_at(deadline, self.open_without_deadline()).await.map_err(|_| DialError::Slow)?
    }

    async fn open_without_deadline(&self) -> Result<Session, DialError> {
        let (stream, from) = self.connect().await?;
        let socket = self.upgrade(stream).await?;
        self.handshake(socket, from).await
    }

    /// A connection to the relay, or to the proxy before it.
    async fn reach(&self) -> Result<TcpStream, DialError> {
        let (host, port) = (self.address.host.as_str(), self.address.port);
        let tcp = match proxy::towards(&self.address).map_err(DialError::Unreachable)? {
            Some(proxy) => proxy.connect(host, port).await.map_err(unreachable)?,
            None => TcpStream::connect((host, port)).await.map_err(unreachable)?,
        };
        // A command is one small message: waiting to fill a packet would cost more than it saves.
        tcp.set_nodelay(true).map_err(unreachable)?;
        give_up_when_nothing_arrives(&tcp).map_err(unreachable)?;
        Ok(tcp)
    }

    async fn connect(&self) -> Result<(Box<dyn Stream>, String), DialError> {
        let tcp = self.reach().await?;
        let from = tcp.local_addr().map_err(unreachable)?.to_string();
        if !self.address.tls {
            return Ok((Box::new(tcp), from));
        }
        let trust = if self.relay_key.is_some() { Trust::KeyInside } else { Trust::Authorities };
        let config = client_config(trust).map_err(|error| DialError::Unreachable(error.to_string()))?;
        let name = ServerName::try_from(self.address.host.clone())
            .map_err(|_| DialError::Unreachable("not a host name".to_owned()))?;
        let tls = TlsConnector::from(config).connect(name, tcp).await.map_err(unreachable)?;
        Ok((Box::new(tls), from))
    }

    async fn upgrade(&self, stream: Box<dyn Stream>) -> Result<WebSocketStream<Box<dyn Stream>>, DialError> {
        let scheme = if self.address.tls { "wss" } else { "ws" };
        let mut request = format!("{scheme}://{}{PATH}", self.address.authority())
            .into_client_request()
            .map_err(|error| DialError::Unreachable(error.to_string()))?;
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        let config = WebSocketConfig::default()
            .read_buffer_size(16 * 1024)
            .max_message_size(Some(RECORD_BYTES_MAX))
            .max_frame_size(Some(RECORD_BYTES_MAX));
        let (socket, _) = client_async_with_config(request, stream, Some(config)).await.map_err(websocket)?;
        Ok(socket)
    }

    async fn handshake(
        &self,
        mut socket: WebSocketStream<Box<dyn Stream>>,
        from: String,
    ) -> Result<Session, DialError> {
        let (initiator, first) =
            Initiator::start(&self.static_key, self.relay_key, &mut OsEntropy).map_err(handshake)?;
        socket.send(Message::binary(first)).await.map_err(websocket)?;
        let second = next_record(&mut socket).await?.ok_or(DialError::Garbage)?;
        let (third, session) = initiator.read(&second).map_err(handshake)?;
        socket.send(Message::binary(third)).await.map_err(websocket)?;
        let relay_key = RelayKey(session.peer_static);
        Ok(Session { socket, transport: session.transport, handshake: session.handshake_hash, relay_key, from })
    }
}

impl Session {
    /// Sends one message.
    ///
    /// # Errors
    /// When the connection is gone or the session has carried all it may.
    pub async fn send(&mut self, message: &ToRelay) -> Result<(), DialError> {
        let records = self.transport.seal(&codec::encode(message)).map_err(|_| DialError::Garbage)?;
        for record in records {
            self.socket.feed(Message::binary(record)).await.map_err(websocket)?;
        }
        self.socket.flush().await.map_err(websocket)
    }

    /// The next message, none at the end of the connection.
    ///
    /// Cancel safe: what has arrived of a message stays in the session.
    ///
    /// # Errors
    /// When the connection fails or what comes is not of the protocol.
    pub async fn receive(&mut self) -> Result<Option<ToDevice>, DialError> {
        while let Some(record) = next_record(&mut self.socket).await? {
            if let Some(message) = self.transport.open(&record).map_err(|_| DialError::Garbage)? {
                debug_assert!(message.len() <= RELAY_MESSAGE_BYTES_MAX);
                return codec::decode(&message).map(Some).map_err(|_| DialError::Garbage);
            }
        }
        Ok(None)
    }

    /// Whether it is time for a new handshake.
    pub fn is_spent(&self) -> bool {
        self.transport.is_spent()
    }

    /// Says goodbye. The other side may be gone already.
    pub async fn close(mut self) {
        if let Err(error) = self.socket.close(None).await {
            tracing::debug!(kind = ?std::mem::discriminant(&error), "closing a session");
        }
    }
}

async fn next_record(socket: &mut WebSocketStream<Box<dyn Stream>>) -> Result<Option<Vec<u8>>, DialError> {
    while let Some(message) = socket.next().await {
        match message.map_err(websocket)? {
            Message::Binary(bytes) => return Ok(Some(bytes.into())),
            Message::Close(_) => return Ok(None),
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Text(_) | Message::Frame(_) => return Err(DialError::Garbage),
        }
    }
    Ok(None)
}

fn unreachable(error: io::Error) -> DialError {
    DialError::Unreachable(error.to_string())
}

fn websocket(error: tungstenite::Error) -> DialError {
    DialError::Unreachable(error.to_string())
}

fn handshake(error: HandshakeError) -> DialError {
    match error {
        HandshakeError::RelayKey { .. } => DialError::RelayKey,
        other => DialError::Handshake(other),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_that_takes_nothing_any_more_ends_within_two_minutes() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = Address::parse(&format!("ws://{}", listener.local_addr().expect("bound"))).expect("an address");
        let static_key = Arc::new(DeviceKeys::generate(&[7; 96]).relay_static(&RelayKey([0; 32])));
        let tcp = Dialer { address, relay_key: None, static_key }.reach().await.expect("connected");
        assert_eq!(rustix::net::sockopt::tcp_user_timeout(&tcp).expect("asked"), 120_000);
    }
}
