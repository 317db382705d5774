//! One connection through a proxy: two ways, each read by one task and written by another, with the toxics in between.
//!
//! Bytes are dated when they are read, so that a delay holds up no others; what is on its way is bounded, so that a slow
//! reader is felt by the sender. A change of the toxics takes hold at once, and what waits goes on.

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    time::sleep_until,
};

use super::{
    effect::{Effect, End, Piece},
    frames::Framer,
    toxic::{Stream, Toxic},
};
use crate::seed::Seed;

/// A toxic that is there, with a number that no other has.
#[derive(Clone, Debug)]
pub struct Active {
    /// The number.
    pub id: u64,
    /// The toxic.
    pub toxic: Toxic,
}

/// The toxics of a proxy at one time.
pub type Set = Arc<Vec<Active>>;

/// What has gone through a proxy.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Connections that were taken.
    pub connections: AtomicU64,
    /// Bytes that clients have sent.
    pub upstream: AtomicU64,
    /// Bytes that servers have sent.
    pub downstream: AtomicU64,
}

/// Bytes read at once, and how many of these may wait on one way: 256 KiB, like a router with a short queue.
const READ_BYTES: usize = 16 * 1024;
const WAITING_MAX: usize = 16;

/// Says that a connection is over, and hears it.
#[derive(Clone)]
pub struct Over {
    say: watch::Sender<Option<End>>,
}

impl Over {
    /// Of a connection that goes on.
    pub fn new() -> Self {
        Self { say: watch::Sender::new(None) }
    }

    /// Ends the connection; the first to say so decides how.
    pub fn end(&self, end: End) {
        self.say.send_if_modified(|said| said.is_none() && said.replace(end).is_none());
    }

    /// Whoever carries the connection holds this while it does.
    pub fn carried(&self) -> watch::Receiver<Option<End>> {
        self.say.subscribe()
    }

    /// Whether nobody carries it any more.
    pub fn is_gone(&self) -> bool {
        self.say.receiver_count() == 0
    }

    async fn ended(hear: &mut watch::Receiver<Option<End>>) -> End {
        let said = hear.wait_for(Option::is_some).await.map(|said| *said);
        said.ok().flatten().unwrap_or(End::Close)
    }
}

impl Default for Over {
    fn default() -> Self {
        Self::new()
    }
}

/// Carries a connection until both sides have ended it, or somebody else has.
pub async fn carry(
    client: TcpStream,
    server: TcpStream,
    toxics: watch::Receiver<Set>,
    seed: &Seed,
    over: Over,
    traffic: Arc<Traffic>,
) {
    // A proxy that collects small pieces would be a toxic of its own.
    if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
        return;
    }
    let (client_reader, client_writer) = client.into_split();
    let (server_reader, server_writer) = server.into_split();
    let way = |stream, seed| Way {
        stream,
        toxics: toxics.clone(),
        effects: BTreeMap::new(),
        framer: Framer::new(),
        seed,
        hear: over.say.subscribe(),
        over: over.clone(),
    };
    let up = way(Stream::Upstream, seed.fork(1));
    let down = way(Stream::Downstream, seed.fork(2));
    tokio::join!(
        up.run(client_reader, server_writer, &traffic.upstream),
        down.run(server_reader, client_writer, &traffic.downstream),
    );
}

struct Way {
    stream: Stream,
    toxics: watch::Receiver<Set>,
    effects: BTreeMap<u64, Effect>,
    framer: Framer,
    seed: Seed,
    hear: watch::Receiver<Option<End>>,
    over: Over,
}

type Chunk = (Instant, Vec<u8>);

impl Way {
    async fn run(self, reader: OwnedReadHalf, writer: OwnedWriteHalf, count: &AtomicU64) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let hear = self.hear.clone();
        // The reader's half is kept until the writer is done: a reset must find both sockets open.
        let (_reader, ()) = tokio::join!(read(reader, sender, hear, count), self.write(receiver, writer));
    }

    async fn write(mut self, mut chunks: mpsc::Receiver<Chunk>, mut writer: OwnedWriteHalf) {
        let mut reading = true;
        loop {
            self.begin_effects();
            if !reading && !self.swallows() {
                break;
            }
            let by_itself = self.ends_by_itself();
            tokio::select! {
                biased;
                end = Over::ended(&mut self.hear) => return leave(writer, end),
                changed = self.toxics.changed() => self.notice_change(changed.is_ok()),
                end = at(by_itself) => self.over.end(end),
                chunk = chunks.recv(), if reading => match chunk {
                    Some((come, bytes)) => self.pass(come, &bytes, &mut writer).await,
                    None => reading = false,
                },
            }
        }
        if let Some(end) = self.wait_for_slow_close().await {
            return leave(writer, end);
        }
        if writer.shutdown().await.is_err() {
            self.over.end(End::Close);
        }
    }

    /// Every toxic of this way that is new begins.
    fn begin_effects(&mut self) {
        let toxics = Arc::clone(&self.toxics.borrow());
        for active in toxics.iter().filter(|active| active.toxic.stream == self.stream) {
            let (seed, toxicity) = (&mut self.seed, active.toxic.toxicity);
            self.effects.entry(active.id).or_insert_with(|| Effect::new(toxicity, Instant::now(), seed));
        }
    }

    /// What was taken away does not come back: where the toxic that took it is gone, so is the connection.
    fn notice_change(&mut self, proxy_is_there: bool) {
        let toxics = Arc::clone(&self.toxics.borrow_and_update());
        let gone = |id: &u64| !toxics.iter().any(|active| active.id == *id);
        if !proxy_is_there || self.effects.iter().any(|(id, effect)| gone(id) && effect.has_swallowed()) {
            self.over.end(End::Close);
        }
        self.effects.retain(|id, _| !gone(id));
    }

    /// Whether nothing passes at present.
    fn swallows(&self) -> bool {
        let toxics = Arc::clone(&self.toxics.borrow());
        let mut effects = toxics.iter().filter_map(|active| Some((self.effects.get(&active.id)?, &active.toxic.kind)));
        effects.any(|(effect, kind)| effect.swallows(kind))
    }

    fn ends_by_itself(&self) -> Option<(Instant, End)> {
        let toxics = Arc::clone(&self.toxics.borrow());
        let ends = toxics.iter().filter_map(|active| self.effects.get(&active.id)?.ends_at(&active.toxic.kind));
        ends.min_by_key(|(when, _)| *when)
    }

    async fn pass(&mut self, come: Instant, bytes: &[u8], writer: &mut OwnedWriteHalf) {
        for segment in self.framer.split(bytes) {
            let (pieces, end) = self.affected(Piece { due: come, segment });
            for piece in pieces {
                if !self.wait_until(piece.due).await {
                    return;
                }
                let written = tokio::select! {
                    _ = Over::ended(&mut self.hear) => return,
                    written = writer.write_all(&piece.segment.bytes) => written,
                };
                if written.is_err() {
                    return self.over.end(End::Close);
                }
            }
            if let Some(end) = end {
                return self.over.end(end);
            }
        }
    }

    /// What the toxics of this way make of some bytes, one after the other.
    fn affected(&mut self, piece: Piece) -> (Vec<Piece>, Option<End>) {
        let toxics = Arc::clone(&self.toxics.borrow());
        let (mut pieces, mut ends) = (vec![piece], None);
        for active in toxics.iter() {
            let Some(effect) = self.effects.get_mut(&active.id) else { continue };
            let mut next = Vec::new();
            for piece in pieces {
                let (passed, end) = effect.apply(&active.toxic.kind, piece, &mut self.seed);
                next.extend(passed);
                ends = ends.or(end);
                if end.is_some() {
                    break;
                }
            }
            pieces = next;
        }
        (pieces, ends)
    }

    /// Waits, unless the toxics change. Whether the connection is still there.
    async fn wait_until(&mut self, due: Instant) -> bool {
        if due <= Instant::now() {
            return true;
        }
        let changed = tokio::select! {
            _ = Over::ended(&mut self.hear) => return false,
            () = sleep_until(due.into()) => return true,
            changed = self.toxics.changed() => changed.is_ok(),
        };
        self.notice_change(changed);
        self.begin_effects();
        self.hear.borrow().is_none()
    }

    async fn wait_for_slow_close(&mut self) -> Option<End> {
        let toxics = Arc::clone(&self.toxics.borrow());
        let delays =
            toxics.iter().filter_map(|active| Some(self.effects.get(&active.id)?.slow_close(&active.toxic.kind)));
        let delay: Duration = delays.sum();
        tokio::select! {
            end = Over::ended(&mut self.hear) => Some(end),
            () = tokio::time::sleep(delay) => None,
        }
    }
}

async fn at(when: Option<(Instant, End)>) -> End {
    let Some((when, end)) = when else { return pending().await };
    sleep_until(when.into()).await;
    end
}

/// Reads until the end, and gives its half back.
async fn read(
    mut reader: OwnedReadHalf,
    sender: mpsc::Sender<Chunk>,
    mut hear: watch::Receiver<Option<End>>,
    count: &AtomicU64,
) -> OwnedReadHalf {
    loop {
        let mut bytes = vec![0; READ_BYTES];
        let read = tokio::select! {
            _ = Over::ended(&mut hear) => return reader,
            read = reader.read(&mut bytes) => read.unwrap_or(0),
        };
        if read == 0 {
            return reader;
        }
        count.fetch_add(read as u64, Ordering::Relaxed);
        bytes.truncate(read);
        if sender.send((Instant::now(), bytes)).await.is_err() {
            return reader;
        }
    }
}

/// A reset is one only when no half has said goodbye before.
fn leave(writer: OwnedWriteHalf, end: End) {
    if end == End::Reset && writer.as_ref().set_zero_linger().is_ok() {
        writer.forget();
    }
}
