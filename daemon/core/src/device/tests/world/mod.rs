//! A small world for tests: devices over stores in memory, one honest relay, a clock that a test moves, one seed.

mod machine;
mod relay;

use std::collections::{BTreeSet, VecDeque};

use caro_link::{identity::Signer, proof};
use caro_schema::{
    body::{device::Reason, history::Record},
    id::{Generation, Hash, RecordId, RelayKey},
    relay::{ErrorCode, ToDevice},
};
use serde_bytes::ByteBuf;

use self::relay::Session;
pub(super) use self::{
    machine::{Disk, Machine, loaded},
    relay::Relay,
};
use crate::{
    device::{Decision, Env, Intent, Joining, Progress},
    step::{RemoteNumber, Space},
    vault::{Phrase, RootKey},
};

pub(super) const RELAY: RemoteNumber = 1;

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
                is_restored: false,
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

    /// Lets time pass and messages travel until something is so.
    pub(super) fn turn_until(&mut self, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..10_000 {
            if is_so(self) {
                return;
            }
            assert!(self.turn(), "the world comes to rest, and it is not so");
        }
        panic!("it is never so");
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
