//! Killed at any point: nothing lost, nothing twice.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::support::{Home, text};

/// How often the daemon is killed.
const KILLS: u32 = 40;

/// A small generator. A failure names its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        // xorshift64*: any will do.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

#[test]
fn r002_killed_forty_times_while_four_shells_write_loses_and_doubles_nothing() {
    let seed = u64::from(std::process::id()) | 1;
    let home = Home::new();
    home.start().kill();
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|shell| {
            let (mut hook, done) = (home.shell(&format!("shell{shell}")), done.clone());
            let mut random = Random(seed.wrapping_mul(shell + 2) | 1);
            thread::spawn(move || {
                let mut written = Vec::new();
                hook.header();
                while !done.load(Ordering::Relaxed) {
                    let command = format!("shell {shell} command {}", written.len());
                    // bash writes a record in three pieces.
                    let start = hook.start_bytes(command.as_bytes());
                    let cut = usize::try_from(random.below(start.len() as u64)).expect("small");
                    hook.append(&start[..cut]).expect("appended");
                    hook.append(&start[cut..]).expect("appended");
                    thread::sleep(Duration::from_micros(random.below(2000)));
                    let exit = i32::try_from(written.len() % 100).expect("small");
                    hook.end(exit);
                    written.push((command, exit));
                }
                written
            })
        })
        .collect();
    let mut random = Random(seed);
    for round in 0..KILLS {
        let mut daemon = home.start();
        // Somewhere between having just started and being busy. Not a wait for anything: the moment is the point.
        let until = Instant::now() + Duration::from_millis(random.below(60));
        while Instant::now() < until {
            assert!(daemon.is_running(), "round {round}: {}", home.log());
            thread::yield_now();
        }
        daemon.kill();
    }
    done.store(true, Ordering::Relaxed);
    let mut expected: BTreeMap<String, i32> = BTreeMap::new();
    for writer in writers {
        expected.extend(writer.join().expect("it wrote"));
    }
    let daemon = home.start();
    let mut client = daemon.client();
    client.flush();
    let records = client.all();
    let found: BTreeMap<String, i32> = records.iter().map(|record| (text(record), record.exit.unwrap_or(-1))).collect();
    assert_eq!(records.len(), expected.len(), "twice, or missing; seed {seed}");
    assert!(found == expected, "seed {seed}");
    assert!(expected.len() > 100, "the shells were at work: {}", expected.len());
}

#[test]
fn r002_an_orderly_end_takes_in_what_is_there() {
    let home = Home::new();
    let daemon = home.start();
    let mut shell = home.shell("one");
    shell.header();
    for number in 0..200 {
        shell.run(&format!("echo {number}"));
    }
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.wait().code(), Some(0));
    std::fs::remove_dir_all(home.places().spool).expect("removed");
    let daemon = home.start();
    let mut client = daemon.client();
    client.flush();
    assert_eq!(client.status().records, 200);
}
