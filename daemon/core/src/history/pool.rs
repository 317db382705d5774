//! Texts, each held once however often it is used. Knows bytes and how many use them, not what they mean.
//!
//! A text that nobody uses any more is overwritten at once: what was deleted is gone. Its place in the arena is won
//! back when as much is lost as is left.

use super::{
    arena::{Arena, Place},
    grow,
    index::{self, Index},
};

/// Texts by number.
#[derive(Default)]
pub(crate) struct Pool {
    arena: Arena,
    texts: Vec<Text>,
    index: Index,
    free: Vec<u32>,
    lost: usize,
}

#[derive(Clone, Copy)]
struct Text {
    place: Place,
    uses: u32,
}

/// Below this, winning back a place is not worth the copy.
const PACK_FROM_BYTES: usize = 64 * 1024;

impl Pool {
    /// The number of a text, used once more, and its place when it is new.
    pub(super) fn take(&mut self, text: &[u8]) -> (u32, Option<Place>) {
        if let Some(number) = self.find(text) {
            self.texts[number as usize].uses += 1;
            return (number, None);
        }
        let place = self.arena.add(text.len(), |bytes| bytes.extend_from_slice(text));
        let new = Text { place, uses: 1 };
        let number = match self.free.pop() {
            Some(number) => {
                self.texts[number as usize] = new;
                number
            }
            None => {
                grow::push(&mut self.texts, new);
                self.texts.len() as u32 - 1
            }
        };
        let Self { arena, texts, index, .. } = self;
        index.insert(index::hash(text), number, |other| index::hash(arena.text(texts[other as usize].place)));
        (number, Some(place))
    }

    /// Ends one use of a text. True when it was the last and the text is gone.
    pub(super) fn release(&mut self, number: u32) -> bool {
        let text = &mut self.texts[number as usize];
        text.uses -= 1;
        if text.uses > 0 {
            return false;
        }
        let place = text.place;
        let Self { arena, texts, index, .. } = self;
        let hash_of = |other: u32| index::hash(arena.text(texts[other as usize].place));
        index.remove(hash_of(number), number, hash_of);
        self.arena.wipe(place);
        self.texts[number as usize].place = Place::NONE;
        self.free.push(number);
        self.lost += place.len();
        true
    }

    /// Wins back lost places if they are worth it. True when texts have moved: those with small numbers come first.
    pub(super) fn pack(&mut self) -> bool {
        if self.lost < PACK_FROM_BYTES || self.lost * 2 < self.arena.len() {
            return false;
        }
        let mut packed = Arena::default();
        for text in self.texts.iter_mut().filter(|text| text.uses > 0) {
            let bytes = self.arena.text(text.place);
            text.place = packed.add(bytes.len(), |buffer| buffer.extend_from_slice(bytes));
        }
        self.arena = packed;
        self.lost = 0;
        true
    }

    /// The number of a text that is there.
    pub(crate) fn find(&self, text: &[u8]) -> Option<u32> {
        self.index.find(index::hash(text), |number| self.text(number) == text)
    }

    /// The text of a number; nothing when the number is free.
    pub(crate) fn text(&self, number: u32) -> &[u8] {
        match self.texts[number as usize] {
            Text { uses: 0, .. } => &[],
            Text { place, .. } => self.arena.text(place),
        }
    }

    /// Where a text is.
    pub(super) fn place(&self, number: u32) -> Place {
        self.texts[number as usize].place
    }

    /// How often a text is used. None of the numbers that are free is.
    pub(crate) fn uses(&self, number: u32) -> u32 {
        self.texts[number as usize].uses
    }

    /// Every number is below this.
    pub(crate) fn slots(&self) -> usize {
        self.texts.len()
    }

    /// How many texts there are.
    pub(super) fn len(&self) -> usize {
        self.texts.len() - self.free.len()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let free = self.free.capacity() * size_of::<u32>();
        self.arena.memory_bytes() + self.texts.capacity() * size_of::<Text>() + free + self.index.memory_bytes()
    }

    /// Whether these bytes are anywhere in it.
    #[cfg(test)]
    pub(super) fn remembers(&self, bytes: &[u8]) -> bool {
        self.arena.remembers(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_held_once_and_goes_with_its_last_use() {
        let mut pool = Pool::default();
        let (one, new) = pool.take(b"secret-token");
        assert!(new.is_some());
        assert_eq!(pool.take(b"secret-token"), (one, None));
        let (other, _) = pool.take(b"");
        assert!(!pool.release(one));
        assert_eq!(pool.text(one), b"secret-token");
        assert!(pool.release(one));
        assert_eq!(pool.find(b"secret-token"), None);
        assert!(!pool.remembers(b"secret"), "the text is still in memory");
        assert_eq!(pool.find(b""), Some(other));
        assert_eq!(pool.len(), 1);
    }

    #[test]
    fn places_are_won_back_and_numbers_stay() {
        let mut pool = Pool::default();
        let numbers: Vec<u32> = (0..2000).map(|n| pool.take(format!("{n:0100}").as_bytes()).0).collect();
        for number in numbers.iter().filter(|number| **number % 4 != 0) {
            pool.release(*number);
        }
        assert!(pool.pack());
        assert_eq!(pool.arena.len(), 500 * 100);
        for n in (0..2000).step_by(4) {
            assert_eq!(pool.text(numbers[n]), format!("{n:0100}").as_bytes());
        }
        assert!(!pool.pack(), "nothing more to win");
        assert_eq!(pool.take(b"new").0, numbers[1999]);
    }
}
