//! Mailboxes: where a newcomer that nobody knows and a device that lets it in find each other by a number. Letters are
//! carried and not kept; what is in them is sealed between the two (`docs/protocol.md`).
//!
//! A mailbox lives as long as the session that opened it and at most as long as its limit, takes one newcomer at a time
//! and three in all, and is gone with the last. Nobody hears of another one's mailbox more than that its number is in use.

use std::collections::BTreeMap;

use caro_schema::{
    id::Hash,
    limits::{MAIL_BYTES_MAX, MAILBOX_NUMBER_MAX, PAIR_TRIES},
    relay::{ErrorCode, ToDevice, ToRelay},
};
use serde_bytes::ByteBuf;

use super::{
    SessionId,
    relay::{ACCOUNT_RETRY_MS, Asked, Refusal, Relay},
    session::{Member, Stage},
};
use crate::{log::Change, store::Work};

/// All mailboxes.
#[derive(Default)]
pub(super) struct Mailboxes {
    open: BTreeMap<u16, Mailbox>,
}

struct Mailbox {
    inviter: SessionId,
    /// Where the inviter comes from.
    origin: u64,
    newcomer: Option<SessionId>,
    tries_left: u8,
    until_ms: u64,
    /// Bytes that it may still carry.
    bytes_left: u64,
}

impl Mailboxes {
    /// When the first of them ends.
    pub(super) fn wake_at_ms(&self) -> Option<u64> {
        self.open.values().map(|mailbox| mailbox.until_ms).min()
    }

    fn of_origin(&self, origin: u64) -> usize {
        self.open.values().filter(|mailbox| mailbox.origin == origin).count()
    }
}

impl Relay {
    /// What a listed device may ask for beside its ordinary session.
    pub(super) fn errand(
        &mut self,
        id: SessionId,
        member: Member,
        message: ToRelay,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        match message {
            _ if !member.listed => Err(ErrorCode::NotKnown.into()),
            ToRelay::Admit { key } => {
                self.ask_admission(id, member, key);
                Ok(())
            }
            ToRelay::Invite { number } => self.invite(id, number, now_ms),
            ToRelay::Mail { letter } => self.mail(id, letter),
            ToRelay::Reject => {
                self.reject(id);
                Ok(())
            }
            _ => Err(ErrorCode::Malformed.into()),
        }
    }

    fn ask_admission(&mut self, id: SessionId, member: Member, key: Hash) {
        let Some(by) = self.sessions.get(&id).map(|session| session.device) else { return };
        let handle = member.handle;
        self.ask(id, handle, Asked::Admit, 0, Work::Change(Change::Admit { handle, by, key }));
    }

    fn invite(&mut self, id: SessionId, number: u16, now_ms: u64) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        if session.mailbox.is_some() || number == 0 || number > MAILBOX_NUMBER_MAX {
            return Err(ErrorCode::Malformed.into());
        }
        let limits = &self.policy.limits;
        let of_origin = self.mailboxes.of_origin(session.origin);
        if self.mailboxes.open.len() >= limits.mailboxes_max as usize
            || of_origin >= limits.mailboxes_per_address_max as usize
        {
            return Err(Refusal::mild(ErrorCode::TooManyMailboxes, Some(ACCOUNT_RETRY_MS)));
        }
        if self.mailboxes.open.contains_key(&number) {
            return Err(Refusal::mild(ErrorCode::MailboxTaken, None));
        }
        session.mailbox = Some(number);
        let mailbox = Mailbox {
            inviter: id,
            origin: session.origin,
            newcomer: None,
            tries_left: PAIR_TRIES,
            until_ms: now_ms.saturating_add(limits.mailbox_ms),
            bytes_left: limits.mailbox_bytes,
        };
        self.mailboxes.open.insert(number, mailbox);
        self.send(id, ToDevice::Invited { open_ms: self.policy.limits.mailbox_ms, tries: PAIR_TRIES });
        Ok(())
    }

    /// A newcomer comes. Each counts as a try, whatever becomes of it: one that leaves may have learned that its guess
    /// was wrong.
    pub(super) fn claim(&mut self, id: SessionId, number: u16, now_ms: u64) -> Result<(), Refusal> {
        let mailbox = self.mailboxes.open.get_mut(&number).filter(|mailbox| now_ms < mailbox.until_ms);
        let Some(mailbox) = mailbox else { return Err(ErrorCode::NoMailbox.into()) };
        let inviter = mailbox.inviter;
        if mailbox.newcomer.is_some() {
            self.send(inviter, ToDevice::Contested);
            return Err(ErrorCode::MailboxTaken.into());
        }
        mailbox.newcomer = Some(id);
        mailbox.tries_left = mailbox.tries_left.saturating_sub(1);
        let (tries_left, until_ms) = (mailbox.tries_left, mailbox.until_ms);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.mailbox = Some(number);
            session.stage = Stage::Visiting { until_ms };
        }
        self.send(inviter, ToDevice::Claimed { tries_left });
        self.send(id, ToDevice::Claimed { tries_left });
        Ok(())
    }

    /// What a newcomer may say: letters.
    pub(super) fn visit(&mut self, id: SessionId, message: ToRelay) -> Result<(), Refusal> {
        match message {
            ToRelay::Mail { letter } => self.mail(id, letter),
            _ => Err(ErrorCode::Malformed.into()),
        }
    }

    /// Carries a letter. One to a side that has just gone is dropped: its sender is told of that anyway.
    fn mail(&mut self, id: SessionId, letter: ByteBuf) -> Result<(), Refusal> {
        let number = self.sessions.get(&id).and_then(|session| session.mailbox);
        let Some(mailbox) = number.and_then(|number| self.mailboxes.open.get_mut(&number)) else { return Ok(()) };
        let bytes = letter.len() as u64;
        if letter.len() > MAIL_BYTES_MAX || bytes > mailbox.bytes_left {
            return Err(ErrorCode::TooLarge.into());
        }
        mailbox.bytes_left -= bytes;
        let other = if mailbox.inviter == id { mailbox.newcomer } else { Some(mailbox.inviter) };
        if let Some(other) = other {
            self.send(other, ToDevice::Mail { letter });
        }
        Ok(())
    }

    fn reject(&mut self, id: SessionId) {
        let number = self.sessions.get(&id).and_then(|session| session.mailbox);
        let newcomer = number.and_then(|number| self.mailboxes.open.get(&number)?.newcomer);
        if let Some(newcomer) = newcomer {
            self.end(newcomer, Some(ErrorCode::WrongCode), None);
        }
    }

    /// A session that had to do with a mailbox is gone.
    pub(super) fn leave_mailbox(&mut self, id: SessionId, number: u16) {
        let Some(mailbox) = self.mailboxes.open.get_mut(&number) else { return };
        if mailbox.inviter == id {
            return self.close_mailbox(number, ErrorCode::MailboxClosed);
        }
        if mailbox.newcomer != Some(id) {
            return;
        }
        mailbox.newcomer = None;
        let (inviter, tries_left) = (mailbox.inviter, mailbox.tries_left);
        self.send(inviter, ToDevice::Left);
        if tries_left == 0 {
            self.close_mailbox(number, ErrorCode::NoTriesLeft);
        }
    }

    /// Ends what has been open for as long as it may.
    pub(super) fn close_expired(&mut self, now_ms: u64) {
        let expired = self.mailboxes.open.iter().filter(|(_, mailbox)| mailbox.until_ms <= now_ms);
        let expired: Vec<u16> = expired.map(|(number, _)| *number).collect();
        for number in expired {
            self.close_mailbox(number, ErrorCode::MailboxExpired);
        }
    }

    /// Forgets a mailbox and tells those who are there. The inviter's session goes on.
    fn close_mailbox(&mut self, number: u16, code: ErrorCode) {
        let Some(mailbox) = self.mailboxes.open.remove(&number) else { return };
        if let Some(newcomer) = mailbox.newcomer {
            self.end(newcomer, Some(code), None);
        }
        if let Some(session) = self.sessions.get_mut(&mailbox.inviter) {
            session.mailbox = None;
            self.send(mailbox.inviter, ToDevice::Error { code, retry_ms: None });
        }
    }
}
