//! Databases as each tool makes them, hostile ones, and damaged ones.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::super::{About, Entry, Found, Input, Source, Why};
use crate::{error::Outcome, exit};

struct Database {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn database(sql: &str) -> Database {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a%20 ?#b.db");
    Connection::open(&path).expect("made").execute_batch(sql).expect("filled");
    Database { _folder: folder, path }
}

fn try_read(source: Source, path: &Path) -> Outcome<Vec<Found>> {
    let mut all = Vec::new();
    Input::open(source, path)?.read(&mut |found| {
        all.push(found);
        Ok(())
    })?;
    Ok(all)
}

fn entries(source: Source, sql: &str) -> Vec<Found> {
    try_read(source, &database(sql).path).expect("it can be read")
}

const ATUIN: &str = "CREATE TABLE history (id text primary key, timestamp integer not null, duration integer not null,
    exit integer not null, command text not null, cwd text not null, session text not null, hostname text not null,
    deleted_at integer);";

#[test]
fn atuin() {
    let rows = "INSERT INTO history VALUES
        ('k1', 1700000000123456789, 2500000, 1, 'ls', '/tmp', 's1', 'desk:ada', NULL),
        ('k2', 1700000001000000000, -1, -1, 'vim', 'unknown', 's1', 'desk', NULL),
        ('k3', 1700000002000000000, 0, 0, 'gone', '/', 's1', 'desk:ada', 5);";
    let about = |key: &str, directory: &str, user: &str| About {
        key: key.into(),
        directory: directory.into(),
        host: "desk".into(),
        user: user.into(),
        session: "s1".into(),
        ..About::default()
    };
    let expected = [
        Found::Entry(Entry {
            command: b"ls".to_vec(),
            start_us: Some(1_700_000_000_123_456),
            duration_us: Some(2500),
            exit: Some(1),
            about: Some(Box::new(about("k1", "/tmp", "ada"))),
        }),
        Found::Entry(Entry {
            command: b"vim".to_vec(),
            start_us: Some(1_700_000_001_000_000),
            about: Some(Box::new(about("k2", "", ""))),
            ..Entry::default()
        }),
    ];
    assert_eq!(entries(Source::Atuin, &format!("{ATUIN}{rows}")), expected);
    let newer = "ALTER TABLE history ADD author text; ALTER TABLE history ADD intent text;
        ALTER TABLE history ADD shell text; ALTER TABLE history ADD author_kind integer;
        INSERT INTO history VALUES ('k', 1, 1, 0, 'x', '/', 's', 'h:u', NULL, 'model', 'wish', 'zsh', 2);";
    let found = entries(Source::Atuin, &format!("{ATUIN}{newer}"));
    let [Found::Entry(Entry { about: Some(about), .. })] = &found[..] else { panic!("{found:?}") };
    let assistant = about.assistant.as_ref().expect("made by an assistant");
    assert_eq!((about.shell.as_str(), assistant.model.as_str(), assistant.prompt.as_str()), ("zsh", "model", "wish"));
}

#[test]
fn histdb() {
    let sql = "PRAGMA foreign_keys = OFF;
        CREATE TABLE commands (id integer primary key autoincrement, argv text, unique(argv));
        CREATE TABLE places (id integer primary key autoincrement, host text, dir text, unique(host, dir));
        CREATE TABLE history (id integer primary key autoincrement, session int, command_id int references commands (id),
            place_id int references places (id), exit_status int, start_time int, duration int);
        INSERT INTO commands VALUES (1, 'ls'), (2, 'cd');
        INSERT INTO places VALUES (1, 'desk', '/tmp');
        INSERT INTO history VALUES (1, 7, 1, 1, 0, 1700000000, 2), (2, 7, 2, 9, NULL, 1700000001, NULL), (3, 7, 9, 1, 0, 0, 0);";
    let about = |host: &str, directory: &str| About {
        session: "7".into(),
        host: host.into(),
        directory: directory.into(),
        ..About::default()
    };
    let found = entries(Source::Histdb, sql);
    assert_eq!(
        found[..2],
        [
            Found::Entry(Entry {
                command: b"ls".to_vec(),
                start_us: Some(1_700_000_000_000_000),
                duration_us: Some(2_000_000),
                exit: Some(0),
                about: Some(Box::new(about("desk", "/tmp"))),
            }),
            Found::Entry(Entry {
                command: b"cd".to_vec(),
                start_us: Some(1_700_000_001_000_000),
                about: Some(Box::new(about("", ""))),
                ..Entry::default()
            }),
        ]
    );
    assert!(matches!(&found[2], Found::Odd(odd) if odd.at == 3 && odd.why == Why::Field));
}

#[test]
fn mcfly() {
    let sql = "CREATE TABLE commands(id INTEGER PRIMARY KEY AUTOINCREMENT, cmd TEXT NOT NULL, cmd_tpl TEXT,
            session_id TEXT NOT NULL, when_run INTEGER NOT NULL, exit_code INTEGER NOT NULL, selected INTEGER NOT NULL,
            dir TEXT, old_dir TEXT);
        INSERT INTO commands VALUES (1, 'old', '', 'IMPORTED', 1600000000, 0, 0, '/', NULL),
            (2, 'ls', '', 'abc', 1700000000, 2, 0, '/tmp', NULL);";
    let found = entries(Source::Mcfly, sql);
    let about = |directory: &str, session: &str| {
        Some(Box::new(About { directory: directory.into(), session: session.into(), ..About::default() }))
    };
    let expected = [
        Found::Entry(Entry {
            command: b"old".to_vec(),
            start_us: Some(1_600_000_000_000_000),
            about: about("", ""),
            ..Entry::default()
        }),
        Found::Entry(Entry {
            command: b"ls".to_vec(),
            start_us: Some(1_700_000_000_000_000),
            exit: Some(2),
            about: about("/tmp", "abc"),
            ..Entry::default()
        }),
    ];
    assert_eq!(found, expected);
}

#[test]
fn nushell_and_xonsh() {
    let nu = "CREATE TABLE history (id INTEGER PRIMARY KEY AUTOINCREMENT, command_line TEXT NOT NULL,
            start_timestamp INTEGER, session_id INTEGER, hostname TEXT, cwd TEXT, duration_ms INTEGER,
            exit_status INTEGER, more_info TEXT) STRICT;
        INSERT INTO history VALUES (1, 'ls', 1700000000123, 42, 'desk', '/tmp', 1500, 0, NULL),
            (2, 'bare', NULL, NULL, NULL, NULL, NULL, NULL, NULL);";
    let expected = [
        Found::Entry(Entry {
            command: b"ls".to_vec(),
            start_us: Some(1_700_000_000_123_000),
            duration_us: Some(1_500_000),
            exit: Some(0),
            about: Some(Box::new(About {
                session: "42".into(),
                host: "desk".into(),
                directory: b"/tmp".to_vec(),
                ..About::default()
            })),
        }),
        Found::Entry(Entry { command: b"bare".to_vec(), about: Some(Box::new(About::default())), ..Entry::default() }),
    ];
    assert_eq!(entries(Source::Nu, nu), expected);
    let xonsh = "CREATE TABLE xonsh_history (inp TEXT, rtn INTEGER, tsb REAL, tse REAL, sessionid TEXT, out TEXT,
            info TEXT, frequency INTEGER, cwd TEXT);
        INSERT INTO xonsh_history VALUES ('ls' || char(10), 1, 1700000000.25, 1700000001.5, 's', NULL, NULL, 1, '/tmp');";
    let expected = [Found::Entry(Entry {
        command: b"ls".to_vec(),
        start_us: Some(1_700_000_000_250_000),
        duration_us: Some(1_250_000),
        exit: Some(1),
        about: Some(Box::new(About { session: "s".into(), directory: b"/tmp".to_vec(), ..About::default() })),
    })];
    assert_eq!(entries(Source::Xonsh, xonsh), expected);
}

#[test]
fn trap_44_a_schema_that_would_run_something_is_refused() {
    let columns = "id, timestamp, duration, exit, command, cwd, session, hostname";
    for sql in [
        // A view can compute for ever, and so can a column.
        "CREATE VIEW history AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r)
            SELECT n AS id, n AS timestamp, 0 AS duration, 0 AS exit, 'x' AS command, '' AS cwd, '' AS session,
            '' AS hostname FROM r;",
        "CREATE TABLE history (id, timestamp, duration, exit, cwd, session, hostname,
            command AS (hex(zeroblob(1000))));",
        &format!("CREATE VIRTUAL TABLE history USING fts5({columns});"),
        "CREATE TABLE other (a);",
        "",
    ] {
        let failure = try_read(Source::Atuin, &database(sql).path).expect_err("refused");
        assert_eq!(failure.code, exit::DATA, "{sql}");
    }
}

#[test]
fn trap_44_a_value_that_is_too_long_is_not_loaded_and_the_next_row_is_read() {
    let sql = format!(
        "{ATUIN} INSERT INTO history VALUES ('1', 1, 1, 0, zeroblob(50000000), '', '', '', NULL),
            ('2', 2, 1, 0, 'ls', CAST(zeroblob(70000) AS TEXT), '', '', NULL), ('3', 3, 1, 0, 7, '', '', '', NULL),
            ('4', 'when', 'long', 'exit', 'cd', 5, 6, 7, NULL);"
    );
    let found = entries(Source::Atuin, &sql);
    assert!(matches!(&found[0], Found::Odd(odd) if odd.at == 1 && odd.why == Why::TooLong));
    let Found::Entry(Entry { about: Some(about), .. }) = &found[1] else { panic!("{found:?}") };
    assert!(about.directory.is_empty());
    // A column that is declared as text turns the number into one.
    assert!(matches!(&found[2], Found::Entry(entry) if entry.command == b"7"));
    assert!(matches!(&found[3], Found::Entry(entry) if entry.start_us.is_none() && entry.exit.is_none()));
}

#[test]
fn what_a_writer_has_not_merged_yet_is_read_too_and_nothing_is_written_otherwise() {
    let database = database(ATUIN);
    let files = |path: &Path| std::fs::read_dir(path.parent().expect("a folder")).expect("read").count();
    let before = std::fs::read(&database.path).expect("read");
    assert_eq!(try_read(Source::Atuin, &database.path).expect("read").len(), 0);
    assert_eq!((files(&database.path), std::fs::read(&database.path).expect("read")), (1, before));
    let writer = Connection::open(&database.path).expect("opened");
    writer
        .execute_batch("PRAGMA journal_mode=WAL; INSERT INTO history VALUES ('1', 1, 1, 0, 'ls', '', '', '', NULL);")
        .expect("written");
    assert_eq!(try_read(Source::Atuin, &database.path).expect("read").len(), 1);
    writer.execute("INSERT INTO history VALUES ('2', 1, 1, 0, 'cd', '', '', '', NULL)", []).expect("not in the way");
    assert_eq!(try_read(Source::Atuin, &database.path).expect("read").len(), 2);
}

/// A small database of several pages, as bytes.
fn sample() -> Vec<u8> {
    let sql = format!(
        "PRAGMA page_size=512; {ATUIN} WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 60)
         INSERT INTO history SELECT 'k' || n, n * 1000000000, n, 0, 'command number ' || n, '/tmp', 's', 'h:u', NULL FROM r;"
    );
    std::fs::read(&database(&sql).path).expect("read")
}

/// Reads a damaged file. It may be refused or partly read; it must not give more than it ever had.
fn survives(bytes: &[u8], path: &Path) {
    std::fs::write(path, bytes).expect("written");
    let mut count = 0;
    let outcome = Input::open(Source::Atuin, path).and_then(|input| {
        input.read(&mut |_| {
            count += 1;
            Ok(())
        })
    });
    assert!(count <= 10_000, "{count} out of {} bytes: {outcome:?}", bytes.len());
}

#[test]
fn trap_44_a_database_that_breaks_off_anywhere_ends_the_reading_and_nothing_else() {
    let (bytes, folder) = (sample(), tempfile::tempdir().expect("a folder"));
    for length in (0..bytes.len()).step_by(37) {
        survives(&bytes[..length], &folder.path().join("cut"));
    }
}

#[test]
fn trap_44_a_database_with_any_bit_turned_ends_the_reading_and_nothing_else() {
    let (bytes, folder) = (sample(), tempfile::tempdir().expect("a folder"));
    // The header and the schema bit by bit, the rest in steps: every byte of a page is met in some page.
    let places = (0..1024).chain((1024..bytes.len()).step_by(13));
    for at in places {
        let mut turned = bytes.clone();
        turned[at] ^= 1 << (at % 8);
        survives(&turned, &folder.path().join("turned"));
    }
}

#[test]
fn trap_44_a_tree_that_leads_in_a_circle_ends() {
    let (mut bytes, folder) = (sample(), tempfile::tempdir().expect("a folder"));
    // The table's root has children; all of them are made the same one.
    let root = bytes.chunks(512).position(|page| page[0] == 5).expect("an inner page") * 512;
    let cells = usize::from(u16::from_be_bytes([bytes[root + 3], bytes[root + 4]]));
    let place = |bytes: &[u8], cell: usize| {
        let at = root + 12 + cell * 2;
        root + usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
    };
    let first: [u8; 4] = bytes[place(&bytes, 0)..][..4].try_into().expect("a child");
    for cell in 1..cells {
        let at = place(&bytes, cell);
        bytes[at..at + 4].copy_from_slice(&first);
    }
    let path = folder.path().join("circle");
    std::fs::write(&path, &bytes).expect("written");
    let found = try_read(Source::Atuin, &path).expect("the beginning");
    assert!(matches!(found.last(), Some(Found::Odd(odd)) if odd.why == Why::Damaged), "{}", found.len());
    assert!(found.len() < 60);
}
