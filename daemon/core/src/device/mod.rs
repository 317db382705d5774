//! One device: what it records, what it makes of what arrives, and what it says to its remotes.
//!
//! Four kinds of methods, as in a protocol without I/O: commands ([`Device::record`], [`Device::delete`], …) and
//! `handle_*` take an input and return a [`Step`]; `poll_*` gives what can be sent; the rest only looks. A step must be
//! carried out before the next input. Time and randomness come in with [`Env`]; history is lent by its owner, who
//! also answers searches from it.

mod account;
mod admit;
mod attest;
mod backfill;
mod branches;
mod carriers;
mod closing;
mod compact;
mod consequences;
mod counting;
mod epochs;
mod erase;
mod inspect;
mod join;
mod lists;
mod members;
mod missed;
mod moving;
mod news;
mod overlay;
mod receive;
mod record;
mod recorded;
mod refill;
mod relays;
mod relisted;
mod reseal;
mod revoke;
mod roster;
mod selection;
mod shared;
mod snapshots;
mod state;
mod status;
mod trash;
mod verify;

pub use account::Account;
pub use admit::{HandOver, NotHandedOver};
pub use attest::Evidence;
pub use closing::{Closes, Closing};
pub use counting::HourOf;
pub use epochs::{EpochReader, Reading};
pub use inspect::{Found, Inspecting, Inspection};
pub use join::{Intent, Joined, Joining, Knock, OtherAccount, Progress};
pub use lists::Glance;
pub use members::{Member, Members};
pub use moving::{Emptied, Emptying, OldAccount};
pub use record::Rules;
pub use revoke::Decision;
pub use selection::{Preview, Selection, Traits};
pub use status::Attempt;
pub use trash::{ASIDE_MS_MAX, Aside, Ending};
pub use verify::Verified;

use std::collections::BTreeMap;

use caro_link::entropy::{Entropy, NoEntropy};
use caro_schema::{
    id::{DeviceId, RecordId},
    ipc::sync::StopReason,
    relay::{ToDevice, ToRelay},
};

use self::trash::{Fates, Trash};
use crate::{
    history::History,
    shared::Shared,
    step::{Notice, RemoteNumber, RowError, Rows, Space, Step, Write},
    sync::{Reaction, RemoteRecord, State},
    vault::RootKey,
};

/// What the world gives to one input.
pub struct Env<'a> {
    /// The wall clock, in milliseconds since 1970. For stamps and pauses; no order depends on it.
    pub now_ms: u64,
    /// The system's random generator, or the simulator's.
    pub entropy: &'a mut dyn Entropy,
}

/// Why an input could not be worked on. Nothing was written, but what is in memory may be ahead of the store by a part
/// of the input: the device has to be loaded again before the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The store could not be read.
    #[error(transparent)]
    Rows(#[from] RowError),
    /// There is no randomness. Nothing is ever sealed with less.
    #[error("the system gave no random bytes")]
    Entropy(#[from] NoEntropy),
    /// What the store holds is not what this program wrote.
    #[error("the stored {0} cannot be read")]
    State(&'static str),
}

/// Milliseconds before a session that was ended only to begin another one.
const NEW_SESSION_MS: u64 = 20;

/// One device, in an account or not.
pub struct Device {
    account: Option<Account>,
    rules: Rules,
    /// What was deleted and may be taken back.
    trash: Trash,
    /// Settings, items and counts while it is in none.
    shared: Shared,
    /// What this home is called where no account names its device.
    home: Option<DeviceId>,
    /// How uses are counted, if they are.
    hour_of: Option<HourOf>,
    /// Accounts that were left and are to be emptied.
    left: BTreeMap<u32, OldAccount>,
}

impl Device {
    /// The device as it was left.
    ///
    /// # Errors
    /// When the store cannot be read or holds something else.
    pub fn load(rows: &dyn Rows, rules: Rules) -> Result<Self, DeviceError> {
        let account = Account::load(rows)?;
        let shared = match account {
            Some(_) => Shared::default(),
            None => Shared::load(rows.rows(Space::Shared)?),
        };
        let home = rows.row(Space::State, shared::HOME)?.and_then(|bytes| DeviceId::from_slice(&bytes));
        let trash = Trash::load(rows)?;
        let mut device = Self { account, rules, trash, shared, home, hour_of: None, left: BTreeMap::new() };
        device.rules.selection.load(rows)?;
        device.load_left(rows)?;
        Ok(device)
    }

    /// The account, when this device is in one.
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// The person has seen who joined and who was taken off: nothing is to be said of it any more.
    pub fn note_joined_seen(&mut self) -> Step {
        self.account.as_mut().map(Account::forget_news).unwrap_or_default()
    }

    /// Takes devices off the account and begins a new epoch, with the phrase's root, which must be that of this account.
    ///
    /// # Errors
    /// When the store cannot be read or there is no randomness.
    pub fn begin_epoch(
        &mut self,
        root: &RootKey,
        decision: Decision,
        rows: &dyn Rows,
        env: &mut Env<'_>,
    ) -> Result<Step, DeviceError> {
        match &mut self.account {
            Some(account) => account.begin_epoch(root, decision, rows, env),
            None => Ok(Step::default()),
        }
    }

    /// Calls another device of the account something.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn rename_other(&mut self, device: DeviceId, name: String, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        match &mut self.account {
            Some(account) => account.rename_other(device, name, env),
            None => Ok(Step::default()),
        }
    }

    /// Joins an account: everything that makes this device a member, and the upload of what is here already.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn adopt(&mut self, joined: Joined, history: &History, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        let before = std::mem::take(&mut self.shared);
        // What is deleted is told to the others, so that it cannot be taken back any more.
        let mut step = self.empty_trash(true, env)?;
        let (account, joining) = Account::adopt(joined, before, history, &self.rules, env)?;
        self.account = Some(account);
        step.extend(joining);
        Ok(step)
    }

    /// Leaves the account: everything that belongs to it goes, and history stays, as do settings, items and counts. What was
    /// not sent yet is among them, and is sent when this device joins again.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn leave(&mut self, rows: &dyn Rows) -> Result<Step, DeviceError> {
        let Some(account) = &mut self.account else { return Ok(Step::default()) };
        let step = account.leave(rows)?;
        self.shared = std::mem::take(&mut account.shared);
        self.account = None;
        Ok(step)
    }

    /// Takes up one more relay: it is compared with what is here, and given what it lacks.
    pub fn add_remote(&mut self, record: RemoteRecord) -> Step {
        self.account.as_mut().map(|account| account.add_another_remote(record)).unwrap_or_default()
    }

    /// Forgets a relay, with everything that was still to be sent there. The others have it, or get it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remove_remote(&mut self, number: RemoteNumber, rows: &dyn Rows) -> Result<Step, DeviceError> {
        self.account.as_mut().map_or_else(|| Ok(Step::default()), |account| account.remove_remote(number, rows))
    }

    /// Switches the network on or off for this account.
    pub fn set_enabled(&mut self, enabled: bool) -> Step {
        self.account.as_mut().map(|account| account.set_enabled(enabled)).unwrap_or_default()
    }

    /// Calls this device something.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn rename(&mut self, name: String, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        match &mut self.account {
            Some(account) => account.rename(name, env),
            None => Ok(Step::default()),
        }
    }

    /// Deletes records here and on every device. What shells' own files say of the same runs is not taken in later.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn delete(&mut self, ids: &[RecordId], history: &mut History, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        let marks = recorded::marks(ids, history);
        history.delete(ids);
        history.hide(&marks);
        let mut step = Step { writes: history.take_writes(), notices: vec![Notice::History], ..Step::default() };
        if let Some(account) = &mut self.account {
            step.extend(account.delete(ids, env)?);
        }
        Ok(step)
    }

    /// Does what has become due. When that is, says [`Self::wake_at_ms`].
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn handle_timer(&mut self, history: &History, rows: &dyn Rows, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        if self.trash.due_ms().is_some_and(|due_ms| due_ms <= env.now_ms) {
            return self.empty_trash(false, env);
        }
        match &mut self.account {
            Some(account) => account.handle_timer(Fates::new(history, &self.trash), &self.rules, rows, env),
            None => Ok(Step::default()),
        }
    }

    /// Says what this device has seen, if it is in an account and there is news. For the moment before it goes away.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn say_farewell(&mut self, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        match &mut self.account {
            Some(account) => {
                let mut step = account.say_counts(env)?;
                if account.attest_at_ms().is_some() {
                    step.extend(account.attest(env)?);
                }
                Ok(step)
            }
            None => Ok(Step::default()),
        }
    }

    /// Looks at everything that is kept of the account's ops.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn verify(&self, rows: &dyn Rows) -> Result<Verified, DeviceError> {
        self.account.as_ref().map(|account| account.verify(rows)).unwrap_or_else(|| Ok(Verified::default()))
    }

    /// Looks at the clock, which may have been set back since something was put off: what is now further away than
    /// anything is ever put off is due at once, or it would wait for the clock to catch up.
    pub fn note_clock(&mut self, now_ms: u64) {
        self.trash.note_clock_set_back(now_ms);
        if let Some(account) = &mut self.account {
            account.note_clock_set_back(now_ms);
        }
    }

    /// When [`Self::handle_timer`] has something to do, in milliseconds since 1970.
    pub fn wake_at_ms(&self) -> Option<u64> {
        let account = self.account.as_ref().and_then(|account| account.wake_at_ms(&self.rules));
        [account, self.trash.due_ms()].into_iter().flatten().min()
    }

    /// A session with a relay was opened. Gives the first message, none when the relay is not to be spoken to.
    pub fn handle_connected(&mut self, remote: RemoteNumber) -> Option<ToRelay> {
        self.account.as_mut()?.remote_mut(remote)?.connected()
    }

    /// The session is gone.
    pub fn handle_disconnected(&mut self, remote: RemoteNumber) {
        if let Some(remote) = self.account.as_mut().and_then(|account| account.remote_mut(remote)) {
            remote.disconnected();
        }
    }

    /// No session could be opened.
    pub fn handle_unreachable(&mut self, remote: RemoteNumber) {
        if let Some(remote) = self.account.as_mut().and_then(|account| account.remote_mut(remote)) {
            remote.unreachable();
        }
    }

    /// Says nothing more to a relay until a person decides.
    pub fn stop_remote(&mut self, remote: RemoteNumber, reason: StopReason) -> Step {
        self.account.as_mut().map(|account| account.stop_remote(remote, reason)).unwrap_or_default()
    }

    /// What follows from a relay's message. The second value says that the connection is to be closed, and how long
    /// the relay asked to be left alone.
    ///
    /// # Errors
    /// When the store cannot be read or there is no randomness.
    pub fn handle_message(
        &mut self,
        number: RemoteNumber,
        message: ToDevice,
        history: &mut History,
        rows: &dyn Rows,
        env: &mut Env<'_>,
    ) -> Result<(Step, Option<Option<u64>>), DeviceError> {
        let Some(account) = &mut self.account else { return Ok((Step::default(), Some(None))) };
        let Some(remote) = account.remote_mut(number) else { return Ok((Step::default(), Some(None))) };
        let reaction = remote.handle(message);
        let close = reaction.close;
        let mut step = account.react(number, reaction, history, rows, env)?;
        let elsewhere = std::mem::take(&mut account.deleted_elsewhere);
        // What a page brought may have shown that this relay is not to be trusted.
        let stopped = account.remote(number).is_some_and(|remote| matches!(remote.state(), State::Stopped(_)));
        let row = if stopped && close.is_none() { account.remote_row(number) } else { None };
        let close = if row.is_some() { Some(None) } else { close };
        let wants_list = account.remote(number).is_some_and(crate::sync::Remote::is_list_wanted);
        let close = close.or(wants_list.then_some(Some(NEW_SESSION_MS)));
        step.writes.extend(row);
        if !elsewhere.is_empty() {
            step.writes.extend(self.note_deleted_elsewhere(&elsewhere, rows, env.now_ms)?);
        }
        Ok((step, close))
    }

    /// What can be sent to a relay now. Call again until it gives none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn poll_send(&mut self, remote: RemoteNumber, rows: &dyn Rows) -> Result<Option<ToRelay>, RowError> {
        let Some(remote) = self.account.as_mut().and_then(|account| account.remote_mut(remote)) else {
            return Ok(None);
        };
        if let Some(list) = remote.next_list_due() {
            return Ok(Some(list));
        }
        if let Some(push) = remote.next_push(rows)? {
            return Ok(Some(push));
        }
        let Some(after) = remote.purge_due() else { return Ok(None) };
        let cells = rows.row(Space::State, &state::purge_key(remote.number, after))?;
        Ok(remote.next_purge(cells.as_deref().unwrap_or_default()))
    }
}

impl Account {
    fn react(
        &mut self,
        number: RemoteNumber,
        reaction: Reaction,
        history: &mut History,
        rows: &dyn Rows,
        env: &mut Env<'_>,
    ) -> Result<Step, DeviceError> {
        let Reaction { cells, acknowledged, purged, save, send, reborn, caught_up, missed, close: _ } = reaction;
        let mut step = self.receive(number, cells, history, rows, env)?;
        step.writes.extend(acknowledged.into_iter().map(|queued| Write::Queue(number, queued, None)));
        step.writes.extend(purged.map(|after| Write::Row(Space::State, state::purge_key(number, after), None)));
        if reborn {
            self.restored.insert(number);
            self.begin_offering_again(number);
        }
        if missed {
            step.writes.extend(self.note_missed(number));
        }
        if caught_up && self.reads_again(number) {
            let pull = self.remote_mut(number).map(crate::sync::Remote::read_again);
            step.sends.extend(pull.map(|message| (number, message)));
        } else if caught_up {
            step.writes.extend(self.look_at_list(number));
            step.extend(self.offer_again(number, rows, env)?);
        }
        if self.note_in_step(number, env.now_ms) || save {
            step.writes.extend(self.remote_row(number));
        }
        step.sends.extend(send.map(|message| (number, message)));
        step.notices.push(Notice::Sync);
        self.look_for_missing(env.now_ms);
        Ok(step)
    }

    pub(super) fn remote_row(&self, number: RemoteNumber) -> Option<Write> {
        let remote = self.remote(number)?;
        Some(Write::Row(Space::State, state::remote_key(number), Some(state::encode(&remote.record))))
    }
}

#[cfg(test)]
mod tests;
