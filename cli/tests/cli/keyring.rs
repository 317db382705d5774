//! The key of the database in a real Secret Service on a D-Bus of the test's own, and behind a passphrase: what becomes of
//! history when the keyring is locked, gone, another one, or answers with something else.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use crate::support::{Home, Ran, eventually, skip};

/// A desktop's bus and its keyring.
struct Desk {
    home: Home,
    bus: Child,
    keyring: Option<Child>,
}

const PROGRAMS: [&str; 3] = ["dbus-daemon", "gnome-keyring-daemon", "secret-tool"];

fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

impl Desk {
    /// None where there is no Secret Service to be had.
    fn new(name: &str) -> Option<Self> {
        if let Some(missing) = PROGRAMS.iter().find(|program| !has(program)) {
            skip(name, missing);
            return None;
        }
        let home = Home::new();
        fs::create_dir(home.path().join("keyrings")).expect("made");
        let socket = home.path().join("bus");
        let config = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\
             <busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
             <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
            socket.display()
        );
        let file = home.write("bus.conf", config.as_bytes());
        let bus =
            quiet(Command::new("dbus-daemon").args(["--nofork", "--config-file", &file])).spawn().expect("it starts");
        eventually("the bus listens", || socket.exists().then_some(()));
        Some(Self { home, bus, keyring: None })
    }

    fn address(&self) -> String {
        format!("unix:path={}", self.home.path().join("bus").display())
    }

    /// With this bus around it.
    fn on_the_bus(&self, mut command: Command) -> Command {
        command.env("DBUS_SESSION_BUS_ADDRESS", self.address());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran(self.on_the_bus(self.home.command(arguments)).output().expect("it runs"))
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code(), 0, "{arguments:?}: {}", ran.stderr());
        ran.stdout()
    }

    /// With a line of standard input for each question.
    fn told(&self, arguments: &[&str], lines: &str) -> Ran {
        let mut command = self.on_the_bus(self.home.command(arguments));
        Ran(given(&mut command, lines))
    }

    fn secrets(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("secret-tool");
        command.args(arguments).env_clear().envs(self.home.env()).stdin(Stdio::null());
        self.on_the_bus(command).output().expect("it runs")
    }

    /// Starts the keyring of this folder, opened with a password or as it is.
    fn start_keyring(&mut self, folder: &str, password: Option<&str>) {
        let folder = self.home.path().join(folder);
        fs::create_dir_all(&folder).expect("made");
        let mut command = Command::new("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets"]).args(password.map(|_| "--unlock"));
        command.env_clear().envs(self.home.env()).env("HOME", &folder);
        let mut command = self.on_the_bus(command);
        let mut child = quiet(&mut command).stdin(Stdio::piped()).spawn().expect("it starts");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(password.unwrap_or_default().as_bytes()).expect("written");
        drop(input);
        self.keyring = Some(child);
        eventually("the keyring is on the bus", || {
            let mut asked = Command::new("dbus-send");
            asked.args(["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus"]);
            asked.args(["org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"]);
            let told = self.on_the_bus(asked).output().expect("it runs").stdout;
            String::from_utf8_lossy(&told).contains("true").then_some(())
        });
    }

    fn stop_keyring(&mut self) {
        end(self.keyring.take());
    }

    /// What must not change while the key cannot be had.
    fn kept(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let data = self.home.places().data;
        let mut files: Vec<_> = ["caro.key", "caro.db"]
            .iter()
            .map(|name| data.join(name))
            .map(|path| (path.clone(), fs::read(path).expect("read")))
            .collect();
        files.sort();
        files
    }

    fn key_file(&self) -> String {
        fs::read_to_string(self.home.places().data.join("caro.key")).expect("read")
    }

    fn record(&self, command: &str) {
        let input = serde_json::json!({ "command": command }).to_string();
        let ran = self.told(&["record"], &input);
        assert_eq!(ran.code(), 0, "{}", ran.stderr());
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        drop(self.on_the_bus(self.home.command(&["daemon", "stop"])).output());
        self.stop_keyring();
        drop(self.bus.kill());
        drop(self.bus.wait());
    }
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

fn end(child: Option<Child>) {
    if let Some(mut child) = child {
        drop(child.kill());
        drop(child.wait());
    }
}

fn given(command: &mut Command, lines: &str) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // A program that asks nothing reads nothing.
    drop(child.stdin.take().expect("a pipe").write_all(lines.as_bytes()));
    child.wait_with_output().expect("it ends")
}

fn contains(folder: &Path, needle: &str) -> bool {
    let files = fs::read_dir(folder).expect("listed").map(|entry| entry.expect("one").path());
    files.filter(|path| path.is_file()).any(|path| {
        let bytes = fs::read(path).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    })
}

#[test]
fn de005_the_key_is_in_the_keyring_and_nothing_is_made_anew_without_it() {
    let Some(mut desk) = Desk::new("de005_the_key_is_in_the_keyring_and_nothing_is_made_anew_without_it") else {
        return;
    };
    desk.start_keyring("keyrings", Some("a password"));
    desk.ok(&["daemon", "start"]);
    desk.record("first");
    assert_eq!(desk.ok(&["history", "list", "-c"]), "first\n");
    assert!(desk.key_file().starts_with("caro key 1\nkeychain "), "{}", desk.key_file());
    assert_eq!(desk.ok(&["key"]), "the key is in the system's secure store\n");
    let entry =
        desk.key_file().lines().nth(1).and_then(|line| line.strip_prefix("keychain ")).expect("named").to_owned();
    let found = desk.secrets(&["lookup", "service", "caro", "username", &entry]);
    let secret = String::from_utf8(found.stdout).expect("text");
    assert!(
        secret.len() > 40 && !contains(&desk.home.places().data, secret.trim()),
        "the key is nowhere in the folder"
    );
    desk.ok(&["daemon", "stop"]);
    let refused = |desk: &Desk, reason: &str| {
        let before = desk.kept();
        let ran = desk.run(&["search", "first"]);
        assert_eq!(ran.code(), 77, "{}", ran.stderr());
        assert!(ran.stderr().contains(reason) && ran.stderr().contains("hint: "), "{}", ran.stderr());
        assert!(desk.kept() == before, "{reason}: nothing was changed");
    };
    desk.stop_keyring();
    refused(&desk, "no secure store runs here");
    desk.record("while it was away");
    desk.start_keyring("other", Some("another"));
    refused(&desk, "no longer has it");
    desk.stop_keyring();
    desk.start_keyring("keyrings", None);
    refused(&desk, "the secure store is locked");
    desk.stop_keyring();
    desk.start_keyring("keyrings", Some("a password"));
    assert_eq!(desk.ok(&["history", "list", "-c"]), "first\nwhile it was away\n");
    // Something else under the same name.
    desk.ok(&["daemon", "stop"]);
    let mut store = Command::new("secret-tool");
    store.args(["store", "--label", "x", "service", "caro", "username", &entry]).env_clear().envs(desk.home.env());
    assert!(given(&mut desk.on_the_bus(store), "garbage").status.success());
    refused(&desk, "the system's secure store has it, and ");
}

#[test]
fn de005_a_keyring_that_comes_after_a_file_was_used_is_offered_and_taken_when_asked() {
    let name = "de005_a_keyring_that_comes_after_a_file_was_used_is_offered_and_taken_when_asked";
    let Some(mut desk) = Desk::new(name) else { return };
    desk.ok(&["daemon", "start"]);
    desk.record("first");
    desk.ok(&["history", "list"]);
    assert!(desk.key_file().starts_with("caro key 1\nfile "));
    let doctor = desk.run(&["doctor"]).stdout();
    assert!(doctor.contains("in a file that only you can read") && !doctor.contains("by now"), "{doctor}");
    let refused = desk.run(&["key", "move", "keychain"]);
    assert_eq!(refused.code(), 77, "{}", refused.stderr());
    assert!(refused.stderr().contains("the key stays where it is"), "{}", refused.stderr());
    let config = fs::read_to_string(desk.home.places().config).unwrap_or_default();
    assert!(!config.contains("keychain"), "the setting is as it was: {config}");
    desk.start_keyring("keyrings", Some("a password"));
    let doctor = desk.run(&["doctor"]).stdout();
    assert!(
        doctor.contains("by now a secure store runs here") && doctor.contains("caro key move keychain"),
        "{doctor}"
    );
    assert!(desk.key_file().starts_with("caro key 1\nfile "), "nothing moves by itself");
    assert_eq!(desk.ok(&["key", "move", "keychain"]), "the key is in the system's secure store\n");
    assert!(!desk.key_file().contains("file"));
    assert_eq!(desk.ok(&["history", "list", "-c"]), "first\n");
    assert!(desk.ok(&["key", "move", "file"]).contains("in a file that only you can read"));
    let left = desk.secrets(&["search", "--all", "service", "caro"]);
    assert!(left.stdout.is_empty(), "the old place is empty: {left:?}");
    assert_eq!(desk.ok(&["history", "list", "-c"]), "first\n");
}

#[test]
fn de005_a_passphrase_locks_the_key_in_the_keyring() {
    let Some(mut desk) = Desk::new("de005_a_passphrase_locks_the_key_in_the_keyring") else { return };
    desk.start_keyring("keyrings", Some("a password"));
    lock_and_unlock(&desk);
    assert!(desk.key_file().contains("keychain"));
}

#[test]
fn de005_a_passphrase_locks_the_key_in_its_file() {
    // A bus without a keyring is as good as none.
    let Some(desk) = Desk::new("de005_a_passphrase_locks_the_key_in_its_file") else { return };
    lock_and_unlock(&desk);
    assert!(desk.key_file().contains("file"));
}

#[test]
fn de005_a_passphrase_is_changed_by_who_knows_it() {
    let Some(desk) = Desk::new("de005_a_passphrase_is_changed_by_who_knows_it") else { return };
    desk.ok(&["daemon", "start"]);
    assert_eq!(desk.told(&["lock"], "correct horse\n").code(), 0);
    let key = desk.key_file();
    let wrong = desk.told(&["lock", "--change"], "battery staple\nnew\n");
    assert_eq!((wrong.code(), desk.key_file() == key), (77, true), "{}", wrong.stderr());
    assert_eq!(desk.told(&["lock", "--change"], "correct horse\nnew one\n").code(), 0);
    assert_eq!(desk.told(&["unlock"], "correct horse\n").code(), 77);
    assert_eq!(desk.told(&["unlock"], "new one\n").code(), 0);
}

fn lock_and_unlock(desk: &Desk) {
    desk.ok(&["daemon", "start"]);
    desk.record("first");
    desk.ok(&["history", "list"]);
    for empty in ["", "\n"] {
        assert_eq!(desk.told(&["lock"], empty).code(), 1, "{empty:?}");
    }
    let locked = desk.told(&["lock"], "correct horse\n");
    assert_eq!(locked.code(), 0, "{}", locked.stderr());
    assert!(locked.stderr().contains("caro unlock"), "{}", locked.stderr());
    assert_eq!(desk.run(&["daemon", "status"]).code(), 69, "no daemon, and no key in any memory");
    let ran = desk.run(&["search", "first"]);
    assert_eq!(ran.code(), 77);
    assert!(ran.stderr().contains("locked by a passphrase") && ran.stderr().contains("hint: unlock it: caro unlock"));
    desk.record("while locked");
    let again = desk.told(&["lock"], "");
    assert_eq!(again.code(), 0, "locked already: {}", again.stderr());
    let wrong = desk.told(&["unlock"], "battery staple\n");
    assert_eq!(wrong.code(), 77);
    assert!(
        wrong.stderr().contains("wrong passphrase") && wrong.stderr().contains("nothing was changed"),
        "{}",
        wrong.stderr()
    );
    assert!(!wrong.stderr().contains("battery"));
    assert_eq!(desk.told(&["unlock"], "correct horse\n").code(), 0);
    assert_eq!(desk.ok(&["history", "list", "-c"]), "first\nwhile locked\n");
    assert!(desk.told(&["unlock"], "").stdout().contains("not locked"));
    assert!(desk.ok(&["key"]).contains("a passphrase locks"));
    assert_eq!(desk.run(&["key", "move", "file"]).code(), 78);
    assert_ne!(desk.told(&["lock", "--remove"], "battery staple\n").code(), 0);
    let removed = desk.told(&["lock", "--remove"], "correct horse\n");
    assert_eq!(removed.code(), 0, "{}", removed.stderr());
    assert_eq!(desk.ok(&["history", "list", "-c"]), "first\nwhile locked\n");
    assert!(!desk.ok(&["key"]).contains("passphrase locks"));
}
