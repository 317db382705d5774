//! Making an account and joining one: what is said to the relay until this device is listed there. The phrase's root
//! lives in [`Joining`] and nowhere else, and is gone with it; nothing is written before the relay has agreed.

use caro_link::{identity::StaticKey, proof};
use caro_schema::{
    id::{Hash, RelayKey},
    ipc::fault::Fault,
    keylog::{Certificate, Entry, Membership, SignedEntry},
    relay::{
        ErrorCode, ToDevice, ToRelay,
        list::{DeviceList, SignedList},
    },
    stamp::Stamp,
};

use super::{DeviceError, Env};
use crate::{
    sync::RemoteRecord,
    vault::{DeviceKeys, RootKey, Vault},
};

/// What a person wants.
#[derive(Clone, PartialEq, Eq)]
pub enum Intent {
    /// A new account, with an invitation where the relay asks for one.
    Create(Option<String>),
    /// This device in an account that is there.
    Attach,
}

/// A device on its way into an account.
pub struct Joining {
    intent: Intent,
    root: RootKey,
    keys: DeviceKeys,
    relay_key: RelayKey,
    address: String,
    name: String,
    platform: String,
    /// The account's key-log heads are not known before the first pull; the entry then follows nothing.
    now_ms: u64,
}

/// A device that is listed at its relay.
pub struct Joined {
    pub(super) vault: Vault,
    pub(super) remote: RemoteRecord,
    pub(super) admission: SignedEntry,
    pub(super) name: String,
    pub(super) platform: String,
}

/// What to do next.
pub enum Progress {
    /// Send this, and hand the answer back.
    Send(ToRelay),
    /// The relay has agreed.
    Listed,
}

impl Joining {
    /// A device that wants in, with fresh keys of its own.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new(
        intent: Intent,
        root: RootKey,
        relay_key: RelayKey,
        address: String,
        (name, platform): (String, String),
        env: &mut Env<'_>,
    ) -> Result<Self, DeviceError> {
        let mut random = zeroize::Zeroizing::new([0; 96]);
        env.entropy.fill(&mut *random)?;
        let keys = DeviceKeys::generate(&random);
        Ok(Self { intent, root, keys, relay_key, address, name, platform, now_ms: env.now_ms })
    }

    /// The relay that it is to be.
    pub fn relay_key(&self) -> RelayKey {
        self.relay_key
    }

    /// The key for the session with the relay.
    pub fn static_key(&self) -> StaticKey {
        self.keys.relay_static(&self.relay_key)
    }

    /// The first message of a session.
    pub fn connected(&self, handshake: &Hash) -> ToRelay {
        let account = self.root.relay_account(&self.relay_key);
        let public = Hash(account.public());
        match &self.intent {
            Intent::Create(token) => {
                let first = DeviceList { version: 1, prev: Hash([0; 32]), keys: vec![self.key_hash()] };
                ToRelay::Create { account: public, list: proof::sign_list(&account, &first), token: token.clone() }
            }
            Intent::Attach => ToRelay::Attach { account: public, proof: proof::sign_attach(&account, handshake) },
        }
    }

    /// What follows from an answer.
    ///
    /// # Errors
    /// What the person is to be told. Nothing was written anywhere on this device.
    pub fn handle(&self, message: ToDevice) -> Result<Progress, Fault> {
        match message {
            ToDevice::Welcome { .. } if matches!(self.intent, Intent::Create(_)) => Ok(Progress::Listed),
            ToDevice::Welcome { list, .. } => self.add_to(&list),
            ToDevice::ListAccepted { .. } => Ok(Progress::Listed),
            ToDevice::Error { code, .. } => Err(match code {
                ErrorCode::NotKnown => Fault::NoAccount,
                ErrorCode::Exists => Fault::AccountExists,
                other => Fault::Refused { code: format!("{other:?}") },
            }),
            // Presence and the like: said to everyone, no answer to us.
            _ => Err(Fault::Refused { code: "an answer out of turn".to_owned() }),
        }
    }

    fn add_to(&self, current: &SignedList) -> Result<Progress, Fault> {
        let account = self.root.relay_account(&self.relay_key);
        let list = proof::verify_list(&Hash(account.public()), current)
            .map_err(|_| Fault::Refused { code: "a device list that the account did not sign".to_owned() })?;
        let mut keys = list.keys;
        let own = self.key_hash();
        if let Err(at) = keys.binary_search(&own) {
            keys.insert(at, own);
        }
        let next = DeviceList { version: list.version + 1, prev: proof::list_hash(&current.list), keys };
        Ok(Progress::Send(ToRelay::SetList { list: proof::sign_list(&account, &next) }))
    }

    fn key_hash(&self) -> Hash {
        proof::device_key_hash(&self.static_key().public())
    }

    /// What this device keeps: its own keys, the epoch and key-log keys, and its admission, signed by the account.
    pub fn finish(self) -> Joined {
        let account = self.root.account_signer();
        let certificate = Certificate {
            device: self.keys.device_id(),
            kem_public: self.keys.kem_public().to_vec().into(),
            admitted_by: None,
        };
        let entry = Entry {
            dataset: self.root.dataset(),
            prev: Vec::new(),
            stamp: Stamp::from_ms(self.now_ms),
            change: Membership::Admit(certificate),
        };
        let admission = proof::sign_entry(&account, &entry);
        let remote = RemoteRecord {
            address: self.address,
            relay_key: self.relay_key,
            account: Hash(self.root.relay_account(&self.relay_key).public()),
            signer: None,
            generation: None,
            cursor: 0,
            head: Hash([0; 32]),
            last_sync_ms: 0,
            stopped: None,
            has: Default::default(),
            position: None,
        };
        Joined { vault: Vault::new(&self.root, self.keys), remote, admission, name: self.name, platform: self.platform }
    }
}
