//! Several devices at the same time, and devices that have seen more than the relay has.

use std::{collections::BTreeSet, sync::Barrier, thread, time::Duration};

use caro_link::proof;
use caro_schema::{
    id::{CellId, Hash},
    relay::Entry,
};
use caro_tests::{eventually, eventually_within};

use super::{
    client::{Client, Member, entry_id},
    database::{self, cell_sizes},
    relay::RelayProgram,
    stage::{Stage, expect_one_after_the_other, keep, put_back},
    strace::{self, Beside, Fate, Point, thread_named},
};
use crate::{
    sabotage::Sabotage,
    scenario::{Body, Run, Tier},
};

/// What one author pushed, in its order, with the cursors that the relay gave.
pub(super) type Authored = Vec<(CellId, u64)>;

/// Pushes single cells, one after the other.
fn author(member: &Member, relay: &RelayProgram, device: usize, count: usize, start: &Barrier) -> (Client, Authored) {
    let mut own = Member::new(0x61_0000 + device as u64, 1);
    let mut client = member.enter(relay.place(), device).expect("it is let in");
    start.wait();
    let authored = (0..count).map(|_| {
        let cell = own.cell(1024);
        let accepted = client.push(std::slice::from_ref(&cell)).expect("acknowledged");
        (proof::cell_id(&cell), accepted[0].cursor)
    });
    let authored = authored.collect();
    (client, authored)
}

/// # Panics
/// When a log does not hold what the authors pushed, each once, each author's in order, without gaps.
pub(super) fn expect_log(log: &[Entry], authors: &[Authored]) {
    let ids: Vec<CellId> = log.iter().map(entry_id).collect();
    let cursors: BTreeSet<u64> = authors.iter().flatten().map(|(_, cursor)| *cursor).collect();
    let count: usize = authors.iter().map(Vec::len).sum();
    assert_eq!(cursors.len(), count, "a cursor was given twice");
    assert_eq!(ids.len(), count, "the log has {} of {count}", ids.len());
    for authored in authors {
        assert!(authored.windows(2).all(|pair| pair[0].1 < pair[1].1), "an author's order is lost");
        for (id, cursor) in authored {
            assert!(ids.get(*cursor as usize - 1) == Some(id), "not at its cursor");
        }
    }
}

/// S-CONC-01 with real programs.
pub const S_CONC_01: Body = Body { tier: Tier::Proc, broken_by: &[Sabotage::CursorFromOwnAck], run: both_push };

fn both_push(run: &mut Run) {
    let relay = RelayProgram::new();
    let member = Member::new(run.seed, 2);
    drop(member.found(relay.place()));
    let count = run.sized(500, 120);
    let start = Barrier::new(2);
    let (one, two) = thread::scope(|scope| {
        let one = scope.spawn(|| author(&member, &relay, 0, count, &start));
        let two = scope.spawn(|| author(&member, &relay, 1, count, &start));
        (one.join().expect("ran"), two.join().expect("ran"))
    });
    let authors = [one.1, two.1];
    for (mut client, authored) in [one.0, two.0].into_iter().zip(&authors) {
        if run.lacks(Sabotage::CursorFromOwnAck) {
            let own = authored.last().expect("pushed").1;
            client.pull(own, Hash([0; 32])).expect("sent");
            client.page().expect("it comes");
        }
        expect_log(&client.pull_all().expect("everything comes"), &authors);
    }
    if run.sabotage.is_none() {
        devices_push();
    }
}

/// The same with two daemons: as many commands as two people paste at once.
fn devices_push() {
    let mut stage = Stage::running();
    let lines = |name: &str| -> Vec<String> { (0..60).map(|n| format!("echo {name} {n}")).collect() };
    let (one, two) = (lines("laptop"), lines("desktop"));
    thread::scope(|scope| {
        // A session has a name that no other has: what two of one name begin at the same place in the same microsecond would
        // be one record.
        for (device, lines, session) in [(&stage.laptop, &one, "laptops"), (&stage.desktop, &two, "desktops")] {
            scope.spawn(move || {
                // One process is one shell: a second session of it would end the first, whose file then goes.
                for line in lines {
                    device.type_lines(session, &[line]);
                }
            });
        }
    });
    let all: Vec<String> = one.into_iter().chain(two).collect();
    stage.expect_all(&all);
}

/// S-CONC-02 with real programs.
pub const S_CONC_02: Body = Body { tier: Tier::Proc, broken_by: &[Sabotage::PageOffByOne], run: push_during_pull };

fn push_during_pull(run: &mut Run) {
    strace::require(run);
    let relay = RelayProgram::new();
    let mut member = Member::new(run.seed, 2);
    let mut client = member.found(relay.place());
    let before = run.sized(5000, 1200);
    let mut authored = Authored::new();
    while authored.len() < before {
        let cells: Vec<_> = (0..200).map(|_| member.cell(1024)).collect();
        let accepted = client.push(&cells).expect("acknowledged");
        authored.extend(accepted.iter().map(|accepted| (accepted.cell, accepted.cursor)));
    }
    // Between giving a cursor and committing it there is time for a reader to look.
    let late = Point { calls: "fsync,fdatasync".to_owned(), when: "1+".to_owned(), fate: Fate::Late(4000) };
    let beside = Beside::point(&late, relay.pid(), Some(thread_named(relay.pid(), "write")));
    let total = before + 100;
    let read = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reader = member.enter(relay.place(), 1).expect("it is let in");
            reader.pull(0, Hash([0; 32])).expect("sent");
            let (mut read, mut come) = (Vec::new(), 0);
            while come < total {
                let (mut entries, _) = reader.page().expect("it goes on");
                come += entries.len();
                if run.lacks(Sabotage::PageOffByOne) {
                    entries.pop();
                }
                read.extend(entries);
            }
            read
        });
        let mut own = Member::new(run.seed + 7, 1);
        for _ in 0..100 {
            let accepted = client.push(&[own.cell(1024)]).expect("acknowledged");
            authored.push((accepted[0].cell, accepted[0].cursor));
        }
        reader.join().expect("ran")
    });
    beside.end();
    expect_log(&read, &[authored]);
}

/// S-CONC-03 with real programs.
pub const S_CONC_03: Body =
    Body { tier: Tier::Proc, broken_by: &[Sabotage::SkipRetry, Sabotage::DropOutboxOnError], run: push_rapidly };

fn push_rapidly(run: &mut Run) {
    let mut stage = Stage::running();
    let lines: Vec<String> = (0..100).map(|n| format!("echo laptop {n:03}")).collect();
    if run.sabotage.is_some() {
        stage.laptop.home.caro_ok(&["sync", "off"]);
    }
    // Somebody beside whose cells can be told apart: a history is shown by time, whatever came first.
    let member = Member::new(run.seed, 1);
    drop(member.found(stage.relay.place()));
    let (mut client, authored) = thread::scope(|scope| {
        let beside = scope.spawn(|| author(&member, &stage.relay, 0, lines.len(), &Barrier::new(1)));
        for line in &lines {
            stage.laptop.type_lines("one", &[line]);
        }
        beside.join().expect("ran")
    });
    expect_log(&client.pull_all().expect("everything comes"), &[authored]);
    drop(client);
    if run.lacks(Sabotage::DropOutboxOnError) {
        eventually("it waits to be sent", || (super::kills::pending_up(&stage.laptop) > 0).then_some(()));
        stage.laptop.kill();
        database::forget_outbox(&stage.laptop.home.data());
        stage.laptop.home.caro_ok(&["daemon", "start"]);
        stage.laptop.home.caro_ok(&["sync", "on"]);
    }
    if run.lacks(Sabotage::SkipRetry) {
        return stage.expect_all_by_themselves(&lines);
    }
    if run.sabotage.is_none() {
        expect_one_after_the_other(&stage.desktop, &lines);
        five_at_once(run);
    }
    stage.expect_all(&lines);
}

fn five_at_once(run: &Run) {
    let relay = RelayProgram::new();
    let member = Member::new(run.seed, 5);
    drop(member.found(relay.place()));
    let start = Barrier::new(5);
    let done: Vec<(Client, Authored)> = thread::scope(|scope| {
        let start = &start;
        let (member, relay) = (&member, &relay);
        let running: Vec<_> =
            (0..5).map(|device| scope.spawn(move || author(member, relay, device, 40, start))).collect();
        running.into_iter().map(|thread| thread.join().expect("ran")).collect()
    });
    let (clients, authors): (Vec<Client>, Vec<Authored>) = done.into_iter().unzip();
    for mut client in clients {
        expect_log(&client.pull_all().expect("everything comes"), &authors);
    }
}

/// S-CONC-04 with real programs.
pub const S_CONC_04: Body = Body { tier: Tier::Proc, broken_by: &[Sabotage::SkipRetry], run: fan_out };

fn fan_out(run: &mut Run) {
    let relay = RelayProgram::new();
    let mut member = Member::new(run.seed, 3);
    let mut writer = member.found(relay.place());
    let versions = run.sized(1000, 250);
    let mut live = member.enter(relay.place(), 2).expect("it is let in");
    live.pull(0, Hash([0; 32])).expect("sent");
    let (mut authored, mut seen) = (Authored::new(), Vec::new());
    for _ in 0..versions {
        let accepted = writer.push(&[member.cell(1024)]).expect("acknowledged");
        authored.push((accepted[0].cell, accepted[0].cursor));
        while seen.len() < authored.len() {
            seen.extend(live.page().expect("it goes on").0);
        }
    }
    let mut away = Vec::new();
    let mut pulled = 0;
    if !run.lacks(Sabotage::SkipRetry) {
        let mut client = member.enter(relay.place(), 1).expect("it is let in");
        away = client.pull_all().expect("everything comes");
        pulled = client.pulled_bytes;
    }
    let missing = versions as u64 * 1024;
    for (log, bytes) in [(&seen, live.pulled_bytes), (&away, pulled)] {
        expect_log(log, std::slice::from_ref(&authored));
        assert!(bytes * 10 <= missing * 11, "{bytes} bytes for {missing} that were missing");
    }
    // Who has everything and comes back is sent nothing.
    let (cursor, head) = live.stands();
    drop(live);
    let mut again = member.enter(relay.place(), 2).expect("it is let in");
    again.pull(cursor, head).expect("sent");
    assert!(again.page().expect("an empty page").0.is_empty() && again.pulled_bytes == 0);
}

/// S-CONV-02 with real programs.
pub const S_CONV_02: Body = Body { tier: Tier::Proc, broken_by: &[Sabotage::AcceptRollback], run: older_backup };

fn older_backup(run: &mut Run) {
    let mut stage = Stage::running();
    let mut all = vec!["echo first".to_owned()];
    stage.laptop.type_lines("one", &["echo first"]);
    super::stage::settle(&stage.devices());
    // A restart alone is no news.
    stage.relay.stop();
    stage.relay.start();
    super::stage::settle(&stage.devices());
    stage.relay.stop();
    let backup = keep(&stage.relay.data());
    stage.relay.start();
    for n in 0..3 {
        let line = format!("echo later {n}");
        let device = stage.devices()[n % 2];
        device.type_lines(&format!("later-{n}"), &[&line]);
        all.push(line);
    }
    super::stage::settle(&stage.devices());
    stage.relay.stop();
    let known = cell_sizes(&stage.relay.database()).len();
    put_back(&backup, &stage.relay.data());
    let kept = cell_sizes(&stage.relay.database()).len();
    assert!(kept < known, "the backup lacks nothing: {kept} cells of {known}");
    if run.lacks(Sabotage::AcceptRollback) {
        stage.relay.renew();
    }
    stage.relay.start();
    for device in stage.devices() {
        eventually_within(Duration::from_secs(10), "it is said that the relay has forgotten", || {
            let status = device.home.caro_ok(&["sync", "status", "--json"]);
            status.contains("rolled_back").then_some(())
        });
    }
    // Its owner says that it was restored: devices offer again what it lacks.
    stage.relay.stop();
    stage.relay.renew();
    stage.relay.start();
    for device in stage.devices() {
        device.home.caro_ok(&["sync", "on"]);
    }
    stage.expect_all(&all);
    // The relay alone has everything again: somebody who comes with nothing gets all of it.
    let again = cell_sizes(&stage.relay.database()).len();
    assert!(again >= known, "{again} cells of {known}, {kept} of which were in the backup");
}
