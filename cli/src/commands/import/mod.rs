//! `caro import`: hands what shells and tools have kept to the daemon, in batches, several under way at once. Each file is
//! read twice, because commands without a time get theirs from what comes later; it is never held.

mod progress;
mod report;
mod sender;
mod whole;

use std::path::PathBuf;

use caro_schema::{
    body::history::Record,
    id::RecordId,
    ipc::history::{Import as Batch, Imported},
};
use clap::Args;

use self::{
    progress::Progress,
    report::{Figures, Report},
    sender::Sender,
};
use crate::{
    client::Client,
    error::{Failure, Outcome},
    exit,
    import::{
        About, Entry, Found, Input, Source,
        identity::{Counts, Identities},
        source::{Env, Wanted},
        times::{Survey, Times, stated_us},
    },
    output::{Out, say, visible},
};

/// Take in the history that shells and other tools kept before
///
/// May be repeated as often as you like: a command that was taken in before is known by its content and not taken
/// again, one that caro recorded itself is recognised, and one that you deleted stays deleted. The files are only read.
///
/// --all takes in what caro export --all has written, on any machine: history, settings, items and counts. First all of it is
/// looked at: of a folder in which a byte is another than when it was written, nothing is taken.
///
/// Examples: caro import zsh ~/.zsh_history; caro import --all ~/caro-2026
#[derive(Args)]
pub(crate) struct Import {
    /// What wrote it
    #[arg(value_enum, value_name = "SOURCE", default_value = "auto")]
    source: Wanted,
    /// Its files, if they are not in the usual place (can be repeated)
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Everything in a folder that caro export --all has made
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["source", "files"])]
    all: Option<PathBuf>,
    /// With --all: also settings and items that have another value here; otherwise those stay as they are
    #[arg(long, requires = "all")]
    replace: bool,
    /// Only read and say what is there
    #[arg(long)]
    dry_run: bool,
    /// The figures as JSON, one object for each file
    #[arg(long)]
    json: bool,
}

/// Records of one batch. Each batch is one transaction: fewer cost more of them, more hold the daemon up for longer.
const BATCH_RECORDS: usize = 5000;

/// Bytes of text in one batch, far below what a message may have.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Commands of one file. More is no history that somebody typed, and each different one costs a few bytes of memory.
const COMMANDS_MAX: u64 = 20_000_000;

impl Import {
    pub(crate) fn run(self) -> Outcome {
        if let Some(folder) = self.all.clone() {
            return whole::import(&self, &folder);
        }
        let files = self.files()?;
        if let [(source, path)] = &files[..] {
            // Before a daemon is started for a file that cannot be read.
            drop(Input::open(*source, path)?);
        }
        let mut sender = if self.dry_run { None } else { Some(Sender::new(Client::open()?)) };
        let mut out = Out::new();
        let mut failed = None;
        for (source, path) in &files {
            let done = Input::open(*source, path).and_then(|input| self.take(&input, sender.as_mut()));
            match done {
                Ok(report) => report.print(self.json, &mut out)?,
                // One bad file among several keeps none of the others out.
                Err(failure) if files.len() > 1 && is_of_the_file(&failure) => {
                    out.flush()?;
                    say(&failure.to_string());
                    failed = Some(failure.code);
                }
                Err(failure) => return Err(failure),
            }
        }
        out.finish()?;
        match failed {
            Some(code) => Err(Failure::silent(code)),
            None => Ok(()),
        }
    }

    /// What is to be read, in order.
    fn files(&self) -> Outcome<Vec<(Source, PathBuf)>> {
        let var = |name: &str| std::env::var_os(name);
        let env = Env(&var);
        match (self.source, &self.files[..]) {
            (Wanted::Auto, []) => found(&env),
            (Wanted::Auto, [..]) => Err(Failure::new(exit::USAGE, "auto finds the files by itself")
                .hint("say what wrote them: caro import zsh FILE; caro import --help lists the sources")),
            (Wanted::One(source), []) => usual(source, &env),
            (Wanted::One(source), files) => {
                Ok(files.iter().map(|file| (source.resolved(&env), file.clone())).collect())
            }
        }
    }

    fn take(&self, input: &Input, sender: Option<&mut Sender>) -> Outcome<Report> {
        let mut looked = Look::default();
        let mut report = Report::new(input, self.dry_run);
        input.read(&mut |found| {
            report.note_odd(&found);
            looked.at(input.source, &found)
        })?;
        report.figures = Figures { read: looked.survey.commands, odd: looked.survey.odd, ..report.figures };
        if let Some(sender) = sender {
            // What is under way of a file that could not be read to its end is not counted for this one.
            sender.finish()?;
            sender.done = Imported::default();
            let mut progress = Progress::new(input.source.name(), report.figures.read);
            send(input, &looked, sender, &mut progress)?;
            progress.clear();
            report.figures.done = sender.done;
        }
        Ok(report)
    }
}

/// Whether another file may still be read: not when the daemon or the output is what failed.
fn is_of_the_file(failure: &Failure) -> bool {
    matches!(failure.code, exit::NO_INPUT | exit::DATA)
}

fn found(env: &Env<'_>) -> Outcome<Vec<(Source, PathBuf)>> {
    let found = env.found();
    if found.is_empty() {
        return Err(Failure::new(exit::NO_INPUT, "no history of any shell or tool was found")
            .hint("name what wrote it and the file: caro import SOURCE FILE"));
    }
    for (source, path) in &found {
        say(&format!("found {}: {}", source.name(), visible::line(path.as_os_str().as_encoded_bytes())));
    }
    Ok(found)
}

fn usual(source: Source, env: &Env<'_>) -> Outcome<Vec<(Source, PathBuf)>> {
    let files = env.files(source);
    if files.is_empty() {
        let places: Vec<String> = env.places(source).iter().map(|path| path.display().to_string()).collect();
        let message = match places.is_empty() {
            true => format!("there is no usual place for a history of {}", source.name()),
            false => format!("no history of {} in {}", source.name(), places.join(", ")),
        };
        return Err(
            Failure::new(exit::NO_INPUT, message).hint(format!("name the file: caro import {} FILE", source.name()))
        );
    }
    let source = source.resolved(env);
    Ok(files.into_iter().map(|file| (source, file)).collect())
}

/// What the first reading tells.
#[derive(Default)]
struct Look {
    survey: Survey,
    /// Of commands without a time.
    counts: Counts,
}

impl Look {
    fn at(&mut self, source: Source, found: &Found) -> Outcome {
        self.survey.count(found);
        if let Found::Entry(entry) = found
            && stated_us(entry).is_none()
        {
            self.counts.count(source, entry);
        }
        if self.survey.commands > COMMANDS_MAX {
            return Err(Failure::new(exit::DATA, format!("more than {COMMANDS_MAX} commands are no history"))
                .hint("split the file and import the parts"));
        }
        Ok(())
    }
}

/// The second reading.
fn send(input: &Input, looked: &Look, sender: &mut Sender, progress: &mut Progress) -> Outcome {
    let mut times = Times::new(&looked.survey, input.written_us);
    let mut identities = Identities::new(input.source);
    let origin = Origin::here(input.source);
    let mut batch = Filling::default();
    input.read(&mut |found| {
        match found {
            Found::Odd(_) => return Ok(()),
            Found::Record(record) => batch.add(*record, None, true),
            Found::Entry(entry) => {
                let (id, before) = identities.next(&entry);
                let is_timed = stated_us(&entry).is_some();
                let after = (!is_timed).then(|| looked.counts.after(input.source, &entry, before));
                let start_us = times.next(&entry);
                batch.add(origin.record(entry, id, start_us), after, false);
            }
        }
        if batch.is_full() {
            progress.add(batch.len());
            sender.send(std::mem::take(&mut batch).0)?;
        }
        Ok(())
    })?;
    progress.add(batch.len());
    if batch.len() > 0 {
        sender.send(batch.0)?;
    }
    sender.finish()
}

/// A batch that is being filled.
struct Filling(Batch, usize);

impl Default for Filling {
    fn default() -> Self {
        Self(Batch { records: Vec::new(), untimed: Vec::new(), own: false }, 0)
    }
}

impl Filling {
    fn add(&mut self, record: Record, after: Option<u32>, own: bool) {
        let Self(batch, bytes) = self;
        // A batch of caro's own records and of others is taken as others: those are compared with more.
        batch.own = own && (batch.records.is_empty() || batch.own);
        *bytes += record.command.len() + record.directory.len() + record.host.len() + record.session.len();
        *bytes += record.assistant.as_ref().map_or(0, |by| by.prompt.len() + by.explanation.len());
        batch.untimed.extend(after.map(|after| (record.id, after)));
        batch.records.push(record);
    }

    fn len(&self) -> usize {
        self.0.records.len()
    }

    fn is_full(&self) -> bool {
        self.len() >= BATCH_RECORDS || self.1 >= BATCH_BYTES
    }
}

/// What all records of a file have in common, where they do not say otherwise.
struct Origin {
    host: String,
    user: String,
    source: Source,
}

impl Origin {
    fn here(source: Source) -> Self {
        let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default();
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { host, user, source }
    }

    fn record(&self, entry: Entry, id: RecordId, start_us: i64) -> Record {
        let About { key: _, directory, host, user, shell, session, assistant } =
            entry.about.map(|about| *about).unwrap_or_default();
        let or = |stated: String, otherwise: &str| if stated.is_empty() { otherwise.to_owned() } else { stated };
        // Somebody else's host has somebody else's users.
        let user = if host.is_empty() || host == self.host { or(user, &self.user) } else { user };
        Record {
            id,
            command: entry.command.into(),
            directory: directory.into(),
            host: or(host, &self.host),
            user,
            shell: or(shell, self.source.shell()),
            session: session_of(self.source, &session),
            start_us,
            duration_us: entry.duration_us,
            exit: entry.exit,
            assistant,
        }
    }
}

/// A tool's session under the tool's name, so that it is never taken for one of a hook's: those have no colon.
fn session_of(source: Source, session: &str) -> String {
    match (source, session) {
        (_, "") => String::new(),
        (Source::Caro, session) => session.to_owned(),
        (source, session) => format!("{}:{session}", source.name()),
    }
}
