//! Text to be found as it stands. Lower-case letters find both cases, upper-case ones only themselves.
//!
//! Looks in the folded text and then, for upper-case letters, at the same place in the text itself.

use memchr::memmem::Finder;

use super::fuzzy::is_told_by_mask;
use crate::history::{Marks, Standing, fold_char, letters};

/// Text to be found.
pub(super) struct Needle {
    // It has a few hundred bytes of its own, more than all else that a word can be.
    finder: Box<Finder<'static>>,
    /// Bytes of upper-case letters, and where they are.
    exact: Vec<(usize, u8)>,
    needs: Marks,
}

/// How a place in a command fits a word that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// In the middle of a word.
    Inside,
    /// At the beginning of a word.
    Word,
    /// At the beginning of the command.
    Start,
}

impl Needle {
    /// To find this.
    pub(super) fn new(typed: &str) -> Self {
        let mut folded = Vec::with_capacity(typed.len());
        let mut exact = Vec::new();
        let mut utf8 = [0; 4];
        for letter in typed.chars() {
            let lower = fold_char(letter);
            if lower != letter {
                let bytes = letter.encode_utf8(&mut utf8).bytes();
                exact.extend(bytes.enumerate().map(|(at, byte)| (folded.len() + at, byte)));
            }
            folded.extend_from_slice(lower.encode_utf8(&mut utf8).as_bytes());
        }
        Self { needs: Marks::of(&folded), finder: Box::new(Finder::new(&folded).into_owned()), exact }
    }

    /// What a text must have.
    pub(super) fn needs(&self) -> Marks {
        self.needs
    }

    /// Whether a text of ASCII that has [`Self::needs`] has it for sure.
    pub(super) fn is_decided_by_letters(&self) -> bool {
        matches!(self.finder.needle(), [letter] if self.exact.is_empty() && is_told_by_mask(*letter))
    }

    /// Whether it could be at the beginning of a word in a text whose letters stand so.
    pub(super) fn may_begin_a_word(&self, standing: Standing) -> bool {
        self.finder.needle().first().is_none_or(|first| letters(&[*first]) & standing.first != 0)
    }

    /// Bytes of it, and of each place where it is found.
    pub(super) fn len(&self) -> usize {
        self.finder.needle().len()
    }

    /// Whether a text begins with it.
    pub(super) fn begins(&self, text: &[u8], folded: &[u8]) -> bool {
        folded.starts_with(self.finder.needle()) && self.is_exact(text)
    }

    /// Whether a text ends with it.
    pub(super) fn ends(&self, text: &[u8], folded: &[u8]) -> bool {
        folded.ends_with(self.finder.needle()) && self.is_exact(&text[text.len() - self.len()..])
    }

    /// How it fits at the end of a text that ends with it.
    pub(super) fn fit_at_end(&self, folded: &[u8]) -> Fit {
        fit(folded, folded.len().saturating_sub(self.len()))
    }

    /// Whether it is anywhere in a text.
    pub(super) fn is_in(&self, text: &[u8], folded: &[u8]) -> bool {
        self.find(text, folded, 0).is_some()
    }

    /// The first place at which it fits best.
    pub(super) fn best(&self, text: &[u8], folded: &[u8]) -> Option<(usize, Fit)> {
        let first = self.find(text, folded, 0)?;
        let mut place = Some(first);
        while let Some(at) = place {
            match fit(folded, at) {
                Fit::Inside => place = self.find(text, folded, at + 1),
                better => return Some((at, better)),
            }
        }
        Some((first, Fit::Inside))
    }

    fn find(&self, text: &[u8], folded: &[u8], from: usize) -> Option<usize> {
        let mut from = from;
        loop {
            let at = from + self.finder.find(folded.get(from..)?)?;
            if self.is_exact(&text[at..]) {
                return Some(at);
            }
            from = at + 1;
        }
    }

    fn is_exact(&self, text: &[u8]) -> bool {
        self.exact.iter().all(|(at, byte)| text.get(*at) == Some(byte))
    }
}

fn fit(folded: &[u8], at: usize) -> Fit {
    match at.checked_sub(1).map(|before| folded[before]) {
        None => Fit::Start,
        Some(before) if before.is_ascii_alphanumeric() || !before.is_ascii() => Fit::Inside,
        Some(_) => Fit::Word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(typed: &str, text: &str) -> Option<(usize, Fit)> {
        let mut folded = Vec::new();
        crate::history::fold_into(&mut folded, text.as_bytes());
        Needle::new(typed).best(text.as_bytes(), &folded)
    }

    #[test]
    fn lower_case_finds_both_and_upper_case_itself() {
        assert_eq!(best("git", "GIT"), Some((0, Fit::Start)));
        assert_eq!(best("Git", "git Git"), Some((4, Fit::Word)));
        assert_eq!(best("gIt", "Git git"), None);
        assert_eq!(best("gIt", "GIT"), Some((0, Fit::Start)));
        assert_eq!(best("é", "É"), Some((0, Fit::Start)));
        assert_eq!(best("É", "é"), None);
    }

    #[test]
    fn the_beginning_of_a_word_is_better_than_its_middle() {
        assert_eq!(best("it", "git it"), Some((4, Fit::Word)));
        assert_eq!(best("it", "git bits"), Some((1, Fit::Inside)));
        assert_eq!(best("aa", "xaaa-aa"), Some((5, Fit::Word)));
    }
}
