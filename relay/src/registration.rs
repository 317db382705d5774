//! Who may make an account here: anybody, whoever has an invitation, nobody. Invitations are kept and compared as hashes;
//! a comparison takes as long whichever byte differs.

use std::fmt;

use crate::limits::TOKEN_BYTES_MAX;

/// Who may make an account.
#[derive(Clone, PartialEq, Eq)]
pub enum Registration {
    /// Anybody.
    Open,
    /// Whoever has one of these invitations.
    Token(Invitations),
    /// Nobody.
    Closed,
}

/// Invitations, by their hashes.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitations {
    hashes: Vec<blake3::Hash>,
}

impl Registration {
    /// Whether one may make an account with this invitation, or without any.
    pub fn admits(&self, token: Option<&str>) -> bool {
        match self {
            Self::Open => true,
            Self::Token(invitations) => token.is_some_and(|token| invitations.have(token)),
            Self::Closed => false,
        }
    }
}

impl Invitations {
    /// From lines of text; empty lines and those that begin with `#` are passed over.
    pub fn from_lines(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self { hashes: lines.map(|line| blake3::hash(line.as_bytes())).collect() }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.hashes.len()
    }

    fn have(&self, token: &str) -> bool {
        let hash = blake3::hash(token.as_bytes());
        // All are looked at, so that the place in the file does not show either.
        token.len() <= TOKEN_BYTES_MAX && self.hashes.iter().fold(false, |found, known| (*known == hash) | found)
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "Open",
            Self::Token(_) => "Token",
            Self::Closed => "Closed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_has_a_size() {
        let longest = "x".repeat(TOKEN_BYTES_MAX);
        let longer = "x".repeat(TOKEN_BYTES_MAX + 1);
        let invited = Registration::Token(Invitations::from_lines(&format!("{longest}\n{longer}")));
        assert!(invited.admits(Some(&longest)));
        assert!(!invited.admits(Some(&longer)));
    }

    #[test]
    fn an_invitation_is_asked_for_where_there_are_any() {
        let invited = Registration::Token(Invitations::from_lines("# for friends\n\n alpha \nbeta\n"));
        for (registration, token, admits) in [
            (&Registration::Open, None, true),
            (&Registration::Open, Some("anything"), true),
            (&Registration::Closed, Some("alpha"), false),
            (&invited, None, false),
            (&invited, Some(""), false),
            (&invited, Some("gamma"), false),
            (&invited, Some("# for friends"), false),
            (&invited, Some("alpha"), true),
            (&invited, Some("beta"), true),
        ] {
            assert_eq!(registration.admits(token), admits, "{token:?}");
        }
    }
}
