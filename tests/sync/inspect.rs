//! `caro sync inspect`: what it prints is what lies in the relay's database, row by row and byte for byte, and there is nothing
//! there that it does not name. With real programs, and the database looked into directly.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use caro_tests::{Device, Relay, eventually};
use rusqlite::{Connection, OpenFlags, types::Value as Cell};
use serde_json::Value;

use crate::said::status;

/// A row: its columns by name.
type Row = BTreeMap<String, Cell>;

/// A relay's database as it is now, by table.
fn database(relay: &Relay) -> BTreeMap<String, Vec<Row>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(relay.data().join("relay.db"), flags).expect("a database");
    // One moment for all tables.
    connection.execute_batch("BEGIN").expect("begun");
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut tables = connection.prepare(names).expect("a statement");
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).expect("rows");
    tables.map(|table| table.expect("a name")).map(|table| (table.clone(), rows(&connection, &table))).collect()
}

fn rows(connection: &Connection, table: &str) -> Vec<Row> {
    let mut statement = connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1")).expect("a statement");
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let row = |row: &rusqlite::Row<'_>| {
        columns.iter().enumerate().map(|(at, name)| Ok((name.clone(), row.get(at)?))).collect::<rusqlite::Result<Row>>()
    };
    statement.query_map([], row).expect("rows").map(|row| row.expect("a row")).collect()
}

fn columns(relay: &Relay) -> BTreeSet<String> {
    let connection = Connection::open(relay.data().join("relay.db")).expect("a database");
    let sql = "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c
               WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'";
    let mut statement = connection.prepare(sql).expect("a statement");
    let names = statement.query_map([], |row| row.get(0)).expect("rows");
    names.map(|name| name.expect("a name")).collect()
}

/// What `inspect` prints, by kind.
fn inspect(device: &Device, more: &[&str]) -> BTreeMap<String, Vec<Value>> {
    let printed = device.home.caro_ok(&[&["sync", "inspect", "--json", "--cells", "65536"], more].concat());
    let mut lines: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in printed.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        lines.entry(line["kind"].as_str().expect("a kind").to_owned()).or_default().push(line);
    }
    lines
}

/// A value of the database as `inspect` prints it.
fn printed(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(number) => (*number).into(),
        Cell::Blob(bytes) => hex::encode(bytes).into(),
        Cell::Text(text) => text.clone().into(),
        Cell::Real(number) => (*number).into(),
    }
}

/// Looks until nothing moved in the database meanwhile.
fn look(device: &Device, relay: &Relay) -> (BTreeMap<String, Vec<Value>>, BTreeMap<String, Vec<Row>>) {
    eventually("nothing moves while it is looked at", || {
        device.sync();
        let before = database(relay);
        let said = inspect(device, &["--hex"]);
        (database(relay) == before).then_some((said, before))
    })
}

/// Each column of each row of the one account that is there.
fn compare(said: &BTreeMap<String, Vec<Value>>, tables: &BTreeMap<String, Vec<Row>>) {
    let head = &said["relay"][0];
    assert_eq!(head["differences"], Value::Array(Vec::new()), "{head}");
    assert_eq!((head["asked"].as_bool(), tables["account"].len()), (Some(true), 1), "{head}");
    let account = &tables["account"][0];
    for (table, rows) in tables {
        for (at, row) in rows.iter().enumerate() {
            for (column, value) in row {
                let name = format!("{table}.{column}");
                match name.as_str() {
                    // Of the whole relay, and in which order accounts came: not told to devices, and nothing about them.
                    "relay.one" | "account.id" | "removed.number" => {}
                    "entry.account" | "removed.account" | "delivered.account" => assert_eq!(*value, account["id"]),
                    "relay.generation"
                    | "account.handle"
                    | "account.list"
                    | "account.list_signature"
                    | "account.list_version"
                    | "account.cursor"
                    | "account.head"
                    | "account.used_bytes"
                    | "account.added" => assert_eq!(head[column], printed(value), "{name}"),
                    "account.public" => assert_eq!(head["account"], printed(value)),
                    // What all may have; one of its own would be in its place.
                    "account.quota_bytes" => assert_eq!((value, head["quota_bytes"].is_u64()), (&Cell::Null, true)),
                    "account.restored" => assert_eq!(*value, Cell::Integer(0), "it is in its first life"),
                    "account.closed" => assert_eq!(*value, Cell::Integer(0), "it would not have answered"),
                    "account.dropped" => assert_eq!(head["forgets"], *value != Cell::Integer(0)),
                    "removed.device" => assert_eq!(head["taken_off"][at]["key"], printed(value)),
                    "delivered.device" => {
                        let listed = head["devices"].as_array().expect("devices");
                        let this = listed.iter().find(|device| device["key"] == printed(value)).expect("listed");
                        if this["this"] == true {
                            assert_eq!(head["confirmed"], printed(&row["cursor"]));
                        }
                    }
                    "delivered.cursor" => assert!(matches!(value, Cell::Integer(_))),
                    "entry.day" => assert_eq!(*value == Cell::Null, tables["delivered"].is_empty(), "{name}"),
                    "entry.place" => {
                        let Cell::Integer(place) = value else { panic!("{value:?}") };
                        assert_eq!(said["entry"][at]["cursor"], place & ((1 << 40) - 1));
                        assert_eq!(Cell::Integer(place >> 40), account["id"]);
                    }
                    "entry.cell_id" => assert_eq!(said["entry"][at]["cell"], printed(value)),
                    "entry.head" => assert_eq!(said["entry"][at]["head"], printed(value)),
                    "entry.cell" => assert_eq!(said["entry"][at]["bytes"], printed(value)),
                    other => panic!("{other} is in the database, and inspect does not show it"),
                }
            }
        }
    }
    assert_eq!(said["entry"].len(), tables["entry"].len(), "no entry that is not there");
    assert_eq!(head["taken_off"].as_array().map_or(0, Vec::len), tables["removed"].len());
    assert_eq!(head["entries"], tables["entry"].len());
}

/// The columns that `inspect` and `docs/security.md` name.
fn named(said: &BTreeMap<String, Vec<Value>>, database: &str) -> BTreeSet<String> {
    let of = |knows: &Value| knows[database].as_array().expect("columns").clone();
    said["knows"].iter().flat_map(of).map(|name| name.as_str().expect("a name").to_owned()).collect()
}

#[test]
fn pr010_inspect_prints_each_row_and_each_column_that_the_relay_has() {
    let relay = Relay::new();
    let (desk, laptop, phone) = (Device::new(), Device::new(), Device::new());
    let phrase = desk.init(&relay, "desk");
    laptop.restore(&relay, "laptop", &phrase);
    phone.restore(&relay, "phone", &phrase);
    desk.type_lines("one", &["echo keep", "echo delete-this"]);
    phone.type_lines("two", &["echo phone"]);
    for device in [&desk, &laptop, &phone] {
        device.expect_commands(&["echo keep", "echo delete-this", "echo phone"]);
    }
    desk.home.caro_ok(&["history", "delete", "--yes", "--now", "--match", "delete-this"]);
    let revoke = ["sync", "revoke", "phone", "--lost", "--yes", "--phrase-stdin"];
    assert!(desk.home.caro_with_input(&revoke, &phrase).status.success());
    eventually("something was purged, and the phone is off", || {
        let tables = database(&relay);
        let gone = tables["entry"].iter().any(|row| row["cell"] == Cell::Null);
        (gone && tables["removed"].len() == 1).then_some(())
    });
    let (said, tables) = look(&desk, &relay);
    compare(&said, &tables);
    let sizes: u64 = said["entry"].iter().map(|entry| entry["size"].as_u64().expect("a size")).sum();
    assert_eq!(said["relay"][0]["bytes"], sizes);
    assert_eq!(said["relay"][0]["taken_off"][0]["name"], "phone");
    // Another device sees the same of it, and what only devices know besides.
    let other = look(&laptop, &relay);
    compare(&other.0, &other.1);
    assert!(other.0["entry"].iter().all(|entry| entry["holds"] != "unknown"), "{:?}", other.0["entry"]);
    // No column that is not in the table of what a relay knows, and none there that is not in the database.
    assert_eq!(named(&said, "columns"), columns(&relay));
}

#[test]
fn pr010_inspect_shows_what_the_mailbox_mode_keeps_and_confirms_nothing_that_is_not_here() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("relay.toml");
    fs::write(&config, "mode = \"mailbox\"\n").expect("written");
    let relay = Relay::with(&["--config", config.to_str().expect("text")]);
    let (desk, laptop) = (Device::new(), Device::new());
    let phrase = desk.init(&relay, "desk");
    desk.type_lines("one", &["echo forgotten"]);
    desk.expect_commands(&["echo forgotten"]);
    desk.sync();
    eventually("the relay has forgotten what its only device has", || {
        database(&relay)["entry"].iter().all(|row| row["cell"] == Cell::Null).then_some(())
    });
    laptop.restore(&relay, "laptop", &phrase);
    // From now on it does not come: nothing is forgotten, however often the other one looks.
    laptop.home.caro_ok(&["sync", "off"]);
    desk.type_lines("two", &["echo waits"]);
    desk.expect_commands(&["echo forgotten", "echo waits"]);
    let (said, tables) = look(&desk, &relay);
    compare(&said, &tables);
    assert!(!tables["delivered"].is_empty());
    let last = tables["entry"].last().expect("an entry");
    assert_ne!(last["cell"], Cell::Null, "the laptop has not come for it");
    assert_eq!(said["relay"][0]["forgets"], true);
}

/// The columns of the tables in a file of SQL.
fn columns_of(sql: &str) -> BTreeSet<String> {
    let mut columns = BTreeSet::new();
    let mut table = None;
    for line in sql.lines() {
        if let Some(name) = line.strip_prefix("CREATE TABLE ") {
            table = name.split(' ').next().map(str::to_owned);
        } else if let Some((name, column)) =
            line.strip_prefix("ALTER TABLE ").and_then(|change| change.split_once(" ADD COLUMN "))
        {
            columns.insert(format!("{name}.{}", column.split(' ').next().unwrap_or_default()));
        } else if line.starts_with(')') {
            table = None;
        } else if let (Some(table), Some(rest)) = (&table, line.strip_prefix("    ")) {
            let word = rest.split(' ').next().unwrap_or_default();
            if word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_') && !word.is_empty() {
                columns.insert(format!("{table}.{word}"));
            }
        }
    }
    columns
}

#[test]
fn pr010_what_relays_keep_in_postgresql_is_named_too() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../relay/migrations/postgres");
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    let sql: String = files.iter().map(|path| fs::read_to_string(path).expect("text")).collect();
    let adds = |line: &&str| line.starts_with("ALTER TABLE ") && line.contains(" ADD COLUMN ");
    assert_eq!(sql.matches("ADD COLUMN").count(), sql.lines().filter(adds).count(), "a column that is not seen");
    let relay = Relay::new();
    let desk = Device::new();
    desk.init(&relay, "desk");
    let said = inspect(&desk, &["--offline"]);
    let both: BTreeSet<String> = named(&said, "columns").union(&named(&said, "postgres")).cloned().collect();
    // A place is a number of its own in SQLite alone.
    let both: BTreeSet<String> = both.into_iter().filter(|name| name != "entry.place").collect();
    assert_eq!(columns_of(&sql), both);
}

#[test]
fn inspect_says_what_this_device_knows_without_a_relay() {
    let mut relay = Relay::new();
    let desk = Device::new();
    let alone = desk.home.caro(&["sync", "inspect"]);
    assert!(!alone.status.success() && String::from_utf8_lossy(&alone.stderr).contains("account"));
    desk.init(&relay, "desk");
    desk.type_lines("one", &["echo one"]);
    desk.expect_commands(&["echo one"]);
    desk.sync();
    let asked = inspect(&desk, &[]);
    relay.kill();
    let offline = inspect(&desk, &[]);
    assert_eq!((offline["relay"][0]["asked"].as_bool(), offline.contains_key("entry")), (Some(false), false));
    for name in ["account", "handle", "generation", "cursor", "head", "list", "list_version", "signer", "relay_key"] {
        assert_eq!(offline["relay"][0][name], asked["relay"][0][name], "{name}");
    }
    assert!(offline["relay"][0]["failure"].is_string());
    let shown = desk.home.caro_ok(&["sync", "inspect"]);
    assert!(shown.contains("not asked (") && shown.contains("what no relay can see:"), "{shown}");
    relay.start_again();
    let shown = eventually("it is asked again", || {
        let shown = desk.home.caro_ok(&["sync", "inspect", "--cells", "1", "--hex"]);
        shown.contains("asked just now").then_some(shown)
    });
    assert!(shown.contains("nothing differs"), "{shown}");
    // Which cells are shown one by one is a choice; the sums are always of all.
    let of = |more: &[&str]| {
        let lines = desk.home.caro_ok(&[&["sync", "inspect", "--json"], more].concat());
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let (entries, others): (Vec<Value>, Vec<Value>) = lines.partition(|line| line["kind"] == "entry");
        let cursors: Vec<u64> = entries.iter().map(|entry| entry["cursor"].as_u64().expect("a number")).collect();
        let lengths: Vec<usize> = entries.iter().map(|entry| entry["bytes"].as_str().map_or(0, str::len)).collect();
        (others[0]["entries"].as_u64().expect("a number"), cursors, lengths)
    };
    let (all, cursors, lengths) = of(&["--cells", "1", "--after", "1"]);
    assert_eq!((cursors, lengths), (vec![2], vec![2 * 66]), "the first bytes of the second cell");
    assert_eq!(of(&["--cells", "0"]), (all, vec![], vec![]));
    let (_, cursors, lengths) = of(&["--cells", "1", "--hex"]);
    assert_eq!(cursors, [all]);
    assert!(lengths[0] >= 2 * 1024, "{lengths:?}");
    let refused = desk.home.caro(&["sync", "inspect", "--cells", "65537"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("65536"));
    let elsewhere = desk.home.caro(&["sync", "inspect", "wss://relay.example.org"]);
    assert!(!elsewhere.status.success());
}

/// The database's files of a relay that has ended.
fn files(relay: &Relay) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(relay.data()).expect("a folder").map(|entry| entry.expect("a file").path());
    let is_database =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("relay.db"));
    paths.filter(is_database).map(|path| (path.clone(), fs::read(path).expect("readable"))).collect()
}

#[test]
fn trap_03_inspect_says_that_a_relay_shows_an_older_log() {
    let mut relay = Relay::new();
    let desk = Device::new();
    desk.init(&relay, "desk");
    desk.type_lines("one", &["echo one"]);
    desk.expect_commands(&["echo one"]);
    desk.sync();
    relay.stop();
    let old = files(&relay);
    relay.start_again();
    desk.type_lines("two", &["echo two"]);
    desk.expect_commands(&["echo one", "echo two"]);
    desk.sync();
    relay.stop();
    for path in files(&relay).keys() {
        fs::remove_file(path).expect("removed");
    }
    for (path, bytes) in old {
        fs::write(&path, bytes).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("closed");
    }
    relay.start_again();
    eventually("it is stopped", || (status(&desk)["remotes"][0]["reason"] == "rolled_back").then_some(()));
    let shown = desk.home.caro_ok(&["sync", "inspect"]);
    assert!(shown.contains("DIFFERS: its log ends at"), "{shown}");
    assert_eq!(inspect(&desk, &[])["relay"][0]["differences"][0]["code"], "shorter");
    // Looking decides nothing: a person does.
    assert_eq!(status(&desk)["remotes"][0]["reason"], "rolled_back");
}
