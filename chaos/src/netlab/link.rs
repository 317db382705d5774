//! One way of a link: what becomes of each packet. Pure, with the time given in microseconds; one seed is one history.

use serde::{Deserialize, Serialize};

use crate::seed::Seed;

/// What a way does, in the words and units of `tc netem` where that has them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Way {
    /// Milliseconds that every packet takes.
    pub delay_ms: u64,
    /// Standard deviation of the delay, in milliseconds; normal-distributed, so that packets overtake one another.
    pub jitter_ms: u64,
    /// Packets of a hundred that are lost.
    pub loss: f64,
    /// How much a loss makes the next one likelier, of a hundred: two states, of which the share of losses stays the same.
    pub correlation: f64,
    /// Losses come together, for up to so many milliseconds in which nothing passes; the share of time is [`Way::loss`].
    pub burst_ms: u64,
    /// Bytes a second; zero for no limit.
    pub rate: u64,
    /// Packets of a hundred that do not wait for the delay.
    pub reorder: f64,
    /// Packets of a hundred that come twice.
    pub duplicate: f64,
    /// Packets of a hundred in which one bit is another.
    pub corrupt: f64,
}

/// What became of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Packets that came.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Lost.
    pub lost: u64,
    /// Refused because too many wait for a narrow way.
    pub full: u64,
    /// Given twice.
    pub duplicated: u64,
    /// Given with another bit.
    pub corrupted: u64,
}

/// One way with its state.
pub struct Link {
    way: Way,
    seed: Seed,
    /// When a narrow way has sent everything that it holds.
    free_us: u64,
    lost_last: bool,
    /// Until when the present state lasts, of losses that come together.
    burst: (bool, u64),
    counts: Counts,
}

/// How long a narrow way's queue may be: what comes later is dropped, as a router does.
const QUEUE_US: u64 = 2_000_000;

/// Bytes of an IPv4 header, which is left alone: a packet that went elsewhere would be lost, not corrupted.
const HEADER: u64 = 20;

impl Link {
    /// A perfect one.
    pub fn new(seed: Seed) -> Self {
        Self { way: Way::default(), seed, free_us: 0, lost_last: false, burst: (false, 0), counts: Counts::default() }
    }

    /// From now on it does this. What is on its way stays there.
    pub fn set(&mut self, way: Way) {
        (self.free_us, self.burst) = (0, (false, 0));
        self.way = way;
    }

    /// What became of packets so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// A packet comes. Gives what leaves the other end, and when.
    pub fn offer(&mut self, now_us: u64, packet: Vec<u8>) -> Vec<(u64, Vec<u8>)> {
        self.counts.packets += 1;
        self.counts.bytes += packet.len() as u64;
        if self.loses(now_us) {
            self.counts.lost += 1;
            return Vec::new();
        }
        let Some(sent_us) = self.sent(now_us, packet.len() as u64) else {
            self.counts.full += 1;
            return Vec::new();
        };
        let packet = self.corrupted(packet);
        let mut given = Vec::new();
        if self.chance(self.way.duplicate) {
            self.counts.duplicated += 1;
            given.push((sent_us + self.delay_us(), packet.clone()));
        }
        given.push((sent_us + self.delay_us(), packet));
        given
    }

    fn chance(&mut self, percent: f64) -> bool {
        #[allow(clippy::cast_precision_loss)] // a chance
        let drawn = self.seed.below(1_000_000) as f64;
        drawn < percent * 10_000.0
    }

    fn loses(&mut self, now_us: u64) -> bool {
        let Way { loss, correlation, burst_ms, .. } = self.way;
        if burst_ms > 0 && loss < 100.0 {
            return self.is_in_burst(now_us, burst_ms, loss);
        }
        let (share, bound) = (loss / 100.0, correlation / 100.0);
        let likely = if self.lost_last { share + bound * (1.0 - share) } else { share * (1.0 - bound) };
        self.lost_last = self.chance(likely * 100.0);
        self.lost_last
    }

    fn is_in_burst(&mut self, now_us: u64, burst_ms: u64, loss: f64) -> bool {
        while self.burst.1 <= now_us {
            let lasts_us = 1 + self.seed.below(burst_ms * 1000);
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share
            let quiet_us = (lasts_us as f64 * (100.0 - loss) / loss.max(0.01)) as u64;
            let begins_us = self.burst.1.max(now_us);
            self.burst = if self.burst.0 { (false, begins_us + quiet_us) } else { (true, begins_us + lasts_us) };
            if self.counts.packets == 1 {
                // A link begins well.
                self.burst = (false, now_us + quiet_us);
            }
        }
        self.burst.0
    }

    /// When a narrow way has let the packet through; none when its queue is full.
    fn sent(&mut self, now_us: u64, bytes: u64) -> Option<u64> {
        if self.way.rate == 0 {
            return Some(now_us);
        }
        let begins_us = self.free_us.max(now_us);
        if begins_us > now_us + QUEUE_US {
            return None;
        }
        self.free_us = begins_us + bytes * 1_000_000 / self.way.rate;
        Some(self.free_us)
    }

    fn corrupted(&mut self, mut packet: Vec<u8>) -> Vec<u8> {
        let after = (packet.len() as u64).saturating_sub(HEADER);
        if after > 0 && self.chance(self.way.corrupt) {
            self.counts.corrupted += 1;
            let at = usize::try_from(HEADER + self.seed.below(after)).unwrap_or_default();
            packet[at] ^= 1 << self.seed.below(8);
        }
        packet
    }

    fn delay_us(&mut self) -> u64 {
        if self.way.reorder > 0.0 && self.chance(self.way.reorder) {
            return 0;
        }
        let delay_us = self.way.delay_us();
        if self.way.jitter_ms == 0 {
            return delay_us;
        }
        // Twelve even numbers make a normal one with a deviation of one, nearly.
        let sum: u64 = (0..12).map(|_| self.seed.below(1_000_000)).sum();
        let off = (i64::try_from(sum).unwrap_or(0) - 6_000_000) * i64::try_from(self.way.jitter_ms).unwrap_or(0) / 1000;
        delay_us.saturating_add_signed(off)
    }
}

impl Way {
    /// A way on which everything takes so long.
    pub fn late(delay_ms: u64) -> Self {
        Self { delay_ms, ..Self::default() }
    }

    /// A way on which so many of a hundred packets are lost.
    pub fn lossy(loss: f64) -> Self {
        Self { loss, ..Self::default() }
    }

    fn delay_us(&self) -> u64 {
        self.delay_ms * 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: u64 = 100_000;

    /// So many packets of a hundred bytes, one each millisecond. Gives the link and what came out of it.
    fn through(way: Way) -> (Link, Vec<(u64, u64)>) {
        let mut link = Link::new(Seed::new(7));
        link.set(way);
        let mut out = Vec::new();
        for n in 0..MANY {
            out.extend(link.offer(n * 1000, vec![0; 100]).into_iter().map(|(at, _)| (n * 1000, at)));
        }
        (link, out)
    }

    #[test]
    fn a_perfect_link_does_nothing() {
        let (link, out) = through(Way::default());
        assert!(out.len() as u64 == MANY && out.iter().all(|(came, left)| came == left));
        assert_eq!(link.counts().bytes, MANY * 100);
    }

    #[test]
    fn delay_and_jitter_have_their_mean_and_deviation() {
        let (_, out) = through(Way { delay_ms: 200, jitter_ms: 30, ..Way::default() });
        let delays: Vec<f64> = out.iter().map(|(came, left)| (left - came) as f64 / 1000.0).collect();
        let mean = delays.iter().sum::<f64>() / delays.len() as f64;
        let deviation = (delays.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / delays.len() as f64).sqrt();
        assert!((mean - 200.0).abs() < 1.0 && (deviation - 30.0).abs() < 1.0, "{mean} +- {deviation}");
        assert!(out.windows(2).any(|pair| pair[1].1 < pair[0].1), "none overtook another");
    }

    #[test]
    fn losses_have_their_share_alone_and_together() {
        for (loss, correlation) in [(5.0, 0.0), (20.0, 0.0), (10.0, 25.0)] {
            let (link, _) = through(Way { loss, correlation, ..Way::default() });
            let share = link.counts().lost as f64 * 100.0 / MANY as f64;
            assert!((share - loss).abs() < loss / 10.0, "{share} of a hundred and not {loss}");
        }
        let (_, out) = through(Way { loss: 10.0, burst_ms: 2_000, ..Way::default() });
        let longest = out.windows(2).map(|pair| pair[1].0 - pair[0].0).max();
        assert!(longest.is_some_and(|longest| (1_000_000..=2_001_000).contains(&longest)), "{longest:?}");
        let share = 100.0 - out.len() as f64 * 100.0 / MANY as f64;
        assert!((5.0..16.0).contains(&share), "{share} of a hundred");
    }

    #[test]
    fn losses_that_are_correlated_follow_one_another() {
        let pairs = |correlation: f64| {
            let (_, out) = through(Way { loss: 10.0, correlation, ..Way::default() });
            out.windows(2).filter(|pair| pair[1].0 - pair[0].0 >= 3_000).count()
        };
        assert!(pairs(25.0) > 2 * pairs(0.0));
    }

    #[test]
    fn a_narrow_way_has_its_rate_and_a_short_queue() {
        let (link, out) = through(Way { rate: 50_000, ..Way::default() });
        let last = out.last().map_or(0, |(_, left)| *left);
        let rate = out.len() as f64 * 100.0 / (last as f64 / 1e6);
        assert!((rate - 50_000.0).abs() < 500.0, "{rate} bytes a second");
        assert!(link.counts().full > 0, "its queue has no end");
        assert!(out.iter().all(|(came, left)| left - came <= QUEUE_US + 10_000));
    }

    #[test]
    fn some_come_twice_early_or_with_another_bit() {
        let (link, out) = through(Way { delay_ms: 50, duplicate: 3.0, reorder: 4.0, corrupt: 2.0, ..Way::default() });
        let Counts { duplicated, corrupted, .. } = link.counts();
        let early = out.iter().filter(|(came, left)| came == left).count() as u64;
        for (count, percent) in [(duplicated, 3), (corrupted, 2), (early, 4)] {
            assert!((MANY * percent / 110..MANY * percent / 90).contains(&count), "{count} for {percent}");
        }
    }

    #[test]
    fn one_seed_is_one_history() {
        let way = Way { delay_ms: 9, jitter_ms: 5, loss: 10.0, ..Way::default() };
        assert!(through(way.clone()).1 == through(way).1);
    }
}
