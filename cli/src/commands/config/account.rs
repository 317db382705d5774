//! The settings that hold on all machines of the account: seen in the file that the daemon keeps of them, changed by asking
//! it. What the configuration file of this machine says holds here instead, key by key.
//!
//! A file that a person wrote is changed where the person asks for it and nowhere else: a line that would hide what was just
//! set for all machines becomes a comment, and stays where it is.

use caro_schema::{
    ipc::{
        Reply, Request,
        items::{ItemChange, ItemsChange, ItemsQuery},
    },
    items::SETTING,
    paths::Places,
    settings::{ALL, Belongs, Kind, Setting},
};
use clap::Args;
use toml_edit::Value;

use super::{File, Sure, check, file, keep, known, means_something, value};
use crate::{
    client::{Client, places},
    commands::unexpected,
    error::{Failure, Outcome},
    exit,
    output::{counted, say, visible},
};

/// Put settings of this machine's file in force on every machine
///
/// They are given to the account, and their lines here become comments. Settings that are for one machine alone, such as
/// key.store, stay as they are.
///
/// Example: caro config share screen.enter record.ignore_commands
#[derive(Args)]
pub(super) struct Share {
    /// Their names
    #[arg(value_name = "NAME", required_unless_present = "all")]
    names: Vec<String>,
    /// All that the file sets and that can be shared
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Do not ask, also where it deletes
    #[arg(long, short = 'y')]
    yes: bool,
}

/// A daemon whose device is in an account.
pub(super) struct Account(Client);

impl Account {
    /// The account, if this device is in one. Where there was never a daemon there is none, and none is started.
    pub(super) fn find(places: &Places) -> Outcome<Option<Self>> {
        if !places.database().exists() {
            return Ok(None);
        }
        let mut client = Client::open().map_err(|failure| {
            failure.hint("whether other machines share this setting is not known; --here changes it on this one alone")
        })?;
        let query = ItemsQuery { category: Some(SETTING.to_owned()), ..ItemsQuery::default() };
        match client.ask(Request::Items(query))? {
            Reply::Items(items) => Ok(items.joined.then_some(Self(client))),
            _ => Err(unexpected()),
        }
    }

    /// Gives settings a value on every machine, or takes it away.
    pub(super) fn set(&mut self, changes: Vec<(String, Option<String>)>) -> Outcome {
        let change = |(key, value): (String, Option<String>)| ItemChange {
            category: SETTING.to_owned(),
            key,
            value: value.map(|value| value.into_bytes().into()),
        };
        let changes = changes.into_iter().map(change).collect();
        match self.0.ask(Request::ItemsChange(ItemsChange { changes, ..ItemsChange::default() }))? {
            Reply::ItemsChanged(_) => Ok(()),
            _ => Err(unexpected()),
        }
    }
}

/// The account's settings as the daemon wrote them last. Nobody else writes that file, so one that cannot be read is as good
/// as none until it is written again.
pub(super) fn settings(places: &Places) -> File {
    let read = file::text(&places.shared_settings()).ok().and_then(|text| File::parse(&text).ok());
    read.unwrap_or_default()
}

/// Whether a setting may hold on all machines.
pub(super) fn can_be_shared(setting: &Setting) -> bool {
    setting.belongs == Belongs::Person
}

/// Sets a value on every machine, this one included: a line of the file that says something else becomes a comment.
pub(super) fn set(mut account: Account, name: &str, value: &Value, places: &Places, sure: Sure) -> Outcome {
    let own = File::read(&places.config)?;
    let mut after_own = File::read(&places.config)?;
    let hides = after_own.comment_out(name);
    let before = own.over(&settings(places))?;
    let mut of_account = settings(places);
    of_account.set(name, value.clone())?;
    let after = after_own.over(&of_account)?;
    means_something(&before, &after, &places.config)?;
    keep::agree(&before, &after, sure)?;
    account.set(vec![(name.to_owned(), Some(value.to_string().trim().to_owned()))])?;
    if hides {
        after_own.write(&places.config)?;
        say(&format!("{name} was set in this machine's file; that line is a comment now"));
    }
    Ok(())
}

impl Share {
    pub(super) fn run(self) -> Outcome {
        let places = places()?;
        let own = File::read(&places.config)?;
        let chosen = self.chosen(&own)?;
        let Some(mut account) = Account::find(&places)? else {
            return Err(Failure::new(exit::STATE, "this device is in no account, so there is nobody to share with")
                .hint("make one with: caro sync init, or join one with: caro sync restore"));
        };
        if chosen.is_empty() {
            say("the file sets nothing that can be shared");
            return Ok(());
        }
        let mut of_account = settings(&places);
        let mut after_own = File::read(&places.config)?;
        for (name, text) in &chosen {
            let value = text.parse::<Value>().map_err(|_| unusable(name))?;
            of_account.set(name, value)?;
            after_own.comment_out(name);
        }
        let before = own.over(&settings(&places))?;
        keep::agree(&before, &after_own.over(&of_account)?, if self.yes { Sure::Yes } else { Sure::Asks })?;
        let count = chosen.len() as u64;
        account.set(chosen.into_iter().map(|(name, text)| (name, Some(text))).collect())?;
        after_own.write(&places.config)?;
        say(&format!(
            "{} for all your machines; what they were in the file is a comment now",
            counted(count, "setting")
        ));
        Ok(())
    }

    /// Names and values, as they stand in the file.
    fn chosen(&self, own: &File) -> Outcome<Vec<(String, String)>> {
        if !self.all {
            return self.names.iter().map(|name| one(own, name)).collect();
        }
        let shared = ALL.iter().filter(|setting| can_be_shared(setting));
        let names = shared.flat_map(|setting| match setting.kind {
            Kind::Table => own.keys_of(setting.name),
            _ => vec![setting.name.to_owned()],
        });
        // What cannot be used stays where caro doctor tells of it.
        Ok(names.filter(|name| own.value(name).is_some()).filter_map(|name| one(own, &name).ok()).collect())
    }
}

/// One setting of the file, if it can be shared.
fn one(own: &File, name: &str) -> Outcome<(String, String)> {
    let setting = known(name)?;
    let shown = visible::line(name.as_bytes());
    if !can_be_shared(setting) {
        return Err(Failure::new(exit::USAGE, format!("{shown} is for one machine alone")));
    }
    let text = own.value(name).ok_or_else(|| {
        Failure::new(exit::DATA, format!("the file does not set {shown}"))
            .hint(format!("set it on every machine: caro config set {shown} VALUE"))
    })?;
    let value = text.parse::<Value>().map_err(|_| unusable(name))?;
    let is_usable = match setting.kind {
        Kind::Table => setting.name != name && value.is_str(),
        Kind::Patterns => {
            value.as_array().is_some_and(|list| list.iter().all(|item| item.as_str().is_some_and(check::is_pattern)))
        }
        kind => kind.accepts(&value::seen(&value)),
    };
    if is_usable { Ok((name.to_owned(), text.trim().to_owned())) } else { Err(unusable(name)) }
}

fn unusable(name: &str) -> Failure {
    let message = format!("what the file says of {} cannot be used", visible::line(name.as_bytes()));
    Failure::new(exit::DATA, message).hint("see why: caro doctor")
}
