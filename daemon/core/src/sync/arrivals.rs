//! When the ops of others came from a relay, as places in its log: who read no further than a place does not miss what came
//! behind it.
//!
//! Only of late, and in memory: what came before was read by everybody who has read everything.

use std::collections::{BTreeMap, VecDeque};

use caro_schema::id::DeviceId;

/// Pages of each author that are remembered.
const REMEMBERED: usize = 64;

/// The last op of each author in each of the last pages, with the place where the page ended.
#[derive(Default)]
pub(super) struct Arrivals(BTreeMap<DeviceId, VecDeque<Arrival>>);

#[derive(Clone, Copy)]
struct Arrival {
    seq: u64,
    cursor: u64,
}

impl Arrivals {
    /// An op came in the page that ended there.
    pub(super) fn note(&mut self, author: DeviceId, seq: u64, cursor: u64) {
        let of_author = self.0.entry(author).or_default();
        match of_author.back_mut() {
            Some(last) if seq <= last.seq => return,
            Some(last) if last.cursor == cursor => last.seq = seq,
            _ => of_author.push_back(Arrival { seq, cursor }),
        }
        if of_author.len() > REMEMBERED {
            of_author.pop_front();
        }
    }

    /// Whether an op came behind a place.
    pub(super) fn is_behind(&self, author: &DeviceId, seq: u64, cursor: u64) -> bool {
        let came = self.0.get(author).and_then(|came| came.iter().find(|arrival| arrival.seq >= seq));
        // The oldest that is remembered stands for all before it, which may have come long before.
        came.is_some_and(|arrival| arrival.cursor > cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_behind_a_place_was_not_missed_by_who_read_up_to_it() {
        let (one, other) = (DeviceId([1; 32]), DeviceId([2; 32]));
        let mut arrivals = Arrivals::default();
        for (seq, cursor) in [(1, 10), (2, 10), (3, 20), (2, 30)] {
            arrivals.note(one, seq, cursor);
        }
        let is_behind = |author: &DeviceId, seq, cursor| arrivals.is_behind(author, seq, cursor);
        assert!(is_behind(&one, 1, 9) && is_behind(&one, 2, 9) && is_behind(&one, 3, 19));
        assert!(!is_behind(&one, 2, 10) && !is_behind(&one, 3, 20), "one that came again came before");
        assert!(!is_behind(&one, 4, 0) && !is_behind(&other, 1, 0), "of others nothing is known");
    }

    #[test]
    fn no_more_is_remembered_than_helps() {
        let mut arrivals = Arrivals::default();
        let author = DeviceId([1; 32]);
        (1..=1000).for_each(|n| arrivals.note(author, n, n));
        assert_eq!(arrivals.0[&author].len(), REMEMBERED);
        assert!(arrivals.is_behind(&author, 1000, 999));
    }
}
