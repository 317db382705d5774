//! The distinct commands that match what was typed, kept from one keystroke to the next.
//!
//! Where a query asks for less than an earlier one did ([`super::narrow`]), only what that found is looked at. A few
//! earlier ones are kept, so that taking a letter back costs nothing. What was found for commands that are not there any
//! more is thrown away.

use std::{ops::Range, sync::Arc};

use super::{
    bits::{Bits, numbers_of},
    losses::Losses,
    parallel::{FETCHED, in_parts_of},
    pattern::{Asked, Candidate, Left, Pattern},
};
use crate::history::{Commands, Revision};

/// Commands that match, for a few queries.
#[derive(Default)]
pub(super) struct Matches {
    revision: Option<Revision>,
    /// The one used last comes last.
    kept: Vec<Found>,
}

struct Found {
    asked: Asked,
    numbers: Arc<Bits>,
    losses: Losses,
}

/// Queries that are kept. Each has a bit for each command: more would be searched for what helps longer than they save,
/// fewer would forget the line before somebody has taken back a word.
const KEPT_MAX: usize = 12;

/// Commands of 64 up to which each is looked at by itself: above, all 64 at once take less.
const FEW: u32 = 12;

impl Matches {
    /// Those that match, starting from what is known, and what is known of how well they do.
    pub(super) fn find(&mut self, commands: &Commands, asked: Asked, pattern: &Pattern) -> (Arc<Bits>, Losses) {
        if self.revision.as_ref() != Some(commands.revision()) {
            self.kept.clear();
            self.revision = Some(commands.revision().clone());
        }
        let (numbers, losses) = match self.kept.iter().position(|found| found.asked == asked) {
            Some(known) => {
                let Found { numbers, losses, .. } = self.kept.remove(known);
                (numbers, losses)
            }
            None => {
                let before = self.kept.iter().rev().find(|found| asked.goes_on(&found.asked));
                let losses = before.map(|found| found.losses.clone()).unwrap_or_default();
                (Arc::new(self.pick(commands, &asked, pattern)), losses)
            }
        };
        if self.kept.len() == KEPT_MAX {
            self.kept.remove(0);
        }
        self.kept.push(Found { asked, numbers: numbers.clone(), losses: losses.clone() });
        (numbers, losses)
    }

    /// Keeps what was learnt of how well those match that were found last.
    pub(super) fn keep_losses(&mut self, losses: Losses) {
        if let Some(found) = self.kept.last_mut() {
            found.losses = losses;
        }
    }

    /// How many commands must be looked at for a query, at most.
    pub(super) fn candidates(&self, commands: &Commands, asked: &Asked) -> usize {
        self.wider(asked).map_or(commands.slots(), |wider| wider.numbers.count())
    }

    /// The narrowest of the wider queries.
    fn wider(&self, asked: &Asked) -> Option<&Found> {
        let wider = self.kept.iter().filter(|found| asked.is_narrower(&found.asked));
        wider.min_by_key(|found| found.numbers.count())
    }

    /// Looks at those commands that could match: what the narrowest of the wider queries found, or all there are.
    fn pick(&self, commands: &Commands, asked: &Asked, pattern: &Pattern) -> Bits {
        let wider = self.wider(asked);
        let left = pattern.left_after(wider.map(|wider| &wider.asked));
        let among = wider.map(|wider| &*wider.numbers);
        let needs = pattern.needs();
        let by_letters = |word: usize| match (among.map(|among| among.word(word)), needs.letters) {
            (Some(0), _) => 0,
            (Some(among), 0) => among,
            // Letters tell free numbers apart as well: those have none.
            (Some(among), letters) if among.count_ones() > FEW => among & commands.bits_by_letters(word, letters),
            (Some(among), letters) => {
                let those = numbers_of(word, among).filter(|number| commands.letters(*number) & letters == letters);
                those.fold(0, |bits, number| bits | 1 << (number % 64))
            }
            (None, 0) => commands.bits_alive(word),
            (None, letters) => commands.bits_by_letters(word, letters),
        };
        let items = among.map_or(commands.slots(), Bits::count);
        let parts = in_parts_of(items, commands.slots(), |part| {
            let words = part.start / 64..part.end.div_ceil(64);
            let mut decided = vec![0; words.len()];
            let mut numbers = Vec::new();
            for (word, decided) in words.clone().zip(&mut decided) {
                let could_be = numbers_of(word, by_letters(word));
                if left.is_decided_by_marks() {
                    let is_ascii = |number: &u32| commands.marks(*number).is_ascii();
                    *decided = could_be.filter(is_ascii).fold(0, |bits, number| bits | 1 << (number % 64));
                    numbers.extend(numbers_of(word, by_letters(word) & !*decided));
                } else if needs.pairs == 0 {
                    numbers.extend(could_be);
                } else {
                    numbers.extend(could_be.filter(|number| commands.marks(*number).may_have(needs)));
                }
            }
            add_matching(commands, &left, &numbers, words, &mut decided);
            decided
        });
        Bits::from_words(parts.concat())
    }
}

/// Adds those that match to what is known to match of these words. Looks at the texts themselves.
fn add_matching(commands: &Commands, left: &Left<'_>, numbers: &[u32], words: Range<usize>, known: &mut [u64]) {
    let regex = left.own_regex();
    let mut candidates = Vec::with_capacity(FETCHED);
    for batch in numbers.chunks(FETCHED) {
        for number in batch {
            if regex.is_some() { commands.fetch_text(*number) } else { commands.fetch_folded(*number) }
        }
        candidates.clear();
        candidates.extend(batch.iter().map(|number| Candidate {
            marks: commands.marks(*number),
            text: commands.text(*number),
            folded: commands.folded(*number),
        }));
        for at in numbers_of(0, left.are_in(&candidates, regex.as_ref()).into()) {
            let number = batch[at as usize];
            known[number as usize / 64 - words.start] |= 1 << (number % 64);
        }
    }
}
