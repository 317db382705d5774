//! What was deleted and may still be taken back. A deletion takes a record out of the history at once, and keeps it aside,
//! sealed like everything, for a moment; only then does it become an op, because on other devices a deletion is for ever.
//!
//! While it is aside its id counts as deleted, so that nothing brings it back meanwhile but the person. What carries
//! it stays as it is ([`Fates`]): if it was emptied, only this device could bring the record to a relay again.

use std::collections::{BTreeMap, BTreeSet};

use caro_schema::{body::history::Record, codec, id::RecordId};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{Device, DeviceError, Env, recorded};
use crate::{
    history::History,
    step::{Notice, Rows, Space, Step, Write},
};

/// Records of one row. As many as lie together in a block of history.
const PIECE_RECORDS: usize = 512;

/// Ids of one row: each record may leave a few marks.
const PIECE_IDS: usize = 2048;

/// Longest time that anything stays aside: a clock that was set back must not keep it for years.
pub const ASIDE_MS_MAX: u64 = 3_600_000;

/// Everything that is aside.
#[derive(Default)]
pub(super) struct Trash {
    batches: BTreeMap<u64, Batch>,
}

/// What was deleted together.
struct Batch {
    until_ms: u64,
    by: String,
    here: bool,
    /// Ascending, unless it is only for here.
    ids: Vec<RecordId>,
    /// What keeps the same runs out of imports here.
    marks: Vec<RecordId>,
    records: u64,
    pieces: u32,
}

/// One row of a batch.
#[derive(Serialize, Deserialize)]
struct Piece {
    #[serde(rename = "u")]
    until_ms: u64,
    #[serde(rename = "b")]
    by: String,
    #[serde(rename = "h", default)]
    here: bool,
    #[serde(rename = "i")]
    ids: ByteBuf,
    #[serde(rename = "m", default)]
    marks: ByteBuf,
    #[serde(rename = "r")]
    records: Vec<Record>,
    /// How commands of this batch ended that still ran when they were deleted.
    #[serde(rename = "e", default, skip_serializing_if = "Vec::is_empty")]
    ends: Vec<Ending>,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Which record.
    pub id: RecordId,
    /// How long it ran, in microseconds, where that is known.
    pub duration_us: Option<u64>,
    /// Exit status.
    pub exit: Option<i32>,
    /// A better start than the record has, in microseconds since 1970.
    pub start_us: Option<i64>,
}

impl Ending {
    /// Adds it to its record.
    pub fn finish(&self, record: &mut Record) {
        record.duration_us = self.duration_us.or(record.duration_us);
        record.exit = self.exit.or(record.exit);
        record.start_us = self.start_us.unwrap_or(record.start_us);
    }
}

/// The history, and which of the records that it takes for deleted are so for good.
#[derive(Clone, Copy)]
pub(super) struct Fates<'a> {
    pub(super) history: &'a History,
    trash: &'a Trash,
}

impl<'a> Fates<'a> {
    pub(super) fn new(history: &'a History, trash: &'a Trash) -> Self {
        Self { history, trash }
    }

    /// Whether a record was deleted and cannot be taken back.
    pub(super) fn is_gone(&self, id: &RecordId) -> bool {
        self.history.is_deleted(id) && !self.trash.may_bring_back(id)
    }
}

/// A deletion that can be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Its number.
    pub number: u64,
    /// How many commands.
    pub count: u64,
    /// Until when, in milliseconds since 1970.
    pub until_ms: u64,
    /// Which run of a shell, or what else, deleted.
    pub by: String,
}

fn key(number: u64, piece: u32) -> Vec<u8> {
    [&number.to_be_bytes()[..], &piece.to_be_bytes()].concat()
}

fn number_of(key: &[u8]) -> Option<(u64, u32)> {
    let (number, piece) = key.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), u32::from_be_bytes(piece.try_into().ok()?)))
}

fn ids_of(bytes: &[u8]) -> impl Iterator<Item = RecordId> {
    bytes.chunks_exact(RecordId::LEN).filter_map(RecordId::from_slice)
}

impl Trash {
    pub(super) fn load(rows: &dyn Rows) -> Result<Self, DeviceError> {
        let mut trash = Self::default();
        for (key, value) in rows.rows(Space::Trash)? {
            let Some((number, piece)) = number_of(&key) else { continue };
            let Piece { until_ms, by, here, ids, marks, records, ends: _ } =
                codec::decode(&value).map_err(|_| DeviceError::State("trash"))?;
            let new = || Batch { until_ms, by, here, ids: Vec::new(), marks: Vec::new(), records: 0, pieces: 0 };
            let batch = trash.batches.entry(number).or_insert_with(new);
            batch.ids.extend(ids_of(&ids));
            batch.marks.extend(ids_of(&marks));
            batch.records += records.len() as u64;
            batch.pieces = batch.pieces.max(piece + 1);
        }
        // A store gives its rows in any order.
        trash.batches.values_mut().for_each(|batch| batch.ids.sort_unstable());
        Ok(trash)
    }

    /// Whether a record that was deleted for every device may still be taken back.
    fn may_bring_back(&self, id: &RecordId) -> bool {
        self.batches.values().any(|batch| !batch.here && batch.ids.binary_search(id).is_ok())
    }

    /// Whether a record is aside, for every device or for this one.
    pub(super) fn holds(&self, id: &RecordId) -> bool {
        self.batches.values().any(|batch| batch.ids.contains(id))
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        self.batches.values().map(|batch| batch.until_ms).min()
    }

    pub(super) fn note_clock_set_back(&mut self, now_ms: u64) {
        for batch in self.batches.values_mut() {
            batch.until_ms = batch.until_ms.min(now_ms.saturating_add(ASIDE_MS_MAX));
        }
    }

    fn list(&self) -> impl DoubleEndedIterator<Item = Aside> {
        self.batches.iter().map(|(number, batch)| Aside {
            number: *number,
            count: batch.records,
            until_ms: batch.until_ms,
            by: batch.by.clone(),
        })
    }

    /// Puts records aside. Gives the batch's number.
    fn add(&mut self, batch: Batch, records: Vec<Record>, writes: &mut Vec<Write>) -> u64 {
        let number = self.batches.keys().next_back().map_or(1, |last| last + 1);
        let Batch { until_ms, by, here, ids, marks, .. } = &batch;
        let (mut ids, mut marks) = (ids.chunks(PIECE_IDS), marks.chunks(PIECE_IDS));
        let mut records = records.into_iter().peekable();
        let mut pieces = 0;
        loop {
            let some: Vec<Record> = records.by_ref().take(PIECE_RECORDS).collect();
            let (ids, marks) = (ids.next(), marks.next());
            if some.is_empty() && ids.is_none() && marks.is_none() {
                break;
            }
            let bytes = |ids: Option<&[RecordId]>| -> ByteBuf {
                ids.unwrap_or_default().iter().flat_map(|id| id.0).collect::<Vec<u8>>().into()
            };
            let (until_ms, by, here) = (*until_ms, by.clone(), *here);
            let piece =
                Piece { until_ms, by, here, ids: bytes(ids), marks: bytes(marks), records: some, ends: Vec::new() };
            writes.push(Write::Row(Space::Trash, key(number, pieces), Some(codec::encode(&piece))));
            pieces += 1;
        }
        self.batches.insert(number, Batch { pieces, ..batch });
        number
    }

    /// Keeps how a command ended that is aside; nothing when it is not.
    fn end(&mut self, ending: Ending) -> Option<Write> {
        let (number, batch) = self.batches.iter_mut().find(|(_, batch)| batch.ids.contains(&ending.id))?;
        let (until_ms, by, here) = (batch.until_ms, batch.by.clone(), batch.here);
        let (ids, marks) = (ByteBuf::new(), ByteBuf::new());
        let piece = Piece { until_ms, by, here, ids, marks, records: Vec::new(), ends: vec![ending] };
        let write = Write::Row(Space::Trash, key(*number, batch.pieces), Some(codec::encode(&piece)));
        batch.pieces += 1;
        Some(write)
    }

    fn remove(&mut self, number: u64, writes: &mut Vec<Write>) -> Option<Batch> {
        let batch = self.batches.remove(&number)?;
        writes.extend((0..batch.pieces).map(|piece| Write::Row(Space::Trash, key(number, piece), None)));
        Some(batch)
    }
}

impl Device {
    /// Deletes records, here and on every device, in such a way that it can be taken back until then. With `here`, only
    /// on this device: the others keep them, and they do not come back. Gives how it can be taken back.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn put_aside(
        &mut self,
        ids: &[RecordId],
        by: &str,
        until_ms: u64,
        here: bool,
        history: &mut History,
    ) -> (Step, Option<Aside>) {
        let here = here && self.account.is_some();
        let records: Vec<Record> = ids.iter().filter_map(|id| history.record(id)).collect();
        if records.is_empty() {
            return (Step::default(), None);
        }
        let count = records.len() as u64;
        let mut marks = recorded::marks(ids, history);
        // Those of a deletion before are not this one's to take back.
        marks.retain(|mark| !history.keeps_out(mark));
        let new = if here {
            let ids: Vec<RecordId> = records.iter().map(|record| record.id).collect();
            history.hide(&ids);
            ids
        } else {
            history.delete(ids).new
        };
        history.hide(&marks);
        let mut step = Step { writes: history.take_writes(), notices: vec![Notice::History], ..Step::default() };
        if here && let Some(account) = &mut self.account {
            step.writes.extend(account.send_no_more(&new));
        }
        let batch = Batch { until_ms, by: by.to_owned(), here, ids: new, marks, records: count, pieces: 0 };
        let number = self.trash.add(batch, records, &mut step.writes);
        (step, Some(Aside { number, count, until_ms, by: by.to_owned() }))
    }

    /// A command ended that is not in the history under the id that its shell gave it. When it was deleted and can be
    /// taken back, its end is kept for then; when it was withdrawn, it ends under the id that it has here now.
    pub fn end_aside(&mut self, ending: Ending, history: &mut History, now_ms: u64) -> Step {
        let shells = ending.id;
        let ending = Ending { id: self.known_as(&shells), ..ending };
        let mut step = if let Some(mut record) = history.record(&ending.id) {
            ending.finish(&mut record);
            self.record(vec![record], history, now_ms)
        } else if let Some(write) = self.trash.end(ending) {
            Step { writes: vec![write], ..Step::default() }
        } else {
            return Step::default();
        };
        step.writes.extend(self.forget_renamed(&shells));
        step
    }

    /// What can be taken back, the newest first.
    pub fn aside(&self) -> impl Iterator<Item = Aside> {
        self.trash.list().rev()
    }

    /// Takes a deletion back. Gives how many commands are there again.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn take_back(
        &mut self,
        number: u64,
        history: &mut History,
        rows: &dyn Rows,
    ) -> Result<(Step, u64), DeviceError> {
        let Some(batch) = self.trash.batches.get(&number) else { return Ok((Step::default(), 0)) };
        let (mut records, mut ends) = (Vec::new(), BTreeMap::new());
        for piece in 0..batch.pieces {
            let Some(bytes) = rows.row(Space::Trash, &key(number, piece))? else { continue };
            let piece: Piece = codec::decode(&bytes).map_err(|_| DeviceError::State("trash"))?;
            records.extend(piece.records);
            ends.extend(piece.ends.into_iter().map(|ending| (ending.id, ending)));
        }
        for record in &mut records {
            if let Some(ending) = ends.get(&record.id) {
                ending.finish(record);
            }
        }
        if batch.here {
            history.unhide(&batch.ids);
        } else {
            history.undelete(&batch.ids);
        }
        // What was deleted for good meanwhile does not come back, and what keeps its runs out of imports stays.
        records.retain(|record| !history.keeps_out(&record.id));
        let lifted = recorded::marks_to_lift(&records, &batch.marks, history);
        history.unhide(&lifted);
        let ids: Vec<RecordId> = records.iter().map(|record| record.id).collect();
        let running: BTreeSet<RecordId> =
            records.iter().filter(|record| !record.has_ended()).map(|record| record.id).collect();
        let count = history.put(records).added;
        if let Some(account) = &self.account
            && !running.is_empty()
        {
            // What others said of them meanwhile was kept out, and they may say it only once.
            history.put(account.said_by_others(&running, rows)?);
        }
        let mut step = Step { writes: history.take_writes(), notices: vec![Notice::History], ..Step::default() };
        self.trash.remove(number, &mut step.writes);
        if let Some(account) = &mut self.account {
            // What was only on its way when it was deleted is in no op.
            step.writes.extend(account.upload_later(ids));
        }
        Ok((step, count))
    }

    /// Deletes for ever what cannot be taken back any more. With `all`, whatever is aside.
    pub(super) fn empty_trash(&mut self, all: bool, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        let due = |batch: &Batch| all || batch.until_ms <= env.now_ms;
        let due: Vec<u64> =
            self.trash.batches.iter().filter(|(_, batch)| due(batch)).map(|(number, _)| *number).collect();
        let mut step = Step::default();
        for number in due {
            let Some(batch) = self.trash.remove(number, &mut step.writes) else { continue };
            if !batch.here
                && let Some(account) = &mut self.account
            {
                step.extend(account.delete(&batch.ids, env)?);
            }
        }
        Ok(step)
    }

    /// Another device deleted some of what is aside: that cannot be taken back, and what carries it is emptied.
    pub(super) fn note_deleted_elsewhere(
        &mut self,
        ids: &BTreeSet<RecordId>,
        rows: &dyn Rows,
        now_ms: u64,
    ) -> Result<Vec<Write>, DeviceError> {
        let mut writes = Vec::new();
        for (number, batch) in &mut self.trash.batches {
            if !batch.ids.iter().any(|id| ids.contains(id)) {
                continue;
            }
            let mut pieces = Vec::new();
            for piece in 0..batch.pieces {
                let key = key(*number, piece);
                let Some(bytes) = rows.row(Space::Trash, &key)? else { continue };
                let piece: Piece = codec::decode(&bytes).map_err(|_| DeviceError::State("trash"))?;
                pieces.push((key, piece));
            }
            // Another run of the same second may come back, and these are not to come in with it.
            let gone = pieces.iter().flat_map(|(_, piece)| &piece.records).filter(|record| ids.contains(&record.id));
            let stay: BTreeSet<RecordId> = gone.map(recorded::mark_of_second).collect();
            batch.marks.retain(|mark| !stay.contains(mark));
            batch.ids.retain(|id| !ids.contains(id));
            batch.records = 0;
            for (key, mut kept) in pieces {
                let marks: Vec<u8> = ids_of(&kept.marks).filter(|id| !stay.contains(id)).flat_map(|id| id.0).collect();
                kept.marks = ByteBuf::from(marks);
                kept.records.retain(|record| !ids.contains(&record.id));
                let left: Vec<u8> = ids_of(&kept.ids).filter(|id| !ids.contains(id)).flat_map(|id| id.0).collect();
                kept.ids = ByteBuf::from(left);
                batch.records += kept.records.len() as u64;
                writes.push(Write::Row(Space::Trash, key, Some(codec::encode(&kept))));
            }
        }
        if !writes.is_empty()
            && let Some(account) = &mut self.account
        {
            writes.extend(account.erase_later(false, now_ms));
        }
        Ok(writes)
    }
}
