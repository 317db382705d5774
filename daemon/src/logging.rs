//! The daemon's own log: one small file in the state folder, mode 0600, cut in two when it grows.
//!
//! Never holds history, ids, addresses or keys: what is logged is what happened, never to what. Only this program's own
//! messages are taken; what a library says at a verbose level is not ours to vouch for.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use rustix::fs::OFlags;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::paths::{self, FolderError};

/// Bytes of the log before it is moved to `.1`, which is dropped. Two such files are the most there ever is.
pub const LOG_BYTES_MAX: u64 = 1024 * 1024;

/// Starts to log, and sees to it that a panic is logged by its place alone: its text may hold anything.
///
/// # Errors
/// When the file or its folder cannot be had.
pub fn start(path: &Path, level: LevelFilter) -> Result<(), FolderError> {
    if let Some(folder) = path.parent() {
        paths::private_folder(folder)?;
    }
    let log = LogFile::open(path.to_owned()).map_err(|error| FolderError::Io(path.to_owned(), error))?;
    let ours = Targets::new().with_target("caro_daemon", level).with_target("caro_core", level);
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_target(true).with_writer(log);
    // Only the first one in a process counts; tests start several daemons in one.
    drop(tracing_subscriber::registry().with(ours).with(lines).try_init());
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        tracing::error!(place, "a thread panicked");
    }));
    Ok(())
}

struct LogFile(Mutex<Open>);

struct Open {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl LogFile {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self(Mutex::new(Open { path, file, bytes })))
    }
}

fn open(path: &Path) -> io::Result<File> {
    let no_link = OFlags::NOFOLLOW.bits() as i32;
    File::options().append(true).create(true).mode(0o600).custom_flags(no_link).open(path)
}

impl Open {
    fn turn_over(&mut self) -> io::Result<()> {
        fs::rename(&self.path, self.path.with_extension("log.1"))?;
        self.file = open(&self.path)?;
        self.bytes = 0;
        Ok(())
    }
}

impl Write for &LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.bytes + line.len() as u64 > LOG_BYTES_MAX {
            open.turn_over()?;
        }
        let written = open.file.write(line)?;
        open.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = &'a LogFile;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_log_never_grows_past_two_files_of_its_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("caro-daemon.log");
        let log = LogFile::open(path.clone()).expect("opened");
        let line = [b'x'; 4096];
        for _ in 0..3 * LOG_BYTES_MAX / 4096 {
            (&log).write_all(&line).expect("written");
        }
        let sizes: Vec<u64> = [path.clone(), path.with_extension("log.1")]
            .iter()
            .map(|path| fs::metadata(path).expect("it is there").len())
            .collect();
        assert!(sizes.iter().all(|size| (1..=LOG_BYTES_MAX).contains(size)), "{sizes:?}");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2);
        assert_eq!(fs::metadata(&path).expect("it is there").mode() & 0o777, 0o600);
    }

    #[test]
    fn trap_18_a_link_in_the_place_of_the_log_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("caro-daemon.log");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).expect("a link");
        assert!(LogFile::open(path).is_err());
    }
}
