//! One interactive shell with the hook, on a terminal, in a home with a daemon.

use std::{fs, path::PathBuf};

use caro_tests::{Device, Home, Terminal, eventually};
use serde_json::Value;

/// A shell that has a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bash,
    Zsh,
    Fish,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }

    /// The line that people put into their start file.
    pub(crate) fn hook(self) -> &'static str {
        match self {
            Self::Bash => "eval \"$(caro init bash)\"",
            Self::Zsh => "eval \"$(caro init zsh)\"",
            Self::Fish => "caro init fish | source",
        }
    }

    fn start_file(self) -> &'static str {
        match self {
            Self::Bash => ".bashrc",
            Self::Zsh => ".zshrc",
            Self::Fish => ".config/fish/config.fish",
        }
    }

    fn prompt(self) -> &'static str {
        match self {
            Self::Bash => "PS1='ready> '",
            Self::Zsh => "PS1='ready> '; unsetopt zle_bracketed_paste 2>/dev/null",
            Self::Fish => "function fish_prompt; echo -n 'ready> '; end; set -g fish_greeting",
        }
    }
}

/// A shell that runs.
pub(crate) struct Session {
    pub(crate) device: Device,
    pub(crate) terminal: Terminal,
    marks: usize,
}

impl Session {
    /// With nothing in its start file but the hook.
    pub(crate) fn start(kind: Kind) -> Self {
        Self::with(kind, "", "")
    }

    /// With these lines before and after the hook.
    pub(crate) fn with(kind: Kind, before: &str, after: &str) -> Self {
        let home = Home::new();
        home.write(kind.start_file(), format!("{}\n{before}\n{}\n{after}\n", kind.prompt(), kind.hook()));
        Self::in_device(kind, Device::in_home(home))
    }

    /// In a home whose start file is written.
    pub(crate) fn in_device(kind: Kind, device: Device) -> Self {
        let folder = device.home.path();
        let terminal = Terminal::start(kind.name(), &["-i"], &device.home.env(), &folder);
        terminal.wait_for("ready>");
        Self { device, terminal, marks: 0 }
    }

    /// Types lines, and waits until all of them have been run and recorded.
    pub(crate) fn run(&mut self, lines: &[&str]) {
        for line in lines {
            self.terminal.line(line);
        }
        self.mark();
    }

    /// Runs a command that says that everything before it is done, and waits for it.
    pub(crate) fn mark(&mut self) {
        self.marks += 1;
        let mark = format!("true mark {}", self.marks);
        self.terminal.line(&mark);
        let what = format!("{mark:?} is recorded; the screen:\n");
        eventually(&what, || {
            self.device.home.history().iter().any(|row| row["command"] == *mark && !row["exit"].is_null()).then_some(())
        });
        // Before the prompt the keys are the terminal's and not the line editor's.
        self.terminal.wait_until("the prompt", |screen| screen.trim_end().ends_with("ready>"));
        self.terminal.wait_for_editor();
    }

    /// What was recorded beside the marks, oldest first.
    pub(crate) fn rows(&self) -> Vec<Value> {
        let is_mark = |row: &Value| row["command"].as_str().is_some_and(|text| text.starts_with("true mark "));
        self.device.home.history().into_iter().filter(|row| !is_mark(row)).collect()
    }

    /// The texts of what was recorded.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.rows().iter().map(|row| row["command"].as_str().expect("a text").to_owned()).collect()
    }

    /// Texts and exit statuses.
    pub(crate) fn exits(&self) -> Vec<(String, Option<i64>)> {
        self.rows()
            .iter()
            .map(|row| (row["command"].as_str().expect("a text").to_owned(), row["exit"].as_i64()))
            .collect()
    }

    /// Everything that the shells have written and the daemon has not removed.
    pub(crate) fn spool_files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.device.home.spool()).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }
}

/// The same test for each shell.
macro_rules! for_each_shell {
    ($($name:ident($kind:ident) $body:block)*) => {
        $(mod $name {
            #[allow(unused_imports)]
            use super::*;
            fn check($kind: crate::session::Kind) $body
            #[test]
            fn bash() { crate::session::require("bash", check, crate::session::Kind::Bash) }
            #[test]
            fn zsh() { crate::session::require("zsh", check, crate::session::Kind::Zsh) }
            #[test]
            fn fish() { crate::session::require("fish", check, crate::session::Kind::Fish) }
        })*
    };
}
pub(crate) use for_each_shell;

/// Runs a check when its shell is here, and counts it as skipped when not.
pub(crate) fn require(name: &str, check: fn(Kind), kind: Kind) {
    if caro_tests::have(name) {
        check(kind);
    } else {
        caro_tests::skip(&format!("shell tests in {name}"), name);
    }
}
