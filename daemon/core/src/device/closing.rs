//! Ending an account at a relay: everything that it holds is forgotten there, and every device that uses it is told. Needs
//! the phrase's root, as everything does that takes something away for good.

use std::sync::OnceLock;

use caro_link::proof;
use caro_schema::{
    id::{Hash, RelayKey},
    ipc::Fault,
    relay::{ErrorCode, ToDevice, ToRelay},
};

use crate::vault::{RootKey, relay_account_key::RelayAccountKey};

/// One account on its way out of one relay. Holds the account's key for that relay and no other.
pub struct Closing {
    account: RelayAccountKey,
    handshake: OnceLock<Hash>,
}

/// What to do next.
pub enum Closes {
    /// Send this, and hand the answer back.
    Send(ToRelay),
    /// Nothing of the account is there any more.
    Closed,
}

impl Closing {
    /// The account of this root at one relay.
    pub fn new(root: &RootKey, relay: &RelayKey) -> Self {
        Self { account: root.relay_account(relay), handshake: OnceLock::new() }
    }

    /// The first message of a session.
    pub fn connected(&self, handshake: &Hash) -> ToRelay {
        let handshake = self.handshake.get_or_init(|| *handshake);
        ToRelay::Attach { account: self.key(), proof: proof::sign_attach(&self.account, handshake) }
    }

    /// What follows from an answer.
    ///
    /// # Errors
    /// What the person is to be told.
    pub fn handle(&self, message: ToDevice) -> Result<Closes, Fault> {
        match (message, self.handshake.get()) {
            (ToDevice::Welcome { .. }, Some(handshake)) => {
                let proof = proof::sign_close(&self.account, handshake);
                Ok(Closes::Send(ToRelay::Close { account: self.key(), proof }))
            }
            // An earlier try got through, and its answer did not; or it was closed from another device.
            (ToDevice::Closed | ToDevice::Error { code: ErrorCode::NotKnown, .. }, _) => Ok(Closes::Closed),
            (ToDevice::Error { code, .. }, _) => Err(Fault::Refused { code: format!("{code:?}") }),
            _ => Err(Fault::Refused { code: "Misbehaved".to_owned() }),
        }
    }

    fn key(&self) -> Hash {
        Hash(self.account.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Phrase;

    #[test]
    fn pc003_an_account_is_closed_by_its_own_key_and_only_in_this_session() {
        let root = RootKey::derive(&Phrase::from_entropy(&[11; 32])).unwrap();
        let closing = Closing::new(&root, &RelayKey([42; 32]));
        let handshake = Hash([7; 32]);
        let ToRelay::Attach { account, proof } = closing.connected(&handshake) else { panic!("attach") };
        proof::verify_attach(&account, &handshake, &proof).unwrap();
        let welcome = ToDevice::Error { code: ErrorCode::StorageUnavailable, retry_ms: None };
        assert!(matches!(closing.handle(welcome), Err(Fault::Refused { .. })));
        let gone = ToDevice::Error { code: ErrorCode::NotKnown, retry_ms: None };
        assert!(matches!(closing.handle(gone), Ok(Closes::Closed)));
        assert!(matches!(closing.handle(ToDevice::Closed), Ok(Closes::Closed)));
    }
}
