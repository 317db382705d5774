//! Uploading what was here before: history from before joining, and imports. Goes in full cells, a bounded piece at a
//! time, so that live commands never wait behind it.
//!
//! Which records those are is kept, or a restart would leave out what the window does not hold: an import is uploaded
//! whatever their number, and by then the newest of the history may be another device's. So their ids are in rows of
//! a piece each, written once and dropped in the step that makes ops of them. Where it is all that there is, the
//! marker alone says so, and a restart begins anew.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use caro_schema::{
    body::history::Record,
    cell::CELL_OVERHEAD_BYTES,
    id::RecordId,
    limits::{CELL_BYTES_MAX, CHANGES_MAX, PAYLOAD_BYTES_MAX},
    op::{OP_OVERHEAD_BYTES, Payload, RawChange, kind},
};

use super::{Account, DeviceError, Env, Rules, record::put, state};
use crate::{
    history::History,
    step::{KeyAndValue, Notice, Space, Step, Write},
    vault::payload,
};

/// Records that are to be uploaded.
#[derive(Default)]
pub(super) struct Backfill {
    /// What is looked for in the history when it begins, and again after a restart. Repeating is harmless, records
    /// have ids.
    whole: Option<Whole>,
    /// What is known by its ids, by the numbers of the rows that hold them.
    pieces: BTreeMap<u64, Vec<RecordId>>,
}

/// All of the history, or what the window holds of it.
struct Whole {
    /// Whatever its age: the account is a new one for what an earlier one had.
    everything: bool,
    /// What is left of it, newest first; none before it was looked for.
    ids: Option<VecDeque<RecordId>>,
}

/// What is uploaded together.
struct Piece {
    ids: Vec<RecordId>,
    /// The rows that hold these and no others.
    rows: Vec<u64>,
    /// Whatever its age.
    everything: bool,
}

/// What the marker says while everything is uploaded.
const EVERYTHING: &[u8] = b"everything";

/// What it says while what the window holds is looked for; an earlier version knew nothing else.
const WINDOW: &[u8] = b"";

/// What it says while all that is left is in rows of its own.
const PIECES: &[u8] = b"pieces";

/// Records per piece. More would hold up live commands while it is packed; fewer would leave cells unfilled.
const PIECE: usize = 8192;

/// Bytes of packed payload that fit the largest cell, whatever the header holds (16 parents of 105 bytes, and the rest).
const FULL_BYTES: usize = CELL_BYTES_MAX - CELL_OVERHEAD_BYTES - OP_OVERHEAD_BYTES - 2048;

impl Backfill {
    /// Everything within the window. Without a number of records it is found again after a restart, and its ids, of
    /// which there may be millions, are not kept.
    pub(super) fn new(history: &History, rules: &Rules, now_ms: u64) -> Self {
        let ids = newest(history, rules, now_ms);
        let mut backfill = Self::default();
        match rules.window_count {
            None => backfill.whole = Some(Whole { everything: false, ids: Some(ids.into()) }),
            Some(_) => backfill.add(&ids),
        }
        backfill
    }

    /// How many records are to be uploaded.
    pub(super) fn len(&self) -> u64 {
        self.ids().count() as u64
    }

    /// A backfill that a restart interrupted, from the rows of the state.
    pub(super) fn load(rows: &[KeyAndValue]) -> Option<Self> {
        let marker = rows.iter().find(|(key, _)| key == state::BACKFILL).map(|(_, marker)| &marker[..]);
        let whole = marker.filter(|marker| *marker != PIECES);
        let whole = whole.map(|marker| Whole { everything: marker == EVERYTHING, ids: None });
        let piece = |(key, ids): &KeyAndValue| {
            let ids: Vec<RecordId> = ids.chunks_exact(RecordId::LEN).filter_map(RecordId::from_slice).collect();
            Some((state::backfill_number(key)?, ids))
        };
        let pieces: BTreeMap<u64, Vec<RecordId>> = rows.iter().filter_map(piece).collect();
        (marker.is_some() || !pieces.is_empty()).then_some(Self { whole, pieces })
    }

    /// All of it, as rows.
    pub(super) fn rows(&self) -> Vec<Write> {
        let mut rows = vec![self.marker()];
        rows.extend(self.pieces.keys().map(|number| self.row(*number)));
        rows
    }

    fn marker(&self) -> Write {
        let marker = match &self.whole {
            Some(Whole { everything: true, .. }) => EVERYTHING,
            Some(Whole { everything: false, .. }) => WINDOW,
            None => PIECES,
        };
        Write::Row(Space::State, state::BACKFILL.to_vec(), Some(marker.to_vec()))
    }

    fn row(&self, number: u64) -> Write {
        let ids: Option<Vec<u8>> = self.pieces.get(&number).map(|piece| piece.iter().flat_map(|id| id.0).collect());
        Write::Row(Space::State, state::backfill_key(number), ids)
    }

    fn ids(&self) -> impl Iterator<Item = &RecordId> {
        let whole = self.whole.iter().filter_map(|whole| whole.ids.as_ref()).flatten();
        whole.chain(self.pieces.values().flatten())
    }

    fn next_number(&self) -> u64 {
        self.pieces.last_key_value().map_or(0, |(last, _)| last + 1)
    }

    fn add(&mut self, ids: &[RecordId]) {
        for piece in ids.chunks(PIECE) {
            let number = self.next_number();
            self.pieces.insert(number, piece.to_vec());
        }
    }

    /// Takes the next ones out.
    fn take(&mut self, history: &History, rules: &Rules, now_ms: u64) -> Piece {
        if let Some(Whole { everything, ids }) = &mut self.whole {
            let everything = *everything;
            let left = ids.get_or_insert_with(|| newest(history, &window(rules, everything), now_ms).into());
            let ids = left.drain(..left.len().min(PIECE)).collect();
            if left.is_empty() {
                self.whole = None;
            }
            return Piece { ids, rows: Vec::new(), everything };
        }
        let mut taken = Piece { ids: Vec::new(), rows: Vec::new(), everything: false };
        while let Some(next) = self.pieces.first_entry()
            && (taken.rows.is_empty() || taken.ids.len() + next.get().len() <= PIECE)
        {
            let (number, ids) = next.remove_entry();
            taken.rows.push(number);
            taken.ids.extend(ids);
        }
        taken
    }

    fn is_done(&self) -> bool {
        self.whole.is_none() && self.pieces.is_empty()
    }
}

/// What of the history goes, newest first.
fn newest(history: &History, rules: &Rules, now_ms: u64) -> Vec<RecordId> {
    let since_us = rules.since_us(now_ms).unwrap_or(i64::MIN);
    let most = rules.window_count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let goes = |record: &Record| rules.selection.stays(record).is_none();
    let newest = history.newest().take_while(|record| record.start_us >= since_us).filter(goes).take(most);
    newest.map(|record| record.id).collect()
}

/// The rules, without a window where everything goes.
fn window(rules: &Rules, everything: bool) -> Rules {
    let rules = rules.clone();
    if everything { Rules { window_days: None, window_count: None, ..rules } } else { rules }
}

/// Records that are to be sent and are in no op yet.
pub(super) struct Waiting {
    ids: BTreeSet<RecordId>,
    /// Whatever may be sent is to be: which that is, is found out when it is begun.
    all: bool,
}

impl Waiting {
    /// Whether a record that may be sent is among them.
    pub(super) fn has(&self, id: &RecordId) -> bool {
        self.all || self.ids.contains(id)
    }
}

impl Account {
    /// What is to be sent and is in no op yet.
    pub(super) fn waiting(&self) -> Waiting {
        let later = self.backfill.iter().flat_map(Backfill::ids);
        let ids = self.pending.keys().chain(later).copied().collect();
        let whole = self.backfill.as_ref().and_then(|backfill| backfill.whole.as_ref());
        Waiting { ids, all: whole.is_some_and(|whole| whole.ids.is_none()) }
    }

    /// Of what stayed outside of the window when the account was joined, so many are sent now.
    pub(super) fn note_inside_window(&mut self, count: u64) -> Option<Write> {
        let before = self.profile.outside_window;
        self.profile.outside_window = before.saturating_sub(count);
        (self.profile.outside_window != before).then(|| self.row(state::PROFILE, state::encode(&self.profile)))
    }

    /// Adds records to what is uploaded in the background.
    pub(super) fn upload_later(&mut self, ids: Vec<RecordId>) -> Vec<Write> {
        if ids.is_empty() {
            return Vec::new();
        }
        let backfill = self.backfill.get_or_insert_default();
        let first = backfill.next_number();
        backfill.add(&ids);
        let mut rows = vec![backfill.marker()];
        rows.extend(backfill.pieces.range(first..).map(|(number, _)| backfill.row(*number)));
        rows
    }

    /// Uploads everything that is here, whatever its age and however much it is.
    pub(super) fn carry_everything(&mut self) -> Write {
        let backfill = self.backfill.get_or_insert_default();
        backfill.whole = Some(Whole { everything: true, ids: None });
        backfill.marker()
    }

    pub(super) fn continue_backfill(
        &mut self,
        history: &History,
        rules: &Rules,
        env: &mut Env<'_>,
    ) -> Result<Step, DeviceError> {
        let Some(mut backfill) = self.backfill.take() else { return Ok(Step::default()) };
        let was_whole = backfill.whole.is_some();
        let Piece { ids, rows, everything } = backfill.take(history, rules, env.now_ms);
        let since_us = rules.since_us(env.now_ms).filter(|_| !everything).unwrap_or(i64::MIN);
        let records = ids.iter().filter_map(|id| history.record(id));
        let (inside, outside): (Vec<_>, Vec<_>) = records.partition(|record| record.start_us >= since_us);
        let changes: Vec<RawChange> =
            inside.iter().filter(|record| rules.selection.stays(record).is_none()).map(put).collect();
        let mut step = Step::default();
        if !outside.is_empty() {
            self.profile.outside_window += outside.len() as u64;
            step.writes.push(self.row(state::PROFILE, state::encode(&self.profile)));
        }
        for packed in fill(changes, &mut self.kept_here) {
            step.writes.extend(self.append_packed(kind::CHANGES, packed, env)?);
        }
        step.writes.extend(rows.iter().map(|number| backfill.row(*number)));
        if backfill.is_done() {
            step.writes.push(Write::Row(Space::State, state::BACKFILL.to_vec(), None));
        } else {
            if was_whole && backfill.whole.is_none() {
                step.writes.push(backfill.marker());
            }
            self.backfill = Some(backfill);
        }
        step.notices.push(Notice::Sync);
        Ok(step)
    }
}

/// Packs changes into as few payloads as fit a full cell each, in order. A change that does not fit alone is left out
/// and counted: it stays on this device.
pub(super) fn fill(changes: Vec<RawChange>, kept_here: &mut u64) -> Vec<Vec<u8>> {
    let mut packed = Vec::new();
    let mut rest = &changes[..];
    // How many changes a payload took last; the next one starts there.
    let mut guess = rest.len();
    while !rest.is_empty() {
        let plain_fit = fit_plain(rest).clamp(1, CHANGES_MAX);
        let mut count = guess.clamp(1, rest.len()).min(plain_fit);
        loop {
            let bytes = payload::pack(&Payload { changes: rest[..count].to_vec() });
            if bytes.len() <= FULL_BYTES {
                packed.push(bytes);
                break;
            }
            if count == 1 {
                *kept_here += 1;
                break;
            }
            // Aim a little below the limit: text does not compress evenly.
            count = (count * FULL_BYTES / bytes.len() * 15 / 16).clamp(1, count - 1);
        }
        guess = count + count / 8 + 1;
        rest = &rest[count..];
    }
    packed
}

/// How many changes stay below the limit on a payload before compression.
fn fit_plain(changes: &[RawChange]) -> usize {
    const ENVELOPE: usize = 16;
    let mut bytes = ENVELOPE;
    changes
        .iter()
        .take_while(|change| {
            bytes += change.1.len() + ENVELOPE;
            bytes <= PAYLOAD_BYTES_MAX
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(bytes: usize) -> RawChange {
        // Not compressible: a linear congruential sequence.
        let mut state = bytes as u32;
        let noise = (0..bytes).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        RawChange(1, noise.collect::<Vec<u8>>().into())
    }

    #[test]
    fn every_change_is_in_exactly_one_payload_in_order_and_every_payload_fits() {
        let changes: Vec<RawChange> = (0..3000).map(|n| change(n % 700)).collect();
        let mut kept = 0;
        let packed = fill(changes.clone(), &mut kept);
        assert!(packed.iter().all(|bytes| bytes.len() <= FULL_BYTES));
        let unpacked: Vec<RawChange> =
            packed.iter().flat_map(|bytes| payload::unpack(bytes).unwrap().changes).collect();
        assert!(unpacked == changes);
        assert_eq!(kept, 0);
    }

    #[test]
    fn a_change_that_fits_no_cell_is_counted_and_the_others_go() {
        let mut kept = 0;
        let packed = fill(vec![change(10), change(100_000), change(20)], &mut kept);
        let sizes: Vec<usize> =
            packed.iter().flat_map(|bytes| payload::unpack(bytes).unwrap().changes).map(|c| c.1.len()).collect();
        assert_eq!(sizes, [10, 20]);
        assert_eq!(kept, 1);
    }
}
