//! The built program: what it prints, makes, refuses and logs.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use caro_relay::folder::database;
use caro_schema::relay::{ErrorCode, PATH, ToDevice, ToRelay};
use rustix::process::Signal;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{Account, Client, Device, Program, cell};

fn run(arguments: &[&str]) -> Output {
    Program::command(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn u001_serve_needs_no_configuration_and_prints_the_one_line_to_paste() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Program::command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("HOME", home.path());
    let program = Program::spawn(command);
    let data = home.path().join(".local/share/caro-relay");
    let key = text(&run(&["key", "--data", data.to_str().unwrap()]).stdout);
    assert!(program.target.tls && program.target.address.port() != 0);
    let expected = format!("caro sync init --relay wss://{}/#{key}", program.target.address);
    assert_eq!(program.line, expected);
    assert_eq!(URL_SAFE_NO_PAD.decode(key.trim_end()).unwrap().len(), 32);

    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&program.target, &account, &[device]).await;
    assert_eq!(client.push(&[cell(1024)]).await, [1]);
    program.signal(Signal::TERM);
    assert!(client.refused(ErrorCode::ShuttingDown).await.is_some());
    client.ended().await;
    let (status, printed, _) = program.wait();
    assert!(status.success());
    assert_eq!(printed, "");
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    for entry in fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.file_name());
    }
    // The write-ahead log was carried over: the database alone is a whole backup.
    assert!(!data.join("relay.db-wal").exists());
}

#[tokio::test]
async fn plain_is_for_a_proxy_that_adds_tls_and_a_public_host_is_what_devices_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    let program = Program::serve(&data, &["--plain"]);
    assert!(!program.target.tls);
    drop(Client::create(&program.target, &Account::new(), &[Device::new()]).await);
    assert!(!data.join("certificate.pem").exists());
    program.signal(Signal::INT);
    assert!(program.wait().0.success());
    let mut command = Program::command(&["serve", "--listen", "127.0.0.1:0", "--public-host", "127.0.0.9"]);
    command.env("CARO_RELAY_DATA", &data);
    assert!(Program::spawn(command).line.contains(" wss://127.0.0.9:"));
}

#[test]
fn trap_28_with_no_umask_at_all_the_files_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    let mut command = Command::new("sh");
    command.args(["-c", "umask 000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_caro-relay"), "serve"]).args([
        "--listen",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
    ]);
    let program = Program::spawn(command);
    for entry in fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.file_name());
    }
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    drop(program);
}

/// Runs what must fail, and looks for words in what it says.
fn refused(arguments: &[&str], words: &[&str]) {
    let output = run(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(text(&output.stdout), "");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
}

#[test]
fn trap_55_two_relays_never_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    let first = Program::serve(&data, &[]);
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    refused(&serve, &["another relay uses", "hint:", "--data"]);
    refused(&["renew", "--data", data.to_str().unwrap()], &["another relay uses"]);
    first.signal(Signal::KILL);
    drop(first);
    drop(Program::serve(&data, &[]));
}

fn made(data: &Path) {
    let program = Program::serve(data, &["--plain"]);
    program.signal(Signal::TERM);
    assert!(program.wait().0.success());
}

#[test]
fn a_newer_database_is_refused_kept_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    made(&data);
    let path = database(&data);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 7).unwrap();
    connection.close().unwrap();
    let before = fs::read(&path).unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    refused(&serve, &["version 7", "knows 4", "hint: it was kept as it is", "install"]);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_folder_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    made(&data);
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    fs::set_permissions(data.join("session.key"), fs::Permissions::from_mode(0o644)).unwrap();
    refused(&serve, &["session.key", "may be read by others (mode 644)", "chmod"]);
    fs::set_permissions(data.join("session.key"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    refused(&serve, &["may be read by others (mode 755)"]);
}

#[test]
fn u004_what_is_wrong_with_the_configuration_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("relay.toml");
    for (content, words) in [
        ("lisen = \"127.0.0.1:0\"", ["did you mean listen?", "docs/operating.md"]),
        ("[limits]\nidle = 3", ["limits.idle is not", "docs/operating.md"]),
        ("invitations = \"a\"", ["registration", "docs/operating.md"]),
        ("certificate = \"a.pem\"", ["certificate_key", "docs/operating.md"]),
    ] {
        fs::write(&file, content).unwrap();
        refused(&["serve", "--config", file.to_str().unwrap()], &words);
    }
    refused(&["serve", "--config", "/nowhere/relay.toml"], &["/nowhere/relay.toml", "hint:"]);
    refused(
        &["key", "--data", folder.path().join("none").to_str().unwrap()],
        &["no relay was started", "caro-relay serve"],
    );
    let mut command = Program::command(&["serve"]);
    let output = command.env("CARO_RELAY_LISEN", "x").env("HOME", folder.path()).output().unwrap();
    assert!(text(&output.stderr).contains("CARO_RELAY_LISEN"));
}

#[test]
fn an_address_that_is_taken_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    refused(
        &["serve", "--listen", &address, "--data", data.to_str().unwrap()],
        &["cannot listen on", &address, "--listen"],
    );
}

#[tokio::test]
async fn verify_finds_what_was_changed_behind_the_relays_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    let place = ["verify", "--data", data.to_str().unwrap()];
    let program = Program::serve(&data, &["--plain"]);
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&program.target, &account, &[device]).await;
    client.push(&(0..10).map(|_| cell(1024)).collect::<Vec<_>>()).await;
    // While it runs, too.
    let output = run(&place);
    assert_eq!(text(&output.stdout), "sound: 1 accounts, 10 entries, 0 of them purged\n");
    assert!(output.status.success());
    program.signal(Signal::TERM);
    assert!(program.wait().0.success());
    let whole = fs::read(database(&data)).unwrap();
    for (tampering, word) in [
        (
            "UPDATE entry SET cell = zeroblob(1024) WHERE place = (SELECT max(place) FROM entry)",
            "does not have the bytes",
        ),
        (
            "UPDATE entry SET head = zeroblob(32) WHERE place = (SELECT min(place) FROM entry)",
            "the chain is broken at entry 1",
        ),
        ("DELETE FROM entry WHERE place = (SELECT min(place) + 3 FROM entry)", "entry 4 is missing"),
        ("DELETE FROM entry WHERE place = (SELECT max(place) FROM entry)", "the log ends at 9, the account says 10"),
        ("UPDATE account SET used_bytes = 0", "bytes are held"),
        ("UPDATE account SET list_signature = zeroblob(64)", "not signed by the account"),
        ("UPDATE account SET handle = zeroblob(16)", "the handle is not the key's"),
        ("DELETE FROM account", "10 entries belong to no account"),
    ] {
        fs::write(database(&data), &whole).unwrap();
        let connection = rusqlite::Connection::open(database(&data)).unwrap();
        connection.execute_batch(&format!("PRAGMA foreign_keys = OFF; {tampering}")).unwrap();
        connection.close().unwrap();
        let output = run(&place);
        assert_eq!(output.status.code(), Some(3), "{tampering}");
        let said = text(&output.stderr);
        assert!(said.contains(word), "{tampering}: {said}");
        assert!(!said.contains(&account.handle().hex()));
    }
}

#[tokio::test]
async fn trap_40_no_id_address_or_foreign_text_reaches_the_log_at_any_level() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay");
    let mut command =
        Program::command(&["serve", "--plain", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    command.env("CARO_RELAY_LOG", "trace").env("CARO_RELAY_LIMITS_ACCOUNTS_PER_ADDRESS_PER_HOUR", "1");
    let program = Program::spawn(command);
    let (account, device, stranger) = (Account::new(), Device::new(), Device::new());
    let pushed = cell(1024);
    let mut client = Client::create(&program.target, &account, &[device]).await;
    client.push(std::slice::from_ref(&pushed)).await;
    client.pull_all().await;
    let mut refused = Client::connect(&program.target, &stranger).await;
    refused.send(&account.hello()).await;
    refused.refused(ErrorCode::NotKnown).await;
    let mut limited = Client::connect(&program.target, &stranger).await;
    limited
        .send(&ToRelay::Create {
            account: Account::new().public(),
            list: account.first_list(&[]),
            token: Some("canary-token".to_owned()),
        })
        .await;
    limited.refused(ErrorCode::BadProof).await;
    let mut tcp = TcpStream::connect(program.target.address).await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    tcp.write_all(format!("GET {PATH}/canary-path HTTP/1.1\r\nHost: canary-host\x1b[31m\r\n\r\n").as_bytes())
        .await
        .unwrap();
    drop(tcp);
    client.send(&account.close(&client.handshake)).await;
    while !matches!(client.next().await, Some(ToDevice::Closed)) {}
    program.signal(Signal::TERM);
    let (status, _, log) = program.wait();
    assert!(status.success());
    assert!(log.contains("serving") && log.contains("ended"), "{log}");
    let id = caro_link::proof::cell_id(&pushed);
    let (handle, public, hash) = (account.handle(), account.public(), device.hash());
    let secrets = [&handle.as_bytes()[..], public.as_bytes(), id.as_bytes(), hash.as_bytes()];
    for secret in secrets {
        let mut hex = String::new();
        secret.iter().for_each(|byte| hex.push_str(&format!("{byte:02x}")));
        for form in [hex.clone(), hex.to_uppercase(), URL_SAFE_NO_PAD.encode(secret), format!("{secret:?}")] {
            assert!(!log.contains(&form));
        }
    }
    for canary in ["canary", "\x1b", &format!(":{port}")] {
        assert!(!log.contains(canary), "{canary:?}: {log}");
    }
}
