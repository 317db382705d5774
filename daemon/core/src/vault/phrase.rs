//! The recovery phrase: the one thing a person writes down, and all that an account hangs on.
//!
//! It exists in memory while `init`, `restore` or `revoke` run and nowhere else. A phrase is made from randomness or
//! read back; text of a person's own choice is refused by its checksum. No error holds what was typed.
//! What follows from a phrase is in `root_key.rs`.

use std::fmt;

use bip39::{Language, Mnemonic};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{nearest::nearest, text::normal};

/// A checked BIP39 phrase of 12 to 24 English words.
#[derive(ZeroizeOnDrop)]
pub struct Phrase {
    mnemonic: Mnemonic,
}

/// How many words a phrase may have (BIP39: 128 to 256 bits in steps of 32).
const LENGTHS: [usize; 5] = [12, 15, 18, 21, 24];

/// Why text is not a phrase. Printing one shows neither what was typed nor what was probably meant: the screen that
/// asked for the phrase may show `nearest`, a log may not.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    /// A word is not in the list.
    #[error("word {position} is not in the word list")]
    Word {
        /// Which, from 1.
        position: usize,
        /// The word of the list that is most like it.
        nearest: String,
    },
    /// Not 12, 15, 18, 21 or 24 words.
    #[error("the phrase has {words} words, it must have 12, 15, 18, 21 or 24")]
    Length {
        /// How many there are.
        words: usize,
    },
    /// Every word is in the list, but not in this combination.
    #[error("the words do not belong together: the checksum does not fit")]
    Checksum,
}

impl Phrase {
    /// A new phrase of 24 words, from 32 random bytes.
    pub fn from_entropy(entropy: &[u8; 32]) -> Self {
        #[allow(clippy::expect_used)] // 256 bits are one of the five lengths
        let mnemonic = Mnemonic::from_entropy_in(Language::English, entropy).expect("256 bits make 24 words");
        Self { mnemonic }
    }

    /// Reads a phrase as people type and paste it: any white space and case, with or without numbers before the words.
    ///
    /// # Errors
    /// When the number of words is wrong, a word is not in the list, or the checksum does not fit.
    pub fn parse(text: &str) -> Result<Self, PhraseError> {
        let text = normal(text);
        let text = Zeroizing::new(text.to_lowercase());
        let words: Vec<&str> = text.split_whitespace().map(without_number).filter(|word| !word.is_empty()).collect();
        if !LENGTHS.contains(&words.len()) {
            return Err(PhraseError::Length { words: words.len() });
        }
        if let Some(index) = words.iter().position(|word| !is_word(word)) {
            return Err(PhraseError::Word { position: index + 1, nearest: nearest(words[index]).to_owned() });
        }
        let joined = Zeroizing::new(words.join(" "));
        let parsed = Mnemonic::parse_in_normalized(Language::English, &joined);
        parsed.map(|mnemonic| Self { mnemonic }).map_err(|_| PhraseError::Checksum)
    }

    /// The words, to be shown once.
    pub fn words(&self) -> Zeroizing<Vec<String>> {
        Zeroizing::new(self.mnemonic.words().map(str::to_owned).collect())
    }

    /// The 16 to 32 bytes that the words stand for.
    pub fn entropy(&self) -> Zeroizing<Vec<u8>> {
        let (mut bytes, len) = self.mnemonic.to_entropy_array();
        let entropy = Zeroizing::new(bytes[..len].to_vec());
        bytes.zeroize();
        entropy
    }
}

/// Whether a word, in small letters, is one of the 2,048 of BIP39's English list.
pub fn is_word(word: &str) -> bool {
    Language::English.find_word(word).is_some()
}

/// The word of the list that is most like what was typed. For the screen that asked for it, never for a log.
pub(crate) fn nearest_word(typed: &str) -> &'static str {
    nearest(typed)
}

impl fmt::Debug for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mnemonic: _ } = self;
        f.debug_struct("Phrase").finish_non_exhaustive()
    }
}

impl fmt::Debug for PhraseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word { position, nearest: _ } => {
                f.debug_struct("Word").field("position", position).finish_non_exhaustive()
            }
            Self::Length { words } => f.debug_struct("Length").field("words", words).finish(),
            Self::Checksum => f.write_str("Checksum"),
        }
    }
}

/// A word without the number of its line: `7.`, `7)` and `7:` before it, or a number that stands alone. No word of the
/// list has a digit.
fn without_number(token: &str) -> &str {
    let rest = token.trim_start_matches(|letter: char| letter.is_ascii_digit());
    if rest.len() == token.len() || rest.is_empty() {
        return rest;
    }
    rest.strip_prefix(['.', ')', ':']).unwrap_or(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 12 words from the published vectors of BIP39.
    const TWELVE: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";

    fn refused(text: &str) -> PhraseError {
        Phrase::parse(text).expect_err("must be refused")
    }

    #[test]
    fn fr_si001_a_new_phrase_has_24_words_and_reads_back() {
        let phrase = Phrase::from_entropy(&[0xa5; 32]);
        assert_eq!(phrase.words().len(), 24);
        assert_eq!(Phrase::parse(&phrase.words().join(" ")).unwrap().entropy().as_slice(), [0xa5; 32]);
    }

    #[test]
    fn a_phrase_may_be_typed_in_many_ways() {
        let expected = [0x7f; 16];
        let words: Vec<&str> = TWELVE.split(' ').collect();
        let listed = |form: &dyn Fn(usize, &str) -> String| -> String {
            words.iter().enumerate().map(|(index, word)| form(index + 1, word)).collect()
        };
        for text in [
            TWELVE.to_owned(),
            TWELVE.to_uppercase(),
            format!("\n\t {}\r\n", TWELVE.replace(' ', " \u{a0}\t\r\n")),
            listed(&|number, word| format!("{number}. {word}\n")),
            listed(&|number, word| format!("{number}.{word} ")),
            listed(&|number, word| format!("{number}) {word}\n")),
            listed(&|number, word| format!("{number}: {word}\n")),
            listed(&|number, word| format!("{number} {word}\n")),
            listed(&|number, word| format!("{number:02}.\u{3000}{word}\n")),
            // Full-width letters are the same letters in form KD.
            TWELVE.replace('l', "\u{ff4c}"),
        ] {
            assert_eq!(Phrase::parse(&text).unwrap().entropy().as_slice(), expected, "{text:?}");
        }
    }

    #[test]
    fn every_length_that_bip39_knows_is_read_and_no_other() {
        for bytes in [16, 20, 24, 28, 32] {
            let mnemonic = Mnemonic::from_entropy_in(Language::English, &vec![0x5a; bytes]).unwrap();
            let phrase = Phrase::parse(&mnemonic.to_string()).unwrap();
            assert_eq!(phrase.entropy().as_slice(), vec![0x5a; bytes]);
            assert_eq!(phrase.words().len(), bytes * 3 / 4);
        }
        for words in (0..40).filter(|words| !LENGTHS.contains(words)) {
            assert_eq!(refused(&"zoo ".repeat(words)), PhraseError::Length { words });
        }
    }

    #[test]
    fn a_word_that_is_not_in_the_list_is_found_and_its_neighbour_named() {
        let text = TWELVE.replace("sausage", "sausge");
        assert_eq!(refused(&text), PhraseError::Word { position: 6, nearest: "sausage".to_owned() });
        // Numbers are not words, so they do not move the position.
        let listed: String =
            text.split(' ').enumerate().map(|(index, word)| format!("{}. {word}\n", index + 1)).collect();
        assert_eq!(refused(&listed), PhraseError::Word { position: 6, nearest: "sausage".to_owned() });
    }

    #[test]
    fn a_digit_inside_a_word_is_a_mistake_and_not_a_number() {
        let text = TWELVE.replace("wave", "1wave");
        assert_eq!(refused(&text), PhraseError::Word { position: 5, nearest: "wave".to_owned() });
    }

    #[test]
    fn words_in_another_order_fail_the_checksum() {
        let text = TWELVE.replace("thank yellow", "yellow thank");
        assert_eq!(refused(&text), PhraseError::Checksum);
    }

    #[test]
    fn trap_23_text_of_a_persons_own_choice_is_refused() {
        for text in ["", "correct horse battery staple", "hunter2", &"password ".repeat(12), &"zoo ".repeat(24)] {
            assert!(Phrase::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn trap_27_neither_a_phrase_nor_its_errors_show_a_word() {
        assert_eq!(format!("{:?}", Phrase::from_entropy(&[0; 32])), "Phrase { .. }");
        let word = refused(&TWELVE.replace("sausage", "canaryy"));
        assert_eq!(format!("{word:?}"), "Word { position: 6, .. }");
        assert_eq!(word.to_string(), "word 6 is not in the word list");
        assert_eq!(format!("{:?}", refused("canary")), "Length { words: 1 }");
        assert_eq!(refused("canary").to_string(), "the phrase has 1 words, it must have 12, 15, 18, 21 or 24");
        assert_eq!(format!("{:?}", PhraseError::Checksum), "Checksum");
        assert_eq!(PhraseError::Checksum.to_string(), "the words do not belong together: the checksum does not fit");
    }

    #[test]
    fn a_megabyte_of_text_is_refused_without_fuss() {
        assert_eq!(refused(&"a ".repeat(1 << 19)), PhraseError::Length { words: 1 << 19 });
        let long = format!("{} {}", "q".repeat(1 << 20), "zoo ".repeat(11));
        assert!(matches!(refused(&long), PhraseError::Word { position: 1, .. }));
    }
}
