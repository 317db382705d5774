//! The one place that reads the system's clocks. Everything below the main loop gets a [`Moment`], so that tests say
//! what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

/// One reading of the clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock, in microseconds since 1970.
    pub now_us: i64,
    /// What the wall clock would have said when the system started, by today's setting; none where the system does
    /// not tell. What a shell without a clock says is counted from here.
    pub boot_us: Option<i64>,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_us = i64::try_from(since.as_micros()).unwrap_or(i64::MAX).saturating_add(moved_us());
        Self { now_us, boot_us: uptime_us().map(|uptime| now_us - uptime) }
    }

    /// The wall clock, in milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.now_us / 1000).unwrap_or(0)
    }
}

/// By how much a test moves this daemon's clock, in builds for tests alone: devices whose clocks are wrong by years can
/// be had on one machine.
#[cfg(debug_assertions)]
fn moved_us() -> i64 {
    static MOVED: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *MOVED.get_or_init(|| {
        let seconds = std::env::var("CARO_TEST_CLOCK_AHEAD_S").ok().and_then(|text| text.parse::<i64>().ok());
        seconds.unwrap_or(0).saturating_mul(1_000_000)
    })
}

#[cfg(not(debug_assertions))]
const fn moved_us() -> i64 {
    0
}

/// Time since the system started, sleep included: what `/proc/uptime` shows to a shell.
#[cfg(target_os = "linux")]
fn uptime_us() -> Option<i64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Some(time.tv_sec * 1_000_000 + time.tv_nsec / 1000)
}

#[cfg(not(target_os = "linux"))]
fn uptime_us() -> Option<i64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_started_before_now() {
        let moment = Moment::now();
        if let Some(boot_us) = moment.boot_us {
            assert!(boot_us < moment.now_us);
        }
        assert_eq!(moment.now_ms(), moment.now_us as u64 / 1000);
    }
}
