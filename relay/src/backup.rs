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
    /// What is to be restored is no backup.
    #[error("there is no {lacks} in {}", folder.display())]
    NotABackup {
        /// What is to be restored.
        folder: PathBuf,
        /// What a backup has and it has not.
        lacks: &'static str,
    },
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
    /// A key of the backup is none.
    #[error("the backup is damaged: {0}")]
    DamagedKeys(KeysError),
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
    let lacks = |lacks| BackupError::NotABackup { folder: from.to_owned(), lacks };
    if !database(from).exists() {
        return Err(lacks("database"));
    }
    let keys = Keys::read(from).map_err(|error| match error {
        KeysError::Missing(name) => lacks(name),
        KeysError::Damaged(_) => BackupError::DamagedKeys(error),
        other => other.into(),
    })?;
    let folder = Folder::open(folder)?;
    let target = folder.database();
    if fs::symlink_metadata(&target).is_ok() {
        return Err(BackupError::There(target));
    }
    let unfinished = folder.path().join("restored.db");
    remove(&unfinished)?;
    let restored = copy_checked(from, &unfinished).and_then(|report| {
        keys.write(folder.path())?;
        // The database last: a folder with it is a whole one.
        fs::rename(&unfinished, &target).map_err(failed(&target))?;
        Ok(report)
    });
    if restored.is_err() {
        // The reason counts more than that this fails, too; the next one tries it again.
        drop(remove(&unfinished));
    }
    let report = restored?;
    sync(folder.path())?;
    Ok(report)
}

/// A copy of a backup's database that holds what it should, as a new life.
fn copy_checked(from: &Path, to: &Path) -> Result<Report, BackupError> {
    backup::copy(&database(from), to).map_err(|error| match error {
        OpenError::Damaged => BackupError::Damaged("SQLite cannot read it".to_owned()),
        other => other.into(),
    })?;
    let report = verify::verify(to)?;
    if let Some(fault) = report.faults.first() {
        return Err(BackupError::Damaged(fault.clone()));
    }
    SqliteLog::open(to, fresh_generation()?)?.renew(fresh_generation()?)?;
    Ok(report)
}

/// Removes a database that is no relay's yet, and what SQLite may have left beside it.
fn remove(database: &Path) -> Result<(), BackupError> {
    for beside in ["", "-wal", "-shm", "-journal"] {
        let mut file = database.as_os_str().to_owned();
        file.push(beside);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(Path::new(&file))(error)),
            _ => {}
        }
    }
    Ok(())
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
