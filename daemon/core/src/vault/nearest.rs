//! The word of the list that is most like a mistyped one.
//!
//! What was typed is secret, and so, nearly as much, is the answer: it is for the owner's eyes, never for a log.

use std::cmp::Reverse;

use bip39::Language;
use zeroize::Zeroizing;

/// Letters of a typed word that are looked at. The list's longest word has eight: beyond twice that nothing is near,
/// and a megabyte without a space must not cost a megabyte times the list.
const TYPED_CHARS_MAX: usize = 16;

/// The smallest edit distance wins; then the longest common beginning, since a word of the list is known by its first
/// four letters; then the order of the list.
pub(super) fn nearest(typed: &str) -> &'static str {
    let typed: Zeroizing<Vec<char>> = Zeroizing::new(typed.chars().take(TYPED_CHARS_MAX).collect());
    let words = Language::English.word_list().iter().copied();
    words.min_by_key(|word| (distance(&typed, word), Reverse(common_start(&typed, word)))).unwrap_or_default()
}

/// Levenshtein's distance: letters to add, drop or replace.
fn distance(typed: &[char], word: &str) -> usize {
    let mut row: [usize; TYPED_CHARS_MAX + 1] = std::array::from_fn(|column| column);
    for (line, letter) in word.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, typed_letter) in typed.iter().enumerate() {
            let replaced = diagonal + usize::from(*typed_letter != letter);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[typed.len()]
}

fn common_start(typed: &[char], word: &str) -> usize {
    typed.iter().zip(word.chars()).take_while(|(typed_letter, letter)| **typed_letter == *letter).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn distances_are_those_of_the_textbook() {
        for (typed, word, expected) in
            [("kitten", "sitting", 3), ("flaw", "lawn", 2), ("", "abc", 3), ("abc", "", 3), ("same", "same", 0)]
        {
            assert_eq!(distance(&letters(typed), word), expected, "{typed} {word}");
        }
    }

    #[test]
    fn a_word_of_the_list_is_nearest_to_itself() {
        for word in Language::English.word_list().iter().step_by(5) {
            assert_eq!(nearest(word), *word);
        }
    }

    #[test]
    fn a_megabyte_without_a_space_costs_no_more_than_a_word() {
        let long = "z".repeat(1 << 20);
        assert_eq!(nearest(&long), nearest(&long[..TYPED_CHARS_MAX]));
    }
}
