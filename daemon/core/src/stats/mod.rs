//! Figures about history, worked out from the columns: what is used most, where, when, how it ends and how long it takes.
//!
//! Only looks. Each distinct text is taken apart once, however often it ran, and rows are counted by numbers, so a
//! million of them take a fraction of a second. The present and the time zone come with the query; what the figures
//! mean to a person is made by whoever asked. How a line is taken apart is in `words.rs`.

mod categories;
mod tables;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, HashMap, HashSet};

use caro_schema::ipc::{
    history::Filter,
    stats::{Counted, Day, LongRun, Stats, StatsQuery, TOP_MAX, ZONE_STEPS_MAX, ZoneStep},
};

pub(crate) use self::categories::category_of;
use self::tables::{Sums, top, top_by};
use crate::{history::History, search};

/// Works the figures out.
pub fn stats(history: &History, query: &StatsQuery) -> Stats {
    let rows = admitted(history, &query.filter);
    let top_max = query.top.min(TOP_MAX) as usize;
    let mut stats = Stats { hours: vec![0; 24], weekdays: vec![0; 7], ..Stats::default() };
    let mut zone = Zone::new(&query.zone);
    let mut days: BTreeMap<i32, u32> = BTreeMap::new();
    let mut commands = vec![Sums::default(); history.commands().slots()];
    let mut directories = vec![Sums::default(); history.directories().slots()];
    let mut contexts = vec![Sums::default(); history.contexts().slots()];
    let mut longest = Longest::new(top_max);
    let columns = history.rows();
    for row in rows {
        let Some(command) = columns.command(row) else { continue };
        let (start_us, duration_us, exit) = (columns.start_us(row), columns.duration_us(row), columns.exit(row));
        let one = Sums::of_run(exit, duration_us);
        commands[command as usize].add(&one);
        directories[columns.directory(row) as usize].add(&one);
        contexts[columns.context(row) as usize].add(&one);
        stats.total += 1;
        stats.ended += u64::from(exit.is_some());
        stats.failed += one.failed;
        stats.time_us = stats.time_us.saturating_add(one.time_us);
        longest.offer(row, one.time_us);
        if start_us > 0 {
            stats.first_us = Some(stats.first_us.map_or(start_us, |first| first.min(start_us)));
            stats.last_us = Some(stats.last_us.map_or(start_us, |last| last.max(start_us)));
            let (day, hour) = zone.day_and_hour(start_us);
            stats.hours[hour] += 1;
            stats.weekdays[weekday(day)] += 1;
            *days.entry(day).or_default() += 1;
        }
    }
    stats.distinct = commands.iter().filter(|sums| sums.runs > 0).count() as u64;
    stats.days = days.into_iter().map(|(day, runs)| Day { day, runs }).collect();
    stats.longest = longest.rows.iter().map(|(duration_us, row)| long_run(history, *row, *duration_us)).collect();
    count_programs(history, query, &commands, top_max, &mut stats);
    let text = |number: usize| history.commands().text(number as u32).to_vec();
    stats.commands = top(commands.iter().enumerate().map(|(number, sums)| (number, *sums)), top_max, text);
    let text = |number: usize| history.directories().text(number as u32).to_vec();
    let known = directories.iter().enumerate().filter(|(number, _)| !text(*number).is_empty());
    stats.directories = top(known.map(|(number, sums)| (number, *sums)), top_max, text);
    count_contexts(history, &contexts, top_max, &mut stats);
    stats
}

/// The rows that a filter admits.
fn admitted(history: &History, filter: &Filter) -> Vec<u32> {
    if *filter == Filter::default() {
        return history.rows().live().collect();
    }
    search::rows_that_pass(history, filter)
}

/// Programs and what they were told, by the commands that they stand in.
fn count_programs(history: &History, query: &StatsQuery, commands: &[Sums], top_max: usize, stats: &mut Stats) {
    let mut programs: HashMap<&[u8], Sums> = HashMap::new();
    let mut subcommands: HashMap<(&[u8], &[u8]), Sums> = HashMap::new();
    for (number, sums) in commands.iter().enumerate().filter(|(_, sums)| sums.runs > 0) {
        for used in words::used(history.commands().text(number as u32)) {
            programs.entry(used.program).or_default().add(sums);
            if let Some(subcommand) = used.subcommand {
                subcommands.entry((used.program, subcommand)).or_default().add(sums);
            }
        }
    }
    stats.programs_total = programs.len() as u64;
    stats.new_programs = new_programs(history, query, &programs, top_max);
    // Each from all programs: what runs seldom may fail most often and take longest.
    let all = || programs.iter().map(|(program, sums)| (*program, *sums));
    stats.most_failed = top_by(|sums| sums.failed, all(), top_max, <[u8]>::to_vec);
    stats.most_time = top_by(|sums| sums.time_us, all(), top_max, <[u8]>::to_vec);
    stats.programs = top(all(), top_max, <[u8]>::to_vec);
    stats.subcommands = top(subcommands, top_max, |(program, told)| [program, b" ", told].concat());
}

/// The programs that were never used before the period began.
fn new_programs(
    history: &History,
    query: &StatsQuery,
    programs: &HashMap<&[u8], Sums>,
    top_max: usize,
) -> Vec<Counted> {
    let Some(since_us) = query.filter.since_us else { return Vec::new() };
    let before = Filter { since_us: None, until_us: Some(since_us), ..query.filter.clone() };
    let earlier = admitted(history, &before);
    if earlier.is_empty() {
        // Then all would be new, which says nothing.
        return Vec::new();
    }
    let commands: HashSet<u32> = earlier.iter().filter_map(|row| history.rows().command(*row)).collect();
    let lines = commands.into_iter().map(|command| history.commands().text(command));
    let known: HashSet<&[u8]> = lines.flat_map(words::used).map(|used| used.program).collect();
    let new = programs.iter().filter(|(program, _)| !known.contains(**program));
    top(new.map(|(program, sums)| (*program, *sums)), top_max, <[u8]>::to_vec)
}

fn count_contexts(history: &History, contexts: &[Sums], top_max: usize, stats: &mut Stats) {
    let (mut hosts, mut shells) = (HashMap::<&str, Sums>::new(), HashMap::<&str, Sums>::new());
    let mut sessions = HashSet::new();
    for (number, sums) in contexts.iter().enumerate().filter(|(_, sums)| sums.runs > 0) {
        let words = history.contexts().words(number as u32);
        let shell = words.shell.split(' ').next().unwrap_or_default();
        for (word, table) in [(words.host, &mut hosts), (shell, &mut shells)] {
            if !word.is_empty() {
                table.entry(word).or_default().add(sums);
            }
        }
        if !words.session.is_empty() {
            sessions.insert((words.host, words.session));
        }
    }
    stats.sessions = sessions.len() as u64;
    stats.hosts = top(hosts, top_max, |host| host.as_bytes().to_vec());
    stats.shells = top(shells, top_max, |shell| shell.as_bytes().to_vec());
}

fn long_run(history: &History, row: u32, duration_us: u64) -> LongRun {
    let record = history.build(row);
    LongRun { command: record.command, start_us: record.start_us, duration_us }
}

/// The runs that took longest, as they are met.
struct Longest {
    /// The longest first.
    rows: Vec<(u64, u32)>,
    max: usize,
}

impl Longest {
    fn new(max: usize) -> Self {
        Self { rows: Vec::new(), max }
    }

    fn offer(&mut self, row: u32, duration_us: u64) {
        let is_full = self.rows.len() >= self.max;
        if duration_us == 0 || (is_full && self.rows.last().is_none_or(|(least, _)| duration_us <= *least)) {
            return;
        }
        let at = self.rows.partition_point(|(known, _)| *known >= duration_us);
        self.rows.insert(at, (duration_us, row));
        self.rows.truncate(self.max);
    }
}

/// The person's time zone.
struct Zone<'a> {
    steps: &'a [ZoneStep],
    /// The step that held last: times that come together mostly share it.
    at: usize,
}

const HOUR_S: i64 = 3600;
const DAY_S: i64 = 86_400;

impl<'a> Zone<'a> {
    fn new(steps: &'a [ZoneStep]) -> Self {
        Self { steps: &steps[..steps.len().min(ZONE_STEPS_MAX)], at: 0 }
    }

    fn day_and_hour(&mut self, us: i64) -> (i32, usize) {
        let local_s = us.div_euclid(1_000_000).saturating_add(self.offset_s(us));
        let day = i32::try_from(local_s.div_euclid(DAY_S)).unwrap_or(i32::MAX);
        (day, (local_s.rem_euclid(DAY_S) / HOUR_S) as usize)
    }

    fn offset_s(&mut self, us: i64) -> i64 {
        let holds = |at: usize| {
            let from = at == 0 || self.steps[at].from_us <= us;
            from && self.steps.get(at + 1).is_none_or(|next| us < next.from_us)
        };
        if self.steps.is_empty() {
            return 0;
        }
        if !holds(self.at) {
            self.at = self.steps.partition_point(|step| step.from_us <= us).saturating_sub(1);
        }
        i64::from(self.steps[self.at].offset_s)
    }
}

/// Of a day since 1970-01-01, which was a Thursday; Monday is the first.
fn weekday(day: i32) -> usize {
    (i64::from(day) + 3).rem_euclid(7) as usize
}
