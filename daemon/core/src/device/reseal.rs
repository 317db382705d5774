//! Sealing anew, under the newest key, what the relays hold: each op and part that is here goes out once more, and its
//! old cells are purged at each relay once the new one is there. In pieces, so that live commands are not held up, and
//! from where it stood after a restart.
//!
//! Key-log cells stay as they are: they are sealed under a key of their own, which every device keeps. What a relay
//! kept against its word stays as it is too, under keys that whoever had them still has.

use caro_link::proof;
use caro_schema::id::CellId;
use serde::{Deserialize, Serialize};

use super::{Account, DeviceError, Env, overlay::Overlay, receive::class_of, state};
use crate::{
    oplog::Stored,
    step::{Notice, Rows, Space, Step, Write},
    sync::State,
};

/// How far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Resealing {
    /// Which epoch everything is to be sealed under.
    epoch: u32,
    /// The rows that are done, by place in the order of [`SPACES`] and key.
    after: Option<(u8, Vec<u8>)>,
    /// How many were left when it was last looked.
    left: u64,
}

/// What is sealed anew, in this order: what a list names before the list.
const SPACES: [Space; 3] = [Space::Part, Space::Op, Space::Fork];

/// Ops of one step.
const OPS_MAX: usize = 256;

/// Bytes of the ops of one step. More would hold up live commands.
const BYTES_MAX: usize = 1 << 20;

/// Cells that may wait in a queue before more is sealed: the outbox is not to hold the whole history twice.
const QUEUED_MAX: u64 = 1024;

impl Account {
    pub(super) fn load_resealing(&mut self, rows: &dyn Rows) -> Result<(), DeviceError> {
        self.resealing = state::optional(rows, state::RESEAL, "resealing")?;
        Ok(())
    }

    /// From the beginning, also where an earlier one was under way.
    pub(super) fn begin_resealing(&mut self) -> Write {
        let resealing = Resealing { epoch: self.vault.keys().current().number(), after: None, left: self.kept_ops() };
        let write = self.row(state::RESEAL, state::encode(&resealing));
        self.resealing = Some(resealing);
        write
    }

    fn kept_ops(&self) -> u64 {
        self.log.vector().total()
    }

    /// How much is left, while it is under way.
    pub(super) fn resealing_left(&self) -> Option<u64> {
        self.resealing.as_ref().map(|resealing| resealing.left)
    }

    /// Whether the next piece can be done.
    pub(super) fn is_resealing_due(&self) -> bool {
        let has_room = |remote: &crate::sync::Remote| remote.pending_up() < QUEUED_MAX;
        let is_live = |remote: &crate::sync::Remote| remote.state() == State::Live;
        let live = self.remotes.values().any(is_live) && self.remotes.values().filter(|r| is_live(r)).all(has_room);
        self.resealing.is_some() && self.profile.enabled && live
    }

    /// Does the next piece.
    pub(super) fn reseal(&mut self, rows: &dyn Rows, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        if !self.is_resealing_due() {
            return Ok(Step::default());
        }
        let Some(mut resealing) = self.resealing.take() else { return Ok(Step::default()) };
        let mut step = Step { notices: vec![Notice::Sync], ..Step::default() };
        let mut overlay = Overlay::new(rows);
        let mut gone: Vec<CellId> = Vec::new();
        let (mut ops, mut bytes, mut is_done) = (0, 0, true);
        let (first, after) = resealing.after.clone().map_or((0, None), |(at, key)| (usize::from(at), Some(key)));
        'spaces: for (at, space) in SPACES.into_iter().enumerate().skip(first) {
            let mut all = rows.rows(space)?;
            all.sort();
            let all = all.into_iter().filter(|(key, _)| at > first || after.as_ref().is_none_or(|after| key > after));
            for (key, value) in all {
                if ops >= OPS_MAX || bytes >= BYTES_MAX {
                    is_done = false;
                    break 'spaces;
                }
                ops += 1;
                bytes += value.len();
                resealing.after = Some((at as u8, key.clone()));
                step.writes.extend(self.reseal_row(space, key, &value, &mut overlay, &mut gone, env)?);
            }
        }
        step.writes.extend(overlay.into_writes());
        step.writes.extend(self.purge_later(&gone));
        resealing.left = resealing.left.saturating_sub(ops as u64);
        let row = (!is_done).then(|| state::encode(&resealing));
        step.writes.push(Write::Row(Space::State, state::RESEAL.to_vec(), row));
        self.resealing = (!is_done).then_some(resealing);
        Ok(step)
    }

    fn reseal_row(
        &mut self,
        space: Space,
        key: Vec<u8>,
        value: &[u8],
        rows: &mut Overlay<'_>,
        gone: &mut Vec<CellId>,
        env: &mut Env<'_>,
    ) -> Result<Vec<Write>, DeviceError> {
        let mut stored = Stored::decode(value).map_err(|_| DeviceError::State("op"))?;
        let (header, id) = stored.header().map_err(|_| DeviceError::State("op"))?;
        let cell = self.seal(class_of(header.kind), &stored.op, &id, env)?;
        gone.append(&mut stored.cells);
        stored.add_cell(proof::cell_id(&cell));
        rows.set(space, key, stored.encode());
        Ok(self.enqueue_everywhere(&cell))
    }
}
