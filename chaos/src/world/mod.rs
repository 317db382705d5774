//! A whole account in one thread: devices, relays, the networks between them, clocks, one seed.
//!
//! Time passes only when nothing else can happen. What travels is bytes: every message is encoded, takes as long as the
//! network says, and is decoded at the other end, through a real session once somebody says [`World::seal_sessions`].
//!
//! | file | is |
//! |---|---|
//! | `join` | devices that become members |
//! | `acts` | what people do |
//! | `faults` | what is broken |
//! | `session` | connections: dialled, kept alive, lost |
//! | `carry` | messages on their way, and what follows from them |
//! | `time` | what happens next |

mod acts;
mod carry;
mod faults;
mod join;
mod session;
mod time;

use std::collections::{BTreeMap, VecDeque};

use caro_core::step::RemoteNumber;
use caro_link::proof;
use caro_schema::{
    body::history::Record,
    id::{CellId, Handle, RecordId},
    relay::{Entry, ToDevice},
};

use crate::{machine::Machine, net::Link, relay::Relay, sabotage::Sabotage, seed::Seed};
use session::{Connection, Driver};

pub use acts::record;
pub use session::{ASK_AFTER_MS, GONE_AFTER_MS, OPEN_MS, RETRY_ASKED_MS_MAX};

/// Somebody between the relays and the devices, who may change what a device hears: which device, which relay, and the
/// message. What comes back is what it hears instead.
pub type Meddler = Box<dyn FnMut(usize, usize, ToDevice) -> Vec<ToDevice>>;

/// All of it.
pub struct World {
    /// The devices.
    pub machines: Vec<Machine>,
    /// The relays.
    pub relays: Vec<Relay>,
    /// The network between each device and each relay.
    pub links: Vec<Vec<Link>>,
    /// Virtual milliseconds since 1970.
    pub now_ms: u64,
    /// What is left to draw.
    pub seed: Seed,
    /// What went over the network, for each device.
    pub traffic: Vec<Traffic>,
    /// Whether messages travel in real sessions.
    sealed: bool,
    /// Records after which a session is ended for a new handshake, when that is to be early.
    pub spent_after: Option<u64>,
    /// Somebody in between.
    pub meddler: Option<Meddler>,
    handles: Vec<Handle>,
    drivers: Vec<Vec<Driver>>,
    /// Sessions that a relay still holds although the device's end is gone.
    half_open: Vec<(usize, usize, caro_relay::protocol::SessionId)>,
    handshakes: u64,
    silent_since: Vec<u64>,
    stuck_until: Vec<u64>,
    sabotage: Option<Sabotage>,
    /// The last things that happened, for whoever wonders why.
    timeline: VecDeque<String>,
}

/// What went over the network to and from one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes sent.
    pub up_bytes: u64,
    /// Bytes received.
    pub down_bytes: u64,
    /// Entries of the log that were received.
    pub entries: u64,
    /// Acknowledgements that were heard.
    pub acks: u64,
    /// Sessions that were opened.
    pub sessions: u64,
    /// Sessions that broke, or were given up.
    pub broken: u64,
    /// Tries that came to nothing.
    pub refused: u64,
    /// How long the last session took to open.
    pub opening_ms: u64,
    /// Records sealed and opened, when sessions are real.
    pub records: u64,
}

impl World {
    /// So many devices in one account at one relay, with nothing left to say.
    pub fn joined(devices: usize, seed: u64, sabotage: Option<Sabotage>) -> Self {
        join::world(devices, 1, seed, sabotage)
    }

    /// As [`Self::joined`], at so many relays.
    pub fn joined_at(devices: usize, relays: usize, seed: u64, sabotage: Option<Sabotage>) -> Self {
        join::world(devices, relays, seed, sabotage)
    }

    /// The account's name at a relay.
    pub fn handle(&self, relay: usize) -> Handle {
        self.handles[relay]
    }

    /// The network between a device and the first relay.
    pub fn link(&mut self, at: usize) -> &mut Link {
        &mut self.links[at][0]
    }

    /// Changes every link.
    pub fn every_link(&mut self, change: impl Fn(&mut Link)) {
        self.links.iter_mut().flatten().for_each(change);
    }

    /// The number that a device has given a relay, when it has that remote.
    pub fn remote(&self, at: usize, relay: usize) -> Option<RemoteNumber> {
        let key = self.relays[relay].key();
        let account = self.machines[at].device.account()?;
        account.remotes().find(|remote| remote.record.relay_key == key).map(|remote| remote.number)
    }

    /// Whether a device is in a session with the first relay.
    pub fn is_connected(&self, at: usize) -> bool {
        self.connection(at, 0).is_some()
    }

    /// Whether a device is in a session with a relay.
    pub fn is_connected_to(&self, at: usize, relay: usize) -> bool {
        self.connection(at, relay).is_some()
    }

    fn connection(&self, at: usize, relay: usize) -> Option<&Connection> {
        self.drivers[at][relay].connection()
    }

    /// Everything that was recorded anywhere.
    pub fn recorded(&self) -> BTreeMap<RecordId, Record> {
        self.machines.iter().flat_map(|machine| machine.recorded.clone()).collect()
    }

    /// What a relay's log holds of the account.
    pub fn entries(&self, relay: usize) -> Vec<Entry> {
        self.relays[relay].entries(&self.handle(relay))
    }

    /// Ids of the cells that the first relay's log has, purged ones among them.
    pub fn held(&self) -> Vec<CellId> {
        self.entries(0).iter().map(id_of).collect()
    }

    /// Notes how every device stands with every relay, for whoever wonders why.
    pub fn note_state(&mut self) {
        for at in 0..self.machines.len() {
            let Some(account) = self.machines[at].device.account() else { continue };
            let total = account.vector().total();
            let remotes: Vec<String> = account
                .remotes()
                .map(|remote| {
                    let (state, cursor) = (remote.state(), remote.record.cursor);
                    format!("{state:?} cursor {cursor} waiting {}", remote.pending_up())
                })
                .collect();
            let machine = &self.machines[at];
            let (spool, queued, clock) = (machine.spool.len(), machine.disk.queued(), machine.clock);
            self.note(|| {
                format!("device {at}: {total} ops, {spool} in the spool, {queued} queued, {clock:?}, {remotes:?}")
            });
        }
        for relay in 0..self.relays.len() {
            let entries = self.entries(relay).len();
            self.note(|| format!("relay {relay}: {entries} entries"));
        }
    }

    fn note(&mut self, event: impl FnOnce() -> String) {
        if self.timeline.len() == TIMELINE_MAX {
            self.timeline.pop_front();
        }
        let line = format!("{:>12} {}", self.now_ms - join::BEGIN_MS, event());
        self.timeline.push_back(line);
    }
}

/// Events that are kept. Enough to see what led to a failure; all of them would be most of a long run's memory.
const TIMELINE_MAX: usize = 400;

/// The id of an entry's cell.
pub fn id_of(entry: &Entry) -> CellId {
    match entry {
        Entry::Cell(cell) => proof::cell_id(cell),
        Entry::Own(id) | Entry::Gone(id) => *id,
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            crate::scenario::keep_timeline(std::mem::take(&mut self.timeline));
        }
    }
}
