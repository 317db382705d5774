//! The day on which a cell came, in the mailbox mode, when the clock is behind.

use caro_link::proof;
use caro_relay::{
    log::{Change, Changed, keep::Keep, sqlite::SqliteLog},
    quota::Quota,
};
use caro_schema::id::Generation;

use crate::support::{Account, Served, cell};

/// `days` gives the days that are stored, in order, after they were set where that is asked for.
fn check(open: impl Fn() -> Box<dyn Keep>, days: impl Fn(&str) -> Vec<u32>) {
    let push = |log: &mut dyn Keep| {
        let account = Account::new();
        let (handle, cell) = (account.handle(), cell(1_024));
        let list = account.first_list(&[]);
        let create = Change::Create { account: account.public(), list, accounts_max: 100, invitation: None };
        let cells = vec![(proof::cell_id(&cell), cell)];
        let changed = log.commit(vec![create, Change::Append { handle, cells, quota: Quota::default() }]).unwrap();
        assert!(matches!(changed[..], [Changed::Created(_), Changed::Appended(_)]));
    };
    let mut log = open();
    // One from a time when no day was kept, one of today.
    push(&mut *log);
    log.date().unwrap();
    push(&mut *log);
    drop(log);
    // As on a machine without a clock of its own, which starts forty days before what it has stored.
    let newest = days("").into_iter().max().unwrap() + 40;
    assert_eq!(days(&format!("day = {newest}")), [newest, newest]);
    let mut log = open();
    push(&mut *log);
    log.date().unwrap();
    push(&mut *log);
    assert_eq!(days(""), [newest; 4]);
    // When its clock is put right, thirty days are thirty days.
    assert_eq!(log.expire(newest - 30).unwrap(), (0, false));
}

#[test]
fn a_mailbox_never_dates_a_cell_before_the_newest_that_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    check(
        || Box::new(SqliteLog::open(&path, Generation([1; 16])).unwrap()),
        |set| {
            let other = rusqlite::Connection::open(&path).unwrap();
            if !set.is_empty() {
                other.execute(&format!("UPDATE entry SET {set}"), []).unwrap();
            }
            let mut days = other.prepare("SELECT day FROM entry ORDER BY place").unwrap();
            days.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
        },
    );
    let Some(served) = Served::start("the days of cells on PostgreSQL") else { return };
    check(
        || Box::new(served.log()),
        |set| {
            if !set.is_empty() {
                served.server.sql(&format!("UPDATE caro_relay.entry SET {set}"));
            }
            let days = served.server.sql("SELECT coalesce(string_agg(day::text, ' '), '') FROM caro_relay.entry");
            days.split_whitespace().map(|day| day.parse().unwrap()).collect()
        },
    );
}
