//! `caro history delete`: by id or by what matches. Says first how many, and asks. How it goes on is in `tidy.rs`.

use caro_schema::{
    id::RecordId,
    ipc::history::{Query, Selection},
};
use clap::Args;

use super::{
    settle,
    tidy::{Sure, asks_for_nothing},
};
use crate::{
    client::Client,
    commands::{filters::Filters, filters::place, search::ModeName},
    error::{Failure, Outcome},
    exit,
};

/// Delete commands, here and on every device
///
/// Either by their ids, which caro history list --ids shows, or all that match: a text, a directory, a time, a session. It
/// says how many there are, from when and where else they are, and asks. They are gone from the history at once; for a
/// minute (history.undo_seconds) caro history undelete brings them back. Then they go for ever: from the databases of all
/// devices, and what carried them is purged from the relays.
///
/// Examples: caro history delete --match 'export TOKEN=' --mode prefix; caro history delete --session --since 1h
#[derive(Args)]
pub(crate) struct Delete {
    /// Ids of single runs
    #[arg(value_name = "ID", value_parser = parse_id)]
    ids: Vec<RecordId>,
    /// Every run of each command that matches this
    #[arg(long = "match", short = 'm', value_name = "TEXT", conflicts_with = "ids")]
    text: Option<String>,
    /// How to read the text
    #[arg(long, value_enum, default_value = "substring", requires = "text")]
    mode: ModeName,
    /// Everything that the other options let through, however much that is
    #[arg(long, conflicts_with_all = ["ids", "text"])]
    all: bool,
    #[command(flatten)]
    sure: Sure,
    #[command(flatten)]
    filters: Filters,
}

fn parse_id(text: &str) -> Result<RecordId, String> {
    RecordId::from_hex(text).ok_or_else(|| "an id has 32 hexadecimal digits; see caro history list --ids".to_owned())
}

impl Delete {
    pub(crate) fn run(self) -> Outcome {
        let selection = self.selection()?;
        let mut client = Client::open()?;
        settle(&mut client)?;
        self.sure.delete(&mut client, &selection, &[])
    }

    fn selection(&self) -> Outcome<Selection> {
        if !self.ids.is_empty() {
            if !self.filters.is_empty() {
                return Err(Failure::new(exit::USAGE, "ids name commands by themselves; nothing else narrows them"));
            }
            return Ok(Selection::Ids(self.ids.clone()));
        }
        let empty = self.text.as_deref().is_none_or(|text| asks_for_nothing(text, self.mode.into()));
        if empty && (self.text.is_some() || (self.filters.is_empty() && !self.all)) {
            return Err(Failure::new(exit::USAGE, "nothing says which commands")
                .hint("name ids, --match TEXT, or other options; --all for the whole history"));
        }
        Ok(Selection::Matching(Box::new(Query {
            text: self.text.clone().unwrap_or_default(),
            mode: self.mode.into(),
            filter: self.filters.resolve()?,
            place: place(),
            ..Query::default()
        })))
    }
}
