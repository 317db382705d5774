//! Who has switched recording off: everything on this machine, or single runs of shells, for a while or until they say
//! otherwise.
//!
//! Kept as one row of the store, so that a restart of the daemon records nothing that was not to be. Knows sessions by
//! name and nothing of their files. A pause is asked for after the spool has been taken in, so whatever is read later
//! was typed later; only its end is a matter of the clock.

use std::collections::BTreeMap;

use caro_schema::codec;
use serde::{Deserialize, Serialize};

/// Everything that is paused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pauses {
    everything: Option<Pause>,
    sessions: BTreeMap<String, Pause>,
}

/// One pause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pause {
    /// Since when, in microseconds since 1970.
    pub since_us: i64,
    /// Until when; none until somebody says otherwise.
    pub until_us: Option<i64>,
}

/// The key of the row, in [`caro_core::step::Space::State`]. The core's own keys have other beginnings.
pub const ROW: &[u8] = b"daemon/pauses";

/// Sessions that are paused at once. More would mean that they are never taken away; each costs a name.
const SESSIONS_MAX: usize = 1024;

/// How long a pause that has ended is remembered: what was typed in it may still be in a file of a shell.
const REMEMBERED_US: i64 = 7 * 86_400_000_000;

impl Pauses {
    /// From its row. One that cannot be read pauses nothing, and says so to whoever logs.
    pub fn decode(row: &[u8]) -> Option<Self> {
        codec::decode(row).ok()
    }

    /// As a row.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Whether nothing is, or was lately.
    pub fn is_empty(&self) -> bool {
        self.everything.is_none() && self.sessions.is_empty()
    }

    /// Pauses a session, or everything. Nothing more is paused than [`SESSIONS_MAX`] sessions: then everything is.
    pub fn pause(&mut self, session: Option<&str>, pause: Pause) {
        match session {
            Some(session) if self.sessions.len() < SESSIONS_MAX || self.sessions.contains_key(session) => {
                self.sessions.insert(session.to_owned(), pause);
            }
            _ => self.everything = Some(pause),
        }
    }

    /// Ends the pause of a session, or all pauses.
    pub fn resume(&mut self, session: Option<&str>) {
        match session {
            Some(session) => drop(self.sessions.remove(session)),
            None => *self = Self::default(),
        }
    }

    /// Whether a command that started then, in that session, is not to be recorded.
    pub fn holds(&self, session: &str, start_us: i64) -> bool {
        let pauses = self.everything.iter().chain(self.sessions.get(session));
        pauses.into_iter().any(|pause| pause.until_us.is_none_or(|until_us| start_us < until_us))
    }

    /// Forgets pauses that ended long ago, and those of sessions that are gone. True when something was forgotten.
    pub fn tidy(&mut self, now_us: i64, is_gone: impl Fn(&str) -> bool) -> bool {
        let is_over = |pause: &Pause| pause.until_us.is_some_and(|until| until < now_us.saturating_sub(REMEMBERED_US));
        let before = (self.everything.is_some(), self.sessions.len());
        self.everything = self.everything.filter(|pause| !is_over(pause));
        self.sessions.retain(|session, pause| {
            // A session of which nothing has been seen yet may be one that has just begun.
            let is_young = now_us.saturating_sub(pause.since_us) < REMEMBERED_US;
            !is_over(pause) && (is_young || !is_gone(session))
        });
        before != (self.everything.is_some(), self.sessions.len())
    }

    /// The pause of everything, if there is one now.
    pub fn of_everything(&self, now_us: i64) -> Option<Pause> {
        self.everything.filter(|pause| pause.until_us.is_none_or(|until| now_us < until))
    }

    /// The sessions that are paused now, with their pauses.
    pub fn of_sessions(&self, now_us: i64) -> impl Iterator<Item = (&str, Pause)> {
        let now = move |pause: &Pause| pause.until_us.is_none_or(|until| now_us < until);
        self.sessions.iter().filter(move |(_, pause)| now(pause)).map(|(session, pause)| (session.as_str(), *pause))
    }

    /// One session, until somebody says otherwise.
    #[cfg(test)]
    pub(crate) fn of_session(session: &str, since_us: i64) -> Self {
        let mut pauses = Self::default();
        pauses.pause(Some(session), Pause { since_us, until_us: None });
        pauses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_holds_where_and_as_long_as_it_was_asked_for() {
        let mut pauses = Pauses::default();
        assert!(!pauses.holds("one", 5));
        pauses.pause(Some("one"), Pause { since_us: 0, until_us: None });
        assert!(pauses.holds("one", 5) && !pauses.holds("two", 5));
        pauses.pause(None, Pause { since_us: 0, until_us: Some(10) });
        assert!(pauses.holds("two", 9) && !pauses.holds("two", 10) && pauses.holds("one", 10));
        assert_eq!((pauses.of_everything(9).is_some(), pauses.of_everything(10).is_some()), (true, false));
        assert_eq!(pauses.of_sessions(10).map(|(session, _)| session).collect::<Vec<_>>(), ["one"]);
        pauses.resume(Some("one"));
        assert!(!pauses.holds("one", 10));
        pauses.resume(None);
        assert!(pauses.is_empty());
    }

    #[test]
    fn a_row_gives_back_what_it_was_made_of() {
        let pauses = Pauses::of_session("one", 7);
        assert_eq!(Pauses::decode(&pauses.encode()), Some(pauses));
        assert_eq!(Pauses::decode(b"\xc1"), None);
    }

    #[test]
    fn what_is_long_over_and_who_is_long_gone_is_forgotten() {
        let mut pauses = Pauses::of_session("one", 0);
        pauses.pause(None, Pause { since_us: 0, until_us: Some(1) });
        assert!(!pauses.tidy(REMEMBERED_US - 1, |_| true), "what was typed meanwhile may not have been read");
        assert!(pauses.tidy(REMEMBERED_US + 2, |_| false));
        assert_eq!((pauses.of_everything(0), pauses.holds("one", 5)), (None, true), "its shell still runs");
        assert!(pauses.tidy(REMEMBERED_US + 2, |_| true));
        assert!(pauses.is_empty());
    }

    #[test]
    fn too_many_sessions_pause_everything_rather_than_nothing() {
        let mut pauses = Pauses::default();
        for number in 0..=SESSIONS_MAX {
            pauses.pause(Some(&number.to_string()), Pause::default());
        }
        assert!(pauses.holds("any other", 1));
    }
}
