//! The file beside the database that says where its key is, and holds it where there is no better place.
//!
//! ```text
//! caro key 1
//! file <the key, base64>
//! ```
//! or `keychain <name of the entry>`, or `locked <the key, locked by a passphrase, base64>`.
//!
//! It is replaced whole or not at all, and refused when others may have read it.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use caro_core::vault::at_rest::LOCKED_BYTES;
use zeroize::Zeroizing;

use super::{Key, KeyError, Stored, keychain::Id};
use crate::paths::write_private;

/// What the file says.
pub(super) enum Content {
    /// The key is here.
    Here(Key),
    /// The key is here, and a passphrase locks it.
    Locked(Vec<u8>),
    /// The key is in the secure store, under this name.
    Keychain(Id),
}

/// Why a file is not one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// It belongs to somebody else.
    #[error("the file belongs to another user")]
    NotOurs,
    /// Another first line.
    #[error("not a key file, or one of a newer version of caro")]
    Version,
    /// The second line.
    #[error("the key file is damaged")]
    Damaged,
}

/// The first line. A later form has another number.
const FIRST_LINE: &str = "caro key 1";

/// Bytes of the file. A larger one is something else.
const BYTES_MAX: usize = 256;

/// Reads the file, none when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Content>, KeyError> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
    let file = match File::options().read(true).custom_flags(no_follow).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(KeyError::Io(path.to_owned(), error)),
    };
    let io_error = |error| KeyError::Io(path.to_owned(), error);
    check_owner(path, &file.metadata().map_err(io_error)?)?;
    // As large as it can become: growing would leave a copy of the key behind.
    let mut text = Zeroizing::new(String::with_capacity(BYTES_MAX + 1));
    file.take(BYTES_MAX as u64).read_to_string(&mut text).map_err(io_error)?;
    parse(&text).map(Some).map_err(|error| KeyError::Form(path.to_owned(), error))
}

fn check_owner(path: &Path, meta: &Metadata) -> Result<(), KeyError> {
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(KeyError::Form(path.to_owned(), FormError::NotOurs));
    }
    if meta.mode() & 0o077 != 0 { Err(KeyError::Loose(path.to_owned())) } else { Ok(()) }
}

fn parse(text: &str) -> Result<Content, FormError> {
    let mut lines = text.lines();
    if lines.next() != Some(FIRST_LINE) {
        return Err(FormError::Version);
    }
    let second = lines.next().ok_or(FormError::Damaged)?;
    if lines.next().is_some() {
        return Err(FormError::Damaged);
    }
    match second.split_once(' ') {
        Some(("file", key)) => decode(key).map(Content::Here),
        Some(("locked", text)) => {
            STANDARD.decode(text).ok().filter(|bytes| bytes.len() == LOCKED_BYTES).map(Content::Locked)
        }
        Some(("keychain", id)) => Id::parse(id).map(Content::Keychain),
        _ => None,
    }
    .ok_or(FormError::Damaged)
}

/// Writes the file, whole or not at all, and waits until the disk has it: what the key opens comes after it.
pub(super) fn write(path: &Path, content: &Content) -> Result<(), KeyError> {
    let mut text = Zeroizing::new(String::with_capacity(BYTES_MAX));
    text.push_str(FIRST_LINE);
    match content {
        Content::Here(key) => {
            text.push_str("\nfile ");
            text.push_str(&encode(key));
        }
        Content::Locked(locked) => {
            text.push_str("\nlocked ");
            text.push_str(&STANDARD.encode(locked));
        }
        Content::Keychain(id) => {
            text.push_str("\nkeychain ");
            text.push_str(id.as_str());
        }
    }
    text.push('\n');
    write_private(path, text.as_bytes()).map_err(|error| KeyError::Io(path.to_owned(), error))
}

/// A key as text: some secure stores keep nothing else.
pub(super) fn encode(key: &Key) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(key.as_slice()))
}

/// A key as text, behind a passphrase or not.
pub(super) fn encode_stored(stored: &Stored) -> Zeroizing<String> {
    match stored {
        Stored::Open(key) => encode(key),
        Stored::Locked(locked) => Zeroizing::new(STANDARD.encode(locked)),
    }
}

/// The same from text. The two have different lengths.
pub(super) fn decode_stored(text: &str) -> Option<Stored> {
    decode(text).map(Stored::Open).or_else(|| {
        let bytes = STANDARD.decode(text).ok().filter(|bytes| bytes.len() == LOCKED_BYTES)?;
        Some(Stored::Locked(bytes))
    })
}

/// A key from text.
pub(super) fn decode(text: &str) -> Option<Key> {
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    Some(Zeroizing::new(bytes.as_slice().try_into().ok()?))
}
