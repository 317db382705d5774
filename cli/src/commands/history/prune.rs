//! `caro history prune`: deletes what one no longer wants to keep. Without options, what the rules of recording, as they
//! are now, would not take in.

use caro_schema::ipc::history::{Objection, Query, Selection};
use clap::Args;
use jiff::Zoned;

use super::{
    settle,
    tidy::{Group, Sure, asks_for_nothing, count},
};
use crate::{
    client::Client,
    commands::{
        filters::{Filters, place},
        search::ModeName,
    },
    error::{Failure, Outcome},
    exit,
    output::{quoted, time},
};

/// Delete what you no longer want to keep
///
/// Without options: what the rules of recording, as they are now, would not take in, such as commands with a secret in
/// them. With options: all that they let through; with --refused as well, what of that the rules refuse. It says how many
/// there are, and asks, and for a minute caro history undelete takes it back.
///
/// Examples: caro history prune --dry-run; caro history prune --older-than 1y --failed; caro history prune --match '^ls( |$)' --mode regex
#[derive(Args)]
pub(crate) struct Prune {
    /// What the rules of recording would refuse now
    #[arg(long)]
    refused: bool,
    /// Only those that started longer ago, such as 90d, 6 months or 1y
    #[arg(long, value_name = "TIME", conflicts_with = "until")]
    older_than: Option<String>,
    /// Only those that match this
    #[arg(long = "match", short = 'm', value_name = "TEXT")]
    text: Option<String>,
    /// How to read the text
    #[arg(long, value_enum, default_value = "substring", requires = "text")]
    mode: ModeName,
    #[command(flatten)]
    sure: Sure,
    #[command(flatten)]
    filters: Filters,
}

/// Why the rules refuse, and what is said of it.
const REASONS: [(Objection, &str, &str); 3] = [
    (Objection::Secret, "secret", "with a secret in them"),
    (Objection::Command, "command", "that match record.ignore_commands"),
    (Objection::Directory, "directory", "from record.ignore_directories"),
];

impl Prune {
    pub(crate) fn run(self) -> Outcome {
        if self.text.as_deref().is_some_and(|text| asks_for_nothing(text, self.mode.into())) {
            return Err(Failure::new(exit::USAGE, "nothing says which commands").hint("--match takes a text"));
        }
        let query = self.query()?;
        let mut client = Client::open()?;
        settle(&mut client)?;
        if !self.refuses() {
            return self.sure.delete(&mut client, &Selection::Matching(Box::new(query)), &[]);
        }
        let refused = |reasons: Vec<Objection>| Selection::Refused { query: Box::new(query.clone()), reasons };
        let mut groups = Vec::new();
        for (reason, key, what) in REASONS {
            groups.push(Group { what, key, count: count(&mut client, &refused(vec![reason]))? });
        }
        let all = refused(REASONS.iter().map(|(reason, ..)| *reason).collect());
        self.sure.delete(&mut client, &all, &groups)
    }

    /// Whether only what the rules refuse is meant: asked for, or nothing else said.
    fn refuses(&self) -> bool {
        self.refused || (self.text.is_none() && self.older_than.is_none() && self.filters.is_empty())
    }

    fn query(&self) -> Outcome<Query> {
        let mut filter = self.filters.resolve()?;
        if let Some(text) = &self.older_than {
            filter.until_us = Some(time::parse(text, &Zoned::now()).ok_or_else(|| {
                Failure::new(exit::USAGE, format!("{} is not a time", quoted(text)))
                    .hint("like 90d, \"6 months\", 1y, 2026-03-01")
            })?);
        }
        let text = self.text.clone().unwrap_or_default();
        Ok(Query { text, mode: self.mode.into(), filter, place: place(), ..Query::default() })
    }
}
