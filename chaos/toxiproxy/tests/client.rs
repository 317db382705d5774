//! `chaos-proxy` through `toxiproxy_rust`, as anybody would use it. With `TOXIPROXY_ADDR` the same tests run against an original
//! server, to see that both do the same.
//!
//! The client does not look at the status of an answer, so every toxic is looked at after it was put in.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use toxiproxy_rust::{
    client::Client,
    proxy::{Proxy, ProxyPack},
};

/// The server under test. Ours ends with it.
struct Server {
    _ours: Option<(Child, ChildStdin)>,
    address: String,
}

impl Server {
    fn start() -> Self {
        if let Ok(address) = std::env::var("TOXIPROXY_ADDR") {
            return Self { _ours: None, address };
        }
        let mut child = Command::new(program())
            .args(["--listen", "127.0.0.1:0", "--with-parent"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("chaos-proxy starts (cargo build -p chaos-tests --bin chaos-proxy)");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it prints its place");
        let address = line.trim().strip_prefix("listening on ").expect("its place").to_owned();
        let stdin = child.stdin.take().expect("piped");
        Self { _ours: Some((child, stdin)), address }
    }

    /// A proxy in front of a server, which no other test has.
    fn proxy(&self, name: &str, upstream: SocketAddr) -> (Proxy, SocketAddr) {
        let listen = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("a place");
        let pack = ProxyPack::new(name.to_owned(), listen.to_string(), upstream.to_string());
        let populated = Client::new(&*self.address).populate(vec![pack]).expect("populated");
        assert_eq!(populated.len(), 1);
        let proxy = Client::new(&*self.address).find_and_reset_proxy(name).expect("found");
        (proxy, listen)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((mut child, stdin)) = self._ours.take() {
            drop(stdin);
            child.wait().expect("it ends with its input");
        }
    }
}

/// `chaos-proxy`: the one that is named, or the one that was built into the target folder of these tests.
fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("CHAOS_PROXY") {
        return named.into();
    }
    let test = std::env::current_exe().expect("a test has a file");
    test.ancestors().nth(2).expect("built into target/<profile>/deps").join("chaos-proxy")
}

/// Sends back whatever comes.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = listener.local_addr().expect("a place");
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut reader = client.try_clone().expect("a handle");
                drop(std::io::copy(&mut reader, &mut &client));
            });
        }
    });
    place
}

/// Gives so many bytes to whoever connects, and ends.
fn source(bytes: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = listener.local_addr().expect("a place");
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            thread::spawn(move || drop(client.write_all(&vec![7; bytes])));
        }
    });
    place
}

fn connect(place: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect(place).expect("it listens");
    tcp.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    tcp
}

/// How long a byte takes there and back.
fn round_trip(tcp: &mut TcpStream) -> Duration {
    let begun = Instant::now();
    tcp.write_all(b"x").expect("sent");
    tcp.read_exact(&mut [0; 1]).expect("it comes back");
    begun.elapsed()
}

fn expect_toxics(proxy: &Proxy, count: usize) {
    assert_eq!(proxy.toxics().expect("listed").len(), count);
}

#[test]
fn it_answers_and_lists_what_there_is() {
    let server = Server::start();
    let client = Client::new(&*server.address);
    assert!(client.is_running());
    assert!(client.version().expect("a version").contains('.'));
    let (proxy, _) = server.proxy("listed", echo());
    proxy.with_latency("downstream".into(), 1, 0, 1.0);
    expect_toxics(&proxy, 1);
    let all = client.all().expect("all");
    assert_eq!(all["listed"].proxy_pack.toxics.len(), 1);
    proxy.delete_all_toxics().expect("removed");
    expect_toxics(&proxy, 0);
    // A way that does not exist is refused.
    proxy.with_latency("sideways".into(), 1, 0, 1.0);
    expect_toxics(&proxy, 0);
    proxy.delete().expect("removed");
    assert!(client.find_proxy("listed").is_err());
}

#[test]
fn latency_comes_and_goes_on_a_connection_that_is_open() {
    let server = Server::start();
    let (proxy, place) = server.proxy("latency", echo());
    let mut tcp = connect(place);
    assert!(round_trip(&mut tcp) < Duration::from_millis(150));
    proxy.with_latency("downstream".into(), 200, 10, 1.0);
    expect_toxics(&proxy, 1);
    let once = round_trip(&mut tcp);
    assert!((Duration::from_millis(190)..Duration::from_millis(500)).contains(&once), "{once:?}");
    proxy.with_latency("upstream".into(), 100, 0, 1.0);
    let both = round_trip(&mut tcp);
    assert!((Duration::from_millis(290)..Duration::from_millis(600)).contains(&both), "{both:?}");
    proxy.delete_all_toxics().expect("removed");
    assert!(round_trip(&mut tcp) < Duration::from_millis(150));
}

#[test]
fn bandwidth_takes_its_time() {
    let server = Server::start();
    let (proxy, place) = server.proxy("bandwidth", source(64 << 10));
    proxy.with_bandwidth("downstream".into(), 64, 1.0);
    expect_toxics(&proxy, 1);
    let begun = Instant::now();
    let mut all = Vec::new();
    connect(place).read_to_end(&mut all).expect("everything comes");
    assert_eq!(all.len(), 64 << 10);
    let took = begun.elapsed();
    assert!((Duration::from_millis(850)..Duration::from_millis(2000)).contains(&took), "{took:?}");
}

#[test]
fn limit_data_ends_after_so_many_bytes() {
    let server = Server::start();
    let (proxy, place) = server.proxy("limit_data", source(5000));
    proxy.with_limit_data("downstream".into(), 1000, 1.0);
    expect_toxics(&proxy, 1);
    let mut all = Vec::new();
    connect(place).read_to_end(&mut all).expect("an end");
    assert_eq!(all.len(), 1000);
}

#[test]
fn slices_are_put_together_again() {
    let server = Server::start();
    let (proxy, place) = server.proxy("slicer", source(64 << 10));
    proxy.with_slicer("downstream".into(), 4096, 512, 5000, 1.0);
    expect_toxics(&proxy, 1);
    let (begun, mut all) = (Instant::now(), Vec::new());
    connect(place).read_to_end(&mut all).expect("everything comes");
    assert_eq!(all, vec![7; 64 << 10]);
    // Fourteen pieces or more, with five milliseconds between two.
    assert!(begun.elapsed() >= Duration::from_millis(60), "{:?}", begun.elapsed());
}

#[test]
fn timeout_swallows_and_then_closes_and_slow_close_waits() {
    let server = Server::start();
    let (proxy, place) = server.proxy("timeout", source(100));
    proxy.with_timeout("downstream".into(), 400, 1.0);
    expect_toxics(&proxy, 1);
    let (begun, mut all) = (Instant::now(), Vec::new());
    connect(place).read_to_end(&mut all).expect("an end");
    assert!(all.is_empty() && begun.elapsed() >= Duration::from_millis(390), "{:?}", begun.elapsed());
    proxy.delete_all_toxics().expect("removed");
    proxy.with_slow_close("downstream".into(), 400, 1.0);
    expect_toxics(&proxy, 1);
    let (begun, mut all) = (Instant::now(), Vec::new());
    connect(place).read_to_end(&mut all).expect("an end");
    assert!(all.len() == 100 && begun.elapsed() >= Duration::from_millis(390), "{:?}", begun.elapsed());
}

#[test]
fn reset_peer_resets() {
    let server = Server::start();
    let (_proxy, place) = server.proxy("reset_peer", echo());
    // The client has no word for it.
    let body = r#"{"type":"reset_peer","stream":"downstream","attributes":{"timeout":200}}"#;
    let mut http = TcpStream::connect(&*server.address).expect("it listens");
    let head =
        "POST /proxies/reset_peer/toxics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json";
    write!(http, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("sent");
    let mut answer = String::new();
    http.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut tcp = connect(place);
    tcp.write_all(b"x").expect("sent");
    let error = tcp.read(&mut [0; 1]).expect_err("no end, but a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn toxicity_is_a_share_of_the_connections() {
    let server = Server::start();
    let (proxy, place) = server.proxy("toxicity", source(10));
    proxy.with_limit_data("downstream".into(), 1, 0.5);
    expect_toxics(&proxy, 1);
    let short = (0..60).filter(|_| {
        let mut all = Vec::new();
        connect(place).read_to_end(&mut all).expect("an end");
        all.len() == 1
    });
    let short = short.count();
    assert!((10..50).contains(&short), "{short} of 60");
}

#[test]
fn a_proxy_that_is_down_refuses_and_has_cut_what_was_open() {
    let server = Server::start();
    let (proxy, place) = server.proxy("down", echo());
    let mut open = connect(place);
    round_trip(&mut open);
    proxy
        .with_down(|| {
            assert!(TcpStream::connect(place).is_err(), "it takes connections");
            let read = open.read(&mut [0; 1]);
            assert!(read.as_ref().map_or(true, |count| *count == 0), "still open: {read:?}");
        })
        .expect("it is up again");
    round_trip(&mut connect(place));
}
