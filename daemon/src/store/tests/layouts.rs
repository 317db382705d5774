//! From one layout to the next, and back when it fails.

use super::{migrate::Migration, *};

/// A second layout whose second half cannot be made.
const FAILING: &[Migration] = &[
    Migration { to: 1, sql: include_str!("../../../migrations/0001_store.sql") },
    Migration { to: 2, sql: "ALTER TABLE blocks ADD COLUMN newest INTEGER; CREATE TABLE more (a) NO SUCH WORD" },
];

/// Two more layouts, as later versions might have them.
const GOOD: &[Migration] = &[
    Migration { to: 1, sql: include_str!("../../../migrations/0001_store.sql") },
    Migration { to: 2, sql: "ALTER TABLE blocks ADD COLUMN newest INTEGER" },
    Migration { to: 3, sql: "CREATE TABLE more (a INTEGER) STRICT" },
];

fn filled(folder: &TempDir) {
    let mut store = open(folder);
    store.commit(&[Write::Block(1, Some(vec![record(1, "ls")])), row(Space::State, "a", "1")]).unwrap();
}

fn layout(folder: &TempDir) -> i64 {
    raw(folder).pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

#[test]
fn r003_a_migration_keeps_all_rows_and_a_copy_from_before() {
    let folder = folder();
    filled(&folder);
    let store = Store::open_with(&database(&folder), key(1), GOOD).unwrap();
    assert_eq!(value(&store, Space::State, "a").as_deref(), Some("1"));
    assert!(store.block(1).unwrap() == [record(1, "ls")]);
    let copies = store.copies();
    assert_eq!(copies, [fs::canonicalize(folder.path()).unwrap().join("caro.db.layout-1")]);
    drop(store);
    assert_eq!(layout(&folder), 3);
    // The copy is what the older program wrote, and it can use it.
    let restored = tempfile::tempdir().unwrap();
    fs::copy(&copies[0], database(&restored)).unwrap();
    let store = open(&restored);
    assert_eq!(value(&store, Space::State, "a").as_deref(), Some("1"));
    assert_eq!(store.verify(), Ok(vec![]));
    // And the older program does not touch the newer file.
    assert_eq!(Store::open(&database(&folder), key(1)).err(), Some(StoreError::Newer { found: 3, known: 1 }));
}

#[test]
fn r003_a_copy_is_closed_to_others_and_holds_nothing_in_the_clear() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    filled(&folder);
    let store = Store::open_with(&database(&folder), key(1), GOOD).unwrap();
    let mode = fs::metadata(&store.copies()[0]).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode, is_anywhere(folder.path(), b"/home/ada")), (0o600, false));
    assert!(!folder.path().join("caro.db.copy").exists());
}

#[test]
fn r003_a_migration_that_fails_leaves_the_database_to_the_program_that_wrote_it() {
    let folder = folder();
    filled(&folder);
    for _ in 0..2 {
        let error = Store::open_with(&database(&folder), key(1), FAILING).err().expect("it fails");
        assert!(matches!(error, StoreError::Refused(_)), "{error}");
        assert_eq!(layout(&folder), 1);
        let columns: i64 =
            raw(&folder).query_row("SELECT count(*) FROM pragma_table_info('blocks')", [], |row| row.get(0)).unwrap();
        assert_eq!(columns, 2, "not even the part that worked");
        let store = open(&folder);
        assert_eq!(value(&store, Space::State, "a").as_deref(), Some("1"));
        assert_eq!(store.verify(), Ok(vec![]));
    }
}

#[test]
fn r003_without_room_for_the_copy_nothing_is_migrated() {
    let folder = folder();
    filled(&folder);
    // Something that cannot be replaced stands in the copy's way.
    fs::create_dir(folder.path().join("caro.db.copy")).unwrap();
    fs::write(folder.path().join("caro.db.copy/in"), b"").unwrap();
    Store::open_with(&database(&folder), key(1), GOOD).err().expect("refused");
    assert_eq!(layout(&folder), 1);
}

#[test]
fn ds001_what_is_deleted_does_not_live_on_in_a_copy() {
    let folder = folder();
    filled(&folder);
    let mut store = Store::open_with(&database(&folder), key(1), GOOD).unwrap();
    store.commit(&[row(Space::State, "a", "2"), no_row(Space::State, "b")]).unwrap();
    assert_eq!(store.copies().len(), 1, "writing alone is no deletion");
    drop(store);
    let mut store = Store::open_with(&database(&folder), key(1), GOOD).unwrap();
    store.commit(&[row(Space::Tombstone, "id", "")]).unwrap();
    assert_eq!(store.copies(), Vec::<PathBuf>::new());
}

#[test]
fn a_new_database_is_begun_in_the_newest_layout_without_a_copy() {
    let folder = folder();
    let store = Store::open_with(&database(&folder), key(1), GOOD).unwrap();
    assert_eq!(store.copies(), Vec::<PathBuf>::new());
    drop(store);
    assert_eq!(layout(&folder), 3);
}

#[test]
fn migrations_are_numbered_without_gaps() {
    for migrations in [migrate::ALL, GOOD] {
        let numbers: Vec<i64> = migrations.iter().map(|migration| migration.to).collect();
        assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>());
    }
}
