//! Who came into the account, who was taken off and what relays forgot, since a person last looked. Kept, because a daemon that is restarted
//! every night would otherwise tell nobody.

use caro_schema::{id::DeviceId, ipc::sync::Warning};
use serde::{Deserialize, Serialize};

use super::{Account, receive::Batch, state};
use crate::step::{RemoteNumber, Rows, Space, Step, Write};

/// One of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum News {
    /// A device joined.
    Joined(DeviceId),
    /// A device was taken off.
    Revoked(DeviceId),
    /// A relay has forgotten what this device had not fetched.
    Missed(RemoteNumber),
}

impl News {
    /// None when it is about a relay that the account does not use any more.
    pub(super) fn warning(self, account: &Account) -> Option<Warning> {
        let name = |device| account.members.name_of(&device);
        Some(match self {
            Self::Joined(device) => Warning::DeviceJoined { name: name(device) },
            Self::Revoked(device) => Warning::DeviceRevoked { name: name(device) },
            Self::Missed(number) => Warning::Missed { address: account.remote(number)?.record.address.clone() },
        })
    }
}

/// What is kept. Whoever looks once in a hundred joins is told of the last ones.
const NEWS_MAX: usize = 100;

impl Account {
    pub(super) fn load_news(&mut self, rows: &dyn Rows) -> Result<(), super::DeviceError> {
        self.news = state::optional(rows, state::NEWS, "news")?.unwrap_or_default();
        Ok(())
    }

    /// Who was there before this device is no news, and nor is what this device did itself.
    pub(super) fn note_joined(&mut self, device: DeviceId, batch: &mut Batch<'_>) {
        let added = |device: &DeviceId| self.members.device(device).map(|member| member.added);
        let counts = self.members.admits(&device, 1) == Some(true);
        if counts && added(&device) > added(&self.vault.device_id()) {
            self.note_news(News::Joined(device), batch);
        }
    }

    pub(super) fn note_news(&mut self, news: News, batch: &mut Batch<'_>) {
        if self.add_news(news) {
            batch.rows.set(Space::State, state::NEWS.to_vec(), state::encode(&self.news));
        }
    }

    /// A relay has forgotten what this device had not fetched.
    pub(super) fn note_missed(&mut self, number: RemoteNumber) -> Option<Write> {
        self.add_news(News::Missed(number)).then(|| self.row(state::NEWS, state::encode(&self.news)))
    }

    /// False when it is known.
    fn add_news(&mut self, news: News) -> bool {
        if self.news.contains(&news) {
            return false;
        }
        self.news.push(news);
        let excess = self.news.len().saturating_sub(NEWS_MAX);
        self.news.drain(..excess);
        true
    }

    /// The person has seen all of it.
    pub(super) fn forget_news(&mut self) -> Step {
        if self.news.is_empty() {
            return Step::default();
        }
        self.news.clear();
        Step { writes: vec![Write::Row(Space::State, state::NEWS.to_vec(), None)], ..Step::default() }
    }
}
