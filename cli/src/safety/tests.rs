//! Every command of the corpus has its level, every rule a command that it is for, and any text reads as something.

use std::collections::BTreeSet;

use super::{Level, corpus::CORPUS, judged, rule, rules, words};

#[test]
fn every_command_of_the_corpus_has_its_level() {
    assert!(CORPUS.len() >= 300, "{} commands", CORPUS.len());
    let wrong: Vec<String> = CORPUS
        .iter()
        .filter_map(|(level, command)| {
            let (found, rule) = judged(command.as_bytes());
            (found != *level).then(|| format!("{command}: {found:?} ({:?}), not {level:?}", rule.map(|rule| rule.name)))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_corpus_names_no_command_twice_and_has_enough_of_each_level() {
    let commands: BTreeSet<&str> = CORPUS.iter().map(|(_, command)| *command).collect();
    assert_eq!(commands.len(), CORPUS.len());
    for level in Level::ALL {
        let count = CORPUS.iter().filter(|(of, _)| *of == level).count();
        assert!(count >= 40, "{level:?}: {count}");
    }
}

#[test]
fn every_rule_has_a_command_in_the_corpus() {
    let seen: BTreeSet<&str> =
        CORPUS.iter().filter_map(|(_, command)| rule(command.as_bytes())).map(|rule| rule.name).collect();
    let by_size = [rules::TOO_LONG.name, rules::TOO_DEEP.name];
    let unseen: Vec<&str> = rules::ALL
        .iter()
        .map(|rule| rule.name)
        .filter(|name| !seen.contains(name) && !by_size.contains(name))
        .collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}

#[test]
fn rules_have_names_of_their_own_and_the_page_lists_them_all() {
    let names: BTreeSet<&str> = rules::ALL.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), rules::ALL.len());
    let page = include_str!("../../../docs/assistants.md");
    let missing: Vec<String> = rules::ALL
        .iter()
        .map(|rule| format!("| {} | `{}` | {} |", rule.level.word(), rule.name, rule.what))
        .filter(|row| !page.lines().any(|line| line == row))
        .collect();
    assert!(missing.is_empty(), "docs/assistants.md lacks:\n{}", missing.join("\n"));
}

#[test]
fn what_is_too_long_or_too_deep_is_not_called_safe() {
    let long = vec![b'a'; super::BYTES_MAX + 1];
    assert_eq!(judged(&long).0, Level::High);
    let deep = format!("echo {}ls{}", "$(echo ".repeat(40), ")".repeat(40));
    assert_eq!(judged(deep.as_bytes()).0, Level::High);
    let mut shells = "rm -rf /".to_owned();
    for _ in 0..10 {
        shells = format!("sh -c {}", quoted(&shells));
    }
    assert!(judged(shells.as_bytes()).0 >= Level::High);
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[test]
fn a_level_is_its_word_in_any_case() {
    for level in Level::ALL {
        assert_eq!(Level::from_word(level.word()), Some(level));
        assert_eq!(Level::from_word(&format!(" {} ", level.word().to_uppercase())), Some(level));
    }
    assert_eq!(Level::from_word("fine"), None);
}

#[test]
fn words_are_cut_as_a_shell_cuts_them() {
    let cut = |text: &str| -> Vec<Vec<String>> {
        let script = words::read(text);
        let lines = script.pipelines.iter().flat_map(|line| &line.commands);
        lines.map(|command| command.words.iter().map(|word| word.text.clone()).collect()).collect()
    };
    for (text, expected) in [
        ("a 'b c' \"d e\" f\\ g", vec![vec!["a", "b c", "d e", "f g"]]),
        ("a;b&&c||d|e&f\ng", vec![vec!["a"], vec!["b"], vec!["c"], vec!["d"], vec!["e"], vec!["f"], vec!["g"]]),
        ("a 2>&1 >x <y b", vec![vec!["a", "b"]]),
        ("a <<E b\none; two\nE\nc", vec![vec!["a", "b"], vec!["c"]]),
        ("a $(b c) `d`", vec![vec!["a", "$()", "$()"]]),
        ("$'a\\nb' ${x y} # it's; b", vec![vec!["a\nb", "${x y}", "#", "it's"], vec!["b"]]),
        ("(a; b) | c", vec![vec!["a"], vec!["b"], vec!["c"]]),
        ("'open", vec![vec!["open"]]),
        ("a >", vec![vec!["a"]]),
    ] {
        assert_eq!(cut(text), expected, "{text}");
    }
}

#[test]
fn any_text_is_judged_without_panic() {
    let letters = ['(', ')', '$', '`', '\'', '"', '\\', '<', '>', '|', '&', ';', '\n', '#', ' ', 'a', '{', '}'];
    proptest::proptest!(|(picks in proptest::collection::vec(0..letters.len(), 0..60))| {
        let text: String = picks.into_iter().map(|pick| letters[pick]).collect();
        judged(text.as_bytes());
    });
    proptest::proptest!(|(bytes: Vec<u8>)| { judged(&bytes); });
}

#[test]
fn a_line_of_many_words_is_judged_in_time_that_grows_with_it() {
    let line = format!("unknown {}", "word ".repeat(12_000));
    let began = std::time::Instant::now();
    assert_eq!(judged(line.as_bytes()).0, Level::Safe);
    assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
}
