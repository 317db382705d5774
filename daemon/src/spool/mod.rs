//! The spool: plain files in which shells leave what they ran, until it is in the database.
//!
//! [`Spool`] knows every session and how far each file has been taken. It reads, and says what changed and which row
//! keeps the place; whoever asked commits both in one transaction, and only then may anything be swept away. Noticing
//! that there is something to read is `watch.rs`.

mod history_line;
mod made;
mod process;
mod reader;
mod session;
mod sweep;
mod translate;
pub mod watch;
mod wipe;

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use caro_core::step::{Space, Write};

pub use self::translate::{Change, End};
use self::{process::Seen, reader::Spooled, session::Session, translate::Source};
use crate::{clock::Moment, filter::Filter};

/// All sessions that have a file or a row.
pub struct Spool {
    folder: PathBuf,
    host: String,
    user: String,
    sessions: BTreeMap<OsString, Tracked>,
    counts: Counts,
}

/// What a doctor may want to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files of shells.
    pub files: u64,
    /// Bytes that have not been taken.
    pub unread_bytes: u64,
    /// Things in the folder that no hook makes.
    pub strangers: u64,
    /// Records above the limit that were passed over since the daemon started.
    pub passed_over: u64,
}

/// What one reading gave: to be committed together.
pub struct Piece {
    /// What happened, in order.
    pub changes: Vec<Change>,
    /// The row that keeps the place.
    pub row: Write,
    /// How many bytes were taken.
    pub bytes: u64,
}

/// A session and what is remembered of its files while the daemon runs.
struct Tracked {
    session: Session,
    /// The bytes of an unfinished record at the end, and since when there have been so many.
    tail: Option<(u64, i64)>,
    /// When its shell was last seen to run, in microseconds since 1970; zero when it was not.
    alive_us: i64,
}

/// What the daemon adds to the name of a file that it moves out of the shell's way.
const ASIDE: &[u8] = b".old";

/// How long the beginning of a record may stay without growing while its shell lives. A shell that is stopped in the
/// middle of writing must not find its command cut; a full disk cuts one, which the shell's next record closes anyway.
const TAIL_WAITS_US: i64 = 600 * 1_000_000;

/// How much later than the file's own time the system may have started and still be the one that the shell ran on.
const BOOT_SLACK_US: i64 = 2_000_000;

impl Spool {
    /// Remembers what the rows of [`Space::Spool`] say.
    pub fn new(folder: PathBuf, host: String, user: String, rows: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        let sessions = rows
            .into_iter()
            .filter_map(|(key, row)| Some((OsString::from_vec(key), Tracked::new(Session::decode(&row)?))))
            .collect();
        Self { folder, host, user, sessions, counts: Counts::default() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a session has a file, or had one at the last sweep.
    pub fn knows(&self, session: &str) -> bool {
        self.sessions.values().any(|tracked| tracked.session.header.session == session)
    }

    /// Shells that record: those that have a file, and those whose file was taken in and cleared away while they live.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// How it was at the last [`Self::scan`].
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Looks through the folder. Gives the sessions that have something to read.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn scan(&mut self) -> io::Result<Vec<OsString>> {
        let mut counts = Counts { passed_over: self.counts.passed_over, ..Counts::default() };
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            // A name with a dot in front is ours: a message to a running daemon.
            if name.as_bytes().starts_with(b".") {
                continue;
            }
            let stem = stem(&name);
            let spooled = split(stem).and(Spooled::open(&self.folder.join(&name)).ok().flatten());
            let Some(spooled) = spooled else {
                counts.strangers += 1;
                continue;
            };
            counts.files += 1;
            let tracked = self.tracked(stem);
            let unread = spooled.meta.len() - spooled.place(&tracked.session)?.offset;
            counts.unread_bytes += unread;
            if unread > 0 && !found.iter().any(|known| known == stem) {
                found.push(stem.to_owned());
            }
        }
        self.counts = counts;
        Ok(found)
    }

    /// The session that a file of the folder belongs to, none when no hook makes such a name.
    pub fn session_of(name: &OsStr) -> Option<OsString> {
        let stem = stem(name);
        split(stem).map(|_| stem.to_owned())
    }

    /// Reads what is new in a session's files, the older file first. None when there is nothing to take.
    ///
    /// # Errors
    /// When a file cannot be read. Nothing was taken.
    pub fn read(&mut self, stem: &OsStr, filter: &Filter, moment: Moment) -> io::Result<Option<Piece>> {
        let (host, user) = (self.host.clone(), self.user.clone());
        let files: Vec<Spooled> = self
            .files(stem)
            .into_iter()
            .filter_map(|path| Spooled::open(&path).transpose())
            .collect::<io::Result<_>>()?;
        let mut passed_over = 0;
        let mut piece = None;
        let tracked = self.tracked(stem);
        tracked.note_process(moment, &files);
        for spooled in &files {
            let source = Source {
                filter,
                stem: stem.as_bytes(),
                moment,
                modified_us: spooled.modified_us(),
                boot_us: boot_of(spooled, moment)?,
                host: &host,
                user: &user,
            };
            let close_tail = tracked.tail_is_final(moment, &host, &files);
            let read = spooled.take(&mut tracked.session, &source, close_tail)?;
            passed_over += u64::from(read.passed_over);
            if read.bytes > 0 {
                tracked.tail = None;
                let row = Write::Row(Space::Spool, stem.as_bytes().to_vec(), Some(tracked.session.encode()));
                piece = Some(Piece { changes: read.changes, row, bytes: read.bytes });
                break;
            }
            if read.left > 0 {
                tracked.note_tail(read.left, moment);
                // The newer file is not read past an unfinished record of the older one.
                break;
            }
        }
        self.counts.passed_over += passed_over;
        Ok(piece)
    }

    /// Forgets what was read of a session and not committed: it is as its row says, and will be read again.
    pub fn put_back(&mut self, stem: &OsStr, row: Option<&[u8]>) {
        self.sessions.remove(stem);
        if let Some(session) = row.and_then(Session::decode) {
            self.sessions.insert(stem.to_owned(), Tracked::new(session));
        }
    }

    fn tracked(&mut self, stem: &OsStr) -> &mut Tracked {
        self.sessions.entry(stem.to_owned()).or_insert_with(|| {
            let (session, pid) = split(stem).unwrap_or_default();
            Tracked::new(Session::named(session, pid))
        })
    }

    /// The files of a session, the one that was moved aside first.
    fn files(&self, stem: &OsStr) -> [PathBuf; 2] {
        [self.folder.join(aside(stem)), self.folder.join(stem)]
    }
}

impl Tracked {
    fn new(session: Session) -> Self {
        Self { session, tail: None, alive_us: 0 }
    }

    /// Remembers which process the shell is, as long as that can be told.
    fn note_process<'a>(&mut self, moment: Moment, files: impl IntoIterator<Item = &'a Spooled>) {
        let session = &mut self.session;
        if session.started_ticks > 0 || session.header.pid == 0 {
            return;
        }
        if let Seen::Runs(ticks) = process::look(session.header.pid) {
            let written_us = files.into_iter().map(Spooled::modified_us).max().unwrap_or(0);
            let started_us = moment.boot_us.map(|boot| boot + ticks as i64 * (1_000_000 / process::TICKS_PER_SECOND));
            // A process that started after the last record was written is another one with the same number.
            if started_us.is_none_or(|started| started <= written_us + BOOT_SLACK_US) {
                session.started_ticks = ticks;
            }
        }
    }

    fn note_tail(&mut self, left: u64, moment: Moment) {
        if self.tail.is_none_or(|(known, _)| known != left) {
            self.tail = Some((left, moment.now_us));
        }
    }

    /// Whether an unfinished record at the end will never be finished.
    fn tail_is_final(&self, moment: Moment, own_host: &str, files: &[Spooled]) -> bool {
        let Some((_, since_us)) = self.tail else { return false };
        moment.now_us - since_us > TAIL_WAITS_US || self.shell_is_gone(moment, own_host, files)
    }
}

/// The wall clock at the start of the system that the file's shell ran on. After a restart it is reckoned back from
/// the file's own time, which is that of its last record.
fn boot_of(spooled: &Spooled, moment: Moment) -> io::Result<Option<i64>> {
    let Some(boot_us) = moment.boot_us else { return Ok(None) };
    if spooled.modified_us() + BOOT_SLACK_US >= boot_us {
        return Ok(Some(boot_us));
    }
    Ok(spooled.last_boot_time_us()?.map(|last_us| spooled.modified_us() - last_us))
}

/// The name without what the daemon adds.
fn stem(name: &OsStr) -> &OsStr {
    OsStr::from_bytes(name.as_bytes().strip_suffix(ASIDE).unwrap_or(name.as_bytes()))
}

fn aside(stem: &OsStr) -> OsString {
    OsString::from_vec([stem.as_bytes(), ASIDE].concat())
}

/// Session and process number out of `<session>.<pid>`.
fn split(stem: &OsStr) -> Option<(String, u32)> {
    let text = stem.to_str()?;
    let (session, pid) = text.rsplit_once('.')?;
    let pid = pid.parse().ok().filter(|pid| *pid > 0)?;
    (!session.is_empty()).then(|| (session.to_owned(), pid))
}

#[cfg(test)]
mod tests;
