//! `caro export`: everything in readable form, or in a shell's own. Writes what it reads ([`pages`]), so that a million
//! commands need no memory, and what is recorded or deleted meanwhile disturbs nothing.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
};

use caro_schema::{body::history::Record, ipc::history::Query};
use clap::Args;

use super::{
    filters::{Filters, place},
    history::{
        pages::{self, Reader},
        settle,
    },
};
use crate::{
    client::Client,
    error::{Failure, Outcome},
    exit,
    export::{Cannot, Database, Format, target::Target},
    output::{Out, say},
};

/// Write the history to a file, for keeping, for other programs, or for another shell
///
/// jsonl, csv and sqlite hold everything that is known, and caro import caro takes it in again, unchanged. A shell's own
/// format holds what that shell keeps; a command that it cannot hold is left out and counted.
///
/// --all writes everything that caro keeps into a new folder: history, settings, values, aliases, variables, scripts, counts
/// and what is known of the devices, each in a readable file. caro import --all takes it in again.
///
/// Examples: caro export zsh --output history.zsh --since 2026-01-01; caro export --all ~/caro-2026
#[derive(Args)]
pub(crate) struct Export {
    /// How to write it
    #[arg(value_enum, value_name = "FORMAT", required_unless_present = "all")]
    format: Option<Format>,
    /// Everything, into this folder, which is made. It is nobody else's to read, and no key is in it
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["format", "output", "force", "unique", "Filters"])]
    all: Option<PathBuf>,
    /// Where to; otherwise to standard output. The file is nobody else's to read
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "output")]
    force: bool,
    /// Each different command once, where it ran last
    #[arg(long)]
    unique: bool,
    #[command(flatten)]
    filters: Filters,
}

impl Export {
    pub(crate) fn run(self) -> Outcome {
        if let Some(folder) = &self.all {
            return super::export_all::export(folder);
        }
        // Nothing but --all may stand in its place.
        let Some(format) = self.format else { return Err(Failure::new(exit::USAGE, "no format was named")) };
        let mut sink = self.sink(format)?;
        let query = Query { filter: self.filters.resolve()?, unique: self.unique, place: place(), ..Query::default() };
        let mut client = Client::open()?;
        settle(&mut client)?;
        let mut written = Written::default();
        pages::oldest_first(&mut Reader::of_all(client), query, None, &mut |hit| {
            match sink.add(format, &hit.record, written.count)? {
                Ok(()) => written.count += 1,
                Err(cannot) => *written.left_out.entry(cannot).or_default() += 1,
            }
            Ok(())
        })?;
        sink.finish(format, written.count)?;
        self.tell(&written);
        Ok(())
    }

    fn sink(&self, format: Format) -> Outcome<Sink> {
        let Some(path) = &self.output else {
            let out = Out::new();
            if format == Format::Sqlite {
                return Err(Failure::new(exit::USAGE, "a database cannot be written to standard output")
                    .hint("name a file: --output history.db"));
            }
            if out.is_terminal && !format.is_harmless() {
                return Err(Failure::new(
                    exit::USAGE,
                    "this format is not for a terminal: it would obey what is in history",
                )
                .hint("name a file with --output, or send it to a program; jsonl, csv and xonsh can be looked at"));
            }
            return Ok(Sink::Out(out));
        };
        let (target, file) = Target::create(path, self.force)?;
        if format == Format::Sqlite {
            return Ok(Sink::Database(Database::create(target.written())?, target));
        }
        Ok(Sink::File(BufWriter::with_capacity(BUFFER_BYTES, file), target))
    }

    fn tell(&self, written: &Written) {
        if let Some(path) = &self.output {
            say(&format!("{} commands in {}", written.count, path.display()));
        }
        let left_out: u64 = written.left_out.values().sum();
        if left_out > 0 {
            let whys: Vec<String> =
                written.left_out.iter().map(|(cannot, count)| format!("{count} {}", cannot.words())).collect();
            say(&format!("left out, because the format cannot hold them: {}", whys.join(", ")));
            say("hint: jsonl, csv and sqlite hold everything");
        }
    }
}

/// Large enough that a million commands cost few writes.
const BUFFER_BYTES: usize = 256 * 1024;

/// What became of the records.
#[derive(Default)]
struct Written {
    count: u64,
    left_out: BTreeMap<Cannot, u64>,
}

/// Where the records go.
enum Sink {
    Out(Out),
    File(BufWriter<File>, Target),
    Database(Database, Target),
}

impl Sink {
    fn add(&mut self, format: Format, record: &Record, count: u64) -> Outcome<Result<(), Cannot>> {
        if let Self::Database(database, _) = self {
            return database.add(record).map(Ok);
        }
        let mut bytes = if count == 0 { format.begin() } else { format.between() }.to_vec();
        if let Err(cannot) = format.write(record, &mut bytes) {
            return Ok(Err(cannot));
        }
        self.bytes(&bytes).map(Ok)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Outcome {
        match self {
            Self::Out(out) => out.bytes(bytes),
            Self::File(file, target) => file.write_all(bytes).map_err(|error| Failure::at(target.written(), &error)),
            Self::Database(..) => Ok(()),
        }
    }

    fn finish(mut self, format: Format, count: u64) -> Outcome {
        if count == 0 {
            self.bytes(format.begin())?;
        }
        self.bytes(format.end())?;
        match self {
            Self::Out(out) => out.finish(),
            Self::File(mut file, target) => {
                file.flush().map_err(|error| Failure::at(target.written(), &error))?;
                target.finish()
            }
            Self::Database(database, target) => {
                database.finish()?;
                target.finish()
            }
        }
    }
}
