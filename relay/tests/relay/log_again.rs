//! A log that is opened again while its relay runs: after a disk or a server has failed, what was there may be elsewhere.

use std::{fs, path::Path, sync::atomic::AtomicU64};

use caro_relay::log::{
    Change, Changed, Log,
    keep::{InFolder, InServer, Storage},
    sqlite::SqliteLog,
};
use caro_schema::id::{Generation, Handle};

use crate::support::{Account, Served, served::IDENTITY};

const LIFE: Generation = Generation([1; 16]);

fn create(log: &mut (impl Log + ?Sized)) -> Handle {
    let account = Account::new();
    let list = account.first_list(&[]);
    let change = Change::Create { account: account.public(), list, accounts_max: 100, invitation: None };
    assert!(matches!(log.commit(vec![change]).unwrap()[..], [Changed::Created(_)]));
    account.handle()
}

fn refused(storage: &dyn Storage, word: &str) {
    let said = storage.writer().err().expect("no handle").to_string();
    assert!(said.contains(word), "{said}");
}

fn served_again(storage: &dyn Storage, handle: &Handle) {
    let mut log = storage.writer().unwrap();
    assert!(log.generation() == LIFE && log.account(handle).unwrap().is_some());
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

/// A volume that failed is taken away, and the folder on which it was mounted is there and empty.
#[test]
fn trap_34_no_database_is_made_where_the_one_that_failed_is_not_any_more() {
    let temporary = tempfile::tempdir().unwrap();
    let (mounted, away) = (temporary.path().join("mounted"), temporary.path().join("away"));
    fs::create_dir(&mounted).unwrap();
    let database = mounted.join("relay.db");
    let handle = create(&mut SqliteLog::open(&database, LIFE).unwrap());
    let storage = InFolder { database: database.clone(), generation: LIFE, dated: true, free_min: AtomicU64::new(0) };
    served_again(&storage, &handle);
    fs::rename(&mounted, &away).unwrap();
    fs::create_dir(&mounted).unwrap();
    refused(&storage, "not there any more");
    assert!(names(&mounted).is_empty());
    fs::remove_dir(&mounted).unwrap();
    refused(&storage, "not there any more");
    fs::create_dir(&mounted).unwrap();
    fs::write(&database, "").unwrap();
    refused(&storage, "not there any more");
    assert_eq!((names(&mounted), fs::read(&database).unwrap()), (vec!["relay.db".to_owned()], Vec::new()));
    // Somebody else's is not written to, not even the day of its cells.
    let other = SqliteLog::open(&temporary.path().join("other.db"), Generation([2; 16])).unwrap();
    drop(other);
    fs::rename(temporary.path().join("other.db"), &database).unwrap();
    refused(&storage, "another database");
    fs::remove_dir_all(&mounted).unwrap();
    fs::rename(&away, &mounted).unwrap();
    served_again(&storage, &handle);
}

#[test]
fn trap_34_nothing_is_made_in_a_server_that_comes_back_without_the_database() {
    let Some(served) = Served::start("a server that comes back without the database") else { return };
    let (storage, mut log) = InServer::open(served.source.clone(), IDENTITY, LIFE, true, 2).unwrap();
    let handle = create(&mut log);
    served_again(&*storage, &handle);
    // As a standby that never had it, or a cluster that was made anew under the same address.
    served.server.sql("ALTER SCHEMA caro_relay RENAME TO away");
    refused(&*storage, "not there any more");
    served.server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()");
    let change = Change::Close { handle };
    assert!(log.commit(vec![change]).is_err(), "the handle that was open makes nothing either");
    assert_eq!(served.server.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'caro_relay'"), "0");
    served.server.sql("ALTER SCHEMA away RENAME TO caro_relay");
    served_again(&*storage, &handle);
}
