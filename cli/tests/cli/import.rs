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
    let odd = "2 lines make no sense in a history of fish and were passed over\n  1: belongs to no command: garbage…\n";
    assert!(said.contains(odd), "{said}");
}

#[test]
fn trap_44_what_is_passed_over_is_named_and_hardly_shown() {
    let home = Home::with_daemon("/nowhere");
    let long = format!("\x1b]0;owned\x07{}secret", "x".repeat(100));
    let lines: String = (0..20).map(|number| format!("{long}{number}\n- cmd: ls {number}\n")).collect();
    let file = home.write("f", lines.as_bytes());
    let said = home.ok(&["import", "fish", &file, "--dry-run"]);
    assert!(said.starts_with("20 commands in ") && said.contains("20 lines make no sense"), "{said}");
    assert_eq!(said.matches("belongs to no command").count(), 5, "only the first few: {said}");
    assert!(!said.contains("secret") && !said.contains('\x1b') && !said.contains('\x07'), "{said:?}");
    let json: serde_json::Value =
        serde_json::from_str(&home.ok(&["import", "fish", &file, "--dry-run", "--json"])).expect("JSON");
    assert_eq!((&json["read"], &json["odd"], &json["passed_over"][1]["at"]), (&20.into(), &20.into(), &3.into()));
}

#[test]
fn trap_27_a_line_with_a_phrase_is_left_out_and_said() {
    let home = Home::new();
    let phrase = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    let file = home.write("h", format!("ls\ncaro sync restore {phrase}\n").as_bytes());
    let said = home.ok(&["import", "bash", &file]);
    assert!(said.contains("1 new") && said.contains("1 are left out by the rules of recording"), "{said}");
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

#[test]
fn one_bad_file_among_several_keeps_none_of_the_others_out() {
    let home = Home::new();
    let (one, other) = (home.write("one", b"ls\n"), home.write("other", b"cd\n"));
    let ran = home.run(&["import", "bash", &one, "/nowhere/history", &other]);
    assert_eq!(ran.code(), 66);
    assert!(ran.stderr().contains("/nowhere/history"), "{}", ran.stderr());
    let mut found: Vec<String> = home.ok(&["history", "list", "-c"]).lines().map(str::to_owned).collect();
    found.sort();
    assert_eq!(found, ["cd", "ls"]);
}

/// Atuin's database, with these runs: second, command, and whether it was deleted there.
fn atuin(home: &Home, name: &str, runs: &[(i64, &str, bool)]) -> String {
    let path = home.write(name, b"");
    let connection = rusqlite::Connection::open(&path).expect("made");
    let table = "CREATE TABLE history (id text primary key, timestamp integer, duration integer, exit integer,
        command text, cwd text, session text, hostname text, deleted_at integer)";
    connection.execute(table, []).expect("made");
    for (number, (second, command, is_deleted)) in runs.iter().enumerate() {
        let row = rusqlite::params![
            format!("k{number}"),
            second * 1_000_000_000 + 250_000_000,
            1_500_000_000_i64,
            1,
            command,
            "/srv",
            "0190",
            "desk:ada",
            is_deleted.then_some(1),
        ];
        connection.execute("INSERT INTO history VALUES (?,?,?,?,?,?,?,?,?)", row).expect("filled");
    }
    path
}

#[test]
fn a_tools_database_arrives_with_everything_it_knows() {
    let home = Home::new();
    let file = atuin(&home, "atuin.db", &[(1_700_000_000, "make", false), (1_700_000_001, "gone", true)]);
    let first = figures(&home, "atuin", &file);
    assert_eq!((&first["read"], &first["added"]), (&1.into(), &1.into()));
    let format = "{start} {duration} {exit} {host} {user} {session} {directory} {command}";
    let expected = "2023-11-14T22:13:20.25Z 1.5s 1 desk ada atuin:0190 /srv make\n";
    assert_eq!(home.ok(&["history", "list", "--format", format]), expected);
    let again = figures(&home, "atuin", &file);
    assert_eq!((&again["added"], &again["known"]), (&0.into(), &1.into()));
    let failure = home.run(&["import", "mcfly", &file]);
    assert_eq!(failure.code(), 65);
    assert!(failure.stderr().contains("is not a history of mcfly"), "{}", failure.stderr());
}

#[test]
fn auto_takes_what_is_there_and_a_run_that_two_of_them_kept_once() {
    let home = Home::new();
    std::fs::create_dir_all(home.path().join("home/.local/share/atuin")).expect("made");
    atuin(&home, "home/.local/share/atuin/history.db", &[(1_700_000_000, "make", false)]);
    home.write("home/.zsh_history", b": 1700000000:1;make\n: 1699999999:0;older\n");
    home.write("home/.bash_history", b"from bash\n");
    let ran = home.run(&["import"]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr());
    let found: Vec<String> =
        ran.stderr().lines().filter_map(|line| line.split(':').next().map(str::to_owned)).collect();
    assert_eq!(found, ["found atuin", "found zsh", "found bash"]);
    let mut commands: Vec<String> = home.ok(&["history", "list", "-c"]).lines().map(str::to_owned).collect();
    commands.sort();
    assert_eq!(commands, ["from bash", "make", "older"]);
    let empty = Home::with_daemon("/nowhere").run(&["import", "auto", "--dry-run"]);
    assert_eq!(empty.code(), 66);
}

/// Has the daemon take in what a hook would have written of these runs: when, in microseconds, and what.
fn recorded(home: &Home, shell: &str, runs: &[(i64, &str)]) {
    let spool = home.places().spool;
    home.ok(&["history", "list"]);
    let runs: String = runs
        .iter()
        .map(|(start_us, line)| format!("\0S{start_us}\0d/tmp\0c{line}\0\0\0E{}\0x0\0p0\0\0", start_us + 1000))
        .collect();
    std::fs::write(spool.join("session1.1"), format!("\0H1\0ssession1\0k{shell}\0hdesk\0uada\0\0{runs}"))
        .expect("written");
    home.ok(&["history", "list"]);
}

fn now_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_secs()).expect("a time")
}

#[test]
fn ds001_what_was_recorded_and_deleted_is_not_brought_back_by_the_shells_own_file() {
    let home = Home::new();
    let now = now_s() - 100;
    recorded(&home, "zsh 5.9", &[(now * 1_000_000 + 300_000, "secret"), ((now + 5) * 1_000_000, "ls")]);
    assert_eq!(home.ok(&["history", "list", "-c"]), "secret\nls\n");
    home.ok(&["history", "delete", "--match", "secret", "--yes"]);
    let timed = home.write("timed", format!(": {now}:0;secret\n: {}:0;ls\n", now + 5).as_bytes());
    let plain = home.write("plain", b"older\nsecret\nls\n");
    for (file, added) in [(timed, 0), (plain, 1)] {
        let done = figures(&home, "zsh", &file);
        assert_eq!((&done["added"], &done["known"], &done["deleted"]), (&added.into(), &1.into(), &1.into()), "{file}");
    }
    assert!(!home.ok(&["history", "list", "-c"]).contains("secret"));
}

#[test]
fn what_was_recorded_is_known_in_a_file_without_times() {
    let home = Home::new();
    let now = now_s() - 100;
    let runs = [(now * 1_000_000, "make"), ((now + 1) * 1_000_000, "ls"), ((now + 2) * 1_000_000, "make")];
    recorded(&home, "bash 5.2", &runs);
    let file = home.write("history", b"make\nold\nmake\nls\nmake\n");
    let done = figures(&home, "bash", &file);
    assert_eq!((&done["added"], &done["known"]), (&2.into(), &3.into()));
    let again = figures(&home, "bash", &file);
    assert_eq!((&again["added"], &again["known"]), (&0.into(), &5.into()));
    assert_eq!(home.ok(&["history", "list", "-c"]).lines().filter(|line| *line == "make").count(), 3);
}

#[test]
fn a_file_without_times_that_grew_moves_nothing_that_was_taken_in() {
    let home = Home::new();
    let file = home.write("history", b"one\ntwo\n");
    home.ok(&["import", "bash", &file]);
    let before = home.ok(&["history", "list", "--format", "{id} {start}"]);
    std::fs::File::options()
        .append(true)
        .open(&file)
        .and_then(|mut file| {
            use std::io::Write;
            file.write_all(b"three\n")?;
            file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(60))
        })
        .expect("written");
    assert_eq!(figures(&home, "bash", &file)["added"], 1);
    let after = home.ok(&["history", "list", "--format", "{id} {start}"]);
    assert!(before.lines().all(|line| after.contains(line)), "{before}{after}");
}
