//! Files that must not be used, and are kept.

use super::*;

/// A database with something in it, closed in order.
fn filled(folder: &TempDir) {
    let mut store = open(folder);
    let rows: Vec<Write> = (0..400).map(|n| row(Space::Op, &format!("op {n}"), &"x".repeat(500))).collect();
    store.commit(&rows).unwrap();
    store.commit(&[Write::Block(1, Some(vec![record(1, "ls")])), row(Space::State, "a", "1")]).unwrap();
    store.checkpoint().unwrap();
}

fn refused(folder: &TempDir, seed: u8) -> StoreError {
    let before = files(folder.path());
    let error = Store::open(&database(folder), key(seed)).err().expect("refused");
    let after = files(folder.path());
    for (path, bytes) in &before {
        assert!(after.iter().any(|(other, now)| other == path && now == bytes), "{} was touched", path.display());
    }
    error
}

#[test]
fn trap_22_another_key_is_refused_before_anything_is_touched() {
    let folder = folder();
    filled(&folder);
    let error = refused(&folder, 2);
    assert_eq!(error, StoreError::OtherKey);
    assert!(error.advice().contains("nothing was touched"));
    assert_eq!(value(&open(&folder), Space::State, "a").as_deref(), Some("1"));
}

#[test]
fn trap_22_another_key_is_refused_after_a_crash_too_and_the_log_stays() {
    let folder = folder();
    let mut store = open(&folder);
    store.commit(&[row(Space::State, "a", "1")]).unwrap();
    drop(store);
    assert!(fs::metadata(folder.path().join("caro.db-wal")).unwrap().len() > 0, "the log has it");
    assert_eq!(refused(&folder, 2), StoreError::OtherKey);
    assert_eq!(value(&open(&folder), Space::State, "a").as_deref(), Some("1"));
}

#[test]
fn trap_53_a_newer_layout_is_refused_and_kept() {
    let folder = folder();
    filled(&folder);
    raw(&folder).pragma_update(None, "user_version", 99).unwrap();
    let error = refused(&folder, 1);
    assert_eq!(error, StoreError::Newer { found: 99, known: migrate::newest(migrate::ALL) });
    assert!(error.to_string().contains("newer version"), "{error}");
    assert!(error.advice().contains("install"));
}

#[test]
fn a_file_of_something_else_is_refused_and_kept() {
    for content in [&b"not a database at all, but long enough to look at"[..], &[0; 5000]] {
        let folder = folder();
        fs::write(database(&folder), content).unwrap();
        assert_eq!(refused(&folder, 1), StoreError::Foreign);
    }
    let folder = folder();
    raw(&folder).execute_batch("CREATE TABLE history (command TEXT)").unwrap();
    assert_eq!(refused(&folder, 1), StoreError::Foreign);
}

#[test]
fn an_empty_file_is_a_database_that_was_never_begun() {
    let folder = folder();
    fs::write(database(&folder), b"").unwrap();
    open(&folder).commit(&[row(Space::State, "a", "1")]).unwrap();
}

#[test]
fn a_damaged_page_is_found_at_the_start_and_the_file_is_kept() {
    let folder = folder();
    filled(&folder);
    let good = fs::read(database(&folder)).unwrap();
    let pages = good.len() / 4096;
    assert!(pages > 40);
    let mut found = 0;
    for page in 0..pages {
        let mut bad = good.clone();
        // The head of a page says what is in it.
        for byte in &mut bad[page * 4096..page * 4096 + 16] {
            *byte ^= 0x5a;
        }
        fs::write(database(&folder), &bad).unwrap();
        match refused_or_whole(&folder) {
            Some(StoreError::Damaged(_) | StoreError::Foreign) => found += 1,
            Some(other) => panic!("page {page}: {other}"),
            None => {}
        }
    }
    assert_eq!(found, pages, "all of them");
    fs::write(database(&folder), &good).unwrap();
    assert_eq!(open(&folder).verify(), Ok(vec![]));
}

fn refused_or_whole(folder: &TempDir) -> Option<StoreError> {
    let before = fs::read(database(folder)).unwrap();
    let error = Store::open(&database(folder), key(1)).err()?;
    assert!(fs::read(database(folder)).unwrap() == before, "it was touched: {error}");
    Some(error)
}

/// Above the size that is checked whole, only what history is read from is, unless the file was not closed in order.
#[test]
fn a_large_file_is_checked_in_part_and_whole_after_a_crash() {
    let folder = folder();
    let mut store = open(&folder);
    let cells: Vec<Write> = (0..40).map(|n| Write::Queue(1, n, Some(vec![7; 1_000_000]))).collect();
    store.commit(&cells).unwrap();
    store.commit(&[Write::Block(1, Some(vec![record(1, "ls")]))]).unwrap();
    store.checkpoint().unwrap();
    drop(store);
    let root = |table: &str| -> i64 {
        raw(&folder).query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [table], |row| row.get(0)).unwrap()
    };
    let (queue, blocks) = (root("queue"), root("blocks"));
    let good = fs::read(database(&folder)).unwrap();
    let damaged = |page: i64| {
        let mut bad = good.clone();
        bad[usize::try_from(page - 1).unwrap() * 4096] ^= 0x5a;
        fs::write(database(&folder), bad).unwrap();
    };
    damaged(blocks);
    assert!(matches!(refused(&folder, 1), StoreError::Damaged(_)));
    damaged(queue);
    let store = open(&folder);
    assert!(!matches!(store.verify(), Ok(problems) if problems.is_empty()));
    drop(store);
    // A log that was left, whatever is in it, says that the file was not closed in order.
    fs::write(folder.path().join("caro.db-wal"), [0; 100]).unwrap();
    assert!(matches!(refused(&folder, 1), StoreError::Damaged(_)));
}

#[test]
fn trap_34_a_log_that_was_left_is_on_the_disk_before_anything_else_is_written() {
    let folder = folder();
    open(&folder).commit(&[row(Space::State, "a", "1")]).unwrap();
    let log = || fs::metadata(folder.path().join("caro.db-wal")).unwrap().len();
    assert!(log() > 0);
    let store = open(&folder);
    assert_eq!((log(), value(&store, Space::State, "a").as_deref()), (0, Some("1")));
}

#[test]
fn a_file_that_was_cut_is_refused_and_kept() {
    let folder = folder();
    filled(&folder);
    let good = fs::read(database(&folder)).unwrap();
    for length in [1, 50, 100, 4095, 4096, 8192, good.len() / 2, good.len() - 4096] {
        fs::write(database(&folder), &good[..length]).unwrap();
        let error = refused(&folder, 1);
        assert!(matches!(error, StoreError::Damaged(_) | StoreError::Foreign), "{length}: {error}");
        assert!(!error.advice().is_empty());
    }
}

#[test]
fn a_database_that_lost_its_fingerprint_is_damaged() {
    let folder = folder();
    filled(&folder);
    raw(&folder).execute("DELETE FROM meta", []).unwrap();
    assert!(matches!(refused(&folder, 1), StoreError::Damaged(_)));
}

#[test]
fn trap_18_a_link_in_the_place_of_the_file_is_not_followed() {
    let (folder, elsewhere) = (folder(), folder());
    filled(&elsewhere);
    std::os::unix::fs::symlink(database(&elsewhere), database(&folder)).unwrap();
    assert!(matches!(refused(&folder, 1), StoreError::Unopened(_)));
    // One of the folders above may be: people keep their home where they like.
    let linked = folder.path().join("linked");
    std::os::unix::fs::symlink(elsewhere.path(), &linked).unwrap();
    Store::open(&linked.join(FILE_NAME), key(1)).expect("it opens");
}

#[test]
fn trap_55_a_second_store_is_refused_while_the_first_has_the_file() {
    let folder = folder();
    let mut first = open(&folder);
    first.commit(&[row(Space::State, "a", "1")]).unwrap();
    assert_eq!(Store::open(&database(&folder), key(1)).err(), Some(StoreError::Busy));
    first.commit(&[row(Space::State, "a", "2")]).unwrap();
    drop(first);
    assert_eq!(value(&open(&folder), Space::State, "a").as_deref(), Some("2"));
}

#[test]
fn the_settings_that_promises_rest_on_are_in_force() {
    for (journal, mode, synchronous) in [(Journal::Wal, "wal", 2), (Journal::Rollback, "delete", 3)] {
        let folder = folder();
        let store = Store::open_as(database(&folder), key(1), migrate::ALL, journal).unwrap();
        let ask = |connection: &mut Connection| {
            let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            let text = |name| connection.pragma_query_value(None, name, |row| row.get::<_, String>(0));
            assert_eq!(text("journal_mode")?, mode);
            assert_eq!(text("locking_mode")?, "exclusive");
            let numbers = ["synchronous", "secure_delete", "auto_vacuum", "fullfsync", "trusted_schema", "temp_store"];
            assert_eq!(numbers.map(number).map(Result::unwrap), [synchronous, 1, 2, 1, 0, 2]);
            Ok(())
        };
        store.with(ask).unwrap();
    }
}

#[test]
fn trap_31_a_folder_that_moved_to_a_network_changes_its_journal_and_keeps_its_rows() {
    let folder = folder();
    let begin = |journal| Store::open_as(database(&folder), key(1), migrate::ALL, journal).expect("it opens");
    for (round, journal) in [Journal::Wal, Journal::Rollback, Journal::Wal].into_iter().enumerate() {
        let mut store = begin(journal);
        store.commit(&[row(Space::State, &round.to_string(), "kept")]).unwrap();
    }
    assert_eq!(begin(Journal::Wal).rows(Space::State).unwrap().len(), 3);
}
