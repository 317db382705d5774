//! `caro config`: the settings, seen and changed. What there is to be set is `caro_schema::settings`; the file is
//! changed where it has to be and nowhere else, so that a person's comments and order stay.
//!
//! A value is checked before it is written. A running daemon is told at once; one that does not run reads the file when
//! it starts.

mod account;
mod check;
mod edit;
mod file;
pub(crate) mod keep;
mod page;
mod shown;
mod value;

use std::path::Path;

use caro_schema::{
    ipc::{Reply, Request, status::Reloaded},
    paths::Places,
    settings::{self, Kind, Setting},
};
use clap::{Args, Subcommand};

pub(crate) use self::check::problems;
use self::file::File;
use super::unexpected;
use crate::{
    client::{Client, places},
    config::meaningless,
    error::{Failure, Outcome},
    exit,
    output::{Out, say, visible},
};

/// See and change the settings
///
/// In an account, those that are for a person are the same on every machine; those that are for a machine are in its TOML
/// file, ~/.config/caro/config.toml, which need not be there. What that file says holds on its machine in any case. A change is
/// in force at once, or, where it says so, from the next start of the daemon on.
///
/// Example: caro config set record.secrets mask
#[derive(Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    List(shown::List),
    Get(shown::Get),
    Set(Set),
    Unset(Unset),
    Share(account::Share),
    /// Open the file in your editor, and check it afterwards
    Edit,
    /// Print where the file is
    Path,
    /// Print a file with every setting in it, documented and commented out
    Default,
}

/// Change a setting, on every machine or on this one
///
/// In an account, a setting that is for a person changes on all of its machines; every other one in this machine's file, where
/// comments and everything else stay as they are. caro config list says which is which. Lists take several values; one that begins with a - comes
/// after --. A limit on what history keeps says first how many commands it deletes, and asks.
///
/// Example: caro config set --add record.ignore_commands '^pass '
#[derive(Args)]
struct Set {
    /// Its name, such as record.secrets
    #[arg(value_name = "NAME")]
    name: String,
    /// The value; for a list each of them, or none for an empty list
    #[arg(value_name = "VALUE")]
    values: Vec<String>,
    /// Add to a list instead of replacing it
    #[arg(long, conflicts_with = "remove")]
    add: bool,
    /// Take out of a list
    #[arg(long)]
    remove: bool,
    /// On this machine alone, whatever the others go by: it is put into this machine's file
    #[arg(long)]
    here: bool,
    /// Do not ask, also where it deletes
    #[arg(long, short = 'y')]
    yes: bool,
}

/// Whether the person wants to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sure {
    Yes,
    Asks,
}

/// Take a setting back, so that its default holds
///
/// Out of this machine's file and, in an account, for every machine.
#[derive(Args)]
struct Unset {
    /// Its name, such as record.secrets
    #[arg(value_name = "NAME")]
    name: String,
    /// Only out of this machine's file, so that it goes by what the other machines go by
    #[arg(long)]
    here: bool,
}

impl Config {
    pub(crate) fn run(self) -> Outcome {
        match self.command {
            Verb::List(list) => list.run(),
            Verb::Get(get) => get.run(),
            Verb::Set(set) => set.run(),
            Verb::Unset(unset) => unset.run(),
            Verb::Share(share) => share.run(),
            Verb::Edit => edit::edit(),
            Verb::Path => print(&places()?.config.display().to_string()),
            Verb::Default => print(page::page().trim_end()),
        }
    }
}

fn print(text: &str) -> Outcome {
    let mut out = Out::new();
    out.line(text)?;
    out.finish()
}

/// Sets something for this machine and does what goes with it; when that fails, the setting is as it was.
pub(crate) fn try_setting<T>(name: &str, value: &str, then: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let setting = known(name)?;
    let path = places()?.config;
    let (before, mut file) = (File::read(&path)?, File::read(&path)?);
    file.set(name, value::read(setting, name, &[value.to_owned()])?)?;
    file.write(&path)?;
    then().inspect_err(|_| drop(before.write(&path)))
}

impl Set {
    fn run(self) -> Outcome {
        let setting = known(&self.name)?;
        let places = places()?;
        let path = &places.config;
        let (before, mut file) = (File::read(path)?, File::read(path)?);
        let is_list = matches!(setting.kind, Kind::Words(_) | Kind::Texts | Kind::Patterns | Kind::Directories);
        if (self.add || self.remove) && !is_list {
            return Err(Failure::new(exit::USAGE, format!("{} is no list", self.name)));
        }
        let of_account = account::settings(&places);
        let values = self.values(setting, &file.over(&of_account)?)?;
        let value = value::read(setting, &self.name, &values)?;
        let sure = if self.yes { Sure::Yes } else { Sure::Asks };
        if !self.here
            && account::can_be_shared(setting)
            && let Some(account) = account::Account::find(&places)?
        {
            return account::set(account, &self.name, &value, &places, sure);
        }
        file.set(&self.name, value)?;
        means_something(&before, &file, path)?;
        keep::agree(&before.over(&of_account)?, &file.over(&of_account)?, sure)?;
        file.write(path)?;
        in_force(setting)
    }

    /// What the setting is to be, as typed or with what is to be added or taken away.
    fn values(&self, setting: &Setting, file: &File) -> Outcome<Vec<String>> {
        if !self.add && !self.remove {
            return Ok(self.values.clone());
        }
        let mut now = value::plain(&file.value(&self.name).unwrap_or_else(|| setting.default.to_owned()));
        if self.remove {
            let (there, missing): (Vec<&String>, Vec<&String>) =
                self.values.iter().partition(|value| now.contains(value));
            for value in missing {
                say(&format!("{:?} is not in {}", visible::line(value.as_bytes()), self.name));
            }
            if there.is_empty() {
                return Err(Failure::silent(exit::FAILURE));
            }
        }
        now.retain(|value| !self.values.contains(value));
        now.extend(if self.add { self.values.clone() } else { Vec::new() });
        Ok(now)
    }
}

/// Whether what was changed means something to who goes by it: a theme that there is, keys and actions that are some. What
/// was wrong before is not what is being changed.
fn means_something(before: &File, after: &File, path: &Path) -> Outcome {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let known = meaningless(&before.text(), folder);
    match meaningless(&after.text(), folder).into_iter().find(|problem| !known.contains(problem)) {
        None => Ok(()),
        Some(problem) => {
            let message = visible::line(problem.as_bytes());
            Err(Failure::new(exit::DATA, message).hint("nothing was written; every name is in docs/screen.md"))
        }
    }
}

impl Unset {
    fn run(self) -> Outcome {
        // Also one that is not known: that is the way to be rid of it.
        let places = places()?;
        let path = places.config.clone();
        let mut file = File::read(&path)?;
        let is_shared = !self.here && account::settings(&places).value(&self.name).is_some();
        if is_shared && let Some(mut account) = account::Account::find(&places)? {
            account.set(vec![(self.name.clone(), None)])?;
        }
        if !file.unset(&self.name) {
            return match settings::find(&self.name) {
                Some(_) if is_shared => Ok(()),
                Some(_) => print(&format!("{} was not set", self.name)),
                None => Err(unknown(&self.name)),
            };
        }
        file.write(&path)?;
        settings::find(&self.name).map_or(Ok(()), in_force)
    }
}

/// Tells a running daemon, and the person what has to be waited for.
fn in_force(setting: &Setting) -> Outcome {
    let Reloaded { waiting, problems, .. } = tell_daemon()?;
    for problem in problems.iter().filter(|problem| problem.what.starts_with(setting.name)) {
        say(&format!("{}; it may be {}", problem.what, problem.instead));
    }
    if waiting.iter().any(|name| name == setting.name) {
        say(&format!("{} is in force after: caro daemon restart", setting.name));
    }
    super::sync::selecting::offer_to_withdraw(setting.name)
}

/// Has a running daemon read the file. Gives what it could not use, and what waits for its next start.
fn tell_daemon() -> Outcome<Reloaded> {
    let Ok(Some(mut client)) = Client::open_running() else {
        // It reads the file when it starts; one that does not answer is the doctor's business.
        return Ok(Reloaded::default());
    };
    match client.ask(Request::Reload)? {
        Reply::Reloaded(reloaded) => Ok(reloaded),
        _ => Err(unexpected()),
    }
}

/// The text of this machine's file, as it may be kept elsewhere; none when it is not there or says nothing. The way through
/// a proxy may hold a password.
pub(crate) fn to_keep(places: &Places) -> Outcome<Option<String>> {
    let text = file::text(&places.config)?;
    let Ok(mut file) = File::parse(&text) else { return Ok((!text.is_empty()).then_some(text)) };
    if file.value("sync.proxy").is_some_and(|value| value.contains('@')) {
        file.unset("sync.proxy");
        say("left out: sync.proxy, because a password is in it");
        return Ok(Some(file.text()));
    }
    Ok((!text.is_empty()).then_some(text))
}

/// Puts a file in place where none is, and has a running daemon go by it.
pub(crate) fn put(path: &Path, text: &str) -> Outcome {
    file::write_new(path, text.as_bytes())?;
    tell_daemon().map(drop)
}

fn known(name: &str) -> Outcome<&'static Setting> {
    settings::find(name).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Failure {
    let failure = Failure::new(exit::USAGE, format!("no setting is called {}", visible::line(name.as_bytes())));
    if settings::is_section(name) {
        return failure.hint(format!("it is a table; its settings: caro config list {name}."));
    }
    match settings::nearest(name) {
        Some(setting) => failure.hint(format!("perhaps {}; all of them: caro config list --short", setting.name)),
        None => failure.hint("all of them: caro config list --short"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_says_the_nearest() {
        assert!(unknown("record.secret").hint.starts_with("perhaps record.secrets;"));
        assert!(unknown("record").hint.contains("caro config list record."));
        assert_eq!(unknown("qqqqqqq").hint, "all of them: caro config list --short");
    }
}
