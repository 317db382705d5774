//! Nothing can be read in the files, altered or moved without being found out, or found after it was deleted.

use super::*;

#[test]
fn trap_28_nothing_recorded_is_in_any_file_in_the_clear() {
    let folder = folder();
    let mut store = open(&folder);
    let canaries = ["canary-command", "canary-directory", "canary-key", "canary-value", "canary-cell", "/home/ada"];
    let mut recorded = record(1, "echo canary-command");
    recorded.directory = b"/canary-directory".to_vec().into();
    store
        .commit(&[
            Write::Block(1, Some(vec![recorded, record(2, "ls")])),
            row(Space::State, "canary-key", "canary-value"),
            row(Space::Spool, "canary-key", ""),
            Write::Queue(1, 1, Some(b"canary-cell".to_vec())),
        ])
        .unwrap();
    for moment in ["in the log", "in the file"] {
        assert!(is_anywhere(folder.path(), b"sealed"), "the search finds what is there");
        for canary in canaries {
            assert!(!is_anywhere(folder.path(), canary.as_bytes()), "{canary} {moment}");
        }
        store.checkpoint().unwrap();
    }
}

#[test]
fn trap_20_what_was_deleted_is_not_in_any_file_even_sealed() {
    for journal in [Journal::Wal, Journal::Rollback] {
        let folder = folder();
        let begin = || Store::open_as(database(&folder), key(1), migrate::ALL, journal).expect("it opens");
        let mut store = begin();
        let long = "x".repeat(20_000);
        store
            .commit(&[
                Write::Block(1, Some(vec![record(1, &long)])),
                Write::Block(2, Some(vec![record(2, "goes"), record(3, "stays")])),
                row(Space::Op, "op", &long),
                row(Space::Op, "small", "op"),
                Write::Queue(1, 1, Some(vec![5; 2000])),
            ])
            .unwrap();
        store.checkpoint().unwrap();
        drop(store);
        let sql = "SELECT sealed FROM blocks UNION ALL SELECT sealed FROM rows UNION ALL SELECT sealed FROM queue";
        let read = |connection: &Connection| {
            let mut all = connection.prepare(sql).unwrap();
            let found = all.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
            found.collect::<Result<Vec<_>, _>>().unwrap()
        };
        let sealed = read(&raw(&folder));
        assert_eq!(sealed.len(), 5);
        // Each beginning and end of what was sealed, and pieces between.
        let pieces: Vec<&[u8]> = sealed.iter().flat_map(|sealed| sealed.chunks(32).step_by(7)).collect();
        let count = |pieces: &[&[u8]]| pieces.iter().filter(|piece| is_anywhere(folder.path(), piece)).count();
        // A piece that lies on the border of two pages is not found.
        assert!(count(&pieces) * 10 > pieces.len() * 9, "the search finds what is there");
        let mut store = begin();
        store
            .commit(&[
                Write::Block(1, None),
                Write::Block(2, Some(vec![record(3, "stays")])),
                no_row(Space::Op, "op"),
                no_row(Space::Op, "small"),
                Write::Queue(1, 1, None),
            ])
            .unwrap();
        store.checkpoint().unwrap();
        assert_eq!(count(&pieces), 0, "{journal:?}");
    }
}

#[test]
fn trap_28_every_flipped_bit_of_a_row_a_block_and_a_cell_is_refused() {
    let folder = folder();
    let mut store = open(&folder);
    store
        .commit(&[
            Write::Block(1, Some(vec![record(1, "ls")])),
            row(Space::State, "k", "v"),
            Write::Queue(1, 1, Some(b"cell".to_vec())),
        ])
        .unwrap();
    store.checkpoint().unwrap();
    for table in ["rows", "blocks", "queue"] {
        drop(store);
        let sealed: Vec<u8> =
            raw(&folder).query_row(&format!("SELECT sealed FROM {table}"), [], |row| row.get(0)).unwrap();
        store = open(&folder);
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            put_sealed(&store, table, &bad);
            match table {
                "rows" => {
                    assert_eq!(store.row(Space::State, b"k"), Err(RowError), "bit {bit}");
                    let before = store.left_out();
                    assert_eq!((store.rows(Space::State), store.left_out()), (Ok(vec![]), before + 1), "bit {bit}");
                }
                "blocks" => assert!(matches!(store.block(1), Err(StoreError::Row(_))), "bit {bit}"),
                _ => assert_eq!(store.queue(1, 0, 100), Err(RowError), "bit {bit}"),
            }
        }
        assert_eq!(store.verify().unwrap().len(), 1, "{table}");
        put_sealed(&store, table, &sealed);
        assert_eq!(store.verify(), Ok(vec![]), "{table}");
    }
}

/// Past the sealing, through the store's own connection.
fn put_sealed(store: &Store, table: &str, sealed: &[u8]) {
    let put = |connection: &mut Connection| {
        connection.execute(&format!("UPDATE {table} SET sealed = ?1"), [sealed])?;
        Ok(())
    };
    store.with(put).expect("written");
}

#[test]
fn trap_28_rows_blocks_and_cells_that_were_swapped_are_refused() {
    let folder = folder();
    let mut store = open(&folder);
    store
        .commit(&[
            Write::Block(1, Some(vec![record(1, "one")])),
            Write::Block(2, Some(vec![record(2, "two")])),
            row(Space::State, "a", "1"),
            row(Space::State, "b", "2"),
            Write::Queue(1, 1, Some(vec![1])),
            Write::Queue(1, 2, Some(vec![2])),
        ])
        .unwrap();
    // All that is sealed changes places within its table, then the places themselves do.
    let swaps = [
        "UPDATE blocks SET sealed = (SELECT sealed FROM blocks AS other WHERE other.n <> blocks.n)",
        "UPDATE rows SET sealed = (SELECT sealed FROM rows AS other WHERE other.key <> rows.key)",
        "UPDATE queue SET sealed = (SELECT sealed FROM queue AS other WHERE other.n <> queue.n)",
        "UPDATE queue SET remote = 2",
        "UPDATE blocks SET n = n + 10",
        "UPDATE rows SET space = 3",
    ];
    for swap in swaps {
        let swapped = |connection: &mut Connection| {
            let changed = connection.execute(swap, [])?;
            assert_eq!(changed, 2, "{swap}");
            Ok(())
        };
        store.with(swapped).unwrap();
        assert!(!store.verify().unwrap().is_empty(), "{swap}");
        let blocks = store.blocks().unwrap();
        let outcomes = [
            blocks.iter().all(|n| store.block(*n).is_ok()),
            store.rows(Space::State).unwrap().len() + store.rows(Space::Op).unwrap().len() == 2,
            store.queue(1, 0, 100).is_ok_and(|cells| cells.len() == 2),
        ];
        let of_table = ["blocks", "rows", "queue"].map(|table| !swap.starts_with(&format!("UPDATE {table}")));
        assert_eq!(outcomes, of_table, "{swap}");
        store
            .commit(&[
                Write::Block(1, Some(vec![record(1, "one")])),
                Write::Block(2, Some(vec![record(2, "two")])),
                Write::Block(11, None),
                Write::Block(12, None),
                row(Space::State, "a", "1"),
                row(Space::State, "b", "2"),
                Write::Queue(1, 1, Some(vec![1])),
                Write::Queue(1, 2, Some(vec![2])),
                Write::Queue(2, 1, None),
                Write::Queue(2, 2, None),
            ])
            .unwrap();
        store.with(|connection| Ok(connection.execute_batch("DELETE FROM rows WHERE space = 3")?)).unwrap();
        assert_eq!(store.verify(), Ok(vec![]), "{swap}");
    }
}

#[test]
fn trap_21_the_key_of_a_row_cannot_be_guessed_from_the_file() {
    let folder = folder();
    let mut store = open(&folder);
    store.commit(&[row(Space::Tombstone, "ls", "")]).unwrap();
    drop(store);
    let hidden: Vec<u8> = raw(&folder).query_row("SELECT key FROM rows", [], |row| row.get(0)).unwrap();
    // What it is without the store's key.
    for plain in [&b"ls"[..], b"\x02ls"] {
        assert_ne!(hidden, blake3::hash(plain).as_bytes()[..16]);
    }
    assert_ne!(hidden, key(2).row_key(Space::Tombstone as u8, b"ls"));
    assert_eq!(hidden, key(1).row_key(Space::Tombstone as u8, b"ls"));
}

#[test]
fn trap_28_the_files_are_closed_to_others_even_if_they_were_open() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    for round in 0..2 {
        let mut store = open(&folder);
        store.commit(&[row(Space::State, "a", "1")]).unwrap();
        for (path, _) in files(folder.path()) {
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{} in round {round}", path.display());
            fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        }
    }
}

#[test]
fn a_key_that_does_not_fit_the_row_found_under_its_hash_finds_nothing() {
    let folder = folder();
    let mut store = open(&folder);
    store.commit(&[row(Space::State, "a", "1")]).unwrap();
    let (space, hidden) = store.sealer.place(Space::State, b"b");
    let sealed = store.sealer.seal_row(seal::Place::Row(space, hidden), b"another", b"2").unwrap();
    let put = |connection: &mut Connection| {
        connection.execute("INSERT INTO rows VALUES (?1, ?2, ?3)", params![space, hidden, sealed])?;
        Ok(())
    };
    store.with(put).unwrap();
    assert_eq!(value(&store, Space::State, "b"), None);
}
