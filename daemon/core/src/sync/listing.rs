//! The relay's list of devices, the newest that it has shown, and the one that is to be next. It was signed while the
//! phrase was at hand, follows exactly the one that was known then, and is offered until the relay has taken it. Where
//! somebody else was faster, it cannot be taken any more, and a person has to give the phrase once more.
//!
//! A relay that was restored from a backup shows an older list, on which there are devices that were taken off since.
//! It is offered the newest one that is known here; whoever of the account's devices comes first brings it. Where
//! somebody who did not know that one has signed another in its place, with the same number or a greater one, the
//! relay takes it no more: then the keys that are there again are remembered, until it is known whether one of them
//! is to be taken off.

use std::collections::BTreeSet;

use caro_link::proof;
use caro_schema::{
    id::{DeviceId, Hash},
    relay::list::{DeviceList, SignedList},
};
use serde::{Deserialize, Serialize};

use super::RemoteRecord;

/// What is owed to a relay's list.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextList {
    /// The next list; none when the phrase is needed to sign one.
    pub list: Option<SignedList>,
    /// Which devices it is to take off.
    pub out: Vec<DeviceId>,
    /// Everything up to this number of the queue goes before: who is taken off is to be shown why.
    pub after: u64,
}

impl RemoteRecord {
    /// The relay has shown its list. One that the account did not sign is none, and one that is older than another that it
    /// has shown is not what the account decided last.
    pub(super) fn shown_list(&mut self, shown: SignedList) {
        let Ok(list) = proof::verify_list(&self.account, &shown) else { return };
        let known = self.list.as_ref().and_then(version_and_prev).map_or(0, |(version, _)| version);
        self.shows_older_list = list.version < known;
        if self.shows_older_list {
            return;
        }
        if let Some(next) = &mut self.next_list
            && let Some(list) = &next.list
        {
            if list.list == shown.list {
                // Its answer was lost.
                self.next_list = None;
            } else if version_and_prev(list).is_none_or(|(_, prev)| prev != proof::list_hash_with_added(&shown)) {
                next.list = None;
            }
        }
        let there: BTreeSet<Hash> = keys(&shown).collect();
        if let Some(known) = &self.list {
            let before: BTreeSet<Hash> = keys(known).collect();
            self.new_on_list.extend(there.difference(&before));
        }
        self.new_on_list.retain(|key| there.contains(key));
        self.list = Some(shown);
    }

    /// The keys on the list that was shown last, and those that were added behind it.
    pub fn listed(&self) -> BTreeSet<Hash> {
        self.list.iter().flat_map(keys).collect()
    }

    /// How many devices the list has that was shown last.
    pub(super) fn listed_count(&self) -> usize {
        self.list.as_ref().map_or(0, |list| keys(list).count())
    }

    /// The relay has taken a list. False when none was offered.
    pub(super) fn list_taken(&mut self, version: u64) -> bool {
        let Some((_, list)) = self.offered_list() else { return false };
        let is_own = version_and_prev(&list).is_some_and(|(own, _)| own == version);
        if is_own {
            self.list = Some(list);
            self.shows_older_list = false;
            // One that only brings back what was lost settles nothing that is owed.
            self.next_list.take_if(|next| next.list.is_some());
        }
        is_own
    }

    /// The relay has another list than the one that was known. False when none was offered.
    pub(super) fn list_refused(&mut self) -> bool {
        self.next_list.as_mut().and_then(|next| next.list.take()).is_some()
    }

    /// What to offer, and after which number of the queue.
    pub(super) fn offered_list(&self) -> Option<(u64, SignedList)> {
        let next = self.next_list.as_ref().and_then(|next| Some((next.after, next.list.clone()?)));
        next.or_else(|| {
            let newest = self.list.as_ref().filter(|_| self.shows_older_list)?;
            Some((0, SignedList { added: Vec::new(), ..newest.clone() }))
        })
    }
}

fn version_and_prev(list: &SignedList) -> Option<(u64, Hash)> {
    let list = DeviceList::decode(&list.list).ok()?;
    Some((list.version, list.prev))
}

fn keys(list: &SignedList) -> impl Iterator<Item = Hash> {
    let signed = DeviceList::decode(&list.list).map_or_else(|_| Vec::new(), |decoded| decoded.keys);
    signed.into_iter().chain(list.added.iter().map(|addition| addition.key))
}
