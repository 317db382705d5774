//! Locks the master key with a passphrase, where there is no key store that a person trusts.
//!
//! ```text
//! locked = version u8 · salt 16 · nonce 24 · ciphertext 32 · tag 16
//! ```
//! A passphrase is a person's choice, so its salt is random, other than the phrase's. The cost is a constant of the
//! version and not read from the bytes: whoever can write the file must not be able to make guessing cheap.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::master_key::DeviceMasterKey;
use crate::vault::{
    aead,
    root_key::OutOfMemory,
    secret::Secret,
    stretch::{SALT_BYTES, stretch},
    text::normal,
};

/// Bytes of a locked master key.
pub const LOCKED_BYTES: usize = 1 + SALT_BYTES + 24 + 32 + aead::TAG_BYTES;

/// The first layout: Argon2id with the cost of `stretch.rs`, XChaCha20-Poly1305.
const VERSION: u8 = 1;

/// What a person typed to lock or unlock their device. Never empty.
#[derive(ZeroizeOnDrop)]
pub struct Passphrase {
    text: Zeroizing<String>,
}

/// An empty passphrase protects nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the passphrase is empty")]
pub struct EmptyPassphrase;

/// Why a locked key stays locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnlockError {
    /// Not a locked key.
    #[error("not a locked key")]
    Form,
    /// A newer version wrote it.
    #[error("lock version {0} is not known here")]
    Version(u8),
    /// Another passphrase, or the bytes were altered: the two cannot be told apart.
    #[error("wrong passphrase")]
    Passphrase,
    /// There is not enough memory to try.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}

impl Passphrase {
    /// Takes what was typed, in one form for all keyboards.
    ///
    /// # Errors
    /// When nothing was typed.
    pub fn new(typed: &str) -> Result<Self, EmptyPassphrase> {
        let text = normal(typed);
        if text.is_empty() { Err(EmptyPassphrase) } else { Ok(Self { text }) }
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text: _ } = self;
        f.debug_struct("Passphrase").finish_non_exhaustive()
    }
}

/// Locks a master key. Salt and nonce must be fresh.
///
/// # Errors
/// When the memory for it is not there.
pub fn lock(
    master: &DeviceMasterKey,
    passphrase: &Passphrase,
    salt: &[u8; SALT_BYTES],
    nonce: &[u8; 24],
) -> Result<Vec<u8>, OutOfMemory> {
    let key = locking_key(passphrase, salt)?;
    let mut locked = Vec::with_capacity(LOCKED_BYTES);
    locked.push(VERSION);
    locked.extend_from_slice(salt);
    locked.extend_from_slice(nonce);
    aead::append(&mut locked, &key, nonce, &bound(salt), master.secret().bytes());
    Ok(locked)
}

/// Opens what [`lock`] gave.
///
/// # Errors
/// When the passphrase is another one, or the bytes are not what [`lock`] gave.
pub fn unlock(locked: &[u8], passphrase: &Passphrase) -> Result<DeviceMasterKey, UnlockError> {
    let (version, rest) = locked.split_first().ok_or(UnlockError::Form)?;
    if *version != VERSION {
        return Err(UnlockError::Version(*version));
    }
    if locked.len() != LOCKED_BYTES {
        return Err(UnlockError::Form);
    }
    let (salt, rest) = rest.split_first_chunk().ok_or(UnlockError::Form)?;
    let (nonce, sealed) = rest.split_first_chunk().ok_or(UnlockError::Form)?;
    let key = locking_key(passphrase, salt)?;
    let opened = aead::open(&key, nonce, &bound(salt), sealed).map_err(|_| UnlockError::Passphrase)?;
    let master = opened.as_slice().try_into().map_err(|_| UnlockError::Form)?;
    Ok(DeviceMasterKey::from_bytes(master))
}

fn locking_key(passphrase: &Passphrase, salt: &[u8; SALT_BYTES]) -> Result<Secret, OutOfMemory> {
    let mut input = [DOMAIN, passphrase.text.as_bytes()].concat();
    let key = stretch(&input, salt);
    input.zeroize();
    key
}

/// `"caro/v1/passphrase" || version || salt`.
fn bound(salt: &[u8; SALT_BYTES]) -> Vec<u8> {
    [DOMAIN, &[VERSION], salt].concat()
}

const DOMAIN: &[u8] = b"caro/v1/passphrase";

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text).unwrap()
    }

    fn locked() -> Vec<u8> {
        let master = DeviceMasterKey::from_bytes(&[7; 32]);
        lock(&master, &passphrase("caf\u{e9} noir"), &[1; 16], &[2; 24]).unwrap()
    }

    #[test]
    fn the_right_passphrase_opens_however_it_was_typed() {
        let locked = locked();
        assert_eq!(locked.len(), LOCKED_BYTES);
        for typed in ["caf\u{e9} noir", "cafe\u{301} noir"] {
            assert_eq!(unlock(&locked, &passphrase(typed)), Ok(DeviceMasterKey::from_bytes(&[7; 32])));
        }
    }

    #[test]
    fn a_wrong_passphrase_opens_nothing() {
        for typed in ["cafe noir", "caf\u{e9} noir ", "CAF\u{c9} NOIR"] {
            assert_eq!(unlock(&locked(), &passphrase(typed)), Err(UnlockError::Passphrase), "{typed}");
        }
    }

    #[test]
    fn altered_salt_nonce_key_and_tag_are_noticed() {
        for at in [1, 17, 41, 73, 88] {
            let mut bad = locked();
            bad[at] ^= 1;
            assert_eq!(unlock(&bad, &passphrase("caf\u{e9} noir")), Err(UnlockError::Passphrase), "byte {at}");
        }
    }

    #[test]
    fn other_bytes_are_refused_before_any_memory_is_taken() {
        let mut other = locked();
        other[0] = 2;
        assert_eq!(unlock(&other, &passphrase("x")), Err(UnlockError::Version(2)));
        assert_eq!(unlock(&[], &passphrase("x")), Err(UnlockError::Form));
        let good = locked();
        for len in 1..good.len() {
            assert_eq!(unlock(&good[..len], &passphrase("x")), Err(UnlockError::Form), "cut at {len}");
        }
        assert_eq!(unlock(&[&good[..], &[0]].concat(), &passphrase("x")), Err(UnlockError::Form));
    }

    #[test]
    fn trap_23_the_same_passphrase_twice_has_another_lock() {
        let master = DeviceMasterKey::from_bytes(&[7; 32]);
        let again = lock(&master, &passphrase("caf\u{e9} noir"), &[9; 16], &[2; 24]).unwrap();
        assert_ne!(again[41..], locked()[41..]);
    }

    #[test]
    fn trap_25_there_is_no_empty_passphrase() {
        assert_eq!(Passphrase::new("").err(), Some(EmptyPassphrase));
    }

    #[test]
    fn xc001_a_passphrase_prints_nothing_of_itself() {
        assert_eq!(format!("{:?}", passphrase("canary")), "Passphrase { .. }");
        assert_eq!(UnlockError::Passphrase.to_string(), "wrong passphrase");
    }
}
