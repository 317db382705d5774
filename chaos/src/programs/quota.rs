//! An account that is full, and a relay whose disk rots: what is said of it, and that nothing is lost by it.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf, time::Duration};

use caro_schema::relay::Entry;
use caro_tests::{eventually, eventually_within};
use serde_bytes::ByteBuf;

use super::{
    client::{Client, Member},
    database::{self, RelayDatabase, cell_sizes},
    relay::RelayProgram,
    stage::Stage,
    strace::Under,
};
use crate::{
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    seed::Seed,
};

/// C-STOR-03.
pub const C_STOR_03: Scenario = Scenario {
    id: "C-STOR-03",
    title: "Storage quota exceeded",
    injection: "Backend refuses above a threshold. Also: bit rot in the relay's file",
    outcome: "Actionable error naming limit and remedy, nothing dropped from the outbox. Rot: client rejects, a device \
              holding the op re-uploads it",
    bodies: &[
        Body { tier: Tier::Store, broken_by: &[Sabotage::NoLimits], run: quota },
        Body { tier: Tier::Disk, broken_by: &[Sabotage::SkipCellHash], run: relay_rots },
    ],
};

/// How soon a device says so.
const SAID_WITHIN: Duration = Duration::from_secs(12);

/// What a person reads when an account is full: what happened, and who can do something about it.
const FULL: &str = "(the account's space at the relay is used up; whoever runs it can give it more)";

fn quota(run: &mut Run) {
    let mut stage = Stage::new();
    let used = fs::metadata(stage.relay.database()).map_or(0, |meta| meta.size()).min(1 << 20);
    stage.relay.stop();
    // No room for more than a few cells.
    let limit = if run.lacks(Sabotage::NoLimits) { 0 } else { 9_000 };
    stage.relay.set_limits(&format!("bytes_per_account = {limit}"));
    stage.relay.start();
    stage.laptop.home.caro_ok(&["daemon", "start"]);
    let mut all = Vec::new();
    for n in 0..12 {
        let line = format!("echo {n} {used}");
        stage.laptop.type_lines(&format!("shell-{n}"), &[&line]);
        stage.laptop.expect_commands(&all.iter().chain([&line]).map(String::as_str).collect::<Vec<_>>());
        all.push(line);
    }
    eventually_within(SAID_WITHIN, "it is said that the space is used up", || {
        let status = stage.laptop.home.caro_ok(&["sync", "status"]);
        status.contains(FULL).then_some(())
    });
    // The limit with how much of it is used, and what to do.
    let status = stage.laptop.home.caro_ok(&["sync", "status"]);
    assert!(status.contains(" of 8 KiB used"), "{status}");
    let now = stage.laptop.home.caro(&["sync", "now", "--wait", "1"]);
    let said = String::from_utf8_lossy(&now.stderr).into_owned();
    assert!(!now.status.success() && said.contains(FULL), "{said}");
    assert!(said.contains("\nhint: what waits is safe"), "{said}");
    assert!(super::kills::pending_up(&stage.laptop) > 0, "nothing is dropped");
    // More room: everything that waited goes.
    stage.relay.stop();
    stage.relay.set_limits("");
    stage.relay.start();
    stage.expect_all(&all);
}

/// One bit of the relay's file flips.
fn relay_rots(run: &mut Run) {
    let mut relay = RelayProgram::new();
    let mut member = Member::new(run.seed, 1);
    let mut client = member.found(relay.place());
    let pushed: Vec<ByteBuf> = (0..12).map(|_| member.cell(2048)).collect();
    client.push(&pushed).expect("acknowledged");
    drop(client);
    relay.stop();
    let good = fs::read(relay.database()).expect("readable");
    let mut seed = Seed::new(run.seed);
    // Anywhere, which may be where nothing is kept, and in a cell, which must be noticed.
    let cell = &pushed[seed.below(pushed.len() as u64) as usize][..64];
    let in_cell = good.windows(cell.len()).position(|bytes| bytes == cell).expect("it is kept as it came") as u64;
    let anywhere: Vec<u64> = (0..6).map(|_| seed.below(good.len() as u64)).collect();
    let mut flipped_at = |at: u64| {
        fs::write(relay.database(), &good).expect("written");
        if !run.lacks(Sabotage::SkipCellHash) {
            database::flip_bit(&relay.database(), at, at.wrapping_mul(run.seed) % 8);
        }
        relay_notices(&mut relay, &member, &pushed, at)
    };
    for at in anywhere {
        flipped_at(at);
    }
    let at = in_cell + seed.below(cell.len() as u64);
    assert!(flipped_at(at), "byte {at}: a flipped bit of a cell was not noticed");
    if run.sabotage.is_none() {
        rot_is_healed();
    }
}

/// A cell of one device rots before the other one has it. That one says what it lacks, and who has it brings it again.
fn rot_is_healed() {
    let mut stage = Stage::unstarted();
    let before = cell_sizes(&stage.relay.database()).len();
    stage.relay.start();
    stage.laptop.home.caro_ok(&["daemon", "start"]);
    let lines = ["echo rots", "echo after it"];
    for line in lines {
        stage.laptop.type_lines(&format!("shell-{}", line.len()), &[line]);
        eventually("it is recorded", || stage.laptop.home.commands().contains(&line.to_owned()).then_some(()));
        stage.laptop.sync();
    }
    stage.relay.stop();
    let database = RelayDatabase::open(&stage.relay.database());
    let (place, mut cell) = database.cells().swap_remove(before);
    let last = cell.len() - 1;
    cell[last] ^= 1;
    database.rot(place, &cell);
    drop(database);
    assert!(!stage.relay.verify().is_sound(), "the relay's own check is content");
    stage.relay.start();
    stage.desktop.home.caro_ok(&["daemon", "start"]);
    eventually("it is brought again", || (stage.desktop.home.commands() == lines).then_some(()));
    assert!(stage.relay.said().contains("does not have the bytes"), "{}", stage.relay.said());
}

/// Starts the relay on a database with a flipped bit, and says whether it or its check said something. It never gives out
/// what was not pushed.
///
/// # Panics
/// When it does, or keeps silent about what is missing.
pub fn relay_notices(relay: &mut RelayProgram, member: &Member, pushed: &[ByteBuf], at: u64) -> bool {
    let report = caro_relay::log::sqlite::verify::verify(&relay.database());
    let found = !report.as_ref().is_ok_and(caro_relay::log::sqlite::verify::Report::is_sound);
    let started = relay.start_under(&Under::nothing()).is_ok();
    if !started {
        assert!(relay.said().contains("caro-relay: ") && relay.said().contains("hint"), "byte {at}: {}", relay.said());
        return true;
    }
    // A device that is let in gets what was pushed, or hears that it is gone, and nothing else.
    let got = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        member.enter(relay.place(), 0).and_then(|mut client| read_all(&mut client))
    }));
    let entries = got.unwrap_or(None).unwrap_or_default();
    for (at_cursor, entry) in entries.iter().enumerate() {
        if let Entry::Cell(cell) = entry {
            assert!(cell == &pushed[at_cursor], "byte {at}: it gives out what nobody pushed");
        }
    }
    let whole = entries.len() == pushed.len() && entries.iter().all(|entry| matches!(entry, Entry::Cell(_)));
    assert!(whole || found, "byte {at}: something is missing and the check says nothing");
    assert!(relay.is_running(), "byte {at}: it did not outlive it: {}", relay.said());
    relay.kill();
    for companion in ["-wal", "-shm"] {
        let mut name = relay.database().into_os_string();
        name.push(companion);
        // There is one only while it was not closed in order.
        let _ = fs::remove_file(PathBuf::from(name));
    }
    found
}

fn read_all(client: &mut Client) -> Option<Vec<Entry>> {
    client.pull_all()
}
