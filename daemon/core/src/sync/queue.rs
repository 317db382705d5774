//! The cells that one remote has not acknowledged, by number. The bytes are in the store; this remembers how far they
//! were sent on the present connection. A cell leaves the queue by an acknowledgement and in no other way.

use std::collections::VecDeque;

use caro_link::proof;
use caro_schema::id::CellId;

use super::window::Window;
use crate::step::{RemoteNumber, RowError, Rows};

/// What was sent and what was queued.
#[derive(Default)]
pub(super) struct Queue {
    /// The number that the next queued cell gets.
    next: u64,
    /// How many are queued.
    len: u64,
    /// The last number sent on this connection.
    sent: u64,
    in_flight: VecDeque<Sent>,
    in_flight_bytes: usize,
    window: Window,
}

/// A cell that was sent on this connection and not acknowledged.
struct Sent {
    number: u64,
    cell: CellId,
    bytes: usize,
}

/// Cells in one push. Fewer costs round trips on a first sync; more makes the acknowledgement of the first wait for the last.
const PUSH_CELLS_MAX: usize = 256;
/// Bytes in one push, for the same two reasons.
const PUSH_BYTES_MAX: usize = 512 * 1024;
/// Cells sent and not acknowledged. Keeps a fast link busy over a long round trip; bounds what is sent twice after a cut.
const IN_FLIGHT_MAX: usize = 1024;

impl Queue {
    /// From what the store holds.
    pub(super) fn load(rows: &dyn Rows, remote: RemoteNumber) -> Result<Self, RowError> {
        let mut queue = Self { next: 1, ..Self::default() };
        let mut after = 0;
        loop {
            let page = rows.queue(remote, after, PUSH_BYTES_MAX)?;
            let Some((last, _)) = page.last() else { return Ok(queue) };
            after = *last;
            queue.next = after + 1;
            queue.len += page.len() as u64;
        }
    }

    /// How many are queued.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The number of the last cell that was queued, zero when there was none.
    pub(super) fn last(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// Whether every cell up to this number is known to have left. A connection that has sent nothing yet knows only
    /// whether anything is left at all.
    pub(super) fn has_left(&self, number: u64) -> bool {
        self.len == 0 || self.in_flight.front().is_some_and(|first| first.number > number)
    }

    /// Gives the next number to a cell that is being queued.
    pub(super) fn add(&mut self) -> u64 {
        let number = self.next.max(1);
        self.next = number + 1;
        self.len += 1;
        number
    }

    /// A new connection: everything is to be sent again, the same bytes.
    pub(super) fn rewind(&mut self) {
        self.window.broken(self.in_flight_bytes);
        self.sent = 0;
        self.in_flight.clear();
        self.in_flight_bytes = 0;
    }

    /// Takes a cell out that was not sent. False when it is on its way: then its acknowledgement takes it out.
    pub(super) fn forget(&mut self, number: u64) -> bool {
        let is_on_its_way = self.in_flight.iter().any(|sent| sent.number == number);
        if !is_on_its_way {
            self.len = self.len.saturating_sub(1);
        }
        !is_on_its_way
    }

    /// The next cells to push, if there are any and there is room.
    pub(super) fn next_push(&mut self, rows: &dyn Rows, remote: RemoteNumber) -> Result<Vec<Vec<u8>>, RowError> {
        let room = IN_FLIGHT_MAX.saturating_sub(self.in_flight.len()).min(PUSH_CELLS_MAX);
        let bytes = self.window.room(self.in_flight_bytes).min(PUSH_BYTES_MAX);
        if room == 0 || bytes == 0 || self.in_flight.len() as u64 >= self.len {
            return Ok(Vec::new());
        }
        let mut page = rows.queue(remote, self.sent, bytes)?;
        page.truncate(room);
        for (number, cell) in &page {
            self.sent = *number;
            self.in_flight_bytes += cell.len();
            self.in_flight.push_back(Sent { number: *number, cell: proof::cell_id(cell), bytes: cell.len() });
        }
        Ok(page.into_iter().map(|(_, cell)| cell).collect())
    }

    /// Numbers of the acknowledged cells, which leave the queue. Others are passed over: a relay cannot make a device
    /// forget a cell that it did not send.
    pub(super) fn acknowledged(&mut self, cells: impl Iterator<Item = CellId>) -> Vec<u64> {
        let mut numbers = Vec::new();
        for cell in cells {
            // Nearly always the front one: a relay answers in order.
            if let Some(at) = self.in_flight.iter().position(|sent| sent.cell == cell)
                && let Some(sent) = self.in_flight.remove(at)
            {
                self.in_flight_bytes -= sent.bytes;
                self.window.acknowledged(sent.bytes);
                numbers.push(sent.number);
            }
        }
        self.len -= numbers.len() as u64;
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::tests::Queued;

    /// Bytes of what is pushed until there is no more room.
    fn push_all(queue: &mut Queue, cells: &Queued) -> Vec<Vec<Vec<u8>>> {
        std::iter::from_fn(|| Some(queue.next_push(cells, 1).unwrap()).filter(|push| !push.is_empty())).collect()
    }

    fn bytes(cells: &[Vec<u8>]) -> usize {
        cells.iter().map(Vec::len).sum()
    }

    #[test]
    fn t_bw_01_no_more_is_on_its_way_than_the_window_lets() {
        const CELL: usize = 4096;
        let cells = Queued((1..=500).map(|number| (number, vec![number as u8; CELL])).collect());
        let mut queue = Queue::load(&cells, 1).unwrap();
        let room = Window::new().room(0);
        let first = push_all(&mut queue, &cells);
        assert!(first.iter().all(|push| bytes(push) <= room), "one push is half of what may be on its way");
        assert_eq!(bytes(&first.concat()), 2 * room);
        // Once it is acknowledged there is room for twice as much.
        queue.acknowledged(first.concat().iter().map(|cell| proof::cell_id(cell)));
        let second = push_all(&mut queue, &cells);
        assert_eq!(bytes(&second.concat()), 4 * room);
    }
}
