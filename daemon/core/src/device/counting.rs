//! Counts of use: taken when a command ends, in the transaction that keeps its end, and said to the others some minutes
//! later, many at once.
//!
//! A command is counted when what is known of it first has an end, so that reading a shell's file again, or hearing of it
//! twice, counts nothing twice. Imports are not counted: two devices may import one file. What was deleted, or is too old
//! to be synced, stays counted.

use std::collections::BTreeSet;

use caro_schema::{
    body::{history::Record, shared::Count},
    uses,
};

use super::{Account, Device, DeviceError, Env, state};
use crate::{
    history::History,
    stats::category_of,
    step::{Space, Step, Write},
};

/// The hour of the day, where the command ran, of a moment in microseconds since 1970.
pub type HourOf = Box<dyn Fn(i64) -> Option<u8> + Send>;

/// How long counts wait to be said. Sooner would cost a cell for nearly every command, which says when somebody types;
/// later would show on the other devices.
const SAY_AFTER_MS: u64 = 300_000;

/// What was counted and not said.
#[derive(Default)]
pub(super) struct Unsaid {
    keys: BTreeSet<String>,
    /// When to say it, in milliseconds since 1970.
    due_ms: Option<u64>,
}

impl Unsaid {
    /// As a daemon left it that did not end by itself: which keys is not known.
    pub(super) fn all(keys: BTreeSet<String>) -> Self {
        Self { keys, due_ms: Some(0) }
    }

    pub(super) fn note_clock_set_back(&mut self, now_ms: u64) {
        self.due_ms = self.due_ms.map(|due_ms| due_ms.min(now_ms.saturating_add(SAY_AFTER_MS)));
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }
}

impl Device {
    /// Counts uses from now on, or no more.
    pub fn count_uses(&mut self, hour_of: Option<HourOf>) {
        self.hour_of = hour_of;
    }

    /// Whether uses are counted.
    pub fn is_counting(&self) -> bool {
        self.hour_of.is_some()
    }

    /// Says to the other devices what was counted and not said.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn say_counts(&mut self, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        self.account.as_mut().map_or_else(|| Ok(Step::default()), |account| account.say_counts(env))
    }

    /// Counts those of these records that end now. To be called before history has them.
    pub(super) fn count_ended(&mut self, records: &[Record], history: &History, now_ms: u64) -> Vec<Write> {
        let Some(hour_of) = &self.hour_of else { return Vec::new() };
        let mut seen = BTreeSet::new();
        let ends_now = |record: &&Record| {
            record.has_ended()
                && seen.insert(record.id)
                && !history.is_deleted(&record.id)
                && history.record(&record.id).is_none_or(|known| !known.has_ended())
        };
        let keys: Vec<String> = records.iter().filter(ends_now).flat_map(|record| keys_of(record, hour_of)).collect();
        self.count(keys, now_ms)
    }

    pub(super) fn count(&mut self, keys: Vec<String>, now_ms: u64) -> Vec<Write> {
        let Some(own) = self.own_id().filter(|_| !keys.is_empty()) else { return Vec::new() };
        let shared = self.account.as_mut().map_or(&mut self.shared, |account| &mut account.shared);
        for key in &keys {
            let total = shared.counted(key, own).saturating_add(1);
            shared.count(Count { key: key.clone(), total }, own);
        }
        let mut writes = shared.take_writes();
        if let Some(account) = &mut self.account {
            writes.extend(account.note_unsaid(keys, now_ms));
        }
        writes
    }
}

impl Account {
    /// What is to be said, as after a start.
    pub(super) fn load_unsaid(&mut self) {
        let own = self.vault.device_id();
        self.unsaid = Unsaid::all(self.shared.own_keys(own).map(str::to_owned).collect());
    }

    fn note_unsaid(&mut self, keys: Vec<String>, now_ms: u64) -> Option<Write> {
        self.unsaid.keys.extend(keys);
        let is_first = self.unsaid.due_ms.is_none();
        self.unsaid.due_ms.get_or_insert(now_ms.saturating_add(SAY_AFTER_MS));
        is_first.then(|| self.row(state::UNSAID, Vec::new()))
    }

    pub(super) fn say_counts_if_due(&mut self, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        match self.unsaid.due_ms {
            Some(due_ms) if due_ms <= env.now_ms => self.say_counts(env),
            _ => Ok(Step::default()),
        }
    }

    pub(super) fn say_counts(&mut self, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        if self.unsaid.due_ms.is_none() {
            return Ok(Step::default());
        }
        let own = self.vault.device_id();
        let Unsaid { keys, due_ms: _ } = std::mem::take(&mut self.unsaid);
        let count = |key: String| Count { total: self.shared.own_total(&key, own), key };
        let counts: Vec<Count> = keys.into_iter().map(count).collect();
        let mut step = self.say(&counts, env)?;
        step.writes.push(Write::Row(Space::State, state::UNSAID.to_vec(), None));
        Ok(step)
    }
}

/// Everything that a command which ended counts for.
fn keys_of(record: &Record, hour_of: &HourOf) -> Vec<String> {
    let category = format!("{}{}", uses::CATEGORY, category_of(&record.command));
    let model = record.assistant.as_ref().map(|assistant| &assistant.model[..]).filter(|model| !model.is_empty());
    let model = model.map(|model| format!("{}{}", uses::MODEL, cut(model)));
    let outcome = match record.exit {
        Some(0) => "ok",
        Some(_) => "failed",
        None => "unknown",
    };
    let mut keys = vec![uses::RUNS.to_owned(), format!("{}{outcome}", uses::OUTCOME)];
    if outcome == "failed" {
        keys.push(format!("{category}{}", uses::FAILED));
        keys.extend(model.as_ref().map(|model| format!("{model}{}", uses::FAILED)));
    }
    keys.push(category);
    keys.extend(model);
    keys.extend(hour_of(record.start_us).map(|hour| format!("{}{hour:02}", uses::HOUR)));
    keys
}

/// The beginning of a name, of whole letters.
fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(uses::MODEL_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use caro_schema::body::history::Assistant;

    use super::*;
    use crate::history::model::record;

    fn keys(record: &Record) -> Vec<String> {
        let hour_of: HourOf = Box::new(|_| Some(7));
        let mut keys = keys_of(record, &hour_of);
        keys.sort();
        keys
    }

    #[test]
    fn ds003_a_command_counts_by_category_model_outcome_and_hour() {
        let mut plain = record(1, 1, "sudo git push");
        plain.exit = Some(0);
        assert_eq!(keys(&plain), ["category/versions", "hour/07", "outcome/ok", "runs"]);
        plain.exit = Some(1);
        let assistant = Assistant { model: "m-1".into(), ..Assistant::default() };
        plain.assistant = Some(Box::new(assistant));
        let expected = [
            "category/versions",
            "category/versions/failed",
            "hour/07",
            "model/m-1",
            "model/m-1/failed",
            "outcome/failed",
            "runs",
        ];
        assert_eq!(keys(&plain), expected);
        let odd = Record { exit: None, assistant: None, ..record(2, 2, "") };
        assert_eq!(keys(&odd), ["category/other", "hour/07", "outcome/unknown", "runs"]);
        assert_eq!(cut(&"ü".repeat(200)).len(), 128);
    }
}
