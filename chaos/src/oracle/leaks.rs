//! Nothing is left over: no cell waits, none is in quarantine, nothing was refused of an honest relay, and a relay has as
//! many sessions as devices are connected.

use caro_core::step::Space;

use crate::world::World;

/// Everything is back where it was.
///
/// # Panics
/// When it is not.
pub fn assert_no_leaks(world: &World) {
    for (at, machine) in world.machines.iter().enumerate() {
        let queued = machine.disk.queued();
        assert!(queued == 0, "left over: device {at} still has {queued} cells to send");
        assert!(machine.disk.count(Space::Quarantine) == 0, "left over: device {at} has cells in quarantine");
        assert!(machine.spool.is_empty(), "left over: device {at} has not read its spool");
        let status = machine.device.account().expect("in the account").status(|_| None);
        assert!(status.refused == 0, "left over: device {at} refused {} things of an honest relay", status.refused);
    }
    for (relay, it) in world.relays.iter().enumerate() {
        let connected = (0..world.machines.len()).filter(|at| world.is_connected_to(*at, relay)).count();
        let sessions = it.session_count();
        assert!(sessions == connected, "left over: relay {relay} has {sessions} sessions for {connected} devices");
        assert!(it.pending_count() == 0, "left over: relay {relay} owes answers");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{oracle::fails, sabotage::Sabotage};

    #[test]
    fn what_waits_is_noticed() {
        let mut world = World::joined(2, 4, None);
        assert!(!fails(assert_no_leaks, &world));
        world.unplug(0);
        world.record(0, "canary one");
        world.pass(1_000);
        assert!(fails(assert_no_leaks, &world));
    }

    #[test]
    fn a_session_that_nobody_has_is_noticed() {
        let mut world = World::joined(2, 4, Some(Sabotage::LeakSession));
        world.unplug(0);
        assert!(fails(assert_no_leaks, &world));
    }
}
