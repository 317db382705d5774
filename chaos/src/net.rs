//! How long bytes take from one end to the other. A session runs over TCP, so what is lost comes later, and what comes
//! late holds back what was sent after it: messages of one direction never overtake each other, whatever packets do.
//!
//! Knows sizes and times, never contents. The seed decides everything.

use crate::seed::Seed;

/// The network between one device and one relay.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// From the device to the relay.
    pub up: Way,
    /// From the relay to the device.
    pub down: Way,
    /// Whether anything passes.
    pub passes: Passes,
    /// How many times in a thousand messages the connection breaks.
    pub breaks_per_thousand: u64,
    /// After so many messages of a session it breaks.
    pub cut_after: Option<u64>,
}

/// One direction.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Milliseconds that a packet takes on average.
    pub delay_ms: u64,
    /// Its standard deviation.
    pub jitter_ms: u64,
    /// What gets lost and has to be sent again.
    pub loss: Loss,
    /// How much fits through, when that matters.
    pub bytes_per_second: Option<u64>,
}

/// What gets lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing.
    None,
    /// So many packets in a hundred, each on its own.
    Random(u64),
    /// Bursts of up to two seconds in which nothing comes through; so many packets in a hundred begin one.
    Bursts(u64),
}

/// Whether anything passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// Everything.
    Everything,
    /// Nothing, and nobody is told: packets disappear.
    Nothing,
    /// Nothing, and who tries is told at once: the interface is down, or nobody listens there.
    Refused,
}

impl Default for Way {
    fn default() -> Self {
        Self { delay_ms: 1, jitter_ms: 0, loss: Loss::None, bytes_per_second: None }
    }
}

impl Default for Link {
    fn default() -> Self {
        Self {
            up: Way::default(),
            down: Way::default(),
            passes: Passes::Everything,
            breaks_per_thousand: 0,
            cut_after: None,
        }
    }
}

impl Link {
    /// Both directions at once.
    pub fn both(&mut self, change: impl Fn(&mut Way)) {
        change(&mut self.up);
        change(&mut self.down);
    }

    /// Milliseconds there and back, on average.
    pub fn round_trip_ms(&self) -> u64 {
        self.up.delay_ms + self.down.delay_ms
    }
}

/// What is on one direction of one connection.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// Until when the line is busy with what was sent before, in microseconds.
    free_us: u64,
    /// When the last message arrives.
    last_ms: u64,
    /// Until when everything is lost.
    burst_until_ms: u64,
}

/// Bytes in a packet, beside the headers of TCP and IP.
const PACKET_BYTES: usize = 1400;

/// Milliseconds until a lone packet that was lost is sent again, beside a round trip (RFC 6298 with Linux's minimum).
const RETRANSMIT_MS: u64 = 200;

/// The longest pause between two tries of one packet.
const RETRANSMIT_MS_MAX: u64 = 10_000;

/// How long a burst of loss lasts at most.
const BURST_MS_MAX: u64 = 2_000;

/// How long nothing is lost after a burst at least: between two bursts the line is good.
const QUIET_MS: u64 = 6_000;

impl Flow {
    /// When a message that is sent now will be there as a whole.
    pub fn arrival(&mut self, way: &Way, now_ms: u64, bytes: usize, seed: &mut Seed) -> u64 {
        let packets = bytes.div_ceil(PACKET_BYTES).max(1);
        let mut arrives = self.last_ms;
        for left in (0..packets).rev() {
            let size = if left == 0 { bytes - (packets - 1) * PACKET_BYTES } else { PACKET_BYTES };
            let departs = self.departure(way, now_ms, size);
            let departs = departs + self.retries_ms(way, departs, left, seed);
            arrives = arrives.max(departs + travel_ms(way, seed));
            if way.jitter_ms == 0 && way.loss == Loss::None && way.bytes_per_second.is_none() {
                break;
            }
        }
        self.last_ms = arrives;
        arrives
    }

    fn departure(&mut self, way: &Way, now_ms: u64, size: usize) -> u64 {
        let Some(rate) = way.bytes_per_second else { return now_ms };
        self.free_us = self.free_us.max(now_ms * 1000) + size as u64 * 1_000_000 / rate.max(1);
        self.free_us.div_ceil(1000)
    }

    /// How much later a packet goes through than it was sent first. When others follow it, its loss is noticed after a
    /// round trip.
    fn retries_ms(&mut self, way: &Way, departs_ms: u64, followed_by: usize, seed: &mut Seed) -> u64 {
        let round_trip = 2 * way.delay_ms;
        let mut pause = if followed_by >= 3 { round_trip + 10 } else { round_trip + RETRANSMIT_MS };
        let mut late = 0;
        while self.is_lost(way, departs_ms + late, seed) {
            late += pause;
            pause = (2 * pause).min(RETRANSMIT_MS_MAX);
        }
        late
    }

    fn is_lost(&mut self, way: &Way, at_ms: u64, seed: &mut Seed) -> bool {
        match way.loss {
            Loss::None => false,
            Loss::Random(percent) => seed.percent(percent),
            Loss::Bursts(_) if at_ms < self.burst_until_ms => true,
            Loss::Bursts(_) if at_ms < self.burst_until_ms + QUIET_MS && self.burst_until_ms > 0 => false,
            Loss::Bursts(percent) => {
                let begins = seed.percent(percent);
                if begins {
                    self.burst_until_ms = at_ms + 50 + seed.below(BURST_MS_MAX - 50);
                }
                begins
            }
        }
    }
}

/// Milliseconds that one packet takes.
fn travel_ms(way: &Way, seed: &mut Seed) -> u64 {
    if way.jitter_ms == 0 {
        return way.delay_ms;
    }
    // The sum of twelve even draws is close to a normal one with a deviation of one draw's whole range.
    let sum: u64 = (0..12).map(|_| seed.below(1001)).sum();
    let noise = (sum as i64 - 6000) * way.jitter_ms as i64 / 1000;
    u64::try_from(way.delay_ms as i64 + noise).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(way: Way, count: u64) -> Vec<u64> {
        let (mut flow, mut seed) = (Flow::default(), Seed::new(1));
        (0..count).map(|n| flow.arrival(&way, n * 10, 100, &mut seed) - n * 10).collect()
    }

    #[test]
    fn a_clean_way_takes_its_delay() {
        assert_eq!(arrivals(Way { delay_ms: 7, ..Way::default() }, 3), [7, 7, 7]);
    }

    #[test]
    fn jitter_spreads_around_the_delay_and_nothing_overtakes() {
        let way = Way { delay_ms: 200, jitter_ms: 150, ..Way::default() };
        let mut seed = Seed::new(1);
        let alone: Vec<u64> = (0..1000).map(|_| Flow::default().arrival(&way, 0, 100, &mut seed)).collect();
        let below = alone.iter().filter(|took| **took < 200).count();
        assert!((400..600).contains(&below), "{below} of 1000 are early");
        let far = alone.iter().filter(|took| **took > 500).count();
        assert!((10..50).contains(&far), "{far} of 1000 are two deviations late");
        let took = arrivals(way, 1000);
        assert!(took.windows(2).all(|pair| pair[0] <= pair[1] + 10), "order is kept");
    }

    #[test]
    fn loss_is_lateness() {
        let took = arrivals(Way { loss: Loss::Random(20), ..Way::default() }, 1000);
        let late = took.iter().filter(|took| **took >= RETRANSMIT_MS).count();
        assert!(late > 150, "{late} of 1000 were late");
        let took = arrivals(Way { loss: Loss::Bursts(5), ..Way::default() }, 1000);
        assert!(took.iter().max() > Some(&500));
    }

    #[test]
    fn a_narrow_line_takes_its_time() {
        let way = Way { bytes_per_second: Some(7_000), ..Way::default() };
        let took = Flow::default().arrival(&way, 0, 70_000, &mut Seed::new(1));
        assert!((10_000..10_100).contains(&took), "{took}");
    }
}
