//! What a relay and others on the same database owe each other: a change at one is seen by the sessions of all, a device
//! has one session wherever it comes in, and an account has no more of them than it may.
//!
//! What is heard is a hint. Each one leads to a look at the log, in order with this relay's own changes, and never to
//! anything by itself. A relay that is alone on its database tells nobody and hears nothing.

use std::collections::{BTreeMap, VecDeque};

use caro_schema::{
    id::{Handle, Hash},
    relay::ErrorCode,
};

use super::{
    SessionId,
    relay::{ACCOUNT_RETRY_MS, Asked, Refusal, Relay},
    session::{Door, Member, Session},
};
use crate::{
    log::postgres::news::{Elsewhere, Seat},
    members,
    store::{Looked, Work},
};

/// What is going on with the others.
#[derive(Default)]
pub(super) struct Others {
    /// Whether there may be any.
    sharing: bool,
    /// Accounts that they should look at.
    told: VecDeque<Handle>,
    /// Accounts that are being looked at.
    rumours: BTreeMap<Handle, Rumour>,
}

/// How far one look is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rumour {
    /// The log was asked.
    Asked,
    /// The log was asked, and something was heard since.
    Outrun,
    /// The log could not answer.
    Failed,
}

/// Nobody: a look that no session asked for.
const NOBODY: SessionId = SessionId(0);

/// The device of such a look.
const NO_DEVICE: Hash = Hash([0; 32]);

impl Relay {
    /// From now on there may be others on the same database.
    pub fn share(&mut self) {
        self.others.sharing = true;
    }

    /// The next account that the others should look at.
    pub fn poll_told(&mut self) -> Option<Handle> {
        self.others.told.pop_front()
    }

    /// Accounts with sessions here.
    pub fn accounts(&self) -> Vec<Handle> {
        self.hub.accounts()
    }

    /// The sessions of an account here.
    pub fn seats(&self, handle: &Handle) -> Vec<Seat> {
        self.hub
            .sessions(handle)
            .into_iter()
            .filter_map(|id| {
                let session = self.sessions.get(&id)?;
                let member = session.member()?;
                let Member { listed, turn, .. } = member;
                Some(Seat { session: id, device: session.device, single: is_single(member), listed, turn })
            })
            .collect()
    }

    /// A session is in. What was heard of its account before that was not heeded, so it is looked at once more.
    pub(super) fn joined(&mut self, handle: Handle) {
        if self.others.sharing {
            self.tell(handle);
            self.handle_rumour(handle);
        }
    }

    /// Something has happened to an account elsewhere, or may have.
    pub fn handle_rumour(&mut self, handle: Handle) {
        if self.hub.count(&handle) == 0 {
            return;
        }
        match self.others.rumours.get_mut(&handle) {
            Some(rumour @ (Rumour::Asked | Rumour::Outrun)) => *rumour = Rumour::Outrun,
            Some(Rumour::Failed) | None => self.look_again(handle),
        }
    }

    /// Who is connected to an account elsewhere.
    pub fn handle_elsewhere(&mut self, handle: &Handle, elsewhere: Elsewhere) {
        let Elsewhere { devices, replaced, order } = elsewhere;
        for id in replaced {
            self.end(id, Some(ErrorCode::SessionExpired), Some(ACCOUNT_RETRY_MS / 2));
        }
        let max = self.policy.limits.sessions_per_account_max as usize;
        for (id, _) in order.iter().skip(max).filter(|(_, here)| *here) {
            self.refuse(*id, Refusal::last(ErrorCode::TooManyConnections, Some(ACCOUNT_RETRY_MS)));
        }
        self.hub.set_elsewhere(handle, devices);
        self.tell_presence(handle);
    }

    /// Looks again at what could not be looked at.
    pub(super) fn retry_rumours(&mut self) {
        let failed = self.others.rumours.iter().filter(|(_, rumour)| **rumour == Rumour::Failed);
        let failed: Vec<Handle> = failed.map(|(handle, _)| *handle).collect();
        for handle in failed {
            self.look_again(handle);
        }
    }

    /// The others should look at this account.
    pub(super) fn tell(&mut self, handle: Handle) {
        if self.others.sharing && self.others.told.back() != Some(&handle) {
            self.others.told.push_back(handle);
        }
    }

    fn look_again(&mut self, handle: Handle) {
        self.others.rumours.insert(handle, Rumour::Asked);
        self.ask(NOBODY, handle, Asked::Rumour, 0, Work::Look { handle, device: NO_DEVICE, proven: false });
    }

    /// The log has no answer.
    pub(super) fn rumour_failed(&mut self, handle: Handle) {
        self.others.rumours.insert(handle, Rumour::Failed);
    }

    /// How an account stands now.
    pub(super) fn rumour_answered(&mut self, handle: Handle, looked: Option<Box<Looked>>) {
        match self.others.rumours.remove(&handle) {
            Some(Rumour::Outrun) if self.hub.count(&handle) > 0 => self.look_again(handle),
            _ => {}
        }
        let Some(looked) = looked else { return self.handle_shut(&handle) };
        let Some(devices) = members::devices(&looked.account.list) else { return };
        self.relisted(&handle, devices);
        self.grown_to(&handle, looked.account.cursor);
    }

    /// An account's log is at least this long: its devices are sent what they have not been sent.
    pub(super) fn grown_to(&mut self, handle: &Handle, cursor: u64) {
        for id in self.hub.sessions(handle) {
            let Some(follow) = self.sessions.get_mut(&id).and_then(|session| session.follow.as_mut()) else { continue };
            if follow.end < cursor {
                follow.end = cursor;
                self.read_on(id);
            }
        }
    }
}

/// Whether a later session of the same device takes this one's place.
pub(super) fn is_single(member: Member) -> bool {
    !matches!(member.door, Door::Attach | Door::Errand)
}

/// Whether a session belongs to this device and would make way for another one of it.
pub(super) fn makes_way(session: &Session, device: &Hash) -> bool {
    session.device == *device && session.member().is_some_and(is_single)
}
