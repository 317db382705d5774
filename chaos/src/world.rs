//! A whole account in one thread: devices, a relay, a network between them, a clock, one seed.
//!
//! Time passes only when nothing else can happen. A message takes as long as the network says; a connection that is
//! cut loses what is on its way, in both directions, at a message's boundary or inside of one, which is the same to who
//! waits for all of it.

use std::collections::{BTreeMap, VecDeque};

use caro_core::{
    device::{Intent, Joining, Progress},
    vault::{Phrase, RootKey},
};
use caro_link::proof;
use caro_relay::protocol::SessionId;
use caro_schema::{
    body::history::Record,
    id::{Handle, Hash, RecordId, RelayKey},
    relay::{ToDevice, ToRelay},
};
use serde_bytes::ByteBuf;

use crate::{
    machine::{Machine, RELAY},
    relay::Relay,
    sabotage::Sabotage,
    seed::Seed,
};

const RELAY_KEY: RelayKey = RelayKey([42; 32]);

/// The network between one device and the relay.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Whether anything passes.
    pub up: bool,
    /// Milliseconds that a message takes at least.
    pub delay_ms: u64,
    /// Milliseconds by which it may take longer. Messages never overtake each other in one direction.
    pub jitter_ms: u64,
    /// How many times in a thousand messages the connection breaks.
    pub breaks_per_thousand: u64,
}

impl Default for Link {
    fn default() -> Self {
        Self { up: true, delay_ms: 1, jitter_ms: 0, breaks_per_thousand: 0 }
    }
}

/// One connection.
struct Connection {
    session: SessionId,
    up: VecDeque<(u64, ToRelay)>,
    down: VecDeque<(u64, ToDevice)>,
}

/// All of it.
pub struct World {
    /// The devices.
    pub machines: Vec<Machine>,
    /// The relay.
    pub relay: Relay,
    /// The network of each device.
    pub links: Vec<Link>,
    /// Virtual milliseconds since 1970.
    pub now_ms: u64,
    /// What is left to draw.
    pub seed: Seed,
    /// Messages that each device has received, for counting what was pulled.
    pub received_cells: Vec<u64>,
    connections: Vec<Option<Connection>>,
    retry_at: Vec<u64>,
    handle: Option<Handle>,
    phrase: Phrase,
    handshakes: u64,
    sabotage: Option<Sabotage>,
    was_cut: Vec<bool>,
}

/// The pause before a device tries again.
const RETRY_MS: u64 = 400;

impl World {
    /// So many devices in one account, with nothing left to say.
    pub fn joined(devices: usize, seed: u64, sabotage: Option<Sabotage>) -> Self {
        let mut seed = Seed::new(seed);
        let entropy: [u8; 32] = *blake3::hash(&seed.draw().to_be_bytes()).as_bytes();
        let mut world = Self {
            machines: (0..devices).map(|number| Machine::new(&seed, number as u64, sabotage)).collect(),
            relay: Relay::new(sabotage),
            links: vec![Link::default(); devices],
            now_ms: 1_790_000_000_000,
            seed,
            received_cells: vec![0; devices],
            connections: (0..devices).map(|_| None).collect(),
            retry_at: vec![0; devices],
            handle: None,
            phrase: Phrase::from_entropy(&entropy),
            handshakes: 0,
            sabotage,
            was_cut: vec![false; devices],
        };
        for at in 0..devices {
            world.join(at);
        }
        world.settle();
        world
    }

    /// The account's name at the relay.
    pub fn handle(&self) -> Handle {
        self.handle.expect("somebody joined")
    }

    fn join(&mut self, at: usize) {
        let root = RootKey::derive(&self.phrase).expect("memory");
        let intent = if self.handle.is_none() { Intent::Create(None) } else { Intent::Attach };
        self.handle = Some(root.relay_account(&RELAY_KEY).handle());
        let mut env = caro_core::device::Env { now_ms: self.now_ms, entropy: &mut self.machines[at].entropy };
        let names = (format!("canary-device-{at}"), "test".to_owned());
        let joining = Joining::new(intent, root, RELAY_KEY, "wss://canary-relay:1/".to_owned(), names, &mut env)
            .expect("randomness");
        let handshake = self.next_handshake();
        let session = self.relay.arrive(joining.static_key().public(), handshake, self.now_ms);
        let mut message = joining.connected(&handshake);
        'joining: loop {
            self.relay.message(session, message, self.now_ms);
            loop {
                assert!(self.relay.work(self.now_ms));
                let queue = self.relay.outgoing.get_mut(&session).expect("it is open");
                match queue.pop_front() {
                    Some(ToDevice::Presence { .. }) => {}
                    Some(answer) => match joining.handle(answer).expect("an honest relay agrees") {
                        Progress::Send(next) => {
                            message = next;
                            continue 'joining;
                        }
                        Progress::Listed => break 'joining,
                    },
                    None => panic!("the relay does not answer"),
                }
            }
        }
        self.relay.depart(session);
        let joined = joining.finish();
        let now_ms = self.now_ms;
        self.machines[at]
            .decide(now_ms, |device, history, _, env| device.adopt(joined, history, env).expect("randomness"));
    }

    fn next_handshake(&mut self) -> Hash {
        self.handshakes += 1;
        Hash(*blake3::hash(&self.handshakes.to_be_bytes()).as_bytes())
    }

    /// A command on one device, now. It counts as recorded when the device has it on its disk.
    pub fn record(&mut self, at: usize, command: &str) -> RecordId {
        let mut id = [0; 16];
        id.copy_from_slice(&blake3::hash(command.as_bytes()).as_bytes()[..16]);
        let id = RecordId(id);
        let record = Record {
            id,
            command: ByteBuf::from(command),
            directory: ByteBuf::from("/canary/directory"),
            host: format!("canary-host-{at}"),
            user: "user".to_owned(),
            shell: "zsh".to_owned(),
            session: "session".to_owned(),
            start_us: self.now_ms as i64 * 1000,
            duration_us: Some(5),
            exit: Some(0),
            assistant: None,
        };
        let now_ms = self.now_ms;
        let safe = self.machines[at]
            .decide(now_ms, |device, history, _, env| device.record(vec![record.clone()], history, env.now_ms));
        if !safe {
            // The shell's file still has it: it is read again.
            self.cut(at);
            self.machines[at]
                .decide(now_ms, |device, history, _, env| device.record(vec![record], history, env.now_ms));
        }
        self.machines[at].recorded.insert(id, command.to_owned());
        id
    }

    /// Deletes on one device.
    pub fn delete(&mut self, at: usize, id: RecordId) {
        let now_ms = self.now_ms;
        let safe = self.machines[at]
            .decide(now_ms, |device, history, _, env| device.delete(&[id], history, env).expect("randomness"));
        if !safe {
            self.cut(at);
        }
    }

    /// Breaks the connection of one device, with everything that is on its way.
    pub fn cut(&mut self, at: usize) {
        if let Some(connection) = self.connections[at].take() {
            self.relay.depart(connection.session);
            self.machines[at].disconnected();
            self.was_cut[at] = true;
        }
        self.retry_at[at] = self.now_ms + RETRY_MS;
    }

    /// The relay was down for a moment: every connection breaks.
    fn cut_all(&mut self) {
        for at in 0..self.machines.len() {
            self.cut(at);
        }
    }

    /// Ends a device's process as a power cut would.
    pub fn crash_device(&mut self, at: usize) {
        self.cut(at);
        self.machines[at].crash();
    }

    /// Ends the relay's process as a power cut would.
    pub fn crash_relay(&mut self) {
        self.relay.crash();
        self.cut_all();
    }

    /// Whether a device is in a session.
    pub fn is_connected(&self, at: usize) -> bool {
        self.connections[at].is_some()
    }

    /// Lets everything happen until nothing is left to do.
    pub fn settle(&mut self) {
        let deadline = self.now_ms + 3_600_000;
        while self.turn() {
            assert!(self.now_ms < deadline, "an hour has passed and there is still something to do");
        }
    }

    /// Lets so many milliseconds pass.
    pub fn pass(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        while self.next_ms().is_some_and(|next| next <= until) {
            if !self.turn() {
                break;
            }
        }
        self.now_ms = self.now_ms.max(until);
    }

    /// One round of everything that can happen now; when nothing can, the clock moves. False when nothing ever will.
    pub fn turn(&mut self) -> bool {
        let mut busy = false;
        for at in 0..self.machines.len() {
            busy |= self.run_timer(at);
            busy |= self.connect(at);
            busy |= self.send(at);
            busy |= self.deliver(at);
        }
        busy |= self.relay_works();
        if busy {
            return true;
        }
        match self.next_ms() {
            Some(next) => {
                self.now_ms = self.now_ms.max(next);
                self.relay.time(self.now_ms);
                true
            }
            None => false,
        }
    }

    /// When the next thing happens.
    fn next_ms(&self) -> Option<u64> {
        let timers = self.machines.iter().filter_map(|machine| machine.device.wake_at_ms());
        let arrivals = self.connections.iter().flatten().flat_map(|connection| {
            [connection.up.front().map(|sent| sent.0), connection.down.front().map(|sent| sent.0)].into_iter().flatten()
        });
        let retries = (0..self.machines.len()).filter(|at| self.may_connect(*at)).map(|at| self.retry_at[at]);
        timers.chain(arrivals).chain(retries).min().map(|next| next.max(self.now_ms))
    }

    fn may_connect(&self, at: usize) -> bool {
        let given_up = self.sabotage == Some(Sabotage::SkipRetry) && self.was_cut[at];
        let machine = &self.machines[at];
        let stopped = machine.device.account().is_some_and(|account| {
            account.remote(RELAY).is_some_and(|remote| matches!(remote.state(), caro_core::sync::State::Stopped(_)))
        });
        self.links[at].up
            && self.connections[at].is_none()
            && machine.device.account().is_some()
            && !given_up
            && !stopped
    }

    fn run_timer(&mut self, at: usize) -> bool {
        let now_ms = self.now_ms;
        let machine = &mut self.machines[at];
        if machine.device.wake_at_ms().is_none_or(|due| due > now_ms) {
            return false;
        }
        let safe =
            machine.decide(now_ms, |device, history, _, env| device.handle_timer(history, env).expect("randomness"));
        if !safe {
            self.cut(at);
        }
        true
    }

    fn connect(&mut self, at: usize) -> bool {
        if !self.links[at].up && self.connections[at].is_some() {
            self.cut(at);
            return true;
        }
        if !self.may_connect(at) || self.retry_at[at] > self.now_ms {
            return false;
        }
        let handshake = self.next_handshake();
        let Some(account) = self.machines[at].device.account() else { return false };
        let key = account.vault().device().relay_static(&RELAY_KEY).public();
        let Some(hello) = self.machines[at].device.handle_connected(RELAY) else { return false };
        let session = self.relay.arrive(key, handshake, self.now_ms);
        self.machines[at].outbox.push_back(hello);
        self.connections[at] = Some(Connection { session, up: VecDeque::new(), down: VecDeque::new() });
        true
    }

    /// Puts what the device says on its way.
    fn send(&mut self, at: usize) -> bool {
        if self.connections[at].is_none() {
            self.machines[at].outbox.clear();
            return false;
        }
        self.machines[at].poll();
        let mut busy = false;
        while let Some(message) = self.machines[at].outbox.pop_front() {
            busy = true;
            if self.breaks(at) {
                self.cut(at);
                return true;
            }
            let arrives = self.arrival(at);
            let Some(connection) = &mut self.connections[at] else { return true };
            let arrives = connection.up.back().map_or(arrives, |last| last.0.max(arrives));
            connection.up.push_back((arrives, message));
        }
        busy
    }

    fn breaks(&mut self, at: usize) -> bool {
        self.seed.below(1000) < self.links[at].breaks_per_thousand
    }

    fn arrival(&mut self, at: usize) -> u64 {
        let link = self.links[at];
        self.now_ms + link.delay_ms + self.seed.below(link.jitter_ms + 1)
    }

    /// Takes what has arrived, on both ends.
    fn deliver(&mut self, at: usize) -> bool {
        let mut busy = false;
        let now_ms = self.now_ms;
        while let Some(connection) = &mut self.connections[at] {
            if connection.up.front().is_none_or(|sent| sent.0 > now_ms) {
                break;
            }
            let Some((_, message)) = connection.up.pop_front() else { break };
            self.relay.message(connection.session, message, now_ms);
            busy = true;
        }
        while let Some(connection) = &mut self.connections[at] {
            if connection.down.front().is_none_or(|sent| sent.0 > now_ms) {
                break;
            }
            let Some((_, message)) = connection.down.pop_front() else { break };
            busy = true;
            self.hear(at, message);
        }
        busy
    }

    fn hear(&mut self, at: usize, message: ToDevice) {
        if let ToDevice::Ack { cells } = &message {
            self.relay.acknowledged.extend(cells.iter().map(|accepted| accepted.cell));
        }
        if let ToDevice::Page(page) = &message {
            self.received_cells[at] += page.entries.len() as u64;
        }
        let now_ms = self.now_ms;
        let mut close = None;
        let safe = self.machines[at].decide(now_ms, |device, history, disk, env| {
            let (step, closes) =
                device.handle_message(RELAY, message, history, disk, env).expect("this disk can be read");
            close = closes;
            step
        });
        if !safe || close.is_some() {
            self.cut(at);
        }
        if let Some(Some(pause_ms)) = close {
            self.retry_at[at] = self.now_ms + pause_ms;
        }
    }

    fn relay_works(&mut self) -> bool {
        let mut busy = self.relay.is_busy();
        let alive = self.relay.work(self.now_ms);
        if !alive {
            self.cut_all();
            return true;
        }
        for at in 0..self.machines.len() {
            busy |= self.put_down(at);
        }
        let closing = std::mem::take(&mut self.relay.closing);
        for session in closing {
            if let Some(at) = self.connections.iter().position(|it| it.as_ref().is_some_and(|it| it.session == session))
            {
                // What was said before the end still arrives.
                self.flush_down(at);
                self.cut(at);
                busy = true;
            }
        }
        busy
    }

    /// Puts what the relay says to one device on its way.
    fn put_down(&mut self, at: usize) -> bool {
        let Some(connection) = &self.connections[at] else { return false };
        let session = connection.session;
        let messages: Vec<ToDevice> =
            self.relay.outgoing.get_mut(&session).map(|queue| queue.drain(..).collect()).unwrap_or_default();
        let busy = !messages.is_empty();
        for message in messages {
            if self.breaks(at) {
                self.cut(at);
                return true;
            }
            let arrives = self.arrival(at);
            let Some(connection) = &mut self.connections[at] else { return true };
            let arrives = connection.down.back().map_or(arrives, |last| last.0.max(arrives));
            connection.down.push_back((arrives, message));
        }
        busy
    }

    fn flush_down(&mut self, at: usize) {
        let messages: Vec<ToDevice> = match &mut self.connections[at] {
            Some(connection) => connection.down.drain(..).map(|(_, message)| message).collect(),
            None => return,
        };
        for message in messages {
            if self.connections[at].is_some() {
                self.hear(at, message);
            }
        }
    }

    /// Everything that was recorded anywhere.
    pub fn recorded(&self) -> BTreeMap<RecordId, String> {
        self.machines.iter().flat_map(|machine| machine.recorded.clone()).collect()
    }

    /// Ids of the cells that the relay's log holds.
    pub fn held(&self) -> Vec<caro_schema::id::CellId> {
        self.relay.cells(&self.handle()).iter().map(|cell| proof::cell_id(cell)).collect()
    }
}
