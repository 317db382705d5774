//! A home that was copied, and one copy wrote more than the other. What everybody wrote is everywhere: also what follows the
//! branch that leads no further, for a device that comes late, and at a relay that had nothing of it.

use caro_schema::id::{DeviceId, Generation, RecordId};

use super::world::{Machine, Relay, World};
use crate::{oplog::Tip, step::Space};

/// Machine 0 and its copy, machine 3, of which one wrote ten ops and the other one two; and two that hear of it.
struct Forked {
    world: World,
    /// Whose chain it is.
    author: DeviceId,
    /// How many ops it wrote before it was copied.
    before: u64,
    /// How many cells the relay had before it was given the longer branch, and before it was given the shorter one.
    before_the_long: usize,
    before_the_short: usize,
    /// A command in the middle of the longer branch, and one of its first half.
    long: [RecordId; 2],
}

/// Commands of all four.
const COMMANDS: usize = 13;

impl Forked {
    /// With the branch leading on that is wanted. Ids decide that, so it is tried until it is so.
    fn new(short_leads: bool) -> Self {
        for round in 0..32 {
            let forked = Self::attempt(round, if round % 2 == 0 { 0 } else { 3 });
            if forked.short_leads() == short_leads {
                return forked;
            }
        }
        panic!("one branch leads on each time");
    }

    fn attempt(round: usize, long: usize) -> Self {
        let short = 3 - long;
        let mut world = World::joined(3);
        world.copy_home(0);
        world.set_compaction(u64::MAX);
        let account = world.machines[0].device.account().unwrap();
        let (author, before) = (account.device_id(), account.vector().seq(&account.device_id()));
        world.machines[short].online = false;
        let before_the_long = world.relay.cells.len();
        let mut ids = Vec::new();
        for n in 0..10 {
            if n == 5 {
                // The others have heard half of it, and one of them has written after that.
                world.record(1, &format!("{round}: after the fifth"));
                world.settle();
                world.machines[long].online = false;
            }
            ids.push(world.record(long, &format!("{round}: long {n}")));
            world.settle();
        }
        for n in 0..2 {
            world.record(short, &format!("{round}: short {n}"));
            world.settle();
        }
        let before_the_short = world.relay.cells.len();
        world.machines[short].online = true;
        world.settle();
        world.machines[long].online = true;
        world.settle();
        Self { world, author, before, before_the_long, before_the_short, long: [ids[7], ids[3]] }
    }

    fn short_leads(&self) -> bool {
        self.tip(1).is_some_and(|tip| tip.seq < self.before + 5)
    }

    fn tip(&self, at: usize) -> Option<Tip> {
        self.world.machines[at].device.account().unwrap().vector().tip(&self.author)
    }

    /// Everybody has so many commands, agrees on the chain, and nothing is wrong or waits.
    fn assert_whole(&self, commands: usize) {
        self.world.assert_converged();
        for (at, machine) in self.world.machines.iter().enumerate() {
            assert_eq!(machine.commands().len(), commands, "machine {at}");
            assert_eq!(self.tip(at), self.tip(1), "machine {at}");
            assert_eq!(machine.device.verify(&machine.disk).unwrap().wrong, [], "machine {at}");
        }
    }

    /// One more machine, that has only the relay to learn from.
    fn newcomer(&mut self, seed: u64) -> usize {
        self.world.machines.push(Machine::new(seed));
        let at = self.world.machines.len() - 1;
        self.world.join(at);
        // One that lacks something asks for it for ever.
        for _ in 0..500 {
            if !self.world.turn() {
                break;
            }
        }
        at
    }

    /// The relay comes to harm while nobody is connected, and of all machines two come to it again: the two copies are
    /// never heard of.
    fn after_harm(&mut self, harm: impl FnOnce(&mut Relay)) {
        for machine in &mut self.world.machines {
            machine.online = false;
        }
        self.world.settle();
        harm(&mut self.world.relay);
        for at in [1, 2] {
            self.world.machines[at].online = true;
        }
        self.world.settle();
    }
}

#[test]
fn trap_15_what_follows_the_branch_that_leads_no_further_is_everywhere() {
    for short_leads in [true, false] {
        let mut forked = Forked::new(short_leads);
        forked.assert_whole(COMMANDS);
        forked.newcomer(99);
        forked.assert_whole(COMMANDS);
    }
}

#[test]
fn trap_15_in_whatever_order_a_newcomer_reads_it_has_all_and_the_same_chain() {
    for short_leads in [true, false] {
        let mut forked = Forked::new(short_leads);
        for machine in &mut forked.world.machines {
            machine.online = false;
        }
        forked.world.settle();
        let cells = forked.world.relay.cells.clone();
        for order in 0..12 {
            forked.world.relay.cells = shuffled(&cells, order);
            let at = forked.newcomer(200 + order);
            let machine = &forked.world.machines[at];
            assert_eq!(machine.commands().len(), COMMANDS, "order {order}");
            assert_eq!(machine.disk.count(Space::Quarantine), 0, "order {order}");
            assert_eq!(forked.tip(at), forked.tip(1), "order {order}");
            forked.world.machines.pop();
        }
    }
}

#[test]
fn trap_15_an_op_that_came_before_the_one_it_follows_comes_onto_the_chain_with_it() {
    let mut forked = Forked::new(false);
    for machine in &mut forked.world.machines {
        machine.online = false;
    }
    forked.world.settle();
    // The shorter branch, and of the longer one the third op before the first two.
    let cells = forked.world.relay.cells.clone();
    let (long, short) = (forked.before_the_long, forked.before_the_short);
    let (before, others) = (&cells[..long], &cells[short + 2..]);
    let branches = [&cells[short..short + 2], &cells[long + 2..long + 3], &cells[long..long + 2]];
    let rest = &cells[long + 3..short];
    forked.world.relay.cells = [before, branches[0], branches[1], branches[2], rest, others].concat();
    let at = forked.newcomer(99);
    assert_eq!(forked.world.machines[at].commands().len(), COMMANDS);
    assert_eq!(forked.tip(at), forked.tip(1));
}

/// The same cells in another order. The first one is from the end to the beginning.
fn shuffled(cells: &[Vec<u8>], order: u64) -> Vec<Vec<u8>> {
    let mut cells = cells.to_vec();
    cells.reverse();
    let mut state = order;
    for at in (1..cells.len()).rev().filter(|_| order > 0) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        cells.swap(at, (state >> 33) as usize % (at + 1));
    }
    cells
}

#[test]
fn trap_15_a_relay_that_lost_everything_is_given_both_branches() {
    for short_leads in [true, false] {
        let mut forked = Forked::new(short_leads);
        forked.after_harm(Relay::lose_everything);
        forked.newcomer(99);
        forked.assert_whole(COMMANDS);
    }
}

#[test]
fn trap_15_a_relay_that_has_one_branch_is_given_the_other_although_the_numbers_are_the_same() {
    for short_leads in [true, false] {
        let mut forked = Forked::new(short_leads);
        let kept = forked.before_the_short;
        forked.after_harm(|relay| {
            relay.cells.truncate(kept);
            relay.generation = Generation([7; 16]);
        });
        forked.newcomer(99);
        forked.assert_whole(COMMANDS);
    }
}

#[test]
fn trap_20_what_follows_an_emptied_op_of_a_branch_that_leads_no_further_is_everywhere() {
    let mut forked = Forked::new(true);
    let world = &mut forked.world;
    for id in forked.long {
        world.delete(1, id);
        world.settle();
    }
    forked.newcomer(98);
    forked.assert_whole(COMMANDS - 2);
    forked.after_harm(Relay::lose_everything);
    forked.newcomer(99);
    forked.assert_whole(COMMANDS - 2);
}
