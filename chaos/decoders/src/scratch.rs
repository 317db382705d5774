//! A folder for the decoders that read files: in memory where the system has such a place, so that a fuzzer is not
//! slowed by a disk. One per thread, gone with it.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

const IN_MEMORY: &str = "/dev/shm";

thread_local! {
    static FOLDER: TempDir = folder().expect("a folder");
}

fn folder() -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("caro-fuzz").permissions(fs::Permissions::from_mode(0o700));
    if Path::new(IN_MEMORY).is_dir() { builder.tempdir_in(IN_MEMORY) } else { builder.tempdir() }
}

/// An empty folder of this name, private to its owner.
pub(crate) fn empty(name: &str) -> PathBuf {
    let path = FOLDER.with(|folder| folder.path().join(name));
    if path.exists() {
        fs::remove_dir_all(&path).expect("it is ours");
    }
    fs::create_dir(&path).expect("made");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("it is ours");
    path
}

/// A file in a folder, private to its owner.
pub(crate) fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    path
}
