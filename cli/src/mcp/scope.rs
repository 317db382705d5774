//! What an assistant may see: the table `[mcp]` of the configuration. A value that cannot be used shuts everything: what
//! the person meant to keep out is not known then.

use std::{fs, path::Path};

use caro_schema::{
    ipc::history::{Except, Filter},
    settings::{self, UNLIMITED},
};
use toml::{Table, Value};

use crate::{config::shown, query::folders};

/// What may be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    /// Whether anything may.
    pub(crate) is_on: bool,
    /// Only what started in these directories, or below one.
    directories: Vec<Vec<u8>>,
    /// Only what ran on these hosts.
    hosts: Vec<String>,
    /// Only what is no older than so many days.
    days: Option<u32>,
    /// Only what was typed (false), or made by an assistant (true).
    assistant: Option<bool>,
    /// What is left out of every command that is shown.
    pub(super) hidden: Vec<String>,
    /// Commands in one answer.
    pub(super) results: u32,
}

/// What can be left out.
#[cfg(test)]
pub(super) const FIELDS: [&str; 9] =
    ["directory", "host", "user", "shell", "session", "time", "duration", "exit", "assistant"];

const DAY_US: i64 = 86_400_000_000;

impl Scope {
    /// From the configuration file. One that is not there switches nothing on.
    ///
    /// # Errors
    /// What cannot be used, for a person.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::parse(""),
            Err(_) => Err("the configuration cannot be read".to_owned()),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: Table = text.parse().map_err(|_| "the configuration cannot be read; see: caro doctor".to_owned())?;
        let none = Table::new();
        let table = match file.get("mcp") {
            None => &none,
            Some(Value::Table(table)) => table,
            Some(_) => return Err("mcp is no table".to_owned()),
        };
        for (key, value) in table {
            let name = format!("mcp.{key}");
            let setting = settings::find(&name).ok_or_else(|| format!("{name}: there is no such setting"))?;
            if !setting.kind.accepts(&shown(value)) {
                return Err(format!("{name}: it may be {}", setting.kind.in_words()));
            }
        }
        let texts = |key: &str| -> Option<Vec<String>> {
            let list = table.get(key)?.as_array()?;
            Some(list.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect())
        };
        let number =
            |key: &str| table.get(key).and_then(Value::as_integer).and_then(|number| u32::try_from(number).ok());
        let home = Path::new("/");
        let directory = |text: &String| folders::folder(Path::new(text), home).into_os_string().into_encoded_bytes();
        Ok(Self {
            is_on: table.get("enabled").and_then(Value::as_bool).unwrap_or(false),
            directories: texts("directories").unwrap_or_default().iter().map(directory).collect(),
            hosts: texts("hosts").unwrap_or_default(),
            days: match table.get("days") {
                Some(value) if value.as_str() == Some(UNLIMITED) => None,
                _ => Some(number("days").unwrap_or(DAYS)),
            },
            assistant: match table.get("author").and_then(Value::as_str) {
                Some("me") => Some(false),
                Some("assistant") => Some(true),
                _ => None,
            },
            hidden: texts("hide").unwrap_or_else(|| HIDDEN.map(str::to_owned).to_vec()),
            results: number("results").unwrap_or(RESULTS),
        })
    }

    /// Narrows what is asked for to what may be seen. Nothing of the scope gives way to a question.
    ///
    /// # Errors
    /// When the question goes by something that is left out: the answer would tell of it.
    pub(super) fn narrow(&self, mut filter: Filter, now_us: i64) -> Result<Filter, String> {
        if let Some(name) = self.asked_of_hidden(&filter) {
            return Err(format!("{name} is not shown here (mcp.hide), so it cannot be asked for"));
        }
        if let (Some(may), Some(asked)) = (self.assistant, filter.assistant)
            && may != asked
        {
            return Err("commands of this author are not shown here (mcp.author)".to_owned());
        }
        filter.assistant = self.assistant.or(filter.assistant);
        filter.any_subtree = self.directories.iter().map(|folder| folder.clone().into()).collect();
        filter.any_host.clone_from(&self.hosts);
        if let Some(days) = self.days {
            let since = now_us.saturating_sub(i64::from(days).saturating_mul(DAY_US));
            filter.since_us = Some(filter.since_us.map_or(since, |asked| asked.max(since)));
        }
        Ok(filter)
    }

    fn asked_of_hidden(&self, filter: &Filter) -> Option<&'static str> {
        let except = |is: fn(&Except) -> bool| filter.except.iter().any(is);
        let Filter { host, user, session, shell, directory, subtree, repository, exit, .. } = filter;
        let Filter { since_us, until_us, took_from_us, took_below_us, made, .. } = filter;
        let asked = [
            (
                "directory",
                directory.is_some()
                    || subtree.is_some()
                    || repository.is_some()
                    || except(|except| matches!(except, Except::Directory(_) | Except::Subtree(_))),
            ),
            ("host", host.is_some() || except(|except| matches!(except, Except::Host(_)))),
            ("user", user.is_some() || except(|except| matches!(except, Except::User(_)))),
            ("shell", shell.is_some() || except(|except| matches!(except, Except::Shell(_)))),
            ("session", session.is_some() || except(|except| matches!(except, Except::Session(_)))),
            ("time", since_us.is_some() || until_us.is_some()),
            ("duration", took_from_us.is_some() || took_below_us.is_some()),
            ("exit", exit.is_some()),
            ("assistant", !made.is_empty()),
        ];
        asked.into_iter().find(|(name, is)| *is && self.hides(name)).map(|(name, _)| name)
    }

    /// Whether this is left out.
    pub(super) fn hides(&self, name: &str) -> bool {
        self.hidden.iter().any(|hidden| hidden == name)
    }
}

#[cfg(test)]
impl Scope {
    /// Everything, but for what is hidden.
    pub(super) fn without(hidden: &[&str], results: u32) -> Self {
        let hidden = hidden.iter().map(|name| (*name).to_owned()).collect();
        Self { is_on: true, hidden, results, ..Self::default() }
    }
}

/// Defaults, as the table of settings has them.
const DAYS: u32 = 30;
const RESULTS: u32 = 50;
const HIDDEN: [&str; 2] = ["user", "session"];

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::parse(&format!("[mcp]\n{text}")).expect("understood")
    }

    #[test]
    fn it_is_off_until_it_is_switched_on_and_defaults_are_those_of_the_table() {
        let nothing = Scope::parse("").expect("understood");
        assert!(!nothing.is_on);
        let by_table: String = settings::ALL
            .iter()
            .filter_map(|setting| Some(format!("{} = {}\n", setting.name.strip_prefix("mcp.")?, setting.default)))
            .collect();
        assert_eq!(scope(&by_table), nothing);
        assert!(scope("enabled = true").is_on);
    }

    #[test]
    fn what_cannot_be_used_shuts_everything() {
        for text in
            ["[mcp]\nenabled = 1", "[mcp]\nhosts = 3", "[mcp]\nhiide = []", "mcp = 1", "[mcp", "[mcp]\nhide = [\"x\"]"]
        {
            assert!(Scope::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_question_never_widens_the_scope() {
        let scope = scope("directories = [\"/srv\"]\nhosts = [\"desk\"]\ndays = 2\nauthor = \"me\"\nhide = []");
        let now = 10 * DAY_US;
        let asked = Filter { since_us: Some(1), host: Some("other".into()), ..Filter::default() };
        let narrowed = scope.narrow(asked, now).expect("narrowed");
        assert_eq!(
            (narrowed.since_us, narrowed.any_host.len(), narrowed.host.as_deref()),
            (Some(8 * DAY_US), 1, Some("other"))
        );
        assert_eq!((&narrowed.any_subtree[0][..], narrowed.assistant), (&b"/srv"[..], Some(false)));
        let later = Filter { since_us: Some(9 * DAY_US), ..Filter::default() };
        assert_eq!(scope.narrow(later, now).expect("narrowed").since_us, Some(9 * DAY_US));
        assert!(scope.narrow(Filter { assistant: Some(true), ..Filter::default() }, now).is_err());
    }

    #[test]
    fn what_is_left_out_cannot_be_asked_for_either() {
        let all: Vec<String> = FIELDS.iter().map(|name| format!("{name:?}")).collect();
        let scope = scope(&format!("hide = [{}]", all.join(",")));
        let made = caro_schema::ipc::history::Made { tag: Some("t".into()), ..Default::default() };
        for (filter, name) in [
            (Filter { directory: Some(b"/".to_vec().into()), ..Filter::default() }, "directory"),
            (Filter { except: vec![Except::Subtree(b"/".to_vec().into())], ..Filter::default() }, "directory"),
            (Filter { host: Some("h".into()), ..Filter::default() }, "host"),
            (Filter { user: Some("u".into()), ..Filter::default() }, "user"),
            (Filter { session: Some("s".into()), ..Filter::default() }, "session"),
            (Filter { shell: Some("s".into()), ..Filter::default() }, "shell"),
            (Filter { until_us: Some(1), ..Filter::default() }, "time"),
            (Filter { took_from_us: Some(1), ..Filter::default() }, "duration"),
            (Filter { exit: Some(caro_schema::ipc::history::ExitFilter::Is(1)), ..Filter::default() }, "exit"),
            (Filter { made, ..Filter::default() }, "assistant"),
        ] {
            assert!(scope.narrow(filter, 1).expect_err(name).starts_with(name));
        }
        assert!(scope.narrow(Filter::default(), 1).is_ok());
    }
}
