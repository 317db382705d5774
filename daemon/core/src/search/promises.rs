//! What each match could be worth at most, told before its text is read, and the matches from those that promise most on.
//!
//! A promise is a byte, and where no match is there is none, so that looking for the next ones to score is looking
//! through bytes, a few at once. Knows numbers only, and nothing of what a promise is made of.

use std::ops::RangeInclusive;

use super::{
    bits::{Bits, numbers_of},
    parallel::in_parts_of,
};

/// A promise. The greatest comes first.
pub(super) type Promise = u8;

/// What does not match promises this, and nothing that does.
const NONE: Promise = 0;

/// Matches that are scored before it is looked whether more have to be; the next time twice as many. More would score
/// too many in vain, fewer would share the work badly. In tests so few that what they make up is more.
const ROUND: usize = if cfg!(test) { 4 } else { 2048 };

/// Promises of which the greatest is known, so that all of them can be passed over. More of them nearly always have one that
/// is wanted, fewer are as many to look at as the promises themselves.
const BESIDE: usize = 8;

/// What all matches promise, and which of them have been looked at.
pub(super) struct Promises {
    /// By number.
    each: Vec<Promise>,
    /// Of each few numbers.
    greatest: Vec<Promise>,
    counts: [usize; 256],
    /// Those with as great a promise or a greater one have been looked at. None yet when it is 256.
    done: usize,
    round: usize,
}

impl Promises {
    /// Of the matches among so many numbers, without those that `counts` rules out.
    pub(super) fn of(
        slots: usize,
        matches: &Bits,
        counts: impl Fn(usize) -> u64 + Sync,
        promise: impl Fn(u32) -> Promise + Sync,
    ) -> Self {
        let mut all = Self {
            each: Vec::with_capacity(slots + 64),
            greatest: Vec::with_capacity(slots / BESIDE + BESIDE),
            counts: [0; 256],
            done: 256,
            round: ROUND,
        };
        for (each, greatest, counts) in in_parts_of(matches.count(), slots, |part| {
            let words = part.start / 64..part.end.div_ceil(64);
            let (mut each, mut counts_of) = (vec![NONE; words.len() * 64], [0usize; 256]);
            for (word, each) in words.zip(each.chunks_exact_mut(64)) {
                for number in numbers_of(word, matches.word(word) & counts(word)) {
                    let promise = promise(number);
                    each[number as usize % 64] = promise;
                    counts_of[promise as usize] += 1;
                }
            }
            let greatest = each.chunks_exact(BESIDE).map(|each| each.iter().copied().fold(NONE, Promise::max));
            let greatest: Vec<Promise> = greatest.collect();
            (each, greatest, counts_of)
        }) {
            all.each.extend(each);
            all.greatest.extend(greatest);
            all.counts.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
        }
        all
    }

    /// The next matches to look at, while the greatest promise of those that are left `could_do`. The greater a promise,
    /// the more it could.
    pub(super) fn next(&mut self, could_do: impl Fn(Promise) -> bool) -> Option<Vec<u32>> {
        let level = self.level().filter(|level| could_do(*level.end()))?;
        let least = level.clone().find(|promise| could_do(*promise)).unwrap_or(*level.end());
        let wanted = least..=*level.end();
        self.round *= 2;
        self.done = usize::from(*level.start());
        let mut next = Vec::new();
        for (beside, _) in self.greatest.iter().enumerate().filter(|(_, greatest)| **greatest >= least) {
            let start = beside * BESIDE;
            let each = self.each[start..start + BESIDE].iter().enumerate();
            next.extend(each.filter(|(_, promise)| wanted.contains(promise)).map(|(at, _)| (start + at) as u32));
        }
        Some(next)
    }

    /// The next promises of which there are about enough.
    fn level(&self) -> Option<RangeInclusive<Promise>> {
        let left = &self.counts[1..self.done];
        let mut count = 0;
        let greatest = left.iter().rposition(|count| *count > 0)?;
        let enough = left[..=greatest].iter().rposition(|more| {
            count += more;
            count >= self.round
        });
        Some(enough.unwrap_or(0) as Promise + 1..=greatest as Promise + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_come_and_the_greatest_first(
            promises in prop::collection::vec(0u8..40, 0..20_000),
            least in 1u8..40,
            ruled_out: u64,
        ) {
            let numbers = (0u32..).zip(&promises).filter(|(_, promise)| **promise > 0).map(|(number, _)| number);
            let matches = Bits::of(promises.len(), numbers);
            let promise = |number: u32| promises[number as usize];
            let mut found = Promises::of(promises.len(), &matches, |_| !ruled_out, promise);
            let (mut seen, mut before) = (Vec::new(), u8::MAX);
            while let Some(level) = found.next(|promise| promise >= least) {
                let greatest = level.iter().map(|number| promise(*number)).max();
                prop_assert!(greatest.is_some_and(|greatest| greatest < before));
                before = level.iter().map(|number| promise(*number)).min().unwrap_or(0);
                seen.extend(level);
            }
            seen.sort_unstable();
            let is_wanted = |number: &u32| promise(*number) >= least && ruled_out >> (number % 64) & 1 == 0;
            prop_assert_eq!(seen, (0..promises.len() as u32).filter(is_wanted).collect::<Vec<_>>());
        }
    }
}
