//! The tier NET: real programs, each in a network of its own, joined by links that the run makes bad.
//!
//! Invariant: every lab has the same addresses, so that what a device knows from the template is true in each.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Mutex,
    time::Duration,
};

use caro_tests::{Device, Home, eventually_within};

use super::{
    proxied::is_connected,
    relay::RelayProgram,
    stage::{Stage, Template},
    strace::Under,
};
use crate::{
    netlab::{Lab, link::Way},
    scenario::Run,
};

/// The nodes of every lab.
pub const RELAY: &str = "relay";
/// As [`RELAY`].
pub const LAPTOP: &str = "laptop";
/// As [`RELAY`].
pub const DESKTOP: &str = "desktop";
/// Somebody whom nobody knows.
pub const STRANGER: &str = "stranger";

const NODES: [(&str, Ipv4Addr); 4] = [
    (RELAY, Ipv4Addr::new(10, 77, 0, 1)),
    (LAPTOP, Ipv4Addr::new(10, 77, 0, 2)),
    (DESKTOP, Ipv4Addr::new(10, 77, 0, 3)),
    (STRANGER, Ipv4Addr::new(10, 77, 0, 4)),
];

/// Where the relay of every lab listens.
pub const PLACE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(NODES[0].1), 7490);

/// A lab with the nodes of all; a run that cannot have one is skipped.
pub fn lab(run: &Run) -> Lab {
    match Lab::new(&NODES, run.seed) {
        Ok(lab) => lab,
        Err(needs) => run.skip(&needs),
    }
}

/// What a relay or a device in a lab is started under.
pub fn under(lab: &Lab, node: &str) -> Under {
    let words = lab.enter(node);
    Under::program(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Starts the daemon of a device at a node.
///
/// # Panics
/// When it does not start.
pub fn start_daemon(lab: &Lab, node: &str, home: &Home) {
    let words = lab.enter(node);
    let mut command = home.command(&words[0]);
    let output = command.args(&words[1..]).arg("caro").args(["daemon", "start"]).output().expect("nsenter starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A relay and two devices in a lab.
pub struct Netted {
    /// The programs.
    pub stage: Stage,
    /// Their links.
    pub lab: Lab,
}

impl Netted {
    /// Everything runs over perfect links, and both devices are connected.
    pub fn running(run: &Run) -> Self {
        static TEMPLATE: Mutex<Option<Template>> = Mutex::new(None);
        let mut made = TEMPLATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut stage = made.get_or_insert_with(|| Self::template(run)).stage();
        drop(made);
        let lab = lab(run);
        stage.relay.start_under(&under(&lab, RELAY)).expect("the relay starts");
        start_daemon(&lab, LAPTOP, &stage.laptop.home);
        start_daemon(&lab, DESKTOP, &stage.desktop.home);
        let netted = Self { stage, lab };
        netted.expect_connected(Duration::from_secs(20));
        netted
    }

    fn template(run: &Run) -> Template {
        let lab = lab(run);
        let mut relay = RelayProgram::prepared_at(PLACE, "");
        relay.start_under(&under(&lab, RELAY)).expect("the relay starts");
        let devices = [LAPTOP, DESKTOP].map(|node| {
            let home = Home::new();
            start_daemon(&lab, node, &home);
            Device { home }
        });
        let addresses = [relay.address(), relay.address()].map(str::to_owned);
        Template::of_two(relay, devices, &addresses)
    }

    /// Both devices, each with its node.
    pub fn devices(&self) -> [(&'static str, &Device); 2] {
        [(LAPTOP, &self.stage.laptop), (DESKTOP, &self.stage.desktop)]
    }

    /// Makes both links such, both ways.
    pub fn set_both(&mut self, way: &Way) {
        for node in [LAPTOP, DESKTOP] {
            self.lab.set_both(node, way);
        }
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
        self.set_both(&Way::default());
        self.stage.expect_all(commands);
    }
}
