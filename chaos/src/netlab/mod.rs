//! `netlab`: programs in network namespaces of their own, joined by links that are slow, narrow and lose packets. Why it is
//! ours: `docs/decisions/0024-links-that-fail.md`.
//!
//! [`link`] decides what becomes of a packet, [`router`] is the program that carries packets between TUN devices, [`Lab`]
//! is what a test holds of it. Invariant: a lab ends with whoever holds it, even when that is killed: its namespaces are
//! those of processes that end when a pipe does, and nothing of it has a name outside of them.

pub mod link;
pub mod router;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Write},
    net::Ipv4Addr,
    os::fd::AsFd,
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};

use link::{Counts, Way};

/// Networks with one node each, and the links between them.
pub struct Lab {
    router: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// The process that stands for each node's namespace.
    nodes: BTreeMap<String, u32>,
}

/// Whether this process may enter namespaces as it is. Others need one of users around them, which only new programs enter.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// `netlab`, which is built beside whatever this is part of.
fn program() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    own.ancestors().skip(1).take(2).map(|folder| folder.join("netlab")).find(|path| path.is_file())
}

impl Lab {
    /// A lab with these nodes, whose links are perfect at first.
    ///
    /// # Errors
    /// What this machine lacks.
    pub fn new(nodes: &[(&str, Ipv4Addr)], seed: u64) -> Result<Self, String> {
        for needed in ["unshare", "nsenter", "ip"] {
            if !caro_tests::have(needed) {
                return Err(format!("{needed} (util-linux, iproute2)"));
            }
        }
        let program = program().ok_or("the program netlab beside this one (cargo build -p chaos-tests --bins)")?;
        let mut command = Command::new("unshare");
        command.arg(if is_root() { "-n" } else { "-Urn" }).arg(program).args(["--seed", &seed.to_string()]);
        for (name, address) in nodes {
            command.args(["--node", &format!("{name}={address}")]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut router = command.spawn().map_err(|error| format!("unshare ({error})"))?;
        let (Some(orders), Some(answers)) = (router.stdin.take(), router.stdout.take()) else {
            return Err("pipes".to_owned());
        };
        let mut lab = Self { router, orders: Some(orders), answers: BufReader::new(answers), nodes: BTreeMap::new() };
        let ready = lab.answer().ok_or_else(|| lab.complaint())?;
        for (name, pid) in ready["nodes"].as_object().into_iter().flatten() {
            lab.nodes.insert(name.clone(), u32::try_from(pid.as_u64().unwrap_or_default()).unwrap_or_default());
        }
        Ok(lab)
    }

    /// What the router said when it could not begin.
    fn complaint(&mut self) -> String {
        let mut said = String::new();
        if let Some(errors) = self.router.stderr.as_mut() {
            // What cannot be read says nothing more.
            drop(std::io::Read::read_to_string(errors, &mut said));
        }
        format!("network namespaces and TUN devices ({})", said.trim())
    }

    fn answer(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    fn order(&mut self, order: &Value) -> Value {
        let orders = self.orders.as_mut().expect("it runs");
        writeln!(orders, "{order}").and_then(|()| orders.flush()).expect("the router listens");
        self.answer().expect("the router answers")
    }

    /// Makes a node's link such: up is from the node, down is to it.
    ///
    /// # Panics
    /// When the router does not do so.
    pub fn set(&mut self, node: &str, up: &Way, down: &Way) {
        let answer = self.order(&json!({ "node": node, "up": up, "down": down }));
        assert_eq!(answer["ok"], true, "{answer}");
    }

    /// Makes a node's link such both ways.
    pub fn set_both(&mut self, node: &str, way: &Way) {
        self.set(node, way, way);
    }

    /// What became of the packets of a node's link so far, up and down.
    ///
    /// # Panics
    /// When the router does not say.
    pub fn counts(&mut self, node: &str) -> (Counts, Counts) {
        let answer = self.order(&json!({ "count": node }));
        let read = |way: &str| serde_json::from_value(answer[way].clone()).expect("counts");
        (read("up"), read("down"))
    }

    /// What goes before a program on its command line to start it at a node.
    pub fn enter(&self, node: &str) -> Vec<String> {
        let pid = self.nodes[node].to_string();
        let mut words = vec!["nsenter".to_owned(), "-t".to_owned(), pid];
        words.extend((!is_root()).then_some(["-U", "--preserve-credentials"]).into_iter().flatten().map(str::to_owned));
        words.extend(["-n", "--"].map(str::to_owned));
        words
    }

    /// Does something at a node: sockets that are made there are of that network, wherever they are used. None where this
    /// process may not go there.
    pub fn within<T: Send>(&self, node: &str, act: impl FnOnce() -> T + Send) -> Option<T> {
        let network = File::open(format!("/proc/{}/ns/net", self.nodes[node])).ok()?;
        // A thread of its own: it cannot come back to where it was.
        thread::scope(|scope| {
            let there = scope.spawn(move || {
                move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).ok().map(|()| act())
            });
            match there.join() {
                Ok(value) => value,
                Err(cause) => std::panic::resume_unwind(cause),
            }
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The end of its orders is the end of the router.
        drop(self.orders.take());
        drop(self.router.wait());
    }
}
