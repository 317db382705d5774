//! The hybrid logical clock (Kulkarni and others, "Logical Physical Clocks", 2014) in 64 bits: a stamp made later
//! by someone who has seen an earlier one is always greater, whatever the wall clocks say.

use serde::{Deserialize, Serialize};

use crate::limits::STAMP_MS_MAX;

/// 48 bits of milliseconds since 1970, then 16 bits of counter. Ordered as the number it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(pub u64);

impl Stamp {
    /// From wall-clock milliseconds, counter zero. Times past the limit are cut to it.
    pub fn from_ms(ms: u64) -> Self {
        Self(ms.min(STAMP_MS_MAX - 1) << 16)
    }

    /// The wall-clock part, in milliseconds since 1970.
    pub const fn ms(self) -> u64 {
        self.0 >> 16
    }

    /// Whether the stamp is one that a sane device could have made. Everyone must give the same answer, so it does not
    /// look at a clock.
    pub const fn is_plausible(self) -> bool {
        self.ms() < STAMP_MS_MAX
    }

    /// The next stamp for an event at `now_ms` by someone who has seen `self`: greater than both.
    #[must_use]
    pub fn tick(self, now_ms: u64) -> Self {
        Self::from_ms(now_ms).max(Self(self.0 + 1))
    }

    /// What is known after seeing `other`.
    #[must_use]
    pub fn observe(self, other: Self) -> Self {
        self.max(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_18_a_clock_that_steps_back_does_not_take_stamps_back() {
        let first = Stamp::default().tick(1_000_000);
        let second = first.tick(1);
        assert!(second > first);
    }

    #[test]
    fn trap_17_who_has_seen_a_stamp_from_the_future_can_still_overrule_it() {
        let future = Stamp::default().tick(STAMP_MS_MAX - 1);
        assert!(future.is_plausible());
        let answer = Stamp::default().observe(future).tick(5);
        assert!(answer > future);
        assert!(!Stamp(u64::MAX).is_plausible());
    }
}
