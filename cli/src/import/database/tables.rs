//! Tables and columns of each tool, and what a row of them says.

use caro_schema::{body::history::Assistant, id::RecordId};

use super::{
    super::{About, COMMAND_BYTES_MAX, Entry, Found, Source, Why, json, own, record_of},
    Cells,
};

/// The tables that a tool has, and how a row becomes a command.
pub(super) struct Shape {
    /// Each with the columns that make it recognisable. The first is the one that has a row for each command.
    pub(super) tables: &'static [(&'static str, &'static [&'static str])],
    /// Where the command is.
    command: &'static str,
    /// The other columns that are wanted, in order. A column of the first table that some version lacks is empty there.
    columns: &'static [&'static str],
    /// Which rows, and the other tables.
    joins: &'static str,
    /// Rows that the tool itself does not show any more.
    unless: &'static str,
    /// What the row says; nothing where it says nothing. Columns from [`FIRST`] on.
    pub(super) entry: fn(&Cells<'_>) -> Result<Option<Found>, Why>,
}

/// Where the wanted columns begin: before them are the row's number, and the command's length and text.
const FIRST: usize = 3;

/// Where the command's length is.
const COMMAND: usize = 1;

/// Bytes of any text that is not a command.
const TEXT_BYTES_MAX: usize = 65_536;

impl Shape {
    /// The statement. `has` says which columns the first table has.
    pub(super) fn sql(&self, has: impl Fn(&str) -> bool) -> String {
        let (main, _) = self.tables[0];
        let bounded =
            |column: &str, bytes: usize| format!("CASE WHEN octet_length({column}) <= {bytes} THEN {column} END");
        let wanted = |column: &&str| match column.strip_prefix("main.") {
            Some(name) if !has(name) => "NULL".to_owned(),
            _ => bounded(column, TEXT_BYTES_MAX),
        };
        let columns: Vec<String> = self.columns.iter().map(wanted).collect();
        let command = self.command;
        let text = bounded(command, COMMAND_BYTES_MAX);
        let shown = match self.unless.strip_prefix("main.") {
            Some(name) if has(name) => format!("WHERE main.{name} IS NULL"),
            _ => String::new(),
        };
        format!(
            "SELECT main.rowid, octet_length({command}), {text}, {} FROM {main} AS main {} {shown} ORDER BY main.rowid",
            columns.join(", "),
            self.joins
        )
    }
}

/// The shapes that a source's database may have.
pub(super) fn of(source: Source) -> &'static [Shape] {
    match source {
        Source::Atuin => &[ATUIN],
        Source::Histdb => &[HISTDB],
        Source::Mcfly => &[MCFLY],
        Source::Nu => &[NU],
        Source::Xonsh => &[XONSH],
        Source::Caro => &[CARO],
        _ => &[],
    }
}

fn found(entry: Entry) -> Result<Option<Found>, Why> {
    Ok((!entry.command.is_empty()).then_some(Found::Entry(entry)))
}

fn positive(value: Option<i64>) -> Option<u64> {
    value.and_then(|value| u64::try_from(value).ok())
}

/// The usual columns: time, length, status, session, host, directory; times in units of so many microseconds.
fn timed(row: &Cells<'_>, unit_us: i64) -> Result<Option<Found>, Why> {
    found(Entry {
        command: row.command(COMMAND)?,
        start_us: row.whole(FIRST).map(|units| units.saturating_mul(unit_us)),
        duration_us: positive(row.whole(FIRST + 1).map(|units| units.saturating_mul(unit_us))),
        exit: row.small(FIRST + 2),
        about: Some(Box::new(About {
            session: row.text(FIRST + 3),
            host: row.text(FIRST + 4),
            directory: row.bytes(FIRST + 5).unwrap_or_default(),
            ..About::default()
        })),
    })
}

/// Times in nanoseconds; -1 where it is not known. The host has the user behind a colon.
const ATUIN: Shape = Shape {
    tables: &[("history", &["id", "timestamp", "duration", "exit", "command", "cwd", "session", "hostname"])],
    command: "main.command",
    columns: &[
        "main.id",
        "main.timestamp",
        "main.duration",
        "main.exit",
        "main.cwd",
        "main.session",
        "main.hostname",
        "main.shell",
        "main.author_kind",
        "main.author",
        "main.intent",
    ],
    joins: "",
    unless: "main.deleted_at",
    entry: |row| {
        let column = |at: usize| FIRST + at;
        let duration_ns = row.whole(column(2)).filter(|ns| *ns >= 0);
        let place = row.text(column(6));
        let (host, user) = place.split_once(':').unwrap_or((&place, ""));
        let is_made = row.whole(column(8)) == Some(2);
        let assistant =
            || Box::new(Assistant { model: row.text(column(9)), prompt: row.text(column(10)), ..Assistant::default() });
        found(Entry {
            command: row.command(COMMAND)?,
            start_us: row.whole(column(1)).map(|ns| ns.div_euclid(1000)),
            duration_us: positive(duration_ns.map(|ns| ns / 1000)),
            // A command that never ended, and one that a file gave to Atuin, have -1.
            exit: row.small(column(3)).filter(|exit| *exit != -1),
            about: Some(Box::new(About {
                key: row.text(column(0)).into_bytes(),
                directory: row.bytes(column(4)).filter(|cwd| cwd != b"unknown").unwrap_or_default(),
                host: host.to_owned(),
                user: user.to_owned(),
                shell: row.text(column(7)),
                session: row.text(column(5)),
                assistant: is_made.then(assistant),
            })),
        })
    },
};

/// Times in seconds.
const HISTDB: Shape = Shape {
    tables: &[
        ("history", &["session", "command_id", "place_id", "exit_status", "start_time", "duration"]),
        ("commands", &["id", "argv"]),
        ("places", &["id", "host", "dir"]),
    ],
    command: "commands.argv",
    columns: &["main.start_time", "main.duration", "main.exit_status", "main.session", "places.host", "places.dir"],
    joins: "LEFT JOIN commands ON commands.id = main.command_id LEFT JOIN places ON places.id = main.place_id",
    unless: "",
    entry: |row| timed(row, 1_000_000),
};

/// Times in seconds.
const MCFLY: Shape = Shape {
    tables: &[("commands", &["cmd", "session_id", "when_run", "exit_code", "dir"])],
    command: "main.cmd",
    columns: &["main.when_run", "main.exit_code", "main.dir", "main.session_id"],
    joins: "",
    unless: "",
    entry: |row| {
        let session = row.text(FIRST + 3);
        // What McFly itself took out of a shell's file: it made up the exit status, and knows no directory.
        let is_imported = session == "IMPORTED";
        let known = |value: Vec<u8>| if is_imported { Vec::new() } else { value };
        found(Entry {
            command: row.command(COMMAND)?,
            start_us: row.whole(FIRST).map(|seconds| seconds.saturating_mul(1_000_000)),
            duration_us: None,
            exit: row.small(FIRST + 1).filter(|_| !is_imported),
            about: Some(Box::new(About {
                directory: known(row.bytes(FIRST + 2).unwrap_or_default()),
                session: if is_imported { String::new() } else { session },
                ..About::default()
            })),
        })
    },
};

/// Times in milliseconds.
const NU: Shape = Shape {
    tables: &[(
        "history",
        &["command_line", "start_timestamp", "session_id", "hostname", "cwd", "duration_ms", "exit_status"],
    )],
    command: "main.command_line",
    columns: &[
        "main.start_timestamp",
        "main.duration_ms",
        "main.exit_status",
        "main.session_id",
        "main.hostname",
        "main.cwd",
    ],
    joins: "",
    unless: "",
    entry: |row| timed(row, 1000),
};

/// Times in seconds, with a fraction.
const XONSH: Shape = Shape {
    tables: &[("xonsh_history", &["inp", "rtn", "tsb", "tse", "sessionid"])],
    command: "main.inp",
    columns: &["main.tsb", "main.tse", "main.rtn", "main.sessionid", "main.cwd"],
    joins: "",
    unless: "",
    entry: |row| {
        let mut command = row.command(COMMAND)?;
        let end = command.iter().rposition(|byte| *byte != b'\n').map_or(0, |at| at + 1);
        command.truncate(end);
        let (start_us, end_us) = (row.real(FIRST).and_then(json::micros), row.real(FIRST + 1).and_then(json::micros));
        found(Entry {
            command,
            start_us,
            duration_us: positive(start_us.zip(end_us).and_then(|(start, end)| end.checked_sub(start))),
            exit: row.small(FIRST + 2),
            about: Some(Box::new(About {
                session: row.text(FIRST + 3),
                directory: row.bytes(FIRST + 4).unwrap_or_default(),
                ..About::default()
            })),
        })
    },
};

/// What `caro export sqlite` writes: see `export/sqlite.rs`.
const CARO: Shape = Shape {
    tables: &[(
        "history",
        &["id", "start_us", "command", "directory", "host", "user", "shell", "session", "assistant"],
    )],
    command: "main.command",
    columns: &[
        "main.id",
        "main.start_us",
        "main.duration_us",
        "main.exit",
        "main.directory",
        "main.host",
        "main.user",
        "main.shell",
        "main.session",
        "main.assistant",
    ],
    joins: "",
    unless: "",
    entry: |row| {
        let column = |at: usize| FIRST + at;
        let id = row.bytes(column(0)).and_then(|id| RecordId::from_hex(std::str::from_utf8(&id).ok()?));
        let about = row.bytes(column(9));
        let assistant: Option<own::By> =
            about.map(|json| serde_json::from_slice(&json).map_err(|_| Why::Field)).transpose()?;
        let entry = Entry {
            command: row.command(COMMAND)?,
            start_us: row.whole(column(1)),
            // SQLite's numbers are signed: one above them was written as a text.
            duration_us: row.text(column(2)).parse().ok(),
            exit: row.small(column(3)),
            about: Some(Box::new(About {
                key: Vec::new(),
                directory: row.bytes(column(4)).unwrap_or_default(),
                host: row.text(column(5)),
                user: row.text(column(6)),
                shell: row.text(column(7)),
                session: row.text(column(8)),
                assistant: assistant.map(Into::into),
            })),
        };
        if entry.command.is_empty() {
            return Err(Why::Field);
        }
        Ok(Some(record_of(Some(id.ok_or(Why::Field)?), entry)))
    },
};
