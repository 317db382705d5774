//! What people type, and what is shown to them: keys and pastes, the language of queries, words for times, what their shells
//! print of aliases, what scripts say of themselves.

use std::{
    pin::pin,
    sync::OnceLock,
    task::{Context, Poll, Waker},
};

use caro_core::{history::History, search::Searcher};
use caro_daemon::ipc;
use caro_schema::{
    ipc::{
        Fault,
        history::{Hits, Mode, Order, Place, Query, Window},
    },
    items::Sort,
    quote,
};
use chaos_tests::fuzzing::{
    Target,
    account::{NOW_MS, record},
    input::Input,
};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "query",
        what: "a query as it is typed, and the search for it: its parts are within it and apart, nothing comes back that a \
               terminal obeys, what is found is history, and the same whether it was typed at once or letter by letter",
        run: query,
        seeds: query_seeds,
    },
    Target {
        name: "times",
        what: "words for a time: a moment that a calendar has, a period that does not end before it begins, a pause that is \
               longer than nothing",
        run: times,
        seeds: times_seeds,
    },
    Target {
        name: "aliases",
        what: "what a shell prints of its aliases: no name twice, none that cannot be kept, no more text than there was; and \
               what is kept is read back as bash and zsh print it",
        run: aliases,
        seeds: alias_seeds,
    },
    Target {
        name: "script",
        what: "what a script says of itself: no variable twice and none that an environment cannot have, no more text than \
               there was",
        run: script,
        seeds: script_seeds,
    },
    Target {
        name: "keys",
        what: "what a terminal sends: no more keys than bytes, and what is pasted is never taken for keys and has bounds",
        run: keys,
        seeds: key_seeds,
    },
    Target {
        name: "shown",
        what: "foreign text as it is shown: nothing in it that a terminal obeys or hides, and all of what was harmless",
        run: shown,
        seeds: shown_seeds,
    },
    Target {
        name: "suggest",
        what: "the question of a shell's line editor: a directory and a line as they were sent, or none, of bounded length",
        run: suggest,
        seeds: || [&b"/src\0git pu\0"[..], b"\0\0", b"/src\0git", &[b'x'; 20_000]].map(<[u8]>::to_vec).to_vec(),
    },
];

const MODES: [Mode; 4] = [Mode::Fuzzy, Mode::Substring, Mode::Prefix, Mode::Regex];

fn place() -> Place {
    Place {
        directory: b"/src".to_vec().into(),
        host: "host".into(),
        session: "s".into(),
        now_us: (NOW_MS * 1000).cast_signed(),
    }
}

/// A short history with text of several kinds in it.
fn history() -> &'static History {
    static HISTORY: OnceLock<History> = OnceLock::new();
    HISTORY.get_or_init(|| {
        let texts: [&[u8]; 8] = [
            b"git push --force origin main",
            b"cargo test -p caro -- --nocapture",
            "echo \u{e4}\u{df}\u{130} \u{1f469}\u{200d}\u{1f680} na\u{ef}ve".as_bytes(),
            b"printf '\xff\xfe\x1b[31m'",
            b"for i in 1 2 3\ndo\n  ls $i\ndone",
            b"a",
            b"docker run --rm -it 'x y' \"z\"",
            b"dir:here exit:!0 ^git !push $ |",
        ];
        let mut history = History::new();
        history.put((0..24u64).map(|number| {
            let mut one = record(number);
            one.command = texts[number as usize % texts.len()].to_vec().into();
            one.exit = [Some(0), Some(1), None][number as usize % 3];
            one
        }));
        history.set_complete();
        history
    })
}

fn query(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = MODES[input.below(MODES.len())];
    let typed_to = usize::from(input.byte());
    let Ok(text) = std::str::from_utf8(input.rest()) else { return };
    let read = caro::fuzzing::query(text, mode, &place());
    let mut end = 0;
    for (range, _) in &read.spans {
        assert!(range.start >= end && range.end > range.start, "parts that overlap");
        assert!(text.get(range.clone()).is_some(), "a part that is no text");
        end = range.end;
    }
    let filters: usize = read.spans.iter().filter(|(_, is_sign)| !is_sign).map(|(range, _)| range.len()).sum();
    assert!(read.text.len() + filters <= text.len(), "more text came out than went in");
    for problem in &read.problems {
        assert!(!problem.is_empty() && problem.len() <= 4 * text.len() + 200, "a problem without bounds");
        assert!(!problem.contains(char::is_control), "a problem that a terminal obeys");
    }
    let again = caro::fuzzing::query(text, mode, &place());
    assert!(again.text == read.text && again.filter == read.filter);

    let asked = |text: &str, order: Order, unique: bool| Query {
        text: text.to_owned(),
        mode,
        filter: read.filter.clone(),
        order,
        unique,
        place: place(),
        masked: false,
    };
    // As one who types: first a part of it, then all.
    let part: String = read.text.chars().take(typed_to).collect();
    let mut typed = Searcher::default();
    for (order, unique) in [(Order::Rank, true), (Order::Newest, false)] {
        drop(typed.search(history(), &asked(&part, order, unique), WINDOW));
        let query = asked(&read.text, order, unique);
        let found = typed.search(history(), &query, WINDOW);
        let at_once = Searcher::default().search(history(), &query, WINDOW);
        match (found, at_once) {
            (Ok(found), Ok(at_once)) => {
                is_history(&found);
                let rows = |hits: &Hits| hits.rows.iter().map(|hit| (hit.record.id, hit.runs)).collect::<Vec<_>>();
                assert!(rows(&found) == rows(&at_once) && found.total == at_once.total, "typing changes what is found");
            }
            (Err(Fault::BadPattern { .. }), Err(Fault::BadPattern { .. })) => {}
            _ => panic!("a search that is sometimes refused"),
        }
    }
}

const WINDOW: Window = Window { offset: 0, limit: 10 };

fn is_history(hits: &Hits) {
    assert!(hits.rows.len() as u64 <= hits.total.min(10) && hits.total <= hits.of && hits.of == history().len() as u64);
    for hit in &hits.rows {
        let known = history().record(&hit.record.id).expect("what is found is history");
        assert!(known == hit.record);
        let mut end = 0;
        for (from, to) in &hit.matched {
            assert!(
                *from >= end && to > from && *to as usize <= hit.record.command.len(),
                "a match outside its command"
            );
            end = *to;
        }
    }
}

fn query_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "git pu",
        "cargo dir:. exit:!0 after:yesterday",
        "^git !push 'force main$ a|b \\ x",
        "under:~/src took:>10s took:<1m30s author:me tag:ci safety:high asked:tests",
        "host:. user:ada session:. shell:zsh ok: failed: running: repo:.",
        "before:\"3 days ago\" since:2026-03-01T14:30:00Z until:14:30 \\dir:x",
        "exit:99999999999 after:soon author:!x dir: dir:a dir:b \"",
        "(?i)^(a|b)+?[[:alpha:]]{2,5}\\b$",
        "(((a{1,100}){1,100}){1,100})",
        "\u{e4}\u{130}\u{1f680}",
    ];
    let all = |mode: u8| texts.iter().map(move |text| [&[mode, 3], text.as_bytes()].concat());
    (0..MODES.len() as u8).flat_map(all).collect()
}

/// The years that the calendar has, in microseconds since 1970.
const CALENDAR_US: std::ops::RangeInclusive<i64> = -377_705_023_201_000_000..=253_402_207_200_999_999;

fn times(data: &[u8]) {
    let mut input = Input::new(data);
    let day = i64::from(input.short());
    let Ok(text) = std::str::from_utf8(input.rest()) else { return };
    let now_us = day * 86_400_000_000;
    let times = caro::fuzzing::times(text, now_us);
    if let Some(moment_us) = times.moment_us {
        assert!(CALENDAR_US.contains(&moment_us), "a moment that no calendar has");
        let is_ago = text.trim_end().ends_with("ago") && !text.contains('-');
        assert!(!is_ago || moment_us <= now_us, "ago, and yet to come");
    }
    if let Some((Some(from), Some(to))) = times.period {
        assert!(from < to, "a period that ends before it begins");
    }
    assert!(times.pause_us.is_none_or(|us| us >= 0));
}

fn times_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "now",
        "today",
        "yesterday",
        "2026-03-01",
        "2026-03-01 14:30",
        "2026-03-01T14:30:00Z",
        "14:30",
        "90m",
        "3 days",
        "2 weeks ago",
        "1y2mo3w4d5h6m7.8s",
        "P1Y2M3DT4H5M6S",
        "-9999-12-31",
        "week",
        "2026",
        "2026-03",
        "1h30m",
        "2 days",
        "99999999 years",
        "2026-03-01T14:30:00+01:00[Europe/Vienna]",
    ];
    texts.iter().map(|text| [&[0x50, 0x00], text.as_bytes()].concat()).collect()
}

fn aliases(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (kept, left_out) = caro::fuzzing::aliases(text);
    assert!(kept.len() + left_out <= text.len() + 1);
    let bytes: usize = kept.iter().map(|(name, command)| name.len() + command.len()).sum();
    assert!(bytes <= text.len(), "more text came out than went in");
    let names: std::collections::BTreeSet<&str> = kept.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), kept.len(), "a name twice");
    for (name, command) in &kept {
        assert!(Sort::Alias.check(name, command.as_bytes()).is_ok(), "an alias that cannot be kept");
    }
    // As bash prints a list, and as zsh does. A shell's own names have no blank and no quote in them.
    let plain = |name: &str| !name.contains([' ', '\t', '\r', '\n', '\'', '"', '\\', '$', '=']);
    let named: Vec<_> = kept.into_iter().filter(|(name, _)| plain(name)).collect();
    for before in ["alias ", ""] {
        let mut printed = Vec::new();
        for (name, command) in &named {
            printed
                .extend([before.as_bytes(), name.as_bytes(), b"=", &quote::posix(command.as_bytes()), b"\n"].concat());
        }
        let printed = String::from_utf8(printed).expect("text");
        assert!(caro::fuzzing::aliases(&printed) == (named.clone(), 0), "aliases are read back as others");
    }
}

fn alias_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "alias ll='ls -l'\nalias -- x='y z'\nalias q='echo '\\''it'\\'''\n",
        "ll='ls -l'\nls=ls\n..='cd ..'\nnl=$'one\\ntwo'\n",
        "alias ll 'ls -l'\nalias q 'echo \\'it\\' now'\nalias g git\n",
        "alias d=\"a \\\"b\\\" \\$c\"\nalias m='one\ntwo'\nalias b='tr \\\\n x'\nalias ll=3\n",
        "hello world\n\nalias a=b\nalias -g G='| grep'\nalias x='no end",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

fn script(data: &[u8]) {
    let script = caro::fuzzing::script(data);
    let (program, argument) = &script.program;
    // What is not text is longer as text by three for one.
    let most = 3 * data.len() + "/bin/sh".len();
    assert!(!program.is_empty() && program.len() + argument.as_ref().map_or(0, String::len) <= most);
    assert!(!program.contains(['\n', ' ', '\t']) && script.about.len() <= most && !script.about.contains('\n'));
    match script.variables {
        Ok(variables) => {
            let names: std::collections::BTreeSet<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names.len(), variables.len(), "a variable twice");
            assert!(names.iter().all(|name| Sort::Variable.check_name(name).is_ok()), "no environment can have it");
            let bytes: usize =
                variables.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, String::len)).sum();
            assert!(bytes <= most);
        }
        Err(why) => assert!(!why.is_empty() && why.len() < 400),
    }
}

fn script_seeds() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 5] = [
        b"#!/usr/bin/env bash\n# caro: var host             where to deploy\n# caro: var branch = main    what\necho\n",
        b"#! /bin/awk\t-f \n// caro: var A = \"a b\" c\n-- caro: var B=1\n; says this\n",
        b"# caro: var 1\n",
        b"# caro: var A\n# caro: var A\n",
        b"#!\xff\n% about \xff\n",
    ];
    texts.map(<[u8]>::to_vec).to_vec()
}

/// Bytes of a paste, where each byte that is not text is shown by three.
const PASTE_BYTES_MAX: usize = 3 * 64 * 1024;

fn keys(data: &[u8]) {
    let (others, pastes) = caro::fuzzing::typed(data);
    assert!(others + pastes.len() <= data.len() + 1, "more keys than bytes");
    let bytes: usize = pastes.iter().map(String::len).sum();
    assert!(bytes <= 3 * data.len() && pastes.iter().all(|paste| paste.len() <= PASTE_BYTES_MAX));
    // The same, pasted: nothing of it is a key, and all of it is there up to what ends a paste.
    let (begin, end) = (&b"\x1b[200~"[..], &b"\x1b[201~"[..]);
    let whole = [begin, data, end].concat();
    let inside = &whole[begin.len()..];
    let length = inside.windows(end.len()).position(|window| window == end).unwrap_or(data.len());
    let (others, pastes) = caro::fuzzing::typed(&whole[..begin.len() + length + end.len()]);
    assert_eq!(others, 0, "what was pasted is taken for keys");
    if length <= 64 * 1024 {
        assert_eq!(pastes, [String::from_utf8_lossy(&inside[..length])]);
    }
}

fn key_seeds() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 7] = [
        b"ls\r\x03\x1b[A\x1bOP\x1b\x1b[1;5D\x7f\xc3\xa4\xff",
        b"\x1b[200~rm -rf /\n\x1b[201~x",
        b"\x1b[<0;10;20M\x1b[<64;1;1m\x1b[M !!\x1b[12;34R",
        b"\x1b[97;5u\x1b[57399u\x1b[27;5;9~\x1b[3~\x1b[15;2~",
        b"\x1b[999999999999999999999;1R\x1b[;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;",
        b"\x1b]11;rgb:ffff/ffff/ffff\x07\x1b",
        b"\x1b[200~\x1b[20\x1b[201",
    ];
    texts.map(<[u8]>::to_vec).to_vec()
}

fn shown(data: &[u8]) {
    let (line, text) = caro::fuzzing::shown(data);
    for (shown, is_line) in [(&line, true), (&text, false)] {
        let mut before = ' ';
        for letter in shown.chars() {
            // The mark that chooses a form counts with the letter before it.
            let chooses = matches!(letter, '\u{fe0e}' | '\u{fe0f}') && !before.is_ascii();
            assert!(!caro::fuzzing::is_hidden(letter) || chooses, "{letter:?} is hidden");
            assert!(!letter.is_control() || (letter == '\n' && !is_line), "a terminal obeys {letter:?}");
            before = letter;
        }
        assert!(shown.len() <= 8 * data.len(), "text without bounds");
    }
    assert_eq!(text.replace('\n', "\u{23ce}"), line);
    if data.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        assert_eq!(line.as_bytes(), data);
    }
}

fn shown_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "ls -l\x1b[2J\x1b]0;title\x07\ta\nb\r",
        "\u{9b}31m\u{202e}gpj.exe\u{200b}\u{feff}\u{e0041}",
        "na\u{ef}ve \u{4f60}\u{597d} e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301} \u{2764}\u{fe0f} a\u{fe0f}",
    ];
    let texts = texts.map(|text| text.as_bytes().to_vec()).to_vec();
    texts.into_iter().chain([b"\xff\xc3(\xf0\x9f".to_vec()]).collect()
}

/// Bytes of a question, and of one reading more.
const QUESTION_BYTES_MAX: usize = 16 * 1024 + 64;

fn suggest(data: &[u8]) {
    let mut left = data;
    let mut asked = None;
    // Over memory nothing has to be waited for.
    if let Poll::Ready(read) = pin!(ipc::asked(&mut left)).poll(&mut Context::from_waker(Waker::noop())) {
        asked = Some(read);
    }
    let asked = asked.expect("memory makes nobody wait");
    assert!(data.len() - left.len() <= QUESTION_BYTES_MAX.max(64), "more was read than a question has");
    let Some((directory, line)) = asked else { return };
    let sent = [&directory[..], &[0], &line, &[0]].concat();
    assert!(data.starts_with(&sent) && !directory.contains(&0) && !line.contains(&0));
}
