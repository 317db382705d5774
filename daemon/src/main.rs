//! `caro-daemon`: reads its few arguments and runs, here or away from the terminal.

#![deny(unsafe_code)]

use std::process::ExitCode;

use caro_daemon::{
    exit,
    ipc::BUILD,
    keys, lifecycle,
    passphrase::{self, Change},
    reset, start,
};
use clap::Parser;

/// Keep the history that shells record, and sync it
///
/// Runs until it is stopped (caro daemon stop). One runs for each user: when another one is there already, this one
/// ends at once and successfully.
#[derive(Parser)]
#[command(name = "caro-daemon", version = BUILD)]
struct Arguments {
    /// Run in the background, away from the terminal; return when it is ready
    #[arg(long)]
    detach: bool,
    /// Ask for the passphrase that locks the key; without a terminal, a line of the standard input is it
    #[arg(long)]
    unlock: bool,
    /// Lock the key with a passphrase, change it, or take it away, and end; not while a daemon runs
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "change")]
    #[arg(value_name = "WHAT", conflicts_with_all = ["detach", "unlock"])]
    passphrase: Option<Change>,
    /// Delete everything that caro keeps on this machine, without asking, and end; not while a daemon runs
    #[arg(long, conflicts_with_all = ["detach", "unlock", "passphrase"])]
    reset: bool,
    /// With --reset: the configuration too
    #[arg(long, requires = "reset")]
    with_config: bool,
    /// Say by the status whether a secure store runs here
    #[arg(long, hide = true)]
    has_secure_store: bool,
    /// Be the one in the background
    #[arg(long, hide = true, conflicts_with_all = ["detach", "passphrase"])]
    detached: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.has_secure_store {
        return if keys::is_store_there() { ExitCode::from(exit::OK) } else { ExitCode::from(exit::FAILURE) };
    }
    if let Some(change) = arguments.passphrase {
        return passphrase::change(change);
    }
    if arguments.reset {
        return reset::run(arguments.with_config);
    }
    if arguments.detach {
        return lifecycle::detach(arguments.unlock).unwrap_or_else(|error| {
            lifecycle::report(&format!("cannot be started: {error}"));
            ExitCode::from(exit::FAILURE)
        });
    }
    start::run(arguments.detached, arguments.unlock)
}
