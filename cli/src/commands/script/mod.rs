//! `caro script`: scripts with a name, on every machine. Made and changed in the person's editor, shown before they run.

mod run;
pub(crate) mod text;

use std::{fs, path::PathBuf};

use caro_schema::{
    ipc::items::ItemsChange,
    items::{Sort, VALUE_BYTES_MAX},
};
use clap::{Args, Subcommand};

use super::items::{
    List, change, change_some,
    kv::{Name, Names, Rename, from_stdin, get},
    new_value, one, rename, take_away, there,
};
use crate::{
    client::{Client, places},
    error::{Failure, Outcome},
    exit,
    output::{counted, say, visible},
    terminal::{
        ask,
        editor::{self, Private},
    },
};

/// Keep scripts under a name, on every machine
///
/// A script runs with the program that its first line names (#!), or with sh. Variables are
/// declared in comments at its beginning and reach it through its environment:
///
///   # caro: var host            where to deploy
///   # caro: var branch = main   what to deploy
///
/// Example: caro script new deploy; caro script run deploy --set host=web-3
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Script {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    New(New),
    /// Change a script in your editor
    Edit(Name),
    /// List the scripts
    List(List),
    /// Print a script
    Show(Name),
    Run(run::Run),
    #[command(alias = "rm")]
    Delete(Delete),
    /// Give a script another name
    Rename(Rename),
}

/// Make a script, in your editor or from a file
///
/// Example: caro script new backup --file ~/bin/backup.sh
#[derive(Args)]
struct New {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// Take it from this file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Take it from standard input
    #[arg(long, conflicts_with = "file")]
    stdin: bool,
}

/// Delete scripts, on every machine
#[derive(Args)]
struct Delete {
    #[command(flatten)]
    names: Names,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

/// What an editor begins with.
const BEGINNING: &[u8] = b"#!/bin/sh\n\n";

impl Script {
    pub(crate) fn run(self) -> Outcome {
        match self.command {
            Verb::New(new) => new.run(),
            Verb::Edit(Name { name }) => edit(&name),
            Verb::List(list) => list.run(Sort::Script, |item| visible::line(text::about(&item.value).as_bytes())),
            Verb::Show(Name { name }) => get(&there(&mut Client::open()?, Sort::Script, &name)?.value),
            Verb::Run(run) => run.run(),
            Verb::Delete(delete) => delete.run(),
            Verb::Rename(Rename { from, to }) => rename(&mut Client::open()?, Sort::Script, &from, &to),
        }
    }
}

impl New {
    fn run(self) -> Outcome {
        // Before anything is written in vain.
        Sort::Script.check_name(&self.name).map_err(|why| {
            Failure::new(
                exit::DATA,
                format!("{} cannot be the name of a script: {why}", visible::line(self.name.as_bytes())),
            )
        })?;
        let mut client = Client::open()?;
        if one(&mut client, Sort::Script, &self.name)?.is_some() {
            return Err(Failure::new(exit::DATA, format!("there is a script {} already", self.name))
                .hint(format!("change it: caro script edit {}", self.name)));
        }
        let (script, private) = match &self.file {
            Some(path) => (from_file(path)?, None),
            None if self.stdin => (from_stdin()?, None),
            None => {
                let private = Private::create(&places()?.runtime, &self.name, BEGINNING)?;
                let script = edited(&private, BEGINNING)?;
                (script, Some(private))
            }
        };
        if script.trim_ascii().is_empty() || (private.is_some() && script == BEGINNING) {
            say("nothing was written, so there is no script");
            return Err(Failure::silent(exit::FAILURE));
        }
        let changes = vec![new_value(Sort::Script, &self.name, script.clone())];
        let request = ItemsChange { changes, only_new: true, ..ItemsChange::default() };
        // The daemon may be another one than before the editor was open.
        let take = || check(&script).and_then(|()| change(&mut Client::open()?, request).map(drop));
        kept_if_refused(take(), private)?;
        say_wrong(&self.name, &script);
        Ok(())
    }
}

fn from_file(path: &std::path::Path) -> Outcome<Vec<u8>> {
    let size = fs::metadata(path).map_err(|error| Failure::at(path, &error))?.len();
    if size > VALUE_BYTES_MAX as u64 {
        return Err(too_large(size));
    }
    fs::read(path).map_err(|error| Failure::at(path, &error))
}

fn too_large(size: u64) -> Failure {
    Failure::new(exit::DATA, format!("the script is {size} bytes, the limit is {VALUE_BYTES_MAX}"))
        .hint("a larger program belongs into a repository; keep a script that fetches it")
}

fn check(script: &[u8]) -> Outcome {
    if script.len() > VALUE_BYTES_MAX { Err(too_large(script.len() as u64)) } else { Ok(()) }
}

/// Changes a script in the editor. What somebody changed meanwhile, on another machine, is not overwritten.
fn edit(name: &str) -> Outcome {
    let mut client = Client::open()?;
    let before = there(&mut client, Sort::Script, name)?.value.into_vec();
    let private = Private::create(&places()?.runtime, name, &before)?;
    let script = edited(&private, &before)?;
    if script == before {
        say("nothing was changed");
        return Ok(());
    }
    kept_if_refused(replace(name, &before, &script), Some(private))?;
    say_wrong(name, &script);
    Ok(())
}

/// Takes what was written. The daemon may be another one than before the editor was open.
fn replace(name: &str, before: &[u8], script: &[u8]) -> Outcome {
    check(script)?;
    let mut client = Client::open()?;
    match one(&mut client, Sort::Script, name)? {
        Some(now) if *now.value == *before => {
            change_some(&mut client, vec![new_value(Sort::Script, name, script.to_vec())]).map(drop)
        }
        _ => Err(Failure::new(exit::TRY_LATER, format!("{name} was changed elsewhere meanwhile, and stays as it is"))),
    }
}

/// What came of the editor. When it failed, the old one stays, and what was saved is kept if it is something new.
fn edited(private: &Private, before: &[u8]) -> Outcome<Vec<u8>> {
    editor::open(private.path()).map_err(|failure| {
        let is_new = private.read().is_ok_and(|now| now != before);
        let lost = if is_new { "; what you saved is gone with it" } else { "" };
        failure.hint(format!("nothing was changed{lost}"))
    })?;
    private.read()
}

/// Leaves what a person wrote where it is when it could not be taken.
fn kept_if_refused(outcome: Outcome, private: Option<Private>) -> Outcome {
    outcome.map_err(|failure| match private {
        Some(private) => {
            let kept = private.keep();
            let hint = if failure.hint.is_empty() { kept } else { format!("{}; {kept}", failure.hint) };
            failure.hint(hint)
        }
        None => failure,
    })
}

/// Says at once what would keep it from running.
fn say_wrong(name: &str, script: &[u8]) {
    if let Err(wrong) = text::variables(script) {
        say(&format!("caution: {name} cannot run so: {}", visible::line(wrong.as_bytes())));
    }
}

impl Delete {
    fn run(self) -> Outcome {
        let mut client = Client::open()?;
        let names = &self.names.names;
        for name in names {
            there(&mut client, Sort::Script, name)?;
        }
        let what = match &names[..] {
            [one] => format!("the script {one}"),
            several => counted(several.len() as u64, "script"),
        };
        if !self.yes && !ask::yes(&format!("Delete {what} on every machine?"), "--yes deletes without asking")? {
            return Err(Failure::cancelled());
        }
        take_away(&mut client, Sort::Script, names)
    }
}
