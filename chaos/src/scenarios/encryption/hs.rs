//! The three messages of a handshake: flipped, cut, swapped, repeated, too large, or never answered.

use std::io::{self, Read};

use caro_link::handshake::HandshakeError;
use caro_schema::{
    frame::{self, FrameError},
    limits::{NOISE_RECORD_BYTES_MAX, PREAUTH_BYTES_MAX},
};

use crate::{
    oracle,
    pipe::{Pipe, SIZES, in_message},
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    seed::Seed,
};

/// Of every place in the messages one run tries those that leave its seed as a remainder: so many seeds in a row, every
/// place.
const SEEDS_FOR_ALL: usize = 16;

/// The places of one run, of so many.
fn places(run: &Run, count: usize) -> impl Iterator<Item = usize> {
    let step = run.sized(SEEDS_FOR_ALL, 8 * SEEDS_FOR_ALL);
    (run.seed as usize % step..count).step_by(step)
}

/// A link to a relay goes silent so many milliseconds after a device began to dial over it, with 100 ms each way: three
/// trips until the connection stands, the first message until 700, the second until 800, then the third.
fn silent_after(run: &mut Run, after_ms: u64) {
    let mut world = run.world(2);
    world.unplug(0);
    world.record(0, "canary");
    world.every_link(|link| link.both(|way| way.delay_ms = 100));
    world.heal(0);
    world.pass_until("it dials", 60_000, |world| world.is_dialling(0));
    world.pass(after_ms);
    world.silence(0);
    let acknowledged = world.relays[0].acknowledged.len();
    world.pass_until("it gives up", 20_000, |world| !world.is_dialling(0) && !world.is_connected(0));
    world.pass(20_000);
    assert!(!world.is_connected(0), "a session that was never agreed on is still there");
    assert_eq!(world.relays[0].acknowledged.len(), acknowledged);
    assert!(world.relays[0].session_count() <= 2, "a relay keeps a half-open session for a while and no more");
    world.heal(0);
    world.pass_until("a retry succeeds", 60_000, |world| world.is_connected(0));
    world.settle();
    oracle::check(&world);
}

/// E-HS-01.
pub const E_HS_01: Scenario = Scenario {
    id: "E-HS-01",
    title: "Corrupted handshake message",
    injection: "Flip each bit in turn of the ML-KEM ciphertext and of every other byte of messages 1-3. Also: disconnect \
                after message 1",
    outcome: "Handshake fails every time. Disconnect: times out, no key material retained, clean retry",
    bodies: &[
        Body { tier: Tier::Pipe, broken_by: &[Sabotage::KeepHandshakeAfterError], run: every_bit },
        Body { tier: Tier::Sim, broken_by: &[Sabotage::NoHandshakeDeadline], run: |run| silent_after(run, 750) },
        crate::programs::links::shaken::E_HS_01,
    ],
};

fn every_bit(run: &mut Run) {
    let mut pipe = Pipe::new(run);
    for (message, size) in (1..).zip(SIZES) {
        for bit in places(run, size * 8) {
            let flip = |bytes: &mut Vec<u8>| bytes[bit / 8] ^= 1 << (bit % 8);
            let error = pipe.refused(&format!("bit {bit} of message {message}"), &mut in_message(message, flip));
            assert!(!matches!(error, HandshakeError::Setup | HandshakeError::Size { .. }), "{error:?}");
        }
        pipe.assert_retry_succeeds();
    }
}

/// E-HS-02.
pub const E_HS_02: Scenario = Scenario {
    id: "E-HS-02",
    title: "Truncated handshake message",
    injection: "Cut each message at every length. Also: disconnect after message 2",
    outcome: "Rejected; no session on either side; retry succeeds",
    bodies: &[
        Body { tier: Tier::Pipe, broken_by: &[Sabotage::SkipLengthCheck], run: every_length },
        Body { tier: Tier::Sim, broken_by: &[Sabotage::SkipRetry], run: |run| silent_after(run, 800) },
        crate::programs::links::shaken::E_HS_02,
    ],
};

fn every_length(run: &mut Run) {
    let mut pipe = Pipe::new(run);
    for (message, expected) in (1..).zip(SIZES) {
        for found in places(run, expected) {
            let error = pipe.refused("a cut message", &mut in_message(message, |bytes| bytes.truncate(found)));
            assert_eq!(error, HandshakeError::Size { found, expected });
        }
        pipe.assert_retry_succeeds();
    }
}

/// E-HS-03.
pub const E_HS_03: Scenario = Scenario {
    id: "E-HS-03",
    title: "Reordered handshake messages",
    injection: "Message 2 before 1, 3 before 2, messages of two sessions swapped. Also: disconnect after message 3",
    outcome: "Rejected as out of order. One side established: mismatch noticed before any op is acknowledged, then \
              renegotiated",
    bodies: &[
        Body {
            tier: Tier::Pipe,
            broken_by: &[Sabotage::KeepHandshakeAfterError, Sabotage::AcceptAnyOrder],
            run: every_order,
        },
        Body {
            tier: Tier::Sim,
            broken_by: &[Sabotage::SkipRetry, Sabotage::NoKeepalive],
            run: |run| silent_after(run, 850),
        },
        crate::programs::links::shaken::E_HS_03,
    ],
};

fn every_order(run: &mut Run) {
    let mut pipe = Pipe::new(run);
    let mut other = Vec::new();
    assert!(pipe.shake(&mut |_, bytes| other.push(bytes.clone())).is_ok());
    // Another session's message in each place, whichever of its three; and this session's own, one too early or late.
    for message in 1..=3 {
        for instead in &other {
            pipe.refused("another session's message", &mut in_message(message, |bytes| bytes.clone_from(instead)));
        }
    }
    let mut earlier: Vec<u8> = Vec::new();
    for late in [2, 3] {
        pipe.refused("a message once more in the next one's place", &mut |which, bytes| {
            if which == late {
                bytes.clone_from(&earlier);
            } else {
                earlier.clone_from(bytes);
            }
        });
    }
    pipe.assert_retry_succeeds();
}

/// E-HS-04.
pub const E_HS_04: Scenario = Scenario {
    id: "E-HS-04",
    title: "Replayed handshake message",
    injection: "Duplicate of message 1, 2 or 3 from this and from an earlier session. Also: 5 s latency per message",
    outcome: "Replays give no session and no state change. Latency: completes within the timeout, else a clean timeout error",
    bodies: &[
        Body {
            tier: Tier::Pipe,
            broken_by: &[Sabotage::KeepHandshakeAfterError, Sabotage::NoReplayWindow],
            run: replays,
        },
        Body { tier: Tier::Sim, broken_by: &[Sabotage::NoHandshakeDeadline], run: slow_messages },
        crate::programs::links::shaken::E_HS_04,
    ],
};

fn replays(run: &mut Run) {
    let mut pipe = Pipe::new(run);
    let mut earlier = Vec::new();
    let (mut device, mut relay) = pipe.shake(&mut |_, bytes| earlier.push(bytes.clone())).expect("nobody meddles");
    // Each alone and all together: the relay answers an old first message with a new second one, and nothing fits.
    for replayed in [&[1][..], &[2], &[3], &[1, 3], &[2, 3], &[1, 2, 3]] {
        pipe.refused("a replay", &mut |which, bytes| {
            if replayed.contains(&which) {
                bytes.clone_from(&earlier[which - 1]);
            }
        });
    }
    // The session from which they were taken has not changed: each of its records opens once.
    for text in [&b"once"[..], b"twice"] {
        let record = device.transport.seal(text).expect("room").remove(0);
        assert_eq!(pipe.open(&mut relay, &record), Ok(Some(text.to_vec())));
        assert!(pipe.open(&mut relay, &record).is_err(), "a record opened twice");
    }
    pipe.assert_retry_succeeds();
}

fn slow_messages(run: &mut Run) {
    let mut world = run.world(2);
    world.unplug(0);
    world.record(0, "canary");
    // Five seconds for each message: four trips take forty, which is more than anybody waits.
    world.link(0).both(|way| way.delay_ms = 5_000);
    world.heal(0);
    world.pass(120_000);
    assert!(!world.is_connected(0), "a handshake has no deadline");
    assert!(world.traffic[0].refused >= 2, "it tried {} times", world.traffic[0].refused);
    // Two seconds there and back: it fits.
    world.link(0).both(|way| way.delay_ms = 1_000);
    world.pass_until("it completes", 60_000, |world| world.is_connected(0));
    world.settle();
    oracle::check(&world);
}

/// E-HS-05.
pub const E_HS_05: Scenario = Scenario {
    id: "E-HS-05",
    title: "Oversized handshake payload",
    injection: "Sizes max+1, 65,535, 2^31 in the length header. Also: slicer + latency forcing odd fragments",
    outcome: "Refused on the size header, memory flat (+64 KiB at most). Fragments reassemble correctly or are rejected",
    bodies: &[
        Body { tier: Tier::Pipe, broken_by: &[Sabotage::SkipLengthCheck, Sabotage::AllocFromLength], run: oversized },
        crate::programs::links::shaken::E_HS_05,
    ],
};

fn oversized(run: &mut Run) {
    let mut pipe = Pipe::new(run);
    for (message, expected) in (1..).zip(SIZES) {
        for found in [expected + 1, PREAUTH_BYTES_MAX + 1, NOISE_RECORD_BYTES_MAX, 1 << 20] {
            let error = pipe.refused("too large", &mut in_message(message, |bytes| bytes.resize(found, 0x5a)));
            assert_eq!(error, HandshakeError::Size { found, expected });
        }
    }
    // Lengths that lie: what is announced is compared before it is believed.
    for announced in [PREAUTH_BYTES_MAX as u32 + 1, 65_535, 1 << 31, u32::MAX] {
        let mut stream = Sliced { bytes: &[&announced.to_be_bytes()[..], &[0; 9]].concat(), seed: Seed::new(run.seed) };
        let (outcome, room) = receive(run, &mut stream);
        assert!(matches!(outcome, Err(FrameError::TooLarge { .. })), "{announced} bytes were believed");
        assert!(room <= 64 * 1024, "{room} bytes of room were made for {announced}");
    }
    // The same messages in odd fragments are the same messages.
    let mut seed = Seed::new(run.seed).fork(5);
    for _ in 0..run.sized(20, 3) {
        let sliced = pipe.shake(&mut |_, bytes| {
            let mut framed = Vec::new();
            frame::write(&mut framed, bytes, PREAUTH_BYTES_MAX).expect("it fits");
            let mut stream = Sliced { bytes: &framed, seed: seed.fork(seed.clone().draw()) };
            seed.draw();
            *bytes = receive(run, &mut stream).0.expect("every fragment came");
        });
        assert!(sliced.is_ok());
    }
    pipe.assert_retry_succeeds();
}

/// One frame from a stranger, and how much room was made for it.
fn receive(run: &Run, stream: &mut impl Read) -> (Result<Vec<u8>, FrameError>, usize) {
    if run.lacks(Sabotage::AllocFromLength) {
        let mut head = [0; 4];
        let read = stream.read_exact(&mut head);
        let announced = u32::from_be_bytes(head) as usize;
        return (read.map(|()| Vec::new()).map_err(FrameError::Io), announced);
    }
    let frame = frame::read(stream, PREAUTH_BYTES_MAX);
    let room = frame.as_ref().map_or(0, Vec::capacity);
    (frame, room)
}

/// Gives a stream in pieces of odd sizes.
struct Sliced<'a> {
    bytes: &'a [u8],
    seed: Seed,
}

impl Read for Sliced<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(self.bytes.len());
        let count = most.min(1 + self.seed.below(13) as usize);
        let (now, later) = self.bytes.split_at(count);
        into[..count].copy_from_slice(now);
        self.bytes = later;
        Ok(count)
    }
}

/// E-HS-06.
pub const E_HS_06: Scenario = Scenario {
    id: "E-HS-06",
    title: "Handshake timeout",
    injection: "Responder never replies; initiator goes silent after 2. Also: two simultaneous handshakes of one device",
    outcome: "Both sides free all state within the 10 s deadline. Race: exactly one session remains, nothing leaked by the \
              other",
    bodies: &[
        Body { tier: Tier::Pipe, broken_by: &[Sabotage::AcceptAnyRelay], run: crossed },
        Body { tier: Tier::Sim, broken_by: &[Sabotage::NoHandshakeDeadline], run: never_answered },
        crate::programs::connections::E_HS_06,
    ],
};

/// Two sessions of one pair of ends do not understand each other, and another relay is none at all.
fn crossed(run: &mut Run) {
    let mut pipe = Pipe::new(run);
    let (mut one, mut at_relay) = pipe.shake(&mut crate::pipe::nobody).expect("nobody meddles");
    let (two, mut other_at_relay) = pipe.shake(&mut crate::pipe::nobody).expect("nobody meddles");
    assert!(one.handshake_hash != two.handshake_hash);
    let record = one.transport.seal(b"for the first").expect("room").remove(0);
    assert!(other_at_relay.transport.open(&record).is_err());
    assert!(at_relay.transport.open(&record).is_ok());
    pipe.replace_relay();
    assert!(matches!(pipe.shake(&mut crate::pipe::nobody).err(), Some(HandshakeError::RelayKey { .. })));
}

fn never_answered(run: &mut Run) {
    let mut world = run.world(2);
    world.unplug(0);
    world.record(0, "canary");
    world.heal(0);
    world.silence(0);
    world.pass_until("it dials", 60_000, |world| world.is_dialling(0));
    // A relay that accepts and never answers: the device lets go.
    world.pass_until("the device gives up", 10_000, |world| !world.is_dialling(0));
    // A device that never says who it is: the relay lets go within its ten seconds.
    let stranger = world.stranger(0);
    let took = world.pass_until("the relay gives up", 10_001, |world| !world.knows(0, stranger));
    assert!(took >= 5_000, "an honest device had {took} ms");
    world.heal(0);
    world.settle();
    // Two connections of one device: the later one stays.
    let sessions = world.relays[0].session_count();
    world.twin_session(0);
    world.settle();
    assert_eq!(world.relays[0].session_count(), sessions);
    oracle::check(&world);
}
