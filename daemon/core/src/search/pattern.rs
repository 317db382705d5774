//! What was typed, ready to be compared with commands: does one match, how well, and where.
//!
//! Knows single commands only. Whoever has many to compare first asks for [`Pattern::letters`], which rules most out.

use std::collections::BTreeSet;

use caro_schema::ipc::{
    Fault,
    history::{Mode, Query},
};
use regex::bytes::{Regex, RegexBuilder};

use super::{
    fuzzy::{Scorer, Word},
    needle::{Fit, Needle},
    required,
};
use crate::history::{fold_char, fold_into};

/// What was typed.
pub(super) struct Pattern {
    kind: Kind,
    letters: u64,
    /// All of it, folded: a command that is just this is the best there can be.
    whole: Vec<u8>,
}

enum Kind {
    /// Nothing was typed.
    Everything,
    Fuzzy(Vec<Part>),
    Words(Vec<Needle>),
    Prefix(Needle),
    Regex(Box<Regex>),
}

/// A word of a fuzzy query.
enum Part {
    Loose(Word),
    /// Too long to have been typed by hand: it was pasted, and means what it says.
    Tight(Needle),
}

/// Text of a query, in bytes. Longer than any line that a person looks for; a bound on what one search can cost.
pub(super) const TEXT_BYTES_MAX: usize = 32 * 1024;

/// Letters of a word that are looked for one by one. The scores of more would not fit nucleo's numbers.
const LOOSE_LETTERS_MAX: usize = 256;

/// Bytes of a compiled regular expression, and of what it remembers while it runs. More would let one keystroke take
/// the memory of the whole history; less would refuse classes of letters that people use.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// What a place is worth, in the measure of nucleo's scores: a word in its place is worth a few letters in theirs.
const START: u32 = 24;
const WORD: u32 = 16;
const WHOLE: u32 = 8;

impl Pattern {
    /// From a query.
    ///
    /// # Errors
    /// When it is too long, or a regular expression that is not valid or too large.
    pub(super) fn new(query: &Query) -> Result<Self, Fault> {
        let text = query.text.as_str();
        if text.len() > TEXT_BYTES_MAX {
            let reason = format!("it has {} bytes, the limit is {TEXT_BYTES_MAX}", text.len());
            return Err(Fault::BadPattern { reason });
        }
        let words = words(text);
        let kind = match query.mode {
            Mode::Fuzzy | Mode::Substring if words.is_empty() => Kind::Everything,
            Mode::Prefix | Mode::Regex if text.is_empty() => Kind::Everything,
            Mode::Fuzzy => Kind::Fuzzy(words.into_iter().map(Part::new).collect()),
            Mode::Substring => Kind::Words(words.into_iter().map(Needle::new).collect()),
            Mode::Prefix => Kind::Prefix(Needle::new(text)),
            Mode::Regex => Kind::Regex(Box::new(regex(text)?)),
        };
        let letters = match &kind {
            Kind::Everything => 0,
            Kind::Regex(_) => required::letters_of(text, !has_upper_case(text)),
            Kind::Fuzzy(parts) => parts.iter().fold(0, |letters, part| letters | part.letters()),
            Kind::Words(words) => words.iter().fold(0, |letters, word| letters | word.letters()),
            Kind::Prefix(needle) => needle.letters(),
        };
        let mut whole = Vec::new();
        fold_into(&mut whole, text.trim().as_bytes());
        Ok(Self { kind, letters, whole })
    }

    /// The letters that a command must have.
    pub(super) fn letters(&self) -> u64 {
        self.letters
    }

    /// Whether nothing was typed, so that everything matches.
    pub(super) fn is_everything(&self) -> bool {
        matches!(self.kind, Kind::Everything)
    }

    /// One of its own for a part of the work: a regular expression remembers what it has seen, and sharing that costs.
    pub(super) fn own_regex(&self) -> Option<Regex> {
        match &self.kind {
            Kind::Regex(regex) => Some((**regex).clone()),
            _ => None,
        }
    }

    /// Whether a command matches. `regex` is from [`Self::own_regex`].
    pub(super) fn is_in(&self, text: &[u8], folded: &[u8], regex: Option<&Regex>) -> bool {
        match &self.kind {
            Kind::Everything => true,
            Kind::Fuzzy(parts) => parts.iter().all(|part| part.is_in(text, folded)),
            Kind::Words(words) => words.iter().all(|word| word.is_in(text, folded)),
            Kind::Prefix(needle) => needle.begins(text, folded),
            Kind::Regex(shared) => regex.unwrap_or(shared).is_match(text),
        }
    }

    /// The greatest that [`Self::quality`] gives.
    pub(super) fn quality_max(&self) -> u32 {
        match &self.kind {
            Kind::Everything | Kind::Regex(_) => 0,
            Kind::Fuzzy(parts) => parts.iter().map(Part::quality_max).sum::<u32>() + WHOLE,
            Kind::Words(words) => words.len() as u32 * START + WHOLE,
            Kind::Prefix(_) => WHOLE,
        }
    }

    /// How well a command matches that does.
    pub(super) fn quality(&self, text: &[u8], folded: &[u8], scorer: &mut Scorer) -> u32 {
        let parts: u32 = match &self.kind {
            Kind::Everything | Kind::Regex(_) => return 0,
            Kind::Fuzzy(parts) => parts.iter().map(|part| part.quality(text, folded, scorer)).sum(),
            Kind::Words(words) => words.iter().map(|word| worth(word.best(text, folded))).sum(),
            Kind::Prefix(_) => 0,
        };
        parts + if folded == self.whole { WHOLE } else { 0 }
    }

    /// Where a command matches that does: ranges of bytes, ascending, apart, none of them within a letter.
    pub(super) fn ranges(&self, text: &[u8], folded: &[u8], scorer: &mut Scorer) -> Vec<(u32, u32)> {
        let ranges = match &self.kind {
            Kind::Everything => Vec::new(),
            Kind::Fuzzy(parts) => parts.iter().flat_map(|part| part.ranges(text, folded, scorer)).collect(),
            Kind::Words(words) => words.iter().filter_map(|word| range(word, text, folded)).collect(),
            Kind::Prefix(needle) => vec![(0, needle.len() as u32)],
            Kind::Regex(regex) => {
                let found = regex.find(text).filter(|found| !found.is_empty()).into_iter();
                found.map(|found| whole_letters(text, found.start(), found.end())).collect()
            }
        };
        joined(ranges)
    }
}

impl Part {
    fn new(typed: &str) -> Self {
        if typed.chars().count() > LOOSE_LETTERS_MAX {
            Self::Tight(Needle::new(typed))
        } else {
            Self::Loose(Word::new(typed))
        }
    }

    fn letters(&self) -> u64 {
        match self {
            Self::Loose(word) => word.mask(),
            Self::Tight(needle) => needle.letters(),
        }
    }

    fn is_in(&self, text: &[u8], folded: &[u8]) -> bool {
        match self {
            Self::Loose(word) => word.is_in(text, folded),
            Self::Tight(needle) => needle.is_in(text, folded),
        }
    }

    fn quality_max(&self) -> u32 {
        match self {
            Self::Loose(word) => word.score_max(),
            Self::Tight(_) => START,
        }
    }

    fn quality(&self, text: &[u8], folded: &[u8], scorer: &mut Scorer) -> u32 {
        match self {
            Self::Loose(word) => word.score(text, folded, scorer),
            Self::Tight(needle) => worth(needle.best(text, folded)),
        }
    }

    fn ranges(&self, text: &[u8], folded: &[u8], scorer: &mut Scorer) -> Vec<(u32, u32)> {
        match self {
            Self::Loose(word) => word.ranges(text, folded, scorer),
            Self::Tight(needle) => range(needle, text, folded).into_iter().collect(),
        }
    }
}

/// The words, each once: thousands of the same must not be looked for thousands of times.
fn words(text: &str) -> Vec<&str> {
    let mut known = BTreeSet::new();
    text.split_whitespace().filter(|word| known.insert(*word)).collect()
}

fn worth(best: Option<(usize, Fit)>) -> u32 {
    match best {
        Some((_, Fit::Start)) => START,
        Some((_, Fit::Word)) => WORD,
        Some((_, Fit::Inside)) | None => 0,
    }
}

fn range(needle: &Needle, text: &[u8], folded: &[u8]) -> Option<(u32, u32)> {
    needle.best(text, folded).map(|(at, _)| (at as u32, (at + needle.len()) as u32))
}

/// A range that a pattern over bytes may have cut through letters.
fn whole_letters(text: &[u8], start: usize, end: usize) -> (u32, u32) {
    let is_inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let start = (start.saturating_sub(3)..=start).rev().find(|at| !is_inside(*at)).unwrap_or(start);
    let end = (end..=end + 3).find(|at| !is_inside(*at)).unwrap_or(end);
    (start as u32, end as u32)
}

/// Ascending and apart.
fn joined(mut ranges: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    ranges.retain(|(start, end)| start < end);
    ranges.sort_unstable();
    let mut joined: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        match joined.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => joined.push((start, end)),
        }
    }
    joined
}

fn regex(text: &str) -> Result<Regex, Fault> {
    RegexBuilder::new(text)
        .case_insensitive(!has_upper_case(text))
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|error| Fault::BadPattern { reason: error.to_string() })
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
    fn ranges_are_joined_and_grow_to_whole_letters() {
        assert_eq!(joined(vec![(4, 6), (0, 2), (2, 3), (5, 5), (5, 9)]), [(0, 3), (4, 9)]);
        assert_eq!(whole_letters("aéb".as_bytes(), 2, 2), (1, 3));
        assert_eq!(whole_letters(b"a\x80\x80\x80\x80\x80b", 4, 5), (4, 6));
    }
}
