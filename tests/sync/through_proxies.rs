//! Through a proxy: one device as its configuration says, over HTTP; the other as its environment says, over SOCKS. The
//! relay's name is one that only the proxies know.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use caro_tests::{Device, Home, Relay, program};

/// The name that means nothing outside of the proxies (RFC 2606).
const NAME: &str = "relay.invalid";

#[derive(Clone, Copy)]
enum Kind {
    Http,
    Socks,
}

/// A proxy that knows one host, and lets nobody in without the login that it was told.
struct Proxy {
    port: u16,
    carried: Arc<AtomicUsize>,
}

impl Proxy {
    fn start(kind: Kind, relay: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let carried = Arc::new(AtomicUsize::new(0));
        let count = carried.clone();
        thread::spawn(move || {
            for device in listener.incoming().map_while(Result::ok) {
                let count = count.clone();
                thread::spawn(move || carry(kind, device, relay, &count));
            }
        });
        Self { port, carried }
    }

    fn carried(&self) -> usize {
        self.carried.load(Ordering::SeqCst)
    }
}

/// Gives up where either side is gone.
fn carry(kind: Kind, mut device: TcpStream, relay: u16, count: &AtomicUsize) -> Option<()> {
    match kind {
        Kind::Http => answer_http(&mut device)?,
        Kind::Socks => answer_socks(&mut device)?,
    }
    let mut up = TcpStream::connect(("127.0.0.1", relay)).ok()?;
    count.fetch_add(1, Ordering::SeqCst);
    let (mut from_device, mut to_device) = (device.try_clone().ok()?, device);
    let mut from_relay = up.try_clone().ok()?;
    thread::spawn(move || {
        // An end of one direction is an end of both.
        let _ = std::io::copy(&mut from_relay, &mut to_device);
        let _ = to_device.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut from_device, &mut up);
    let _ = up.shutdown(Shutdown::Both);
    Some(())
}

fn answer_http(device: &mut TcpStream) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        device.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).expect("text");
    assert!(head.starts_with(&format!("CONNECT {NAME}:")), "{head}");
    device.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()
}

fn answer_socks(device: &mut TcpStream) -> Option<()> {
    let mut greeting = [0; 4];
    device.read_exact(&mut greeting).ok()?;
    assert_eq!(greeting, [5, 2, 0, 2]);
    device.write_all(&[5, 2]).ok()?;
    let mut login = vec![0; 3 + "ada".len() + "sesame".len()];
    device.read_exact(&mut login).ok()?;
    assert_eq!(login, [&[1, 3][..], b"ada", &[6], b"sesame"].concat());
    device.write_all(&[1, 0]).ok()?;
    let mut request = vec![0; 7 + NAME.len()];
    device.read_exact(&mut request).ok()?;
    assert_eq!(&request[5..5 + NAME.len()], NAME.as_bytes());
    device.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 1]).ok()
}

/// The relay's address under the name that only the proxies know.
fn renamed(relay: &Relay) -> (String, u16) {
    let (place, key) = relay.address().split_once("/#").expect("a key");
    let (scheme, authority) = place.split_once("://").expect("a scheme");
    let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
    (format!("{scheme}://{NAME}:{port}/#{key}"), port)
}

#[test]
fn pr012_relays_are_reached_through_the_proxies_that_are_named_and_not_around_them() {
    let relay = Relay::new();
    let (address, port) = renamed(&relay);
    let (http, socks) = (Proxy::start(Kind::Http, port), Proxy::start(Kind::Socks, port));

    let home = Home::new();
    home.caro_ok(&["config", "set", "sync.proxy", &format!("http://127.0.0.1:{}", http.port)]);
    let laptop = Device::in_home(home);
    let phrase = laptop.init_at(&address, "laptop");
    laptop.type_lines("one", &["echo through a proxy"]);
    laptop.sync();
    assert!(http.carried() > 0);

    // The daemon of this home is started with what the shell's environment says.
    let home = Home::new();
    let mut daemon: Command = home.command(program("caro-daemon"));
    daemon.arg("--detach").env("ALL_PROXY", format!("socks5h://ada:sesame@127.0.0.1:{}", socks.port));
    assert!(daemon.status().expect("it starts").success());
    let desktop = Device::in_home(home);
    desktop.restore_at(&address, "desktop", &phrase);
    desktop.expect_commands(&["echo through a proxy"]);
    assert!(socks.carried() > 0);

    // A proxy that is gone is said, without its login, and nothing goes around it.
    let gone = format!("socks5://ada:canary-sesame@127.0.0.1:{}", free());
    desktop.home.caro_ok(&["config", "set", "sync.proxy", &gone]);
    desktop.home.caro_ok(&["daemon", "restart"]);
    let said = caro_tests::eventually("what is wrong is said", || {
        let said = desktop.home.caro_ok(&["sync", "status"]);
        said.contains("the proxy 127.0.0.1").then_some(said)
    });
    assert!(!said.contains("canary"), "{said}");
}

fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}
