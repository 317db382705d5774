//! Reads what bash's `history 1` prints: a number, a mark for an edited entry, perhaps a time, and the line itself.
//!
//! Knows bash's output and nothing of sessions. Keeps the line byte for byte: only what bash adds is taken away.

/// One entry of bash's own history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// The entry's number, none when the output is not as bash prints it.
    pub(super) number: Option<u64>,
    /// When the line was read, in seconds since 1970.
    pub(super) time_s: Option<i64>,
    /// The line.
    pub(super) text: &'a [u8],
}

/// Reads the output of `history 1`: `%5d`, `*` or a blank, a blank, the line, a newline.
pub(super) fn plain(raw: &[u8]) -> Entry<'_> {
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    let trimmed = raw.trim_ascii_start();
    let digits = trimmed.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = std::str::from_utf8(&trimmed[..digits]).ok().and_then(|text| text.parse().ok());
    match (number, &trimmed[digits..]) {
        (Some(number), [b' ' | b'*', b' ', text @ ..]) => Entry { number: Some(number), time_s: None, text },
        // Not what bash prints. Keeping too much is better than losing a line.
        _ => Entry { number: None, time_s: None, text: raw },
    }
}

/// Reads the same, printed with `HISTTIMEFORMAT='%s '`. An entry without a time has `??` in its place.
pub(super) fn timed(raw: &[u8]) -> Entry<'_> {
    let entry = plain(raw);
    if entry.number.is_none() {
        return entry;
    }
    if let Some(text) = entry.text.strip_prefix(b"??") {
        return Entry { text, ..entry };
    }
    let digits = entry.text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let time_s = std::str::from_utf8(&entry.text[..digits]).ok().and_then(|text| text.parse().ok());
    match (time_s, &entry.text[digits..]) {
        (Some(time_s), [b' ', text @ ..]) => Entry { time_s: Some(time_s), text, ..entry },
        _ => entry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(read: fn(&[u8]) -> Entry<'_>, raw: &[u8], number: Option<u64>, time_s: Option<i64>, text: &[u8]) {
        assert_eq!(read(raw), Entry { number, time_s, text }, "{:?}", raw.escape_ascii().to_string());
    }

    #[test]
    fn what_bash_adds_is_taken_away_and_nothing_else() {
        check(plain, b"    1  ls -l\n", Some(1), None, b"ls -l");
        check(plain, b"12345  ls\n", Some(12345), None, b"ls");
        check(plain, b"1234567  ls\n", Some(1_234_567), None, b"ls");
        check(plain, b"  501* echo edited\n", Some(501), None, b"echo edited");
        check(plain, b"  501   leading blank kept\n", Some(501), None, b" leading blank kept");
        check(plain, b"  501  trailing \n", Some(501), None, b"trailing ");
        check(plain, b"  501  for i in 1 2\ndo\n  echo\ndone\n", Some(501), None, b"for i in 1 2\ndo\n  echo\ndone");
        check(plain, b"  501  ends in a newline\n\n", Some(501), None, b"ends in a newline\n");
        check(plain, b"    7  \xff\xfe\n", Some(7), None, b"\xff\xfe");
        check(plain, b"    7  42 is a number\n", Some(7), None, b"42 is a number");
    }

    #[test]
    fn the_time_is_read_where_it_was_asked_for() {
        check(timed, b"  501  1700000000 ls\n", Some(501), Some(1_700_000_000), b"ls");
        check(timed, b"  501* 1700000000 ls\n", Some(501), Some(1_700_000_000), b"ls");
        check(timed, b"  501  ??ls\n", Some(501), None, b"ls");
        check(timed, b"  501  1700000000 42 ls\n", Some(501), Some(1_700_000_000), b"42 ls");
    }

    #[test]
    fn what_is_not_bash_output_is_kept_whole() {
        check(plain, b"ls", None, None, b"ls");
        check(plain, b"", None, None, b"");
        check(timed, b"  x\n", None, None, b"  x");
        check(timed, b"  12\n", None, None, b"  12");
    }
}
