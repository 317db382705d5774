//! How well the letters of a word sit in a text: the best of all ways to place them in their order.
//!
//! A letter counts more at the beginning of a word and next to the one before it, and gaps cost: the measure that fzf and
//! nucleo made people used to. The way to compute it is another: only the places where a letter is are looked at, not all
//! pairs of letters and places, and each place once. So a text costs about as much as reading it. Knows no query and no
//! history: letters are numbers here.

use crate::history::fold_char;

/// What one letter is worth.
const LETTER: u32 = 16;

/// What a place is worth beside: behind a blank or at the very beginning, behind a separator, behind another sign, at a
/// change within a word (`fooBar`, `foo1`), and being a sign.
const BEHIND_BLANK: u32 = 10;
const BEHIND_SEPARATOR: u32 = 9;
const BEHIND_SIGN: u32 = 8;
const CHANGE: u32 = 5;
const SIGN: u32 = 8;

/// The place of the first letter counts so many times: it is what people begin with.
const FIRST_TIMES: u32 = 2;

/// Next to the letter before, a place is worth at least this, and what the first letter of the row is worth.
const NEXT: u32 = 4;

/// A gap costs this, and one less than its letters more.
const GAP: u32 = 3;

/// The greatest score of a word with so many letters.
pub(super) fn score_max(letters: usize) -> u32 {
    letters as u32 * (LETTER + BEHIND_BLANK) + BEHIND_BLANK * (FIRST_TIMES - 1)
}

/// The best place that a letter of a word has in a text.
#[derive(Clone, Copy)]
pub(super) enum Stands {
    /// At the beginning of a word.
    First,
    /// It is a sign, and so is each of its places.
    Sign,
    /// At a change within a word.
    Turn,
    /// Neither.
    Within,
}

impl Stands {
    fn worth(self) -> u32 {
        match self {
            Self::First => BEHIND_BLANK,
            Self::Sign => SIGN,
            Self::Turn => CHANGE,
            Self::Within => 0,
        }
    }
}

/// What a letter of a word can be worth next to the one before it: both were typed, so the place is known but for the case
/// of letters.
#[derive(Clone, Copy)]
pub(super) struct Beside {
    worth: u32,
}

impl Beside {
    /// Of two letters that follow each other.
    pub(super) fn of(before: char, letter: char) -> Self {
        let worth = bonus(Some(before), letter);
        // A small letter also finds its capital, which may be a change.
        Self { worth: if is_of_word(before) && is_of_word(letter) { worth.max(CHANGE) } else { worth } }
    }
}

/// What no text can be worth more than when the letters of a word have no better places, and those behind the first stand
/// next to the one before only where that is said.
pub(super) fn score_bound(first: Stands, rest: impl Iterator<Item = (Stands, Option<Beside>)>) -> u32 {
    let mut row = first.worth();
    let mut bound = LETTER + row * FIRST_TIMES;
    for (stands, beside) in rest {
        // The least gap is one letter, and a row begins.
        let own = stands.worth();
        let apart = bound + LETTER + own - GAP;
        let Some(Beside { worth }) = beside else {
            (bound, row) = (apart, own);
            continue;
        };
        let together = bound + LETTER + worth.max(row).max(NEXT);
        row = if worth >= BEHIND_SIGN { row.max(worth) } else { row }.max(own);
        bound = apart.max(together);
    }
    bound
}

/// The first letter has none before it.
const NO_PARENT: u32 = u32::MAX;

/// One word in one text. Kept to use its memory again.
#[derive(Default)]
pub(super) struct Sitting {
    /// For each 64 places, and for each of the different letters, a bit for each place where it is.
    marks: Vec<u64>,
    width: usize,
    /// Each place of each letter that can be reached, letter by letter.
    states: Vec<State>,
    /// The best place of the last letter.
    best: Option<usize>,
}

/// A letter at a place, in the best way to get there.
#[derive(Clone, Copy)]
struct State {
    place: u32,
    score: u32,
    /// What the first letter of the row is worth by its place.
    row: u32,
    /// The state of the letter before.
    parent: u32,
}

impl Sitting {
    /// Marks where each of the different letters is in a text, both of ASCII. Eight places are compared at once: going from
    /// place to place waits for the memory of the mark before.
    pub(super) fn mark_bytes(&mut self, text: &[u8], letters: &[u8]) {
        self.clear(text.len(), letters.len());
        for (block, marks) in text.chunks(64).zip(self.marks.chunks_exact_mut(letters.len())) {
            let mut eights = [0; 8];
            eights.iter_mut().zip(block.chunks(8)).for_each(|(eight, bytes)| *eight = eight_of(bytes));
            let eights = &eights[..block.len().div_ceil(8)];
            for (letter, mark) in letters.iter().zip(marks) {
                let (letters, case) = (u64::from(*letter) * EACH, if letter.is_ascii_lowercase() { CASE } else { 0 });
                for (at, eight) in eights.iter().enumerate() {
                    *mark |= zeros((eight | case) ^ letters) << (at * 8);
                }
            }
        }
    }

    /// The same for letters of any kind: a lower-case letter is also where its upper case is.
    pub(super) fn mark_letters(&mut self, text: &[char], letters: &[char]) {
        self.clear(text.len(), letters.len());
        for (block, marks) in text.chunks(64).zip(self.marks.chunks_exact_mut(letters.len())) {
            for (at, unit) in block.iter().enumerate() {
                let folded = fold_char(*unit);
                for (letter, mark) in letters.iter().zip(&mut *marks) {
                    *mark |= u64::from(letter == unit || *letter == folded) << at;
                }
            }
        }
    }

    fn clear(&mut self, places: usize, width: usize) {
        self.width = width;
        self.marks.clear();
        self.marks.resize(places.div_ceil(64) * width, 0);
        self.states.clear();
        self.best = None;
    }

    /// Places the letters, given by their numbers. `unit` is what is at a place.
    pub(super) fn sit(&mut self, letters: &[u8], unit: impl Fn(usize) -> char) {
        let bonus = |place: u32| bonus(place.checked_sub(1).map(|before| unit(before as usize)), unit(place as usize));
        let Some((first, rest)) = letters.split_first() else { return };
        let Self { marks, width, states, best } = self;
        let mut begin = 0;
        for place in places(marks, *width, *first) {
            let row = bonus(place);
            states.push(State { place, score: LETTER + row * FIRST_TIMES, row, parent: NO_PARENT });
        }
        for letter in rest {
            let end = states.len();
            reach(states, begin..end, places(marks, *width, *letter), bonus);
            begin = end;
        }
        // Of equals the first.
        let last = begin..states.len();
        *best = last.rev().max_by_key(|at| states[*at].score);
    }

    /// How well they sit; nothing when they cannot.
    pub(super) fn score(&self) -> u32 {
        self.best.map_or(0, |best| self.states[best].score)
    }

    /// The places of all letters, ascending.
    pub(super) fn places(&self) -> Vec<u32> {
        let mut places = Vec::new();
        let mut at = self.best;
        while let Some(state) = at.map(|at| self.states[at]) {
            places.push(state.place);
            at = (state.parent != NO_PARENT).then_some(state.parent as usize);
        }
        places.reverse();
        places
    }
}

/// Adds the places of a letter that can be reached from those of the letter before.
fn reach(
    states: &mut Vec<State>,
    before: std::ops::Range<usize>,
    places: impl Iterator<Item = u32>,
    bonus: impl Fn(u32) -> u32,
) {
    let mut next = before.start;
    // The best of those with a gap behind them: its score as if the gap began at the text's beginning.
    let mut far: Option<(u32, usize)> = None;
    for place in places {
        while next < before.end && states[next].place + 1 < place {
            let reached = states[next].score + states[next].place;
            if far.is_none_or(|(best, _)| reached > best) {
                far = Some((reached, next));
            }
            next += 1;
        }
        let own = bonus(place);
        let beside = Some(next).filter(|next| *next < before.end && states[*next].place + 1 == place).map(|next| {
            let State { score, row, .. } = states[next];
            let score = score + LETTER + own.max(row).max(NEXT);
            State { place, score, row: if own >= BEHIND_SIGN { row.max(own) } else { row }, parent: next as u32 }
        });
        let apart = far.map(|(reached, parent)| {
            // A gap of n letters costs GAP + n - 1, and n is what lies between the two places.
            let score = reached.saturating_sub(place + GAP - 2) + LETTER + own;
            State { place, score, row: own, parent: parent as u32 }
        });
        let state = match (beside, apart) {
            (Some(beside), Some(apart)) if apart.score > beside.score => Some(apart),
            (beside, apart) => beside.or(apart),
        };
        states.extend(state);
    }
}

/// A one in each of eight bytes.
const EACH: u64 = 0x0101_0101_0101_0101;

/// Eight times the bit in which a letter of ASCII differs from its upper case. Nothing else becomes a lower-case letter by it.
const CASE: u64 = 0x20 * EACH;

/// Eight bytes as a number, the first the least. What is missing is nothing that a letter of ASCII could be.
fn eight_of(bytes: &[u8]) -> u64 {
    let mut eight = [0xff; 8];
    eight[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(eight)
}

/// A bit for each of eight bytes that is zero.
fn zeros(eight: u64) -> u64 {
    const LOW: u64 = 0x7f * EACH;
    // The highest bit of each byte that is not zero: by a carry from the others within the byte, or its own.
    let others = ((eight & LOW) + LOW) | eight | LOW;
    // Brings the highest bits of all bytes together in one.
    (!others >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Where a letter is, ascending.
fn places(marks: &[u64], width: usize, letter: u8) -> impl Iterator<Item = u32> {
    let blocks = marks.chunks_exact(width).map(move |marks| marks[letter as usize]);
    (0u32..).step_by(64).zip(blocks).flat_map(|(start, marks)| {
        let mut left = marks;
        std::iter::from_fn(move || {
            let at = left.trailing_zeros();
            left &= left.checked_sub(1)?;
            Some(start + at)
        })
    })
}

/// What a place is worth, by what is there and before it.
fn bonus(before: Option<char>, unit: char) -> u32 {
    let Some(before) = before else { return if is_of_word(unit) { BEHIND_BLANK } else { SIGN } };
    if !is_of_word(unit) {
        SIGN
    } else if before.is_ascii_whitespace() {
        BEHIND_BLANK
    } else if matches!(before, '/' | ',' | ':' | ';' | '|') {
        BEHIND_SEPARATOR
    } else if !is_of_word(before) {
        BEHIND_SIGN
    } else if (before.is_ascii_lowercase() && unit.is_ascii_uppercase())
        || (!before.is_ascii_digit() && unit.is_ascii_digit())
    {
        CHANGE
    } else {
        0
    }
}

fn is_of_word(unit: char) -> bool {
    unit.is_ascii_alphanumeric() || !unit.is_ascii()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        history::{Marks, standing},
        search::fuzzy::{Scorer, Word},
    };

    /// All ways to place the letters, letter by letter and place by place, the way it is said above.
    fn best(word: &[char], text: &[char]) -> Option<u32> {
        let is_there =
            |letter: usize, place: usize| text[place] == word[letter] || fold_char(text[place]) == word[letter];
        let worth = |place: usize| bonus(place.checked_sub(1).map(|before| text[before]), text[place]);
        let mut ways: Vec<(usize, u32, u32)> = (0..text.len())
            .filter(|place| is_there(0, *place))
            .map(|place| (place, 16 + 2 * worth(place), worth(place)))
            .collect();
        for letter in 1..word.len() {
            ways = (0..text.len())
                .filter(|place| is_there(letter, *place))
                .filter_map(|place| {
                    let from = ways.iter().filter(|(before, ..)| *before < place);
                    let scored = from.map(|(before, score, row)| {
                        if before + 1 == place {
                            let row = if worth(place) >= 8 { worth(place).max(*row) } else { *row };
                            (score + 16 + worth(place).max(row).max(4), true, row)
                        } else {
                            let gap = (place - before - 1) as u32;
                            (score.saturating_sub(3 + gap - 1) + 16 + worth(place), false, worth(place))
                        }
                    });
                    scored.max_by_key(|(score, beside, _)| (*score, *beside)).map(|(score, _, row)| (place, score, row))
                })
                .collect();
        }
        ways.into_iter().map(|(_, score, _)| score).max()
    }

    fn sits(word: &str, text: &str) -> (u32, Vec<(u32, u32)>) {
        let (word, mut scorer) = (Word::new(word), Scorer::new());
        (word.score(text.as_bytes(), &mut scorer), word.ranges(text.as_bytes(), &mut scorer))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn it_is_the_best_of_all_ways(
            word in "[abAé1/]{1,5}",
            text in prop_oneof!["[abABé1/ -]{0,14}", "[abABéÉ1/ -]{60,140}"],
        ) {
            let (letters, units): (Vec<char>, Vec<char>) = (word.chars().collect(), text.chars().collect());
            let (score, ranges) = sits(&word, &text);
            prop_assert_eq!(score, best(&letters, &units).unwrap_or(0));
            let mut folded = Vec::new();
            crate::history::fold_into(&mut folded, text.as_bytes());
            let loss = Word::new(&word).loss(standing(text.as_bytes()), Marks::of(&folded).pairs);
            prop_assert!(score <= score_max(letters.len()) - loss);
            prop_assert_eq!(Word::new(&word).is_in(text.as_bytes(), &folded), score > 0);
            let found: Vec<char> = ranges.iter().map(|(start, end)| &text[*start as usize..*end as usize])
                .flat_map(str::chars).collect();
            if score > 0 {
                prop_assert_eq!(found.len(), letters.len());
                prop_assert!(found.iter().zip(&letters).all(|(is, typed)| is == typed || fold_char(*is) == *typed));
            }
        }
    }

    #[test]
    fn the_better_of_two_texts_is_what_people_expect() {
        for (word, better, worse) in [
            ("gs", "git status", "logs"),
            ("st", "stash", "list"),
            ("ct", "cargo test", "cut"),
            ("fb", "fooBar", "foobar"),
            ("log", "tail -f /var/log/x", "catalog"),
            ("test", "cargo test", "t e s t"),
            ("main", "git push origin main", "vim domain"),
            ("7", "case_7", "case_17"),
        ] {
            assert!(sits(word, better).0 > sits(word, worse).0, "{word}: {better} before {worse}");
        }
        assert_eq!(sits("git", "git push").0, score_max(3));
    }

    #[test]
    fn a_long_text_costs_no_more_than_reading_it() {
        let text = "ab".repeat(500_000);
        assert!(sits("abababab", &text).0 > 0);
    }
}
