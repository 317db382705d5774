//! Who may make an account here: anybody, whoever has an invitation, nobody. Invitations are kept and compared as hashes,
//! those of a file here, those that `caro-relay token` made in the log, which also counts how often each was used.

use std::fmt;

use caro_schema::id::Hash;

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
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Invitations {
    hashes: Vec<blake3::Hash>,
}

/// What becomes of a wish to make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Admitted,
    /// It may if the log has an invitation of this hash that is not used up.
    Ask(Hash),
    /// It may not.
    Refused,
}

impl Registration {
    /// Whether one may make an account with this invitation, or without any.
    pub fn judge(&self, token: Option<&str>) -> Verdict {
        match (self, token) {
            (Self::Open, _) => Verdict::Admitted,
            (Self::Token(invitations), Some(token)) if invitations.have(token) => Verdict::Admitted,
            (Self::Token(_), Some(token)) if token.len() <= TOKEN_BYTES_MAX => Verdict::Ask(hash(token)),
            (Self::Token(_), _) | (Self::Closed, _) => Verdict::Refused,
        }
    }
}

/// What is kept of an invitation. Nobody can guess one that was made here: it holds 160 random bits.
pub fn hash(token: &str) -> Hash {
    Hash(*blake3::hash(token.as_bytes()).as_bytes())
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
        assert_eq!(invited.judge(Some(&longest)), Verdict::Admitted);
        assert_eq!(invited.judge(Some(&longer)), Verdict::Refused);
    }

    #[test]
    fn an_invitation_is_asked_for_where_there_are_any() {
        let invited = Registration::Token(Invitations::from_lines("# for friends\n\n alpha \nbeta\n"));
        let ask = |token| Verdict::Ask(hash(token));
        for (registration, token, verdict) in [
            (&Registration::Open, None, Verdict::Admitted),
            (&Registration::Open, Some("anything"), Verdict::Admitted),
            (&Registration::Closed, Some("alpha"), Verdict::Refused),
            (&invited, None, Verdict::Refused),
            (&invited, Some(""), ask("")),
            (&invited, Some("gamma"), ask("gamma")),
            (&invited, Some("# for friends"), ask("# for friends")),
            (&invited, Some("alpha"), Verdict::Admitted),
            (&invited, Some("beta"), Verdict::Admitted),
        ] {
            assert_eq!(registration.judge(token), verdict, "{token:?}");
        }
    }
}
