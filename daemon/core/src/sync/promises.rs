//! What a relay said without being asked to prove it: that it has this device's cells, each at its cursor, and whatever
//! else leads to nothing.
//!
//! An acknowledgement takes a cell out of the queue, so it is held against the relay: the page that covers the cursor must
//! have that cell there. Knows nothing of what is kept on the disk; the greatest acknowledged cursor is, in
//! [`super::RemoteRecord`].

use std::collections::BTreeMap;

use caro_schema::{
    id::CellId,
    relay::{Entry, Page},
};

use caro_link::proof;

/// Acknowledged cells that no page has covered. An honest relay sends the pages along; of one that does not, the earliest
/// are forgotten, and the greatest cursor still counts.
const PROMISES_MAX: usize = 16_384;

/// Messages of one session, one after the other, that lead to nothing. Devices that come and go make some; a relay that
/// sends more than this keeps the device from its work.
const IDLE_TALK_MAX: u32 = 10_000;

/// What a relay has promised in this session.
#[derive(Default)]
pub(super) struct Promises {
    acknowledged: BTreeMap<u64, CellId>,
    idle_talk: u32,
}

impl Promises {
    /// A cell of this device was acknowledged.
    pub(super) fn note(&mut self, cursor: u64, cell: CellId) {
        self.acknowledged.insert(cursor, cell);
        if self.acknowledged.len() > PROMISES_MAX {
            self.acknowledged.pop_first();
        }
    }

    /// Whether a page has something else where an acknowledged cell must be. What it covers is settled.
    pub(super) fn are_broken_by(&mut self, page: &Page) -> bool {
        let last = page.after + page.entries.len() as u64;
        let later = self.acknowledged.split_off(&last.saturating_add(1));
        let covered = std::mem::replace(&mut self.acknowledged, later);
        let at = |cursor: u64| page.entries.get(usize::try_from(cursor.checked_sub(page.after + 1)?).ok()?);
        covered.iter().any(|(cursor, cell)| at(*cursor).is_some_and(|entry| id_of(entry) != *cell))
    }

    /// Counts a message that led to something, or to nothing. True when it is too much of nothing.
    pub(super) fn talks_idly(&mut self, nothing: bool) -> bool {
        self.idle_talk = if nothing { self.idle_talk.saturating_add(1) } else { 0 };
        self.idle_talk > IDLE_TALK_MAX
    }
}

fn id_of(entry: &Entry) -> CellId {
    match entry {
        Entry::Cell(cell) => proof::cell_id(cell),
        Entry::Own(cell) | Entry::Gone(cell) => *cell,
    }
}
