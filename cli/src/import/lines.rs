//! Lines of bytes, each with a limit: a longer one is passed over without being held.

use std::io::{self, BufRead};

use super::COMMAND_BYTES_MAX;

/// A line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// The bytes.
    Whole(&'a [u8]),
    /// It was longer than a command may be.
    TooLong,
}

/// Reads lines.
pub(super) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new() }
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
            let newline = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..newline.unwrap_or(available.len())];
            is_too_long |= self.buffer.len() + part.len() > COMMAND_BYTES_MAX;
            if !is_too_long {
                self.buffer.extend_from_slice(part);
            }
            let taken = newline.map_or(available.len(), |at| at + 1);
            self.reader.consume(taken);
            if newline.is_some() {
                break;
            }
        }
        match (is_empty, is_too_long) {
            (true, _) => Ok(None),
            (false, true) => Ok(Some(Line::TooLong)),
            (false, false) => Ok(Some(Line::Whole(&self.buffer))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_without_their_ends() {
        let mut lines = Lines::new(&b"a\n\nb"[..]);
        assert_eq!(lines.next().expect("read"), Some(Line::Whole(b"a")));
        assert_eq!(lines.next().expect("read"), Some(Line::Whole(b"")));
        assert_eq!(lines.next().expect("read"), Some(Line::Whole(b"b")));
        assert_eq!(lines.next().expect("read"), None);
        assert_eq!(lines.next().expect("read"), None);
    }
}
