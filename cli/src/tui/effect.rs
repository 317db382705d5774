//! What is to be done because of something that happened. Carried out by `run.rs` and `daemon_link.rs`.

use caro_schema::{
    id::RecordId,
    ipc::history::{Hit, Query, Window},
};

/// To be done.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    /// Ask the daemon. Of several that wait only the newest is asked.
    Search(Search),
    /// Ask how many match, to find a place in them.
    Locate(Search),
    /// Ask all about the command of a record.
    Details(Subject),
    /// Delete on every device.
    Delete(Delete),
    /// Put on the clipboard.
    Copy(Vec<u8>),
    /// Draw everything anew.
    Redraw,
    /// End, with this.
    Leave(Option<Chosen>),
}

/// A question to the daemon.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// Comes back with the answer.
    pub(super) ticket: u64,
    /// What to look for.
    pub(super) query: Query,
    /// Which part of the answer.
    pub(super) window: Window,
}

/// A run of a command that is asked about.
#[derive(Clone)]
pub(super) struct Subject {
    /// The run.
    pub(super) id: RecordId,
    /// Its command.
    pub(super) command: Vec<u8>,
}

// Written by hand: a command is private.
impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id: _, command } = self;
        f.debug_struct("Subject").field("command_bytes", &command.len()).finish_non_exhaustive()
    }
}

/// What to delete.
#[derive(Clone, Debug)]
pub(super) struct Delete {
    /// Comes back when it is done.
    pub(super) number: u64,
    /// The runs that were chosen.
    pub(super) hits: Vec<Hit>,
    /// All other runs of the same commands too.
    pub(super) all_runs: bool,
}

/// What the person chose.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// The command.
    pub(crate) command: Vec<u8>,
    /// Run it at once.
    pub(crate) run: bool,
}

// Written by hand: a command is private.
impl std::fmt::Debug for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, run } = self;
        f.debug_struct("Chosen").field("command_bytes", &command.len()).field("run", run).finish()
    }
}
