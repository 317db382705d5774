//! Which commands are sent at all: what goes, what stays, and why.

use serde::{Deserialize, Serialize};

use crate::body::history::Record;

/// Why a command stays on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stays {
    /// It is kept here by hand.
    Hand,
    /// `sync.exclude_commands` names it.
    Command,
    /// `sync.exclude_directories` names where it started.
    Directory,
    /// `sync.exclude_hosts` names where it ran.
    Host,
    /// `sync.exclude_sessions` names the run of the shell.
    Session,
    /// `sync.exclude_authors` names who made it.
    Author,
    /// It is not among what `sync.include_…` names.
    NotIncluded,
    /// It is longer than `sync.command_bytes`.
    Size,
    /// It is older than `sync.window_days`.
    Age,
    /// It is from before joining, and there are more than `sync.window_commands`.
    Count,
    /// Nothing keeps it here any more, and it was not sent when something did.
    Unsent,
}

/// What goes and what stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preview {
    /// Whether this device is in an account.
    pub joined: bool,
    /// How many commands there are.
    pub total: u64,
    /// What is sent, or was.
    pub go: Group,
    /// What stays, by reason, in the order in which the reasons are asked.
    pub stay: Vec<(Stays, Group)>,
}

/// Commands that have something in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Group {
    /// How many.
    pub count: u64,
    /// How many of them are with other devices and relays already.
    pub sent: u64,
    /// The newest few.
    pub samples: Vec<Record>,
}
