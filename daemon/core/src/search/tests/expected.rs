//! What people expect of a search: which comes first, what is said of it, and what is refused.

use caro_schema::{
    body::history::Record,
    id::RecordId,
    ipc::{
        Fault,
        history::{ExitFilter, Filter, Mode, Place, Query, Tally},
    },
};
use proptest::prelude::*;

use super::{ALL, filled, find, texts, typed};
use crate::{
    history::{
        History,
        model::{any_record, id, record},
    },
    search::{self, Searcher, pattern, records_around},
};

#[test]
fn running_is_what_a_shell_has_not_said_the_end_of() {
    let open = |number, command: &str, session: &str| Record {
        session: session.to_owned(),
        exit: None,
        duration_us: None,
        ..record(number, i64::from(number), command)
    };
    // The second is from a file that tells no ends.
    let history = filled([open(1, "sleep 300", "one"), open(2, "make", ""), record(3, 3, "ls")]);
    let filter = Filter { exit: Some(ExitFilter::Running), ..Filter::default() };
    let hits = find(&history, Query { filter, ..Query::default() });
    assert_eq!((texts(&hits), hits.total), (vec!["sleep 300".to_owned()], 1));
}

#[test]
fn the_newest_run_stands_for_all_and_they_are_counted() {
    let history = filled((0..10).map(|n| record(n, i64::from(n), if n % 2 == 0 { "make" } else { "ls" })));
    let hits = find(&history, typed("make"));
    assert_eq!((hits.total, hits.of, hits.rows.len()), (1, 10, 1));
    assert_eq!((hits.rows[0].record.id, hits.rows[0].runs), (id(8), 5));
    let early = Filter { until_us: Some(5_000_000), ..Filter::default() };
    let hits = find(&history, Query { filter: early, ..typed("make") });
    assert_eq!((hits.rows[0].record.id, hits.rows[0].runs), (id(4), 3), "among those that the filter admits");
}

#[test]
fn the_better_match_comes_first_then_the_newer_then_the_more_frequent_then_the_nearer() {
    let minute = |n: i64| n * 60;
    let history = filled([
        record(1, minute(100_000), "grep -r interesting things"),
        record(2, minute(0), "git status"),
        record(3, minute(50_000), "git stash"),
    ]);
    let place = Place { now_us: minute(100_000) * 1_000_000, ..Place::default() };
    let hits = find(&history, Query { place: place.clone(), ..typed("git st") });
    assert_eq!(texts(&hits), ["git stash", "git status", "grep -r interesting things"]);
    let often = (10..50).map(|n| record(n, minute(0), "git status"));
    let mut history = filled(often.chain([record(3, minute(90_000), "git stash")]));
    let rank =
        |history: &History, place: &Place| texts(&find(history, Query { place: place.clone(), ..typed("git st") }));
    assert_eq!(rank(&history, &place), ["git status", "git stash"], "forty runs outweigh some weeks");
    history.put([Record { directory: b"/srv".to_vec().into(), ..record(4, minute(10), "git stash") }]);
    let there = Place { directory: b"/srv".to_vec().into(), ..place };
    assert_eq!(rank(&history, &there), ["git stash", "git status"], "but not if the other ran here");
}

#[test]
fn what_usually_follows_comes_first() {
    let session = |number: u32| format!("session {number}");
    let run = |number: u32, command: &str| Record {
        session: session(number / 10),
        ..record(number, i64::from(number), command)
    };
    let mut records = Vec::new();
    for morning in 0..6 {
        records.extend([
            run(morning * 10, "git add ."),
            run(morning * 10 + 1, "git commit"),
            run(morning * 10 + 2, "git clean"),
        ]);
    }
    let place = |number: u32| Place { session: session(number), now_us: 3_600_000_000_000, ..Place::default() };
    let ranked = |history: &History, place: Place| texts(&find(history, Query { place, ..typed("git c") }));
    records.push(run(90, "git add ."));
    let mut history = filled(records);
    assert_eq!(ranked(&history, place(9)), ["git commit", "git clean"], "after adding one commits");
    history.put([run(91, "git commit")]);
    assert_eq!(ranked(&history, place(9))[0], "git clean", "and after that one cleans");
    assert_eq!(ranked(&history, place(70))[0], "git commit", "elsewhere the newer one comes first");
}

#[test]
fn details_tell_where_how_often_and_beside_what() {
    let run = |number: u32, session: &str, command: &str| Record {
        session: session.to_owned(),
        duration_us: Some(u64::from(number) * 10),
        exit: Some(i32::from(number.is_multiple_of(3))),
        ..record(number, i64::from(number), command)
    };
    let elsewhere = Record { directory: b"/srv".to_vec().into(), host: "laptop".to_owned(), ..run(7, "b", "make") };
    let running = Record { duration_us: None, exit: None, ..run(9, "b", "make") };
    let history = filled([
        run(1, "a", "cd"),
        run(2, "a", "make"),
        run(3, "a", "ls"),
        run(5, "b", "make"),
        run(4, "a", "make"),
        run(6, "a", "ls"),
        elsewhere,
        running,
        Record { session: String::new(), ..run(8, "", "make") },
    ]);
    let details = search::details(&history, &id(4)).unwrap();
    assert_eq!((details.runs, details.succeeded, details.failed), (6, 5, 0));
    assert_eq!((details.first_us, details.last_us), (2_000_000, 9_000_000));
    assert_eq!((details.mean_us, details.longest_us), (Some((20 + 40 + 50 + 70 + 80) / 5), Some(80)));
    let shown = |tallies: &[Tally]| {
        tallies.iter().map(|tally| (String::from_utf8_lossy(&tally.text).into_owned(), tally.runs)).collect::<Vec<_>>()
    };
    assert_eq!(shown(&details.directories), [("/home/ada".to_owned(), 5), ("/srv".to_owned(), 1)]);
    assert_eq!(shown(&details.hosts), [("desk".to_owned(), 5), ("laptop".to_owned(), 1)]);
    assert_eq!(shown(&details.followed_by), [("ls".to_owned(), 2), ("make".to_owned(), 1)]);
    assert_eq!((details.directories_total, details.hosts_total), (2, 2));
    assert_eq!(details.before.map(|record| record.id), Some(id(3)));
    assert_eq!(details.after.map(|record| record.id), Some(id(6)));
    assert!(search::details(&history, &id(44)).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn around_a_record_is_what_ran_around_it_in_its_session(
        records in prop::collection::vec(any_record(), 1..60),
        (before, after) in (0u32..6, 0u32..6),
    ) {
        let history = filled(records);
        let mut all: Vec<Record> = history.newest().collect();
        all.reverse();
        for record in &all {
            let session: Vec<&Record> =
                all.iter().filter(|other| (&other.host, &other.session) == (&record.host, &record.session)).collect();
            let at = session.iter().position(|other| other.id == record.id).unwrap();
            let end = (at + 1 + after as usize).min(session.len());
            let expected: Vec<RecordId> =
                session[at.saturating_sub(before as usize)..end].iter().map(|record| record.id).collect();
            let found = records_around(&history, &record.id, before, after).unwrap();
            prop_assert!(found.iter().map(|hit| hit.record.id).collect::<Vec<_>>() == expected);
        }
    }
}

#[test]
fn with_nothing_typed_the_newest_comes_first() {
    let history = filled((0..5).map(|n| record(n, i64::from(n * 7 % 5), &format!("c{n}"))));
    for mode in [Mode::Fuzzy, Mode::Substring, Mode::Prefix, Mode::Regex] {
        let hits = find(&history, Query { mode, ..typed("") });
        assert_eq!(texts(&hits), ["c2", "c4", "c1", "c3", "c0"]);
        assert!(hits.rows.iter().all(|hit| hit.matched.is_empty()));
    }
}

#[test]
fn words_of_a_fuzzy_query_may_come_in_any_order() {
    let history = filled([record(1, 1, "docker run nginx"), record(2, 2, "docker ps")]);
    assert_eq!(texts(&find(&history, typed("ngx dock"))), ["docker run nginx"]);
}

#[test]
fn what_matched_is_said_in_bytes() {
    let history = filled([record(1, 1, "écho ÉCOLE école")]);
    let matched = |text: &str, mode: Mode| find(&history, Query { mode, ..typed(text) }).rows[0].matched.clone();
    assert_eq!(matched("école", Mode::Substring), [(6, 12)]);
    assert_eq!(matched("éco", Mode::Fuzzy), [(6, 10)], "of equals the first");
    assert_eq!(matched("Éc", Mode::Fuzzy), [(6, 9)]);
    assert_eq!(matched("éc", Mode::Prefix), [(0, 3)]);
    assert_eq!(matched("o.e", Mode::Regex), [(9, 12)]);
}

#[test]
fn commands_that_are_no_utf_8_are_found_too() {
    let mut odd = record(1, 1, "");
    odd.command = b"cat \xff\xfe Name.txt".to_vec().into();
    let history = filled([odd]);
    for (text, mode) in [
        ("ctnam", Mode::Fuzzy),
        ("Name cat", Mode::Substring),
        ("CAT", Mode::Regex),
        ("cat ", Mode::Prefix),
        (r"name\.", Mode::Regex),
    ] {
        let expected = usize::from(text != "CAT");
        assert_eq!(find(&history, Query { mode, ..typed(text) }).rows.len(), expected, "{text}");
    }
    let bytes = Query { mode: Mode::Regex, ..typed(r"(?-u)\xff") };
    assert_eq!(find(&history, bytes).rows[0].matched, [(4, 5)]);
}

#[test]
fn a_word_that_was_pasted_is_taken_as_it_stands() {
    let long = "ab".repeat(400);
    let history = filled([record(1, 1, &format!("echo {long}")), record(2, 2, &long.replace("ab", "a-b"))]);
    assert_eq!(find(&history, typed(&long)).total, 1);
    assert_eq!(find(&history, typed(&long[..100])).total, 2);
}

#[test]
fn an_expression_that_is_not_valid_or_too_large_is_a_fault_that_says_why() {
    let history = filled([record(1, 1, "ls")]);
    let nested = "(".repeat(500) + &")".repeat(500);
    for (text, why) in [("a(", "unclosed group"), (r"\w{100}{100}{100}", "size limit"), (&nested, "nest")] {
        let query = Query { mode: Mode::Regex, ..typed(text) };
        match Searcher::default().search(&history, &query, ALL) {
            Err(Fault::BadPattern { reason }) => assert!(reason.contains(why), "{reason}"),
            _ => panic!("{text} was accepted"),
        }
    }
}

#[test]
fn a_text_beyond_the_limit_is_a_fault() {
    let history = filled([record(1, 1, "ls")]);
    let query = typed(&"x".repeat(pattern::TEXT_BYTES_MAX + 1));
    assert!(matches!(Searcher::default().search(&history, &query, ALL), Err(Fault::BadPattern { .. })));
}

#[test]
fn a_long_command_is_searched_too() {
    let history = filled([record(1, 1, &format!("{} end-of-it", "word ".repeat(200_000)))]);
    for mode in [Mode::Fuzzy, Mode::Substring, Mode::Regex] {
        assert_eq!(find(&history, Query { mode, ..typed("end-of-it") }).total, 1);
    }
}

#[test]
fn it_says_whether_all_was_there_to_be_searched() {
    let mut history = History::new();
    history.load_block(2, vec![record(1, 1, "ls")]);
    let mut searcher = Searcher::default();
    assert!(!searcher.search(&history, &typed("ls"), ALL).unwrap().complete);
    history.load_block(1, vec![record(2, 0, "ls -l")]);
    history.set_complete();
    let hits = searcher.search(&history, &typed("ls"), ALL).unwrap();
    assert_eq!((hits.total, hits.complete), (2, true));
}
