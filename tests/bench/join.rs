//! What it costs to join an account whose history was typed one command at a time: by how much there is.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use caro_tests::{Relay, eventually_within};

use crate::{
    figures::Figures,
    sync::{Client, configured},
};

/// Joins accounts of growing size. `CARO_BENCH_JOIN` may name others, such as `1000,1000000`.
pub(crate) fn measure(figures: &mut Figures) {
    let counts = std::env::var("CARO_BENCH_JOIN").unwrap_or_else(|_| "1000,10000,100000".to_owned());
    for count in counts.split(',').map(|count| count.trim().parse().expect("a number")) {
        join(figures, count);
    }
}

fn join(figures: &mut Figures, count: u64) {
    // What a person types in decades comes within minutes here: faster than a relay lets anybody talk, and with more
    // cells at once than it keeps for one account.
    let config = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&config, "[limits]\nmessages_per_second = 100000\nbytes_per_account = 0\n").expect("written");
    let relay = Relay::with(&["--config", config.path().to_str().expect("text")]);
    let begun = Instant::now();
    let made = Command::new(typist()).args([relay.address(), &count.to_string()]).output().expect("it starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let phrase = String::from_utf8(made.stdout).expect("text");
    figures.one(&format!("uploading {count} commands one by one"), "s", begun.elapsed().as_secs_f64());
    let bytes: u64 = std::fs::read_dir(relay.data())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").metadata().expect("its size").len())
        .sum();
    figures.one(&format!("  the relay's folder, {count} commands"), "MB", bytes as f64 / 1e6);
    let meter = Meter::before(relay.address());
    let desktop = configured();
    let mut client = Client::connect(&desktop.home);
    let begun = Instant::now();
    desktop.restore_at(&meter.address, "desktop", phrase.trim());
    eventually_within(Duration::from_secs(600), "everything is there", || (client.count() >= count).then_some(()));
    figures.one(&format!("joining {count} commands typed one by one"), "s", begun.elapsed().as_secs_f64());
    figures.one("  over the wire", "MB", meter.bytes.load(Ordering::Relaxed) as f64 / 1e6);
    figures.one("  most memory of the daemon", "MB", most_memory_mb(desktop.pid()));
}

/// The program that types.
fn typist() -> PathBuf {
    let program = caro_tests::program("examples/type_slowly");
    assert!(program.exists(), "build it first: cargo build --release -p caro-daemon --example type_slowly");
    program
}

/// The most that was ever resident, from the kernel (proc(5), `VmHWM`).
fn most_memory_mb(pid: i32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024.0 / 1e6
}

/// Counts the bytes of all connections that go through it, both ways.
struct Meter {
    address: String,
    bytes: Arc<AtomicU64>,
}

impl Meter {
    fn before(relay: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let place = relay.split("://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address").to_owned();
        let address = relay.replace(&place, &format!("127.0.0.1:{port}"));
        let bytes = Arc::new(AtomicU64::new(0));
        let counter = bytes.clone();
        // Ends with the program: it only ever waits.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(&place).expect("the relay listens");
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().expect("open"), to.try_clone().expect("open"));
                    let counter = counter.clone();
                    thread::spawn(move || carry(from, to, &counter));
                }
            }
        });
        Self { address, bytes }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, counter: &AtomicU64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut buffer) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // One end is gone; the other hears of it.
    drop(to.shutdown(std::net::Shutdown::Write));
}
