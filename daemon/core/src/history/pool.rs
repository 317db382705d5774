//! Texts, each held once however often it is used. Knows bytes and how many use them, not what they mean.
//!
//! A text that nobody uses any more is overwritten at once: what was deleted is gone. Its place in the arena is won
//! back when as much is lost as is left.

use zeroize::Zeroize;

use super::{
    grow,
    index::{self, Index},
};

/// Texts by number.
#[derive(Default)]
pub(crate) struct Pool {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    index: Index,
    free: Vec<u32>,
    lost: usize,
}

#[derive(Clone, Copy)]
struct Span {
    start: usize,
    // A record comes in a message or a spool line, far below four gigabytes.
    len: u32,
    uses: u32,
}

/// Below this, winning back a place is not worth the copy.
const PACK_FROM_BYTES: usize = 64 * 1024;

impl Pool {
    /// The number of a text, used once more. True when it was not there.
    pub(super) fn take(&mut self, text: &[u8]) -> (u32, bool) {
        if let Some(number) = self.find(text) {
            self.spans[number as usize].uses += 1;
            return (number, false);
        }
        let span = Span { start: self.bytes.len(), len: text.len() as u32, uses: 1 };
        grow::extend(&mut self.bytes, text);
        let number = match self.free.pop() {
            Some(number) => {
                self.spans[number as usize] = span;
                number
            }
            None => {
                grow::push(&mut self.spans, span);
                self.spans.len() as u32 - 1
            }
        };
        let Self { bytes, spans, index, .. } = self;
        index.insert(index::hash(text), number, |other| index::hash(slice(bytes, spans[other as usize])));
        (number, true)
    }

    /// Ends one use of a text. True when it was the last and the text is gone.
    pub(super) fn release(&mut self, number: u32) -> bool {
        let span = &mut self.spans[number as usize];
        span.uses -= 1;
        if span.uses > 0 {
            return false;
        }
        let span = *span;
        let hash = index::hash(self.text(number));
        let Self { bytes, spans, index, .. } = self;
        index.remove(hash, number, |other| index::hash(slice(bytes, spans[other as usize])));
        self.bytes[span.start..span.start + span.len as usize].zeroize();
        self.spans[number as usize].len = 0;
        self.free.push(number);
        self.lost += span.len as usize;
        true
    }

    /// Wins back lost places if they are worth it. True when texts have moved.
    pub(super) fn pack(&mut self) -> bool {
        if self.lost < PACK_FROM_BYTES || self.lost * 2 < self.bytes.len() {
            return false;
        }
        let mut packed = Vec::with_capacity(self.bytes.len() - self.lost);
        for span in &mut self.spans {
            let start = packed.len();
            packed.extend_from_slice(slice(&self.bytes, *span));
            span.start = start;
        }
        std::mem::replace(&mut self.bytes, packed).zeroize();
        self.lost = 0;
        true
    }

    /// The number of a text that is there.
    pub(crate) fn find(&self, text: &[u8]) -> Option<u32> {
        self.index.find(index::hash(text), |number| self.text(number) == text)
    }

    /// The text of a number.
    pub(crate) fn text(&self, number: u32) -> &[u8] {
        slice(&self.bytes, self.spans[number as usize])
    }

    /// How often a text is used. None of the numbers that are free is.
    pub(crate) fn uses(&self, number: u32) -> u32 {
        self.spans[number as usize].uses
    }

    /// Every number is below this.
    pub(crate) fn slots(&self) -> usize {
        self.spans.len()
    }

    /// How many texts there are.
    pub(super) fn len(&self) -> usize {
        self.spans.len() - self.free.len()
    }

    /// The whole arena, in which places do not change until [`Self::pack`] says so.
    pub(super) fn arena(&self) -> &[u8] {
        &self.bytes
    }

    /// Where in the arena a text is.
    pub(super) fn range(&self, number: u32) -> std::ops::Range<usize> {
        let Span { start, len, .. } = self.spans[number as usize];
        start..start + len as usize
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let free = self.free.capacity() * size_of::<u32>();
        self.bytes.capacity() + self.spans.capacity() * size_of::<Span>() + free + self.index.memory_bytes()
    }
}

fn slice(bytes: &[u8], span: Span) -> &[u8] {
    &bytes[span.start..span.start + span.len as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_held_once_and_goes_with_its_last_use() {
        let mut pool = Pool::default();
        let (one, new) = pool.take(b"secret-token");
        assert!(new);
        assert_eq!(pool.take(b"secret-token"), (one, false));
        let (other, _) = pool.take(b"");
        assert!(!pool.release(one));
        assert_eq!(pool.text(one), b"secret-token");
        assert!(pool.release(one));
        assert_eq!(pool.find(b"secret-token"), None);
        assert!(!pool.arena().windows(6).any(|part| part == b"secret"), "the text is still in memory");
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
        assert_eq!(pool.arena().len(), 500 * 100);
        for n in (0..2000).step_by(4) {
            assert_eq!(pool.text(numbers[n]), format!("{n:0100}").as_bytes());
        }
        assert!(!pool.pack(), "nothing more to win");
        assert_eq!(pool.take(b"new").0, numbers[1999]);
    }
}
