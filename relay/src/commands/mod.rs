//! The commands: the path of each is the path of its file. What they have in common is here: where the configuration comes
//! from, and how something is said.

pub(crate) mod account;
pub(crate) mod backup;
pub(crate) mod config;
pub(crate) mod key;
pub(crate) mod reload;
pub(crate) mod renew;
pub(crate) mod restore;
pub(crate) mod serve;
pub(crate) mod token;
pub(crate) mod verify;

use std::{
    io::{self, IsTerminal, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use caro_relay::{
    admin::{
        Answer, Ask,
        ask::{AskingError, ask},
    },
    config::{Config, ConfigError, Loaded, Overrides},
};
use clap::Args;

/// What a command comes to.
pub(crate) type Outcome = anyhow::Result<ExitCode>;

/// Where a relay's files are.
#[derive(Args, Clone, Default)]
pub(crate) struct Place {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The folder for keys, certificate and database
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// A PostgreSQL server that several relays share, as postgres://user@host:port/database, in place of the database in the
    /// folder
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) storage: Option<String>,
}

/// What `serve` takes beside the place.
#[derive(Args, Clone, Default)]
pub(crate) struct Serving {
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Speak WebSocket without TLS, behind a proxy that adds it
    #[arg(long)]
    pub(crate) plain: bool,
    /// The host that devices are told to connect to
    #[arg(long, value_name = "HOST")]
    pub(crate) public_host: Option<String>,
}

impl Place {
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        Ok(self.load_with(Serving::default())?.config)
    }

    pub(crate) fn load_with(&self, serving: Serving) -> Result<Loaded, ConfigError> {
        let Serving { listen, plain, public_host } = serving;
        let (config, data, storage) = (self.config.clone(), self.data.clone(), self.storage.clone());
        // A variable that is not Unicode is not one of ours.
        let environment =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Loaded::read(Overrides { config, listen, data, storage, plain, public_host }, environment)
    }

    /// Asks the relay of this folder, or does it in its place.
    pub(crate) fn ask(&self, question: Ask) -> anyhow::Result<Answer> {
        Ok(ask(&self.load()?, question)?)
    }
}

/// What is only done with a database in the relay's folder.
pub(crate) fn in_folder(config: &Config) -> anyhow::Result<()> {
    let elsewhere = "the database is in a PostgreSQL server, which has tools of its own for this: pg_dump or pg_basebackup, \
                     and caro-relay renew after bringing one back; the keys are two files in the relay's folder";
    anyhow::ensure!(config.storage.is_none(), elsewhere);
    Ok(())
}

/// The relay gave another answer than one to the question.
pub(crate) fn out_of_turn() -> anyhow::Error {
    AskingError::Told(
        "the relay that runs gave an answer to another question; is it of another version?".to_owned(),
        None,
    )
    .into()
}

pub(crate) fn print(line: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("standard output")
}

pub(crate) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string(value)?)
}

/// Prints a list, a line each; when nothing is in it that is said to a person.
pub(crate) fn print_list<T: serde::Serialize>(
    rows: &[T],
    json: bool,
    line: impl Fn(&T) -> String,
    nothing: &str,
) -> anyhow::Result<ExitCode> {
    for row in rows {
        if json {
            print_json(row)?;
        } else {
            print(&line(row))?;
        }
    }
    if rows.is_empty() && !json {
        say(nothing);
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn say(line: &str) {
    // Without standard error there is nobody to tell.
    drop(writeln!(io::stderr(), "{line}"));
}

/// Asks before something that cannot be undone. Without a terminal nobody can answer.
pub(crate) fn confirm(question: &str, yes: bool) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    anyhow::ensure!(
        io::stdin().is_terminal() && io::stderr().is_terminal(),
        "this cannot be undone, and without a terminal nobody can be asked: --yes does it"
    );
    drop(write!(io::stderr(), "{question} [y/N] "));
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// Bytes as people read them.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(size, _)| count >= *size) {
        Some((size, unit)) => format!("{:.1} {unit}", count as f64 / *size as f64),
        None => format!("{count} B"),
    }
}

/// Bytes as people write them: a number, or a number and K, M, G or T.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong = || "a number of bytes, or one with K, M, G or T behind it".to_owned();
    let text = text.trim().trim_end_matches("iB").trim_end_matches('B');
    let (digits, shift) = match text.char_indices().next_back() {
        Some((at, unit)) if unit.is_ascii_alphabetic() => {
            let shift = match unit.to_ascii_uppercase() {
                'K' => 10,
                'M' => 20,
                'G' => 30,
                'T' => 40,
                _ => return Err(wrong()),
            };
            (&text[..at], shift)
        }
        _ => (text, 0),
    };
    let number: u64 = digits.trim().parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// A time from now as people write it: a number and s, m, h, d or w.
pub(crate) fn parse_span(text: &str) -> Result<u64, String> {
    let wrong = || "a number with s, m, h, d or w behind it, as in 7d".to_owned();
    let (at, unit) = text.char_indices().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..at].parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_as_people_write_and_read_them() {
        for (text, count) in
            [("0", 0), ("512", 512), ("2K", 2048), ("1 GiB", 1 << 30), ("3m", 3 << 20), ("1T", 1 << 40)]
        {
            assert_eq!(parse_bytes(text), Ok(count), "{text}");
        }
        for text in ["", "x", "-1", "1X", "99999999T"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
        for (text, count) in [("90s", 90), ("1h", 3_600), ("7d", 604_800), ("2w", 1_209_600)] {
            assert_eq!(parse_span(text), Ok(count), "{text}");
        }
        for text in ["", "7", "d", "1y", "-1d"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
        assert_eq!((bytes(1023), bytes(1536).as_str()), ("1023 B".to_owned(), "1.5 KiB"));
    }
}
