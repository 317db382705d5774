//! A real bash with the hook, on a terminal: what a person has in front of them while something is broken.
//!
//! That the prompt came back while the fault was there says that the hook does not wait for its end, whatever a clock says.

use caro_tests::{Home, Terminal, have};

use crate::scenario::Run;

/// A bash that runs. Ends when it is dropped.
pub struct Shell {
    terminal: Terminal,
}

/// What its prompt ends with.
const PROMPT: &str = "ready>";

impl Shell {
    /// Starts one in a home, or ends the run as skipped where there is none.
    pub fn start(run: &Run, home: &Home) -> Self {
        if !have("bash") {
            run.skip("bash");
        }
        home.write(".bashrc", format!("PS1='{PROMPT} '\neval \"$(caro init bash)\"\n"));
        let terminal = Terminal::start("bash", &["-i"], &home.env(), &home.path());
        terminal.wait_for(PROMPT);
        terminal.wait_for_editor();
        Self { terminal }
    }

    /// Has these words echoed, and waits until they are and the prompt is back. Gives the command.
    ///
    /// # Panics
    /// When that does not come about.
    pub fn echo(&mut self, words: &str) -> String {
        let command = format!("echo {words}");
        self.terminal.line(&command);
        self.terminal.wait_until(&format!("the prompt after {command:?}"), |screen| {
            screen.contains(&format!("\n{words}\n")) && screen.trim_end().ends_with(PROMPT)
        });
        self.terminal.wait_for_editor();
        command
    }
}
