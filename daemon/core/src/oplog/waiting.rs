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
    /// Cells that no key opens, or whose author is in no key-log entry so far.
    for_key: BTreeSet<CellId>,
    /// How many wait on ops of each author.
    per_author: BTreeMap<DeviceId, usize>,
}

/// Cells that may wait for a key. A key-log entry that is late by more than this is not late but withheld.
const UNOPENED_MAX: usize = 10_000;

impl Waiting {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.for_key.len() + self.per_author.values().sum::<usize>()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps a cell until an op is there. False when too many wait for this author already.
    #[must_use]
    pub fn hold_for_op(&mut self, need: Need, cell: CellId) -> bool {
        let count = self.per_author.entry(need.author).or_default();
        if *count >= ORPHANS_PER_AUTHOR_MAX {
            return false;
        }
        if self.for_op.entry(need).or_default().insert(cell) {
            *count += 1;
        }
        true
    }

    /// Keeps a cell until a key-log entry arrives. False when too many wait already.
    #[must_use]
    pub fn hold_for_key(&mut self, cell: CellId) -> bool {
        if self.for_key.len() >= UNOPENED_MAX {
            return false;
        }
        self.for_key.insert(cell);
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
        std::mem::take(&mut self.for_key).into_iter().collect()
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

    #[test]
    fn trap_51_orphans_of_one_author_are_bounded_and_those_of_others_are_not_touched() {
        let mut waiting = Waiting::default();
        for n in 0..ORPHANS_PER_AUTHOR_MAX {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_be_bytes());
            assert!(waiting.hold_for_op(need(1, 7), CellId(id)));
        }
        assert!(!waiting.hold_for_op(need(1, 8), CellId([9; 32])));
        assert!(waiting.hold_for_op(need(2, 8), CellId([9; 32])));
        assert_eq!(waiting.len(), ORPHANS_PER_AUTHOR_MAX + 1);
    }

    #[test]
    fn what_waits_is_released_once_by_the_op_it_needs() {
        let mut waiting = Waiting::default();
        assert!(waiting.hold_for_op(need(1, 2), CellId([1; 32])));
        assert!(waiting.hold_for_op(need(1, 5), CellId([2; 32])));
        let mut vector = Vector::default();
        let author = DeviceId([1; 32]);
        vector.advance(author, Tip { seq: 4, op: OpId([0; 32]) });
        assert_eq!(waiting.released_by(author, &vector), [CellId([1; 32])]);
        assert_eq!(waiting.released_by(author, &vector), []);
        assert_eq!(waiting.len(), 1);
    }
}
