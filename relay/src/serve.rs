//! A whole relay: folder, keys, certificate, database, threads, listener, and their end in the right order. The program
//! and the tests start it the same way. What changes while it runs is in [`crate::reload`].

use std::{net::SocketAddr, sync::Arc, time::Duration};

use caro_link::entropy::{Entropy, OsEntropy};
use caro_schema::id::{Generation, Hash};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    address,
    admin::{control::Control, health},
    admission::Door,
    config::{Config, Mode},
    connection::{self, Live, Shared, Unopened},
    disk::{Disk, Setup},
    engine::Engine,
    folder::{Folder, FolderError},
    keys::{Keys, KeysError},
    metrics::Metrics,
    notify::{Notifier, State},
    protocol::Policy,
    reload::{Loader, Reloading},
    storage::{self, StorageError, Talking},
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
    Storage(#[from] StorageError),
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
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listening sockets that a service manager hands over, so that it can hold them while the relay is restarted.
#[derive(Default)]
pub struct Sockets {
    /// For devices.
    pub devices: Option<std::net::TcpListener>,
    /// For `/health` and `/metrics`.
    pub health: Option<std::net::TcpListener>,
}

impl Sockets {
    /// Those that systemd, or whoever speaks its protocol, left for this process: the first for devices, the second for
    /// health.
    ///
    /// # Errors
    /// When what was handed over is not such a socket.
    pub fn from_environment() -> std::io::Result<Self> {
        let mut handed = listenfd::ListenFd::from_env();
        let mut take = |at| if at < handed.len() { handed.take_tcp_listener(at) } else { Ok(None) };
        Ok(Self { devices: take(0)?, health: take(1)? })
    }
}

/// A relay that listens.
pub struct Server {
    listener: TcpListener,
    health: Option<TcpListener>,
    control: Option<Control>,
    shared: Arc<Shared>,
    disk: Disk,
    talking: Option<Talking>,
    reloading: Reloading,
    address: String,
    notifier: Notifier,
    _folder: Folder,
}

impl Server {
    /// Sets everything up and listens.
    ///
    /// # Errors
    /// What is in the way.
    pub async fn start(config: &Config) -> Result<Self, ServeError> {
        Self::start_on(config, Sockets::default()).await
    }

    /// The same, on sockets that were handed over.
    ///
    /// # Errors
    /// What is in the way.
    pub async fn start_on(config: &Config, sockets: Sockets) -> Result<Self, ServeError> {
        let registration = config.registration()?;
        let folder = Folder::open(&config.data)?;
        let keys = Keys::open(folder.path(), &mut OsEntropy)?;
        let opened = storage::open(config, &folder, &keys).await?;
        let forgets = config.mode == Mode::Mailbox;
        let tls = tls::of(config, folder.path())?;
        let mut limits = config.limits.clone();
        limits.connections_max = address::descriptors_for(config);
        let listener = listen(config.listen, sockets.devices).await?;
        let health = match (config.health, sockets.health) {
            (None, None) => None,
            (address, handed) => Some(listen(address.unwrap_or(config.listen), handed).await?),
        };
        // A socket that was handed over listens where its holder says.
        let host = address::host(&Config { listen: listener.local_addr()?, ..config.clone() });
        let address = address::format(config.plain, &host, listener.local_addr()?.port(), &keys.address_key());
        let signer = Hash(keys.signer.public());
        let metrics = Arc::new(Metrics::default());
        let policy = Policy { limits: limits.clone(), registration, signer, forgets };
        let (engine, queues) = Engine::new(policy, metrics.clone(), opened.storage.writers());
        let talking = Talking::start(&opened, &engine)?;
        let setup = Arc::new(Setup {
            storage: opened.storage,
            notary: Notary::new(keys.signer.clone(), opened.generation),
            mailbox_days: forgets.then_some(config.mailbox_days),
            metrics,
        });
        let disk = Disk::start(opened.log, setup.clone(), &engine, queues)?;
        let control = Control::listen(folder.path())
            .inspect_err(
                |error| tracing::warn!(%error, "no control socket: caro-relay token and account will not work"),
            )
            .ok();
        let live = Live { limits: limits.clone(), tls, trusted_proxies: config.trusted_proxies.clone() };
        let door = Door::new(limits, &mut OsEntropy)?;
        let shared = Arc::new(Shared::new(engine, door, keys.session.clone(), live));
        let reloading = Reloading::new(config.clone(), shared.clone(), setup, signer);
        let notifier = Notifier::from_environment();
        Ok(Self { listener, health, control, shared, disk, talking, reloading, address, notifier, _folder: folder })
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

    /// Where `/health` and `/metrics` are answered.
    pub fn health_addr(&self) -> Option<SocketAddr> {
        self.health.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Serves until `stop` changes or its sender is gone, then ends in order: no new connections, everybody told, what
    /// was asked of the disk done. The configuration stays what it is.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let (_never, hangups) = mpsc::channel(1);
        self.run_reloading(stop, hangups, Loader::none()).await;
    }

    /// The same; the configuration is read again at each hang-up, and when `caro-relay reload` asks for it.
    pub async fn run_reloading(self, mut stop: watch::Receiver<bool>, mut hangups: mpsc::Receiver<()>, loader: Loader) {
        let Self { listener, health, control, shared, disk, talking, mut reloading, address: _, notifier, _folder } =
            self;
        let mut beside = JoinSet::new();
        let (asked, mut reloads) = mpsc::channel(1);
        if let Some(control) = control {
            beside.spawn(control.run(shared.engine.clone(), asked.clone()));
        }
        if let Some(health) = health {
            beside.spawn(health::run(health, shared.clone()));
        }
        let mut connections = JoinSet::new();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        notifier.tell(State::Ready);
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
                    reloading.look_at_certificate();
                }
                Some(()) = hangups.recv() => {
                    notifier.tell(State::Reloading);
                    // It has said in the log what became of it.
                    drop(reloading.reload(&loader));
                    notifier.tell(State::Ready);
                }
                Some(reply) = reloads.recv() => drop(reply.send(reloading.reload(&loader))),
                Some(_) = connections.join_next() => {}
                _ = stop.changed() => break,
            }
        }
        notifier.tell(State::Stopping);
        drop(listener);
        shared.engine.stop();
        let farewell = async { while connections.join_next().await.is_some() {} };
        if timeout(FAREWELL, farewell).await.is_err() {
            connections.shutdown().await;
        }
        if tokio::task::spawn_blocking(|| disk.finish()).await.is_err() {
            tracing::error!("the disk's threads did not end");
        }
        if let Some(talking) = talking {
            talking.end().await;
        }
        beside.shutdown().await;
    }
}

async fn listen(address: SocketAddr, handed: Option<std::net::TcpListener>) -> Result<TcpListener, ServeError> {
    let failed = |error| ServeError::Listen(address, error);
    match handed {
        None => TcpListener::bind(address).await.map_err(failed),
        Some(handed) => {
            handed.set_nonblocking(true).map_err(failed)?;
            TcpListener::from_std(handed).map_err(failed)
        }
    }
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
    shared.engine.metrics().accepted.add(1);
    // Behind a proxy that is trusted, the address comes with the request.
    let from = peer.ip().to_canonical();
    let known = (!shared.live().trusted_proxies.contains(&from)).then_some(from);
    let place = match shared.door.enter(known, shared.engine.now_ms()) {
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
    let metrics = shared.engine.metrics();
    match unopened {
        Unopened::Rejected(reason, address) => {
            metrics.rejected(*reason);
            if shared.door.reports(shared.engine.now_ms()) {
                tracing::warn!(?reason, %address, "a connection was refused");
            }
        }
        other => {
            metrics.unopened.add(1);
            tracing::debug!(reason = %other, "a connection came to no session");
        }
    }
}
