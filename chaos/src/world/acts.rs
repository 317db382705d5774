//! What people do on a device.

use caro_schema::{body::history::Record, id::RecordId};
use serde_bytes::ByteBuf;

use super::World;
use crate::machine::Fate;

impl World {
    /// A command on one device, now. It counts as recorded from here on: its shell has written it.
    pub fn record(&mut self, at: usize, command: &str) -> RecordId {
        self.record_as(at, command, |_| {})
    }

    /// As [`Self::record`], with other particulars.
    pub fn record_as(&mut self, at: usize, command: &str, change: impl FnOnce(&mut Record)) -> RecordId {
        let machine = &mut self.machines[at];
        let start_us = machine.clock.read(self.now_ms) as i64 * 1000;
        let mut record = record(at, command, start_us);
        change(&mut record);
        let id = record.id;
        machine.recorded.insert(id, record.clone());
        machine.spool.push_back(record);
        self.read_spool(at);
        id
    }

    /// Lets a device take in what its shells have written.
    pub(super) fn read_spool(&mut self, at: usize) -> bool {
        let machine = &mut self.machines[at];
        if machine.spool.is_empty() || machine.asleep || machine.is_stuck() {
            return false;
        }
        let fate = machine.read_spool(self.now_ms);
        self.follow(at, fate);
        true
    }

    /// Many records at once, as from a foreign history file.
    pub fn import(&mut self, at: usize, records: Vec<Record>) {
        let kept: Vec<_> = records.iter().map(|record| (record.id, record.clone())).collect();
        let fate = self.machines[at].decide(self.now_ms, |device, history, _, _| Ok(device.import(records, history).0));
        if matches!(fate, Fate::Done | Fate::Written) {
            self.machines[at].recorded.extend(kept);
        }
        self.follow(at, fate);
    }

    /// Deletes on one device. False when it could not be done now, and the person was told.
    pub fn delete(&mut self, at: usize, id: RecordId) -> bool {
        if self.machines[at].asleep {
            return false;
        }
        let fate = self.machines[at].decide(self.now_ms, |device, history, _, env| device.delete(&[id], history, env));
        self.follow(at, fate);
        matches!(fate, Fate::Done | Fate::Written)
    }

    /// The person at a device says: go on.
    pub fn resume(&mut self, at: usize) {
        let fate = self.machines[at].decide(self.now_ms, |device, _, _, _| Ok(device.set_enabled(true)));
        self.follow(at, fate);
    }

    /// From now on messages travel in real sessions: everybody makes one.
    pub fn seal_sessions(&mut self) {
        self.sealed = true;
        for at in 0..self.machines.len() {
            for relay in 0..self.relays.len() {
                if self.is_connected_to(at, relay) {
                    self.end(at, relay, Some(1));
                }
            }
        }
        self.settle();
    }

    /// What an input's end means for the connections: a device that began again has none.
    pub(super) fn follow(&mut self, at: usize, fate: Fate) {
        if matches!(fate, Fate::Lost | Fate::Written) {
            self.note(|| format!("device {at} begins again"));
            self.hang_up(at);
        }
    }
}

/// A record as a shell writes it. Its id follows from its text.
pub fn record(at: usize, command: &str, start_us: i64) -> Record {
    let mut id = [0; 16];
    id.copy_from_slice(&blake3::hash(command.as_bytes()).as_bytes()[..16]);
    Record {
        id: RecordId(id),
        command: ByteBuf::from(command),
        directory: ByteBuf::from("/canary/directory"),
        host: format!("canary-host-{at}"),
        user: "user".to_owned(),
        shell: "zsh".to_owned(),
        session: "session".to_owned(),
        start_us,
        duration_us: Some(5),
        exit: Some(0),
        assistant: None,
    }
}
