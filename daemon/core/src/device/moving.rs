//! Moving to a new account with a new phrase, and leaving the old one empty. The move is one step: before it the device is
//! in the old account, after it in the new one, with everything that it has still to be sent there. What is needed to empty
//! the old one is kept until it is empty: the keys that close it at each relay, and no key that opens anything.
//!
//! Nothing follows by itself. A thief with the old phrase could say that the account has moved as well; the others are
//! told that somebody says so, and each asks its person for the new phrase.

use caro_link::{
    identity::{Signer, StaticKey},
    proof,
};
use caro_schema::{
    body::{self, device::Moved},
    codec,
    id::{Hash, RelayKey},
    ipc::{Fault, sync::StopReason},
    op::{Body, Payload, SignedOp, kind},
    relay::{ErrorCode, ToDevice, ToRelay},
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Account, Device, DeviceError, Env, Joined, Rules, receive::class_of, state};
use crate::{
    history::History,
    step::{Rows, Space, Step, Write},
    sync::{RemoteRecord, State},
    vault::{RootKey, payload},
};

/// An account that was left, at one relay.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct OldAccount {
    /// The relay's address.
    pub address: String,
    relay: ByteBuf,
    /// Closes the account there, and does nothing else any more.
    closing_key: ByteBuf,
    /// The key with which this device came to the relay.
    static_key: ByteBuf,
    /// Tells the others that it was moved.
    farewell: ByteBuf,
    /// When it is tried again, in milliseconds since 1970. Only in memory.
    #[serde(skip)]
    next_try_ms: u64,
}

/// Milliseconds between two tries.
const TRY_EVERY_MS: u64 = 30_000;

/// What is said to a relay to empty an old account there.
pub struct Emptying {
    old: OldAccount,
    handshake: Hash,
    /// Come as whoever holds the account's key, and not as a device that is listed.
    by_key: bool,
}

/// What to do next.
pub enum Emptied {
    /// Send this, and hand the answer back.
    Send(ToRelay),
    /// More is to come.
    Wait,
    /// The account is gone there.
    Done,
}

impl OldAccount {
    /// The relay's key.
    pub fn relay_key(&self) -> RelayKey {
        RelayKey::from_slice(&self.relay).unwrap_or(RelayKey([0; 32]))
    }

    /// The key of the session in which it is emptied.
    pub fn session_key(&self) -> StaticKey {
        let mut bytes = [0; 32];
        if self.static_key.len() == bytes.len() {
            bytes.copy_from_slice(&self.static_key);
        }
        let key = StaticKey::from_bytes(&bytes);
        bytes.zeroize();
        key
    }

    fn closer(&self) -> Signer {
        let mut seed = [0; 32];
        if self.closing_key.len() == seed.len() {
            seed.copy_from_slice(&self.closing_key);
        }
        let signer = Signer::from_seed(&seed);
        seed.zeroize();
        signer
    }
}

impl Emptying {
    /// As the device that was listed there, or as whoever has the key that closes it.
    pub fn new(old: OldAccount, by_key: bool) -> Self {
        Self { old, handshake: Hash([0; 32]), by_key }
    }

    /// The first message of a session.
    pub fn connected(&mut self, handshake: &Hash) -> ToRelay {
        self.handshake = *handshake;
        let closer = self.old.closer();
        let account = Hash(closer.public());
        if self.by_key {
            ToRelay::Attach { account, proof: proof::sign_attach(&closer, handshake) }
        } else {
            ToRelay::Hello { handle: proof::handle_of(&account) }
        }
    }

    /// What follows from an answer.
    ///
    /// # Errors
    /// What the relay refused.
    pub fn handle(&self, message: ToDevice) -> Result<Emptied, Fault> {
        match message {
            ToDevice::Welcome { .. } if !self.by_key => {
                Ok(Emptied::Send(ToRelay::Push { cells: vec![self.old.farewell.clone()] }))
            }
            ToDevice::Welcome { .. } | ToDevice::Ack { .. } => {
                let closer = self.old.closer();
                let proof = proof::sign_close(&closer, &self.handshake);
                Ok(Emptied::Send(ToRelay::Close { account: Hash(closer.public()), proof }))
            }
            ToDevice::Closed => Ok(Emptied::Done),
            // Closed before, and the answer was lost.
            ToDevice::Error { code: ErrorCode::NotKnown, .. } if self.by_key => Ok(Emptied::Done),
            ToDevice::Error { code, .. } => Err(Fault::Refused { code: format!("{code:?}") }),
            _ => Ok(Emptied::Wait),
        }
    }
}

impl Account {
    /// Whether somebody has said that the account was moved.
    pub fn is_moved(&self) -> bool {
        self.members.moved.is_some()
    }

    /// Whether this device may come into an account as a new one: its home was copied, it is off the account, or the
    /// account is gone.
    pub fn may_come_again(&self) -> bool {
        let gone = |state: State| state == State::Stopped(StopReason::NoAccount);
        let is_gone = !self.remotes.is_empty() && self.remotes.values().all(|remote| gone(remote.state()));
        self.is_cloned() || self.is_out() || self.is_moved() || is_gone
    }

    /// What is needed to empty the account at each relay, once the device has left it.
    fn left_behind(&self, root: &RootKey, env: &mut Env<'_>) -> Result<Vec<OldAccount>, DeviceError> {
        let mut left = Vec::new();
        let farewell = self.farewell_cell(env)?;
        for remote in self.remotes.values() {
            let relay = remote.record.relay_key;
            left.push(OldAccount {
                address: remote.record.address.clone(),
                relay: ByteBuf::from(relay.0.to_vec()),
                closing_key: ByteBuf::from(root.relay_account_seed(&relay).to_vec()),
                static_key: ByteBuf::from(self.vault.device().relay_static_bytes(&relay).to_vec()),
                farewell: ByteBuf::from(farewell.clone()),
                next_try_ms: 0,
            });
        }
        Ok(left)
    }

    /// An op of this device that says that the account was moved, sealed and not counted here: the account is left.
    fn farewell_cell(&self, env: &mut Env<'_>) -> Result<Vec<u8>, DeviceError> {
        let change = self.change(body::kind::MOVED, &Moved {});
        let packed = payload::pack(&Payload { changes: vec![change] });
        let mut salt = [0; 32];
        env.entropy.fill(&mut salt)?;
        let commit = proof::payload_commit(&salt, &packed);
        let header_bytes = self.log.next_header(kind::CHANGES, commit, env.now_ms).encode();
        let id = proof::op_id(&header_bytes);
        let signature = proof::sign_op(self.vault.signer(), &header_bytes);
        let op = SignedOp { header_bytes, signature, body: Some(Body { salt, payload: packed }) }.encode();
        self.seal(class_of(kind::CHANGES), &op, &id, env)
    }
}

impl Device {
    /// Moves to a new account in one step: everything that is here is to be sent there, and the old account is to be
    /// emptied when it is. `old` is the root of the account that is left.
    ///
    /// # Errors
    /// When the store cannot be read or there is no randomness.
    pub fn move_to(
        &mut self,
        joined: Joined,
        others: Vec<RemoteRecord>,
        old: &RootKey,
        (history, rows): (&History, &dyn Rows),
        env: &mut Env<'_>,
    ) -> Result<Step, DeviceError> {
        let left = match &self.account {
            Some(account) => account.left_behind(old, env)?,
            None => Vec::new(),
        };
        let mut step = self.leave(rows)?;
        let windowed = self.rules.clone();
        self.rules = Rules { window_days: None, window_count: None, ..windowed.clone() };
        let adopted = self.adopt(joined, history, env);
        self.rules = windowed;
        step.extend(adopted?);
        if let Some(account) = &mut self.account {
            step.writes.push(account.carry_everything());
        }
        for record in others {
            step.extend(self.add_remote(record));
        }
        for (at, old) in left.iter().enumerate() {
            step.writes.push(Write::Row(Space::State, state::left_key(at as u32), Some(state::encode(old))));
        }
        self.left = left.into_iter().enumerate().map(|(at, old)| (at as u32, old)).collect();
        Ok(step)
    }

    pub(super) fn load_left(&mut self, rows: &dyn Rows) -> Result<(), DeviceError> {
        for (key, value) in rows.rows(Space::State)? {
            if let Some(at) = state::left_number(&key) {
                self.left.insert(at, codec::decode(&value).map_err(|_| DeviceError::State("old account"))?);
            }
        }
        Ok(())
    }

    /// Accounts that were left and are not empty yet.
    pub fn left(&self) -> impl Iterator<Item = &OldAccount> {
        self.left.values()
    }

    /// An old account that can be emptied now, if there is one: what was in it is in the new one at the same relay, or at
    /// every relay that is used now. It is given out once in a while.
    pub fn next_left(&mut self, now_ms: u64) -> Option<(u32, OldAccount)> {
        let account = self.account.as_ref()?;
        let is_sent = |relay: RelayKey| {
            let mut same = account.remotes().filter(|remote| remote.record.relay_key == relay).peekable();
            let is_there = |remote: &crate::sync::Remote| remote.in_step() && !remote.record.comparing;
            if same.peek().is_some() { same.all(is_there) } else { account.remotes().all(is_there) }
        };
        let is_said = account.is_enabled() && account.sealed_at_ms().is_some_and(|at_ms| at_ms <= now_ms);
        let is_due = |old: &OldAccount| old.next_try_ms <= now_ms || old.next_try_ms > now_ms + TRY_EVERY_MS;
        let (at, old) = self.left.iter_mut().find(|(_, old)| is_said && is_due(old) && is_sent(old.relay_key()))?;
        old.next_try_ms = now_ms + TRY_EVERY_MS;
        Some((*at, old.clone()))
    }

    /// An old account is empty: its keys are forgotten.
    pub fn note_emptied(&mut self, at: u32) -> Step {
        self.left.remove(&at);
        Step { writes: vec![Write::Row(Space::State, state::left_key(at), None)], ..Step::default() }
    }
}
