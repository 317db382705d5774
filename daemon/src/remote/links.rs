//! The connections of a device, one driver per relay. Each start of a driver has a number, so that what an earlier one
//! still reports is told from what the present one does.

use std::{collections::BTreeMap, sync::Arc};

use caro_core::{device::Attempt, step::RemoteNumber};
use caro_schema::relay::ToRelay;
use tokio::runtime::Handle;

use super::{Command, Dialer, Driver, Report};
use crate::clock::Moment;

/// Which start of a driver.
pub type Run = u64;

/// Takes a report to the main loop. False when nobody listens any more.
pub type Deliver = Arc<dyn Fn(RemoteNumber, Run, Report) -> bool + Send + Sync>;

/// All connections.
pub struct Links {
    runtime: Handle,
    deliver: Deliver,
    links: BTreeMap<RemoteNumber, Link>,
    runs: Run,
}

struct Link {
    driver: Driver,
    run: Run,
    /// The session that is open as far as the main loop knows.
    session: u64,
    attempt: Attempt,
}

impl Links {
    /// None yet. Drivers run on `runtime`.
    pub fn new(runtime: Handle, deliver: Deliver) -> Self {
        Self { runtime, deliver, links: BTreeMap::new(), runs: 0 }
    }

    /// Starts a driver, in place of the one that may run.
    pub fn start(&mut self, number: RemoteNumber, dialer: Dialer) {
        self.runs += 1;
        let (run, deliver) = (self.runs, self.deliver.clone());
        let _inside = self.runtime.enter();
        let driver = Driver::start(dialer, Arc::new(move |report| deliver(number, run, report)));
        self.links.insert(number, Link { driver, run, session: 0, attempt: Attempt::default() });
    }

    /// Ends all drivers, and with them every use of the network.
    pub fn stop(&mut self) {
        self.links.clear();
    }

    /// Ends one driver.
    pub fn stop_one(&mut self, number: RemoteNumber) {
        self.links.remove(&number);
    }

    /// Whether a driver runs for this relay.
    pub fn runs(&self, number: RemoteNumber) -> bool {
        self.links.contains_key(&number)
    }

    /// Whether a report comes from the driver that runs now.
    pub fn is_current(&self, number: RemoteNumber, run: Run) -> bool {
        self.links.get(&number).is_some_and(|link| link.run == run)
    }

    /// Sends a message. What finds no session is dropped: the core sends it again when there is one.
    pub fn send(&self, number: RemoteNumber, message: ToRelay) {
        if let Some(link) = self.links.get(&number) {
            link.driver.tell(Command::Send { session: link.session, message });
        }
    }

    /// From now on messages are for this session. Until the relay has said something, it is known how the last one went.
    pub fn connected(&mut self, number: RemoteNumber, session: u64) {
        if let Some(link) = self.links.get_mut(&number) {
            link.session = session;
        }
    }

    /// Closes a session; the driver tries again by itself, not before the given time.
    pub fn close(&self, number: RemoteNumber, retry_ms: Option<u64>) {
        self.tell(number, Command::Close { retry_ms });
    }

    /// Ends every pause.
    pub fn try_now(&self) {
        for link in self.links.values() {
            link.driver.tell(Command::TryNow);
        }
    }

    fn tell(&self, number: RemoteNumber, command: Command) {
        if let Some(link) = self.links.get(&number) {
            link.driver.tell(command);
        }
    }

    /// Remembers how the last try went, for the status.
    pub fn note_attempt(&mut self, number: RemoteNumber, reason: Option<String>, retry_in_ms: u64) {
        if let Some(link) = self.links.get_mut(&number) {
            link.attempt = Attempt { reason, retry_ms: Moment::now().now_ms() + retry_in_ms };
        }
    }

    /// How the last try went.
    pub fn attempt(&self, number: RemoteNumber) -> Option<Attempt> {
        self.links.get(&number).map(|link| link.attempt.clone())
    }
}
