//! What was exported is imported as it was: every field by caro's own formats, and by a shell's what it can say.

use caro_schema::body::history::{Assistant, Record};
use caro_schema::id::RecordId;
use proptest::prelude::*;

use super::{Database, Format};
use crate::import::{Entry, Found, Input, Source, testing};
use crate::output::visible::is_hidden;

#[path = "../../../tests/corpus/hostile.rs"]
mod hostile;

const SHELLS: [(Format, Source); 6] = [
    (Format::Bash, Source::Bash),
    (Format::Zsh, Source::Zsh),
    (Format::Fish, Source::Fish),
    (Format::Nu, Source::Nu),
    (Format::Xonsh, Source::Xonsh),
    (Format::Powershell, Source::Powershell),
];

fn record(number: u16, command: &[u8]) -> Record {
    Record { command: command.to_vec().into(), id: id(number), ..crate::testing::record("") }
}

fn id(number: u16) -> RecordId {
    let mut id = [0; RecordId::LEN];
    id[..2].copy_from_slice(&number.to_be_bytes());
    RecordId(id)
}

/// The file of these records, and those that could be written.
fn exported(format: Format, records: &[Record]) -> (Vec<u8>, Vec<Record>) {
    let (mut bytes, mut written) = (format.begin().to_vec(), Vec::new());
    for record in records {
        let mut one = Vec::new();
        if format.write(record, &mut one).is_ok() {
            bytes.extend_from_slice(if written.is_empty() { b"" } else { format.between() });
            bytes.extend(one);
            written.push(record.clone());
        }
    }
    bytes.extend_from_slice(format.end());
    (bytes, written)
}

fn as_database(records: &[Record]) -> Vec<Found> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("history.db");
    let database = Database::create(&path).expect("made");
    records.iter().for_each(|record| database.add(record).expect("written"));
    database.finish().expect("written");
    let mut all = Vec::new();
    let input = Input::open(Source::Caro, &path).expect("there");
    input
        .read(&mut |found| {
            all.push(found);
            Ok(())
        })
        .expect("read");
    all
}

/// Whether a terminal would obey something of a text, or show nothing for it. What chooses between two forms of a picture
/// belongs to the picture.
fn has_hidden(text: &str) -> bool {
    let is_obeyed = |letter: char| letter.is_control() && !"\r\n".contains(letter);
    let mut before = 'a';
    text.chars().any(|letter| {
        let is_form = matches!(letter, '\u{fe0e}' | '\u{fe0f}') && !before.is_ascii() && !is_hidden(before);
        before = letter;
        is_obeyed(letter) || (is_hidden(letter) && !is_form)
    })
}

/// caro's own formats give every field back.
fn check_own(records: &[Record]) {
    let expected: Vec<Found> = records.iter().map(|record| Found::Record(Box::new(record.clone()))).collect();
    for format in [Format::Jsonl, Format::Csv] {
        let (bytes, written) = exported(format, records);
        assert_eq!(written.len(), records.len());
        assert!(testing::found(Source::Caro, &bytes) == expected, "{format:?}: {}", bytes.escape_ascii());
        let text = std::str::from_utf8(&bytes).expect("text");
        assert!(!has_hidden(text), "{format:?}: {}", text.escape_debug());
    }
    assert!(as_database(records) == expected, "sqlite");
}

/// A shell's format gives back what it could say: the text always, the time as far as it has one.
fn check_shells(records: &[Record]) {
    for (format, source) in SHELLS {
        let (bytes, written) = exported(format, records);
        let (entries, odd) = testing::read_all(source, &bytes);
        assert_eq!(odd, 0, "{format:?}");
        assert_eq!(entries.len(), written.len(), "{format:?}: {}", bytes.escape_ascii());
        for (entry, record) in entries.iter().zip(&written) {
            assert_eq!(
                entry.command.escape_ascii().to_string(),
                record.command.escape_ascii().to_string(),
                "{format:?}"
            );
            check_times(format, entry, record);
        }
    }
}

fn check_times(format: Format, entry: &Entry, record: &Record) {
    let seconds = |us: i64| us.div_euclid(1_000_000) * 1_000_000;
    let took_us = record.duration_us.unwrap_or_default();
    let (start, took) = match format {
        Format::Nu | Format::Powershell => (None, None),
        Format::Xonsh => {
            // A float holds a time to about a microsecond.
            let is_near = |one: Option<i64>, other: i64| one.is_some_and(|one| (one - other).abs() <= 2);
            assert!(is_near(entry.start_us, record.start_us));
            assert!(is_near(entry.duration_us.map(|us| us as i64), took_us as i64));
            return;
        }
        Format::Zsh => (Some(seconds(record.start_us)), Some(took_us / 1_000_000 * 1_000_000)),
        _ => (Some(seconds(record.start_us)), None),
    };
    assert_eq!((entry.start_us, entry.duration_us), (start, took), "{format:?}");
}

#[test]
fn trap_43_the_hostile_strings_come_back_as_they_were() {
    let strings = hostile::strings();
    assert_eq!(strings.len(), 300);
    let records: Vec<Record> = (0..).zip(&strings).map(|(number, hostile)| record(number, &hostile.bytes)).collect();
    check_own(&records);
    check_shells(&records);
}

#[test]
fn a_shells_own_file_leaves_out_no_more_than_it_must() {
    let strings = hostile::strings();
    let left_out = |format: Format| -> Vec<&str> {
        let cannot = |bytes: &[u8]| format.write(&record(1, bytes), &mut Vec::new()).is_err();
        strings.iter().filter(|hostile| cannot(&hostile.bytes)).map(|hostile| hostile.name.as_str()).collect()
    };
    assert_eq!(left_out(Format::Zsh), [""; 0]);
    let nul = ["control 00", "invalid utf 16", "invalid all bytes", "nul inside", "nul alone", "spool record"];
    let mut fish = left_out(Format::Fish);
    let mut expected = nul.to_vec();
    fish.sort_unstable();
    expected.sort_unstable();
    assert_eq!(fish, expected);
    let bash = left_out(Format::Bash);
    let others: Vec<&&str> = bash.iter().filter(|name| !nul.contains(name)).collect();
    let expected = [
        "paste end",
        "paste end after newline",
        "format bash stamp",
        "format bash stamp inside",
        "format bash stamp last",
        "format leading newline",
        "format trailing newlines",
        "format one newline",
        "format carriage return and newline",
    ];
    assert_eq!(others, expected.iter().collect::<Vec<_>>());
}

/// Any record that an export may meet.
fn any_record() -> impl Strategy<Value = Record> {
    let piece = prop_oneof![
        3 => prop::sample::select(vec![
            "\n", "\r", "\\", "`", "<\\n>", "\"", ",", " ", "#17", ": 1:2;", "- cmd: ", "\u{83}", "\u{1b}[2J", "=", "é", "x",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    let text = || prop::collection::vec(piece.clone(), 0..8).prop_map(|pieces| pieces.concat());
    let word = || prop_oneof![Just(String::new()), any::<String>(), "[a-z:@=+-]{1,6}".prop_map(String::from)];
    let assistant = prop::option::weighted(
        0.2,
        (word(), word(), prop::collection::vec(word(), 0..3))
            .prop_map(|(prompt, model, tags)| Box::new(Assistant { prompt, model, tags, ..Assistant::default() })),
    );
    let times = (0..7_000_000_000_000_000_i64, prop::option::of(prop_oneof![0..9_000_000_u64, Just(u64::MAX)]));
    let ends = (prop::option::of(any::<i32>()), assistant);
    ((any::<[u8; 16]>(), text(), text()), (word(), word(), word(), word()), times, ends).prop_map(
        |((id, command, directory), (host, user, shell, session), (start_us, duration_us), (exit, assistant))| Record {
            id: RecordId(id),
            command: if command.is_empty() { b"x".to_vec() } else { command }.into(),
            directory: directory.into(),
            host,
            user,
            shell,
            session,
            start_us,
            duration_us,
            exit,
            assistant,
        },
    )
}

proptest! {
    #[test]
    fn caros_own_formats_give_every_field_back(mut records in prop::collection::vec(any_record(), 0..6)) {
        // A database has an id once.
        records.sort_by_key(|record| record.id);
        records.dedup_by_key(|record| record.id);
        check_own(&records);
    }

    #[test]
    fn a_shells_format_gives_back_what_it_can_say(mut records in prop::collection::vec(any_record(), 0..6)) {
        records.iter_mut().for_each(|record| record.duration_us = record.duration_us.filter(|us| *us < u64::MAX));
        check_shells(&records);
    }
}
