//! What is to be done because of something that happened. Carried out by `run.rs` and `daemon_link.rs`.

use caro_schema::ipc::history::{Hit, Query, Window};

/// To be done.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    /// Ask the daemon. Of several that wait only the newest is asked.
    Search(Search),
    /// Delete on every device.
    Delete(Delete),
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

/// What to delete.
#[derive(Clone, Debug)]
pub(super) struct Delete {
    /// The run that was chosen.
    pub(super) hit: Hit,
    /// All other runs of the same command too.
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
