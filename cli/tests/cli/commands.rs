//! Commands against the real daemon.

use std::{fs, os::unix::fs::MetadataExt};

use crate::support::{Home, eventually};

fn history() -> Home {
    Home::with_history(&["git status", "cargo build", "cargo test", "git status", "ls -l"])
}

#[test]
fn list_is_the_oldest_first_and_a_limit_keeps_the_newest() {
    let home = history();
    let list = |more: &[&str]| home.ok(&[&["history", "list", "-c"], more].concat());
    assert_eq!(list(&[]), "git status\ncargo build\ncargo test\ngit status\nls -l\n");
    assert_eq!(list(&["-n", "2"]), "git status\nls -l\n");
    assert_eq!(list(&["-n", "99"]).lines().count(), 5);
    assert_eq!(list(&["-n", "2", "--newest-first"]), "ls -l\ngit status\n");
    assert_eq!(list(&["--unique"]).lines().count(), 4);
    let rows: Vec<serde_json::Value> = list(&["--unique", "-n", "2", "--json"])
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let runs: Vec<(&serde_json::Value, &serde_json::Value)> =
        rows.iter().map(|row| (&row["command"], &row["runs"])).collect();
    assert_eq!(runs, [(&"git status".into(), &2.into()), (&"ls -l".into(), &1.into())]);
    assert_eq!(list(&["--since", "2023-11-14T22:13:23Z"]), "git status\nls -l\n");
    assert_eq!(list(&["--until", "2023-11-14T22:13:21Z"]), "git status\n");
    assert_eq!(list(&["--host", "elsewhere"]), "");
    assert_eq!(list(&["--shell", "bash", "-n", "1"]), "ls -l\n");
}

#[test]
fn a_list_longer_than_a_window_is_whole_and_in_order() {
    let commands: Vec<String> = (0..2345).map(|number| format!("echo {number}")).collect();
    let home = Home::with_history(&commands.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(home.ok(&["history", "list", "-c"]), commands.join("\n") + "\n");
    let newest: Vec<&str> = commands[345..].iter().map(String::as_str).collect();
    assert_eq!(home.ok(&["history", "list", "-c", "-n", "2000"]), newest.join("\n") + "\n");
}

#[test]
fn search_finds_in_every_mode_and_says_by_its_status_whether() {
    let home = history();
    let search = |more: &[&str]| home.ok(&[&["search", "-c"], more].concat());
    assert_eq!(search(&["cgtst"]), "cargo test\n");
    assert_eq!(search(&["--mode", "prefix", "git"]), "git status\n");
    assert_eq!(search(&["--mode", "regex", "^cargo (build|run)$"]), "cargo build\n");
    assert_eq!(search(&["--mode", "substring", "stat", "git"]), "git status\n");
    assert_eq!(search(&["--mode", "prefix", "--all-runs", "git"]), "git status\ngit status\n");
    assert_eq!(search(&["--mode", "prefix", "c", "-n", "1"]).lines().count(), 1);
    let nothing = home.run(&["search", "zzzz"]);
    assert_eq!((nothing.code(), nothing.stdout().as_str(), nothing.stderr().as_str()), (1, "", ""));
    let bad = home.run(&["search", "--mode", "regex", "("]);
    assert_eq!(bad.code(), 65);
    assert!(bad.stderr().starts_with("caro: the pattern is not valid: "), "{}", bad.stderr());
}

#[test]
fn last_is_the_newest_and_status_one_says_that_there_is_none() {
    let home = history();
    assert_eq!(home.ok(&["history", "last", "-c"]), "ls -l\n");
    let row: serde_json::Value = serde_json::from_str(&home.ok(&["history", "last", "--json"])).expect("JSON");
    assert_eq!((&row["command"], &row["user"]), (&"ls -l".into(), &"ada".into()));
    assert_eq!(home.run(&["history", "last", "--host", "elsewhere"]).code(), 1);
}

#[test]
fn ds001_deleting_says_how_many_and_deletes_them() {
    let home = history();
    assert_eq!(home.ok(&["history", "delete", "--match", "git", "--dry-run"]), "2 commands would be deleted\n");
    assert_eq!(home.ok(&["history", "delete", "--match", "git", "--yes"]), "2 commands deleted\n");
    assert_eq!(home.ok(&["history", "list", "-c"]), "cargo build\ncargo test\nls -l\n");
    assert_eq!(home.run(&["history", "delete", "--match", "git", "--yes"]).code(), 1);
    let id = home.ok(&["history", "last", "--format", "{id}"]);
    let json = home.ok(&["history", "delete", id.trim(), "--yes", "--json"]);
    assert!(json.starts_with("{\"count\":1,\"dry_run\":false,\"undo\":{\"number\":"), "{json}");
    assert_eq!(home.ok(&["history", "list", "-c"]), "cargo build\ncargo test\n");
    assert_eq!(home.ok(&["history", "delete", "--all", "--yes"]), "2 commands deleted\n");
}

#[test]
fn the_daemon_starts_when_needed_stops_when_asked_and_starts_anew() {
    let home = Home::new();
    assert_eq!(home.run(&["daemon", "status"]).code(), 69);
    assert_eq!(home.ok(&["daemon", "stop"]), "no daemon was running\n");
    home.ok(&["history", "list"]);
    let pid = |home: &Home| {
        let status: serde_json::Value = serde_json::from_str(&home.ok(&["daemon", "status", "--json"])).expect("JSON");
        status["pid"].as_u64().expect("a number")
    };
    let first = pid(&home);
    home.ok(&["daemon", "start"]);
    assert_eq!(pid(&home), first, "it ran already");
    home.ok(&["daemon", "restart"]);
    assert_ne!(pid(&home), first);
    assert_eq!(home.ok(&["daemon", "stop"]), "stopped\n");
    assert_eq!(home.run(&["daemon", "status", "--json"]).code(), 69);
}

#[test]
fn the_daemon_leaves_the_terminal_and_holds_nothing_of_it() {
    let home = Home::new();
    // `output` waits until nobody holds the pipes any more.
    home.ok(&["daemon", "start"]);
    let status: serde_json::Value = serde_json::from_str(&home.ok(&["daemon", "status", "--json"])).expect("JSON");
    let pid = status["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("a number");
    let pid = rustix::process::Pid::from_raw(pid).expect("the number of a process");
    // Not compared with this test's own session, which has no number where its leader is outside the container.
    assert_eq!(rustix::process::getsid(Some(pid)).expect("a session"), pid, "a session of its own");
}

#[test]
fn many_at_once_start_one_daemon() {
    let home = Home::new();
    let children: Vec<_> = (0..12)
        .map(|_| {
            let mut command = home.command(&["daemon", "start"]);
            command.stdout(std::process::Stdio::piped()).spawn().expect("it starts")
        })
        .collect();
    let mut said: Vec<String> = children
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().expect("it ends");
            assert!(output.status.success());
            String::from_utf8(output.stdout).expect("text")
        })
        .collect();
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
}

#[test]
fn r004_doctor_looks_at_both_programs() {
    let home = Home::new();
    let said = home.ok(&["doctor"]);
    for check in ["programs:", "versions: both", "daemon:", "database:", "hook:"] {
        assert!(said.contains(check), "{check}: {said}");
    }
    for line in home.ok(&["doctor", "--json", "--verify"]).lines() {
        let finding: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(["good", "notice"].contains(&finding["level"].as_str().expect("a level")), "{line}");
    }
    let broken = Home::with_daemon("/nowhere").run(&["doctor"]);
    assert_eq!(broken.code(), 1);
    assert!(broken.stdout().contains("BAD   daemon: /nowhere cannot be started"), "{}", broken.stdout());
}

#[test]
fn the_screens_configuration_is_looked_at_too() {
    let home = Home::new();
    let config = home.places().config;
    fs::create_dir_all(config.parent().expect("a folder")).expect("made");
    fs::write(&config, "[screen]\nstyle = \"huge\"\n").expect("written");
    assert!(home.ok(&["doctor"]).contains("screen.style: it may be \"full\" or \"inline\""));
}

#[test]
fn completions_manual_and_relay_need_no_daemon() {
    let home = Home::with_daemon("/nowhere");
    for shell in ["bash", "zsh", "fish"] {
        assert!(home.ok(&["completions", shell]).contains("caro"));
    }
    assert!(home.ok(&["man"]).contains(".TH caro 1"));
    let folder = home.path().join("man");
    home.ok(&["man", "--output", folder.to_str().expect("text")]);
    assert!(folder.join("caro-history-list.1").is_file());
    assert!(home.ok(&["relay"]).contains("caro-relay serve"));
    assert!(home.ok(&["--version"]).starts_with("caro "));
    assert!(home.ok(&["daemon", "install", "--print"]).contains("/nowhere"));
}

#[test]
fn installing_writes_a_unit_even_where_no_system_takes_it() {
    let home = Home::new();
    // Nothing here may reach the system that the tests run on.
    let tools = home.path().join("tools");
    fs::create_dir(&tools).expect("made");
    let install = |more: &[&str]| {
        let mut command = home.command(&[&["daemon", "install"], more].concat());
        command.env("PATH", &tools).output().expect("it runs")
    };
    let unit = home.path().join("home/.config/systemd/user/caro-daemon.service");
    if cfg!(target_os = "linux") {
        assert_eq!(install(&[]).status.code(), Some(69));
        assert!(fs::read_to_string(&unit).expect("a unit").contains("ExecStart="));
        assert_eq!(install(&["--uninstall"]).status.code(), Some(0));
        assert!(!unit.exists());
        let again = install(&["--remove"]);
        assert_eq!(String::from_utf8_lossy(&again.stdout), "it was not installed\n");
    }
}

#[test]
fn a_command_is_found_as_soon_as_its_shell_has_written_it() {
    let home = Home::new();
    home.ok(&["daemon", "start"]);
    let spool = home.places().spool;
    eventually("the daemon makes its folder", || spool.is_dir().then_some(()));
    assert_eq!(fs::metadata(&spool).expect("a folder").mode() & 0o777, 0o700);
    let record = "\0H1\0sone\0p1\0kzsh 5.9\0hlaptop\0uada\0\0\0S1700000000000000\0d/tmp\0csleep 1\0\0\0E1700000001000000\0x0\0\0\
                  \0S1700000002000000\0d/tmp\0ccaro history last\0\0";
    fs::write(spool.join(format!("one.{}", std::process::id())), record).expect("written");
    assert_eq!(home.ok(&["history", "last", "--format", "{command} {directory} {host}"]), "sleep 1 /tmp laptop\n");
    // This process wrote the file of its session, so it is the shell; and the command that asks runs in it.
    assert_eq!(home.ok(&["history", "list", "-c", "--session"]), "sleep 1\ncaro history last\n");
}
