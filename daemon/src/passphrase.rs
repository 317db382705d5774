//! `caro-daemon --passphrase`, behind `caro lock`: locks the key with a passphrase, changes it, or takes it away. It holds the daemon's lock
//! meanwhile: a daemon that runs has the key already, and would not know.

use std::{io, process::ExitCode};

use caro_core::vault::at_rest::Passphrase;

use crate::{
    ask, exit, harden,
    keys::{self, KeyError},
    lifecycle::report,
    paths,
    start::{StartError, take_lock},
};

/// Why the passphrase was not changed.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("a daemon runs; end it first: caro daemon stop")]
    Running,
    #[error("the two are not the same; nothing was changed")]
    Different,
    #[error("an empty passphrase locks nothing; nothing was changed")]
    Empty,
    #[error("the passphrase: {0}")]
    Answer(#[from] io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
}

/// What is to become of the passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Change {
    /// There is to be one: asked for when there is none, and nothing otherwise
    Set,
    /// Another one, or none when the new one is empty
    Change,
    /// None
    Remove,
}

/// Asks for everything that is needed, changes the passphrase, and says so.
pub fn change(change: Change) -> ExitCode {
    match change_here(change) {
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

fn change_here(change: Change) -> Result<&'static str, Refusal> {
    harden::close_to_others();
    let places = paths::places().map_err(StartError::from)?;
    paths::private_folder(&places.data).map_err(StartError::from)?;
    let lock = take_lock(&places.lock(), true)?.ok_or(Refusal::Running)?;
    let is_locked = keys::is_locked(&places.data).map_err(key_error)?;
    match (change, is_locked) {
        (Change::Set, true) => return Ok("the key is locked; to use it again: caro unlock"),
        (Change::Remove, false) => return Ok("the key has no passphrase"),
        _ => {}
    }
    let current = if is_locked { ask_for("current passphrase")? } else { None };
    let new = match change {
        Change::Remove => None,
        Change::Change => ask_for_new("new passphrase (empty for none)")?,
        Change::Set => Some(ask_for_new("new passphrase")?.ok_or(Refusal::Empty)?),
    };
    keys::set_passphrase(&places.data, current.as_ref(), new.as_ref()).map_err(key_error)?;
    drop(lock);
    Ok(match new {
        Some(_) => "the key is locked; to use it again: caro unlock. Without the passphrase nothing opens it",
        None => "the key has no passphrase any more",
    })
}

/// What was typed, none when that was nothing.
fn ask_for(question: &str) -> Result<Option<Passphrase>, Refusal> {
    Ok(Passphrase::new(&ask::passphrase(question)?).ok())
}

/// Asked for twice where nobody sees what is typed: a mistake would lock its owner out.
fn ask_for_new(question: &str) -> Result<Option<Passphrase>, Refusal> {
    let typed = ask::passphrase(question)?;
    if ask::is_a_person() && *ask::passphrase("the same again")? != *typed {
        return Err(Refusal::Different);
    }
    Ok(Passphrase::new(&typed).ok())
}

fn key_error(error: KeyError) -> Refusal {
    Refusal::Start(StartError::Key(error))
}
