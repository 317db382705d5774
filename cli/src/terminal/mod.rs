//! The person's terminal, whatever standard input and output are: asking on it, and leaving it as it was found.

pub(crate) mod ask;
pub(crate) mod editor;
mod guard;
pub(crate) mod secret;

use std::fs::File;

pub(crate) use self::guard::Guard;
use crate::{
    error::{Failure, Outcome, system},
    exit,
};

/// The terminal itself, for reading and writing.
pub(crate) fn open() -> Outcome<File> {
    File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(|error| Failure::new(exit::USAGE, format!("there is no terminal to ask on: {}", system(&error))))
}
