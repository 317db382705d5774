//! Where random bytes come from. An argument everywhere, so that a simulated account is one seed; in a program it is
//! always [`OsEntropy`]. Next: [`crate::handshake`], which draws its ephemeral keys here.

/// A source of random bytes that nobody else can guess.
pub trait Entropy {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// When there are none. Then nothing may be sealed or signed: a guessable key is worse than none.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy>;
}

/// The operating system gives no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoEntropy;

/// The operating system's generator (`getrandom(2)` and its likes).
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        getrandom::fill(bytes).map_err(|_| NoEntropy)
    }
}

impl<E: Entropy + ?Sized> Entropy for &mut E {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        (**self).fill(bytes)
    }
}
