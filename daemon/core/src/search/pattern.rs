//! What was typed, ready to be compared with commands: does one match, how well, and where.
//!
//! Words that must all hold, some of them alternatives to each other; or a regular expression. Knows single commands
//! only. Whoever has many to compare first asks for [`Pattern::needs`], which rules most out, and for
//! [`Asked::is_narrower`], which may rule out all that an earlier query did not find.

use std::collections::BTreeSet;

use caro_schema::ipc::{
    Fault,
    history::{Mode, Query},
    terms::{Term, TermKind, terms},
};
use regex::bytes::Regex;

use super::{
    expression::Expression,
    fuzzy::Scorer,
    narrow::{self, Group},
    part::{LOOSE_LETTERS_MAX, Part},
};
use crate::history::{Marks, Standing, fold_into};

/// What was typed.
pub(super) struct Pattern {
    kind: Kind,
    needs: Marks,
    /// All of it, folded: a command that is just this is the best there can be.
    whole: Vec<u8>,
}

/// A command that could match.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    /// Of the folded text.
    pub(super) marks: Marks,
    pub(super) text: &'a [u8],
    pub(super) folded: &'a [u8],
}

enum Kind {
    /// All of these hold; with none, everything matches.
    Words(Vec<Alternatives>),
    Regex(Box<Expression>),
}

/// What an earlier query asked for, kept to learn whether a later one asks for less. It holds what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Words.
    Words(Vec<Group>),
    /// A regular expression, which narrows nothing but itself.
    Regex(String),
}

/// Text of a query, in bytes. Longer than any line that a person looks for; a bound on what one search can cost.
pub(super) const TEXT_BYTES_MAX: usize = 32 * 1024;

/// Different words of a query. More than a person types, and enough for a long line that was pasted; each is looked for
/// in every command that has the others, so a keystroke must not have thousands.
pub(super) const WORDS_MAX: usize = 256;

/// What it is worth to be just what was typed.
const WHOLE: u32 = 8;

/// What a query asks for.
///
/// # Errors
/// When it is too long.
pub(super) fn asked(query: &Query) -> Result<Asked, Fault> {
    let text = query.text.as_str();
    limited("bytes", text.len(), TEXT_BYTES_MAX)?;
    let literal = |kind, text: &str| Term { kind, negated: false, text: text.to_owned(), is_alternative: false };
    let groups = match query.mode {
        Mode::Regex if !text.is_empty() => return Ok(Asked::Regex(text.to_owned())),
        Mode::Prefix | Mode::Regex if text.is_empty() => Vec::new(),
        Mode::Prefix | Mode::Regex => vec![vec![literal(TermKind::Start, text)]],
        Mode::Substring => text.split_whitespace().map(|word| vec![literal(TermKind::Exact, word)]).collect(),
        Mode::Fuzzy => groups(text),
    };
    // Each once: thousands of the same must not be looked for thousands of times.
    let mut known = BTreeSet::new();
    let mut different = groups;
    different.retain(|group| known.insert(group.iter().map(key).collect::<Vec<_>>()));
    limited("words", different.iter().map(Vec::len).sum(), WORDS_MAX)?;
    Ok(Asked::Words(different))
}

fn key(term: &Term) -> (TermKind, bool, String) {
    (term.kind, term.negated, term.text.clone())
}

fn limited(what: &str, count: usize, limit: usize) -> Result<(), Fault> {
    if count <= limit {
        return Ok(());
    }
    Err(Fault::BadPattern { reason: format!("it has {count} {what}, the limit is {limit}") })
}

/// The words of a fuzzy query, alternatives together.
pub(super) fn groups(text: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for mut term in terms(text) {
        // Too long to have been typed by hand: it was pasted, and means what it says.
        if term.kind == TermKind::Loose && term.text.chars().count() > LOOSE_LETTERS_MAX {
            term.kind = TermKind::Exact;
        }
        match groups.last_mut() {
            Some(group) if term.is_alternative => group.push(term),
            _ => groups.push(vec![term]),
        }
    }
    groups
}

impl Asked {
    /// Whether everything that matches this matches `other`.
    pub(super) fn is_narrower(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Words(new), Self::Words(old)) => narrow::is_narrower(new, old),
            (Self::Regex(_), Self::Words(old)) => old.is_empty(),
            (one, other) => one == other,
        }
    }

    /// Whether what a command loses in `other` it loses in this as well.
    pub(super) fn goes_on(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Words(new), Self::Words(old)) if narrow::goes_on(new, old))
    }
}

impl Pattern {
    /// From a query and what it asks for.
    ///
    /// # Errors
    /// When it is a regular expression that is not valid or too large.
    pub(super) fn new(query: &Query, asked: &Asked) -> Result<Self, Fault> {
        let kind = match asked {
            Asked::Regex(text) => Kind::Regex(Box::new(Expression::new(text)?)),
            Asked::Words(groups) => {
                let mut words: Vec<Alternatives> =
                    groups.iter().map(|group| Alternatives::new(group, query.mode)).collect();
                words.sort_by_key(Alternatives::effort);
                Kind::Words(words)
            }
        };
        let needs = match &kind {
            Kind::Words(words) => words.iter().fold(Marks::default(), |needs, word| needs.any(word.needs())),
            Kind::Regex(expression) => expression.needs(),
        };
        let mut whole = Vec::new();
        match asked {
            // Without its signs, where there is only one word.
            Asked::Words(groups) if query.mode == Mode::Fuzzy && groups.len() == 1 && groups[0].len() == 1 => {
                fold_into(&mut whole, groups[0][0].text.as_bytes());
            }
            _ => fold_into(&mut whole, query.text.trim().as_bytes()),
        }
        Ok(Self { kind, needs, whole })
    }

    /// What a command must have.
    pub(super) fn needs(&self) -> Marks {
        self.needs
    }

    /// Whether nothing was asked for, so that everything matches.
    pub(super) fn is_everything(&self) -> bool {
        matches!(&self.kind, Kind::Words(words) if words.is_empty())
    }

    /// What has to be looked at in commands that match what was asked for `before`: a word that is still there holds still.
    pub(super) fn left_after(&self, before: Option<&Asked>) -> Left<'_> {
        let held: &[Group] = if let Some(Asked::Words(groups)) = before { groups } else { &[] };
        match &self.kind {
            Kind::Words(words) => {
                let is_left = |word: &&Alternatives| !held.iter().any(|held| narrow::implies(held, &word.group));
                Left::Words(words.iter().filter(is_left).collect())
            }
            Kind::Regex(expression) => Left::Regex(expression),
        }
    }

    /// The greatest that [`Self::quality`] gives.
    pub(super) fn quality_max(&self) -> u32 {
        match &self.kind {
            Kind::Words(words) if !words.is_empty() => words.iter().map(Alternatives::quality_max).sum::<u32>() + WHOLE,
            _ => 0,
        }
    }

    /// How much less than [`Self::quality_max`] a command is worth at least, by where its letters stand, which of them side
    /// by side, its length, and what it is `known` to lose by its words.
    pub(super) fn loss(&self, standing: Standing, pairs: u128, len: usize, known: u32) -> u32 {
        match &self.kind {
            Kind::Words(words) if !words.is_empty() => {
                let loss: u32 = words.iter().map(|word| word.loss(standing, pairs)).sum();
                loss.max(known) + if len == self.whole.len() { 0 } else { WHOLE }
            }
            _ => 0,
        }
    }

    /// How well a command matches that does.
    pub(super) fn quality(&self, text: &[u8], folded: &[u8], scorer: &mut Scorer) -> u32 {
        match &self.kind {
            Kind::Words(words) if !words.is_empty() => {
                let words: u32 = words.iter().map(|word| word.quality(text, folded, scorer)).sum();
                words + if folded == self.whole { WHOLE } else { 0 }
            }
            _ => 0,
        }
    }

    /// Whether a digit is in it anywhere.
    pub(super) fn asks_for_numbers(&self) -> bool {
        self.whole.iter().any(u8::is_ascii_digit)
    }

    /// How much less than they could be the words of a command are worth, of which the quality is known.
    pub(super) fn loss_of_words(&self, quality: u32, folded: &[u8]) -> u32 {
        let is_whole = folded == self.whole;
        self.quality_max().saturating_sub(quality + if is_whole { 0 } else { WHOLE })
    }

    /// Where a command matches that does: ranges of bytes, ascending, apart, none of them within a letter.
    pub(super) fn ranges(&self, text: &[u8], folded: &[u8], scorer: &mut Scorer) -> Vec<(u32, u32)> {
        let ranges = match &self.kind {
            Kind::Words(words) => words.iter().flat_map(|word| word.ranges(text, folded, scorer)).collect(),
            Kind::Regex(expression) => expression.range(text).into_iter().collect(),
        };
        joined(ranges)
    }
}

/// What is left of a query to be looked at.
pub(super) enum Left<'a> {
    /// All of these must hold; with none, everything matches.
    Words(Vec<&'a Alternatives>),
    /// All of it.
    Regex(&'a Expression),
}

impl Left<'_> {
    /// Whether a command of ASCII that has what the query needs matches for sure.
    pub(super) fn is_decided_by_marks(&self) -> bool {
        match self {
            Self::Words(words) => words.iter().all(|word| word.is_decided_by_marks()),
            Self::Regex(_) => false,
        }
    }

    /// One of its own for a part of the work: a regular expression remembers what it has seen, and sharing that costs.
    pub(super) fn own_regex(&self) -> Option<Regex> {
        match self {
            Self::Regex(expression) => Some(expression.own()),
            Self::Words(_) => None,
        }
    }

    /// Which of some commands match, a bit for each of at most 32. `regex` is from [`Self::own_regex`].
    pub(super) fn are_in(&self, commands: &[Candidate<'_>], regex: Option<&Regex>) -> u32 {
        match self {
            Self::Words(words) => {
                let is_in = |Candidate { marks, text, folded }: &Candidate<'_>| {
                    words.iter().all(|word| word.is_in(*marks, text, folded))
                };
                commands.iter().rev().fold(0, |bits, command| bits << 1 | u32::from(is_in(command)))
            }
            Self::Regex(expression) => {
                expression.are_in(commands.iter().map(|command| (command.text, command.marks.is_ascii())), regex)
            }
        }
    }
}

/// Words of which one must hold.
pub(super) struct Alternatives {
    parts: Vec<Part>,
    group: Group,
}

impl Alternatives {
    fn new(group: &Group, mode: Mode) -> Self {
        let part = |term: &Term| if mode == Mode::Fuzzy { Part::new(term).beside_loose() } else { Part::new(term) };
        let mut parts: Vec<Part> = group.iter().map(part).collect();
        parts.sort_by_key(Part::effort);
        Self { parts, group: group.clone() }
    }

    fn is_decided_by_marks(&self) -> bool {
        matches!(&self.parts[..], [only] if only.is_decided_by_marks())
    }

    fn effort(&self) -> usize {
        self.parts.iter().map(Part::effort).sum()
    }

    /// What all of them need.
    fn needs(&self) -> Marks {
        self.parts.iter().map(Part::needs).reduce(Marks::both).unwrap_or_default()
    }

    fn is_in(&self, marks: Marks, text: &[u8], folded: &[u8]) -> bool {
        self.parts.iter().any(|part| part.is_in(marks, text, folded))
    }

    fn quality_max(&self) -> u32 {
        self.parts.iter().map(Part::quality_max).max().unwrap_or(0)
    }

    fn loss(&self, standing: Standing, pairs: u128) -> u32 {
        match &self.parts[..] {
            [only] => only.loss(standing, pairs),
            parts => {
                let most = parts.iter().map(|part| part.quality_max() - part.loss(standing, pairs)).max();
                self.quality_max() - most.unwrap_or(0)
            }
        }
    }

    fn quality(&self, text: &[u8], folded: &[u8], scorer: &mut Scorer) -> u32 {
        match &self.parts[..] {
            [only] => only.quality(text, folded, scorer),
            parts => {
                let marks = Marks::of(folded);
                let those = parts.iter().filter(|part| part.is_in(marks, text, folded));
                those.map(|part| part.quality(text, folded, scorer)).max().unwrap_or(0)
            }
        }
    }

    fn ranges(&self, text: &[u8], folded: &[u8], scorer: &mut Scorer) -> Vec<(u32, u32)> {
        let marks = Marks::of(folded);
        let those = self.parts.iter().filter(|part| part.is_in(marks, text, folded));
        those.flat_map(|part| part.ranges(text, folded, scorer)).collect()
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::history::standing;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn nothing_is_worth_more_than_it_promises(
            typed in "([!'^]{0,2}[abAé1/-]{0,4}\\$?( \\| | ){0,1}){1,3}",
            text in "[abABé1/ -]{0,16}",
            mode in prop::sample::select(&[Mode::Fuzzy, Mode::Substring, Mode::Prefix][..]),
        ) {
            let query = Query { text: typed, mode, ..Query::default() };
            let pattern = Pattern::new(&query, &asked(&query).expect("short")).expect("no expression");
            let mut folded = Vec::new();
            fold_into(&mut folded, text.as_bytes());
            let marks = Marks::of(&folded);
            if pattern.left_after(None).are_in(&[Candidate { marks, text: text.as_bytes(), folded: &folded }], None) == 1 {
                let quality = pattern.quality(text.as_bytes(), &folded, &mut Scorer::new());
                let loss = pattern.loss(standing(text.as_bytes()), marks.pairs, text.len(), 0);
                prop_assert!(quality + loss <= pattern.quality_max());
            }
        }

        /// What a command loses is kept for the next keystroke, and no longer than it is true.
        #[test]
        fn who_types_on_makes_no_command_better(
            typed in prop::collection::vec("([!'^]{0,1}[abAé1/-]{0,4}\\$?( \\| | ){0,1}){1,3}", 1..4),
            text in "[abABé1/ -]{0,24}",
        ) {
            let mut folded = Vec::new();
            fold_into(&mut folded, text.as_bytes());
            let candidate = Candidate { marks: Marks::of(&folded), text: text.as_bytes(), folded: &folded };
            let ends = |typed: &String| (0..=typed.len()).filter(|end| typed.is_char_boundary(*end)).collect::<Vec<_>>();
            let mut known: Vec<(Asked, u32)> = Vec::new();
            for (typed, end) in typed.iter().flat_map(|typed| ends(typed).into_iter().map(move |end| (typed, end))) {
                let query = Query { text: typed[..end].to_owned(), mode: Mode::Fuzzy, ..Query::default() };
                let asked = asked(&query).expect("short");
                let pattern = Pattern::new(&query, &asked).expect("no expression");
                if pattern.left_after(None).are_in(&[candidate], None) == 1 {
                    let quality = pattern.quality(text.as_bytes(), &folded, &mut Scorer::new());
                    known.push((asked, pattern.loss_of_words(quality, &folded)));
                }
            }
            for (asked, loss) in &known {
                for (before, lost) in known.iter().filter(|(before, _)| asked.goes_on(before)) {
                    prop_assert!(loss >= lost, "{asked:?} loses {loss} and {before:?} {lost}");
                }
            }
        }
    }

    #[test]
    fn ranges_are_joined() {
        assert_eq!(joined(vec![(4, 6), (0, 2), (2, 3), (5, 5), (5, 9)]), [(0, 3), (4, 9)]);
    }
}
