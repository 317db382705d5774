//! Reads the history that shells and other tools have kept, one command at a time, never a file at once. Knows formats and
//! nothing of the daemon: what is read goes to `commands/import`.
//!
//! Any bytes are read without a panic; what makes no sense is passed over and named ([`Odd`]), and text is kept byte for
//! byte. A record's id comes from its content ([`identity`]), so that reading a file twice, or on two machines, adds
//! nothing. Which files there are is in [`source`], text formats have a file each, databases are in [`database`].

pub(crate) mod bash;
mod binary;
mod csv;
mod database;
mod fish;
pub(crate) mod identity;
mod json;
mod lines;
pub(crate) mod nu;
mod own;
pub(crate) mod powershell;
mod readline;
mod replxx;
mod resh;
pub(crate) mod source;
pub(crate) mod times;
mod xonsh;
pub(crate) mod zsh;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use caro_schema::{
    body::history::{Assistant, Record},
    id::RecordId,
};

use self::lines::Lines;
pub(crate) use self::source::Source;
use crate::{
    error::{Failure, Outcome},
    exit,
};

/// Bytes of one command. A larger one is no command, and would not fit into a message to the daemon with others.
pub(crate) const COMMAND_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One command of a file.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Entry {
    /// The text.
    pub(crate) command: Vec<u8>,
    /// When it started, in microseconds since 1970, where the file says so.
    pub(crate) start_us: Option<i64>,
    /// How long it took, in microseconds, where the file says so.
    pub(crate) duration_us: Option<u64>,
    /// How it ended, where the file says so.
    pub(crate) exit: Option<i32>,
    /// What only tools know that keep more than a shell does.
    pub(crate) about: Option<Box<About>>,
}

/// Where and by whom a command was run. Empty is not known.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct About {
    /// The tool's own id of the run, if it has one.
    pub(crate) key: Vec<u8>,
    /// The directory it started in.
    pub(crate) directory: Vec<u8>,
    /// Host name.
    pub(crate) host: String,
    /// User name.
    pub(crate) user: String,
    /// Which shell.
    pub(crate) shell: String,
    /// Which run of a shell, as the tool names it.
    pub(crate) session: String,
    /// What an assistant said of it.
    pub(crate) assistant: Option<Box<Assistant>>,
}

impl Entry {
    /// A command as a shell keeps it, with times in seconds.
    fn plain(command: Vec<u8>, start_s: Option<i64>, duration_s: Option<u64>) -> Self {
        Self {
            command,
            start_us: start_s.map(|seconds| seconds.saturating_mul(1_000_000)),
            duration_us: duration_s.map(|seconds| seconds.saturating_mul(1_000_000)),
            exit: None,
            about: None,
        }
    }
}

/// Something found in a file.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum Found {
    /// A command.
    Entry(Entry),
    /// A record that caro exported, with its own id.
    Record(Box<Record>),
    /// What makes no sense here.
    Odd(Odd),
}

impl From<Odd> for Found {
    fn from(odd: Odd) -> Self {
        Self::Odd(odd)
    }
}

/// A line or a row that was passed over.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Odd {
    /// Which line, or row, counted from 1.
    pub(crate) at: u64,
    /// Why.
    pub(crate) why: Why,
    /// How it begins: enough to find it, and no more, because it may be private.
    pub(crate) begins: Vec<u8>,
}

/// Bytes of a line that are told when it was passed over.
const BEGINS_BYTES: usize = 24;

impl Odd {
    fn new(at: u64, why: Why, bytes: &[u8]) -> Self {
        Self { at, why, begins: bytes[..bytes.len().min(BEGINS_BYTES)].to_vec() }
    }
}

/// Why something was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Longer than a command may be.
    TooLong,
    /// Belongs to no command.
    NoCommand,
    /// Not JSON, or not JSON of this kind.
    NotJson,
    /// Not as many fields as the header has, or a quote without its end.
    NotCsv,
    /// A field that has to be there is not, or is of another kind.
    Field,
    /// The database is damaged from here on.
    Damaged,
}

impl Why {
    /// In words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::TooLong => "longer than a command may be",
            Self::NoCommand => "belongs to no command",
            Self::NotJson => "not the JSON that belongs here",
            Self::NotCsv => "not a row of the table",
            Self::Field => "a field is missing or of another kind",
            Self::Damaged => "the file is damaged from here on",
        }
    }
}

/// Takes what is found. A failure ends the reading.
pub(crate) type Taker<'a> = &'a mut dyn FnMut(Found) -> Outcome;

/// Reads one text format, line by line.
trait Format<R: BufRead> {
    /// The next thing in the file; none at its end.
    fn next(&mut self, lines: &mut Lines<R>) -> io::Result<Option<Found>>;
}

/// A history file as it was when it was opened: what is written meanwhile waits for the next import.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    /// What wrote it.
    pub(crate) source: Source,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// When it was written last, in microseconds since 1970.
    pub(crate) written_us: i64,
    bytes: u64,
    begins: Vec<u8>,
}

/// What a database begins with.
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";

/// Bytes that are read at once.
const READ_BYTES: usize = 256 * 1024;

impl Input {
    /// Looks at a file. A folder, a pipe or a device is refused: it is read twice.
    pub(crate) fn open(source: Source, path: &Path) -> Outcome<Self> {
        let at = |error: &io::Error| Failure::at(path, error);
        let meta =
            std::fs::metadata(path).map_err(|error| at(&error).hint("name the file: caro import SOURCE FILE"))?;
        if !meta.is_file() {
            let hint = if meta.is_dir() {
                "name the history file in it; caro import auto finds the usual ones"
            } else {
                "it is read twice; put it into a file first"
            };
            return Err(Failure::new(exit::NO_INPUT, format!("{} is not a file", path.display())).hint(hint));
        }
        let mut begins = Vec::new();
        let file = File::open(path).map_err(|error| at(&error))?;
        file.take(SQLITE_MAGIC.len() as u64).read_to_end(&mut begins).map_err(|error| at(&error))?;
        if !source.is_database(begins == SQLITE_MAGIC) {
            binary::refuse(path)?;
        }
        let written = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let written_us = written.and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or_default();
        Ok(Self { source, path: path.to_owned(), written_us, bytes: meta.len(), begins })
    }

    /// Everything in the file, in order.
    pub(crate) fn read(&self, take: Taker<'_>) -> Outcome {
        if self.source.is_database(self.begins == SQLITE_MAGIC) {
            return database::read(self, take);
        }
        match self.source {
            Source::Xonsh => xonsh::read(self, take),
            _ => read_lines(self.source, &self.begins, self.reader()?, take)
                .map_err(|error| error.into_failure(&self.path)),
        }
    }

    fn reader(&self) -> Outcome<impl BufRead + 'static> {
        let file = File::open(&self.path).map_err(|error| Failure::at(&self.path, &error))?;
        Ok(BufReader::with_capacity(READ_BYTES, file.take(self.bytes)))
    }
}

/// The same for bytes that are in memory already. Databases are files, and nothing is found in bytes of one.
pub(crate) fn read_bytes(source: Source, bytes: &[u8], take: Taker<'_>) -> Outcome {
    let begins = &bytes[..bytes.len().min(SQLITE_MAGIC.len())];
    let in_memory = Path::new("memory");
    match source {
        Source::Xonsh => xonsh::read_bytes(bytes, take).map_err(|error| Failure::at(in_memory, &error))?,
        _ => {
            read_lines(source, begins, Cursor::new(bytes.to_vec()), take).map_err(|error| error.into_failure(in_memory))
        }
    }
}

/// Why reading ended before the end.
enum Halt {
    Read(io::Error),
    Taken(Failure),
}

impl Halt {
    fn into_failure(self, path: &Path) -> Failure {
        match self {
            Self::Read(error) => Failure::at(path, &error),
            Self::Taken(failure) => failure,
        }
    }
}

fn read_lines<R: BufRead + 'static>(source: Source, begins: &[u8], reader: R, take: Taker<'_>) -> Result<(), Halt> {
    let mut lines = match source {
        // Escaped or in hexadecimal, a command is several times as long as it is.
        Source::Caro | Source::Resh => Lines::up_to(reader, own::LINE_BYTES_MAX),
        _ => Lines::new(reader),
    };
    let mut format: Box<dyn Format<R>> = match source {
        Source::Bash | Source::Hstr => Box::new(bash::Bash::default()),
        Source::Readline if begins.starts_with(readline::MAGIC) => Box::new(readline::Readline),
        Source::Readline => Box::new(bash::Bash::default()),
        Source::Zsh => Box::new(zsh::Zsh),
        Source::Fish => Box::new(fish::Fish::default()),
        Source::Nu => Box::new(nu::Nu),
        Source::Powershell => Box::new(powershell::Powershell),
        Source::Replxx => Box::new(replxx::Replxx::default()),
        Source::Resh => Box::new(resh::Resh),
        Source::Caro if begins.starts_with(b"{") || begins.is_empty() => Box::new(own::Own),
        Source::Caro => Box::new(csv::Csv::default()),
        // These are databases, or files of their own kind, and are not read by lines.
        Source::Xonsh | Source::Histdb | Source::Mcfly | Source::Atuin => return Ok(()),
    };
    while let Some(found) = format.next(&mut lines).map_err(Halt::Read)? {
        take(found).map_err(Halt::Taken)?;
    }
    Ok(())
}

/// A number and nothing else.
fn number(digits: &[u8]) -> Option<i64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

/// The record of an entry of caro's own export, if it says everything that makes one.
fn record_of(id: Option<RecordId>, entry: Entry) -> Found {
    let (Some(id), Some(start_us)) = (id, entry.start_us) else { return Found::Entry(entry) };
    let About { key: _, directory, host, user, shell, session, assistant } = *entry.about.unwrap_or_default();
    Found::Record(Box::new(Record {
        id,
        command: entry.command.into(),
        directory: directory.into(),
        host,
        user,
        shell,
        session,
        start_us,
        duration_us: entry.duration_us,
        exit: entry.exit,
        assistant,
    }))
}
