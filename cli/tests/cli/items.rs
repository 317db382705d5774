//! Values, aliases, variables and scripts as a person and a script use them.

use std::{fs, io::Write, os::unix::fs::PermissionsExt, process::Stdio};

use crate::{
    support::{CARO, Home, Ran, without_terminal},
    terminal::Terminal,
};

/// Runs it with this on its standard input.
fn with_input(home: &Home, arguments: &[&str], input: &[u8]) -> Ran {
    let mut command = home.command(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
    child.stdin.take().expect("piped").write_all(input).expect("read");
    Ran(child.wait_with_output().expect("ends"))
}

#[test]
fn a_value_comes_back_byte_by_byte() {
    let home = Home::new();
    for value in [&b"one\ntwo\n\n"[..], b"", b"\0\xff\x1b[2J", b"no end"] {
        assert_eq!(with_input(&home, &["kv", "set", "k"], value).code(), 0);
        assert_eq!(home.run(&["kv", "get", "k"]).0.stdout, value);
    }
    home.ok(&["kv", "set", "k", "-v --x"]);
    assert_eq!(home.ok(&["kv", "get", "k"]), "-v --x");
    home.ok(&["kv", "set", "a key/with: signs", "x"]);
    assert_eq!(home.ok(&["kv", "list", "--names"]), "a key/with: signs\nk\n");
    assert_eq!(home.ok(&["kv", "list", "a key"]), "a key/with: signs  x\n");
    let same = home.run(&["kv", "rename", "k", "k"]);
    assert_eq!((same.code(), same.stderr().contains("k is called that already")), (65, true), "{}", same.stderr());
    home.ok(&["kv", "rename", "k", "l"]);
    let (gone, there) = (home.run(&["kv", "get", "k"]), home.run(&["kv", "rename", "l", "a key/with: signs"]));
    assert_eq!((gone.code(), gone.stdout().as_str()), (1, ""));
    assert_eq!((there.code(), there.stderr().contains("there is a key a key/with: signs already")), (65, true));
    assert_eq!(home.run(&["kv", "delete", "l", "nothing"]).code(), 1, "one of them is none");
    assert_eq!(home.ok(&["kv", "list", "--names"]), "a key/with: signs\n", "and the other is gone");
    let large = vec![b'x'; caro_schema::items::VALUE_BYTES_MAX + 1];
    let refused = with_input(&home, &["kv", "set", "large"], &large);
    assert_eq!((refused.code(), refused.stderr().contains("over 32768 bytes")), (65, true), "{}", refused.stderr());
}

#[test]
fn a_name_that_no_shell_takes_is_refused_and_a_secret_is_told() {
    let home = Home::new();
    for (arguments, said) in [
        (&["alias", "set", "a b", "x"][..], "its name may have letters, digits"),
        (&["alias", "set", "eval", "x"], "shells need this name for themselves"),
        (&["env", "set", "PS1", "x"], "goes by this variable itself"),
        (&["env", "set", "LD_PRELOAD=/x"], "goes by this variable itself"),
        (&["script", "new", "../x", "--stdin"], "its name may have letters, digits"),
    ] {
        let refused = home.run(arguments);
        assert_eq!(refused.code(), 65, "{arguments:?}: {}", refused.stderr());
        assert!(refused.stderr().contains(said), "{arguments:?}: {}", refused.stderr());
    }
    let told = home.run(&["env", "set", "TOKEN", "ghp_0123456789abcdefghijABCDEFGHIJ456789"]);
    assert_eq!((told.code(), told.stderr().contains("what TOKEN holds looks like a secret")), (0, true));
    assert!(!told.stderr().contains("ghp_"), "{}", told.stderr());
    with_input(&home, &["env", "set", "LINE"], b"a value\n");
    assert_eq!(home.ok(&["env", "get", "LINE"]), "a value");
    let shared = home.places().shared();
    let mode = |path: &std::path::Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&shared), mode(&home.places().shared_posix())), (0o700, 0o600));
}

#[test]
fn a_shells_own_aliases_are_taken_in() {
    let home = Home::new();
    home.ok(&["alias", "set", "ll", "ls -la"]);
    let printed = b"alias gs='git status'\nalias ll='ls -l'\nalias q='echo '\\''x'\\'''\nnonsense here\n";
    let taken = with_input(&home, &["alias", "import"], printed);
    assert_eq!(taken.code(), 0, "{}", taken.stderr());
    assert!(taken.stderr().contains("2 aliases taken, 0 known, 1 left as they are"), "{}", taken.stderr());
    assert!(taken.stderr().contains("because it is no alias: nonsense here"), "{}", taken.stderr());
    assert_eq!(home.ok(&["alias", "list"]), "gs  git status\nll  ls -la\nq   echo 'x'\n");
    assert_eq!(with_input(&home, &["alias", "import", "--replace"], printed).code(), 0);
    assert_eq!(home.ok(&["alias", "get", "ll"]), "ls -l\n");
    assert_eq!(with_input(&home, &["alias", "import"], b"\n").code(), 65);
}

/// An editor that writes this.
fn editing(home: &Home, arguments: &[&str], script: &str) -> Ran {
    let mut command = home.command(arguments);
    Ran(command.env("EDITOR", format!("sh -c '{script}' sh")).output().expect("it runs"))
}

#[test]
fn a_script_is_made_and_changed_in_an_editor_whose_failure_changes_nothing() {
    let home = Home::new();
    let leftovers = || {
        let entries = fs::read_dir(home.places().runtime).expect("listed").map(|entry| entry.expect("an entry").path());
        entries.filter(|path| path.is_dir()).count()
    };
    let nothing = editing(&home, &["script", "new", "s"], "true");
    assert_eq!((nothing.code(), nothing.stderr().contains("there is no script")), (1, true));
    let look = "stat -c %a \"$1\" \"$(dirname \"$1\")\" > modes; printf \"#!/bin/sh\\necho one\\n\" > \"$1\"";
    assert_eq!(editing(&home, &["script", "new", "s"], look).code(), 0);
    assert_eq!(fs::read_to_string(home.path().join("modes")).expect("written"), "600\n700\n");
    assert_eq!(home.ok(&["script", "show", "s"]), "#!/bin/sh\necho one\n");
    let failed = editing(&home, &["script", "edit", "s"], "echo two > \"$1\"; touch \"$1.swp\"; false");
    assert_eq!((failed.code(), failed.stderr().contains("nothing was changed")), (1, true), "{}", failed.stderr());
    assert_eq!(home.ok(&["script", "show", "s"]), "#!/bin/sh\necho one\n");
    assert_eq!(leftovers(), 0, "nothing of it is left");
    let replaced = format!("{CARO} daemon restart > /dev/null; echo three > \"$1\"");
    let taken = editing(&home, &["script", "edit", "s"], &replaced);
    assert_eq!((taken.code(), home.ok(&["script", "show", "s"]).as_str()), (0, "three\n"), "{}", taken.stderr());
    let meanwhile = format!("{CARO} script delete --yes s; echo two > \"$1\"");
    let changed = editing(&home, &["script", "edit", "s"], &meanwhile);
    assert_eq!(changed.code(), 75, "{}", changed.stderr());
    assert!(changed.stderr().contains("changed elsewhere") && changed.stderr().contains("what you wrote is in"));
    assert_eq!(leftovers(), 1, "what somebody wrote is kept");
    let wrong = with_input(&home, &["script", "new", "w", "--stdin"], b"# caro: var PS1\n");
    assert!(wrong.stderr().contains("caution: w cannot run so: line 1"), "{}", wrong.stderr());
}

const DEPLOY: &[u8] = b"#!/bin/sh\n# Deploys\n# caro: var host   where to\n# caro: var branch = main\n\
    printf '%s|' \"$host\" \"$branch\" \"$@\" \"$(pwd)\"\nexit 3\n";

#[test]
fn a_script_runs_with_its_variables_as_data_and_ends_with_its_own_status() {
    let home = Home::new();
    with_input(&home, &["script", "new", "deploy", "--stdin"], DEPLOY);
    assert_eq!(home.ok(&["script", "list"]), "deploy  Deploys\n");
    let hostile = "host=\"; touch obeyed; $(touch obeyed)\n'";
    let ran = home.run(&["script", "run", "deploy", "--yes", "--set", hostile, "--", "-v", "a b"]);
    let expected = format!("\"; touch obeyed; $(touch obeyed)\n'|main|-v|a b|{}|", home.path().display());
    assert_eq!((ran.code(), ran.stdout()), (3, expected));
    assert!(!home.path().join("obeyed").exists());
    let shown = home.ok(&["script", "run", "deploy", "--dry-run", "--set", "branch=x\u{1b}[2J"]);
    assert!(shown.starts_with("deploy runs with /bin/sh\n  host = (asked for)   where to\n  branch = x"), "{shown}");
    assert!(shown.contains("# caro: var branch = main\n") && !shown.contains('\u{1b}'), "{shown}");
    for (arguments, said) in [
        (&["script", "run", "deploy", "--set", "PATH=/x"][..], "deploy takes no variable PATH"),
        (&["script", "run", "none"], "there is no script none"),
    ] {
        let refused = home.run(arguments);
        assert!(refused.code() != 0 && refused.stderr().contains(said), "{}", refused.stderr());
    }
    for arguments in [&["script", "run", "deploy", "--set", "host=x"][..], &["script", "delete", "deploy"]] {
        let alone = without_terminal(home.command(arguments)).output().expect("it runs");
        assert_eq!(alone.status.code(), Some(2), "without a terminal nobody could say yes");
    }
    assert_eq!(home.ok(&["script", "list", "--names"]), "deploy\n");
}

#[test]
fn a_person_sees_what_runs_and_is_asked() {
    let home = Home::new();
    with_input(&home, &["script", "new", "deploy", "--stdin"], DEPLOY);
    let mut asked = Terminal::run(&home, &[CARO, "script", "run", "deploy"], (100, 24));
    asked.wait_for("host (where to):");
    asked.press("web-3\r");
    asked.wait_for("host = web-3");
    asked.wait_for("Run it? [y/N]");
    asked.press("n\r");
    assert_eq!(asked.end(), 130);
    let mut asked = Terminal::run(&home, &[CARO, "script", "delete", "deploy"], (100, 10));
    asked.wait_for("Delete the script deploy on every machine? [y/N]");
    asked.press("y\r");
    assert_eq!(asked.end(), 0);
    assert_eq!(home.run(&["script", "list"]).code(), 1);
}

#[test]
fn a_script_that_is_interrupted_leaves_nothing_behind() {
    let home = Home::new();
    let text =
        b"#!/bin/sh\necho \"$0\" > where\ntrap 'echo caught > caught; exit 5' INT\necho ready\nwhile :; do sleep 1; done\n";
    with_input(&home, &["script", "new", "s", "--stdin"], text);
    let mut running = Terminal::run(&home, &[CARO, "script", "run", "--yes", "s"], (100, 10));
    running.wait_for("ready");
    running.press("\x03");
    assert_eq!(running.end(), 5, "the key was the script's");
    let file = fs::read_to_string(home.path().join("where")).expect("written");
    let folder = std::path::Path::new(file.trim()).parent().expect("a folder").to_owned();
    assert!(!folder.exists(), "{}", folder.display());
}
