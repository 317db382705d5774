//! One direction's cipher, as snow asks for it: snow's own XChaCha20-Poly1305, with two things added. Its key is
//! overwritten when it is dropped, which snow does not do, and the handshake hears when something opened.
//!
//! Knows nothing of counters or of what is sealed. Next: [`crate::hybrid`], which hands it to snow.

use snow::{Error, types::Cipher};

use crate::stage::Stage;

/// Bytes that a seal adds.
pub(crate) const TAG_BYTES: usize = 16;

const KEY_BYTES: usize = 32;

pub(crate) struct Watched {
    inner: Box<dyn Cipher>,
    stage: Stage,
}

impl Watched {
    pub(crate) fn new(inner: Box<dyn Cipher>, stage: Stage) -> Self {
        Self { inner, stage }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // The key lies in the inner cipher's own memory, and setting another one is the only way to reach it. The call
        // goes through a table, so that no compiler can see that nobody reads what it writes.
        self.inner.set(&[0; KEY_BYTES]);
    }
}

impl Cipher for Watched {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn set(&mut self, key: &[u8; KEY_BYTES]) {
        self.inner.set(key);
    }

    fn encrypt(&self, counter: u64, bound: &[u8], plain: &[u8], out: &mut [u8]) -> usize {
        self.inner.encrypt(counter, bound, plain, out)
    }

    fn decrypt(&self, counter: u64, bound: &[u8], sealed: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        let len = self.inner.decrypt(counter, bound, sealed, out)?;
        self.stage.opened();
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Remembers its keys, for others to see after it is gone.
    struct Remembering(Arc<Mutex<Vec<[u8; KEY_BYTES]>>>);

    impl Cipher for Remembering {
        fn name(&self) -> &'static str {
            "remembering"
        }

        fn set(&mut self, key: &[u8; KEY_BYTES]) {
            self.0.lock().unwrap().push(*key);
        }

        fn encrypt(&self, _: u64, _: &[u8], _: &[u8], _: &mut [u8]) -> usize {
            0
        }

        fn decrypt(&self, _: u64, _: &[u8], _: &[u8], _: &mut [u8]) -> Result<usize, Error> {
            Err(Error::Decrypt)
        }
    }

    #[test]
    fn xc_001_a_dropped_cipher_has_no_key_any_more() {
        let keys = Arc::new(Mutex::new(Vec::new()));
        let mut cipher = Watched::new(Box::new(Remembering(keys.clone())), Stage::default());
        cipher.set(&[7; KEY_BYTES]);
        assert_eq!(*keys.lock().unwrap(), [[7; KEY_BYTES]]);
        drop(cipher);
        assert_eq!(*keys.lock().unwrap(), [[7; KEY_BYTES], [0; KEY_BYTES]]);
    }
}
