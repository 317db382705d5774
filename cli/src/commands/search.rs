//! `caro search`: what matches, the best first.

use caro_schema::ipc::history::{Filter, Mode, Order, Place, Query};
use clap::{Args, ValueEnum};
use jiff::Zoned;

use super::{
    filters::{Filters, place},
    history::{
        pages::{self, Reader},
        rows::{Rows, Style},
        settle,
    },
};
use crate::{
    client::Client,
    error::{Failure, Outcome},
    exit,
    output::{Out, visible},
    query,
};

/// Search history and print what matches
///
/// The best match comes first, each different command once. Small letters match both cases, capitals only themselves.
/// Ends with status 1 when nothing matches.
///
/// Filters may stand between the words: dir:. under:~/src repo:. host:desk session:. user:ada shell:zsh exit:!0 ok:
/// failed: running: after:yesterday before:2026-03-01 took:>10s author:assistant. In fuzzy mode a word may be ^start,
/// end$, 'as-it-stands or !not-there, and " | " between two means one of both.
///
/// Example: caro search 'under:~/src failed: cargo test'
#[derive(Args)]
pub(crate) struct Search {
    /// What to look for
    #[arg(required = true, value_name = "TEXT")]
    text: Vec<String>,
    /// How to read the text
    #[arg(long, short, value_enum, default_value_t)]
    mode: ModeName,
    /// What comes first
    #[arg(long, value_enum, default_value_t)]
    order: OrderName,
    /// Every run of a command, and not each command once
    #[arg(long)]
    all_runs: bool,
    /// At most so many
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 100)]
    limit: u64,
    /// Pass over so many first
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    offset: u64,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    style: Style,
}

/// How to read what is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeName {
    /// Each word's letters in this order, words in any order
    #[default]
    Fuzzy,
    /// The words anywhere, each as it stands
    Substring,
    /// The beginning of the command
    Prefix,
    /// A regular expression
    Regex,
}

impl From<ModeName> for Mode {
    fn from(name: ModeName) -> Self {
        match name {
            ModeName::Fuzzy => Self::Fuzzy,
            ModeName::Substring => Self::Substring,
            ModeName::Prefix => Self::Prefix,
            ModeName::Regex => Self::Regex,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum OrderName {
    /// The best match
    #[default]
    Rank,
    /// The newest
    Newest,
    /// The oldest
    Oldest,
}

/// The text to look for and the filter that both the words and the options make.
///
/// # Errors
/// When a filter among the words means nothing or is not finished: without it the answer would be one to another question.
pub(super) fn understood(words: &[String], mode: Mode, place: &Place, options: Filter) -> Outcome<(String, Filter)> {
    let typed = words.join(" ");
    let parsed = query::parse(&typed, mode, place, &Zoned::now());
    let slips = parsed.slips(&typed);
    if !slips.is_empty() {
        let message = visible::line(slips.join("; ").as_bytes());
        return Err(Failure::new(exit::DATA, message).hint("filters are in caro search --help and docs/search.md"));
    }
    let filter = parsed.over(options);
    Ok((parsed.query_text, filter))
}

impl Search {
    pub(crate) fn run(self) -> Outcome {
        let order = match self.order {
            OrderName::Rank => Order::Rank,
            OrderName::Newest => Order::Newest,
            OrderName::Oldest => Order::Oldest,
        };
        let (mode, place) = (self.mode.into(), place());
        let (text, filter) = understood(&self.text, mode, &place, self.filters.resolve()?)?;
        let query = Query { text, mode, filter, order, unique: !self.all_runs, place, masked: false };
        let mut client = Client::open()?;
        settle(&mut client)?;
        let mut out = Out::new();
        let rows = Rows::new(&self.style, &out)?;
        let mut print = |hit: &_| out.bytes(&rows.row(hit));
        let shown = pages::in_order(&mut Reader::new(client), query, self.offset, Some(self.limit), &mut print)?;
        out.finish()?;
        if shown == 0 { Err(Failure::silent(exit::FAILURE)) } else { Ok(()) }
    }
}
