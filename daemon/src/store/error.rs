//! Why the store could not do something, and what a person can do about it.
//!
//! Nothing of a row is ever in an error: SQLite's own words are left out where they could quote one.

use caro_core::{step::RowError, vault::at_rest::AtRestError};
use caro_link::entropy::NoEntropy;
use rusqlite::{ErrorCode, ffi};

/// Why the store could not be opened, read or written to. Whatever it is, the files are whole or as they were.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A newer program wrote it.
    #[error("a newer version of caro wrote it (layout {found}, this one knows {known})")]
    Newer {
        /// The file's layout.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// It opens with another key than the one that was found.
    #[error("the key that was found is not the one it was written with")]
    OtherKey,
    /// A database of something else, or no database.
    #[error("the file is not a database of caro")]
    Foreign,
    /// Its structure does not hold together.
    #[error("the file is damaged ({0})")]
    Damaged(String),
    /// One row is not what was written in its place.
    #[error("a row of it was damaged or moved: {0}")]
    Row(#[from] AtRestError),
    /// No room.
    #[error("the disk is full")]
    Full,
    /// No permission to write.
    #[error("the file or its folder can only be read")]
    ReadOnly,
    /// The disk or the file system failed. The number is SQLite's.
    #[error("the disk failed (error {0})")]
    Disk(i32),
    /// The file cannot be opened or made. The number is SQLite's or the system's.
    #[error("the file cannot be opened (error {0})")]
    Unopened(i32),
    /// Another program has it open.
    #[error("another program has the file open")]
    Busy,
    /// The SQLite in this program is one that can lose data.
    #[error("SQLite {0} is not safe to use")]
    Version(&'static str),
    /// A number is too large for the file.
    #[error("a number is too large")]
    TooLarge,
    /// No randomness: nothing is sealed with less.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// Anything else that SQLite says. The number is SQLite's.
    #[error("SQLite refused (error {0})")]
    Refused(i32),
}

impl StoreError {
    /// What a person can do, in one sentence; empty when there is nothing.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Newer { .. } => "install that version again, here too; the database was not touched",
            Self::OtherKey => {
                "bring back the key file or the entry of the secure store that belongs to it; nothing was touched. \
                 To start over: move the data folder away, then caro sync restore"
            }
            Self::Foreign => "move the file away; it was not touched",
            Self::Damaged(_) | Self::Row(_) => {
                "keep a copy of the data folder, then bring it back from a backup, or move it away and join again: \
                 caro sync restore"
            }
            Self::Full => "make room on the disk; shells go on recording into their own files meanwhile",
            Self::ReadOnly => "make the data folder writable; shells go on recording into their own files meanwhile",
            Self::Disk(_) => "look at the system's log for errors of the disk, and keep a copy of the data folder",
            Self::Unopened(_) => "check who owns the data folder and what is in it",
            Self::Busy => "close the other program that has the database open",
            Self::Version(_) => "build caro with the SQLite that comes with it",
            Self::TooLarge | Self::Entropy(_) | Self::Refused(_) => "",
        }
    }

    /// Whether it says that the disk may not have what was written.
    pub(super) fn is_of_the_disk(&self) -> bool {
        matches!(self, Self::Disk(_))
    }

    /// From what the system said when a file was made or looked at.
    pub(super) fn of_file(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full,
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            _ => match error.raw_os_error() {
                Some(number) if number == rustix::io::Errno::IO.raw_os_error() => Self::Disk(number),
                number => Self::Unopened(number.unwrap_or_default()),
            },
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let ffi::Error { code, extended_code } = match error {
            rusqlite::Error::SqliteFailure(error, _) | rusqlite::Error::SqlInputError { error, .. } => error,
            // A column of another type than this program wrote.
            _ => return Self::Damaged("a value of another kind".to_owned()),
        };
        match code {
            ErrorCode::DiskFull => Self::Full,
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Self::ReadOnly,
            ErrorCode::SystemIoFailure => Self::Disk(extended_code),
            ErrorCode::DatabaseCorrupt => Self::Damaged(format!("error {extended_code}")),
            ErrorCode::NotADatabase => Self::Foreign,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => Self::Busy,
            ErrorCode::CannotOpen => Self::Unopened(extended_code),
            ErrorCode::TooBig => Self::TooLarge,
            _ => Self::Refused(extended_code),
        }
    }
}

impl From<StoreError> for RowError {
    fn from(error: StoreError) -> Self {
        // The one who asked hears only that it failed; why is said here, where it is known.
        tracing::warn!(%error, "the store could not be read");
        Self
    }
}
