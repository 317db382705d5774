//! Cells that a remote is to forget: in which order, and how far it has. The ids are in the store; this remembers which
//! rows there are and what was asked for on the present connection.

use std::collections::BTreeSet;

use caro_schema::{id::CellId, limits::PAGE_CELLS_MAX, relay::ToRelay};

/// What is to be purged at one remote.
#[derive(Default)]
pub(super) struct Purges {
    /// Rows of ids, each named by the number of the queue up to which everything must have been acknowledged.
    rows: BTreeSet<u64>,
    /// The row that is being asked for, and how many of its ids the remote has answered for.
    current: Option<(u64, usize)>,
    /// How many ids were asked for and not answered for yet.
    asked: usize,
}

impl Purges {
    pub(super) fn add(&mut self, after: u64) {
        self.rows.insert(after);
    }

    /// The row that is asked for last.
    pub(super) fn last(&self) -> Option<u64> {
        self.rows.last().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A new connection: what was not answered is asked for again, which is harmless.
    pub(super) fn rewind(&mut self) {
        self.current = None;
        self.asked = 0;
    }

    /// The row to go on with, if none waits for an answer.
    pub(super) fn due(&self) -> Option<u64> {
        if self.asked > 0 {
            return None;
        }
        self.current.map(|(after, _)| after).or_else(|| self.rows.first().copied())
    }

    /// What to ask for next, out of all the ids of the row that is due.
    pub(super) fn next(&mut self, ids: &[u8]) -> Option<ToRelay> {
        let after = self.due()?;
        let done = self.current.map_or(0, |(_, done)| done);
        let cells: Vec<CellId> =
            ids.chunks_exact(CellId::LEN).skip(done).take(PAGE_CELLS_MAX).filter_map(CellId::from_slice).collect();
        self.current = Some((after, done));
        // A row with no ids is asked for too, so that its answer takes it away.
        self.asked = cells.len().max(1);
        Some(ToRelay::Purge { cells })
    }

    /// The remote has answered. Gives the row that is done with.
    pub(super) fn answered(&mut self) -> Option<u64> {
        let (after, done) = self.current?;
        let asked = std::mem::take(&mut self.asked);
        if asked == PAGE_CELLS_MAX {
            self.current = Some((after, done + asked));
            return None;
        }
        self.current = None;
        self.rows.remove(&after);
        Some(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(message: Option<ToRelay>) -> usize {
        match message {
            Some(ToRelay::Purge { cells }) => cells.len(),
            _ => panic!("not a purge"),
        }
    }

    #[test]
    fn a_long_row_goes_in_pieces_and_away_with_its_last_answer() {
        let ids = vec![7; CellId::LEN * (PAGE_CELLS_MAX + 3)];
        let mut purges = Purges::default();
        assert_eq!(purges.due(), None);
        purges.add(9);
        assert_eq!(count(purges.next(&ids)), PAGE_CELLS_MAX);
        assert_eq!(purges.due(), None, "one at a time");
        assert_eq!(purges.answered(), None);
        assert_eq!(count(purges.next(&ids)), 3);
        assert_eq!(purges.answered(), Some(9));
        assert_eq!(purges.due(), None);
    }

    #[test]
    fn after_a_cut_everything_that_was_not_answered_is_asked_for_again() {
        let ids = vec![7; CellId::LEN * 2];
        let mut purges = Purges::default();
        purges.add(1);
        assert_eq!(count(purges.next(&ids)), 2);
        purges.rewind();
        assert_eq!(count(purges.next(&ids)), 2);
        assert_eq!(purges.answered(), Some(1));
        assert_eq!(purges.answered(), None, "an answer that nobody asked for");
    }
}
