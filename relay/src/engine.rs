//! The program's shell around the protocol's machine: one lock, a clock, the connections' outboxes and the disk's
//! queues. Every input goes through `with`, which carries out what follows from it before the lock is given
//! back, so that the order of outputs is the machine's.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender},
    },
    time::Instant,
};

use caro_schema::{
    id::Handle,
    relay::{Entry, ErrorCode, ToDevice, ToRelay},
};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::{
    admin::{Answer, Ask, AskError},
    disk::Task,
    limits::Limits,
    log::postgres::news::{Ears, Elsewhere, Mouth, Seat},
    metrics::Metrics,
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
    waiting: Arc<Waiting>,
    /// Bytes of what was taken out last. It is held until it has left, which a slow reader can drag out for minutes.
    sending: u64,
}

impl Mailbox {
    /// What is to be sent next; none when nothing more will be. What was given before counts until then as waiting.
    pub async fn next(&mut self) -> Option<Outgoing> {
        self.waiting.take(std::mem::take(&mut self.sending));
        let outgoing = self.outbox.recv().await?;
        self.sending = weight(&outgoing);
        Some(outgoing)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.waiting.take(self.sending);
        self.outbox.close();
        while let Ok(outgoing) = self.outbox.try_recv() {
            self.waiting.take(weight(&outgoing));
        }
    }
}

/// Bytes that wait to be sent or are being sent, on one connection and on all.
struct Waiting {
    here: AtomicU64,
    total: Arc<AtomicU64>,
}

impl Waiting {
    /// Adds to both. False when that is more than either may be, and nothing was added. One thread at a time adds.
    fn add(&self, bytes: u64, limits: &Limits) -> bool {
        let fits = |waiting: &AtomicU64, max: u64| waiting.load(Ordering::Relaxed).saturating_add(bytes) <= max;
        let fits = fits(&self.here, limits.outbox_bytes_max) && fits(&self.total, limits.outbox_bytes_total);
        if fits {
            self.here.fetch_add(bytes, Ordering::Relaxed);
            self.total.fetch_add(bytes, Ordering::Relaxed);
        }
        fits
    }

    fn take(&self, bytes: u64) {
        self.here.fetch_sub(bytes, Ordering::Relaxed);
        self.total.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bytes that a message without cells counts in an outbox.
const MESSAGE_BYTES: u64 = 256;

fn weight(outgoing: &Outgoing) -> u64 {
    let Outgoing::Message(message) = outgoing else { return 0 };
    let held = match &**message {
        ToDevice::Page(page) => page
            .entries
            .iter()
            .map(|entry| 64 + if let Entry::Cell(cell) = entry { cell.len() as u64 } else { 0 })
            .sum(),
        ToDevice::Ack { cells } => cells.len() as u64 * 64,
        ToDevice::Mail { letter } => letter.len() as u64,
        _ => 0,
    };
    MESSAGE_BYTES + held
}

/// The shell.
pub struct Engine {
    inner: Mutex<Inner>,
    started: Instant,
    metrics: Arc<Metrics>,
}

struct Inner {
    relay: Relay,
    limits: Limits,
    waiting: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
    peers: HashMap<SessionId, Peer>,
    /// None once the engine is stopped.
    disk: Option<Disk>,
    /// Where what others should look at is said; none for a relay that is alone on its database.
    mouth: Option<Arc<Mouth>>,
}

struct Disk {
    /// One for each share of the accounts.
    writers: Vec<Sender<Task>>,
    reader: Sender<Job>,
}

impl Disk {
    /// To the writer that has this account: what is asked about one account is answered in order.
    fn write(&self, handle: &Handle, job: Job) -> bool {
        let share = usize::from(handle.as_bytes()[0]) % self.writers.len().max(1);
        self.writers.get(share).is_some_and(|writer| writer.send(Task::Job(job)).is_ok())
    }
}

struct Peer {
    outbox: mpsc::Sender<Outgoing>,
    resume: Arc<Notify>,
    cut: Arc<Notify>,
    waiting: Arc<Waiting>,
}

impl Peer {
    fn takes(&self, outgoing: Outgoing, limits: &Limits) -> bool {
        let bytes = weight(&outgoing);
        if !self.waiting.add(bytes, limits) {
            return false;
        }
        let taken = self.outbox.try_send(outgoing).is_ok();
        if !taken {
            self.waiting.take(bytes);
        }
        taken
    }
}

/// The other ends of the disk's queues.
pub struct Queues {
    /// Changes, and what must be seen in order with them: each share of the accounts has one.
    pub writers: Vec<Receiver<Task>>,
    /// Reads.
    pub reader: Receiver<Job>,
}

impl Engine {
    /// An engine without sessions, and the queues that somebody has to work on: so many for changes, each with its share of
    /// the accounts.
    pub fn new(policy: Policy, metrics: Arc<Metrics>, writers: usize) -> (Arc<Self>, Queues) {
        let (writers, writer_tasks) = (0..writers.max(1)).map(|_| std::sync::mpsc::channel()).unzip();
        let (reader, reader_jobs) = std::sync::mpsc::channel();
        let disk = Some(Disk { writers, reader });
        let limits = policy.limits.clone();
        let (waiting, counted) = (Arc::default(), metrics.clone());
        let inner = Inner {
            relay: Relay::new(policy),
            limits,
            waiting,
            metrics: counted,
            peers: HashMap::new(),
            disk,
            mouth: None,
        };
        let engine = Self { inner: Mutex::new(inner), started: Instant::now(), metrics };
        (Arc::new(engine), Queues { writers: writer_tasks, reader: reader_jobs })
    }

    /// From now on what happens here is told to others on the same database.
    pub fn share(&self, mouth: Arc<Mouth>) {
        let mut inner = self.lock();
        inner.mouth = Some(mouth);
        inner.relay.share();
    }

    /// Milliseconds since the start.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A handshake is done.
    pub fn arrive(&self, arrival: Arrival) -> Mailbox {
        let (resume, cut) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let mut inner = self.lock();
        let (outbox, outgoing) = mpsc::channel((inner.limits.outbox_messages_max as usize).max(1));
        let waiting = Arc::new(Waiting { here: AtomicU64::new(0), total: inner.waiting.clone() });
        let id = inner.relay.handle_arrival(arrival);
        let peer = Peer { outbox, resume: resume.clone(), cut: cut.clone(), waiting: waiting.clone() };
        inner.peers.insert(id, peer);
        inner.carry_out();
        Mailbox { id, outbox: outgoing, resume, cut, waiting, sending: 0 }
    }

    /// A connection is gone.
    pub fn depart(&self, id: SessionId) {
        self.with(|relay, _| relay.handle_departure(id));
        self.lock().peers.remove(&id);
    }

    /// A message has come.
    pub fn message(&self, id: SessionId, message: ToRelay) -> Reading {
        self.metrics.messages.add(1);
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

    /// There is no more room for the half of a message that it has sent.
    pub fn given_up(&self, id: SessionId) {
        self.with(|relay, _| relay.handle_given_up(id));
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

    /// Other limits, or another way to be admitted.
    pub fn set_policy(&self, policy: Policy) {
        self.lock().limits = policy.limits.clone();
        self.with(|relay, _| relay.handle_policy(policy));
    }

    /// Has the writer do what whoever runs the relay asks for, in order with everything else, and ends the sessions of an
    /// account that is then not to be there.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn administer(&self, ask: Ask) -> Result<Answer, AskError> {
        let shut = ask.shuts();
        let (reply, answer) = oneshot::channel();
        {
            let inner = self.lock();
            let disk = inner.disk.as_ref().ok_or(AskError::Ending)?;
            let writer = disk.writers.first().ok_or(AskError::Ending)?;
            writer.send(Task::Admin(ask, reply)).map_err(|_| AskError::Ending)?;
        }
        let answer = answer.await.map_err(|_| AskError::Ending)??;
        if let Some(handle) = shut {
            self.shut(&handle);
        }
        Ok(answer)
    }

    fn shut(&self, handle: &Handle) {
        self.with(|relay, _| relay.handle_shut(handle));
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

    /// Bytes that wait to be sent or are being sent, and requests that wait for the disk.
    pub fn waiting(&self) -> (u64, usize) {
        let inner = self.lock();
        (inner.waiting.load(Ordering::Relaxed), inner.relay.pending_count())
    }

    /// Whether it has been stopped.
    pub fn is_stopped(&self) -> bool {
        self.lock().disk.is_none()
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
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

impl Ears for Engine {
    fn accounts(&self) -> Vec<Handle> {
        self.lock().relay.accounts()
    }

    fn seats(&self, handle: &Handle) -> Vec<Seat> {
        self.lock().relay.seats(handle)
    }

    fn rumour(&self, handle: Handle) {
        self.with(|relay, _| relay.handle_rumour(handle));
    }

    fn elsewhere(&self, handle: Handle, seats: Elsewhere) {
        self.with(|relay, _| relay.handle_elsewhere(&handle, seats));
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
        while let Some(handle) = self.relay.poll_told() {
            if let Some(mouth) = &self.mouth {
                mouth.say(handle);
            }
        }
    }

    /// A connection that does not take what it is sent is cut off.
    fn post(&mut self, id: SessionId, outgoing: Outgoing) {
        let Some(peer) = self.peers.get(&id) else { return };
        self.metrics.said(&outgoing);
        if !peer.takes(outgoing, &self.limits) {
            self.metrics.cut_off.add(1);
            peer.cut.notify_one();
            self.peers.remove(&id);
            self.relay.handle_departure(id);
        }
    }

    fn ask(&mut self, job: Job) {
        let Some(disk) = &self.disk else { return };
        let sent = match job.work {
            Work::Read { .. } => disk.reader.send(job).is_ok(),
            Work::Look { handle, .. } => disk.write(&handle, job),
            Work::Change(ref change) => disk.write(&change.handle(), job),
        };
        if !sent {
            tracing::error!("nobody works for the disk any more");
        }
    }
}

#[cfg(test)]
mod tests {
    use caro_schema::id::Hash;

    use super::*;
    use crate::registration::Registration;

    #[tokio::test]
    async fn a_res_04_what_is_being_sent_counts_until_it_has_left() {
        let policy = Policy::durable(Limits::default(), Registration::Open, Hash([0; 32]));
        let (engine, _queues) = Engine::new(policy, Arc::default(), 1);
        let arrival = || Arrival { device: [1; 32], handshake: Hash([2; 32]), origin: 1, accepted_ms: 0 };
        let (mut sending, mut gone) = (engine.arrive(arrival()), engine.arrive(arrival()));
        // Both are told, and have the end behind it.
        engine.stop();
        assert_eq!(engine.waiting().0, 2 * MESSAGE_BYTES);
        for mailbox in [&mut sending, &mut gone] {
            assert!(matches!(mailbox.next().await, Some(Outgoing::Message(_))));
        }
        assert_eq!(engine.waiting().0, 2 * MESSAGE_BYTES);
        // It has left when the next is asked for, and is let go of with the connection.
        assert!(matches!(sending.next().await, Some(Outgoing::Close)));
        assert_eq!(engine.waiting().0, MESSAGE_BYTES);
        drop(gone);
        assert_eq!(engine.waiting().0, 0);
    }
}
