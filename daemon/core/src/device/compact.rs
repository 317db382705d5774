//! Saying old ops again in full cells: when many small ops of this device are with every remote, what is left of them
//! goes into a few parts, a list names them, and the small cells are purged. So a device that joins reads the history's
//! compressed size, however it was typed.
//!
//! A device does this for its own ops alone, so nobody has to agree on who does it. The end of the last snapshot that
//! was not full is packed again with what is new; full parts are named again and not sent again.

use std::collections::{BTreeMap, BTreeSet};

use caro_link::proof;
use caro_schema::{
    body::{
        self,
        again::Again,
        history::{Delete, Record},
        shared::{Count, Set},
        snapshot::{Origin, PARTS_MAX, Snapshot},
    },
    cell::CellClass,
    codec,
    id::{CellId, DeviceId, OpId, RecordId},
    op::{Body, Parent, RawChange, SignedOp, kind},
};
use serde_bytes::ByteBuf;

use super::{
    Account, DeviceError, Env, Rules, backfill, overlay::Overlay, record::put, snapshots::Kept, state, trash::Fates,
};
use crate::{
    oplog::{Stored, row_key},
    step::{Notice, Rows, Space, Step, Write},
    sync::State,
    vault::payload,
};

/// Ops of one compaction. More would hold up live commands while it is made; the next one follows at once.
const RUN_MAX: usize = 8192;

/// Bytes of a small op. What fills a larger cell is left as it is: an import need not be packed twice.
const SMALL_BYTES: usize = 8 * 1024;

/// Bytes of a packed part that is as good as full, three quarters of what a cell holds.
const FULL_BYTES: u32 = 48 * 1024;

/// A run of small own ops.
struct Run {
    from: u64,
    ops: Vec<Stored>,
}

impl Account {
    /// Whether there is enough to compact, and everybody who is to know the small ops has them.
    pub(super) fn is_compaction_due(&self, rules: &Rules) -> bool {
        let own = self.vault.device_id();
        let new = self.log.vector().seq(&own).saturating_sub(self.compacted);
        new >= rules.compact_after && self.profile.enabled && self.is_all_said() && self.is_acknowledged()
    }

    /// Whether everything that is to be sent has been made into ops.
    fn is_all_said(&self) -> bool {
        self.pending.is_empty() && self.backfill.is_none()
    }

    /// Whether every remote that is connected has all that it is to have, and there is one. A remote that cannot be
    /// reached does not hold up the others: its queue keeps what it lacks, and what it is to forget waits behind that.
    fn is_acknowledged(&self) -> bool {
        let mut live = self.remotes.values().filter(|remote| remote.state() == State::Live).peekable();
        live.peek().is_some() && live.all(|remote| remote.pending_up() == 0)
    }

    /// Compacts one run of own ops.
    pub(super) fn compact(
        &mut self,
        fates: Fates<'_>,
        rules: &Rules,
        rows: &dyn Rows,
        env: &mut Env<'_>,
    ) -> Result<Step, DeviceError> {
        if !self.is_compaction_due(rules) {
            return Ok(Step::default());
        }
        let mut rows = Overlay::new(rows);
        let mut step = Step { notices: vec![Notice::Sync], ..Step::default() };
        match self.next_run(rules.compact_after / 2, &rows)? {
            (Some(run), looked_to) => {
                step.writes = self.compact_run(run, fates, &mut rows, env)?;
                self.compacted = looked_to;
            }
            (None, looked_to) => self.compacted = looked_to,
        }
        rows.set(Space::State, state::COMPACTED.to_vec(), state::encode(&self.compacted));
        step.writes.extend(rows.into_writes());
        Ok(step)
    }

    /// The next run of at least `least` small own ops, and up to where there is nothing else to find.
    fn next_run(&self, least: u64, rows: &Overlay<'_>) -> Result<(Option<Run>, u64), DeviceError> {
        let own = self.vault.device_id();
        let last = self.log.vector().seq(&own);
        let mut run = Run { from: self.compacted + 1, ops: Vec::new() };
        for seq in self.compacted + 1..=last {
            let bytes = rows.row(Space::Op, &row_key(&own, seq))?;
            let stored = bytes.map(|bytes| Stored::decode(&bytes)).transpose();
            match stored.map_err(|_| DeviceError::State("op"))? {
                Some(stored) if stored.op.len() <= SMALL_BYTES => run.ops.push(stored),
                _ if run.ops.len() as u64 >= least.max(1) => return Ok((Some(run), seq - 1)),
                _ => run = Run { from: seq + 1, ops: Vec::new() },
            }
            if run.ops.len() >= RUN_MAX {
                return Ok((Some(run), seq));
            }
        }
        let enough = run.ops.len() as u64 >= least.max(1);
        // Too short a run at the end grows with the next ops; it is looked at again then.
        let looked_to = if enough { last } else { run.from - 1 };
        Ok((enough.then_some(run), looked_to))
    }

    fn compact_run(
        &mut self,
        run: Run,
        fates: Fates<'_>,
        rows: &mut Overlay<'_>,
        env: &mut Env<'_>,
    ) -> Result<Vec<Write>, DeviceError> {
        let own = self.vault.device_id();
        let to = run.from + run.ops.len() as u64 - 1;
        let base = self.snapshots.kept.values().find(|kept| {
            let list = &kept.list;
            list.author == own && list.to + 1 == run.from && list.part_ids().count() < PARTS_MAX - 128
        });
        let base = base.cloned();
        let mut fold = Fold::new(own, fates);
        let (mut parts, mut gone) = (Vec::new(), Vec::new());
        let mut named = BTreeMap::new();
        let mut from = run.from;
        if let Some(Kept { list, sizes, .. }) = &base {
            from = list.from;
            named.extend(list.named.iter().map(|parent| (parent.author, *parent)));
            for (id, size) in list.part_ids().zip(sizes) {
                if *size >= FULL_BYTES {
                    parts.push((id, *size));
                    continue;
                }
                let bytes = rows.row(Space::Part, &id.0)?.ok_or(DeviceError::State("snapshot"))?;
                let part = Stored::decode(&bytes).map_err(|_| DeviceError::State("snapshot"))?;
                fold.add(&part)?;
                gone.extend(part.cells);
            }
        }
        let mut to_op = OpId([0; 32]);
        for stored in &run.ops {
            let (header, id) = stored.header().map_err(|_| DeviceError::State("op"))?;
            for parent in &header.parents {
                let known = named.entry(parent.author).or_insert(*parent);
                *known = if known.seq < parent.seq { *parent } else { *known };
            }
            fold.add(stored)?;
            gone.extend(&stored.cells);
            to_op = id;
        }
        let mut writes = Vec::new();
        let (alone, changes) = fold.into_changes();
        let mut payloads = backfill::fill(alone, &mut self.kept_here);
        payloads.extend(backfill::fill(changes, &mut self.kept_here));
        for packed in payloads {
            let size = packed.len() as u32;
            let (id, queued) = self.make_part(packed, rows, env)?;
            writes.extend(queued);
            parts.push((id, size));
        }
        let ids: Vec<u8> = parts.iter().flat_map(|(id, _)| id.0).collect();
        let named: Vec<Parent> = named.into_values().collect();
        let list = Snapshot { author: own, from, to, to_op, named, parts: ByteBuf::from(ids) };
        writes.extend(self.append_list(&list, env)?);
        writes.extend(self.purge_later(&gone));
        let list_seq = self.log.vector().seq(&own);
        let sizes = parts.iter().map(|(_, size)| *size).collect();
        self.snapshots.keep(Kept { list_seq, list, sizes }, to, rows);
        Ok(writes)
    }

    /// Makes a part: kept under its id, and queued for every remote.
    fn make_part(
        &mut self,
        packed: Vec<u8>,
        rows: &mut Overlay<'_>,
        env: &mut Env<'_>,
    ) -> Result<(OpId, Vec<Write>), DeviceError> {
        let mut salt = [0; 32];
        env.entropy.fill(&mut salt)?;
        let commit = proof::payload_commit(&salt, &packed);
        let header = self.log.part_header(commit).ok_or(DeviceError::State("log"))?;
        let header_bytes = header.encode();
        let id = proof::op_id(&header_bytes);
        let signature = proof::sign_op(self.vault.signer(), &header_bytes);
        let op = SignedOp { header_bytes, signature, body: Some(Body { salt, payload: packed }) }.encode();
        let cell = self.seal(CellClass::Snapshot, &op, &id, env)?;
        rows.set(Space::Part, id.0.to_vec(), Stored::new(proof::cell_id(&cell), op).encode());
        Ok((id, self.enqueue_everywhere(&cell)))
    }

    fn append_list(&mut self, list: &Snapshot, env: &mut Env<'_>) -> Result<Vec<Write>, DeviceError> {
        let change = RawChange(body::kind::SNAPSHOT, codec::encode(list).into());
        let packed = payload::pack(&caro_schema::op::Payload { changes: vec![change] });
        self.append_packed(kind::SNAPSHOT, packed, env)
    }

    /// Has every remote forget cells once it has what stands for them.
    pub(super) fn purge_later(&mut self, cells: &[CellId]) -> Vec<Write> {
        let bytes: Vec<u8> = cells.iter().flat_map(|cell| cell.0).collect();
        let mut writes = Vec::new();
        for remote in self.remotes.values_mut().filter(|_| !bytes.is_empty()) {
            let after = remote.purge_after_queue();
            writes.push(Write::Row(Space::State, state::purge_key(remote.number, after), Some(bytes.clone())));
        }
        writes
    }
}

/// What is left of a run: each record once, as it is known now and unless it was deleted for good; each deletion once;
/// the last name and relay keys; and whatever this version does not know, with its origin.
struct Fold<'a> {
    /// Whose ops they are. What these say of others' changes, because an op of theirs was emptied, stays as it is.
    own: DeviceId,
    fates: Fates<'a>,
    records: Vec<RawChange>,
    seen: BTreeSet<RecordId>,
    deleted: BTreeSet<RecordId>,
    name: Option<(Origin, RawChange)>,
    /// With which keys this author comes to relays, as it said last.
    relay_keys: Option<(Origin, RawChange)>,
    /// The last value of each key of this author.
    sets: BTreeMap<(String, String), (Origin, RawChange)>,
    /// The last total of each key.
    counts: BTreeMap<String, (Origin, u64, RawChange)>,
    others: Vec<(Origin, RawChange)>,
}

impl<'a> Fold<'a> {
    fn new(own: DeviceId, fates: Fates<'a>) -> Self {
        Self {
            own,
            fates,
            records: Vec::new(),
            seen: BTreeSet::new(),
            deleted: BTreeSet::new(),
            name: None,
            relay_keys: None,
            sets: BTreeMap::new(),
            counts: BTreeMap::new(),
            others: Vec::new(),
        }
    }

    fn add(&mut self, stored: &Stored) -> Result<(), DeviceError> {
        let (header, _) = stored.header().map_err(|_| DeviceError::State("op"))?;
        let op = stored.signed().map_err(|_| DeviceError::State("op"))?;
        let Some(body) = op.body else { return Ok(()) };
        let payload = payload::unpack(&body.payload).map_err(|_| DeviceError::State("op"))?;
        let mut origin = Origin { author: header.author, stamp: header.stamp };
        for change in payload.changes {
            self.change(change, &mut origin);
        }
        Ok(())
    }

    fn change(&mut self, change: RawChange, origin: &mut Origin) {
        match change.0 {
            body::kind::RECORD => {
                let Ok(record) = codec::decode::<Record>(&change.1) else { return };
                let known = self.fates.history.record(&record.id);
                // What is only not to be here, for ever or for a moment, is kept for the others, as it was said.
                let is_new = self.seen.insert(record.id) || known.is_none();
                if self.fates.is_gone(&record.id) || !is_new {
                    return;
                }
                self.records.push(known.map_or(change, |record| put(&record)));
            }
            body::kind::DELETE => {
                if let Ok(delete) = codec::decode::<Delete>(&change.1) {
                    self.deleted.insert(delete.id);
                }
            }
            body::kind::ORIGIN => {
                if let Ok(other) = codec::decode(&change.1) {
                    *origin = other;
                }
            }
            body::kind::AGAIN => match codec::decode::<Again>(&change.1) {
                Ok(again) if !matches!(again.kind, body::kind::AGAIN | body::kind::ORIGIN) => {
                    self.change(RawChange(again.kind, again.change), &mut { again.origin });
                }
                _ => self.others.push((*origin, change)),
            },
            body::kind::DEVICE_NAME | body::kind::RELAY_KEYS | body::kind::SET | body::kind::COUNT
                if origin.author != self.own =>
            {
                self.others.push((*origin, change));
            }
            body::kind::RELAY_KEYS => {
                if self.relay_keys.as_ref().is_none_or(|(known, _)| known.stamp <= origin.stamp) {
                    self.relay_keys = Some((*origin, change));
                }
            }
            body::kind::DEVICE_NAME => {
                if self.name.as_ref().is_none_or(|(known, _)| known.stamp < origin.stamp) {
                    self.name = Some((*origin, change));
                }
            }
            body::kind::SET => {
                let Ok(set) = codec::decode::<Set>(&change.1) else { return self.others.push((*origin, change)) };
                let known = self.sets.entry((set.category, set.key)).or_insert_with(|| (*origin, change.clone()));
                if known.0.stamp < origin.stamp {
                    *known = (*origin, change);
                }
            }
            body::kind::COUNT => {
                let Ok(count) = codec::decode::<Count>(&change.1) else { return self.others.push((*origin, change)) };
                let known = self.counts.entry(count.key).or_insert_with(|| (*origin, count.total, change.clone()));
                if known.1 < count.total {
                    *known = (*origin, count.total, change);
                }
            }
            // What they say is said by the next ones.
            body::kind::SNAPSHOT | body::kind::ATTEST => {}
            _ => self.others.push((*origin, change)),
        }
    }

    /// What goes into a part of its own, and the rest. Nobody but a device itself is believed about its relay keys, so
    /// they are in no part that anybody ever empties because of a record.
    fn into_changes(self) -> (Vec<RawChange>, Vec<RawChange>) {
        let delete = |id: RecordId| RawChange(body::kind::DELETE, codec::encode(&Delete { id }).into());
        let mut changes: Vec<RawChange> = self.deleted.into_iter().map(delete).collect();
        // Next to each other those with an origin, so that a part does not begin in the middle of two.
        let counts = self.counts.into_values().map(|(origin, _, change)| (origin, change));
        let said = |(origin, change): (Origin, RawChange)| {
            [RawChange(body::kind::ORIGIN, codec::encode(&origin).into()), change]
        };
        let others = self.name.into_iter().chain(self.sets.into_values()).chain(counts).chain(self.others);
        changes.extend(others.flat_map(said));
        changes.extend(self.records);
        (self.relay_keys.into_iter().flat_map(said).collect(), changes)
    }
}
