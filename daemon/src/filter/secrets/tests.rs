//! Each pattern alone: what it must find and must not, and what masks and odd bytes do.

use super::{
    template::{Seed, fill},
    *,
};

#[test]
fn ds004_every_pattern_finds_its_example_and_nothing_finds_its_lookalike() {
    for (number, pattern) in patterns::all().enumerate() {
        for round in 0..20 {
            let mut seed = Seed(round * 1000 + number as u64);
            let example = fill(pattern.example, &mut seed);
            let kinds: Vec<&Kind> = RECOGNIZER.candidates(example.as_bytes()).collect();
            let own = kinds.iter().find(|kind| kind.pattern.id == pattern.id);
            let own = own.unwrap_or_else(|| panic!("{}: no needle is in its example: {example}", pattern.id));
            assert!(own.search(example.as_bytes()).next().is_some(), "{}: {example}", pattern.id);
            let lookalike = fill(pattern.lookalike, &mut seed);
            assert_eq!(first(lookalike.as_bytes()), None, "{}: {lookalike}", pattern.id);
        }
    }
}

#[test]
fn patterns_have_names_of_their_own_and_needles_in_small_letters() {
    let mut ids = std::collections::HashSet::new();
    for pattern in patterns::all() {
        assert!(ids.insert(pattern.id), "{}", pattern.id);
        assert!(!pattern.needles.is_empty() && !pattern.what.is_empty(), "{}", pattern.id);
        assert!(pattern.needles.iter().all(|needle| *needle == needle.to_ascii_lowercase()), "{}", pattern.id);
    }
}

#[test]
fn ds004_a_mask_hides_the_secret_and_leaves_the_rest() {
    let check = |line: &str, expected: &str| {
        let masked = masked(line.as_bytes()).map(|text| String::from_utf8(text).expect("text"));
        assert_eq!(masked.as_deref(), Some(expected), "{line}");
    };
    check("curl -u ada:hunter2 https://h.example/x", "curl -u ada:**** https://h.example/x");
    check("mysql -u root -phunter2 app", "mysql -u root -p**** app");
    check("export A_TOKEN=hunter22 B_PASSWORD='tr0ub4dor'; ls", "export A_TOKEN=**** B_PASSWORD='****'; ls");
    check("psql postgres://app:s3cr3tx@db/app", "psql postgres://app:****@db/app");
    assert_eq!(masked(b"ls -l"), None);
    assert_eq!(masked(&masked(b"mysql -phunter2").expect("masked")), None, "what is masked holds no secret");
}

#[test]
fn the_page_of_the_rules_lists_every_kind() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/recording-rules.md"));
    let kept = page.expect("there");
    assert!(kept.contains(&super::page()), "docs/recording-rules.md is stale; its table is to be:\n{}", super::page());
}

#[test]
fn any_bytes_are_looked_through_without_panic() {
    proptest::proptest!(|(before: Vec<u8>, after: Vec<u8>)| {
        let line = [&before[..], b" --password=\xff\xfe TOKEN=", &after[..]].concat();
        for found in all(&line) {
            proptest::prop_assert!(found.span.end <= line.len());
        }
    });
}

#[test]
fn a_line_of_a_megabyte_is_looked_through_at_once() {
    // Every needle at every place: the worst that a line can be, were the expressions not linear.
    let line = "password=$x -p token=$y ://a:$z@b ".repeat(30_000);
    assert_eq!(first(line.as_bytes()), None);
    let mut late = line.into_bytes();
    late.splice(0..0, *b"mysql -phunter2 ; ");
    assert_eq!(first(&late).map(|found| found.span), Some(8..15));
}
