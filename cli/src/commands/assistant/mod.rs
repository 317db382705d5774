//! `caro assistant`: lets coding assistants record what they run. What each one's hook looks like is in `agents`, what it
//! says in `heard`, how a snippet gets into its configuration in `install`.

mod agents;
mod heard;
mod install;
mod ordered;

use std::io::Read;

use clap::{Args, Subcommand};

use self::{
    agents::{Agent, Scope},
    heard::Heard,
};
use super::init::own_path;
use crate::{
    client::places,
    error::{Failure, Outcome},
    exit,
    output::{Out, say},
    record::{Entry, Writer},
};

/// Record what coding assistants run
///
/// Assistants that have hooks can tell caro what they ran, how it ended, and what they said of it. Nothing is asked of
/// them, nothing they do is changed, and an assistant never waits for more than a line to be written.
///
/// Example: caro assistant install claude-code
#[derive(Args)]
pub(crate) struct Assistant {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(List),
    Show(Show),
    Install(install::Install),
    Remove(install::Remove),
    Hook(Hook),
}

impl Assistant {
    pub(crate) fn run(self) -> Outcome {
        match self.command {
            Command::List(command) => command.run(),
            Command::Show(command) => command.run(),
            Command::Install(command) => command.run(),
            Command::Remove(command) => command.run(),
            Command::Hook(command) => command.run(),
        }
    }

    /// Whether an assistant started it.
    pub(crate) fn is_a_hook(&self) -> bool {
        matches!(self.command, Command::Hook(_))
    }
}

/// The assistants that caro knows, and which of them have its hook
#[derive(Args)]
struct List {
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl List {
    fn run(self) -> Outcome {
        let mut out = Out::new();
        for agent in Agent::ALL {
            let about = agent.about();
            let file = agent.file(Scope::Person);
            let installed = file.as_deref().is_some_and(|file| install::is_in(file, agent));
            let path = file.as_ref().map(|file| file.display().to_string());
            if self.json {
                out.json(&serde_json::json!({
                    "name": about.name, "title": about.title, "installed": installed, "file": path,
                    "documentation": about.documentation,
                }))?;
            } else {
                let state = if installed { "has the hook" } else { "-" };
                out.line(&format!("{:<12}  {:<18}  {state}", about.name, about.title))?;
            }
        }
        out.finish()
    }
}

/// Print what goes into an assistant's configuration, and where
#[derive(Args)]
struct Show {
    /// Which assistant
    #[arg(value_enum)]
    name: Agent,
    /// For the folder that you are in instead of for you
    #[arg(long)]
    project: bool,
}

impl Show {
    fn run(self) -> Outcome {
        let scope = Scope::of(self.project, self.name);
        let file = self.name.file(scope).ok_or_else(agents::no_home)?;
        // Talk, so that the snippet alone is on standard output.
        say(&format!("for {}; {}", file.display(), self.name.about().note));
        let mut out = Out::new();
        out.bytes(&self.name.snippet(&own_path()?).pretty())?;
        out.finish()
    }
}

/// Take in what an assistant's hook says
///
/// For an assistant's configuration, not for people: reads the hook's JSON from standard input, records the command if it
/// is one, and always ends with status 0, so that nothing of caro's ever stops an assistant.
#[derive(Args)]
struct Hook {
    /// Which assistant
    #[arg(value_enum)]
    name: Agent,
    /// Record nothing, print what would be, and say what is wrong
    #[arg(long)]
    check: bool,
}

/// Bytes of what a hook says: most of it is a command's output, which is not kept.
const SAID_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Hook {
    fn run(self) -> Outcome {
        let answer = self.name.about().answer;
        let heard = self.hear();
        if self.check {
            return check(heard);
        }
        if let Err(why) = heard.and_then(|heard| write(heard).map_err(|failure| failure.message)) {
            // The assistant may show it to the person. The status must not stop it.
            say(&format!("caro: this command is not recorded: {why}"));
        }
        let mut out = Out::new();
        out.bytes(answer.as_bytes())?;
        // Who does not read the answer must not see a status for it either.
        drop(out.finish());
        Ok(())
    }

    fn hear(&self) -> Result<Heard, String> {
        let mut bytes = Vec::new();
        let most = SAID_BYTES_MAX as u64 + 1;
        std::io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() > SAID_BYTES_MAX {
            return Err(format!("the hook says more than {SAID_BYTES_MAX} bytes"));
        }
        heard::hear(self.name, &bytes)
    }
}

/// The command as it is recorded, none when it is about something else.
fn recorded(heard: Heard) -> Option<Entry> {
    let Heard::Command(entry) = heard else { return None };
    let mut entry = *entry;
    entry.cut();
    entry.judge();
    Some(entry)
}

/// What the hook of an assistant says, made into what is recorded: a door for the fuzz targets.
pub(crate) fn heard_of(which: usize, bytes: &[u8]) -> Result<Option<Entry>, String> {
    heard::hear(Agent::ALL[which % Agent::ALL.len()], bytes).map(recorded)
}

/// What becomes of an assistant's configuration: a door for the fuzz targets.
pub(crate) fn put_in_and_out(which: usize, file: &[u8]) -> Option<[Vec<u8>; 3]> {
    install::put_in_and_out(Agent::ALL[which % Agent::ALL.len()], file)
}

fn write(heard: Heard) -> Outcome {
    let Some(entry) = recorded(heard) else { return Ok(()) };
    let spool = places()?.spool;
    let writer = Writer::new(&spool).map_err(|_| Failure::new(exit::INTERNAL, "the system gives no random bytes"))?;
    writer.write(&entry).map(drop).map_err(|error| Failure::at(&spool, &error))
}

/// For who sets a hook up: what was understood.
fn check(heard: Result<Heard, String>) -> Outcome {
    let mut out = Out::new();
    match heard.map_err(|why| Failure::new(exit::DATA, why))? {
        Heard::Nothing(why) => out.json(&serde_json::json!({ "recorded": false, "why": why }))?,
        Heard::Command(entry) => {
            let mut entry = *entry;
            entry.judge();
            let said = &entry.assistant;
            out.json(&serde_json::json!({
                "recorded": true, "command": entry.command, "cwd": entry.directory, "exit": entry.exit,
                "duration_us": entry.duration_us, "session": entry.session, "author": said.author,
                "model": said.model, "explanation": said.explanation, "safety": said.safety, "rule": said.rule,
            }))?;
        }
    }
    out.finish()
}
