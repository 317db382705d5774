//! An op of a number that is taken: its author's home was copied, or an old backup of it was put back. What it says
//! counts at once; then everyone agrees on where the chain goes on ([`fork`]).

use caro_schema::id::{DeviceId, OpId};

use super::{
    Account, DeviceError,
    receive::{Arrived, Batch},
    state,
};
use crate::{
    oplog::{
        Need, Stored, Tip,
        fork::{self, Link},
        row_key,
    },
    step::{Rows, Space},
};

/// Ops of one author beside its chain that are kept. What is beyond counts and is not kept: a copy that writes this much
/// unseen is one that its owner has been told of for months.
const BESIDE_MAX: u64 = 10_000;

impl Account {
    pub(super) fn take_fork(&mut self, arrived: &Arrived, batch: &mut Batch<'_>) -> Result<(), DeviceError> {
        let Arrived { op, header, id, cell_id, .. } = arrived;
        let author = header.author;
        let key = fork::row_key(&author, header.seq, id);
        if batch.rows.row(Space::Fork, &key)?.is_some() {
            return self.note_again((Space::Fork, key), *cell_id, op, header, batch);
        }
        self.apply_body(op.body.as_ref(), header, batch);
        self.log.observe(header.stamp);
        batch.log_changed = true;
        if author == self.vault.device_id() {
            self.profile.cloned = true;
            batch.rows.set(Space::State, state::PROFILE.to_vec(), state::encode(&self.profile));
        }
        if !self.log.count_beside(author, BESIDE_MAX) {
            return Ok(());
        }
        batch.rows.set(Space::Fork, key, Stored::new(*cell_id, op.encode()).encode());
        if self.follows_the_chain(&author, header.seq, header.prev, batch)? {
            self.choose_branch(author, header.seq, batch)?;
        } else {
            self.log.note_severed(author, header.seq, &header.prev, &batch.rows)?;
        }
        // What follows it, or names it as a parent, may have waited for it, and the chain may never come to its number.
        let released = self.waiting.released_at(Need { author, seq: header.seq });
        self.release(released, batch)
    }

    /// The chain went on by one: an op that came before that may follow it.
    pub(super) fn go_on_beside(&mut self, author: DeviceId, batch: &mut Batch<'_>) -> Result<(), DeviceError> {
        if !self.log.may_go_on(&author) {
            return Ok(());
        }
        let next = self.log.vector().seq(&author) + 1;
        self.choose_branch(author, next, batch)
    }

    /// Whether an op follows one that is on the chain; if not, it goes where its predecessor went.
    fn follows_the_chain(
        &self,
        author: &DeviceId,
        seq: u64,
        prev: OpId,
        batch: &Batch<'_>,
    ) -> Result<bool, DeviceError> {
        Ok(self.before(author, seq, batch)?.is_some_and(|before| before.op == prev))
    }

    /// The op on the chain before this number, when it can be told.
    fn before(&self, author: &DeviceId, seq: u64, batch: &Batch<'_>) -> Result<Option<Tip>, DeviceError> {
        let seq = seq - 1;
        if seq == 0 {
            return Ok(Some(Tip { seq, op: OpId([0; 32]) }));
        }
        if let Some(tip) = self.log.vector().tip(author).filter(|tip| tip.seq == seq) {
            return Ok(Some(tip));
        }
        let ends_here = |kept: &&super::snapshots::Kept| kept.list.author == *author && kept.list.to == seq;
        if let Some(kept) = self.snapshots.kept.values().find(ends_here) {
            return Ok(Some(Tip { seq, op: kept.list.to_op }));
        }
        let Some(bytes) = batch.rows.row(Space::Op, &row_key(author, seq))? else { return Ok(None) };
        Ok(Some(Tip { seq, op: read(&bytes)?.1.op }))
    }

    /// Lays the author's chain anew from this number on, out of everything that is known.
    fn choose_branch(&mut self, author: DeviceId, from: u64, batch: &mut Batch<'_>) -> Result<(), DeviceError> {
        let Some(before) = self.before(&author, from, batch)? else { return Ok(()) };
        let mut links = Vec::new();
        for seq in from..=self.log.vector().seq(&author) {
            // A run that a snapshot said again stays as it is.
            let Some(bytes) = batch.rows.row(Space::Op, &row_key(&author, seq))? else { return Ok(()) };
            links.push(read(&bytes)?.1);
        }
        let on_chain = links.len();
        for (key, bytes) in batch.rows.rows(Space::Fork)? {
            if fork::is_of(&key, &author) {
                links.push(read(&bytes)?.1);
            }
        }
        let chain = fork::chain(before, &links);
        if chain == links[..on_chain] {
            return Ok(());
        }
        for link in &links[..on_chain] {
            let key = row_key(&author, link.seq);
            if let Some(bytes) = batch.rows.row(Space::Op, &key)? {
                batch.rows.set(Space::Fork, fork::row_key(&author, link.seq, &link.op), bytes);
                batch.rows.unset(Space::Op, key);
            }
        }
        for link in &chain {
            let key = fork::row_key(&author, link.seq, &link.op);
            if let Some(bytes) = batch.rows.row(Space::Fork, &key)? {
                batch.rows.set(Space::Op, row_key(&author, link.seq), bytes);
                batch.rows.unset(Space::Fork, key);
            }
        }
        let last = chain.last().map_or(before, |link| Tip { seq: link.seq, op: link.op });
        self.log.turn_to(author, last);
        self.go_on_with(author, batch)
    }
}

fn read(bytes: &[u8]) -> Result<(Stored, Link), DeviceError> {
    let stored = Stored::decode(bytes).map_err(|_| DeviceError::State("op"))?;
    let (header, op) = stored.header().map_err(|_| DeviceError::State("op"))?;
    Ok((stored, Link { seq: header.seq, op, prev: header.prev }))
}
