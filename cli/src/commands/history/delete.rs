//! `caro history delete`: by id or by what matches. Says first how many, and asks, because it cannot be undone.

use caro_schema::{
    id::RecordId,
    ipc::{
        Reply, Request,
        history::{Query, Selection},
    },
};
use clap::Args;

use super::settle;
use crate::{
    client::Client,
    commands::{filters::Filters, filters::place, search::ModeName, unexpected},
    error::{Failure, Outcome},
    exit,
    output::Out,
    terminal::ask,
};

/// Delete commands, here and on every device, for ever
///
/// Either by their ids, which caro history list --ids shows, or all that match. It cannot be undone, so it says how many
/// there are and asks.
///
/// Example: caro history delete --match 'export TOKEN=' --mode prefix
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
    /// Only say how many
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
    /// The number alone, as JSON
    #[arg(long)]
    json: bool,
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
        let matching = delete(&mut client, &selection, true)?;
        if self.dry_run || matching == 0 {
            self.say(matching, if self.dry_run { "would be deleted" } else { "deleted" })?;
            // As for prune: a script learns that there was nothing to do, however it asked.
            return if matching == 0 { Err(Failure::silent(exit::FAILURE)) } else { Ok(()) };
        }
        if !self.yes {
            let question = format!("Delete {} on every device, for ever?", commands(matching));
            if !ask::yes(&question, "--yes deletes without asking")? {
                return Err(Failure::cancelled());
            }
        }
        let deleted = delete(&mut client, &selection, false)?;
        self.say(deleted, "deleted")
    }

    fn selection(&self) -> Outcome<Selection> {
        if !self.ids.is_empty() {
            if !self.filters.is_empty() {
                return Err(Failure::new(exit::USAGE, "ids name commands by themselves; nothing else narrows them"));
            }
            return Ok(Selection::Ids(self.ids.clone()));
        }
        // An empty text matches everything, and a script may hand over an empty variable.
        let empty = self.text.as_deref().is_none_or(|text| text.trim().is_empty());
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

    fn say(&self, count: u64, what: &str) -> Outcome {
        let mut out = Out::new();
        if self.json {
            out.json(&serde_json::json!({ "count": count, "dry_run": self.dry_run }))?;
        } else {
            out.line(&format!("{} {what}", commands(count)))?;
        }
        out.finish()
    }
}

fn commands(count: u64) -> String {
    if count == 1 { "1 command".to_owned() } else { format!("{count} commands") }
}

fn delete(client: &mut Client, selection: &Selection, dry_run: bool) -> Outcome<u64> {
    match client.ask(Request::Delete { selection: selection.clone(), dry_run })? {
        Reply::Count(count) => Ok(count),
        _ => Err(unexpected()),
    }
}
