//! Where a PostgreSQL server is and how it is spoken to: from the one setting that a person writes, and from the file with
//! the password. A password in the setting itself is refused, because settings are shown, passed as arguments and logged.
//!
//! Over TCP the server proves itself with a certificate for its name, unless that was switched off in so many words.

use std::{
    fmt, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::ClientConfig;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use zeroize::Zeroizing;

use super::tls;
use crate::folder::{FolderError, read_private};

/// What begins a setting that names a PostgreSQL server.
pub const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Bytes of a file with passwords.
const PASSWORDS_BYTES_MAX: u64 = 64 << 10;

/// How long one address of the server may take to answer. Devices wait ten seconds for their first answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Why it is not known where the server is.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is not the address of a PostgreSQL server. The text is not repeated: there may be a password in it.
    #[error("storage is not the address of a PostgreSQL server")]
    Address,
    /// It names no database or no user.
    #[error("storage names no {0}")]
    Lacks(&'static str),
    /// A password stands where everybody sees it.
    #[error("storage has a password in it; a file of its own holds it, which storage_password_file names")]
    Password,
    /// A file of passwords or certificates cannot be used.
    #[error(transparent)]
    File(#[from] FolderError),
    /// The certificates of whoever vouches for the server cannot be read.
    #[error("{0} cannot be read: {1}")]
    Authorities(String, io::Error),
    /// There are none in it.
    #[error("{0} holds no certificate")]
    NoAuthority(String),
    /// The password is not text.
    #[error("{0} is not text")]
    NotText(String),
}

/// What a person says about the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// `postgres://user@host:port/database`.
    pub address: String,
    /// A file with the password and nothing else.
    pub password_file: Option<PathBuf>,
    /// A file as libpq has it: lines of `host:port:database:user:password`.
    pub passwords: Option<PathBuf>,
    /// PEM certificates of whoever vouches for the server, in place of those that the system trusts.
    pub authorities: Option<PathBuf>,
}

/// A server, with everything that it takes to connect.
#[derive(Clone)]
pub struct Source {
    pub(super) config: tokio_postgres::Config,
    pub(super) tls: Option<Arc<ClientConfig>>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config: _, tls } = self;
        f.debug_struct("Source").field("tls", &tls.is_some()).finish_non_exhaustive()
    }
}

/// Looks at the text of a setting, without opening any file.
///
/// # Errors
/// What is wrong with it.
pub fn check(address: &str) -> Result<(), SourceError> {
    parse(address).map(|_| ())
}

impl Source {
    /// From what a person says. Reads the files that it names.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(setting: &Setting) -> Result<Self, SourceError> {
        let mut config = parse(&setting.address)?;
        if let Some(password) = password(setting, &config)? {
            config.password(password.as_bytes());
        }
        let over_tcp = config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)));
        let plain = config.get_ssl_mode() == SslMode::Disable;
        if plain && over_tcp && !config.get_hosts().iter().all(is_here) {
            tracing::warn!("sslmode=disable: whoever is on the way to the database can read along and change things");
        }
        config.ssl_mode(if plain || !over_tcp { SslMode::Disable } else { SslMode::Require });
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(tls::client(setting.authorities.as_deref())?),
        };
        config
            .application_name("caro-relay")
            .connect_timeout(CONNECT_TIMEOUT)
            // A server that has become a standby would take nothing; the others of the list are tried.
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .tcp_user_timeout(Duration::from_secs(10))
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3);
        Ok(Self { config, tls })
    }
}

fn parse(address: &str) -> Result<tokio_postgres::Config, SourceError> {
    if !SCHEMES.iter().any(|scheme| address.starts_with(scheme)) {
        return Err(SourceError::Address);
    }
    // Ours is always the strictest of libpq's ways, under whichever of its names.
    let address = address.replace("sslmode=verify-full", "sslmode=require");
    let config: tokio_postgres::Config = address.parse().map_err(|_| SourceError::Address)?;
    if config.get_password().is_some() {
        return Err(SourceError::Password);
    }
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(SourceError::Lacks("host"));
    }
    if config.get_dbname().is_none_or(str::is_empty) {
        return Err(SourceError::Lacks("database"));
    }
    if config.get_user().is_none_or(str::is_empty) {
        return Err(SourceError::Lacks("user"));
    }
    Ok(config)
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
    }
}

fn password(setting: &Setting, config: &tokio_postgres::Config) -> Result<Option<Zeroizing<String>>, SourceError> {
    if let Some(path) = &setting.password_file {
        let text = read(path)?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        return Ok(Some(Zeroizing::new(line.strip_suffix('\r').unwrap_or(line).to_owned())));
    }
    let Some(path) = &setting.passwords else { return Ok(None) };
    Ok(find(&read(path)?, config))
}

fn read(path: &Path) -> Result<Zeroizing<String>, SourceError> {
    let missing = || {
        let error = io::Error::from(io::ErrorKind::NotFound);
        SourceError::File(FolderError::Io { path: path.to_owned(), error })
    };
    let bytes = read_private(path, PASSWORDS_BYTES_MAX)?.ok_or_else(missing)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| SourceError::NotText(path.display().to_string()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The first line that fits, as libpq looks for it.
fn find(lines: &str, config: &tokio_postgres::Config) -> Option<Zeroizing<String>> {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        Some(Host::Unix(_)) | None => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let wanted = [host.as_str(), &port, config.get_dbname()?, config.get_user()?];
    lines.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line)?;
        let fits = wanted.iter().zip(fields.iter()).all(|(wanted, field)| **field == "*" || field.as_str() == *wanted);
        fits.then(|| fields[4].clone())
    })
}

/// Five fields between colons; a backslash takes the next character as it is.
fn fields(line: &str) -> Option<[Zeroizing<String>; 5]> {
    let mut fields: [Zeroizing<String>; 5] = Default::default();
    let (mut at, mut characters) = (0, line.chars());
    while let Some(character) = characters.next() {
        match character {
            ':' if at < 4 => at += 1,
            '\\' => fields[at].push(characters.next().unwrap_or('\\')),
            other => fields[at].push(other),
        }
    }
    (at == 4).then_some(fields)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn setting(address: &str) -> Setting {
        Setting { address: address.to_owned(), ..Setting::default() }
    }

    fn private(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_password_in_the_setting_is_refused_and_not_repeated() {
        for address in ["postgres://ada:canary@db/caro", "postgresql://ada@db/caro?password=canary"] {
            let error = check(address).unwrap_err();
            assert!(matches!(error, SourceError::Password));
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }

    #[test]
    fn what_is_missing_or_foreign_is_said_without_repeating_it() {
        for (address, word) in [
            ("mysql://ada@db/caro", "PostgreSQL"),
            ("postgres://ada@db:many/caro", "PostgreSQL"),
            ("postgres://db/caro", "user"),
            ("postgres://ada@db", "database"),
            ("postgres:///caro?user=ada", "host"),
        ] {
            let said = check(address).unwrap_err().to_string();
            assert!(said.contains(word) && !said.contains("ada"), "{address}: {said}");
        }
    }

    #[test]
    fn over_tcp_the_server_proves_itself_unless_that_is_switched_off_in_so_many_words() {
        for (address, verified) in [
            ("postgres://ada@db/caro", true),
            ("postgres://ada@db/caro?sslmode=verify-full", true),
            ("postgres://ada@db/caro?sslmode=prefer", true),
            ("postgres://ada@127.0.0.1/caro", true),
            ("postgres://ada@db/caro?sslmode=disable", false),
            ("postgres://ada@%2Frun%2Fpostgresql/caro", false),
            ("postgres://ada@one,two/caro", true),
        ] {
            let source = Source::open(&setting(address)).unwrap();
            assert_eq!(source.tls.is_some(), verified, "{address}");
            let expected = if verified { SslMode::Require } else { SslMode::Disable };
            assert_eq!(source.config.get_ssl_mode(), expected, "{address}");
            assert_eq!(source.config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        }
    }

    #[test]
    fn trap_28_a_password_comes_from_a_file_that_only_its_owner_reads() {
        let file = private("s3cret with : and \\ \n");
        let mut named = setting("postgres://ada@db/caro?sslmode=disable");
        named.password_file = Some(file.path().to_owned());
        let source = Source::open(&named).unwrap();
        assert_eq!(source.config.get_password(), Some(&b"s3cret with : and \\ "[..]));
        assert!(!format!("{source:?}").contains("s3cret"));
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Source::open(&named), Err(SourceError::File(FolderError::Loose { .. }))));
        named.password_file = Some("/nowhere/password".into());
        assert!(matches!(Source::open(&named), Err(SourceError::File(FolderError::Io { .. }))));
    }

    #[test]
    fn a_file_of_passwords_is_read_as_libpq_does() {
        let file =
            private("# db:5432:caro:ada:no\nshort:line\nother:*:*:*:wrong\ndb:5433:*:ada:a\\:b\\\\c\n*:*:*:*:last\n");
        for (address, expected) in [
            ("postgres://ada@db:5433/caro?sslmode=disable", "a:b\\c"),
            ("postgres://ada@db:5432/caro?sslmode=disable", "last"),
            ("postgres://ada@other/caro?sslmode=disable", "wrong"),
        ] {
            let mut named = setting(address);
            named.passwords = Some(file.path().to_owned());
            let source = Source::open(&named).unwrap();
            assert_eq!(source.config.get_password(), Some(expected.as_bytes()), "{address}");
        }
    }

    #[test]
    fn whoever_vouches_for_the_server_is_read_or_said() {
        let file = private("nothing\n");
        let mut named = setting("postgres://ada@db/caro");
        named.authorities = Some(file.path().to_owned());
        assert!(matches!(Source::open(&named), Err(SourceError::NoAuthority(_))));
        named.authorities = Some("/nowhere/ca.pem".into());
        assert!(matches!(Source::open(&named), Err(SourceError::Authorities(..))));
    }
}
