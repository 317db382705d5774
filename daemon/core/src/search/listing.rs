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
            let mut list = |word, runs: u64| {
                count += u64::from(runs.count_ones());
                let good = top
                    .floor_time()
                    .map_or(u64::MAX, |floor| rows.bits_by_start(word, |start_us| top.time(start_us) >= floor));
                for row in rows_of(word, runs & good) {
                    top.push(top.key(0, rows.start_us(row), row));
                }
            };
            match &chosen {
                Some(chosen) => self.each_word(part, |command| chosen.has(command), &mut list),
                None => self.each_word(part, |_| true, &mut list),
            }
            (top, count)
        }) {
            top.extend(part);
            total += count;
        }
        let keys = if window.limit == 0 { Vec::new() } else { top.window(offset) };
        self.answer(total, &keys)
    }

    /// Hands over the runs that count of the commands for which `is_chosen` holds: 64 rows at a time, a bit for each.
    pub(super) fn each_word(
        &self,
        part: Range<usize>,
        is_chosen: impl Fn(u32) -> bool,
        mut take: impl FnMut(usize, u64),
    ) {
        let rows = self.history.rows();
        let backwards = self.is_best_last(&part);
        let (first, end) = (part.start / 64, part.end.div_ceil(64));
        for step in first..end {
            let word = if backwards { first + end - 1 - step } else { step };
            let admitted = self.runs.word(word);
            let runs = if admitted == 0 { 0 } else { admitted & rows.bits_by_command(word, &is_chosen) };
            if runs != 0 {
                take(word, runs);
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

/// The rows of a word whose bits are set.
pub(super) fn rows_of(word: usize, bits: u64) -> impl Iterator<Item = u32> {
    let mut left = bits;
    std::iter::from_fn(move || {
        let at = left.trailing_zeros();
        left &= left.checked_sub(1)?;
        Some(word as u32 * 64 + at)
    })
}
