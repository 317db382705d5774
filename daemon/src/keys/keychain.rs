//! The platform's secure store, as far as it can be trusted to answer.
//!
//! It is another program, reached over a bus that may not be there, and it may ask a person for a password. So each
//! question is asked on a thread of its own and given up after a while: a machine without a screen must not hang.
//! Only a store that works and has no such entry counts as having none; everything else is "not available", which
//! never leads to a new key over old data.

use std::{sync::mpsc, thread, time::Duration};

use keyring::{Entry, Error};
use zeroize::Zeroizing;

use super::{
    Stored,
    file::{decode_stored, encode_stored},
};

/// The name of one entry: random, so that two data folders, and a copy of one, do not share an entry by accident.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(String);

impl Id {
    pub(super) fn fresh() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; ID_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(hex::encode(bytes)))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_one = text.len() == 2 * ID_BYTES && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_one.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

const ID_BYTES: usize = 8;

/// Why the secure store is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Nothing there to talk to.
    #[error("no secure store runs here")]
    None,
    /// It is there and does not give or take anything: locked, or nobody answered its question.
    #[error("the secure store is locked")]
    Locked,
    /// No answer.
    #[error("the secure store did not answer in time")]
    Silent,
    /// What it keeps is not what it was given.
    #[error("the secure store does not keep what it is given")]
    Forgets,
    /// It answers with something that is no key.
    #[error("what it gives is no key of caro's")]
    Other,
    /// It was not asked to, and the key was in the file already.
    #[error("it was put there when it was made")]
    NotAsked,
}

/// How long to wait for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// A program answers. Longer would hold up the first start on a machine without one.
    ForTheSystem,
    /// A person may have to type a password. Longer would leave whoever started the daemon without a word.
    ForAPerson,
}

impl Patience {
    fn limit(self) -> Duration {
        match self {
            Self::ForTheSystem => Duration::from_secs(2),
            Self::ForAPerson => Duration::from_secs(30),
        }
    }
}

/// A place for secrets that knows who may have them.
pub(super) trait Keychain {
    /// What is under this name, none when the store works and has nothing.
    fn read(&self, id: &Id, patience: Patience) -> Result<Option<Stored>, Unavailable>;

    /// Puts a key there.
    fn write(&self, id: &Id, stored: &Stored, patience: Patience) -> Result<(), Unavailable>;

    /// Takes it away. One that is not there is as good.
    fn remove(&self, id: &Id, patience: Patience) -> Result<(), Unavailable>;
}

/// The platform's own.
pub(super) struct System;

/// The service under which entries are listed.
const SERVICE: &str = "caro";

impl Keychain for System {
    fn read(&self, id: &Id, patience: Patience) -> Result<Option<Stored>, Unavailable> {
        ask(id, patience, |entry| match entry.get_password().map(Zeroizing::new) {
            Ok(text) => decode_stored(&text).map(Some).ok_or(Unavailable::Other),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(reason(&error)),
        })
    }

    fn write(&self, id: &Id, stored: &Stored, patience: Patience) -> Result<(), Unavailable> {
        let text = encode_stored(stored);
        ask(id, patience, move |entry| entry.set_password(&text).map_err(|error| reason(&error)))
    }

    fn remove(&self, id: &Id, patience: Patience) -> Result<(), Unavailable> {
        ask(id, patience, |entry| match entry.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(reason(&error)),
        })
    }
}

fn ask<T: Send + 'static>(
    id: &Id,
    patience: Patience,
    question: impl FnOnce(&Entry) -> Result<T, Unavailable> + Send + 'static,
) -> Result<T, Unavailable> {
    let id = id.clone();
    within(patience.limit(), move || {
        let entry = Entry::new(SERVICE, id.as_str()).map_err(|error| reason(&error))?;
        question(&entry)
    })
}

/// Does something that may never end. A thread that does not is left behind, waiting; it holds nothing.
fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<T, Unavailable> + Send + 'static,
) -> Result<T, Unavailable> {
    let (sender, answer) = mpsc::sync_channel(1);
    let thread = thread::Builder::new().name("caro-key".to_owned());
    let work = move || {
        // Nobody waits any longer when the time is over.
        drop(sender.send(work()));
    };
    thread.spawn(work).map_err(|_| Unavailable::None)?;
    answer.recv_timeout(limit).unwrap_or(Err(Unavailable::Silent))
}

/// Errors of the store may carry what was stored: only their kind is looked at.
fn reason(error: &Error) -> Unavailable {
    match error {
        Error::NoStorageAccess(_) => Unavailable::Locked,
        Error::BadEncoding(_) | Error::BadDataFormat(..) | Error::Ambiguous(_) => Unavailable::Other,
        _ => Unavailable::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_29_a_store_that_never_answers_is_given_up() {
        let (never, waits) = mpsc::channel::<()>();
        let outcome = within(Duration::from_millis(20), move || waits.recv().map_err(|_| Unavailable::None));
        assert_eq!(outcome, Err(Unavailable::Silent));
        drop(never);
    }

    #[test]
    fn names_of_entries_are_random_and_of_one_form() {
        let id = Id::fresh().unwrap();
        assert_ne!(id, Id::fresh().unwrap());
        assert_eq!(Id::parse(id.as_str()), Some(id));
        for other in ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "../../../etc/pas"] {
            assert_eq!(Id::parse(other), None, "{other}");
        }
    }

    #[test]
    fn trap_29_only_a_store_that_works_can_have_no_entry() {
        let locked = Error::NoStorageAccess("locked".into());
        assert_eq!(reason(&locked), Unavailable::Locked);
        assert_eq!(reason(&Error::NoDefaultStore), Unavailable::None);
        assert_eq!(reason(&Error::BadEncoding(b"canary".to_vec())), Unavailable::Other);
    }
}
