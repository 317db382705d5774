//! A person's settings, items and counts as this device changes them, in an account or in none. How they merge is
//! [`crate::shared`]'s; what is counted, and when it is said to the others, is in `counting.rs`.
//!
//! In no account they are this device's alone, under the name of its home ([`HOME`]). A device that comes into an
//! account says them there with the moments at which they were given or taken away, so that what is newer holds,
//! wherever it was decided, and takes them along when it leaves.

use caro_schema::{
    body::{
        self,
        shared::{Count, Set},
        snapshot::Origin,
    },
    codec,
    id::DeviceId,
    op::{RawChange, kind},
    stamp::Stamp,
};

use super::{Account, Device, DeviceError, Env, backfill, carriers::Said};
use crate::{
    shared::{Left, Shared},
    step::{Notice, Space, Step, Write},
    vault::payload,
};

/// The row that holds what this home is called where no account names its device: 32 random bytes. It stays when an
/// account is left, because counts go by it.
pub(super) const HOME: &[u8] = b"home";

impl Device {
    /// Settings, items and counts.
    pub fn shared(&self) -> &Shared {
        self.account.as_ref().map_or(&self.shared, |account| &account.shared)
    }

    /// Whose counts and values of no account are called.
    pub fn own_id(&self) -> Option<DeviceId> {
        self.account.as_ref().map(Account::device_id).or(self.home)
    }

    /// Gives this home a name, if it has none. To be called once at the start.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn name_home(&mut self, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        let mut step = Step::default();
        if self.home.is_none() {
            let mut random = [0; 32];
            env.entropy.fill(&mut random)?;
            self.home = Some(DeviceId(random));
            step.writes.push(Write::Row(Space::State, HOME.to_vec(), Some(random.to_vec())));
        }
        Ok(step)
    }

    /// Gives a setting or an item a value here and on every device of the account, or takes it away. None when it is not
    /// one that can be ([`Set::check`]).
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn set(&mut self, set: Set, env: &mut Env<'_>) -> Result<Option<Step>, DeviceError> {
        if set.check().is_err() {
            return Ok(None);
        }
        self.set_all(vec![set], env).map(Some)
    }

    /// As [`Self::set`], for several that were checked.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn set_all(&mut self, sets: Vec<Set>, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        if let Some(account) = &mut self.account {
            return account.set_all(sets, env);
        }
        let mut step = self.name_home(env)?;
        let author = self.home.unwrap_or(DeviceId([0; 32]));
        let origin = Origin { author, stamp: self.shared.clock().tick(env.now_ms) };
        for set in sets {
            self.shared.set(set, origin);
        }
        step.writes.extend(self.shared.take_writes());
        step.notices.push(Notice::Shared);
        Ok(step)
    }

    /// Takes in what devices have counted, each said under its own name. Gives how many were news.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn take_counts(&mut self, counts: Vec<Count>, env: &mut Env<'_>) -> Result<(Step, u64), DeviceError> {
        let mut step = self.name_home(env)?;
        let known = self.shared().counts();
        let is_news = |count: &Count| {
            let (key, device) = caro_schema::uses::meant(&count.key, DeviceId([0; 32]));
            count.check().is_ok() && known.get(&(key, device)).is_none_or(|total| *total < count.total)
        };
        let news: Vec<Count> = counts.into_iter().filter(is_news).collect();
        let number = news.len() as u64;
        match &mut self.account {
            Some(account) => step.extend(account.say(&news, env)?),
            None => {
                let author = self.home.unwrap_or(DeviceId([0; 32]));
                for count in news {
                    self.shared.count(count, author);
                }
                step.writes.extend(self.shared.take_writes());
            }
        }
        Ok((step, number))
    }
}

impl Account {
    /// Settings, items and counts.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// What a device is called; empty when it never said.
    pub fn name_of(&self, device: &DeviceId) -> String {
        let named = self.members.device(device).and_then(|member| member.name.as_ref());
        named.map(|(_, name)| name.name.clone()).unwrap_or_default()
    }

    /// Gives keys values here and on every device, or takes them away.
    fn set_all(&mut self, sets: Vec<Set>, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        let changes = sets.iter().map(|set| RawChange(body::kind::SET, codec::encode(set).into())).collect();
        let mut step = Step { notices: vec![Notice::Sync, Notice::Shared], ..Step::default() };
        for packed in backfill::fill(changes, &mut self.kept_here) {
            let said = payload::unpack(&packed).map_err(|_| DeviceError::State("change"))?;
            step.writes.extend(self.append_packed(kind::CHANGES, packed, env)?);
            // What others read from the op: not all of it may have fitted into one.
            let origin = Origin { author: self.vault.device_id(), stamp: self.log.clock() };
            for set in said.changes.iter().filter_map(|change| codec::decode::<Set>(&change.1).ok()) {
                self.shared.set(set, origin);
            }
        }
        step.writes.extend(self.shared.take_writes());
        Ok(step)
    }

    /// Says what was here before this account, or in another one.
    pub(super) fn say_again(&mut self, before: Shared, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        let Left { values, counts, rows } = before.into_what_is_left();
        let mut step = Step { writes: rows, ..Step::default() };
        step.extend(self.set_again(values, env)?);
        if !counts.is_empty() {
            step.extend(self.say(&counts, env)?);
        }
        Ok(step)
    }

    /// Says values, and what was taken away, each with its own moment and not with that of the op that says it: a value
    /// that the account was given in between holds against it, and one from before does not.
    fn set_again(&mut self, values: Vec<(Stamp, Set)>, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        let author = self.vault.device_id();
        let again = |(stamp, set): &(Stamp, Set)| {
            let change = RawChange(body::kind::SET, codec::encode(set).into());
            Said { change, origin: Origin { author, stamp: *stamp } }.into_change()
        };
        let changes: Vec<RawChange> = values.iter().map(again).collect();
        // Clocks go by the moments of ops. Whoever has read this one is to overrule all that it says with what comes
        // next.
        let after_ms = values.iter().map(|(stamp, _)| stamp.ms() + 1).max().unwrap_or(0);
        let mut then = Env { now_ms: env.now_ms.max(after_ms), entropy: &mut *env.entropy };
        let mut step = Step { notices: vec![Notice::Sync, Notice::Shared], ..Step::default() };
        for packed in backfill::fill(changes, &mut self.kept_here) {
            step.writes.extend(self.append_packed(kind::CHANGES, packed, &mut then)?);
        }
        for (stamp, set) in values {
            self.shared.set(set, Origin { author, stamp });
        }
        step.writes.extend(self.shared.take_writes());
        Ok(step)
    }

    /// Says counts, each under the key that it stands under, and keeps them.
    pub(super) fn say(&mut self, counts: &[Count], env: &mut Env<'_>) -> Result<Step, DeviceError> {
        let changes = counts.iter().map(|count| RawChange(body::kind::COUNT, codec::encode(count).into()));
        let mut step = Step { notices: vec![Notice::Sync], ..Step::default() };
        for packed in backfill::fill(changes.collect(), &mut self.kept_here) {
            step.writes.extend(self.append_packed(kind::CHANGES, packed, env)?);
        }
        let own = self.vault.device_id();
        for count in counts {
            self.shared.count(count.clone(), own);
        }
        step.writes.extend(self.shared.take_writes());
        Ok(step)
    }
}
