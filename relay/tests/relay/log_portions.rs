//! What is too much to be forgotten at once is forgotten bit by bit: nobody who pushes waits for it, and the disk needs no room
//! for all of it.

use std::{fs, path::PathBuf};

use caro_link::proof;
use caro_relay::{
    log::{
        Change, Changed, Log, Noted, Room,
        sqlite::{SqliteLog, verify},
    },
    quota::Quota,
};
use caro_schema::{
    id::{Generation, Handle},
    relay::Entry,
};

use crate::support::{Account, Device, Served, cell};

const PLENTY: Room = Room { bytes: usize::MAX, entries: usize::MAX };

/// More than five transactions forget.
const CELLS: usize = 320;
const CELL_BYTES: usize = 65_536;

/// A log that outlives its handle, and what can be seen of it beside.
enum Place {
    File(tempfile::TempDir),
    Server(Box<Served>),
}

impl Place {
    fn all() -> impl Iterator<Item = Self> {
        let file = Self::File(tempfile::tempdir().unwrap());
        let server =
            Served::start("what is forgotten bit by bit on PostgreSQL").map(|served| Self::Server(Box::new(served)));
        [Some(file), server].into_iter().flatten()
    }

    fn database(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("relay.db")
    }

    fn open(&self) -> Box<dyn Log> {
        match self {
            Self::File(folder) => Box::new(SqliteLog::open(&Self::database(folder), Generation([1; 16])).unwrap()),
            Self::Server(served) => Box::new(served.log()),
        }
    }

    /// Entries in the tables, whoever's they are.
    fn entries(&self) -> u64 {
        match self {
            Self::File(folder) => {
                let report = verify::verify(&Self::database(folder)).unwrap();
                assert!(report.is_sound(), "{report:?}");
                report.entries
            }
            Self::Server(served) => {
                assert!(served.verify().is_sound());
                served.server.sql("SELECT count(*) FROM caro_relay.entry").parse().unwrap()
            }
        }
    }

    /// Nothing like the whole account is written ahead.
    fn needs_little_room(&self) {
        if let Self::File(folder) = self {
            let ahead = fs::metadata(folder.path().join("relay.db-wal")).map_or(0, |file| file.len());
            assert!(ahead < 10 << 20, "{ahead}");
        }
    }
}

fn one(log: &mut dyn Log, change: Change) -> Changed {
    log.commit(vec![change]).unwrap().remove(0)
}

fn create(log: &mut dyn Log, account: &Account, devices: &[Device]) -> Handle {
    let list = account.first_list(devices);
    let change = Change::Create { account: account.public(), list, accounts_max: 2, invitation: None };
    assert!(matches!(one(log, change), Changed::Created(_)));
    account.handle()
}

fn push(log: &mut dyn Log, handle: Handle, count: usize, bytes: usize) {
    for _ in 0..count / 32 {
        let cells = (0..32).map(|_| cell(bytes)).map(|cell| (proof::cell_id(&cell), cell)).collect();
        assert!(matches!(one(log, Change::Append { handle, cells, quota: Quota::default() }), Changed::Appended(_)));
    }
}

fn held(log: &mut dyn Log, handle: Handle) -> usize {
    let entries = log.stretch(&handle, 0, PLENTY).unwrap().unwrap().entries;
    entries.iter().filter(|entry| matches!(entry, Entry::Cell(_))).count()
}

#[test]
fn trap_35_what_every_device_has_is_forgotten_in_portions_however_much_it_is() {
    for place in Place::all() {
        let mut log = place.open();
        let (devices, other) = ([Device::new(), Device::new()], Account::new());
        let handle = create(&mut *log, &Account::new(), &devices);
        push(&mut *log, handle, CELLS, CELL_BYTES);
        let neighbour = create(&mut *log, &other, &devices);
        push(&mut *log, neighbour, 32, 1_024);
        let note = |log: &mut dyn Log, device: &Device| match one(
            log,
            Change::Delivered { handle, device: device.hash(), cursor: u64::MAX },
        ) {
            Changed::Noted(noted) => noted,
            _ => panic!("not noted"),
        };
        assert_eq!(note(&mut *log, &devices[0]), Noted::default());
        // Four MiB, and what is left is said to be there.
        assert_eq!(note(&mut *log, &devices[1]), Noted { forgotten: 64, more: true });
        place.needs_little_room();
        // As after a restart: whoever says again how far it has come sees to the rest.
        drop(log);
        let mut log = place.open();
        assert_eq!(note(&mut *log, &devices[0]), Noted { forgotten: 64, more: true });
        let mut left = CELLS - 128;
        while left > 0 {
            log.settle().unwrap();
            place.needs_little_room();
            let now = held(&mut *log, handle);
            assert!(left - now <= 64, "{left} {now}");
            left = now;
        }
        let account = log.account(&handle).unwrap().unwrap();
        assert_eq!((account.dropped, account.cursor), (CELLS as u64, CELLS as u64));
        assert_eq!(account.used_bytes, CELLS as u64 * caro_relay::limits::ENTRY_BYTES);
        log.settle().unwrap();
        assert_eq!(held(&mut *log, neighbour), 32);
        drop(log);
        place.entries();
    }
}

#[test]
fn trap_35_an_account_that_a_device_closes_is_gone_at_once_and_forgotten_in_portions() {
    for place in Place::all() {
        let mut log = place.open();
        let (owner, other) = (Account::new(), Account::new());
        let handle = create(&mut *log, &owner, &[]);
        push(&mut *log, handle, CELLS, CELL_BYTES);
        let neighbour = create(&mut *log, &other, &[]);
        push(&mut *log, neighbour, 32, 1_024);
        assert!(matches!(one(&mut *log, Change::Close { handle }), Changed::Closed));
        place.needs_little_room();
        assert!(matches!(one(&mut *log, Change::Close { handle }), Changed::NoAccount));
        assert!(log.account(&handle).unwrap().is_none());
        // It can be made anew at once, within the number of accounts that there may be, and has nothing of what was.
        create(&mut *log, &owner, &[]);
        push(&mut *log, handle, 32, 1_024);
        assert_eq!(held(&mut *log, handle), 32);
        // A restart in the middle loses nothing of what is still to be done.
        log.settle().unwrap();
        drop(log);
        // A server deletes more entries at a time than these are.
        if matches!(place, Place::File(_)) {
            assert!(place.entries() > 64);
        }
        let mut log = place.open();
        while place.entries() > 64 {
            log.settle().unwrap();
            place.needs_little_room();
        }
        assert_eq!((held(&mut *log, handle), held(&mut *log, neighbour)), (32, 32));
        assert!(matches!(one(&mut *log, Change::Close { handle }), Changed::Closed));
        while place.entries() > 32 {
            log.settle().unwrap();
        }
        assert_eq!(held(&mut *log, neighbour), 32);
    }
}

#[test]
fn a_closed_account_is_not_shown_or_counted_while_some_of_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    let mut log = SqliteLog::open(&path, Generation([1; 16])).unwrap();
    let handle = create(&mut log, &Account::new(), &[]);
    push(&mut log, handle, 32, 1_024);
    let other = create(&mut log, &Account::new(), &[]);
    one(&mut log, Change::Close { handle });
    let report = verify::verify(&path).unwrap();
    assert!(report.is_sound() && report.accounts == 2, "{report:?}");
    assert_eq!(log.count().unwrap(), (1, 0));
    assert!(log.summaries(None, 9).unwrap().iter().map(|summary| summary.handle).eq([other]));
    assert!(log.beginning_with("").unwrap().iter().map(|summary| summary.handle).eq([other]));
    log.settle_all().unwrap();
    assert_eq!(verify::verify(&path).unwrap().accounts, 1);
    // One whose handle was altered to such a one is damaged, and nothing of it is forgotten.
    push(&mut log, other, 32, 1_024);
    let beside = rusqlite::Connection::open(&path).unwrap();
    beside.execute("UPDATE account SET handle = x'00000000000000000000000000000009'", []).unwrap();
    drop((beside, log));
    SqliteLog::open(&path, Generation([1; 16])).unwrap().settle_all().unwrap();
    let report = verify::verify(&path).unwrap();
    assert_eq!((report.faults.len(), report.accounts, report.entries), (1, 1, 32));
}
