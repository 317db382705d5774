//! Waiting for a condition, with a deadline. The pause between two looks is not what a test waits for.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything may take on a busy machine. A test that needs less ends sooner.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the condition gives something.
///
/// # Panics
/// When it does not within [`PATIENCE`].
pub fn eventually<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, condition)
}

/// As [`eventually`], with a deadline of its own.
///
/// # Panics
/// When the condition does not give anything in time.
pub fn eventually_within<T>(patience: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(4));
    }
}
