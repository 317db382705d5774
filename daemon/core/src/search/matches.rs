//! The distinct commands that match what was typed, kept from one keystroke to the next.
//!
//! Who types on asks for less: a longer text of the same mode matches only what the shorter one did, because each of
//! its words is one of the shorter's words, or one of those with more letters, or one more. So only those are looked at
//! again. What was found for commands that are not there any more is thrown away.

use caro_schema::ipc::history::{Mode, Query};

use super::{parallel::in_parts, pattern::Pattern};
use crate::history::{Commands, Revision};

/// Commands that match.
pub(super) struct Matches {
    revision: Revision,
    mode: Mode,
    text: String,
    /// Ascending.
    numbers: Vec<u32>,
}

impl Matches {
    /// Those that match a query, starting from what is known.
    pub(super) fn find(known: Option<Self>, commands: &Commands, query: &Query, pattern: &Pattern) -> Self {
        let known = known.filter(|known| known.revision == *commands.revision() && known.mode == query.mode);
        let numbers = match known {
            Some(known) if known.text == query.text => return known,
            Some(known) if query.mode != Mode::Regex && query.text.starts_with(&known.text) => {
                let of = known.numbers;
                pick(commands, pattern, of.len(), |n| of[n])
            }
            _ => pick(commands, pattern, commands.slots(), |n| n as u32),
        };
        Self { revision: commands.revision().clone(), mode: query.mode, text: query.text.clone(), numbers }
    }

    pub(super) fn numbers(&self) -> &[u32] {
        &self.numbers
    }
}

fn pick(commands: &Commands, pattern: &Pattern, count: usize, candidate: impl Fn(usize) -> u32 + Sync) -> Vec<u32> {
    let letters = pattern.letters();
    let parts = in_parts(count, |part| {
        let regex = pattern.own_regex();
        let is_in = |number: &u32| {
            let number = *number;
            commands.letters(number) & letters == letters
                && commands.runs(number) > 0
                && pattern.is_in(commands.text(number), commands.folded(number), regex.as_ref())
        };
        part.map(&candidate).filter(is_in).collect::<Vec<u32>>()
    });
    parts.concat()
}
