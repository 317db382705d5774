//! Everything that the files of a home and of a relay hold, for whoever has all the keys: to prove that something is in
//! none of them. Files are read as they are, free pages and logs included; what is sealed is opened, what is packed is
//! unpacked.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use caro_core::{
    history::block,
    oplog::Stored,
    step::Space,
    vault::{Vault, at_rest::DeviceMasterKey, open::open_any, payload},
};
use caro_schema::op::{Payload, SignedOp};
use memchr::memmem;
use rusqlite::Connection;

use super::database::RelayDatabase;
use crate::oracle::secrecy::forms;

/// The sealed bytes of a row, and what is in them.
pub struct Row {
    /// As they are in the file.
    pub sealed: Vec<u8>,
    /// Everything that they say, opened and unpacked, in pieces.
    pub says: Vec<Vec<u8>>,
}

/// A home whose daemon does not run.
pub struct Opened {
    /// Every row of the database.
    pub rows: Vec<Row>,
    vault: Option<Vault>,
}

/// Where a row belongs, as the store binds it.
enum Place {
    Block(i64),
    Queue(u32, i64),
    Row(u8, Vec<u8>),
}

impl Place {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Block(n) => [b"b", &n.to_be_bytes()[..]].concat(),
            Self::Queue(remote, n) => [b"q", &remote.to_be_bytes()[..], &n.to_be_bytes()].concat(),
            Self::Row(space, key) => [b"r", &[*space][..], key].concat(),
        }
    }
}

impl Opened {
    /// Opens the database in this folder with the key beside it.
    ///
    /// # Panics
    /// When it cannot be opened, or a row cannot.
    pub fn home(data: &Path) -> Self {
        let text = fs::read_to_string(data.join("caro.key")).expect("a key file");
        let key = text.lines().find_map(|line| line.strip_prefix("file ")).expect("a key in the file");
        let key: [u8; 32] = STANDARD.decode(key.trim()).expect("base64").try_into().expect("a key");
        let store = DeviceMasterKey::from_bytes(&key).store_key();
        // A copy, so that looking changes nothing.
        let copy = tempfile::tempdir().expect("a folder");
        for name in ["caro.db", "caro.db-wal"] {
            if data.join(name).exists() {
                fs::copy(data.join(name), copy.path().join(name)).expect("copied");
            }
        }
        let database = Connection::open(copy.path().join("caro.db")).expect("it opens");
        let mut places = Vec::new();
        read(&database, "SELECT n, 0, x'', sealed FROM blocks", |n, _, _| Place::Block(n), &mut places);
        read(
            &database,
            "SELECT n, remote, x'', sealed FROM queue",
            |n, remote, _| Place::Queue(remote, n),
            &mut places,
        );
        let row = |space: i64, _, key| Place::Row(u8::try_from(space).expect("a space"), key);
        read(&database, "SELECT space, 0, key, sealed FROM rows", row, &mut places);
        let open = |(place, sealed): (Place, Vec<u8>)| {
            let plain = store.open_row(&place.bytes(), &sealed).expect("it opens");
            (place, sealed, plain)
        };
        let opened: Vec<(Place, Vec<u8>, Vec<u8>)> = places.into_iter().map(open).collect();
        let vault = opened.iter().find_map(|(place, _, plain)| {
            let (key, value) = key_and_value(plain)?;
            let is_vault = matches!(place, Place::Row(space, _) if *space == Space::State as u8) && key == b"vault";
            is_vault.then(|| Vault::decode(value).expect("a vault"))
        });
        let says = |(place, sealed, plain): (Place, Vec<u8>, Vec<u8>)| Row {
            sealed,
            says: says_of(&place, plain, vault.as_ref()),
        };
        Self { rows: opened.into_iter().map(says).collect(), vault }
    }

    /// What a sealed cell says.
    pub fn cell(&self, cell: &[u8]) -> Vec<Vec<u8>> {
        cell_says(cell, self.vault.as_ref())
    }

    /// The sealed bytes of the rows that say this.
    pub fn sealed_with(&self, word: &Word) -> Vec<Vec<u8>> {
        let says = |row: &&Row| row.says.iter().any(|piece| word.is_held_by(piece));
        self.rows.iter().filter(says).map(|row| row.sealed.clone()).collect()
    }

    /// The cells of a relay that does not run, that say this.
    pub fn cells_with(&self, relay: &Path, word: &Word) -> Vec<Vec<u8>> {
        let cells = RelayDatabase::open(relay).cells();
        let says = |cell: &Vec<u8>| self.cell(cell).iter().any(|piece| word.is_held_by(piece));
        cells.into_iter().map(|(_, cell)| cell).filter(says).collect()
    }
}

fn read(
    database: &Connection,
    sql: &str,
    place: impl Fn(i64, u32, Vec<u8>) -> Place,
    into: &mut Vec<(Place, Vec<u8>)>,
) {
    let mut all = database.prepare(sql).expect("sql");
    let rows = all
        .query_map([], |row| Ok((place(row.get(0)?, row.get(1)?, row.get(2)?), row.get::<_, Vec<u8>>(3)?)))
        .expect("read");
    into.extend(rows.map(|row| row.expect("a row")));
}

fn key_and_value(plain: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = plain.split_first_chunk()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

fn says_of(place: &Place, plain: Vec<u8>, vault: Option<&Vault>) -> Vec<Vec<u8>> {
    let mut says = match place {
        Place::Block(_) => {
            let records = block::decode(&plain).expect("a block");
            records.iter().map(|record| record.command.to_vec()).collect()
        }
        Place::Queue(..) => cell_says(&plain, vault),
        Place::Row(..) => {
            let value = key_and_value(&plain).map_or(&[][..], |(_, value)| value);
            let mut says = cell_says(value, vault);
            if let Some(op) = Stored::decode(value).ok().and_then(|stored| stored.signed().ok()) {
                says.extend(op_says(&op));
            }
            says
        }
    };
    says.push(plain);
    says
}

fn cell_says(cell: &[u8], vault: Option<&Vault>) -> Vec<Vec<u8>> {
    let Some((_, plain)) = vault.and_then(|vault| open_any(vault.keys(), &vault.dataset(), cell).ok()) else {
        return Vec::new();
    };
    let mut says = SignedOp::decode(&plain).map_or_else(|_| Vec::new(), |op| op_says(&op));
    says.push(plain.to_vec());
    says
}

fn op_says(op: &SignedOp) -> Vec<Vec<u8>> {
    let payload = op.body.as_ref().and_then(|body| payload::unpack(&body.payload).ok());
    let Payload { changes } = payload.unwrap_or_default();
    changes.into_iter().map(|change| change.1.into_vec()).collect()
}

/// A word that is looked for, in every form in which it is easily read.
pub struct Word(Vec<memmem::Finder<'static>>);

impl Word {
    /// This one.
    pub fn new(word: &str) -> Self {
        Self(forms(word.as_bytes()).iter().map(|form| memmem::Finder::new(form).into_owned()).collect())
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|form| form.find(bytes).is_some())
    }

    /// Whether bytes hold it, as they are or in a compressed stream that begins among them.
    pub fn is_held_by(&self, bytes: &[u8]) -> bool {
        self.is_in(bytes) || streams(bytes).iter().any(|stream| self.is_in(stream))
    }
}

/// Compressed streams that begin somewhere in some bytes, as far as they can be read: what comes before one breaks off
/// counts too.
fn streams(bytes: &[u8]) -> Vec<Vec<u8>> {
    [zstd_streams(bytes), deflated(bytes)].concat()
}

fn zstd_streams(bytes: &[u8]) -> Vec<Vec<u8>> {
    const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    memmem::find_iter(bytes, &ZSTD)
        .filter_map(|at| {
            let mut stream = Vec::new();
            let mut decoder = zstd::stream::read::Decoder::new(&bytes[at..]).ok()?;
            let _ = std::io::copy(&mut decoder, &mut stream);
            Some(stream)
        })
        .collect()
}

/// What zlib and gzip packed. A stream of deflate alone has no beginning by which it could be found.
fn deflated(bytes: &[u8]) -> Vec<Vec<u8>> {
    // How much of one is read: enough for any message, little enough for the memory of a whole program.
    const PACKED: usize = 16 * 1024;
    const PLAIN: usize = 256 * 1024;
    // Method and window, then the levels that there are; of gzip the header without a name.
    const ZLIB: [[u8; 2]; 4] = [[0x78, 0x01], [0x78, 0x5e], [0x78, 0x9c], [0x78, 0xda]];
    const GZIP: [u8; 4] = [0x1f, 0x8b, 0x08, 0x00];
    let starts = ZLIB.iter().flat_map(|head| memmem::find_iter(bytes, head).map(|at| at + head.len()));
    let starts = starts.chain(memmem::find_iter(bytes, &GZIP).map(|at| at + 10));
    starts
        .filter_map(|at| {
            let packed = bytes.get(at..)?;
            let packed = &packed[..packed.len().min(PACKED)];
            let plain = miniz_oxide::inflate::decompress_to_vec_with_limit(packed, PLAIN);
            Some(plain.unwrap_or_else(|broken| broken.output)).filter(|plain| !plain.is_empty())
        })
        .collect()
}

/// Every file below a folder, with its bytes.
///
/// # Panics
/// When one cannot be read.
pub fn files(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let Ok(meta) = fs::symlink_metadata(&path) else { continue };
            if meta.is_dir() {
                folders.push(path);
            } else if meta.is_file() {
                // A file may go while others are read.
                files.extend(fs::read(&path).ok().map(|bytes| (path, bytes)));
            }
        }
    }
    files
}

/// Pieces of sealed bytes that are nowhere else: their beginning, middle and end, wherever a page may cut them.
pub fn pieces(sealed: &[Vec<u8>]) -> Vec<Vec<u8>> {
    const LEN: usize = 24;
    let of = |bytes: &Vec<u8>| {
        let last = bytes.len().saturating_sub(LEN);
        let starts = [1, last / 3, last / 2, last].map(|at| at.min(last));
        starts.map(|at| bytes[at..(at + LEN).min(bytes.len())].to_vec())
    };
    sealed.iter().flat_map(of).collect()
}
