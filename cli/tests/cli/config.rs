//! Settings seen and changed, with a daemon that goes by them and without one.

use std::{fs, os::unix::fs::MetadataExt};

use crate::{
    support::{CARO, Home, without_terminal},
    terminal::Terminal,
};

fn file(home: &Home) -> String {
    fs::read_to_string(home.places().config).expect("a file")
}

fn write(home: &Home, text: &str) {
    let path = home.places().config;
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}

#[test]
fn every_setting_is_listed_with_its_documentation() {
    let home = Home::with_daemon("/nowhere");
    let listed = home.ok(&["config", "list"]);
    for setting in caro_schema::settings::ALL {
        assert!(listed.contains(setting.name), "{}", setting.name);
    }
    assert!(listed.contains("record.secrets = \"drop\"   (default)\n    What becomes"), "{listed}");
    assert_eq!(home.ok(&["config", "list", "--short", "key."]), "key.store = \"auto\"   (default)\n");
    assert_eq!(home.run(&["config", "list", "nothing"]).code(), 2);
    let rows = home.ok(&["config", "list", "--json"]);
    let row: serde_json::Value = serde_json::from_str(rows.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&row["name"], &row["value"], &row["set"]), (&"log".into(), &"info".into(), &false.into()));
}

#[test]
fn a_setting_is_set_got_and_taken_out_and_comments_stay() {
    let home = Home::with_daemon("/nowhere");
    write(&home, "# mine\n[record]\nsecrets = \"drop\" # for now\n");
    assert_eq!(home.ok(&["config", "get", "record.secrets"]), "drop\n");
    home.ok(&["config", "set", "record.secrets", "mask"]);
    assert_eq!(file(&home), "# mine\n[record]\nsecrets = \"mask\" # for now\n");
    assert_eq!(fs::metadata(home.places().config).expect("a file").mode() & 0o777, 0o600);
    home.ok(&["config", "set", "record.ignore_commands", "^pass ", "^ls$"]);
    home.ok(&["config", "set", "--add", "record.ignore_commands", "x"]);
    home.ok(&["config", "set", "--remove", "record.ignore_commands", "^ls$"]);
    assert_eq!(home.ok(&["config", "get", "record.ignore_commands"]), "^pass \nx\n");
    assert_eq!(home.ok(&["config", "get", "record.ignore_commands", "--json"]), "[\"^pass \",\"x\"]\n");
    home.ok(&["config", "unset", "record.ignore_commands"]);
    assert_eq!(file(&home), "# mine\n[record]\nsecrets = \"mask\" # for now\n");
    assert_eq!(home.ok(&["config", "get", "history.keep_days"]), "unlimited\n");
    assert_eq!(home.ok(&["config", "list", "--set", "--short"]), "record.secrets = \"mask\"\n");
}

#[test]
fn what_cannot_be_used_is_not_written_and_says_what_can() {
    let home = Home::with_daemon("/nowhere");
    for (arguments, code, said) in [
        (&["config", "set", "record.secrets", "dorp"][..], 65, "record.secrets may be \"drop\", \"mask\" or \"keep\""),
        (&["config", "set", "record.secret", "drop"], 2, "perhaps record.secrets"),
        (&["config", "set", "record.ignore_commands", "("], 65, "( is no regular expression"),
        (&["config", "set", "record.ignore_directories", "/a", "rel/dir"], 65, "rel/dir is no whole path"),
        (&["config", "set", "sync.exclude_directories", "['~nobody/x']"], 65, "~nobody/x is no whole path"),
        (&["config", "set", "history.keep_days", "0"], 65, "a whole number from 1 to 36500, or \"unlimited\""),
        (&["config", "get", "lgo"], 2, "perhaps log"),
        (&["config", "set", "--add", "log", "info"], 2, "log is no list"),
        (
            &["config", "set", "screen.theme", "drak"],
            65,
            "there is no such theme, and no file for it; perhaps \"dark\"",
        ),
        (&["config", "set", "screen.keys.f5", "acept"], 65, "\"acept\" is no action; perhaps \"accept\""),
        (&["config", "set", "screen.keys.ctrl-entre", "up"], 65, "is no key; perhaps \"ctrl-enter\""),
        (&["config", "set", "screen.columns", "moon"], 65, "screen.columns may be any of exit duration"),
        (&["config", "set", "--remove", "record.ignore_commands", "x"], 1, "\"x\" is not in record.ignore_commands"),
    ] {
        let ran = home.run(arguments);
        assert_eq!(ran.code(), code, "{arguments:?}: {}", ran.stderr());
        assert!(ran.stderr().contains(said), "{arguments:?}: {}", ran.stderr());
        assert!(!home.places().config.exists(), "{arguments:?}");
    }
    write(&home, "log = \n");
    let broken = home.run(&["config", "set", "log", "off"]);
    assert_eq!(broken.code(), 65);
    assert!(broken.stderr().contains("line 1:"), "{}", broken.stderr());
    assert_eq!(file(&home), "log = \n", "a file that cannot be read is not overwritten");
}

#[test]
fn the_documented_file_is_printed_and_edited() {
    let home = Home::with_daemon("/nowhere");
    let page = home.ok(&["config", "default"]);
    assert!(page.contains("\n[record]\n") && page.contains("\n#secrets = \"drop\"\n"), "{page}");
    assert_eq!(home.ok(&["config", "path"]).trim(), home.places().config.to_str().expect("text"));
    let edit = |editor: &str| {
        let output = home.command(&["config", "edit"]).env("EDITOR", editor).output().expect("it runs");
        (output.status.code().expect("a code"), String::from_utf8(output.stderr).expect("text"))
    };
    assert_eq!(edit("true"), (0, String::new()));
    assert_eq!(file(&home), page, "an editor begins with the documented file");
    let (code, said) = edit("sed -i s/^#secrets.*/secret=1/");
    assert_eq!(code, 65);
    assert!(said.contains("no setting is called record.secret; it may be: record.secrets"), "{said}");
    let before = file(&home);
    let (code, said) = edit("sh -c 'echo oops >> \"$1\"' sh");
    assert!(code == 65 && said.contains("stays as it was") && said.contains("what you wrote is in "), "{code} {said}");
    assert_eq!(file(&home), before, "what is no TOML is not put in the place of rules that hold");
    let folder = home.places().config.parent().expect("a folder").to_owned();
    let kept = fs::read_dir(&folder).expect("listed").map(|file| file.expect("a file").path());
    kept.filter(|path| *path != home.places().config).for_each(|path| fs::remove_file(path).expect("removed"));
    let (code, said) = edit("false");
    assert_eq!((code, said.starts_with("caro: the editor false failed")), (1, true), "{said}");
    assert_eq!(fs::read_dir(&folder).expect("listed").count(), 1, "what was edited is not left beside it");
    let (code, said) = edit("sh -c 'echo \"#mine\" >> \"$1\"; false' sh");
    assert_eq!((code, said.contains("; what you wrote is in ")), (1, true), "{said}");
    assert_eq!(fs::read_dir(&folder).expect("listed").count(), 2, "what was saved before the editor failed is kept");
}

#[test]
fn a_limit_that_deletes_asks_the_person_and_takes_no_for_an_answer() {
    let commands: Vec<String> = (0..150).map(|number| format!("echo {number}")).collect();
    let home = Home::with_history(&commands.iter().map(String::as_str).collect::<Vec<_>>());
    let words = [CARO, "config", "set", "history.keep_count", "100"];
    let mut asked = Terminal::run(&home, &words, (100, 10));
    asked.wait_for("Delete 50 of 150 commands, for ever? [y/N]");
    asked.press("\r");
    assert_eq!(asked.end(), 130);
    assert!(!home.places().config.exists());
    let mut asked = Terminal::run(&home, &words, (100, 10));
    asked.wait_for("Delete 50 of 150 commands, for ever? [y/N]");
    asked.press("y\r");
    assert_eq!(asked.end(), 0);
    assert_eq!(file(&home), "[history]\nkeep_count = 100\n");
}

#[test]
fn what_the_file_says_and_is_not_in_force_is_marked() {
    let home = Home::with_daemon("/nowhere");
    write(&home, "[record]\nsecrets = \"dorp\"\n[screen]\ntheme = \"blue\"\n");
    let get = home.run(&["config", "get", "record.secrets"]);
    assert_eq!((get.code(), get.stdout().as_str()), (0, "drop\n"));
    assert_eq!(get.stderr(), "record.secrets: the file says \"dorp\", which cannot be used: caro doctor\n");
    let listed = home.ok(&["config", "list", "--short", "screen.theme"]);
    assert_eq!(listed, "screen.theme = \"auto\"   (the file says \"blue\", which cannot be used: caro doctor)\n");
    let other = home.run(&["config", "set", "screen.enter", "run"]);
    assert_eq!(other.code(), 0, "what was wrong before is not what is changed: {}", other.stderr());
}

#[test]
fn an_edited_file_that_would_delete_is_asked_about_and_keeps_the_limits_when_nobody_says_yes() {
    let commands: Vec<String> = (0..150).map(|number| format!("echo {number}")).collect();
    let home = Home::with_history(&commands.iter().map(String::as_str).collect::<Vec<_>>());
    write(&home, "# mine\n[history]\nkeep_count = 400\n");
    let mut edit = home.command(&["config", "edit"]);
    edit.env("EDITOR", "sed -i -e s/400/100/ -e s/mine/yours/");
    let output = without_terminal(edit).output().expect("it runs");
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("this would delete 50 of 150 commands, for ever"), "{said}");
    assert_eq!(file(&home), "# yours\n[history]\nkeep_count = 400\n");
    assert_eq!(home.ok(&["history", "list", "-c"]).lines().count(), 150);
}

#[test]
fn a_running_daemon_goes_by_a_change_at_once_and_says_what_waits() {
    let home = Home::new();
    home.ok(&["daemon", "start"]);
    home.ok(&["config", "set", "record.ignore_commands", "^never "]);
    home.record("one", &["ls", "never this", "pwd"]);
    assert_eq!(home.ok(&["history", "list", "-c"]), "ls\npwd\n");
    let set = home.run(&["config", "set", "log", "debug"]);
    assert_eq!((set.code(), set.stderr().as_str()), (0, "log is in force after: caro daemon restart\n"));
    assert!(home.ok(&["doctor"]).contains("configuration: not in force yet: log"));
    // Saved by another program, and broken: what was in force stays, and it is said.
    write(&home, "[record\n");
    home.record("two", &["never that", "id"]);
    assert_eq!(home.ok(&["history", "list", "-c"]), "ls\npwd\nid\n");
    let doctor = home.run(&["doctor"]);
    assert!(doctor.stdout().contains("what it said before is still in force"), "{}", doctor.stdout());
    assert_eq!(doctor.code(), 1);
}
