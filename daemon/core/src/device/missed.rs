//! What a relay lost while it lives on: a cell rotted on its disk, or a thief had it purged. Nobody at the relay can bring
//! it back, and whoever has it does not look at what it has. So a device that has read all logs to their ends, and lacks
//! something, says so in what it attests; who has it brings it again, sealed anew.
//!
//! Who wrote it does so at once, the others a while later and only if nobody did meanwhile. Bringing something twice costs
//! a cell and nothing else.

use std::collections::BTreeMap;

use caro_schema::{
    body::attest::{Attest, MISSING_MAX},
    id::{DeviceId, OpId},
    stamp::Stamp,
};

use super::{Account, DeviceError, Env, carriers::Place, overlay::Overlay, state};
use crate::{
    oplog::row_key,
    step::{RemoteNumber, Rows, Space, Step},
    sync::State,
};

/// Milliseconds of having read everything, after which something is missing and not on its way.
const MISSING_AFTER_MS: u64 = 3_000;

/// The longest pause between two times of saying so.
const SAID_EVERY_MS_MAX: u64 = 3_600_000;

/// Ops of one author that are brought at a time. Mostly one is missing; when there are more, the device says so again.
const OPS_AT_ONCE: u64 = 8;

/// Milliseconds that an op's author has before somebody else brings it again.
const AFTER_AUTHOR_MS: u64 = 10_000;

/// By so much older than what says that it is missing an op must be: a younger one may be on its way.
const ON_ITS_WAY_MS: u64 = 5_000;

/// Something seems to be missing.
#[derive(Clone, Copy)]
pub(super) struct Missing {
    /// When it is said, in milliseconds since 1970.
    due_ms: u64,
    pause_ms: u64,
}

/// What is to be brought again, and when.
pub(super) type Again = BTreeMap<(RemoteNumber, Place), u64>;

impl Account {
    /// Looks whether something is missing although everything was read.
    pub(super) fn look_for_missing(&mut self, now_ms: u64) {
        let is_read = self.remotes.values().all(|remote| remote.state() == State::Live && remote.pending_down() == 0);
        // A log in which something is gone may have lost its end, which nothing that comes later shows.
        let unsure = self.attested.is_new() && self.remotes.values().any(crate::sync::Remote::has_seen_gone);
        let lacks = self.waiting.lacking(self.log.vector()).next().is_some() || !self.snapshots.missing().is_empty();
        if !is_read || self.remotes.is_empty() || !(lacks || unsure) {
            if !lacks {
                self.missing = None;
            }
            return;
        }
        self.missing.get_or_insert(Missing { due_ms: now_ms + MISSING_AFTER_MS, pause_ms: MISSING_AFTER_MS });
    }

    pub(super) fn missing_at_ms(&self) -> Option<u64> {
        let again = self.again.iter().filter(|((number, _), _)| self.is_live(*number)).map(|(_, due_ms)| *due_ms).min();
        let said = self.missing.filter(|_| self.profile.enabled).map(|missing| missing.due_ms);
        [again, said].into_iter().flatten().min()
    }

    fn is_live(&self, number: RemoteNumber) -> bool {
        self.remote(number).is_some_and(|remote| remote.state() == State::Live)
    }

    pub(super) fn note_missing_set_back(&mut self, now_ms: u64) {
        if let Some(missing) = &mut self.missing {
            missing.due_ms = missing.due_ms.min(now_ms + SAID_EVERY_MS_MAX);
        }
        for due_ms in self.again.values_mut() {
            *due_ms = (*due_ms).min(now_ms + AFTER_AUTHOR_MS);
        }
    }

    /// Says that something is missing, or brings what others miss, if it is time.
    pub(super) fn see_to_missing(&mut self, rows: &dyn Rows, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        if let Some(Missing { due_ms, pause_ms }) = self.missing
            && due_ms <= env.now_ms
        {
            let pause_ms = (pause_ms * 2).min(SAID_EVERY_MS_MAX);
            self.missing = Some(Missing { due_ms: env.now_ms + pause_ms, pause_ms });
            let parts = self.snapshots.missing();
            let step = self.attest_all_read(&parts, env)?;
            // What was only unsure is said once.
            self.look_for_missing(env.now_ms);
            return Ok(step);
        }
        self.bring_again(rows, env)
    }

    fn bring_again(&mut self, rows: &dyn Rows, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        let due = self.again.iter().find(|((number, _), due_ms)| **due_ms <= env.now_ms && self.is_live(*number));
        let Some((&(number, _), _)) = due else { return Ok(Step::default()) };
        let due: Vec<Place> = self
            .again
            .iter()
            .filter(|((of, _), due_ms)| *of == number && **due_ms <= env.now_ms)
            .map(|((_, place), _)| place.clone())
            .collect();
        let mut rows = Overlay::new(rows);
        let mut cells = Vec::new();
        for (space, key) in due {
            self.again.remove(&(number, (space, key.clone())));
            cells.extend(self.seal_again(space, key, &mut rows, env)?);
        }
        self.queue_for(number, cells, rows)
    }

    /// Another device has read everything and lacks something that is here.
    pub(super) fn note_missed_elsewhere(&mut self, attest: &Attest, said: Stamp, rows: &dyn Rows, now_ms: u64) {
        if !attest.all_read {
            return;
        }
        let numbers: Vec<RemoteNumber> = self
            .remotes
            .values()
            .filter(|remote| attest.relays.iter().any(|seen| seen.relay == remote.record.relay_key))
            .map(|remote| remote.number)
            .collect();
        // What a relay was never seen to have is not lost there: it waits to be sent, or somebody brings it. A device does not
        // read its own ops back, so of those it knows by its queue.
        let own = self.vault.device_id();
        let had = |number: &RemoteNumber, author: &DeviceId, seq: u64| {
            self.remote(*number).is_some_and(|remote| {
                let has = remote.record.has.get(author);
                let is_sent = remote.pending_up() == 0 && !remote.record.comparing;
                if *author == own { is_sent } else { has.is_some_and(|has| *has >= seq) }
            })
        };
        let mut places = Vec::new();
        for part in attest.missing_parts().filter(|part| self.snapshots.has(part)) {
            let of = numbers.iter().map(|number| (*number, (Space::Part, part.0.to_vec()), now_ms + AFTER_AUTHOR_MS));
            places.extend(of);
        }
        let theirs: BTreeMap<DeviceId, u64> = attest.vector.iter().map(|parent| (parent.author, parent.seq)).collect();
        for run in self.log.missing(&theirs) {
            let is_own = run.author == own;
            let due_ms = if is_own { now_ms } else { now_ms + AFTER_AUTHOR_MS };
            for seq in run.from..=run.to.min(run.from + OPS_AT_ONCE - 1) {
                let key = row_key(&run.author, seq);
                if self.is_older(&key, said, rows) {
                    let at = numbers.iter().filter(|number| had(number, &run.author, seq));
                    places.extend(at.map(|number| (*number, (Space::Op, key.clone()), due_ms)));
                }
            }
        }
        if !places.is_empty() {
            // What lets its author in, or its key, may be what is gone, and then all that this author wrote waits for it.
            for number in &numbers {
                let entries = self.remote(*number).into_iter().flat_map(|remote| &remote.record.has_entries);
                let of =
                    entries.map(|hash| (*number, (Space::State, state::entry_key(hash)), now_ms + AFTER_AUTHOR_MS));
                places.extend(of);
            }
        }
        for (number, place, due_ms) in places {
            self.again.insert((number, place), due_ms);
        }
    }

    fn is_older(&self, key: &[u8], said: Stamp, rows: &dyn Rows) -> bool {
        let bytes = rows.row(Space::Op, key).ok().flatten();
        let header = bytes.and_then(|bytes| crate::oplog::Stored::decode(&bytes).ok()?.header().ok());
        header.is_some_and(|(header, _)| header.stamp.ms() + ON_ITS_WAY_MS <= said.ms())
    }

    /// Somebody brought it.
    pub(super) fn note_brought(&mut self, from: RemoteNumber, place: &Place) {
        if !self.again.is_empty() {
            self.again.remove(&(from, place.clone()));
        }
    }
}

/// No more than an attest holds.
pub(super) fn at_most(parts: impl Iterator<Item = OpId>) -> Vec<OpId> {
    parts.take(MISSING_MAX).collect()
}
