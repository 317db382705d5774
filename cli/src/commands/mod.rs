//! The commands, each in the file of its name. Here is only what `caro --help` shows.

pub(crate) mod assistant;
mod completions;
pub(crate) mod config;
mod daemon;
mod doctor;
mod export;
mod export_all;
mod filters;
mod history;
mod import;
mod init;
pub(crate) mod items;
mod key;
mod man;
mod mcp;
pub(crate) mod record;
pub(crate) mod recording;
mod relay;
mod reset;
mod screen;
pub(crate) mod script;
mod search;
pub(crate) mod stats;
mod sync;

use clap::{
    CommandFactory, Parser, Subcommand,
    error::{ContextKind, ContextValue},
};

pub(crate) use self::{filters::place, history::rows::state, init::private_folder, search::ModeName, stats::grouped};
use crate::{
    error::{Failure, Outcome},
    exit,
};

/// Shell history that is there at once, on every machine, and nobody else's business
///
/// Commands are recorded by a hook that starts no process, kept and searched by caro-daemon on this machine, and synced,
/// if you want that, sealed end to end.
///
/// To begin, add to your shell's start file: eval "$(caro init bash)"
#[derive(Parser)]
#[command(name = "caro", version, propagate_version = true, after_long_help = exit::HELP, max_term_width = 100)]
#[command(disable_help_subcommand = true, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Caro {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(init::Init),
    History(history::History),
    Search(search::Search),
    Sync(sync::Sync),
    Import(import::Import),
    Export(export::Export),
    Doctor(doctor::Doctor),
    Stats(stats::Stats),
    Wrapped(stats::wrapped::Wrapped),
    Config(config::Config),
    Kv(items::kv::Kv),
    Alias(items::alias::Alias),
    Env(items::env::Env),
    Script(script::Script),
    Record(record::Record),
    Assistant(assistant::Assistant),
    Mcp(mcp::Mcp),
    Pause(recording::Pause),
    Resume(recording::Resume),
    Private(recording::Private),
    Lock(key::Lock),
    Unlock(key::Unlock),
    Key(key::Key),
    Daemon(daemon::Daemon),
    Reset(reset::Reset),
    Relay(relay::Relay),
    Completions(completions::Completions),
    Man(man::Man),
    #[command(hide = true)]
    Screen(screen::Screen),
}

impl Caro {
    /// Does what was asked.
    pub(crate) fn run(self) -> Outcome {
        // What a shell reads, and a screen, are no place for a word to a person.
        let is_talk =
            !matches!(self.command, Command::Init(_) | Command::Screen(_) | Command::Completions(_) | Command::Man(_))
                && !self.command.is_for_a_program();
        let outcome = self.command.run();
        if is_talk {
            recording::hint::say_once();
        }
        outcome
    }
}

impl Command {
    /// Whether a program, and no person, reads what it says.
    fn is_for_a_program(&self) -> bool {
        match self {
            Command::Record(_) | Command::Mcp(_) => true,
            Command::Assistant(command) => command.is_a_hook(),
            _ => false,
        }
    }

    fn run(self) -> Outcome {
        match self {
            Command::Init(command) => command.run(),
            Command::History(command) => command.run(),
            Command::Search(command) => command.run(),
            Command::Sync(command) => command.run(),
            Command::Import(command) => command.run(),
            Command::Export(command) => command.run(),
            Command::Doctor(command) => command.run(),
            Command::Stats(command) => command.run(),
            Command::Wrapped(command) => command.run(),
            Command::Config(command) => command.run(),
            Command::Kv(command) => command.run(),
            Command::Alias(command) => command.run(),
            Command::Env(command) => command.run(),
            Command::Script(command) => command.run(),
            Command::Record(command) => command.run(),
            Command::Assistant(command) => command.run(),
            Command::Mcp(command) => command.run(),
            Command::Pause(command) => command.run(),
            Command::Resume(command) => command.run(),
            Command::Private(command) => command.run(),
            Command::Lock(command) => command.run(),
            Command::Unlock(command) => command.run(),
            Command::Key(command) => command.run(),
            Command::Daemon(command) => command.run(),
            Command::Reset(command) => command.run(),
            Command::Relay(command) => command.run(),
            Command::Completions(command) => command.run(),
            Command::Man(command) => command.run(),
            Command::Screen(command) => command.run(),
        }
    }
}

/// The same error, suggesting no command that is not for people.
pub(crate) fn without_hidden(mut error: clap::Error) -> clap::Error {
    let caro = Caro::command();
    let is_hidden = |name: &String| caro.find_subcommand(name).is_some_and(clap::Command::is_hide_set);
    let shown = match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::String(name)) => vec![name.clone()],
        Some(ContextValue::Strings(names)) => names.clone(),
        _ => return error,
    };
    let shown: Vec<String> = shown.into_iter().filter(|name| !is_hidden(name)).collect();
    if shown.is_empty() {
        error.remove(ContextKind::SuggestedSubcommand);
    } else {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(shown));
    }
    error
}

/// An answer of another kind than was asked for: two programs that do not belong together.
pub(crate) fn unexpected() -> Failure {
    Failure::new(exit::PROTOCOL, "the daemon answered something else than was asked")
        .hint("restart it: caro daemon restart")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_fits_together() {
        Caro::command().debug_assert();
    }

    #[test]
    fn a_slip_suggests_no_command_that_is_hidden() {
        let said = |typed: &str| match Caro::try_parse_from(["caro", typed]) {
            Ok(_) => panic!("{typed} is a command"),
            Err(error) => without_hidden(error).to_string(),
        };
        assert!(said("serch").contains("'search'"), "{}", said("serch"));
        for typed in ["serch", "scren", "screem"] {
            assert!(!said(typed).contains("'screen'"), "{}", said(typed));
        }
    }

    /// What stands on a command of a list takes the place of all that the command itself says.
    #[test]
    fn help_says_all_that_is_written_for_a_command() {
        let mut caro = Caro::command();
        caro.build();
        for (path, words) in [
            ("init", "~/.config/xonsh/rc.xsh"),
            ("search", "under:~/src"),
            ("reset", "delete-remote"),
            ("lock", "nobody can bring it back"),
            ("history delete", "history.undo_seconds"),
            ("sync init", "whoever has it can read everything"),
            ("sync revoke", "Example: caro sync revoke"),
            ("sync rotate-identity", "The other devices do not follow"),
            ("script", "# caro: var host"),
            ("key move", "secure store"),
        ] {
            let at = path.split(' ').try_fold(&mut caro, |command, name| command.find_subcommand_mut(name));
            let help = at.expect("a command").render_long_help().to_string();
            let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(help.contains(words), "{path}: {help}");
        }
    }

    #[test]
    fn every_command_and_option_says_what_it_is() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && !about.ends_with('.'), "{path}: {about:?}");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{path}: {}", argument.get_id());
            }
            command.get_subcommands().for_each(|inner| check(inner, &path));
        }
        check(&Caro::command(), "");
    }
}
