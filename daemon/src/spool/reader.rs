//! Reads what is new in one spool file: finds the place where reading stopped, parses from there, and says how far it
//! came. Memory is bounded by [`CHUNK_BYTES`], or by [`RECORD_BYTES_MAX`] for one very long command.
//!
//! Decides nothing about records (`translate.rs`) and keeps nothing: the place is in the session's row.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

use caro_schema::spool;
use rustix::fs::{Mode, OFlags};

use super::{
    process,
    session::{Session, Taken, short_hash},
    translate::{Change, Source, translate},
};

/// Bytes read at once. Less costs more transactions for a file that has waited long; more costs memory.
pub(super) const CHUNK_BYTES: usize = 1024 * 1024;

/// Bytes of one record. A longer one is passed over and counted: no message to a client could carry it.
pub(super) const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes before the place that must still be the same.
const MARK_BYTES: u64 = 64;

/// What one reading gave.
#[derive(Default)]
pub(super) struct Read {
    pub(super) changes: Vec<Change>,
    /// Bytes that were taken: by so many the place moved.
    pub(super) bytes: u64,
    /// Bytes that wait: the beginning of a record that is still being written, or more than one reading takes.
    pub(super) left: u64,
    /// A record above the limit was passed over.
    pub(super) passed_over: bool,
}

/// A spool file, opened and checked: a plain file of this user, not reached through a link.
pub(super) struct Spooled {
    file: File,
    path: PathBuf,
    pub(super) meta: Metadata,
}

impl Spooled {
    /// Opens a file of the spool folder, none when it is not there or not one that a hook made.
    ///
    /// # Errors
    /// When it is there and cannot be opened.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        // Not blocking: somebody may have put a pipe there.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let meta = file.metadata()?;
        let ours = meta.is_file() && meta.uid() == rustix::process::geteuid().as_raw();
        Ok(ours.then_some(Self { file, path: path.to_owned(), meta }))
    }

    /// When it was last written, in microseconds since 1970.
    pub(super) fn modified_us(&self) -> i64 {
        self.meta.mtime() * 1_000_000 + self.meta.mtime_nsec() / 1000
    }

    /// Whether nobody writes to it any more: its shell has not got it open, and it is as long as when it was opened here.
    /// In this order, for what was written and closed in between shows in the length.
    pub(super) fn is_left_by(&self, pid: u32) -> bool {
        let is_open = process::holds_open(pid, self.meta.dev(), self.meta.ino());
        !is_open && self.file.metadata().is_ok_and(|now| now.len() == self.meta.len())
    }

    /// How much of this file has been taken: the farthest place of the session whose bytes are still there.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn place(&self, session: &Session) -> io::Result<Taken> {
        let mut found = Taken::default();
        for taken in &session.files {
            if taken.offset > found.offset && taken.offset <= self.meta.len() && self.mark(taken.offset)? == taken.mark
            {
                found = taken.clone();
            }
        }
        Ok(found)
    }

    fn mark(&self, offset: u64) -> io::Result<u64> {
        let from = offset.saturating_sub(MARK_BYTES);
        Ok(short_hash(&self.bytes(from, (offset - from) as usize)?))
    }

    fn bytes(&self, from: u64, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        let mut filled = 0;
        while filled < count {
            match self.file.read_at(&mut bytes[filled..], from + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// Takes what is new. With `close_tail`, the beginning of a record at the end is taken as it is.
    ///
    /// # Errors
    /// When the file cannot be read. Nothing was taken.
    pub(super) fn take(&self, session: &mut Session, source: &Source<'_>, close_tail: bool) -> io::Result<Read> {
        let before = self.place(session)?;
        let unread = self.meta.len().saturating_sub(before.offset);
        if unread == 0 {
            return Ok(Read::default());
        }
        let mut size = CHUNK_BYTES;
        loop {
            let data = self.bytes(before.offset, size.min(usize::try_from(unread).unwrap_or(usize::MAX)))?;
            let all = data.len() as u64 >= unread;
            let (read, after) = take_from(&data, &before, session, source, all && close_tail);
            if after.consumed > 0 {
                return self.moved(read, before, after, session);
            }
            if all {
                return Ok(Read { left: unread, ..read });
            }
            if size >= RECORD_BYTES_MAX {
                let after = After { consumed: data.len(), inside_field: true };
                return self.moved(Read { passed_over: true, ..read }, before, after, session);
            }
            size *= 2;
        }
    }

    fn moved(&self, mut read: Read, before: Taken, after: After, session: &mut Session) -> io::Result<Read> {
        // Before the mark is taken, which goes over these bytes.
        if let Err(error) = self.wipe(&read.changes) {
            tracing::warn!(kind = ?error.kind(), "what is not recorded could not be wiped from a shell's file");
        }
        let offset = before.offset + after.consumed as u64;
        let taken = Taken { offset, mark: self.mark(offset)?, inside_field: after.inside_field };
        match session.files.iter_mut().find(|known| **known == before) {
            Some(known) => *known = taken,
            None => session.files.push(taken),
        }
        read.bytes = after.consumed as u64;
        read.left = self.meta.len().saturating_sub(offset);
        Ok(read)
    }

    /// Overwrites what is not recorded, so that it does not stay in the file until its shell ends. Only bytes that have
    /// been read: what the shell appends meanwhile is behind them.
    fn wipe(&self, changes: &[Change]) -> io::Result<()> {
        let withheld = changes.iter().filter_map(|change| match change {
            Change::Withheld { masked, wipe, .. } => Some((masked, wipe)),
            _ => None,
        });
        let mut wiped = None;
        for (masked, wipe) in withheld {
            let file = match &wiped {
                Some(file) => file,
                None => wiped.insert(self.writable()?),
            };
            // Read again after a crash, blanks are no command, and stars are no secret.
            let with = if *masked { b'*' } else { b' ' };
            for range in wipe {
                let length = usize::try_from(range.end - range.start).unwrap_or(0);
                file.write_all_at(&vec![with; length], range.start)?;
            }
        }
        match wiped {
            Some(file) => self.keep_time(&file),
            None => Ok(()),
        }
    }

    /// Everything before a place.
    pub(super) fn before(&self, offset: u64) -> io::Result<Vec<u8>> {
        self.bytes(0, usize::try_from(offset).unwrap_or(usize::MAX))
    }

    /// Puts blanks in the place of some bytes that were read.
    pub(super) fn blank(&self, ranges: &[std::ops::Range<u64>]) -> io::Result<()> {
        let file = self.writable()?;
        for range in ranges {
            let length = usize::try_from(range.end - range.start).unwrap_or(0);
            file.write_all_at(&vec![b' '; length], range.start)?;
        }
        self.keep_time(&file)
    }

    /// A place as it is known after bytes before it have changed.
    pub(super) fn marked_again(&self, place: &Taken) -> io::Result<Taken> {
        Ok(Taken { mark: self.mark(place.offset)?, ..place.clone() })
    }

    /// The same file, to be written to.
    fn writable(&self) -> io::Result<File> {
        let file = File::from(rustix::fs::open(
            &self.path,
            OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )?);
        let meta = file.metadata()?;
        let same = (meta.dev(), meta.ino()) == (self.meta.dev(), self.meta.ino());
        if same { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// Puts the file's time back to its last record's: some shells have no better clock.
    fn keep_time(&self, file: &File) -> io::Result<()> {
        let time = |seconds, nanoseconds| rustix::fs::Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
        let times = rustix::fs::Timestamps {
            last_access: time(self.meta.atime(), self.meta.atime_nsec()),
            last_modification: time(self.meta.mtime(), self.meta.mtime_nsec()),
        };
        Ok(rustix::fs::futimens(file, &times)?)
    }

    /// The time of the last start that counts from the system's own, in microseconds since then, and the length of
    /// that command: what the file's time is compared with when the system has been started again since.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn last_boot_time_us(&self) -> io::Result<Option<i64>> {
        const LOOK_BYTES: u64 = 65_536;
        let from = self.meta.len().saturating_sub(LOOK_BYTES);
        let data = self.bytes(from, LOOK_BYTES as usize)?;
        let mut last = None;
        for token in data.split(|byte| *byte == 0) {
            match token.split_first() {
                Some((b'b', value)) => last = super::translate::boot_seconds_us(value).or(last),
                Some((b'n', value)) => {
                    let ms: Option<i64> = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    last = last.map(|start_us| start_us.saturating_add(ms.unwrap_or(0).saturating_mul(1000)));
                }
                _ => {}
            }
        }
        Ok(last)
    }
}

/// How far parsing came.
struct After {
    consumed: usize,
    inside_field: bool,
}

fn take_from(
    data: &[u8],
    before: &Taken,
    session: &mut Session,
    source: &Source<'_>,
    close_tail: bool,
) -> (Read, After) {
    let skipped = if before.inside_field { data.iter().position(|byte| *byte == 0).unwrap_or(data.len()) } else { 0 };
    let data_after = &data[skipped..];
    let base = before.offset + skipped as u64;
    let parsed = spool::parse(data_after);
    let mut read = Read::default();
    for record in &parsed.records {
        translate(record, base + head_offset(data_after, record), session, source, &mut read.changes);
    }
    if !close_tail || parsed.consumed == data_after.len() {
        let inside_field = before.inside_field && skipped == data.len();
        // The NUL that opens a record is no progress: it would cost a transaction and tell nothing.
        let idle = !close_tail && skipped == 0 && data[..parsed.consumed].iter().all(|byte| *byte == 0);
        let consumed = if idle { 0 } else { skipped + parsed.consumed };
        return (read, After { consumed, inside_field });
    }
    // Nothing more will come, or nothing has for long: what is there of the last field counts too.
    let closed = [&data_after[parsed.consumed..], &[0]].concat();
    let base = base + parsed.consumed as u64;
    if let Some(tail) = &spool::parse(&closed).tail {
        translate(tail, base + head_offset(&closed, tail), session, source, &mut read.changes);
    }
    let inside_field = data.last().is_some_and(|byte| *byte != 0);
    (read, After { consumed: data.len(), inside_field })
}

/// Where in the data a record's first field is. Unlike the end of the record before, this does not depend on how the
/// file was cut for reading, so a record's id does not either.
fn head_offset(data: &[u8], record: &spool::Record<'_>) -> u64 {
    (record.head().as_ptr() as usize - data.as_ptr() as usize) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Moment, filter::Filter};
    use std::io::Write;

    fn take(path: &Path, session: &mut Session, close_tail: bool) -> Read {
        let spooled = Spooled::open(path).expect("it opens").expect("it is ours");
        let filter = Filter::default();
        let source = Source {
            filter: &filter,
            stem: b"s.1",
            moment: Moment { now_us: 1, boot_us: None },
            modified_us: 1,
            boot_us: None,
            host: "",
            user: "",
        };
        spooled.take(session, &source, close_tail).expect("it reads")
    }

    fn starts(read: &Read) -> Vec<(Vec<u8>, [u8; 16])> {
        let record = |change: &Change| match change {
            Change::Start(record) => Some((record.command.to_vec(), record.id.0)),
            _ => None,
        };
        read.changes.iter().filter_map(record).collect()
    }

    fn append(path: &Path, data: &[u8]) {
        let mut file = File::options().append(true).create(true).open(path).expect("the file opens");
        file.write_all(data).expect("it is written");
    }

    fn start(number: usize, text: &str) -> Vec<u8> {
        format!("\0S17000000000000{number:02}\0d/\0c{text}\0\0").into_bytes()
    }

    #[test]
    fn r002_cut_at_every_byte_gives_the_same_commands_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let data =
            [start(1, "one"), start(2, "two"), b"\0E1700000000000009\0x0\0\0".to_vec(), start(3, "three")].concat();
        let whole_path = folder.path().join("whole");
        append(&whole_path, &data);
        let whole = starts(&take(&whole_path, &mut Session::default(), false));
        assert_eq!(whole.len(), 3);
        for cut in 0..=data.len() {
            let path = folder.path().join(format!("cut{cut}"));
            let mut session = Session::default();
            append(&path, &data[..cut]);
            let mut found = starts(&take(&path, &mut session, false));
            // As after a crash: only the row is left.
            let mut session = Session::decode(&session.encode()).expect("it decodes");
            append(&path, &data[cut..]);
            found.extend(starts(&take(&path, &mut session, false)));
            assert_eq!(found, whole, "cut at {cut}");
            assert_eq!(take(&path, &mut session, false).bytes, 0, "cut at {cut}");
        }
    }

    /// Reads to the end of the file and closes what is open there.
    fn take_all(path: &Path, session: &mut Session) -> Vec<(Vec<u8>, [u8; 16])> {
        let mut found = Vec::new();
        loop {
            let read = take(path, session, true);
            if read.bytes == 0 {
                return found;
            }
            found.extend(starts(&read));
        }
    }

    /// Pieces from which a file may be made, whole records and rubbish alike.
    const PIECES: [&[u8]; 18] = [
        b"\0",
        b"\0\0",
        b"S17",
        b"S1700000000000000",
        b"\0S1700000001000000\0d/\0cls\0\0",
        b"E1700000000000009",
        b"x0",
        b"d/tmp",
        b"cls",
        b"h  501  ls\n",
        b"i  501  1700000000 ls\n",
        b"fe",
        b"b1e9",
        b"n-5",
        b"m9223372036854775807",
        b"X",
        b"H1\0p4294967296\0h",
        b"\xff\xfe",
    ];

    #[test]
    fn any_bytes_in_any_pieces_are_read_without_panic_to_the_end_and_the_same() {
        let pieces = proptest::collection::vec(0..PIECES.len(), 0..40);
        let cuts = proptest::collection::vec(0_usize..200, 0..4);
        proptest::proptest!(|(pieces in pieces, mut cuts in cuts)| {
            let folder = tempfile::tempdir().expect("a folder");
            let data: Vec<u8> = pieces.iter().flat_map(|piece| PIECES[*piece]).copied().collect();
            let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
            append(&whole, &data);
            let expected = take_all(&whole, &mut Session::default());
            let mut session = Session::default();
            let mut found = Vec::new();
            let mut from = 0;
            cuts.sort_unstable();
            for cut in cuts.into_iter().map(|cut| cut.min(data.len())) {
                append(&parts, &data[from..cut]);
                found.extend(starts(&take(&parts, &mut session, false)));
                from = cut;
            }
            append(&parts, &data[from..]);
            found.extend(take_all(&parts, &mut session));
            proptest::prop_assert_eq!(found, expected);
            proptest::prop_assert_eq!(session.files.first().map_or(0, |taken| taken.offset), data.len() as u64);
        });
    }

    #[test]
    fn a_file_made_anew_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        let mut session = Session::default();
        append(&path, &start(1, "one"));
        assert_eq!(starts(&take(&path, &mut session, false)).len(), 1);
        std::fs::remove_file(&path).expect("removed");
        append(&path, &[start(2, "two, longer than the first"), start(3, "three")].concat());
        let found: Vec<Vec<u8>> = starts(&take(&path, &mut session, false)).into_iter().map(|(text, _)| text).collect();
        assert_eq!(found, [b"two, longer than the first".to_vec(), b"three".to_vec()]);
    }

    #[test]
    fn a_torn_tail_waits_until_it_is_closed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        let mut session = Session::default();
        append(&path, b"\0S1700000000000001\0d/\0ccut of");
        let waiting = take(&path, &mut session, false);
        assert!(starts(&waiting).is_empty());
        assert!(waiting.left > 0);
        let closed = take(&path, &mut session, true);
        assert_eq!(starts(&closed)[0].0, b"cut of");
        // What comes after all is the rest of a field, and must not be taken for a retraction.
        append(&path, b"X\0fmore\0\0");
        append(&path, &start(2, "next"));
        let after = take(&path, &mut session, false);
        assert_eq!(starts(&after).into_iter().map(|(text, _)| text).collect::<Vec<_>>(), [b"next".to_vec()]);
    }

    #[test]
    fn a_command_of_a_megabyte_is_one_record_and_one_above_the_limit_is_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        let mut session = Session::default();
        append(&path, &start(1, &"x".repeat(3 * 1024 * 1024)));
        append(&path, &start(2, &"S".repeat(RECORD_BYTES_MAX + 5)));
        append(&path, &start(3, "after"));
        let (mut found, mut passed_over) = (Vec::new(), false);
        loop {
            let read = take(&path, &mut session, false);
            if read.bytes == 0 {
                break;
            }
            passed_over |= read.passed_over;
            found.extend(starts(&read).into_iter().map(|(text, _)| text.len()));
        }
        assert_eq!(found, [3 * 1024 * 1024, 5]);
        assert!(passed_over);
    }

    #[test]
    fn trap_18_links_pipes_and_folders_are_not_spool_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("target");
        append(&target, &start(1, "one"));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&target, &link).expect("a link");
        assert!(Spooled::open(&link).expect("no error").is_none());
        assert!(Spooled::open(folder.path()).expect("no error").is_none());
        assert!(Spooled::open(&folder.path().join("missing")).expect("no error").is_none());
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .expect("a pipe");
        assert!(Spooled::open(&pipe).expect("no error").is_none());
    }
}
