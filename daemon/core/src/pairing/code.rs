//! The short code that one person reads from one screen and types at another, and the words that they compare: words of
//! the phrase's list, which were chosen to be told apart and are known by their first four letters.
//!
//! A code is a mailbox's number and two words: 22 bits, of which a stranger gets three guesses, each of which both people
//! see. Neither a code nor the words are kept or logged.

use std::fmt;

use bip39::Language;
use caro_link::entropy::{Entropy, NoEntropy};
use caro_schema::limits::MAILBOX_NUMBER_MAX;
use zeroize::Zeroizing;

use crate::vault::phrase::nearest_word;

/// A code.
pub struct Code {
    number: u16,
    words: [usize; 2],
}

/// Why what was typed is no code. No try is lost by it.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Not a number and two words.
    #[error("not a number and two words")]
    Form,
    /// A word is not in the list.
    #[error("word {position} of the code is not in the list")]
    Word {
        /// The first or the second.
        position: usize,
        /// The word of the list that is most like it.
        nearest: String,
    },
}

/// The words that are compared on both screens.
#[derive(Clone, PartialEq, Eq)]
pub struct CheckWords([usize; 3]);

/// Words of the list, a power of two.
const LIST_WORDS: usize = 2048;

/// Letters by which every word of the list is known.
const PREFIX_LETTERS: usize = 4;

impl Code {
    /// A new one.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn draw(entropy: &mut dyn Entropy) -> Result<Self, NoEntropy> {
        let mut random = Zeroizing::new([0; 8]);
        entropy.fill(&mut *random)?;
        let [a, b, c, d, e, f, g, h] = random.map(usize::from);
        // Of 2^32 numbers: a number is at most one in 400,000 more likely than another. It is no secret.
        let number = (a << 24 | b << 16 | c << 8 | d) % usize::from(MAILBOX_NUMBER_MAX) + 1;
        Ok(Self { number: number as u16, words: [(e << 8 | f) % LIST_WORDS, (g << 8 | h) % LIST_WORDS] })
    }

    /// Reads a code as people type it: any case, spaces or hyphens, words whole or from their first four letters on.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let text = Zeroizing::new(text.to_lowercase());
        let separates = |letter: char| letter.is_whitespace() || letter == '-';
        let parts: Vec<&str> = text.split(separates).filter(|part| !part.is_empty()).collect();
        let [number, first, second] = parts[..] else { return Err(CodeError::Form) };
        let number: u16 = number.parse().map_err(|_| CodeError::Form)?;
        if number == 0 || number > MAILBOX_NUMBER_MAX {
            return Err(CodeError::Form);
        }
        Ok(Self { number, words: [word(1, first)?, word(2, second)?] })
    }

    /// Which mailbox.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// As it is shown.
    pub fn text(&self) -> Zeroizing<String> {
        let [first, second] = self.words.map(word_at);
        Zeroizing::new(format!("{}-{first}-{second}", self.number))
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number: _, words: _ } = self;
        f.debug_struct("Code").finish_non_exhaustive()
    }
}

// The nearest word to what was typed is nearly what was meant.
impl fmt::Debug for CodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("Form"),
            Self::Word { position, nearest: _ } => {
                f.debug_struct("Word").field("position", position).finish_non_exhaustive()
            }
        }
    }
}

impl CheckWords {
    /// From eight bytes that both ends have alike: 33 bits of them.
    pub(super) fn from_bytes(bytes: [u8; 8]) -> Self {
        let bits = u64::from_be_bytes(bytes);
        Self([53, 42, 31].map(|shift| (bits >> shift) as usize % LIST_WORDS))
    }

    /// As they are shown.
    pub fn words(&self) -> Vec<String> {
        self.0.map(|at| word_at(at).to_owned()).to_vec()
    }
}

impl fmt::Debug for CheckWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("CheckWords(..)")
    }
}

fn word_at(at: usize) -> &'static str {
    Language::English.word_list().get(at).copied().unwrap_or_default()
}

fn word(position: usize, typed: &str) -> Result<usize, CodeError> {
    let known = |word: &&str| **word == *typed || (typed.len() >= PREFIX_LETTERS && word.starts_with(typed));
    Language::English
        .word_list()
        .iter()
        .position(known)
        .ok_or_else(|| CodeError::Word { position, nearest: nearest_word(typed).to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(u8);

    impl Entropy for Counting {
        fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
            for byte in bytes {
                self.0 = self.0.wrapping_mul(5).wrapping_add(31);
                *byte = self.0;
            }
            Ok(())
        }
    }

    #[test]
    fn si004_a_code_is_read_as_it_is_shown_and_as_people_type_it() {
        for seed in 0..=255 {
            let code = Code::draw(&mut Counting(seed)).unwrap();
            assert!((1..=MAILBOX_NUMBER_MAX).contains(&code.number()));
            let shown = code.text();
            for typed in [shown.to_string(), shown.to_uppercase(), format!("  {} ", shown.replace('-', " "))] {
                assert_eq!(Code::parse(&typed).unwrap().text(), shown);
            }
        }
        assert_eq!(Code::parse("7 aban ZOO").unwrap().text().as_str(), "7-abandon-zoo");
    }

    #[test]
    fn what_is_no_code_says_why() {
        for form in ["", "7", "7-abandon", "abandon-zoo", "7-abandon-zoo-zoo", "0-abandon-zoo", "10000-abandon-zoo"] {
            assert_eq!(Code::parse(form).err(), Some(CodeError::Form), "{form:?}");
        }
        let wrong = |position, nearest: &str| Some(CodeError::Word { position, nearest: nearest.to_owned() });
        assert_eq!(Code::parse("7-abandn-zoo").err(), wrong(1, "abandon"));
        assert_eq!(Code::parse("7-abandon-zo").err(), wrong(2, "zoo"));
    }

    #[test]
    fn every_word_of_the_list_is_known_by_four_letters() {
        assert_eq!(Language::English.word_list().len(), LIST_WORDS);
        for (at, word) in Language::English.word_list().iter().enumerate() {
            assert_eq!(super::word(1, &word[..word.len().min(PREFIX_LETTERS)]), Ok(at), "{word}");
        }
    }

    #[test]
    fn de003_neither_code_nor_words_print_themselves() {
        let code = Code::parse("7-abandon-zoo").unwrap();
        let words = CheckWords::from_bytes([0; 8]);
        assert_eq!(words.words(), ["abandon"; 3]);
        assert_eq!(CheckWords::from_bytes([0xff; 8]).words(), ["zoo"; 3]);
        assert_eq!(format!("{code:?} {words:?}"), "Code { .. } CheckWords(..)");
        let error = Code::parse("7-abandn-zoo").unwrap_err();
        assert_eq!(format!("{error:?}"), "Word { position: 1, .. }");
    }
}
