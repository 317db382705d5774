//! replxx, a line editor of other programs: `### 2024-01-31 12:00:00.000` (in UTC), then one line, in which the byte 0x17
//! stands for a new line.

use std::io::{self, BufRead};

use jiff::{civil::DateTime, tz::TimeZone};

use super::{Entry, Format, Found, Lines, Why};

/// Reads replxx's history.
#[derive(Default)]
pub(super) struct Replxx {
    /// The time of the command that comes next.
    time_us: Option<i64>,
}

/// What stands for a new line.
const NEWLINE: u8 = 0x17;

impl<R: BufRead> Format<R> for Replxx {
    fn next(&mut self, lines: &mut Lines<R>) -> io::Result<Option<Found>> {
        loop {
            let Some(line) = lines.next()? else { return Ok(None) };
            if line.is_too_long {
                return Ok(Some(line.odd(Why::TooLong).into()));
            }
            if let Some(time_us) = time_us(line.bytes) {
                self.time_us = Some(time_us);
            } else if !line.bytes.is_empty() {
                let with_newlines = |byte: &u8| if *byte == NEWLINE { b'\n' } else { *byte };
                let command = line.bytes.iter().map(with_newlines).collect();
                let start_us = self.time_us.take();
                return Ok(Some(Found::Entry(Entry { command, start_us, ..Entry::default() })));
            }
        }
    }
}

fn time_us(line: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(line.strip_prefix(b"### ")?).ok()?;
    // Digits alone, and all of them: anything that only looks like it is a command.
    let shape = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b' ',
        13 | 16 => byte == b':',
        19 => byte == b'.',
        _ => byte.is_ascii_digit(),
    };
    if text.len() != 23 || !text.bytes().enumerate().all(shape) {
        return None;
    }
    let time: DateTime = text.parse().ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

#[cfg(test)]
mod tests {
    use crate::import::{Source, testing::read_all};

    #[test]
    fn a_stamp_gives_its_time_to_the_line_after_it() {
        let file = b"### 2023-11-14 22:13:20.250\nselect 1\x17from t\nbare\n### 2023-99-14 22:13:20.250\n### note\n";
        let (entries, odd) = read_all(Source::Replxx, file);
        let found: Vec<_> = entries.iter().map(|entry| (entry.command.as_slice(), entry.start_us)).collect();
        let expected: [(&[u8], _); 4] = [
            (b"select 1\nfrom t", Some(1_700_000_000_250_000)),
            (b"bare", None),
            (b"### 2023-99-14 22:13:20.250", None),
            (b"### note", None),
        ];
        assert_eq!((found, odd), (expected.to_vec(), 0));
    }
}
