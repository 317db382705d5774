//! Figures about history: asked for a period and a place, answered in numbers. Words and pictures are made at the edge.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::history::Filter;

/// What to count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatsQuery {
    /// Which records count.
    pub filter: Filter,
    /// Rows of each table, at most [`TOP_MAX`].
    pub top: u32,
    /// The person's time zone: from when on which offset holds, ascending. Before the first one its own holds; without
    /// any it is UTC. At most [`ZONE_STEPS_MAX`].
    pub zone: Vec<ZoneStep>,
}

/// Rows of one table.
pub const TOP_MAX: u32 = 1000;

/// Changes of a time zone: two a year for longer than there are computers.
pub const ZONE_STEPS_MAX: usize = 512;

/// An offset from UTC and when it begins to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneStep {
    /// In microseconds since 1970.
    pub from_us: i64,
    /// Seconds east of UTC.
    pub offset_s: i32,
}

/// The figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Records.
    pub total: u64,
    /// Different commands.
    pub distinct: u64,
    /// Runs of shells.
    pub sessions: u64,
    /// Records whose exit status is known.
    pub ended: u64,
    /// Of these, those that did not end with zero.
    pub failed: u64,
    /// Time that all took together, in microseconds, where it is known.
    pub time_us: u64,
    /// Start of the oldest, in microseconds since 1970.
    pub first_us: Option<i64>,
    /// Start of the newest.
    pub last_us: Option<i64>,
    /// Different programs.
    pub programs_total: u64,
    /// Programs, such as `git`, most used first. A command of several programs counts for each.
    pub programs: Vec<Counted>,
    /// Programs that failed, those that did so most often first.
    pub most_failed: Vec<Counted>,
    /// Programs that took time, those that took most of it in all first.
    pub most_time: Vec<Counted>,
    /// Programs with what they were told to do, such as `git commit`.
    pub subcommands: Vec<Counted>,
    /// Commands as they were typed.
    pub commands: Vec<Counted>,
    /// Programs that were never used before the period; empty when the period has no beginning.
    pub new_programs: Vec<Counted>,
    /// Directories.
    pub directories: Vec<Counted>,
    /// Hosts.
    pub hosts: Vec<Counted>,
    /// Shells, without their version.
    pub shells: Vec<Counted>,
    /// The runs that took longest.
    pub longest: Vec<LongRun>,
    /// Records by hour of the day, 24 of them.
    pub hours: Vec<u64>,
    /// Records by day of the week, Monday first, seven of them.
    pub weekdays: Vec<u64>,
    /// Records by day, ascending; days without any are left out.
    pub days: Vec<Day>,
}

/// Something that was used, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counted {
    /// What.
    pub text: ByteBuf,
    /// How often.
    pub runs: u64,
    /// How often it failed.
    pub failed: u64,
    /// How long it took in all, in microseconds.
    pub time_us: u64,
}

/// A run that took long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LongRun {
    /// The command.
    pub command: ByteBuf,
    /// Its start, in microseconds since 1970.
    pub start_us: i64,
    /// How long it took, in microseconds.
    pub duration_us: u64,
}

/// A day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Day {
    /// Days since 1970-01-01 in the person's time zone.
    pub day: i32,
    /// Records.
    pub runs: u32,
}
