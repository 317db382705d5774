//! How often something may happen: a bucket of tokens that fills with time. Time is an argument, in milliseconds. Keys
//! of [`Buckets`] are opaque numbers; whoever makes them from addresses salts and hashes them, and a bucket that is full
//! again is forgotten.

use std::collections::HashMap;

/// A rate: so many at once, and one more each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many may happen at once. Zero forbids it altogether.
    pub burst: u32,
    /// Nanoseconds after which one more may.
    pub interval_ns: u64,
}

impl Rate {
    /// `count` in `period_ms`, which may come all at once.
    pub fn per(count: u32, period_ms: u64) -> Self {
        Self { burst: count, interval_ns: (period_ms * 1_000_000 / u64::from(count.max(1))).max(1) }
    }

    /// `count` in a second, with `seconds` worth of them at once.
    pub fn per_second(count: u32, seconds: u32) -> Self {
        Self { burst: count.saturating_mul(seconds), ..Self::per(count, 1_000) }
    }
}

/// One bucket, by the time at which it will be full. Starts full.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    full_at_ns: u64,
}

impl Bucket {
    /// Takes one.
    ///
    /// # Errors
    /// When the bucket is empty: milliseconds until there is one.
    pub fn take(&mut self, rate: Rate, now_ms: u64) -> Result<(), u64> {
        self.take_many(1, rate, now_ms)
    }

    /// Takes so many at once, or none. More than a full bucket holds are had when it is full, and leave it in debt: they
    /// would never be had otherwise.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn take_many(&mut self, count: u32, rate: Rate, now_ms: u64) -> Result<(), u64> {
        let now_ns = now_ms.saturating_mul(1_000_000);
        let after = |count: u32| rate.interval_ns.saturating_mul(u64::from(count));
        let begin = self.full_at_ns.max(now_ns);
        let horizon = now_ns.saturating_add(after(rate.burst));
        let needed = begin.saturating_add(after(count.min(rate.burst.max(1))));
        if needed > horizon {
            return Err((needed - horizon).div_ceil(1_000_000).max(1));
        }
        self.full_at_ns = begin.saturating_add(after(count));
        Ok(())
    }

    /// Gives one back that was taken and not needed.
    pub fn give_back(&mut self, rate: Rate) {
        self.full_at_ns = self.full_at_ns.saturating_sub(rate.interval_ns);
    }

    fn is_full(&self, now_ms: u64) -> bool {
        self.full_at_ns <= now_ms.saturating_mul(1_000_000)
    }
}

/// A bucket for each key.
#[derive(Debug)]
pub struct Buckets {
    rate: Rate,
    buckets: HashMap<u64, Bucket>,
}

impl Buckets {
    /// With one rate for all.
    pub fn new(rate: Rate) -> Self {
        Self { rate, buckets: HashMap::new() }
    }

    /// Another rate from now on.
    pub fn change_rate(&mut self, rate: Rate) {
        self.rate = rate;
    }

    /// Takes one from the bucket of `key`.
    ///
    /// # Errors
    /// As [`Bucket::take`].
    pub fn take(&mut self, key: u64, now_ms: u64) -> Result<(), u64> {
        self.buckets.entry(key).or_default().take(self.rate, now_ms)
    }

    /// Takes so many from the bucket of `key`.
    ///
    /// # Errors
    /// As [`Bucket::take_many`].
    pub fn take_many(&mut self, key: u64, count: u32, now_ms: u64) -> Result<(), u64> {
        self.buckets.entry(key).or_default().take_many(count, self.rate, now_ms)
    }

    /// Forgets who has not taken anything for as long as a bucket takes to fill.
    pub fn sweep(&mut self, now_ms: u64) {
        self.buckets.retain(|_, bucket| !bucket.is_full(now_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_per_interval() {
        let rate = Rate::per(3, 3_000);
        let mut bucket = Bucket::default();
        for _ in 0..3 {
            assert_eq!(bucket.take(rate, 50), Ok(()));
        }
        assert_eq!(bucket.take(rate, 50), Err(1_000));
        assert_eq!(bucket.take(rate, 1_049), Err(1));
        assert_eq!(bucket.take(rate, 1_050), Ok(()));
        assert_eq!(bucket.take(rate, 1_050), Err(1_000));
    }

    #[test]
    fn many_at_once_are_had_or_not_and_more_than_fit_leave_a_debt() {
        let rate = Rate::per(10, 1_000);
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take_many(6, rate, 0), Ok(()));
        assert_eq!(bucket.take_many(6, rate, 0), Err(200));
        assert_eq!(bucket.take_many(4, rate, 0), Ok(()));
        assert_eq!(bucket.take_many(25, rate, 999), Err(1));
        assert_eq!(bucket.take_many(25, rate, 1_000), Ok(()));
        assert_eq!(bucket.take(rate, 1_000), Err(1_600));
    }

    #[test]
    fn a_rate_of_zero_forbids() {
        assert!(Bucket::default().take(Rate::per(0, 1_000), 7).is_err());
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        let rate = Rate::per(1, 1_000);
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(rate, 10_000), Ok(()));
        assert!(bucket.take(rate, 9_000).is_err());
    }

    #[test]
    fn keys_do_not_share_and_full_buckets_are_forgotten() {
        let mut buckets = Buckets::new(Rate::per(1, 1_000));
        for key in 0..100 {
            assert_eq!(buckets.take(key, 1), Ok(()));
            assert!(buckets.take(key, 1).is_err());
        }
        assert_eq!(buckets.take(7, 900), Err(101));
        buckets.sweep(1_000);
        assert_eq!(buckets.buckets.len(), 100);
        buckets.sweep(1_001);
        assert!(buckets.buckets.is_empty());
    }
}
