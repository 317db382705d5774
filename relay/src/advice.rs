//! What to do about an error, in one sentence, for the person at the terminal.

use caro_relay::{
    config::ConfigError, folder::FolderError, keys::KeysError, log::sqlite::OpenError, serve::ServeError, tls::TlsError,
};

/// What to do, where there is something to say.
pub(crate) fn hint(error: &anyhow::Error) -> Option<&'static str> {
    error.chain().find_map(|cause| {
        None.or_else(|| cause.downcast_ref::<ServeError>().and_then(serve))
            .or_else(|| cause.downcast_ref::<FolderError>().map(folder))
            .or_else(|| cause.downcast_ref::<KeysError>().and_then(keys))
            .or_else(|| cause.downcast_ref::<OpenError>().map(database))
            .or_else(|| cause.downcast_ref::<TlsError>().map(tls))
            .or_else(|| cause.downcast_ref::<ConfigError>().map(config))
    })
}

fn serve(error: &ServeError) -> Option<&'static str> {
    match error {
        ServeError::Folder(error) => Some(folder(error)),
        ServeError::Keys(error) => keys(error),
        ServeError::Database(error) => Some(database(error)),
        ServeError::Tls(error) => Some(tls(error)),
        ServeError::Config(error) => Some(config(error)),
        ServeError::Listen(..) => Some("choose another address with --listen, or stop what listens there"),
        ServeError::Io(_) | ServeError::Entropy(_) => None,
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
        OpenError::Damaged => "it was kept as it is; put it back from a backup, then run caro-relay renew",
        OpenError::UnsafeSqlite(_) => "build caro-relay with the SQLite that it brings along",
        OpenError::Io(_) | OpenError::Sqlite(_) => "check the disk and the permissions of the folder",
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
        ConfigError::Wrong(..) | ConfigError::Variable(_) | ConfigError::Together(_) => {
            "every setting is listed in docs/operating.md"
        }
    }
}
