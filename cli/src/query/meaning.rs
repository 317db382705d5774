//! What each filter means. A value that means nothing is a problem in words that say what would.

use std::path::{Path, PathBuf};

use caro_schema::ipc::history::{Except, ExitFilter, Filter, Place};
use jiff::{SignedDuration, Zoned};
use serde_bytes::ByteBuf;

use super::{folders, tokens::Name};
use crate::{
    output::{quoted as shown, time, visible},
    safety::Level,
};

/// What became of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It narrows.
    Narrows,
    /// Its value is still to be typed.
    Unfinished,
}

/// Filters, one after the other.
pub(super) struct Reading<'a> {
    place: &'a Place,
    now: &'a Zoned,
    /// What they say so far.
    pub(super) filter: Filter,
}

impl<'a> Reading<'a> {
    /// Nothing yet.
    pub(super) fn new(place: &'a Place, now: &'a Zoned) -> Self {
        Self { place, now, filter: Filter::default() }
    }

    /// Reads one more.
    pub(super) fn read(&mut self, name: Name, value: &str) -> Result<Found, String> {
        match name {
            Name::Ok => return self.ended(ExitFilter::Is(0)),
            Name::Failed => return self.ended(ExitFilter::Not(0)),
            Name::Running => return self.ended(ExitFilter::Running),
            _ => {}
        }
        let (not, value) = match value.strip_prefix('!') {
            Some(value) if can_be_negated(name) => (true, value),
            _ => (false, value),
        };
        if value.is_empty() {
            return Ok(Found::Unfinished);
        }
        match name {
            Name::Exit => {
                let status =
                    value.parse().map_err(|_| format!("exit: takes a status, as exit:1, not {}", shown(value)))?;
                self.ended(if not { ExitFilter::Not(status) } else { ExitFilter::Is(status) })
            }
            Name::After => self.time(name, value),
            Name::Before => self.time(name, value),
            Name::Took => self.took(value),
            Name::Author => self.author(not, value),
            Name::Tag => once(&mut self.filter.made.tag, value.to_owned(), "tag"),
            Name::Safety => self.safety(value),
            Name::Asked => once(&mut self.filter.made.words, value.to_owned(), "asked"),
            Name::Repo => self.repository(value),
            _ => self.is(name, not, value),
        }
    }

    /// Where and as whom.
    fn is(&mut self, name: Name, not: bool, value: &str) -> Result<Found, String> {
        let what = self.what(name, value)?;
        if not {
            self.filter.except.push(what);
            return Ok(Found::Narrows);
        }
        let Filter { host, user, session, shell, directory, subtree, .. } = &mut self.filter;
        match what {
            Except::Host(name) => once(host, name, "host"),
            Except::User(name) => once(user, name, "user"),
            Except::Session(id) => once(session, id, "session"),
            Except::Shell(kind) => once(shell, kind, "shell"),
            Except::Directory(folder) => once(directory, folder, "dir"),
            Except::Subtree(folder) => once(subtree, folder, "under"),
        }
    }

    fn what(&self, name: Name, value: &str) -> Result<Except, String> {
        let here = |known: &str, what: &str| match known {
            "" if value == "." => Err(format!("{what}:. means nothing here: it is not known where you are")),
            known if value == "." => Ok(known.to_owned()),
            _ => Ok(value.to_owned()),
        };
        Ok(match name {
            Name::Host => Except::Host(here(&self.place.host, "host")?),
            Name::Session => Except::Session(here(&self.place.session, "session")?),
            Name::User => Except::User(value.to_owned()),
            Name::Under => Except::Subtree(bytes(&self.folder(value))),
            Name::Dir => Except::Directory(bytes(&self.folder(value))),
            _ => Except::Shell(value.to_owned()),
        })
    }

    fn ended(&mut self, how: ExitFilter) -> Result<Found, String> {
        let is_known = self.filter.exit.replace(how).is_some_and(|known| known != how);
        if is_known { Err("it can end in one way only; the last one counts".to_owned()) } else { Ok(Found::Narrows) }
    }

    fn time(&mut self, name: Name, value: &str) -> Result<Found, String> {
        let moment = time::parse(value, self.now).ok_or_else(|| {
            format!("{} is not a time; as 2026-03-01, 14:30, yesterday, 2h, \"3 days ago\"", shown(value))
        })?;
        let (slot, typed) = match name {
            Name::After => (&mut self.filter.since_us, "after"),
            _ => (&mut self.filter.until_us, "before"),
        };
        once(slot, moment, typed)
    }

    /// `took:10s` and `took:>10s` for what took so long, `took:<1s` for what did not.
    fn took(&mut self, value: &str) -> Result<Found, String> {
        let (below, text) = match (value.strip_prefix('<'), value.strip_prefix('>')) {
            (Some(text), _) => (true, text),
            (None, Some(text)) => (false, text),
            (None, None) => (false, value),
        };
        if text.is_empty() {
            return Ok(Found::Unfinished);
        }
        let duration = text.parse::<SignedDuration>().ok().and_then(|long| u64::try_from(long.as_micros()).ok());
        let us =
            duration.ok_or_else(|| format!("took: takes a time, as took:>10s or took:<1m30s, not {}", shown(text)))?;
        let slot = if below { &mut self.filter.took_below_us } else { &mut self.filter.took_from_us };
        once(slot, us, "took")
    }

    /// `me`, `assistant`, or the name of one.
    fn author(&mut self, not: bool, value: &str) -> Result<Found, String> {
        let assistant = match value {
            "me" => false,
            "assistant" => true,
            _ if "me".starts_with(value) || "assistant".starts_with(value) => return Ok(Found::Unfinished),
            _ if not => return Err(format!("author:! takes me or assistant, not {}", shown(value))),
            named => return once(&mut self.filter.made.by, named.to_owned(), "author"),
        };
        once(&mut self.filter.assistant, assistant != not, "author")
    }

    fn safety(&mut self, value: &str) -> Result<Found, String> {
        let known = || Level::ALL.into_iter().map(Level::word);
        if known().any(|word| word == value) {
            return once(&mut self.filter.made.safety, value.to_owned(), "safety");
        }
        if known().any(|word| word.starts_with(value)) {
            return Ok(Found::Unfinished);
        }
        Err(format!("safety: takes safe, moderate, high or critical, not {}", shown(value)))
    }

    fn repository(&mut self, value: &str) -> Result<Found, String> {
        let folder = self.folder(value);
        let top = folders::repository(&folder)
            .ok_or_else(|| format!("{} is in no repository", visible::line(folder.as_os_str().as_encoded_bytes())))?;
        once(&mut self.filter.repository, bytes(&top), "repo")
    }

    fn folder(&self, value: &str) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        let here = Path::new(std::ffi::OsStr::from_bytes(&self.place.directory));
        folders::folder(Path::new(value), here)
    }
}

/// Sets something that can only be one thing.
fn once<T: PartialEq>(slot: &mut Option<T>, value: T, name: &str) -> Result<Found, String> {
    match slot {
        Some(known) if *known != value => {
            *slot = Some(value);
            Err(format!("{name}: is there twice; the last one counts"))
        }
        _ => {
            *slot = Some(value);
            Ok(Found::Narrows)
        }
    }
}

fn can_be_negated(name: Name) -> bool {
    use Name::{After, Asked, Before, Repo, Safety, Tag, Took};
    !matches!(name, After | Before | Took | Repo | Tag | Safety | Asked)
}

fn bytes(folder: &Path) -> ByteBuf {
    folder.as_os_str().as_encoded_bytes().to_vec().into()
}
