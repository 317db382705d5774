//! How the daemon is, and what a doctor finds.

use serde::{Deserialize, Serialize};

/// How the daemon is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DaemonStatus {
    /// Process id.
    pub pid: u32,
    /// Build, as in the first frame.
    pub build: String,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// Records in history.
    pub records: u64,
    /// Distinct command texts.
    pub distinct: u64,
    /// Resident memory in bytes, zero when not known.
    pub resident_bytes: u64,
    /// Bytes of the database and its companions.
    pub database_bytes: u64,
    /// The database's file.
    pub database: String,
    /// The spool's folder.
    pub spool: String,
    /// The socket.
    pub socket: String,
    /// Whether all history has been read.
    pub complete: bool,
    /// Whether commands are recorded, and what was not.
    pub recording: Recording,
}

/// Whether commands are recorded, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recording {
    /// What is paused now: everything first, then single sessions.
    pub paused: Vec<Paused>,
    /// What was not recorded, by why.
    pub withheld: Withheld,
}

/// Recording that is switched off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Paused {
    /// In which run of a shell; none for everything on this machine.
    pub session: Option<String>,
    /// Since when, in microseconds since 1970.
    pub since_us: i64,
    /// Until when; none until somebody says otherwise.
    pub until_us: Option<i64>,
}

/// How many commands were not recorded as they were typed, by why. Never which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Withheld {
    /// Since when this is counted, in microseconds since 1970; zero when nothing was.
    pub since_us: i64,
    /// A secret was recognised.
    pub secrets: u64,
    /// A secret was recognised, and its place taken by a mask: these are recorded.
    pub masked: u64,
    /// A recovery phrase was recognised.
    pub phrases: u64,
    /// One of the user's patterns matched.
    pub commands: u64,
    /// They started in one of the user's directories.
    pub directories: u64,
    /// They began with a blank.
    pub spaces: u64,
    /// Recording was paused.
    pub paused: u64,
}

/// What became of reading the configuration again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reloaded {
    /// The file cannot be read at all, and what was in force before still is.
    pub broken: bool,
    /// What could not be used.
    pub problems: Vec<Problem>,
    /// Settings whose new value waits for the next start of the daemon.
    pub waiting: Vec<String>,
}

/// Something in the configuration that could not be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// What is wrong, in a sentence's fragment.
    pub what: String,
    /// What to write instead; empty when there is nothing to suggest.
    pub instead: String,
}

/// What was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Doctor {
    /// The findings, in the order of the checks.
    pub findings: Vec<Finding>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was checked, in a few words.
    pub check: String,
    /// How it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do about it; empty when nothing.
    pub advice: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// As it should be.
    Good,
    /// Works, and could be better.
    Notice,
    /// Does not work.
    Bad,
}
