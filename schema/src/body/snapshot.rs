//! A run of one author's ops, said again in full cells.
//!
//! A snapshot has two kinds of ops. **Parts** (kind [`crate::op::kind::PART`]) carry the changes that are left of the
//! run; they stand outside their author's chain, and applying one is harmless at any time, because merging does not
//! depend on order. The **list** (kind [`crate::op::kind::SNAPSHOT`]) is an op of the chain that names the run and all
//! its parts. Who has the list and every part has everything that the run said, and may take it as read.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    codec::{DecodeError, within},
    id::{DeviceId, OpId},
    op::Parent,
    stamp::Stamp,
};

/// The list of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Whose ops.
    #[serde(rename = "a")]
    pub author: DeviceId,
    /// The number of the run's first op.
    #[serde(rename = "f")]
    pub from: u64,
    /// The number of its last op.
    #[serde(rename = "t")]
    pub to: u64,
    /// The last op, which the author's next one follows.
    #[serde(rename = "o")]
    pub to_op: OpId,
    /// Of every other author, the last op that the run names as a parent; ascending by author.
    #[serde(rename = "n", default)]
    pub named: Vec<Parent>,
    /// The ids of all parts, one after the other.
    #[serde(rename = "p")]
    pub parts: ByteBuf,
}

/// Parts of one snapshot. Their ids fill half of the largest cell; a longer history has several snapshots.
pub const PARTS_MAX: usize = 1000;

/// Other authors that a run may name.
const NAMED_MAX: usize = crate::limits::DEVICES_MAX * 4;

impl Snapshot {
    /// Checks what must hold for every list.
    ///
    /// # Errors
    /// When the run is empty, or a list is too long or broken.
    pub fn check(&self) -> Result<(), DecodeError> {
        within("parts", self.parts.len() / OpId::LEN, PARTS_MAX)?;
        within("named ops", self.named.len(), NAMED_MAX)?;
        let is_run = self.from > 0 && self.from <= self.to;
        if !is_run || !self.parts.len().is_multiple_of(OpId::LEN) {
            return Err(DecodeError::Malformed);
        }
        Ok(())
    }

    /// The ids of the parts, in order.
    pub fn part_ids(&self) -> impl Iterator<Item = OpId> {
        self.parts.chunks_exact(OpId::LEN).filter_map(OpId::from_slice)
    }
}

/// Inside a part: whose change the next ones are, and when they were made. Records and deletions need it not, for they
/// merge without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Who made them.
    #[serde(rename = "a")]
    pub author: DeviceId,
    /// When, by that author's clock.
    #[serde(rename = "t")]
    pub stamp: Stamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(parts: usize) -> Snapshot {
        Snapshot {
            author: DeviceId([1; 32]),
            from: 1,
            to: 9,
            to_op: OpId([2; 32]),
            named: Vec::new(),
            parts: ByteBuf::from(vec![7; parts * OpId::LEN]),
        }
    }

    #[test]
    fn c_coll_02_a_list_that_cannot_be_is_refused() {
        assert_eq!(snapshot(PARTS_MAX).check(), Ok(()));
        assert_eq!(snapshot(3).part_ids().count(), 3);
        assert!(snapshot(PARTS_MAX + 1).check().is_err());
        assert!(Snapshot { from: 0, ..snapshot(1) }.check().is_err());
        assert!(Snapshot { from: 10, ..snapshot(1) }.check().is_err());
        assert!(Snapshot { parts: ByteBuf::from(vec![0; 33]), ..snapshot(1) }.check().is_err());
    }

    #[test]
    fn a_list_fits_a_cell_with_every_part_that_it_may_have() {
        let named = (0..NAMED_MAX as u8).map(|n| Parent { author: DeviceId([n; 32]), seq: 1, op: OpId([n; 32]) });
        let bytes = crate::codec::encode(&Snapshot { named: named.collect(), ..snapshot(PARTS_MAX) });
        assert!(bytes.len() < crate::limits::CELL_BYTES_MAX - 4096, "{}", bytes.len());
    }
}
