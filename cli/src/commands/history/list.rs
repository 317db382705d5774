//! `caro history list`: what there is, as shells list it, the newest at the end.

use caro_schema::ipc::history::{Mode, Order, Query};
use clap::Args;

use super::{
    pages::{self, Reader},
    rows::{Rows, Style},
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
        let (text, filter) = understood(&self.text, mode, &place, self.filters.resolve()?)?;
        let query = Query { text, mode, filter, order, unique: self.unique, place, masked: false };
        let mut client = Client::open()?;
        settle(&mut client)?;
        let mut out = Out::new();
        let rows = Rows::new(&self.style, &out)?;
        let mut reader = Reader::new(client);
        let mut print = |hit: &_| out.bytes(&rows.row(hit));
        if self.newest_first {
            pages::in_order(&mut reader, query, 0, self.limit, &mut print)?;
        } else {
            pages::oldest_first(&mut reader, query, self.limit, &mut print)?;
        }
        out.finish()
    }
}
