//! Writes history in the formats of others and in caro's own, such that `caro import` gives it back. Knows records and bytes,
//! nothing of the daemon: `commands/export.rs` asks for the records.
//!
//! The invariant: what was written is read back as it was, as far as the format can say it. A command that a format cannot
//! say is left out and counted ([`Cannot`]), never written as something else.

mod csv;
mod shells;
mod sqlite;
pub(crate) mod target;
#[cfg(test)]
mod tests;
mod xonsh;

use caro_schema::body::history::Record;
use clap::ValueEnum;

pub(crate) use self::sqlite::Database;
use crate::output::json::{self, RecordJson};

/// What can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object a line, with everything that is known
    Jsonl,
    /// A table with a header, with everything that is known
    Csv,
    /// A database, with everything that is known; needs --output
    Sqlite,
    /// bash's history file, with times
    Bash,
    /// zsh's history file, extended
    Zsh,
    /// fish's history file
    Fish,
    /// nushell's text history: no times
    #[value(alias = "nushell")]
    Nu,
    /// A session file of xonsh, JSON
    Xonsh,
    /// PowerShell's ConsoleHost_history.txt: no times
    #[value(alias = "pwsh")]
    Powershell,
}

/// Why a format cannot say a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cannot {
    /// It is not text, and the format is.
    NotText,
    /// It holds a NUL byte, at which the shell would end it.
    Nul,
    /// It has empty lines at its ends, which the format drops.
    EmptyEnds,
    /// A line of it would be read as a time.
    Stamp,
    /// It holds what stands for a new line.
    NewlineMark,
    /// Its last line ends as one that goes on.
    GoesOn,
    /// A line of it ends in a carriage return, which would be taken for a part of the line's end.
    CarriageReturn,
}

impl Cannot {
    /// In words, after a number of commands.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::NotText => "not text",
            Self::Nul => "with a NUL byte",
            Self::EmptyEnds => "with empty lines at the beginning or the end",
            Self::Stamp => "with a line that looks like a time",
            Self::NewlineMark => "with what stands for a new line",
            Self::GoesOn => "with an end that would go on",
            Self::CarriageReturn => "with a carriage return at the end of a line",
        }
    }
}

impl Format {
    /// Whether it can be shown on a terminal: nothing in it is obeyed.
    pub(crate) const fn is_harmless(self) -> bool {
        matches!(self, Self::Jsonl | Self::Csv | Self::Xonsh)
    }

    /// What stands before the first command.
    pub(crate) const fn begin(self) -> &'static [u8] {
        match self {
            Self::Csv => csv::HEADER,
            Self::Xonsh => xonsh::BEGIN,
            _ => b"",
        }
    }

    /// What stands between two commands.
    pub(crate) const fn between(self) -> &'static [u8] {
        match self {
            Self::Xonsh => b",\n",
            _ => b"",
        }
    }

    /// What stands after the last command.
    pub(crate) const fn end(self) -> &'static [u8] {
        match self {
            Self::Xonsh => xonsh::END,
            _ => b"",
        }
    }

    /// Adds a record to the bytes. They are as they were when it cannot be said.
    pub(crate) fn write(self, record: &Record, bytes: &mut Vec<u8>) -> Result<(), Cannot> {
        match self {
            Self::Jsonl => bytes.extend(json::line(&RecordJson(record))),
            Self::Csv => csv::write(record, bytes),
            // Written by [`Database`]; there are no bytes of one record.
            Self::Sqlite => {}
            Self::Bash => return shells::bash(record, bytes),
            Self::Zsh => shells::zsh(record, bytes),
            Self::Fish => return shells::fish(record, bytes),
            Self::Nu => return shells::nu(record, bytes),
            Self::Xonsh => return xonsh::write(record, bytes),
            Self::Powershell => return shells::powershell(record, bytes),
        }
        Ok(())
    }
}
