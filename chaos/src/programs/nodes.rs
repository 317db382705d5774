//! Several relays on one PostgreSQL server, all of them real: relays and servers die, freeze, fill up and lose each other,
//! and an account sees one log all the same.
//!
//! Each relay is a node: it keeps nothing but the keys, which are the same for all. What the protections are is in
//! `relay/src/log/postgres`; a missing one is played here, on the server's own files and rows.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use caro_relay::log::postgres::{Setting, Source, verify::verify};
use caro_schema::{
    id::Hash,
    relay::{ErrorCode, ToRelay},
};
use caro_tests::{Postgres, eventually, eventually_within};
use rustix::process::Signal;
use serde_bytes::ByteBuf;

use super::{
    client::{Client, Member, expect_held},
    disks::Mount,
    relay::RelayProgram,
    strace::{self, Beside, Point, SENDS},
};
use crate::{
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    seed::Seed,
};

/// What was acknowledged: a cell and its cursor.
type Acknowledged = Vec<(ByteBuf, u64)>;

/// A server and two nodes on it.
struct Nodes {
    server: Postgres,
    nodes: [RelayProgram; 2],
}

impl Nodes {
    fn start(run: &Run) -> Self {
        let Some(server) = Postgres::start("several relays on one server") else { run.skip("the package postgresql") };
        let nodes = nodes_at(&server.address());
        Self { server, nodes }
    }

    /// Everything that was acknowledged is at both, and what the server keeps holds together.
    fn expect_all(mut self, member: &Member, acknowledged: &[(ByteBuf, u64)]) {
        for node in &mut self.nodes {
            if !node.is_running() {
                node.start();
            }
            expect_held(member, node.place(), acknowledged);
        }
        for node in &mut self.nodes {
            assert!(!node.said().contains("panicked"), "{}", node.said());
            node.stop();
        }
        expect_sound(&self.server.address());
    }
}

/// Two nodes, started, with the keys of the first.
fn nodes_at(address: &str) -> [RelayProgram; 2] {
    let prepared = || {
        let node = RelayProgram::prepared("");
        let settings = format!("storage = \"{address}\"\nstorage_connections = 4\n");
        fs::write(node.beside("relay.toml"), settings).expect("written");
        node
    };
    let mut nodes = [prepared(), prepared()];
    nodes[0].start();
    fs::create_dir(nodes[1].data()).expect("made");
    fs::set_permissions(nodes[1].data(), fs::Permissions::from_mode(0o700)).expect("closed");
    for key in ["session.key", "signing.key"] {
        fs::copy(nodes[0].data().join(key), nodes[1].data().join(key)).expect("copied");
    }
    nodes[1].start();
    nodes
}

/// # Panics
/// When something in the database does not hold.
fn expect_sound(address: &str) {
    let source = Source::open(&Setting { address: address.to_owned(), ..Setting::default() }).expect("an address");
    let report = verify(&source).expect("it can be read");
    assert!(report.is_sound(), "{:?}", report.faults);
}

/// What a server that acknowledges before it has written would have lost in the crash: everything from a cursor on.
fn take_back(server: &Postgres, from: u64) {
    server.sql(&format!(
        "DELETE FROM caro_relay.entry WHERE cursor >= {from};
         UPDATE caro_relay.account SET cursor = {from} - 1, head = coalesce(
             (SELECT head FROM caro_relay.entry WHERE cursor = {from} - 1), decode(repeat('00', 32), 'hex')),
             used_bytes = (SELECT coalesce(sum(octet_length(cell) + 160), 0) FROM caro_relay.entry)"
    ));
}

/// A session that follows the log from its beginning.
fn follower(member: &Member, node: &RelayProgram, device: usize) -> Client {
    let mut reader = member.enter(node.place(), device).expect("it is let in");
    reader.pull(0, Hash([0; 32])).expect("sent");
    reader
}

/// Reads on until everything up to a cursor has come. Each page is checked to continue where the last one ended. A device
/// that is told that its page could not be read asks for it again.
fn follow_to(reader: &mut Client, cursor: u64) {
    eventually("it comes live", || {
        if reader.stands().0 >= cursor {
            return Some(());
        }
        if let Err(code) = reader.page_or_refusal().expect("it is in") {
            assert_eq!(code, ErrorCode::StorageUnavailable);
            let (after, head) = reader.stands();
            reader.pull(after, head).expect("sent");
        }
        None
    });
}

/// Pushes a cell until it is taken, as a device does that is told to come again, over the session that is there.
fn push_on(client: &mut Client, cell: &ByteBuf, patience: Duration) -> u64 {
    eventually_within(patience, "it is taken in the end", || match client.push_or_refusal(cell) {
        Ok(cursor) => Some(cursor),
        Err(code) => {
            assert_eq!(code, ErrorCode::StorageUnavailable);
            None
        }
    })
}

/// How long a server that is back may take to be noticed.
const BACK_WITHIN: Duration = Duration::from_secs(20);

/// MN-1.
pub const MN_1: Scenario = Scenario {
    id: "MN-1",
    title: "Node killed in mid-push",
    injection: "2 relays on one database, SIGKILL one at a send, to a device or to the database",
    outcome: "Nothing acknowledged is lost; the device pushes the rest at the other, where it has one cursor; who listens \
              there sees all of it live, in order, once",
    bodies: &[Body { tier: Tier::Proc, broken_by: &[Sabotage::AckBeforeCommit], run: node_dies }],
};

fn node_dies(run: &mut Run) {
    strace::require(run);
    let mut all = Nodes::start(run);
    let mut member = Member::new(run.seed, 2);
    let mut client = member.found(all.nodes[0].place());
    let mut reader = follower(&member, &all.nodes[1], 1);
    let mut acknowledged = Vec::new();
    let push = |client: &mut Client, acknowledged: &mut Acknowledged, cell: ByteBuf| -> Option<()> {
        let accepted = client.push(std::slice::from_ref(&cell))?;
        acknowledged.push((cell, accepted[0].cursor));
        Some(())
    };
    push(&mut client, &mut acknowledged, member.cell(1024)).expect("acknowledged");
    let n = 1 + Seed::new(run.seed).below(6);
    let beside = Beside::point(&Point::killed_at(SENDS, n), all.nodes[0].pid(), None);
    let unsure = loop {
        let cell = member.cell(1024);
        if push(&mut client, &mut acknowledged, cell.clone()).is_none() {
            break cell;
        }
    };
    all.nodes[0].expect_killed();
    drop(beside);
    if run.lacks(Sabotage::AckBeforeCommit) {
        take_back(&all.server, acknowledged.last().expect("one at least").1);
    }
    // Whether it is there or not is not known; pushed again it is, once.
    let mut client = member.enter(all.nodes[1].place(), 0).expect("the other lets it in");
    push(&mut client, &mut acknowledged, unsure).expect("acknowledged");
    follow_to(&mut reader, acknowledged.last().expect("some").1);
    expect_held(&member, all.nodes[1].place(), &acknowledged);
    drop((client, reader));
    all.expect_all(&member, &acknowledged);
}

/// MN-2.
pub const MN_2: Scenario = Scenario {
    id: "MN-2",
    title: "Database server killed under load",
    injection: "SIGKILL the server while devices push at both relays",
    outcome: "Nothing acknowledged is lost, no cursor twice or left out; devices are told to come again; both relays go on \
              without a restart",
    bodies: &[Body { tier: Tier::Proc, broken_by: &[Sabotage::NoFsync], run: server_dies }],
};

fn server_dies(run: &mut Run) {
    let mut all = Nodes::start(run);
    let member = Member::new(run.seed, 2);
    drop(member.found(all.nodes[0].place()));
    let before = run.lacks(Sabotage::NoFsync).then(|| {
        all.server.stop();
        let kept = all.server.folder().join("before");
        copy(&all.server.data(), &kept);
        all.server.resume();
        kept
    });
    let mut seed = Seed::new(run.seed);
    let (kill_after, each) = (5 + seed.below(20) as usize, run.sized(60, 30));
    let (taken, places) = (AtomicUsize::new(0), [all.nodes[0].place(), all.nodes[1].place()]);
    let acknowledged: Acknowledged = thread::scope(|scope| {
        let writers: Vec<_> = places
            .into_iter()
            .enumerate()
            .map(|(at, place)| {
                let (member, taken) = (&member, &taken);
                let mut cells = Member::new(run.seed.wrapping_add(1 + at as u64), 1);
                scope.spawn(move || {
                    let mut client = eventually("it is let in", || member.enter(place, at));
                    let mut acknowledged = Vec::new();
                    for _ in 0..each {
                        let cell = cells.cell(1024);
                        let cursor = push_on(&mut client, &cell, Duration::from_secs(60));
                        acknowledged.push((cell, cursor));
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                    acknowledged
                })
            })
            .collect();
        eventually("they are at work", || (taken.load(Ordering::Relaxed) >= kill_after).then_some(()));
        all.server.kill();
        if let Some(before) = &before {
            fs::remove_dir_all(all.server.data()).expect("removed");
            copy(before, &all.server.data());
        }
        all.server.resume();
        writers.into_iter().flat_map(|writer| writer.join().expect("it went on")).collect()
    });
    let held = expect_held(&member, places[0], &acknowledged);
    assert_eq!(held, acknowledged.len(), "what was not acknowledged was pushed again");
    all.expect_all(&member, &acknowledged);
}

/// With owners and everything.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp starts");
    assert!(status.success(), "not copied");
}

/// MN-3.
pub const MN_3: Scenario = Scenario {
    id: "MN-3",
    title: "Database server gone for a while",
    injection: "Server ended, or stopped without a word (SIGSTOP), and back when that was noticed; after a minute once each",
    outcome: "`StorageUnavailable` with a time to come again, to those who are in and to those who come; sessions stay; \
              everything goes on by itself, live delivery too",
    bodies: &[Body { tier: Tier::Proc, broken_by: &[Sabotage::BusyIsFatal], run: server_away }],
};

fn server_away(run: &mut Run) {
    let mut all = Nodes::start(run);
    let mut member = Member::new(run.seed, 2);
    let mut writer = member.found(all.nodes[0].place());
    let mut reader = follower(&member, &all.nodes[1], 1);
    let mut acknowledged = Vec::new();
    let first = member.cell(1024);
    acknowledged.push((first.clone(), push_on(&mut writer, &first, BACK_WITHIN)));
    follow_to(&mut reader, 1);
    // A server that does not answer is waited for as long as its disk may take to flush; that takes a while to try.
    let frozen = !run.brief && run.seed % 2 == 1;
    if frozen {
        assert!(all.server.signal(Signal::STOP) > 0);
    } else {
        all.server.stop();
    }
    let late = member.cell(1024);
    let (begun, length) = (Instant::now(), away_for(run));
    eventually_within(length + BACK_WITHIN * 3, "it was away for long enough", || {
        // As devices do that hear nothing, or they are taken for gone.
        reader.send(&ToRelay::Ping { token: 1 }).expect("sent");
        assert_eq!(writer.push_or_refusal(&late), Err(ErrorCode::StorageUnavailable));
        assert!(member.enter(all.nodes[1].place(), 0).is_none(), "nobody can be looked up");
        (begun.elapsed() >= length).then_some(())
    });
    if run.lacks(Sabotage::BusyIsFatal) {
        all.nodes[0].kill();
    }
    if frozen {
        all.server.signal(Signal::CONT);
    } else {
        all.server.resume();
    }
    acknowledged.push((late.clone(), push_on(&mut writer, &late, BACK_WITHIN)));
    follow_to(&mut reader, 2);
    drop((writer, reader));
    all.expect_all(&member, &acknowledged);
}

/// A minute once with the server ended and once with it frozen; else for as long as it takes to be noticed.
fn away_for(run: &Run) -> Duration {
    let is_long = !run.brief && matches!(run.seed % 50, 1 | 2);
    if is_long { Duration::from_secs(60) } else { Duration::ZERO }
}

/// MN-4.
pub const MN_4: Scenario = Scenario {
    id: "MN-4",
    title: "Relays stop hearing each other",
    injection: "All connections to the database cut, again and again, while a device pushes at one relay and one listens at \
                the other",
    outcome: "Connections are made anew; what was said meanwhile is seen all the same, in order, once",
    bodies: &[Body { tier: Tier::Proc, broken_by: &[Sabotage::NoReconnect], run: words_lost }],
};

fn words_lost(run: &mut Run) {
    const CUT: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                       WHERE application_name = 'caro-relay' AND pid <> pg_backend_pid()";
    let all = Nodes::start(run);
    let mut member = Member::new(run.seed, 2);
    let mut writer = member.found(all.nodes[0].place());
    let mut reader = follower(&member, &all.nodes[1], 1);
    let mut acknowledged = Vec::new();
    // Who does not come back need not be waited for as long as somebody who does.
    let patience = if run.lacks(Sabotage::NoReconnect) { BACK_WITHIN / 5 } else { BACK_WITHIN };
    for round in 0..run.sized(5, 3) {
        let no_return = if run.lacks(Sabotage::NoReconnect) { "ALTER ROLE caro NOLOGIN; " } else { "" };
        all.server.sql(&format!("{no_return}{CUT}"));
        for _ in 0..=round {
            let cell = member.cell(1024);
            let cursor = push_on(&mut writer, &cell, patience);
            acknowledged.push((cell, cursor));
        }
        follow_to(&mut reader, acknowledged.len() as u64);
    }
    drop((writer, reader));
    all.expect_all(&member, &acknowledged);
}

/// MN-5.
pub const MN_5: Scenario = Scenario {
    id: "MN-5",
    title: "Database server lost, its standby takes over",
    injection: "Synchronous standby; SIGKILL the first server for good, promote the standby",
    outcome: "Nothing acknowledged is lost; both relays find the standby by themselves",
    bodies: &[Body { tier: Tier::Proc, broken_by: &[Sabotage::AckBeforeCommit], run: standby_takes_over }],
};

fn standby_takes_over(run: &mut Run) {
    let Some(mut first) = Postgres::start("a standby takes over") else { run.skip("the package postgresql") };
    let standby = first.standby();
    let both = format!("{},{}", host(&first), host(&standby));
    let address = first.address().replace(&host(&first), &both);
    let nodes = nodes_at(&address);
    eventually("the standby follows", || {
        (first.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1").then_some(())
    });
    let synchronous = !run.lacks(Sabotage::AckBeforeCommit);
    if synchronous {
        first.sql("ALTER SYSTEM SET synchronous_standby_names TO '*'");
        first.sql("SELECT pg_reload_conf()");
        eventually("it is waited for", || {
            (first.sql("SELECT sync_state FROM pg_stat_replication") == "sync").then_some(())
        });
    }
    let mut member = Member::new(run.seed, 2);
    let mut clients =
        [member.found(nodes[0].place()), member.enter(nodes[1].place(), 1).expect("the other lets it in")];
    let mut acknowledged = Vec::new();
    if !synchronous {
        // Nobody waits for it: it has the account, and what comes now is lost with the first.
        eventually("it has the account", || {
            (standby.sql("SELECT count(*) FROM caro_relay.account") == "1").then_some(())
        });
        // Not stopped: what is on its way would still be there for it afterwards.
        standby.sql("ALTER SYSTEM SET primary_conninfo TO ''");
        standby.sql("SELECT pg_reload_conf()");
        eventually("it is told nothing more", || {
            (first.sql("SELECT count(*) FROM pg_stat_replication") == "0").then_some(())
        });
    }
    push_some(run, &mut member, &mut clients, &mut acknowledged);
    first.kill();
    standby.promote();
    push_some(run, &mut member, &mut clients, &mut acknowledged);
    drop(clients);
    Nodes { server: standby, nodes }.expect_all(&member, &acknowledged);
}

fn push_some(run: &Run, member: &mut Member, clients: &mut [Client; 2], acknowledged: &mut Acknowledged) {
    for n in 0..run.sized(40, 12) {
        let cell = member.cell(1024);
        let cursor = push_on(&mut clients[n % 2], &cell, Duration::from_secs(60));
        acknowledged.push((cell, cursor));
    }
}

/// The part of an address that names the server.
fn host(server: &Postgres) -> String {
    let address = server.address();
    let (_, rest) = address.split_once('@').expect("a user");
    rest.split_once('/').expect("a database").0.to_owned()
}

/// MN-6.
pub const MN_6: Scenario = Scenario {
    id: "MN-6",
    title: "Database server's disk full",
    injection: "A small file system under its tables, filled up; room again later",
    outcome: "`StorageUnavailable`, nothing partial visible, reads still served at both relays; goes on without a restart \
              when there is room",
    bodies: &[Body { tier: Tier::Disk, broken_by: &[Sabotage::AckBeforeCommit], run: server_disk_full }],
};

fn server_disk_full(run: &mut Run) {
    let Some(server) = Postgres::start("a server's disk is full") else { run.skip("the package postgresql") };
    let small = server.folder().join("small");
    fs::create_dir(&small).expect("made");
    let mount = Mount::over(run, &small, "24m");
    server.own(&small);
    server.sql(&format!("CREATE TABLESPACE small LOCATION '{}'", small.display()));
    server.sql("ALTER ROLE caro SET default_tablespace TO small");
    let nodes = nodes_at(&server.address());
    let all = Nodes { server, nodes };
    let mut member = Member::new(run.seed, 2);
    let mut client = member.found(all.nodes[0].place());
    let mut acknowledged = Vec::new();
    let first = member.cell(1024);
    acknowledged.push((first.clone(), push_on(&mut client, &first, BACK_WITHIN)));
    let filler = mount.fill_up_to(300_000 + Seed::new(run.seed).below(200_000));
    let refused = loop {
        assert!(acknowledged.len() < 100, "the disk was never full");
        let cell = member.cell(32 * 1024);
        match client.push_or_refusal(&cell) {
            Ok(cursor) => acknowledged.push((cell, cursor)),
            Err(code) => break (code, cell),
        }
    };
    assert_eq!(refused.0, ErrorCode::StorageUnavailable);
    let mut reader = member.enter(all.nodes[1].place(), 1).expect("it is let in");
    assert_eq!(reader.pull_all().expect("everything comes").len(), acknowledged.len());
    fs::remove_file(filler).expect("removed");
    let cursor = push_on(&mut client, &refused.1, BACK_WITHIN);
    acknowledged.push((refused.1, cursor));
    if run.lacks(Sabotage::AckBeforeCommit) {
        take_back(&all.server, cursor);
    }
    drop((client, reader));
    all.expect_all(&member, &acknowledged);
    drop(mount);
}
