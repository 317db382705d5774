//! What a person may set, from a TOML file, the environment (`CARO_RELAY_…`) and the command line, each over the one
//! before. Everything has a default with which `caro-relay serve` just works. A name that is not known is an error: a
//! limit with a mistyped name would be no limit.

use std::{
    fs,
    io::{self, Read},
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::{
    limits::{CONFIG_BYTES_MAX, Limits},
    registration::{Invitations, Registration},
};

/// Port of a relay that was told none.
pub const DEFAULT_PORT: u16 = 7490;

/// What begins the name of an environment variable of ours.
const PREFIX: &str = "CARO_RELAY_";

/// Everything that may be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The folder for keys, certificate and database.
    pub data: PathBuf,
    /// Whether to speak WebSocket without TLS, behind something that adds it.
    pub plain: bool,
    /// The host that devices are told to connect to.
    pub public_host: Option<String>,
    /// A certificate chain in PEM, in place of the self-made one.
    pub certificate: Option<PathBuf>,
    /// Its private key in PEM.
    pub certificate_key: Option<PathBuf>,
    /// Who may make an account.
    pub registration: Admission,
    /// A file with one invitation a line, for `registration = "token"`.
    pub invitations: Option<PathBuf>,
    /// Addresses of proxies that are believed when they say, in `X-Forwarded-For`, where a connection comes from.
    pub trusted_proxies: Vec<IpAddr>,
    /// How much is logged.
    pub log: LogLevel,
    /// In what form.
    pub log_format: LogFormat,
    /// The limits.
    pub limits: Limits,
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Admission {
    /// Anybody.
    Open,
    /// Whoever has an invitation.
    Token,
    /// Nobody.
    Closed,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What somebody has to look at.
    Error,
    /// And what was refused.
    Warn,
    /// And the start and the end.
    Info,
    /// And connections, without saying whose.
    Debug,
    /// And more of that.
    Trace,
}

/// In what form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why the configuration is not used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration {0} cannot be read: {1}")]
    Read(String, io::Error),
    /// It is above [`CONFIG_BYTES_MAX`].
    #[error("{0} is larger than a configuration can be")]
    TooLarge(String),
    /// Something in it is not known or not of its kind.
    #[error("{0}: {1}")]
    Wrong(String, String),
    /// An environment variable is not known.
    #[error("{0} is not a setting of caro-relay")]
    Variable(String),
    /// Settings that do not go together.
    #[error("{0}")]
    Together(&'static str),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), DEFAULT_PORT),
            data: PathBuf::from("caro-relay"),
            plain: false,
            public_host: None,
            certificate: None,
            certificate_key: None,
            registration: Admission::Open,
            invitations: None,
            trusted_proxies: Vec::new(),
            log: LogLevel::Info,
            log_format: LogFormat::Text,
            limits: Limits::default(),
        }
    }
}

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The file to read.
    pub config: Option<PathBuf>,
    /// Where to listen.
    pub listen: Option<SocketAddr>,
    /// The folder.
    pub data: Option<PathBuf>,
    /// Without TLS.
    pub plain: bool,
    /// The host for devices.
    pub public_host: Option<String>,
}

impl Config {
    /// From the file, the environment and the command line.
    ///
    /// # Errors
    /// What is wrong, with its place.
    pub fn load(
        overrides: Overrides,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let environment: Vec<(String, String)> = environment.into_iter().collect();
        let variable = |name: &str| environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let file = overrides.config.clone().or_else(|| variable("CARO_RELAY_CONFIG").map(PathBuf::from));
        let mut config: Self = match &file {
            Some(path) => from_file(path)?,
            None => Self::default(),
        };
        if config.data == Self::default().data {
            config.data = default_folder(&variable);
        }
        config = config.with_environment(&environment)?;
        config.listen = overrides.listen.unwrap_or(config.listen);
        config.data = overrides.data.unwrap_or(config.data);
        config.plain |= overrides.plain;
        config.public_host = overrides.public_host.or(config.public_host);
        config.check()?;
        Ok(config)
    }

    /// Who may make an account, with the invitations read.
    ///
    /// # Errors
    /// When their file cannot be read.
    pub fn registration(&self) -> Result<Registration, ConfigError> {
        Ok(match (self.registration, &self.invitations) {
            (Admission::Open, _) => Registration::Open,
            (Admission::Closed, _) | (Admission::Token, None) => Registration::Closed,
            (Admission::Token, Some(path)) => Registration::Token(Invitations::from_lines(&read(path)?)),
        })
    }

    fn with_environment(self, environment: &[(String, String)]) -> Result<Self, ConfigError> {
        let wrong = |name: &str, error: String| ConfigError::Wrong(name.to_owned(), error);
        let mut table = Table::try_from(&self).map_err(|error| wrong(PREFIX, error.to_string()))?;
        let ours = environment.iter().filter(|(name, _)| name.starts_with(PREFIX) && name != "CARO_RELAY_CONFIG");
        for (name, text) in ours {
            let key = name[PREFIX.len()..].to_ascii_lowercase();
            set(&mut table, &key, text).ok_or_else(|| ConfigError::Variable(name.clone()))?;
            // One at a time, so that the error names the right one.
            Self::deserialize(Value::Table(table.clone())).map_err(|error| wrong(name, error.to_string()))?;
        }
        Self::deserialize(Value::Table(table)).map_err(|error| wrong(PREFIX, error.to_string()))
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.certificate.is_some() != self.certificate_key.is_some() {
            return Err(ConfigError::Together("certificate and certificate_key must be set together"));
        }
        if self.plain && self.certificate.is_some() {
            return Err(ConfigError::Together("plain means no TLS, so no certificate either"));
        }
        if self.registration == Admission::Token && self.invitations.is_none() {
            return Err(ConfigError::Together("registration = \"token\" needs invitations = \"a file\""));
        }
        if let Some(host) = &self.public_host
            && (host.is_empty() || host.contains(['/', '#', '?', '@', ' ', ':']) && host.parse::<Ipv6Addr>().is_err())
        {
            return Err(ConfigError::Together("public_host is a host name or an address, without scheme and port"));
        }
        Ok(())
    }
}

/// Sets one key from text, which has the kind of what can stand there.
fn set(table: &mut Table, key: &str, text: &str) -> Option<()> {
    if let Some(limit) = key.strip_prefix("limits_") {
        let limits = table.get_mut("limits")?.as_table_mut()?;
        limits.get(limit)?;
        limits.insert(limit.to_owned(), number_or_text(text));
        return Some(());
    }
    let value = match key {
        "plain" => text.parse().map_or_else(|_| Value::from(text), Value::Boolean),
        "trusted_proxies" => {
            Value::Array(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Value::from).collect())
        }
        "listen" | "data" | "public_host" | "certificate" | "certificate_key" | "registration" | "invitations"
        | "log" | "log_format" => Value::from(text),
        _ => return None,
    };
    table.insert(key.to_owned(), value);
    Some(())
}

fn number_or_text(text: &str) -> Value {
    text.parse().map_or_else(|_| Value::from(text), Value::Integer)
}

fn from_file(path: &Path) -> Result<Config, ConfigError> {
    toml::from_str(&read(path)?).map_err(|error| ConfigError::Wrong(path.display().to_string(), error.to_string()))
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let failed = |error| ConfigError::Read(path.display().to_string(), error);
    let mut text = String::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        return Err(ConfigError::TooLarge(path.display().to_string()));
    }
    Ok(text)
}

/// Where a service manager says, else where the user's data is.
fn default_folder<'a>(variable: &impl Fn(&str) -> Option<&'a str>) -> PathBuf {
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    folder("STATE_DIRECTORY")
        .or_else(|| folder("XDG_DATA_HOME").map(|data| data.join("caro-relay")))
        .or_else(|| folder("HOME").map(|home| home.join(".local/share/caro-relay")))
        .unwrap_or_else(|| Config::default().data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let overrides = Overrides { config: Some(file.path().to_owned()), ..Overrides::default() };
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(overrides, environment)
    }

    #[test]
    fn nothing_set_is_enough() {
        let environment = [("HOME".to_owned(), "/home/ada".to_owned())];
        let config = Config::load(Overrides::default(), environment).unwrap();
        assert_eq!(config.listen.port(), DEFAULT_PORT);
        assert_eq!(config.data, Path::new("/home/ada/.local/share/caro-relay"));
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.registration().unwrap(), Registration::Open);
    }

    #[test]
    fn each_layer_goes_over_the_one_before() {
        let text = "listen = \"127.0.0.1:1\"\nlog = \"debug\"\n[limits]\nidle_ms = 1\nopening_ms = 2\n";
        let environment = [
            ("CARO_RELAY_LISTEN", "127.0.0.1:2"),
            ("CARO_RELAY_LIMITS_OPENING_MS", "3"),
            ("CARO_RELAY_TRUSTED_PROXIES", "127.0.0.1, ::1"),
            ("CARO_RELAY_PLAIN", "true"),
            ("CARO_OTHER", "x"),
        ];
        let config = load(text, &environment).unwrap();
        assert_eq!(config.listen, "127.0.0.1:2".parse().unwrap());
        assert_eq!((config.limits.idle_ms, config.limits.opening_ms), (1, 3));
        assert_eq!(config.trusted_proxies, ["127.0.0.1".parse::<IpAddr>().unwrap(), "::1".parse().unwrap()]);
        assert!(config.plain && config.log == LogLevel::Debug);
    }

    #[test]
    fn trap_36_a_name_or_value_that_is_not_known_is_named() {
        type Variables = &'static [(&'static str, &'static str)];
        let cases: [(&str, Variables, &str); 9] = [
            ("lisen = \"x\"", &[], "lisen"),
            ("[limits]\nidle_seconds = 3", &[], "idle_seconds"),
            ("listen = \"nowhere\"", &[], "listen"),
            ("plain = \"yes\"", &[], "plain"),
            ("", &[("CARO_RELAY_LISEN", "x")], "CARO_RELAY_LISEN"),
            ("", &[("CARO_RELAY_LIMITS_IDLE", "1")], "CARO_RELAY_LIMITS_IDLE"),
            ("", &[("CARO_RELAY_LIMITS_IDLE_MS", "soon")], "CARO_RELAY_LIMITS_IDLE_MS"),
            ("", &[("CARO_RELAY_PLAIN", "yes")], "CARO_RELAY_PLAIN"),
            ("registration = \"token\"", &[], "invitations"),
        ];
        for (text, environment, word) in cases {
            let error = load(text, environment).unwrap_err().to_string();
            assert!(error.contains(word), "{text} {environment:?}: {error}");
        }
    }

    #[test]
    fn a_configuration_has_a_size_and_so_have_invitations() {
        let long = format!("# {}", "x".repeat(CONFIG_BYTES_MAX as usize));
        assert!(matches!(load(&long, &[]), Err(ConfigError::TooLarge(_))));
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), long).unwrap();
        let invitations = Some(file.path().to_owned());
        let config = Config { registration: Admission::Token, invitations, ..Config::default() };
        assert!(matches!(config.registration(), Err(ConfigError::TooLarge(_))));
    }

    #[test]
    fn settings_that_do_not_go_together_are_refused() {
        for text in [
            "certificate = \"a\"",
            "certificate_key = \"a\"",
            "plain = true\ncertificate = \"a\"\ncertificate_key = \"b\"",
            "public_host = \"wss://relay\"",
            "public_host = \"relay:7490\"",
        ] {
            assert!(matches!(load(text, &[]), Err(ConfigError::Together(_))), "{text}");
        }
        assert!(load("public_host = \"2001:db8::1\"", &[]).is_ok());
    }
}
