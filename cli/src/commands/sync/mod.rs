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
    /// Make an account, with a new phrase that is shown once
    Init(init::Init),
    /// Join an account with its phrase
    Restore(restore::Restore),
    /// Let another machine in: shows a short code to type there
    Pair(pair::Pair),
    /// Join an account with the code that caro sync pair shows on a machine that is in it
    Join(pair::Join),
    /// Say how syncing is
    Status(status::Status),
    /// Say what each relay knows of this account, byte for byte
    Inspect(inspect::Inspect),
    /// Send and fetch now, and wait until it is done
    Now(switch::Now),
    /// Use no network from now on
    Off(switch::Off),
    /// Use the network again
    On(switch::On),
    /// The relays that this device uses
    Remote(remote::Remote),
    /// Say what is sent to other devices and what stays here
    Preview(selecting::Preview),
    /// Keep commands on this device only
    KeepHere(selecting::KeepHere),
    /// Send commands after all that are kept here
    Share(selecting::Share),
    /// Empty the account at the relays
    DeleteRemote(delete_remote::DeleteRemote),
    /// Take back what was sent before there was the rule by which it stays here
    Withdraw(selecting::Withdraw),
    /// List the account's devices
    Devices(devices::Devices),
    /// Call this device something else
    Rename(devices::Rename),
    /// Take a device off the account
    Revoke(revoke::Revoke),
    /// Give the devices a new key
    Rotate(revoke::Rotate),
    /// Move everything to a new account with a new phrase
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
