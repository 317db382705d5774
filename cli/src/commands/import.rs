//! `caro import`: hands the commands of a shell's history file to the daemon, in batches, several under way at once.
//! The file is read twice, because commands without a time get theirs from what comes later; it is never held.

use std::{
    env,
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use caro_schema::{
    body::history::Record,
    ipc::{
        Reply, Request,
        history::{Import as Batch, Imported},
    },
};
use clap::Args;

use super::unexpected;
use crate::{
    client::Client,
    error::{Failure, Outcome},
    exit,
    import::{
        Entry, Found, Reader,
        identity::Identities,
        times::{Survey, Times},
    },
    output::{Out, say},
    shell::Shell,
};

/// Take in the history that a shell kept before
///
/// May be repeated as often as you like: a command that was taken in before is known by its content and not taken
/// again. The file is only read.
///
/// Example: caro import zsh ~/.zsh_history
#[derive(Args)]
pub(crate) struct Import {
    /// Which shell wrote it
    #[arg(value_enum)]
    shell: Shell,
    /// Its history file, if it is not in the usual place
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Only read the file and say what is in it
    #[arg(long)]
    dry_run: bool,
    /// The figures as JSON
    #[arg(long)]
    json: bool,
}

/// Records of one batch. Each batch is one transaction: fewer cost more of them, more hold the daemon up for longer.
const BATCH_RECORDS: usize = 5000;

/// Bytes of command text in one batch, far below what a message may have.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Batches under way, so that reading and storing overlap.
const BATCHES_UNDER_WAY: usize = 3;

/// Commands of one file. More is no history that somebody typed, and each different one costs a few bytes of memory.
const COMMANDS_MAX: u64 = 20_000_000;

/// A batch waits for those before it and for the disk.
const BATCH_WITHIN: std::time::Duration = std::time::Duration::from_secs(300);

impl Import {
    pub(crate) fn run(self) -> Outcome {
        let path = match &self.file {
            Some(file) => file.clone(),
            None => usual_file(self.shell)?,
        };
        let source = Source::open(self.shell, &path)?;
        let survey = source.survey()?;
        let mut figures = Figures { read: survey.commands, odd: survey.odd, ..Figures::default() };
        if !self.dry_run {
            say(&format!("reading {}", path.display()));
            let mut sender = Sender::new(Client::open()?);
            source.send(&survey, &mut sender)?;
            sender.finish()?;
            figures.done = sender.done;
        }
        self.tell(&path, &figures)
    }

    fn tell(&self, path: &Path, figures: &Figures) -> Outcome {
        let mut out = Out::new();
        let Figures { read, odd, done: Imported { added, known, deleted } } = figures;
        if self.json {
            out.json(&serde_json::json!({
                "file": path.to_string_lossy(), "dry_run": self.dry_run, "read": read, "odd": odd,
                "added": added, "known": known, "deleted": deleted,
            }))?;
            return out.finish();
        }
        let mut line = format!("{read} commands in {}", path.display());
        if !self.dry_run {
            line += &format!(": {added} new, {known} known");
            let kept_out = read.saturating_sub(added + known + deleted);
            for (count, what) in [
                (*deleted, "were deleted earlier and stay so"),
                (kept_out, "carry a recovery phrase and were left out"),
            ] {
                if count > 0 {
                    line += &format!(", {count} {what}");
                }
            }
        }
        out.line(&line)?;
        if *odd > 0 {
            out.line(&format!("{odd} lines make no sense in a history of {} and were passed over", self.shell.name()))?;
        }
        out.finish()
    }
}

/// What was read and what became of it.
#[derive(Default)]
struct Figures {
    read: u64,
    odd: u64,
    done: Imported,
}

/// A history file as it was when it was opened: what is written meanwhile waits for the next import.
struct Source {
    shell: Shell,
    path: PathBuf,
    bytes: u64,
    written_us: i64,
}

impl Source {
    fn open(shell: Shell, path: &Path) -> Outcome<Self> {
        let meta = std::fs::metadata(path)
            .map_err(|error| Failure::at(path, &error).hint("name the file: caro import SHELL FILE"))?;
        if !meta.is_file() {
            return Err(Failure::new(exit::NO_INPUT, format!("{} is not a file", path.display()))
                .hint("it is read twice; put it into a file first"));
        }
        let written = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let written_us = written.and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or_default();
        Ok(Self { shell, path: path.to_owned(), bytes: meta.len(), written_us })
    }

    fn found(&self) -> Outcome<impl Iterator<Item = Outcome<Found>>> {
        let file = File::open(&self.path).map_err(|error| Failure::at(&self.path, &error))?;
        let reader = Reader::new(self.shell, BufReader::with_capacity(READ_BYTES, file.take(self.bytes)));
        let path = self.path.clone();
        Ok(reader.map(move |found| found.map_err(|error| Failure::at(&path, &error))))
    }

    fn survey(&self) -> Outcome<Survey> {
        let mut survey = Survey::default();
        for found in self.found()? {
            survey.count(&found?);
            if survey.commands > COMMANDS_MAX {
                return Err(Failure::new(exit::DATA, format!("more than {COMMANDS_MAX} commands are no history"))
                    .hint("split the file and import the parts"));
            }
        }
        Ok(survey)
    }

    fn send(&self, survey: &Survey, sender: &mut Sender) -> Outcome {
        let mut times = Times::new(survey, self.written_us);
        let mut identities = Identities::new(self.shell);
        let origin = Origin::here(self.shell);
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for found in self.found()? {
            let Found::Entry(entry) = found? else { continue };
            let (id, start_us) = (identities.next(&entry), times.next(&entry));
            bytes += entry.command.len();
            batch.push(origin.record(entry, id, start_us));
            if batch.len() >= BATCH_RECORDS || bytes >= BATCH_BYTES {
                sender.send(std::mem::take(&mut batch))?;
                bytes = 0;
            }
        }
        if batch.is_empty() { Ok(()) } else { sender.send(batch) }
    }
}

const READ_BYTES: usize = 256 * 1024;

/// What all records of a file have in common.
struct Origin {
    host: String,
    user: String,
    shell: String,
}

impl Origin {
    fn here(shell: Shell) -> Self {
        let user = ["USER", "LOGNAME"].into_iter().find_map(|name| env::var(name).ok()).unwrap_or_default();
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { host, user, shell: shell.name().to_owned() }
    }

    fn record(&self, entry: Entry, id: caro_schema::id::RecordId, start_us: i64) -> Record {
        Record {
            id,
            command: entry.command.into(),
            directory: Vec::new().into(),
            host: self.host.clone(),
            user: self.user.clone(),
            shell: self.shell.clone(),
            session: String::new(),
            start_us,
            duration_us: entry.duration_s.map(|seconds| seconds.saturating_mul(1_000_000)),
            exit: None,
            assistant: None,
        }
    }
}

/// Sends batches and adds up what became of them. A batch is kept until it is answered, because the daemon may be
/// replaced by a newer one in the middle; sending it twice adds nothing.
struct Sender {
    client: Client,
    under_way: Vec<(u64, Batch)>,
    connections_left: u32,
    done: Imported,
}

/// How often the connection may be lost in one import. More is no accident.
const CONNECTIONS_MAX: u32 = 5;

impl Sender {
    fn new(client: Client) -> Self {
        Self { client, under_way: Vec::new(), connections_left: CONNECTIONS_MAX, done: Imported::default() }
    }

    fn send(&mut self, records: Vec<Record>) -> Outcome {
        if self.under_way.len() == BATCHES_UNDER_WAY {
            self.take_answer()?;
        }
        let batch = Batch { records };
        match self.client.send(Request::Import(batch.clone())) {
            Ok(id) => {
                self.under_way.push((id, batch));
                Ok(())
            }
            Err(failure) => {
                self.under_way.push((0, batch));
                self.connect_again(failure)
            }
        }
    }

    fn finish(&mut self) -> Outcome {
        while !self.under_way.is_empty() {
            self.take_answer()?;
        }
        Ok(())
    }

    /// One answer, to whichever batch it belongs.
    fn take_answer(&mut self) -> Outcome {
        loop {
            let answer = self.client.receive(BATCH_WITHIN).and_then(|answer| Ok((answer.id, answer.reply?)));
            match answer {
                Ok((id, Reply::Imported(Imported { added, known, deleted }))) => {
                    self.under_way.retain(|(sent, _)| *sent != id);
                    self.done.added += added;
                    self.done.known += known;
                    self.done.deleted += deleted;
                    return Ok(());
                }
                Ok(_) => return Err(unexpected()),
                Err(failure) => self.connect_again(failure)?,
            }
        }
    }

    /// After a lost connection: a new one, and over it everything that was not answered.
    fn connect_again(&mut self, failure: Failure) -> Outcome {
        let is_lost = matches!(failure.code, exit::UNAVAILABLE | exit::TRY_LATER);
        if !is_lost || self.connections_left == 0 {
            return Err(failure);
        }
        self.connections_left -= 1;
        self.client = Client::open()?;
        for (id, batch) in &mut self.under_way {
            *id = self.client.send(Request::Import(batch.clone()))?;
        }
        Ok(())
    }
}

/// Where a shell keeps its history when nobody said otherwise.
fn usual_file(shell: Shell) -> Outcome<PathBuf> {
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = folder("HOME").ok_or_else(|| Failure::new(exit::STATE, "HOME is not set").hint("name the file"))?;
    let stated = folder("HISTFILE").filter(|path| may_be_of(shell, path));
    let candidates: Vec<PathBuf> = match shell {
        Shell::Bash => stated.into_iter().chain([home.join(".bash_history")]).collect(),
        Shell::Zsh => {
            let own = folder("ZDOTDIR").map(|folder| folder.join(".zsh_history"));
            let usual = [".zhistory", ".zsh_history", ".histfile"].map(|name| home.join(name));
            stated.into_iter().chain(own).chain(usual).collect()
        }
        Shell::Fish => {
            let data = folder("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share"));
            let name = env::var("fish_history").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "fish".into());
            vec![data.join("fish").join(format!("{name}_history"))]
        }
    };
    let names: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
    candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        Failure::new(exit::NO_INPUT, format!("no history of {} in {}", shell.name(), names.join(", ")))
            .hint(format!("name the file: caro import {} FILE", shell.name()))
    })
}

/// `HISTFILE` is meant for the shell that set it, and some people export it.
fn may_be_of(shell: Shell, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let others = ["bash", "zsh", "fish"].into_iter().filter(|other| *other != shell.name());
    others.into_iter().all(|other| !name.contains(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_shells_file_is_not_taken_for_ones_own() {
        assert!(may_be_of(Shell::Bash, Path::new("/h/.bash_history")));
        assert!(may_be_of(Shell::Bash, Path::new("/h/history")));
        assert!(!may_be_of(Shell::Bash, Path::new("/h/.zsh_history")));
        assert!(!may_be_of(Shell::Zsh, Path::new("/h/.bash_history")));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let failure = Source::open(Shell::Bash, Path::new("/")).err().expect("a folder");
        assert_eq!(failure.code, exit::NO_INPUT);
        let failure = Source::open(Shell::Bash, Path::new("/nowhere")).err().expect("nothing");
        assert_eq!(failure.code, exit::NO_INPUT);
    }
}
