//! One interactive shell with the hook and nothing behind it: no daemon and no program of ours. What it wrote is read out
//! of its spool with the grammar that the daemon uses.
//!
//! Knows nothing of what the daemon makes of a record; only bash's own decoration of a history line is taken away, so
//! that a test can say what was typed.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::PathBuf,
};

use caro_schema::spool::{self, Record};
use caro_tests::{Home, Terminal, eventually};

use crate::session::Kind;

/// How a shell is to start.
pub(crate) struct Setup {
    kind: Kind,
    home: Home,
    before: String,
    after: String,
    replaced: Vec<(String, String)>,
    program: PathBuf,
    keys: bool,
    shell: String,
}

impl Setup {
    /// With nothing in its start file but the hook, which binds no key.
    pub(crate) fn new(kind: Kind) -> Self {
        let home = Home::new();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(home.spool()).expect("made");
        Self {
            kind,
            home,
            before: String::new(),
            after: String::new(),
            replaced: Vec::new(),
            program: PathBuf::from("/nonexistent/caro"),
            keys: false,
            shell: kind.program().expect("asked for before").to_str().expect("text").to_owned(),
        }
    }

    /// Lines before the hook.
    pub(crate) fn before(mut self, lines: &str) -> Self {
        self.before = lines.to_owned();
        self
    }

    /// Lines after the hook.
    pub(crate) fn after(mut self, lines: &str) -> Self {
        self.after = lines.to_owned();
        self
    }

    /// The hook as a bash of this version takes it, so that every branch is seen to work at least in a newer bash.
    pub(crate) fn of_bash(mut self, version: u32) -> Self {
        let computed = "__caro_version=$((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1]))";
        assert!(script(Kind::Bash).contains(computed));
        self.replaced.push((computed.to_owned(), format!("__caro_version={version}")));
        self
    }

    /// Another program than the one on the path.
    pub(crate) fn program_of_shell(mut self, path: &str) -> Self {
        self.shell = path.to_owned();
        self
    }

    /// Ctrl-R and Up call this program.
    pub(crate) fn with_keys(self, program: impl Into<PathBuf>) -> Self {
        Self { keys: true, ..self.with_program(program) }
    }

    /// This program is there, and no key calls it.
    pub(crate) fn with_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// A file in the home.
    pub(crate) fn file(self, path: &str, text: &str, mode: u32) -> Self {
        let path = self.home.write(path, text);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
        self
    }

    /// Where the home is.
    pub(crate) fn path(&self) -> PathBuf {
        self.home.path()
    }

    /// What `caro init` would print.
    fn hook(&self) -> String {
        let key = if self.keys { "1" } else { "0" };
        // There is no daemon that would write it.
        let items = self.home.data().join("shared/items");
        let settings = [
            ("bin", self.program.to_str().expect("text")),
            ("dir", self.home.spool().to_str().expect("text")),
            ("sid", ""),
            ("bind_ctrl_r", key),
            ("bind_up", key),
            ("items", items.to_str().expect("text")),
        ]
        .map(|(name, value)| match self.kind {
            Kind::Fish => format!("set -g __caro_{name} '{value}'\n"),
            Kind::Nu => format!("{name}: '{value}'\n"),
            Kind::Bash | Kind::Zsh | Kind::Xonsh => format!("__caro_{name}='{value}'\n"),
        })
        .concat();
        let mut script = script(self.kind).to_owned();
        for (from, to) in &self.replaced {
            script = script.replace(from, to);
        }
        match self.kind {
            Kind::Nu => format!("const __caro_settings = {{\n{settings}}}\n{script}"),
            _ => settings + &script,
        }
    }

    /// Starts it and waits for its prompt.
    pub(crate) fn start(self) -> Bare {
        let bare = self.start_unready();
        bare.ready();
        bare
    }

    /// Starts it.
    pub(crate) fn start_unready(self) -> Bare {
        self.home.write("hook", self.hook());
        let (Self { kind, home, before, after, .. }, env) = (&self, self.environment());
        let hook = match kind {
            Kind::Bash | Kind::Zsh => EVAL,
            Kind::Fish => "cat ~/hook | source",
            Kind::Nu => "source ~/hook",
            Kind::Xonsh => "execx($(cat ~/hook))",
        };
        home.write(kind.start_file(), format!("{}\n{before}\n{hook}\n{after}\n", kind.prompt()));
        let terminal = Terminal::start(&self.shell, kind.arguments(), &env, &home.path());
        Bare { kind: *kind, home: self.home, terminal, marks: 0 }
    }

    fn environment(&self) -> Vec<(OsString, OsString)> {
        vec![
            ("HOME".into(), self.home.path().into()),
            ("PATH".into(), std::env::var_os("PATH").unwrap_or_default()),
            ("USER".into(), "ada".into()),
            ("LANG".into(), "C.UTF-8".into()),
            ("TERM".into(), "xterm-256color".into()),
        ]
    }
}

const EVAL: &str = "eval \"$(cat ~/hook)\"";

fn script(kind: Kind) -> &'static str {
    match kind {
        Kind::Bash => include_str!("../../../shell/caro.bash"),
        Kind::Zsh => include_str!("../../../shell/caro.zsh"),
        Kind::Fish => include_str!("../../../shell/caro.fish"),
        Kind::Nu => include_str!("../../../shell/caro.nu"),
        Kind::Xonsh => include_str!("../../../shell/caro.xsh"),
    }
}

/// A shell that runs.
pub(crate) struct Bare {
    pub(crate) kind: Kind,
    pub(crate) home: Home,
    pub(crate) terminal: Terminal,
    marks: usize,
}

/// One command as the spool has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) command: Vec<u8>,
    pub(crate) directory: Vec<u8>,
    /// What opens the start: microseconds since 1970, or nothing in fish.
    pub(crate) at: String,
    pub(crate) flags: String,
    pub(crate) end: Option<End>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) at: String,
    pub(crate) exit: i32,
    pub(crate) statuses: String,
    /// Of fish only.
    pub(crate) milliseconds: Option<u64>,
}

/// One run of a shell as the spool has it.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) name: String,
    pub(crate) header: Vec<(char, String)>,
    pub(crate) runs: Vec<Run>,
}

impl Bare {
    /// With nothing in its start file but the hook.
    pub(crate) fn start(kind: Kind) -> Self {
        Setup::new(kind).start()
    }

    /// With these lines before and after the hook.
    pub(crate) fn with(kind: Kind, before: &str, after: &str) -> Self {
        Setup::new(kind).before(before).after(after).start()
    }

    /// Waits for the prompt, and until the line editor reads.
    pub(crate) fn ready(&self) {
        self.terminal.wait_until("the prompt", |screen| screen.trim_end().ends_with("ready>"));
        self.terminal.wait_for_editor();
    }

    /// Types lines, and waits until all of them have been run and recorded.
    pub(crate) fn run(&mut self, lines: &[&str]) {
        for line in lines {
            self.kind.type_line(&mut self.terminal, line);
        }
        self.mark();
    }

    /// Runs a line with nothing typed ahead of its prompt, which the terminal would show a second time.
    pub(crate) fn run_alone(&mut self, line: &str) {
        self.kind.type_line(&mut self.terminal, line);
        self.ended(line);
        self.ready();
        self.mark();
    }

    /// Runs a command that says that everything before it is done, and waits for its end.
    pub(crate) fn mark(&mut self) {
        self.marks += 1;
        let mark = self.kind.mark(&self.marks.to_string());
        self.kind.type_line(&mut self.terminal, &mark);
        self.ended(&mark);
        self.terminal.wait_for(&mark);
        self.ready();
    }

    /// Waits until a command is recorded with its end.
    pub(crate) fn ended(&self, command: &str) {
        self.wait_for_run(command, |run| run.end.is_some());
    }

    /// Waits until a command is recorded as a test wants it.
    pub(crate) fn wait_for_run(&self, command: &str, holds: impl Fn(&Run) -> bool) {
        let has = || self.all_runs().iter().any(|run| run.command == command.as_bytes() && holds(run)).then_some(());
        let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| eventually(command, has)));
        assert!(waited.is_ok(), "not recorded: {command:?}\n{:?}\n{}", self.exits(), self.terminal.screen());
    }

    /// Every shell that wrote into the spool, by name of file.
    pub(crate) fn shells(&self) -> Vec<Shell> {
        let Ok(entries) = fs::read_dir(self.home.spool()) else { return Vec::new() };
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        files.iter().map(|path| shell(path)).collect()
    }

    /// The spool file of this shell.
    pub(crate) fn file(&self) -> PathBuf {
        let suffix = format!(".{}", self.terminal.pid());
        let entries = fs::read_dir(self.home.spool()).expect("a folder");
        let mut own = entries.map(|entry| entry.expect("an entry").path());
        own.find(|path| path.to_str().is_some_and(|name| name.ends_with(&suffix))).expect("a file")
    }

    fn all_runs(&self) -> Vec<Run> {
        self.shells().into_iter().flat_map(|shell| shell.runs).collect()
    }

    /// What was recorded beside the marks. A record without a text is passed over, as the daemon does.
    pub(crate) fn runs(&self) -> Vec<Run> {
        let counts = |run: &Run| !run.command.is_empty() && !self.kind.is_mark(&run.command);
        self.all_runs().into_iter().filter(counts).collect()
    }

    /// The texts.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.runs().iter().map(|run| String::from_utf8_lossy(&run.command).into_owned()).collect()
    }

    /// The texts, with what is not plain ASCII in escapes.
    pub(crate) fn escaped(&self) -> Vec<String> {
        self.runs().iter().map(|run| run.command.escape_ascii().to_string()).collect()
    }

    /// Texts and exit statuses.
    pub(crate) fn exits(&self) -> Vec<(String, Option<i32>)> {
        let exit = |run: &Run| run.end.as_ref().map(|end| end.exit);
        self.runs().iter().map(|run| (String::from_utf8_lossy(&run.command).into_owned(), exit(run))).collect()
    }

    /// Whether any byte of the spool says this.
    pub(crate) fn spool_holds(&self, text: &str) -> bool {
        let entries = fs::read_dir(self.home.spool()).expect("a folder");
        entries
            .map(|entry| fs::read(entry.expect("an entry").path()).unwrap_or_default())
            .any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    }

    /// The variable that holds the last status.
    pub(crate) fn status_variable(&self) -> &'static str {
        if self.kind == Kind::Fish { "$status" } else { "$?" }
    }
}

/// Reads one spool file, which holds whole records and nothing else.
fn shell(path: &std::path::Path) -> Shell {
    let bytes = fs::read(path).unwrap_or_default();
    let parsed = spool::parse(&bytes);
    let mut shell = Shell {
        name: path.file_name().expect("a name").to_str().expect("text").to_owned(),
        header: Vec::new(),
        runs: Vec::new(),
    };
    for record in &parsed.records {
        match record.kind() {
            b'H' => {
                let field = |field: &spool::Field<'_>| (field.tag as char, text(field.value));
                shell.header = record.fields[1..].iter().map(field).collect();
            }
            b'S' => shell.runs.push(run(record)),
            b'E' => {
                let end = End {
                    at: text(record.head()),
                    exit: text(record.field(b'x').expect("a status")).parse().expect("a number"),
                    statuses: text(record.field(b'p').expect("statuses")),
                    milliseconds: record.field(b'n').and_then(|ms| text(ms).parse().ok()),
                };
                let open = shell.runs.last_mut().expect("an end has a start");
                assert_eq!(open.end.replace(end), None, "a command ends once");
            }
            b'X' => drop(shell.runs.pop()),
            other => panic!("a record of an unknown kind: {}", other as char),
        }
    }
    shell
}

fn run(record: &Record<'_>) -> Run {
    let command = record
        .field(b'c')
        .or_else(|| record.field(b'h').map(after_number))
        .or_else(|| record.field(b'i').map(|raw| after_time(after_number(raw))));
    Run {
        command: command.expect("a text").to_vec(),
        directory: record.field(b'd').expect("a directory").to_vec(),
        at: text(record.head()),
        flags: record.field(b'f').map(text).unwrap_or_default(),
        end: None,
    }
}

/// What follows the number and its mark in a line of bash's `history`, without the line's end.
fn after_number(raw: &[u8]) -> &[u8] {
    let trimmed = raw.trim_ascii_start();
    let digits = trimmed.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = &trimmed[(digits + 2).min(trimmed.len())..];
    rest.strip_suffix(b"\n").unwrap_or(rest)
}

fn after_time(raw: &[u8]) -> &[u8] {
    let digits = raw.iter().take_while(|byte| byte.is_ascii_digit()).count();
    &raw[(digits + 1).min(raw.len())..]
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
