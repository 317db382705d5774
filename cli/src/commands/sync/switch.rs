//! `caro sync now`, `off` and `on`.

use std::time::Duration;

use caro_schema::ipc::{
    Request,
    sync::{RemoteState, RemoteStatus, SyncStatus},
};
use clap::Args;
use jiff::tz::TimeZone;

use super::{status, sync_status};
use crate::{
    client::Client,
    error::{Failure, Outcome},
    exit,
    output::Out,
};

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
        let status = ask(request, patience + MARGIN, self.json)?;
        // A script that goes on must be able to rely on it.
        if is_done(&status) { Ok(()) } else { Err(not_done()) }
    }
}

/// Whether everything that was known when this was asked is on both sides. What was typed since may still be on its way.
fn is_done(status: &SyncStatus) -> bool {
    let is_connected = |remote: &RemoteStatus| remote.state == RemoteState::Connected;
    status.enabled && status.exchanged && !status.remotes.is_empty() && status.remotes.iter().all(is_connected)
}

fn not_done() -> Failure {
    Failure::new(exit::TRY_LATER, "not everything is synced")
        .hint("what waits is safe and goes as soon as it can; caro sync status says why it waits")
}

impl Off {
    pub(crate) fn run(self) -> Outcome {
        ask(Request::SyncOff, MARGIN, self.json).map(drop)
    }
}

impl On {
    pub(crate) fn run(self) -> Outcome {
        ask(Request::SyncOn, MARGIN, self.json).map(drop)
    }
}

fn ask(request: Request, patience: Duration, json: bool) -> Outcome<SyncStatus> {
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
    out.finish()?;
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: RemoteState, exchanged: bool) -> SyncStatus {
        let remote = RemoteStatus {
            address: "wss://desk:7490/".into(),
            state,
            pending_up: 1,
            pending_down: 0,
            last_sync_ms: 0,
            others_online: 0,
            quota_bytes: 0,
            used_bytes: 0,
        };
        SyncStatus { joined: true, enabled: true, remotes: vec![remote], exchanged, ..SyncStatus::default() }
    }

    #[test]
    fn only_what_is_on_both_sides_is_done() {
        // Also while more is typed: what is on its way then was not asked for.
        assert!(is_done(&status(RemoteState::Connected, true)));
        assert!(!is_done(&status(RemoteState::Connected, false)));
        assert!(!is_done(&status(RemoteState::Waiting { reason: "away".into(), retry_ms: 0 }, true)));
        assert!(!is_done(&status(RemoteState::Off, true)));
        assert!(!is_done(&SyncStatus { enabled: false, ..status(RemoteState::Connected, true) }));
    }
}
