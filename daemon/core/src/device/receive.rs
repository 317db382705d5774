//! From a relay's cells to history. Each cell is opened, checked and placed; what can be applied is applied, parents
//! first; what needs something that is not there yet waits; everything else is counted and dropped. Nothing is ever
//! applied that was not signed by a member of the account.
//!
//! The walk over what a released op releases in turn is a loop over a queue, never a recursion: a chain of any depth
//! costs no stack.

use std::collections::{HashMap, VecDeque};

use caro_link::proof;
use caro_schema::{
    body::{
        self,
        device::Name,
        history::{Delete, Record},
    },
    cell::CellClass,
    codec,
    id::{CellId, DeviceId, Hash, OpId, RecordId},
    keylog::{Entry, Membership, SignedEntry},
    op::{Header, SignedOp, kind},
};

use super::{Account, DeviceError, Env, account::with_ids, members::Accepted, state};
use crate::{
    history::History,
    oplog::{Placement, row_key},
    step::{Notice, Rows, Space, Step, Write},
    vault::{
        open::{OpenError, open_any},
        payload,
    },
};

/// What one batch of cells adds up to.
#[derive(Default)]
struct Batch {
    todo: VecDeque<(CellId, Vec<u8>)>,
    /// Cells that went into quarantine in this batch: their rows are not in the store yet.
    held: HashMap<CellId, Vec<u8>>,
    records: Vec<Record>,
    deletes: Vec<RecordId>,
    writes: Vec<Write>,
    log_changed: bool,
    members_changed: bool,
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
                    Placement::Waits(need) => self.waiting.hold_for_op(need, id),
                    // The author's certificate has not come.
                    _ => self.waiting.hold_for_key(id),
                },
                _ => self.waiting.hold_for_key(id),
            };
            self.refused += u64::from(!held);
        }
        Ok(())
    }

    /// Takes in a batch of cells.
    pub(super) fn receive(
        &mut self,
        cells: Vec<Vec<u8>>,
        history: &mut History,
        rows: &dyn Rows,
        env: &mut Env<'_>,
    ) -> Result<Step, DeviceError> {
        if cells.is_empty() {
            return Ok(Step::default());
        }
        let mut batch = Batch { todo: with_ids(cells).collect(), ..Batch::default() };
        while let Some((id, cell)) = batch.todo.pop_front() {
            match self.open(&cell) {
                Opened::Entry(signed) => self.take_entry(&signed, &mut batch, rows)?,
                Opened::Op(op) => self.take_op(id, cell, *op, &mut batch, rows)?,
                Opened::NoKey => self.hold_for_key(id, cell, &mut batch),
                Opened::Bad => self.refused += 1,
            }
        }
        self.note_clock(env.now_ms);
        Ok(self.finish(batch, history))
    }

    /// A device whose clock is far ahead makes stamps that every later one must exceed. Harmless for what is stored,
    /// and the person should know.
    fn note_clock(&mut self, now_ms: u64) {
        let ahead_ms = self.log.clock().ms().saturating_sub(now_ms);
        if ahead_ms > CLOCK_AHEAD_MS_MAX {
            self.clock_ahead_ms = self.clock_ahead_ms.max(ahead_ms);
        }
    }

    fn finish(&mut self, batch: Batch, history: &mut History) -> Step {
        let Batch { records, deletes, mut writes, log_changed, members_changed, .. } = batch;
        let mut notices = Vec::new();
        if !records.is_empty() || !deletes.is_empty() {
            history.put(records);
            history.delete(&deletes);
            writes.extend(history.take_writes());
            notices.push(Notice::History);
        }
        if log_changed {
            writes.push(self.row(state::LOG, state::encode(&self.log)));
        }
        if log_changed || members_changed {
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

    fn take_op(
        &mut self,
        cell_id: CellId,
        cell: Vec<u8>,
        (op, header, id): (SignedOp, Header, OpId),
        batch: &mut Batch,
        rows: &dyn Rows,
    ) -> Result<(), DeviceError> {
        match self.members.admits(&header.author, header.seq) {
            None => {
                self.hold_for_key(cell_id, cell, batch);
                return Ok(());
            }
            Some(false) => {
                self.refused += 1;
                return Ok(());
            }
            Some(true) => {}
        }
        match self.log.place(&header, id, rows)? {
            Placement::Known => self.note_offered(header.author, header.seq),
            Placement::Fork => {
                self.is_cloned |= header.author == self.vault.device_id();
                self.refused += 1;
            }
            Placement::Waits(need) => {
                if self.waiting.hold_for_op(need, cell_id) {
                    self.hold(cell_id, cell, batch);
                } else {
                    self.refused += 1;
                }
            }
            Placement::Next => {
                self.apply(op, &header, id, batch);
                let released = self.waiting.released_by(header.author, self.log.vector());
                self.release(released, batch, rows)?;
            }
        }
        Ok(())
    }

    fn apply(&mut self, op: SignedOp, header: &Header, id: OpId, batch: &mut Batch) {
        self.note_offered(header.author, header.seq);
        self.log.advance(header, id);
        self.members.note_seen(&header.author, header.stamp);
        batch.log_changed = true;
        let key = row_key(&header.author, header.seq);
        batch.writes.push(Write::Row(Space::Op, key, Some(op.encode())));
        let Some(body) = op.body else { return };
        // A member signed it, so what cannot be unpacked is of a later version. It is kept and passed on.
        let Ok(payload) = payload::unpack(&body.payload) else {
            self.upgrade_due = true;
            return;
        };
        for change in payload.changes {
            if !self.apply_change(change.0, &change.1, header, batch) {
                self.upgrade_due = true;
            }
        }
    }

    /// Applies one change. False when this version does not know it.
    fn apply_change(&mut self, number: u16, bytes: &[u8], header: &Header, batch: &mut Batch) -> bool {
        match number {
            body::kind::RECORD => codec::decode::<Record>(bytes).map(|record| batch.records.push(record)).is_ok(),
            body::kind::DELETE => codec::decode::<Delete>(bytes).map(|delete| batch.deletes.push(delete.id)).is_ok(),
            body::kind::DEVICE_NAME => codec::decode::<Name>(bytes)
                .map(|name| self.members.note_name(&header.author, header.stamp, name))
                .is_ok(),
            _ => false,
        }
    }

    fn take_entry(&mut self, signed: &SignedEntry, batch: &mut Batch, rows: &dyn Rows) -> Result<(), DeviceError> {
        let hash: Hash = proof::entry_hash(&signed.entry);
        self.note_entry_offered(hash);
        match self.members.accept(&self.vault.account(), &self.vault.dataset(), signed) {
            Accepted::Known => return Ok(()),
            Accepted::Refused => {
                self.refused += 1;
                return Ok(());
            }
            Accepted::Admitted(device) => self.note_joined(device),
            Accepted::Epoch(entry) => self.take_epoch(&entry, batch),
        }
        batch.members_changed = true;
        batch.writes.push(self.row(&state::entry_key(&hash), codec::encode(signed)));
        let released = self.waiting.released_by_key();
        self.release(released, batch, rows)
    }

    /// Who was there before this device is no news.
    fn note_joined(&mut self, device: DeviceId) {
        let added = |device: &DeviceId| self.members.device(device).map(|member| member.added);
        if added(&device) > added(&self.vault.device_id()) {
            self.joined.push(device);
        }
    }

    /// Takes the new epoch's key out of an entry, if it was wrapped for this device.
    fn take_epoch(&mut self, entry: &Entry, batch: &mut Batch) {
        let (Membership::Revoke { epoch, wraps, .. } | Membership::Rotate { epoch, wraps }) = &entry.change else {
            return;
        };
        let own = self.vault.device_id();
        let Some(wrap) = wraps.iter().find(|wrap| wrap.device == own) else { return };
        if self.vault.add_epoch(*epoch, wrap).is_ok() {
            batch.writes.push(self.row(state::VAULT, self.vault.encode().to_vec()));
        } else {
            self.refused += 1;
        }
    }

    fn hold_for_key(&mut self, id: CellId, cell: Vec<u8>, batch: &mut Batch) {
        if self.waiting.hold_for_key(id) {
            self.hold(id, cell, batch);
        } else {
            self.refused += 1;
        }
    }

    fn hold(&mut self, id: CellId, cell: Vec<u8>, batch: &mut Batch) {
        batch.writes.push(Write::Row(Space::Quarantine, id.0.to_vec(), Some(cell.clone())));
        batch.held.insert(id, cell);
    }

    /// Puts cells whose turn may have come back into the queue of this batch.
    fn release(&mut self, cells: Vec<CellId>, batch: &mut Batch, rows: &dyn Rows) -> Result<(), DeviceError> {
        for id in cells {
            let cell = match batch.held.remove(&id) {
                Some(cell) => Some(cell),
                None => rows.row(Space::Quarantine, &id.0)?,
            };
            batch.writes.push(Write::Row(Space::Quarantine, id.0.to_vec(), None));
            batch.todo.extend(cell.map(|cell| (id, cell)));
        }
        Ok(())
    }
}

/// How far another device's clock may be ahead before the person is told: a day, more than any time zone mistaken for UTC.
const CLOCK_AHEAD_MS_MAX: u64 = 86_400_000;

/// The class of the cells that carry ops of this kind.
fn class_of(op_kind: u8) -> CellClass {
    match op_kind {
        kind::SNAPSHOT => CellClass::Snapshot,
        kind::ATTEST => CellClass::Attest,
        _ => CellClass::Op,
    }
}
