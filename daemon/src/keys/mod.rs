//! The key of the database: where it is kept, and that it is never replaced by another one.
//!
//! `file` is a small file in the data folder that says where the key is, and holds it where there is no better place;
//! `locked` puts a passphrase before it, in either place; `keychain` is the platform's secure store. What the key opens is
//! not known here. The invariant: a new key is made only where there is no database yet, and the old place is emptied
//! only after the new one has given the key back.
//! Next: `store`, which refuses a key that does not fit.

mod file;
mod forget;
mod keychain;
mod locked;

#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
};

use caro_core::vault::at_rest::{DeviceMasterKey, Passphrase, UnlockError, unlock};
use zeroize::Zeroizing;

use crate::{config::KeyStore, store};
use file::{Content, FormError};
use keychain::{Id, Keychain, Patience, System, Unavailable};

pub use forget::forget;
pub use locked::{is_locked, set_passphrase};

/// Where the key is, for a person to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the platform's secure store.
    Keychain,
    /// In the platform's secure store, behind a passphrase.
    LockedKeychain,
    /// In a file of the data folder, behind a passphrase.
    Locked {
        /// Which.
        path: PathBuf,
    },
    /// In a file of the data folder.
    File {
        /// Which.
        path: PathBuf,
        /// Why it is not in the secure store, where it would rather be.
        because: Option<Unavailable>,
    },
}

impl Place {
    /// What was found, and what to do about it; nothing when it is as it was asked for.
    pub fn in_words(&self) -> (String, String) {
        match self {
            Self::Keychain => ("in the system's secure store".to_owned(), String::new()),
            Self::LockedKeychain => {
                ("in the system's secure store, and a passphrase locks it".to_owned(), String::new())
            }
            Self::Locked { path } => (format!("in a file that a passphrase locks, {}", path.display()), String::new()),
            Self::File { path, because: None } => {
                (format!("in a file that only you can read, {}", path.display()), String::new())
            }
            Self::File { path, because: Some(reason) } => (
                format!("in a file that only you can read, {}: {reason}", path.display()),
                "whoever copies the whole data folder can read it; lock it with a passphrase (caro lock), or start a secure \
                 store (GNOME Keyring, KWallet) and: caro key move keychain; or accept it: caro key move file"
                    .to_owned(),
            ),
        }
    }
}

/// Why there is no key. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is a database, and nothing says where its key is.
    #[error("{} is gone, which says where the key of the database is", .0.display())]
    Lost(PathBuf),
    /// The secure store works and does not have it.
    #[error("the system's secure store no longer has it")]
    Absent,
    /// The secure store does not give it.
    #[error("the system's secure store has it, and {0}")]
    Unavailable(Unavailable),
    /// The secure store was asked for, and there is none that works.
    #[error("it is to be kept in the system's secure store, and {0}")]
    NoKeychain(Unavailable),
    /// A passphrase locks it, and none was given.
    #[error("it is locked by a passphrase")]
    Locked,
    /// What was given does not open it.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// Others may have read it.
    #[error("{} can be read by others", .0.display())]
    Loose(PathBuf),
    /// The file is none of this program's.
    #[error("{}: {}", .0.display(), .1)]
    Form(PathBuf, FormError),
    /// The file cannot be read or written.
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
    /// There is no randomness to make one from.
    #[error("the system gives no random bytes")]
    Entropy,
}

impl KeyError {
    /// What a person can do, in one sentence; empty when there is nothing.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Lost(_) => {
                "bring that file back from a backup; without it nothing can read the database. To start over: move \
                 the data folder away, then caro sync restore"
            }
            Self::Absent => {
                "log in to the desktop that was used before, or bring its keyring back from a backup. To start over: \
                 move the data folder away, then caro sync restore"
            }
            Self::Unavailable(Unavailable::Other) => {
                "bring the keyring back from a backup; it was not touched. To start over: move the data folder away, then \
                 caro sync restore"
            }
            Self::Unavailable(_) => "unlock the keyring, or log in to the desktop, then try again",
            Self::NoKeychain(_) => "start a secure store (GNOME Keyring, KWallet), or set key.store = \"file\"",
            Self::Locked => "unlock it: caro unlock",
            Self::Unlock(UnlockError::Passphrase) => "try again; nothing was changed",
            Self::Unlock(UnlockError::OutOfMemory(_)) => "end some other programs, then try again",
            Self::Unlock(_) => "bring the key file back from a backup; it was not touched",
            Self::Loose(_) => "close it (chmod 600) if you trust everybody who could have read it",
            Self::Form(..) => "bring that file back from a backup; it was not touched",
            Self::Io(..) => "check who owns the data folder and what is in it",
            Self::Entropy => "",
        }
    }
}

/// The key of the database in this data folder, from wherever it is. Makes one where there is neither key nor database.
///
/// A key that is in the file moves to the secure store when that is asked for and works; one that is in the secure
/// store moves to the file when that is asked for. One that a passphrase locks stays where it is.
///
/// # Errors
/// When the key cannot be had, or belongs into a place that does not take it.
pub fn obtain(
    data: &Path,
    wanted: KeyStore,
    passphrase: Option<&Passphrase>,
) -> Result<(DeviceMasterKey, Place), KeyError> {
    obtain_with(data, wanted, passphrase, &System)
}

fn obtain_with(
    data: &Path,
    wanted: KeyStore,
    passphrase: Option<&Passphrase>,
    keychain: &dyn Keychain,
) -> Result<(DeviceMasterKey, Place), KeyError> {
    let path = data.join(FILE_NAME);
    match file::read(&path)? {
        None if has_database(data) => Err(KeyError::Lost(path)),
        None => make(&path, wanted, keychain),
        Some(Content::Here(key)) => from_file(&path, key, wanted, keychain),
        Some(Content::Locked(locked)) => {
            let key = unlock(&locked, passphrase.ok_or(KeyError::Locked)?)?;
            Ok((key, Place::Locked { path }))
        }
        Some(Content::Keychain(id)) => from_keychain(&path, &id, wanted, passphrase, keychain),
    }
}

/// The file that says where the key is.
pub const FILE_NAME: &str = "caro.key";

/// Anything at all under the database's name: an empty file is what a crash before the first write leaves.
fn has_database(data: &Path) -> bool {
    fs::symlink_metadata(data.join(store::FILE_NAME)).is_ok_and(|meta| meta.len() > 0)
}

fn make(path: &Path, wanted: KeyStore, keychain: &dyn Keychain) -> Result<(DeviceMasterKey, Place), KeyError> {
    let key = fresh()?;
    if wanted == KeyStore::File {
        file::write(path, &Content::Here(key.clone()))?;
        return Ok((master(&key), in_file(path, None)));
    }
    match (deposit(path, &Stored::Open(key.clone()), keychain), wanted) {
        (Ok(()), _) => Ok((master(&key), Place::Keychain)),
        (Err(DepositError::Keychain(reason)), KeyStore::Keychain) => Err(KeyError::NoKeychain(reason)),
        (Err(DepositError::Keychain(reason)), _) => {
            file::write(path, &Content::Here(key.clone()))?;
            Ok((master(&key), in_file(path, Some(reason))))
        }
        (Err(DepositError::File(error)), _) => Err(error),
    }
}

fn from_file(
    path: &Path,
    key: Key,
    wanted: KeyStore,
    keychain: &dyn Keychain,
) -> Result<(DeviceMasterKey, Place), KeyError> {
    let place = match wanted {
        KeyStore::File => in_file(path, None),
        // It stays where it is, which may be because there was nothing better when it was made.
        KeyStore::Auto => in_file(path, Some(Unavailable::NotAsked)),
        KeyStore::Keychain => match deposit(path, &Stored::Open(key.clone()), keychain) {
            Ok(()) => Place::Keychain,
            // It is where it has been all along: no reason not to record.
            Err(DepositError::Keychain(reason)) => in_file(path, Some(reason)),
            Err(DepositError::File(error)) => return Err(error),
        },
    };
    Ok((master(&key), place))
}

fn from_keychain(
    path: &Path,
    id: &Id,
    wanted: KeyStore,
    passphrase: Option<&Passphrase>,
    keychain: &dyn Keychain,
) -> Result<(DeviceMasterKey, Place), KeyError> {
    let key = match stored_in(keychain, id)? {
        Stored::Open(key) => key,
        Stored::Locked(locked) => {
            let key = unlock(&locked, passphrase.ok_or(KeyError::Locked)?)?;
            return Ok((key, Place::LockedKeychain));
        }
    };
    if wanted != KeyStore::File {
        return Ok((master(&key), Place::Keychain));
    }
    file::write(path, &Content::Here(key.clone()))?;
    remove_entry(keychain, id);
    Ok((master(&key), in_file(path, None)))
}

/// What the secure store has under a name that it was once put there by.
fn stored_in(keychain: &dyn Keychain, id: &Id) -> Result<Stored, KeyError> {
    match keychain.read(id, Patience::ForAPerson) {
        Ok(Some(stored)) => Ok(stored),
        Ok(None) => Err(KeyError::Absent),
        Err(reason) => Err(KeyError::Unavailable(reason)),
    }
}

/// Takes an entry away that nothing points to any more.
fn remove_entry(keychain: &dyn Keychain, id: &Id) {
    if let Err(reason) = keychain.remove(id, Patience::ForTheSystem) {
        tracing::warn!(%reason, "the key is elsewhere now; its old entry could not be removed");
    }
}

/// Whether a secure store runs here that would take a key. Asks it, and waits for no person.
pub fn is_store_there() -> bool {
    let Ok(id) = Id::fresh() else { return false };
    matches!(System.read(&id, Patience::ForTheSystem), Ok(None))
}

/// The same, told by a process of its own: one that has found no store when it first looked never finds one later.
pub fn is_store_there_by_now() -> bool {
    let asked = std::env::current_exe().and_then(|program| {
        let mut command = std::process::Command::new(program);
        command.arg(HAS_STORE).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()
    });
    asked.is_ok_and(|status| status.success())
}

/// The argument by which this program is asked for that.
const HAS_STORE: &str = "--has-secure-store";

/// Why a key was not put into the secure store.
enum DepositError {
    Keychain(Unavailable),
    File(KeyError),
}

/// Puts the key into the secure store, sees that it comes back, and only then says so in the file.
fn deposit(path: &Path, stored: &Stored, keychain: &dyn Keychain) -> Result<(), DepositError> {
    let id = Id::fresh().map_err(|_| DepositError::File(KeyError::Entropy))?;
    keychain.write(&id, stored, Patience::ForTheSystem).map_err(DepositError::Keychain)?;
    let kept = keychain.read(&id, Patience::ForTheSystem).map_err(DepositError::Keychain)?;
    if kept.as_ref() != Some(stored) {
        return Err(DepositError::Keychain(Unavailable::Forgets));
    }
    file::write(path, &Content::Keychain(id)).map_err(DepositError::File)
}

fn in_file(path: &Path, because: Option<Unavailable>) -> Place {
    Place::File { path: path.to_owned(), because }
}

/// What a place for secrets holds.
#[derive(Clone, PartialEq, Eq)]
enum Stored {
    /// The key.
    Open(Key),
    /// The key, behind a passphrase.
    Locked(Vec<u8>),
}

/// The bytes of a key, wiped when dropped.
type Key = Zeroizing<[u8; 32]>;

fn fresh() -> Result<Key, KeyError> {
    let mut key = Key::default();
    getrandom::fill(key.as_mut_slice()).map_err(|_| KeyError::Entropy)?;
    Ok(key)
}

fn master(key: &Key) -> DeviceMasterKey {
    DeviceMasterKey::from_bytes(key)
}
