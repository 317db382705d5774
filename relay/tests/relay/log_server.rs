//! What the log asks of a PostgreSQL server, and what it says when there is none.

use std::time::Instant;

use caro_relay::log::{Change, Changed, Log, LogReader};
use caro_schema::{
    limits::DEVICES_MAX,
    relay::{ErrorCode, ToRelay},
};
use rustix::process::Signal;
use tokio::task::spawn_blocking;

use crate::support::{Account, Client, Device, Program, Served};

#[test]
fn a_res_02_a_list_that_replaces_all_devices_is_a_few_statements() {
    let Some(served) = Served::start("how many statements a list takes on PostgreSQL") else { return };
    let devices = |count| (0..count).map(|_| Device::new()).collect::<Vec<_>>();
    let (account, before, after) = (Account::new(), devices(DEVICES_MAX), devices(DEVICES_MAX));
    let first = account.first_list(&before);
    served.server.sql("ALTER ROLE caro SET log_statement TO 'mod'");
    let mut log = served.log();
    let handle = account.handle();
    let create = Change::Create { account: account.public(), list: first.clone(), accounts_max: 9, invitation: None };
    let set = Change::SetList { handle, list: account.next_list(&first, &after) };
    let changed = log.commit(vec![create, set]).unwrap();
    assert!(matches!(changed[..], [Changed::Created(_), Changed::ListSet { version: 2, .. }]));
    assert!(before.iter().all(|device| log.was_removed(&handle, &device.hash()).unwrap()));
    let asked = served.server.log().matches("INSERT INTO removed").count();
    assert_eq!(asked, 1);
    // They are forgotten in the order of the list that had them.
    let mut keys: Vec<_> = before.iter().map(Device::hash).collect();
    keys.sort();
    let order =
        served.server.sql("SELECT string_agg(encode(device, 'hex'), '' ORDER BY number) FROM caro_relay.removed");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(order, keys.iter().map(|key| hex(key.as_bytes())).collect::<String>());
}

#[tokio::test]
async fn trap_35_a_server_that_is_away_is_said_once_a_second_however_many_ask() {
    const READS: usize = 40;
    let Some(served) = Served::start("what is said while a server is away") else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    let mut command =
        Program::command(&["serve", "--plain", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    command.env("CARO_RELAY_STORAGE", served.server.address());
    let relay = Program::spawn(command);
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    let started = Instant::now();
    let mut server = served.server;
    let server = spawn_blocking(move || {
        server.stop();
        server
    })
    .await
    .unwrap();
    for _ in 0..READS {
        client.send(&ToRelay::Pull { after: 0 }).await;
        client.refused(ErrorCode::StorageUnavailable).await;
    }
    relay.signal(Signal::KILL);
    let log = relay.wait().2;
    let seconds = usize::try_from(started.elapsed().as_secs()).unwrap();
    let said = ["the database was not reached", "a transaction failed", "a commit has no answer"];
    let lines = log.lines().filter(|line| said.iter().any(|said| line.contains(said))).count();
    assert!((1..=seconds + 2).contains(&lines), "{lines} in {seconds} s: {log}");
    drop(server);
}
