//! The options that narrow history, the same for listing, searching and deleting.

use std::path::{Path, PathBuf};

use caro_schema::ipc::history::{ExitFilter, Filter, Made, Place};
use clap::Args;
use jiff::{SignedDuration, Zoned};

use crate::{
    error::{Failure, Outcome},
    exit,
    output::{quoted, time, visible},
    query::folders,
    safety::Level,
    session,
};

/// Which commands.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Which commands")]
pub(crate) struct Filters {
    /// Only those that ran on this host
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Only those that ran as this user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only those of this run of a shell; without a value, of the shell you are in
    #[arg(long, value_name = "ID", num_args = 0..=1, require_equals = true)]
    session: Option<Option<String>>,
    /// Only those of this kind of shell, such as bash
    #[arg(long, value_name = "NAME")]
    shell: Option<String>,
    /// Only those that started in exactly this directory
    #[arg(long, short = 'd', value_name = "DIR", conflicts_with = "under")]
    directory: Option<PathBuf>,
    /// Only those that started in this directory or below it
    #[arg(long, value_name = "DIR")]
    under: Option<PathBuf>,
    /// Only those that started in the repository of this folder; without a value, of the folder you are in
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    repo: Option<Option<PathBuf>>,
    /// Only those that ended with this status
    #[arg(long, value_name = "STATUS", group = "ended", allow_negative_numbers = true, value_parser = status)]
    exit: Option<i32>,
    /// Only those that ended with status 0
    #[arg(long, group = "ended")]
    succeeded: bool,
    /// Only those that ended with another status than 0
    #[arg(long, group = "ended")]
    failed: bool,
    /// Only those that have not ended
    #[arg(long, group = "ended")]
    running: bool,
    /// Only those that started then or later: 2026-03-01, "2026-03-01 14:30", today, 2h, "3 days ago"
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only those that started before then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only those that took so long or longer, such as 10s or 1m30s
    #[arg(long, value_name = "TIME", value_parser = length)]
    took: Option<SignedDuration>,
    /// Only those that an assistant made
    #[arg(long, conflicts_with = "typed")]
    assistant: bool,
    /// Only those that a person typed
    #[arg(long)]
    typed: bool,
    /// Only those of this assistant, such as claude-code, or of a model with this in its name
    #[arg(long, value_name = "NAME", conflicts_with = "typed")]
    author: Option<String>,
    /// Only those with this tag of an assistant
    #[arg(long, value_name = "TAG", conflicts_with = "typed")]
    tag: Option<String>,
    /// Only those of an assistant with this safety level
    #[arg(long, value_name = "LEVEL", conflicts_with = "typed")]
    safety: Option<Level>,
}

// clap says what was typed; these say what may be, in our words and not in a library's.
fn status(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| "a status is a whole number, such as 0 or 127".to_owned())
}

fn length(text: &str) -> Result<SignedDuration, String> {
    let length: SignedDuration = text.parse().map_err(|_| "a time such as 10s, 1m30s or 2h".to_owned())?;
    if length.is_negative() { Err("no less than nothing".to_owned()) } else { Ok(length) }
}

impl Filters {
    /// As the daemon takes them.
    pub(crate) fn resolve(&self) -> Outcome<Filter> {
        let session = match &self.session {
            None => None,
            Some(Some(named)) => Some(named.clone()),
            Some(None) => Some(session::required()?),
        };
        let moment = |text: &Option<String>| text.as_deref().map(|text| moment(text, &Zoned::now())).transpose();
        let assistant = (self.assistant || self.typed).then_some(self.assistant);
        Ok(Filter {
            host: self.host.clone(),
            user: self.user.clone(),
            session,
            shell: self.shell.clone(),
            directory: self.directory.as_deref().map(folder).transpose()?,
            subtree: self.under.as_deref().map(folder).transpose()?,
            exit: self.ended(),
            since_us: moment(&self.since)?,
            until_us: moment(&self.until)?,
            assistant,
            made: Made {
                by: self.author.clone(),
                tag: self.tag.clone(),
                safety: self.safety.map(|level| level.word().to_owned()),
                words: None,
            },
            took_from_us: self.took.map(|took| u64::try_from(took.as_micros()).unwrap_or(0)),
            repository: self
                .repo
                .as_ref()
                .map(|path| repository(path.as_deref().unwrap_or(Path::new("."))))
                .transpose()?,
            ..Filter::default()
        })
    }

    /// Whether nothing narrows.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { host, user, session, shell, directory, under, repo, .. } = self;
        let Self { since, until, took, assistant, typed, author, tag, safety, .. } = self;
        let named = [host, user, shell, since, until, author, tag].iter().any(|value| value.is_some());
        let placed = session.is_some() || directory.is_some() || under.is_some() || repo.is_some();
        !(named || placed || took.is_some() || safety.is_some() || self.ended().is_some() || *assistant || *typed)
    }

    fn ended(&self) -> Option<ExitFilter> {
        match (self.exit, self.succeeded, self.failed, self.running) {
            (Some(status), ..) => Some(ExitFilter::Is(status)),
            (_, true, ..) => Some(ExitFilter::Is(0)),
            (_, _, true, _) => Some(ExitFilter::Not(0)),
            (_, _, _, true) => Some(ExitFilter::Running),
            _ => None,
        }
    }
}

/// A folder as the hooks record it: absolute, with links as they are.
fn folder(path: &Path) -> Outcome<serde_bytes::ByteBuf> {
    let here = if path.is_absolute() { Some(PathBuf::from("/")) } else { folders::here() };
    let here = here.ok_or_else(|| Failure::new(exit::IO, "it is not known in which folder this runs"))?;
    Ok(folders::folder(path, &here).into_os_string().into_encoded_bytes().into())
}

/// The top of the repository that a folder is in.
fn repository(path: &Path) -> Outcome<serde_bytes::ByteBuf> {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder(path)?;
    let top = folders::repository(Path::new(std::ffi::OsStr::from_bytes(&folder)));
    let top = top.ok_or_else(|| {
        Failure::new(exit::USAGE, format!("{} is in no repository", visible::line(&folder)))
            .hint("name a folder of one: --repo DIR; or take --under DIR")
    })?;
    Ok(top.into_os_string().into_encoded_bytes().into())
}

fn moment(text: &str, now: &Zoned) -> Outcome<i64> {
    time::parse(text, now).ok_or_else(|| {
        Failure::new(exit::USAGE, format!("{} is not a time", quoted(text)))
            .hint("like 2026-03-01, \"2026-03-01 14:30\", 14:30, today, yesterday, 90m, \"3 days ago\"")
    })
}

/// Where the person is, for ranking.
pub(crate) fn place() -> Place {
    let directory = folders::here().unwrap_or_default();
    Place {
        directory: directory.into_os_string().into_encoded_bytes().into(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        session: session::own().unwrap_or_default(),
        now_us: time::now_us(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_option_narrows_nothing_and_each_one_something() {
        assert!(Filters::default().is_empty());
        for narrowed in [
            Filters { host: Some("h".into()), ..Filters::default() },
            Filters { failed: true, ..Filters::default() },
            Filters { typed: true, ..Filters::default() },
            Filters { author: Some("a".into()), ..Filters::default() },
            Filters { safety: Some(Level::High), ..Filters::default() },
            Filters { under: Some("/".into()), ..Filters::default() },
            Filters { until: Some("today".into()), ..Filters::default() },
            Filters { took: Some(SignedDuration::from_secs(1)), ..Filters::default() },
        ] {
            assert!(!narrowed.is_empty());
            assert_ne!(narrowed.resolve().expect("a filter"), Filter::default());
        }
    }

    #[test]
    fn a_time_that_is_none_says_how_times_are_written() {
        let failure = Filters { since: Some("soon".into()), ..Filters::default() }.resolve().expect_err("no time");
        assert_eq!(failure.code, exit::USAGE);
        assert!(failure.hint.contains("2026-03-01"));
    }
}
