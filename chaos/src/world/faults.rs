//! What is broken: connections, links, processes, power, clocks.

use caro_relay::log::memory::MemoryLog;
use caro_schema::relay::Entry;

use super::World;
use crate::net::{Link, Passes};

impl World {
    /// Breaks a device's connection with the first relay, with everything that is on its way.
    pub fn cut(&mut self, at: usize) {
        self.cut_from(at, 0);
    }

    /// Breaks a device's connection with a relay, with everything that is on its way.
    pub fn cut_from(&mut self, at: usize, relay: usize) {
        self.note(|| format!("cut: device {at} and relay {relay}"));
        self.lose(at, relay);
    }

    /// From now on nothing passes between a device and any relay, and nobody is told.
    pub fn silence(&mut self, at: usize) {
        self.note(|| format!("silence around device {at}"));
        for relay in 0..self.relays.len() {
            self.links[at][relay].passes = Passes::Nothing;
        }
        self.silent_since[at] = self.now_ms;
    }

    /// From now on a device has no network, and knows.
    pub fn unplug(&mut self, at: usize) {
        self.note(|| format!("device {at} is unplugged"));
        for relay in 0..self.relays.len() {
            self.lose(at, relay);
            self.links[at][relay].passes = Passes::Refused;
        }
    }

    /// Everything passes again.
    pub fn heal(&mut self, at: usize) {
        self.note(|| format!("device {at} has a network again"));
        let silent_ms = self.now_ms - self.silent_since[at];
        for relay in 0..self.relays.len() {
            let before = std::mem::replace(&mut self.links[at][relay].passes, Passes::Everything);
            if before == Passes::Nothing {
                self.resume_link(at, relay, silent_ms);
            }
        }
    }

    /// Every network is as it was at first.
    pub fn heal_all(&mut self) {
        for at in 0..self.machines.len() {
            self.heal(at);
        }
        self.every_link(|link| *link = Link::default());
    }

    /// Ends a device's process as a power cut would.
    pub fn crash_device(&mut self, at: usize) {
        self.note(|| format!("device {at} loses power"));
        self.machines[at].crash();
        self.hang_up(at);
    }

    /// Stops a device in its tracks: nothing of it runs, its connections stay as they are.
    pub fn sleep(&mut self, at: usize) {
        self.note(|| format!("device {at} falls asleep"));
        self.machines[at].asleep = true;
    }

    /// It goes on where it was.
    pub fn wake(&mut self, at: usize) {
        self.note(|| format!("device {at} wakes up"));
        self.machines[at].asleep = false;
    }

    /// Sets a device's clock: so many milliseconds ahead of the true time.
    pub fn set_clock(&mut self, at: usize, ahead_ms: i64) {
        self.note(|| format!("the clock of device {at} is set {ahead_ms} ms ahead"));
        self.machines[at].clock.ahead_ms = ahead_ms;
    }

    /// Ends a relay's process as a power cut would, and starts it again.
    pub fn crash_relay(&mut self, relay: usize) {
        self.note(|| format!("relay {relay} loses power"));
        self.relays[relay].crash();
        self.relay_is_gone(relay);
    }

    /// Ends a relay's process.
    pub fn stop_relay(&mut self, relay: usize) {
        self.crash_relay(relay);
        self.relays[relay].is_up = false;
    }

    /// Starts it again.
    pub fn start_relay(&mut self, relay: usize) {
        self.note(|| format!("relay {relay} is there again"));
        self.relays[relay].is_up = true;
    }

    /// Puts another database in the place of a relay's.
    pub fn restore_relay(&mut self, relay: usize, log: MemoryLog) {
        self.note(|| format!("relay {relay} is put back from a backup"));
        self.relays[relay].replace(log);
        self.relay_is_gone(relay);
    }
}

impl World {
    /// Writes a relay's log anew from its cells, as a hand on its database would. The devices are not asked.
    pub fn shuffle_log(&mut self, relay: usize, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let cells = self.entries(relay).into_iter().filter_map(|entry| match entry {
            Entry::Cell(cell) => Some(cell.into_vec()),
            Entry::Own(_) | Entry::Gone(_) => None,
        });
        let mut cells: Vec<Vec<u8>> = cells.collect();
        change(&mut cells);
        let handle = self.handle(relay);
        self.relays[relay].rewrite(&handle, cells);
    }
}
