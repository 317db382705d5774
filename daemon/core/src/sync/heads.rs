//! The last links of a relay's chain, to compare with what another device was shown.

use std::collections::VecDeque;

use caro_schema::id::Hash;

/// Links that are kept. Another device's word on the log arrives in the log itself, so it is about a place shortly
/// before; these are 160 KiB at most.
const HEADS_MAX: usize = 4096;

/// The last links.
#[derive(Default)]
pub(super) struct Heads {
    /// The cursor of the last one.
    last: u64,
    heads: VecDeque<Hash>,
}

impl Heads {
    /// Notes the head at a cursor. A gap forgets what was before it.
    pub(super) fn note(&mut self, cursor: u64, head: Hash) {
        if cursor != self.last + 1 {
            self.heads.clear();
        }
        if self.heads.len() == HEADS_MAX {
            self.heads.pop_front();
        }
        self.heads.push_back(head);
        self.last = cursor;
    }

    /// The head at a cursor, if it is kept.
    pub(super) fn at(&self, cursor: u64) -> Option<Hash> {
        let back = usize::try_from(self.last.checked_sub(cursor)?).ok()?;
        let at = self.heads.len().checked_sub(back + 1)?;
        self.heads.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_links_are_kept_and_a_gap_forgets_them() {
        let mut heads = Heads::default();
        let head = |n: u64| Hash([(n % 251) as u8; 32]);
        for cursor in 1..=5000 {
            heads.note(cursor, head(cursor));
        }
        assert!(heads.at(5000) == Some(head(5000)) && heads.at(1000) == Some(head(1000)));
        assert!(heads.at(904).is_none() && heads.at(905).is_some() && heads.at(5001).is_none());
        heads.note(6000, head(6000));
        assert!(heads.at(5000).is_none() && heads.at(6000).is_some());
    }
}
