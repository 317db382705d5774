//! What a program without a protection would have done to its database, done to the file from outside while the program
//! is not running.

use std::{fs, path::Path};

use caro_link::proof;
use caro_schema::id::{CellId, Hash};
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

/// A relay's database, opened while the relay is not running.
pub struct RelayDatabase {
    connection: Connection,
}

/// Where an entry is: the account's number and the cursor, as the relay has them in one number.
pub type Place = i64;

/// Bits of the cursor in a place.
const CURSOR_BITS: u32 = 40;

impl RelayDatabase {
    /// Opens it.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Self {
        Self { connection: Connection::open(path).expect("it opens") }
    }

    /// All cells that are there, in order.
    pub fn cells(&self) -> Vec<(Place, Vec<u8>)> {
        let mut all = self
            .connection
            .prepare("SELECT place, cell FROM entry WHERE cell IS NOT NULL ORDER BY place")
            .expect("sql");
        let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("read");
        rows.collect::<Result<_, _>>().expect("read")
    }

    /// Changes the bytes of a cell and nothing else: what a disk does.
    pub fn rot(&self, place: Place, bytes: &[u8]) {
        let sql = "UPDATE entry SET cell = ?2 WHERE place = ?1";
        assert_eq!(self.connection.execute(sql, (place, bytes)).expect("written"), 1);
    }

    /// Flips a bit of what a cell is called, and nothing else.
    pub fn rot_name(&self, place: Place, byte: usize, bit: u64) {
        let read = "SELECT cell_id FROM entry WHERE place = ?1";
        let mut name: Vec<u8> = self.connection.query_row(read, [place], |row| row.get(0)).expect("read");
        name[byte] ^= 1 << bit;
        let sql = "UPDATE entry SET cell_id = ?2 WHERE place = ?1";
        assert_eq!(self.connection.execute(sql, (place, name)).expect("written"), 1);
    }

    /// Changes a cell and everything that is computed from it: what a relay does that lies and knows how.
    pub fn forge(&self, place: Place, bytes: &[u8]) {
        let account = place >> CURSOR_BITS;
        self.rot(place, bytes);
        let id = proof::cell_id(bytes);
        let rename = "UPDATE entry SET cell_id = ?2 WHERE place = ?1";
        assert_eq!(self.connection.execute(rename, (place, id.as_bytes())).expect("written"), 1);
        let mut all =
            self.connection.prepare("SELECT place, cell_id FROM entry WHERE account = ?1 ORDER BY place").expect("sql");
        let rows = all.query_map([account], |row| Ok((row.get::<_, Place>(0)?, row.get::<_, [u8; 32]>(1)?)));
        let entries: Vec<(Place, [u8; 32])> = rows.expect("read").collect::<Result<_, _>>().expect("read");
        let mut head = Hash([0; 32]);
        for (place, id) in entries {
            let cursor = u64::try_from(place & ((1 << CURSOR_BITS) - 1)).expect("positive");
            head = proof::chain_head(&head, cursor, &CellId(id));
            let sql = "UPDATE entry SET head = ?2 WHERE place = ?1";
            self.connection.execute(sql, (place, head.as_bytes())).expect("written");
        }
        let sql = "UPDATE account SET head = ?2, used_bytes = (SELECT sum(160 + coalesce(length(cell), 0)) FROM entry \
                   WHERE entry.account = account.id) WHERE id = ?1";
        assert_eq!(self.connection.execute(sql, (account, head.as_bytes())).expect("written"), 1);
    }
}

/// Bytes of each cell of a relay that is not running, in the order in which they came.
pub fn cell_sizes(database: &Path) -> Vec<usize> {
    RelayDatabase::open(database).cells().iter().map(|(_, cell)| cell.len()).collect()
}

/// Flips one bit of a file.
///
/// # Panics
/// When the file is not there, or shorter.
pub fn flip_bit(file: &Path, byte: u64, bit: u64) {
    let mut bytes = fs::read(file).expect("readable");
    bytes[usize::try_from(byte).expect("small")] ^= 1 << (bit % 8);
    fs::write(file, bytes).expect("written");
}

/// Empties the logs of a relay, whose accounts and lists stay.
///
/// # Panics
/// When the database cannot be opened.
pub fn empty(database: &Path) {
    let database = Connection::open(database).expect("it opens");
    let empty = "DELETE FROM entry; UPDATE account SET cursor = 0, head = zeroblob(32), used_bytes = 0";
    database.execute_batch(empty).expect("emptied");
}
