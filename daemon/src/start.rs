//! From nothing to a running daemon, and back: folders, lock, log, key, database, spool, socket, loop.
//!
//! The lock comes before everything that two daemons must not do at once. Whatever goes wrong leaves all files as they
//! were: a database that cannot be opened is kept, and a key that cannot be had is never replaced by a new one.

use std::{
    collections::{BTreeSet, VecDeque},
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use caro_core::{
    device::{Device, DeviceError},
    history::History,
    step::{BlockNumber, Rows, Space},
    vault::at_rest::Passphrase,
};
use caro_schema::{id::RecordId, paths::NoHome};
use tokio::{
    runtime::{self, Handle, Runtime},
    signal::unix::{SignalKind, signal},
};

use crate::{
    apply::Applier,
    ask::{self, Typed},
    config::Loaded,
    exit,
    filter::Tally,
    handlers::Desk,
    harden,
    ipc::{BUILD, ListenError, Listener},
    keys::{self, KeyError},
    lifecycle::{self, Program},
    lock::Lock,
    logging,
    main_loop::{End, Event, MainLoop, Surroundings},
    paths::{self, FolderError, Places},
    remote::{self, Proxies, links::Links},
    spool::{
        Spool,
        watch::{self, Watch},
    },
    state::{Shared, State},
    store::{Store, StoreError},
};

/// Why no daemon runs now.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Nothing says where the user's files are.
    #[error(transparent)]
    NoHome(#[from] NoHome),
    /// A folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The lock cannot be had, for another reason than that somebody holds it.
    #[error("{}: {}", .0.display(), .1)]
    Lock(PathBuf, io::Error),
    /// The key cannot be had.
    #[error("the key of the database: {0}")]
    Key(#[from] KeyError),
    /// The database cannot be opened.
    #[error("the database: {0}")]
    Database(#[from] StoreError),
    /// The database opens, and holds something that cannot be read.
    #[error("the database: {0}")]
    Device(#[from] DeviceError),
    /// The socket cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system refused something that always works.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// History could not be read to its end.
    #[error("the database: history could not be read")]
    Unreadable,
}

impl StartError {
    /// What a person can do, in one sentence; empty when the error says it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Database(error) => error.advice(),
            Self::Device(_) | Self::Unreadable => StoreError::Damaged(String::new()).advice(),
            Self::Key(error) => error.advice(),
            Self::Folder(_) | Self::Lock(..) => "check who owns it and what is in its place",
            Self::NoHome(_) | Self::Listen(_) | Self::Io(_) => "",
        }
    }

    /// What happened, then what to do, each on its line.
    pub fn in_words(&self) -> String {
        match self.advice() {
            "" => self.to_string(),
            advice => format!("{self}\nhint: {advice}"),
        }
    }

    /// The exit code that says it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Database(_) | Self::Device(_) | Self::Unreadable => exit::DATABASE,
            Self::Key(_) => exit::KEY,
            Self::Folder(_) | Self::Lock(..) | Self::Listen(_) => exit::PLACE,
            Self::NoHome(_) | Self::Io(_) => exit::FAILURE,
        }
    }
}

/// Runs a daemon until it ends. `detached` says that [`lifecycle::detach`] waits to hear whether it listens, `unlock`
/// that a passphrase is to be asked for.
pub fn run(detached: bool, unlock: bool) -> ExitCode {
    match run_here(detached, unlock) {
        Ok(()) => ExitCode::from(exit::OK),
        Err(error) => {
            tracing::error!(code = error.exit_code(), "the daemon ends");
            if detached {
                // Whoever started it may have gone; the exit code says it too.
                let _ = lifecycle::tell_parent(Err(&error.in_words()));
            } else {
                lifecycle::report(&error.in_words());
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn run_here(detached: bool, unlock: bool) -> Result<(), StartError> {
    // Asked first: later another file may stand under this name.
    let program = Program::current()?;
    harden::close_to_others();
    harden::keep_keys_in_memory();
    if detached {
        lifecycle::leave_terminal()?;
    }
    let typed = unlock.then(|| ask::passphrase("passphrase")).transpose()?;
    if typed.is_some() {
        lifecycle::close_input()?;
    }
    let places = paths::places()?;
    paths::private_folder(&places.data)?;
    let Some(lock) = take_lock(&places.lock(), typed.is_some())? else {
        // The one that runs may have lost its socket: it looks when it is told to. If not, nothing is amiss.
        let _ = watch::wake(&places.spool);
        return Ok(());
    };
    let loaded = Loaded::read(&places.config, &places.shared_settings(), std::env::home_dir().as_deref());
    logging::start(&places.log(), loaded.config.log)?;
    // A variable that is not Unicode names no proxy.
    remote::go_by(Proxies::read(loaded.config.proxy.reveal(), |name| std::env::var(name).ok()));
    let note = places.socket_note();
    let runtime = runtime()?;
    let passphrase = typed.as_ref().and_then(|typed| Passphrase::new(typed).ok());
    let main_loop = prepare(places, loaded, lock, program, passphrase.as_ref(), &runtime)?;
    drop(passphrase);
    if detached {
        lifecycle::tell_parent(Ok(()))?;
    }
    let (end, around) = main_loop.run();
    finish(end, around, runtime, &note, typed.as_ref())
}

/// The lock, none when another daemon runs. Who has a passphrase waits a little: a shell may have started one without it a
/// moment ago, which holds the lock until it has seen that it cannot have the key.
pub(crate) fn take_lock(path: &Path, has_passphrase: bool) -> Result<Option<Lock>, StartError> {
    let patience = if has_passphrase { LOCK_WITHIN } else { Duration::ZERO };
    Lock::take_within(path, patience).map_err(|error| StartError::Lock(path.to_owned(), error))
}

/// How long a daemon without the key may take to see that. A secure store that is silent takes the longest.
const LOCK_WITHIN: Duration = Duration::from_secs(3);

/// Everything up to a loop that can run, with the socket open.
fn prepare(
    places: Places,
    loaded: Loaded,
    lock: Lock,
    program: Program,
    passphrase: Option<&Passphrase>,
    runtime: &Runtime,
) -> Result<MainLoop, StartError> {
    let (key, key_place) = keys::obtain(&places.data, loaded.config.key_store, passphrase)?;
    let store = Store::open(&places.database(), key.store_key())?;
    let device = Device::load(&store, loaded.config.rules())?;
    let (history, unread_blocks) = begin_history(&store)?;
    let (events, inbox) = mpsc::channel();
    let shared = Arc::new(Shared::new(history, events));
    let told = shared.clone();
    let tell = move || {
        // A loop that has ended needs to know nothing.
        let _ = told.tell(Event::Spool);
    };
    let watch = Watch::start(places.spool.clone(), tell)?;
    let rows = store.rows(Space::Spool).map_err(DeviceError::from)?;
    let spool = Spool::new(places.spool.clone(), host_name(), user_name(), rows);
    let listen = Listen { places: places.clone(), shared: shared.clone(), runtime: runtime.handle().clone() };
    // Before anybody can know that there is a daemon to stop.
    stop_on_signal(runtime, &shared)?;
    let listener = listen.listen()?;
    tracing::info!(build = BUILD, blocks = unread_blocks.len(), "listening");
    let reports = shared.clone();
    let deliver = Arc::new(move |number, run, report| reports.tell(Event::Remote { number, run, report }));
    let mut state = State {
        links: Links::new(runtime.handle().clone(), deliver),
        runtime: runtime.handle().clone(),
        begin: None,
        pairing: None,
        waiters: Vec::new(),
        is_broken: false,
        has_deleted: false,
        shared,
        device,
        applier: Applier::new(store),
        spool,
        watch,
        socket: listener.path().to_owned(),
        places,
        config: loaded.config,
        config_file: loaded.file,
        tally: Tally::default(),
        shared_files_due: false,
        retention_at: Instant::now(),
        key_place,
        started: Instant::now(),
        unread_blocks,
        unread_sessions: BTreeSet::new(),
        flushes: Vec::new(),
        deferred: VecDeque::new(),
        stopping: false,
        farewells: Vec::new(),
    };
    state.remember_recording();
    state.begin_sharing();
    state.start_remotes();
    let around = Surroundings { lock, program, listener, listen_again: Box::new(move || listen.again()) };
    Ok(MainLoop::new(state, around, inbox))
}

/// A history with all its tombstones and none of its blocks, and the blocks to read, the newest last.
fn begin_history(store: &Store) -> Result<(History, Vec<BlockNumber>), StartError> {
    let mut history = History::new();
    let tombstones = store.rows(Space::Tombstone).map_err(DeviceError::from)?;
    history.load_tombstones(tombstones.iter().filter_map(|(id, _)| RecordId::from_slice(id)));
    let hidden = store.rows(Space::Hidden).map_err(DeviceError::from)?;
    history.load_hidden(hidden.iter().filter_map(|(id, _)| RecordId::from_slice(id)));
    let blocks = store.blocks()?;
    if blocks.is_empty() {
        history.set_complete();
    }
    Ok((history, blocks))
}

/// After the loop: the last answers go out, then the socket goes, then the lock.
fn finish(
    end: End,
    around: Surroundings,
    runtime: Runtime,
    note: &Path,
    typed: Option<&Typed>,
) -> Result<(), StartError> {
    let Surroundings { lock, program, listener, .. } = around;
    runtime.block_on(listener.finish());
    drop(listener);
    // Only a hint for clients: a note that stays leads them to a socket where nobody is.
    let _ = fs::remove_file(note);
    runtime.shutdown_timeout(SHUTDOWN_WITHIN);
    tracing::info!(?end, "ended");
    match end {
        End::Stopped | End::LockLost => Ok(()),
        End::Unreadable => Err(StartError::Unreadable),
        End::Replaced => {
            // Let go by the exec itself, so that in between no other daemon can come.
            std::mem::forget(lock);
            Err(program.become_new(typed).into())
        }
    }
}

/// How long tasks may take to notice that the daemon ends.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(1);

/// Where and how to listen, now and when the socket is gone.
struct Listen {
    places: Places,
    shared: Arc<Shared>,
    runtime: Handle,
}

impl Listen {
    /// At the usual place, or where a socket can be made when that place cannot be used. Clients find the second by
    /// the note.
    fn listen(&self) -> Result<Listener, StartError> {
        let start = |path: &Path| Listener::start(path, Arc::new(Desk::new(self.shared.clone())), &self.runtime);
        let listener = start(&self.places.socket).or_else(|error| {
            let second = paths::second_socket(&self.places);
            tracing::warn!("the usual folder of the socket cannot be used");
            if second == self.places.socket { Err(error) } else { start(&second) }
        })?;
        let note = self.places.socket_note();
        if let Err(error) = paths::write_private(&note, listener.path().as_os_str().as_bytes()) {
            // On a full disk. Clients look at the usual place first.
            tracing::warn!(kind = ?error.kind(), "where the socket is could not be noted");
        }
        Ok(listener)
    }

    fn again(&self) -> Option<Listener> {
        self.listen().inspect_err(|_| tracing::warn!("the socket cannot be made anew")).ok()
    }
}

/// One worker for sockets, and a few threads for searching that go when nobody searches: an idle daemon is small.
fn runtime() -> io::Result<Runtime> {
    runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(SEARCHES_AT_ONCE)
        .thread_keep_alive(Duration::from_secs(5))
        .thread_name("caro-io")
        .enable_all()
        .build()
}

/// Searches that run at once. Each uses all cores by itself where it is worth it.
const SEARCHES_AT_ONCE: usize = 4;

/// Ends the loop when the system or a person at the terminal asks.
fn stop_on_signal(runtime: &Runtime, shared: &Arc<Shared>) -> io::Result<()> {
    let _inside = runtime.enter();
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        let (mut arrived, shared) = (signal(kind)?, shared.clone());
        runtime.spawn(async move {
            while arrived.recv().await.is_some() {
                if !shared.tell(Event::Stop) {
                    return;
                }
            }
        });
    }
    Ok(())
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Who to name when a shell does not. The system is asked where the environment does not say, as under some service
/// managers and in containers.
fn user_name() -> String {
    let said = ["USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    said.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| {
        let output = std::process::Command::new("id").arg("-un").stderr(std::process::Stdio::null()).output();
        let named = output.ok().filter(|output| output.status.success());
        named.map(|output| String::from_utf8_lossy(output.stdout.trim_ascii()).into_owned()).unwrap_or_default()
    })
}
