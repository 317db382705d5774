//! The letters that a text must have for a regular expression to match it, so that most texts need not be tried.
//!
//! Only ever too few: what cannot be told easily is not required.

use regex_syntax::{
    ParserBuilder,
    hir::{Class, Hir, HirKind},
};

use crate::history::letters;

/// Characters of a class that are looked at. A class of more is as good as any.
const CLASS_MAX: u32 = 16;

/// The letters required by an expression, as [`letters`] gives them for folded text.
pub(super) fn letters_of(text: &str, case_insensitive: bool) -> u64 {
    // As the expression itself is read: over bytes.
    let parsed = ParserBuilder::new().case_insensitive(case_insensitive).utf8(false).build().parse(text);
    parsed.map_or(0, |hir| required(&hir))
}

fn required(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.iter().fold(0, |all, byte| all | of_byte(*byte)),
        HirKind::Class(class) => required_of_class(class),
        HirKind::Repetition(repetition) => {
            if repetition.min > 0 {
                required(&repetition.sub)
            } else {
                0
            }
        }
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Concat(parts) => parts.iter().fold(0, |all, part| all | required(part)),
        HirKind::Alternation(ways) => ways.iter().map(required).reduce(|all, way| all & way).unwrap_or(0),
    }
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

    use super::*;
    use crate::history::fold_into;

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
            assert_eq!(letters_of(text, true), letters(expected.as_bytes()), "{text}");
        }
        assert_eq!(letters_of("É", true), letters("é".as_bytes()));
        assert_eq!(letters_of("a(", true), 0, "half an expression");
    }

    proptest! {
        #[test]
        fn no_match_is_ever_ruled_out(
            expression in r"[kKsSaé]{0,3}(\(\?:[aK]|[ké]\)|\[aks\]|\\W|\(\?-u:\\xC3\))[*+?]?[sSé.]{0,2}",
            text in "[aksAKS Kſéß-]{0,8}",
            case_insensitive: bool,
        ) {
            let mut builder = regex::bytes::RegexBuilder::new(&expression);
            let Ok(regex) = builder.case_insensitive(case_insensitive).build() else { return Ok(()) };
            if regex.is_match(text.as_bytes()) {
                let mut folded = Vec::new();
                fold_into(&mut folded, text.as_bytes());
                prop_assert_eq!(letters_of(&expression, case_insensitive) & !letters(&folded), 0);
            }
        }
    }
}
