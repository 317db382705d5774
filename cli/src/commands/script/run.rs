//! `caro script run`: shows exactly what will run, asks, and runs it. Its text is in a file that nobody else can read or
//! change, for as long as it runs; its variables are in its environment.
//!
//! The line that was typed is in history like any other, with the script's own exit status, because that is what this command
//! ends with.

use std::{
    collections::BTreeMap,
    os::unix::process::ExitStatusExt,
    process::{Child, Command},
    thread,
};

use caro_schema::items::Sort;
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    iterator::Signals,
};

use super::text::{self, Interpreter, Variable};
use crate::{
    client::{Client, places},
    commands::items::there,
    error::{Failure, Outcome, system},
    exit,
    output::{Out, say, visible},
    terminal::{self, ask, editor::Private},
};

/// Run a script
///
/// First it shows what will run: the program, the variables and the text, and asks. What a variable is without a default is
/// asked for too. The script's exit status is that of this command.
///
/// Example: caro script run deploy --set host=web-3 -- --verbose
#[derive(Args)]
pub(super) struct Run {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// What a variable of the script is to be (can be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Run it without showing it and asking
    #[arg(long, short = 'y')]
    yes: bool,
    /// Only show what would run
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Arguments of the script
    #[arg(value_name = "ARGUMENT", last = true)]
    arguments: Vec<String>,
}

impl Run {
    pub(super) fn run(self) -> Outcome {
        let script = there(&mut Client::open()?, Sort::Script, &self.name)?.value;
        let declared = text::variables(&script).map_err(|wrong| {
            Failure::new(exit::DATA, format!("{}: {}", self.name, visible::line(wrong.as_bytes())))
                .hint(format!("put it right: caro script edit {}", self.name))
        })?;
        let mut values = self.values(&declared)?;
        if !self.dry_run {
            self.ask_for_the_rest(&declared, &mut values)?;
        }
        let interpreter = text::interpreter(&script);
        if self.dry_run {
            let mut out = Out::new();
            for line in self.preview(&interpreter, &declared, &values, &script) {
                out.line(&line)?;
            }
            return out.finish();
        }
        if !self.yes {
            // Before anything is shown: without a terminal nobody could say yes.
            terminal::open().map_err(|failure| failure.hint("--yes runs it without asking"))?;
            self.preview(&interpreter, &declared, &values, &script).iter().for_each(|line| say(line));
            if !ask::yes("Run it?", "--yes runs it without asking")? {
                return Err(Failure::cancelled());
            }
        }
        let file = Private::create(&places()?.runtime, &self.name, &script)?;
        let mut command = Command::new(&interpreter.program);
        command.args(&interpreter.argument).arg(file.path()).args(&self.arguments).envs(&values);
        let ended = run_to_its_end(&mut command, &interpreter);
        drop(file);
        match ended? {
            0 => Ok(()),
            code => Err(Failure::silent(code)),
        }
    }

    /// What is said on the command line, over the defaults.
    fn values(&self, declared: &[Variable]) -> Outcome<BTreeMap<String, String>> {
        let defaults = declared.iter().filter_map(|known| Some((known.name.clone(), known.default.clone()?)));
        let mut values: BTreeMap<String, String> = defaults.collect();
        for set in &self.set {
            let Some((name, value)) = set.split_once('=') else {
                return Err(Failure::new(exit::USAGE, "a variable is set as --set NAME=VALUE"));
            };
            if !declared.iter().any(|known| known.name == name) {
                let message = format!("{} takes no variable {}", self.name, visible::line(name.as_bytes()));
                let names: Vec<&str> = declared.iter().map(|known| known.name.as_str()).collect();
                return Err(Failure::new(exit::USAGE, message).hint(match names.is_empty() {
                    true => "it takes none; what is behind -- are its arguments".to_owned(),
                    false => format!("it takes {}", names.join(", ")),
                }));
            }
            if value.contains('\0') {
                return Err(Failure::new(exit::DATA, "a variable cannot hold a NUL byte"));
            }
            values.insert(name.to_owned(), value.to_owned());
        }
        Ok(values)
    }

    fn ask_for_the_rest(&self, declared: &[Variable], values: &mut BTreeMap<String, String>) -> Outcome {
        for Variable { name, about, .. } in declared {
            if values.contains_key(name) {
                continue;
            }
            let about = visible::line(about.as_bytes());
            let question = if about.is_empty() { format!("{name}:") } else { format!("{name} ({about}):") };
            let answer = ask::line(&question, &format!("--set {name}=VALUE"))?;
            values.insert(name.clone(), answer.to_string());
        }
        Ok(())
    }

    /// What will run, with nothing in it that a terminal obeys.
    fn preview(
        &self,
        interpreter: &Interpreter,
        declared: &[Variable],
        values: &BTreeMap<String, String>,
        script: &[u8],
    ) -> Vec<String> {
        let word = |text: &str| visible::line(text.as_bytes());
        let argument = interpreter.argument.as_deref().map(|argument| format!(" {}", word(argument)));
        let mut lines =
            vec![format!("{} runs with {}{}", self.name, word(&interpreter.program), argument.unwrap_or_default())];
        for Variable { name, default, about } in declared {
            let value = values.get(name);
            let is_default = value.is_some() && value == default.as_ref();
            let shown = value.map_or_else(|| "(asked for)".to_owned(), |value| word(value));
            let about = if about.is_empty() { String::new() } else { format!("   {}", word(about)) };
            lines.push(format!("  {name} = {shown}{}{about}", if is_default { "   (default)" } else { "" }));
        }
        for (number, argument) in self.arguments.iter().enumerate() {
            lines.push(format!("  argument {}: {}", number + 1, word(argument)));
        }
        lines.push("----".to_owned());
        let text = script.strip_suffix(b"\n").unwrap_or(script);
        lines.extend(text.split(|byte| *byte == b'\n').map(visible::line));
        lines.push("----".to_owned());
        lines
    }
}

/// Runs a program and gives its exit status, as shells count it. A key that interrupts is the program's: the terminal sends
/// it to both, and this one must stay to put things away.
fn run_to_its_end(command: &mut Command, interpreter: &Interpreter) -> Outcome<u8> {
    let no_signals = |error: std::io::Error| Failure::new(exit::INTERNAL, format!("no signals: {}", system(&error)));
    let signals = Signals::new([SIGINT, SIGQUIT, SIGTERM, SIGHUP]).map_err(no_signals)?;
    let handle = signals.handle();
    let mut child = command.spawn().map_err(|error| {
        let program = visible::line(interpreter.program.as_bytes());
        Failure::new(exit::UNAVAILABLE, format!("{program} cannot be started: {}", system(&error)))
            .hint("the script's first line names it")
    })?;
    let passing = pass_on(&child, signals);
    let status = child.wait();
    handle.close();
    // It ends with its handle, and has nothing to say.
    drop(passing.join());
    let status = status.map_err(|error| Failure::new(exit::INTERNAL, system(&error)))?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(u8::try_from(code).unwrap_or(exit::FAILURE))
}

/// Passes on what was sent to this process alone.
fn pass_on(child: &Child, mut signals: Signals) -> thread::JoinHandle<()> {
    let pid = Pid::from_child(child);
    thread::spawn(move || {
        for signal in signals.forever() {
            let signal = match signal {
                SIGTERM => Signal::TERM,
                SIGHUP => Signal::HUP,
                _ => continue,
            };
            // It may have ended at this moment.
            kill_process(pid, signal).ok();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(set: &[&str], arguments: &[&str]) -> Run {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Run { name: "x".into(), set: owned(set), yes: false, dry_run: true, arguments: owned(arguments) }
    }

    #[test]
    fn what_will_run_is_shown_whole_and_harmless() {
        let script = b"#!/bin/sh -e\n# caro: var a = 1   one\n# caro: var b\necho \x1b[2J\"$a\"\n";
        let declared = text::variables(script).expect("declared");
        let run = run(&["b=x\x1b]0;y"], &["-v"]);
        let values = run.values(&declared).expect("values");
        let shown = run.preview(&text::interpreter(script), &declared, &values, script).join("\n");
        assert!(shown.starts_with("x runs with /bin/sh -e\n  a = 1   (default)   one\n  b = x"), "{shown}");
        assert!(shown.contains("argument 1: -v\n----\n#!/bin/sh -e\n"), "{shown}");
        assert!(!shown.contains('\x1b'), "{shown}");
        assert!(shown.ends_with("\"$a\"\n----"), "{shown}");
    }

    #[test]
    fn a_variable_that_the_script_does_not_take_is_named() {
        let declared = text::variables(b"# caro: var a = 1").expect("declared");
        assert_eq!(run(&["a=2=3"], &[]).values(&declared).expect("values")["a"], "2=3");
        for set in ["b=1", "PATH=/tmp", "a"] {
            assert_eq!(run(&[set], &[]).values(&declared).expect_err("not taken").code, exit::USAGE, "{set}");
        }
    }
}
