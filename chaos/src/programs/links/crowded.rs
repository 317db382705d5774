//! Those who take more than their share: connections that come a byte at a time, more of them than there are descriptors,
//! readers that never read, accounts that are full.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use caro_schema::{
    id::Hash,
    relay::{ErrorCode, ToRelay},
};
use caro_tests::{Relay, eventually, eventually_within, have};
use serde_bytes::ByteBuf;
use serde_json::json;

use super::super::{
    client::{Client, Member, socket},
    connections::{FREE_WITHIN, at_rest},
    proxied::{Doors, LAPTOP},
    relay::{RelayProgram, free_port},
    strace::Under,
};
use crate::{
    proxy::toxic::Stream,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
};

/// A-RES-03.
pub const A_RES_03: Scenario = Scenario {
    id: "A-RES-03",
    title: "Descriptor exhaustion",
    injection: "`nofile` 256 and more connections than that. Also: one byte per second in each stage (TLS, upgrade, \
                handshake, hello, body)",
    outcome: "Accept loop survives and recovers; absolute deadline closes every slow stage; pool free for others",
    bodies: &[Body { tier: Tier::Proxy, broken_by: &[Sabotage::NoHandshakeDeadline], run: a_byte_at_a_time }],
};

/// How long opening, and one message, may take at the relays of these runs, in milliseconds.
const STAGE_MS: u64 = 900;

fn a_byte_at_a_time(run: &mut Run) {
    let stage_ms = if run.lacks(Sabotage::NoHandshakeDeadline) { 600_000 } else { STAGE_MS };
    // One record must be whole before a session counts as idle, and one message before its own deadline.
    let limits = format!("opening_ms = {stage_ms}\nmessage_ms = {stage_ms}\nidle_ms = {stage_ms}");
    let relay = RelayProgram::with_limits(&limits);
    let doors = Doors::one(&relay, run);
    let mut member = Member::new(run.seed, 2);
    let mut other = member.found(relay.place());
    other.pull_all().expect("everything comes");
    drop(other);
    at_rest(&relay);
    let before = relay.sockets();
    let ends_within = Duration::from_millis(STAGE_MS) + FREE_WITHIN;
    let drip = || doors.put(LAPTOP, Stream::Upstream, "slicer", &json!({ "average_size": 1, "delay": 1_000_000 }));
    let begun = |what: &str, begun: Instant| {
        assert!(begun.elapsed() <= ends_within, "{what}: ended after {:?}", begun.elapsed());
        eventually_within(FREE_WITHIN, "its descriptor is free", || (relay.sockets() <= before).then_some(()));
        doors.heal();
    };
    // The upgrade.
    drip();
    let at = Instant::now();
    let mut tcp = TcpStream::connect(doors.only()).expect("it listens");
    tcp.write_all(b"GET /v1 HTTP/1.1\r\nHost: x\r\n").expect("sent");
    expect_end(&mut tcp, ends_within);
    begun("upgrade", at);
    // The handshake.
    let mut halfway = socket(doors.only()).expect("it listens");
    drip();
    let at = Instant::now();
    halfway.send(tungstenite::Message::binary(vec![1; 1000])).expect("sent");
    expect_end(halfway.get_mut(), ends_within);
    begun("handshake", at);
    // The hello.
    let mut silent = Client::connect(doors.only(), &member, 1).expect("a session");
    drip();
    let at = Instant::now();
    silent.send(&member.hello()).expect("sent");
    assert!(silent.has_ended_within(ends_within), "a slow hello may stay");
    begun("hello", at);
    // A body.
    let mut slow = member.enter(doors.only(), 1).expect("it is let in");
    drip();
    let at = Instant::now();
    slow.send(&ToRelay::Push { cells: vec![member.cell(1024)] }).expect("sent");
    // Others are not held up by it.
    let mut other = member.enter(relay.place(), 0).expect("it is let in");
    other.push(&[member.cell(1024)]).expect("acknowledged");
    drop(other);
    assert!(slow.has_ended_within(ends_within), "a slow body may stay");
    begun("body", at);
    if run.sabotage.is_none() {
        tls_at_a_time(ends_within, run);
        more_than_descriptors(run);
    }
}

/// # Panics
/// When the other side does not end the connection in time.
fn expect_end(tcp: &mut TcpStream, within: Duration) {
    tcp.set_read_timeout(Some(within)).expect("set");
    let read = tcp.read_to_end(&mut Vec::new());
    let ended = read.as_ref().map_or_else(|error| error.kind() == std::io::ErrorKind::ConnectionReset, |_| true);
    assert!(ended, "not ended within {within:?}: {read:?}");
}

/// The same before there is anything inside: in the first message of TLS.
fn tls_at_a_time(within: Duration, run: &Run) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("relay.toml");
    std::fs::write(&config, format!("[limits]\nopening_ms = {STAGE_MS}\n")).expect("written");
    let relay = Relay::with(&["--config", config.to_str().expect("text")]);
    let place = relay.address().split("://").nth(1).and_then(|rest| rest.split('/').next()).expect("a place");
    let doors = Doors::at(place.parse().expect("an address"), run.seed, &[(LAPTOP, free_port())]);
    doors.put(LAPTOP, Stream::Upstream, "slicer", &json!({ "average_size": 1, "delay": 1_000_000 }));
    let mut tcp = TcpStream::connect(doors.only()).expect("it listens");
    tcp.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).expect("sent");
    expect_end(&mut tcp, within);
}

/// More connections than descriptors: nobody new is taken, nobody who is in is lost, and it recovers.
fn more_than_descriptors(run: &Run) {
    if !have("prlimit") {
        run.skip("prlimit");
    }
    let mut relay = RelayProgram::prepared("connections_per_address_max = 10000\nopening_ms = 600000");
    relay.start_under(&Under::program(&["prlimit", "--nofile=256:256"])).expect("it starts");
    let mut member = Member::new(run.seed, 2);
    let mut inside = member.found(relay.place());
    let crowd: Vec<TcpStream> = (0..400).filter_map(|_| TcpStream::connect(relay.place()).ok()).collect();
    assert!(crowd.len() >= 256, "only {} came", crowd.len());
    let held = at_rest(&relay);
    assert!(held <= 256, "{held} descriptors of 256");
    inside.push(&[member.cell(1024)]).expect("who is in stays in");
    drop(crowd);
    let mut again = eventually("it takes connections again", || member.enter(relay.place(), 1));
    again.push(&[member.cell(1024)]).expect("acknowledged");
    inside.push(&[member.cell(1024)]).expect("and again");
}

/// A-RES-04.
pub const A_RES_04: Scenario = Scenario {
    id: "A-RES-04",
    title: "Slow-client starvation",
    injection: "Reader that never reads. Also: endless pushes",
    outcome: "Bounded queue, then disconnect; others unaffected. Quota per account and connection enforced exactly",
    bodies: &[Body { tier: Tier::Proxy, broken_by: &[Sabotage::NoKeepalive, Sabotage::NoLimits], run: never_reads }],
};

/// Silence after which the relays of these runs end a session, in milliseconds.
const IDLE_MS: u64 = 2_000;

/// Bytes that may be on their way to somebody who confirms nothing: a page, twice, and what systems buffer of it.
const UNREAD_MAX: u64 = 1 << 20;

fn never_reads(run: &mut Run) {
    let idle_ms = if run.lacks(Sabotage::NoKeepalive) { 600_000 } else { IDLE_MS };
    let relay = RelayProgram::with_limits(&format!("idle_ms = {idle_ms}\nmessages_per_second = 100000"));
    let doors = Doors::one(&relay, run);
    let mut member = Member::new(run.seed, 2);
    let mut writer = member.found(relay.place());
    let mut reader = member.enter(doors.only(), 1).expect("it is let in");
    doors.put(LAPTOP, Stream::Downstream, "bandwidth", &json!({ "rate": 1 }));
    let sent_before = doors.bytes(LAPTOP).1;
    reader.pull(0, Hash([0; 32])).expect("sent");
    let before_kib = relay.peak_kib();
    let begun = Instant::now();
    let rounds = run.sized(60, 20);
    for _ in 0..rounds {
        let cells: Vec<ByteBuf> = (0..4).map(|_| member.cell(32 << 10)).collect();
        writer.push(&cells).expect("others are not affected");
    }
    let sent = doors.bytes(LAPTOP).1 - sent_before;
    assert!(sent <= UNREAD_MAX, "{sent} bytes are on their way to somebody who does not read");
    eventually_within(Duration::from_millis(IDLE_MS * 2 + 2_000), "the reader is cut", || {
        writer.send(&ToRelay::Ping { token: 1 }).expect("it is in");
        writer.hear().expect("it is in");
        (writer.others == Some(0)).then_some(())
    });
    assert!(begun.elapsed() >= Duration::from_millis(IDLE_MS / 2), "not before its time");
    let grown = relay.peak_kib() - before_kib;
    assert!(grown <= 24 << 10, "the relay grew by {grown} KiB");
    quota_is_exact(run);
    drop(reader);
}

/// Endless pushes end where the account's bytes do, to the byte, and reading goes on.
fn quota_is_exact(run: &Run) {
    const QUOTA: u64 = 200_000;
    let quota = if run.lacks(Sabotage::NoLimits) { 0 } else { QUOTA };
    let relay = RelayProgram::with_limits(&format!("bytes_per_account = {quota}"));
    let mut member = Member::new(run.seed, 1);
    let mut client = member.found(relay.place());
    let each = 1024 + caro_relay::limits::ENTRY_BYTES;
    let fits = QUOTA / each;
    for n in 0..fits {
        let cell = member.cell(1024);
        assert_eq!(client.push_or_refusal(&cell), Ok(n + 1), "cell {n} of {fits} fits");
    }
    let cell = member.cell(1024);
    assert_eq!(client.push_or_refusal(&cell), Err(ErrorCode::QuotaExceeded), "one more does not");
    thread::yield_now();
    assert_eq!(client.pull_all().expect("reading goes on").len() as u64, fits);
}
