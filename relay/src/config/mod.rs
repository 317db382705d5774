//! What a person may set, from a TOML file, the environment (`CARO_RELAY_…`) and the command line, each over the one
//! before. Everything has a default with which `caro-relay serve` just works. A name that is not known is an error: a
//! limit with a mistyped name would be no limit. How the layers are read is in `layers`, what does not go together in
//! `together`.

mod layers;
mod together;

use std::{
    fs,
    io::{self, Read},
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    limits::{CONFIG_BYTES_MAX, Limits},
    registration::{Invitations, Registration},
};

pub use layers::{Loaded, Origin};

/// Port of a relay that was told none.
pub const DEFAULT_PORT: u16 = 7490;

/// Everything that may be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The folder for keys, certificate and database.
    pub data: PathBuf,
    /// A PostgreSQL server that several relays share, as `postgres://user@host:port/database`, in place of the database in
    /// the folder.
    pub storage: Option<String>,
    /// A file with the password for it and nothing else.
    pub storage_password_file: Option<PathBuf>,
    /// PEM certificates of whoever vouches for it, in place of those that the system trusts.
    pub storage_ca: Option<PathBuf>,
    /// Connections to it.
    pub storage_connections: u32,
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
    /// A file with one invitation a line, beside those of `caro-relay token`, for `registration = "token"`.
    pub invitations: Option<PathBuf>,
    /// Whether cells are kept until somebody purges them.
    pub mode: Mode,
    /// In the mailbox mode: days after which a cell is forgotten even when a device has not fetched it.
    pub mailbox_days: u32,
    /// Where `/health` and `/metrics` are answered; nowhere when it is not set.
    pub health: Option<SocketAddr>,
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

/// How long cells are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Until a device has them purged. A device that was away for years finds everything.
    Durable,
    /// Until every listed device has them, or they are old. A device that was away for longer is told so.
    Mailbox,
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
    /// A file cannot be read: which, and why.
    #[error("{0} cannot be read: {1}")]
    Read(String, io::Error),
    /// It is above [`CONFIG_BYTES_MAX`].
    #[error("{0} is larger than such a file can be")]
    TooLarge(String),
    /// Something in it is not known or not of its kind.
    #[error("{0}: {1}")]
    Wrong(String, String),
    /// A name in the file is not known.
    #[error("{file}: {name} is not a setting of caro-relay{}", nearest(.near))]
    Unknown {
        /// Which file.
        file: String,
        /// The name, with its table.
        name: String,
        /// The setting that it resembles most.
        near: Option<String>,
    },
    /// An environment variable is not known.
    #[error("{name} is not a setting of caro-relay{}", nearest(.near))]
    Variable {
        /// Its name.
        name: String,
        /// The variable that it resembles most.
        near: Option<String>,
    },
    /// Settings that do not go together.
    #[error("{0}")]
    Together(String),
    /// Several of these.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<Self>),
}

fn nearest(near: &Option<String>) -> String {
    near.as_ref().map_or_else(String::new, |near| format!("; did you mean {near}?"))
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), DEFAULT_PORT),
            data: PathBuf::from("caro-relay"),
            storage: None,
            storage_password_file: None,
            storage_ca: None,
            storage_connections: 8,
            plain: false,
            public_host: None,
            certificate: None,
            certificate_key: None,
            registration: Admission::Open,
            invitations: None,
            mode: Mode::Durable,
            mailbox_days: 30,
            health: None,
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
    /// The server.
    pub storage: Option<String>,
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
        Ok(Loaded::read(overrides, environment)?.config)
    }

    /// Who may make an account, with the invitations read.
    ///
    /// # Errors
    /// When their file cannot be read.
    pub fn registration(&self) -> Result<Registration, ConfigError> {
        Ok(match (self.registration, &self.invitations) {
            (Admission::Open, _) => Registration::Open,
            (Admission::Closed, _) => Registration::Closed,
            (Admission::Token, None) => Registration::Token(Invitations::default()),
            (Admission::Token, Some(path)) => {
                Registration::Token(Invitations::from_lines(&read("the file of invitations", path)?))
            }
        })
    }
}

fn read(what: &str, path: &Path) -> Result<String, ConfigError> {
    let name = || format!("{what} {}", path.display());
    let failed = |error| ConfigError::Read(name(), error);
    let mut text = String::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        return Err(ConfigError::TooLarge(name()));
    }
    Ok(text)
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
        let text = "listen = \"127.0.0.1:1\"\nlog = \"debug\"\n[limits]\nidle_ms = 1\nsession_ms = 2\n";
        let environment = [
            ("CARO_RELAY_LISTEN", "127.0.0.1:2"),
            ("CARO_RELAY_LIMITS_SESSION_MS", "3"),
            ("CARO_RELAY_TRUSTED_PROXIES", "127.0.0.1, ::1"),
            ("CARO_RELAY_PLAIN", "true"),
            ("CARO_OTHER", "x"),
        ];
        let config = load(text, &environment).unwrap();
        assert_eq!(config.listen, "127.0.0.1:2".parse().unwrap());
        assert_eq!((config.limits.idle_ms, config.limits.session_ms), (1, 3));
        assert_eq!(config.trusted_proxies, ["127.0.0.1".parse::<IpAddr>().unwrap(), "::1".parse().unwrap()]);
        assert!(config.plain && config.log == LogLevel::Debug);
    }

    #[test]
    fn trap_36_a_name_or_value_that_is_not_known_is_named() {
        type Variables = &'static [(&'static str, &'static str)];
        let cases: [(&str, Variables, &str); 13] = [
            ("lisen = \"x\"", &[], "lisen is not a setting of caro-relay; did you mean listen?"),
            ("[limits]\nidle_seconds = 3", &[], "limits.idle_seconds is not"),
            ("[limits]\nidle_m = 3", &[], "did you mean limits.idle_ms?"),
            ("idle_ms = 3", &[], "did you mean limits.idle_ms?"),
            ("[limit]\nidle_ms = 3", &[], "did you mean limits?"),
            ("listen = \"nowhere\"", &[], "listen"),
            ("plain = \"yes\"", &[], "plain"),
            (
                "",
                &[("CARO_RELAY_LISEN", "x")],
                "CARO_RELAY_LISEN is not a setting of caro-relay; did you mean CARO_RELAY_LISTEN?",
            ),
            ("", &[("CARO_RELAY_LIMITS_IDLE", "1")], "did you mean CARO_RELAY_LIMITS_IDLE_MS?"),
            ("", &[("CARO_RELAY_LIMITS_IDLE_MS", "soon")], "CARO_RELAY_LIMITS_IDLE_MS"),
            ("", &[("CARO_RELAY_PLAIN", "yes")], "CARO_RELAY_PLAIN"),
            ("mode = \"postbox\"", &[], "postbox"),
            ("[limits]\nopening_max = 0", &[], "limits.opening_max = 0 would let nobody in"),
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
        for (text, words) in [
            ("certificate = \"a\"", "certificate_key"),
            ("certificate_key = \"a\"", "certificate_key"),
            ("plain = true\ncertificate = \"a\"\ncertificate_key = \"b\"", "plain"),
            ("public_host = \"wss://relay\"", "public_host"),
            ("public_host = \"relay:7490\"", "public_host"),
            ("invitations = \"a\"", "registration = \"token\""),
            ("mailbox_days = 3", "mode = \"mailbox\""),
            ("mode = \"mailbox\"\nmailbox_days = 0", "mailbox_days"),
            ("storage = \"mysql://ada@db/caro\"", "not the address of a PostgreSQL server"),
            ("storage = \"postgres://ada:canary@db/caro\"", "has a password in it"),
            ("storage_ca = \"a\"", "storage = \"postgres://"),
            ("storage_connections = 3", "storage = \"postgres://"),
            ("storage = \"postgres://ada@db/caro\"\nstorage_connections = 1", "storage_connections"),
            ("listen = \"127.0.0.1:7490\"\nhealth = \"127.0.0.1:7490\"", "health"),
            (
                "[limits]\nopening_ms = 1000\ntls_ms = 2000",
                "limits.tls_ms = 2000 is more than limits.opening_ms = 1000",
            ),
            ("[limits]\nopening_max = 10\nopening_per_address_max = 11", "limits.opening_per_address_max"),
        ] {
            match load(text, &[]) {
                Err(ConfigError::Together(said)) => assert!(said.contains(words), "{text}: {said}"),
                Err(ConfigError::Several(all)) => {
                    assert!(all.iter().any(|one| one.to_string().contains(words)), "{text}: {all:?}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(load("public_host = \"2001:db8::1\"", &[]).is_ok());
        assert!(load("registration = \"token\"", &[]).is_ok());
        assert!(load("mode = \"mailbox\"\nmailbox_days = 3", &[]).is_ok());
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let Err(ConfigError::Several(all)) =
            load("lisen = 1\nplane = true\n[limits]\nidel_ms = 3", &[("CARO_RELAY_X", "y")])
        else {
            panic!("not several")
        };
        assert_eq!(all.len(), 4, "{all:?}");
    }

    #[test]
    fn where_a_setting_comes_from_is_known() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "log = \"debug\"\n[limits]\nidle_ms = 70000\n").unwrap();
        let overrides = Overrides { config: Some(file.path().to_owned()), plain: true, ..Overrides::default() };
        let environment = [("CARO_RELAY_LOG_FORMAT".to_owned(), "json".to_owned())];
        let loaded = Loaded::read(overrides, environment).unwrap();
        for (name, origin) in [
            ("log", Origin::File),
            ("limits.idle_ms", Origin::File),
            ("log_format", Origin::Environment),
            ("plain", Origin::CommandLine),
            ("limits.opening_ms", Origin::Default),
        ] {
            assert_eq!(loaded.origin(name), origin, "{name}");
        }
        let shown = loaded.show();
        assert!(shown.contains("log_format = \"json\"  # from the environment\n"), "{shown}");
        assert!(shown.contains("idle_ms = 70000  # from the file\n"), "{shown}");
        // What is shown is a configuration again.
        fs::write(file.path(), &shown).unwrap();
        let again =
            Config::load(Overrides { config: Some(file.path().to_owned()), ..Overrides::default() }, []).unwrap();
        assert_eq!(again, loaded.config);
    }
}
