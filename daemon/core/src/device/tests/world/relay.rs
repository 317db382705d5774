//! One honest relay in memory, and the sessions with it.

use std::collections::{BTreeSet, VecDeque};

use caro_link::{identity::Signer, proof};
use caro_schema::{
    id::{CellId, Generation, Hash},
    relay::{Accepted, Entry, ErrorCode, Page, Position, ToDevice, ToRelay, list::SignedList},
};
use serde_bytes::ByteBuf;

use crate::device::{Joining, Reading};

/// A session with the relay, with what is on its way each way.
pub(super) struct Session {
    pub(super) key: Hash,
    pub(super) up: VecDeque<ToRelay>,
    pub(super) down: VecDeque<ToDevice>,
    pub(super) pulled: Option<u64>,
    pub(super) own: BTreeSet<CellId>,
}

/// One account at an honest relay.
pub(in crate::device::tests) struct Relay {
    pub(super) signer: Signer,
    pub(in crate::device::tests) generation: Generation,
    pub(in crate::device::tests) cells: Vec<Vec<u8>>,
    /// Cells that were purged.
    pub(in crate::device::tests) gone: BTreeSet<CellId>,
    /// Of a relay that forgets: up to here there are cells that not every device had.
    pub(in crate::device::tests) forgotten: u64,
    pub(super) account: Option<Hash>,
    pub(in crate::device::tests) list: Option<SignedList>,
    /// It lets everybody in and takes from everybody, whatever the list says.
    pub(in crate::device::tests) helps_thieves: bool,
    /// It has begun a new life on a backup.
    pub(in crate::device::tests) is_restored: bool,
}

impl Relay {
    fn position(&self, cursor: usize) -> Position {
        let mut head = Hash([0; 32]);
        for (at, cell) in self.cells[..cursor].iter().enumerate() {
            head = proof::chain_head(&head, at as u64 + 1, &proof::cell_id(cell));
        }
        let handle = proof::handle_of(&self.account.unwrap());
        proof::sign_position(&self.signer, &handle, self.generation, cursor as u64, head)
    }

    fn welcome(&self) -> ToDevice {
        ToDevice::Welcome {
            position: self.position(self.cells.len()),
            signer: Hash(self.signer.public()),
            list: self.list.clone().unwrap(),
            quota_bytes: 0,
            used_bytes: 0,
        }
    }

    pub(in crate::device::tests) fn lists(&self, key: &Hash) -> bool {
        if self.helps_thieves {
            return true;
        }
        let (Some(account), Some(list)) = (&self.account, &self.list) else { return false };
        proof::verify_list(account, list).unwrap().keys.contains(key)
    }

    pub(super) fn answer(&mut self, session: &mut Session, message: ToRelay) {
        match message {
            ToRelay::Hello { .. } if self.lists(&session.key) => session.down.push_back(self.welcome()),
            ToRelay::Hello { .. } => {
                session.down.push_back(ToDevice::Error { code: ErrorCode::Removed, retry_ms: None });
            }
            ToRelay::SetList { list } => {
                let next = proof::verify_list(&self.account.unwrap(), &list).unwrap();
                let current = self.list.as_ref().unwrap();
                let current_version = proof::verify_list(&self.account.unwrap(), current).unwrap().version;
                let is_later = self.is_restored && next.version > current_version;
                if next.prev == proof::list_hash(&current.list) || is_later || list.list == current.list {
                    self.list = Some(list);
                    session.down.push_back(ToDevice::ListAccepted { version: next.version });
                } else {
                    session.down.push_back(ToDevice::Error { code: ErrorCode::ListOutOfStep, retry_ms: None });
                }
            }
            // Whoever was taken off is not talked to any more.
            _ if !self.lists(&session.key) => {}
            ToRelay::Pull { after } => {
                session.pulled = Some(after);
                if after < self.forgotten {
                    session.down.push_back(ToDevice::Error { code: ErrorCode::Missed, retry_ms: None });
                }
                self.feed(session, true);
            }
            ToRelay::Push { cells } => {
                let accepted = cells.iter().map(|cell| self.keep(cell)).collect::<Vec<_>>();
                session.own.extend(accepted.iter().map(|accepted| accepted.cell));
                session.down.push_back(ToDevice::Ack { cells: accepted });
            }
            ToRelay::Delivered { .. } => {}
            ToRelay::Purge { cells } => {
                let before = self.gone.len();
                self.gone.extend(cells);
                session.down.push_back(ToDevice::Purged { count: (self.gone.len() - before) as u64 });
            }
            other => panic!("not expected here: {other:?}"),
        }
    }

    fn keep(&mut self, cell: &[u8]) -> Accepted {
        let known = self.cells.iter().position(|kept| kept == cell);
        let at = known.unwrap_or_else(|| {
            self.cells.push(cell.to_vec());
            self.cells.len() - 1
        });
        Accepted { cell: proof::cell_id(cell), cursor: at as u64 + 1 }
    }

    /// Sends what a session has not been sent, in pages of a few.
    pub(super) fn feed(&self, session: &mut Session, even_if_empty: bool) {
        // Small, so that there are many; but each is signed over the whole chain.
        let page = if self.cells.len() < 2_000 { 7 } else { 1_000 };
        let Some(after) = session.pulled else { return };
        let (mut after, mut first) = (after as usize, even_if_empty);
        while after < self.cells.len() || first {
            first = false;
            let to = (after + page).min(self.cells.len());
            let entry = |cell: &Vec<u8>| match proof::cell_id(cell) {
                id if self.gone.contains(&id) => Entry::Gone(id),
                id if session.own.contains(&id) => Entry::Own(id),
                _ => Entry::Cell(ByteBuf::from(cell.clone())),
            };
            let entries = self.cells[after..to].iter().map(entry).collect();
            let more = to < self.cells.len();
            let page = Page { after: after as u64, entries, position: self.position(to), more };
            session.down.push_back(ToDevice::Page(page));
            after = to;
        }
        session.pulled = Some(after as u64);
    }

    /// Making an account and joining it, in sessions of their own.
    pub(super) fn admit(&mut self, message: ToRelay, handshake: &Hash) -> ToDevice {
        match message {
            ToRelay::Create { account, list, token: None } if self.account.is_none() => {
                assert!(proof::verify_list(&account, &list).unwrap().version == 1);
                (self.account, self.list) = (Some(account), Some(list));
                self.welcome()
            }
            ToRelay::Attach { account, proof } if self.account == Some(account) => {
                proof::verify_attach(&account, handshake, &proof).unwrap();
                self.welcome()
            }
            ToRelay::Attach { .. } => ToDevice::Error { code: ErrorCode::NotKnown, retry_ms: None },
            ToRelay::SetList { list } => {
                let next = proof::verify_list(&self.account.unwrap(), &list).unwrap();
                let current = self.list.replace(list).unwrap();
                assert!(next.prev == proof::list_hash(&current.list));
                ToDevice::ListAccepted { version: next.version }
            }
            other => panic!("not expected here: {other:?}"),
        }
    }

    /// What a device that was just listed reads at the end of the log.
    pub(super) fn newest_epoch(&self, joining: &Joining) -> u32 {
        let key = proof::device_key_hash(&joining.static_key().public());
        let mut reader = joining.epoch_reader();
        let (up, down, own) = (VecDeque::new(), VecDeque::new(), BTreeSet::new());
        let mut session = Session { key, up, down, pulled: None, own };
        let mut message = reader.connected();
        loop {
            match message {
                ToRelay::Hello { .. } => session.down.push_back(self.welcome()),
                ToRelay::Pull { after } => {
                    session.pulled = Some(after);
                    self.feed(&mut session, true);
                }
                _ => {}
            }
            message = loop {
                match reader.handle(session.down.pop_front().expect("there is more")).unwrap() {
                    Reading::Send(next) => break next,
                    Reading::Wait => {}
                    Reading::Found(newest) => return newest,
                }
            };
        }
    }

    /// The database is gone and begins a new life; device lists were kept elsewhere.
    pub(in crate::device::tests) fn lose_everything(&mut self) {
        self.cells.clear();
        self.generation = Generation([self.generation.0[0] + 1; 16]);
    }
}
