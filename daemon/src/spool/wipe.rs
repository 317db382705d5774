//! Wiping what was taken: after a deletion no text may lie about in the files of shells that still run. Which command it was
//! is not asked, as its text is gone by then; whatever was taken and is in the store needs its text here no more.
//!
//! The records stay, with blanks for texts: read again after a crash, blanks are no command. What the shell appends
//! meanwhile is behind.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::OsStrExt,
};

use caro_core::step::{Space, Write};
use caro_schema::spool::{self, made};

use super::{Spool, history_line, reader::Spooled};

impl Spool {
    /// Wipes the texts of all that was taken, which must be in the store. Gives the rows that keep the places.
    pub fn wipe_taken(&mut self) -> Vec<Write> {
        let stems: Vec<OsString> = self.sessions.keys().cloned().collect();
        let mut rows = Vec::new();
        for stem in stems {
            match self.wipe_session(&stem) {
                Ok(true) => {
                    let row = self.tracked(&stem).session.encode();
                    rows.push(Write::Row(Space::Spool, stem.as_bytes().to_vec(), Some(row)));
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(kind = ?error.kind(), "a shell's file could not be wiped"),
            }
        }
        rows
    }

    /// Whether there was something to wipe.
    fn wipe_session(&mut self, stem: &OsStr) -> io::Result<bool> {
        let mut wiped = false;
        for path in self.files(stem) {
            let Some(spooled) = Spooled::open(&path)? else { continue };
            let session = &mut self.tracked(stem).session;
            let before = spooled.place(session)?;
            let data = spooled.before(before.offset)?;
            let ranges = texts(&data);
            if ranges.is_empty() {
                continue;
            }
            spooled.blank(&ranges)?;
            let after = spooled.marked_again(&before)?;
            if let Some(known) = session.files.iter_mut().find(|known| **known == before) {
                *known = after;
            }
            wiped = true;
        }
        Ok(wiped)
    }
}

/// Where in the data texts are that are no blanks.
fn texts(data: &[u8]) -> Vec<std::ops::Range<u64>> {
    let place = |value: &[u8]| {
        let from = (value.as_ptr() as usize - data.as_ptr() as usize) as u64;
        from..from + value.len() as u64
    };
    let mut ranges = Vec::new();
    for record in &spool::parse(data).records {
        let is_made = record.field(made::AUTHOR).is_some();
        for field in record.fields.iter().skip(1) {
            let text = match (record.kind(), field.tag) {
                (_, b'c' | b'd') => field.value,
                // What bash prints of its history. Number and time stay: by them the entries that follow are told to be new.
                (b'S', b'h') => history_line::plain(field.value).text,
                (b'S' | b'H', b'i') => history_line::timed(field.value).text,
                (_, tag) if is_made && b"petmw".contains(&tag) => field.value,
                _ => continue,
            };
            if text.iter().any(|byte| *byte != b' ') {
                ranges.push(place(text));
            }
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(data: &[u8]) -> Vec<&[u8]> {
        texts(data).into_iter().map(|range| &data[range.start as usize..range.end as usize]).collect()
    }

    #[test]
    fn texts_are_found_and_everything_else_stays() {
        let data = b"\0H1\0shome\0p12\0\0\0S17\0d/home\0cls -l\0\0\0E18\0x0\0\0";
        assert_eq!(found(data), [&b"/home"[..], b"ls -l"]);
        assert!(found(b"\0S17\0d     \0c     \0\0").is_empty(), "blanks are wiped already");
    }

    #[test]
    fn ds001_what_bash_prints_of_its_history_is_a_text() {
        let header = b"\0H1\0hdesk\0i    4  1700000000 cd private\n\0\0";
        let start = b"\0S17\0d/home\0fh\0h    5  ls -l\n\0\0\0S18\0d/\0i    6* 1700000001 make\n\0\0";
        let data = [&header[..], start].concat();
        assert_eq!(found(&data), [&b"cd private"[..], b"/home", b"ls -l", b"/", b"make"]);
        assert!(found(b"\0S17\0d \0h    5       \n\0\0").is_empty(), "blanks are wiped already");
    }
}
