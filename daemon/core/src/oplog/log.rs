//! Where an op belongs: next, known, later, or beside. And the header of the next own op.

use std::collections::{BTreeMap, BTreeSet};

use caro_link::proof;
use caro_schema::{
    id::{Dataset, DeviceId, Hash, OpId},
    limits::PARENTS_MAX,
    op::{Header, Parent, kind},
    stamp::Stamp,
};
use serde::{Deserialize, Serialize};

use super::{Bloom, Need, Stored, Tip, Vector, fork, row_key};
use crate::step::{RowError, Rows, Space};

/// What a device has of every author.
#[derive(Clone, Serialize, Deserialize)]
pub struct OpLog {
    dataset: Dataset,
    own: DeviceId,
    vector: Vector,
    /// Of each author, the last op that another author's op named as a parent.
    #[serde(default)]
    named: BTreeMap<DeviceId, u64>,
    /// Of authors whose chain was ever in doubt, how many ops were found beside it.
    #[serde(default)]
    beside: BTreeMap<DeviceId, u64>,
    /// Numbers of ops beside an author's chain that came before the op that they follow.
    #[serde(default)]
    severed: BTreeMap<DeviceId, BTreeSet<u64>>,
    /// Of authors whose ops count no more after one of them, its number. What followed later ones of theirs need not wait.
    #[serde(default)]
    ends: BTreeMap<DeviceId, u64>,
    clock: Stamp,
}

/// Where an op belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It can be applied now.
    Next,
    /// It was applied already.
    Known,
    /// Its number is within a run that was said again by a snapshot, so that nobody can tell whether it was part of it.
    /// What it says is applied once more, which is harmless if it was.
    Covered,
    /// It must wait for this one.
    Waits(Need),
    /// The author wrote two different ops with one number: its state was copied or turned back. What it says counts,
    /// as everything that a member signed does; its place in the chain is decided by [`super::fork`].
    Fork,
}

/// Ops of one author that somebody lacks, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Whose.
    pub author: DeviceId,
    /// The first one's number.
    pub from: u64,
    /// The last one's.
    pub to: u64,
}

impl OpLog {
    /// An empty log of one device in one account.
    pub fn new(dataset: Dataset, own: DeviceId) -> Self {
        Self {
            dataset,
            own,
            vector: Vector::default(),
            named: BTreeMap::new(),
            beside: BTreeMap::new(),
            severed: BTreeMap::new(),
            ends: BTreeMap::new(),
            clock: Stamp::default(),
        }
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
        let is_head = |(author, tip): &(&DeviceId, &Tip)| {
            tip.seq > 0 && self.named.get(author).is_none_or(|named| *named < tip.seq)
        };
        let heads = self.vector.iter().filter(is_head);
        heads.map(|(author, tip)| Parent { author: *author, seq: tip.seq, op: tip.op }).take(most).collect()
    }

    /// What is here and not with somebody who has `have`, author by author. What a snapshot covers is among it; its
    /// parts stand for it.
    pub fn missing(&self, have: &BTreeMap<DeviceId, u64>) -> Vec<Run> {
        let run = |(author, tip): (&DeviceId, &Tip)| {
            let from = have.get(author).copied().unwrap_or(0) + 1;
            (from <= tip.seq).then_some(Run { author: *author, from, to: tip.seq })
        };
        self.vector.iter().filter_map(run).collect()
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

    /// The header of a part of a snapshot of this device's: beside the chain, and with no stamp that others would have
    /// to exceed.
    pub fn part_header(&self, payload_commit: Hash) -> Option<Header> {
        let tip = self.vector.tip(&self.own)?;
        Some(Header {
            dataset: self.dataset,
            author: self.own,
            seq: tip.seq,
            prev: tip.op,
            parents: Vec::new(),
            stamp: self.clock,
            kind: kind::PART,
            payload_commit,
        })
    }

    /// Where an op belongs whose signature has been checked.
    ///
    /// # Errors
    /// When an older op has to be compared and the store cannot be read.
    pub fn place(&self, header: &Header, op: OpId, rows: &dyn Rows) -> Result<Placement, RowError> {
        let tip = self.vector.tip(&header.author);
        let have = tip.map_or(0, |tip| tip.seq);
        if header.seq <= have {
            let known = match tip {
                Some(tip) if tip.seq == header.seq => Some(tip.op),
                _ => stored_id(rows, &header.author, header.seq)?,
            };
            return Ok(match known {
                Some(known) if known == op => Placement::Known,
                Some(_) => Placement::Fork,
                None => Placement::Covered,
            });
        }
        if header.seq > have + 1 {
            // What follows an op beside the chain is beside it too, and waits for nothing. Not a list: the chain may go on
            // after the run that it says again, whatever is here of that run.
            let is_beside =
                header.kind != kind::SNAPSHOT && self.is_beside(&header.author, header.seq - 1, &header.prev, rows)?;
            let need = Need { author: header.author, seq: header.seq - 1 };
            return Ok(if is_beside { Placement::Fork } else { Placement::Waits(need) });
        }
        if header.prev != tip.map_or(OpId([0; 32]), |tip| tip.op) {
            return Ok(Placement::Fork);
        }
        for parent in &header.parents {
            if !self.knows(parent, rows)? {
                return Ok(Placement::Waits(Need { author: parent.author, seq: self.counted(parent) }));
            }
        }
        Ok(Placement::Next)
    }

    /// Whether an op is here that another one names as a parent, on its author's chain or beside it. Whoever named it may
    /// have done so when the chain went on with it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn knows(&self, parent: &Parent, rows: &dyn Rows) -> Result<bool, RowError> {
        Ok(self.vector.seq(&parent.author) >= self.counted(parent)
            || self.is_beside(&parent.author, parent.seq, &parent.op, rows)?)
    }

    /// The number up to which its author's ops have to be here for a parent: those beyond its end never come.
    fn counted(&self, parent: &Parent) -> u64 {
        self.ends.get(&parent.author).map_or(parent.seq, |end| parent.seq.min(*end))
    }

    /// Whether an op is kept beside its author's chain.
    fn is_beside(&self, author: &DeviceId, seq: u64, op: &OpId, rows: &dyn Rows) -> Result<bool, RowError> {
        // Nearly nobody's chain was ever in doubt, and then the store need not be asked.
        Ok(self.is_forked(author) && rows.row(Space::Fork, &fork::row_key(author, seq, op))?.is_some())
    }

    /// Counts an op that was placed as next, or made from [`Self::next_header`].
    pub fn advance(&mut self, header: &Header, op: OpId) {
        self.observe(header.stamp);
        self.vector.advance(header.author, Tip { seq: header.seq, op });
        for parent in &header.parents {
            self.note_named(parent);
        }
    }

    /// Takes a run as read that a snapshot says again: `named` are the parents in it. Changes nothing when the run's
    /// end is known already.
    pub fn jump(&mut self, author: DeviceId, to: Tip, named: &[Parent], stamp: Stamp) {
        self.observe(stamp);
        if self.vector.seq(&author) < to.seq {
            self.vector.advance(author, to);
        }
        for parent in named {
            self.note_named(parent);
        }
    }

    /// An author's ops count no more after this number.
    pub fn end_at(&mut self, author: DeviceId, seq: u64) {
        self.ends.insert(author, seq);
    }

    /// Makes an op the last one of its author that counts in the chain, whatever the last one was.
    pub fn turn_to(&mut self, author: DeviceId, tip: Tip) {
        self.vector.advance(author, tip);
    }

    /// Counts an op beside its author's chain. False when there are `most` already.
    pub fn count_beside(&mut self, author: DeviceId, most: u64) -> bool {
        let count = self.beside.entry(author).or_default();
        *count = count.saturating_add(1);
        *count <= most
    }

    /// An op beside its author's chain came before the one that it follows, `prev` with the number before, unless that is
    /// beside the chain too.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn note_severed(&mut self, author: DeviceId, seq: u64, prev: &OpId, rows: &dyn Rows) -> Result<(), RowError> {
        if !self.is_beside(&author, seq.saturating_sub(1), prev, rows)? {
            let numbers = self.severed.entry(author).or_default();
            if numbers.len() < SEVERED_MAX {
                numbers.insert(seq);
            }
        }
        Ok(())
    }

    /// Whether an op beside an author's chain may follow the last one on it, having come before that.
    pub fn may_go_on(&self, author: &DeviceId) -> bool {
        let next = self.vector.seq(author) + 1;
        self.severed.get(author).is_some_and(|numbers| numbers.contains(&next))
    }

    /// Authors of whom two different ops with one number were seen.
    pub fn forked(&self) -> impl Iterator<Item = &DeviceId> {
        self.beside.keys()
    }

    /// Whether two different ops of this author with one number were seen.
    pub fn is_forked(&self, author: &DeviceId) -> bool {
        self.beside.contains_key(author)
    }

    /// Ids of the last `most` ops of each author, for a hint to somebody else ([`super::Bloom`]).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn recent(&self, most: u64, rows: &dyn Rows) -> Result<Vec<OpId>, RowError> {
        let mut ids = Vec::new();
        for (author, tip) in self.vector.iter() {
            ids.push(tip.op);
            for seq in tip.seq.saturating_sub(most.saturating_sub(1)).max(1)..tip.seq {
                ids.extend(stored_id(rows, author, seq)?);
            }
        }
        Ok(ids)
    }

    /// A summary of the last `most` ops of each author.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn recent_bloom(&self, most: u64, rows: &dyn Rows) -> Result<Bloom, RowError> {
        Ok(Bloom::of(&self.recent(most, rows)?))
    }

    /// Counts a stamp that was seen.
    pub fn observe(&mut self, stamp: Stamp) {
        self.clock = self.clock.observe(stamp);
    }

    fn note_named(&mut self, parent: &Parent) {
        let named = self.named.entry(parent.author).or_default();
        *named = parent.seq.max(*named);
    }
}

/// Numbers of severed ops that are remembered of one author. Relays keep the order in which ops were sent, so there are
/// hardly any; what is beyond counts and does not come onto the chain. More would make the log's row large, which is
/// written with each op.
const SEVERED_MAX: usize = 1_000;

/// The id of an op that was applied before, unless a snapshot says it again.
pub(super) fn stored_id(rows: &dyn Rows, author: &DeviceId, seq: u64) -> Result<Option<OpId>, RowError> {
    let Some(bytes) = rows.row(Space::Op, &row_key(author, seq))? else { return Ok(None) };
    let op = Stored::decode(&bytes).and_then(|stored| stored.signed()).map_err(|_| RowError)?;
    Ok(Some(proof::op_id(&op.header_bytes)))
}
