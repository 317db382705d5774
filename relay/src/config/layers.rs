//! The layers of a configuration: defaults, file, environment, command line. Every name that is not known is found before
//! anything is made of it, with the known one that it resembles most.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::{Table, Value};

use super::{Config, ConfigError, Overrides, read, together};

/// What begins the name of an environment variable of ours.
const PREFIX: &str = "CARO_RELAY_";

/// The variable that names the file.
const FILE: &str = "CARO_RELAY_CONFIG";

/// How much a name must resemble a known one to be taken for a slip of the pen, of 1.
const LIKENESS: f64 = 0.8;

/// Where a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file.
    File,
    /// The environment.
    Environment,
    /// The command line.
    CommandLine,
}

/// A configuration and where each part of it comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file that was read, where one was named.
    pub file: Option<PathBuf>,
    origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// Reads all layers.
    ///
    /// # Errors
    /// Everything that is wrong, with its place.
    pub fn read(
        overrides: Overrides,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let environment: Vec<(String, String)> = environment.into_iter().collect();
        let variable = |name: &str| environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let mut layers = Layers::default();
        let file = overrides.config.clone().or_else(|| variable(FILE).map(PathBuf::from));
        let mut config = match &file {
            Some(path) => layers.file(path)?,
            None => Config::default(),
        };
        if config.data == Config::default().data {
            config.data = default_folder(&variable);
        }
        config = layers.environment(config, &environment);
        layers.command_line(&mut config, overrides);
        let Layers { origins, mut wrong } = layers;
        let loaded = Self { config, file, origins };
        if wrong.is_empty() {
            wrong = together::check(&loaded);
        }
        match wrong.len() {
            0 => Ok(loaded),
            1 => Err(wrong.remove(0)),
            _ => Err(ConfigError::Several(wrong)),
        }
    }

    /// Where a setting comes from; a limit is named with its table.
    pub fn origin(&self, name: &str) -> Origin {
        self.origins.get(name).copied().unwrap_or(Origin::Default)
    }

    /// Everything that holds, as a configuration file, with where it comes from.
    pub fn show(&self) -> String {
        // Not reached: every value of a configuration can stand in a table.
        let mut table = Table::try_from(&self.config).unwrap_or_default();
        let limits = table.remove("limits");
        let mut shown = String::new();
        for (name, value) in &table {
            shown.push_str(&self.line(name, name, value));
        }
        for name in names().into_iter().filter(|name| !name.contains('.') && !table.contains_key(name)) {
            shown.push_str(&format!("# {name} is not set\n"));
        }
        shown.push_str("\n[limits]\n");
        for (name, value) in limits.as_ref().and_then(Value::as_table).into_iter().flatten() {
            shown.push_str(&self.line(name, &format!("limits.{name}"), value));
        }
        shown
    }

    fn line(&self, name: &str, full_name: &str, value: &Value) -> String {
        let origin = match self.origin(full_name) {
            Origin::Default => "",
            Origin::File => "  # from the file",
            Origin::Environment => "  # from the environment",
            Origin::CommandLine => "  # from the command line",
        };
        format!("{name} = {value}{origin}\n")
    }
}

#[derive(Default)]
struct Layers {
    origins: BTreeMap<String, Origin>,
    wrong: Vec<ConfigError>,
}

impl Layers {
    fn file(&mut self, path: &Path) -> Result<Config, ConfigError> {
        let text = read("the configuration", path)?;
        let name = path.display().to_string();
        let wrong = |error: toml::de::Error| ConfigError::Wrong(name.clone(), error.to_string());
        let table: Table = toml::from_str(&text).map_err(wrong)?;
        let known = names();
        for key in keys(&table) {
            if known.contains(&key) || key == "limits" {
                self.origins.insert(key, Origin::File);
            } else {
                let near = near(&key, known.iter().map(String::as_str));
                self.wrong.push(ConfigError::Unknown { file: name.clone(), name: key, near });
            }
        }
        if !self.wrong.is_empty() {
            return Ok(Config::default());
        }
        // From the text once more, because it knows the lines.
        toml::from_str(&text).map_err(wrong)
    }

    fn environment(&mut self, config: Config, environment: &[(String, String)]) -> Config {
        // Not reached: every value of a configuration can stand in a table.
        let Ok(mut table) = Table::try_from(&config) else { return config };
        let mut config = config;
        let ours = environment.iter().filter(|(name, _)| name.starts_with(PREFIX) && name != FILE);
        for (variable, text) in ours {
            let Some(name) = setting_of(variable) else {
                let known: Vec<String> = names().iter().map(|name| variable_of(name)).collect();
                let near = near(variable, known.iter().map(String::as_str));
                self.wrong.push(ConfigError::Variable { name: variable.clone(), near });
                continue;
            };
            let before = table.clone();
            set(&mut table, &name, text);
            // One at a time, so that the error names the right one.
            match Config::deserialize(Value::Table(table.clone())) {
                Ok(next) => {
                    config = next;
                    self.origins.insert(name, Origin::Environment);
                }
                Err(error) => {
                    self.wrong.push(ConfigError::Wrong(variable.clone(), error.to_string()));
                    table = before;
                }
            }
        }
        config
    }

    fn command_line(&mut self, config: &mut Config, overrides: Overrides) {
        let Overrides { config: _, listen, data, storage, plain, public_host } = overrides;
        let mut given = |name: &str, is_given: bool| {
            if is_given {
                self.origins.insert(name.to_owned(), Origin::CommandLine);
            }
        };
        given("listen", listen.is_some());
        given("data", data.is_some());
        given("storage", storage.is_some());
        given("plain", plain);
        given("public_host", public_host.is_some());
        config.listen = listen.unwrap_or(config.listen);
        config.data = data.unwrap_or_else(|| config.data.clone());
        config.storage = storage.or_else(|| config.storage.take());
        config.plain |= plain;
        config.public_host = public_host.or_else(|| config.public_host.take());
    }
}

/// The settings that may be absent, and therefore do not stand in the table of the defaults.
const OPTIONAL: [&str; 8] = [
    "certificate",
    "certificate_key",
    "health",
    "invitations",
    "public_host",
    "storage",
    "storage_ca",
    "storage_password_file",
];

/// The names of all settings, limits with their table.
fn names() -> Vec<String> {
    let mut names = keys(&Table::try_from(Config::default()).unwrap_or_default());
    names.extend(OPTIONAL.map(str::to_owned));
    names
}

fn keys(table: &Table) -> Vec<String> {
    let mut keys = Vec::new();
    for (name, value) in table {
        match value.as_table().filter(|_| name == "limits") {
            Some(limits) => keys.extend(limits.keys().map(|limit| format!("limits.{limit}"))),
            None => keys.push(name.clone()),
        }
    }
    keys
}

/// The known name that one resembles most; one that stands in the wrong place counts as found.
fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let last = |name: &'a str| name.rsplit('.').next().unwrap_or(name);
    let mut best: Option<(f64, &str)> = None;
    for candidate in known.chain(["limits"]) {
        let likeness = strsim::jaro_winkler(name, candidate).max(strsim::jaro_winkler(name, last(candidate)) - 0.001);
        if likeness >= LIKENESS && best.is_none_or(|(most, _)| likeness > most) {
            best = Some((likeness, candidate));
        }
    }
    best.map(|(_, name)| name.to_owned())
}

fn variable_of(name: &str) -> String {
    format!("{PREFIX}{}", name.replace('.', "_").to_ascii_uppercase())
}

fn setting_of(variable: &str) -> Option<String> {
    names().into_iter().find(|name| variable_of(name) == variable)
}

/// Sets one key from text, which has the kind of what stands there.
fn set(table: &mut Table, name: &str, text: &str) {
    let number = |text: &str| text.parse().map_or_else(|_| Value::from(text), Value::Integer);
    if let Some(limit) = name.strip_prefix("limits.") {
        if let Some(limits) = table.get_mut("limits").and_then(Value::as_table_mut) {
            limits.insert(limit.to_owned(), number(text));
        }
        return;
    }
    let value = match table.get(name) {
        Some(Value::Boolean(_)) => text.parse().map_or_else(|_| Value::from(text), Value::Boolean),
        Some(Value::Integer(_)) => number(text),
        Some(Value::Array(_)) => {
            Value::Array(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Value::from).collect())
        }
        _ => Value::from(text),
    };
    table.insert(name.to_owned(), value);
}

/// Where a service manager says, else where the user's data is.
fn default_folder<'a>(variable: &impl Fn(&str) -> Option<&'a str>) -> PathBuf {
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    folder("STATE_DIRECTORY")
        .or_else(|| folder("XDG_DATA_HOME").map(|data| data.join("caro-relay")))
        .or_else(|| folder("HOME").map(|home| home.join(".local/share/caro-relay")))
        .unwrap_or_else(|| Config::default().data)
}
