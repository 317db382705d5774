//! Ops that arrived before something that they need. Only their cells' ids are in memory; the cells themselves are
//! quarantine rows, so that a restart loses none and a flood of them costs no memory to speak of.

use std::collections::{BTreeMap, BTreeSet};

use caro_schema::{
    id::{CellId, DeviceId},
    limits::ORPHANS_PER_AUTHOR_MAX,
};

use super::Vector;

/// An op that is missing: this author's with this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// Whose.
    pub author: DeviceId,
    /// Which.
    pub seq: u64,
}

/// Cells that wait, by what they wait for.
#[derive(Default)]
pub struct Waiting {
    for_op: BTreeMap<Need, BTreeSet<CellId>>,
    /// Cells that no key opens, or whose author is in no key-log entry so far, with their bytes.
    for_key: BTreeMap<CellId, usize>,
    for_key_bytes: usize,
    /// How many wait on ops of each author.
    per_author: BTreeMap<DeviceId, usize>,
}

/// Cells that may wait for a key. A key-log entry that is late by more than this is not late but withheld.
const UNOPENED_MAX: usize = 10_000;

/// Bytes of all these. Anyone who runs a relay can make them up; no member is needed for it.
const UNOPENED_BYTES_MAX: usize = 64 << 20;

/// What became of a cell that was to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It waits.
    Kept,
    /// It waits in the place of this one, which is further from its turn.
    InsteadOf(CellId),
    /// Too many wait that are nearer to their turn.
    Refused,
}

impl Waiting {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.for_key.len() + self.per_author.values().sum::<usize>()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps a cell until an op is there. When too many wait for this author's ops, those stay that are nearest to their
    /// turn, so that reading the log again gets on by as many.
    #[must_use]
    pub fn hold_for_op(&mut self, need: Need, cell: CellId) -> Held {
        let count = self.per_author.entry(need.author).or_default();
        if self.for_op.get(&need).is_some_and(|cells| cells.contains(&cell)) {
            return Held::Kept;
        }
        if *count < ORPHANS_PER_AUTHOR_MAX {
            *count += 1;
            self.for_op.entry(need).or_default().insert(cell);
            return Held::Kept;
        }
        let after = Need { author: need.author, seq: need.seq + 1 };
        let last = Need { author: need.author, seq: u64::MAX };
        let Some((furthest, cells)) = self.for_op.range_mut(after..=last).next_back() else { return Held::Refused };
        let furthest = *furthest;
        let Some(evicted) = cells.pop_first() else { return Held::Refused };
        if cells.is_empty() {
            self.for_op.remove(&furthest);
        }
        self.for_op.entry(need).or_default().insert(cell);
        Held::InsteadOf(evicted)
    }

    /// Keeps a cell until a key-log entry arrives. False when too many wait already.
    #[must_use]
    pub fn hold_for_key(&mut self, cell: CellId, bytes: usize) -> bool {
        if self.for_key.contains_key(&cell) {
            return true;
        }
        if self.for_key.len() >= UNOPENED_MAX || self.for_key_bytes + bytes > UNOPENED_BYTES_MAX {
            return false;
        }
        self.for_key.insert(cell, bytes);
        self.for_key_bytes += bytes;
        true
    }

    /// Takes out the cells whose need is met now that this author's ops are known up to `vector`.
    pub fn released_by(&mut self, author: DeviceId, vector: &Vector) -> Vec<CellId> {
        let from = Need { author, seq: 0 };
        let to = Need { author, seq: vector.seq(&author) };
        let met: Vec<Need> = self.for_op.range(from..=to).map(|(need, _)| *need).collect();
        let cells: Vec<CellId> = met.iter().filter_map(|need| self.for_op.remove(need)).flatten().collect();
        if let Some(count) = self.per_author.get_mut(&author) {
            *count -= cells.len();
        }
        cells
    }

    /// Takes out the cells that wait for this op. For one that came and is not on its author's chain.
    pub fn released_at(&mut self, need: Need) -> Vec<CellId> {
        let cells: Vec<CellId> = self.for_op.remove(&need).unwrap_or_default().into_iter().collect();
        if let Some(count) = self.per_author.get_mut(&need.author) {
            *count = count.saturating_sub(cells.len());
        }
        cells
    }

    /// Takes out the cells that wait for ops of some authors, whichever ops those are.
    pub fn released_of(&mut self, of: impl Fn(&DeviceId) -> bool) -> Vec<CellId> {
        let needs: Vec<Need> = self.for_op.keys().filter(|need| of(&need.author)).copied().collect();
        let mut cells = Vec::new();
        for need in needs {
            let released = self.for_op.remove(&need).unwrap_or_default();
            if let Some(count) = self.per_author.get_mut(&need.author) {
                *count = count.saturating_sub(released.len());
            }
            cells.extend(released);
        }
        cells
    }

    /// Of each author whose ops are waited for, how many are not here.
    pub fn lacking(&self, vector: &Vector) -> impl Iterator<Item = (DeviceId, u64)> {
        let mut most: BTreeMap<DeviceId, u64> = BTreeMap::new();
        for need in self.for_op.keys() {
            let lacks = need.seq.saturating_sub(vector.seq(&need.author));
            let known = most.entry(need.author).or_default();
            *known = lacks.max(*known);
        }
        most.into_iter().filter(|(_, lacks)| *lacks > 0)
    }

    /// Takes out the cells that waited for a key.
    pub fn released_by_key(&mut self) -> Vec<CellId> {
        self.for_key_bytes = 0;
        std::mem::take(&mut self.for_key).into_keys().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oplog::Tip;
    use caro_schema::id::OpId;

    fn need(author: u8, seq: u64) -> Need {
        Need { author: DeviceId([author; 32]), seq }
    }

    fn cell(n: usize) -> CellId {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_be_bytes());
        CellId(id)
    }

    #[test]
    fn trap_51_orphans_of_one_author_are_bounded_and_the_nearest_stay() {
        let mut waiting = Waiting::default();
        for n in 0..ORPHANS_PER_AUTHOR_MAX {
            assert_eq!(waiting.hold_for_op(need(1, 100 + n as u64), cell(n)), Held::Kept);
        }
        assert_eq!(waiting.hold_for_op(need(1, 1 << 40), cell(1 << 40)), Held::Refused);
        let furthest = cell(ORPHANS_PER_AUTHOR_MAX - 1);
        assert_eq!(waiting.hold_for_op(need(1, 7), cell(1 << 41)), Held::InsteadOf(furthest));
        assert_eq!(waiting.hold_for_op(need(2, 8), cell(1 << 42)), Held::Kept, "others are not touched");
        assert_eq!(waiting.len(), ORPHANS_PER_AUTHOR_MAX + 1);
    }

    #[test]
    fn trap_51_cells_that_nobody_can_open_are_bounded_in_bytes() {
        let mut waiting = Waiting::default();
        let kept = (0..10_000).take_while(|n| waiting.hold_for_key(cell(*n), 65_536)).count();
        assert_eq!(kept, UNOPENED_BYTES_MAX / 65_536);
        assert_eq!(waiting.released_by_key().len(), kept);
        assert!(waiting.hold_for_key(cell(1), 65_536), "there is room again");
    }

    #[test]
    fn what_waits_is_released_once_by_the_op_it_needs() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.hold_for_op(need(1, 2), CellId([1; 32])), Held::Kept);
        assert_eq!(waiting.hold_for_op(need(1, 5), CellId([2; 32])), Held::Kept);
        let mut vector = Vector::default();
        let author = DeviceId([1; 32]);
        vector.advance(author, Tip { seq: 4, op: OpId([0; 32]) });
        assert_eq!(waiting.released_by(author, &vector), [CellId([1; 32])]);
        assert_eq!(waiting.released_by(author, &vector), []);
        assert_eq!(waiting.len(), 1);
        // By one that is not on the chain too, and nothing else is.
        assert_eq!(waiting.released_at(need(1, 4)), []);
        assert_eq!(waiting.released_at(need(1, 5)), [CellId([2; 32])]);
        assert_eq!(waiting.released_at(need(1, 5)), []);
        assert!(waiting.is_empty());
    }
}
