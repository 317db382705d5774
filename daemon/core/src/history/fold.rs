//! Folding letters to lower case without moving anything, and a command's letters as one number.
//!
//! Folded text has the length of the text itself, so a place in one is the same place in the other, and bytes that are
//! not UTF-8 stay as they are. A letter whose lower case has another length (there are few) stays as it is too.

/// The lower case of a letter, if it takes as many bytes.
pub(crate) fn fold_char(letter: char) -> char {
    if letter.is_ascii() {
        return letter.to_ascii_lowercase();
    }
    let mut lower = letter.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) if one.len_utf8() == letter.len_utf8() => one,
        _ => letter,
    }
}

/// Adds the folded form of a text to a buffer.
pub(crate) fn fold_into(buffer: &mut Vec<u8>, text: &[u8]) {
    if text.is_ascii() {
        let start = buffer.len();
        buffer.extend_from_slice(text);
        buffer[start..].make_ascii_lowercase();
        return;
    }
    let mut utf8 = [0; 4];
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars() {
            buffer.extend_from_slice(fold_char(letter).encode_utf8(&mut utf8).as_bytes());
        }
        buffer.extend_from_slice(chunk.invalid());
    }
}

/// Which letters a folded text has: a bit for each that is common in commands, and two for all the others. A text can
/// only have in it what its letters allow, and a comparison of numbers tells that for most texts.
pub(crate) fn letters(folded: &[u8]) -> u64 {
    folded.iter().fold(0, |letters, byte| letters | LETTER[*byte as usize])
}

/// Where the letters of a text stand, as bits like those of [`letters`]: what a good match is made of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    /// Those with which a word begins, and all signs.
    pub(crate) first: u64,
    /// Those at a change within a word: `fooBar`, `foo1`.
    pub(crate) turn: u64,
}

/// Where the letters of a text stand. Beyond ASCII they may stand anywhere: too much is slow, too little would be wrong.
pub(crate) fn standing(text: &[u8]) -> Standing {
    if !text.is_ascii() {
        return Standing { first: u64::MAX, turn: u64::MAX };
    }
    let mut standing = Standing::default();
    let mut before = b' ';
    for byte in text {
        let letter = LETTER[byte.to_ascii_lowercase() as usize];
        if !byte.is_ascii_alphanumeric() || !before.is_ascii_alphanumeric() {
            standing.first |= letter;
        } else if (before.is_ascii_lowercase() && byte.is_ascii_uppercase())
            || (!before.is_ascii_digit() && byte.is_ascii_digit())
        {
            standing.turn |= letter;
        }
        before = *byte;
    }
    standing
}

const OTHER_ASCII: u64 = 1 << 62;
const BEYOND_ASCII: u64 = 1 << 63;

const LETTER: [u64; 256] = {
    let own = b"abcdefghijklmnopqrstuvwxyz0123456789-/._=:\"'$|&*~@<>;,(){}[]+#";
    let mut bits = [OTHER_ASCII; 256];
    let mut n = 0;
    while n < own.len() {
        bits[own[n] as usize] = 1 << n;
        n += 1;
    }
    // An expression that asks for k or s in any case is also content with the Kelvin sign or the long s. A text beyond
    // ASCII counts as having them, so that these two letters still rule out all others.
    let mut byte = 128;
    while byte < 256 {
        bits[byte] = BEYOND_ASCII | bits[b'k' as usize] | bits[b's' as usize];
        byte += 1;
    }
    bits
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fold(text: &[u8]) -> Vec<u8> {
        let mut folded = Vec::new();
        fold_into(&mut folded, text);
        folded
    }

    #[test]
    fn folding_keeps_every_letters_length_and_changes_nothing_twice() {
        for letter in '\0'..=char::MAX {
            let folded = fold_char(letter);
            assert_eq!(folded.len_utf8(), letter.len_utf8());
            assert_eq!(fold_char(folded), folded, "{letter:?}");
        }
        assert_eq!(fold("GÉ Ÿ İ ẞ".as_bytes()), "gé ÿ İ ẞ".as_bytes());
    }

    #[test]
    fn bytes_that_are_no_letters_stay() {
        assert_eq!(fold(b"A\xff\xc3B\xe2\x82"), b"a\xff\xc3b\xe2\x82");
    }

    #[test]
    fn each_common_letter_has_a_bit_of_its_own() {
        let bits: Vec<u64> = (b'a'..=b'z').chain(b'0'..=b'9').map(|byte| letters(&[byte])).collect();
        assert_eq!(bits.iter().fold(0, |all, bit| all | bit).count_ones(), 36);
        assert_eq!(letters(b" "), OTHER_ASCII);
        assert_eq!(letters("é".as_bytes()), BEYOND_ASCII | letters(b"ks"));
    }

    proptest! {
        #[test]
        fn a_part_never_has_letters_that_the_whole_lacks(text: Vec<u8>, from: usize, to: usize) {
            let folded = fold(&text);
            prop_assert_eq!(folded.len(), text.len());
            let (from, to) = (from % (text.len() + 1), to % (text.len() + 1));
            let part = letters(&folded[from.min(to)..from.max(to)]);
            prop_assert_eq!(part & !letters(&folded), 0);
        }
    }
}
