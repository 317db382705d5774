//! A device's wall clock: set wrong, set anew while the device runs, or coarse, as clocks of real systems are.

/// A wall clock, by what it is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Milliseconds by which it is ahead.
    pub ahead_ms: i64,
    /// Milliseconds of one of its steps; zero for none.
    pub step_ms: u64,
}

impl Clock {
    /// What it shows, in milliseconds since 1970.
    pub fn read(&self, now_ms: u64) -> u64 {
        let shown = now_ms.saturating_add_signed(self.ahead_ms);
        if self.step_ms > 1 { shown - shown % self.step_ms } else { shown }
    }

    /// When it will show `shown_ms` or more.
    pub fn when(&self, shown_ms: u64) -> u64 {
        let shown = if self.step_ms > 1 { shown_ms.next_multiple_of(self.step_ms) } else { shown_ms };
        if self.ahead_ms >= 0 {
            shown.saturating_sub(self.ahead_ms.unsigned_abs())
        } else {
            shown.saturating_add(self.ahead_ms.unsigned_abs())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_shows_a_moment_when_it_says_it_will() {
        for clock in
            [Clock::default(), Clock { ahead_ms: 86_400_000, step_ms: 0 }, Clock { ahead_ms: -5_000, step_ms: 16 }]
        {
            for shown in [1_790_000_000_000_u64, 1_790_000_000_001, 1_790_000_000_015] {
                let when = clock.when(shown);
                assert!(clock.read(when) >= shown && clock.read(when - 1) < shown, "{clock:?} {shown}");
            }
        }
    }
}
