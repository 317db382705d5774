//! Devices that become members. Stretching a phrase takes a quarter of a second, so worlds of one size begin as copies of
//! one that was made once: the same account, other seeds from there on.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use caro_core::{
    device::{Env, Intent, Joining, Knock, Progress},
    sync::RemoteRecord,
    vault::{Phrase, RootKey},
};
use caro_relay::log::memory::MemoryLog;
use caro_schema::{id::Handle, relay::ToDevice};

use super::{Traffic, World, session::Driver};
use crate::{
    disk::Disk,
    machine::{Fate, Machine},
    net::Link,
    relay::Relay,
    sabotage::Sabotage,
    seed::Seed,
};

/// When every world begins, in milliseconds since 1970.
pub(super) const BEGIN_MS: u64 = 1_790_000_000_000;

/// What a world of so many devices begins with.
#[derive(Clone)]
struct Beginning {
    disks: Vec<Disk>,
    logs: Vec<MemoryLog>,
    handles: Vec<Handle>,
    now_ms: u64,
}

/// By the numbers of devices and relays.
static BEGINNINGS: Mutex<BTreeMap<(usize, usize), Beginning>> = Mutex::new(BTreeMap::new());

/// A world of so many devices in one account at so many relays, with nothing left to say.
pub(super) fn world(devices: usize, relays: usize, seed: u64, sabotage: Option<Sabotage>) -> World {
    // A scenario that fails while it holds the lock left whole beginnings behind.
    let mut known = BEGINNINGS.lock().unwrap_or_else(PoisonError::into_inner);
    let begun = known.entry((devices, relays)).or_insert_with(|| beginning(devices, relays));
    let Beginning { disks, logs, handles, now_ms } = Beginning {
        // A log's clone is a second handle to the same entries.
        logs: begun.logs.iter().map(MemoryLog::backup).collect(),
        ..begun.clone()
    };
    drop(known);
    let seed = Seed::new(seed);
    let machines = disks.into_iter().enumerate();
    let machines =
        machines.map(|(at, disk)| Machine::new(disk, seed.fork(at as u64 + 1), sabotage)).collect::<Vec<_>>();
    let mut world = empty(machines, relays, seed, sabotage);
    for (relay, log) in world.relays.iter_mut().zip(logs) {
        relay.replace(log);
    }
    world.handles = handles;
    world.now_ms = now_ms;
    world.settle();
    world
}

fn empty(machines: Vec<Machine>, relays: usize, seed: Seed, sabotage: Option<Sabotage>) -> World {
    let devices = machines.len();
    World {
        machines,
        relays: (0..relays).map(|number| Relay::new(number as u8, sabotage)).collect(),
        links: vec![vec![Link::default(); relays]; devices],
        now_ms: BEGIN_MS,
        seed,
        traffic: vec![Traffic::default(); devices],
        sealed: false,
        spent_after: None,
        meddler: None,
        handles: Vec::new(),
        drivers: (0..devices).map(|_| drivers(relays)).collect(),
        half_open: Vec::new(),
        handshakes: 0,
        silent_since: vec![BEGIN_MS; devices],
        stuck_until: vec![0; devices],
        sabotage,
        timeline: VecDeque::new(),
    }
}

fn drivers(relays: usize) -> Vec<Driver> {
    (0..relays).map(|_| Driver::default()).collect()
}

fn beginning(devices: usize, relays: usize) -> Beginning {
    let seed = Seed::new(devices as u64);
    let machines = (0..devices).map(|at| Machine::new(Disk::default(), seed.fork(at as u64 + 1), None)).collect();
    let mut world = empty(machines, relays, seed, None);
    for at in 0..devices {
        world.join(at, 0);
    }
    world.settle();
    let root = root();
    for relay in 1..relays {
        for at in 0..devices {
            world.add_relay(at, relay, &root);
        }
    }
    world.settle();
    Beginning {
        disks: world.machines.iter().map(|machine| machine.disk.clone()).collect(),
        logs: world.relays.iter().map(Relay::backup).collect(),
        handles: world.handles.clone(),
        now_ms: world.now_ms,
    }
}

/// The one phrase of all simulated accounts.
pub(super) fn root() -> RootKey {
    RootKey::derive(&Phrase::from_entropy(&[0x5a; 32])).expect("memory")
}

impl World {
    /// One device joins at a relay, without a network in between: the first makes the account.
    fn join(&mut self, at: usize, relay: usize) {
        let (root, relay_key) = (root(), self.relays[relay].key());
        let intent = if self.handles.is_empty() { Intent::Create(None) } else { Intent::Attach };
        if self.handles.is_empty() {
            self.handles.push(root.relay_account(&relay_key).handle());
        }
        let machine = &mut self.machines[at];
        let mut env = Env { now_ms: machine.clock.read(self.now_ms), entropy: &mut machine.entropy };
        let names = (format!("canary-device-{at}"), "test".to_owned());
        let address = match relay {
            0 => "wss://canary-relay:1/".to_owned(),
            _ => format!("wss://canary-relay-{relay}:1/"),
        };
        let joining = Joining::new(intent, root, relay_key, address, names, &mut env).expect("randomness");
        self.carry(relay, joining.knock());
        let joined = joining.finish();
        let fate = self.machines[at].decide(self.now_ms, |device, history, _, env| device.adopt(joined, history, env));
        assert_eq!(fate, Fate::Done);
    }

    /// A member takes up one more relay: the first to come makes the account there.
    fn add_relay(&mut self, at: usize, relay: usize, root: &RootKey) {
        let relay_key = self.relays[relay].key();
        let intent = if self.handles.len() == relay { Intent::Create(None) } else { Intent::Attach };
        if self.handles.len() == relay {
            self.handles.push(root.relay_account(&relay_key).handle());
        }
        let record = self.knock_at(at, relay, intent, root);
        let fate = self.machines[at].decide(self.now_ms, |device, _, _, _| Ok(device.add_remote(record)));
        assert_eq!(fate, Fate::Done);
    }

    fn knock_at(&mut self, at: usize, relay: usize, intent: Intent, root: &RootKey) -> RemoteRecord {
        let relay_key = self.relays[relay].key();
        let vault = self.machines[at].device.account().expect("a member").vault();
        let address = format!("wss://canary-relay-{relay}:1/");
        let knock = Knock::at_another(intent, root, vault, relay_key, address).expect("the phrase is the account's");
        self.carry(relay, &knock);
        knock.finish()
    }

    /// Every device's person gives the phrase once more to a relay that has lost the account: it is made anew, and the
    /// devices are told to go on.
    pub fn make_account_again(&mut self, relay: usize) {
        let root = root();
        for at in 0..self.machines.len() {
            let intent = if at == 0 { Intent::Create(None) } else { Intent::Attach };
            // What the device keeps about the relay stays; only the relay has to learn of the device.
            drop(self.knock_at(at, relay, intent, &root));
            self.resume(at);
        }
    }

    /// A copied device leaves the account and joins it as one of its own, as its person is told to.
    pub fn rejoin(&mut self, at: usize) {
        self.hang_up(at);
        let fate = self.machines[at].decide(self.now_ms, |device, _, disk, _| device.leave(disk));
        assert_eq!(fate, Fate::Done);
        self.join(at, 0);
    }

    /// A device uses a relay no more.
    pub fn leave_relay(&mut self, at: usize, relay: usize) {
        let number = self.remote(at, relay).expect("it has the relay");
        self.hang_up(at);
        let fate = self.machines[at].decide(self.now_ms, |device, _, disk, _| device.remove_remote(number, disk));
        assert_eq!(fate, Fate::Done);
    }

    /// A new device that joins the account at this relay, and knows no other. Gives its number.
    pub fn add_member(&mut self, relay: usize) -> usize {
        let entropy = self.seed.fork(self.machines.len() as u64 + 1);
        let at = self.add_machine(Machine::new(Disk::default(), entropy, self.sabotage));
        self.join(at, relay);
        at
    }

    /// Another computer with a copy of a device's whole home. Gives its number.
    pub fn copy_home(&mut self, from: usize) -> usize {
        let disk = self.machines[from].disk.clone();
        // Not even the random generator is another's at first, as in a virtual machine that was copied.
        let entropy = self.machines[from].entropy.clone();
        self.add_machine(Machine::new(disk, entropy, self.sabotage))
    }

    fn add_machine(&mut self, machine: Machine) -> usize {
        let at = self.machines.len();
        self.machines.push(machine);
        self.links.push(vec![Link::default(); self.relays.len()]);
        self.traffic.push(Traffic::default());
        self.drivers.push(drivers(self.relays.len()));
        self.silent_since.push(self.now_ms);
        self.stuck_until.push(0);
        at
    }

    /// Says to a relay what a device that wants in has to say, until it is listed.
    fn carry(&mut self, relay: usize, knock: &Knock) {
        let handshake = self.next_handshake();
        let now_ms = self.now_ms;
        let relay = &mut self.relays[relay];
        let session = relay.arrive(knock.static_key().public(), handshake, now_ms);
        let mut message = Some(knock.connected(&handshake));
        while let Some(next) = message.take() {
            relay.message(session, next, now_ms);
            assert!(relay.work(now_ms));
            while message.is_none() {
                let queue = relay.outgoing.get_mut(&session).expect("it is open");
                match queue.pop_front().expect("the relay answers") {
                    ToDevice::Presence { .. } => {}
                    answer => match knock.handle(answer).expect("an honest relay agrees") {
                        Progress::Send(next) => message = Some(next),
                        Progress::Listed => {
                            relay.depart(session);
                            return;
                        }
                    },
                }
            }
        }
    }
}
