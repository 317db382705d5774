//! A word whose letters are to be found in their order, not necessarily together.
//!
//! Whether it is in a text is decided here, letter by letter, and quickly. How well it sits is nucleo's to say, and only
//! asked for texts that have it. Both follow the same rule of cases: lower-case letters find both, upper-case ones only
//! themselves.

use memchr::memmem;
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::history::{fold_char, letters};

/// A word.
pub(super) struct Word {
    letters: Vec<char>,
    /// When all of it is ASCII, which nearly everything is.
    ascii: Option<Vec<u8>>,
    upper: Vec<char>,
    mask: u64,
}

/// What scoring needs again and again. Made for one part of one search: it holds letters of commands.
pub(super) struct Scorer {
    matcher: Matcher,
    bytes: Vec<u8>,
    letters: Vec<char>,
    offsets: Vec<u32>,
    indices: Vec<u32>,
}

/// What nucleo gives for one letter at most, and what it adds for the first.
const LETTER_SCORE_MAX: u32 = 26;
const FIRST_LETTER_MAX: u32 = 10;

impl Word {
    /// A word without white space.
    pub(super) fn new(typed: &str) -> Self {
        let mut folded = Vec::new();
        crate::history::fold_into(&mut folded, typed.as_bytes());
        Self {
            letters: typed.chars().collect(),
            ascii: typed.is_ascii().then(|| typed.as_bytes().to_vec()),
            upper: typed.chars().filter(|letter| fold_char(*letter) != *letter).collect(),
            mask: letters(&folded),
        }
    }

    /// The letters that a text must have.
    pub(super) fn mask(&self) -> u64 {
        self.mask
    }

    /// The greatest that [`Self::score`] gives.
    pub(super) fn score_max(&self) -> u32 {
        self.letters.len() as u32 * LETTER_SCORE_MAX + FIRST_LETTER_MAX
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
            None => self.places(text, folded).is_some(),
        }
    }

    /// The first place of each letter after the one before.
    fn places(&self, text: &[u8], folded: &[u8]) -> Option<Vec<(u32, u32)>> {
        let mut from = 0;
        let place = |letter: &char| {
            let mut utf8 = [0; 4];
            let bytes = letter.encode_utf8(&mut utf8).as_bytes();
            let rest = if fold_char(*letter) == *letter { &folded[from..] } else { &text[from..] };
            let at = from + memmem::find(rest, bytes)?;
            from = at + bytes.len();
            Some((at as u32, from as u32))
        };
        self.letters.iter().map(place).collect()
    }

    /// How well the letters sit in a text that has them.
    pub(super) fn score(&self, text: &[u8], folded: &[u8], scorer: &mut Scorer) -> u32 {
        // None only where a letter was typed in both cases, which nucleo cannot tell apart as we do: it sits badly then.
        scorer.ask(self, text, folded, false).unwrap_or(0).min(self.score_max())
    }

    /// Where the letters sit in a text that has them.
    pub(super) fn ranges(&self, text: &[u8], folded: &[u8], scorer: &mut Scorer) -> Vec<(u32, u32)> {
        if scorer.ask(self, text, folded, true).is_none() {
            return self.places(text, folded).unwrap_or_default();
        }
        let mut indices = std::mem::take(&mut scorer.indices);
        indices.sort_unstable();
        indices.into_iter().map(|index| scorer.range(index)).collect()
    }
}

impl Scorer {
    /// With empty buffers.
    pub(super) fn new() -> Self {
        // Cases are settled here, and an accent is typed by whoever means it.
        let mut config = Config::DEFAULT;
        config.ignore_case = false;
        config.normalize = false;
        let matcher = Matcher::new(config);
        Self { matcher, bytes: Vec::new(), letters: Vec::new(), offsets: Vec::new(), indices: Vec::new() }
    }

    fn ask(&mut self, word: &Word, text: &[u8], folded: &[u8], with_indices: bool) -> Option<u32> {
        self.indices.clear();
        self.letters.clear();
        self.offsets.clear();
        let Self { matcher, bytes, letters, offsets, indices } = self;
        let haystack = if !folded.is_ascii() {
            decode(text, &word.upper, letters, offsets);
            Utf32Str::Unicode(letters)
        } else if word.upper.is_empty() {
            Utf32Str::Ascii(folded)
        } else {
            bytes.clear();
            let exact = |letter: &u8| word.upper.contains(&char::from(*letter));
            bytes.extend(text.iter().zip(folded).map(|(letter, lower)| if exact(letter) { letter } else { lower }));
            Utf32Str::Ascii(bytes)
        };
        let needle = word.ascii.as_deref().map_or(Utf32Str::Unicode(&word.letters), Utf32Str::Ascii);
        let score = if with_indices {
            matcher.fuzzy_indices(haystack, needle, indices)
        } else {
            matcher.fuzzy_match(haystack, needle)
        };
        score.map(u32::from)
    }

    /// The bytes of the letter at this index of what was asked last.
    fn range(&self, index: u32) -> (u32, u32) {
        match self.offsets.get(index as usize) {
            Some(start) => (*start, *start + self.letters[index as usize].len_utf8() as u32),
            None => (index, index + 1),
        }
    }
}

/// Letters as they are compared, and where each begins. A byte that is none is a letter that nobody types.
fn decode(text: &[u8], upper: &[char], letters: &mut Vec<char>, offsets: &mut Vec<u32>) {
    let mut at = 0;
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars() {
            letters.push(if upper.contains(&letter) { letter } else { fold_char(letter) });
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
