//! Backups that are taken while the relay runs, and what comes back from them.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
};

use caro_relay::folder::database;
use caro_schema::relay::{Entry, ToRelay};
use rustix::process::Signal;

use super::Place;
use crate::support::{Account, Client, Device, cell, skip};

#[tokio::test]
async fn s_conv_02_a_backup_is_taken_while_it_runs_and_comes_back_as_a_new_life() {
    let place = Place::new("plain = true\n");
    let relay = place.serve();
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    let cells: Vec<_> = (0..50).map(|_| cell(1024)).collect();
    client.push(&cells).await;
    client.send(&ToRelay::Purge { cells: vec![caro_link::proof::cell_id(&cells[0])] }).await;
    client.next().await;
    // Somebody pushes meanwhile.
    let pushing = tokio::spawn(async move {
        for _ in 0..30 {
            client.push(&[cell(1024)]).await;
        }
        client
    });
    let copy = place.root.join("copy");
    let (worked, said, wrong) = place.run(&["backup", copy.to_str().unwrap()]);
    assert!(worked && said.contains("keys and database"), "{wrong}");
    let mut client = pushing.await.unwrap();
    let purged: &[u8] = &cells[0][100..200];
    for file in fs::read_dir(&copy).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
        let bytes = fs::read(file.path()).unwrap();
        assert!(!bytes.windows(purged.len()).any(|window| window == purged), "{:?}", file.file_name());
    }
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o700);
    let (worked, _, said) = place.run(&["backup", copy.to_str().unwrap()]);
    assert!(!worked && said.contains("is there already") && said.contains("hint:"), "{said}");
    client.push(&[cell(1024)]).await;
    let before = client.stands();
    relay.signal(Signal::KILL);
    drop(relay);
    // Nothing is restored over a database.
    let (worked, _, said) = place.run(&["restore", copy.to_str().unwrap()]);
    assert!(!worked && said.contains("is there already"), "{said}");
    let elsewhere = Place::new("plain = true\n");
    let (worked, said, wrong) = elsewhere.run(&["restore", copy.to_str().unwrap()]);
    assert!(worked && said.contains("1 accounts"), "{said}{wrong}");
    assert!(elsewhere.run(&["verify"]).1.starts_with("sound"));
    let key = |place: &Place| place.run(&["key"]).1;
    assert_eq!(key(&elsewhere), key(&place));
    let relay = elsewhere.serve();
    let mut again = Client::connect(&relay.target, &device).await;
    again.send(&account.hello()).await;
    let welcome = again.welcome(&account).await;
    // Another life: a device that saw more is not told that its history went back, but offers what is missing.
    assert!(welcome.position.cursor >= 50 && welcome.position.cursor <= before.0 + 81);
    let entries = again.pull_all().await;
    assert!(matches!(entries[0], Entry::Gone(_)) && matches!(entries[1], Entry::Cell(_)));
}

#[tokio::test]
async fn a_damaged_backup_is_not_restored() {
    let place = Place::new("plain = true\n");
    let relay = place.serve();
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    client.push(&(0..5).map(|_| cell(1024)).collect::<Vec<_>>()).await;
    let copy = place.root.join("copy");
    assert!(place.run(&["backup", copy.to_str().unwrap()]).0);
    let connection = rusqlite::Connection::open(database(&copy)).unwrap();
    connection.execute_batch("UPDATE entry SET cell = zeroblob(1024) WHERE place & 255 = 3").unwrap();
    drop(connection);
    let elsewhere = Place::new("plain = true\n");
    let (worked, _, said) = elsewhere.run(&["restore", copy.to_str().unwrap()]);
    assert!(!worked && said.contains("damaged"), "{said}");
    assert!(!database(&elsewhere.data).exists());
    // A folder that is another relay's keeps its keys.
    let other = elsewhere.serve();
    other.signal(Signal::TERM);
    assert!(other.wait().0.success());
    fs::remove_file(database(&elsewhere.data)).unwrap();
    let (worked, _, said) = elsewhere.run(&["restore", copy.to_str().unwrap()]);
    assert!(!worked && !database(&elsewhere.data).exists(), "{said}");
}

/// A file that SQLite itself cannot read on in: torn in its middle, or no database from its first byte on.
#[tokio::test]
async fn a_database_that_sqlite_cannot_read_is_said_to_be_damaged_and_never_restored() {
    let place = Place::new("plain = true\n");
    let relay = place.serve();
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    client.push(&(0..200).map(|_| cell(1024)).collect::<Vec<_>>()).await;
    let copy = place.root.join("copy");
    assert!(place.run(&["backup", copy.to_str().unwrap()]).0);
    relay.signal(Signal::TERM);
    assert!(relay.wait().0.success());
    let (whole, backup) = (fs::read(database(&place.data)).unwrap(), fs::read(database(&copy)).unwrap());
    for from in [0, 4096] {
        let torn = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            bytes[from..].fill(0xa5);
            bytes
        };
        fs::write(database(&place.data), torn(&whole)).unwrap();
        let output = place.command(&["verify"]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{from}: {said}");
        assert!(said.contains("is damaged") && said.contains("put it back from a backup"), "{from}: {said}");
        assert!(output.stdout.starts_with(b"damaged: "), "{from}");
        let (worked, _, said) = place.run(&["serve"]);
        assert!(!worked && said.contains("is damaged") && said.contains("put it back from a backup"), "{from}: {said}");
        fs::write(database(&copy), torn(&backup)).unwrap();
        let elsewhere = Place::new("");
        let (worked, _, said) = elsewhere.run(&["restore", copy.to_str().unwrap()]);
        assert!(!worked && said.contains("damaged") && said.contains("take an earlier backup"), "{from}: {said}");
        let left = fs::read_dir(&elsewhere.data).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        assert!(!left.into_iter().any(|name| name.contains(".db")));
    }
}

#[test]
fn what_is_no_backup_is_not_restored_and_the_hint_is_about_it() {
    let place = Place::new("");
    let empty = place.root.join("empty");
    fs::create_dir(&empty).unwrap();
    let (worked, _, said) = place.run(&["restore", empty.to_str().unwrap()]);
    assert!(
        !worked && said.contains("there is no database in") && said.contains("caro-relay backup has made"),
        "{said}"
    );
    fs::write(database(&empty), "").unwrap();
    let (worked, _, said) = place.run(&["restore", empty.to_str().unwrap()]);
    assert!(!worked && said.contains("caro-relay backup has made") && !said.contains("serve"), "{said}");
    assert!(!place.data.exists());
}

#[tokio::test]
async fn trap_28_root_copies_what_belongs_to_the_relays_user_and_nothing_of_anybody_elses() {
    if !rustix::process::geteuid().is_root() {
        return skip("a backup by root of a folder of another user", "to be run by root");
    }
    const USER: u32 = 61_498;
    let place = Place::new("plain = true\n");
    let relay = place.serve();
    let (account, device) = (Account::new(), Device::new());
    Client::create(&relay.target, &account, &[device]).await.push(&[cell(1024)]).await;
    // As the files of a user whom systemd has made for the service. The relay that has them open does not mind.
    let files: Vec<_> = fs::read_dir(&place.data).unwrap().map(|file| file.unwrap().path()).collect();
    files.iter().chain([&place.data]).for_each(|path| chown(path, Some(USER), Some(USER)).unwrap());
    let (worked, said, wrong) = place.run(&["backup", place.root.join("copy").to_str().unwrap()]);
    assert!(worked && said.contains("keys and database"), "{wrong}");
    assert_eq!(fs::metadata(place.root.join("copy/session.key")).unwrap().uid(), 0);
    assert!(place.run(&["verify"]).1.starts_with("sound: 1 accounts, 1 entries"));
    assert_eq!(place.run(&["account", "list"]).1.lines().count(), 1);
    relay.signal(Signal::TERM);
    assert!(relay.wait().0.success());
    // Nothing that the relay could not open afterwards is left behind.
    let (worked, _, wrong) = place.run(&["backup", place.root.join("later").to_str().unwrap()]);
    assert!(worked, "{wrong}");
    for file in fs::read_dir(&place.data).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().uid(), USER, "{:?}", file.file_name());
    }
    // A relay as root would write files into it that its user cannot read.
    let (worked, _, said) = place.run(&["serve"]);
    assert!(!worked && said.contains("belongs to another user"), "{said}");
    // A file that somebody else has put there.
    chown(place.data.join("session.key"), Some(USER + 1), None).unwrap();
    let (worked, _, said) = place.run(&["backup", place.root.join("other").to_str().unwrap()]);
    assert!(!worked && said.contains("session.key belongs to another user"), "{said}");
}
