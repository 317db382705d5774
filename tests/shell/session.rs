//! One interactive shell with the hook, on a terminal, in a home with a daemon.

use std::{env, fs, path::PathBuf};

use caro_tests::{Device, Home, Terminal, eventually};
use serde_json::Value;

/// A shell that has a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bash,
    Zsh,
    Fish,
    Nu,
    Xonsh,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::Nu => "nu",
            Self::Xonsh => "xonsh",
        }
    }

    /// Where it is: named by the environment, or in the path. Debian has no package of the newer ones.
    pub(crate) fn program(self) -> Option<PathBuf> {
        let variable = match self {
            Self::Nu => "CARO_TEST_NU",
            Self::Xonsh => "CARO_TEST_XONSH",
            _ => "",
        };
        let named = env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
        named.or_else(|| caro_tests::have(self.name()).then(|| PathBuf::from(self.name())))
    }

    /// What a test needs that cannot run without it.
    pub(crate) fn needs(self) -> &'static str {
        match self {
            Self::Nu => "nu in the path or named by CARO_TEST_NU",
            Self::Xonsh => "xonsh with prompt_toolkit, in the path or named by CARO_TEST_XONSH",
            _ => self.name(),
        }
    }

    /// The line that people put into their start file, with options for `caro init`.
    pub(crate) fn hook(self, options: &str) -> String {
        match self {
            Self::Bash | Self::Zsh => format!("eval \"$(caro init {} {options})\"", self.name()),
            Self::Fish => format!("caro init fish {options} | source"),
            Self::Nu => {
                format!("caro init nu {options} --save ($nu.data-dir | path join vendor/autoload/caro.nu)")
            }
            Self::Xonsh => format!("execx($(caro init xonsh {options}))"),
        }
    }

    /// What it is started with.
    pub(crate) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Bash | Self::Fish | Self::Xonsh => &["-i"],
            // Without what Debian adds for all users.
            Self::Zsh => &["-d", "-i"],
            Self::Nu => &[],
        }
    }

    pub(crate) fn start_file(self) -> &'static str {
        match self {
            Self::Bash => ".bashrc",
            Self::Zsh => ".zshrc",
            Self::Fish => ".config/fish/config.fish",
            Self::Nu => ".config/nushell/config.nu",
            Self::Xonsh => ".config/xonsh/rc.xsh",
        }
    }

    /// A prompt that can be waited for, and nothing that changes by itself.
    pub(crate) fn prompt(self) -> &'static str {
        match self {
            Self::Bash => "PS1='ready> '",
            Self::Zsh => "PS1='ready> '; HISTSIZE=1000",
            Self::Fish => "function fish_prompt; echo -n 'ready> '; end; set -g fish_greeting",
            Self::Nu => {
                "$env.config.show_banner = false; $env.PROMPT_COMMAND = {|| ''}; $env.PROMPT_COMMAND_RIGHT = {|| ''}
                 $env.PROMPT_INDICATOR = 'ready> '; $env.PROMPT_INDICATOR_VI_INSERT = 'ready> '
                 $env.PROMPT_INDICATOR_VI_NORMAL = 'ready> '; $env.PROMPT_MULTILINE_INDICATOR = ''
                 $env.config.show_hints = false"
            }
            Self::Xonsh => {
                "$PROMPT = 'ready> '; $MULTILINE_PROMPT = ''; $XONSH_PROMPT_AUTO_SUGGEST = False; $XONSH_SHOW_TRACEBACK = False
$UPDATE_COMPLETIONS_ON_KEYPRESS = False; $COMMANDS_CACHE_SAVE_INTERMEDIATE = False; $TITLE = ''"
            }
        }
    }

    /// A command that does nothing and says which one it is. Where `true` is no command, it is a comment.
    pub(crate) fn mark(self, number: &str) -> String {
        match self {
            Self::Nu => format!("null # mark {number}"),
            _ => format!("true mark {number}"),
        }
    }

    /// Types a line and presses Enter. nushell loses keys that come before its prompt, as no other shell does, so that
    /// there its next prompt is waited for.
    pub(crate) fn type_line(self, terminal: &mut Terminal, line: &str) {
        let questions = terminal.questions();
        terminal.line(line);
        if self == Self::Nu {
            eventually("the next prompt", || (terminal.questions() > questions).then_some(()));
        }
    }

    /// Whether a text is such a command.
    pub(crate) fn is_mark(self, text: &[u8]) -> bool {
        text.starts_with(self.mark("").as_bytes())
    }
}

/// A shell that runs.
pub(crate) struct Session {
    kind: Kind,
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
        // Or each line that is typed comes with escapes that a screen like ours shows in other places.
        let paste = if kind == Kind::Zsh { "unsetopt zle_bracketed_paste 2>/dev/null" } else { "" };
        let prompt = kind.prompt();
        home.write(kind.start_file(), format!("{prompt}\n{paste}\n{before}\n{}\n{after}\n", kind.hook("")));
        Self::in_device(kind, Device::in_home(home))
    }

    /// In a home whose start file is written.
    pub(crate) fn in_device(kind: Kind, device: Device) -> Self {
        let folder = device.home.path();
        let program = kind.program().expect("asked for before");
        let program = program.to_str().expect("text");
        let terminal = Terminal::start(program, kind.arguments(), &device.home.env(), &folder);
        terminal.wait_for("ready>");
        terminal.wait_for_editor();
        Self { kind, device, terminal, marks: 0 }
    }

    /// Types lines, and waits until all of them have been run and recorded.
    pub(crate) fn run(&mut self, lines: &[&str]) {
        for line in lines {
            self.kind.type_line(&mut self.terminal, line);
        }
        self.mark();
    }

    /// Runs a command that says that everything before it is done, and waits for it.
    pub(crate) fn mark(&mut self) {
        self.marks += 1;
        let mark = self.kind.mark(&self.marks.to_string());
        self.kind.type_line(&mut self.terminal, &mark);
        self.terminal.wait_until(&format!("{mark:?} is recorded"), |_| {
            self.device.home.history().iter().any(|row| row["command"] == *mark && !row["exit"].is_null())
        });
        // Before the prompt the keys are the terminal's and not the line editor's.
        self.terminal.wait_until("the prompt", |screen| screen.trim_end().ends_with("ready>"));
        self.terminal.wait_for_editor();
    }

    /// What was recorded beside the marks, oldest first.
    pub(crate) fn rows(&self) -> Vec<Value> {
        let is_mark = |row: &Value| row["command"].as_str().is_some_and(|text| self.kind.is_mark(text.as_bytes()));
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

/// The same test for each of these shells.
macro_rules! for_shells {
    ($shells:tt $($name:ident($kind:ident) $body:block)*) => {
        $(mod $name {
            use super::*;
            fn check($kind: crate::session::Kind) $body
            crate::session::one_test_each! { $shells }
        })*
    };
}
pub(crate) use for_shells;

macro_rules! one_test_each {
    ({ $($test:ident: $kind:ident),* }) => {
        $(#[test]
        fn $test() {
            crate::session::require(stringify!($test), check, crate::session::Kind::$kind);
        })*
    };
}
pub(crate) use one_test_each;

/// The shells in which a command is a word and its arguments.
macro_rules! for_each_shell {
    ($($tests:tt)*) => { crate::session::for_shells! { { bash: Bash, zsh: Zsh, fish: Fish } $($tests)* } };
}
pub(crate) use for_each_shell;

/// The shells that run their hook in a language of their own.
macro_rules! for_each_newer_shell {
    ($($tests:tt)*) => { crate::session::for_shells! { { nu: Nu, xonsh: Xonsh } $($tests)* } };
}
pub(crate) use for_each_newer_shell;

/// All of them.
macro_rules! for_every_shell {
    ($($tests:tt)*) => {
        crate::session::for_shells! { { bash: Bash, zsh: Zsh, fish: Fish, nu: Nu, xonsh: Xonsh } $($tests)* }
    };
}
pub(crate) use for_every_shell;

/// Runs a check when its shell is here, and counts it as skipped when not.
pub(crate) fn require(name: &str, check: fn(Kind), kind: Kind) {
    if kind.program().is_some() {
        check(kind);
    } else {
        caro_tests::skip(&format!("shell tests in {name}"), kind.needs());
    }
}
