//! The relay's two long-lived keys: the one that a device knows it by (X25519, part of its address) and the one that it
//! signs positions with (Ed25519). Two files of 32 bytes, made once, together, in an empty folder. They are never made
//! anew beside a database: devices that know the old ones would stop for good.

use std::{fmt, path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use caro_link::{
    entropy::{Entropy, NoEntropy},
    identity::{Signer, StaticKey},
};
use zeroize::Zeroizing;

use crate::folder::{FolderError, database, read_private, write_private};

/// The keys.
pub struct Keys {
    /// For handshakes.
    pub session: Arc<StaticKey>,
    /// For positions.
    pub signer: Arc<Signer>,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file does not have 32 bytes.
    #[error("{0} is not a key of 32 bytes")]
    Damaged(&'static str),
    /// One is missing although the folder has been in use.
    #[error("{0} is missing, but the folder has been in use")]
    Missing(&'static str),
    /// Another key is there.
    #[error("{0} is there already, and is another one")]
    Others(&'static str),
    /// No key was made yet.
    #[error("no relay was started in this folder yet")]
    None,
    /// The system has no randomness.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
}

const SESSION_FILE: &str = "session.key";
const SIGNING_FILE: &str = "signing.key";

impl Keys {
    /// Reads the keys of a folder, or makes them when it is new.
    ///
    /// # Errors
    /// Why there are none.
    pub fn open(folder: &Path, entropy: &mut dyn Entropy) -> Result<Self, KeysError> {
        match Self::load(folder) {
            Err(KeysError::None) => Self::make(folder, entropy),
            other => other,
        }
    }

    /// Reads the keys of a folder.
    ///
    /// # Errors
    /// Why there are none.
    pub fn load(folder: &Path) -> Result<Self, KeysError> {
        let session = load(folder, SESSION_FILE)?;
        let signing = load(folder, SIGNING_FILE)?;
        match (session, signing) {
            (Some(session), Some(signing)) => Ok(Self::from_secrets(&session, &signing)),
            // The signing key is written last: without it and a database, an earlier start was cut short.
            (_, None) if !database(folder).exists() => Err(KeysError::None),
            (None, _) => Err(KeysError::Missing(SESSION_FILE)),
            (_, None) => Err(KeysError::Missing(SIGNING_FILE)),
        }
    }

    /// Reads the keys of a folder to write them into another one.
    ///
    /// # Errors
    /// Why there are none.
    pub fn read(folder: &Path) -> Result<Secrets, KeysError> {
        let session = load(folder, SESSION_FILE)?.ok_or(KeysError::Missing(SESSION_FILE))?;
        let signing = load(folder, SIGNING_FILE)?.ok_or(KeysError::Missing(SIGNING_FILE))?;
        Ok(Secrets { session, signing })
    }

    /// The public key as it stands in an address after `#`.
    pub fn address_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.session.public())
    }

    fn make(folder: &Path, entropy: &mut dyn Entropy) -> Result<Self, KeysError> {
        let session = match load(folder, SESSION_FILE)? {
            Some(begun) => begun,
            None => make(folder, SESSION_FILE, entropy)?,
        };
        let signing = make(folder, SIGNING_FILE, entropy)?;
        Ok(Self::from_secrets(&session, &signing))
    }

    fn from_secrets(session: &[u8; 32], signing: &[u8; 32]) -> Self {
        Self { session: Arc::new(StaticKey::from_bytes(session)), signer: Arc::new(Signer::from_seed(signing)) }
    }
}

/// The secret halves, on their way from one folder to another.
pub struct Secrets {
    session: Zeroizing<[u8; 32]>,
    signing: Zeroizing<[u8; 32]>,
}

impl Secrets {
    /// Writes them into a folder, where they may be already, but no others.
    ///
    /// # Errors
    /// When they cannot be written, or others are there.
    pub fn write(&self, folder: &Path) -> Result<(), KeysError> {
        for (name, secret) in [(SESSION_FILE, &self.session), (SIGNING_FILE, &self.signing)] {
            match load(folder, name)? {
                None => write_private(&folder.join(name), &**secret)?,
                Some(there) if there == *secret => {}
                Some(_) => return Err(KeysError::Others(name)),
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session: _, signing: _ } = self;
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session: _, signer: _ } = self;
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

fn load(folder: &Path, name: &'static str) -> Result<Option<Zeroizing<[u8; 32]>>, KeysError> {
    let Some(bytes) = read_private(&folder.join(name), 33)? else { return Ok(None) };
    let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| KeysError::Damaged(name))?;
    Ok(Some(Zeroizing::new(bytes)))
}

fn make(folder: &Path, name: &str, entropy: &mut dyn Entropy) -> Result<Zeroizing<[u8; 32]>, KeysError> {
    let mut bytes = Zeroizing::new([0; 32]);
    entropy.fill(&mut *bytes)?;
    write_private(&folder.join(name), &*bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use caro_link::entropy::OsEntropy;

    use super::*;

    #[test]
    fn keys_are_made_once_and_stay() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Keys::load(folder.path()), Err(KeysError::None)));
        let made = Keys::open(folder.path(), &mut OsEntropy).unwrap();
        let again = Keys::open(folder.path(), &mut OsEntropy).unwrap();
        assert_eq!(made.address_key(), again.address_key());
        assert_eq!(made.signer.public(), again.signer.public());
        assert_eq!(made.address_key().len(), 43);
        assert_eq!(format!("{made:?}"), "Keys { .. }");
    }

    #[test]
    fn trap_29_a_missing_key_beside_a_database_is_never_made_anew() {
        for name in [SESSION_FILE, SIGNING_FILE] {
            let folder = tempfile::tempdir().unwrap();
            Keys::open(folder.path(), &mut OsEntropy).unwrap();
            std::fs::write(database(folder.path()), b"").unwrap();
            std::fs::remove_file(folder.path().join(name)).unwrap();
            match Keys::open(folder.path(), &mut OsEntropy) {
                Err(KeysError::Missing(missing)) => assert_eq!(missing, name),
                other => panic!("{other:?}"),
            }
            assert!(!folder.path().join(name).exists());
        }
    }

    #[test]
    fn a_first_start_that_was_cut_short_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let made = Keys::open(folder.path(), &mut OsEntropy).unwrap();
        std::fs::remove_file(folder.path().join(SIGNING_FILE)).unwrap();
        let finished = Keys::open(folder.path(), &mut OsEntropy).unwrap();
        assert_eq!(made.address_key(), finished.address_key());
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        Keys::open(folder.path(), &mut OsEntropy).unwrap();
        let path = folder.path().join(SESSION_FILE);
        for len in [0, 31, 33] {
            std::fs::write(&path, vec![1; len]).unwrap();
            assert!(matches!(Keys::open(folder.path(), &mut OsEntropy), Err(KeysError::Damaged(SESSION_FILE))));
        }
    }
}
