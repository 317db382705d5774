//! How a device is sent what its account's log holds: one page after the other, never more unconfirmed than a page's
//! worth and another page, pages that grow while they are confirmed fast and shrink when they are not. A slow reader
//! thereby gets pages that fit its line, and nobody makes the relay hold more than two.

use std::collections::VecDeque;

use caro_schema::{
    limits::{PAGE_CELL_BYTES_MAX, PAGE_CELLS_MAX},
    relay::{Entry, Page},
};

use crate::{
    limits::{PAGE_BYTES_MIN, PAGE_FAST_MS, PAGE_SLOW_MS, PAGES_UNCONFIRMED_MAX},
    store::Ticket,
};

/// Bytes that an entry counts beside its cell.
const ENVELOPE_BYTES: usize = 64;

/// A device that pulls.
pub(super) struct Follow {
    /// The last cursor that was sent.
    pub(super) sent: u64,
    /// The last cursor that is there, as far as is known here.
    pub(super) end: u64,
    /// The read that is under way for it. An answer with another number belongs to an earlier pull.
    pub(super) reading: Option<Ticket>,
    /// The pull was not answered yet.
    pub(super) owed: bool,
    page_bytes: usize,
    unconfirmed: VecDeque<Sent>,
    unconfirmed_bytes: usize,
}

struct Sent {
    last: u64,
    bytes: usize,
    at_ms: u64,
    full: bool,
}

impl Follow {
    /// From a cursor on. The size of pages is kept from an earlier pull of the session.
    pub(super) fn new(after: u64, before: Option<&Self>) -> Self {
        Self {
            sent: after,
            end: after,
            reading: None,
            owed: true,
            page_bytes: before.map_or(PAGE_BYTES_MIN, |follow| follow.page_bytes),
            unconfirmed: VecDeque::new(),
            unconfirmed_bytes: 0,
        }
    }

    /// How many bytes of cells may be read now; none when nothing is to be read or nothing more may be sent.
    pub(super) fn wants(&self) -> Option<usize> {
        let more = self.owed || self.sent < self.end;
        (more && self.reading.is_none() && self.has_room()).then_some(self.page_bytes)
    }

    /// Whether cells with cursors from `before + 1` may be sent as they are, without a read.
    pub(super) fn takes_directly(&self, before: u64, count: usize, bytes: usize) -> bool {
        let next = !self.owed && self.reading.is_none() && self.sent == before;
        next && self.has_room() && count <= PAGE_CELLS_MAX && bytes <= self.page_bytes
    }

    /// A page is on its way.
    pub(super) fn sent(&mut self, page: &Page, now_ms: u64) {
        self.owed = false;
        self.sent = page.position.cursor;
        self.end = self.end.max(self.sent + u64::from(page.more));
        if page.entries.is_empty() {
            return;
        }
        let bytes = page.entries.iter().map(weight).sum();
        self.unconfirmed_bytes += bytes;
        let full = bytes >= self.page_bytes / 2;
        self.unconfirmed.push_back(Sent { last: self.sent, bytes, at_ms: now_ms, full });
    }

    /// The device has everything up to `cursor`. False when that says nothing new.
    pub(super) fn confirmed(&mut self, cursor: u64, now_ms: u64) -> bool {
        let mut news = false;
        while self.unconfirmed.front().is_some_and(|sent| sent.last <= cursor) {
            let Some(sent) = self.unconfirmed.pop_front() else { break };
            news = true;
            self.unconfirmed_bytes -= sent.bytes;
            let took_ms = now_ms.saturating_sub(sent.at_ms);
            if took_ms >= PAGE_SLOW_MS {
                self.page_bytes = (self.page_bytes / 2).max(PAGE_BYTES_MIN);
            } else if took_ms <= PAGE_FAST_MS && sent.full {
                self.page_bytes = (self.page_bytes * 2).min(PAGE_CELL_BYTES_MAX);
            }
        }
        news
    }

    fn has_room(&self) -> bool {
        self.unconfirmed_bytes < self.page_bytes && self.unconfirmed.len() < PAGES_UNCONFIRMED_MAX
    }
}

fn weight(entry: &Entry) -> usize {
    ENVELOPE_BYTES + if let Entry::Cell(cell) = entry { cell.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use caro_schema::{
        id::{Generation, Hash, Signature},
        relay::Position,
    };
    use serde_bytes::ByteBuf;

    use super::*;

    fn page(after: u64, cells: usize, cell_bytes: usize, more: bool) -> Page {
        let position = Position {
            generation: Generation([0; 16]),
            cursor: after + cells as u64,
            head: Hash([0; 32]),
            signature: Signature([0; 64]),
        };
        Page { after, entries: vec![Entry::Cell(ByteBuf::from(vec![0; cell_bytes])); cells], position, more }
    }

    #[test]
    fn t_bw_03_a_reader_that_confirms_nothing_gets_two_pages_at_most() {
        let mut follow = Follow::new(0, None);
        let mut bytes = 0;
        while let Some(room) = follow.wants() {
            let next = page(follow.sent, 1, room, true);
            bytes += room;
            follow.sent(&next, 0);
        }
        assert!(bytes <= 2 * PAGE_BYTES_MIN, "{bytes}");
        assert!(follow.confirmed(1, 10));
        assert!(follow.wants().is_some());
    }

    #[test]
    fn t_bw_01_pages_grow_on_a_fast_line_and_shrink_on_a_slow_one() {
        let mut follow = Follow::new(0, None);
        for _ in 0..10 {
            let next = page(follow.sent, 1, follow.wants().unwrap(), true);
            follow.sent(&next, 0);
            assert!(follow.confirmed(follow.sent, PAGE_FAST_MS));
        }
        assert_eq!(follow.wants(), Some(PAGE_CELL_BYTES_MAX));
        for _ in 0..10 {
            let next = page(follow.sent, 1, follow.wants().unwrap(), true);
            follow.sent(&next, 0);
            assert!(follow.confirmed(follow.sent, PAGE_SLOW_MS));
        }
        assert_eq!(follow.wants(), Some(PAGE_BYTES_MIN));
    }

    #[test]
    fn a_pull_is_answered_even_when_there_is_nothing_and_only_once() {
        let mut follow = Follow::new(7, None);
        assert!(follow.wants().is_some());
        follow.sent(&page(7, 0, 0, false), 0);
        assert_eq!(follow.wants(), None);
        assert!(follow.takes_directly(7, 1, 1024));
        assert!(!follow.takes_directly(6, 1, 1024));
        assert!(!follow.confirmed(7, 0));
    }
}
