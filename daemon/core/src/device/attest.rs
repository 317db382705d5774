//! Saying what this device has seen, and hearing what others have. A relay that shows two devices two logs is found out
//! here; one that holds something back is found out by ops that follow what never comes.

use caro_schema::{
    body::{
        self,
        attest::{Attest, Seen},
        snapshot::Origin,
    },
    codec,
    id::OpId,
    ipc::sync::StopReason,
    op::{Parent, Payload, RawChange, kind},
    relay::Position,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{Account, DeviceError, Env, receive::Batch, state};
use crate::{
    step::{Space, Step, Write},
    vault::payload,
};

/// Own ops after which a device says what it has seen.
const AFTER_OPS: u64 = 256;

/// Milliseconds after which it says so anyhow, if there is news.
const AFTER_MS: u64 = 86_400_000;

/// What was said last.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Attested {
    /// The number of the own op that said it.
    seq: u64,
    /// How many ops were known then, of all authors.
    total: u64,
    /// When, in milliseconds since 1970.
    at_ms: u64,
}

impl Attested {
    /// Whether nothing was ever said.
    pub(super) fn is_new(&self) -> bool {
        self.seq == 0
    }

    pub(super) fn note_clock_set_back(&mut self, now_ms: u64) {
        self.at_ms = self.at_ms.min(now_ms);
    }
}

/// Two places in the log of one account, both signed by the relay, that cannot both be true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was shown to this device.
    pub here: Position,
    /// What was shown to another one.
    pub there: Position,
}

impl Account {
    /// When to say what was seen, in milliseconds since 1970; none while there is no news.
    pub(super) fn attest_at_ms(&self) -> Option<u64> {
        if !self.profile.enabled || self.remotes.is_empty() || self.ops_since_attest() == 0 {
            return None;
        }
        let own = self.log.vector().seq(&self.vault.device_id());
        if own.saturating_sub(self.attested.seq) >= AFTER_OPS {
            return Some(0);
        }
        Some(self.attested.at_ms.saturating_add(AFTER_MS))
    }

    /// Ops that became known since this device last said what it knows.
    pub(super) fn ops_since_attest(&self) -> u64 {
        self.log.vector().total().saturating_sub(self.attested.total)
    }

    /// Says it, if it is time.
    pub(super) fn attest_if_due(&mut self, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        match self.attest_at_ms() {
            // The first day begins when there is something to say.
            Some(_) if self.attested.at_ms == 0 => {
                self.attested.at_ms = env.now_ms;
                Ok(Step { writes: vec![self.attested_row()], ..Step::default() })
            }
            Some(due_ms) if due_ms <= env.now_ms => self.attest(env),
            _ => Ok(Step::default()),
        }
    }

    /// Says what this device has seen.
    pub(super) fn attest(&mut self, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        self.say_seen(false, &[], env)
    }

    /// Says that everything there is was read, and which parts are missing all the same.
    pub(super) fn attest_all_read(&mut self, missing: &[OpId], env: &mut Env<'_>) -> Result<Step, DeviceError> {
        self.say_seen(true, missing, env)
    }

    fn say_seen(&mut self, all_read: bool, missing: &[OpId], env: &mut Env<'_>) -> Result<Step, DeviceError> {
        let vector = self.log.vector().iter();
        let vector = vector.map(|(author, tip)| Parent { author: *author, seq: tip.seq, op: tip.op }).collect();
        let seen = |remote: &crate::sync::Remote| {
            remote.position().map(|position| Seen { relay: remote.record.relay_key, position })
        };
        let missing: Vec<u8> = missing.iter().flat_map(|part| part.0).collect();
        let relays = self.remotes.values().filter_map(seen).collect();
        let attest = Attest { vector, relays, all_read, missing: ByteBuf::from(missing) };
        let change = RawChange(body::kind::ATTEST, codec::encode(&attest).into());
        let packed = payload::pack(&Payload { changes: vec![change] });
        let mut writes = self.append_packed(kind::ATTEST, packed, env)?;
        self.attested = Attested {
            seq: self.log.vector().seq(&self.vault.device_id()),
            total: self.log.vector().total(),
            at_ms: env.now_ms,
        };
        writes.push(self.attested_row());
        Ok(Step { writes, notices: vec![crate::step::Notice::Sync], ..Step::default() })
    }

    fn attested_row(&self) -> Write {
        self.row(state::ATTESTED, state::encode(&self.attested))
    }

    /// Compares what another device was shown with what this one was.
    pub(super) fn note_attest(&mut self, origin: Origin, attest: &Attest, batch: &mut Batch<'_>) {
        let author = origin.author;
        if author == self.vault.device_id() || attest.check().is_err() {
            return;
        }
        self.members.note_has(&author, &attest.vector, |_| false);
        batch.members_changed = true;
        self.note_missed_elsewhere(attest, origin.stamp, &batch.rows, batch.now_ms);
        for seen in &attest.relays {
            let Some(remote) = self.remotes.values_mut().find(|remote| remote.record.relay_key == seen.relay) else {
                continue;
            };
            if let Some(here) = remote.contradicts(&seen.position) {
                self.evidence.push(Evidence { here, there: seen.position.clone() });
                remote.stop(StopReason::TwoLogs);
                batch.rows.set(Space::State, state::EVIDENCE.to_vec(), state::encode(&self.evidence));
            }
        }
    }
}
