//! The database of one device: what the core decided, durable and sealed.
//!
//! | file | is |
//! |---|---|
//! | `open` | from a path to a connection that can be trusted, or the reason why not |
//! | `migrate` | from an older layout to this one, with a copy first |
//! | `seal` | what a row looks like on the disk, and the one place where it opens |
//! | `write`, `read` | a step's writes as one transaction, and rows back |
//! | `upkeep` | keeping the files small, and checking every row of them |
//! | `error` | why something failed, and what a person can do |
//!
//! It must not know what a row means. The invariants: a commit that returned is durable, one that failed changed
//! nothing; nothing is in the folder in the clear; a file that cannot be used is kept as it is. After an error of the
//! disk no write goes through the same connection again (see [`Store`]). Next: `docs/storage.md`.

mod error;
mod file_system;
mod migrate;
mod open;
mod read;
mod seal;
mod upkeep;
mod write;

#[cfg(test)]
mod tests;

use std::{
    cell::{Cell, RefCell},
    path::{Path, PathBuf},
};

use caro_core::vault::at_rest::StoreKey;
use rusqlite::Connection;

pub use error::StoreError;
pub use file_system::network_file_system;
pub(crate) use write::deletes_history;

use open::Journal;
use seal::Sealer;

/// The file's name in the data folder.
pub const FILE_NAME: &str = "caro.db";

/// The open database. One process has it at a time; the file is locked for as long.
///
/// When the disk fails, nobody knows what of the last writes it has: the system forgets what it could not write, and
/// says so once. So such an error ends the connection. The next use opens the file anew, which checks every page of
/// the log, moves it into the file, and waits until the disk has it; only then is anything else written.
pub struct Store {
    path: PathBuf,
    sealer: Sealer,
    migrations: &'static [migrate::Migration],
    journal: Journal,
    connection: RefCell<Option<Connection>>,
    /// Whether something was written since the files were last put in order.
    unsettled: Cell<bool>,
    /// Whether the log has what an earlier process left and the disk may not have. Nothing is written behind it.
    doubtful: Cell<bool>,
    /// Whether copies from before a migration are there.
    has_copies: Cell<bool>,
    /// Rows that were left out because they failed their check.
    left_out: Cell<u64>,
}

impl Store {
    /// Opens the database, and makes it when there is none.
    ///
    /// # Errors
    /// When it cannot be made or must not be used. It is then as it was.
    pub fn open(path: &Path, key: StoreKey) -> Result<Self, StoreError> {
        Self::open_with(path, key, migrate::ALL)
    }

    fn open_with(path: &Path, key: StoreKey, migrations: &'static [migrate::Migration]) -> Result<Self, StoreError> {
        let path = open::true_path(path)?;
        let journal = Journal::for_folder(path.parent().unwrap_or(Path::new("/")));
        Self::open_as(path, key, migrations, journal)
    }

    fn open_as(
        path: PathBuf,
        key: StoreKey,
        migrations: &'static [migrate::Migration],
        journal: Journal,
    ) -> Result<Self, StoreError> {
        let sealer = Sealer::new(key);
        let (connection, settled) = open::first(&path, &sealer, migrations, journal)?;
        let has_copies = !migrate::copies(&path).is_empty();
        Ok(Self {
            path,
            sealer,
            migrations,
            journal,
            connection: RefCell::new(Some(connection)),
            unsettled: Cell::new(true),
            doubtful: Cell::new(!settled),
            has_copies: Cell::new(has_copies),
            left_out: Cell::new(0),
        })
    }

    /// Copies that were made before the layout changed, the oldest first. They go with the first deletion after it.
    pub fn copies(&self) -> Vec<PathBuf> {
        migrate::copies(&self.path)
    }

    /// Rows that were left out since the start because they failed their check.
    pub fn left_out(&self) -> u64 {
        self.left_out.get()
    }

    /// Works on the connection, opening a new one if the last was given up, and gives it up when it can no longer be
    /// trusted.
    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut slot = self.connection.borrow_mut();
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => open::again(&self.path, &self.sealer, self.migrations, self.journal)?,
        };
        let outcome = work(&mut connection);
        let is_trusted = connection.is_autocommit() && !outcome.as_ref().is_err_and(StoreError::is_of_the_disk);
        if is_trusted {
            *slot = Some(connection);
        } else {
            tracing::warn!("the connection to the database is given up; the next use opens it anew");
        }
        outcome
    }
}
