//! A log as a whole relay needs it: what whoever runs the relay may do beside what devices do, and how handles on it are
//! opened and opened again. [`Storage`] says where it is kept; the threads in [`crate::disk`] know nothing else of it.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use caro_schema::id::{Generation, Handle, Hash};

use super::{
    Log, LogError, LogReader,
    postgres::{Identity, PostgresLog, PostgresReader, Source},
    sqlite::{
        SqliteLog, SqliteReader,
        accounts::{Details, Summary},
        invitations::Invitation,
    },
};

/// How far an account is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// There is none with that handle.
    NoAccount,
    /// Some of it; the rest is for the next times.
    Some,
    /// All of it.
    All,
}

/// The writing half with what whoever runs the relay may see and do.
pub trait Keep: Log {
    /// From now on cells get the day on which they come, as the mailbox mode needs it.
    ///
    /// # Errors
    /// When it could not be written.
    fn date(&mut self) -> Result<(), LogError>;

    /// Bytes of its files here: the database and what was written ahead of it. Zero for files elsewhere.
    fn bytes(&self) -> (u64, u64);

    /// How many accounts and entries there are.
    ///
    /// # Errors
    /// When they could not be counted.
    fn count(&mut self) -> Result<(u64, u64), LogError>;

    /// Accounts after a handle, in the order of handles.
    ///
    /// # Errors
    /// When they could not be read.
    fn summaries(&mut self, after: Option<Handle>, count: u32) -> Result<Vec<Summary>, LogError>;

    /// Accounts whose handle begins with these hexadecimal digits, two at most.
    ///
    /// # Errors
    /// When they could not be read.
    fn beginning_with(&mut self, digits: &str) -> Result<Vec<Summary>, LogError>;

    /// An account in more numbers.
    ///
    /// # Errors
    /// When it could not be read.
    fn details(&mut self, handle: &Handle) -> Result<Option<Details>, LogError>;

    /// Closes an account to all devices, or opens it again. False when there is none.
    ///
    /// # Errors
    /// When it could not be written.
    fn set_closed(&mut self, handle: &Handle, closed: bool) -> Result<bool, LogError>;

    /// Gives an account a room of its own, or that of all. False when there is none.
    ///
    /// # Errors
    /// When it could not be written.
    fn set_quota(&mut self, handle: &Handle, quota_bytes: Option<u64>) -> Result<bool, LogError>;

    /// Forgets an account and everything in it, as much at a time as others may wait for. To devices it is gone with the
    /// first of it.
    ///
    /// # Errors
    /// When it could not be written.
    fn forget_some(&mut self, handle: &Handle) -> Result<Forgotten, LogError>;

    /// Keeps a new invitation. Gives its number.
    ///
    /// # Errors
    /// When it could not be written.
    fn invite(&mut self, hash: &Hash, note: &str, expires: Option<u64>, uses: u32) -> Result<u64, LogError>;

    /// All invitations, in the order in which they were made.
    ///
    /// # Errors
    /// When they could not be read.
    fn invitations(&mut self) -> Result<Vec<Invitation>, LogError>;

    /// Forgets an invitation. False when there is none of this number.
    ///
    /// # Errors
    /// When it could not be written.
    fn revoke_invitation(&mut self, number: u64) -> Result<bool, LogError>;
}

/// Both have these under the same names.
macro_rules! keep {
    ($log:ty) => {
        fn date(&mut self) -> Result<(), LogError> {
            <$log>::date(self)
        }

        fn count(&mut self) -> Result<(u64, u64), LogError> {
            <$log>::count(self)
        }

        fn summaries(&mut self, after: Option<Handle>, count: u32) -> Result<Vec<Summary>, LogError> {
            <$log>::summaries(self, after, count)
        }

        fn beginning_with(&mut self, digits: &str) -> Result<Vec<Summary>, LogError> {
            <$log>::beginning_with(self, digits)
        }

        fn details(&mut self, handle: &Handle) -> Result<Option<Details>, LogError> {
            <$log>::details(self, handle)
        }

        fn set_closed(&mut self, handle: &Handle, closed: bool) -> Result<bool, LogError> {
            <$log>::set_closed(self, handle, closed)
        }

        fn set_quota(&mut self, handle: &Handle, quota_bytes: Option<u64>) -> Result<bool, LogError> {
            <$log>::set_quota(self, handle, quota_bytes)
        }

        fn forget_some(&mut self, handle: &Handle) -> Result<Forgotten, LogError> {
            <$log>::forget_some(self, handle)
        }

        fn invite(&mut self, hash: &Hash, note: &str, expires: Option<u64>, uses: u32) -> Result<u64, LogError> {
            <$log>::invite(self, hash, note, expires, uses)
        }

        fn invitations(&mut self) -> Result<Vec<Invitation>, LogError> {
            <$log>::invitations(self)
        }

        fn revoke_invitation(&mut self, number: u64) -> Result<bool, LogError> {
            <$log>::revoke_invitation(self, number)
        }
    };
}

impl Keep for SqliteLog {
    keep!(SqliteLog);

    fn bytes(&self) -> (u64, u64) {
        Self::bytes(self)
    }
}

impl Keep for PostgresLog {
    keep!(PostgresLog);

    /// The server's files are for its owner to watch.
    fn bytes(&self) -> (u64, u64) {
        (0, 0)
    }
}

/// Where a log is kept, and how handles on it are opened. Given to the threads that work on it.
pub trait Storage: Send + Sync {
    /// A writing handle on the log that was open before: after a failure, or for one more thread.
    ///
    /// # Errors
    /// Why there is none.
    fn writer(&self) -> anyhow::Result<Box<dyn Keep>>;

    /// A reading handle.
    ///
    /// # Errors
    /// Why there is none.
    fn reader(&self) -> anyhow::Result<Box<dyn LogReader>>;

    /// Threads that write, each for its share of the accounts.
    fn writers(&self) -> usize;

    /// Threads that read.
    fn readers(&self) -> usize;

    /// Bytes that are free on its disk, where that can be asked.
    fn free_bytes(&self) -> Option<u64>;

    /// Bytes that must stay free there.
    fn free_min(&self) -> u64;

    /// Sets them.
    fn set_free_min(&self, bytes: u64);
}

/// The one file in the relay's folder.
pub struct InFolder {
    /// The database.
    pub database: PathBuf,
    /// Its life.
    pub generation: Generation,
    /// Whether cells get the day on which they come.
    pub dated: bool,
    /// Bytes that stay free on its disk.
    pub free_min: AtomicU64,
}

/// Threads that read a file. More than the processors of a small server would only wait for each other.
const FILE_READERS: usize = 2;

impl Storage for InFolder {
    /// A file that is opened after a failure is looked at before anything rests on it.
    fn writer(&self) -> anyhow::Result<Box<dyn Keep>> {
        let mut log = SqliteLog::open_again(&self.database, self.generation)?;
        anyhow::ensure!(log.generation() == self.generation, "another database is in its place");
        log.quick_check()?;
        if self.dated {
            log.date()?;
        }
        Ok(Box::new(log))
    }

    fn reader(&self) -> anyhow::Result<Box<dyn LogReader>> {
        Ok(Box::new(SqliteReader::open(&self.database)?))
    }

    /// SQLite has one writer; a second one would wait for it.
    fn writers(&self) -> usize {
        1
    }

    fn readers(&self) -> usize {
        FILE_READERS
    }

    fn free_bytes(&self) -> Option<u64> {
        rustix::fs::statvfs(&self.database).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn free_min(&self) -> u64 {
        self.free_min.load(Ordering::Relaxed)
    }

    fn set_free_min(&self, bytes: u64) {
        self.free_min.store(bytes, Ordering::Relaxed);
    }
}

/// A PostgreSQL server.
pub struct InServer {
    /// Where it is.
    pub source: Source,
    /// As which relay it is used.
    pub identity: Identity,
    /// The database's life.
    pub generation: Generation,
    /// Whether cells get the day on which they come.
    pub dated: bool,
    /// Connections to it, beside the one on which relays hear each other.
    pub connections: usize,
}

impl InServer {
    /// Opens a database, makes it when it is not there, and gives a first handle on it.
    ///
    /// # Errors
    /// Why it is not opened.
    pub fn open(
        source: Source,
        identity: Identity,
        fresh: Generation,
        dated: bool,
        connections: usize,
    ) -> Result<(Arc<Self>, PostgresLog), super::postgres::OpenError> {
        let log = PostgresLog::open(&source, &identity, fresh)?;
        let generation = log.generation();
        Ok((Arc::new(Self { source, identity, generation, dated, connections }), log))
    }
}

impl Storage for InServer {
    fn writer(&self) -> anyhow::Result<Box<dyn Keep>> {
        let mut log = PostgresLog::open_again(&self.source, &self.identity)?;
        anyhow::ensure!(
            log.generation() == self.generation,
            "the database has begun a new life; start the relay again"
        );
        if self.dated {
            log.date()?;
        }
        Ok(Box::new(log))
    }

    fn reader(&self) -> anyhow::Result<Box<dyn LogReader>> {
        Ok(Box::new(PostgresReader::new(&self.source)))
    }

    fn writers(&self) -> usize {
        (self.connections / 2).max(1)
    }

    fn readers(&self) -> usize {
        self.connections.saturating_sub(self.writers()).max(1)
    }

    /// The server says itself when it is full, and nobody else can ask.
    fn free_bytes(&self) -> Option<u64> {
        None
    }

    fn free_min(&self) -> u64 {
        0
    }

    fn set_free_min(&self, _: u64) {}
}
