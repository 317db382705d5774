//! The relay's log with the faults that a log can have, around the one in memory: a disk without room, and, under
//! sabotage, pages and cursors that are wrong.

use caro_relay::log::{Account, Change, Changed, Log, LogError, LogReader, Room, Stretch, memory::MemoryLog};
use caro_schema::{
    id::{Generation, Handle, Hash},
    relay::Entry,
};

use crate::sabotage::Sabotage;

/// A log that can fail.
pub struct Shelf {
    log: MemoryLog,
    /// How many more transactions find no room.
    refuses: u32,
    /// Cells of the last transaction, and for how many more rounds a reader beside it may miss them when cursors are given
    /// out too early.
    fresh: (usize, u8),
    sabotage: Option<Sabotage>,
}

impl Shelf {
    pub(crate) fn new(log: MemoryLog, sabotage: Option<Sabotage>) -> Self {
        Self { log, refuses: 0, fresh: (0, 0), sabotage }
    }

    pub(crate) fn refuse(&mut self, count: u32) {
        self.refuses = count;
    }

    pub(crate) fn backup(&self) -> MemoryLog {
        self.log.backup()
    }

    pub(crate) fn replace(&mut self, log: MemoryLog) {
        self.log = log;
    }

    /// Another round begins: what was committed some rounds ago can be seen.
    pub(crate) fn next_round(&mut self) {
        self.fresh.1 = self.fresh.1.saturating_sub(1);
    }

    /// All entries of an account.
    pub(crate) fn entries(&self, handle: &Handle) -> Vec<Entry> {
        let (mut log, mut entries) = (self.log.clone(), Vec::new());
        let room = || Room { bytes: 1 << 20, entries: 1000 };
        loop {
            let stretch = log.stretch(handle, entries.len() as u64, room()).expect("a log in memory");
            let Some(stretch) = stretch.filter(|stretch| !stretch.entries.is_empty()) else { return entries };
            entries.extend(stretch.entries);
        }
    }

    /// A stretch without its last entries, as if the log ended there.
    fn shortened(&mut self, handle: &Handle, after: u64, entries: usize) -> Result<Option<Stretch>, LogError> {
        if entries == 0 {
            let head = self.log.stretch(handle, after, Room { bytes: 0, entries: 0 })?.map(|empty| empty.head);
            let head = head.unwrap_or(Hash([0; 32]));
            return Ok(Some(Stretch { entries: Vec::new(), head, end: after }));
        }
        let stretch = self.log.stretch(handle, after, Room { bytes: usize::MAX, entries })?;
        Ok(stretch.map(|stretch| Stretch { end: after + stretch.entries.len() as u64, ..stretch }))
    }
}

impl LogReader for Shelf {
    fn turn(&mut self) -> Result<u64, LogError> {
        self.log.turn()
    }

    fn account(&mut self, handle: &Handle) -> Result<Option<Account>, LogError> {
        self.log.account(handle)
    }

    fn was_removed(&mut self, handle: &Handle, device: &Hash) -> Result<bool, LogError> {
        self.log.was_removed(handle, device)
    }

    fn stretch(&mut self, handle: &Handle, after: u64, room: Room) -> Result<Option<Stretch>, LogError> {
        let stretch = self.log.stretch(handle, after, room)?;
        let Some(mut whole) = stretch else { return Ok(None) };
        let count = whole.entries.len();
        match self.sabotage {
            Some(Sabotage::PageOffByOne) if count > 1 => self.shortened(handle, after, count - 1),
            // Between the cursor and its cell: who reads then sees a later one in an earlier one's place.
            Some(Sabotage::CursorOutsideTx) if self.fresh.0 > 0 && self.fresh.1 > 0 && count > 1 => {
                whole.entries.swap(count - 1, count - 2);
                Ok(Some(whole))
            }
            _ => Ok(Some(whole)),
        }
    }
}

impl Log for Shelf {
    fn generation(&self) -> Generation {
        self.log.generation()
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<Vec<Changed>, LogError> {
        if self.refuses > 0 {
            self.refuses -= 1;
            return Err(LogError::Unavailable);
        }
        let changed = self.log.commit(changes)?;
        let fresh =
            |changed: &Changed| if let Changed::Appended(appended) = changed { appended.fresh.len() } else { 0 };
        self.fresh = (changed.iter().map(fresh).sum(), 3);
        Ok(changed)
    }

    fn settle(&mut self) -> Result<(), LogError> {
        self.log.settle()
    }

    fn expire(&mut self, before_day: u32) -> Result<(u64, bool), LogError> {
        self.log.expire(before_day)
    }
}
