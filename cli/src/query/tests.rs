//! What a query means, as tables of what is typed and what follows.

use super::*;

fn noon() -> Zoned {
    // Without the system's time zones, which need not be there.
    "2026-03-10T12:00:00Z".parse::<jiff::Timestamp>().expect("a time").to_zoned(jiff::tz::TimeZone::UTC)
}

fn place() -> Place {
    Place {
        directory: b"/srv/web".to_vec().into(),
        host: "desk".into(),
        session: "s1".into(),
        now_us: noon().timestamp().as_microsecond(),
    }
}

fn fuzzy(text: &str) -> Parsed {
    parse(text, Mode::Fuzzy, &place(), &noon())
}

fn bytes(text: &str) -> serde_bytes::ByteBuf {
    text.as_bytes().to_vec().into()
}

#[test]
fn each_filter_says_what_it_says() {
    use caro_schema::ipc::history::{Except, ExitFilter};
    let none = Filter::default;
    let made = |made| Filter { made, ..Filter::default() };
    let us = |text: &str| text.parse::<jiff::Timestamp>().expect("a time").as_microsecond();
    for (text, filter) in [
        ("dir:.", Filter { directory: Some(bytes("/srv/web")), ..none() }),
        ("dir:../mail", Filter { directory: Some(bytes("/srv/mail")), ..none() }),
        (r"dir:/a\ b", Filter { directory: Some(bytes("/a b")), ..none() }),
        ("dir:\"/a b\"/c", Filter { directory: Some(bytes("/a b/c")), ..none() }),
        ("under:/", Filter { subtree: Some(bytes("/")), ..none() }),
        ("under:!/tmp", Filter { except: vec![Except::Subtree(bytes("/tmp"))], ..none() }),
        ("dir:!.", Filter { except: vec![Except::Directory(bytes("/srv/web"))], ..none() }),
        ("host:.", Filter { host: Some("desk".into()), ..none() }),
        ("host:!a host:!.", Filter { except: vec![Except::Host("a".into()), Except::Host("desk".into())], ..none() }),
        ("session:.", Filter { session: Some("s1".into()), ..none() }),
        ("user:ada shell:zsh", Filter { user: Some("ada".into()), shell: Some("zsh".into()), ..none() }),
        ("exit:1", Filter { exit: Some(ExitFilter::Is(1)), ..none() }),
        ("exit:!0", Filter { exit: Some(ExitFilter::Not(0)), ..none() }),
        ("failed:", Filter { exit: Some(ExitFilter::Not(0)), ..none() }),
        ("ok:", Filter { exit: Some(ExitFilter::Is(0)), ..none() }),
        ("running:", Filter { exit: Some(ExitFilter::Running), ..none() }),
        ("after:yesterday", Filter { since_us: Some(us("2026-03-09T00:00:00Z")), ..none() }),
        ("before:2026-03-01", Filter { until_us: Some(us("2026-03-01T00:00:00Z")), ..none() }),
        ("since:\"2 hours ago\"", Filter { since_us: Some(us("2026-03-10T10:00:00Z")), ..none() }),
        ("took:>1m30s", Filter { took_from_us: Some(90_000_000), ..none() }),
        ("took:<1s", Filter { took_below_us: Some(1_000_000), ..none() }),
        ("author:me", Filter { assistant: Some(false), ..none() }),
        ("author:assistant", Filter { assistant: Some(true), ..none() }),
        ("author:!me", Filter { assistant: Some(true), ..none() }),
        ("author:claude-code", made(Made { by: Some("claude-code".into()), ..Made::default() })),
        ("tag:deploy", made(Made { tag: Some("deploy".into()), ..Made::default() })),
        ("safety:critical", made(Made { safety: Some("critical".into()), ..Made::default() })),
        ("asked:\"the build\"", made(Made { words: Some("the build".into()), ..Made::default() })),
    ] {
        let parsed = fuzzy(text);
        assert_eq!(parsed.filter, filter, "{text}");
        assert_eq!((parsed.query_text.as_str(), parsed.problems.len()), ("", 0), "{text}");
        assert!(parsed.spans.iter().all(|(_, kind)| *kind == Kind::Filter), "{text}");
    }
}

#[test]
fn every_name_is_read() {
    for (name, _) in tokens::NAMES {
        let parsed = fuzzy(&format!("{name}:"));
        assert_eq!(parsed.query_text, "", "{name}");
        assert_eq!(parsed.spans.len(), 1, "{name}");
    }
}

#[test]
fn what_is_left_is_the_text() {
    for (text, mode, rest) in [
        ("git dir:. push", Mode::Fuzzy, "git push"),
        ("dir:. git push", Mode::Prefix, "git push"),
        ("dir:. host:. git push", Mode::Prefix, "git push"),
        ("git push dir:.", Mode::Prefix, "git push"),
        ("git push dir:. ", Mode::Prefix, "git push "),
        ("  git", Mode::Prefix, "  git"),
        ("http://dir:80 x:y :z ok:no", Mode::Fuzzy, "http://dir:80 x:y :z ok:no"),
        (r"\dir:. \ls", Mode::Fuzzy, r"dir:. \ls"),
        (r"\dir:\d", Mode::Regex, r"\dir:\d"),
        ("'dir:.", Mode::Fuzzy, "'dir:."),
        (r"a\ dir:.", Mode::Fuzzy, r"a\ dir:."),
        (r"a\ dir:.", Mode::Substring, r"a\"),
        ("Dir:.", Mode::Fuzzy, "Dir:."),
        ("git commit -m \"fix dir\"", Mode::Substring, "git commit -m \"fix dir\""),
        ("é dir:. é", Mode::Substring, "é é"),
    ] {
        assert_eq!(parse(text, mode, &place(), &noon()).query_text, rest, "{text}");
    }
}

#[test]
fn what_cannot_be_understood_is_said_and_narrows_nothing() {
    for (text, words) in [
        ("exit:x", "exit: takes a status"),
        ("after:soon", "\"soon\" is not a time"),
        ("took:long", "took: takes a time"),
        ("took:-3s", "took: takes a time"),
        ("author:!you", "author:! takes me or assistant"),
        ("safety:fine", "safety: takes safe, moderate, high or critical"),
        ("repo:/", "is in no repository"),
        ("after:\u{1b}[2J", "\"^[[2J\" is not a time"),
    ] {
        let parsed = fuzzy(text);
        assert!(parsed.problems.iter().any(|problem| problem.contains(words)), "{text}: {:?}", parsed.problems);
        assert_eq!(parsed.filter, Filter::default(), "{text}");
        assert_eq!(parsed.spans, [(0..text.len(), Kind::Wrong)], "{text}");
    }
    let nowhere = Place::default();
    for text in ["host:.", "session:."] {
        let parsed = parse(text, Mode::Fuzzy, &nowhere, &noon());
        assert_eq!((parsed.problems.len(), parsed.filter), (1, Filter::default()));
    }
    let twice = fuzzy("host:a host:b exit:1 ok:");
    assert_eq!((twice.problems.len(), twice.filter.host.as_deref()), (2, Some("b")));
}

#[test]
fn what_is_not_finished_narrows_nothing_and_is_no_problem() {
    for text in ["dir:", "exit:", "exit:!", "host:!", "after:", "took:>", "author:ass", "repo:"] {
        let parsed = fuzzy(text);
        assert_eq!(parsed.filter, Filter::default(), "{text}");
        assert_eq!(parsed.problems, Vec::<String>::new(), "{text}");
        assert_eq!(parsed.spans, [(0..text.len(), Kind::Unfinished)], "{text}");
    }
}

#[test]
fn what_is_not_finished_is_a_slip_where_nobody_goes_on_typing() {
    let slips = |text: &str| fuzzy(text).slips(text);
    for text in ["ls dir:", "ls exit:", "host:! ls", "ls took:<", "author:assistan", "ls safety:crit"] {
        let said = slips(text);
        let word = text.split(' ').find(|word| word.contains(':')).expect("a filter");
        assert_eq!(said, [format!("\"{word}\" is only the beginning of a filter")], "{text}");
    }
    assert_eq!(slips("exit:x host: after:soon").len(), 3);
    assert_eq!(slips(r"^ls dir:. \exit: author:assistant safety:critical ok:"), Vec::<String>::new());
}

#[test]
fn spans_are_where_they_were_typed() {
    let parsed = fuzzy("^é dir:. 'a | !b$");
    let sign = |range| (range, Kind::Sign);
    assert_eq!(
        parsed.spans,
        [sign(0..1), (4..9, Kind::Filter), sign(10..11), sign(13..14), sign(15..16), sign(17..18)]
    );
    assert_eq!(parsed.query_text, "^é 'a | !b$");
    let regex = parse("^a$ dir:.", Mode::Regex, &place(), &noon());
    assert_eq!(regex.spans, [(4..9, Kind::Filter)]);
    assert_eq!(fuzzy(r"x \dir:.").spans, [sign(2..3)]);
}

#[test]
fn the_top_of_a_repository_is_found() {
    let disk = tempfile::tempdir().expect("a folder");
    let top = disk.path().join("project");
    std::fs::create_dir_all(top.join(".git")).expect("made");
    std::fs::create_dir_all(top.join("src")).expect("made");
    let there = Place { directory: top.join("src").into_os_string().into_encoded_bytes().into(), ..place() };
    let parsed = parse("repo:.", Mode::Fuzzy, &there, &noon());
    assert_eq!(parsed.filter.repository, Some(top.into_os_string().into_encoded_bytes().into()));
}

#[test]
fn what_is_typed_takes_the_place_of_what_was_chosen() {
    let chosen = Filter {
        host: Some("desk".into()),
        subtree: Some(bytes("/srv")),
        user: Some("ada".into()),
        ..Filter::default()
    };
    let over = fuzzy("host:laptop dir:/tmp user:!root").over(chosen.clone());
    assert_eq!((over.host.as_deref(), over.user.as_deref(), over.except.len()), (Some("laptop"), Some("ada"), 1));
    assert_eq!((over.directory, over.subtree), (Some(bytes("/tmp")), None));
    assert_eq!(fuzzy("cargo").over(chosen.clone()), chosen);
}

proptest::proptest! {
    /// Whatever is typed: no panic, spans within the text and apart, and text is never lost without a span.
    #[test]
    fn any_text_is_a_query(text in "([a-z:!.'^$|\\\\\" é]|dir:|exit:|ok:|after:){0,12}", mode in 0usize..4) {
        let mode = [Mode::Fuzzy, Mode::Substring, Mode::Prefix, Mode::Regex][mode];
        let parsed = parse(&text, mode, &place(), &noon());
        let mut end = 0;
        for (range, _) in &parsed.spans {
            assert!(range.start >= end && range.start < range.end && text.get(range.clone()).is_some(), "{text}");
            end = range.end;
        }
        let spanned: usize = parsed.spans.iter().map(|(range, _)| range.len()).sum();
        // Besides the spans only the blanks beside filters are left out.
        assert!(parsed.query_text.len() + spanned + parsed.spans.len() >= text.len(), "{text}");
    }
}
