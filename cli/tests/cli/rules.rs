//! What is recorded and what is not, as a person sees it.

use std::fs;

use crate::support::{Home, Ran, without_terminal};

fn listed(home: &Home) -> String {
    home.ok(&["history", "list", "-c"])
}

fn spool(home: &Home) -> String {
    let files = fs::read_dir(home.places().spool).expect("a folder").map(|entry| entry.expect("an entry").path());
    files.map(|path| String::from_utf8_lossy(&fs::read(path).expect("a file")).into_owned()).collect()
}

#[test]
fn ds004_a_secret_is_not_recorded_not_left_in_the_file_and_counted() {
    let home = Home::new();
    home.ok(&["daemon", "start"]);
    home.record("one", &["ls", "mysql -u root -phunter2 app", " typed with a blank", "pwd"]);
    assert_eq!(listed(&home), "ls\npwd\n");
    assert!(!spool(&home).contains("hunter2"));
    let status = home.ok(&["daemon", "status"]);
    assert!(status.contains("withheld  1 held a secret, 1 began with a blank"), "{status}");
    let doctor = home.ok(&["doctor"]);
    assert!(doctor.contains("recording: not recorded: 1 held a secret, 1 began with a blank"), "{doctor}");
    assert!(!doctor.contains("hunter2"));
    assert_eq!(fs::read_to_string(home.places().hint()).expect("a hint"), "secret");
    home.ok(&["daemon", "restart"]);
    let json: serde_json::Value = serde_json::from_str(&home.ok(&["daemon", "status", "--json"])).expect("JSON");
    assert_eq!(json["recording"]["withheld"]["secrets"], 1, "counters are kept");
    assert_eq!(listed(&home), "ls\npwd\n", "what was read again after the restart is wiped");
}

#[test]
fn ds004_a_secret_is_masked_or_kept_when_the_user_says_so() {
    let home = Home::new();
    home.ok(&["daemon", "start"]);
    home.ok(&["config", "set", "record.secrets", "mask"]);
    home.record("one", &["mysql -u root -phunter2 app"]);
    assert_eq!(listed(&home), "mysql -u root -p**** app\n");
    assert!(!spool(&home).contains("hunter2"));
    home.ok(&["config", "set", "record.secrets", "keep"]);
    home.record("two", &["mysql -phunter3"]);
    assert_eq!(listed(&home), "mysql -u root -p**** app\nmysql -phunter3\n");
}

#[test]
fn ds004_importing_goes_by_the_rules() {
    let home = Home::with_history(&["ls", "export GITHUB_TOKEN=abcdef123456", " blank in front", "pwd"]);
    assert_eq!(listed(&home), "ls\n blank in front\npwd\n");
}

#[test]
fn recording_is_paused_and_goes_on() {
    let home = Home::new();
    home.ok(&["daemon", "start"]);
    home.record("one", &["before"]);
    assert_eq!(home.ok(&["pause"]), "nothing is recorded on this machine, until caro resume\n");
    home.record("two", &["canary paused"]);
    home.ok(&["daemon", "restart"]);
    home.record("three", &["canary after the restart"]);
    assert!(home.ok(&["daemon", "status"]).contains("recording nothing is recorded on this machine"));
    assert!(home.ok(&["doctor"]).contains("recording: paused for everything on this machine"));
    assert_eq!(home.ok(&["resume"]), "commands are recorded\n");
    home.record("four", &["after"]);
    assert_eq!(listed(&home), "before\nafter\n");
    assert!(!spool(&home).contains("canary"), "what is not recorded is not left in a file");
    let json: serde_json::Value = serde_json::from_str(&home.ok(&["pause", "--for", "1h", "--json"])).expect("JSON");
    assert_eq!((&json["recording"], &json["paused"][0]["session"]), (&false.into(), &serde_json::Value::Null));
    assert!(json["paused"][0]["until"].as_str().is_some_and(|until| until.ends_with('Z')), "{json}");
    assert_eq!(home.run(&["pause", "--for", "-1h"]).code(), 2);
}

#[test]
fn one_shell_is_private_and_the_others_are_not() {
    let home = Home::new();
    home.ok(&["daemon", "start"]);
    home.record("one", &["before"]);
    let private = |arguments: &[&str]| {
        let output = home.command(arguments).env("CARO_SESSION", "one").output().expect("it runs");
        assert!(output.status.success());
        String::from_utf8(output.stdout).expect("text")
    };
    assert!(private(&["private"]).starts_with("nothing is recorded in this shell, until it ends"));
    home.record("one", &["canary private"]);
    home.record("two", &["elsewhere"]);
    assert_eq!(listed(&home), "before\nelsewhere\n");
    assert_eq!(private(&["private", "--off"]), "commands are recorded\n");
    home.record("one", &["after"]);
    assert_eq!(listed(&home), "before\nelsewhere\nafter\n");
    assert!(!spool(&home).contains("canary"));
    assert_eq!(Home::new().run(&["private"]).code(), 78, "this test is no shell");
}

#[test]
fn prune_deletes_what_the_rules_would_refuse_now_and_asks_first() {
    let home = Home::new();
    home.ok(&["config", "set", "record.secrets", "keep"]);
    home.import(&["ls", "mysql -phunter2", "never this", "pwd", "ls"]);
    assert_eq!(home.run(&["history", "prune", "--dry-run"]).code(), 1, "nothing is refused");
    home.ok(&["config", "set", "record.secrets", "drop"]);
    home.ok(&["config", "set", "record.ignore_commands", "^never "]);
    assert_eq!(
        home.ok(&["history", "prune", "--dry-run"]),
        "1 command with a secret in them\n1 command that match record.ignore_commands\n2 commands would be deleted\n"
    );
    assert_eq!(listed(&home).lines().count(), 5);
    let asked = home.run(&["history", "prune"]);
    assert_ne!(asked.code(), 0, "without a terminal nobody can be asked");
    assert!(asked.stderr().contains("--yes deletes without asking"), "{}", asked.stderr());
    assert_eq!(home.ok(&["history", "prune", "--yes"]), "2 commands deleted\n");
    assert_eq!(listed(&home), "ls\npwd\nls\n");
    assert_eq!(home.ok(&["history", "prune", "--older-than", "1d", "--match", "pwd", "--yes"]), "1 command deleted\n");
    assert_eq!(home.run(&["history", "prune", "--match", " ", "--yes"]).code(), 2);
    assert_eq!(listed(&home), "ls\nls\n");
}

#[test]
fn dedup_leaves_one_run_of_each_command() {
    let home = Home::new();
    home.import(&["ls", "pwd", "ls", "id", "ls"]);
    let json: serde_json::Value =
        serde_json::from_str(&home.ok(&["history", "dedup", "--dry-run", "--json"])).expect("JSON");
    assert_eq!((&json["count"], &json["dry_run"]), (&2.into(), &true.into()));
    assert_eq!(home.ok(&["history", "dedup", "--yes"]), "2 commands deleted\n");
    assert_eq!(listed(&home), "pwd\nid\nls\n");
    let oldest = Home::new();
    oldest.import(&["ls", "pwd", "ls"]);
    oldest.ok(&["history", "dedup", "--keep", "oldest", "--yes"]);
    assert_eq!(listed(&oldest), "ls\npwd\n");
    assert_eq!(oldest.run(&["history", "dedup", "--yes"]).code(), 1, "nothing is left to do");
}

#[test]
fn history_keeps_as_many_as_it_is_told() {
    let home = Home::new();
    let commands: Vec<String> = (0..150).map(|number| format!("echo {number}")).collect();
    home.import(&commands.iter().map(String::as_str).collect::<Vec<_>>());
    let mut set = without_terminal(home.command(&["config", "set", "history.keep_count", "100"]));
    let refused = Ran(set.output().expect("it runs"));
    assert_eq!(refused.code(), 2, "nobody was asked: {}", refused.stderr());
    assert!(refused.stderr().contains("this would delete 50 of 150 commands, for ever"), "{}", refused.stderr());
    assert!(!home.places().config.exists() && listed(&home).lines().count() == 150);
    home.ok(&["config", "set", "history.keep_count", "150"]);
    let set = home.run(&["config", "set", "history.keep_count", "100", "--yes"]);
    assert_eq!((set.code(), set.stderr().as_str()), (0, "deleting 50 of 150 commands, for ever\n"));
    let kept = crate::support::eventually("the oldest are deleted", || {
        let listed = listed(&home);
        (listed.lines().count() == 100).then_some(listed)
    });
    assert!(kept.starts_with("echo 50\n") && kept.ends_with("echo 149\n"), "{kept}");
}
