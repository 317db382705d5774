//! What is known of one connection. Decides nothing; says what state it is in and when it has waited long enough.

use std::collections::{BTreeSet, HashSet};

use caro_link::proof;
use caro_schema::{
    id::{CellId, Handle, Hash},
    relay::{Accepted, Entry, ErrorCode, Page},
};

use super::{Arrival, Reading, follow::Follow};
use crate::{
    limits::{Limits, OWN_MAX},
    store::Ticket,
};

/// One connection.
pub(super) struct Session {
    /// What the account's device list says of this device.
    pub(super) device: Hash,
    /// The handshake's hash.
    pub(super) handshake: Hash,
    /// Where it comes from.
    pub(super) origin: u64,
    pub(super) stage: Stage,
    pub(super) follow: Option<Follow>,
    /// The read that is under way, for this pull or for an earlier one. There is one at a time: a device that pulls anew
    /// would otherwise have the disk work for pulls that it does not wait for any more.
    pub(super) reading: Option<Ticket>,
    /// The mailbox that it opened or came for.
    pub(super) mailbox: Option<u16>,
    /// Up to where the account's log was forgotten when the session began.
    pub(super) dropped: u64,
    accepted_ms: u64,
    heard_ms: u64,
    /// Requests that wait for the disk, and the bytes that they count.
    waiting: usize,
    waiting_bytes: usize,
    held: bool,
    /// Cursors that this session pushed and was not sent yet.
    own: BTreeSet<u64>,
    /// What this session pushed and no answer has come for. A reader may see it in the log before that.
    pushing: HashSet<CellId>,
}

/// How far a connection has come.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    /// It has not said who it is.
    Opening,
    /// It has, and the log was asked.
    Asked,
    /// It is in.
    Open(Member),
    /// It is nobody's, and has come for a mailbox, which ends at this time.
    Visiting { until_ms: u64 },
}

/// Who a session is.
#[derive(Clone, Copy)]
pub(super) struct Member {
    pub(super) handle: Handle,
    /// The account's public key.
    pub(super) account: Hash,
    pub(super) door: Door,
    /// Whether the device is on the account's list.
    pub(super) listed: bool,
    /// When it came in, among all sessions of the account at all relays on the log.
    pub(super) turn: u64,
}

/// How a session came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// As a listed device.
    Hello,
    /// As the maker of the account.
    Create,
    /// As somebody who holds the account's key. Such a session may outlive its device's place on the list.
    Attach,
    /// As a listed device, beside its ordinary session.
    Errand,
}

impl Session {
    pub(super) fn new(arrival: Arrival) -> Self {
        Self {
            device: proof::device_key_hash(&arrival.device),
            handshake: arrival.handshake,
            origin: arrival.origin,
            stage: Stage::Opening,
            follow: None,
            reading: None,
            mailbox: None,
            dropped: 0,
            accepted_ms: arrival.accepted_ms,
            heard_ms: arrival.accepted_ms,
            waiting: 0,
            waiting_bytes: 0,
            held: false,
            own: BTreeSet::new(),
            pushing: HashSet::new(),
        }
    }

    pub(super) fn heard(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
    }

    /// A request goes to the log.
    pub(super) fn asks(&mut self, bytes: usize) {
        self.waiting += 1;
        self.waiting_bytes += bytes;
    }

    /// It was answered.
    pub(super) fn answered(&mut self, bytes: usize) {
        self.waiting = self.waiting.saturating_sub(1);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
    }

    /// Whether to read on. Remembers when not.
    pub(super) fn reading(&mut self, limits: &Limits) -> Reading {
        self.held = self.must_wait(limits);
        if self.held { Reading::Held } else { Reading::On }
    }

    /// Whether a session that was held may be read from again. The time that it was held does not count as its silence.
    pub(super) fn resumes(&mut self, limits: &Limits, now_ms: u64) -> bool {
        let resumes = self.held && !self.must_wait(limits);
        if resumes {
            self.held = false;
            self.heard_ms = now_ms;
        }
        resumes
    }

    fn must_wait(&self, limits: &Limits) -> bool {
        matches!(self.stage, Stage::Asked)
            || self.waiting >= limits.requests_waiting_max as usize
            || self.waiting_bytes as u64 >= limits.push_bytes_waiting_max
    }

    /// Remembers what is on its way to the log.
    pub(super) fn pushes(&mut self, cells: impl Iterator<Item = CellId>) {
        // What was refused stays in it until then. Forgetting is harmless: the device is sent a cell that it has.
        if self.pushing.len() > OWN_MAX {
            self.pushing.clear();
        }
        self.pushing.extend(cells);
    }

    /// Remembers which of these cells are new and this session's own.
    pub(super) fn pushed(&mut self, accepted: &[Accepted], before: u64) {
        for cell in accepted {
            self.pushing.remove(&cell.cell);
        }
        self.own.extend(accepted.iter().map(|cell| cell.cursor).filter(|cursor| *cursor > before));
        while self.own.len() > OWN_MAX {
            self.own.pop_first();
        }
    }

    /// The entry at a cursor as this session gets it.
    pub(super) fn entry(&self, cursor: u64, entry: Entry) -> Entry {
        let Entry::Cell(cell) = entry else { return entry };
        let counted = self.own.contains(&cursor);
        if !counted && self.pushing.is_empty() {
            return Entry::Cell(cell);
        }
        let id = proof::cell_id(&cell);
        if counted || self.pushing.contains(&id) { Entry::Own(id) } else { Entry::Cell(cell) }
    }

    /// The entry for a cell that was just stored.
    pub(super) fn fresh_entry(&self, cursor: u64, id: CellId, cell: &serde_bytes::ByteBuf) -> Entry {
        if self.own.contains(&cursor) { Entry::Own(id) } else { Entry::Cell(cell.clone()) }
    }

    /// A page is sent.
    pub(super) fn sent(&mut self, page: &Page, now_ms: u64) {
        if let Some(follow) = &mut self.follow {
            follow.sent(page, now_ms);
        }
        self.own = self.own.split_off(&(page.position.cursor + 1));
    }

    /// When the session has to be looked at again.
    pub(super) fn deadline_ms(&self, limits: &Limits) -> u64 {
        match self.stage {
            Stage::Opening | Stage::Asked => self.accepted_ms.saturating_add(limits.opening_ms),
            Stage::Open(_) => {
                let life = self.accepted_ms.saturating_add(limits.session_ms);
                if self.held { life } else { life.min(self.heard_ms.saturating_add(limits.idle_ms)) }
            }
            // It has nothing to say while two people compare words. What it may send in all is bounded (`connection`).
            Stage::Visiting { until_ms } => until_ms,
        }
    }

    /// What has run out, if anything has. A stranger is told nothing.
    pub(super) fn expired(&self, limits: &Limits, now_ms: u64) -> Option<Option<ErrorCode>> {
        if now_ms < self.deadline_ms(limits) {
            return None;
        }
        Some(match self.stage {
            Stage::Opening | Stage::Asked => None,
            Stage::Open(_) if now_ms >= self.accepted_ms.saturating_add(limits.session_ms) => {
                Some(ErrorCode::SessionExpired)
            }
            Stage::Open(_) => Some(ErrorCode::Idle),
            Stage::Visiting { .. } => Some(ErrorCode::MailboxExpired),
        })
    }

    /// Who the session is, once it is in.
    pub(super) fn member(&self) -> Option<Member> {
        if let Stage::Open(member) = self.stage { Some(member) } else { None }
    }
}
