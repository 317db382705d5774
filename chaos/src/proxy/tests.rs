//! Proxies over real sockets: nothing is changed without a toxic, and each toxic that is ours does what it says.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::Server;

/// A proxy before a server that sends back what comes, and the proxy's place.
fn before_an_echo() -> (Server, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let upstream = listener.local_addr().expect("a place").to_string();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut reader = client.try_clone().expect("a handle");
                std::io::copy(&mut reader, &mut &client).map(|_| client.shutdown(std::net::Shutdown::Write))
            });
        }
    });
    let server = Server::new(1).expect("threads");
    let made = server.call("POST", "/proxies", &json!({ "name": "p", "upstream": upstream }));
    assert_eq!(made.status, 201);
    let listen = made.body.expect("a body")["listen"].as_str().expect("a place").parse().expect("an address");
    (server, listen)
}

fn put(server: &Server, kind: &str, attributes: &Value) {
    // On the way back: what is cut on the way there takes with it what has not come back yet.
    let toxic = json!({ "type": kind, "stream": "downstream", "attributes": attributes });
    assert_eq!(server.call("POST", "/proxies/p/toxics", &toxic).status, 200);
}

/// Sends everything and ends, and gives what comes back.
fn through(place: SocketAddr, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let tcp = TcpStream::connect(place)?;
    tcp.set_read_timeout(Some(Duration::from_secs(20)))?;
    thread::scope(|scope| {
        let sending = scope.spawn(|| (&tcp).write_all(bytes).and_then(|()| tcp.shutdown(std::net::Shutdown::Write)));
        let mut back = Vec::new();
        let read = (&tcp).read_to_end(&mut back);
        // A connection that is cut takes what is sent no longer.
        drop(sending.join());
        read.map(|_| back)
    })
}

/// A head and three frames of a WebSocket: as many bytes as their number.
fn stream() -> Vec<u8> {
    let mut bytes = b"GET / HTTP/1.1\r\n\r\n".to_vec();
    for content in 1..=3_u8 {
        bytes.extend([0x82, content]);
        bytes.extend(std::iter::repeat_n(content, usize::from(content)));
    }
    bytes
}

#[test]
fn without_toxics_every_byte_arrives_once_and_in_order() {
    let (_server, place) = before_an_echo();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    assert!(through(place, &bytes).expect("it comes back") == bytes);
}

#[test]
fn what_knows_frames_does_what_it_says_to_that_frame() {
    let (server, place) = before_an_echo();
    let plain = stream();
    let with = |kind: &str, attributes: Value| {
        put(&server, kind, &attributes);
        let back = through(place, &plain).expect("it comes back");
        assert_eq!(server.call("DELETE", &format!("/proxies/p/toxics/{kind}_downstream"), &Value::Null).status, 204);
        back
    };
    let mut flipped = plain.clone();
    flipped[18 + 3 + 2 + 1] ^= 1 << 5;
    assert_eq!(with("bitflip", json!({ "frame": 2, "byte": 1, "bit": 5 })), flipped);
    let twice = [&plain[..21 + 4], &plain[21..]].concat();
    assert_eq!(with("dup", json!({ "frame": 2 })), twice);
    assert_eq!(with("cut_after_frame", json!({ "frame": 1 })), plain[..21]);
    assert_eq!(with("cut_after_frame", json!({ "frame": 1, "bytes": 3 })), plain[..24]);
    let begun = Instant::now();
    assert_eq!(with("hold_frame", json!({ "frame": 3, "delay": 150 })), plain);
    assert!(begun.elapsed() >= Duration::from_millis(150));
}

#[test]
fn a_reset_is_one_and_nobody_listens_when_a_proxy_is_down() {
    let (server, place) = before_an_echo();
    put(&server, "reset_peer", &json!({ "timeout": 0 }));
    let error = through(place, b"x").expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.call("POST", "/proxies/p", &json!({ "enabled": false })).status, 200);
    assert!(TcpStream::connect(place).is_err());
    assert_eq!(server.call("POST", "/reset", &Value::Null).status, 204);
    assert_eq!(through(place, b"x").expect("it is up again"), b"x");
}

#[test]
fn the_api_refuses_what_the_original_refuses() {
    let (server, _) = before_an_echo();
    let status = |method: &str, path: &str, body: Value| server.call(method, path, &body).status;
    assert_eq!(status("POST", "/proxies", json!({ "name": "p", "upstream": "x:1" })), 409);
    assert_eq!(status("POST", "/proxies", json!({ "name": "q" })), 400);
    assert_eq!(status("GET", "/proxies/q", Value::Null), 404);
    assert_eq!(status("POST", "/proxies/p/toxics", json!({ "type": "rain" })), 400);
    assert_eq!(status("GET", "/proxies/p/toxics/rain", Value::Null), 404);
    assert_eq!(status("POST", "/proxies/p/toxics", json!({ "type": "noop" })), 200);
    assert_eq!(status("POST", "/proxies/p/toxics", json!({ "type": "noop" })), 409);
    assert_eq!(status("DELETE", "/proxies/p", Value::Null), 204);
}
