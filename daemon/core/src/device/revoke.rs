//! Taking devices off the account, and beginning a new epoch: what only the phrase's root can sign. The root is lent for
//! the one step that decides it, and everything that is still to be done afterwards is signed in that step: the entry
//! of the key log, with the new key for each device that stays, and the next list for each relay. So a relay that is
//! down, or this program being killed, delays it, and the phrase is not needed again unless somebody else has changed
//! a relay's list meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use caro_link::proof;
use caro_schema::{
    body::{
        self,
        device::{Farewell, Reason, RelayKeyOf, RelayKeys},
    },
    codec,
    id::{DeviceId, OpId, RelayKey},
    ipc::fault::Fault,
    keylog::{Certificate, Entry, Membership, Wrap},
    limits::DEVICES_MAX,
    op::RawChange,
    relay::list::SignedList,
    stamp::Stamp,
};
use serde::Serialize;

use super::{Account, DeviceError, Env, lists, members::Cut, overlay::Overlay, state};
use crate::{
    step::{Notice, Rows, Step, Write},
    sync::{NextList, Remote},
    vault::{
        ENCAPSULATION_BYTES, RootKey,
        wrap::{WrapError, wrap},
    },
};

/// What a person decided, with the phrase at hand.
pub struct Decision {
    /// Which devices are off from now on; none for a new epoch alone.
    pub out: Vec<DeviceId>,
    /// Why.
    pub why: Reason,
    /// Whether what the relays hold is to be sealed anew.
    pub reseal: bool,
    /// The relays' lists as they are now, where they could be asked.
    pub lists: BTreeMap<RelayKey, SignedList>,
}

impl Account {
    /// Whether this device can take another one off.
    ///
    /// # Errors
    /// Why not, for the person.
    pub fn may_revoke(&self, device: &DeviceId) -> Result<(), Fault> {
        if self.is_out() {
            return Err(Fault::NotMember);
        }
        if *device == self.vault.device_id() {
            return Err(Fault::ThisDevice);
        }
        if self.members.device(device).is_none() {
            return Err(Fault::NoSuchDevice);
        }
        if self.members.stands(device) { Ok(()) } else { Err(Fault::AlreadyRevoked) }
    }

    /// Takes devices off and begins a new epoch, or several. The root must be that of this account.
    pub(super) fn begin_epoch(
        &mut self,
        root: &RootKey,
        decision: Decision,
        rows: &dyn Rows,
        env: &mut Env<'_>,
    ) -> Result<Step, DeviceError> {
        let Decision { out, why, reseal, lists } = decision;
        let going: BTreeSet<DeviceId> = out.iter().copied().collect();
        let mut step = Step { notices: vec![Notice::Sync], ..Step::default() };
        let devices: Vec<Option<DeviceId>> =
            if out.is_empty() { vec![None] } else { out.iter().copied().map(Some).collect() };
        for device in devices {
            step.writes.extend(self.sign_epoch(root, device, &going, env)?);
        }
        // From here on everything is sealed under the new key, also what was sealed before and not sent.
        let mut rows = Overlay::new(rows);
        step.writes.extend(self.reseal_queues(&mut rows, env)?);
        self.draw_consequences(&mut rows)?;
        step.writes.extend(rows.into_writes());
        step.writes.push(self.row(state::VAULT, self.vault.encode().to_vec()));
        let farewell = |device: &DeviceId| self.change(body::kind::FAREWELL, &Farewell { device: *device, why });
        let farewells: Vec<RawChange> = out.iter().map(farewell).collect();
        if !farewells.is_empty() {
            step.writes.extend(self.append(farewells, env)?);
            let (stamp, own) = (self.log.clock(), self.vault.device_id());
            out.iter().for_each(|device| self.members.note_farewell(own, stamp, Farewell { device: *device, why }));
        }
        step.writes.extend(self.sign_lists(root, &going, &lists));
        if reseal {
            step.writes.push(self.begin_resealing());
        }
        step.writes.push(self.row(state::MEMBERS, state::encode(&self.members)));
        Ok(step)
    }

    fn sign_epoch(
        &mut self,
        root: &RootKey,
        device: Option<DeviceId>,
        going: &BTreeSet<DeviceId>,
        env: &mut Env<'_>,
    ) -> Result<Vec<Write>, DeviceError> {
        let epoch = self.members.newest_epoch().max(self.vault.keys().current().number()) + 1;
        self.vault.add_epochs_to(root, epoch).map_err(|_| DeviceError::State("vault"))?;
        let wraps = self.wraps(root, epoch, going, env)?;
        let change = match device {
            Some(device) => {
                let last = self.log.vector().tip(&device);
                let cut = last.map_or(Cut { seq: 0, op: OpId([0; 32]) }, |tip| Cut { seq: tip.seq, op: tip.op });
                Membership::Revoke { device, cut_seq: cut.seq, cut_op: cut.op, epoch, wraps }
            }
            None => Membership::Rotate { epoch, wraps },
        };
        let mut prev = self.members.heads();
        prev.truncate(DEVICES_MAX);
        let entry = Entry { dataset: self.vault.dataset(), prev, stamp: Stamp::from_ms(env.now_ms), change };
        let signed = proof::sign_entry(&root.account_signer(), &entry);
        self.members.accept(&self.vault.account(), &self.vault.dataset(), &signed);
        self.entry_writes(&signed, env)
    }

    /// The epoch's key for each device that stays. One with a key that no honest device makes gets none.
    fn wraps(
        &self,
        root: &RootKey,
        epoch: u32,
        going: &BTreeSet<DeviceId>,
        env: &mut Env<'_>,
    ) -> Result<Vec<Wrap>, DeviceError> {
        let (key, dataset) = (root.epoch_key(epoch), self.vault.dataset());
        let mut wraps = Vec::new();
        let staying = self.members.standing().filter(|(device, _)| !goes(going, device));
        let certificates: Vec<&Certificate> = staying.map(|(_, member)| &member.certificate).collect();
        for certificate in certificates.into_iter().take(DEVICES_MAX) {
            let mut random = [0; ENCAPSULATION_BYTES];
            env.entropy.fill(&mut random)?;
            match wrap(certificate, &key, &dataset, &random) {
                Ok(wrapped) => wraps.push(wrapped),
                Err(WrapError::Key | WrapError::OtherDevice | WrapError::Tag) => {}
            }
        }
        Ok(wraps)
    }

    /// The next list of each relay. Where the present one is not known, the phrase is needed again.
    fn sign_lists(
        &mut self,
        root: &RootKey,
        going: &BTreeSet<DeviceId>,
        fresh: &BTreeMap<RelayKey, SignedList>,
    ) -> Vec<Write> {
        let mut next = BTreeMap::new();
        for remote in self.remotes.values() {
            let relay = remote.record.relay_key;
            // Who was to go and could not be taken off yet is to go now.
            let owed = remote.record.next_list.as_ref().map(|next| next.out.clone()).unwrap_or_default();
            let out: BTreeSet<DeviceId> = owed.into_iter().chain(going.iter().copied()).collect();
            let known = fresh.get(&relay).or(remote.record.list.as_ref());
            let signed = known.map(|known| {
                let keys = lists::staying(&self.members, &relay, known, self.own_relay_key(&relay), &out)?;
                lists::after(known, keys, &root.relay_account(&relay))
            });
            let list = match signed {
                // The list is as it is to be; one that was shown long ago may only not have had the device yet.
                Some(None) if out.is_empty() || fresh.contains_key(&relay) => continue,
                Some(list) => list,
                None => None,
            };
            next.insert(remote.number, NextList { list, out: out.into_iter().collect(), after: remote.mark_queued() });
        }
        for (number, remote) in &mut self.remotes {
            remote.owe_list(next.remove(number));
        }
        self.remotes.keys().filter_map(|number| self.remote_row(*number)).collect()
    }

    /// A change that says this.
    pub(super) fn change(&self, kind: u16, what: &impl Serialize) -> RawChange {
        RawChange(kind, codec::encode(what).into())
    }

    /// With which keys this device comes to the relays that it uses.
    pub(super) fn relay_keys(&self) -> RelayKeys {
        let mut keys: Vec<RelayKeyOf> = self
            .remotes
            .values()
            .map(|remote| remote.record.relay_key)
            .map(|relay| RelayKeyOf { relay, key: self.own_relay_key(&relay) })
            .collect();
        keys.sort_by_key(|of| of.relay);
        keys.dedup_by_key(|of| of.relay);
        // What the others check; a person has two or three relays.
        keys.truncate(16);
        RelayKeys { keys }
    }

    /// Whether the others have to be told with which keys this device comes to relays: a relay was added, or this device
    /// is of an earlier version.
    pub(super) fn owes_relay_keys(&self) -> bool {
        let own = self.vault.device_id();
        let Some(member) = self.members.device(&own) else { return false };
        // A relay that was added gets what there is before it gets this, so that ops stand there in their order.
        let is_said =
            |remote: &Remote| remote.record.comparing || member.relay_keys.contains_key(&remote.record.relay_key);
        self.profile.enabled && !self.is_out() && !self.remotes.values().all(is_said)
    }

    /// Tells them.
    pub(super) fn say_relay_keys(&mut self, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        if !self.owes_relay_keys() {
            return Ok(Step::default());
        }
        Ok(Step { writes: self.say_relay_keys_again(env)?, notices: vec![Notice::Sync], ..Step::default() })
    }

    /// Tells them whether they know or not, in an op of its own: one with records in it may be emptied.
    pub(super) fn say_relay_keys_again(&mut self, env: &mut Env<'_>) -> Result<Vec<Write>, DeviceError> {
        let keys = self.relay_keys();
        let change = self.change(body::kind::RELAY_KEYS, &keys);
        let mut writes = self.append(vec![change], env)?;
        self.members.note_relay_keys(&self.vault.device_id(), &keys);
        writes.push(self.row(state::MEMBERS, state::encode(&self.members)));
        Ok(writes)
    }
}

/// Whether a device gets no new key because it goes.
fn goes(going: &BTreeSet<DeviceId>, device: &DeviceId) -> bool {
    #[cfg(test)]
    if sabotage::WRAPS_FOR_ALL.get() {
        return false;
    }
    going.contains(device)
}

/// What a test switches on to show that it would notice.
#[cfg(test)]
pub(super) mod sabotage {
    use std::cell::Cell;

    thread_local! {
        /// The new key is wrapped for those who go, too.
        pub(crate) static WRAPS_FOR_ALL: Cell<bool> = const { Cell::new(false) };
    }
}
