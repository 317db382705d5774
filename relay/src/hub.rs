//! Which sessions belong to one account, and how many other devices each has been told of. Knows no message and no log.
//! What wakes a session is always only a hint: the cursor in the log is the truth.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use caro_schema::id::{Handle, Hash};

use crate::protocol::SessionId;

/// All accounts with a session.
#[derive(Debug, Default)]
pub struct Hub {
    accounts: HashMap<Handle, BTreeMap<SessionId, Seat>>,
    /// Listed devices that are connected to another relay on the same database.
    elsewhere: HashMap<Handle, BTreeSet<Hash>>,
}

/// A session's place in its account.
#[derive(Debug)]
struct Seat {
    device: Hash,
    listed: bool,
    told: Option<u32>,
}

impl Hub {
    /// A session takes its place.
    pub fn join(&mut self, handle: Handle, session: SessionId, device: Hash, listed: bool) {
        self.accounts.entry(handle).or_default().insert(session, Seat { device, listed, told: None });
    }

    /// A session is gone.
    pub fn leave(&mut self, handle: &Handle, session: SessionId) {
        if let Some(seats) = self.accounts.get_mut(handle) {
            seats.remove(&session);
            if seats.is_empty() {
                self.accounts.remove(handle);
                self.elsewhere.remove(handle);
            }
        }
    }

    /// Accounts that have a session.
    pub fn accounts(&self) -> Vec<Handle> {
        self.accounts.keys().copied().collect()
    }

    /// Sets which listed devices of an account are connected elsewhere.
    pub fn set_elsewhere(&mut self, handle: &Handle, devices: BTreeSet<Hash>) {
        if devices.is_empty() || !self.accounts.contains_key(handle) {
            self.elsewhere.remove(handle);
        } else {
            self.elsewhere.insert(*handle, devices);
        }
    }

    /// The sessions of an account, in the order in which they came.
    pub fn sessions(&self, handle: &Handle) -> Vec<SessionId> {
        self.accounts.get(handle).map(|seats| seats.keys().copied().collect()).unwrap_or_default()
    }

    /// How many sessions an account has.
    pub fn count(&self, handle: &Handle) -> usize {
        self.accounts.get(handle).map_or(0, BTreeMap::len)
    }

    /// Sets which sessions are on the account's list.
    pub fn relist(&mut self, handle: &Handle, devices: &BTreeSet<Hash>) {
        for seat in self.accounts.get_mut(handle).into_iter().flat_map(BTreeMap::values_mut) {
            seat.listed = devices.contains(&seat.device);
        }
    }

    /// Listed sessions whose number of other devices is not what they were told, with the new number. Counts as told.
    pub fn presence(&mut self, handle: &Handle) -> Vec<(SessionId, u32)> {
        let Some(seats) = self.accounts.get_mut(handle) else { return Vec::new() };
        let mut devices: BTreeSet<Hash> = seats.values().filter(|seat| seat.listed).map(|seat| seat.device).collect();
        devices.extend(self.elsewhere.get(handle).into_iter().flatten());
        let others = u32::try_from(devices.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let mut news = Vec::new();
        for (session, seat) in seats.iter_mut().filter(|(_, seat)| seat.listed) {
            if seat.told != Some(others) {
                seat.told = Some(others);
                news.push((*session, others));
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: Handle = Handle([1; 16]);

    #[test]
    fn presence_counts_other_listed_devices_once_and_is_told_once() {
        let mut hub = Hub::default();
        let (one, two, three) = (SessionId(1), SessionId(2), SessionId(3));
        hub.join(ACCOUNT, one, Hash([1; 32]), true);
        assert_eq!(hub.presence(&ACCOUNT), [(one, 0)]);
        hub.join(ACCOUNT, two, Hash([2; 32]), true);
        assert_eq!(hub.presence(&ACCOUNT), [(one, 1), (two, 1)]);
        hub.join(ACCOUNT, three, Hash([2; 32]), true);
        assert_eq!(hub.presence(&ACCOUNT), [(three, 1)]);
        hub.join(Handle([2; 16]), SessionId(4), Hash([9; 32]), true);
        assert_eq!(hub.presence(&ACCOUNT), []);
        hub.relist(&ACCOUNT, &BTreeSet::from([Hash([1; 32])]));
        assert_eq!(hub.presence(&ACCOUNT), [(one, 0)]);
    }

    #[test]
    fn presence_counts_devices_at_other_relays_once() {
        let mut hub = Hub::default();
        let (one, two) = (Hash([1; 32]), Hash([2; 32]));
        hub.set_elsewhere(&ACCOUNT, BTreeSet::from([two]));
        assert!(hub.elsewhere.is_empty());
        hub.join(ACCOUNT, SessionId(1), one, true);
        hub.set_elsewhere(&ACCOUNT, BTreeSet::from([one, two]));
        assert_eq!(hub.presence(&ACCOUNT), [(SessionId(1), 1)]);
        hub.set_elsewhere(&ACCOUNT, BTreeSet::new());
        assert_eq!(hub.presence(&ACCOUNT), [(SessionId(1), 0)]);
        hub.set_elsewhere(&ACCOUNT, BTreeSet::from([two]));
        hub.leave(&ACCOUNT, SessionId(1));
        assert!(hub.elsewhere.is_empty());
    }

    #[test]
    fn t_conn_04_nothing_stays_of_an_account_without_sessions() {
        let mut hub = Hub::default();
        hub.join(ACCOUNT, SessionId(1), Hash([1; 32]), true);
        hub.leave(&ACCOUNT, SessionId(1));
        hub.leave(&ACCOUNT, SessionId(1));
        assert!(hub.accounts.is_empty());
    }
}
