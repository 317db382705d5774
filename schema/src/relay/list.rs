//! The device list that an account keeps at one relay: who may connect. It holds hashes of per-relay keys, so that
//! two relays cannot match the devices of one person.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    codec::{self, DecodeError, within},
    id::{Hash, Signature},
    limits::DEVICES_MAX,
};

/// Domain of the signature over a list.
pub const LIST_DOMAIN: &[u8] = b"caro/v1/device-list";

/// A list as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedList {
    /// The canonical bytes of a [`DeviceList`].
    pub list: ByteBuf,
    /// The account key's signature over [`LIST_DOMAIN`] and these bytes.
    pub signature: Signature,
}

/// Who may connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceList {
    /// 1 for the first, then one more for each.
    pub version: u64,
    /// SHA-256 of the previous list's canonical bytes, zeroes for the first.
    pub prev: Hash,
    /// SHA-256 of each device's static key at this relay (X25519), ascending.
    pub keys: Vec<Hash>,
}

impl DeviceList {
    /// The bytes that are signed and hashed.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode_canonical(self)
    }

    /// From the bytes that [`Self::encode`] gives, and no others.
    ///
    /// # Errors
    /// When not canonical, not ascending, or longer than [`DEVICES_MAX`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let list: Self = codec::decode_canonical(bytes)?;
        within("devices", list.keys.len(), DEVICES_MAX)?;
        if list.version == 0 || !list.keys.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(DecodeError::Malformed);
        }
        Ok(list)
    }
}
