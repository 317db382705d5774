//! Everything that matches, asked for a window at a time, so that a million rows need no memory. Knows the daemon's windows,
//! and nothing of how rows look.
//!
//! Whoever reads a long result goes on behind the row that was read last, by its time and id, and not by its number: what is
//! recorded, synced or deleted meanwhile shifts the numbers. So each row comes once, and none is missed. Each window is asked
//! for from the time of the last row on, so that a million rows cost the daemon hundreds of windows and not a million rows
//! for each. Ranked results have nothing but numbers; those are asked for once, most often. Those with each command once are
//! asked for by number as well: a row says how often its command ran, and a narrower time would cut that short.

use caro_schema::{
    body::history::Record,
    id::RecordId,
    ipc::history::{Hit, Hits, Order, Query, Window},
};

use super::{rows, settle};
use crate::{
    client::Client,
    error::{Failure, Outcome},
    exit,
};

/// Rows of one window: as many as the daemon gives, which looks at every row of history for each.
const WINDOW_ROWS: u32 = 10_000;

/// How often the connection may be lost in one reading. More is no accident.
const CONNECTIONS_MAX: u32 = 5;

/// Who answers.
pub(crate) trait Ask {
    /// The rows of a window.
    fn window(&mut self, query: &Query, window: Window) -> Outcome<Hits>;
}

/// The daemon, over a new connection where it was replaced by a newer one in the middle.
pub(crate) struct Reader {
    client: Client,
    connections_left: u32,
    /// Whether a part of the history would pass for all of it.
    all_or_nothing: bool,
}

impl Reader {
    /// Over this connection: what is there.
    pub(crate) fn new(client: Client) -> Self {
        Self { client, connections_left: CONNECTIONS_MAX, all_or_nothing: false }
    }

    /// Over this connection: all of it, or an error.
    pub(crate) fn of_all(client: Client) -> Self {
        Self { all_or_nothing: true, ..Self::new(client) }
    }
}

impl Ask for Reader {
    fn window(&mut self, query: &Query, window: Window) -> Outcome<Hits> {
        loop {
            let hits = match rows::search(&mut self.client, query.clone(), window) {
                Err(Failure { code: exit::UNAVAILABLE | exit::TRY_LATER, .. }) if self.connections_left > 0 => {
                    self.connections_left -= 1;
                    self.client = Client::open()?;
                    settle(&mut self.client)?;
                    continue;
                }
                hits => hits?,
            };
            if self.all_or_nothing && !hits.complete {
                return Err(Failure::new(exit::TRY_LATER, "the daemon is still reading its history")
                    .hint("an export of a part would look like all of it; try again in a few seconds"));
            }
            return Ok(hits);
        }
    }
}

/// Every row that matches, the oldest first: all, or the newest so many. What is recorded from now on is another history.
pub(crate) fn oldest_first(
    ask: &mut impl Ask,
    query: Query,
    limit: Option<u64>,
    take: &mut dyn FnMut(&Hit) -> Outcome,
) -> Outcome<u64> {
    let newest = Query { order: Order::Newest, ..query.clone() };
    let Some(last) = newest_of(ask, &newest)? else { return Ok(0) };
    let mut query = Query { order: Order::Oldest, ..query };
    query.filter.until_us = last.time_us.checked_add(1);
    let mut pages = Pages::new(query, 0, limit);
    if let Some(limit) = limit {
        let newest = Query { order: Order::Newest, ..pages.query.clone() };
        let Hits { rows, total, .. } = ask.window(&newest, Window { offset: limit, limit: 1 })?;
        if let Some(passed_over) = rows.first() {
            pages.go_on_behind(Key::of(&passed_over.record), total.saturating_sub(limit));
        }
    }
    pages.each(ask, take)
}

/// Every row that matches in the order of the query, without so many of the first: all, or so many.
pub(crate) fn in_order(
    ask: &mut impl Ask,
    query: Query,
    pass_over: u64,
    limit: Option<u64>,
    take: &mut dyn FnMut(&Hit) -> Outcome,
) -> Outcome<u64> {
    Pages::new(query, pass_over, limit).each(ask, take)
}

/// The first row, of a query for the newest first.
fn newest_of(ask: &mut impl Ask, query: &Query) -> Outcome<Option<Key>> {
    let hits = ask.window(query, Window { offset: 0, limit: 1 })?;
    Ok(hits.rows.first().map(|hit| Key::of(&hit.record)))
}

/// Where a row stands in the order of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    time_us: i64,
    id: RecordId,
}

impl Key {
    fn of(record: &Record) -> Self {
        Self { time_us: record.start_us, id: record.id }
    }
}

/// A result that is being read.
struct Pages {
    /// What is asked for now: only from the time of the last row on, where time can say so.
    query: Query,
    /// Rows to pass over of what is asked for now: those up to the last one, as they were when it was read.
    passed: u64,
    /// The row that was read last.
    last: Option<Key>,
    /// Rows that are still wanted.
    left: Option<u64>,
    /// Whether the row that was read last is asked for again: one, or none.
    again: u64,
}

impl Pages {
    fn new(query: Query, pass_over: u64, limit: Option<u64>) -> Self {
        Self { query, passed: pass_over, last: None, left: limit, again: 1 }
    }

    /// Begins behind the row with this key and number.
    fn go_on_behind(&mut self, last: Key, number: u64) {
        self.last = Some(last);
        if !self.narrow(last.time_us) {
            self.passed = number;
        }
    }

    /// Hands over every row, and gives their number.
    fn each(mut self, ask: &mut impl Ask, take: &mut dyn FnMut(&Hit) -> Outcome) -> Outcome<u64> {
        let mut taken = 0;
        while self.left != Some(0) {
            let window = self.window();
            let Hits { rows, total, .. } = ask.window(&self.query, window)?;
            if window.offset < self.passed && rows.first().is_none_or(|hit| self.is_new(hit)) && window.offset > 0 {
                // Rows in front were deleted, so what comes behind the last one has smaller numbers now.
                self.passed = window.offset / 2;
                continue;
            }
            let new = self.new_of(&rows);
            new.iter().try_for_each(&mut *take)?;
            taken += new.len() as u64;
            self.left = self.left.map(|left| left - new.len() as u64);
            let reached = window.offset + rows.len() as u64;
            if rows.is_empty() || reached >= total {
                break;
            }
            // A row that alone fills an answer would be asked for again for ever.
            self.again = u64::from(rows.len() > 1 || !new.is_empty());
            self.go_on(&rows, reached);
        }
        Ok(taken)
    }

    /// The window to ask for. It begins with the row that was read last: if that is not there, something in front of it has
    /// gone.
    fn window(&self) -> Window {
        let again = if self.last.is_some() { self.again.min(self.passed) } else { 0 };
        let wanted = self.left.map_or(u64::MAX, |left| left.saturating_add(again));
        let limit = u32::try_from(wanted).map_or(WINDOW_ROWS, |wanted| wanted.min(WINDOW_ROWS));
        Window { offset: self.passed - again, limit }
    }

    /// Of the rows of a window those that were not read, as many as are wanted.
    fn new_of<'a>(&self, rows: &'a [Hit]) -> &'a [Hit] {
        let known = rows.iter().take_while(|hit| !self.is_new(hit)).count();
        let left = self.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        &rows[known..rows.len().min(known.saturating_add(left))]
    }

    /// Whether a row comes behind the one that was read last.
    fn is_new(&self, hit: &Hit) -> bool {
        self.last.is_none_or(|last| match self.query.order {
            Order::Rank => true,
            Order::Oldest => Key::of(&hit.record) > last,
            Order::Newest => Key::of(&hit.record) < last,
        })
    }

    /// After a window that ended with the row of this number.
    fn go_on(&mut self, rows: &[Hit], reached: u64) {
        self.passed = reached;
        let Some(hit) = rows.last().filter(|_| !matches!(self.query.order, Order::Rank)) else { return };
        if self.is_new(hit) {
            self.last = Some(Key::of(&hit.record));
        }
        if self.narrow(hit.record.start_us) {
            let same = rows.iter().rev().take_while(|row| row.record.start_us == hit.record.start_us);
            self.passed = same.count() as u64;
        }
    }

    /// Asks only for what began at this time or comes after it in the order. True when that is less than before.
    fn narrow(&mut self, time_us: i64) -> bool {
        let Query { order, unique, filter, .. } = &mut self.query;
        let (bound, new) = match order {
            // Without its newest runs a command would come again by an older one; without its oldest ones it would seem to
            // have run less often.
            _ if *unique => return false,
            Order::Oldest => (&mut filter.since_us, Some(time_us)),
            Order::Newest => (&mut filter.until_us, time_us.checked_add(1)),
            Order::Rank => return false,
        };
        let is_less = new.is_some() && *bound != new;
        if is_less {
            *bound = new;
        }
        is_less
    }
}

#[cfg(test)]
mod tests;
