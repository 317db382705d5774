//! How the text of a fuzzy query reads: words, what each must be to a command, and which of them are alternatives.
//!
//! Here, because two programs must agree on it: the daemon finds what the words mean, and the screen shows which letters
//! are signs and not text. Knows no command and finds nothing. Any text reads as something; nothing is an error.
//!
//! | typed | a command matches when |
//! |---|---|
//! | `word` | its letters have these among them, in this order |
//! | `'word` | it has this in it as it stands |
//! | `^word`, `word$`, `^word$` | it begins with this, ends with it, is it |
//! | `!word`, `!^word`, `!word$`, `!^word$` | it does not have this in it, begin, end with it, is not it |
//! | `one \| other` | one of both holds; binds closer than the blank between other words |
//!
//! A backslash before a blank makes it a part of the word, and before a sign makes that a letter: `\!`, `\'`, `\^`, `\$`,
//! `\|`. Anywhere else it is a letter itself. A sign without a word is a word that is not finished, and asks for nothing.

use std::ops::Range;

/// A word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// What it must be to a command.
    pub kind: TermKind,
    /// It must not be that.
    pub negated: bool,
    /// Its letters, without signs. Never empty.
    pub text: String,
    /// An alternative to the term before it.
    pub is_alternative: bool,
}

/// What a word must be to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TermKind {
    /// Its letters are in it in this order.
    Loose,
    /// It is in it as it stands.
    Exact,
    /// The command begins with it.
    Start,
    /// The command ends with it.
    End,
    /// The command is it.
    Whole,
}

/// The words of a text.
pub fn terms(text: &str) -> Vec<Term> {
    read(text).0
}

/// The bytes of a text that are signs and not letters, ascending.
pub fn signs(text: &str) -> Vec<Range<usize>> {
    read(text).1
}

fn read(text: &str) -> (Vec<Term>, Vec<Range<usize>>) {
    let (mut terms, mut signs) = (Vec::new(), Vec::new());
    let mut bar = None;
    for range in words(text) {
        let word = &text[range.clone()];
        if word == "|" && !terms.is_empty() && bar.is_none() {
            bar = Some(range);
            continue;
        }
        let mut reader = Reader { word, from: 0, to: word.len(), signs: Vec::new() };
        let term = reader.term(bar.is_some());
        signs.extend(bar.take_if(|_| term.is_some()));
        signs.extend(reader.signs.into_iter().map(|sign| range.start + sign.start..range.start + sign.end));
        terms.extend(term);
    }
    signs.extend(bar);
    signs.sort_unstable_by_key(|sign| sign.start);
    (terms, signs)
}

/// Where the words are: between blanks that have no backslash before them.
fn words(text: &str) -> Vec<Range<usize>> {
    let (mut words, mut start, mut escaped) = (Vec::new(), None, false);
    for (at, letter) in text.char_indices() {
        let is_blank = letter.is_whitespace() && !(escaped && letter == ' ');
        match (start, is_blank) {
            (None, false) => start = Some(at),
            (Some(from), true) => {
                words.push(from..at);
                start = None;
            }
            _ => {}
        }
        escaped = letter == '\\';
    }
    words.extend(start.map(|from| from..text.len()));
    words
}

/// Takes the signs off one word.
struct Reader<'a> {
    word: &'a str,
    from: usize,
    to: usize,
    signs: Vec<Range<usize>>,
}

impl Reader<'_> {
    fn term(&mut self, is_alternative: bool) -> Option<Term> {
        let negated = self.takes_first('!');
        let kind = if self.takes_first('\'') {
            TermKind::Exact
        } else if self.takes_first('^') {
            if self.takes_last() { TermKind::Whole } else { TermKind::Start }
        } else if self.takes_last() {
            TermKind::End
        } else if negated {
            TermKind::Exact
        } else {
            TermKind::Loose
        };
        let text = self.rest().replace("\\ ", " ");
        (!text.is_empty()).then_some(Term { kind, negated, text, is_alternative })
    }

    fn rest(&mut self) -> String {
        let rest = &self.word[self.from..self.to];
        // What would have been a sign here, had it not the backslash.
        if matches!(rest.as_bytes(), [b'\\', b'!' | b'\'' | b'^', ..]) || rest == r"\|" {
            self.signs.push(self.from..self.from + 1);
            self.from += 1;
        }
        let rest = &self.word[self.from..self.to];
        match rest.strip_suffix(r"\$") {
            Some(letters) if self.to == self.word.len() => {
                self.signs.push(self.to - 2..self.to - 1);
                format!("{letters}$")
            }
            _ => rest.to_owned(),
        }
    }

    fn takes_first(&mut self, sign: char) -> bool {
        let is_there = self.word[self.from..self.to].starts_with(sign);
        if is_there {
            self.signs.push(self.from..self.from + 1);
            self.from += 1;
        }
        is_there
    }

    /// A `$` at the end, if there is a word before it.
    fn takes_last(&mut self) -> bool {
        let rest = &self.word[self.from..self.to];
        let is_there = rest.len() > 1 && rest.ends_with('$') && !rest.ends_with(r"\$");
        if is_there {
            self.to -= 1;
            self.signs.push(self.to..self.to + 1);
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let shown = |term: &Term| {
            let Term { kind, negated, text, is_alternative } = term;
            let (or, not) = (if *is_alternative { "or " } else { "" }, if *negated { "not " } else { "" });
            format!("{or}{not}{kind:?}({text})").to_lowercase()
        };
        terms(text).iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn each_sign_means_what_the_table_says() {
        for (text, expected) in [
            ("git push", "loose(git), loose(push)"),
            ("'git ^git git$ ^git$", "exact(git), start(git), end(git), whole(git)"),
            (
                "!git !'git !^git !git$ !^git$",
                "not exact(git), not exact(git), not start(git), not end(git), not whole(git)",
            ),
            ("a | b c", "loose(a), or loose(b), loose(c)"),
            ("a | b | !c", "loose(a), or loose(b), or not exact(c)"),
            ("a|b", "loose(a|b)"),
            ("| a", "loose(|), loose(a)"),
            ("a | | b", "loose(a), or loose(|), loose(b)"),
            ("a |", "loose(a)"),
            ("a | ! b", "loose(a), or loose(b)"),
            ("! ' ^", ""),
            ("$ ^$ !$ $HOME a$$", "loose($), start($), not exact($), loose($home), end(a$)"),
            (r"git\ push 'a\ b", "loose(git push), exact(a b)"),
            (r"\!x \'x \^x x\$ \|", "loose(!x), loose('x), loose(^x), loose(x$), loose(|)"),
            (r"!\!x ^\^x '^x$", "not exact(!x), start(^x), exact(^x$)"),
            (r"\ls a\b c\", r"loose(\ls), loose(a\b), loose(c\)"),
            ("", ""),
            ("  \t ", ""),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn signs_are_told_from_letters() {
        for (text, expected) in [
            ("git push", vec![]),
            ("!^a b$", vec![0..1, 1..2, 5..6]),
            ("a | 'b", vec![2..3, 4..5]),
            (r"\!x y\$", vec![0..1, 5..6]),
            ("é ^é !", vec![3..4, 7..8]),
            ("'a |", vec![0..1, 3..4]),
        ] {
            assert_eq!(signs(text), expected, "{text}");
        }
    }

    #[test]
    fn any_text_reads_as_something() {
        let letters = ['!', '^', '\'', '$', '|', '\\', ' ', 'a', 'é'];
        // All texts of five letters.
        for mut number in 0..letters.len().pow(5) {
            let mut text = String::new();
            for _ in 0..5 {
                text.push(letters[number % letters.len()]);
                number /= letters.len();
            }
            for sign in signs(&text) {
                assert!(text.get(sign).is_some());
            }
            assert!(terms(&text).iter().all(|term| !term.text.is_empty()));
        }
    }
}
