//! A passphrase before the key in its file, for those who have no secure store. How it locks is the core's
//! (`vault::at_rest`, Argon2id); that it is asked for without being seen is `ask.rs`.

use std::path::Path;

use caro_core::vault::at_rest::{DeviceMasterKey, Passphrase, UnlockError, lock, unlock};
use zeroize::Zeroizing;

use super::{
    FILE_NAME, KeyError,
    file::{self, Content},
    fresh, has_database, master,
};

/// Whether a passphrase is needed to have the key.
///
/// # Errors
/// When the key's file cannot be read.
pub fn is_locked(data: &Path) -> Result<bool, KeyError> {
    Ok(matches!(file::read(&data.join(FILE_NAME))?, Some(Content::Locked(_))))
}

/// Locks the key with a passphrase, changes it, or takes it away when there is no new one. Not while a daemon runs.
///
/// # Errors
/// When the current passphrase is another one, or the key is not in its file. Nothing is changed then.
pub fn set_passphrase(data: &Path, current: Option<&Passphrase>, new: Option<&Passphrase>) -> Result<(), KeyError> {
    let path = data.join(FILE_NAME);
    let key = match file::read(&path)? {
        None if has_database(data) => return Err(KeyError::Lost(path)),
        None => master(&fresh()?),
        Some(Content::Here(key)) => master(&key),
        Some(Content::Locked(locked)) => unlock(&locked, current.ok_or(KeyError::Locked)?)?,
        Some(Content::Keychain(_)) => return Err(KeyError::InKeychain),
    };
    let content = match new {
        Some(new) => Content::Locked(locked(&key, new)?),
        None => Content::Here(Zeroizing::new(*key.expose_secret())),
    };
    file::write(&path, &content)
}

/// The locked key, opened once before it replaces the only other copy.
fn locked(key: &DeviceMasterKey, passphrase: &Passphrase) -> Result<Vec<u8>, KeyError> {
    let (mut salt, mut nonce) = ([0; 16], [0; 24]);
    getrandom::fill(&mut salt).and_then(|()| getrandom::fill(&mut nonce)).map_err(|_| KeyError::Entropy)?;
    let locked = lock(key, passphrase, &salt, &nonce).map_err(|error| KeyError::Unlock(error.into()))?;
    if unlock(&locked, passphrase)? == *key { Ok(locked) } else { Err(KeyError::Unlock(UnlockError::Form)) }
}
