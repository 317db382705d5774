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

    /// Looks at those commands that could match: what the narrowest of the wider queries found, or all there are.
    fn pick(&self, commands: &Commands, asked: &Asked, pattern: &Pattern) -> Bits {
        let wider = self.kept.iter().filter(|found| asked.is_narrower(&found.asked));
        let among = wider.min_by_key(|found| found.numbers.count()).map(|found| &*found.numbers);
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
            if pattern.is_decided_by_marks() {
                return words.map(by_letters).collect();
            }
            let mut numbers = Vec::new();
            for word in words.clone() {
                let could_be = |number: &u32| needs.pairs == 0 || commands.marks(*number).may_have(needs);
                numbers.extend(numbers_of(word, by_letters(word)).filter(could_be));
            }
            matching(commands, pattern, &numbers, words)
        });
        Bits::from_words(parts.concat())
    }
}

/// Those that match, of these words. Looks at the texts themselves.
fn matching(commands: &Commands, pattern: &Pattern, numbers: &[u32], words: Range<usize>) -> Vec<u64> {
    let regex = pattern.own_regex();
    let mut matching = vec![0; words.len()];
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
            matching[number as usize / 64 - words.start] |= 1 << (number % 64);
        }
    }
    matching
}
