//! The life of a whole account, from one seed: three to six devices, one to three relays, and everything that can happen to
//! them in any order. At the end everything is mended, and every oracle holds.
//!
//! Knows nothing of particular scenarios; those ask about one thing each. This one asks what nobody thought of.

use std::panic;

use caro_schema::id::RecordId;

use crate::{
    machine::PowerCut as DeviceCut,
    net::{Link, Loss, Passes, Way},
    oracle,
    relay::PowerCut as RelayCut,
    sabotage::Sabotage,
    scenario::words,
    seed::Seed,
    world::{World, record},
};

/// Lives it.
///
/// # Errors
/// What was not true at the end, with the line that repeats it.
pub fn live(seed: u64, sabotage: Option<Sabotage>) -> Result<(), String> {
    let life = panic::catch_unwind(move || {
        let mut life = Life::new(seed, sabotage);
        life.live();
        life.mend();
        life.world.note_state();
        oracle::check_but_order(&life.world);
    });
    let twin = sabotage.map(|missing| format!(" --without {}", missing.name())).unwrap_or_default();
    life.map_err(|cause| {
        format!("{}\n  again: cargo run -p chaos-tests -- --seeds 1 --seed {seed}{twin}", words(&*cause))
    })
}

struct Life {
    world: World,
    /// Decides what happens. The world draws from a stream of its own.
    dice: Seed,
    known: Vec<RecordId>,
    typed: u64,
}

impl Life {
    fn new(seed: u64, sabotage: Option<Sabotage>) -> Self {
        let mut dice = Seed::new(seed).fork(0x11fe);
        let (devices, relays) = (3 + dice.below(4) as usize, 1 + dice.below(3) as usize);
        let mut world = World::joined_at(devices, relays, seed, sabotage);
        // Snapshots and their purges, long before a real device would make them.
        let compacts = dice.percent(40).then(|| 6 + dice.below(30));
        for at in 0..devices {
            let rules = &mut world.machines[at].rules;
            rules.compact_after = compacts.unwrap_or(rules.compact_after);
            // A clock that is a year ahead must not make everything too old to be shared.
            rules.window_days = None;
            world.crash_device(at);
        }
        if dice.percent(15) {
            world.seal_sessions();
        }
        Self { world, dice, known: Vec::new(), typed: 0 }
    }

    fn live(&mut self) {
        for _ in 0..15 + self.dice.below(40) {
            match self.dice.below(100) {
                0..50 => self.type_something(),
                50..55 => self.delete_something(),
                55..90 => self.break_something(),
                _ => self.mend_something(),
            }
            let pause_ms = match self.dice.below(40) {
                0 => return_after_days(&mut self.world, &mut self.dice),
                1..4 => self.dice.below(120_000),
                4..16 => self.dice.below(2_000),
                _ => self.dice.below(60),
            };
            self.world.pass(pause_ms);
        }
    }

    fn device(&mut self) -> usize {
        self.dice.below(self.world.machines.len() as u64) as usize
    }

    fn relay(&mut self) -> usize {
        self.dice.below(self.world.relays.len() as u64) as usize
    }

    fn type_something(&mut self) {
        let at = self.device();
        if self.dice.percent(3) && self.world.machines[at].takes_writes() {
            let first_us = self.world.now_ms as i64 * 1000;
            let records = (0..1 + self.dice.below(30)).map(|n| {
                self.typed += 1;
                record(at, &format!("canary imported {} {n}", self.typed), first_us - n as i64)
            });
            let records: Vec<_> = records.collect();
            return self.world.import(at, records);
        }
        for _ in 0..1 + self.dice.below(3) {
            self.typed += 1;
            let id = self.world.record(at, &format!("canary {} on {at}", self.typed));
            self.known.push(id);
        }
    }

    fn delete_something(&mut self) {
        if self.known.is_empty() {
            return;
        }
        let (at, which) = (self.device(), self.dice.below(self.known.len() as u64) as usize);
        let id = self.known[which];
        // A person can only delete what is shown. When the disk is full they are told, and may try again.
        if self.world.machines[at].history.contains(&id) && self.world.delete(at, id) {
            self.known.swap_remove(which);
        }
    }

    fn break_something(&mut self) {
        let (at, relay) = (self.device(), self.relay());
        match self.dice.below(20) {
            0..3 => self.world.cut_from(at, relay),
            3 => self.world.cut_after(at, self.dice.below(12)),
            4 => self.world.silence(at),
            5 => self.world.unplug(at),
            6 => self.world.crash_device(at),
            7 => self.world.machines[at].cut_power(DeviceCut::BeforeCommit),
            8 => self.world.machines[at].cut_power(DeviceCut::BeforeSend),
            9 => self.world.crash_relay(relay),
            10 => self.world.relays[relay].cut_power(RelayCut::BeforeCommit),
            11 => self.world.relays[relay].cut_power(RelayCut::BeforeAck),
            12 => self.world.relays[relay].cut_power(RelayCut::MidAck),
            13 => self.world.stop_relay(relay),
            14 => self.world.machines[at].refuse_commits(1 + self.dice.below(20) as u32),
            15 => self.world.relays[relay].refuse_commits(1 + self.dice.below(5) as u32),
            16 => self.jump_clock(at),
            17 => self.world.sleep(at),
            18 => self.world.machines[at].dry_up(1 + self.dice.below(6) as u32),
            _ => self.spoil_link(at, relay),
        }
    }

    fn jump_clock(&mut self, at: usize) {
        const DAY_MS: i64 = 86_400_000;
        let far = [1_000, 60_000, 3_600_000, DAY_MS, 365 * DAY_MS];
        let ahead_ms = far[self.dice.below(far.len() as u64) as usize];
        self.world.set_clock(at, if self.dice.percent(50) { ahead_ms } else { -ahead_ms });
    }

    fn spoil_link(&mut self, at: usize, relay: usize) {
        let way = Way {
            delay_ms: self.dice.below(700),
            jitter_ms: self.dice.below(100),
            loss: match self.dice.below(4) {
                0 => Loss::Random(self.dice.below(25)),
                1 => Loss::Bursts(1 + self.dice.below(10)),
                _ => Loss::None,
            },
            bytes_per_second: self.dice.percent(15).then(|| 7_000 + self.dice.below(100_000)),
        };
        let link = &mut self.world.links[at][relay];
        link.both(|each| *each = way);
        link.breaks_per_thousand = self.dice.below(4) * 5;
    }

    fn mend_something(&mut self) {
        let (at, relay) = (self.device(), self.relay());
        match self.dice.below(4) {
            0 => self.world.heal(at),
            1 => self.world.wake(at),
            2 => self.world.start_relay(relay),
            _ => self.world.links[at][relay] = Link { passes: self.world.links[at][relay].passes, ..Link::default() },
        }
    }

    /// Everything works again, and there is time.
    fn mend(&mut self) {
        let world = &mut self.world;
        for relay in 0..world.relays.len() {
            world.start_relay(relay);
            world.relays[relay].refuse_commits(0);
        }
        for at in 0..world.machines.len() {
            world.machines[at].refuse_commits(0);
            world.machines[at].dry_up(0);
            world.wake(at);
            if world.links[at].iter().any(|link| link.passes != Passes::Everything) {
                world.heal(at);
            }
        }
        world.every_link(|link| *link = Link::default());
        // Twice as long as an op's author has to bring it to a relay before others do.
        world.pass(60_000);
        world.settle();
        world.pass(60_000);
        world.settle();
    }
}

/// Everybody switches off and is away for days. Gives a pause for after that.
fn return_after_days(world: &mut World, dice: &mut Seed) -> u64 {
    for at in 0..world.machines.len() {
        world.sleep(at);
    }
    world.pass(dice.below(30 * 86_400_000));
    for at in 0..world.machines.len() {
        if dice.percent(80) {
            world.wake(at);
        }
    }
    dice.below(40_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lives_of_a_few_seeds() {
        for seed in 1..=3 {
            live(seed, None).unwrap_or_else(|said| panic!("{said}"));
        }
    }

    #[test]
    fn a_life_without_a_protection_ends_badly() {
        for sabotage in [Sabotage::DropOutboxOnError, Sabotage::SkipRetry] {
            assert!((1..12).any(|seed| live(seed, Some(sabotage)).is_err()), "{}", sabotage.name());
        }
    }
}
