//! A log in memory, for the simulator and for tests of what is above the log. Its copies share one store, so that a
//! reader sees what a writer committed, and a "restarted" relay finds what the one before it had.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use caro_link::proof;
use caro_schema::{
    id::{CellId, Generation, Handle, Hash},
    relay::{
        Accepted, Entry,
        list::{Addition, DeviceList, SignedList},
    },
};
use serde_bytes::ByteBuf;

use super::{Account, Appended, Change, Changed, Log, LogError, LogReader, Noted, Room, Stretch};
use crate::{
    limits::REMOVED_MAX,
    members::{self, Admission, Step, Stored},
    quota::{self, Quota},
};

/// A log in memory.
#[derive(Clone)]
pub struct MemoryLog {
    generation: Generation,
    accounts: Arc<Mutex<HashMap<Handle, Kept>>>,
}

#[derive(Clone)]
struct Kept {
    account: Account,
    version: u64,
    /// A new life has begun since the account was made.
    restored: bool,
    removed: VecDeque<Hash>,
    delivered: HashMap<Hash, u64>,
    entries: Vec<KeptEntry>,
    by_id: HashMap<CellId, u64>,
}

#[derive(Clone)]
struct KeptEntry {
    cell: CellId,
    head: Hash,
    bytes: Option<ByteBuf>,
}

impl MemoryLog {
    /// An empty log.
    pub fn new(generation: Generation) -> Self {
        Self { generation, accounts: Arc::default() }
    }

    /// A copy that shares nothing with this one: what a backup of it would hold.
    pub fn backup(&self) -> Self {
        Self { generation: self.generation, accounts: Arc::new(Mutex::new(self.lock().clone())) }
    }

    /// The same log in a new life, as after `caro-relay renew`.
    pub fn renewed(&self, generation: Generation) -> Self {
        let log = Self { generation, ..self.backup() };
        log.lock().values_mut().for_each(|kept| kept.restored = true);
        log
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Handle, Kept>> {
        // Nobody panics while holding it; if somebody did, each change would still be whole.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogReader for MemoryLog {
    fn turn(&mut self) -> Result<u64, LogError> {
        Ok(0)
    }

    fn account(&mut self, handle: &Handle) -> Result<Option<Account>, LogError> {
        Ok(self.lock().get(handle).map(|kept| kept.account.clone()))
    }

    fn was_removed(&mut self, handle: &Handle, device: &Hash) -> Result<bool, LogError> {
        Ok(self.lock().get(handle).is_some_and(|kept| kept.removed.contains(device)))
    }

    fn stretch(&mut self, handle: &Handle, after: u64, room: Room) -> Result<Option<Stretch>, LogError> {
        let accounts = self.lock();
        let Some(kept) = accounts.get(handle).filter(|kept| after <= kept.account.cursor) else { return Ok(None) };
        let start = usize::try_from(after).map_err(|_| LogError::Damaged)?;
        let mut stretch = Stretch {
            entries: Vec::new(),
            head: start.checked_sub(1).map_or(Hash([0; 32]), |at| kept.entries[at].head),
            end: kept.account.cursor,
        };
        let mut bytes = 0;
        for entry in kept.entries[start..].iter().take(room.entries) {
            bytes += entry.bytes.as_ref().map_or(0, |cell| cell.len());
            if bytes > room.bytes && !stretch.entries.is_empty() {
                break;
            }
            stretch.head = entry.head;
            stretch.entries.push(match &entry.bytes {
                Some(cell) => Entry::Cell(cell.clone()),
                None => Entry::Gone(entry.cell),
            });
        }
        Ok(Some(stretch))
    }
}

impl Log for MemoryLog {
    fn generation(&self) -> Generation {
        self.generation
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<Vec<Changed>, LogError> {
        let mut accounts = self.lock();
        changes.into_iter().map(|change| apply(&mut accounts, change)).collect()
    }

    fn settle(&mut self) -> Result<(), LogError> {
        Ok(())
    }

    /// A simulated relay has no calendar: what is old enough is all of it.
    fn expire(&mut self, before_day: u32) -> Result<(u64, bool), LogError> {
        let mut count = 0;
        if before_day > 0 {
            for kept in self.lock().values_mut() {
                count += kept.drop_up_to(kept.account.cursor);
            }
        }
        Ok((count, false))
    }
}

fn apply(accounts: &mut HashMap<Handle, Kept>, change: Change) -> Result<Changed, LogError> {
    let (handle, change) = match change {
        Change::Create { account, list, accounts_max, invitation: None } => {
            return create(accounts, account, list, accounts_max);
        }
        // Nobody is invited by a simulator.
        Change::Create { invitation: Some(_), .. } => return Ok(Changed::NotInvited),
        Change::Close { handle } => {
            return Ok(if accounts.remove(&handle).is_some() { Changed::Closed } else { Changed::NoAccount });
        }
        Change::SetList { handle, .. }
        | Change::Append { handle, .. }
        | Change::Purge { handle, .. }
        | Change::Delivered { handle, .. }
        | Change::Admit { handle, .. } => (handle, change),
    };
    let Some(kept) = accounts.get_mut(&handle) else { return Ok(Changed::NoAccount) };
    match change {
        Change::SetList { list, .. } => kept.set_list(list),
        Change::Append { cells, quota, .. } => Ok(kept.append(cells, quota)),
        Change::Delivered { device, cursor, .. } => kept.note(device, cursor),
        Change::Purge { cells, .. } => Ok(kept.purge(&cells)),
        Change::Admit { by, key, .. } => kept.admit(Addition { key, by }),
        Change::Create { .. } | Change::Close { .. } => Ok(Changed::NoAccount),
    }
}

fn create(
    accounts: &mut HashMap<Handle, Kept>,
    public: Hash,
    list: SignedList,
    accounts_max: u64,
) -> Result<Changed, LogError> {
    let handle = proof::handle_of(&public);
    if accounts.contains_key(&handle) {
        return Ok(Changed::Exists);
    }
    if accounts.len() as u64 >= accounts_max {
        return Ok(Changed::NoRoom);
    }
    let version = DeviceList::decode(&list.list).map_err(|_| LogError::Damaged)?.version;
    let account =
        Account { public, list, cursor: 0, head: Hash([0; 32]), used_bytes: 0, quota_bytes: None, dropped: 0 };
    let kept = Kept {
        account: account.clone(),
        version,
        restored: false,
        removed: VecDeque::new(),
        delivered: HashMap::new(),
        entries: Vec::new(),
        by_id: HashMap::new(),
    };
    accounts.insert(handle, kept);
    Ok(Changed::Created(account))
}

impl Kept {
    fn admit(&mut self, addition: Addition) -> Result<Changed, LogError> {
        let devices = members::devices(&self.account.list).ok_or(LogError::Damaged)?;
        Ok(match members::admits(&devices, &addition, self.removed.contains(&addition.key)) {
            Admission::Known => Changed::Admitted { key: addition.key, devices },
            Admission::Refused => Changed::NotAdmitted,
            Admission::New => {
                self.account.list.added.push(addition);
                Changed::Admitted { key: addition.key, devices: [devices, vec![addition.key]].concat() }
            }
        })
    }

    fn set_list(&mut self, list: SignedList) -> Result<Changed, LogError> {
        let next = DeviceList::decode(&list.list).map_err(|_| LogError::Damaged)?;
        let stored = Stored { list: &self.account.list, version: self.version, restored: self.restored };
        match stored.followed_by(&list, &next).ok_or(LogError::Damaged)? {
            Step::OutOfStep => return Ok(Changed::ListOutOfStep),
            Step::Same => {}
            Step::Next { replaced } => {
                self.removed.retain(|device| !members::lists(&next, device));
                self.removed.extend(replaced.into_iter().filter(|device| !members::lists(&next, device)));
                let excess = self.removed.len().saturating_sub(REMOVED_MAX);
                self.removed.drain(..excess);
                self.version = next.version;
                self.account.list = list;
            }
        }
        Ok(Changed::ListSet { version: next.version, devices: next.keys })
    }

    fn append(&mut self, cells: Vec<(CellId, ByteBuf)>, quota: Quota) -> Changed {
        let before = self.account.cursor;
        let mut appended =
            Appended { accepted: Vec::new(), before, fresh: Vec::new(), head: self.account.head, over_quota: false };
        for (cell, bytes) in cells {
            if let Some(cursor) = self.by_id.get(&cell) {
                appended.accepted.push(Accepted { cell, cursor: *cursor });
                continue;
            }
            let cost = quota::cost(bytes.len());
            if !quota.allows(self.account.used_bytes, self.account.cursor, cost) {
                appended.over_quota = true;
                break;
            }
            let cursor = self.account.cursor + 1;
            let head = proof::chain_head(&self.account.head, cursor, &cell);
            self.account.cursor = cursor;
            self.account.head = head;
            self.account.used_bytes += cost;
            self.by_id.insert(cell, cursor);
            self.entries.push(KeptEntry { cell, head, bytes: Some(bytes.clone()) });
            appended.accepted.push(Accepted { cell, cursor });
            appended.fresh.push((cell, bytes));
            appended.head = head;
        }
        Changed::Appended(appended)
    }

    fn purge(&mut self, cells: &[CellId]) -> Changed {
        let cursors: Vec<u64> = cells.iter().filter_map(|cell| self.by_id.get(cell).copied()).collect();
        Changed::Purged(cursors.into_iter().map(|cursor| self.forget(cursor)).sum())
    }

    /// Forgets the cell at a cursor. Gives how many were there.
    fn forget(&mut self, cursor: u64) -> u64 {
        let entry = usize::try_from(cursor - 1).ok().and_then(|at| self.entries.get_mut(at));
        let Some(bytes) = entry.and_then(|entry| entry.bytes.take()) else { return 0 };
        self.account.used_bytes = self.account.used_bytes.saturating_sub(bytes.len() as u64);
        1
    }

    fn note(&mut self, device: Hash, cursor: u64) -> Result<Changed, LogError> {
        let listed = members::devices(&self.account.list).ok_or(LogError::Damaged)?;
        let furthest = self.delivered.entry(device).or_default();
        *furthest = (*furthest).max(cursor.min(self.account.cursor));
        self.delivered.retain(|device, _| listed.contains(device));
        let all = listed.iter().map(|device| self.delivered.get(device).copied().unwrap_or(0)).min().unwrap_or(0);
        Ok(Changed::Noted(Noted { forgotten: self.drop_up_to(all), more: false }))
    }

    fn drop_up_to(&mut self, cursor: u64) -> u64 {
        let count = (self.account.dropped + 1..=cursor).map(|cursor| self.forget(cursor)).sum();
        self.account.dropped = self.account.dropped.max(cursor);
        count
    }
}
