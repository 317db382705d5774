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

/// What a text must have to have another in it, told without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// As [`letters`] gives them.
    pub(crate) letters: u64,
    /// As [`pairs`] gives them.
    pub(crate) pairs: u128,
}

impl Marks {
    /// Of a folded text.
    pub(crate) fn of(folded: &[u8]) -> Self {
        Self { letters: letters(folded), pairs: pairs(folded) }
    }

    /// Whether a text with these may have one in it that needs those.
    pub(crate) fn may_have(self, needed: Self) -> bool {
        self.letters & needed.letters == needed.letters && self.pairs & needed.pairs == needed.pairs
    }

    /// Whether the text is of ASCII alone for sure.
    pub(crate) fn is_ascii(self) -> bool {
        self.pairs != u128::MAX
    }

    /// What both have.
    pub(crate) fn both(self, other: Self) -> Self {
        Self { letters: self.letters & other.letters, pairs: self.pairs & other.pairs }
    }

    /// What any of both has.
    pub(crate) fn any(self, other: Self) -> Self {
        Self { letters: self.letters | other.letters, pairs: self.pairs | other.pairs }
    }
}

/// Which letters stand side by side in a folded text: a bit for each two, which some others have as well. Beyond ASCII any
/// may: there a letter that was typed is not always the byte that stands there.
pub(crate) fn pairs(folded: &[u8]) -> u128 {
    if !folded.is_ascii() {
        return u128::MAX;
    }
    folded.windows(2).fold(0, |pairs, two| pairs | pair(two[0], two[1]))
}

/// The bit of two letters side by side, both folded.
pub(crate) fn pair(one: u8, other: u8) -> u128 {
    // The highest bits of a product hang on all bits of its factor.
    1 << (u16::from_be_bytes([one, other]).wrapping_mul(0x9e37) >> 9)
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

/// A text in which each number is one digit, in pieces: texts that differ in their numbers alone have the same. As it is, when
/// there is no number in it.
pub(crate) fn shape(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let pieces = text.chunk_by(|one, other| one.is_ascii_digit() == other.is_ascii_digit());
    pieces.map(|piece| if piece[0].is_ascii_digit() { b"0" } else { piece })
}

/// The bits of signs among [`letters`]: of what is ASCII and neither a letter nor a digit.
pub(crate) const SIGNS: u64 = {
    let (mut signs, mut byte) = (0, 0u8);
    while byte < 128 {
        if !byte.is_ascii_alphanumeric() {
            signs |= LETTER[byte as usize];
        }
        byte += 1;
    }
    signs
};

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
            prop_assert!(Marks::of(&folded).may_have(Marks::of(&folded[from.min(to)..from.max(to)])) || !folded.is_ascii());
        }
    }
}
