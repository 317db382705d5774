//! From a path to a connection that can be trusted, or the reason why there is none.
//!
//! Everything is looked at before anything is changed: what the file is, which layout, which key, whether it holds
//! together. A file that fails one of these is left as it is, to the byte.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, config::DbConfig, types::FromSql};

use super::{
    StoreError,
    migrate::{self, Migration},
    network_file_system,
    seal::Sealer,
};

/// Marks a file as caro's, where SQLite has room for such a mark: "caro" in ASCII.
const APPLICATION: i64 = 0x6361_726f;

/// The row of `meta` that tells which key opens the file.
const FINGERPRINT: &str = "key";

/// How long to wait for another program that has the file, such as a daemon that is just ending.
const WAIT_FOR_LOCK: Duration = Duration::from_secs(3);

/// Bytes of a file that is checked whole at each start: it takes some 10 ms. A larger one is checked in part, unless
/// it was not closed in order.
const CHECKED_WHOLE_BYTES: u64 = 32 * 1024 * 1024;

/// How a transaction is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Journal {
    /// A log that is written ahead: one write and one wait for each transaction.
    Wal,
    /// The older one: slower, and it asks less of the file system.
    Rollback,
}

impl Journal {
    pub(super) fn for_folder(folder: &Path) -> Self {
        if network_file_system(folder).is_some() { Self::Rollback } else { Self::Wal }
    }

    /// A transaction that has returned is on the disk: the cell that follows from it may be sent, and the shell's file
    /// it came from may be removed. So never less than FULL.
    fn settings(self) -> (&'static str, &'static str) {
        match self {
            Self::Wal => ("wal", "FULL"),
            Self::Rollback => ("delete", "EXTRA"),
        }
    }
}

/// The path without links in its folders: SQLite is told to follow none.
pub(super) fn true_path(path: &Path) -> Result<PathBuf, StoreError> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = fs::canonicalize(folder).map_err(|error| StoreError::of_file(&error))?;
    Ok(folder.join(path.file_name().unwrap_or_default()))
}

/// Opens the file at the start of the program, and makes it when there is none. The second value says whether something
/// may be written to it already; if not, what was left in the log has to be settled first.
pub(super) fn first(
    path: &Path,
    sealer: &Sealer,
    migrations: &[Migration],
    journal: Journal,
) -> Result<(Connection, bool), StoreError> {
    make(path).map_err(|error| StoreError::of_file(&error))?;
    let (connection, settled) = open(path, sealer, migrations, journal)?;
    match settled {
        Ok(()) => Ok((connection, true)),
        // There is nothing wrong with the log where it is. History can be read, and what shells write is kept.
        Err(StoreError::Full) => Ok((connection, false)),
        Err(error) => Err(error),
    }
}

/// Opens the file anew after the last connection had to be given up. One that is gone is not made again: what is in
/// memory came from it.
pub(super) fn again(
    path: &Path,
    sealer: &Sealer,
    migrations: &[Migration],
    journal: Journal,
) -> Result<Connection, StoreError> {
    let (connection, settled) = open(path, sealer, migrations, journal)?;
    settled.map(|()| connection)
}

/// The second value says whether what was left in the log is now in the file. While it is not, the disk may lack a
/// piece of it that the system believes to be written, and everything that followed would be lost with that piece.
fn open(
    path: &Path,
    sealer: &Sealer,
    migrations: &[Migration],
    journal: Journal,
) -> Result<(Connection, Result<(), StoreError>), StoreError> {
    check_sqlite(rusqlite::version_number(), rusqlite::version())?;
    close_to_others(path).map_err(|error| StoreError::of_file(&error))?;
    let left_log = fs::metadata(companion(path, "-wal")).is_ok_and(|meta| meta.len() > 0);
    check_beginning(path)?;
    let mut connection = connect(path)?;
    let layout = recognise(&connection, migrations)?;
    match layout {
        Some(_) => {
            check_key(&connection, sealer)?;
            let size = fs::metadata(path).map_or(0, |meta| meta.len());
            check_structure(&connection, left_log || size <= CHECKED_WHOLE_BYTES)?;
        }
        // To be said before the first page is written.
        None => connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL")?,
    }
    set_up(&connection, journal)?;
    let settled = if left_log {
        make_safe(&connection, &companion(path, "-wal")).and_then(|()| settle(&connection))
    } else {
        Ok(())
    };
    match layout {
        Some(layout) => {
            if layout < migrate::newest(migrations) {
                settled.clone()?;
            }
            migrate::run(&mut connection, path, layout, migrations)?;
        }
        None => migrate::begin(&mut connection, migrations, APPLICATION, (FINGERPRINT, &sealer.fingerprint()))?,
    }
    Ok((connection, settled))
}

/// Makes an empty file that only this user may open, if there is none. An empty one that a crash left is as good.
fn make(path: &Path) -> io::Result<()> {
    match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            file.sync_all()?;
            File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Closes the file and its companions to others, if somebody opened them.
fn close_to_others(path: &Path) -> io::Result<()> {
    for file in [path.to_owned(), companion(path, "-wal"), companion(path, "-journal")] {
        match fs::symlink_metadata(&file) {
            Ok(meta) if is_open(&meta) => fs::set_permissions(&file, PermissionsExt::from_mode(0o600))?,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A link is refused later, by SQLite, and what it points to is none of ours.
fn is_open(meta: &Metadata) -> bool {
    meta.is_file() && meta.mode() & 0o077 != 0
}

/// A file beside the database whose name SQLite makes from it.
pub(super) fn companion(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Versions before 3.51.3, and 3.52.0, can lose a transaction when the log is begun anew.
fn check_sqlite(number: i32, name: &'static str) -> Result<(), StoreError> {
    if number < 3_051_003 || number == 3_052_000 { Err(StoreError::Version(name)) } else { Ok(()) }
}

/// SQLite takes a file of a few bytes for an empty one. Read before SQLite has the file: closing it again would let go
/// of its locks. An unfinished transaction may have left anything, and SQLite takes it back.
fn check_beginning(path: &Path) -> Result<(), StoreError> {
    let begins = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut bytes)?;
        Ok(bytes.is_empty() || bytes == MAGIC)
    };
    let is_unfinished = fs::metadata(companion(path, "-journal")).is_ok_and(|meta| meta.len() > 0);
    if is_unfinished || begins().map_err(|error| StoreError::of_file(&error))? {
        Ok(())
    } else {
        Err(StoreError::Foreign)
    }
}

/// How a database of SQLite begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// A connection that has changed nothing yet.
fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(WAIT_FOR_LOCK)?;
    // A connection that is given up must not write once more while it goes.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // No other process may have the file at the same time; then the log's index is private memory, too.
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON")?;
    Ok(connection)
}

/// The layout of the file, none when there is nothing in it yet.
fn recognise(connection: &Connection, migrations: &[Migration]) -> Result<Option<i64>, StoreError> {
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let layout: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = migrate::newest(migrations);
    if application == 0 && layout == 0 {
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        return if tables == 0 { Ok(None) } else { Err(StoreError::Foreign) };
    }
    match layout {
        _ if application != APPLICATION => Err(StoreError::Foreign),
        found if found > known => Err(StoreError::Newer { found, known }),
        found if found < 1 => Err(StoreError::Damaged("it has no layout".to_owned())),
        found => Ok(Some(found)),
    }
}

fn check_key(connection: &Connection, sealer: &Sealer) -> Result<(), StoreError> {
    let sql = "SELECT value FROM meta WHERE name = ?1";
    let found: Option<Vec<u8>> = connection.query_row(sql, [FINGERPRINT], |row| row.get(0)).optional()?;
    match found {
        Some(found) if found == sealer.fingerprint() => Ok(()),
        Some(_) => Err(StoreError::OtherKey),
        None => Err(StoreError::Damaged("it does not say which key opens it".to_owned())),
    }
}

/// Checks that the pages hold together. What is in them is checked when it is read: each row is sealed.
fn check_structure(connection: &Connection, whole: bool) -> Result<(), StoreError> {
    let checks: &[&str] = if whole {
        &["PRAGMA quick_check(1)"]
    } else {
        &["PRAGMA quick_check('meta')", "PRAGMA quick_check('blocks')"]
    };
    for check in checks {
        let found: String = ask(connection, check)?;
        if found != "ok" {
            return Err(StoreError::Damaged(found.replace('\n', " ")));
        }
    }
    Ok(())
}

fn set_up(connection: &Connection, journal: Journal) -> Result<(), StoreError> {
    let (mode, synchronous) = journal.settings();
    let is: String = ask(connection, &format!("PRAGMA journal_mode = {mode}"))?;
    if is != mode {
        return Err(StoreError::Busy);
    }
    connection.pragma_update(None, "synchronous", synchronous)?;
    // SQLite would move the log into the file by itself, and pass over a disk that fails meanwhile.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // On macOS waiting for the disk means more than fsync; elsewhere these two change nothing.
    connection.execute_batch("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON")?;
    // What was deleted must not stay in free pages, sealed as it is.
    connection.execute_batch("PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY")?;
    // Half a mebibyte of pages: everything is in the daemon's own memory already. The log is cut to nothing whenever
    // it has been moved into the file.
    connection.execute_batch("PRAGMA cache_size = -512; PRAGMA journal_size_limit = 0")?;
    Ok(())
}

/// Writes the log that was left over itself and flushes it. It may never have been flushed, or the flush of it failed, after
/// which the system takes it for written and no later flush brings it. Moved into the file as it is, it could go missing from
/// the log alone, and what is older would then be put over what was moved. Bytes that are there already are not torn by it.
fn make_safe(connection: &Connection, log: &Path) -> Result<(), StoreError> {
    // Nobody writes meanwhile, not even a daemon that is just ending.
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let written = write_again(log).map_err(|error| StoreError::of_file(&error));
    connection.execute_batch("ROLLBACK")?;
    written
}

fn write_again(path: &Path) -> io::Result<()> {
    let file = match File::options().read(true).write(true).open(path) {
        Ok(file) => file,
        // Another program has moved it and ended.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; 64 * 1024];
    let mut at = 0;
    loop {
        let count = file.read_at(&mut bytes, at)?;
        if count == 0 {
            return file.sync_all();
        }
        file.write_all_at(&bytes[..count], at)?;
        at += count as u64;
    }
}

/// Moves the log into the file and waits until the disk has it.
pub(super) fn settle(connection: &Connection) -> Result<(), StoreError> {
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode != Journal::Wal.settings().0 {
        return Ok(());
    }
    let refused: i64 = ask(connection, "PRAGMA wal_checkpoint(TRUNCATE)")?;
    if refused == 0 { Ok(()) } else { Err(StoreError::Busy) }
}

/// Frames in the log from which on they are moved into the file; what SQLite has by itself. More would take longer to read at
/// a start after a crash, fewer would flush the file more often.
const FRAMES_MAX: i64 = 1000;

/// Moves the log into the file when one commit after the other makes it grow.
///
/// # Errors
/// Only of the disk. What else is in the way may be gone at the next commit.
pub(super) fn settle_what_has_grown(connection: &Connection) -> Result<(), StoreError> {
    let frames = |sql: &str| connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(1));
    let moved = frames("PRAGMA wal_checkpoint(NOOP)")
        .and_then(|count| if count < FRAMES_MAX { Ok(count) } else { frames("PRAGMA wal_checkpoint(PASSIVE)") });
    match moved.map_err(StoreError::from) {
        Err(error) if error.is_of_the_disk() => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The first value that a statement gives, once the statement has ended: one that changes something is committed after
/// its last row, and that is where it fails.
fn ask<T: FromSql>(connection: &Connection, sql: &str) -> Result<T, StoreError> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let first = match rows.next()? {
        Some(row) => row.get(0)?,
        None => return Err(rusqlite::Error::QueryReturnedNoRows.into()),
    };
    while rows.next()?.is_some() {}
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_30_an_sqlite_that_loses_transactions_is_refused_and_ours_is_not() {
        assert_eq!(check_sqlite(rusqlite::version_number(), rusqlite::version()), Ok(()));
        for (number, name) in [(3_040_001, "3.40.1"), (3_051_002, "3.51.2"), (3_052_000, "3.52.0")] {
            assert_eq!(check_sqlite(number, name), Err(StoreError::Version(name)));
        }
        for number in [3_051_003, 3_052_001, 3_053_000] {
            assert_eq!(check_sqlite(number, ""), Ok(()));
        }
    }
}
