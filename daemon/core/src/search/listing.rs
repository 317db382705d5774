//! Runs by time, without a rank: what a list or an export reads from one end to the other, thousands at a time. Nothing is
//! worked out for each command; a look at each row's command and time is all that a window costs.

use std::ops::Range;

use caro_schema::{
    id::RecordId,
    ipc::history::{Hits, Order, Window},
};

use super::{bits::numbers_of, parallel::in_parts, results::Search};

impl Search<'_> {
    /// The rows of a window, and how many there are in all, where every run counts and none is ranked.
    pub(super) fn listing(&self, window: Window) -> Hits {
        let rows = self.history.rows();
        let offset = usize::try_from(window.offset).unwrap_or(usize::MAX);
        let wanted = offset.saturating_add(window.limit as usize);
        let chosen = (!self.pattern.is_everything()).then_some(self.matches);
        let (mut top, mut total) = (self.top(wanted), 0);
        for (part, count) in in_parts(rows.slots(), |part| {
            let (mut top, mut count) = (self.top(wanted), 0u64);
            for word in self.words(&part) {
                let runs = match chosen {
                    Some(chosen) => self.runs_in(word, |command| chosen.has(command)),
                    None => self.runs_in(word, |_| true),
                };
                count += u64::from(runs.count_ones());
                let Some(floor) = top.floor_time(rows.span(word)).filter(|_| runs != 0) else { continue };
                let good = rows.bits_by_start(word, |start_us| top.time(start_us) >= floor);
                for row in numbers_of(word, runs & good) {
                    top.push(top.key(0, rows.start_us(row), row));
                }
            }
            (top, count)
        }) {
            top.extend(part);
            total += count;
        }
        let keys = if window.limit == 0 { Vec::new() } else { top.window(offset) };
        self.answer(total, &keys)
    }

    /// Every run that counts, the newest first. For whoever wants all of them: one pass, where windows one after the other
    /// would each begin from the first row.
    pub(super) fn every_run(&self) -> Vec<RecordId> {
        let rows = self.history.rows();
        let chosen = (!self.pattern.is_everything()).then_some(self.matches);
        let mut found: Vec<u32> = in_parts(rows.slots(), |part| {
            let of_word = |word: usize| {
                let runs = match chosen {
                    Some(chosen) => self.runs_in(word, |command| chosen.has(command)),
                    None => self.runs_in(word, |_| true),
                };
                numbers_of(word, runs)
            };
            self.words(&part).flat_map(of_word).collect::<Vec<u32>>()
        })
        .into_iter()
        .flatten()
        .collect();
        found.sort_unstable_by(|one, other| rows.compare(*other, *one));
        found.into_iter().map(|row| rows.id(row)).collect()
    }

    /// The words of some rows, 64 in each, from that on which most likely comes first in the result: whoever begins with that
    /// can throw most of the others away at once.
    pub(super) fn words(&self, part: &Range<usize>) -> impl Iterator<Item = usize> + use<> {
        let backwards = self.is_best_last(part);
        let (first, end) = (part.start / 64, part.end.div_ceil(64));
        (first..end).map(move |word| if backwards { first + end - 1 - word } else { word })
    }

    /// A bit for each run of a word that counts and whose command `is_chosen`.
    pub(super) fn runs_in(&self, word: usize, is_chosen: impl Fn(u32) -> bool) -> u64 {
        let admitted = self.runs.word(word);
        if admitted == 0 { 0 } else { admitted & self.history.rows().bits_by_command(word, is_chosen) }
    }

    /// Whether the last of some rows most likely comes before their first in the result.
    pub(super) fn is_best_last(&self, part: &Range<usize>) -> bool {
        let rows = self.history.rows();
        let Some(last) = part.end.checked_sub(1).filter(|last| *last > part.start) else { return false };
        let grows = rows.start_us(part.start as u32) < rows.start_us(last as u32);
        grows != matches!(self.query.order, Order::Oldest)
    }
}

#[cfg(test)]
mod tests {
    use caro_schema::{
        body::history::Record,
        id::RecordId,
        ipc::history::{Filter, Order, Place, Query, Window},
    };

    use crate::{
        history::{
            History,
            model::{id, record},
        },
        search::{Searcher, reference},
    };

    /// Rows that lie as they came, so that whole words of them are passed over; some are deleted, and their places used again.
    #[test]
    fn what_is_passed_over_by_its_time_is_not_in_the_result() {
        let run = |n: u32, start_us: i64| record(n, start_us, &format!("make part {}", n % 40));
        let mut history = History::new();
        history.set_complete();
        history.put((0..1500u32).map(|n| run(n, i64::from(n) * 60_000_000)));
        history.delete(&(0..1500).step_by(7).map(id).collect::<Vec<_>>());
        // In the places of those: some long before, some long after all others.
        history.put((2000..2100u32).map(|n| run(n, (i64::from(n) - 2050) * 6_000_000_000)));
        let records: Vec<Record> = history.newest().collect();
        let mut searcher = Searcher::default();
        let times = [None, Some(-90_000_000_000), Some(40_000_000_000), Some(40_020_000_000), Some(99_000_000_000)];
        let asked = [
            (Order::Rank, "m7"),
            (Order::Newest, ""),
            (Order::Newest, "m7"),
            (Order::Oldest, ""),
            (Order::Oldest, "m7"),
        ];
        for (since_us, until_us) in times.into_iter().flat_map(|since| times.map(|until| (since, until))) {
            for (order, text) in asked {
                let filter = Filter { since_us, until_us, ..Filter::default() };
                let place = Place { now_us: 200_000_000_000, ..Place::default() };
                let query = Query { text: text.to_owned(), filter, order, place, ..Query::default() };
                let all = Window { offset: 0, limit: u32::MAX };
                let (total, rows) = reference::search(&records, &query, all);
                let expected: Vec<RecordId> = rows.iter().map(|(record, _)| record.id).collect();
                for (offset, limit) in [(0, 3), (0, 400), (30, 5)] {
                    let hits = searcher.search(&history, &query, Window { offset: offset as u64, limit }).unwrap();
                    let found: Vec<RecordId> = hits.rows.iter().map(|hit| hit.record.id).collect();
                    let window = expected.iter().skip(offset).take(limit as usize).copied();
                    assert!(hits.total == total && found == window.collect::<Vec<_>>(), "{query:?} {offset}");
                }
            }
        }
    }
}
