//! `caro-relay account list|show|close|reopen|quota|purge`. An account is a handle and some numbers; who it is, and what is
//! in it, nobody here can say.

use std::process::ExitCode;

use anyhow::Context;
use caro_relay::admin::{ACCOUNTS_MAX, AccountDetails, AccountRow, Answer, Ask};
use clap::{Args, Subcommand};

use super::{Outcome, Place, bytes, confirm, out_of_turn, parse_bytes, print, print_json, print_list, say};

#[derive(Subcommand)]
pub(crate) enum Account {
    /// List all accounts, the largest first
    List(List),
    /// Show one account
    Show(Show),
    /// Let no device of an account in any more; what it holds stays
    ///
    /// Its sessions end at once. To its devices it is as if the account were not there. They stop asking, so that after a
    /// reopening each needs: caro sync on.
    Close(One),
    /// Let the devices of a closed account in again
    Reopen(One),
    /// Give an account a room of its own
    Quota(Quota),
    /// Forget an account and everything in it
    ///
    /// The space is overwritten and given back, some MiB at a time. When it is broken off, the account stays closed and another
    /// purge goes on. Its devices keep what they have, and cannot use this relay with that account
    /// until it is made anew.
    Purge(Purge),
}

#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    place: Place,
    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Show {
    #[command(flatten)]
    one: One,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct One {
    #[command(flatten)]
    place: Place,
    /// The account's handle, or the first digits of it
    #[arg(value_name = "HANDLE")]
    handle: String,
}

#[derive(Args)]
pub(crate) struct Quota {
    #[command(flatten)]
    one: One,
    /// Bytes, as in 512M or 5G; 0 for no limit; default for what all accounts have
    #[arg(value_name = "BYTES", value_parser = parse_quota)]
    bytes: Room,
}

#[derive(Args)]
pub(crate) struct Purge {
    #[command(flatten)]
    one: One,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

/// What an account may hold.
#[derive(Clone, Copy)]
pub(crate) enum Room {
    OfAll,
    Own(u64),
}

fn parse_quota(text: &str) -> Result<Room, String> {
    if text == "default" { Ok(Room::OfAll) } else { parse_bytes(text).map(Room::Own) }
}

impl Account {
    pub(crate) fn run(self) -> Outcome {
        match self {
            Self::List(list) => list.run(),
            Self::Show(show) => show.run(),
            Self::Close(one) => one.change(|handle| Ask::Close { handle }, "is closed"),
            Self::Reopen(one) => one.change(|handle| Ask::Reopen { handle }, "is open again"),
            Self::Quota(quota) => quota.run(),
            Self::Purge(purge) => purge.run(),
        }
    }
}

impl List {
    fn run(self) -> Outcome {
        let mut rows: Vec<AccountRow> = Vec::new();
        loop {
            let after = rows.last().map(|row| row.handle.clone());
            let Answer::Accounts(more) = self.place.ask(Ask::Accounts { after })? else { return Err(out_of_turn()) };
            let is_last = more.len() < ACCOUNTS_MAX as usize;
            rows.extend(more);
            if is_last {
                break;
            }
        }
        rows.sort_by(|one, other| other.used_bytes.cmp(&one.used_bytes).then_with(|| one.handle.cmp(&other.handle)));
        print_list(&rows, self.json, line, "there are no accounts")
    }
}

fn line(row: &AccountRow) -> String {
    let room = row.quota_bytes.map_or_else(String::new, |quota| format!("  may hold {}", room(quota)));
    let closed = if row.closed { "  closed" } else { "" };
    format!("{}  {:>10}  {} pushed{room}{closed}", row.handle, bytes(row.used_bytes), row.pushed)
}

fn room(quota: u64) -> String {
    if quota == 0 { "any amount".to_owned() } else { bytes(quota) }
}

impl One {
    fn details(&self) -> anyhow::Result<AccountDetails> {
        match self.place.ask(Ask::Account { handle: self.handle.clone() })? {
            Answer::Account(details) => Ok(details),
            _ => Err(out_of_turn()),
        }
    }

    fn change(&self, ask: impl FnOnce(String) -> Ask, done: &str) -> Outcome {
        let handle = self.details()?.row.handle;
        self.place.ask(ask(handle.clone()))?;
        print(&format!("{handle} {done}"))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Show {
    fn run(self) -> Outcome {
        let details = self.one.details()?;
        if self.json {
            print_json(&details)?;
            return Ok(ExitCode::SUCCESS);
        }
        let AccountDetails { row, devices, cells, gone } = details;
        print(&format!("handle    {}", row.handle))?;
        print(&format!("state     {}", if row.closed { "closed" } else { "open" }))?;
        print(&format!("devices   {devices}"))?;
        print(&format!("cells     {cells} there, {gone} purged or forgotten, {} pushed in all", row.pushed))?;
        let limit = match row.quota_bytes {
            None => "as all accounts".to_owned(),
            Some(quota) => room(quota),
        };
        print(&format!("holds     {} (may hold: {limit})", bytes(row.used_bytes)))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Quota {
    fn run(self) -> Outcome {
        let own = match self.bytes {
            Room::OfAll => None,
            Room::Own(bytes) => Some(bytes),
        };
        let done = match own {
            None => "may hold what all accounts may".to_owned(),
            Some(bytes) => format!("may hold {}", room(bytes)),
        };
        self.one.change(|handle| Ask::SetQuota { handle, bytes: own }, &done)
    }
}

impl Purge {
    fn run(self) -> Outcome {
        let details = self.one.details()?;
        let AccountDetails { row, devices, cells, .. } = &details;
        let question = format!(
            "Forget account {} with {cells} cells ({}) of {devices} devices?",
            row.handle,
            bytes(row.used_bytes)
        );
        if !confirm(&question, self.yes)? {
            say("nothing was forgotten");
            return Ok(ExitCode::FAILURE);
        }
        // Some of it at a time, so that devices of others wait for none of it long.
        let forget = || self.one.place.ask(Ask::Forget { handle: row.handle.clone() });
        let mut answer = forget().context("nothing was forgotten")?;
        while matches!(answer, Answer::Forgetting) {
            answer = forget().context("a part is forgotten, and no device is let in; purge it again for the rest")?;
        }
        print(&format!("{} is forgotten", row.handle))?;
        Ok(ExitCode::SUCCESS)
    }
}
