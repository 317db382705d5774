//! What a disk may give back: single rows after they were unsealed, and whole databases with bytes changed anywhere.

use std::{fs, sync::OnceLock};

use caro_core::{
    device::{Device, Rules},
    history::block,
    step::{KeyAndValue, RemoteNumber, RowError, Rows, Space, Write},
    vault::{
        Vault,
        at_rest::{DeviceMasterKey, StoreKey},
    },
};
use caro_daemon::store::{FILE_NAME, Store};
use caro_link::{identity::Signer, proof};
use caro_relay::{
    log::{Change, Log, LogReader, Room, sqlite::SqliteLog},
    quota::Quota,
};
use caro_schema::{
    body::history::Record,
    id::{CellId, Generation, Handle, Hash},
    relay::{Entry, list::DeviceList},
};
use chaos_tests::{
    disk::Disk,
    fuzzing::{
        Target,
        account::record,
        input::{Input, raw, raw_or_edited, seeds_around},
    },
    world::World,
};
use serde_bytes::ByteBuf;

use crate::scratch;

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "history_block",
        what: "a block of history after it was unsealed: what decodes is the same when written again",
        run: history_block,
        seeds: || seeds_around(&block::encode(&records())),
    },
    Target {
        name: "sealed_row",
        what: "a sealed row of the database: opens when it is genuine to the last bit and in its own place, and never otherwise",
        run: sealed_row,
        seeds: || seeds_around(&row()),
    },
    Target {
        name: "vault_row",
        what: "a device's keys as they are kept: read, or refused",
        run: |data| drop(Vault::decode(&raw_or_edited(data, &vault_row()))),
        seeds: || seeds_around(&vault_row()),
    },
    Target {
        name: "device_rows",
        what: "the rows that a device starts from, one of them any bytes: it starts, or says which row it cannot read",
        run: device_rows,
        seeds: device_rows_seeds,
    },
    Target {
        name: "database",
        what: "a device's database with bytes changed anywhere: refused with advice, or every record that comes out of it is \
               one that went in",
        run: database,
        seeds: || edits_of(whole_database()),
    },
    Target {
        name: "relay_database",
        what: "a relay's database with bytes changed anywhere: refused, or what comes out of it is checked by each device",
        run: relay_database,
        seeds: || edits_of(whole_relay()),
    },
];

fn records() -> Vec<Record> {
    (0..40).map(record).collect()
}

fn history_block(data: &[u8]) {
    let bytes = raw_or_edited(data, &block::encode(&records()));
    let Ok(records) = block::decode(&bytes) else { return };
    assert!(block::decode(&block::encode(&records)).as_ref() == Ok(&records), "other records came back");
}

fn key() -> StoreKey {
    DeviceMasterKey::from_bytes(&[7; 32]).store_key()
}

fn row() -> Vec<u8> {
    key().seal_row(b"place", b"what the row says", &[9; 24])
}

fn sealed_row(data: &[u8]) {
    let bytes = raw_or_edited(data, &row());
    assert_eq!(key().open_row(b"place", &bytes).is_ok(), bytes == row());
    assert!(key().open_row(b"another place", &bytes).is_err());
}

/// The disk of a device in an account, with something of everything on it.
fn disk() -> &'static Disk {
    static DISK: OnceLock<Disk> = OnceLock::new();
    DISK.get_or_init(|| {
        let mut world = World::joined(2, 5, None);
        let deleted = world.record(0, "echo one");
        world.record(1, "echo two");
        world.settle();
        world.delete(1, deleted);
        world.settle();
        world.record(0, "echo three");
        world.machines.remove(0).disk
    })
}

fn vault_row() -> Vec<u8> {
    disk().row(Space::State, b"vault").expect("in memory").expect("there")
}

/// A disk on which one row says something else.
struct Altered {
    space: Space,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Rows for Altered {
    fn row(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
        if space == self.space && key == self.key { Ok(Some(self.value.clone())) } else { disk().row(space, key) }
    }

    fn rows(&self, space: Space) -> Result<Vec<KeyAndValue>, RowError> {
        let mut rows = disk().rows(space)?;
        if space == self.space {
            rows.retain(|(key, _)| *key != self.key);
            rows.push((self.key.clone(), self.value.clone()));
        }
        Ok(rows)
    }

    fn queue(&self, remote: RemoteNumber, after: u64, bytes_max: usize) -> Result<Vec<(u64, Vec<u8>)>, RowError> {
        disk().queue(remote, after, bytes_max)
    }
}

const SPACES: [Space; 3] = [Space::State, Space::Op, Space::Quarantine];

fn device_rows(data: &[u8]) {
    let mut input = Input::new(data);
    let space = SPACES[input.below(SPACES.len())];
    let known = disk().rows(space).expect("in memory");
    let altered = match input.byte() {
        0xff => Altered { space, key: input.bytes().to_vec(), value: input.rest().to_vec() },
        which => {
            let Some((key, value)) = known.get(usize::from(which) % known.len().max(1)) else { return };
            Altered { space, key: key.clone(), value: raw_or_edited(input.rest(), value) }
        }
    };
    match Device::load(&altered, Rules::default()) {
        Ok(device) => drop(device.account().map(|account| account.status(|_| None))),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn device_rows_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (space, of) in SPACES.into_iter().enumerate() {
        for which in 0..disk().rows(of).expect("in memory").len().min(12) {
            seeds.push(vec![space as u8, which as u8, 0, 1, 0, 0, 0, 3, 1]);
        }
    }
    seeds.push([&[2, 0xff, 0, 32][..], &[1; 32], &[1; 1024]].concat());
    seeds.push([&[0, 0xff, 0, 3][..], b"new", &raw(b"x")].concat());
    seeds
}

/// A database is larger than what a fuzzer likes to carry: its inputs are edits only.
fn edits_of(genuine: &[u8]) -> Vec<Vec<u8>> {
    let at = |place: usize| vec![1, 0, (place >> 16) as u8, (place >> 8) as u8, place as u8, 0x5a];
    let mut seeds: Vec<Vec<u8>> = [0, 18, 24, 28, 60, 68, 96, 100, 105].map(at).to_vec();
    seeds.extend((1..8).map(|part| at(genuine.len() * part / 8 + 5)));
    // Cut short, and nothing changed.
    seeds.push(vec![1, 1, 0, 0x10, 0]);
    seeds.push(vec![0]);
    seeds
}

fn whole_database() -> &'static [u8] {
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let folder = scratch::empty("genuine");
        let path = folder.join(FILE_NAME);
        let mut store = Store::open(&path, key()).expect("a new one");
        let mut writes = vec![Write::Block(1, Some(records())), Write::Queue(1, 1, Some(vec![5; 1024]))];
        for space in SPACES {
            writes.extend((0..8u8).map(|n| Write::Row(space, vec![n], Some(vec![n; 300]))));
        }
        store.commit(&writes).expect("room");
        store.checkpoint().expect("room");
        drop(store);
        fs::read(path).expect("there")
    })
}

fn database(data: &[u8]) {
    let bytes = Input::new(data).edited(whole_database());
    let folder = scratch::empty("database");
    let path = scratch::file(&folder, FILE_NAME, &bytes);
    let mut store = match Store::open(&path, key()) {
        Ok(store) => store,
        Err(error) => return assert!(!error.to_string().is_empty() && !error.advice().is_empty()),
    };
    let genuine = records();
    for number in store.blocks().unwrap_or_default() {
        if let Ok(found) = store.block(number) {
            assert!(found == genuine, "a block came out that nobody wrote");
        }
    }
    for space in SPACES {
        for (key, value) in store.rows(space).unwrap_or_default() {
            assert!(key.len() == 1 && value == vec![key[0]; 300], "a row came out that nobody wrote");
        }
    }
    for (_, cell) in store.queue(1, 0, 1 << 20).unwrap_or_default() {
        assert!(cell == vec![5; 1024], "a cell came out that nobody queued");
    }
    // Damage is found or there is none; and a damaged database takes new rows or refuses them, in words.
    let found = store.verify();
    let wrote = store.commit(&[Write::Row(Space::State, vec![1], Some(vec![2]))]);
    for error in [found.err(), wrote.err()].into_iter().flatten() {
        assert!(!error.to_string().is_empty() && !error.advice().is_empty());
    }
}

const RELAY_FILE: &str = "relay.db";

fn owner() -> Signer {
    Signer::from_seed(&[5; 32])
}

pub(crate) fn handle() -> Handle {
    proof::handle_of(&Hash(owner().public()))
}

fn cells() -> Vec<(CellId, ByteBuf)> {
    (0..12u8).map(|n| vec![n; 1024]).map(|cell| (proof::cell_id(&cell), ByteBuf::from(cell))).collect()
}

pub(crate) fn whole_relay() -> &'static [u8] {
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let folder = scratch::empty("genuine-relay");
        let path = folder.join(RELAY_FILE);
        let mut log = SqliteLog::open(&path, Generation([3; 16])).expect("a new one");
        let list = DeviceList { version: 1, prev: Hash([0; 32]), keys: vec![Hash([1; 32])] };
        let signed = proof::sign_list(&owner(), &list);
        let changes = vec![
            Change::Create { account: Hash(owner().public()), list: signed, accounts_max: 9, invitation: None },
            Change::Append { handle: handle(), cells: cells(), quota: Quota::default() },
            Change::Purge { handle: handle(), cells: vec![cells()[3].0] },
        ];
        log.commit(changes).expect("room");
        log.settle().expect("room");
        drop(log);
        fs::read(path).expect("there")
    })
}

fn relay_database(data: &[u8]) {
    let bytes = Input::new(data).edited(whole_relay());
    let folder = scratch::empty("relay-database");
    let path = scratch::file(&folder, RELAY_FILE, &bytes);
    let mut log = match SqliteLog::open(&path, Generation([4; 16])) {
        Ok(log) => log,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let answers =
        [log.account(&handle()).map(drop), log.was_removed(&handle(), &Hash([1; 32])).map(drop), log.quick_check()];
    assert!(answers.into_iter().filter_map(Result::err).all(|error| !error.to_string().is_empty()));
    let room = Room { bytes: 1 << 20, entries: 1000 };
    for after in [0, 5, 12, u64::MAX] {
        let Ok(Some(stretch)) = log.stretch(&handle(), after, room) else { continue };
        let bytes: usize =
            stretch.entries.iter().map(|entry| if let Entry::Cell(cell) = entry { cell.len() } else { 0 }).sum();
        // The first cell is given even when it alone is larger.
        assert!(stretch.entries.len() <= room.entries);
        assert!(stretch.entries.len() <= 1 || bytes <= room.bytes, "more than was asked for");
    }
    let fresh = vec![9; 1024];
    let append = Change::Append {
        handle: handle(),
        cells: vec![(proof::cell_id(&fresh), ByteBuf::from(fresh))],
        quota: Quota::default(),
    };
    if let Err(error) = log.commit(vec![append]) {
        assert!(!error.to_string().is_empty());
    }
}
