//! The search against the reference, for every mode, filter and order, and what people expect of it.

use caro_schema::{
    body::history::Record,
    id::RecordId,
    ipc::{
        Fault,
        history::{Except, ExitFilter, Filter, Hits, Made, Mode, Order, Place, Query, Tally, Window},
        terms::terms,
    },
};
use proptest::prelude::*;

use super::{Searcher, reference};
use crate::history::{
    History,
    model::{any_record, id, record},
};

const ALL: Window = Window { offset: 0, limit: u32::MAX };

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(
            &["", " ", "g", "gi", "git", "git s", "Git", "GIT", "gS", "st", "tus", "s g", "ls", "é", "É", "-l"][..]
        )
        .prop_map(str::to_owned),
        "[gitsGIé -]{0,4}",
        // Signs, in places where they mean something and where they do not.
        "([!'^]{0,2}[gitsGIé]{0,3}\\$?( \\| | ){0,1}){1,3}",
        "[gi!'^$|\\\\ ]{0,5}",
    ]
}

/// The text, or what looks for just this text where it is no expression.
fn usable(text: String, mode: Mode) -> String {
    if mode == Mode::Regex && regex::bytes::Regex::new(&text).is_err() { regex::escape(&text) } else { text }
}

fn any_mode() -> impl Strategy<Value = Mode> {
    prop::sample::select(&[Mode::Fuzzy, Mode::Substring, Mode::Prefix, Mode::Regex][..])
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let sometimes = |words: &'static [&'static str]| prop::option::weighted(0.2, prop::sample::select(words));
    let words = (
        sometimes(&["", "desk", "laptop", "nowhere"]),
        sometimes(&["ada", "root"]),
        sometimes(&["one", "two"]),
        sometimes(&["bash", "zsh", "z"]),
    );
    let places = (
        sometimes(&["", "/", "/home/ada"]),
        sometimes(&["/", "/home/ada", "/home/ada/", "/home"]),
        prop::option::weighted(0.1, prop::sample::select(&["/home/ada", "/"][..])),
    );
    let exit = prop::sample::select(
        &[ExitFilter::Is(0), ExitFilter::Not(0), ExitFilter::Is(i32::MIN), ExitFilter::Running][..],
    );
    let rest = (
        prop::option::weighted(0.2, exit),
        prop::option::weighted(0.2, (-2i64..6).prop_map(|start| start * 40_000_000)),
        prop::option::weighted(0.2, (-2i64..6).prop_map(|start| start * 40_000_000)),
        prop::option::weighted(0.2, any::<bool>()),
        prop::option::weighted(0.1, prop::collection::vec((0u32..50).prop_map(id), 0..20)),
        (prop::option::weighted(0.1, 0u64..4), prop::option::weighted(0.1, 0u64..4)),
        prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(any_except(), 1..3)],
        (any_made(), any_some_of(&["desk", "", "laptop"]), any_some_of(&["/home/ada", "/", "/nowhere"])),
    );
    (words, places, rest).prop_map(
        |(
            (host, user, session, shell),
            (directory, subtree, repository),
            (exit, since_us, until_us, assistant, ids, (took_from_us, took_below_us), except, (made, hosts, trees)),
        )| Filter {
            made,
            any_host: hosts,
            any_subtree: trees.into_iter().map(|tree| tree.into_bytes().into()).collect(),
            host: host.map(str::to_owned),
            user: user.map(str::to_owned),
            session: session.map(str::to_owned),
            shell: shell.map(str::to_owned),
            directory: directory.map(|text| text.as_bytes().to_vec().into()),
            subtree: subtree.map(|text| text.as_bytes().to_vec().into()),
            repository: repository.map(|text| text.as_bytes().to_vec().into()),
            took_from_us,
            took_below_us,
            except,
            exit,
            since_us,
            until_us,
            assistant,
            ids,
        },
    )
}

/// Mostly nothing, which asks for nothing.
fn any_some_of(texts: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop_oneof![
        4 => Just(Vec::new()),
        1 => prop::collection::vec(prop::sample::select(texts).prop_map(str::to_owned), 1..3),
    ]
}

fn any_made() -> impl Strategy<Value = Made> {
    let words = prop::sample::select(&["a", "b", "ab", ""][..]).prop_map(str::to_owned);
    let words = prop::option::weighted(0.5, words);
    prop_oneof![6 => Just(Made::default()), 1 => words.prop_map(|words| Made { words, ..Made::default() })]
}

fn any_except() -> impl Strategy<Value = Except> {
    let text = |text: &str| text.as_bytes().to_vec().into();
    prop::sample::select(vec![
        Except::Host("desk".to_owned()),
        Except::Host(String::new()),
        Except::User("root".to_owned()),
        Except::Session("one".to_owned()),
        Except::Shell("zsh".to_owned()),
        Except::Directory(text("/home/ada")),
        Except::Directory(text("")),
        Except::Subtree(text("/home/ada/")),
    ])
}

fn any_query() -> impl Strategy<Value = Query> {
    let order = prop::sample::select(&[Order::Rank, Order::Newest, Order::Oldest][..]);
    let place = (
        prop::sample::select(&["", "/home/ada", "/nowhere"][..]),
        prop::sample::select(&["", "desk"][..]),
        prop::sample::select(&["", "two"][..]),
        prop::sample::select(&[0, 100_000_000, 1_760_000_000_000_000][..]),
    )
        .prop_map(|(directory, host, session, now_us)| Place {
            directory: directory.as_bytes().to_vec().into(),
            host: host.to_owned(),
            session: session.to_owned(),
            now_us,
        });
    let filter = prop_oneof![Just(Filter::default()), any_filter()];
    (any_text(), any_mode(), filter, order, any::<bool>(), place).prop_map(
        |(text, mode, filter, order, unique, place)| Query {
            text: usable(text, mode),
            mode,
            filter,
            order,
            unique,
            place,
            masked: false,
        },
    )
}

fn filled(records: impl IntoIterator<Item = Record>) -> History {
    let mut history = History::new();
    history.set_complete();
    history.put(records);
    history
}

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
        let mut searcher = Searcher::default();
        let mut query = Query { mode, text: String::new(), ..query };
        for (records, deleted, text) in later {
            // Letter by letter, and a few letters taken back.
            let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            for part in ends.iter().chain(ends.iter().rev().take(3)).map(|end| &text[..*end]) {
                query.text = usable(part.to_owned(), mode);
                assert_as_reference(&mut searcher, &history, &query, ALL);
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

fn find(history: &History, query: Query) -> Hits {
    Searcher::default().search(history, &query, ALL).unwrap()
}

fn texts(hits: &Hits) -> Vec<String> {
    hits.rows.iter().map(|hit| String::from_utf8_lossy(&hit.record.command).into_owned()).collect()
}

fn typed(text: &str) -> Query {
    Query { text: text.to_owned(), unique: true, ..Query::default() }
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
    let details = super::details(&history, &id(4)).unwrap();
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
    assert!(super::details(&history, &id(44)).is_none());
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
            let found = super::records_around(&history, &record.id, before, after).unwrap();
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
    let query = typed(&"x".repeat(super::pattern::TEXT_BYTES_MAX + 1));
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
