//! Finds what was typed in the history, in milliseconds among a million records.
//!
//! Looks only at distinct commands ([`matches`]), then at how they ran ([`admitted`]), ranks the few that can come
//! first ([`rank`]) and sorts no more than a window of them ([`top`]). Nothing here changes the history. The order is
//! total and the same for the same history, query and window: rank, then time, then id.

mod admitted;
mod details;
mod expression;
mod fuzzy;
mod matches;
mod narrow;
mod needle;
mod neighbours;
mod parallel;
mod part;
mod pattern;
mod rank;
#[cfg(test)]
mod reference;
mod required;
#[cfg(test)]
mod tests;
mod top;

use caro_schema::ipc::{
    Fault,
    history::{Filter, Hit, Hits, Order, Query, Window},
};

use crate::history::History;
use admitted::{Admitted, Runs};
pub use details::{details, records_around};
use fuzzy::Scorer;
use matches::Matches;
use parallel::{SHARED_FROM, in_parts, shared};
use pattern::Pattern;
use rank::{Near, POINTS_MAX, lately, often};
use top::{Key, Top};

/// The rows that a filter admits, in no order of meaning.
pub(crate) fn rows_that_pass(history: &History, filter: &Filter) -> Vec<u32> {
    let admitted = Admitted::find(None, history, filter);
    (0..history.rows().slots() as u32).filter(|row| Runs::Some(&admitted).admit(*row)).collect()
}

/// Searches, and keeps what helps with the next keystroke. It never holds text of the history.
#[derive(Default)]
pub struct Searcher {
    matches: Matches,
    admitted: Option<Admitted>,
    near: Option<Near>,
}

impl Searcher {
    /// The rows of a window among all that match, and how many match in all.
    ///
    /// # Errors
    /// [`Fault::BadPattern`] when what was typed is too long, or a regular expression that cannot be used.
    pub fn search(&mut self, history: &History, query: &Query, window: Window) -> Result<Hits, Fault> {
        let asked = pattern::asked(query)?;
        let pattern = Pattern::new(query, &asked)?;
        let matches = self.matches.find(history.commands(), asked, &pattern);
        let runs = if query.filter == Filter::default() {
            Runs::All(history.commands())
        } else {
            let known = self.admitted.take();
            Runs::Some(self.admitted.insert(Admitted::find(known, history, &query.filter)))
        };
        let is_ranked = matches!(query.order, Order::Rank) && !pattern.is_everything();
        if is_ranked {
            self.near = Some(Near::find(self.near.take(), history, &query.place));
        }
        let near = self.near.as_ref().filter(|_| is_ranked);
        Ok(Search { history, query, pattern: &pattern, runs, near, matches: &matches }.hits(window))
    }
}

/// One search, with all that is known for it.
struct Search<'a> {
    history: &'a History,
    query: &'a Query,
    pattern: &'a Pattern,
    runs: Runs<'a>,
    /// When matches are ranked.
    near: Option<&'a Near>,
    matches: &'a [u32],
}

/// Commands that are scored before it is looked whether more have to be. More would score too many in vain, fewer
/// would share the work badly.
const ROUND: usize = 4096;

/// No run of this command comes into question.
const OUT: u32 = u32::MAX;

impl Search<'_> {
    fn hits(&self, window: Window) -> Hits {
        let total = self.total();
        let offset = usize::try_from(window.offset).unwrap_or(usize::MAX);
        let wanted = offset.saturating_add(window.limit as usize).min(total as usize);
        let keys = if offset >= wanted { Vec::new() } else { self.best(wanted).window(offset) };
        let mut scorer = Scorer::new();
        Hits {
            total,
            of: self.history.len() as u64,
            rows: keys.iter().map(|key| self.hit(key, &mut scorer)).collect(),
            complete: self.history.is_complete(),
        }
    }

    fn total(&self) -> u64 {
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

    fn top(&self, wanted: usize) -> Top<'_> {
        Top::new(self.history.rows(), wanted, matches!(self.query.order, Order::Oldest))
    }

    /// The first rows of the result.
    fn best(&self, wanted: usize) -> Top<'_> {
        if self.query.unique {
            return self.best_commands(wanted);
        }
        let mut bases = vec![OUT; self.history.commands().slots()];
        if matches!(self.query.order, Order::Oldest) {
            for number in self.matches {
                bases[*number as usize] = 0;
            }
        } else {
            // A run is worth at most what the newest of its command is. So if a command is not among the first so many,
            // none of its runs can be: the newest runs of the others come before it, and they are enough.
            for key in self.best_commands(wanted).keys() {
                if let Some(command) = self.history.rows().command(key.row) {
                    let lately = self.near.map_or(0, |_| lately(self.query.place.now_us, key.time));
                    bases[command as usize] = key.rank - lately;
                }
            }
        }
        self.best_runs(wanted, &bases)
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
        let (points, numbers) = self.by_points(near);
        let quality_max = self.pattern.quality_max();
        let mut from = 0;
        while from < numbers.len() && top.could_take(points[from] + quality_max) {
            let round = from..numbers.len().min(from + ROUND);
            let scored = self.score(&numbers[round.clone()]);
            for (at, quality) in round.zip(scored) {
                let (row, start_us) = self.runs.newest(numbers[at]);
                top.push(top.key(points[at] + quality, start_us, row));
            }
            top.cut();
            from += ROUND;
        }
        top
    }
    /// The commands that match and ran, those with the most points first, and the points of each.
    fn by_points(&self, near: &Near) -> (Vec<u32>, Vec<u32>) {
        let now_us = self.query.place.now_us;
        let parts = in_parts(self.matches.len(), |part| {
            let points = |number: &u32| match self.runs.count(*number) {
                0 => None,
                runs => {
                    let lately = lately(now_us, self.runs.newest(*number).1);
                    Some((lately + often(runs) + near.points(*number), *number))
                }
            };
            self.matches[part].iter().filter_map(points).collect::<Vec<_>>()
        });
        let all = || parts.iter().flatten();
        // There are few different points, so counting sorts.
        let mut starts = [0; POINTS_MAX as usize + 2];
        for (points, _) in all() {
            starts[(POINTS_MAX - points) as usize + 1] += 1;
        }
        for n in 1..starts.len() {
            starts[n] += starts[n - 1];
        }
        let count = parts.iter().map(Vec::len).sum();
        let (mut sorted, mut numbers) = (vec![0; count], vec![0; count]);
        for (points, number) in all() {
            let place = &mut starts[(POINTS_MAX - points) as usize];
            sorted[*place] = *points;
            numbers[*place] = *number;
            *place += 1;
        }
        (sorted, numbers)
    }

    /// How well these commands match.
    fn score(&self, numbers: &[u32]) -> Vec<u32> {
        if self.pattern.quality_max() == 0 {
            return vec![0; numbers.len()];
        }
        let commands = self.history.commands();
        let score = |part: std::ops::Range<usize>| {
            let mut scorer = Scorer::new();
            let score =
                |number: &u32| self.pattern.quality(commands.text(*number), commands.folded(*number), &mut scorer);
            numbers[part].iter().map(score).collect::<Vec<u32>>()
        };
        if commands.slots() < SHARED_FROM { score(0..numbers.len()) } else { shared(numbers.len(), score).concat() }
    }

    /// The first runs of the commands that have a base: what a run of them is worth but for its time.
    fn best_runs(&self, wanted: usize, bases: &[u32]) -> Top<'_> {
        let rows = self.history.rows();
        let now_us = self.query.place.now_us;
        let mut top = self.top(wanted);
        for part in in_parts(rows.slots(), |part| {
            let mut top = self.top(wanted);
            for row in part.start as u32..part.end as u32 {
                let Some(base) = rows.command(row).map(|command| bases[command as usize]) else { continue };
                if base == OUT || !self.runs.admit(row) {
                    continue;
                }
                let start_us = rows.start_us(row);
                let rank = self.near.map_or(0, |_| base + lately(now_us, start_us));
                top.push(top.key(rank, start_us, row));
            }
            top
        }) {
            top.extend(part);
        }
        top
    }
}
