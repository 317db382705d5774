//! Damage in one account: the others are written as if it were not there.

use std::sync::Arc;

use caro_link::{identity::Signer, proof};
use caro_relay::{
    log::{
        Change, Changed, Log, LogError,
        sqlite::{SqliteLog, verify},
    },
    quota::Quota,
    store::{self, Job, Notary, Outcome, Ticket, Work},
};
use caro_schema::id::{Generation, Handle};

use crate::support::{Account, Served, cell};

const LIFE: Generation = Generation([1; 16]);

fn create(log: &mut dyn Log) -> Handle {
    let account = Account::new();
    let list = account.first_list(&[]);
    let change = Change::Create { account: account.public(), list, accounts_max: 100, invitation: None };
    assert!(matches!(log.commit(vec![change]).unwrap()[..], [Changed::Created(_)]));
    account.handle()
}

fn push(handle: Handle) -> Work {
    let cell = cell(1_024);
    Work::Change(Change::Append { handle, cells: vec![(proof::cell_id(&cell), cell)], quota: Quota::default() })
}

/// Six pushes in one group, every second one to the account that was damaged.
fn one_account_is_damaged(log: &mut dyn Log, damage: impl FnOnce(&Handle)) -> Vec<Handle> {
    let handles = [create(log), create(log), create(log)];
    damage(&handles[1]);
    let notary = Notary::new(Arc::new(Signer::from_seed(&[7; 32])), LIFE);
    let order = [0, 1, 2, 1, 0, 1];
    let jobs = order.iter().zip(1..).map(|(at, ticket)| Job { ticket: Ticket(ticket), work: push(handles[*at]) });
    let batch = store::write(log, &notary, jobs.collect());
    assert_eq!(batch.done.len(), 6);
    for done in &batch.done {
        let at = order[usize::try_from(done.ticket.0).unwrap() - 1];
        match &done.outcome {
            Ok(Outcome::Changed(Changed::Appended(appended), _)) => assert!(at != 1 && appended.accepted.len() == 1),
            Err(LogError::Damaged) => assert_eq!(at, 1),
            _ => panic!("another outcome of {at}"),
        }
    }
    // Whoever follows one of the others is sent what is new, with the position after it.
    let mut advanced: Vec<(Handle, u64)> =
        batch.advanced.iter().map(|advanced| (advanced.handle, advanced.position.cursor)).collect();
    advanced.sort();
    let mut expected = vec![(handles[0], 2), (handles[2], 1)];
    expected.sort();
    assert!(advanced == expected);
    for (handle, cursor) in expected {
        assert_eq!(log.account(&handle).unwrap().unwrap().cursor, cursor);
    }
    assert_eq!(log.account(&handles[1]).err(), Some(LogError::Damaged));
    handles.to_vec()
}

#[test]
fn trap_34_an_account_that_is_damaged_does_not_keep_others_from_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    let mut log = SqliteLog::open(&path, LIFE).unwrap();
    one_account_is_damaged(&mut log, |handle| {
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute("UPDATE account SET added = x'00' WHERE handle = ?1", [handle.as_bytes()]).unwrap();
    });
    drop(log);
    assert_eq!(verify::verify(&path).unwrap().entries, 3);
    let Some(served) = Served::start("an account that is damaged in a server") else { return };
    one_account_is_damaged(&mut served.log(), |handle| {
        let hex = handle.hex();
        served.server.sql(&format!(
            "UPDATE caro_relay.account SET added = decode('00', 'hex') WHERE handle = decode('{hex}', 'hex')"
        ));
    });
    assert_eq!(served.server.sql("SELECT count(*) FROM caro_relay.entry"), "3");
}
