//! `caro history`: the screen, and its companions for scripts.

mod delete;
mod last;
mod list;
pub(crate) mod rows;

use caro_schema::ipc::Request;
use clap::{Args, Subcommand};

use crate::{
    client::Client,
    error::{Failure, Outcome},
    exit, tui,
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
    /// Print commands, the oldest first
    List(list::List),
    /// Print the newest command
    Last(last::Last),
    /// Delete commands, here and on every device, for ever
    Delete(delete::Delete),
}

impl History {
    pub(crate) fn run(self) -> Outcome {
        match self.command {
            Some(Command::List(command)) => command.run(),
            Some(Command::Last(command)) => command.run(),
            Some(Command::Delete(command)) => command.run(),
            None => super::screen::print_chosen(&self.screen),
        }
    }
}

/// Has the daemon take in what shells have written up to now, so that a script sees the command before it.
pub(crate) fn flush(client: &mut Client) -> Outcome {
    match client.ask(Request::Flush) {
        // What is there can be read even when nothing can be written.
        Ok(_) | Err(Failure { code: exit::IO | exit::TRY_LATER, .. }) => Ok(()),
        Err(failure) => Err(failure),
    }
}
