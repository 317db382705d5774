//! The sockets: WebSocket without TLS, the handshake, then records, as the relay inside and its behaviour decide.

use std::{collections::HashMap, net::TcpListener, sync::Arc};

use caro_link::{
    entropy::OsEntropy,
    handshake::{Responder, Session},
    transport::{RECORD_BYTES_MAX, Transport},
};
use caro_schema::{codec, relay::SUBPROTOCOL};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async_with_config,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
        http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::WebSocketConfig,
    },
};

use super::{
    Shared,
    behaviour::{Act, Door},
    relay::{Acts, CallerId},
    slow::{Brake, Braked},
};

/// Where what is to be done to each connection goes.
type Outboxes = Arc<std::sync::Mutex<HashMap<CallerId, mpsc::UnboundedSender<Act>>>>;

/// Accepts until it is told to end.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let outboxes = Outboxes::default();
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let (shared, outboxes) = (shared.clone(), outboxes.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = shared.cut.notified() => {}
                        _end = connection(stream, &shared, &outboxes) => {}
                    }
                });
            }
            // What somebody else pushed meanwhile goes out without any device having asked.
            _ = ticks.tick() => {
                let acts = shared.relay().settle();
                hand_out(&outboxes, acts);
            }
            () = shared.end.notified() => return,
        }
    }
}

/// The end of a connection, for whatever reason: this relay owes nobody one.
struct Over;

async fn connection(stream: TcpStream, shared: &Shared, outboxes: &Outboxes) -> Result<(), Over> {
    stream.set_nodelay(true).map_err(|_| Over)?;
    let door = shared.relay().behaviour.door;
    let brake = Brake::default();
    match door {
        Door::Silent => return stay_silent(stream).await,
        Door::Noise => return make_noise(stream).await,
        Door::Slow => brake.pull(),
        _ => {}
    }
    let mut socket = upgrade(Braked::new(stream, brake.clone()), door).await?;
    let session = handshake(&mut socket, shared, door).await?;
    if door == Door::Slammed {
        return Err(Over);
    }
    let Session { transport, peer_static, handshake_hash } = session;
    let id = shared.relay().arrive(peer_static, handshake_hash);
    let (outbox, inbox) = mpsc::unbounded_channel();
    lock(outboxes).insert(id, outbox);
    let _present = Present { id, shared, outboxes };
    carry(socket, transport, shared, outboxes, (id, inbox, brake)).await
}

/// Says goodbye to the relay inside, however the connection ends.
struct Present<'a> {
    id: CallerId,
    shared: &'a Shared,
    outboxes: &'a Outboxes,
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        lock(self.outboxes).remove(&self.id);
        self.shared.relay().depart(self.id);
    }
}

/// Reads and says nothing, until the other side has had enough.
async fn stay_silent(mut stream: TcpStream) -> Result<(), Over> {
    let mut nowhere = [0; 1024];
    while stream.read(&mut nowhere).await.map_err(|_| Over)? > 0 {}
    Ok(())
}

async fn make_noise(mut stream: TcpStream) -> Result<(), Over> {
    let noise: Vec<u8> = (0..4096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    stream.write_all(&noise).await.map_err(|_| Over)?;
    stay_silent(stream).await
}

async fn upgrade(stream: Braked, door: Door) -> Result<WebSocketStream<Braked>, Over> {
    let spoken = if door == Door::OtherVersion { "caro.0" } else { SUBPROTOCOL };
    #[allow(clippy::result_large_err)] // the shape is the library's
    let answer = move |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(spoken));
        Ok(response)
    };
    let config = WebSocketConfig::default().max_message_size(Some(RECORD_BYTES_MAX));
    accept_hdr_async_with_config(stream, answer, Some(config)).await.map_err(|_| Over)
}

async fn handshake(socket: &mut WebSocketStream<Braked>, shared: &Shared, door: Door) -> Result<Session, Over> {
    let key = &shared.keys[usize::from(door == Door::OtherKey)];
    let first = next_record(socket).await.ok_or(Over)?;
    let (responder, mut second) = Responder::answer(key, &first, &mut OsEntropy).map_err(|_| Over)?;
    if door == Door::BentHandshake {
        second[700] ^= 1;
    }
    socket.send(Message::binary(second)).await.map_err(|_| Over)?;
    let third = next_record(socket).await.ok_or(Over)?;
    responder.finish(&third).map_err(|_| Over)
}

async fn carry(
    mut socket: WebSocketStream<Braked>,
    mut transport: Transport,
    shared: &Shared,
    outboxes: &Outboxes,
    (id, mut inbox, brake): (CallerId, mpsc::UnboundedReceiver<Act>, Brake),
) -> Result<(), Over> {
    loop {
        tokio::select! {
            record = next_record(&mut socket) => {
                let message = transport.open(&record.ok_or(Over)?).map_err(|_| Over)?;
                if let Some(message) = message {
                    let message = codec::decode(&message).map_err(|_| Over)?;
                    let acts = shared.relay().message(id, message);
                    hand_out(outboxes, acts);
                }
            }
            act = inbox.recv() => match act.ok_or(Over)? {
                Act::Say(message) => send(&mut socket, &mut transport, &codec::encode(&message)).await?,
                Act::Flood(message) => {
                    let bytes = codec::encode(&message);
                    loop {
                        send(&mut socket, &mut transport, &bytes).await?;
                    }
                }
                Act::Sealed(bytes) => send(&mut socket, &mut transport, &bytes).await?,
                Act::Raw(bytes) => socket.send(Message::binary(bytes)).await.map_err(|_| Over)?,
                Act::SlowDown => brake.pull(),
                Act::Close => {
                    socket.close(None).await.map_err(|_| Over)?;
                    return Ok(());
                }
            },
        }
    }
}

async fn send(socket: &mut WebSocketStream<Braked>, transport: &mut Transport, bytes: &[u8]) -> Result<(), Over> {
    for record in transport.seal(bytes).map_err(|_| Over)? {
        socket.feed(Message::binary(record)).await.map_err(|_| Over)?;
    }
    socket.flush().await.map_err(|_| Over)
}

async fn next_record(socket: &mut WebSocketStream<Braked>) -> Option<Vec<u8>> {
    while let Some(message) = socket.next().await {
        match message.ok()? {
            Message::Binary(bytes) => return Some(bytes.into()),
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) | Message::Text(_) | Message::Frame(_) => return None,
        }
    }
    None
}

fn hand_out(outboxes: &Outboxes, acts: Acts) {
    let outboxes = lock(outboxes);
    for (id, act) in acts {
        // A connection that is gone has nothing done to it.
        if let Some(outbox) = outboxes.get(&id) {
            drop(outbox.send(act));
        }
    }
}

fn lock(outboxes: &Outboxes) -> std::sync::MutexGuard<'_, HashMap<CallerId, mpsc::UnboundedSender<Act>>> {
    outboxes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
