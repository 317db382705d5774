//! The threads that work on the disk: one that writes, in groups, and a few that read beside it.
//!
//! The writer takes everything that waits into one transaction, so that one flush of the disk serves many devices. An
//! answer leaves only after that. When the disk fails, the handle is dropped and never used again; the file is opened
//! anew and checked before anything else is taken, and until then every request is answered with "try again".

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::{
    admin::{self, Answer, Ask, AskError},
    engine::{Engine, Queues},
    limits::{GROUP_BYTES_MAX, GROUP_CHANGES_MAX, PURGE_CELL_BYTES},
    log::{
        Change, LogError,
        calendar::{Calendar, Look},
        keep::{Keep, Storage},
    },
    metrics::{self, Metrics},
    seldom::Seldom,
    store::{self, Batch, Done, Job, Notary, Work},
};

/// How often the writer looks after its file when nobody asks anything, and how often a failed disk is tried again.
const IDLE: Duration = Duration::from_millis(500);

/// How often it does when it never comes to rest.
const SETTLE: Duration = Duration::from_secs(5);

/// How often the mailbox mode looks for cells that have become old.
const EXPIRE: Duration = Duration::from_secs(600);

/// How often what the database holds is counted, for whoever watches.
const COUNT: Duration = Duration::from_secs(15);

/// What the writer is given to do.
pub enum Task {
    /// A request of a session.
    Job(Job),
    /// What whoever runs the relay asks for.
    Admin(Ask, oneshot::Sender<Result<Answer, AskError>>),
}

/// What the threads need to know.
pub struct Setup {
    /// Where everything is kept.
    pub storage: Arc<dyn Storage>,
    /// Signs positions.
    pub notary: Notary,
    /// In the mailbox mode: days after which a cell is forgotten.
    pub mailbox_days: Option<u32>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// The running threads.
pub struct Disk {
    threads: Vec<JoinHandle<()>>,
}

impl Disk {
    /// Starts them.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start(log: Box<dyn Keep>, setup: Arc<Setup>, engine: &Arc<Engine>, queues: Queues) -> std::io::Result<Self> {
        let jobs = Arc::new(Mutex::new(queues.reader));
        let mut threads = Vec::new();
        let (reads, readers) = mpsc::channel();
        for number in 0..setup.storage.readers() {
            let (setup, engine, jobs, reads) = (setup.clone(), engine.clone(), jobs.clone(), reads.clone());
            let name = format!("read {number}");
            let read = move || {
                read_all(&setup, &engine, &jobs);
                drop(reads);
            };
            threads.push(thread::Builder::new().name(name).spawn(read)?);
        }
        drop(reads);
        let mut readers = Some(readers);
        let mut log = Some(log);
        for (number, jobs) in queues.writers.into_iter().enumerate() {
            let writer = Writer::new(log.take(), setup.clone(), readers.take());
            let (engine, name) =
                (engine.clone(), if number == 0 { "write".to_owned() } else { format!("write {number}") });
            threads.push(thread::Builder::new().name(name).spawn(move || writer.run(&engine, &jobs))?);
        }
        Ok(Self { threads })
    }

    /// Waits until everything that was asked is done. The engine must have been stopped.
    pub fn finish(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the disk has failed");
            }
        }
    }
}

struct Writer {
    /// None when it has failed, or was not opened yet.
    log: Option<Box<dyn Keep>>,
    setup: Arc<Setup>,
    /// Those who read, in the hands of the writer that looks after the whole database for all that write: nothing is ever
    /// sent on it, and it ends with the last of them.
    readers: Option<Receiver<()>>,
    free: Free,
    failed_at: Option<Instant>,
    settled_at: Instant,
    expire_at: Instant,
    count_at: Instant,
    calendar: Calendar,
}

impl Writer {
    fn new(log: Option<Box<dyn Keep>>, setup: Arc<Setup>, readers: Option<Receiver<()>>) -> Self {
        let now = Instant::now();
        let (free, calendar) = (Free::default(), Calendar::new());
        Self { log, setup, readers, free, failed_at: None, settled_at: now, expire_at: now, count_at: now, calendar }
    }

    fn run(mut self, engine: &Engine, tasks: &Receiver<Task>) {
        loop {
            match tasks.recv_timeout(IDLE) {
                Ok(first) => {
                    let (jobs, admin) = gather(first, tasks);
                    if !jobs.is_empty() {
                        engine.written(self.work(jobs));
                    }
                    if let Some((ask, reply)) = admin {
                        // Whoever asked may have gone; it is done all the same.
                        drop(reply.send(self.administer(ask)));
                    }
                    if self.settled_at.elapsed() > SETTLE {
                        self.settle();
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.settle(),
                Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
            self.look_after();
        }
    }

    /// Closes the file as the last one that has it open: only who may write can carry the write-ahead log over, and the
    /// database alone is then a whole backup.
    fn end(mut self) {
        self.settle();
        if let Some(readers) = self.readers.take() {
            // What comes is that there are none any more.
            let _ = readers.recv();
        }
    }

    /// What is to be done from time to time.
    fn look_after(&mut self) {
        if self.readers.is_none() {
            return;
        }
        if self.expire_at <= Instant::now() {
            self.expire_at = Instant::now() + EXPIRE;
            self.expire();
        }
        if self.count_at <= Instant::now() {
            self.count_at = Instant::now() + COUNT;
            self.count();
        }
    }

    fn expire(&mut self) {
        let Some(kept_days) = self.setup.mailbox_days else { return };
        let before = match self.calendar.look() {
            Look::Day(day) => day.saturating_sub(kept_days),
            Look::Moved(days) => {
                return tracing::error!(
                    days,
                    "the clock was moved: nothing is forgotten for its age until it has gone on for a day"
                );
            }
            Look::Waiting => return,
        };
        let Some(log) = self.open() else { return };
        match log.expire(before) {
            // The rest after the next group, so that nobody waits for all of it.
            Ok((_, true)) => self.expire_at = Instant::now(),
            Ok((_, false)) => {}
            Err(error) => self.failed(error),
        }
    }

    fn count(&mut self) {
        // Also without anything to write, so that whoever watches learns of a full disk before a device does.
        self.free.has_room(&self.setup);
        let metrics = self.setup.metrics.clone();
        let Some(log) = self.open() else { return };
        let (database, wal) = log.bytes();
        metrics.database_bytes.set(database);
        metrics.wal_bytes.set(wal);
        match log.count() {
            Ok((accounts, entries)) => {
                metrics.accounts.set(accounts);
                metrics.entries.set(entries);
            }
            Err(error) => self.failed(error),
        }
    }

    fn administer(&mut self, ask: Ask) -> Result<Answer, AskError> {
        let log = self.open().ok_or(AskError::Storage(LogError::Unavailable))?;
        let answer = admin::carry_out(&mut **log, ask);
        if let Err(AskError::Storage(error)) = &answer {
            self.failed(*error);
        }
        answer
    }

    /// A handle that may not be used again is dropped.
    fn failed(&mut self, error: LogError) {
        tracing::warn!(%error, "the database could not be looked after");
        match error {
            LogError::Broken => self.give_up(),
            LogError::Damaged => note_damage(&self.setup, "looking after the database"),
            LogError::Unavailable => {}
        }
    }

    fn give_up(&mut self) {
        tracing::error!("the disk failed; the database is opened anew before anything else is taken");
        self.setup.metrics.set_storage(metrics::Storage::Failed);
        self.log = None;
        self.failed_at = Some(Instant::now());
    }

    fn work(&mut self, jobs: Vec<Job>) -> Batch {
        let mut refused = Batch::default();
        let has_room = self.free.has_room(&self.setup);
        let (jobs, late): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| has_room || !grows(&job.work));
        refused.fail(late.into_iter().map(|job| job.ticket), LogError::Unavailable);
        let notary = self.setup.notary.clone();
        let Some(log) = self.open() else {
            refused.fail(jobs.into_iter().map(|job| job.ticket), LogError::Unavailable);
            return refused;
        };
        let begun = Instant::now();
        let mut batch = store::write(&mut **log, &notary, jobs);
        self.setup.metrics.committed(&batch, begun.elapsed());
        let met = |error| batch.done.iter().any(|done| done.outcome.as_ref().err() == Some(&error));
        if met(LogError::Damaged) {
            note_damage(&self.setup, "writing");
        }
        if met(LogError::Broken) {
            self.give_up();
        }
        batch.done.append(&mut refused.done);
        batch
    }

    /// The handle; opened anew after a failure, with a pause between tries.
    fn open(&mut self) -> Option<&mut Box<dyn Keep>> {
        if self.log.is_none() {
            if self.failed_at.is_some_and(|failed| failed.elapsed() < IDLE) {
                return None;
            }
            let failed = self.failed_at.is_some();
            match self.setup.storage.writer() {
                Ok(log) => {
                    if failed {
                        tracing::warn!("the database was opened anew and is sound");
                    }
                    self.log = Some(log);
                    self.failed_at = None;
                    self.setup.metrics.set_storage(metrics::Storage::Working);
                }
                Err(error) => {
                    static SAID: Seldom = Seldom::new();
                    if SAID.is_due() {
                        tracing::error!(error = format!("{error:#}"), "the database cannot be opened");
                    }
                    self.setup.metrics.set_storage(metrics::Storage::Failed);
                    self.failed_at = Some(Instant::now());
                }
            }
        }
        self.log.as_mut()
    }

    fn settle(&mut self) {
        if let Some(log) = self.open() {
            match log.settle() {
                Ok(()) => {}
                Err(LogError::Broken) => self.give_up(),
                Err(LogError::Damaged) => note_damage(&self.setup, "settling"),
                // A reader is at work; there is a next time.
                Err(error) => tracing::debug!(%error, "the database could not be settled"),
            }
        }
        // From its end on: however long it took, others are served in between.
        self.settled_at = Instant::now();
    }
}

/// Whether a request makes the database larger.
fn grows(work: &Work) -> bool {
    matches!(work, Work::Change(Change::Create { .. } | Change::Append { .. }))
}

/// What whoever runs the relay asks for, and where the answer goes.
type Asked = (Ask, oneshot::Sender<Result<Answer, AskError>>);

/// Everything that waits, up to what one transaction should hold, or to what whoever runs the relay asks for in between.
fn gather(first: Task, tasks: &Receiver<Task>) -> (Vec<Job>, Option<Asked>) {
    let (mut bytes, mut group) = (0, Vec::new());
    let mut next = Some(first);
    while let Some(task) = next {
        match task {
            Task::Admin(ask, reply) => return (group, Some((ask, reply))),
            Task::Job(job) => {
                bytes += bytes_of(&job);
                group.push(job);
            }
        }
        let has_room = group.len() < GROUP_CHANGES_MAX && bytes < GROUP_BYTES_MAX;
        next = if has_room { tasks.try_recv().ok() } else { None };
    }
    (group, None)
}

fn bytes_of(job: &Job) -> usize {
    match &job.work {
        Work::Change(Change::Append { cells, .. }) => cells.iter().map(|(_, cell)| cell.len()).sum(),
        Work::Change(Change::Purge { cells, .. }) => cells.len() * PURGE_CELL_BYTES,
        _ => 0,
    }
}

/// Whether the disk has room, looked up now and then.
#[derive(Default)]
struct Free {
    looked: Option<(Instant, bool)>,
}

impl Free {
    fn has_room(&mut self, setup: &Setup) -> bool {
        if let Some((at, has_room)) = self.looked
            && at.elapsed() < IDLE
        {
            return has_room;
        }
        // A disk that cannot be asked is not taken for full: the transaction will say what is wrong.
        let free = setup.storage.free_bytes();
        let has_room = free.is_none_or(|free| free >= setup.storage.free_min());
        setup.metrics.disk_free_bytes.set(free.unwrap_or(0));
        setup.metrics.set_room(has_room);
        match self.noted(has_room) {
            Some(true) => tracing::info!("there is room on the disk again: what comes is taken"),
            Some(false) => tracing::warn!("the disk is nearly full: nothing more is taken until there is room"),
            None => {}
        }
        has_room
    }

    /// Whether there is room, where that is not what it was. At first there is.
    fn noted(&mut self, has_room: bool) -> Option<bool> {
        let had_room = self.looked.is_none_or(|(_, had_room)| had_room);
        self.looked = Some((Instant::now(), has_room));
        (has_room != had_room).then_some(has_room)
    }
}

/// Says and shows that something that is stored does not fit together. Whoever asked is told to try again, which does not help.
fn note_damage(setup: &Setup, at: &'static str) {
    static SAID: Seldom = Seldom::new();
    setup.metrics.set_damaged();
    if SAID.is_due() {
        tracing::error!(at, "the database is damaged: some accounts are not served; run `caro-relay verify`");
    }
}

fn read_all(setup: &Setup, engine: &Engine, jobs: &Mutex<Receiver<Job>>) {
    let mut reader = None;
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        if reader.is_none() {
            reader = setup
                .storage
                .reader()
                .inspect_err(|error| {
                    static SAID: Seldom = Seldom::new();
                    if SAID.is_due() {
                        tracing::error!(error = format!("{error:#}"), "the database cannot be opened for reading");
                    }
                })
                .ok();
        }
        let done = match &mut reader {
            Some(reader) => store::read(&mut **reader, &setup.notary, job),
            None => Done { ticket: job.ticket, outcome: Err(LogError::Unavailable) },
        };
        match &done.outcome {
            Err(LogError::Damaged) => {
                note_damage(setup, "reading");
                reader = None;
            }
            Err(error @ LogError::Broken) => {
                static SAID: Seldom = Seldom::new();
                if SAID.is_due() {
                    tracing::error!(%error, "reading failed; run `caro-relay verify`");
                }
                reader = None;
            }
            Ok(_) | Err(LogError::Unavailable) => {}
        }
        engine.read(done);
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::atomic::AtomicU64};

    use caro_link::{identity::Signer, proof};
    use caro_schema::{
        id::{CellId, Generation, Handle, Hash},
        relay::list::DeviceList,
    };
    use serde_bytes::ByteBuf;

    use super::*;
    use crate::{
        log::{
            Log,
            calendar::Clocks,
            keep::InFolder,
            sqlite::{SqliteLog, today},
        },
        quota::Quota,
        store::Ticket,
    };

    /// The writer of a mailbox that holds one cell, which came today and is kept for thirty days.
    fn mailbox(folder: &Path) -> (Writer, Handle) {
        let (database, generation) = (folder.join("relay.db"), Generation([1; 16]));
        let mut log = SqliteLog::open(&database, generation).unwrap();
        log.date().unwrap();
        let signer = Signer::from_seed(&[7; 32]);
        let account = Hash(signer.public());
        let list = proof::sign_list(&signer, &DeviceList { version: 1, prev: Hash([0; 32]), keys: Vec::new() });
        let handle = proof::handle_of(&account);
        let cells = vec![(CellId([3; 32]), ByteBuf::from(vec![1; 100]))];
        let create = Change::Create { account, list, accounts_max: 9, invitation: None };
        log.commit(vec![create, Change::Append { handle, cells, quota: Quota::default() }]).unwrap();
        let storage = InFolder { database, generation, dated: true, free_min: AtomicU64::new(0) };
        let setup = Setup {
            storage: Arc::new(storage),
            notary: Notary::new(Arc::new(signer), generation),
            mailbox_days: Some(30),
            metrics: Arc::new(Metrics::default()),
        };
        (Writer::new(Some(Box::new(log)), Arc::new(setup), None), handle)
    }

    #[test]
    fn a_mailbox_forgets_nothing_for_a_clock_that_has_just_been_moved() {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, handle) = mailbox(folder.path());
        let dropped = |writer: &mut Writer| writer.open().unwrap().account(&handle).unwrap().unwrap().dropped;
        // Hours since the start, and days by which the clock was moved.
        let (now, set) = (Arc::new(Mutex::new((0_u64, 0_u64))), u64::from(today()));
        let clocks = now.clone();
        writer.calendar = Calendar::with(move || {
            let (hours, days) = *clocks.lock().unwrap();
            let steady = Duration::from_secs(hours * 3_600);
            Clocks { wall: Duration::from_secs((set + days) * 86_400) + steady, steady }
        });
        for (at, expected) in [((1, 0), 0), ((2, 60), 0), ((3, 60), 0), ((25, 60), 0), ((26, 60), 1)] {
            *now.lock().unwrap() = at;
            writer.expire();
            assert_eq!(dropped(&mut writer), expected, "{at:?}");
        }
    }

    fn push(bytes: usize) -> Task {
        let cells = vec![(CellId([0; 32]), ByteBuf::from(vec![0; bytes]))];
        let change = Change::Append { handle: Handle([0; 16]), cells, quota: Quota::default() };
        Task::Job(Job { ticket: Ticket(0), work: Work::Change(change) })
    }

    #[test]
    fn each_change_between_room_and_none_is_said_once() {
        let mut free = Free::default();
        let seen = [true, true, false, false, false, true, true, false];
        let said: Vec<bool> = seen.into_iter().filter_map(|has_room| free.noted(has_room)).collect();
        assert_eq!(said, [false, true, false]);
        assert_eq!(Free::default().noted(false), Some(false));
    }

    #[test]
    fn a_res_02_a_transaction_takes_only_so_many_cells_of_purges() {
        let (sender, jobs) = mpsc::channel();
        for _ in 0..GROUP_CHANGES_MAX {
            let change = Change::Purge { handle: Handle([0; 16]), cells: vec![CellId([0; 32]); 1_024] };
            sender.send(Task::Job(Job { ticket: Ticket(0), work: Work::Change(change) })).unwrap();
        }
        assert_eq!(gather(jobs.recv().unwrap(), &jobs).0.len() * 1_024 * PURGE_CELL_BYTES, GROUP_BYTES_MAX);
    }

    #[test]
    fn a_transaction_takes_everything_that_waits_up_to_its_size() {
        for (bytes, expected) in [(1_024, GROUP_CHANGES_MAX), (1 << 20, GROUP_BYTES_MAX >> 20)] {
            let (sender, jobs) = mpsc::channel();
            for _ in 0..2 * GROUP_CHANGES_MAX {
                sender.send(push(bytes)).unwrap();
            }
            assert_eq!(gather(jobs.recv().unwrap(), &jobs).0.len(), expected);
        }
        let (sender, jobs) = mpsc::channel();
        sender.send(push(1_024)).unwrap();
        let (reply, _answer) = oneshot::channel();
        sender.send(Task::Admin(Ask::Invitations { after: 0 }, reply)).unwrap();
        sender.send(push(1_024)).unwrap();
        let (group, asked) = gather(jobs.recv().unwrap(), &jobs);
        assert_eq!((group.len(), asked.is_some()), (1, true));
        assert_eq!(gather(jobs.recv().unwrap(), &jobs).0.len(), 1);
    }
}
