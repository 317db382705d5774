//! From the commands that match to the rows of a window: which come first, of all that match and all their runs.
//!
//! Ranks no more than it must: commands are scored from those that promise most on, until none of the others can come
//! before what was found. The order is total: rank, then time, then id.

use std::ops::Range;

use caro_schema::ipc::history::{Hit, Hits, Order, Query, Window};

use super::{
    admitted::Runs,
    alike::Alike,
    bits::{Bits, Few, numbers_of},
    fuzzy::Scorer,
    losses::Losses,
    parallel::{FETCHED, SHARED_FROM, in_parts, in_parts_of, shared},
    pattern::Pattern,
    promises::{Promise, Promises},
    rank::{Near, POINTS_MAX, lately, often},
    top::{Key, Top},
};
use crate::history::History;

/// One search, with all that is known for it.
pub(super) struct Search<'a> {
    pub(super) history: &'a History,
    pub(super) query: &'a Query,
    pub(super) pattern: &'a Pattern,
    pub(super) runs: Runs<'a>,
    /// When matches are ranked.
    pub(super) near: Option<&'a Near>,
    /// The numbers of the commands that match.
    pub(super) matches: &'a Bits,
}

impl Search<'_> {
    /// The rows of a window, and how many there are in all, where commands are compared first.
    pub(super) fn hits(&self, window: Window, losses: &mut Losses) -> Hits {
        let total = self.total();
        let offset = usize::try_from(window.offset).unwrap_or(usize::MAX);
        let wanted = offset.saturating_add(window.limit as usize).min(total as usize);
        let keys = if offset >= wanted { Vec::new() } else { self.best(wanted, losses).window(offset) };
        self.answer(total, &keys)
    }

    /// These rows, of so many.
    pub(super) fn answer(&self, total: u64, keys: &[Key]) -> Hits {
        let mut scorer = Scorer::new();
        Hits {
            total,
            of: self.history.len() as u64,
            rows: keys.iter().map(|key| self.hit(key, &mut scorer)).collect(),
            complete: self.history.is_complete(),
        }
    }

    fn total(&self) -> u64 {
        let words = 0..self.history.commands().slots().div_ceil(64);
        match (self.query.unique, self.runs) {
            // Whatever matches has run.
            (true, Runs::All(_)) => self.matches.count() as u64,
            (true, Runs::Some(_)) => words.map(|word| u64::from(self.matching(word).count_ones())).sum(),
            (false, runs) => {
                let runs_in = |word| numbers_of(word, self.matching(word)).map(|number| u64::from(runs.count(number)));
                words.map(|word| runs_in(word).sum::<u64>()).sum()
            }
        }
    }

    /// A bit for each of 64 commands that matches and of which a run counts.
    fn matching(&self, word: usize) -> u64 {
        self.matches.word(word) & self.runs.ran(word)
    }

    fn hit(&self, key: &Key, scorer: &mut Scorer) -> Hit {
        let record = self.history.build(key.row);
        let (mut runs, mut matched) = (1, Vec::new());
        if let Some(command) = self.history.rows().command(key.row) {
            let commands = self.history.commands();
            matched = self.pattern.ranges(commands.text(command), commands.folded(command), scorer);
            if self.query.unique {
                runs = self.runs.count(command);
            }
        }
        Hit { record, runs, matched }
    }

    /// None yet of so many.
    pub(super) fn top(&self, wanted: usize) -> Top<'_> {
        Top::new(self.history.rows(), wanted, matches!(self.query.order, Order::Oldest))
    }

    /// The first rows of the result.
    fn best(&self, wanted: usize, losses: &mut Losses) -> Top<'_> {
        if self.query.unique {
            return self.best_commands(wanted, losses);
        }
        // A run is worth at most what the newest of its command is. So if a command is not among the first so many, none
        // of its runs can be: the newest runs of the others come before it, and they are enough.
        let base = |key: Key| {
            let lately = lately(self.query.place.now_us, key.time);
            self.history.rows().command(key.row).map(|command| (command, key.rank - lately))
        };
        let bases = self.best_commands(wanted, losses).keys().into_iter().filter_map(base).collect();
        self.best_runs(wanted, &Bases::new(bases))
    }

    /// The first commands, each by its newest run.
    fn best_commands(&self, wanted: usize, losses: &mut Losses) -> Top<'_> {
        match self.near {
            Some(near) => self.best_ranked(wanted, near, losses),
            None => {
                let mut top = self.top(wanted);
                for part in in_parts_of(self.matches.count(), self.history.commands().slots(), |part| {
                    let mut top = self.top(wanted);
                    let words = part.start / 64..part.end.div_ceil(64);
                    for number in words.flat_map(|word| numbers_of(word, self.matching(word))) {
                        let (row, start_us) = self.runs.newest(number);
                        top.push(top.key(0, start_us, row));
                    }
                    top
                }) {
                    top.extend(part);
                }
                top
            }
        }
    }

    /// Scores commands, first those that came first before, then from those that promise most on, until no other can come
    /// before what was found.
    fn best_ranked(&self, wanted: usize, near: &Near, losses: &mut Losses) -> Top<'_> {
        let mut top = self.top(wanted);
        let mut promises = self.promises(near, losses);
        let before = self.still_matching(losses.first());
        self.add_scored(&before, near, &mut top, losses);
        while let Some(mut chosen) = promises.next(|promise| top.could_take(self.rank_max(promise))) {
            chosen.retain(|number| before.binary_search(number).is_err());
            self.add_scored(&chosen, near, &mut top, losses);
        }
        losses.note_first(top.rows().filter_map(|row| self.history.rows().command(row)));
        top
    }

    fn still_matching(&self, numbers: &[u32]) -> Vec<u32> {
        let matches = |number: &u32| self.matching(*number as usize / 64) >> (number % 64) & 1 == 1;
        numbers.iter().copied().filter(matches).collect()
    }

    fn add_scored(&self, chosen: &[u32], near: &Near, top: &mut Top<'_>, losses: &mut Losses) {
        let scored = self.score(chosen, near, top);
        for (number, rank) in scored.iter().filter_map(|scored| Some((scored.number, scored.rank?))) {
            let (row, start_us) = self.runs.newest(number);
            top.push(top.key(rank, start_us, row));
        }
        losses.note(self.history.commands().slots(), scored.iter().map(|scored| (scored.number, scored.loss)));
        top.cut();
    }

    /// The points of a command of which some runs count.
    fn points(&self, number: u32, near: &Near) -> u32 {
        let (runs, (_, start_us)) = (self.runs.count(number), self.runs.newest(number));
        lately(self.query.place.now_us, start_us) + often(runs) + near.points(number)
    }

    /// What each match could be worth: its points, and how little it must lose by where its letters stand, and by what is
    /// known of it.
    fn promises(&self, near: &Near, losses: &Losses) -> Promises {
        let commands = self.history.commands();
        let promise = |number: u32| {
            let (standing, pairs) = (commands.standing(number), commands.marks(number).pairs);
            let loss = self.pattern.loss(standing, pairs, commands.text_len(number), losses.of(number));
            (PROMISE_MIN + self.points(number, near) + LOSS_MAX - loss.min(LOSS_MAX)) as Promise
        };
        Promises::of(commands.slots(), self.matches, |word| self.runs.ran(word), promise)
    }

    /// The greatest rank of a command that promises so much.
    fn rank_max(&self, promise: Promise) -> u32 {
        (u32::from(promise) + self.pattern.quality_max()).saturating_sub(PROMISE_MIN + LOSS_MAX)
    }

    /// The ranks of these matches, but for those that cannot be among the first because of their shape.
    fn score(&self, chosen: &[u32], near: &Near, top: &Top<'_>) -> Vec<Scored> {
        let score = |part: Range<usize>| {
            let (mut scorer, mut alike) = (Scorer::new(), Alike::new(self.pattern));
            let mut ranks = Vec::with_capacity(part.len());
            let mut left = Vec::with_capacity(FETCHED);
            for batch in chosen[part].chunks(FETCHED) {
                left.clear();
                for number in batch {
                    match self.passed_over(*number, near, top, &alike) {
                        Some(scored) => ranks.push(scored),
                        None => left.push(*number),
                    }
                }
                left.iter().for_each(|number| self.history.commands().fetch_text(*number));
                ranks.extend(left.iter().map(|number| self.score_one(*number, near, &mut alike, &mut scorer)));
            }
            ranks
        };
        let is_quick = self.history.commands().slots() < SHARED_FROM || self.pattern.quality_max() == 0;
        if is_quick { score(0..chosen.len()) } else { shared(chosen.len(), score).into_iter().flatten().collect() }
    }

    /// A match that is known to be no better than those that were found.
    fn passed_over(&self, number: u32, near: &Near, top: &Top<'_>, alike: &Alike<'_>) -> Option<Scored> {
        let bound = alike.bound(self.history.commands().shape(number))?;
        let (_, start_us) = self.runs.newest(number);
        let could_come = top.could_take_until(self.points(number, near) + bound.quality, top.time(start_us));
        (!could_come).then_some(Scored { number, rank: None, loss: bound.loss })
    }

    fn score_one(&self, number: u32, near: &Near, alike: &mut Alike<'_>, scorer: &mut Scorer) -> Scored {
        let commands = self.history.commands();
        let (text, folded) = (commands.text(number), commands.folded(number));
        alike.meet(commands.shape(number), text, scorer);
        let quality = self.pattern.quality(text, folded, scorer);
        let rank = Some(self.points(number, near) + quality);
        Scored { number, rank, loss: self.pattern.loss_of_words(quality, folded) }
    }

    /// The first runs of the commands that have a base. Those that are likely to come first are looked at alone: what they
    /// leave no room for is passed over in all other parts.
    fn best_runs(&self, wanted: usize, bases: &Bases) -> Top<'_> {
        let slots = self.history.rows().slots();
        let (first, rest) = if self.is_best_last(&(0..slots)) {
            let start = slots.saturating_sub(FIRST_ROWS) / 64 * 64;
            (start..slots, 0..start)
        } else {
            let end = slots.min(FIRST_ROWS);
            (0..end, end..slots)
        };
        let mut top = self.top(wanted);
        self.add_runs(&mut top, first, bases);
        if rest.is_empty() {
            return top;
        }
        top.cut();
        for part in in_parts(rest.len(), |part| {
            let mut other = top.beside();
            self.add_runs(&mut other, rest.start + part.start..rest.start + part.end, bases);
            other
        }) {
            top.extend(part);
        }
        top
    }

    /// Adds the runs that are in a part of the rows.
    fn add_runs(&self, top: &mut Top<'_>, part: Range<usize>, bases: &Bases) {
        let (rows, now_us) = (self.history.rows(), self.query.place.now_us);
        for word in self.words(&part) {
            let latest = rows.span(word).latest;
            if !top.could_take_until(bases.max + lately(now_us, latest), latest) {
                continue;
            }
            for row in numbers_of(word, self.runs_in(word, |command| bases.few.may_have(command))) {
                let Some(base) = rows.command(row).and_then(|command| bases.find(command)) else { continue };
                let start_us = rows.start_us(row);
                top.push(top.key(base + lately(now_us, start_us), start_us, row));
            }
        }
    }
}

/// A match that was scored.
struct Scored {
    number: u32,
    /// None when it cannot be among the first.
    rank: Option<u32>,
    /// By its words.
    loss: u32,
}

/// Rows that are looked at before the work is shared, a multiple of 64. Fewer would not have enough runs of most commands, more
/// would have the other processors wait. In tests so few that what they make up has more.
const FIRST_ROWS: usize = if cfg!(test) { 64 } else { 1 << 16 };

/// What a match may lose by where its letters stand, as far as it is told apart. Beyond this all are looked at together,
/// which is late enough.
const LOSS_MAX: u32 = 200;

/// What the least match promises: those that are none promise nothing.
const PROMISE_MIN: u32 = 1;

const _: () = assert!(PROMISE_MIN + POINTS_MAX + LOSS_MAX <= Promise::MAX as u32, "a promise is a byte");

/// What a run of some commands is worth but for its time.
struct Bases {
    /// Rules most rows out.
    few: Few,
    /// The greatest.
    max: u32,
    /// Ascending by command.
    bases: Vec<(u32, u32)>,
}

impl Bases {
    fn new(mut bases: Vec<(u32, u32)>) -> Self {
        bases.sort_unstable();
        let max = bases.iter().map(|(_, base)| *base).max().unwrap_or(0);
        Self { few: Few::of(bases.iter().map(|(command, _)| *command)), max, bases }
    }

    fn find(&self, command: u32) -> Option<u32> {
        let at = self.bases.binary_search_by_key(&command, |(command, _)| *command).ok()?;
        Some(self.bases[at].1)
    }
}
