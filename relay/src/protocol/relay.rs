//! The machine: its sessions, how they begin and end, and what they are refused. What they ask is in
//! [`super::requests`], what the log answers in [`super::answers`].
//!
//! A stranger hears as little as possible: before a session is open, whatever is not an opening message ends the
//! connection without a word. After an error that means that the other side does not keep to the protocol, the session
//! ends; after one that may pass, it goes on.

use std::collections::{BTreeMap, HashMap, VecDeque};

use caro_schema::{
    id::Handle,
    relay::{ErrorCode, ToDevice, ToRelay},
};

use super::{
    Arrival, Output, Policy, Reading, SessionId,
    mailbox::Mailboxes,
    nodes::Others,
    rates::Rates,
    session::{Door, Session, Stage},
};
use crate::{
    hub::Hub,
    limits::{LIST_MESSAGES, Limits, PURGE_CELL_BYTES},
    rate::{Buckets, Rate},
    store::{Job, Ticket, Work},
};

/// All sessions of a relay.
pub struct Relay {
    pub(super) policy: Policy,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    pub(super) hub: Hub,
    pub(super) pending: HashMap<Ticket, Pending>,
    pub(super) mailboxes: Mailboxes,
    outputs: VecDeque<Output>,
    next_session: u64,
    next_ticket: u64,
    rates: Rates,
    pub(super) registrations: Buckets,
    /// Bytes of all sessions' pushes and purges that wait for the disk.
    pub(super) waiting_bytes: u64,
    /// Relays on the same database.
    pub(super) others: Others,
    closing: bool,
}

/// A request that the log has not answered.
pub(super) struct Pending {
    pub(super) session: SessionId,
    pub(super) handle: Handle,
    pub(super) asked: Asked,
    /// Bytes that it counts.
    pub(super) bytes: usize,
}

/// What kind of request.
#[derive(Clone, Copy)]
pub(super) enum Asked {
    Look(Door),
    Create,
    SetList,
    Admit,
    Push,
    Purge,
    Close,
    Read,
    Note,
    Rumour,
}

/// Why something is refused.
pub(super) struct Refusal {
    pub(super) code: Option<ErrorCode>,
    pub(super) retry_ms: Option<u64>,
    pub(super) last: bool,
}

impl Refusal {
    /// The session goes on.
    pub(super) fn mild(code: ErrorCode, retry_ms: Option<u64>) -> Self {
        Self { code: Some(code), retry_ms, last: false }
    }

    /// The session ends.
    pub(super) fn last(code: ErrorCode, retry_ms: Option<u64>) -> Self {
        Self { code: Some(code), retry_ms, last: true }
    }

    /// The session ends without a word.
    pub(super) const SILENT: Self = Self { code: None, retry_ms: None, last: true };
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::last(code, None)
    }
}

/// Milliseconds after which to try again what the disk could not take.
pub(super) const STORAGE_RETRY_MS: u64 = 5_000;

/// Milliseconds after which to try again when an account is full or has too many sessions: a person has to do something.
pub(super) const ACCOUNT_RETRY_MS: u64 = 60_000;

impl Relay {
    /// A relay without sessions.
    pub fn new(policy: Policy) -> Self {
        let limits = &policy.limits;
        let rates = Rates::new(limits);
        let registrations = Buckets::new(registration_rate(limits));
        Self {
            policy,
            sessions: BTreeMap::new(),
            hub: Hub::default(),
            pending: HashMap::new(),
            mailboxes: Mailboxes::default(),
            outputs: VecDeque::new(),
            next_session: 1,
            next_ticket: 1,
            rates,
            registrations,
            waiting_bytes: 0,
            others: Others::default(),
            closing: false,
        }
    }

    /// A handshake is done.
    pub fn handle_arrival(&mut self, arrival: Arrival) -> SessionId {
        let id = SessionId(self.next_session);
        self.next_session += 1;
        self.sessions.insert(id, Session::new(arrival));
        if self.closing {
            self.end(id, Some(ErrorCode::ShuttingDown), Some(shutdown_retry_ms(id)));
        }
        id
    }

    /// A connection is gone.
    pub fn handle_departure(&mut self, id: SessionId) {
        self.forget(id);
    }

    /// Something came that is not yet a message. Only that it came counts.
    pub fn handle_sign_of_life(&mut self, id: SessionId, now_ms: u64) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.heard(now_ms);
        }
    }

    /// What came is no message, or too large for one.
    pub fn handle_garbage(&mut self, id: SessionId, code: ErrorCode) {
        self.refuse_known(id, code.into());
    }

    /// It has sent half of a message, and there is no more room for halves.
    pub fn handle_given_up(&mut self, id: SessionId) {
        self.refuse_known(id, Refusal::last(ErrorCode::StorageUnavailable, Some(STORAGE_RETRY_MS)));
    }

    /// Refuses one that is in; a stranger is told nothing.
    fn refuse_known(&mut self, id: SessionId, refusal: Refusal) {
        let known = self.sessions.get(&id).is_some_and(|session| matches!(session.stage, Stage::Open(_)));
        self.refuse(id, if known { refusal } else { Refusal::SILENT });
    }

    /// A message came.
    pub fn handle_message(&mut self, id: SessionId, message: ToRelay, now_ms: u64) -> Reading {
        let Some(session) = self.sessions.get_mut(&id) else { return Reading::Held };
        session.heard(now_ms);
        let stage = session.stage;
        if let ToRelay::Delivered { cursor } = message
            && session.follow.as_mut().is_some_and(|follow| follow.confirmed(cursor, now_ms))
        {
            self.note(id, cursor);
            self.read_on(id);
        } else {
            let result = self.admit(id, &message, now_ms).and_then(|()| match stage {
                Stage::Opening => self.open(id, message, now_ms),
                Stage::Asked => Err(Refusal::SILENT),
                Stage::Open(member) => self.request(id, member, message, now_ms),
                Stage::Visiting { .. } => self.visit(id, message),
            });
            if let Err(refusal) = result {
                self.refuse(id, refusal);
            }
        }
        self.sessions.get_mut(&id).map_or(Reading::Held, |session| session.reading(&self.policy.limits))
    }

    /// Other limits, or another way to be admitted. Sessions that are there go on under them.
    pub fn handle_policy(&mut self, policy: Policy) {
        self.rates.change(&policy.limits);
        self.registrations.change_rate(registration_rate(&policy.limits));
        self.policy = policy;
    }

    /// Whoever runs the relay has closed an account, or had it forgotten.
    pub fn handle_shut(&mut self, handle: &Handle) {
        for id in self.hub.sessions(handle) {
            self.end(id, Some(ErrorCode::NotKnown), None);
        }
        self.tell(*handle);
    }

    /// Time has passed. Ends what has lasted too long.
    pub fn handle_time(&mut self, now_ms: u64) {
        self.close_expired(now_ms);
        let limits = &self.policy.limits;
        let expired: Vec<_> =
            self.sessions.iter().filter_map(|(id, session)| Some((*id, session.expired(limits, now_ms)?))).collect();
        for (id, code) in expired {
            self.end(id, code, None);
        }
        self.rates.sweep(now_ms);
        self.registrations.sweep(now_ms);
        self.retry_rumours();
    }

    /// The session has carried all that one handshake may.
    pub fn handle_spent(&mut self, id: SessionId) {
        self.end(id, Some(ErrorCode::SessionExpired), None);
    }

    /// When [`Self::handle_time`] has something to do next.
    pub fn wake_at_ms(&self) -> Option<u64> {
        let sessions = self.sessions.values().map(|session| session.deadline_ms(&self.policy.limits)).min();
        sessions.into_iter().chain(self.mailboxes.wake_at_ms()).min()
    }

    /// The relay goes down: everybody is told, and nobody is let in any more.
    pub fn shut_down(&mut self) {
        self.closing = true;
        let sessions: Vec<_> = self.sessions.keys().copied().collect();
        for id in sessions {
            self.end(id, Some(ErrorCode::ShuttingDown), Some(shutdown_retry_ms(id)));
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How many sessions there are.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// How many requests the log has not answered.
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    fn admit(&mut self, id: SessionId, message: &ToRelay, now_ms: u64) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get(&id) else { return Ok(()) };
        let account = session.member().map(|member| member.handle);
        let bytes = match message {
            ToRelay::Push { cells } => cells.iter().map(|cell| cell.len()).sum(),
            ToRelay::Purge { cells } => cells.len() * PURGE_CELL_BYTES,
            _ => 0,
        };
        let messages = if matches!(message, ToRelay::SetList { .. }) { LIST_MESSAGES } else { 1 };
        self.rates
            .take(&session.device, account.as_ref(), (messages, bytes as u64), now_ms)
            .map_err(|retry_ms| Refusal::last(ErrorCode::RateLimited, Some(retry_ms)))
    }

    /// Whether so many bytes more may wait for the disk.
    pub(super) fn may_wait(&self, bytes: usize) -> Result<(), Refusal> {
        if self.waiting_bytes + bytes as u64 > self.policy.limits.push_bytes_waiting_total {
            return Err(Refusal::mild(ErrorCode::StorageUnavailable, Some(STORAGE_RETRY_MS)));
        }
        Ok(())
    }

    /// The number that the next request gets.
    pub(super) fn next_ticket(&self) -> Ticket {
        Ticket(self.next_ticket)
    }

    pub(super) fn ask(&mut self, id: SessionId, handle: Handle, asked: Asked, bytes: usize, work: Work) {
        let ticket = self.next_ticket();
        self.next_ticket += 1;
        if let Some(session) = self.sessions.get_mut(&id) {
            session.asks(bytes);
        }
        self.waiting_bytes += bytes as u64;
        self.pending.insert(ticket, Pending { session: id, handle, asked, bytes });
        self.outputs.push_back(Output::Ask(Job { ticket, work }));
    }

    pub(super) fn send(&mut self, id: SessionId, message: ToDevice) {
        self.outputs.push_back(Output::Send(id, message));
    }

    pub(super) fn resume(&mut self, id: SessionId) {
        self.outputs.push_back(Output::Resume(id));
    }

    pub(super) fn refuse(&mut self, id: SessionId, refusal: Refusal) {
        if refusal.last {
            self.end(id, refusal.code, refusal.retry_ms);
        } else if let Some(code) = refusal.code
            && self.sessions.contains_key(&id)
        {
            self.send(id, ToDevice::Error { code, retry_ms: refusal.retry_ms });
        }
    }

    /// Ends a session, with a reason or without a word.
    pub(super) fn end(&mut self, id: SessionId, code: Option<ErrorCode>, retry_ms: Option<u64>) {
        if !self.sessions.contains_key(&id) {
            return;
        }
        if let Some(code) = code {
            self.send(id, ToDevice::Error { code, retry_ms });
        }
        self.outputs.push_back(Output::Close(id));
        self.forget(id);
    }

    /// Takes a session out and tells the others.
    pub(super) fn forget(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        if let Some(number) = session.mailbox {
            self.leave_mailbox(id, number);
        }
        let Some(member) = session.member() else { return };
        self.hub.leave(&member.handle, id);
        self.tell_presence(&member.handle);
        self.tell(member.handle);
    }

    pub(super) fn tell_presence(&mut self, handle: &Handle) {
        for (id, others) in self.hub.presence(handle) {
            self.send(id, ToDevice::Presence { others });
        }
    }
}

fn registration_rate(limits: &Limits) -> Rate {
    Rate::per(limits.accounts_per_address_per_hour, 3_600_000)
}

/// Spreads the return of everybody after a restart over two and a half seconds.
fn shutdown_retry_ms(id: SessionId) -> u64 {
    500 + id.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 2_500
}
