//! From an older layout to this one: numbered files, all that are due in one transaction, a copy of the database first.
//!
//! A released file is never edited. What fails leaves the database as it was, usable by the program that wrote it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rusqlite::{
    Connection, OpenFlags, Transaction, TransactionBehavior,
    backup::{Backup, StepResult},
};

use super::{StoreError, open::companion};

/// One step from a layout to the next.
pub(super) struct Migration {
    /// The layout that it leads to.
    pub(super) to: i64,
    /// What it does.
    pub(super) sql: &'static str,
}

/// All, in order.
pub(super) const ALL: &[Migration] = &[Migration { to: 1, sql: include_str!("../../migrations/0001_store.sql") }];

/// The newest layout.
pub(super) fn newest(migrations: &[Migration]) -> i64 {
    migrations.last().map_or(0, |migration| migration.to)
}

/// Fills an empty file.
pub(super) fn begin(
    connection: &mut Connection,
    migrations: &[Migration],
    application: i64,
    (name, value): (&str, &[u8]),
) -> Result<(), StoreError> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    transaction.pragma_update(None, "application_id", application)?;
    for migration in migrations {
        apply(&transaction, migration)?;
    }
    transaction.execute("INSERT INTO meta (name, value) VALUES (?1, ?2)", (name, value))?;
    Ok(transaction.commit()?)
}

/// Brings a file from its layout to the newest.
pub(super) fn run(
    connection: &mut Connection,
    path: &Path,
    layout: i64,
    migrations: &[Migration],
) -> Result<(), StoreError> {
    let due: Vec<&Migration> = migrations.iter().filter(|migration| migration.to > layout).collect();
    if due.is_empty() {
        return Ok(());
    }
    copy(connection, path, layout)?;
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    for migration in due {
        apply(&transaction, migration)?;
    }
    transaction.commit()?;
    tracing::info!(from = layout, to = newest(migrations), "the layout of the database was changed");
    Ok(())
}

fn apply(transaction: &Transaction<'_>, migration: &Migration) -> Result<(), StoreError> {
    transaction.execute_batch(migration.sql)?;
    Ok(transaction.pragma_update(None, "user_version", migration.to)?)
}

/// What a copy's name has after the database's own, before the number of its layout.
const COPY: &str = ".layout-";

/// Copies the database as it is to a file beside it: whole, or not at all.
fn copy(connection: &Connection, path: &Path, layout: i64) -> Result<(), StoreError> {
    let to = companion(path, &format!("{COPY}{layout}"));
    let unfinished = companion(path, ".copy");
    let outcome = copy_to(connection, &unfinished)
        .and_then(|()| put_in_place(&unfinished, &to).map_err(|error| StoreError::of_file(&error)));
    if outcome.is_err() {
        // It has nothing that the database does not have.
        let _ = fs::remove_file(&unfinished);
    }
    outcome
}

fn copy_to(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let begin = || {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        File::options().write(true).create_new(true).mode(0o600).open(path)
    };
    begin().map_err(|error| StoreError::of_file(&error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let mut target = Connection::open_with_flags(path, flags)?;
    let backup = Backup::new(connection, &mut target)?;
    // All pages in one step: nobody else has either file.
    match backup.step(-1)? {
        StepResult::Done => Ok(()),
        _ => Err(StoreError::Busy),
    }
}

fn put_in_place(unfinished: &Path, to: &Path) -> io::Result<()> {
    File::open(unfinished)?.sync_all()?;
    fs::rename(unfinished, to)?;
    File::open(to.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// The copies beside a database, the oldest layout first.
pub(super) fn copies(path: &Path) -> Vec<PathBuf> {
    let Some(folder) = path.parent() else { return Vec::new() };
    let prefix = companion(path, COPY);
    let prefix = prefix.file_name().unwrap_or_default().as_encoded_bytes();
    let layout = |name: &std::ffi::OsStr| {
        let number = name.as_encoded_bytes().strip_prefix(prefix)?;
        std::str::from_utf8(number).ok()?.parse::<i64>().ok()
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(i64, PathBuf)> =
        entries.filter_map(|entry| Some((layout(&entry.file_name())?, entry.path()))).collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

/// Removes the copies.
pub(super) fn remove_copies(path: &Path) {
    for copy in copies(path) {
        if let Err(error) = fs::remove_file(&copy) {
            tracing::warn!(kind = ?error.kind(), "an old copy of the database could not be removed");
        }
    }
}
