//! A limit on what history keeps deletes on every device, for ever. So what would go is counted before the limit is
//! written, and asked about; without an answer it is not written.
//!
//! Which commands a limit lets go is for the daemon to say; here it is only asked.

use caro_schema::{
    ipc::{Reply, Request, history::Selection},
    settings::{self, Value as Seen},
};
use toml_edit::Value;

use super::{File, Sure};
use crate::{
    client::Client,
    commands::{history::settle, unexpected},
    error::{Failure, Outcome},
    output::{counted, say},
    terminal::ask,
};

/// The settings that delete.
pub(crate) const NAMES: [&str; 2] = ["history.keep_days", "history.keep_count"];

/// What a file says of how much is kept; none for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Keep {
    days: Option<i64>,
    count: Option<i64>,
}

impl Keep {
    fn of(file: &File) -> Self {
        let [days, count] = NAMES.map(|name| {
            let number = file.value(name)?.parse::<Value>().ok()?.as_integer()?;
            settings::find(name)?.kind.accepts(&Seen::Number(number)).then_some(number)
        });
        Self { days, count }
    }

    /// Whether everything stays that stayed before.
    fn keeps_all_that(self, before: Self) -> bool {
        let no_less = |now: Option<i64>, before: Option<i64>| match (now, before) {
            (None, _) => true,
            (Some(now), before) => before.is_some_and(|before| now >= before),
        };
        no_less(self.days, before.days) && no_less(self.count, before.count)
    }

    fn selection(self) -> Selection {
        Selection::LetGo {
            keep_days: self.days.and_then(|days| days.try_into().ok()),
            keep_count: self.count.and_then(|count| count.try_into().ok()),
        }
    }
}

/// Asks, where the limits of a file delete what those of another one keep.
///
/// # Errors
/// The person does not want it, or there is nobody to ask: then it may not be written.
pub(super) fn agree(before: &File, after: &File, sure: Sure) -> Outcome {
    let keep = Keep::of(after);
    if keep.keeps_all_that(Keep::of(before)) {
        return Ok(());
    }
    let what = match Losses::count(keep) {
        Ok(Losses { going: 0, .. }) => return Ok(()),
        Ok(losses) => losses.words(),
        // Who is sure may also say so while there is no daemon to count.
        Err(_) if sure == Sure::Yes => return Ok(()),
        Err(failure) => {
            let Failure { message, code, .. } = failure;
            return Err(Failure::new(code, format!("what this would delete cannot be counted: {message}"))
                .hint("nothing was written; --yes writes it all the same"));
        }
    };
    if sure == Sure::Yes {
        say(&format!("deleting {what}"));
        return Ok(());
    }
    let question = format!("Delete {what}?");
    match ask::yes(&question, "nothing was written; --yes writes it without asking") {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::cancelled()),
        Err(failure) if failure.message.is_empty() => Err(failure),
        Err(failure) => Err(Failure { message: format!("this would delete {what}: {}", failure.message), ..failure }),
    }
}

/// Leaves the limits as they were in another file.
pub(super) fn put_back(before: Option<&File>, after: &mut File) -> Outcome {
    for name in NAMES {
        match before.and_then(|before| before.value(name)?.parse::<Value>().ok()) {
            Some(value) => after.set(name, value)?,
            None => drop(after.unset(name)),
        }
    }
    Ok(())
}

/// The text of a file without its limits, and which it had. One that cannot be read is as it was: it sets nothing.
pub(crate) fn without_limits(text: &str) -> (String, Vec<&'static str>) {
    let Ok(mut file) = File::parse(text) else { return (text.to_owned(), Vec::new()) };
    let had: Vec<&str> = NAMES.into_iter().filter(|name| file.unset(name)).collect();
    (if had.is_empty() { text.to_owned() } else { file.text() }, had)
}

/// What limits would delete.
struct Losses {
    going: u64,
    total: u64,
    /// Whether other devices lose it too.
    everywhere: bool,
}

impl Losses {
    fn count(keep: Keep) -> Outcome<Self> {
        let mut client = Client::open()?;
        settle(&mut client)?;
        let Reply::Count(going) = client.ask(Request::Delete { selection: keep.selection(), dry_run: true })? else {
            return Err(unexpected());
        };
        let Reply::Daemon(daemon) = client.ask(Request::DaemonStatus)? else { return Err(unexpected()) };
        let Reply::Sync(sync) = client.ask(Request::SyncStatus)? else { return Err(unexpected()) };
        Ok(Self { going, total: daemon.records, everywhere: sync.joined })
    }

    fn words(&self) -> String {
        let place = if self.everywhere { "here and on every device of the account, " } else { "" };
        format!("{} of {}, {place}for ever", self.going, counted(self.total, "command"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File::parse(text).expect("TOML")
    }

    #[test]
    fn only_a_limit_that_is_tighter_than_before_is_asked_about() {
        let keep = |text: &str| Keep::of(&file(text));
        let (all, days, count) = (keep(""), keep("history.keep_days = 30"), keep("history.keep_count = 500"));
        assert_eq!(count, Keep { days: None, count: Some(500) });
        assert!(all.keeps_all_that(days) && days.keeps_all_that(days) && !days.keeps_all_that(all));
        assert!(!days.keeps_all_that(count) && !count.keeps_all_that(days));
        assert!(keep("history.keep_count = 501").keeps_all_that(count));
        assert!(!keep("history.keep_count = 499").keeps_all_that(count));
        assert_eq!(keep("history.keep_count = 5"), all, "what cannot be used deletes nothing");
    }

    #[test]
    fn what_goes_is_said_with_how_many_there_are_and_where() {
        let losses = |everywhere| Losses { going: 50, total: 150, everywhere }.words();
        assert_eq!(losses(false), "50 of 150 commands, for ever");
        assert_eq!(losses(true), "50 of 150 commands, here and on every device of the account, for ever");
    }

    #[test]
    fn limits_that_were_not_agreed_to_are_as_before_and_the_rest_is_as_it_was_written() {
        let before = file("[history]\nkeep_days = 300\n");
        let mut after = file("# mine\n[history]\nkeep_days = 3\nkeep_count = 100\n[screen]\nenter = \"run\"\n");
        put_back(Some(&before), &mut after).expect("put back");
        assert_eq!(after.text(), "# mine\n[history]\nkeep_days = 300\n[screen]\nenter = \"run\"\n");
        put_back(None, &mut after).expect("put back");
        assert_eq!(after.text(), "# mine\n[history]\n[screen]\nenter = \"run\"\n");
    }
}
