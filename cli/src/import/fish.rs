//! fish: `- cmd: text`, then `  when: seconds` and perhaps `  paths:` with a list. In the text `\n` is a newline and
//! `\\` a backslash; anything else stands for itself.

use std::io::{self, BufRead};

use super::{Entry, Format, Found, Lines, Why, number};

/// Reads fish's history.
#[derive(Default)]
pub(super) struct Fish {
    open: Option<Entry>,
    /// After a command that was passed over, until the next one.
    is_astray: bool,
}

impl<R: BufRead> Format<R> for Fish {
    fn next(&mut self, lines: &mut Lines<R>) -> io::Result<Option<Found>> {
        loop {
            let Some(line) = lines.next()? else { return Ok(self.close()) };
            if line.is_too_long {
                // What follows belongs to the line that is passed over, and must not be given to the command before.
                self.is_astray = true;
                return Ok(Some(line.odd(Why::TooLong).into()));
            }
            if let Some(text) = line.bytes.strip_prefix(b"- cmd: ") {
                let next = Entry::plain(unescaped(text), None, None);
                let closed = self.close();
                (self.open, self.is_astray) = (Some(next), false);
                match closed {
                    Some(found) => return Ok(Some(found)),
                    None => continue,
                }
            }
            if !self.belongs(line.bytes) {
                return Ok(Some(line.odd(Why::NoCommand).into()));
            }
        }
    }
}

impl Fish {
    fn close(&mut self) -> Option<Found> {
        self.open.take().filter(|entry| !entry.command.is_empty()).map(Found::Entry)
    }

    /// Whether the line says something about a command.
    fn belongs(&mut self, line: &[u8]) -> bool {
        if self.is_astray {
            return line.is_empty() || line.starts_with(b"  ");
        }
        let Some(open) = &mut self.open else { return line.is_empty() };
        if let Some(when) = line.strip_prefix(b"  when: ") {
            open.start_us = number(when.trim_ascii()).map(|seconds| seconds.saturating_mul(1_000_000));
            return open.start_us.is_some();
        }
        // Files that the command named, and what later versions may add.
        line.is_empty() || line.starts_with(b"  ")
    }
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let meant = match (byte, bytes.peek()) {
            (b'\\', Some(b'n')) => b'\n',
            (b'\\', Some(b'\\')) => b'\\',
            _ => {
                plain.push(byte);
                continue;
            }
        };
        bytes.next();
        plain.push(meant);
    }
    plain
}

#[cfg(test)]
mod tests {
    use crate::import::{Source, testing::read_all};

    fn check(file: &[u8], expected: &[(&[u8], Option<i64>)], odd: usize) {
        let (entries, found_odd) = read_all(Source::Fish, file);
        let found: Vec<(&[u8], Option<i64>)> =
            entries.iter().map(|entry| (entry.command.as_slice(), entry.start_us.map(|us| us / 1_000_000))).collect();
        assert_eq!(found, expected, "{}", file.escape_ascii());
        assert_eq!(found_odd, odd, "{}", file.escape_ascii());
    }

    #[test]
    fn commands_with_their_times() {
        check(
            b"- cmd: ls\n  when: 1700000000\n- cmd: cat a: b\n  when: 1700000001\n  paths:\n    - a\n    - b\n",
            &[(b"ls", Some(1_700_000_000)), (b"cat a: b", Some(1_700_000_001))],
            0,
        );
        check(b"- cmd: ls", &[(b"ls", None)], 0);
    }

    #[test]
    fn escapes_are_read_from_the_left() {
        check(br"- cmd: echo a\nb", &[(b"echo a\nb", None)], 0);
        check(br"- cmd: printf 'a\\nb'", &[(br"printf 'a\nb'", None)], 0);
        check(br"- cmd: x\\\n\t\", &[(b"x\\\n\\t\\", None)], 0);
        check(b"- cmd: \xff\xfe", &[(b"\xff\xfe", None)], 0);
    }

    #[test]
    fn odd_lines_are_counted_and_harm_nothing() {
        check(
            b"garbage\n- cmd: ls\n  when: soon\nmore garbage\n- cmd: cd\n  when: 1700000000\n- cmd: \n",
            &[(b"ls", None), (b"cd", Some(1_700_000_000))],
            3,
        );
    }
}
