//! What is sealed and signed: cells, ops, payloads, changes, the key log, device lists, positions.

use std::sync::OnceLock;

use caro_core::vault::{open::open_any, payload, seal::SEALED_BYTES_MAX};
use caro_link::{identity::Signer, proof};
use caro_schema::{
    body::{
        again::Again,
        attest::{Attest, MISSING_MAX},
        device::{Farewell, Moved, Name, RelayKeys, Rename},
        history::{Delete, Record},
        shared::{Count, Set},
        snapshot::{Origin, PARTS_MAX, Snapshot},
    },
    cell::{CELL_HEAD_BYTES, CellClass, CellView, is_bucket},
    codec,
    id::{DeviceId, Generation, Handle, Hash, RecordId, RelayKey},
    keylog::{Entry, SignedEntry},
    limits::{CHANGES_MAX, DEVICES_MAX, PARENTS_MAX, PAYLOAD_BYTES_MAX},
    op::{Header, Payload, RawChange, SignedOp},
    relay::{
        Position,
        list::{DeviceList, SignedList},
    },
};
use serde_bytes::ByteBuf;

use super::{
    Target,
    account::{Rogue, plain, record, record_change, shared},
    input::{raw_or_edited, seeds_around},
    member::changes_of,
    wire::stable,
};

pub(super) const TARGETS: &[Target] = &[
    Target {
        name: "cell_view",
        what: "the form of a cell, as a relay checks it: the parts are the whole, and the size is one of seven",
        run: cell_view,
        seeds: || seeds_around(cell()).into_iter().chain([vec![1; 1024]]).collect(),
    },
    Target {
        name: "cell_open",
        what: "a cell, opened with the account's keys: opens when it is genuine to the last bit, and never otherwise",
        run: cell_open,
        seeds: || seeds_around(cell()),
    },
    Target {
        name: "cell_seal",
        what: "any bytes, sealed and opened again: the same bytes, in the smallest cell that they fit",
        run: cell_seal,
        seeds: || vec![vec![], b"an op".to_vec(), vec![0; 938], vec![0; 939]],
    },
    Target {
        name: "op",
        what: "ops and their headers: what decodes has no other encoding, keeps the limits, and verifies only when it is genuine",
        run: op,
        seeds: || seeds_around(genuine_op()).into_iter().chain([genuine_header()]).collect(),
    },
    Target {
        name: "payload",
        what: "an op's payload, zstd bombs included: no more than a mebibyte and so many changes come out, and what is packed \
               again unpacks to the same",
        run: unpack,
        seeds: payload_seeds,
    },
    Target {
        name: "change",
        what: "what a change says: what decodes encodes and decodes to itself",
        run: change,
        seeds: change_seeds,
    },
    Target {
        name: "key_log",
        what: "entries of the key log: what decodes has no other encoding and keeps the limits; only the genuine one verifies",
        run: key_log,
        seeds: || seeds_around(&codec::encode(genuine_entry())),
    },
    Target {
        name: "device_list",
        what: "the list of who may connect: the same",
        run: device_list,
        seeds: || seeds_around(&codec::encode(&genuine_list())),
    },
    Target {
        name: "position",
        what: "a relay's signature over its log: holds for the genuine position and account alone",
        run: position,
        seeds: || seeds_around(&codec::encode(&genuine_position())),
    },
];

fn cell() -> &'static [u8] {
    static CELL: OnceLock<Vec<u8>> = OnceLock::new();
    CELL.get_or_init(|| fresh_rogue().op_cell(&first_op()))
}

fn fresh_rogue() -> Rogue {
    Rogue::new(&caro_core::vault::Phrase::from_entropy(&super::account::PHRASE), 1)
}

fn first_op() -> SignedOp {
    shared().chain(1).remove(0).0
}

fn genuine_op() -> &'static [u8] {
    static OP: OnceLock<Vec<u8>> = OnceLock::new();
    OP.get_or_init(|| first_op().encode())
}

fn genuine_header() -> Vec<u8> {
    super::input::raw(&first_op().header_bytes)
}

fn cell_view(data: &[u8]) {
    let bytes = raw_or_edited(data, cell());
    let Ok(view) = CellView::parse(&bytes) else { return };
    assert!(is_bucket(bytes.len()));
    let parts = [&bytes[..2], view.key_id.as_bytes(), view.nonce, view.commit, view.sealed].concat();
    assert!(parts == bytes, "the parts are not the whole");
}

fn cell_open(data: &[u8]) {
    let bytes = raw_or_edited(data, cell());
    let account = shared().vault();
    let opened = open_any(account.keys(), &account.dataset(), &bytes);
    assert_eq!(opened.is_ok(), bytes == cell());
    if let Ok((class, plain)) = opened {
        assert_eq!(class, CellClass::Op);
        assert!(plain.as_slice() == genuine_op());
    }
}

fn cell_seal(data: &[u8]) {
    let account = shared().vault();
    let (key, dataset) = (account.keys().current(), account.dataset());
    let sealed = caro_core::vault::seal::seal(key, &dataset, CellClass::Op, data, &[1; 32], &[2; 32]);
    assert_eq!(sealed.is_ok(), data.len() <= SEALED_BYTES_MAX);
    let Ok(sealed) = sealed else { return };
    assert!(is_bucket(sealed.len()));
    assert!(sealed.len() == 1024 || sealed.len() / 2 < data.len() + CELL_HEAD_BYTES + 20, "too large a cell");
    let (_, plain) = open_any(account.keys(), &dataset, &sealed).expect("what was sealed opens");
    assert!(plain.as_slice() == data);
}

fn op(data: &[u8]) {
    let bytes = raw_or_edited(data, genuine_op());
    if let Ok(header) = Header::decode(&bytes) {
        assert!(header.encode() == bytes, "a second encoding was taken");
        assert!(header.parents.len() <= PARENTS_MAX);
    }
    let Ok(op) = SignedOp::decode(&bytes) else { return };
    assert!(op.encode() == bytes, "a second encoding was taken");
    // The salt and the payload are bound by the header; so all of the bytes are, except that a body may be left out.
    if let Ok((header, id)) = proof::verify_op(&op) {
        assert!(op.header_bytes == first_op().header_bytes, "an op verifies that nobody signed");
        assert!(op.body.is_none() || bytes == genuine_op(), "another payload was taken");
        assert_eq!(header.author, shared().vault().device_id());
        assert_eq!(id, proof::op_id(&op.header_bytes));
    }
}

fn unpack(data: &[u8]) {
    let Ok(changes) = payload::unpack(data) else { return };
    assert!(changes.changes.len() <= CHANGES_MAX);
    let bytes: usize = changes.changes.iter().map(|change| change.1.len()).sum();
    assert!(bytes <= PAYLOAD_BYTES_MAX);
    let packed = payload::pack(&changes);
    assert_eq!(packed.len(), payload::packed_len(&changes));
    if packed.len() <= SEALED_BYTES_MAX {
        assert!(payload::unpack(&packed).as_ref() == Ok(&changes), "other changes came back");
    }
}

fn payload_seeds() -> Vec<Vec<u8>> {
    let changes: Vec<RawChange> = (0..60).map(record_change).collect();
    let bomb = |size: usize| [vec![1], zstd::bulk::compress(&vec![0; size], 19).expect("memory")].concat();
    vec![
        plain(&changes[..1]),
        payload::pack(&Payload { changes }),
        bomb(PAYLOAD_BYTES_MAX),
        bomb(64 * PAYLOAD_BYTES_MAX),
        // A frame that asks for a window of 128 MiB, and one that says it holds four gigabytes.
        [&[1, 0x28, 0xb5, 0x2f, 0xfd, 0x00, (27 - 10) << 3][..], &[0x01, 0x00, 0x00]].concat(),
        [&[1, 0x28, 0xb5, 0x2f, 0xfd, 0xa0][..], &[0xff; 4], &[0x01, 0x00, 0x00]].concat(),
        // More changes than an op may have, each of no bytes.
        plain(&vec![RawChange(1, ByteBuf::new()); CHANGES_MAX + 1]),
        vec![],
        vec![2, 0],
    ]
}

fn change(data: &[u8]) {
    stable::<Record>(data);
    stable::<Delete>(data);
    stable::<Name>(data);
    stable::<Set>(data);
    stable::<Count>(data);
    stable::<Attest>(data);
    stable::<RelayKeys>(data);
    stable::<Farewell>(data);
    stable::<Rename>(data);
    stable::<Moved>(data);
    stable::<Snapshot>(data);
    stable::<Origin>(data);
    stable::<Again>(data);
    if let Some(attest) = codec::decode::<Attest>(data).ok().filter(|attest| attest.check().is_ok()) {
        assert!(attest.missing_parts().count() <= MISSING_MAX && attest.vector.len() <= 4 * DEVICES_MAX);
    }
    if let Some(list) = codec::decode::<Snapshot>(data).ok().filter(|list| list.check().is_ok()) {
        assert!(list.part_ids().count() <= PARTS_MAX && list.from <= list.to);
    }
}

fn change_seeds() -> Vec<Vec<u8>> {
    let running = Record { duration_us: None, exit: None, ..record(2) };
    let each = changes_of(DeviceId([1; 32]), DeviceId([2; 32]), RelayKey([3; 32]), RecordId([4; 16]));
    each.into_iter().map(|(_, change)| change).chain([codec::encode(&running)]).collect()
}

fn genuine_entry() -> &'static SignedEntry {
    static ENTRY: OnceLock<SignedEntry> = OnceLock::new();
    ENTRY.get_or_init(|| shared().admission())
}

fn key_log(data: &[u8]) {
    let bytes = raw_or_edited(data, &codec::encode(genuine_entry()));
    stable::<SignedEntry>(&bytes);
    let Ok(signed) = codec::decode::<SignedEntry>(&bytes) else { return };
    if let Ok(entry) = Entry::decode(&signed.entry) {
        assert!(entry.encode() == *signed.entry, "a second encoding was taken");
        assert!(entry.prev.len() <= DEVICES_MAX);
    }
    if proof::verify_entry(&shared().vault().account(), &signed).is_ok() {
        assert!(&signed == genuine_entry(), "an entry verifies that the account did not sign");
    }
}

const LIST_ACCOUNT: [u8; 32] = [5; 32];

fn genuine_list() -> SignedList {
    let list = DeviceList { version: 7, prev: Hash([3; 32]), keys: vec![Hash([1; 32]), Hash([2; 32])] };
    proof::sign_list(&Signer::from_seed(&LIST_ACCOUNT), &list)
}

fn device_list(data: &[u8]) {
    let genuine = genuine_list();
    let bytes = raw_or_edited(data, &codec::encode(&genuine));
    stable::<SignedList>(&bytes);
    let Ok(signed) = codec::decode::<SignedList>(&bytes) else { return };
    if let Ok(list) = DeviceList::decode(&signed.list) {
        assert!(list.encode() == *signed.list, "a second encoding was taken");
        assert!(list.keys.len() <= DEVICES_MAX);
    }
    let account = Hash(Signer::from_seed(&LIST_ACCOUNT).public());
    assert_eq!(proof::verify_list(&account, &signed).is_ok(), signed == genuine);
}

const HANDLE: Handle = Handle([1; 16]);

fn genuine_position() -> Position {
    proof::sign_position(&Signer::from_seed(&[6; 32]), &HANDLE, Generation([2; 16]), 300, Hash([4; 32]))
}

fn position(data: &[u8]) {
    let genuine = genuine_position();
    let bytes = raw_or_edited(data, &codec::encode(&genuine));
    stable::<Position>(&bytes);
    let Ok(position) = codec::decode::<Position>(&bytes) else { return };
    let relay = Hash(Signer::from_seed(&[6; 32]).public());
    assert_eq!(proof::verify_position(&relay, &HANDLE, &position).is_ok(), position == genuine);
    assert!(proof::verify_position(&relay, &Handle([9; 16]), &position).is_err(), "holds for another account");
}
