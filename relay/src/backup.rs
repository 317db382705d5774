//! Backups: a folder with the two keys and a copy of the database of one moment, made beside a running relay; and a relay's
//! folder from one. A certificate is not in it: one of an authority is renewed anyway, and a self-made one proves nothing.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use crate::{
    folder::{Folder, FolderError, database},
    keys::{Keys, KeysError},
    log::{
        LogError,
        sqlite::{
            OpenError, SqliteLog, backup,
            verify::{self, Report},
        },
    },
    serve::fresh_generation,
};

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It is there already; nothing is written over.
    #[error("{} is there already", .0.display())]
    There(PathBuf),
    /// There is nothing to copy.
    #[error("there is no database in {}", .0.display())]
    NoDatabase(PathBuf),
    /// A file or folder.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The relay's folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The database.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// It could not be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The copy does not hold what it should.
    #[error("the copy of the database is damaged: {0}")]
    Damaged(String),
    /// The system has no randomness.
    #[error(transparent)]
    Entropy(#[from] caro_link::entropy::NoEntropy),
}

/// Copies the keys and the database of a folder into a new one. Gives the bytes of the database. What is begun and cannot
/// be finished is left under another name, and removed by the next one.
///
/// # Errors
/// Why there is no backup.
pub fn make(folder: &Path, to: &Path) -> Result<u64, BackupError> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(BackupError::There(to.to_owned()));
    }
    if !database(folder).exists() {
        return Err(BackupError::NoDatabase(folder.to_owned()));
    }
    let keys = Keys::read(folder)?;
    let unfinished = to.with_extension("unfinished");
    fresh(&unfinished)?;
    backup::copy(&database(folder), &database(&unfinished))?;
    keys.write(&unfinished)?;
    let size = fs::metadata(database(&unfinished)).map_err(failed(&unfinished))?.len();
    sync(&unfinished)?;
    fs::rename(&unfinished, to).map_err(failed(to))?;
    sync(to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new(".")))?;
    Ok(size)
}

/// Makes a relay's folder from a backup, checks it, and begins a new life of its database. A folder that has a database is
/// left as it is; keys that are there already must be those of the backup.
///
/// # Errors
/// Why nothing was restored.
pub fn restore(from: &Path, folder: &Path) -> Result<Report, BackupError> {
    if !database(from).exists() {
        return Err(BackupError::NoDatabase(from.to_owned()));
    }
    let keys = Keys::read(from)?;
    let folder = Folder::open(folder)?;
    let target = folder.database();
    if fs::symlink_metadata(&target).is_ok() {
        return Err(BackupError::There(target));
    }
    let unfinished = folder.path().join("restored.db");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&unfinished)(error)),
        _ => {}
    }
    backup::copy(&database(from), &unfinished)?;
    let report = verify::verify(&unfinished)?;
    if let Some(fault) = report.faults.first() {
        return Err(BackupError::Damaged(fault.clone()));
    }
    SqliteLog::open(&unfinished, fresh_generation()?)?.renew(fresh_generation()?)?;
    keys.write(folder.path())?;
    // The database last: a folder with it is a whole one.
    fs::rename(&unfinished, &target).map_err(failed(&target))?;
    sync(folder.path())?;
    Ok(report)
}

/// An empty folder that nobody else can look into.
fn fresh(folder: &Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(folder)(error)),
        _ => {}
    }
    DirBuilder::new().mode(0o700).create(folder).map_err(failed(folder))
}

fn sync(folder: &Path) -> Result<(), BackupError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> BackupError {
    move |error| BackupError::Io { path: path.to_owned(), error }
}
