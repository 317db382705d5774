//! The rows that match: those that are here, the chosen one, and what is in sight. Counted from the best match, whatever
//! way the list is drawn.
//!
//! Rows may be hidden, because they are about to be deleted: they are passed over, drawn nowhere and never chosen.

use std::ops::Range;

use caro_schema::ipc::history::{Hit, Hits, Window};

/// The list.
#[derive(Clone, Debug)]
pub(super) struct List {
    /// The rows that are here.
    rows: Vec<Hit>,
    /// Those of them that are hidden.
    hidden: Vec<bool>,
    /// The first of `rows` among all that match.
    offset: u64,
    /// How many match.
    pub(super) total: u64,
    /// How many there are at all.
    pub(super) of: u64,
    /// Whether the daemon has read everything.
    pub(super) complete: bool,
    /// Whether more rows were asked for than came: an answer has no more of them than fit into a message.
    is_cut: bool,
    /// The chosen match.
    pub(super) chosen: u64,
    /// The first match in sight.
    top: u64,
}

impl Default for List {
    fn default() -> Self {
        let (rows, hidden) = (Vec::new(), Vec::new());
        Self { rows, hidden, offset: 0, total: 0, of: 0, complete: true, is_cut: false, chosen: 0, top: 0 }
    }
}

impl List {
    /// Takes an answer in, and gives what was here before.
    pub(super) fn take(&mut self, window: Window, hits: Hits, is_hidden: impl Fn(&Hit) -> bool) -> Self {
        let before = Self { rows: std::mem::take(&mut self.rows), hidden: std::mem::take(&mut self.hidden), ..*self };
        self.offset = window.offset;
        self.add(window, hits);
        self.hide(is_hidden);
        before
    }

    /// Whether an answer brings what comes after one that was cut. When the history has changed meanwhile it does not
    /// fit to it.
    pub(super) fn goes_on_with(&self, window: Window, hits: &Hits) -> bool {
        self.is_cut && window.offset == self.end() && (hits.total, hits.of) == (self.total, self.of)
    }

    /// Takes in what comes after an answer that was cut. Rows far in front of what is in sight of so many rows make room:
    /// these are large.
    pub(super) fn append(&mut self, window: Window, hits: Hits, rows: u16, is_hidden: impl Fn(&Hit) -> bool) {
        let far = self.window(rows).offset.saturating_sub(self.offset);
        let far = usize::try_from(far).map_or(self.rows.len(), |far| far.min(self.rows.len()));
        self.rows.drain(..far);
        self.offset += far as u64;
        self.add(window, hits);
        self.hide(is_hidden);
    }

    fn add(&mut self, window: Window, hits: Hits) {
        let Hits { total, of, rows, complete } = hits;
        let count = rows.len() as u64;
        self.rows.extend(rows);
        // What nobody gives when it is asked for is not there, or it would be asked for without end.
        let total = if count == 0 { total.min(window.offset) } else { total };
        self.is_cut = count < u64::from(window.limit) && self.end() < total;
        (self.total, self.of, self.complete) = (total, of, complete);
    }

    /// The place behind the last row that is here.
    fn end(&self) -> u64 {
        self.offset + self.rows.len() as u64
    }

    /// After another answer to the same question: what was chosen is chosen again, wherever it is now, and is drawn where
    /// it was. Rows come and go by themselves, and a key that is meant for one must not reach its neighbour.
    pub(super) fn follow(
        &mut self,
        before: &Self,
        is_same: impl Fn(&Hit, &Hit) -> bool,
        has_gone: impl Fn(&Hit) -> bool,
    ) {
        // When it is no longer there the next one is chosen, as when it is deleted here.
        let next = before.rows().filter(|(at, _)| *at >= before.chosen && !before.is_hidden(*at));
        let place = before.chosen().and_then(|_| next.map(|(_, hit)| hit).find_map(|hit| self.place_of(hit, &is_same)));
        let in_front = before.rows().filter(|(at, _)| *at < before.chosen && before.is_hidden(*at));
        let gone = in_front.filter(|(_, hit)| has_gone(hit)).count() as u64;
        self.chosen = place.unwrap_or(before.chosen - gone);
        // At its beginning the list stays: what is new in front is to be seen.
        if before.top > 0 {
            let above = (before.top..before.chosen).filter(|at| !before.is_hidden(*at)).count();
            let mut upwards = (0..self.chosen).rev().filter(|at| !self.is_hidden(*at));
            self.top = if above == 0 { self.chosen } else { upwards.nth(above - 1).unwrap_or(0) };
        }
    }

    /// Where the row is that stands for the same as this one.
    pub(super) fn place_of(&self, hit: &Hit, is_same: impl Fn(&Hit, &Hit) -> bool) -> Option<u64> {
        self.rows().find(|(_, row)| is_same(hit, row)).map(|(place, _)| place)
    }

    /// Nothing is here.
    pub(super) fn clear(&mut self) {
        (self.rows, self.hidden, self.total) = (Vec::new(), Vec::new(), 0);
    }

    /// Says anew which rows are hidden.
    pub(super) fn hide(&mut self, is_hidden: impl Fn(&Hit) -> bool) {
        self.hidden = self.rows.iter().map(is_hidden).collect();
    }

    /// A match by its place, if its row is here.
    pub(super) fn row(&self, index: u64) -> Option<&Hit> {
        self.rows.get(usize::try_from(index.checked_sub(self.offset)?).ok()?)
    }

    /// The chosen match, if its row is here and not hidden.
    pub(super) fn chosen(&self) -> Option<&Hit> {
        if self.is_hidden(self.chosen) { None } else { self.row(self.chosen) }
    }

    /// All rows that are here, with their places.
    pub(super) fn rows(&self) -> impl Iterator<Item = (u64, &Hit)> {
        (self.offset..).zip(&self.rows)
    }

    /// How many match and are not hidden, as far as is known.
    pub(super) fn shown(&self) -> u64 {
        let hidden = self.hidden.iter().filter(|hidden| **hidden).count() as u64;
        self.total.saturating_sub(hidden)
    }

    fn is_hidden(&self, index: u64) -> bool {
        let at = index.checked_sub(self.offset).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.hidden.get(at)).copied().unwrap_or(false)
    }

    /// Back to the best match.
    pub(super) fn rewind(&mut self) {
        (self.chosen, self.top) = (0, 0);
    }

    /// Chooses a match, or the nearest that there is, and brings it into sight of so many rows.
    pub(super) fn choose(&mut self, index: u64, rows: u16) {
        let last = self.total.saturating_sub(1);
        let wanted = index.min(last);
        let older = (wanted..=last).find(|index| !self.is_hidden(*index));
        let newer = || (0..wanted).rev().find(|index| !self.is_hidden(*index));
        self.chosen = older.or_else(newer).unwrap_or(wanted);
        self.bring_into_sight(u64::from(rows.max(1)));
    }

    /// Chooses a match that may not be here yet: its place is made right by the answer.
    pub(super) fn choose_ahead(&mut self, index: u64) {
        self.chosen = index;
    }

    /// The match so many shown rows away, at most as many as a terminal has.
    pub(super) fn stepped(&self, steps: i64) -> u64 {
        let last = self.total.saturating_sub(1);
        let (mut index, mut shown) = (self.chosen, self.chosen);
        for _ in 0..steps.unsigned_abs().min(u64::from(u16::MAX)) {
            loop {
                let next =
                    if steps > 0 { index.checked_add(1).filter(|next| *next <= last) } else { index.checked_sub(1) };
                let Some(next) = next else { return shown };
                index = next;
                if !self.is_hidden(index) {
                    break;
                }
            }
            shown = index;
        }
        shown
    }

    fn bring_into_sight(&mut self, rows: u64) {
        self.top = self.top.min(self.chosen);
        let hidden_max = self.hidden.iter().filter(|hidden| **hidden).count() as u64;
        self.top = self.top.max((self.chosen + 1).saturating_sub(rows + hidden_max));
        let mut shown = (self.top..=self.chosen).filter(|index| !self.is_hidden(*index)).count() as u64;
        while shown > rows {
            shown -= u64::from(!self.is_hidden(self.top));
            self.top += 1;
        }
    }

    /// The places in sight of so many rows, the best first.
    pub(super) fn in_sight(&self, rows: u16) -> impl Iterator<Item = u64> {
        (self.top..self.total).filter(|index| !self.is_hidden(*index)).take(usize::from(rows))
    }

    /// Whether everything in sight of so many rows is here.
    pub(super) fn has_what_is_in_sight(&self, rows: u16) -> bool {
        let end = self.top + u64::from(rows) + self.hidden.iter().filter(|hidden| **hidden).count() as u64;
        self.offset <= self.top && end.min(self.total) <= self.end()
    }

    /// What is worth asking for: what is in sight of so many rows, with a screenful on both sides.
    pub(super) fn window(&self, rows: u16) -> Window {
        let Range { start, end } = {
            let rows = u64::from(rows.max(1));
            self.top.saturating_sub(rows)..self.top + 2 * rows
        };
        // Hidden rows make room for others.
        let more = self.hidden.iter().filter(|hidden| **hidden).count() as u64;
        Window { offset: start, limit: u32::try_from(end - start + more).unwrap_or(u32::MAX).max(1) }
    }

    /// What is to be asked for when not everything in sight of so many rows is here. After an answer that was cut that is
    /// the rest of it: the same question would be cut at the same row.
    pub(super) fn missing(&self, rows: u16) -> Window {
        let wanted = self.window(rows);
        let (begin, end) = (self.end(), wanted.offset + u64::from(wanted.limit));
        let goes_on = self.is_cut && self.offset <= self.top && (wanted.offset..end).contains(&begin);
        if goes_on { Window { offset: begin, limit: u32::try_from(end - begin).unwrap_or(u32::MAX) } } else { wanted }
    }

    /// Scrolls so that this match is in the middle of so many rows.
    pub(super) fn centre(&mut self, index: u64, rows: u16) {
        self.chosen = index;
        self.top = index.saturating_sub(u64::from(rows) / 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hit;

    fn list(commands: &[&str], hidden: &[&str]) -> List {
        let mut list = List::default();
        let rows: Vec<Hit> = commands.iter().map(|command| hit(command)).collect();
        let hits = Hits { total: rows.len() as u64, of: 100, rows, complete: true };
        list.take(Window { offset: 0, limit: 100 }, hits, |hit| {
            hidden.iter().any(|command| *hit.record.command == *command.as_bytes())
        });
        list
    }

    #[test]
    fn hidden_rows_are_passed_over() {
        let mut list = list(&["a", "b", "c", "d", "e"], &["b", "c"]);
        list.choose(0, 2);
        assert_eq!(list.stepped(1), 3);
        list.choose(list.stepped(1), 2);
        assert_eq!((list.chosen, list.in_sight(2).collect::<Vec<_>>()), (3, vec![0, 3]));
        list.choose(list.stepped(1), 2);
        assert_eq!((list.chosen, list.in_sight(2).collect::<Vec<_>>()), (4, vec![3, 4]));
        assert_eq!(list.stepped(-2), 0);
        assert_eq!(list.shown(), 3);
    }

    #[test]
    fn when_the_chosen_row_is_hidden_the_next_one_is_chosen() {
        let mut some = list(&["a", "b", "c"], &["b"]);
        some.choose(1, 5);
        assert_eq!(some.chosen, 2);
        let mut last = list(&["a", "b", "c"], &["c"]);
        last.choose(2, 5);
        assert_eq!(last.chosen, 1);
        let mut all = list(&["a"], &["a"]);
        all.choose(0, 5);
        assert!(all.chosen().is_none());
        assert_eq!(all.in_sight(5).count(), 0);
    }

    #[test]
    fn a_list_of_a_million_is_walked_without_counting_it() {
        let mut list = list(&["a", "b"], &["b"]);
        list.total = 1_000_000_000_000;
        let begin = std::time::Instant::now();
        list.choose(u64::MAX, 20);
        assert_eq!(list.chosen, 999_999_999_999);
        assert_eq!(list.stepped(-20), 999_999_999_979);
        list.choose(0, 20);
        assert_eq!((list.chosen, list.stepped(1)), (0, 2));
        assert!(begin.elapsed() < std::time::Duration::from_millis(500));
        assert!(!list.has_what_is_in_sight(20));
        assert_eq!(list.window(20), Window { offset: 0, limit: 41 });
    }
}
