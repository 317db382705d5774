//! Opens the database: version checks, settings, migrations. A file of a newer version, or one that is no relay's, is
//! refused and left exactly as it is; nothing is ever made anew over something that is there.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use caro_schema::id::Generation;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

/// Why a database is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer program has written it.
    #[error("the database has version {found}, this program knows {known}")]
    Newer {
        /// What it has.
        found: i64,
        /// What is known here.
        known: i64,
    },
    /// Another program's file.
    #[error("the database is not a relay's")]
    Foreign,
    /// It does not fit together.
    #[error("the database is damaged")]
    Damaged,
    /// It was there before.
    #[error("the database is not there any more")]
    Gone,
    /// The linked SQLite has a known way to lose data.
    #[error("SQLite {0} can lose data in its write-ahead log")]
    UnsafeSqlite(&'static str),
    /// The file cannot be made or read.
    #[error("the database cannot be opened: {0}")]
    Io(#[from] io::Error),
    /// SQLite could not do it.
    #[error("the database cannot be opened: {0}")]
    Sqlite(#[source] rusqlite::Error),
}

/// Damage is told apart wherever SQLite comes upon it: what helps against it is another thing than against a full disk.
impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged,
            _ => Self::Sqlite(error),
        }
    }
}

/// `caro` in ASCII, with the relay's `r` added: says whose file this is.
const APPLICATION_ID: i64 = 0x6361_726f ^ 0x72;

/// Each brings the database from one version to the next. A released one is never changed.
const MIGRATIONS: [&str; 4] = [
    include_str!("../../../migrations/0001_first.sql"),
    include_str!("../../../migrations/0002_added.sql"),
    include_str!("../../../migrations/0003_admitting.sql"),
    include_str!("../../../migrations/0004_restored.sql"),
];

/// How long a handle waits for another one. Only the writer writes; this covers its checkpoints.
pub(super) const BUSY_MS: u64 = 5_000;

/// Opens a file for writing, and makes it when it is not there.
pub(super) fn writer(path: &Path, fresh: Generation) -> Result<(Connection, Generation), OpenError> {
    safe_sqlite(rusqlite::version_number(), rusqlite::version())?;
    let path = &real(path)?;
    make_file(path)?;
    let connection = Connection::open_with_flags(path, flags(false))?;
    check_version(&connection)?;
    made_ready(connection, path, fresh)
}

/// Opens a file that was there a moment ago, and makes nothing. After a disk has failed its folder may be the empty one on
/// which it was mounted: what is made there would pass for the database, and be hidden when the disk comes back.
pub(super) fn writer_again(path: &Path, generation: Generation) -> Result<(Connection, Generation), OpenError> {
    let gone = |error: io::Error| if error.kind() == io::ErrorKind::NotFound { OpenError::Gone } else { error.into() };
    let path = &real(path).map_err(gone)?;
    fs::symlink_metadata(path).map_err(gone)?;
    let connection = Connection::open_with_flags(path, flags(false))?;
    check_version(&connection)?;
    if pragma(&connection, "user_version")? == 0 {
        return Err(OpenError::Gone);
    }
    made_ready(connection, path, generation)
}

fn made_ready(
    mut connection: Connection,
    path: &Path,
    fresh: Generation,
) -> Result<(Connection, Generation), OpenError> {
    let left = fs::metadata(wal_of(path)).is_ok_and(|log| log.len() > 0);
    settings(&connection)?;
    if left {
        settle_left(&connection, path)?;
    }
    migrate(&mut connection, fresh)?;
    let generation: Option<[u8; 16]> =
        connection.query_row("SELECT generation FROM relay", [], |row| row.get(0)).map(Some)?;
    let generation = generation.map(Generation).ok_or(OpenError::Damaged)?;
    Ok((connection, generation))
}

/// What was left in the log may never have been flushed, or the flush of it failed, and is read from the system's memory all
/// the same: a device that pushes it again would be told that it is safe. Moved into the file as it is, it could go missing
/// from the log alone, and what is older would then be put over what was moved. So the log is made safe first, and then moved;
/// where there is no room for it in the file, or a reader is at work, it stays where it is.
fn settle_left(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    // Nobody writes meanwhile.
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let written = write_again(&wal_of(path));
    connection.execute_batch("ROLLBACK")?;
    written?;
    let busy: rusqlite::Result<i64> = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
    match busy {
        Err(error) if error.sqlite_error_code() != Some(ErrorCode::DiskFull) => Err(error.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Writes a file over itself and flushes it. A flush alone would not do: if an earlier one failed, the system takes what it
/// had under way for written. Bytes that are there already are not torn by it.
fn write_again(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
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

pub(super) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let connection = Connection::open_with_flags(real(path)?, flags(true))?;
    common_settings(&connection)?;
    Ok(connection)
}

/// The write-ahead log beside a database.
pub(super) fn wal_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-wal");
    PathBuf::from(name)
}

/// The path with every link in its folder resolved. A folder may be one (service managers do that); the file may not, and
/// SQLite does not tell the two apart.
fn real(path: &Path) -> io::Result<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    Ok(folder.canonicalize()?.join(path.file_name().unwrap_or_default()))
}

fn flags(read_only: bool) -> OpenFlags {
    let access = if read_only { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW
}

/// SQLite would make it readable for everybody; the files beside it take over its mode.
fn make_file(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Before 3.51.3, and in 3.52.0, two connections could reset a write-ahead log under each other (security-design, trap 30).
fn safe_sqlite(number: i32, name: &'static str) -> Result<(), OpenError> {
    if number < 3_051_003 || number == 3_052_000 { Err(OpenError::UnsafeSqlite(name)) } else { Ok(()) }
}

/// Whether a file is a relay's and of a version that is known here.
pub(super) fn known(connection: &Connection) -> Result<(), OpenError> {
    check_version(connection)
}

/// Before anything is written. An empty file has neither an id nor a version.
fn check_version(connection: &Connection) -> Result<(), OpenError> {
    let application: i64 = pragma(connection, "application_id")?;
    let version: i64 = pragma(connection, "user_version")?;
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let known = MIGRATIONS.len() as i64;
    match (application, version, objects) {
        (0, 0, 0) => Ok(()),
        (APPLICATION_ID, 1.., _) if version <= known => Ok(()),
        (APPLICATION_ID, 1.., _) => Err(OpenError::Newer { found: version, known }),
        _ => Err(OpenError::Foreign),
    }
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, OpenError> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}

fn common_settings(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

fn settings(connection: &Connection) -> Result<(), rusqlite::Error> {
    common_settings(connection)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        // Only takes effect before the first table is made, and writes even when it changes nothing.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // SQLite would move the log into the file by itself, and pass over a disk that fails meanwhile. `commit` does it.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // An acknowledgement means that the disk has it: FULL flushes the write-ahead log at each commit, NORMAL does not.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "foreign_keys", true)
}

fn migrate(connection: &mut Connection, fresh: Generation) -> Result<(), OpenError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = usize::try_from(pragma(&transaction, "user_version")?).map_err(|_| OpenError::Damaged)?;
    if version == MIGRATIONS.len() {
        return Ok(());
    }
    for migration in MIGRATIONS.iter().skip(version) {
        transaction.execute_batch(migration)?;
    }
    if version == 0 {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.execute("INSERT INTO relay (one, generation) VALUES (1, ?1)", [fresh.as_bytes()])?;
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_30_a_sqlite_that_can_lose_data_is_refused() {
        for (number, safe) in
            [(3_040_001, false), (3_051_002, false), (3_051_003, true), (3_052_000, false), (3_053_000, true)]
        {
            assert_eq!(safe_sqlite(number, "x").is_ok(), safe, "{number}");
        }
        assert!(safe_sqlite(rusqlite::version_number(), rusqlite::version()).is_ok());
    }

    #[test]
    fn trap_10_the_settings_hold_on_an_open_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay.db");
        for _ in 0..2 {
            let (connection, _) = writer(&path, Generation([1; 16])).unwrap();
            let text = |name: &str| -> String {
                connection
                    .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
                    .map(show)
                    .unwrap()
            };
            assert_eq!(text("journal_mode"), "wal");
            assert_eq!(text("synchronous"), "2");
            assert_eq!(text("wal_autocheckpoint"), "0");
            assert_eq!(text("secure_delete"), "1");
            assert_eq!(text("auto_vacuum"), "2");
            assert_eq!(text("foreign_keys"), "1");
        }
    }

    #[test]
    fn trap_10_what_an_earlier_process_left_in_the_log_is_made_safe_before_anything_rests_on_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay.db");
        let (connection, generation) = writer(&path, Generation([1; 16])).unwrap();
        assert!(fs::metadata(wal_of(&path)).unwrap().len() > 0);
        // A crash leaves the files as they are.
        let after = tempfile::tempdir().unwrap();
        let left = after.path().join("relay.db");
        fs::copy(&path, &left).unwrap();
        fs::copy(wal_of(&path), wal_of(&left)).unwrap();
        drop(connection);
        let (_connection, found) = writer(&left, Generation([2; 16])).unwrap();
        assert_eq!(fs::metadata(wal_of(&left)).unwrap().len(), 0);
        assert!(found == generation);
    }

    #[test]
    fn r003_a_database_of_the_first_layout_is_moved_on_with_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        old.execute("INSERT INTO relay (one, generation) VALUES (1, ?1)", [[7_u8; 16]]).unwrap();
        old.execute(
            "INSERT INTO account VALUES (1, zeroblob(16), zeroblob(32), x'01', zeroblob(64), 1, 0, zeroblob(32), 5)",
            [],
        )
        .unwrap();
        drop(old);
        let (connection, generation) = writer(&path, Generation([1; 16])).unwrap();
        assert!(generation == Generation([7; 16]));
        let row: (Vec<u8>, u64) = connection
            .query_row("SELECT added, used_bytes FROM account", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!(row, (Vec::new(), 5));
    }

    #[test]
    fn trap_34_what_is_written_again_is_the_same_to_the_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for length in [0, 1, 64 * 1024, 64 * 1024 + 1, 200_000] {
            let bytes: Vec<u8> = (0..length).map(|n: u32| (n % 251) as u8).collect();
            fs::write(&path, &bytes).unwrap();
            write_again(&path).unwrap();
            assert!(fs::read(&path).unwrap() == bytes, "{length}");
        }
    }

    fn show(value: rusqlite::types::Value) -> String {
        match value {
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Integer(number) => number.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_folder_may_be_a_link_and_the_file_may_not() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let linked = temporary.path().join("linked");
        std::os::unix::fs::symlink(&folder, &linked).unwrap();
        assert!(writer(&linked.join("relay.db"), Generation([1; 16])).is_ok());
        assert!(reader(&linked.join("relay.db")).is_ok());
        std::os::unix::fs::symlink(folder.join("relay.db"), folder.join("other.db")).unwrap();
        assert!(writer(&folder.join("other.db"), Generation([1; 16])).is_err());
        assert!(reader(&folder.join("other.db")).is_err());
    }

    #[test]
    fn a_newer_database_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay.db");
        let (connection, _) = writer(&path, Generation([1; 16])).unwrap();
        connection.pragma_update(None, "user_version", 9).unwrap();
        drop(connection);
        let before = fs::read(&path).unwrap();
        assert!(matches!(writer(&path, Generation([2; 16])), Err(OpenError::Newer { found: 9, known: 4 })));
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn another_programs_file_and_no_database_at_all_are_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let foreign = folder.path().join("foreign.db");
        Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE notes (text)").unwrap();
        let text = folder.path().join("text.db");
        fs::write(
            &text,
            "not a database, but long enough to be looked at as one by a program that reads headers\n".repeat(8),
        )
        .unwrap();
        for (path, is_expected) in [
            (&foreign, (|error| matches!(error, OpenError::Foreign)) as fn(&OpenError) -> bool),
            (&text, |error| matches!(error, OpenError::Damaged)),
        ] {
            let before = fs::read(path).unwrap();
            let error = writer(path, Generation([1; 16])).err().unwrap();
            assert!(is_expected(&error), "{error:?}");
            assert_eq!(fs::read(path).unwrap(), before);
        }
    }
}
