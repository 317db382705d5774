//! What can happen to the screen.

use caro_schema::ipc::history::Hits;
use crossterm::event::KeyEvent;

use crate::error::Failure;

/// Something happened.
#[derive(Debug)]
pub(super) enum Message {
    /// A key.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has another size: columns and rows.
    Resize(u16, u16),
    /// An answer to the search with this ticket.
    Found {
        /// Which search.
        ticket: u64,
        /// Where the window begins.
        offset: u64,
        /// What was found, or why not.
        found: Result<Hits, Failure>,
    },
    /// A deletion is done: how many commands, or why not.
    Deleted(Result<u64, Failure>),
    /// A moment has passed in which nothing happened.
    Quiet,
    /// Keys can no longer be read: the terminal is gone.
    NoTerminal,
}
