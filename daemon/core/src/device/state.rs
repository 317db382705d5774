//! The rows of [`Space::State`](crate::step::Space::State) that belong to an account, and their encoding. Named maps:
//! a later version may add fields.

use caro_schema::{codec, id::RecordId};
use serde::{Serialize, de::DeserializeOwned};

use super::DeviceError;
use crate::step::{RemoteNumber, Rows, Space};

pub(super) const VAULT: &[u8] = b"vault";
pub(super) const LOG: &[u8] = b"log";
pub(super) const MEMBERS: &[u8] = b"members";
pub(super) const PROFILE: &[u8] = b"profile";
pub(super) const BACKFILL: &[u8] = b"backfill";
const PENDING: &[u8] = b"pending/";
const REMOTE: &[u8] = b"remote/";
const ENTRY: &[u8] = b"keylog/";

pub(super) fn pending_key(id: &RecordId) -> Vec<u8> {
    [PENDING, &id.0].concat()
}

pub(super) fn pending_id(key: &[u8]) -> Option<RecordId> {
    RecordId::from_slice(key.strip_prefix(PENDING)?)
}

pub(super) fn remote_key(number: RemoteNumber) -> Vec<u8> {
    [REMOTE, &number.to_be_bytes()].concat()
}

pub(super) fn remote_number(key: &[u8]) -> Option<RemoteNumber> {
    Some(RemoteNumber::from_be_bytes(key.strip_prefix(REMOTE)?.try_into().ok()?))
}

pub(super) fn entry_key(hash: &caro_schema::id::Hash) -> Vec<u8> {
    [ENTRY, &hash.0].concat()
}

pub(super) fn is_entry(key: &[u8]) -> bool {
    key.starts_with(ENTRY)
}

pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    codec::encode(value)
}

/// A row that must be there.
pub(super) fn required<T: DeserializeOwned>(rows: &dyn Rows, key: &[u8], what: &'static str) -> Result<T, DeviceError> {
    let bytes = rows.row(Space::State, key)?.ok_or(DeviceError::State(what))?;
    codec::decode(&bytes).map_err(|_| DeviceError::State(what))
}
