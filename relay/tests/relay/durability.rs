//! What was acknowledged stays: over restarts, kills at any moment, a disk that fails and a disk that is full.

use std::{path::Path, process::Command, time::Duration};

use caro_link::proof;
use caro_relay::{folder::database, log::sqlite::verify::verify};
use caro_schema::{
    id::Hash,
    limits::CELL_BYTES_MAX,
    relay::{Entry, ErrorCode, ToDevice, ToRelay},
};
use rustix::process::Signal;
use serde_bytes::ByteBuf;
use tokio::time::timeout;

use crate::support::{Account, Client, Device, Program, Running, Target, cell, skip};

#[tokio::test]
async fn a_restart_keeps_everything() {
    let relay = Running::start().await;
    let (account, devices) = (Account::new(), [Device::new(), Device::new()]);
    let mut client = Client::create(&relay.target, &account, &devices).await;
    let cells: Vec<ByteBuf> = (0..10).map(|_| cell(2048)).collect();
    client.push(&cells).await;
    client.send(&ToRelay::SetList { list: account.next_list(&account.first_list(&devices), &devices[..1]) }).await;
    assert_eq!(client.next().await, Some(ToDevice::ListAccepted { version: 2 }));
    let key = relay.target.key;
    let relay = relay.stop().await.start().await;
    assert!(relay.target.key == key);
    let mut client = Client::connect(&relay.target, &devices[0]).await;
    client.send(&account.hello()).await;
    let welcome = client.welcome(&account).await;
    assert_eq!(welcome.position.cursor, 10);
    assert_eq!(client.pull_all().await, cells.iter().cloned().map(Entry::Cell).collect::<Vec<_>>());
    assert_eq!(client.stands(), (10, welcome.position.head));
    let mut removed = Client::connect(&relay.target, &devices[1]).await;
    removed.send(&account.hello()).await;
    removed.refused(ErrorCode::Removed).await;
}

#[tokio::test]
async fn everybody_is_told_when_the_relay_goes_and_what_was_pushed_before_is_there() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    for _ in 0..20 {
        client.send(&ToRelay::Push { cells: vec![cell(1024)] }).await;
    }
    let mut acknowledged = client.acknowledged().await.len();
    let stopped = tokio::spawn(relay.stop());
    loop {
        match client.next().await {
            Some(ToDevice::Ack { cells }) => acknowledged += cells.len(),
            Some(ToDevice::Error { code, retry_ms }) => {
                assert_eq!(code, ErrorCode::ShuttingDown);
                assert!(retry_ms.is_some_and(|ms| ms < 5_000));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    client.ended().await;
    let relay = stopped.await.unwrap().start().await;
    let mut client = Client::hello(&relay.target, &account, &device).await;
    assert!(client.pull_all().await.len() >= acknowledged);
}

#[tokio::test]
async fn a_new_database_is_a_new_life_and_a_renewed_one_too() {
    let relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::connect(&relay.target, &device).await;
    client.send(&account.create(&[device])).await;
    let first = client.welcome(&account).await.position.generation;
    client.push(&[cell(1024)]).await;
    let stopped = relay.stop().await;
    let data = stopped.config.data.to_str().unwrap().to_owned();
    assert!(Program::command(&["renew", "--data", &data]).output().unwrap().status.success());
    let relay = stopped.start().await;
    let mut client = Client::connect(&relay.target, &device).await;
    client.send(&account.hello()).await;
    let renewed = client.welcome(&account).await.position;
    assert!(renewed.generation != first);
    // Nothing was lost by it.
    assert_eq!(renewed.cursor, 1);
    let stopped = relay.stop().await;
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().contains("relay.db") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let relay = stopped.start().await;
    let mut client = Client::connect(&relay.target, &device).await;
    client.send(&account.create(&[device])).await;
    let third = client.welcome(&account).await.position.generation;
    assert!(third != first && third != renewed.generation);
}

/// Pushes until the connection breaks. Gives what was acknowledged.
pub(super) async fn push_until_cut(
    mut client: Client,
    killed_after: usize,
    kill: impl FnOnce(),
) -> Vec<(ByteBuf, u64)> {
    let (mut sent, mut acknowledged) = (Vec::new(), Vec::new());
    let mut kill = Some(kill);
    loop {
        let pushed: Vec<ByteBuf> = (0..1 + sent.len() % 5).map(|_| cell(1024)).collect();
        if client.try_send(&ToRelay::Push { cells: pushed.clone() }).await.is_none() {
            return acknowledged;
        }
        sent.extend(pushed);
        // Two pushes are always on their way.
        if sent.len() < 3 {
            continue;
        }
        match client.next().await {
            Some(ToDevice::Ack { cells }) => {
                for accepted in cells {
                    let pushed = sent.iter().find(|cell| proof::cell_id(cell) == accepted.cell).expect("pushed");
                    acknowledged.push((pushed.clone(), accepted.cursor));
                }
            }
            None => return acknowledged,
            other => panic!("{other:?}"),
        }
        if acknowledged.len() >= killed_after
            && let Some(kill) = kill.take()
        {
            kill();
        }
    }
}

pub(super) async fn holds(target: &Target, account: &Account, device: &Device, acknowledged: &[(ByteBuf, u64)]) -> u64 {
    let mut client = Client::hello(target, account, device).await;
    let entries = client.pull_all().await;
    for (cell, cursor) in acknowledged {
        let at = usize::try_from(*cursor).unwrap() - 1;
        assert!(entries.get(at) == Some(&Entry::Cell(cell.clone())), "an acknowledged cell is gone");
    }
    entries.len() as u64
}

#[tokio::test]
async fn t_conn_01_kill_at_any_moment_loses_nothing_that_was_acknowledged() {
    // One for each number of acknowledgements after which it is killed.
    const ROUNDS: usize = 17;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    let (account, device) = (Account::new(), Device::new());
    let mut all = Vec::new();
    for round in 0..ROUNDS {
        let program = Program::serve(&data, &["--plain"]);
        let client = match round {
            0 => Client::create(&program.target, &account, &[device]).await,
            _ => {
                holds(&program.target, &account, &device, &all).await;
                Client::hello(&program.target, &account, &device).await
            }
        };
        all.extend(push_until_cut(client, round, || program.signal(Signal::KILL)).await);
    }
    let program = Program::serve(&data, &["--plain"]);
    let entries = holds(&program.target, &account, &device, &all).await;
    assert!(entries >= all.len() as u64 && !all.is_empty());
    program.signal(Signal::TERM);
    assert!(program.wait().0.success());
    let report = verify(&database(&data)).unwrap();
    assert!(report.is_sound() && report.entries == entries, "{report:?}");
}

/// Whether system calls can be made to fail here.
fn can_inject() -> bool {
    let probe = Command::new("strace").args(["-f", "-o", "/dev/null", "-e", EIO_ONCE, "true"]).output();
    probe.is_ok_and(|output| output.status.success())
}

/// The first flush of each thread fails.
const EIO_ONCE: &str = "inject=fsync,fdatasync:error=EIO:when=1";

/// The program with failing system calls.
fn serve_with(data: &Path, inject: &str) -> Command {
    serve_under(data, &["-e", inject])
}

fn serve_under(data: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("strace");
    command
        .args(["-D", "-f", "-qq", "-o", "/dev/null"])
        .args(words)
        .arg(env!("CARGO_BIN_EXE_caro-relay"))
        .args(["serve", "--plain", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()])
        .stdin(std::process::Stdio::null());
    command
}

/// Pushes one cell until it is acknowledged, as a device does: it comes back and tries again. Gives how often it was
/// told to.
async fn push_stubbornly(target: &Target, account: &Account, device: &Device, pushed: &ByteBuf) -> (u64, usize) {
    let mut refused = 0;
    let pushing = async {
        loop {
            let mut client = Client::connect(target, device).await;
            client.send(&account.hello()).await;
            match client.next().await {
                Some(ToDevice::Welcome { .. }) => {}
                Some(ToDevice::Error { code: ErrorCode::StorageUnavailable, .. }) => {
                    refused += 1;
                    continue;
                }
                other => panic!("{other:?}"),
            }
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
    let cursor = timeout(Duration::from_secs(30), pushing).await.expect("taken in the end");
    (cursor, refused)
}

/// Ends a relay that saw its disk fail, and looks at what the next one has. Killed, so that nothing is repaired on the way out.
async fn outlives(failing: Program, data: &Path, account: &Account, device: &Device, acknowledged: &[(ByteBuf, u64)]) {
    failing.signal(Signal::KILL);
    drop(failing);
    let program = Program::serve_when_free(data, &["--plain"]).await;
    holds(&program.target, account, device, acknowledged).await;
    assert!(verify(&database(data)).unwrap().is_sound());
}

#[tokio::test]
async fn trap_34_a_failed_flush_is_never_taken_for_a_good_one() {
    if !can_inject() {
        return skip("trap_34_a_failed_flush_is_never_taken_for_a_good_one", "strace that may trace");
    }
    let mut refusals = 0;
    for when in 1..=6 {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("relay");
        let (account, device) = (Account::new(), Device::new());
        let program = Program::serve(&data, &["--plain"]);
        drop(Client::create(&program.target, &account, &[device]).await);
        program.signal(Signal::TERM);
        assert!(program.wait().0.success());

        let failing = Program::spawn(serve_with(&data, &format!("inject=fsync,fdatasync:error=EIO:when={when}")));
        let mut acknowledged = Vec::new();
        for _ in 0..8 {
            let pushed = cell(1024);
            let (cursor, refused) = push_stubbornly(&failing.target, &account, &device, &pushed).await;
            acknowledged.push((pushed, cursor));
            refusals += refused;
        }
        outlives(failing, &data, &account, &device, &acknowledged).await;
    }
    assert!(refusals > 0, "no failure was ever seen");
}

/// SQLite moves a log that has grown into the file by itself, and keeps silent about a disk that fails meanwhile.
#[tokio::test]
async fn trap_34_a_flush_of_the_file_that_fails_after_a_commit_is_not_passed_over() {
    if !can_inject() {
        return skip(
            "trap_34_a_flush_of_the_file_that_fails_after_a_commit_is_not_passed_over",
            "strace that may trace",
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    let (account, device) = (Account::new(), Device::new());
    let program = Program::serve(&data, &["--plain"]);
    drop(Client::create(&program.target, &account, &[device]).await);
    program.signal(Signal::TERM);
    assert!(program.wait().0.success());

    // Of the file itself, which no commit flushes.
    let failing = Program::spawn(serve_under(&data, &["-P", database(&data).to_str().unwrap(), "-e", EIO_ONCE]));
    let mut acknowledged = Vec::new();
    let mut refusals = 0;
    while refusals == 0 {
        assert!(acknowledged.len() < 160, "10 MiB, and the disk that failed was not noticed");
        let pushed = cell(CELL_BYTES_MAX);
        let (cursor, refused) = push_stubbornly(&failing.target, &account, &device, &pushed).await;
        acknowledged.push((pushed, cursor));
        refusals += refused;
    }
    outlives(failing, &data, &account, &device, &acknowledged).await;
}

#[tokio::test]
async fn trap_35_a_full_disk_is_said_reads_go_on_and_it_recovers_by_itself() {
    if !can_inject() {
        return skip("trap_35_a_full_disk_is_said_reads_go_on_and_it_recovers_by_itself", "strace that may trace");
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    let (account, device) = (Account::new(), Device::new());
    let program = Program::serve(&data, &["--plain"]);
    let mut client = Client::create(&program.target, &account, &[device]).await;
    let first = cell(1024);
    client.push(std::slice::from_ref(&first)).await;
    program.signal(Signal::TERM);
    assert!(program.wait().0.success());

    // The first writes of each thread succeed, so that it starts; some later ones do not.
    let full = Program::spawn(serve_with(&data, "inject=pwrite64:error=ENOSPC:when=12..80"));
    let mut client = Client::hello(&full.target, &account, &device).await;
    let mut acknowledged = vec![(first, 1)];
    loop {
        assert!(acknowledged.len() < 50, "the disk was never full");
        let pushed = cell(1024);
        client.send(&ToRelay::Push { cells: vec![pushed.clone()] }).await;
        match client.next().await {
            Some(ToDevice::Ack { cells }) => acknowledged.push((pushed, cells[0].cursor)),
            Some(ToDevice::Error { code, .. }) => break assert_eq!(code, ErrorCode::StorageUnavailable),
            other => panic!("{other:?}"),
        }
    }
    // The session goes on, and so does reading.
    assert_eq!(client.pull_all().await.len(), acknowledged.len());
    let later = cell(1024);
    let (cursor, _) = push_stubbornly(&full.target, &account, &device, &later).await;
    acknowledged.push((later, cursor));
    holds(&full.target, &account, &device, &acknowledged).await;
    full.signal(Signal::KILL);
    drop(full);
    let program = Program::serve_when_free(&data, &["--plain"]).await;
    holds(&program.target, &account, &device, &acknowledged).await;
}

#[tokio::test]
async fn trap_01_a_reader_at_the_tail_misses_nothing_of_sixteen_writers() {
    const WRITERS: usize = 16;
    const EACH: usize = 40;
    let relay = Running::start().await;
    let account = Account::new();
    let devices: Vec<Device> = (0..=WRITERS).map(|_| Device::new()).collect();
    let mut reader = Client::create(&relay.target, &account, &devices).await;
    reader.pull(0, Hash([0; 32])).await;
    let mut writers = Vec::new();
    for device in &devices[1..] {
        let mut client = Client::hello(&relay.target, &account, device).await;
        writers.push(tokio::spawn(async move {
            let mut accepted = Vec::new();
            for _ in 0..EACH {
                let pushed = cell(1024);
                let cursor = client.push(std::slice::from_ref(&pushed)).await[0];
                accepted.push((cursor, proof::cell_id(&pushed)));
            }
            accepted
        }));
    }
    let mut read = Vec::new();
    while read.len() < WRITERS * EACH {
        // `page` checks that each one continues where the last one ended.
        read.extend(reader.page().await.entries);
    }
    let mut accepted = Vec::new();
    for writer in writers {
        accepted.extend(writer.await.unwrap());
    }
    accepted.sort();
    let read: Vec<_> = (1..).zip(read.iter().map(crate::support::client::entry_id)).collect();
    assert_eq!(read, accepted);
}

#[tokio::test]
async fn after_an_end_in_order_the_database_alone_is_a_whole_backup_whichever_thread_ends_last() {
    let mut relay = Running::start().await;
    let (account, device) = (Account::new(), Device::new());
    drop(Client::create(&relay.target, &account, &[device]).await);
    for _ in 0..20 {
        // Each reading thread has the file open, and somebody is in.
        let mut clients = Vec::new();
        for _ in 0..2 {
            let mut client = Client::hello(&relay.target, &account, &device).await;
            client.push(&[cell(1024)]).await;
            client.pull_all().await;
            clients.push(client);
        }
        let stopped = relay.stop().await;
        let left = std::fs::metadata(stopped.config.data.join("relay.db-wal")).map_or(0, |log| log.len());
        assert_eq!(left, 0, "bytes were left in the write-ahead log");
        relay = stopped.start().await;
    }
}
