//! Frames and messages: what stands between two programs before anything is believed.

use std::io::Cursor;

use caro_link::{identity::Signer, proof};
use caro_schema::{
    codec::{self, DecodeError},
    frame,
    id::{CellId, Generation, Handle, Hash, RecordId, Signature},
    ipc::{
        Answer, Call, Fault, Hello, Reply, Request,
        history::{Hit, Hits, Import, Query, Window},
    },
    limits::{IPC_MESSAGE_BYTES_MAX, RELAY_MESSAGE_BYTES_MAX},
    relay::{
        Accepted, Entry, ErrorCode, Page, ToDevice, ToRelay,
        list::{DeviceList, SignedList},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

use super::{Target, account, input::Input};

pub(super) const TARGETS: &[Target] = &[
    Target {
        name: "frame",
        what: "length-prefixed frames of the local socket: what is read writes back to the same bytes; a length above the \
               limit is refused before it is believed",
        run: frame,
        seeds: frame_seeds,
    },
    Target {
        name: "to_relay",
        what: "messages of a device, as a relay reads them: what decodes encodes and decodes to itself",
        run: |data| stable::<ToRelay>(data),
        seeds: to_relay_seeds,
    },
    Target {
        name: "to_device",
        what: "messages of a relay, as a device reads them: the same",
        run: |data| stable::<ToDevice>(data),
        seeds: to_device_seeds,
    },
    Target {
        name: "ipc_call",
        what: "the first frame and the requests of a local client: the same",
        run: |data| {
            stable::<Hello>(data);
            stable::<Call>(data);
        },
        seeds: call_seeds,
    },
    Target {
        name: "ipc_answer",
        what: "the answers of a daemon, as `caro` reads them: the same",
        run: |data| stable::<Answer>(data),
        seeds: answer_seeds,
    },
];

/// What decodes, encodes to bytes that decode to the same; with one byte more it is refused.
pub(super) fn stable<T: Serialize + DeserializeOwned>(data: &[u8]) {
    let Ok(value) = codec::decode::<T>(data) else { return };
    let once = codec::encode(&value);
    let again: T = codec::decode(&once).expect("what was encoded decodes");
    assert!(codec::encode(&again) == once, "another value came back");
    let longer = codec::decode::<T>(&[&once[..], &[0]].concat());
    assert!(matches!(longer, Err(DecodeError::Trailing)), "a byte after the end was passed over");
}

fn frame(data: &[u8]) {
    let mut input = Input::new(data);
    let limit = [16, 4096, RELAY_MESSAGE_BYTES_MAX, IPC_MESSAGE_BYTES_MAX][input.below(4)];
    let stream = input.rest();
    let mut reader = Cursor::new(stream);
    let mut written = Vec::new();
    while let Ok(bytes) = frame::read(&mut reader, limit) {
        assert!(bytes.len() <= limit);
        frame::write(&mut written, &bytes, limit).expect("what was read is below the limit");
    }
    assert!(stream.starts_with(&written), "what was read is not what was there");
}

fn frame_seeds() -> Vec<Vec<u8>> {
    let mut whole = vec![1];
    for bytes in [&b""[..], b"one", &[0; 300]] {
        frame::write(&mut whole, bytes, 4096).expect("small");
    }
    let cut = whole[..whole.len() - 1].to_vec();
    vec![whole, cut, vec![0, 0, 0, 0, 17], vec![3, 0xff, 0xff, 0xff, 0xff, 1]]
}

fn list() -> SignedList {
    let list = DeviceList { version: 1, prev: Hash([0; 32]), keys: vec![Hash([1; 32]), Hash([2; 32])] };
    proof::sign_list(&Signer::from_seed(&[5; 32]), &list)
}

fn to_relay_seeds() -> Vec<Vec<u8>> {
    let messages = [
        ToRelay::Hello { handle: Handle([1; 16]) },
        ToRelay::Create { account: Hash([2; 32]), list: list(), token: Some("word".into()) },
        ToRelay::Attach { account: Hash([2; 32]), proof: Signature([3; 64]) },
        ToRelay::SetList { list: list() },
        ToRelay::Push { cells: vec![ByteBuf::from(vec![1; 40]), ByteBuf::new()] },
        ToRelay::Pull { after: u64::MAX },
        ToRelay::Delivered { cursor: 300 },
        ToRelay::Purge { cells: vec![CellId([4; 32])] },
        ToRelay::Close { account: Hash([2; 32]), proof: Signature([3; 64]) },
        ToRelay::Ping { token: 7 },
        ToRelay::Errand { handle: Handle([3; 16]) },
        ToRelay::Admit { key: Hash([4; 32]) },
        ToRelay::Invite { number: 7 },
        ToRelay::Claim { number: 7 },
        ToRelay::Mail { letter: vec![1; 40].into() },
        ToRelay::Reject,
    ];
    messages.iter().map(codec::encode).collect()
}

fn to_device_seeds() -> Vec<Vec<u8>> {
    let signer = Signer::from_seed(&[6; 32]);
    let position = proof::sign_position(&signer, &Handle([1; 16]), Generation([2; 16]), 3, Hash([4; 32]));
    let entries =
        vec![Entry::Cell(ByteBuf::from(vec![1; 30])), Entry::Own(CellId([5; 32])), Entry::Gone(CellId([6; 32]))];
    let messages = [
        ToDevice::Welcome {
            position: position.clone(),
            signer: Hash(signer.public()),
            list: list(),
            quota_bytes: 9,
            used_bytes: 1,
        },
        ToDevice::ListAccepted { version: 2 },
        ToDevice::Ack { cells: vec![Accepted { cell: CellId([7; 32]), cursor: 9 }] },
        ToDevice::Page(Page { after: 0, entries, position, more: true }),
        ToDevice::Purged { count: 1 },
        ToDevice::Presence { others: 2 },
        ToDevice::Closed,
        ToDevice::Admitted { key: Hash([4; 32]) },
        ToDevice::Invited { open_ms: 600_000, tries: 3 },
        ToDevice::Claimed { tries_left: 2 },
        ToDevice::Left,
        ToDevice::Contested,
        ToDevice::Mail { letter: vec![1; 40].into() },
        ToDevice::Pong { token: 1 },
        ToDevice::Error { code: ErrorCode::QuotaExceeded, retry_ms: Some(1000) },
    ];
    messages.iter().map(codec::encode).collect()
}

fn call_seeds() -> Vec<Vec<u8>> {
    let query = Query { text: "git pu".into(), ..Query::default() };
    let requests = [
        Request::Search { query: Box::new(query), window: Window { offset: 0, limit: 50 } },
        Request::Import(Import::from(vec![account::record(1)])),
        Request::SyncNow { wait_ms: 5 },
        Request::SyncRename { name: "laptop".into() },
        Request::Stop,
    ];
    let calls = requests.into_iter().enumerate().map(|(id, request)| codec::encode(&Call { id: id as u64, request }));
    calls.chain([codec::encode(&Hello { protocol: 1, build: "0.1.0".into() })]).collect()
}

fn answer_seeds() -> Vec<Vec<u8>> {
    let hit = Hit { record: account::record(1), runs: 1, matched: vec![(0, 4)] };
    let replies = [
        Ok(Reply::Done),
        Ok(Reply::Count(3)),
        Ok(Reply::Hits(Hits { total: 1, of: 2, rows: vec![hit], complete: true })),
        Err(Fault::PhraseWord { position: 3, nearest: "abandon".into() }),
        Err(Fault::Malformed),
    ];
    let answers = replies.into_iter().enumerate().map(|(id, reply)| codec::encode(&Answer { id: id as u64, reply }));
    // An id is bytes of one length, and nothing else.
    answers.chain([codec::encode(&RecordId([1; 16]))]).collect()
}
