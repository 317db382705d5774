//! What caro wrote itself, as JSON Lines: `caro export jsonl` and `caro history list --json`. A line with an id and a time
//! is the record again, field by field; one that somebody made by hand needs nothing but a command.

use std::io::{self, BufRead};

use caro_schema::{body::history::Assistant, id::RecordId};
use serde::Deserialize;

use super::{About, COMMAND_BYTES_MAX, Entry, Format, Found, Lines, Why, record_of};

/// Bytes of a line: a command may be all escapes, six bytes for one, or stand in it twice, once in hexadecimal.
pub(super) const LINE_BYTES_MAX: usize = 8 * COMMAND_BYTES_MAX;

/// Reads caro's JSON Lines.
pub(super) struct Own;

impl<R: BufRead> Format<R> for Own {
    fn next(&mut self, lines: &mut Lines<R>) -> io::Result<Option<Found>> {
        loop {
            let Some(line) = lines.next()? else { return Ok(None) };
            if line.is_too_long {
                return Ok(Some(line.odd(Why::TooLong).into()));
            }
            if line.bytes.trim_ascii().is_empty() {
                continue;
            }
            return Ok(Some(parse(line.bytes).unwrap_or_else(|why| line.odd(why).into())));
        }
    }
}

/// What a line of JSON says.
pub(super) fn parse(bytes: &[u8]) -> Result<Found, Why> {
    let line: Line = serde_json::from_slice(bytes).map_err(|_| Why::NotJson)?;
    line.found()
}

/// The fields as they are written. Those that later versions add are passed over.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    id: Option<String>,
    command: Option<String>,
    command_hex: Option<String>,
    directory: Option<String>,
    directory_hex: Option<String>,
    host: Option<String>,
    user: Option<String>,
    shell: Option<String>,
    session: Option<String>,
    start_us: Option<i64>,
    duration_us: Option<u64>,
    exit: Option<i32>,
    assistant: Option<By>,
}

/// Who made it, when it was an assistant.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct By {
    prompt: String,
    explanation: String,
    model: String,
    safety: String,
    tags: Vec<String>,
    author: String,
    rule: Option<String>,
}

impl From<By> for Box<Assistant> {
    fn from(By { prompt, explanation, model, safety, tags, author, rule }: By) -> Self {
        Self::new(Assistant { prompt, explanation, model, safety, tags, author, rule })
    }
}

impl Line {
    fn found(self) -> Result<Found, Why> {
        let command = exact(self.command, self.command_hex)?;
        let id = self.id.map(|id| RecordId::from_hex(&id).ok_or(Why::Field)).transpose()?;
        if command.len() > COMMAND_BYTES_MAX {
            return Err(Why::TooLong);
        }
        if command.is_empty() {
            return Err(Why::Field);
        }
        let about = About {
            key: Vec::new(),
            directory: exact(self.directory, self.directory_hex)?,
            host: self.host.unwrap_or_default(),
            user: self.user.unwrap_or_default(),
            shell: self.shell.unwrap_or_default(),
            session: self.session.unwrap_or_default(),
            assistant: self.assistant.map(Into::into),
        };
        Ok(record_of(
            id,
            Entry {
                command,
                start_us: self.start_us,
                duration_us: self.duration_us,
                exit: self.exit,
                about: Some(Box::new(about)),
            },
        ))
    }
}

/// A text, from hexadecimal where it is none.
fn exact(text: Option<String>, hex: Option<String>) -> Result<Vec<u8>, Why> {
    match hex {
        Some(hex) => hex::decode(hex).map_err(|_| Why::Field),
        None => Ok(text.unwrap_or_default().into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        import::{Source, testing},
        output::json,
        testing::{hit, record},
    };

    #[test]
    fn what_a_list_printed_is_the_record_again() {
        let mut record = record("echo \u{1b}[2J");
        record.directory = b"/\xff".to_vec().into();
        record.exit = Some(-1);
        record.duration_us = Some(u64::MAX);
        let by =
            Assistant { tags: vec!["a".into()], author: "one".into(), rule: Some("r".into()), ..Assistant::default() };
        record.assistant = Some(Box::new(by));
        let hit = caro_schema::ipc::history::Hit { record: record.clone(), ..hit("") };
        let found = testing::found(Source::Caro, &json::line(&json::HitJson(&hit)));
        assert!(found == [Found::Record(Box::new(record))]);
    }

    #[test]
    fn a_line_made_by_hand_needs_no_more_than_a_command() {
        let (entries, odd) =
            testing::read_all(Source::Caro, b"{\"command\":\"ls\"}\n\n{\"command\":\"cd\",\"exit\":1}\n");
        assert_eq!((entries.len(), odd), (2, 0));
        assert_eq!(entries[1].exit, Some(1));
    }

    #[test]
    fn trap_44_a_bad_line_is_named_and_the_next_is_read() {
        let file =
            b"{}\n{\"command\":1}\n{\"command\":\"a\",\"id\":\"x\"}\n{\"command_hex\":\"f\"}\n{\n{\"command\":\"ls\"}";
        let odd: Vec<_> = testing::odd(Source::Caro, file).iter().map(|odd| (odd.at, odd.why)).collect();
        let expected = [(1, Why::Field), (2, Why::NotJson), (3, Why::Field), (4, Why::Field), (5, Why::NotJson)];
        assert_eq!(odd, expected);
    }
}
