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
