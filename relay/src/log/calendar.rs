//! The day, as far as the system's clock can be believed. What is old is destroyed by it, so a clock that was moved is not
//! believed until it has gone on for a day as time itself does: somebody has then had a day to put it right.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::sqlite::SECONDS_A_DAY;

/// What both clocks say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    /// Since 1970, by the clock that can be set.
    pub(crate) wall: Duration,
    /// Since the machine was started, also while it slept, by the one that cannot.
    pub(crate) steady: Duration,
}

impl Clocks {
    fn now() -> Self {
        #[cfg(target_os = "linux")]
        let id = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let id = rustix::time::ClockId::Monotonic;
        let steady = rustix::time::clock_gettime(id);
        Self {
            wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            steady: Duration::try_from(steady).unwrap_or_default(),
        }
    }
}

/// What a look at the calendar gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Days since 1970.
    Day(u32),
    /// The clock was moved since the last look, by so many days.
    Moved(u64),
    /// It was moved less than a day ago.
    Waiting,
}

/// Compares the clocks at each look.
pub(crate) struct Calendar {
    clocks: Box<dyn FnMut() -> Clocks + Send>,
    last: Clocks,
    believed_from: Duration,
}

impl Calendar {
    pub(crate) fn new() -> Self {
        Self::with(Clocks::now)
    }

    pub(crate) fn with(mut clocks: impl FnMut() -> Clocks + Send + 'static) -> Self {
        let last = clocks();
        Self { clocks: Box::new(clocks), last, believed_from: Duration::ZERO }
    }

    pub(crate) fn look(&mut self) -> Look {
        const DAY: Duration = Duration::from_secs(SECONDS_A_DAY);
        let now = (self.clocks)();
        let expected = self.last.wall + now.steady.saturating_sub(self.last.steady);
        let moved = now.wall.abs_diff(expected);
        self.last = now;
        if moved > DAY {
            self.believed_from = now.steady + DAY;
            return Look::Moved(moved.as_secs() / SECONDS_A_DAY);
        }
        if now.steady < self.believed_from {
            return Look::Waiting;
        }
        Look::Day(u32::try_from(now.wall.as_secs() / SECONDS_A_DAY).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every ten minutes, with the clock moved by some days at each.
    fn looks<const N: usize>(moves: [i64; N]) -> Vec<Look> {
        let (mut wall, mut steady) = (1_000 * SECONDS_A_DAY, 77_u64);
        let mut moves = moves.into_iter();
        let clocks = move || {
            let by = moves.next().unwrap_or(0);
            wall = wall.saturating_add_signed(by * SECONDS_A_DAY as i64) + 600;
            steady += 600;
            Clocks { wall: Duration::from_secs(wall), steady: Duration::from_secs(steady) }
        };
        let mut calendar = Calendar::with(clocks);
        (0..147).map(|_| calendar.look()).collect()
    }

    #[test]
    fn a_clock_that_goes_on_is_believed_from_the_beginning() {
        let looks = looks([]);
        assert_eq!((looks[0], looks[146]), (Look::Day(1_000), Look::Day(1_001)));
    }

    #[test]
    fn a_clock_that_was_moved_is_believed_after_a_day() {
        for (by, day) in [(60, 1_061), (-60, 941)] {
            let looks = looks([0, 0, by]);
            assert_eq!((looks[0], looks[1], looks[2]), (Look::Day(1_000), Look::Moved(60), Look::Waiting));
            // A day is 144 looks.
            assert_eq!((looks[144], looks[145]), (Look::Waiting, Look::Day(day)));
        }
    }

    #[test]
    fn a_clock_that_is_put_right_again_waits_once_more() {
        let looks = looks([0, 0, 60, -60]);
        assert_eq!((looks[1], looks[2], looks[145]), (Look::Moved(60), Look::Moved(60), Look::Waiting));
        assert_eq!(looks[146], Look::Day(1_001));
    }
}
