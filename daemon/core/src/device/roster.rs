//! What is known of each device beside that it is one: what it is called, what it has, with which keys it comes to relays,
//! and, of a revoked one, why it was revoked. All of it is what devices say of themselves and of each other in their
//! ops; who belongs to the account, and what that means, is the key log's (`members.rs`).

use caro_schema::{
    body::device::{Farewell, RelayKeys, Rename},
    id::{DeviceId, Hash, RelayKey},
    ipc::sync::{Device as DeviceLine, DeviceName, RevokedDevice},
    limits::DEVICES_MAX,
    op::Parent,
    stamp::Stamp,
};

use super::{Account, DeviceError, Env, Member, Members, state, status::short};
use crate::step::{Notice, Step};

/// Devices of which something is remembered because others named them. A device may be named before its entry in the key
/// log is here, so all names count; a member that makes names up fills this and no more.
pub(super) const NAMED_MAX: usize = 4 * DEVICES_MAX;

impl Members {
    /// What a device is called: what it or another one said last. Empty where nobody has.
    pub fn name_of(&self, device: &DeviceId) -> String {
        let own = self.device(device).and_then(|member| member.name.as_ref());
        let by_others = self.renamed.get(device);
        match (own, by_others) {
            (Some((said, own)), Some((renamed, _))) if said > renamed => own.name.clone(),
            (_, Some((_, name))) => name.clone(),
            (Some((_, own)), None) => own.name.clone(),
            (None, None) => String::new(),
        }
    }

    /// A device was called something by another one. The newest stamp wins.
    pub(super) fn note_renamed(&mut self, stamp: Stamp, rename: Rename) {
        let known = self.renamed.get(&rename.device);
        if known.is_none() && self.renamed.len() >= NAMED_MAX {
            return;
        }
        if known.is_none_or(|(known, _)| *known < stamp) {
            self.renamed.insert(rename.device, (stamp, rename.name));
        }
    }

    /// A device says with which keys it comes to relays. Only what it says itself counts.
    pub(super) fn note_relay_keys(&mut self, device: &DeviceId, keys: &RelayKeys) {
        if let Some(member) = self.member_mut(device) {
            member.relay_keys = keys.keys.iter().map(|of| (of.relay, of.key)).collect();
        }
    }

    /// Somebody says why a device was revoked. Of several the first one, by stamp, is shown.
    pub(super) fn note_farewell(&mut self, by: DeviceId, stamp: Stamp, farewell: Farewell) {
        if !self.farewells.contains_key(&farewell.device) && self.farewells.len() >= NAMED_MAX {
            return;
        }
        let said = (stamp, by, farewell.why);
        let known = self.farewells.entry(farewell.device).or_insert(said);
        if (said.0, said.1) < (known.0, known.1) {
            *known = said;
        }
    }

    /// A device has shown that it has these ops, and with the last op of an author what that op's author had.
    pub(super) fn note_has(&mut self, device: &DeviceId, ops: &[Parent], is_tip: impl Fn(&Parent) -> bool) {
        for parent in ops {
            let through: Vec<(DeviceId, u64)> = match self.device(&parent.author) {
                Some(other) if is_tip(parent) => other.has.iter().map(|(author, seq)| (*author, *seq)).collect(),
                _ => Vec::new(),
            };
            let Some(member) = self.member_mut(device) else { return };
            for (author, seq) in through.into_iter().chain([(parent.author, parent.seq)]) {
                if !member.has.contains_key(&author) && member.has.len() >= NAMED_MAX {
                    continue;
                }
                let has = member.has.entry(author).or_default();
                *has = seq.max(*has);
            }
        }
    }

    fn named(&self, device: DeviceId) -> DeviceName {
        DeviceName { id: short(&device.0), name: self.name_of(&device) }
    }

    fn revocation_of(&self, device: &DeviceId, member: &Member) -> Option<RevokedDevice> {
        if self.stands(device) {
            return None;
        }
        let farewell = self.farewells.get(device).filter(|_| member.cut.is_some());
        Some(RevokedDevice {
            at_ms: self.revoked_at(device).unwrap_or(member.added).ms(),
            why: farewell.map(|(_, _, why)| *why),
            by: farewell.map(|(_, by, _)| self.named(*by)),
            with_another: member.cut.is_none(),
        })
    }
}

impl Account {
    /// The account's devices: this one, the others, and those that were revoked.
    pub fn devices(&self) -> Vec<DeviceLine> {
        let mut lines: Vec<DeviceLine> = self.members.iter().map(|(id, member)| self.line(id, member)).collect();
        lines.sort_by_key(|line| (line.revoked.is_some(), !line.this));
        lines
    }

    fn line(&self, id: &DeviceId, member: &Member) -> DeviceLine {
        let this = *id == self.vault.device_id();
        let last_sync_ms = if this { self.last_sync_ms() } else { member.last_seen.ms() };
        DeviceLine {
            id: short(&id.0),
            name: self.members.name_of(id),
            platform: member.name.as_ref().map(|(_, name)| name.platform.clone()).unwrap_or_default(),
            added_ms: member.added.ms(),
            last_seen_ms: member.last_seen.ms(),
            this,
            device: *id,
            added_by: self.members.let_in_by(id).map(|by| self.members.named(by)),
            last_sync_ms,
            behind: if this { Some(self.left_to_exchange()) } else { self.behind(id, member) },
            revoked: self.members.revocation_of(id, member),
        }
    }

    fn last_sync_ms(&self) -> u64 {
        self.remotes().map(|remote| remote.record.last_sync_ms).max().unwrap_or(0)
    }

    /// What waits to be sent or fetched here, at the relay that is worst off.
    fn left_to_exchange(&self) -> u64 {
        self.remotes().map(|remote| remote.pending_up() + remote.pending_down()).max().unwrap_or(0)
    }

    /// How many ops of others another device has not said that it has. None where it has said nothing yet.
    fn behind(&self, id: &DeviceId, member: &Member) -> Option<u64> {
        if member.has.is_empty() {
            return None;
        }
        let has = |author: &DeviceId| member.has.get(author).copied().unwrap_or(0);
        let others = self.log.vector().iter().filter(|(author, _)| *author != id);
        Some(others.map(|(author, tip)| tip.seq.saturating_sub(has(author))).sum())
    }

    /// Calls another device something.
    pub(super) fn rename_other(
        &mut self,
        device: DeviceId,
        name: String,
        env: &mut Env<'_>,
    ) -> Result<Step, DeviceError> {
        let rename = Rename { device, name };
        let change = self.change(caro_schema::body::kind::RENAME, &rename);
        let writes = self.append(vec![change], env)?;
        self.members.note_renamed(self.log.clock(), rename);
        let mut step = Step { writes, notices: vec![Notice::Sync], ..Step::default() };
        step.writes.push(self.row(state::MEMBERS, state::encode(&self.members)));
        Ok(step)
    }

    /// The key with which this device comes to a relay, as the relay's list has it.
    pub(super) fn own_relay_key(&self, relay: &RelayKey) -> Hash {
        caro_link::proof::device_key_hash(&self.vault.device().relay_static(relay).public())
    }
}

#[cfg(test)]
mod tests {
    use caro_schema::body::device::Reason;

    use super::*;

    fn made_up(number: usize) -> DeviceId {
        DeviceId(*blake3::hash(&number.to_be_bytes()).as_bytes())
    }

    #[test]
    fn trap_51_a_member_that_makes_devices_up_is_remembered_so_far_and_no_further() {
        let mut members = Members::default();
        let at = |number: usize| Stamp::from_ms(number as u64 + 1);
        for number in 0..4 * NAMED_MAX {
            members.note_renamed(at(number), Rename { device: made_up(number), name: "a name".to_owned() });
            let farewell = Farewell { device: made_up(number), why: Reason::Lost };
            members.note_farewell(made_up(0), at(number), farewell);
        }
        assert_eq!((members.renamed.len(), members.farewells.len()), (NAMED_MAX, NAMED_MAX));
        // Those that are known can be called something else all the same.
        members.note_renamed(at(9_999_999), Rename { device: made_up(3), name: "another".to_owned() });
        assert_eq!(members.name_of(&made_up(3)), "another");
    }
}
