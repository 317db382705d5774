//! What a program without a protection would have done to its database, done to the file from outside while the program
//! is not running.

use std::{fs, path::Path};

use rusqlite::Connection;

/// The write-ahead log that belongs to a database.
fn wal(database: &Path) -> std::path::PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Bytes of a log's header, and of the header of each of its frames.
const WAL_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Takes the last committed transaction back, as if it had been acknowledged before it was written.
///
/// # Panics
/// When there is none.
pub fn take_back_last_commit(database: &Path) {
    let path = wal(database);
    let bytes = fs::read(&path).expect("a log");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let frame = FRAME_HEADER + number(8) as usize;
    let salt = &bytes[16..24];
    let mut commits = vec![WAL_HEADER];
    let mut at = WAL_HEADER;
    while at + frame <= bytes.len() && &bytes[at + 8..at + 16] == salt {
        let is_commit = number(at + 4) != 0;
        at += frame;
        if is_commit {
            commits.push(at);
        }
    }
    assert!(commits.len() > 1, "nothing was committed");
    fs::write(&path, &bytes[..commits[commits.len() - 2]]).expect("written");
}

/// Forgets what a device had not been told is safe.
///
/// # Panics
/// When the database cannot be opened.
pub fn forget_outbox(data: &Path) {
    let database = Connection::open(data.join("caro.db")).expect("it opens");
    database.execute("DELETE FROM queue", []).expect("forgotten");
}
