//! The relay's folder: mode 0700, one relay at a time, on a disk that keeps its promises. Whatever is in it with looser
//! permissions than it was made with is refused, because somebody else may have read it already.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Made, read or written by nobody.
    #[error("{}: {error}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Others may read it.
    #[error("{} may be read by others (mode {mode:03o})", path.display())]
    Loose {
        /// What.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to another user.
    #[error("{} belongs to another user", path.display())]
    NotOurs {
        /// What.
        path: PathBuf,
    },
    /// It is on a network file system, where SQLite's write-ahead log can lose data.
    #[error("{} is on a network file system", path.display())]
    Network {
        /// What.
        path: PathBuf,
    },
    /// Another relay has it.
    #[error("another relay uses {}", path.display())]
    Taken {
        /// What.
        path: PathBuf,
    },
}

/// The folder of a relay. While this value lives, no other relay can use the folder.
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

/// What `statfs` says of NFS, SMB, CIFS, SMB2, AFS, CephFS and 9P.
const NETWORK_FILE_SYSTEMS: [u32; 7] =
    [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x5346_414f, 0x00c3_6400, 0x0102_1997];

impl Folder {
    /// Takes the folder, and makes it when it is not there.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let failed = |error| FolderError::Io { path: path.to_owned(), error };
        if !path.exists() {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(failed)?;
            }
            match DirBuilder::new().mode(0o700).create(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
                _ => {}
            }
        }
        check(path, &fs::metadata(path).map_err(failed)?)?;
        if is_network(path).map_err(failed)? {
            return Err(FolderError::Network { path: path.to_owned() });
        }
        let lock_path = path.join("relay.lock");
        let lock = lock_file(&lock_path).map_err(|error| FolderError::Io { path: lock_path, error })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(FolderError::Taken { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        database(&self.path)
    }
}

/// The database in a relay's folder.
pub fn database(folder: &Path) -> PathBuf {
    folder.join("relay.db")
}

fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).custom_flags(no_link()).open(path)
}

fn no_link() -> i32 {
    OFlags::NOFOLLOW.bits().cast_signed()
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_network(path: &Path) -> io::Result<bool> {
    let kind = rustix::fs::statfs(path)?.f_type;
    // The type has another width and sign on each processor; the numbers have 32 bits.
    Ok(NETWORK_FILE_SYSTEMS.contains(&(kind as u32)))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_network(_: &Path) -> io::Result<bool> {
    let _ = NETWORK_FILE_SYSTEMS;
    Ok(false)
}

/// Whether a file or folder is ours alone.
fn check(path: &Path, metadata: &fs::Metadata) -> Result<(), FolderError> {
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(FolderError::NotOurs { path: path.to_owned() });
    }
    check_mode(path, metadata)
}

fn check_mode(path: &Path, metadata: &fs::Metadata) -> Result<(), FolderError> {
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(FolderError::Loose { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Whether a file in a folder is for us to read. Root may read what belongs to the folder's owner: under systemd that is a user
/// who is there only while the relay runs, and whom nobody else can be.
fn check_file(path: &Path, metadata: &fs::Metadata) -> Result<(), FolderError> {
    let checked = check(path, metadata);
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    match checked {
        Err(FolderError::NotOurs { .. }) if rustix::process::geteuid().is_root() => {
            let owner = fs::metadata(folder).map_err(|error| FolderError::Io { path: folder.to_owned(), error })?.uid();
            if owner == metadata.uid() { check_mode(path, metadata) } else { checked }
        }
        _ => checked,
    }
}

/// Reads a private file of at most `max` bytes; none when it is not there.
///
/// # Errors
/// When it cannot be read or others could.
pub fn read_private(path: &Path, max: u64) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, FolderError> {
    let failed = |error| FolderError::Io { path: path.to_owned(), error };
    let file = match OpenOptions::new().read(true).custom_flags(no_link()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    check_file(path, &file.metadata().map_err(failed)?)?;
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    file.take(max).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// Writes a private file that is not there yet: whole and durable, or not at all.
///
/// # Errors
/// When it cannot be written, or is there.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let failed = |error| FolderError::Io { path: path.to_owned(), error };
    let unfinished = path.with_extension("unfinished");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    // A link, unlike a rename, does not replace what is there.
    fs::hard_link(&unfinished, path).map_err(failed)?;
    fs::remove_file(&unfinished).map_err(failed)?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_28_a_folder_or_file_that_others_may_read_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("relay");
        let folder = Folder::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let file = path.join("x.key");
        write_private(&file, b"secret").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_private(&file, 100).unwrap().unwrap().as_slice(), b"secret");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_private(&file, 100), Err(FolderError::Loose { mode: 0o640, .. })));
        drop(folder);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(matches!(Folder::open(&path), Err(FolderError::Loose { mode: 0o750, .. })));
    }

    #[test]
    fn what_is_there_is_never_written_over() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("x.key");
        write_private(&file, b"first").unwrap();
        assert!(write_private(&file, b"second").is_err());
        assert_eq!(fs::read(&file).unwrap(), b"first");
    }

    #[test]
    fn trap_55_a_second_relay_on_one_folder_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("relay");
        let first = Folder::open(&path).unwrap();
        assert!(matches!(Folder::open(&path), Err(FolderError::Taken { .. })));
        drop(first);
        assert!(Folder::open(&path).is_ok());
    }
}
