//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) in the three shapes that the vault needs.
//!
//! It must not choose keys or nonces: the callers do, each for its own reason. Nothing is decrypted before its tag is
//! checked, so a forgery never leaves plaintext behind.

use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305};
use zeroize::Zeroizing;

use super::secret::Secret;

/// Bytes of the tag.
pub(super) const TAG_BYTES: usize = 16;

/// The tag does not fit: another key, another nonce, other bytes or another place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Forged;

/// Encrypts in place and gives the tag.
pub(super) fn encrypt(key: &Secret, nonce: &[u8; 24], bound: &[u8], buffer: &mut [u8]) -> [u8; TAG_BYTES] {
    let cipher = XChaCha20Poly1305::new(key.bytes().into());
    #[allow(clippy::expect_used)] // only a buffer above 256 GiB is refused
    let tag = cipher.encrypt_inout_detached(nonce.into(), bound, buffer.into()).expect("under 256 GiB");
    tag.into()
}

/// Checks the tag, then decrypts in place. The buffer is as it was when the tag does not fit.
pub(super) fn decrypt(
    key: &Secret,
    nonce: &[u8; 24],
    bound: &[u8],
    buffer: &mut [u8],
    tag: &[u8; TAG_BYTES],
) -> Result<(), Forged> {
    let cipher = XChaCha20Poly1305::new(key.bytes().into());
    cipher.decrypt_inout_detached(nonce.into(), bound, buffer.into(), &Tag::from(*tag)).map_err(|_| Forged)
}

/// Appends ciphertext and tag of `plain`.
pub(super) fn append(sealed: &mut Vec<u8>, key: &Secret, nonce: &[u8; 24], bound: &[u8], plain: &[u8]) {
    // Room first: a vector that grew while it holds the plaintext would leave a copy behind.
    sealed.reserve_exact(plain.len() + TAG_BYTES);
    let start = sealed.len();
    sealed.extend_from_slice(plain);
    let tag = encrypt(key, nonce, bound, &mut sealed[start..]);
    sealed.extend_from_slice(&tag);
}

/// Opens what [`append`] added.
pub(super) fn open(key: &Secret, nonce: &[u8; 24], bound: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Forged> {
    let (ciphertext, tag) = sealed.split_last_chunk().ok_or(Forged)?;
    let mut plain = Zeroizing::new(ciphertext.to_vec());
    decrypt(key, nonce, bound, &mut plain, tag)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_opens_again_and_nothing_else_does() {
        let key = Secret::copied(&[1; 32]);
        let mut sealed = b"head".to_vec();
        append(&mut sealed, &key, &[2; 24], b"bound", b"plain");
        assert_eq!(sealed.len(), 4 + 5 + TAG_BYTES);
        let sealed = &sealed[4..];
        assert_eq!(open(&key, &[2; 24], b"bound", sealed).unwrap().as_slice(), b"plain");
        assert_eq!(open(&Secret::copied(&[3; 32]), &[2; 24], b"bound", sealed), Err(Forged));
        assert_eq!(open(&key, &[3; 24], b"bound", sealed), Err(Forged));
        assert_eq!(open(&key, &[2; 24], b"other", sealed), Err(Forged));
        for len in 0..sealed.len() {
            assert_eq!(open(&key, &[2; 24], b"bound", &sealed[..len]), Err(Forged), "cut at {len}");
        }
    }

    #[test]
    fn a_forgery_is_never_decrypted() {
        let key = Secret::copied(&[1; 32]);
        let mut buffer = *b"ciphertext";
        assert_eq!(decrypt(&key, &[2; 24], b"", &mut buffer, &[0; TAG_BYTES]), Err(Forged));
        assert_eq!(&buffer, b"ciphertext");
    }
}
