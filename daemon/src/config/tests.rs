//! The file as the daemon reads it: every key, every way of being wrong, and the change while it runs.

use caro_schema::{body::history::Record, id::RecordId, ipc::selecting::Stays};

use super::*;

fn parse_over(before: &Config, text: &str) -> Loaded {
    Loaded::parse(before, text, &Table::new(), Some(Path::new("/home/ada")))
}

fn parse(text: &str) -> Loaded {
    parse_over(&Config::default(), text)
}

/// No settings of an account.
const NOWHERE: &str = "/nowhere";

fn records(config: &Config, command: &str) -> bool {
    config.filter.objection(command.as_bytes(), b"/").is_none()
}

#[test]
fn every_key_is_read() {
    let text = r#"
        log = "debug"
        [key]
        store = "file"
        [record]
        ignore_commands = ["^secret"]
        ignore_directories = ["~/private", "/srv/x"]
        ignore_space = false
        secrets = "mask"
        [history]
        keep_days = 365
        keep_count = 100000
        [sync]
        window_days = 30
        window_commands = "unlimited"
        [screen]
        anything = true
    "#;
    let Loaded { config, file } = parse(text);
    assert_eq!(file.problems, []);
    assert_eq!((config.log, config.key_store), (LevelFilter::DEBUG, KeyStore::File));
    assert!(!records(&config, "secret x"));
    assert_eq!(config.filter.ignore_directories, [b"/home/ada/private".to_vec(), b"/srv/x".to_vec()]);
    assert_eq!((config.filter.ignore_space, config.filter.secrets), (false, Secrets::Mask));
    assert_eq!(config.keep, Keep { days: Some(365), count: Some(100_000) });
    assert_eq!((config.window_days, config.window_commands), (Some(30), None));
}

/// A value for each setting of the daemon that is not its default, in the file's own words.
fn another(setting: &Setting) -> &'static str {
    match setting.name {
        "log" => "\"off\"",
        "sync.proxy" => "\"none\"",
        "key.store" => "\"file\"",
        "record.ignore_commands" => "['x']",
        "record.ignore_directories" => "['/x']",
        "record.ignore_space" | "stats.count" => "false",
        "record.secrets" => "\"keep\"",
        "history.undo_seconds" | "sync.command_bytes" => "7",
        "sync.exclude_hosts" | "sync.exclude_sessions" | "sync.exclude_authors" => "['x']",
        "sync.include_hosts" | "sync.include_sessions" | "sync.include_authors" => "['x']",
        "sync.exclude_commands" | "sync.include_commands" => "['x']",
        "sync.exclude_directories" | "sync.include_directories" => "['/x']",
        "history.keep_days" | "sync.window_days" => "7",
        "history.keep_count" | "sync.window_commands" => "700",
        other => panic!("{other} is a setting of the daemon that it does not read"),
    }
}

/// What a setting comes to.
fn shown(config: &Config) -> String {
    let Config { log, key_store, filter, keep, undo_ms, selection, counts_uses, window_days, window_commands, proxy } =
        config;
    let Filter { ignore_commands, ignore_directories, ignore_space, secrets, pauses: _ } = filter;
    format!(
        "{log} {key_store:?} {:?} {ignore_directories:?} {ignore_space} {secrets:?} {keep:?} {undo_ms} {selection:?} {counts_uses} {window_days:?} {window_commands:?} {}",
        ignore_commands.patterns(),
        proxy.reveal()
    )
}

#[test]
fn every_setting_of_the_daemon_does_something_and_a_wrong_one_leaves_what_was() {
    let default = shown(&Config::default());
    for setting in ALL.iter().filter(|setting| setting.reader != Reader::Caro) {
        let name = setting.name;
        let set = parse(&format!("{name} = {}", another(setting)));
        assert_eq!(set.file.problems, [], "{name}");
        assert_ne!(shown(&set.config), default, "{name} changes nothing");
        assert_eq!(shown(&parse(&format!("{name} = {}", setting.default)).config), default, "{name}: its default");
        let wrong = parse_over(&set.config, &format!("{name} = 1979-05-27"));
        assert_eq!((wrong.file.problems.len(), wrong.file.is_broken), (1, false), "{name}");
        assert_eq!(shown(&wrong.config), shown(&set.config), "{name}");
    }
}

#[test]
fn a_wrong_value_leaves_its_default_and_everything_else_in_force() {
    let Loaded { config, file } = parse(
        "log = 3\n[key]\nstore = \"cloud\"\n[sync]\nwindow_days = -1\n[record]\nignore_commands = [\"(\", \"^ok\"]\nsecrets = \"keep\"",
    );
    assert_eq!(file.problems.len(), 4);
    assert_eq!((config.log, config.key_store, config.window_days), (LevelFilter::INFO, KeyStore::Auto, Some(90)));
    assert_eq!(config.filter.secrets, Secrets::Keep);
    assert!(!records(&config, "ok"), "a pattern beside a bad one holds");
}

#[test]
fn a_directory_that_is_no_whole_path_is_said_and_the_others_hold() {
    let Loaded { config, file } = parse(
        "[record]\nignore_directories = [\"rel/dir\", \"/srv/x\", \"~nobody/x\", \"~\"]\n[sync]\nexclude_directories = [\"x\"]",
    );
    let said: Vec<&str> = file.problems.iter().map(|problem| problem.what.as_str()).collect();
    let not_whole = |name: &str, text: &str| format!("{name}: {text:?} is not a whole path");
    let record = "record.ignore_directories";
    let mut expected = vec![not_whole(record, "rel/dir"), not_whole(record, "~nobody/x")];
    expected.push(not_whole("sync.exclude_directories", "x"));
    assert_eq!(said, expected);
    assert_eq!(config.filter.ignore_directories, [b"/srv/x".to_vec(), b"/home/ada/".to_vec()]);
}

#[test]
fn a_list_of_what_may_be_sent_of_which_nothing_can_be_used_lets_nothing_through() {
    let record = Record {
        id: RecordId([1; 16]),
        command: b"git push".to_vec().into(),
        directory: b"/home/ada/work".to_vec().into(),
        host: "desk".to_owned(),
        user: String::new(),
        shell: String::new(),
        session: "one".to_owned(),
        start_us: 1,
        duration_us: None,
        exit: None,
        assistant: None,
    };
    let stays = |line: &str| {
        let Loaded { config, file } = parse(&format!("[sync]\n{line}"));
        assert_eq!(file.problems.is_empty(), config.selection.stays(&record).is_none(), "{line} {:?}", file.problems);
        config.selection.stays(&record)
    };
    for line in [
        "include_commands = ['(git']",
        "include_directories = ['work']",
        "include_commands = 5",
        "include_directories = 'x'",
        "include_hosts = 5",
        "include_sessions = 5",
        "include_authors = 5",
    ] {
        assert_eq!(stays(line), Some(Stays::NotIncluded), "{line}");
    }
    for line in ["include_commands = ['^git']", "include_directories = []", "include_hosts = ['desk']"] {
        assert_eq!(stays(line), None, "{line}");
    }
}

#[test]
fn patterns_that_need_too_much_together_hold_as_far_as_they_go() {
    let list = vec![r"'\pL{60}'"; 30].join(", ");
    let Loaded { config, file } = parse(&format!("[record]\nignore_commands = ['^secret', {list}]"));
    assert!(file.problems.iter().any(|problem| problem.what.starts_with("record.ignore_commands is too large")));
    assert!(!records(&config, "secret x"), "the first of them holds");
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_right_one() {
    let check = |text: &str, instead: &str| {
        let problems = parse(text).file.problems;
        assert_eq!(problems.len(), 1, "{text}");
        assert_eq!(problems[0].instead, instead, "{text}");
    };
    check("[key]\nstoer = \"file\"", "key.store");
    check("[record]\nignore_command = []", "record.ignore_commands");
    check("[sync]\nwindow_day = 3", "sync.window_days");
    check("lgo = \"info\"", "log");
    check("[recrod]\nsecrets = \"drop\"", "");
    check("qqqqqqqq = 1", "");
}

#[test]
fn a_broken_file_leaves_what_was_in_force_and_is_said() {
    let before = parse("log = \"off\"\n[record]\nignore_commands = ['^x']").config;
    let Loaded { config, file } = parse_over(&before, "log = \n\n[");
    assert_eq!(shown(&config), shown(&before));
    assert!(file.is_broken && file.problems[0].what.starts_with("line 1"), "{file:?}");
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(Loaded::read(&folder.path().join("none"), NOWHERE.as_ref(), None).file.problems, []);
    assert_eq!(Loaded::read(folder.path(), NOWHERE.as_ref(), None).file.problems.len(), 1);
}

#[test]
fn the_file_is_read_again_when_it_was_changed_and_only_then() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, shared) = (folder.path().join("config.toml"), folder.path().join("settings.toml"));
    let Loaded { config, file } = Loaded::read(&path, &shared, None);
    let again = |config: &Config, file: &ConfigFile| Loaded::again(config, file, (&path, &shared), None, false);
    assert!(again(&config, &file).is_none(), "no file before and none now");
    fs::write(&path, "log = \"off\"\n[record]\nsecrets = \"mask\"").expect("written");
    let changed = again(&config, &file).expect("a new file");
    assert_eq!(changed.config.filter.secrets, Secrets::Mask);
    assert_eq!((changed.config.log, &changed.file.waiting[..]), (LevelFilter::INFO, &["log"][..]));
    assert!(again(&changed.config, &changed.file).is_none());
    fs::remove_file(&path).expect("removed");
    let gone = again(&changed.config, &changed.file).expect("it is gone");
    assert_eq!(gone.config.filter.secrets, Secrets::Drop, "without a file defaults apply");
    assert_eq!(gone.file.waiting, [""; 0]);
}

#[test]
fn ds002_the_accounts_settings_hold_where_the_file_says_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, shared) = (folder.path().join("config.toml"), folder.path().join("settings.toml"));
    fs::write(&shared, "[record]\nsecrets = \"mask\"\nignore_space = false\n").expect("written");
    let Loaded { config, file } = Loaded::read(&path, &shared, None);
    assert_eq!((config.filter.secrets, config.filter.ignore_space), (Secrets::Mask, false));
    fs::write(&path, "record.secrets = \"keep\"\n").expect("written");
    let Loaded { config, file } = Loaded::again(&config, &file, (&path, &shared), None, false).expect("changed");
    assert_eq!(
        (config.filter.secrets, config.filter.ignore_space),
        (Secrets::Keep, false),
        "the file wins, key by key"
    );
    fs::write(&shared, "[record]\nignore_space = true\n").expect("written");
    let Loaded { config, file } = Loaded::again(&config, &file, (&path, &shared), None, false).expect("changed");
    assert_eq!((config.filter.secrets, config.filter.ignore_space), (Secrets::Keep, true));
    fs::write(&shared, "[[").expect("written");
    let Loaded { config, file } = Loaded::again(&config, &file, (&path, &shared), None, false).expect("changed");
    assert_eq!((config.filter.secrets, file.problems.len()), (Secrets::Keep, 0), "nobody but the daemon writes it");
}
