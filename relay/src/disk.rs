//! The threads that work on the disk: one that writes, in groups, and a few that read beside it.
//!
//! The writer takes everything that waits into one transaction, so that one flush of the disk serves many devices. An
//! answer leaves only after that. When the disk fails, the handle is dropped and never used again; the file is opened
//! anew and checked before anything else is taken, and until then every request is answered with "try again".

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use caro_schema::id::Generation;

use crate::{
    engine::{Engine, Queues},
    limits::{GROUP_BYTES_MAX, GROUP_CHANGES_MAX},
    log::{
        Change, Log, LogError,
        sqlite::{SqliteLog, SqliteReader},
    },
    store::{self, Batch, Done, Job, Notary, Work},
};

/// Threads that read. More than the processors of a small server would only wait for each other.
const READERS: usize = 2;

/// How often the writer looks after its file when nobody asks anything, and how often a failed disk is tried again.
const IDLE: Duration = Duration::from_millis(500);

/// How often it does when it never comes to rest.
const SETTLE: Duration = Duration::from_secs(5);

/// What the threads need to know.
pub struct Setup {
    /// The database.
    pub database: PathBuf,
    /// Bytes that stay free on its disk.
    pub disk_free_min: u64,
    /// Signs positions.
    pub notary: Notary,
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
    pub fn start(log: SqliteLog, setup: Setup, engine: &Arc<Engine>, queues: Queues) -> std::io::Result<Self> {
        let setup = Arc::new(setup);
        let jobs = Arc::new(Mutex::new(queues.reader));
        let mut threads = Vec::new();
        for number in 0..READERS {
            let (setup, engine, jobs) = (setup.clone(), engine.clone(), jobs.clone());
            let name = format!("read {number}");
            threads.push(thread::Builder::new().name(name).spawn(move || read_all(&setup, &engine, &jobs))?);
        }
        let generation = log.generation();
        let settled_at = Instant::now();
        let writer = Writer { log: Some(log), generation, setup, free: Free::default(), failed_at: None, settled_at };
        let (engine, jobs) = (engine.clone(), queues.writer);
        threads.push(thread::Builder::new().name("write".to_owned()).spawn(move || writer.run(&engine, &jobs))?);
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
    log: Option<SqliteLog>,
    generation: Generation,
    setup: Arc<Setup>,
    free: Free,
    failed_at: Option<Instant>,
    settled_at: Instant,
}

impl Writer {
    fn run(mut self, engine: &Engine, jobs: &Receiver<Job>) {
        loop {
            match jobs.recv_timeout(IDLE) {
                Ok(first) => {
                    let batch = self.work(gather(first, jobs));
                    engine.written(batch);
                    if self.settled_at.elapsed() > SETTLE {
                        self.settle();
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.settle(),
                Err(RecvTimeoutError::Disconnected) => return self.settle(),
            }
        }
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
        let mut batch = store::write(log, &notary, jobs);
        let broken = batch.done.iter().any(|done| matches!(done.outcome, Err(LogError::Broken)));
        if broken {
            tracing::error!("the disk failed; the database is opened anew before anything else is taken");
            self.log = None;
            self.failed_at = Some(Instant::now());
        }
        batch.done.append(&mut refused.done);
        batch
    }

    /// The handle; opened anew after a failure, with a pause between tries.
    fn open(&mut self) -> Option<&mut SqliteLog> {
        if self.log.is_none() {
            if self.failed_at.is_some_and(|failed| failed.elapsed() < IDLE) {
                return None;
            }
            match self.reopen() {
                Ok(log) => {
                    tracing::warn!("the database was opened anew and is sound");
                    self.log = Some(log);
                    self.failed_at = None;
                }
                Err(error) => {
                    tracing::error!(%error, "the database cannot be opened");
                    self.failed_at = Some(Instant::now());
                }
            }
        }
        self.log.as_mut()
    }

    fn reopen(&self) -> anyhow::Result<SqliteLog> {
        let log = SqliteLog::open(&self.setup.database, self.generation)?;
        log.quick_check()?;
        anyhow::ensure!(log.generation() == self.generation, "another database is in its place");
        Ok(log)
    }

    fn settle(&mut self) {
        self.settled_at = Instant::now();
        let Some(log) = self.open() else { return };
        match log.settle() {
            Ok(()) => {}
            Err(LogError::Broken) => {
                tracing::error!("the disk failed; the database is opened anew before anything else is taken");
                self.log = None;
                self.failed_at = Some(Instant::now());
            }
            // A reader is at work; there is a next time.
            Err(error) => tracing::debug!(%error, "the database could not be settled"),
        }
    }
}

/// Whether a request makes the database larger.
fn grows(work: &Work) -> bool {
    matches!(work, Work::Change(Change::Create { .. } | Change::Append { .. }))
}

/// Everything that waits, up to what one transaction should hold.
fn gather(first: Job, jobs: &Receiver<Job>) -> Vec<Job> {
    let mut bytes = bytes_of(&first);
    let mut group = vec![first];
    while group.len() < GROUP_CHANGES_MAX && bytes < GROUP_BYTES_MAX {
        let Ok(job) = jobs.try_recv() else { break };
        bytes += bytes_of(&job);
        group.push(job);
    }
    group
}

fn bytes_of(job: &Job) -> usize {
    match &job.work {
        Work::Change(Change::Append { cells, .. }) => cells.iter().map(|(_, cell)| cell.len()).sum(),
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
        let has_room = rustix::fs::statvfs(&setup.database)
            .map_or(true, |disk| disk.f_bavail.saturating_mul(disk.f_frsize) >= setup.disk_free_min);
        if !has_room {
            tracing::warn!("the disk is nearly full: nothing more is taken until there is room");
        }
        self.looked = Some((Instant::now(), has_room));
        has_room
    }
}

fn read_all(setup: &Setup, engine: &Engine, jobs: &Mutex<Receiver<Job>>) {
    let mut reader = None;
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        if reader.is_none() {
            reader = SqliteReader::open(&setup.database)
                .inspect_err(|error| tracing::error!(%error, "the database cannot be opened for reading"))
                .ok();
        }
        let done = match &mut reader {
            Some(reader) => store::read(reader, &setup.notary, job),
            None => Done { ticket: job.ticket, outcome: Err(LogError::Unavailable) },
        };
        if let Err(error @ (LogError::Broken | LogError::Damaged)) = &done.outcome {
            tracing::error!(%error, "reading failed; run `caro-relay verify`");
            reader = None;
        }
        engine.read(done);
    }
}

#[cfg(test)]
mod tests {
    use caro_schema::id::{CellId, Handle};
    use serde_bytes::ByteBuf;

    use super::*;
    use crate::store::Ticket;

    fn push(bytes: usize) -> Job {
        let cells = vec![(CellId([0; 32]), ByteBuf::from(vec![0; bytes]))];
        let change = Change::Append { handle: Handle([0; 16]), cells, quota_bytes: 0 };
        Job { ticket: Ticket(0), work: Work::Change(change) }
    }

    #[test]
    fn a_transaction_takes_everything_that_waits_up_to_its_size() {
        for (bytes, expected) in [(1_024, GROUP_CHANGES_MAX), (1 << 20, GROUP_BYTES_MAX >> 20)] {
            let (sender, jobs) = std::sync::mpsc::channel();
            for _ in 0..2 * GROUP_CHANGES_MAX {
                sender.send(push(bytes)).unwrap();
            }
            assert_eq!(gather(jobs.recv().unwrap(), &jobs).len(), expected);
        }
        let (sender, jobs) = std::sync::mpsc::channel();
        sender.send(push(1_024)).unwrap();
        assert_eq!(gather(jobs.recv().unwrap(), &jobs).len(), 1);
    }
}
