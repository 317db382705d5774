//! The process that carries packets: a TUN device for each node, moved into the node's namespace, and a thread that reads
//! it. It takes orders from its standard input, a line of JSON each, and ends with it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    io::{self, BufRead, Write},
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tappers::{Interface, Tun};

use super::link::{Link, Way};
use crate::seed::Seed;

/// Bytes of a packet at most: as over a tunnel through the Internet.
const MTU: usize = 1400;

/// A node of the lab.
struct Node {
    address: Ipv4Addr,
    tun: Arc<Tun>,
    up: Link,
    down: Link,
    /// Holds the namespace; ends with its standard input.
    holder: Child,
}

/// A packet with the moment at which it goes on, a number that keeps the order, and where it goes.
type Waiting = Reverse<(u64, u64, usize, Vec<u8>)>;

struct Router {
    nodes: Vec<Node>,
    waiting: BinaryHeap<Waiting>,
    number: u64,
}

struct Shared {
    router: Mutex<Router>,
    /// Something earlier than what was waited for has come.
    earlier: Condvar,
    begun: Instant,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Router> {
        self.router.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Runs until standard input ends.
///
/// # Errors
/// When this machine does not have what it takes, with the step that failed.
pub fn run(nodes: &[(String, Ipv4Addr)], seed: u64) -> io::Result<()> {
    let seed = Seed::new(seed);
    let (mut made, mut names, mut pids) = (Vec::new(), BTreeMap::new(), serde_json::Map::new());
    for (at, (name, address)) in nodes.iter().enumerate() {
        let node = Node::new(at, *address, &seed)?;
        pids.insert(name.clone(), json!(node.holder.id()));
        names.insert(name.clone(), at);
        made.push(node);
    }
    let tuns: Vec<Arc<Tun>> = made.iter().map(|node| Arc::clone(&node.tun)).collect();
    let router = Mutex::new(Router { nodes: made, waiting: BinaryHeap::new(), number: 0 });
    let shared = Arc::new(Shared { router, earlier: Condvar::new(), begun: Instant::now() });
    for (at, tun) in tuns.iter().enumerate() {
        let (shared, tun) = (Arc::clone(&shared), Arc::clone(tun));
        thread::spawn(move || read(&shared, at, &tun));
    }
    let sending = Arc::clone(&shared);
    thread::spawn(move || send(&sending, &tuns));
    answer(&json!({ "nodes": pids }))?;
    for line in io::stdin().lock().lines() {
        let order: Value = serde_json::from_str(&line?)?;
        answer(&obey(&shared, &names, &order))?;
    }
    // Whoever waits for the end of this process finds nothing left of its nodes.
    shared.lock().nodes.clear();
    Ok(())
}

fn answer(answer: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{answer}")?;
    out.flush()
}

fn obey(shared: &Shared, names: &BTreeMap<String, usize>, order: &Value) -> Value {
    let named = |key: &str| order[key].as_str().and_then(|name| names.get(name)).copied();
    let mut router = shared.lock();
    if let Some(at) = named("count") {
        let node = &router.nodes[at];
        return json!({ "up": node.up.counts(), "down": node.down.counts() });
    }
    let ways = |key: &str| serde_json::from_value::<Way>(order[key].clone());
    match (named("node"), ways("up"), ways("down")) {
        (Some(at), Ok(up), Ok(down)) => {
            let node = &mut router.nodes[at];
            node.up.set(up);
            node.down.set(down);
            json!({ "ok": true })
        }
        (None, ..) => json!({ "error": "no such node" }),
        (_, Err(error), _) | (_, _, Err(error)) => json!({ "error": error.to_string() }),
    }
}

impl Node {
    fn new(at: usize, address: Ipv4Addr, seed: &Seed) -> io::Result<Self> {
        let mut unshare = Command::new("unshare");
        unshare.args(["-n", "cat"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let holder = unshare.spawn()?;
        let pid = holder.id().to_string();
        wait_for_namespace(&pid)?;
        let name = format!("lab{at}");
        let tun = Tun::new_named(Interface::new(name.as_str())?)?;
        ip(&["link", "set", &name, "netns", &pid])?;
        let inside = |words: &[&str]| {
            let mut all = vec!["-t", &pid, "-n", "ip"];
            all.extend(words);
            done(Command::new("nsenter").args(all))
        };
        inside(&["address", "add", &format!("{address}/24"), "dev", &name])?;
        inside(&["link", "set", &name, "mtu", &MTU.to_string(), "up"])?;
        inside(&["link", "set", "lo", "up"])?;
        let link = |way: u64| Link::new(seed.fork(2 * at as u64 + way));
        Ok(Self { address, tun: Arc::new(tun), up: link(1), down: link(2), holder })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        drop(self.holder.wait());
    }
}

/// The program that holds a namespace is in it only a moment after it was started.
fn wait_for_namespace(pid: &str) -> io::Result<()> {
    let of = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net"));
    let deadline = Instant::now() + Duration::from_secs(10);
    while of(pid)? == of("self")? {
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "unshare -n does nothing"));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn ip(words: &[&str]) -> io::Result<()> {
    done(Command::new("ip").args(words))
}

fn done(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io::Error::other(format!("{command:?}: {said}")))
}

/// Takes what a node sends, and decides what becomes of it.
fn read(shared: &Shared, from: usize, tun: &Tun) {
    let mut buffer = vec![0; 2 * MTU];
    // An error is the end of the device, and with it of the lab.
    while let Ok(size) = tun.recv(&mut buffer) {
        let packet = &buffer[..size];
        let Some(to) = destination(packet) else { continue };
        let now_us = shared.now_us();
        let mut router = shared.lock();
        let Some(at) = router.nodes.iter().position(|node| node.address == to) else { continue };
        for (sent_us, packet) in router.nodes[from].up.offer(now_us, packet.to_vec()) {
            for (due_us, packet) in router.nodes[at].down.offer(sent_us, packet) {
                router.number += 1;
                let number = router.number;
                router.waiting.push(Reverse((due_us, number, at, packet)));
            }
        }
        drop(router);
        shared.earlier.notify_one();
    }
}

/// Where an IPv4 packet goes. Others are the system's own talk.
fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    let version = packet.first()? >> 4;
    let bytes: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    (version == 4).then(|| Ipv4Addr::from(bytes))
}

/// Lets packets go at their moment.
fn send(shared: &Shared, tuns: &[Arc<Tun>]) {
    let mut router = shared.lock();
    loop {
        let now_us = shared.now_us();
        let due_us = router.waiting.peek().map(|Reverse((due_us, ..))| *due_us);
        match due_us {
            Some(due_us) if due_us <= now_us => {
                if let Some(Reverse((_, _, to, packet))) = router.waiting.pop() {
                    drop(router);
                    // A node that is going away takes nothing any more.
                    drop(tuns[to].send(&packet));
                    router = shared.lock();
                }
            }
            Some(due_us) => {
                let pause = Duration::from_micros(due_us - now_us);
                router = shared.earlier.wait_timeout(router, pause).unwrap_or_else(PoisonError::into_inner).0;
            }
            None => router = shared.earlier.wait(router).unwrap_or_else(PoisonError::into_inner),
        }
    }
}
