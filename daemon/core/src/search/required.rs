//! What a text must have for a regular expression to match it, letters and letters side by side, so that most texts need not be tried.
//!
//! Only ever too few: what cannot be told easily is not required.

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::history::{Marks, letters, pair};

/// Characters of a class that are looked at. A class of more is as good as any.
const CLASS_MAX: u32 = 16;

/// What is required by an expression, as [`Marks::of`] gives it for folded text.
pub(super) fn marks_of(hir: &Hir) -> Marks {
    required(hir).marks
}

/// What a part of an expression requires of a text.
#[derive(Clone, Copy, Default)]
struct Required {
    marks: Marks,
    /// With which folded byte each of its matches begins, where that is always the same one.
    first: Option<u8>,
    /// And ends.
    last: Option<u8>,
}

fn required(hir: &Hir) -> Required {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Required::default(),
        HirKind::Literal(literal) => {
            let folded = literal.0.to_ascii_lowercase();
            Required { marks: Marks::of(&folded), first: folded.first().copied(), last: folded.last().copied() }
        }
        HirKind::Class(class) => {
            let marks = Marks { letters: required_of_class(class), pairs: 0 };
            let only = only_letter(class);
            Required { marks, first: only, last: only }
        }
        HirKind::Repetition(repetition) if repetition.min > 0 => {
            let once = required(&repetition.sub);
            if repetition.min > 1 { once.then(once) } else { once }
        }
        HirKind::Repetition(_) => Required::default(),
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Concat(parts) => {
            let has_width = |part: &&Hir| !matches!(part.kind(), HirKind::Empty | HirKind::Look(_));
            parts.iter().filter(has_width).map(required).reduce(Required::then).unwrap_or_default()
        }
        HirKind::Alternation(ways) => {
            let marks = ways.iter().map(|way| required(way).marks).reduce(Marks::both);
            Required { marks: marks.unwrap_or_default(), first: None, last: None }
        }
    }
}

impl Required {
    /// This and then the other.
    fn then(self, other: Self) -> Self {
        let between = self.last.zip(other.first).map_or(0, |(last, first)| pair(last, first));
        let marks = self.marks.any(other.marks).any(Marks { letters: 0, pairs: between });
        Self { marks, first: self.first, last: other.last }
    }
}

/// The one letter of ASCII, folded, that a class has. A text beyond ASCII has all pairs, whatever else is in the class.
fn only_letter(class: &Class) -> Option<u8> {
    let ascii: Vec<(u32, u32)> = match class {
        Class::Unicode(class) => {
            class.ranges().iter().map(|range| (u32::from(range.start()), u32::from(range.end()))).collect()
        }
        Class::Bytes(class) => class.ranges().iter().map(|range| (range.start().into(), range.end().into())).collect(),
    };
    let letters = ascii.into_iter().flat_map(|(first, last)| first..=last.min(0x7f));
    let mut folded = letters.map(|letter| (letter as u8).to_ascii_lowercase());
    let first = folded.next()?;
    folded.all(|letter| letter == first).then_some(first)
}

/// What all characters of a class have in common.
fn required_of_class(class: &Class) -> u64 {
    let mut utf8 = [0; 4];
    let mut of_char = |letter: u32| {
        let letter = char::from_u32(letter).unwrap_or(char::REPLACEMENT_CHARACTER);
        letter.encode_utf8(&mut utf8).bytes().fold(0, |all, byte| all | of_byte(byte))
    };
    match class {
        Class::Unicode(class) => {
            let ranges = class.ranges();
            let count = ranges.iter().map(|range| u32::from(range.end()) - u32::from(range.start()) + 1).sum::<u32>();
            if count > CLASS_MAX {
                return 0;
            }
            let letters = ranges.iter().flat_map(|range| u32::from(range.start())..=u32::from(range.end()));
            letters.map(&mut of_char).reduce(|all, letter| all & letter).unwrap_or(0)
        }
        Class::Bytes(class) => {
            let bytes = class.ranges().iter().flat_map(|range| range.start()..=range.end());
            bytes.map(of_byte).reduce(|all, byte| all & byte).unwrap_or(0)
        }
    }
}

/// Of one byte, as it is in folded text: folding makes nothing that is beyond ASCII into ASCII, nor the reverse.
fn of_byte(byte: u8) -> u64 {
    letters(&[byte.to_ascii_lowercase()])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use regex_syntax::ParserBuilder;

    use super::*;
    use crate::history::fold_into;

    fn marks_of(text: &str, case_insensitive: bool) -> Marks {
        let parsed = ParserBuilder::new().case_insensitive(case_insensitive).utf8(false).build().parse(text);
        parsed.map_or(Marks::default(), |hir| super::marks_of(&hir))
    }

    #[test]
    fn what_every_match_has_is_required() {
        for (text, expected) in [
            ("git.*push", "gitpush"),
            ("(push|pull) origin", "pu orign"),
            ("[ab]c", "c"),
            (r"\d{3,}$", ""),
            ("a*b+c?d{2}", "bd"),
            ("skip", "skip"),
            ("^(?:)$", ""),
            ("", ""),
        ] {
            assert_eq!(marks_of(text, true).letters, letters(expected.as_bytes()), "{text}");
        }
        assert_eq!(marks_of("É", true).letters, letters("é".as_bytes()));
        assert_eq!(marks_of("a(", true), Marks::default(), "half an expression");
    }

    #[test]
    fn letters_that_are_always_side_by_side_are_required_so() {
        let side_by_side = |pairs: &[&[u8; 2]]| pairs.iter().fold(0, |all, [one, other]| all | pair(*one, *other));
        for (text, expected) in [
            ("git.*Pu", &[b"gi", b"it", b"pu"][..]),
            ("a+b{2}", &[b"ab", b"bb"]),
            (r"\ba\b-", &[b"a-"]),
            ("a(b)c", &[b"ab", b"bc"]),
            ("ab?c", &[]),
            ("a[bc]d", &[]),
            ("(ab|ba)b", &[]),
        ] {
            assert_eq!(marks_of(text, true).pairs, side_by_side(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_match_is_ever_ruled_out(
            expression in r"[kKsSaé]{0,3}(\(\?:[aK]|[ké]\)|\(ak\)|\[aks\]|\\W|\\b|\(\?-u:\\xC3\))([*+?]|\{2\})?[sSé.]{0,2}",
            text in "[aksAKS Kſéß-]{0,8}",
            case_insensitive: bool,
        ) {
            let mut builder = regex::bytes::RegexBuilder::new(&expression);
            let Ok(regex) = builder.case_insensitive(case_insensitive).build() else { return Ok(()) };
            if regex.is_match(text.as_bytes()) {
                let mut folded = Vec::new();
                fold_into(&mut folded, text.as_bytes());
                prop_assert!(Marks::of(&folded).may_have(marks_of(&expression, case_insensitive)));
            }
        }
    }
}
