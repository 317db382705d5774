//! What whoever runs the relay asks of it: invitations, accounts, a new configuration. The programs `caro-relay token` and
//! `caro-relay account` ask a running relay over a socket in its folder ([`control`]), or do it themselves when none runs
//! ([`ask`]); either way it is carried out here. Accounts are named by their handles, which say nothing about anybody.

pub mod ask;
pub mod control;
pub mod health;

use std::fmt;

use caro_link::entropy::{Entropy, OsEntropy};
use caro_schema::{
    id::{Handle, Hash},
    redacted::Redacted,
};
use serde::{Deserialize, Serialize};

use crate::{
    log::{
        LogError,
        keep::{Forgotten, Keep},
        sqlite::{
            accounts::{Details, Summary},
            invitations::Invitation,
        },
    },
    registration,
};

/// A question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Ask {
    /// Make an invitation.
    Invite {
        /// What is written on it.
        note: String,
        /// Seconds since 1970 after which it is worth nothing.
        expires: Option<u64>,
        /// How many accounts may be made with it.
        uses: u32,
    },
    /// Invitations after a number, some at a time.
    Invitations {
        /// The number.
        after: u64,
    },
    /// Forget an invitation.
    Revoke {
        /// Which.
        number: u64,
    },
    /// Accounts after a handle, some at a time.
    Accounts {
        /// The handle, as digits.
        after: Option<String>,
    },
    /// One account.
    Account {
        /// Its handle, or how that begins.
        handle: String,
    },
    /// Let no device of it in.
    Close {
        /// The whole handle.
        handle: String,
    },
    /// Let its devices in again.
    Reopen {
        /// The whole handle.
        handle: String,
    },
    /// Give it a room of its own, or that of all.
    SetQuota {
        /// The whole handle.
        handle: String,
        /// Bytes, zero for no limit; none for what all have.
        bytes: Option<u64>,
    },
    /// Forget it and everything in it, as much at a time as others may wait for.
    Forget {
        /// The whole handle.
        handle: String,
    },
    /// Read the configuration again. Only a running relay can.
    Reload,
}

/// An answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// An invitation was made.
    Invited {
        /// Its number.
        number: u64,
        /// What is given to whoever is invited. It is not kept.
        secret: Redacted<String>,
    },
    /// Some invitations.
    Invitations(Vec<InvitationRow>),
    /// Some accounts.
    Accounts(Vec<AccountRow>),
    /// One account.
    Account(AccountDetails),
    /// It is done.
    Done,
    /// Some of it is done: ask again for the rest.
    Forgetting,
    /// What was taken over, and what needs a restart.
    Reloaded {
        /// Settings that hold from now on.
        taken: Vec<String>,
        /// Settings that hold after a restart.
        waiting: Vec<String>,
    },
}

/// An invitation without its secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InvitationRow {
    /// Its number.
    pub number: u64,
    /// What is written on it.
    pub note: String,
    /// Seconds since 1970.
    pub expires: Option<u64>,
    /// How often it may still be used.
    pub uses_left: u32,
    /// How often it was.
    pub used: u32,
}

/// An account in numbers.
#[derive(Clone, Serialize, Deserialize)]
pub struct AccountRow {
    /// Its handle.
    pub handle: String,
    /// Cells that were ever pushed.
    pub pushed: u64,
    /// Bytes that it holds.
    pub used_bytes: u64,
    /// Bytes that it may hold, where it was given a room of its own.
    pub quota_bytes: Option<u64>,
    /// Whether it is closed.
    pub closed: bool,
}

/// An account in more numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountDetails {
    /// What a list shows of it.
    #[serde(flatten)]
    pub row: AccountRow,
    /// Devices that may connect.
    pub devices: u64,
    /// Cells that are there.
    pub cells: u64,
    /// Cells that were purged or forgotten.
    pub gone: u64,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The log could not.
    #[error(transparent)]
    Storage(#[from] LogError),
    /// There is no such account.
    #[error("there is no account with that handle")]
    NoAccount,
    /// More than one begins like this.
    #[error("more than one handle begins like that")]
    Ambiguous,
    /// Not a handle.
    #[error("a handle is 32 digits from 0 to f, or its first ones, at least four")]
    NotAHandle,
    /// There is no such invitation.
    #[error("there is no invitation with that number")]
    NoInvitation,
    /// What is to be written on an invitation is too long, or not one line.
    #[error("a note is one line of at most {NOTE_BYTES_MAX} bytes")]
    Note,
    /// More bytes or seconds than there can be.
    #[error("a number of bytes or seconds is at most {NUMBER_MAX}")]
    TooLarge,
    /// The relay goes down.
    #[error("the relay is going down")]
    Ending,
    /// Only a running relay can.
    #[error("no relay is running in this folder")]
    NotRunning,
    /// The new configuration is not taken over; the old one holds.
    #[error("{0}")]
    Configuration(String),
    /// The system has no randomness.
    #[error(transparent)]
    Entropy(#[from] caro_link::entropy::NoEntropy),
}

/// What whoever asked can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hint {
    /// Look at the list of accounts.
    Accounts,
    /// Look at the list of invitations.
    Invitations,
    /// Start the relay: what is set holds from then on.
    Start,
}

impl AskError {
    /// What whoever asked can do about it, where there is something.
    pub fn hint(&self) -> Option<Hint> {
        match self {
            Self::NoAccount | Self::Ambiguous | Self::NotAHandle => Some(Hint::Accounts),
            Self::NoInvitation => Some(Hint::Invitations),
            Self::NotRunning => Some(Hint::Start),
            _ => None,
        }
    }
}

/// Bytes of a note on an invitation.
pub const NOTE_BYTES_MAX: usize = 64;

/// Accounts in one answer.
pub const ACCOUNTS_MAX: u32 = 500;

/// Invitations in one answer.
pub const INVITATIONS_MAX: usize = 500;

/// The largest number of bytes, and the last second.
pub const NUMBER_MAX: u64 = i64::MAX.unsigned_abs();

/// Random bytes in an invitation: nobody guesses 160 bits.
const SECRET_BYTES: usize = 20;

impl Ask {
    /// The account whose sessions end when this is done.
    pub fn shuts(&self) -> Option<Handle> {
        match self {
            Self::Close { handle } | Self::Forget { handle } => Handle::from_hex(handle),
            _ => None,
        }
    }
}

/// Does what is asked, on the writing handle.
///
/// # Errors
/// Why not.
pub fn carry_out(log: &mut dyn Keep, ask: Ask) -> Result<Answer, AskError> {
    match ask {
        Ask::Invite { note, expires, uses } => invite(log, &note, expires, uses),
        Ask::Invitations { after } => {
            let later = log.invitations()?.into_iter().filter(|invitation| invitation.number > after);
            Ok(Answer::Invitations(later.take(INVITATIONS_MAX).map(InvitationRow::from).collect()))
        }
        // No log has one of a number that it cannot hold.
        Ask::Revoke { number } if held(Some(number)).is_err() => Err(AskError::NoInvitation),
        Ask::Revoke { number } => done(log.revoke_invitation(number)?, AskError::NoInvitation),
        Ask::Accounts { after } => {
            let after = after.map(|after| whole(&after)).transpose()?;
            Ok(Answer::Accounts(log.summaries(after, ACCOUNTS_MAX)?.into_iter().map(AccountRow::from).collect()))
        }
        Ask::Account { handle } => account(log, &handle),
        Ask::Close { handle } => done(log.set_closed(&whole(&handle)?, true)?, AskError::NoAccount),
        Ask::Reopen { handle } => done(log.set_closed(&whole(&handle)?, false)?, AskError::NoAccount),
        Ask::SetQuota { handle, bytes } => done(log.set_quota(&whole(&handle)?, held(bytes)?)?, AskError::NoAccount),
        Ask::Forget { handle } => match log.forget_some(&whole(&handle)?)? {
            Forgotten::NoAccount => Err(AskError::NoAccount),
            Forgotten::Some => Ok(Answer::Forgetting),
            Forgotten::All => Ok(Answer::Done),
        },
        Ask::Reload => Err(AskError::NotRunning),
    }
}

fn done(was_there: bool, otherwise: AskError) -> Result<Answer, AskError> {
    if was_there { Ok(Answer::Done) } else { Err(otherwise) }
}

fn invite(log: &mut dyn Keep, note: &str, expires: Option<u64>, uses: u32) -> Result<Answer, AskError> {
    if note.len() > NOTE_BYTES_MAX || note.contains(char::is_control) {
        return Err(AskError::Note);
    }
    let mut random = zeroize::Zeroizing::new([0; SECRET_BYTES]);
    OsEntropy.fill(&mut *random)?;
    let secret = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, *random);
    let hash: Hash = registration::hash(&secret);
    let number = log.invite(&hash, note, held(expires)?, uses)?;
    Ok(Answer::Invited { number, secret: Redacted::new(secret) })
}

/// A number that the databases can hold. They have signed ones, and a larger one would look like damage of theirs.
fn held(number: Option<u64>) -> Result<Option<u64>, AskError> {
    match number {
        Some(number) if number > NUMBER_MAX => Err(AskError::TooLarge),
        number => Ok(number),
    }
}

fn account(log: &mut dyn Keep, digits: &str) -> Result<Answer, AskError> {
    let is_prefix = (4..=32).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_prefix {
        return Err(AskError::NotAHandle);
    }
    let found = log.beginning_with(digits)?;
    let summary = match found.as_slice() {
        [] => return Err(AskError::NoAccount),
        [one] => one,
        _ => return Err(AskError::Ambiguous),
    };
    Ok(Answer::Account(log.details(&summary.handle)?.ok_or(AskError::NoAccount)?.into()))
}

fn whole(handle: &str) -> Result<Handle, AskError> {
    Handle::from_hex(handle).ok_or(AskError::NotAHandle)
}

impl From<Invitation> for InvitationRow {
    fn from(invitation: Invitation) -> Self {
        let Invitation { number, note, expires, uses_left, used } = invitation;
        Self { number, note, expires, uses_left, used }
    }
}

impl From<Summary> for AccountRow {
    fn from(summary: Summary) -> Self {
        let Summary { handle, entries, used_bytes, quota_bytes, closed } = summary;
        Self { handle: handle.hex(), pushed: entries, used_bytes, quota_bytes, closed }
    }
}

impl From<Details> for AccountDetails {
    fn from(details: Details) -> Self {
        let Details { summary, devices, cells, gone } = details;
        Self { row: summary.into(), devices, cells, gone }
    }
}

impl fmt::Debug for AccountRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { handle: _, pushed, used_bytes, quota_bytes, closed } = self;
        f.debug_struct("AccountRow")
            .field("pushed", pushed)
            .field("used_bytes", used_bytes)
            .field("quota_bytes", quota_bytes)
            .field("closed", closed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use caro_schema::id::Generation;

    use super::{
        ask::ANSWER_BYTES_MAX,
        control::{Reply, question},
        *,
    };
    use crate::log::sqlite::SqliteLog;

    fn log(folder: &tempfile::TempDir) -> SqliteLog {
        SqliteLog::open(&folder.path().join("relay.db"), Generation([1; 16])).unwrap()
    }

    #[test]
    fn a_number_that_no_database_holds_is_refused_and_no_damage() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(&folder);
        let handle = Handle([1; 16]).hex();
        let invite = |expires| Ask::Invite { note: String::new(), expires: Some(expires), uses: 1 };
        for ask in [invite(u64::MAX), Ask::SetQuota { handle, bytes: Some(NUMBER_MAX + 1) }] {
            assert!(matches!(carry_out(&mut log, ask), Err(AskError::TooLarge)));
        }
        assert!(matches!(carry_out(&mut log, Ask::Revoke { number: u64::MAX }), Err(AskError::NoInvitation)));
        assert!(carry_out(&mut log, invite(NUMBER_MAX)).is_ok());
    }

    #[test]
    fn however_many_invitations_there_are_each_answer_fits_and_together_they_are_all() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(&folder);
        let note = "\"".repeat(NOTE_BYTES_MAX);
        let count = 2 * INVITATIONS_MAX as u64 + 7;
        for number in 0..count {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            log.invite(&Hash(hash), &note, Some(NUMBER_MAX), u32::MAX).unwrap();
        }
        let (mut numbers, mut after) = (Vec::new(), 0);
        loop {
            let asked = serde_json::to_vec(&Ask::Invitations { after }).unwrap();
            let Ok(ask) = question(&asked) else { panic!("a question") };
            let reply = Reply::from(carry_out(&mut log, ask));
            assert!((reply.line().unwrap().len() as u64) < ANSWER_BYTES_MAX);
            let Reply::Answer(Answer::Invitations(rows)) = reply else { panic!("invitations") };
            let Some(last) = rows.last() else { break };
            after = last.number;
            numbers.extend(rows.iter().map(|row| row.number));
        }
        assert_eq!(numbers, (1..=count).collect::<Vec<_>>());
    }
}
