//! Limits on what is asked, and on what it may hold.

use std::time::Duration;

use caro_link::proof;
use caro_relay::limits::{self, ENTRY_BYTES, Limits, OWN_MAX, PAGE_BYTES_MIN, PAGES_UNCONFIRMED_MAX};
use caro_schema::{
    id::Hash,
    limits::{CELL_BYTES_MAX, NOISE_RECORD_BYTES_MAX, PAGE_CELLS_MAX},
    relay::{Entry, ErrorCode, PATH, ToDevice, ToRelay},
};
use futures_util::SinkExt;
use serde_bytes::ByteBuf;
use tokio::{io::AsyncWriteExt, time::timeout};
use tokio_tungstenite::tungstenite::Message;

use super::{cut, tcp};
use crate::support::{Account, Client, Device, Running, cell, until};

#[tokio::test]
async fn messages_per_second() {
    let relay = Running::with_limits(|limits| limits.messages_per_second = 1).await;
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    let mut answered = 0;
    let retry_ms = loop {
        if client.try_send(&ToRelay::Ping { token: 1 }).await.is_none() || answered > 100 {
            panic!("{answered} answers and no limit");
        }
        match client.next().await {
            Some(ToDevice::Pong { .. }) => answered += 1,
            Some(ToDevice::Error { code: ErrorCode::RateLimited, retry_ms }) => break retry_ms,
            other => panic!("{other:?}"),
        }
    };
    assert!(retry_ms.is_some_and(|ms| (1..=1_000).contains(&ms)), "{retry_ms:?}");
    client.ended().await;
    // A new connection of the same device does not begin anew, if it comes within the second that one message takes.
    let mut again = Client::connect(&relay.target, &device).await;
    again.send(&account.hello()).await;
    assert!(again.refused(ErrorCode::RateLimited).await.is_some());
    // Another device is not concerned.
    drop(Client::create(&relay.target, &Account::new(), &[Device::new()]).await);
}

#[tokio::test]
async fn messages_per_second_total() {
    let relay = Running::with_limits(|limits| limits.messages_per_second_total = 1).await;
    // Four seconds' worth at once, from four devices; the fifth is too many.
    for _ in 0..4 {
        drop(Client::create(&relay.target, &Account::new(), &[Device::new()]).await);
    }
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::connect(&relay.target, &device).await;
    client.send(&account.create(&[device])).await;
    assert!(client.refused(ErrorCode::RateLimited).await.is_some());
}

#[tokio::test]
async fn sessions_per_account_max() {
    let relay = Running::with_limits(|limits| limits.sessions_per_account_max = 2).await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new(), Device::new()]);
    let _first = Client::create(&relay.target, &account, &devices).await;
    let _second = Client::hello(&relay.target, &account, &devices[1]).await;
    let mut third = Client::connect(&relay.target, &devices[2]).await;
    third.send(&account.hello()).await;
    assert!(third.refused(ErrorCode::TooManyConnections).await.is_some());
    third.ended().await;
    // A device that comes back takes its own place.
    drop(Client::hello(&relay.target, &account, &devices[1]).await);
    drop(Client::create(&relay.target, &Account::new(), &[Device::new()]).await);
}

#[tokio::test]
async fn accounts_max() {
    let relay = Running::with_limits(|limits| limits.accounts_max = 1).await;
    let (account, device) = (Account::new(), Device::new());
    drop(Client::create(&relay.target, &account, &[device]).await);
    let late = Account::new();
    let mut client = Client::connect(&relay.target, &device).await;
    client.send(&late.create(&[device])).await;
    client.refused(ErrorCode::RegistrationRefused).await;
    client.ended().await;
    drop(Client::hello(&relay.target, &account, &device).await);
}

#[tokio::test]
async fn accounts_per_address_per_hour() {
    let relay = Running::with_limits(|limits| limits.accounts_per_address_per_hour = 2).await;
    for _ in 0..2 {
        drop(Client::create(&relay.target, &Account::new(), &[Device::new()]).await);
    }
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::connect(&relay.target, &device).await;
    client.send(&account.create(&[device])).await;
    assert!(client.refused(ErrorCode::RateLimited).await.is_some_and(|ms| ms > 1_000_000));
}

#[tokio::test]
async fn c_stor_03_bytes_per_account() {
    let each = 1024 + ENTRY_BYTES;
    let relay = Running::with_limits(|limits| limits.bytes_per_account = 3 * each).await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut client = Client::create(&relay.target, &account, &devices).await;
    let cells: Vec<ByteBuf> = (0..5).map(|_| cell(1024)).collect();
    client.send(&ToRelay::Push { cells: cells.clone() }).await;
    // What fits is taken, the rest is refused, and the session goes on.
    assert_eq!(client.acknowledged().await.len(), 3);
    assert!(client.refused(ErrorCode::QuotaExceeded).await.is_some());
    assert_eq!(client.push(&cells[..3]).await, [1, 2, 3]);
    let mut other = Client::connect(&relay.target, &devices[1]).await;
    other.send(&account.hello()).await;
    let welcome = other.welcome(&account).await;
    assert_eq!((welcome.quota_bytes, welcome.used_bytes), (3 * each, 3 * each));
    // Purging makes room, but not all of it: the place in the chain stays.
    client.send(&ToRelay::Purge { cells: cells[..2].iter().map(|cell| proof::cell_id(cell)).collect() }).await;
    assert_eq!(client.next().await, Some(ToDevice::Purged { count: 2 }));
    assert_eq!(other.push(&cells[3..4]).await, [4]);
    other.send(&ToRelay::Push { cells: cells[4..].to_vec() }).await;
    assert!(other.refused(ErrorCode::QuotaExceeded).await.is_some());
}

#[tokio::test]
async fn c_stor_03_cells_per_account() {
    let relay = Running::with_limits(|limits| limits.cells_per_account = 3).await;
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    let cells: Vec<ByteBuf> = (0..5).map(|_| cell(1024)).collect();
    client.send(&ToRelay::Push { cells: cells.clone() }).await;
    assert_eq!(client.acknowledged().await.len(), 3);
    assert!(client.refused(ErrorCode::QuotaExceeded).await.is_some());
    // Purged ones keep their places.
    client.send(&ToRelay::Purge { cells: vec![proof::cell_id(&cells[0])] }).await;
    assert_eq!(client.next().await, Some(ToDevice::Purged { count: 1 }));
    client.send(&ToRelay::Push { cells: cells[3..].to_vec() }).await;
    assert!(client.refused(ErrorCode::QuotaExceeded).await.is_some());
    assert_eq!(client.push(&cells[1..3]).await, [2, 3]);
}

/// Pushes until the relay says that it is too fast, and no more than so many cells of 64 KiB.
async fn pushes_until_limited(client: &mut Client, cells_max: usize) -> Option<u64> {
    for _ in 0..cells_max {
        client.send(&ToRelay::Push { cells: vec![cell(CELL_BYTES_MAX)] }).await;
        match client.next().await {
            Some(ToDevice::Ack { .. }) => {}
            Some(ToDevice::Error { code: ErrorCode::RateLimited, retry_ms }) => return retry_ms,
            other => panic!("{other:?}"),
        }
    }
    panic!("{cells_max} cells and no limit");
}

#[tokio::test]
async fn bytes_per_second() {
    let relay = Running::with_limits(|limits| limits.bytes_per_second = 64 << 10).await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut client = Client::create(&relay.target, &account, &devices).await;
    assert!(pushes_until_limited(&mut client, 50).await.is_some());
    client.ended().await;
    // Another device of the account is not concerned.
    let mut other = Client::hello(&relay.target, &account, &devices[1]).await;
    other.push(&[cell(CELL_BYTES_MAX)]).await;
}

#[tokio::test]
async fn bytes_per_second_per_account() {
    let relay = Running::with_limits(|limits| limits.bytes_per_second_per_account = 64 << 10).await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut client = Client::create(&relay.target, &account, &devices).await;
    assert!(pushes_until_limited(&mut client, 50).await.is_some());
    // Nor may another device of the account, and another account may.
    let mut other = Client::hello(&relay.target, &account, &devices[1]).await;
    assert!(pushes_until_limited(&mut other, 5).await.is_some());
    let (neighbour, device) = (Account::new(), Device::new());
    Client::create(&relay.target, &neighbour, &[device]).await.push(&[cell(CELL_BYTES_MAX)]).await;
}

#[tokio::test]
async fn bytes_per_second_total() {
    let relay = Running::with_limits(|limits| limits.bytes_per_second_total = 64 << 10).await;
    let mut client = Client::create(&relay.target, &Account::new(), &[Device::new()]).await;
    assert!(pushes_until_limited(&mut client, 50).await.is_some());
    let mut other = Client::create(&relay.target, &Account::new(), &[Device::new()]).await;
    assert!(pushes_until_limited(&mut other, 5).await.is_some());
}

#[tokio::test]
async fn messages_per_second_per_account() {
    let relay = Running::with_limits(|limits| limits.messages_per_second_per_account = 5).await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut one = Client::create(&relay.target, &account, &devices).await;
    let mut two = Client::hello(&relay.target, &account, &devices[1]).await;
    let mut answered = 0;
    for token in 0..100 {
        let client = if token % 2 == 0 { &mut one } else { &mut two };
        client.send(&ToRelay::Ping { token }).await;
        match client.next().await {
            Some(ToDevice::Pong { .. }) => answered += 1,
            Some(ToDevice::Error { code: ErrorCode::RateLimited, retry_ms: Some(_) }) => break,
            other => panic!("{other:?}"),
        }
    }
    // Four seconds' worth, and what a slow test adds.
    assert!((15..60).contains(&answered), "{answered}");
    drop(Client::create(&relay.target, &Account::new(), &[Device::new()]).await);
}

#[tokio::test]
async fn push_bytes_waiting_total() {
    let relay = Running::with_limits(|limits| limits.push_bytes_waiting_total = 100 << 10).await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut one = Client::create(&relay.target, &account, &devices).await;
    let mut two = Client::hello(&relay.target, &account, &devices[1]).await;
    let holder = rusqlite::Connection::open(caro_relay::folder::database(&relay.folder)).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    one.send(&ToRelay::Push { cells: vec![cell(CELL_BYTES_MAX)] }).await;
    one.send(&ToRelay::Ping { token: 1 }).await;
    assert_eq!(one.next().await, Some(ToDevice::Pong { token: 1 }));
    two.send(&ToRelay::Push { cells: vec![cell(CELL_BYTES_MAX)] }).await;
    assert!(two.refused(ErrorCode::StorageUnavailable).await.is_some());
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(one.acknowledged().await.len(), 1);
    assert_eq!(two.push(&[cell(CELL_BYTES_MAX)]).await, [2]);
}

#[tokio::test]
async fn c_stor_01_disk_free_min() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    let kept = cell(1024);
    client.push(std::slice::from_ref(&kept)).await;
    let mut stopped = relay.stop().await;
    stopped.config.limits.disk_free_min = u64::MAX;
    let relay = stopped.start().await;
    let mut client = Client::hello(&relay.target, &account, &device).await;
    client.send(&ToRelay::Push { cells: vec![cell(1024)] }).await;
    assert!(client.refused(ErrorCode::StorageUnavailable).await.is_some());
    assert_eq!(client.pull_all().await, [Entry::Cell(kept.clone())]);
    client.send(&ToRelay::Purge { cells: vec![proof::cell_id(&kept)] }).await;
    assert_eq!(client.next().await, Some(ToDevice::Purged { count: 1 }));
    let mut stranger = Client::connect(&relay.target, &Device::new()).await;
    stranger.send(&Account::new().create(&[])).await;
    assert!(stranger.refused(ErrorCode::StorageUnavailable).await.is_some());
}

#[tokio::test]
async fn a_proto_04_a_push_or_purge_above_the_limits_is_refused() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    drop(Client::create(&relay.target, &account, &[device]).await);
    let id = proof::cell_id(&cell(1024));
    for message in [
        ToRelay::Push { cells: vec![cell(2 * CELL_BYTES_MAX)] },
        ToRelay::Push { cells: (0..17).map(|_| cell(CELL_BYTES_MAX)).collect() },
        ToRelay::Push { cells: (0..=PAGE_CELLS_MAX).map(|_| cell(1024)).collect() },
        ToRelay::Purge { cells: vec![id; PAGE_CELLS_MAX + 1] },
    ] {
        let mut client = Client::hello(&relay.target, &account, &device).await;
        client.send(&message).await;
        client.refused(ErrorCode::TooLarge).await;
        client.ended().await;
    }
    assert!(Client::hello(&relay.target, &account, &device).await.pull_all().await.is_empty());
}

#[tokio::test]
async fn trap_38_a_frame_above_a_record_is_refused_by_its_length() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    client.socket.send(Message::binary(vec![0; NOISE_RECORD_BYTES_MAX + 9])).await.unwrap();
    client.ended().await;
    // And before the other side is known, an HTTP request above its limit.
    let mut tcp = tcp(&relay).await;
    let head = format!("GET {PATH} HTTP/1.1\r\nHost: x\r\nX: {}", "x".repeat(5_000));
    tcp.write_all(head.as_bytes()).await.unwrap();
    cut(tcp).await;
}

#[tokio::test]
async fn own_max_forgets_the_oldest_marks_and_loses_nothing() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    let count = OWN_MAX + 10;
    let mut left = count;
    while left > 0 {
        let cells: Vec<ByteBuf> = (0..left.min(1000)).map(|_| cell(1024)).collect();
        left -= client.push(&cells).await.len();
    }
    let entries = client.pull_all().await;
    assert_eq!(entries.len(), count);
    assert!(entries[..10].iter().all(|entry| matches!(entry, Entry::Cell(_))));
    assert!(entries[10..].iter().all(|entry| matches!(entry, Entry::Own(_))));
}

#[tokio::test]
async fn pages_unconfirmed_max() {
    let relay = Running::start().await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut writer = Client::create(&relay.target, &account, &devices).await;
    let mut reader = Client::hello(&relay.target, &account, &devices[1]).await;
    reader.pull_all().await;
    // The writer follows too, confirms nothing, and is sent marks that weigh next to nothing.
    writer.pull(0, Hash([0; 32])).await;
    assert!(writer.page().await.entries.is_empty());
    let total = 3 * PAGES_UNCONFIRMED_MAX;
    for _ in 0..total {
        writer.send(&ToRelay::Push { cells: vec![cell(1024)] }).await;
        assert_eq!(reader.page().await.entries.len(), 1);
    }
    writer.send(&ToRelay::Ping { token: 1 }).await;
    let mut pages = 0;
    loop {
        match writer.next().await.expect("a message") {
            ToDevice::Page(_) => pages += 1,
            ToDevice::Ack { .. } => {}
            ToDevice::Pong { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(pages, PAGES_UNCONFIRMED_MAX);
    // What was held back comes together.
    writer.send(&ToRelay::Delivered { cursor: PAGES_UNCONFIRMED_MAX as u64 }).await;
    match writer.next().await {
        Some(ToDevice::Page(page)) => assert_eq!(page.entries.len(), PAGE_BYTES_MIN / 1024),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_res_02_push_bytes_waiting_max_holds_the_sender_while_the_disk_is_slow() {
    let relay = Running::start().await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut client = Client::create(&relay.target, &account, &devices).await;
    let mut neighbour = Client::hello(&relay.target, &account, &devices[1]).await;
    // Somebody holds the database: nothing can be committed.
    let holder = rusqlite::Connection::open(caro_relay::folder::database(&relay.folder)).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let push = ToRelay::Push { cells: (0..16).map(|_| cell(CELL_BYTES_MAX)).collect() };
    let (mut sent, waiting_max) = (0, Limits::default().push_bytes_waiting_max as usize);
    while timeout(Duration::from_millis(500), client.try_send(&push)).await.is_ok() {
        sent += 16 * CELL_BYTES_MAX;
        assert!(sent <= waiting_max + (24 << 20), "{sent} bytes were taken while the disk stood still");
    }
    // Who asks nothing of the disk is served.
    neighbour.send(&ToRelay::Ping { token: 9 }).await;
    assert_eq!(neighbour.next().await, Some(ToDevice::Pong { token: 9 }));
    holder.execute_batch("ROLLBACK").unwrap();
}

#[tokio::test]
async fn requests_waiting_max_holds_the_sender_while_the_disk_is_slow() {
    let relay = Running::with_limits(|limits| limits.messages_per_second = 1_000_000).await;
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    let holder = rusqlite::Connection::open(caro_relay::folder::database(&relay.folder)).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let id = proof::cell_id(&cell(1024));
    let waiting_max = Limits::default().requests_waiting_max as usize;
    for _ in 0..2 * waiting_max {
        client.send(&ToRelay::Purge { cells: vec![id] }).await;
    }
    // It is not read on, so the question behind the requests is not answered either…
    client.send(&ToRelay::Ping { token: 5 }).await;
    assert!(timeout(Duration::from_millis(300), client.next()).await.is_err());
    holder.execute_batch("ROLLBACK").unwrap();
    // …until the disk moves again.
    let mut purged = 0;
    loop {
        match client.next().await.expect("a message") {
            ToDevice::Purged { count: 0 } => purged += 1,
            ToDevice::Pong { token: 5 } => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(purged >= waiting_max, "{purged}");
}

#[tokio::test]
async fn t_conn_04_nothing_is_left_of_connections_that_came_and_went() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    drop(Client::create(&relay.target, &account, &[device]).await);
    until("the first connection is gone", || open() <= before).await;
    for _ in 0..50 {
        let mut client = Client::hello(&relay.target, &account, &device).await;
        client.push(&[cell(1024)]).await;
    }
    until("all descriptors are back", || open() <= before + 2).await;
}

#[test]
fn the_page_of_limits_is_the_table() {
    let kept = include_str!("../../../../docs/relay-limits.md");
    assert!(kept == limits::page(), "docs/relay-limits.md is stale: caro-relay config limits > docs/relay-limits.md");
}

/// Trap 36: a limit that is written down and never asked.
#[test]
fn trap_36_every_limit_has_a_test_of_its_name() {
    let sources = [
        include_str!("requests.rs"),
        include_str!("connections.rs"),
        include_str!("messages.rs"),
        include_str!("../mailboxes.rs"),
    ]
    .concat();
    for row in limits::TABLE {
        let is_tested = sources.lines().any(|line| line.contains("fn ") && line.contains(row.name));
        assert!(is_tested, "no test is named after {}", row.name);
    }
}
