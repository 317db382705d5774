//! Who may connect: the rules by which one device list follows another. Only the account's key signs a list; each is
//! one version after the last and names it by hash, so that a relay cannot be talked back to an older one, nor two
//! devices past each other. A listed device may add one behind the list ([`admits`]) and take none off; what it added
//! counts in the hash that the next list names, so that no list overlooks it. The checks against what is stored happen
//! inside the log's transaction ([`Stored::followed_by`]).
//!
//! A relay that was restored from a backup may have lost lists, and with them who was taken off. From then on it takes any
//! later list: devices keep the newest one that they were shown, and bring it. It cannot know which one is the newest, and
//! who was taken off may come first, with one on which it still is.

use caro_link::proof;
use caro_schema::{
    id::Hash,
    limits::DEVICES_MAX,
    relay::{
        ErrorCode,
        list::{Addition, DeviceList, SignedList},
    },
};

/// Checks that a list is the account's own and gives it.
///
/// # Errors
/// [`ErrorCode::BadProof`] when another key signed it or it is not canonical.
pub fn verify(account: &Hash, signed: &SignedList) -> Result<DeviceList, ErrorCode> {
    // What was added is for the relay to say, and for nobody to ask.
    if !signed.added.is_empty() {
        return Err(ErrorCode::BadProof);
    }
    proof::verify_list(account, signed).map_err(|_| ErrorCode::BadProof)
}

/// Whether a list may be an account's first.
pub fn is_first(list: &DeviceList) -> bool {
    list.version == 1 && list.prev == Hash([0; 32])
}

/// How a list stands to the one that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It takes the place of the stored one.
    Next {
        /// Who could connect before, as far as its signer knew: who is not on it any more was taken off.
        replaced: Vec<Hash>,
    },
    /// It is the one that is stored: a repeated request, its answer was lost.
    Same,
    /// Neither.
    OutOfStep,
}

/// The list that is stored.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// With what was added behind it.
    pub list: &'a SignedList,
    /// Its version.
    pub version: u64,
    /// Whether a new life of the database has begun since the account was made.
    pub restored: bool,
}

impl Stored<'_> {
    /// Compares a verified list with it; none when it cannot be read.
    pub fn followed_by(&self, next: &SignedList, next_list: &DeviceList) -> Option<Step> {
        if next.list == self.list.list {
            return Some(Step::Same);
        }
        let is_successor = self.version.checked_add(1) == Some(next_list.version);
        Some(if is_successor && next_list.prev == proof::list_hash_with_added(self.list) {
            Step::Next { replaced: devices(self.list)? }
        } else if self.restored && next_list.version > self.version {
            // Its signer may not have known who was added here, and has not taken them off.
            Step::Next { replaced: DeviceList::decode(&self.list.list).ok()?.keys }
        } else {
            Step::OutOfStep
        })
    }
}

/// Everybody who may connect; none when the stored list cannot be read.
pub fn devices(stored: &SignedList) -> Option<Vec<Hash>> {
    let list = DeviceList::decode(&stored.list).ok()?;
    Some(list.keys.into_iter().chain(stored.added.iter().map(|addition| addition.key)).collect())
}

/// What becomes of a wish to add a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may connect from now on.
    New,
    /// It may already: a repeated request, its answer was lost.
    Known,
    /// Not so: there is no room, the device was taken off before, or whoever asks is not listed (any more).
    Refused,
}

/// Decides about an addition to those who may connect. What the account's key took off, only that key brings back: a
/// thief's second device could undo a revocation otherwise.
pub fn admits(devices: &[Hash], addition: &Addition, was_removed: bool) -> Admission {
    if !devices.contains(&addition.by) || was_removed {
        Admission::Refused
    } else if devices.contains(&addition.key) {
        Admission::Known
    } else if devices.len() >= DEVICES_MAX {
        Admission::Refused
    } else {
        Admission::New
    }
}

/// What was added, as it is kept.
pub fn added_bytes(added: &[Addition]) -> Vec<u8> {
    added.iter().flat_map(|Addition { key, by }| [*key.as_bytes(), *by.as_bytes()].concat()).collect()
}

/// From what [`added_bytes`] gave.
pub fn added(bytes: &[u8]) -> Option<Vec<Addition>> {
    let (pairs, rest) = bytes.as_chunks::<64>();
    let hash = |bytes: &[u8]| Hash::from_slice(bytes);
    let added = pairs.iter().map(|pair| Some(Addition { key: hash(&pair[..32])?, by: hash(&pair[32..])? }));
    rest.is_empty().then(|| added.collect())?
}

/// Whether a device is on a list.
pub fn lists(list: &DeviceList, device: &Hash) -> bool {
    list.keys.binary_search(device).is_ok()
}

#[cfg(test)]
mod tests {
    use caro_link::identity::Signer;

    use super::*;

    fn signed(version: u64, prev: Hash, keys: Vec<Hash>) -> (SignedList, DeviceList) {
        let list = DeviceList { version, prev, keys };
        (proof::sign_list(&Signer::from_seed(&[1; 32]), &list), list)
    }

    #[test]
    fn one_step_at_a_time_and_in_the_right_direction() {
        let (first, first_list) = signed(1, Hash([0; 32]), vec![Hash([1; 32])]);
        let after = proof::list_hash(&first.list);
        assert!(is_first(&first_list));
        let cases = [
            (signed(2, after, vec![]), Step::Next { replaced: vec![Hash([1; 32])] }),
            (signed(1, Hash([0; 32]), vec![Hash([1; 32])]), Step::Same),
            (signed(1, Hash([0; 32]), vec![Hash([2; 32])]), Step::OutOfStep),
            (signed(3, after, vec![]), Step::OutOfStep),
            (signed(2, Hash([9; 32]), vec![]), Step::OutOfStep),
            (signed(u64::MAX, after, vec![]), Step::OutOfStep),
        ];
        for ((next, next_list), expected) in cases {
            let stored = Stored { list: &first, version: 1, restored: false };
            assert_eq!(stored.followed_by(&next, &next_list), Some(expected));
        }
    }

    #[test]
    fn trap_14_a_restored_relay_takes_any_later_list_and_takes_off_who_was_on_its_own() {
        let (mut old, old_list) = signed(4, Hash([3; 32]), vec![Hash([1; 32]), Hash([2; 32])]);
        old.added.push(Addition { key: Hash([7; 32]), by: Hash([2; 32]) });
        let next = Step::Next { replaced: old_list.keys };
        let cases = [
            (signed(5, Hash([9; 32]), vec![]), next.clone()),
            (signed(9, Hash([9; 32]), vec![]), next),
            (signed(4, Hash([9; 32]), vec![]), Step::OutOfStep),
            (signed(3, Hash([9; 32]), vec![]), Step::OutOfStep),
        ];
        for ((later, later_list), expected) in cases {
            let stored = Stored { list: &old, version: 4, restored: true };
            assert_eq!(stored.followed_by(&later, &later_list), Some(expected));
            let stored = Stored { restored: false, ..stored };
            assert_eq!(stored.followed_by(&later, &later_list), Some(Step::OutOfStep));
        }
    }

    #[test]
    fn a_listed_device_adds_one_and_nobody_brings_back_what_was_taken_off() {
        let hashes: Vec<Hash> = (0..DEVICES_MAX as u8).map(|number| Hash([number; 32])).collect();
        let addition = |key: u8, by: u8| Addition { key: Hash([key; 32]), by: Hash([by; 32]) };
        assert_eq!(admits(&hashes[..2], &addition(9, 0), false), Admission::New);
        assert_eq!(admits(&hashes[..2], &addition(1, 0), false), Admission::Known);
        assert_eq!(admits(&hashes[..2], &addition(9, 2), false), Admission::Refused);
        assert_eq!(admits(&hashes[..2], &addition(9, 0), true), Admission::Refused);
        assert_eq!(admits(&hashes, &addition(200, 0), false), Admission::Refused);
        let two = vec![addition(1, 2), addition(3, 4)];
        assert_eq!(added(&added_bytes(&two)), Some(two));
        assert_eq!((added(&[]), added(&[1; 63])), (Some(Vec::new()), None));
    }

    #[test]
    fn a_list_names_what_was_added_and_overlooks_none_of_it() {
        let (mut first, _) = signed(1, Hash([0; 32]), vec![Hash([1; 32])]);
        let (before, before_list) = signed(2, proof::list_hash_with_added(&first), vec![]);
        assert_eq!(proof::list_hash_with_added(&first), proof::list_hash(&first.list));
        first.added.push(Addition { key: Hash([2; 32]), by: Hash([1; 32]) });
        let stored = Stored { list: &first, version: 1, restored: false };
        assert_eq!(stored.followed_by(&before, &before_list), Some(Step::OutOfStep));
        let (after, after_list) = signed(2, proof::list_hash_with_added(&first), vec![]);
        let replaced = vec![Hash([1; 32]), Hash([2; 32])];
        assert_eq!(stored.followed_by(&after, &after_list), Some(Step::Next { replaced }));
        let public = Hash(Signer::from_seed(&[1; 32]).public());
        assert_eq!(verify(&public, &first).err(), Some(ErrorCode::BadProof));
    }

    #[test]
    fn a_list_of_another_key_is_refused() {
        let (list, _) = signed(1, Hash([0; 32]), vec![]);
        let stranger = Hash(Signer::from_seed(&[2; 32]).public());
        assert_eq!(verify(&stranger, &list), Err(ErrorCode::BadProof));
    }
}
