//! What shells write arrives, whole and once.

use caro_schema::ipc::{
    Reply, Request,
    history::{Import, Imported, Query, Selection},
};

use crate::support::{Home, eventually, text};

#[test]
fn a_start_is_visible_before_its_end() {
    let home = Home::new();
    let daemon = home.start();
    let mut shell = home.shell("one");
    shell.header().start("sleep 100");
    let mut client = daemon.client();
    let running = eventually("the start is there", || client.all().pop());
    assert_eq!((text(&running).as_str(), running.exit, running.duration_us), ("sleep 100", None, None));
    shell.end(130);
    let ended = eventually("the end is there", || client.all().pop().filter(|record| record.has_ended()));
    assert_eq!((ended.id, ended.exit, ended.duration_us), (running.id, Some(130), Some(1000)));
    assert_eq!((ended.user.as_str(), ended.shell.as_str(), ended.session.as_str()), ("ada", "zsh 5.9", "one"));
    assert_eq!(&ended.directory[..], b"/tmp");
}

#[test]
fn flush_takes_in_everything_that_is_there() {
    let home = Home::new();
    let daemon = home.start();
    let mut client = daemon.client();
    for round in 0..20 {
        let mut shell = home.shell(&format!("s{round}"));
        shell.header();
        for number in 0..5 {
            shell.run(&format!("echo {round} {number}"));
        }
        client.flush();
        assert_eq!(client.status().records, (round + 1) * 5);
    }
}

#[test]
fn what_was_written_while_no_daemon_ran_is_taken_in_at_its_start() {
    let home = Home::new();
    home.start().kill();
    let mut shell = home.shell("away");
    shell.header().run("one").start("two");
    let daemon = home.start();
    let mut client = daemon.client();
    client.flush();
    assert_eq!(client.commands(), ["one", "two"]);
    daemon.kill();
    shell.end(3);
    let daemon = home.start();
    let mut client = daemon.client();
    client.flush();
    let exits: Vec<Option<i32>> = client.all().iter().map(|record| record.exit).collect();
    assert_eq!(exits, [Some(0), Some(3)], "the pending start was remembered");
}

#[test]
fn trap_18_a_clock_that_was_set_back_loses_nothing() {
    const YEAR_US: i64 = 31_536_000_000_000;
    let home = Home::new();
    let daemon = home.start();
    let mut client = daemon.client();
    let mut shell = home.shell("one");
    shell.header().run("before").start("during");
    client.flush();
    // In mid-run of a command, as when a machine learns the time from the network.
    shell.set_clock(-YEAR_US);
    shell.end(1).run("after");
    client.flush();
    let seen = |client: &mut crate::support::Client| -> Vec<(String, Option<i32>, bool)> {
        let mut seen: Vec<_> = client.all().iter().map(|it| (text(it), it.exit, it.duration_us.is_some())).collect();
        seen.sort();
        seen
    };
    let expected = [
        ("after".to_owned(), Some(0), true),
        ("before".to_owned(), Some(0), true),
        // How long it ran cannot be known.
        ("during".to_owned(), Some(1), false),
    ];
    assert_eq!(seen(&mut client), expected);
    daemon.kill();
    let daemon = home.start();
    let mut client = daemon.client();
    client.flush();
    assert_eq!(seen(&mut client), expected, "and none twice after a restart");
}

#[test]
fn any_bytes_of_a_command_arrive_as_they_are() {
    let home = Home::new();
    let daemon = home.start();
    let mut shell = home.shell("bytes");
    shell.header();
    let commands: Vec<Vec<u8>> = vec![
        b"echo 'a\nb'\t\"c\"".to_vec(),
        b"\xff\xfe\x80".to_vec(),
        "你好 🦀".as_bytes().to_vec(),
        b"\x1b[31mred\x1b[0m\x07".to_vec(),
        vec![b'x'; 1024 * 1024],
    ];
    for command in &commands {
        let bytes = [shell.start_bytes(command), shell.end_bytes(0)].concat();
        shell.append(&bytes).expect("appended");
    }
    let mut client = daemon.client();
    client.flush();
    let found: Vec<Vec<u8>> = client.all().iter().map(|record| record.command.to_vec()).collect();
    assert!(found == commands, "{:?}", found.iter().map(Vec::len).collect::<Vec<_>>());
}

#[test]
fn a_removed_folder_and_a_removed_file_recover() {
    let home = Home::new();
    let daemon = home.start();
    let mut client = daemon.client();
    let mut shell = home.shell("one");
    shell.header().run("before");
    client.flush();
    std::fs::remove_file(&shell.path).expect("removed");
    shell.run("file removed");
    client.flush();
    std::fs::remove_dir_all(home.places().spool).expect("removed");
    eventually("the folder is made again", || home.places().spool.is_dir().then_some(()));
    shell.run("folder removed");
    eventually("noticed", || (client.commands().len() == 3).then_some(()));
    assert_eq!(client.commands(), ["before", "file removed", "folder removed"]);
    let hosts: Vec<String> = client.all().into_iter().map(|record| record.session).collect();
    assert_eq!(hosts, ["one", "one", "one"]);
}

#[test]
fn trap_27_a_phrase_on_the_command_line_is_nowhere_in_the_data() {
    let home = Home::new();
    let daemon = home.start();
    let mut shell = home.shell("one");
    shell.header().run("caro sync restore zebra zebra zebra zebra zebra zebra zebra").run("echo fine");
    let mut client = daemon.client();
    client.flush();
    assert_eq!(client.commands(), ["echo fine"]);
    assert!(!home.log().contains("zebra"));
}

#[test]
fn ds004_what_the_configuration_ignores_is_not_recorded() {
    let home = Home::new();
    home.configure("[record]\nignore_commands = ['^pass ']\nignore_directories = ['/nowhere']\n");
    let daemon = home.start();
    home.shell("one").header();
    home.shell("one").run("pass show bank").run("ls");
    let mut client = daemon.client();
    client.flush();
    assert_eq!(client.commands(), ["ls"]);
}

#[test]
fn ds001_deleted_stays_deleted_also_after_a_restart_and_an_end() {
    let home = Home::new();
    let daemon = home.start();
    let mut client = daemon.client();
    let mut shell = home.shell("one");
    shell.header().run("keep").start("secret");
    client.flush();
    let selection = || Selection::Matching(Box::new(Query { text: "secret".to_owned(), ..Query::default() }));
    assert!(matches!(client.ask(Request::Delete { selection: selection(), dry_run: true }), Ok(Reply::Count(1))));
    assert_eq!(client.commands().len(), 2);
    assert!(matches!(client.ask(Request::Delete { selection: selection(), dry_run: false }), Ok(Reply::Count(1))));
    shell.end(0);
    client.flush();
    assert_eq!(client.commands(), ["keep"]);
    daemon.kill();
    let daemon = home.start();
    let mut client = daemon.client();
    client.flush();
    assert_eq!(client.commands(), ["keep"]);
}

#[test]
fn an_import_adds_once_and_keeps_phrases_out() {
    let home = Home::new();
    let daemon = home.start();
    let mut client = daemon.client();
    home.shell("one").header();
    home.shell("one").run("as a pattern");
    client.flush();
    let pattern = client.all().pop().expect("a record");
    let record = |number: u8, command: &str| {
        let mut record = pattern.clone();
        record.id.0 = [number; 16];
        record.command = command.as_bytes().to_vec().into();
        record
    };
    let batch = || Import::from(vec![record(1, "one"), record(2, "two"), record(3, "caro sync restore zebra zebra")]);
    let imported = |client: &mut crate::support::Client| match client.ask(Request::Import(batch())) {
        Ok(Reply::Imported(imported)) => imported,
        other => panic!("{other:?}"),
    };
    assert_eq!(imported(&mut client), Imported { added: 2, known: 0, deleted: 0 });
    assert_eq!(imported(&mut client), Imported { added: 0, known: 2, deleted: 0 });
    assert_eq!(client.status().records, 3);
}
