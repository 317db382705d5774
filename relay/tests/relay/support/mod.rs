//! A device and a relay for tests.

pub(crate) mod account;
pub(crate) mod client;
pub(crate) mod served;
pub(crate) mod server;

/// Says that a test could not run here, for whoever counts them.
pub(crate) use caro_tests::skip;

pub(crate) use account::{Account, Device, cell};
pub(crate) use client::{Client, Target};
pub(crate) use served::Served;
pub(crate) use server::{Program, Running};

use std::time::{Duration, Instant};

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    // A look may start a program and holds up all that runs on this thread, so what is waited for has its time between two.
    let mut pause = Duration::from_millis(2);
    while !so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}
