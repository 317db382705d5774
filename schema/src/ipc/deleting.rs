//! Deleting with a look before and a way back.

use serde::{Deserialize, Serialize};

use super::history::Selection;

/// What a deletion would take, for a person to decide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Weight {
    /// How many commands.
    pub count: u64,
    /// When the oldest of them started, in microseconds since 1970.
    pub first_us: i64,
    /// When the newest of them did.
    pub last_us: i64,
    /// How many of them are with other devices and relays, or on their way there.
    pub elsewhere: u64,
    /// How many other devices the account has.
    pub others: u64,
    /// Whether this device is in an account.
    pub joined: bool,
    /// For how long a deletion can be taken back, in milliseconds.
    pub undo_ms: u64,
}

/// Delete commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discard {
    /// Which.
    pub selection: Selection,
    /// Who deletes: a run of a shell, or what else tells one's own deletions from others'.
    #[serde(default)]
    pub by: String,
    /// At once and for ever, with no way back.
    #[serde(default)]
    pub now: bool,
    /// On this device alone.
    #[serde(default)]
    pub here: bool,
    /// How many a person agreed to: if it is another number by now, nothing is deleted. None when nobody was asked.
    #[serde(default)]
    pub confirmed: Option<u64>,
}

/// What was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Discarded {
    /// How many commands.
    pub count: u64,
    /// By which number it can be taken back; none when it cannot.
    pub number: Option<u64>,
    /// Until when, in milliseconds since 1970.
    pub until_ms: u64,
}

/// A deletion that can be taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Aside {
    /// Its number.
    pub number: u64,
    /// How many commands.
    pub count: u64,
    /// Until when, in milliseconds since 1970.
    pub until_ms: u64,
    /// Who deleted.
    pub by: String,
}
