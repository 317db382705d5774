//! What was acknowledged stays: over relays and database servers that are killed at any moment, and over a server that is
//! gone for a while. Devices are told to come again, and nothing has to be started anew but what was killed.

use std::{path::Path, time::Duration};

use caro_relay::folder::database;
use caro_schema::{
    id::Hash,
    relay::{ErrorCode, ToDevice, ToRelay},
};
use caro_tests::Postgres;
use rustix::process::Signal;
use serde_bytes::ByteBuf;
use tokio::{
    task::spawn_blocking,
    time::{interval, timeout},
};

use crate::{
    durability::{holds, push_until_cut},
    support::{Account, Client, Device, Program, Served, cell, served::copy_keys},
};

/// A relay on the server, as the built program.
fn serve(server: &Postgres, data: &Path) -> Program {
    Program::serve(data, &["--plain", "--storage", &server.address()])
}

/// Two relays on one server, in folders of their own.
struct Two {
    served: Served,
    folder: tempfile::TempDir,
}

impl Two {
    fn start(test: &str) -> Option<(Self, Program, Program)> {
        let two = Self { served: Served::start(test)?, folder: tempfile::tempdir().unwrap() };
        let first = two.serve("one");
        copy_keys(&two.folder.path().join("one"), &two.folder.path().join("two"));
        let second = two.serve("two");
        Some((two, first, second))
    }

    fn serve(&self, name: &str) -> Program {
        serve(&self.served.server, &self.folder.path().join(name))
    }
}

#[tokio::test]
async fn t_conn_01_a_relay_that_is_killed_in_mid_push_loses_nothing_that_it_acknowledged() {
    const ROUNDS: usize = 8;
    let Some((two, first, second)) = Two::start("a relay of two killed in mid-push") else { return };
    let (account, device) = (Account::new(), Device::new());
    drop(Client::create(&second.target, &account, &[device]).await);
    let mut all = Vec::new();
    let mut dying = first;
    for round in 0..ROUNDS {
        let client = Client::hello(&dying.target, &account, &device).await;
        all.extend(push_until_cut(client, round * 3 % 17, || dying.signal(Signal::KILL)).await);
        // The other one has it at once.
        holds(&second.target, &account, &device, &all).await;
        drop(dying);
        dying = two.serve("one");
    }
    let entries = holds(&dying.target, &account, &device, &all).await;
    assert!(entries >= all.len() as u64 && !all.is_empty());
    let report = two.served.verify();
    assert!(report.is_sound() && report.entries == entries, "{report:?}");
    assert!(!database(&two.folder.path().join("one")).exists(), "nothing is kept in the folder");
    for program in [dying, second] {
        program.signal(Signal::TERM);
        let (status, _, log) = program.wait();
        assert!(status.success(), "{log}");
    }
}

#[tokio::test]
async fn t_conn_01_relays_that_stop_say_so_and_nobody_counts_as_connected_to_them() {
    let Some((two, first, second)) = Two::start("relays that stop in order") else { return };
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut stays = Client::create(&first.target, &account, &devices).await;
    let mut goes = Client::hello(&second.target, &account, &devices[1]).await;
    stays.others(1).await;
    goes.others(1).await;
    let there = || two.served.server.sql("SELECT count(*) FROM caro_relay.node");
    assert_eq!(there(), "2");
    for (program, left) in [(second, "1"), (first, "0")] {
        program.signal(Signal::TERM);
        let (status, _, log) = program.wait();
        assert!(status.success() && !log.contains("could not be told"), "{log}");
        assert_eq!(there(), left);
    }
    assert_eq!(two.served.server.sql("SELECT count(*) FROM caro_relay.seat"), "0");
}

/// What a relay keeps free of connections with devices is enough for those with its server: 96 descriptors, and 6 for each
/// connection and the one more on which others are heard.
#[tokio::test]
async fn a_res_03_connections_to_the_server_fit_into_the_descriptors_that_are_kept_for_them() {
    let Some(served) = Served::start("the descriptors of a relay on PostgreSQL") else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    let mut command =
        Program::command(&["serve", "--plain", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    command.env("CARO_RELAY_STORAGE", served.server.address()).env("CARO_RELAY_STORAGE_CONNECTIONS", "32");
    let relay = Program::spawn(command);
    // Enough accounts that those who write and those who read all have something to do.
    for _ in 0..50 {
        let (account, device) = (Account::new(), Device::new());
        let mut client = Client::create(&relay.target, &account, &[device]).await;
        client.push(&[cell(1024)]).await;
        assert_eq!(client.pull_all().await.len(), 1);
    }
    let held = std::fs::read_dir(format!("/proc/{}/fd", relay.id())).unwrap().count();
    assert!((65..=96 + 33 * 6).contains(&held), "{held}");
    relay.signal(Signal::TERM);
    assert!(relay.wait().0.success());
}

/// Pushes until it is taken, over the session that is there. Gives its cursor and how often it was told to try again.
async fn push_on(client: &mut Client, pushed: &ByteBuf) -> (u64, usize) {
    let mut refused = 0;
    let mut pauses = interval(Duration::from_millis(10));
    let pushing = async {
        loop {
            pauses.tick().await;
            client.send(&ToRelay::Push { cells: vec![pushed.clone()] }).await;
            match client.next().await {
                Some(ToDevice::Ack { cells }) => return cells[0].cursor,
                Some(ToDevice::Error { code: ErrorCode::StorageUnavailable, retry_ms }) => {
                    assert!(retry_ms.is_some());
                    refused += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    };
    let cursor = timeout(Duration::from_secs(60), pushing).await.expect("taken in the end");
    (cursor, refused)
}

#[tokio::test]
async fn t_conn_01_a_database_server_that_is_killed_loses_nothing_that_was_acknowledged() {
    const ROUNDS: usize = 2;
    let test = "a database server killed under load";
    let Some(Served { mut server, .. }) = Served::start(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let relay = serve(&server, &folder.path().join("relay"));
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    let (mut acknowledged, mut refusals) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        let killing = spawn_blocking(move || {
            server.kill();
            server.resume();
            server
        });
        // At least these, and until the server is back.
        while acknowledged.len() < 20 * (round + 1) || !killing.is_finished() {
            let pushed = cell(1024);
            let (cursor, refused) = push_on(&mut client, &pushed).await;
            acknowledged.push((pushed, cursor));
            refusals += refused;
        }
        server = killing.await.unwrap();
    }
    assert!(refusals > 0, "it was never gone");
    holds(&relay.target, &account, &device, &acknowledged).await;
    let report = Served::of(server).verify();
    assert!(report.is_sound(), "{report:?}");
    relay.signal(Signal::TERM);
    assert!(relay.wait().0.success());
}

#[tokio::test]
async fn trap_35_a_server_that_is_gone_is_said_and_everything_goes_on_when_it_is_back() {
    let test = "a database server that is gone for a while";
    let Some((two, first, second)) = Two::start(test) else { return };
    let Two { served: Served { mut server, .. }, folder } = two;
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut writer = Client::create(&first.target, &account, &devices).await;
    let mut reader = Client::hello(&second.target, &account, &devices[1]).await;
    reader.pull(0, Hash([0; 32])).await;
    assert!(reader.page().await.entries.is_empty());
    writer.push(&[cell(1024)]).await;
    assert_eq!(reader.page().await.position.cursor, 1);
    server = spawn_blocking(move || {
        server.stop();
        server
    })
    .await
    .unwrap();
    // Whoever is in stays in, whoever comes is told to come again; both hear the same.
    let pushed = cell(1024);
    writer.send(&ToRelay::Push { cells: vec![pushed.clone()] }).await;
    assert!(writer.refused(ErrorCode::StorageUnavailable).await.is_some_and(|ms| ms > 0));
    let mut comes = Client::connect(&second.target, &devices[1]).await;
    comes.send(&account.hello()).await;
    assert!(comes.refused(ErrorCode::StorageUnavailable).await.is_some());
    let server = spawn_blocking(move || {
        server.resume();
        server
    })
    .await
    .unwrap();
    let (cursor, _) = push_on(&mut writer, &pushed).await;
    assert_eq!(cursor, 2);
    // It comes live again, over connections that both relays have made anew.
    assert_eq!(reader.page().await.position.cursor, 2);
    assert!(Served::of(server).verify().is_sound());
    drop((first, second, folder));
}

#[tokio::test]
async fn trap_40_no_password_and_no_id_reaches_a_log_an_argument_or_a_message() {
    let test = "what the logs of a relay on PostgreSQL say";
    let Some(served) = Served::start(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    let password = folder.path().join("password");
    std::fs::write(&password, "canary-password\n").unwrap();
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut command =
        Program::command(&["serve", "--plain", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    command.env("CARO_RELAY_STORAGE", served.server.address()).env("CARO_RELAY_LOG", "trace");
    command.env("CARO_RELAY_STORAGE_PASSWORD_FILE", &password);
    let program = Program::spawn(command);
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&program.target, &account, &[device]).await;
    let pushed = cell(1024);
    client.push(std::slice::from_ref(&pushed)).await;
    client.push(std::slice::from_ref(&pushed)).await;
    let mut again = Client::connect(&program.target, &device).await;
    again.send(&account.create(&[device])).await;
    again.refused(ErrorCode::Exists).await;
    let environment = std::fs::read_to_string(format!("/proc/{}/cmdline", program.id())).unwrap_or_default();
    assert!(!environment.contains("canary"));
    let shown = Program::command(&["config", "show", "--data", data.to_str().unwrap()])
        .env("CARO_RELAY_STORAGE", served.server.address())
        .env("CARO_RELAY_STORAGE_PASSWORD_FILE", &password)
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("storage = \"postgres://") && !shown.contains("canary"), "{shown}");
    let refused = Program::command(&["serve", "--data", data.to_str().unwrap()])
        .args(["--storage", "postgres://caro:canary-password@localhost/caro"])
        .output()
        .unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("has a password in it") && said.contains("storage_password_file"), "{said}");
    assert!(!said.contains("canary"), "{said}");
    program.signal(Signal::TERM);
    let (status, _, log) = program.wait();
    assert!(status.success());
    let server_log = served.server.log();
    for secret in
        [&account.handle().as_bytes()[..], device.hash().as_bytes(), caro_link::proof::cell_id(&pushed).as_bytes()]
    {
        let mut hex = String::new();
        secret.iter().for_each(|byte| hex.push_str(&format!("{byte:02x}")));
        assert!(!log.contains(&hex) && !server_log.contains(&hex), "{log}{server_log}");
    }
    assert!(!log.contains("canary") && !server_log.contains("canary"));
}
