//! Histories that are SQLite databases. A file from somewhere is hostile until shown otherwise: its schema is not trusted
//! and none of its code runs (views, triggers, computed columns are refused), cells are checked before they are used,
//! texts have a limit before they are loaded, and rows that do not go up end the reading. It is opened for reading only.
//!
//! Which tables and columns each tool has is in [`tables`]. caro's own database is another matter, and only the daemon's.

mod tables;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fmt::Write,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, Row, config::DbConfig, limits::Limit, types::ValueRef};

use self::tables::Shape;
use super::{Found, Input, Odd, Taker, Why};
use crate::{
    error::{Failure, Outcome},
    exit,
};

/// Bytes of a value that may be loaded at all. Above a command's, and nothing else in a history comes near it.
const VALUE_BYTES_MAX: i32 = 8 * 1024 * 1024;

/// How long a tool that is just writing is waited for.
const BUSY_FOR: Duration = Duration::from_secs(5);

/// Everything in a database, in the order in which it was written.
pub(super) fn read(input: &Input, take: Taker<'_>) -> Outcome {
    let path = &input.path;
    let not_ours = || {
        Failure::new(exit::DATA, format!("{} is not a history of {}", path.display(), input.source.name()))
            .hint("name another source, or another file")
    };
    let before = stamp(path);
    let at = if has_journal(path) { Access::Shared } else { Access::Alone };
    let connection = open(path, at).map_err(|error| failed(path, &error))?;
    let shapes = tables::of(input.source);
    let shape = shapes.iter().find(|shape| is_there(&connection, shape)).ok_or_else(not_ours)?;
    rows(&connection, shape, take).map_err(|error| failed(path, &error))??;
    if at == Access::Alone && stamp(path) != before {
        return Err(Failure::new(exit::TRY_LATER, format!("{} was written while it was read", path.display()))
            .hint("import it again; what was taken already is known"));
    }
    Ok(())
}

/// How a file is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Nobody has it open, or only for reading: nothing at all is written beside it.
    Alone,
    /// Its writer left changes beside it, which belong to it and are read with its writer's locks.
    Shared,
}

fn has_journal(path: &Path) -> bool {
    ["-wal", "-journal"].iter().any(|ending| fs::metadata(beside(path, ending)).is_ok_and(|meta| meta.len() > 0))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

/// Tells whether a file was written in between.
fn stamp(path: &Path) -> Option<(u64, std::time::SystemTime, bool)> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.len(), meta.modified().ok()?, has_journal(path)))
}

fn open(path: &Path, access: Access) -> rusqlite::Result<Connection> {
    let mut uri = "file:".to_owned();
    for byte in std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).as_os_str().as_bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
        // Writing to memory cannot fail.
        let _is_written = if plain { write!(uri, "{}", *byte as char) } else { write!(uri, "%{byte:02x}") };
    }
    uri += if access == Access::Alone { "?mode=ro&immutable=1" } else { "?mode=ro" };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags)?;
    connection.busy_timeout(BUSY_FOR)?;
    for (setting, is_on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        connection.set_db_config(setting, is_on)?;
    }
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
        (Limit::SQLITE_LIMIT_COLUMN, 200),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 50),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 4),
        (Limit::SQLITE_LIMIT_VDBE_OP, 25_000),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, value)?;
    }
    connection.execute_batch("PRAGMA query_only=ON; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0;")?;
    Ok(connection)
}

/// Whether the tables are there, as tables, with their columns.
fn is_there(connection: &Connection, shape: &Shape) -> bool {
    shape.tables.iter().all(|(table, columns)| {
        let has = stored_columns(connection, table);
        columns.iter().all(|column| has.contains(*column))
    })
}

/// The columns of a table that are values in the file; none when it is no table.
fn stored_columns(connection: &Connection, table: &str) -> BTreeSet<String> {
    let sql = "SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0
               AND (SELECT type = 'table' AND rootpage > 0 FROM sqlite_schema WHERE name = ?1)";
    let read = || -> rusqlite::Result<BTreeSet<String>> {
        connection.prepare(sql)?.query_map([table], |row| row.get(0))?.collect()
    };
    // A schema that cannot be read is not the one that is looked for.
    read().unwrap_or_default()
}

fn rows(connection: &Connection, shape: &Shape, take: Taker<'_>) -> rusqlite::Result<Outcome> {
    let (main, _) = shape.tables[0];
    let optional = stored_columns(connection, main);
    let sql = shape.sql(|column| optional.contains(column));
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut last = i64::MIN;
    loop {
        let row = match rows.next() {
            Ok(None) => return Ok(Ok(())),
            Ok(Some(row)) => row,
            Err(error) if is_damage(&error) => return Ok(take(damaged(last))),
            Err(error) => return Err(error),
        };
        let cells = Cells(row);
        // A damaged tree can lead in a circle, and would then give rows for ever.
        let Some(number) = cells.whole(0).filter(|number| *number > last) else { return Ok(take(damaged(last))) };
        last = number;
        let at = u64::try_from(number).unwrap_or_default();
        let found = match (shape.entry)(&cells) {
            Ok(None) => continue,
            Ok(Some(found)) => found,
            Err(why) => Odd::new(at, why, &[]).into(),
        };
        if let Err(failure) = take(found) {
            return Ok(Err(failure));
        }
    }
}

fn damaged(last: i64) -> Found {
    Odd::new(u64::try_from(last).unwrap_or_default().saturating_add(1), Why::Damaged, &[]).into()
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::TooBig | ErrorCode::NotADatabase | ErrorCode::TypeMismatch)
    )
}

/// What SQLite says of a file may repeat what is in it; its code is enough.
fn failed(path: &Path, error: &rusqlite::Error) -> Failure {
    let name = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Failure::new(exit::TRY_LATER, format!("{name} is being written by another program"))
                .hint("try again when it is done")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            Failure::new(exit::NO_INPUT, format!("{name} cannot be opened"))
                .hint("close the program that writes it, or import a copy of it")
        }
        Some(ErrorCode::SystemIoFailure) => Failure::new(exit::IO, format!("{name} cannot be read")),
        _ => Failure::new(exit::DATA, format!("{name} is not a database, or is damaged"))
            .hint("name another source, or another file"),
    }
}

/// The values of a row. One of another kind than expected is none.
struct Cells<'a>(&'a Row<'a>);

impl Cells<'_> {
    fn value(&self, at: usize) -> ValueRef<'_> {
        self.0.get_ref(at).unwrap_or(ValueRef::Null)
    }

    fn whole(&self, at: usize) -> Option<i64> {
        match self.value(at) {
            ValueRef::Integer(value) => Some(value),
            ValueRef::Real(value) if value.abs() < 9e15 => Some(value as i64),
            _ => None,
        }
    }

    fn real(&self, at: usize) -> Option<f64> {
        match self.value(at) {
            ValueRef::Integer(value) => Some(value as f64),
            ValueRef::Real(value) => Some(value),
            _ => None,
        }
    }

    fn small(&self, at: usize) -> Option<i32> {
        self.whole(at).and_then(|value| i32::try_from(value).ok())
    }

    fn bytes(&self, at: usize) -> Option<Vec<u8>> {
        match self.value(at) {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes.to_vec()),
            _ => None,
        }
    }

    /// A text, or a number as one; empty when there is none.
    fn text(&self, at: usize) -> String {
        match self.value(at) {
            ValueRef::Integer(value) => value.to_string(),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        }
    }

    /// The command, which stands behind its length: none of it was loaded if it is too long.
    fn command(&self, at: usize) -> Result<Vec<u8>, Why> {
        match (self.bytes(at + 1), self.whole(at)) {
            (Some(command), _) => Ok(command),
            (None, Some(_)) => Err(Why::TooLong),
            (None, None) => Err(Why::Field),
        }
    }
}
