//! Cells and collections that rot, are cut, come twice or only in part, in the files of a real relay.

use std::{collections::BTreeSet, time::Duration};

use caro_link::proof;
use caro_schema::{
    id::Hash,
    relay::{Entry, ErrorCode, ToDevice, ToRelay},
};
use caro_tests::{Device, eventually, eventually_within};
use serde_bytes::ByteBuf;

use super::{
    client::{Member, entry_id, expect_held},
    database::{Place, RelayDatabase},
    relay::RelayProgram,
    stage::{Stage, expect_whole},
    strace::{self, Beside, Point, SENDS},
};
use crate::{
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier, words},
    seed::Seed,
};

/// A command of the laptop is at the relay, the desktop is away, and nothing runs. Gives where the cell is.
fn one_cell_on_its_way(stage: &mut Stage, line: &str) -> (Place, Vec<u8>) {
    let before = {
        stage.relay.stop();
        RelayDatabase::open(&stage.relay.database()).cells().len()
    };
    stage.relay.start();
    stage.laptop.home.caro_ok(&["daemon", "start"]);
    stage.laptop.type_lines("one", &[line]);
    stage.laptop.expect_commands(&[line]);
    stage.laptop.sync();
    stage.laptop.home.caro_ok(&["daemon", "stop"]);
    stage.relay.stop();
    let cells = RelayDatabase::open(&stage.relay.database()).cells();
    assert!(cells.len() > before, "the cell is not there");
    cells[before].clone()
}

/// What a device says about its account.
fn status(device: &Device) -> String {
    device.home.caro_ok(&["sync", "status", "--json"])
}

/// S-BLOB-01 in the files of a real relay.
pub const S_BLOB_01: Body = Body { tier: Tier::Store, broken_by: &[Sabotage::SkipCellHash], run: flipped_on_its_way };

fn flipped_on_its_way(run: &mut Run) {
    let mut seed = Seed::new(run.seed);
    // Between sealing and hashing: everything that can be computed without a key fits.
    let mut stage = Stage::new();
    let (place, mut cell) = one_cell_on_its_way(&mut stage, "echo canary flipped");
    let at = 2 + seed.below(cell.len() as u64 - 2) as usize;
    cell[at] ^= 1 << seed.below(8);
    RelayDatabase::open(&stage.relay.database()).forge(place, &cell);
    stage.relay.expect_sound();
    stage.relay.start();
    stage.desktop.home.caro_ok(&["daemon", "start"]);
    eventually("it is noticed", || {
        let status: serde_json::Value = serde_json::from_str(status(&stage.desktop).trim()).expect("JSON");
        let counted = ["refused", "waiting"].iter().any(|key| status[key].as_u64().is_some_and(|count| count > 0));
        let warned = status["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty());
        let stopped = status.to_string().contains("\"stopped\"");
        (counted || warned || stopped).then_some(())
    });
    assert!(stage.desktop.home.commands().is_empty(), "a cell that was altered was taken");
    expect_whole(&stage.desktop);
    drop(stage);
    // Between hashing and sending: the bytes no longer are what the id says.
    let mut stage = Stage::new();
    let (place, mut cell) = one_cell_on_its_way(&mut stage, "echo canary flipped");
    cell[at] ^= 1 << seed.below(8);
    let database = RelayDatabase::open(&stage.relay.database());
    if run.lacks(Sabotage::SkipCellHash) {
        database.forge(place, &cell)
    } else {
        database.rot(place, &cell)
    }
    drop(database);
    assert!(!stage.relay.verify().is_sound(), "the relay's own check is content");
    stage.relay.start();
    stage.desktop.home.caro_ok(&["daemon", "start"]);
    eventually("it is said", || stage.relay.said().contains("does not have the bytes").then_some(()));
    assert!(stage.desktop.home.commands().is_empty());
}

/// S-BLOB-02 in the files of a real relay, and in a tight loop.
pub const S_BLOB_02: Scenario = Scenario {
    id: "S-BLOB-02",
    title: "Hash mismatch on retrieval",
    injection: "Stored cell modified after hashing, single bit. Also: 10,000 x 1 KB in a tight loop",
    outcome: "Detected, quarantined, fetched again. All 10,000 arrive, no order or dedup error",
    bodies: &[
        Body { tier: Tier::Store, broken_by: &[Sabotage::SkipCellHash], run: modified_where_it_lies },
        Body { tier: Tier::Proc, broken_by: &[Sabotage::PageOffByOne], run: tight_loop },
    ],
};

fn modified_where_it_lies(run: &mut Run) {
    let mut relay = RelayProgram::new();
    let mut member = Member::new(run.seed, 2);
    let mut client = member.found(relay.place());
    let pushed: Vec<ByteBuf> = (0..9).map(|_| member.cell(1024)).collect();
    client.push(&pushed).expect("acknowledged");
    drop(client);
    relay.stop();
    let mut seed = Seed::new(run.seed);
    let victim = seed.below(9) as usize;
    let (place, mut cell) = RelayDatabase::open(&relay.database()).cells()[victim].clone();
    cell[seed.below(1024) as usize] ^= 1 << seed.below(8);
    let database = RelayDatabase::open(&relay.database());
    if run.lacks(Sabotage::SkipCellHash) {
        database.forge(place, &cell)
    } else {
        database.rot(place, &cell)
    }
    drop(database);
    let faults = relay.verify().faults;
    assert_eq!(faults.len(), 1, "{faults:?}");
    relay.start();
    let mut reader = member.enter(relay.place(), 1).expect("it is let in");
    let log = reader.pull_all().expect("everything comes");
    for (at, entry) in log.iter().enumerate() {
        // Never the altered bytes; the chain holds, so all the others still count.
        let expected =
            if at == victim { Entry::Gone(proof::cell_id(&pushed[at])) } else { Entry::Cell(pushed[at].clone()) };
        assert!(entry == &expected, "entry {at}");
    }
    assert!(relay.said().contains("does not have the bytes"), "{}", relay.said());
    // Who has it pushes it again: it is known by its place, and nothing is doubled.
    let again = reader.push(&pushed[victim..=victim]).expect("acknowledged");
    assert_eq!(again[0].cursor, victim as u64 + 1);
    // And with that it is whole again, for everybody.
    let mut later = member.enter(relay.place(), 0).expect("it is let in");
    assert!(later.pull_all().expect("everything comes").into_iter().eq(pushed.into_iter().map(Entry::Cell)));
    relay.stop();
    relay.expect_sound();
}

fn tight_loop(run: &mut Run) {
    let relay = RelayProgram::with_limits("messages_per_second = 100000");
    let mut member = Member::new(run.seed, 2);
    let mut client = member.found(relay.place());
    let count = run.sized(10_000, 2_000);
    let mut acknowledged = Vec::new();
    while acknowledged.len() < count {
        let cells: Vec<ByteBuf> = (0..100).map(|_| member.cell(1024)).collect();
        let accepted = client.push(&cells).expect("acknowledged");
        acknowledged.extend(cells.into_iter().zip(accepted).map(|(cell, accepted)| (cell, accepted.cursor)));
    }
    assert!(acknowledged.iter().zip(1..).all(|((_, cursor), expected)| *cursor == expected), "an order is lost");
    let mut reader = member.enter(relay.place(), 1).expect("it is let in");
    let mut log = reader.pull_all().expect("everything comes");
    if run.lacks(Sabotage::PageOffByOne) {
        log.pop();
    }
    assert!(log.into_iter().eq(acknowledged.into_iter().map(|(cell, _)| Entry::Cell(cell))));
}

/// S-BLOB-03 in the files of a real relay.
pub const S_BLOB_03: Body = Body { tier: Tier::Store, broken_by: &[Sabotage::AcceptShortCell], run: cut_cells };

fn cut_cells(run: &mut Run) {
    let mut relay = RelayProgram::new();
    let mut member = Member::new(run.seed, 2);
    let client = member.found(relay.place());
    let mut seed = Seed::new(run.seed);
    // A cell that ends early is no cell.
    for _ in 0..3 {
        let mut cut = member.cell(1024);
        cut.truncate(seed.below(1024) as usize);
        let mut sender = member.enter(relay.place(), 0).expect("it is let in");
        sender.send(&ToRelay::Push { cells: vec![cut] }).expect("sent");
        assert_eq!(sender.refusal(), Some(ErrorCode::Malformed));
    }
    // The same cell from two devices: stored once, and both see it. A device has one session; the last one counts.
    drop(client);
    let mut client = member.enter(relay.place(), 0).expect("it is let in");
    let shared = member.cell(2048);
    let one = client.push(std::slice::from_ref(&shared)).expect("acknowledged");
    let mut other = member.enter(relay.place(), 1).expect("it is let in");
    let two = other.push(std::slice::from_ref(&shared)).expect("acknowledged");
    assert_eq!(one, two);
    assert!(other.pull_all().expect("everything comes").iter().map(entry_id).eq([proof::cell_id(&shared)]));
    drop((client, other));
    expect_held(&member, relay.place(), &[(shared.clone(), 1)]);
    relay.stop();
    // What is stored ends early: never given out, filled up or not.
    let database = RelayDatabase::open(&relay.database());
    let (place, whole) = database.cells()[0].clone();
    let mut short = whole[..seed.below(2047) as usize + 1].to_vec();
    if run.lacks(Sabotage::AcceptShortCell) {
        short.resize(2048, 0);
        database.forge(place, &short);
    } else {
        database.rot(place, &short);
    }
    drop(database);
    relay.start();
    let mut reader = member.enter(relay.place(), 1).expect("it is let in");
    let log = reader.pull_all().expect("everything comes");
    assert!(log == [Entry::Gone(proof::cell_id(&shared))], "a cell that ends early was given out");
}

/// S-BLOB-04.
pub const S_BLOB_04: Scenario = Scenario {
    id: "S-BLOB-04",
    title: "Same content sealed twice",
    injection: "One plaintext sealed twice. Also: zero-byte content",
    outcome: "Ciphertexts differ, plaintexts equal. Empty content handled and not mistaken for \"no data\"",
    bodies: &[Body { tier: Tier::Store, broken_by: &[Sabotage::FixedNonce], run: sealed_twice }],
};

fn sealed_twice(run: &mut Run) {
    let mut stage = Stage::running();
    let line = format!("echo canary {}", run.seed);
    for device in stage.devices() {
        device.type_lines("same", &[&line]);
        device.sync();
    }
    // A command of nothing: typed, and either not worth a record or one like any other; never in the way of the next.
    stage.laptop.type_lines("empty", &[""]);
    stage.laptop.type_lines("next", &["echo next"]);
    super::stage::settle(&stage.devices());
    let expected = [line.clone(), line, "echo next".to_owned()];
    for device in stage.devices() {
        eventually_within(Duration::from_secs(10), "both have both", || {
            let mut have = device.home.commands();
            have.retain(|command| !command.is_empty());
            have.sort();
            (have == expected).then_some(())
        });
        device.home.caro_ok(&["daemon", "stop"]);
    }
    stage.relay.stop();
    let mut cells: Vec<Vec<u8>> =
        RelayDatabase::open(&stage.relay.database()).cells().into_iter().map(|(_, cell)| cell).collect();
    if run.lacks(Sabotage::FixedNonce) {
        cells.push(cells[0].clone());
    }
    // No sixteen bytes of sealed text come twice anywhere.
    let mut seen = BTreeSet::new();
    for cell in &cells {
        for block in cell[128..].chunks_exact(16) {
            assert!(seen.insert(block.to_vec()), "the same sealed bytes twice");
        }
    }
}

/// C-COLL-01 with real programs. A collection is here an import: one command, many cells.
pub const C_COLL_01: Body = Body { tier: Tier::Store, broken_by: &[Sabotage::TrustManifest], run: import_in_part };

/// A shell's history file of commands that do not compress, so that they need several full cells.
fn history_file(seed: u64, lines: usize) -> (String, Vec<String>) {
    let mut noise = Seed::new(seed).fork(5);
    let lines: Vec<String> = (0..lines)
        .map(|n| format!("echo {n} {:016x}{:016x}{:016x}", noise.draw(), noise.draw(), noise.draw()))
        .collect();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let stamped = lines.iter().zip(0..).map(|(line, n)| format!("#{}\n{line}\n", now - 10_000 + n));
    (stamped.collect(), lines)
}

fn import_in_part(run: &mut Run) {
    strace::require(run);
    let mut stage = Stage::running();
    let (text, lines) = history_file(run.seed, run.sized(8000, 3000));
    let file = stage.laptop.home.write("old_history", text);
    // The connection goes after some of the cells.
    let n = 2 + Seed::new(run.seed).below(4);
    let beside = Beside::point(&Point::killed_at(SENDS, n), stage.relay.pid(), None);
    stage.laptop.home.caro_ok(&["import", "bash", &file.display().to_string()]);
    stage.laptop.home.caro_ok(&["sync", "status"]);
    stage.relay.expect_killed();
    drop(beside);
    let have = stage.desktop.home.count();
    assert!(have < lines.len() as u64, "all of it came through");
    if run.lacks(Sabotage::TrustManifest) {
        // The list said that there is nothing more to send.
        eventually("there is", || (super::kills::pending_up(&stage.laptop) > 1).then_some(()));
        stage.laptop.kill();
        super::database::forget_outbox(&stage.laptop.home.data());
        stage.laptop.home.caro_ok(&["daemon", "start"]);
    }
    // The relay is back and can be asked, and has no room for another part: who has only some of them cannot be done.
    stage.relay.set_limits("bytes_per_account = 1");
    stage.relay.start();
    stage.desktop.sync();
    let now = stage.laptop.home.caro(&["sync", "now", "--wait", "1"]);
    assert!(!now.status.success(), "shown as complete, with {have} of {}", lines.len());
    assert!(stage.desktop.home.count() < lines.len() as u64, "all of it came through");
    stage.relay.stop();
    stage.relay.set_limits("");
    stage.relay.start();
    stage.expect_all(&lines);
}

/// C-COLL-02 in the files of a real relay.
pub const C_COLL_02: Body = Body { tier: Tier::Store, broken_by: &[Sabotage::TrustManifest], run: corrupt_list };

/// The list of an account's log is the names of its cells, chained: with a bit of it flipped a device takes nothing of the
/// page that it comes in.
fn corrupt_list(run: &mut Run) {
    let mut relay = RelayProgram::new();
    let mut member = Member::new(run.seed, 2);
    let mut client = member.found(relay.place());
    let pushed: Vec<ByteBuf> = (0..200).map(|_| member.cell(4096)).collect();
    for cells in pushed.chunks(20) {
        client.push(cells).expect("acknowledged");
    }
    // A member goes while somebody is in the middle of fetching.
    let mut reader = member.enter(relay.place(), 1).expect("it is let in");
    reader.pull(0, Hash([0; 32])).expect("sent");
    let mut log = reader.page().expect("a first page").0;
    let purged = proof::cell_id(&pushed[199]);
    client.send(&ToRelay::Purge { cells: vec![purged] }).expect("sent");
    assert!(matches!(client.hear(), Some(ToDevice::Purged { count: 1 })));
    while log.len() < pushed.len() {
        log.extend(reader.page().expect("it goes on").0);
    }
    let last = log.last().expect("there");
    assert!(matches!(last, Entry::Gone(id) if *id == purged) || *last == Entry::Cell(pushed[199].clone()));
    let mut later = member.enter(relay.place(), 1).expect("it is let in");
    assert!(later.pull_all().expect("everything comes").last() == Some(&Entry::Gone(purged)));
    drop((client, reader, later));
    relay.stop();
    // A bit of the list: in the name of one of the first page's cells.
    if !run.lacks(Sabotage::TrustManifest) {
        let mut seed = Seed::new(run.seed);
        let database = RelayDatabase::open(&relay.database());
        let (place, _) = database.cells()[seed.below(10) as usize];
        database.rot_name(place, seed.below(32) as usize, seed.below(8));
    }
    assert!(!relay.verify().is_sound(), "the check is content");
    relay.start();
    // The device that knows where the log stood sees another past, and takes nothing.
    let taken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut client = member.enter(relay.place(), 1)?;
        client.pull(0, Hash([0; 32]))?;
        // The first page, of which nothing is taken.
        client.page()
    }));
    let cause = taken.expect_err("what the list does not vouch for was served");
    let said = words(&*cause);
    assert!(said.contains("another past"), "{said}");
    assert!(relay.said().contains("does not have the bytes"), "{}", relay.said());
    assert!(relay.is_running());
}
