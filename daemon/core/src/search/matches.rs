//! The distinct commands that match what was typed, kept from one keystroke to the next.
//!
//! Where a query asks for less than an earlier one did ([`super::narrow`]), only what that found is looked at. A few
//! earlier ones are kept, so that taking a letter back costs nothing. What was found for commands that are not there any
//! more is thrown away.

use std::{ops::Range, sync::Arc};

use super::{
    bits::{Bits, numbers_of},
    parallel::{FETCHED, in_parts_of},
    pattern::{Asked, Candidate, Pattern},
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
}

/// Queries that are kept. Each has a bit for each command: more would be searched for what helps longer than they save,
/// fewer would forget the line before somebody has taken back a word.
const KEPT_MAX: usize = 12;

/// Commands of 64 up to which each is looked at by itself: above, all 64 at once take less.
const FEW: u32 = 12;

impl Matches {
    /// Those that match, starting from what is known.
    pub(super) fn find(&mut self, commands: &Commands, asked: Asked, pattern: &Pattern) -> Arc<Bits> {
        if self.revision.as_ref() != Some(commands.revision()) {
            self.kept.clear();
            self.revision = Some(commands.revision().clone());
        }
        let numbers = match self.kept.iter().position(|found| found.asked == asked) {
            Some(known) => self.kept.remove(known).numbers,
            None => Arc::new(self.pick(commands, &asked, pattern)),
        };
        if self.kept.len() == KEPT_MAX {
            self.kept.remove(0);
        }
        self.kept.push(Found { asked, numbers: numbers.clone() });
        numbers
    }

    /// How many commands must be looked at for a query, at most.
    pub(super) fn candidates(&self, commands: &Commands, asked: &Asked) -> usize {
        self.wider(asked).map_or(commands.slots(), Bits::count)
    }

    /// The narrowest of the wider queries.
    fn wider(&self, asked: &Asked) -> Option<&Bits> {
        let wider = self.kept.iter().filter(|found| asked.is_narrower(&found.asked));
        wider.map(|found| &*found.numbers).min_by_key(|numbers| numbers.count())
    }

    /// Looks at those commands that could match: what the narrowest of the wider queries found, or all there are.
    fn pick(&self, commands: &Commands, asked: &Asked, pattern: &Pattern) -> Bits {
        let among = self.wider(asked);
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
                if pattern.is_decided_by_marks() {
                    let is_ascii = |number: &u32| commands.marks(*number).is_ascii();
                    *decided = could_be.filter(is_ascii).fold(0, |bits, number| bits | 1 << (number % 64));
                    numbers.extend(numbers_of(word, by_letters(word) & !*decided));
                } else if needs.pairs == 0 {
                    numbers.extend(could_be);
                } else {
                    numbers.extend(could_be.filter(|number| commands.marks(*number).may_have(needs)));
                }
            }
            add_matching(commands, pattern, &numbers, words, &mut decided);
            decided
        });
        Bits::from_words(parts.concat())
    }
}

/// Adds those that match to what is known to match of these words. Looks at the texts themselves.
fn add_matching(commands: &Commands, pattern: &Pattern, numbers: &[u32], words: Range<usize>, known: &mut [u64]) {
    let regex = pattern.own_regex();
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
        for at in numbers_of(0, pattern.are_in(&candidates, regex.as_ref()).into()) {
            let number = batch[at as usize];
            known[number as usize / 64 - words.start] |= 1 << (number % 64);
        }
    }
}
