//! The text, and how it went: exactly as typed, exactly once.

use std::time::{Duration, Instant};

use caro_tests::eventually;

use crate::session::{Kind, Session, for_each_shell};

for_each_shell! {
    rc001_what_is_typed_is_recorded_with_how_it_went(kind) {
        let mut session = Session::start(kind);
        session.run(&["echo one", "false", "sh -c 'exit 42'", "cd /usr", "echo two | cat"]);
        let rows = session.rows();
        let exits: Vec<_> = session.exits();
        let expected = [("echo one", 0), ("false", 1), ("sh -c 'exit 42'", 42), ("cd /usr", 0), ("echo two | cat", 0)];
        assert_eq!(exits, expected.map(|(text, exit)| (text.to_owned(), Some(exit))));
        let home = session.device.home.path();
        assert_eq!(rows[3]["directory"], home.to_str().unwrap(), "where it started, not where it ended");
        assert_eq!(rows[4]["directory"], "/usr");
        for row in &rows {
            assert!(row["shell"].as_str().unwrap().starts_with(kind.name()), "{row}");
            assert_eq!(row["session"], rows[0]["session"]);
            assert_eq!(row["user"], *caro_tests::user());
            assert!(!row["host"].as_str().unwrap().is_empty());
            assert!(row["duration_us"].as_u64().is_some(), "{row}");
        }
    }

    rc002_text_survives_to_the_byte(kind) {
        let mut session = Session::start(kind);
        let lines = [
            r#"echo 'single' "double" `true`"#.replace('`', if kind == Kind::Fish { "'" } else { "`" }),
            "echo wide 漢字 ünïcödé 🦀".to_owned(),
            r"echo back\\slash and \# and \*".to_owned(),
            "echo   spaces   inside".to_owned(),
            "echo ~ * ? [a]".replace("[a]", "'[a]'").replace("* ?", "'*' '?'"),
            "echo $HOME %d %s 100%".to_owned(),
        ];
        session.run(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(session.commands(), lines);
    }

    rc003_a_command_of_several_lines_is_one_record(kind) {
        let mut session = Session::start(kind);
        let (lines, words): (&[&str], &[&str]) = match kind {
            Kind::Fish => (&["for n in 1 2", "echo loop $n", "end"], &["for n in 1 2", "echo loop $n", "end"]),
            _ => (&["for n in 1 2; do", "echo loop $n", "done"], &["for n in 1 2", "echo loop $n", "done"]),
        };
        session.run(lines);
        let commands = session.commands();
        assert_eq!(commands.len(), 1, "{commands:?}");
        assert!(words.iter().all(|word| commands[0].contains(word)), "{commands:?}");
    }

    rc004_a_command_is_seen_while_it_runs(kind) {
        let mut session = Session::start(kind);
        session.terminal.line("sleep 300");
        let running = || session.device.home.history().into_iter().find(|row| row["command"] == "sleep 300");
        let row = eventually("it is in the history", running);
        assert!(row["exit"].is_null() && row["duration_us"].is_null(), "{row}");
        // The start is written before the job has the terminal; until then the key would be the shell's own.
        session.terminal.wait_for_job();
        session.terminal.keys("\x03");
        session.mark();
        let rows = session.rows();
        assert_eq!((rows.len(), rows[0]["exit"].as_i64()), (1, Some(130)), "{rows:?}");
    }

    rc005_an_empty_line_and_an_abandoned_line_record_nothing(kind) {
        let mut session = Session::start(kind);
        session.run(&["", ""]);
        session.terminal.keys("echo never finished");
        session.terminal.wait_for("echo never finished");
        give_up_line(&mut session, kind);
        session.run(&["", "echo after"]);
        assert_eq!(session.commands(), ["echo after"]);
    }

    rc006_a_long_command_arrives_whole(kind) {
        let mut session = Session::start(kind);
        // As large as the line editor takes it in reasonable time; the spool itself is tried with a megabyte elsewhere.
        let long = format!("true {}", "0123456789".repeat(300));
        session.run(&[&long]);
        assert_eq!(session.commands(), [long]);
    }

    rc007_a_nested_shell_has_a_session_of_its_own_and_subshells_have_none(kind) {
        let mut session = Session::start(kind);
        session.terminal.line("echo outer");
        session.terminal.line(kind.name());
        session.terminal.line("echo inner");
        session.terminal.line("exit");
        session.run(&[match kind { Kind::Fish => "fish -c 'echo script'", _ => "(echo sub; echo shell)" }]);
        let rows = session.rows();
        let of = |text: &str| rows.iter().find(|row| row["command"] == *text).unwrap_or_else(|| panic!("{text}: {rows:?}"));
        assert_ne!(of("echo outer")["session"], of("echo inner")["session"]);
        assert!(!session.commands().iter().any(|text| text == "echo sub" || text == "echo script"));
    }

    rc008_sourced_three_times_each_command_is_recorded_once(kind) {
        let mut session = Session::with(kind, &kind.hook(""), &kind.hook(""));
        session.run(&["echo once", "echo twice"]);
        assert_eq!(session.commands(), ["echo once", "echo twice"]);
        assert_eq!(session.spool_files().len(), 1);
    }

    rc009_a_shell_that_is_killed_in_the_middle_leaves_its_command(kind) {
        let mut session = Session::start(kind);
        session.run(&["echo before"]);
        session.terminal.line("sleep 301");
        let home = &session.device.home;
        eventually("it is seen", || home.commands().iter().any(|text| text == "sleep 301").then_some(()));
        session.terminal.kill();
        // The file goes once its shell is gone and everything is taken, and nothing goes with it.
        assert_eq!(session.commands(), ["echo before", "sleep 301"]);
    }

    rc010_exit_and_exec_leave_what_ended_the_shell(kind) {
        let mut session = Session::start(kind);
        session.run(&["echo first"]);
        session.terminal.line("exec true");
        session.terminal.wait_for_end();
        let home = &session.device.home;
        eventually("it is seen", || home.commands().iter().any(|text| text == "exec true").then_some(()));
        assert_eq!(session.commands(), ["echo first", "exec true"]);
    }
}

#[test]
fn rc036_commands_pasted_together_have_an_end_each_in_bash() {
    crate::session::require("rc036", pasted_together, Kind::Bash);
}

fn pasted_together(kind: Kind) {
    let mut session = Session::with(kind, "bind 'set enable-bracketed-paste on'", "");
    session.terminal.keys("\x1b[200~sh -c 'exit 3'\nfalse\necho three\x1b[201~\r");
    session.mark();
    let expected = [("sh -c 'exit 3'", 3), ("false", 1), ("echo three", 0)];
    assert_eq!(session.exits(), expected.map(|(text, exit)| (text.to_owned(), Some(exit))));
    assert!(session.rows().iter().all(|row| row["duration_us"].as_u64().is_some()), "{:?}", session.rows());
}

/// Presses Ctrl-C, until there is a new prompt: a key that comes before it is a matter between bash and its line editor.
fn give_up_line(session: &mut Session, kind: Kind) {
    let mut pressed: Option<Instant> = None;
    eventually("a new prompt", || {
        // fish 3.6 alone, with no hook, loses one in some that come right behind the last letter on a busy machine, and waits.
        let is_lost = |at: Instant| kind == Kind::Fish && at.elapsed() > LOST_AFTER;
        if pressed.is_none_or(is_lost) {
            session.terminal.keys("\x03");
            pressed = Some(Instant::now());
        }
        session.terminal.screen().trim_end().ends_with("ready>").then_some(())
    });
    session.terminal.wait_for_editor();
}

/// By then a key that was heard shows.
const LOST_AFTER: Duration = Duration::from_secs(5);
