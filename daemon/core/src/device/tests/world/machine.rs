//! One device over a store in memory, and what it holds in memory beside that.

use std::collections::BTreeMap;

use caro_link::entropy::{Entropy, NoEntropy};
use caro_schema::{body::history::Record, id::RecordId};

use super::{RELAY, relay::Session};
use crate::{
    device::{Device, Env, Rules},
    history::History,
    step::{RemoteNumber, RowError, Rows, Space, Step, Write},
};

/// Bytes that look random and are the same every time.
pub(in crate::device::tests) struct Seeded(u64);

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
pub(in crate::device::tests) struct Disk {
    pub(in crate::device::tests) blocks: BTreeMap<u64, Vec<Record>>,
    pub(in crate::device::tests) queues: BTreeMap<(RemoteNumber, u64), Vec<u8>>,
    pub(in crate::device::tests) rows: BTreeMap<(Space, Vec<u8>), Vec<u8>>,
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

    pub(in crate::device::tests) fn count(&self, space: Space) -> usize {
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
pub(in crate::device::tests) struct Machine {
    pub(in crate::device::tests) device: Device,
    pub(in crate::device::tests) history: History,
    pub(in crate::device::tests) disk: Disk,
    pub(in crate::device::tests) online: bool,
    pub(super) rules: Rules,
    pub(super) session: Option<Session>,
    pub(super) entropy: Seeded,
}

impl Machine {
    pub(in crate::device::tests) fn new(seed: u64) -> Self {
        let disk = Disk::default();
        let device = Device::load(&disk, rules()).unwrap();
        let mut history = History::new();
        history.set_complete();
        Self { device, history, disk, online: true, rules: rules(), session: None, entropy: Seeded(seed << 32) }
    }

    pub(in crate::device::tests) fn set_rules_without_compaction(&mut self) {
        self.rules.compact_after = u64::MAX;
    }

    /// Everything in memory is lost; the disk is as it was at the last commit.
    pub(in crate::device::tests) fn crash(&mut self) {
        self.device = Device::load(&self.disk, self.rules.clone()).unwrap();
        self.history = loaded(&self.disk);
        self.session = None;
    }

    pub(in crate::device::tests) fn decide(
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

    pub(in crate::device::tests) fn commands(&self) -> Vec<String> {
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

    pub(super) fn poll_if_open(&mut self) {
        if self.session.is_some() {
            self.poll();
        }
    }
}

/// As in the program, but that snapshots are made often.
pub(in crate::device::tests) fn rules() -> Rules {
    Rules { compact_after: 8, ..Rules::default() }
}

/// History as a disk has it.
pub(in crate::device::tests) fn loaded(disk: &Disk) -> History {
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
