//! `caro history undelete`: takes a deletion back, while it can be.

use caro_schema::ipc::{Reply, Request, deleting::Aside};
use clap::Args;
use jiff::tz::TimeZone;

use crate::{
    client::Client,
    commands::unexpected,
    error::{Failure, Outcome},
    exit,
    output::{Out, counted, time},
    session,
};

/// Take a deletion back
///
/// The last one that was made in this run of a shell, or the one with a number that --list shows. It can be taken back for
/// as long as history.undo_seconds says, on the device where it was made; after that it is for ever.
#[derive(Args)]
pub(crate) struct Undelete {
    /// Which one, as --list shows it
    #[arg(value_name = "NUMBER", conflicts_with = "list")]
    number: Option<u64>,
    /// Only show what can be taken back
    #[arg(long)]
    list: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Undelete {
    pub(crate) fn run(self) -> Outcome {
        let mut client = Client::open()?;
        let Reply::Aside(aside) = client.ask(Request::Aside)? else { return Err(unexpected()) };
        if self.list {
            return self.show(&aside);
        }
        let chosen = self.choose(&aside).ok_or_else(|| too_late(&aside))?;
        match client.ask(Request::TakeBack { number: chosen })? {
            Reply::Count(0) => Err(too_late(&[])),
            Reply::Count(count) => self.say(count),
            _ => Err(unexpected()),
        }
    }

    fn choose(&self, aside: &[Aside]) -> Option<u64> {
        let own = session::own().unwrap_or_default();
        // From a script there is no session, and only what no session deleted is its own.
        let is_chosen = |one: &&Aside| self.number.map_or(one.by == own, |number| one.number == number);
        aside.iter().find(is_chosen).map(|one| one.number)
    }

    fn show(&self, aside: &[Aside]) -> Outcome {
        let mut out = Out::new();
        if self.json {
            let row = |Aside { number, count, until_ms, by }: &Aside| {
                serde_json::json!({
                    "number": number, "count": count, "by": by, "until": time::rfc3339(*until_ms as i64 * 1000),
                })
            };
            out.json(&aside.iter().map(row).collect::<Vec<_>>())?;
            return out.finish();
        }
        for Aside { number, count, until_ms, .. } in aside {
            let until = time::local_ms(*until_ms, &TimeZone::system());
            out.line(&format!("{number}  {}, until {until}", counted(*count, "command")))?;
        }
        out.finish()
    }

    fn say(&self, count: u64) -> Outcome {
        let mut out = Out::new();
        if self.json {
            out.json(&serde_json::json!({ "count": count }))?;
        } else {
            out.line(&format!("{} taken back", counted(count, "command")))?;
        }
        out.finish()
    }
}

fn too_late(aside: &[Aside]) -> Failure {
    let failure = Failure::new(exit::FAILURE, "there is no deletion here that can be taken back");
    if aside.is_empty() {
        failure.hint("a deletion can be taken back for as long as history.undo_seconds says, and not with --now")
    } else {
        failure.hint("caro history undelete --list shows those of other shells; take one back by its number")
    }
}
