//! When to try again: exponential, capped, and jittered so that a relay that comes back is not met by everyone at once
//! (Brooker, "Exponential Backoff and Jitter", 2015: equal jitter).

/// The tries since the last success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
}

/// The first pause at most. Short, because most failures are a blip.
const FIRST_MS: u64 = 250;

/// The longest pause. Longer would leave a healed network unused for that time; shorter would make a relay's restart a storm.
const LONGEST_MS: u64 = 20_000;

impl Backoff {
    /// Milliseconds until the next try: between half of the step and the whole, by a random number.
    pub fn failed(&mut self, random: u32) -> u64 {
        let step = FIRST_MS.saturating_mul(1 << self.failures.min(16)).min(LONGEST_MS);
        self.failures = self.failures.saturating_add(1);
        step / 2 + u64::from(random) % (step / 2 + 1)
    }

    /// A session was opened: the next failure starts small again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn st003_pauses_grow_to_the_cap_and_start_small_after_a_success() {
        let mut backoff = Backoff::default();
        let longest: Vec<u64> = (0..20).map(|_| backoff.failed(u32::MAX - 1)).collect();
        assert!(longest.iter().all(|pause| *pause <= LONGEST_MS));
        assert!(backoff.failed(0) >= LONGEST_MS / 2);
        backoff.succeeded();
        assert!(backoff.failed(u32::MAX) <= FIRST_MS);
    }

    #[test]
    fn a_res_05_two_devices_do_not_come_back_together() {
        let pauses: std::collections::BTreeSet<u64> = (0..500)
            .map(|device: u32| {
                let mut backoff = Backoff { failures: 10 };
                backoff.failed(device.wrapping_mul(2_654_435_761))
            })
            .collect();
        assert!(pauses.len() > 400, "only {} different pauses", pauses.len());
    }
}
