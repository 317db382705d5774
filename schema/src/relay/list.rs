//! The device list that an account keeps at one relay: who may connect. It holds hashes of per-relay keys, so that
//! two relays cannot match the devices of one person.
//!
//! The account's key signs a list. A listed device may add another one behind it without that key, and take none off:
//! the relay knows who asks from the session. The next signed list says who of those stays.

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
    /// Who was added by listed devices since it was signed, in that order. Said by the relay and signed by nobody: it
    /// opens a door at the relay, and no cell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<Addition>,
}

/// A device that another one added at a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addition {
    /// SHA-256 of the device's static key at this relay.
    pub key: Hash,
    /// The same of the device that added it.
    pub by: Hash,
}

/// Who may connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceList {
    /// 1 for the first, then one more for each.
    pub version: u64,
    /// SHA-256 of the previous list's canonical bytes and of what was added behind it (key and adder of each, in
    /// order), zeroes for the first. So a list never overlooks a device that was added meanwhile.
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
