//! `caro history last`: the newest command, other than the one that asks.

use caro_schema::ipc::history::{Hit, Order, Query, Window};
use clap::Args;

use super::{
    rows::{self, Rows, Style},
    settle_newest,
};
use crate::{
    client::Client,
    commands::filters::{Filters, place},
    error::{Failure, Outcome},
    exit,
    output::Out,
};

/// Print the newest command
///
/// The command that asks is passed over. Ends with status 1 when there is none.
#[derive(Args)]
pub(crate) struct Last {
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    style: Style,
}

impl Last {
    pub(crate) fn run(self) -> Outcome {
        let place = place();
        let own_session = place.session.clone();
        let query = Query { filter: self.filters.resolve()?, order: Order::Newest, place, ..Query::default() };
        let mut client = Client::open()?;
        settle_newest(&mut client)?;
        let hits = rows::search(&mut client, query, Window { offset: 0, limit: 2 })?;
        let mut out = Out::new();
        let rows = Rows::new(&self.style, &out)?;
        let asks = |hit: &&Hit| {
            let record = &hit.record;
            !own_session.is_empty() && record.session == own_session && !record.has_ended()
        };
        let last = hits.rows.iter().find(|hit| !asks(hit)).ok_or_else(|| Failure::silent(exit::FAILURE))?;
        out.bytes(&rows.row(last))?;
        out.finish()
    }
}
