//! What a device says about itself, inside sealed cells only.

use serde::{Deserialize, Serialize};

use crate::{
    codec::{DecodeError, within},
    id::{DeviceId, Hash, RelayKey},
    limits::NAME_BYTES_MAX,
};

/// A device's name and kind, the newest by stamp being the one shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    /// What its owner calls it; at first its host name.
    #[serde(rename = "n")]
    pub name: String,
    /// Operating system and processor, such as `linux x86_64`.
    #[serde(rename = "p", default)]
    pub platform: String,
}

impl Name {
    /// Checks what must hold for every one.
    ///
    /// # Errors
    /// When the name or the platform is too long.
    pub fn check(&self) -> Result<(), DecodeError> {
        within("bytes of a name", self.name.len().max(self.platform.len()), NAME_BYTES_MAX)
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name: _, platform } = self;
        f.debug_struct("Name").field("platform", platform).finish_non_exhaustive()
    }
}

/// With which key a device comes to each relay. Relays know devices by these alone, and two relays by different ones, so
/// nobody but the account's devices can tell which of them to take off a relay's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayKeys {
    /// Each relay once, ascending.
    #[serde(rename = "k")]
    pub keys: Vec<RelayKeyOf>,
}

/// The key at one relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayKeyOf {
    /// Which relay, by its session key.
    #[serde(rename = "r")]
    pub relay: RelayKey,
    /// SHA-256 of the device's static key there, as the relay's device list has it.
    #[serde(rename = "h")]
    pub key: Hash,
}

/// Relays of one account.
const RELAYS_MAX: usize = 16;

impl RelayKeys {
    /// Checks what must hold for every one.
    ///
    /// # Errors
    /// When there are too many or they are out of order.
    pub fn check(&self) -> Result<(), DecodeError> {
        within("relays", self.keys.len(), RELAYS_MAX)?;
        let ascending = self.keys.windows(2).all(|pair| pair[0].relay < pair[1].relay);
        if ascending { Ok(()) } else { Err(DecodeError::Malformed) }
    }
}

/// Why a device was taken off. The key log says that it was, and from when on; this is what the person meant, for the
/// others to read. Sealed under the epoch that the device does not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Farewell {
    /// Which device.
    #[serde(rename = "d")]
    pub device: DeviceId,
    /// Why.
    #[serde(rename = "w")]
    pub why: Reason,
}

/// Why a device is taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// It is not there any more, and nobody is known to use it.
    Lost,
    /// Its owner has no more use for it.
    Retired,
    /// Somebody else has, or may have, what is on it.
    Compromised,
}

/// The account was moved to a new phrase, says a device before it empties it. It proves nothing and opens nothing: whoever
/// hears it asks a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {}

/// Another device's name, the newest by stamp of this and [`Name`] being the one shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rename {
    /// Which device.
    #[serde(rename = "d")]
    pub device: DeviceId,
    /// What it is to be called.
    #[serde(rename = "n")]
    pub name: String,
}

impl Rename {
    /// Checks what must hold for every one.
    ///
    /// # Errors
    /// When the name is too long.
    pub fn check(&self) -> Result<(), DecodeError> {
        within("bytes of a name", self.name.len(), NAME_BYTES_MAX)
    }
}

impl std::fmt::Debug for Rename {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { device: _, name: _ } = self;
        f.debug_struct("Rename").finish_non_exhaustive()
    }
}
