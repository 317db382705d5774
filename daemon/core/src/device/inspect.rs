//! What a relay knows of this account: its log as it shows it when it is asked from some place on, checked like any page, and
//! compared with what this device remembers.
//!
//! Asks for nothing that a device does not ask for anyway, and confirms nothing that this device does not have: a relay in
//! the mailbox mode would forget it. Changes nothing here. Who asks and prints is `caro sync inspect`.

use std::collections::BTreeMap;

use caro_link::proof;
use caro_schema::{
    cell::{CELL_HEAD_BYTES, CellClass},
    id::{CellId, Generation, Handle, Hash},
    ipc::{
        Fault,
        inspecting::{Difference, Holds, Inspect, KeyName, Known, LogEntry, Shown},
    },
    limits::{PAGE_CELL_BYTES_MAX, PAGE_CELLS_MAX},
    relay::{
        Entry, ErrorCode, Page, Position, ToDevice, ToRelay,
        list::{DeviceList, SignedList},
    },
};
use serde_bytes::ByteBuf;

use super::Account;
use crate::{step::RemoteNumber, vault::open::open_any};

/// Entries and bytes of cells after which one answer ends. More would not fit a message to the program that asks.
const ENTRIES_MAX: usize = 8192;
const BYTES_MAX: usize = 12 * 1024 * 1024 - PAGE_CELL_BYTES_MAX;

/// A look at a relay's log, in a session of its own.
pub struct Inspection {
    handle: Handle,
    account: Hash,
    signer: Option<Hash>,
    own: Hash,
    generation: Option<Generation>,
    /// What this device has, and may confirm.
    has: u64,
    /// Where the log is known to have stood, with its head, and up to where it was promised to be.
    stood: (u64, Hash),
    promised: u64,
    list: Option<SignedList>,
    cursor: u64,
    head: Hash,
    found: Found,
}

/// What the relay has shown so far.
#[derive(Default)]
pub struct Found {
    welcome: Option<Welcome>,
    entries: Vec<(u64, Entry, Hash)>,
    bytes: usize,
    forgets: bool,
    more: bool,
    differences: Vec<Difference>,
}

struct Welcome {
    position: Position,
    signer: Hash,
    list: SignedList,
    quota_bytes: u64,
    used_bytes: u64,
}

/// What to do next.
pub enum Inspecting {
    /// Send this, and hand the answers back.
    Send(ToRelay),
    /// More is to come.
    Wait,
    /// It has shown what was asked for.
    Done(Found),
}

impl Inspection {
    /// The first message of a session.
    pub fn connected(&self) -> ToRelay {
        ToRelay::Hello { handle: self.handle }
    }

    /// What follows from an answer.
    ///
    /// # Errors
    /// What the person is to be told.
    pub fn handle(&mut self, message: ToDevice) -> Result<Inspecting, Fault> {
        match message {
            ToDevice::Welcome { position, signer, list, quota_bytes, used_bytes } => {
                let welcome = Welcome { position, signer, list, quota_bytes, used_bytes };
                self.compare(&welcome);
                // A position that nobody signed is worth nothing, and neither is what comes after it.
                let goes_on = self.found.differences.iter().all(|difference| !ends(difference));
                self.found.welcome = Some(welcome);
                if goes_on {
                    Ok(Inspecting::Send(ToRelay::Pull { after: self.cursor }))
                } else {
                    Ok(Inspecting::Done(std::mem::take(&mut self.found)))
                }
            }
            ToDevice::Page(page) => Ok(self.page(page)),
            ToDevice::Error { code: ErrorCode::Missed, .. } => {
                self.found.forgets = true;
                Ok(Inspecting::Wait)
            }
            ToDevice::Error { code, .. } => Err(Fault::Refused { code: format!("{code:?}") }),
            _ => Ok(Inspecting::Wait),
        }
    }

    fn compare(&mut self, welcome: &Welcome) {
        let Welcome { position, signer, list, .. } = welcome;
        let mut differences = Vec::new();
        if *self.signer.get_or_insert(*signer) != *signer {
            differences.push(Difference::OtherSigner);
        } else if proof::verify_position(signer, &self.handle, position).is_err() {
            differences.push(Difference::Broken { cursor: 0 });
        }
        if self.generation.is_some_and(|known| known != position.generation) {
            differences.push(Difference::OtherLife);
            // What was known of the old life says nothing of this one.
            (self.stood, self.promised) = ((0, Hash([0; 32])), 0);
        }
        self.generation = Some(position.generation);
        let known = self.stood.0.max(self.promised);
        if position.cursor < known {
            differences.push(Difference::Shorter { shown: position.cursor, known });
        }
        match proof::verify_list(&self.account, list) {
            Err(_) => differences.push(Difference::ListUnsigned),
            Ok(shown) => {
                let version = |list: &SignedList| DeviceList::decode(&list.list).map_or(0, |list| list.version);
                if self.list.as_ref().is_some_and(|known| version(known) > shown.version) {
                    differences.push(Difference::ListOlder);
                }
                if !keys(list).any(|key| key == self.own) {
                    differences.push(Difference::NotListed);
                }
            }
        }
        self.found.differences = differences;
    }

    fn page(&mut self, page: Page) -> Inspecting {
        let last = page.after + page.entries.len() as u64;
        if page.after < self.cursor {
            // It was on its way when the reading went on from a later place.
            return Inspecting::Wait;
        }
        if !self.take(page.after, page.entries, &page.position) {
            self.found.differences.push(Difference::Broken { cursor: self.cursor });
            self.found.more = false;
            return Inspecting::Done(std::mem::take(&mut self.found));
        }
        self.found.more = page.more;
        let is_full = self.found.entries.len() >= ENTRIES_MAX || self.found.bytes >= BYTES_MAX;
        if !page.more || is_full {
            return Inspecting::Done(std::mem::take(&mut self.found));
        }
        // What was sent is confirmed only where it is true; asking anew says as well that more may come.
        let next = if last <= self.has { ToRelay::Delivered { cursor: last } } else { ToRelay::Pull { after: last } };
        Inspecting::Send(next)
    }

    /// Takes in a page that follows from the last one. False when it does not.
    fn take(&mut self, after: u64, entries: Vec<Entry>, position: &Position) -> bool {
        let last = after + entries.len() as u64;
        let signed = self.signer.is_some_and(|signer| proof::verify_position(&signer, &self.handle, position).is_ok());
        let in_life = Some(position.generation) == self.generation;
        let moves = !entries.is_empty() || !self.found.more;
        if after != self.cursor || !signed || !in_life || !moves || position.cursor != last {
            return false;
        }
        if entries.len() > PAGE_CELLS_MAX || entries.iter().map(size).sum::<usize>() > PAGE_CELL_BYTES_MAX {
            return false;
        }
        for entry in entries {
            self.cursor += 1;
            self.head = proof::chain_head(&self.head, self.cursor, &id(&entry));
            if self.cursor == self.stood.0 && self.head != self.stood.1 {
                self.found.differences.push(Difference::OtherPast { cursor: self.cursor });
            }
            self.found.bytes += size(&entry);
            self.found.entries.push((self.cursor, entry, self.head));
        }
        self.head == position.head
    }
}

impl Account {
    /// Begins to look at a relay's log. None when there is no such relay.
    pub fn inspection(&self, number: RemoteNumber, after: u64, head: Hash) -> Option<Inspection> {
        let remote = self.remote(number)?;
        let record = &remote.record;
        Some(Inspection {
            handle: remote.account_handle(),
            account: record.account,
            signer: record.signer,
            own: self.own_relay_key(&record.relay_key),
            generation: record.generation,
            has: record.cursor,
            stood: (record.cursor, record.head),
            promised: record.acknowledged,
            list: record.list.clone(),
            cursor: after,
            head,
            found: Found::default(),
        })
    }

    /// What this device remembers of a relay.
    pub fn known_of(&self, number: RemoteNumber) -> Option<Known> {
        let remote = self.remote(number)?;
        let record = &remote.record;
        let own = self.own_relay_key(&record.relay_key);
        let mut names: BTreeMap<Hash, KeyName> = BTreeMap::new();
        for (device, member) in self.members.iter() {
            let is_own = *device == self.vault.device_id();
            let claimed = member.relay_keys.get(&record.relay_key).copied().filter(|key| *key != own);
            let key = if is_own { Some(own) } else { claimed };
            let Some(key) = key else { continue };
            let (name, off) = (self.members.name_of(device), !self.members.stands(device));
            names.insert(key, KeyName { key, name, off });
        }
        Some(Known {
            relay_key: record.relay_key,
            account: record.account,
            handle: remote.account_handle(),
            signer: record.signer,
            generation: record.generation,
            cursor: record.cursor,
            head: record.head,
            acknowledged: record.acknowledged,
            queued: remote.pending_up(),
            purging: remote.is_purging(),
            list: record.list.clone(),
            own,
            names: names.into_values().collect(),
            others_online: remote.others_online,
        })
    }

    /// What was found, with what each cell is to whoever has the keys. None when the relay said nothing at all.
    pub fn shown(&self, found: Found, asked: &Inspect, from: String) -> Option<Shown> {
        let Found { welcome, entries, bytes: _, forgets, more, differences } = found;
        let Welcome { position, signer, list, quota_bytes, used_bytes } = welcome?;
        let entries = entries.into_iter().map(|(cursor, entry, head)| self.told(cursor, entry, head, asked.whole));
        let entries = entries.collect();
        Some(Shown { position, signer, list, quota_bytes, used_bytes, forgets, from, entries, more, differences })
    }

    fn told(&self, cursor: u64, entry: Entry, head: Hash, whole: bool) -> LogEntry {
        let cell = id(&entry);
        let Entry::Cell(mut bytes) = entry else {
            return LogEntry { cursor, cell, head, size: 0, bytes: ByteBuf::new(), holds: Holds::Gone };
        };
        let holds = match open_any(self.vault.keys(), &self.vault.dataset(), &bytes) {
            Ok((CellClass::Op, _)) => Holds::Op,
            Ok((CellClass::KeyLog, _)) => Holds::KeyLog,
            Ok((CellClass::Snapshot, _)) => Holds::Snapshot,
            Ok((CellClass::Attest, _)) => Holds::Attest,
            Err(_) => Holds::Unknown,
        };
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if !whole {
            bytes.truncate(CELL_HEAD_BYTES);
        }
        LogEntry { cursor, cell, head, size, bytes, holds }
    }
}

/// Whether there is no use in reading on.
fn ends(difference: &Difference) -> bool {
    matches!(difference, Difference::OtherSigner | Difference::Broken { .. } | Difference::Shorter { .. })
}

fn keys(list: &SignedList) -> impl Iterator<Item = Hash> {
    let decoded = DeviceList::decode(&list.list).map_or_else(|_| Vec::new(), |list| list.keys);
    decoded.into_iter().chain(list.added.iter().map(|addition| addition.key))
}

fn id(entry: &Entry) -> CellId {
    match entry {
        Entry::Cell(cell) => proof::cell_id(cell),
        Entry::Own(id) | Entry::Gone(id) => *id,
    }
}

fn size(entry: &Entry) -> usize {
    if let Entry::Cell(cell) = entry { cell.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use caro_link::identity::Signer;

    use super::*;

    fn signer() -> Signer {
        Signer::from_seed(&[3; 32])
    }

    fn handle() -> Handle {
        Handle([7; 16])
    }

    fn inspection(has: u64, stood: (u64, Hash)) -> Inspection {
        Inspection {
            handle: handle(),
            account: Hash([1; 32]),
            signer: None,
            own: Hash([2; 32]),
            generation: None,
            has,
            stood,
            promised: 0,
            list: None,
            cursor: 0,
            head: Hash([0; 32]),
            found: Found::default(),
        }
    }

    fn heads(count: u64) -> Vec<Hash> {
        let mut heads = vec![Hash([0; 32])];
        for cursor in 1..=count {
            heads.push(proof::chain_head(&heads[cursor as usize - 1], cursor, &CellId([cursor as u8; 32])));
        }
        heads
    }

    fn position(cursor: u64) -> Position {
        let head = heads(cursor)[cursor as usize];
        proof::sign_position(&signer(), &handle(), Generation([4; 16]), cursor, head)
    }

    fn welcome(cursor: u64) -> ToDevice {
        ToDevice::Welcome {
            position: position(cursor),
            signer: Hash(signer().public()),
            list: SignedList {
                list: ByteBuf::new(),
                signature: caro_schema::id::Signature([0; 64]),
                added: Vec::new(),
            },
            quota_bytes: 0,
            used_bytes: 0,
        }
    }

    fn page(after: u64, count: u64, more: bool) -> ToDevice {
        let entries = (after + 1..=after + count).map(|cursor| Entry::Gone(CellId([cursor as u8; 32]))).collect();
        ToDevice::Page(Page { after, entries, position: position(after + count), more })
    }

    #[test]
    fn nothing_is_confirmed_that_this_device_does_not_have() {
        let mut inspection = inspection(2, (0, Hash([0; 32])));
        let next = |follows: Inspecting| match follows {
            Inspecting::Send(message) => message,
            _ => panic!("nothing to send"),
        };
        assert_eq!(next(inspection.handle(welcome(9)).unwrap()), ToRelay::Pull { after: 0 });
        assert_eq!(next(inspection.handle(page(0, 2, true)).unwrap()), ToRelay::Delivered { cursor: 2 });
        assert_eq!(next(inspection.handle(page(2, 3, true)).unwrap()), ToRelay::Pull { after: 5 });
        // One that was under way already, and then comes once more.
        assert_eq!(next(inspection.handle(page(5, 2, true)).unwrap()), ToRelay::Pull { after: 7 });
        assert!(matches!(inspection.handle(page(5, 2, true)).unwrap(), Inspecting::Wait));
        let Inspecting::Done(found) = inspection.handle(page(7, 2, false)).unwrap() else { panic!("not done") };
        assert!(!found.more);
        assert_eq!(found.entries.iter().map(|(cursor, ..)| *cursor).collect::<Vec<_>>(), (1..=9).collect::<Vec<_>>());
    }

    #[test]
    fn a_log_that_is_too_long_for_one_answer_goes_on_where_the_last_one_ended() {
        let all = ENTRIES_MAX as u64 + 1_500;
        let (mut after, mut head, mut seen) = (0, Hash([0; 32]), Vec::new());
        loop {
            let mut inspection = Inspection { cursor: after, head, ..inspection(all, (all, heads(all)[all as usize])) };
            let mut next = inspection.handle(welcome(all)).unwrap();
            let found = loop {
                next = match next {
                    Inspecting::Send(ToRelay::Pull { after } | ToRelay::Delivered { cursor: after }) => {
                        let count = (all - after).min(PAGE_CELLS_MAX as u64);
                        inspection.handle(page(after, count, after + count < all)).unwrap()
                    }
                    Inspecting::Done(found) => break found,
                    _ => panic!("nothing is waited for"),
                };
            };
            assert_eq!(found.differences, [Difference::ListUnsigned]);
            let last = found.entries.last().expect("an entry");
            (after, head) = (last.0, last.2);
            seen.push((found.entries.len(), found.more));
            if !found.more {
                break;
            }
        }
        assert_eq!(seen, [(ENTRIES_MAX, true), (1_500, false)]);
    }

    #[test]
    fn another_past_a_shorter_log_and_a_page_that_does_not_follow_are_said() {
        let told = |mut inspection: Inspection, messages: Vec<ToDevice>| {
            for message in messages {
                if let Inspecting::Done(found) = inspection.handle(message).unwrap() {
                    return found.differences;
                }
            }
            panic!("not done")
        };
        let past = told(inspection(3, (2, Hash([9; 32]))), vec![welcome(3), page(0, 3, false)]);
        assert!(past.contains(&Difference::OtherPast { cursor: 2 }), "{past:?}");
        let same = told(inspection(3, (2, heads(2)[2])), vec![welcome(3), page(0, 3, false)]);
        assert_eq!(same, [Difference::ListUnsigned]);
        let short = told(inspection(5, (5, heads(5)[5])), vec![welcome(3)]);
        assert!(short.contains(&Difference::Shorter { shown: 3, known: 5 }), "{short:?}");
        let gap = told(inspection(0, (0, Hash([0; 32]))), vec![welcome(5), page(1, 2, false)]);
        assert!(gap.contains(&Difference::Broken { cursor: 0 }), "{gap:?}");
    }
}
