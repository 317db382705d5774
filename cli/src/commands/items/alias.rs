//! `caro alias`: short names for commands, in every shell of every machine. The hook reads them at a shell's start from a
//! file that the daemon keeps.

use std::io::Read;

use caro_schema::{
    ipc::items::{ItemChange, ItemsChange},
    items::Sort,
};
use clap::{Args, Subcommand};

use super::{
    List, change, change_some,
    kv::{Name, Names, Rename},
    new_value, rename, say_when, take_away,
    taken::{self, LeftOut},
    there,
};
use crate::{
    client::Client,
    error::{Failure, Outcome},
    exit,
    output::{Out, counted, say, visible},
};

/// Keep aliases, in every shell of every machine
///
/// bash, zsh, fish and xonsh have them from their next start on, if they have the hook (caro init). An alias is
/// text: it is run when you use it, and never before.
///
/// Example: caro alias set ll 'ls -l --human-readable'
#[derive(Args)]
pub(crate) struct Alias {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Set(Set),
    /// Print the command of an alias
    #[command(alias = "show")]
    Get(Name),
    /// List the aliases
    List(List),
    /// Take aliases away
    #[command(alias = "rm")]
    Delete(Names),
    /// Give an alias another name
    Rename(Rename),
    Import(Import),
}

/// Give an alias a command
///
/// Example: caro alias set gs git status --short
#[derive(Args)]
struct Set {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// The command: one text, or several words that are put together with blanks
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Take in what a shell's own alias command prints
///
/// From standard input, as bash, zsh and fish print it. An alias that is there already stays as it is, unless --replace is
/// given.
///
/// Example: alias | caro alias import
#[derive(Args)]
struct Import {
    /// Also those that are there already with another command
    #[arg(long)]
    replace: bool,
    /// Only say what would be taken
    #[arg(long)]
    dry_run: bool,
}

impl Alias {
    pub(crate) fn run(self) -> Outcome {
        match self.command {
            Verb::Set(Set { name, command }) => {
                let value = command.join(" ").into_bytes();
                say_when(&change_some(&mut Client::open()?, vec![new_value(Sort::Alias, &name, value)])?);
                Ok(())
            }
            Verb::Get(Name { name }) => {
                let item = there(&mut Client::open()?, Sort::Alias, &name)?;
                let mut out = Out::new();
                out.line(&visible::line(&item.value))?;
                out.finish()
            }
            Verb::List(list) => list.run(Sort::Alias, |item| visible::line(&item.value)),
            Verb::Delete(Names { names }) => take_away(&mut Client::open()?, Sort::Alias, &names),
            Verb::Rename(Rename { from, to }) => rename(&mut Client::open()?, Sort::Alias, &from, &to),
            Verb::Import(import) => import.run(),
        }
    }
}

/// Bytes of what a shell prints of its aliases.
const INPUT_BYTES_MAX: u64 = 4 * 1024 * 1024;

impl Import {
    fn run(self) -> Outcome {
        let mut text = Vec::new();
        let stdin = std::io::stdin().lock();
        stdin
            .take(INPUT_BYTES_MAX + 1)
            .read_to_end(&mut text)
            .map_err(|error| Failure::at("standard input".as_ref(), &error))?;
        if text.len() as u64 > INPUT_BYTES_MAX {
            return Err(Failure::new(exit::DATA, "that is too much for a list of aliases"));
        }
        let text = String::from_utf8(text)
            .map_err(|_| Failure::new(exit::DATA, "what is on standard input is not text in UTF-8"))?;
        let (taken, left_out) = taken::kept(&text);
        for left in left_out {
            match left {
                LeftOut::Unfit(name, why) => say(&format!("left out {}: {why}", visible::line(name.as_bytes()))),
                LeftOut::NoAlias(line) => {
                    say(&format!("left out, because it is no alias: {}", visible::line(line.as_bytes())));
                }
            }
        }
        let new = |(name, command): (String, String)| new_value(Sort::Alias, &name, command.into_bytes());
        let changes: Vec<ItemChange> = taken.into_iter().map(new).collect();
        if changes.is_empty() {
            return Err(Failure::new(exit::DATA, "there is no alias on standard input")
                .hint("in your shell: alias | caro alias import"));
        }
        if self.dry_run {
            let mut out = Out::new();
            for ItemChange { key, value, .. } in &changes {
                let command = visible::line(value.as_deref().map(Vec::as_slice).unwrap_or_default());
                out.line(&format!("{}  {command}", visible::line(key.as_bytes())))?;
            }
            return out.finish();
        }
        let request = ItemsChange { changes, keep_known: !self.replace, ..ItemsChange::default() };
        let changed = change(&mut Client::open()?, request)?;
        let mut words =
            format!("{} taken, {} known", counted(changed.changed, "alias").replace("aliass", "aliases"), changed.same);
        if changed.kept > 0 {
            words += &format!(", {} left as they are (--replace takes them too)", changed.kept);
        }
        say(&words);
        say_when(&changed);
        Ok(())
    }
}
