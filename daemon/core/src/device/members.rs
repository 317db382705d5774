//! Which devices belong to the account, from the key log. Entries form a set: any order of arrival gives the same
//! members.
//!
//! An entry is signed with the account's key, or, where a device lets another one in by a code, with that device's. What
//! such a device signed counts as long as it is a member itself; once it is revoked, only what the revocation follows
//! counts, which its signer knew of: nobody can write an entry into the past of another one.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry as Slot};

use caro_link::proof;
use caro_schema::{
    body::device::{Name, Reason},
    id::{Dataset, DeviceId, Hash, OpId, RelayKey},
    keylog::{Certificate, Entry, Membership, SignedEntry},
    limits::DEVICES_MAX,
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
    /// What each accepted entry follows.
    #[serde(default)]
    follows: BTreeMap<Hash, Vec<Hash>>,
    /// Which devices were let in by others: by whom, and in which entry.
    #[serde(default)]
    let_in: BTreeMap<DeviceId, BTreeSet<(DeviceId, Hash)>>,
    /// Devices whose certificate the account signed.
    #[serde(default)]
    by_account: BTreeSet<DeviceId>,
    /// The entries that revoke a device.
    #[serde(default)]
    revocations: BTreeMap<DeviceId, BTreeSet<Hash>>,
    /// Admissions by devices that are not known yet.
    #[serde(default)]
    waiting: BTreeMap<Hash, SignedEntry>,
    /// Of each epoch that an entry began, which devices its key was wrapped to.
    #[serde(default)]
    wrapped: BTreeMap<u32, BTreeSet<DeviceId>>,
    /// When each revoked device was revoked, by the clock of whoever did it first.
    #[serde(default)]
    revoked_at: BTreeMap<DeviceId, Stamp>,
    /// Devices for which two certificates with two keys are known, none of them by the account.
    #[serde(default)]
    contested: BTreeSet<DeviceId>,
    /// Why devices were revoked, as those say that did it: when, on which device, why.
    #[serde(default)]
    pub(super) farewells: BTreeMap<DeviceId, (Stamp, DeviceId, Reason)>,
    /// That the account was moved to a new phrase: when and on which device, as that one says.
    #[serde(default)]
    pub(super) moved: Option<(Stamp, DeviceId)>,
    /// What devices are called by others.
    #[serde(default)]
    pub(super) renamed: BTreeMap<DeviceId, (Stamp, String)>,
}

/// Admissions that wait for the certificate of the device that signed them. An account has no more devices than this.
const WAITING_MAX: usize = DEVICES_MAX;

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
    /// The keys with which it comes to relays, as it says.
    #[serde(default)]
    pub relay_keys: BTreeMap<RelayKey, Hash>,
    /// Of each author, the last op that it has said it has.
    #[serde(default)]
    pub has: BTreeMap<DeviceId, u64>,
}

/// The last op of a revoked device that counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// Devices were added: one, and those that it let in.
    Admitted(Vec<DeviceId>),
    /// It waits for the certificate of the device that signed it.
    Waits,
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
        Some(member.cut.is_none_or(|cut| seq <= cut.seq) && !self.is_void(author))
    }

    /// Whether nobody let this device in who could: all who did were revoked, by somebody who did not know of it. The walk
    /// from device to device sees each one once, so a circle of them ends nowhere and is void.
    fn is_void(&self, device: &DeviceId) -> bool {
        let (mut todo, mut seen) = (vec![*device], BTreeSet::new());
        while let Some(device) = todo.pop() {
            let Some(admissions) = self.let_in.get(&device).filter(|_| !self.by_account.contains(&device)) else {
                return false;
            };
            if seen.insert(device) {
                let held = admissions.iter().filter(|(by, entry)| self.outlives_revocation(by, entry));
                todo.extend(held.map(|(by, _)| *by));
            }
        }
        true
    }

    /// Whether every revocation of a device follows this entry of its.
    fn outlives_revocation(&self, by: &DeviceId, entry: &Hash) -> bool {
        self.revocations.get(by).is_none_or(|all| all.iter().all(|revocation| self.is_before(entry, revocation)))
    }

    fn is_before(&self, earlier: &Hash, later: &Hash) -> bool {
        let (mut todo, mut seen) = (vec![*later], BTreeSet::new());
        while let Some(entry) = todo.pop() {
            for previous in self.follows.get(&entry).into_iter().flatten() {
                if previous == earlier {
                    return true;
                }
                if seen.insert(*previous) {
                    todo.push(*previous);
                }
            }
        }
        false
    }

    /// After which of its own ops a device does not count any more: its cut, or none at all where nobody let it in who
    /// could. None for a device that counts.
    pub fn end_of(&self, device: &DeviceId) -> Option<u64> {
        let member = self.devices.get(device)?;
        if self.is_void(device) { Some(0) } else { member.cut.map(|cut| cut.seq) }
    }

    /// Whether a device belongs to the account now.
    pub fn stands(&self, device: &DeviceId) -> bool {
        self.devices.contains_key(device) && self.end_of(device).is_none()
    }

    /// Where a revoked device's ops end.
    pub(super) fn cut_of(&self, device: &DeviceId) -> Option<Cut> {
        self.cuts.get(device).copied()
    }

    /// When a device was revoked.
    pub(super) fn revoked_at(&self, device: &DeviceId) -> Option<Stamp> {
        self.revoked_at.get(device).copied()
    }

    /// The devices that get the next epoch's key. Of two certificates of one device that other devices signed, nobody can
    /// tell which is a thief's; such a device has to come in by the phrase.
    pub(super) fn standing(&self) -> impl Iterator<Item = (&DeviceId, &Member)> {
        let is_clear = |device: &DeviceId| self.by_account.contains(device) || !self.contested.contains(device);
        self.devices.iter().filter(move |(device, _)| self.stands(device) && is_clear(device))
    }

    /// The greatest epoch that an entry began, zero for none.
    pub(super) fn newest_epoch(&self) -> u32 {
        self.wrapped.keys().next_back().copied().unwrap_or(0)
    }

    /// Whether a device that does not belong to the account any more was given the newest epoch's key: two devices that
    /// did not know of each other revoked two others at the same time.
    pub(super) fn is_exposed(&self) -> bool {
        let newest = self.wrapped.last_key_value();
        newest.is_some_and(|(_, devices)| devices.iter().any(|device| !self.stands(device)))
    }

    /// Who let a device in, where it was let in by a code.
    pub fn let_in_by(&self, device: &DeviceId) -> Option<DeviceId> {
        self.let_in.get(device)?.first().map(|(by, _)| *by)
    }

    /// This device itself, just let in: it knows itself before it has read who the device is that let it in.
    pub(super) fn begin_as(&mut self, own: Certificate, added: Stamp) {
        self.admit(own, added);
    }

    /// Checks an entry against the account's key, or that of the device that lets another one in, and takes it in.
    pub fn accept(&mut self, account: &Hash, dataset: &Dataset, signed: &SignedEntry) -> Accepted {
        let hash = proof::entry_hash(&signed.entry);
        if self.entries.contains(&hash) || self.waiting.contains_key(&hash) {
            return Accepted::Known;
        }
        let (by, entry) = match (proof::verify_entry(account, signed), proof::verify_admission(signed)) {
            (Ok(entry), _) => (None, entry),
            (Err(_), Ok((by, entry))) => (Some(by), entry),
            (Err(_), Err(_)) => return Accepted::Refused,
        };
        if entry.dataset != *dataset {
            return Accepted::Refused;
        }
        if by.is_some_and(|by| !self.devices.contains_key(&by)) {
            if self.waiting.len() >= WAITING_MAX {
                return Accepted::Refused;
            }
            self.waiting.insert(hash, signed.clone());
            return Accepted::Waits;
        }
        self.take(hash, by, entry)
    }

    fn take(&mut self, hash: Hash, by: Option<DeviceId>, entry: Entry) -> Accepted {
        self.note(hash, &entry.prev);
        match &entry.change {
            Membership::Admit(certificate) => {
                let device = certificate.device;
                match by {
                    Some(by) => drop(self.let_in.entry(device).or_default().insert((by, hash))),
                    None => drop(self.by_account.insert(device)),
                }
                self.admit(certificate.clone(), entry.stamp);
                Accepted::Admitted([vec![device], self.release(&device)].concat())
            }
            Membership::Revoke { device, cut_seq, cut_op, .. } => {
                self.revocations.entry(*device).or_default().insert(hash);
                let at = self.revoked_at.entry(*device).or_insert(entry.stamp);
                *at = entry.stamp.min(*at);
                self.revoke(*device, Cut { seq: *cut_seq, op: *cut_op });
                self.note_wrapped(&entry.change);
                Accepted::Epoch(entry)
            }
            Membership::Rotate { .. } => {
                self.note_wrapped(&entry.change);
                Accepted::Epoch(entry)
            }
        }
    }

    fn note_wrapped(&mut self, change: &Membership) {
        if let Membership::Revoke { epoch, wraps, .. } | Membership::Rotate { epoch, wraps } = change {
            self.wrapped.entry(*epoch).or_default().extend(wraps.iter().map(|wrap| wrap.device));
        }
    }

    fn note(&mut self, hash: Hash, follows: &[Hash]) {
        for previous in follows {
            self.heads.remove(previous);
        }
        self.entries.insert(hash);
        // Nor is it a head when what follows it came first.
        if !self.follows.values().flatten().any(|previous| *previous == hash) {
            self.heads.insert(hash);
        }
        self.follows.insert(hash, follows.to_vec());
    }

    /// Takes in what waited for a device, and what waited for that in turn.
    fn release(&mut self, device: &DeviceId) -> Vec<DeviceId> {
        let (mut known, mut released) = (vec![*device], Vec::new());
        while let Some(known_now) = known.pop() {
            let waiting = std::mem::take(&mut self.waiting);
            for (hash, signed) in waiting {
                match proof::verify_admission(&signed) {
                    Ok((by, entry)) if by == known_now => {
                        if let Membership::Admit(certificate) = &entry.change {
                            known.push(certificate.device);
                            released.push(certificate.device);
                            self.let_in.entry(certificate.device).or_default().insert((by, hash));
                            self.admit(certificate.clone(), entry.stamp);
                        }
                        self.note(hash, &entry.prev);
                    }
                    _ => drop(self.waiting.insert(hash, signed)),
                }
            }
        }
        released
    }

    /// Of two certificates of one device, the account's own holds: a device that lets others in could name a key of its
    /// own for one that is there.
    fn admit(&mut self, certificate: Certificate, added: Stamp) {
        let (device, cut) = (certificate.device, self.cuts.get(&certificate.device).copied());
        let is_accounts = certificate.admitted_by.is_none();
        match self.devices.entry(device) {
            Slot::Occupied(mut known) if is_accounts && self.by_account.contains(&device) => {
                known.get_mut().certificate = certificate;
            }
            Slot::Occupied(known) => {
                if known.get().certificate.kem_public != certificate.kem_public {
                    self.contested.insert(device);
                }
            }
            Slot::Vacant(slot) => {
                let (relay_keys, has) = (BTreeMap::new(), BTreeMap::new());
                let last_seen = Stamp::default();
                slot.insert(Member { added, name: None, last_seen, cut, certificate, relay_keys, has });
            }
        }
    }

    /// Of two cuts the earlier one holds, so that the order of arrival does not matter.
    fn revoke(&mut self, device: DeviceId, cut: Cut) {
        let cut = self.cuts.get(&device).map_or(cut, |known| cut.min(*known));
        self.cuts.insert(device, cut);
        if let Some(member) = self.devices.get_mut(&device) {
            member.cut = Some(cut);
        }
    }

    pub(super) fn member_mut(&mut self, device: &DeviceId) -> Option<&mut Member> {
        self.devices.get_mut(device)
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
