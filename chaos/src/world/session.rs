//! Connections: dialled, kept alive, lost, dialled again. What `daemon/src/remote/driver.rs` does with a real clock is done
//! here with a virtual one; a test compares the numbers.

use std::collections::VecDeque;

use caro_core::sync::Backoff;
use caro_link::handshake::{Initiator, Responder, Session};
use caro_relay::protocol::SessionId;
use caro_schema::{codec, id::Hash, limits::SESSION_SECONDS_MAX, relay::ToRelay};

use super::World;
use crate::{
    net::{Flow, Passes},
    sabotage::Sabotage,
};

/// Silence after which the relay is asked whether it is there.
pub const ASK_AFTER_MS: u64 = 10_000;
/// Silence after which it is taken to be gone.
pub const GONE_AFTER_MS: u64 = 18_000;
/// How long everything up to the open session may take.
pub const OPEN_MS: u64 = 10_000;
/// The longest pause that a relay may ask for.
pub const RETRY_ASKED_MS_MAX: u64 = 300_000;

/// Trips there and back until a session is open: TCP, TLS, WebSocket, and the first two messages of the handshake.
const OPENING_TRIPS: u64 = 4;

/// Bytes of each, roughly.
const OPENING_BYTES: usize = 1300;

/// What a device does about one relay.
pub(super) struct Driver {
    backoff: Backoff,
    phase: Phase,
    /// It does not come back: somebody took that out.
    given_up: bool,
}

enum Phase {
    /// Until when, by the clock that pauses are measured with.
    Resting { until_ms: u64 },
    /// When the session will be open, if the network lets it; when it is given up.
    Dialling { begun_ms: u64, opens_ms: Option<u64>, gives_up_ms: Option<u64> },
    /// A session.
    Open(Box<Connection>),
}

impl Default for Driver {
    fn default() -> Self {
        Self { backoff: Backoff::default(), phase: Phase::Resting { until_ms: 0 }, given_up: false }
    }
}

/// One connection.
pub(super) struct Connection {
    pub(super) session: SessionId,
    pub(super) up: VecDeque<Parcel>,
    pub(super) down: VecDeque<Parcel>,
    pub(super) up_flow: Flow,
    pub(super) down_flow: Flow,
    /// The two ends, when messages travel in a real session.
    pub(super) ends: Option<Ends>,
    /// The relay's end is gone. The device notices when nothing is left to hear.
    pub(super) relay_gone: bool,
    /// Messages in both directions so far.
    pub(super) messages: u64,
    born_ms: u64,
    heard_ms: u64,
    asked: bool,
}

/// A message on its way: one record, or several.
pub(super) struct Parcel {
    pub(super) arrives_ms: u64,
    pub(super) records: Vec<Vec<u8>>,
}

/// Both ends of a real session.
pub(super) struct Ends {
    pub(super) device: Session,
    pub(super) relay: Session,
    pub(super) records: u64,
}

impl Driver {
    pub(super) fn connection(&self) -> Option<&Connection> {
        if let Phase::Open(connection) = &self.phase { Some(connection) } else { None }
    }

    pub(super) fn connection_mut(&mut self) -> Option<&mut Connection> {
        if let Phase::Open(connection) = &mut self.phase { Some(connection) } else { None }
    }

    pub(super) fn is_dialling(&self) -> bool {
        matches!(self.phase, Phase::Dialling { .. })
    }

    /// Its program was started anew: that is no retry.
    pub(super) fn begin_again(&mut self) {
        self.given_up = false;
    }

    pub(super) fn heard(&mut self, now_ms: u64) {
        self.backoff.succeeded(now_ms);
        if let Some(connection) = self.connection_mut() {
            (connection.heard_ms, connection.asked) = (now_ms, false);
        }
    }
}

impl World {
    /// Whether a device would speak to a relay if it could.
    pub(super) fn wants(&self, at: usize, relay: usize) -> bool {
        let machine = &self.machines[at];
        let Some(account) = machine.device.account() else { return false };
        let Some(number) = self.remote(at, relay) else { return false };
        !machine.asleep
            && !machine.is_stuck()
            && account.is_enabled()
            && !machine.is_stopped(number)
            && !self.drivers[at][relay].given_up
    }

    /// The clock that a driver measures its pauses with: one that cannot be set.
    pub(super) fn ticks(&self, at: usize) -> u64 {
        let by_the_wall = self.sabotage == Some(Sabotage::MonotonicFromWallClock);
        if by_the_wall { self.machines[at].clock.read(self.now_ms) } else { self.now_ms }
    }

    /// When a driver has something to do by itself, in the world's time.
    pub(super) fn driver_wakes_ms(&self, at: usize, relay: usize) -> Option<u64> {
        if self.machines[at].asleep {
            return None;
        }
        let due = match &self.drivers[at][relay].phase {
            Phase::Resting { until_ms } if self.wants(at, relay) => *until_ms,
            Phase::Resting { .. } => return None,
            Phase::Dialling { opens_ms, gives_up_ms, .. } => {
                return opens_ms.iter().chain(gives_up_ms).min().copied();
            }
            Phase::Open(_) if self.sabotage == Some(Sabotage::NoKeepalive) => return None,
            Phase::Open(connection) => {
                let patience = if connection.asked { GONE_AFTER_MS } else { ASK_AFTER_MS };
                (connection.heard_ms + patience).min(connection.born_ms + SESSION_SECONDS_MAX * 1000 + 1)
            }
        };
        let by_the_wall = self.sabotage == Some(Sabotage::MonotonicFromWallClock);
        Some(if by_the_wall { self.machines[at].clock.when(due) } else { due })
    }

    /// Does what a driver has to do by itself.
    pub(super) fn drive(&mut self, at: usize, relay: usize) -> bool {
        if self.machines[at].asleep {
            return false;
        }
        match self.drivers[at][relay].phase {
            Phase::Resting { until_ms } => {
                let due = self.wants(at, relay) && until_ms <= self.ticks(at);
                if due {
                    self.dial(at, relay);
                }
                due
            }
            Phase::Dialling { begun_ms, opens_ms, gives_up_ms } => {
                self.go_on_dialling(at, relay, begun_ms, opens_ms, gives_up_ms)
            }
            Phase::Open(_) => self.look_after(at, relay),
        }
    }

    fn dial(&mut self, at: usize, relay: usize) {
        let link = self.links[at][relay];
        if link.passes == Passes::Refused || !self.relays[relay].is_up {
            self.traffic[at].refused += 1;
            return self.rest(at, relay, None);
        }
        let opens_ms = (link.passes == Passes::Everything).then(|| self.opening_ends(at, relay));
        let patient = self.sabotage == Some(Sabotage::NoHandshakeDeadline);
        let gives_up_ms = (!patient).then_some(self.now_ms + OPEN_MS);
        self.drivers[at][relay].phase = Phase::Dialling { begun_ms: self.now_ms, opens_ms, gives_up_ms };
    }

    fn opening_ends(&mut self, at: usize, relay: usize) -> u64 {
        let link = self.links[at][relay];
        let (mut up, mut down) = (Flow::default(), Flow::default());
        (0..OPENING_TRIPS).fold(self.now_ms, |there, _| {
            let back = up.arrival(&link.up, there, OPENING_BYTES, &mut self.seed);
            down.arrival(&link.down, back, OPENING_BYTES, &mut self.seed)
        })
    }

    fn go_on_dialling(
        &mut self,
        at: usize,
        relay: usize,
        begun_ms: u64,
        opens_ms: Option<u64>,
        gives_up_ms: Option<u64>,
    ) -> bool {
        if gives_up_ms.is_some_and(|due| due <= self.now_ms) {
            self.note(|| format!("device {at} gives up dialling relay {relay}"));
            self.traffic[at].refused += 1;
            self.rest(at, relay, None);
            return true;
        }
        if opens_ms.is_none_or(|due| due > self.now_ms) {
            return false;
        }
        match self.links[at][relay].passes {
            Passes::Everything if self.relays[relay].is_up => self.open(at, relay, begun_ms),
            Passes::Nothing => {
                self.drivers[at][relay].phase = Phase::Dialling { begun_ms, opens_ms: None, gives_up_ms }
            }
            Passes::Everything | Passes::Refused => {
                self.traffic[at].refused += 1;
                self.rest(at, relay, None);
            }
        }
        true
    }

    fn open(&mut self, at: usize, relay: usize, begun_ms: u64) {
        let key = self.relays[relay].key();
        let Some(number) = self.remote(at, relay) else { return };
        let Some(account) = self.machines[at].device.account() else { return };
        let device_key = account.vault().device().relay_static(&key);
        let ends = self.sealed.then(|| {
            let machine = &mut self.machines[at];
            let (initiator, first) = Initiator::start(&device_key, Some(key), &mut machine.entropy).expect("entropy");
            let answer = Responder::answer(self.relays[relay].static_key(), &first, &mut self.seed);
            let (responder, second) = answer.expect("an honest device");
            let (third, device) = initiator.read(&second).expect("an honest relay");
            Ends { device, relay: responder.finish(&third).expect("an honest device"), records: 0 }
        });
        let handshake = ends.as_ref().map_or_else(|| self.next_handshake(), |ends| ends.device.handshake_hash);
        let Some(hello) = self.machines[at].device.handle_connected(number) else {
            return self.rest(at, relay, None);
        };
        // The relay counts from when it accepted the connection, a trip after the device began.
        let accepted_ms = begun_ms + self.links[at][relay].up.delay_ms;
        let session = self.relays[relay].arrive(device_key.public(), handshake, accepted_ms);
        self.machines[at].outboxes.entry(number).or_default().push_back(hello);
        self.traffic[at].sessions += 1;
        self.traffic[at].opening_ms = self.now_ms - begun_ms;
        let ticks = self.ticks(at);
        self.drivers[at][relay].phase = Phase::Open(Box::new(Connection {
            session,
            up: VecDeque::new(),
            down: VecDeque::new(),
            up_flow: Flow::default(),
            down_flow: Flow::default(),
            ends,
            relay_gone: false,
            messages: 0,
            born_ms: ticks,
            heard_ms: ticks,
            asked: false,
        }));
        self.note(|| format!("device {at} is in session {} with relay {relay}", session.0));
    }

    pub(super) fn next_handshake(&mut self) -> Hash {
        self.handshakes += 1;
        Hash(*blake3::hash(&self.handshakes.to_be_bytes()).as_bytes())
    }

    /// Asks when nothing was heard, and gives up when there is no answer.
    fn look_after(&mut self, at: usize, relay: usize) -> bool {
        if self.sabotage == Some(Sabotage::NoKeepalive) {
            return false;
        }
        let ticks = self.ticks(at);
        let spent_after = self.spent_after;
        let Some(connection) = self.drivers[at][relay].connection_mut() else { return false };
        let silent_ms = ticks.saturating_sub(connection.heard_ms);
        let used = connection.ends.as_ref().map_or(0, |ends| ends.records);
        if ticks > connection.born_ms + SESSION_SECONDS_MAX * 1000 || spent_after.is_some_and(|most| used >= most) {
            self.note(|| format!("device {at} makes a new handshake with relay {relay}"));
            self.end(at, relay, None);
            return true;
        }
        if connection.asked && silent_ms >= GONE_AFTER_MS {
            self.note(|| format!("device {at} takes relay {relay} to be gone"));
            self.lose(at, relay);
            return true;
        }
        let asks = !connection.asked && silent_ms >= ASK_AFTER_MS;
        if asks {
            connection.asked = true;
            self.put_up(at, relay, &codec::encode(&ToRelay::Ping { token: 0 }));
        }
        asks
    }

    /// A connection broke.
    pub(super) fn lose(&mut self, at: usize, relay: usize) {
        if self.connection(at, relay).is_none() {
            return;
        }
        self.traffic[at].broken += 1;
        self.end(at, relay, None);
        self.drivers[at][relay].given_up = matches!(self.sabotage, Some(Sabotage::SkipRetry | Sabotage::NoReconnect));
    }

    /// A connection ends on the device's side. The relay hears of it, unless nothing passes.
    pub(super) fn end(&mut self, at: usize, relay: usize, asked_ms: Option<u64>) {
        let Some(connection) = self.drivers[at][relay].connection() else { return };
        let (session, relay_gone) = (connection.session, connection.relay_gone);
        // A relay that was started again numbers its sessions anew: what is gone there must not be named any more.
        if !relay_gone && self.links[at][relay].passes == Passes::Nothing {
            self.half_open.push((at, relay, session));
        } else if !relay_gone {
            self.relays[relay].depart(session);
        }
        self.rest(at, relay, asked_ms);
        self.drivers[at][relay].given_up |= self.sabotage == Some(Sabotage::NoReconnect);
        if let Some(number) = self.remote(at, relay) {
            self.machines[at].disconnected(number);
        }
    }

    /// Pauses before the next try, for as long as the relay asked or by the own rule.
    fn rest(&mut self, at: usize, relay: usize, asked_ms: Option<u64>) {
        let random = if self.sabotage == Some(Sabotage::NoJitter) { 0 } else { self.seed.draw() as u32 };
        let pause_ms = match asked_ms {
            Some(ms) => ms.clamp(1, RETRY_ASKED_MS_MAX),
            None => self.drivers[at][relay].backoff.failed(random),
        };
        let until_ms = self.ticks(at) + pause_ms;
        self.drivers[at][relay].phase = Phase::Resting { until_ms };
    }

    /// Every connection of a device ends, because its process does.
    pub(super) fn hang_up(&mut self, at: usize) {
        for relay in 0..self.relays.len() {
            match &self.drivers[at][relay].phase {
                Phase::Open(_) => self.lose(at, relay),
                Phase::Dialling { .. } => self.rest(at, relay, None),
                Phase::Resting { .. } => {}
            }
        }
    }

    /// The network passes again: what was held arrives when it is next sent again, and what was left half open is noticed.
    pub(super) fn resume_link(&mut self, at: usize, relay: usize, silent_ms: u64) {
        // Tries come in doubling pauses, so the next one is at most as far away as the silence was long.
        let late_ms = self.seed.below(silent_ms.clamp(1, 15_000));
        let again_ms = self.now_ms + late_ms;
        match &mut self.drivers[at][relay].phase {
            Phase::Open(connection) => {
                for parcel in connection.up.iter_mut().chain(&mut connection.down) {
                    parcel.arrives_ms = parcel.arrives_ms.max(again_ms);
                }
            }
            Phase::Dialling { begun_ms, opens_ms: None, gives_up_ms } => {
                let (begun_ms, gives_up_ms) = (*begun_ms, *gives_up_ms);
                let opens_ms = Some(self.opening_ends(at, relay) + late_ms);
                self.drivers[at][relay].phase = Phase::Dialling { begun_ms, opens_ms, gives_up_ms };
            }
            Phase::Dialling { .. } | Phase::Resting { .. } => {}
        }
        let (gone, kept) = self.half_open.drain(..).partition(|(of, to, _)| (*of, *to) == (at, relay));
        self.half_open = kept;
        let gone: Vec<(usize, usize, SessionId)> = gone;
        for (_, _, session) in gone {
            self.relays[relay].depart(session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_daemon() {
        let driver = include_str!("../../../daemon/src/remote/driver.rs");
        let dial = include_str!("../../../daemon/src/remote/dial.rs");
        for (text, line) in [
            (driver, format!("ASK_AFTER: Duration = Duration::from_secs({});", ASK_AFTER_MS / 1000)),
            (driver, format!("GONE_AFTER: Duration = Duration::from_secs({});", GONE_AFTER_MS / 1000)),
            (driver, "RETRY_ASKED_MS_MAX: u64 = 300_000;".to_owned()),
            (dial, format!("OPEN_SECONDS: u64 = {};", OPEN_MS / 1000)),
        ] {
            assert!(text.contains(&line), "the daemon has another number than {line}");
        }
    }
}
