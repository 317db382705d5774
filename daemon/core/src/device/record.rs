//! From a shell's records to ops. A record is in history at once; it becomes an op after a short window, so that a
//! command and its end, and commands in a burst, share one. What waits is marked in the store, so that a crash in
//! between costs nothing.

use caro_schema::{
    body::{
        self,
        history::{Delete, Record},
    },
    codec,
    id::RecordId,
    ipc::{history::Import, selecting::Stays},
    op::{RawChange, kind},
};

use super::{Account, Device, DeviceError, Env, backfill, recorded, selection::Selection, state, trash::Fates};
use crate::{
    history::{History, PutOutcome},
    step::{Notice, Rows, Space, Step, Write},
};

/// What is sent at all.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Only commands of the last so many days; none for all.
    pub window_days: Option<u32>,
    /// Of the history from before joining, only so many of the newest; none for all.
    pub window_count: Option<u64>,
    /// Which commands leave this device.
    pub selection: Selection,
    /// After so many ops of this device's own, what is left of them is said again in full cells.
    pub compact_after: u64,
}

/// Enough to fill a part of a snapshot about halfway, and a week of most people's typing.
const COMPACT_AFTER: u64 = 512;

impl Default for Rules {
    fn default() -> Self {
        Self {
            window_days: Some(90),
            window_count: Some(10_000),
            selection: Selection::default(),
            compact_after: COMPACT_AFTER,
        }
    }
}

/// A record that is to become an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    /// When, in milliseconds since 1970.
    due_ms: u64,
    /// Whether the op would tell its end.
    ended: bool,
}

impl Pending {
    /// When it is made into an op.
    pub(super) fn due_ms(&self) -> u64 {
        self.due_ms
    }

    /// Due now: it was waiting when the daemon ended.
    pub(super) fn at_once() -> Self {
        Self { due_ms: 0, ended: true }
    }
}

/// How long a command that has ended waits for others to share its op.
const COALESCE_MS: u64 = 20;

/// How long a command that runs waits for its end. Most end sooner and cost one op instead of two; the others are
/// still on the other device well within a quarter of a second.
const RUNNING_MS: u64 = 80;

impl Rules {
    /// The start of the window in microseconds since 1970.
    pub(super) fn since_us(&self, now_ms: u64) -> Option<i64> {
        const DAY_US: i64 = 86_400_000_000;
        self.window_days.map(|days| (now_ms as i64).saturating_mul(1000).saturating_sub(i64::from(days) * DAY_US))
    }
}

impl Device {
    /// Takes in what a shell recorded, or what is known of it by now. `now_ms` is the wall clock.
    pub fn record(&mut self, records: Vec<Record>, history: &mut History, now_ms: u64) -> Step {
        let counted = self.count_ended(&records, history, now_ms);
        let known: Vec<(RecordId, Option<Stays>, bool)> =
            records.iter().map(|record| (record.id, self.rules.selection.stays(record), record.has_ended())).collect();
        history.put(records);
        let mut step = Step { writes: history.take_writes(), notices: vec![Notice::History], ..Step::default() };
        step.writes.extend(counted);
        if let Some(account) = &mut self.account {
            for (id, stays, ended) in known {
                step.writes.extend(account.pend(id, stays, ended, now_ms));
            }
        }
        step
    }

    /// Takes in foreign history. What is new and within the window goes into full cells. What is there stays as it is: a
    /// hook knew it better, and what a file without times says of a moment changes with the file.
    pub fn import(&mut self, import: impl Into<Import>, history: &mut History) -> (Step, PutOutcome) {
        let (records, sifted) = recorded::sift(import.into(), history);
        let fresh: Vec<RecordId> = records.iter().map(|record| record.id).collect();
        let PutOutcome { added, replaced, known, deleted } = history.put(records);
        // An id may be in one batch twice.
        let (known, deleted) = (sifted.known + known + replaced, sifted.deleted + deleted);
        let outcome = PutOutcome { added, replaced: 0, known, deleted };
        let mut step = Step { writes: history.take_writes(), notices: vec![Notice::History], ..Step::default() };
        if let Some(account) = &mut self.account {
            step.writes.extend(account.upload_later(fresh));
        }
        (step, outcome)
    }
}

impl Account {
    /// Marks a record to become an op. One that was sent before its end is marked again when it ends.
    fn pend(&mut self, id: RecordId, stays: Option<Stays>, ended: bool, now_ms: u64) -> Option<Write> {
        if let Some(stays) = stays {
            self.kept_here += u64::from(ended && stays == Stays::Size);
            return None;
        }
        let due_ms = now_ms + if ended { COALESCE_MS } else { RUNNING_MS };
        let known = self.pending.get(&id).copied();
        let due_ms =
            known.map_or(due_ms, |known| if known.ended { known.due_ms } else { due_ms.min(now_ms + COALESCE_MS) });
        self.pending.insert(id, Pending { due_ms, ended });
        known.is_none().then(|| Write::Row(Space::State, state::pending_key(&id), Some(Vec::new())))
    }

    pub(super) fn note_clock_set_back(&mut self, now_ms: u64) {
        let latest_ms = now_ms.saturating_add(RUNNING_MS);
        for pending in self.pending.values_mut().filter(|pending| pending.due_ms > latest_ms) {
            pending.due_ms = now_ms;
        }
        self.note_forwards_set_back(now_ms);
        self.note_erasing_set_back(now_ms);
        self.note_missing_set_back(now_ms);
        self.attested.note_clock_set_back(now_ms);
        self.unsaid.note_clock_set_back(now_ms);
    }

    pub(super) fn wake_at_ms(&self, rules: &Rules) -> Option<u64> {
        let is_due = self.is_compaction_due(rules) || self.owes_relay_keys() || self.is_resealing_due();
        if self.backfill.is_some() || is_due {
            return Some(0);
        }
        let pending = self.pending.values().map(|pending| pending.due_ms).min();
        [
            pending,
            self.unsaid.due_ms(),
            self.attest_at_ms(),
            self.forward_at_ms(),
            self.erase_at_ms(),
            self.missing_at_ms(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(super) fn handle_timer(
        &mut self,
        fates: Fates<'_>,
        rules: &Rules,
        rows: &dyn Rows,
        env: &mut Env<'_>,
    ) -> Result<Step, DeviceError> {
        let history = fates.history;
        let mut step = self.flush(history, rules, env)?;
        step.extend(self.say_relay_keys(env)?);
        step.extend(self.continue_backfill(history, rules, env)?);
        step.extend(self.say_counts_if_due(env)?);
        step.extend(self.attest_if_due(env)?);
        if step.writes.is_empty() {
            // Each of these reads what the others may have changed, so they do not share a step.
            step = self.forward(rows, env)?;
        }
        if step.writes.is_empty() {
            step = self.erase(fates, rows, env)?;
        }
        if step.writes.is_empty() {
            step = self.see_to_missing(rows, env)?;
        }
        if step.writes.is_empty() {
            step = self.compact(fates, rules, rows, env)?;
        }
        if step.writes.is_empty() {
            step = self.reseal(rows, env)?;
        }
        Ok(step)
    }

    /// Makes ops of the records that are due, as few as they fit into.
    fn flush(&mut self, history: &History, rules: &Rules, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        let due: Vec<RecordId> =
            self.pending.iter().filter(|(_, pending)| pending.due_ms <= env.now_ms).map(|(id, _)| *id).collect();
        if due.is_empty() {
            return Ok(Step::default());
        }
        // A rule may be newer than the command.
        let goes = |record: &Record| rules.selection.stays(record).is_none();
        let changes: Vec<RawChange> =
            due.iter().filter_map(|id| history.record(id)).filter(goes).map(|record| put(&record)).collect();
        let mut step = Step::default();
        for packed in backfill::fill(changes, &mut self.kept_here) {
            step.writes.extend(self.append_packed(kind::CHANGES, packed, env)?);
        }
        for id in due {
            self.pending.remove(&id);
            step.writes.push(Write::Row(Space::State, state::pending_key(&id), None));
        }
        step.notices.push(Notice::Sync);
        Ok(step)
    }

    pub(super) fn delete(&mut self, ids: &[RecordId], env: &mut Env<'_>) -> Result<Step, DeviceError> {
        let changes = ids.iter().map(|id| RawChange(body::kind::DELETE, codec::encode(&Delete { id: *id }).into()));
        let mut step = Step::default();
        for packed in backfill::fill(changes.collect(), &mut self.kept_here) {
            step.writes.extend(self.append_packed(kind::CHANGES, packed, env)?);
        }
        for id in ids {
            if self.pending.remove(id).is_some() {
                step.writes.push(Write::Row(Space::State, state::pending_key(id), None));
            }
        }
        step.writes.extend(self.erase_later(true, env.now_ms));
        step.notices.push(Notice::Sync);
        Ok(step)
    }
}

/// The change that adds a record.
pub(super) fn put(record: &Record) -> RawChange {
    RawChange(body::kind::RECORD, codec::encode(record).into())
}
