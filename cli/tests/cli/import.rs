//! Importers from files to the daemon's history.

use std::sync::atomic::{AtomicBool, Ordering};

use caro_schema::{
    body::history::Record,
    id::RecordId,
    ipc::{
        Fault, Reply, Request,
        history::{Hit, Hits, Imported},
    },
};

use crate::{fake::Fake, support::Home};

fn figures(home: &Home, shell: &str, file: &str) -> serde_json::Value {
    serde_json::from_str(&home.ok(&["import", shell, file, "--json"])).expect("JSON")
}

#[test]
fn each_format_arrives_exactly() {
    let home = Home::new();
    let zsh = home.write("z", b": 1700000000:5;echo \xe4\xbd\x83\x80\xe5\xa5\xbd\n: 1700000001:0;for i\\\ndo\n");
    let fish = home.write("f", b"- cmd: echo a\\nb\n  when: 1700000002\n- cmd: printf '\\\\n'\n  when: 1700000003\n");
    let bash = home.write("b", b"#1700000004\nls \xff\n#1700000005\nif x\nthen y\nfi\n");
    home.ok(&["import", "zsh", &zsh]);
    home.ok(&["import", "fish", &fish]);
    home.ok(&["import", "bash", &bash]);
    let raw = home.run(&["history", "list", "--raw", "-0"]).0.stdout;
    let commands: Vec<&[u8]> = raw.split(|byte| *byte == 0).collect();
    let expected: [&[u8]; 7] =
        ["echo 你好".as_bytes(), b"for i\ndo", b"echo a\nb", br"printf '\n'", b"ls \xff", b"if x\nthen y\nfi", b""];
    assert_eq!(commands, expected);
    let times = home.ok(&["history", "list", "--format", "{start} {duration} {shell}"]);
    assert_eq!(times.lines().next(), Some("2023-11-14T22:13:20Z 5.0s zsh"));
}

#[test]
fn importing_twice_adds_nothing_and_a_longer_file_adds_what_is_new() {
    let home = Home::new();
    let lines: String = (0..12_000).map(|number| format!("echo {}\n", number % 5000)).collect();
    let file = home.write("history", lines.as_bytes());
    let first = figures(&home, "bash", &file);
    assert_eq!((&first["read"], &first["added"], &first["known"]), (&12_000.into(), &12_000.into(), &0.into()));
    let again = figures(&home, "bash", &file);
    assert_eq!((&again["added"], &again["known"]), (&0.into(), &12_000.into()));
    home.write("history", (lines + "echo 7\nnew\n").as_bytes());
    assert_eq!(figures(&home, "bash", &file)["added"], 2);
    let list = home.ok(&["history", "list", "-c"]);
    assert_eq!(list.lines().count(), 12_002);
    assert_eq!(list.lines().last(), Some("new"));
}

#[test]
fn one_file_on_two_machines_gives_the_same_records() {
    let ids = |home: &Home| {
        let file = home.write("history", b"ls\ncd\nls\n");
        home.ok(&["import", "bash", &file]);
        home.ok(&["history", "list", "--format", "{id} {command}"])
    };
    assert_eq!(ids(&Home::new()), ids(&Home::new()));
}

#[test]
fn ds001_what_was_deleted_is_not_imported_again() {
    let home = Home::with_history(&["ls", "secret"]);
    home.ok(&["history", "delete", "--match", "secret", "--yes"]);
    let file = home.path().join("history");
    let again = figures(&home, "bash", file.to_str().expect("text"));
    assert_eq!((&again["added"], &again["known"], &again["deleted"]), (&0.into(), &1.into(), &1.into()));
    assert_eq!(home.ok(&["history", "list", "-c"]), "ls\n");
}

#[test]
fn a_dry_run_needs_no_daemon_and_odd_lines_are_counted() {
    let home = Home::with_daemon("/nowhere");
    let file = home.write("f", b"garbage\n- cmd: ls\n  when: x\n");
    let said = home.ok(&["import", "fish", &file, "--dry-run"]);
    assert!(said.starts_with("1 commands in "), "{said}");
    assert!(said.ends_with("2 lines make no sense in a history of fish and were passed over\n"), "{said}");
}

#[test]
fn trap_27_a_line_with_a_phrase_is_left_out_and_said() {
    let home = Home::new();
    let phrase = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    let file = home.write("h", format!("ls\ncaro sync restore {phrase}\n").as_bytes());
    let said = home.ok(&["import", "bash", &file]);
    assert!(said.contains("1 new") && said.contains("1 carry a recovery phrase and were left out"), "{said}");
    assert_eq!(home.ok(&["history", "list", "-c"]), "ls\n");
}

/// A daemon that ends once, in the middle, and takes everything in before and after.
fn ending_once(is_turn: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Fake {
    let has_ended = AtomicBool::new(false);
    Fake::new(move |request| {
        if is_turn(request) && !has_ended.swap(true, Ordering::SeqCst) {
            return Err(Fault::ShuttingDown);
        }
        Ok(match request {
            Request::Import(batch) => {
                Reply::Imported(Imported { added: batch.records.len() as u64, ..Imported::default() })
            }
            Request::Search { window, .. } => {
                let row = |index| Hit { record: record(index), runs: 1, matched: Vec::new() };
                let rows = (window.offset..2500).take(window.limit as usize).map(row).collect();
                Reply::Hits(Hits { total: 2500, of: 2500, rows, complete: true })
            }
            _ => Reply::Done,
        })
    })
}

fn record(index: u64) -> Record {
    Record {
        id: RecordId([0; 16]),
        command: format!("echo {index}").into_bytes().into(),
        directory: Vec::new().into(),
        host: String::new(),
        user: String::new(),
        shell: String::new(),
        session: String::new(),
        start_us: 0,
        duration_us: None,
        exit: None,
        assistant: None,
    }
}

#[test]
fn r002_a_daemon_that_is_replaced_in_the_middle_of_an_import_gets_the_rest() {
    let fake = ending_once(|request| matches!(request, Request::Import(_)));
    let lines: String = (0..12_000).map(|number| format!("echo {number}\n")).collect();
    let file = fake.home.write("history", lines.as_bytes());
    assert_eq!(figures(&fake.home, "bash", &file)["added"], 12_000);
}

#[test]
fn r002_a_daemon_that_is_replaced_in_the_middle_of_a_list_goes_on_where_it_was() {
    let fake = ending_once(|request| matches!(request, Request::Search { window, .. } if window.offset > 0));
    let expected: String = (0..2500).map(|index| format!("echo {index}\n")).collect();
    assert_eq!(fake.home.ok(&["history", "list", "-c"]), expected);
}

#[test]
fn the_usual_files_are_found() {
    let home = Home::new();
    for (shell, name) in
        [("bash", ".bash_history"), ("zsh", ".zsh_history"), ("fish", ".local/share/fish/fish_history")]
    {
        let path = home.path().join("home").join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        let line = if shell == "fish" { format!("- cmd: from {shell}\n") } else { format!("from {shell}\n") };
        std::fs::write(path, line).expect("written");
        home.ok(&["import", shell]);
    }
    let mut found: Vec<String> = home.ok(&["history", "list", "-c"]).lines().map(str::to_owned).collect();
    found.sort();
    assert_eq!(found, ["from bash", "from fish", "from zsh"]);
}
