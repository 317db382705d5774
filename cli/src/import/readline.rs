//! What programs with a readline of their own keep. GNU's writes as bash does, and is read by `bash.rs`; the BSD one begins
//! with a mark and writes bytes that are not plain as a backslash and three octal digits.

use std::io::{self, BufRead};

use super::{Entry, Format, Found, Lines, Why};

/// Reads what the BSD readline writes.
pub(super) struct Readline;

/// How its files begin.
pub(super) const MAGIC: &[u8] = b"_HiStOrY_V2_";

impl<R: BufRead> Format<R> for Readline {
    fn next(&mut self, lines: &mut Lines<R>) -> io::Result<Option<Found>> {
        loop {
            let Some(line) = lines.next()? else { return Ok(None) };
            if line.is_too_long {
                return Ok(Some(line.odd(Why::TooLong).into()));
            }
            let is_mark = line.number == 1 && line.bytes == MAGIC;
            if !line.bytes.is_empty() && !is_mark {
                return Ok(Some(Found::Entry(Entry::plain(unescaped(line.bytes), None, None))));
            }
        }
    }
}

fn unescaped(line: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(line.len());
    let mut rest = line;
    while let [byte, after @ ..] = rest {
        (rest, _) = match (byte, after) {
            (b'\\', [high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', after @ ..]) => {
                (after, plain.push((high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0')))
            }
            (b'\\', [b'\\', after @ ..]) => (after, plain.push(b'\\')),
            _ => (after, plain.push(*byte)),
        };
    }
    plain
}

#[cfg(test)]
mod tests {
    use crate::import::{Source, testing::commands};

    #[test]
    fn octal_digits_are_bytes_where_the_file_says_so() {
        let file = b"_HiStOrY_V2_\nselect\\0401;\na\\012b\\\\c\\9\\303\\251\n";
        let expected: [&[u8]; 2] = [b"select 1;", "a\nb\\c\\9é".as_bytes()];
        assert_eq!(commands(Source::Readline, file), expected);
        assert_eq!(commands(Source::Readline, b"a\\040b\n"), [b"a\\040b"]);
    }
}
