//! What is broken: connections, links, processes, power, clocks.

use caro_core::{
    device::Rules,
    step::{RemoteNumber, Write},
};
use caro_link::proof;
use caro_relay::{log::memory::MemoryLog, protocol::SessionId};
use caro_schema::{
    codec,
    id::{Generation, Hash},
    ipc::sync::{RemoteState, StopReason},
    relay::{
        Entry, ErrorCode, ToDevice, ToRelay,
        list::{DeviceList, SignedList},
    },
};

use super::{World, join, session::Driver};
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

    /// Ends a device's process, and starts it again with other rules.
    pub fn start_again_with(&mut self, at: usize, change: impl FnOnce(&mut Rules)) {
        change(&mut self.machines[at].rules);
        self.crash_device(at);
        self.drivers[at].iter_mut().for_each(Driver::begin_again);
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
        self.relay_is_gone(relay);
    }
}

impl World {
    /// A device's connection with the first relay breaks at its so-manieth message from now on, and again at each later
    /// session's.
    pub fn cut_after(&mut self, at: usize, messages: u64) {
        self.links[at][0].cut_after = Some(messages);
    }

    /// It does not any more.
    pub fn cut_never(&mut self, at: usize) {
        self.links[at][0].cut_after = None;
    }

    /// Whether a device waits for a person before it speaks to the first relay again.
    pub fn is_stopped(&self, at: usize) -> bool {
        self.remote(at, 0).is_some_and(|number| self.machines[at].is_stopped(number))
    }

    /// Moves the cursor of a device at the first relay, as a restored row would: with the head that belongs there.
    pub fn move_cursor(&mut self, at: usize, cursor: u64) {
        let ids = self.held().into_iter().take(cursor as usize);
        let head = (1..).zip(ids).fold(Hash([0; 32]), |head, (cursor, id)| proof::chain_head(&head, cursor, &id));
        let number = self.remote(at, 0).expect("it has the relay");
        self.bend(at, number, |record| (record.cursor, record.head) = (cursor, head));
    }

    /// A device takes as read what lists of snapshots say whose parts have not come.
    pub fn trust_lists(&mut self, at: usize) {
        self.machines[at].trust_lists();
        self.hang_up(at);
    }

    /// Puts cells behind what waits in a device's outbox.
    pub fn enqueue(&mut self, at: usize, cells: Vec<(RemoteNumber, u64, Vec<u8>)>) {
        let disk = &mut self.machines[at].disk;
        let highest = disk.queues().into_iter().map(|(_, number, _)| number).max().unwrap_or(0);
        let writes = cells.into_iter().map(|(remote, number, cell)| Write::Queue(remote, highest + number, Some(cell)));
        disk.commit(writes.collect());
        self.crash_device(at);
    }
}

impl World {
    /// Whether a device is on its way into a session with the first relay.
    pub fn is_dialling(&self, at: usize) -> bool {
        self.drivers[at][0].is_dialling()
    }

    /// Somebody opens a session with a relay and says nothing.
    pub fn stranger(&mut self, relay: usize) -> SessionId {
        let handshake = self.next_handshake();
        self.relays[relay].arrive([9; 32], handshake, self.now_ms)
    }

    /// Whether a relay still has a session.
    pub fn knows(&self, relay: usize, session: SessionId) -> bool {
        self.relays[relay].has(session)
    }

    /// A second session of one device at the first relay, while the first is open: the same keys, the same words.
    pub fn twin_session(&mut self, at: usize) {
        let Some(account) = self.machines[at].device.account() else { return };
        let key = account.vault().device().relay_static(&self.relays[0].key()).public();
        let (handshake, handle, now_ms) = (self.next_handshake(), self.handle(0), self.now_ms);
        let twin = self.relays[0].arrive(key, handshake, now_ms);
        self.relays[0].message(twin, ToRelay::Hello { handle }, now_ms);
        self.pass(100);
        // The second connection is gone again; the device comes back with its first.
        self.relays[0].depart(twin);
    }
}

impl World {
    /// A relay starts again with a database in which there is nothing.
    pub fn empty_relay(&mut self, relay: usize) {
        let generation = Generation([200 + relay as u8; 16]);
        self.restore_relay(relay, MemoryLog::new(generation));
    }

    /// Whether a device waits for a person before it speaks to a relay again.
    pub fn is_stopped_at(&self, at: usize, relay: usize) -> bool {
        self.remote(at, relay).is_some_and(|number| self.machines[at].is_stopped(number))
    }
}

impl World {
    /// Why a device says nothing to the first relay, as its status tells.
    pub fn stop_reason(&self, at: usize) -> Option<StopReason> {
        let account = self.machines[at].device.account()?;
        match account.status(|_| None).remotes.first()?.state {
            RemoteState::Stopped { reason } => Some(reason),
            _ => None,
        }
    }

    /// Bytes from a session that no device of the world has.
    pub fn say(&mut self, relay: usize, session: SessionId, bytes: &[u8]) {
        match codec::decode::<ToRelay>(bytes) {
            Ok(message) => self.relays[relay].message(session, message, self.now_ms),
            Err(_) => self.relays[relay].garbage(session),
        }
        assert!(self.relays[relay].work(self.now_ms));
    }

    /// What a relay has said in such a session.
    pub fn heard(&mut self, relay: usize, session: SessionId) -> Vec<ToDevice> {
        self.relays[relay].outgoing.get_mut(&session).map(|queue| queue.drain(..).collect()).unwrap_or_default()
    }

    /// Such a session is gone.
    pub fn forget_stranger(&mut self, relay: usize, session: SessionId) {
        self.relays[relay].depart(session);
    }

    /// A device hears this from the first relay, whoever said it.
    pub fn tell(&mut self, at: usize, message: &ToDevice) {
        let honest = self.relays[0].acknowledged.clone();
        self.hear(at, 0, message.clone());
        // What nobody real said is no promise of the relay.
        self.relays[0].acknowledged = honest;
    }

    /// What an owner says to the first relay in a session of the account's key, and what was refused of it.
    pub fn say_as_owner(&mut self, message: &ToRelay) -> Vec<ErrorCode> {
        let handshake = self.next_handshake();
        let owner = join::root().relay_account(&self.relays[0].key());
        let attach = ToRelay::Attach { account: Hash(owner.public()), proof: proof::sign_attach(&owner, &handshake) };
        let session = self.relays[0].arrive([8; 32], handshake, self.now_ms);
        for said in [&attach, message] {
            self.say(0, session, &codec::encode(said));
        }
        let heard = self.heard(0, session);
        self.forget_stranger(0, session);
        heard
            .into_iter()
            .filter_map(|said| if let ToDevice::Error { code, .. } = said { Some(code) } else { None })
            .collect()
    }

    /// The account's device list at the first relay, changed and signed by its owner.
    pub fn list_with_a_gap(&mut self, change: impl FnOnce(DeviceList) -> DeviceList) -> SignedList {
        let handle = self.handle(0);
        let owner = join::root().relay_account(&self.relays[0].key());
        proof::sign_list(&owner, &change(self.relays[0].list(&handle)))
    }
}
