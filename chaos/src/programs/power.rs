//! The power goes: at every prefix of what a real program did to its files, with what was not flushed lost, torn or out of
//! order. Each image is opened by the real program.

use std::{fs, path::Path};

use caro_tests::{Device, Home, eventually};
use serde_bytes::ByteBuf;

use super::{
    client::{Member, expect_held},
    image::{Disk, Flushes},
    recording::{self, Change},
    relay::RelayProgram,
    stage::{Held, Stage, expect_among, expect_history, expect_whole, keep},
    strace::{self, Under},
};
use crate::{
    sabotage::Sabotage,
    scenario::{Body, Run, Tier},
    seed::Seed,
};

/// A run of a program: what its folder held before, what it did to it, and what it had promised after how many changes.
pub struct Recording<P> {
    before: tempfile::TempDir,
    changes: Vec<Change>,
    promises: Vec<(usize, P)>,
}

impl<P> Recording<P> {
    /// From its parts.
    pub fn new(before: tempfile::TempDir, changes: Vec<Change>, promises: Vec<(usize, P)>) -> Self {
        Self { before, changes, promises }
    }

    /// How many changes there are: the power can go after each, and before the first.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing was done.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// What had been promised when the power went after so many changes.
    fn promised(&self, cut: usize) -> impl Iterator<Item = &P> {
        self.promises.iter().filter(move |(at, _)| *at <= cut).map(|(_, promise)| promise)
    }

    /// Writes what the disk holds then.
    pub fn image(&self, cut: usize, seed: &mut Seed, flushes: Flushes, folder: &Path) {
        let mut disk = Disk::of(self.before.path(), flushes);
        self.changes[..cut].iter().for_each(|change| disk.take(change));
        disk.write(seed, folder);
    }
}

/// Flushes as the run has them.
pub fn flushes(run: &Run) -> Flushes {
    if run.lacks(Sabotage::NoFsync) { Flushes::Ignored } else { Flushes::Honest }
}

/// The relay founds an account and takes cells, with a purge and a restart in between.
///
/// # Panics
/// When the relay does not do it.
pub fn record_relay(seed: u64) -> (Member, Recording<(ByteBuf, u64)>) {
    let mut relay = RelayProgram::new();
    let mut member = Member::new(seed, 1);
    drop(member.found(relay.place()));
    relay.stop();
    let before = keep(&relay.data());
    let notes = relay.beside("trace");
    relay.start_under(&Under::record(&notes)).expect("it starts");
    let mut client = member.enter(relay.place(), 0).expect("it is let in");
    let mut promises = Vec::new();
    let mut seed = Seed::new(seed).fork(1);
    for _ in 0..8 {
        let cells: Vec<ByteBuf> = (0..=seed.below(3)).map(|_| member.cell(1024 << seed.below(4))).collect();
        let accepted = client.push(&cells).expect("acknowledged");
        // The trace has everything that was done before the acknowledgement was sent, and perhaps a little more.
        let done = recording::read(&notes, &relay.data()).len();
        promises.extend(cells.into_iter().zip(accepted).map(|(cell, accepted)| (done, (cell, accepted.cursor))));
    }
    drop(client);
    relay.stop();
    let changes = recording::read(&notes, &relay.data());
    (member, Recording { before, changes, promises })
}

/// Opens what the disk holds when the power goes at a moment, with the real relay.
///
/// # Panics
/// When something that was acknowledged is not there, or the database is not whole.
pub fn cut_relay(member: &Member, recording: &Recording<(ByteBuf, u64)>, cut: usize, seed: u64, flushes: Flushes) {
    let mut relay = RelayProgram::prepared("");
    recording.image(cut, &mut Seed::new(seed).fork(cut as u64), flushes, &relay.data());
    relay.start();
    let acknowledged: Vec<(ByteBuf, u64)> = recording.promised(cut).cloned().collect();
    expect_held(member, relay.place(), &acknowledged);
    relay.stop();
    relay.expect_sound();
    assert!(!relay.said().contains("panicked"), "{}", relay.said());
}

/// Cuts of one run, each with a seed of its own.
const CUTS: u64 = 6;

/// T-CONN-01 on a disk that loses power.
pub const T_CONN_01: Body = Body {
    tier: Tier::Store,
    broken_by: &[Sabotage::NoFsync],
    run: |run: &mut Run| {
        strace::require(run);
        let (member, recording) = record_relay(run.seed);
        let mut seed = Seed::new(run.seed);
        for cut in 0..CUTS {
            let at = seed.below(recording.len() as u64 + 1) as usize;
            cut_relay(&member, &recording, at, run.seed ^ cut, flushes(run));
        }
        // The last moment, when everything had been promised.
        cut_relay(&member, &recording, recording.len(), run.seed, flushes(run));
    },
};

/// A device of an account that records commands while the relay is away, so that all of it waits to be sent.
///
/// # Panics
/// When the daemon does not do it.
pub fn record_daemon() -> Recording<String> {
    let stage = Stage::unstarted();
    let (home, notes) = (&stage.laptop.home, stage.relay.beside("trace"));
    let before = keep(&home.data());
    let held = Held::start(home, &Under::record(&notes)).expect("it starts");
    let mut promises = Vec::new();
    for round in 0..5 {
        let line = format!("echo laptop {round}");
        stage.laptop.type_lines(&format!("shell-{round}"), &[&line]);
        eventually("it is recorded", || home.commands().contains(&line).then_some(()));
        // It is shown before it is written, by milliseconds. The loop answers this one after it has written.
        let waiting = || super::kills::pending_up(&stage.laptop);
        eventually("it waits to be sent", || (waiting() > round).then_some(()));
        promises.push((recording::read(&notes, &home.data()).len(), line));
    }
    home.caro_ok(&["daemon", "stop"]);
    drop(held);
    Recording { before, changes: recording::read(&notes, &home.data()), promises }
}

/// Opens what the disk holds when the power goes at a moment, with the real daemon, and lets it sync.
///
/// # Panics
/// When something that was recorded is not there, does not reach the other device, or the database is not whole.
pub fn cut_daemon(recording: &Recording<String>, cut: usize, seed: u64, flushes: Flushes) {
    let mut stage = Stage::unstarted();
    let data = stage.laptop.home.data();
    fs::remove_dir_all(&data).expect("removed");
    recording.image(cut, &mut Seed::new(seed).fork(cut as u64), flushes, &data);
    // What shells wrote is taken to be gone with them: the database alone has to have it.
    let promised: Vec<String> = recording.promised(cut).cloned().collect();
    stage.laptop.home.caro_ok(&["daemon", "start"]);
    expect_whole(&stage.laptop);
    // It answers before it has read all of it.
    let have = expect_among(&stage.laptop, &promised);
    stage.expect_all(&have);
}

/// S-SM-04 on a disk that loses power.
pub const S_SM_04: Body = Body {
    tier: Tier::Store,
    broken_by: &[Sabotage::NoFsync],
    run: |run: &mut Run| {
        strace::require(run);
        let recording = record_daemon();
        let mut seed = Seed::new(run.seed);
        for cut in 0..2 {
            let at = seed.below(recording.len() as u64 + 1) as usize;
            cut_daemon(&recording, at, run.seed ^ cut, flushes(run));
        }
        cut_daemon(&recording, recording.len(), run.seed, flushes(run));
        first_start(&mut seed, flushes(run));
    },
};

/// The very first start of a daemon loses power: the next one begins again, or goes on, and never asks a person to clean up.
fn first_start(seed: &mut Seed, flushes: Flushes) {
    let home = Home::new();
    fs::create_dir_all(home.data()).expect("made");
    let before = keep(&home.data());
    let notes = home.write("trace", "");
    let held = Held::start(&home, &Under::record(&notes)).expect("it starts");
    home.caro_ok(&["daemon", "stop"]);
    drop(held);
    let changes = recording::read(&notes, &home.data());
    let recording = Recording::<String> { before, changes, promises: Vec::new() };
    let device = Device { home: Home::new() };
    let cut = seed.below(recording.len() as u64 + 1) as usize;
    recording.image(cut, seed, flushes, &device.home.data());
    device.home.caro_ok(&["daemon", "start"]);
    device.type_lines("one", &["echo first"]);
    expect_history(&device, &["echo first".to_owned()]);
    expect_whole(&device);
}
