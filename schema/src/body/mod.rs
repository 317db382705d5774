//! What the changes inside an op say. Named maps with short keys: a live command must fit the smallest cell.

pub mod again;
pub mod attest;
pub mod device;
pub mod history;
pub mod shared;
pub mod snapshot;

/// The number in front of a change. Numbers are never reused.
pub mod kind {
    /// A command was recorded: [`super::history::Record`].
    pub const RECORD: u16 = 1;
    /// A command was deleted, for ever: [`super::history::Delete`].
    pub const DELETE: u16 = 2;
    /// A setting or an item has a value: [`super::shared::Set`].
    pub const SET: u16 = 3;
    /// Something was counted: [`super::shared::Count`].
    pub const COUNT: u16 = 4;
    /// A device says what it is called: [`super::device::Name`].
    pub const DEVICE_NAME: u16 = 6;
    /// The list of a snapshot: [`super::snapshot::Snapshot`].
    pub const SNAPSHOT: u16 = 7;
    /// Inside a part of a snapshot, whose the next changes are: [`super::snapshot::Origin`].
    pub const ORIGIN: u16 = 8;
    /// What a device has seen: [`super::attest::Attest`].
    pub const ATTEST: u16 = 9;
    /// Which keys a device comes to relays with: [`super::device::RelayKeys`].
    pub const RELAY_KEYS: u16 = 10;
    /// Why a device was taken off: [`super::device::Farewell`].
    pub const FAREWELL: u16 = 11;
    /// A device is called something by another one: [`super::device::Rename`].
    pub const RENAME: u16 = 12;
    /// The account was moved to a new phrase: [`super::device::Moved`].
    pub const MOVED: u16 = 13;
    /// A change of an op that was emptied, said once more: [`super::again::Again`].
    pub const AGAIN: u16 = 20;
}
