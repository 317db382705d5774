//! A door for the fuzz targets (`chaos/decoders`): what this program reads from others, read as it reads it: files,
//! standard input, what is typed. Nothing else goes through it.

use std::{cell::RefCell, ops::Range, path::Path, rc::Rc};

use caro_schema::{
    id::RecordId,
    ipc::{
        history::{Filter, Hit, Mode, Place, Query},
        items::{CountOf, Item, ItemChange},
    },
};
use jiff::{Timestamp, Zoned, tz::TimeZone};
use serde_json::json;

use crate::{
    commands::{assistant, items::taken, record, recording, script::text, stats::Period},
    config::Config,
    error::Outcome,
    import::{Found, Source, read_bytes},
    mcp, output,
    query::{self, Kind},
    record::{Entry, Writer},
    tui,
    whole::{self, Folder, Whole},
};

/// The names of what can be imported from text. Databases are read by SQLite.
pub fn sources() -> Vec<&'static str> {
    text_sources().map(Source::name).collect()
}

fn text_sources() -> impl Iterator<Item = Source> {
    Source::ALL.into_iter().filter(|source| !matches!(source, Source::Atuin | Source::Histdb | Source::Mcfly))
}

/// The commands of a history file.
///
/// # Panics
/// When nothing has this name.
pub fn import(source: &str, file: &[u8]) -> Vec<Vec<u8>> {
    let source = text_sources().find(|known| known.name() == source).expect("a name of `sources`");
    let mut commands = Vec::new();
    let mut take = |found| {
        commands.extend(match found {
            Found::Entry(entry) => Some(entry.command),
            Found::Record(record) => Some(record.command.into_vec()),
            Found::Odd(_) => None,
        });
        Ok(())
    };
    read_bytes(source, file, &mut take).expect("memory can be read");
    commands
}

/// What of a configuration file cannot be used.
pub fn config(path: &Path) -> Vec<String> {
    Config::read(path, Path::new("/nowhere")).1
}

/// A command that a program made, as it goes into the spool.
pub struct Made {
    /// Its id.
    pub id: RecordId,
    /// The text; none when it is only said how a command ended.
    pub command: Option<String>,
    /// Whether its end comes later.
    pub is_running: bool,
    /// What is written.
    pub bytes: Vec<u8>,
}

/// What `caro record` makes of an object, or why nothing.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn record(object: &[u8]) -> Result<Made, String> {
    let understood = record::understood(object, "assistant").map_err(|failure| failure.message)?;
    Ok(made(&understood.entry))
}

/// The answers of `caro record --lines`, and what it records.
pub fn record_lines(input: &[u8]) -> (Vec<serde_json::Value>, Vec<Made>) {
    let (mut told, mut recorded) = (Vec::new(), Vec::new());
    let take = |line: &[u8]| {
        let understood = record::understood(line, "assistant")?;
        recorded.push(made(&understood.entry));
        Ok(json!({ "ok": true }))
    };
    let tell = |answer: &serde_json::Value| -> Outcome {
        told.push(answer.clone());
        Ok(())
    };
    let done = record::each_line(input, take, tell);
    assert!(done.is_ok(), "memory can be read");
    (told, recorded)
}

/// What an assistant's hook says, as it goes into the spool; none when it is about no command.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn hook(which: usize, said: &[u8]) -> Result<Option<Made>, String> {
    Ok(assistant::heard_of(which, said)?.as_ref().map(made))
}

fn made(entry: &Entry) -> Made {
    let writer = Writer::new(Path::new("/nowhere")).expect("randomness");
    let (id, bytes) = writer.made(entry).expect("randomness");
    Made { id, command: entry.command.clone(), is_running: entry.is_running, bytes }
}

/// What `caro mcp` answers with this configuration, and the questions that it asks of history, with how many commands of
/// each; `hits` is what it finds.
pub fn mcp(input: &[u8], config: &Path, hits: Vec<Hit>) -> (Vec<u8>, Vec<(Query, u32)>) {
    let asked: Rc<RefCell<Vec<(Query, u32)>>> = Rc::default();
    let noted = asked.clone();
    let ask: mcp::Ask = Box::new(move |query, count| {
        noted.borrow_mut().push((query, count));
        Ok(hits.iter().take(count as usize).cloned().collect())
    });
    let mut output = Vec::new();
    let done = mcp::serve(input, &mut output, mcp::Tools::asking(config.to_owned(), ask));
    assert!(done.is_ok(), "memory can be read and written");
    (output, asked.take())
}

/// The aliases that are taken from what a shell prints, and how many lines are left out.
pub fn aliases(text: &str) -> (Vec<(String, String)>, usize) {
    let (kept, left_out) = taken::kept(text);
    (kept, left_out.len())
}

/// What an export of everything holds.
pub struct Export {
    /// Settings and items.
    pub items: Vec<ItemChange>,
    /// What devices have counted.
    pub counts: Vec<CountOf>,
    /// The machine's own configuration.
    pub config: Option<String>,
    /// Where it comes from, for a person.
    pub origin: String,
}

/// Reads an export of everything.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn export(folder: &Path) -> Result<Export, String> {
    let whole = Whole::open(folder).map_err(|failure| failure.message)?;
    let origin = whole.origin();
    let Whole { settings, items, counts, config, .. } = whole;
    Ok(Export { items: [settings, items].concat(), counts, config, origin })
}

/// Writes one with these items, counts and lines of history.
pub fn write_export(folder: &Path, items: &[Item], counts: &[CountOf], history: &[Vec<u8>]) {
    let write = || -> Outcome {
        let mut written = Folder::create(folder)?;
        let (settings, items): (Vec<&Item>, Vec<&Item>) = items.iter().partition(|item| item.category.is_empty());
        let lines = |items: &[&Item]| items.iter().map(|item| whole::item_line(item)).collect();
        for (name, lines) in [
            (whole::SETTINGS, lines(&settings)),
            (whole::ITEMS, lines(&items)),
            (whole::COUNTS, counts.iter().map(whole::count_line).collect()),
            (whole::DEVICES, vec![b"{\"id\":\"aa\"}\n".to_vec()]),
            (whole::HISTORY, history.to_vec()),
        ] {
            let lines: Vec<Vec<u8>> = lines;
            let mut file = written.lines(name)?;
            lines.iter().try_for_each(|line| file.add(line))?;
            written.add(file)?;
        }
        written.add_config("log = \"off\"\n")?;
        written.finish()
    };
    assert!(write().is_ok(), "a folder of our own can be written");
}

/// A query as it was understood.
pub struct Understood {
    /// The text without the filters.
    pub text: String,
    /// What the filters say.
    pub filter: Filter,
    /// The parts that are not text to look for; whether each is a sign rather than a filter.
    pub spans: Vec<(Range<usize>, bool)>,
    /// What could not be understood.
    pub problems: Vec<String>,
}

/// Reads a query as it is typed, at a moment in UTC.
pub fn query(text: &str, mode: Mode, place: &Place) -> Understood {
    let query::Parsed { query_text, filter, spans, problems } = query::parse(text, mode, place, &moment(place.now_us));
    let spans = spans.into_iter().map(|(range, kind)| (range, kind == Kind::Sign)).collect();
    Understood { text: query_text, filter, spans, problems }
}

/// Words for a time, read in each way in which they are read.
pub struct Times {
    /// As a moment, in microseconds since 1970.
    pub moment_us: Option<i64>,
    /// As a period with its beginning and its end.
    pub period: Option<(Option<i64>, Option<i64>)>,
    /// As how long a pause is, in microseconds.
    pub pause_us: Option<i128>,
}

/// Reads words for a time, at a moment in UTC.
pub fn times(text: &str, now_us: i64) -> Times {
    let now = moment(now_us);
    Times {
        moment_us: output::time::parse(text, &now),
        period: text.parse().ok().map(|period: Period| period.bounds(&now)),
        pause_us: recording::period(text).ok().map(|period| period.as_micros()),
    }
}

fn moment(us: i64) -> Zoned {
    Timestamp::from_microsecond(us).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC)
}

/// What a terminal's bytes are read as: how many keys and the like, and what was pasted.
pub fn typed(bytes: &[u8]) -> (usize, Vec<String>) {
    tui::typed(bytes)
}

/// Foreign text as it is shown: on one line, and over several.
pub fn shown(bytes: &[u8]) -> (String, String) {
    (output::visible::line(bytes), output::visible::text(bytes))
}

/// Whether a terminal would obey a character, or show nothing for it.
pub fn is_hidden(letter: char) -> bool {
    output::visible::is_hidden(letter)
}

/// What a script says of itself.
pub struct Script {
    /// What runs it, with one argument.
    pub program: (String, Option<String>),
    /// The names of its variables and what they are when nobody says otherwise; or what is wrong with them.
    pub variables: Result<Vec<(String, Option<String>)>, String>,
    /// What it is for.
    pub about: String,
}

/// Reads what a script says of itself.
pub fn script(script: &[u8]) -> Script {
    let runs = text::interpreter(script);
    let variables = text::variables(script);
    Script {
        program: (runs.program, runs.argument),
        variables: variables.map(|all| all.into_iter().map(|one| (one.name, one.default)).collect()),
        about: text::about(script),
    }
}

/// An assistant's configuration with the hook put in, put in once more, and taken out again; none for what is left alone.
pub fn assistant_file(which: usize, file: &[u8]) -> Option<[Vec<u8>; 3]> {
    assistant::put_in_and_out(which, file)
}
