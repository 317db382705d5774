//! `caro config list` and `get`: what is in force, with a mark where the file says something else.
//!
//! What the file says is not always what a program goes by: a value that cannot be used leaves its default, and some wait
//! for the next start of the daemon, which says so itself.

use std::path::Path;

use caro_schema::{
    paths::Places,
    settings::{ALL, Belongs, Kind, Reader, Setting},
};
use clap::Args;
use toml_edit::Value;

use super::{File, account, check::is_pattern, known, page, tell_daemon, unknown, value};
use crate::{
    client::places,
    config::meaningless,
    error::{Failure, Outcome},
    exit,
    output::{Out, say, visible},
};

/// Print every setting, what it does and what it is
///
/// It prints what is in force, and says so where the file has something that is not. A setting that is for every machine is
/// the same on all of them, unless this machine's file says something else; one that is for this machine alone never leaves
/// it.
#[derive(Args)]
pub(super) struct List {
    /// Only those that are set, in the file or for every machine
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
///
/// It prints what is in force, and says so where the file has something that is not.
#[derive(Args)]
pub(super) struct Get {
    /// Its name, such as record.secrets
    #[arg(value_name = "NAME")]
    name: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) fn run(self) -> Outcome {
        let look = Look::at(&places()?)?;
        let prefix = self.name.as_deref().unwrap_or_default();
        let mut out = Out::new();
        let mut shown = 0;
        for setting in ALL.iter().filter(|setting| setting.name.starts_with(prefix)) {
            let found = look.of(setting);
            if self.set && found.in_file.is_none() && found.in_account.is_none() {
                continue;
            }
            shown += 1;
            if self.json {
                out.json(&json(setting, &found))?;
            } else {
                for line in lines(setting, &found, self.short) {
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

impl Get {
    pub(super) fn run(self) -> Outcome {
        let setting = known(&self.name)?;
        let look = Look::at(&places()?)?;
        let is_inside = setting.name != self.name;
        let found = if is_inside { look.inside(&self.name) } else { look.of(setting) };
        if found.in_file.is_none() && found.in_account.is_none() && (is_inside || setting.kind == Kind::Table) {
            // Nothing is there, and there is no default to tell.
            return Err(Failure::silent(exit::FAILURE));
        }
        let mut out = Out::new();
        if self.json {
            out.json(&value::json(&found.value))?;
        } else {
            for line in value::plain(&found.value) {
                out.line(&visible::line(line.as_bytes()))?;
            }
        }
        out.finish()?;
        if let Some(mark) = found.mark.words(&found) {
            say(&format!("{}: {mark}", self.name));
        }
        Ok(())
    }
}

/// What is known of the file and of the daemon.
struct Look {
    file: File,
    /// What the account says where the file says nothing.
    account: File,
    /// Of themes and keys, what means nothing.
    meaningless: Vec<String>,
    /// Settings that a running daemon goes by from its next start on.
    waiting: Vec<String>,
}

/// One setting.
struct Found {
    /// What is in force.
    value: String,
    /// What the file says, if it does.
    in_file: Option<String>,
    /// What holds on every machine whose file says nothing else.
    in_account: Option<String>,
    mark: Mark,
}

/// How what the file says is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// Nobody says anything.
    Default,
    /// The account says it.
    Account,
    /// It is.
    Whole,
    /// All but a part that cannot be used.
    Part,
    /// It cannot be used.
    Unusable,
    /// From the next start of the daemon on.
    Waits,
}

impl Mark {
    /// What is to be said where the file has something that is not in force.
    fn words(self, found: &Found) -> Option<String> {
        match self {
            Self::Default | Self::Account => None,
            // A person who wonders why another machine does otherwise, and this one not.
            Self::Whole => {
                let other = found.in_account.as_ref().filter(|value| Some(*value) != found.in_file.as_ref())?;
                Some(format!("this machine's file; on the others {}", visible::line(other.as_bytes())))
            }
            Self::Part => Some("a part of it cannot be used: caro doctor".to_owned()),
            Self::Unusable => {
                let wrong = visible::line(found.in_file.as_deref().unwrap_or_default().as_bytes());
                Some(format!("the file says {wrong}, which cannot be used: caro doctor"))
            }
            Self::Waits => Some("in force after: caro daemon restart".to_owned()),
        }
    }
}

impl Look {
    fn at(places: &Places) -> Outcome<Self> {
        let path = &places.config;
        let file = File::read(path)?;
        let account = account::settings(places);
        let meaningless = meaningless(&file.text(), path.parent().unwrap_or(Path::new("/")));
        // What a daemon that does not answer goes by is not known, and is the doctor's business.
        Ok(Self { file, account, meaningless, waiting: tell_daemon().unwrap_or_default().waiting })
    }

    fn of(&self, setting: &Setting) -> Found {
        let in_file = self.file.value(setting.name);
        let in_account = self.account.value(setting.name);
        let otherwise = if in_account.is_some() { Mark::Account } else { Mark::Default };
        let mark = in_file.as_ref().map_or(otherwise, |text| self.mark(setting, text));
        let own = in_file.clone().filter(|_| mark != Mark::Unusable);
        let shared = in_account.clone().filter(|_| in_file.is_none());
        Found { value: own.or(shared).unwrap_or_else(|| setting.default.to_owned()), in_file, in_account, mark }
    }

    /// A name in a table of its own.
    fn inside(&self, name: &str) -> Found {
        let (in_file, in_account) = (self.file.value(name), self.account.value(name));
        let value = in_file.clone().or(in_account.clone()).unwrap_or_default();
        let mark = if in_file.is_none() && in_account.is_some() { Mark::Account } else { Mark::Whole };
        Found { value, in_file, in_account, mark }
    }

    fn mark(&self, setting: &Setting, text: &str) -> Mark {
        let Ok(value) = text.parse::<Value>() else { return Mark::Unusable };
        if !setting.kind.accepts(&value::seen(&value)) {
            return Mark::Unusable;
        }
        let told = |start: &str| self.meaningless.iter().any(|problem| problem.starts_with(start));
        let is_bad = |value: &Value| value.as_str().is_some_and(|text| !is_pattern(text));
        match (setting.kind, setting.name) {
            (Kind::Patterns, _) if value.as_array().is_some_and(|list| list.iter().any(is_bad)) => Mark::Part,
            (_, "screen.keys") if told("screen.keys: ") => Mark::Part,
            (_, "screen.theme") if told("screen.theme: ") => Mark::Unusable,
            (_, name) if self.waiting.iter().any(|waiting| waiting == name) => Mark::Waits,
            _ => Mark::Whole,
        }
    }
}

fn lines(setting: &Setting, found: &Found, short: bool) -> Vec<String> {
    let Setting { name, kind, doc, reader, belongs, .. } = setting;
    let value = visible::line(found.value.as_bytes());
    let mark = match (found.mark, found.mark.words(found)) {
        (Mark::Default, _) => "   (default)".to_owned(),
        (Mark::Account, _) => "   (every machine)".to_owned(),
        (_, Some(words)) => format!("   ({words})"),
        (_, None) => String::new(),
    };
    let first = match (kind, value.is_empty()) {
        (Kind::Table, true) => format!("[{name}]   (empty)"),
        _ => format!("{name} = {value}{mark}"),
    };
    if short {
        return vec![first];
    }
    let later = if *reader == Reader::DaemonAtStart { " A change waits for: caro daemon restart." } else { "" };
    let whose = match belongs {
        Belongs::Person => "It is for every machine of an account.",
        Belongs::Machine => "It is for this machine alone.",
    };
    let told = format!("{doc} It may be {}. {whose}{later}", kind.in_words());
    let mut lines = vec![first];
    lines.extend(page::wrapped(&told, "    "));
    lines.push(String::new());
    lines
}

fn json(setting: &Setting, found: &Found) -> serde_json::Value {
    let Setting { name, kind, default, doc, reader, belongs } = setting;
    let reader = match reader {
        Reader::Caro => "caro",
        Reader::Daemon => "daemon",
        Reader::DaemonAtStart => "daemon at start",
    };
    let belongs = match belongs {
        Belongs::Machine => "machine",
        Belongs::Person => "person",
    };
    let Found { value, in_file, in_account, mark } = found;
    serde_json::json!({
        "name": name, "value": value::json(value), "set": in_file.is_some() || in_account.is_some(), "default": value::json(default),
        "in_file": in_file.as_deref().map(value::json), "in_account": in_account.as_deref().map(value::json), "in_force": !matches!(mark, Mark::Unusable | Mark::Waits),
        "may_be": kind.in_words(), "doc": doc, "reader": reader, "belongs": belongs,
    })
}

#[cfg(test)]
mod tests {
    use caro_schema::settings;

    use super::*;

    fn look(text: &str) -> Look {
        let file = File::parse(text).expect("TOML");
        let meaningless = meaningless(text, Path::new("/nowhere"));
        Look { file, account: File::default(), meaningless, waiting: vec!["log".to_owned()] }
    }

    fn first(text: &str, name: &str) -> String {
        let setting = settings::find(name).expect("a setting");
        lines(setting, &look(text).of(setting), true).concat()
    }

    #[test]
    fn a_setting_is_listed_with_what_it_does_and_may_be() {
        let setting = settings::find("record.secrets").expect("a setting");
        let listed = lines(setting, &look("").of(setting), false).join("\n");
        assert!(listed.starts_with("record.secrets = \"drop\"   (default)\n    What becomes"), "{listed}");
        assert!(listed.contains("It may be \"drop\",") && listed.contains("\"keep\"."), "{listed}");
        let restart = settings::find("key.store").expect("a setting");
        assert!(lines(restart, &look("").of(restart), false).join(" ").contains("caro daemon restart"));
        assert_eq!(first("record.secrets = \"mask\"", "record.secrets"), "record.secrets = \"mask\"");
        assert_eq!(json(setting, &look("record.secrets = \"mask\"").of(setting))["value"], "mask");
    }

    #[test]
    fn ds002_what_holds_on_every_machine_is_told_from_what_holds_on_this_one() {
        let account = || File::parse("[record]\nsecrets = \"keep\"\n").expect("TOML");
        let setting = settings::find("record.secrets").expect("a setting");
        let listed = |text: &str| lines(setting, &Look { account: account(), ..look(text) }.of(setting), true).concat();
        assert_eq!(listed(""), "record.secrets = \"keep\"   (every machine)");
        let here = "record.secrets = \"mask\"   (this machine's file; on the others \"keep\")";
        assert_eq!(listed("record.secrets = \"mask\""), here);
        assert_eq!(listed("record.secrets = \"keep\""), "record.secrets = \"keep\"");
        for (name, whose) in [("record.secrets", "every machine of an account"), ("key.store", "this machine alone")] {
            let setting = settings::find(name).expect("a setting");
            let told = lines(setting, &look("").of(setting), false).join(" ");
            let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(told.contains(&format!("It is for {whose}.")), "{told}");
        }
        let told = json(setting, &Look { account: account(), ..look("") }.of(setting));
        assert_eq!(
            (&told["value"], &told["in_account"], &told["in_file"]),
            (&"keep".into(), &"keep".into(), &().into())
        );
    }

    #[test]
    fn what_is_listed_is_in_force_and_what_is_not_is_marked() {
        let text = "log = \"off\"\n[record]\nsecrets = \"dorp\"\nignore_commands = ['(', 'a']\n[screen]\ntheme = \"blue\"\n\
                    [screen.keys]\nf5 = \"fly\"\n";
        let cannot = "which cannot be used: caro doctor)";
        for (name, expected) in [
            ("log", "log = \"off\"   (in force after: caro daemon restart)".to_owned()),
            ("record.secrets", format!("record.secrets = \"drop\"   (the file says \"dorp\", {cannot}")),
            ("screen.theme", format!("screen.theme = \"auto\"   (the file says \"blue\", {cannot}")),
            (
                "record.ignore_commands",
                "record.ignore_commands = ['(', 'a']   (a part of it cannot be used: caro doctor)".to_owned(),
            ),
        ] {
            assert_eq!(first(text, name), expected);
        }
        assert!(first(text, "screen.keys").ends_with("(a part of it cannot be used: caro doctor)"));
        let secrets = settings::find("record.secrets").expect("a setting");
        let told = json(secrets, &look(text).of(secrets));
        assert_eq!(
            (&told["value"], &told["in_file"], &told["in_force"]),
            (&"drop".into(), &"dorp".into(), &false.into())
        );
    }
}
