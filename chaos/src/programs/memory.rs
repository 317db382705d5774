//! A relay that has so much memory and no more, and everything that could make it want more: lengths that lie, handshakes
//! and hellos that are too large, messages that stop half-way, the largest pushes beside a disk that is slow.

use std::{collections::BTreeMap, io::Write, thread};

use caro_link::proof;
use caro_schema::{
    codec,
    limits::{CELL_BYTES_MAX, PAGE_CELL_BYTES_MAX},
    relay::{ErrorCode, ToDevice, ToRelay},
};
use caro_tests::have;
use serde_bytes::ByteBuf;
use tungstenite::Message;

use super::{
    client::{Client, Member, expect_dropped, expect_held, socket},
    protocol::Scene,
    relay::RelayProgram,
    strace::{self, Beside, Fate, Point, Under, thread_named},
};
use crate::{
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
};

/// A-RES-02.
pub const A_RES_02: Scenario = Scenario {
    id: "A-RES-02",
    title: "Memory exhaustion",
    injection: "Large and lying payloads against a relay limited to 256 MiB",
    outcome: "Refused at framing before buffering; never killed for memory",
    bodies: &[Body { tier: Tier::Proc, broken_by: &[Sabotage::NoLimits], run: memory_exhausted }],
};

/// Bytes that the relay may have. What it asks for beyond them it does not get, which ends it.
const MEMORY: u64 = 256 << 20;

/// Bytes that everybody's messages together may hold, of each kind: those of which a part has come, pushes that wait for the
/// disk, and what waits to be sent. An eighth of the memory each.
const HELD_MAX: u64 = MEMORY / 8;

fn limits(run: &Run) -> String {
    let held_max = if run.lacks(Sabotage::NoLimits) { 1 << 40 } else { HELD_MAX };
    ["message_bytes_begun_total", "push_bytes_waiting_total", "outbox_bytes_total"]
        .map(|name| format!("{name} = {held_max}"))
        .join("\n")
}

fn memory_exhausted(run: &mut Run) {
    strace::require(run);
    if !have("prlimit") {
        run.skip("prlimit");
    }
    let mut relay = RelayProgram::prepared(&limits(run));
    // What a program has written to and nobody else sees: neither what is only reserved counts, nor what files lend.
    let data = format!("--data={MEMORY}:{MEMORY}");
    relay.start_under(&Under::program(&["prlimit", &data])).expect("it starts");
    let mut scene = Scene::at(relay, run.seed);
    strangers(&mut scene);
    members_lie(&mut scene);
    halves(run, &mut scene);
    let held = beside_a_slow_disk(run, &mut scene);
    let peak = scene.relay.peak_kib() << 10;
    assert!(peak < MEMORY, "{peak} bytes resident of {MEMORY}");
    for (member, acknowledged) in &held {
        expect_held(member, scene.relay.place(), acknowledged);
    }
    scene.expect_well(&[]);
}

/// Those who have not said who they are: lengths that nothing follows, a first message and a hello of a size that none has.
fn strangers(scene: &mut Scene) {
    let place = scene.relay.place();
    for length in [1_u64 << 17, 1 << 31, 1 << 62] {
        let mut sockets: Vec<_> = (0..20).map(|_| socket(place).expect("it listens")).collect();
        for socket in &mut sockets {
            let header = [&[0x82, 0xff][..], &length.to_be_bytes(), &[1, 2, 3, 4]].concat();
            socket.get_mut().write_all(&header).expect("sent");
        }
        sockets.iter_mut().for_each(expect_dropped);
        scene.expect_peace();
    }
    let mut sockets: Vec<_> = (0..20).map(|_| socket(place).expect("it listens")).collect();
    for socket in &mut sockets {
        socket.send(Message::binary(vec![1; 60_000])).expect("sent");
    }
    sockets.iter_mut().for_each(expect_dropped);
    for _ in 0..5 {
        let mut client = Client::connect(place, &scene.rude, 0).expect("a session");
        // It is ended in the middle of this, so that the rest may find nobody.
        let sent = client.send_bytes(&vec![0x91; 1 << 20]);
        assert_eq!(client.refusal(), None, "a hello of a megabyte, sent whole: {}", sent.is_some());
    }
    scene.expect_peace();
}

/// A push in which a number says that four thousand million things follow.
fn members_lie(scene: &mut Scene) {
    let honest = codec::encode(&ToRelay::Push { cells: vec![scene.rude.cell(1024)] });
    // A list of one, and bytes, 1,024 of them.
    let at = honest.windows(4).position(|bytes| bytes == [0x91, 0xc5, 4, 0]).expect("a list of one cell");
    let (before, after) = (&honest[..at], &honest[at + 4..]);
    let many_cells: &[u8] = &[0xdd, 0xff, 0xff, 0xff, 0xff, 0xc5, 4, 0];
    let large_cell: &[u8] = &[0x91, 0xc6, 0xff, 0xff, 0xff, 0xff];
    for lie in [many_cells, large_cell] {
        for _ in 0..10 {
            let mut client = scene.enter();
            client.send_bytes(&[before, lie, after].concat()).expect("sent");
            assert_eq!(client.refusal(), Some(ErrorCode::Malformed));
        }
        scene.expect_peace();
    }
}

/// As many devices as one address may connect, each in the middle of the largest push. Those that began first are given up.
fn halves(run: &Run, scene: &mut Scene) {
    let place = scene.relay.place();
    let mut halves = Vec::new();
    for account in 0..run.sized(4, 1) as u64 {
        let mut member = Member::new(run.seed ^ (0x6d65 + account), 60);
        drop(member.found(place));
        for device in 0..60 {
            let entered = member.enter(place, device);
            let mut client = entered.unwrap_or_else(|| panic!("nobody is let in any more: {}", scene.relay.said()));
            let mut records = client.seal(&ToRelay::Push { cells: largest(&mut member) });
            let last = records.pop().expect("one at least");
            for record in records {
                client.send_record(record).expect("sent");
            }
            // Its answer comes after what came before it: the relay has read that, or is about to.
            scene.expect_answer();
            halves.push((client, last));
        }
    }
    let fit = usize::try_from(HELD_MAX).expect("small") / PAGE_CELL_BYTES_MAX;
    let given_up = halves.len() - fit - 8;
    for (n, (client, _)) in halves[..given_up].iter_mut().enumerate() {
        assert_eq!(client.refusal(), Some(ErrorCode::StorageUnavailable), "half {n} of {given_up}");
    }
    // Who began last goes on.
    let (mut client, rest) = halves.pop().expect("there are some");
    client.send_record(rest).expect("sent");
    let answer = client.hear();
    assert!(matches!(answer, Some(ToDevice::Ack { .. })), "{answer:?}");
    scene.expect_peace();
}

/// The cells of the largest push.
fn largest(member: &mut Member) -> Vec<ByteBuf> {
    (0..PAGE_CELL_BYTES_MAX / CELL_BYTES_MAX).map(|_| member.cell(CELL_BYTES_MAX)).collect()
}

/// What a device was told is safe.
type Acknowledged = Vec<(ByteBuf, u64)>;

/// Microseconds that each flush of the disk takes.
const SLOW_US: u32 = 500_000;

/// Accounts that push as much as they can, without waiting for answers, while the disk takes its time. Gives what was
/// acknowledged: the rest was refused, each push with its own answer.
fn beside_a_slow_disk(run: &Run, scene: &mut Scene) -> Vec<(Member, Acknowledged)> {
    let place = scene.relay.place();
    let late = Point { calls: "fsync,fdatasync".to_owned(), when: "1+".to_owned(), fate: Fate::Late(SLOW_US) };
    let mut pushers: Vec<(Member, Client)> = (0..run.sized(24, 16) as u64)
        .map(|n| {
            let member = Member::new(run.seed ^ (0x7075_0000 + n), 1);
            let client = member.found(place);
            (member, client)
        })
        .collect();
    let beside = Beside::point(&late, scene.relay.pid(), Some(thread_named(scene.relay.pid(), "write")));
    let done = thread::scope(|scope| {
        let running: Vec<_> =
            pushers.drain(..).map(|(member, client)| scope.spawn(|| push_all(member, client))).collect();
        running.into_iter().map(|thread| thread.join().expect("ran")).collect()
    });
    beside.end();
    scene.expect_peace();
    done
}

fn push_all(mut member: Member, mut client: Client) -> (Member, Acknowledged) {
    let pushes: Vec<Vec<ByteBuf>> = (0..4).map(|_| largest(&mut member)).collect();
    for cells in &pushes {
        client.send(&ToRelay::Push { cells: cells.clone() }).expect("it is read in the end");
    }
    // A refusal comes at once, and an acknowledgement when the disk has it.
    let mut cursors = BTreeMap::new();
    for _ in &pushes {
        match client.hear() {
            Some(ToDevice::Ack { cells }) => {
                cursors.extend(cells.iter().map(|accepted| (accepted.cell, accepted.cursor)))
            }
            Some(ToDevice::Error { code: ErrorCode::StorageUnavailable, retry_ms: Some(_) }) => {}
            other => panic!("no answer to a push but {other:?}"),
        }
    }
    let cells = pushes.into_iter().flatten();
    let acknowledged = cells.filter_map(|cell| Some((cursors.remove(&proof::cell_id(&cell))?, cell)));
    let acknowledged = acknowledged.map(|(cursor, cell)| (cell, cursor)).collect();
    assert!(cursors.is_empty(), "something was acknowledged that nobody pushed");
    (member, acknowledged)
}
