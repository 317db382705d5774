//! When to try again: exponential, capped, and jittered so that a relay that comes back is not met by everyone at once
//! (Brooker, "Exponential Backoff and Jitter", 2015: equal jitter).

/// The tries since the last success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
    /// When a success last counted, in milliseconds of any clock that does not go back.
    forgiven_ms: Option<u64>,
}

/// The first pause at most. Short, because most failures are a blip.
const FIRST_MS: u64 = 250;

/// The longest pause. Longer would leave a healed network unused for that time; shorter would make a relay's restart a storm.
const LONGEST_MS: u64 = 20_000;

/// Milliseconds between two successes that count. A relay that greets and hangs up at once would otherwise be met several
/// times a second for ever, each time with a whole handshake.
const FORGIVES_EVERY_MS: u64 = 10_000;

impl Backoff {
    /// Milliseconds until the next try: between half of the step and the whole, by a random number.
    pub fn failed(&mut self, random: u32) -> u64 {
        let step = FIRST_MS.saturating_mul(1 << self.failures.min(16)).min(LONGEST_MS);
        self.failures = self.failures.saturating_add(1);
        step / 2 + u64::from(random) % (step / 2 + 1)
    }

    /// The relay said something: the next failure starts small again, unless that was so a moment ago.
    pub fn succeeded(&mut self, now_ms: u64) {
        if self.forgiven_ms.is_none_or(|last| now_ms.saturating_sub(last) >= FORGIVES_EVERY_MS) {
            self.failures = 0;
            self.forgiven_ms = Some(now_ms);
        }
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
        backoff.succeeded(0);
        assert!(backoff.failed(u32::MAX) <= FIRST_MS);
    }

    #[test]
    fn a_relay_that_greets_and_hangs_up_is_met_less_and_less() {
        let (mut backoff, mut now_ms, mut met) = (Backoff::default(), 0, 0);
        while now_ms < 600_000 {
            backoff.succeeded(now_ms);
            now_ms += backoff.failed(0);
            met += 1;
        }
        assert!(met <= 600, "{met} times in ten minutes");
        // One that was there for a while is met at once after a blip.
        backoff.succeeded(now_ms + FORGIVES_EVERY_MS);
        assert!(backoff.failed(u32::MAX) <= FIRST_MS);
    }

    #[test]
    fn a_res_05_two_devices_do_not_come_back_together() {
        let pauses: std::collections::BTreeSet<u64> = (0..500)
            .map(|device: u32| {
                let mut backoff = Backoff { failures: 10, forgiven_ms: None };
                backoff.failed(device.wrapping_mul(2_654_435_761))
            })
            .collect();
        assert!(pauses.len() > 400, "only {} different pauses", pauses.len());
    }
}
