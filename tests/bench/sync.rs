//! How long until the other device has it: one command, and a whole history.

use std::{
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use caro_schema::{
    codec, frame,
    ipc::{
        Answer, Call, Hello, Reply, Request,
        history::{Order, Query, Window},
    },
    limits::IPC_MESSAGE_BYTES_MAX,
    paths::Places,
    version,
};
use caro_tests::{Device, Home, Relay, eventually_within};

use crate::{atuin, cold::resident_mb, corpus::bash_history, figures::Figures};

const COMMANDS: usize = 200;

/// One command, from the moment that it is in a shell's file on one device until a search on the other finds it.
pub(crate) fn latency(figures: &mut Figures) {
    let relay = Relay::new();
    let (laptop, desktop) = pair(&relay);
    let mut client = Client::connect(&desktop.home);
    let mut samples = Vec::new();
    for n in 0..COMMANDS {
        let text = format!("echo latency {n}");
        let begun = Instant::now();
        laptop.type_lines(&format!("session{n}"), &[&text]);
        eventually_within(Duration::from_secs(20), "the other device has it", || {
            (client.newest().as_deref() == Some(text.as_bytes())).then_some(())
        });
        samples.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    figures.samples("a new command on the other device", "ms", samples);
}

/// Everything that was imported on one device, on a device that joins.
pub(crate) fn first(figures: &mut Figures) {
    for count in [10_000_u64, 100_000] {
        let text = bash_history(count);
        let relay = Relay::new();
        let laptop = configured();
        let phrase = laptop.init(&relay, "laptop");
        let file = laptop.home.write("history", &text);
        let begun = Instant::now();
        laptop.home.caro_ok(&["import", "bash", file.to_str().expect("text")]);
        figures.one(&format!("caro import of {count} commands"), "s", begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        laptop.home.caro_ok(&["sync", "now", "--wait", "600"]);
        figures.one(&format!("caro upload of {count} commands"), "s", begun.elapsed().as_secs_f64());
        let desktop = configured();
        let mut client = Client::connect(&desktop.home);
        let begun = Instant::now();
        desktop.restore(&relay, "desktop", &phrase);
        eventually_within(Duration::from_secs(600), "everything is there", || (client.count() >= count).then_some(()));
        let ours = begun.elapsed().as_secs_f64();
        figures.one(&format!("caro first sync of {count} commands, with joining"), "s", ours);
        figures.one(&format!("caro-daemon resident after it, {count} commands"), "MB", resident_mb(desktop.pid()));
        let bytes: u64 = std::fs::read_dir(relay.data())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").metadata().expect("its size").len())
            .sum();
        figures.one(&format!("the relay's folder, {count} commands"), "MB", bytes as f64 / 1e6);
        if let Some(theirs) = leader(figures, count, &text) {
            figures.ratio("  the leader's download takes times", theirs, ours);
        }
    }
}

/// The same with the leader: import, upload, and download on a second machine. Gives the seconds of the last.
fn leader(figures: &mut Figures, count: u64, text: &str) -> Option<f64> {
    if !atuin::is_here() {
        return None;
    }
    let server = atuin::Server::start()?;
    let (one, two) = (atuin::home(&server), atuin::home(&server));
    atuin::history_file(&one, text);
    let begun = Instant::now();
    atuin::run(&one, &["import", "bash"])?;
    figures.one(&format!("atuin import of {count} commands"), "s", begun.elapsed().as_secs_f64());
    atuin::run(&one, &["register", "-u", "ada", "-e", "ada@example.org", "-p", "correct horse"])?;
    let begun = Instant::now();
    atuin::run(&one, &["sync"])?;
    figures.one(&format!("atuin upload of {count} commands"), "s", begun.elapsed().as_secs_f64());
    let key = atuin::run(&one, &["key"])?;
    atuin::run(&two, &["login", "-u", "ada", "-p", "correct horse", "-k", key.trim()])?;
    let begun = Instant::now();
    atuin::run(&two, &["sync"])?;
    let seconds = begun.elapsed().as_secs_f64();
    figures.one(&format!("atuin first sync of {count} commands"), "s", seconds);
    Some(seconds)
}

fn pair(relay: &Relay) -> (Device, Device) {
    let (laptop, desktop) = (Device::new(), Device::new());
    let phrase = laptop.init(relay, "laptop");
    desktop.restore(relay, "desktop", &phrase);
    (laptop, desktop)
}

/// A device that syncs all of its history, however much and old.
pub(crate) fn configured() -> Device {
    let home = Home::new();
    home.write(".config/caro/config.toml", "[sync]\nwindow_days = \"unlimited\"\nwindow_commands = \"unlimited\"\n");
    Device::in_home(home)
}

/// A client that stays connected, so that asking costs nothing beside the answer.
pub(crate) struct Client {
    stream: UnixStream,
    next: u64,
}

impl Client {
    pub(crate) fn connect(home: &Home) -> Self {
        let env = home.env();
        let var = |name: &str| env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let places = Places::from_env(var, rustix::process::getuid().as_raw()).expect("a home");
        let mut client = Self { stream: UnixStream::connect(&places.socket).expect("it listens"), next: 0 };
        client.send(&codec::encode(&Hello { protocol: version::IPC, build: "bench".to_owned() }));
        client.receive();
        client
    }

    fn send(&mut self, bytes: &[u8]) {
        frame::write(&mut self.stream, bytes, IPC_MESSAGE_BYTES_MAX).expect("it listens");
    }

    fn receive(&mut self) -> Vec<u8> {
        frame::read(&mut self.stream, IPC_MESSAGE_BYTES_MAX).expect("it answers")
    }

    fn ask(&mut self, request: Request) -> Reply {
        self.next += 1;
        self.send(&codec::encode(&Call { id: self.next, request }));
        let answer: Answer = codec::decode(&self.receive()).expect("an answer");
        answer.reply.expect("it succeeds")
    }

    /// The text of the newest command.
    fn newest(&mut self) -> Option<Vec<u8>> {
        let query = Box::new(Query { order: Order::Newest, ..Query::default() });
        match self.ask(Request::Search { query, window: Window { offset: 0, limit: 1 } }) {
            Reply::Hits(hits) => hits.rows.into_iter().next().map(|hit| hit.record.command.into_vec()),
            _ => None,
        }
    }

    /// How many commands there are.
    pub(crate) fn count(&mut self) -> u64 {
        match self.ask(Request::DaemonStatus) {
            Reply::Daemon(status) => status.records,
            _ => 0,
        }
    }
}
