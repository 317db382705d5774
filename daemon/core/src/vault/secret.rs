//! Bytes that are a secret: what every key here is made of.
//!
//! They live on the heap, so that moving a key leaves no copy behind on the stack; they are wiped on drop, compared in
//! constant time, never cloned and never printed. It must not know what the bytes are for: the types around it do.

use std::{fmt, sync::OnceLock};

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// `N` secret bytes.
pub(super) struct Secret<const N: usize = 32>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Lets `fill` write the bytes where they will stay.
    pub(super) fn filled(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self(Box::new([0; N]));
        // Before there is anything to be kept.
        if let Some(keep) = KEEPER.get() {
            keep(&secret.0[..]);
        }
        fill(&mut secret.0);
        secret
    }

    /// A copy of bytes that somebody else has and will wipe.
    pub(super) fn copied(bytes: &[u8; N]) -> Self {
        Self::filled(|secret| secret.copy_from_slice(bytes))
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8; N] {
        &self.0
    }
}

/// Where secrets are told of.
static KEEPER: OnceLock<fn(&[u8])> = OnceLock::new();

/// Has every secret from now on told to somebody who can ask the system to keep its memory off the disk: where it is,
/// before it is there. The first one that is given counts.
pub fn keep_with(keeper: fn(&[u8])) {
    KEEPER.get_or_init(|| keeper);
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<const N: usize> ZeroizeOnDrop for Secret<N> {}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("[SECRET]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xc001_a_secret_prints_nothing_of_itself() {
        assert_eq!(format!("{:?}", Secret::copied(&[7; 32])), "[SECRET]");
    }

    #[test]
    fn secrets_are_equal_when_their_bytes_are() {
        assert_eq!(Secret::copied(&[7; 32]), Secret::copied(&[7; 32]));
        let mut other = [7; 32];
        other[31] ^= 1;
        assert_ne!(Secret::copied(&[7; 32]), Secret::copied(&other));
    }
}
