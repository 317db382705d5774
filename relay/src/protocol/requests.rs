//! What each message asks for: who may ask it, in which state, within which limits, and what is asked of the log. The
//! answers are in [`super::answers`].

use caro_link::proof;
use caro_schema::{
    cell::CellView,
    id::{CellId, Handle, Hash, Signature},
    limits::{CELL_BYTES_MAX, PAGE_CELL_BYTES_MAX, PAGE_CELLS_MAX},
    relay::{ErrorCode, ToDevice, ToRelay, list::SignedList},
};
use serde_bytes::ByteBuf;

use super::{
    SessionId,
    follow::Follow,
    relay::{Asked, Refusal, Relay},
    session::{Door, Member, Stage},
};
use crate::{limits::PURGE_CELL_BYTES, log::Change, members, quota::Quota, registration::Verdict, store::Work};

impl Relay {
    pub(super) fn open(&mut self, id: SessionId, message: ToRelay, now_ms: u64) -> Result<(), Refusal> {
        match message {
            ToRelay::Hello { handle } => self.look(id, handle, Door::Hello),
            ToRelay::Errand { handle } => self.look(id, handle, Door::Errand),
            ToRelay::Claim { number } => self.claim(id, number, now_ms),
            ToRelay::Attach { account, proof } => self.attach(id, &account, &proof),
            ToRelay::Create { account, list, token } => self.create(id, account, list, token.as_deref(), now_ms),
            // Said about an earlier session, by a device that did not know yet that it had ended.
            ToRelay::Delivered { .. } => Ok(()),
            ToRelay::SetList { .. }
            | ToRelay::Push { .. }
            | ToRelay::Pull { .. }
            | ToRelay::Purge { .. }
            | ToRelay::Close { .. }
            | ToRelay::Ping { .. }
            | ToRelay::Admit { .. }
            | ToRelay::Invite { .. }
            | ToRelay::Mail { .. }
            | ToRelay::Reject => Err(Refusal::SILENT),
        }
    }

    fn look(&mut self, id: SessionId, handle: Handle, door: Door) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        session.stage = Stage::Asked;
        let device = session.device;
        self.ask(id, handle, Asked::Look(door), 0, Work::Look { handle, device, proven: door == Door::Attach });
        Ok(())
    }

    fn attach(&mut self, id: SessionId, account: &Hash, signature: &Signature) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get(&id) else { return Ok(()) };
        proof::verify_attach(account, &session.handshake, signature).map_err(|_| ErrorCode::BadProof)?;
        self.look(id, proof::handle_of(account), Door::Attach)
    }

    fn create(
        &mut self,
        id: SessionId,
        account: Hash,
        list: SignedList,
        token: Option<&str>,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        let invitation = match self.policy.registration.judge(token) {
            Verdict::Admitted => None,
            Verdict::Ask(invitation) => Some(invitation),
            Verdict::Refused => return Err(ErrorCode::RegistrationRefused.into()),
        };
        let first = members::verify(&account, &list)?;
        if !members::is_first(&first) {
            return Err(ErrorCode::ListOutOfStep.into());
        }
        self.registrations
            .take(session.origin, now_ms)
            .map_err(|retry_ms| Refusal::last(ErrorCode::RateLimited, Some(retry_ms)))?;
        session.stage = Stage::Asked;
        let accounts_max = self.policy.limits.accounts_max;
        let work = Work::Change(Change::Create { account, list, accounts_max, invitation });
        self.ask(id, proof::handle_of(&account), Asked::Create, 0, work);
        Ok(())
    }

    pub(super) fn request(
        &mut self,
        id: SessionId,
        member: Member,
        message: ToRelay,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        match message {
            ToRelay::Ping { token } => {
                self.send(id, ToDevice::Pong { token });
                Ok(())
            }
            message if member.door == Door::Errand => self.errand(id, member, message, now_ms),
            ToRelay::SetList { list } => self.set_list(id, member, list),
            ToRelay::Close { account, proof } => self.close(id, member, &account, &proof),
            ToRelay::Hello { .. }
            | ToRelay::Create { .. }
            | ToRelay::Attach { .. }
            | ToRelay::Errand { .. }
            | ToRelay::Claim { .. }
            | ToRelay::Admit { .. }
            | ToRelay::Invite { .. }
            | ToRelay::Mail { .. }
            | ToRelay::Reject => Err(ErrorCode::Malformed.into()),
            ToRelay::Push { .. } | ToRelay::Pull { .. } | ToRelay::Delivered { .. } | ToRelay::Purge { .. }
                if !member.listed =>
            {
                Err(ErrorCode::NotKnown.into())
            }
            ToRelay::Push { cells } => self.push(id, member, cells),
            ToRelay::Pull { after } => {
                self.pull(id, after);
                Ok(())
            }
            // A repeated one, or one about an earlier session.
            ToRelay::Delivered { .. } => Ok(()),
            ToRelay::Purge { cells } => self.purge(id, member, cells),
        }
    }

    fn set_list(&mut self, id: SessionId, member: Member, list: SignedList) -> Result<(), Refusal> {
        members::verify(&member.account, &list)?;
        let handle = member.handle;
        self.ask(id, handle, Asked::SetList, 0, Work::Change(Change::SetList { handle, list }));
        Ok(())
    }

    fn close(&mut self, id: SessionId, member: Member, account: &Hash, proof: &Signature) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get(&id) else { return Ok(()) };
        if *account != member.account {
            return Err(ErrorCode::BadProof.into());
        }
        proof::verify_close(account, &session.handshake, proof).map_err(|_| ErrorCode::BadProof)?;
        let handle = member.handle;
        self.ask(id, handle, Asked::Close, 0, Work::Change(Change::Close { handle }));
        Ok(())
    }

    fn push(&mut self, id: SessionId, member: Member, cells: Vec<ByteBuf>) -> Result<(), Refusal> {
        let bytes: usize = cells.iter().map(|cell| cell.len()).sum();
        let oversized = cells.iter().any(|cell| cell.len() > CELL_BYTES_MAX);
        if oversized || cells.len() > PAGE_CELLS_MAX || bytes > PAGE_CELL_BYTES_MAX {
            return Err(ErrorCode::TooLarge.into());
        }
        if cells.iter().any(|cell| CellView::parse(cell).is_err()) {
            return Err(ErrorCode::Malformed.into());
        }
        self.may_wait(bytes)?;
        let handle = member.handle;
        let cells: Vec<(CellId, ByteBuf)> = cells.into_iter().map(|cell| (proof::cell_id(&cell), cell)).collect();
        if let Some(session) = self.sessions.get_mut(&id) {
            session.pushes(cells.iter().map(|(id, _)| *id));
        }
        let limits = &self.policy.limits;
        let quota = Quota { bytes: limits.bytes_per_account, cells: limits.cells_per_account };
        self.ask(id, handle, Asked::Push, bytes, Work::Change(Change::Append { handle, cells, quota }));
        Ok(())
    }

    fn pull(&mut self, id: SessionId, after: u64) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.follow = Some(Follow::new(after, session.follow.as_ref()));
        if after < session.dropped {
            self.refuse(id, Refusal::mild(ErrorCode::Missed, None));
        }
        self.read_on(id);
    }

    /// In the mailbox mode: how far a listed device has come.
    pub(super) fn note(&mut self, id: SessionId, cursor: u64) {
        let Some(session) = self.sessions.get(&id) else { return };
        let (device, member) = (session.device, session.member().filter(|member| member.listed));
        if let Some(Member { handle, .. }) = member.filter(|_| self.policy.forgets) {
            let change = Change::Delivered { handle, device, cursor };
            self.ask(id, handle, Asked::Note, 0, Work::Change(change));
        }
    }

    fn purge(&mut self, id: SessionId, member: Member, cells: Vec<CellId>) -> Result<(), Refusal> {
        if cells.len() > PAGE_CELLS_MAX {
            return Err(ErrorCode::TooLarge.into());
        }
        let (handle, bytes) = (member.handle, cells.len() * PURGE_CELL_BYTES);
        self.may_wait(bytes)?;
        self.ask(id, handle, Asked::Purge, bytes, Work::Change(Change::Purge { handle, cells }));
        Ok(())
    }

    /// Reads the next page for a session, if it may have one and none is being read for it.
    pub(super) fn read_on(&mut self, id: SessionId) {
        let ticket = self.next_ticket();
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(handle) = session.member().map(|member| member.handle) else { return };
        let Some(follow) = session.follow.as_mut().filter(|_| session.reading.is_none()) else { return };
        let Some(bytes) = follow.wants() else { return };
        (follow.reading, session.reading) = (Some(ticket), Some(ticket));
        let after = follow.sent;
        self.ask(id, handle, Asked::Read, 0, Work::Read { handle, after, bytes });
    }
}
