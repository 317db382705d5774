//! Placeholder while the real one is being written: obviously correct, slow.
#![allow(missing_docs)]
pub mod block;
use crate::step::{Space, Write};
use caro_schema::{body::history::Record, codec, id::RecordId};
use std::collections::{BTreeMap, BTreeSet};
#[derive(Default)]
pub struct History {
    records: BTreeMap<RecordId, (Record, u64)>,
    dead: BTreeSet<RecordId>,
    next: u64,
    writes: Vec<Write>,
    complete: bool,
}
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutOutcome {
    pub added: u64,
    pub replaced: u64,
    pub known: u64,
    pub deleted: u64,
}
impl History {
    pub fn new() -> Self {
        Self::default()
    }
    pub fn load_block(&mut self, number: u64, records: Vec<Record>) {
        self.next = self.next.max(number + 1);
        for r in records {
            self.records.insert(r.id, (r, number));
        }
    }
    pub fn load_tombstones(&mut self, ids: impl Iterator<Item = RecordId>) {
        self.dead.extend(ids);
    }
    pub fn distinct(&self) -> usize {
        self.records.values().map(|(record, _)| &record.command[..]).collect::<BTreeSet<_>>().len()
    }
    pub fn set_complete(&mut self) {
        self.complete = true;
    }
    pub fn is_complete(&self) -> bool {
        self.complete
    }
    pub fn put(&mut self, records: Vec<Record>) -> PutOutcome {
        let mut out = PutOutcome::default();
        for r in records {
            if self.dead.contains(&r.id) {
                out.deleted += 1;
                continue;
            }
            let key = |r: &Record| (r.has_ended(), codec::encode(r));
            match self.records.get(&r.id) {
                Some((old, _)) if key(old) >= key(&r) => {
                    out.known += 1;
                    continue;
                }
                Some(_) => out.replaced += 1,
                None => out.added += 1,
            }
            let n = match self.records.get(&r.id) {
                Some((_, n)) => *n,
                None => {
                    self.next += 1;
                    self.next
                }
            };
            self.records.insert(r.id, (r.clone(), n));
            self.writes.push(Write::Block(n, Some(vec![r])));
        }
        out
    }
    pub fn delete(&mut self, ids: &[RecordId]) {
        for id in ids {
            if self.dead.insert(*id) {
                self.writes.push(Write::Row(Space::Tombstone, id.0.to_vec(), Some(Vec::new())));
            }
            if let Some((_, n)) = self.records.remove(id) {
                self.writes.push(Write::Block(n, None));
            }
        }
    }
    pub fn record(&self, id: &RecordId) -> Option<Record> {
        self.records.get(id).map(|(r, _)| r.clone())
    }
    pub fn contains(&self, id: &RecordId) -> bool {
        self.records.contains_key(id)
    }
    pub fn is_deleted(&self, id: &RecordId) -> bool {
        self.dead.contains(id)
    }
    pub fn newest(&self) -> impl Iterator<Item = Record> {
        let mut all: Vec<Record> = self.records.values().map(|(r, _)| r.clone()).collect();
        all.sort_by_key(|r| std::cmp::Reverse(r.start_us));
        all.into_iter()
    }
    pub fn len(&self) -> usize {
        self.records.len()
    }
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
    pub fn take_writes(&mut self) -> Vec<Write> {
        std::mem::take(&mut self.writes)
    }
    pub fn digest(&self) -> [u8; 32] {
        let mut h = blake3::Hasher::new();
        for (r, _) in self.records.values() {
            h.update(&codec::encode(r));
        }
        for d in &self.dead {
            h.update(&d.0);
        }
        *h.finalize().as_bytes()
    }
}
