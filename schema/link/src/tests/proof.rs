//! Ids, commitments, chains, lists and entries: the same as another implementation computes (trap 26), in one encoding
//! only (trap 49), and for one purpose only.

use caro_schema::{
    id::{DeviceId, Generation, Handle, Hash, OpId, Signature},
    keylog::{Membership, SignedEntry},
    op::{Body, Header, SignedOp},
    relay::list::{DeviceList, SignedList},
    stamp::Stamp,
};
use serde_bytes::ByteBuf;
use serde_json::Value;

use super::vectors::{array, bytes, list, number, text, vectors};
use crate::{
    identity::Signer,
    proof::{
        self, ENTRY_DOMAIN, OP_DOMAIN, ProofError, sign_attach, sign_close, sign_entry, sign_list, sign_op,
        sign_position, verify_attach, verify_close, verify_entry, verify_list, verify_op, verify_position,
    },
};

fn proofs() -> Value {
    vectors!("proofs.json")
}

fn signer(value: &Value, field: &str) -> Signer {
    Signer::from_seed(&array(value, field))
}

fn hash(value: &Value, field: &str) -> Hash {
    Hash(array(value, field))
}

fn signed_op(case: &Value) -> SignedOp {
    SignedOp {
        header_bytes: bytes(case, "header"),
        signature: Signature(array(case, "signature")),
        body: Some(Body { salt: array(case, "salt"), payload: bytes(case, "payload") }),
    }
}

fn check_header(header: &Header, case: &Value) {
    assert_eq!(header.dataset.0, array(case, "dataset"));
    assert_eq!(header.author.0, array(case, "author"));
    assert_eq!(header.seq, number(case, "seq"));
    assert_eq!(header.prev.0, array(case, "prev"));
    assert_eq!(header.stamp, Stamp(number(case, "stamp")));
    assert_eq!(u64::from(header.kind), number(case, "kind"));
    assert_eq!(header.payload_commit.0, array(case, "payload_commit"));
    let parents: Vec<Value> = header
        .parents
        .iter()
        .map(|parent| serde_json::json!([parent.author.hex(), parent.seq, parent.op.hex()]))
        .collect();
    assert_eq!(Value::from(parents), case["parents"]);
}

#[test]
fn trap_26_ops_are_the_same() {
    for case in list(&proofs(), "ops") {
        let op = signed_op(case);
        let (header, id) = verify_op(&op).unwrap();
        check_header(&header, case);
        assert_eq!(header.encode(), op.header_bytes);
        assert_eq!(id.0, array(case, "op_id"));
        assert_eq!(sign_op(&signer(case, "author_seed"), &op.header_bytes), op.signature);
        assert_eq!(proof::payload_commit(&array(case, "salt"), &bytes(case, "payload")), header.payload_commit);
        assert_eq!(op.encode(), bytes(case, "op"));
        assert!(SignedOp::decode(&bytes(case, "op")) == Ok(op));
    }
}

#[test]
fn an_op_without_its_payload_still_holds_and_says_nothing_of_it() {
    for case in list(&proofs(), "ops") {
        let stub = SignedOp { body: None, ..signed_op(case) };
        assert_eq!(verify_op(&stub).unwrap().1.0, array(case, "op_id"));
        // Trap 21: who tries payloads against a header needs the salt, and that went with the payload.
        let commit = hash(case, "payload_commit");
        assert_ne!(proof::payload_commit(&[0; 32], &bytes(case, "payload")), commit);
        assert_ne!(blake3::hash(&bytes(case, "payload")).as_bytes(), commit.as_bytes());
    }
}

#[test]
fn every_altered_bit_of_an_op_is_noticed() {
    let case = &list(&proofs(), "ops")[1].clone();
    let op = signed_op(case);
    let flip = |bytes: &mut [u8], bit: usize| bytes[bit / 8] ^= 1 << (bit % 8);
    for bit in 0..op.header_bytes.len() * 8 {
        let mut altered = signed_op(case);
        flip(&mut altered.header_bytes, bit);
        // An altered header may be none at all; it is read first because it says whose signature it is.
        let expected =
            Header::decode(&altered.header_bytes).map_or(ProofError::Malformed, |_| ProofError::BadSignature);
        assert_eq!(verify_op(&altered).err(), Some(expected), "bit {bit} of the header");
    }
    for bit in 0..Signature::LEN * 8 {
        let mut altered = signed_op(case);
        flip(&mut altered.signature.0, bit);
        assert_eq!(verify_op(&altered).err(), Some(ProofError::BadSignature), "bit {bit} of the signature");
    }
    let Body { salt, payload } = op.body.unwrap();
    for bit in 0..(salt.len() + payload.len()) * 8 {
        let mut altered = signed_op(case);
        let mut both = [&salt[..], &payload].concat();
        flip(&mut both, bit);
        let (salt, payload) = both.split_first_chunk().unwrap();
        altered.body = Some(Body { salt: *salt, payload: payload.to_vec() });
        assert_eq!(verify_op(&altered).err(), Some(ProofError::BadPayload), "bit {bit} of salt and payload");
    }
}

#[test]
fn trap_49_a_header_in_another_encoding_is_refused_though_it_is_signed() {
    let refused = &proofs()["refused_headers"];
    let op_of = |case: &Value| SignedOp {
        header_bytes: bytes(case, "header"),
        signature: Signature(array(case, "signature")),
        body: None,
    };
    assert!(verify_op(&op_of(&refused["accepted"])).is_ok());
    for case in list(refused, "cases") {
        assert_eq!(verify_op(&op_of(case)).err(), Some(ProofError::Malformed), "{}", text(case, "title"));
    }
}

#[test]
fn trap_49_no_bytes_that_are_not_canonical_are_accepted_as_a_list_or_an_entry() {
    let (lists, entries) = (&proofs()["lists"], &proofs()["entries"]);
    let account = signer(lists, "account_seed");
    let public = Hash(account.public());
    for case in list(lists, "cases").iter().take(2) {
        each_flip(&bytes(case, "list"), |altered| {
            let signature = account.sign(caro_schema::relay::list::LIST_DOMAIN, altered);
            let signed = SignedList { list: ByteBuf::from(altered), signature, added: Vec::new() };
            verify_list(&public, &signed).is_ok_and(|list| list.encode() != altered)
        });
    }
    let account = signer(entries, "account_seed");
    let rotated = list(entries, "cases").iter().find(|case| text(case, "title") == "rotated").unwrap();
    // The heads of its parts, where the encoding is; not the thousands of bytes that are only carried.
    let bytes = bytes(rotated, "entry");
    each_flip(&bytes[..200], |altered| {
        let altered = [altered, &bytes[200..]].concat();
        let signed =
            SignedEntry { signature: account.sign(ENTRY_DOMAIN, &altered), entry: ByteBuf::from(altered.clone()) };
        verify_entry(&public, &signed).is_ok_and(|entry| entry.encode() != altered)
    });
}

/// Fails if any single altered bit passes for another encoding of what it decodes to.
fn each_flip(bytes: &[u8], is_second_encoding: impl Fn(&[u8]) -> bool) {
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.to_vec();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(!is_second_encoding(&altered), "bit {bit}");
    }
}

#[test]
fn trap_26_a_relays_chain_and_its_positions_are_the_same() {
    let chain = &proofs()["chain"];
    let relay = signer(chain, "relay_seed");
    assert_eq!(relay.public(), array(chain, "signer"));
    let handle = proof::handle_of(&hash(chain, "account"));
    assert_eq!(handle.0, array(chain, "handle"));
    let generation = Generation(array(chain, "generation"));
    let mut head = Hash([0; 32]);
    for entry in list(chain, "entries") {
        let cell = proof::cell_id(&bytes(entry, "cell"));
        assert_eq!(cell.0, array(entry, "cell_id"));
        let cursor = number(entry, "cursor");
        head = proof::chain_head(&head, cursor, &cell);
        assert_eq!(head, hash(entry, "head"));
        let position = sign_position(&relay, &handle, generation, cursor, head);
        assert_eq!(position.signature.0, array(entry, "signature"));
        assert_eq!(verify_position(&Hash(relay.public()), &handle, &position), Ok(()));
    }
}

#[test]
fn a_position_holds_for_one_relay_account_life_place_and_head_only() {
    let relay = Signer::from_seed(&[1; 32]);
    let public = Hash(relay.public());
    let handle = Handle([2; 16]);
    let position = sign_position(&relay, &handle, Generation([3; 16]), 4, Hash([5; 32]));
    let refused = |relay: &Hash, handle: &Handle, position| {
        assert_eq!(verify_position(relay, handle, position), Err(ProofError::BadSignature));
    };
    assert_eq!(verify_position(&public, &handle, &position), Ok(()));
    refused(&Hash(Signer::from_seed(&[9; 32]).public()), &handle, &position);
    refused(&public, &Handle([9; 16]), &position);
    let mut other = position.clone();
    other.generation = Generation([9; 16]);
    refused(&public, &handle, &other);
    let mut other = position.clone();
    other.cursor = 9;
    refused(&public, &handle, &other);
    let mut other = position.clone();
    other.head = Hash([9; 32]);
    refused(&public, &handle, &other);
}

#[test]
fn trap_26_device_lists_are_the_same() {
    let lists = &proofs()["lists"];
    let account = signer(lists, "account_seed");
    assert_eq!(account.public(), array(lists, "account"));
    for case in list(lists, "cases") {
        let statics = list(case, "device_statics").iter().map(|key| hex::decode(key.as_str().unwrap()).unwrap());
        let mut keys: Vec<Hash> = statics.map(|key| proof::device_key_hash(&key.try_into().unwrap())).collect();
        keys.sort();
        let devices = DeviceList { version: number(case, "version"), prev: hash(case, "prev"), keys };
        let signed = sign_list(&account, &devices);
        assert_eq!(signed.list.as_ref(), bytes(case, "list"));
        assert_eq!(signed.signature.0, array(case, "signature"));
        assert_eq!(proof::list_hash(&signed.list), hash(case, "list_hash"));
        assert_eq!(verify_list(&hash(lists, "account"), &signed), Ok(devices));
    }
}

#[test]
fn a_list_of_another_account_or_out_of_order_is_refused() {
    let account = Signer::from_seed(&[1; 32]);
    let public = Hash(account.public());
    let ordered = DeviceList { version: 1, prev: Hash([0; 32]), keys: vec![Hash([1; 32]), Hash([2; 32])] };
    assert_eq!(verify_list(&public, &sign_list(&account, &ordered)), Ok(ordered.clone()));
    let stranger = Signer::from_seed(&[2; 32]);
    assert_eq!(verify_list(&public, &sign_list(&stranger, &ordered)), Err(ProofError::BadSignature));
    let same_twice = vec![Hash([1; 32]); 2];
    let downwards = vec![Hash([2; 32]), Hash([1; 32])];
    let too_many = (0..=64).map(|at| Hash([at; 32])).collect();
    for keys in [same_twice, downwards, too_many] {
        let list = sign_list(&account, &DeviceList { keys, ..ordered.clone() });
        assert_eq!(verify_list(&public, &list), Err(ProofError::Malformed));
    }
    let unborn = sign_list(&account, &DeviceList { version: 0, ..ordered });
    assert_eq!(verify_list(&public, &unborn), Err(ProofError::Malformed));
}

#[test]
fn trap_26_proofs_within_a_session_are_the_same_and_count_for_nothing_else() {
    let case = &proofs()["session"];
    let account = signer(case, "account_seed");
    let (public, handshake) = (hash(case, "account"), hash(case, "handshake"));
    let (attach, close) = (sign_attach(&account, &handshake), sign_close(&account, &handshake));
    assert_eq!(attach.0, array(case, "attach"));
    assert_eq!(close.0, array(case, "close"));
    assert_eq!(verify_attach(&public, &handshake, &attach), Ok(()));
    assert_eq!(verify_close(&public, &handshake, &close), Ok(()));
    // Another session, another account, another purpose.
    assert_eq!(verify_attach(&public, &Hash([1; 32]), &attach), Err(ProofError::BadSignature));
    assert_eq!(verify_attach(&Hash([1; 32]), &handshake, &attach), Err(ProofError::BadSignature));
    assert_eq!(verify_attach(&public, &handshake, &close), Err(ProofError::BadSignature));
    assert_eq!(verify_close(&public, &Hash([1; 32]), &close), Err(ProofError::BadSignature));
    assert_eq!(verify_close(&public, &handshake, &attach), Err(ProofError::BadSignature));
}

#[test]
fn trap_26_entries_of_the_key_log_are_the_same() {
    let entries = &proofs()["entries"];
    let account = signer(entries, "account_seed");
    let (device, admitter) = (DeviceId(array(entries, "device")), DeviceId(array(entries, "admitter")));
    for case in list(entries, "cases") {
        let signed =
            SignedEntry { entry: ByteBuf::from(bytes(case, "entry")), signature: Signature(array(case, "signature")) };
        let entry = verify_entry(&hash(entries, "account"), &signed).unwrap();
        assert_eq!(entry.dataset.0, array(entries, "dataset"));
        assert_eq!(entry.stamp, Stamp::from_ms(1_700_000_000_000));
        assert_eq!(proof::entry_hash(&signed.entry), hash(case, "entry_hash"));
        assert!(sign_entry(&account, &entry) == signed);
        check_change(text(case, "title"), &entry.change, device, admitter);
        assert_eq!(verify_entry(&Hash([1; 32]), &signed).err(), Some(ProofError::BadSignature));
    }
}

fn check_change(title: &str, change: &Membership, expected: DeviceId, admitter: DeviceId) {
    match (title, change) {
        ("admitted by the phrase", Membership::Admit(certificate)) => {
            assert_eq!((certificate.device, certificate.admitted_by), (expected, None));
        }
        ("admitted by a device", Membership::Admit(certificate)) => {
            assert_eq!((certificate.device, certificate.admitted_by), (expected, Some(admitter)));
        }
        ("revoked", Membership::Revoke { device, cut_seq: 9, epoch: 2, wraps, .. }) => {
            assert_eq!((*device, wraps.len()), (expected, 2));
        }
        ("rotated", Membership::Rotate { epoch: 3, wraps }) => assert_eq!(wraps.len(), 2),
        (title, _) => panic!("{title} is something else"),
    }
}

#[test]
fn no_domain_is_the_beginning_of_another_one() {
    use caro_schema::relay::{ATTACH_DOMAIN, CLOSE_DOMAIN, POSITION_DOMAIN, list::LIST_DOMAIN};
    let domains = [OP_DOMAIN, ENTRY_DOMAIN, ATTACH_DOMAIN, CLOSE_DOMAIN, POSITION_DOMAIN, LIST_DOMAIN];
    for (at, one) in domains.iter().enumerate() {
        for (other_at, other) in domains.iter().enumerate() {
            assert_eq!(other.starts_with(one), at == other_at);
        }
    }
}

#[test]
fn an_op_is_named_by_its_header_alone() {
    let (one, two) = (proof::op_id(b"header"), proof::op_id(b"heades"));
    assert_ne!(one, two);
    assert_ne!(one, OpId(*blake3::hash(b"header").as_bytes()), "the domain is part of it");
}
