//! The whole history of this device in memory: what is there, what was deleted, and what has to be written.
//!
//! A record gets in by [`History::put`] and out by [`History::delete`], and the result does not hang on the order:
//! of two versions of a record the one that has ended wins, then the one whose encoding is greater; a deleted record
//! never comes back. Knows nothing of ops, devices or relays, and reads and writes no file: it says by
//! [`History::take_writes`] which blocks changed.
//!
//! Every text is held once ([`arena`], [`pool`], [`commands`], [`contexts`]) and a record is a row of numbers ([`rows`]), about
//! eighty bytes. How rows lie together in the store is in [`blocks`], their bytes in [`block`]. Searching is in
//! [`crate::search`].

mod arena;
pub mod block;
mod blocks;
mod commands;
mod contexts;
mod fold;
mod grow;
mod index;
mod pool;
mod revision;
mod rows;
mod runs;
mod tombstones;
mod version;

#[cfg(test)]
pub(crate) mod model;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use caro_schema::{body::history::Record, codec, id::RecordId};

use blocks::Blocks;
pub use blocks::{BLOCK_BYTES_MAX, BLOCK_RECORDS_MAX};
pub(crate) use commands::{Commands, Shape};
pub(crate) use contexts::{Contexts, Words};
#[cfg(test)]
pub(crate) use fold::standing;
pub(crate) use fold::{Marks, SIGNS, Standing, fold_char, fold_into, letters, pair, shape};
pub(crate) use pool::Pool;
pub(crate) use revision::Revision;
use rows::Row;
pub(crate) use rows::{NO_ROW, Numbers, Rows, Span};
use tombstones::Tombstones;
use version::{assistant_bytes, is_greater, text_bytes};

use crate::step::{BlockNumber, Space, Write};

/// All records and tombstones of one device.
pub struct History {
    rows: Rows,
    commands: Commands,
    directories: Pool,
    contexts: Contexts,
    tombstones: Tombstones,
    /// Records that are not to be here, and are elsewhere.
    hidden: Tombstones,
    blocks: Blocks,
    /// Marks that are to be written, or dropped.
    marked: Vec<(Space, RecordId, bool)>,
    /// Commands whose newest run has changed or gone.
    stale: BTreeSet<u32>,
    revision: Revision,
    complete: bool,
}

/// What became of the records that were put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutOutcome {
    /// Were not there.
    pub added: u64,
    /// Were there in a lesser version.
    pub replaced: u64,
    /// Were there in this version or a greater one.
    pub known: u64,
    /// Had been deleted, and stay so.
    pub deleted: u64,
}

/// What a deletion did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Ids that were not deleted before, each once.
    pub new: Vec<RecordId>,
    /// How many of them there was a record of.
    pub live: u64,
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

impl History {
    /// Nothing, and not known to be all.
    pub fn new() -> Self {
        Self {
            rows: Rows::default(),
            commands: Commands::new(),
            directories: Pool::default(),
            contexts: Contexts::default(),
            tombstones: Tombstones::default(),
            hidden: Tombstones::default(),
            blocks: Blocks::default(),
            marked: Vec::new(),
            stale: BTreeSet::new(),
            revision: Revision::new(),
            complete: false,
        }
    }

    /// Takes in a block of the store. The newest block comes first, so that new numbers are above all that are in use;
    /// tombstones come before any. A record that is here already, or was deleted, leaves the block at the next write.
    pub fn load_block(&mut self, number: BlockNumber, records: Vec<Record>) {
        let (mut rows, mut bytes) = (Vec::with_capacity(records.len()), 0);
        for record in records {
            if self.keeps_out(&record.id) {
                self.blocks.change(number);
            } else if let Some(row) = self.rows.find(&record.id) {
                if self.rows.block(row) != number {
                    self.blocks.change(number);
                }
                self.merge(row, record);
            } else {
                bytes += text_bytes(&record);
                rows.push(self.insert(record, number));
            }
        }
        self.blocks.load(number, rows, bytes);
        self.settle();
    }

    /// Takes in the tombstones of the store.
    pub fn load_tombstones(&mut self, ids: impl Iterator<Item = RecordId>) {
        self.tombstones.add(ids);
    }

    /// Takes in what the store says is not to be here, though it is elsewhere.
    pub fn load_hidden(&mut self, ids: impl Iterator<Item = RecordId>) {
        self.hidden.add(ids);
    }

    /// Says that all blocks of the store have been loaded.
    pub fn set_complete(&mut self) {
        self.complete = true;
    }

    /// Whether all blocks of the store have been loaded.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Merges records into the history.
    pub fn put(&mut self, records: impl IntoIterator<Item = Record>) -> PutOutcome {
        if !self.complete {
            self.blocks.leave_room_for_unread();
        }
        let mut outcome = PutOutcome::default();
        let mut block = None;
        for record in records {
            if self.keeps_out(&record.id) {
                outcome.deleted += 1;
            } else if let Some(row) = self.rows.find(&record.id) {
                let replaced = self.merge(row, record);
                *(if replaced { &mut outcome.replaced } else { &mut outcome.known }) += 1;
            } else {
                let bytes = text_bytes(&record);
                let number = self.blocks.place(block, bytes);
                let row = self.insert(record, number);
                self.blocks.insert(number, row, bytes);
                block = Some(number);
                outcome.added += 1;
            }
        }
        if outcome.added + outcome.replaced > 0 {
            self.settle();
            self.compact();
        }
        outcome
    }

    /// Deletes records for ever, also those that have not come yet. Their text is gone from memory when this returns.
    /// Gives what was not deleted before.
    pub fn delete(&mut self, ids: &[RecordId]) -> Deleted {
        let new = self.tombstones.add(ids.iter().copied());
        self.marked.extend(new.iter().map(|id| (Space::Tombstone, *id, true)));
        Deleted { live: self.remove(ids), new }
    }

    /// Takes a deletion back: these ids may come again. What was deleted with them has to be put again.
    pub fn undelete(&mut self, ids: &[RecordId]) {
        let back = self.tombstones.remove(ids.iter().copied());
        self.marked.extend(back.into_iter().map(|id| (Space::Tombstone, id, false)));
    }

    /// Has records not be here any more, and not come again, though others keep them. Gives how many were here.
    pub fn hide(&mut self, ids: &[RecordId]) -> u64 {
        if ids.is_empty() {
            return 0;
        }
        let new = self.hidden.add(ids.iter().copied());
        self.marked.extend(new.into_iter().map(|id| (Space::Hidden, id, true)));
        self.remove(ids)
    }

    /// Lets records come again that were hidden. They have to be put again.
    pub fn unhide(&mut self, ids: &[RecordId]) {
        let back = self.hidden.remove(ids.iter().copied());
        self.marked.extend(back.into_iter().map(|id| (Space::Hidden, id, false)));
    }

    /// Takes rows out, with their text. Gives how many there were.
    fn remove(&mut self, ids: &[RecordId]) -> u64 {
        let mut count = 0;
        for id in ids {
            let Some(row) = self.rows.find(id) else { continue };
            self.blocks.remove(self.rows.block(row), row, self.row_text_bytes(row));
            self.forget_run(row);
            self.release_texts(row);
            self.rows.remove(row);
            count += 1;
        }
        self.settle();
        count
    }

    /// Whether something with this id is not taken in, because it was deleted everywhere or is not to be here.
    pub(crate) fn keeps_out(&self, id: &RecordId) -> bool {
        self.tombstones.contains(id) || self.hidden.contains(id)
    }

    /// Merges some small blocks into one, if there are too many. True when there is more to do. Every [`Self::put`]
    /// does this once, which keeps pace with what it adds.
    pub fn compact(&mut self) -> bool {
        if let Some((number, rows)) = self.blocks.merge() {
            for row in rows {
                self.rows.set_block(row, number);
            }
        }
        self.blocks.is_crowded()
    }

    /// The record with this id.
    pub fn record(&self, id: &RecordId) -> Option<Record> {
        self.rows.find(id).map(|row| self.build(row))
    }

    /// Whether there is a record with this id.
    pub fn contains(&self, id: &RecordId) -> bool {
        self.rows.find(id).is_some()
    }

    /// The ids of all deleted records, ascending.
    pub fn deleted(&self) -> impl Iterator<Item = &RecordId> {
        self.tombstones.iter()
    }

    /// Whether the record with this id is only not to be here.
    pub fn is_hidden(&self, id: &RecordId) -> bool {
        self.hidden.contains(id)
    }

    /// Whether the record with this id was deleted.
    pub fn is_deleted(&self, id: &RecordId) -> bool {
        self.tombstones.contains(id)
    }

    /// All records, the newest first.
    pub fn newest(&self) -> impl Iterator<Item = Record> + '_ {
        let mut rows: Vec<u32> = self.rows.live().collect();
        rows.sort_unstable_by(|one, other| self.rows.compare(*other, *one));
        rows.into_iter().map(|row| self.build(row))
    }

    /// The records that began in this span, in no order.
    pub fn between(&self, from_us: i64, to_us: i64) -> impl Iterator<Item = Record> + '_ {
        let within = move |row: &u32| (from_us..to_us).contains(&self.rows.start_us(*row));
        self.rows.live().filter(within).map(|row| self.build(row))
    }

    /// When each record began, and which it is, in no order.
    pub fn starts(&self) -> impl Iterator<Item = (i64, RecordId)> + '_ {
        self.rows.live().map(|row| (self.rows.start_us(row), self.rows.id(row)))
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many different commands there are.
    pub fn distinct(&self) -> usize {
        self.commands.len()
    }

    /// What has changed since the last time, for one transaction.
    pub fn take_writes(&mut self) -> Vec<Write> {
        let marked = std::mem::take(&mut self.marked);
        let row =
            |(space, id, is): (Space, RecordId, bool)| Write::Row(space, id.as_bytes().to_vec(), is.then(Vec::new));
        let mut writes: Vec<Write> = marked.into_iter().map(row).collect();
        let mut blocks = std::mem::take(&mut self.blocks);
        for (number, rows) in blocks.take_changed() {
            let records = rows.map(|rows| rows.iter().map(|row| self.build(*row)).collect());
            writes.push(Write::Block(number, records));
        }
        self.blocks = blocks;
        writes
    }

    /// One hash of all records and tombstones. Two devices with the same have the same history.
    pub fn digest(&self) -> [u8; 32] {
        let mut rows: Vec<u32> = self.rows.live().collect();
        rows.sort_unstable_by_key(|row| self.rows.id(*row));
        let mut hasher = blake3::Hasher::new();
        for row in rows {
            let record = codec::encode(&self.build(row));
            hasher.update(&(record.len() as u64).to_be_bytes()).update(&record);
        }
        for id in self.tombstones.iter() {
            hasher.update(id.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// How much memory this holds, in bytes, as far as can be told without asking the allocator.
    pub fn memory_bytes(&self) -> usize {
        self.rows.memory_bytes()
            + self.commands.memory_bytes()
            + self.directories.memory_bytes()
            + self.contexts.memory_bytes()
            + self.tombstones.memory_bytes()
            + self.hidden.memory_bytes()
            + self.blocks.memory_bytes()
    }

    /// Changes whenever a record does.
    pub(crate) fn revision(&self) -> &Revision {
        &self.revision
    }

    /// The columns, for a search.
    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The distinct commands, for a search.
    pub(crate) fn commands(&self) -> &Commands {
        &self.commands
    }

    /// The distinct directories, for a search.
    pub(crate) fn directories(&self) -> &Pool {
        &self.directories
    }

    /// The distinct contexts, for a search.
    pub(crate) fn contexts(&self) -> &Contexts {
        &self.contexts
    }

    /// The record of a row.
    pub(crate) fn build(&self, row: u32) -> Record {
        let words = self.contexts.words(self.rows.context(row));
        Record {
            id: self.rows.id(row),
            command: self.command_of(row).to_vec().into(),
            directory: self.directories.text(self.rows.directory(row)).to_vec().into(),
            host: words.host.to_owned(),
            user: words.user.to_owned(),
            shell: words.shell.to_owned(),
            session: words.session.to_owned(),
            start_us: self.rows.start_us(row),
            duration_us: self.rows.duration_us(row),
            exit: self.rows.exit(row),
            assistant: self.rows.assistant(row).map(|assistant| Box::new(assistant.clone())),
        }
    }

    fn command_of(&self, row: u32) -> &[u8] {
        self.rows.command(row).map_or(&[], |command| self.commands.text(command))
    }

    fn insert(&mut self, record: Record, block: BlockNumber) -> u32 {
        let row = self.intern(record, block);
        let row = self.rows.insert(row);
        self.note_run(row);
        row
    }

    /// Replaces a record if this version is greater. True when it did.
    fn merge(&mut self, row: u32, record: Record) -> bool {
        let known = self.build(row);
        if !is_greater(&record, &known) {
            return false;
        }
        self.blocks.resize(self.rows.block(row), text_bytes(&known), text_bytes(&record));
        let same_run = record.command == known.command && record.start_us == known.start_us;
        if !same_run {
            self.forget_run(row);
        }
        // First the new texts, so that those that stay are not dropped in between.
        let new = self.intern(record, self.rows.block(row));
        self.release_texts(row);
        self.rows.set(row, new);
        if !same_run {
            self.note_run(row);
        }
        true
    }

    fn intern(&mut self, record: Record, block: BlockNumber) -> Row {
        let Record { id, command, directory, host, user, shell, session, start_us, duration_us, exit, assistant } =
            record;
        let words = Words { host: &host, user: &user, shell: &shell, session: &session };
        Row {
            id,
            start_us,
            command: self.commands.take(&command),
            directory: self.directories.take(&directory).0,
            context: self.contexts.take(words),
            exit,
            duration_us,
            assistant,
            block,
        }
    }

    fn release_texts(&mut self, row: u32) {
        if let Some(command) = self.rows.command(row) {
            self.commands.release(command);
        }
        self.directories.release(self.rows.directory(row));
        self.directories.pack();
        self.contexts.release(self.rows.context(row));
    }

    /// Makes a row the newest run of its command, if it is.
    fn note_run(&mut self, row: u32) {
        let Some(command) = self.rows.command(row) else { return };
        let newest = self.commands.newest(command);
        if newest == NO_ROW || self.rows.compare(row, newest).is_gt() {
            self.commands.set_newest(command, row, self.rows.start_us(row));
        }
    }

    /// A row is about to stop being a run of its command.
    fn forget_run(&mut self, row: u32) {
        self.stale.extend(self.rows.command(row).filter(|command| self.commands.newest(*command) == row));
    }

    /// After a change: finds the newest runs that are not known any more, all in one pass.
    fn settle(&mut self) {
        self.revision.advance();
        let mut stale = std::mem::take(&mut self.stale);
        stale.retain(|command| self.commands.runs(*command) > 0);
        if stale.is_empty() {
            return;
        }
        let mut is_stale = vec![false; self.commands.slots()];
        for command in stale {
            self.commands.set_newest(command, NO_ROW, i64::MIN);
            is_stale[command as usize] = true;
        }
        for row in 0..self.rows.slots() as u32 {
            if self.rows.command(row).is_some_and(|command| is_stale[command as usize]) {
                self.note_run(row);
            }
        }
    }

    fn row_text_bytes(&self, row: u32) -> usize {
        let assistant = self.rows.assistant(row).map_or(0, assistant_bytes);
        self.command_of(row).len() + self.directories.text(self.rows.directory(row)).len() + assistant
    }
}

// Written by hand: nothing of a history is ever printed.
impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").field("records", &self.len()).finish_non_exhaustive()
    }
}
