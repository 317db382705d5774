//! Which log a relay has: one file in its folder, or a PostgreSQL server that it shares with others. Decided by one
//! setting; what is above the log does not know.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
};

use caro_link::entropy::{Entropy, NoEntropy, OsEntropy};
use caro_schema::id::Generation;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    config::{Config, Mode},
    engine::Engine,
    folder::Folder,
    keys::Keys,
    log::{
        Log, LogError,
        keep::{InFolder, InServer, Keep, Storage},
        postgres::{self, Identity, PostgresLog, Setting, Source, SourceError, news},
        sqlite::{self, SqliteLog},
    },
    serve::fresh_generation,
};

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The file.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
    /// The server.
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
    /// What is in it could not be made ready.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A thread failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The system has no randomness.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
}

impl From<SourceError> for StorageError {
    fn from(error: SourceError) -> Self {
        Self::Postgres(error.into())
    }
}

/// The server that a configuration names; none for one that keeps everything in its folder.
///
/// # Errors
/// When it names one that cannot be used.
pub fn server(config: &Config) -> Result<Option<Source>, SourceError> {
    let Some(address) = &config.storage else { return Ok(None) };
    let setting = Setting {
        address: address.clone(),
        password_file: config.storage_password_file.clone(),
        passwords: std::env::var_os("PGPASSFILE").map(PathBuf::from),
        authorities: config.storage_ca.clone(),
    };
    Source::open(&setting).map(Some)
}

/// A log that is open.
pub(crate) struct Opened {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) log: Box<dyn Keep>,
    pub(crate) generation: Generation,
    /// Where others are heard.
    shared: Option<Source>,
}

/// Opens what a configuration says.
pub(crate) async fn open(config: &Config, folder: &Folder, keys: &Keys) -> Result<Opened, StorageError> {
    let (dated, fresh) = (config.mode == Mode::Mailbox, fresh_generation()?);
    let Some(source) = server(config)? else { return in_folder(config, folder, dated, fresh) };
    let identity = Identity::of(&keys.session, &keys.signer);
    let connections = config.storage_connections as usize;
    // A handle waits for the server, which only a thread of its own may do.
    let opened = tokio::task::spawn_blocking(move || in_server(source, identity, fresh, dated, connections)).await;
    opened.map_err(std::io::Error::other)?
}

fn in_folder(config: &Config, folder: &Folder, dated: bool, fresh: Generation) -> Result<Opened, StorageError> {
    let mut log = SqliteLog::open(&folder.database(), fresh)?;
    if dated {
        log.date()?;
    }
    let generation = log.generation();
    let free_min = AtomicU64::new(config.limits.disk_free_min);
    let storage = InFolder { database: folder.database(), generation, dated, free_min };
    Ok(Opened { storage: Arc::new(storage), log: Box::new(log), generation, shared: None })
}

fn in_server(
    source: Source,
    identity: Identity,
    fresh: Generation,
    dated: bool,
    connections: usize,
) -> Result<Opened, StorageError> {
    let (storage, mut log) = InServer::open(source.clone(), identity, fresh, dated, connections)?;
    if dated {
        log.date()?;
    }
    let generation = log.generation();
    Ok(Opened { storage, log: Box::new(log), generation, shared: Some(source) })
}

/// What is said to the others on the same database and heard of them, while the relay runs.
pub(crate) struct Talking {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Talking {
    /// Begins, where there can be others.
    pub(crate) fn start(opened: &Opened, engine: &Arc<Engine>) -> Result<Option<Self>, NoEntropy> {
        let Some(source) = opened.shared.clone() else { return Ok(None) };
        let mut bytes = [0; 8];
        OsEntropy.fill(&mut bytes)?;
        let node = i64::from_le_bytes(bytes);
        let mouth = Arc::new(news::Mouth::default());
        engine.share(mouth.clone());
        let (engine, (stop, stopped)) = (engine.clone(), watch::channel(false));
        let task = tokio::spawn(async move { news::run(source, node, &mouth, &*engine, stopped).await });
        Ok(Some(Self { stop, task }))
    }

    /// Tells the others that nobody is here any more.
    pub(crate) async fn end(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the others could not be told that this relay ends");
        }
    }
}

/// The server's database, for what its owner may see and do without a relay.
pub(crate) fn look(config: &Config) -> Result<Option<PostgresLog>, postgres::OpenError> {
    server(config)?.map(|source| PostgresLog::look(&source)).transpose()
}
