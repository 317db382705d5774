//! The program `caro`: commands, the screen, importers and the hooks' text. It holds no key and opens no database: it
//! asks the daemon over its socket, and starts one when there is none.
//!
//! A command is in `commands/<name>`, the path of its file being what is typed. What it cannot do it returns as a
//! [`error::Failure`], which becomes words and an exit code in [`main`] alone. No async runtime, so that it starts in a
//! few milliseconds. Text from history goes through [`output`] or [`tui`] and never straight to a terminal.

#![deny(unsafe_code)]

mod client;
mod commands;
mod config;
mod error;
mod exit;
mod export;
#[doc(hidden)]
pub mod fuzzing;
mod import;
mod mcp;
mod output;
mod popup;
mod query;
mod record;
mod safety;
mod session;
mod shell;
mod terminal;
mod tui;
mod whole;

#[cfg(test)]
mod testing;

use std::process::ExitCode;

use clap::Parser;

/// Runs the program with this process's arguments.
pub fn main() -> ExitCode {
    let arguments = commands::Caro::try_parse().unwrap_or_else(|error| commands::without_hidden(error).exit());
    match arguments.run() {
        Ok(()) => ExitCode::from(exit::OK),
        Err(failure) => {
            if !failure.message.is_empty() {
                // Parts of it may come from a relay, a file name or another program.
                output::say(&output::visible::text(failure.to_string().as_bytes()));
            }
            ExitCode::from(failure.code)
        }
    }
}
