//! Snapshots as they arrive: parts are kept and applied, lists are believed once all their parts are there. Then the
//! run that a list says again is taken as read, and the ops of it that are here are dropped.

use std::collections::{BTreeMap, BTreeSet};

use caro_schema::{
    body::snapshot::{PARTS_MAX, Snapshot},
    codec,
    id::{DeviceId, OpId},
    op::Header,
    stamp::Stamp,
};
use serde::{Deserialize, Serialize};

use super::{
    Account, DeviceError,
    missed::at_most,
    overlay::Overlay,
    receive::{Arrived, Batch},
    state,
};
use crate::{
    oplog::{Stored, Tip, row_key},
    step::{Rows, Space},
};

/// What is known of snapshots.
#[derive(Default)]
pub(super) struct Snapshots {
    /// Lists that count, by author and first number of the run.
    pub(super) kept: BTreeMap<(DeviceId, u64), Kept>,
    /// Parts that no kept list names, and whether they were applied.
    loose: BTreeMap<OpId, bool>,
    /// Lists that cannot be believed yet.
    expected: Vec<Expected>,
}

/// A list that counts.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The number of the list's own op.
    pub(super) list_seq: u64,
    /// What it says.
    pub(super) list: Snapshot,
    /// Bytes of the packed payload of each part, in order; zero where it is not known.
    pub(super) sizes: Vec<u32>,
}

/// A list that waits for parts, or for an earlier run.
struct Expected {
    list: Snapshot,
    list_seq: u64,
    stamp: Stamp,
    missing: BTreeSet<OpId>,
}

/// Parts without a list. More than two snapshots' worth comes only from a member that means harm.
const LOOSE_MAX: usize = 2 * PARTS_MAX;

/// Lists that wait. A device writes one after hundreds of ops, and each replaces an earlier one.
const EXPECTED_MAX: usize = 256;

impl Kept {
    fn covers(&self, list: &Snapshot) -> bool {
        self.list.from <= list.from && list.to <= self.list.to
    }
}

impl Snapshots {
    pub(super) fn load(rows: &[(Vec<u8>, Vec<u8>)]) -> Result<Self, DeviceError> {
        let mut snapshots = Self::default();
        for (key, value) in rows {
            if state::is_snapshot(key) {
                let kept: Kept = codec::decode(value).map_err(|_| DeviceError::State("snapshot"))?;
                snapshots.kept.insert((kept.list.author, kept.list.from), kept);
            } else if key == state::LOOSE {
                let loose: Vec<(OpId, bool)> = codec::decode(value).map_err(|_| DeviceError::State("snapshot"))?;
                snapshots.loose = loose.into_iter().collect();
            }
        }
        Ok(snapshots)
    }

    /// Every part that is here.
    pub(super) fn parts(&self) -> impl Iterator<Item = OpId> {
        self.loose.keys().copied().chain(self.kept.values().flat_map(|kept| kept.list.part_ids()))
    }

    /// Parts that lists name which cannot be believed yet for want of them.
    pub(super) fn missing(&self) -> Vec<OpId> {
        at_most(self.expected.iter().flat_map(|expected| expected.missing.iter().copied()))
    }

    /// Whether a part is here.
    pub(super) fn has(&self, part: &OpId) -> bool {
        self.loose.contains_key(part) || self.kept.values().any(|kept| kept.list.part_ids().any(|id| id == *part))
    }

    /// The last number from `seq` on that a kept list of this author covers without a gap, if it covers `seq`.
    pub(super) fn covered_to(&self, author: &DeviceId, seq: u64) -> Option<u64> {
        let (_, kept) = self.kept.range((*author, 0)..=(*author, seq)).next_back()?;
        (kept.list.to >= seq).then_some(kept.list.to)
    }

    /// Remembers a list that cannot be believed yet.
    pub(super) fn expect(&mut self, list: Snapshot, header: &Header) {
        let known = |expected: &Expected| expected.list == list && expected.list_seq == header.seq;
        if self.expected.iter().any(known) || self.expected.len() >= EXPECTED_MAX {
            return;
        }
        let kept: BTreeSet<OpId> = self.kept.values().flat_map(|kept| kept.list.part_ids()).collect();
        let missing = list.part_ids().filter(|id| !self.loose.contains_key(id) && !kept.contains(id)).collect();
        self.expected.push(Expected { list, list_seq: header.seq, stamp: header.stamp, missing });
    }

    fn arrived(&mut self, part: OpId, applied: bool) {
        self.loose.insert(part, applied);
        for expected in &mut self.expected {
            expected.missing.remove(&part);
        }
    }

    /// A list whose run can be taken as read: complete, and following what is known of its author.
    fn take_ready(&mut self, known: impl Fn(&DeviceId) -> u64) -> Option<Expected> {
        let kept = &self.kept;
        self.expected.retain(|expected| {
            let newer = |kept: &Kept| {
                kept.list.author == expected.list.author
                    && kept.covers(&expected.list)
                    && kept.list_seq >= expected.list_seq
            };
            !kept.values().any(newer)
        });
        let is_ready =
            |expected: &Expected| expected.missing.is_empty() && expected.list.from <= known(&expected.list.author) + 1;
        let at = self.expected.iter().position(is_ready)?;
        Some(self.expected.swap_remove(at))
    }

    pub(super) fn is_expecting(&self) -> bool {
        !self.expected.is_empty()
    }

    pub(super) fn save_loose(&self, rows: &mut Overlay<'_>) {
        let loose: Vec<(&OpId, &bool)> = self.loose.iter().collect();
        rows.set(Space::State, state::LOOSE.to_vec(), state::encode(&loose));
    }
}

impl Account {
    pub(super) fn take_part(&mut self, arrived: Arrived, batch: &mut Batch<'_>) -> Result<(), DeviceError> {
        let Arrived { cell_id, op, header, id, .. } = arrived;
        self.note_part_at_remote(batch.from, id);
        if self.snapshots.has(&id) {
            return self.note_again((Space::Part, id.0.to_vec()), cell_id, &op, &header, batch);
        }
        if self.snapshots.loose.len() >= LOOSE_MAX {
            self.refused += 1;
            return Ok(());
        }
        // Of a device that was revoked, only what a list names that it wrote before.
        let trusted = self.members.device(&header.author).is_some_and(|member| member.cut.is_none());
        if trusted {
            self.apply_body(op.body.as_ref(), &header, batch);
        }
        batch.rows.set(Space::Part, id.0.to_vec(), Stored::new(cell_id, op.encode()).encode());
        self.snapshots.arrived(id, trusted);
        self.snapshots.save_loose(&mut batch.rows);
        self.take_ready_snapshots(batch)
    }

    /// Remembers a list that has no place yet. Whether its run could be taken as read at once.
    pub(super) fn expect_snapshot(
        &mut self,
        list: Snapshot,
        header: &Header,
        batch: &mut Batch<'_>,
    ) -> Result<bool, DeviceError> {
        let author = list.author;
        let before = self.log.vector().seq(&author);
        self.snapshots.expect(list, header);
        self.take_ready_snapshots(batch)?;
        Ok(self.log.vector().seq(&author) > before)
    }

    /// Takes as read whatever runs can be.
    pub(super) fn take_ready_snapshots(&mut self, batch: &mut Batch<'_>) -> Result<(), DeviceError> {
        while self.snapshots.is_expecting()
            && let vector = self.log.vector()
            && let Some(Expected { list, list_seq, stamp, .. }) = self.snapshots.take_ready(|author| vector.seq(author))
        {
            self.keep_snapshot(&list, list_seq, batch)?;
            self.log.jump(list.author, Tip { seq: list.to, op: list.to_op }, &list.named, stamp);
            self.members.note_seen(&list.author, stamp);
            batch.log_changed = true;
            self.release_of(list.author, batch)?;
        }
        Ok(())
    }

    /// A list counts from now on: what it replaces goes.
    pub(super) fn keep_snapshot(
        &mut self,
        list: &Snapshot,
        list_seq: u64,
        batch: &mut Batch<'_>,
    ) -> Result<(), DeviceError> {
        for id in list.part_ids() {
            if self.snapshots.loose.get(&id) == Some(&false)
                && let Some(bytes) = batch.rows.row(Space::Part, &id.0)?
            {
                let stored = Stored::decode(&bytes).map_err(|_| DeviceError::State("snapshot"))?;
                let op = stored.signed().map_err(|_| DeviceError::State("snapshot"))?;
                let header = Header::decode(&op.header_bytes).map_err(|_| DeviceError::State("snapshot"))?;
                self.apply_body(op.body.as_ref(), &header, batch);
            }
        }
        let sizes = vec![0; list.part_ids().count()];
        let known = self.log.vector().seq(&list.author);
        self.snapshots.keep(Kept { list_seq, list: list.clone(), sizes }, known, &mut batch.rows);
        Ok(())
    }
}

impl Snapshots {
    /// Takes a list in, and drops the ops, parts and lists that it replaces. `known` is the author's last op here.
    pub(super) fn keep(&mut self, new: Kept, known: u64, rows: &mut Overlay<'_>) {
        let author = new.list.author;
        let of_author = |key: &(DeviceId, u64)| key.0 == author;
        if let Some(newer) = self
            .kept
            .values()
            .find(|kept| kept.list.author == author && kept.covers(&new.list) && kept.list_seq >= new.list_seq)
        {
            // Everything in it was said again once more.
            let named: BTreeSet<OpId> = newer.list.part_ids().collect();
            let unnamed: Vec<OpId> = new.list.part_ids().filter(|id| !named.contains(id)).collect();
            self.drop_parts(&unnamed, rows);
            return;
        }
        let replaced: Vec<(DeviceId, u64)> = self
            .kept
            .iter()
            .filter(|(key, kept)| of_author(key) && new.covers(&kept.list))
            .map(|(key, _)| *key)
            .collect();
        let mut seq = new.list.from;
        while seq <= new.list.to.min(known) {
            match self.covered_to(&author, seq) {
                Some(covered) => seq = covered + 1,
                None => {
                    rows.unset(Space::Op, row_key(&author, seq));
                    seq += 1;
                }
            }
        }
        let named: BTreeSet<OpId> = new.list.part_ids().collect();
        for key in replaced {
            let Some(old) = self.kept.remove(&key) else { continue };
            rows.unset(Space::State, state::snapshot_key(&key.0, key.1));
            let unnamed: Vec<OpId> = old.list.part_ids().filter(|id| !named.contains(id)).collect();
            self.drop_parts(&unnamed, rows);
        }
        self.loose.retain(|id, _| !named.contains(id));
        self.save_loose(rows);
        rows.set(Space::State, state::snapshot_key(&author, new.list.from), state::encode(&new));
        self.kept.insert((author, new.list.from), new);
    }

    fn drop_parts(&mut self, parts: &[OpId], rows: &mut Overlay<'_>) {
        for id in parts {
            self.loose.remove(id);
            rows.unset(Space::Part, id.0.to_vec());
        }
        self.save_loose(rows);
    }
}
