//! `caro config`: the settings, seen and changed. What there is to be set is `caro_schema::settings`; the file is
//! changed where it has to be and nowhere else, so that a person's comments and order stay.
//!
//! A value is checked before it is written. A running daemon is told at once; one that does not run reads the file when
//! it starts.

mod check;
mod file;
mod page;
mod value;

use std::process::Command as Process;

use caro_schema::{
    ipc::{Reply, Request, status::Reloaded},
    settings::{self, ALL, Kind, Reader, Setting},
};
use clap::{Args, Subcommand};

pub(crate) use self::check::{Problem, problems};
use self::file::File;
use super::unexpected;
use crate::{
    client::{Client, places},
    error::{Failure, Outcome, system},
    exit,
    output::{Out, say, visible},
};

/// See and change the settings
///
/// They are in one TOML file, ~/.config/caro/config.toml, which need not be there. A change is in force at once, or, where
/// it says so, from the next start of the daemon on.
///
/// Example: caro config set record.secrets mask
#[derive(Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Print every setting, what it does and what it is
    List(List),
    /// Print the value of a setting
    Get(Get),
    /// Change a setting in the file
    Set(Set),
    /// Take a setting out of the file, so that its default holds
    Unset(Unset),
    /// Open the file in your editor, and check it afterwards
    Edit,
    /// Print where the file is
    Path,
    /// Print a file with every setting in it, documented and commented out
    Default,
}

/// Print every setting, what it does and what it is
#[derive(Args)]
struct List {
    /// Only those that the file sets
    #[arg(long)]
    set: bool,
    /// Only names and values
    #[arg(long, short)]
    short: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Only settings whose name begins so
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// Print the value of a setting
#[derive(Args)]
struct Get {
    /// Its name, such as record.secrets
    #[arg(value_name = "NAME")]
    name: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Change a setting in the file
///
/// Comments and everything else in the file stay as they are. Lists take several values.
///
/// Example: caro config set --add record.ignore_commands '^pass '
#[derive(Args)]
struct Set {
    /// Its name, such as record.secrets
    #[arg(value_name = "NAME")]
    name: String,
    /// The value; for a list each of them, or none for an empty list
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    values: Vec<String>,
    /// Add to a list instead of replacing it
    #[arg(long, conflicts_with = "remove")]
    add: bool,
    /// Take out of a list
    #[arg(long)]
    remove: bool,
}

/// Take a setting out of the file, so that its default holds
#[derive(Args)]
struct Unset {
    /// Its name, such as record.secrets
    #[arg(value_name = "NAME")]
    name: String,
}

impl Config {
    pub(crate) fn run(self) -> Outcome {
        match self.command {
            Verb::List(list) => list.run(),
            Verb::Get(get) => get.run(),
            Verb::Set(set) => set.run(),
            Verb::Unset(unset) => unset.run(),
            Verb::Edit => edit(),
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

impl List {
    fn run(self) -> Outcome {
        let file = File::read(&places()?.config)?;
        let prefix = self.name.as_deref().unwrap_or_default();
        let mut out = Out::new();
        let mut shown = 0;
        for setting in ALL.iter().filter(|setting| setting.name.starts_with(prefix)) {
            let own = file.value(setting.name);
            if self.set && own.is_none() {
                continue;
            }
            shown += 1;
            let value = own.clone().unwrap_or_else(|| setting.default.to_owned());
            if self.json {
                out.json(&json(setting, &value, own.is_some()))?;
            } else {
                for line in lines(setting, &value, own.is_some(), self.short) {
                    out.line(&line)?;
                }
            }
        }
        out.finish()?;
        match (shown, &self.name) {
            (0, Some(name)) => Err(unknown(name)),
            _ => Ok(()),
        }
    }
}

fn lines(setting: &Setting, value: &str, is_set: bool, short: bool) -> Vec<String> {
    let Setting { name, kind, doc, reader, .. } = setting;
    let value = visible::line(value.as_bytes());
    let mark = if is_set { "" } else { "   (default)" };
    let first = match (kind, value.is_empty()) {
        (Kind::Table, true) => format!("[{name}]   (empty)"),
        _ => format!("{name} = {value}{mark}"),
    };
    if short {
        return vec![first];
    }
    let later = if *reader == Reader::DaemonAtStart { " A change waits for: caro daemon restart." } else { "" };
    let told = format!("{doc} It may be {}.{later}", kind.in_words());
    let mut lines = vec![first];
    lines.extend(page::wrapped(&told, "    "));
    lines.push(String::new());
    lines
}

fn json(setting: &Setting, value: &str, is_set: bool) -> serde_json::Value {
    let Setting { name, kind, default, doc, reader, belongs } = setting;
    let reader = match reader {
        Reader::Caro => "caro",
        Reader::Daemon => "daemon",
        Reader::DaemonAtStart => "daemon at start",
    };
    let belongs = match belongs {
        settings::Belongs::Machine => "machine",
        settings::Belongs::Person => "person",
    };
    serde_json::json!({
        "name": name, "value": value::json(value), "set": is_set, "default": value::json(default),
        "may_be": kind.in_words(), "doc": doc, "reader": reader, "belongs": belongs,
    })
}

impl Get {
    fn run(self) -> Outcome {
        let setting = known(&self.name)?;
        let file = File::read(&places()?.config)?;
        let is_inside = setting.name != self.name;
        let own = file.value(&self.name);
        if own.is_none() && (is_inside || setting.kind == Kind::Table) {
            // Nothing is there, and there is no default to tell.
            return Err(Failure::silent(exit::FAILURE));
        }
        let value = own.unwrap_or_else(|| setting.default.to_owned());
        let mut out = Out::new();
        if self.json {
            out.json(&value::json(&value))?;
        } else {
            for line in value::plain(&value) {
                out.line(&visible::line(line.as_bytes()))?;
            }
        }
        out.finish()
    }
}

impl Set {
    fn run(self) -> Outcome {
        let setting = known(&self.name)?;
        let path = places()?.config;
        let mut file = File::read(&path)?;
        let is_list = matches!(setting.kind, Kind::Words(_) | Kind::Texts | Kind::Patterns | Kind::Directories);
        if (self.add || self.remove) && !is_list {
            return Err(Failure::new(exit::USAGE, format!("{} is no list", self.name)));
        }
        let values = match (self.add, self.remove) {
            (false, false) => self.values,
            (adds, _) => {
                let mut now = value::plain(&file.value(&self.name).unwrap_or_else(|| setting.default.to_owned()));
                now.retain(|value| !self.values.contains(value));
                now.extend(if adds { self.values } else { Vec::new() });
                now
            }
        };
        let value = value::read(setting, &self.name, &values)?;
        file.set(&self.name, value)?;
        file.write(&path)?;
        in_force(setting)
    }
}

impl Unset {
    fn run(self) -> Outcome {
        // Also one that is not known: that is the way to be rid of it.
        let path = places()?.config;
        let mut file = File::read(&path)?;
        if !file.unset(&self.name) {
            return match settings::find(&self.name) {
                Some(_) => print(&format!("{} was not set", self.name)),
                None => Err(unknown(&self.name)),
            };
        }
        file.write(&path)?;
        settings::find(&self.name).map_or(Ok(()), in_force)
    }
}

fn edit() -> Outcome {
    let path = places()?.config;
    if !path.exists() {
        file::write_new(&path, page::page().as_bytes())?;
    }
    let named = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| "vi".to_owned());
    // The variable may hold options, so a shell reads it; the path is an argument and is read by nobody.
    let status = Process::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(&path).status();
    let status = status.map_err(|error| {
        let message = format!("the editor cannot be started: {}", system(&error));
        Failure::new(exit::UNAVAILABLE, message).hint("set VISUAL or EDITOR")
    })?;
    if !status.success() {
        let message = format!("the editor {} failed", visible::line(editor.as_bytes()));
        return Err(Failure::new(exit::FAILURE, message).hint("set VISUAL or EDITOR; nothing was read again"));
    }
    let text = file::text(&path)?;
    let found = problems(&text);
    for Problem { what, instead } in &found {
        let perhaps = if instead.is_empty() { String::new() } else { format!("; it may be: {instead}") };
        say(&visible::line(format!("caro: {what}{perhaps}").as_bytes()));
    }
    tell_daemon()?;
    if found.is_empty() { Ok(()) } else { Err(Failure::silent(exit::DATA)) }
}

/// Tells a running daemon, and the person what has to be waited for.
fn in_force(setting: &Setting) -> Outcome {
    let waiting = tell_daemon()?;
    if waiting.iter().any(|name| name == setting.name) {
        say(&format!("{} is in force after: caro daemon restart", setting.name));
    }
    Ok(())
}

/// Has a running daemon read the file. Gives the settings that wait for its next start.
fn tell_daemon() -> Outcome<Vec<String>> {
    let Ok(Some(mut client)) = Client::open_running() else {
        // It reads the file when it starts; one that does not answer is the doctor's business.
        return Ok(Vec::new());
    };
    match client.ask(Request::Reload)? {
        Reply::Reloaded(Reloaded { waiting, .. }) => Ok(waiting),
        _ => Err(unexpected()),
    }
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
    fn a_setting_is_listed_with_what_it_does_and_may_be() {
        let setting = settings::find("record.secrets").expect("a setting");
        let listed = lines(setting, setting.default, false, false).join("\n");
        assert!(listed.starts_with("record.secrets = \"drop\"   (default)\n    What becomes"), "{listed}");
        assert!(listed.contains("It may be \"drop\",") && listed.contains("\"keep\"."), "{listed}");
        let restart = settings::find("log").expect("a setting");
        assert!(lines(restart, "\"off\"", true, false).join(" ").contains("caro daemon restart"));
        assert_eq!(lines(setting, "\"mask\"", true, true), ["record.secrets = \"mask\""]);
        assert_eq!(json(setting, "\"mask\"", true)["value"], "mask");
    }

    #[test]
    fn a_name_that_is_none_says_the_nearest() {
        assert!(unknown("record.secret").hint.starts_with("perhaps record.secrets;"));
        assert!(unknown("record").hint.contains("caro config list record."));
        assert_eq!(unknown("qqqqqqq").hint, "all of them: caro config list --short");
    }
}
