//! The relay: the production protocol over a log that can lose what was not committed.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use caro_link::identity::Signer;
use caro_relay::{
    limits::Limits,
    log::{LogReader, memory::MemoryLog},
    protocol::{Arrival, Output, Policy, Reading, Relay as Protocol, SessionId},
    registration::Registration,
    store::{Job, Notary, Work, read, write},
};
use caro_schema::{
    id::{CellId, Generation, Handle, Hash},
    relay::{ToDevice, ToRelay},
};

use crate::sabotage::Sabotage;

/// When a relay loses power, seen from a request that it works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCut {
    /// Before anything of it is written.
    BeforeCommit,
    /// When it is written and nobody has been told.
    BeforeAck,
    /// When some of the answers are on their way and some are not.
    MidAck,
}

/// A relay.
pub struct Relay {
    protocol: Protocol,
    log: MemoryLog,
    /// The log as it is on a disk that acknowledges too early.
    safe: MemoryLog,
    notary: Notary,
    signer: Arc<Signer>,
    jobs: VecDeque<Job>,
    /// What is to be delivered, by session.
    pub(crate) outgoing: BTreeMap<SessionId, VecDeque<ToDevice>>,
    pub(crate) closing: Vec<SessionId>,
    /// Cells that a device heard an acknowledgement of.
    pub acknowledged: Vec<CellId>,
    cut_at: Option<PowerCut>,
    sabotage: Option<Sabotage>,
    commits: u64,
}

impl Relay {
    pub(crate) fn new(sabotage: Option<Sabotage>) -> Self {
        let signer = Arc::new(Signer::from_seed(&[6; 32]));
        let generation = Generation([1; 16]);
        let log = MemoryLog::new(generation);
        Self {
            protocol: protocol(&signer),
            safe: log.backup(),
            log,
            notary: Notary::new(signer.clone(), generation),
            signer,
            jobs: VecDeque::new(),
            outgoing: BTreeMap::new(),
            closing: Vec::new(),
            acknowledged: Vec::new(),
            cut_at: None,
            sabotage,
            commits: 0,
        }
    }

    /// A connection whose handshake is done.
    pub(crate) fn arrive(&mut self, device: [u8; 32], handshake: Hash, now_ms: u64) -> SessionId {
        let id = self.protocol.handle_arrival(Arrival { device, handshake, origin: 1, accepted_ms: now_ms });
        self.outgoing.insert(id, VecDeque::new());
        self.take_outputs();
        id
    }

    pub(crate) fn depart(&mut self, id: SessionId) {
        self.protocol.handle_departure(id);
        self.outgoing.remove(&id);
        self.take_outputs();
    }

    pub(crate) fn message(&mut self, id: SessionId, message: ToRelay, now_ms: u64) {
        // What is held is read later in the program; here nothing else waits in the session's way.
        let (Reading::On | Reading::Held) = self.protocol.handle_message(id, message, now_ms);
        self.take_outputs();
    }

    pub(crate) fn time(&mut self, now_ms: u64) {
        self.protocol.handle_time(now_ms);
        self.take_outputs();
    }

    /// Works on what was asked of the log: all of it is one transaction. False when the power went.
    pub(crate) fn work(&mut self, now_ms: u64) -> bool {
        if self.jobs.is_empty() {
            return true;
        }
        let jobs: Vec<Job> = self.jobs.drain(..).collect();
        let (reads, changes): (Vec<Job>, Vec<Job>) =
            jobs.into_iter().partition(|job| matches!(job.work, Work::Read { .. }));
        let writes = changes.iter().any(|job| matches!(job.work, Work::Change(_)));
        let cut = if writes { self.cut_at.take() } else { None };
        if cut == Some(PowerCut::BeforeCommit) {
            return self.crash();
        }
        let batch = write(&mut self.log, &self.notary, changes);
        if writes {
            self.commits += 1;
            // A disk that acknowledges early has only every third commit safe.
            if self.sabotage != Some(Sabotage::AckBeforeCommit) || self.commits.is_multiple_of(3) {
                self.safe = self.log.backup();
            }
        }
        if cut == Some(PowerCut::BeforeAck) {
            return self.crash();
        }
        self.protocol.handle_batch(batch, now_ms);
        for job in reads {
            let done = read(&mut self.log, &self.notary, job);
            self.protocol.handle_done(done, now_ms);
        }
        self.take_outputs();
        if cut == Some(PowerCut::MidAck) {
            // Of each session the first half of what waits is on its way already.
            return self.crash();
        }
        true
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

    /// Loses everything that is not on the disk, and starts again. Always false, for whoever was in the middle.
    pub fn crash(&mut self) -> bool {
        self.log = self.safe.backup();
        self.protocol = protocol(&self.signer);
        self.jobs.clear();
        self.outgoing.clear();
        self.closing.clear();
        false
    }

    /// Cells that the log of an account holds, in the order of their cursors.
    pub fn cells(&self, handle: &Handle) -> Vec<Vec<u8>> {
        let mut log = self.log.backup();
        let mut cells = Vec::new();
        let room = || caro_relay::log::Room { bytes: 1 << 20, entries: 1000 };
        loop {
            let stretch = log.stretch(handle, cells.len() as u64, room()).expect("a log in memory");
            let Some(stretch) = stretch.filter(|stretch| !stretch.entries.is_empty()) else { return cells };
            for entry in stretch.entries {
                match entry {
                    caro_schema::relay::Entry::Cell(cell) => cells.push(cell.into_vec()),
                    caro_schema::relay::Entry::Own(_) | caro_schema::relay::Entry::Gone(_) => cells.push(Vec::new()),
                }
            }
        }
    }

    /// Open sessions.
    pub fn session_count(&self) -> usize {
        self.protocol.session_count()
    }
}

fn protocol(signer: &Signer) -> Protocol {
    let signer = Hash(signer.public());
    Protocol::new(Policy { limits: Limits::default(), registration: Registration::Open, signer })
}
