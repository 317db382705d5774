//! nushell's text file: one command a line, `<\n>` for a new line, no times.

use std::io::{self, BufRead};

use super::{Entry, Format, Found, Lines, Why};

/// Reads nushell's text history.
pub(super) struct Nu;

/// What stands for a new line.
pub(crate) const NEWLINE: &[u8] = br"<\n>";

impl<R: BufRead> Format<R> for Nu {
    fn next(&mut self, lines: &mut Lines<R>) -> io::Result<Option<Found>> {
        loop {
            let Some(line) = lines.next()? else { return Ok(None) };
            if line.is_too_long {
                return Ok(Some(line.odd(Why::TooLong).into()));
            }
            if !line.bytes.is_empty() {
                return Ok(Some(Found::Entry(Entry::plain(unescaped(line.bytes), None, None))));
            }
        }
    }
}

fn unescaped(line: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = memchr::memmem::find(rest, NEWLINE) {
        plain.extend_from_slice(&rest[..at]);
        plain.push(b'\n');
        rest = &rest[at + NEWLINE.len()..];
    }
    plain.extend_from_slice(rest);
    plain
}

#[cfg(test)]
mod tests {
    use crate::import::{Source, testing::commands};

    #[test]
    fn a_line_is_a_command_and_a_mark_is_a_new_line() {
        let file = b"ls | where size > 1kb\n\ndef x [] {<\\n>  1<\\n>}\n<\\n\xff\nlast";
        let expected: [&[u8]; 4] = [b"ls | where size > 1kb", b"def x [] {\n  1\n}", b"<\\n\xff", b"last"];
        assert_eq!(commands(Source::Nu, file), expected);
    }
}
