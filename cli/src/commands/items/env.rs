//! `caro env`: variables of the environment, in every shell of every machine. The hook reads them at a shell's start from a
//! file that the daemon keeps.

use caro_schema::items::Sort;
use clap::{Args, Subcommand};

use super::{
    List, change_some,
    kv::{Name, Names, Rename, from_stdin, get},
    new_value, rename, say_when, take_away, there,
};
use crate::{client::Client, error::Outcome, output::visible};

/// Keep variables of the environment, in every shell of every machine
///
/// Every shell that has the hook (caro init) has them from its next start on. A value is text: nothing in it is replaced or
/// run. Variables that a shell goes by itself, such as PS1 or IFS, cannot be kept.
///
/// Example: caro env set EDITOR nvim
#[derive(Args)]
pub(crate) struct Env {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Set(Set),
    /// Print the value of a variable, exactly as it was set
    Get(Name),
    /// List the variables
    List(List),
    /// Take variables away
    #[command(alias = "rm")]
    Delete(Names),
    /// Give a variable another name
    Rename(Rename),
}

/// Give a variable a value
///
/// Without a value it is read from standard input, without the line end at its end: so it is in no list of processes and in
/// no history.
#[derive(Args)]
struct Set {
    /// Its name, or name=value
    #[arg(value_name = "NAME")]
    name: String,
    /// Its value; otherwise what is on standard input
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    value: Option<String>,
}

impl Env {
    pub(crate) fn run(self) -> Outcome {
        match self.command {
            Verb::Set(set) => set.run(),
            Verb::Get(Name { name }) => get(&there(&mut Client::open()?, Sort::Variable, &name)?.value),
            Verb::List(list) => list.run(Sort::Variable, |item| visible::line(&item.value)),
            Verb::Delete(Names { names }) => take_away(&mut Client::open()?, Sort::Variable, &names),
            Verb::Rename(Rename { from, to }) => rename(&mut Client::open()?, Sort::Variable, &from, &to),
        }
    }
}

impl Set {
    fn run(self) -> Outcome {
        let (name, value) = match (self.name.split_once('='), self.value) {
            // As `export` and `env` take it.
            (Some((name, value)), None) => (name.to_owned(), value.as_bytes().to_vec()),
            (_, Some(value)) => (self.name, value.into_bytes()),
            (None, None) => {
                let mut value = from_stdin()?;
                value.pop_if(|last| *last == b'\n');
                (self.name, value)
            }
        };
        say_when(&change_some(&mut Client::open()?, vec![new_value(Sort::Variable, &name, value)])?);
        Ok(())
    }
}
