//! Killed in the middle of a commit, many times: what was acknowledged is there, and nothing is there by half.

use std::{
    io::{BufRead, BufReader, Write as _},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use super::*;

/// How often the child is killed.
const KILLS: u64 = 40;

/// Where the child finds its folder.
const CHILD: &str = "CARO_TEST_STORE_CRASH";

/// One step: all of its parts, or none.
fn step(number: u64) -> Vec<Write> {
    let mut writes = vec![
        row(Space::State, "count", &number.to_string()),
        Write::Queue(1, number, Some(vec![7; 3000])),
        row(Space::Op, &number.to_string(), &"x".repeat(6000)),
        Write::Block(number / 8, Some((0..=number % 8).map(|n| record(n as u8, "ls")).collect())),
    ];
    if number > 20 {
        writes.push(Write::Queue(1, number - 20, None));
    }
    writes
}

fn count(store: &Store) -> u64 {
    value(store, Space::State, "count").map_or(0, |count| count.parse().expect("a number"))
}

#[test]
fn trap_13_killed_in_mid_commit_forty_times_every_step_is_whole() {
    let folder = folder();
    let mut acknowledged = 0;
    for round in 0..KILLS {
        let (mut child, acks) = start(&folder);
        acknowledged = acknowledged.max(read_acks(acks, round % 11));
        // Somewhere in what comes next. Not a wait for anything: the moment is the point.
        let until = Instant::now() + Duration::from_micros(round * 97 % 3000);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
        check(&open(&folder), acknowledged, round);
    }
    assert!(acknowledged > KILLS, "it was at work: {acknowledged}");
}

fn check(store: &Store, acknowledged: u64, round: u64) {
    let count = count(store);
    assert!(count >= acknowledged, "round {round}: {count} of {acknowledged}");
    assert_eq!(store.verify(), Ok(vec![]), "round {round}");
    assert_eq!(store.rows(Space::Op).unwrap().len() as u64, count, "round {round}");
    let queued: Vec<u64> = store.queue(1, 0, usize::MAX).unwrap().into_iter().map(|(n, _)| n).collect();
    let expected: Vec<u64> = (1.max(count.saturating_sub(19))..=count).collect();
    assert_eq!(queued, expected, "round {round}");
    if count > 0 {
        let newest = store.block(count / 8).unwrap();
        assert_eq!(newest.len() as u64, count % 8 + 1, "round {round}");
    }
}

fn start(folder: &TempDir) -> (Child, ChildStdout) {
    let mut child = Command::new(std::env::current_exe().expect("a program"));
    child.args(["--exact", "store::tests::crash::child_that_is_killed", "--nocapture"]);
    let mut child = child.env(CHILD, folder.path()).stdout(Stdio::piped()).spawn().expect("it starts");
    let acks = child.stdout.take().expect("its output");
    (child, acks)
}

/// The last number of at least so many that were acknowledged.
fn read_acks(acks: ChildStdout, least: u64) -> u64 {
    let mut last = 0;
    let numbers = BufReader::new(acks).lines().map_while(Result::ok);
    let numbers = numbers.filter_map(|line| line.strip_prefix("ack ")?.parse().ok());
    for (index, number) in (0..).zip(numbers) {
        last = number;
        if index >= least {
            break;
        }
    }
    last
}

/// Not a test by itself: commits until it is killed.
#[test]
fn child_that_is_killed() {
    let Some(folder) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let mut store = Store::open(&folder.join(FILE_NAME), key(1)).expect("it opens");
    for number in count(&store) + 1.. {
        store.commit(&step(number)).expect("committed");
        if writeln!(std::io::stdout(), "\nack {number}").is_err() {
            return;
        }
        if number.is_multiple_of(7) {
            store.checkpoint().expect("in order");
        }
    }
}
