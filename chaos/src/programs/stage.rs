//! A small world of real programs: a relay and two devices of one account, made once and copied for each run, so that a
//! run begins with two people in the middle of their work and costs a few file copies.
//!
//! Nothing here says what is broken. Invariant: a stage starts from the same files whatever an earlier one did.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use caro_tests::{Device, Home, eventually, has_ended, programs::program};
use serde_json::Value;

use super::{
    relay::{Folder, RelayProgram, copy_folder},
    strace::Under,
};

/// A relay that runs, and two devices whose daemons do not yet.
pub struct Stage {
    /// The relay.
    pub relay: RelayProgram,
    /// A device that is in the account.
    pub laptop: Device,
    /// The other one.
    pub desktop: Device,
    /// The account's phrase.
    pub phrase: String,
}

/// What every stage is copied from. In memory: it lives as long as the process, and a folder would outlive it.
pub(super) struct Template {
    folders: [Folder; 3],
    place: SocketAddr,
    phrase: String,
}

impl Template {
    fn make() -> Self {
        let relay = RelayProgram::new();
        let addresses = [relay.address(), relay.address()].map(str::to_owned);
        Self::of_two(relay, [Device::new(), Device::new()], &addresses)
    }

    /// Of two devices whose daemons run and who have no account yet, each with the address at which it finds the relay.
    pub(super) fn of_two(mut relay: RelayProgram, devices: [Device; 2], addresses: &[String; 2]) -> Self {
        let [laptop, desktop] = devices;
        let phrase = init(&laptop, &addresses[0], "laptop");
        let arguments = ["sync", "restore", "--relay", &addresses[1], "--name", "desktop", "--phrase-stdin"];
        expect_well(&desktop.home.caro_with_input(&arguments, &phrase));
        settle(&[&laptop, &desktop]);
        for device in [&laptop, &desktop] {
            device.home.caro_ok(&["daemon", "stop"]);
        }
        relay.stop();
        let place = relay.place();
        let folders = [relay.data(), laptop.home.path(), desktop.home.path()].map(|from| Folder::read(&from));
        Self { folders, place, phrase }
    }

    /// A stage on which nothing runs.
    pub(super) fn stage(&self) -> Stage {
        let [relay, laptop, desktop] = &self.folders;
        let device = |folder: &Folder| {
            let home = Home::new();
            folder.write(&home.path());
            Device { home }
        };
        Stage {
            relay: RelayProgram::of(relay, self.place),
            laptop: device(laptop),
            desktop: device(desktop),
            phrase: self.phrase.clone(),
        }
    }
}

fn expect_well(output: &Output) {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A new account of a device at a relay. Gives the phrase.
///
/// # Panics
/// When it is not made.
pub fn init(device: &Device, address: &str, name: &str) -> String {
    let printed = device.home.caro_ok(&["sync", "init", "--relay", address, "--name", name, "--yes", "--json"]);
    let json: Value = printed.lines().find_map(|line| serde_json::from_str(line).ok()).expect("JSON");
    match &json["phrase"] {
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        phrase => phrase.as_str().expect("a phrase").to_owned(),
    }
}

/// Waits until each has what the others had.
pub fn settle(devices: &[&Device]) {
    for _ in 0..2 {
        for device in devices {
            device.sync();
        }
    }
}

impl Stage {
    /// The relay runs, the daemons do not.
    pub fn new() -> Self {
        let mut stage = Self::unstarted();
        stage.relay.start();
        stage
    }

    /// Nothing runs.
    pub fn unstarted() -> Self {
        static TEMPLATE: Mutex<Option<Template>> = Mutex::new(None);
        let mut made = TEMPLATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        made.get_or_insert_with(Template::make).stage()
    }

    /// Everything runs.
    pub fn running() -> Self {
        let stage = Self::new();
        for device in stage.devices() {
            device.home.caro_ok(&["daemon", "start"]);
        }
        stage
    }

    /// Both devices.
    pub fn devices(&self) -> [&Device; 2] {
        [&self.laptop, &self.desktop]
    }

    /// As [`Self::expect_all`], when a twin keeps a device away: nobody asks it to come, which would fail whatever is to be
    /// held. Only what the devices have counts.
    ///
    /// # Panics
    /// As [`Self::expect_all`].
    pub fn expect_all_by_themselves(&mut self, commands: &[String]) {
        self.start_what_stopped();
        expect_histories(&self.devices(), commands);
    }

    fn start_what_stopped(&mut self) {
        if !self.relay.is_running() {
            self.relay.start();
        }
        for device in self.devices() {
            device.home.caro_ok(&["daemon", "start"]);
        }
    }

    /// What must be true at the end of every run: both devices have exactly these commands, every row of their databases
    /// is whole, and the relay's own check finds nothing.
    ///
    /// # Panics
    /// When it is not so.
    pub fn expect_all(&mut self, commands: &[String]) {
        self.start_what_stopped();
        settle(&self.devices());
        expect_histories(&self.devices(), commands);
        for device in self.devices() {
            expect_whole(device);
        }
        self.relay.stop();
        self.relay.expect_sound();
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

/// How long what has been synced may take to show. Not long: it is waited for after both sides said that they are done.
pub const SHOWS_WITHIN: Duration = Duration::from_secs(8);

/// # Panics
/// When the history of a device is not exactly this.
pub fn expect_history(device: &Device, commands: &[String]) {
    expect_histories(&[device], commands);
}

/// # Panics
/// When the history of one of these devices is not exactly this. Says of all of them what they have: who lost something
/// is not always the one that lacks it.
pub fn expect_histories(devices: &[&Device], commands: &[String]) {
    let mut expected = commands.to_vec();
    expected.sort();
    let deadline = Instant::now() + SHOWS_WITHIN;
    loop {
        let all = devices.iter().all(|device| {
            let mut have = device.home.commands();
            have.sort();
            have == expected
        });
        if all {
            return;
        }
        if Instant::now() >= deadline {
            let states: Vec<String> = devices.iter().map(|device| state(device, &expected)).collect();
            panic!("not in time:\n{}", states.join("\n"));
        }
        thread::sleep(Duration::from_millis(4));
    }
}

/// What a device has and lacks, and what it says of itself.
fn state(device: &Device, expected: &[String]) -> String {
    let have = device.home.commands();
    let lacks: Vec<&String> = expected.iter().filter(|command| !have.contains(command)).collect();
    let said = |words: &[&str]| text(&device.home.caro(words).stdout);
    let (status, doctor) = (said(&["sync", "status"]), said(&["doctor", "--verify"]));
    format!("{} of {}, without {lacks:?}\n{status}\n{doctor}\n{}", have.len(), expected.len(), log(device))
}

/// Waits until a device has what another one wrote, and looks meanwhile that it never shows one before all that its author
/// wrote before it: a history is sorted by time, so that what is out of order is a gap in it.
///
/// # Panics
/// When there is one, or not all comes.
pub fn expect_one_after_the_other(device: &Device, commands: &[String]) {
    eventually("they come", || {
        let have = device.home.commands();
        assert!(commands.starts_with(&have), "out of order: {have:?}");
        (have.len() == commands.len()).then_some(())
    });
}

/// Waits until these are among what a device has, and gives all that it has.
///
/// # Panics
/// When they are not.
pub fn expect_among(device: &Device, promised: &[String]) -> Vec<String> {
    let deadline = Instant::now() + SHOWS_WITHIN;
    loop {
        let have = device.home.commands();
        if promised.iter().all(|command| have.contains(command)) {
            return have;
        }
        let doctor = || text(&device.home.caro(&["doctor", "--verify"]).stdout);
        assert!(Instant::now() < deadline, "{promised:?} are not all among {have:?}\n{}\n{}", doctor(), log(device));
        thread::sleep(Duration::from_millis(4));
    }
}

/// # Panics
/// When the daemon finds something in its database that is not as it was written.
pub fn expect_whole(device: &Device) {
    let output = device.home.caro(&["doctor", "--verify", "--json"]);
    let printed = text(&output.stdout);
    let lines: Vec<Value> = printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let database = lines.iter().find(|finding| finding["check"] == "database").expect("it looks at the database");
    assert_eq!(database["level"], "good", "{database}");
    assert!(lines.iter().any(|finding| finding["check"] == "writing" && finding["level"] == "good"), "{printed}");
    assert!(!log(device).contains("panicked"), "{}", log(device));
}

/// Where a home's logs are.
const LOGS: &str = ".local/state/caro/log";

/// What a daemon has written into its log.
pub fn log(device: &Device) -> String {
    let Ok(entries) = fs::read_dir(device.home.path().join(LOGS)) else { return String::new() };
    entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok()).collect()
}

/// A daemon that is this process's own child, so that something can stand between it and the system.
pub struct Held {
    child: Child,
}

impl Held {
    /// Starts the daemon of a home under something.
    ///
    /// # Errors
    /// How it ended, when it did before it answered.
    pub fn start(home: &Home, under: &Under) -> Result<Self, ExitStatus> {
        let (first, words) = under.command(&program("caro-daemon"));
        let mut command: Command = home.command(first);
        // What a panic says goes there.
        let said = home.path().join(LOGS).join("said");
        fs::create_dir_all(home.path().join(LOGS)).expect("made");
        let said = fs::File::options().append(true).create(true).open(said).expect("made");
        command.args(words).stdout(Stdio::null()).stderr(said);
        let mut held = Self { child: command.spawn().expect("it starts") };
        let outcome = eventually("the daemon answers", || match held.child.try_wait().expect("ours") {
            Some(status) => Some(Err(status)),
            // This one and no other: what another one did would not be seen.
            None => home.daemon_pid().filter(|pid| u32::try_from(*pid) == Ok(held.child.id())).map(|_| Ok(())),
        });
        outcome.map(|()| held)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is there.
    pub fn is_running(&self) -> bool {
        !has_ended(i32::try_from(self.child.id()).expect("a pid"))
    }

    /// Waits until it has ended, by itself or by what was done to it, and says how.
    pub fn wait_for_end(mut self) -> ExitStatus {
        eventually("the daemon ends", || self.child.try_wait().expect("ours"))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// Copies the database of a device or a relay with everything that belongs to it.
pub fn keep(folder: &Path) -> tempfile::TempDir {
    let kept = tempfile::Builder::new().prefix("caro-kept").tempdir().expect("a folder");
    copy_folder(folder, kept.path());
    kept
}

/// Puts back what [`keep`] has kept, and nothing else.
pub fn put_back(kept: &tempfile::TempDir, folder: &Path) {
    fs::remove_dir_all(folder).expect("removed");
    copy_folder(kept.path(), folder);
}
