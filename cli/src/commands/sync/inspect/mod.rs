//! `caro sync inspect`: what each relay knows of this account, asked of the relay itself and compared with what this device
//! remembers. Prints what the daemon gathered; what is asked and believed is decided there. The words are in [`words`], what a
//! relay knows in general in [`knows`].

mod json;
mod knows;
mod words;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use caro_schema::{
    id::{Hash, KeyId},
    ipc::{
        Fault, Reply, Request,
        inspecting::{self, Difference, Holds, Inspected, Known, LogEntry, Shown},
    },
    relay::list::DeviceList,
};
use clap::Args;

use super::sync_status;
use crate::{client::Client, commands::unexpected, error::Outcome, output::Out};

/// Say what each relay knows of this account, byte for byte
///
/// Each relay is asked for all that it holds, over the same session and with the same messages as always; that is compared with
/// what this device remembers, and what differs is said. Sums come first, then the newest cells. What only your devices
/// can tell, such as whose key is whose and what a cell holds, is marked so.
#[derive(Args)]
pub(crate) struct Inspect {
    /// Only this relay, by its address as caro sync remote list shows it
    #[arg(value_name = "ADDRESS")]
    relay: Option<String>,
    /// How many cells to show one by one, the newest ones
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=65536))]
    cells: u32,
    /// Show those that come after this cursor instead of the newest ones
    #[arg(long, value_name = "CURSOR")]
    after: Option<u64>,
    /// Show all bytes of each cell
    #[arg(long)]
    hex: bool,
    /// Ask no relay: only what this device remembers
    #[arg(long)]
    offline: bool,
    /// JSON objects, one a line
    #[arg(long)]
    json: bool,
}

/// How long one answer may take. A large log takes several.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// One relay, as it was found.
struct Seen {
    address: String,
    known: Known,
    /// The last answer of the relay, without its entries. There may be one and a failure: then it broke off after it.
    shown: Option<Shown>,
    failure: Option<Fault>,
    sums: Sums,
    /// The entries to show one by one.
    window: VecDeque<LogEntry>,
    differences: Vec<Difference>,
}

/// A whole log in numbers.
#[derive(Default)]
struct Sums {
    entries: u64,
    cells: u64,
    bytes: u64,
    /// Cells by size, by the key that sealed them, and by what they hold.
    sizes: BTreeMap<u32, u64>,
    keys: BTreeMap<KeyId, u64>,
    holds: BTreeMap<Holds, u64>,
}

impl Inspect {
    pub(crate) fn run(self) -> Outcome {
        let mut client = Client::open()?;
        let mut status = sync_status(client.ask(Request::SyncStatus)?)?;
        if !status.joined {
            return Err(Fault::NotSynced.into());
        }
        if let Some(address) = &self.relay {
            let address = address.trim().split('#').next().unwrap_or_default().trim_end_matches('/');
            status.remotes.retain(|remote| remote.address.trim_end_matches('/') == address);
            if status.remotes.is_empty() {
                return Err(Fault::NoSuchRemote.into());
            }
        }
        let mut out = Out::new();
        for remote in status.remotes {
            let seen = self.look(&mut client, remote.address)?;
            if self.json {
                json::relay(&mut out, &seen)?;
            } else {
                words::relay(&mut out, &seen, self.hex)?;
            }
        }
        if self.json {
            json::knows(&mut out)?
        } else {
            words::knows(&mut out)?
        }
        out.finish()
    }

    fn look(&self, client: &mut Client, address: String) -> Outcome<Seen> {
        let Inspected { known, shown, failure } = self.ask(client, &address, (0, Hash([0; 32])))?;
        let mut seen = Seen {
            address,
            known,
            shown: None,
            failure,
            sums: Sums::default(),
            window: VecDeque::new(),
            differences: Vec::new(),
        };
        // What comes while it is looked at is left for the next time: a relay could go on for ever.
        let end = shown.as_ref().map_or(0, |shown| shown.position.cursor);
        let mut next = shown.and_then(|shown| self.take(&mut seen, shown));
        while let Some(from) = next.filter(|(cursor, _)| *cursor < end) {
            let Inspected { known: _, shown, failure } = self.ask(client, &seen.address, from)?;
            seen.failure = failure;
            next = shown.and_then(|shown| self.take(&mut seen, shown));
        }
        Ok(seen)
    }

    fn ask(&self, client: &mut Client, address: &str, (after, head): (u64, Hash)) -> Outcome<Inspected> {
        let address = address.to_owned();
        let request = inspecting::Inspect { address, ask: !self.offline, after, head, whole: self.hex };
        match client.ask_within(Request::SyncInspect(request), ANSWER_WITHIN)? {
            Reply::Inspected(inspected) => Ok(*inspected),
            _ => Err(unexpected()),
        }
    }

    /// Adds an answer. Gives from where to read on, when there is more.
    fn take(&self, seen: &mut Seen, mut shown: Shown) -> Option<(u64, Hash)> {
        let entries = std::mem::take(&mut shown.entries);
        let last = entries.last().map(|last| (last.cursor, last.head)).filter(|_| shown.more);
        for entry in entries {
            seen.sums.add(&entry);
            self.keep(&mut seen.window, entry);
        }
        for difference in &shown.differences {
            if !seen.differences.contains(difference) {
                seen.differences.push(*difference);
            }
        }
        seen.shown = Some(shown);
        last
    }

    fn keep(&self, window: &mut VecDeque<LogEntry>, entry: LogEntry) {
        let is_full = window.len() >= self.cells as usize;
        match self.after {
            Some(after) if entry.cursor > after && !is_full => window.push_back(entry),
            Some(_) => {}
            None => {
                window.push_back(entry);
                if is_full {
                    window.pop_front();
                }
            }
        }
    }
}

impl Sums {
    fn add(&mut self, entry: &LogEntry) {
        self.entries += 1;
        *self.holds.entry(entry.holds).or_default() += 1;
        if entry.holds == Holds::Gone {
            return;
        }
        self.cells += 1;
        self.bytes += u64::from(entry.size);
        *self.sizes.entry(entry.size).or_default() += 1;
        if let Some(key) = entry.bytes.get(2..10).and_then(KeyId::from_slice) {
            *self.keys.entry(key).or_default() += 1;
        }
    }
}

/// A device on a relay's list, or one that was on it.
struct Listed<'a> {
    key: Hash,
    /// Behind the signed list: by whom it was let in.
    by: Option<Hash>,
    /// What this account calls it, where it has said which key is its own.
    name: Option<&'a str>,
    this: bool,
}

impl Seen {
    /// The relay's list of devices: as it showed it now, or as it did last.
    fn list(&self) -> Option<&caro_schema::relay::list::SignedList> {
        self.shown.as_ref().map(|shown| &shown.list).or(self.known.list.as_ref())
    }

    fn listed(&self) -> Vec<Listed<'_>> {
        let Some(list) = self.list() else { return Vec::new() };
        let signed = DeviceList::decode(&list.list).map_or_else(|_| Vec::new(), |list| list.keys);
        let signed = signed.into_iter().map(|key| (key, None));
        let added = list.added.iter().map(|addition| (addition.key, Some(addition.by)));
        signed.chain(added).map(|(key, by)| self.named(key, by)).collect()
    }

    /// Devices that are off the account and off the list, whose keys were said.
    fn taken_off(&self) -> Vec<Listed<'_>> {
        let listed: Vec<Hash> = self.listed().iter().map(|listed| listed.key).collect();
        let names = self.known.names.iter().filter(|name| name.off && !listed.contains(&name.key));
        names.map(|name| self.named(name.key, None)).collect()
    }

    fn named(&self, key: Hash, by: Option<Hash>) -> Listed<'_> {
        let name = self.known.names.iter().find(|name| name.key == key).map(|name| name.name.as_str());
        Listed { key, by, name, this: key == self.known.own }
    }
}

/// A difference as a code.
fn code(difference: &Difference) -> &'static str {
    match difference {
        Difference::OtherLife => "other_life",
        Difference::Shorter { .. } => "shorter",
        Difference::OtherPast { .. } => "other_past",
        Difference::Broken { .. } => "broken",
        Difference::OtherSigner => "other_signer",
        Difference::ListUnsigned => "list_unsigned",
        Difference::ListOlder => "list_older",
        Difference::NotListed => "not_listed",
    }
}

/// What a cell holds, as a code.
fn holds_code(holds: Holds) -> &'static str {
    match holds {
        Holds::Op => "op",
        Holds::KeyLog => "key_log",
        Holds::Snapshot => "snapshot",
        Holds::Attest => "attest",
        Holds::Gone => "gone",
        Holds::Unknown => "unknown",
    }
}
