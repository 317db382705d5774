//! Making an account and joining one: what is said to the relay until this device is listed there. The phrase's root
//! lives in [`Joining`] and nowhere else, and is gone with it; nothing is written before the relay has agreed.

use std::sync::Arc;

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

use super::{DeviceError, Env, EpochReader};
use crate::{
    sync::RemoteRecord,
    vault::{DeviceKeys, RootKey, Vault, relay_account_key::RelayAccountKey},
};

/// What a person wants.
#[derive(Clone, PartialEq, Eq)]
pub enum Intent {
    /// A new account, with an invitation where the relay asks for one.
    Create(Option<String>),
    /// This device in an account that is there.
    Attach,
}

/// A device on its way onto an account's list at one relay. Holds the account's key for that relay and no other.
pub struct Knock {
    intent: Intent,
    account: RelayAccountKey,
    static_key: Arc<StaticKey>,
    relay_key: RelayKey,
    address: String,
}

/// A device on its way into an account.
pub struct Joining {
    knock: Knock,
    root: RootKey,
    keys: DeviceKeys,
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

impl Knock {
    /// A member of an account that wants to be listed at one more relay.
    ///
    /// # Errors
    /// When the root is not that of the vault's account.
    pub fn at_another(
        intent: Intent,
        root: &RootKey,
        vault: &Vault,
        relay_key: RelayKey,
        address: String,
    ) -> Result<Self, OtherAccount> {
        if root.dataset() != vault.dataset() {
            return Err(OtherAccount);
        }
        let static_key = Arc::new(vault.device().relay_static(&relay_key));
        Ok(Self { intent, account: root.relay_account(&relay_key), static_key, relay_key, address })
    }

    /// The relay that it is to be.
    pub fn relay_key(&self) -> RelayKey {
        self.relay_key
    }

    /// The key for the session with the relay.
    pub fn static_key(&self) -> Arc<StaticKey> {
        self.static_key.clone()
    }

    /// The first message of a session.
    pub fn connected(&self, handshake: &Hash) -> ToRelay {
        let account = Hash(self.account.public());
        match &self.intent {
            Intent::Create(token) => {
                let first = DeviceList { version: 1, prev: Hash([0; 32]), keys: vec![self.key_hash()] };
                ToRelay::Create { account, list: proof::sign_list(&self.account, &first), token: token.clone() }
            }
            Intent::Attach => ToRelay::Attach { account, proof: proof::sign_attach(&self.account, handshake) },
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
        let list = proof::verify_list(&Hash(self.account.public()), current)
            .map_err(|_| Fault::Refused { code: "a device list that the account did not sign".to_owned() })?;
        let mut keys = list.keys;
        let own = self.key_hash();
        if let Err(at) = keys.binary_search(&own) {
            keys.insert(at, own);
        }
        // Who was added by a code is on the next list too; who is to go is for a revocation to say.
        for addition in &current.added {
            if let Err(at) = keys.binary_search(&addition.key) {
                keys.insert(at, addition.key);
            }
        }
        let next = DeviceList { version: list.version + 1, prev: proof::list_hash_with_added(current), keys };
        Ok(Progress::Send(ToRelay::SetList { list: proof::sign_list(&self.account, &next) }))
    }

    fn key_hash(&self) -> Hash {
        proof::device_key_hash(&self.static_key.public())
    }

    /// What a device keeps about the relay once it is listed there.
    pub fn finish(self) -> RemoteRecord {
        fresh_remote(self.address, self.relay_key, Hash(self.account.public()), None)
    }
}

/// A relay of which nothing was read yet.
pub(super) fn fresh_remote(address: String, relay_key: RelayKey, account: Hash, signer: Option<Hash>) -> RemoteRecord {
    RemoteRecord {
        address,
        relay_key,
        account,
        signer,
        generation: None,
        cursor: 0,
        head: Hash([0; 32]),
        acknowledged: 0,
        last_sync_ms: 0,
        stopped: None,
        comparing: false,
        has: Default::default(),
        has_entries: Default::default(),
        position: None,
        list: None,
        shows_older_list: false,
        new_on_list: Default::default(),
        next_list: None,
    }
}

/// The phrase is that of another account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the phrase is that of another account")]
pub struct OtherAccount;

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
        let static_key = Arc::new(keys.relay_static(&relay_key));
        let knock = Knock { intent, account: root.relay_account(&relay_key), static_key, relay_key, address };
        Ok(Self { knock, root, keys, name, platform, now_ms: env.now_ms })
    }

    /// What is said to the relay.
    pub fn knock(&self) -> &Knock {
        &self.knock
    }

    /// The key for the session with the relay.
    pub fn static_key(&self) -> Arc<StaticKey> {
        self.knock.static_key()
    }

    /// As [`Knock::connected`].
    pub fn connected(&self, handshake: &Hash) -> ToRelay {
        self.knock.connected(handshake)
    }

    /// As [`Knock::handle`].
    ///
    /// # Errors
    /// As there.
    pub fn handle(&self, message: ToDevice) -> Result<Progress, Fault> {
        self.knock.handle(message)
    }

    /// Finds out, once this device is listed, which epoch the account is at.
    pub fn epoch_reader(&self) -> EpochReader {
        EpochReader::new(&self.root, &Hash(self.knock.account.public()))
    }

    /// As [`Self::finish_at`], for an account that has had one epoch.
    pub fn finish(self) -> Joined {
        self.finish_at(0)
    }

    /// What this device keeps: its own keys, those of the key log and of every epoch up to this one, and its admission,
    /// signed by the account.
    pub fn finish_at(self, newest_epoch: u32) -> Joined {
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
        let remote = self.knock.finish();
        let vault = Vault::up_to(&self.root, self.keys, newest_epoch);
        Joined { vault, remote, admission, name: self.name, platform: self.platform }
    }
}
