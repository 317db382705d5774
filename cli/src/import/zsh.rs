//! zsh: one command a line, or `: <start>:<seconds>;command` with `EXTENDED_HISTORY`. A line that ends in a backslash
//! goes on in the next. Bytes that mean something to zsh itself are written as 0x83 and the byte with one bit changed.

use std::io::{self, BufRead};

use super::{COMMAND_BYTES_MAX, Entry, Format, Found, Lines, Odd, Why, number};

/// Reads zsh's history.
pub(super) struct Zsh;

/// Stands before a byte that was changed.
pub(crate) const META: u8 = 0x83;

/// The bit that was changed.
pub(crate) const CHANGED: u8 = 0x20;

impl<R: BufRead> Format<R> for Zsh {
    fn next(&mut self, lines: &mut Lines<R>) -> io::Result<Option<Found>> {
        loop {
            let text = match joined(lines)? {
                None => return Ok(None),
                Some(Err(odd)) => return Ok(Some(odd.into())),
                Some(Ok(text)) => text,
            };
            let entry = entry(unmetafied(text));
            if !entry.command.is_empty() {
                return Ok(Some(Found::Entry(entry)));
            }
        }
    }
}

/// A line with those that continue it; none at the end.
fn joined<R: BufRead>(lines: &mut Lines<R>) -> io::Result<Option<Result<Vec<u8>, Odd>>> {
    let mut text = Ok(Vec::new());
    let mut is_first = true;
    loop {
        let line = match lines.next()? {
            None if is_first => return Ok(None),
            // The file ends where a line should have followed.
            None => break,
            Some(line) if line.is_too_long => return Ok(Some(Err(line.odd(Why::TooLong)))),
            Some(line) => line,
        };
        let (part, goes_on) = match line.bytes.strip_suffix(b"\\") {
            Some(part) => (part, true),
            None => (without_guard(line.bytes), false),
        };
        if let Ok(whole) = &mut text {
            if whole.len() + part.len() >= COMMAND_BYTES_MAX {
                text = Err(line.odd(Why::TooLong));
            } else {
                if !is_first {
                    whole.push(b'\n');
                }
                whole.extend_from_slice(part);
            }
        }
        is_first = false;
        if !goes_on {
            break;
        }
    }
    Ok(Some(text))
}

/// zsh puts a blank behind a backslash that ends a command, so that the line does not go on.
fn without_guard(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| *byte != b' ').map_or(0, |at| at + 1);
    if end < line.len() && line[..end].ends_with(b"\\") { &line[..line.len() - 1] } else { line }
}

fn unmetafied(text: Vec<u8>) -> Vec<u8> {
    if memchr::memchr(META, &text).is_none() {
        return text;
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.into_iter();
    while let Some(byte) = bytes.next() {
        match byte {
            META => plain.push(bytes.next().map_or(META, |changed| changed ^ CHANGED)),
            other => plain.push(other),
        }
    }
    plain
}

fn entry(mut text: Vec<u8>) -> Entry {
    match extended(&text) {
        Some((start_s, duration_s, command)) => {
            text.drain(..command);
            Entry::plain(text, start_s, duration_s)
        }
        None => Entry::plain(text, None, None),
    }
}

/// Start, duration, and where the command begins. A number that is too large is none, but the line is one of these.
fn extended(text: &[u8]) -> Option<(Option<i64>, Option<u64>, usize)> {
    let rest = text.strip_prefix(b":")?.trim_ascii_start();
    let colon = rest.iter().position(|byte| *byte == b':')?;
    let semicolon = colon + rest[colon..].iter().position(|byte| *byte == b';')?;
    let (start, duration) = (&rest[..colon], &rest[colon + 1..semicolon]);
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if !digits(start) || !digits(duration) {
        return None;
    }
    let seconds = number(duration).map_or(u64::MAX, |seconds| seconds.unsigned_abs());
    Some((number(start), Some(seconds), text.len() - rest.len() + semicolon + 1))
}

#[cfg(test)]
mod tests {
    use crate::import::{Entry, Source, testing::read_all};

    fn check(file: &[u8], expected: &[(&[u8], Option<i64>, Option<u64>)]) {
        let expected: Vec<Entry> = expected
            .iter()
            .map(|(command, start_s, duration_s)| Entry::plain(command.to_vec(), *start_s, *duration_s))
            .collect();
        assert_eq!(read_all(Source::Zsh, file), (expected, 0), "{}", file.escape_ascii());
    }

    #[test]
    fn plain_and_extended_lines() {
        check(
            b"ls\n: 1700000000:5;cd /tmp;ls\n",
            &[(b"ls", None, None), (b"cd /tmp;ls", Some(1_700_000_000), Some(5))],
        );
        check(
            b":1700000000:0;a\n:  1700000000:0;b",
            &[(b"a", Some(1_700_000_000), Some(0)), (b"b", Some(1_700_000_000), Some(0))],
        );
    }

    #[test]
    fn what_only_looks_extended_is_a_command() {
        for line in [": ${x:=1}; ls", ": 12:x;ls", ": x:1;ls", ":;", ": 1:2", ":::"] {
            check(line.as_bytes(), &[(line.as_bytes(), None, None)]);
        }
    }

    #[test]
    fn a_number_that_is_too_large_is_none() {
        check(b": 99999999999999999999:99999999999999999999;ls\n", &[(b"ls", None, Some(u64::MAX))]);
    }

    #[test]
    fn a_backslash_at_the_end_goes_on() {
        check(
            b": 1700000000:0;for i\\\ndo\\\n\\\ndone\nls\n",
            &[(b"for i\ndo\n\ndone", Some(1_700_000_000), Some(0)), (b"ls", None, None)],
        );
        check(b"a\\\\\nb\n", &[(b"a\\\nb", None, None)]);
        check(b"ends here\\", &[(b"ends here", None, None)]);
    }

    #[test]
    fn a_guarded_backslash_does_not_go_on() {
        check(b"echo a\\ \nls\n", &[(b"echo a\\", None, None), (b"ls", None, None)]);
        check(b"echo a\\  \nls  \n", &[(b"echo a\\ ", None, None), (b"ls  ", None, None)]);
    }

    #[test]
    fn changed_bytes_are_changed_back() {
        check(b"echo \xe4\xbd\x83\x80\xe5\xa5\xbd\n", &["echo 你好".as_bytes()].map(|text| (text, None, None)));
        check(b"x\x83", &[(b"x\x83", None, None)]);
        check(b"\xff\n", &[(b"\xff", None, None)]);
    }
}
