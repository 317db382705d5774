//! The tier PROXY: real programs that reach their relay through doors, each of which is a proxy that breaks connections.
//!
//! A door passes everything on until a toxic is put into it. Invariant: every device of a stage has a door of its own, at
//! an address that stays the same from run to run, so that a device finds it where it always was.

use std::{net::SocketAddr, sync::Mutex, time::Duration};

use caro_tests::{Device, eventually_within};
use serde_json::{Value, json};

use super::{
    relay::{RelayProgram, free_port},
    stage::{Stage, Template},
};
use crate::{
    proxy::{Server, toxic::Stream},
    scenario::Run,
};

/// Doors to one relay.
pub struct Doors {
    server: Server,
    places: Vec<(&'static str, SocketAddr)>,
}

/// The doors of a stage's two devices.
pub const LAPTOP: &str = "laptop";
/// As [`LAPTOP`].
pub const DESKTOP: &str = "desktop";

impl Doors {
    /// With these names at these places.
    ///
    /// # Panics
    /// When a place is taken.
    pub fn at(relay: SocketAddr, seed: u64, places: &[(&'static str, SocketAddr)]) -> Self {
        let doors = Self { server: Server::new(seed).expect("threads"), places: places.to_vec() };
        for (name, place) in places {
            let proxy = json!({ "name": name, "listen": place.to_string(), "upstream": relay.to_string() });
            doors.ask(201, "POST", "/proxies", &proxy);
        }
        doors
    }

    /// One door to a relay, at any place.
    pub fn one(relay: &RelayProgram, run: &Run) -> Self {
        Self::at(relay.place(), run.seed, &[(LAPTOP, free_port())])
    }

    fn ask(&self, status: u16, method: &str, path: &str, body: &Value) -> Option<Value> {
        let answer = self.server.call(method, path, body);
        assert_eq!(answer.status, status, "{method} {path}: {:?}", answer.body);
        answer.body
    }

    /// Where a door is.
    ///
    /// # Panics
    /// When there is none of this name.
    pub fn place(&self, door: &str) -> SocketAddr {
        self.places.iter().find(|(name, _)| *name == door).expect("a door").1
    }

    /// Where the one door is.
    pub fn only(&self) -> SocketAddr {
        self.places[0].1
    }

    /// Puts a toxic into one way of a door.
    ///
    /// # Panics
    /// When the API does not take it.
    pub fn put(&self, door: &str, stream: Stream, kind: &str, attributes: &Value) {
        let toxic = json!({ "type": kind, "stream": stream, "attributes": attributes });
        self.ask(200, "POST", &format!("/proxies/{door}/toxics"), &toxic);
    }

    /// Puts a toxic into both ways of a door.
    pub fn put_both(&self, door: &str, kind: &str, attributes: &Value) {
        self.put(door, Stream::Upstream, kind, attributes);
        self.put(door, Stream::Downstream, kind, attributes);
    }

    /// Puts a toxic into both ways of all doors.
    pub fn put_all(&self, kind: &str, attributes: &Value) {
        for (door, _) in &self.places {
            self.put_both(door, kind, attributes);
        }
    }

    /// Changes a toxic that is in one way of a door.
    ///
    /// # Panics
    /// When it is not there.
    pub fn change(&self, door: &str, stream: Stream, kind: &str, attributes: &Value) {
        let way = if stream == Stream::Upstream { "upstream" } else { "downstream" };
        let path = format!("/proxies/{door}/toxics/{kind}_{way}");
        self.ask(200, "POST", &path, &json!({ "attributes": attributes }));
    }

    /// Takes every toxic out, and opens what was shut.
    ///
    /// # Panics
    /// When the API does not do so.
    pub fn heal(&self) {
        self.ask(204, "POST", "/reset", &Value::Null);
    }

    /// Shuts a door: what goes through it is cut, and nobody gets in.
    ///
    /// # Panics
    /// When the API does not do so.
    pub fn shut(&self, door: &str) {
        self.ask(200, "POST", &format!("/proxies/{door}"), &json!({ "enabled": false }));
    }

    /// Connections that came to a door so far.
    pub fn connections(&self, door: &str) -> u64 {
        self.server.traffic(door).0
    }

    /// Bytes that went through a door so far, up and down.
    pub fn bytes(&self, door: &str) -> (u64, u64) {
        let (_, up, down) = self.server.traffic(door);
        (up, down)
    }
}

/// A relay and two devices, each with a door of its own.
pub struct Proxied {
    /// The programs.
    pub stage: Stage,
    /// The doors [`LAPTOP`] and [`DESKTOP`].
    pub doors: Doors,
}

impl Proxied {
    /// Everything runs.
    pub fn running(run: &Run) -> Self {
        static TEMPLATE: Mutex<Option<(Template, [SocketAddr; 2])>> = Mutex::new(None);
        let mut made = TEMPLATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (template, places) = made.get_or_insert_with(Self::template);
        let mut stage = template.stage();
        let doors = Doors::at(stage.relay.place(), run.seed, &[(LAPTOP, places[0]), (DESKTOP, places[1])]);
        stage.relay.start();
        for device in stage.devices() {
            device.home.caro_ok(&["daemon", "start"]);
        }
        let proxied = Self { stage, doors };
        proxied.expect_connected(Duration::from_secs(20));
        proxied
    }

    fn template() -> (Template, [SocketAddr; 2]) {
        let relay = RelayProgram::new();
        let places = [free_port(), free_port()];
        let _doors = Doors::at(relay.place(), 0, &[(LAPTOP, places[0]), (DESKTOP, places[1])]);
        let through = |door: SocketAddr| relay.address().replace(&relay.place().to_string(), &door.to_string());
        let addresses = places.map(through);
        (Template::of_two(relay, [Device::new(), Device::new()], &addresses), places)
    }

    /// Both devices, each with its door.
    pub fn devices(&self) -> [(&'static str, &Device); 2] {
        [(LAPTOP, &self.stage.laptop), (DESKTOP, &self.stage.desktop)]
    }

    /// # Panics
    /// When not both say in time that they are connected.
    pub fn expect_connected(&self, patience: Duration) {
        eventually_within(patience, "both are connected", || {
            self.stage.devices().into_iter().all(is_connected).then_some(())
        });
    }

    /// The end: the links are whole, and both devices and the relay have exactly these.
    pub fn expect_all(&mut self, commands: &[String]) {
        self.doors.heal();
        self.stage.expect_all(commands);
    }
}

/// Whether a device says that it is connected to its first relay.
pub fn is_connected(device: &Device) -> bool {
    let status = device.home.caro_ok(&["sync", "status", "--json"]);
    let status: Value = serde_json::from_str(status.trim()).expect("JSON");
    status["remotes"][0]["state"] == "connected"
}
