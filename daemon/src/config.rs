//! The daemon's part of the configuration file. A broken file never stops recording: each value that cannot be used
//! leaves its default in place and becomes a [`Problem`], which `caro doctor` shows.
//!
//! The file is shared with `caro`, whose own tables are passed over here.

use std::{fs, io, path::Path};

use regex::bytes::Regex;
use toml::{Table, Value};
use tracing::level_filters::LevelFilter;

use crate::filter::Filter;

/// What the daemon goes by.
pub struct Config {
    /// `log`: how much is written to the log.
    pub log: LevelFilter,
    /// `key.store`: where the key of the database is kept.
    pub key_store: KeyStore,
    /// `record`: what is not recorded.
    pub filter: Filter,
    /// `sync.window_days`: how far back history is synced; none for all of it.
    pub window_days: Option<u32>,
    /// `sync.window_commands`: how many commands from before joining are synced; none for all.
    pub window_commands: Option<u64>,
}

/// Where the key of the database is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyStore {
    /// The platform's secure store where there is one, otherwise a file.
    #[default]
    Auto,
    /// Only the platform's secure store.
    Keychain,
    /// Only a file.
    File,
}

/// Something in the file that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, in a sentence's fragment.
    pub what: String,
    /// What to write instead; empty when there is nothing to suggest.
    pub instead: String,
}

/// The file as far as it could be used, and what could not.
#[derive(Default)]
pub struct Loaded {
    /// What to go by.
    pub config: Config,
    /// What was passed over.
    pub problems: Vec<Problem>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            log: LevelFilter::INFO,
            key_store: KeyStore::default(),
            filter: Filter::default(),
            window_days: Some(90),
            window_commands: Some(10_000),
        }
    }
}

/// Keys that the daemon knows, each with its full name.
const KEYS: [&str; 6] = [
    "log",
    "key.store",
    "record.ignore_commands",
    "record.ignore_directories",
    "sync.window_days",
    "sync.window_commands",
];

/// Tables that belong to `caro` alone.
const TABLES_OF_CARO: [&str; 5] = ["history", "keys", "screen", "search", "theme"];

/// Bytes of a configuration file. A larger one is not a configuration.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

impl Loaded {
    /// From a file; one that is not there is as good as an empty one. `home` is what `~` stands for.
    pub fn read(path: &Path, home: Option<&Path>) -> Self {
        match fs::metadata(path).and_then(|meta| {
            if meta.len() > FILE_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large for a configuration"));
            }
            fs::read_to_string(path)
        }) {
            Ok(text) => Self::parse(&text, home),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            Err(error) => {
                Self { config: Config::default(), problems: vec![problem(format!("not readable: {error}"), "")] }
            }
        }
    }

    fn parse(text: &str, home: Option<&Path>) -> Self {
        let mut loaded = Self::default();
        match text.parse::<Table>() {
            Ok(table) => loaded.take_table(&table, "", home),
            Err(error) => {
                let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
                loaded.problems.push(problem(format!("line {line}: {}", error.message()), ""));
            }
        }
        loaded
    }

    fn take_table(&mut self, table: &Table, prefix: &str, home: Option<&Path>) {
        for (key, value) in table {
            let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match value {
                _ if KEYS.contains(&name.as_str()) => {
                    if let Err(problem) = self.take(&name, value, home) {
                        self.problems.push(problem);
                    }
                }
                Value::Table(inner) if prefix.is_empty() && is_section(key) => self.take_table(inner, key, home),
                _ if prefix.is_empty() && TABLES_OF_CARO.contains(&key.as_str()) => {}
                _ => self.problems.push(problem(format!("no setting is called {name}"), nearest(&name))),
            }
        }
    }

    fn take(&mut self, name: &str, value: &Value, home: Option<&Path>) -> Result<(), Problem> {
        let config = &mut self.config;
        match name {
            "log" => {
                let levels = ["off", "error", "warn", "info", "debug", "trace"];
                config.log = one_of(name, value, &levels)?.parse().unwrap_or(config.log);
            }
            "key.store" => {
                config.key_store = match one_of(name, value, &["auto", "keychain", "file"])? {
                    "keychain" => KeyStore::Keychain,
                    "file" => KeyStore::File,
                    _ => KeyStore::Auto,
                };
            }
            "record.ignore_commands" => {
                for text in texts(name, value)? {
                    match Regex::new(text) {
                        Ok(pattern) => config.filter.ignore_commands.push(pattern),
                        Err(_) => self.problems.push(problem(format!("{name}: {text:?} is not a pattern"), "")),
                    }
                }
            }
            "record.ignore_directories" => {
                let folders = texts(name, value)?.into_iter().map(|text| expand(text, home));
                config.filter.ignore_directories.extend(folders);
            }
            "sync.window_days" => config.window_days = count(name, value)?,
            _ => config.window_commands = count(name, value)?,
        }
        Ok(())
    }
}

fn problem(what: String, instead: impl Into<String>) -> Problem {
    Problem { what, instead: instead.into() }
}

fn is_section(key: &str) -> bool {
    KEYS.iter().any(|name| name.split_once('.').is_some_and(|(section, _)| section == key))
}

fn one_of<'a>(name: &str, value: &'a Value, allowed: &[&str]) -> Result<&'a str, Problem> {
    value
        .as_str()
        .filter(|text| allowed.contains(text))
        .ok_or_else(|| problem(format!("{name} is not one of the words it may be"), allowed.join(", ")))
}

fn texts<'a>(name: &str, value: &'a Value) -> Result<Vec<&'a str>, Problem> {
    let list: Option<Vec<&str>> = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
    list.ok_or_else(|| problem(format!("{name} is not a list of texts"), r#"["…", "…"]"#))
}

/// A number, or `"unlimited"`.
fn count<N: TryFrom<i64>>(name: &str, value: &Value) -> Result<Option<N>, Problem> {
    if value.as_str() == Some("unlimited") {
        return Ok(None);
    }
    let number = value.as_integer().and_then(|number| N::try_from(number).ok());
    number.map(Some).ok_or_else(|| problem(format!("{name} is not a number"), r#"a number, or "unlimited""#))
}

fn expand(text: &str, home: Option<&Path>) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    let path = match (text.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => Path::new(text).to_owned(),
    };
    path.as_os_str().as_bytes().to_vec()
}

/// The known key that takes the fewest changes, if it takes few.
fn nearest(name: &str) -> String {
    let best = KEYS.iter().map(|key| (distance(name, key), *key)).min();
    best.filter(|(steps, _)| *steps <= (name.len() / 3).max(2)).map(|(_, key)| key.to_owned()).unwrap_or_default()
}

/// Letters to add, drop or change (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for column in 0..to.len() {
            let change = diagonal + usize::from(letter != to[column]);
            diagonal = row[column + 1];
            row[column + 1] = change.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Loaded {
        Loaded::parse(text, Some(Path::new("/home/ada")))
    }

    #[test]
    fn every_key_is_read() {
        let text = r#"
            log = "debug"
            [key]
            store = "file"
            [record]
            ignore_commands = ["^secret"]
            ignore_directories = ["~/private", "/srv/x"]
            [sync]
            window_days = 30
            window_commands = "unlimited"
            [screen]
            anything = true
        "#;
        let Loaded { config, problems } = parse(text);
        assert_eq!(problems, []);
        assert_eq!((config.log, config.key_store), (LevelFilter::DEBUG, KeyStore::File));
        assert!(!config.filter.records(b"secret x", b"/"));
        assert_eq!(config.filter.ignore_directories, [b"/home/ada/private".to_vec(), b"/srv/x".to_vec()]);
        assert_eq!((config.window_days, config.window_commands), (Some(30), None));
    }

    #[test]
    fn a_wrong_value_leaves_its_default_and_everything_else_in_force() {
        let Loaded { config, problems } = parse(
            "log = 3\n[key]\nstore = \"cloud\"\n[sync]\nwindow_days = -1\n[record]\nignore_commands = [\"(\", \"^ok\"]",
        );
        assert_eq!(problems.len(), 4);
        assert_eq!((config.log, config.key_store, config.window_days), (LevelFilter::INFO, KeyStore::Auto, Some(90)));
        assert!(!config.filter.records(b"ok", b"/"));
    }

    #[test]
    fn an_unknown_key_is_named_with_the_nearest_right_one() {
        let check = |text: &str, instead: &str| {
            let problems = parse(text).problems;
            assert_eq!(problems.len(), 1, "{text}");
            assert_eq!(problems[0].instead, instead, "{text}");
        };
        check("[key]\nstoer = \"file\"", "key.store");
        check("[record]\nignore_command = []", "record.ignore_commands");
        check("[sync]\nwindow_day = 3", "sync.window_days");
        check("lgo = \"info\"", "log");
        check("qqqqqqqq = 1", "");
    }

    #[test]
    fn a_broken_file_is_as_good_as_none_and_is_said() {
        let Loaded { config, problems } = parse("log = \n\n[");
        assert_eq!(config.log, LevelFilter::INFO);
        assert!(problems[0].what.starts_with("line 1"), "{problems:?}");
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Loaded::read(&folder.path().join("none"), None).problems, []);
        assert_eq!(Loaded::read(folder.path(), None).problems.len(), 1);
    }
}
