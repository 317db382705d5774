//! nushell and xonsh: shells with a language of their own, whose hooks run inside of them. What `text.rs`, `hidden.rs`,
//! `disturbed.rs` and `cost.rs` say of the older ones, in their words.

use std::{fs, os::unix::ffi::OsStrExt, os::unix::fs::PermissionsExt};

use caro_schema::spool;
use caro_tests::{have, processes_started, skip};

use super::bare::{Bare, Setup};
use crate::session::{Kind, for_each_newer_shell};

/// Evaluates the hook again.
fn again(kind: Kind) -> &'static str {
    if kind == Kind::Nu { "source ~/hook" } else { "execx($(cat ~/hook))" }
}

/// A program with arguments, so that it is one and no expression.
fn program(kind: Kind, line: &str) -> String {
    if kind == Kind::Nu { format!("^{line}") } else { line.to_owned() }
}

for_each_newer_shell! {
    rh150_a_file_of_whole_records_with_a_header(kind) {
        let mut shell = Bare::start(kind);
        shell.run(&["cd /"]);
        let bytes = fs::read(shell.file()).expect("read");
        let parsed = spool::parse(&bytes);
        assert_eq!(parsed.consumed, bytes.len());
        assert!(parsed.tail.is_none() && parsed.records.iter().all(|record| record.whole), "{parsed:?}");
        let kinds: String = parsed.records.iter().map(|record| record.kind() as char).collect();
        assert_eq!(kinds, "HSESE");
        let [only] = &shell.shells()[..] else { panic!("one shell") };
        let field = |tag: char| only.header.iter().find(|(known, _)| *known == tag).map(|(_, value)| value.as_str());
        let pid = shell.terminal.pid().to_string();
        assert_eq!(field('p'), Some(pid.as_str()));
        assert_eq!(only.name, format!("{}.{pid}", field('s').expect("a session")));
        assert!(field('k').expect("a version").starts_with(&format!("{} ", kind.name())), "{only:?}");
        assert!(!field('h').expect("a host").is_empty(), "{only:?}");
        assert_eq!(field('u'), Some("ada"));
        if kind == Kind::Xonsh {
            let mode = fs::metadata(shell.file()).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "read by its owner alone");
        }
    }

    rh151_a_start_is_written_before_the_command_runs_and_an_end_after(kind) {
        let mut shell = Bare::start(kind);
        let copy = program(kind, "sh -c 'cp .local/state/caro/spool/* copy'");
        shell.run(&[&copy]);
        let bytes = fs::read(shell.home.path().join("copy")).expect("copied");
        let kinds: String = spool::parse(&bytes).records.iter().map(|record| record.kind() as char).collect();
        assert_eq!(kinds, "HS");
    }

    rh152_every_character_of_a_line_is_kept(kind) {
        let mut shell = Bare::start(kind);
        let lines = [
            "echo 'it' \"was\" 'a \"b\" c'",
            "echo trailing blanks  ",
            "echo 漢字 e\u{301} 🦀 👩‍👩‍👧",
            "echo 'back\\slash' '%s %d 100% %%' '-n'",
            "echo '~' '*' '?' '[a]' '{a,b}' '#' '$HOME'",
        ];
        shell.run(&lines);
        assert_eq!(shell.commands(), lines);
    }

    rh153_several_lines_are_one_record(kind) {
        let mut shell = Bare::start(kind);
        // In xonsh an empty line ends a block.
        let (keys, expected): (&[&str], _) = match kind {
            Kind::Nu => (&["if true {", "echo 'a", "b'", "}"], "if true {\necho 'a\nb'\n}"),
            _ => (&["if True:", "echo 'a b'", "", ""], "if True:\n    echo 'a b'"),
        };
        let (last, first) = keys.split_last().expect("keys");
        for line in first {
            shell.terminal.line(line);
        }
        shell.run(&[last]);
        assert_eq!(shell.commands(), [expected]);
        assert_eq!(shell.exits()[0].1, Some(0));
    }

    rh154_directory_status_and_length(kind) {
        let mut shell = Bare::start(kind);
        let odd = shell.home.path().join("odd 'name' 漢");
        fs::create_dir(&odd).expect("made");
        let lines = [
            "cd \"odd 'name' 漢\"".to_owned(),
            program(kind, "sh -c 'exit 7'"),
            program(kind, "sleep 0.3"),
            "no-such-program-anywhere".to_owned(),
            program(kind, "sh -c 'kill -9 $$'"),
        ];
        shell.run(&lines.each_ref().map(String::as_str));
        let runs = shell.runs();
        let directories: Vec<&[u8]> = runs.iter().take(2).map(|run| &run.directory[..]).collect();
        let home = shell.home.path();
        assert_eq!(directories, [home.as_os_str().as_bytes(), odd.as_os_str().as_bytes()]);
        let mut exits: Vec<i32> = runs.iter().map(|run| run.end.as_ref().expect("it ended").exit).collect();
        // What a word means that is no program is each shell's own, but it did not succeed.
        assert_ne!(std::mem::replace(&mut exits[3], 1), 0);
        assert_eq!(exits, [0, 7, 0, 1, 137]);
        let us = |text: &str| text.parse::<u64>().expect("a time");
        let took_us = us(&runs[2].end.as_ref().expect("it ended").at) - us(&runs[2].at);
        assert!((300_000..60_000_000).contains(&took_us), "{runs:?}");
    }

    rh155_what_the_shell_hides_is_never_written(kind) {
        let after = if kind == Kind::Nu { "" } else { "$HISTCONTROL = 'ignorespace'; $XONSH_HISTORY_IGNORE_REGEX = 'secret.*'" };
        let mut shell = Bare::with(kind, "", after);
        shell.run(&["cd .", " echo canary", "cd ."]);
        if kind == Kind::Xonsh {
            shell.run(&["secret canary"]);
            shell.terminal.line("history off");
            shell.terminal.line("echo 'a canary'");
            shell.terminal.wait_for("\na canary");
            shell.ready();
            shell.terminal.line("history on");
            shell.ready();
            shell.mark();
        }
        let seen: Vec<String> = shell.commands().into_iter().filter(|text| !text.starts_with("history")).collect();
        assert_eq!(seen, ["cd .", "cd ."]);
        assert!(!shell.spool_holds("canary"));
    }

    rh156_ctrl_c_on_the_line_and_in_the_command(kind) {
        let mut shell = Bare::start(kind);
        shell.terminal.keys("echo given up");
        shell.terminal.wait_for("given up");
        shell.terminal.keys("\x03");
        shell.terminal.wait_until("a new prompt", |screen| screen.matches("ready>").count() > 1);
        shell.ready();
        let sleep = program(kind, "sleep 300");
        shell.terminal.line(&sleep);
        shell.wait_for_run(&sleep, |run| run.end.is_none());
        shell.terminal.wait_for_job();
        shell.terminal.keys("\x03");
        shell.mark();
        assert_eq!(shell.exits(), [(sleep, Some(130))]);
    }

    rh157_an_empty_line_records_nothing(kind) {
        let mut shell = Bare::start(kind);
        shell.run(&["", "   ", "cd .", "", ""]);
        assert_eq!(shell.commands(), ["cd ."]);
    }

    rh158_a_shell_that_ends_leaves_its_last_command(kind) {
        let mut shell = Bare::start(kind);
        shell.run(&["cd ."]);
        shell.terminal.line("exit");
        shell.terminal.wait_for_end();
        let exits = shell.exits();
        assert_eq!(exits[0], ("cd .".to_owned(), Some(0)));
        assert_eq!(exits[1].0, "exit");
    }

    rh159_a_shell_inside_has_a_session_of_its_own(kind) {
        let mut shell = Bare::start(kind);
        let inner = kind.program().expect("it runs");
        let inner = program(kind, inner.to_str().expect("text"));
        shell.terminal.line(&inner);
        shell.wait_for_run(&inner, |run| run.end.is_none());
        shell.terminal.wait_until("its prompt", |screen| screen.trim_end().ends_with("ready>"));
        shell.terminal.wait_for_editor();
        shell.run(&["cd /"]);
        shell.terminal.line("exit");
        shell.ended(&inner);
        shell.ready();
        shell.run(&["cd ."]);
        let shells = shell.shells();
        assert_eq!(shells.len(), 2);
        let of = |text: &str| shells.iter().position(|one| one.runs.iter().any(|run| run.command == text.as_bytes()));
        assert!(of("cd /").is_some() && of("cd .").is_some() && of("cd /") != of("cd ."), "{shells:?}");
    }

    rh160_a_folder_that_goes_away_is_silent_and_heals(kind) {
        let mut shell = Bare::start(kind);
        shell.run(&["cd ."]);
        let (spool, aside) = (shell.home.spool(), shell.home.path().join("aside"));
        fs::rename(&spool, &aside).expect("moved");
        shell.terminal.line("echo 'it is lost'");
        shell.terminal.wait_for("\nit is lost");
        shell.ready();
        fs::write(&spool, "a file in its place").expect("written");
        shell.terminal.line("echo 'lost too'");
        shell.terminal.wait_for("\nlost too");
        shell.ready();
        fs::remove_file(&spool).expect("removed");
        fs::rename(&aside, &spool).expect("moved");
        shell.run(&["cd /"]);
        fs::remove_file(shell.file()).expect("removed");
        shell.run(&["cd ."]);
        assert_eq!(shell.commands(), ["cd ."], "the file is made anew");
        let said = shell.terminal.screen();
        for word in ["caro", "rror", "ecord", "spool"] {
            assert!(!said.contains(word), "{said}");
        }
    }

    rh161_evaluated_three_times_it_is_there_once(kind) {
        let mut shell = Bare::with(kind, again(kind), again(kind));
        shell.run(&["cd .", again(kind), "cd /"]);
        assert_eq!(shell.commands(), ["cd .", again(kind), "cd /"]);
        assert_eq!(shell.shells().len(), 1);
    }

    rh162_a_users_own_hooks_and_names_are_kept(kind) {
        let mine = match kind {
            Kind::Nu => "$env.config.hooks.pre_execution = [{|| print 'mine before' }]
                         $env.config.hooks.pre_prompt = [{|| print $'mine after ($env.LAST_EXIT_CODE)' }]",
            _ => "@events.on_precommand
def mine_before(cmd, **_):
    print('mine before')
@events.on_postcommand
def mine_after(rtn, **_):
    print('mine after', rtn)
",
        };
        for (before, after) in [(mine, ""), ("", mine)] {
            if kind == Kind::Nu && before.is_empty() {
                // There they replace the list themselves, as people do who do not append: nothing of ours is left.
                continue;
            }
            let mut shell = Bare::with(kind, before, after);
            let line = program(kind, "sh -c 'exit 5'");
            shell.terminal.line(&line);
            shell.terminal.wait_for("mine before");
            shell.terminal.wait_for("mine after 5");
            shell.mark();
            assert_eq!(shell.exits(), [(line, Some(5))]);
        }
    }

    rh163_in_another_users_home_nothing_is_written(kind) {
        let setup = Setup::new(kind);
        let spool = setup.path().join(".local/state/caro/spool");
        if std::os::unix::fs::chown(&spool, Some(65_534), None).is_err() {
            return skip(&format!("rh163 in {}", kind.name()), "to be root");
        }
        fs::set_permissions(&spool, fs::Permissions::from_mode(0o777)).expect("opened");
        let mut shell = setup.start();
        shell.terminal.line("echo 'it works'");
        shell.terminal.wait_for("\nit works");
        shell.ready();
        assert_eq!(fs::read_dir(&spool).expect("a folder").count(), 0);
    }

    rh164_no_process_per_command(kind) {
        if !have("strace") {
            return skip("rh164", "strace");
        }
        let mut shell = Bare::start(kind);
        let line = if kind == Kind::Nu { "null # alone" } else { "None # alone" };
        let end = if kind == Kind::Nu { "null # over" } else { "None # over" };
        // Whatever a shell does once, it has done.
        shell.run(&[line, line]);
        let (pid, folder) = (shell.terminal.pid(), shell.home.path());
        let started = processes_started(pid, &folder, || {
            for _ in 0..20 {
                kind.type_line(&mut shell.terminal, line);
            }
            kind.type_line(&mut shell.terminal, end);
            shell.ended(end);
        });
        assert!(started.is_empty(), "{started:#?}");
        assert_eq!(shell.commands().iter().filter(|text| *text == line).count(), 22);
    }

    rh165_a_long_command_is_one_record(kind) {
        let mut shell = Bare::start(kind);
        let long = format!("echo '{}'", "0123456789".repeat(1_000));
        shell.terminal.keys(format!("\x1b[200~{long}\x1b[201~"));
        shell.terminal.keys("\r");
        shell.ended(&long);
        assert_eq!(shell.commands().iter().map(String::len).collect::<Vec<_>>(), [long.len()]);
    }
}

#[test]
fn rh166_what_xonsh_keeps_only_when_it_succeeds_is_taken_back() {
    fn run(kind: Kind) {
        let mut shell = Bare::with(kind, "", "$HISTCONTROL = 'ignoreerr'");
        shell.run(&["sh -c 'exit 3'", "cd ."]);
        assert_eq!(shell.exits(), [("cd .".to_owned(), Some(0))]);
    }
    crate::session::require("xonsh", run, Kind::Xonsh);
}

#[test]
fn rh167_nushell_without_a_history_records_nothing() {
    fn run(kind: Kind) {
        let nu = kind.program().expect("asked for before");
        let setup = Setup::new(kind);
        let wrapper = format!("#!/bin/sh\nexec '{}' --no-history\n", nu.display());
        let setup = setup.file("nu-without", &wrapper, 0o755);
        let program = setup.path().join("nu-without");
        let mut shell = setup.program_of_shell(program.to_str().expect("text")).start();
        shell.terminal.line("echo 'a canary'");
        shell.terminal.wait_for("\na canary");
        shell.ready();
        assert!(!shell.spool_holds("canary"));
    }
    crate::session::require("nu", run, Kind::Nu);
}
