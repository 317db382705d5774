//! Two devices that write while they are apart, and come back over whatever link a scenario has made. What a twin leaves
//! out is left out there: the outbox is forgotten, or nobody comes back.

use std::time::{Duration, Instant};

use caro_tests::{Device, eventually, eventually_within};

use super::super::{database, kills::pending_up};
use crate::{sabotage::Sabotage, scenario::Run, seed::Seed};

/// What nearly every scenario of a bad link needs to hold.
pub(super) const BROKEN_BY: &[Sabotage] = &[Sabotage::SkipRetry, Sabotage::DropOutboxOnError];

/// How long a twin is waited for: far longer than the brief form of any scenario takes with its protections.
const TWIN_PATIENCE: Duration = Duration::from_secs(8);

/// The time that the row gives, or less where it is known that it will not be kept.
pub(super) fn patience(run: &Run, seconds: u64) -> Duration {
    let given = Duration::from_secs(seconds);
    if run.sabotage.is_some() { given.min(TWIN_PATIENCE) } else { given }
}

/// Waits for a moment of the script.
pub(super) fn until(begun: Instant, after: Duration) {
    eventually_within(after + Duration::from_secs(5), "its moment", || (begun.elapsed() >= after).then_some(()));
}

/// Longer than commands are collected for: each is an op of its own.
pub(super) const BETWEEN: Duration = Duration::from_millis(25);

/// Types so many lines on each device, each an op of its own. Gives all of them.
pub(super) fn type_on_each(devices: &[&Device], count: usize, name: &str) -> Vec<String> {
    let begun = Instant::now();
    let mut typed = Vec::new();
    for n in 0..count {
        for (at, device) in devices.iter().enumerate() {
            let line = format!("echo {name} {at} {n:03}");
            // A spool file belongs to one session of one process: a device's lines are one session.
            device.type_lines(&format!("{name}-{at}"), &[&line]);
            typed.push(line);
        }
        until(begun, BETWEEN * (n as u32 + 1));
    }
    typed
}

/// A line of so many bytes that no compression makes smaller.
pub(super) fn dense(seed: &mut Seed, bytes: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut line = String::from("echo ");
    while line.len() < bytes {
        line.push(char::from(LETTERS[seed.below(64) as usize]));
    }
    line
}

/// Sizes of cells, in no order, and a line for each of which the cell is of this size: such a line compresses to three
/// quarters, and a cell of 4 KiB or more has room for that and what goes with it. Two authors whose sizes are others can be told
/// apart at the relay.
pub(super) fn lines_of_sizes(seed: &mut Seed, sizes: [usize; 2], count: usize) -> Vec<(usize, String)> {
    let mut one = || {
        let size = sizes[seed.below(2) as usize];
        (size, dense(seed, size * 17 / 20))
    };
    (0..count).map(|_| one()).collect()
}

/// # Panics
/// When the cells of these sizes are not at the relay in the order in which their author wrote them.
pub(super) fn expect_in_order(cells: &[usize], written: &[(usize, String)]) {
    let expected: Vec<usize> = written.iter().map(|(size, _)| *size).collect();
    let there: Vec<usize> = cells.iter().copied().filter(|size| expected.contains(size)).collect();
    assert_eq!(there, expected, "an author's order is lost");
}

/// Waits until each device has taken in what was typed on it and has it in its outbox.
pub(super) fn expect_waiting(devices: &[&Device]) {
    for device in devices {
        eventually("it waits to be sent", || (pending_up(device) > 0).then_some(()));
    }
}

/// What a twin does to a device that is cut off.
pub(super) fn leave_out(run: &Run, device: &Device) {
    leave_out_with(run, device, || drop(device.home.caro_ok(&["daemon", "start"])));
}

/// As [`leave_out`], for a daemon that is started in its own way.
pub(super) fn leave_out_with(run: &Run, device: &Device, start: impl FnOnce()) {
    if run.lacks(Sabotage::SkipRetry) || run.lacks(Sabotage::NoReconnect) {
        device.home.caro_ok(&["sync", "off"]);
    }
    if run.lacks(Sabotage::DropOutboxOnError) {
        device.kill();
        database::forget_outbox(&device.home.data());
        start();
    }
}

/// # Panics
/// When not every device has exactly this many commands and nothing left to send within the time.
pub(super) fn expect_everywhere(devices: &[&Device], count: usize, patience: Duration) {
    eventually_within(patience, "everything is everywhere", || {
        let done = |device: &&Device| device.home.count() as usize == count && pending_up(device) == 0;
        devices.iter().all(done).then_some(())
    });
}

/// What devices hold, as every device must hold it: each record with its id, author and everything it says.
pub(super) fn expect_same(devices: &[&Device]) {
    let records = |device: &Device| {
        let mut all: Vec<String> = device.home.history().iter().map(|row| row.to_string()).collect();
        all.sort();
        all
    };
    for pair in devices.windows(2) {
        eventually("both have the same records", || (records(pair[0]) == records(pair[1])).then_some(()));
    }
}
