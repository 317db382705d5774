//! The honest relay inside, and what whoever runs it can do: its keys and its database are theirs.
//!
//! The production protocol over a log in memory. A fork is two of them; a rewritten past is another log under the same
//! generation; everything that was ever pushed is kept aside, so that the relay can tell the truth again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use caro_link::{identity::Signer, proof};
use caro_relay::{
    limits::Limits,
    log::{Change, Log, LogReader, Room, memory::MemoryLog},
    protocol::{Arrival, Output, Policy, Relay as Protocol, SessionId},
    quota::Quota,
    registration::Registration,
    store::{Batch, Job, Notary, Ticket, Work, read, write},
};
use caro_schema::{
    id::{CellId, Generation, Handle, Hash},
    relay::{Entry, ErrorCode, Page, Position, ToDevice, ToRelay, list::SignedList},
};
use serde_bytes::ByteBuf;

use super::behaviour::{Act, Behaviour, HONEST, Heard};

/// One connection, as a behaviour sees it.
#[derive(Clone)]
pub struct Caller {
    /// Its session at the honest relay.
    pub id: CallerId,
    /// The device's key.
    pub device: [u8; 32],
    /// The account that it named.
    pub handle: Option<Handle>,
    /// Whether it came with the phrase, to join.
    pub joins: bool,
    /// Messages that it was sent so far.
    pub said: u64,
}

/// Which connection: the relay inside that serves it, and its session there.
pub type CallerId = (usize, SessionId);

/// What is to be done, and to whom.
pub type Acts = Vec<(CallerId, Act)>;

/// The liar.
pub struct Relay {
    /// How it behaves now.
    pub behaviour: &'static Behaviour,
    /// Messages of devices that it has heard.
    pub heard: u64,
    /// What it refuses with, where its behaviour is to refuse.
    pub code: ErrorCode,
    /// Heads of a past that never was, by account and cursor.
    pub faked: BTreeMap<(Handle, u64), Hash>,
    /// Cells and pages that a behaviour keeps for later.
    pub kept: Vec<ToDevice>,
    /// Counts what a behaviour wants counted.
    pub count: u64,
    /// Never empty. A number is never used again, so that what an earlier connection still asks for finds nobody.
    inside: BTreeMap<usize, Inside>,
    callers: HashMap<CallerId, Caller>,
    /// Each device and the relay inside that serves it, in the order in which they came.
    served: Vec<([u8; 32], usize)>,
    /// Devices that came back to the account, in the order in which each did first.
    members: Vec<[u8; 32]>,
    /// Everything that was ever pushed, by account, in the order in which it came.
    truth: Truth,
    signer: Arc<Signer>,
    generation: Generation,
    started: Instant,
    /// What the behaviour does beside answering.
    pending: Acts,
}

#[derive(Default)]
struct Truth {
    accounts: Vec<(Handle, Hash)>,
    lists: HashMap<Handle, SignedList>,
    first_lists: HashMap<Handle, SignedList>,
    cells: Vec<(Handle, ByteBuf)>,
}

/// One honest relay.
struct Inside {
    protocol: Protocol,
    log: MemoryLog,
    notary: Notary,
    jobs: Vec<Job>,
    /// Tickets of what the liar does itself, far above those of the protocol.
    own: u64,
}

impl Relay {
    pub(super) fn new() -> Self {
        let signer = Arc::new(Signer::from_seed(&[6; 32]));
        let generation = Generation([1; 16]);
        let inside = Inside::new(&signer, generation, MemoryLog::new(generation));
        Self {
            behaviour: &HONEST,
            heard: 0,
            code: ErrorCode::Malformed,
            faked: BTreeMap::new(),
            kept: Vec::new(),
            count: 0,
            inside: BTreeMap::from([(0, inside)]),
            callers: HashMap::new(),
            served: Vec::new(),
            members: Vec::new(),
            truth: Truth::default(),
            signer,
            generation,
            started: Instant::now(),
            pending: Vec::new(),
        }
    }

    // What the sockets do.

    pub(super) fn arrive(&mut self, device: [u8; 32], handshake: Hash) -> CallerId {
        let at = match self.served.iter().find(|(known, _)| *known == device) {
            Some((_, at)) => *at,
            None => {
                let first = self.first();
                self.served.push((device, first));
                first
            }
        };
        let accepted_ms = self.now_ms();
        let at = if self.inside.contains_key(&at) { at } else { self.first() };
        let arrival = Arrival { device, handshake, origin: 1, accepted_ms };
        let session = self.inside.get_mut(&at).expect("there").protocol.handle_arrival(arrival);
        let id = (at, session);
        self.callers.insert(id, Caller { id, device, handle: None, joins: false, said: 0 });
        id
    }

    pub(super) fn depart(&mut self, id: CallerId) {
        self.callers.remove(&id);
        if let Some(inside) = self.inside.get_mut(&id.0) {
            inside.protocol.handle_departure(id.1);
        }
    }

    /// A device said something. Gives what follows, for any connection.
    pub(super) fn message(&mut self, id: CallerId, message: ToRelay) -> Acts {
        self.heard += 1;
        let Some(caller) = self.callers.get_mut(&id) else { return Vec::new() };
        caller.note(&message);
        let caller = caller.clone();
        if matches!(message, ToRelay::Hello { .. }) && !self.members.contains(&caller.device) {
            self.members.push(caller.device);
        }
        let mut acts = std::mem::take(&mut self.pending);
        match (self.behaviour.hear)(self, &caller, message) {
            Heard::Answer(answer) => acts.extend(answer.into_iter().map(|act| (id, act))),
            Heard::On(message) => {
                self.truth.note(&caller, &message);
                let now_ms = self.now_ms();
                if let Some(inside) = self.inside.get_mut(&id.0) {
                    // What is held is read later in the program; here nothing else waits in the session's way.
                    let _reading = inside.protocol.handle_message(id.1, message, now_ms);
                }
            }
        }
        acts.extend(self.settle());
        acts
    }

    /// Works on everything that was asked of the logs. Gives what follows.
    pub(super) fn settle(&mut self) -> Acts {
        let now_ms = self.now_ms();
        let mut acts = std::mem::take(&mut self.pending);
        let numbers: Vec<usize> = self.inside.keys().copied().collect();
        for at in numbers {
            let outputs = self.inside.get_mut(&at).map(|inside| inside.work(now_ms)).unwrap_or_default();
            for output in outputs {
                match output {
                    Output::Send(session, message) => {
                        let said = self.say((at, session), message);
                        acts.extend(said.into_iter().map(|act| ((at, session), act)));
                    }
                    Output::Close(session) => acts.push(((at, session), Act::Close)),
                    Output::Resume(_) | Output::Ask(_) => {}
                }
            }
        }
        acts
    }

    fn say(&mut self, id: CallerId, mut message: ToDevice) -> Vec<Act> {
        let Some(caller) = self.callers.get_mut(&id) else { return Vec::new() };
        caller.said += 1;
        let caller = caller.clone();
        // Whoever rewrites the past keeps to what it has said of it.
        if let (ToDevice::Welcome { position, .. }, Some(handle)) = (&mut message, caller.handle)
            && let Some(head) = self.faked.get(&(handle, position.cursor))
        {
            *position = self.sign(&handle, position.cursor, *head);
        }
        (self.behaviour.say)(self, &caller, message)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    // What whoever runs it can do.

    /// The one account.
    pub fn account(&self) -> Option<Handle> {
        self.truth.accounts.first().map(|(handle, _)| *handle)
    }

    /// The first device list of an account: an old one, once there is another.
    pub fn first_list(&self, handle: &Handle) -> Option<SignedList> {
        self.truth.first_lists.get(handle).cloned()
    }

    /// Signs whatever position it likes.
    pub fn sign(&self, handle: &Handle, cursor: u64, head: Hash) -> Position {
        self.sign_life(self.generation, handle, cursor, head)
    }

    /// The same, in a life of its choice.
    pub fn sign_life(&self, generation: Generation, handle: &Handle, cursor: u64, head: Hash) -> Position {
        proof::sign_position(&self.signer, handle, generation, cursor, head)
    }

    /// The last cursor of an account.
    pub fn end(&mut self, handle: &Handle) -> u64 {
        self.front().log.account(handle).ok().flatten().map_or(0, |account| account.cursor)
    }

    /// The head at a cursor, as far as it was shown to anybody.
    pub fn head(&mut self, handle: &Handle, cursor: u64) -> Hash {
        if let Some(head) = self.faked.get(&(*handle, cursor)) {
            return *head;
        }
        let nothing = Room { bytes: 0, entries: 0 };
        let stretch = self.front().log.stretch(handle, cursor, nothing).ok().flatten();
        stretch.map_or(Hash([0; 32]), |stretch| stretch.head)
    }

    /// A page with other entries in the same places, and a chain that fits them.
    pub fn altered(&mut self, caller: &Caller, page: Page, alter: impl Fn(usize, Entry) -> Entry) -> ToDevice {
        let Some(handle) = caller.handle else { return ToDevice::Page(page) };
        let entries: Vec<Entry> = page.entries.into_iter().enumerate().map(|(at, entry)| alter(at, entry)).collect();
        ToDevice::Page(self.paged(&handle, page.after, entries, page.more))
    }

    /// A message of the honest relay, with a chain that continues what was shown before.
    pub fn continued(&mut self, caller: &Caller, message: ToDevice) -> ToDevice {
        match message {
            ToDevice::Page(page) => self.altered(caller, page, |_, entry| entry),
            other => other,
        }
    }

    /// A page of any entries, with a chain that fits them and is remembered.
    pub fn paged(&mut self, handle: &Handle, after: u64, entries: Vec<Entry>, more: bool) -> Page {
        let mut head = self.head(handle, after);
        for (cursor, entry) in (after + 1..).zip(&entries) {
            head = proof::chain_head(&head, cursor, &id_of(entry));
            self.faked.insert((*handle, cursor), head);
        }
        let position = self.sign(handle, after + entries.len() as u64, head);
        Page { after, entries, position, more }
    }

    /// The first cell that the account ever had: an entry of its key log.
    pub fn oldest_cell(&self, caller: &Caller) -> Option<ByteBuf> {
        self.all_cells(caller).into_iter().next()
    }

    /// All cells that the caller's account ever had.
    pub fn all_cells(&self, caller: &Caller) -> Vec<ByteBuf> {
        caller.handle.map(|handle| self.truth.of(&handle)).unwrap_or_default()
    }

    /// How many cells were ever pushed.
    pub fn pushed(&self) -> usize {
        self.truth.cells.len()
    }

    /// Whether this is the account's first device.
    pub fn is_first(&self, caller: &Caller) -> bool {
        self.members.first() == Some(&caller.device)
    }

    /// Stores what a device pushes also where every other one looks.
    pub fn show_others(&mut self, caller: &Caller, cells: Vec<ByteBuf>) {
        let Some(handle) = caller.handle else { return };
        let now_ms = self.now_ms();
        let named: Vec<(CellId, ByteBuf)> = cells.into_iter().map(|cell| (proof::cell_id(&cell), cell)).collect();
        for (_, inside) in self.inside.iter_mut().filter(|(at, _)| **at != caller.id.0) {
            inside.append(handle, named.clone(), now_ms);
        }
    }

    /// Somebody else pushes.
    pub fn append(&mut self, handle: Handle, cells: Vec<ByteBuf>) {
        self.truth.cells.extend(cells.iter().map(|cell| (handle, cell.clone())));
        let now_ms = self.now_ms();
        let named: Vec<(CellId, ByteBuf)> = cells.into_iter().map(|cell| (proof::cell_id(&cell), cell)).collect();
        for inside in self.inside.values_mut() {
            inside.append(handle, named.clone(), now_ms);
        }
    }

    /// Shows another log from now on: these cells, in this order, under the same life.
    pub fn replace_log(&mut self, choose: impl Fn(Vec<ByteBuf>) -> Vec<ByteBuf>) {
        let Some((handle, public)) = self.truth.accounts.first().copied() else { return };
        let cells = choose(self.truth.of(&handle));
        let log = self.log_of(self.generation, handle, public, cells);
        self.restart(vec![log]);
    }

    /// From now on each device sees a log of its own: everything up to here, and what it pushes itself.
    pub fn fork(&mut self) {
        let Some((handle, public)) = self.truth.accounts.first().copied() else { return };
        let logs: Vec<MemoryLog> = (0..self.served.len().max(1))
            .map(|_| self.log_of(self.generation, handle, public, self.truth.of(&handle)))
            .collect();
        self.restart(logs);
        for (served, at) in self.served.iter_mut().zip(self.inside.keys()) {
            served.1 = *at;
        }
    }

    /// Everything that was ever pushed, for everybody.
    pub(super) fn tell_the_truth(&mut self) {
        let Some((handle, public)) = self.truth.accounts.first().copied() else { return };
        let log = self.log_of(self.generation, handle, public, self.truth.of(&handle));
        self.faked.clear();
        self.kept.clear();
        self.restart(vec![log]);
    }

    /// A new life of the database.
    pub(super) fn renew(&mut self) {
        self.generation.0[0] = self.generation.0[0].wrapping_add(1);
        self.tell_the_truth();
    }

    fn restart(&mut self, logs: Vec<MemoryLog>) {
        let next = self.inside.keys().next_back().map_or(0, |last| last + 1);
        let fresh = logs.into_iter().map(|log| Inside::new(&self.signer, self.generation, log));
        self.inside = (next..).zip(fresh).collect();
        self.callers.clear();
        let first = self.first();
        for served in &mut self.served {
            served.1 = first;
        }
    }

    fn first(&self) -> usize {
        *self.inside.keys().next().expect("never empty")
    }

    fn front(&mut self) -> &mut Inside {
        self.inside.values_mut().next().expect("never empty")
    }

    fn log_of(&self, generation: Generation, handle: Handle, public: Hash, cells: Vec<ByteBuf>) -> MemoryLog {
        let mut log = MemoryLog::new(generation);
        let Some(list) = self.truth.lists.get(&handle).cloned() else { return log };
        let named = cells.into_iter().map(|cell| (proof::cell_id(&cell), cell)).collect();
        let changes = vec![
            Change::Create { account: public, list, accounts_max: u64::MAX, invitation: None },
            Change::Append { handle, cells: named, quota: Quota::default() },
        ];
        log.commit(changes).expect("a log in memory");
        log
    }
}

/// What an entry adds to the chain.
pub fn id_of(entry: &Entry) -> CellId {
    match entry {
        Entry::Cell(cell) => proof::cell_id(cell),
        Entry::Own(id) | Entry::Gone(id) => *id,
    }
}

impl Caller {
    fn note(&mut self, message: &ToRelay) {
        match message {
            ToRelay::Hello { handle } => self.handle = Some(*handle),
            ToRelay::Create { account, .. } => self.handle = Some(proof::handle_of(account)),
            ToRelay::Attach { account, .. } => {
                self.handle = Some(proof::handle_of(account));
                self.joins = true;
            }
            _ => {}
        }
    }
}

impl Truth {
    fn of(&self, handle: &Handle) -> Vec<ByteBuf> {
        self.cells.iter().filter(|(of, _)| of == handle).map(|(_, cell)| cell.clone()).collect()
    }

    fn note(&mut self, caller: &Caller, message: &ToRelay) {
        let Some(handle) = caller.handle else { return };
        match message {
            ToRelay::Create { account, list, .. } => {
                self.accounts.push((handle, *account));
                self.lists.insert(handle, list.clone());
                self.first_lists.insert(handle, list.clone());
            }
            ToRelay::SetList { list } => drop(self.lists.insert(handle, list.clone())),
            ToRelay::Push { cells } => {
                for cell in cells {
                    if !self.cells.iter().any(|(of, known)| *of == handle && known == cell) {
                        self.cells.push((handle, cell.clone()));
                    }
                }
            }
            _ => {}
        }
    }
}

impl Inside {
    fn new(signer: &Arc<Signer>, generation: Generation, log: MemoryLog) -> Self {
        let policy = Policy::durable(Limits::default(), Registration::Open, Hash(signer.public()));
        Self {
            protocol: Protocol::new(policy),
            log,
            notary: Notary::new(signer.clone(), generation),
            jobs: Vec::new(),
            own: 1 << 62,
        }
    }

    /// Lets everything happen that can. Gives what is to be sent, in order.
    fn work(&mut self, now_ms: u64) -> Vec<Output> {
        let mut outputs = Vec::new();
        loop {
            while let Some(output) = self.protocol.poll_output() {
                match output {
                    Output::Ask(job) => self.jobs.push(job),
                    other => outputs.push(other),
                }
            }
            if self.jobs.is_empty() {
                return outputs;
            }
            let (reads, changes): (Vec<Job>, Vec<Job>) =
                self.jobs.drain(..).partition(|job| matches!(job.work, Work::Read { .. }));
            let batch = write(&mut self.log, &self.notary, changes);
            self.protocol.handle_batch(batch, now_ms);
            for job in reads {
                let done = read(&mut self.log, &self.notary, job);
                self.protocol.handle_done(done, now_ms);
            }
        }
    }

    fn append(&mut self, handle: Handle, cells: Vec<(CellId, ByteBuf)>, now_ms: u64) {
        self.own += 1;
        let change = Change::Append { handle, cells, quota: Quota::default() };
        let job = Job { ticket: Ticket(self.own), work: Work::Change(change) };
        let batch: Batch = write(&mut self.log, &self.notary, vec![job]);
        self.protocol.handle_batch(batch, now_ms);
    }
}

/// What an honest relay's log says to a push that is not stored: cursors as they would be.
pub fn as_if_stored(end: u64, cells: &[ByteBuf]) -> ToDevice {
    let accepted = (end + 1..).zip(cells);
    ToDevice::Ack {
        cells: accepted
            .map(|(cursor, cell)| caro_schema::relay::Accepted { cell: proof::cell_id(cell), cursor })
            .collect(),
    }
}
