//! What is written comes back, after closing too.

use super::*;

#[test]
fn rows_blocks_and_queue_come_back_after_closing() {
    for journal in [Journal::Wal, Journal::Rollback] {
        let folder = folder();
        let begin = || Store::open_as(database(&folder), key(1), migrate::ALL, journal).expect("it opens");
        let mut store = begin();
        let writes = [
            Write::Block(7, Some(vec![record(1, "ls"), record(2, "make")])),
            Write::Block(3, Some(vec![record(3, "old")])),
            Write::Queue(1, 5, Some(b"cell five".to_vec())),
            row(Space::State, "clock", "now"),
            row(Space::Op, "clock", "another space"),
        ];
        store.commit(&writes).unwrap();
        for round in 0..2 {
            if round == 1 {
                drop(store);
                store = begin();
            }
            assert_eq!(store.blocks(), Ok(vec![3, 7]));
            assert!(store.block(7).unwrap() == [record(1, "ls"), record(2, "make")]);
            assert_eq!(store.queue(1, 0, 1000), Ok(vec![(5, b"cell five".to_vec())]));
            assert_eq!(value(&store, Space::State, "clock").as_deref(), Some("now"));
            assert_eq!(value(&store, Space::Op, "clock").as_deref(), Some("another space"));
            assert_eq!(store.verify(), Ok(vec![]));
            assert_eq!(store.left_out(), 0);
        }
    }
}

#[test]
fn of_two_writes_to_one_place_the_later_counts_and_none_drops() {
    let folder = folder();
    let mut store = open(&folder);
    store.commit(&[row(Space::State, "a", "1"), row(Space::State, "a", "2"), row(Space::State, "b", "3")]).unwrap();
    store.commit(&[no_row(Space::State, "b"), no_row(Space::State, "never there"), Write::Block(1, None)]).unwrap();
    assert_eq!(value(&store, Space::State, "a").as_deref(), Some("2"));
    assert_eq!(value(&store, Space::State, "b"), None);
    assert_eq!(store.rows(Space::State), Ok(vec![(b"a".to_vec(), b"2".to_vec())]));
    store.commit(&[Write::Block(1, Some(vec![record(1, "ls")])), Write::Queue(1, 1, Some(vec![1]))]).unwrap();
    store.commit(&[Write::Block(1, None), Write::Queue(1, 1, None)]).unwrap();
    assert_eq!((store.blocks(), store.queue(1, 0, 10)), (Ok(vec![]), Ok(vec![])));
    assert!(matches!(store.block(1), Err(StoreError::Damaged(_))));
}

#[test]
fn keys_and_values_may_be_empty_and_of_any_bytes() {
    let folder = folder();
    let mut store = open(&folder);
    for (key, value) in [(&b""[..], &b""[..]), (b"\0\xff", b"\xff\0"), (b"k", b""), (&[0; 5000], &[7; 100_000])] {
        store.commit(&[Write::Row(Space::Op, key.to_vec(), Some(value.to_vec()))]).unwrap();
        assert_eq!(store.row(Space::Op, key), Ok(Some(value.to_vec())));
    }
    assert_eq!(store.rows(Space::Op).unwrap().len(), 4);
}

#[test]
fn trap_07_queues_of_two_remotes_share_nothing() {
    let folder = folder();
    let mut store = open(&folder);
    store.commit(&[Write::Queue(1, 1, Some(vec![1])), Write::Queue(2, 1, Some(vec![2]))]).unwrap();
    store.commit(&[Write::Queue(1, 1, None)]).unwrap();
    assert_eq!((store.queue(1, 0, 10), store.queue(2, 0, 10)), (Ok(vec![]), Ok(vec![(1, vec![2])])));
}

#[test]
fn trap_05_a_queue_is_read_in_pages_without_gaps_and_at_least_one_at_a_time() {
    let folder = folder();
    let mut store = open(&folder);
    let writes: Vec<Write> = (1..=9).map(|n| Write::Queue(1, n, Some(vec![0; 100]))).collect();
    store.commit(&writes).unwrap();
    for (bytes_max, pages) in [(0, 9), (1, 9), (100, 9), (199, 9), (200, 5), (299, 5), (300, 3), (900, 1), (901, 1)] {
        let (mut after, mut seen, mut count) = (0, Vec::new(), 0);
        loop {
            let page = store.queue(1, after, bytes_max).unwrap();
            let Some((last, _)) = page.last() else { break };
            after = *last;
            count += 1;
            seen.extend(page.into_iter().map(|(n, _)| n));
        }
        assert_eq!((count, seen), (pages, (1..=9).collect()), "{bytes_max}");
    }
}

#[test]
fn a_number_that_does_not_fit_changes_nothing() {
    let folder = folder();
    let mut store = open(&folder);
    let outcome = store.commit(&[row(Space::State, "a", "1"), Write::Block(u64::MAX, Some(vec![record(1, "ls")]))]);
    assert_eq!(outcome, Err(StoreError::TooLarge));
    assert_eq!(value(&store, Space::State, "a"), None);
    store.commit(&[row(Space::State, "a", "2")]).unwrap();
    assert_eq!(value(&store, Space::State, "a").as_deref(), Some("2"));
}

#[test]
fn a_checkpoint_empties_the_log_and_gives_room_back() {
    let folder = folder();
    let mut store = open(&folder);
    let large: Vec<Write> = (0..2000).map(|n| Write::Queue(1, n, Some(vec![7; 4000]))).collect();
    store.commit(&large).unwrap();
    store.checkpoint().unwrap();
    let size = |name: &str| fs::metadata(folder.path().join(name)).map_or(0, |meta| meta.len());
    let full = size("caro.db");
    assert!(full > 8_000_000, "{full}");
    assert_eq!(size("caro.db-wal"), 0);
    let dropped: Vec<Write> = (0..2000).map(|n| Write::Queue(1, n, None)).collect();
    store.commit(&dropped).unwrap();
    store.checkpoint().unwrap();
    assert!(size("caro.db") < full / 4, "{}", size("caro.db"));
    assert_eq!((size("caro.db-wal"), store.verify()), (0, Ok(vec![])));
}

#[test]
fn a_checkpoint_of_an_idle_store_touches_nothing() {
    let folder = folder();
    let mut store = open(&folder);
    store.commit(&[row(Space::State, "a", "1")]).unwrap();
    store.checkpoint().unwrap();
    let before: Vec<_> =
        files(folder.path()).iter().map(|(path, _)| fs::metadata(path).unwrap().modified().unwrap()).collect();
    store.checkpoint().unwrap();
    let after: Vec<_> =
        files(folder.path()).iter().map(|(path, _)| fs::metadata(path).unwrap().modified().unwrap()).collect();
    assert_eq!(before, after);
}
