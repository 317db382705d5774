//! What prune and dedup have in common: how many there are is said first, then it is asked, then they are deleted.

use caro_schema::ipc::{Reply, Request, history::Selection};
use clap::Args;

use crate::{
    client::Client,
    commands::unexpected,
    error::{Failure, Outcome},
    exit,
    output::Out,
    terminal::ask,
};

/// How sure the person is.
#[derive(Args)]
pub(super) struct Sure {
    /// Only say how many
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
    /// The numbers alone, as JSON
    #[arg(long)]
    json: bool,
}

/// A group of commands, and how many there are.
pub(super) struct Group {
    /// What they are.
    pub(super) what: &'static str,
    /// A word for scripts.
    pub(super) key: &'static str,
    /// How many.
    pub(super) count: u64,
}

impl Sure {
    /// Says how many there are of each group, asks, and deletes all of the selection.
    pub(super) fn delete(&self, client: &mut Client, selection: &Selection, groups: &[Group]) -> Outcome {
        let total = count(client, selection)?;
        if self.dry_run || total == 0 {
            self.say(total, groups, "would be deleted")?;
            return if total == 0 { Err(Failure::silent(exit::FAILURE)) } else { Ok(()) };
        }
        if !self.yes {
            for Group { what, count, .. } in groups.iter().filter(|group| group.count > 0) {
                crate::output::say(&format!("{} {what}", commands(*count)));
            }
            let question = format!("Delete {} on every device, for ever?", commands(total));
            if !ask::yes(&question, "--yes deletes without asking")? {
                return Err(Failure::cancelled());
            }
        }
        let deleted = ask_daemon(client, selection, false)?;
        self.say(deleted, groups, "deleted")
    }

    fn say(&self, total: u64, groups: &[Group], what: &str) -> Outcome {
        let mut out = Out::new();
        if self.json {
            let groups: serde_json::Map<_, _> =
                groups.iter().map(|group| (group.key.to_owned(), group.count.into())).collect();
            out.json(&serde_json::json!({ "count": total, "dry_run": self.dry_run, "of_these": groups }))?;
            return out.finish();
        }
        if self.dry_run {
            for Group { what, count, .. } in groups.iter().filter(|group| group.count > 0) {
                out.line(&format!("{} {what}", commands(*count)))?;
            }
        }
        out.line(&format!("{} {what}", commands(total)))?;
        out.finish()
    }
}

/// How many a selection holds.
pub(super) fn count(client: &mut Client, selection: &Selection) -> Outcome<u64> {
    ask_daemon(client, selection, true)
}

fn ask_daemon(client: &mut Client, selection: &Selection, dry_run: bool) -> Outcome<u64> {
    match client.ask(Request::Delete { selection: selection.clone(), dry_run })? {
        Reply::Count(count) => Ok(count),
        _ => Err(unexpected()),
    }
}

fn commands(count: u64) -> String {
    if count == 1 { "1 command".to_owned() } else { format!("{count} commands") }
}
