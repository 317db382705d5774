//! A flush fails and later the power goes: everything that was acknowledged is there, before the failure and after it.
//!
//! A system says once that it could not write, takes what it had for written, and lets the next flush go well
//! ([`super::image`]). So a program that goes on with what it has open loses, at the next power cut, what it acknowledged
//! from then on. Knows nothing of how the programs avoid that; `docs/storage.md` says it.

use std::{fs, path::Path};

use caro_tests::{Device, Home, eventually};

use super::{
    client::Member,
    disks::{is_writing_late, push_stubbornly},
    image::Flushes,
    power::{Recording, cut_relay, flushes},
    recording::{self, Change},
    relay::RelayProgram,
    stage::{Held, expect_history, expect_whole, keep, log},
    strace::{self, Point, Under},
};
use crate::{
    sabotage::Sabotage,
    scenario::{Body, Run, Tier},
    seed::Seed,
};

/// C-STOR-01 on a disk that fails once, and then loses power.
pub const C_STOR_01: Body = Body { tier: Tier::Store, broken_by: &[Sabotage::NoFsync], run: flush_fails };

fn flush_fails(run: &mut Run) {
    strace::require(run);
    let mut seed = Seed::new(run.seed);
    relay_flush_fails_at(1 + seed.below(RELAY_FLUSHES), run.seed, flushes(run));
    daemon_flush_fails_at(1 + seed.below(DAEMON_FLUSHES), run.seed, flushes(run));
}

/// Flushes that every run of the relay below comes to: each push is one at least.
pub const RELAY_FLUSHES: u64 = 8;

/// Pushes of a run.
const PUSHES: u64 = RELAY_FLUSHES + 2;

/// Flushes that every run of the daemon below comes to: those of its start, one for each command, and those of its end.
pub const DAEMON_FLUSHES: u64 = 14;

/// Commands of a run.
const COMMANDS: u64 = 6;

/// The n-th flush of each thread of the relay fails.
///
/// # Panics
/// When something that was acknowledged is not there.
pub fn relay_flush_fails_at(at: u64, seed: u64, flushes: Flushes) {
    let mut relay = RelayProgram::new();
    let mut member = Member::new(seed, 1);
    let mut client = member.found(relay.place());
    let first = member.cell(1024);
    let cursor = client.push(std::slice::from_ref(&first)).expect("acknowledged")[0].cursor;
    // Not in order, so that there is a log to recover.
    relay.kill();
    let before = keep(&relay.data());
    let notes = relay.beside("trace");
    let mut promises = vec![(0, (first, cursor))];
    match relay.start_under(&Under::record(&notes).with(&Point::fails("fsync,fdatasync", at.to_string(), "EIO"))) {
        Ok(()) => {
            for _ in 0..PUSHES {
                let cell = member.cell(2048);
                let cursor = push_stubbornly(&member, &relay, &cell);
                promises.push((recording::read(&notes, &relay.data()).len(), (cell, cursor)));
            }
            assert!(relay.said().contains("the disk failed"), "it was not said: {}", relay.said());
        }
        // At the start it is said, and the program ends: a person or a supervisor starts it again.
        Err(_) => assert!(relay.said().contains("caro-relay: "), "{}", relay.said()),
    }
    relay.kill();
    assert!(has_failed(&notes), "the relay never came to flush {at}");
    let recording = Recording::new(before, recording::read(&notes, &relay.data()), promises);
    let mut cuts = Seed::new(seed).fork(at);
    for cut in [recording.len(), cuts.below(recording.len() as u64 + 1) as usize] {
        cut_relay(&member, &recording, cut, seed, flushes);
    }
}

/// The n-th flush of each thread of the daemon fails.
///
/// # Panics
/// When something that it had written is not there.
pub fn daemon_flush_fails_at(at: u64, seed: u64, flushes: Flushes) {
    let device = Device { home: Home::new() };
    device.home.caro_ok(&["daemon", "start"]);
    device.type_lines("zero", &["echo zero"]);
    device.expect_commands(&["echo zero"]);
    device.kill();
    let before = keep(&device.home.data());
    let notes = device.home.write("trace", "");
    let point = Point::fails("fsync,fdatasync", at.to_string(), "EIO");
    let mut commands = vec!["echo zero".to_owned()];
    if let Ok(held) = Held::start(&device.home, &Under::record(&notes).with(&point)) {
        for n in 0..COMMANDS {
            let line = format!("echo {n}");
            device.type_lines(&format!("shell-{n}"), &[&line]);
            eventually("it is recorded", || device.home.commands().contains(&line).then_some(()));
            // What is only in memory is in the shell's file still.
            eventually("it is written", || (!is_writing_late(&device)).then_some(()));
            commands.push(line);
        }
        device.home.caro_ok(&["daemon", "stop"]);
        drop(held);
    }
    assert!(has_failed(&notes), "the daemon never came to flush {at}");
    let changes = recording::read(&notes, &device.home.data());
    let of_the_database = |change: &Change| matches!(change, Change::FlushFailed(file) if file.starts_with("caro.db"));
    let (said, has_started) = (log(&device), commands.len() > 1);
    if has_started && changes.iter().any(of_the_database) {
        assert!(said.contains("is given up"), "it was not said: {said}");
    }
    let recording = Recording::<String>::new(before, changes, Vec::new());
    let after = Device { home: Home::new() };
    recording.image(recording.len(), &mut Seed::new(seed), flushes, &after.home.data());
    after.home.caro_ok(&["daemon", "start"]);
    expect_history(&after, &commands);
    expect_whole(&after);
}

/// Whether the flush was met.
fn has_failed(notes: &Path) -> bool {
    fs::read_to_string(notes).expect("a trace").contains("(INJECTED)")
}
