//! PowerShell's `ConsoleHost_history.txt`: one command a line, a line that ends in a backtick goes on in the next. Lines
//! may end as Windows ends them, and the file may begin with a mark of its encoding. No times.

use std::io::{self, BufRead};

use super::{COMMAND_BYTES_MAX, Entry, Format, Found, Lines, Odd, Why};

/// Reads PowerShell's history.
pub(super) struct Powershell;

/// Says that a text is UTF-8, at the beginning of a file.
pub(crate) const MARK: &[u8] = b"\xef\xbb\xbf";

impl<R: BufRead> Format<R> for Powershell {
    fn next(&mut self, lines: &mut Lines<R>) -> io::Result<Option<Found>> {
        loop {
            match command(lines)? {
                Some(Ok(command)) if command.is_empty() => {}
                Some(Ok(command)) => return Ok(Some(Found::Entry(Entry::plain(command, None, None)))),
                Some(Err(odd)) => return Ok(Some(odd.into())),
                None => return Ok(None),
            }
        }
    }
}

fn command<R: BufRead>(lines: &mut Lines<R>) -> io::Result<Option<Result<Vec<u8>, Odd>>> {
    let mut command: Option<Vec<u8>> = None;
    loop {
        let Some(line) = lines.next()? else { return Ok(command.map(Ok)) };
        let held = command.as_ref().map_or(0, Vec::len);
        if line.is_too_long || held + line.bytes.len() >= COMMAND_BYTES_MAX {
            return Ok(Some(Err(line.odd(Why::TooLong))));
        }
        let mut bytes = line.bytes.strip_suffix(b"\r").unwrap_or(line.bytes);
        if line.number == 1 {
            bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
        }
        let whole = command.get_or_insert_default();
        let Some(part) = bytes.strip_suffix(b"`") else {
            whole.extend_from_slice(bytes);
            return Ok(command.map(Ok));
        };
        whole.extend_from_slice(part);
        whole.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use crate::import::{Source, testing::commands};

    #[test]
    fn a_backtick_goes_on() {
        let file = b"\xef\xbb\xbfGet-Item .\r\n\r\nif ($x) {`\r\n  1`\r\n}\r\necho a``\nb\nopen`";
        let expected: [&[u8]; 4] = [b"Get-Item .", b"if ($x) {\n  1\n}", b"echo a`\nb", b"open\n"];
        assert_eq!(commands(Source::Powershell, file), expected);
    }
}
