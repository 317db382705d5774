//! Handshakes with a real relay, the messages of which somebody in between spoils: whatever becomes of them, there is no
//! session, and the next try succeeds.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use caro_link::handshake::{FIRST_BYTES, SECOND_BYTES, THIRD_BYTES};
use caro_tests::eventually_within;
use serde_json::json;

use super::{
    super::{
        client::Member,
        connections::{FREE_WITHIN, at_rest},
        kills::pending_up,
        proxied::{Doors, LAPTOP, Proxied},
        relay::{MANY_TRIES, RelayProgram},
    },
    apart::{expect_waiting, leave_out, patience, type_on_each},
};
use crate::{
    proxy::toxic::Stream,
    sabotage::Sabotage,
    scenario::{Body, Run, Tier},
    seed::Seed,
};

/// The three messages: which way, which frame of that way, and its bytes.
const MESSAGES: [(Stream, u64, usize); 3] =
    [(Stream::Upstream, 1, FIRST_BYTES), (Stream::Downstream, 1, SECOND_BYTES), (Stream::Upstream, 2, THIRD_BYTES)];

/// A relay, a door to it, and a device with an account there.
struct Shaken {
    relay: RelayProgram,
    doors: Doors,
    member: Member,
    /// Sockets of the relay at rest.
    rest: usize,
    forgives: bool,
}

impl Shaken {
    fn new(run: &Run, limits: &str, forgives: Sabotage) -> Self {
        // So many tries of one address are the test's own.
        let relay = RelayProgram::with_limits(&format!("{MANY_TRIES}\n{limits}"));
        let doors = Doors::one(&relay, run);
        let mut member = Member::new(run.seed, 1);
        let mut first = member.found(doors.only());
        first.push(&[member.cell(1024)]).expect("acknowledged");
        first.pull_all().expect("everything comes");
        drop(first);
        at_rest(&relay);
        let rest = relay.sockets();
        Self { relay, doors, member, rest, forgives: run.lacks(forgives) }
    }

    fn put(&self, stream: Stream, kind: &str, attributes: &serde_json::Value) {
        self.doors.put(LAPTOP, stream, kind, attributes);
    }

    /// Whether the device is let in, over the link as it is.
    fn gets_in(&self) -> bool {
        // A device that finds a record which is not of its session ends it; that one does so by a panic.
        let tries = || catch_unwind(AssertUnwindSafe(|| self.member.enter(self.doors.only(), 0).is_some()));
        let entered = matches!(tries(), Ok(true));
        if entered || !self.forgives {
            return entered;
        }
        // An end that goes on after an error, until something fits.
        self.doors.heal();
        matches!(tries(), Ok(true))
    }

    /// Nobody gets in over the spoiled link, nothing of the tries stays at the relay, and a retry over a whole one succeeds.
    fn expect_refused(&self, what: &str) {
        assert!(!self.gets_in(), "{what}: there is a session");
        eventually_within(FREE_WITHIN, "nothing is left of it", || (self.relay.sockets() <= self.rest).then_some(()));
        self.doors.heal();
        assert!(self.gets_in(), "{what}: the retry fails");
        assert!(!self.relay.said().contains("panicked"), "{}", self.relay.said());
    }
}

/// Limits with which nobody comes too late. Each part of the opening has a deadline of its own.
fn no_deadline() -> String {
    ["opening", "tls", "upgrade", "handshake", "hello"].map(|part| format!("{part}_ms = 600000")).join("\n")
}

/// A real device in the place of the test's own: what it has typed waits while the link is spoiled, whatever it tries, and
/// arrives once it is whole.
fn device_waits(run: &Run, what: &str, stream: Stream, kind: &str, attributes: &serde_json::Value) {
    let mut proxied = Proxied::running(run);
    proxied.doors.shut(LAPTOP);
    let all = type_on_each(&[&proxied.stage.laptop], 3, "waits");
    expect_waiting(&[&proxied.stage.laptop]);
    proxied.doors.heal();
    proxied.doors.put(LAPTOP, stream, kind, attributes);
    let before = proxied.doors.connections(LAPTOP);
    eventually_within(Duration::from_secs(20), "it tries three times", || {
        (proxied.doors.connections(LAPTOP) >= before + 3).then_some(())
    });
    assert!(pending_up(&proxied.stage.laptop) > 0, "{what}: something was acknowledged");
    assert_eq!(proxied.stage.desktop.home.count(), 0, "{what}: something came through");
    leave_out(run, &proxied.stage.laptop);
    proxied.doors.heal();
    super::apart::expect_everywhere(&proxied.stage.devices(), all.len(), patience(run, 30));
    proxied.expect_all(&all);
}

/// E-HS-01 through a door.
pub const E_HS_01: Body = Body { tier: Tier::Proxy, broken_by: &[Sabotage::KeepHandshakeAfterError], run: corrupted };

fn corrupted(run: &mut Run) {
    let shaken = Shaken::new(run, "", Sabotage::KeepHandshakeAfterError);
    let mut seed = Seed::new(run.seed);
    for (stream, frame, size) in MESSAGES {
        for _ in 0..run.sized(12, 2) {
            let (byte, bit) = (seed.below(size as u64), seed.below(8));
            shaken.put(stream, "bitflip", &json!({ "frame": frame, "byte": byte, "bit": bit }));
            shaken.expect_refused(&format!("bit {bit} of byte {byte} of frame {frame}"));
        }
    }
    // The device has said its first message, and its connection is gone.
    shaken.put(Stream::Upstream, "cut_after_frame", &json!({ "frame": 1 }));
    shaken.expect_refused("a disconnect after message 1");
    let head_and_some = seed.below(FIRST_BYTES as u64);
    shaken.put(Stream::Upstream, "limit_data", &json!({ "bytes": 100 + head_and_some }));
    shaken.expect_refused("a disconnect in message 1");
    if !run.brief && run.sabotage.is_none() {
        let attributes = json!({ "frame": 1 });
        device_waits(run, "a disconnect after message 1", Stream::Upstream, "cut_after_frame", &attributes);
    }
}

/// E-HS-02 through a door.
pub const E_HS_02: Body = Body { tier: Tier::Proxy, broken_by: &[Sabotage::SkipLengthCheck], run: truncated };

fn truncated(run: &mut Run) {
    // Who does not look at the length reads what it expects, from wherever it is.
    let shaken = Shaken::new(run, "", Sabotage::SkipLengthCheck);
    let mut seed = Seed::new(run.seed);
    for (stream, frame, size) in MESSAGES {
        for _ in 0..run.sized(12, 2) {
            // Anywhere in the next frame, its own head included.
            let bytes = 1 + seed.below(size as u64);
            shaken.put(stream, "cut_after_frame", &json!({ "frame": frame - 1, "bytes": bytes }));
            shaken.expect_refused(&format!("{bytes} bytes of frame {frame}"));
        }
    }
    shaken.put(Stream::Downstream, "cut_after_frame", &json!({ "frame": 1 }));
    shaken.expect_refused("a disconnect after message 2");
    if !run.brief && run.sabotage.is_none() {
        let attributes = json!({ "frame": 1 });
        device_waits(run, "a disconnect after message 2", Stream::Downstream, "cut_after_frame", &attributes);
    }
}

/// E-HS-03 through a door.
pub const E_HS_03: Body =
    Body { tier: Tier::Proxy, broken_by: &[Sabotage::AcceptAnyOrder, Sabotage::SkipRetry], run: one_side_established };

fn one_side_established(run: &mut Run) {
    let shaken = Shaken::new(run, "", Sabotage::AcceptAnyOrder);
    // The device's side stands, the relay's may; nothing that is said in it arrives.
    shaken.put(Stream::Upstream, "cut_after_frame", &json!({ "frame": 2 }));
    shaken.expect_refused("a disconnect after message 3");
    // What comes after message 1 takes the place of message 3, and what follows that is out of order.
    shaken.put(Stream::Upstream, "dup", &json!({ "frame": 1 }));
    shaken.expect_refused("message 1 where message 3 is due");
    if run.sabotage != Some(Sabotage::AcceptAnyOrder) {
        let attributes = json!({ "frame": 2 });
        device_waits(run, "a disconnect after message 3", Stream::Upstream, "cut_after_frame", &attributes);
    }
}

/// E-HS-04 through a door.
pub const E_HS_04: Body = Body {
    tier: Tier::Proxy,
    broken_by: &[Sabotage::NoReplayWindow, Sabotage::NoHandshakeDeadline],
    run: repeated_and_late,
};

fn repeated_and_late(run: &mut Run) {
    // 5 s for each of three messages is more than the relay waits, which is as long as two take.
    let late_ms = run.sized(5_000, 500);
    let limits =
        if run.lacks(Sabotage::NoHandshakeDeadline) { no_deadline() } else { format!("opening_ms = {}", 2 * late_ms) };
    let shaken = Shaken::new(run, &limits, Sabotage::NoReplayWindow);
    for (stream, frame, _) in MESSAGES {
        shaken.put(stream, "dup", &json!({ "frame": frame }));
        shaken.expect_refused(&format!("frame {frame} twice"));
    }
    // In time: one of the three is late.
    shaken.put(Stream::Upstream, "hold_frame", &json!({ "frame": 1, "delay": late_ms }));
    let begun = Instant::now();
    assert!(shaken.gets_in(), "a handshake that is late and in time fails");
    assert!(begun.elapsed() >= Duration::from_millis(late_ms as u64), "it was not late");
    shaken.doors.heal();
    // Each message late: too late, and that is said by the end of the connection, not by silence.
    shaken.doors.put_both(LAPTOP, "latency", &json!({ "latency": late_ms }));
    let begun = Instant::now();
    assert!(!shaken.gets_in(), "a handshake beyond the deadline succeeds");
    let gone_within = Duration::from_millis(6 * late_ms as u64) + FREE_WITHIN;
    assert!(begun.elapsed() <= gone_within, "given up after {:?}", begun.elapsed());
    shaken.doors.heal();
    shaken.expect_retry();
}

impl Shaken {
    fn expect_retry(&self) {
        eventually_within(FREE_WITHIN, "nothing is left of it", || (self.relay.sockets() <= self.rest).then_some(()));
        assert!(self.gets_in(), "the retry fails");
    }
}

/// E-HS-05 through a door.
pub const E_HS_05: Body = Body { tier: Tier::Proxy, broken_by: &[Sabotage::AllocFromLength], run: in_fragments };

/// Kilobytes by which a relay may grow for what it refuses: what its system rounds up to.
const GROWTH_KIB_MAX: u64 = 512;

fn in_fragments(run: &mut Run) {
    // Thousands of pieces, each with a pause: how long they take is the machine's matter here, and not the relay's.
    let mut shaken = Shaken::new(run, &no_deadline(), Sabotage::KeepHandshakeAfterError);
    let average = 2 + Seed::new(run.seed).below(40);
    let slices = json!({ "average_size": average, "size_variation": average - 1, "delay": 50 });
    shaken.doors.put_both(LAPTOP, "slicer", &slices);
    shaken.doors.put_both(LAPTOP, "latency", &json!({ "latency": run.sized(40, 5), "jitter": 5 }));
    let mut client = shaken.member.enter(shaken.doors.only(), 0).expect("fragments are put together");
    let cells: Vec<_> = (0..run.sized(10, 2)).map(|_| shaken.member.cell(1024)).collect();
    client.push(&cells).expect("acknowledged");
    assert_eq!(client.pull_all().expect("everything comes").len(), 1 + cells.len());
    drop(client);
    shaken.doors.heal();
    // A length that is not followed by as much, said where message 1 is due: room for it is not made.
    let before_kib = shaken.relay.peak_kib();
    for length in [1_u64 << 17, 1 << 31, 1 << 62] {
        assert!(large_is_refused(&shaken, length), "a message of {length} bytes is waited for");
    }
    let grown = if run.lacks(Sabotage::AllocFromLength) { 1 << 21 } else { shaken.relay.peak_kib() - before_kib };
    assert!(grown <= GROWTH_KIB_MAX, "the relay grew by {grown} KiB for a length");
    shaken.expect_retry();
}

/// Whether a frame is refused on its head: the connection ends although none of its content came.
fn large_is_refused(shaken: &Shaken, length: u64) -> bool {
    use std::io::{Read, Write};
    let mut socket = super::super::client::socket(shaken.doors.only()).expect("it listens");
    let tcp = socket.get_mut();
    let mut head = vec![0x82, 0xff];
    head.extend(length.to_be_bytes());
    head.extend([1, 2, 3, 4]);
    tcp.write_all(&head).expect("sent");
    tcp.set_read_timeout(Some(FREE_WITHIN)).expect("set");
    let mut rest = Vec::new();
    match tcp.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}
