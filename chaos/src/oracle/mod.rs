//! What must be true at the end of every scenario, whatever was broken.

use std::collections::BTreeSet;

use caro_core::step::Space;
use caro_link::proof;

use crate::world::World;

/// All of them. The world has settled, and nothing is broken any more.
///
/// # Panics
/// When one does not hold, with its name.
pub fn check(world: &World) {
    no_data_loss(world);
    no_doubles(world);
    converged(world);
    no_plaintext_at_the_relay(world);
    nothing_left_over(world);
}

/// Invariant 1: every command that a device said is recorded is on every device, and every cell that was acknowledged is
/// at the relay.
pub fn no_data_loss(world: &World) {
    for (id, command) in world.recorded() {
        for (at, machine) in world.machines.iter().enumerate() {
            let there = machine.history.contains(&id) || machine.history.is_deleted(&id);
            assert!(there, "no data loss: {command:?} is not on device {at}");
        }
    }
    let held: BTreeSet<_> = world.held().into_iter().collect();
    let lost = world.relay.acknowledged.iter().filter(|cell| !held.contains(cell)).count();
    assert!(lost == 0, "no data loss: {lost} acknowledged cells are not at the relay");
}

/// Invariant 2, the part of it that a history shows: nothing is there twice, and nothing that nobody recorded.
pub fn no_doubles(world: &World) {
    let recorded = world.recorded();
    for (at, machine) in world.machines.iter().enumerate() {
        let alive = recorded.keys().filter(|id| !machine.history.is_deleted(id)).count();
        assert!(
            machine.history.len() == alive,
            "no corruption: device {at} has {} records, not {alive}",
            machine.history.len()
        );
        for record in machine.history.newest() {
            let expected = recorded.get(&record.id).map(String::as_bytes);
            assert!(
                expected == Some(&record.command[..]),
                "no corruption: a record on device {at} is another than was recorded"
            );
        }
    }
    let held = world.held();
    let distinct: BTreeSet<_> = held.iter().collect();
    assert!(distinct.len() == held.len(), "no corruption: a cell is at the relay twice");
}

/// Invariant 4: version vectors and histories are equal, in memory and on disk.
pub fn converged(world: &World) {
    let first = &world.machines[0];
    for (at, machine) in world.machines.iter().enumerate() {
        assert!(machine.history.digest() == first.history.digest(), "convergence: device {at} has another history");
        assert!(
            machine.disk.history().digest() == first.history.digest(),
            "convergence: the disk of device {at} differs"
        );
        let vector =
            |machine: &crate::machine::Machine| machine.device.account().map(|account| account.vector().clone());
        assert!(vector(machine) == vector(first), "convergence: device {at} has another version vector");
    }
}

/// Invariant 3: nothing of what was typed, nor any name, is in what the relay holds.
pub fn no_plaintext_at_the_relay(world: &World) {
    for cell in world.relay.cells(&world.handle()) {
        for canary in canaries(b"canary") {
            assert!(
                !cell.windows(canary.len()).any(|window| window == canary),
                "no plaintext: a canary is at the relay"
            );
        }
        assert!(cell.is_empty() || cell.len().is_power_of_two(), "no plaintext: a cell shows its size");
    }
}

/// A word in the forms in which it could leak.
fn canaries(word: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = word.iter().map(|byte| format!("{byte:02x}")).collect();
    let wide = word.iter().flat_map(|byte| [*byte, 0]).collect();
    vec![word.to_vec(), hex.into_bytes(), wide]
}

/// Nothing waits, nothing is in quarantine, and the relay has one session for each device that is connected.
pub fn nothing_left_over(world: &World) {
    for (at, machine) in world.machines.iter().enumerate() {
        assert!(machine.disk.queued() == 0, "left over: device {at} still has {} cells to send", machine.disk.queued());
        assert!(machine.disk.count(Space::Quarantine) == 0, "left over: device {at} has cells in quarantine");
        let status = machine.device.account().expect("in the account").status(|_| None);
        assert!(status.refused == 0, "left over: device {at} refused {} things of an honest relay", status.refused);
    }
    let connected = (0..world.machines.len()).filter(|at| world.is_connected(*at)).count();
    assert!(
        world.relay.session_count() == connected,
        "left over: {} sessions for {connected} devices",
        world.relay.session_count()
    );
}

/// Each author's ops are in the log in their order: the relay's cursors are contiguous, and a cell's id is its hash.
pub fn log_is_in_order(world: &World) {
    for cell in world.relay.cells(&world.handle()) {
        assert!(!cell.is_empty() && proof::cell_id(&cell).0 != [0; 32]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(check: fn(&World), world: &World) -> bool {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(world))).is_err()
    }

    #[test]
    fn every_oracle_holds_in_a_world_where_nothing_broke() {
        let mut world = World::joined(2, 1, None);
        world.record(0, "canary one");
        world.settle();
        check(&world);
    }

    #[test]
    fn a_lost_command_is_noticed() {
        let mut world = World::joined(2, 2, None);
        let id = world.record(0, "canary one");
        world.settle();
        let mut other = World::joined(2, 3, None);
        other.machines[0].recorded.insert(id, "canary one".to_owned());
        assert!(fails(no_data_loss, &other));
        assert!(!fails(no_data_loss, &world));
    }

    #[test]
    fn a_difference_is_noticed() {
        let mut world = World::joined(2, 4, None);
        world.links[0].up = false;
        world.record(0, "canary one");
        assert!(fails(converged, &world));
        assert!(fails(nothing_left_over, &world) || world.machines[0].disk.queued() == 0);
    }

    #[test]
    fn an_alien_record_is_noticed() {
        let mut world = World::joined(2, 5, None);
        let id = world.record(0, "canary one");
        world.settle();
        world.machines[0].recorded.insert(id, "canary two".to_owned());
        assert!(fails(no_doubles, &world));
    }

    #[test]
    fn a_canary_is_found_in_each_of_its_forms() {
        for form in canaries(b"word") {
            let text = [&b"before"[..], &form, b"after"].concat();
            assert!(canaries(b"word").iter().any(|canary| text.windows(canary.len()).any(|window| window == canary)));
        }
    }
}
