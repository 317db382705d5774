//! `caro reset`: leaves nothing of caro's data on this machine. It explains, offers to keep an export, and asks.

use std::{path::PathBuf, process::Command};

use caro_schema::ipc::{Reply, Request, sync::SyncStatus};
use clap::Args;

use super::unexpected;
use crate::{
    client::{self, Client},
    error::{Failure, Outcome, system},
    exit,
    output::{Out, counted, say, visible},
    terminal::ask,
};

/// Delete everything that caro keeps on this machine
///
/// The history, the keys, what was synced and what shells have written and was not taken in yet; with --config the
/// configuration too. Other devices and the relays keep what they have: caro sync delete-remote empties those, and needs
/// this device in the account, so use it before. It offers to write everything to a folder first, and asks.
#[derive(Args)]
pub(crate) struct Reset {
    /// Write everything to this new folder first, as caro export --all does
    #[arg(long, value_name = "FOLDER")]
    export: Option<PathBuf>,
    /// Delete the configuration too
    #[arg(long)]
    config: bool,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

/// What has to be typed. Not a single letter: there is no way back.
const WORD: &str = "delete everything";

impl Reset {
    pub(crate) fn run(self) -> Outcome {
        // One that cannot be started has lost its key, perhaps, and this is the way out.
        let known = Client::open().and_then(|mut client| look(&mut client));
        if !self.yes {
            match &known {
                Ok((records, sync)) => explain(*records, sync, self.config),
                Err(failure) => say(&format!("what is here cannot be said: {}", failure.message)),
            }
        }
        if let Some(folder) = self.folder(known.is_ok())? {
            super::export_all::export(&folder)?;
        }
        if !self.yes {
            let typed = ask::line(&format!("Type \"{WORD}\" to go on:"), "--yes does it without asking")?;
            if typed.trim() != WORD {
                return Err(Failure::cancelled());
            }
        }
        client::stop()?;
        self.remove()?;
        let mut out = Out::new();
        out.line("nothing of caro's data is on this machine any more")?;
        out.finish()?;
        say(
            "shells that are open go on recording until they are closed; for good, take the line with caro init out of \
             your shell's own file, and: caro daemon install --uninstall",
        );
        Ok(())
    }

    /// Where everything is written to first, if it is.
    fn folder(&self, can_be_read: bool) -> Outcome<Option<PathBuf>> {
        if self.export.is_some() || self.yes || !can_be_read {
            return Ok(self.export.clone());
        }
        let answer =
            ask::line("Write everything to a folder first? Its name, or nothing:", "--export FOLDER, or --yes")?;
        let name = answer.trim();
        Ok((!name.is_empty()).then(|| PathBuf::from(name)))
    }

    fn remove(&self) -> Outcome {
        let program = client::find_daemon()?;
        let mut command = Command::new(&program);
        command.arg("--reset");
        if self.config {
            command.arg("--with-config");
        }
        let status = command.status().map_err(|error| {
            Failure::new(exit::UNAVAILABLE, format!("{} cannot be started: {}", program.display(), system(&error)))
        })?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::new(exit::IO, "not everything could be deleted").hint("what stays is said above"))
        }
    }
}

fn look(client: &mut Client) -> Outcome<(u64, SyncStatus)> {
    let Reply::Daemon(daemon) = client.ask(Request::DaemonStatus)? else { return Err(unexpected()) };
    let Reply::Sync(sync) = client.ask(Request::SyncStatus)? else { return Err(unexpected()) };
    Ok((daemon.records, sync))
}

fn explain(records: u64, sync: &SyncStatus, config: bool) {
    let and = if config { "the configuration and " } else { "" };
    say(&format!("This deletes {} on this machine, {and}the keys of this device.", counted(records, "command")));
    if sync.joined {
        let relays: Vec<String> = sync.remotes.iter().map(|remote| visible::line(remote.address.as_bytes())).collect();
        say(&format!(
            "Other devices and {} keep what they have; caro sync delete-remote empties relays, before this.",
            if relays.is_empty() { "relays".to_owned() } else { relays.join(", ") },
        ));
        let waits: u64 = sync.remotes.iter().map(|remote| remote.pending_up).sum();
        if waits > 0 {
            say(&format!("{} not sent yet: caro sync now sends what waits.", counted(waits, "piece")));
        }
    }
}
