//! Messages that nobody should send: malformed, repeated, out of order, or by somebody else.

use caro_core::step::Space;
use caro_schema::{
    codec,
    id::{CellId, Generation, Handle, Hash, Signature},
    ipc::sync::{StopReason, Warning},
    relay::{
        Accepted, Entry, ErrorCode, ToDevice, ToRelay,
        list::{DeviceList, SignedList},
    },
};

use crate::{
    oracle,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    scenarios::sync::conv::PAGE,
    seed::Seed,
    world::World,
};

/// A-PROTO-01.
pub const A_PROTO_01: Scenario = Scenario {
    id: "A-PROTO-01",
    title: "Malformed messages",
    injection: "Fuzz corpus and grammar-made messages before and after authentication. Also: a relay that flips bits in \
                stored cells",
    outcome: "Rejected, no crash, other sessions unaffected. Clients detect every altered cell, warn, keep working",
    bodies: &[
        Body { tier: Tier::Pipe, broken_by: &[Sabotage::PanicOnUnknown], run: malformed },
        Body { tier: Tier::Sim, broken_by: &[Sabotage::SkipCellHash], run: flipped_cells },
        crate::programs::protocol::A_PROTO_01,
    ],
};

fn malformed(run: &mut Run) {
    let mut world = run.world(2);
    let mut seed = Seed::new(run.seed).fork(1);
    let before = world.traffic.clone();
    for n in 0..run.sized(400, 40) {
        // A stranger, or somebody on the list under whose key no device is connected: a third copy of the first's.
        let session = world.stranger(0);
        for _ in 0..1 + seed.below(3) {
            let bytes = grammar_made(&mut seed, world.handle(0));
            if run.lacks(Sabotage::PanicOnUnknown) && codec::decode::<ToRelay>(&bytes).is_err() {
                panic!("what is not known ends the program");
            }
            world.say(0, session, &bytes);
        }
        if n % 10 == 0 {
            world.record(n / 10 % 2, &format!("canary meanwhile {n}"));
            world.pass(50);
        }
        world.forget_stranger(0, session);
    }
    // And a relay that says anything to a device.
    let mut noise = seed.fork(2);
    for round in 0..run.sized(60, 6) {
        let message = from_relay(&mut noise);
        world.tell(1, &message);
        if world.is_stopped(1) {
            world.resume(1);
        }
        world.record(round % 2, &format!("canary after nonsense {round}"));
        world.settle();
    }
    assert_eq!(world.traffic[0].broken, before[0].broken, "another device's session was affected");
    // What the second device was told by nobody real is no loss: it has asked again.
    world.cut(1);
    world.settle();
    oracle::assert_no_data_loss(&world);
    oracle::assert_no_corruption(&world);
    oracle::assert_state_converged(&world);
}

/// A message with a shape, whose fields are anything; or bytes without one.
fn grammar_made(seed: &mut Seed, handle: Handle) -> Vec<u8> {
    let hash = |seed: &mut Seed| Hash(*blake3::hash(&seed.draw().to_be_bytes()).as_bytes());
    let signature = Signature([seed.draw() as u8; 64]);
    let list = SignedList { list: hash(seed).0.to_vec().into(), signature, added: Vec::new() };
    let message = match seed.below(12) {
        0 => ToRelay::Hello { handle },
        1 => ToRelay::Create { account: hash(seed), list, token: Some("\u{1b}[2Jcanary".repeat(9)) },
        2 => ToRelay::Attach { account: hash(seed), proof: signature },
        3 => ToRelay::SetList { list },
        4 => ToRelay::Push { cells: vec![vec![seed.draw() as u8; seed.below(3000) as usize].into(); 3] },
        5 => ToRelay::Pull { after: seed.draw() },
        6 => ToRelay::Delivered { cursor: seed.draw() },
        7 => ToRelay::Purge { cells: vec![CellId(hash(seed).0); seed.below(2000) as usize] },
        8 => ToRelay::Close { account: hash(seed), proof: signature },
        9 => ToRelay::Ping { token: seed.draw() },
        _ => {
            let mut bytes = codec::encode(&ToRelay::Ping { token: seed.draw() });
            let at = seed.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << seed.below(8);
            bytes.truncate(1 + seed.below(bytes.len() as u64) as usize);
            return bytes;
        }
    };
    codec::encode(&message)
}

fn from_relay(seed: &mut Seed) -> ToDevice {
    let cell = CellId(*blake3::hash(&seed.draw().to_be_bytes()).as_bytes());
    match seed.below(6) {
        0 => ToDevice::ListAccepted { version: seed.draw() },
        1 => ToDevice::Ack { cells: vec![Accepted { cell, cursor: seed.below(100) }; 3] },
        2 => ToDevice::Purged { count: seed.draw() },
        3 => ToDevice::Presence { others: seed.draw() as u32 },
        4 => ToDevice::Pong { token: seed.draw() },
        _ => ToDevice::Error { code: ErrorCode::RateLimited, retry_ms: Some(seed.below(1000)) },
    }
}

/// A relay whose disk, or whose owner, changes one bit of a cell and signs what it then has.
fn flipped_cells(run: &mut Run) {
    let mut world = run.world(3);
    world.unplug(2);
    for n in 0..20 {
        world.record(n % 2, &format!("canary {n}"));
        world.pass(25);
    }
    world.settle();
    let honest = world.relays[0].backup();
    let cells = world.entries(0).len();
    let which = cells - 1 - world.seed.below(10) as usize;
    let bit = world.seed.below(1024 * 8) as usize;
    if !run.lacks(Sabotage::SkipCellHash) {
        world.shuffle_log(0, |cells| cells[which][bit / 8] ^= 1 << (bit % 8));
    }
    world.heal(2);
    for at in 0..3 {
        world.record(at, &format!("canary while a cell is bad {at}"));
    }
    world.settle();
    // Who has seen the log as it was knows at once; who has not notices that the cell is nobody's, and goes on with what
    // it has: all three record as before.
    let warned = |at: usize| {
        let account = world.machines[at].device.account().expect("a member");
        let status = account.status(|_| None);
        world.is_stopped(at) || status.refused > 0 || status.waiting > 0
    };
    assert!((0..3).all(warned), "a device did not notice");
    assert!(world.machines.iter().all(|machine| !machine.history.is_empty()));
    // The disk is put right again.
    world.restore_relay(0, honest.renewed(Generation([91; 16])));
    for at in 0..3 {
        world.resume(at);
    }
    world.settle();
    oracle::assert_no_data_loss(&world);
    oracle::assert_no_corruption(&world);
    oracle::assert_version_vectors_converged(&world);
    oracle::assert_state_converged(&world);
}

/// A-PROTO-02.
pub const A_PROTO_02: Scenario = Scenario {
    id: "A-PROTO-02",
    title: "Replay",
    injection: "Recorded frames, cells, acks, device lists, whole sessions; an old relay database served again",
    outcome: "No state rollback; repeats are idempotent; rollback reported by clients",
    bodies: &[
        Body { tier: Tier::Pipe, broken_by: &[Sabotage::NoReplayWindow], run: replayed_messages },
        Body { tier: Tier::Sim, broken_by: &[Sabotage::AcceptRollback], run: old_database },
        crate::programs::protocol::A_PROTO_02,
    ],
};

/// Everything that a device hears, it hears again: at once, and much later.
fn replayed_messages(run: &mut Run) {
    let mut world = run.world(3);
    let lacks = run.lacks(Sabotage::NoReplayWindow);
    let mut recorded: Vec<ToDevice> = Vec::new();
    let mut seed = Seed::new(run.seed).fork(7);
    world.meddler = Some(Box::new(move |at, _, message| {
        if at != 1 {
            return vec![message];
        }
        // An acknowledgement, a list, a greeting or a count from earlier. (A page from earlier ends the session: it does
        // not follow; see the hostile relay.)
        let replayable =
            matches!(message, ToDevice::Ack { .. } | ToDevice::ListAccepted { .. } | ToDevice::Presence { .. });
        let mut heard = vec![message.clone()];
        if replayable {
            recorded.push(message);
        }
        if !recorded.is_empty() && seed.percent(60) {
            let again = recorded[seed.below(recorded.len() as u64) as usize].clone();
            heard.push(again);
        }
        if lacks && recorded.len() > 3 {
            // A device that takes a record again takes the last page for a new one.
            return Vec::new();
        }
        heard
    }));
    for n in 0..40 {
        world.record(n % 3, &format!("canary {n}"));
        let pause_ms = world.seed.below(60);
        world.pass(pause_ms);
        if n % 13 == 12 {
            world.cut(1);
        }
    }
    world.settle();
    world.meddler = None;
    // Every cell that the relay has, pushed once more by a device: nothing is there twice.
    let waiting = (1..).zip(world.entries(0)).filter_map(|(number, entry)| match entry {
        Entry::Cell(cell) => Some((crate::machine::RELAY, number, cell.into_vec())),
        Entry::Own(_) | Entry::Gone(_) => None,
    });
    let waiting: Vec<_> = waiting.collect();
    let held = world.held();
    world.unplug(1);
    world.enqueue(1, waiting);
    world.heal(1);
    world.settle();
    assert!(world.held() == held, "a replayed cell changed the log");
    oracle::check(&world);
}

fn old_database(run: &mut Run) {
    let mut world = run.world(3);
    for n in 0..10 {
        world.record(n % 3, &format!("canary {n}"));
        world.pass(25);
    }
    world.settle();
    let old = world.relays[0].backup();
    for n in 0..10 {
        world.record(n % 3, &format!("canary later {n}"));
        world.pass(25);
    }
    world.settle();
    let before: Vec<[u8; 32]> = world.machines.iter().map(|machine| machine.history.digest()).collect();
    world.restore_relay(0, old.backup());
    world.settle();
    for (at, before) in before.iter().enumerate() {
        assert_eq!(world.stop_reason(at), Some(StopReason::RolledBack), "device {at} followed");
        assert!(world.machines[at].history.digest() == *before, "device {at} went back");
    }
    world.restore_relay(0, old.renewed(Generation([92; 16])));
    for at in 0..3 {
        world.resume(at);
    }
    world.settle();
    oracle::check(&world);
}

/// A-PROTO-03.
pub const A_PROTO_03: Scenario = Scenario {
    id: "A-PROTO-03",
    title: "Out-of-order operations",
    injection: "Child before parent, push before hello, ack for an unknown cell, falling cursor, device-list version gap. \
                Also: second client with a stolen device key",
    outcome: "Held or rejected, never applied out of order. Impersonation: fork noticed and reported, account state intact, \
              revocation ends it",
    bodies: &[
        Body {
            tier: Tier::Sim,
            broken_by: &[Sabotage::ApplyOrphans, Sabotage::IgnoreFork, Sabotage::SkipUndecryptable],
            run: out_of_order,
        },
        crate::programs::protocol::A_PROTO_03,
    ],
};

fn out_of_order(run: &mut Run) {
    children_before_parents(run);
    said_too_early(run);
    stolen_key(run);
}

/// A log in which what was written last comes first. Nothing is applied before what it follows; in the end all is there.
fn children_before_parents(run: &Run) {
    let mut world = run.world(3);
    world.unplug(2);
    // More than a page, so that a first page comes in which everything waits.
    let written = PAGE + 20;
    for n in 0..written as usize {
        world.record(n % 2, &format!("canary {n}"));
        world.pass(40);
    }
    world.settle();
    let keep = world.entries(0).len() - written as usize;
    world.shuffle_log(0, |cells| cells[keep..].reverse());
    let reversed = world.relays[0].backup().renewed(Generation([93; 16]));
    world.restore_relay(0, reversed);
    // Pages come one after the other, with time in between to look.
    world.link(2).both(|way| way.bytes_per_second = Some(100_000));
    let before = records_and_ops(&world, 2);
    world.heal(2);
    let mut waited = 0;
    loop {
        assert!(world.turn(), "nothing more happens");
        let (records, ops) = records_and_ops(&world, 2);
        assert_eq!(records - before.0, ops - before.1, "what is shown is another number than what was applied");
        waited = waited.max(world.machines[2].disk.count(Space::Quarantine) as u64);
        if ops - before.1 == written {
            break;
        }
    }
    assert!(waited >= PAGE / 2, "only {waited} ops waited for what they follow");
    world.settle();
    oracle::assert_no_data_loss(&world);
    oracle::assert_no_corruption(&world);
    oracle::assert_version_vectors_converged(&world);
    oracle::assert_state_converged(&world);
    assert_eq!(world.machines[2].disk.count(Space::Quarantine), 0);
}

/// How many records a device shows, and how many ops it has applied.
fn records_and_ops(world: &World, at: usize) -> (u64, u64) {
    let machine = &world.machines[at];
    (machine.history.len() as u64, machine.device.account().expect("a member").vector().total())
}

/// A device and a relay that hear things before their time.
fn said_too_early(run: &Run) {
    let mut world = run.world(2);
    world.record(0, "canary");
    world.settle();
    let held = world.held();
    let Some(Entry::Cell(cell)) = world.entries(0).pop() else { panic!("a cell") };
    for message in [
        ToRelay::Push { cells: vec![cell] },
        ToRelay::Pull { after: 0 },
        ToRelay::Purge { cells: held.clone() },
        ToRelay::Delivered { cursor: 3 },
    ] {
        let stranger = world.stranger(0);
        world.say(0, stranger, &codec::encode(&message));
        assert!(world.heard(0, stranger).iter().all(|said| matches!(said, ToDevice::Error { .. })), "it was answered");
        world.forget_stranger(0, stranger);
    }
    assert!(world.held() == held);
    // A list that leaves versions out, in a session of somebody who may set one.
    let list = world.list_with_a_gap(|list| DeviceList { version: list.version + 2, ..list });
    let refused = world.say_as_owner(&ToRelay::SetList { list });
    assert!(refused.contains(&ErrorCode::ListOutOfStep), "{refused:?}");
    // An acknowledgement of what nobody sent.
    let unknown = ToDevice::Ack { cells: vec![Accepted { cell: CellId([9; 32]), cursor: 1 }] };
    world.tell(1, &unknown);
    world.record(1, "canary after it");
    world.settle();
    oracle::check(&world);
}

/// Somebody has a copy of a device's keys, and writes as that device.
fn stolen_key(run: &Run) {
    let mut world = run.world(3);
    for n in 0..6 {
        world.record(n % 3, &format!("canary {n}"));
        world.pass(25);
    }
    world.settle();
    world.unplug(0);
    let thief = world.copy_home(0);
    world.record(thief, "canary of the thief");
    world.pass(100);
    world.record(0, "canary of the owner");
    world.pass(100);
    if run.lacks(Sabotage::IgnoreFork) || run.lacks(Sabotage::SkipUndecryptable) {
        // Who does not look keeps the one that came first.
        world.machines[0].disk.drop_queues();
        world.crash_device(0);
    }
    world.settle();
    world.heal(0);
    // They share a place at the relay and take turns there.
    world.pass(300_000);
    let told = (0..3).filter(|at| {
        let warnings = world.machines[*at].device.account().expect("a member").status(|_| None).warnings;
        warnings.iter().any(|warning| matches!(warning, Warning::Cloned | Warning::OtherCloned { .. }))
    });
    assert!(told.count() == 3, "the fork was not reported everywhere");
    // The owner joins again as a device of its own; the account is whole.
    world.rejoin(0);
    world.pass(120_000);
    world.settle();
    assert_recorded_everywhere(&world);
}

fn assert_recorded_everywhere(world: &World) {
    oracle::assert_no_data_loss(world);
    oracle::assert_no_corruption(world);
    oracle::assert_state_converged(world);
}
