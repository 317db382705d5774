//! An account and its devices, as the holder of a phrase has them, without the phrase.

use std::sync::atomic::{AtomicU64, Ordering};

use caro_link::{
    identity::{Signer, StaticKey},
    proof,
};
use caro_schema::{
    id::{Handle, Hash},
    relay::{
        ToRelay,
        list::{DeviceList, SignedList},
    },
    version,
};
use serde_bytes::ByteBuf;

/// What tells one account or device of a test process from another.
static NEXT: AtomicU64 = AtomicU64::new(1);

fn seed() -> [u8; 32] {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    *blake3::hash(&[&number.to_be_bytes()[..], &std::process::id().to_be_bytes()].concat()).as_bytes()
}

/// A device.
#[derive(Clone, Copy)]
pub(crate) struct Device {
    secret: [u8; 32],
}

impl Device {
    pub(crate) fn new() -> Self {
        Self { secret: seed() }
    }

    pub(crate) fn static_key(&self) -> StaticKey {
        StaticKey::from_bytes(&self.secret)
    }

    pub(crate) fn hash(&self) -> Hash {
        proof::device_key_hash(&self.static_key().public())
    }
}

/// An account: its key at one relay and its lists.
pub(crate) struct Account {
    pub(crate) signer: Signer,
}

impl Account {
    pub(crate) fn new() -> Self {
        Self { signer: Signer::from_seed(&seed()) }
    }

    pub(crate) fn public(&self) -> Hash {
        Hash(self.signer.public())
    }

    pub(crate) fn handle(&self) -> Handle {
        proof::handle_of(&self.public())
    }

    /// The first list.
    pub(crate) fn first_list(&self, devices: &[Device]) -> SignedList {
        self.list(1, Hash([0; 32]), devices)
    }

    /// The list after `before`.
    pub(crate) fn next_list(&self, before: &SignedList, devices: &[Device]) -> SignedList {
        let version = DeviceList::decode(&before.list).unwrap().version + 1;
        self.list(version, proof::list_hash_with_added(before), devices)
    }

    pub(crate) fn list(&self, version: u64, prev: Hash, devices: &[Device]) -> SignedList {
        let mut keys: Vec<Hash> = devices.iter().map(Device::hash).collect();
        keys.sort();
        proof::sign_list(&self.signer, &DeviceList { version, prev, keys })
    }

    pub(crate) fn create(&self, devices: &[Device]) -> ToRelay {
        ToRelay::Create { account: self.public(), list: self.first_list(devices), token: None }
    }

    pub(crate) fn hello(&self) -> ToRelay {
        ToRelay::Hello { handle: self.handle() }
    }

    pub(crate) fn attach(&self, handshake: &Hash) -> ToRelay {
        ToRelay::Attach { account: self.public(), proof: proof::sign_attach(&self.signer, handshake) }
    }

    pub(crate) fn close(&self, handshake: &Hash) -> ToRelay {
        ToRelay::Close { account: self.public(), proof: proof::sign_close(&self.signer, handshake) }
    }
}

/// Bytes that look like a cell to whoever has no key, never the same twice.
pub(crate) fn cell(bytes: usize) -> ByteBuf {
    let mut cell = vec![0; bytes];
    blake3::Hasher::new_derive_key("caro-relay tests").update(&seed()).finalize_xof().fill(&mut cell);
    cell[0] = version::BYTES;
    cell[1] = version::SUITE;
    ByteBuf::from(cell)
}
