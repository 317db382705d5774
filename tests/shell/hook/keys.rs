//! The keys with a program that answers as it is told, so that every answer is tried: what the shell asks, and what it
//! does with what comes back. The real screen is tried in `../keys.rs`.

use std::{fs, path::Path};

use super::{
    answering::{CTRL_R, LEFT, UP, asked, press, setup},
    bare::Setup,
};
use crate::session::{Kind, for_each_shell, require};

for_each_shell! {
    rh120_what_is_put_stands_on_the_prompt_with_the_cursor_behind_it(kind) {
        let mut shell = setup(kind).start();
        shell.terminal.keys("echo hälf");
        shell.terminal.wait_for("echo hälf");
        let arguments = press(&mut shell, CTRL_R, "put\ntrue chösen 漢字 ");
        let session = shell.shells()[0].name.split('.').next().expect("a session").to_owned();
        assert_eq!(arguments.trim_end(), format!("screen --result-fd 3 --session {session}"));
        assert_eq!(asked(&shell), "echo hälf");
        shell.terminal.wait_for("true chösen 漢字");
        shell.run(&["and more"]);
        assert_eq!(shell.commands(), ["true chösen 漢字 and more"]);
    }

    rh121_what_is_to_be_run_is_run(kind) {
        let mut shell = setup(kind).start();
        press(&mut shell, CTRL_R, "run\ntrue at once");
        shell.ended("true at once");
        shell.ready();
        // The next time the same key puts again.
        press(&mut shell, CTRL_R, "put\ntrue later");
        shell.terminal.wait_for("true later");
        shell.run(&[" on"]);
        assert_eq!(shell.commands(), ["true at once", "true later on"]);
    }

    rh122_several_lines_come_back_as_they_are(kind) {
        let text = match kind {
            Kind::Fish => "if true\n    true 'a  b' \\\\ \"$HOME\"\nend",
            _ => "if true; then\n  true 'a  b' \\\\ \"$HOME\" `true` !\nfi",
        };
        let mut shell = setup(kind).start();
        press(&mut shell, CTRL_R, &format!("put\n{text}"));
        shell.terminal.wait_for("a  b");
        shell.run(&[""]);
        let found = shell.commands();
        let expected = if kind == Kind::Bash { text.replace("then\n", "then ").replace("!\nfi", "!; fi") } else { text.to_owned() };
        assert_eq!(found.iter().map(|text| text.replace("  true", " true")).collect::<Vec<_>>(), [expected.replace("  true", " true")]);
    }

    rh123_no_answer_leaves_line_and_cursor_as_they_were(kind) {
        let mut shell = setup(kind).start();
        shell.terminal.keys(format!("true abc{LEFT}"));
        shell.terminal.wait_for("true abc");
        press(&mut shell, CTRL_R, "");
        shell.terminal.keys("X");
        shell.terminal.wait_for("true abXc");
        shell.run(&[""]);
        assert_eq!(shell.commands(), ["true abXc"]);
    }

    rh124_up_asks_as_up_and_only_on_the_first_line(kind) {
        let mut shell = setup(kind).start();
        shell.terminal.keys("true fir");
        shell.terminal.wait_for("true fir");
        let arguments = press(&mut shell, UP, "put\ntrue first\ntrue second");
        assert!(arguments.trim_end().ends_with(" --up --mode prefix"), "{arguments}");
        shell.terminal.wait_for("true second");
        // The cursor is on the second line: up is the shell's own there.
        shell.terminal.keys(UP);
        shell.terminal.keys("\x01X");
        shell.terminal.wait_for("X");
        assert!(!shell.home.path().join("arguments").exists());
        shell.terminal.keys("\x03");
        shell.terminal.wait_until("a new prompt", |screen| screen.trim_end().ends_with("ready>"));
        shell.mark();
    }

    rh125_without_the_program_the_keys_do_what_the_shell_does(kind) {
        let mut shell = Setup::new(kind).with_keys("/nonexistent/caro").start();
        shell.run(&["true something long ago"]);
        let newest = shell.terminal.screen();
        let newest = newest.lines().rev().find(|line| line.contains("true mark")).expect("there").trim().to_owned();
        shell.terminal.keys(UP);
        shell.terminal.wait_until("the newest line", |screen| screen.trim_end().ends_with(newest.trim_start_matches("ready> ")));
        shell.terminal.keys("\x15");
        shell.terminal.keys(CTRL_R);
        let searching = match kind {
            Kind::Bash => "(reverse-i-search)",
            Kind::Zsh => "bck-i-search",
            _ => "search:",
        };
        shell.terminal.wait_for(searching);
        shell.terminal.keys("long ago");
        shell.terminal.wait_until("it is found", |screen| screen.matches("true something long ago").count() > 1);
    }

    rh126_the_keys_work_in_the_vi_modes(kind) {
        let after = match kind {
            Kind::Bash => "set -o vi",
            Kind::Zsh => "bindkey -v",
            _ => "fish_vi_key_bindings",
        };
        for is_before in [true, false] {
            let setup = setup(kind);
            let mut shell = if is_before { setup.before(after) } else { setup.after(after) }.start_unready();
            shell.terminal.wait_for("ready>");
            shell.terminal.wait_for_editor();
            press(&mut shell, CTRL_R, "put\ntrue from a mode");
            shell.terminal.wait_for("true from a mode");
            shell.terminal.keys("\r");
            shell.ended("true from a mode");
        }
    }

    rh127_the_status_is_the_commands_own_after_the_screen(kind) {
        let mut shell = setup(kind).start();
        shell.terminal.line("sh -c 'exit 9'");
        shell.ended("sh -c 'exit 9'");
        shell.terminal.wait_for("exit 9");
        shell.ready();
        press(&mut shell, CTRL_R, "");
        let line = format!("echo \"it is {}\" >status", shell.status_variable());
        shell.terminal.line(&line);
        shell.ended(&line);
        assert_eq!(fs::read_to_string(shell.home.path().join("status")).expect("written"), "it is 9\n");
    }

    rh128_the_keys_work_under_strict_settings_and_evaluated_twice(kind) {
        let after = match kind {
            Kind::Bash => "set -euo pipefail; set -o noclobber; shopt -s failglob; IFS=xyz; alias printf=false local=false",
            Kind::Zsh => "setopt nounset pipefail ksharrays shwordsplit; IFS=xyz; alias print=false local=false",
            _ => "function printf; false; end",
        };
        let again = if kind == Kind::Fish { "cat ~/hook | source" } else { "eval \"$(cat ~/hook)\"" };
        let mut shell = setup(kind).after(&format!("{after}\n{again}")).start();
        let arguments = press(&mut shell, CTRL_R, "put\ntrue xyz chosen");
        let session = shell.shells()[0].name.split('.').next().expect("a session").to_owned();
        assert!(arguments.contains(&session), "{arguments}");
        shell.terminal.wait_for("true xyz chosen");
        shell.run(&[""]);
        assert_eq!(shell.commands(), ["true xyz chosen"]);
        assert!(!shell.terminal.screen().contains("__caro"), "{}", shell.terminal.screen());
    }

    rh129_a_program_that_fails_leaves_the_line(kind) {
        let failing = "#!/bin/sh\ncat >/dev/null\necho went wrong >/dev/tty\necho failed >~/arguments\nexit 70\n";
        let setup = Setup::new(kind).file("failing", failing, 0o755);
        let program = setup.path().join("failing");
        let mut shell = setup.with_keys(program).start();
        shell.terminal.keys("true kept");
        shell.terminal.wait_for("true kept");
        press(&mut shell, CTRL_R, "");
        shell.run(&[" as it was"]);
        assert_eq!(shell.commands(), ["true kept as it was"]);
    }
}

#[test]
fn rh130_in_zsh_a_key_goes_back_to_what_it_did_before() {
    fn run(kind: Kind) {
        let before = "mine() { BUFFER='true by a widget of mine'; zle accept-line }; zle -N mine; bindkey '^[[A' mine";
        let mut shell = Setup::new(kind).before(before).with_keys(Path::new("/nonexistent/caro")).start();
        shell.terminal.keys(UP);
        shell.ended("true by a widget of mine");
    }
    require("zsh", run, Kind::Zsh);
}
