//! What can happen to the screen.

use caro_schema::{
    body::history::Record,
    id::RecordId,
    ipc::history::{Details, Hits, Window},
};

use super::{input::Mouse, key::Key};
use crate::error::Failure;

/// All about a command.
#[derive(Debug, Default)]
pub(super) struct About {
    /// How often, where, how it went, and what is usual around it.
    pub(super) details: Details,
    /// Its newest runs, the newest first.
    pub(super) runs: Vec<Record>,
}

/// Something happened.
#[derive(Debug)]
pub(super) enum Message {
    /// A key.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// The mouse, counted from the screen's own upper left corner.
    Mouse(Mouse),
    /// The terminal has another size: columns and rows.
    Resize(u16, u16),
    /// An answer to the search with this ticket.
    Found {
        /// Which search.
        ticket: u64,
        /// Which part of the answer was asked for.
        window: Window,
        /// What was found, or why not.
        found: Result<Hits, Failure>,
    },
    /// How many match, as asked with this ticket.
    Located {
        /// Which question.
        ticket: u64,
        /// How many, or why not.
        newer: Result<u64, Failure>,
    },
    /// All about the command of this record, or why not.
    Details(RecordId, Result<Box<About>, Failure>),
    /// A deletion is done: how many runs, or why not.
    Deleted {
        /// Which deletion.
        number: u64,
        /// How many runs, or why not.
        outcome: Result<u64, Failure>,
    },
    /// Time has passed.
    Tick,
    /// The daemon still reads older history, and nothing has happened for a while.
    Quiet,
    /// Keys can no longer be read: the terminal is gone.
    NoTerminal,
}
