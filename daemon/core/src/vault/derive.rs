//! HKDF-SHA-256 (RFC 5869) as caro uses it: one secret in, another out, nothing of either left on the stack by us.
//!
//! The names given to outputs are the key schedule of `docs/security.md`; a name is used once. Keys for people's words
//! are not made here but in `stretch.rs`.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroize;

use super::secret::Secret;

/// HKDF-Extract: a uniform key from `input`, set apart by `salt`.
pub(super) fn extract(salt: &[u8], input: &[u8]) -> Secret {
    let (mut output, _) = Hkdf::<Sha256>::extract(Some(salt), input);
    let key = Secret::filled(|key| key.copy_from_slice(&output));
    output.as_mut_slice().zeroize();
    key
}

/// HKDF-Expand: `N` bytes named by `info`, whose pieces are read as if they were one.
pub(super) fn expand<const N: usize>(key: &Secret, info: &[&[u8]]) -> Secret<N> {
    const { assert!(N <= 255 * 32, "RFC 5869 ends there") };
    Secret::filled(|output| {
        #[allow(clippy::expect_used)] // the key is as long as the hash, and N was checked when this was compiled
        Hkdf::<Sha256>::from_prk(key.bytes()).expect("32 bytes").expand_multi_info(info, output).expect("short enough");
    })
}

/// The form of every key that hangs on a root: `"caro/v1/" || label || 0 || length of context || context`. The zero and
/// the length keep one label's context from being read as another label.
pub(super) fn labelled<const M: usize>(key: &Secret, label: &str, context: &[u8; M]) -> Secret {
    const { assert!(M <= u16::MAX as usize, "the length has two bytes") };
    expand(key, &[b"caro/v1/", label.as_bytes(), &[0], &(M as u16).to_be_bytes(), context])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5869, appendix A.1.
    #[test]
    fn hkdf_gives_what_its_rfc_says() {
        let salt = hex::decode("000102030405060708090a0b0c").unwrap();
        let info = hex::decode("f0f1f2f3f4f5f6f7f8f9").unwrap();
        let key = extract(&salt, &[0x0b; 22]);
        assert_eq!(hex::encode(key.bytes()), "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
        let output = expand::<42>(&key, &[&info[..4], &info[4..]]);
        assert_eq!(
            hex::encode(output.bytes()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
    }

    #[test]
    fn a_context_is_never_read_as_part_of_a_label() {
        let key = Secret::copied(&[1; 32]);
        assert_ne!(labelled(&key, "a", b"bc"), labelled(&key, "ab", b"c"));
        assert_ne!(labelled(&key, "a", b""), labelled(&key, "a", b"\0"));
    }
}
