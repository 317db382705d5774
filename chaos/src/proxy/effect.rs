//! What a toxic does to the bytes of one connection: pure, with the time given. Whether a toxic takes hold of a connection is
//! decided once for each.

use std::time::{Duration, Instant};

use super::{frames::Segment, toxic::Kind};
use crate::seed::Seed;

/// Bytes with the moment at which they may go on.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Not before.
    pub due: Instant,
    /// The bytes and where they belong.
    pub segment: Segment,
}

/// How a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Closed.
    Close,
    /// Reset.
    Reset,
}

/// What a toxic remembers of one way of one connection.
pub struct Effect {
    /// Whether it takes hold of this connection at all.
    holds: bool,
    /// Since when it is there.
    since: Instant,
    /// Nothing may go on before.
    free: Instant,
    /// Bytes that have passed it.
    passed: u64,
    /// A frame that is to come twice.
    kept: Vec<u8>,
    /// What is done once was done.
    done: bool,
    /// Bytes were taken away: nothing may follow them.
    swallowed: bool,
}

/// How long at most one piece of a narrow link takes, so that a change is felt at once.
const STEP_MS: u64 = 100;

impl Effect {
    /// The effect of a toxic of this toxicity that begins now.
    pub fn new(toxicity: f64, now: Instant, seed: &mut Seed) -> Self {
        #[allow(clippy::cast_precision_loss)] // a chance
        let holds = (seed.below(1 << 20) as f64) < toxicity * f64::from(1 << 20);
        Self { holds, since: now, free: now, passed: 0, kept: Vec::new(), done: false, swallowed: false }
    }

    /// Whether it has taken bytes away, so that nothing may follow them.
    pub fn has_swallowed(&self) -> bool {
        self.swallowed
    }

    /// Whether it lets nothing pass, the end of a connection included.
    pub fn swallows(&self, kind: &Kind) -> bool {
        self.holds && matches!(kind, Kind::Timeout { .. } | Kind::ResetPeer { .. })
    }

    /// What it does by itself, and when.
    pub fn ends_at(&self, kind: &Kind) -> Option<(Instant, End)> {
        let (after_ms, end) = match kind {
            Kind::Timeout { timeout } if *timeout > 0 => (*timeout, End::Close),
            Kind::ResetPeer { timeout } => (*timeout, End::Reset),
            _ => return None,
        };
        self.holds.then(|| (self.since + Duration::from_millis(after_ms), end))
    }

    /// How much later the end of a connection is passed on.
    pub fn slow_close(&self, kind: &Kind) -> Duration {
        match kind {
            Kind::SlowClose { delay } if self.holds => Duration::from_millis(*delay),
            _ => Duration::ZERO,
        }
    }

    /// What becomes of some bytes, and whether the connection ends after them.
    pub fn apply(&mut self, kind: &Kind, piece: Piece, seed: &mut Seed) -> (Vec<Piece>, Option<End>) {
        if !self.holds {
            return (vec![piece], None);
        }
        match kind {
            Kind::Noop {} | Kind::SlowClose { .. } => (vec![piece], None),
            Kind::Latency { latency, jitter } => {
                let jitter = i64::try_from(seed.below(2 * jitter + 1)).unwrap_or(0) - *jitter as i64;
                let later = latency.saturating_add_signed(jitter);
                (vec![self.hold(piece, Duration::from_millis(later))], None)
            }
            Kind::Bandwidth { rate: 0 } => (vec![piece], None),
            Kind::Bandwidth { rate } => (self.narrow(piece, *rate), None),
            Kind::Timeout { .. } | Kind::ResetPeer { .. } => {
                self.swallowed = true;
                (Vec::new(), None)
            }
            Kind::Slicer { average_size, size_variation, delay } => {
                (self.slice(piece, *average_size, *size_variation, Duration::from_micros(*delay), seed), None)
            }
            Kind::LimitData { bytes } => self.limit(piece, *bytes),
            Kind::Bitflip { frame, byte, bit } => (vec![self.flip(piece, *frame, *byte, *bit)], None),
            Kind::Dup { frame } => (self.repeat(piece, *frame), None),
            Kind::HoldFrame { frame, delay } => {
                if piece.segment.frame == *frame && !self.done {
                    self.done = true;
                    self.free = piece.due + Duration::from_millis(*delay);
                }
                (vec![self.hold(piece, Duration::ZERO)], None)
            }
            Kind::CutAfterFrame { frame, bytes } => self.cut(piece, *frame, *bytes),
        }
    }

    /// So much later, and never before what went before it.
    fn hold(&mut self, mut piece: Piece, later: Duration) -> Piece {
        piece.due = (piece.due + later).max(self.free);
        self.free = piece.due;
        piece
    }

    fn narrow(&mut self, piece: Piece, rate: u64) -> Vec<Piece> {
        let step = usize::try_from(rate * STEP_MS).unwrap_or(usize::MAX);
        let mut pieces = Vec::new();
        let mut rest = Some(piece);
        while let Some(mut piece) = rest {
            rest = split(&mut piece, step);
            let takes = Duration::from_micros(piece.segment.bytes.len() as u64 * 1000 / rate);
            piece.due = piece.due.max(self.free) + takes;
            self.free = piece.due;
            pieces.push(piece);
        }
        pieces
    }

    fn slice(&mut self, piece: Piece, average: u64, variation: u64, delay: Duration, seed: &mut Seed) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut rest = Some(piece);
        while let Some(mut piece) = rest {
            let size = average.saturating_sub(variation) + seed.below(2 * variation.min(average) + 1);
            rest = split(&mut piece, usize::try_from(size.max(1)).unwrap_or(usize::MAX));
            pieces.push(self.hold(piece, Duration::ZERO));
            self.free += delay;
        }
        pieces
    }

    fn limit(&mut self, mut piece: Piece, bytes: u64) -> (Vec<Piece>, Option<End>) {
        let left = usize::try_from(bytes.saturating_sub(self.passed)).unwrap_or(usize::MAX);
        let cut = left <= piece.segment.bytes.len();
        piece.segment.bytes.truncate(left);
        self.passed += piece.segment.bytes.len() as u64;
        (vec![piece], cut.then_some(End::Close))
    }

    fn flip(&mut self, mut piece: Piece, frame: Option<u64>, byte: u64, bit: u64) -> Piece {
        let begins = match frame {
            None => Some(self.passed),
            Some(frame) if frame == piece.segment.frame => piece.segment.content_at,
            Some(_) => None,
        };
        self.passed += piece.segment.bytes.len() as u64;
        if let Some(at) = begins.and_then(|begins| byte.checked_sub(begins))
            && let Some(byte) = usize::try_from(at).ok().and_then(|at| piece.segment.bytes.get_mut(at))
        {
            *byte ^= 1 << (bit % 8);
        }
        piece
    }

    fn repeat(&mut self, piece: Piece, frame: u64) -> Vec<Piece> {
        if piece.segment.frame != frame {
            return vec![piece];
        }
        self.kept.extend(&piece.segment.bytes);
        if !piece.segment.ends {
            return vec![piece];
        }
        let bytes = std::mem::take(&mut self.kept);
        let again = Segment { bytes, content_at: None, ..piece.segment.clone() };
        vec![piece.clone(), Piece { segment: again, ..piece }]
    }

    fn cut(&mut self, mut piece: Piece, frame: u64, bytes: u64) -> (Vec<Piece>, Option<End>) {
        if piece.segment.frame <= frame {
            let ends = piece.segment.ends && piece.segment.frame == frame && bytes == 0;
            return (vec![piece], ends.then_some(End::Close));
        }
        let left = usize::try_from(bytes.saturating_sub(self.passed)).unwrap_or(usize::MAX);
        let cut = left <= piece.segment.bytes.len();
        piece.segment.bytes.truncate(left);
        self.passed += piece.segment.bytes.len() as u64;
        (vec![piece], cut.then_some(End::Close))
    }
}

/// Leaves so many bytes in a piece and gives the rest, when there is some.
fn split(piece: &mut Piece, size: usize) -> Option<Piece> {
    if piece.segment.bytes.len() <= size {
        return None;
    }
    let bytes = piece.segment.bytes.split_off(size);
    let content_at = piece.segment.content_at.map(|at| at + size as u64);
    let rest = Piece { segment: Segment { bytes, content_at, ..piece.segment.clone() }, ..piece.clone() };
    piece.segment.ends = false;
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(frame: u64, bytes: usize, now: Instant) -> Piece {
        Piece { due: now, segment: Segment { frame, content_at: Some(0), ends: true, bytes: vec![0; bytes] } }
    }

    fn after(kind: &Kind, pieces: Vec<Piece>, now: Instant) -> (Vec<Piece>, Option<End>) {
        let mut seed = Seed::new(1);
        let mut effect = Effect::new(1.0, now, &mut seed);
        let mut all = Vec::new();
        for piece in pieces {
            let (pieces, end) = effect.apply(kind, piece, &mut seed);
            all.extend(pieces);
            if end.is_some() {
                return (all, end);
            }
        }
        (all, None)
    }

    #[test]
    fn a_narrow_link_takes_as_long_as_its_rate_says() {
        let now = Instant::now();
        let (pieces, _) = after(&Kind::Bandwidth { rate: 10 }, vec![piece(0, 4000, now), piece(1, 1000, now)], now);
        assert_eq!(pieces.last().map(|last| last.due - now), Some(Duration::from_millis(500)));
        assert!(pieces.iter().all(|piece| piece.segment.bytes.len() <= 1000));
    }

    #[test]
    fn latency_does_not_add_up_and_keeps_the_order() {
        let now = Instant::now();
        let kind = Kind::Latency { latency: 50, jitter: 40 };
        let (pieces, _) = after(&kind, (0..100).map(|n| piece(n, 1, now)).collect(), now);
        assert!(pieces.windows(2).all(|pair| pair[0].due <= pair[1].due));
        assert!(pieces.iter().all(|piece| piece.due <= now + Duration::from_millis(90)));
    }

    #[test]
    fn a_cut_is_where_it_was_asked_for() {
        let now = Instant::now();
        let three = || (0..3).map(|n| piece(n, 10, now)).collect::<Vec<_>>();
        let count = |kind| {
            let (pieces, end) = after(&kind, three(), now);
            assert_eq!(end, Some(End::Close));
            pieces.iter().map(|piece| piece.segment.bytes.len()).sum::<usize>()
        };
        assert_eq!(count(Kind::CutAfterFrame { frame: 1, bytes: 0 }), 20);
        assert_eq!(count(Kind::CutAfterFrame { frame: 0, bytes: 4 }), 14);
        assert_eq!(count(Kind::LimitData { bytes: 17 }), 17);
    }

    #[test]
    fn a_flipped_bit_is_one_and_a_frame_can_come_twice() {
        let now = Instant::now();
        let two = || (0..2).map(|n| piece(n, 10, now)).collect::<Vec<_>>();
        let (pieces, _) = after(&Kind::Bitflip { frame: Some(1), byte: 3, bit: 2 }, two(), now);
        assert_eq!(pieces[1].segment.bytes, [0, 0, 0, 4, 0, 0, 0, 0, 0, 0]);
        assert_eq!(pieces[0].segment.bytes, [0; 10]);
        let (pieces, _) = after(&Kind::Bitflip { frame: None, byte: 13, bit: 0 }, two(), now);
        assert_eq!(pieces[1].segment.bytes[3], 1);
        let (pieces, _) = after(&Kind::Dup { frame: 0 }, two(), now);
        assert_eq!(pieces.iter().map(|piece| piece.segment.frame).collect::<Vec<_>>(), [0, 0, 1]);
    }

    #[test]
    fn toxicity_is_decided_once_for_each_connection() {
        let now = Instant::now();
        let mut seed = Seed::new(3);
        let held = (0..1000).filter(|_| Effect::new(0.3, now, &mut seed).holds).count();
        assert!((240..360).contains(&held), "{held} of 1000");
    }
}
