//! What deleting, pruning and dedup have in common: what would go is said first, then it is asked, then it is deleted, and
//! it is said until when it can be taken back.

use caro_schema::ipc::{
    Reply, Request,
    deleting::{Discard, Discarded, Weight},
    history::{Mode, Selection},
    terms::terms,
};
use clap::Args;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::{
    client::Client,
    commands::unexpected,
    error::{Failure, Outcome},
    exit,
    output::{Out, counted, say, time},
    session,
    terminal::ask,
};

/// How sure the person is, and how far it goes.
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
    /// At once, with no way back: otherwise caro history undelete takes it back for a moment (history.undo_seconds)
    #[arg(long)]
    now: bool,
    /// On every device of the account, and from the relays; this is what happens without an option
    #[arg(long, conflicts_with = "here")]
    everywhere: bool,
    /// Only on this device: other devices keep them, and they do not come back here
    #[arg(long)]
    here: bool,
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
    /// Says what would go, asks, and deletes all of the selection.
    pub(super) fn delete(&self, client: &mut Client, selection: &Selection, groups: &[Group]) -> Outcome {
        let weight = weigh(client, selection)?;
        let total = weight.count;
        if self.dry_run || total == 0 {
            if !self.json && total > 0 {
                say(&about(&weight));
            }
            self.say(&Discarded { count: total, ..Discarded::default() }, groups, "would be deleted")?;
            // A script learns that there was nothing to do, however it asked.
            return if total == 0 { Err(Failure::silent(exit::FAILURE)) } else { Ok(()) };
        }
        if !self.yes {
            for Group { what, count, .. } in groups.iter().filter(|group| group.count > 0) {
                say(&format!("{} {what}", counted(*count, "command")));
            }
            say(&about(&weight));
            if !ask::yes(&self.question(&weight), "--yes deletes without asking")? {
                return Err(Failure::cancelled());
            }
        }
        let by = session::own().unwrap_or_default();
        // Who was not asked has agreed to whatever it is.
        let confirmed = (!self.yes).then_some(total);
        let discard = Discard { selection: selection.clone(), by, now: self.now, here: self.here, confirmed };
        let Reply::Discarded(discarded) = client.ask(Request::Discard(Box::new(discard)))? else {
            return Err(unexpected());
        };
        if !self.json {
            self.say_what_follows(&discarded, &weight);
        }
        self.say(&discarded, groups, "deleted")
    }

    fn question(&self, weight: &Weight) -> String {
        let place = match (self.here, weight.joined) {
            (true, true) => "on this device only",
            (_, false) => "from this machine",
            (false, true) => "on every device",
        };
        let back = self.now || weight.undo_ms == 0;
        let back = if back { "for ever".to_owned() } else { format!("with {} to take it back", span(weight.undo_ms)) };
        format!("Delete {} {place}, {back}?", counted(weight.count, "command"))
    }

    fn say_what_follows(&self, discarded: &Discarded, weight: &Weight) {
        let until = time::local_ms(discarded.until_ms, &TimeZone::system());
        let ends = match (self.here, weight.joined) {
            (true, true) => "then they are gone here; other devices keep them",
            (_, false) => "then they are gone for ever",
            (false, true) => "then they are gone from every device and relay, for ever",
        };
        if discarded.number.is_some() {
            say(&format!("caro history undelete takes it back until {until}; {ends}"));
        }
        if self.here && weight.elsewhere > 0 {
            say("this device goes on passing them on to the others, sealed; without --here they are deleted there too");
        }
    }

    fn say(&self, discarded: &Discarded, groups: &[Group], what: &str) -> Outcome {
        let mut out = Out::new();
        let count = discarded.count;
        if self.json {
            let mut all = Map::new();
            all.insert("count".to_owned(), count.into());
            all.insert("dry_run".to_owned(), self.dry_run.into());
            if !groups.is_empty() {
                let groups: Map<String, Value> =
                    groups.iter().map(|group| (group.key.to_owned(), group.count.into())).collect();
                all.insert("of_these".to_owned(), groups.into());
            }
            if let Some(number) = discarded.number {
                let undo = json!({ "number": number, "until": time::rfc3339(discarded.until_ms as i64 * 1000) });
                all.insert("undo".to_owned(), undo);
            }
            out.json(&Value::Object(all))?;
            return out.finish();
        }
        if self.dry_run {
            for Group { what, count, .. } in groups.iter().filter(|group| group.count > 0) {
                out.line(&format!("{} {what}", counted(*count, "command")))?;
            }
        }
        out.line(&format!("{} {what}", counted(count, "command")))?;
        out.finish()
    }
}

/// Over which time they ran, and where else they are.
fn about(weight: &Weight) -> String {
    let zone = TimeZone::system();
    let (first, last) = (time::local(weight.first_us, &zone), time::local(weight.last_us, &zone));
    let when = if first == last { format!("from {first}") } else { format!("from {first} to {last}") };
    let where_else = match (weight.joined, weight.elsewhere) {
        (false, _) => String::new(),
        (true, 0) => "; none of them was sent to other devices".to_owned(),
        (true, sent) => {
            let others = match weight.others {
                0 => "at the relay".to_owned(),
                others => format!("with {}", counted(others, "other device")),
            };
            format!("; {sent} of them are {others}, or on their way there")
        }
    };
    format!("{when}{where_else}")
}

/// How long somebody has, in words.
fn span(ms: u64) -> String {
    let seconds = ms.div_ceil(1000);
    if seconds.is_multiple_of(60) { counted(seconds / 60, "minute") } else { counted(seconds, "second") }
}

fn weigh(client: &mut Client, selection: &Selection) -> Outcome<Weight> {
    match client.ask(Request::Weigh { selection: selection.clone() })? {
        Reply::Weight(weight) => Ok(weight),
        _ => Err(unexpected()),
    }
}

/// Whether a text asks for nothing, so that everything matches it: a script may hand over an empty variable, and a sign
/// without a word is a fuzzy query that is not finished.
pub(super) fn asks_for_nothing(text: &str, mode: Mode) -> bool {
    text.trim().is_empty() || (mode == Mode::Fuzzy && terms(text).is_empty())
}

/// How many a selection holds.
pub(super) fn count(client: &mut Client, selection: &Selection) -> Outcome<u64> {
    match client.ask(Request::Delete { selection: selection.clone(), dry_run: true })? {
        Reply::Count(count) => Ok(count),
        _ => Err(unexpected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sure(now: bool, here: bool) -> Sure {
        Sure { dry_run: false, yes: false, json: false, now, everywhere: false, here }
    }

    #[test]
    fn signs_alone_ask_for_nothing_where_they_are_signs() {
        for text in ["", " \t", "!", "'", "^", "!^", "!'", "! ^", "'  ! !^"] {
            assert!(asks_for_nothing(text, Mode::Fuzzy), "{text}");
        }
        for (text, mode) in [("$", Mode::Fuzzy), ("!a", Mode::Fuzzy), ("!", Mode::Substring), ("^", Mode::Prefix)] {
            assert!(!asks_for_nothing(text, mode), "{text}");
        }
        assert!(asks_for_nothing(" ", Mode::Prefix) && asks_for_nothing("", Mode::Regex));
    }

    #[test]
    fn the_question_says_where_and_whether_there_is_a_way_back() {
        let alone = Weight { count: 2, undo_ms: 60_000, ..Weight::default() };
        let joined = Weight { joined: true, elsewhere: 1, others: 1, ..alone.clone() };
        let check = |sure: Sure, weight: &Weight, expected: &str| assert_eq!(sure.question(weight), expected);
        check(sure(false, false), &alone, "Delete 2 commands from this machine, with 1 minute to take it back?");
        check(sure(true, false), &joined, "Delete 2 commands on every device, for ever?");
        check(sure(false, true), &joined, "Delete 2 commands on this device only, with 1 minute to take it back?");
        let never = Weight { undo_ms: 0, ..joined };
        check(sure(false, false), &never, "Delete 2 commands on every device, for ever?");
        assert!(about(&never).ends_with("; 1 of them are with 1 other device, or on their way there"));
    }
}
