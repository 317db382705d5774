//! What carries changes: ops, parts of snapshots, and ops beside a chain, as they are kept here. Where they are, and what
//! each says, change by change, with whose it is and when it was made.

use caro_schema::{
    body::{self, again::Again, history::Delete, snapshot::Origin},
    codec,
    id::{DeviceId, RecordId},
    op::{Body, Header, RawChange, kind},
};
use serde::Deserialize;

use super::{Account, DeviceError};
use crate::{
    oplog::{Stored, row_key},
    step::{Rows, Space},
    vault::payload,
};

/// Where a carrier is.
pub(super) type Place = (Space, Vec<u8>);

/// One change, and whose.
pub(super) struct Said {
    pub(super) change: RawChange,
    pub(super) origin: Origin,
}

/// A record's id alone: its text need not be copied to find out which it is.
#[derive(Deserialize)]
struct IdOfRecord {
    #[serde(rename = "i")]
    id: RecordId,
}

impl Said {
    /// The record's id, when it is one.
    pub(super) fn record_id(&self) -> Option<RecordId> {
        id_of_record(&self.change)
    }

    /// Whether it says with which keys this device comes to relays.
    pub(super) fn is_relay_keys_of(&self, device: &DeviceId) -> bool {
        self.change.0 == body::kind::RELAY_KEYS && self.origin.author == *device
    }

    /// The same in every carrier that says it: what merges without author and time is known by its bytes alone.
    pub(super) fn digest(&self) -> [u8; 32] {
        let RawChange(number, bytes) = &self.change;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&number.to_be_bytes()).update(bytes);
        if !merges_alone(*number) {
            hasher.update(&codec::encode(&self.origin));
        }
        *hasher.finalize().as_bytes()
    }

    /// As it can be said by anybody.
    pub(super) fn into_change(self) -> RawChange {
        let Self { change: RawChange(number, bytes), origin } = self;
        if merges_alone(number) {
            return RawChange(number, bytes);
        }
        RawChange(body::kind::AGAIN, codec::encode(&Again { origin, kind: number, change: bytes }).into())
    }
}

fn merges_alone(number: u16) -> bool {
    matches!(number, body::kind::RECORD | body::kind::DELETE)
}

/// The record's id, when a change is one.
pub(super) fn id_of_record(change: &RawChange) -> Option<RecordId> {
    let is_record = change.0 == body::kind::RECORD;
    is_record.then(|| codec::decode::<IdOfRecord>(&change.1).ok()).flatten().map(|record| record.id)
}

/// The id of what a change deletes, when it deletes.
pub(super) fn id_of_delete(change: &RawChange) -> Option<RecordId> {
    let is_delete = change.0 == body::kind::DELETE;
    is_delete.then(|| codec::decode::<Delete>(&change.1).ok()).flatten().map(|delete| delete.id)
}

/// What a body says, change by change. What only says something about other changes is left out, and so are lists and
/// attests, whose next ones stand for them. Nothing when it cannot be unpacked: a later version made it.
pub(super) fn said(header: &Header, body: Option<&Body>) -> Vec<Said> {
    let Some(Ok(payload)) = body.map(|body| payload::unpack(&body.payload)) else { return Vec::new() };
    let own = Origin { author: header.author, stamp: header.stamp };
    let mut origin = own;
    let mut all = Vec::with_capacity(payload.changes.len());
    for change in payload.changes {
        match change.0 {
            body::kind::ORIGIN => {
                if header.kind == kind::PART
                    && let Ok(other) = codec::decode(&change.1)
                {
                    origin = other;
                }
            }
            body::kind::SNAPSHOT | body::kind::ATTEST => {}
            body::kind::AGAIN => match codec::decode::<Again>(&change.1) {
                Ok(Again { origin, kind, change }) => all.push(Said { change: RawChange(kind, change), origin }),
                Err(_) => all.push(Said { change, origin }),
            },
            _ => all.push(Said { change, origin }),
        }
    }
    all
}

/// The ids of the records in a body.
pub(super) fn records_in(header: &Header, body: Option<&Body>) -> Vec<RecordId> {
    said(header, body).iter().filter_map(Said::record_id).collect()
}

/// A carrier, taken apart.
pub(super) struct Carrier {
    pub(super) stored: Stored,
    pub(super) header: Header,
    pub(super) said: Vec<Said>,
}

impl Carrier {
    /// The carrier in a place; none when it is gone, or was emptied.
    pub(super) fn read(place: &Place, rows: &dyn Rows) -> Result<Option<Self>, DeviceError> {
        let Some(bytes) = rows.row(place.0, &place.1)? else { return Ok(None) };
        let stored = Stored::decode(&bytes).map_err(|_| DeviceError::State("op"))?;
        let op = stored.signed().map_err(|_| DeviceError::State("op"))?;
        if op.body.is_none() {
            return Ok(None);
        }
        let header = Header::decode(&op.header_bytes).map_err(|_| DeviceError::State("op"))?;
        let said = said(&header, op.body.as_ref());
        Ok(Some(Self { stored, header, said }))
    }
}

impl Account {
    /// Every place where something may be carried. A row may be gone by the time it is looked at.
    pub(super) fn carriers(&self, rows: &dyn Rows) -> Result<Vec<Place>, DeviceError> {
        let mut places: Vec<Place> = self.snapshots.parts().map(|id| (Space::Part, id.0.to_vec())).collect();
        for (author, tip) in self.log.vector().iter() {
            let mut seq = 1;
            while seq <= tip.seq {
                match self.snapshots.covered_to(author, seq) {
                    Some(covered) => seq = covered + 1,
                    None => {
                        places.push((Space::Op, row_key(author, seq)));
                        seq += 1;
                    }
                }
            }
        }
        if self.log.forked().next().is_some() {
            places.extend(rows.rows(Space::Fork)?.into_iter().map(|(key, _)| (Space::Fork, key)));
        }
        Ok(places)
    }
}

/// Bytes of carriers that are looked at in one go: some ten milliseconds, in which no shell's file is read.
pub(super) const LOOK_BYTES: usize = 1 << 20;
