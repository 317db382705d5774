//! A database with one table, `history`, one row a record. Texts are texts, and bytes where they are none; times are
//! microseconds since 1970. It is read back by `import/database`.

use std::path::Path;

use caro_schema::body::history::Record;
use rusqlite::{Connection, params, types::Value};

use crate::{
    error::{Failure, Outcome},
    exit,
    output::{
        json::{self, AssistantJson},
        time,
    },
};

/// A database that is being written.
pub(crate) struct Database {
    connection: Connection,
}

/// `start` is for people who look at the table. The number in `application_id` is "caro".
const SCHEMA: &str = "
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA application_id = 1667330671;
    CREATE TABLE history (
        id TEXT NOT NULL PRIMARY KEY, start TEXT, start_us INTEGER NOT NULL, duration_us, exit INTEGER,
        command NOT NULL, directory NOT NULL, host NOT NULL, user NOT NULL, shell NOT NULL, session NOT NULL, assistant
    );
    BEGIN;";

const INSERT: &str = "INSERT INTO history VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

impl Database {
    /// In a file that is there and empty.
    pub(crate) fn create(path: &Path) -> Outcome<Self> {
        let connection = Connection::open(path).map_err(|error| failed(&error))?;
        connection.execute_batch(SCHEMA).map_err(|error| failed(&error))?;
        Ok(Self { connection })
    }

    /// Adds a record.
    pub(crate) fn add(&self, record: &Record) -> Outcome {
        let Record { id, command, directory, host, user, shell, session, start_us, duration_us, exit, assistant } =
            record;
        let assistant = assistant.as_ref().map(|by| {
            let line = json::line(&AssistantJson(by));
            text(line.trim_ascii_end())
        });
        // SQLite's numbers are signed.
        let took = duration_us.map(|us| i64::try_from(us).map_or_else(|_| Value::Text(us.to_string()), Value::Integer));
        let row = params![
            id.hex(),
            time::rfc3339(*start_us),
            start_us,
            took,
            exit,
            text(command),
            text(directory),
            text(host.as_bytes()),
            text(user.as_bytes()),
            text(shell.as_bytes()),
            text(session.as_bytes()),
            assistant,
        ];
        let mut insert = self.connection.prepare_cached(INSERT).map_err(|error| failed(&error))?;
        insert.execute(row).map(drop).map_err(|error| failed(&error))
    }

    /// Makes it whole.
    pub(crate) fn finish(self) -> Outcome {
        self.connection.execute_batch("COMMIT").map_err(|error| failed(&error))?;
        self.connection.close().map_err(|(_, error)| failed(&error))
    }
}

/// A text where it is one. SQLite's own functions end a text at a NUL byte.
fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => Value::Text(text.to_owned()),
        _ => Value::Blob(bytes.to_vec()),
    }
}

/// What SQLite says may repeat a value; its code is enough.
fn failed(error: &rusqlite::Error) -> Failure {
    let reason = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => "the disk is full",
        _ => "writing failed",
    };
    Failure::new(exit::IO, format!("the database cannot be written: {reason}"))
}
