//! What no device would say, to the real relay: garbage at the port, garbage in a session, repeats, wrong order, lying
//! sizes. Another session goes on all the while, and nothing of what was said comes back in a log.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use caro_schema::{
    cell::CellView,
    codec,
    limits::{CELL_BYTES_MAX, PAGE_CELLS_MAX},
    relay::{Entry, ErrorCode, ToDevice, ToRelay},
};
use serde_bytes::ByteBuf;
use tungstenite::Message;

use super::{
    client::{Client, Member, REFUSED_WITHIN, expect_dropped, expect_held},
    relay::{MANY_TRIES, RelayProgram},
    stage::{keep, put_back},
};
use crate::{
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    seed::Seed,
};

/// A relay, an account that is left in peace, and one that misbehaves.
pub(super) struct Scene {
    pub(super) relay: RelayProgram,
    peaceful: Member,
    quiet: Client,
    acknowledged: Vec<(ByteBuf, u64)>,
    pub(super) rude: Member,
}

impl Scene {
    fn new(seed: u64, limits: &str) -> Self {
        Self::at(RelayProgram::with_limits(limits), seed)
    }

    /// At a relay that runs.
    pub(super) fn at(relay: RelayProgram, seed: u64) -> Self {
        let (peaceful, rude) = (Member::new(seed, 2), Member::new(seed ^ 0xffff, 2));
        let quiet = peaceful.found(relay.place());
        drop(rude.found(relay.place()));
        Self { relay, peaceful, quiet, acknowledged: Vec::new(), rude }
    }

    /// The other session goes on: it can push, on the connection that it has.
    pub(super) fn expect_peace(&mut self) {
        assert!(self.relay.is_running(), "the relay is gone: {}", self.relay.said());
        let cell = self.peaceful.cell(1024);
        let accepted = self.quiet.push(std::slice::from_ref(&cell)).expect("the other session goes on");
        self.acknowledged.push((cell, accepted[0].cursor));
    }

    /// The other session gets an answer.
    pub(super) fn expect_answer(&mut self) {
        self.quiet.send(&ToRelay::Ping { token: 11 }).expect("the other session goes on");
        let answer = self.quiet.hear();
        assert!(matches!(answer, Some(ToDevice::Pong { token: 11 })), "{answer:?}: {}", self.relay.said());
    }

    pub(super) fn enter(&self) -> Client {
        self.rude.enter(self.relay.place(), 0).expect("it is let in")
    }

    /// The end: nothing lost, the database whole, and nothing of what was said in the log.
    pub(super) fn expect_well(mut self, canaries: &[&str]) {
        self.expect_peace();
        expect_held(&self.peaceful, self.relay.place(), &self.acknowledged);
        self.relay.stop();
        self.relay.expect_sound();
        let said = self.relay.said();
        assert!(!said.contains("panicked"), "{said}");
        for canary in canaries {
            assert!(!said.contains(canary), "{canary} came back in the log");
        }
    }
}

fn noise(seed: &mut Seed, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| seed.draw() as u8).collect()
}

/// What an end that does not survive what it does not know would do here.
fn fall_over(run: &Run, scene: &mut Scene) {
    if run.lacks(Sabotage::PanicOnUnknown) {
        scene.relay.kill();
    }
}

/// A-PROTO-01 against the real relay.
pub const A_PROTO_01: Body = Body { tier: Tier::Proc, broken_by: &[Sabotage::PanicOnUnknown], run: malformed };

fn malformed(run: &mut Run) {
    let mut scene = Scene::new(run.seed, MANY_TRIES);
    let mut seed = Seed::new(run.seed);
    for _ in 0..20 {
        // Before anybody is known: handshake messages of every size.
        let mut socket = super::client::socket(scene.relay.place()).expect("it listens");
        let bytes = seed.below(1400) as usize;
        socket.send(Message::binary(noise(&mut seed, bytes))).expect("sent");
        expect_dropped(&mut socket);
    }
    scene.expect_peace();
    for round in 0..30 {
        // Afterwards: garbage as a record, garbage in a record, a message with one byte changed.
        let mut client = scene.enter();
        let bytes = 1 + seed.below(3000) as usize;
        let refusal = match round % 3 {
            0 => {
                client.send_record(noise(&mut seed, bytes)).expect("sent");
                None
            }
            1 => {
                client.send_bytes(&noise(&mut seed, bytes)).expect("sent");
                Some(ErrorCode::Malformed)
            }
            _ => {
                let mut message = codec::encode(&ToRelay::Push { cells: vec![scene.rude.cell(1024)] });
                let at = seed.below(message.len().min(64) as u64) as usize;
                message[at] ^= 1 << seed.below(8);
                client.send_bytes(&message).expect("sent");
                if is_push_of_a_cell(&message) {
                    // Nothing that a relay can see is wrong with it.
                    fall_over(run, &mut scene);
                    assert!(matches!(client.hear(), Some(ToDevice::Ack { .. })), "round {round}: byte {at}");
                    continue;
                }
                Some(ErrorCode::Malformed)
            }
        };
        fall_over(run, &mut scene);
        assert_eq!(client.refusal(), refusal, "round {round}");
        scene.expect_peace();
    }
    scene.expect_well(&[]);
}

/// Whether a message that was altered on the way still is one that a relay carries out.
fn is_push_of_a_cell(message: &[u8]) -> bool {
    match codec::decode(message) {
        Ok(ToRelay::Push { cells }) => cells.iter().all(|cell| CellView::parse(cell).is_ok()),
        _ => false,
    }
}

/// A-PROTO-02 against the real relay.
pub const A_PROTO_02: Body =
    Body { tier: Tier::Proc, broken_by: &[Sabotage::NoReplayWindow, Sabotage::AcceptRollback], run: replayed };

fn replayed(run: &mut Run) {
    let mut scene = Scene::new(run.seed, "");
    // A record of this session once more, and of another session.
    let cell = scene.rude.cell(1024);
    let mut client = scene.enter();
    let records = client.seal(&ToRelay::Push { cells: vec![cell.clone()] });
    for _ in 0..3 {
        for record in &records {
            // The window would see the repeat; without it the sender has to make it a new one.
            if run.lacks(Sabotage::NoReplayWindow) {
                client.send(&ToRelay::Push { cells: vec![scene.rude.cell(1024)] }).expect("sent");
            } else {
                client.send_record(record.clone()).expect("sent");
            }
        }
    }
    client.send(&ToRelay::Ping { token: 7 });
    let mut acks = 0;
    loop {
        match client.hear() {
            Some(ToDevice::Ack { .. }) => acks += 1,
            Some(ToDevice::Pong { token: 7 }) | None => break,
            Some(ToDevice::Error { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    // The repeat may end the session before the answer to the first one is out.
    assert!(acks <= 1, "a repeated record was taken");
    let mut other = scene.enter();
    for record in records {
        other.send_record(record).expect("sent");
    }
    assert_eq!(other.refusal(), None, "a record of another session");
    // A cell once more: one place, however often.
    let mut client = scene.enter();
    for _ in 0..5 {
        assert_eq!(client.push(std::slice::from_ref(&cell)).expect("acknowledged")[0].cursor, 1);
    }
    assert_eq!(client.pull_all().expect("everything comes").len(), 1);
    // The whole relay once more, as it was before: who has seen more sees that.
    let (cursor, head) = client.stands();
    scene.expect_peace();
    scene.relay.stop();
    let old = keep(&scene.relay.data());
    scene.relay.start();
    let mut client = scene.enter();
    client.push(&[scene.rude.cell(1024)]).expect("acknowledged");
    client.pull(cursor, head).expect("sent");
    client.page().expect("what is new");
    let (cursor, head) = client.stands();
    assert_eq!(cursor, 2);
    scene.relay.stop();
    if !run.lacks(Sabotage::AcceptRollback) {
        put_back(&old, &scene.relay.data());
    }
    scene.relay.start();
    let mut client = scene.enter();
    client.pull(cursor, head).expect("sent");
    let answer = client.hear();
    let ahead = matches!(answer, Some(ToDevice::Error { code: ErrorCode::CursorAhead, .. }));
    assert!(ahead, "nobody notices that the relay is older: {answer:?}");
    scene.quiet = scene.peaceful.enter(scene.relay.place(), 0).expect("it is let in");
    scene.expect_well(&[]);
}

/// A-PROTO-03 against the real relay.
pub const A_PROTO_03: Body = Body { tier: Tier::Proc, broken_by: &[Sabotage::ApplyOrphans], run: out_of_order };

fn out_of_order(run: &mut Run) {
    let mut scene = Scene::new(run.seed, "");
    let place = scene.relay.place();
    let cell = scene.rude.cell(1024);
    // Before hello, everything but a hello is refused, and nothing of it is kept.
    for message in
        [ToRelay::Push { cells: vec![cell.clone()] }, ToRelay::Pull { after: 0 }, ToRelay::Purge { cells: Vec::new() }]
    {
        let mut client = if run.lacks(Sabotage::ApplyOrphans) {
            scene.enter()
        } else {
            Client::connect(place, &scene.rude, 0).expect("a session")
        };
        client.send(&message).expect("sent");
        assert_eq!(client.refusal(), None, "{message:?} before hello");
    }
    // A confirmation may be about an earlier session: it is passed over.
    let mut client = Client::connect(place, &scene.rude, 0).expect("a session");
    client.send(&ToRelay::Delivered { cursor: 9 }).expect("sent");
    client.send(&scene.rude.hello()).expect("sent");
    client.welcome(&scene.rude);
    drop(client);
    assert!(scene.enter().pull_all().expect("everything comes").is_empty(), "something was kept");
    // A confirmation of what was never sent, and a falling one.
    let mut client = scene.enter();
    client.push(&[cell]).expect("acknowledged");
    client.send(&ToRelay::Delivered { cursor: 1 << 40 }).expect("sent");
    client.send(&ToRelay::Delivered { cursor: 0 }).expect("sent");
    drop(client);
    // A list that is not the next one, and one that nobody of the account signed.
    let mut client = scene.enter();
    client.send(&ToRelay::SetList { list: scene.rude.list_of_version(9) }).expect("sent");
    let answer = client.hear();
    // Who is one list behind reads on and makes another one: that session goes on.
    assert!(matches!(answer, Some(ToDevice::Error { code: ErrorCode::ListOutOfStep, .. })), "{answer:?}");
    client.send(&ToRelay::Ping { token: 3 }).expect("sent");
    assert!(matches!(client.hear(), Some(ToDevice::Pong { token: 3 })));
    client.send(&ToRelay::SetList { list: scene.peaceful.list_of_version(2) }).expect("sent");
    assert_eq!(client.refusal(), Some(ErrorCode::BadProof), "a list that somebody else signed");
    // A key that was stolen from somebody else's device opens nothing here.
    let stranger = Member::new(run.seed + 99, 1);
    let mut client = Client::connect(place, &stranger, 0).expect("a session");
    client.send(&scene.rude.hello()).expect("sent");
    assert_eq!(client.refusal(), Some(ErrorCode::NotKnown), "a stranger's key");
    scene.expect_peace();
    scene.expect_well(&[]);
}

/// A-PROTO-04.
pub const A_PROTO_04: Scenario = Scenario {
    id: "A-PROTO-04",
    title: "Oversized payloads",
    injection: "Above cell, frame, batch-count, parent-count and nesting limits; lying length prefixes. Also: relay dumps \
                everything it ever held",
    outcome: "Refused on the header, memory flat. Dump: zero canaries",
    bodies: &[Body {
        tier: Tier::Proc,
        broken_by: &[Sabotage::NoLimits, Sabotage::LogRawIds, Sabotage::StorePlaintext],
        run: oversized,
    }],
};

/// How much more memory refusing may take.
const GROWTH_KIB: u64 = 24 * 1024;

fn oversized(run: &mut Run) {
    let mut scene = Scene::new(run.seed, MANY_TRIES);
    // Once at its limits, so that what is needed for that is there.
    let mut client = scene.enter();
    client.push(&[scene.rude.cell(CELL_BYTES_MAX)]).expect("acknowledged");
    let before = scene.relay.peak_kib();
    let mut seed = Seed::new(run.seed);
    let many = if run.lacks(Sabotage::NoLimits) { 100 } else { PAGE_CELLS_MAX + 1 };
    for message in [
        ToRelay::Push { cells: vec![scene.rude.cell(2 * CELL_BYTES_MAX)] },
        ToRelay::Push { cells: (0..many).map(|_| scene.rude.cell(1024)).collect() },
        ToRelay::Purge { cells: vec![caro_schema::id::CellId([7; 32]); 5000] },
    ] {
        let mut client = scene.enter();
        client.send(&message).expect("sent");
        assert_eq!(client.refusal(), Some(ErrorCode::TooLarge));
        scene.expect_peace();
    }
    for _ in 0..10 {
        // A message that announces more than there is, nested deeper than there is a reason for.
        let mut client = scene.enter();
        let mut lie = vec![0xdd, 0xff, 0xff, 0xff, 0xff];
        lie.extend(std::iter::repeat_n(0x91, 200 + seed.below(2000) as usize));
        client.send_bytes(&lie).expect("sent");
        assert_eq!(client.refusal(), Some(ErrorCode::Malformed));
        // A frame whose header announces two gigabytes, in the open.
        let mut tcp = super::client::socket(scene.relay.place()).expect("it listens");
        let header = [0x82, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4];
        tcp.get_mut().write_all(&header).expect("sent");
        expect_dropped(&mut tcp);
    }
    let grown = scene.relay.peak_kib().saturating_sub(before);
    assert!(grown < GROWTH_KIB, "{grown} KiB more");
    dump(run, &mut scene);
    scene.expect_well(&[]);
}

/// Everything that a relay ever held for two real devices: no word, path, name or key of theirs.
fn dump(run: &Run, scene: &mut Scene) {
    let mut stage = super::stage::Stage::running();
    let line = format!("echo canary-{:x}", Seed::new(run.seed).draw());
    stage.laptop.type_lines("canary-session", &[&line]);
    stage.expect_all(std::slice::from_ref(&line));
    let mut held = String::new();
    let mut folders = vec![stage.relay.data()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                held.push_str(&String::from_utf8_lossy(&std::fs::read(path).expect("readable")));
            }
        }
    }
    let mut said = stage.relay.said() + &scene.relay.said();
    if run.lacks(Sabotage::StorePlaintext) {
        held.push_str(&line);
    }
    if run.lacks(Sabotage::LogRawIds) {
        said.push_str(&hex(scene.rude.handle().as_bytes()));
    }
    for canary in [line.as_str(), "canary", "laptop", "desktop", "/tmp"] {
        assert!(!held.contains(canary), "{canary} is at the relay");
    }
    for id in [scene.rude.handle(), scene.peaceful.handle()] {
        assert!(!said.contains(&hex(id.as_bytes())), "an account's name is in the log");
    }
    assert!(!said.contains("canary"), "a word of a device is in the log");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A-PROTO-05.
pub const A_PROTO_05: Scenario = Scenario {
    id: "A-PROTO-05",
    title: "Unknown message types",
    injection: "Unknown types, versions, flags. Also: raw bytes to the port from outside any session",
    outcome: "Typed rejection, session policy as specified, no crash, no reflection of input in logs",
    bodies: &[Body { tier: Tier::Proc, broken_by: &[Sabotage::PanicOnUnknown], run: unknown }],
};

fn unknown(run: &mut Run) {
    let mut scene = Scene::new(run.seed, MANY_TRIES);
    let mut seed = Seed::new(run.seed);
    let canary = format!("reflected{:x}", seed.draw());
    // Messages of a later version: another name, a name with a field, a number.
    for message in [
        named(&canary),
        [vec![0x81], named(&canary), vec![0x80]].concat(),
        [vec![0x81], named("Push"), vec![0xc0]].concat(),
        vec![0xcc, 0xfe],
        Vec::new(),
    ] {
        let mut client = scene.enter();
        client.send_bytes(&message).expect("sent");
        fall_over(run, &mut scene);
        assert_eq!(client.refusal(), Some(ErrorCode::Malformed), "{message:?}");
        scene.expect_peace();
    }
    // A cell of an unknown version.
    let mut cell = scene.rude.cell(1024);
    cell[0] = 0xee;
    let mut client = scene.enter();
    client.send(&ToRelay::Push { cells: vec![cell] }).expect("sent");
    assert_eq!(client.refusal(), Some(ErrorCode::Malformed), "a cell of another version");
    // Bytes to the port from outside of everything.
    for request in [
        format!("GET /{canary} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: {canary}\x1b[2J\r\nX: a\r\n\r\n"),
        format!("{canary}\r\n\r\n"),
        format!("POST / HTTP/9.9\r\n{canary}: {canary}\r\n\r\n"),
        format!("\x16\x03\x01\x02\x00\x01{canary}"),
    ] {
        let mut tcp = TcpStream::connect(scene.relay.place()).expect("it listens");
        tcp.set_read_timeout(Some(REFUSED_WITHIN)).expect("set");
        tcp.write_all(request.as_bytes()).expect("sent");
        tcp.shutdown(std::net::Shutdown::Write).expect("said");
        let mut answer = Vec::new();
        // An end of the connection without an answer is an answer, too. That nothing comes is none.
        if let Err(error) = tcp.read_to_end(&mut answer) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
        }
        assert!(!String::from_utf8_lossy(&answer).contains(&canary), "it says back what it was told");
        scene.expect_peace();
    }
    for _ in 0..10 {
        let mut tcp = TcpStream::connect(scene.relay.place()).expect("it listens");
        let bytes = 1 + seed.below(900) as usize;
        tcp.write_all(&noise(&mut seed, bytes)).expect("sent");
    }
    let log: Vec<Entry> = scene.enter().pull_all().expect("everything comes");
    assert!(log.is_empty(), "something of it was kept");
    scene.expect_well(&[&canary]);
}

/// A MessagePack string.
fn named(name: &str) -> Vec<u8> {
    [vec![0xd9, u8::try_from(name.len()).expect("short")], name.as_bytes().to_vec()].concat()
}
