//! The search against the reference: the same rows in the same order, for any history and any query.

use caro_schema::{
    body::history::Record,
    id::RecordId,
    ipc::{
        history::{Filter, Mode, Order, Place, Query, Window},
        terms::terms,
    },
};
use proptest::prelude::*;

use super::{
    ALL, filled, find,
    made::{any_mode, any_query, any_text, usable},
    typed,
};
use crate::{
    history::{
        History,
        model::{any_record, id, record},
    },
    search::{Searcher, reference},
};

fn assert_as_reference(searcher: &mut Searcher, history: &History, query: &Query, window: Window) {
    let hits = searcher.search(history, query, window).unwrap();
    let records: Vec<Record> = history.newest().collect();
    let (total, rows) = reference::search(&records, query, window);
    assert_eq!(hits.total, total, "{query:?}");
    assert_eq!(hits.of, records.len() as u64);
    let found: Vec<(RecordId, u32)> = hits.rows.iter().map(|hit| (hit.record.id, hit.runs)).collect();
    let expected: Vec<(RecordId, u32)> = rows.iter().map(|(record, runs)| (record.id, *runs)).collect();
    let number =
        |all: &[(RecordId, u32)]| all.iter().map(|(id, runs)| (id.hex()[..8].to_owned(), *runs)).collect::<Vec<_>>();
    assert_eq!(number(&found), number(&expected), "{query:?}");
    for (hit, (record, _)) in hits.rows.iter().zip(&rows) {
        assert!(hit.record == *record);
        assert_ranges(&hit.record.command, &hit.matched, query);
    }
}

fn assert_ranges(command: &[u8], ranges: &[(u32, u32)], query: &Query) {
    let mut end = None;
    for range in ranges {
        assert!(range.0 < range.1 && range.1 as usize <= command.len());
        assert!(end.is_none_or(|end| end < range.0), "ascending and apart");
        end = Some(range.1);
        if let Ok(text) = std::str::from_utf8(command) {
            assert!(text.is_char_boundary(range.0 as usize) && text.is_char_boundary(range.1 as usize));
        }
    }
    let is_shown = match query.mode {
        Mode::Fuzzy => {
            terms(&query.text).iter().any(|term| !term.negated && !term.is_alternative)
                && terms(&query.text).iter().all(|term| !term.is_alternative)
        }
        Mode::Regex => false,
        Mode::Substring | Mode::Prefix => !query.text.trim().is_empty(),
    };
    assert!(!is_shown || !ranges.is_empty(), "{query:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn it_finds_what_the_reference_finds(
        records in prop::collection::vec(any_record(), 0..60),
        query in any_query(),
        (offset, limit) in prop_oneof![Just((0, 200)), (0u64..20, 0u32..8)],
    ) {
        let history = filled(records);
        assert_as_reference(&mut Searcher::default(), &history, &query, Window { offset, limit });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// One searcher over many queries and a history that changes meanwhile: what is kept never shows.
    #[test]
    fn what_is_kept_between_keystrokes_changes_no_result(
        records in prop::collection::vec(any_record(), 0..40),
        later in prop::collection::vec((prop::collection::vec(any_record(), 0..2), prop::option::of(0u32..40), any_text()), 1..8),
        mode in any_mode(),
        query in any_query(),
    ) {
        let mut history = filled(records);
        let (mut searcher, mut all) = (Searcher::default(), Searcher::default());
        let mut query = Query { mode, text: String::new(), ..query };
        for (records, deleted, text) in later {
            // Letter by letter, and a few letters taken back.
            let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            for part in ends.iter().chain(ends.iter().rev().take(3)).map(|end| &text[..*end]) {
                query.text = usable(part.to_owned(), mode);
                // First as a screen asks, for a few: what is kept of those that were scored decides which others are.
                for window in [Window { offset: 0, limit: 2 }, ALL] {
                    assert_as_reference(if window == ALL { &mut all } else { &mut searcher }, &history, &query, window);
                }
            }
            if !records.is_empty() {
                history.put(records);
            }
            if let Some(number) = deleted {
                history.delete(&[id(number)]);
            }
        }
    }
}

/// Long enough that the work is shared, and that not everything is scored.
#[test]
fn a_long_history_gives_what_the_reference_gives() {
    let history = filled((0..24_000u32).map(|n| {
        let command = match n % 4 {
            0 => format!("git commit -m 'part {n}'"),
            1 => format!("cargo test case_{n}"),
            2 => format!("ls /srv/{}", n % 700),
            _ => format!("Gradle build {n} --info"),
        };
        let mut record = record(n, i64::from(n.wrapping_mul(2_654_435_761) % 50_000_000), &command);
        record.session = if n % 3 == 0 { "two".to_owned() } else { "one".to_owned() };
        record
    }));
    let records: Vec<Record> = history.newest().collect();
    let mut searcher = Searcher::default();
    let here = Place {
        directory: b"/home/ada".to_vec().into(),
        session: "two".to_owned(),
        now_us: 60_000_000_000_000,
        ..Place::default()
    };
    let session = Filter { session: Some("two".to_owned()), ..Filter::default() };
    for (text, mode) in [
        ("g", Mode::Fuzzy),
        ("gt", Mode::Fuzzy),
        ("gtc", Mode::Fuzzy),
        ("t c", Mode::Substring),
        ("[gG]r.*9", Mode::Regex),
    ] {
        for (unique, order, filter) in [
            (true, Order::Rank, Filter::default()),
            (false, Order::Rank, session.clone()),
            (false, Order::Oldest, Filter::default()),
            (true, Order::Newest, session.clone()),
        ] {
            let query =
                Query { text: text.to_owned(), mode, filter, order, unique, place: here.clone(), masked: false };
            let (total, rows) = reference::search(&records, &query, ALL);
            let expected: Vec<RecordId> = rows.iter().map(|(record, _)| record.id).collect();
            for (offset, limit) in [(0, 20), (3000, 3), (0, 0)] {
                let hits = searcher.search(&history, &query, Window { offset: offset as u64, limit }).unwrap();
                let found: Vec<RecordId> = hits.rows.iter().map(|hit| hit.record.id).collect();
                let window = expected.iter().skip(offset).take(limit as usize).copied();
                assert!(hits.total == total && found == window.collect::<Vec<_>>(), "{query:?} {offset}");
            }
        }
    }
}

/// Each typed letter by letter, for the few rows that a screen asks for.
fn assert_typed_on_as_reference(history: &History, all_typed: &[&str]) {
    let records: Vec<Record> = history.newest().collect();
    let place = Place { now_us: 5_000_000_000_000, ..Place::default() };
    for all in all_typed {
        let mut searcher = Searcher::default();
        for end in 1..=all.len() {
            let query = Query { place: place.clone(), ..typed(&all[..end]) };
            let window = Window { offset: 0, limit: 6 };
            let hits = searcher.search(history, &query, window).unwrap();
            let found: Vec<RecordId> = hits.rows.iter().map(|hit| hit.record.id).collect();
            let (total, rows) = reference::search(&records, &query, window);
            let expected: Vec<RecordId> = rows.iter().map(|(record, _)| record.id).collect();
            assert!(hits.total == total && found == expected, "{}", query.text);
        }
    }
}

/// Of many that match about as well, most are passed over for what they were found to lose a letter before.
#[test]
fn who_types_on_is_given_what_the_reference_gives() {
    const PLACES: [&str; 6] = ["service-", "-service ", "ser vice-", "Service", "sxexrvice", "s/ervice"];
    let command = |n: u32| {
        format!(
            "{}{} in {}{n}",
            ["ssh ", "s", "tail -f "][n as usize % 3],
            PLACES[n as usize / 3 % 6],
            "x".repeat(n as usize % 5)
        )
    };
    let history =
        filled((0..900u32).map(|n| record(n, i64::from(n.wrapping_mul(2_654_435_761) % 5_000_000), &command(n))));
    assert_typed_on_as_reference(
        &history,
        &["service-in7", "ssh serv in", "ser vice tail", "tsi x8", "s e r v", "'ser vi !tail 1"],
    );
}

/// Of those that differ in their numbers alone most are passed over for what one of them is worth.
#[test]
fn commands_that_differ_in_their_numbers_alone_are_given_as_the_reference_gives_them() {
    const NUMBERS: [u32; 5] = [7, 70, 1234567, 0, 77];
    let command = |n: u32| match n % 3 {
        0 => format!("ssh host-{}.example.org tail /var/log/service-{n}.log", n % 90),
        1 => format!("s{}er{}v x", NUMBERS[n as usize / 3 % 5], NUMBERS[n as usize / 15 % 5]),
        _ => format!("git commit -m 'change {n} of the parser'"),
    };
    let history =
        filled((0..1200u32).map(|n| record(n, i64::from(n.wrapping_mul(2_654_435_761) % 5_000_000), &command(n))));
    assert_typed_on_as_reference(
        &history,
        &["service-77", "serv log", "sv7 x", "s7r", "'er7 s", "ca par", "c 7 | serv", "^s !7 x"],
    );
}

#[test]
fn windows_side_by_side_are_the_whole_result() {
    let history = filled((0..500u32).map(|n| record(n, i64::from(n / 7), &format!("make target{}", n % 90))));
    for (order, unique) in [(Order::Rank, true), (Order::Rank, false), (Order::Oldest, false), (Order::Newest, true)] {
        let query = Query { order, unique, ..typed("mt") };
        let all: Vec<RecordId> = find(&history, query.clone()).rows.iter().map(|hit| hit.record.id).collect();
        let mut searcher = Searcher::default();
        let mut parts = Vec::new();
        loop {
            let window = Window { offset: parts.len() as u64, limit: 37 };
            let hits = searcher.search(&history, &query, window).unwrap();
            assert_eq!(hits.total, if unique { 90 } else { 500 });
            if hits.rows.is_empty() {
                break;
            }
            parts.extend(hits.rows.iter().map(|hit| hit.record.id));
        }
        assert!(parts == all);
    }
    let far = Window { offset: u64::MAX, limit: u32::MAX };
    assert!(Searcher::default().search(&history, &typed("m"), far).unwrap().rows.is_empty());
}
