//! bash: one command a line, with a line `#<seconds>` before it where `HISTTIMEFORMAT` was set.
//!
//! As bash itself reads it: a file that begins with such a line has them before every command, and lines between two
//! of them are one command of several lines; otherwise each line is a command of its own.

use std::io::{self, BufRead};

use super::{COMMAND_BYTES_MAX, Entry, Format, Found, Lines, Odd, Why, number};

/// Reads bash's history.
#[derive(Default)]
pub(super) struct Bash {
    /// Whether lines without a time continue the command before them. Not known before the first line.
    joins: Option<bool>,
    /// The time of the command that comes next.
    time: Option<i64>,
    /// The command so far.
    open: Option<Entry>,
}

impl<R: BufRead> Format<R> for Bash {
    fn next(&mut self, lines: &mut Lines<R>) -> io::Result<Option<Found>> {
        loop {
            let Some(line) = lines.next()? else { return Ok(self.close()) };
            if line.is_too_long {
                return Ok(Some(line.odd(Why::TooLong).into()));
            }
            let stamp = stamp(line.bytes);
            let joins = *self.joins.get_or_insert(stamp.is_some());
            if let Some(digits) = stamp {
                self.time = number(digits);
                match self.close() {
                    Some(found) => return Ok(Some(found)),
                    None => continue,
                }
            }
            let (at, bytes) = (line.number, line.bytes);
            if let Some(found) = self.take(at, bytes, joins) {
                return Ok(Some(found));
            }
        }
    }
}

/// The digits of a line that says when the next command began.
pub(crate) fn stamp(line: &[u8]) -> Option<&[u8]> {
    line.strip_prefix(b"#").filter(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

impl Bash {
    fn take(&mut self, at: u64, line: &[u8], joins: bool) -> Option<Found> {
        if let Some(open) = &mut self.open {
            if open.command.len() + line.len() >= COMMAND_BYTES_MAX {
                return Some(Odd::new(at, Why::TooLong, line).into());
            }
            open.command.push(b'\n');
            open.command.extend_from_slice(line);
            return None;
        }
        if line.is_empty() {
            return None;
        }
        let entry = Entry::plain(line.to_vec(), self.time.take(), None);
        if joins {
            self.open = Some(entry);
            return None;
        }
        Some(Found::Entry(entry))
    }

    /// The command so far is whole.
    fn close(&mut self) -> Option<Found> {
        let mut entry = self.open.take()?;
        let end = entry.command.iter().rposition(|byte| *byte != b'\n').map_or(0, |at| at + 1);
        entry.command.truncate(end);
        (!entry.command.is_empty()).then_some(Found::Entry(entry))
    }
}

#[cfg(test)]
mod tests {
    use crate::import::{Source, testing::read_all};

    fn check(file: &[u8], expected: &[(&[u8], Option<i64>)]) {
        let (entries, odd) = read_all(Source::Bash, file);
        let found: Vec<(&[u8], Option<i64>)> =
            entries.iter().map(|entry| (entry.command.as_slice(), entry.start_us.map(|us| us / 1_000_000))).collect();
        assert_eq!(found, expected, "{}", file.escape_ascii());
        assert_eq!(odd, 0);
    }

    #[test]
    fn a_line_is_a_command() {
        check(b"ls\n\n cd /tmp \nls", &[(b"ls", None), (b" cd /tmp ", None), (b"ls", None)]);
        check(b"", &[]);
        check(b"\n\n", &[]);
        check(b"caf\xe9 \xff\n", &[(b"caf\xe9 \xff", None)]);
    }

    #[test]
    fn a_stamp_gives_its_time_to_the_command_after_it() {
        check(b"#1700000000\nls\n#1700000005\ncd\n", &[(b"ls", Some(1_700_000_000)), (b"cd", Some(1_700_000_005))]);
        check(b"old\n#1700000000\nls\nbare\n", &[(b"old", None), (b"ls", Some(1_700_000_000)), (b"bare", None)]);
        check(b"#1700000000\n#1700000001\nls\n", &[(b"ls", Some(1_700_000_001))]);
        check(b"#99999999999999999999\nls\n", &[(b"ls", None)]);
    }

    #[test]
    fn a_comment_is_a_command_and_no_stamp() {
        check(b"# 17\n#note\n#\n#12x\n", &[(b"# 17", None), (b"#note", None), (b"#", None), (b"#12x", None)]);
    }

    #[test]
    fn lines_between_stamps_are_one_command() {
        check(
            b"#1700000000\nfor i in 1\ndo\n\n  ls\ndone\n\n#1700000001\ncd\n",
            &[(b"for i in 1\ndo\n\n  ls\ndone", Some(1_700_000_000)), (b"cd", Some(1_700_000_001))],
        );
    }
}
