//! `kill -9` at random moments, of the daemon and of the relay, while commands come in on both sides: none is lost, none
//! is doubled, both sides are equal at the end.
//!
//! `CARO_TEST_KILLS` sets how often; the long run uses 200.

use std::{
    fs,
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use caro_tests::{Device, Relay, eventually};

use crate::two_devices::pair;

fn kills() -> usize {
    std::env::var("CARO_TEST_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(8)
}

/// Writes as a shell does until told to stop, pausing as long as it takes to be taken in now and then. Gives the texts.
fn keep_typing(device: &Device, name: &str, stop: &AtomicBool) -> Vec<String> {
    let path = device.home.spool().join(format!("{name}.{}", std::process::id()));
    fs::create_dir_all(device.home.spool()).expect("made");
    let put = |text: &str| {
        let mut file = fs::File::options().append(true).create(true).open(&path).expect("opens");
        file.write_all(text.as_bytes()).expect("written");
    };
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros();
    put(&format!("\0H1\0s{name}\0p{}\0kbash 5.2\0hhost\0uada\0\0", std::process::id()));
    let mut typed = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let text = format!("echo {name} {}", typed.len());
        put(&format!("\0S{}\0d/tmp\0c{text}\0\0", now()));
        thread::yield_now();
        put(&format!("\0E{}\0x0\0p0\0\0", now()));
        typed.push(text);
        // A person is slower than this; the file system's own speed sets the pace of the loop.
        fs::File::open(&path).and_then(|file| file.sync_data()).expect("synced");
        thread::park_timeout(std::time::Duration::from_millis(7));
    }
    typed
}

/// Ends the typing, also when the test ends early: nobody would else.
struct Typing<'a>(&'a AtomicBool);

impl Drop for Typing<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Lets both sides type while something is killed again and again, then compares.
fn while_typing(devices: (&Device, &Device), mut kill: impl FnMut(usize)) {
    let stop = AtomicBool::new(false);
    let (one, two) = thread::scope(|scope| {
        let one = scope.spawn(|| keep_typing(devices.0, "one", &stop));
        let two = scope.spawn(|| keep_typing(devices.1, "two", &stop));
        let typing = Typing(&stop);
        for round in 0..kills() {
            kill(round);
        }
        drop(typing);
        (one.join().expect("typed"), two.join().expect("typed"))
    });
    let mut expected: Vec<String> = one.into_iter().chain(two).collect();
    expected.sort();
    assert!(expected.len() > kills(), "typing went on meanwhile: {}", expected.len());
    for device in [devices.0, devices.1] {
        let mut last = Vec::new();
        eventually("everything is on both sides", || {
            last = device.home.commands();
            (last.len() >= expected.len()).then_some(())
        });
        last.sort();
        assert!(last == expected, "{} recorded, {} typed", last.len(), expected.len());
    }
}

/// Waits until this many more commands are known than before, so that each kill meets the work at another place.
fn a_little_later(device: &Device, round: usize) {
    let before = device.home.count();
    eventually("work goes on", || (device.home.count() > before + round as u64 % 3).then_some(()));
}

#[test]
fn s_sm_02_killing_a_daemon_again_and_again_loses_and_doubles_nothing() {
    let relay = Relay::new();
    let (laptop, desktop) = pair(&relay);
    while_typing((&laptop, &desktop), |round| {
        let victim = if round % 2 == 0 { &laptop } else { &desktop };
        a_little_later(victim, round);
        victim.kill();
        victim.home.caro_ok(&["daemon", "start"]);
    });
}

#[test]
fn s_sm_02_killing_the_relay_again_and_again_loses_and_doubles_nothing() {
    let mut relay = Relay::new();
    let (laptop, desktop) = pair(&relay);
    while_typing((&laptop, &desktop), |round| {
        a_little_later(&laptop, round);
        relay.kill();
        a_little_later(&desktop, round);
        relay.start_again();
        for device in [&laptop, &desktop] {
            device.home.caro_ok(&["sync", "now", "--wait", "30"]);
        }
    });
}
