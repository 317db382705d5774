//! Each author's ops stand in a relay's log in the order in which they were made, without a gap: what a device that reads
//! from the beginning depends on.

use std::collections::BTreeMap;

use caro_core::{device::Account, vault::open::open_any};
use caro_link::proof;
use caro_schema::{cell::CellClass, id::DeviceId, op::SignedOp, relay::Entry};

use crate::world::World;

/// The log of every relay has each author's ops in their order.
///
/// # Panics
/// When it does not.
pub fn assert_authors_in_order(world: &World) {
    let Some(account) = world.machines[0].device.account() else { return };
    for relay in 0..world.relays.len() {
        if world.relays[relay].lives > 1 {
            // What it lacked was offered again, after what was written since: devices hold that until the rest has come.
            continue;
        }
        let mut last: BTreeMap<DeviceId, u64> = BTreeMap::new();
        let mut purged = false;
        for entry in world.entries(relay) {
            let Entry::Cell(cell) = entry else {
                // What is gone may have been anybody's next one.
                purged = true;
                continue;
            };
            let Some(Found { class, author, seq, is_emptied }) = find(account, &cell) else { continue };
            let before = last.get(&author).copied().unwrap_or(0);
            last.insert(author, seq.max(before));
            // With several relays an op may be brought to one of them by more than its author. The parts of a snapshot
            // share the number of its list. An op that carried what was deleted stands there once more, emptied.
            let again = (world.relays.len() > 1 || class == CellClass::Snapshot || is_emptied) && seq <= before;
            let follows = again || if purged { seq > before } else { seq == before + 1 };
            assert!(follows, "order: number {seq} of an author comes after its {before} at relay {relay}");
        }
    }
}

/// Who made the op in a cell, and its number; none for what is no op.
pub fn author_and_number(account: &Account, cell: &[u8]) -> Option<(DeviceId, u64)> {
    find(account, cell).map(|found| (found.author, found.seq))
}

/// An op in a cell.
struct Found {
    class: CellClass,
    author: DeviceId,
    seq: u64,
    is_emptied: bool,
}

fn find(account: &Account, cell: &[u8]) -> Option<Found> {
    let (class, plain) = open_any(account.vault().keys(), &account.dataset(), cell).ok()?;
    if class == CellClass::KeyLog {
        return None;
    }
    let op = SignedOp::decode(&plain).ok()?;
    let (header, _) = proof::verify_op(&op).ok()?;
    Some(Found { class, author: header.author, seq: header.seq, is_emptied: op.body.is_none() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::fails;

    #[test]
    fn ops_in_another_order_are_noticed() {
        let mut world = World::joined(2, 4, None);
        for n in 0..3 {
            world.record(0, &format!("canary {n}"));
            world.settle();
        }
        assert!(!fails(assert_authors_in_order, &world));
        // A log without one of its cells: what follows it is out of order.
        let cells: Vec<Vec<u8>> = world
            .entries(0)
            .into_iter()
            .filter_map(|entry| match entry {
                Entry::Cell(cell) => Some(cell.into_vec()),
                Entry::Own(_) | Entry::Gone(_) => None,
            })
            .collect();
        let account = world.machines[0].device.account().expect("a member");
        let numbers: Vec<u64> =
            cells.iter().filter_map(|cell| author_and_number(account, cell)).map(|(_, seq)| seq).collect();
        assert!(numbers.len() >= 3, "{numbers:?}");
        world.shuffle_log(0, |cells| drop(cells.remove(cells.len() - 2)));
        assert!(fails(assert_authors_in_order, &world));
    }
}
