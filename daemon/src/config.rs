//! The daemon's part of the configuration file, and when it is read. A broken file never stops recording: what cannot be
//! used leaves in force what was before, and becomes a [`Problem`], which `caro doctor` shows.
//!
//! The file is looked at before each reading of the spool, so that a rule holds for the first command that is typed
//! after it was saved. Which settings there are and what they may be is one table, [`caro_schema::settings`]; tables of
//! `caro` alone are passed over here.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path};

use caro_core::device::{Rules, Selection, Traits};
pub use caro_schema::ipc::status::Problem;
use caro_schema::limits::COMMAND_SYNC_BYTES_MAX;
use caro_schema::redacted::Redacted;
use caro_schema::settings::{self, ALL, Kind, Reader, Setting};
use regex::bytes::RegexSet;
use toml::{Table, Value};
use tracing::level_filters::LevelFilter;

use crate::filter::{Filter, Secrets};

/// What the daemon goes by.
#[derive(Clone)]
pub struct Config {
    /// `log`: how much is written to the log.
    pub log: LevelFilter,
    /// `key.store`: where the key of the database is kept.
    pub key_store: KeyStore,
    /// `record`: what is not recorded.
    pub filter: Filter,
    /// `history`: what is kept.
    pub keep: Keep,
    /// `history.undo_seconds`: how long a deletion can be taken back, in milliseconds.
    pub undo_ms: u64,
    /// `sync.include_…`, `sync.exclude_…` and `sync.command_bytes`: which commands leave this machine.
    pub selection: Selection,
    /// `stats.count`: whether uses are counted.
    pub counts_uses: bool,
    /// `sync.window_days`: how far back history is synced; none for all of it.
    pub window_days: Option<u32>,
    /// `sync.window_commands`: how many commands from before joining are synced; none for all.
    pub window_commands: Option<u64>,
    /// `sync.proxy`: the way to relays; empty where the environment says it.
    pub proxy: Redacted<String>,
}

/// What of history is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// `history.keep_days`: commands of so many days; none for all.
    pub days: Option<u32>,
    /// `history.keep_count`: so many commands; none for all.
    pub count: Option<u64>,
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

/// The file as far as it could be used, and what could not.
#[derive(Default)]
pub struct Loaded {
    /// What to go by.
    pub config: Config,
    /// What is known of the file.
    pub file: ConfigFile,
}

/// What is known of the file that was read last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigFile {
    /// What was passed over.
    pub problems: Vec<Problem>,
    /// Nothing of it could be used: what was in force before still is.
    pub is_broken: bool,
    /// Settings whose new value waits for the next start.
    pub waiting: Vec<&'static str>,
    stamp: [Stamp; 2],
}

/// What tells that a file was changed, without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            log: LevelFilter::INFO,
            key_store: KeyStore::default(),
            filter: Filter::default(),
            keep: Keep::default(),
            undo_ms: 60_000,
            selection: Selection::default(),
            counts_uses: true,
            window_days: Some(90),
            window_commands: Some(10_000),
            proxy: Redacted::default(),
        }
    }
}

/// Bytes of a configuration file. A larger one is not a configuration.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

impl Loaded {
    /// From a file, and from the account's settings for what it does not say; one that is not there is as good as an empty
    /// one. `home` is what `~` stands for.
    pub fn read(path: &Path, shared: &Path, home: Option<&Path>) -> Self {
        Self::read_over(&Config::default(), (path, shared), home)
    }

    /// Reads the file again if it has changed, or is to be read in any case. What it says about the start is in force
    /// from the next one on.
    pub fn again(
        running: &Config,
        known: &ConfigFile,
        paths: (&Path, &Path),
        home: Option<&Path>,
        in_any_case: bool,
    ) -> Option<Self> {
        if !in_any_case && Stamp::of_both(paths) == known.stamp {
            return None;
        }
        let mut loaded = Self::read_over(running, paths, home);
        let Config { log, key_store, .. } = loaded.config;
        let has_other_proxy = loaded.config.proxy != running.proxy;
        let differs = [
            ("log", log != running.log),
            ("key.store", key_store != running.key_store),
            ("sync.proxy", has_other_proxy),
        ];
        loaded.file.waiting = differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
        let Config { log, key_store, .. } = *running;
        let proxy = running.proxy.clone();
        loaded.config = Config { log, key_store, proxy, ..loaded.config };
        loaded.config.filter.pauses = running.filter.pauses.clone();
        Some(loaded)
    }

    fn read_over(before: &Config, (path, shared): (&Path, &Path), home: Option<&Path>) -> Self {
        let stamp = Stamp::of_both((path, shared));
        // What the daemon wrote itself; of no use to anybody when it cannot be read, and written again at the next start.
        let shared = text_of(shared).ok().and_then(|text| text.parse::<Table>().ok()).unwrap_or_default();
        let mut loaded = match text_of(path) {
            Ok(text) => Self::parse(before, &text, &shared, home),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::parse(before, "", &shared, home),
            Err(error) => Self::broken(before, problem(format!("not readable: {error}"), "")),
        };
        loaded.file.stamp = stamp;
        loaded
    }

    fn broken(before: &Config, problem: Problem) -> Self {
        let file = ConfigFile { problems: vec![problem], is_broken: true, ..ConfigFile::default() };
        Self { config: before.clone(), file }
    }

    fn parse(before: &Config, text: &str, shared: &Table, home: Option<&Path>) -> Self {
        match text.parse::<Table>() {
            Ok(mut table) => {
                fill(&mut table, shared);
                let mut loaded = Self::default();
                loaded.take_table(before, &table, "", home);
                loaded
            }
            Err(error) => {
                let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
                Self::broken(before, problem(format!("line {line}: {}", error.message()), ""))
            }
        }
    }

    fn take_table(&mut self, before: &Config, table: &Table, prefix: &str, home: Option<&Path>) {
        for (key, value) in table {
            let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match (settings::find(&name), value) {
                (Some(setting), _) if setting.reader == Reader::Caro => {}
                (Some(setting), _) => {
                    if !setting.kind.accepts(&seen(value)) {
                        let what = format!("{name} is not what it may be");
                        self.file.problems.push(problem(what, setting.kind.in_words()));
                        self.config.keep_from(before, setting);
                    } else {
                        self.file.problems.extend(self.config.take(setting, value, home));
                    }
                }
                (None, _) if is_of_caro(&name) => {}
                (None, Value::Table(inner)) if settings::is_section(&name) => {
                    self.take_table(before, inner, &name, home);
                }
                (None, _) => {
                    let instead = settings::nearest(&name).map_or("", |setting| setting.name);
                    self.file.problems.push(problem(format!("no setting is called {name}"), instead));
                }
            }
        }
    }
}

impl Config {
    /// What of it the device goes by.
    pub fn rules(&self) -> Rules {
        Rules {
            window_days: self.window_days,
            window_count: self.window_commands,
            selection: self.selection.clone(),
            ..Rules::default()
        }
    }

    /// Takes a value that its setting accepts. Gives what of it cannot be used.
    fn take(&mut self, setting: &Setting, value: &Value, home: Option<&Path>) -> Vec<Problem> {
        let word = value.as_str().unwrap_or_default();
        match setting.name {
            "log" => self.log = word.parse().unwrap_or(self.log),
            "key.store" => {
                self.key_store = match word {
                    "keychain" => KeyStore::Keychain,
                    "file" => KeyStore::File,
                    _ => KeyStore::Auto,
                };
            }
            "record.ignore_commands" => {
                let (patterns, problems) = patterns(setting.name, value);
                self.filter.ignore_commands = patterns;
                return problems;
            }
            "record.ignore_directories" => {
                let (directories, problems) = directories(setting.name, value, home);
                self.filter.ignore_directories = directories;
                return problems;
            }
            "record.ignore_space" => self.filter.ignore_space = value.as_bool().unwrap_or(true),
            "record.secrets" => {
                self.filter.secrets = match word {
                    "mask" => Secrets::Mask,
                    "keep" => Secrets::Keep,
                    _ => Secrets::Drop,
                };
            }
            "history.keep_days" => self.keep.days = limit(value),
            "history.keep_count" => self.keep.count = limit(value),
            "history.undo_seconds" => {
                self.undo_ms = value.as_integer().and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(60) * 1000;
            }
            "sync.command_bytes" => {
                let bytes = value.as_integer().and_then(|bytes| usize::try_from(bytes).ok());
                self.selection.command_bytes = bytes.unwrap_or(COMMAND_SYNC_BYTES_MAX);
            }
            name if name.starts_with("sync.exclude_") || name.starts_with("sync.include_") => {
                return self.take_traits(setting, value, home);
            }
            "stats.count" => self.counts_uses = value.as_bool().unwrap_or(true),
            "sync.window_days" => self.window_days = limit(value),
            "sync.window_commands" => self.window_commands = limit(value),
            "sync.proxy" => self.proxy = Redacted::new(word.to_owned()),
            // A test sees to it that there is no other.
            _ => {}
        }
        Vec::new()
    }

    /// Takes a rule about what leaves this machine.
    fn take_traits(&mut self, setting: &Setting, value: &Value, home: Option<&Path>) -> Vec<Problem> {
        let excludes = setting.name.starts_with("sync.exclude_");
        let traits = if excludes { &mut self.selection.exclude } else { &mut self.selection.include };
        let words = || texts(value).map(str::to_owned).collect();
        match setting.name.rsplit_once('_').map_or("", |(_, what)| what) {
            "commands" => {
                let (patterns, problems) = patterns(setting.name, value);
                traits.commands = patterns;
                if !excludes && !problems.is_empty() {
                    let_nothing_through_if_empty(traits, setting.name);
                }
                return problems;
            }
            "directories" => {
                let (directories, problems) = directories(setting.name, value, home);
                traits.directories = directories;
                if !excludes && !problems.is_empty() {
                    let_nothing_through_if_empty(traits, setting.name);
                }
                return problems;
            }
            "hosts" => traits.hosts = words(),
            "sessions" => traits.sessions = words(),
            "authors" => traits.authors = words(),
            _ => {}
        }
        Vec::new()
    }

    /// Leaves a setting as it was: what replaces it cannot be used.
    fn keep_from(&mut self, before: &Self, setting: &Setting) {
        match setting.name {
            "log" => self.log = before.log,
            "key.store" => self.key_store = before.key_store,
            "record.ignore_commands" => self.filter.ignore_commands = before.filter.ignore_commands.clone(),
            "record.ignore_directories" => self.filter.ignore_directories = before.filter.ignore_directories.clone(),
            "record.ignore_space" => self.filter.ignore_space = before.filter.ignore_space,
            "record.secrets" => self.filter.secrets = before.filter.secrets,
            "history.keep_days" => self.keep.days = before.keep.days,
            "history.keep_count" => self.keep.count = before.keep.count,
            "history.undo_seconds" => self.undo_ms = before.undo_ms,
            "sync.command_bytes" => self.selection.command_bytes = before.selection.command_bytes,
            name if name.starts_with("sync.exclude_") => {
                keep_trait(&mut self.selection.exclude, &before.selection.exclude, name);
            }
            name if name.starts_with("sync.include_") => {
                keep_trait(&mut self.selection.include, &before.selection.include, name);
                let_nothing_through_if_empty(&mut self.selection.include, name);
            }
            "stats.count" => self.counts_uses = before.counts_uses,
            "sync.window_days" => self.window_days = before.window_days,
            "sync.window_commands" => self.window_commands = before.window_commands,
            "sync.proxy" => self.proxy = before.proxy.clone(),
            _ => {}
        }
    }
}

/// The text of a file, unless it is too large for one.
fn text_of(path: &Path) -> io::Result<String> {
    if Stamp::of(path).bytes > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large for a configuration"));
    }
    fs::read_to_string(path)
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

impl Stamp {
    fn of_both((path, shared): (&Path, &Path)) -> [Self; 2] {
        [Self::of(path), Self::of(shared)]
    }

    /// All zero when there is no file.
    fn of(path: &Path) -> Self {
        fs::metadata(path).map_or(Self::default(), |meta| Self {
            inode: meta.ino(),
            bytes: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

fn problem(what: String, instead: impl Into<String>) -> Problem {
    Problem { what, instead: instead.into() }
}

/// Whether a name is a table, or in a table, of which all settings are `caro`'s: it says itself what is wrong there.
fn is_of_caro(name: &str) -> bool {
    let table = name.split('.').next().unwrap_or_default();
    let mut inside = ALL.iter().filter(|setting| setting.name.split_once('.').is_some_and(|(top, _)| top == table));
    settings::is_section(table) && inside.all(|setting| setting.reader == Reader::Caro)
}

/// A value, as the table of settings looks at it.
pub(crate) fn seen(value: &Value) -> settings::Value<'_> {
    match value {
        Value::Boolean(flag) => settings::Value::Flag(*flag),
        Value::Integer(number) => settings::Value::Number(*number),
        Value::String(text) => settings::Value::Text(text),
        Value::Table(_) => settings::Value::Table,
        Value::Array(list) => {
            let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            texts.map_or(settings::Value::Other, settings::Value::Texts)
        }
        Value::Float(_) | Value::Datetime(_) => settings::Value::Other,
    }
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The patterns of a list that can be used, and what is wrong with the others: those that can be read hold all the same.
fn patterns(name: &str, value: &Value) -> (RegexSet, Vec<Problem>) {
    let (good, bad): (Vec<&str>, Vec<&str>) = texts(value).partition(|text| regex::bytes::Regex::new(text).is_ok());
    let not_one = |text: &str| problem(format!("{name}: {text:?} is not a pattern"), Kind::Patterns.in_words());
    let mut problems: Vec<Problem> = bad.into_iter().map(not_one).collect();
    let mut held = &good[..];
    let set = loop {
        // Nothing at all always fits.
        match RegexSet::new(held) {
            Ok(set) => break set,
            Err(_) if held.is_empty() => break RegexSet::empty(),
            Err(_) => held = &held[..held.len() / 2],
        }
    };
    if held.len() < good.len() {
        let what = format!("{name} is too large: only the first {} of {} patterns hold", held.len(), good.len());
        problems.push(problem(what, "fewer or smaller patterns"));
    }
    (set, problems)
}

/// Puts what nothing has into a list of what may be sent, of whose entries none can be used: an empty one would be no limit, and
/// send everything.
fn let_nothing_through_if_empty(traits: &mut Traits, name: &str) {
    let nothing = || "\0".to_owned();
    match name.rsplit_once('_').map_or("", |(_, what)| what) {
        "commands" if traits.commands.is_empty() => {
            traits.commands = RegexSet::new([r"[^\s\S]"]).unwrap_or_else(|_| RegexSet::empty());
        }
        "directories" if traits.directories.is_empty() => traits.directories.push(nothing().into_bytes()),
        "hosts" if traits.hosts.is_empty() => traits.hosts.push(nothing()),
        "sessions" if traits.sessions.is_empty() => traits.sessions.push(nothing()),
        "authors" if traits.authors.is_empty() => traits.authors.push(nothing()),
        _ => {}
    }
}

/// The directories of a list that can be used, and what is wrong with the others.
fn directories(name: &str, value: &Value, home: Option<&Path>) -> (Vec<Vec<u8>>, Vec<Problem>) {
    let (good, bad): (Vec<&str>, Vec<&str>) = texts(value).partition(|text| settings::is_directory(text));
    let not_one = |text: &str| problem(format!("{name}: {text:?} is not a whole path"), Kind::Directories.in_words());
    (good.into_iter().map(|text| expand(text, home)).collect(), bad.into_iter().map(not_one).collect())
}

/// Leaves one list of a rule as it was.
fn keep_trait(traits: &mut Traits, before: &Traits, name: &str) {
    match name.rsplit_once('_').map_or("", |(_, what)| what) {
        "commands" => traits.commands = before.commands.clone(),
        "directories" => traits.directories = before.directories.clone(),
        "hosts" => traits.hosts = before.hosts.clone(),
        "sessions" => traits.sessions = before.sessions.clone(),
        "authors" => traits.authors = before.authors.clone(),
        _ => {}
    }
}

/// A number, or none for no limit.
fn limit<N: TryFrom<i64>>(value: &Value) -> Option<N> {
    value.as_integer().and_then(|number| N::try_from(number).ok())
}

fn expand(text: &str, home: Option<&Path>) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    let path = match (text.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => Path::new(text).to_owned(),
    };
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(test)]
mod tests;
