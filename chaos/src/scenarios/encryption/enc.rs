//! Records of a session and sealed cells: flipped, cut, repeated, empty.

use std::collections::BTreeSet;

use caro_link::transport::TransportError;
use caro_schema::{
    cell::{CELL_HEAD_BYTES, CELL_TAG_BYTES, CellView},
    limits::{CELL_BYTES_MIN, SESSION_RECORDS_MAX},
};

use crate::{
    oracle,
    pipe::{Cells, Pipe, nobody},
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    world::World,
};

/// Bytes of a record's counter.
const COUNTER_BYTES: usize = 8;

/// A device with keys.
fn member(run: &Run) -> World {
    World::joined(1, run.seed, None)
}

/// E-ENC-01.
pub const E_ENC_01: Scenario = Scenario {
    id: "E-ENC-01",
    title: "Corrupted ciphertext",
    injection: "Flip each bit of a session record and of a sealed cell",
    outcome: "Authentication error, no output; the session stays usable for the next valid record",
    bodies: &[
        Body { tier: Tier::Pipe, broken_by: &[Sabotage::SkipTagCheck], run: flipped },
        crate::programs::links::flipped::E_ENC_01,
    ],
};

fn flipped(run: &mut Run) {
    let mut pipe = Pipe::new(run);
    let (mut device, mut relay) = pipe.shake(&mut nobody).expect("nobody meddles");
    let record = device.transport.seal(&[0x61; 48]).expect("room").remove(0);
    for bit in 0..record.len() * 8 {
        let mut altered = record.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let opened = pipe.open(&mut relay, &altered);
        assert!(opened.is_err(), "bit {bit} of a record made no difference");
    }
    assert_eq!(pipe.open(&mut relay, &record), Ok(Some(vec![0x61; 48])), "the session is still good");

    let world = member(run);
    let cells = Cells::new(world.machines[0].device.account().expect("a member").vault(), run);
    let cell = cells.seal(b"canary", run.seed);
    let step = run.sized(1, 17);
    for bit in (run.seed as usize % step..cell.len() * 8).step_by(step) {
        let mut altered = cell.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(cells.open(&altered).is_err(), "bit {bit} of a cell made no difference");
    }
    assert_eq!(cells.open(&cell), Ok(b"canary".to_vec()));
    pipe.assert_retry_succeeds();
}

/// E-ENC-02.
pub const E_ENC_02: Scenario = Scenario {
    id: "E-ENC-02",
    title: "Truncated ciphertext",
    injection: "Cut record and cell at every length",
    outcome: "Clean error, no partial plaintext; session usable",
    bodies: &[Body { tier: Tier::Pipe, broken_by: &[Sabotage::SkipTagCheck], run: cut }],
};

fn cut(run: &mut Run) {
    let mut pipe = Pipe::new(run);
    let (mut device, mut relay) = pipe.shake(&mut nobody).expect("nobody meddles");
    let record = device.transport.seal(&[0x61; 200]).expect("room").remove(0);
    for length in 0..record.len() {
        let opened = pipe.open(&mut relay, &record[..length]);
        assert!(opened.is_err(), "a record of {length} bytes opened");
    }
    assert_eq!(pipe.open(&mut relay, &record), Ok(Some(vec![0x61; 200])), "the session is still good");

    let world = member(run);
    let cells = Cells::new(world.machines[0].device.account().expect("a member").vault(), run);
    for plain in [&b"canary"[..], &[7; 1500]] {
        let cell = cells.seal(plain, run.seed);
        for length in 0..cell.len() {
            assert!(cells.open(&cell[..length]).is_err(), "a cell of {length} bytes opened");
        }
        assert_eq!(cells.open(&cell), Ok(plain.to_vec()));
    }
    pipe.assert_retry_succeeds();
}

/// E-ENC-03.
pub const E_ENC_03: Scenario = Scenario {
    id: "E-ENC-03",
    title: "Modified authentication tag",
    injection: "Each of 128 tag bits; key-commitment bits. Also: replay a captured valid record",
    outcome: "Rejected. Replay rejected by the counter window; no state change",
    bodies: &[Body {
        tier: Tier::Pipe,
        broken_by: &[Sabotage::SkipTagCheck, Sabotage::SkipCommitment, Sabotage::NoReplayWindow],
        run: tags,
    }],
};

fn tags(run: &mut Run) {
    let world = member(run);
    let cells = Cells::new(world.machines[0].device.account().expect("a member").vault(), run);
    let cell = cells.seal(b"canary", run.seed);
    let commitment = CELL_HEAD_BYTES - 32..CELL_HEAD_BYTES;
    let tag = cell.len() - CELL_TAG_BYTES..cell.len();
    for at in commitment.chain(tag) {
        for bit in 0..8 {
            let mut altered = cell.clone();
            altered[at] ^= 1 << bit;
            assert!(cells.open(&altered).is_err(), "bit {bit} of byte {at} made no difference");
        }
    }
    let mut pipe = Pipe::new(run);
    let (mut device, mut relay) = pipe.shake(&mut nobody).expect("nobody meddles");
    let mut captured = Vec::new();
    for n in 0..50_u8 {
        let record = device.transport.seal(&[n]).expect("room").remove(0);
        for bit in 0..CELL_TAG_BYTES * 8 {
            let mut altered = record.clone();
            let at = altered.len() - CELL_TAG_BYTES + bit / 8;
            altered[at] ^= 1 << (bit % 8);
            assert!(pipe.open(&mut relay, &altered).is_err(), "bit {bit} of a tag made no difference");
            if n > 0 {
                break;
            }
        }
        assert_eq!(pipe.open(&mut relay, &record), Ok(Some(vec![n])));
        captured.push(record);
    }
    for record in &captured {
        assert_eq!(pipe.open(&mut relay, record), Err(TransportError::Replayed));
    }
    let record = device.transport.seal(b"next").expect("room").remove(0);
    assert_eq!(pipe.open(&mut relay, &record), Ok(Some(b"next".to_vec())));
}

/// E-ENC-04.
pub const E_ENC_04: Scenario = Scenario {
    id: "E-ENC-04",
    title: "Nonce manipulation",
    injection: "Counter replayed, zeroed, skipped, at its maximum; cell nonce zeroed. Also: 1,000 messages/s for 60 s under \
                latency",
    outcome: "Rejected or rekeyed, never reused. Load: no nonce seen twice, no errors, memory stable within 10 %",
    bodies: &[
        Body { tier: Tier::Pipe, broken_by: &[Sabotage::NoReplayWindow, Sabotage::FixedNonce], run: counters },
        Body { tier: Tier::Sim, broken_by: &[Sabotage::SkipRetry], run: load },
    ],
};

fn counters(run: &mut Run) {
    let mut pipe = Pipe::new(run);
    let (mut device, mut relay) = pipe.shake(&mut nobody).expect("nobody meddles");
    let mut seal = |text: &[u8]| device.transport.seal(text).expect("room").remove(0);
    let (first, second) = (seal(b"first"), seal(b"second"));
    assert_eq!(pipe.open(&mut relay, &first), Ok(Some(b"first".to_vec())));
    let with_counter = |counter: u64| [&counter.to_be_bytes()[..], &second[COUNTER_BYTES..]].concat();
    for counter in [0, 2, 3, 1 << 19, SESSION_RECORDS_MAX - 1, SESSION_RECORDS_MAX, u64::MAX - 1, u64::MAX] {
        assert!(pipe.open(&mut relay, &with_counter(counter)).is_err(), "counter {counter}");
    }
    assert!(pipe.open(&mut relay, &first).is_err(), "replayed");
    assert_eq!(pipe.open(&mut relay, &second), Ok(Some(b"second".to_vec())));
    // Skipped ones are no harm: what was lost on the way does not cost the session.
    for _ in 0..100 {
        seal(b"lost");
    }
    let after = seal(b"after");
    assert_eq!(pipe.open(&mut relay, &after), Ok(Some(b"after".to_vec())));

    let mut seen = BTreeSet::new();
    for n in 0..run.sized_once(60_000, 5_000, 1_000) as u64 {
        let record = device.transport.seal(&n.to_be_bytes()).expect("room").remove(0);
        assert!(seen.insert(record[..COUNTER_BYTES].to_vec()), "a counter was used twice");
        assert_eq!(pipe.open(&mut relay, &record), Ok(Some(n.to_be_bytes().to_vec())));
    }

    let world = member(run);
    let cells = Cells::new(world.machines[0].device.account().expect("a member").vault(), run);
    let mut nonces = BTreeSet::new();
    for n in 0..run.sized(2_000, 200) as u64 {
        let cell = cells.seal(b"canary", n);
        let view = CellView::parse(&cell).expect("a cell");
        assert!(nonces.insert(*view.nonce), "a nonce was used twice");
    }
    let mut zeroed = cells.seal(b"canary", 1);
    let at = CELL_HEAD_BYTES - 32 - 24;
    zeroed[at..at + 24].fill(0);
    assert!(cells.open(&zeroed).is_err());
}

/// A thousand commands a second between two devices, over lines that are slow.
fn load(run: &mut Run) {
    let mut world = run.world(2);
    world.seal_sessions();
    world.every_link(|link| link.both(|way| way.delay_ms = 80));
    let (seconds, rounds) = (run.sized_once(60, 6, 1), run.sized(500, 100));
    let mut waiting = Vec::new();
    for second in 0..seconds {
        for n in 0..rounds {
            for at in 0..2 {
                world.record(at, &format!("canary {second} {at} {n}"));
            }
            world.pass(2);
        }
        if second == seconds / 3 {
            world.cut(0);
        }
        waiting.push(
            world.machines[0]
                .device
                .account()
                .map_or(0, |account| account.remotes().map(|remote| remote.pending_up()).sum::<u64>()),
        );
    }
    // Nothing piles up: what waits is what one round trip and one pause hold, in the last second as in the first. Only the two
    // seconds after the cut end with more: nothing is sent until the line is up again, and then little at a time at first.
    for (second, count) in waiting.iter().copied().enumerate() {
        let most = if (seconds / 3 + 1..=seconds / 3 + 2).contains(&second) { 400 + 2 * rounds as u64 } else { 400 };
        assert!(count <= most, "{count} waiting after second {second} of {seconds}: {waiting:?}");
    }
    world.settle();
    assert!(world.traffic.iter().all(|traffic| traffic.broken <= 1));
    oracle::check(&world);
}

/// E-ENC-05.
pub const E_ENC_05: Scenario = Scenario {
    id: "E-ENC-05",
    title: "Empty payload",
    injection: "Zero-length record; op with empty command. Also: rekey every 64 records during a transfer",
    outcome: "Round-trips, same size bucket as other small ops. Transfer survives rekey with no gap and no plaintext",
    bodies: &[
        Body { tier: Tier::Pipe, broken_by: &[Sabotage::RejectEmpty], run: empty },
        Body { tier: Tier::Sim, broken_by: &[Sabotage::DropOutboxOnError, Sabotage::RejectEmpty], run: rekeyed },
    ],
};

fn empty(run: &mut Run) {
    let mut pipe = Pipe::new(run);
    let (mut device, mut relay) = pipe.shake(&mut nobody).expect("nobody meddles");
    for text in [&b""[..], b"x", b""] {
        let record = device.transport.seal(text).expect("room").remove(0);
        assert_eq!(pipe.open(&mut relay, &record), Ok(Some(text.to_vec())));
    }
    let world = member(run);
    let cells = Cells::new(world.machines[0].device.account().expect("a member").vault(), run);
    let nothing = cells.seal(b"", 1);
    assert_eq!(nothing.len(), CELL_BYTES_MIN);
    assert_eq!(cells.open(&nothing), Ok(Vec::new()));
}

fn rekeyed(run: &mut Run) {
    let mut world = run.world(2);
    world.seal_sessions();
    world.spent_after = Some(64);
    world.every_link(|link| link.both(|way| way.delay_ms = 20));
    let before = world.held().len();
    let nothing = world.record_as(0, "canary", |record| record.command.clear());
    world.settle();
    if run.lacks(Sabotage::RejectEmpty) {
        // Who takes nothing for an error keeps no such record.
        world.machines[1].forget(nothing);
    }
    let entries = world.entries(0);
    for entry in &entries[before..] {
        let caro_schema::relay::Entry::Cell(cell) = entry else { continue };
        assert_eq!(cell.len(), CELL_BYTES_MIN, "an empty command shows by its size");
    }
    for n in 0..run.sized(600, 120) {
        world.record(n % 2, &format!("canary {n}"));
        world.pass(22);
    }
    world.spent_after = None;
    world.settle();
    let sessions: u64 = world.traffic.iter().map(|traffic| traffic.sessions).sum();
    assert!(sessions >= 4, "{sessions} sessions, so there were new handshakes");
    oracle::check(&world);
}
