//! Messages on their way, and what follows when they arrive.

use caro_core::{
    step::{RemoteNumber, Space, Write},
    sync::RemoteRecord,
};
use caro_schema::{
    codec,
    relay::{Position, ToDevice, ToRelay},
};

use super::{World, session::Parcel};
use crate::{machine::load, net::Passes, sabotage::Sabotage};

/// Bytes that a record adds to what it carries, with the frames around it.
const RECORD_OVERHEAD_BYTES: usize = 35;

impl World {
    /// Puts what a device says on its way.
    pub(super) fn send(&mut self, at: usize, relay: usize) -> bool {
        let Some(number) = self.remote(at, relay) else { return false };
        if self.connection(at, relay).is_none() || self.machines[at].asleep {
            return false;
        }
        self.machines[at].poll(number);
        let mut busy = false;
        while let Some(message) = self.machines[at].outboxes.get_mut(&number).and_then(|outbox| outbox.pop_front()) {
            busy = true;
            if self.breaks(at, relay) {
                self.lose(at, relay);
                return true;
            }
            self.put_up(at, relay, &codec::encode(&message));
        }
        busy
    }

    fn breaks(&mut self, at: usize, relay: usize) -> bool {
        let link = self.links[at][relay];
        let Some(connection) = self.drivers[at][relay].connection_mut() else { return false };
        connection.messages += 1;
        if link.cut_after.is_some_and(|most| connection.messages > most) {
            // Once: the next session is left alone.
            self.links[at][relay].cut_after = None;
            return true;
        }
        link.breaks_per_thousand > 0 && self.seed.below(1000) < link.breaks_per_thousand
    }

    /// One message from a device to a relay.
    pub(super) fn put_up(&mut self, at: usize, relay: usize, message: &[u8]) {
        let link = self.links[at][relay];
        let Some(connection) = self.drivers[at][relay].connection_mut() else { return };
        let records = match &mut connection.ends {
            None => vec![message.to_vec()],
            Some(ends) => {
                let records = ends.device.transport.seal(message).expect("the session is not spent");
                ends.records += records.len() as u64;
                records
            }
        };
        let bytes = size(&records);
        let arrives_ms = connection.up_flow.arrival(&link.up, self.now_ms, bytes, &mut self.seed);
        self.traffic[at].records += records.len() as u64;
        connection.up.push_back(Parcel { arrives_ms, records });
        self.traffic[at].up_bytes += bytes as u64;
    }

    /// One message from a relay to a device.
    fn put_down(&mut self, at: usize, relay: usize, message: &[u8]) {
        let link = self.links[at][relay];
        let Some(connection) = self.drivers[at][relay].connection_mut() else { return };
        let records = match &mut connection.ends {
            None => vec![message.to_vec()],
            Some(ends) => {
                let records = ends.relay.transport.seal(message).expect("the session is not spent");
                ends.records += records.len() as u64;
                records
            }
        };
        let bytes = size(&records);
        let arrives_ms = connection.down_flow.arrival(&link.down, self.now_ms, bytes, &mut self.seed);
        self.traffic[at].records += records.len() as u64;
        connection.down.push_back(Parcel { arrives_ms, records });
        self.traffic[at].down_bytes += bytes as u64;
    }

    /// Takes what has arrived, on both ends.
    pub(super) fn deliver(&mut self, at: usize, relay: usize) -> bool {
        if self.links[at][relay].passes != Passes::Everything {
            return false;
        }
        let mut busy = false;
        while let Some((session, message)) = self.next_up(at, relay) {
            busy = true;
            match codec::decode::<ToRelay>(&message) {
                Ok(message) => self.relays[relay].message(session, message, self.now_ms),
                Err(_) => self.relays[relay].garbage(session),
            }
        }
        while !self.machines[at].asleep && !self.machines[at].is_stuck() {
            let Some(message) = self.next_down(at, relay) else { break };
            busy = true;
            let ticks = self.ticks(at);
            self.drivers[at][relay].heard(ticks);
            let Ok(message) = codec::decode::<ToDevice>(&message) else {
                self.lose(at, relay);
                break;
            };
            let heard = match &mut self.meddler {
                Some(meddler) => meddler(at, relay, message),
                None => vec![message],
            };
            for message in heard {
                self.hear(at, relay, message);
            }
        }
        busy | self.notice_end(at, relay)
    }

    fn next_up(&mut self, at: usize, relay: usize) -> Option<(caro_relay::protocol::SessionId, Vec<u8>)> {
        let now_ms = self.now_ms;
        let connection = self.drivers[at][relay].connection_mut()?;
        if connection.relay_gone || connection.up.front().is_none_or(|parcel| parcel.arrives_ms > now_ms) {
            return None;
        }
        let Parcel { mut records, .. } = connection.up.pop_front()?;
        let message = match &mut connection.ends {
            None => records.pop()?,
            Some(ends) => opened(&mut ends.relay.transport, &records),
        };
        Some((connection.session, message))
    }

    fn next_down(&mut self, at: usize, relay: usize) -> Option<Vec<u8>> {
        let now_ms = self.now_ms;
        let connection = self.drivers[at][relay].connection_mut()?;
        if connection.down.front().is_none_or(|parcel| parcel.arrives_ms > now_ms) {
            return None;
        }
        let Parcel { mut records, .. } = connection.down.pop_front()?;
        match &mut connection.ends {
            None => records.pop(),
            Some(ends) => Some(opened(&mut ends.device.transport, &records)),
        }
    }

    /// A device that has heard everything notices that the relay's end is gone.
    fn notice_end(&mut self, at: usize, relay: usize) -> bool {
        let Some(connection) = self.connection(at, relay) else { return false };
        let over = connection.relay_gone && connection.down.is_empty() && !self.machines[at].asleep;
        if over {
            self.lose(at, relay);
        }
        over
    }

    /// What follows from one message on a device.
    pub(super) fn hear(&mut self, at: usize, relay: usize, message: ToDevice) {
        let Some(number) = self.remote(at, relay) else { return };
        let mut own_end = None;
        match &message {
            ToDevice::Ack { cells } => {
                self.relays[relay].has_acknowledged(cells);
                own_end = cells.iter().map(|accepted| accepted.cursor).max();
                self.traffic[at].acks += 1;
            }
            ToDevice::Page(page) => self.traffic[at].entries += page.entries.len() as u64,
            ToDevice::Pong { .. } => return,
            ToDevice::Welcome { position, .. } if self.sabotage == Some(Sabotage::AcceptRollback) => {
                self.believe(at, number, position);
            }
            _ => {}
        }
        let mut close = None;
        let fate = self.machines[at].decide(self.now_ms, |device, history, disk, env| {
            let (step, closes) = device.handle_message(number, message, history, disk, env)?;
            close = closes;
            Ok(step)
        });
        self.follow(at, fate);
        if let Some(asked_ms) = close
            && self.connection(at, relay).is_some()
        {
            self.note(|| format!("device {at} closes its session with relay {relay}"));
            self.end(at, relay, asked_ms);
        }
        match (self.sabotage, own_end) {
            (Some(Sabotage::CursorFromOwnAck), Some(end)) => self.bend(at, number, |record| record.cursor = end),
            (Some(Sabotage::SharedCursorAcrossRelays), _) => self.share_cursor(at, number),
            _ => {}
        }
    }

    /// Changes what a device believes of a relay, as a mistake in the product would.
    pub(super) fn bend(&mut self, at: usize, number: RemoteNumber, change: impl FnOnce(&mut RemoteRecord)) {
        let key = [&b"remote/"[..], &number.to_be_bytes()].concat();
        let machine = &mut self.machines[at];
        let Some(bytes) = machine.disk.lose(Space::State, &key) else { return };
        let mut record: RemoteRecord = codec::decode(&bytes).expect("the core wrote it");
        change(&mut record);
        machine.disk.commit(vec![Write::Row(Space::State, key, Some(codec::encode(&record)))]);
        machine.device = load(&machine.disk, &machine.rules);
        self.hang_up(at);
    }

    /// What a relay says of itself counts more than what was seen of it before.
    fn believe(&mut self, at: usize, number: RemoteNumber, position: &Position) {
        let account = self.machines[at].device.account();
        let record = account.and_then(|account| account.remote(number)).map(|remote| &remote.record);
        let known = record.map(|record| (record.cursor, record.acknowledged));
        if known.is_some_and(|(cursor, acknowledged)| position.cursor < cursor.max(acknowledged)) {
            self.bend(at, number, |record| {
                (record.cursor, record.head) = (position.cursor, position.head);
                // What it was told about its own cells would give the relay away as well.
                record.acknowledged = position.cursor;
            });
        }
    }

    /// One cursor for all relays: what one of them has said is believed of the others.
    fn share_cursor(&mut self, at: usize, from: RemoteNumber) {
        let Some(account) = self.machines[at].device.account() else { return };
        let Some(cursor) = account.remote(from).map(|remote| remote.record.cursor) else { return };
        let behind = account.remotes().find(|remote| remote.number != from && remote.record.cursor < cursor);
        if let Some(number) = behind.map(|remote| remote.number) {
            self.bend(at, number, |record| record.cursor = cursor);
        }
    }

    /// Lets a relay work, and puts what it says on its way.
    pub(super) fn relay_works(&mut self, relay: usize) -> bool {
        let mut busy = self.relays[relay].is_busy();
        if !self.relays[relay].work(self.now_ms) {
            if self.relays[relay].outgoing.is_empty() {
                self.relay_is_gone(relay);
            } else {
                self.relay_was_cut_short(relay);
            }
            return true;
        }
        for at in 0..self.machines.len() {
            busy |= self.drain(at, relay);
        }
        for session in std::mem::take(&mut self.relays[relay].closing) {
            busy = true;
            self.relays[relay].outgoing.remove(&session);
            let of = |driver: &super::session::Driver| {
                driver.connection().is_some_and(|it| it.session == session && !it.relay_gone)
            };
            if let Some(at) = (0..self.machines.len()).find(|at| of(&self.drivers[*at][relay]))
                && let Some(connection) = self.drivers[at][relay].connection_mut()
            {
                connection.relay_gone = true;
            }
        }
        busy
    }

    fn drain(&mut self, at: usize, relay: usize) -> bool {
        let open = self.connection(at, relay).filter(|connection| !connection.relay_gone);
        let Some(session) = open.map(|connection| connection.session) else { return false };
        let Some(queue) = self.relays[relay].outgoing.get_mut(&session) else { return false };
        let messages: Vec<ToDevice> = queue.drain(..).collect();
        let busy = !messages.is_empty();
        for message in messages {
            if self.breaks(at, relay) {
                self.lose(at, relay);
                break;
            }
            self.put_down(at, relay, &codec::encode(&message));
        }
        busy
    }

    /// A relay's process has ended: who is connected to it hears of it, unless nothing passes.
    pub(super) fn relay_is_gone(&mut self, relay: usize) {
        for at in 0..self.machines.len() {
            if let Some(connection) = self.drivers[at][relay].connection_mut() {
                connection.down.clear();
            }
        }
        self.relay_was_cut_short(relay);
    }

    /// A relay's process has ended in the middle of what it said: what it had sent arrives before its end does.
    fn relay_was_cut_short(&mut self, relay: usize) {
        for at in 0..self.machines.len() {
            self.drain(at, relay);
            if let Some(connection) = self.drivers[at][relay].connection_mut() {
                connection.relay_gone = true;
                connection.up.clear();
            }
        }
        self.relays[relay].outgoing.clear();
        self.half_open.retain(|(_, of, _)| *of != relay);
    }
}

fn size(records: &[Vec<u8>]) -> usize {
    records.iter().map(|record| record.len() + RECORD_OVERHEAD_BYTES).sum()
}

fn opened(transport: &mut caro_link::transport::Transport, records: &[Vec<u8>]) -> Vec<u8> {
    let mut whole = None;
    for record in records {
        whole = transport.open(record).expect("nobody touched it");
    }
    whole.expect("a message is whole with its last record")
}
