//! Every point at which a real program can be killed, and every moment at which the power can go. The long run sets
//! `CARO_TEST_POINTS=all`; without it a few of each are taken, spread over all of them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chaos_tests::programs::{image::Flushes, kills, power};

/// Takes all, or so many spread evenly.
fn some<T>(all: Vec<T>, few: usize) -> Vec<T> {
    if std::env::var_os("CARO_TEST_POINTS").is_some_and(|value| value == "all") {
        return all;
    }
    let step = (all.len() / few).max(1);
    // Begins elsewhere each time, so that in the end all of them are met.
    let begin = std::process::id() as usize % step;
    all.into_iter().skip(begin).step_by(step).collect()
}

/// Runs each, and says which ones failed.
fn each<T>(points: Vec<T>, name: impl Fn(&T) -> String, run: impl Fn(&T)) {
    let count = points.len();
    let failed: Vec<String> =
        points.iter().filter(|point| catch_unwind(AssertUnwindSafe(|| run(point))).is_err()).map(name).collect();
    assert!(failed.is_empty(), "{} of {count} failed: {failed:?}", failed.len());
    assert!(count > 0, "nothing was tried");
}

#[test]
fn s_sm_04_the_daemon_killed_at_every_write_flush_and_rename() {
    let points = some(kills::points_of_daemon(), 3);
    each(points, |(call, n)| format!("{call} {n}"), |(call, n)| kills::strike(call, *n, kills::kill_daemon_at));
}

#[test]
fn t_conn_01_the_relay_killed_at_every_write_and_flush_of_its_start_and_of_its_work() {
    let points = some(kills::points_of_relay(), 4);
    each(
        points,
        |(call, n)| format!("{call} {n}"),
        |(call, n)| {
            kills::strike(call, *n, |call, n| kills::kill_relay_at_call(call, n, 1));
        },
    );
}

#[test]
fn t_conn_01_the_power_goes_at_every_moment_of_a_relay() {
    let (member, recording) = power::record_relay(1);
    let cuts = some((0..=recording.len()).collect(), 6);
    each(cuts, usize::to_string, |cut| power::cut_relay(&member, &recording, *cut, *cut as u64, Flushes::Honest));
}

#[test]
fn s_sm_04_the_power_goes_at_every_moment_of_a_daemon() {
    let recording = power::record_daemon();
    let cuts = some((0..=recording.len()).collect(), 3);
    each(cuts, usize::to_string, |cut| power::cut_daemon(&recording, *cut, *cut as u64, Flushes::Honest));
}
