//! What the daemon knows of one run of a shell: who it is, how much of its files has been taken, and which command is
//! still running. Kept as one row of the store, written in the transaction that also holds the records, so that a
//! crash can neither lose nor double a command.
//!
//! Holds no command text; a row is sealed like everything else. The translation itself is in `translate.rs`.

use caro_schema::{codec, id::RecordId};
use serde::{Deserialize, Serialize};

/// One run of a shell. A named map: a later version may add fields.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Session {
    /// What the shell said of itself.
    pub(super) header: Header,
    /// When its process started, in clock ticks; zero when not known.
    pub(super) started_ticks: u64,
    /// How much of each of its files has been taken.
    pub(super) files: Vec<Taken>,
    /// The command that runs.
    pub(super) open: Option<Open>,
    /// The last command that was recorded: what a retraction takes back.
    pub(super) last: Option<RecordId>,
    /// When that one started.
    pub(super) last_start_us: i64,
    /// The newest entry of bash's own history that was seen.
    pub(super) entry: Option<SeenEntry>,
    /// The last line was one that bash keeps out of its history.
    pub(super) hidden: bool,
}

/// What a shell said of itself.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Header {
    pub(super) session: String,
    pub(super) pid: u32,
    pub(super) shell: String,
    pub(super) host: String,
    pub(super) user: String,
}

/// How much of one file has been taken. A file is known again by the bytes before that place: names and inodes are
/// used again when a file was removed and made anew.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Taken {
    /// Bytes that need not be read again.
    pub(super) offset: u64,
    /// A hash of the last bytes before it.
    pub(super) mark: u64,
    /// The bytes after it are the rest of a field whose beginning was taken or passed over.
    pub(super) inside_field: bool,
}

/// A command that runs.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) id: RecordId,
    /// Its start, in microseconds since 1970.
    pub(super) start_us: i64,
    /// The start is when it was noticed: the shell has no clock.
    pub(super) estimated: bool,
}

/// An entry of bash's own history.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SeenEntry {
    pub(super) number: u64,
    pub(super) time_s: i64,
    /// A short hash of the line, to tell a repeat from a line that was hidden.
    pub(super) text: u64,
}

impl Session {
    /// A session known only by its file's name: its header is gone or has not been read.
    pub(super) fn named(session: String, pid: u32) -> Self {
        Self { header: Header { session, pid, ..Header::default() }, ..Self::default() }
    }

    /// From a row.
    pub(super) fn decode(row: &[u8]) -> Option<Self> {
        codec::decode(row).ok()
    }

    /// As a row.
    pub(super) fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

/// A short hash, for telling two pieces of text or file apart; nothing hangs on nobody finding another.
pub(super) fn short_hash(bytes: &[u8]) -> u64 {
    let hash = blake3::hash(bytes);
    hash.as_bytes()[..8].iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_there_and_back() {
        let mut session = Session::named("s".to_owned(), 7);
        session.files.push(Taken { offset: 9, mark: u64::MAX, inside_field: true });
        session.open = Some(Open { id: RecordId([1; 16]), start_us: -5, estimated: true });
        session.entry = Some(SeenEntry { number: 1, time_s: 2, text: 3 });
        let back = Session::decode(&session.encode()).expect("it decodes");
        assert_eq!(back.header.pid, 7);
        assert!(back.files == session.files);
        assert_eq!(back.open.map(|open| (open.id, open.start_us)), Some((RecordId([1; 16]), -5)));
        assert!(back.entry == session.entry);
    }

    #[test]
    fn a_row_of_another_version_is_read_as_far_as_it_goes() {
        let bytes = codec::encode(&std::collections::BTreeMap::from([("last_start_us", 5), ("from_the_future", 6)]));
        assert_eq!(Session::decode(&bytes).map(|session| session.last_start_us), Some(5));
        assert!(Session::decode(b"\xff").is_none());
    }
}
