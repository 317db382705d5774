//! `caro sync now`, `off` and `on`.

use std::time::Duration;

use caro_schema::ipc::Request;
use clap::Args;
use jiff::tz::TimeZone;

use super::{status, sync_status};
use crate::{client::Client, error::Outcome, output::Out};

/// Send and fetch now, and wait until it is done
///
/// Syncing goes on by itself; this is for scripts that want to be sure.
#[derive(Args)]
pub(crate) struct Now {
    /// How many seconds to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait: u64,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Use no network from now on
///
/// Commands are still recorded, and are synced when it is on again.
#[derive(Args)]
pub(crate) struct Off {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Use the network again
#[derive(Args)]
pub(crate) struct On {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// How much longer than asked for the daemon may take to say that it is not done.
const MARGIN: Duration = Duration::from_secs(10);

impl Now {
    pub(crate) fn run(self) -> Outcome {
        let patience = Duration::from_secs(self.wait);
        let request = Request::SyncNow { wait_ms: self.wait * 1000 };
        ask(request, patience + MARGIN, self.json)
    }
}

impl Off {
    pub(crate) fn run(self) -> Outcome {
        ask(Request::SyncOff, MARGIN, self.json)
    }
}

impl On {
    pub(crate) fn run(self) -> Outcome {
        ask(Request::SyncOn, MARGIN, self.json)
    }
}

fn ask(request: Request, patience: Duration, json: bool) -> Outcome {
    let mut client = Client::open()?;
    let status = sync_status(client.ask_within(request, patience)?)?;
    let mut out = Out::new();
    if json {
        out.json(&status::json(&status, &[]))?;
    } else {
        for line in status::lines(&status, &[], &TimeZone::system()) {
            out.line(&line)?;
        }
    }
    out.finish()
}
