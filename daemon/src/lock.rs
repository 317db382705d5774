//! The lock that makes one daemon the only one for a data folder. The system lets go of it when the process ends,
//! however that happens, so there is no stale lock; only who holds it may replace a socket that was left behind.

use std::{
    fs::File,
    io::{self, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use fs4::FileExt;

/// The pause between two tries of who waits for the lock: the system wakes nobody when it is let go.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The held lock.
pub struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Takes the lock, none when another daemon has it.
    ///
    /// # Errors
    /// When the file cannot be made or the file system has no locks.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
            match FileExt::try_lock(&file) {
                Ok(()) => {}
                Err(fs4::TryLockError::WouldBlock) => return Ok(None),
                Err(fs4::TryLockError::Error(error)) => return Err(error),
            }
            // Somebody may have removed the file between opening and locking it: then this lock keeps nobody out.
            let mut lock = Self { path: path.to_owned(), file };
            if !lock.is_in_place() {
                continue;
            }
            if let Err(error) = lock.write_pid() {
                // On a full disk. The lock holds all the same.
                tracing::debug!(kind = ?error.kind(), "the lock's file could not be written");
            }
            return Ok(Some(lock));
        }
    }

    /// Takes the lock, waiting so long for another daemon to let go of it.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn take_within(path: &Path, patience: Duration) -> io::Result<Option<Self>> {
        let deadline = Instant::now() + patience;
        loop {
            let taken = Self::take(path)?;
            if taken.is_some() || Instant::now() >= deadline {
                return Ok(taken);
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// For a person who looks, and for the advice of a client that gets no answer.
    fn write_pid(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(self.file, "{}", std::process::id())
    }

    /// Whether the lock's file is still the one that others would try to lock. If not, another daemon may run.
    pub fn is_in_place(&self) -> bool {
        let identity = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
        let held = self.file.metadata().map(identity);
        let there = std::fs::metadata(&self.path).map(identity);
        matches!((held, there), (Ok(held), Ok(there)) if held == there)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_55_a_second_lock_is_not_given_and_a_dropped_one_is_free() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("caro.lock");
        let first = Lock::take(&path).expect("no error").expect("free");
        assert!(Lock::take(&path).expect("no error").is_none());
        drop(first);
        assert!(Lock::take(&path).expect("no error").is_some());
    }

    #[test]
    fn trap_55_a_lock_whose_file_was_removed_knows_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("caro.lock");
        let lock = Lock::take(&path).expect("no error").expect("free");
        assert!(lock.is_in_place());
        std::fs::remove_file(&path).expect("removed");
        assert!(!lock.is_in_place());
        let second = Lock::take(&path).expect("no error").expect("a new file, a new lock");
        assert!(second.is_in_place());
        assert!(!lock.is_in_place());
    }
}
