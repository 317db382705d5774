//! The tables `[screen]` and `[search]`: how the screen opens, what it shows and what Enter means. Which values a setting
//! may have stands in the table of all settings; here they get their meaning.

use caro_schema::ipc::history::Mode;
use toml::Value;

/// What the screen goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Screen {
    /// `screen.style = "inline"`: below the prompt, and not on the whole terminal.
    pub(crate) inline: bool,
    /// `screen.rows`: how high the inline screen is.
    pub(crate) height: Height,
    /// `screen.direction`: where the line is.
    pub(crate) direction: Direction,
    /// `screen.enter = "run"`: Enter runs what is chosen at once.
    pub(crate) enter_runs: bool,
    /// `screen.scope`: what the screen looks in at first.
    pub(crate) scope: Scope,
    /// `screen.columns`: what is shown of a command, in this order.
    pub(crate) columns: Vec<Column>,
    /// `screen.keys_mode = "vim"`.
    pub(crate) vim: bool,
    /// `screen.mouse`.
    pub(crate) mouse: bool,
    /// `screen.preview`: whether it is there at first.
    pub(crate) preview: bool,
    /// `screen.join`: what stands between several commands that are taken at once.
    pub(crate) join: Join,
    /// `screen.theme`: none for the one that suits the terminal.
    pub(crate) theme: Option<String>,
    /// `search.mode`: how the screen reads what is typed at first.
    pub(crate) mode: Mode,
}

/// How high an inline screen is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Height {
    /// So many rows.
    Rows(u16),
    /// So many hundredths of the terminal.
    Percent(u16),
}

/// Where the line is, and so which way the list grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The line below, the best match above it.
    Up,
    /// The line above, the best match below it.
    Down,
}

/// Where to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everywhere.
    #[default]
    All,
    /// This host.
    Host,
    /// This repository.
    Repository,
    /// This directory and below.
    Subtree,
    /// Exactly this directory.
    Directory,
    /// This run of the shell.
    Session,
}

/// Something that is shown of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Exit,
    Duration,
    Age,
    Time,
    Host,
    User,
    Directory,
    Session,
    Shell,
    Author,
    Runs,
    /// The command itself, which takes all the room that is left. Last, unless it is named.
    Command,
}

/// What stands between commands that are taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    /// The end of a line: right for every command.
    Newline,
    /// ` && `: each only if the one before went well.
    And,
    /// `; `.
    Semicolon,
}

impl Join {
    /// As it is put between them.
    pub(crate) fn text(self) -> &'static [u8] {
        match self {
            Self::Newline => b"\n",
            Self::And => b" && ",
            Self::Semicolon => b"; ",
        }
    }
}

/// Rows of the inline screen when nothing says how many: enough to choose from, and the work above stays in sight.
const ROWS_DEFAULT: u16 = 15;

/// Fewer than a line to type in, a few rows and a status line are no screen.
pub(crate) const ROWS_MIN: u16 = 5;

impl Default for Screen {
    fn default() -> Self {
        Self {
            inline: false,
            height: Height::Rows(ROWS_DEFAULT),
            direction: Direction::Up,
            enter_runs: false,
            scope: Scope::All,
            columns: vec![Column::Exit, Column::Duration, Column::Age, Column::Host, Column::Directory],
            vim: false,
            mouse: true,
            preview: true,
            join: Join::Newline,
            theme: None,
            mode: Mode::Fuzzy,
        }
    }
}

impl Screen {
    /// Takes a setting that the table of all settings accepts. What means nothing here changes nothing.
    pub(super) fn take(&mut self, name: &str, value: &Value) {
        match name {
            "screen.style" => set(&mut self.inline, meaning(value, &[("full", false), ("inline", true)])),
            "screen.rows" => set(&mut self.height, height(value)),
            "screen.direction" => {
                set(&mut self.direction, meaning(value, &[("up", Direction::Up), ("down", Direction::Down)]));
            }
            "screen.enter" => set(&mut self.enter_runs, meaning(value, &[("put", false), ("run", true)])),
            "screen.scope" => set(&mut self.scope, meaning(value, &SCOPES)),
            "screen.columns" => set(&mut self.columns, columns(value)),
            "screen.keys_mode" => set(&mut self.vim, meaning(value, &[("emacs", false), ("vim", true)])),
            "screen.mouse" => set(&mut self.mouse, value.as_bool()),
            "screen.preview" => set(&mut self.preview, value.as_bool()),
            "screen.join" => set(&mut self.join, meaning(value, &JOINS)),
            "screen.theme" => self.theme = value.as_str().filter(|name| *name != "auto").map(str::to_owned),
            "search.mode" => set(&mut self.mode, meaning(value, &MODES)),
            _ => {}
        }
    }
}

fn set<T>(to: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *to = value;
    }
}

const SCOPES: [(&str, Scope); 6] = [
    ("all", Scope::All),
    ("host", Scope::Host),
    ("repository", Scope::Repository),
    ("subtree", Scope::Subtree),
    ("directory", Scope::Directory),
    ("session", Scope::Session),
];

const MODES: [(&str, Mode); 4] =
    [("fuzzy", Mode::Fuzzy), ("substring", Mode::Substring), ("prefix", Mode::Prefix), ("regex", Mode::Regex)];

const JOINS: [(&str, Join); 3] = [("newline", Join::Newline), ("and", Join::And), ("semicolon", Join::Semicolon)];

const COLUMNS: [(&str, Column); 12] = [
    ("exit", Column::Exit),
    ("duration", Column::Duration),
    ("age", Column::Age),
    ("time", Column::Time),
    ("host", Column::Host),
    ("user", Column::User),
    ("directory", Column::Directory),
    ("session", Column::Session),
    ("shell", Column::Shell),
    ("author", Column::Author),
    ("runs", Column::Runs),
    ("command", Column::Command),
];

fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Option<T> {
    words.iter().find(|(name, _)| *name == text).map(|(_, meaning)| *meaning)
}

fn meaning<T: Copy>(value: &Value, words: &[(&str, T)]) -> Option<T> {
    word(value.as_str()?, words)
}

fn columns(value: &Value) -> Option<Vec<Column>> {
    value.as_array()?.iter().map(|value| meaning(value, &COLUMNS)).collect()
}

fn height(value: &Value) -> Option<Height> {
    match value {
        Value::Integer(rows) => u16::try_from(*rows).ok().map(Height::Rows),
        Value::String(text) => parse_height(text),
        _ => None,
    }
}

/// Reads rows, or hundredths with a percent sign.
pub(crate) fn parse_height(text: &str) -> Option<Height> {
    match text.strip_suffix('%') {
        Some(part) => part.parse().ok().filter(|part| (1..=100).contains(part)).map(Height::Percent),
        None => text.parse().ok().filter(|rows| *rows >= ROWS_MIN).map(Height::Rows),
    }
}

#[cfg(test)]
mod tests {
    use caro_schema::settings::{self, Kind};

    use super::*;

    /// A word that the table of all settings allows must mean something here, or it would be an option that does
    /// nothing.
    #[test]
    fn every_word_of_every_setting_means_something() {
        let words = |name: &str| match settings::find(name).map(|setting| setting.kind) {
            Some(Kind::Word(words) | Kind::Words(words)) => words.to_vec(),
            other => panic!("{name}: {other:?}"),
        };
        let names = |known: &[&'static str]| known.to_vec();
        assert_eq!(words("screen.columns"), COLUMNS.map(|(name, _)| name));
        assert_eq!(words("screen.scope"), SCOPES.map(|(name, _)| name));
        assert_eq!(words("screen.join"), JOINS.map(|(name, _)| name));
        assert_eq!(words("search.mode"), MODES.map(|(name, _)| name));
        assert_eq!(words("screen.direction"), names(&["up", "down"]));
        assert_eq!(words("screen.keys_mode"), names(&["emacs", "vim"]));
        assert_eq!(words("screen.enter"), names(&["put", "run"]));
        assert_eq!(words("screen.style"), names(&["full", "inline"]));
    }

    #[test]
    fn every_default_is_the_one_that_is_documented() {
        let mut documented = Screen::default();
        documented.columns.clear();
        for setting in settings::ALL.iter().filter(|setting| !setting.default.is_empty()) {
            let file: toml::Table = format!("value = {}", setting.default).parse().expect("TOML");
            documented.take(setting.name, &file["value"]);
        }
        assert_eq!(documented, Screen::default());
    }

    #[test]
    fn heights_are_rows_or_a_part() {
        assert_eq!(parse_height("15"), Some(Height::Rows(15)));
        assert_eq!(parse_height("40%"), Some(Height::Percent(40)));
        for nonsense in ["", "4", "0%", "101%", "x", "-3"] {
            assert_eq!(parse_height(nonsense), None, "{nonsense}");
        }
    }
}
