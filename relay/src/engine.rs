//! The program's shell around the protocol's machine: one lock, a clock, the connections' outboxes and the disk's
//! queues. Every input goes through `with`, which carries out what follows from it before the lock is given
//! back, so that the order of outputs is the machine's.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender},
    },
    time::Instant,
};

use caro_schema::relay::{ErrorCode, ToDevice, ToRelay};
use tokio::sync::{Notify, mpsc};

use crate::{
    limits::OUTBOX_MAX,
    protocol::{Arrival, Output, Policy, Reading, Relay, SessionId},
    store::{Batch, Done, Job, Work},
};

/// What a connection is to send.
pub enum Outgoing {
    /// A message.
    Message(Box<ToDevice>),
    /// The end.
    Close,
}

/// A connection's end of the engine.
pub struct Mailbox {
    /// The session.
    pub id: SessionId,
    /// What to send, up to [`Outgoing::Close`].
    pub outbox: mpsc::Receiver<Outgoing>,
    /// Rung when the session may be read from again.
    pub resume: Arc<Notify>,
    /// Rung when the connection took too little of what it was sent: nothing more is worth waiting for.
    pub cut: Arc<Notify>,
}

/// The shell.
pub struct Engine {
    inner: Mutex<Inner>,
    started: Instant,
}

struct Inner {
    relay: Relay,
    peers: HashMap<SessionId, Peer>,
    /// None once the engine is stopped.
    disk: Option<Disk>,
}

struct Disk {
    writer: Sender<Job>,
    reader: Sender<Job>,
}

struct Peer {
    outbox: mpsc::Sender<Outgoing>,
    resume: Arc<Notify>,
    cut: Arc<Notify>,
}

/// The other ends of the disk's queues.
pub struct Queues {
    /// Changes, and what must be seen in order with them.
    pub writer: Receiver<Job>,
    /// Reads.
    pub reader: Receiver<Job>,
}

impl Engine {
    /// An engine without sessions, and the queues that somebody has to work on.
    pub fn new(policy: Policy) -> (Arc<Self>, Queues) {
        let (writer, writer_jobs) = std::sync::mpsc::channel();
        let (reader, reader_jobs) = std::sync::mpsc::channel();
        let disk = Some(Disk { writer, reader });
        let inner = Inner { relay: Relay::new(policy), peers: HashMap::new(), disk };
        let engine = Self { inner: Mutex::new(inner), started: Instant::now() };
        (Arc::new(engine), Queues { writer: writer_jobs, reader: reader_jobs })
    }

    /// Milliseconds since the start.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A handshake is done.
    pub fn arrive(&self, arrival: Arrival) -> Mailbox {
        let (outbox, outgoing) = mpsc::channel(OUTBOX_MAX);
        let (resume, cut) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let mut inner = self.lock();
        let id = inner.relay.handle_arrival(arrival);
        inner.peers.insert(id, Peer { outbox, resume: resume.clone(), cut: cut.clone() });
        inner.carry_out();
        Mailbox { id, outbox: outgoing, resume, cut }
    }

    /// A connection is gone.
    pub fn depart(&self, id: SessionId) {
        self.with(|relay, _| relay.handle_departure(id));
        self.lock().peers.remove(&id);
    }

    /// A message has come.
    pub fn message(&self, id: SessionId, message: ToRelay) -> Reading {
        self.with(|relay, now_ms| relay.handle_message(id, message, now_ms))
    }

    /// A piece of a message has come.
    pub fn sign_of_life(&self, id: SessionId) {
        self.with(|relay, now_ms| relay.handle_sign_of_life(id, now_ms));
    }

    /// Something else has come.
    pub fn garbage(&self, id: SessionId, code: ErrorCode) {
        self.with(|relay, _| relay.handle_garbage(id, code));
    }

    /// The session needs a new handshake.
    pub fn spent(&self, id: SessionId) {
        self.with(|relay, _| relay.handle_spent(id));
    }

    /// Time has passed.
    pub fn tick(&self) {
        self.with(Relay::handle_time);
    }

    /// A transaction is done.
    pub fn written(&self, batch: Batch) {
        self.with(|relay, now_ms| relay.handle_batch(batch, now_ms));
    }

    /// A read is done.
    pub fn read(&self, done: Done) {
        self.with(|relay, now_ms| relay.handle_done(done, now_ms));
    }

    /// Tells everybody, and gives nothing more to the disk. What it was given before is still carried out.
    pub fn stop(&self) {
        self.with(|relay, _| relay.shut_down());
        self.lock().disk = None;
    }

    /// How many sessions there are.
    pub fn session_count(&self) -> usize {
        self.lock().relay.session_count()
    }

    fn with<T>(&self, input: impl FnOnce(&mut Relay, u64) -> T) -> T {
        let mut inner = self.lock();
        // Within the lock, so that time does not go back from one input to the next.
        let now_ms = self.now_ms();
        let result = input(&mut inner.relay, now_ms);
        inner.carry_out();
        result
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // The machine does not panic; if it did, sessions would end one by one rather than all of them at once.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn carry_out(&mut self) {
        while let Some(output) = self.relay.poll_output() {
            match output {
                Output::Send(id, message) => self.post(id, Outgoing::Message(Box::new(message))),
                Output::Close(id) => {
                    self.post(id, Outgoing::Close);
                    self.peers.remove(&id);
                }
                Output::Resume(id) => {
                    if let Some(peer) = self.peers.get(&id) {
                        peer.resume.notify_one();
                    }
                }
                Output::Ask(job) => self.ask(job),
            }
        }
    }

    /// A connection that does not take what it is sent is cut off.
    fn post(&mut self, id: SessionId, outgoing: Outgoing) {
        let Some(peer) = self.peers.get(&id) else { return };
        if peer.outbox.try_send(outgoing).is_err() {
            peer.cut.notify_one();
            self.peers.remove(&id);
            self.relay.handle_departure(id);
        }
    }

    fn ask(&mut self, job: Job) {
        let Some(disk) = &self.disk else { return };
        let queue = if matches!(job.work, Work::Read { .. }) { &disk.reader } else { &disk.writer };
        if queue.send(job).is_err() {
            tracing::error!("nobody works for the disk any more");
        }
    }
}
