//! What a record says: the text to the byte, the directory, the times, the header.

use std::{fs, os::unix::ffi::OsStrExt, os::unix::fs::PermissionsExt};

use caro_schema::spool;

use super::bare::{Bare, Run, Setup};
use crate::session::{Kind, for_each_shell};

/// Times that the shells write, as numbers.
fn span_us(run: &Run) -> (u64, u64) {
    let end = run.end.as_ref().expect("it ended");
    (run.at.parse().expect("a time"), end.at.parse().expect("a time"))
}

for_each_shell! {
    rh001_a_file_of_whole_records_with_a_header(kind) {
        let mut shell = Bare::start(kind);
        shell.run(&["echo one", "false"]);
        let bytes = fs::read(shell.file()).expect("read");
        let parsed = spool::parse(&bytes);
        assert_eq!(parsed.consumed, bytes.len());
        assert!(parsed.tail.is_none() && parsed.records.iter().all(|record| record.whole), "{parsed:?}");
        let kinds: String = parsed.records.iter().map(|record| record.kind() as char).collect();
        assert_eq!(kinds, "HSESESE");
        let [only] = &shell.shells()[..] else { panic!("one shell") };
        let field = |tag: char| only.header.iter().find(|(known, _)| *known == tag).map(|(_, value)| value.as_str());
        let pid = shell.terminal.pid().to_string();
        assert_eq!(field('p'), Some(pid.as_str()));
        assert_eq!(only.name, format!("{}.{pid}", field('s').expect("a session")));
        assert!(field('k').expect("a version").starts_with(&format!("{} ", kind.name())), "{only:?}");
        assert!(!field('h').expect("a host").is_empty(), "{only:?}");
        assert!(field('l').expect("a level").parse::<u32>().is_ok(), "{only:?}");
        assert!(!field('u').expect("a user").is_empty(), "{only:?}");
        let mode = fs::metadata(shell.file()).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "read by its owner alone");
    }

    rh002_a_start_is_written_before_the_command_runs_and_an_end_after(kind) {
        let mut shell = Bare::start(kind);
        let copy = "cp .local/state/caro/spool/* copy";
        shell.run(&[copy]);
        let bytes = fs::read(shell.home.path().join("copy")).expect("copied");
        let kinds: String = spool::parse(&bytes).records.iter().map(|record| record.kind() as char).collect();
        assert_eq!(kinds, "HS");
    }

    rh003_every_byte_of_a_line_is_kept(kind) {
        let mut shell = Bare::start(kind);
        let lines: &[&[u8]] = &[
            b"true 'it' \"was\" 'a \"b\" c'",
            b"true trailing blanks  ",
            "true 漢字 e\u{301} 🦀 👩‍👩‍👧 \u{202e}right".as_bytes(),
            b"true back\\\\slash \\' %s %d 100% %% -n -e",
            b"true '~' '*' '?' '[a]' '{a,b}' '#' '$HOME' '\\x00\\n'",
            b"echo -n -e -- -E",
        ];
        for line in lines {
            shell.terminal.keys(line);
            shell.terminal.keys("\r");
        }
        shell.mark();
        let expected: Vec<String> = lines.iter().map(|line| line.escape_ascii().to_string()).collect();
        assert_eq!(shell.escaped(), expected);
    }

    rh011_bytes_that_are_no_text_are_kept(kind) {
        // The line editors of zsh and fish replace such bytes when they are typed, but not when they come otherwise.
        let after = match kind {
            Kind::Fish => r"bind \cg 'commandline -r (printf \'true a\\xff\\xfe\\x80z\')'",
            Kind::Zsh => r"type-it() { BUFFER=$'true a\xff\xfe\x80z' }; zle -N type-it; bindkey '^G' type-it",
            _ => r#"bind '"\C-g": "true a\xff\xfe\x80z"'"#,
        };
        let mut shell = Bare::with(kind, "", after);
        shell.terminal.keys("\x07\r");
        shell.mark();
        assert_eq!(shell.escaped(), [r"true a\xff\xfe\x80z"]);
    }

    rh004_control_characters_are_kept(kind) {
        // Ctrl-V puts the next key into the line as it is, in all three.
        let mut shell = Bare::start(kind);
        shell.terminal.keys("true 'a\x16\tb\x16\x1bc\x16\x01d'\r");
        shell.mark();
        let found = shell.escaped();
        if kind == Kind::Fish {
            // fish has no such key: it shows what it does with a tab instead, which is to complete.
            assert_eq!(found.len(), 1);
        } else {
            assert_eq!(found, [r"true \'a\tb\x1bc\x01d\'"]);
        }
    }

    rh005_a_directory_is_the_one_before_the_command_to_the_byte(kind) {
        let mut shell = Bare::start(kind);
        let odd = shell.home.path().join(std::ffi::OsStr::from_bytes(b"odd \xff 'name'\n*"));
        fs::create_dir(&odd).expect("made");
        shell.run(&["cd odd*", "cd /"]);
        let directories: Vec<Vec<u8>> = shell.runs().into_iter().map(|run| run.directory).collect();
        let home = shell.home.path().as_os_str().as_bytes().to_vec();
        assert_eq!(directories, [home, odd.as_os_str().as_bytes().to_vec()]);
        assert_eq!(shell.exits().iter().map(|(_, exit)| *exit).collect::<Vec<_>>(), [Some(0), Some(0)]);
    }

    rh006_how_long_it_took_and_every_status_of_a_pipeline(kind) {
        let mut shell = Bare::start(kind);
        shell.run(&["sleep 0.3", "true | false | sh -c 'exit 3'"]);
        let runs = shell.runs();
        let slept = runs[0].end.as_ref().expect("it ended");
        let took_us = match slept.milliseconds {
            Some(ms) => ms * 1000,
            None => {
                let (start, end) = span_us(&runs[0]);
                end - start
            }
        };
        assert!((300_000..60_000_000).contains(&took_us), "{runs:?}");
        let piped = runs[1].end.as_ref().expect("it ended");
        assert_eq!((piped.exit, piped.statuses.as_str()), (3, "0 1 3"));
        if kind != Kind::Fish {
            assert!(span_us(&runs[0]).1 <= span_us(&runs[1]).0, "{runs:?}");
        }
    }

    rh007_a_here_document_and_a_loop_are_one_record_each(kind) {
        let (lines, expected): (&[&str], &[&str]) = match kind {
            Kind::Fish => (&["if true", "echo 'a", "b'", "end"], &["if true\necho 'a\nb'\nend"]),
            Kind::Bash => (
                &["cat <<END", "one $x", "  two", "END", "if true; then", "echo 'a", "b'", "fi"],
                &["cat <<END\none $x\n  two\nEND\n", "if true; then echo 'a\nb'; fi"],
            ),
            _ => (
                &["cat <<END", "one $x", "  two", "END", "if true; then", "echo 'a", "b'", "fi"],
                &["cat <<END\none $x\n  two\nEND", "if true; then\necho 'a\nb'\nfi"],
            ),
        };
        let mut shell = Bare::start(kind);
        shell.run(lines);
        let found: Vec<String> = shell.commands().iter().map(|text| without_indent(text)).collect();
        assert_eq!(found, expected.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    }

    rh008_a_pasted_text_of_several_commands_is_kept_whole_and_once(kind) {
        let mut shell = Bare::start(kind);
        shell.terminal.keys("\x1b[200~echo one\necho two\necho three\x1b[201~\r");
        shell.mark();
        let all = shell.commands().join("\n");
        assert_eq!(all, "echo one\necho two\necho three");
    }

    rh009_a_command_of_a_megabyte_is_one_record(kind) {
        for size in [10_000, 100_000, 1_000_000] {
            let mut shell = Bare::start(kind);
            let long = format!("true {}", "0123456789".repeat(size / 10));
            shell.terminal.keys(format!("\x1b[200~{long}\x1b[201~"));
            shell.terminal.keys("\r");
            shell.mark();
            let found = shell.commands();
            assert_eq!(found.iter().map(String::len).collect::<Vec<_>>(), [long.len()]);
            assert!(found[0] == long, "changed");
        }
    }
}

/// fish indents what it puts into the line.
fn without_indent(text: &str) -> String {
    text.split('\n').map(|line| line.strip_prefix("    ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn rh010_the_shells_own_expansion_of_history_is_what_was_run() {
    for kind in [Kind::Bash, Kind::Zsh] {
        if !caro_tests::have(kind.name()) {
            caro_tests::skip("rh010", kind.name());
            continue;
        }
        let after = if kind == Kind::Zsh { "setopt nohistverify" } else { "" };
        let mut shell = Setup::new(kind).after(after).start();
        shell.run(&["echo first", "echo again !!"]);
        assert_eq!(shell.commands(), ["echo first", "echo again echo first"]);
    }
}
