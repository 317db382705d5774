//! `caro sync remote`: the relays that this device uses. Each has its own position and its own queue; one that fails
//! stops no other.

use caro_schema::{
    ipc::{Reply, Request, sync::RemoteAdd},
    redacted::Redacted,
};
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;

use super::{invitation, join::JOIN_WITHIN, status, sync_status};
use crate::{
    client::Client,
    error::{Failure, Outcome},
    exit,
    output::Out,
    terminal::{ask, secret},
};

/// The relays that this device uses
///
/// With several relays, history goes through each of them, and none is needed as long as another can be reached.
#[derive(Args)]
pub(super) struct Remote {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Use one more relay; asks for the account's phrase, which alone can list a device there
    Add(Add),
    /// Use a relay no longer; what it holds stays there
    Remove(Remove),
    /// List the relays
    List(List),
    /// Say how one relay, or each, is doing
    Status(List),
}

#[derive(Args)]
struct Add {
    /// The relay's address, as the relay prints it: wss://host:port/#key
    #[arg(value_name = "ADDRESS")]
    relay: String,
    /// Read an invitation for the relay from standard input
    #[arg(long)]
    token_stdin: bool,
    /// Read the phrase from standard input
    #[arg(long, conflicts_with = "token_stdin")]
    phrase_stdin: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Remove {
    /// The relay's address, as `caro sync remote list` shows it
    #[arg(value_name = "ADDRESS")]
    relay: String,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct List {
    /// Only this one
    #[arg(value_name = "ADDRESS")]
    relay: Option<String>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

impl Remote {
    pub(super) fn run(self) -> Outcome {
        match self.command {
            Command::Add(add) => add.run(),
            Command::Remove(remove) => remove.run(),
            Command::List(list) => list.run(false),
            Command::Status(list) => list.run(true),
        }
    }
}

impl Add {
    fn run(self) -> Outcome {
        secret::close_to_others();
        let token = if self.token_stdin {
            Some(Redacted::new(std::mem::take(&mut *secret::from_stdin("an invitation")?)))
        } else {
            None
        };
        let mut client = Client::open()?;
        client.ask(Request::SyncCheck { relay: self.relay.trim().to_owned(), joins: false })?;
        let phrase = if self.phrase_stdin {
            secret::from_stdin("a phrase")?
        } else {
            ask::phrase("Recovery phrase:", "--phrase-stdin reads the phrase from standard input")?
        };
        let asks = !self.phrase_stdin && !self.token_stdin;
        let reply = self.add(&mut client, &phrase, token, asks)?;
        tell(reply, self.json, "this device uses the relay now; what it lacks is sent there")
    }

    /// Adds it. Where an account is to be made and the relay lets in only who is invited, an invitation is asked for once.
    fn add(&self, client: &mut Client, phrase: &str, token: Option<Redacted<String>>, asks: bool) -> Outcome<Reply> {
        let request = |token| RemoteAdd {
            relay: self.relay.trim().to_owned(),
            // The bytes that carry it are wiped by the client.
            phrase: Redacted::new(phrase.to_owned()),
            token,
        };
        match client.try_ask(Request::SyncRemoteAdd(request(token)), JOIN_WITHIN)? {
            Err(fault) if asks && invitation::is_wanted(&fault) => {
                let token = Some(invitation::ask(false)?);
                client.ask_within(Request::SyncRemoteAdd(request(token)), JOIN_WITHIN)
            }
            answer => Ok(answer?),
        }
    }
}

impl Remove {
    fn run(self) -> Outcome {
        let mut client = Client::open()?;
        let address = self.relay.trim().split('#').next().unwrap_or_default().trim_end_matches('/');
        let known = sync_status(client.ask(Request::SyncStatus)?)?;
        let same = |remote: &&caro_schema::ipc::sync::RemoteStatus| remote.address.trim_end_matches('/') == address;
        let address = known.remotes.iter().find(same).map_or(address, |remote| &remote.address).to_owned();
        let reply = client.ask(Request::SyncRemoteRemove { address })?;
        tell(reply, self.json, "this device does not use the relay any more")
    }
}

impl List {
    fn run(self, whole: bool) -> Outcome {
        let mut status = sync_status(Client::open()?.ask(Request::SyncStatus)?)?;
        if !status.joined {
            return Err(caro_schema::ipc::Fault::NotSynced.into());
        }
        if let Some(address) = &self.relay {
            let address = address.trim().split('#').next().unwrap_or_default().trim_end_matches('/');
            status.remotes.retain(|remote| remote.address.trim_end_matches('/') == address);
            if status.remotes.is_empty() {
                return Err(caro_schema::ipc::Fault::NoSuchRemote.into());
            }
        }
        let mut out = Out::new();
        if self.json {
            out.json(&status::json(&status, &[]))?;
        } else {
            for remote in &status.remotes {
                let lines = status::remote_lines(remote, &TimeZone::system());
                let shown = if whole { &lines[..] } else { &lines[..1] };
                shown.iter().try_for_each(|line| out.line(line))?;
            }
            if status.remotes.is_empty() {
                return Err(Failure::new(exit::UNAVAILABLE, "this device uses no relay")
                    .hint("add one: caro sync remote add wss://host:port/#key"));
            }
        }
        out.finish()
    }
}

fn tell(reply: Reply, as_json: bool, words: &str) -> Outcome {
    let status = sync_status(reply)?;
    let mut out = Out::new();
    if as_json {
        out.json(&status::json(&status, &[]))?;
    } else {
        out.line(words)?;
        out.line("see how it goes: caro sync status")?;
    }
    out.finish()
}
