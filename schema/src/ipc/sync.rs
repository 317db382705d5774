//! Making, joining and watching an account.

use serde::{Deserialize, Serialize};

use super::Fault;
use crate::{body::device::Reason, id::DeviceId, redacted::Redacted};

/// Make an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitRequest {
    /// The relay's address, `wss://host:port/#key`.
    pub relay: String,
    /// An invitation, where the relay asks for one.
    pub token: Option<Redacted<String>>,
    /// What to call this device.
    pub device_name: String,
}

/// A phrase to be shown once.
#[derive(Debug, Serialize, Deserialize)]
pub struct Begun {
    /// The words.
    pub phrase: Redacted<Vec<String>>,
}

/// Join an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreRequest {
    /// The relay's address.
    pub relay: String,
    /// The words as typed.
    pub phrase: Redacted<String>,
    /// What to call this device.
    pub device_name: String,
}

/// Use one more relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteAdd {
    /// The relay's address.
    pub relay: String,
    /// The account's phrase as typed: only it can list a device at a relay.
    pub phrase: Redacted<String>,
    /// An invitation, where the relay asks for one.
    pub token: Option<Redacted<String>>,
}

/// Take devices off the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeRequest {
    /// Which.
    pub devices: Vec<DeviceId>,
    /// Why.
    pub why: Reason,
    /// The account's phrase as typed: nothing that is kept on a device can take another one off.
    pub phrase: Redacted<String>,
}

/// Seal under a new key from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateRequest {
    /// The account's phrase as typed.
    pub phrase: Redacted<String>,
    /// Also seal anew what the relays hold.
    pub reseal: bool,
}

/// End the account at relays, with everything that they hold of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteEmpty {
    /// At this one, as the status has it; at all of them when there is none.
    pub address: Option<String>,
    /// The account's phrase as typed: only it can end an account.
    pub phrase: Redacted<String>,
}

/// What became of the account at one relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteEmptied {
    /// Its address.
    pub address: String,
    /// Why it was not ended, when it was not.
    pub failure: Option<Fault>,
}

/// Move to a new phrase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveRequest {
    /// The present phrase as typed: only it can empty the account that is left.
    pub phrase: Redacted<String>,
    /// An invitation, where the relays ask for one.
    pub token: Option<Redacted<String>>,
}

/// How syncing is, in one screen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SyncStatus {
    /// Whether this device is in an account.
    pub joined: bool,
    /// Whether the network may be used.
    pub enabled: bool,
    /// A short fingerprint of the account, the same on all its devices.
    pub account: String,
    /// What this device is called.
    pub device_name: String,
    /// Each relay.
    pub remotes: Vec<RemoteStatus>,
    /// Ops that wait for an earlier one or for a key.
    pub waiting: u64,
    /// Things that were refused since the daemon started: bad signatures, unknown authors, and the like.
    pub refused: u64,
    /// Commands that stay here because they are above a limit.
    pub kept_here: u64,
    /// Commands from before joining, and imported ones, that stay here because they are older than the window or too many
    /// for it.
    #[serde(default)]
    pub outside_window: u64,
    /// What the person should know, in order of weight.
    pub warnings: Vec<Warning>,
    /// In answer to a wish to sync now: that what was known here and there at that moment is on both sides. More may be on
    /// its way by now.
    pub exchanged: bool,
}

/// One relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteStatus {
    /// Address without the key.
    pub address: String,
    /// How the connection is.
    pub state: RemoteState,
    /// Cells that the relay has not acknowledged.
    pub pending_up: u64,
    /// Cells that the relay has and this device has not, as far as is known.
    pub pending_down: u64,
    /// When both were last zero, in milliseconds since 1970; zero for never.
    pub last_sync_ms: u64,
    /// Other devices of the account connected now.
    pub others_online: u32,
    /// Bytes that the account may hold there, zero for no limit.
    pub quota_bytes: u64,
    /// Bytes that it holds.
    pub used_bytes: u64,
}

/// How a connection is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RemoteState {
    /// Network use is off.
    Off,
    /// Connected, and everything is in step or on its way.
    Connected,
    /// Trying.
    Connecting,
    /// Waiting to try again.
    Waiting {
        /// Why the last try failed.
        reason: String,
        /// When the next one is, in milliseconds since 1970.
        retry_ms: u64,
    },
    /// Stopped until a person decides.
    Stopped {
        /// Why, as a code of [`StopReason`].
        reason: StopReason,
    },
}

/// Why a remote was stopped until a person decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopReason {
    /// The relay has another key than before.
    KeyChanged,
    /// The relay shows an older or other log than before.
    RolledBack,
    /// This device was revoked.
    Revoked,
    /// The account is gone there.
    NoAccount,
    /// The relay showed this device another log than it showed to another device; there is proof.
    TwoLogs,
    /// The relay does not keep to the protocol.
    Misbehaved,
    /// The account has a newer key than this device was given.
    KeysMissing,
}

/// What the person should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Warning {
    /// A device joined.
    DeviceJoined {
        /// Its name, when known.
        name: String,
    },
    /// A device was taken off the account.
    DeviceRevoked {
        /// Its name, when known.
        name: String,
    },
    /// This device was taken off the account, as the account's own key says.
    Revoked {
        /// When, in milliseconds since 1970, by the clock of whoever did it.
        at_ms: u64,
    },
    /// A device says that the account was moved to a new phrase.
    Moved {
        /// Its name, when known.
        name: String,
    },
    /// The account that was left for a new phrase is not emptied yet at a relay.
    NotEmptied {
        /// The relay.
        address: String,
    },
    /// Devices that were taken off are still on a relay's list.
    Unfinished {
        /// The relay.
        address: String,
        /// Whether this goes on by itself when the relay can be reached. If not, the phrase is needed once more.
        by_itself: bool,
    },
    /// A device that was taken off has the newest key all the same: two were taken off at the same time.
    KeyExposed,
    /// What the relays hold is being sealed anew.
    Resealing {
        /// Ops that are still to be done.
        left: u64,
    },
    /// Ops of a newer version are kept and passed on, but not shown.
    UpgradeDue,
    /// A relay was restored from a backup; what it lost was sent again.
    RelayRestored {
        /// Its address.
        address: String,
    },
    /// Another program writes under this device's identity: its home was copied, or an old backup of it was put back.
    Cloned,
    /// Another device of the account was copied like that.
    OtherCloned {
        /// Its name, when known.
        name: String,
    },
    /// Ops of a device are not coming that others have seen: a relay holds them back.
    Withheld {
        /// Whose, when known.
        name: String,
        /// How many.
        count: u64,
    },
    /// A relay that forgets what is old has forgotten what came while this device was away. The other devices are asked
    /// for it.
    Missed {
        /// The relay.
        address: String,
    },
    /// This device's clock is far from the others'.
    ClockAhead {
        /// By how many seconds.
        seconds: u64,
    },
}

/// A device of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Short fingerprint.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Operating system and processor.
    pub platform: String,
    /// When it was added, in milliseconds since 1970.
    pub added_ms: u64,
    /// When it last wrote something, in milliseconds since 1970.
    pub last_seen_ms: u64,
    /// Whether it is this one.
    pub this: bool,
    /// All of it, for asking about this device.
    pub device: DeviceId,
    /// The device that let it in by a code; none where the phrase did.
    #[serde(default)]
    pub added_by: Option<DeviceName>,
    /// When it was last in step with a relay, in milliseconds since 1970, zero for never: of this device, as it knows;
    /// of another one, when it last said what it has.
    #[serde(default)]
    pub last_sync_ms: u64,
    /// How many changes by other devices it has not said that it has; of this device, how many wait. None where it has
    /// not said anything yet.
    #[serde(default)]
    pub behind: Option<u64>,
    /// That it was taken off the account.
    #[serde(default)]
    pub revoked: Option<RevokedDevice>,
}

/// One device as another one's line names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceName {
    /// Short fingerprint.
    pub id: String,
    /// What it is called, when that is known.
    pub name: String,
}

/// A device that was taken off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedDevice {
    /// When, in milliseconds since 1970, by the clock of whoever did it.
    pub at_ms: u64,
    /// Why, where that is known.
    pub why: Option<Reason>,
    /// On which device, where that is known.
    pub by: Option<DeviceName>,
    /// It was not taken off itself: it was let in by one that was, after that.
    pub with_another: bool,
}
