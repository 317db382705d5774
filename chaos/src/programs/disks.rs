//! Disks that fail, fill up and rot, under the real programs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use caro_link::proof;
use caro_schema::relay::{Entry, ErrorCode, ToDevice, ToRelay};
use caro_tests::{Device, eventually};
use serde_bytes::ByteBuf;

use super::{
    client::{Member, expect_held},
    database,
    relay::RelayProgram,
    stage::{Stage, expect_history, expect_one_after_the_other, keep, log},
    strace::{self, Beside, Point, thread_named},
    together::{Authored, expect_log},
};
use crate::{
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    seed::Seed,
};

/// C-STOR-01.
pub const C_STOR_01: Scenario = Scenario {
    id: "C-STOR-01",
    title: "Write failure mid-blob",
    injection: "Backend errors after half the bytes. Also: relay disk full",
    outcome: "Reported to the caller, blob still marked unsent, nothing partial visible. Relay: clear retryable error, reads \
              still served, recovers without restart when space returns",
    bodies: &[
        super::flushes::C_STOR_01,
        Body { tier: Tier::Disk, broken_by: &[Sabotage::AckBeforeCommit], run: relay_disk_full },
    ],
};

/// Pushes a cell until it is acknowledged, as a device does: it comes back and tries again.
pub fn push_stubbornly(member: &Member, relay: &RelayProgram, cell: &ByteBuf) -> u64 {
    eventually("it is taken in the end", || {
        let mut client = member.enter(relay.place(), 0)?;
        client.send(&ToRelay::Push { cells: vec![cell.clone()] })?;
        match client.hear()? {
            ToDevice::Ack { cells } => Some(cells[0].cursor),
            ToDevice::Error { code: ErrorCode::StorageUnavailable, retry_ms } => {
                assert!(retry_ms.is_some(), "no word on when to try again");
                None
            }
            other => panic!("{other:?}"),
        }
    })
}

/// Whether the daemon says that it could not write.
pub fn is_writing_late(device: &Device) -> bool {
    let output = device.home.caro(&["doctor", "--json"]);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    printed.lines().any(|line| line.contains("\"writing\"") && line.contains("\"bad\""))
}

/// The relay's disk is full in the middle of a cell, for a while.
fn relay_disk_full(run: &mut Run) {
    strace::require(run);
    let mut relay = RelayProgram::new();
    let mut member = Member::new(run.seed, 2);
    let mut client = member.found(relay.place());
    let mut acknowledged = Vec::new();
    let first = member.cell(1024);
    let cursor = client.push(std::slice::from_ref(&first)).expect("acknowledged")[0].cursor;
    acknowledged.push((first, cursor));
    let at = 2 + Seed::new(run.seed).below(12);
    let point = Point::fails("pwrite64", format!("{at}..{}", at + 3), "ENOSPC");
    let beside = Beside::point(&point, relay.pid(), Some(thread_named(relay.pid(), "write")));
    let refused = loop {
        assert!(acknowledged.len() < 40, "the disk was never full");
        let cell = member.cell(32 * 1024);
        match client.push_or_refusal(&cell) {
            Ok(cursor) => acknowledged.push((cell, cursor)),
            Err(code) => break (code, cell),
        }
    };
    assert_eq!(refused.0, ErrorCode::StorageUnavailable);
    // Reads go on, and nothing of what was refused is seen.
    let mut reader = member.enter(relay.place(), 1).expect("it is let in");
    let log = reader.pull_all().expect("everything comes");
    assert_eq!(log.len(), acknowledged.len());
    assert!(!log.contains(&Entry::Cell(refused.1.clone())), "half a cell was seen");
    // Room again: the same cell is taken, without a restart.
    let cursor = push_stubbornly(&member, &relay, &refused.1);
    acknowledged.push((refused.1, cursor));
    beside.end();
    relay.kill();
    if run.lacks(Sabotage::AckBeforeCommit) {
        database::take_back_last_commit(&relay.database());
    }
    relay.start();
    expect_held(&member, relay.place(), &acknowledged);
    relay.stop();
    relay.expect_sound();
}

/// C-STOR-02.
pub const C_STOR_02: Scenario = Scenario {
    id: "C-STOR-02",
    title: "Read returns corrupted data",
    injection: "Backend flips bits on read. Also: client disk full during pull",
    outcome: "Caught by hash, never returned. Client: visible error, shell hook unaffected, resumes after space is freed, \
              relay unaffected",
    bodies: &[
        Body { tier: Tier::Store, broken_by: &[Sabotage::SkipCellHash], run: device_rots },
        Body { tier: Tier::Disk, broken_by: &[Sabotage::SkipRetry], run: device_disk_full },
    ],
};

/// One bit of a device's database flips. Under sabotage the bit flips where nothing is sealed or counted.
fn device_rots(run: &mut Run) {
    let mut seed = Seed::new(run.seed);
    // Text that does not compress, so that most of the file means something.
    let mut noise = || -> String { (0..1200).map(|_| char::from(b'!' + (seed.below(90) as u8))).collect() };
    let lines: Vec<String> = (0..40).map(|n| format!("echo {n} '{}'", noise().replace('\'', "_"))).collect();
    let device = Device::new();
    let words: Vec<&str> = lines.iter().map(String::as_str).collect();
    device.type_lines("one", &words);
    device.expect_commands(&words);
    device.home.caro_ok(&["daemon", "stop"]);
    fs::remove_dir_all(device.home.spool()).expect("removed");
    let database = device.home.data().join("caro.db");
    let good = fs::read(&database).expect("readable");
    let mut noticed = 0;
    for _ in 0..6 {
        let at = seed.below(good.len() as u64);
        fs::write(&database, &good).expect("written");
        if !run.lacks(Sabotage::SkipCellHash) {
            database::flip_bit(&database, at, seed.below(8));
        }
        noticed += u32::from(is_noticed(&device, &lines, at));
    }
    assert!(noticed > 0, "no flipped bit was ever noticed");
}

/// Starts the daemon on a database with a flipped bit, and says whether it said something. What it shows is right in any
/// case, and recording goes on.
///
/// # Panics
/// When it shows what nobody typed, keeps silent about what is missing, or cannot be brought to record.
pub fn is_noticed(device: &Device, lines: &[String], at: u64) -> bool {
    let started = device.home.caro(&["daemon", "start"]);
    if !started.status.success() {
        let said = String::from_utf8_lossy(&started.stderr).into_owned();
        assert!(said.contains("hint: ") || said.contains("database"), "byte {at}: {said}");
        // A hook goes on writing, and what it wrote waits.
        device.type_lines("later", &["echo later"]);
        assert!(device.home.spool().read_dir().is_ok_and(|mut files| files.next().is_some()));
        fs::remove_dir_all(device.home.spool()).expect("removed");
        return true;
    }
    let have = device.home.commands();
    assert!(have.iter().all(|command| lines.contains(command)), "byte {at}: it shows what nobody typed");
    let doctor = device.home.caro(&["doctor", "--verify", "--json"]);
    let printed = String::from_utf8_lossy(&doctor.stdout).into_owned();
    let said = printed.lines().any(|line| line.contains("\"database\"") && line.contains("\"bad\""));
    assert!(said || have.len() == lines.len(), "byte {at}: {} of {} and not a word", have.len(), lines.len());
    device.type_lines("later", &["echo later"]);
    eventually("it goes on recording", || device.home.commands().contains(&"echo later".to_owned()).then_some(()));
    assert!(!log(device).contains("panicked"), "byte {at}: {}", log(device));
    device.home.caro_ok(&["daemon", "stop"]);
    fs::remove_dir_all(device.home.spool()).expect("removed");
    for companion in ["caro.db-wal", "caro.db-journal"] {
        // There is one only while it was not closed in order.
        let _ = fs::remove_file(device.home.data().join(companion));
    }
    said
}

/// A small file system over a folder.
pub struct Mount {
    folder: PathBuf,
}

impl Mount {
    /// Ends the run as skipped where nothing can be mounted.
    pub fn over(run: &Run, folder: &Path, size: &str) -> Self {
        let options = format!("size={size},mode=700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "none"]).arg(folder).stderr(Stdio::null());
        if !mount.status().is_ok_and(|status| status.success()) {
            run.skip("root, to mount a small file system");
        }
        Self { folder: folder.to_owned() }
    }

    /// Fills it but for so many bytes.
    ///
    /// # Panics
    /// When it does not have that many.
    pub fn fill_up_to(&self, left: u64) -> PathBuf {
        let filler = self.folder.join("filler");
        let stat = rustix::fs::statvfs(&self.folder).expect("asked");
        let free = stat.f_bavail * stat.f_frsize;
        fs::write(&filler, vec![1; usize::try_from(free - left).expect("small")]).expect("filled");
        filler
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A daemon may be on its way out still. Left mounted, the folder could not be removed, which shows.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}

/// A device's disk fills up while it fetches.
fn device_disk_full(run: &mut Run) {
    let mut stage = Stage::new();
    let data = stage.laptop.home.data();
    let kept = keep(&data);
    let mount = Mount::over(run, &data, "2m");
    super::relay::copy_folder(kept.path(), &data);
    stage.desktop.home.caro_ok(&["daemon", "start"]);
    let mut all: Vec<String> = Vec::new();
    let mut noise = Seed::new(run.seed);
    for n in 0..24 {
        let text: String = (0..1800).map(|_| char::from(b'a' + (noise.below(26) as u8))).collect();
        let line = format!("echo {n} {text}{text}{text}");
        stage.desktop.type_lines(&format!("shell-{n}"), &[&line]);
        all.push(line);
    }
    // What is lost before the disk is full is not lost by the disk.
    expect_history(&stage.desktop, &all);
    stage.desktop.sync();
    let filler = mount.fill_up_to(60_000 + noise.below(60_000));
    // Started under a full disk; what it fetches has no room.
    stage.laptop.home.caro_ok(&["daemon", "start"]);
    eventually("it is said that there is no room", || is_writing_late(&stage.laptop).then_some(()));
    // A hook is not concerned.
    stage.laptop.type_lines("mine", &["echo mine"]);
    all.push("echo mine".to_owned());
    // Nor is the relay, nor the other device.
    stage.desktop.sync();
    if !run.lacks(Sabotage::SkipRetry) {
        fs::remove_file(filler).expect("removed");
    }
    eventually_soon("it goes on when there is room", || (!is_writing_late(&stage.laptop)).then_some(()));
    stage.expect_all(&all);
    stage.laptop.home.caro_ok(&["daemon", "stop"]);
    drop(mount);
}

fn eventually_soon(what: &str, condition: impl FnMut() -> Option<()>) {
    caro_tests::eventually_within(std::time::Duration::from_secs(12), what, condition);
}

/// C-STOR-04.
pub const C_STOR_04: Scenario = Scenario {
    id: "C-STOR-04",
    title: "Unavailable, then recovery",
    injection: "Backend fails N calls then works. Also: relay restart and immediate request",
    outcome: "No queued blob skipped, order kept. Cold relay serves correctly",
    bodies: &[Body { tier: Tier::Store, broken_by: &[Sabotage::SkipRetry], run: fails_then_works }],
};

fn fails_then_works(run: &mut Run) {
    strace::require(run);
    let mut stage = Stage::running();
    // Somebody beside whose cells can be told apart: a history is shown by time, whatever came first.
    let mut member = Member::new(run.seed, 1);
    drop(member.found(stage.relay.place()));
    let n = 1 + Seed::new(run.seed).below(5);
    let point = Point::fails("pwrite64", format!("1..{n}"), "ENOSPC");
    let beside = Beside::point(&point, stage.relay.pid(), Some(thread_named(stage.relay.pid(), "write")));
    let lines: Vec<String> = (0..6).map(|n| format!("echo laptop {n}")).collect();
    let mut authored = Authored::new();
    for (n, line) in lines.iter().enumerate() {
        if run.lacks(Sabotage::SkipRetry) && n + 1 == lines.len() {
            stage.laptop.home.caro_ok(&["sync", "off"]);
        }
        stage.laptop.type_lines(&format!("shell-{n}"), &[line]);
        stage.laptop.expect_commands(&lines[..=n].iter().map(String::as_str).collect::<Vec<_>>());
        let cell = member.cell(1024);
        authored.push((proof::cell_id(&cell), push_stubbornly(&member, &stage.relay, &cell)));
    }
    if run.lacks(Sabotage::SkipRetry) {
        drop(beside);
        return stage.expect_all_by_themselves(&lines);
    }
    expect_one_after_the_other(&stage.desktop, &lines);
    drop(beside);
    // Cold, and asked at once.
    stage.relay.kill();
    stage.relay.start();
    let mut client = member.enter(stage.relay.place(), 0).expect("it is let in");
    expect_log(&client.pull_all().expect("everything comes"), &[authored]);
    drop(client);
    stage.expect_all(&lines);
}
