//! Nobody else: modes, folders, and the user on the other end of the socket.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixStream,
        process::CommandExt,
    },
    path::Path,
    process::Command,
};

use caro_schema::{codec, frame, ipc::Hello, version};

use crate::support::{DAEMON, Home, modes, skip};

#[test]
fn trap_28_under_umask_zero_nothing_is_open_to_others() {
    let home = Home::new();
    let mut command = home.command("sh");
    command.args(["-c", "umask 000; exec \"$0\"", DAEMON]);
    let daemon = home.start_with(command);
    let mut shell = home.shell("one");
    shell.header().run("ls");
    // The hook's own file follows its shell's umask; its folder protects it.
    daemon.client().flush();
    let places = home.places();
    let mut found = Vec::new();
    for folder in [&places.data, &places.state, &places.runtime] {
        assert_eq!(fs::metadata(folder).expect("there").mode() & 0o077, 0, "{}", folder.display());
        found.extend(modes(folder));
    }
    let open: Vec<_> = found.iter().filter(|(path, mode)| *mode & 0o077 != 0 && *path != shell.path).collect();
    assert!(open.is_empty(), "{open:?}");
    assert!(found.len() >= 8, "{found:?}");
}

#[test]
fn trap_28_a_folder_that_was_open_is_closed() {
    let home = Home::new();
    let places = home.places();
    for folder in [&places.data, &places.spool] {
        fs::create_dir_all(folder).expect("made");
        fs::set_permissions(folder, PermissionsExt::from_mode(0o777)).expect("opened");
    }
    let _daemon = home.start();
    for folder in [&places.data, &places.spool] {
        assert_eq!(fs::metadata(folder).expect("there").mode() & 0o777, 0o700);
    }
}

#[test]
fn trap_18_a_link_in_the_spool_is_not_followed() {
    let home = Home::new();
    let daemon = home.start();
    let mut elsewhere = crate::support::Hook::new(home.path(), "elsewhere", 1);
    elsewhere.header().run("not from the spool");
    std::os::unix::fs::symlink(&elsewhere.path, home.places().spool.join("link.1")).expect("a link");
    let mut client = daemon.client();
    client.flush();
    assert_eq!(client.commands(), Vec::<String>::new());
}

#[test]
fn trap_18_another_user_is_turned_away() {
    if !rustix::process::geteuid().is_root() {
        return skip("trap_18_another_user_is_turned_away", "root, to become somebody else");
    }
    let home = Home::new();
    let daemon = home.start();
    let socket = home.places().socket;
    assert_eq!(as_nobody(&socket), "refused", "the folder keeps others out");
    // Even if the folders and the socket were opened by mistake.
    for path in socket.ancestors().take_while(|path| path.starts_with(home.path())) {
        fs::set_permissions(path, PermissionsExt::from_mode(0o777)).expect("opened");
    }
    assert_eq!(as_nobody(&socket), "closed");
    assert_eq!(daemon.client().status().pid, daemon.pid());
}

/// The program of this test, run again as somebody else.
fn as_nobody(socket: &Path) -> &'static str {
    let folder = tempfile::Builder::new().prefix("caro").tempdir().expect("a folder");
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("opened");
    let copy = folder.path().join("visitor");
    fs::copy(std::env::current_exe().expect("a program"), &copy).expect("copied");
    fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).expect("made executable");
    let output = Command::new(copy)
        .args(["--exact", "access::visitor"])
        .env("CARO_TEST_VISIT", socket)
        .current_dir("/")
        .uid(65534)
        .gid(65534)
        .output()
        .expect("it runs");
    let outcome = OUTCOMES.iter().find(|(_, code)| output.status.code() == Some(*code));
    outcome.unwrap_or_else(|| panic!("{output:?}")).0
}

/// What may come of a visit, and the exit code that says so.
const OUTCOMES: [(&str, i32); 3] = [("refused", 40), ("closed", 41), ("answered", 42)];

/// Not a test by itself: knocks at a socket and says what came of it.
#[test]
fn visitor() {
    let Some(socket) = std::env::var_os("CARO_TEST_VISIT") else { return };
    let Ok(mut stream) = UnixStream::connect(socket) else { std::process::exit(40) };
    let hello = codec::encode(&Hello { protocol: version::IPC, build: "visitor".to_owned() });
    let sent = frame::write(&mut stream, &hello, 1024).is_ok() && stream.flush().is_ok();
    let answered = stream.read(&mut [0]).is_ok_and(|count| count > 0);
    std::process::exit(if sent && answered { 42 } else { 41 });
}

#[test]
fn trap_18_memory_and_core_are_closed_to_others() {
    let home = Home::new();
    let daemon = home.start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap_or_default();
    if limits.is_empty() {
        return skip("trap_18_memory_and_core_are_closed_to_others", "/proc");
    }
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    // What is not dumpable belongs to root in /proc, whoever runs it.
    assert_eq!(fs::metadata(format!("/proc/{}/mem", daemon.pid())).expect("there").uid(), 0);
}

/// Where this device's programs write, and what must not be written through a link that somebody has put there.
#[test]
fn trap_18_a_link_planted_where_a_file_is_made_is_never_written_through() {
    let home = Home::new();
    let places = home.places();
    let victims = home.path().join("victims");
    fs::create_dir(&victims).expect("made");
    for folder in [&places.data, &places.spool, &places.runtime] {
        fs::create_dir_all(folder).expect("made");
        fs::set_permissions(folder, PermissionsExt::from_mode(0o700)).expect("closed");
    }
    let victim = |name: &str| {
        let victim = victims.join(name);
        fs::write(&victim, b"precious").expect("written");
        victim
    };
    // Those that are written anew beside their place, and those that are made once.
    let key = places.data.join("caro.key");
    for path in [places.socket_note(), places.hint(), key.with_extension("new"), places.socket.clone()] {
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        std::os::unix::fs::symlink(victim(&name), &path).expect("planted");
    }
    let daemon = home.start();
    let mut shell = home.shell("one");
    shell.header().run("ls").run("mysql -u root -phunter2 app");
    daemon.client().flush();
    drop(daemon);
    for entry in fs::read_dir(&victims).expect("listed") {
        let path = entry.expect("one").path();
        assert_eq!(fs::read(&path).expect("read"), b"precious", "{}", path.display());
    }
    assert!(!fs::symlink_metadata(&key).expect("there").is_symlink());
}

#[test]
fn trap_18_a_link_in_the_place_of_the_key_the_lock_or_the_database_stops_the_start() {
    for name in ["caro.key", "caro.db"] {
        let home = Home::new();
        let places = home.places();
        fs::create_dir_all(&places.data).expect("made");
        fs::set_permissions(&places.data, PermissionsExt::from_mode(0o700)).expect("closed");
        let victim = home.path().join("victim");
        fs::write(&victim, b"precious").expect("written");
        std::os::unix::fs::symlink(&victim, places.data.join(name)).expect("planted");
        let output = home.command(DAEMON).output().expect("it runs");
        assert!(!output.status.success(), "{name}: {output:?}");
        assert_eq!(fs::read(&victim).expect("read"), b"precious", "{name}");
    }
}

#[test]
fn trap_18_another_user_sees_no_file_and_nothing_of_the_process() {
    if !rustix::process::geteuid().is_root() {
        return skip("trap_18_another_user_sees_no_file_and_nothing_of_the_process", "root, to become somebody else");
    }
    let home = Home::new();
    // As on a machine where homes can be entered.
    fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).expect("opened");
    let daemon = home.start();
    let mut shell = home.shell("one");
    shell.header().run("canary command");
    daemon.client().flush();
    let places = home.places();
    let pid = daemon.pid();
    let paths = [
        places.database(),
        places.data.join("caro.key"),
        places.lock(),
        places.log(),
        places.socket_note(),
        shell.path.clone(),
        format!("/proc/{pid}/mem").into(),
        format!("/proc/{pid}/environ").into(),
        format!("/proc/{pid}/maps").into(),
        format!("/proc/{pid}/fd/0").into(),
    ];
    for path in &paths {
        let read = Command::new("cat").arg(path).current_dir("/").uid(65534).gid(65534).output().expect("it runs");
        assert!(!read.status.success() && read.stdout.is_empty(), "{}: {read:?}", path.display());
    }
    for folder in [&places.data, &places.spool, &places.runtime] {
        let listed = Command::new("ls").arg(folder).current_dir("/").uid(65534).gid(65534).output().expect("it runs");
        assert!(!listed.status.success() && listed.stdout.is_empty(), "{}: {listed:?}", folder.display());
    }
    // What everybody may see of a process says nothing.
    let line = fs::read(format!("/proc/{pid}/cmdline")).expect("read");
    assert!(!String::from_utf8_lossy(&line).contains("canary"));
}
