//! `caro history list`: what there is, as shells list it, the newest at the end.

use caro_schema::ipc::history::{Mode, Order, Query};
use clap::Args;

use super::{
    rows::{self, Rows, Style},
    settle,
};
use crate::{
    client::Client,
    commands::{
        filters::{Filters, place},
        search::understood,
    },
    error::Outcome,
    output::Out,
};

/// Print commands, the oldest first
///
/// Words narrow it as they do on the screen: caro history list cargo exit:!0 after:yesterday
///
/// Example: caro history list --since today --under . -n 20
#[derive(Args)]
pub(crate) struct List {
    /// Only what matches these words, read as caro search does
    #[arg(value_name = "TEXT")]
    text: Vec<String>,
    /// Only the newest so many
    #[arg(long, short = 'n', value_name = "COUNT")]
    limit: Option<u64>,
    /// The newest first
    #[arg(long)]
    newest_first: bool,
    /// Each different command once, where it ran last
    #[arg(long)]
    unique: bool,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    style: Style,
}

impl List {
    pub(crate) fn run(self) -> Outcome {
        let order = if self.newest_first { Order::Newest } else { Order::Oldest };
        let (mode, place) = (Mode::Fuzzy, place());
        let (text, filter) = understood(&self.text, mode, &place, self.filters.resolve()?);
        let query = Query { text, mode, filter, order, unique: self.unique, place };
        let mut client = Client::open()?;
        settle(&mut client)?;
        let mut out = Out::new();
        let rows = Rows::new(&self.style, &out)?;
        // The newest so many, and yet the oldest of them first: the rest is passed over.
        let offset = match self.limit {
            Some(limit) if !self.newest_first => rows::count(&mut client, query.clone())?.saturating_sub(limit),
            _ => 0,
        };
        rows.stream(&mut client, query, offset, self.limit, &mut out)?;
        out.finish()
    }
}
