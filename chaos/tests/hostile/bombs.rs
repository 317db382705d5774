//! Members of the account that make what costs most: ops of nobody, ops that explode, chains backwards, orphans, parents
//! without number, circles. Each costs a bounded time and memory, is said in `caro sync status`, and stops nothing else.

use std::{fs, time::Duration};

use caro_core::vault::Phrase;
use caro_schema::{
    body::history::Record,
    cell::CellClass,
    codec,
    id::{DeviceId, Hash, OpId},
    limits::ORPHANS_PER_AUTHOR_MAX,
    op::{Body, Header, Parent, RawChange, SignedOp},
};
use caro_tests::eventually_within;
use chaos_tests::fuzzing::account::{Rogue, plain, record, record_change};
use serde_bytes::ByteBuf;

use crate::scene::Scene;

/// What the daemon may hold more than before, whatever is thrown at it: a few pages, and what waits by id.
const MEMORY_BYTES_MAX: u64 = 160 * 1024 * 1024;

/// How many of each are thrown. More than may wait; a long run says how many more (`CARO_TEST_BOMBS=1000000`).
fn many() -> u64 {
    let more = std::env::var("CARO_TEST_BOMBS").ok().and_then(|text| text.parse().ok());
    more.unwrap_or(ORPHANS_PER_AUTHOR_MAX as u64 + 500)
}

/// Cells in one push of the other member, as a device would send them.
const BATCH: usize = 256;

/// The most that the daemon ever held.
fn peak(scene: &Scene) -> u64 {
    let path = format!("/proc/{}/status", scene.desk.pid());
    let status = fs::read_to_string(path).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("there");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

/// Throws cells at a daemon, while somebody types there, and gives what the person reads.
fn throw(scene: &mut Scene, cells: Vec<Vec<u8>>, told: &str) -> String {
    let before = peak(scene);
    for batch in cells.chunks(BATCH) {
        scene.relay.push(batch.to_vec());
    }
    scene.type_line("echo while it rains");
    let patience = Duration::from_secs(60) + Duration::from_millis(5) * u32::try_from(cells.len()).unwrap_or(u32::MAX);
    eventually_within(patience, "everything is fetched", || {
        let status = scene.status();
        (status.contains("0 to send, 0 to fetch") && status.contains(told)).then_some(())
    });
    scene.nothing_is_lost();
    scene.keeps_working();
    let grown = peak(scene).saturating_sub(before);
    assert!(grown < MEMORY_BYTES_MAX, "{grown} bytes for {} cells", cells.len());
    // What is honest still comes, also after a restart that looks through everything that waits.
    scene.peer_types(1);
    scene.everything_is_there();
    let status = scene.status();
    scene.desk.home.caro_ok(&["daemon", "stop"]);
    scene.desk.home.caro_ok(&["daemon", "start"]);
    scene.peer_types(1);
    scene.everything_is_there();
    status
}

/// A second member that the account has admitted.
fn admitted(scene: &Scene) -> Rogue {
    let mut rogue = Rogue::new(&Phrase::parse(&scene.phrase).expect("a phrase"), 77);
    let admission = rogue.admission();
    scene.relay.push(vec![rogue.entry_cell(&admission)]);
    rogue
}

#[test]
fn ops_of_an_author_that_nobody_admitted_wait_and_change_nothing() {
    let mut scene = Scene::new();
    let mut stranger = Rogue::new(&Phrase::parse(&scene.phrase).expect("a phrase"), 66);
    let ops = stranger.chain(300);
    let cells = ops.iter().map(|(op, _)| stranger.op_cell(op)).collect();
    throw(&mut scene, cells, "300 changes wait for earlier ones or for a key");
}

#[test]
fn cells_of_a_key_that_never_comes_are_bounded() {
    let mut scene = Scene::new();
    let cells: Vec<Vec<u8>> = (0..many()).map(unknown_key).collect();
    let status = throw(&mut scene, cells, "10000 changes wait for earlier ones or for a key");
    assert!(status.contains("changes were refused"), "{status}");
}

/// A cell in form that no key opens.
fn unknown_key(number: u64) -> Vec<u8> {
    let mut bytes = vec![7; 1024];
    bytes[..2].copy_from_slice(&[caro_schema::version::BYTES, caro_schema::version::SUITE]);
    bytes[10..18].copy_from_slice(&number.to_be_bytes());
    bytes
}

#[test]
fn ops_that_are_none_and_ops_of_others_are_refused() {
    let mut scene = Scene::new();
    let mut rogue = admitted(&scene);
    let (genuine, id) = rogue.chain(1).remove(0);
    let forged = SignedOp { signature: caro_schema::id::Signature([1; 64]), ..genuine.clone() };
    let body = |text: &[u8]| Some(Body { salt: [1; 32], payload: text.to_vec() });
    let swapped = SignedOp { body: body(b"\0another"), ..genuine };
    let cells = vec![
        rogue.op_cell(&forged),
        rogue.op_cell(&swapped),
        rogue.seal(CellClass::Op, &[0xc1; 60_000], &id),
        rogue.seal(CellClass::Op, b"", &id),
        rogue.seal(CellClass::Snapshot, &forged.encode(), &id),
        rogue.seal(CellClass::KeyLog, &[0x91; 900], &id),
    ];
    throw(&mut scene, cells, "6 changes were refused: not signed by a device of the account, or damaged");
}

#[test]
fn a_decompression_bomb_is_kept_and_not_unpacked() {
    let mut scene = Scene::new();
    let mut rogue = admitted(&scene);
    let zeroes = zstd::bulk::compress(&vec![0; 256 * 1024 * 1024], 3).expect("memory");
    let bombs: Vec<Vec<u8>> = (0..60u8).map(|n| [&[1][..], &zeroes, &[n]].concat()).collect();
    let mut prev = OpId([0; 32]);
    let mut cells = Vec::new();
    for (seq, payload) in (1..).zip(bombs) {
        let (op, id) = rogue.op(seq, prev, payload);
        prev = id;
        cells.push(rogue.op_cell(&op));
    }
    throw(&mut scene, cells, "note: another device runs a newer caro; upgrade this one to see everything");
}

#[test]
fn trap_51_a_chain_delivered_backwards_costs_a_bounded_time_and_memory() {
    let mut scene = Scene::new();
    let mut rogue = admitted(&scene);
    let ops = rogue.chain(many());
    let cells: Vec<Vec<u8>> = ops.iter().rev().take(ops.len() - 1).map(|(op, _)| rogue.op_cell(op)).collect();
    throw(&mut scene, cells, "10000 changes wait for earlier ones or for a key");
}

#[test]
fn trap_51_a_short_chain_backwards_is_all_there_when_its_first_op_comes() {
    let mut scene = Scene::new();
    let mut rogue = admitted(&scene);
    // Its commands must not be those of the scene's other member.
    let change = |seq: u64| {
        let text = ByteBuf::from(format!("echo deep {seq}").into_bytes());
        let bytes = codec::encode(&Record { command: text, ..record(1_000_000 + seq) });
        RawChange(caro_schema::body::kind::RECORD, ByteBuf::from(bytes))
    };
    let mut prev = OpId([0; 32]);
    let mut cells = Vec::new();
    for seq in 1..=1500 {
        let (op, id) = rogue.op(seq, prev, plain(&[change(seq)]));
        prev = id;
        cells.push(rogue.op_cell(&op));
        scene.others_type(&format!("echo deep {seq}"));
    }
    cells.reverse();
    throw(&mut scene, cells, "0 to send, 0 to fetch");
    scene.everything_is_there();
}

#[test]
fn trap_51_orphans_are_bounded() {
    let mut scene = Scene::new();
    let mut rogue = admitted(&scene);
    let cells: Vec<Vec<u8>> = (0..many())
        .map(|n| {
            let (op, _) = rogue.op(10 + 2 * n, OpId([3; 32]), plain(&[record_change(n)]));
            rogue.op_cell(&op)
        })
        .collect();
    let status = throw(&mut scene, cells, "10000 changes wait for earlier ones or for a key");
    assert!(status.contains("note: the relay holds back"), "{status}");
}

#[test]
fn trap_51_parents_without_number_and_an_op_that_is_its_own_parent_are_refused() {
    let mut scene = Scene::new();
    let mut rogue = admitted(&scene);
    let parent = |author: [u8; 32]| Parent { author: DeviceId(author), seq: 1, op: OpId([5; 32]) };
    let numbered = |n: u16| {
        let mut author = [0; 32];
        author[..2].copy_from_slice(&n.to_be_bytes());
        author
    };
    // A thousand do not even fit the largest cell.
    let many = (0..900).map(|n| parent(numbered(n))).collect();
    let itself = vec![parent(rogue.vault().device_id().0)];
    let cells = [many, itself].map(|parents| {
        let header = Header { parents, ..rogue.header(1, OpId([0; 32]), Hash([0; 32])) };
        let (op, _) = rogue.sign(header.encode(), None);
        rogue.op_cell(&op)
    });
    throw(&mut scene, cells.to_vec(), "2 changes were refused");
}

#[test]
fn trap_51_ops_that_wait_for_each_other_wait_for_ever_and_stop_nothing() {
    let mut scene = Scene::new();
    let mut first = admitted(&scene);
    let mut second = Rogue::new(&Phrase::parse(&scene.phrase).expect("a phrase"), 78);
    let admission = second.admission();
    scene.relay.push(vec![second.entry_cell(&admission)]);
    // Ids are hashes, so neither can know the other's; they can only name numbers that never come.
    let after = |rogue: &Rogue, other: &Rogue| {
        let parent = Parent { author: other.vault().device_id(), seq: 1, op: OpId([5; 32]) };
        let header = Header { parents: vec![parent], ..rogue.header(1, OpId([0; 32]), Hash([0; 32])) };
        rogue.sign(header.encode(), None).0
    };
    let ops = (after(&first, &second), after(&second, &first));
    let cells = vec![first.op_cell(&ops.0), second.op_cell(&ops.1)];
    throw(&mut scene, cells, "2 changes wait for earlier ones or for a key");
}
