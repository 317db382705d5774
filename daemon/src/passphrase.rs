//! `caro-daemon --passphrase`: locks the key with a passphrase, changes it, or takes it away. It holds the daemon's lock
//! meanwhile: a daemon that runs has the key already, and would not know.

use std::{io, process::ExitCode};

use caro_core::vault::at_rest::Passphrase;

use crate::{
    ask, exit, harden,
    keys::{self, KeyError},
    lifecycle::report,
    lock::Lock,
    paths,
    start::StartError,
};

/// Why the passphrase was not changed.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("a daemon runs; end it first: caro daemon stop")]
    Running,
    #[error("the two are not the same; nothing was changed")]
    Different,
    #[error("the passphrase: {0}")]
    Answer(#[from] io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Asks for everything that is needed, changes the passphrase, and says so.
pub fn change() -> ExitCode {
    match change_here() {
        Ok(done) => {
            report(done);
            ExitCode::from(exit::OK)
        }
        Err(Refusal::Start(error)) => {
            report(&error.in_words());
            ExitCode::from(error.exit_code())
        }
        Err(refusal) => {
            report(&refusal.to_string());
            ExitCode::from(exit::FAILURE)
        }
    }
}

fn change_here() -> Result<&'static str, Refusal> {
    harden::close_to_others();
    let places = paths::places().map_err(StartError::from)?;
    paths::private_folder(&places.data).map_err(StartError::from)?;
    let path = places.lock();
    let lock = Lock::take(&path).map_err(|error| StartError::Lock(path, error))?.ok_or(Refusal::Running)?;
    let current = if keys::is_locked(&places.data).map_err(key_error)? { ask_for("current passphrase")? } else { None };
    let new = ask_for_new()?;
    keys::set_passphrase(&places.data, current.as_ref(), new.as_ref()).map_err(key_error)?;
    drop(lock);
    Ok(match new {
        Some(_) => "the key is locked; from now on start with: caro-daemon --detach --unlock",
        None => "the key is not locked",
    })
}

/// What was typed, none when that was nothing.
fn ask_for(question: &str) -> Result<Option<Passphrase>, Refusal> {
    Ok(Passphrase::new(&ask::passphrase(question)?).ok())
}

/// Asked for twice where nobody sees what is typed: a mistake would lock its owner out.
fn ask_for_new() -> Result<Option<Passphrase>, Refusal> {
    let typed = ask::passphrase("new passphrase (empty for none)")?;
    if ask::is_a_person() && *ask::passphrase("the same again")? != *typed {
        return Err(Refusal::Different);
    }
    Ok(Passphrase::new(&typed).ok())
}

fn key_error(error: KeyError) -> Refusal {
    Refusal::Start(StartError::Key(error))
}
