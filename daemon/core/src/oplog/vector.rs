//! A version vector: of each author, the highest number without a gap and the op that has it.

use std::collections::BTreeMap;

use caro_schema::id::{DeviceId, OpId};
use serde::{Deserialize, Serialize};

/// The last op of one author.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    /// Its number.
    pub seq: u64,
    /// Its id.
    pub op: OpId,
}

/// Of each author, how far it is known without a gap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vector(BTreeMap<DeviceId, Tip>);

impl Vector {
    /// The last op of an author, if there is any.
    pub fn tip(&self, author: &DeviceId) -> Option<Tip> {
        self.0.get(author).copied()
    }

    /// The number of the last op of an author, zero for none.
    pub fn seq(&self, author: &DeviceId) -> u64 {
        self.tip(author).map_or(0, |tip| tip.seq)
    }

    /// Sets the last op of an author. The caller has checked that it is the next one.
    pub fn advance(&mut self, author: DeviceId, tip: Tip) {
        self.0.insert(author, tip);
    }

    /// All authors with their last ops, ascending by author.
    pub fn iter(&self) -> impl Iterator<Item = (&DeviceId, &Tip)> {
        self.0.iter()
    }

    /// How many ops it counts in all.
    pub fn total(&self) -> u64 {
        self.0.values().map(|tip| tip.seq).sum()
    }
}
