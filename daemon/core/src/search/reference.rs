//! For tests: the search written down as simply as it can be, over records, letter by letter, with everything sorted.
//!
//! Only the score of a fuzzy match is taken from the product: it has a reference of its own, in `sit.rs`.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use caro_schema::{
    body::history::Record,
    ipc::{
        history::{Except, ExitFilter, Filter, Mode, Order, Place, Query, Window},
        terms::{Term, TermKind, terms},
    },
};

use super::{
    fuzzy::Scorer,
    made::was_made,
    neighbours::RUNS_MAX,
    pattern::{Pattern, asked},
};
use crate::history::{fold_char, fold_into};

/// What a search must give: how many, and the records of the window with their runs.
pub(super) fn search(records: &[Record], query: &Query, window: Window) -> (u64, Vec<(Record, u32)>) {
    let matching: Vec<&Record> =
        records.iter().filter(|record| admits(&query.filter, record) && matches(query, &record.command)).collect();
    let mut by_command: BTreeMap<&[u8], Vec<&Record>> = BTreeMap::new();
    for record in &matching {
        by_command.entry(&record.command).or_default().push(record);
    }
    let newest = |records: &[&Record]| records.iter().copied().cloned().max_by_key(|r| (r.start_us, r.id)).unwrap();
    let mut rows: Vec<(u32, Record, u32)> = if query.unique {
        by_command.values().map(|runs| (newest(runs), runs.len() as u32)).map(|(r, n)| (0, r, n)).collect()
    } else {
        matching.iter().map(|record| (0, (*record).clone(), 1)).collect()
    };
    let near = near(records, &query.place);
    let (pattern, mut scorer) = (Pattern::new(query, &asked(query).unwrap()).unwrap(), Scorer::new());
    let mut score = |command: &[u8]| {
        let mut folded = Vec::new();
        fold_into(&mut folded, command);
        pattern.quality(command, &folded, &mut scorer)
    };
    for row in &mut rows {
        let command = &row.1.command[..];
        row.0 = rank(query, &row.1, by_command[command].len() as u32, near[command], &mut score);
    }
    rows.sort_by(|one, other| {
        let time = (one.1.start_us, one.1.id).cmp(&(other.1.start_us, other.1.id));
        match query.order {
            Order::Rank => other.0.cmp(&one.0).then(time.reverse()),
            Order::Newest => time.reverse(),
            Order::Oldest => time,
        }
    });
    debug_assert!(rows.windows(2).all(|two| two[0].1.id.cmp(&two[1].1.id) != Ordering::Equal));
    let total = rows.len() as u64;
    let rows = rows.into_iter().skip(window.offset as usize).take(window.limit as usize);
    (total, rows.map(|(_, record, runs)| (record, runs)).collect())
}

/// Letters, or bytes that are none.
fn units(text: &[u8]) -> Vec<Result<char, u8>> {
    text.utf8_chunks()
        .flat_map(|chunk| chunk.valid().chars().map(Ok).chain(chunk.invalid().iter().copied().map(Err)))
        .collect()
}

/// Lower-case letters match both cases, upper-case ones only themselves.
fn same(typed: char, unit: Result<char, u8>) -> bool {
    unit.is_ok_and(|letter| letter == typed || fold_char(letter) == typed)
}

fn is_at(typed: &[char], units: &[Result<char, u8>]) -> bool {
    typed.len() <= units.len() && typed.iter().zip(units).all(|(typed, unit)| same(*typed, *unit))
}

/// The words, each once.
fn words(text: &str) -> Vec<Vec<char>> {
    let words: BTreeSet<&str> = text.split_whitespace().collect();
    words.into_iter().map(|word| word.chars().collect()).collect()
}

fn matches(query: &Query, command: &[u8]) -> bool {
    let units = units(command);
    let is_in = |word: &Vec<char>| (0..=units.len()).any(|at| is_at(word, &units[at..]));
    match query.mode {
        Mode::Fuzzy => {
            let mut groups: Vec<bool> = Vec::new();
            for term in terms(&query.text) {
                let holds = holds(&term, &units);
                match groups.last_mut() {
                    Some(group) if term.is_alternative => *group |= holds,
                    _ => groups.push(holds),
                }
            }
            groups.into_iter().all(|group| group)
        }
        Mode::Substring => words(&query.text).iter().all(is_in),
        Mode::Prefix => is_at(&query.text.chars().collect::<Vec<_>>(), &units),
        Mode::Regex => {
            let is_exact = query.text.chars().any(|letter| letter.is_uppercase());
            let text = if is_exact { query.text.clone() } else { format!("(?i){}", query.text) };
            regex::bytes::Regex::new(&text).unwrap().is_match(command)
        }
    }
}

/// What `terms.rs` says that each kind of word is to a command.
fn holds(term: &Term, units: &[Result<char, u8>]) -> bool {
    let word: Vec<char> = term.text.chars().collect();
    let places: Vec<usize> = (0..=units.len()).filter(|at| is_at(&word, &units[*at..])).collect();
    let ends = |at: &usize| at + word.len() == units.len();
    let is_there = match term.kind {
        TermKind::Loose => {
            let mut rest = units.iter();
            word.iter().all(|typed| rest.any(|unit| same(*typed, *unit)))
        }
        TermKind::Exact => !places.is_empty(),
        TermKind::Start => places.first() == Some(&0),
        TermKind::End => places.iter().any(ends),
        TermKind::Whole => places.first() == Some(&0) && ends(&0),
    };
    is_there != term.negated
}

/// Points of each command for where it ran, and for following what ran last there.
fn near<'a>(records: &'a [Record], place: &Place) -> BTreeMap<&'a [u8], u32> {
    let mut ran: BTreeMap<&[u8], [bool; 3]> = BTreeMap::new();
    for record in records {
        let [directory, session, host] = ran.entry(&record.command).or_default();
        *directory |= !record.directory.is_empty() && record.directory == place.directory;
        *session |= !record.session.is_empty() && record.session == place.session;
        *host |= !record.host.is_empty() && record.host == place.host;
    }
    let points =
        |[directory, session, host]: [bool; 3]| u32::from(directory) * 6 + u32::from(session) * 3 + u32::from(host) * 2;
    let followers = followers(records, place);
    let total: usize = followers.values().sum();
    let habit = |command: &[u8]| match followers.get(command) {
        Some(count) if *count >= 2 => {
            8u32.saturating_sub(2 * (2..9).filter(|n| total / count >= 1 << n).count() as u32)
        }
        _ => 0,
    };
    ran.into_iter().map(|(command, ran)| (command, points(ran) + habit(command))).collect()
}

/// How often each command came next after the newest runs of what ran last in the session.
fn followers<'a>(records: &'a [Record], place: &Place) -> BTreeMap<&'a [u8], usize> {
    let moment = |record: &Record| (record.start_us, record.id);
    let mut here = records.iter().filter(|record| !record.session.is_empty() && record.session == place.session);
    let mut counts = BTreeMap::new();
    let Some(first) = here.next() else { return counts };
    let last = here.fold(first, |last, record| if moment(record) > moment(last) { record } else { last });
    let mut runs: Vec<&Record> =
        records.iter().filter(|record| record.command == last.command && !record.session.is_empty()).collect();
    runs.sort_by_key(|record| std::cmp::Reverse(moment(record)));
    runs.truncate(RUNS_MAX);
    for run in runs {
        let beside = |other: &&Record| {
            (&other.host, &other.user, &other.shell, &other.session) == (&run.host, &run.user, &run.shell, &run.session)
        };
        let later = records.iter().filter(beside).filter(|other| moment(other) > moment(run));
        if let Some(next) = later.min_by_key(|other| moment(other)) {
            *counts.entry(&next.command[..]).or_default() += 1;
        }
    }
    counts
}

fn rank(query: &Query, record: &Record, runs: u32, near: u32, score: &mut impl FnMut(&[u8]) -> u32) -> u32 {
    let is_literal = matches!(query.mode, Mode::Prefix | Mode::Regex);
    let asks_nothing = match query.mode {
        Mode::Fuzzy => terms(&query.text).is_empty(),
        _ if is_literal => query.text.is_empty(),
        _ => query.text.trim().is_empty(),
    };
    if asks_nothing {
        return 0;
    }
    let minutes = (i128::from(query.place.now_us) - i128::from(record.start_us)).max(0) / 60_000_000;
    let lately = 24u32.saturating_sub(u128::BITS - (minutes as u128).leading_zeros());
    let often = (1..=10).filter(|doubling| runs >= 1 << doubling).count() as u32;
    lately + often + near + quality(query, &record.command, score)
}

fn quality(query: &Query, command: &[u8], score: &mut impl FnMut(&[u8]) -> u32) -> u32 {
    let lower = |text: &str| text.chars().map(fold_char).map(Ok).collect::<Vec<Result<char, u8>>>();
    let folded: Vec<Result<char, u8>> = units(command).into_iter().map(|unit| unit.map(fold_char)).collect();
    let whole = if folded == lower(query.text.trim()) { 8 } else { 0 };
    match query.mode {
        Mode::Fuzzy => score(command),
        Mode::Substring => words(&query.text).iter().map(|word| place_of(word, &units(command))).sum::<u32>() + whole,
        Mode::Prefix => whole,
        Mode::Regex => 0,
    }
}

fn place_of(word: &[char], units: &[Result<char, u8>]) -> u32 {
    let worth = |at: usize| match at.checked_sub(1).map(|before| units[before]) {
        None => 24,
        Some(Ok(letter)) if letter.is_ascii() && !letter.is_ascii_alphanumeric() => 16,
        Some(_) => 0,
    };
    (0..units.len()).filter(|at| is_at(word, &units[*at..])).map(worth).max().unwrap_or(0)
}

fn admits(filter: &Filter, record: &Record) -> bool {
    let Filter { host, user, session, shell, directory, subtree, repository, exit, .. } = filter;
    let Filter { since_us, until_us, took_from_us, took_below_us, assistant, ids, except, .. } = filter;
    let Filter { made, any_host, any_subtree, .. } = filter;
    let is_kind = |kind: &String| record.shell == *kind || record.shell.starts_with(&format!("{kind} "));
    let took = |holds: &dyn Fn(u64) -> bool| record.duration_us.is_some_and(holds);
    let below = |tree: &[u8]| {
        let with_slash = |path: &[u8]| [path, b"/"].concat();
        let tree = if tree.ends_with(b"/") { tree.to_vec() } else { with_slash(tree) };
        with_slash(&record.directory).starts_with(&tree) && !record.directory.is_empty()
    };
    host.as_ref().is_none_or(|host| *host == record.host)
        && user.as_ref().is_none_or(|user| *user == record.user)
        && session.as_ref().is_none_or(|session| *session == record.session)
        && shell.as_ref().is_none_or(is_kind)
        && directory.as_ref().is_none_or(|directory| *directory == record.directory)
        && subtree.as_ref().is_none_or(|tree| below(tree))
        && repository.as_ref().is_none_or(|top| below(top))
        && took_from_us.is_none_or(|from| took(&|time| time >= from))
        && took_below_us.is_none_or(|end| took(&|time| time < end))
        && except.iter().all(|except| match except {
            Except::Host(host) => *host != record.host,
            Except::User(user) => *user != record.user,
            Except::Session(session) => *session != record.session,
            Except::Shell(kind) => !is_kind(kind),
            Except::Directory(directory) => *directory != record.directory,
            Except::Subtree(tree) => !below(tree),
        })
        && since_us.is_none_or(|since| record.start_us >= since)
        && until_us.is_none_or(|until| record.start_us < until)
        && assistant.is_none_or(|by| record.assistant.is_some() == by)
        && was_made(made, record.assistant.as_deref())
        && (any_host.is_empty() || any_host.contains(&record.host))
        && (any_subtree.is_empty() || any_subtree.iter().any(|tree| below(tree)))
        && ids.as_ref().is_none_or(|ids| ids.contains(&record.id))
        && match exit {
            None => true,
            Some(ExitFilter::Is(code)) => record.exit == Some(*code),
            Some(ExitFilter::Not(code)) => record.exit.is_some_and(|exit| exit != *code),
            Some(ExitFilter::Running) => {
                record.exit.is_none() && record.duration_us.is_none() && !record.session.is_empty()
            }
        }
}
