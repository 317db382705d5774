//! What a relay lost while it lives on: a cell rotted on its disk, a thief had it purged, or the relay is one that
//! forgets what is old. Nobody at the relay can bring it back, and whoever has it does not look at what it has. So a
//! device that has read all logs to their ends, and lacks something, says so in what it attests; who has it brings it
//! again, sealed anew. A log that it does not read, because the relay is stopped or has not answered for a while,
//! does not hold that up: what is there comes by the other relays as well.
//!
//! Who wrote it does so at once, the others a while later and only if nobody did meanwhile. Bringing something twice costs
//! a cell and nothing else.

use std::collections::BTreeMap;

use caro_schema::{
    body::attest::{Attest, MISSING_MAX},
    id::{DeviceId, OpId},
    op::kind,
    relay::Position,
    stamp::Stamp,
};

use super::{Account, DeviceError, Env, carriers::Place, overlay::Overlay, state};
use crate::{
    oplog::{Run, row_key},
    step::{RemoteNumber, Rows, Space, Step},
    sync::State,
};

/// Milliseconds of having read everything, after which something is missing and not on its way.
const MISSING_AFTER_MS: u64 = 3_000;

/// The same while a relay is not there: what is missing may be at that one. Long enough for a connection to come back
/// and for the others to bring here what they have read there; a relay that is gone for good must not hold it up for
/// ever.
const MISSING_AWAY_AFTER_MS: u64 = 60_000;

/// The longest pause between two times of saying so.
const SAID_EVERY_MS_MAX: u64 = 3_600_000;

/// Ops of one author that are brought at a time. Mostly one is missing, but a relay that forgets what is old may have
/// forgotten all; when there are more, the device says so again.
const OPS_AT_ONCE: usize = 128;

/// Milliseconds that an op's author has before somebody else brings it again.
const AFTER_AUTHOR_MS: u64 = 10_000;

/// By so much older than what says that it is missing an op must be: a younger one may be on its way.
const ON_ITS_WAY_MS: u64 = 5_000;

/// Times of saying that the end of a log may be missing, without an answer.
const ASKED: u32 = 2;

/// Milliseconds in which an answer comes, if anybody is there who has one.
const ANSWERED_MS: u64 = AFTER_AUTHOR_MS + MISSING_AFTER_MS;

/// Something seems to be missing.
#[derive(Clone, Copy)]
pub(super) struct Missing {
    /// When it is said, in milliseconds since 1970.
    due_ms: u64,
    pause_ms: u64,
    /// How often it was said since something came.
    said: u32,
    /// What had come when it was said last.
    came: u64,
    /// The end of a log may be what is missing, which nothing that is here shows.
    unsure: bool,
}

#[cfg(test)]
impl Missing {
    pub(super) fn is_said(&self) -> bool {
        self.said > 0
    }
}

/// What is to be brought again, and when.
pub(super) type Again = BTreeMap<(RemoteNumber, Place), u64>;

/// How much was read of what is at the relays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadSoFar {
    /// All that there is.
    All,
    /// All of those that are there; another one is away.
    AllButAway,
    /// A log is being read, or none is there.
    Reading,
}

impl Account {
    /// Looks whether something is missing although everything was read.
    pub(super) fn look_for_missing(&mut self, now_ms: u64) {
        let read = self.read_so_far();
        let unsure = self.remotes.values().any(|remote| {
            // Cells that are gone are mostly purged ones. A device that is new cannot tell, and is told nothing.
            remote.has_missed() || (self.attested.is_new() && remote.has_seen_gone())
        });
        let lacks = self.lacks();
        if read == ReadSoFar::Reading || !(lacks || unsure) {
            self.missing = self.missing.filter(|missing| lacks || (missing.unsure && missing.said > 0));
            return;
        }
        let after_ms = if read == ReadSoFar::All { MISSING_AFTER_MS } else { MISSING_AWAY_AFTER_MS };
        let due_ms = now_ms + after_ms;
        let new = Missing { due_ms, pause_ms: MISSING_AFTER_MS, said: 0, came: self.came, unsure };
        let missing = self.missing.get_or_insert(new);
        missing.unsure |= unsure;
        if missing.said == 0 {
            // One that was away has come back since, and it is not there either.
            missing.due_ms = missing.due_ms.min(due_ms);
        }
    }

    /// A relay that was stopped is nobody's to wait for: a person decides about it, or nobody does.
    fn read_so_far(&self) -> ReadSoFar {
        let (mut is_any_live, mut is_any_away) = (false, false);
        for remote in self.remotes.values() {
            match remote.state() {
                State::Stopped(_) => {}
                State::Down | State::Opening => is_any_away = true,
                State::Live if remote.pending_down() == 0 => is_any_live = true,
                State::CatchingUp | State::Live => return ReadSoFar::Reading,
            }
        }
        match (is_any_live, is_any_away) {
            (true, false) => ReadSoFar::All,
            (true, true) => ReadSoFar::AllButAway,
            (false, _) => ReadSoFar::Reading,
        }
    }

    fn lacks(&self) -> bool {
        self.waiting.lacking(self.log.vector()).next().is_some() || !self.snapshots.missing().is_empty()
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
        let due = self.missing.filter(|missing| missing.due_ms <= env.now_ms);
        if let Some(missing) = due.filter(|_| !self.is_answered()) {
            // As long as some of it comes, the rest is not long in coming either.
            let comes = self.came > missing.came;
            let pause_ms = match missing.unsure && !self.lacks() {
                true => ANSWERED_MS,
                false if comes => MISSING_AFTER_MS,
                false => (missing.pause_ms * 2).min(SAID_EVERY_MS_MAX),
            };
            let said = if comes { 1 } else { missing.said + 1 };
            let due_ms = env.now_ms + pause_ms;
            self.missing = Some(Missing { due_ms, pause_ms, said, came: self.came, ..missing });
            self.remotes.values_mut().for_each(crate::sync::Remote::forget_missed);
            return self.attest_all_read(&self.snapshots.missing(), env);
        }
        if due.is_some() {
            self.missing = None;
        }
        self.bring_again(rows, env)
    }

    /// An op of somebody else was taken in. What others have seen does not count: two devices that say what they miss would
    /// each take that for an answer, and go on for ever.
    pub(super) fn note_came(&mut self, kind: u8) {
        self.came += u64::from(kind != kind::ATTEST);
    }

    /// Whether it was asked for, nothing came any more, and nothing shows that there is more. Asked twice, because what is
    /// very young was not taken for missing.
    fn is_answered(&self) -> bool {
        let unheard = self.missing.is_some_and(|missing| missing.said >= ASKED && missing.came == self.came);
        unheard && !self.lacks()
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
        let read = self.remotes.values().filter_map(|remote| {
            let seen = attest.relays.iter().find(|seen| seen.relay == remote.record.relay_key)?;
            Some((remote.number, seen.position.clone()))
        });
        let read: Vec<(RemoteNumber, Position)> = read.collect();
        let numbers: Vec<RemoteNumber> = read.iter().map(|(number, _)| *number).collect();
        // What a relay was not seen to have when the other one read it is not lost there: it waited to be sent, or somebody
        // brings it. A device does not read its own ops back, so of those it knows by its queue.
        let own = self.vault.device_id();
        let had = |(number, position): &(RemoteNumber, Position), author: &DeviceId, seq: u64| {
            self.remote(*number).is_some_and(|remote| {
                if *author == own { remote.had_what_was_sent(position) } else { remote.had(author, seq, position) }
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
            for seq in self.to_bring(&run, said, rows) {
                let key = row_key(&run.author, seq);
                let at = read.iter().filter(|read| had(read, &run.author, seq));
                places.extend(at.map(|(number, _)| (*number, (Space::Op, key.clone()), due_ms)));
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

    /// The first of a run that are here and older than what says that they are missing. What a snapshot stands for is not
    /// here; once its list is there, its parts are named as missing.
    fn to_bring(&self, run: &Run, said: Stamp, rows: &dyn Rows) -> Vec<u64> {
        let (mut ops, mut seq) = (Vec::new(), run.from);
        while seq <= run.to && ops.len() < OPS_AT_ONCE {
            if let Some(covered) = self.snapshots.covered_to(&run.author, seq) {
                seq = covered;
            } else if self.is_older(&row_key(&run.author, seq), said, rows) {
                ops.push(seq);
            }
            seq += 1;
        }
        ops
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
