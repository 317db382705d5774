//! What follows from the log's answers: welcomes, acknowledgements, pages, and the end of sessions whose device was
//! taken off the list or whose account is closed.
//!
//! An answer is acted on even when its session is gone, as far as it concerns others: a list that is durable counts.

use std::collections::BTreeSet;

use caro_schema::{
    id::{Handle, Hash},
    relay::{Accepted, ErrorCode, Page, Position, ToDevice},
};

use super::{
    SessionId,
    nodes::makes_way,
    relay::{ACCOUNT_RETRY_MS, Asked, Pending, Refusal, Relay, STORAGE_RETRY_MS},
    session::{Door, Member, Session, Stage},
};
use crate::{
    log::{Account, Appended, Changed, LogError},
    store::{Advanced, Batch, Done, Looked, Outcome, Ticket},
};

impl Relay {
    /// A transaction is done, or failed as a whole.
    pub fn handle_batch(&mut self, batch: Batch, now_ms: u64) {
        for done in batch.done {
            self.handle_done(done, now_ms);
        }
        for advanced in batch.advanced {
            self.handle_advance(advanced, now_ms);
        }
    }

    /// One request is done.
    pub fn handle_done(&mut self, done: Done, now_ms: u64) {
        let Some(pending) = self.pending.remove(&done.ticket) else { return };
        self.waiting_bytes = self.waiting_bytes.saturating_sub(pending.bytes as u64);
        let id = pending.session;
        if let Some(session) = self.sessions.get_mut(&id) {
            session.answered(pending.bytes);
            session.reading = session.reading.filter(|reading| *reading != done.ticket);
        }
        match done.outcome {
            Ok(outcome) => self.act(&pending, done.ticket, outcome, now_ms),
            Err(error) => self.fail(&pending, done.ticket, error),
        }
        if self.sessions.get_mut(&id).is_some_and(|session| session.resumes(&self.policy.limits, now_ms)) {
            self.resume(id);
        }
    }

    /// An account's log has grown, here or in another process: its devices are sent what is new.
    pub fn handle_advance(&mut self, advanced: Advanced, now_ms: u64) {
        let bytes: usize = advanced.entries.iter().map(|(_, cell)| cell.len()).sum();
        for id in self.hub.sessions(&advanced.handle) {
            let Some(session) = self.sessions.get_mut(&id) else { continue };
            let Some(follow) = &mut session.follow else { continue };
            if follow.takes_directly(advanced.before, advanced.entries.len(), bytes) {
                let page = direct_page(session, &advanced);
                session.sent(&page, now_ms);
                self.send(id, ToDevice::Page(page));
            } else {
                follow.end = follow.end.max(advanced.position.cursor);
                self.read_on(id);
            }
        }
        self.tell(advanced.handle);
    }

    fn fail(&mut self, pending: &Pending, ticket: Ticket, error: LogError) {
        tracing::debug!(%error, "a request failed");
        let opening = matches!(pending.asked, Asked::Look(_) | Asked::Create);
        let id = pending.session;
        // Nobody asked for it, and the next confirmation says it again.
        if matches!(pending.asked, Asked::Note) {
            return;
        }
        if matches!(pending.asked, Asked::Rumour) {
            return self.rumour_failed(pending.handle);
        }
        if matches!(pending.asked, Asked::Read)
            && let Some(session) = self.sessions.get_mut(&id)
        {
            if session.follow.as_ref().is_some_and(|follow| follow.reading != Some(ticket)) {
                return self.read_on(id);
            }
            session.follow = None;
        }
        let (code, retry_ms) = (ErrorCode::StorageUnavailable, Some(STORAGE_RETRY_MS));
        self.refuse(id, if opening { Refusal::last(code, retry_ms) } else { Refusal::mild(code, retry_ms) });
    }

    fn act(&mut self, pending: &Pending, ticket: Ticket, outcome: Outcome, now_ms: u64) {
        let id = pending.session;
        match (pending.asked, outcome) {
            (Asked::Look(door), Outcome::Looked(looked)) => self.looked(id, pending.handle, door, looked),
            (Asked::Rumour, Outcome::Looked(looked)) => self.rumour_answered(pending.handle, looked),
            (Asked::Read, Outcome::Read(page)) => self.page_read(id, ticket, page, now_ms),
            (_, Outcome::Changed(changed, position)) => self.changed(pending, changed, position),
            // An answer to another question than was asked would be a fault of ours; the device tries again.
            (_, Outcome::Looked(_) | Outcome::Read(_)) => self.fail(pending, ticket, LogError::Unavailable),
        }
    }

    fn changed(&mut self, pending: &Pending, changed: Changed, position: Option<Position>) {
        let id = pending.session;
        match changed {
            Changed::Created(account) => {
                if let Some(position) = position {
                    self.created(id, pending.handle, &account, position);
                }
            }
            Changed::Exists => self.refuse(id, ErrorCode::Exists.into()),
            Changed::NoRoom | Changed::NotInvited => self.refuse(id, ErrorCode::RegistrationRefused.into()),
            Changed::ListSet { version, devices } => self.list_set(id, &pending.handle, version, devices),
            Changed::ListOutOfStep => self.refuse(id, Refusal::mild(ErrorCode::ListOutOfStep, None)),
            Changed::Admitted { key, devices } => self.admitted(id, &pending.handle, key, devices),
            Changed::NotAdmitted => self.refuse(id, Refusal::mild(ErrorCode::NotAdmitted, None)),
            Changed::Appended(appended) => {
                // Others may have pushed meanwhile, and this push may have brought nothing new.
                self.grown_to(&pending.handle, appended.before);
                self.appended(id, appended);
            }
            Changed::Noted(_) => {}
            Changed::Purged(count) => self.answer(id, ToDevice::Purged { count }),
            Changed::Closed => self.closed(&pending.handle),
            Changed::NoAccount => self.refuse(id, ErrorCode::NotKnown.into()),
        }
    }

    fn looked(&mut self, id: SessionId, handle: Handle, door: Door, looked: Option<Box<Looked>>) {
        let refused = match &looked {
            None => Some(ErrorCode::NotKnown),
            Some(looked) if looked.listed || door == Door::Attach => None,
            Some(looked) if looked.removed => Some(ErrorCode::Removed),
            Some(_) => Some(ErrorCode::NotKnown),
        };
        match (looked, refused) {
            (Some(looked), None) => {
                let Looked { account, position, listed, removed: _, turn } = *looked;
                let member = Member { handle, account: account.public, door, listed, turn };
                // Whoever is let in has one.
                match position {
                    Some(position) => self.welcome(id, member, &account, position),
                    None => self.refuse(id, ErrorCode::NotKnown.into()),
                }
            }
            (_, code) => self.refuse(id, code.unwrap_or(ErrorCode::NotKnown).into()),
        }
    }

    fn created(&mut self, id: SessionId, handle: Handle, account: &Account, position: Position) {
        let Some(session) = self.sessions.get(&id) else { return };
        let listed = caro_schema::relay::list::DeviceList::decode(&account.list.list)
            .is_ok_and(|list| crate::members::lists(&list, &session.device));
        // Before it there was no account to come to.
        let member = Member { handle, account: account.public, door: Door::Create, listed, turn: 0 };
        self.welcome(id, member, account, position);
    }

    fn welcome(&mut self, id: SessionId, member: Member, account: &Account, position: Position) {
        if !self.sessions.contains_key(&id) {
            return;
        }
        if member.door == Door::Hello {
            self.end_earlier(id, &member.handle);
        }
        if self.hub.count(&member.handle) >= self.policy.limits.sessions_per_account_max as usize {
            return self.refuse(id, Refusal::last(ErrorCode::TooManyConnections, Some(ACCOUNT_RETRY_MS)));
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.stage = Stage::Open(member);
        session.dropped = account.dropped;
        self.hub.join(member.handle, id, session.device, member.listed);
        let welcome = ToDevice::Welcome {
            position,
            signer: self.policy.signer,
            list: account.list.clone(),
            quota_bytes: account.quota_bytes.unwrap_or(self.policy.limits.bytes_per_account),
            used_bytes: account.used_bytes,
        };
        self.send(id, welcome);
        self.tell_presence(&member.handle);
        self.joined(member.handle);
    }

    /// A device that comes back has lost its earlier connection, whether that has shown here or not. Copies of a device
    /// that are both in use meet here too, and take turns.
    fn end_earlier(&mut self, id: SessionId, handle: &Handle) {
        let Some(device) = self.sessions.get(&id).map(|session| session.device) else { return };
        for other in self.hub.sessions(handle) {
            let same = self.sessions.get(&other).is_some_and(|session| makes_way(session, &device));
            if same && other != id {
                self.end(other, Some(ErrorCode::SessionExpired), Some(ACCOUNT_RETRY_MS / 2));
            }
        }
    }

    fn list_set(&mut self, id: SessionId, handle: &Handle, version: u64, devices: Vec<Hash>) {
        self.answer(id, ToDevice::ListAccepted { version });
        self.relisted(handle, devices);
        self.tell(*handle);
    }

    /// These devices may connect, and no others.
    pub(super) fn relisted(&mut self, handle: &Handle, devices: Vec<Hash>) {
        let devices: BTreeSet<Hash> = devices.into_iter().collect();
        self.hub.relist(handle, &devices);
        for other in self.hub.sessions(handle) {
            let Some(session) = self.sessions.get_mut(&other) else { continue };
            let Stage::Open(member) = &mut session.stage else { continue };
            member.listed = devices.contains(&session.device);
            if member.listed {
                continue;
            }
            session.follow = None;
            if member.door != Door::Attach {
                self.end(other, Some(ErrorCode::Removed), None);
            }
        }
        self.tell_presence(handle);
    }

    /// Whoever is listed stays so: this only adds.
    fn admitted(&mut self, id: SessionId, handle: &Handle, key: Hash, devices: Vec<Hash>) {
        self.answer(id, ToDevice::Admitted { key });
        self.hub.relist(handle, &devices.into_iter().collect());
        self.tell_presence(handle);
        self.tell(*handle);
    }

    fn appended(&mut self, id: SessionId, appended: Appended) {
        let Appended { accepted, before, fresh: _, head: _, over_quota } = appended;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.pushed(&accepted, before);
        if !accepted.is_empty() || !over_quota {
            self.acknowledge(id, accepted);
        }
        if over_quota {
            self.refuse(id, Refusal::mild(ErrorCode::QuotaExceeded, Some(ACCOUNT_RETRY_MS)));
        }
    }

    fn acknowledge(&mut self, id: SessionId, cells: Vec<Accepted>) {
        self.answer(id, ToDevice::Ack { cells });
    }

    fn closed(&mut self, handle: &Handle) {
        for other in self.hub.sessions(handle) {
            self.answer(other, ToDevice::Closed);
            self.end(other, None, None);
        }
        self.tell(*handle);
    }

    fn page_read(&mut self, id: SessionId, ticket: Ticket, page: Option<Page>, now_ms: u64) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(follow) = &mut session.follow else { return };
        // For an earlier pull. What waited for its end is read now.
        if follow.reading != Some(ticket) {
            return self.read_on(id);
        }
        follow.reading = None;
        let Some(mut page) = page else {
            session.follow = None;
            return self.refuse(id, Refusal::mild(ErrorCode::CursorAhead, None));
        };
        let first = page.after + 1;
        page.entries = (first..).zip(page.entries).map(|(cursor, entry)| session.entry(cursor, entry)).collect();
        session.sent(&page, now_ms);
        self.send(id, ToDevice::Page(page));
        self.read_on(id);
    }

    /// Sends to a session that may be gone.
    fn answer(&mut self, id: SessionId, message: ToDevice) {
        if self.sessions.contains_key(&id) {
            self.send(id, message);
        }
    }
}

fn direct_page(session: &Session, advanced: &Advanced) -> Page {
    let first = advanced.before + 1;
    let entries =
        (first..).zip(&advanced.entries).map(|(cursor, (id, cell))| session.fresh_entry(cursor, *id, cell)).collect();
    Page { after: advanced.before, entries, position: advanced.position.clone(), more: false }
}
