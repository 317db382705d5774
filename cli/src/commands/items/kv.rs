//! `caro kv`: keys with values, for scripts and for whatever a person likes. A value is bytes, and comes back as it went in.

use std::io::Read;

use caro_schema::items::{Sort, VALUE_BYTES_MAX};
use clap::{Args, Subcommand};

use super::{List, change_some, new_value, rename, take_away, there};
use crate::{
    client::Client,
    error::{Failure, Outcome},
    exit,
    output::{Out, visible},
};

/// Keep values under keys, on every machine
///
/// What you set on one machine is there on the others, if they sync. Of two values that were set without knowing of each other
/// the later one holds.
///
/// Example: caro kv set deploy.host web-3; ssh "$(caro kv get deploy.host)"
#[derive(Args)]
pub(crate) struct Kv {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Set(Set),
    Get(Get),
    /// List the keys with their values
    List(List),
    /// Take keys away
    #[command(alias = "rm")]
    Delete(Names),
    /// Give a key another name
    Rename(Rename),
}

/// Give a key a value
///
/// Without a value it is read from standard input, to its end, byte by byte: nothing is added and nothing left out.
#[derive(Args)]
struct Set {
    /// The key
    #[arg(value_name = "KEY")]
    key: String,
    /// Its value; otherwise what is on standard input
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    value: Option<String>,
}

/// Print the value of a key, exactly as it was set
///
/// No line end is added. To a terminal, what it would obey is shown instead.
#[derive(Args)]
struct Get {
    /// The key
    #[arg(value_name = "KEY")]
    key: String,
}

/// Which one.
#[derive(Args)]
pub(in crate::commands) struct Name {
    /// Its name
    #[arg(value_name = "NAME")]
    pub(in crate::commands) name: String,
}

/// Which ones.
#[derive(Args)]
pub(in crate::commands) struct Names {
    /// Their names
    #[arg(value_name = "NAME", required = true)]
    pub(in crate::commands) names: Vec<String>,
}

/// Another name.
#[derive(Args)]
pub(in crate::commands) struct Rename {
    /// What it is called
    #[arg(value_name = "NAME")]
    pub(in crate::commands) from: String,
    /// What it is to be called
    #[arg(value_name = "NEW")]
    pub(in crate::commands) to: String,
}

impl Kv {
    pub(crate) fn run(self) -> Outcome {
        match self.command {
            Verb::Set(Set { key, value }) => {
                let value = match value {
                    Some(value) => value.into_bytes(),
                    None => from_stdin()?,
                };
                change_some(&mut Client::open()?, vec![new_value(Sort::Value, &key, value)]).map(drop)
            }
            Verb::Get(Get { key }) => get(&there(&mut Client::open()?, Sort::Value, &key)?.value),
            Verb::List(list) => list.run(Sort::Value, |item| visible::line(&item.value)),
            Verb::Delete(Names { names }) => take_away(&mut Client::open()?, Sort::Value, &names),
            Verb::Rename(Rename { from, to }) => rename(&mut Client::open()?, Sort::Value, &from, &to),
        }
    }
}

/// Prints a value: to a program byte by byte, to a terminal harmless.
pub(in crate::commands) fn get(value: &[u8]) -> Outcome {
    let mut out = Out::new();
    if out.is_terminal {
        for line in value.split(|byte| *byte == b'\n') {
            out.line(&visible::line(line))?;
        }
    } else {
        out.bytes(value)?;
    }
    out.finish()
}

/// Everything on standard input, if it is not more than a value may be. A person at a terminal is not waited for.
pub(in crate::commands) fn from_stdin() -> Outcome<Vec<u8>> {
    use std::io::IsTerminal;
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(Failure::new(exit::USAGE, "there is no value").hint("give one, or send it to standard input"));
    }
    let mut value = Vec::new();
    let limit = VALUE_BYTES_MAX as u64 + 1;
    stdin.lock().take(limit).read_to_end(&mut value).map_err(|error| Failure::at("standard input".as_ref(), &error))?;
    if value.len() > VALUE_BYTES_MAX {
        return Err(Failure::new(exit::DATA, format!("what is on standard input is over {VALUE_BYTES_MAX} bytes"))
            .hint("a larger value is a file: keep its path or address"));
    }
    Ok(value)
}
