//! A configuration and a certificate that are checked, shown and changed while the relay runs.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use caro_schema::relay::{ErrorCode, ToRelay};
use rustix::process::Signal;
use tokio::net::TcpStream;

use super::{LOOK, Place, free, metric, page};
use crate::support::{Account, Client, Device, PATIENCE, Program, Target, cell};

#[tokio::test]
async fn a_new_configuration_holds_at_once_or_not_at_all() {
    let health = format!("health = \"{}\"\n", free());
    let place = Place::new(&format!("plain = true\nregistration = \"closed\"\n{health}"));
    let watched = health.split('"').nth(1).unwrap().parse().unwrap();
    let relay = place.serve();
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::connect(&relay.target, &device).await;
    client.send(&account.create(&[device])).await;
    client.refused(ErrorCode::RegistrationRefused).await;
    place.set(&format!("plain = true\nlog = \"debug\"\n{health}[limits]\nbytes_per_account = 2000\n"));
    let (worked, printed, _) = place.run(&["reload"]);
    assert!(worked);
    assert_eq!(printed, "read again; changed: limits.bytes_per_account, registration\nafter a restart: log\n");
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    client.push(&[cell(1024)]).await;
    client.send(&ToRelay::Push { cells: vec![cell(1024)] }).await;
    assert!(client.refused(ErrorCode::QuotaExceeded).await.is_some());
    // One that is wrong changes nothing, and whoever asked hears why.
    place.set(&format!("plain = true\nregistration = \"nobody\"\n{health}[limits]\nbytes_per_account = 0\n"));
    let (worked, _, said) = place.run(&["reload"]);
    assert!(!worked && said.contains("nobody"), "{said}");
    relay.signal(Signal::HUP);
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut looks = tokio::time::interval(LOOK);
    while metric(&page(watched, "/metrics").await.1, "caro_relay_reload_failures_total") == 0 {
        assert!(std::time::Instant::now() < deadline, "the signal was not heard");
        looks.tick().await;
    }
    client.send(&ToRelay::Push { cells: vec![cell(1024)] }).await;
    assert!(client.refused(ErrorCode::QuotaExceeded).await.is_some());
    // The signal does the same, and sessions that are there go on under the new limits.
    place.set(&format!("plain = true\n{health}[limits]\nbytes_per_account = 0\n"));
    relay.signal(Signal::HUP);
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        client.send(&ToRelay::Push { cells: vec![cell(1024)] }).await;
        match client.next().await {
            Some(caro_schema::relay::ToDevice::Ack { .. }) => break,
            Some(_) => assert!(std::time::Instant::now() < deadline),
            None => panic!("the session has ended"),
        }
    }
    relay.signal(Signal::TERM);
    let log = relay.wait().2;
    assert!(log.contains("the new configuration is not taken over"), "{log}");
}

/// A certificate for a name, and its key, as somebody's renewal program would put them there.
fn certify(certificate: &Path, key: &Path, name: &str) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    fs::write(key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(certificate, made.cert.pem()).unwrap();
}

/// The certificate that is shown, as it is.
async fn shown(target: &Target) -> Vec<u8> {
    let tcp = TcpStream::connect(target.address).await.unwrap();
    crate::support::client::certificate(tcp, target.address.ip()).await
}

#[tokio::test]
async fn a_certificate_that_is_replaced_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let place = Place::new("");
    let health = free();
    let (certificate, key) = (place.root.join("chain.pem"), place.root.join("chain.key"));
    certify(&certificate, &key, "one.example.org");
    place.set(&format!("certificate = {certificate:?}\ncertificate_key = {key:?}\nhealth = \"{health}\"\n"));
    let (worked, said, _) = place.run(&["config", "check"]);
    assert!(worked && said.contains("would start"), "{said}");
    let relay = place.serve();
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    let first = shown(&relay.target).await;
    // Half of a new one: a key that does not belong to the certificate.
    let other = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap();
    fs::write(&key, other.signing_key.serialize_pem()).unwrap();
    relay.signal(Signal::HUP);
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut looks = tokio::time::interval(LOOK);
    while metric(&page(health, "/metrics").await.1, "caro_relay_reload_failures_total") == 0 {
        assert!(std::time::Instant::now() < deadline, "the broken certificate was not looked at");
        looks.tick().await;
    }
    assert!(shown(&relay.target).await == first);
    certify(&certificate, &key, "two.example.org");
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut looks = tokio::time::interval(LOOK);
    while shown(&relay.target).await == first {
        assert!(std::time::Instant::now() < deadline, "the new certificate is not shown");
        looks.tick().await;
    }
    // Whoever is in stays in, and whoever comes is served.
    assert_eq!(client.push(&[cell(1024)]).await, [1]);
    drop(Client::hello(&relay.target, &account, &device).await);
    relay.signal(Signal::TERM);
    let log = relay.wait().2;
    assert!(log.contains("certificate"), "{log}");
}

#[test]
fn the_configuration_is_checked_and_shown_as_a_whole() {
    let place = Place::new("lisen = 1\nplane = true\n[limits]\nidel_ms = 5\n");
    let (worked, printed, said) = place.run(&["config", "check"]);
    assert!(!worked && printed.is_empty());
    for word in ["did you mean listen?", "did you mean plain?", "did you mean limits.idle_ms?"] {
        assert!(said.contains(word), "{said}");
    }
    place.set("mode = \"mailbox\"\nmailbox_days = 3\n");
    let mut show = place.command(&["config", "show"]);
    let output = show.env("CARO_RELAY_LIMITS_IDLE_MS", "61000").output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    for line in ["mailbox_days = 3  # from the file", "idle_ms = 61000  # from the environment", "# health is not set"]
    {
        assert!(printed.contains(line), "{printed}");
    }
    // The file that was read is named, and that none was.
    let (worked, printed, _) = place.run(&["config", "check"]);
    assert!(worked && printed.contains(place.file.to_str().unwrap()), "{printed}");
    let named = |command: &mut Command| String::from_utf8(command.output().unwrap().stdout).unwrap();
    let mut check = Program::command(&["config", "check"]);
    assert!(named(check.env("HOME", &place.root)).contains("no configuration file was named"));
    assert!(named(check.env("CARO_RELAY_CONFIG", &place.file)).contains(place.file.to_str().unwrap()));
    let certificate = place.root.join("none.pem");
    place.set(&format!("certificate = {certificate:?}\ncertificate_key = {certificate:?}\n"));
    let (worked, _, said) = place.run(&["config", "check"]);
    assert!(!worked && said.contains("none.pem"), "{said}");
    place.set("registration = \"token\"\ninvitations = \"/nowhere/invitations\"\n");
    let (worked, _, said) = place.run(&["config", "check"]);
    assert!(!worked && said.contains("the file of invitations /nowhere/invitations cannot be read"), "{said}");
}
