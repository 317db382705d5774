//! What a shell's `alias` command prints, read back: words as bash, zsh and fish quote them, and nothing else of their
//! languages. Nothing is run and nothing expanded.

use std::collections::HashSet;

use caro_schema::items::{Sort, Unfit};

/// What is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// A line that is no alias.
    NoAlias(String),
    /// An alias that could not be kept, by its name, and why.
    Unfit(String, Unfit),
}

/// The aliases of a printed list that can be kept, and what is left out. As in the shell: of two with one name, the last
/// one holds.
pub(crate) fn kept(text: &str) -> (Vec<(String, String)>, Vec<LeftOut>) {
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    for found in aliases(text) {
        match found.map_err(LeftOut::NoAlias) {
            Ok((name, command)) => match Sort::Alias.check(&name, command.as_bytes()) {
                Ok(()) => kept.push((name, command)),
                Err(why) => left_out.push(LeftOut::Unfit(name, why)),
            },
            Err(left) => left_out.push(left),
        }
    }
    let mut names = HashSet::new();
    let is_last: Vec<bool> = kept.iter().rev().map(|(name, _)| names.insert(name.clone())).collect();
    let mut is_last = is_last.into_iter().rev();
    kept.retain(|_| is_last.next().unwrap_or(false));
    (kept, left_out)
}

/// An alias with its command, or a line that is none.
type Found = Result<(String, String), String>;

/// The aliases of a printed list.
fn aliases(text: &str) -> Vec<Found> {
    let mut rest = Letters(text.chars().peekable());
    let mut found = Vec::new();
    while let Some(words) = rest.line() {
        if !words.is_empty() {
            found.push(alias(words));
        }
    }
    found
}

/// `alias name='command'` in bash, `name='command'` in zsh, `alias name 'command'` in fish.
fn alias(words: Vec<String>) -> Found {
    let as_typed = words.join(" ");
    let mut words = words.into_iter().peekable();
    let is_named = words.next_if(|word| word == "alias").is_some();
    if is_named {
        words.next_if(|word| word == "--");
    }
    let words: Vec<String> = words.collect();
    let pair = match &words[..] {
        [one] => one.split_once('=').map(|(name, command)| (name.to_owned(), command.to_owned())),
        [name, command] if is_named && !name.starts_with('-') => Some((name.clone(), command.clone())),
        _ => None,
    };
    pair.filter(|(name, _)| !name.is_empty()).ok_or(as_typed)
}

struct Letters<'a>(std::iter::Peekable<std::str::Chars<'a>>);

impl Letters<'_> {
    /// The words of the next line; a line end within quotes is part of a word.
    fn line(&mut self) -> Option<Vec<String>> {
        self.0.peek()?;
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        while let Some(letter) = self.0.next() {
            match letter {
                '\n' => break,
                ' ' | '\t' | '\r' => words.extend(word.take()),
                letter => self.part(letter, word.get_or_insert_default()),
            }
        }
        words.extend(word);
        Some(words)
    }

    /// What one letter begins: itself, or something quoted.
    fn part(&mut self, letter: char, word: &mut String) {
        match letter {
            '\'' => self.single(word),
            '"' => self.double(word),
            '\\' => word.extend(self.0.next()),
            '$' if self.0.peek() == Some(&'\'') => {
                self.0.next();
                self.ansi(word);
            }
            other => word.push(other),
        }
    }

    fn single(&mut self, word: &mut String) {
        while let Some(letter) = self.0.next() {
            match letter {
                '\'' => return,
                // fish escapes these two within its single quotes; the other shells print no backslash in front of them.
                '\\' if matches!(self.0.peek(), Some('\'' | '\\')) && self.is_escape() => word.extend(self.0.next()),
                other => word.push(other),
            }
        }
    }

    /// Whether a backslash before a quote is fish's: in the other shells the quote ends the text, and what follows is
    /// another quote or the end of the line.
    fn is_escape(&self) -> bool {
        let mut ahead = self.0.clone();
        match ahead.next() {
            Some('\\') => false,
            _ => !matches!(ahead.next(), None | Some('\n' | '\'' | '\\')),
        }
    }

    fn double(&mut self, word: &mut String) {
        while let Some(letter) = self.0.next() {
            match letter {
                '"' => return,
                '\\' if matches!(self.0.peek(), Some('"' | '\\' | '$' | '`')) => word.extend(self.0.next()),
                other => word.push(other),
            }
        }
    }

    fn ansi(&mut self, word: &mut String) {
        while let Some(letter) = self.0.next() {
            match letter {
                '\'' => return,
                '\\' => word.extend(self.0.next().map(|letter| match letter {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'e' | 'E' => '\u{1b}',
                    'a' => '\u{7}',
                    other => other,
                })),
                other => word.push(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shells_print_is_read_back() {
        for (line, name, command) in [
            ("alias ll='ls -l'", "ll", "ls -l"),
            ("alias -- x='y z'", "x", "y z"),
            (r"alias q='echo '\''it'\'''", "q", "echo 'it'"),
            ("ll='ls -l'", "ll", "ls -l"),
            ("ls=ls", "ls", "ls"),
            ("..='cd ..'", "..", "cd .."),
            (r"q='echo '\''it'\'", "q", "echo 'it'"),
            ("nl=$'one\\ntwo'", "nl", "one\ntwo"),
            ("alias ll 'ls -l'", "ll", "ls -l"),
            (r"alias q 'echo \'it\' now'", "q", "echo 'it' now"),
            ("alias g git", "g", "git"),
            ("alias e='x=1 y'", "e", "x=1 y"),
            ("alias d=\"a \\\"b\\\" \\$c\"", "d", "a \"b\" $c"),
            ("alias m='one\ntwo'", "m", "one\ntwo"),
            (r"alias b='tr \\n x'", "b", r"tr \\n x"),
        ] {
            assert_eq!(aliases(line), [Ok((name.to_owned(), command.to_owned()))], "{line}");
        }
    }

    #[test]
    fn what_is_no_alias_is_named_and_the_next_is_read() {
        let found = aliases("hello world\n\nalias a=b\nalias -g G='| grep'\n");
        assert_eq!(found.len(), 3);
        assert_eq!(found[1], Ok(("a".to_owned(), "b".to_owned())));
        assert!(found[0].is_err() && found[2].is_err());
    }

    #[test]
    fn of_two_with_one_name_the_last_holds_and_many_take_no_longer_than_few() {
        let (kept, left_out) = kept("alias a=1\nalias b=2\nalias a=3\nnone here\n");
        let pair = |name: &str, command: &str| (name.to_owned(), command.to_owned());
        assert_eq!(kept, [pair("b", "2"), pair("a", "3")]);
        assert_eq!(left_out, [LeftOut::NoAlias("none here".to_owned())]);
        // As many as the input may hold. Looking each one up among all before it took minutes.
        let text: String = (0..300_000).map(|number| format!("a{number}=b\n")).collect();
        assert_eq!(super::kept(&text).0.len(), 300_000);
    }

    #[test]
    fn any_text_gives_some_answer() {
        proptest::proptest!(|(text: String)| drop(aliases(&text)));
    }
}
