//! How far the post-quantum step of a handshake has come, shared between the parts that snow holds and the handshake.
//! Holds no secret. It names a failure on this side ([`crate::handshake::HandshakeError::PostQuantum`]) and is never told
//! to the other: a peer learns nothing but the end of the connection.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

/// The step begins with a KEM key or ciphertext and ends when the first seal under its secret opens: before that nobody
/// has shown to have the secret, because ML-KEM never fails for a wrong ciphertext.
#[derive(Clone)]
pub(crate) struct Stage(Arc<AtomicU8>);

const BEFORE: u8 = 0;
const OFFERED: u8 = 1;
const AGREED: u8 = 2;
const PROVED: u8 = 3;

impl Default for Stage {
    fn default() -> Self {
        Self(Arc::new(AtomicU8::new(BEFORE)))
    }
}

impl Stage {
    /// Whether a seal that does not open now is of the post-quantum step.
    pub(crate) fn is_post_quantum(&self) -> bool {
        matches!(self.0.load(Ordering::Relaxed), OFFERED | AGREED)
    }

    /// A public key was made for the other side.
    pub(crate) fn offered(&self) {
        self.0.store(OFFERED, Ordering::Relaxed);
    }

    /// This side has a secret. Whether the other has the same is not known yet.
    pub(crate) fn agreed(&self) {
        self.0.store(AGREED, Ordering::Relaxed);
    }

    /// A seal opened. It proves the secret if there was one already.
    pub(crate) fn opened(&self) {
        // Nothing else writes at the same time: a handshake takes its steps one after the other.
        if self.0.load(Ordering::Relaxed) == AGREED {
            self.0.store(PROVED, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_pq_01_the_step_ends_with_the_first_seal_under_its_secret() {
        let stage = Stage::default();
        assert!(!stage.is_post_quantum());
        stage.offered();
        assert!(stage.is_post_quantum());
        // What stands around the ciphertext is sealed before there is a secret.
        stage.opened();
        assert!(stage.is_post_quantum());
        stage.agreed();
        assert!(stage.is_post_quantum());
        stage.opened();
        assert!(!stage.is_post_quantum());
    }
}
