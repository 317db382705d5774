//! The key log: which devices belong to the account and which epoch its cells are sealed under. Entries are signed
//! with the account's key, or, where a device lets another one in by a code, with that device's; sealed for the account's
//! devices, and carried in cells of their own class.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    codec::{self, DecodeError, within},
    id::{Dataset, DeviceId, Hash, OpId, Signature},
    limits::DEVICES_MAX,
    stamp::Stamp,
};

/// A signed entry as it travels inside a cell of class key log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedEntry {
    /// The canonical bytes of an [`Entry`], as received.
    pub entry: ByteBuf,
    /// The account key's signature over them, or that of the device that lets another one in.
    pub signature: Signature,
}

/// One change of the account's membership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The account.
    pub dataset: Dataset,
    /// Hashes of the newest entries that the signer knew, ascending, so that a withheld one is noticed.
    pub prev: Vec<Hash>,
    /// When, by the signer's clock. For display and for nothing else.
    pub stamp: Stamp,
    /// What changes.
    pub change: Membership,
}

/// What an entry of the key log says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Membership {
    /// A device joined.
    Admit(Certificate),
    /// A device is out; what it wrote after the cut is void. Everyone seals under the new epoch from now on.
    Revoke {
        /// Which device.
        device: DeviceId,
        /// Its last sequence number that counts, zero for none.
        cut_seq: u64,
        /// The op of that number.
        cut_op: OpId,
        /// Number of the new epoch.
        epoch: u32,
        /// The new epoch's key, wrapped to each remaining device.
        wraps: Vec<Wrap>,
    },
    /// A new epoch with the same devices.
    Rotate {
        /// Number of the new epoch.
        epoch: u32,
        /// Its key, wrapped to each device.
        wraps: Vec<Wrap>,
    },
}

/// A device's public keys. Names live in sealed ops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Verifies its ops (Ed25519).
    pub device: DeviceId,
    /// Epoch keys are wrapped to this one (X-Wing, 1,216 bytes).
    pub kem_public: ByteBuf,
    /// Which device let it in, if it joined by a code and not by the phrase.
    pub admitted_by: Option<DeviceId>,
}

/// One epoch key for one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrap {
    /// For whom.
    pub device: DeviceId,
    /// KEM ciphertext (1,120 bytes).
    pub encapsulated: ByteBuf,
    /// The key, sealed under the shared secret.
    pub sealed: ByteBuf,
}

/// Bytes of an X-Wing public key (draft-connolly-cfrg-xwing-kem).
pub const KEM_PUBLIC_BYTES: usize = 1216;

impl Entry {
    /// The bytes that are signed and hashed.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode_canonical(self)
    }

    /// From the bytes that [`Self::encode`] gives, and no others.
    ///
    /// # Errors
    /// When not canonical, or a list is longer than [`DEVICES_MAX`], or a key has the wrong length.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let entry: Self = codec::decode_canonical(bytes)?;
        within("previous entries", entry.prev.len(), DEVICES_MAX)?;
        match &entry.change {
            Membership::Admit(certificate) if certificate.kem_public.len() != KEM_PUBLIC_BYTES => {
                Err(DecodeError::Malformed)
            }
            Membership::Admit(_) => Ok(entry),
            Membership::Revoke { wraps, .. } | Membership::Rotate { wraps, .. } => {
                within("wrapped keys", wraps.len(), DEVICES_MAX)?;
                Ok(entry)
            }
        }
    }
}
