//! A log in a PostgreSQL server of the test's own, and relays that share it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, thread};

use caro_relay::{
    config::Config,
    log::{
        postgres::{Identity, OpenError, PostgresLog, PostgresReader, Setting, Source, verify},
        sqlite::verify::Report,
    },
};
use caro_schema::id::{Generation, Hash, RelayKey};
use caro_tests::Postgres;

use super::Running;

/// As which relay these logs are opened.
pub(crate) const IDENTITY: Identity = Identity { session: RelayKey([1; 32]), signer: Hash([2; 32]) };

/// A server and where it is.
pub(crate) struct Served {
    pub(crate) server: Postgres,
    pub(crate) source: Source,
}

impl Served {
    /// With an empty database; none where there is no server to start, which is noted.
    pub(crate) fn start(test: &str) -> Option<Self> {
        Some(Self::of(Postgres::start(test)?))
    }

    pub(crate) fn of(server: Postgres) -> Self {
        let source = source(&server, |_| {});
        Self { server, source }
    }

    pub(crate) fn try_log(&self) -> Result<PostgresLog, OpenError> {
        PostgresLog::open(&self.source, &IDENTITY, Generation([1; 16]))
    }

    pub(crate) fn log(&self) -> PostgresLog {
        self.try_log().unwrap()
    }

    pub(crate) fn reader(&self) -> PostgresReader {
        PostgresReader::new(&self.source)
    }

    /// In a thread of its own: a handle waits, and a test may be driving relays meanwhile.
    pub(crate) fn verify(&self) -> Report {
        thread::scope(|scope| scope.spawn(|| verify::verify(&self.source).unwrap()).join().unwrap())
    }

    /// A relay in this process. Every further one has the keys of the first.
    pub(crate) async fn relay(&self, first: Option<&Running>, change: impl FnOnce(&mut Config)) -> Running {
        let address = self.server.address();
        Running::with(|config| {
            config.storage = Some(address);
            config.storage_connections = 4;
            if let Some(first) = first {
                copy_keys(&first.folder, &config.data);
            }
            change(config);
        })
        .await
    }

    /// Two relays.
    pub(crate) async fn two(&self) -> [Running; 2] {
        let first = self.relay(None, |_| {}).await;
        let second = self.relay(Some(&first), |_| {}).await;
        [first, second]
    }
}

/// Where a server is, with what a test changes about it.
pub(crate) fn source(server: &Postgres, change: impl FnOnce(&mut Setting)) -> Source {
    let mut setting = Setting { address: server.address(), ..Setting::default() };
    change(&mut setting);
    Source::open(&setting).unwrap()
}

/// The keys of one relay for another one.
pub(crate) fn copy_keys(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
    for name in ["session.key", "signing.key"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}
