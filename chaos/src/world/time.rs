//! What happens next. Everything that can happen now does, in a fixed order; then the clock moves to the next thing.

use super::World;
use crate::{machine::Fate, net::Passes};

/// Virtual time after which a world that should have come to rest has not.
const SETTLE_MS_MAX: u64 = 3_600_000;

/// Timers that are further away than this belong to another day: attests, snapshots.
const SOON_MS: u64 = 1_000;

/// Pause before a device tries again what its disk did not take.
const STUCK_MS: u64 = 1_000;

impl World {
    /// Lets everything happen until nothing is left to do.
    ///
    /// # Panics
    /// When there still is after an hour.
    pub fn settle(&mut self) {
        let deadline = self.now_ms + SETTLE_MS_MAX;
        loop {
            while self.act() {}
            if self.is_idle() {
                return;
            }
            assert!(self.now_ms < deadline, "an hour has passed and there is still something to do");
            if !self.move_clock(deadline) {
                return;
            }
        }
    }

    /// Lets so many milliseconds pass.
    pub fn pass(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        loop {
            while self.act() {}
            if !self.move_clock(until) {
                self.now_ms = until;
                return;
            }
        }
    }

    /// Lets time pass until something is so. Gives how long it took.
    ///
    /// # Panics
    /// When it is not so within `most_ms`.
    pub fn pass_until(&mut self, what: &str, most_ms: u64, mut is_so: impl FnMut(&Self) -> bool) -> u64 {
        let begun = self.now_ms;
        loop {
            while self.act() {}
            if is_so(self) {
                return self.now_ms - begun;
            }
            let moved = self.move_clock(begun + most_ms);
            assert!(moved, "{what}: not within {most_ms} ms");
        }
    }

    /// One round of everything that can happen now, or one step of the clock. False when nothing ever will happen.
    pub fn turn(&mut self) -> bool {
        self.act() || self.move_clock(u64::MAX)
    }

    /// One round of everything that can happen now. False when nothing can.
    fn act(&mut self) -> bool {
        let mut busy = false;
        for at in 0..self.machines.len() {
            busy |= self.read_spool(at);
            busy |= self.run_timer(at);
            for relay in 0..self.relays.len() {
                busy |= self.drive(at, relay);
                busy |= self.send(at, relay);
                busy |= self.deliver(at, relay);
            }
        }
        for relay in 0..self.relays.len() {
            busy |= self.relays[relay].is_up && self.relay_works(relay);
        }
        busy
    }

    /// Moves the clock to the next thing, if that is not after `until`.
    fn move_clock(&mut self, until: u64) -> bool {
        let Some(next) = self.next_ms().filter(|next| *next <= until) else { return false };
        self.now_ms = self.now_ms.max(next);
        for relay in &mut self.relays {
            if relay.wake_at_ms().is_some_and(|due| due <= self.now_ms) {
                relay.time(self.now_ms);
            }
        }
        true
    }

    /// When the next thing happens.
    fn next_ms(&self) -> Option<u64> {
        let mut next: Option<u64> = None;
        let mut at_latest = |due: Option<u64>| next = next.into_iter().chain(due).min();
        for (at, machine) in self.machines.iter().enumerate() {
            if machine.is_stuck() {
                at_latest(Some(self.now_ms + STUCK_MS));
            } else if !machine.asleep {
                at_latest(machine.wake_at_ms());
            }
            for relay in 0..self.relays.len() {
                at_latest(self.driver_wakes_ms(at, relay));
                at_latest(self.next_arrival_ms(at, relay));
            }
        }
        for relay in &self.relays {
            // Deadlines count when they have passed, not when they are reached.
            at_latest(relay.wake_at_ms().map(|due| due + 1));
        }
        next.map(|next| next.max(self.now_ms + 1))
    }

    fn next_arrival_ms(&self, at: usize, relay: usize) -> Option<u64> {
        let connection = self.connection(at, relay)?;
        if self.links[at][relay].passes != Passes::Everything {
            return None;
        }
        let up = connection.up.front().filter(|_| !connection.relay_gone);
        let down = connection.down.front().filter(|_| !self.machines[at].asleep);
        up.into_iter().chain(down).map(|parcel| parcel.arrives_ms).min()
    }

    /// Whether nothing is left to do but to wait.
    fn is_idle(&self) -> bool {
        let relays = self.relays.iter().all(|relay| !relay.is_busy() && relay.closing.is_empty());
        relays && (0..self.machines.len()).all(|at| self.machines[at].asleep || self.is_at_rest(at))
    }

    fn is_at_rest(&self, at: usize) -> bool {
        let machine = &self.machines[at];
        let made = machine
            .device
            .account()
            .is_none_or(|account| account.is_sealed_up_to(machine.clock.read(self.now_ms) + SOON_MS));
        let due = machine.wake_at_ms().is_some_and(|due| due <= self.now_ms + SOON_MS);
        if !machine.spool.is_empty() || machine.is_stuck() || !made || due {
            return false;
        }
        (0..self.relays.len()).all(|relay| {
            let passes = self.links[at][relay].passes == Passes::Everything && self.relays[relay].is_up;
            let nothing_travels = self.next_arrival_ms(at, relay).is_none();
            let there = self.is_connected_to(at, relay) || !self.wants(at, relay);
            !passes || (nothing_travels && there)
        })
    }

    fn run_timer(&mut self, at: usize) -> bool {
        let now_ms = self.now_ms;
        let machine = &mut self.machines[at];
        if machine.asleep {
            return false;
        }
        if machine.is_stuck() {
            return self.unstick(at);
        }
        machine.device.note_clock(machine.clock.read(now_ms));
        if machine.device.wake_at_ms().is_none_or(|due| due > machine.clock.read(now_ms)) {
            return false;
        }
        let fate = machine.decide(now_ms, |device, history, disk, env| device.handle_timer(history, disk, env));
        self.follow(at, fate);
        true
    }

    fn unstick(&mut self, at: usize) -> bool {
        if self.stuck_until[at] > self.now_ms {
            return false;
        }
        self.stuck_until[at] = self.now_ms + STUCK_MS;
        let fate = self.machines[at].unstick();
        if fate != Fate::Stuck {
            self.follow(at, fate);
        }
        true
    }
}
