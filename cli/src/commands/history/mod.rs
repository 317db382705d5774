//! `caro history`: the screen, and its companions for scripts.

mod dedup;
mod delete;
mod last;
mod list;
pub(crate) mod pages;
mod prune;
pub(crate) mod rows;
mod tidy;
mod undelete;

use std::{
    thread,
    time::{Duration, Instant},
};

use caro_schema::ipc::Request;
use clap::{Args, Subcommand};

use crate::{
    client::Client,
    error::{Failure, Outcome},
    exit,
    output::say,
    tui,
};

/// See, search and change history on a screen, or list and delete from scripts
///
/// Without a command it opens the screen: type to filter, up and down to choose, Enter to print the command, Esc to
/// leave. In a shell with the hook, Ctrl-R and the up key open the same screen and put the command on the prompt.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct History {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    screen: tui::Options,
}

#[derive(Subcommand)]
enum Command {
    List(list::List),
    Last(last::Last),
    Delete(delete::Delete),
    Undelete(undelete::Undelete),
    Prune(prune::Prune),
    Dedup(dedup::Dedup),
}

impl History {
    pub(crate) fn run(self) -> Outcome {
        match self.command {
            Some(Command::List(command)) => command.run(),
            Some(Command::Last(command)) => command.run(),
            Some(Command::Delete(command)) => command.run(),
            Some(Command::Undelete(command)) => command.run(),
            Some(Command::Prune(command)) => command.run(),
            Some(Command::Dedup(command)) => command.run(),
            None => super::screen::print_chosen(&self.screen),
        }
    }
}

/// Waits until the daemon has read its whole history, and has it take in what shells have written up to now, so that a
/// script sees the command before it. Says so when that takes too long: what is found is then only the newer part.
pub(crate) fn settle(client: &mut Client) -> Outcome {
    let deadline = Instant::now() + READ_WITHIN;
    while !rows::is_complete(client)? {
        if Instant::now() >= deadline {
            say("older commands are still being read; only the newer ones are looked at");
            return Ok(());
        }
        thread::sleep(LOOK_AGAIN);
    }
    flush(client)
}

/// The same where only the newest counts: nothing older is waited for.
pub(crate) fn settle_newest(client: &mut Client) -> Outcome {
    if rows::is_complete(client)? { flush(client) } else { Ok(()) }
}

fn flush(client: &mut Client) -> Outcome {
    match client.ask(Request::Flush) {
        // What is there can be read even when nothing can be written.
        Ok(_) | Err(Failure { code: exit::IO | exit::TRY_LATER, .. }) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// How long a daemon that was just started may take to read its whole history. A million commands take seconds.
const READ_WITHIN: Duration = Duration::from_secs(120);

/// The pause between looks at something that is about to happen.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
