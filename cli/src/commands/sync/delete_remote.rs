//! `caro sync delete-remote`: empties the account at relays. It needs the phrase, as nothing that is kept on a device may
//! take everything away from its owner.

use std::time::Duration;

use caro_schema::{
    ipc::{
        Reply, Request,
        sync::{RemoteEmptied, RemoteEmpty},
    },
    redacted::Redacted,
};
use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::sync_status;
use crate::{
    client::Client,
    commands::unexpected,
    error::{Failure, Outcome},
    exit,
    output::{Out, counted, say, visible},
    terminal::{ask, secret},
};

/// Empty the account at the relays
///
/// Everything that a relay holds of the account is deleted there, and the account with it; devices that use the relay are
/// told that it is gone. The history on your devices stays as it is. Asks for the phrase.
///
/// Example: caro sync delete-remote wss://desk.example:7490/
#[derive(Args)]
pub(crate) struct DeleteRemote {
    /// Only at this relay, as caro sync status shows it; otherwise at all of them
    #[arg(value_name = "ADDRESS")]
    address: Option<String>,
    /// Read the phrase from standard input
    #[arg(long)]
    phrase_stdin: bool,
    /// Ask nothing but the phrase
    #[arg(long, short = 'y')]
    yes: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// How long it may take: to derive the account's keys, and to reach each relay.
const WITHIN: Duration = Duration::from_secs(120);

impl DeleteRemote {
    pub(crate) fn run(self) -> Outcome {
        secret::close_to_others();
        let mut client = Client::open()?;
        let status = sync_status(client.ask(Request::SyncStatus)?)?;
        let chosen =
            status.remotes.iter().filter(|remote| self.address.as_ref().is_none_or(|wanted| remote.address == *wanted));
        let addresses: Vec<&str> = chosen.map(|remote| remote.address.as_str()).collect();
        if status.joined && addresses.is_empty() {
            return Err(Failure::new(exit::USAGE, "this device uses no such relay").hint("caro sync status shows them"));
        }
        if !self.yes {
            for address in &addresses {
                say(&visible::line(address.as_bytes()));
            }
            let question = format!(
                "Delete everything that {} of this account? Your devices keep their history",
                if addresses.len() == 1 { "this relay holds" } else { "these relays hold" },
            );
            if !ask::yes(&question, "--yes does it without asking")? {
                return Err(Failure::cancelled());
            }
        }
        let mut phrase = self.phrase()?;
        let phrase = Redacted::new(std::mem::take(&mut *phrase));
        let request = RemoteEmpty { address: self.address.clone(), phrase };
        let Reply::Emptied(emptied) = client.ask_within(Request::SyncEmpty(request), WITHIN)? else {
            return Err(unexpected());
        };
        self.tell(emptied)
    }

    fn phrase(&self) -> Outcome<Zeroizing<String>> {
        if self.phrase_stdin {
            return secret::from_stdin("a phrase");
        }
        let phrase = ask::phrase("Recovery phrase:", "--phrase-stdin reads the phrase from standard input");
        phrase.inspect_err(|_| ask::forget_typed_ahead())
    }

    fn tell(&self, emptied: Vec<RemoteEmptied>) -> Outcome {
        let mut out = Out::new();
        let mut failed = None;
        let done = emptied.iter().filter(|one| one.failure.is_none()).count() as u64;
        if self.json {
            let one = |RemoteEmptied { address, failure }: &RemoteEmptied| {
                let reason = failure.clone().map(|failure| Failure::from(failure).message);
                json!({ "address": address, "emptied": failure.is_none(), "reason": reason })
            };
            out.json(&emptied.iter().map(one).collect::<Vec<_>>())?;
        } else {
            out.line(&format!("the account is gone from {}; the history here stays", counted(done, "relay")))?;
        }
        out.finish()?;
        for RemoteEmptied { address, failure } in emptied {
            if let Some(failure) = failure {
                let failure = Failure::from(failure);
                say(&visible::text(format!("{address}: {failure}").as_bytes()));
                failed = Some(Failure::silent(failure.code));
            }
        }
        failed.map_or(Ok(()), Err)
    }
}
