//! Which devices belong to the account, from the key log. Entries form a set: any order of arrival gives the same
//! members.

use std::collections::{BTreeMap, BTreeSet};

use caro_link::proof;
use caro_schema::{
    body::device::Name,
    id::{Dataset, DeviceId, Hash, OpId},
    keylog::{Certificate, Entry, Membership, SignedEntry},
    stamp::Stamp,
};
use serde::{Deserialize, Serialize};

/// The account's devices.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Members {
    devices: BTreeMap<DeviceId, Member>,
    /// Every accepted entry.
    entries: BTreeSet<Hash>,
    /// Entries that no other entry follows.
    heads: BTreeSet<Hash>,
    /// Cuts of devices whose certificate has not arrived.
    cuts: BTreeMap<DeviceId, Cut>,
}

/// One device.
#[derive(Clone, Serialize, Deserialize)]
pub struct Member {
    /// Its public keys.
    pub certificate: Certificate,
    /// When it was added, by the clock of the device that added it.
    pub added: Stamp,
    /// What it calls itself, with the stamp of having said so.
    pub name: Option<(Stamp, Name)>,
    /// The stamp of the last op that was applied.
    pub last_seen: Stamp,
    /// After which op of its own it does not count any more.
    pub cut: Option<Cut>,
}

/// The last op of a revoked device that counts.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Its number, zero for none.
    pub seq: u64,
    /// Its id.
    pub op: OpId,
}

/// What an entry did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It was there already.
    Known,
    /// A device was added.
    Admitted(DeviceId),
    /// The epoch moved on; wrapped keys are in the entry.
    Epoch(Entry),
    /// It is not of this account, or not signed by it.
    Refused,
}

impl Members {
    /// A device, if it belongs or belonged to the account.
    pub fn device(&self, id: &DeviceId) -> Option<&Member> {
        self.devices.get(id)
    }

    /// All devices, ascending by id.
    pub fn iter(&self) -> impl Iterator<Item = (&DeviceId, &Member)> {
        self.devices.iter()
    }

    /// Entries that no other entry follows, for the next entry's `prev`.
    pub fn heads(&self) -> Vec<Hash> {
        self.heads.iter().copied().collect()
    }

    /// Whether an op of this author and number counts: none when the author is not known (yet).
    pub fn admits(&self, author: &DeviceId, seq: u64) -> Option<bool> {
        let member = self.devices.get(author)?;
        Some(member.cut.is_none_or(|cut| seq <= cut.seq))
    }

    /// Checks an entry against the account's key and takes it in.
    pub fn accept(&mut self, account: &Hash, dataset: &Dataset, signed: &SignedEntry) -> Accepted {
        let hash = proof::entry_hash(&signed.entry);
        if self.entries.contains(&hash) {
            return Accepted::Known;
        }
        let Ok(entry) = proof::verify_entry(account, signed) else { return Accepted::Refused };
        if entry.dataset != *dataset {
            return Accepted::Refused;
        }
        for previous in &entry.prev {
            self.heads.remove(previous);
        }
        self.entries.insert(hash);
        self.heads.insert(hash);
        match &entry.change {
            Membership::Admit(certificate) => {
                let device = certificate.device;
                self.admit(certificate.clone(), entry.stamp);
                Accepted::Admitted(device)
            }
            Membership::Revoke { device, cut_seq, cut_op, .. } => {
                self.revoke(*device, Cut { seq: *cut_seq, op: *cut_op });
                Accepted::Epoch(entry)
            }
            Membership::Rotate { .. } => Accepted::Epoch(entry),
        }
    }

    fn admit(&mut self, certificate: Certificate, added: Stamp) {
        let cut = self.cuts.get(&certificate.device).copied();
        let member = Member { added, name: None, last_seen: Stamp::default(), cut, certificate };
        self.devices.entry(member.certificate.device).or_insert(member);
    }

    /// Of two cuts the earlier one holds, so that the order of arrival does not matter.
    fn revoke(&mut self, device: DeviceId, cut: Cut) {
        let earlier = |known: Option<Cut>| known.filter(|known| known.seq <= cut.seq).unwrap_or(cut);
        let cut = earlier(self.cuts.get(&device).copied());
        self.cuts.insert(device, cut);
        if let Some(member) = self.devices.get_mut(&device) {
            member.cut = Some(cut);
        }
    }

    /// An op of this author was applied.
    pub fn note_seen(&mut self, author: &DeviceId, stamp: Stamp) {
        if let Some(member) = self.devices.get_mut(author) {
            member.last_seen = member.last_seen.max(stamp);
        }
    }

    /// A device said what it is called. The newest stamp wins.
    pub fn note_name(&mut self, author: &DeviceId, stamp: Stamp, name: Name) {
        if let Some(member) = self.devices.get_mut(author)
            && member.name.as_ref().is_none_or(|(known, _)| *known < stamp)
        {
            member.name = Some((stamp, name));
        }
    }
}
