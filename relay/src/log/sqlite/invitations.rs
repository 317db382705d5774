//! Invitations: made by whoever runs the relay, kept as hashes, each good for so many accounts and so long. Which account
//! came of which is not kept.

use std::time::{SystemTime, UNIX_EPOCH};

use caro_schema::id::Hash;
use rusqlite::{Connection, params};

use super::{super::LogError, SqliteLog, classify};

/// An invitation, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// By what it is named here.
    pub number: u64,
    /// What its maker wrote on it.
    pub note: String,
    /// Seconds since 1970 after which it is worth nothing; none for never.
    pub expires: Option<u64>,
    /// How many more accounts may be made with it.
    pub uses_left: u32,
    /// How many were.
    pub used: u32,
}

impl SqliteLog {
    /// Keeps a new invitation. Gives its number.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn invite(&mut self, hash: &Hash, note: &str, expires: Option<u64>, uses: u32) -> Result<u64, LogError> {
        self.within(|connection| {
            connection
                .execute(
                    "INSERT INTO invitation (hash, note, expires, uses_left, used) VALUES (?1, ?2, ?3, ?4, 0)",
                    params![hash.as_bytes(), note, expires, uses],
                )
                .map_err(|error| classify(&error))?;
            Ok(connection.last_insert_rowid().unsigned_abs())
        })
    }

    /// All invitations, in the order in which they were made.
    ///
    /// # Errors
    /// When they could not be read.
    pub fn invitations(&mut self) -> Result<Vec<Invitation>, LogError> {
        self.usable()?;
        let result = list(&self.connection).map_err(|error| classify(&error));
        self.noted(result)
    }

    /// Forgets an invitation. Accounts that were made with it stay. False when there is none of this number.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn revoke_invitation(&mut self, number: u64) -> Result<bool, LogError> {
        self.within(|connection| {
            let count = connection
                .execute("DELETE FROM invitation WHERE number = ?1", [number])
                .map_err(|error| classify(&error))?;
            Ok(count > 0)
        })
    }
}

fn list(connection: &Connection) -> rusqlite::Result<Vec<Invitation>> {
    let mut statement =
        connection.prepare("SELECT number, note, expires, uses_left, used FROM invitation ORDER BY number")?;
    let rows = statement.query_map([], |row| {
        Ok(Invitation {
            number: row.get(0)?,
            note: row.get(1)?,
            expires: row.get(2)?,
            uses_left: row.get(3)?,
            used: row.get(4)?,
        })
    })?;
    rows.collect()
}

/// Uses an invitation once. False when there is none of this hash that may be used.
pub(super) fn take(connection: &Connection, hash: &Hash) -> rusqlite::Result<bool> {
    let count = connection
        .prepare_cached(
            "UPDATE invitation SET uses_left = uses_left - 1, used = used + 1
             WHERE hash = ?1 AND uses_left > 0 AND (expires IS NULL OR expires > ?2)",
        )?
        .execute((hash.as_bytes(), now()))?;
    Ok(count > 0)
}

/// Seconds since 1970, by the system's clock.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
