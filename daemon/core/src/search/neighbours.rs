//! What ran before and after: the records around one in its session, and what usually follows a command.
//!
//! A session is a run of a shell on a host. Foreign records have none: those of one host stand together as if they were
//! one, in the order of their times, but nothing is learnt from what follows what there. Knows rows by their numbers only.

use std::{collections::BTreeMap, ops::Range};

use super::{
    bits::{Bits, numbers_of},
    parallel::in_columns,
};
use crate::history::{History, NO_ROW, Rows, Span};

/// The rows around one in its session: so many before it, itself, so many after it, the oldest first.
pub(super) fn around(history: &History, row: u32, before: usize, after: usize) -> Vec<u32> {
    let rows = history.rows();
    let (mut earlier, mut later): (Vec<u32>, Vec<u32>) = same_session(history, row)
        .into_iter()
        .filter(|other| *other != row)
        .partition(|other| rows.compare(*other, row).is_lt());
    first(&mut earlier, before, |one, other| rows.compare(*other, *one));
    first(&mut later, after, |one, other| rows.compare(*one, *other));
    earlier.reverse();
    earlier.push(row);
    earlier.extend(later);
    earlier
}

/// All rows of the session of a row.
fn same_session(history: &History, row: u32) -> Vec<u32> {
    let (rows, contexts) = (history.rows(), history.contexts());
    let session = contexts.host_and_session(rows.context(row));
    let is_same: Vec<bool> =
        (0..contexts.slots() as u32).map(|context| contexts.host_and_session(context) == session).collect();
    rows.live().filter(|other| is_same[rows.context(*other) as usize]).collect()
}

/// Keeps the first so many, in order.
fn first(rows: &mut Vec<u32>, count: usize, compare: impl Fn(&u32, &u32) -> std::cmp::Ordering) {
    if count < rows.len() {
        if count > 0 {
            rows.select_nth_unstable_by(count - 1, &compare);
        }
        rows.truncate(count);
    }
    rows.sort_unstable_by(compare);
}

/// What ran next after the newest runs of a command.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Followers {
    /// How often each command did.
    pub(super) counts: BTreeMap<u32, u32>,
    /// How often any did.
    pub(super) total: u32,
}

/// Runs of a command that are looked at, the newest ones. More would make a command that runs all day cost more with
/// each day; fewer would know a habit only of the last hours.
pub(super) const RUNS_MAX: usize = 256;

impl Followers {
    /// Of a command.
    pub(super) fn of(history: &History, command: u32) -> Self {
        let rows = history.rows();
        let runs = Runs::newest(history, command);
        let mut followers = Self::default();
        for next in runs.next(rows) {
            if let Some(command) = rows.command(next) {
                *followers.counts.entry(command).or_default() += 1;
                followers.total += 1;
            }
        }
        followers
    }
}

/// Some contexts. The rows of a session lie together mostly, so most rows are passed over without a look at them.
pub(super) struct Chosen {
    /// Ascending.
    numbers: Vec<u32>,
    bits: Bits,
}

impl Chosen {
    /// These of so many, ascending.
    pub(super) fn of(slots: usize, numbers: impl Iterator<Item = u32>) -> Self {
        let numbers: Vec<u32> = numbers.collect();
        Self { bits: Bits::of(slots, numbers.iter().copied()), numbers }
    }

    /// Their rows, in a part of all that begins at a multiple of 64.
    pub(super) fn rows(&self, rows: &Rows, part: Range<usize>) -> impl Iterator<Item = u32> {
        let words = (part.start / 64..part.end.div_ceil(64)).filter(|word| self.may_be_in(rows.span(*word)));
        let in_word = |word: usize| numbers_of(word, rows.bits_by_context(word, |context| self.bits.has(context)));
        words.flat_map(in_word).filter(|row| rows.command(*row).is_some())
    }

    fn may_be_in(&self, Span { contexts: (least, greatest), .. }: Span) -> bool {
        let at = self.numbers.partition_point(|number| *number < least);
        self.numbers.get(at).is_some_and(|number| *number <= greatest)
    }
}

/// Some runs of a command, by context and then by time.
struct Runs {
    rows: Vec<u32>,
    /// For each context that has any, where its runs begin and end.
    ranges: BTreeMap<u32, (u32, u32)>,
    /// Those contexts.
    has_runs: Chosen,
}

impl Runs {
    fn newest(history: &History, command: u32) -> Self {
        let (rows, contexts) = (history.rows(), history.contexts());
        let no_session = contexts.find_word("");
        let is_recorded = |row: &u32| {
            contexts.host_and_session(rows.context(*row)).is_some_and(|(_, session)| Some(session) != no_session)
        };
        let mut runs: Vec<u32> = in_columns(rows.slots(), |part| {
            let words = part.start / 64..part.end.div_ceil(64);
            let runs = words.flat_map(|word| numbers_of(word, rows.bits_of_command(word, command)));
            runs.filter(is_recorded).collect::<Vec<_>>()
        })
        .concat();
        first(&mut runs, RUNS_MAX, |one, other| rows.compare(*other, *one));
        runs.sort_unstable_by(|one, other| {
            rows.context(*one).cmp(&rows.context(*other)).then_with(|| rows.compare(*one, *other))
        });
        let mut ranges = BTreeMap::new();
        for (at, row) in (0u32..).zip(&runs) {
            ranges.entry(rows.context(*row)).or_insert((at, at)).1 = at + 1;
        }
        let has_runs = Chosen::of(contexts.slots(), ranges.keys().copied());
        Self { rows: runs, ranges, has_runs }
    }

    /// The row next to each run in its session, where there is one.
    fn next(&self, rows: &Rows) -> impl Iterator<Item = u32> {
        let parts = in_columns(rows.slots(), |part| {
            let mut next = vec![NO_ROW; self.rows.len()];
            for row in self.has_runs.rows(rows, part) {
                if let Some(run) = self.run_before(rows, row) {
                    keep_earlier(rows, &mut next[run], row);
                }
            }
            next
        });
        let next = parts.into_iter().reduce(|mut all, part| {
            all.iter_mut().zip(part).for_each(|(all, other)| keep_earlier(rows, all, other));
            all
        });
        next.unwrap_or_default().into_iter().filter(|row| *row != NO_ROW)
    }

    /// The last of the runs that is before a row in its session.
    fn run_before(&self, rows: &Rows, row: u32) -> Option<usize> {
        let (start, end) = *self.ranges.get(&rows.context(row))?;
        let runs = &self.rows[start as usize..end as usize];
        let before = runs.partition_point(|run| rows.compare(*run, row).is_lt());
        (before > 0).then(|| start as usize + before - 1)
    }
}

fn keep_earlier(rows: &Rows, known: &mut u32, other: u32) {
    if other != NO_ROW && (*known == NO_ROW || rows.compare(other, *known).is_lt()) {
        *known = other;
    }
}
