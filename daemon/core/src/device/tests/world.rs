//! A small world for tests: devices over stores in memory, one honest relay, a clock that a test moves, one seed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use caro_link::{
    entropy::{Entropy, NoEntropy},
    identity::Signer,
    proof,
};
use caro_schema::{
    body::{device::Reason, history::Record},
    id::{CellId, Generation, Hash, RecordId, RelayKey},
    relay::{Accepted, Entry, ErrorCode, Page, Position, ToDevice, ToRelay, list::SignedList},
};
use serde_bytes::ByteBuf;

use crate::{
    device::{Decision, Device, Env, Intent, Joining, Progress, Reading, Rules},
    history::History,
    step::{RemoteNumber, RowError, Rows, Space, Step, Write},
    vault::{Phrase, RootKey},
};

pub(super) const RELAY: RemoteNumber = 1;

/// Bytes that look random and are the same every time.
pub(super) struct Seeded(u64);

impl Entropy for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        for chunk in bytes.chunks_mut(32) {
            self.0 += 1;
            chunk.copy_from_slice(&blake3::hash(&self.0.to_be_bytes()).as_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// What a device's disk holds.
#[derive(Clone, Default)]
pub(super) struct Disk {
    pub(super) blocks: BTreeMap<u64, Vec<Record>>,
    pub(super) queues: BTreeMap<(RemoteNumber, u64), Vec<u8>>,
    pub(super) rows: BTreeMap<(Space, Vec<u8>), Vec<u8>>,
}

impl Disk {
    fn commit(&mut self, writes: Vec<Write>) {
        fn set<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
            match value {
                Some(value) => drop(map.insert(key, value)),
                None => drop(map.remove(&key)),
            }
        }
        for write in writes {
            match write {
                Write::Block(number, records) => set(&mut self.blocks, number, records),
                Write::Queue(remote, number, cell) => set(&mut self.queues, (remote, number), cell),
                Write::Row(space, key, value) => set(&mut self.rows, (space, key), value),
            }
        }
    }

    pub(super) fn count(&self, space: Space) -> usize {
        self.rows.keys().filter(|(of, _)| *of == space).count()
    }
}

impl Rows for Disk {
    fn row(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
        Ok(self.rows.get(&(space, key.to_vec())).cloned())
    }

    fn rows(&self, space: Space) -> Result<Vec<(Vec<u8>, Vec<u8>)>, RowError> {
        let of = self.rows.iter().filter(|((of, _), _)| *of == space);
        Ok(of.map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn queue(&self, remote: RemoteNumber, after: u64, bytes_max: usize) -> Result<Vec<(u64, Vec<u8>)>, RowError> {
        let (mut page, mut bytes) = (Vec::new(), 0);
        for ((_, number), cell) in self.queues.range((remote, after + 1)..=(remote, u64::MAX)) {
            bytes += cell.len();
            if bytes > bytes_max && !page.is_empty() {
                break;
            }
            page.push((*number, cell.clone()));
        }
        Ok(page)
    }
}

/// One device and its disk.
pub(super) struct Machine {
    pub(super) device: Device,
    pub(super) history: History,
    pub(super) disk: Disk,
    pub(super) online: bool,
    rules: Rules,
    session: Option<Session>,
    entropy: Seeded,
}

/// A session with the relay, with what is on its way each way.
struct Session {
    key: Hash,
    up: VecDeque<ToRelay>,
    down: VecDeque<ToDevice>,
    pulled: Option<u64>,
    own: BTreeSet<CellId>,
}

/// One account at an honest relay.
pub(super) struct Relay {
    signer: Signer,
    pub(super) generation: Generation,
    pub(super) cells: Vec<Vec<u8>>,
    /// Cells that were purged.
    pub(super) gone: BTreeSet<CellId>,
    /// Of a relay that forgets: up to here there are cells that not every device had.
    pub(super) forgotten: u64,
    account: Option<Hash>,
    pub(super) list: Option<SignedList>,
    /// It lets everybody in and takes from everybody, whatever the list says.
    pub(super) helps_thieves: bool,
}

/// All of it.
pub(super) struct World {
    pub(super) machines: Vec<Machine>,
    pub(super) relay: Relay,
    pub(super) now_ms: u64,
    phrase: Phrase,
}

/// How far ahead the world looks for something to do.
const PATIENCE_MS: u64 = 3_600_000;

pub(super) const RELAY_KEY: RelayKey = RelayKey([42; 32]);

impl Machine {
    pub(super) fn new(seed: u64) -> Self {
        let disk = Disk::default();
        let device = Device::load(&disk, rules()).unwrap();
        let mut history = History::new();
        history.set_complete();
        Self { device, history, disk, online: true, rules: rules(), session: None, entropy: Seeded(seed << 32) }
    }

    pub(super) fn set_rules_without_compaction(&mut self) {
        self.rules.compact_after = u64::MAX;
    }

    /// Everything in memory is lost; the disk is as it was at the last commit.
    pub(super) fn crash(&mut self) {
        self.device = Device::load(&self.disk, self.rules.clone()).unwrap();
        self.history = loaded(&self.disk);
        self.session = None;
    }

    pub(super) fn decide(
        &mut self,
        now_ms: u64,
        choose: impl FnOnce(&mut Device, &mut History, &Disk, &mut Env<'_>) -> Step,
    ) {
        let mut env = Env { now_ms, entropy: &mut self.entropy };
        let step = choose(&mut self.device, &mut self.history, &self.disk, &mut env);
        self.carry_out(step);
    }

    fn carry_out(&mut self, step: Step) {
        let Step { writes, sends, notices: _ } = step;
        self.disk.commit(writes);
        if let Some(session) = &mut self.session {
            session.up.extend(sends.into_iter().map(|(_, message)| message));
        }
    }

    pub(super) fn commands(&self) -> Vec<String> {
        let mut commands: Vec<String> =
            self.history.newest().map(|record| String::from_utf8_lossy(&record.command).into_owned()).collect();
        commands.sort();
        commands
    }

    fn poll(&mut self) {
        while let Some(message) = self.device.poll_send(RELAY, &self.disk).unwrap() {
            self.session.as_mut().unwrap().up.push_back(message);
        }
    }
}

/// As in the program, but that snapshots are made often.
pub(super) fn rules() -> Rules {
    Rules { compact_after: 8, ..Rules::default() }
}

/// History as a disk has it.
pub(super) fn loaded(disk: &Disk) -> History {
    let mut history = History::new();
    let tombstones = disk.rows(Space::Tombstone).unwrap();
    history.load_tombstones(tombstones.iter().filter_map(|(id, _)| RecordId::from_slice(id)));
    let hidden = disk.rows(Space::Hidden).unwrap();
    history.load_hidden(hidden.iter().filter_map(|(id, _)| RecordId::from_slice(id)));
    for (number, records) in disk.blocks.iter().rev() {
        history.load_block(*number, records.clone());
    }
    history.set_complete();
    history
}

impl Relay {
    fn position(&self, cursor: usize) -> Position {
        let mut head = Hash([0; 32]);
        for (at, cell) in self.cells[..cursor].iter().enumerate() {
            head = proof::chain_head(&head, at as u64 + 1, &proof::cell_id(cell));
        }
        let handle = proof::handle_of(&self.account.unwrap());
        proof::sign_position(&self.signer, &handle, self.generation, cursor as u64, head)
    }

    fn welcome(&self) -> ToDevice {
        ToDevice::Welcome {
            position: self.position(self.cells.len()),
            signer: Hash(self.signer.public()),
            list: self.list.clone().unwrap(),
            quota_bytes: 0,
            used_bytes: 0,
        }
    }

    pub(super) fn lists(&self, key: &Hash) -> bool {
        if self.helps_thieves {
            return true;
        }
        let (Some(account), Some(list)) = (&self.account, &self.list) else { return false };
        proof::verify_list(account, list).unwrap().keys.contains(key)
    }

    fn answer(&mut self, session: &mut Session, message: ToRelay) {
        match message {
            ToRelay::Hello { .. } if self.lists(&session.key) => session.down.push_back(self.welcome()),
            ToRelay::Hello { .. } => {
                session.down.push_back(ToDevice::Error { code: ErrorCode::Removed, retry_ms: None });
            }
            ToRelay::SetList { list } => {
                let next = proof::verify_list(&self.account.unwrap(), &list).unwrap();
                let current = self.list.as_ref().unwrap();
                if next.prev == proof::list_hash(&current.list) {
                    self.list = Some(list);
                    session.down.push_back(ToDevice::ListAccepted { version: next.version });
                } else {
                    session.down.push_back(ToDevice::Error { code: ErrorCode::ListOutOfStep, retry_ms: None });
                }
            }
            // Whoever was taken off is not talked to any more.
            _ if !self.lists(&session.key) => {}
            ToRelay::Pull { after } => {
                session.pulled = Some(after);
                if after < self.forgotten {
                    session.down.push_back(ToDevice::Error { code: ErrorCode::Missed, retry_ms: None });
                }
                self.feed(session, true);
            }
            ToRelay::Push { cells } => {
                let accepted = cells.iter().map(|cell| self.keep(cell)).collect::<Vec<_>>();
                session.own.extend(accepted.iter().map(|accepted| accepted.cell));
                session.down.push_back(ToDevice::Ack { cells: accepted });
            }
            ToRelay::Delivered { .. } => {}
            ToRelay::Purge { cells } => {
                let before = self.gone.len();
                self.gone.extend(cells);
                session.down.push_back(ToDevice::Purged { count: (self.gone.len() - before) as u64 });
            }
            other => panic!("not expected here: {other:?}"),
        }
    }

    fn keep(&mut self, cell: &[u8]) -> Accepted {
        let known = self.cells.iter().position(|kept| kept == cell);
        let at = known.unwrap_or_else(|| {
            self.cells.push(cell.to_vec());
            self.cells.len() - 1
        });
        Accepted { cell: proof::cell_id(cell), cursor: at as u64 + 1 }
    }

    /// Sends what a session has not been sent, in pages of a few.
    fn feed(&self, session: &mut Session, even_if_empty: bool) {
        // Small, so that there are many; but each is signed over the whole chain.
        let page = if self.cells.len() < 2_000 { 7 } else { 1_000 };
        let Some(after) = session.pulled else { return };
        let (mut after, mut first) = (after as usize, even_if_empty);
        while after < self.cells.len() || first {
            first = false;
            let to = (after + page).min(self.cells.len());
            let entry = |cell: &Vec<u8>| match proof::cell_id(cell) {
                id if self.gone.contains(&id) => Entry::Gone(id),
                id if session.own.contains(&id) => Entry::Own(id),
                _ => Entry::Cell(ByteBuf::from(cell.clone())),
            };
            let entries = self.cells[after..to].iter().map(entry).collect();
            let more = to < self.cells.len();
            let page = Page { after: after as u64, entries, position: self.position(to), more };
            session.down.push_back(ToDevice::Page(page));
            after = to;
        }
        session.pulled = Some(after as u64);
    }
}

impl World {
    /// So many machines, in no account.
    pub(super) fn new(machines: u64) -> Self {
        Self {
            machines: (1..=machines).map(Machine::new).collect(),
            relay: Relay {
                signer: Signer::from_seed(&[6; 32]),
                generation: Generation([1; 16]),
                cells: Vec::new(),
                gone: BTreeSet::new(),
                forgotten: 0,
                account: None,
                list: None,
                helps_thieves: false,
            },
            now_ms: 1_790_000_000_000,
            phrase: Phrase::from_entropy(&[11; 32]),
        }
    }

    /// So many machines in one account, with nothing left to say.
    pub(super) fn joined(machines: u64) -> Self {
        let mut world = Self::new(machines);
        for at in 0..world.machines.len() {
            world.join(at);
        }
        world.settle();
        world
    }

    /// After how many ops snapshots are made from now on.
    pub(super) fn set_compaction(&mut self, after: u64) {
        for machine in &mut self.machines {
            machine.rules.compact_after = after;
            machine.crash();
        }
    }

    /// Another relay, at which there is no account yet.
    pub(super) fn begin_anew(&mut self) {
        self.relay.cells.clear();
        self.relay.gone.clear();
        (self.relay.account, self.relay.list) = (None, None);
        self.relay.generation = Generation([9; 16]);
    }

    /// The first one makes the account, the others come into it.
    pub(super) fn join(&mut self, at: usize) {
        // Nobody joins twice in one millisecond, and who came later is told by that.
        self.now_ms += 1;
        let root = RootKey::derive(&self.phrase).unwrap();
        let intent = if self.relay.account.is_none() { Intent::Create(None) } else { Intent::Attach };
        let machine = &mut self.machines[at];
        let mut env = Env { now_ms: self.now_ms, entropy: &mut machine.entropy };
        let names = (format!("machine {at}"), "test".to_owned());
        let joining = Joining::new(intent, root, RELAY_KEY, "wss://relay:1/".to_owned(), names, &mut env).unwrap();
        let handshake = Hash([at as u8; 32]);
        let mut message = joining.knock().connected(&handshake);
        loop {
            let answer = self.relay.admit(message, &handshake);
            match joining.knock().handle(answer).unwrap() {
                Progress::Send(next) => message = next,
                Progress::Listed => break,
            }
        }
        let newest = self.relay.newest_epoch(&joining);
        let machine = &mut self.machines[at];
        let joined = joining.finish_at(newest);
        machine.decide(self.now_ms, |device, history, _, env| device.adopt(joined, history, env).unwrap());
    }

    /// One more machine, with a copy of another's disk.
    pub(super) fn copy_home(&mut self, of: usize) {
        let mut copy = Machine::new(100 + self.machines.len() as u64);
        copy.disk = self.machines[of].disk.clone();
        copy.crash();
        self.machines.push(copy);
    }

    /// The person at one machine gives the phrase, and takes others off or only wants a new key.
    pub(super) fn decide_with_phrase(&mut self, at: usize, out: &[usize], reseal: bool) {
        let root = RootKey::derive(&self.phrase).unwrap();
        let device = |at: &usize| self.machines[*at].device.account().unwrap().device_id();
        let out = out.iter().map(device).collect();
        let fresh = self.machines[at].online.then(|| self.relay.list.clone().unwrap());
        let lists = fresh.into_iter().map(|list| (RELAY_KEY, list)).collect();
        let decision = Decision { out, why: Reason::Lost, reseal, lists };
        let now_ms = self.now_ms;
        self.machines[at]
            .decide(now_ms, |device, _, disk, env| device.begin_epoch(&root, decision, disk, env).unwrap());
    }

    /// One machine moves to a new phrase; the relay has the new account from then on, and nobody else speaks to it yet.
    pub(super) fn move_to_new_phrase(&mut self, at: usize, old: &RootKey) {
        self.phrase = Phrase::from_entropy(&[12; 32]);
        let root = RootKey::derive(&self.phrase).unwrap();
        (self.relay.account, self.relay.list) = (None, None);
        self.relay.cells.clear();
        self.relay.gone.clear();
        let machine = &mut self.machines[at];
        machine.session = None;
        let mut env = Env { now_ms: self.now_ms, entropy: &mut machine.entropy };
        let (names, address) = ((format!("machine {at}"), "test".to_owned()), "wss://relay:1/".to_owned());
        let joining = Joining::new(Intent::Create(None), root, RELAY_KEY, address, names, &mut env).unwrap();
        let handshake = Hash([at as u8; 32]);
        let answer = self.relay.admit(joining.knock().connected(&handshake), &handshake);
        assert!(matches!(joining.knock().handle(answer), Ok(Progress::Listed)));
        let joined = joining.finish();
        let now_ms = self.now_ms;
        machine.decide(now_ms, |device, history, disk, env| {
            device.move_to(joined, Vec::new(), old, (history, disk), env).unwrap()
        });
    }

    /// A command on one machine, at this moment. Gives its id.
    pub(super) fn record(&mut self, at: usize, command: &str) -> RecordId {
        let id = RecordId(blake3::hash(command.as_bytes()).as_bytes()[..16].try_into().unwrap());
        let record = record(id, command, self.now_ms);
        self.machines[at]
            .decide(self.now_ms, |device, history, _, env| device.record(vec![record], history, env.now_ms));
        id
    }

    /// Deletes on one machine.
    pub(super) fn delete(&mut self, at: usize, id: RecordId) {
        self.machines[at].decide(self.now_ms, |device, history, _, env| device.delete(&[id], history, env).unwrap());
    }

    /// Lets time pass and messages travel until nothing is left to do.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.turn() {
                return;
            }
        }
        panic!("the world never comes to rest");
    }

    /// One round. False when nothing happened and nothing is due.
    pub(super) fn turn(&mut self) -> bool {
        let mut busy = false;
        for at in 0..self.machines.len() {
            busy |= self.run_timers(at);
            busy |= self.connect(at);
            self.machines[at].poll_if_open();
            busy |= self.carry(at);
        }
        if !busy {
            let next = self.machines.iter().filter_map(|machine| machine.device.wake_at_ms()).min();
            match next {
                // What is due in a day is no business of a world that comes to rest.
                Some(at_ms) if at_ms <= self.now_ms + PATIENCE_MS => self.now_ms = self.now_ms.max(at_ms),
                _ => return false,
            }
        }
        true
    }

    fn run_timers(&mut self, at: usize) -> bool {
        let machine = &mut self.machines[at];
        let due = machine.device.wake_at_ms().is_some_and(|due_ms| due_ms <= self.now_ms);
        if due {
            machine.decide(self.now_ms, |device, history, disk, env| device.handle_timer(history, disk, env).unwrap());
        }
        due
    }

    fn connect(&mut self, at: usize) -> bool {
        let machine = &mut self.machines[at];
        if !machine.online {
            machine.session = None;
            machine.device.handle_disconnected(RELAY);
            return false;
        }
        let Some(account) = machine.device.account() else { return false };
        if machine.session.is_some() {
            return false;
        }
        let key = proof::device_key_hash(&account.vault().device().relay_static(&RELAY_KEY).public());
        let Some(hello) = machine.device.handle_connected(RELAY) else { return false };
        machine.session =
            Some(Session { key, up: [hello].into(), down: VecDeque::new(), pulled: None, own: BTreeSet::new() });
        true
    }

    /// Carries what is on its way to the relay, and what it says to this machine.
    fn carry(&mut self, at: usize) -> bool {
        let mut busy = false;
        let machine = &mut self.machines[at];
        if let Some(session) = &mut machine.session {
            while let Some(message) = session.up.pop_front() {
                self.relay.answer(session, message);
                busy = true;
            }
            if self.relay.lists(&session.key) {
                self.relay.feed(session, false);
            } else {
                session.down.push_back(ToDevice::Error { code: ErrorCode::Removed, retry_ms: None });
            }
        }
        while let Some(message) = machine.session.as_mut().and_then(|session| session.down.pop_front()) {
            busy = true;
            let mut closed = None;
            machine.decide(self.now_ms, |device, history, disk, env| {
                let (step, close) = device.handle_message(RELAY, message, history, disk, env).unwrap();
                closed = close;
                step
            });
            if closed.is_some() {
                machine.session = None;
                machine.device.handle_disconnected(RELAY);
            }
            machine.poll_if_open();
        }
        busy
    }

    /// Every machine has the same history, in memory and on disk, and nothing waits.
    pub(super) fn assert_converged(&self) {
        let digest = self.machines[0].history.digest();
        for machine in &self.machines {
            assert!(machine.history.digest() == digest, "histories differ");
            assert!(loaded(&machine.disk).digest() == digest, "memory and disk differ");
            assert_eq!(machine.disk.count(Space::Quarantine), 0, "something is in quarantine");
            assert!(machine.disk.queues.is_empty(), "something was not acknowledged");
        }
    }
}

impl Machine {
    fn poll_if_open(&mut self) {
        if self.session.is_some() {
            self.poll();
        }
    }
}

impl Relay {
    /// Making an account and joining it, in sessions of their own.
    fn admit(&mut self, message: ToRelay, handshake: &Hash) -> ToDevice {
        match message {
            ToRelay::Create { account, list, token: None } if self.account.is_none() => {
                assert!(proof::verify_list(&account, &list).unwrap().version == 1);
                (self.account, self.list) = (Some(account), Some(list));
                self.welcome()
            }
            ToRelay::Attach { account, proof } if self.account == Some(account) => {
                proof::verify_attach(&account, handshake, &proof).unwrap();
                self.welcome()
            }
            ToRelay::Attach { .. } => ToDevice::Error { code: ErrorCode::NotKnown, retry_ms: None },
            ToRelay::SetList { list } => {
                let next = proof::verify_list(&self.account.unwrap(), &list).unwrap();
                let current = self.list.replace(list).unwrap();
                assert!(next.prev == proof::list_hash(&current.list));
                ToDevice::ListAccepted { version: next.version }
            }
            other => panic!("not expected here: {other:?}"),
        }
    }

    /// What a device that was just listed reads at the end of the log.
    fn newest_epoch(&self, joining: &Joining) -> u32 {
        let key = proof::device_key_hash(&joining.static_key().public());
        let mut reader = joining.epoch_reader();
        let (up, down, own) = (VecDeque::new(), VecDeque::new(), BTreeSet::new());
        let mut session = Session { key, up, down, pulled: None, own };
        let mut message = reader.connected();
        loop {
            match message {
                ToRelay::Hello { .. } => session.down.push_back(self.welcome()),
                ToRelay::Pull { after } => {
                    session.pulled = Some(after);
                    self.feed(&mut session, true);
                }
                _ => {}
            }
            message = loop {
                match reader.handle(session.down.pop_front().expect("there is more")).unwrap() {
                    Reading::Send(next) => break next,
                    Reading::Wait => {}
                    Reading::Found(newest) => return newest,
                }
            };
        }
    }

    /// The database is gone and begins a new life; device lists were kept elsewhere.
    pub(super) fn lose_everything(&mut self) {
        self.cells.clear();
        self.generation = Generation([self.generation.0[0] + 1; 16]);
    }
}

/// A command that has ended.
pub(super) fn record(id: RecordId, command: &str, now_ms: u64) -> Record {
    Record {
        id,
        command: ByteBuf::from(command),
        directory: ByteBuf::from("/home/user"),
        host: "host".to_owned(),
        user: "user".to_owned(),
        shell: "zsh".to_owned(),
        session: "session".to_owned(),
        start_us: now_ms as i64 * 1000,
        duration_us: Some(5),
        exit: Some(0),
        assistant: None,
    }
}
