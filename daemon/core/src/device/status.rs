//! How syncing is, for a person to read.

use caro_schema::{
    id::DeviceId,
    ipc::sync::{RemoteState, RemoteStatus, SyncStatus, Warning},
    relay::ErrorCode,
};

use super::Account;
use crate::sync::{Remote, State};

/// How a remote's driver is doing, as far as the core cannot know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Why the last try failed, when it did.
    pub reason: Option<String>,
    /// When the next one is, in milliseconds since 1970.
    pub retry_ms: u64,
}

impl Account {
    /// Everything that one screen shows.
    pub fn status(&self, attempt: impl Fn(&Remote) -> Option<Attempt>) -> SyncStatus {
        SyncStatus {
            joined: true,
            enabled: self.profile.enabled,
            account: short(&self.vault.dataset().0),
            device_name: self.members.name_of(&self.vault.device_id()),
            remotes: self.remotes.values().map(|remote| self.remote_line(remote, attempt(remote))).collect(),
            waiting: self.waiting.len() as u64,
            refused: self.refused,
            kept_here: self.kept_here,
            outside_window: self.profile.outside_window,
            warnings: self.warnings(),
            exchanged: false,
        }
    }

    fn remote_line(&self, remote: &Remote, attempt: Option<Attempt>) -> RemoteStatus {
        let state = match (self.profile.enabled, remote.state(), attempt) {
            (_, State::Stopped(reason), _) => RemoteState::Stopped { reason },
            (false, _, _) => RemoteState::Off,
            (true, State::CatchingUp | State::Live, _) => RemoteState::Connected,
            // A relay that opens sessions and then says nothing is one that cannot be reached, and not one that is being reached.
            (true, State::Opening | State::Down, Some(Attempt { reason: Some(reason), retry_ms })) => {
                let reason = remote.refusal.and_then(in_words).map_or(reason, str::to_owned);
                RemoteState::Waiting { reason, retry_ms }
            }
            (true, State::Opening | State::Down, _) => RemoteState::Connecting,
        };
        RemoteStatus {
            address: remote.record.address.clone(),
            state,
            pending_up: remote.pending_up(),
            pending_down: remote.pending_down(),
            last_sync_ms: remote.record.last_sync_ms,
            others_online: remote.others_online,
            quota_bytes: remote.quota_bytes,
            used_bytes: remote.used_bytes,
        }
    }

    fn warnings(&self) -> Vec<Warning> {
        let name = |device: &DeviceId| self.members.name_of(device);
        let mut warnings = self.membership_warnings();
        warnings.extend(self.news.iter().filter_map(|news| news.warning(self)));
        if self.upgrade_due {
            warnings.push(Warning::UpgradeDue);
        }
        let restored = self.restored.iter().filter_map(|number| self.remote(*number));
        warnings.extend(restored.map(|remote| Warning::RelayRestored { address: remote.record.address.clone() }));
        if self.profile.cloned {
            warnings.push(Warning::Cloned);
        }
        let own = self.vault.device_id();
        let others = self.log.forked().filter(|author| **author != own);
        warnings.extend(others.map(|author| Warning::OtherCloned { name: name(author) }));
        // Whoever has read a log to its end and still waits for an op has been kept from it.
        let is_read = |remote: &Remote| matches!(remote.state(), State::Live | State::Stopped(_));
        if self.remotes.values().all(is_read) {
            let lacking = self.waiting.lacking(self.log.vector());
            warnings.extend(lacking.map(|(author, count)| Warning::Withheld { name: name(&author), count }));
        }
        if self.clock_ahead_ms > 0 {
            warnings.push(Warning::ClockAhead { seconds: self.clock_ahead_ms / 1000 });
        }
        warnings
    }
}

/// What a relay refused, where a person can do something about it or at least should know.
fn in_words(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::QuotaExceeded => {
            Some("the account's space at the relay is used up; whoever runs it can give it more")
        }
        ErrorCode::RateLimited => Some("the relay asks to slow down"),
        ErrorCode::TooManyConnections => Some("the relay has too many connections"),
        ErrorCode::StorageUnavailable => Some("the relay cannot store at the moment"),
        ErrorCode::ShuttingDown => Some("the relay is going down"),
        _ => None,
    }
}

/// The first eight hexadecimal digits, enough to tell one's own few devices and accounts apart.
pub(super) fn short(bytes: &[u8; 32]) -> String {
    bytes[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}
