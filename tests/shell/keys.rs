//! Ctrl-R and Up: the screen opens, and what is chosen stands on the prompt, to be edited or run.

use crate::session::{Session, for_each_shell, for_every_shell};

for_every_shell! {
    se001_ctrl_r_puts_the_chosen_command_on_the_prompt(kind) {
        let mut session = Session::start(kind);
        session.run(&["echo first needle", "echo other"]);
        session.terminal.keys("needle\x12");
        session.terminal.wait_for("> needle");
        session.terminal.wait_for("1 of");
        session.terminal.keys("\r");
        session.terminal.wait_until("the command is on the prompt", |screen| {
            !screen.contains("all keys") && screen.trim_end().ends_with("echo first needle")
        });
        session.terminal.wait_until_alone();
        session.terminal.wait_for_editor();
        session.terminal.keys(" edited");
        session.run(&[""]);
        assert_eq!(session.commands(), ["echo first needle", "echo other", "echo first needle edited"]);
    }

    se002_escape_leaves_the_line_as_it_was(kind) {
        let mut session = Session::start(kind);
        session.run(&["echo one"]);
        session.terminal.keys("echo half a li");
        session.terminal.keys("\x12");
        session.terminal.wait_for("all keys");
        session.terminal.keys("\x1b");
        session.terminal.wait_until("the line is back", |screen| {
            !screen.contains("all keys") && screen.trim_end().ends_with("echo half a li")
        });
        session.terminal.wait_until_alone();
        session.terminal.wait_for_editor();
        session.terminal.keys("ne\r");
        session.mark();
        assert_eq!(session.commands(), ["echo one", "echo half a line"]);
    }

    se003_up_opens_the_screen_with_the_newest_command_first(kind) {
        let mut session = Session::start(kind);
        session.run(&["echo older", "echo newest"]);
        session.terminal.keys("echo\x1b[A");
        session.terminal.wait_for("2 of");
        session.terminal.keys("\r");
        session.terminal.wait_until("the newest is on the prompt", |screen| {
            !screen.contains("all keys") && screen.trim_end().ends_with("echo newest")
        });
        session.terminal.wait_until_alone();
        session.terminal.wait_for_editor();
        session.terminal.keys("\r");
        session.mark();
        assert_eq!(session.commands(), ["echo older", "echo newest", "echo newest"]);
    }
}

for_each_shell! {
    se004_a_key_that_was_not_wanted_is_left_alone(kind) {
        let hook = kind.hook("--disable-ctrl-r --disable-up-arrow");
        // Evaluated first, it wins: the second time changes nothing.
        let mut session = Session::with(kind, &hook, "");
        session.run(&["echo one"]);
        session.terminal.keys("\x1b[A");
        session.terminal.wait_until("the shell's own up", |screen| {
            let last = screen.trim_end();
            last.ends_with("true mark 1") && !screen.contains("all keys")
        });
        session.terminal.keys("\r");
        session.mark();
        let again = session.device.home.commands().iter().filter(|text| *text == "true mark 1").count();
        assert_eq!(again, 2);
    }
}
