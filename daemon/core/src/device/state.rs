//! The rows of [`Space::State`](crate::step::Space::State) that belong to an account, and their encoding. Named maps:
//! a later version may add fields.

use caro_schema::{
    codec,
    id::{DeviceId, RecordId},
};
use serde::{Serialize, de::DeserializeOwned};

use super::DeviceError;
use crate::step::{RemoteNumber, Rows, Space};

pub(super) const VAULT: &[u8] = b"vault";
pub(super) const LOG: &[u8] = b"log";
pub(super) const MEMBERS: &[u8] = b"members";
pub(super) const PROFILE: &[u8] = b"profile";
pub(super) const BACKFILL: &[u8] = b"backfill";
pub(super) const LOOSE: &[u8] = b"loose parts";
pub(super) const COMPACTED: &[u8] = b"compacted";
pub(super) const ATTESTED: &[u8] = b"attested";
pub(super) const ERASE: &[u8] = b"erase";
pub(super) const EVIDENCE: &[u8] = b"evidence";
pub(super) const NEWS: &[u8] = b"news";
pub(super) const RESEAL: &[u8] = b"reseal";
/// There are counts that were not said to the others.
pub(super) const UNSAID: &[u8] = b"unsaid counts";
const SNAPSHOT: &[u8] = b"snapshot/";
const PURGE: &[u8] = b"purge/";
const PENDING: &[u8] = b"pending/";
const BACKFILL_PIECE: &[u8] = b"backfill/";
const REMOTE: &[u8] = b"remote/";
const ENTRY: &[u8] = b"keylog/";
const LEFT: &[u8] = b"left account/";

/// Whether a row of the state belongs to the account. Whatever else may be there one day is not this module's.
pub(super) fn is_of_account(key: &[u8]) -> bool {
    let whole =
        [VAULT, LOG, MEMBERS, PROFILE, BACKFILL, LOOSE, COMPACTED, ATTESTED, ERASE, EVIDENCE, UNSAID, NEWS, RESEAL];
    let many = [SNAPSHOT, PURGE, PENDING, BACKFILL_PIECE, REMOTE, ENTRY];
    whole.contains(&key) || many.iter().any(|prefix| key.starts_with(prefix))
}

pub(super) fn pending_key(id: &RecordId) -> Vec<u8> {
    [PENDING, &id.0].concat()
}

pub(super) fn pending_id(key: &[u8]) -> Option<RecordId> {
    RecordId::from_slice(key.strip_prefix(PENDING)?)
}

/// Ids of records that are to be uploaded.
pub(super) fn backfill_key(number: u64) -> Vec<u8> {
    [BACKFILL_PIECE, &number.to_be_bytes()].concat()
}

pub(super) fn backfill_number(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.strip_prefix(BACKFILL_PIECE)?.try_into().ok()?))
}

pub(super) fn remote_key(number: RemoteNumber) -> Vec<u8> {
    [REMOTE, &number.to_be_bytes()].concat()
}

pub(super) fn remote_number(key: &[u8]) -> Option<RemoteNumber> {
    Some(RemoteNumber::from_be_bytes(key.strip_prefix(REMOTE)?.try_into().ok()?))
}

pub(super) fn snapshot_key(author: &DeviceId, from: u64) -> Vec<u8> {
    [SNAPSHOT, &author.0, &from.to_be_bytes()].concat()
}

pub(super) fn is_snapshot(key: &[u8]) -> bool {
    key.starts_with(SNAPSHOT)
}

/// What a remote is to forget once everything up to a number of its queue was acknowledged.
pub(super) fn purge_key(number: RemoteNumber, after: u64) -> Vec<u8> {
    [PURGE, &number.to_be_bytes(), &after.to_be_bytes()].concat()
}

pub(super) fn purge_of(key: &[u8]) -> Option<(RemoteNumber, u64)> {
    let (number, after) = key.strip_prefix(PURGE)?.split_first_chunk()?;
    Some((RemoteNumber::from_be_bytes(*number), u64::from_be_bytes(after.try_into().ok()?)))
}

/// An account that was left and is to be emptied. It is not of the account that the device is in.
pub(super) fn left_key(number: u32) -> Vec<u8> {
    [LEFT, &number.to_be_bytes()].concat()
}

pub(super) fn left_number(key: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(key.strip_prefix(LEFT)?.try_into().ok()?))
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

/// A row that need not be there.
pub(super) fn optional<T: DeserializeOwned>(
    rows: &dyn Rows,
    key: &[u8],
    what: &'static str,
) -> Result<Option<T>, DeviceError> {
    let bytes = rows.row(Space::State, key)?;
    bytes.map(|bytes| codec::decode(&bytes).map_err(|_| DeviceError::State(what))).transpose()
}
