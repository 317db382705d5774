//! The grammar of the spool files that shell hooks write and the daemon takes in.
//!
//! NUL cannot occur in a shell variable, so it separates without escaping. A file is records; a record is NUL, fields,
//! NUL; a field is one tag letter, a value, NUL. The first field's tag is a capital and opens the record; a capital met
//! inside an open record means that the one before was torn. Unknown tags are kept out of the way.

/// One field: its tag and its value, which is any bytes but NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The letter.
    pub tag: u8,
    /// The bytes after it.
    pub value: &'a [u8],
}

/// One record: fields, of which the first has a capital tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The fields in order.
    pub fields: Vec<Field<'a>>,
    /// Whether the closing NUL was there. A torn record was cut short by the end of its shell or disk.
    pub whole: bool,
    /// Where in the input the record ends: what is before it need not be read again once this record is safe.
    pub end: usize,
}

impl<'a> Record<'a> {
    /// The opening tag.
    pub fn kind(&self) -> u8 {
        self.fields[0].tag
    }

    /// The opening field's value.
    pub fn head(&self) -> &'a [u8] {
        self.fields[0].value
    }

    /// The value of the first field with this tag.
    pub fn field(&self, tag: u8) -> Option<&'a [u8]> {
        self.fields[1..].iter().find(|field| field.tag == tag).map(|field| field.value)
    }
}

/// What a piece of a spool file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// The closed and the torn records.
    pub records: Vec<Record<'a>>,
    /// Bytes that need not be read again. What follows is the beginning of a record that is still being written.
    pub consumed: usize,
    /// That beginning, when it holds at least one whole field: the record to take if nothing more comes.
    pub tail: Option<Record<'a>>,
}

/// Reads records from a piece of a spool file that starts between records.
pub fn parse(data: &[u8]) -> Parsed<'_> {
    let mut records: Vec<Record<'_>> = Vec::new();
    let mut open: Vec<Field<'_>> = Vec::new();
    let mut open_at = 0;
    let mut consumed = 0;
    let mut at = 0;
    while let Some(length) = data[at..].iter().position(|byte| *byte == 0) {
        let token = &data[at..at + length];
        let start = at;
        at += length + 1;
        match token.split_first() {
            None => {
                if !open.is_empty() {
                    records.push(Record { fields: std::mem::take(&mut open), whole: true, end: at });
                    consumed = at;
                }
            }
            Some((tag, value)) if tag.is_ascii_uppercase() => {
                if !open.is_empty() {
                    records.push(Record { fields: std::mem::take(&mut open), whole: false, end: start });
                    consumed = start;
                }
                open_at = start;
                open.push(Field { tag: *tag, value });
            }
            Some((tag, value)) if !open.is_empty() => open.push(Field { tag: *tag, value }),
            // A field outside any record: what a torn write left behind.
            Some(_) => consumed = at,
        }
    }
    if open.is_empty() {
        // Single NULs between records carry nothing, but the last one may open the next record: keep at most that one.
        let quiet = data[consumed..].iter().take_while(|byte| **byte == 0).count();
        consumed += quiet;
    } else {
        consumed = consumed.max(open_at);
    }
    let tail = (!open.is_empty()).then_some(Record { fields: open, whole: false, end: at });
    Parsed { records, consumed, tail }
}

/// The fields of a start that no shell writes: what an assistant says of its command, and which command it is.
pub mod made {
    /// The record's id, 32 hexadecimal digits. In an end: which command has ended.
    pub const ID: u8 = b'u';
    /// The session, where it is not the file's.
    pub const SESSION: u8 = b's';
    /// The session of the shell in which the assistant runs: what is paused there is paused here.
    pub const OUTER: u8 = b'o';
    /// The shell.
    pub const SHELL: u8 = b'k';
    /// Which assistant. With this field the command is an assistant's.
    pub const AUTHOR: u8 = b'w';
    /// What it was asked.
    pub const PROMPT: u8 = b'p';
    /// What it said the command does.
    pub const EXPLANATION: u8 = b'e';
    /// Which model.
    pub const MODEL: u8 = b'm';
    /// The safety level.
    pub const SAFETY: u8 = b'l';
    /// By which rule of caro's it has that level; empty for none of them.
    pub const RULE: u8 = b'r';
    /// A tag; there may be several.
    pub const TAG: u8 = b't';
}

/// Appends one record, for a program that writes records as a shell does. A NUL in a value becomes U+FFFD, since it would
/// end the field.
pub fn append(to: &mut Vec<u8>, fields: &[(u8, &[u8])]) {
    to.push(0);
    for (tag, value) in fields {
        to.push(*tag);
        for (index, part) in value.split(|byte| *byte == 0).enumerate() {
            if index > 0 {
                to.extend_from_slice("\u{fffd}".as_bytes());
            }
            to.extend_from_slice(part);
        }
        to.push(0);
    }
    to.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] = b"\0S17\0d/tmp\0cls -l\0\0\0E18\0x0\0\0";

    #[test]
    fn two_records() {
        let parsed = parse(TWO);
        assert_eq!(parsed.consumed, TWO.len());
        assert_eq!(parsed.records.len(), 2);
        assert_eq!(parsed.records[0].kind(), b'S');
        assert_eq!(parsed.records[0].head(), b"17");
        assert_eq!(parsed.records[0].field(b'c'), Some(&b"ls -l"[..]));
        assert!(parsed.records.iter().all(|record| record.whole));
        assert_eq!(parsed.tail, None);
    }

    #[test]
    fn r002_cut_anywhere_and_continued_gives_the_same_records() {
        let whole = parse(TWO).records.len();
        for cut in 0..=TWO.len() {
            let first = parse(&TWO[..cut]);
            let rest = parse(&TWO[first.consumed..]);
            assert_eq!(first.records.len() + rest.records.len(), whole, "cut at {cut}");
            assert!(rest.records.iter().all(|record| record.whole), "cut at {cut}");
        }
    }

    #[test]
    fn a_torn_record_is_kept_and_said_to_be_torn() {
        let parsed = parse(b"\0S17\0d/tmp\0\0\0S18\0d/ho\0S19\0cx\0\0");
        let torn: Vec<bool> = parsed.records.iter().map(|record| !record.whole).collect();
        assert_eq!(torn, [false, true, false]);
    }

    #[test]
    fn unknown_tags_and_garbage_are_kept_out_of_the_way() {
        let parsed = parse(b"junk\0x1\0\0S17\0zfuture\0cx\0\0");
        assert_eq!(parsed.records.len(), 1);
        assert_eq!(parsed.records[0].field(b'c'), Some(&b"x"[..]));
        let open = parse(b"\0S17\0cunfinis");
        assert_eq!(open.records.len(), 0);
        assert_eq!(open.tail.as_ref().map(Record::kind), Some(b'S'));
        assert_eq!(open.consumed, 1);
    }

    #[test]
    fn what_is_appended_is_read_again() {
        let mut data = Vec::new();
        append(&mut data, &[(b'S', b"17"), (made::AUTHOR, b"a"), (b'c', b"l\0s"), (made::TAG, b"")]);
        append(&mut data, &[(b'E', b"18")]);
        let parsed = parse(&data);
        assert_eq!((parsed.records.len(), parsed.consumed), (2, data.len()));
        assert_eq!(parsed.records[0].field(b'c'), Some("l\u{fffd}s".as_bytes()));
        assert_eq!(parsed.records[0].field(made::TAG), Some(&b""[..]));
    }

    #[test]
    fn any_bytes_are_read_without_panic_and_with_progress() {
        proptest::proptest!(|(data: Vec<u8>)| {
            let parsed = parse(&data);
            proptest::prop_assert!(parsed.consumed <= data.len());
        });
    }
}
