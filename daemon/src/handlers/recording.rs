//! Whether commands are recorded: pausing and going on, the rules read again when their file changes, what was withheld
//! counted and said once, and what history is kept.
//!
//! What the rules are is in `filter/` and `config.rs`; here they are put in force. Nothing of a command is in a reply.

use std::time::{Duration, Instant};

use caro_core::{
    history::History,
    step::{Rows, Space, Step, Write},
};
use caro_schema::{
    body::history::Record,
    id::RecordId,
    ipc::{
        Fault, Reply,
        history::{Objection, Same},
        status::{Paused, Recording, Reloaded},
    },
};

use crate::{
    clock::Moment,
    config::{Keep, Loaded},
    filter::{
        Filter, Refusal, Secrets, Tally,
        pauses::{self, Pause, Pauses},
        secrets,
        tally::Hint,
    },
    paths, retention,
    state::State,
};

/// How often history is looked through for what may go.
const RETENTION_EVERY: Duration = Duration::from_secs(3600);

/// Records nothing from now on. What was typed before was taken in by whoever asks.
pub(crate) fn pause(state: &mut State, session: Option<String>, until_us: Option<i64>) -> Result<Reply, Fault> {
    let pause = Pause { since_us: Moment::now().now_us, until_us };
    state.config.filter.pauses.pause(session.as_deref(), pause);
    keep_pauses(state)
}

/// Records again.
pub(crate) fn resume(state: &mut State, session: Option<String>) -> Result<Reply, Fault> {
    state.config.filter.pauses.resume(session.as_deref());
    keep_pauses(state)
}

/// Makes the pauses durable, and says how they are.
fn keep_pauses(state: &mut State) -> Result<Reply, Fault> {
    let pauses = &state.config.filter.pauses;
    let row = (!pauses.is_empty()).then(|| pauses.encode());
    let step = Step { writes: vec![Write::Row(Space::State, pauses::ROW.to_vec(), row)], ..Step::default() };
    state.carry_out(step)?;
    Ok(Reply::Recording(recording(state)))
}

/// Reads the configuration again, changed or not.
pub(crate) fn reload(state: &mut State) -> Reply {
    state.renew_config(true);
    let file = &state.config_file;
    Reply::Reloaded(Reloaded {
        broken: file.is_broken,
        problems: file.problems.clone(),
        waiting: file.waiting.iter().map(|name| (*name).to_owned()).collect(),
    })
}

/// Whether commands are recorded, and what was not.
pub(crate) fn recording(state: &State) -> Recording {
    let now_us = Moment::now().now_us;
    let pauses = &state.config.filter.pauses;
    let shown = |session: Option<&str>, pause: Pause| Paused {
        session: session.map(str::to_owned),
        since_us: pause.since_us,
        until_us: pause.until_us,
    };
    let everything = pauses.of_everything(now_us).map(|pause| shown(None, pause));
    let sessions = pauses.of_sessions(now_us).map(|(session, pause)| shown(Some(session), pause));
    Recording { paused: everything.into_iter().chain(sessions).collect(), withheld: state.tally.withheld }
}

impl State {
    /// What the store remembers of pauses and counters.
    pub(crate) fn remember_recording(&mut self) {
        let row = |key: &[u8]| self.applier.store().row(Space::State, key).ok().flatten();
        let (pauses, tally) = (row(pauses::ROW), row(crate::filter::tally::ROW));
        if let Some(bytes) = pauses {
            self.config.filter.pauses = Pauses::decode(&bytes).unwrap_or_else(|| {
                tracing::warn!("what was paused cannot be read; nothing is");
                Pauses::default()
            });
        }
        self.tally = tally.map(|bytes| Tally::decode(&bytes)).unwrap_or_default();
    }

    /// Reads the configuration if it has changed, or in any case.
    pub(crate) fn renew_config(&mut self, in_any_case: bool) {
        let home = std::env::home_dir();
        let (config, file) = (&self.config, &self.config_file);
        let (path, shared) = (&self.places.config, self.places.shared_settings());
        let Some(loaded) = Loaded::again(config, file, (path, &shared), home.as_deref(), in_any_case) else {
            return;
        };
        let Loaded { config, file } = loaded;
        tracing::info!(problems = file.problems.len(), broken = file.is_broken, "the configuration was read again");
        if config.keep != self.config.keep {
            self.retention_at = Instant::now();
        }
        self.device.set_rules(config.rules());
        (self.config, self.config_file) = (config, file);
        self.count_as_configured();
    }

    /// Counts what was not recorded, in the transaction of the commands that were. What is to be said of it goes out
    /// when that is durable.
    pub(crate) fn count_withheld(&mut self, read: &Tally) -> (Option<Write>, Option<Hint>) {
        if read.is_empty() {
            return (None, None);
        }
        let hint = self.tally.add(read, Moment::now().now_us);
        (Some(self.tally.write()), hint)
    }

    /// Leaves a word for the next `caro`, if there is one to be left.
    pub(crate) fn leave_hint(&self, hint: Option<Hint>) {
        let Some(hint) = hint else { return };
        if let Err(error) = paths::write_private(&self.places.hint(), hint.word()) {
            // On a full disk. The doctor tells it all the same.
            tracing::warn!(kind = ?error.kind(), "a hint could not be left");
        }
    }

    /// What has to be seen to now and then: a changed file, pauses of shells that are gone.
    ///
    /// # Errors
    /// When something waits to be written.
    pub(crate) fn look_after_rules(&mut self) -> Result<(), Fault> {
        self.renew_config(false);
        let now = Moment::now();
        let spool = &self.spool;
        if self.config.filter.pauses.tidy(now.now_us, |session| !spool.knows(session)) {
            keep_pauses(self).map(drop)?;
        }
        Ok(())
    }

    /// When history that may go is to be looked for, if any may.
    pub(crate) fn retention_due(&self) -> Option<Instant> {
        (self.config.keep != Keep::default()).then_some(self.retention_at)
    }

    /// Deletes what `history.keep_days` and `history.keep_count` let go.
    ///
    /// # Errors
    /// When something waits to be written.
    pub(crate) fn let_go(&mut self) -> Result<(), Fault> {
        let now_us = Moment::now().now_us;
        let mut expired = retention::expired(&self.shared.history(), self.config.keep, now_us);
        expired.truncate(retention::BATCH);
        // A full batch has more behind it.
        self.retention_at =
            Instant::now() + if expired.len() < retention::BATCH { RETENTION_EVERY } else { Duration::ZERO };
        if expired.is_empty() {
            return Ok(());
        }
        tracing::info!(count = expired.len(), "deleting what history.keep_days and history.keep_count let go");
        self.decide(|device, history, env| Ok((device.delete(&expired, history, env)?, ())))
    }
}

/// Foreign records as the rules of recording leave them, and what they kept out. A blank in front means nothing in
/// another shell's file, and no pause holds for what was run before.
pub(crate) fn admitted(filter: &Filter, mut records: Vec<Record>) -> (Vec<Record>, Tally) {
    let mut withheld = Tally::default();
    for assistant in records.iter_mut().filter_map(|record| record.assistant.as_mut()) {
        if filter.clean(assistant) {
            withheld.count(Refusal::Secret, true);
        }
    }
    records.retain_mut(|record| match filter.objection(&record.command, &record.directory) {
        None => true,
        Some(Refusal::Secret) if filter.secrets == Secrets::Mask => {
            withheld.count(Refusal::Secret, true);
            record.command = secrets::masked(&record.command).unwrap_or_default().into();
            true
        }
        Some(why) => {
            withheld.count(why, false);
            false
        }
    });
    (records, withheld)
}

/// Of these records, those that the rules refuse for one of the reasons.
pub(crate) fn refused(filter: &Filter, history: &History, ids: Vec<RecordId>, reasons: &[Objection]) -> Vec<RecordId> {
    let is_refused = |id: &RecordId| {
        let record = history.record(id);
        let objection = record.and_then(|record| filter.objection(&record.command, &record.directory));
        objection.and_then(reason).is_some_and(|reason| reasons.contains(&reason))
    };
    ids.into_iter().filter(is_refused).collect()
}

fn reason(refusal: Refusal) -> Option<Objection> {
    match refusal {
        Refusal::Command => Some(Objection::Command),
        Refusal::Directory => Some(Objection::Directory),
        Refusal::Secret | Refusal::Phrase => Some(Objection::Secret),
        // Neither is a rule about what is in history.
        Refusal::Space | Refusal::Paused => None,
    }
}

/// Of these records, the newest first, those that another one stands for. A command that still runs stays.
pub(crate) fn repeats(history: &History, mut ids: Vec<RecordId>, same: Same, keep_oldest: bool) -> Vec<RecordId> {
    if keep_oldest {
        ids.reverse();
    }
    let mut seen = std::collections::HashSet::new();
    let is_repeat = |id: &RecordId| {
        let Some(record) = history.record(id) else { return false };
        let runs = !record.has_ended() && !record.session.is_empty();
        !runs && !seen.insert(key(record, same))
    };
    ids.into_iter().filter(is_repeat).collect()
}

/// What is the same in two runs that count as one.
type RunKey = (Vec<u8>, Option<Vec<u8>>, Option<String>, Option<Option<i32>>);

fn key(record: Record, same: Same) -> RunKey {
    let Record { command, directory, host, exit, .. } = record;
    (
        command.into_vec(),
        same.directory.then(|| directory.into_vec()),
        same.host.then_some(host),
        same.exit.then_some(exit),
    )
}
