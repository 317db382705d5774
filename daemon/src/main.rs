//! `caro-daemon`: reads its few arguments and runs, here or away from the terminal.

#![deny(unsafe_code)]

use std::process::ExitCode;

use caro_daemon::{exit, ipc::BUILD, lifecycle, start};
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
    /// Be the one in the background
    #[arg(long, hide = true, conflicts_with = "detach")]
    detached: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.detach {
        return lifecycle::detach().unwrap_or_else(|error| {
            lifecycle::report(&format!("cannot be started: {error}"));
            ExitCode::from(exit::FAILURE)
        });
    }
    start::run(arguments.detached)
}
