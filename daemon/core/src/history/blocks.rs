//! Which records lie together in the store. Knows rows by number and size, never by content.
//!
//! A record that comes alone gets a block of its own, so that a command costs one small write. Small blocks are merged
//! in two steps, a few dozen at a time, until they are full: each record is written about four times in its life and
//! there are never many small ones. A full block is not touched again unless a record in it changes or goes.

use std::collections::{BTreeMap, BTreeSet};

use crate::step::BlockNumber;

/// Records of a block. More would make every change of one record rewrite more; fewer compress worse and make a start
/// read more rows.
pub const BLOCK_RECORDS_MAX: usize = 512;

/// Text of a block, in bytes, after which it takes no more records. One record above it has a block for itself.
pub const BLOCK_BYTES_MAX: usize = 1 << 20;

/// A block with less than this share of the records and the text of a full one is tiny, or small. A quarter is full
/// enough: what is merged at last seldom fills a block to its end.
const SHARES: [usize; 2] = [16, 4];

/// Tiny or small blocks that are left alone. Fewer would merge more often, more would make a start read more of them.
const LEFT_ALONE: usize = 32;

/// No store comes to this many blocks.
const UNREAD_BELOW: BlockNumber = 1 << 48;

/// Blocks of rows.
#[derive(Default)]
pub(super) struct Blocks {
    blocks: BTreeMap<BlockNumber, Block>,
    /// Tiny ones and small ones.
    unfilled: [BTreeSet<BlockNumber>; SHARES.len()],
    changed: BTreeSet<BlockNumber>,
    last: BlockNumber,
}

#[derive(Default)]
struct Block {
    rows: Vec<u32>,
    bytes: usize,
}

impl Block {
    fn has_room_for(&self, records: usize, bytes: usize) -> bool {
        self.rows.is_empty()
            || (self.rows.len() + records <= BLOCK_RECORDS_MAX && self.bytes + bytes <= BLOCK_BYTES_MAX)
    }

    /// 0 when tiny, 1 when small, none when full enough.
    fn size(&self) -> Option<usize> {
        SHARES
            .iter()
            .position(|share| self.rows.len() < BLOCK_RECORDS_MAX / share && self.bytes < BLOCK_BYTES_MAX / share)
    }
}

impl Blocks {
    /// The block where the next record of one arrival goes, after `last` of the same arrival.
    pub(super) fn place(&mut self, last: Option<BlockNumber>, bytes: usize) -> BlockNumber {
        match last {
            Some(number) if self.blocks.get(&number).is_some_and(|block| block.has_room_for(1, bytes)) => number,
            _ => {
                self.last = self.last.saturating_add(1);
                self.last
            }
        }
    }

    /// Before the newest block of the store has been read, nobody here knows which numbers are taken. These are not.
    pub(super) fn leave_room_for_unread(&mut self) {
        if self.last == 0 {
            self.last = UNREAD_BELOW;
        }
    }

    /// Adds a block as it is in the store.
    pub(super) fn load(&mut self, number: BlockNumber, rows: Vec<u32>, bytes: usize) {
        self.last = self.last.max(number);
        if !rows.is_empty() {
            let block = self.blocks.entry(number).or_default();
            block.rows.extend(rows);
            block.bytes += bytes;
            self.sort_in(number);
        }
    }

    /// Adds a row to a block, which is to be written.
    pub(super) fn insert(&mut self, number: BlockNumber, row: u32, bytes: usize) {
        let block = self.blocks.entry(number).or_default();
        block.rows.push(row);
        block.bytes += bytes;
        self.sort_in(number);
        self.change(number);
    }

    /// Takes a row out of a block, which is to be written again.
    pub(super) fn remove(&mut self, number: BlockNumber, row: u32, bytes: usize) {
        if let Some(block) = self.blocks.get_mut(&number) {
            block.rows.retain(|other| *other != row);
            block.bytes = block.bytes.saturating_sub(bytes);
            if block.rows.is_empty() {
                self.blocks.remove(&number);
            }
        }
        self.sort_in(number);
        self.change(number);
    }

    /// Changes how much text a block has.
    pub(super) fn resize(&mut self, number: BlockNumber, before: usize, after: usize) {
        if let Some(block) = self.blocks.get_mut(&number) {
            block.bytes = block.bytes.saturating_sub(before) + after;
            self.sort_in(number);
        }
        self.change(number);
    }

    /// Marks a block to be written again.
    pub(super) fn change(&mut self, number: BlockNumber) {
        self.changed.insert(number);
    }

    /// Merges some small blocks, if there are too many, and gives the rows that moved and their block.
    pub(super) fn merge(&mut self) -> Option<(BlockNumber, Vec<u32>)> {
        let crowded = self.unfilled.iter().find(|blocks| blocks.len() > LEFT_ALONE)?;
        let mut sum = Block::default();
        let mut taken = Vec::new();
        for number in crowded {
            let Some(block) = self.blocks.get(number) else { continue };
            if !sum.has_room_for(block.rows.len(), block.bytes) {
                break;
            }
            sum.rows.extend_from_slice(&block.rows);
            sum.bytes += block.bytes;
            taken.push(*number);
        }
        // The greatest number: blocks are read from the newest.
        let number = *taken.last()?;
        for old in taken {
            self.blocks.remove(&old);
            self.sort_in(old);
            self.change(old);
        }
        let rows = sum.rows.clone();
        self.blocks.insert(number, sum);
        self.sort_in(number);
        Some((number, rows))
    }

    /// Whether [`Self::merge`] would find something.
    pub(super) fn is_crowded(&self) -> bool {
        self.unfilled.iter().any(|blocks| blocks.len() > LEFT_ALONE)
    }

    /// The blocks that changed since the last time, with their rows, or none for those that are no more.
    pub(super) fn take_changed(&mut self) -> Vec<(BlockNumber, Option<&[u32]>)> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|number| (number, self.blocks.get(&number).map(|block| &block.rows[..]))).collect()
    }

    fn sort_in(&mut self, number: BlockNumber) {
        let size = self.blocks.get(&number).and_then(Block::size);
        for (n, unfilled) in self.unfilled.iter_mut().enumerate() {
            if size == Some(n) {
                unfilled.insert(number);
            } else {
                unfilled.remove(&number);
            }
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let rows: usize = self.blocks.values().map(|block| block.rows.capacity() * size_of::<u32>()).sum();
        let each = size_of::<BlockNumber>() + size_of::<Block>();
        let sets = self.changed.len() + self.unfilled.iter().map(BTreeSet::len).sum::<usize>();
        rows + self.blocks.len() * each * 3 / 2 + sets * size_of::<BlockNumber>() * 3 / 2
    }
}
