//! xonsh's JSON: one file a session, `{"data": {"sessionid": …, "cmds": [{"inp", "rtn", "ts": [start, end], "cwd"}]}}`, times
//! in seconds. The commands are taken one by one as they are read; the file is read twice, because the session's id may
//! come behind them.

use std::{
    fmt,
    io::{self, BufRead},
};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{About, COMMAND_BYTES_MAX, Entry, Found, Input, Odd, Taker, Why, json};
use crate::error::{Failure, Outcome};

/// Bytes of one session's file. A larger one would let a single text in it take all memory; the commands of a whole life
/// fit into a hundredth.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Reads a session's file.
pub(super) fn read(input: &Input, take: Taker<'_>) -> Outcome {
    if input.bytes > FILE_BYTES_MAX {
        return take(Odd::new(0, Why::TooLong, &[]).into());
    }
    let session = session(input.reader()?);
    commands(input.reader()?, &session, take).map_err(|error| Failure::at(&input.path, &error))?
}

/// The same for bytes that are in memory already.
pub(super) fn read_bytes(bytes: &[u8], take: Taker<'_>) -> io::Result<Outcome> {
    commands(bytes, &session(bytes), take)
}

/// The session's id; empty when the file has none.
fn session(reader: impl BufRead) -> String {
    let mut session = String::new();
    let walk = Walk { session: Some(&mut session), command: &mut |_, _| true };
    // What is wrong with the file is said when its commands are read.
    let _is_whole = walk.deserialize(&mut serde_json::Deserializer::from_reader(reader)).is_ok();
    session
}

fn commands(reader: impl BufRead, session: &str, take: Taker<'_>) -> io::Result<Outcome> {
    let mut outcome = Ok(());
    let mut count = 0;
    let mut command = |at: u64, value: Value| {
        count = at;
        let found = match entry(&value, session) {
            Ok(None) => return true,
            Ok(Some(entry)) => Found::Entry(entry),
            Err(why) => Odd::new(at, why, &[]).into(),
        };
        outcome = take(found);
        outcome.is_ok()
    };
    let walk = Walk { session: None, command: &mut command };
    let walked = walk.deserialize(&mut serde_json::Deserializer::from_reader(reader));
    match walked {
        _ if outcome.is_err() => Ok(outcome),
        Err(error) if error.is_io() => Err(error.into()),
        // A session that has not written anything yet.
        Err(error) if error.is_eof() && error.line() <= 1 && error.column() == 0 => Ok(Ok(())),
        Err(_) => Ok(take(Odd::new(count + 1, Why::NotJson, &[]).into())),
        Ok(()) => Ok(Ok(())),
    }
}

fn entry(value: &Value, session: &str) -> Result<Option<Entry>, Why> {
    let text = value.get("inp").and_then(Value::as_str).ok_or(Why::Field)?;
    let command = text.trim_end_matches('\n').as_bytes().to_vec();
    if command.len() > COMMAND_BYTES_MAX {
        return Err(Why::TooLong);
    }
    let times = value.get("ts").and_then(Value::as_array);
    let time = |at: usize| times.and_then(|times| times.get(at)).and_then(json::seconds_us);
    let (start_us, end_us) = (time(0), time(1));
    let took = start_us.zip(end_us).and_then(|(start, end)| u64::try_from(end.checked_sub(start)?).ok());
    Ok((!command.is_empty()).then(|| Entry {
        command,
        start_us,
        duration_us: took,
        exit: json::whole(value, "rtn").and_then(|exit| i32::try_from(exit).ok()),
        about: Some(Box::new(About {
            directory: json::text(value, "cwd").into_bytes(),
            session: session.to_owned(),
            ..About::default()
        })),
    }))
}

/// Goes through a file without holding it.
struct Walk<'a> {
    /// Where the session's id is wanted; then the commands are passed over.
    session: Option<&'a mut String>,
    /// Takes a command and its number. False ends the walk.
    command: &'a mut dyn FnMut(u64, Value) -> bool,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session of xonsh")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "data" => {
                    map.next_value_seed(Walk { session: self.session.as_deref_mut(), command: &mut *self.command })?
                }
                "sessionid" => {
                    let value: Value = map.next_value()?;
                    if let (Some(session), Some(text)) = (self.session.as_deref_mut(), value.as_str()) {
                        text.clone_into(session);
                    }
                }
                "cmds" if self.session.is_none() => map.next_value_seed(Commands(&mut *self.command))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

struct Commands<'a>(&'a mut dyn FnMut(u64, Value) -> bool);

impl<'de> DeserializeSeed<'de> for Commands<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Commands<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of commands")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut commands: A) -> Result<(), A::Error> {
        let mut number = 0;
        while let Some(value) = commands.next_element::<Value>()? {
            number += 1;
            if !(self.0)(number, value) {
                return Err(A::Error::custom("not wanted any more"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{Source, testing};

    fn found(bytes: &[u8]) -> Vec<Found> {
        testing::found(Source::Xonsh, bytes)
    }

    #[test]
    fn commands_have_their_session_wherever_it_stands() {
        let file = br#"{"locs": [1, [2]], "data": {"env": {"a": 1}, "cmds": [
            {"cwd": "/tmp", "inp": "ls\n", "rtn": 0, "ts": [1700000000.25, 1700000001.5]},
            {"inp": "if x:\n  y\n\n", "rtn": null, "ts": [1700000002.0, null], "out": "text"},
            {"inp": 3}, {"inp": "\n"}
        ], "sessionid": "s-1"}}"#;
        let about = |directory: &str| {
            Some(Box::new(About { directory: directory.into(), session: "s-1".into(), ..About::default() }))
        };
        let expected = vec![
            Found::Entry(Entry {
                command: b"ls".to_vec(),
                start_us: Some(1_700_000_000_250_000),
                duration_us: Some(1_250_000),
                exit: Some(0),
                about: about("/tmp"),
            }),
            Found::Entry(Entry {
                command: b"if x:\n  y".to_vec(),
                start_us: Some(1_700_000_002_000_000),
                duration_us: None,
                exit: None,
                about: about(""),
            }),
            Odd::new(3, Why::Field, &[]).into(),
        ];
        assert_eq!(found(file), expected);
    }

    #[test]
    fn trap_44_a_file_that_breaks_off_gives_what_it_has() {
        let file = br#"{"data": {"sessionid": "s", "cmds": [{"inp": "ls"}, {"inp": "c"#;
        let found = found(file);
        assert_eq!(found.len(), 2);
        assert!(matches!(&found[0], Found::Entry(entry) if entry.command == b"ls"));
        assert_eq!(found[1], Odd::new(2, Why::NotJson, &[]).into());
    }

    #[test]
    fn a_session_without_commands_is_nothing() {
        assert_eq!(found(b""), []);
        assert_eq!(found(b"{}"), []);
        assert_eq!(found(b"[]").len(), 1);
    }
}
