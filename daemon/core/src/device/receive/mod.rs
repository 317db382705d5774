//! From a relay's cells to history. Each cell is opened, checked and placed; what can be applied is applied, parents
//! first; what needs something that is not there yet waits; everything else is counted and dropped. Nothing is ever
//! applied that was not signed by a member of the account.
//!
//! The walk over what a released op releases in turn is a loop over a queue, never a recursion: a chain of any depth
//! costs no stack. What the changes in an op mean is in [`changes`].

mod changes;

use std::collections::{BTreeSet, VecDeque};

use caro_link::proof;
use caro_schema::{
    body::{self, history::Record},
    cell::CellClass,
    codec,
    id::{CellId, DeviceId, Hash, OpId, RecordId},
    keylog::SignedEntry,
    op::{Body, Header, SignedOp, kind},
};

use super::{
    Account, DeviceError, Env,
    account::with_ids,
    carriers::{Place, records_in},
    members::Accepted,
    overlay::Overlay,
    recorded, state,
};
use crate::{
    history::History,
    oplog::{Held, Placement, Stored, row_key},
    step::{Notice, RemoteNumber, Rows, Space, Step, Write},
    vault::{
        open::{OpenError, open_any},
        payload,
    },
};

/// What one batch of cells adds up to.
pub(super) struct Batch<'a> {
    /// The store as it will be after this batch.
    pub(super) rows: Overlay<'a>,
    pub(super) log_changed: bool,
    pub(super) members_changed: bool,
    /// An epoch began, or a device was taken off.
    key_log_moved: bool,
    /// Who signed what is being applied.
    signer: Option<DeviceId>,
    /// Cells of the queues that were sealed anew.
    queued: Vec<Write>,
    /// Records that only ops said which do not count, and what the others say of them.
    void: (BTreeSet<RecordId>, Vec<Record>),
    /// Which relay it came from.
    pub(super) from: RemoteNumber,
    /// The wall clock, in milliseconds since 1970.
    pub(super) now_ms: u64,
    todo: VecDeque<(CellId, Vec<u8>)>,
    records: Vec<Record>,
    /// Cells whose op is not kept as it came, and the records in them.
    passing: Vec<(CellId, Vec<RecordId>)>,
    deletes: Vec<RecordId>,
}

/// An op whose signature was checked, and the cell that carried it.
pub(super) struct Arrived {
    pub(super) cell_id: CellId,
    pub(super) cell: Vec<u8>,
    pub(super) op: SignedOp,
    pub(super) header: Header,
    pub(super) id: OpId,
}

/// A cell that was opened.
enum Opened {
    Entry(SignedEntry),
    Op(Box<(SignedOp, Header, OpId)>),
    /// No key opens it; one may come.
    NoKey,
    /// Nobody made this for us.
    Bad,
}

impl Account {
    /// Finds out what the cells in quarantine wait for. They were checked when they came; here only their place counts.
    pub(super) fn load_waiting(&mut self, rows: &dyn Rows) -> Result<(), DeviceError> {
        for (key, cell) in rows.rows(Space::Quarantine)? {
            let Some(id) = CellId::from_slice(&key) else { continue };
            let held = match self.open(&cell) {
                Opened::Op(op) => match self.log.place(&op.1, op.2, rows)? {
                    Placement::Waits(need) => {
                        if let Some(list) = list_of(&op.1, op.0.body.as_ref()) {
                            self.snapshots.expect(list, &op.1);
                        }
                        self.waiting.hold_for_op(need, id) == Held::Kept
                    }
                    // The author's certificate has not come.
                    _ => self.waiting.hold_for_key(id, cell.len()),
                },
                _ => self.waiting.hold_for_key(id, cell.len()),
            };
            self.refused += u64::from(!held);
        }
        Ok(())
    }

    /// Takes in a batch of cells.
    pub(super) fn receive(
        &mut self,
        from: RemoteNumber,
        cells: Vec<Vec<u8>>,
        history: &mut History,
        rows: &dyn Rows,
        env: &mut Env<'_>,
    ) -> Result<Step, DeviceError> {
        if cells.is_empty() {
            return Ok(Step::default());
        }
        let mut batch = Batch {
            rows: Overlay::new(rows),
            log_changed: false,
            members_changed: false,
            key_log_moved: false,
            signer: None,
            queued: Vec::new(),
            void: Default::default(),
            from,
            now_ms: env.now_ms,
            todo: with_ids(cells).collect(),
            records: Vec::new(),
            passing: Vec::new(),
            deletes: Vec::new(),
        };
        while let Some((cell_id, cell)) = batch.todo.pop_front() {
            match self.open(&cell) {
                Opened::Entry(signed) => self.take_entry(&signed, &mut batch)?,
                Opened::Op(opened) => {
                    let (op, header, id) = *opened;
                    self.take_op(Arrived { cell_id, cell, op, header, id }, &mut batch)?;
                }
                Opened::NoKey => self.hold_for_key(cell_id, cell, &mut batch),
                Opened::Bad => self.refused += 1,
            }
        }
        self.note_clock(env.now_ms);
        if batch.key_log_moved {
            let void = self.draw_consequences(&mut batch.rows)?;
            let said = if void.is_empty() { Vec::new() } else { self.said_by_others(&void, &batch.rows)? };
            batch.void = (void, said);
            batch.log_changed = true;
            batch.queued = self.reseal_queues(&mut batch.rows, env)?;
        }
        let mut step = self.finish(batch, history, env.now_ms);
        step.extend(self.stop_if_out());
        Ok(step)
    }

    /// A device whose clock is far ahead makes stamps that every later one must exceed. Harmless for what is stored,
    /// and the person should know.
    fn note_clock(&mut self, now_ms: u64) {
        let ahead_ms = self.log.clock().ms().saturating_sub(now_ms);
        if ahead_ms > CLOCK_AHEAD_MS_MAX {
            self.clock_ahead_ms = self.clock_ahead_ms.max(ahead_ms);
        }
    }

    fn finish(&mut self, batch: Batch<'_>, history: &mut History, now_ms: u64) -> Step {
        let Batch { rows, records, deletes, passing, log_changed, members_changed, from, queued, void, .. } = batch;
        let mut writes = rows.into_writes();
        writes.extend(queued);
        let shared = self.shared.take_writes();
        let mut notices: Vec<Notice> = (!shared.is_empty()).then_some(Notice::Shared).into_iter().collect();
        writes.extend(shared);
        if !records.is_empty() || !deletes.is_empty() {
            let put = history.put(records);
            let marks = recorded::marks(&deletes, history);
            let deleted = history.delete(&deletes);
            history.hide(&marks);
            self.deleted_elsewhere.extend(deletes);
            writes.extend(history.take_writes());
            notices.push(Notice::History);
            if put.deleted + deleted.live > 0 {
                writes.extend(self.erase_later(false, now_ms));
            }
        }
        writes.extend(self.purge_unclean(&passing, history));
        let (void, said) = void;
        let void: Vec<RecordId> = void.into_iter().filter(|id| history.contains(id)).collect();
        if !void.is_empty() {
            // Out, and in again as those say it whose word counts.
            history.hide(&void);
            history.unhide(&void);
            history.put(said);
            writes.extend(history.take_writes());
            notices.push(Notice::History);
        }
        if log_changed {
            writes.push(self.row(state::LOG, state::encode(&self.log)));
        }
        if log_changed || members_changed {
            self.forward_later(from, now_ms);
            writes.push(self.row(state::MEMBERS, state::encode(&self.members)));
        }
        Step { writes, notices, ..Step::default() }
    }

    fn open(&self, cell: &[u8]) -> Opened {
        let (class, plain) = match open_any(self.vault.keys(), &self.vault.dataset(), cell) {
            Ok(opened) => opened,
            Err(OpenError::OtherKey) => return Opened::NoKey,
            Err(_) => return Opened::Bad,
        };
        if class == CellClass::KeyLog {
            return codec::decode(&plain).map_or(Opened::Bad, Opened::Entry);
        }
        let Ok(op) = SignedOp::decode(&plain) else { return Opened::Bad };
        match proof::verify_op(&op) {
            Ok((header, id)) if class == class_of(header.kind) && header.dataset == self.vault.dataset() => {
                Opened::Op(Box::new((op, header, id)))
            }
            _ => Opened::Bad,
        }
    }

    fn take_op(&mut self, arrived: Arrived, batch: &mut Batch<'_>) -> Result<(), DeviceError> {
        let header = &arrived.header;
        match self.members.admits(&header.author, header.seq) {
            None => {
                self.hold_for_key(arrived.cell_id, arrived.cell, batch);
                return Ok(());
            }
            Some(false) => {
                self.refused += 1;
                return Ok(());
            }
            Some(true) => {}
        }
        if header.kind == kind::PART {
            return self.take_part(arrived, batch);
        }
        let placement = self.log.place(header, arrived.id, &batch.rows)?;
        if !self.is_before_cut(header, arrived.id, placement) {
            self.refused += 1;
            return Ok(());
        }
        self.note_at_remote(batch.from, header, arrived.id);
        match placement {
            Placement::Known => {
                let place = (Space::Op, row_key(&header.author, header.seq));
                self.note_again(place, arrived.cell_id, &arrived.op, header, batch)
            }
            Placement::Covered => {
                batch.passing.push((arrived.cell_id, records_in(header, arrived.op.body.as_ref())));
                self.apply_body(arrived.op.body.as_ref(), header, batch);
                Ok(())
            }
            Placement::Fork => self.take_fork(&arrived, batch),
            Placement::Waits(need) => {
                if let Some(list) = list_of(header, arrived.op.body.as_ref())
                    && self.expect_snapshot(list, header, batch)?
                {
                    // It may have its place now.
                    batch.todo.push_front((arrived.cell_id, arrived.cell));
                    return Ok(());
                }
                let held = self.waiting.hold_for_op(need, arrived.cell_id);
                if held != Held::Kept {
                    // What finds no room is read again when there is some.
                    self.note_left_behind(batch.from);
                }
                if let Held::InsteadOf(evicted) = held {
                    batch.rows.unset(Space::Quarantine, evicted.0.to_vec());
                }
                if held != Held::Refused {
                    batch.hold(arrived.cell_id, arrived.cell);
                }
                Ok(())
            }
            Placement::Next => self.take_next(&arrived, batch),
        }
    }

    fn take_next(&mut self, arrived: &Arrived, batch: &mut Batch<'_>) -> Result<(), DeviceError> {
        let Arrived { op, header, id, cell_id, .. } = arrived;
        self.log.advance(header, *id);
        self.note_came(header.kind);
        self.members.note_seen(&header.author, header.stamp);
        let vector = self.log.vector();
        self.members.note_has(&header.author, &header.parents, |parent| vector.seq(&parent.author) == parent.seq);
        batch.log_changed = true;
        batch.rows.set(Space::Op, row_key(&header.author, header.seq), Stored::new(*cell_id, op.encode()).encode());
        if let Some(list) = list_of(header, op.body.as_ref()) {
            // Kept at once if its parts are here, and when the last of them comes if not: what it says again is dropped
            // then, and not before.
            self.snapshots.expect(list, header);
        } else {
            self.apply_body(op.body.as_ref(), header, batch);
        }
        self.go_on_with(header.author, batch)?;
        self.go_on_beside(header.author, batch)
    }

    /// What waited for an op of this author may have its turn.
    pub(super) fn go_on_with(&mut self, author: DeviceId, batch: &mut Batch<'_>) -> Result<(), DeviceError> {
        self.release_of(author, batch)?;
        self.take_ready_snapshots(batch)
    }

    pub(super) fn release_of(&mut self, author: DeviceId, batch: &mut Batch<'_>) -> Result<(), DeviceError> {
        let released = self.waiting.released_by(author, self.log.vector());
        self.release(released, batch)
    }

    /// Another cell with an op that is here: it has to go when the op goes. One of the two may have been emptied: then
    /// what is in the other counts, and it is not kept.
    pub(super) fn note_again(
        &mut self,
        place: Place,
        cell: CellId,
        op: &SignedOp,
        header: &Header,
        batch: &mut Batch<'_>,
    ) -> Result<(), DeviceError> {
        self.note_brought(batch.from, &place);
        let Some(bytes) = batch.rows.row(place.0, &place.1)? else { return Ok(()) };
        let is_emptied = Stored::decode(&bytes).and_then(|stored| stored.signed()).is_ok_and(|op| op.body.is_none());
        match (&op.body, is_emptied) {
            (None, false) => {
                self.note_emptied(batch.from, place, cell);
                Ok(())
            }
            (Some(body), true) => {
                batch.passing.push((cell, records_in(header, Some(body))));
                self.apply_body(Some(body), header, batch);
                Ok(())
            }
            _ => self.note_cell_of(place.0, place.1, cell, batch),
        }
    }

    pub(super) fn note_cell_of(
        &mut self,
        space: Space,
        key: Vec<u8>,
        cell: CellId,
        batch: &mut Batch<'_>,
    ) -> Result<(), DeviceError> {
        let Some(bytes) = batch.rows.row(space, &key)? else { return Ok(()) };
        let mut stored = Stored::decode(&bytes).map_err(|_| DeviceError::State("op"))?;
        if stored.add_cell(cell) {
            batch.rows.set(space, key, stored.encode());
        }
        Ok(())
    }

    fn take_entry(&mut self, signed: &SignedEntry, batch: &mut Batch<'_>) -> Result<(), DeviceError> {
        let hash: Hash = proof::entry_hash(&signed.entry);
        self.note_entry_at_remote(batch.from, hash);
        self.note_brought(batch.from, &(Space::State, state::entry_key(&hash)));
        match self.members.accept(&self.vault.account(), &self.vault.dataset(), signed) {
            Accepted::Known => return Ok(()),
            Accepted::Refused => {
                self.refused += 1;
                return Ok(());
            }
            Accepted::Admitted(devices) => {
                self.note_lists_old();
                devices.into_iter().for_each(|device| self.note_joined(device, batch));
            }
            // Kept with the others, so that it is passed on, and taken in when the device that signed it is known.
            Accepted::Waits => {}
            Accepted::Epoch(entry) => {
                batch.key_log_moved = true;
                self.take_epoch(&entry, batch)?;
            }
        }
        batch.members_changed = true;
        batch.rows.set(Space::State, state::entry_key(&hash), codec::encode(signed));
        let released = self.waiting.released_by_key();
        self.release(released, batch)
    }

    fn hold_for_key(&mut self, id: CellId, cell: Vec<u8>, batch: &mut Batch<'_>) {
        if self.waiting.hold_for_key(id, cell.len()) {
            batch.hold(id, cell);
        } else {
            self.refused += 1;
        }
    }

    /// Puts cells whose turn may have come back into the queue of this batch.
    pub(super) fn release(&mut self, cells: Vec<CellId>, batch: &mut Batch<'_>) -> Result<(), DeviceError> {
        for id in cells {
            let cell = batch.rows.row(Space::Quarantine, &id.0)?;
            batch.rows.unset(Space::Quarantine, id.0.to_vec());
            batch.todo.extend(cell.map(|cell| (id, cell)));
        }
        Ok(())
    }
}

impl Batch<'_> {
    fn hold(&mut self, id: CellId, cell: Vec<u8>) {
        self.rows.set(Space::Quarantine, id.0.to_vec(), cell);
    }
}

/// The list that an op is, if it is one and can be believed.
fn list_of(header: &Header, body: Option<&Body>) -> Option<body::snapshot::Snapshot> {
    if header.kind != kind::SNAPSHOT {
        return None;
    }
    let payload = payload::unpack(&body?.payload).ok()?;
    let change = payload.changes.iter().find(|change| change.0 == body::kind::SNAPSHOT)?;
    let list: body::snapshot::Snapshot = codec::decode(&change.1).ok()?;
    // Nobody says again what somebody else wrote, or what is still to come.
    let is_own_past = list.author == header.author && list.to < header.seq;
    (list.check().is_ok() && is_own_past).then_some(list)
}

/// How far another device's clock may be ahead before the person is told: a day, more than any time zone mistaken for UTC.
const CLOCK_AHEAD_MS_MAX: u64 = 86_400_000;

/// The class of the cells that carry ops of this kind.
pub(super) fn class_of(op_kind: u8) -> CellClass {
    match op_kind {
        kind::SNAPSHOT | kind::PART => CellClass::Snapshot,
        kind::ATTEST => CellClass::Attest,
        _ => CellClass::Op,
    }
}
