//! What the parts of a shell command are, for colours: words, strings, operators, comments. Small and forgiving: it reads
//! bytes once from left to right, knows what shells have in common, and takes anything.
//!
//! Says nothing about what a command does; `danger.rs` does not go by it.

use std::ops::Range;

/// What a part of a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The first word of a command.
    Command,
    /// A word of the shell itself.
    Keyword,
    /// `-x`, `--long`.
    Option,
    /// In quotes.
    String,
    /// `$NAME`, `${…}`, and `NAME=` in front of a command.
    Variable,
    /// `|`, `&&`, `;`, `>`.
    Operator,
    /// From `#` to the end of the line.
    Comment,
}

/// Bytes that are looked at. What is further on is not in sight when a command is this long.
const BYTES_MAX: usize = 16 * 1024;

const KEYWORDS: [&[u8]; 26] = [
    b"if",
    b"then",
    b"else",
    b"elif",
    b"fi",
    b"for",
    b"while",
    b"until",
    b"do",
    b"done",
    b"case",
    b"esac",
    b"in",
    b"function",
    b"select",
    b"time",
    b"!",
    b"{",
    b"}",
    b"[[",
    b"]]",
    b"end",
    b"begin",
    b"and",
    b"or",
    b"not",
];

/// Keywords after which no command begins.
const NAMES_FOLLOW: [&[u8]; 5] = [b"for", b"case", b"in", b"select", b"function"];

/// The parts that are something, ascending and apart. What is in none is plain.
pub(super) fn classes(command: &[u8]) -> Vec<(Range<usize>, Class)> {
    let mut lexer = Lexer { bytes: &command[..command.len().min(BYTES_MAX)], at: 0, begins: true, found: Vec::new() };
    lexer.run();
    lexer.found
}

struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether the next word is a command's first.
    begins: bool,
    found: Vec<(Range<usize>, Class)>,
}

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\n' => {
                    self.at += 1;
                    self.begins = true;
                }
                b'#' => self.until_newline(),
                b'|' | b'&' | b';' | b'(' | b')' => self.operator(true),
                b'<' | b'>' => self.operator(false),
                _ => self.word(),
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn add(&mut self, from: usize, class: Class) {
        if from < self.at {
            self.found.push((from..self.at, class));
        }
    }

    fn until_newline(&mut self) {
        let from = self.at;
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        self.add(from, Class::Comment);
    }

    fn operator(&mut self, command_follows: bool) {
        let from = self.at;
        while self.peek(0).is_some_and(|byte| b"|&;()<>".contains(&byte)) {
            self.at += 1;
        }
        self.add(from, Class::Operator);
        self.begins = command_follows;
    }

    /// A word, which may hold quotes and variables.
    fn word(&mut self) {
        let from = self.at;
        let parts_before = self.found.len();
        while let Some(byte) = self.peek(0) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b'|' | b'&' | b';' | b'(' | b')' | b'<' | b'>' => break,
                b'\'' => self.quoted(b'\'', false),
                b'"' => self.quoted(b'"', true),
                b'`' => self.quoted(b'`', false),
                b'$' => self.variable(),
                b'\\' => self.at = (self.at + 2).min(self.bytes.len()),
                _ => self.at += 1,
            }
        }
        if self.at == from {
            // A sign that no arm above moves past would be read for ever.
            self.at += 1;
        }
        if self.found.len() == parts_before {
            self.plain_word(from);
        } else {
            self.begins = self.begins && self.is_assignment(from);
        }
    }

    fn is_assignment(&self, from: usize) -> bool {
        let word = &self.bytes[from..self.at];
        let name = word.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        name > 0 && word.get(name) == Some(&b'=') && !word[0].is_ascii_digit()
    }

    fn plain_word(&mut self, from: usize) {
        let word = &self.bytes[from..self.at];
        if self.begins && KEYWORDS.contains(&word) || word == b"do" || word == b"in" {
            self.begins = !NAMES_FOLLOW.contains(&word);
            self.add(from, Class::Keyword);
        } else if self.begins && self.is_assignment(from) {
            self.add(from, Class::Variable);
        } else if self.begins {
            self.begins = false;
            self.add(from, Class::Command);
        } else if word.len() > 1 && word[0] == b'-' {
            self.add(from, Class::Option);
        }
    }

    fn quoted(&mut self, quote: u8, escapes: bool) {
        let from = self.at;
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match byte {
                b'\\' if escapes => self.at = (self.at + 1).min(self.bytes.len()),
                byte if byte == quote => break,
                _ => {}
            }
        }
        self.add(from, Class::String);
    }

    /// `$NAME`, `${…}`, `$(` and `$?`. What stands in `$(…)` is read as a command.
    fn variable(&mut self) {
        let from = self.at;
        self.at += 1;
        match self.peek(0) {
            Some(b'{') => {
                let rest = &self.bytes[self.at..];
                self.at += rest.iter().position(|byte| *byte == b'}').map_or(rest.len(), |end| end + 1);
            }
            Some(b'(') => {
                self.begins = true;
                self.add(from, Class::Operator);
                return;
            }
            Some(byte) if byte.is_ascii_alphanumeric() || byte == b'_' => {
                while self.peek(0).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                    self.at += 1;
                }
            }
            Some(b'?' | b'$' | b'!' | b'#' | b'@' | b'*' | b'-') => self.at += 1,
            _ => return,
        }
        self.add(from, Class::Variable);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(command: &str) -> Vec<(&str, Class)> {
        classes(command.as_bytes()).into_iter().map(|(range, class)| (&command[range], class)).collect()
    }

    #[test]
    fn a_command_in_its_parts() {
        assert_eq!(
            read("FOO=1 grep -rn \"a b\" $HOME | sort -u > out # why"),
            [
                ("FOO=1", Class::Variable),
                ("grep", Class::Command),
                ("-rn", Class::Option),
                ("\"a b\"", Class::String),
                ("$HOME", Class::Variable),
                ("|", Class::Operator),
                ("sort", Class::Command),
                ("-u", Class::Option),
                (">", Class::Operator),
                ("# why", Class::Comment),
            ]
        );
    }

    #[test]
    fn words_of_the_shell_and_what_follows_them() {
        assert_eq!(
            read("for i in a b; do echo ${i}\ndone && time ls"),
            [
                ("for", Class::Keyword),
                ("in", Class::Keyword),
                (";", Class::Operator),
                ("do", Class::Keyword),
                ("echo", Class::Command),
                ("${i}", Class::Variable),
                ("done", Class::Keyword),
                ("&&", Class::Operator),
                ("time", Class::Keyword),
                ("ls", Class::Command),
            ]
        );
    }

    #[test]
    fn quotes_hide_what_is_in_them_and_may_stay_open() {
        assert_eq!(
            read("echo 'a | b' \"c \\\" d\" 'open | end"),
            [
                ("echo", Class::Command),
                ("'a | b'", Class::String),
                ("\"c \\\" d\"", Class::String),
                ("'open | end", Class::String),
            ]
        );
        assert_eq!(
            read("echo a#b \\# $(date)"),
            [
                ("echo", Class::Command),
                ("$", Class::Operator),
                ("(", Class::Operator),
                ("date", Class::Command),
                (")", Class::Operator),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end_in_order(bytes: Vec<u8>) {
            let mut end = 0;
            for (range, _) in classes(&bytes) {
                prop_assert!(range.start >= end && range.start < range.end && range.end <= bytes.len());
                end = range.end;
            }
        }
    }
}
