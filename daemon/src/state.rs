//! What the daemon owns, in one hand: the device, its store, its spool, and who waits for an answer.
//!
//! Lives on the main loop's thread. Searches look at the history beside it, through [`Shared`].

use std::{
    collections::{BTreeSet, VecDeque},
    ffi::OsString,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc},
    time::Instant,
};

use caro_core::{
    device::{Device, DeviceError, Env},
    history::History,
    step::{BlockNumber, Rows, Space, Step},
};
use caro_link::entropy::OsEntropy;
use caro_schema::ipc::{Fault, Reply, Request};
use tokio::{runtime::Handle, sync::oneshot};

use crate::{
    apply::Applier,
    clock::Moment,
    config::{Config, ConfigFile},
    filter::Tally,
    handlers::sync::Begin,
    ingest::Batch,
    keys::Place,
    main_loop::Event,
    pairing::Table,
    paths::Places,
    remote::links::Links,
    spool::{Spool, watch::Watch},
    store::StoreError,
    syncing::Waiter,
};

/// Where an answer goes. Dropping it says that the daemon is going down.
pub type Replier = oneshot::Sender<Result<Reply, Fault>>;

/// What connections share with the main loop.
pub struct Shared {
    history: RwLock<History>,
    events: mpsc::Sender<Event>,
}

impl Shared {
    /// Around a history, with the way to the main loop.
    pub fn new(history: History, events: mpsc::Sender<Event>) -> Self {
        Self { history: RwLock::new(history), events }
    }

    /// The history, to look at. A writer that panicked has left it as it was between two records, which is whole.
    pub fn history(&self) -> RwLockReadGuard<'_, History> {
        self.history.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn history_mut(&self) -> RwLockWriteGuard<'_, History> {
        self.history.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the main loop something. False when it has ended.
    pub fn tell(&self, event: Event) -> bool {
        self.events.send(event).is_ok()
    }

    /// Asks the main loop, and waits for its answer.
    ///
    /// # Errors
    /// With the answer, or because the daemon is going down.
    pub async fn ask(&self, request: Request) -> Result<Reply, Fault> {
        let (reply, answer) = oneshot::channel();
        if !self.tell(Event::Call { request: Box::new(request), reply }) {
            return Err(Fault::ShuttingDown);
        }
        answer.await.unwrap_or(Err(Fault::ShuttingDown))
    }
}

/// What the daemon owns.
pub struct State {
    /// What connections see of it.
    pub shared: Arc<Shared>,
    /// What this device decides.
    pub device: Device,
    /// The store, and the one way to it.
    pub applier: Applier,
    /// The shells' files.
    pub spool: Spool,
    /// What tells of them.
    pub watch: Watch,
    /// Where everything is.
    pub places: Places,
    /// What the user wants.
    pub config: Config,
    /// What is known of the file that says it.
    pub config_file: ConfigFile,
    /// What was not recorded, in numbers.
    pub tally: Tally,
    /// The files for shells may not say what is shared.
    pub shared_files_due: bool,
    /// When history is next looked through for what may go.
    pub retention_at: Instant,
    /// Where the daemon listens.
    pub socket: PathBuf,
    /// Where the key of the database is.
    pub key_place: Place,
    /// When the daemon started.
    pub started: Instant,
    /// Blocks that have not been read yet, the newest last.
    pub unread_blocks: Vec<BlockNumber>,
    /// Sessions that have something to read.
    pub unread_sessions: BTreeSet<OsString>,
    /// Who waits for the spool to be taken in.
    pub flushes: Vec<Replier>,
    /// What came before everything was read, or while the store could not be written to.
    pub deferred: VecDeque<Event>,
    /// The connections to relays.
    pub links: Links,
    /// Where tasks run that take time.
    pub runtime: Handle,
    /// A phrase that waits to be confirmed.
    pub begin: Option<Arc<Begin>>,
    /// A joining by code, at either end.
    pub pairing: Option<Arc<Table>>,
    /// Who waits until everything is on both sides.
    pub waiters: Vec<Waiter>,
    /// The device could not decide on an input. What it has in memory may be ahead of the store, so the daemon ends
    /// without writing anything more, and the next one begins with what is stored.
    pub is_broken: bool,
    /// Something was deleted whose text may still be in the files of shells that run.
    pub has_deleted: bool,
    /// Whether the daemon is to end.
    pub stopping: bool,
    /// Who asked it to, and waits until it has.
    pub farewells: Vec<Replier>,
}

impl State {
    /// Whether all history is in memory. Before that, nothing can be told from a record that is merely not there yet.
    pub fn is_loaded(&self) -> bool {
        self.unread_blocks.is_empty()
    }

    /// Whether something can be decided now.
    pub fn is_ready(&self) -> bool {
        self.is_loaded() && !self.applier.is_stuck()
    }

    /// Whether nobody would miss the daemon for the moment that a restart takes.
    pub fn is_idle(&self) -> bool {
        self.is_ready() && self.flushes.is_empty() && self.unread_sessions.is_empty() && self.deferred.is_empty()
    }

    /// Lets the device decide, and carries the decision out. The closure gets the device, the history to change, and
    /// what the world gives.
    ///
    /// # Errors
    /// When the device could not decide, or the decision waits to be written.
    pub fn decide<T>(
        &mut self,
        choose: impl FnOnce(&mut Device, &mut History, &mut Env<'_>) -> Result<(Step, T), DeviceError>,
    ) -> Result<T, Fault> {
        let (step, value) = self.choose(choose).map_err(fault)?;
        self.carry_out(step)?;
        Ok(value)
    }

    /// As [`Self::decide`], for what has to look into the store.
    ///
    /// # Errors
    /// As [`Self::decide`].
    pub fn decide_with_rows(
        &mut self,
        choose: impl FnOnce(&mut Device, &mut History, &dyn Rows, &mut Env<'_>) -> Result<Step, DeviceError>,
    ) -> Result<(), Fault> {
        let step = self.choose_with_rows(choose).map_err(fault)?;
        self.carry_out(step)
    }

    fn choose<T>(
        &mut self,
        choose: impl FnOnce(&mut Device, &mut History, &mut Env<'_>) -> Result<T, DeviceError>,
    ) -> Result<T, DeviceError> {
        self.choose_with_rows(|device, history, _, env| choose(device, history, env))
    }

    /// Lets the device decide on something for which it has to look into the store.
    ///
    /// # Errors
    /// When it could not. The daemon then ends.
    pub fn choose_with_rows<T>(
        &mut self,
        choose: impl FnOnce(&mut Device, &mut History, &dyn Rows, &mut Env<'_>) -> Result<T, DeviceError>,
    ) -> Result<T, DeviceError> {
        let mut env = Env { now_ms: Moment::now().now_ms(), entropy: &mut OsEntropy };
        let chosen = choose(&mut self.device, &mut self.shared.history_mut(), self.applier.store(), &mut env);
        chosen.inspect_err(|error| {
            tracing::error!(%error, "the device could not decide; beginning again from the store");
            self.is_broken = true;
        })
    }

    /// Carries out a step.
    ///
    /// # Errors
    /// When it waits to be written.
    pub fn carry_out(&mut self, step: Step) -> Result<(), Fault> {
        self.has_deleted |= step.writes.iter().any(crate::store::deletes_history);
        let follows = self.applier.apply(step)?;
        self.follow(follows);
        Ok(())
    }

    /// Reads one block of older history.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn load_block(&mut self) -> Result<(), Fault> {
        let Some(number) = self.unread_blocks.pop() else { return Ok(()) };
        let records = match self.applier.store().block(number) {
            Ok(records) => records,
            // One that is not what was written must not keep all others from being seen. The doctor says that it is missing.
            Err(StoreError::Row(_) | StoreError::Damaged(_)) => {
                self.applier.store().leave_out(number);
                Vec::new()
            }
            Err(error) => return Err(Fault::Storage { reason: error.to_string() }),
        };
        let mut history = self.shared.history_mut();
        history.load_block(number, records);
        if self.unread_blocks.is_empty() {
            history.set_complete();
        }
        Ok(())
    }

    /// Takes in a part of what shells have written, as one transaction.
    ///
    /// # Errors
    /// When something cannot be read, or what was read waits to be written.
    pub fn read_spool(&mut self) -> Result<(), Fault> {
        // A rule holds for the first command that was typed after its file was saved.
        self.renew_config(false);
        let mut batch = Batch::default();
        let mut outcome = Ok(());
        while let Some(stem) = self.unread_sessions.first().cloned() {
            match self.spool.read(&stem, &self.config.filter, Moment::now()) {
                Ok(Some(piece)) => batch.add(&stem, piece),
                Ok(None) => drop(self.unread_sessions.remove(&stem)),
                Err(error) => {
                    // The next look through the folder tries again.
                    tracing::warn!(kind = ?error.kind(), "a spool file could not be read");
                    self.unread_sessions.remove(&stem);
                    outcome = Err(Fault::Storage { reason: error.to_string() });
                }
            }
            if batch.is_full() {
                break;
            }
        }
        if batch.is_empty() {
            return outcome;
        }
        let (sessions, withheld) = (batch.sessions(), batch.withheld());
        let decided = self.choose(|device, history, env| batch.decide(device, history, env));
        match decided {
            Ok(mut step) => {
                let (row, hint) = self.count_withheld(&withheld);
                step.writes.extend(row);
                self.carry_out(step)?;
                self.leave_hint(hint);
                outcome
            }
            Err(error) => {
                self.put_back(&sessions);
                Err(fault(error))
            }
        }
    }

    /// Clears away what is not needed any more of the spool, and ends the commands with which a shell went.
    ///
    /// # Errors
    /// When that waits to be written.
    pub fn sweep_spool(&mut self) -> Result<(), Fault> {
        let mut batch = Batch::default();
        for (stem, piece) in self.spool.sweep(Moment::now()) {
            batch.add(&stem, piece);
        }
        if batch.is_empty() {
            return Ok(());
        }
        let step = self.choose(|device, history, env| batch.decide(device, history, env)).map_err(fault)?;
        self.carry_out(step)
    }

    /// Nothing was decided on what was read of these sessions: it is read again at the next round.
    fn put_back(&mut self, sessions: &[OsString]) {
        for stem in sessions {
            self.unread_sessions.remove(stem);
            match self.applier.store().row(Space::Spool, stem.as_bytes()) {
                Ok(row) => self.spool.put_back(stem, row.as_deref()),
                // Without its row the session would be read from the beginning. That is harmless: the ids are the same.
                Err(_) => self.spool.put_back(stem, None),
            }
        }
    }

    /// Wipes the texts of what was taken out of shells' files, and what the database has given up, if something was deleted.
    ///
    /// # Errors
    /// When the places wait to be written.
    pub fn wipe_spool(&mut self) -> Result<(), Fault> {
        if !std::mem::take(&mut self.has_deleted) {
            return Ok(());
        }
        let writes = self.spool.wipe_taken();
        self.carry_out(Step { writes, ..Step::default() })?;
        // Until the log is moved into the file, the file has what was there before.
        self.applier.checkpoint();
        Ok(())
    }

    /// Looks through the whole spool folder.
    pub fn scan_spool(&mut self) {
        match self.spool.scan() {
            Ok(found) => self.unread_sessions.extend(found),
            Err(error) => tracing::warn!(kind = ?error.kind(), "the spool folder could not be read"),
        }
    }

    /// Answers those who waited for the spool, if nothing of it is left.
    pub fn answer_flushes(&mut self) {
        if self.unread_sessions.is_empty() {
            for reply in self.flushes.drain(..) {
                answer(reply, Ok(Reply::Done));
            }
        }
    }
}

/// Sends an answer. Whoever asked may be gone, which is theirs to decide.
pub fn answer(reply: Replier, value: Result<Reply, Fault>) {
    drop(reply.send(value));
}

/// What a client hears of a device that could not decide.
pub fn fault(error: DeviceError) -> Fault {
    match error {
        DeviceError::Rows(error) => Fault::Storage { reason: error.to_string() },
        DeviceError::Entropy(_) | DeviceError::State(_) => Fault::Internal { what: error.to_string() },
    }
}
