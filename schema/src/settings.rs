//! Every setting of the configuration file: what it is called, what it may be, what it is when nothing says otherwise,
//! and which program goes by it.
//!
//! One table for all programs, so that a key cannot be documented and unknown, or known and undocumented. Knows nothing
//! of TOML or of files: whoever reads the file shows its values as [`Value`]. Keeps the promise that a default is a
//! value that its own setting accepts. The table itself is `settings/all.rs`.

mod all;

pub use self::all::ALL;

/// One key of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The full name, tables and key joined by dots.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it is when the file does not say, as it would stand in the file. Empty for [`Kind::Table`].
    pub default: &'static str,
    /// What it does, in a sentence or two.
    pub doc: &'static str,
    /// Which program goes by it.
    pub reader: Reader,
    /// What it belongs to.
    pub belongs: Belongs,
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of these words, each at most once.
    Words(&'static [&'static str]),
    /// A whole number.
    Number {
        /// The smallest.
        least: i64,
        /// The greatest.
        most: i64,
    },
    /// A whole number, or `"unlimited"`.
    Limit {
        /// The smallest.
        least: i64,
        /// The greatest.
        most: i64,
    },
    /// A number of lines, or a part of the terminal such as `"40%"`.
    Height {
        /// The fewest lines.
        least: i64,
    },
    /// A list of texts.
    Texts,
    /// A list of regular expressions. Whoever reads the file must be able to read each.
    Patterns,
    /// A list of directories, in which `~` stands for the home.
    Directories,
    /// A table whose keys are not listed here; the program that goes by it checks them.
    Table,
}

/// Which program goes by a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// `caro`, at each start.
    Caro,
    /// `caro-daemon`, as soon as the file changes.
    Daemon,
    /// `caro-daemon`, and only when it starts.
    DaemonAtStart,
}

/// What a setting belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// This machine: it would be wrong, or dangerous, on another one. It never leaves.
    Machine,
    /// The person, who would want it on every machine. It may sync where preferences do.
    Person,
}

/// A value of the file, as far as a check has to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A text.
    Text(&'a str),
    /// A list that holds nothing but texts.
    Texts(Vec<&'a str>),
    /// A table.
    Table,
    /// Anything else, which no setting is.
    Other,
}

/// Whether a text names a directory that a rule can be about: from the root, or from the home, which `~` stands for.
pub fn is_directory(text: &str) -> bool {
    text == "~" || text.starts_with("~/") || text.starts_with('/')
}

/// The word that stands for no limit.
pub const UNLIMITED: &str = "unlimited";

/// The setting that a full name means; for a name inside a [`Kind::Table`], that table.
pub fn find(name: &str) -> Option<&'static Setting> {
    ALL.iter().find(|setting| setting.name == name).or_else(|| {
        let holds = |setting: &&Setting| {
            let inside = name.strip_prefix(setting.name).and_then(|rest| rest.strip_prefix('.'));
            setting.kind == Kind::Table && inside.is_some_and(|rest| !rest.is_empty())
        };
        ALL.iter().find(holds)
    })
}

/// Whether settings begin with this name and a dot, so that it is a table of the file and no key.
pub fn is_section(name: &str) -> bool {
    ALL.iter().any(|setting| setting.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

/// The setting whose name takes the fewest changes, if it takes few. The last part alone also counts, for those who
/// remember the key and not its table.
pub fn nearest(name: &str) -> Option<&'static Setting> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().len();
    let steps = |setting: &Setting| {
        let whole = distance(name, setting.name);
        let key = setting.name.rsplit('.').next().unwrap_or_default();
        let own = name.rsplit('.').next().unwrap_or_default();
        // A key in the wrong table is a little further away than a slip of the finger.
        whole.min(distance(own, key) + 1)
    };
    let best = ALL.iter().map(|setting| (steps(setting), setting)).min_by_key(|(steps, _)| *steps);
    best.filter(|(steps, _)| *steps <= (last(name) / 3).max(2)).map(|(_, setting)| setting)
}

impl Kind {
    /// Whether a value is one that the setting may have. Patterns are only known to be texts.
    pub fn accepts(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Flag, Value::Flag(_)) | (Self::Text, Value::Text(_)) | (Self::Table, Value::Table) => true,
            (Self::Texts | Self::Patterns | Self::Directories, Value::Texts(_)) => true,
            (Self::Word(words), Value::Text(text)) => words.contains(text),
            (Self::Words(words), Value::Texts(texts)) => {
                let once = |(at, text): (usize, &&str)| words.contains(text) && !texts[..at].contains(text);
                texts.iter().enumerate().all(once)
            }
            (Self::Number { least, most } | Self::Limit { least, most }, Value::Number(number)) => {
                (*least..=*most).contains(number)
            }
            (Self::Limit { .. }, Value::Text(text)) => *text == UNLIMITED,
            (Self::Height { least }, Value::Number(lines)) => (*least..=HEIGHT_MAX).contains(lines),
            (Self::Height { .. }, Value::Text(text)) => {
                text.strip_suffix('%').and_then(|part| part.parse().ok()).is_some_and(|part| (1..=100).contains(&part))
            }
            _ => false,
        }
    }

    /// What it may be, for a sentence: "it may be …".
    pub fn in_words(&self) -> String {
        match self {
            Self::Flag => "true or false".to_owned(),
            Self::Text => r#"a text in quotes, "…""#.to_owned(),
            Self::Word(words) => one_of(words),
            Self::Words(words) => format!("a list, in brackets, of {}, each at most once", one_of(words)),
            Self::Number { least, most } => range(*least, *most),
            Self::Limit { least, most } => format!("{}, or \"{UNLIMITED}\"", range(*least, *most)),
            Self::Height { least } => format!("a number of lines from {least}, or a part such as \"40%\""),
            Self::Texts => r#"a list of texts, ["…", "…"]"#.to_owned(),
            Self::Patterns => r#"a list of regular expressions, ['…', '…']"#.to_owned(),
            Self::Directories => r#"a list of directories, ["~/…", "/…"]"#.to_owned(),
            Self::Table => "a table of its own".to_owned(),
        }
    }
}

/// Lines of the tallest terminal that anybody has.
const HEIGHT_MAX: i64 = 10_000;

fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

fn range(least: i64, most: i64) -> String {
    if most == i64::MAX || most == i64::from(u32::MAX) {
        format!("a whole number from {least}")
    } else {
        format!("a whole number from {least} to {most}")
    }
}

/// The word that takes the fewest changes, if it takes few: for who mistyped one.
pub fn nearest_word<'a>(typed: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let best = words.into_iter().map(|word| (distance(typed, word), word)).min_by_key(|(steps, _)| *steps);
    // In a word of three letters two changes make any other.
    best.filter(|(steps, _)| *steps <= (typed.chars().count() / 3).max(1)).map(|(_, word)| word)
}

/// Letters to add, drop, change or swap with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![vec![0; to.len() + 1]; from.len() + 1];
    for line in 0..=from.len() {
        for column in 0..=to.len() {
            rows[line][column] = if line == 0 || column == 0 {
                line + column
            } else {
                let change = rows[line - 1][column - 1] + usize::from(from[line - 1] != to[column - 1]);
                let swapped =
                    line > 1 && column > 1 && from[line - 1] == to[column - 2] && from[line - 2] == to[column - 1];
                let swap = if swapped { rows[line - 2][column - 2] + 1 } else { usize::MAX };
                change.min(rows[line - 1][column] + 1).min(rows[line][column - 1] + 1).min(swap)
            };
        }
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_setting_is_listed_once_and_says_what_it_does() {
        let mut names = HashSet::new();
        for Setting { name, kind, default, doc, .. } in ALL {
            assert!(names.insert(name), "{name} is listed twice");
            assert!(doc.ends_with('.') && doc.starts_with(char::is_uppercase), "{name}: {doc:?}");
            assert!(!doc.contains('\n'), "{name}: a sentence is one line here");
            assert_eq!(default.is_empty(), *kind == Kind::Table, "{name}");
            assert!(!is_section(name) || *kind == Kind::Table, "{name} is a key and a table");
        }
    }

    #[test]
    fn settings_of_one_table_stand_together() {
        let mut seen: Vec<&str> = Vec::new();
        for setting in ALL {
            let table = setting.name.rsplit_once('.').map_or("", |(table, _)| table);
            if seen.last() != Some(&table) {
                assert!(!seen.contains(&table), "{} stands apart from its table", setting.name);
                seen.push(table);
            }
        }
        assert_eq!(seen.first(), Some(&""), "keys without a table come first, as they must in the file");
    }

    #[test]
    fn an_unknown_key_is_named_with_the_nearest_right_one() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(nearest(name).map(|setting| setting.name), expected, "{name}");
        };
        check("key.stoer", Some("key.store"));
        check("record.ignore_command", Some("record.ignore_commands"));
        check("record.secret", Some("record.secrets"));
        check("sync.window_day", Some("sync.window_days"));
        check("history.window_days", Some("sync.window_days"));
        check("keep_days", Some("history.keep_days"));
        check("lgo", Some("log"));
        check("qqqqqqqq", None);
        check("", None);
    }

    #[test]
    fn a_mistyped_word_is_answered_with_the_nearest_one_if_that_is_near() {
        let words = ["accept", "put", "run"];
        assert_eq!(nearest_word("acept", words), Some("accept"));
        assert_eq!(nearest_word("rnu", words), Some("run"));
        assert_eq!(nearest_word("fly", words), None);
    }

    #[test]
    fn a_value_is_of_its_kind_or_it_is_not() {
        let check = |kind: Kind, value: Value<'_>, accepted: bool| {
            assert_eq!(kind.accepts(&value), accepted, "{kind:?} {value:?}");
        };
        check(Kind::Flag, Value::Flag(true), true);
        check(Kind::Flag, Value::Text("true"), false);
        check(Kind::Word(&["a", "b"]), Value::Text("b"), true);
        check(Kind::Word(&["a", "b"]), Value::Text("c"), false);
        check(Kind::Words(&["a", "b"]), Value::Texts(vec!["b", "a"]), true);
        check(Kind::Words(&["a", "b"]), Value::Texts(vec!["b", "b"]), false);
        check(Kind::Number { least: 2, most: 4 }, Value::Number(4), true);
        check(Kind::Number { least: 2, most: 4 }, Value::Number(5), false);
        check(Kind::Number { least: 2, most: 4 }, Value::Text("unlimited"), false);
        check(Kind::Limit { least: 2, most: 4 }, Value::Text("unlimited"), true);
        check(Kind::Limit { least: 2, most: 4 }, Value::Number(1), false);
        check(Kind::Height { least: 5 }, Value::Text("40%"), true);
        check(Kind::Height { least: 5 }, Value::Text("0%"), false);
        check(Kind::Height { least: 5 }, Value::Number(4), false);
        check(Kind::Patterns, Value::Texts(vec![]), true);
        check(Kind::Texts, Value::Other, false);
        check(Kind::Table, Value::Table, true);
    }

    #[test]
    fn what_a_setting_may_be_is_said_in_words() {
        assert_eq!(Kind::Word(&["drop", "mask", "keep"]).in_words(), r#""drop", "mask" or "keep""#);
        let limit = Kind::Limit { least: 1, most: i64::from(u32::MAX) };
        assert_eq!(limit.in_words(), r#"a whole number from 1, or "unlimited""#);
        assert_eq!(Kind::Number { least: 5, most: 50 }.in_words(), "a whole number from 5 to 50");
    }

    #[test]
    fn names_are_found_and_tables_are_told_from_keys() {
        assert_eq!(find("record.secrets").map(|setting| setting.name), Some("record.secrets"));
        assert_eq!(find("record"), None);
        assert_eq!((is_section("record"), is_section("log"), is_section("rec")), (true, false, false));
    }
}
