//! `--format`: a line of one's own making, with fields in braces. Read once, written for every record.

use std::fmt;

use caro_schema::body::history::Record;
use jiff::tz::TimeZone;

use super::{time, visible};

/// What `--help` says of it.
pub(crate) const HELP: &str = "Fields: {id} {command} {directory} {host} {user} {shell} {session} {time} {start} \
{age} {duration} {exit}. Escapes: \\n \\t \\0 \\\\ and {{ for a brace.";

/// A format, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Id,
    Command,
    Directory,
    Host,
    User,
    Shell,
    Session,
    Time,
    Start,
    Age,
    Duration,
    Exit,
}

const FIELDS: [(&str, Field); 12] = [
    ("id", Field::Id),
    ("command", Field::Command),
    ("directory", Field::Directory),
    ("host", Field::Host),
    ("user", Field::User),
    ("shell", Field::Shell),
    ("session", Field::Session),
    ("time", Field::Time),
    ("start", Field::Start),
    ("age", Field::Age),
    ("duration", Field::Duration),
    ("exit", Field::Exit),
];

/// Why a format cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormatError {
    /// A name in braces that is none.
    #[error("no field is called {0:?}. {HELP}")]
    Unknown(String),
    /// A brace without its partner.
    #[error("a brace is not closed; {{{{ stands for a brace itself")]
    Open,
    /// A backslash before something that needs none.
    #[error("\\{0} means nothing; \\\\ stands for a backslash itself")]
    Escape(char),
}

/// How bytes of a record are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bytes {
    /// Made harmless for a terminal.
    Visible,
    /// Exactly as they are, for a program.
    Raw,
}

impl std::str::FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => plain.push(escape(letters.next())?),
                '{' if letters.as_str().starts_with('{') => {
                    letters.next();
                    plain.push('{');
                }
                '{' => {
                    let (name, rest) = letters.as_str().split_once('}').ok_or(FormatError::Open)?;
                    let field = FIELDS.iter().find(|(known, _)| *known == name);
                    let (_, field) = field.ok_or_else(|| FormatError::Unknown(name.to_owned()))?;
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(Part::Field(*field));
                    letters = rest.chars();
                }
                other => plain.push(other),
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }
}

fn escape(letter: Option<char>) -> Result<char, FormatError> {
    match letter {
        Some('n') => Ok('\n'),
        Some('t') => Ok('\t'),
        Some('0') => Ok('\0'),
        Some('\\') | None => Ok('\\'),
        Some(other) => Err(FormatError::Escape(other)),
    }
}

impl Format {
    /// One record.
    pub(crate) fn write(&self, record: &Record, bytes: Bytes, now_us: i64, zone: &TimeZone, to: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                Part::Text(text) => to.extend_from_slice(text.as_bytes()),
                Part::Field(field) => field.write(record, bytes, now_us, zone, to),
            }
        }
    }
}

impl Field {
    fn write(self, record: &Record, bytes: Bytes, now_us: i64, zone: &TimeZone, to: &mut Vec<u8>) {
        let mut foreign = |text: &[u8]| match bytes {
            Bytes::Visible => to.extend_from_slice(visible::line(text).as_bytes()),
            Bytes::Raw => to.extend_from_slice(text),
        };
        match self {
            Self::Command => foreign(&record.command),
            Self::Directory => foreign(&record.directory),
            Self::Host => foreign(record.host.as_bytes()),
            Self::User => foreign(record.user.as_bytes()),
            Self::Shell => foreign(record.shell.as_bytes()),
            Self::Session => foreign(record.session.as_bytes()),
            Self::Id => foreign(record.id.hex().as_bytes()),
            Self::Time => foreign(time::local(record.start_us, zone).as_bytes()),
            Self::Start => foreign(time::rfc3339(record.start_us).as_bytes()),
            Self::Age => foreign(time::age(record.start_us, now_us).as_bytes()),
            Self::Duration => foreign(record.duration_us.map(time::duration).unwrap_or_default().as_bytes()),
            Self::Exit => foreign(record.exit.map(|exit| exit.to_string()).unwrap_or_default().as_bytes()),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::Field(field) => {
                    let name = FIELDS.iter().find(|(_, known)| known == field).map_or("", |(name, _)| name);
                    write!(f, "{{{name}}}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    fn write(format: &str, bytes: Bytes) -> Vec<u8> {
        let mut odd = record("");
        odd.command = b"a\x1b\xff\nb".to_vec().into();
        odd.duration_us = Some(1_500_000);
        let mut to = Vec::new();
        let format: Format = format.parse().expect("a format");
        format.write(&odd, bytes, odd.start_us + 61_000_000, &TimeZone::UTC, &mut to);
        to
    }

    #[test]
    fn fields_escapes_and_braces() {
        assert_eq!(
            write("{host}\\t{directory}|{{x} {age} {duration}[{exit}]", Bytes::Visible),
            b"laptop\t/tmp|{x} 1m 1.5s[]"
        );
        assert_eq!(write("{command}\\0", Bytes::Raw), b"a\x1b\xff\nb\0");
    }

    #[test]
    fn trap_43_a_format_shows_foreign_text_harmless_unless_raw() {
        assert_eq!(write("{command}", Bytes::Visible), "a^[<FF>⏎b".as_bytes());
    }

    #[test]
    fn a_wrong_format_says_what_is_wrong() {
        for (text, expected) in [
            ("{nope}", FormatError::Unknown("nope".into())),
            ("{id", FormatError::Open),
            ("\\q", FormatError::Escape('q')),
        ] {
            assert_eq!(text.parse::<Format>(), Err(expected), "{text}");
        }
    }
}
