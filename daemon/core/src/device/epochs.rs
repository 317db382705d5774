//! Finding out, while the root is at hand, how many epochs an account has had: a device that joins by the phrase derives
//! their keys, and has no root to do so later. The end of the relay's log says it: cells name the key that sealed them,
//! and whoever begins an epoch says so there. The whole log would cost as much as the first sync does.
//!
//! A relay that shows an old log is believed here as it is in the first sync. When it is found out, the device lacks the
//! newest key and says so; it never seals under an older one that it knows to be old.

use std::collections::BTreeMap;

use caro_link::proof;
use caro_schema::{
    cell::{CellClass, CellView},
    codec,
    id::{Handle, Hash, KeyId},
    ipc::Fault,
    keylog::{Membership, SignedEntry},
    relay::{Entry, ErrorCode, Page, ToDevice, ToRelay},
};

use crate::vault::{RootKey, key_log_key::KeyLogKey, open::open};

/// Entries at the end of the log that are looked at first. Devices that had not heard of a new epoch yet may have sealed
/// some of them; no more than this are on their way at once.
const LOOK_AT: u64 = 1024;

/// Epochs of an account. A newcomer that comes by a code can be handed no more.
const EPOCHS_MAX: u32 = 1024;

/// A look at the end of an account's log.
pub struct EpochReader {
    handle: Handle,
    account: Hash,
    dataset: caro_schema::id::Dataset,
    key_log: KeyLogKey,
    epochs: BTreeMap<KeyId, u32>,
    newest: u32,
    /// Whether something was seen that names an epoch.
    has_seen: bool,
    from: u64,
    /// After which cursor the next page begins.
    next: u64,
    end: u64,
}

/// What to do next.
pub enum Reading {
    /// Send this, and hand the answers back.
    Send(ToRelay),
    /// More is to come.
    Wait,
    /// The newest epoch.
    Found(u32),
}

impl EpochReader {
    pub(super) fn new(root: &RootKey, account_at_relay: &Hash) -> Self {
        let epoch = |number: u32| (root.epoch_key(number).cell().id(), number);
        Self {
            handle: proof::handle_of(account_at_relay),
            account: Hash(root.account_signer().public()),
            dataset: root.dataset(),
            key_log: root.key_log_key(),
            epochs: (0..EPOCHS_MAX).map(epoch).collect(),
            newest: 0,
            has_seen: false,
            from: 0,
            next: 0,
            end: 0,
        }
    }

    /// The first message of a session.
    pub fn connected(&self) -> ToRelay {
        ToRelay::Hello { handle: self.handle }
    }

    /// What follows from an answer.
    ///
    /// # Errors
    /// What the person is to be told.
    pub fn handle(&mut self, message: ToDevice) -> Result<Reading, Fault> {
        match message {
            ToDevice::Welcome { position, .. } => {
                self.end = position.cursor;
                self.from = self.end.saturating_sub(LOOK_AT);
                Ok(self.pull(self.from))
            }
            ToDevice::Page(page) => Ok(self.page(&page)),
            // A relay in the mailbox mode has forgotten some of it, and shows the rest.
            ToDevice::Error { code: ErrorCode::Missed, .. } => Ok(Reading::Wait),
            ToDevice::Error { code, .. } => Err(Fault::Refused { code: format!("{code:?}") }),
            _ => Ok(Reading::Wait),
        }
    }

    fn pull(&mut self, after: u64) -> Reading {
        self.next = after;
        Reading::Send(ToRelay::Pull { after })
    }

    fn page(&mut self, page: &Page) -> Reading {
        if page.after != self.next {
            // It was on its way when the reading went on from another place.
            return Reading::Wait;
        }
        for entry in &page.entries {
            if let Entry::Cell(cell) = entry {
                self.look_at(cell);
            }
        }
        let last = page.after + page.entries.len() as u64;
        if page.more && !page.entries.is_empty() {
            // Asked for, and not confirmed: this device has nothing of it yet, and a mailbox would forget it.
            return self.pull(last);
        }
        if self.has_seen || self.from == 0 {
            return Reading::Found(self.newest);
        }
        // Everything there was purged: further back, twice as far each time.
        self.from = self.end.saturating_sub((self.end - self.from) * 2);
        self.pull(self.from)
    }

    fn look_at(&mut self, cell: &[u8]) {
        let Ok(view) = CellView::parse(cell) else { return };
        if let Some(number) = self.epochs.get(&view.key_id) {
            self.newest = self.newest.max(*number);
            self.has_seen = true;
        } else if let Some(number) = self.begun_in(cell) {
            self.newest = self.newest.max(number);
            self.has_seen = true;
        }
    }

    /// The epoch that a key-log entry begins, signed by the account.
    fn begun_in(&self, cell: &[u8]) -> Option<u32> {
        let plain = open(&self.key_log, &self.dataset, CellClass::KeyLog, cell).ok()?;
        let signed: SignedEntry = codec::decode(&plain).ok()?;
        match proof::verify_entry(&self.account, &signed).ok()?.change {
            Membership::Revoke { epoch, .. } | Membership::Rotate { epoch, .. } => Some(epoch),
            Membership::Admit(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use caro_link::identity::Signer;
    use caro_schema::id::{Generation, Handle};
    use serde_bytes::ByteBuf;

    use super::*;
    use crate::vault::Phrase;

    fn reader() -> EpochReader {
        let root = RootKey::derive(&Phrase::from_entropy(&[3; 32])).unwrap();
        EpochReader::new(&root, &Hash([1; 32]))
    }

    fn page(more: bool) -> ToDevice {
        let signer = Signer::from_seed(&[6; 32]);
        let position = proof::sign_position(&signer, &Handle([1; 16]), Generation([1; 16]), 2_000, Hash([0; 32]));
        let entries = vec![Entry::Cell(ByteBuf::from(vec![0; 8]))];
        ToDevice::Page(Page { after: 0, entries, position, more })
    }

    #[test]
    fn mailbox_what_was_only_looked_at_is_not_said_to_be_delivered() {
        assert!(matches!(reader().handle(page(true)), Ok(Reading::Send(ToRelay::Pull { after: 1 }))));
    }

    #[test]
    fn mailbox_a_relay_that_has_forgotten_some_of_it_can_be_joined() {
        let forgot = ToDevice::Error { code: ErrorCode::Missed, retry_ms: None };
        assert!(matches!(reader().handle(forgot), Ok(Reading::Wait)));
    }
}
