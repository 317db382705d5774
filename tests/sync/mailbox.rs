//! A relay that keeps things for a while only: who was away for longer, or is new, gets them from the other devices.

use std::path::PathBuf;

use caro_tests::{Device, Relay, eventually};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{said::warnings, two_devices::pair};

/// In the mailbox mode. The folder has its configuration.
fn forgetful() -> (TempDir, Relay) {
    let folder = tempfile::tempdir().expect("a folder");
    let config: PathBuf = folder.path().join("relay.toml");
    std::fs::write(&config, "mode = \"mailbox\"\nmailbox_days = 2\n").expect("written");
    let relay = Relay::with(&["--config", config.to_str().expect("a path")]);
    (folder, relay)
}

fn database(relay: &Relay) -> Connection {
    Connection::open(relay.data().join("relay.db")).expect("the relay's database")
}

/// Cells that are still there.
fn held(relay: &Relay) -> i64 {
    let counted = database(relay).query_row("SELECT count(*) FROM entry WHERE cell IS NOT NULL", [], |row| row.get(0));
    counted.expect("counted")
}

fn is_told(device: &Device) -> bool {
    warnings(device).contains(&"missed".to_owned())
}

#[test]
fn mailbox_a_new_machine_gets_from_the_others_what_the_relay_has_forgotten() {
    let (_folder, relay) = forgetful();
    let laptop = Device::new();
    let phrase = laptop.init(&relay, "laptop");
    let desktop = Device::new();
    desktop.restore(&relay, "desktop", &phrase);
    laptop.type_lines("one", &["echo first", "echo second"]);
    desktop.expect_commands(&["echo first", "echo second"]);
    eventually("the relay has forgotten what both have", || (held(&relay) == 0).then_some(()));
    let newcomer = Device::new();
    newcomer.restore(&relay, "newcomer", &phrase);
    newcomer.expect_commands(&["echo first", "echo second"]);
}

#[test]
fn mailbox_a_machine_that_was_away_for_longer_is_told_and_gets_it_from_the_others() {
    let (_folder, mut relay) = forgetful();
    let (laptop, desktop) = pair(&relay);
    laptop.type_lines("one", &["echo before"]);
    desktop.expect_commands(&["echo before"]);
    desktop.home.caro_ok(&["daemon", "stop"]);
    laptop.type_lines("two", &["echo while it was away"]);
    eventually("the relay keeps it for the one that is away", || (held(&relay) > 0).then_some(()));
    laptop.sync();
    relay.stop();
    // So much time goes by.
    database(&relay).execute("UPDATE entry SET day = day - 3", []).expect("aged");
    relay.start_again();
    eventually("what is old is forgotten", || (held(&relay) == 0).then_some(()));
    desktop.home.caro_ok(&["daemon", "start"]);
    desktop.expect_commands(&["echo before", "echo while it was away"]);
    assert!(is_told(&desktop) && !is_told(&laptop));
    let said = desktop.home.caro_ok(&["sync", "status"]);
    assert!(said.contains("no longer had all that came while this machine was away"), "{said}");
}
