//! The shells' own files, as each shell writes them. How they are read is in the importers of the same names.

use caro_schema::body::history::Record;

use super::Cannot;
use crate::import::{
    bash::stamp,
    nu::NEWLINE,
    powershell::MARK,
    zsh::{CHANGED, META},
};

const SECOND_US: i64 = 1_000_000;

/// The start in seconds, where a file can say it.
fn seconds(record: &Record) -> i64 {
    record.start_us.div_euclid(SECOND_US).max(0)
}

fn lines(command: &[u8]) -> impl Iterator<Item = &[u8]> {
    command.split(|byte| *byte == b'\n')
}

/// `#<seconds>`, then the command's lines. Read so where the file begins with such a line, which this one does.
pub(super) fn bash(record: &Record, bytes: &mut Vec<u8>) -> Result<(), Cannot> {
    let command = &record.command[..];
    if command.contains(&0) {
        return Err(Cannot::Nul);
    }
    if command.starts_with(b"\n") || command.ends_with(b"\n") {
        return Err(Cannot::EmptyEnds);
    }
    if lines(command).any(|line| stamp(line).is_some()) {
        return Err(Cannot::Stamp);
    }
    bytes.extend_from_slice(format!("#{}\n", seconds(record)).as_bytes());
    bytes.extend_from_slice(command);
    bytes.push(b'\n');
    Ok(())
}

/// `: <start>:<seconds>;command`, with a backslash before each new line, and the bytes changed that mean something to zsh.
pub(super) fn zsh(record: &Record, bytes: &mut Vec<u8>) {
    let took = record.duration_us.unwrap_or_default() / SECOND_US.unsigned_abs();
    bytes.extend_from_slice(format!(": {}:{took};", seconds(record)).as_bytes());
    for byte in record.command.iter().copied() {
        match byte {
            b'\n' => bytes.extend_from_slice(b"\\\n"),
            0 | META..=0xa2 => bytes.extend_from_slice(&[META, byte ^ CHANGED]),
            other => bytes.push(other),
        }
    }
    let end = record.command.iter().rposition(|byte| *byte != b' ').map_or(0, |at| at + 1);
    // A blank behind a backslash, so that the line does not go on.
    if record.command[..end].ends_with(b"\\") {
        bytes.push(b' ');
    }
    bytes.push(b'\n');
}

/// `- cmd: text` with `\\` and `\n`, then `  when: seconds`.
pub(super) fn fish(record: &Record, bytes: &mut Vec<u8>) -> Result<(), Cannot> {
    if record.command.contains(&0) {
        return Err(Cannot::Nul);
    }
    bytes.extend_from_slice(b"- cmd: ");
    for byte in record.command.iter().copied() {
        match byte {
            b'\n' => bytes.extend_from_slice(b"\\n"),
            b'\\' => bytes.extend_from_slice(b"\\\\"),
            other => bytes.push(other),
        }
    }
    bytes.extend_from_slice(format!("\n  when: {}\n", seconds(record)).as_bytes());
    Ok(())
}

/// A line, with `<\n>` for a new line.
pub(super) fn nu(record: &Record, bytes: &mut Vec<u8>) -> Result<(), Cannot> {
    let text = std::str::from_utf8(&record.command).map_err(|_| Cannot::NotText)?;
    if memchr::memmem::find(text.as_bytes(), NEWLINE).is_some() {
        return Err(Cannot::NewlineMark);
    }
    if text.ends_with('\r') {
        return Err(Cannot::CarriageReturn);
    }
    for (at, line) in lines(text.as_bytes()).enumerate() {
        bytes.extend_from_slice(if at > 0 { NEWLINE } else { b"" });
        bytes.extend_from_slice(line);
    }
    bytes.push(b'\n');
    Ok(())
}

/// A line, with a backtick before each new line.
pub(super) fn powershell(record: &Record, bytes: &mut Vec<u8>) -> Result<(), Cannot> {
    let text = std::str::from_utf8(&record.command).map_err(|_| Cannot::NotText)?;
    if text.ends_with('`') || text.as_bytes().starts_with(MARK) {
        return Err(Cannot::GoesOn);
    }
    if lines(text.as_bytes()).any(|line| line.ends_with(b"\r")) {
        return Err(Cannot::CarriageReturn);
    }
    for (at, line) in lines(text.as_bytes()).enumerate() {
        bytes.extend_from_slice(if at > 0 { b"`\n" } else { b"" });
        bytes.extend_from_slice(line);
    }
    bytes.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    fn check(
        write: impl Fn(&Record, &mut Vec<u8>) -> Result<(), Cannot>,
        command: &str,
        expected: Result<&str, Cannot>,
    ) {
        let mut bytes = b"before".to_vec();
        let written = write(&record(command), &mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(written.map(|()| text.strip_prefix("before").unwrap_or_default()), expected, "{command:?}");
        if expected.is_err() {
            assert_eq!(bytes, b"before", "{command:?}");
        }
    }

    #[test]
    fn each_file_is_as_its_shell_writes_it() {
        check(bash, "a\nb", Ok("#1700000000\na\nb\n"));
        check(bash, "a\n#12", Err(Cannot::Stamp));
        check(bash, "a\n", Err(Cannot::EmptyEnds));
        check(bash, "a\0", Err(Cannot::Nul));
        check(fish, "a\\n\nb", Ok("- cmd: a\\\\n\\nb\n  when: 1700000000\n"));
        check(fish, "\0", Err(Cannot::Nul));
        check(nu, "a\nb\n", Ok("a<\\n>b<\\n>\n"));
        check(nu, "<\\n>", Err(Cannot::NewlineMark));
        check(nu, "a\r", Err(Cannot::CarriageReturn));
        check(powershell, "a`\n\nb", Ok("a``\n`\nb\n"));
        check(powershell, "a`", Err(Cannot::GoesOn));
        check(powershell, "a\r\nb", Err(Cannot::CarriageReturn));
        let zsh = |record: &Record, bytes: &mut Vec<u8>| {
            zsh(record, bytes);
            Ok(())
        };
        check(zsh, "a\\\nb\\ ", Ok(": 1700000000:0;a\\\\\nb\\  \n"));
        check(zsh, "a\0", Ok(": 1700000000:0;a\u{fffd} \n"));
    }
}
