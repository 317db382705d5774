//! A person's settings, items and counts as the account changes them. How they merge is [`crate::shared`]'s.

use caro_schema::{
    body::{
        self,
        shared::{Count, Set},
        snapshot::Origin,
    },
    codec,
    op::RawChange,
};

use super::{Account, DeviceError, Env};
use crate::{
    shared::Shared,
    step::{Notice, Step},
};

impl Account {
    /// Settings, items and counts.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Gives a key a value here and on every device, or takes it away.
    pub(super) fn set(&mut self, set: Set, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        let change = RawChange(body::kind::SET, codec::encode(&set).into());
        let mut writes = self.append(vec![change], env)?;
        let origin = Origin { author: self.vault.device_id(), stamp: self.log.clock() };
        self.shared.set(set, origin);
        writes.extend(self.shared.take_writes());
        Ok(Step { writes, notices: vec![Notice::Sync], ..Step::default() })
    }

    /// Counts something on this device, so many times.
    pub(super) fn count(&mut self, key: String, by: u64, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        let own = self.vault.device_id();
        let count = Count { total: self.shared.own_total(&key, own).saturating_add(by), key };
        let change = RawChange(body::kind::COUNT, codec::encode(&count).into());
        let mut writes = self.append(vec![change], env)?;
        self.shared.count(count, own);
        writes.extend(self.shared.take_writes());
        Ok(Step { writes, notices: vec![Notice::Sync], ..Step::default() })
    }
}
