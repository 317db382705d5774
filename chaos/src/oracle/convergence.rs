//! Invariant 4: version vectors, heads and histories are equal on all devices, in memory and on disk.

use crate::{machine::Machine, world::World};

/// All devices have the same ops of every author.
///
/// # Panics
/// When they do not.
pub fn assert_version_vectors_converged(world: &World) {
    let vector = |machine: &Machine| machine.device.account().map(|account| account.vector().clone());
    let first = vector(&world.machines[0]);
    for (at, machine) in world.machines.iter().enumerate() {
        assert!(vector(machine) == first, "convergence: device {at} has another version vector");
    }
}

/// All devices have the same history and the same deletions, in memory and on disk.
///
/// # Panics
/// When they do not.
pub fn assert_state_converged(world: &World) {
    let first = world.machines[0].history.digest();
    for (at, machine) in world.machines.iter().enumerate() {
        assert!(machine.history.digest() == first, "convergence: device {at} has another history");
        assert!(machine.disk.history().digest() == first, "convergence: the disk of device {at} differs");
    }
}

/// Whether two devices have the same history and the same ops: what the two above compare.
pub fn states_are_equal(one: &Machine, other: &Machine) -> bool {
    let vector = |machine: &Machine| machine.device.account().map(|account| account.vector().clone());
    one.history.digest() == other.history.digest() && vector(one) == vector(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::fails;

    #[test]
    fn a_difference_is_noticed() {
        let mut world = World::joined(2, 4, None);
        assert!(!fails(assert_state_converged, &world));
        assert!(!fails(assert_version_vectors_converged, &world));
        assert!(states_are_equal(&world.machines[0], &world.machines[1]));
        world.unplug(0);
        world.record(0, "canary one");
        assert!(fails(assert_state_converged, &world));
        world.pass(1_000);
        assert!(fails(assert_version_vectors_converged, &world));
        assert!(!states_are_equal(&world.machines[0], &world.machines[1]));
    }
}
