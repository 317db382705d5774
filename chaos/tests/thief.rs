//! A thief with everything that was on a device: its home, its key, its phrase-less place in the account. Played after
//! the owner has taken the device off, with the real programs: over the honest relay, which lets it in no more; and over
//! one that helps it, shows it everything and brings the others whatever it writes.

use std::{fs, path::Path};

use caro_link::proof;
use caro_schema::{
    cell::CellView,
    id::{CellId, Hash, KeyId},
};
use caro_tests::{Device, Home, Relay, eventually};
use chaos_tests::programs::{
    database::RelayDatabase,
    opened::{Opened, Word},
};
use rusqlite::{Connection, params};
use serde_json::Value;

const KNOWN: &str = "echo known to the thief";
const SECRETS: [&str; 2] = ["echo secret-after-one", "echo secret-after-two"];
const FORGED: &str = "echo forged by the thief";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, meta) = (entry.path(), entry.metadata().expect("it is there"));
        if meta.is_dir() {
            copy(&path, &to.join(entry.file_name()));
        } else if meta.is_file() {
            fs::copy(&path, to.join(entry.file_name())).expect("copied");
        }
    }
}

/// The relay's folder as it was saved, in the place of what is there.
fn put_back(relay: &Relay, saved: &Path) {
    for name in ["relay.db", "relay.db-wal", "relay.db-shm"] {
        let path = relay.data().join(name);
        if path.exists() {
            fs::remove_file(&path).expect("removed");
        }
        if saved.join(name).exists() {
            fs::copy(saved.join(name), path).expect("copied");
        }
    }
}

/// Another computer with the stolen home.
fn thief(stolen: &Path) -> Device {
    let home = Home::new();
    fs::remove_dir_all(home.path()).expect("removed");
    copy(stolen, &home.path());
    Device::in_home(home)
}

fn status(device: &Device) -> Value {
    serde_json::from_str(&device.home.caro_ok(&["sync", "status", "--json"])).expect("JSON")
}

fn cells(relay: &Relay) -> Vec<Vec<u8>> {
    let cells = RelayDatabase::open(&relay.data().join("relay.db")).cells();
    cells.into_iter().map(|(_, cell)| cell).collect()
}

/// The list from before, the thief among it.
fn list_it_again(relay: &Relay, before: &Path) {
    let old = Connection::open(before.join("relay.db")).expect("it opens");
    let sql = "SELECT list, list_signature, list_version, added FROM account";
    let (list, signature, version, added): (Vec<u8>, Vec<u8>, i64, Vec<u8>) =
        old.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).expect("one account");
    let now = Connection::open(relay.data().join("relay.db")).expect("it opens");
    let sql = "UPDATE account SET list = ?1, list_signature = ?2, list_version = ?3, added = ?4";
    assert_eq!(now.execute(sql, params![list, signature, version, added]).expect("written"), 1);
    now.execute("DELETE FROM removed", []).expect("forgotten");
}

/// That list, and more cells behind those that are there: what a relay does that helps.
fn help(relay: &Relay, before: &Path, forged: &[Vec<u8>]) {
    list_it_again(relay, before);
    let now = Connection::open(relay.data().join("relay.db")).expect("it opens");
    let sql = "SELECT id, cursor, head FROM account";
    let (account, mut cursor, head): (i64, i64, [u8; 32]) =
        now.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("one account");
    let mut head = Hash(head);
    for cell in forged {
        cursor += 1;
        let id: CellId = proof::cell_id(cell);
        head = proof::chain_head(&head, u64::try_from(cursor).expect("positive"), &id);
        let sql = "INSERT INTO entry (place, account, cell_id, head, cell) VALUES (?1, ?2, ?3, ?4, ?5)";
        let place = (account << 40) + cursor;
        now.execute(sql, params![place, account, id.as_bytes(), head.as_bytes(), cell]).expect("written");
    }
    let sql = "UPDATE account SET cursor = ?1, head = ?2";
    assert_eq!(now.execute(sql, params![cursor, head.as_bytes()]).expect("written"), 1);
}

fn key_of(cell: &[u8]) -> KeyId {
    CellView::parse(cell).expect("a cell").key_id
}

#[test]
fn trap_14_a_thief_with_a_whole_home_gains_nothing_after_the_revocation_whatever_the_relay_does() {
    let mut relay = Relay::new();
    let (desk, third, laptop) = (Device::new(), Device::new(), Device::new());
    let phrase = desk.init(&relay, "desk");
    third.restore(&relay, "third", &phrase);
    laptop.restore(&relay, "laptop", &phrase);
    laptop.type_lines("one", &[KNOWN]);
    for device in [&desk, &third, &laptop] {
        device.expect_commands(&[KNOWN]);
        device.sync();
    }
    laptop.home.caro_ok(&["daemon", "stop"]);
    let (stolen, before, after) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    copy(&laptop.home.path(), stolen.path());
    relay.stop();
    copy(&relay.data(), before.path());
    let count_before = cells(&relay).len();
    relay.start_again();

    eventually("the owner sees the device", || {
        desk.home.caro_ok(&["sync", "devices"]).contains("laptop").then_some(())
    });
    desk.home.caro_ok(&["sync", "on"]);
    desk.sync();
    let revoke = ["sync", "revoke", "laptop", "--compromised", "--yes", "--phrase-stdin"];
    let revoked = desk.home.caro_with_input(&revoke, &phrase);
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));
    assert!(String::from_utf8_lossy(&revoked.stderr).contains("What it has had until now it has"));
    third.home.caro_ok(&["sync", "on"]);
    third.sync();
    for (device, secret) in [(&desk, SECRETS[0]), (&third, SECRETS[1])] {
        device.type_lines("two", &[secret]);
    }
    for device in [&desk, &third] {
        device.expect_commands(&[KNOWN, SECRETS[0], SECRETS[1]]);
        device.sync();
    }

    // The honest relay lets it in no more.
    let honest = thief(stolen.path());
    eventually("it is refused", || (status(&honest)["remotes"][0]["reason"] == "revoked").then_some(()));
    honest.expect_commands(&[KNOWN]);
    honest.home.caro_ok(&["daemon", "stop"]);

    // One that helps shows it the log as it was, so that it writes as if nothing had happened.
    for device in [&desk, &third] {
        device.home.caro_ok(&["daemon", "stop"]);
    }
    relay.stop();
    copy(&relay.data(), after.path());
    let written: Vec<Vec<u8>> = cells(&relay).split_off(count_before);
    put_back(&relay, before.path());
    relay.start_again();
    let writer = thief(stolen.path());
    writer.type_lines("three", &[FORGED]);
    writer.expect_commands(&[KNOWN, FORGED]);
    writer.sync();
    writer.home.caro_ok(&["daemon", "stop"]);
    relay.stop();
    let forged = cells(&relay).split_off(count_before);
    assert!(!forged.is_empty(), "the thief wrote something");

    // It brings that to the others, and shows the thief everything that they wrote.
    put_back(&relay, after.path());
    help(&relay, before.path(), &forged);
    relay.start_again();
    for device in [&desk, &third] {
        device.home.caro_ok(&["daemon", "start"]);
        device.sync();
        device.expect_commands(&[KNOWN, SECRETS[0], SECRETS[1]]);
        assert!(status(device)["refused"].as_u64() > Some(0), "{}", status(device));
    }
    // The others bring the list on which it is not; a relay that helps has not heard of it.
    for device in [&desk, &third] {
        device.home.caro_ok(&["daemon", "stop"]);
    }
    relay.stop();
    list_it_again(&relay, before.path());
    relay.start_again();
    honest.home.caro_ok(&["daemon", "start"]);
    honest.home.caro_ok(&["sync", "on"]);
    eventually("it has read that it was taken off", || {
        status(&honest)["warnings"].to_string().contains("\"revoked\"").then_some(())
    });
    honest.expect_commands(&[KNOWN]);
    honest.home.caro_ok(&["daemon", "stop"]);

    // Every cell that was written since, with every key that the thief has.
    let key_log = key_of(&cells(&relay)[0]);
    let (thiefs, owners) = (Opened::home(&honest.home.data()), Opened::home(&desk.home.data()));
    let sealed: Vec<&Vec<u8>> = written.iter().filter(|cell| key_of(cell) != key_log).collect();
    let says = |opened: &Opened, word: &str| {
        let word = Word::new(word);
        sealed.iter().any(|cell| opened.cell(cell).iter().any(|piece| word.is_held_by(piece)))
    };
    for secret in SECRETS {
        assert!(says(&owners, secret), "the owner cannot read {secret}");
    }
    let opened = sealed.iter().filter(|cell| !thiefs.cell(cell).is_empty()).count();
    assert_eq!(opened, 0, "of {} cells", sealed.len());
}
