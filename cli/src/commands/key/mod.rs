//! `caro lock`, `caro unlock` and `caro key`: where the key of the database is, and a passphrase before it. The key itself
//! never comes here: the daemon's program asks for the passphrase on the terminal, and this one only starts it.

use std::process::{Command, Stdio};

use caro_schema::ipc::{
    Reply, Request,
    status::{Finding, Level},
};
use clap::{Args, Subcommand, ValueEnum};

use super::{config::try_setting, unexpected};
use crate::{
    client::{self, Client, find_daemon},
    error::{Failure, Outcome, system},
    exit,
    output::Out,
};

/// Lock history with a passphrase until unlock
///
/// Ends the daemon, and the keys with it. What is typed meanwhile waits in the spool, and nothing can be searched or synced.
/// Without a passphrase yet, one is asked for; it is before the key from then on, also in the system's secure store. It is
/// not the recovery phrase, and nobody can bring it back: without it and the phrase, history is lost.
#[derive(Args)]
pub(crate) struct Lock {
    /// Ask for another passphrase
    #[arg(long, conflicts_with = "remove")]
    change: bool,
    /// Take the passphrase away, and start the daemon again
    #[arg(long)]
    remove: bool,
}

/// Unlock history with its passphrase
///
/// Starts the daemon, which asks for the passphrase on the terminal, or takes a line of standard input for it.
#[derive(Args)]
pub(crate) struct Unlock {}

/// Where the key of the database is
///
/// It is in the system's secure store, or in a file that only you can read; caro lock puts a passphrase before it in either
/// place.
#[derive(Args)]
pub(crate) struct Key {
    #[command(subcommand)]
    command: Option<KeyCommand>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum KeyCommand {
    Move(Move),
}

/// Move the key to the system's secure store, or to a file
///
/// Sets key.store and starts the daemon anew. The old place is emptied only when the new one has given the key back.
#[derive(Args)]
struct Move {
    /// Where to
    #[arg(value_enum)]
    to: Store,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Store {
    /// The system's secure store: Secret Service, Keychain, Credential Manager
    Keychain,
    /// A file that only you can read
    File,
}

impl Lock {
    pub(crate) fn run(self) -> Outcome {
        client::stop()?;
        let what = match (self.change, self.remove) {
            (true, _) => "change",
            (_, true) => "remove",
            _ => "set",
        };
        ask_of_daemon(&[&format!("--passphrase={what}")])?;
        if self.remove {
            Client::open()?;
        }
        Ok(())
    }
}

impl Unlock {
    pub(crate) fn run(self) -> Outcome {
        let mut out = Out::new();
        if Client::open_running()?.is_some() {
            out.line("the daemon runs already: history is not locked")?;
            return out.finish();
        }
        ask_of_daemon(&["--detach", "--unlock"])?;
        Client::open()?;
        out.line("history is unlocked")?;
        out.finish()
    }
}

/// Runs the daemon's program on this terminal. What goes wrong it says by itself.
fn ask_of_daemon(arguments: &[&str]) -> Outcome {
    let program = find_daemon()?;
    let status = Command::new(&program).args(arguments).stdin(Stdio::inherit()).status().map_err(|error| {
        Failure::new(exit::UNAVAILABLE, format!("{} cannot be started: {}", program.display(), system(&error)))
    })?;
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(0) => Ok(()),
        code => Err(Failure::silent(code.unwrap_or(exit::FAILURE))),
    }
}

impl Key {
    pub(crate) fn run(self) -> Outcome {
        match self.command {
            Some(KeyCommand::Move(command)) => command.run(),
            None => show(self.json),
        }
    }
}

fn show(as_json: bool) -> Outcome {
    let Finding { found, advice, .. } = where_it_is()?;
    let mut out = Out::new();
    if as_json {
        out.json(&serde_json::json!({ "where": found, "advice": advice }))?;
    } else {
        out.line(&format!("the key is {found}"))?;
        if !advice.is_empty() {
            out.line(&advice)?;
        }
    }
    out.finish()
}

fn where_it_is() -> Outcome<Finding> {
    match Client::open()?.ask(Request::Doctor { verify: false })? {
        Reply::Doctor(doctor) => {
            doctor.findings.into_iter().find(|finding| finding.check == "key").ok_or_else(unexpected)
        }
        _ => Err(unexpected()),
    }
}

impl Move {
    fn run(self) -> Outcome {
        if where_it_is()?.found.contains("passphrase locks") {
            return Err(Failure::new(exit::STATE, "a passphrase locks the key, so it stays where it is").hint(
                "take the passphrase away first: caro lock --remove; afterwards there can be one again: caro lock",
            ));
        }
        let (value, is_file) = match self.to {
            Store::Keychain => ("keychain", false),
            Store::File => ("file", true),
        };
        let found = try_setting("key.store", value, || {
            client::stop()?;
            let Finding { found, level, advice, .. } = where_it_is()?;
            let is_there = found.contains("in a file") == is_file && (is_file || level == Level::Good);
            if is_there {
                return Ok(found);
            }
            Err(Failure::new(exit::REFUSED, format!("the key stays where it is: {found}")).hint(advice))
        })?;
        let mut out = Out::new();
        out.line(&format!("the key is {found}"))?;
        out.finish()
    }
}
