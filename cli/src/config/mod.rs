//! This program's part of the configuration file: the tables `[screen]` and `[search]`. What cannot be used leaves its
//! default in place and is told by `caro doctor`; a broken file stops nothing. The daemon reads the other tables.
//!
//! Which settings there are and what each may be stands in `schema/src/settings.rs`, for all programs. What they mean for
//! the screen is in [`screen`], its keys in `keys.rs`, its looks in [`theme`].

mod keys;
pub(crate) mod screen;
pub(crate) mod theme;

use std::{fs, path::Path};

use caro_schema::settings;
use toml::{Table, Value};

pub(crate) use self::{
    screen::{Column, Direction, Height, Join, ROWS_MIN, Scope, Screen, parse_height},
    theme::Theme,
};
use crate::tui::Keymap;

/// What this program goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// The screen.
    pub(crate) screen: Screen,
    /// Its keys: the person's own, then the built-in ones.
    pub(crate) keymap: Keymap,
    /// How it looks; none for what suits the terminal.
    pub(crate) theme: Option<Theme>,
}

/// Bytes of a configuration file, as for the daemon.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

impl Config {
    /// From a file and, for what it does not say, from the account's settings, with what could not be used. A file that is not
    /// there is as good as an empty one, and the daemon tells about one that cannot be read: once is enough.
    pub(crate) fn read(path: &Path, shared: &Path) -> (Self, Vec<String>) {
        let text = |path: &Path| {
            let is_too_large = fs::metadata(path).is_ok_and(|meta| meta.len() > FILE_BYTES_MAX);
            if is_too_large { String::new() } else { fs::read_to_string(path).unwrap_or_default() }
        };
        let shared = text(shared).parse::<Table>().unwrap_or_default();
        Self::parse(&text(path), &shared, path.parent().unwrap_or(Path::new("/")))
    }

    fn parse(text: &str, shared: &Table, folder: &Path) -> (Self, Vec<String>) {
        let mut file = text.parse::<Table>().unwrap_or_default();
        fill(&mut file, shared);
        let mut screen = Screen::default();
        let mut own_keys = Vec::new();
        let mut problems = Vec::new();
        for (table, name, value) in values(&file) {
            let name = format!("{table}.{name}");
            match settings::find(&name).filter(|setting| setting.name == name) {
                None => problems.push(format!("{name}: there is no such setting{}", meant(&name))),
                Some(setting) if !setting.kind.accepts(&shown(value)) => {
                    problems.push(format!("{name}: it may be {}", setting.kind.in_words()));
                }
                Some(_) if name == "screen.keys" => {
                    let (bindings, wrong) = value.as_table().map(keys::read).unwrap_or_default();
                    own_keys = bindings;
                    problems.extend(wrong);
                }
                Some(_) => screen.take(&name, value),
            }
        }
        let theme = screen.theme.as_deref().and_then(|name| theme_named(name, folder, &mut problems));
        (Self { screen, keymap: Keymap::new(own_keys), theme }, problems)
    }
}

/// What a file says of the theme and of keys that means nothing: the table of settings cannot tell.
pub(crate) fn meaningless(text: &str, folder: &Path) -> Vec<String> {
    let told = |problem: &String| problem.starts_with("screen.keys: ") || problem.starts_with("screen.theme: \"");
    Config::parse(text, &Table::new(), folder).1.into_iter().filter(told).collect()
}

/// Adds what a table does not say.
fn fill(table: &mut Table, more: &Table) {
    for (key, value) in more {
        match (table.get_mut(key), value) {
            (Some(Value::Table(inner)), Value::Table(more)) => fill(inner, more),
            (Some(_), _) => {}
            (None, value) => drop(table.insert(key.clone(), value.clone())),
        }
    }
}

fn theme_named(name: &str, folder: &Path, problems: &mut Vec<String>) -> Option<Theme> {
    if let Some(theme) = Theme::named(name) {
        return Some(theme);
    }
    // A name, and no way out of the folder.
    let is_name = !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || "-_".contains(letter));
    let read = if is_name {
        Theme::read(&folder.join("themes").join(format!("{name}.toml")))
    } else {
        Err("a name has letters, digits, - and _".to_owned())
    };
    match read {
        Ok((theme, wrong)) => {
            problems.extend(wrong.into_iter().map(|problem| format!("themes/{name}.toml: {problem}")));
            Some(theme)
        }
        Err(problem) => {
            let perhaps = nearest_theme(name, folder).map(|near| format!("; perhaps {near:?}")).unwrap_or_default();
            problems.push(format!("screen.theme: {name:?}: {problem}{perhaps}"));
            None
        }
    }
}

/// The theme that was probably meant: a built-in one, or a file of the folder.
fn nearest_theme(name: &str, folder: &Path) -> Option<String> {
    let files = fs::read_dir(folder.join("themes")).into_iter().flatten().flatten();
    let own = files.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".toml")?.to_owned()));
    let names: Vec<String> = own.chain(theme::BUILT_IN.map(str::to_owned)).chain(["auto".to_owned()]).collect();
    settings::nearest_word(name, names.iter().map(String::as_str)).map(str::to_owned)
}

/// The nearest setting, for who mistyped one.
fn meant(name: &str) -> String {
    settings::nearest(name).map(|setting| format!("; did you mean {}?", setting.name)).unwrap_or_default()
}

fn values(file: &Table) -> impl Iterator<Item = (&'static str, &str, &Value)> {
    ["screen", "search"]
        .into_iter()
        .filter_map(|name| Some((name, file.get(name)?.as_table()?)))
        .flat_map(|(name, table)| table.iter().map(move |(key, value)| (name, key.as_str(), value)))
}

/// As the table of all settings looks at values.
pub(crate) fn shown(value: &Value) -> settings::Value<'_> {
    match value {
        Value::Boolean(flag) => settings::Value::Flag(*flag),
        Value::Integer(number) => settings::Value::Number(*number),
        Value::String(text) => settings::Value::Text(text),
        Value::Table(_) => settings::Value::Table,
        Value::Array(values) => values
            .iter()
            .map(Value::as_str)
            .collect::<Option<Vec<&str>>>()
            .map_or(settings::Value::Other, settings::Value::Texts),
        _ => settings::Value::Other,
    }
}

#[cfg(test)]
mod tests {
    use caro_schema::ipc::history::Mode;

    use super::*;

    fn parse(text: &str) -> (Config, Vec<String>) {
        Config::parse(text, &Table::new(), Path::new("/nowhere"))
    }

    #[test]
    fn every_setting_is_read() {
        let text = r#"
            log = "info"
            [screen]
            style = "inline"
            rows = "40%"
            direction = "down"
            enter = "run"
            scope = "host"
            columns = ["time", "command", "runs"]
            keys_mode = "vim"
            mouse = false
            preview = false
            join = "and"
            theme = "16"
            [screen.keys]
            f5 = "details"
            [search]
            mode = "regex"
            [sync]
            window_days = 3
        "#;
        let (config, problems) = parse(text);
        assert_eq!(problems, Vec::<String>::new());
        let expected = Screen {
            inline: true,
            height: Height::Percent(40),
            direction: Direction::Down,
            enter_runs: true,
            scope: Scope::Host,
            columns: vec![Column::Time, Column::Command, Column::Runs],
            vim: true,
            mouse: false,
            preview: false,
            join: Join::And,
            theme: Some("16".to_owned()),
            mode: Mode::Regex,
        };
        assert_eq!(config.screen, expected);
        assert_eq!(config.theme, Theme::named("16"));
        assert_ne!(config.keymap, Keymap::new(Vec::new()));
    }

    #[test]
    fn what_cannot_be_used_is_told_and_leaves_its_default() {
        let (config, problems) = parse(
            "[screen]\nstyle = \"big\"\nrows = 1\ncolour = 3\ntheme = \"../x\"\n[screen.keys]\nx = \"fly\"\n\
             [search]\nmode = 7\n",
        );
        let mut expected = parse("").0;
        expected.screen.theme = Some("../x".to_owned());
        assert_eq!(config, expected);
        assert_eq!(problems.len(), 6, "{problems:?}");
        for (problem, begins) in problems.iter().zip([
            "screen.colour: there is no such setting",
            "screen.keys: x: \"fly\" is no action",
            "screen.rows: it may be a number of lines from 5",
            "screen.style: it may be \"full\" or \"inline\"",
            "search.mode: it may be ",
            "screen.theme: \"../x\": a name has letters",
        ]) {
            assert!(problem.starts_with(begins), "{problem}");
        }
    }

    #[test]
    fn a_theme_of_ones_own_is_a_file_beside_the_configuration() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("themes")).expect("made");
        fs::write(folder.path().join("themes/mine.toml"), "base = \"16\"\n[styles]\nsky = \"red\"\n").expect("written");
        fs::write(folder.path().join("config.toml"), "[screen]\ntheme = \"mine\"\n").expect("written");
        let (config, problems) = Config::read(&folder.path().join("config.toml"), Path::new("/nowhere"));
        assert_eq!(config.theme, Theme::named("16"));
        assert_eq!(problems, ["themes/mine.toml: styles.sky: there is no such style"]);
        let near = |name: &str| meaningless(&format!("[screen]\ntheme = \"{name}\"\n"), folder.path());
        assert_eq!(near("mine"), Vec::<String>::new(), "it can be used, all but a part of it");
        let told = |end: &str| vec![format!("screen.theme: {end}")];
        assert_eq!(near("mien"), told("\"mien\": there is no such theme, and no file for it; perhaps \"mine\""));
        assert_eq!(near("drak"), told("\"drak\": there is no such theme, and no file for it; perhaps \"dark\""));
    }

    #[test]
    fn ds002_the_accounts_settings_hold_where_the_file_says_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, shared) = (folder.path().join("config.toml"), folder.path().join("settings.toml"));
        let account = "[screen]\nenter = \"run\"\nmouse = false\n[screen.keys]\nf5 = \"details\"\n";
        fs::write(&shared, account).expect("written");
        fs::write(&path, "[screen]\nmouse = true\n").expect("written");
        let (config, problems) = Config::read(&path, &shared);
        assert_eq!((config.screen.enter_runs, config.screen.mouse, problems), (true, true, Vec::new()));
        assert_ne!(config.keymap, Keymap::new(Vec::new()));
    }

    #[test]
    fn a_broken_file_is_as_good_as_none() {
        assert_eq!(parse("[screen"), parse(""));
        assert_eq!(Config::read(Path::new("/nowhere/at/all"), Path::new("/nowhere")).0, parse("").0);
    }
}
