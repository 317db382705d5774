//! The distinct commands that match what was typed, kept from one keystroke to the next.
//!
//! Where a query asks for less than an earlier one did ([`super::narrow`]), only what that found is looked at. A few
//! earlier ones are kept, so that taking a letter back costs nothing. What was found for commands that are not there any
//! more is thrown away.

use std::sync::Arc;

use super::{
    parallel::{FETCHED, in_parts},
    pattern::{Asked, Pattern},
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
    /// Ascending.
    numbers: Arc<[u32]>,
}

/// Queries that are kept. Each has four bytes for each command that it finds: more would take the memory of a history,
/// fewer would forget the line before somebody has taken back a word.
const KEPT_MAX: usize = 12;

impl Matches {
    /// Those that match, starting from what is known.
    pub(super) fn find(&mut self, commands: &Commands, asked: Asked, pattern: &Pattern) -> Arc<[u32]> {
        if self.revision.as_ref() != Some(commands.revision()) {
            self.kept.clear();
            self.revision = Some(commands.revision().clone());
        }
        let numbers = match self.kept.iter().position(|found| found.asked == asked) {
            Some(known) => self.kept.remove(known).numbers,
            None => self.pick(commands, &asked, pattern),
        };
        if self.kept.len() == KEPT_MAX {
            self.kept.remove(0);
        }
        self.kept.push(Found { asked, numbers: numbers.clone() });
        numbers
    }

    /// Looks at those commands that could match: what the narrowest of the wider queries found, or all there are.
    fn pick(&self, commands: &Commands, asked: &Asked, pattern: &Pattern) -> Arc<[u32]> {
        let wider = self.kept.iter().filter(|found| asked.is_narrower(&found.asked));
        match wider.min_by_key(|found| found.numbers.len()) {
            Some(found) => pick(commands, pattern, found.numbers.len(), |n| found.numbers[n]),
            None => pick(commands, pattern, commands.slots(), |n| n as u32),
        }
    }
}

fn pick(commands: &Commands, pattern: &Pattern, count: usize, candidate: impl Fn(usize) -> u32 + Sync) -> Arc<[u32]> {
    let (letters, is_decided) = (pattern.letters(), pattern.is_decided_by_letters());
    let parts = in_parts(count, |part| {
        let could_be = |number: &u32| commands.letters(*number) & letters == letters && commands.runs(*number) > 0;
        let mut numbers: Vec<u32> = part.map(&candidate).filter(could_be).collect();
        if !is_decided {
            keep_matching(commands, pattern, &mut numbers);
        }
        numbers
    });
    parts.concat().into()
}

/// Looks at the texts themselves.
fn keep_matching(commands: &Commands, pattern: &Pattern, numbers: &mut Vec<u32>) {
    let regex = pattern.own_regex();
    let (mut looked, mut kept) = (0, 0);
    while looked < numbers.len() {
        let end = numbers.len().min(looked + FETCHED);
        for number in &numbers[looked..end] {
            if regex.is_some() { commands.fetch_text(*number) } else { commands.fetch_folded(*number) }
        }
        for at in looked..end {
            let number = numbers[at];
            if pattern.is_in(commands.text(number), commands.folded(number), regex.as_ref()) {
                numbers[kept] = number;
                kept += 1;
            }
        }
        looked = end;
    }
    numbers.truncate(kept);
}
