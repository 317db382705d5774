//! A passphrase before the key, in its file or in the secure store. How it locks is the core's (`vault::at_rest`, Argon2id);
//! that it is asked for without being seen is `ask.rs`.

use std::path::Path;

use caro_core::vault::at_rest::{DeviceMasterKey, Passphrase, UnlockError, lock, unlock};
use zeroize::Zeroizing;

use super::{
    DepositError, FILE_NAME, KeyError, Stored, deposit,
    file::{self, Content},
    fresh, has_database,
    keychain::{Id, Keychain, System},
    master, remove_entry, stored_in,
};

/// Whether a passphrase is needed to have the key.
///
/// # Errors
/// When the key's file cannot be read, or the secure store does not give it.
pub fn is_locked(data: &Path) -> Result<bool, KeyError> {
    is_locked_with(data, &System)
}

pub(super) fn is_locked_with(data: &Path, keychain: &dyn Keychain) -> Result<bool, KeyError> {
    match file::read(&data.join(FILE_NAME))? {
        Some(Content::Locked(_)) => Ok(true),
        Some(Content::Keychain(id)) => Ok(matches!(stored_in(keychain, &id)?, Stored::Locked(_))),
        Some(Content::Here(_)) | None => Ok(false),
    }
}

/// Locks the key with a passphrase, changes it, or takes it away when there is no new one. Not while a daemon runs.
///
/// # Errors
/// When the current passphrase is another one, or the key cannot be had. Nothing is changed then.
pub fn set_passphrase(data: &Path, current: Option<&Passphrase>, new: Option<&Passphrase>) -> Result<(), KeyError> {
    set_passphrase_with(data, current, new, &System)
}

pub(super) fn set_passphrase_with(
    data: &Path,
    current: Option<&Passphrase>,
    new: Option<&Passphrase>,
    keychain: &dyn Keychain,
) -> Result<(), KeyError> {
    let path = data.join(FILE_NAME);
    let (key, entry) = match file::read(&path)? {
        None if has_database(data) => return Err(KeyError::Lost(path)),
        None => (master(&fresh()?), None),
        Some(Content::Here(key)) => (master(&key), None),
        Some(Content::Locked(locked)) => (unlock(&locked, current.ok_or(KeyError::Locked)?)?, None),
        Some(Content::Keychain(id)) => (opened(stored_in(keychain, &id)?, current)?, Some(id)),
    };
    let stored = match new {
        Some(new) => Stored::Locked(locked(&key, new)?),
        None => Stored::Open(Zeroizing::new(*key.expose_secret())),
    };
    match entry {
        Some(old) => replace(&path, &old, &stored, keychain),
        None => file::write(
            &path,
            &match stored {
                Stored::Open(key) => Content::Here(key),
                Stored::Locked(locked) => Content::Locked(locked),
            },
        ),
    }
}

/// A new entry that has given back what it was given, then the file that names it, and only then is the old one removed.
fn replace(path: &Path, old: &Id, stored: &Stored, keychain: &dyn Keychain) -> Result<(), KeyError> {
    deposit(path, stored, keychain).map_err(|error| match error {
        DepositError::Keychain(reason) => KeyError::NoKeychain(reason),
        DepositError::File(error) => error,
    })?;
    remove_entry(keychain, old);
    Ok(())
}

fn opened(stored: Stored, current: Option<&Passphrase>) -> Result<DeviceMasterKey, KeyError> {
    match stored {
        Stored::Open(key) => Ok(master(&key)),
        Stored::Locked(locked) => Ok(unlock(&locked, current.ok_or(KeyError::Locked)?)?),
    }
}

/// The locked key, opened once before it replaces the only other copy.
fn locked(key: &DeviceMasterKey, passphrase: &Passphrase) -> Result<Vec<u8>, KeyError> {
    let (mut salt, mut nonce) = ([0; 16], [0; 24]);
    getrandom::fill(&mut salt).and_then(|()| getrandom::fill(&mut nonce)).map_err(|_| KeyError::Entropy)?;
    let locked = lock(key, passphrase, &salt, &nonce).map_err(|error| KeyError::Unlock(error.into()))?;
    if unlock(&locked, passphrase)? == *key { Ok(locked) } else { Err(KeyError::Unlock(UnlockError::Form)) }
}
