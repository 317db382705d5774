//! When the world does not play along: full disks, damaged files, paths that are too long, a daemon that is held.

use std::{
    fs,
    io::Write,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use caro_schema::ipc::{
    Fault, Reply, Request,
    status::{Finding, Level},
};
use rustix::process::{Pid, Resource, Rlimit, Signal};

use crate::support::{Client, DAEMON, Home, eventually, skip};

fn finding(client: &mut Client, check: &str) -> Finding {
    match client.ask(Request::Doctor { verify: false }) {
        Ok(Reply::Doctor(doctor)) => {
            let found = doctor.findings.iter().find(|finding| finding.check == check).cloned();
            found.unwrap_or_else(|| panic!("{:?}", doctor.findings))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn trap_35_a_full_disk_loses_nothing_and_is_said() {
    let home = Home::new();
    home.start().kill();
    let database = fs::metadata(home.places().database()).expect("there").len();
    // Files of this process may grow to so many blocks of 512 bytes, and then writing fails as on a full disk.
    let blocks = (database + 200_000) / 512;
    let script = format!("trap '' XFSZ; ulimit -S -f {blocks}; exec \"$0\"");
    let mut command = home.command("sh");
    command.args(["-c", &script, DAEMON]);
    let daemon = home.start_with(command);
    let mut client = daemon.client();
    let mut shell = home.shell("one");
    shell.header();
    for number in 0..60 {
        shell.run(&format!("echo {number} {}", noise(number, 20_000)));
    }
    let said = eventually("the disk is full", || {
        Some(finding(&mut client, "writing")).filter(|finding| finding.level == Level::Bad)
    });
    assert!(!said.advice.is_empty());
    let refused = client.ask(Request::Flush);
    assert!(matches!(refused, Err(Fault::Storage { .. })), "{refused:?}");
    // There is room again.
    let pid = Pid::from_raw(i32::try_from(daemon.pid()).expect("a pid"));
    rustix::process::prlimit(pid, Resource::Fsize, Rlimit { current: None, maximum: None }).expect("raised");
    eventually("everything is there", || {
        (matches!(client.ask(Request::Flush), Ok(Reply::Done)) && client.status().records == 60).then_some(())
    });
    assert_eq!(finding(&mut client, "writing").level, Level::Good);
    daemon.kill();
    let daemon = home.start();
    let mut client = daemon.client();
    client.flush();
    assert_eq!(client.status().records, 60, "and durable");
}

/// Text that does not compress.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b'!' + u8::try_from(state % 90).expect("small"))
        })
        .collect()
}

#[test]
fn trap_35_a_file_system_without_room_loses_nothing_and_is_said() {
    let home = Home::new();
    let data = home.places().data;
    fs::create_dir_all(&data).expect("made");
    let Some(_mount) = Mount::over(&data, "2m") else {
        return skip("trap_35_a_file_system_without_room_loses_nothing_and_is_said", "root, to mount a tmpfs");
    };
    let daemon = home.start();
    let mut client = daemon.client();
    let filler = data.join("filler");
    let free = fs4::available_space(&data).expect("asked");
    fs::write(&filler, vec![1; usize::try_from(free - 200_000).expect("small")]).expect("filled");
    let mut shell = home.shell("one");
    shell.header();
    for number in 0..30 {
        shell.run(&format!("echo {number} {}", noise(number, 20_000)));
    }
    let said = eventually("the disk is full", || {
        Some(finding(&mut client, "writing")).filter(|finding| finding.level == Level::Bad)
    });
    assert!(said.found.contains("the disk is full") && said.advice.contains("make room"), "{said:?}");
    daemon.kill();
    // Full from the start: what is there can be read, and what shells wrote waits.
    let daemon = home.start();
    let mut client = daemon.client();
    eventually("it is full still", || (finding(&mut client, "writing").level == Level::Bad).then_some(()));
    fs::remove_file(&filler).expect("removed");
    let all_there = |client: &mut Client| {
        eventually("everything is there", || {
            (matches!(client.ask(Request::Flush), Ok(Reply::Done)) && client.status().records == 30).then_some(())
        });
    };
    all_there(&mut client);
    daemon.kill();
    fs::remove_dir_all(home.places().spool).expect("removed");
    let daemon = home.start();
    all_there(&mut daemon.client());
    drop(daemon);
}

#[test]
fn trap_35_a_disk_that_is_full_to_the_last_byte_does_not_keep_the_daemon_from_starting() {
    let home = Home::new();
    let Some(_mount) = Mount::over(&home.path().join("home"), "3m") else {
        let name = "trap_35_a_disk_that_is_full_to_the_last_byte_does_not_keep_the_daemon_from_starting";
        return skip(name, "root, to mount a tmpfs");
    };
    let daemon = home.start();
    home.shell("one").header();
    home.shell("one").run("ls");
    daemon.client().flush();
    daemon.kill();
    let filler = home.path().join("home/filler");
    let mut file = fs::File::create(&filler).expect("made");
    for size in [65_536, 4096, 512, 1] {
        // Until nothing of this size fits.
        while file.write_all(&vec![1; size]).is_ok() {}
    }
    assert_eq!(fs4::available_space(home.path().join("home")).expect("asked"), 0);
    let daemon = home.start();
    let mut client = daemon.client();
    eventually("history is there", || (client.commands() == ["ls"]).then_some(()));
    fs::remove_file(&filler).expect("removed");
    home.shell("one").run("make");
    eventually("and it goes on", || {
        (matches!(client.ask(Request::Flush), Ok(Reply::Done)) && client.commands().len() == 2).then_some(())
    });
}

/// A small file system over a folder.
struct Mount {
    folder: PathBuf,
}

impl Mount {
    fn over(folder: &Path, size: &str) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size},mode=700"), "none"]).arg(folder).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self { folder: folder.to_owned() })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // The daemon may be on its way out still. Left mounted, the folder could not be removed, which shows.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}

/// A home in which a daemon has recorded something and ended in order.
fn used_home() -> Home {
    let home = Home::new();
    let daemon = home.start();
    home.shell("one").header();
    home.shell("one").run("ls");
    daemon.client().flush();
    daemon.signal(Signal::TERM);
    daemon.wait();
    home
}

/// Runs a daemon that must refuse the database, and keep it.
fn refused(home: &Home, code: i32, reason: &str, advice: &str) {
    let database = home.places().database();
    let before = fs::read(&database).expect("read");
    let (status, said) = home.run();
    assert_eq!(status.code(), Some(code), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].starts_with(reason), "{said}");
    assert!(lines[1].starts_with("hint: ") && lines[1].contains(advice), "{said}");
    // Away from the terminal it says the same.
    let output = home.command(DAEMON).arg("--detach").output().expect("it runs");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()), (Some(code), said));
    assert!(fs::read(&database).expect("read") == before, "it was touched");
    // What shells record meanwhile waits.
    home.shell("two").header();
    assert!(home.shell("two").path.exists());
}

#[test]
fn a_damaged_database_is_refused_and_kept() {
    let home = used_home();
    let database = home.places().database();
    let good = fs::read(&database).expect("read");
    for (from, to, reason) in [(0, 4096, "not a database of caro"), (4096, 8192, "damaged")] {
        let mut bad = good.clone();
        for byte in &mut bad[from..to] {
            *byte ^= 0x5a;
        }
        fs::write(&database, &bad).expect("damaged");
        refused(&home, 65, "caro-daemon: the database: the file is ", "");
        assert!(home.run().1.contains(reason));
    }
}

#[test]
fn trap_53_a_database_of_a_newer_version_is_refused_and_kept() {
    let home = used_home();
    let raw = rusqlite::Connection::open(home.places().database()).expect("it opens");
    raw.pragma_update(None, "user_version", 1000).expect("written");
    drop(raw);
    refused(&home, 65, "caro-daemon: the database: a newer version of caro wrote it", "install");
}

#[test]
fn trap_29_a_database_without_its_key_is_refused_and_kept() {
    let home = used_home();
    let key = home.places().data.join(caro_daemon::keys::FILE_NAME);
    let good = fs::read(&key).expect("read");
    fs::remove_file(&key).expect("removed");
    refused(&home, 77, "caro-daemon: the key of the database: ", "backup");
    assert!(!key.exists(), "no new one was made");
    // Another key, of another home.
    let other = used_home();
    fs::copy(other.places().data.join(caro_daemon::keys::FILE_NAME), &key).expect("copied");
    refused(&home, 65, "caro-daemon: the database: the key that was found is not the one", "nothing was touched");
    fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).expect("opened");
    refused(&home, 77, "caro-daemon: the key of the database: ", "chmod 600");
    fs::write(&key, good).expect("brought back");
    fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).expect("closed");
    let daemon = home.start();
    let mut client = daemon.client();
    client.flush();
    assert_eq!(client.commands(), ["ls"]);
}

#[test]
fn de005_the_doctor_says_where_the_key_is() {
    let home = Home::new();
    let daemon = home.start();
    let said = finding(&mut daemon.client(), "key");
    assert_eq!(said.level, Level::Notice);
    assert!(said.found.contains("caro.key") && said.found.contains("no secure store"), "{said:?}");
    drop(daemon);
    home.configure("[key]\nstore = \"file\"\n");
    let daemon = home.start();
    assert_eq!(finding(&mut daemon.client(), "key").level, Level::Good);
    drop(daemon);
    let home = Home::new();
    home.configure("[key]\nstore = \"keychain\"\n");
    let (status, said) = home.run();
    assert_eq!(status.code(), Some(77), "{said}");
    assert!(said.contains("secure store") && said.contains("\nhint: "), "{said}");
}

#[test]
fn r003_the_doctor_lists_copies_from_before_an_upgrade() {
    let home = used_home();
    fs::write(home.places().data.join("caro.db.layout-0"), [0; 2048]).expect("written");
    let daemon = home.start();
    let said = finding(&mut daemon.client(), "copies of the database");
    assert!(said.found.contains("caro.db.layout-0") && said.found.contains("2.0 KiB"), "{said:?}");
}

#[test]
fn trap_54_a_daemon_that_is_held_holds_nobody_and_loses_nothing() {
    let home = Home::new();
    let daemon = home.start();
    daemon.signal(Signal::STOP);
    let mut shell = home.shell("one");
    shell.header();
    for number in 0..100 {
        shell.run(&format!("echo {number}"));
    }
    daemon.signal(Signal::CONT);
    let mut client = daemon.client();
    client.flush();
    assert_eq!(client.status().records, 100);
}

#[test]
fn a_home_whose_path_is_too_long_for_a_socket_works() {
    let home = Home::at(&"deep/".repeat(30));
    assert!(home.places().data.as_os_str().len() > 120);
    let daemon = home.start();
    assert!(home.places().socket.starts_with(home.path()), "TMPDIR is private here");
    assert_eq!(daemon.client().status().socket, home.places().socket.to_string_lossy());
}

#[test]
fn a_broken_configuration_does_not_stop_recording_and_is_said() {
    let home = Home::new();
    home.configure("log = [\n");
    let daemon = home.start();
    home.shell("one").header();
    home.shell("one").run("ls");
    let mut client = daemon.client();
    client.flush();
    assert_eq!(client.commands(), ["ls"]);
    let said = finding(&mut client, "configuration");
    assert_eq!(said.level, Level::Bad);
    assert!(said.found.starts_with("line 1"), "{said:?}");
}

#[test]
fn a_home_that_cannot_be_written_to_is_said() {
    let home = Home::new();
    fs::set_permissions(home.path().join("home"), PermissionsExt::from_mode(0o555)).expect("closed");
    let output = if rustix::process::geteuid().is_root() {
        // Root may write everywhere; somebody else may not.
        fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).expect("opened");
        let program = home.path().join("caro-daemon");
        fs::copy(DAEMON, &program).expect("copied");
        fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("made executable");
        home.command(&program).current_dir("/").uid(65534).gid(65534).output().expect("it runs")
    } else {
        home.command(DAEMON).output().expect("it runs")
    };
    fs::set_permissions(home.path().join("home"), PermissionsExt::from_mode(0o700)).expect("opened");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(73), "{said}");
    assert!(said.starts_with("caro-daemon: ") && said.contains(".local"), "{said}");
    assert!(said.contains("\nhint: "), "{said}");
}

#[test]
fn a_file_in_the_place_of_a_folder_is_said() {
    let home = Home::new();
    fs::write(home.path().join("home/.local"), b"").expect("written");
    let (status, said) = home.run();
    assert_eq!(status.code(), Some(73), "{said}");
    assert!(said.contains(".local"), "{said}");
}

#[test]
fn the_doctor_finds_a_healthy_daemon_healthy() {
    let home = Home::new();
    let daemon = home.start();
    home.shell("one").header();
    home.shell("one").run("ls");
    let mut client = daemon.client();
    client.flush();
    let Ok(Reply::Doctor(doctor)) = client.ask(Request::Doctor { verify: true }) else { panic!("no findings") };
    let bad: Vec<&Finding> = doctor.findings.iter().filter(|finding| finding.level == Level::Bad).collect();
    assert!(bad.is_empty(), "{bad:?}");
    assert!(doctor.findings.len() >= 12, "{:?}", doctor.findings);
}

#[test]
fn trap_40_the_log_holds_nothing_of_what_was_recorded() {
    let home = Home::new();
    home.configure("log = \"trace\"\n");
    let daemon = home.start();
    let mut shell = home.shell("canarysession");
    shell.header().run("canary-command --token=hunter2");
    let mut client = daemon.client();
    client.flush();
    client.commands();
    client.ask(Request::Doctor { verify: true }).expect("examined");
    daemon.signal(Signal::TERM);
    daemon.wait();
    let log = home.log();
    assert!(log.contains("listening"), "{log}");
    for canary in ["canary", "hunter2", "/tmp/", "ada"] {
        assert!(!log.contains(canary), "{canary} in {log}");
    }
    assert_eq!(fs::metadata(home.places().log()).expect("there").mode() & 0o777, 0o600);
}
