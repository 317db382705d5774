//! `caro record`: takes commands that a program made, as JSON, one or many, and answers each in a line.
//!
//! What a field may be is in `fields`. A line that cannot be understood is answered and the next one is read; only a
//! single command ends the program with a status.

mod fields;

use std::{
    io::{BufRead, IsTerminal, Read},
    time::Duration,
};

use caro_schema::{
    id::RecordId,
    ipc::{
        Reply, Request,
        history::{Filter, Query, Window},
    },
};
use clap::Args;
use serde_json::{Value, json};

use super::unexpected;
use crate::{
    client::{Client, is_absent, places, start_in_background},
    error::{Failure, Outcome},
    exit,
    output::Out,
    query::folders,
    record::{Entry, Writer},
};

/// Record a command that a program made, with what it says of it
///
/// Reads one JSON object from standard input. "command" is needed; the rest may be there: "cwd", "exit", "duration_ms",
/// "start" (RFC 3339, or microseconds since 1970), "author", "model", "prompt", "explanation", "safety" (safe, moderate,
/// high, critical), "tags", "session", "shell", "running" (true: the end comes later) and "key" (a name for the command:
/// who gives it again says how it ended).
///
/// Without "safety" caro works the level out by its own rules, which is a help and no promise. Patterns, pauses and
/// secrets count as for what is typed. Nothing is run.
///
/// Example: echo '{"command":"make test","exit":0,"author":"my-agent"}' | caro record
#[derive(Args)]
pub(crate) struct Record {
    /// Go on reading: one object in each line, one answer for each, until the input ends
    #[arg(long)]
    lines: bool,
    /// Wait until the daemon has taken it in, and say whether the rules of recording let it through
    #[arg(long)]
    wait: bool,
    /// Who made the commands that do not say it
    #[arg(long, value_name = "NAME", default_value = "assistant")]
    author: String,
}

/// Bytes of one object. A command of a megabyte may be all escapes.
const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long to wait for the daemon to look a record up.
const LOOK_WITHIN: Duration = Duration::from_secs(60);

impl Record {
    pub(crate) fn run(self) -> Outcome {
        let places = places()?;
        let input = std::io::stdin().lock();
        if input.is_terminal() {
            return Err(Failure::new(exit::USAGE, "commands are read from standard input, as JSON")
                .hint(r#"echo '{"command":"ls"}' | caro record; see caro record --help"#));
        }
        let writer =
            Writer::new(&places.spool).map_err(|_| Failure::new(exit::INTERNAL, "the system gives no random bytes"))?;
        // What is written waits in the spool for as long as there is none.
        if !self.wait && is_absent(&places) {
            start_in_background();
        }
        if self.lines { self.many(input, &writer) } else { self.one(input, &writer) }
    }

    fn one(&self, input: impl Read, writer: &Writer) -> Outcome {
        let mut bytes = Vec::new();
        input
            .take(LINE_BYTES_MAX as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::at("standard input".as_ref(), &error))?;
        if bytes.len() > LINE_BYTES_MAX {
            return Err(Failure::new(exit::DATA, too_long()));
        }
        let told = self.take(&bytes, writer)?;
        let mut out = Out::new();
        out.json(&told)?;
        out.finish()
    }

    fn many(&self, input: impl BufRead, writer: &Writer) -> Outcome {
        let mut out = Out::new();
        each_line(
            input,
            |bytes| self.take(bytes, writer),
            |told| {
                out.json(told)?;
                out.flush()
            },
        )?;
        out.finish()
    }

    /// Takes one command, and says what became of it.
    fn take(&self, bytes: &[u8], writer: &Writer) -> Outcome<Value> {
        let Understood { entry, cut, ignored } = understood(bytes, &self.author)?;
        let id = writer.write(&entry).map_err(|error| {
            let failure = Failure::at("the spool".as_ref(), &error);
            Failure { code: exit::CANNOT_CREATE, ..failure }
        })?;
        let mut told = json!({ "ok": true, "id": id.hex() });
        add_safety(&mut told, &entry);
        for (name, list) in [("cut", cut.iter().map(|name| (*name).to_owned()).collect()), ("ignored", ignored)] {
            let list: Vec<String> = list;
            if !list.is_empty() {
                told[name] = json!(list);
            }
        }
        if self.wait {
            told["recorded"] = json!(is_recorded(id)?);
        }
        Ok(told)
    }
}

/// A command as it is recorded.
pub(crate) struct Understood {
    pub(crate) entry: Entry,
    /// What of it was cut.
    cut: Vec<&'static str>,
    /// Names of fields that mean nothing here.
    ignored: Vec<String>,
}

/// Reads one object. `author` is who made it when it does not say so.
pub(crate) fn understood(bytes: &[u8], author: &str) -> Outcome<Understood> {
    let fields::Given { mut entry, ignored } =
        fields::read(bytes).map_err(|why| Failure::new(exit::DATA, why).hint("see: caro record --help"))?;
    if entry.assistant.author.is_empty() {
        author.clone_into(&mut entry.assistant.author);
    }
    if entry.directory.is_empty() {
        let here = folders::here().unwrap_or_default();
        entry.directory = here.to_string_lossy().into_owned();
    }
    let cut = entry.cut();
    entry.judge();
    Ok(Understood { entry, cut, ignored })
}

/// Answers every line that is not blank, whatever is in it, until the input ends.
pub(crate) fn each_line(
    mut input: impl BufRead,
    mut take: impl FnMut(&[u8]) -> Outcome<Value>,
    mut tell: impl FnMut(&Value) -> Outcome,
) -> Outcome {
    loop {
        let told = match line(&mut input).map_err(|error| Failure::at("standard input".as_ref(), &error))? {
            Line::End => return Ok(()),
            Line::Blank => continue,
            Line::TooLong => json!({ "ok": false, "error": too_long() }),
            Line::Read(bytes) => take(&bytes).unwrap_or_else(|failure| {
                json!({ "ok": false, "error": failure.message, "later": failure.code == exit::CANNOT_CREATE })
            }),
        };
        tell(&told)?;
    }
}

fn add_safety(told: &mut Value, entry: &Entry) {
    let assistant = &entry.assistant;
    if !assistant.safety.is_empty() {
        told["safety"] = json!(assistant.safety);
        if let Some(rule) = assistant.rule.as_ref().filter(|rule| !rule.is_empty()) {
            told["rule"] = json!(rule);
        }
    }
}

fn too_long() -> String {
    format!("an object is at most {LINE_BYTES_MAX} bytes")
}

/// Whether a record is in history, once everything in the spool has been looked at.
fn is_recorded(id: RecordId) -> Outcome<bool> {
    let mut client = Client::open()?;
    client.ask_within(Request::Flush, LOOK_WITHIN)?;
    let filter = Filter { ids: Some(vec![id]), ..Filter::default() };
    let query = Box::new(Query { filter, ..Query::default() });
    match client.ask(Request::Search { query, window: Window { offset: 0, limit: 1 } })? {
        Reply::Hits(hits) => Ok(hits.total > 0),
        _ => Err(unexpected()),
    }
}

enum Line {
    End,
    Blank,
    TooLong,
    Read(Vec<u8>),
}

/// Reads a line. What is too long is passed over, however long it is, in no more memory than a line may have.
fn line(input: &mut impl BufRead) -> std::io::Result<Line> {
    let mut bytes = Vec::new();
    input.take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(Line::End);
    }
    if bytes.len() > LINE_BYTES_MAX && bytes.last() != Some(&b'\n') {
        input.skip_until(b'\n')?;
        return Ok(Line::TooLong);
    }
    Ok(if bytes.trim_ascii().is_empty() { Line::Blank } else { Line::Read(bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_too_long_is_passed_over_and_the_next_is_read() {
        let text = format!("{}\n\n{{}}\nlast", "x".repeat(LINE_BYTES_MAX + 5));
        let mut input = text.as_bytes();
        let mut seen = Vec::new();
        loop {
            seen.push(match line(&mut input).expect("read") {
                Line::End => break,
                Line::Blank => "blank".to_owned(),
                Line::TooLong => "long".to_owned(),
                Line::Read(bytes) => String::from_utf8(bytes).expect("text").trim().to_owned(),
            });
        }
        assert_eq!(seen, ["long", "blank", "{}", "last"]);
    }
}
