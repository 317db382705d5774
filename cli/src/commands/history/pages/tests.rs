//! Long results read from a model of a daemon, whose history changes while they are. What is read must be what was there all the
//! time, each once and in order, for a number of requests that grows no faster than the rows.

use std::collections::{BTreeMap, BTreeSet};

use caro_schema::ipc::history::Filter;
use proptest::prelude::*;

use super::*;
use crate::testing::record;

/// A daemon's history and how it answers, and what it was asked.
#[derive(Default)]
struct Model {
    records: Vec<Record>,
    /// Rows of an answer, however many are wanted.
    rows_max: usize,
    offsets: Vec<u64>,
    rows_given: usize,
    /// What happens before each answer, the last first.
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Add(Record),
    Delete(RecordId),
}

impl Model {
    fn of(records: Vec<Record>, rows_max: usize) -> Self {
        Self { records, rows_max, ..Self::default() }
    }

    fn matching(&self, query: &Query) -> Vec<Hit> {
        let Filter { since_us, until_us, .. } = query.filter;
        let mut rows = self.records.clone();
        rows.retain(|row| {
            since_us.is_none_or(|since| row.start_us >= since) && until_us.is_none_or(|until| row.start_us < until)
        });
        rows.sort_by_key(|row| std::cmp::Reverse(Key::of(row)));
        let mut runs = BTreeMap::new();
        if query.unique {
            rows.iter().for_each(|row| *runs.entry(row.command.clone()).or_default() += 1);
            let mut known = BTreeSet::new();
            rows.retain(|row| known.insert(row.command.clone()));
        }
        if matches!(query.order, Order::Oldest) {
            rows.reverse();
        }
        let hit = |record: Record| {
            let runs = runs.get(&record.command).copied().unwrap_or(1);
            Hit { record, runs, matched: Vec::new() }
        };
        rows.into_iter().map(hit).collect()
    }
}

impl Ask for Model {
    fn window(&mut self, query: &Query, window: Window) -> Outcome<Hits> {
        match self.changes.pop() {
            Some(Change::Add(record)) => self.records.push(record),
            Some(Change::Delete(id)) => self.records.retain(|record| record.id != id),
            None => {}
        }
        self.offsets.push(window.offset);
        let rows = self.matching(query);
        let total = rows.len() as u64;
        let count = self.rows_max.min(window.limit as usize);
        let rows = rows.into_iter().skip(window.offset as usize).take(count);
        let rows: Vec<Hit> = rows.collect();
        self.rows_given += rows.len();
        Ok(Hits { total, of: total, rows, complete: true })
    }
}

fn run(number: u8, start_us: i64) -> Record {
    Record { id: RecordId([number; 16]), start_us, ..record(&format!("command {}", number % 5)) }
}

fn read(model: &mut Model, query: &Query, pass_over: u64, limit: Option<u64>) -> Vec<Hit> {
    let mut rows = Vec::new();
    let mut take = |hit: &Hit| {
        rows.push(hit.clone());
        Ok(())
    };
    let query = query.clone();
    let count = match query.order {
        Order::Oldest => oldest_first(model, query, limit, &mut take),
        _ => in_order(model, query, pass_over, limit, &mut take),
    };
    assert_eq!(count.unwrap_or_else(|failure| panic!("{failure}")), rows.len() as u64);
    rows
}

/// Which rows, and how often each command ran.
fn said(rows: &[Hit]) -> Vec<(RecordId, u32)> {
    rows.iter().map(|hit| (hit.record.id, hit.runs)).collect()
}

#[test]
fn what_is_asked_of_the_daemon_grows_as_what_is_read() {
    for order in [Order::Oldest, Order::Newest] {
        let records = (0..2000_u16).map(|number| {
            let id = [number.to_be_bytes(); 8].concat().try_into().expect("sixteen bytes");
            Record { id: RecordId(id), start_us: i64::from(number / 3), ..record("ls") }
        });
        let mut model = Model::of(records.collect(), 50);
        assert_eq!(read(&mut model, &Query { order, ..Query::default() }, 0, None).len(), 2000);
        let Model { offsets, rows_given, .. } = model;
        // One row of each window is read twice; no window passes over more than one moment.
        assert!(offsets.len() <= 2000 / 49 + 2, "{} windows", offsets.len());
        assert!(rows_given <= 2000 + offsets.len(), "{rows_given} rows");
        assert!(offsets.iter().all(|offset| *offset <= 3), "{offsets:?}");
    }
}

#[test]
fn a_command_that_is_shown_once_ran_as_often_in_every_window() {
    // Three commands, each at three times.
    let three = |at: u8| Record { command: vec![b'a' + at % 3].into(), ..run(at, i64::from(at)) };
    let records: Vec<Record> = (0..9).map(three).collect();
    for (rows_max, limit) in [(1, None), (2, None), (10, None), (10, Some(1)), (2, Some(2)), (1, Some(3))] {
        for order in [Order::Oldest, Order::Newest] {
            let query = Query { order, unique: true, ..Query::default() };
            let rows = read(&mut Model::of(records.clone(), rows_max), &query, 0, limit);
            let wanted = limit.unwrap_or(3) as usize;
            let runs: Vec<u32> = rows.iter().map(|hit| hit.runs).collect();
            assert_eq!(runs, vec![3; wanted], "{order:?}, {rows_max} in a window, {limit:?} wanted");
        }
    }
}

#[test]
fn who_takes_no_more_is_asked_for_no_more() {
    let mut model = Model::of((0..100).map(|number| run(number, i64::from(number))).collect(), 10);
    let mut left = 15;
    let mut take = |_: &Hit| {
        left -= 1;
        if left == 0 { Err(Failure::silent(exit::FAILURE)) } else { Ok(()) }
    };
    assert!(oldest_first(&mut model, Query::default(), None, &mut take).is_err());
    assert_eq!(model.offsets.len(), 3, "which is the last one, and two windows");
}

#[test]
fn a_row_that_alone_fills_an_answer_is_not_the_last() {
    let mut model = Model::of((0..9).map(|number| run(number, i64::from(number / 4))).collect(), 1);
    assert_eq!(read(&mut model, &Query { order: Order::Oldest, ..Query::default() }, 0, None).len(), 9);
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![Just(Order::Oldest), Just(Order::Newest)]
}

/// Runs of few moments, each with its own id.
fn runs() -> impl Strategy<Value = Vec<Record>> {
    prop::collection::btree_map(any::<u8>(), 0..7_i64, 0..40)
        .prop_map(|runs| runs.into_iter().map(|(number, start_us)| run(number, start_us)).collect())
}

proptest! {
    #[test]
    fn every_row_is_read_once_and_in_order(
        records in runs(),
        rows_max in 1..8_usize,
        order in order(),
        unique: bool,
        pass_over in 0..9_u64,
        limit in prop::option::of(0..30_u64),
    ) {
        let mut model = Model::of(records, rows_max);
        let query = Query { order, unique, ..Query::default() };
        let mut expected = model.matching(&query);
        let limited = limit.map_or(usize::MAX, |limit| limit as usize);
        match order {
            // The newest so many, and yet the oldest of them first.
            Order::Oldest => drop(expected.drain(..expected.len().saturating_sub(limited))),
            _ => expected = expected.into_iter().skip(pass_over as usize).take(limited).collect(),
        }
        prop_assert_eq!(said(&read(&mut model, &query, pass_over, limit)), said(&expected));
    }

    #[test]
    fn what_comes_and_goes_meanwhile_makes_no_row_come_twice_and_none_be_missed(
        mut records in runs(),
        rows_max in 2..8_usize,
        order in order(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..20),
    ) {
        let mut changed: BTreeSet<RecordId> = BTreeSet::new();
        let mut happens = Vec::new();
        for (which, comes) in changes {
            if records.is_empty() {
                break;
            }
            let at = which.index(records.len());
            if !changed.insert(records[at].id) {
                continue;
            }
            happens.push(if comes { Change::Add(records.swap_remove(at)) } else { Change::Delete(records[at].id) });
        }
        let stays: BTreeSet<RecordId> = records.iter().map(|row| row.id).filter(|id| !changed.contains(id)).collect();
        let mut model = Model { changes: happens, ..Model::of(records, rows_max) };
        let rows = read(&mut model, &Query { order, ..Query::default() }, 0, None);
        let mut keys: Vec<Key> = rows.iter().map(|hit| Key::of(&hit.record)).collect();
        if matches!(order, Order::Newest) {
            keys.reverse();
        }
        prop_assert!(keys.is_sorted_by(|one, other| one < other), "each once, in order");
        let read: BTreeSet<RecordId> = rows.iter().map(|hit| hit.record.id).collect();
        let missed: Vec<&RecordId> = stays.difference(&read).collect();
        // What came behind the newest row while it was looked at is another history.
        prop_assert!(missed.is_empty(), "{missed:?}");
    }
}
