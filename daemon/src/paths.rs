//! The folders that the daemon uses: made with mode 0700, and refused when somebody else could have put something
//! there. Where they are is computed in `caro_schema::paths`, the same for both programs.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

pub use caro_schema::paths::Places;

/// Why a folder is not used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It cannot be made or looked at.
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
    /// It belongs to somebody else, who could read or change what is in it.
    #[error("{} belongs to another user", .0.display())]
    NotOurs(PathBuf),
    /// It is not a folder.
    #[error("{} is not a folder", .0.display())]
    NotAFolder(PathBuf),
}

impl FolderError {
    /// What is wrong, without the path: for the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Io(..) => "refused by the system",
            Self::NotOurs(_) => "another user's",
            Self::NotAFolder(_) => "not a folder",
        }
    }
}

/// From this process's own environment.
///
/// # Errors
/// When nothing says where the user's files are.
pub fn places() -> Result<Places, caro_schema::paths::NoHome> {
    Places::from_env(|name| std::env::var_os(name), rustix::process::getuid().as_raw())
}

/// Where to listen when the usual folder cannot be used, such as after the end of the login session it belonged to.
pub fn second_socket(places: &Places) -> PathBuf {
    let folder = format!("caro-{}", rustix::process::getuid().as_raw());
    Path::new("/tmp").join(folder).join(places.socket.file_name().unwrap_or_default())
}

/// Makes a folder that only this user may enter, and its parents; one that is there must be this user's, and is closed
/// to others if it was open.
///
/// # Errors
/// When that cannot be had.
pub fn private_folder(path: &Path) -> Result<(), FolderError> {
    let io_error = |error| FolderError::Io(path.to_owned(), error);
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(io_error)?;
            }
            match DirBuilder::new().mode(0o700).create(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(io_error(error)),
                _ => fs::symlink_metadata(path).map_err(io_error)?,
            }
        }
        Err(error) => return Err(io_error(error)),
    };
    // A user may have moved their own folder elsewhere by a link; a link of somebody else's is a trap.
    let own = rustix::process::geteuid().as_raw();
    if meta.uid() != own {
        return Err(FolderError::NotOurs(path.to_owned()));
    }
    let meta = if meta.is_symlink() { fs::metadata(path).map_err(io_error)? } else { meta };
    if !meta.is_dir() {
        return Err(FolderError::NotAFolder(path.to_owned()));
    }
    if meta.uid() != own {
        return Err(FolderError::NotOurs(path.to_owned()));
    }
    if meta.mode() & 0o077 != 0 {
        fs::set_permissions(path, PermissionsExt::from_mode(0o700)).map_err(io_error)?;
    }
    Ok(())
}

/// Writes a small file that only this user may read: whole, or not at all. When it returns well the disk has it.
///
/// # Errors
/// When it cannot be written. The file is then as it was, and nothing of the new one is left.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    remove_if_there(&beside)?;
    let outcome = write_new(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if outcome.is_err() {
        // What could not be written whole may be a part of a secret.
        remove_if_there(&beside)?;
    }
    outcome?;
    // The new name is the folder's.
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use io::Write;
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").mode() & 0o777
    }

    #[test]
    fn a_private_folder_is_closed_to_others_even_if_it_was_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/b/c");
        private_folder(&path).expect("made");
        assert_eq!((mode(&path), mode(path.parent().expect("a parent"))), (0o700, 0o700));
        fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).expect("opened");
        private_folder(&path).expect("closed again");
        assert_eq!(mode(&path), 0o700);
    }

    #[test]
    fn a_file_in_the_way_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        fs::write(&path, b"").expect("written");
        assert!(matches!(private_folder(&path), Err(FolderError::NotAFolder(_))));
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused() {
        if rustix::process::geteuid().is_root() {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("theirs");
            fs::create_dir(&path).expect("made");
            std::os::unix::fs::chown(&path, Some(65534), Some(65534)).expect("given away");
            assert!(matches!(private_folder(&path), Err(FolderError::NotOurs(_))));
            std::os::unix::fs::lchown(&path, Some(0), Some(0)).expect("taken back");
            let link = folder.path().join("link");
            std::os::unix::fs::symlink(&path, &link).expect("a link");
            private_folder(&link).expect("one's own link is fine");
            std::os::unix::fs::lchown(&link, Some(65534), Some(65534)).expect("given away");
            assert!(matches!(private_folder(&link), Err(FolderError::NotOurs(_))));
        } else {
            assert!(matches!(private_folder(Path::new("/")), Err(FolderError::NotOurs(_))));
        }
    }

    #[test]
    fn a_private_file_is_replaced_whole_and_closed_to_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("note");
        write_private(&path, b"one").expect("written");
        write_private(&path, b"two").expect("written again");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        assert_eq!(mode(&path), 0o600);
    }
}
