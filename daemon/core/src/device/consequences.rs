//! What follows when the key log says that devices are off the account or that an epoch began: ops of a revoked device
//! end at its cut, here and on every other device; what waits to be sent is sealed under the new key; and a device that
//! finds itself off, or without the new key, says nothing more to anybody.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry as Slot};

use caro_link::proof;
use caro_schema::{
    body::{self, history::Record},
    cell::CellView,
    codec,
    id::{CellId, DeviceId, OpId, RecordId},
    ipc::sync::{StopReason, Warning},
    keylog::{Entry, Membership},
    op::{Header, SignedOp},
};

use super::{
    Account, DeviceError, Env,
    news::News,
    overlay::Overlay,
    receive::{Batch, class_of},
    state,
};
use crate::{
    oplog::{Placement, Stored, Tip, fork, row_key},
    step::{RemoteNumber, Rows, Space, Step, Write},
    sync::State,
    vault::{open::open_any, payload},
};

/// Bytes of a queue that are sealed anew together.
const QUEUE_PAGE_BYTES: usize = 1 << 20;

impl Account {
    /// Whether this device is off the account, or has not its newest key. It can come in again as a new one.
    pub fn is_out(&self) -> bool {
        self.is_revoked() || self.lacks_key() || self.is_told_off()
    }

    /// Whether the key log says that this device is off.
    pub fn is_revoked(&self) -> bool {
        self.members.end_of(&self.vault.device_id()).is_some()
    }

    /// Whether an epoch began whose key this device was not given.
    fn lacks_key(&self) -> bool {
        self.members.newest_epoch() > self.vault.keys().current().number()
    }

    /// Whether every relay says that this device is off. One may be wrong, or lie; without any there is nothing to do
    /// but to come in again.
    fn is_told_off(&self) -> bool {
        let off = |state: State| state == State::Stopped(StopReason::Revoked);
        !self.remotes.is_empty() && self.remotes.values().all(|remote| off(remote.state()))
    }

    /// What an entry that began an epoch means for this device.
    pub(super) fn take_epoch(&mut self, entry: &Entry, batch: &mut Batch<'_>) -> Result<(), DeviceError> {
        let (Membership::Revoke { epoch, wraps, .. } | Membership::Rotate { epoch, wraps }) = &entry.change else {
            return Ok(());
        };
        let own = self.vault.device_id();
        if let Some(wrap) = wraps.iter().find(|wrap| wrap.device == own) {
            if self.vault.add_epoch(*epoch, wrap).is_ok() {
                batch.rows.set(Space::State, state::VAULT.to_vec(), self.vault.encode().to_vec());
            } else {
                self.refused += 1;
            }
        }
        if let Membership::Revoke { device, .. } = &entry.change
            && *device != own
        {
            self.note_news(News::Revoked(*device), batch);
        }
        let released = self.waiting.released_of(|author| self.members.end_of(author).is_some());
        self.release(released, batch)
    }

    /// After a batch in which the key log grew: ops are cut off, and a device that is out stops.
    pub(super) fn draw_consequences(&mut self, rows: &mut Overlay<'_>) -> Result<BTreeSet<RecordId>, DeviceError> {
        let mut void = BTreeSet::new();
        let own = self.vault.device_id();
        // What a device that was revoked has of its own stays as it is: nobody else reads it from there.
        let others = self.members.iter().map(|(device, _)| *device).filter(|device| *device != own);
        let ends: Vec<(DeviceId, u64)> =
            others.filter_map(|device| Some((device, self.members.end_of(&device)?))).collect();
        for (device, end) in ends {
            self.log.end_at(device, end);
            if self.log.vector().seq(&device) > end {
                void.extend(self.cut_off(device, end, rows)?);
            }
        }
        Ok(void)
    }

    /// Takes ops back that were applied before it was known that they do not count. What a snapshot says again cannot be
    /// taken apart; then the device's ops stay as they are. Gives the records that only those ops had said.
    fn cut_off(
        &mut self,
        device: DeviceId,
        end: u64,
        rows: &mut Overlay<'_>,
    ) -> Result<BTreeSet<RecordId>, DeviceError> {
        let last = match self.members.cut_of(&device).filter(|cut| cut.seq == end && end > 0) {
            Some(cut) => Tip { seq: cut.seq, op: cut.op },
            None => Tip { seq: 0, op: OpId([0; 32]) },
        };
        let mut void = BTreeSet::new();
        for seq in end + 1..=self.log.vector().seq(&device) {
            let Some(bytes) = rows.row(Space::Op, &row_key(&device, seq))? else { return Ok(BTreeSet::new()) };
            let op = Stored::decode(&bytes).and_then(|stored| stored.signed());
            let payload = op.ok().and_then(|op| payload::unpack(&op.body?.payload).ok());
            let records = payload.into_iter().flat_map(|payload| payload.changes);
            let records = records.filter(|change| change.0 == body::kind::RECORD);
            void.extend(records.filter_map(|change| codec::decode::<Record>(&change.1).ok()).map(|record| record.id));
        }
        for seq in end + 1..=self.log.vector().seq(&device) {
            rows.unset(Space::Op, row_key(&device, seq));
        }
        self.log.turn_to(device, last);
        Ok(void)
    }

    /// Of records that void ops said, what the ops that count say: those stay, and the others go.
    pub(super) fn said_by_others(
        &self,
        void: &BTreeSet<RecordId>,
        rows: &dyn Rows,
    ) -> Result<Vec<Record>, DeviceError> {
        let mut said = Vec::new();
        for space in [Space::Op, Space::Part, Space::Fork] {
            for (_, bytes) in rows.rows(space)? {
                let op = Stored::decode(&bytes).and_then(|stored| stored.signed());
                let Some(payload) = op.ok().and_then(|op| payload::unpack(&op.body?.payload).ok()) else { continue };
                let records = payload.changes.into_iter().filter(|change| change.0 == body::kind::RECORD);
                let records = records.filter_map(|change| codec::decode::<Record>(&change.1).ok());
                said.extend(records.filter(|record| void.contains(&record.id)));
            }
        }
        Ok(said)
    }

    /// Whether an op of a revoked device counts although it comes late: it has its place in the chain that ends at the
    /// cut. Whoever has a thief's copy of the device can write other ones with the same numbers.
    pub(super) fn is_before_cut(&self, header: &Header, id: OpId, placement: Placement) -> bool {
        let Some(cut) = self.members.cut_of(&header.author) else { return true };
        match placement {
            Placement::Fork => false,
            Placement::Next | Placement::Waits(_) => header.seq < cut.seq || id == cut.op,
            Placement::Known | Placement::Covered => true,
        }
    }

    /// Seals what waits to be sent under the newest key, where it was sealed under an earlier one. It keeps its place.
    pub(super) fn reseal_queues(
        &mut self,
        rows: &mut Overlay<'_>,
        env: &mut Env<'_>,
    ) -> Result<Vec<Write>, DeviceError> {
        let newest = self.vault.keys().current().cell().id();
        let key_log = self.vault.keys().key_log().cell().id();
        let mut anew: BTreeMap<CellId, Vec<u8>> = BTreeMap::new();
        let mut writes = Vec::new();
        let numbers: Vec<RemoteNumber> = self.remotes.keys().copied().collect();
        for number in numbers {
            let mut after = 0;
            loop {
                let page = rows.queue(number, after, QUEUE_PAGE_BYTES)?;
                let Some((last, _)) = page.last() else { break };
                after = *last;
                for (queued, cell) in page {
                    let is_old =
                        CellView::parse(&cell).is_ok_and(|view| view.key_id != newest && view.key_id != key_log);
                    if !is_old {
                        continue;
                    }
                    let sealed = match anew.entry(proof::cell_id(&cell)) {
                        Slot::Occupied(known) => known.get().clone(),
                        Slot::Vacant(slot) => match self.seal_cell_anew(&cell, rows, env)? {
                            Some(sealed) => slot.insert(sealed).clone(),
                            None => continue,
                        },
                    };
                    writes.push(Write::Queue(number, queued, Some(sealed)));
                }
            }
        }
        Ok(writes)
    }

    fn seal_cell_anew(
        &self,
        cell: &[u8],
        rows: &mut Overlay<'_>,
        env: &mut Env<'_>,
    ) -> Result<Option<Vec<u8>>, DeviceError> {
        let Ok((_, plain)) = open_any(self.vault.keys(), &self.vault.dataset(), cell) else { return Ok(None) };
        let Some((header, id)) = header_of(&plain) else { return Ok(None) };
        let sealed = self.seal(class_of(header.kind), &plain, &id, env)?;
        let places = [
            (Space::Op, row_key(&header.author, header.seq)),
            (Space::Fork, fork::row_key(&header.author, header.seq, &id)),
            (Space::Part, id.0.to_vec()),
        ];
        for (space, key) in places {
            let Some(bytes) = rows.row(space, &key)? else { continue };
            let mut stored = Stored::decode(&bytes).map_err(|_| DeviceError::State("op"))?;
            if stored.header().is_ok_and(|(_, stored)| stored == id) && stored.add_cell(proof::cell_id(&sealed)) {
                rows.set(space, key, stored.encode());
            }
        }
        Ok(Some(sealed))
    }

    /// Somebody came in: a relay may have another list now than it has shown to this device.
    pub(super) fn note_lists_old(&mut self) {
        let standing = self.members.standing().count();
        self.remotes.values_mut().for_each(|remote| remote.note_members(standing));
    }

    /// A device that is out says nothing more, and says why.
    pub(super) fn stop_if_out(&mut self) -> Step {
        let reason = match (self.is_revoked(), self.lacks_key()) {
            (true, _) => StopReason::Revoked,
            (false, true) => StopReason::KeysMissing,
            (false, false) => return Step::default(),
        };
        let mut step = Step::default();
        let running: Vec<RemoteNumber> = self
            .remotes
            .values()
            .filter(|remote| remote.state() != State::Stopped(reason))
            .map(|remote| remote.number)
            .collect();
        for number in running {
            step.extend(self.stop_remote(number, reason));
        }
        step
    }

    /// What a person has to know of devices that are off, and of what is still to be done for it.
    pub(super) fn membership_warnings(&self) -> Vec<Warning> {
        let own = self.vault.device_id();
        let mut warnings = Vec::new();
        if self.is_revoked() {
            let at_ms = self.members.revoked_at(&own).unwrap_or_default().ms();
            warnings.push(Warning::Revoked { at_ms });
            return warnings;
        }
        if let Some((_, by)) = &self.members.moved {
            warnings.push(Warning::Moved { name: self.members.name_of(by) });
        }
        if self.members.is_exposed() {
            warnings.push(Warning::KeyExposed);
        }
        for remote in self.remotes.values() {
            if let Some(next) = &remote.record.next_list {
                let address = remote.record.address.clone();
                warnings.push(Warning::Unfinished { address, by_itself: next.list.is_some() });
            }
        }
        warnings.extend(self.resealing_left().map(|left| Warning::Resealing { left }));
        warnings
    }
}

fn header_of(plain: &[u8]) -> Option<(Header, OpId)> {
    let op = SignedOp::decode(plain).ok()?;
    let header = Header::decode(&op.header_bytes).ok()?;
    Some((header, proof::op_id(&op.header_bytes)))
}
