//! The best of many, without sorting the others. Holds at most twice as many as are wanted, and throws the lesser half
//! away whenever it is full.

use std::cmp::Ordering;

use crate::history::{Rows, Span};

/// Where a row stands in a result. The greatest comes first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// Compared first.
    pub(super) rank: u32,
    /// Then the time, turned around when the oldest comes first.
    pub(super) time: i64,
    /// Then the record's id.
    pub(super) row: u32,
}

/// The best so far.
pub(super) struct Top<'a> {
    rows: &'a Rows,
    oldest_first: bool,
    wanted: usize,
    keys: Vec<Key>,
    /// The least of those that would do, once there are enough.
    floor: Option<Key>,
}

/// Below this, throwing away costs more than keeping.
const SLACK: usize = 256;

impl<'a> Top<'a> {
    /// Nothing yet.
    pub(super) fn new(rows: &'a Rows, wanted: usize, oldest_first: bool) -> Self {
        Self { rows, oldest_first, wanted, keys: Vec::new(), floor: None }
    }

    /// Nothing yet, and nothing that could not be among the best of this one.
    pub(super) fn beside(&self) -> Self {
        Self { keys: Vec::new(), ..*self }
    }

    /// A key for a row that started then.
    pub(super) fn key(&self, rank: u32, start_us: i64, row: u32) -> Key {
        Key { rank, time: self.time(start_us), row }
    }

    /// A time as keys have it: the greater, the earlier in the result.
    pub(super) fn time(&self, start_us: i64) -> i64 {
        // Not minus: the least number has no opposite.
        if self.oldest_first { !start_us } else { start_us }
    }

    /// The least time, as keys have it, that could still be among the best where all ranks are the same. None when no row
    /// of a span has such a time.
    pub(super) fn floor_time(&self, Span { earliest, latest, .. }: Span) -> Option<i64> {
        let best = self.time(if self.oldest_first { earliest } else { latest });
        let floor = self.floor.map_or(i64::MIN, |floor| floor.time);
        (best >= floor).then_some(floor)
    }

    /// Whether a key with this rank could still be among the best.
    pub(super) fn could_take(&self, rank: u32) -> bool {
        self.floor.is_none_or(|floor| rank >= floor.rank)
    }

    /// The same where its time is no greater than this.
    pub(super) fn could_take_until(&self, rank: u32, time: i64) -> bool {
        self.floor.is_none_or(|floor| (rank, time) >= (floor.rank, floor.time))
    }

    /// Adds a key, if it is good enough.
    pub(super) fn push(&mut self, key: Key) {
        if self.floor.is_some_and(|floor| self.compare(&key, &floor).is_lt()) {
            return;
        }
        self.keys.push(key);
        if self.keys.len() >= self.wanted.saturating_mul(2).saturating_add(SLACK) {
            self.cut();
        }
    }

    /// Adds what another has found.
    pub(super) fn extend(&mut self, other: Self) {
        for key in other.keys {
            self.push(key);
        }
    }

    /// Throws away what is not among the best.
    pub(super) fn cut(&mut self) {
        let Some(last) = self.wanted.checked_sub(1).filter(|last| *last < self.keys.len()) else { return };
        let mut keys = std::mem::take(&mut self.keys);
        let (_, floor, _) = keys.select_nth_unstable_by(last, |one, other| self.compare(other, one));
        self.floor = Some(*floor);
        keys.truncate(self.wanted);
        self.keys = keys;
    }

    /// The rows of the best, in no order.
    pub(super) fn rows(&self) -> impl Iterator<Item = u32> {
        self.keys.iter().map(|key| key.row)
    }

    /// The best, in no order.
    pub(super) fn keys(mut self) -> Vec<Key> {
        self.cut();
        self.keys
    }

    /// The best, in order, without so many of the first.
    pub(super) fn window(mut self, offset: usize) -> Vec<Key> {
        self.cut();
        let mut keys = std::mem::take(&mut self.keys);
        if offset >= keys.len() {
            return Vec::new();
        }
        if offset > 0 {
            keys.select_nth_unstable_by(offset, |one, other| self.compare(other, one));
            keys.drain(..offset);
        }
        keys.sort_unstable_by(|one, other| self.compare(other, one));
        keys
    }

    fn compare(&self, one: &Key, other: &Key) -> Ordering {
        (one.rank, one.time).cmp(&(other.rank, other.time)).then_with(|| {
            let ids = self.rows.id(one.row).cmp(&self.rows.id(other.row));
            if self.oldest_first { ids.reverse() } else { ids }
        })
    }
}
