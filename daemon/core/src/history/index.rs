//! From a hash to the number of what was hashed: four bytes an entry, where a map that also held the key would cost
//! thirty. Knows nothing of the keys; whoever asks says how to tell and how to hash one.
//!
//! Open addressing with linear probing, at most three quarters full, so that every search comes to an empty slot.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Numbers by hash.
#[derive(Default)]
pub(super) struct Index {
    slots: Vec<u32>,
    len: usize,
}

/// No number. Rows and texts are counted in memory, which ends long before this.
const EMPTY: u32 = u32::MAX;

const SLOTS_MIN: usize = 16;

impl Index {
    /// The number with this hash for which `is` holds.
    pub(super) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        loop {
            match self.slots[at] {
                EMPTY => return None,
                number if is(number) => return Some(number),
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// Adds a number that is not in it. `hash_of` hashes those that are.
    pub(super) fn insert(&mut self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            let grown = vec![EMPTY; (self.slots.len() * 2).max(SLOTS_MIN)];
            for number in std::mem::replace(&mut self.slots, grown) {
                if number != EMPTY {
                    self.place(hash_of(number), number);
                }
            }
        }
        self.place(hash, number);
        self.len += 1;
    }

    fn place(&mut self, hash: u64, number: u32) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at] != EMPTY {
            at = (at + 1) & mask;
        }
        self.slots[at] = number;
    }

    /// Takes a number out. Those behind it move up, so that no search stops too soon.
    pub(super) fn remove(&mut self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        let Some(mask) = self.slots.len().checked_sub(1) else { return };
        let mut hole = hash as usize & mask;
        while self.slots[hole] != number {
            if self.slots[hole] == EMPTY {
                return;
            }
            hole = (hole + 1) & mask;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let next = self.slots[at];
            if next == EMPTY {
                break;
            }
            let home = hash_of(next) as usize & mask;
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.slots[hole] = next;
                hole = at;
            }
        }
        self.slots[hole] = EMPTY;
        self.len -= 1;
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u32>()
    }
}

/// The same for the same bytes in every run: what a device decides must not hang on luck. Only the account's own devices
/// could choose bytes that collide, and they would slow down themselves.
pub(super) fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The same for bytes in pieces, wherever one ends.
pub(super) fn hash_of_pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> u64 {
    let mut hasher = DefaultHasher::new();
    pieces.for_each(|piece| hasher.write(piece));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_set_would_hold(steps in prop::collection::vec((any::<bool>(), 0u32..200), 0..600)) {
            // Few hashes, so that most numbers collide.
            let hash_of = |number: u32| u64::from(number % 7) * 5;
            let mut index = Index::default();
            let mut model = BTreeSet::new();
            for (add, number) in steps {
                let known = index.find(hash_of(number), |other| other == number).is_some();
                prop_assert_eq!(known, model.contains(&number));
                if add && !known {
                    index.insert(hash_of(number), number, hash_of);
                    model.insert(number);
                } else if !add {
                    index.remove(hash_of(number), number, hash_of);
                    model.remove(&number);
                }
                if !known && !add {
                    continue;
                }
                for number in 0..200 {
                    let found = index.find(hash_of(number), |other| other == number).is_some();
                    prop_assert_eq!(found, model.contains(&number));
                }
            }
            prop_assert_eq!(index.len, model.len());
        }
    }
}
