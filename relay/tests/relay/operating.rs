//! A relay as a service: health and metrics, a configuration and a certificate that change, sockets that are handed over,
//! signals, few descriptors, backups.

use std::{
    fs,
    net::SocketAddr,
    os::unix::{fs::PermissionsExt, net::UnixDatagram, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use caro_relay::folder::database;
use caro_schema::relay::{Entry, ErrorCode, ToRelay};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Account, Client, Device, PATIENCE, Program, Target, cell, until};

/// How often is looked for something to come: a relay takes so many connections of one address in a minute.
const LOOK: std::time::Duration = std::time::Duration::from_millis(25);

/// A folder, a configuration file in it, and the relay's own folder.
struct Place {
    _temporary: TempDir,
    root: PathBuf,
    data: PathBuf,
    file: PathBuf,
}

impl Place {
    fn new(config: &str) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().to_owned();
        let (data, file) = (root.join("relay"), root.join("relay.toml"));
        let place = Self { _temporary: temporary, root, data, file };
        place.set(config);
        place
    }

    /// Writes the configuration.
    fn set(&self, config: &str) {
        let text = format!("listen = \"127.0.0.1:0\"\ndata = {:?}\n{config}", self.data);
        fs::write(&self.file, text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        Program::command(&[arguments, &["--config", self.file.to_str().unwrap()]].concat())
    }

    fn serve(&self) -> Program {
        Program::spawn(self.command(&["serve"]))
    }

    fn run(&self, arguments: &[&str]) -> (bool, String, String) {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }
}

/// A free port of this machine. It may be taken until it is used; nobody here takes ports by number.
fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn get(address: SocketAddr, request: &str) -> (u16, String) {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, tcp.read_to_string(&mut answer)).await.expect("an answer in time").unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (status, body)
}

async fn page(address: SocketAddr, path: &str) -> (u16, String) {
    get(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await
}

/// A number of the metrics.
fn metric(page: &str, name: &str) -> u64 {
    let line = page.lines().find(|line| line.split_once(' ').is_some_and(|(known, _)| known == name));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).rsplit(' ').next().unwrap().parse().unwrap()
}

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
}

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
    let (certificate, key) = (place.root.join("chain.pem"), place.root.join("chain.key"));
    certify(&certificate, &key, "one.example.org");
    place.set(&format!("certificate = {certificate:?}\ncertificate_key = {key:?}\n"));
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
        let mut command = Command::new("sh");
        let script = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"";
        command.env_clear().stdin(Stdio::from(std::os::fd::OwnedFd::from(self.listener.try_clone().unwrap())));
        command.args(["-c", script, env!("CARGO_BIN_EXE_caro-relay"), "serve", "--plain", "--data"]).arg(data);
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
    assert!(status.code() == Some(143) || status.signal() == Some(15), "{status}");
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
    assert!(!worked && (said.contains("is there already") || said.contains("another relay")), "{said}");
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
    let certificate = place.root.join("none.pem");
    place.set(&format!("certificate = {certificate:?}\ncertificate_key = {certificate:?}\n"));
    let (worked, _, said) = place.run(&["config", "check"]);
    assert!(!worked && said.contains("none.pem"), "{said}");
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
