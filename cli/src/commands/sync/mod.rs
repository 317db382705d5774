//! `caro sync`: an account that several machines share, sealed end to end.
//!
//! No command here touches a network: the daemon does, and only after `init` or `restore`. A phrase is never an
//! argument and never in the environment, where other programs could read it.

mod choose;
mod delete_remote;
mod devices;
mod identity;
mod init;
mod inspect;
mod invitation;
mod join;
mod meeting;
mod pair;
mod picture;
mod remote;
mod restore;
mod revoke;
pub(crate) mod selecting;
mod status;
mod switch;

use caro_schema::ipc::{Reply, sync::SyncStatus};
use clap::{Args, Subcommand};

use super::unexpected;
use crate::error::Outcome;

/// Sync history between your machines, sealed end to end
///
/// On the first machine: caro sync init --relay ADDRESS shows a phrase of 24 words. From then on caro sync pair shows a short
/// code there, and caro sync join on another machine asks for it; or caro sync restore asks for the phrase. A relay prints its address when it starts; see caro relay.
#[derive(Args)]
pub(crate) struct Sync {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(init::Init),
    Restore(restore::Restore),
    Pair(pair::Pair),
    Join(pair::Join),
    Status(status::Status),
    Inspect(inspect::Inspect),
    Now(switch::Now),
    Off(switch::Off),
    On(switch::On),
    Remote(remote::Remote),
    Preview(selecting::Preview),
    KeepHere(selecting::KeepHere),
    Share(selecting::Share),
    DeleteRemote(delete_remote::DeleteRemote),
    Withdraw(selecting::Withdraw),
    Devices(devices::Devices),
    Rename(devices::Rename),
    Revoke(revoke::Revoke),
    Rotate(revoke::Rotate),
    RotateIdentity(identity::RotateIdentity),
}

impl Sync {
    pub(crate) fn run(self) -> Outcome {
        match self.command {
            Command::Init(command) => command.run(),
            Command::Restore(command) => command.run(),
            Command::Pair(command) => command.run(),
            Command::Join(command) => command.run(),
            Command::Status(command) => command.run(),
            Command::Inspect(command) => command.run(),
            Command::Now(command) => command.run(),
            Command::Off(command) => command.run(),
            Command::On(command) => command.run(),
            Command::Remote(command) => command.run(),
            Command::Preview(command) => command.run(),
            Command::KeepHere(command) => command.run(),
            Command::Share(command) => command.run(),
            Command::DeleteRemote(command) => command.run(),
            Command::Withdraw(command) => command.run(),
            Command::Devices(command) => command.run(),
            Command::Rename(command) => command.run(),
            Command::Revoke(command) => command.run(),
            Command::Rotate(command) => command.run(),
            Command::RotateIdentity(command) => command.run(),
        }
    }
}

fn sync_status(reply: Reply) -> Outcome<SyncStatus> {
    match reply {
        Reply::Sync(status) => Ok(status),
        _ => Err(unexpected()),
    }
}
