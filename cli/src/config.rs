//! This program's part of the configuration file: the tables `[screen]` and `[search]`. What cannot be used leaves its
//! default in place and is told by `caro doctor`; a broken file stops nothing. The daemon reads the other tables.

use std::{fs, path::Path};

use caro_schema::ipc::history::Mode;
use toml::{Table, Value};

/// What the screen goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// `screen.style = "inline"`, with `screen.rows` rows below the prompt; none for the full screen.
    pub(crate) inline_rows: Option<u16>,
    /// `screen.enter = "run"`: Enter runs what is chosen at once.
    pub(crate) enter_runs: bool,
    /// `screen.scope`: what the screen looks in at first.
    pub(crate) scope: Scope,
    /// `search.mode`: how the screen reads what is typed at first.
    pub(crate) mode: Mode,
}

/// Where to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everywhere.
    #[default]
    All,
    /// This host.
    Host,
    /// This directory and below.
    Directory,
    /// This run of the shell.
    Session,
}

impl Default for Config {
    fn default() -> Self {
        Self { inline_rows: None, enter_runs: false, scope: Scope::All, mode: Mode::Fuzzy }
    }
}

/// Rows of the inline screen when nothing says how many: enough to choose from, and the work above stays in sight.
const ROWS_DEFAULT: u16 = 15;

/// Fewer than a line to type in, a few rows and a status line are no screen.
pub(crate) const ROWS_MIN: u16 = 5;

/// Bytes of a configuration file, as for the daemon.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

impl Config {
    /// From a file, with what could not be used. One that is not there is as good as an empty one.
    pub(crate) fn read(path: &Path) -> (Self, Vec<String>) {
        if fs::metadata(path).is_ok_and(|meta| meta.len() > FILE_BYTES_MAX) {
            return Self::default_with(Vec::new());
        }
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            // The daemon tells about a file that cannot be read; once is enough.
            Err(_) => Self::default_with(Vec::new()),
        }
    }

    fn default_with(problems: Vec<String>) -> (Self, Vec<String>) {
        (Self::default(), problems)
    }

    fn parse(text: &str) -> (Self, Vec<String>) {
        let Ok(file) = text.parse::<Table>() else { return Self::default_with(Vec::new()) };
        let (mut config, mut problems) = Self::default_with(Vec::new());
        let mut rows = ROWS_DEFAULT;
        let mut inline = false;
        for (table, key, value) in settings(&file) {
            let taken = match (table, key) {
                ("screen", "style") => word(value, &[("full", false), ("inline", true)]).map(|style| inline = style),
                ("screen", "rows") => number(value).map(|number| rows = number),
                ("screen", "enter") => {
                    word(value, &[("put", false), ("run", true)]).map(|runs| config.enter_runs = runs)
                }
                ("screen", "scope") => word(value, &SCOPES).map(|scope| config.scope = scope),
                ("search", "mode") => word(value, &MODES).map(|mode| config.mode = mode),
                _ => Err("there is no such setting".to_owned()),
            };
            problems.extend(taken.err().map(|problem| format!("{table}.{key}: {problem}")));
        }
        config.inline_rows = inline.then_some(rows);
        (config, problems)
    }
}

const SCOPES: [(&str, Scope); 4] =
    [("all", Scope::All), ("host", Scope::Host), ("directory", Scope::Directory), ("session", Scope::Session)];

const MODES: [(&str, Mode); 4] =
    [("fuzzy", Mode::Fuzzy), ("substring", Mode::Substring), ("prefix", Mode::Prefix), ("regex", Mode::Regex)];

fn settings(file: &Table) -> impl Iterator<Item = (&'static str, &str, &Value)> {
    ["screen", "search"]
        .into_iter()
        .filter_map(|name| Some((name, file.get(name)?.as_table()?)))
        .flat_map(|(name, table)| table.iter().map(move |(key, value)| (name, key.as_str(), value)))
}

fn word<T: Copy>(value: &Value, words: &[(&str, T)]) -> Result<T, String> {
    let found = value.as_str().and_then(|text| words.iter().find(|(name, _)| *name == text));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        format!("it may be {}", names.join(", "))
    })
}

fn number(value: &Value) -> Result<u16, String> {
    let number = value.as_integer().and_then(|number| u16::try_from(number).ok()).filter(|rows| *rows >= ROWS_MIN);
    number.ok_or_else(|| format!("it may be a number from {ROWS_MIN}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_read() {
        let text = "log = \"info\"\n[screen]\nstyle = \"inline\"\nrows = 9\nenter = \"run\"\nscope = \"host\"\n\
                    [search]\nmode = \"regex\"\n[sync]\nwindow_days = 3\n";
        let expected = Config { inline_rows: Some(9), enter_runs: true, scope: Scope::Host, mode: Mode::Regex };
        assert_eq!(Config::parse(text), (expected, Vec::new()));
    }

    #[test]
    fn what_cannot_be_used_is_told_and_leaves_its_default() {
        let (config, problems) = Config::parse("[screen]\nstyle = \"big\"\nrows = 1\ncolour = 3\n[search]\nmode = 7\n");
        assert_eq!(config, Config::default());
        assert_eq!(
            problems,
            [
                "screen.colour: there is no such setting",
                "screen.rows: it may be a number from 5",
                "screen.style: it may be full, inline",
                "search.mode: it may be fuzzy, substring, prefix, regex",
            ]
        );
    }

    #[test]
    fn a_broken_file_is_as_good_as_none() {
        assert_eq!(Config::parse("[screen"), (Config::default(), Vec::new()));
        assert_eq!(Config::read(Path::new("/nowhere/at/all")), (Config::default(), Vec::new()));
    }
}
