//! Runs by time, without a rank: what a list or an export reads from one end to the other, thousands at a time. Nothing is
//! worked out for each command; a look at each row's command and time is all that a window costs.

use std::ops::Range;

use caro_schema::ipc::history::{Hits, Order, Window};

use super::{bits::Bits, parallel::in_parts, results::Search};

impl Search<'_> {
    /// The rows of a window, and how many there are in all, where every run counts and none is ranked.
    pub(super) fn listing(&self, window: Window) -> Hits {
        let (rows, slots) = (self.history.rows(), self.history.commands().slots());
        let offset = usize::try_from(window.offset).unwrap_or(usize::MAX);
        let wanted = offset.saturating_add(window.limit as usize);
        let chosen = (!self.pattern.is_everything()).then(|| Bits::of(slots, self.matches.iter().copied()));
        let (mut top, mut total) = (self.top(wanted), 0);
        for (part, count) in in_parts(rows.slots(), |part| {
            let (mut top, mut count) = (self.top(wanted), 0u64);
            self.each_run(part, chosen.as_ref(), |row, _, start_us| {
                count += 1;
                top.push(top.key(0, start_us, row));
            });
            (top, count)
        }) {
            top.extend(part);
            total += count;
        }
        let keys = if window.limit == 0 { Vec::new() } else { top.window(offset) };
        self.answer(total, &keys)
    }

    /// Hands over the runs of some rows that count, of all commands or the chosen ones: row, command and time.
    pub(super) fn each_run(&self, part: Range<usize>, chosen: Option<&Bits>, mut take: impl FnMut(u32, u32, i64)) {
        let rows = self.history.rows();
        let backwards = self.is_best_last(&part);
        let (first, end) = (part.start / 64, part.end.div_ceil(64));
        for step in first..end {
            let word = if backwards { first + end - 1 - step } else { step };
            let mut left = self.runs.word(word);
            while left != 0 {
                let row = word * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                if row >= part.end {
                    break;
                }
                let Some(command) = rows.command(row as u32) else { continue };
                if chosen.is_none_or(|chosen| chosen.has(command)) {
                    take(row as u32, command, rows.start_us(row as u32));
                }
            }
        }
    }

    /// Whether what comes first in the result most likely stands at the end of these rows. Whoever begins with that can
    /// throw most of the others away at once.
    fn is_best_last(&self, part: &Range<usize>) -> bool {
        let rows = self.history.rows();
        let Some(last) = part.end.checked_sub(1).filter(|last| *last > part.start) else { return false };
        let grows = rows.start_us(part.start as u32) < rows.start_us(last as u32);
        grows != matches!(self.query.order, Order::Oldest)
    }
}
