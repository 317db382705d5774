//! What a device's disk holds: rows, blocks and queues as its store keeps them, changed by whole transactions only.

use std::collections::BTreeMap;

use caro_core::{
    history::History,
    step::{KeyAndValue, RemoteNumber, RowError, Rows, Space, Write},
};
use caro_schema::{body::history::Record, id::RecordId};

/// What a device's disk holds.
#[derive(Clone, Default)]
pub struct Disk {
    blocks: BTreeMap<u64, Vec<Record>>,
    queues: BTreeMap<(RemoteNumber, u64), Vec<u8>>,
    rows: BTreeMap<Space, BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Disk {
    /// One transaction.
    pub fn commit(&mut self, writes: Vec<Write>) {
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
                Write::Row(space, key, value) => set(self.rows.entry(space).or_default(), key, value),
            }
        }
    }

    /// Cells that no acknowledgement has come for.
    pub fn queued(&self) -> usize {
        self.queues.len()
    }

    /// The cells themselves, with the remote and the number of each.
    pub fn queues(&self) -> Vec<(RemoteNumber, u64, Vec<u8>)> {
        self.queues.iter().map(|((remote, number), cell)| (*remote, *number, cell.clone())).collect()
    }

    /// Forgets them.
    pub fn drop_queues(&mut self) {
        self.queues.clear();
    }

    /// How many rows a space has.
    pub fn count(&self, space: Space) -> usize {
        self.rows.get(&space).map_or(0, BTreeMap::len)
    }

    /// The rows of a space.
    pub fn space(&self, space: Space) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
        self.rows.get(&space).into_iter().flatten()
    }

    /// Takes a row away, as damage or a hand on the database would.
    pub fn lose(&mut self, space: Space, key: &[u8]) -> Option<Vec<u8>> {
        self.rows.get_mut(&space)?.remove(key)
    }

    /// Takes a record out of the history, without a trace.
    pub fn forget_record(&mut self, id: &RecordId) {
        self.blocks.values_mut().for_each(|records| records.retain(|record| record.id != *id));
    }

    /// Changes every record of the history.
    pub fn rewrite_records(&mut self, change: impl Fn(&mut Record)) {
        self.blocks.values_mut().flatten().for_each(change);
    }

    /// The history that is on it.
    pub fn history(&self) -> History {
        let mut history = History::new();
        history.load_tombstones(self.space(Space::Tombstone).filter_map(|(id, _)| RecordId::from_slice(id)));
        history.load_hidden(self.space(Space::Hidden).filter_map(|(id, _)| RecordId::from_slice(id)));
        for (number, records) in self.blocks.iter().rev() {
            history.load_block(*number, records.clone());
        }
        history.set_complete();
        history
    }
}

impl Rows for Disk {
    fn row(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
        Ok(self.rows.get(&space).and_then(|rows| rows.get(key)).cloned())
    }

    fn rows(&self, space: Space) -> Result<Vec<KeyAndValue>, RowError> {
        Ok(self.space(space).map(|(key, value)| (key.clone(), value.clone())).collect())
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
