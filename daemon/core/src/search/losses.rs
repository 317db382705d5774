//! How much less than the best there could be a command is worth, kept from one keystroke to the next.
//!
//! Who types on makes no command better: a letter more is worth at most what a letter in the best place is, and a word more
//! at most what the best word is. So what a command loses in one query it loses in one that goes on from it
//! ([`super::narrow::goes_on`]), and one that was scored need not be scored again to know that it comes late. What came first
//! often comes first again, and is looked at before all others. Knows numbers only.

use std::sync::Arc;

/// What is known of each command, by its number. Invariant: no command loses less than is said here.
#[derive(Clone, Default)]
pub(super) struct Losses {
    /// A byte is enough for what is told apart; nothing is known where it is 0.
    each: Arc<Vec<u8>>,
    /// Those that came first, ascending.
    first: Arc<[u32]>,
}

/// Of those that came first, how many are kept.
const FIRST_MAX: usize = 512;

impl Losses {
    /// What a command loses at least.
    pub(super) fn of(&self, number: u32) -> u32 {
        self.each.get(number as usize).copied().unwrap_or(0).into()
    }

    /// What commands lose, of at most so many.
    pub(super) fn note(&mut self, slots: usize, losses: impl IntoIterator<Item = (u32, u32)>) {
        let each = Arc::make_mut(&mut self.each);
        each.resize(each.len().max(slots), 0);
        for (number, loss) in losses {
            if let Some(known) = each.get_mut(number as usize) {
                *known = u8::try_from(loss).unwrap_or(u8::MAX);
            }
        }
    }

    /// Those that came first, ascending.
    pub(super) fn first(&self) -> &[u32] {
        &self.first
    }

    /// These came first.
    pub(super) fn note_first(&mut self, numbers: impl Iterator<Item = u32>) {
        let mut first: Vec<u32> = numbers.take(FIRST_MAX).collect();
        first.sort_unstable();
        self.first = first.into();
    }
}
