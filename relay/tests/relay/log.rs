//! One suite over every implementation of the log.

use caro_link::proof;
use caro_relay::{
    log::{
        Account as Kept, Appended, Change, Changed, Log, LogError, LogReader, Room,
        keep::Forgotten,
        memory::MemoryLog,
        sqlite::{SqliteLog, verify},
    },
    quota::Quota,
};
use caro_schema::{
    id::{CellId, Generation, Handle, Hash},
    relay::Entry,
};
use serde_bytes::ByteBuf;

use crate::support::{Account, Device, PATIENCE, Served, cell};

const PLENTY: Room = Room { bytes: usize::MAX, entries: usize::MAX };

/// Runs a check over every implementation.
fn each(check: impl Fn(&mut dyn Log)) {
    check(&mut MemoryLog::new(Generation([1; 16])));
    let folder = tempfile::tempdir().unwrap();
    check(&mut SqliteLog::open(&folder.path().join("relay.db"), Generation([1; 16])).unwrap());
    if let Some(served) = Served::start("the suite of the log on PostgreSQL") {
        check(&mut served.log());
        assert!(served.verify().is_sound());
    }
}

fn one(log: &mut dyn Log, change: Change) -> Changed {
    let mut changed = log.commit(vec![change]).unwrap();
    assert_eq!(changed.len(), 1);
    changed.remove(0)
}

fn create(log: &mut dyn Log, account: &Account, devices: &[Device]) -> Handle {
    let change = Change::Create {
        account: account.public(),
        list: account.first_list(devices),
        accounts_max: 100,
        invitation: None,
    };
    assert!(matches!(one(log, change), Changed::Created(_)));
    account.handle()
}

fn named(cells: &[ByteBuf]) -> Vec<(CellId, ByteBuf)> {
    cells.iter().map(|cell| (proof::cell_id(cell), cell.clone())).collect()
}

fn append(log: &mut dyn Log, handle: Handle, cells: &[ByteBuf], quota_bytes: u64) -> Appended {
    match one(log, Change::Append { handle, cells: named(cells), quota: Quota { bytes: quota_bytes, cells: 0 } }) {
        Changed::Appended(appended) => appended,
        _ => panic!("not appended"),
    }
}

fn cells(count: usize) -> Vec<ByteBuf> {
    (0..count).map(|_| cell(1024)).collect()
}

fn account(log: &mut dyn Log, handle: Handle) -> Kept {
    log.account(&handle).unwrap().expect("an account")
}

#[test]
fn cursors_have_no_gaps_and_heads_are_the_chain() {
    each(|log| {
        let handle = create(log, &Account::new(), &[]);
        let mut head = Hash([0; 32]);
        let mut cursor = 0;
        for count in [1, 3, 0, 10] {
            let pushed = cells(count);
            let appended = append(log, handle, &pushed, 0);
            assert_eq!((appended.before, appended.fresh.len()), (cursor, count));
            for (cell, accepted) in pushed.iter().zip(&appended.accepted) {
                cursor += 1;
                head = proof::chain_head(&head, cursor, &proof::cell_id(cell));
                assert_eq!((accepted.cell, accepted.cursor), (proof::cell_id(cell), cursor));
            }
            assert_eq!(appended.head, head);
            assert_eq!((account(log, handle).cursor, account(log, handle).head), (cursor, head));
        }
    });
}

#[test]
fn trap_05_stretches_of_every_length_meet_without_gap_or_overlap() {
    each(|log| {
        let handle = create(log, &Account::new(), &[]);
        let all = cells(64);
        append(log, handle, &all, 0);
        for entries in 1..=65 {
            let mut got = Vec::new();
            let mut head = Hash([0; 32]);
            loop {
                let stretch = log.stretch(&handle, got.len() as u64, Room { entries, ..PLENTY }).unwrap().unwrap();
                assert_eq!(stretch.end, 64);
                if stretch.entries.is_empty() {
                    assert_eq!(stretch.head, head);
                    break;
                }
                got.extend(stretch.entries);
                head = stretch.head;
            }
            assert_eq!(got, all.iter().cloned().map(Entry::Cell).collect::<Vec<_>>(), "{entries}");
        }
    });
}

#[test]
fn a_stretch_holds_its_bytes_and_at_least_one_cell() {
    each(|log| {
        let handle = create(log, &Account::new(), &[]);
        append(log, handle, &cells(10), 0);
        for (bytes, expected) in [(0, 1), (1023, 1), (1024, 1), (2047, 1), (2048, 2), (10 * 1024, 10)] {
            let stretch = log.stretch(&handle, 0, Room { bytes, ..PLENTY }).unwrap().unwrap();
            assert_eq!(stretch.entries.len(), expected, "{bytes}");
        }
        assert!(log.stretch(&handle, 11, PLENTY).unwrap().is_none());
        assert!(log.stretch(&handle, u64::MAX, PLENTY).unwrap().is_none());
        assert!(log.stretch(&Handle([9; 16]), 0, PLENTY).unwrap().is_none());
    });
}

#[test]
fn trap_09_what_is_there_keeps_its_cursor() {
    each(|log| {
        let handle = create(log, &Account::new(), &[]);
        let pushed = cells(3);
        append(log, handle, &pushed, 0);
        let again = append(log, handle, &[pushed[2].clone(), cell(1024), pushed[0].clone()], 0);
        assert_eq!(again.accepted.iter().map(|accepted| accepted.cursor).collect::<Vec<_>>(), [3, 4, 1]);
        assert_eq!(again.fresh.len(), 1);
    });
}

#[test]
fn trap_06_a_cursor_is_never_given_twice_even_when_everything_was_purged() {
    each(|log| {
        let handle = create(log, &Account::new(), &[]);
        let pushed = cells(5);
        append(log, handle, &pushed, 0);
        let ids: Vec<CellId> = pushed.iter().map(|cell| proof::cell_id(cell)).collect();
        assert!(matches!(one(log, Change::Purge { handle, cells: ids.clone() }), Changed::Purged(5)));
        assert!(matches!(one(log, Change::Purge { handle, cells: ids.clone() }), Changed::Purged(0)));
        log.settle().unwrap();
        let stretch = log.stretch(&handle, 0, PLENTY).unwrap().unwrap();
        assert_eq!(stretch.entries, ids.iter().copied().map(Entry::Gone).collect::<Vec<_>>());
        assert_eq!(stretch.head, account(log, handle).head);
        assert_eq!(append(log, handle, &cells(1), 0).accepted[0].cursor, 6);
        assert_eq!(append(log, handle, &pushed, 0).accepted[0].cursor, 1);
        assert_eq!(account(log, handle).used_bytes, 1024 + 6 * caro_relay::limits::ENTRY_BYTES);
    });
}

#[test]
fn a_res_04_the_quota_is_kept_to_the_byte_and_what_fits_is_taken() {
    each(|log| {
        let handle = create(log, &Account::new(), &[]);
        let each_costs = 1024 + caro_relay::limits::ENTRY_BYTES;
        let pushed = cells(5);
        let appended = append(log, handle, &pushed, 3 * each_costs);
        assert_eq!((appended.accepted.len(), appended.over_quota), (3, true));
        let again = append(log, handle, &pushed, 3 * each_costs);
        assert_eq!((again.accepted.len(), again.fresh.len(), again.over_quota), (3, 0, true));
        assert!(!append(log, handle, &pushed, 5 * each_costs).over_quota);
        assert_eq!(account(log, handle).used_bytes, 5 * each_costs);
    });
}

#[test]
fn lists_follow_one_another_and_who_was_removed_is_known() {
    each(|log| {
        let owner = Account::new();
        let (keeps, lost) = (Device::new(), Device::new());
        let handle = create(log, &owner, &[keeps, lost]);
        let first = owner.first_list(&[keeps, lost]);
        let second = owner.next_list(&first, &[keeps]);
        let set = |list: &caro_schema::relay::list::SignedList| Change::SetList { handle, list: list.clone() };
        assert!(!log.was_removed(&handle, &lost.hash()).unwrap());
        for _ in 0..2 {
            assert!(matches!(one(log, set(&second)), Changed::ListSet { version: 2, .. }));
        }
        assert!(matches!(one(log, set(&first)), Changed::ListOutOfStep));
        assert_eq!(account(log, handle).list, second);
        assert!(log.was_removed(&handle, &lost.hash()).unwrap());
        assert!(!log.was_removed(&handle, &keeps.hash()).unwrap());
        assert!(!log.was_removed(&Handle([0; 16]), &lost.hash()).unwrap());
        let third = owner.next_list(&second, &[keeps, lost]);
        assert!(matches!(one(log, set(&third)), Changed::ListSet { version: 3, .. }));
        assert!(!log.was_removed(&handle, &lost.hash()).unwrap());
    });
}

#[test]
fn only_the_latest_removed_devices_are_remembered() {
    each(|log| {
        let owner = Account::new();
        let devices: Vec<Device> = (0..caro_relay::limits::REMOVED_MAX + 10).map(|_| Device::new()).collect();
        let handle = create(log, &owner, &devices[..1]);
        let mut list = owner.first_list(&devices[..1]);
        for device in &devices[1..] {
            list = owner.next_list(&list, &[*device]);
            one(log, Change::SetList { handle, list: list.clone() });
        }
        let remembered = devices.iter().filter(|device| log.was_removed(&handle, &device.hash()).unwrap()).count();
        assert_eq!(remembered, caro_relay::limits::REMOVED_MAX);
        assert!(!log.was_removed(&handle, &devices[0].hash()).unwrap());
    });
}

#[test]
fn a_closed_account_is_gone_and_others_are_not() {
    each(|log| {
        let (owner, other) = (Account::new(), Account::new());
        let handle = create(log, &owner, &[]);
        let neighbour = create(log, &other, &[]);
        append(log, handle, &cells(3), 0);
        append(log, neighbour, &cells(2), 0);
        assert!(matches!(one(log, Change::Close { handle }), Changed::Closed));
        assert!(matches!(one(log, Change::Close { handle }), Changed::NoAccount));
        assert!(log.account(&handle).unwrap().is_none());
        assert!(log.stretch(&handle, 0, PLENTY).unwrap().is_none());
        let lost = Change::Append { handle, cells: named(&cells(1)), quota: Quota::default() };
        assert!(matches!(one(log, lost), Changed::NoAccount));
        assert_eq!(log.stretch(&neighbour, 0, PLENTY).unwrap().unwrap().entries.len(), 2);
        create(log, &owner, &[]);
        assert!(log.stretch(&handle, 0, PLENTY).unwrap().unwrap().entries.is_empty());
    });
}

#[test]
fn trap_35_a_large_account_is_forgotten_in_portions_that_need_little_room_and_can_be_broken_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    let open = || SqliteLog::open(&path, Generation([1; 16])).unwrap();
    let sound = || verify::verify(&path).unwrap();
    let size = |name: &str| std::fs::metadata(folder.path().join(name)).map_or(0, |file| file.len());
    let mut log = open();
    let (owner, other) = (Account::new(), Account::new());
    let handle = create(&mut log, &owner, &[]);
    let neighbour = create(&mut log, &other, &[]);
    for _ in 0..10 {
        append(&mut log, handle, &(0..32).map(|_| cell(65_536)).collect::<Vec<_>>(), 0);
        append(&mut log, neighbour, &cells(3), 0);
    }
    log.settle_all().unwrap();
    let held = size("relay.db");
    assert!(held > 20 << 20);
    let mut portions = 0;
    loop {
        let forgotten = log.forget_some(&handle).unwrap();
        portions += 1;
        assert!(size("relay.db-wal") < 10 << 20, "{}", size("relay.db-wal"));
        if forgotten == Forgotten::All {
            break;
        }
        // To devices it is gone with the first of them, and nobody opens what is left of it.
        assert!(log.account(&handle).unwrap().is_none());
        let lost = Change::Append { handle, cells: named(&cells(1)), quota: Quota::default() };
        assert!(matches!(one(&mut log, lost), Changed::NoAccount));
        log.set_closed(&handle, true).unwrap();
        assert!(!log.set_closed(&handle, false).unwrap());
        let report = sound();
        assert!(report.is_sound() && report.accounts == 2, "{:?}", report.faults);
        // As after a relay that ended here.
        drop(log);
        log = open();
    }
    assert!((5..=8).contains(&portions), "{portions}");
    assert_eq!(log.forget_some(&handle).unwrap(), Forgotten::NoAccount);
    log.settle_all().unwrap();
    let report = sound();
    assert!(report.is_sound() && (report.accounts, report.entries) == (1, 30), "{:?}", report.faults);
    assert!(size("relay.db") < 1 << 20 && size("relay.db-wal") == 0, "{}", size("relay.db"));
    // It can be made anew, and is empty.
    create(&mut log, &owner, &[]);
    assert!(log.stretch(&handle, 0, PLENTY).unwrap().unwrap().entries.is_empty());
}

#[test]
fn there_are_so_many_accounts_and_each_once() {
    each(|log| {
        let make = |account: &Account| Change::Create {
            account: account.public(),
            list: account.first_list(&[]),
            accounts_max: 2,
            invitation: None,
        };
        let (one_account, two, three) = (Account::new(), Account::new(), Account::new());
        assert!(matches!(one(log, make(&one_account)), Changed::Created(_)));
        assert!(matches!(one(log, make(&one_account)), Changed::Exists));
        assert!(matches!(one(log, make(&two)), Changed::Created(_)));
        assert!(matches!(one(log, make(&three)), Changed::NoRoom));
        assert!(matches!(one(log, make(&two)), Changed::Exists));
    });
}

#[test]
fn the_changes_of_one_transaction_see_each_other() {
    each(|log| {
        let owner = Account::new();
        let handle = owner.handle();
        let pushed = cells(2);
        let changed = log
            .commit(vec![
                Change::Create {
                    account: owner.public(),
                    list: owner.first_list(&[]),
                    accounts_max: 9,
                    invitation: None,
                },
                Change::Append { handle, cells: named(&pushed[..1]), quota: Quota::default() },
                Change::Append { handle, cells: named(&pushed), quota: Quota::default() },
                Change::Purge { handle, cells: vec![proof::cell_id(&pushed[0])] },
            ])
            .unwrap();
        assert!(matches!(changed[0], Changed::Created(_)));
        assert!(
            matches!(&changed[2], Changed::Appended(appended) if appended.before == 1 && appended.fresh.len() == 1)
        );
        assert!(matches!(changed[3], Changed::Purged(1)));
        assert_eq!(account(log, handle).cursor, 2);
    });
}

#[test]
fn a_backup_in_memory_shares_nothing() {
    let mut log = MemoryLog::new(Generation([1; 16]));
    let handle = create(&mut log, &Account::new(), &[]);
    append(&mut log, handle, &cells(1), 0);
    let mut backup = log.backup();
    let mut same = log.clone();
    append(&mut log, handle, &cells(1), 0);
    assert_eq!(account(&mut backup, handle).cursor, 1);
    assert_eq!(account(&mut same, handle).cursor, 2);
}

#[test]
fn trap_33_the_write_ahead_log_shrinks_again_after_a_long_reader() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    let mut log = SqliteLog::open(&path, Generation([1; 16])).unwrap();
    let handle = create(&mut log, &Account::new(), &[]);
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM account").unwrap();
    let wal = || std::fs::metadata(path.with_extension("db-wal")).unwrap().len();
    while wal() <= caro_relay::limits::WAL_BYTES_MAX {
        let pushed: Vec<ByteBuf> = (0..64).map(|_| cell(65_536)).collect();
        append(&mut log, handle, &pushed, 0);
    }
    drop(reader);
    log.settle().unwrap();
    assert_eq!(wal(), 0);
}

#[test]
fn trap_33_a_long_reader_does_not_stop_the_writer_that_wants_the_write_ahead_log_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    let mut log = SqliteLog::open(&path, Generation([1; 16])).unwrap();
    let handle = create(&mut log, &Account::new(), &[]);
    let pushed = cells(50);
    append(&mut log, handle, &pushed, 0);
    // As a check or a backup beside the relay.
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM account").unwrap();
    let (done, came) = std::sync::mpsc::channel();
    let writing = std::thread::spawn(move || {
        for cell in &pushed {
            one(&mut log, Change::Purge { handle, cells: vec![proof::cell_id(cell)] });
            assert_eq!(log.settle(), Err(LogError::Unavailable));
        }
        done.send(log).unwrap();
    });
    // Five seconds for each would be four minutes.
    let mut log = came.recv_timeout(PATIENCE).expect("fifty changes beside a reader");
    writing.join().unwrap();
    drop(reader);
    log.settle().unwrap();
    assert_eq!(std::fs::metadata(path.with_extension("db-wal")).unwrap().len(), 0);
}

fn delivered(log: &mut dyn Log, handle: Handle, device: &Device, cursor: u64) -> u64 {
    match one(log, Change::Delivered { handle, device: device.hash(), cursor }) {
        Changed::Noted(noted) => noted.forgotten,
        _ => panic!("not noted"),
    }
}

fn held(log: &mut dyn Log, handle: Handle) -> usize {
    let entries = log.stretch(&handle, 0, PLENTY).unwrap().unwrap().entries;
    entries.iter().filter(|entry| matches!(entry, Entry::Cell(_))).count()
}

#[test]
fn a_mailbox_forgets_what_every_listed_device_has_and_nothing_else() {
    each(|log| {
        let (owner, devices, stranger) = (Account::new(), [Device::new(), Device::new()], Device::new());
        let handle = create(log, &owner, &devices);
        append(log, handle, &cells(10), 0);
        let before = account(log, handle);
        assert_eq!(delivered(log, handle, &devices[0], 10), 0);
        assert_eq!(delivered(log, handle, &stranger, 10), 0);
        assert_eq!(held(log, handle), 10);
        assert_eq!(delivered(log, handle, &devices[1], 4), 4);
        assert_eq!((held(log, handle), account(log, handle).dropped), (6, 4));
        // Saying less than before takes nothing back, and saying more than there is counts for what there is.
        assert_eq!(delivered(log, handle, &devices[1], 2), 0);
        assert_eq!(delivered(log, handle, &devices[1], 99), 6);
        let after = account(log, handle);
        assert_eq!((after.cursor, after.head, after.dropped), (before.cursor, before.head, 10));
        assert_eq!(after.used_bytes, before.used_bytes - 10 * 1024);
        // The next ones have their own places.
        assert_eq!(append(log, handle, &cells(1), 0).accepted[0].cursor, 11);
        assert_eq!(held(log, handle), 1);
    });
}

#[test]
fn a_mailbox_waits_for_a_device_that_was_added_and_not_for_one_that_was_taken_off() {
    each(|log| {
        let (owner, devices) = (Account::new(), [Device::new(), Device::new()]);
        let handle = create(log, &owner, &devices[..1]);
        append(log, handle, &cells(3), 0);
        one(log, Change::Admit { handle, by: devices[0].hash(), key: devices[1].hash() });
        assert_eq!(delivered(log, handle, &devices[0], 3), 0);
        let list = owner.next_list(&account(log, handle).list, &devices[..1]);
        assert!(matches!(one(log, Change::SetList { handle, list }), Changed::ListSet { .. }));
        assert_eq!(delivered(log, handle, &devices[0], 3), 3);
    });
}

#[test]
fn a_mailbox_forgets_what_is_old_from_the_beginning_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    let mut log = SqliteLog::open(&path, Generation([1; 16])).unwrap();
    let handle = create(&mut log, &Account::new(), &[]);
    append(&mut log, handle, &cells(3), 0);
    // From a time when no day was kept: they are as old as the change of mode.
    log.date().unwrap();
    append(&mut log, handle, &cells(7), 0);
    let today = caro_relay::log::sqlite::today();
    assert_eq!(log.expire(today).unwrap(), (0, false));
    let other = rusqlite::Connection::open(&path).unwrap();
    let old = "UPDATE entry SET day = day - 30 WHERE (place & 255) <= 5 OR (place & 255) = 9";
    other.execute_batch(old).unwrap();
    assert_eq!(log.expire(today - 29).unwrap(), (5, false));
    assert_eq!((held(&mut log, handle), account(&mut log, handle).dropped), (5, 5));
    assert_eq!(log.expire(today - 29).unwrap(), (0, false));
    // A whole account, and more of it than one transaction takes.
    let many = create(&mut log, &Account::new(), &[]);
    for _ in 0..5 {
        append(&mut log, many, &cells(1_000), 0);
    }
    let (first, more) = log.expire(today + 1).unwrap();
    assert!(more && first < 5_005, "{first}");
    let (second, more) = log.expire(today + 1).unwrap();
    assert!(!more);
    assert_eq!((first + second, held(&mut log, many)), (5_005, 0));
    drop(log);
    assert!(verify::verify(&path).unwrap().is_sound());
}
