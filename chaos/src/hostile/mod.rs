//! A relay that lies: the production relay inside, and around it a list of ways to deceive, delay or flood a device.
//!
//! A [`Behaviour`] is one item: its name, what it does, what must become of it, and its three hooks. The relay is honest
//! until it turns ([`Hostile::behave`]) and can be made honest again ([`Hostile::reform`]), because what matters is also
//! that the advice a person was given then works. `docs/hostile-relay.md` is printed from the items; each has a test with
//! a real daemon in `chaos/tests/hostile`. The program `hostile-relay` is the same for a person's own hands.
//!
//! Files: [`behaviour`] the item, `behaviours/` all of them, [`relay`] the honest relay inside and what a liar can do with
//! its keys and its log, `serve` sockets, `slow` one byte a second.

pub mod behaviour;
mod behaviours;
pub mod relay;
mod serve;
mod slow;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use caro_link::identity::StaticKey;
use caro_schema::relay::ErrorCode;
use serde_bytes::ByteBuf;
use tokio::{runtime::Builder, sync::Notify};

pub use behaviour::{Behaviour, Outcome, Repair};
pub use behaviours::ALL;
use relay::Relay;

/// A behaviour by name.
pub fn behaviour(name: &str) -> Option<&'static Behaviour> {
    ALL.iter().copied().find(|behaviour| behaviour.name == name)
}

/// The table of `docs/hostile-relay.md`.
pub fn page() -> String {
    let row = |behaviour: &&Behaviour| {
        format!("| `{}` | {} | {} |\n", behaviour.name, behaviour.what, behaviour.outcome.in_words())
    };
    let rows: String = ALL.iter().map(row).collect();
    format!("| behaviour | what the relay does | what becomes of it |\n|---|---|---|\n{rows}")
}

/// What the connections share.
struct Shared {
    relay: Mutex<Relay>,
    /// The relay's key, and the one that it shows when it pretends to be another.
    keys: [StaticKey; 2],
    /// Rung when every connection is to end.
    cut: Notify,
    /// Rung when the whole relay is to end.
    end: Notify,
}

impl Shared {
    fn relay(&self) -> MutexGuard<'_, Relay> {
        // A behaviour that panics fails its test by what does not happen then.
        self.relay.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running hostile relay. Ends when it is dropped.
pub struct Hostile {
    shared: Arc<Shared>,
    place: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Hostile {
    /// An honest one, so far, on a port of this machine that the system chooses.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start() -> io::Result<Self> {
        Self::start_on("127.0.0.1:0".parse().map_err(io::Error::other)?)
    }

    /// The same on an address of one's own choice.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start_on(address: SocketAddr) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let place = listener.local_addr()?;
        let shared = Arc::new(Shared {
            relay: Mutex::new(Relay::new()),
            keys: [StaticKey::from_bytes(&[2; 32]), StaticKey::from_bytes(&[3; 32])],
            cut: Notify::new(),
            end: Notify::new(),
        });
        let inside = shared.clone();
        let thread = std::thread::spawn(move || runtime.block_on(serve::serve(listener, inside)));
        Ok(Self { shared, place, thread: Some(thread) })
    }

    /// What to give to `caro sync init --relay`.
    pub fn address(&self) -> String {
        format!("ws://{}/#{}", self.place, URL_SAFE_NO_PAD.encode(self.shared.keys[0].public()))
    }

    /// Turns hostile, and ends every connection, so that each device comes back to a liar.
    pub fn behave(&self, behaviour: &'static Behaviour) {
        let mut relay = self.shared.relay();
        relay.behaviour = behaviour;
        relay.count = 0;
        (behaviour.turn)(&mut relay);
        drop(relay);
        self.cut();
    }

    /// What it refuses with, where that is how it behaves.
    pub fn refuse_with(&self, code: ErrorCode) {
        self.shared.relay().code = code;
    }

    /// Is honest from now on, with everything that any device ever pushed, in the order in which it came.
    pub fn reform(&self) {
        let mut relay = self.shared.relay();
        relay.behaviour = &behaviour::HONEST;
        relay.tell_the_truth();
        drop(relay);
        self.cut();
    }

    /// What `caro-relay renew` does: a new life of the database.
    pub fn renew(&self) {
        self.shared.relay().renew();
        self.cut();
    }

    /// Ends every connection.
    pub fn cut(&self) {
        self.shared.cut.notify_waiters();
    }

    /// Another member of the account pushes cells.
    pub fn push(&self, cells: Vec<Vec<u8>>) {
        let mut relay = self.shared.relay();
        let Some(handle) = relay.account() else { return };
        relay.append(handle, cells.into_iter().map(ByteBuf::from).collect());
    }

    /// How many cells were ever pushed, whatever became of them.
    pub fn pushed(&self) -> usize {
        self.shared.relay().pushed()
    }

    /// How many messages of devices it has heard since it began.
    pub fn heard(&self) -> u64 {
        self.shared.relay().heard
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.shared.end.notify_one();
        self.cut();
        if let Some(thread) = self.thread.take() {
            // It panicked: the test that used it has failed by then.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_at_least_25_behaviours_each_with_a_name_of_its_own() {
        let names: BTreeSet<&str> = ALL.iter().map(|behaviour| behaviour.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(names.len() >= 25, "{}", names.len());
    }

    #[test]
    fn the_page_is_the_one_in_the_documents() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/hostile-relay.md");
        let document = std::fs::read_to_string(path).expect("the page");
        assert!(document.contains(&page()), "hostile-relay --page");
    }
}
