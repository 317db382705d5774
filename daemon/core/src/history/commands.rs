//! The distinct commands: each text once, its folded form, its letters, how often it ran and its newest run.
//!
//! This is what a search looks through, so it is laid out for reading in order: the texts follow each other in one
//! arena, the folded ones in another at the same places.

use std::{hint::black_box, num::NonZeroU64};

use super::{
    arena::Arena,
    fold,
    fold::{Marks, Standing},
    grow, index,
    pool::Pool,
    revision::Revision,
    rows::{NO_ROW, bits_of},
};

/// A hash of [`fold::shape`].
pub(crate) type Shape = NonZeroU64;

/// Distinct commands by number.
pub(crate) struct Commands {
    pool: Pool,
    folded: Arena,
    letters: Vec<u64>,
    pairs: Vec<u128>,
    standing: Vec<Standing>,
    shapes: Vec<Option<Shape>>,
    newest: Vec<u32>,
    newest_start_us: Vec<i64>,
    revision: Revision,
}

impl Commands {
    pub(super) fn new() -> Self {
        Self {
            pool: Pool::default(),
            folded: Arena::default(),
            letters: Vec::new(),
            pairs: Vec::new(),
            standing: Vec::new(),
            shapes: Vec::new(),
            newest: Vec::new(),
            newest_start_us: Vec::new(),
            revision: Revision::new(),
        }
    }

    /// The number of a command, run once more.
    pub(super) fn take(&mut self, text: &[u8]) -> u32 {
        let (number, place) = self.pool.take(text);
        if let Some(place) = place {
            self.revision.advance();
            let at = self.folded.add(text.len(), |bytes| fold::fold_into(bytes, text));
            debug_assert_eq!(at, place);
            let Marks { letters, pairs } = Marks::of(self.folded.text(place));
            let (standing, shape) = (fold::standing(text), shape_of(text));
            match self.letters.get_mut(number as usize) {
                Some(known) => {
                    *known = letters;
                    self.pairs[number as usize] = pairs;
                    self.standing[number as usize] = standing;
                    self.shapes[number as usize] = shape;
                    self.newest[number as usize] = NO_ROW;
                }
                None => {
                    grow::push(&mut self.letters, letters);
                    grow::push(&mut self.pairs, pairs);
                    grow::push(&mut self.standing, standing);
                    grow::push(&mut self.shapes, shape);
                    grow::push(&mut self.newest, NO_ROW);
                    grow::push(&mut self.newest_start_us, 0);
                }
            }
        }
        number
    }

    /// The number of a command that is there.
    pub(super) fn find(&self, text: &[u8]) -> Option<u32> {
        self.pool.find(text)
    }

    /// One run less. With the last run the text goes.
    pub(super) fn release(&mut self, number: u32) {
        let place = self.pool.place(number);
        if !self.pool.release(number) {
            return;
        }
        self.revision.advance();
        self.folded.wipe(place);
        self.letters[number as usize] = 0;
        self.pairs[number as usize] = 0;
        self.standing[number as usize] = Standing::default();
        self.shapes[number as usize] = None;
        self.newest[number as usize] = NO_ROW;
        if self.pool.pack() {
            self.folded = Arena::default();
            for number in (0..self.pool.slots() as u32).filter(|number| self.pool.uses(*number) > 0) {
                let text = self.pool.text(number);
                self.folded.add(text.len(), |bytes| fold::fold_into(bytes, text));
            }
        }
    }

    pub(super) fn set_newest(&mut self, number: u32, row: u32, start_us: i64) {
        self.newest[number as usize] = row;
        self.newest_start_us[number as usize] = start_us;
    }

    /// Changes when a command comes that was not there, or goes.
    pub(crate) fn revision(&self) -> &Revision {
        &self.revision
    }

    /// Every number is below this. Some may be free.
    pub(crate) fn slots(&self) -> usize {
        self.pool.slots()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.pool.len()
    }

    /// How often it ran; never, when the number is free.
    pub(crate) fn runs(&self, number: u32) -> u32 {
        self.pool.uses(number)
    }

    /// Its newest run.
    pub(crate) fn newest(&self, number: u32) -> u32 {
        self.newest[number as usize]
    }

    /// When its newest run started: here too, so that a search need not look at rows all over memory.
    pub(crate) fn newest_start_us(&self, number: u32) -> i64 {
        self.newest_start_us[number as usize]
    }

    /// The text.
    pub(crate) fn text(&self, number: u32) -> &[u8] {
        self.pool.text(number)
    }

    /// The text with its letters folded, as long as the text.
    pub(crate) fn folded(&self, number: u32) -> &[u8] {
        self.folded.text(self.pool.place(number))
    }

    /// Which letters the folded text has.
    pub(crate) fn letters(&self, number: u32) -> u64 {
        self.letters[number as usize]
    }

    /// A bit for each of 64 commands, from 64 times `word` on, whose folded text has at least these letters. Where any are
    /// asked for, no free number has them.
    pub(crate) fn bits_by_letters(&self, word: usize, letters: u64) -> u64 {
        let those = &self.letters[word * 64..self.letters.len().min(word * 64 + 64)];
        bits_of(those, |its| its & letters == letters)
    }

    /// A bit for each of 64 numbers, from 64 times `word` on, that is not free.
    pub(crate) fn bits_alive(&self, word: usize) -> u64 {
        let numbers = word * 64..self.slots().min(word * 64 + 64);
        numbers.rev().fold(0, |bits, number| bits << 1 | u64::from(self.runs(number as u32) > 0))
    }

    /// What the folded text has.
    pub(crate) fn marks(&self, number: u32) -> Marks {
        Marks { letters: self.letters[number as usize], pairs: self.pairs[number as usize] }
    }

    /// Where its letters stand.
    pub(crate) fn standing(&self, number: u32) -> Standing {
        self.standing[number as usize]
    }

    /// What a text shares with all that differ from it in their numbers alone. None when there is no number in it.
    pub(crate) fn shape(&self, number: u32) -> Option<Shape> {
        self.shapes[number as usize]
    }

    /// How long the text is.
    pub(crate) fn text_len(&self, number: u32) -> usize {
        self.pool.place(number).len()
    }

    /// Has the processor bring a text near. It waits for memory longer than a comparison takes; who asks for many texts at
    /// once, and then looks at them, waits once.
    pub(crate) fn fetch_text(&self, number: u32) {
        let text = self.text(number);
        black_box((text.first().copied(), text.last().copied()));
    }

    /// The same for the folded text.
    pub(crate) fn fetch_folded(&self, number: u32) {
        let folded = self.folded(number);
        black_box((folded.first().copied(), folded.last().copied()));
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let wide = self.letters.capacity()
            + self.shapes.capacity()
            + self.newest_start_us.capacity()
            + (self.standing.capacity() + self.pairs.capacity()) * 2;
        let columns = wide * size_of::<u64>() + self.newest.capacity() * size_of::<u32>();
        self.pool.memory_bytes() + self.folded.memory_bytes() + columns
    }

    /// Whether these bytes are anywhere in the texts or their folded forms.
    #[cfg(test)]
    pub(super) fn remembers(&self, bytes: &[u8]) -> bool {
        self.pool.remembers(bytes) || self.folded.remembers(bytes)
    }
}

fn shape_of(text: &[u8]) -> Option<Shape> {
    let has_number = text.iter().any(u8::is_ascii_digit);
    has_number.then(|| NonZeroU64::new(index::hash_of_pieces(fold::shape(text)))).flatten()
}
