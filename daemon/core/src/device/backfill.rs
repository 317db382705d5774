//! Uploading what was here before: history from before joining, and imports. Goes in full cells, a bounded piece at a
//! time, so that live commands never wait behind it.

use std::collections::{BTreeSet, VecDeque};

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
    step::{Notice, Space, Step, Write},
    vault::payload,
};

/// Records that are to be uploaded, newest first.
pub(super) struct Backfill {
    ids: VecDeque<RecordId>,
    /// The ids were not kept: begin again from the whole history. Repeating is harmless, records have ids.
    all: bool,
    /// Whatever its age: the account is a new one for what an earlier one had.
    everything: bool,
}

/// What the row says while everything is uploaded.
const EVERYTHING: &[u8] = b"everything";

/// Records per piece. More would hold up live commands while it is packed; fewer would leave cells unfilled.
const PIECE: usize = 8192;

/// Bytes of packed payload that fit the largest cell, whatever the header holds (16 parents of 105 bytes, and the rest).
const FULL_BYTES: usize = CELL_BYTES_MAX - CELL_OVERHEAD_BYTES - OP_OVERHEAD_BYTES - 2048;

impl Backfill {
    /// Everything within the window.
    pub(super) fn new(history: &History, rules: &Rules, now_ms: u64) -> Self {
        let since_us = rules.since_us(now_ms).unwrap_or(i64::MIN);
        let most = rules.window_count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let goes = |record: &Record| rules.selection.stays(record).is_none();
        let newest = history.newest().take_while(|record| record.start_us >= since_us).filter(goes).take(most);
        Self { ids: newest.map(|record| record.id).collect(), all: false, everything: false }
    }

    /// How many records are to be uploaded.
    pub(super) fn len(&self) -> u64 {
        self.ids.len() as u64
    }

    /// A backfill that a restart interrupted.
    pub(super) fn from_the_beginning(row: &[u8]) -> Self {
        Self { ids: VecDeque::new(), all: true, everything: row == EVERYTHING }
    }

    fn row(&self) -> Vec<u8> {
        if self.everything { EVERYTHING.to_vec() } else { Vec::new() }
    }
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
        let later = self.backfill.iter().flat_map(|backfill| &backfill.ids);
        let ids = self.pending.keys().chain(later).copied().collect();
        Waiting { ids, all: self.backfill.as_ref().is_some_and(|backfill| backfill.all) }
    }

    /// Of what stayed outside of the window when the account was joined, so many are sent now.
    pub(super) fn note_inside_window(&mut self, count: u64) -> Option<Write> {
        let before = self.profile.outside_window;
        self.profile.outside_window = before.saturating_sub(count);
        (self.profile.outside_window != before).then(|| self.row(state::PROFILE, state::encode(&self.profile)))
    }

    /// Adds records to what is uploaded in the background.
    pub(super) fn upload_later(&mut self, ids: Vec<RecordId>) -> Option<Write> {
        if ids.is_empty() {
            return None;
        }
        let backfill =
            self.backfill.get_or_insert_with(|| Backfill { ids: VecDeque::new(), all: false, everything: false });
        backfill.ids.extend(ids);
        let row = backfill.row();
        Some(self.row(state::BACKFILL, row))
    }

    /// Uploads everything that is here, whatever its age and however much it is.
    pub(super) fn carry_everything(&mut self) -> Write {
        let backfill = Backfill { ids: VecDeque::new(), all: true, everything: true };
        let row = backfill.row();
        self.backfill = Some(backfill);
        self.row(state::BACKFILL, row)
    }

    pub(super) fn continue_backfill(
        &mut self,
        history: &History,
        rules: &Rules,
        env: &mut Env<'_>,
    ) -> Result<Step, DeviceError> {
        let Some(mut backfill) = self.backfill.take() else { return Ok(Step::default()) };
        let everything = backfill.everything;
        let unwindowed = Rules { window_days: None, window_count: None, ..rules.clone() };
        let rules = if everything { &unwindowed } else { rules };
        if backfill.all {
            backfill = Backfill { everything, ..Backfill::new(history, rules, env.now_ms) };
        }
        let since_us = rules.since_us(env.now_ms).unwrap_or(i64::MIN);
        let piece: Vec<RecordId> = backfill.ids.drain(..backfill.ids.len().min(PIECE)).collect();
        let records = piece.iter().filter_map(|id| history.record(id));
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
        if backfill.ids.is_empty() {
            step.writes.push(Write::Row(Space::State, state::BACKFILL.to_vec(), None));
        } else {
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
