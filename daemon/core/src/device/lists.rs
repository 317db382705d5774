//! Which of the keys on a relay's list belong to devices that are to stay there. A relay knows devices by a key that
//! only the devices themselves can tell whose it is; each says so in its ops. What a device says may be a lie, so those
//! who stay are believed before those who go: a thief that claims another device's key takes nobody off with it.

use std::collections::BTreeSet;

use caro_link::proof;
use caro_schema::{
    id::{DeviceId, Hash, RelayKey},
    relay::list::{DeviceList, SignedList},
};

use super::Members;
use crate::vault::{RootKey, relay_account_key::RelayAccountKey};

/// The keys that stay on a relay's list once `out` are off the account, ascending. `own` is this device's key there.
///
/// A key that nobody claims belongs to a device of an earlier version, or to one that has just come in and whose first
/// words are on their way, or to a thief. As long as it can be one that is to go, none of them stays: a device that was
/// taken off in error comes in again with the phrase, and a thief does not.
pub(super) fn staying(
    members: &Members,
    relay: &RelayKey,
    listed: &SignedList,
    own: Hash,
    out: &BTreeSet<DeviceId>,
) -> Option<Vec<Hash>> {
    let list = DeviceList::decode(&listed.list).ok()?;
    let stands = |device: &DeviceId| members.stands(device) && !out.contains(device);
    let claim = |device: &DeviceId| members.device(device)?.relay_keys.get(relay).copied();
    let (mut staying, mut going, mut silent) = (BTreeSet::from([own]), BTreeSet::new(), 0_usize);
    for (device, _) in members.iter() {
        match (stands(device), claim(device)) {
            (true, Some(key)) => drop(staying.insert(key)),
            (true, None) => silent += 1,
            (false, key) => going.extend(key),
        }
    }
    let added = listed.added.iter();
    let by_those_who_go: BTreeSet<Hash> =
        added.clone().filter(|addition| going.contains(&addition.by)).map(|addition| addition.key).collect();
    let known: BTreeSet<Hash> = list.keys.iter().copied().chain(added.map(|addition| addition.key)).collect();
    let is_unclaimed = |key: &Hash| !staying.contains(key) && !going.contains(key) && !by_those_who_go.contains(key);
    let unclaimed = known.iter().filter(|key| is_unclaimed(key)).count();
    let is_told = |device: &DeviceId| claim(device).is_some_and(|key| known.contains(&key) && !staying.contains(&key));
    let keeps_unclaimed = out.is_empty() || (out.iter().all(is_told) && unclaimed <= silent);
    let stays = |key: &Hash| staying.contains(key) || (keeps_unclaimed && is_unclaimed(key));
    Some(known.into_iter().chain([own]).collect::<BTreeSet<_>>().into_iter().filter(stays).collect())
}

/// The list after this one, with these keys; none when it would say the same.
pub(super) fn after(listed: &SignedList, keys: Vec<Hash>, key: &RelayAccountKey) -> Option<SignedList> {
    let list = DeviceList::decode(&listed.list).ok()?;
    if list.keys == keys && listed.added.is_empty() {
        return None;
    }
    let next = DeviceList { version: list.version.checked_add(1)?, prev: proof::list_hash_with_added(listed), keys };
    Some(proof::sign_list(key, &next))
}

/// A relay's list, looked at with the account's key: fresh, and without disturbing the device's session there.
pub struct Glance {
    account: RelayAccountKey,
}

impl Glance {
    /// At the account of this root, at one relay.
    pub fn new(root: &RootKey, relay: &RelayKey) -> Self {
        Self { account: root.relay_account(relay) }
    }

    /// The first message of a session.
    pub fn connected(&self, handshake: &Hash) -> caro_schema::relay::ToRelay {
        let account = Hash(self.account.public());
        caro_schema::relay::ToRelay::Attach { account, proof: proof::sign_attach(&self.account, handshake) }
    }

    /// The list in a welcome, if the account signed it.
    pub fn list(&self, list: SignedList) -> Option<SignedList> {
        proof::verify_list(&Hash(self.account.public()), &list).is_ok().then_some(list)
    }
}

#[cfg(test)]
mod tests {
    use caro_link::identity::Signer;
    use caro_schema::{
        body::device::{RelayKeyOf, RelayKeys},
        id::Dataset,
        keylog::{Entry, Membership},
        relay::list::Addition,
        stamp::Stamp,
    };

    use super::*;
    use crate::vault::DeviceKeys;

    const RELAY: RelayKey = RelayKey([42; 32]);
    const DATASET: Dataset = Dataset([5; 32]);

    fn device(seed: u8) -> DeviceId {
        DeviceKeys::generate(&[seed; 96]).device_id()
    }

    fn key(seed: u8) -> Hash {
        Hash([seed; 32])
    }

    /// Members 1 to 3; those in `telling` have said their keys.
    fn members(telling: &[u8]) -> Members {
        let account = Signer::from_seed(&[1; 32]);
        let mut members = Members::default();
        for seed in 1..=3 {
            let change = Membership::Admit(DeviceKeys::generate(&[seed; 96]).certificate(None));
            let entry = Entry { dataset: DATASET, prev: Vec::new(), stamp: Stamp::from_ms(1), change };
            members.accept(&Hash(account.public()), &DATASET, &proof::sign_entry(&account, &entry));
        }
        for seed in telling {
            say(&mut members, *seed, *seed);
        }
        members
    }

    fn say(members: &mut Members, seed: u8, claims: u8) {
        let keys = vec![RelayKeyOf { relay: RELAY, key: key(claims) }];
        members.note_relay_keys(&device(seed), &RelayKeys { keys });
    }

    fn listed(keys: &[u8], added: &[(u8, u8)]) -> SignedList {
        let list = DeviceList { version: 4, prev: key(0), keys: keys.iter().map(|seed| key(*seed)).collect() };
        let mut signed = proof::sign_list(&Signer::from_seed(&[2; 32]), &list);
        signed.added = added.iter().map(|(new, by)| Addition { key: key(*new), by: key(*by) }).collect();
        signed
    }

    fn stay(members: &Members, listed: &SignedList, out: &[u8]) -> Vec<u8> {
        let out = out.iter().map(|seed| device(*seed)).collect();
        let keys = staying(members, &RELAY, listed, key(1), &out).expect("a list");
        keys.iter().map(|key| key.0[0]).collect()
    }

    #[test]
    fn who_goes_is_off_and_who_stays_is_on_the_next_list() {
        assert_eq!(stay(&members(&[1, 2, 3]), &listed(&[1, 2, 3], &[]), &[2]), [1, 3]);
        assert_eq!(stay(&members(&[1, 2, 3]), &listed(&[1, 2], &[(3, 1)]), &[2]), [1, 3]);
        assert_eq!(stay(&members(&[1, 2, 3]), &listed(&[1, 2, 3], &[]), &[2, 3]), [1]);
    }

    #[test]
    fn a_thiefs_claims_and_additions_save_it_from_nothing_and_take_nobody_off() {
        let mut lying = members(&[1, 3]);
        // It claims the key of one that stays.
        say(&mut lying, 2, 3);
        assert_eq!(stay(&lying, &listed(&[1, 2, 3], &[]), &[2]), [1, 3]);
        // It says nothing, and has added a key of its own.
        assert_eq!(stay(&members(&[1, 3]), &listed(&[1, 2, 3], &[(9, 2)]), &[2]), [1, 3]);
        // A key that nobody in the account claims, put there by the relay.
        assert_eq!(stay(&members(&[1, 2, 3]), &listed(&[1, 2, 3], &[(9, 7)]), &[2]), [1, 3]);
    }

    #[test]
    fn a_device_of_an_earlier_version_stays_as_long_as_it_cannot_be_the_one_that_goes() {
        assert_eq!(stay(&members(&[1, 2]), &listed(&[1, 2, 3], &[]), &[2]), [1, 3]);
        assert_eq!(stay(&members(&[1, 3]), &listed(&[1, 2, 3], &[]), &[2]), [1, 3]);
        assert_eq!(stay(&members(&[1]), &listed(&[1, 2, 3], &[]), &[2]), [1], "which of the two is it?");
        assert_eq!(stay(&members(&[1, 2]), &listed(&[1, 2, 3, 9], &[]), &[2]), [1], "one key more than devices");
        assert_eq!(stay(&members(&[1]), &listed(&[1, 2, 3], &[]), &[]), [1, 2, 3], "nobody is to go");
    }

    #[test]
    fn a_list_that_would_say_the_same_is_not_said() {
        let root = RootKey::derive(&crate::vault::Phrase::from_entropy(&[7; 32])).expect("memory");
        let (account, signed) = (root.relay_account(&RELAY), listed(&[1, 2], &[]));
        assert!(after(&signed, vec![key(1), key(2)], &account).is_none());
        let next = after(&signed, vec![key(1)], &account).expect("another");
        let list = proof::verify_list(&Hash(account.public()), &next).expect("its own");
        assert_eq!((list.version, list.prev), (5, proof::list_hash(&signed.list)));
        assert!(after(&listed(&[1], &[(2, 1)]), vec![key(1)], &account).is_some(), "what was added goes");
    }
}
