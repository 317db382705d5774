//! Several handles on one database at once: cursors, quotas and counts hold for all of them together.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use caro_link::proof;
use caro_relay::{
    limits::ENTRY_BYTES,
    log::{Appended, Change, Changed, Log, LogReader, Room},
    quota::Quota,
};
use caro_schema::{
    id::{CellId, Handle, Hash},
    relay::Entry,
};
use serde_bytes::ByteBuf;

use crate::support::{Account, Served, cell};

const PLENTY: Room = Room { bytes: usize::MAX, entries: usize::MAX };

fn create(log: &mut dyn Log, account: &Account) -> Handle {
    let list = account.first_list(&[]);
    let change = Change::Create { account: account.public(), list, accounts_max: 100, invitation: None };
    let changed = log.commit(vec![change]).unwrap();
    assert!(matches!(changed[0], Changed::Created(_)));
    account.handle()
}

fn named(cells: &[ByteBuf]) -> Vec<(CellId, ByteBuf)> {
    cells.iter().map(|cell| (proof::cell_id(cell), cell.clone())).collect()
}

fn append(log: &mut dyn Log, changes: Vec<(Handle, Vec<ByteBuf>)>, quota: Quota) -> Vec<Appended> {
    let changes = changes.into_iter().map(|(handle, cells)| Change::Append { handle, cells: named(&cells), quota });
    log.commit(changes.collect())
        .unwrap()
        .into_iter()
        .map(|changed| match changed {
            Changed::Appended(appended) => appended,
            _ => panic!("not appended"),
        })
        .collect()
}

#[test]
fn trap_05_no_reader_anywhere_sees_a_cursor_before_the_last_however_many_write() {
    const WRITERS: usize = 6;
    const ROUNDS: usize = 25;
    let Some(served) = Served::start("many writers on several accounts, and readers beside them") else { return };
    let handles: Vec<Handle> = {
        let mut log = served.log();
        (0..3).map(|_| create(&mut log, &Account::new())).collect()
    };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = handles
            .iter()
            .map(|handle| {
                let (served, done) = (&served, &done);
                scope.spawn(move || follow(served, *handle, done))
            })
            .collect();
        let writers: Vec<_> = (0..WRITERS)
            .map(|n| {
                let (served, handles) = (&served, &handles);
                scope.spawn(move || {
                    let mut log = served.log();
                    for round in 0..ROUNDS {
                        // In another order each time: none may wait for the other in a circle.
                        let order: Vec<Handle> = (0..3).map(|at| handles[(at + n + round) % 3]).collect();
                        let pushes = order.into_iter().map(|handle| (handle, vec![cell(1024), cell(1024)])).collect();
                        append(&mut log, pushes, Quota::default());
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            assert_eq!(reader.join().unwrap(), 2 * WRITERS * ROUNDS);
        }
    });
    let report = served.verify();
    assert!(report.is_sound() && report.entries == (3 * 2 * WRITERS * ROUNDS) as u64, "{report:?}");
    assert!(!served.server.log().contains("deadlock"), "{}", served.server.log());
}

/// Reads on until everything has come; each stretch begins where the one before ended, and its head is the chain's.
fn follow(served: &Served, handle: Handle, done: &AtomicBool) -> usize {
    let mut reader = served.reader();
    let (mut cursor, mut head, mut seen) = (0, Hash([0; 32]), HashSet::new());
    loop {
        let last = done.load(Ordering::Acquire);
        let stretch = reader.stretch(&handle, cursor, PLENTY).unwrap().expect("an account");
        assert_eq!(stretch.end, cursor + stretch.entries.len() as u64, "an end before its entries");
        for entry in &stretch.entries {
            let Entry::Cell(cell) = entry else { panic!("a cell") };
            let id = proof::cell_id(cell);
            cursor += 1;
            head = proof::chain_head(&head, cursor, &id);
            assert!(seen.insert(id), "a cell twice");
        }
        assert_eq!(stretch.head, head);
        if last && stretch.entries.is_empty() {
            return seen.len();
        }
    }
}

#[test]
fn trap_09_what_is_pushed_to_two_at_once_has_one_cursor() {
    let Some(served) = Served::start("the same cells pushed to two relays at once") else { return };
    let handle = create(&mut served.log(), &Account::new());
    let cells: Vec<ByteBuf> = (0..40).map(|_| cell(1024)).collect();
    let both: Vec<Vec<u64>> = thread::scope(|scope| {
        let pushes: Vec<_> = (0..2)
            .map(|_| {
                let (served, cells) = (&served, &cells);
                scope.spawn(move || {
                    let mut log = served.log();
                    let each = cells.chunks(4).flat_map(|some| {
                        let appended = append(&mut log, vec![(handle, some.to_vec())], Quota::default());
                        appended[0].accepted.iter().map(|accepted| accepted.cursor).collect::<Vec<_>>()
                    });
                    each.collect()
                })
            })
            .collect();
        pushes.into_iter().map(|push| push.join().unwrap()).collect()
    });
    assert_eq!(both[0], both[1]);
    assert_eq!(served.verify().entries, 40);
}

#[test]
fn a_res_04_a_quota_holds_to_the_byte_for_all_relays_together() {
    let Some(served) = Served::start("a quota over two relays") else { return };
    let handle = create(&mut served.log(), &Account::new());
    let quota = Quota { bytes: 30 * (1024 + ENTRY_BYTES), cells: 0 };
    let taken: usize = thread::scope(|scope| {
        let pushes: Vec<_> = (0..4)
            .map(|_| {
                let served = &served;
                scope.spawn(move || {
                    let mut log = served.log();
                    (0..20)
                        .map(|_| append(&mut log, vec![(handle, vec![cell(1024)])], quota)[0].fresh.len())
                        .sum::<usize>()
                })
            })
            .collect();
        pushes.into_iter().map(|push| push.join().unwrap()).sum()
    });
    assert_eq!(taken, 30);
    assert_eq!(served.log().account(&handle).unwrap().unwrap().used_bytes, quota.bytes);
}

#[test]
fn there_are_never_more_accounts_than_may_be_and_an_invitation_is_used_once() {
    let Some(served) = Served::start("accounts made at two relays at once") else { return };
    let invitation = Hash([5; 32]);
    served.log().invite(&invitation, "", None, 1).unwrap();
    let made = |accounts_max: u64, invitation: Option<Hash>| -> usize {
        thread::scope(|scope| {
            let makers: Vec<_> = (0..4)
                .map(|_| {
                    let served = &served;
                    scope.spawn(move || {
                        let mut log = served.log();
                        let make = |account: Account| {
                            let (list, account) = (account.first_list(&[]), account.public());
                            Change::Create { account, list, accounts_max, invitation }
                        };
                        let changed = log.commit((0..3).map(|_| make(Account::new())).collect()).unwrap();
                        changed.iter().filter(|changed| matches!(changed, Changed::Created(_))).count()
                    })
                })
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).sum()
        })
    };
    assert_eq!(made(100, Some(invitation)), 1);
    assert_eq!(made(6, None), 5);
    assert_eq!(served.verify().accounts, 6);
}

#[test]
fn what_a_closed_account_left_goes_bit_by_bit_and_its_maker_may_come_again() {
    let Some(served) = Served::start("a closed account's cells") else { return };
    let mut log = served.log();
    let owner = Account::new();
    let handle = create(&mut log, &owner);
    for _ in 0..5 {
        append(&mut log, vec![(handle, (0..1_000).map(|_| cell(1024)).collect())], Quota::default());
    }
    assert!(matches!(log.commit(vec![Change::Close { handle }]).unwrap()[0], Changed::Closed));
    create(&mut log, &owner);
    append(&mut log, vec![(handle, vec![cell(1024)])], Quota::default());
    assert!(served.verify().is_sound());
    while served.server.sql("SELECT count(*) FROM caro_relay.leaving") != "0" {
        log.settle().unwrap();
    }
    assert_eq!(served.server.sql("SELECT count(*) FROM caro_relay.entry"), "1");
    assert!(served.verify().is_sound());
}

#[test]
fn verify_finds_what_was_changed_behind_the_relays_back() {
    let Some(served) = Served::start("verify on PostgreSQL") else { return };
    let mut log = served.log();
    let handle = create(&mut log, &Account::new());
    append(&mut log, vec![(handle, (0..10).map(|_| cell(1024)).collect())], Quota::default());
    assert!(served.verify().is_sound());
    for (tampering, word) in [
        (
            "UPDATE caro_relay.entry SET cell = decode(repeat('00', 1024), 'hex') WHERE cursor = 10",
            "does not have the bytes",
        ),
        (
            "UPDATE caro_relay.entry SET head = decode(repeat('00', 32), 'hex') WHERE cursor = 1",
            "the chain is broken at entry 1",
        ),
        ("DELETE FROM caro_relay.entry WHERE cursor = 4", "entry 4 is missing"),
        ("DELETE FROM caro_relay.entry WHERE cursor = 10", "the log ends at 9, the account says 10"),
        ("UPDATE caro_relay.account SET used_bytes = 0", "bytes are held"),
        ("UPDATE caro_relay.account SET list_signature = decode(repeat('00', 64), 'hex')", "not signed by the account"),
        ("UPDATE caro_relay.account SET handle = decode(repeat('00', 16), 'hex')", "the handle is not the key's"),
        ("DELETE FROM caro_relay.account", "10 entries belong to no account"),
    ] {
        served.server.sql("CREATE SCHEMA kept; CREATE TABLE kept.entry AS TABLE caro_relay.entry; CREATE TABLE kept.account AS TABLE caro_relay.account");
        served.server.sql(tampering);
        let report = served.verify();
        assert!(report.faults.iter().any(|fault| fault.contains(word)), "{tampering}: {:?}", report.faults);
        assert!(!format!("{report:?}").contains(&handle.hex()));
        served.server.sql(
            "DELETE FROM caro_relay.entry; DELETE FROM caro_relay.account;
             INSERT INTO caro_relay.account OVERRIDING SYSTEM VALUE TABLE kept.account;
             INSERT INTO caro_relay.entry TABLE kept.entry; DROP SCHEMA kept CASCADE",
        );
    }
    // What has rotted is not given to anybody, and whoever has it heals it.
    served.server.sql("UPDATE caro_relay.entry SET cell = decode(repeat('00', 1000), 'hex') WHERE cursor = 3");
    let whole = cell(1024);
    append(&mut log, vec![(handle, vec![whole.clone()])], Quota::default());
    let stretch = log.stretch(&handle, 2, PLENTY).unwrap().unwrap();
    assert!(
        matches!(stretch.entries[0], Entry::Gone(_))
            && stretch.entries[1..].iter().all(|e| matches!(e, Entry::Cell(_)))
    );
    served.server.sql("UPDATE caro_relay.entry SET cell = decode(repeat('00', 1000), 'hex') WHERE cursor = 11");
    let again = append(&mut log, vec![(handle, vec![whole.clone()])], Quota::default());
    assert_eq!((again[0].accepted[0].cursor, again[0].fresh.len()), (11, 0));
    assert_eq!(log.stretch(&handle, 10, PLENTY).unwrap().unwrap().entries, [Entry::Cell(whole)]);
}
