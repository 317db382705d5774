//! `caro-relay`: reads its arguments, does what was asked for, and says what went wrong and what to do about it.

#![deny(unsafe_code)]

mod advice;
mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commands::{Place, account, backup, config, key, reload, renew, restore, say, serve, token, verify};

/// Keep sealed history for the devices of caro and pass it on, without being able to read it
#[derive(Parser)]
#[command(name = "caro-relay", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve devices until asked to end
    ///
    /// Without any configuration this makes its folder, key and certificate, listens on port 7490 and prints the one line
    /// to run on the first device. Everything can be set in a file, in the environment (CARO_RELAY_LISTEN, …) and here.
    Serve(serve::Serve),
    /// Print the relay's key, which stands in its address after #
    Key(Place),
    /// Make, list and revoke invitations, for registration = "token"
    #[command(subcommand)]
    Token(token::Token),
    /// List, show, close and forget accounts, by their handles
    #[command(subcommand)]
    Account(account::Account),
    /// Check and show the configuration
    #[command(subcommand)]
    Config(config::Config),
    /// Have the running relay read its configuration and certificate again
    ///
    /// Limits, registration, proxies and certificate are taken over at once; what needs a restart is named. SIGHUP does the
    /// same, and says it in the log.
    Reload(Place),
    /// Check the database: SQLite's own check, device lists, cells and their chains
    ///
    /// It may run beside the relay. Exit status 3 when something does not hold.
    Verify(Place),
    /// Copy keys and database into a new folder, while the relay runs
    ///
    /// The copy is of one moment and holds nothing that was purged before. It is as secret as the relay's own folder.
    Backup(backup::Backup),
    /// Make a relay's folder from a backup
    ///
    /// The folder must not hold a database yet. It is a new life of the database: devices that saw more than the backup has
    /// offer again what it lacks.
    Restore(restore::Restore),
    /// Start a new life of a database that was restored by other means than `caro-relay restore`
    ///
    /// Devices that saw more than the backup has stop, because a relay that forgets may be a relay that lies. After this
    /// they offer again what it lacks. The relay must not be running.
    Renew(Place),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Serve(serve) => serve.run(),
        Command::Key(place) => key::run(&place),
        Command::Token(token) => token.run(),
        Command::Account(account) => account.run(),
        Command::Config(config) => config.run(),
        Command::Reload(place) => reload::run(&place),
        Command::Verify(place) => verify::run(&place),
        Command::Backup(backup) => backup.run(),
        Command::Restore(restore) => restore.run(),
        Command::Renew(place) => renew::run(&place),
    };
    result.unwrap_or_else(|error| {
        for line in format!("{error:#}").lines() {
            say(&format!("caro-relay: {line}"));
        }
        if let Some(hint) = advice::hint(&error) {
            say(&format!("hint: {hint}"));
        }
        ExitCode::FAILURE
    })
}
