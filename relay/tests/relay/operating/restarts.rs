//! Sockets that are handed over, signals, few descriptors.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::Path,
    process::{Command, Stdio},
};

use caro_relay::folder::database;
use caro_schema::relay::{ErrorCode, ToRelay};
use rustix::process::Signal;
use tokio::net::TcpStream;

use super::LOOK;
use crate::support::{Account, Client, Device, PATIENCE, Program, cell};

/// A listening socket that somebody holds while relays come and go.
struct Held {
    listener: std::net::TcpListener,
}

impl Held {
    fn new() -> Self {
        Self { listener: std::net::TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    /// As a service manager starts a program: the socket is descriptor 3, and the environment says whose.
    fn serve(&self, data: &Path) -> Program {
        self.serve_with(data, &[])
    }

    fn serve_with(&self, data: &Path, more: &[&str]) -> Program {
        let mut command = Command::new("sh");
        let script = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"";
        command.env_clear().stdin(Stdio::from(std::os::fd::OwnedFd::from(self.listener.try_clone().unwrap())));
        command.args(["-c", script, env!("CARGO_BIN_EXE_caro-relay"), "serve", "--plain", "--data"]).arg(data);
        command.args(more);
        Program::spawn(command)
    }
}

#[tokio::test]
async fn nobody_is_refused_while_a_relay_with_a_handed_over_socket_is_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let (data, held) = (folder.path().join("relay"), Held::new());
    let relay = held.serve(&data);
    assert_eq!(relay.target.address.port(), held.listener.local_addr().unwrap().port());
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    client.push(&[cell(1024)]).await;
    let target = relay.target.clone();
    relay.signal(Signal::TERM);
    client.refused(ErrorCode::ShuttingDown).await;
    assert!(relay.wait().0.success());
    // Nobody serves now. Whoever comes waits in the socket's queue, and is served by the next one.
    let waiting = tokio::spawn(async move { Client::hello(&target, &account, &device).await.pull_all().await });
    let _relay = held.serve(&data);
    assert_eq!(waiting.await.unwrap().len(), 1);
}

#[test]
fn an_address_that_is_set_and_not_that_of_the_handed_over_socket_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let (data, held) = (folder.path().join("relay"), Held::new());
    let handed = held.listener.local_addr().unwrap().to_string();
    for (more, is_warned) in [
        (vec!["--listen", "127.0.0.1:1"], true),
        (vec!["--listen", "[::]:0"], true),
        (vec!["--listen", &handed], false),
        (vec!["--listen", "127.0.0.1:0"], false),
        (vec![], false),
    ] {
        let relay = held.serve_with(&data, &more);
        relay.signal(Signal::TERM);
        let log = relay.wait().2;
        let warning = log.lines().find(|line| line.contains("passed over"));
        assert_eq!(warning.is_some(), is_warned, "{more:?}: {log}");
        assert!(warning.is_none_or(|line| line.contains(&handed) && line.contains(more[1])), "{log}");
    }
}

#[tokio::test]
async fn a_service_manager_is_told_when_it_serves_and_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    let place = folder.path().join("notify");
    let manager = UnixDatagram::bind(&place).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = || {
        let mut bytes = [0; 64];
        let count = manager.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    };
    let mut command =
        Program::command(&["serve", "--plain", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    command.env("NOTIFY_SOCKET", &place);
    let relay = Program::spawn(command);
    assert_eq!(told(), "READY=1");
    relay.signal(Signal::HUP);
    assert_eq!((told(), told()), ("RELOADING=1".to_owned(), "READY=1".to_owned()));
    relay.signal(Signal::TERM);
    assert_eq!(told(), "STOPPING=1");
    assert!(relay.wait().0.success());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_and_what_was_acknowledged_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    let relay = Program::serve(&data, &["--plain"]);
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    client.push(&[cell(1024)]).await;
    // The database is held, so that an end in order takes as long as that.
    let holder = rusqlite::Connection::open(database(&data)).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    client.send(&ToRelay::Push { cells: vec![cell(1024)] }).await;
    relay.signal(Signal::TERM);
    client.refused(ErrorCode::ShuttingDown).await;
    relay.signal(Signal::TERM);
    let (status, _, _) = relay.wait();
    assert_eq!(status.code(), Some(128 + 15), "{status}");
    holder.execute_batch("ROLLBACK").unwrap();
    drop(holder);
    let relay = Program::serve_when_free(&data, &["--plain"]).await;
    let mut client = Client::hello(&relay.target, &account, &device).await;
    assert_eq!(client.pull_all().await.len(), 1);
}

/// A-RES-03: fewer descriptors than connections.
#[tokio::test]
async fn a_res_03_with_256_descriptors_it_serves_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    let mut command = Command::new("sh");
    command.env_clear().stdin(Stdio::null());
    let script = "ulimit -Sn 256 && ulimit -Hn 256 && exec \"$0\" \"$@\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_caro-relay"), "serve", "--plain", "--listen", "127.0.0.1:0"]);
    command.arg("--data").arg(&data).env("CARO_RELAY_LIMITS_CONNECTIONS_PER_ADDRESS_MAX", "10000");
    command.env("CARO_RELAY_LIMITS_OPENING_PER_ADDRESS_MAX", "512");
    let relay = Program::spawn(command);
    let (account, device) = (Account::new(), Device::new());
    let mut inside = Client::create(&relay.target, &account, &[device]).await;
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(TcpStream::connect(relay.target.address).await.unwrap());
    }
    assert_eq!(inside.push(&[cell(1024)]).await, [1]);
    let open = || fs::read_dir(format!("/proc/{}/fd", relay.id())).map_or(0, Iterator::count);
    assert!(open() <= 256, "{}", open());
    drop(crowd);
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut looks = tokio::time::interval(LOOK);
    while Client::try_connect(&relay.target, &Device::new()).await.is_none() {
        looks.tick().await;
        assert!(std::time::Instant::now() < deadline, "no place in time");
    }
    assert_eq!(inside.push(&[cell(1024)]).await, [2]);
}
