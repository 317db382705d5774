//! Lines of bytes, each with a limit: a longer one is passed over without being held.

use std::io::{self, BufRead};

use super::{COMMAND_BYTES_MAX, Odd, Why};

/// A line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The first line of a file is 1.
    pub(super) number: u64,
    /// The bytes; of a line that is too long, its beginning.
    pub(super) bytes: &'a [u8],
    /// It was longer than anything that makes sense.
    pub(super) is_too_long: bool,
}

impl Line<'_> {
    /// Says why the line was passed over.
    pub(super) fn odd(&self, why: Why) -> Odd {
        Odd::new(self.number, if self.is_too_long { Why::TooLong } else { why }, self.bytes)
    }
}

/// Reads lines.
pub(super) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    number: u64,
    bytes_max: usize,
}

/// What is kept of a line that is too long.
const HEAD_BYTES: usize = 256;

impl<R: BufRead> Lines<R> {
    /// Lines as long as a command may be.
    pub(super) fn new(reader: R) -> Self {
        Self::up_to(reader, COMMAND_BYTES_MAX)
    }

    /// Lines of at most so many bytes.
    pub(super) fn up_to(reader: R, bytes_max: usize) -> Self {
        Self { reader, buffer: Vec::new(), number: 0, bytes_max }
    }

    /// The number of the line that was given last.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line; none at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        let mut is_too_long = false;
        let mut is_empty = true;
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                break;
            }
            is_empty = false;
            let newline = memchr::memchr(b'\n', available);
            let part = &available[..newline.unwrap_or(available.len())];
            if !is_too_long && self.buffer.len() + part.len() > self.bytes_max {
                is_too_long = true;
                self.buffer.extend_from_slice(&part[..part.len().min(HEAD_BYTES)]);
                self.buffer.truncate(HEAD_BYTES);
            }
            if !is_too_long {
                self.buffer.extend_from_slice(part);
            }
            let taken = newline.map_or(available.len(), |at| at + 1);
            self.reader.consume(taken);
            if newline.is_some() {
                break;
            }
        }
        if is_empty {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(Line { number: self.number, bytes: &self.buffer, is_too_long }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], bytes_max: usize) -> Vec<(u64, Vec<u8>, bool)> {
        let mut lines = Lines::up_to(bytes, bytes_max);
        let mut all = Vec::new();
        while let Some(line) = lines.next().expect("memory can be read") {
            all.push((line.number, line.bytes.to_vec(), line.is_too_long));
        }
        all
    }

    #[test]
    fn lines_come_without_their_ends_and_with_their_numbers() {
        let expected = [(1, b"a".to_vec(), false), (2, Vec::new(), false), (3, b"b".to_vec(), false)];
        assert_eq!(all(b"a\n\nb", 9), expected);
        assert_eq!(all(b"a\n\nb\n", 9), expected);
        assert_eq!(all(b"", 9), []);
    }

    #[test]
    fn of_a_line_that_is_too_long_only_the_beginning_is_held() {
        let long = vec![b'x'; 10 * HEAD_BYTES];
        let found = all(&[&long[..], b"\nb\n"].concat(), 4);
        assert_eq!(found, [(1, long[..HEAD_BYTES].to_vec(), true), (2, b"b".to_vec(), false)]);
    }
}
