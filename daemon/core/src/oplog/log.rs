//! Where an op belongs: next, known, later, or beside. And the header of the next own op.

use std::collections::BTreeSet;

use caro_link::proof;
use caro_schema::{
    id::{Dataset, DeviceId, Hash, OpId},
    limits::PARENTS_MAX,
    op::{Header, Parent, SignedOp},
    stamp::Stamp,
};
use serde::{Deserialize, Serialize};

use super::{Need, Tip, Vector, row_key};
use crate::step::{RowError, Rows, Space};

/// What a device has of every author.
#[derive(Clone, Serialize, Deserialize)]
pub struct OpLog {
    dataset: Dataset,
    own: DeviceId,
    vector: Vector,
    /// Authors whose last op is nobody's parent yet.
    heads: BTreeSet<DeviceId>,
    clock: Stamp,
}

/// Where an op belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It can be applied now.
    Next,
    /// It was applied already.
    Known,
    /// It must wait for this one.
    Waits(Need),
    /// The author wrote two different ops with one number: its state was copied or turned back.
    Fork,
}

impl OpLog {
    /// An empty log of one device in one account.
    pub fn new(dataset: Dataset, own: DeviceId) -> Self {
        Self { dataset, own, vector: Vector::default(), heads: BTreeSet::new(), clock: Stamp::default() }
    }

    /// What it has.
    pub fn vector(&self) -> &Vector {
        &self.vector
    }

    /// The newest stamp that it has made or seen.
    pub fn clock(&self) -> Stamp {
        self.clock
    }

    /// Ops that are nobody's parent yet, at most `most`, ascending by author.
    pub fn heads(&self, most: usize) -> Vec<Parent> {
        let of =
            |author: &DeviceId| self.vector.tip(author).map(|tip| Parent { author: *author, seq: tip.seq, op: tip.op });
        self.heads.iter().filter_map(of).take(most).collect()
    }

    /// The header of this device's next op. Making it changes nothing: [`Self::advance`] does.
    pub fn next_header(&self, kind: u8, payload_commit: Hash, now_ms: u64) -> Header {
        let tip = self.vector.tip(&self.own);
        let mut parents = self.heads(PARENTS_MAX + 1);
        parents.retain(|parent| parent.author != self.own);
        parents.truncate(PARENTS_MAX);
        Header {
            dataset: self.dataset,
            author: self.own,
            seq: tip.map_or(1, |tip| tip.seq + 1),
            prev: tip.map_or(OpId([0; 32]), |tip| tip.op),
            parents,
            stamp: self.clock.tick(now_ms),
            kind,
            payload_commit,
        }
    }

    /// Where an op belongs whose signature has been checked.
    ///
    /// # Errors
    /// When an older op has to be compared and the store cannot be read.
    pub fn place(&self, header: &Header, op: OpId, rows: &dyn Rows) -> Result<Placement, RowError> {
        let tip = self.vector.tip(&header.author);
        let have = tip.map_or(0, |tip| tip.seq);
        if header.seq <= have {
            let same = match tip {
                Some(tip) if tip.seq == header.seq => tip.op == op,
                _ => stored_id(rows, &header.author, header.seq)?.is_none_or(|stored| stored == op),
            };
            return Ok(if same { Placement::Known } else { Placement::Fork });
        }
        if header.seq > have + 1 {
            return Ok(Placement::Waits(Need { author: header.author, seq: header.seq - 1 }));
        }
        if header.prev != tip.map_or(OpId([0; 32]), |tip| tip.op) {
            return Ok(Placement::Fork);
        }
        for parent in &header.parents {
            let known = self.vector.seq(&parent.author);
            if known < parent.seq {
                return Ok(Placement::Waits(Need { author: parent.author, seq: parent.seq }));
            }
        }
        Ok(Placement::Next)
    }

    /// Counts an op that was placed as next, or made from [`Self::next_header`].
    pub fn advance(&mut self, header: &Header, op: OpId) {
        self.clock = self.clock.observe(header.stamp);
        self.vector.advance(header.author, Tip { seq: header.seq, op });
        self.heads.insert(header.author);
        for parent in &header.parents {
            if self.vector.seq(&parent.author) == parent.seq {
                self.heads.remove(&parent.author);
            }
        }
    }
}

/// The id of an op that was applied before, unless its bytes were replaced by a snapshot.
fn stored_id(rows: &dyn Rows, author: &DeviceId, seq: u64) -> Result<Option<OpId>, RowError> {
    let Some(bytes) = rows.row(Space::Op, &row_key(author, seq))? else { return Ok(None) };
    let op = SignedOp::decode(&bytes).map_err(|_| RowError)?;
    Ok(Some(proof::op_id(&op.header_bytes)))
}
