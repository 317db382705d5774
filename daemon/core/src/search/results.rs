//! From the commands that match to the rows of a window: which come first, of all that match and all their runs.
//!
//! Ranks no more than it must: commands are scored from those with the most points on, until none of the others can come
//! before what was found. The order is total: rank, then time, then id.

use std::ops::Range;

use caro_schema::ipc::history::{Hit, Hits, Order, Query, Window};

use super::{
    admitted::Runs,
    bits::Bits,
    fuzzy::Scorer,
    parallel::{SHARED_FROM, in_parts, shared},
    pattern::Pattern,
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
    /// The numbers of the commands that match, ascending.
    pub(super) matches: &'a [u32],
}

/// Commands that are scored before it is looked whether more have to be; the next time twice as many. More would score
/// too many in vain, fewer would share the work badly.
const ROUND: usize = 2048;

impl Search<'_> {
    /// The rows of a window, and how many there are in all, where commands are compared first.
    pub(super) fn hits(&self, window: Window) -> Hits {
        let total = self.total();
        let offset = usize::try_from(window.offset).unwrap_or(usize::MAX);
        let wanted = offset.saturating_add(window.limit as usize).min(total as usize);
        let keys = if offset >= wanted { Vec::new() } else { self.best(wanted).window(offset) };
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
        // Whatever matches has run.
        if self.query.unique && matches!(self.runs, Runs::All(_)) {
            return self.matches.len() as u64;
        }
        let each = |number: &u32| {
            let runs = self.runs.count(*number);
            u64::from(if self.query.unique { runs.min(1) } else { runs })
        };
        self.matches.iter().map(each).sum()
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
    fn best(&self, wanted: usize) -> Top<'_> {
        if self.query.unique {
            return self.best_commands(wanted);
        }
        // A run is worth at most what the newest of its command is. So if a command is not among the first so many, none
        // of its runs can be: the newest runs of the others come before it, and they are enough.
        let base = |key: Key| {
            let lately = lately(self.query.place.now_us, key.time);
            self.history.rows().command(key.row).map(|command| (command, key.rank - lately))
        };
        let bases = self.best_commands(wanted).keys().into_iter().filter_map(base).collect();
        self.best_runs(wanted, &Bases::new(self.history.commands().slots(), bases))
    }

    /// The first commands, each by its newest run.
    fn best_commands(&self, wanted: usize) -> Top<'_> {
        match self.near {
            Some(near) => self.best_ranked(wanted, near),
            None => {
                let mut top = self.top(wanted);
                for part in in_parts(self.matches.len(), |part| {
                    let mut top = self.top(wanted);
                    for number in self.matches[part].iter().filter(|number| self.runs.count(**number) > 0) {
                        let (row, start_us) = self.runs.newest(*number);
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

    /// Scores commands from those with the most points on, until no other can come before what was found.
    fn best_ranked(&self, wanted: usize, near: &Near) -> Top<'_> {
        let mut top = self.top(wanted);
        let points = self.points(near);
        let mut levels = Levels::of(&points);
        while let Some(level) = levels.next(|points| top.could_take(points + self.pattern.quality_max())) {
            for (number, rank) in self.score(&points, &level, top.floor()) {
                let (row, start_us) = self.runs.newest(number);
                top.push(top.key(rank, start_us, row));
            }
            top.cut();
        }
        top
    }

    /// The points of each match, and [`NEVER_RAN`] for those of which no run counts.
    fn points(&self, near: &Near) -> Vec<u8> {
        let now_us = self.query.place.now_us;
        let points = |number: &u32| match self.runs.count(*number) {
            0 => NEVER_RAN,
            runs => (lately(now_us, self.runs.newest(*number).1) + often(runs) + near.points(*number)) as u8,
        };
        in_parts(self.matches.len(), |part| self.matches[part].iter().map(points).collect::<Vec<u8>>()).concat()
    }

    /// The ranks of the matches whose points are on a level, without those that could not come before `floor`.
    fn score(&self, points: &[u8], level: &Range<u8>, floor: u32) -> Vec<(u32, u32)> {
        let commands = self.history.commands();
        let chosen: Vec<usize> = (0..points.len()).filter(|at| level.contains(&points[*at])).collect();
        let score = |part: Range<usize>| {
            let mut scorer = Scorer::new();
            let score = |at: &usize| {
                let (number, points) = (self.matches[*at], u32::from(points[*at]));
                let folded = commands.folded(number);
                if points + self.pattern.quality_max_of(folded) < floor {
                    return None;
                }
                Some((number, points + self.pattern.quality(commands.text(number), folded, &mut scorer)))
            };
            chosen[part].iter().filter_map(score).collect::<Vec<_>>()
        };
        let is_quick = commands.slots() < SHARED_FROM || self.pattern.quality_max() == 0;
        if is_quick { score(0..chosen.len()) } else { shared(chosen.len(), score).concat() }
    }

    /// The first runs of the commands that have a base.
    fn best_runs(&self, wanted: usize, bases: &Bases) -> Top<'_> {
        let now_us = self.query.place.now_us;
        let mut top = self.top(wanted);
        for part in in_parts(self.history.rows().slots(), |part| {
            let mut top = self.top(wanted);
            self.each_run(part, Some(&bases.commands), |row, command, start_us| {
                if let Some(base) = bases.find(command) {
                    top.push(top.key(base + lately(now_us, start_us), start_us, row));
                }
            });
            top
        }) {
            top.extend(part);
        }
        top
    }
}

/// No run of this command counts.
const NEVER_RAN: u8 = u8::MAX;

/// How many commands there are of each number of points, and which have been looked at.
struct Levels {
    counts: [usize; POINTS_MAX as usize + 1],
    /// Those with as many points or more have been.
    done: u8,
    round: usize,
}

impl Levels {
    fn of(points: &[u8]) -> Self {
        let mut counts = [0; POINTS_MAX as usize + 1];
        for points in points {
            if let Some(count) = counts.get_mut(*points as usize) {
                *count += 1;
            }
        }
        Self { counts, done: POINTS_MAX as u8 + 1, round: ROUND }
    }

    /// The next numbers of points to look at, while the greatest of them could bring something.
    fn next(&mut self, could_take: impl Fn(u32) -> bool) -> Option<Range<u8>> {
        let greatest = (0..self.done).rev().find(|points| self.counts[*points as usize] > 0)?;
        if !could_take(u32::from(greatest)) {
            return None;
        }
        let (mut from, mut count) = (greatest, self.counts[greatest as usize]);
        while from > 0 && count < self.round {
            from -= 1;
            count += self.counts[from as usize];
        }
        self.done = from;
        self.round *= 2;
        Some(from..greatest + 1)
    }
}

/// What a run of some commands is worth but for its time.
struct Bases {
    commands: Bits,
    /// Ascending by command.
    bases: Vec<(u32, u32)>,
}

impl Bases {
    fn new(commands: usize, mut bases: Vec<(u32, u32)>) -> Self {
        bases.sort_unstable();
        Self { commands: Bits::of(commands, bases.iter().map(|(command, _)| *command)), bases }
    }

    fn find(&self, command: u32) -> Option<u32> {
        let at = self.bases.binary_search_by_key(&command, |(command, _)| *command).ok()?;
        Some(self.bases[at].1)
    }
}
