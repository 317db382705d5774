//! Invariant 1: every command that was recorded is on every device, and every cell that was acknowledged is at its relay.

use std::collections::BTreeSet;

use caro_schema::id::CellId;

use crate::world::{World, id_of};

/// Nothing that was recorded or acknowledged is gone.
///
/// # Panics
/// When something is.
pub fn assert_no_data_loss(world: &World) {
    for (id, record) in world.recorded() {
        let lacks = |at: &usize| {
            let history = &world.machines[*at].history;
            !history.contains(&id) && !history.is_deleted(&id)
        };
        let lacking: Vec<usize> = (0..world.machines.len()).filter(lacks).collect();
        let text = String::from_utf8_lossy(&record.command[..record.command.len().min(40)]).into_owned();
        assert!(lacking.is_empty(), "no data loss: {text:?} is not on devices {lacking:?}");
    }
    for relay in 0..world.relays.len() {
        let held: BTreeSet<CellId> = world.entries(relay).iter().map(id_of).collect();
        let lost = world.relays[relay].acknowledged.keys().filter(|cell| !held.contains(cell)).count();
        assert!(lost == 0, "no data loss: {lost} acknowledged cells are not at relay {relay}");
        let moved = world.relays[relay].moved;
        assert!(moved == 0, "no data loss: relay {relay} gave {moved} cells a second cursor");
    }
}

/// A cell is in the log of a relay.
///
/// # Panics
/// When it is not.
pub fn assert_blob_present(world: &World, relay: usize, cell: &CellId) {
    assert!(world.entries(relay).iter().any(|entry| id_of(entry) == *cell), "a cell is not at relay {relay}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::fails;

    #[test]
    fn a_lost_command_is_noticed() {
        let mut world = World::joined(2, 2, None);
        let id = world.record(0, "canary one");
        world.settle();
        assert!(!fails(assert_no_data_loss, &world));
        let record = world.machines[0].recorded[&id].clone();
        let mut other = World::joined(2, 3, None);
        other.machines[0].recorded.insert(id, record);
        assert!(fails(assert_no_data_loss, &other));
    }

    #[test]
    fn a_lost_cell_is_noticed() {
        let mut world = World::joined(2, 2, None);
        world.record(0, "canary one");
        world.settle();
        let cell = *world.held().last().expect("one");
        assert_blob_present(&world, 0, &cell);
        world.relays[0].acknowledged.insert(CellId([9; 32]), 1);
        assert!(fails(assert_no_data_loss, &world));
        assert!(fails(|world| assert_blob_present(world, 0, &CellId([9; 32])), &world));
    }
}
