//! Devices that become members. Stretching a phrase takes a quarter of a second, so worlds of one size begin as copies of
//! one that was made once: the same account, other seeds from there on.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use caro_core::{
    device::{Env, Intent, Joining, Knock, Progress},
    vault::{Phrase, RootKey},
};
use caro_relay::log::memory::MemoryLog;
use caro_schema::{id::Handle, relay::ToDevice};

use super::{Traffic, World, session::Driver};
use crate::{disk::Disk, machine::Machine, net::Link, relay::Relay, sabotage::Sabotage, seed::Seed};

/// When every world begins, in milliseconds since 1970.
pub(super) const BEGIN_MS: u64 = 1_790_000_000_000;

/// What a world of so many devices begins with.
#[derive(Clone)]
struct Beginning {
    disks: Vec<Disk>,
    log: MemoryLog,
    handle: Handle,
    now_ms: u64,
}

static BEGINNINGS: Mutex<BTreeMap<usize, Beginning>> = Mutex::new(BTreeMap::new());

/// A world of so many devices in one account, with nothing left to say.
pub(super) fn world(devices: usize, seed: u64, sabotage: Option<Sabotage>) -> World {
    // A scenario that fails while it holds the lock left whole beginnings behind.
    let mut known = BEGINNINGS.lock().unwrap_or_else(PoisonError::into_inner);
    let Beginning { disks, log, handle, now_ms } = known.entry(devices).or_insert_with(|| beginning(devices)).clone();
    drop(known);
    let seed = Seed::new(seed);
    let machines = disks.into_iter().enumerate();
    let machines =
        machines.map(|(at, disk)| Machine::new(disk, seed.fork(at as u64 + 1), sabotage)).collect::<Vec<_>>();
    let mut world = empty(machines, seed, sabotage);
    world.relays[0].replace(log.backup());
    world.handles = vec![handle];
    world.now_ms = now_ms;
    world.settle();
    world
}

fn empty(machines: Vec<Machine>, seed: Seed, sabotage: Option<Sabotage>) -> World {
    let devices = machines.len();
    World {
        machines,
        relays: vec![Relay::new(0, sabotage)],
        links: vec![vec![Link::default()]; devices],
        now_ms: BEGIN_MS,
        seed,
        traffic: vec![Traffic::default(); devices],
        sealed: false,
        spent_after: None,
        meddler: None,
        handles: Vec::new(),
        drivers: (0..devices).map(|_| vec![Driver::default()]).collect(),
        half_open: Vec::new(),
        handshakes: 0,
        silent_since: vec![BEGIN_MS; devices],
        stuck_until: vec![0; devices],
        sabotage,
        timeline: VecDeque::new(),
    }
}

fn beginning(devices: usize) -> Beginning {
    let seed = Seed::new(devices as u64);
    let machines = (0..devices).map(|at| Machine::new(Disk::default(), seed.fork(at as u64 + 1), None)).collect();
    let mut world = empty(machines, seed, None);
    for at in 0..devices {
        world.join(at);
    }
    world.settle();
    Beginning {
        disks: world.machines.iter().map(|machine| machine.disk.clone()).collect(),
        log: world.relays[0].backup(),
        handle: world.handles[0],
        now_ms: world.now_ms,
    }
}

/// The one phrase of all simulated accounts.
pub(super) fn root() -> RootKey {
    RootKey::derive(&Phrase::from_entropy(&[0x5a; 32])).expect("memory")
}

impl World {
    /// One device joins at the first relay, without a network in between: the first makes the account.
    fn join(&mut self, at: usize) {
        let (root, relay_key) = (root(), self.relays[0].key());
        let intent = if self.handles.is_empty() { Intent::Create(None) } else { Intent::Attach };
        self.handles = vec![root.relay_account(&relay_key).handle()];
        let machine = &mut self.machines[at];
        let mut env = Env { now_ms: machine.clock.read(self.now_ms), entropy: &mut machine.entropy };
        let names = (format!("canary-device-{at}"), "test".to_owned());
        let joining = Joining::new(intent, root, relay_key, "wss://canary-relay:1/".to_owned(), names, &mut env)
            .expect("randomness");
        self.carry(0, joining.knock());
        let joined = joining.finish();
        let fate = self.machines[at].decide(self.now_ms, |device, history, _, env| device.adopt(joined, history, env));
        assert_eq!(fate, crate::machine::Fate::Done);
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
