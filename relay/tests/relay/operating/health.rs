//! Health and metrics: how the relay is, and nothing of anybody.

use std::fs;

use caro_schema::relay::{ErrorCode, ToRelay};
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{LOOK, Place, free, get, metric, page};
use crate::support::{Account, Client, Device, PATIENCE, cell, until};

#[tokio::test]
async fn health_and_metrics_say_how_it_is_and_nothing_of_anybody() {
    let health = free();
    let place =
        Place::new(&format!("plain = true\nhealth = \"{health}\"\n[limits]\nconnections_per_address_max = 3\n"));
    let relay = place.serve();
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    client.push(&[cell(1024), cell(2048)]).await;
    client.pull_all().await;
    let mut stranger = Client::connect(&relay.target, &Device::new()).await;
    stranger.send(&account.hello()).await;
    stranger.refused(ErrorCode::NotKnown).await;
    for (path, body) in [
        ("/health", "{\"live\":true,\"ready\":true,\"storage\":\"working\"}\n"),
        ("/health/live", "live\n"),
        ("/health/ready?x", "ready\n"),
        ("/health/storage", "working\n"),
    ] {
        assert_eq!(page(health, path).await, (200, body.to_owned()), "{path}");
    }
    assert_eq!(page(health, "/v1").await.0, 404);
    assert_eq!(get(health, "POST /metrics HTTP/1.1\r\n\r\n").await.0, 405);
    assert_eq!(get(health, "HEAD /health HTTP/1.1\r\n\r\n").await, (200, String::new()));
    // Not on the address of the devices.
    assert_ne!(page(relay.target.address, "/metrics").await.0, 200);
    let (status, shown) = page(health, "/metrics").await;
    assert_eq!(status, 200);
    for (name, value) in [
        ("caro_relay_sessions", 1),
        ("caro_relay_cells_stored_total", 2),
        ("caro_relay_cell_bytes_stored_total", 3072),
        ("caro_relay_errors_total{code=\"not_known\"}", 1),
        ("caro_relay_storage_working", 1),
    ] {
        assert_eq!(metric(&shown, name), value, "{name}");
    }
    assert!(metric(&shown, "caro_relay_commit_seconds_count") >= 2);
    // Every line is one of the format, and each label is one of the few that say nothing of anybody.
    for line in shown.lines().filter(|line| !line.starts_with("# ")) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok() && name.starts_with("caro_relay_"), "{line}");
        if let Some((_, label)) = name.split_once('{') {
            let key = label.split_once('=').unwrap().0;
            assert!(["code", "reason", "le", "version"].contains(&key), "{line}");
        }
    }
    for secret in [account.handle().hex(), "127.0.0.1".to_owned()] {
        assert!(!shown.contains(&secret));
    }
    relay.signal(Signal::TERM);
    assert!(relay.wait().0.success());
}

#[tokio::test]
async fn a_request_for_health_that_does_not_end_is_ended() {
    let health = free();
    let place = Place::new(&format!("plain = true\nhealth = \"{health}\"\n"));
    let _relay = place.serve();
    let head = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(8_000));
    let mut tcp = TcpStream::connect(health).await.unwrap();
    // It may be cut while it is still sent.
    let sent = tcp.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut answer)).await.expect("an end in time");
    assert!(answer.is_empty(), "{sent:?} {read:?}");
    assert_eq!(page(health, "/health/live").await.0, 200);
}

#[tokio::test]
async fn c_stor_01_a_full_disk_shows_in_health_before_a_device_is_refused() {
    let health = free();
    let full = format!("health = \"{health}\"\nplain = true\n[limits]\ndisk_free_min = {}\n", i64::MAX);
    let place = Place::new(&full);
    let relay = place.serve();
    let mut storage = (0, String::new());
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut looks = tokio::time::interval(LOOK);
    while storage.0 != 503 {
        looks.tick().await;
        assert!(std::time::Instant::now() < deadline, "{storage:?}");
        storage = page(health, "/health/storage").await;
    }
    assert_eq!(storage.1, "full\n");
    // It goes on serving what is there, so it is ready.
    assert_eq!(page(health, "/health/ready").await.0, 200);
    let mut client = Client::connect(&relay.target, &Device::new()).await;
    client.send(&Account::new().create(&[])).await;
    assert!(client.refused(ErrorCode::StorageUnavailable).await.is_some());
    // Room is made in the configuration, without a restart.
    place.set(&full.replace(&i64::MAX.to_string(), "1"));
    let (worked, said, _) = place.run(&["reload"]);
    assert!(worked && said == "read again; changed: limits.disk_free_min\n", "{said}");
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let mut client = Client::connect(&relay.target, &Device::new()).await;
        client.send(&Account::new().create(&[])).await;
        if matches!(client.next().await, Some(caro_schema::relay::ToDevice::Welcome { .. })) {
            break;
        }
        assert!(std::time::Instant::now() < deadline);
    }
    relay.signal(Signal::TERM);
    let log = relay.wait().2;
    assert_eq!((log.matches("nearly full").count(), log.matches("room on the disk again").count()), (1, 1), "{log}");
}

#[tokio::test]
async fn trap_34_damage_in_one_account_shows_in_health_and_in_the_log_and_others_are_served() {
    let health = free();
    let place = Place::new(&format!("plain = true\nhealth = \"{health}\"\n"));
    let relay = place.serve();
    let (hit, whole) = (Account::new(), Account::new());
    let mut one = Client::create(&relay.target, &hit, &[Device::new()]).await;
    let mut other = Client::create(&relay.target, &whole, &[Device::new()]).await;
    assert_eq!(page(health, "/health/storage").await, (200, "working\n".to_owned()));
    let beside = rusqlite::Connection::open(caro_relay::folder::database(&place.data)).unwrap();
    beside.execute("UPDATE account SET added = x'00' WHERE handle = ?1", [hit.handle().as_bytes()]).unwrap();
    drop(beside);
    one.send(&ToRelay::Push { cells: vec![cell(1024)] }).await;
    assert!(one.refused(ErrorCode::StorageUnavailable).await.is_some());
    assert_eq!(page(health, "/health/storage").await, (503, "damaged\n".to_owned()));
    assert_eq!(metric(&page(health, "/metrics").await.1, "caro_relay_storage_working"), 0);
    // A balancer does not turn away from everybody for it.
    let body = "{\"live\":true,\"ready\":true,\"storage\":\"damaged\"}\n";
    assert_eq!(page(health, "/health").await, (200, body.to_owned()));
    assert_eq!(other.push(&[cell(1024)]).await, [1]);
    relay.signal(Signal::TERM);
    let (status, _, log) = relay.wait();
    assert!(status.success() && log.contains("the database is damaged: some accounts are not served"), "{log}");
}

/// The database is looked after although nobody asks anything.
#[tokio::test]
async fn the_numbers_of_the_database_are_counted() {
    let health = free();
    let place = Place::new(&format!("plain = true\nhealth = \"{health}\"\n"));
    let relay = place.serve();
    drop(Client::create(&relay.target, &Account::new(), &[Device::new()]).await);
    let (_, shown) = page(health, "/metrics").await;
    assert!(metric(&shown, "caro_relay_database_bytes") > 0 && metric(&shown, "caro_relay_disk_free_bytes") > 0);
    until("it runs", || fs::metadata(place.data.join("control.sock")).is_ok()).await;
    relay.signal(Signal::TERM);
    assert!(relay.wait().0.success());
    assert!(!place.data.join("control.sock").exists());
}
