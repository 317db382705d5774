//! Limits on connections, their stages and their silence.

use std::time::Duration;

use caro_link::{entropy::OsEntropy, handshake::Initiator};
use caro_schema::{
    limits::CELL_BYTES_MAX,
    relay::{ErrorCode, PATH, SUBPROTOCOL, ToDevice, ToRelay},
};
use futures_util::SinkExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
    time::{Instant, interval, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use super::{cut, tcp};
use crate::support::{Account, Client, Device, PATIENCE, Program, Running, cell, client::record};

#[tokio::test]
async fn connections_max() {
    let relay = Running::with_limits(|limits| limits.connections_max = 2).await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut first = Client::create(&relay.target, &account, &devices).await;
    let second = Client::hello(&relay.target, &account, &devices[1]).await;
    cut(tcp(&relay).await).await;
    drop(second);
    first.others(1).await;
    first.others(0).await;
    until_connected(&relay).await;
}

/// Connects until there is a place again.
async fn until_connected(relay: &Running) {
    let deadline = Instant::now() + PATIENCE;
    let mut tries = interval(Duration::from_millis(5));
    while Client::try_connect(&relay.target, &Device::new()).await.is_none() {
        assert!(Instant::now() < deadline, "no place in time");
        tries.tick().await;
    }
}

#[tokio::test]
async fn a_res_01_opening_max() {
    let relay = Running::with_limits(|limits| limits.opening_max = 3).await;
    let (account, device) = (Account::new(), Device::new());
    let mut inside = Client::create(&relay.target, &account, &[device]).await;
    let silent = [tcp(&relay).await, tcp(&relay).await, tcp(&relay).await];
    cut(tcp(&relay).await).await;
    // Those who are in notice nothing, and when the silent ones go there is room.
    assert_eq!(inside.push(&[cell(1024)]).await, [1]);
    drop(silent);
    until_connected(&relay).await;
}

#[tokio::test]
async fn connections_per_address_max() {
    let relay = Running::with_limits(|limits| limits.connections_per_address_max = 2).await;
    let first = Client::connect(&relay.target, &Device::new()).await;
    let _second = Client::connect(&relay.target, &Device::new()).await;
    cut(tcp(&relay).await).await;
    // Another address of this machine has its own count.
    let other = TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let other = other.connect(relay.target.address).await.unwrap();
    assert!(relay.target.upgrade(other, PATH, SUBPROTOCOL).await.is_some());
    drop(first);
    until_connected(&relay).await;
}

#[tokio::test]
async fn connections_per_address_per_minute() {
    let relay = Running::with_limits(|limits| limits.connections_per_address_per_minute = 3).await;
    for _ in 0..3 {
        drop(Client::connect(&relay.target, &Device::new()).await);
    }
    cut(tcp(&relay).await).await;
}

#[tokio::test]
async fn connections_per_second_total() {
    let relay = Running::with_limits(|limits| limits.connections_per_second_total = 1).await;
    for _ in 0..4 {
        drop(tcp(&relay).await);
    }
    // The fifth of a moment is too many, also from elsewhere.
    let other = TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.3:0".parse().unwrap()).unwrap();
    cut(other.connect(relay.target.address).await.unwrap()).await;
    until_connected(&relay).await;
}

#[tokio::test]
async fn a_res_01_connections_of_one_address_do_not_use_up_those_of_others() {
    let relay = Running::with_limits(|limits| {
        (limits.connections_per_address_per_minute, limits.connections_per_second_total) = (3, 1);
    })
    .await;
    // Three of its own, of four seconds' worth for all; the rest is refused by its own limit and takes nothing of the fourth.
    for _ in 0..3 {
        drop(Client::connect(&relay.target, &Device::new()).await);
    }
    for _ in 0..40 {
        cut(tcp(&relay).await).await;
    }
    let other = TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.5:0".parse().unwrap()).unwrap();
    let other = other.connect(relay.target.address).await.unwrap();
    assert!(relay.target.upgrade(other, PATH, SUBPROTOCOL).await.is_some());
}

#[tokio::test]
async fn a_res_01_opening_per_address_max() {
    let relay = Running::with_limits(|limits| limits.opening_per_address_max = 2).await;
    let (account, device) = (Account::new(), Device::new());
    let mut inside = Client::create(&relay.target, &account, &[device]).await;
    let silent = [tcp(&relay).await, tcp(&relay).await];
    cut(tcp(&relay).await).await;
    let other = TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.4:0".parse().unwrap()).unwrap();
    let other = other.connect(relay.target.address).await.unwrap();
    assert!(relay.target.upgrade(other, PATH, SUBPROTOCOL).await.is_some());
    assert_eq!(inside.push(&[cell(1024)]).await, [1]);
    drop(silent);
    until_connected(&relay).await;
}

/// A relay that gives everything but one stage a minute.
async fn with_stage(change: impl FnOnce(&mut caro_relay::limits::Limits)) -> Running {
    Running::with(|config| {
        config.plain = false;
        let limits = &mut config.limits;
        limits.opening_ms = 60_000;
        (limits.tls_ms, limits.upgrade_ms) = (60_000, 60_000);
        (limits.handshake_ms, limits.hello_ms) = (60_000, 60_000);
        change(limits);
    })
    .await
}

#[tokio::test]
async fn tls_ms() {
    let relay = with_stage(|limits| limits.tls_ms = 200).await;
    // A record that is announced and does not come.
    let mut half = tcp(&relay).await;
    half.write_all(&[0x16, 3, 1, 2, 0]).await.unwrap();
    cut(half).await;
    drop(Client::create(&relay.target, &Account::new(), &[Device::new()]).await);
}

#[tokio::test]
async fn upgrade_ms() {
    let relay = Running::with_limits(|limits| (limits.opening_ms, limits.upgrade_ms) = (60_000, 200)).await;
    let mut half = tcp(&relay).await;
    half.write_all(format!("GET {PATH} HTTP/1.1\r\nHost: x\r\n").as_bytes()).await.unwrap();
    cut(half).await;
    drop(Client::create(&relay.target, &Account::new(), &[Device::new()]).await);
}

#[tokio::test]
async fn handshake_ms() {
    let relay = with_stage(|limits| limits.handshake_ms = 200).await;
    let mut socket = relay.target.socket().await.unwrap();
    let (_initiator, first) = Initiator::start(&Device::new().static_key(), None, &mut OsEntropy).unwrap();
    socket.send(Message::binary(first)).await.unwrap();
    assert!(record(&mut socket).await.is_some());
    assert!(record(&mut socket).await.is_none());
    drop(Client::create(&relay.target, &Account::new(), &[Device::new()]).await);
}

#[tokio::test]
async fn hello_ms() {
    let relay = with_stage(|limits| limits.hello_ms = 200).await;
    Client::connect(&relay.target, &Device::new()).await.ended().await;
    // Who has said who it is may be silent for longer.
    let mut client = Client::create(&relay.target, &Account::new(), &[Device::new()]).await;
    assert!(timeout(Duration::from_millis(400), client.next()).await.is_err());
}

#[tokio::test]
async fn a_proxy_that_is_trusted_says_whose_connection_it_is() {
    let relay = Running::with(|config| {
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        config.limits.connections_per_address_max = 1;
    })
    .await;
    let request = |from: &str| {
        format!(
            "GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\
             X-Forwarded-For: 10.9.9.9, {from}\r\n\r\n"
        )
    };
    let mut open = Vec::new();
    for (from, taken) in [("192.0.2.1", true), ("192.0.2.2", true), ("192.0.2.1", false)] {
        let mut proxied = tcp(&relay).await;
        proxied.write_all(request(from).as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        let answered = proxied.read_exact(&mut answer).await;
        // The protocol was changed before the place was looked at; what counts is whether the connection stays.
        if taken {
            answered.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 101");
            open.push(proxied);
        } else {
            cut(proxied).await;
        }
    }
    for proxied in &open {
        let mut byte = [0];
        let silent = timeout(Duration::from_millis(50), async { proxied.peek(&mut byte).await }).await;
        assert!(silent.map_or(true, |peeked| peeked.is_ok_and(|count| count > 0)), "a connection was cut");
    }
}

#[tokio::test]
async fn trap_37_opening_ms_is_one_deadline_over_every_stage() {
    let relay = Running::with_limits(|limits| limits.opening_ms = 400).await;
    let started = Instant::now();
    // Silent from the start.
    cut(tcp(&relay).await).await;
    // One byte at a time: each would renew a deadline that was counted from the last byte.
    let mut dripping = tcp(&relay).await;
    let mut ticks = interval(Duration::from_millis(20));
    let head = format!("GET {PATH} HTTP/1.1\r\nX: {}", "x".repeat(4_000));
    for byte in head.bytes() {
        ticks.tick().await;
        if dripping.write_all(&[byte]).await.is_err() {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "still listening");
    }
    // Silent after the upgrade, after message 1, and after the handshake.
    let mut socket = relay.target.socket().await.unwrap();
    assert!(record(&mut socket).await.is_none());
    let mut socket = relay.target.socket().await.unwrap();
    let (_initiator, first) = Initiator::start(&Device::new().static_key(), None, &mut OsEntropy).unwrap();
    socket.send(Message::binary(first)).await.unwrap();
    assert!(record(&mut socket).await.is_some());
    assert!(record(&mut socket).await.is_none());
    Client::connect(&relay.target, &Device::new()).await.ended().await;
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn t_conn_05_idle_ms() {
    let relay = Running::with_limits(|limits| limits.idle_ms = 500).await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut silent = Client::create(&relay.target, &account, &devices).await;
    let mut asking = Client::hello(&relay.target, &account, &devices[1]).await;
    let mut ticks = interval(Duration::from_millis(100));
    for token in 0..10 {
        ticks.tick().await;
        asking.send(&ToRelay::Ping { token }).await;
        assert_eq!(asking.next().await, Some(ToDevice::Pong { token }));
    }
    silent.refused(ErrorCode::Idle).await;
    silent.ended().await;
}

#[tokio::test]
async fn session_ms() {
    let relay = Running::with_limits(|limits| limits.session_ms = 500).await;
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    client.refused(ErrorCode::SessionExpired).await;
    client.ended().await;
}

/// A session on a socket that takes little in.
async fn narrow(relay: &Running, account: &Account, device: &Device) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let tcp = socket.connect(relay.target.address).await.unwrap();
    let socket = relay.target.upgrade(tcp, PATH, SUBPROTOCOL).await.unwrap();
    let mut client = Client::on(socket, &relay.target, device).await.unwrap();
    client.send(&account.hello()).await;
    client.welcome(account).await;
    client
}

#[tokio::test]
async fn a_res_04_write_ms_ends_a_reader_that_never_reads() {
    let relay = Running::with_limits(|limits| limits.write_ms = 500).await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut writer = Client::create(&relay.target, &account, &devices).await;
    for _ in 0..16 {
        writer.push(&(0..16).map(|_| cell(CELL_BYTES_MAX)).collect::<Vec<_>>()).await;
    }
    let mut stuck = narrow(&relay, &account, &devices[1]).await;
    writer.others(1).await;
    stuck.send(&ToRelay::Pull { after: 0 }).await;
    // It says that it has everything, so that only the socket holds the relay back.
    let confirming = tokio::spawn(async move {
        for cursor in (1..=256).cycle() {
            if stuck.try_send(&ToRelay::Delivered { cursor }).await.is_none() {
                break;
            }
            tokio::task::yield_now().await;
        }
    });
    writer.others(0).await;
    confirming.await.unwrap();
}

#[tokio::test]
async fn outbox_messages_max_ends_a_flood_of_questions_whose_answers_nobody_reads() {
    let relay = Running::with_limits(|limits| {
        limits.messages_per_second_per_account = 10_000_000;
        (limits.messages_per_second, limits.messages_per_second_total) = (10_000_000, 10_000_000);
        limits.write_ms = 600_000;
    })
    .await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut watching = Client::create(&relay.target, &account, &devices).await;
    let mut flooding = narrow(&relay, &account, &devices[1]).await;
    watching.others(1).await;
    let flood =
        tokio::spawn(async move { while flooding.try_send(&ToRelay::Ping { token: u64::MAX }).await.is_some() {} });
    watching.others(0).await;
    flood.await.unwrap();
}

/// A reader that is behind by more bytes than may wait is cut off, and nothing is kept for it.
async fn cuts_a_reader_that_is_behind(relay: Running) {
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut writer = Client::create(&relay.target, &account, &devices).await;
    for _ in 0..8 {
        writer.push(&(0..16).map(|_| cell(CELL_BYTES_MAX)).collect::<Vec<_>>()).await;
    }
    let mut stuck = narrow(&relay, &account, &devices[1]).await;
    writer.others(1).await;
    stuck.send(&ToRelay::Pull { after: 0 }).await;
    // It says that it has everything, so that it is sent page after page.
    let confirming = tokio::spawn(async move {
        for cursor in (1..=128).cycle() {
            if stuck.try_send(&ToRelay::Delivered { cursor }).await.is_none() {
                break;
            }
            tokio::task::yield_now().await;
        }
    });
    writer.others(0).await;
    confirming.await.unwrap();
    assert_eq!(writer.push(&[cell(1024)]).await.len(), 1);
}

#[tokio::test]
async fn a_res_04_outbox_bytes_max() {
    let relay = Running::with_limits(|limits| {
        (limits.outbox_bytes_max, limits.write_ms) = (100 << 10, 600_000);
        limits.messages_per_second = 10_000_000;
        (limits.messages_per_second_total, limits.messages_per_second_per_account) = (10_000_000, 10_000_000);
    })
    .await;
    cuts_a_reader_that_is_behind(relay).await;
}

#[tokio::test]
async fn a_res_04_outbox_bytes_total() {
    let relay = Running::with_limits(|limits| {
        (limits.outbox_bytes_total, limits.write_ms) = (100 << 10, 600_000);
        limits.messages_per_second = 10_000_000;
        (limits.messages_per_second_total, limits.messages_per_second_per_account) = (10_000_000, 10_000_000);
    })
    .await;
    cuts_a_reader_that_is_behind(relay).await;
}

/// Resident bytes of a process.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn an_idle_session_costs_less_than_64_kib() {
    const SESSIONS: u64 = 200;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    let mut command = Program::command(&["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    command.env("CARO_RELAY_LIMITS_ACCOUNTS_PER_ADDRESS_PER_HOUR", "1000");
    let program = Program::spawn(command);
    let mut sessions = Vec::new();
    let mut before = 0;
    // The first ones also pay for what all of them share.
    for number in 0..SESSIONS + 20 {
        if number == 20 {
            before = resident(program.id());
        }
        let mut client = Client::create(&program.target, &Account::new(), &[Device::new()]).await;
        client.pull_all().await;
        sessions.push(client);
    }
    let each = resident(program.id()).saturating_sub(before) / SESSIONS;
    assert!(each < 64 * 1024, "{each} bytes for each session");
}
