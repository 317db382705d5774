//! The two kinds of long-lived keys that an end of a connection has: one that signs ([`Signer`], Ed25519, RFC 8032)
//! and one that it proves itself with in a handshake ([`StaticKey`], X25519, RFC 7748). Where they come from is the
//! vault's or the relay's business; here they are used. Neither prints, and both are wiped when dropped.

use std::fmt;

use caro_schema::id::Signature;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

/// A key that signs.
pub struct Signer {
    key: SigningKey,
}

impl Signer {
    /// From the 32-byte seed of RFC 8032.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self { key: SigningKey::from_bytes(seed) }
    }

    /// The public half, 32 bytes.
    pub fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// Signs `message` for one purpose. No domain may be the beginning of another one.
    pub fn sign(&self, domain: &[u8], message: &[u8]) -> Signature {
        Signature(self.key.sign(&tagged(domain, message)).to_bytes())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key: _ } = self;
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

/// A signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not hold")]
pub struct BadSignature;

/// Checks what [`Signer::sign`] made. Strict: keys and commitments of small order, with which one signature holds for
/// many messages, are refused (RFC 8032 §8.9 leaves them open).
///
/// # Errors
/// When the key is none, or the signature is not its for this domain and message.
pub fn verify(public: &[u8; 32], domain: &[u8], message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
    let key = VerifyingKey::from_bytes(public).map_err(|_| BadSignature)?;
    let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
    key.verify_strict(&tagged(domain, message), &signature).map_err(|_| BadSignature)
}

fn tagged(domain: &[u8], message: &[u8]) -> Vec<u8> {
    [domain, message].concat()
}

/// A key that proves who an end of a session is.
pub struct StaticKey {
    secret: Zeroizing<[u8; 32]>,
    public: [u8; 32],
}

impl StaticKey {
    /// From 32 random bytes; X25519 clamps them itself.
    pub fn from_bytes(secret: &[u8; 32]) -> Self {
        let key = x25519_dalek::StaticSecret::from(*secret);
        Self { secret: Zeroizing::new(*secret), public: x25519_dalek::PublicKey::from(&key).to_bytes() }
    }

    /// The public half, 32 bytes.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// The secret half, for the handshake alone.
    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }
}

impl fmt::Debug for StaticKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret: _, public: _ } = self;
        f.debug_struct("StaticKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_key_domain_and_message_only() {
        let signer = Signer::from_seed(&[1; 32]);
        let signature = signer.sign(b"a/", b"message");
        assert_eq!(verify(&signer.public(), b"a/", b"message", &signature), Ok(()));
        assert_eq!(verify(&signer.public(), b"b/", b"message", &signature), Err(BadSignature));
        assert_eq!(verify(&signer.public(), b"a/", b"massage", &signature), Err(BadSignature));
        assert_eq!(verify(&Signer::from_seed(&[2; 32]).public(), b"a/", b"message", &signature), Err(BadSignature));
    }

    #[test]
    fn a_key_of_small_order_verifies_nothing() {
        // The neutral element, as key and as commitment, with a zero scalar: holds for every message unless strict.
        let neutral = {
            let mut bytes = [0; 32];
            bytes[0] = 1;
            bytes
        };
        let mut signature = [0; 64];
        signature[0] = 1;
        assert_eq!(verify(&neutral, b"", b"anything", &Signature(signature)), Err(BadSignature));
    }

    #[test]
    fn trap_40_neither_key_prints_itself() {
        assert_eq!(format!("{:?}", Signer::from_seed(&[1; 32])), "Signer { .. }");
        assert_eq!(format!("{:?}", StaticKey::from_bytes(&[1; 32])), "StaticKey { .. }");
    }
}
