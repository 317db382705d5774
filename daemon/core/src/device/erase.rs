//! Deleting what ops carry. A deletion takes a record out of history at once; its text is still in the op that brought it,
//! here and at every relay. So whatever carries a deleted record is *emptied*: the op stays, as a header that tells nothing
//! and its signature, so that the chain holds; salt and payload go; the sealed cells are purged at each relay and a cell
//! with the header alone stands in their place. What else was in it is said again first, in an op of its own, in the same
//! transaction.
//!
//! What was deleted and may still be taken back ([`Fates`]) is not deleted yet, and is said again with the rest.
//!
//! Any device may empty any op, for a deletion always wins and an author may never come back. Who deleted does it at
//! once; the others look a moment later, find most of it done, and do what is left. So nobody has to be waited for, and
//! what is said again is said once, nearly always: a change that some other carrier holds is not said again.
//!
//! It goes in pieces: looking through all carriers takes longer than a shell's file may wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use caro_link::proof;
use caro_schema::{
    id::{CellId, OpId, RecordId},
    op::{RawChange, SignedOp, kind},
};

use super::{
    Account, DeviceError, Env, backfill,
    carriers::{Carrier, LOOK_BYTES, Place, Said, id_of_delete},
    overlay::Overlay,
    receive::class_of,
    record::put,
    state,
    trash::Fates,
};
use crate::{
    history::History,
    oplog::Stored,
    step::{Notice, RemoteNumber, RowError, Rows, Space, Step, Write},
};

/// Milliseconds after which a device looks for what others' deletions left: time for who deleted to do it.
const AFTER_OTHERS_MS: u64 = 2_000;

/// Carriers that are emptied in one transaction. More would hold too much of the history in memory once more.
const AT_ONCE: usize = 16;

/// How far the looking is.
pub(super) struct Erasing {
    /// When it goes on, in milliseconds since 1970.
    due_ms: u64,
    stage: Stage,
}

enum Stage {
    /// Nothing was looked at.
    Due,
    /// Looking for carriers of what was deleted.
    Looking { todo: VecDeque<Place>, found: Vec<Place> },
    /// Looking for what else carries the rest of what was found.
    Comparing { todo: VecDeque<Place>, found: Vec<Place>, rest: BTreeMap<[u8; 32], RawChange>, check: VecDeque<Place> },
}

impl Account {
    /// Something was deleted that may be carried. Gives the row that remembers it.
    pub(super) fn erase_later(&mut self, own: bool, now_ms: u64) -> Option<Write> {
        let due_ms = if own { now_ms } else { now_ms + AFTER_OTHERS_MS };
        let known = self.erasing.as_ref().map(|erasing| erasing.due_ms);
        // Also what was looked at already is looked at again.
        self.erasing = Some(Erasing { due_ms, stage: Stage::Due });
        known.is_none().then(|| self.row(state::ERASE, Vec::new()))
    }

    /// What was left of it when the daemon ended.
    pub(super) fn load_erasing(&mut self, rows: &dyn Rows) -> Result<(), RowError> {
        if rows.row(Space::State, state::ERASE)?.is_some() {
            self.erasing = Some(Erasing { due_ms: 0, stage: Stage::Due });
        }
        Ok(())
    }

    pub(super) fn erase_at_ms(&self) -> Option<u64> {
        self.erasing.as_ref().map(|erasing| erasing.due_ms)
    }

    pub(super) fn note_erasing_set_back(&mut self, now_ms: u64) {
        if let Some(erasing) = &mut self.erasing {
            erasing.due_ms = erasing.due_ms.min(now_ms + AFTER_OTHERS_MS);
        }
    }

    /// A cell came that holds nothing but the header of an op: this relay has what takes the op's place.
    pub(super) fn note_emptied(&mut self, from: RemoteNumber, place: Place, cell: CellId) {
        self.emptied.insert((from, place), cell);
    }

    /// One piece of looking, or emptying what was found.
    pub(super) fn erase(&mut self, fates: Fates<'_>, rows: &dyn Rows, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        let Some(Erasing { due_ms, stage }) = self.erasing.take() else { return Ok(Step::default()) };
        if due_ms > env.now_ms {
            self.erasing = Some(Erasing { due_ms, stage });
            return Ok(Step::default());
        }
        let (stage, step) = match stage {
            Stage::Due => {
                (Some(Stage::Looking { todo: self.carriers(rows)?.into(), found: Vec::new() }), Step::default())
            }
            Stage::Looking { todo, found } => self.look(todo, found, fates, rows)?,
            Stage::Comparing { todo, found, rest, check } => {
                self.compare(todo, found, rest, check, fates, rows, env)?
            }
        };
        self.erasing = stage.map(|stage| Erasing { due_ms, stage });
        Ok(step)
    }

    fn look(
        &mut self,
        mut todo: VecDeque<Place>,
        mut found: Vec<Place>,
        fates: Fates<'_>,
        rows: &dyn Rows,
    ) -> Result<(Option<Stage>, Step), DeviceError> {
        let mut looked = 0;
        while looked < LOOK_BYTES
            && found.len() < AT_ONCE
            && let Some(place) = todo.pop_front()
        {
            let Some(carrier) = Carrier::read(&place, rows)? else { continue };
            looked += carrier.stored.op.len();
            let is_deleted = |said: &Said| said.record_id().is_some_and(|id| fates.is_gone(&id));
            if carrier.said.iter().any(is_deleted) {
                found.push(place);
            }
        }
        if !todo.is_empty() && found.len() < AT_ONCE {
            return Ok((Some(Stage::Looking { todo, found }), Step::default()));
        }
        if found.is_empty() {
            self.emptied.clear();
            let done = Write::Row(Space::State, state::ERASE.to_vec(), None);
            return Ok((None, Step { writes: vec![done], ..Step::default() }));
        }
        let mut rest = BTreeMap::new();
        for place in &found {
            let Some(carrier) = Carrier::read(place, rows)? else { continue };
            rest.extend(carrier.said.into_iter().filter_map(|said| self.left_of(said, fates)));
        }
        let taken: BTreeSet<&Place> = found.iter().collect();
        let check = if rest.is_empty() { Vec::new() } else { self.carriers(rows)? };
        let check = check.into_iter().filter(|place| !taken.contains(place)).collect();
        Ok((Some(Stage::Comparing { todo, found, rest, check }), Step::default()))
    }

    /// What is left of a change when what was deleted is gone, and how it is known.
    fn left_of(&self, said: Said, fates: Fates<'_>) -> Option<([u8; 32], RawChange)> {
        let said = match said.record_id() {
            // Said anew, as it is by now.
            None if said.is_relay_keys_of(&self.vault.device_id()) => return None,
            None => said,
            Some(id) if fates.is_gone(&id) => return None,
            // As it is known by now.
            Some(id) => Said { change: fates.history.record(&id).map_or(said.change, |record| put(&record)), ..said },
        };
        Some((said.digest(), said.into_change()))
    }

    #[expect(clippy::too_many_arguments, reason = "a stage, taken apart")]
    fn compare(
        &mut self,
        todo: VecDeque<Place>,
        found: Vec<Place>,
        mut rest: BTreeMap<[u8; 32], RawChange>,
        mut check: VecDeque<Place>,
        fates: Fates<'_>,
        rows: &dyn Rows,
        env: &mut Env<'_>,
    ) -> Result<(Option<Stage>, Step), DeviceError> {
        let mut looked = 0;
        while looked < LOOK_BYTES
            && !rest.is_empty()
            && let Some(place) = check.pop_front()
        {
            let Some(carrier) = Carrier::read(&place, rows)? else { continue };
            looked += carrier.stored.op.len();
            let is_deleted = |said: &Said| said.record_id().is_some_and(|id| fates.is_gone(&id));
            if carrier.said.iter().any(is_deleted) {
                // Its turn comes. What it holds is not safe there.
                continue;
            }
            for said in carrier.said {
                rest.remove(&said.digest());
            }
        }
        if !check.is_empty() && !rest.is_empty() {
            return Ok((Some(Stage::Comparing { todo, found, rest, check }), Step::default()));
        }
        let step = self.empty(&found, rest.into_values().collect(), fates, rows, env)?;
        Ok((Some(Stage::Looking { todo, found: Vec::new() }), step))
    }

    /// Says the rest again, empties what was found, and has every relay forget the cells.
    fn empty(
        &mut self,
        found: &[Place],
        mut rest: Vec<RawChange>,
        fates: Fates<'_>,
        rows: &dyn Rows,
        env: &mut Env<'_>,
    ) -> Result<Step, DeviceError> {
        // Deleted while this was looked for.
        let is_left = |change: &RawChange| {
            let id = super::carriers::id_of_record(change);
            !id.is_some_and(|id| fates.is_gone(&id))
        };
        rest.retain(is_left);
        rest.sort_by_key(|change| id_of_delete(change).is_none());
        let mut writes = Vec::new();
        for packed in backfill::fill(rest, &mut self.kept_here) {
            writes.extend(self.append_packed(kind::CHANGES, packed, env)?);
        }
        if self.says_own_relay_keys(found, rows)? {
            // Nobody else is believed about them, so that others cannot say them again for it.
            writes.extend(self.say_relay_keys_again(env)?);
        }
        let mut rows = Overlay::new(rows);
        let mut gone = Vec::new();
        for place in found {
            writes.extend(self.empty_one(place, &mut gone, &mut rows, env)?);
        }
        writes.extend(self.drop_queued(&gone, &rows)?);
        writes.extend(self.purge_later(&gone));
        writes.extend(rows.into_writes());
        Ok(Step { writes, notices: vec![Notice::Sync], ..Step::default() })
    }

    fn empty_one(
        &mut self,
        place: &Place,
        gone: &mut Vec<CellId>,
        rows: &mut Overlay<'_>,
        env: &mut Env<'_>,
    ) -> Result<Vec<Write>, DeviceError> {
        let Some(Carrier { stored, header, .. }) = Carrier::read(place, rows)? else { return Ok(Vec::new()) };
        let op = stored.signed().map_err(|_| DeviceError::State("op"))?;
        let id = proof::op_id(&op.header_bytes);
        let stub = SignedOp { body: None, ..op }.encode();
        gone.extend(&stored.cells);
        let cell = self.seal(class_of(header.kind), &stub, &id, env)?;
        // To be purged when its author packs its ops.
        let mut kept = Stored { cells: Vec::new(), op: stub };
        let mut writes = Vec::new();
        // Also what is on no chain: others follow it, and wait where nothing of it came.
        let lacking: Vec<RemoteNumber> = self.remotes.keys().copied().collect();
        for number in lacking {
            if let Some(there) = self.emptied.remove(&(number, place.clone())) {
                kept.add_cell(there);
            } else if let Some(remote) = self.remotes.get_mut(&number) {
                kept.add_cell(proof::cell_id(&cell));
                writes.push(Write::Queue(number, remote.enqueue(), Some(cell.clone())));
            }
        }
        rows.set(place.0, place.1.clone(), kept.encode());
        if place.0 == Space::Part {
            self.note_part_emptied(id, rows);
        }
        Ok(writes)
    }

    /// Whether this device says in one of these with which keys it comes to relays.
    fn says_own_relay_keys(&self, places: &[Place], rows: &dyn Rows) -> Result<bool, DeviceError> {
        let own = self.vault.device_id();
        for place in places {
            let Some(Carrier { header, said, .. }) = Carrier::read(place, rows)? else { continue };
            if header.author == own && said.iter().any(|said| said.is_relay_keys_of(&own)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// An emptied part is worth packing again: it is not full any more.
    fn note_part_emptied(&mut self, part: OpId, rows: &mut Overlay<'_>) {
        for ((author, from), kept) in &mut self.snapshots.kept {
            let at = kept.list.part_ids().position(|id| id == part);
            if let Some(size) = at.and_then(|at| kept.sizes.get_mut(at)) {
                *size = 0;
                rows.set(Space::State, state::snapshot_key(author, *from), state::encode(kept));
            }
        }
    }

    /// Takes out of the queues what was not sent yet.
    fn drop_queued(&mut self, gone: &[CellId], rows: &dyn Rows) -> Result<Vec<Write>, DeviceError> {
        let gone: BTreeSet<&CellId> = gone.iter().collect();
        let mut writes = Vec::new();
        for remote in self.remotes.values_mut() {
            let mut after = 0;
            loop {
                let page = rows.queue(remote.number, after, LOOK_BYTES)?;
                let Some((last, _)) = page.last() else { break };
                after = *last;
                for (queued, cell) in page {
                    if gone.contains(&proof::cell_id(&cell)) && remote.forget_queued(queued) {
                        writes.push(Write::Queue(remote.number, queued, None));
                    }
                }
            }
        }
        Ok(writes)
    }

    /// Cells that hold what was deleted and whose op is kept elsewhere, emptied or packed: nobody else asks for them to be
    /// forgotten.
    pub(super) fn purge_unclean(&mut self, cells: &[(CellId, Vec<RecordId>)], history: &History) -> Vec<Write> {
        let holds = |ids: &[RecordId]| ids.iter().any(|id| history.is_deleted(id));
        let unclean: Vec<CellId> = cells.iter().filter(|(_, ids)| holds(ids)).map(|(cell, _)| *cell).collect();
        self.purge_later(&unclean)
    }

    /// Every record that is carried.
    pub(super) fn carried(&self, rows: &dyn Rows) -> Result<BTreeSet<RecordId>, DeviceError> {
        let mut carried = BTreeSet::new();
        for place in self.carriers(rows)? {
            if let Some(carrier) = Carrier::read(&place, rows)? {
                carried.extend(carrier.said.iter().filter_map(Said::record_id));
            }
        }
        Ok(carried)
    }
}
