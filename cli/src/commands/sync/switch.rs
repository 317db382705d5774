//! `caro sync now`, `off` and `on`.

use std::{
    io::IsTerminal,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

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
    output::{Out, say, visible},
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
        let (ended, ends) = mpsc::channel();
        let watch = std::io::stderr().is_terminal().then(|| thread::spawn(move || say_what_is_waited_for(&ends)));
        let status = ask(request, patience + MARGIN, self.json);
        drop(ended);
        if watch.is_some_and(|watch| watch.join().is_err()) {
            return Err(Failure::new(exit::INTERNAL, "what is waited for could not be told"));
        }
        let status = status?;
        // A script that goes on must be able to rely on it.
        if is_done(&status) { Ok(()) } else { Err(not_done(&status)) }
    }
}

/// How often it is looked what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Says what is waited for, and again whenever that is something else, until the other end is gone.
fn say_what_is_waited_for(ends: &Receiver<()>) {
    let mut said = String::new();
    // The first look is later than the first try, which most often is all.
    while ends.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        let Ok(Some(mut client)) = Client::open_running() else { return };
        let Ok(Ok(status)) = client.ask(Request::SyncStatus).map(sync_status) else { return };
        let now = waited_for(&status).join("; ");
        if !now.is_empty() && now != said {
            say(&format!("waiting: {now}"));
            said = now;
        }
    }
}

/// What is in the way, relay by relay, without anything that changes while nothing happens.
fn waited_for(status: &SyncStatus) -> Vec<String> {
    let one = |remote: &RemoteStatus| {
        let address = visible::line(remote.address.as_bytes());
        let why = match &remote.state {
            RemoteState::Connected if remote.pending_up + remote.pending_down == 0 => return None,
            RemoteState::Connected => format!("{} to send, {} to fetch", remote.pending_up, remote.pending_down),
            RemoteState::Waiting { reason, .. } => format!("not connected ({})", status::shown_reason(reason)),
            state => status::state_words(state, &TimeZone::system()),
        };
        Some(format!("{address}: {why}"))
    };
    status.remotes.iter().filter_map(one).collect()
}

/// Whether everything that was known when this was asked is on both sides. What was typed since may still be on its way.
fn is_done(status: &SyncStatus) -> bool {
    let is_connected = |remote: &RemoteStatus| remote.state == RemoteState::Connected;
    status.enabled && status.exchanged && !status.remotes.is_empty() && status.remotes.iter().all(is_connected)
}

fn not_done(status: &SyncStatus) -> Failure {
    let why = match (status.enabled, status.remotes.is_empty(), waited_for(status)) {
        (false, ..) => ": the network is off".to_owned(),
        (_, true, _) => ": this device uses no relay".to_owned(),
        (.., why) if why.is_empty() => String::new(),
        (.., why) => format!(": {}", why.join("; ")),
    };
    let is_stopped = |remote: &RemoteStatus| matches!(remote.state, RemoteState::Stopped { .. });
    let what = format!("not everything is synced{why}");
    if status.enabled && status.remotes.iter().any(is_stopped) {
        // Time alone changes nothing there.
        return Failure::new(exit::STATE, what).hint("what waits is safe; caro sync status says what to do");
    }
    Failure::new(exit::TRY_LATER, what)
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
    use caro_schema::ipc::sync::StopReason;

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

    #[test]
    fn the_end_says_what_was_waited_for() {
        let away = || RemoteState::Waiting { reason: "connection refused (os error 111)".into(), retry_ms: 5 };
        let said = |status: &SyncStatus| not_done(status).message;
        assert_eq!(
            said(&status(away(), false)),
            "not everything is synced: wss://desk:7490/: not connected (connection refused)"
        );
        assert_eq!(
            said(&status(RemoteState::Connected, false)),
            "not everything is synced: wss://desk:7490/: 1 to send, 0 to fetch"
        );
        let off = SyncStatus { enabled: false, ..status(RemoteState::Off, false) };
        assert_eq!(said(&off), "not everything is synced: the network is off");
        let stopped = || RemoteState::Stopped { reason: StopReason::Revoked };
        let code = |state| not_done(&status(state, false)).code;
        assert_eq!((code(stopped()), code(away())), (exit::STATE, exit::TRY_LATER), "time alone mends one of them");
        let off_and_stopped = SyncStatus { enabled: false, ..status(stopped(), false) };
        assert_eq!(not_done(&off_and_stopped).code, exit::TRY_LATER);
        let none = SyncStatus { remotes: Vec::new(), ..status(RemoteState::Off, false) };
        assert_eq!(said(&none), "not everything is synced: this device uses no relay");
        assert!(status::lines(&none, &[], &TimeZone::UTC)[1].starts_with("no relay is used"));
    }
}
