//! One connection: TLS, WebSocket, the three messages of the handshake, then records both ways until one side ends it.
//!
//! Everything up to the first message is under one absolute deadline and a budget of bytes. After that reading and
//! writing go on side by side: two ends that each wait for the other one to read would wait for ever. What is said is
//! decided in [`crate::protocol`]; nothing here knows an account.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use caro_link::{
    entropy::OsEntropy,
    handshake::{FIRST_BYTES, Responder, Session, THIRD_BYTES},
    identity::StaticKey,
    transport::{Transport, TransportError},
};
use caro_schema::{
    codec,
    limits::PREAUTH_BYTES_MAX,
    relay::{ErrorCode, ToDevice},
};
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config, tungstenite::Message};

use crate::{
    admission::{Door, Place, Rejection},
    arriving::Arriving,
    engine::{Engine, Mailbox, Outgoing},
    limits::{Limits, REQUEST_BYTES_MAX},
    metered::{Budget, Metered},
    protocol::{Arrival, Reading, SessionId},
    upgrade::{self, Upgrade},
};

/// What all connections share.
pub struct Shared {
    /// The sessions.
    pub engine: Arc<Engine>,
    /// Who is let in.
    pub door: Arc<Door>,
    /// Messages of which a part has come.
    pub arriving: Arc<Arriving>,
    /// The relay's key.
    pub static_key: Arc<StaticKey>,
    /// What may change while the relay runs.
    live: RwLock<Arc<Live>>,
}

/// What may change while the relay runs. A connection keeps to what held when it began.
pub struct Live {
    /// The limits.
    pub limits: Limits,
    /// TLS, unless something in front adds it.
    pub tls: Option<TlsAcceptor>,
    /// Proxies that are believed when they say where a connection comes from.
    pub trusted_proxies: Vec<IpAddr>,
}

impl Shared {
    /// For connections that are served with these.
    pub fn new(engine: Arc<Engine>, door: Arc<Door>, static_key: Arc<StaticKey>, live: Live) -> Self {
        Self { engine, door, arriving: Arc::default(), static_key, live: RwLock::new(Arc::new(live)) }
    }

    /// What holds now.
    pub fn live(&self) -> Arc<Live> {
        // Nothing panics while it is held: it is only replaced.
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What holds from now on.
    pub fn set_live(&self, live: Live) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
    }
}

/// Any stream that a session can run on.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

type Socket = WebSocketStream<Metered<Box<dyn Stream>>>;

/// Why a connection came to no session. Only for the log: the other side is told nothing.
#[derive(Debug, thiserror::Error)]
pub enum Unopened {
    /// The limits say no.
    #[error("refused")]
    Rejected(Rejection, IpAddr),
    /// TLS, WebSocket or the network.
    #[error("the connection did not come about")]
    Network,
    /// Not the handshake that is spoken here.
    #[error("the handshake failed")]
    Handshake,
    /// Not done in time.
    #[error("too slow")]
    Slow,
}

/// Bytes that a frame of the handshake has around its payload, and the record around the first message.
const FRAMES_BYTES: usize = 256;

/// How long the end of a connection may take: what was sent last must reach the other side before the socket is gone.
const FAREWELL: Duration = Duration::from_secs(2);

/// A session and what it runs on.
struct Opened {
    socket: Socket,
    budget: Budget,
    session: Session,
    origin: u64,
}

/// Serves one connection to its end.
///
/// # Errors
/// Why there was no session.
pub async fn serve(shared: &Shared, tcp: TcpStream, peer: SocketAddr, mut place: Place) -> Result<(), Unopened> {
    let accepted_ms = shared.engine.now_ms();
    let live = shared.live();
    let deadline = Instant::now() + Duration::from_millis(live.limits.opening_ms);
    // Boxed, so that an idle session does not keep the room that only its beginning needed.
    let opening = Box::pin(open(shared, &live, tcp, peer.ip().to_canonical(), &mut place));
    let opened = timeout_at(deadline, opening).await.map_err(|_| Unopened::Slow)??;
    shared.engine.metrics().handshakes.add(1);
    let hello = deadline.min(Instant::now() + Duration::from_millis(live.limits.hello_ms));
    let Opened { socket, budget, session, origin } = opened;
    let arrival = Arrival { device: session.peer_static, handshake: session.handshake_hash, origin, accepted_ms };
    let mailbox = shared.engine.arrive(arrival);
    let (sink, stream) = socket.split();
    let transport = Mutex::new(session.transport.in_order());
    let Limits { message_ms, message_bytes_begun_total: begun_max, .. } = live.limits;
    let incoming = Incoming { shared, transport: &transport, stream, hello: Some(hello), message_ms, begun_max };
    let outgoing = Departing { write_ms: live.limits.write_ms, transport: &transport, sink, budget, place };
    drop(live);
    carry(incoming, outgoing, mailbox).await;
    Ok(())
}

/// One stage of the opening, in the time that it may take.
async fn stage<T>(limit_ms: u64, stage: impl Future<Output = Option<T>>) -> Result<T, Unopened> {
    let limit = Duration::from_millis(limit_ms);
    timeout(limit, stage).await.map_err(|_| Unopened::Slow)?.ok_or(Unopened::Network)
}

async fn open(
    shared: &Shared,
    live: &Live,
    tcp: TcpStream,
    peer: IpAddr,
    place: &mut Place,
) -> Result<Opened, Unopened> {
    let now_ms = shared.engine.now_ms();
    let limits = &live.limits;
    let known = place.origin();
    // A command is one small message: waiting to fill a packet would cost more than it saves.
    tcp.set_nodelay(true).map_err(|_| Unopened::Network)?;
    let stream: Box<dyn Stream> = match &live.tls {
        Some(tls) => Box::new(stage(limits.tls_ms, async { tls.accept(tcp).await.ok() }).await?),
        None => Box::new(tcp),
    };
    let budget = Budget::new(REQUEST_BYTES_MAX);
    let forwarded = Arc::new(Mutex::new(None));
    let request = Upgrade { forwarded: known.is_none().then(|| forwarded.clone()) };
    let upgrading = async {
        let metered = Metered::new(stream, budget.clone());
        accept_hdr_async_with_config(metered, request, Some(upgrade::config())).await.ok()
    };
    let mut socket = stage(limits.upgrade_ms, upgrading).await?;
    let origin = match known {
        Some(origin) => origin,
        None => {
            let from = forwarded.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(peer);
            place.comes_from(from, now_ms).map_err(|rejection| Unopened::Rejected(rejection, from))?
        }
    };
    budget.renew(FIRST_BYTES + THIRD_BYTES + FRAMES_BYTES + PREAUTH_BYTES_MAX);
    let limit = Duration::from_millis(limits.handshake_ms);
    let shaking = handshake(&mut socket, &shared.static_key);
    let session = timeout(limit, shaking).await.map_err(|_| Unopened::Slow)??;
    Ok(Opened { socket, budget, session, origin })
}

async fn handshake(socket: &mut Socket, static_key: &StaticKey) -> Result<Session, Unopened> {
    let first = next_record(socket).await.ok_or(Unopened::Network)?;
    let (responder, second) = Responder::answer(static_key, &first, &mut OsEntropy).map_err(|_| Unopened::Handshake)?;
    socket.send(Message::binary(second)).await.map_err(|_| Unopened::Network)?;
    let third = next_record(socket).await.ok_or(Unopened::Network)?;
    responder.finish(&third).map_err(|_| Unopened::Handshake)
}

/// The next record; none at the end of the connection, or when what comes is no record.
async fn next_record<S>(stream: &mut S) -> Option<Vec<u8>>
where
    S: StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin,
{
    while let Some(message) = stream.next().await {
        match message.ok()? {
            Message::Binary(bytes) => return Some(bytes.into()),
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) | Message::Text(_) | Message::Frame(_) => return None,
        }
    }
    None
}

/// How reading came to its end.
enum End {
    /// The other side has gone, or sends what is no record of this session.
    Gone,
    /// It sends what is no message.
    Garbage(ErrorCode),
    /// It has sent half of a message, and there is no more room for halves.
    GivenUp,
    /// The session has carried all that it may.
    Spent,
}

async fn carry(mut incoming: Incoming<'_>, mut outgoing: Departing<'_>, mut mailbox: Mailbox) {
    let (id, resume, cut) = (mailbox.id, mailbox.resume.clone(), mailbox.cut.clone());
    let engine = &incoming.shared.engine.clone();
    {
        let writing = outgoing.run(&mut mailbox);
        tokio::pin!(writing);
        let end = tokio::select! {
            end = incoming.run(id, &resume) => Some(end),
            () = cut.notified() => Some(End::Gone),
            () = &mut writing => None,
        };
        match end {
            None => {}
            Some(End::Gone) => return engine.depart(id),
            Some(End::Garbage(code)) => {
                engine.garbage(id, code);
                writing.await;
            }
            Some(End::GivenUp) => {
                engine.given_up(id);
                writing.await;
            }
            Some(End::Spent) => {
                engine.spent(id);
                writing.await;
            }
        }
    }
    engine.depart(id);
    // Closing a socket with unread bytes in it would throw away what is still on its way to the other side.
    let drained = timeout(FAREWELL, async { while incoming.stream.next().await.is_some_and(|item| item.is_ok()) {} });
    if drained.await.is_err() {
        tracing::trace!("a connection was cut off at its end");
    }
}

/// The reading half.
struct Incoming<'a> {
    shared: &'a Shared,
    transport: &'a Mutex<Transport>,
    stream: SplitStream<Socket>,
    /// Until when the first message must have come.
    hello: Option<Instant>,
    message_ms: u64,
    /// Bytes that may be held for half-sent messages of all connections.
    begun_max: u64,
}

impl Incoming<'_> {
    async fn run(&mut self, id: SessionId, resume: &tokio::sync::Notify) -> End {
        let engine = &self.shared.engine;
        loop {
            let next = match self.hello.take() {
                None => self.next_message(id).await,
                // A stranger that is slow is told nothing.
                Some(hello) => timeout_at(hello, self.next_message(id)).await.unwrap_or(Err(End::Gone)),
            };
            let bytes = match next {
                Ok(bytes) => bytes,
                Err(end) => return end,
            };
            let Ok(message) = codec::decode(&bytes) else { return End::Garbage(ErrorCode::Malformed) };
            if engine.message(id, message) == Reading::Held {
                resume.notified().await;
            }
        }
    }

    /// The next message, whole. It may take its time, but not for ever, and not more room than there is.
    async fn next_message(&mut self, id: SessionId) -> Result<Vec<u8>, End> {
        if let Some(message) = self.next_piece(id).await? {
            return Ok(message);
        }
        let half = self.shared.arriving.begin();
        let limit = Duration::from_millis(self.message_ms);
        let rest = async {
            loop {
                half.holds(lock(self.transport).held_bytes() as u64, self.begun_max);
                if let Some(message) = self.next_piece(id).await? {
                    return Ok(message);
                }
            }
        };
        let whole = tokio::select! {
            whole = timeout(limit, rest) => whole.unwrap_or(Err(End::Garbage(ErrorCode::Idle))),
            () = half.given_up() => Err(End::GivenUp),
        };
        // It counts no more, and saying why to one that does not read may take a while.
        lock(self.transport).give_up_held();
        whole
    }

    /// Takes the next record in. Gives the message of which it was the last piece.
    async fn next_piece(&mut self, id: SessionId) -> Result<Option<Vec<u8>>, End> {
        let record = next_record(&mut self.stream).await.ok_or(End::Gone)?;
        let (opened, spent) = {
            let mut transport = lock(self.transport);
            (transport.open(&record), transport.is_spent())
        };
        match opened {
            Ok(_) if spent => Err(End::Spent),
            Ok(opened) => {
                if opened.is_none() {
                    self.shared.engine.sign_of_life(id);
                }
                Ok(opened)
            }
            Err(TransportError::TooLarge) => Err(End::Garbage(ErrorCode::TooLarge)),
            Err(TransportError::Interrupted) => Err(End::Garbage(ErrorCode::Malformed)),
            // Records come in order over TCP: one that does not open was not made by the other end.
            Err(_) => Err(End::Gone),
        }
    }
}

/// The writing half.
struct Departing<'a> {
    write_ms: u64,
    transport: &'a Mutex<Transport>,
    sink: SplitSink<Socket, Message>,
    budget: Budget,
    place: Place,
}

impl Departing<'_> {
    /// Sends until the engine says that it is over, or the other side takes nothing more.
    async fn run(&mut self, mailbox: &mut Mailbox) {
        while let Some(outgoing) = mailbox.next().await {
            let sent = match outgoing {
                Outgoing::Message(message) => self.send(message).await,
                Outgoing::Close => {
                    self.within(|sink| Box::pin(sink.send(Message::Close(None)))).await;
                    return;
                }
            };
            let flushed = sent && (!mailbox.outbox.is_empty() || self.flush().await);
            if !flushed {
                return;
            }
        }
    }

    /// Sends a message, which is held sealed and no longer as it was: it may take a while to leave.
    async fn send(&mut self, message: Box<ToDevice>) -> bool {
        if matches!(*message, ToDevice::Welcome { .. }) {
            self.budget.lift();
            self.place.opened();
        } else if matches!(*message, ToDevice::Claimed { .. }) {
            // It has come for a mailbox, and what it may say in all stays as little as a stranger may.
            self.place.opened();
        }
        let sealed = lock(self.transport).seal(&codec::encode(&*message));
        drop(message);
        let Ok(records) = sealed else { return false };
        for record in records {
            if !self.within(|sink| Box::pin(sink.feed(Message::binary(record)))).await {
                return false;
            }
        }
        true
    }

    async fn flush(&mut self) -> bool {
        self.within(|sink| Box::pin(sink.flush())).await
    }

    /// One step of sending, in the time that it may take.
    async fn within<'s, F>(&'s mut self, step: impl FnOnce(&'s mut SplitSink<Socket, Message>) -> F) -> bool
    where
        F: Future<Output = Result<(), tokio_tungstenite::tungstenite::Error>> + 's,
    {
        let limit = Duration::from_millis(self.write_ms);
        matches!(timeout(limit, step(&mut self.sink)).await, Ok(Ok(())))
    }
}

fn lock(transport: &Mutex<Transport>) -> std::sync::MutexGuard<'_, Transport> {
    // Never held over anything that panics or waits.
    transport.lock().unwrap_or_else(PoisonError::into_inner)
}
