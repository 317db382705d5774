//! `caro history dedup`: leaves one run of each command.

use caro_schema::ipc::history::{Query, Same, Selection};
use clap::{Args, ValueEnum};

use super::{settle, tidy::Sure};
use crate::{
    client::Client,
    commands::filters::{Filters, place},
    error::Outcome,
};

/// Leave one run of each command
///
/// The newest one stays, or the oldest. What still runs is left alone. It says how many there are to be deleted, and asks;
/// for a minute caro history undelete takes it back. Searching shows each command once without this; times and counts of use are what is lost.
///
/// Example: caro history dedup --in-directory --dry-run
#[derive(Args)]
pub(crate) struct Dedup {
    /// Which run stays
    #[arg(long, value_enum, default_value_t)]
    keep: Keep,
    /// Runs in different directories are not the same
    #[arg(long)]
    in_directory: bool,
    /// Runs on different hosts are not the same
    #[arg(long)]
    on_host: bool,
    /// Runs that ended differently are not the same
    #[arg(long)]
    same_exit: bool,
    #[command(flatten)]
    sure: Sure,
    #[command(flatten)]
    filters: Filters,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Keep {
    /// The newest
    #[default]
    Newest,
    /// The oldest
    Oldest,
}

impl Dedup {
    pub(crate) fn run(self) -> Outcome {
        let query = Query { filter: self.filters.resolve()?, place: place(), ..Query::default() };
        let same = Same { directory: self.in_directory, host: self.on_host, exit: self.same_exit };
        let selection = Selection::Repeats { query: Box::new(query), same, keep_oldest: self.keep == Keep::Oldest };
        let mut client = Client::open()?;
        settle(&mut client)?;
        self.sure.delete(&mut client, &selection, &[])
    }
}
