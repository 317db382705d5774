//! The store on a real file.

mod crash;
mod disk;
mod layouts;
mod opening;
mod rows;
mod sealed;

use std::{
    fs,
    path::{Path, PathBuf},
};

use caro_core::{
    step::{RowError, Rows, Space, Write},
    vault::at_rest::DeviceMasterKey,
};
use caro_schema::{body::history::Record, id::RecordId};
use rusqlite::{Connection, params};
use tempfile::TempDir;

use super::*;

fn key(seed: u8) -> StoreKey {
    DeviceMasterKey::from_bytes(&[seed; 32]).store_key()
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn database(folder: &TempDir) -> PathBuf {
    folder.path().join(FILE_NAME)
}

fn open(folder: &TempDir) -> Store {
    Store::open(&database(folder), key(1)).expect("it opens")
}

/// The file as SQLite's own shell would open it. Not while a store has it.
fn raw(folder: &TempDir) -> Connection {
    Connection::open(database(folder)).expect("it opens")
}

fn record(number: u8, command: &str) -> Record {
    Record {
        id: RecordId([number; 16]),
        command: command.as_bytes().to_vec().into(),
        directory: b"/home/ada".to_vec().into(),
        host: "desk".to_owned(),
        user: "ada".to_owned(),
        shell: "zsh 5.9".to_owned(),
        session: "s".to_owned(),
        start_us: i64::from(number),
        duration_us: Some(1),
        exit: Some(0),
        assistant: None,
    }
}

fn row(space: Space, key: &str, value: &str) -> Write {
    Write::Row(space, key.as_bytes().to_vec(), Some(value.as_bytes().to_vec()))
}

fn no_row(space: Space, key: &str) -> Write {
    Write::Row(space, key.as_bytes().to_vec(), None)
}

fn value(store: &Store, space: Space, key: &str) -> Option<String> {
    let value = store.row(space, key.as_bytes()).expect("read");
    value.map(|value| String::from_utf8(value).expect("text"))
}

/// Everything in the folder, by name.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(folder)
        .expect("listed")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.clone(), fs::read(path).expect("read")))
        .collect();
    all.sort();
    all
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(bytes, part).is_some()
}

/// Whether these bytes are in any file of the folder, or in a name.
fn is_anywhere(folder: &Path, part: &[u8]) -> bool {
    files(folder)
        .iter()
        .any(|(path, bytes)| contains(bytes, part) || contains(path.as_os_str().as_encoded_bytes(), part))
}

fn skip(name: &str, needs: &str) {
    use std::io::Write;
    let Some(path) = std::env::var_os("CARO_TEST_SKIPS") else { return };
    let mut file = fs::File::options().append(true).create(true).open(path).expect("the list of skipped tests opens");
    writeln!(file, "{name}: needs {needs}").expect("a line is added");
}
