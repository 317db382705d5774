//! `caro sync preview`, `keep-here`, `share` and `withdraw`: what goes to other devices, and what stays here.
//!
//! The rules are settings (`sync.exclude_…`, `sync.include_…`, the window); here they are looked at, and single commands are
//! kept back or let go.

use caro_schema::{
    id::RecordId,
    ipc::{
        Reply, Request,
        history::{Mode, Order, Query, Selection},
        selecting::{Group, Preview as Found, Stays},
    },
};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    client::Client,
    commands::{
        filters::{Filters, place},
        history::{
            pages::{self, Reader},
            settle,
        },
        unexpected,
    },
    error::{Failure, Outcome},
    exit,
    output::{Out, counted, say, visible},
    terminal::ask,
};

/// Say what is sent to other devices and what stays here, and why
///
/// Goes through the whole history by the rules as they are now. What was sent before there was the rule by which it stays
/// is counted too: caro sync withdraw takes that back.
#[derive(Args)]
pub(crate) struct Preview {
    /// How many commands of each group to show
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=100))]
    samples: u32,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Which commands.
#[derive(Args)]
struct Which {
    /// The command, as it was typed: every run of exactly this; without one, what the options let through
    #[arg(value_name = "COMMAND", num_args = 0.., trailing_var_arg = true)]
    command: Vec<String>,
    /// Single runs by their ids, as caro history list --ids shows them
    #[arg(long = "id", value_name = "ID", value_parser = parse_id, conflicts_with = "command")]
    ids: Vec<RecordId>,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
    /// The number alone, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filters: Filters,
}

/// Keep commands on this device only
///
/// They stay in the history here and go nowhere else. What other devices and relays have of them is deleted there. It is
/// for runs that there are; for those to come there are rules: caro config set sync.exclude_commands.
///
/// Example: caro sync keep-here ssh root@vault
#[derive(Args)]
pub(crate) struct KeepHere {
    #[command(flatten)]
    which: Which,
}

/// Send commands after all that stay here
///
/// What caro sync keep-here keeps here, and what was not sent because of a rule or a window that holds no more. What a rule
/// keeps here now stays; caro sync preview says which.
///
/// Example: caro sync share --since 2020-01-01
#[derive(Args)]
pub(crate) struct Share {
    #[command(flatten)]
    which: Which,
}

/// Take back what was sent before there was the rule by which it stays here
///
/// Deletes on other devices and at the relays what the rules of selection (sync.exclude_… and sync.include_…) keep here by
/// now, and keeps it here. It says how many there are, and asks.
#[derive(Args)]
pub(crate) struct Withdraw {
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
    /// The number alone, as JSON
    #[arg(long)]
    json: bool,
}

fn parse_id(text: &str) -> Result<RecordId, String> {
    RecordId::from_hex(text).ok_or_else(|| "an id has 32 hexadecimal digits; see caro history list --ids".to_owned())
}

impl Preview {
    pub(crate) fn run(self) -> Outcome {
        let mut client = Client::open()?;
        settle(&mut client)?;
        let found = preview(&mut client, self.samples)?;
        let mut out = Out::new();
        if self.json {
            let stay = |(why, group): &(Stays, Group)| {
                let mut group = group_json(group);
                group["why"] = key(*why).into();
                group
            };
            out.json(&json!({
                "joined": found.joined, "total": found.total, "go": group_json(&found.go),
                "stay": found.stay.iter().map(stay).collect::<Vec<_>>(),
            }))?;
            return out.finish();
        }
        let goes = if found.joined { "sent, or to be sent" } else { "would be sent once this device syncs" };
        out.line(&format!("{} {goes}", counted(found.go.count, "command")))?;
        samples(&mut out, &found.go)?;
        for (why, group) in &found.stay {
            let sent = match group.sent {
                0 => String::new(),
                sent => format!(" ({sent} sent before)"),
            };
            out.line(&format!("{} here: {}{sent}", stays(group.count), words(*why)))?;
            samples(&mut out, group)?;
        }
        if sent(&found) > 0 {
            say("caro sync withdraw deletes elsewhere what was sent before and stays here by now");
        }
        out.finish()
    }
}

fn stays(count: u64) -> String {
    if count == 1 { "1 command stays".to_owned() } else { format!("{count} commands stay") }
}

fn samples(out: &mut Out, group: &Group) -> Outcome {
    for record in &group.samples {
        out.line(&format!("    {}", visible::line(&record.command)))?;
    }
    Ok(())
}

fn group_json(group: &Group) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let samples: Vec<String> = group.samples.iter().map(|record| text(&record.command)).collect();
    json!({ "count": group.count, "sent": group.sent, "samples": samples })
}

fn sent(found: &Found) -> u64 {
    found.stay.iter().map(|(_, group)| group.sent).sum()
}

fn preview(client: &mut Client, samples: u32) -> Outcome<Found> {
    match client.ask(Request::SyncPreview { samples })? {
        Reply::Preview(found) => Ok(*found),
        _ => Err(unexpected()),
    }
}

/// Why, for a person.
fn words(why: Stays) -> &'static str {
    match why {
        Stays::Hand => "kept here by hand",
        Stays::Command => "sync.exclude_commands",
        Stays::Directory => "sync.exclude_directories",
        Stays::Host => "sync.exclude_hosts",
        Stays::Session => "sync.exclude_sessions",
        Stays::Author => "sync.exclude_authors",
        Stays::NotIncluded => "not among what sync.include_… names",
        Stays::Size => "longer than sync.command_bytes",
        Stays::Age => "older than sync.window_days",
        Stays::Count => "more than sync.window_commands",
        Stays::Unsent => "not sent so far, by the settings of that time; caro sync share sends it",
    }
}

/// Why, for scripts.
fn key(why: Stays) -> &'static str {
    match why {
        Stays::Hand => "kept",
        Stays::Command => "exclude_commands",
        Stays::Directory => "exclude_directories",
        Stays::Host => "exclude_hosts",
        Stays::Session => "exclude_sessions",
        Stays::Author => "exclude_authors",
        Stays::NotIncluded => "not_included",
        Stays::Size => "command_bytes",
        Stays::Age => "window_days",
        Stays::Count => "window_commands",
        Stays::Unsent => "unsent",
    }
}

impl Which {
    /// The runs that are meant.
    fn find(&self, client: Client) -> Outcome<Vec<RecordId>> {
        if !self.ids.is_empty() {
            return Ok(self.ids.clone());
        }
        let text = self.command.join(" ");
        if text.trim().is_empty() && self.filters.is_empty() {
            return Err(Failure::new(exit::USAGE, "nothing says which commands")
                .hint("give the command as it was typed, --id ID, or options such as --session or --under DIR"));
        }
        let query = Query {
            text: text.clone(),
            mode: Mode::Substring,
            filter: self.filters.resolve()?,
            order: Order::Oldest,
            place: place(),
            ..Query::default()
        };
        let mut ids = Vec::new();
        pages::oldest_first(&mut Reader::of_all(client), query, None, &mut |hit| {
            if text.is_empty() || *hit.record.command == *text.as_bytes() {
                ids.push(hit.record.id);
            }
            Ok(())
        })?;
        Ok(ids)
    }

    fn carry_out(self, question: &str, done: &str, request: impl Fn(Selection) -> Request) -> Outcome {
        let mut client = Client::open()?;
        settle(&mut client)?;
        let ids = self.find(Client::open()?)?;
        if ids.is_empty() {
            return Err(Failure::new(exit::FAILURE, "no command is like that")
                .hint("caro history list shows what there is, --ids with its ids"));
        }
        if !self.yes {
            let question = question.replace("{}", &counted(ids.len() as u64, "command"));
            if !ask::yes(&question, "--yes does it without asking")? {
                return Err(Failure::cancelled());
            }
        }
        say_count(client.ask(request(Selection::Ids(ids)))?, self.json, done)
    }
}

fn say_count(reply: Reply, as_json: bool, done: &str) -> Outcome {
    let Reply::Count(count) = reply else { return Err(unexpected()) };
    let mut out = Out::new();
    if as_json {
        out.json(&json!({ "count": count }))?;
    } else {
        out.line(&format!("{} {done}", counted(count, "command")))?;
    }
    out.finish()?;
    if count == 0 { Err(Failure::silent(exit::FAILURE)) } else { Ok(()) }
}

impl KeepHere {
    pub(crate) fn run(self) -> Outcome {
        let question = "Keep {} here, and delete what other devices and relays have of that?";
        self.which.carry_out(question, "kept on this device only", |selection| Request::SyncKeepHere { selection })
    }
}

impl Share {
    pub(crate) fn run(self) -> Outcome {
        let question = "Send {} to your other devices?";
        self.which.carry_out(question, "no longer kept here only", |selection| Request::SyncShare { selection })
    }
}

impl Withdraw {
    pub(crate) fn run(self) -> Outcome {
        let mut client = Client::open()?;
        settle(&mut client)?;
        let count = sent(&preview(&mut client, 0)?);
        if count == 0 {
            return say_count(Reply::Count(0), self.json, "withdrawn");
        }
        if !self.yes && !agrees(count)? {
            return Err(Failure::cancelled());
        }
        say_count(client.ask(Request::SyncWithdraw)?, self.json, "withdrawn")
    }
}

fn agrees(count: u64) -> Outcome<bool> {
    let question =
        format!("Delete {} on other devices and at the relays, and keep them here?", counted(count, "command"));
    ask::yes(&question, "--yes does it without asking")
}

/// After a rule about what is sent was changed: offers to take back what was sent before there was it.
pub(crate) fn offer_to_withdraw(setting: &str) -> Outcome {
    let is_rule = setting.starts_with("sync.exclude_") || setting.starts_with("sync.include_");
    if !is_rule && setting != "sync.command_bytes" {
        return Ok(());
    }
    // Without a daemon nothing is sent meanwhile; the preview says it at any time.
    let Ok(Some(mut client)) = Client::open_running() else { return Ok(()) };
    let count = sent(&preview(&mut client, 0)?);
    if count == 0 {
        return Ok(());
    }
    let are = if count == 1 {
        "1 command that stays here now was"
    } else {
        &format!("{count} commands that stay here now were")
    };
    say(&format!("{are} sent before there was this rule"));
    match agrees(count) {
        Ok(true) => say_count(client.ask(Request::SyncWithdraw)?, false, "withdrawn"),
        Ok(false) => Ok(()),
        // A script that sets a rule must not fail for what it was not asked to do.
        Err(_) => {
            say("caro sync withdraw takes them back");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_words_and_its_own_key() {
        let all = [
            Stays::Hand,
            Stays::Command,
            Stays::Directory,
            Stays::Host,
            Stays::Session,
            Stays::Author,
            Stays::NotIncluded,
            Stays::Size,
            Stays::Age,
            Stays::Count,
            Stays::Unsent,
        ];
        let words: std::collections::BTreeSet<&str> = all.iter().map(|why| words(*why)).collect();
        let keys: std::collections::BTreeSet<&str> = all.iter().map(|why| key(*why)).collect();
        assert_eq!((words.len(), keys.len()), (all.len(), all.len()));
    }

    #[test]
    fn what_is_no_rule_of_selection_offers_nothing() {
        assert!(offer_to_withdraw("record.secrets").is_ok());
    }
}
