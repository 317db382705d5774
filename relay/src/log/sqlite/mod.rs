//! The log in one SQLite file: write-ahead log, `synchronous=FULL`, one writer, any number of readers beside it.
//!
//! A commit that returned has been flushed. What a purge or a closing takes away is overwritten (`secure_delete`), and
//! [`settle`](crate::log::Log::settle) empties the write-ahead log that still had it. After a failed flush the handle
//! refuses everything: what the disk then holds is not known until the file is opened again. Opening and versions are in
//! [`open`], the statements in `read` and `write`, the offline check in [`verify`].

pub mod accounts;
pub mod backup;
pub mod invitations;
mod kept;
pub mod open;
mod read;
pub mod verify;
mod write;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use caro_schema::id::{Generation, Handle, Hash};
use rusqlite::{Connection, ErrorCode, TransactionBehavior, config::DbConfig};

use super::{Account, Change, Changed, Log, LogError, LogReader, Noted, Room, Stretch};

pub use open::OpenError;

/// The writing handle.
pub struct SqliteLog {
    connection: Connection,
    generation: Generation,
    path: PathBuf,
    broken: bool,
    purged: bool,
    /// Cells get the day on which they come, which is never before this one: the newest that is stored. A machine may start with a
    /// clock that is behind, and would have what comes then forgotten as soon as it is put right.
    dated: Option<u32>,
    /// Nothing is left of closed accounts.
    swept: bool,
    /// Accounts of which every device has more than was forgotten at once. Those from before a restart are seen when one of their
    /// devices next says how far it has come.
    behind: BTreeSet<Handle>,
}

/// A reading handle.
pub struct SqliteReader {
    connection: Connection,
}

impl SqliteLog {
    /// Opens the file, makes it when it is not there, and brings it up to this version. `fresh` is the generation that a
    /// new file gets.
    ///
    /// # Errors
    /// Why it is not opened. It is left as it was.
    pub fn open(path: &Path, fresh: Generation) -> Result<Self, OpenError> {
        Self::on(path, open::writer(path, fresh)?)
    }

    /// Opens a file that was open before, after it has failed. Makes nothing: where no database is any more, or an empty file,
    /// it is [`OpenError::Gone`].
    ///
    /// # Errors
    /// Why it is not opened.
    pub fn open_again(path: &Path, generation: Generation) -> Result<Self, OpenError> {
        Self::on(path, open::writer_again(path, generation)?)
    }

    fn on(path: &Path, (connection, generation): (Connection, Generation)) -> Result<Self, OpenError> {
        // The one before may have ended before all was given back.
        let purged = free_pages(&connection)? > 0;
        let (path, behind) = (path.to_owned(), BTreeSet::new());
        Ok(Self { connection, generation, path, broken: false, purged, dated: None, swept: false, behind })
    }

    /// Does all of what [`settle`](Log::settle) does some of.
    ///
    /// # Errors
    /// As that.
    pub fn settle_all(&mut self) -> Result<(), LogError> {
        loop {
            self.settle()?;
            if !self.purged && self.swept && self.behind.is_empty() {
                return Ok(());
            }
        }
    }

    /// From now on cells get the day on which they come, as the mailbox mode needs it; those that have none get today.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn date(&mut self) -> Result<(), LogError> {
        self.usable()?;
        let result = kept::date(&self.connection, today());
        self.dated = Some(self.noted(result)?);
        Ok(())
    }

    /// Bytes of the database and of its write-ahead log.
    pub fn bytes(&self) -> (u64, u64) {
        let of = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        (of(&self.path), of(&open::wal_of(&self.path)))
    }

    /// Does something with the connection in a transaction of its own.
    pub(crate) fn within<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T, LogError>) -> Result<T, LogError> {
        self.usable()?;
        let result = transacted(&mut self.connection, work);
        self.noted(result)
    }

    /// A reading handle beside this one.
    ///
    /// # Errors
    /// Why it is not opened.
    pub fn reader(&self) -> Result<SqliteReader, OpenError> {
        SqliteReader::open(&self.path)
    }

    /// Starts a new life of this database, after it was restored from a backup: devices that saw more then offer again
    /// what it lacks, and their newest list, instead of stopping.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn renew(&mut self, generation: Generation) -> Result<(), LogError> {
        self.within(|connection| {
            connection
                .execute("UPDATE relay SET generation = ?1", [generation.as_bytes()])
                .and_then(|_| connection.execute("UPDATE account SET restored = 1", []))
                .map_err(|error| classify(&error))
        })?;
        self.generation = generation;
        Ok(())
    }

    /// Whether the file fits together, as far as can be seen without comparing every index entry.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when it does not.
    pub fn quick_check(&self) -> Result<(), LogError> {
        let verdict: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|error| classify(&error))?;
        if verdict == "ok" { Ok(()) } else { Err(LogError::Damaged) }
    }

    fn usable(&self) -> Result<(), LogError> {
        if self.broken { Err(LogError::Broken) } else { Ok(()) }
    }

    fn noted<T>(&mut self, result: Result<T, LogError>) -> Result<T, LogError> {
        if matches!(result, Err(LogError::Broken)) {
            self.broken = true;
            // It must not write once more while it is closed. Where this is refused, it writes what is in the log already.
            let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
        result
    }
}

impl SqliteReader {
    /// Opens a reading handle on a file that [`SqliteLog::open`] has made.
    ///
    /// # Errors
    /// Why it is not opened.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { connection: open::reader(path)? })
    }
}

impl LogReader for SqliteLog {
    fn turn(&mut self) -> Result<u64, LogError> {
        Ok(0)
    }

    fn account(&mut self, handle: &Handle) -> Result<Option<Account>, LogError> {
        self.usable()?;
        let result = read::account(&self.connection, handle);
        self.noted(result)
    }

    fn was_removed(&mut self, handle: &Handle, device: &Hash) -> Result<bool, LogError> {
        self.usable()?;
        let result = read::was_removed(&self.connection, handle, device);
        self.noted(result)
    }

    fn stretch(&mut self, handle: &Handle, after: u64, room: Room) -> Result<Option<Stretch>, LogError> {
        self.usable()?;
        let result = read::stretch(&mut self.connection, handle, after, room);
        self.noted(result)
    }
}

impl LogReader for SqliteReader {
    fn turn(&mut self) -> Result<u64, LogError> {
        Ok(0)
    }

    fn account(&mut self, handle: &Handle) -> Result<Option<Account>, LogError> {
        read::account(&self.connection, handle)
    }

    fn was_removed(&mut self, handle: &Handle, device: &Hash) -> Result<bool, LogError> {
        read::was_removed(&self.connection, handle, device)
    }

    fn stretch(&mut self, handle: &Handle, after: u64, room: Room) -> Result<Option<Stretch>, LogError> {
        read::stretch(&mut self.connection, handle, after, room)
    }
}

impl Log for SqliteLog {
    fn generation(&self) -> Generation {
        self.generation
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<Vec<Changed>, LogError> {
        self.usable()?;
        self.dated = self.dated.map(|newest| newest.max(today()));
        let today = self.dated;
        let delivered: Vec<Option<Handle>> = changes.iter().map(delivered).collect();
        let result = commit(&mut self.connection, changes, today);
        let result = self.noted(result)?;
        let forgets =
            |changed: &Changed| matches!(changed, Changed::Purged(1..) | Changed::Noted(Noted { forgotten: 1.., .. }));
        self.purged |= result.iter().any(forgets);
        self.swept &= !result.iter().any(|changed| matches!(changed, Changed::Closed));
        let behind = |(handle, changed): (Option<Handle>, &Changed)| {
            handle.filter(|_| matches!(changed, Changed::Noted(Noted { more: true, .. })))
        };
        self.behind.extend(delivered.into_iter().zip(&result).filter_map(behind));
        Ok(result)
    }

    fn settle(&mut self) -> Result<(), LogError> {
        self.usable()?;
        let grown = std::fs::metadata(open::wal_of(&self.path))
            .is_ok_and(|metadata| metadata.len() > crate::limits::WAL_BYTES_MAX);
        // Not while a reader keeps what was forgotten before from being moved: it would only be written ahead, too.
        let forgotten = if grown { Ok(()) } else { self.forget_more() };
        if self.purged || grown {
            self.usable()?;
            let result = settle(&self.connection);
            self.purged = !self.noted(result)?;
        }
        forgotten
    }

    fn expire(&mut self, before_day: u32) -> Result<(u64, bool), LogError> {
        let (count, more) = self.within(|connection| kept::expire(connection, before_day))?;
        self.purged |= count > 0;
        Ok((count, more))
    }
}

impl SqliteLog {
    /// One transaction's worth of what is still to be forgotten.
    fn forget_more(&mut self) -> Result<(), LogError> {
        if !self.swept {
            let (some, more) = self.within(write::sweep)?;
            self.purged |= some;
            self.swept = !more;
        } else if let Some(handle) = self.behind.first().copied() {
            let noted = self.within(|connection| kept::note_on(connection, &handle))?;
            self.purged |= noted.forgotten > 0;
            if !noted.more {
                self.behind.remove(&handle);
            }
        } else {
            return Ok(());
        }
        let moved = moved_what_has_grown(&self.connection);
        self.noted(moved)
    }
}

/// Of which account a device says how far it has come.
pub(crate) fn delivered(change: &Change) -> Option<Handle> {
    if let Change::Delivered { handle, .. } = change { Some(*handle) } else { None }
}

fn transacted<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T, LogError>,
) -> Result<T, LogError> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|error| classify(&error))?;
    let result = work(&transaction)?;
    transaction.commit().map_err(|error| classify(&error))?;
    Ok(result)
}

/// Of those that are counted.
pub(crate) const SECONDS_A_DAY: u64 = 86_400;

/// Days since 1970, by the system's clock.
pub fn today() -> u32 {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    u32::try_from(seconds / SECONDS_A_DAY).unwrap_or(u32::MAX)
}

fn commit(connection: &mut Connection, changes: Vec<Change>, today: Option<u32>) -> Result<Vec<Changed>, LogError> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|error| classify(&error))?;
    let mut results = Vec::with_capacity(changes.len());
    for change in changes {
        results.push(write::apply(&transaction, change, today)?);
    }
    transaction.commit().map_err(|error| classify(&error))?;
    moved_what_has_grown(connection)?;
    Ok(results)
}

/// After a commit: only a disk that failed is an error.
fn moved_what_has_grown(connection: &Connection) -> Result<(), LogError> {
    match move_what_has_grown(connection).map_err(|error| classify(&error)) {
        // It is stored. But nothing more may be taken by this handle, and who pushes it again is told the truth.
        Err(error @ LogError::Broken) => Err(error),
        // There is no room for it in the file, or a reader is at work: the next commit tries again.
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Frames in the write-ahead log from which on they are moved into the file; what SQLite has by itself. More would take
/// longer to read at a start after a crash, fewer would flush the file more often.
const FRAMES_MAX: i64 = 1000;

fn move_what_has_grown(connection: &Connection) -> rusqlite::Result<()> {
    let ask = |sql: &str| connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(1));
    if ask("PRAGMA wal_checkpoint(NOOP)")? >= FRAMES_MAX {
        ask("PRAGMA wal_checkpoint(PASSIVE)")?;
    }
    Ok(())
}

/// How long space is given back to the system at a time. Others wait meanwhile.
const GIVE_BACK_FOR: Duration = Duration::from_millis(250);

/// Empties the write-ahead log, and gives what is free in the file back to the system, some MiB at a time: what is moved for
/// that is written ahead, too. Whether nothing is left of it.
fn settle(connection: &Connection) -> Result<bool, LogError> {
    let classified = |error: rusqlite::Error| classify(&error);
    let begun = Instant::now();
    let mut before = i64::MAX;
    loop {
        if !emptied(connection).map_err(classified)? {
            return Err(LogError::Unavailable);
        }
        let free = free_pages(connection).map_err(classified)?;
        if free == 0 || free >= before {
            return Ok(true);
        }
        if begun.elapsed() > GIVE_BACK_FOR {
            return Ok(false);
        }
        before = free;
        // Each step gives one page back; a statement that is stepped once would give back only one.
        let mut vacuum = connection.prepare_cached("PRAGMA incremental_vacuum(1024)").map_err(classified)?;
        let mut rows = vacuum.query([]).map_err(classified)?;
        while rows.next().map_err(classified)?.is_some() {}
    }
}

/// How long the write-ahead log waits to be emptied for readers that are at work. A page is read in less; a backup or a check
/// takes minutes, and would stop everybody who pushes for as long as is waited here, again and again.
const READERS_MS: u64 = 50;

/// Empties the write-ahead log. False when a reader is at work.
fn emptied(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(Duration::from_millis(READERS_MS))?;
    let busy: rusqlite::Result<i64> = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
    connection.busy_timeout(Duration::from_millis(open::BUSY_MS))?;
    Ok(busy? == 0)
}

/// Pages of the file that nothing is in.
fn free_pages(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))
}

/// What an error of SQLite means for the handle. Unknown ones count as the worst.
pub(super) fn classify(error: &rusqlite::Error) -> LogError {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OutOfMemory,
        ) => LogError::Unavailable,
        Some(ErrorCode::SystemIoFailure) => LogError::Broken,
        Some(_) | None => LogError::Damaged,
    }
}
