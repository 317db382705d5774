//! A word whose letters are to be found in their order, not necessarily together.
//!
//! Whether it is in a text is decided letter by letter, and quickly. How well it sits there is [`super::sit`]'s to say,
//! and only asked for texts that have it. Both follow the same rule of cases: lower-case letters find both, upper-case
//! ones only themselves.

use memchr::memmem;

use super::sit::{Beside, Sitting, Stands};
use crate::history::{SIGNS, Standing, fold_char, letters, pair};

/// A word.
pub(super) struct Word {
    letters: Vec<char>,
    /// When all of it is ASCII, which nearly everything is.
    ascii: Option<Vec<u8>>,
    /// The different letters, and which of them each letter is.
    distinct: Vec<char>,
    slots: Vec<u8>,
    /// The same as bytes, when all of it is ASCII.
    distinct_ascii: Option<Vec<u8>>,
    mask: u64,
    /// Of each letter.
    bits: Vec<u64>,
    /// Of each letter but the first: what a text has where it stands next to the one before, and what it is worth there.
    beside: Vec<(u128, Beside)>,
}

/// What scoring needs again and again. Made for one part of one search: it holds letters of commands.
pub(super) struct Scorer {
    sitting: Sitting,
    letters: Vec<char>,
    offsets: Vec<u32>,
}

impl Word {
    /// A word without white space. It has at most [`super::part::LOOSE_LETTERS_MAX`] letters.
    pub(super) fn new(typed: &str) -> Self {
        let mut folded = Vec::new();
        crate::history::fold_into(&mut folded, typed.as_bytes());
        let letters: Vec<char> = typed.chars().collect();
        let mut distinct = letters.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let slots = letters.iter().filter_map(|letter| distinct.binary_search(letter).ok()).map(|slot| slot as u8);
        let beside = |two: &[char]| (beside(two[0], two[1]), Beside::of(two[0], two[1]));
        let beside: Vec<(u128, Beside)> = letters.windows(2).map(beside).collect();
        Self {
            beside,
            slots: slots.collect(),
            distinct_ascii: distinct.iter().map(|letter| u8::try_from(*letter).ok().filter(u8::is_ascii)).collect(),
            ascii: typed.is_ascii().then(|| typed.as_bytes().to_vec()),
            mask: crate::history::letters(&folded),
            bits: letters.iter().map(|letter| bits_of(*letter)).collect(),
            letters,
            distinct,
        }
    }

    /// The letters that a text must have.
    pub(super) fn mask(&self) -> u64 {
        self.mask
    }

    /// The greatest that [`Self::score`] gives.
    pub(super) fn score_max(&self) -> u32 {
        super::sit::score_max(self.letters.len())
    }

    /// How much less than [`Self::score_max`] a text with this word is worth at least, when its letters stand so, and side
    /// by side so.
    pub(super) fn loss(&self, standing: Standing, pairs: u128) -> u32 {
        let stands = |bits: &u64| match (bits & standing.first != 0, bits & standing.turn != 0) {
            _ if bits & SIGNS == *bits => Stands::Sign,
            (true, _) => Stands::First,
            (false, true) => Stands::Turn,
            (false, false) => Stands::Within,
        };
        let Some((first, rest)) = self.bits.split_first() else { return 0 };
        let beside = |(pair, beside): &(u128, Beside)| (pair & pairs != 0).then_some(*beside);
        let rest = rest.iter().zip(&self.beside).map(|(bits, pair)| (stands(bits), beside(pair)));
        self.score_max() - super::sit::score_bound(stands(first), rest)
    }

    /// Whether a text of ASCII that has [`Self::mask`] has the word for sure.
    pub(super) fn is_decided_by_letters(&self) -> bool {
        matches!(self.ascii.as_deref(), Some([letter]) if is_told_by_mask(*letter))
    }

    /// Whether the letters are in a text in their order.
    pub(super) fn is_in(&self, text: &[u8], folded: &[u8]) -> bool {
        match &self.ascii {
            Some(ascii) => {
                let mut from = 0;
                ascii.iter().all(|letter| {
                    let place = if letter.is_ascii_uppercase() { &text[from..] } else { &folded[from..] };
                    memchr::memchr(*letter, place).inspect(|at| from += at + 1).is_some()
                })
            }
            None => self.are_in_order(text, folded),
        }
    }

    fn are_in_order(&self, text: &[u8], folded: &[u8]) -> bool {
        let mut from = 0;
        self.letters.iter().all(|letter| {
            let mut utf8 = [0; 4];
            let bytes = letter.encode_utf8(&mut utf8).as_bytes();
            let rest = if fold_char(*letter) == *letter { &folded[from..] } else { &text[from..] };
            memmem::find(rest, bytes).inspect(|at| from += at + bytes.len()).is_some()
        })
    }

    /// How well the letters sit in a text that has them.
    pub(super) fn score(&self, text: &[u8], scorer: &mut Scorer) -> u32 {
        scorer.sit(self, text);
        scorer.sitting.score()
    }

    /// Where the letters sit in a text that has them.
    pub(super) fn ranges(&self, text: &[u8], scorer: &mut Scorer) -> Vec<(u32, u32)> {
        let is_decoded = scorer.sit(self, text);
        let places = scorer.sitting.places();
        places.into_iter().map(|place| if is_decoded { scorer.range(place) } else { (place, place + 1) }).collect()
    }
}

impl Scorer {
    /// With empty buffers.
    pub(super) fn new() -> Self {
        Self { sitting: Sitting::default(), letters: Vec::new(), offsets: Vec::new() }
    }

    /// Sits a word in a text. True when places are letters and not bytes.
    fn sit(&mut self, word: &Word, text: &[u8]) -> bool {
        let Self { sitting, letters, offsets } = self;
        if let Some(distinct) = word.distinct_ascii.as_ref().filter(|_| text.is_ascii()) {
            sitting.mark_bytes(text, distinct);
            sitting.sit(&word.slots, |at| char::from(text[at]));
            return false;
        }
        decode(text, letters, offsets);
        sitting.mark_letters(letters, &word.distinct);
        sitting.sit(&word.slots, |at| letters[at]);
        true
    }

    /// The bytes of a letter of what was decoded last.
    fn range(&self, place: u32) -> (u32, u32) {
        let start = self.offsets[place as usize];
        (start, start + self.letters[place as usize].len_utf8() as u32)
    }
}

/// The bits of one letter among [`letters`], folded.
fn bits_of(letter: char) -> u64 {
    letters(fold_char(letter).encode_utf8(&mut [0; 4]).as_bytes())
}

/// What a folded text has in which these two letters stand side by side.
fn beside(one: char, other: char) -> u128 {
    let (mut before, mut behind) = ([0; 4], [0; 4]);
    let before = fold_char(one).encode_utf8(&mut before).as_bytes();
    let behind = fold_char(other).encode_utf8(&mut behind).as_bytes();
    pair(before[before.len() - 1], behind[0])
}

/// Whether a letter has a bit of its own among [`letters`], for folded texts of ASCII: an upper-case letter is not told from
/// its lower case, and some signs share one.
pub(super) fn is_told_by_mask(letter: u8) -> bool {
    letters(&[letter]) != letters(b" ") && letter.is_ascii() && !letter.is_ascii_uppercase()
}

/// Letters, and where each begins. A byte that is none is a letter that nobody types.
fn decode(text: &[u8], letters: &mut Vec<char>, offsets: &mut Vec<u32>) {
    letters.clear();
    offsets.clear();
    let mut at = 0;
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars() {
            letters.push(letter);
            offsets.push(at);
            at += letter.len_utf8() as u32;
        }
        for _ in chunk.invalid() {
            letters.push('\0');
            offsets.push(at);
            at += 1;
        }
    }
}
