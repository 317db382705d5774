//! What whoever runs a relay does beside it: invitations, accounts by their handles, rooms of their own.

use std::{path::Path, process::Output};

use caro_relay::config::{Admission, Mode};
use caro_schema::relay::{Entry, ErrorCode, ToDevice, ToRelay};

use crate::support::{Account, Client, Device, Program, Running, Target, cell};

fn run(data: &Path, arguments: &[&str]) -> Output {
    let arguments = [arguments, &["--data", data.to_str().unwrap()]].concat();
    Program::command(&arguments).output().unwrap()
}

/// Runs what must work, and gives what it printed.
fn done(data: &Path, arguments: &[&str]) -> String {
    let output = run(data, arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs what must fail, and gives what it said.
fn refused(data: &Path, arguments: &[&str]) -> String {
    let output = run(data, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    assert_eq!(output.stdout, b"");
    String::from_utf8(output.stderr).unwrap()
}

async fn by_invitation() -> Running {
    Running::with(|config| config.registration = Admission::Token).await
}

/// Tries to make an account with an invitation.
async fn is_let_in(target: &Target, token: &str) -> bool {
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::connect(target, &device).await;
    let list = account.first_list(&[device]);
    client.send(&ToRelay::Create { account: account.public(), list, token: Some(token.to_owned()) }).await;
    match client.next().await {
        Some(ToDevice::Welcome { .. }) => true,
        Some(ToDevice::Error { code: ErrorCode::RegistrationRefused, .. }) => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_invitation_is_shown_once_counted_and_kept_as_a_hash() {
    let relay = by_invitation().await;
    let data = relay.folder.clone();
    let token = done(&data, &["token", "create", "--uses", "2", "--note", "for ada"]);
    let token = token.trim();
    assert!(token.len() >= 27, "{token}");
    assert!(!is_let_in(&relay.target, "no such one").await);
    assert!(is_let_in(&relay.target, token).await);
    assert!(done(&data, &["token", "list"]).contains("1 used, 1 left  good for"));
    assert!(is_let_in(&relay.target, token).await);
    assert!(!is_let_in(&relay.target, token).await);
    let listed = done(&data, &["token", "list"]);
    assert!(listed.contains("2 used, 0 left  used up  for ada") && !listed.contains(token), "{listed}");
    for file in std::fs::read_dir(&data).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()), "{}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_invitation_expires_and_can_be_revoked() {
    let relay = by_invitation().await;
    let data = relay.folder.clone();
    let over = done(&data, &["token", "create", "--expires", "0s"]);
    assert!(!is_let_in(&relay.target, over.trim()).await);
    assert!(done(&data, &["token", "list"]).contains("expired"));
    let json = done(&data, &["token", "create", "--forever", "--json"]);
    let made: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((made["number"].as_u64(), made["uses"].as_u64(), made["expires"].is_null()), (Some(2), Some(1), true));
    done(&data, &["token", "revoke", "2"]);
    assert!(!is_let_in(&relay.target, made["token"].as_str().unwrap()).await);
    let said = refused(&data, &["token", "revoke", "2"]);
    assert!(said.contains("no invitation with that number"), "{said}");
    // A number is never given twice.
    let json = done(&data, &["token", "create", "--json"]);
    assert!(json.contains("\"number\":3"), "{json}");
    let long = "x".repeat(65);
    assert!(refused(&data, &["token", "create", "--note", &long]).contains("at most 64 bytes"));
}

/// However many come at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_use_of_an_invitation_is_one_account() {
    let relay = by_invitation().await;
    let token = done(&relay.folder, &["token", "create", "--uses", "3"]);
    let (token, target) = (token.trim().to_owned(), relay.target.clone());
    let tries: Vec<_> = (0..12)
        .map(|_| {
            let (token, target) = (token.clone(), target.clone());
            tokio::spawn(async move { is_let_in(&target, &token).await })
        })
        .collect();
    let mut admitted = 0;
    for one in tries {
        admitted += u32::from(one.await.unwrap());
    }
    assert_eq!(admitted, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn accounts_are_seen_by_their_handles_and_numbers_only() {
    let relay = Running::start().await;
    let data = relay.folder.clone();
    assert_eq!(done(&data, &["account", "list"]), "");
    let (small, large) = (Account::new(), Account::new());
    Client::create(&relay.target, &small, &[Device::new()]).await.push(&[cell(1024)]).await;
    let devices = [Device::new(), Device::new()];
    let mut client = Client::create(&relay.target, &large, &devices).await;
    let cells: Vec<_> = (0..3).map(|_| cell(2048)).collect();
    client.push(&cells).await;
    client.send(&ToRelay::Purge { cells: vec![caro_link::proof::cell_id(&cells[0])] }).await;
    client.next().await;
    let listed = done(&data, &["account", "list"]);
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with(&large.handle().hex()) && lines[1].starts_with(&small.handle().hex()), "{listed}");
    let shown = done(&data, &["account", "show", &large.handle().hex()[..8]]);
    assert!(shown.contains("devices   2\n") && shown.contains("2 there, 1 purged or forgotten, 3 pushed"), "{shown}");
    let json = done(&data, &["account", "show", "--json", &large.handle().hex()]);
    let row: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (row["devices"].as_u64(), row["cells"].as_u64(), row["closed"].as_bool()),
        (Some(2), Some(2), Some(false))
    );
    for (handle, word) in [("abc", "32 digits"), ("xyz1", "32 digits"), (&*"0".repeat(32), "no account")] {
        let said = refused(&data, &["account", "show", handle]);
        assert!(said.contains(word) && said.contains("hint: caro-relay account list"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_closed_account_is_as_if_it_were_not_there_until_it_is_opened_again() {
    let relay = Running::start().await;
    let data = relay.folder.clone();
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut client = Client::create(&relay.target, &account, &devices).await;
    let kept = cell(1024);
    client.push(std::slice::from_ref(&kept)).await;
    let handle = account.handle().hex();
    done(&data, &["account", "close", &handle[..6]]);
    // At once, also for who is in.
    client.refused(ErrorCode::NotKnown).await;
    client.ended().await;
    for device in &devices {
        let mut client = Client::connect(&relay.target, device).await;
        client.send(&account.hello()).await;
        client.refused(ErrorCode::NotKnown).await;
    }
    let mut attaching = Client::connect(&relay.target, &Device::new()).await;
    attaching.send(&account.attach(&attaching.handshake.clone())).await;
    attaching.refused(ErrorCode::NotKnown).await;
    let mut again = Client::connect(&relay.target, &devices[0]).await;
    again.send(&account.create(&devices)).await;
    again.refused(ErrorCode::Exists).await;
    assert!(done(&data, &["account", "list"]).contains("closed"));
    done(&data, &["account", "reopen", &handle]);
    let mut client = Client::hello(&relay.target, &account, &devices[1]).await;
    assert_eq!(client.pull_all().await, [Entry::Cell(kept)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_purged_account_is_in_no_file_and_others_are_not_touched() {
    let relay = Running::start().await;
    let data = relay.folder.clone();
    let (account, neighbour, device) = (Account::new(), Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    let gone = cell(4096);
    client.push(std::slice::from_ref(&gone)).await;
    let mut other = Client::create(&relay.target, &neighbour, &[Device::new()]).await;
    other.push(&[cell(1024)]).await;
    let handle = account.handle().hex();
    let said = refused(&data, &["account", "purge", &handle]);
    assert!(said.contains("--yes"), "{said}");
    done(&data, &["account", "purge", "--yes", &handle]);
    client.refused(ErrorCode::NotKnown).await;
    assert_eq!(other.push(&[cell(1024)]).await, [2]);
    let there = || {
        ["relay.db", "relay.db-wal"].iter().any(|name| {
            let bytes = std::fs::read(data.join(name)).unwrap_or_default();
            bytes.windows(64).any(|window| window == &gone[100..164])
        })
    };
    crate::support::until("it is in no file", || !there()).await;
    assert!(refused(&data, &["account", "show", &handle]).contains("no account"));
    // It can be made anew, and is empty.
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    assert!(client.pull_all().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_account_can_have_a_room_of_its_own() {
    let relay = Running::with_limits(|limits| limits.bytes_per_account = 1 << 20).await;
    let data = relay.folder.clone();
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    let handle = account.handle().hex();
    done(&data, &["account", "quota", &handle, "2K"]);
    client.push(&[cell(1024)]).await;
    client.send(&ToRelay::Push { cells: vec![cell(1024)] }).await;
    assert!(client.refused(ErrorCode::QuotaExceeded).await.is_some());
    let mut again = Client::connect(&relay.target, &device).await;
    again.send(&account.hello()).await;
    assert_eq!(again.welcome(&account).await.quota_bytes, 2048);
    assert!(done(&data, &["account", "list"]).contains("may hold 2.0 KiB"));
    done(&data, &["account", "quota", &handle, "default"]);
    again.push(&[cell(1024)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_a_running_relay_the_commands_do_it_themselves() {
    let relay = by_invitation().await;
    let data = relay.folder.clone();
    let (account, device) = (Account::new(), Device::new());
    let token = done(&data, &["token", "create"]);
    let stopped = relay.stop().await;
    let mut running = stopped.start().await;
    assert!(is_let_in(&running.target, token.trim()).await);
    let stopped = running.stop().await;
    let token = done(&data, &["token", "create"]);
    assert_eq!(done(&data, &["account", "list"]).lines().count(), 1);
    assert!(refused(&data, &["reload"]).contains("no relay is running"));
    running = stopped.start().await;
    let mut client = Client::connect(&running.target, &device).await;
    let list = account.first_list(&[device]);
    let token = Some(token.trim().to_owned());
    client.send(&ToRelay::Create { account: account.public(), list, token }).await;
    client.welcome(&account).await;
    let nowhere = data.join("nowhere");
    assert!(refused(&nowhere, &["account", "list"]).contains("no database"));
}

/// The mailbox mode, over sockets.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_mailbox_keeps_a_cell_until_the_last_device_has_it_and_tells_who_comes_too_late() {
    let relay = Running::with(|config| config.mode = Mode::Mailbox).await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new(), Device::new()]);
    let mut writer = Client::create(&relay.target, &account, &devices[..2]).await;
    assert!(writer.pull_all().await.is_empty());
    let cells: Vec<_> = (0..4).map(|_| cell(1024)).collect();
    writer.push(&cells).await;
    // Marks of its own pushes, confirmed.
    let page = writer.page().await;
    assert_eq!(page.entries.len(), 4);
    let handle = account.handle().hex();
    let there = || {
        let json = done(&relay.folder, &["account", "show", "--json", &handle]);
        serde_json::from_str::<serde_json::Value>(&json).unwrap()["cells"].as_u64().unwrap()
    };
    assert_eq!(there(), 4);
    let mut reader = Client::hello(&relay.target, &account, &devices[1]).await;
    assert_eq!(reader.pull_all().await.len(), 4);
    crate::support::until("everybody has them", || there() == 0).await;
    // A third device is listed now, and comes too late.
    let mut beside = Client::connect(&relay.target, &devices[0]).await;
    beside.send(&ToRelay::Errand { handle: account.handle() }).await;
    beside.welcome(&account).await;
    beside.send(&ToRelay::Admit { key: devices[2].hash() }).await;
    assert_eq!(beside.next().await, Some(ToDevice::Admitted { key: devices[2].hash() }));
    let mut late = Client::hello(&relay.target, &account, &devices[2]).await;
    late.pull(0, caro_schema::id::Hash([0; 32])).await;
    late.refused(ErrorCode::Missed).await;
    let page = late.page().await;
    assert!(page.entries.iter().all(|entry| matches!(entry, Entry::Gone(_))) && page.entries.len() == 4);
    // What comes from now on waits for it too.
    writer.push(&[cell(1024)]).await;
    writer.page().await;
    reader.page().await;
    assert!(matches!(late.page_unconfirmed().await.entries[..], [Entry::Cell(_)]));
    assert_eq!(there(), 1);
    late.send(&ToRelay::Delivered { cursor: 5 }).await;
    crate::support::until("it has it", || there() == 0).await;
    // A device that has everything is told nothing.
    drop(reader);
    let mut reader = Client::hello(&relay.target, &account, &devices[1]).await;
    reader.send(&ToRelay::Pull { after: 5 }).await;
    assert!(matches!(reader.next().await, Some(ToDevice::Page(_))));
}
