//! Giving a relay what it lacks and others wrote: one that began a new life, one that was added later, and one that some
//! of the account's devices do not speak to. Key-log entries go first, for who may write has to be known before. Each op
//! and part is sealed anew, so the same one may be there twice for a while; both cells are remembered, and go together.

use std::collections::{BTreeMap, BTreeSet};

use caro_link::proof;
use caro_schema::{
    cell::CellClass,
    codec,
    id::{DeviceId, Hash, OpId},
    keylog::SignedEntry,
    op::Header,
};

use super::{Account, DeviceError, Env, account::as_op_id, overlay::Overlay, receive::class_of, state};
use crate::{
    oplog::{Stored, row_key},
    step::{Notice, RemoteNumber, Rows, Space, Step, Write},
    sync::State,
};

/// What a relay that is being compared has been seen to have.
#[derive(Default)]
pub(super) struct Offer {
    /// Ops by number and id: of a home that was copied there are several with one number.
    ops: BTreeMap<DeviceId, BTreeSet<(u64, OpId)>>,
    parts: BTreeSet<OpId>,
}

impl Offer {
    /// Whether it has an op of this number.
    fn has_number(&self, author: &DeviceId, seq: u64) -> bool {
        let all = (seq, OpId([0; 32]))..=(seq, OpId([0xff; 32]));
        self.ops.get(author).is_some_and(|ops| ops.range(all).next().is_some())
    }

    /// Whether it has the op of this row.
    fn has_stored(&self, bytes: &[u8]) -> Result<bool, DeviceError> {
        let (header, id) = header_of(bytes)?;
        Ok(self.ops.get(&header.author).is_some_and(|ops| ops.contains(&(header.seq, id))))
    }
}

/// Milliseconds that an op's author has to bring it to a relay before somebody else does.
const FORWARD_MS: u64 = 30_000;

impl Account {
    pub(super) fn begin_offering_again(&mut self, number: RemoteNumber) {
        self.offers.insert(number, Offer::default());
    }

    /// Remembers that a relay has this op.
    pub(super) fn note_at_remote(&mut self, number: RemoteNumber, header: &Header, id: OpId) {
        if let Some(remote) = self.remotes.get_mut(&number) {
            remote.note_op(header.author, header.seq);
        }
        if let Some(offer) = self.offers.get_mut(&number) {
            offer.ops.entry(header.author).or_default().insert((header.seq, id));
        }
    }

    /// As [`Self::note_at_remote`], for a part.
    pub(super) fn note_part_at_remote(&mut self, number: RemoteNumber, part: OpId) {
        if let Some(offer) = self.offers.get_mut(&number) {
            offer.parts.insert(part);
        }
    }

    /// As [`Self::note_at_remote`], for a key-log entry.
    pub(super) fn note_entry_at_remote(&mut self, number: RemoteNumber, entry: Hash) {
        if let Some(remote) = self.remotes.get_mut(&number) {
            remote.record.has_entries.insert(entry);
        }
    }

    /// The key-log entries that a relay was not seen to have, sealed for it.
    fn seal_entries(
        &mut self,
        number: RemoteNumber,
        rows: &dyn Rows,
        env: &mut Env<'_>,
    ) -> Result<Vec<Vec<u8>>, DeviceError> {
        let Some(remote) = self.remote(number) else { return Ok(Vec::new()) };
        let has = remote.record.has_entries.clone();
        let mut cells = Vec::new();
        for (_, bytes) in rows.rows(Space::State)?.into_iter().filter(|(key, _)| state::is_entry(key)) {
            let hash = hash_of_entry(&bytes)?;
            if !has.contains(&hash) {
                cells.push(self.seal(CellClass::KeyLog, &bytes, &as_op_id(hash), env)?);
                self.note_entry_at_remote(number, hash);
            }
        }
        Ok(cells)
    }

    /// Queues, for a relay that was compared, whatever it was not seen to have: key-log entries first, then snapshots,
    /// then ops, then those beside their author's chain.
    pub(super) fn offer_again(
        &mut self,
        number: RemoteNumber,
        rows: &dyn Rows,
        env: &mut Env<'_>,
    ) -> Result<Step, DeviceError> {
        let Some(offer) = self.offers.remove(&number) else { return Ok(Step::default()) };
        let mut rows = Overlay::new(rows);
        let mut cells = self.seal_entries(number, &rows, env)?;
        let parts: Vec<OpId> = self.snapshots.kept.values().flat_map(|kept| kept.list.part_ids()).collect();
        for id in parts.iter().filter(|id| !offer.parts.contains(id)) {
            cells.extend(self.seal_again(Space::Part, id.0.to_vec(), &mut rows, env)?);
        }
        for run in self.log.missing(&BTreeMap::new()) {
            let is_forked = self.log.is_forked(&run.author);
            let mut seq = run.from;
            while seq <= run.to {
                if let Some(covered) = self.snapshots.covered_to(&run.author, seq) {
                    seq = covered + 1;
                    continue;
                }
                let key = row_key(&run.author, seq);
                // What a relay has with a number may be of the other branch.
                let stored = if is_forked { rows.row(Space::Op, &key)? } else { None };
                let is_there = match stored {
                    Some(bytes) => offer.has_stored(&bytes)?,
                    None => offer.has_number(&run.author, seq),
                };
                if !is_there {
                    cells.extend(self.seal_again(Space::Op, key, &mut rows, env)?);
                }
                seq += 1;
            }
            if let Some(remote) = self.remotes.get_mut(&number) {
                remote.record.has.insert(run.author, run.to);
            }
        }
        cells.extend(self.seal_beside(&offer, &mut rows, env)?);
        if let Some(remote) = self.remotes.get_mut(&number) {
            remote.record.comparing = false;
        }
        self.queue_for(number, cells, rows)
    }

    /// The ops on no chain that a relay was not seen to have, sealed for it: what they say counts like everything else. Of
    /// a device that was taken off nobody takes them in any more.
    fn seal_beside(
        &self,
        offer: &Offer,
        rows: &mut Overlay<'_>,
        env: &mut Env<'_>,
    ) -> Result<Vec<Vec<u8>>, DeviceError> {
        let mut cells = Vec::new();
        if self.log.forked().next().is_none() {
            return Ok(cells);
        }
        for (key, bytes) in rows.rows(Space::Fork)? {
            let counts = self.members.cut_of(&header_of(&bytes)?.0.author).is_none();
            if counts && !offer.has_stored(&bytes)? {
                cells.extend(self.seal_again(Space::Fork, key, rows, env)?);
            }
        }
        Ok(cells)
    }

    /// An op came from one relay: the others are looked after once its author has had time to.
    pub(super) fn forward_later(&mut self, from: RemoteNumber, now_ms: u64) {
        let others: Vec<RemoteNumber> = self.remotes.keys().copied().filter(|number| *number != from).collect();
        for number in others {
            self.forwards.entry(number).or_insert(now_ms + FORWARD_MS);
        }
    }

    /// When something is to be brought to a relay that can be reached, in milliseconds since 1970.
    pub(super) fn forward_at_ms(&self) -> Option<u64> {
        let live = |number: &RemoteNumber| self.remote(*number).is_some_and(|remote| remote.state() == State::Live);
        self.forwards.iter().filter(|(number, _)| live(number)).map(|(_, due_ms)| *due_ms).min()
    }

    pub(super) fn note_forwards_set_back(&mut self, now_ms: u64) {
        let latest_ms = now_ms.saturating_add(FORWARD_MS);
        for due_ms in self.forwards.values_mut() {
            *due_ms = (*due_ms).min(latest_ms);
        }
    }

    /// Brings to one relay what others wrote and it was not seen to have.
    pub(super) fn forward(&mut self, rows: &dyn Rows, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        let live = |number: &RemoteNumber| self.remote(*number).is_some_and(|remote| remote.state() == State::Live);
        let due = self.forwards.iter().find(|(number, due_ms)| **due_ms <= env.now_ms && live(number));
        let Some((&number, _)) = due else { return Ok(Step::default()) };
        self.forwards.remove(&number);
        let Some(remote) = self.remote(number) else { return Ok(Step::default()) };
        let has = remote.record.has.clone();
        let own = self.vault.device_id();
        let mut rows = Overlay::new(rows);
        // Or what their authors wrote waits there for keys that nobody brings.
        let mut cells = self.seal_entries(number, &rows, env)?;
        for run in self.log.missing(&has).into_iter().filter(|run| run.author != own) {
            cells.extend(self.seal_parts_after(&run, &mut rows, env)?);
            for seq in run.from..=run.to {
                cells.extend(self.seal_again(Space::Op, row_key(&run.author, seq), &mut rows, env)?);
            }
            if let Some(remote) = self.remotes.get_mut(&number) {
                remote.note_op(run.author, run.to);
            }
        }
        self.queue_for(number, cells, rows)
    }

    /// The parts of the snapshots whose lists are in a run.
    fn seal_parts_after(
        &mut self,
        run: &crate::oplog::Run,
        rows: &mut Overlay<'_>,
        env: &mut Env<'_>,
    ) -> Result<Vec<Vec<u8>>, DeviceError> {
        let listed = |kept: &&super::snapshots::Kept| {
            kept.list.author == run.author && (run.from..=run.to).contains(&kept.list_seq)
        };
        let parts: Vec<OpId> =
            self.snapshots.kept.values().filter(listed).flat_map(|kept| kept.list.part_ids()).collect();
        let mut cells = Vec::new();
        for id in parts {
            cells.extend(self.seal_again(Space::Part, id.0.to_vec(), rows, env)?);
        }
        Ok(cells)
    }

    /// Seals what a row holds once more, and remembers the new cell if what it carries may be purged one day; none when the
    /// row is not there any more.
    pub(super) fn seal_again(
        &self,
        space: Space,
        key: Vec<u8>,
        rows: &mut Overlay<'_>,
        env: &mut Env<'_>,
    ) -> Result<Option<Vec<u8>>, DeviceError> {
        let Some(bytes) = rows.row(space, &key)? else { return Ok(None) };
        if space == Space::State {
            let id = as_op_id(hash_of_entry(&bytes)?);
            return Ok(Some(self.seal(CellClass::KeyLog, &bytes, &id, env)?));
        }
        let mut stored = Stored::decode(&bytes).map_err(|_| DeviceError::State("op"))?;
        let (header, id) = stored.header().map_err(|_| DeviceError::State("op"))?;
        let cell = self.seal(class_of(header.kind), &stored.op, &id, env)?;
        if stored.add_cell(proof::cell_id(&cell)) {
            rows.set(space, key, stored.encode());
        }
        Ok(Some(cell))
    }

    pub(super) fn queue_for(
        &mut self,
        number: RemoteNumber,
        cells: Vec<Vec<u8>>,
        rows: Overlay<'_>,
    ) -> Result<Step, DeviceError> {
        let mut step = Step { writes: rows.into_writes(), notices: vec![Notice::Sync], ..Step::default() };
        if let Some(remote) = self.remote_mut(number) {
            step.writes.extend(cells.into_iter().map(|cell| Write::Queue(number, remote.enqueue(), Some(cell))));
        }
        step.writes.extend(self.remote_row(number));
        Ok(step)
    }
}

fn header_of(bytes: &[u8]) -> Result<(Header, OpId), DeviceError> {
    Stored::decode(bytes).and_then(|stored| stored.header()).map_err(|_| DeviceError::State("op"))
}

fn hash_of_entry(bytes: &[u8]) -> Result<Hash, DeviceError> {
    let signed: SignedEntry = codec::decode(bytes).map_err(|_| DeviceError::State("key log"))?;
    Ok(proof::entry_hash(&signed.entry))
}
