//! A regular expression that was typed: smart case, bounded in what it may cost.

use caro_schema::ipc::Fault;
use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;

use super::{
    ascii::{Ascii, TOGETHER},
    required,
};
use crate::history::{Marks, fold_char};

/// An expression.
pub(super) struct Expression {
    regex: Regex,
    /// The same for texts of ASCII alone, where that is small.
    ascii: Option<Ascii>,
    needs: Marks,
}

/// Bytes of a compiled regular expression, and of what it remembers while it runs. More would let one keystroke take
/// the memory of the whole history; less would refuse classes of letters that people use.
const REGEX_BYTES_MAX: usize = 1 << 20;

impl Expression {
    /// From what was typed.
    ///
    /// # Errors
    /// When it is not valid or too large.
    pub(super) fn new(text: &str) -> Result<Self, Fault> {
        let case_insensitive = !has_upper_case(text);
        let regex = RegexBuilder::new(text)
            .case_insensitive(case_insensitive)
            .size_limit(REGEX_BYTES_MAX)
            .dfa_size_limit(REGEX_BYTES_MAX)
            .build()
            .map_err(|error| Fault::BadPattern { reason: error.to_string() })?;
        // As the expression itself is read: over bytes.
        let parsed = ParserBuilder::new()
            .case_insensitive(case_insensitive)
            .utf8(false)
            .build()
            .parse(text)
            .map_err(|error| Fault::BadPattern { reason: error.to_string() })?;
        Ok(Self { regex, ascii: Ascii::new(&parsed), needs: required::marks_of(&parsed) })
    }

    /// What a text must have.
    pub(super) fn needs(&self) -> Marks {
        self.needs
    }

    /// One for a part of the work: it remembers what it has seen, and sharing that costs.
    pub(super) fn own(&self) -> Regex {
        self.regex.clone()
    }

    /// Which of some texts it matches, a bit for each of at most 32. With each comes whether it is known to be of ASCII alone.
    /// `own` is from [`Self::own`].
    pub(super) fn are_in<'a>(&self, texts: impl Iterator<Item = (&'a [u8], bool)>, own: Option<&Regex>) -> u32 {
        let regex = own.unwrap_or(&self.regex);
        let Some(ascii) = &self.ascii else {
            return texts.zip(0..).fold(0, |bits, ((text, _), at)| bits | u32::from(regex.is_match(text)) << at);
        };
        let (mut bits, mut waiting, mut places, mut count) = (0, [&[][..]; TOGETHER], [0; TOGETHER], 0);
        let told = |waiting, places: &[u32]| {
            let told = places.iter().zip(ascii.are_in(waiting));
            told.fold(0, |bits, (at, is_in)| bits | u32::from(is_in) << at)
        };
        for ((text, is_ascii), at) in texts.zip(0u32..) {
            if !is_ascii {
                bits |= u32::from(regex.is_match(text)) << at;
                continue;
            }
            (waiting[count], places[count]) = (text, at);
            count += 1;
            if count == TOGETHER {
                bits |= told(waiting, &places);
                count = 0;
            }
        }
        if count == 0 { bits } else { bits | told(waiting, &places[..count]) }
    }

    /// Where it matches first, if that is anything.
    pub(super) fn range(&self, text: &[u8]) -> Option<(u32, u32)> {
        let found = self.regex.find(text).filter(|found| !found.is_empty())?;
        Some(whole_letters(text, found.start(), found.end()))
    }
}

/// A range that a pattern over bytes may have cut through letters.
fn whole_letters(text: &[u8], start: usize, end: usize) -> (u32, u32) {
    let is_inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let start = (start.saturating_sub(3)..=start).rev().find(|at| !is_inside(*at)).unwrap_or(start);
    let end = (end..=end + 3).find(|at| !is_inside(*at)).unwrap_or(end);
    (start as u32, end as u32)
}

/// Whether an expression asks for an upper-case letter. Escapes (`\S`, `\p{Lu}`) and names of groups do not.
fn has_upper_case(text: &str) -> bool {
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            '\\' => rest = behind_escape(rest),
            '(' if rest.starts_with("?P<") || rest.starts_with("?<") => {
                rest = rest.split_once('>').map_or("", |(_, rest)| rest);
            }
            letter if fold_char(letter) != letter => return true,
            _ => {}
        }
    }
    false
}

fn behind_escape(rest: &str) -> &str {
    let mut letters = rest.chars();
    let Some(letter) = letters.next() else { return "" };
    let rest = letters.as_str();
    match letter {
        'p' | 'P' | 'x' | 'u' | 'U' | 'b' if rest.starts_with('{') => rest.split_once('}').map_or("", |(_, rest)| rest),
        'p' | 'P' => rest.chars().next().map_or("", |letter| &rest[letter.len_utf8()..]),
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_upper_case_that_is_asked_for_makes_an_expression_exact() {
        for (text, exact) in [
            ("git.*push", false),
            ("Git", true),
            (r"\S+\W\D", false),
            (r"\p{Lu}\pL\PN", false),
            (r"\x{4F}", false),
            ("(?P<Name>a)(?<Other>b)", false),
            ("(?P<name>A)", true),
            ("[A-Z]", true),
            ("é", false),
            ("É", true),
            (r"\\A", true),
            (r"a\", false),
        ] {
            assert_eq!(has_upper_case(text), exact, "{text}");
        }
    }

    #[test]
    fn ranges_grow_to_whole_letters() {
        assert_eq!(whole_letters("aéb".as_bytes(), 2, 2), (1, 3));
        assert_eq!(whole_letters(b"a\x80\x80\x80\x80\x80b", 4, 5), (4, 6));
    }
}
