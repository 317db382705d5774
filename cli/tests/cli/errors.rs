//! What goes wrong says what happened and what to do, and ends with its own status.

use std::{fs, os::unix::fs::PermissionsExt, process::Stdio};

use caro_schema::ipc::Fault;

use crate::{
    fake::Fake,
    support::{CARO, Home, without_terminal},
};

/// Runs without any daemon to be had, and expects this status and these words.
#[track_caller]
fn check(home: &Home, arguments: &[&str], code: i32, words: &[&str]) {
    let ran = home.run(arguments);
    let said = ran.stderr();
    assert_eq!(ran.code(), code, "{arguments:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{arguments:?}: {word:?} is not in {said:?}");
    }
}

#[test]
fn u004_a_daemon_that_cannot_be_had_is_explained() {
    check(
        &Home::with_daemon("/nowhere"),
        &["history", "list"],
        69,
        &["/nowhere cannot be started", "install caro again"],
    );
    check(&Home::with_daemon("/nowhere"), &["daemon", "status"], 69, &["no daemon runs", "caro daemon start"]);
}

/// A daemon that ends with this status and these words.
fn ending(code: i32, words: &str) -> Home {
    let mut home = Home::with_daemon("/nowhere");
    let script =
        home.write("failing", format!("#!/bin/sh\nprintf '%b\n' 'caro-daemon: {words}' >&2\nexit {code}\n").as_bytes());
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("made executable");
    home.set_daemon(&script);
    home
}

#[test]
fn u004_why_a_daemon_does_not_start_is_told() {
    for (code, words, hint) in [
        (65, "the database: damaged", "left as it is"),
        (73, "/x: permission denied", "can be written to"),
        (77, "the key of the database: locked", "caro doctor"),
    ] {
        check(&ending(code, words), &["search", "x"], code, &[words, hint]);
    }
    check(&ending(1, "odd"), &["search", "x"], 69, &["odd", "caro doctor"]);
    // Where the daemon knows better what to do, that is said.
    let words = "the key is locked\nhint: unlock it";
    check(&ending(77, words), &["search", "x"], 77, &["the key is locked", "unlock it"]);
}

#[test]
fn trap_43_what_a_daemon_says_is_not_obeyed_either() {
    let said = ending(1, "\x1b[2Jx").run(&["search", "x"]).stderr();
    assert!(said.contains("^[[2Jx") && !said.contains('\x1b'), "{said:?}");
}

#[test]
fn trap_43_what_a_relay_says_is_not_obeyed_either() {
    let fault = Fault::Unreachable { host: "h\x1b[2J".into(), reason: "\u{9b}31m".into() };
    let said = Fake::new(move |_| Err(fault.clone())).home.run(&["sync", "now"]).stderr();
    assert!(said.contains("h^[[2J") && said.contains("<U+009B>31m") && !said.contains('\x1b'), "{said:?}");
}

#[test]
fn wrong_arguments_are_explained() {
    let home = Home::with_daemon("/nowhere");
    for (arguments, words) in [
        (&["history", "delete"][..], "nothing says which commands"),
        (&["history", "delete", "--match", " "], "nothing says which commands"),
        (&["history", "delete", "--match", "!", "--mode", "fuzzy", "--yes"], "nothing says which commands"),
        (&["history", "delete", "--match", "! ^", "--mode", "fuzzy", "--since", "1h"], "nothing says which commands"),
        (&["history", "prune", "--match", "'", "--mode", "fuzzy", "--yes"], "nothing says which commands"),
        (&["history", "delete", "12"], "32 hexadecimal digits"),
        (&["history", "list", "--since", "soon"], "is not a time"),
        (&["history", "list", "--format", "{x}"], "no field is called"),
        (&["search"], "required"),
        (&["init", "tcsh"], "bash, zsh, fish"),
        (&["sync", "init"], "--relay"),
        (&["sync", "rename", "a\nb"], "cannot be seen"),
        (&["history", "--inline=2"], "2"),
    ] {
        check(&home, arguments, 2, &[words]);
    }
}

#[test]
fn files_that_are_not_there_are_named() {
    let home = Home::with_daemon("/nowhere");
    check(&home, &["import", "bash"], 66, &[".bash_history", "caro import bash FILE"]);
    check(&home, &["import", "zsh", "/nowhere/h"], 66, &["/nowhere/h: no such file"]);
    check(&home, &["import", "zsh", "/"], 66, &["/ is not a file"]);
}

#[test]
fn without_a_home_it_says_so() {
    let home = Home::with_daemon("/nowhere");
    let output = home.command(&["search", "x"]).env_remove("HOME").output().expect("it runs");
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stderr).contains("set HOME"));
}

#[test]
fn without_a_terminal_questions_say_how_to_do_without() {
    let home = Home::with_history(&["ls"]);
    for (arguments, hint) in [
        (&["history", "delete", "--all"][..], "--yes deletes without asking"),
        (&["sync", "init", "--relay", "wss://h:1/"], "--yes prints the phrase"),
        (&["sync", "restore", "--relay", "wss://h:1/"], "--phrase-stdin"),
        (&["history"], "there is no terminal"),
        // What can be told without a phrase is told before one is asked for.
        (&["sync", "restore", "--relay", "wss://h:1/#k"], "the key after # is not whole"),
    ] {
        let output = without_terminal(home.command(arguments)).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(hint), "{arguments:?}: {said}");
    }
    let output = without_terminal(home.command(&["sync", "remote", "add", "wss://h:1/"])).output().expect("it runs");
    assert_eq!(output.status.code(), Some(78), "in no account a phrase is of no use");
    assert_eq!(home.ok(&["history", "list", "-c"]), "ls\n");
}

#[test]
fn a_filter_that_means_nothing_is_no_filter_less() {
    let home = Home::with_history(&["ls"]);
    for arguments in [&["search", "exit:often", "ls"][..], &["history", "list", "exit:often"]] {
        let ran = home.run(arguments);
        assert_eq!((ran.code(), ran.stdout().as_str()), (65, ""), "{arguments:?}: {}", ran.stderr());
        assert!(ran.stderr().contains("exit:"), "{}", ran.stderr());
    }
    for word in ["author:assistan", "safety:crit", "exit:", "host:", "dir:", "took:<"] {
        for arguments in [&["search", word][..], &["search", "ls", word], &["history", "list", word]] {
            let ran = home.run(arguments);
            assert_eq!((ran.code(), ran.stdout().as_str()), (65, ""), "{arguments:?}: {}", ran.stderr());
            assert!(ran.stderr().contains(&format!("\"{word}\" is only the beginning")), "{}", ran.stderr());
        }
    }
    for arguments in [&["history", "delete", "--match", "nowhere", "--dry-run"][..], &["history", "prune", "--dry-run"]]
    {
        assert_eq!(home.run(arguments).code(), 1, "there is nothing to do: {arguments:?}");
    }
    let took = home.run(&["history", "list", "--took", "long"]);
    assert!(took.stderr().contains("a time such as 10s, 1m30s or 2h"), "{}", took.stderr());
    let program = home.run(&["import", "bash", CARO]);
    assert_eq!(program.code(), 65, "{}", program.stderr());
    assert!(program.stderr().contains("is not a history: it is not text"), "{}", program.stderr());
}

#[test]
fn a_reader_that_has_gone_ends_it_quietly() {
    let commands: Vec<String> = (0..3000).map(|number| format!("echo {number} {}", "x".repeat(100))).collect();
    let home = Home::with_history(&commands.iter().map(String::as_str).collect::<Vec<_>>());
    let mut child =
        home.command(&["history", "list"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
