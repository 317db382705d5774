//! After a deletion nothing of the command is in any file of any device or of the relay: not as it was typed, not in
//! another form, not packed, not sealed, not in what a database has given up. With the real programs, and all the keys.

use std::{fs, path::Path};

use caro_tests::{Device, Relay, eventually};
use chaos_tests::programs::opened::{Opened, Word, files, pieces};
use memchr::memmem;

/// In a command that is typed, and in one that is imported among hundreds.
const WORD: &str = "canary-qm7x2vt";

fn pair(relay: &Relay) -> [Device; 2] {
    let [laptop, desktop] = [Device::new(), Device::new()];
    let phrase = laptop.init(relay, "laptop");
    desktop.restore(relay, "desktop", &phrase);
    [laptop, desktop]
}

/// The pieces of sealed bytes that are still somewhere, by file.
fn left(folders: &[&Path], pieces: &[memmem::Finder<'_>]) -> Vec<String> {
    let mut left = Vec::new();
    for folder in folders {
        for (path, bytes) in files(folder) {
            let count = pieces.iter().filter(|piece| piece.find(&bytes).is_some()).count();
            if count > 0 {
                left.push(format!("{count} pieces in {}", path.display()));
            }
        }
    }
    left
}

fn stop(devices: &[Device; 2]) {
    for device in devices {
        device.home.caro_ok(&["daemon", "stop"]);
    }
}

fn start(devices: &[Device; 2]) {
    for device in devices {
        device.home.caro_ok(&["daemon", "start"]);
    }
}

#[test]
fn trap_20_after_a_deletion_nothing_of_it_is_in_any_file_of_any_device_or_the_relay() {
    let mut relay = Relay::new();
    let devices = pair(&relay);
    let [laptop, desktop] = &devices;
    laptop.type_lines("one", &["echo keep", &format!("curl -H {WORD} https://host")]);
    let lines: String = (0..300).map(|n| format!("make part {n}\n")).collect();
    let file = laptop.home.write("old_history", format!("{lines}login {WORD} imported\n"));
    laptop.home.caro_ok(&["import", "bash", file.to_str().expect("a path")]);
    fs::remove_file(&file).expect("removed");
    eventually("the desktop has all", || (desktop.home.count() == 303).then_some(()));
    laptop.sync();
    stop(&devices);
    relay.stop();
    let folders = [laptop.home.path(), desktop.home.path(), relay.data()];
    let folders = [&*folders[0], &*folders[1], &*folders[2]];
    // What carries it now, sealed as it is. At the desktop a block and an op each, at the least.
    let relay_file = fs::read_dir(relay.data()).expect("a folder").filter_map(|entry| {
        let path = entry.expect("an entry").path();
        path.extension().is_some_and(|extension| extension == "db").then_some(path)
    });
    let relay_file = relay_file.into_iter().next().expect("the relay's database");
    let mut sealed = Vec::new();
    for device in &devices {
        let rows = Opened::home(&device.home.data()).sealed_with(&Word::new(WORD));
        assert!(rows.len() >= 3, "{} rows carry it", rows.len());
        sealed.extend(rows);
    }
    let cells = Opened::home(&laptop.home.data()).cells_with(&relay_file, &Word::new(WORD));
    assert_eq!(cells.len(), 2, "a small cell and a large one");
    sealed.extend(cells);
    let pieces = pieces(&sealed);
    let pieces: Vec<_> = pieces.iter().map(memmem::Finder::new).collect();
    assert!(left(&folders, &pieces).len() >= 3, "the search finds what is there");
    assert_found_where_nothing_is_overwritten(laptop);
    relay.start_again();
    start(&devices);
    // By the one that typed neither.
    let said = desktop.home.caro_ok(&["history", "delete", "--match", WORD, "--yes", "--now"]);
    assert_eq!(said, "2 commands deleted\n");
    eventually("all that carried it is gone", || left(&folders, &pieces).is_empty().then_some(()));
    eventually("both have the rest", || devices.iter().all(|device| device.home.count() == 301).then_some(()));
    laptop.sync();
    desktop.sync();
    stop(&devices);
    relay.stop();
    let word = Word::new(WORD);
    for folder in folders {
        for (path, bytes) in files(folder) {
            assert!(!word.is_held_by(&bytes), "{} holds it", path.display());
        }
    }
    for device in &devices {
        let opened = Opened::home(&device.home.data());
        assert_eq!(opened.sealed_with(&Word::new(WORD)).len(), 0, "with all the keys");
        assert_eq!(opened.cells_with(&relay_file, &Word::new(WORD)).len(), 0);
        assert!(!opened.sealed_with(&Word::new("make part 299")).is_empty());
    }
    start(&devices);
}

/// The proof is one only if the search would have found what a database leaves when it does not overwrite.
fn assert_found_where_nothing_is_overwritten(device: &Device) {
    let sealed = Opened::home(&device.home.data()).sealed_with(&Word::new(WORD));
    let copy = tempfile::tempdir().expect("a folder");
    let path = copy.path().join("caro.db");
    fs::copy(device.home.data().join("caro.db"), &path).expect("copied");
    let database = rusqlite::Connection::open(&path).expect("it opens");
    database.execute_batch("PRAGMA secure_delete = OFF; PRAGMA journal_mode = DELETE").expect("set");
    database.execute_batch("DELETE FROM rows; DELETE FROM blocks").expect("deleted");
    drop(database);
    let pieces = pieces(&sealed);
    let pieces: Vec<_> = pieces.iter().map(memmem::Finder::new).collect();
    assert!(!left(&[copy.path()], &pieces).is_empty(), "what is not overwritten is found");
}

#[test]
fn trap_21_a_dictionary_run_against_everything_that_is_left_gives_no_hit() {
    let relay = Relay::new();
    let devices = pair(&relay);
    let [laptop, desktop] = &devices;
    laptop.type_lines("one", &["hunter2", "echo keep"]);
    desktop.expect_commands(&["hunter2", "echo keep"]);
    desktop.home.caro_ok(&["history", "delete", "--match", "hunter2", "--yes", "--now"]);
    laptop.expect_commands(&["echo keep"]);
    laptop.sync();
    stop(&devices);
    // Whoever has the files and not the keys: every hash of a guess that caro could have left.
    let guesses = ["hunter2", "hunter2\n", "password", "letmein"];
    let mut hashes: Vec<Vec<u8>> = Vec::new();
    for guess in guesses {
        hashes.push(blake3::hash(guess.as_bytes()).as_bytes().to_vec());
        for context in ["caro 2026 deleted run by its second v1", "caro 2026 deleted run by its number v1"] {
            for which in 0..16_u32 {
                let mut id = [0; 16];
                let hasher = &mut blake3::Hasher::new_derive_key(context);
                hasher.update(&which.to_be_bytes()).update(guess.as_bytes()).finalize_xof().fill(&mut id);
                hashes.push(id.to_vec());
            }
        }
    }
    let hashes: Vec<_> = hashes.iter().map(memmem::Finder::new).collect();
    let (word, mut looked) = (Word::new("hunter2"), 0);
    for folder in [laptop.home.path(), desktop.home.path(), relay.data()] {
        for (path, bytes) in files(&folder) {
            looked += 1;
            let hit = hashes.iter().any(|hash| hash.find(&bytes).is_some());
            assert!(!hit && !word.is_held_by(&bytes), "{} confirms a guess", path.display());
        }
    }
    assert!(looked >= 5);
    start(&devices);
}

#[test]
fn ds004_what_a_rule_keeps_here_is_in_no_cell_that_a_relay_ever_gets() {
    let mut relay = Relay::new();
    let devices = pair(&relay);
    let [laptop, desktop] = &devices;
    laptop.home.caro_ok(&["config", "set", "sync.exclude_commands", "^pass "]);
    laptop.home.caro_ok(&["config", "set", "sync.exclude_sessions", "private"]);
    laptop.type_lines("one", &[&format!("pass show {WORD}"), "echo goes"]);
    laptop.type_lines("private", &[&format!("ls {WORD}")]);
    let file = laptop.home.write("old_history", format!("pass insert {WORD}\necho imported\n"));
    laptop.home.caro_ok(&["import", "bash", file.to_str().expect("a path")]);
    fs::remove_file(&file).expect("removed");
    eventually("the laptop has all", || (laptop.home.count() == 5).then_some(()));
    laptop.sync();
    desktop.expect_commands(&["echo goes", "echo imported"]);
    let relay_file = relay.data().join("relay.db");
    // What is kept here by hand afterwards is not only gone: what carried it is.
    laptop.home.caro_ok(&["sync", "keep-here", "--yes", "echo", "goes"]);
    desktop.expect_commands(&["echo imported"]);
    laptop.sync();
    let said = laptop.home.caro_ok(&["sync", "preview", "--json"]);
    assert!(said.contains("\"why\":\"exclude_commands\"") && said.contains("\"why\":\"kept\""), "{said}");
    stop(&devices);
    relay.stop();
    let opened = Opened::home(&laptop.home.data());
    assert_eq!(opened.cells_with(&relay_file, &Word::new(WORD)).len(), 0, "an excluded command left the device");
    assert_eq!(opened.cells_with(&relay_file, &Word::new("echo goes")).len(), 0, "what is kept here is still there");
    assert!(!opened.cells_with(&relay_file, &Word::new("echo imported")).is_empty(), "the search finds what went");
    // Without the rule it goes: the proof is one.
    relay.start_again();
    start(&devices);
    laptop.home.caro_ok(&["config", "unset", "sync.exclude_commands"]);
    laptop.type_lines("one", &[&format!("pass edit {WORD}")]);
    desktop.expect_commands(&["echo imported", &format!("pass edit {WORD}")]);
    laptop.sync();
    stop(&devices);
    relay.stop();
    assert!(!Opened::home(&laptop.home.data()).cells_with(&relay_file, &Word::new(WORD)).is_empty());
    start(&devices);
}
