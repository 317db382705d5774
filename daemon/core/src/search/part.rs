//! One word of a query, ready to be compared with commands: does it hold, how well, and where.

use caro_schema::ipc::terms::{Term, TermKind};

use super::{
    fuzzy::{Scorer, Word},
    needle::{Fit, Needle},
};
use crate::history::{Marks, Standing};

/// A word.
pub(super) struct Part {
    what: What,
    negated: bool,
    /// What it is worth to have it at all.
    base: u32,
}

enum What {
    Loose(Word),
    Exact(Needle),
    Start(Needle),
    End(Needle),
    Whole(Needle),
}

/// Letters of a word that are looked for one by one. Nobody types more, and each costs memory for each text.
pub(super) const LOOSE_LETTERS_MAX: usize = 128;

/// What a place is worth, in the measure of loose letters: a word in its place is worth about one of them.
const START: u32 = 24;
const WORD: u32 = 16;

/// What a letter that stands as it was typed is worth: about what a loose one in its place is. It counts only
/// where a word as it stands and one with loose letters are alternatives to each other.
const LETTER: u32 = 20;

impl What {
    fn needs(&self) -> Marks {
        match self {
            Self::Loose(word) => Marks { letters: word.mask(), pairs: 0 },
            Self::Exact(needle) | Self::Start(needle) | Self::End(needle) | Self::Whole(needle) => needle.needs(),
        }
    }

    fn is_decided_by_marks(&self) -> bool {
        match self {
            Self::Loose(word) => word.is_decided_by_letters(),
            Self::Exact(needle) => needle.is_decided_by_letters(),
            Self::Start(_) | Self::End(_) | Self::Whole(_) => false,
        }
    }
}

impl Part {
    /// From a term.
    pub(super) fn new(term: &Term) -> Self {
        let text = term.text.as_str();
        let what = match term.kind {
            TermKind::Loose => What::Loose(Word::new(text)),
            TermKind::Exact => What::Exact(Needle::new(text)),
            TermKind::Start => What::Start(Needle::new(text)),
            TermKind::End => What::End(Needle::new(text)),
            TermKind::Whole => What::Whole(Needle::new(text)),
        };
        Self { what, negated: term.negated, base: 0 }
    }

    /// The same, worth as much as one with loose letters.
    pub(super) fn beside_loose(mut self) -> Self {
        if let Some(needle) = self.needle() {
            self.base = needle.len().min(LOOSE_LETTERS_MAX) as u32 * LETTER;
        }
        self
    }

    fn needle(&self) -> Option<&Needle> {
        match &self.what {
            What::Loose(_) => None,
            What::Exact(needle) | What::Start(needle) | What::End(needle) | What::Whole(needle) => Some(needle),
        }
    }

    /// What a text must have for it to hold.
    pub(super) fn needs(&self) -> Marks {
        if self.negated { Marks::default() } else { self.what.needs() }
    }

    /// Whether a text of ASCII that has [`Self::needs`] has it for sure.
    pub(super) fn is_decided_by_marks(&self) -> bool {
        !self.negated && self.what.is_decided_by_marks()
    }

    /// How much work it is to look, at a guess: what is quick and seldom holds comes first.
    pub(super) fn effort(&self) -> usize {
        match &self.what {
            what if what.is_decided_by_marks() => 0,
            What::Start(_) | What::End(_) | What::Whole(_) => 0,
            What::Exact(_) => 1,
            What::Loose(_) => 2,
        }
    }

    /// Whether it holds.
    pub(super) fn is_in(&self, marks: Marks, text: &[u8], folded: &[u8]) -> bool {
        let is_there = marks.may_have(self.what.needs())
            && (marks.is_ascii() && self.what.is_decided_by_marks()
                || match &self.what {
                    What::Loose(word) => word.is_in(text, folded),
                    What::Exact(needle) => needle.is_in(text, folded),
                    What::Start(needle) => needle.begins(text, folded),
                    What::End(needle) => needle.ends(text, folded),
                    What::Whole(needle) => needle.len() == folded.len() && needle.begins(text, folded),
                });
        is_there != self.negated
    }

    /// The greatest that [`Self::quality`] gives.
    pub(super) fn quality_max(&self) -> u32 {
        match &self.what {
            _ if self.negated => 0,
            What::Loose(word) => word.score_max(),
            _ => self.base + START,
        }
    }

    /// How much less than [`Self::quality_max`] it is worth at least in a text whose letters stand so, and side by side so.
    pub(super) fn loss(&self, standing: Standing, pairs: u128) -> u32 {
        match &self.what {
            _ if self.negated => 0,
            What::Loose(word) => word.loss(standing, pairs),
            // In the middle of a word, wherever it is.
            What::Exact(needle) | What::End(needle) if !needle.may_begin_a_word(standing) => START,
            What::Exact(_) | What::End(_) | What::Start(_) | What::Whole(_) => 0,
        }
    }

    /// How well it holds in a text in which it does.
    pub(super) fn quality(&self, text: &[u8], folded: &[u8], scorer: &mut Scorer) -> u32 {
        match &self.what {
            _ if self.negated => 0,
            What::Loose(word) => word.score(text, scorer),
            What::Exact(needle) => self.base + worth(needle.best(text, folded).map(|(_, fit)| fit)),
            What::Start(_) | What::Whole(_) => self.base + START,
            What::End(needle) => self.base + worth(Some(needle.fit_at_end(folded))),
        }
    }

    /// Where it is in a text in which it holds.
    pub(super) fn ranges(&self, text: &[u8], folded: &[u8], scorer: &mut Scorer) -> Vec<(u32, u32)> {
        let at = |at: usize, needle: &Needle| (at as u32, (at + needle.len()) as u32);
        match &self.what {
            _ if self.negated => Vec::new(),
            What::Loose(word) => word.ranges(text, scorer),
            What::Exact(needle) => needle.best(text, folded).map(|(start, _)| at(start, needle)).into_iter().collect(),
            What::Start(needle) | What::Whole(needle) => vec![at(0, needle)],
            What::End(needle) => vec![at(text.len().saturating_sub(needle.len()), needle)],
        }
    }
}

fn worth(fit: Option<Fit>) -> u32 {
    match fit {
        Some(Fit::Start) => START,
        Some(Fit::Word) => WORD,
        Some(Fit::Inside) | None => 0,
    }
}
