//! The options that narrow history, the same for listing, searching and deleting.

use std::path::{Path, PathBuf, absolute};

use caro_schema::ipc::history::{ExitFilter, Filter, Place};
use clap::Args;
use jiff::Zoned;

use crate::{
    error::{Failure, Outcome},
    exit,
    output::time,
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
    /// Only those that ended with this status
    #[arg(long, value_name = "STATUS", group = "ended", allow_negative_numbers = true)]
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
    /// Only those that an assistant made
    #[arg(long, conflicts_with = "typed")]
    assistant: bool,
    /// Only those that a person typed
    #[arg(long)]
    typed: bool,
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
            ids: None,
        })
    }

    /// Whether nothing narrows.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { host, user, session, shell, directory, under, since, until, assistant, typed, .. } = self;
        let named = [host, user, shell, since, until].iter().any(|value| value.is_some());
        let placed = session.is_some() || directory.is_some() || under.is_some();
        !(named || placed || self.ended().is_some() || *assistant || *typed)
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
    use std::os::unix::ffi::OsStrExt;
    let shell = std::env::var_os("PWD").map(PathBuf::from).filter(|folder| is_here(folder));
    let full = match shell {
        Some(shell) => absolute(shell.join(path)),
        None => absolute(path),
    };
    let full = full.map_err(|error| Failure::at(path, &error))?;
    Ok(without_dots(&full).as_os_str().as_bytes().to_vec().into())
}

/// Whether the shell's own idea of where it is holds: it knows the links by which the person came.
fn is_here(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    folder.is_absolute() && identity(folder).is_some() && identity(folder) == identity(Path::new("."))
}

/// Takes `.` and `..` away as a shell's `cd` does: by name.
fn without_dots(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut plain = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::Normal(name) => plain.push(name),
            _ => {}
        }
    }
    plain
}

fn moment(text: &str, now: &Zoned) -> Outcome<i64> {
    time::parse(text, now).ok_or_else(|| {
        Failure::new(exit::USAGE, format!("{text:?} is not a time"))
            .hint("like 2026-03-01, \"2026-03-01 14:30\", 14:30, today, yesterday, 90m, \"3 days ago\"")
    })
}

/// Where the person is, for ranking.
pub(crate) fn place() -> Place {
    use std::os::unix::ffi::OsStrExt;
    let shell = std::env::var_os("PWD").map(PathBuf::from).filter(|folder| is_here(folder));
    let directory = shell.or_else(|| std::env::current_dir().ok()).unwrap_or_default();
    Place {
        directory: directory.as_os_str().as_bytes().to_vec().into(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        session: session::own().unwrap_or_default(),
        now_us: time::now_us(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_go_by_name() {
        for (path, plain) in [("/a/b/../c/./d", "/a/c/d"), ("/..", "/"), ("/a/", "/a")] {
            assert_eq!(without_dots(Path::new(path)), Path::new(plain), "{path}");
        }
    }

    #[test]
    fn no_option_narrows_nothing_and_each_one_something() {
        assert!(Filters::default().is_empty());
        for narrowed in [
            Filters { host: Some("h".into()), ..Filters::default() },
            Filters { failed: true, ..Filters::default() },
            Filters { typed: true, ..Filters::default() },
            Filters { under: Some("/".into()), ..Filters::default() },
            Filters { until: Some("today".into()), ..Filters::default() },
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
