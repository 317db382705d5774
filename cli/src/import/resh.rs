//! resh: one JSON object a line, after `v1` in later versions. Of its fifty fields those are read that a record has; none
//! but the command has to be there.

use std::io::{self, BufRead};

use serde_json::Value;

use super::{About, COMMAND_BYTES_MAX, Entry, Format, Found, Lines, Why, json};

/// Reads resh's history.
pub(super) struct Resh;

impl<R: BufRead> Format<R> for Resh {
    fn next(&mut self, lines: &mut Lines<R>) -> io::Result<Option<Found>> {
        loop {
            let Some(line) = lines.next()? else { return Ok(None) };
            if line.is_too_long {
                return Ok(Some(line.odd(Why::TooLong).into()));
            }
            let bytes = line.bytes.strip_prefix(b"v1").unwrap_or(line.bytes).trim_ascii();
            // A version on a line of its own, and empty lines.
            if bytes.is_empty() {
                continue;
            }
            return Ok(Some(match serde_json::from_slice::<Value>(bytes).map(|value| entry(&value)) {
                Ok(Ok(entry)) => Found::Entry(entry),
                Ok(Err(why)) => line.odd(why).into(),
                Err(_) => line.odd(Why::NotJson).into(),
            }));
        }
    }
}

fn entry(value: &Value) -> Result<Entry, Why> {
    let command = json::text(value, "cmdLine").into_bytes();
    if command.is_empty() {
        return Err(Why::Field);
    }
    if command.len() > COMMAND_BYTES_MAX {
        return Err(Why::TooLong);
    }
    let seconds = |name: &str| value.get(name).and_then(json::seconds_us);
    let start_us = seconds("time").or_else(|| seconds("realtimeBefore"));
    let measured = || Some(seconds("realtimeAfter")?.saturating_sub(seconds("realtimeBefore")?));
    let duration_us = seconds("duration").or_else(|| seconds("realtimeDuration")).or_else(measured);
    let first = |names: [&str; 2]| names.into_iter().map(|name| json::text(value, name)).find(|text| !text.is_empty());
    Ok(Entry {
        command,
        start_us,
        duration_us: duration_us.and_then(|us| u64::try_from(us).ok()),
        exit: json::whole(value, "exitCode").and_then(|exit| i32::try_from(exit).ok()),
        about: Some(Box::new(About {
            directory: json::text(value, "pwd").into_bytes(),
            host: first(["device", "host"]).unwrap_or_default(),
            user: json::text(value, "login"),
            shell: json::text(value, "shell"),
            session: json::text(value, "sessionId"),
            ..About::default()
        })),
    })
}

#[cfg(test)]
mod tests {
    use crate::import::{About, Entry, Source, Why, testing};

    #[test]
    fn both_versions_are_read() {
        let file = br#"{"cmdLine":"ls","exitCode":1,"shell":"zsh","host":"desk","login":"ada","pwd":"/tmp","sessionId":"s","realtimeBefore":1700000000.25,"realtimeAfter":1700000001.5}
v1{"cmdLine":"cd","exitCode":0,"shell":"bash","device":"lap","pwd":"/","sessionId":"t","time":"1700000002","duration":"0.5"}
"#;
        let about = |directory: &str, host: &str, user: &str, shell: &str, session: &str| {
            Some(Box::new(About {
                directory: directory.into(),
                host: host.into(),
                user: user.into(),
                shell: shell.into(),
                session: session.into(),
                ..About::default()
            }))
        };
        let expected = vec![
            Entry {
                command: b"ls".to_vec(),
                start_us: Some(1_700_000_000_250_000),
                duration_us: Some(1_250_000),
                exit: Some(1),
                about: about("/tmp", "desk", "ada", "zsh", "s"),
            },
            Entry {
                command: b"cd".to_vec(),
                start_us: Some(1_700_000_002_000_000),
                duration_us: Some(500_000),
                exit: Some(0),
                about: about("/", "lap", "", "bash", "t"),
            },
        ];
        assert_eq!(testing::read_all(Source::Resh, file), (expected, 0));
    }

    #[test]
    fn trap_44_a_bad_line_is_named_and_the_next_is_read() {
        let file = b"{\"cmdLine\":\"a\"}\n{broken\n{\"cmdLine\":3}\n\n[]\n{\"cmdLine\":\"b\"}";
        let odd: Vec<_> = testing::odd(Source::Resh, file).iter().map(|odd| (odd.at, odd.why)).collect();
        assert_eq!(odd, [(2, Why::NotJson), (3, Why::Field), (5, Why::Field)]);
        assert_eq!(testing::read_all(Source::Resh, file).0.len(), 2);
    }
}
