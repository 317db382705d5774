//! Invariant 2, the part of it that shows from outside: nothing is anywhere that nobody recorded, nothing is there twice,
//! and every byte is as it was recorded.

use std::collections::BTreeSet;

use caro_schema::id::CellId;

use crate::world::{World, id_of};

/// What is there is what was recorded.
///
/// # Panics
/// When it is not.
pub fn assert_no_corruption(world: &World) {
    let recorded = world.recorded();
    for (at, machine) in world.machines.iter().enumerate() {
        let alive = recorded.keys().filter(|id| !machine.history.is_deleted(id)).count();
        let have = machine.history.len();
        assert!(have == alive, "no corruption: device {at} has {have} records, not {alive}");
        for record in machine.history.newest() {
            let same = recorded.get(&record.id).is_some_and(|expected| *expected == record);
            assert!(same, "no corruption: a record on device {at} is another than was recorded");
        }
    }
    for relay in 0..world.relays.len() {
        let held: Vec<CellId> = world.entries(relay).iter().map(id_of).collect();
        let distinct: BTreeSet<&CellId> = held.iter().collect();
        assert!(distinct.len() == held.len(), "no corruption: a cell is at relay {relay} twice");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::fails;

    #[test]
    fn a_record_that_differs_in_any_field_is_noticed() {
        let mut world = World::joined(2, 5, None);
        let id = world.record(0, "canary one");
        world.settle();
        assert!(!fails(assert_no_corruption, &world));
        let kept = world.machines[0].recorded[&id].clone();
        let changes: [fn(&mut caro_schema::body::history::Record); 3] =
            [|it| it.command.push(b' '), |it| it.directory.clear(), |it| it.exit = Some(1)];
        for change in changes {
            let mut other = kept.clone();
            change(&mut other);
            world.machines[0].recorded.insert(id, other);
            assert!(fails(assert_no_corruption, &world));
        }
    }

    #[test]
    fn a_record_that_nobody_recorded_is_noticed() {
        let mut world = World::joined(2, 6, None);
        let id = world.record(0, "canary one");
        world.settle();
        world.machines[0].recorded.remove(&id);
        assert!(fails(assert_no_corruption, &world));
    }
}
