//! A relay: the production protocol over a log that can lose what was not committed, refuse, or be put back from a backup.
//!
//! It knows sessions and time, and nothing of the network between: that is [`crate::world`].

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use caro_link::{
    identity::{Signer, StaticKey},
    proof,
};
use caro_relay::{
    limits::Limits,
    log::{Change, Log, LogReader, memory::MemoryLog},
    protocol::{Arrival, Output, Policy, Reading, Relay as Protocol, SessionId},
    quota::Quota,
    registration::Registration,
    store::{Job, Notary, Work, read, write},
};
use caro_schema::{
    id::{CellId, Generation, Handle, Hash, RelayKey},
    relay::{Accepted, Entry, ToDevice, ToRelay, list::DeviceList},
};

use crate::{sabotage::Sabotage, shelf::Shelf};

/// When a relay loses power, seen from a request that it works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PowerCut {
    /// Before anything of it is written.
    BeforeCommit,
    /// When it is written and nobody has been told.
    BeforeAck,
    /// When half of the acknowledgements are on their way and half are not: in the next transaction that has two.
    MidAck,
}

/// A relay.
pub struct Relay {
    /// Whether the program runs.
    pub(crate) is_up: bool,
    protocol: Protocol,
    log: Shelf,
    /// The log as it is on a disk that acknowledges too early.
    safe: Option<MemoryLog>,
    notary: Notary,
    signer: Arc<Signer>,
    key: StaticKey,
    jobs: VecDeque<Job>,
    /// What is to be delivered, by session.
    pub(crate) outgoing: BTreeMap<SessionId, VecDeque<ToDevice>>,
    pub(crate) closing: Vec<SessionId>,
    /// Cells that a device heard an acknowledgement of, with their cursors in the present life of the log.
    pub acknowledged: BTreeMap<CellId, u64>,
    /// Cells that were acknowledged with two different cursors in one life of the log.
    pub moved: u64,
    /// Lives of its log: one more each time that it was put back and its owner said so.
    pub lives: u64,
    /// Changes that were committed.
    pub commits: u64,
    cut_at: Option<PowerCut>,
    /// How often the power went at each moment that somebody chose.
    cuts: BTreeMap<PowerCut, u64>,
    limits: Limits,
    sabotage: Option<Sabotage>,
}

impl Relay {
    pub(crate) fn new(number: u8, sabotage: Option<Sabotage>) -> Self {
        let signer = Arc::new(Signer::from_seed(&[6 + number; 32]));
        let generation = Generation([1 + number; 16]);
        let log = MemoryLog::new(generation);
        let limits = Limits::default();
        Self {
            is_up: true,
            protocol: protocol(&signer, &limits),
            safe: early(sabotage, &log),
            log: Shelf::new(log, sabotage),
            notary: Notary::new(signer.clone(), generation),
            signer,
            key: StaticKey::from_bytes(&[40 + number; 32]),
            jobs: VecDeque::new(),
            outgoing: BTreeMap::new(),
            closing: Vec::new(),
            acknowledged: BTreeMap::new(),
            moved: 0,
            lives: 1,
            commits: 0,
            cut_at: None,
            cuts: BTreeMap::new(),
            limits,
            sabotage,
        }
    }

    /// Its key for sessions.
    pub fn static_key(&self) -> &StaticKey {
        &self.key
    }

    /// The public half, by which devices know it.
    pub fn key(&self) -> RelayKey {
        RelayKey(self.key.public())
    }

    /// A connection whose handshake is done.
    pub(crate) fn arrive(&mut self, device: [u8; 32], handshake: Hash, now_ms: u64) -> SessionId {
        let id = self.protocol.handle_arrival(Arrival { device, handshake, origin: 1, accepted_ms: now_ms });
        self.outgoing.insert(id, VecDeque::new());
        self.take_outputs();
        id
    }

    pub(crate) fn depart(&mut self, id: SessionId) {
        if self.sabotage != Some(Sabotage::LeakSession) {
            self.protocol.handle_departure(id);
        }
        self.outgoing.remove(&id);
        self.take_outputs();
    }

    /// Whether a session is still open.
    pub(crate) fn has(&self, id: SessionId) -> bool {
        self.outgoing.contains_key(&id)
    }

    pub(crate) fn message(&mut self, id: SessionId, message: ToRelay, now_ms: u64) {
        // What is held is read later in the program; here nothing else waits in the session's way.
        let (Reading::On | Reading::Held) = self.protocol.handle_message(id, message, now_ms);
        self.take_outputs();
    }

    /// Bytes came that are no message.
    pub(crate) fn garbage(&mut self, id: SessionId) {
        self.protocol.handle_garbage(id, caro_schema::relay::ErrorCode::Malformed);
        self.take_outputs();
    }

    pub(crate) fn time(&mut self, now_ms: u64) {
        self.protocol.handle_time(now_ms);
        self.take_outputs();
    }

    /// When it has something to do by itself.
    pub(crate) fn wake_at_ms(&self) -> Option<u64> {
        self.protocol.wake_at_ms().filter(|_| self.is_up)
    }

    /// Works on what was asked of the log: all of it is one transaction. False when the power went; then what it had sent
    /// by that time is in its queues, and nothing else.
    pub(crate) fn work(&mut self, now_ms: u64) -> bool {
        if self.jobs.is_empty() {
            return true;
        }
        self.log.next_round();
        let jobs: Vec<Job> = self.jobs.drain(..).collect();
        let (reads, changes): (Vec<Job>, Vec<Job>) =
            jobs.into_iter().partition(|job| matches!(job.work, Work::Read { .. }));
        let writes = changes.iter().any(|job| matches!(job.work, Work::Change(_)));
        let cut = if writes { self.cut_at.take() } else { None };
        if cut == Some(PowerCut::BeforeCommit) {
            return self.lose_power(PowerCut::BeforeCommit, BTreeMap::new());
        }
        let batch = write(&mut self.log, &self.notary, changes);
        if writes {
            self.commits += 1;
            // A disk that acknowledges early has only every third commit safe.
            if let Some(safe) = self.safe.as_mut().filter(|_| self.commits.is_multiple_of(3)) {
                *safe = self.log.backup();
            }
        }
        if cut == Some(PowerCut::BeforeAck) {
            return self.lose_power(PowerCut::BeforeAck, BTreeMap::new());
        }
        self.protocol.handle_batch(batch, now_ms);
        for job in reads {
            let done = read(&mut self.log, &self.notary, job);
            self.protocol.handle_done(done, now_ms);
        }
        self.take_outputs();
        if cut == Some(PowerCut::MidAck) {
            if let Some(sent) = self.half_of_the_acks() {
                return self.lose_power(PowerCut::MidAck, sent);
            }
            self.cut_at = cut;
        }
        true
    }

    /// What is sent when half of the acknowledgements are: nothing after the last of those. None when there are not two.
    fn half_of_the_acks(&self) -> Option<BTreeMap<SessionId, VecDeque<ToDevice>>> {
        let is_ack = |message: &&ToDevice| matches!(message, ToDevice::Ack { .. });
        let mut left = self.outgoing.values().flatten().filter(is_ack).count() / 2;
        if left == 0 {
            return None;
        }
        let mut goes = |message: &&ToDevice| {
            let goes = left > 0;
            left -= usize::from(goes && is_ack(message));
            goes
        };
        let queues = self.outgoing.iter();
        Some(queues.map(|(id, queue)| (*id, queue.iter().take_while(&mut goes).cloned().collect())).collect())
    }

    fn lose_power(&mut self, at: PowerCut, sent: BTreeMap<SessionId, VecDeque<ToDevice>>) -> bool {
        *self.cuts.entry(at).or_default() += 1;
        self.crash();
        self.outgoing = sent;
        false
    }

    /// How often the power went at this moment.
    pub fn cuts(&self, at: PowerCut) -> u64 {
        self.cuts.get(&at).copied().unwrap_or(0)
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.protocol.poll_output() {
            match output {
                Output::Send(id, message) => {
                    if let Some(queue) = self.outgoing.get_mut(&id) {
                        queue.push_back(message);
                    }
                }
                Output::Close(id) => self.closing.push(id),
                Output::Resume(_) => {}
                Output::Ask(job) => self.jobs.push_back(job),
            }
        }
    }

    /// Whether something waits for the disk.
    pub(crate) fn is_busy(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// The power goes while the next change is worked on.
    pub fn cut_power(&mut self, at: PowerCut) {
        self.cut_at = Some(at);
    }

    /// The next so many transactions find no room on the disk.
    pub fn refuse_commits(&mut self, count: u32) {
        self.log.refuse(count);
    }

    /// Loses everything that is not on the disk, and starts again.
    pub(crate) fn crash(&mut self) {
        if let Some(safe) = &self.safe {
            self.log.replace(safe.backup());
        }
        self.forget_sessions();
    }

    fn forget_sessions(&mut self) {
        self.protocol = protocol(&self.signer, &self.limits);
        self.jobs.clear();
        self.outgoing.clear();
        self.closing.clear();
    }

    /// A device heard an acknowledgement.
    pub(crate) fn has_acknowledged(&mut self, cells: &[Accepted]) {
        for accepted in cells {
            let before = self.acknowledged.insert(accepted.cell, accepted.cursor);
            self.moved += u64::from(before.is_some_and(|before| before != accepted.cursor));
        }
    }

    /// The cursors that were given out, as devices heard of them.
    pub fn cursors(&self) -> impl Iterator<Item = u64> {
        self.acknowledged.values().copied()
    }

    /// A copy of its database, as it is now.
    pub fn backup(&self) -> MemoryLog {
        self.log.backup()
    }

    /// Puts a database in the place of the present one, in a new life when its owner says so (`caro-relay renew`).
    pub(crate) fn replace(&mut self, log: MemoryLog) {
        self.notary = Notary::new(self.signer.clone(), log.generation());
        self.safe = early(self.sabotage, &log);
        if log.generation() != self.log.generation() {
            // Another life: what was acknowledged has to be offered again, and gets other cursors.
            self.acknowledged.clear();
            self.lives += 1;
        }
        self.log.replace(log);
        self.forget_sessions();
    }

    /// Puts other cells in the place of those of an account, with the same list, in the same life.
    pub(crate) fn rewrite(&mut self, handle: &Handle, cells: Vec<Vec<u8>>) {
        let account = self.log.account(handle).expect("a log in memory").expect("an account");
        let mut log = MemoryLog::new(self.log.generation());
        let cells = cells.into_iter().map(|cell| (proof::cell_id(&cell), cell.into())).collect();
        let list = account.list;
        let changes = vec![
            Change::Create { account: account.public, list, accounts_max: 1, invitation: None },
            Change::Append { handle: *handle, cells, quota: Quota::default() },
        ];
        let changed = log.commit(changes).expect("a log in memory");
        assert_eq!(changed.len(), 2);
        self.replace(log);
    }

    /// The device list of an account.
    pub(crate) fn list(&mut self, handle: &Handle) -> DeviceList {
        let account = self.log.account(handle).expect("a log in memory").expect("an account");
        DeviceList::decode(&account.list.list).expect("it was verified")
    }

    /// What the log of an account holds, in the order of its cursors.
    pub fn entries(&self, handle: &Handle) -> Vec<Entry> {
        self.log.entries(handle)
    }

    /// Open sessions.
    pub fn session_count(&self) -> usize {
        self.protocol.session_count()
    }

    /// Requests that nobody has answered.
    pub fn pending_count(&self) -> usize {
        self.protocol.pending_count()
    }
}

fn early(sabotage: Option<Sabotage>, log: &MemoryLog) -> Option<MemoryLog> {
    (sabotage == Some(Sabotage::AckBeforeCommit)).then(|| log.backup())
}

fn protocol(signer: &Signer, limits: &Limits) -> Protocol {
    let signer = Hash(signer.public());
    Protocol::new(Policy::durable(limits.clone(), Registration::Open, signer))
}
