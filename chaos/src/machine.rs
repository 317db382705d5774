//! A device: the production core over a disk that can lose what was not committed.

use std::collections::{BTreeMap, VecDeque};

use caro_core::{
    device::{Device, Env, Rules},
    history::History,
    step::{KeyAndValue, RemoteNumber, RowError, Rows, Space, Step, Write},
};
use caro_schema::{body::history::Record, id::RecordId, relay::ToRelay};

use crate::{sabotage::Sabotage, seed::Seed};

/// The one relay of each device.
pub const RELAY: RemoteNumber = 1;

/// What a device's disk holds.
#[derive(Clone, Default)]
pub struct Disk {
    blocks: BTreeMap<u64, Vec<Record>>,
    queues: BTreeMap<(RemoteNumber, u64), Vec<u8>>,
    rows: BTreeMap<(Space, Vec<u8>), Vec<u8>>,
}

impl Disk {
    /// One transaction.
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

    /// Cells that no acknowledgement has come for.
    pub fn queued(&self) -> usize {
        self.queues.len()
    }

    /// How many rows a space has.
    pub fn count(&self, space: Space) -> usize {
        self.rows.keys().filter(|(of, _)| *of == space).count()
    }

    /// Everything that is on it, for whoever looks for text.
    pub fn history(&self) -> History {
        let mut history = History::new();
        let tombstones = self.rows.keys().filter(|(space, _)| *space == Space::Tombstone);
        history.load_tombstones(tombstones.filter_map(|(_, id)| RecordId::from_slice(id)));
        for (number, records) in self.blocks.iter().rev() {
            history.load_block(*number, records.clone());
        }
        history.set_complete();
        history
    }
}

impl Rows for Disk {
    fn row(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
        Ok(self.rows.get(&(space, key.to_vec())).cloned())
    }

    fn rows(&self, space: Space) -> Result<Vec<KeyAndValue>, RowError> {
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

/// When a device loses power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCut {
    /// The next step is decided and never written.
    BeforeCommit,
    /// The next step is written, and nothing that follows from it is sent.
    BeforeSend,
}

/// One device.
pub struct Machine {
    /// The production core.
    pub device: Device,
    /// What it answers searches from.
    pub history: History,
    /// What survives a crash.
    pub disk: Disk,
    /// Every command that the device said is recorded, with its text. Survives everything: it is what the person knows.
    pub recorded: BTreeMap<RecordId, String>,
    /// How often ops were applied twice or pulled again, by the core's own count of refusals.
    pub crashes: u64,
    pub(crate) outbox: VecDeque<ToRelay>,
    pub(crate) entropy: Seed,
    cut_at: Option<PowerCut>,
    /// What a disk that lied is going to show after so many more steps.
    lied: Option<(Disk, u8)>,
    sabotage: Option<Sabotage>,
}

/// Steps after which a disk that lied loses power: enough for what followed from the lost one to be sent.
const LIE_LASTS: u8 = 3;

impl Machine {
    pub(crate) fn new(seed: &Seed, number: u64, sabotage: Option<Sabotage>) -> Self {
        let disk = Disk::default();
        Self {
            device: load(&disk),
            history: disk.history(),
            disk,
            recorded: BTreeMap::new(),
            crashes: 0,
            outbox: VecDeque::new(),
            entropy: seed.fork(number + 1),
            cut_at: None,
            lied: None,
            sabotage,
        }
    }

    /// Everything in memory is lost; the disk is as it was at the last commit.
    pub fn crash(&mut self) {
        self.device = load(&self.disk);
        self.history = self.disk.history();
        self.outbox.clear();
        self.crashes += 1;
    }

    /// The power goes at the next step.
    pub fn cut_power(&mut self, at: PowerCut) {
        self.cut_at = Some(at);
    }

    /// Lets the core decide and carries the step out. False when the power went in the middle.
    pub(crate) fn decide(
        &mut self,
        now_ms: u64,
        choose: impl FnOnce(&mut Device, &mut History, &Disk, &mut Env<'_>) -> Step,
    ) -> bool {
        let mut env = Env { now_ms, entropy: &mut self.entropy };
        let Step { writes, sends, notices: _ } = choose(&mut self.device, &mut self.history, &self.disk, &mut env);
        if writes.is_empty() && sends.is_empty() {
            return true;
        }
        // The power goes where it hurts: in a step that carries ops or history.
        let cut = if writes.iter().any(carries) { self.cut_at.take() } else { None };
        match cut {
            None => {
                self.disk.commit(writes);
                self.outbox.extend(sends.into_iter().map(|(_, message)| message));
                self.truth_comes_out()
            }
            Some(PowerCut::BeforeCommit) => {
                if self.sabotage == Some(Sabotage::AdvanceCursorBeforeApply) {
                    self.disk.commit(writes.into_iter().filter(is_cursor).collect());
                }
                self.crash();
                false
            }
            Some(PowerCut::BeforeSend) if self.sabotage == Some(Sabotage::NoFsync) => {
                self.lied = Some((self.disk.clone(), LIE_LASTS));
                self.disk.commit(writes);
                self.outbox.extend(sends.into_iter().map(|(_, message)| message));
                true
            }
            Some(PowerCut::BeforeSend) => {
                self.disk.commit(writes);
                self.crash();
                false
            }
        }
    }

    /// A disk that lied shows what it really has. False when it did.
    fn truth_comes_out(&mut self) -> bool {
        match self.lied.take() {
            Some((disk, 0)) => {
                self.disk = disk;
                self.crash();
                false
            }
            lied => {
                self.lied = lied.map(|(disk, left)| (disk, left - 1));
                true
            }
        }
    }

    /// The connection broke.
    pub(crate) fn disconnected(&mut self) {
        self.outbox.clear();
        self.device.handle_disconnected(RELAY);
        if self.sabotage == Some(Sabotage::DropOutboxOnError) {
            self.disk.queues.clear();
            self.device = load(&self.disk);
        }
    }

    /// Takes the next pushes from the core.
    pub(crate) fn poll(&mut self) {
        while let Some(message) = self.device.poll_send(RELAY, &self.disk).expect("this disk can be read") {
            self.outbox.push_back(message);
        }
    }

    /// The texts of the history, sorted.
    pub fn commands(&self) -> Vec<String> {
        let mut commands: Vec<String> =
            self.history.newest().map(|record| String::from_utf8_lossy(&record.command).into_owned()).collect();
        commands.sort();
        commands
    }
}

fn carries(write: &Write) -> bool {
    matches!(write, Write::Block(..) | Write::Row(Space::Op, ..))
}

fn is_cursor(write: &Write) -> bool {
    matches!(write, Write::Row(Space::State, key, _) if key.starts_with(b"remote/"))
}

fn load(disk: &Disk) -> Device {
    Device::load(disk, Rules::default()).expect("this disk holds what the core wrote")
}
