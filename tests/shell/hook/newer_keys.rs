//! The keys of nushell and xonsh, with a program that answers as it is told: what the shell asks, and what it does with what
//! comes back. The real screen is tried in `../keys.rs`.

use caro_tests::eventually;

use super::{
    answering::{CTRL_R, LEFT, UP, asked, beside_program, press, setup},
    bare::{Bare, Setup},
};
use crate::session::{Kind, for_each_newer_shell};

/// Presses Up until the only line of the history is on the prompt: xonsh reads its history in the background.
fn newest_by_up(shell: &mut Bare, newest: &str) {
    eventually("the newest line", || {
        shell.terminal.keys(UP);
        shell.terminal.screen().trim_end().ends_with(&format!("ready> {newest}")).then_some(())
    });
}

for_each_newer_shell! {
    rh170_what_is_put_stands_on_the_prompt_with_the_cursor_behind_it(kind) {
        let mut shell = setup(kind).start();
        shell.terminal.keys("echo hälf");
        shell.terminal.wait_for("echo hälf");
        let arguments = press(&mut shell, CTRL_R, "put\necho 'chösen 漢字'");
        let session = shell.shells()[0].name.split('.').next().expect("a session").to_owned();
        assert_eq!(arguments.trim_end(), format!("screen --result-fd 1 --session {session}"));
        assert_eq!(asked(&shell), "echo hälf");
        shell.terminal.wait_until("it is on the prompt", |screen| screen.trim_end().ends_with("ready> echo 'chösen 漢字'"));
        shell.run(&["; cd ."]);
        assert_eq!(shell.commands(), ["echo 'chösen 漢字'; cd ."]);
    }

    rh171_what_is_to_be_run_is_run(kind) {
        let mut shell = setup(kind).start();
        press(&mut shell, CTRL_R, "run\ncd /");
        shell.ended("cd /");
        shell.ready();
        // The next time the same key puts again.
        press(&mut shell, CTRL_R, "put\ncd ");
        shell.terminal.wait_until("it is on the prompt", |screen| screen.trim_end().ends_with("ready> cd"));
        shell.run(&["."]);
        assert_eq!(shell.commands(), ["cd /", "cd ."]);
    }

    rh172_several_lines_come_back_as_they_are(kind) {
        let text = match kind {
            Kind::Nu => "if true {\n  echo 'a  b' `c`\n}",
            _ => "if True:\n    echo 'a  b' \\\\",
        };
        let mut shell = setup(kind).start();
        press(&mut shell, CTRL_R, &format!("put\n{text}"));
        shell.terminal.wait_for("a  b");
        // A block needs an empty line at its end in xonsh.
        shell.run(if kind == Kind::Nu { &[""] } else { &["", "", ""] });
        assert_eq!(shell.commands(), [text]);
    }

    rh173_no_answer_leaves_line_and_cursor_as_they_were(kind) {
        let mut shell = setup(kind).start();
        shell.terminal.keys(format!("echo abc{LEFT}"));
        shell.terminal.wait_for("echo abc");
        press(&mut shell, CTRL_R, "");
        shell.terminal.wait_until("the line is back", |screen| screen.trim_end().ends_with("ready> echo abc"));
        shell.terminal.keys("X");
        shell.terminal.wait_for("echo abXc");
        shell.run(&[""]);
        assert_eq!(shell.commands(), ["echo abXc"]);
    }

    rh174_up_asks_as_up_and_only_on_the_first_line(kind) {
        let mut shell = setup(kind).start();
        shell.terminal.keys("cd fir");
        shell.terminal.wait_for("cd fir");
        let (answer, second) = match kind {
            Kind::Nu => ("put\ncd .\ncd /", "cd /"),
            _ => ("put\nif True:\n    cd /", "cd /"),
        };
        let arguments = press(&mut shell, UP, answer);
        assert!(arguments.trim_end().ends_with(" --up --mode prefix"), "{arguments}");
        shell.terminal.wait_for(second);
        // The cursor is on the second line: up moves it to the first.
        let questions = shell.terminal.questions();
        shell.terminal.keys(UP);
        if kind == Kind::Nu {
            eventually("its prompt again", || (shell.terminal.questions() > questions).then_some(()));
        }
        shell.terminal.keys("\x05#first");
        shell.terminal.wait_for("#first");
        let screen = shell.terminal.screen();
        let line = screen.lines().find(|line| line.contains("#first")).expect("there");
        assert!(line.contains(if kind == Kind::Nu { "cd .#first" } else { "if True:#first" }), "{screen}");
        assert!(!shell.home.path().join("arguments").exists());
        shell.terminal.keys("\x03");
        shell.terminal.wait_until("a new prompt", |screen| screen.trim_end().ends_with("ready>"));
        shell.mark();
    }

    rh175_without_the_program_the_keys_do_what_the_shell_does(kind) {
        let mut shell = Setup::new(kind).with_keys("/nonexistent/caro").start();
        shell.mark();
        newest_by_up(&mut shell, &kind.mark("1"));
    }

    rh176_a_key_that_was_not_wanted_is_left_alone(kind) {
        let (setup, program) = beside_program(kind);
        let mut shell = setup.with_program(program).start();
        shell.mark();
        newest_by_up(&mut shell, &kind.mark("1"));
        assert!(!shell.home.path().join("arguments").exists());
    }

    rh177_the_keys_work_in_the_vi_modes(kind) {
        let before = match kind {
            Kind::Nu => "$env.config.edit_mode = 'vi'; $env.PROMPT_INDICATOR_VI_NORMAL = 'commands ready> '",
            _ => "$VI_MODE = True",
        };
        for mode in ["", "\x1b"] {
            let mut shell = setup(kind).before(before).start();
            shell.terminal.keys(mode);
            if kind == Kind::Nu && !mode.is_empty() {
                // Or Escape and what follows are one key.
                shell.terminal.wait_for("commands ready>");
            }
            press(&mut shell, CTRL_R, "put\ncd /");
            shell.terminal.wait_for("cd /");
            shell.terminal.keys("\r");
            shell.ended("cd /");
        }
    }

    rh179_a_program_that_fails_leaves_the_line(kind) {
        let failing = "#!/bin/sh\ncat >/dev/null\necho failed >~/arguments\nexit 70\n";
        let setup = Setup::new(kind).file("failing", failing, 0o755);
        let program = setup.path().join("failing");
        let mut shell = setup.with_keys(program).start();
        shell.terminal.keys("echo kept");
        shell.terminal.wait_for("echo kept");
        press(&mut shell, CTRL_R, "");
        shell.run(&[" as it was"]);
        assert_eq!(shell.commands(), ["echo kept as it was"]);
        assert!(!shell.terminal.screen().contains("rror"), "{}", shell.terminal.screen());
    }
}

#[test]
fn rh178_in_xonsh_the_status_is_the_commands_own_after_the_screen() {
    // nushell sets it anew for whatever a key runs: docs/shell-hooks.md says so.
    fn run(kind: Kind) {
        let mut shell = setup(kind).start();
        shell.terminal.line("sh -c 'exit 9'");
        shell.ended("sh -c 'exit 9'");
        shell.ready();
        press(&mut shell, CTRL_R, "");
        shell.terminal.line("echo @(__xonsh__.env['LAST_RETURN_CODE'])");
        shell.terminal.wait_for("\n9\n");
    }
    crate::session::require("xonsh", run, Kind::Xonsh);
}
