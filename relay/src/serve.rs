//! A whole relay: folder, keys, certificate, database, threads, listener, and their end in the right order. The program
//! and the tests start it the same way.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use caro_link::entropy::{Entropy, OsEntropy};
use caro_schema::id::{Generation, Hash};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    address,
    admission::Door,
    config::Config,
    connection::{self, Shared, Unopened},
    disk::{Disk, Setup},
    engine::Engine,
    folder::{Folder, FolderError},
    keys::{Keys, KeysError},
    log::{
        Log,
        sqlite::{OpenError, SqliteLog},
    },
    protocol::Policy,
    store::Notary,
    tls::{self, TlsError},
};

/// Why there is no relay.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The database.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The address.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The system has no randomness.
    #[error(transparent)]
    Entropy(#[from] caro_link::entropy::NoEntropy),
}

/// How often sessions are looked at for what has lasted too long.
const TICK: Duration = Duration::from_millis(250);

/// How long connections may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(5);

/// The pause after a connection could not be accepted, which is when descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A relay that listens.
pub struct Server {
    listener: TcpListener,
    shared: Arc<Shared>,
    disk: Disk,
    address: String,
    _folder: Folder,
}

impl Server {
    /// Sets everything up and listens.
    ///
    /// # Errors
    /// What is in the way.
    pub async fn start(config: &Config) -> Result<Self, ServeError> {
        let registration = config.registration()?;
        let folder = Folder::open(&config.data)?;
        let keys = Keys::open(folder.path(), &mut OsEntropy)?;
        let log = SqliteLog::open(&folder.database(), fresh_generation()?)?;
        let host = address::host(config);
        let tls = match (&config.certificate, &config.certificate_key) {
            _ if config.plain => None,
            (Some(certificate), Some(key)) => Some(tls::from_files(certificate, key)?),
            _ => Some(tls::own(folder.path(), &host)?),
        };
        let mut limits = config.limits.clone();
        limits.connections_max = address::descriptors_for(limits.connections_max);
        let listener = listen(config.listen).await?;
        let address = address::format(config.plain, &host, listener.local_addr()?.port(), &keys.address_key());
        let signer = Hash(keys.signer.public());
        let (engine, queues) = Engine::new(Policy { limits: limits.clone(), registration, signer });
        let setup = Setup {
            database: folder.database(),
            disk_free_min: limits.disk_free_min,
            notary: Notary::new(keys.signer.clone(), log.generation()),
        };
        let disk = Disk::start(log, setup, &engine, queues)?;
        let shared = Arc::new(Shared {
            engine,
            door: Door::new(limits.clone(), &mut OsEntropy)?,
            limits,
            static_key: keys.session.clone(),
            tls,
            trusted_proxies: config.trusted_proxies.clone(),
        });
        Ok(Self { listener, shared, disk, address, _folder: folder })
    }

    /// What devices connect to, with the relay's key.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` changes or its sender is gone, then ends in order: no new connections, everybody told, what
    /// was asked of the disk done.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let Self { listener, shared, disk, address: _, _folder } = self;
        let mut connections = JoinSet::new();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((tcp, peer)) => accept(&shared, &mut connections, tcp, peer),
                    Err(error) => {
                        tracing::warn!(kind = ?error.kind(), "a connection could not be accepted");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                _ = ticks.tick() => {
                    shared.engine.tick();
                    shared.door.sweep(shared.engine.now_ms());
                }
                Some(_) = connections.join_next() => {}
                _ = stop.changed() => break,
            }
        }
        drop(listener);
        shared.engine.stop();
        let farewell = async { while connections.join_next().await.is_some() {} };
        if timeout(FAREWELL, farewell).await.is_err() {
            connections.shutdown().await;
        }
        if tokio::task::spawn_blocking(|| disk.finish()).await.is_err() {
            tracing::error!("the disk's threads did not end");
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|error| ServeError::Listen(address, error))
}

/// A new generation, for a database that is to be made.
///
/// # Errors
/// When the system has no randomness.
pub fn fresh_generation() -> Result<Generation, caro_link::entropy::NoEntropy> {
    let mut bytes = [0; 16];
    OsEntropy.fill(&mut bytes)?;
    Ok(Generation(bytes))
}

fn accept(shared: &Arc<Shared>, connections: &mut JoinSet<()>, tcp: TcpStream, peer: SocketAddr) {
    let place = match shared.door.enter() {
        Ok(place) => place,
        Err(rejection) => return report(shared, &Unopened::Rejected(rejection, peer.ip())),
    };
    let shared = shared.clone();
    connections.spawn(async move {
        if let Err(unopened) = connection::serve(&shared, tcp, peer, place).await {
            report(&shared, &unopened);
        }
    });
}

/// The address of a connection is logged in one case only: when it was refused by a limit, so that somebody can find out
/// who floods the relay.
fn report(shared: &Shared, unopened: &Unopened) {
    match unopened {
        Unopened::Rejected(reason, address) if shared.door.reports(shared.engine.now_ms()) => {
            tracing::warn!(?reason, %address, "a connection was refused");
        }
        Unopened::Rejected(..) => {}
        other => tracing::debug!(reason = %other, "a connection came to no session"),
    }
}
