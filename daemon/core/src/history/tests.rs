//! The laws of the history: the order of arrival does not matter, deletion always wins, what is written is what is
//! there, and it stays small.

use caro_schema::{body::history::Record, id::RecordId};
use proptest::prelude::*;

use super::{
    BLOCK_BYTES_MAX, BLOCK_RECORDS_MAX, History, PutOutcome,
    model::{Disk, Model, any_record, id, record},
};
use crate::step::Write;

#[derive(Clone, Debug)]
enum Input {
    Put(Record),
    Delete(RecordId),
}

fn any_input() -> impl Strategy<Value = Input> {
    prop_oneof![
        8 => any_record().prop_map(Input::Put),
        1 => (0u32..45).prop_map(|number| Input::Delete(id(number))),
    ]
}

fn complete() -> History {
    let mut history = History::new();
    history.set_complete();
    history
}

/// Puts inputs in as they come, so many at a time, and what is to be written onto a disk.
fn play(inputs: &[Input], at_a_time: usize) -> (History, Disk) {
    let (mut history, mut disk) = (complete(), Disk::default());
    for part in inputs.chunks(at_a_time) {
        let puts = part.iter().filter_map(|input| match input {
            Input::Put(record) => Some(record.clone()),
            Input::Delete(_) => None,
        });
        let deletes = part.iter().filter_map(|input| match input {
            Input::Put(_) => None,
            Input::Delete(id) => Some(*id),
        });
        history.put(puts);
        history.delete(&deletes.collect::<Vec<_>>());
        disk.write(history.take_writes());
    }
    (history, disk)
}

fn sorted(mut records: Vec<Record>) -> Vec<Record> {
    records.sort_by_key(|record| record.id);
    records
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn ds001_any_order_any_duplication_any_split_gives_the_same_history(
        inputs in prop::collection::vec(any_input(), 0..150),
        order in any::<u64>(),
        at_a_time in 1usize..30,
    ) {
        let (one, disk) = play(&inputs, at_a_time);
        // Shuffled by a linear congruence, a third of it twice, and in other parts.
        let mut state = order;
        let mut keyed: Vec<(u64, Input)> = inputs.iter().chain(inputs.iter().step_by(3)).map(|input| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 20, input.clone())
        }).collect();
        keyed.sort_by_key(|(key, _)| *key);
        let shuffled: Vec<Input> = keyed.into_iter().map(|(_, input)| input).collect();
        let (other, other_disk) = play(&shuffled, 31 - at_a_time);
        prop_assert_eq!(one.digest(), other.digest());
        prop_assert!(sorted(disk.records()) == sorted(other_disk.records()));
    }

    #[test]
    fn it_holds_what_the_model_holds_and_what_is_written_is_what_is_there(
        inputs in prop::collection::vec(any_input(), 0..150),
        at_a_time in 1usize..30,
    ) {
        let (history, disk) = play(&inputs, at_a_time);
        let mut model = Model::default();
        for input in inputs {
            match input {
                Input::Put(record) => model.put(record),
                Input::Delete(id) => model.delete(id),
            }
        }
        model.assert_same(&history);
        let mut loaded = disk.load();
        model.assert_same(&loaded);
        prop_assert_eq!(loaded.digest(), history.digest());
        prop_assert!(loaded.take_writes().is_empty(), "nothing in the store needs mending");
        prop_assert!(sorted(disk.records()) == model.records.into_values().collect::<Vec<_>>());
    }

    #[test]
    fn the_newest_run_of_a_command_is_always_known(inputs in prop::collection::vec(any_input(), 0..150)) {
        let (history, _) = play(&inputs, 7);
        for row in history.rows().live() {
            let command = history.rows().command(row).unwrap();
            let newest = history.commands().newest(command);
            prop_assert_eq!(history.rows().command(newest), Some(command));
            prop_assert!(history.rows().compare(newest, row).is_ge());
            prop_assert_eq!(history.commands().newest_start_us(command), history.rows().start_us(newest));
        }
    }
}

#[test]
fn a_put_says_what_became_of_each_record() {
    let mut history = complete();
    history.delete(&[id(9)]);
    let running = Record { exit: None, duration_us: None, ..record(1, 1, "make") };
    let ended = record(1, 1, "make");
    let outcome =
        history.put([running.clone(), running.clone(), ended, running, record(2, 1, "ls"), record(9, 1, "x")]);
    assert_eq!(outcome, PutOutcome { added: 2, replaced: 1, known: 2, deleted: 1 });
}

#[test]
fn ds001_deleted_text_is_gone_from_memory_and_from_every_block() {
    let (mut history, mut disk) = (complete(), Disk::default());
    history.put((0..100).map(|n| record(n, i64::from(n), &format!("echo Hunter{n}-token"))));
    disk.write(history.take_writes());
    history.delete(&[id(42)]);
    assert!(!history.commands().remembers(b"Hunter42-"));
    assert!(!history.commands().remembers(b"hunter42-"), "its folded form");
    disk.write(history.take_writes());
    assert!(disk.records().iter().all(|record| !record.command.starts_with(b"echo Hunter42-")));
    assert_eq!((disk.records().len(), disk.tombstones.len()), (99, 1));
    history.put([record(42, 42, "echo Hunter42-token")]);
    assert_eq!(history.len(), 99);
    assert!(history.take_writes().is_empty());
}

#[test]
fn texts_survive_the_arena_being_packed() {
    let mut history = complete();
    let text = |n: u32| format!("echo É{n:0200}");
    history.put((0..2000).map(|n| record(n, i64::from(n), &text(n))));
    let before = history.memory_bytes();
    history.delete(&(0..2000).filter(|n| n % 4 != 0).map(id).collect::<Vec<_>>());
    assert!(history.memory_bytes() < before * 2 / 3);
    for n in (0..2000).step_by(4) {
        let row = history.rows().find(&id(n)).unwrap();
        let command = history.rows().command(row).unwrap();
        assert_eq!(history.commands().text(command), text(n).as_bytes());
        assert_eq!(history.commands().folded(command), text(n).to_lowercase().as_bytes());
    }
}

#[test]
fn a_live_command_costs_one_small_block_and_blocks_stay_few() {
    let (mut history, mut disk) = (complete(), Disk::default());
    for n in 0..5000 {
        history.put([record(n, i64::from(n), "make")]);
        let writes = history.take_writes();
        let records: usize = writes
            .iter()
            .map(|write| match write {
                Write::Block(_, Some(records)) => records.len(),
                _ => 0,
            })
            .sum();
        assert!(records <= BLOCK_RECORDS_MAX + 1, "a bounded piece of work");
        disk.write(writes);
    }
    assert!(disk.blocks.len() < 5000 / 128 + 70, "{} blocks", disk.blocks.len());
    assert!(disk.written < 5000 * 4, "{} records written", disk.written);
    assert_eq!(disk.load().digest(), history.digest());
}

#[test]
fn an_import_fills_its_blocks() {
    let (mut history, mut disk) = (complete(), Disk::default());
    history.put((0..5000).map(|n| record(n, i64::from(n), "make")));
    disk.write(history.take_writes());
    assert_eq!(disk.blocks.len(), 5000_usize.div_ceil(BLOCK_RECORDS_MAX));
    assert_eq!(disk.written, 5000);
}

#[test]
fn a_block_is_bounded_by_its_text_too() {
    let (mut history, mut disk) = (complete(), Disk::default());
    let long = "x".repeat(BLOCK_BYTES_MAX / 3);
    history.put((0..10).map(|n| record(n, 1, &format!("{long}{n}"))));
    history.put([record(10, 1, &long.repeat(4))]);
    disk.write(history.take_writes());
    assert_eq!(disk.blocks.len(), 6);
    assert_eq!(disk.load().digest(), history.digest());
}

#[test]
fn new_numbers_are_above_those_of_the_store() {
    let mut history = History::new();
    history.load_block(70, vec![record(1, 1, "a")]);
    history.load_block(3, vec![record(2, 1, "b")]);
    history.set_complete();
    history.put([record(3, 1, "c")]);
    assert!(matches!(&history.take_writes()[..], [Write::Block(71, Some(records))] if records.len() == 1));
}

#[test]
fn a_record_that_comes_before_the_store_is_read_overwrites_no_block() {
    let mut history = History::new();
    history.put([record(3, 1, "c")]);
    let number = |writes: &[Write]| match writes {
        [Write::Block(number, Some(_))] => *number,
        _ => panic!("one block"),
    };
    assert!(number(&history.take_writes()) > u64::from(u32::MAX));
}

#[test]
fn what_is_in_two_blocks_or_deleted_leaves_one_at_the_next_write() {
    let mut disk = Disk::default();
    let running = Record { exit: None, duration_us: None, ..record(1, 1, "make") };
    disk.write(vec![
        Write::Block(1, Some(vec![record(1, 1, "make"), record(2, 2, "ls")])),
        Write::Block(2, Some(vec![running, record(3, 3, "pwd")])),
    ]);
    disk.tombstones.insert(id(3));
    let mut history = disk.load();
    assert!(history.record(&id(1)).unwrap().has_ended(), "the greater version, wherever it lay");
    assert_eq!(history.len(), 2);
    disk.write(history.take_writes());
    assert_eq!(disk.records().len(), 2);
    assert!(disk.load().take_writes().is_empty());
    assert_eq!(disk.load().digest(), history.digest());
}

/// Bytes of a row beside the distinct texts (`design.md` §5).
const ROW_BYTES_MAX: usize = 100;

#[test]
fn a_row_costs_no_more_than_it_may() {
    let mut history = complete();
    let texts = 5000;
    history.put((0..50_000).map(|n| record(n, i64::from(n), &format!("make target-{:05}", n % texts))));
    // Text, its folded form, and fifty bytes of numbers for each.
    let distinct = texts as usize * (2 * 17 + 50);
    let each = (history.memory_bytes() - distinct) / 50_000;
    assert!(each <= ROW_BYTES_MAX, "{each} bytes a row");
}
