//! Cuts what was typed into text and filters. Knows the names of filters, not what they mean.

use std::ops::Range;

use caro_schema::ipc::history::Mode;

/// A part of what was typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// To be looked for, with the blanks around it.
    Text(Range<usize>),
    /// A backslash that makes what would be a filter text.
    Escape(usize),
    /// A filter: its name, its value without quotes, and all of it.
    Filter { name: Name, value: String, range: Range<usize> },
}

/// The names of filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Dir,
    Under,
    Repo,
    Host,
    User,
    Session,
    Shell,
    Exit,
    Ok,
    Failed,
    Running,
    After,
    Before,
    Took,
    Author,
    Tag,
    Safety,
    Asked,
}

/// As they are typed. Those of one meaning stand together.
pub(super) const NAMES: [(&str, Name); 20] = [
    ("dir", Name::Dir),
    ("under", Name::Under),
    ("repo", Name::Repo),
    ("host", Name::Host),
    ("user", Name::User),
    ("session", Name::Session),
    ("shell", Name::Shell),
    ("exit", Name::Exit),
    ("ok", Name::Ok),
    ("failed", Name::Failed),
    ("running", Name::Running),
    ("after", Name::After),
    ("since", Name::After),
    ("before", Name::Before),
    ("until", Name::Before),
    ("took", Name::Took),
    ("author", Name::Author),
    ("tag", Name::Tag),
    ("safety", Name::Safety),
    ("asked", Name::Asked),
];

impl Name {
    /// Whether it says everything by itself. With something behind the colon it is text: `ok:thing`.
    fn has_no_value(self) -> bool {
        matches!(self, Self::Ok | Self::Failed | Self::Running)
    }
}

/// The name that a word begins with, if it is a filter's.
fn name_of(word: &str) -> Option<&'static str> {
    let (name, _) = word.split_once(':')?;
    NAMES.iter().find(|(known, _)| *known == name).map(|(known, _)| *known)
}

/// The parts of a text, in order and without a gap.
pub(super) fn tokens(text: &str, mode: Mode) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut at, mut text_from) = (0, 0);
    while at < text.len() {
        let blanks = text[at..].len() - text[at..].trim_start().len();
        at += blanks;
        let escaped = text[at..].strip_prefix('\\').filter(|_| mode != Mode::Regex);
        if escaped.is_some_and(|rest| filter(rest).is_some()) {
            push_text(&mut tokens, text_from..at);
            tokens.push(Token::Escape(at));
            text_from = at + 1;
            at += word_len(&text[at..], mode);
        } else if let Some((name, value, len)) = filter(&text[at..]) {
            push_text(&mut tokens, text_from..at);
            tokens.push(Token::Filter { name, value, range: at..at + len });
            at += len;
            text_from = at;
            // At the beginning the blank behind it was only there for it; elsewhere that is the one before it.
            if tokens.iter().all(|token| matches!(token, Token::Filter { .. })) && text[at..].starts_with(' ') {
                (at, text_from) = (at + 1, at + 1);
            }
        } else {
            at += word_len(&text[at..], mode);
        }
    }
    push_text(&mut tokens, text_from..text.len());
    tokens
}

fn push_text(tokens: &mut Vec<Token>, range: Range<usize>) {
    if !range.is_empty() {
        tokens.push(Token::Text(range));
    }
}

/// Bytes up to the next blank. In a fuzzy query a backslash makes a blank a part of its word.
fn word_len(text: &str, mode: Mode) -> usize {
    let mut escaped = false;
    let is_end = |letter: char| {
        let is_blank = letter.is_whitespace() && !(escaped && mode == Mode::Fuzzy);
        escaped = letter == '\\';
        is_blank
    };
    text.find(is_end).unwrap_or(text.len())
}

/// The filter that a text begins with: its name, its value and its bytes.
fn filter(text: &str) -> Option<(Name, String, usize)> {
    let typed = name_of(text)?;
    let name = NAMES.iter().find(|(known, _)| *known == typed).map(|(_, name)| *name)?;
    let (value, len) = value(&text[typed.len() + 1..]);
    if name.has_no_value() && len > 0 {
        return None;
    }
    Some((name, value, typed.len() + 1 + len))
}

/// A value up to the next blank that is not in quotes and has no backslash before it, and how many bytes it took.
fn value(text: &str) -> (String, usize) {
    let (mut value, mut quoted) = (String::new(), false);
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => quoted = !quoted,
            '\\' => match letters.next_if(|(_, next)| matches!(next, ' ' | '"' | '\\')) {
                Some((_, next)) => value.push(next),
                None => value.push('\\'),
            },
            letter if letter.is_whitespace() && !quoted => return (value, at),
            letter => value.push(letter),
        }
    }
    (value, text.len())
}
