//! What is deleted is in nothing that any device or the relay holds, and nothing else is lost with it.

use super::world::{Machine, World, record};
use crate::{
    device::carriers::Carrier,
    step::Space,
    vault::{open::open_any, payload},
};
use caro_schema::{
    body::{history::Record, shared::Set},
    id::RecordId,
};

/// Commands imported together: one large op.
pub(super) fn import(world: &mut World, at: usize, word: &str, count: u32) -> Vec<RecordId> {
    let now_ms = world.now_ms;
    let records: Vec<Record> = (0..count)
        .map(|n| {
            let text = format!("{word} {n};");
            record(RecordId(blake3::hash(text.as_bytes()).as_bytes()[..16].try_into().unwrap()), &text, now_ms - 1_000)
        })
        .collect();
    let ids = records.iter().map(|record| record.id).collect();
    world.machines[at].decide(now_ms, |device, history, _, _| device.import(records, history).0);
    ids
}

fn holds(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
}

/// Whether a sealed cell says this, for whoever has the keys.
pub(super) fn cell_says(machine: &Machine, cell: &[u8], needle: &str) -> bool {
    let vault = machine.device.account().unwrap().vault();
    let Ok((_, plain)) = open_any(vault.keys(), &vault.dataset(), cell) else { return false };
    holds(&plain, needle)
        || caro_schema::op::SignedOp::decode(&plain).is_ok_and(|op| {
            op.body.is_some_and(|body| {
                let payload = payload::unpack(&body.payload).unwrap();
                payload.changes.iter().any(|change| holds(&change.1, needle))
            })
        })
}

/// Where a text still is.
pub(super) fn found(world: &World, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, machine) in world.machines.iter().enumerate() {
        let texts = machine.disk.blocks.values().flatten();
        if texts.into_iter().any(|record| holds(&record.command, needle)) {
            found.push(format!("a block of {at}"));
        }
        for ((space, key), value) in &machine.disk.rows {
            let is_carrier = matches!(space, Space::Op | Space::Part | Space::Fork);
            let said = is_carrier
                && Carrier::read(&(*space, key.clone()), &machine.disk)
                    .unwrap()
                    .is_some_and(|carrier| carrier.said.iter().any(|said| holds(&said.change.1, needle)));
            if said || holds(value, needle) || cell_says(machine, value, needle) {
                found.push(format!("a row of {space:?} of {at}"));
            }
        }
        for cell in machine.disk.queues.values() {
            if cell_says(machine, cell, needle) {
                found.push(format!("the queue of {at}"));
            }
        }
    }
    for cell in &world.relay.cells {
        let id = caro_link::proof::cell_id(cell);
        if !world.relay.gone.contains(&id) && cell_says(&world.machines[0], cell, needle) {
            found.push("the relay".to_owned());
        }
    }
    found
}

/// One that comes when everything is done, and has only the relay to learn from.
pub(super) fn late(world: &mut World) -> usize {
    // Of another seed than the others, or it would be one of them.
    world.machines.push(Machine::new(99));
    let at = world.machines.len() - 1;
    world.join(at);
    world.settle();
    at
}

#[test]
fn trap_20_a_live_command_is_in_no_op_and_in_no_cell_after_it_was_deleted() {
    let mut world = World::joined(2);
    let id = world.record(0, "export TOKEN=canary");
    world.record(1, "ls");
    world.settle();
    assert!(!found(&world, "canary").is_empty(), "the search finds what is there");
    // Not by its author.
    world.delete(1, id);
    world.settle();
    assert_eq!(found(&world, "canary"), [""; 0]);
    let at = late(&mut world);
    world.assert_converged();
    assert_eq!(world.machines[at].commands(), ["ls"]);
}

#[test]
fn trap_20_of_a_large_op_only_what_was_deleted_goes_and_a_newcomer_has_all_the_rest() {
    let mut world = World::joined(2);
    let ids = import(&mut world, 0, "imported", 3_000);
    import(&mut world, 0, "canary", 1);
    world.settle();
    let canary = RecordId(blake3::hash(b"canary 0;").as_bytes()[..16].try_into().unwrap());
    world.delete(1, canary);
    world.delete(1, ids[7]);
    world.settle();
    assert_eq!(found(&world, "canary"), [""; 0]);
    assert_eq!(found(&world, "imported 7;"), [""; 0]);
    let at = late(&mut world);
    world.assert_converged();
    assert_eq!(world.machines[at].history.len(), 2_999);
    for machine in &world.machines {
        assert_eq!(machine.device.verify(&machine.disk).unwrap().wrong, []);
    }
}

#[test]
fn trap_20_a_full_part_of_a_device_that_never_comes_back_is_emptied_too() {
    let mut world = World::joined(2);
    let set = Set { category: "alias".into(), key: "ll".into(), value: Some(b"ls -l".to_vec().into()) };
    let now_ms = world.now_ms;
    world.machines[0].decide(now_ms, |device, _, _, env| device.set(set, env).unwrap().unwrap());
    let mut ids = Vec::new();
    for n in 0..30 {
        world.now_ms += 1_000;
        ids.push(world.record(0, &format!("secret-{n} of a lost laptop")));
        world.settle();
    }
    assert!(world.machines[1].disk.count(Space::Part) > 0);
    world.machines[0].online = false;
    world.settle();
    world.delete(1, ids[2]);
    world.settle();
    // The lost one still has it; nobody else.
    world.machines.remove(0);
    assert_eq!(found(&world, "secret-2 "), [""; 0]);
    let at = late(&mut world);
    world.assert_converged();
    assert_eq!(world.machines[at].history.len(), 29);
    let alias = |at: usize| {
        let account = world.machines[at].device.account().unwrap();
        account.shared().get("alias", "ll").map(<[u8]>::to_vec)
    };
    assert_eq!(alias(at).as_deref(), Some(&b"ls -l"[..]), "what else was in the part is said again");
}

#[test]
fn trap_20_what_waits_for_a_relay_is_not_sent_any_more_once_it_is_deleted() {
    let mut world = World::joined(2);
    world.machines[0].online = false;
    let id = world.record(0, "typed and regretted offline: canary");
    world.settle();
    assert!(!world.machines[0].disk.queues.is_empty());
    world.delete(0, id);
    world.settle();
    assert_eq!(found(&world, "canary"), [""; 0]);
    world.machines[0].online = true;
    world.settle();
    world.assert_converged();
    assert_eq!(found(&world, "canary"), [""; 0]);
}

#[test]
fn trap_19_a_device_that_was_away_empties_its_own_and_brings_nothing_back() {
    let mut world = World::joined(3);
    let id = world.record(0, "canary");
    world.settle();
    world.machines[2].online = false;
    world.settle();
    world.delete(0, id);
    world.settle();
    world.now_ms += 30 * 86_400_000;
    world.machines[2].online = true;
    world.settle();
    assert_eq!(found(&world, "canary"), [""; 0]);
    world.assert_converged();
}

#[test]
fn trap_21_a_dictionary_run_against_the_stub_headers_gives_no_hit() {
    let mut world = World::joined(2);
    let id = world.record(0, "hunter2");
    world.settle();
    world.delete(0, id);
    world.settle();
    // Everything that is left of the op, for whoever has all keys: no hash of a guess is in it.
    let guesses = ["hunter2", "password", "hunter2\n"];
    let mut emptied = 0;
    for ((space, _), value) in &world.machines[1].disk.rows {
        let Ok(stored) = crate::oplog::Stored::decode(value) else { continue };
        let Ok(op) = stored.signed() else { continue };
        if *space != Space::Op || op.body.is_some() {
            continue;
        }
        emptied += 1;
        let (header, _) = stored.header().unwrap();
        for guess in guesses {
            let change = super::super::record::put(&record(id, guess, world.now_ms));
            let packed = payload::pack(&caro_schema::op::Payload { changes: vec![change] });
            for salt in [[0; 32], header.prev.0, header.payload_commit.0] {
                assert_ne!(caro_link::proof::payload_commit(&salt, &packed), header.payload_commit);
            }
            assert_ne!(header.payload_commit.0, *blake3::hash(&packed).as_bytes());
            assert!(!value.windows(32).any(|part| part == blake3::hash(guess.as_bytes()).as_bytes()));
        }
    }
    assert!(emptied > 0);
}

#[test]
fn trap_13_a_crash_at_any_turn_while_ops_are_emptied_loses_nothing_and_leaves_nothing() {
    for crash_at in [1, 5, 11] {
        let mut world = World::joined(2);
        let ids = import(&mut world, 0, "canary", 40);
        import(&mut world, 0, "kept", 40);
        world.settle();
        world.delete(1, ids[3]);
        for _ in 0..crash_at {
            world.turn();
        }
        for machine in &mut world.machines {
            machine.crash();
        }
        world.settle();
        world.now_ms += 10_000;
        world.settle();
        assert_eq!(found(&world, "canary 3;"), [""; 0], "{crash_at}");
        let at = late(&mut world);
        world.assert_converged();
        assert_eq!(world.machines[at].history.len(), 79, "crash at {crash_at}");
    }
}

/// Whoever deletes what and whenever, in whatever op it is, a newcomer has what is left and nothing of what is not.
#[test]
fn ds001_what_is_left_is_everywhere_and_what_was_deleted_is_nowhere() {
    for seed in 0..2u64 {
        let mut random = {
            let mut state = seed;
            move |below: usize| {
                state += 1;
                let hash = blake3::hash(&[&b"choice"[..], &(seed << 32 | state).to_be_bytes()].concat());
                usize::from(hash.as_bytes()[0]) % below
            }
        };
        let mut world = World::joined(3);
        let mut ids = import(&mut world, 0, "bulk", 6);
        for n in 0..6 {
            ids.push(world.record(n % 3, &format!("live {n};")));
            world.now_ms += 200;
        }
        let mut deleted = std::collections::BTreeSet::new();
        for _ in 0..random(9) {
            let (at, which) = (random(3), random(12));
            world.machines[at].online = random(3) > 0;
            if world.machines[at].history.contains(&ids[which]) {
                world.delete(at, ids[which]);
                deleted.insert(which);
            }
            for _ in 0..random(12) {
                world.turn();
            }
            world.now_ms += 700;
        }
        for machine in &mut world.machines {
            machine.online = true;
        }
        world.settle();
        world.now_ms += 10_000;
        world.settle();
        world.assert_converged();
        for which in &deleted {
            let text = if *which < 6 { format!("bulk {which};") } else { format!("live {};", which - 6) };
            assert_eq!(found(&world, &text), [""; 0], "seed {seed}");
        }
        let at = late(&mut world);
        world.assert_converged();
        assert_eq!(world.machines[at].history.len(), 12 - deleted.len(), "seed {seed}");
    }
}
