//! Who counts as a member when devices let devices in: in any order of arrival, and after a revocation.

use caro_link::{identity::Signer, proof};
use caro_schema::{
    id::{Dataset, DeviceId, Hash, OpId},
    keylog::{Certificate, Entry, Membership, SignedEntry},
    stamp::Stamp,
};

use crate::{
    device::{Members, members::Accepted},
    vault::DeviceKeys,
};

const DATASET: Dataset = Dataset([5; 32]);

fn account() -> Signer {
    Signer::from_seed(&[1; 32])
}

fn device(seed: u8) -> DeviceKeys {
    DeviceKeys::generate(&[seed; 96])
}

fn entry(prev: &[Hash], change: Membership) -> Entry {
    let mut prev = prev.to_vec();
    prev.sort();
    Entry { dataset: DATASET, prev, stamp: Stamp::from_ms(1_000), change }
}

fn by_account(prev: &[Hash], new: &DeviceKeys) -> SignedEntry {
    proof::sign_entry(&account(), &entry(prev, Membership::Admit(new.certificate(None))))
}

fn by_device(prev: &[Hash], by: &DeviceKeys, new: &DeviceKeys) -> SignedEntry {
    let certificate = new.certificate(Some(by.device_id()));
    proof::sign_admission(by.signer(), &entry(prev, Membership::Admit(certificate)))
}

fn revoked(prev: &[Hash], device: &DeviceKeys) -> SignedEntry {
    let change = Membership::Revoke {
        device: device.device_id(),
        cut_seq: 9,
        cut_op: OpId([0; 32]),
        epoch: 1,
        wraps: Vec::new(),
    };
    proof::sign_entry(&account(), &entry(prev, change))
}

fn hash(signed: &SignedEntry) -> Hash {
    proof::entry_hash(&signed.entry)
}

fn members(entries: &[&SignedEntry]) -> Members {
    let mut members = Members::default();
    for entry in entries {
        members.accept(&Hash(account().public()), &DATASET, entry);
    }
    members
}

/// Every order of these entries.
fn orders<'a>(entries: &[&'a SignedEntry]) -> Vec<Vec<&'a SignedEntry>> {
    if entries.is_empty() {
        return vec![Vec::new()];
    }
    let with = |at: usize| {
        let mut rest = entries.to_vec();
        let first = rest.remove(at);
        orders(&rest).into_iter().map(move |order| [vec![first], order].concat())
    };
    (0..entries.len()).flat_map(with).collect()
}

fn admits(members: &Members, device: &DeviceKeys) -> Option<bool> {
    members.admits(&device.device_id(), 1)
}

#[test]
fn si004_who_was_let_in_by_a_member_is_one_in_any_order_of_arrival() {
    let (a, b, c) = (device(1), device(2), device(3));
    let first = by_account(&[], &a);
    let second = by_device(&[hash(&first)], &a, &b);
    let third = by_device(&[hash(&second)], &b, &c);
    for order in orders(&[&first, &second, &third]) {
        let members = members(&order);
        for device in [&a, &b, &c] {
            assert_eq!(admits(&members, device), Some(true));
        }
        assert_eq!(members.heads(), [hash(&third)]);
        assert_eq!(members.let_in_by(&c.device_id()), Some(b.device_id()));
    }
}

#[test]
fn nobody_is_let_in_by_a_stranger_or_by_somebody_elses_signature() {
    let (a, b, thief) = (device(1), device(2), device(9));
    let first = by_account(&[], &a);
    let strangers = by_device(&[], &thief, &b);
    assert_eq!(admits(&members(&[&first, &strangers]), &b), None);
    // A stranger's own signature under the member's name.
    let forged = SignedEntry { signature: strangers.signature, ..by_device(&[], &a, &b) };
    let mut known = members(&[&first]);
    assert_eq!(known.accept(&Hash(account().public()), &DATASET, &forged), Accepted::Refused);
    // A member may let in and do nothing else.
    let change = Membership::Rotate { epoch: 7, wraps: Vec::new() };
    let rotates = proof::sign_admission(a.signer(), &entry(&[], change));
    assert_eq!(known.accept(&Hash(account().public()), &DATASET, &rotates), Accepted::Refused);
    let of_account = SignedEntry { entry: by_account(&[], &b).entry, ..by_device(&[], &a, &b) };
    assert_eq!(known.accept(&Hash(account().public()), &DATASET, &of_account), Accepted::Refused);
    let itself = by_device(&[], &b, &b);
    assert_eq!(known.accept(&Hash(account().public()), &DATASET, &itself), Accepted::Refused);
}

#[test]
fn whom_a_revoked_device_lets_in_unseen_goes_with_it_and_whom_it_had_let_in_stays() {
    let (a, thief, friend, accomplice, third) = (device(1), device(2), device(3), device(4), device(5));
    let first = by_account(&[], &a);
    let second = by_account(&[hash(&first)], &thief);
    let before = by_device(&[hash(&second)], &thief, &friend);
    let revocation = revoked(&[hash(&before)], &thief);
    // Said to be as old as can be, and still not followed by the revocation.
    let after = by_device(&[], &thief, &accomplice);
    let further = by_device(&[hash(&after)], &accomplice, &third);
    for order in orders(&[&first, &second, &before, &revocation, &after]) {
        let members = members(&[order, vec![&further]].concat());
        assert_eq!(admits(&members, &friend), Some(true));
        assert_eq!(admits(&members, &accomplice), Some(false));
        assert_eq!(admits(&members, &third), Some(false), "nor whom it lets in in turn");
        assert_eq!(members.admits(&thief.device_id(), 9), Some(true));
        assert_eq!(members.admits(&thief.device_id(), 10), Some(false));
    }
}

#[test]
fn devices_that_let_each_other_in_are_not_members_for_that() {
    let (a, thief, one, two) = (device(1), device(2), device(3), device(4));
    let entries = [by_account(&[], &a), by_account(&[], &thief)];
    let revocation = revoked(&[hash(&entries[1])], &thief);
    let circle = [by_device(&[], &thief, &one), by_device(&[], &one, &two), by_device(&[], &two, &one)];
    let all: Vec<&SignedEntry> = entries.iter().chain(&circle).chain([&revocation]).collect();
    let members = members(&all);
    assert_eq!((admits(&members, &one), admits(&members, &two)), (Some(false), Some(false)));
}

#[test]
fn the_accounts_own_certificate_goes_before_what_another_device_says() {
    let (a, b) = (device(1), device(2));
    let first = by_account(&[], &a);
    let false_key = Certificate { kem_public: device(7).kem_public().into(), ..b.certificate(Some(a.device_id())) };
    let says = proof::sign_admission(a.signer(), &entry(&[], Membership::Admit(false_key)));
    let own = by_account(&[hash(&first)], &b);
    for order in orders(&[&first, &says, &own]) {
        let members = members(&order);
        let known = members.device(&b.device_id()).expect("a member");
        assert!(known.certificate.kem_public == b.kem_public());
    }
}

#[test]
fn admissions_that_wait_for_a_stranger_are_no_more_than_devices() {
    let mut known = members(&[]);
    let stranger = device(9);
    let outcomes: Vec<Accepted> = (0..70_u8)
        .map(|seed| {
            let certificate = Certificate {
                device: DeviceId([seed; 32]),
                kem_public: vec![0; 1216].into(),
                admitted_by: Some(stranger.device_id()),
            };
            let signed = proof::sign_admission(stranger.signer(), &entry(&[], Membership::Admit(certificate)));
            known.accept(&Hash(account().public()), &DATASET, &signed)
        })
        .collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Accepted::Waits).count(), 64);
    assert_eq!(outcomes.last(), Some(&Accepted::Refused));
}

/// What an earlier version kept of a device.
#[derive(serde::Serialize)]
struct EarlierMember {
    certificate: Certificate,
    added: Stamp,
    name: Option<(Stamp, caro_schema::body::device::Name)>,
    last_seen: Stamp,
    cut: Option<()>,
}

/// What an earlier version kept of all of them.
#[derive(serde::Serialize)]
struct EarlierMembers {
    devices: std::collections::BTreeMap<DeviceId, EarlierMember>,
    entries: std::collections::BTreeSet<Hash>,
    heads: std::collections::BTreeSet<Hash>,
    cuts: std::collections::BTreeMap<DeviceId, ()>,
}

#[test]
fn trap_53_what_an_earlier_version_kept_of_devices_is_read() {
    let first = by_account(&[], &device(1));
    let certificate = device(1).certificate(None);
    let (added, last_seen) = (Stamp::from_ms(5), Stamp::from_ms(6));
    let member = EarlierMember { certificate, added, name: None, last_seen, cut: None };
    let earlier = EarlierMembers {
        devices: [(device(1).device_id(), member)].into(),
        entries: [hash(&first)].into(),
        heads: [hash(&first)].into(),
        cuts: Default::default(),
    };
    let members: Members = caro_schema::codec::decode(&caro_schema::codec::encode(&earlier)).unwrap();
    assert_eq!(admits(&members, &device(1)), Some(true));
    assert!(members.stands(&device(1).device_id()));
    assert_eq!(members.heads(), [hash(&first)]);
    let member = members.device(&device(1).device_id()).unwrap();
    assert!(member.relay_keys.is_empty() && member.has.is_empty() && member.added == added);
}
