//! MessagePack, read strictly: no trailing bytes, bounded depth, and a canonical form for what is hashed or signed.

use std::io::Cursor;

use serde::{Serialize, de::DeserializeOwned};

/// Why bytes are not the value they should be. Never holds the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not MessagePack of this shape.
    #[error("malformed bytes")]
    Malformed,
    /// A value, then something else.
    #[error("bytes after the end")]
    Trailing,
    /// The same value has another encoding, and only that one may be hashed or signed.
    #[error("not the canonical encoding")]
    NotCanonical,
    /// The version byte is not known here.
    #[error("version {0} is not known here")]
    Version(u8),
    /// A count or size above its limit.
    #[error("{what} is {value}, the limit is {limit}")]
    Limit {
        /// What was counted.
        what: &'static str,
        /// What it was.
        value: usize,
        /// What it may be.
        limit: usize,
    },
}

/// Nesting of a message. Ours have five levels at most; each level costs stack while decoding.
const DEPTH_MAX: usize = 24;

/// Encodes as a named map, for messages and payloads that may gain fields.
///
/// # Panics
/// Never for the types of this crate: they have no state that cannot be encoded.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    #[allow(clippy::expect_used)] // writing to a Vec cannot fail, and our types serialise in every state
    rmp_serde::to_vec_named(value).expect("our types encode")
}

/// Decodes a whole message. Unknown fields are passed over.
///
/// # Errors
/// When the bytes are malformed or go on after the value.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut reader = rmp_serde::Deserializer::new(Cursor::new(bytes));
    reader.set_max_depth(DEPTH_MAX);
    let value = T::deserialize(&mut reader).map_err(|_| DecodeError::Malformed)?;
    if reader.position() != bytes.len() as u64 {
        return Err(DecodeError::Trailing);
    }
    Ok(value)
}

/// Encodes as nested arrays behind the version byte, for what is hashed or signed.
///
/// # Panics
/// Never for the types of this crate, as [`encode`].
pub fn encode_canonical<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = vec![crate::version::BYTES];
    #[allow(clippy::expect_used)] // as above
    rmp_serde::encode::write(&mut bytes, value).expect("our types encode");
    bytes
}

/// Decodes what [`encode_canonical`] wrote, and refuses any other encoding of the same value: two encodings would
/// be two ids for one op.
///
/// # Errors
/// When the version is unknown, the bytes are malformed, go on, or are not the one canonical form.
pub fn decode_canonical<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (version, rest) = bytes.split_first().ok_or(DecodeError::Malformed)?;
    if *version != crate::version::BYTES {
        return Err(DecodeError::Version(*version));
    }
    let value: T = decode(rest)?;
    if encode_canonical(&value) != bytes {
        return Err(DecodeError::NotCanonical);
    }
    Ok(value)
}

/// Says no when a count is above its limit.
///
/// # Errors
/// [`DecodeError::Limit`] with both figures.
pub fn within(what: &'static str, value: usize, limit: usize) -> Result<(), DecodeError> {
    if value > limit { Err(DecodeError::Limit { what, value, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_49_trailing_bytes_are_refused() {
        let mut bytes = encode(&(1u8, "a"));
        assert!(decode::<(u8, String)>(&bytes).is_ok());
        bytes.push(0);
        assert_eq!(decode::<(u8, String)>(&bytes), Err(DecodeError::Trailing));
    }

    #[test]
    fn trap_49_a_second_encoding_is_refused() {
        let canonical = encode_canonical(&(7u64,));
        assert_eq!(decode_canonical::<(u64,)>(&canonical), Ok((7,)));
        // 7 as a 64-bit integer where one byte is enough: the same value, other bytes.
        let longer = [&[1u8, 0x91, 0xcf][..], &7u64.to_be_bytes()].concat();
        assert_eq!(decode_canonical::<(u64,)>(&longer), Err(DecodeError::NotCanonical));
    }

    #[test]
    fn trap_51_nesting_is_bounded() {
        let bomb = vec![0x91u8; 100_000];
        assert_eq!(decode::<serde::de::IgnoredAny>(&bomb).map(|_| ()), Err(DecodeError::Malformed));
    }
}
