//! Taking the key away, for good: its entry in the secure store, and the file. What the key opened is then noise.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::{
    FILE_NAME, KeyError,
    file::{self, Content},
    keychain::{Keychain, Patience, System},
};

/// Takes away the key of this data folder, wherever it is. One that is not there, or cannot be read any more, is as good.
///
/// # Errors
/// When the secure store keeps it, or the file cannot be removed.
pub fn forget(data: &Path) -> Result<(), KeyError> {
    forget_with(data, &System)
}

pub(super) fn forget_with(data: &Path, keychain: &dyn Keychain) -> Result<(), KeyError> {
    let path = data.join(FILE_NAME);
    if let Ok(Some(Content::Keychain(id))) = file::read(&path) {
        keychain.remove(&id, Patience::ForAPerson).map_err(KeyError::Unavailable)?;
    }
    remove(&path).map_err(|error| KeyError::Io(path, error))
}

/// Overwrites a file before it is removed. A disk may keep the old sectors all the same.
fn remove(path: &Path) -> io::Result<()> {
    let length = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() => meta.len(),
        Ok(_) => 0,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if length > 0 {
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        let mut file = File::options().write(true).custom_flags(no_follow).open(path)?;
        file.write_all(&vec![0; usize::try_from(length).unwrap_or_default().min(1 << 16)])?;
        file.sync_all()?;
    }
    fs::remove_file(path)
}
