//! What to do about an error, in one sentence, for the person at the terminal.

use caro_relay::{
    admin::{Hint, ask::AskingError},
    backup::BackupError,
    config::ConfigError,
    folder::FolderError,
    keys::KeysError,
    log::{LogError, postgres, sqlite::OpenError},
    serve::ServeError,
    storage::StorageError,
    tls::TlsError,
};

/// What helps when the database in a folder is damaged.
pub(crate) const DAMAGED: &str =
    "it was kept as it is; put it back from a backup, as \"Backup and restore\" in docs/operating.md says";

/// What helps when that in a server is.
pub(crate) const DAMAGED_IN_SERVER: &str =
    "it was kept as it is; bring it back from a backup, then run caro-relay renew";

/// What to do, where there is something to say.
pub(crate) fn hint(error: &anyhow::Error) -> Option<&'static str> {
    error.chain().find_map(|cause| {
        None.or_else(|| cause.downcast_ref::<ServeError>().and_then(serve))
            .or_else(|| cause.downcast_ref::<FolderError>().map(folder))
            .or_else(|| cause.downcast_ref::<KeysError>().and_then(keys))
            .or_else(|| cause.downcast_ref::<OpenError>().map(database))
            .or_else(|| cause.downcast_ref::<postgres::OpenError>().map(server))
            .or_else(|| cause.downcast_ref::<postgres::SourceError>().map(source))
            .or_else(|| cause.downcast_ref::<TlsError>().map(tls))
            .or_else(|| cause.downcast_ref::<ConfigError>().map(config))
            .or_else(|| cause.downcast_ref::<AskingError>().and_then(asking))
            .or_else(|| cause.downcast_ref::<BackupError>().and_then(backup))
    })
}

fn serve(error: &ServeError) -> Option<&'static str> {
    match error {
        ServeError::Folder(error) => Some(folder(error)),
        ServeError::Keys(error) => keys(error),
        ServeError::Storage(error) => storage(error),
        ServeError::Tls(error) => Some(tls(error)),
        ServeError::Config(error) => Some(config(error)),
        ServeError::Listen(..) => Some("choose another address with --listen, or stop what listens there"),
        ServeError::Io(_) | ServeError::Entropy(_) => None,
    }
}

fn storage(error: &StorageError) -> Option<&'static str> {
    match error {
        StorageError::Sqlite(error) => Some(database(error)),
        StorageError::Postgres(error) => Some(server(error)),
        StorageError::Log(LogError::Damaged) => Some(DAMAGED),
        StorageError::Log(_) => Some("check the disk and the permissions of the folder"),
        StorageError::Io(_) | StorageError::Entropy(_) => None,
    }
}

fn server(error: &postgres::OpenError) -> &'static str {
    use postgres::{LinkError, OpenError};
    match error {
        OpenError::Source(error) => source(error),
        OpenError::Link(LinkError::NotDurable(_)) => {
            "set it back in postgresql.conf and for this user and database, and have the server read it again"
        }
        OpenError::Link(LinkError::TooOld(_)) => "bring the server up to a version that is still looked after",
        OpenError::Link(_) => {
            "see whether psql with the same address gets in; docs/several-relays.md says how it is set up"
        }
        OpenError::Newer { .. } => {
            "it was kept as it is; install the version of caro-relay that wrote it, or a later one"
        }
        OpenError::Older { .. } => "start a relay of this version once: caro-relay serve",
        OpenError::InUse => "stop all relays that use it; they can start again right after",
        OpenError::Changing => "try again in a moment",
        OpenError::Foreign => "it was kept as it is; give the relay a database of its own",
        OpenError::OtherKeys => {
            "copy session.key and signing.key from the folder of a relay that already uses it: all are one relay to devices"
        }
        OpenError::Gone => "bring it back, from a backup if need be, and start the relay again",
        OpenError::None => "start a relay with it once: caro-relay serve --storage",
        OpenError::Damaged => DAMAGED_IN_SERVER,
    }
}

fn source(error: &postgres::SourceError) -> &'static str {
    use postgres::SourceError;
    match error {
        SourceError::Address | SourceError::Lacks(_) => "write it as postgres://user@host:port/database",
        SourceError::Password => "put the password into a file of its own, and name that in storage_password_file",
        SourceError::File(error) => folder(error),
        SourceError::Authorities(..) | SourceError::NoAuthority(_) => {
            "storage_ca names the certificates in PEM that vouch for the server"
        }
        SourceError::NotText(_) => "the file holds the password in one line and nothing else",
    }
}

fn asking(error: &AskingError) -> Option<&'static str> {
    match error {
        AskingError::Refused(error) => error.hint().map(what_to_do),
        AskingError::Told(_, hint) => hint.map(what_to_do),
        AskingError::Folder(error) => Some(folder(error)),
        AskingError::Database(error) => Some(database(error)),
        AskingError::Server(error) => Some(server(error)),
        AskingError::NoDatabase(_) => Some("start it once: caro-relay serve; or name its folder with --data"),
        AskingError::Silent(_) => Some("run it as the user that the relay runs as"),
    }
}

fn what_to_do(hint: Hint) -> &'static str {
    match hint {
        Hint::Accounts => "caro-relay account list shows the handles",
        Hint::Invitations => "caro-relay token list shows the numbers",
        Hint::Start => "what is set holds from the next start on",
    }
}

fn backup(error: &BackupError) -> Option<&'static str> {
    match error {
        BackupError::There(_) => Some("nothing is written over: name a folder that is not there, or move what is"),
        BackupError::NoDatabase(_) => Some("name the relay's folder with --data"),
        BackupError::NotABackup { .. } => Some("name a folder that caro-relay backup has made"),
        BackupError::Damaged(_) | BackupError::DamagedKeys(_) => Some("nothing was restored; take an earlier backup"),
        BackupError::Keys(error) => keys(error),
        BackupError::Folder(error) => Some(folder(error)),
        BackupError::Database(error) => Some(database(error)),
        BackupError::Io { .. } | BackupError::Log(_) | BackupError::Entropy(_) => None,
    }
}

fn folder(error: &FolderError) -> &'static str {
    match error {
        FolderError::Io { .. } => "check that the folder can be written to, or choose another one with --data",
        FolderError::Loose { .. } => "if nobody else could have read it: chmod -R go-rwx on the folder",
        FolderError::NotOurs { .. } => "run caro-relay as the user that it belongs to, or choose another --data",
        FolderError::Network { .. } => "choose a folder on a local disk with --data; SQLite can lose data on this one",
        FolderError::Taken { .. } => "stop the other relay, or give this one a folder of its own with --data",
    }
}

fn keys(error: &KeysError) -> Option<&'static str> {
    match error {
        KeysError::Folder(error) => Some(folder(error)),
        KeysError::Damaged(_) | KeysError::Missing(_) => {
            Some("put the key files back from a backup; with new keys no device would know this relay any more")
        }
        KeysError::Others(_) => Some("restore into an empty folder, or move those keys away if they are of no use"),
        KeysError::None => Some("start it once: caro-relay serve"),
        KeysError::Entropy(_) => None,
    }
}

fn database(error: &OpenError) -> &'static str {
    match error {
        OpenError::Newer { .. } => {
            "it was kept as it is; install the version of caro-relay that wrote it, or a later one"
        }
        OpenError::Foreign => "it was kept as it is; choose another folder with --data",
        OpenError::Damaged => DAMAGED,
        OpenError::UnsafeSqlite(_) => "build caro-relay with the SQLite that it brings along",
        OpenError::Gone | OpenError::Io(_) | OpenError::Sqlite(_) => "check the disk and the permissions of the folder",
    }
}

fn tls(error: &TlsError) -> &'static str {
    match error {
        TlsError::Certificate(..) | TlsError::NoCertificate(_) => {
            "certificate names a chain in PEM, the server's first"
        }
        TlsError::NoKey(_) => "certificate_key names a private key in PEM that only this user can read",
        TlsError::Folder(error) => folder(error),
        TlsError::Unusable(_) | TlsError::Make(_) => "leave certificate out, and caro-relay makes one itself",
    }
}

fn config(error: &ConfigError) -> &'static str {
    match error {
        ConfigError::Read(..) => "check the path and who may read it",
        ConfigError::TooLarge(_) => "is it the right file?",
        ConfigError::Wrong(..)
        | ConfigError::Unknown { .. }
        | ConfigError::Variable { .. }
        | ConfigError::Together(_)
        | ConfigError::Several(_) => "every setting is listed in docs/operating.md",
    }
}
