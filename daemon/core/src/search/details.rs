//! All that there is to know of the runs of one command, and the records around one of them.
//!
//! One pass over the columns and no text compared. What it gives is bounded, however often and wherever a command ran.

use std::collections::BTreeMap;

use caro_schema::{
    id::RecordId,
    ipc::history::{AROUND_MAX, Details, Hit, TALLIES_MAX, Tally},
};

use super::neighbours::{Followers, around};
use crate::history::{History, Rows};

/// All about the command of a record; none when there is no such record.
pub fn details(history: &History, id: &RecordId) -> Option<Details> {
    let row = history.rows().find(id)?;
    let command = history.rows().command(row)?;
    let counted = Counted::of(history, command);
    let beside = around(history, row, 1, 1);
    let at = beside.iter().position(|other| *other == row)?;
    let text_of_directory = |number: u32| history.directories().text(number).to_vec();
    let text_of_host = |number: u32| history.contexts().word(number).to_vec();
    let text_of_command = |number: u32| history.commands().text(number).to_vec();
    let followers = Followers::of(history, command).counts.into_iter().map(|(text, runs)| (text, u64::from(runs)));
    Some(Details {
        runs: counted.runs,
        succeeded: counted.succeeded,
        failed: counted.failed,
        first_us: counted.first_us,
        last_us: counted.last_us,
        mean_us: counted.mean_us(),
        longest_us: counted.longest_us,
        directories_total: counted.directories.len() as u64,
        directories: tallies(counted.directories, text_of_directory),
        hosts_total: counted.hosts.len() as u64,
        hosts: tallies(counted.hosts, text_of_host),
        followed_by: tallies(followers, text_of_command),
        before: at.checked_sub(1).map(|at| history.build(beside[at])),
        after: beside.get(at + 1).map(|row| history.build(*row)),
    })
}

/// The records around one in its session, the oldest first and itself among them, at most [`AROUND_MAX`] on each side;
/// none when there is no such record.
pub fn records_around(history: &History, id: &RecordId, before: u32, after: u32) -> Option<Vec<Hit>> {
    let row = history.rows().find(id)?;
    let side = |count: u32| count.min(AROUND_MAX) as usize;
    let hit = |row: u32| Hit { record: history.build(row), runs: 1, matched: Vec::new() };
    Some(around(history, row, side(before), side(after)).into_iter().map(hit).collect())
}

/// The most frequent first, those of one frequency by their texts; no more than an answer may have, and nothing of what
/// is not known.
fn tallies(counts: impl IntoIterator<Item = (u32, u64)>, text: impl Fn(u32) -> Vec<u8>) -> Vec<Tally> {
    let mut tallies: Vec<Tally> =
        counts.into_iter().map(|(number, runs)| Tally { text: text(number).into(), runs }).collect();
    tallies.sort_unstable_by(|one, other| other.runs.cmp(&one.runs).then_with(|| one.text.cmp(&other.text)));
    tallies.truncate(TALLIES_MAX);
    tallies
}

/// The runs of a command, counted.
#[derive(Default)]
struct Counted {
    runs: u64,
    succeeded: u64,
    failed: u64,
    first_us: i64,
    last_us: i64,
    timed: u64,
    time_us: u128,
    longest_us: Option<u64>,
    directories: BTreeMap<u32, u64>,
    hosts: BTreeMap<u32, u64>,
}

impl Counted {
    fn of(history: &History, command: u32) -> Self {
        let rows = history.rows();
        let mut counted = Self { first_us: i64::MAX, last_us: i64::MIN, ..Self::default() };
        for row in (0..rows.slots() as u32).filter(|row| rows.command(*row) == Some(command)) {
            counted.add(rows, row);
            if let Some((host, _)) = history.contexts().host_and_session(rows.context(row)) {
                *counted.hosts.entry(host).or_default() += 1;
            }
        }
        // An empty text stands for what is not known, which is nowhere.
        counted.directories.retain(|number, _| !history.directories().text(*number).is_empty());
        counted.hosts.retain(|number, _| !history.contexts().word(*number).is_empty());
        counted
    }

    fn add(&mut self, rows: &Rows, row: u32) {
        self.runs += 1;
        match rows.exit(row) {
            Some(0) => self.succeeded += 1,
            Some(_) => self.failed += 1,
            None => {}
        }
        self.first_us = self.first_us.min(rows.start_us(row));
        self.last_us = self.last_us.max(rows.start_us(row));
        if let Some(duration_us) = rows.duration_us(row) {
            self.timed += 1;
            self.time_us += u128::from(duration_us);
            self.longest_us = self.longest_us.max(Some(duration_us));
        }
        *self.directories.entry(rows.directory(row)).or_default() += 1;
    }

    fn mean_us(&self) -> Option<u64> {
        let mean = self.time_us.checked_div(u128::from(self.timed))?;
        u64::try_from(mean).ok()
    }
}
