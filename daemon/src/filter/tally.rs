//! How many commands were not recorded as they were typed, by why, for ever: the counters are one row of the store,
//! written in the transaction that takes the commands, so that a crash counts none twice and none not at all.
//!
//! Knows reasons and numbers, never a command. That something was withheld is said once, by a word in a small file
//! which the next `caro` reads and removes; after that only who asks is told.

use caro_core::step::{Space, Write};
use caro_schema::{codec, ipc::status::Withheld};
use serde::{Deserialize, Serialize};

use super::Refusal;

/// The counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// By why.
    pub withheld: Withheld,
    /// When a hint was last left, in microseconds since 1970.
    hinted_us: i64,
}

/// What the next `caro` is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A command was not recorded because of a secret.
    Secret,
    /// A secret was masked.
    Masked,
    /// A command was not recorded because of a recovery phrase.
    Phrase,
}

/// The key of the row, in [`Space::State`]. The core's own keys have other beginnings.
pub const ROW: &[u8] = b"daemon/withheld";

/// After a hint, so long none. Whoever works with secrets all day has understood the first one.
const HINT_AGAIN_US: i64 = 86_400_000_000;

impl Tally {
    /// From its row; from nothing when there is none, or it cannot be read.
    pub fn decode(row: &[u8]) -> Self {
        codec::decode(row).unwrap_or_default()
    }

    /// As a row.
    pub fn write(&self) -> Write {
        Write::Row(Space::State, ROW.to_vec(), Some(codec::encode(self)))
    }

    /// Counts one command.
    pub fn count(&mut self, why: Refusal, masked: bool) {
        let counted = &mut self.withheld;
        *match why {
            Refusal::Secret if masked => &mut counted.masked,
            Refusal::Secret => &mut counted.secrets,
            Refusal::Phrase => &mut counted.phrases,
            Refusal::Command => &mut counted.commands,
            Refusal::Directory => &mut counted.directories,
            Refusal::Space => &mut counted.spaces,
            Refusal::Paused => &mut counted.paused,
        } += 1;
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.withheld == Withheld::default()
    }

    /// Adds what was counted of one reading. Gives what is to be said of it: only what the user may not expect, and
    /// not again for a while.
    pub fn add(&mut self, read: &Self, now_us: i64) -> Option<Hint> {
        let Withheld { since_us: _, secrets, masked, phrases, commands, directories, spaces, paused } = read.withheld;
        let all = &mut self.withheld;
        if all.since_us == 0 {
            all.since_us = now_us;
        }
        all.secrets += secrets;
        all.masked += masked;
        all.phrases += phrases;
        all.commands += commands;
        all.directories += directories;
        all.spaces += spaces;
        all.paused += paused;
        let hint = [(phrases, Hint::Phrase), (secrets, Hint::Secret), (masked, Hint::Masked)];
        let hint = hint.into_iter().find(|(count, _)| *count > 0).map(|(_, hint)| hint)?;
        // A clock that was set back must not silence it for years.
        if (0..HINT_AGAIN_US).contains(&now_us.saturating_sub(self.hinted_us)) {
            return None;
        }
        self.hinted_us = now_us;
        Some(hint)
    }
}

impl Hint {
    /// The word in the file.
    pub fn word(self) -> &'static [u8] {
        match self {
            Self::Secret => b"secret",
            Self::Masked => b"masked",
            Self::Phrase => b"phrase",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(why: Refusal, masked: bool) -> Tally {
        let mut tally = Tally::default();
        tally.count(why, masked);
        tally
    }

    #[test]
    fn ds004_what_was_withheld_is_said_once_and_counted_always() {
        let mut all = Tally::default();
        let day = HINT_AGAIN_US;
        assert_eq!(all.add(&one(Refusal::Space, false), 2 * day), None, "who types a blank knows why");
        assert_eq!(all.add(&one(Refusal::Secret, false), 2 * day), Some(Hint::Secret));
        assert_eq!(all.add(&one(Refusal::Secret, false), 2 * day + 5), None);
        assert_eq!(all.add(&one(Refusal::Secret, true), 3 * day), Some(Hint::Masked));
        assert_eq!(all.add(&one(Refusal::Phrase, false), 2 * day), Some(Hint::Phrase), "the clock was set back");
        let Withheld { secrets, masked, phrases, spaces, since_us, .. } = all.withheld;
        assert_eq!((secrets, masked, phrases, spaces, since_us), (2, 1, 1, 1, 2 * day));
        let Write::Row(_, _, Some(row)) = all.write() else { panic!("a row") };
        assert_eq!(Tally::decode(&row), all);
        assert!(Tally::decode(b"\xc1").is_empty());
    }
}
