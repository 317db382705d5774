//! The relays that a device uses: added, removed, stopped, and read again where something of their logs was left behind.
//!
//! What one relay has, is sent and is asked for is [`crate::sync`]'s. Here is what the account as a whole has to do with it.

use caro_schema::ipc::sync::StopReason;

use super::{Account, DeviceError, state};
use crate::{
    step::{Notice, RemoteNumber, Rows, Space, Step, Write},
    sync::{Remote, RemoteRecord},
};

impl Account {
    pub(super) fn add_remote(&mut self, number: RemoteNumber, record: RemoteRecord) {
        if let Ok(remote) = Remote::load(number, record, &Nothing) {
            self.remotes.insert(number, remote);
        }
    }

    pub(super) fn add_another_remote(&mut self, record: RemoteRecord) -> Step {
        let record = RemoteRecord { comparing: true, ..record };
        let number = self.remotes.keys().next_back().map_or(1, |last| last + 1);
        self.add_remote(number, record);
        self.begin_offering_again(number);
        Step { writes: self.remote_row(number).into_iter().collect(), notices: vec![Notice::Sync], ..Step::default() }
    }

    pub(super) fn remove_remote(&mut self, number: RemoteNumber, rows: &dyn Rows) -> Result<Step, DeviceError> {
        let mut step = Step { notices: vec![Notice::Sync], ..Step::default() };
        if self.remotes.remove(&number).is_none() {
            return Ok(step);
        }
        self.offers.remove(&number);
        self.forwards.remove(&number);
        step.writes.push(Write::Row(Space::State, state::remote_key(number), None));
        for (key, _) in rows.rows(Space::State)? {
            if state::purge_of(&key).is_some_and(|(of, _)| of == number) {
                step.writes.push(Write::Row(Space::State, key, None));
            }
        }
        step.writes.extend(drop_queue(number, rows)?);
        Ok(step)
    }

    /// A remote by number.
    pub fn remote(&self, number: RemoteNumber) -> Option<&Remote> {
        self.remotes.get(&number)
    }

    pub(super) fn remote_mut(&mut self, number: RemoteNumber) -> Option<&mut Remote> {
        self.remotes.get_mut(&number)
    }

    /// All remotes.
    pub fn remotes(&self) -> impl Iterator<Item = &Remote> {
        self.remotes.values()
    }

    pub(super) fn note_left_behind(&mut self, number: RemoteNumber) {
        self.left_behind.insert(number);
    }

    /// A log was read to its end. Says whether to read it from the beginning again: something found no room, and it got
    /// on since the last time that this was done.
    pub(super) fn reads_again(&mut self, number: RemoteNumber) -> bool {
        if !self.left_behind.remove(&number) {
            return false;
        }
        let total = self.log.vector().total();
        self.read_again_at.insert(number, total).is_none_or(|before| before < total)
    }

    /// Notes the moment when a remote and this device have the same. Says whether that is news worth a write.
    pub(super) fn note_in_step(&mut self, number: RemoteNumber, now_ms: u64) -> bool {
        let Some(remote) = self.remotes.get_mut(&number).filter(|remote| remote.in_step()) else { return false };
        let before = remote.record.last_sync_ms;
        remote.record.last_sync_ms = now_ms;
        now_ms.saturating_sub(before) > LAST_SYNC_GRAIN_MS
    }

    /// Stops a remote until a person decides.
    pub(super) fn stop_remote(&mut self, number: RemoteNumber, reason: StopReason) -> Step {
        if let Some(remote) = self.remotes.get_mut(&number) {
            remote.stop(reason);
        }
        Step { writes: self.remote_row(number).into_iter().collect(), notices: vec![Notice::Sync], ..Step::default() }
    }
}

/// Everything that waits for a remote, dropped.
pub(super) fn drop_queue(number: RemoteNumber, rows: &dyn Rows) -> Result<Vec<Write>, DeviceError> {
    let (mut writes, mut after) = (Vec::new(), 0);
    loop {
        let page = rows.queue(number, after, QUEUE_PAGE_BYTES)?;
        let Some((last, _)) = page.last() else { return Ok(writes) };
        after = *last;
        writes.extend(page.iter().map(|(queued, _)| Write::Queue(number, *queued, None)));
    }
}

/// Bytes of a queue that are looked at together.
const QUEUE_PAGE_BYTES: usize = 1 << 20;

/// How old the saved moment of the last sync may be. It is for display after a restart; each save costs an fsync.
const LAST_SYNC_GRAIN_MS: u64 = 60_000;

/// A store with nothing in it: a new remote's queue is empty.
struct Nothing;

impl Rows for Nothing {
    fn row(&self, _: Space, _: &[u8]) -> Result<Option<Vec<u8>>, crate::step::RowError> {
        Ok(None)
    }

    fn rows(&self, _: Space) -> Result<Vec<(Vec<u8>, Vec<u8>)>, crate::step::RowError> {
        Ok(Vec::new())
    }

    fn queue(&self, _: RemoteNumber, _: u64, _: usize) -> Result<Vec<(u64, Vec<u8>)>, crate::step::RowError> {
        Ok(Vec::new())
    }
}
