//! JSON for scripts: one value a line. Names and meanings stay as they are once released; fields may be added.
//!
//! Text that is not UTF-8 stands twice: readable, with U+FFFD for what is not, and exactly, in hexadecimal under the
//! same name with `_hex`. Characters that a terminal would obey are escaped, so that a look at the output is safe.

use std::io;

use caro_schema::{
    body::history::{Assistant, Record},
    ipc::history::Hit,
};
use serde::{
    Serialize,
    ser::{SerializeMap, Serializer},
};
use serde_json::ser::Formatter;

use super::{time, visible::is_hidden};

/// What `--help` says of a record.
pub(crate) const HELP: &str = "One JSON object a line: id, command, directory, host, user, shell, session, start \
(RFC 3339, UTC), start_us (microseconds since 1970), duration_us and exit (null when not known), runs (how often the \
command ran, where each is shown once), matched (ranges of bytes of the command), and assistant where one made it. \
Text that is not UTF-8 is also there exactly, in hexadecimal: command_hex, directory_hex. Fields may be added; none \
changes its meaning.";

/// One line.
pub(crate) fn line<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Escaping);
    // Writing to memory cannot fail, and our values have no keys that are not text.
    if value.serialize(&mut serializer).is_err() {
        bytes.clear();
    }
    bytes.push(b'\n');
    bytes
}

/// Compact, with everything escaped that a terminal would obey.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain_from = 0;
        for (index, letter) in fragment.char_indices() {
            if letter == '\u{7f}' || is_hidden(letter) {
                writer.write_all(&fragment.as_bytes()[plain_from..index])?;
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
                plain_from = index + letter.len_utf8();
            }
        }
        writer.write_all(&fragment.as_bytes()[plain_from..])
    }
}

/// A row of a search as scripts see it: the record, how often it ran, and what matched, as ranges of bytes.
pub(crate) struct HitJson<'a>(pub(crate) &'a Hit);

impl Serialize for HitJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Hit { record, runs, matched } = self.0;
        let mut map = serializer.serialize_map(None)?;
        record_entries(record, &mut map)?;
        map.serialize_entry("runs", runs)?;
        map.serialize_entry("matched", matched)?;
        map.end()
    }
}

/// A record alone, as an export has it.
pub(crate) struct RecordJson<'a>(pub(crate) &'a Record);

impl Serialize for RecordJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        record_entries(self.0, &mut map)?;
        map.end()
    }
}

/// What an assistant said of a command.
pub(crate) struct AssistantJson<'a>(pub(crate) &'a Assistant);

impl Serialize for AssistantJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Assistant { prompt, explanation, model, safety, tags, author, rule } = self.0;
        let about = serde_json::json!({
            "author": author, "prompt": prompt, "explanation": explanation, "model": model, "safety": safety,
            "rule": rule, "tags": tags,
        });
        about.serialize(serializer)
    }
}

fn record_entries<M: SerializeMap>(record: &Record, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry("id", &record.id.hex())?;
    bytes_entry(map, "command", "command_hex", &record.command)?;
    bytes_entry(map, "directory", "directory_hex", &record.directory)?;
    map.serialize_entry("host", &record.host)?;
    map.serialize_entry("user", &record.user)?;
    map.serialize_entry("shell", &record.shell)?;
    map.serialize_entry("session", &record.session)?;
    map.serialize_entry("start", &time::rfc3339(record.start_us))?;
    map.serialize_entry("start_us", &record.start_us)?;
    map.serialize_entry("duration_us", &record.duration_us)?;
    map.serialize_entry("exit", &record.exit)?;
    if let Some(assistant) = &record.assistant {
        map.serialize_entry("assistant", &AssistantJson(assistant))?;
    }
    Ok(())
}

fn bytes_entry<M: SerializeMap>(
    map: &mut M,
    name: &'static str,
    exact: &'static str,
    bytes: &[u8],
) -> Result<(), M::Error> {
    map.serialize_entry(name, &String::from_utf8_lossy(bytes))?;
    if std::str::from_utf8(bytes).is_err() {
        map.serialize_entry(exact, &hex::encode(bytes))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    fn json(record: &Record) -> serde_json::Value {
        let hit = Hit { record: record.clone(), runs: 3, matched: vec![(0, 2)] };
        serde_json::from_slice(&line(&HitJson(&hit))).expect("JSON")
    }

    #[test]
    fn a_record_has_these_fields() {
        let mut plain = record("ls -l");
        plain.exit = Some(2);
        plain.duration_us = Some(1500);
        plain.start_us = 1_700_000_000_000_000;
        let expected = serde_json::json!({
            "id": "07070707070707070707070707070707",
            "command": "ls -l", "directory": "/tmp", "host": "laptop", "user": "ada",
            "shell": "zsh 5.9", "session": "s1",
            "start": "2023-11-14T22:13:20Z", "start_us": 1_700_000_000_000_000_i64,
            "duration_us": 1500, "exit": 2, "runs": 3, "matched": [[0, 2]],
        });
        assert_eq!(json(&plain), expected);
    }

    #[test]
    fn bytes_that_are_no_text_are_there_exactly() {
        let mut odd = record("");
        odd.command = b"a\xffb".to_vec().into();
        let value = json(&odd);
        assert_eq!(value["command"], "a\u{fffd}b");
        assert_eq!(value["command_hex"], "61ff62");
        assert_eq!(value.get("directory_hex"), None);
    }

    #[test]
    fn trap_43_a_line_holds_nothing_that_a_terminal_obeys_and_loses_nothing() {
        let foreign = "\x1b[2J\u{9b}\u{202e}\u{7f}\u{e0041}\n\"\\é";
        let bytes = line(&foreign);
        let text = std::str::from_utf8(&bytes).expect("text").trim_end();
        assert!(!text.chars().any(|letter| letter.is_control() || is_hidden(letter)), "{text:?}");
        assert_eq!(serde_json::from_str::<String>(text).expect("JSON"), foreign);
    }
}
