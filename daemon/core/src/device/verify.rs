//! Looking at everything that is kept of the account's ops: whether it is what its authors signed, in their order, and
//! whole. Reads the store; changes nothing.

use std::collections::BTreeMap;

use caro_link::proof;
use caro_schema::{
    id::{DeviceId, OpId},
    op::{Header, kind},
};

use super::{Account, DeviceError, snapshots::Kept};
use crate::{
    oplog::{Stored, row_key},
    step::{Rows, Space},
};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Ops that were looked at.
    pub ops: u64,
    /// Parts of snapshots that were looked at.
    pub parts: u64,
    /// Ops beside their author's chain: of a copied home, or of a backup that was put back.
    pub beside: u64,
    /// Cells that wait for something.
    pub waiting: u64,
    /// What is wrong, the first few by name.
    pub wrong: Vec<Wrong>,
    /// How much is wrong in all.
    pub wrong_total: u64,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// A row is gone.
    #[error("op {seq} of device {author} is missing")]
    Missing {
        /// Whose, the first digits.
        author: String,
        /// Which.
        seq: u64,
    },
    /// A row is not the op that it should be.
    #[error("op {seq} of device {author} is not what its author signed")]
    Altered {
        /// Whose, the first digits.
        author: String,
        /// Which.
        seq: u64,
    },
    /// An op does not follow the one before it.
    #[error("op {seq} of device {author} does not follow the one before it")]
    OutOfOrder {
        /// Whose, the first digits.
        author: String,
        /// Which.
        seq: u64,
    },
    /// An op names a parent that is not here.
    #[error("op {seq} of device {author} follows something that is not here")]
    Orphan {
        /// Whose, the first digits.
        author: String,
        /// Which.
        seq: u64,
    },
    /// A part of a snapshot is gone or altered.
    #[error("a part of the snapshot of device {author} up to op {to} is missing or altered")]
    Part {
        /// Whose, the first digits.
        author: String,
        /// The last op that the snapshot says again.
        to: u64,
    },
}

/// Things that are named; what is beyond is counted.
const NAMED_MAX: usize = 20;

impl Verified {
    fn note(&mut self, wrong: Wrong) {
        self.wrong_total += 1;
        if self.wrong.len() < NAMED_MAX {
            self.wrong.push(wrong);
        }
    }
}

impl Account {
    pub(super) fn verify(&self, rows: &dyn Rows) -> Result<Verified, DeviceError> {
        let mut found = Verified { waiting: self.waiting.len() as u64, ..Verified::default() };
        for kept in self.snapshots.kept.values() {
            self.verify_parts(kept, rows, &mut found)?;
        }
        let authors: BTreeMap<DeviceId, u64> =
            self.log.vector().iter().map(|(author, tip)| (*author, tip.seq)).collect();
        for (author, last) in authors {
            self.verify_chain(author, last, rows, &mut found)?;
        }
        if self.log.forked().next().is_some() {
            found.beside = rows.rows(Space::Fork)?.len() as u64;
        }
        Ok(found)
    }

    fn verify_parts(&self, kept: &Kept, rows: &dyn Rows, found: &mut Verified) -> Result<(), DeviceError> {
        for id in kept.list.part_ids() {
            found.parts += 1;
            let op = rows.row(Space::Part, &id.0)?.and_then(|bytes| checked(&bytes));
            if !op.is_some_and(|(header, op)| op == id && header.kind == kind::PART) {
                found.note(Wrong::Part { author: short(&kept.list.author), to: kept.list.to });
            }
        }
        Ok(())
    }

    fn verify_chain(
        &self,
        author: DeviceId,
        last: u64,
        rows: &dyn Rows,
        found: &mut Verified,
    ) -> Result<(), DeviceError> {
        let (mut seq, mut before) = (1, Some(OpId([0; 32])));
        while seq <= last {
            if let Some(to) = self.snapshots.covered_to(&author, seq) {
                let ends = |kept: &&Kept| kept.list.author == author && kept.list.to == to;
                before = self.snapshots.kept.values().find(ends).map(|kept| kept.list.to_op);
                seq = to + 1;
                continue;
            }
            found.ops += 1;
            before = match rows.row(Space::Op, &row_key(&author, seq))? {
                None => {
                    found.note(Wrong::Missing { author: short(&author), seq });
                    None
                }
                Some(bytes) => self.verify_op(&author, seq, before, &bytes, rows, found)?,
            };
            seq += 1;
        }
        let tip = self.log.vector().tip(&author).map(|tip| tip.op);
        if before.is_some() && before != tip {
            found.note(Wrong::OutOfOrder { author: short(&author), seq: last });
        }
        Ok(())
    }

    /// Gives the op's id, when it is the op that belongs there.
    fn verify_op(
        &self,
        author: &DeviceId,
        seq: u64,
        before: Option<OpId>,
        bytes: &[u8],
        rows: &dyn Rows,
        found: &mut Verified,
    ) -> Result<Option<OpId>, DeviceError> {
        let here = |(header, _): &(Header, OpId)| header.author == *author && header.seq == seq;
        let Some((header, id)) = checked(bytes).filter(here) else {
            found.note(Wrong::Altered { author: short(author), seq });
            return Ok(None);
        };
        if before.is_some_and(|before| before != header.prev) {
            found.note(Wrong::OutOfOrder { author: short(author), seq });
        }
        for parent in &header.parents {
            if !self.log.knows(parent, rows)? {
                found.note(Wrong::Orphan { author: short(author), seq });
                break;
            }
        }
        Ok(Some(id))
    }
}

fn checked(bytes: &[u8]) -> Option<(Header, OpId)> {
    let op = Stored::decode(bytes).ok()?.signed().ok()?;
    proof::verify_op(&op).ok()
}

fn short(author: &DeviceId) -> String {
    author.0[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}
