//! What each field of a recorded command may be. A field that is wrong is named; one that nobody knows is passed over and
//! named in the answer, so that a slip shows.

use caro_schema::{
    body::history::Assistant,
    limits::{ASSISTANT_NAME_BYTES_MAX, ASSISTANT_TAGS_MAX},
};
use serde_json::{Map, Value};

use crate::{record::Entry, safety::Level};

/// What was given.
pub(super) struct Given {
    pub(super) entry: Entry,
    /// Names of fields that mean nothing here.
    pub(super) ignored: Vec<String>,
}

/// Bytes of a command. The daemon passes over what is longer than eight times that.
const COMMAND_BYTES_MAX: usize = 1024 * 1024;

/// Reads an object.
pub(super) fn read(bytes: &[u8]) -> Result<Given, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("not JSON: {error}"))?;
    let Value::Object(object) = value else {
        return Err("an object is needed, such as {\"command\":\"ls\"}".to_owned());
    };
    let mut fields = Fields(object);
    let command = fields.text("command")?.or(fields.text("cmd")?);
    let assistant = fields.assistant()?;
    let duration_ms = fields.number("duration_ms")?.map(|ms| ms.saturating_mul(1000));
    let duration_us = fields.number("duration_us")?.or(duration_ms);
    let entry = Entry {
        directory: fields.text("cwd")?.or(fields.text("directory")?).unwrap_or_default(),
        session: fields.name("session")?,
        shell: fields.name("shell")?,
        start_us: fields.start()?,
        duration_us: duration_us
            .map(|us| u64::try_from(us).map_err(|_| "duration is negative".to_owned()))
            .transpose()?,
        exit: fields
            .number("exit")?
            .map(|exit| i32::try_from(exit).map_err(|_| "exit is not a status".to_owned()))
            .transpose()?,
        is_running: fields.flag("running")?,
        key: fields.text("key")?.filter(|key| !key.is_empty()),
        assistant,
        command,
    };
    check(&entry)?;
    Ok(Given { entry, ignored: fields.0.into_iter().map(|(name, _)| name).collect() })
}

fn check(entry: &Entry) -> Result<(), String> {
    match &entry.command {
        Some(command) if command.trim().is_empty() => Err("command is empty".to_owned()),
        Some(command) if command.len() > COMMAND_BYTES_MAX => {
            Err(format!("command is longer than {COMMAND_BYTES_MAX} bytes"))
        }
        Some(_) => Ok(()),
        None if entry.key.is_none() => Err("command is missing".to_owned()),
        None if entry.exit.is_none() && entry.duration_us.is_none() => {
            Err("a key without a command says how the command ended: exit or duration_ms is missing".to_owned())
        }
        None => Ok(()),
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    /// A field, gone from what is left. Nothing is as good as not there.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("{name} is not a text")),
        }
    }

    /// A short text of one line.
    fn name(&mut self, name: &str) -> Result<String, String> {
        let text = self.text(name)?.unwrap_or_default();
        short(name, text)
    }

    fn number(&mut self, name: &str) -> Result<Option<i64>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Number(number)) if number.is_i64() => Ok(number.as_i64()),
            // What a clock of fractions gives.
            Some(Value::Number(number)) if number.as_f64().is_some_and(|number| number.abs() < 9e15) => {
                Ok(number.as_f64().map(|number| number.round() as i64))
            }
            Some(_) => Err(format!("{name} is not a whole number")),
        }
    }

    fn flag(&mut self, name: &str) -> Result<bool, String> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(format!("{name} is neither true nor false")),
        }
    }

    fn start(&mut self) -> Result<Option<i64>, String> {
        let wrong = || "start is neither a time such as 2026-03-01T14:30:00Z nor microseconds since 1970".to_owned();
        match self.take("start").or_else(|| self.take("start_us")) {
            None => Ok(None),
            Some(Value::Number(us)) => us.as_i64().filter(|us| *us > 0).map(Some).ok_or_else(wrong),
            Some(Value::String(text)) => {
                let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
                Ok(Some(time.as_microsecond()).filter(|us| *us > 0))
            }
            Some(_) => Err(wrong()),
        }
    }

    fn assistant(&mut self) -> Result<Assistant, String> {
        let safety = self.text("safety")?;
        let safety = match safety.as_deref().map(str::trim) {
            None | Some("") => String::new(),
            Some(word) => Level::from_word(word)
                .map(|level| level.word().to_owned())
                .ok_or("safety is none of safe, moderate, high, critical")?,
        };
        Ok(Assistant {
            prompt: self.text("prompt")?.unwrap_or_default(),
            explanation: self.text("explanation")?.unwrap_or_default(),
            model: self.name("model")?,
            author: self.name("author")?,
            tags: self.tags()?,
            safety,
            rule: None,
        })
    }

    fn tags(&mut self) -> Result<Vec<String>, String> {
        let tags = match self.take("tags") {
            None => return Ok(Vec::new()),
            Some(Value::String(one)) => vec![Value::String(one)],
            Some(Value::Array(tags)) => tags,
            Some(_) => return Err("tags is not a list of texts".to_owned()),
        };
        if tags.len() > ASSISTANT_TAGS_MAX {
            return Err(format!("there are more than {ASSISTANT_TAGS_MAX} tags"));
        }
        tags.into_iter()
            .map(|tag| match tag {
                Value::String(tag) => short("a tag", tag),
                _ => Err("tags is not a list of texts".to_owned()),
            })
            .collect()
    }
}

fn short(name: &str, text: String) -> Result<String, String> {
    if text.len() > ASSISTANT_NAME_BYTES_MAX {
        return Err(format!("{name} is longer than {ASSISTANT_NAME_BYTES_MAX} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Result<Entry, String> {
        read(text.as_bytes()).map(|given| given.entry)
    }

    #[test]
    fn every_field_is_taken() {
        let text = r#"{"command":"make test","cwd":"/srv","exit":2,"duration_ms":1500,"start":"2026-03-01T14:30:00Z",
            "author":"my-agent","model":"big-4","prompt":"run the tests","explanation":"runs them","safety":"Moderate",
            "tags":["ci","build"],"session":"s1","shell":"bash","running":false,"key":"k1","colour":"red"}"#;
        let Given { entry, ignored } = read(text.as_bytes()).expect("understood");
        assert_eq!(ignored, ["colour"]);
        assert_eq!((entry.command.as_deref(), entry.directory.as_str()), (Some("make test"), "/srv"));
        assert_eq!(
            (entry.exit, entry.duration_us, entry.start_us),
            (Some(2), Some(1_500_000), Some(1_772_375_400_000_000))
        );
        assert_eq!((entry.session.as_str(), entry.shell.as_str(), entry.key.as_deref()), ("s1", "bash", Some("k1")));
        let Assistant { prompt, explanation, model, safety, tags, author, rule } = entry.assistant;
        assert_eq!((prompt.as_str(), explanation.as_str(), model.as_str()), ("run the tests", "runs them", "big-4"));
        assert_eq!((safety.as_str(), author.as_str(), rule), ("moderate", "my-agent", None));
        assert_eq!(tags, ["ci", "build"]);
    }

    #[test]
    fn a_command_alone_is_enough_and_nothing_is_as_good_as_not_there() {
        assert_eq!(entry(r#"{"command":"ls","exit":null,"tags":null}"#).expect("understood").exit, None);
        assert_eq!(
            entry(r#"{"command":"ls","duration_ms":1.6,"tags":"one"}"#).expect("understood").duration_us,
            Some(2000)
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = format!(r#"{{"command":"{}"}}"#, "x".repeat(COMMAND_BYTES_MAX + 1));
        let many = format!(r#"{{"command":"x","tags":[{}]}}"#, vec!["\"t\""; ASSISTANT_TAGS_MAX + 1].join(","));
        for (text, expected) in [
            ("", "not JSON"),
            ("{", "not JSON"),
            ("[]", "an object is needed"),
            ("{}", "command is missing"),
            (r#"{"command":"  "}"#, "command is empty"),
            (r#"{"command":["ls"]}"#, "command is not a text"),
            (r#"{"command":"x","exit":"no"}"#, "exit is not a whole number"),
            (r#"{"command":"x","exit":99999999999}"#, "exit is not a status"),
            (r#"{"command":"x","duration_ms":-1}"#, "duration is negative"),
            (r#"{"command":"x","start":"soon"}"#, "start is neither"),
            (r#"{"command":"x","safety":"fine"}"#, "safety is none of"),
            (r#"{"command":"x","running":1}"#, "running is neither"),
            (r#"{"command":"x","tags":[1]}"#, "tags is not"),
            (r#"{"key":"k"}"#, "a key without a command"),
            (long.as_str(), "command is longer"),
            (many.as_str(), "there are more than"),
        ] {
            let wrong = entry(text).expect_err(expected);
            assert!(wrong.starts_with(expected), "{wrong}");
        }
        assert!(entry(r#"{"key":"k","exit":0}"#).expect("an end").command.is_none());
    }

    #[test]
    fn any_bytes_are_answered() {
        proptest::proptest!(|(bytes: Vec<u8>)| { drop(read(&bytes)); });
    }
}
